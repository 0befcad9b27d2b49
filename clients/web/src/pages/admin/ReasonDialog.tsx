import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';

import { type Schemas, api, dataOf } from '../../api/client';
import { fieldError, focusInvalid, formError } from '../../lib/form';
import { Banner, Button, Dialog, TextField } from '../../ui';
import { showToast } from '../../ui/toast';
import css from './admin.module.css';
import { useChanged } from './useChanged';

type Customer = Schemas['GetCustomerResponse']['customer'];

function ReasonForm({ customer, suspended, onClose }: { customer: Customer; suspended: boolean; onClose: () => void }) {
    const changed = useChanged();
    const [reason, setReason] = useState('');
    // What is missing is said before the service is asked.
    const [asked, setAsked] = useState(false);
    const change = useMutation({
        mutationFn: () => {
            const call = { params: { path: { id: customer.id }, header: { 'X-Customer-ID': customer.id } }, body: { reason: reason.trim() } };
            return dataOf(suspended ? api.POST('/admin/customers/{id}/resume', call) : api.POST('/admin/customers/{id}/suspend', call));
        },
        onSuccess: () => {
            changed();
            showToast('good', `${customer.company || customer.email} is ${suspended ? 'resumed' : 'suspended'}`);
            onClose();
        },
    });
    const submit = (event: FormEvent) => {
        event.preventDefault();
        setAsked(true);
        if (reason.trim() !== '') change.mutate();
        else focusInvalid(event.currentTarget as HTMLFormElement);
    };
    const noReason = asked && reason.trim() === '' ? 'Enter a reason' : undefined;
    const failed = formError(change.error, ['reason']);
    return (
        <form onSubmit={submit} noValidate className={css.dialogForm} aria-label={suspended ? 'Resume' : 'Suspend'}>
            <fieldset disabled={change.isPending} className="stack">
                <p className="muted">{suspended ? 'They can log in again, and the ads that the suspension paused go on.' : 'Their ads are paused, they are logged out everywhere, and they can not log in until they are resumed.'}</p>
                {failed !== undefined && (
                    <Banner tone="bad" live>
                        {failed}
                    </Banner>
                )}
                <TextField label="Reason" name="reason" autoComplete="off" value={reason} onChange={(event) => setReason(event.target.value)} error={noReason ?? fieldError(change.error, 'reason')} hint="It is kept in the audit." autoFocus />
                <div className={css.dialogActions}>
                    <Button onClick={onClose}>Cancel</Button>
                    <Button type="submit" variant={suspended ? 'primary' : 'danger'} busy={change.isPending}>
                        {suspended ? 'Resume' : 'Suspend'}
                    </Button>
                </div>
            </fieldset>
        </form>
    );
}

export function ReasonDialog({ open, onClose, ...about }: { customer: Customer; suspended: boolean; open: boolean; onClose: () => void }) {
    return (
        <Dialog open={open} onClose={onClose} title={about.suspended ? `Resume ${about.customer.company}` : `Suspend ${about.customer.company}`}>
            <ReasonForm {...about} onClose={onClose} />
        </Dialog>
    );
}
