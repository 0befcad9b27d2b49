/* The auto-sync's switch and the sync by hand. */
import { useId } from 'react';

import type { Schemas } from '../../api/client';
import { formatRun } from '../../lib/format';
import { useTimeZone } from '../../lib/time-zone';
import { useViewAs } from '../../lib/view-as';
import { Card, Switch } from '../../ui';
import { NotLaunched } from './NotLaunched';
import { SyncCard } from './SyncCard';
import css from './ads.module.css';
import { useAutoSync } from './useAutoSync';
import type { Sync } from './useSync';

type Ads = Schemas['GetAdsResponse'];

/* api-contracts.md, section 5: the hours of the runs, in the customer's zone. */
const RUN_HOURS = [2, 10, 18];

function runTimes(): string {
    const format = new Intl.DateTimeFormat(navigator.language, { timeZone: 'UTC', hour: 'numeric', minute: '2-digit' });
    const times = RUN_HOURS.map((hour) => format.format(Date.UTC(2000, 0, 1, hour)));
    return new Intl.ListFormat('en', { type: 'conjunction' }).format(times);
}

function nextRunText(ads: Ads, zone: string, changing: boolean): string {
    const { enabled, nextRun, nextRunAt } = ads.autoSync;
    if (!enabled) return 'Auto-sync disabled';
    if (nextRunAt !== null) return `Next run: ${formatRun(nextRunAt, zone)}${nextRun === null ? '' : ` (${nextRun})`}`;
    if (changing) return 'Auto-sync enabled';
    return ads.metaCampaign === null ? 'Runs begin once your ads are launched' : 'No run is planned: Meta is disconnected or the account is suspended';
}

function AutoSyncCard({ ads }: { ads: Ads }) {
    const zone = useTimeZone();
    const viewAs = useViewAs();
    const autoSync = useAutoSync();
    const id = useId();
    return (
        <Card
            title="Auto-sync"
            note={`Reads your website every day at ${runTimes()} (${zone.replaceAll('_', ' ')}) and updates your ads.`}
            aside={<Switch label="Auto-sync" checked={ads.autoSync.enabled} onChange={autoSync.set} disabled={viewAs !== null} describedBy={id} />}
        >
            <p id={id} className={css.nextRun} data-off={!ads.autoSync.enabled || undefined} role="status">
                {nextRunText(ads, zone, autoSync.changing)}
            </p>
        </Card>
    );
}

export function AutomationTab({ ads, sync }: { ads: Ads; sync: Sync }) {
    return (
        <>
            <AutoSyncCard ads={ads} />
            {ads.metaCampaign === null ? <NotLaunched itemCount={ads.itemCount} /> : <SyncCard ads={ads} sync={sync} />}
        </>
    );
}
