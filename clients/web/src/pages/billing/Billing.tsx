import { Coins, Plus } from 'lucide-react';
import { useState } from 'react';

import { formatCount } from '../../lib/format';
import { useViewAs } from '../../lib/view-as';
import { Banner, Button, Card, ErrorState, Loading, PageHead, Skeleton, Spinner, Tabs } from '../../ui';
import { AddCreditsDialog } from './AddCreditsDialog';
import { CreditsCard } from './CreditsCard';
import { Ledger } from './Ledger';
import { Purchases } from './Purchases';
import { UpcomingCharge } from './UpcomingCharge';
import css from './billing.module.css';
import { type Payment, useBilling } from './useReturn';

function BillingSkeleton() {
    return (
        <Loading label="Loading your billing">
            <div className={css.cards}>
                <Card>
                    <Skeleton height="8rem" />
                </Card>
                <Card>
                    <Skeleton height="8rem" />
                </Card>
            </div>
            <Card>
                <Skeleton height="12rem" />
            </Card>
        </Loading>
    );
}

/** What became of the checkout that the browser has come back from. */
function PaymentBanner({ payment, credits }: { payment: Payment; credits: number }) {
    switch (payment.state) {
        case 'canceled':
            return (
                <Banner tone="neutral" title="The purchase was canceled" live>
                    You have not been charged.
                </Banner>
            );
        case 'waiting':
            return (
                <Banner tone="info" title="Payment successful" live>
                    <span className="row">
                        <Spinner /> Adding your credits…
                    </span>
                </Banner>
            );
        case 'late':
            return (
                <Banner tone="info" title="Payment successful" live>
                    Your bank is still confirming it. Your credits appear here as soon as it has.
                </Banner>
            );
        case 'failed':
            return (
                <Banner tone="bad" title="The payment failed" live>
                    You have not been charged, and no credits were added. Try again, or pay in another way.
                </Banner>
            );
        case 'settled':
            return (
                <Banner tone="good" title="Payment successful" live>
                    {payment.credits === undefined ? 'Your credits were added.' : `${formatCount(payment.credits)} credits were added.`} You have {formatCount(credits)} now.
                </Banner>
            );
    }
}

export function Component() {
    const readOnly = useViewAs() !== null;
    const { billing, payment } = useBilling();
    const [adding, setAdding] = useState(false);
    const [tab, setTab] = useState(0);
    const data = billing.data;
    return (
        <div className="stack">
            <PageHead
                title="Billing"
                note="Credits pay for your ads: what Meta charges is taken from them every day."
                actions={
                    <Button variant="primary" onClick={() => setAdding(true)} disabled={readOnly}>
                        <Plus size={18} aria-hidden="true" />
                        Add Credits
                    </Button>
                }
            />
            {billing.isPending && <BillingSkeleton />}
            {billing.isError && data === undefined && <ErrorState error={billing.error} onRetry={() => void billing.refetch()} busy={billing.isFetching} />}
            {data !== undefined && (
                <>
                    {payment !== undefined && <PaymentBanner payment={payment} credits={data.credits.current} />}
                    <div className={css.cards}>
                        <CreditsCard credits={data.credits} fresh={payment?.state === 'settled'} />
                        <UpcomingCharge charge={data.upcomingCharge} daysEstimate={data.credits.daysEstimate} />
                    </div>
                    <Tabs
                        label="History"
                        selected={tab}
                        onSelect={setTab}
                        tabs={[
                            { title: 'Purchase history', content: <Purchases purchases={data.purchases} icon={<Coins />} onAdd={readOnly ? undefined : () => setAdding(true)} /> },
                            { title: 'Credit movements', content: <Ledger /> },
                        ]}
                    />
                </>
            )}
            <AddCreditsDialog open={adding} onClose={() => setAdding(false)} />
        </div>
    );
}
