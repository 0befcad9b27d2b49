/*
 * Budget, audience and the launch itself. It takes up to 60 s, then goes on by itself: another call joins it and
 * gets the same answer, so that trying again is always safe.
 */
import { useMutation } from '@tanstack/react-query';
import { Rocket } from 'lucide-react';
import { type FormEvent, type ReactNode, useState } from 'react';
import { useNavigate } from 'react-router-dom';

import { ApiError, api, dataOf } from '../../api/client';
import { queryClient } from '../../api/queries';
import { useFocusWhen, useFormFocus } from '../../lib/focus';
import { fieldError, formError } from '../../lib/form';
import { Banner, Button, ButtonLink, Progress } from '../../ui';
import { showToast } from '../../ui/toast';
import { BudgetField, parseAmount } from '../shared/BudgetField';
import { AGE_MAX, AGE_MIN, type Targeting, TargetingFields } from '../shared/TargetingFields';
import { ownCountry } from '../shared/countries';
import css from './onboarding.module.css';

const FIELDS = ['monthlyBudget', 'currency', 'targeting'];
const NO_AMOUNT = 'Please enter an amount, for example 2500';
const DASHBOARD = '/app/dashboard';
const HERE = '/onboarding/launch';

/* Where what stands in the way can be done away with. */
const ways: Record<string, { title: string; text: string; link?: { to: string; name: string } }> = {
    WEBSITE_NOT_CONNECTED: { title: 'Your website is not connected yet', text: 'The ads are made of what is on it.', link: { to: '/onboarding/connect', name: 'Connect website' } },
    NO_ITEMS_FOUND: { title: 'There is nothing to advertise yet', text: 'We found no items with a name and a price on your website.', link: { to: '/onboarding/connect', name: 'Check the website' } },
    OUT_OF_CREDITS: { title: 'You are out of credits', text: 'Add some, then launch.', link: { to: '/app/billing', name: 'Add credits' } },
    SCAN_IN_PROGRESS: { title: 'Your website is still being read', text: 'Please launch again in a moment.' },
    ACCOUNT_SUSPENDED: { title: 'Your account is suspended', text: 'Please write to us.' },
};

function Failure({ error }: { error: unknown }) {
    const text = formError(error, FIELDS);
    if (text === undefined) return null;
    const code = error instanceof ApiError ? error.code : '';
    if (code === 'DEADLINE_EXCEEDED') {
        return (
            <Banner tone="info" title="This takes longer than usual" live action={<ButtonLink to={DASHBOARD} size="small">Go to the dashboard</ButtonLink>}>
                Your launch goes on by itself. You can wait for it here, or look at your dashboard in a minute.
            </Banner>
        );
    }
    const way = ways[code];
    if (way === undefined) {
        return (
            <Banner tone="bad" title="Your ads were not launched" live>
                {text}
            </Banner>
        );
    }
    const action: ReactNode = way.link && (
        <ButtonLink to={way.link.to} size="small">
            {way.link.name}
        </ButtonLink>
    );
    return (
        <Banner tone="warn" title={way.title} live action={action}>
            {way.text}
        </Banner>
    );
}

function Launching() {
    const shown = useFocusWhen<HTMLDivElement>(true);
    return (
        <div className={css.launching} ref={shown} tabIndex={-1} role="status">
            <Progress label="Launching your ads" />
            <p className="muted small">Sending your items to Meta and making the campaign. This takes up to a minute; please leave this page open.</p>
        </div>
    );
}

interface LaunchAsk {
    monthlyBudget: number;
    currency: string;
    targeting: Targeting;
}

function useLaunch(onDisconnected: () => void) {
    const navigate = useNavigate();
    const leave = (to: string) => {
        // All that was read before the launch.
        queryClient.removeQueries({ type: 'inactive' });
        // Who has gone elsewhere meanwhile stays there, and sees there what is new.
        if (location.pathname === HERE) void navigate(to, { replace: true });
        else void queryClient.invalidateQueries();
    };
    return useMutation({
        mutationFn: (ask: LaunchAsk) => dataOf(api.POST('/api/onboarding/launch', { body: ask })),
        onSuccess: ({ redirectTo }) => {
            showToast('good', 'Your ads are running');
            leave(redirectTo);
        },
        onError: (error) => {
            if (!(error instanceof ApiError)) return;
            if (error.code === 'META_NOT_CONNECTED') onDisconnected();
            if (error.code === 'ALREADY_LAUNCHED') {
                showToast('good', 'Your ads were launched already');
                leave(DASHBOARD);
            }
        },
    });
}

interface Props {
    /** The ad account's; undefined until there is one that can be used. */
    currency: string | undefined;
    onDisconnected: () => void;
}

export function LaunchForm({ currency, onDisconnected }: Props) {
    const [budget, setBudget] = useState('');
    const [noAmount, setNoAmount] = useState(false);
    const [targeting, setTargeting] = useState<Targeting>(() => ({ countries: [ownCountry() ?? 'US'], ageMin: AGE_MIN, ageMax: AGE_MAX }));
    const launch = useLaunch(onDisconnected);
    const form = useFormFocus(launch.isPending);
    const disabled = currency === undefined || launch.isPending || launch.isSuccess;
    const submit = (event: FormEvent) => {
        event.preventDefault();
        if (currency === undefined) return;
        const monthlyBudget = parseAmount(budget);
        setNoAmount(monthlyBudget === undefined);
        if (monthlyBudget === undefined) form.current?.querySelector<HTMLElement>('[name="monthlyBudget"]')?.focus();
        else launch.mutate({ monthlyBudget, currency, targeting });
    };
    const joins = launch.error instanceof ApiError && launch.error.code === 'DEADLINE_EXCEEDED';
    const budgetError = noAmount ? NO_AMOUNT : (fieldError(launch.error, 'monthlyBudget') ?? fieldError(launch.error, 'currency'));
    return (
        <form ref={form} onSubmit={submit} noValidate aria-busy={launch.isPending || undefined} className="stack">
            {currency === undefined && <p className="muted">This opens once Meta is connected: the budget is in the currency of your ad account.</p>}
            <fieldset disabled={disabled} className="stack">
                <Failure error={launch.error} />
                <BudgetField value={budget} onChange={setBudget} currency={currency} error={budgetError} disabled={disabled} />
                <TargetingFields value={targeting} onChange={setTargeting} error={launch.error} disabled={disabled} />
                <Button type="submit" variant="primary" wide busy={launch.isPending}>
                    {!launch.isPending && <Rocket size={18} aria-hidden="true" />}
                    {launch.isPending ? 'Launching…' : joins ? 'Keep waiting' : 'Launch'}
                </Button>
            </fieldset>
            {launch.isPending && <Launching />}
        </form>
    );
}
