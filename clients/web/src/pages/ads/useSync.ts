/*
 * The manual sync. Its POST answers when it is done; while it runs the progress is polled every 3 s. A sync that no
 * POST of this page waits for (it took more than 120 s, or was under way already) is followed by the polls alone, to
 * the same end.
 */
import { useMutation, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

import { ApiError, type Schemas, api, dataOf } from '../../api/client';
import { SYNC_POLL_MS, adsQuery, dashboardQuery, queryClient, syncStatusQuery } from '../../api/queries';
import { plural } from '../../lib/format';
import { showToast } from '../../ui/toast';

type Status = Schemas['GetSyncStatusResponse'];
type Counts = Pick<Status, 'itemsProcessed' | 'itemsAdded' | 'itemsRemoved'>;

export interface SyncFailure {
    code: string;
    message: string;
}

export interface Sync {
    running: boolean;
    /** Percent; undefined: it isn't known yet. */
    percent: number | undefined;
    /** How far it has come; undefined: it isn't known yet. */
    status: Status | undefined;
    /** Why the last one failed. */
    failure: SyncFailure | null;
    run: () => void;
    /** Most items are gone: the user is asked whether they are to be removed. */
    confirms: boolean;
    askConfirm: () => void;
    closeConfirm: () => void;
    confirm: () => void;
}

function doneText({ itemsProcessed, itemsAdded, itemsRemoved }: Counts): string {
    return `${plural(itemsProcessed, 'item')} processed (${itemsAdded} added, ${itemsRemoved} removed)`;
}

/* What a sync changes, also one that failed: the account's status. */
function refreshPages(): void {
    void queryClient.invalidateQueries({ queryKey: adsQuery.queryKey });
    void queryClient.invalidateQueries({ queryKey: dashboardQuery.queryKey });
    void queryClient.invalidateQueries({ queryKey: ['inventory'] });
}

/* The status as it is after the POST has answered, so that what was polled before is not taken for a running sync. */
async function endStatus(change: Partial<Status>): Promise<void> {
    await queryClient.cancelQueries({ queryKey: syncStatusQuery.queryKey });
    queryClient.setQueryData(syncStatusQuery.queryKey, (old) => old && { ...old, inProgress: false, ...change });
}

/* Whether the sync may go on though its POST failed: nobody said that it has ended. */
function mayRun(error: unknown): boolean {
    return error instanceof ApiError && (error.status === 0 || error.status >= 500) && error.code !== 'UPSTREAM_ERROR';
}

function failureOf(error: unknown): SyncFailure | null {
    if (error === null || error === undefined) return null;
    return error instanceof ApiError ? { code: error.code, message: error.message } : { code: 'INTERNAL', message: 'Something went wrong. Try again in a moment.' };
}

export function useSync(shown: boolean): Sync {
    const [confirms, setConfirms] = useState(false);
    // Since when a sync is followed by polls alone; null: none is.
    const [since, setSince] = useState<number | null>(null);
    const askStatus = () => queryClient.invalidateQueries({ queryKey: syncStatusQuery.queryKey });

    const post = useMutation({
        mutationFn: (confirmRemovals: boolean) => dataOf(api.POST('/api/customer/ads/sync', { body: confirmRemovals ? { confirmRemovals } : {} })),
        onSuccess: async (result) => {
            if (result.inProgress) {
                setSince(Date.now());
                await askStatus();
                return;
            }
            const { itemsProcessed, itemsAdded, itemsUpdated, itemsRemoved } = result;
            await endStatus({ itemsProcessed, itemsAdded, itemsUpdated, itemsRemoved, progress: 100, error: null });
            showToast('good', doneText(result));
            refreshPages();
        },
        onError: async (error) => {
            if (mayRun(error)) await askStatus();
            else await endStatus({});
            if (error instanceof ApiError && error.code === 'REMOVAL_HELD') setConfirms(true);
            refreshPages();
        },
    });

    const polled = useQuery({
        ...syncStatusQuery,
        enabled: shown || post.isPending || since !== null,
        refetchOnWindowFocus: false,
        refetchInterval: (query) => (post.isPending || since !== null || query.state.data?.inProgress === true ? SYNC_POLL_MS : false),
    });
    const { data: status, dataUpdatedAt } = polled;

    useEffect(() => {
        if (post.isPending || status === undefined) return;
        if (status.inProgress) {
            setSince((old) => old ?? dataUpdatedAt);
        } else if (since !== null && dataUpdatedAt >= since) {
            setSince(null);
            post.reset();
            refreshPages();
            if (status.error === null) showToast('good', doneText(status));
            else if (status.error.code === 'REMOVAL_HELD') setConfirms(true);
        }
    }, [post, status, dataUpdatedAt, since]);

    const running = post.isPending || since !== null || status?.inProgress === true;
    const run = (confirmRemovals: boolean) => {
        setConfirms(false);
        if (!running) post.mutate(confirmRemovals);
    };
    const known = running && status?.inProgress === true ? status : undefined;
    // The POST's own failure, until a later poll or POST says how it went on.
    const failure = running ? null : (failureOf(post.error) ?? status?.error ?? null);
    return {
        running,
        percent: known?.progress,
        status: known,
        failure,
        run: () => run(false),
        confirms,
        askConfirm: () => setConfirms(true),
        closeConfirm: () => setConfirms(false),
        confirm: () => run(true),
    };
}
