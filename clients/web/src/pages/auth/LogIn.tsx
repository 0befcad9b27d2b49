import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router-dom';

import { api, dataOf } from '../../api/client';
import { useFormFocus } from '../../lib/focus';
import { fieldError, formError } from '../../lib/form';
import { forgetSession } from '../../lib/session';
import { Banner, Button, TextField, useTitle } from '../../ui';

const FIELDS = ['email', 'password'];

/* Where the user was when the session ended: a page of ours of the kind that this user has, or undefined. */
function returnPath(next: string | null, redirectTo: string): string | undefined {
    if (next === null) return undefined;
    if (redirectTo.startsWith('/admin/')) return next.startsWith('/admin/') ? next : undefined;
    // The dashboard is where one comes to by the bare address too; who has not launched goes on with that.
    const own = next.startsWith('/app/') ? redirectTo === '/app/dashboard' || next !== '/app/dashboard' : next.startsWith('/onboarding/');
    return own ? next : undefined;
}

export function Component() {
    useTitle('Log in');
    const navigate = useNavigate();
    const [search] = useSearchParams();
    const next = search.get('next');
    const [form, setForm] = useState({ email: '', password: '' });
    const logIn = useMutation({
        mutationFn: () => dataOf(api.POST('/api/auth/login', { body: form })),
        onSuccess: ({ redirectTo }) => {
            forgetSession();
            void navigate(returnPath(next, redirectTo) ?? redirectTo, { replace: true });
        },
    });
    const formRef = useFormFocus(logIn.isPending);
    const set = (name: keyof typeof form) => (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value });
    const submit = (event: FormEvent) => {
        event.preventDefault();
        logIn.mutate();
    };
    const failed = formError(logIn.error, FIELDS);
    return (
        <>
            <div className="stack-s">
                <h1>Log in</h1>
                {next !== null && <p className="muted">Please log in to go on where you were.</p>}
            </div>
            <form ref={formRef} onSubmit={submit} noValidate>
                <fieldset disabled={logIn.isPending} className="stack">
                    {failed !== undefined && (
                        <Banner tone="bad" live>
                            {failed}
                        </Banner>
                    )}
                    <TextField label="E-mail" name="email" type="email" autoComplete="email" value={form.email} onChange={set('email')} error={fieldError(logIn.error, 'email')} autoFocus required />
                    <TextField label="Password" name="password" type="password" autoComplete="current-password" value={form.password} onChange={set('password')} error={fieldError(logIn.error, 'password')} required />
                    <Button type="submit" variant="primary" wide busy={logIn.isPending}>
                        Log in
                    </Button>
                </fieldset>
            </form>
            <p className="muted">
                New here? <Link to="/signup">Create an account</Link>
            </p>
        </>
    );
}
