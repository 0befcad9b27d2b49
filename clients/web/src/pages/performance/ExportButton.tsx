import { useMutation } from '@tanstack/react-query';
import { Download } from 'lucide-react';

import { ApiError, send } from '../../api/client';
import type { Period } from '../../api/queries';
import { Button } from '../../ui';
import { showToast } from '../../ui/toast';

/* The name that the answer gives the file. */
function fileName(response: Response): string {
    return /filename="?([^";]+)"?/.exec(response.headers.get('content-disposition') ?? '')?.[1] ?? 'performance.csv';
}

/* As the browser does with a link to a file. */
function save(file: Blob, name: string): void {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(file);
    link.download = name;
    link.click();
    // The download has its own hold on the file by then.
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function ExportButton({ period }: { period: Period }) {
    const download = useMutation({
        mutationFn: async () => {
            const response = await send(new Request(`/api/customer/performance/export?period=${period}`, { headers: { Accept: 'text/csv' } }));
            save(await response.blob(), fileName(response));
        },
        onError: (error) => showToast('bad', error instanceof ApiError ? error.message : 'The figures could not be downloaded. Try again.'),
    });
    return (
        <Button onClick={() => download.mutate()} busy={download.isPending}>
            {!download.isPending && <Download size={17} aria-hidden="true" />}
            Export CSV
        </Button>
    );
}
