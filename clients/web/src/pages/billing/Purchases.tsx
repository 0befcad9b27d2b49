import type { ReactNode } from 'react';

import type { Schemas } from '../../api/client';
import { formatCount, formatDate, formatMoney } from '../../lib/format';
import { Badge, Button, Card, type Column, EmptyState, Table, type Tone } from '../../ui';

type Purchase = Schemas['GetBillingResponse']['purchases'][number];

const states: Record<Purchase['status'], { tone: Tone; name: string }> = {
    pending: { tone: 'warn', name: 'Pending' },
    completed: { tone: 'good', name: 'Completed' },
    failed: { tone: 'bad', name: 'Failed' },
    refunded: { tone: 'neutral', name: 'Refunded' },
};

const columns: Column<Purchase>[] = [
    { key: 'date', title: 'Date', cell: (purchase) => formatDate(purchase.date) },
    { key: 'credits', title: 'Credits', end: true, cell: (purchase) => formatCount(purchase.credits) },
    { key: 'amount', title: 'Amount', end: true, cell: (purchase) => formatMoney(purchase.amount, purchase.currency, true) },
    {
        key: 'status',
        title: 'Status',
        end: true,
        cell: (purchase) => (
            <Badge tone={states[purchase.status].tone} dot>
                {states[purchase.status].name}
            </Badge>
        ),
    },
];

export function Purchases({ purchases, icon, onAdd }: { purchases: Purchase[]; icon: ReactNode; onAdd?: () => void }) {
    if (purchases.length === 0) {
        return (
            <Card>
                <EmptyState icon={icon} title="No purchases yet" action={onAdd && <Button onClick={onAdd}>Add Credits</Button>}>
                    Packages that you buy are listed here, with what they cost and what they brought.
                </EmptyState>
            </Card>
        );
    }
    return (
        <Card>
            <Table caption="Purchases" columns={columns} rows={purchases} rowKey={(purchase) => purchase.id} cards alone />
        </Card>
    );
}
