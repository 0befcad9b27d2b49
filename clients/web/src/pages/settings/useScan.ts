import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

import type { Schemas } from '../../api/client';
import { scanStatusQuery, settingsQuery } from '../../api/queries';
import { plural } from '../../lib/format';
import { showToast } from '../../ui/toast';

const SCAN_POLL_MS = 2500;

type ScanStatus = Schemas['GetScanStatusResponse'];

/**
 * The scan that a new URL starts: how far it is, asked until it ends; then what it found is fetched. A scan that was
 * left behind on the way to another page is taken up again.
 */
export function useScan(website: Schemas['GetSettingsResponse']['website']): { running: boolean; status?: ScanStatus; error?: string; start: () => void } {
    const client = useQueryClient();
    const neverRead = website.connected && website.lastSyncAt === null;
    const [running, setRunning] = useState(() => neverRead || client.getQueryData(scanStatusQuery.queryKey)?.inProgress === true);
    const [error, setError] = useState<string>();
    const { data: status } = useQuery({ ...scanStatusQuery, enabled: running, refetchInterval: SCAN_POLL_MS });
    useEffect(() => {
        if (!running || status === undefined || status.inProgress) return;
        setRunning(false);
        setError(status.error?.message);
        if (status.error === null) showToast('good', `${plural(status.itemsFound, 'item')} found on your website`);
        for (const key of [...settingsQuery.queryKey, 'inventory', 'dashboard', 'ads']) void client.invalidateQueries({ queryKey: [key] });
    }, [running, status, client]);
    const start = () => {
        setError(undefined);
        setRunning(true);
    };
    return { running, status, error, start };
}
