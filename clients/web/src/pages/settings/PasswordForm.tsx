import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';

import { ApiError, api, dataOf } from '../../api/client';
import { fieldError, formError } from '../../lib/form';
import { useViewAs } from '../../lib/view-as';
import { Banner, Button, Card, TextField } from '../../ui';
import { showToast } from '../../ui/toast';
import { Section } from './Section';
import css from './settings.module.css';

const FIELDS = ['currentPassword', 'newPassword'];
const EMPTY = { currentPassword: '', newPassword: '' };

export function PasswordForm({ email }: { email: string }) {
    const readOnly = useViewAs() !== null;
    const [form, setForm] = useState(EMPTY);
    const change = useMutation({
        mutationFn: () => dataOf(api.POST('/api/auth/password', { body: form })),
        onSuccess: () => {
            setForm(EMPTY);
            showToast('good', 'Password changed. Your other devices were logged out.');
        },
    });
    const set = (name: keyof typeof form) => (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value });
    // The answer's own words are of a log-in.
    const wrong = change.error instanceof ApiError && change.error.code === 'INVALID_CREDENTIALS' ? 'This is not your current password' : fieldError(change.error, 'currentPassword');
    const failed = formError(change.error, FIELDS);
    const submit = (event: FormEvent) => {
        event.preventDefault();
        change.mutate();
    };
    return (
        <Section title="Password" note="A change logs you out on all other devices.">
            <Card>
                <form onSubmit={submit} noValidate aria-label="Password">
                    <fieldset disabled={change.isPending || readOnly} className={css.form}>
                        {failed !== undefined && (
                            <Banner tone="bad" live>
                                {failed}
                            </Banner>
                        )}
                        {/* Password managers learn whose password it is. */}
                        <input type="text" name="username" autoComplete="username" value={email} readOnly hidden />
                        <div className="grid-2">
                            <TextField label="Current password" name="currentPassword" type="password" autoComplete="current-password" value={form.currentPassword} onChange={set('currentPassword')} error={wrong} />
                            <TextField label="New password" name="newPassword" type="password" autoComplete="new-password" value={form.newPassword} onChange={set('newPassword')} error={fieldError(change.error, 'newPassword')} hint="At least 8 characters." />
                        </div>
                        <div className={css.actions}>
                            <Button type="submit" busy={change.isPending}>
                                Change Password
                            </Button>
                        </div>
                    </fieldset>
                </form>
            </Card>
        </Section>
    );
}
