import { useMutation, useQueryClient } from '@tanstack/react-query';
import { CircleCheck, RefreshCw } from 'lucide-react';
import { type FormEvent, useEffect, useState } from 'react';

import { ApiError, type Schemas, api, dataOf } from '../../api/client';
import { scanStatusQuery, settingsQuery } from '../../api/queries';
import { fieldError, formError } from '../../lib/form';
import { formatCount, formatMoment, plural } from '../../lib/format';
import { useTimeZone } from '../../lib/time-zone';
import { useViewAs } from '../../lib/view-as';
import { Badge, Banner, Button, Card, Details, Progress, TextField } from '../../ui';
import { showToast } from '../../ui/toast';
import { Section } from './Section';
import css from './settings.module.css';
import { useScan } from './useScan';

type Website = Schemas['GetSettingsResponse']['website'];

const TESTED_MS = 3000;

function TestConnection({ readOnly }: { readOnly: boolean }) {
    const test = useMutation({ mutationFn: () => dataOf(api.POST('/api/customer/settings/test-website', { body: {} })) });
    const { isSuccess, reset } = test;
    useEffect(() => {
        if (!isSuccess) return;
        const timer = setTimeout(reset, TESTED_MS);
        return () => clearTimeout(timer);
    }, [isSuccess, reset]);
    return (
        <div className="stack-s">
            <div className={css.actions}>
                {/* It keeps the focus while it can't be pressed. */}
                <Button onClick={() => !isSuccess && test.mutate()} busy={test.isPending} disabled={readOnly} className={isSuccess ? css.connected : undefined}>
                    {isSuccess && <CircleCheck size={17} aria-hidden="true" />}
                    {!isSuccess && !test.isPending && <RefreshCw size={16} aria-hidden="true" />}
                    {test.isPending ? 'Testing…' : isSuccess ? 'Connected' : 'Test Connection'}
                </Button>
                <span className="muted small" role="status">
                    {isSuccess && `Your website answers: ${plural(test.data.itemsFound, 'item')} found.`}
                </span>
            </div>
            {test.isError && (
                <Banner tone="bad" title="The test failed" live>
                    {test.error instanceof ApiError ? test.error.message : 'Try again in a moment.'}
                </Banner>
            )}
        </div>
    );
}

function UrlForm({ website, readOnly, onUpdated }: { website: Website; readOnly: boolean; onUpdated: () => void }) {
    const client = useQueryClient();
    const [edited, setEdited] = useState<string>();
    const update = useMutation({
        mutationFn: (url: string) => dataOf(api.PATCH('/api/customer/settings', { body: { website: { url } } })),
        onSuccess: (_data, url) => {
            showToast('good', 'URL updated. Scanning inventory…');
            // What the last scan ended with is not about this one.
            client.removeQueries({ queryKey: scanStatusQuery.queryKey });
            client.setQueryData(settingsQuery.queryKey, (old) => old && { ...old, website: { ...old.website, connected: true, url } });
            setEdited(undefined);
            onUpdated();
        },
    });
    const url = edited ?? website.url ?? '';
    const failed = formError(update.error, ['website.url']);
    const submit = (event: FormEvent) => {
        event.preventDefault();
        update.mutate(url);
    };
    return (
        <form onSubmit={submit} noValidate aria-label="Address of your website">
            <fieldset disabled={update.isPending || readOnly} className={css.form}>
                {failed !== undefined && (
                    <Banner tone="bad" live>
                        {failed}
                    </Banner>
                )}
                <TextField
                    label="Website URL"
                    name="url"
                    type="url"
                    inputMode="url"
                    autoComplete="url"
                    placeholder="https://example.com/inventory"
                    value={url}
                    onChange={(event) => setEdited(event.target.value)}
                    error={fieldError(update.error, 'website.url')}
                    hint={`The page that lists what you sell.${website.connected ? ' Your ads keep the items they have until the new page is read.' : ''}`}
                />
                <div className={css.actions}>
                    <Button type="submit" busy={update.isPending}>
                        {update.isPending ? 'Updating…' : website.connected ? 'Update' : 'Connect'}
                    </Button>
                </div>
            </fieldset>
        </form>
    );
}

function ScanProgress({ itemsFound, pagesFetched }: { itemsFound: number; pagesFetched: number }) {
    return (
        <div className={css.scan}>
            <div className="spread">
                <strong role="status">Scanning inventory… {plural(itemsFound, 'item')} found</strong>
                <span className="muted small number">{plural(pagesFetched, 'page')} read</span>
            </div>
            <Progress label="Scanning inventory" />
        </div>
    );
}

export function WebsiteSection({ website }: { website: Website }) {
    const readOnly = useViewAs() !== null;
    const timeZone = useTimeZone();
    const scan = useScan(website);
    return (
        <Section title="Website" note="Lotcast reads your items here, and again before each sync.">
            <Card>
                {website.connected && (
                    <div className="stack">
                        <Details
                            rows={[
                                [
                                    'Status',
                                    <Badge tone="good" dot>
                                        Connected
                                    </Badge>,
                                ],
                                ['Last read', <span title={website.lastSyncAt === null ? undefined : formatMoment(website.lastSyncAt, timeZone)}>{website.lastSync}</span>],
                                ['Items', formatCount(website.itemsDetected)],
                            ]}
                        />
                        {/* What a test found is about the address that it was of. */}
                        <TestConnection key={website.url} readOnly={readOnly} />
                    </div>
                )}
                <div className={website.connected ? css.divided : undefined}>
                    <div className="stack">
                        <UrlForm website={website} readOnly={readOnly} onUpdated={scan.start} />
                        {scan.running && <ScanProgress itemsFound={scan.status?.itemsFound ?? 0} pagesFetched={scan.status?.pagesFetched ?? 0} />}
                        {scan.error !== undefined && (
                            <Banner tone="bad" title="Your website could not be read" live>
                                <p>{scan.error}</p>
                                {website.itemsDetected > 0 && <p>Your items stay as they were.</p>}
                            </Banner>
                        )}
                    </div>
                </div>
            </Card>
        </Section>
    );
}
