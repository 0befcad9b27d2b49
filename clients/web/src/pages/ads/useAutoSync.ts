/* The switch of the auto-sync: it moves at once, and back if the change failed (data-flows.md, "Optimistic Updates"). */
import { useMutation } from '@tanstack/react-query';
import { useRef } from 'react';

import { type Schemas, api, dataOf } from '../../api/client';
import { adsQuery, dashboardQuery, queryClient } from '../../api/queries';
import { showToast } from '../../ui/toast';

type AutoSync = Schemas['AutoSync'];

const KEY = ['auto-sync'];

function show(autoSync: AutoSync): void {
    queryClient.setQueryData(adsQuery.queryKey, (old) => old && { ...old, autoSync });
}

function pending(): number {
    return queryClient.isMutating({ mutationKey: KEY });
}

export function useAutoSync(): { set: (enabled: boolean) => void; changing: boolean } {
    // As the server last said it is.
    const confirmed = useRef<AutoSync>(undefined);
    const mutation = useMutation({
        mutationKey: KEY,
        // One after the other, in the order of the clicks; what an earlier one says is shown only if none follows.
        scope: { id: 'auto-sync' },
        mutationFn: (enabled: boolean) => dataOf(api.POST('/api/customer/ads/auto-sync', { body: { enabled } })),
        onError: (_error, enabled) => {
            if (pending() === 1 && confirmed.current !== undefined) show(confirmed.current);
            showToast('bad', `Auto-sync could not be ${enabled ? 'enabled' : 'disabled'}. Try again.`);
        },
        onSuccess: ({ nextRun, nextRunAt }, enabled) => {
            confirmed.current = { enabled, nextRun, nextRunAt };
            if (pending() === 1) show(confirmed.current);
            void queryClient.invalidateQueries({ queryKey: dashboardQuery.queryKey });
        },
    });
    const set = (enabled: boolean) => {
        if (pending() === 0) confirmed.current = queryClient.getQueryData(adsQuery.queryKey)?.autoSync;
        // An answer that is under way would undo it.
        void queryClient.cancelQueries({ queryKey: adsQuery.queryKey });
        show({ enabled, nextRun: null, nextRunAt: null });
        mutation.mutate(enabled);
    };
    return { set, changing: mutation.isPending };
}
