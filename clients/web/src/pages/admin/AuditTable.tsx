import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { ScrollText } from 'lucide-react';
import { useState } from 'react';
import { Link } from 'react-router-dom';

import type { Schemas } from '../../api/client';
import { formatMoment } from '../../lib/format';
import { Badge, Card, type Column, EmptyState, ErrorState, Loading, Pagination, Skeleton, Table } from '../../ui';
import css from './admin.module.css';
import { auditQuery } from './queries';
import { adminZone } from './zone';

type Entry = Schemas['ListAuditResponse']['entries'][number];

const actions: Record<string, string> = {
    view_as: 'Viewed as customer',
    act_as: 'Acted as customer',
    read: 'Read',
    credits: 'Adjusted credits',
    suspend: 'Suspended',
    resume: 'Resumed',
    create_admin: 'Created an admin',
    set_password: 'Set a password',
};

function columns(ofOne: boolean): Column<Entry>[] {
    const all: Column<Entry>[] = [
        {
            key: 'action',
            title: 'Action',
            cell: (entry) => <Badge tone={entry.action === 'suspend' ? 'bad' : entry.action === 'resume' ? 'good' : 'neutral'}>{actions[entry.action] ?? entry.action.replaceAll('_', ' ')}</Badge>,
        },
        { key: 'who', title: 'By', cell: (entry) => <span className={css.wrap}>{entry.actor.email}</span> },
        { key: 'customer', title: 'Customer', cell: (entry) => (entry.customerId === '' ? <span className="muted">–</span> : <Link to={`/admin/customers/${entry.customerId}`}>Customer {entry.customerId}</Link>) },
        { key: 'reason', title: 'Reason', cell: (entry) => <span className={css.wrap}>{entry.reason || '–'}</span> },
        { key: 'at', title: 'When', end: true, cell: (entry) => <span className="muted">{formatMoment(entry.at, adminZone)}</span> },
    ];
    return ofOne ? all.filter((column) => column.key !== 'customer') : all;
}

/** Who did what when; with `customerId` what was done about one customer. */
export function AuditTable({ customerId, page: givenPage, onPage }: { customerId?: string; page?: number; onPage?: (page: number) => void }) {
    const [ownPage, setOwnPage] = useState(1);
    const page = givenPage ?? ownPage;
    const audit = useQuery({ ...auditQuery(page, customerId), placeholderData: keepPreviousData });
    if (audit.isError) return <ErrorState error={audit.error} onRetry={() => void audit.refetch()} busy={audit.isFetching} />;
    if (audit.isPending) {
        return (
            <Card>
                <Loading label="Loading the audit">
                    {[1, 2, 3, 4, 5, 6].map((row) => (
                        <Skeleton key={row} height="2rem" />
                    ))}
                </Loading>
            </Card>
        );
    }
    const { entries, pagination } = audit.data;
    if (entries.length === 0) {
        return (
            <Card>
                <EmptyState icon={<ScrollText />} title="Nothing was done yet">
                    Every change by an admin, and every look at a customer's pages, is written down here.
                </EmptyState>
            </Card>
        );
    }
    return (
        <>
            <Card>
                <div className={audit.isPlaceholderData ? css.stale : undefined}>
                    <Table caption="Audit entries" columns={columns(customerId !== undefined)} rows={entries} rowKey={(entry) => entry.id} cards alone />
                </div>
            </Card>
            <Pagination pagination={{ ...pagination, page }} onPage={onPage ?? setOwnPage} noun="entries" />
        </>
    );
}
