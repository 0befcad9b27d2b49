import { Coins } from 'lucide-react';

import type { Schemas } from '../../api/client';
import { formatCount, formatDate, plural } from '../../lib/format';
import { Badge, Banner, Card, classes } from '../../ui';
import css from './billing.module.css';

const LOW_DAYS = 3;

type Credits = Schemas['GetBillingResponse']['credits'];

function StateBadge({ credits }: { credits: Credits }) {
    if (credits.current <= 0) {
        return (
            <Badge tone="bad" dot>
                Out of credits
            </Badge>
        );
    }
    if (credits.daysEstimate !== null && credits.daysEstimate < LOW_DAYS) {
        return (
            <Badge tone="warn" dot>
                Running low
            </Badge>
        );
    }
    return null;
}

function warning(credits: Credits): string | undefined {
    if (credits.current <= 0) return 'Your ads are paused. They go on by themselves when you add credits.';
    if (credits.daysEstimate === null || credits.daysEstimate >= LOW_DAYS) return undefined;
    return credits.daysEstimate < 1 ? 'Your credits run out today. Add some to keep your ads running.' : `Your credits last about ${plural(credits.daysEstimate, 'day')}. Add some to keep your ads running.`;
}

function pace(credits: Credits): string {
    if (credits.current <= 0) return 'Nothing is left to pay for ads.';
    if (credits.daysEstimate === null) return 'How long they last is known once your ads have run for a day.';
    return `~${plural(credits.daysEstimate, 'day')} at the pace of the last 30 days`;
}

/** `fresh`: what was bought has just arrived. */
export function CreditsCard({ credits, fresh }: { credits: Credits; fresh: boolean }) {
    const low = warning(credits);
    return (
        <Card title="Credits" aside={<StateBadge credits={credits} />}>
            <div className={css.balance}>
                <span className={css.coin} aria-hidden="true">
                    <Coins size={24} />
                </span>
                <div>
                    <div key={credits.current} className={classes(css.amount, 'number', fresh && css.fresh)}>
                        {formatCount(credits.current)}
                        <span className={css.unit}> remaining</span>
                    </div>
                    <div className="muted">{pace(credits)}</div>
                </div>
            </div>
            {low !== undefined && (
                <Banner tone={credits.current <= 0 ? 'bad' : 'warn'} className={css.low}>
                    {low}
                </Banner>
            )}
            <p className={classes('muted', 'small', css.foot)}>{credits.lastPurchase === null ? 'You have not bought credits yet.' : `Last purchase: ${formatDate(credits.lastPurchase)}`}</p>
        </Card>
    );
}
