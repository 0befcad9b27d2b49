import { ImageOff, TriangleAlert } from 'lucide-react';
import { useState } from 'react';

import type { Schemas } from '../../api/client';
import { formatDecimal, formatMoney } from '../../lib/format';
import { Badge, type Column, Table } from '../../ui';
import css from './inventory.module.css';

type Item = Schemas['ListItemsResponse']['items'][number];

/* Why an item is in no ad: what the scan found missing. Any other text is Meta's, for people already. */
const reasons: Record<string, string> = {
    missing_title: 'it has no title',
    missing_price: 'it has no price',
    missing_currency: 'its price has no currency',
};

function Picture({ url }: { url: string | null }) {
    const [failed, setFailed] = useState(false);
    if (url === null || failed) {
        return (
            <span className={css.noPicture} aria-hidden="true">
                <ImageOff size={20} />
            </span>
        );
    }
    return <img src={url} alt="" width={64} height={48} loading="lazy" decoding="async" referrerPolicy="no-referrer" className={css.picture} onError={() => setFailed(true)} />;
}

/* Addresses are of customers' websites: nothing but pages is linked to. */
function isPage(url: string): boolean {
    return /^https?:\/\//i.test(url);
}

function Title({ item }: { item: Item }) {
    const title = item.title === '' ? 'No title' : item.title;
    return (
        <div className={css.item}>
            <Picture url={item.imageUrl} />
            <div className={css.itemText}>
                {isPage(item.url) ? (
                    <a href={item.url} target="_blank" rel="noopener noreferrer" className={css.title}>
                        {title}
                        <span className="visually-hidden"> (opens in a new tab)</span>
                    </a>
                ) : (
                    <span className={css.title}>{title}</span>
                )}
                {item.excluded !== null && (
                    <span className={css.excluded}>
                        <TriangleAlert size={14} aria-hidden="true" />
                        <span>Not advertised: {reasons[item.excluded] ?? item.excluded}</span>
                    </span>
                )}
            </div>
        </div>
    );
}

function price(item: Item): string {
    if (item.price === null) return '–';
    return item.currency === null ? formatDecimal(item.price) : formatMoney(item.price, item.currency);
}

const columns: Column<Item>[] = [
    { key: 'title', title: 'Item', cell: (item) => <Title item={item} /> },
    { key: 'price', title: 'Price', end: true, cell: (item) => <strong className={css.price}>{price(item)}</strong> },
    {
        key: 'stock',
        title: 'Stock',
        cell: (item) => (
            <Badge tone={item.inStock ? 'good' : 'neutral'} dot>
                {item.inStock ? 'In stock' : 'Out of stock'}
            </Badge>
        ),
    },
];

export function InventoryTable({ items }: { items: Item[] }) {
    return <Table caption="Items" columns={columns} rows={items} rowKey={(item) => item.id} cards alone />;
}
