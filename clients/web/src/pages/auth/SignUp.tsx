import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { Link, useNavigate } from 'react-router-dom';

import { api, dataOf } from '../../api/client';
import { useFormFocus } from '../../lib/focus';
import { fieldError, formError } from '../../lib/form';
import { forgetSession } from '../../lib/session';
import { Banner, Button, TextField, useTitle } from '../../ui';

const FIELDS = ['email', 'password', 'company'];

export function Component() {
    useTitle('Sign up');
    const navigate = useNavigate();
    const [form, setForm] = useState({ company: '', email: '', password: '' });
    const signUp = useMutation({
        mutationFn: () => dataOf(api.POST('/api/auth/signup', { body: form })),
        onSuccess: ({ redirectTo }) => {
            forgetSession();
            void navigate(redirectTo);
        },
    });
    const formRef = useFormFocus(signUp.isPending);
    const set = (name: keyof typeof form) => (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value });
    const submit = (event: FormEvent) => {
        event.preventDefault();
        signUp.mutate();
    };
    const failed = formError(signUp.error, FIELDS);
    return (
        <>
            <div className="stack-s">
                <h1>Create your account</h1>
                <p className="muted">Your ads can be running in five minutes.</p>
            </div>
            <form ref={formRef} onSubmit={submit} noValidate>
                <fieldset disabled={signUp.isPending} className="stack">
                    {failed !== undefined && (
                        <Banner tone="bad" live>
                            {failed}
                        </Banner>
                    )}
                    <TextField label="Company" name="company" autoComplete="organization" value={form.company} onChange={set('company')} error={fieldError(signUp.error, 'company')} autoFocus required />
                    <TextField label="E-mail" name="email" type="email" autoComplete="email" value={form.email} onChange={set('email')} error={fieldError(signUp.error, 'email')} required />
                    <TextField label="Password" name="password" type="password" autoComplete="new-password" value={form.password} onChange={set('password')} error={fieldError(signUp.error, 'password')} hint="At least 8 characters. A few words in a row are good." required />
                    <Button type="submit" variant="primary" wide busy={signUp.isPending}>
                        Sign up
                    </Button>
                </fieldset>
            </form>
            <p className="muted">
                You have an account? <Link to="/login">Log in</Link>
            </p>
        </>
    );
}
