import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { ArrowLeftRight } from 'lucide-react';
import { useState } from 'react';

import type { Schemas } from '../../api/client';
import { ledgerQuery } from '../../api/queries';
import { formatDate, formatDecimal, formatMoment } from '../../lib/format';
import { useTimeZone } from '../../lib/time-zone';
import { Card, type Column, EmptyState, ErrorState, Loading, Pagination, Skeleton, Table } from '../../ui';
import css from './billing.module.css';

type Entry = Schemas['ListLedgerResponse']['entries'][number];

const kinds: Record<Entry['kind'], string> = {
    signup: 'Welcome credits',
    purchase: 'Purchase',
    burn: 'Ads',
    refund: 'Refund',
    dispute: 'Disputed payment',
    adjustment: 'Adjustment by Lotcast',
};

const DAY_MS = 86_400_000;

/* What the ads took is of a day, which its reference numbers from 1970-01-01: "burn:<campaign>:20485:1". */
function what(entry: Entry): string {
    const day = /^burn:[^:]*:(\d+):/.exec(entry.reference)?.[1];
    if (day === undefined) return kinds[entry.kind];
    return `${kinds[entry.kind]}, ${formatDate(new Date(Number(day) * DAY_MS).toISOString().slice(0, 10))}`;
}

function columns(timeZone: string): Column<Entry>[] {
    return [
        { key: 'what', title: 'What', cell: (entry) => <strong className={css.what}>{what(entry)}</strong> },
        { key: 'at', title: 'Booked', cell: (entry) => <span className="muted">{formatMoment(entry.at, timeZone)}</span> },
        {
            key: 'credits',
            title: 'Credits',
            end: true,
            cell: (entry) => <span className={entry.credits > 0 ? css.plus : undefined}>{entry.credits > 0 ? `+${formatDecimal(entry.credits)}` : formatDecimal(entry.credits).replace('-', '−')}</span>,
        },
        { key: 'balance', title: 'Balance', end: true, cell: (entry) => formatDecimal(entry.balance) },
    ];
}

/** The credit movements: the user's own, or for an admin those of a customer. */
export function Ledger({ customerId, timeZone: givenZone }: { customerId?: string; timeZone?: string }) {
    const ownZone = useTimeZone();
    const [page, setPage] = useState(1);
    const ledger = useQuery({ ...ledgerQuery(page, customerId), placeholderData: keepPreviousData });
    if (ledger.isError) return <ErrorState error={ledger.error} onRetry={() => void ledger.refetch()} busy={ledger.isFetching} />;
    if (ledger.isPending) {
        return (
            <Card>
                <Loading label="Loading the credit movements">
                    {[1, 2, 3, 4, 5, 6].map((row) => (
                        <Skeleton key={row} height="2rem" />
                    ))}
                </Loading>
            </Card>
        );
    }
    const { entries, pagination } = ledger.data;
    if (pagination.total === 0) {
        return (
            <Card>
                <EmptyState icon={<ArrowLeftRight />} title="No credit movements yet">
                    What you buy and what your ads take from it is listed here, day by day.
                </EmptyState>
            </Card>
        );
    }
    return (
        <>
            <Card>
                <div className={ledger.isPlaceholderData ? css.stale : undefined} aria-busy={ledger.isPlaceholderData}>
                    <Table caption="Movements" columns={columns(givenZone ?? ownZone)} rows={entries} rowKey={(entry) => entry.id} cards alone />
                </div>
            </Card>
            <Pagination pagination={{ ...pagination, page }} onPage={setPage} noun="movements" />
        </>
    );
}
