import { Trophy } from 'lucide-react';
import { Link } from 'react-router-dom';

import type { Schemas } from '../../api/client';
import { formatCount, formatPercent } from '../../lib/format';
import { Card, type Column, EmptyState, Table } from '../../ui';
import css from './performance.module.css';

type Item = Schemas['GetPerformanceResponse']['topPerformers'][number];

function columns(most: number): Column<Item>[] {
    return [
        {
            key: 'item',
            title: 'Item',
            cell: (item) => (
                <Link to={`/app/inventory?search=${encodeURIComponent(item.itemTitle)}`} className={css.item}>
                    {item.itemTitle}
                </Link>
            ),
        },
        {
            key: 'impressions',
            title: 'Impressions',
            end: true,
            cell: (item) => (
                <div className={css.share}>
                    <span className={css.shareBar} style={{ inlineSize: `${(100 * item.impressions) / most}%` }} aria-hidden="true" />
                    <span>{formatCount(item.impressions)}</span>
                </div>
            ),
        },
        { key: 'clicks', title: 'Clicks', end: true, cell: (item) => formatCount(item.clicks) },
        { key: 'rate', title: 'CTR', end: true, cell: (item) => formatPercent(item.impressions === 0 ? 0 : (100 * item.clicks) / item.impressions) },
    ];
}

export function TopPerformers({ items }: { items: Item[] }) {
    if (items.length === 0) {
        return (
            <Card title="Top performers">
                <EmptyState icon={<Trophy />} title="No item stands out yet">
                    The items that were seen most are listed here.
                </EmptyState>
            </Card>
        );
    }
    const most = Math.max(1, ...items.map((item) => item.impressions));
    return (
        <Card title="Top performers" note="The items that were seen most.">
            <Table caption="Items that were seen most" columns={columns(most)} rows={items} rowKey={(item) => item.itemId} cards />
        </Card>
    );
}
