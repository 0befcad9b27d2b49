/* Step 2: the website is read, which takes up to 25 s; 2 s after its success the next step is shown. */
import { useMutation } from '@tanstack/react-query';
import { ArrowRight, CircleCheck, Globe } from 'lucide-react';
import { type FormEvent, useCallback, useEffect, useState } from 'react';
import { useNavigate } from 'react-router-dom';

import { ApiError, api, dataOf } from '../../api/client';
import { dashboardQuery, queryClient, scanStatusQuery, settingsQuery } from '../../api/queries';
import { useFocusWhen, useFormFocus } from '../../lib/focus';
import { fieldError, formError } from '../../lib/form';
import { plural } from '../../lib/format';
import { Banner, Button, Card, Progress, TextField, useTitle } from '../../ui';
import css from './onboarding.module.css';

const GO_ON_MS = 2000;
/* When it is time to say that it may take longer. */
const LONG_MS = 6000;
const NEXT = '/onboarding/launch';

/* What to do about what the website itself is the reason of. */
const advice: Record<string, string> = {
    WEBSITE_UNREACHABLE: 'We could not reach your website. Check the address, and that the website is online.',
    NO_ITEMS_FOUND: 'We found no items on your website. Try the page that lists what you sell, for example example.com/inventory.',
};

function websiteError(error: unknown): string | undefined {
    return fieldError(error, 'url') ?? (error instanceof ApiError ? advice[error.code] : undefined);
}

function useLater(ms: number, after: boolean): boolean {
    const [later, setLater] = useState(false);
    useEffect(() => {
        setLater(false);
        if (!after) return;
        const timer = setTimeout(() => setLater(true), ms);
        return () => clearTimeout(timer);
    }, [ms, after]);
    return later;
}

function Reading() {
    const status = useFocusWhen<HTMLDivElement>(true);
    const long = useLater(LONG_MS, true);
    return (
        <div className={css.reading} ref={status} tabIndex={-1} role="status">
            <Progress label="Reading your website" />
            <p className="muted">{long ? 'Still reading. A large website takes up to 25 seconds; please leave this page open.' : 'Opening your website and looking for your items…'}</p>
        </div>
    );
}

function Found({ items }: { items: number }) {
    const navigate = useNavigate();
    const shown = useFocusWhen<HTMLHeadingElement>(true);
    const reading = items === 0;
    const goOn = useCallback(() => void navigate(NEXT, { state: { reading } }), [navigate, reading]);
    useEffect(() => {
        const timer = setTimeout(goOn, GO_ON_MS);
        return () => clearTimeout(timer);
    }, [goOn]);
    return (
        <Card>
            <div className={css.found} role="status">
                <span className={css.foundIcon} data-reading={reading || undefined} aria-hidden="true">
                    {reading ? <Globe size={30} /> : <CircleCheck size={30} />}
                </span>
                <h2 ref={shown} tabIndex={-1}>
                    {reading ? 'Your website is being read' : `${plural(items, 'item')} found`}
                </h2>
                <p className="muted">{reading ? 'It is large, so this goes on in the background. You can set up the rest meanwhile.' : 'Your website is connected. On to your ads…'}</p>
                <Button onClick={goOn}>
                    Continue
                    <ArrowRight size={17} aria-hidden="true" />
                </Button>
            </div>
        </Card>
    );
}

function useConnect(url: string) {
    return useMutation({
        mutationFn: () => dataOf(api.POST('/api/onboarding/website', { body: { url } })),
        onSuccess: () => {
            // Another website than the one that these may have shown.
            for (const { queryKey } of [dashboardQuery, settingsQuery, scanStatusQuery]) queryClient.removeQueries({ queryKey });
            queryClient.removeQueries({ queryKey: ['inventory'] });
        },
    });
}

export function Component() {
    useTitle('Connect your website');
    const [url, setUrl] = useState('');
    const connect = useConnect(url);
    const form = useFormFocus(connect.isPending);
    const wrong = websiteError(connect.error);
    const failed = wrong === undefined ? formError(connect.error, []) : undefined;
    const submit = (event: FormEvent) => {
        event.preventDefault();
        connect.mutate();
    };
    return (
        <div className="stack">
            <div className={css.head}>
                <h1>Connect your website</h1>
                <p>We read what you sell: names, prices and pictures. Nothing on your website changes.</p>
            </div>
            {connect.data !== undefined ? (
                <Found items={connect.data.itemsFound} />
            ) : (
                <Card>
                    <form ref={form} onSubmit={submit} noValidate aria-busy={connect.isPending || undefined}>
                        <fieldset disabled={connect.isPending} className="stack">
                            {failed !== undefined && (
                                <Banner tone="bad" live>
                                    {failed}
                                </Banner>
                            )}
                            <TextField
                                label="Website"
                                name="url"
                                inputMode="url"
                                autoComplete="url"
                                autoCapitalize="none"
                                spellCheck={false}
                                placeholder="example.com/inventory"
                                hint="The page that lists your items is best; your home page works too."
                                value={url}
                                onChange={(event) => setUrl(event.target.value)}
                                error={wrong}
                                autoFocus
                                required
                            />
                            <Button type="submit" variant="primary" wide busy={connect.isPending}>
                                {connect.isPending ? 'Reading your website…' : 'Connect website'}
                            </Button>
                        </fieldset>
                        {connect.isPending && <Reading />}
                    </form>
                </Card>
            )}
        </div>
    );
}
