/* The status, what it means, and the one thing to do about it. */
import { useTimeZone } from '../../lib/time-zone';
import type { Schemas } from '../../api/client';
import { formatMoment, plural } from '../../lib/format';
import { Badge, ButtonLink, Card, type Tone, classes } from '../../ui';
import css from './dashboard.module.css';

type Dashboard = Schemas['GetDashboardResponse'];
type Shown = Exclude<Dashboard['status'], 'setup'>;

interface Standing {
    tone: Tone;
    badge: string;
    title: string;
    text: string;
    link?: { to: string; name: string };
}

const standings: Record<Exclude<Shown, 'running' | 'attention'>, Standing> = {
    paused: {
        tone: 'neutral',
        badge: 'Ads Paused',
        title: 'Your ads are paused',
        text: 'Nobody sees them and no credits are spent until you resume them.',
        link: { to: '/app/ads?tab=campaign', name: 'Go to the campaign' },
    },
    out_of_credits: {
        tone: 'bad',
        badge: 'Out of Credits',
        title: 'Your ads have stopped: you are out of credits',
        text: 'Add credits and they go on by themselves.',
        link: { to: '/app/billing', name: 'Add credits' },
    },
    suspended: {
        tone: 'bad',
        badge: 'Account Suspended',
        title: 'This account is suspended',
        text: 'Ads are paused. Please write to us to have it opened again.',
    },
};

/** Whether the status and the suggestion are about the same: it is said once then, by the status. */
export function saysSuggestion({ status, suggestion }: Dashboard): boolean {
    const type = suggestion?.type;
    if (status === 'attention') return type === 'meta' || type === 'sync';
    return (status === 'paused' && type === 'meta') || (status === 'out_of_credits' && type === 'credits');
}

/* Attention is wanted for what the suggestion says, unless another one came before it: then it is the sync. */
function attention({ suggestion }: Dashboard): Standing {
    const head = { tone: 'warn' as const, badge: 'Needs Attention' };
    if (suggestion?.type === 'meta') {
        return { ...head, title: 'Your connection to Meta has ended', text: `${suggestion.message}.`, link: { to: suggestion.link, name: 'Reconnect Meta' } };
    }
    const held = suggestion?.id === 'sync-held';
    const text = suggestion?.type === 'sync' ? `${suggestion.message}.` : 'Your ads run on with the items of the sync before.';
    return { ...head, title: held ? 'A sync waits for your answer' : 'The last sync did not go through', text, link: { to: '/app/ads?tab=automation', name: held ? 'Review' : 'See the sync' } };
}

function standingOf(dashboard: Dashboard, status: Shown): Standing {
    if (status === 'attention') return attention(dashboard);
    if (status === 'paused' && dashboard.suggestion?.type === 'meta') {
        return { ...standings.paused, text: `Meta is disconnected. ${dashboard.suggestion.message}.`, link: { to: dashboard.suggestion.link, name: 'Connect Meta' } };
    }
    if (status !== 'running') return standings[status];
    return { tone: 'good', badge: 'Ads Running', title: 'Your ads are running', text: `Made from ${plural(dashboard.itemCount, 'item')} of your website, shown on Facebook and Instagram.` };
}

export function StatusHero({ dashboard }: { dashboard: Dashboard }) {
    const zone = useTimeZone();
    const standing = standingOf(dashboard, dashboard.status as Shown);
    return (
        <Card className={classes(css.hero, css[standing.tone])}>
            <div className={css.heroBody}>
                <div role="status">
                    <Badge tone={standing.tone} dot>
                        {standing.badge}
                    </Badge>
                </div>
                <h2 className={css.heroTitle}>{standing.title}</h2>
                <p className="muted">{standing.text}</p>
            </div>
            <div className={css.heroSide}>
                <div className={css.heroSync}>
                    <span className="muted small">Last sync</span>
                    <strong>{dashboard.lastSync}</strong>
                    {dashboard.lastSyncAt !== null && (
                        <time className="muted small" dateTime={dashboard.lastSyncAt}>
                            {formatMoment(dashboard.lastSyncAt, zone)}
                        </time>
                    )}
                </div>
                {standing.link !== undefined && (
                    <ButtonLink to={standing.link.to} variant="primary">
                        {standing.link.name}
                    </ButtonLink>
                )}
            </div>
        </Card>
    );
}
