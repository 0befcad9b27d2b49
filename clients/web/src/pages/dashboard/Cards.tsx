/* What is left to spend, and what is advertised. */
import type { Schemas } from '../../api/client';
import { formatCount, plural } from '../../lib/format';
import { Badge, ButtonLink, Card } from '../../ui';
import css from './dashboard.module.css';

type Dashboard = Schemas['GetDashboardResponse'];

const DAYS_LOW = 3;

function lasts({ remaining, daysEstimate }: Dashboard['credits']): string {
    if (remaining <= 0) return 'Ads run again once you add some';
    if (daysEstimate === null) return 'Nothing spent yet, so there is no estimate';
    if (daysEstimate === 0) return 'Less than a day at your current pace';
    return `~${plural(daysEstimate, 'day')} at your current pace`;
}

export function CreditsCard({ credits }: { credits: Dashboard['credits'] }) {
    const low = credits.remaining <= 0 || (credits.daysEstimate !== null && credits.daysEstimate < DAYS_LOW);
    return (
        <Card
            title="Credits"
            className={css.factCard}
            aside={
                low && (
                    <Badge tone={credits.remaining <= 0 ? 'bad' : 'warn'} dot>
                        {credits.remaining <= 0 ? 'Used up' : 'Running low'}
                    </Badge>
                )
            }
        >
            <div className={css.fact}>
                <div>
                    <span className={css.factValue}>{formatCount(credits.remaining)}</span> <span className="muted">remaining</span>
                </div>
                <p className="muted">{lasts(credits)}</p>
            </div>
            <div className={css.factFoot}>
                <ButtonLink to="/app/billing" variant={low ? 'primary' : 'secondary'} size="small">
                    {low ? 'Add credits' : 'Billing'}
                </ButtonLink>
            </div>
        </Card>
    );
}

export function InventoryCard({ dashboard }: { dashboard: Dashboard }) {
    const { itemCount, lastSync, lastSyncAt } = dashboard;
    return (
        <Card title="Inventory" className={css.factCard}>
            <div className={css.fact}>
                <div>
                    <span className={css.factValue}>{formatCount(itemCount)}</span> <span className="muted">{itemCount === 1 ? 'item' : 'items'}</span>
                </div>
                <p className="muted">{lastSyncAt === null ? 'Not sent to Meta yet' : `Read and sent to Meta ${lastSync}`}</p>
            </div>
            {itemCount > 0 && (
                <div className={css.factFoot}>
                    <ButtonLink to="/app/inventory" size="small">
                        See all items
                    </ButtonLink>
                </div>
            )}
        </Card>
    );
}
