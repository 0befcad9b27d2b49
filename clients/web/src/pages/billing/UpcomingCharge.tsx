import { CalendarClock } from 'lucide-react';

import type { Schemas } from '../../api/client';
import { formatDate, formatDays, formatMoney } from '../../lib/format';
import { Card, classes } from '../../ui';
import css from './billing.module.css';

/** When credits have to be bought again, and what that is likely to cost. Nothing is charged by itself. */
export function UpcomingCharge({ charge, daysEstimate }: { charge: Schemas['GetBillingResponse']['upcomingCharge']; daysEstimate: number | null }) {
    return (
        <Card title="Upcoming charge">
            <div className={css.balance}>
                <span className={css.coin} aria-hidden="true">
                    <CalendarClock size={24} />
                </span>
                {charge === null ? (
                    <div className="muted">Nothing is due. An estimate appears here after your first purchase, once your ads have run.</div>
                ) : (
                    <div>
                        <div className={classes(css.amount, 'number')}>{formatMoney(charge.estimatedAmount, charge.currency)}</div>
                        <div className="muted">
                            {formatDate(charge.date)}
                            {daysEstimate !== null && ` (${formatDays(daysEstimate)})`}
                        </div>
                    </div>
                )}
            </div>
            {charge !== null && <p className={classes('muted', 'small', css.foot)}>The day on which your credits are expected to run out, and the price of the package that you bought last. You are only charged when you buy.</p>}
        </Card>
    );
}
