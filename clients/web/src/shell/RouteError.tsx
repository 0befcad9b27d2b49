import { AlertTriangle, Compass } from 'lucide-react';

import { Button, ButtonLink, EmptyState, useTitle } from '../ui';

export function NotFound() {
    useTitle('Not found');
    return (
        <EmptyState icon={<Compass />} title="There is no such page" action={<ButtonLink to="/" variant="primary">Go to the dashboard</ButtonLink>}>
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
