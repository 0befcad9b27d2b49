import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';

import { type Schemas, api, dataOf } from '../../api/client';
import { fieldError, focusInvalid, formError } from '../../lib/form';
import { formatCount } from '../../lib/format';
import { Banner, Button, Dialog, TextField } from '../../ui';
import { showToast } from '../../ui/toast';
import css from './admin.module.css';
import { useChanged } from './useChanged';

type Customer = Schemas['GetCustomerResponse']['customer'];

/* A whole number as people write it, with a sign or not; undefined: it is none. */
function wholeNumber(text: string): number | undefined {
    const signed = text.trim().replaceAll(/\s/g, '').replace('−', '-');
    // Thousands may be set apart; 1.5 and 1,5 are no whole numbers.
    const plain = /^[+-]?\d{1,3}([.,]\d{3})+$/.test(signed) ? signed.replaceAll(/[.,]/g, '') : signed;
    return /^[+-]?\d{1,12}$/.test(plain) ? Number(plain) : undefined;
}

function CreditsForm({ customer, balance, onClose }: { customer: Customer; balance: number; onClose: () => void }) {
    const changed = useChanged();
    const [form, setForm] = useState({ credits: '', reason: '' });
    // What is missing is said before the service is asked.
    const [asked, setAsked] = useState(false);
    const credits = wholeNumber(form.credits);
    const adjust = useMutation({
        mutationFn: (body: { credits: number; reason: string }) => dataOf(api.POST('/admin/customers/{id}/credits', { params: { path: { id: customer.id }, header: { 'X-Customer-ID': customer.id } }, body })),
        onSuccess: (answer) => {
            changed();
            showToast('good', `The balance is ${formatCount(answer.balance)} credits now`);
            onClose();
        },
    });
    const submit = (event: FormEvent) => {
        event.preventDefault();
        setAsked(true);
        if (credits !== undefined && credits !== 0 && form.reason.trim() !== '') adjust.mutate({ credits, reason: form.reason.trim() });
        else focusInvalid(event.currentTarget as HTMLFormElement);
    };
    const noCredits = asked && (credits === undefined || credits === 0) ? 'Enter a whole number of credits, with a minus to take some away' : undefined;
    const noReason = asked && form.reason.trim() === '' ? 'Enter a reason' : undefined;
    const failed = formError(adjust.error, ['credits', 'reason']);
    return (
        <form onSubmit={submit} noValidate className={css.dialogForm} aria-label="Adjust credits">
            <fieldset disabled={adjust.isPending} className="stack">
                <p className="muted">
                    {customer.company || customer.email} has {formatCount(balance)} credits.
                </p>
                {failed !== undefined && (
                    <Banner tone="bad" live>
                        {failed}
                    </Banner>
                )}
                <TextField
                    label="Credits"
                    name="credits"
                    inputMode="text"
                    placeholder="500 or -500"
                    autoComplete="off"
                    value={form.credits}
                    onChange={(event) => setForm({ ...form, credits: event.target.value })}
                    error={noCredits ?? fieldError(adjust.error, 'credits')}
                    hint={credits === undefined || credits === 0 ? 'A minus takes credits away.' : `The balance will be ${formatCount(balance + credits)}.`}
                    autoFocus
                />
                <TextField label="Reason" name="reason" autoComplete="off" value={form.reason} onChange={(event) => setForm({ ...form, reason: event.target.value })} error={noReason ?? fieldError(adjust.error, 'reason')} hint="It is kept in the audit." />
                <div className={css.dialogActions}>
                    <Button onClick={onClose}>Cancel</Button>
                    <Button type="submit" variant="primary" busy={adjust.isPending}>
                        Adjust
                    </Button>
                </div>
            </fieldset>
        </form>
    );
}

export function CreditsDialog({ open, onClose, ...about }: { customer: Customer; balance: number; open: boolean; onClose: () => void }) {
    return (
        <Dialog open={open} onClose={onClose} title="Adjust credits">
            <CreditsForm {...about} onClose={onClose} />
        </Dialog>
    );
}
