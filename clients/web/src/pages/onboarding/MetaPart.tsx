/* Whether Meta is connected, and with which of its accounts the ads will run. */
import { type UseQueryResult, useMutation } from '@tanstack/react-query';
import { useSearchParams } from 'react-router-dom';

import { ApiError, type Schemas, api, dataOf } from '../../api/client';
import { metaAccountsQuery, queryClient } from '../../api/queries';
import { fieldError, formError } from '../../lib/form';
import { Badge, Banner, ButtonAnchor, Details, Loading, SelectField, Skeleton } from '../../ui';
import { showToast } from '../../ui/toast';
import { LoadError } from '../shared/LoadError';
import css from './onboarding.module.css';

type Accounts = Schemas['GetMetaAccountsResponse'];
type Selection = Schemas['MetaSelection'];

const CONNECT = '/api/auth/meta/connect';
const FIELDS = ['businessId', 'adAccountId', 'pageId'];

/* How the round trip to Meta's dialog ended when it did not end well. */
const trips: Record<string, { title: string; text: string }> = {
    META_DENIED: { title: 'Meta was not connected', text: 'You did not allow everything that the ads need. Connect again and leave all permissions on.' },
    META_FAILED: { title: 'Meta could not be connected', text: 'Something went wrong on the way to Meta. Please try again.' },
};

function TripError() {
    const [search] = useSearchParams();
    const code = search.get('error');
    if (code === null) return null;
    const { title, text } = trips[code] ?? trips.META_FAILED!;
    return (
        <Banner tone="bad" title={title} live>
            {text}
        </Banner>
    );
}

function NotConnected() {
    return (
        <div className="stack">
            <TripError />
            <p className="muted">Lotcast makes the catalog and the ads in your own ad account. You log in at Meta and can end it there, or in your settings, at any time.</p>
            <div>
                <ButtonAnchor href={CONNECT} variant="primary">
                    Connect Meta Account
                </ButtonAnchor>
            </div>
        </div>
    );
}

interface PickerProps {
    label: string;
    options: { id: string; name: string; usable?: boolean; currency?: string }[];
    value: string;
    onChange: (id: string) => void;
    error: string | undefined;
    disabled: boolean;
}

function Picker({ label, options, value, onChange, error, disabled }: PickerProps) {
    return (
        <SelectField label={label} value={value} onChange={(event) => onChange(event.target.value)} error={error} disabled={disabled}>
            {!options.some(({ id }) => id === value) && <option value="">Choose one</option>}
            {options.map(({ id, name, usable, currency }) => (
                <option key={id} value={id} disabled={usable === false}>
                    {name}
                    {currency !== undefined && ` (${currency})`}
                    {usable === false && ', cannot be used'}
                </option>
            ))}
        </SelectField>
    );
}

/* What is missing at Meta before ads can run. */
function Missing({ data }: { data: Accounts }) {
    const account = data.adAccounts.find(({ id }) => id === data.selected.adAccountId);
    const missing = data.businesses.length === 0 ? 'business portfolio' : data.adAccounts.length === 0 ? 'ad account' : data.pages.length === 0 ? 'Facebook page' : undefined;
    if (missing !== undefined) {
        return (
            <Banner tone="warn" title={`Your Meta login has no ${missing}`}>
                Ads need one. Create it at Meta, or connect with a login that has one.
            </Banner>
        );
    }
    if (account?.usable !== false) return null;
    const others = data.adAccounts.some(({ usable }) => usable);
    return (
        <Banner tone="warn" title="This ad account cannot be used">
            {others ? 'It is not active at Meta, or we do not offer ads in its currency yet. Choose another one.' : `It is not active at Meta, or we do not offer ads in ${account.currency} yet. Activate it at Meta and connect again, or connect another account.`}
        </Banner>
    );
}

function useSelect(selected: Selection) {
    return useMutation({
        mutationFn: (choice: Partial<Selection>) => dataOf(api.POST('/api/auth/meta/select', { body: { ...selected, ...choice } })),
        onSuccess: (_data, choice) => {
            queryClient.setQueryData(metaAccountsQuery.queryKey, (old) => old && { ...old, selected: { ...old.selected, ...choice } });
            showToast('good', 'Saved');
        },
    });
}

function Connected({ data }: { data: Accounts }) {
    const { adAccounts, pages, businesses, selected } = data;
    const select = useSelect(selected);
    const parts = [
        { key: 'businessId' as const, label: 'Business', options: businesses },
        { key: 'adAccountId' as const, label: 'Ad account', options: adAccounts },
        { key: 'pageId' as const, label: 'Facebook page', options: pages },
    ];
    const single = parts.filter(({ options }) => options.length === 1);
    const several = parts.filter(({ options }) => options.length > 1);
    const failed = formError(select.error, FIELDS);
    return (
        <div className="stack">
            <TripError />
            <div className="spread">
                <Badge tone="good" dot>
                    Connected
                </Badge>
                <ButtonAnchor href={CONNECT} variant="quiet" size="small">
                    Use another Meta login
                </ButtonAnchor>
            </div>
            <Missing data={data} />
            {failed !== undefined && (
                <Banner tone="bad" live>
                    {failed}
                </Banner>
            )}
            {several.length > 0 && (
                <div className={css.pickers}>
                    {several.map(({ key, label, options }) => (
                        <Picker
                            key={key}
                            label={label}
                            options={options}
                            value={select.isPending ? (select.variables[key] ?? selected[key]) : selected[key]}
                            onChange={(id) => select.mutate({ [key]: id })}
                            error={fieldError(select.error, key)}
                            disabled={false}
                        />
                    ))}
                </div>
            )}
            {single.length > 0 && <Details rows={single.map(({ label, options }) => [label, 'currency' in options[0]! ? `${options[0].name} (${options[0].currency})` : options[0]!.name])} />}
        </div>
    );
}

interface Props {
    /** What is asked, for where it fails. */
    query: UseQueryResult<unknown>;
    notConnected: boolean;
    data: Accounts | undefined;
}

export function MetaPart({ query, notConnected, data }: Props) {
    if (notConnected) return <NotConnected />;
    if (data !== undefined) return <Connected data={data} />;
    if (query.isError) {
        return (
            <LoadError error={query.error} onRetry={() => void query.refetch()} busy={query.isFetching}>
                {query.error instanceof ApiError ? query.error.message : 'Something went wrong. Try again in a moment.'}
            </LoadError>
        );
    }
    return (
        <Loading label="Loading your Meta accounts">
            <Skeleton height="26px" width="120px" />
            <Skeleton height="76px" />
        </Loading>
    );
}
