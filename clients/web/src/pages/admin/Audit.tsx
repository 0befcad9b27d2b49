import { pageOf, useListParams } from '../../lib/search';
import { PageHead } from '../../ui';
import { AuditTable } from './AuditTable';

export function Component() {
    const [params, set] = useListParams();
    return (
        <div className="stack">
            <PageHead title="Audit" note="Who did what to whom, the latest first." />
            <AuditTable page={pageOf(params)} onPage={(page) => set({ page: page === 1 ? undefined : String(page) })} />
        </div>
    );
}
