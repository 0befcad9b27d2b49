/* A part of a page that could not be loaded, or only as it was before: a line with a toast, and Retry. */
import { type ReactNode, useEffect } from 'react';

import { useFocusOnLeave } from '../../lib/focus';
import { Banner, Button } from '../../ui';
import { showLoadFailed } from '../../ui/toast';

interface Props {
    error: unknown;
    onRetry: () => void;
    busy: boolean;
    children: ReactNode;
}

export function LoadError({ error, onRetry, busy, children }: Props) {
    useEffect(() => showLoadFailed(error), [error]);
    const retry = (
        <Button size="small" onClick={onRetry} aria-busy={busy || undefined}>
            Retry
        </Button>
    );
    const place = useFocusOnLeave<HTMLDivElement>();
    return (
        <div ref={place}>
            <Banner tone="bad" title="Could not load data" live action={retry}>
                {children}
            </Banner>
        </div>
    );
}
