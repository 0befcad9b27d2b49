/* Step 3: Meta is connected, then the budget set and the ads launched. */
import { useQuery } from '@tanstack/react-query';
import { Check } from 'lucide-react';
import type { ReactNode } from 'react';
import { Navigate, useLocation } from 'react-router-dom';

import { ApiError } from '../../api/client';
import { metaAccountsQuery, settingsQuery } from '../../api/queries';
import { Banner, Card, useTitle } from '../../ui';
import { LaunchForm } from './LaunchForm';
import { MetaPart } from './MetaPart';
import css from './onboarding.module.css';

/* The number of a part, a tick once it is done. */
function PartTitle({ number, done, children }: { number: number; done: boolean; children: ReactNode }) {
    return (
        <span className={css.partTitle}>
            <span className={css.partMark} data-done={done || undefined} aria-hidden="true">
                {done ? <Check size={17} /> : number}
            </span>
            {children}
        </span>
    );
}

export function Component() {
    useTitle('Launch your ads');
    const location = useLocation();
    // Whether there is a connection is asked first: without one there is nothing to ask for its accounts.
    const settings = useQuery(settingsQuery);
    const connected = settings.data?.meta.connected;
    const accounts = useQuery({ ...metaAccountsQuery, enabled: connected === true, refetchOnWindowFocus: false });
    const notConnected = connected === false || (accounts.error instanceof ApiError && accounts.error.code === 'META_NOT_CONNECTED');
    // What was known before it was found disconnected counts no more.
    const data = notConnected ? undefined : accounts.data;
    const account = data?.adAccounts.find(({ id }) => id === data.selected.adAccountId);
    const ready = account?.usable === true && data!.selected.pageId !== '' && data!.selected.businessId !== '';
    const reading = (location.state as { reading?: boolean } | null)?.reading === true;
    if (settings.error instanceof ApiError && settings.error.code === 'FORBIDDEN') return <Navigate to="/admin/customers" replace />;
    return (
        <div className="stack">
            <div className={css.head}>
                <h1>Launch your ads</h1>
                <p>Connect the account that the ads run in, then say how much and to whom.</p>
            </div>
            {reading && <Banner title="Your website is still being read">That goes on by itself. You can launch as soon as its first items are in.</Banner>}
            <Card
                title={
                    <PartTitle number={1} done={ready}>
                        Connect Meta
                    </PartTitle>
                }
            >
                <MetaPart query={settings.isError ? settings : accounts} notConnected={notConnected} data={data} />
            </Card>
            <Card
                title={
                    <PartTitle number={2} done={false}>
                        Budget and audience
                    </PartTitle>
                }
            >
                <LaunchForm currency={ready ? account.currency : undefined} onDisconnected={() => void accounts.refetch()} />
            </Card>
        </div>
    );
}
