/*
 * The way back from Stripe: /app/billing?success=true&session_id=cs_… or ?canceled=true. The session is settled by
 * asking for it; where Stripe is still at it, the page asks again for a while.
 */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { useSearchParams } from 'react-router-dom';

import type { Schemas } from '../../api/client';
import { billingQuery, queryClient } from '../../api/queries';

type Purchase = Schemas['GetBillingResponse']['purchases'][number];

export type Payment = { state: 'canceled' | 'waiting' | 'late' | 'failed' } | { state: 'settled'; credits?: number };

const KEY = 'lotcast.purchase';
const POLL_MS = 2000;
const WAIT_MS = 40_000;

function ended(purchases: Purchase[]): Purchase[] {
    return purchases.filter((purchase) => purchase.status === 'completed' || purchase.status === 'failed');
}

/** Keeps, on the way to Stripe, which purchases had ended before: the one that is new among them is this one. */
export function rememberPurchase(): void {
    const billing = queryClient.getQueryData(billingQuery().queryKey);
    if (billing !== undefined) sessionStorage.setItem(KEY, JSON.stringify(ended(billing.purchases).map((purchase) => purchase.id)));
}

/* Null: the checkout was opened in another tab. */
function remembered(): string[] | null {
    try {
        const ids = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as unknown;
        return Array.isArray(ids) ? ids.map(String) : null;
    } catch {
        return null;
    }
}

/* The purchase that was paid, once it has ended. Purchases come newest first. */
function endedNow(purchases: Purchase[], before: string[] | null): Purchase | undefined {
    if (before === null) return ended(purchases.slice(0, 1))[0];
    return ended(purchases).find((purchase) => !before.includes(purchase.id));
}

type Back = { how: 'success'; sessionId: string | undefined; before: string[] | null } | { how: 'canceled' } | null;

/* What the address says, which forgets it then: a reload is no second return. */
function useBack(): Back {
    const [search, setSearch] = useSearchParams();
    const kept = useRef<Back>(undefined);
    if (kept.current === undefined) {
        const success = search.get('success') === 'true';
        if (success) kept.current = { how: 'success', sessionId: search.get('session_id') ?? search.get('sessionId') ?? undefined, before: remembered() };
        else kept.current = search.get('canceled') === 'true' ? { how: 'canceled' } : null;
    }
    const present = search.size > 0;
    useEffect(() => {
        // What was kept is about one way to Stripe and back.
        sessionStorage.removeItem(KEY);
        if (present) setSearch({}, { replace: true, preventScrollReset: true });
    }, [present, setSearch]);
    return kept.current;
}

function paymentOf(back: Back, purchases: Purchase[] | undefined, late: boolean): Payment | undefined {
    if (back === null) return undefined;
    if (back.how === 'canceled') return { state: 'canceled' };
    const purchase = purchases === undefined ? undefined : endedNow(purchases, back.before);
    if (purchase === undefined) return { state: late ? 'late' : 'waiting' };
    return purchase.status === 'failed' ? { state: 'failed' } : { state: 'settled', credits: purchase.credits };
}

export function useBilling() {
    const client = useQueryClient();
    const back = useBack();
    const returned = back?.how === 'success';
    const [late, setLate] = useState(false);
    const billing = useQuery({
        ...billingQuery(returned ? back.sessionId : undefined),
        ...(returned ? { staleTime: 0 } : {}),
        refetchInterval: (query) => (paymentOf(back, query.state.data?.purchases, late)?.state === 'waiting' ? POLL_MS : false),
    });
    const payment = paymentOf(back, billing.data?.purchases, late);
    const state = payment?.state;
    useEffect(() => {
        if (state !== 'waiting') return;
        const timer = setTimeout(() => setLate(true), WAIT_MS);
        return () => clearTimeout(timer);
    }, [state]);
    useEffect(() => {
        if (state !== 'settled') return;
        // New credits may have started the ads again.
        for (const key of ['dashboard', 'ads', 'ledger']) void client.invalidateQueries({ queryKey: [key] });
    }, [state, client]);
    return { billing, payment };
}
