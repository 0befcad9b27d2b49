/* The sync by hand: its button, its progress and how the last one went wrong. */
import { RefreshCw } from 'lucide-react';
import { type ReactNode, useRef } from 'react';

import type { Schemas } from '../../api/client';
import { formatCount, formatMoment, formatPercent } from '../../lib/format';
import { useTimeZone } from '../../lib/time-zone';
import { useViewAs } from '../../lib/view-as';
import { Banner, Button, ButtonLink, Card, Progress } from '../../ui';
import css from './ads.module.css';
import type { Sync, SyncFailure } from './useSync';

/* What to do about it, where there is more to say than that it failed. */
const advice: Record<string, { text: string; link?: { to: string; name: string } }> = {
    META_NOT_CONNECTED: { text: 'Meta is disconnected. Connect it again, then sync.', link: { to: '/app/settings', name: 'Go to settings' } },
    WEBSITE_UNREACHABLE: { text: 'We could not reach your website. Nothing was removed. Check that it is online, then sync again.', link: { to: '/app/settings', name: 'Check the website' } },
    NO_ITEMS_FOUND: { text: 'We found no items on your website. Nothing was removed.', link: { to: '/app/settings', name: 'Check the website' } },
    SCAN_IN_PROGRESS: { text: 'Your new website is still being read. Try again in a moment.' },
    UPSTREAM_ERROR: { text: 'Meta did not take the changes. Try again in a few minutes.' },
};

function Failure({ failure, onConfirm, readOnly }: { failure: SyncFailure; onConfirm: () => void; readOnly: boolean }) {
    const known = advice[failure.code];
    const held = failure.code === 'REMOVAL_HELD';
    let action: ReactNode;
    if (held && !readOnly) {
        action = (
            <Button size="small" onClick={onConfirm}>
                Review
            </Button>
        );
    } else if (known?.link !== undefined) {
        action = (
            <ButtonLink to={known.link.to} size="small">
                {known.link.name}
            </ButtonLink>
        );
    }
    return (
        <Banner tone={held ? 'warn' : 'bad'} title={held ? 'Most of your items are gone from your website' : 'The last sync did not go through'} live action={action}>
            {held ? 'Nothing was removed yet: please say whether they are to go.' : (known?.text ?? failure.message)}
        </Banner>
    );
}

function Running({ sync }: { sync: Sync }) {
    const { status, percent } = sync;
    return (
        <div className={css.syncing}>
            <Progress label="Syncing" {...(percent === undefined ? {} : { percent })} />
            <div className="spread">
                <span className="muted small">{status === undefined || status.itemsTotal === 0 ? 'Reading your website…' : `${formatCount(status.itemsProcessed)} of ${formatCount(status.itemsTotal)} items`}</span>
                {percent !== undefined && <strong className="number small">{formatPercent(percent).replace(/[.,]00/, '')}</strong>}
            </div>
        </div>
    );
}

export function SyncCard({ ads, sync }: { ads: Schemas['GetAdsResponse']; sync: Sync }) {
    const zone = useTimeZone();
    const viewAs = useViewAs();
    const place = useRef<HTMLDivElement>(null);
    const run = () => {
        // The button cannot keep the focus while it is disabled.
        place.current?.focus({ preventScroll: true });
        sync.run();
    };
    return (
        <Card title="Manual sync" note="Reads your website now and sends what changed to Meta.">
            <div ref={place} tabIndex={-1} className={css.syncBody} role="group" aria-label="Manual sync" aria-busy={sync.running || undefined}>
                {sync.failure !== null && <Failure failure={sync.failure} onConfirm={sync.askConfirm} readOnly={viewAs !== null} />}
                {sync.running && <Running sync={sync} />}
                <div className="spread">
                    <span className="muted small" role="status">
                        {sync.running ? 'Your ads run on meanwhile.' : `Last sync: ${ads.lastSync}${ads.lastSyncAt === null ? '' : `, ${formatMoment(ads.lastSyncAt, zone)}`}`}
                    </span>
                    <Button variant="primary" onClick={run} busy={sync.running} disabled={viewAs !== null}>
                        {!sync.running && <RefreshCw size={17} aria-hidden="true" />}
                        {sync.running ? 'Syncing…' : 'Run Sync Now'}
                    </Button>
                </div>
            </div>
        </Card>
    );
}
