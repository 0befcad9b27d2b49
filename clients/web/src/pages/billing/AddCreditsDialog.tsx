import { Radio, RadioGroup } from '@headlessui/react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { CircleCheck } from 'lucide-react';
import { useEffect, useState } from 'react';

import { ApiError, type Schemas, api, dataOf } from '../../api/client';
import { packagesQuery } from '../../api/queries';
import { formatCount, formatMoney } from '../../lib/format';
import { Badge, Banner, Button, Dialog, Loading, Skeleton } from '../../ui';
import css from './billing.module.css';
import { rememberPurchase } from './useReturn';

type Package = Schemas['ListPackagesResponse']['packages'][number];

function messageOf(error: unknown): string {
    return error instanceof ApiError ? error.message : 'Something went wrong. Try again in a moment.';
}

function newKey(): string {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/* One key for each package, for as long as the dialog is open: pressing twice buys once. */
function useKeys(): (packageId: string) => string {
    const [keys] = useState(() => new Map<string, string>());
    return (packageId) => {
        const key = keys.get(packageId) ?? newKey();
        keys.set(packageId, key);
        return key;
    };
}

function PackageCard({ offer }: { offer: Package }) {
    const bonus = Math.round((100 * offer.bonusCredits) / offer.credits);
    return (
        <Radio value={offer.id} className={css.package} aria-label={`${formatMoney(offer.amount, offer.currency)}: ${formatCount(offer.credits + offer.bonusCredits)} credits`}>
            <CircleCheck size={20} className={css.packageMark} aria-hidden="true" />
            <span className={css.price}>{formatMoney(offer.amount, offer.currency)}</span>
            <span className={css.packageCredits}>
                {formatCount(offer.credits + offer.bonusCredits)} credits
                {bonus > 0 && (
                    <Badge tone="good">
                        +{bonus}% bonus: {formatCount(offer.bonusCredits)}
                    </Badge>
                )}
            </span>
        </Radio>
    );
}

function Packages({ chosen, onChoose, disabled }: { chosen: string | undefined; onChoose: (id: string) => void; disabled: boolean }) {
    const packages = useQuery(packagesQuery);
    if (packages.isPending) {
        return (
            <Loading label="Loading the packages">
                <Skeleton height="4.2rem" />
                <Skeleton height="4.2rem" />
                <Skeleton height="4.2rem" />
            </Loading>
        );
    }
    if (packages.isError) {
        return (
            <Banner
                tone="bad"
                title="Could not load the packages"
                live
                action={
                    <Button size="small" onClick={() => void packages.refetch()} busy={packages.isFetching}>
                        Retry
                    </Button>
                }
            >
                {messageOf(packages.error)}
            </Banner>
        );
    }
    return (
        <RadioGroup value={chosen ?? null} onChange={(id: string | null) => id !== null && onChoose(id)} disabled={disabled} className="stack-s" aria-label="Packages">
            {packages.data.packages.map((offer) => (
                <PackageCard key={offer.id} offer={offer} />
            ))}
        </RadioGroup>
    );
}

function usePurchase() {
    const keyOf = useKeys();
    const purchase = useMutation({
        mutationFn: (packageId: string) => dataOf(api.POST('/api/customer/billing/purchase', { params: { header: { 'Idempotency-Key': keyOf(packageId) } }, body: { packageId } })),
        onSuccess: ({ checkoutUrl }) => {
            rememberPurchase();
            location.assign(checkoutUrl);
        },
    });
    // The browser's Back may show this page just as it was left, waiting for the checkout.
    const { reset } = purchase;
    useEffect(() => {
        const shown = (event: PageTransitionEvent) => event.persisted && reset();
        addEventListener('pageshow', shown);
        return () => removeEventListener('pageshow', shown);
    }, [reset]);
    return purchase;
}

function AddCredits({ onClose }: { onClose: () => void }) {
    const [chosen, setChosen] = useState<string>();
    const purchase = usePurchase();
    // Until the browser has left for the checkout.
    const busy = purchase.isPending || purchase.isSuccess;
    return (
        <div className={css.addCredits}>
            <p className="muted">You pay on Stripe's secure page and come back here.</p>
            <Packages chosen={chosen} onChoose={setChosen} disabled={busy} />
            {purchase.isError && (
                <Banner tone="bad" title="The purchase could not be started" live>
                    {messageOf(purchase.error)}
                </Banner>
            )}
            <div className={css.dialogActions}>
                <Button onClick={onClose}>Cancel</Button>
                <Button variant="primary" busy={busy} disabled={chosen === undefined} onClick={() => chosen !== undefined && purchase.mutate(chosen)}>
                    {busy ? 'Opening the checkout…' : 'Continue to payment'}
                </Button>
            </div>
        </div>
    );
}

export function AddCreditsDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
    return (
        <Dialog open={open} onClose={onClose} title="Add Credits">
            <AddCredits onClose={onClose} />
        </Dialog>
    );
}
