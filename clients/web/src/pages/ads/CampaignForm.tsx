/* Budget and audience of the running ads; only what was changed is sent. */
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';

import { type Schemas, api, dataOf } from '../../api/client';
import { adsQuery, dashboardQuery, queryClient } from '../../api/queries';
import { useFormFocus } from '../../lib/focus';
import { fieldError, formError } from '../../lib/form';
import { Button, Card } from '../../ui';
import { showToast } from '../../ui/toast';
import { BudgetField, amountText, parseAmount } from '../shared/BudgetField';
import { type Targeting, TargetingFields } from '../shared/TargetingFields';
import { ChangeError } from './ChangeError';

type Campaign = Schemas['MetaCampaign'];
type Change = Schemas['UpdateAdsRequest'];

const FIELDS = ['monthlyBudget', 'targeting'];
const NO_AMOUNT = 'Please enter an amount, for example 2500';

/* What the user has touched; the rest is as it is stored, whatever a refetch finds. */
interface Draft {
    budget?: string;
    targeting?: Targeting;
}

function sameTargeting(a: Targeting, b: Targeting): boolean {
    const same = a.countries.length === b.countries.length && a.countries.every((code) => b.countries.includes(code));
    return same && a.ageMin === b.ageMin && a.ageMax === b.ageMax;
}

/* Undefined: the budget is no amount. */
function changeOf({ budget, targeting }: Draft, campaign: Campaign): Change | undefined {
    const monthlyBudget = budget === undefined ? campaign.monthlyBudget : parseAmount(budget);
    if (monthlyBudget === undefined) return undefined;
    return {
        ...(monthlyBudget === campaign.monthlyBudget ? {} : { monthlyBudget }),
        ...(targeting === undefined || sameTargeting(targeting, campaign.targeting) ? {} : { targeting }),
    };
}

function useSave(onSaved: () => void) {
    return useMutation({
        mutationFn: (change: Change) => dataOf(api.PATCH('/api/customer/ads', { body: change })),
        onSuccess: (_data, { monthlyBudget, targeting }) => {
            queryClient.setQueryData(adsQuery.queryKey, (old) => {
                if (!old?.metaCampaign) return old;
                const { metaCampaign } = old;
                return { ...old, metaCampaign: { ...metaCampaign, monthlyBudget: monthlyBudget ?? metaCampaign.monthlyBudget, targeting: targeting ?? metaCampaign.targeting } };
            });
            onSaved();
            showToast('good', 'Changes saved');
            void queryClient.invalidateQueries({ queryKey: adsQuery.queryKey });
            void queryClient.invalidateQueries({ queryKey: dashboardQuery.queryKey });
        },
    });
}

export function CampaignForm({ campaign, readOnly }: { campaign: Campaign; readOnly: boolean }) {
    const [draft, setDraft] = useState<Draft>({});
    const [noAmount, setNoAmount] = useState(false);
    const save = useSave(() => setDraft({}));
    const form = useFormFocus(save.isPending);
    const disabled = readOnly || save.isPending;
    const submit = (event: FormEvent) => {
        event.preventDefault();
        const change = changeOf(draft, campaign);
        setNoAmount(change === undefined);
        if (change === undefined) form.current?.querySelector<HTMLElement>('[name="monthlyBudget"]')?.focus();
        else if (Object.keys(change).length > 0) save.mutate(change);
        else {
            setDraft({});
            save.reset();
            showToast('good', 'There was nothing to change');
        }
    };
    return (
        <Card title="Budget and audience" note="Changes count from now on.">
            <form ref={form} onSubmit={submit} noValidate>
                <fieldset disabled={disabled} className="stack">
                    {formError(save.error, FIELDS) !== undefined && <ChangeError error={save.error} title="Your changes were not saved" />}
                    <BudgetField
                        value={draft.budget ?? amountText(campaign.monthlyBudget)}
                        onChange={(budget) => setDraft({ ...draft, budget })}
                        currency={campaign.currency}
                        error={noAmount ? NO_AMOUNT : fieldError(save.error, 'monthlyBudget')}
                        disabled={disabled}
                    />
                    <TargetingFields value={draft.targeting ?? campaign.targeting} onChange={(targeting) => setDraft({ ...draft, targeting })} error={save.error} disabled={disabled} />
                    <div>
                        <Button type="submit" variant="primary" busy={save.isPending}>
                            Save Changes
                        </Button>
                    </div>
                </fieldset>
            </form>
        </Card>
    );
}
