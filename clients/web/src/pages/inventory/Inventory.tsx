import { Field, Label } from '@headlessui/react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { PackageSearch, ScanSearch } from 'lucide-react';
import { useEffect, useRef } from 'react';

import type { Schemas } from '../../api/client';
import { type InventoryAsk, inventoryQuery } from '../../api/queries';
import { plural } from '../../lib/format';
import { pageOf, useDebouncedText, useListParams } from '../../lib/search';
import { Button, ButtonLink, Card, EmptyState, ErrorState, Loading, PageHead, Pagination, SelectField, Skeleton, Switch } from '../../ui';
import { SearchField } from '../../ui/SearchField';
import { InventoryTable } from './InventoryTable';
import css from './inventory.module.css';

type Inventory = Schemas['ListItemsResponse'];

const sorts = [
    { value: '', name: 'In the order found' },
    { value: 'price', name: 'Price, lowest first' },
    { value: '-price', name: 'Price, highest first' },
    { value: 'title', name: 'Title, A to Z' },
    { value: '-title', name: 'Title, Z to A' },
];

/* What the address asks for. */
function askOf(params: URLSearchParams): InventoryAsk {
    const sort = sorts.find((one) => one.value !== '' && one.value === params.get('sort'))?.value as InventoryAsk['sort'];
    return {
        page: pageOf(params),
        search: params.get('search') ?? undefined,
        sort,
        'filters[inStock]': params.get('inStock') === 'true' ? true : undefined,
    };
}

function TableSkeleton() {
    return (
        <Card>
            <Loading label="Loading the items">
                {Array.from({ length: 8 }, (_, row) => (
                    <div key={row} className={css.skeletonRow}>
                        <Skeleton height="48px" width="64px" />
                        <Skeleton width={`${60 - (row % 3) * 12}%`} />
                        <Skeleton width="5rem" />
                    </div>
                ))}
            </Loading>
        </Card>
    );
}

function Nothing({ narrowed, onClear }: { narrowed: boolean; onClear: () => void }) {
    return (
        <Card>
            {narrowed ? (
                <EmptyState icon={<PackageSearch />} title="No item matches" action={<Button onClick={onClear}>Clear the search</Button>}>
                    Try fewer words, or look at items that are out of stock too.
                </EmptyState>
            ) : (
                <EmptyState
                    icon={<ScanSearch />}
                    title="No items yet"
                    action={
                        <ButtonLink to="/app/settings" variant="primary">
                            Connect your website
                        </ButtonLink>
                    }
                >
                    Lotcast reads your items from your website. Connect it, and they appear here within minutes.
                </EmptyState>
            )}
        </Card>
    );
}

/* A page past the last one: the list has become shorter since its address was kept. */
function PastTheEnd({ onFirst }: { onFirst: () => void }) {
    return (
        <Card>
            <EmptyState icon={<PackageSearch />} title="There is no such page" action={<Button onClick={onFirst}>Go to the first page</Button>}>
                The list has fewer items than that.
            </EmptyState>
        </Card>
    );
}

function Items({ inventory, loading, narrowed, onClear, onFirst }: { inventory: Inventory; loading: boolean; narrowed: boolean; onClear: () => void; onFirst: () => void }) {
    if (loading) return <TableSkeleton />;
    if (inventory.pagination.total === 0) return <Nothing narrowed={narrowed} onClear={onClear} />;
    if (inventory.items.length === 0) return <PastTheEnd onFirst={onFirst} />;
    return (
        <Card>
            <InventoryTable items={inventory.items} />
        </Card>
    );
}

function Toolbar({ params, set }: { params: URLSearchParams; set: (changes: Record<string, string | undefined>) => void }) {
    const [text, setText] = useDebouncedText(params.get('search') ?? '', (search) => set({ search }));
    const inStock = params.get('inStock') === 'true';
    return (
        <div className={css.toolbar}>
            <SearchField label="Search the inventory" placeholder="Search by title, brand, model, VIN or SKU" value={text} onChange={setText} />
            <Field className={css.filter}>
                <Switch label="In stock only" checked={inStock} onChange={(on) => set({ inStock: on ? 'true' : undefined })} />
                <Label>In stock only</Label>
            </Field>
            <SelectField label="Order" hideLabel value={params.get('sort') ?? ''} onChange={(event) => set({ sort: event.target.value })}>
                {sorts.map((sort) => (
                    <option key={sort.value} value={sort.value}>
                        {sort.name}
                    </option>
                ))}
            </SelectField>
        </div>
    );
}

export function Component() {
    const [params, set] = useListParams();
    const ask = askOf(params);
    // The last answer keeps the number of pages in its place; its rows are no answer to what is asked now.
    const inventory = useQuery({ ...inventoryQuery(ask), placeholderData: keepPreviousData });
    const results = useRef<HTMLDivElement>(null);
    const shownPage = useRef(ask.page);
    useEffect(() => {
        if (shownPage.current === ask.page) return;
        shownPage.current = ask.page;
        window.scrollTo({ top: 0 });
        results.current?.focus({ preventScroll: true });
    }, [ask.page]);
    const data = inventory.data;
    const loading = inventory.isPending || inventory.isPlaceholderData;
    const clear = () => {
        // The button that had the focus goes.
        results.current?.focus({ preventScroll: true });
        set({ search: undefined, inStock: undefined });
    };
    const narrowed = ask.search !== undefined || ask['filters[inStock]'] === true;
    return (
        <div className="stack">
            <PageHead title="Inventory" note="What Lotcast found on your website." />
            <Toolbar params={params} set={set} />
            <div ref={results} tabIndex={-1} className={css.results} role="group" aria-label="What was found" aria-busy={loading}>
                <p className="muted small" role="status">
                    {loading || data === undefined || data.pagination.total === 0 ? ' ' : plural(data.pagination.total, narrowed ? 'matching item' : 'item')}
                </p>
                {inventory.isError && <ErrorState error={inventory.error} onRetry={() => void inventory.refetch()} busy={inventory.isFetching} />}
                {inventory.isPending && <TableSkeleton />}
                {data !== undefined && !inventory.isError && (
                    <Items inventory={data} loading={loading} narrowed={narrowed} onClear={clear} onFirst={() => set({ page: undefined })} />
                )}
            </div>
            {data !== undefined && data.pagination.totalPages > 1 && !inventory.isError && ask.page <= data.pagination.totalPages && <Pagination pagination={{ ...data.pagination, page: ask.page }} onPage={(page) => set({ page: page === 1 ? undefined : String(page) })} noun="items" />}
        </div>
    );
}
