/* A part of a page that could not be loaded, or only as it was before: a line with a toast, and Retry. */
import { type ReactNode, useEffect } from 'react';

import { Banner, Button } from '../../ui';
import { showToast } from '../../ui/toast';

interface Props {
    error: unknown;
    onRetry: () => void;
    busy: boolean;
    children: ReactNode;
}

export function LoadError({ error, onRetry, busy, children }: Props) {
    useEffect(() => showToast('bad', 'Could not load data'), [error]);
    const retry = (
        <Button size="small" onClick={onRetry} aria-busy={busy || undefined}>
            Retry
        </Button>
    );
    return (
        <Banner tone="bad" title="Could not load data" live action={retry}>
            {children}
        </Banner>
    );
}
