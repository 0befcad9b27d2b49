import { AlertTriangle, Compass } from 'lucide-react';
import { useMemo } from 'react';
import { useRouteError } from 'react-router-dom';

import { ApiError } from '../api/client';
import { Button, ButtonLink, EmptyState, ErrorState, useTitle } from '../ui';
import { showToast } from '../ui/toast';

export function NotFound() {
    useTitle('Not found');
    return (
        <EmptyState page icon={<Compass />} title="There is no such page" action={<ButtonLink to="/" variant="primary">Go to the dashboard</ButtonLink>}>
            The address may be mistyped, or the page has moved.
        </EmptyState>
    );
}

/** What is shown where a page's code could not be loaded or failed. */
export function RouteError() {
    useTitle('Error');
    return (
        <main role="alert">
            <EmptyState
                page
                icon={<AlertTriangle />}
                title="This page could not be shown"
                action={
                    <Button variant="primary" onClick={() => location.reload()}>
                        Load it again
                    </Button>
                }
            >
                Lotcast may have been updated, or your connection was lost.
            </EmptyState>
        </main>
    );
}

/* What the browsers say where a page's code or its styles do not come. */
const NOT_LOADED = /dynamically imported module|importing a module|preload/i;

/** Within the shell, which stays: where a page's code could not be loaded, as without a connection, or failed. */
export function PageError() {
    const thrown = useRouteError();
    useTitle('Error');
    const notLoaded = thrown instanceof Error && NOT_LOADED.test(thrown.message);
    const error = useMemo(() => new ApiError(0, 'NETWORK', notLoaded ? 'Lotcast could not be reached. Check your connection and try again.' : 'This page failed. Load it again.'), [notLoaded]);
    // A browser does not ask again for code that did not come; the page as a whole it does, if it is not offline.
    const retry = () => {
        if (navigator.onLine) location.reload();
        else showToast('bad', 'Could not load data');
    };
    return (
        <div className="stack">
            <h1 className="visually-hidden">This page could not be shown</h1>
            <ErrorState error={error} onRetry={retry} />
        </div>
    );
}
