import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useMemo, useState } from 'react';

import { type Schemas, api, dataOf } from '../../api/client';
import { settingsQuery } from '../../api/queries';
import { fieldError, formError } from '../../lib/form';
import { setTimeZone } from '../../lib/time-zone';
import { useViewAs } from '../../lib/view-as';
import { Banner, Button, Card, SelectField, TextField } from '../../ui';
import { showToast } from '../../ui/toast';
import { Section } from './Section';
import css from './settings.module.css';

type User = Schemas['GetSettingsResponse']['user'];

const FIELDS = ['user.name', 'user.email', 'user.company', 'user.timeZone'];

/* All zones by their region, the current one among them whatever the browser knows. */
function zoneGroups(current: string): [string, string[]][] {
    const groups = new Map<string, string[]>();
    const zones = new Set(['UTC', current, ...Intl.supportedValuesOf('timeZone')]);
    for (const zone of zones) {
        const region = zone.includes('/') ? zone.slice(0, zone.indexOf('/')) : 'Universal';
        groups.set(region, [...(groups.get(region) ?? []), zone]);
    }
    return [...groups];
}

function zoneName(zone: string): string {
    return zone.slice(zone.indexOf('/') + 1).replaceAll('_', ' ').replaceAll('/', ', ');
}

function timeIn(zone: string): string {
    return new Intl.DateTimeFormat(navigator.language, { timeZone: zone, timeStyle: 'short' }).format(new Date());
}

function ZoneField({ value, saved, error, onChange }: { value: string; saved: string; error: string | undefined; onChange: (zone: string) => void }) {
    const groups = useMemo(() => zoneGroups(saved), [saved]);
    return (
        <SelectField label="Time zone" name="timeZone" value={value} error={error} hint={`It is ${timeIn(value)} there now. Your inventory is synced at 2 AM, 10 AM and 6 PM of this zone.`} onChange={(event) => onChange(event.target.value)}>
            {groups.map(([region, zones]) => (
                <optgroup key={region} label={region}>
                    {zones.map((zone) => (
                        <option key={zone} value={zone}>
                            {zoneName(zone)}
                        </option>
                    ))}
                </optgroup>
            ))}
        </SelectField>
    );
}

function useSave(onSaved: () => void) {
    const client = useQueryClient();
    return useMutation({
        mutationFn: (user: Partial<User>) => dataOf(api.PATCH('/api/customer/settings', { body: { user } })),
        onSuccess: (_data, changed) => {
            client.setQueryData(settingsQuery.queryKey, (old) => old && { ...old, user: { ...old.user, ...changed } });
            onSaved();
            showToast('good', 'Changes saved');
            if (changed.timeZone !== undefined) {
                // Days, runs and moments of every page are of the zone.
                setTimeZone(changed.timeZone);
                void client.invalidateQueries();
                return;
            }
            void client.invalidateQueries({ queryKey: settingsQuery.queryKey });
            void client.invalidateQueries({ queryKey: ['session'] });
        },
    });
}

export function AccountForm({ user }: { user: User }) {
    const readOnly = useViewAs() !== null;
    // Only what was edited, so that a save sends just what changed.
    const [edits, setEdits] = useState<Partial<User>>({});
    const save = useSave(() => setEdits({}));
    const shown = { ...user, ...edits };
    const changed = Object.fromEntries(Object.entries(edits).filter(([name, value]) => value !== user[name as keyof User])) as Partial<User>;
    const unchanged = Object.keys(changed).length === 0;
    const set = (name: keyof User) => (event: { target: { value: string } }) => setEdits({ ...edits, [name]: event.target.value });
    const error = (name: keyof User) => fieldError(save.error, `user.${name}`);
    const failed = formError(save.error, FIELDS);
    const submit = (event: FormEvent) => {
        event.preventDefault();
        if (unchanged) showToast('good', 'There is nothing to save');
        else save.mutate(changed);
    };
    return (
        <Section title="Account" note="Who you are, and the time zone that days and syncs go by.">
            <Card>
                <form onSubmit={submit} noValidate aria-label="Account">
                    <fieldset disabled={save.isPending || readOnly} className={css.form}>
                        {failed !== undefined && (
                            <Banner tone="bad" live>
                                {failed}
                            </Banner>
                        )}
                        <div className="grid-2">
                            <TextField label="Name" name="name" autoComplete="name" value={shown.name} onChange={set('name')} error={error('name')} />
                            <TextField label="Company" name="company" autoComplete="organization" value={shown.company} onChange={set('company')} error={error('company')} />
                        </div>
                        <TextField label="E-mail" name="email" type="email" autoComplete="email" value={shown.email} onChange={set('email')} error={error('email')} />
                        <ZoneField value={shown.timeZone} saved={user.timeZone} error={error('timeZone')} onChange={(timeZone) => setEdits({ ...edits, timeZone })} />
                        <div className={css.actions}>
                            <Button type="submit" variant="primary" busy={save.isPending}>
                                {save.isPending ? 'Saving…' : 'Save Changes'}
                            </Button>
                        </div>
                    </fieldset>
                </form>
            </Card>
        </Section>
    );
}
