import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { UserSearch, Users } from 'lucide-react';
import { useEffect, useRef } from 'react';
import { Link } from 'react-router-dom';

import { ApiError, type Schemas } from '../../api/client';
import { formatCount, formatMoment, plural } from '../../lib/format';
import { pageOf, useDebouncedText, useListParams } from '../../lib/search';
import { Button, Card, type Column, EmptyState, ErrorState, Loading, PageHead, Pagination, SelectField, Skeleton, Table } from '../../ui';
import { SearchField } from '../../ui/SearchField';
import { StatusBadge, statuses } from './StatusBadge';
import css from './admin.module.css';
import { moneyOf } from './money';
import { type CustomerStatus, type CustomersAsk, customersQuery } from './queries';
import { adminZone } from './zone';

type Customer = Schemas['ListCustomersResponse']['customers'][number];

const columns: Column<Customer>[] = [
    {
        key: 'company',
        title: 'Customer',
        cell: (customer) => (
            <div className={css.who}>
                <Link to={`/admin/customers/${customer.id}`} className={css.rowLink}>
                    {customer.company || customer.email}
                </Link>
                <span className="muted small">{customer.email}</span>
            </div>
        ),
    },
    { key: 'status', title: 'Status', cell: (customer) => <StatusBadge status={customer.status} /> },
    { key: 'credits', title: 'Credits', end: true, cell: (customer) => formatCount(customer.credits) },
    { key: 'spend', title: 'Spend', end: true, cell: (customer) => moneyOf(customer.totalSpend, customer.currency) },
    { key: 'created', title: 'Since', end: true, cell: (customer) => <span className="muted">{formatMoment(customer.createdAt, adminZone)}</span> },
];

function isStatus(text: string | null): text is CustomerStatus {
    return text !== null && Object.hasOwn(statuses, text);
}

function askOf(params: URLSearchParams): CustomersAsk {
    const status = params.get('status');
    return { page: pageOf(params), search: params.get('search') ?? undefined, 'filters[status]': isStatus(status) ? status : undefined };
}

function ListSkeleton() {
    return (
        <Card>
            <Loading label="Loading the customers">
                {[1, 2, 3, 4, 5, 6, 7].map((row) => (
                    <Skeleton key={row} height="2.4rem" />
                ))}
            </Loading>
        </Card>
    );
}

function Nobody({ narrowed, onClear }: { narrowed: boolean; onClear: () => void }) {
    return (
        <Card>
            {narrowed ? (
                <EmptyState icon={<UserSearch />} title="No customer matches" action={<Button onClick={onClear}>Clear the search</Button>}>
                    Names, companies and e-mail addresses are searched.
                </EmptyState>
            ) : (
                <EmptyState icon={<Users />} title="No customers yet">
                    Everybody who signs up is listed here.
                </EmptyState>
            )}
        </Card>
    );
}

function Toolbar({ params, set }: { params: URLSearchParams; set: (changes: Record<string, string | undefined>) => void }) {
    const [text, setText] = useDebouncedText(params.get('search') ?? '', (search) => set({ search }));
    return (
        <div className={css.toolbar}>
            <SearchField label="Search customers" placeholder="Search by company, name or e-mail" value={text} onChange={setText} />
            <SelectField label="Status" hideLabel value={params.get('status') ?? ''} onChange={(event) => set({ status: event.target.value })}>
                <option value="">Any status</option>
                {Object.entries(statuses).map(([status, { name }]) => (
                    <option key={status} value={status}>
                        {name}
                    </option>
                ))}
            </SelectField>
        </div>
    );
}

export function Component() {
    const [params, set] = useListParams();
    const ask = askOf(params);
    const customers = useQuery({ ...customersQuery(ask), placeholderData: keepPreviousData });
    const results = useRef<HTMLDivElement>(null);
    const shownPage = useRef(ask.page);
    useEffect(() => {
        if (shownPage.current === ask.page) return;
        shownPage.current = ask.page;
        results.current?.focus({ preventScroll: true });
    }, [ask.page]);
    const data = customers.data;
    const loading = customers.isPending || customers.isPlaceholderData;
    const narrowed = ask.search !== undefined || ask['filters[status]'] !== undefined;
    const clear = () => {
        // The button that had the focus goes.
        results.current?.focus({ preventScroll: true });
        set({ search: undefined, status: undefined });
    };
    // Who is no admin has nothing to search.
    const forbidden = customers.error instanceof ApiError && customers.error.code === 'FORBIDDEN';
    return (
        <div className="stack">
            <PageHead title="Customers" note="Everybody who signed up, and how their ads are doing." />
            {!forbidden && <Toolbar params={params} set={set} />}
            <div ref={results} tabIndex={-1} role="group" aria-label="Customers that were found" aria-busy={loading} className={css.results}>
                <p className="muted small" role="status">
                    {loading || data === undefined || data.pagination.total === 0 ? ' ' : plural(data.pagination.total, narrowed ? 'matching customer' : 'customer')}
                </p>
                {customers.isError && <ErrorState error={customers.error} onRetry={() => void customers.refetch()} busy={customers.isFetching} />}
                {loading && <ListSkeleton />}
                {!loading && !customers.isError && data !== undefined && data.customers.length === 0 && <Nobody narrowed={narrowed} onClear={clear} />}
                {!loading && !customers.isError && data !== undefined && data.customers.length > 0 && (
                    <Card>
                        <div className={css.rows}>
                            <Table caption="Customers" columns={columns} rows={data.customers} rowKey={(customer) => customer.id} cards alone />
                        </div>
                    </Card>
                )}
            </div>
            {data !== undefined && !customers.isError && data.pagination.totalPages > 1 && <Pagination pagination={{ ...data.pagination, page: ask.page }} onPage={(page) => set({ page: page === 1 ? undefined : String(page) })} noun="customers" />}
        </div>
    );
}
