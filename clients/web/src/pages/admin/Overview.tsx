import type { ReactNode } from 'react';

import type { Schemas } from '../../api/client';
import { formatCount, formatMoment, formatPercent } from '../../lib/format';
import { Badge, Card, Details, Stat } from '../../ui';
import css from './admin.module.css';
import { moneyOf } from './money';
import { adminZone } from './zone';

type Detail = Schemas['GetCustomerResponse'];

function Connection({ connected }: { connected: boolean }): ReactNode {
    return (
        <Badge tone={connected ? 'good' : 'neutral'} dot>
            {connected ? 'Connected' : 'Not connected'}
        </Badge>
    );
}

function Spend({ spend }: { spend: Detail['spend'] }) {
    const money = (value: number) => moneyOf(value, spend.currency);
    return (
        <Card title="Spend" note="Since the ads first ran. Customers never see it." aside={<Badge tone="info">Admins only</Badge>}>
            <div className={css.figures}>
                <Figure name="Total spend" value={money(spend.totalSpend)} />
                <Figure name="Last 30 days" value={money(spend.last30Days)} />
                <Figure name="Average CPC" value={money(spend.avgCPC)} />
                <Figure name="Average CPM" value={money(spend.avgCPM)} />
            </div>
        </Card>
    );
}

function Figure({ name, value }: { name: string; value: string }) {
    return (
        <div className={css.figure}>
            <span className="muted small">{name}</span>
            <strong className="number">{value}</strong>
        </div>
    );
}

export function Overview({ detail }: { detail: Detail }) {
    const { customer, connections, performance, spend, billing } = detail;
    const { website, meta } = connections;
    return (
        <>
            <div className={css.performance}>
                <Stat label="Impressions" value={formatCount(performance.impressions)} note="Lifetime" />
                <Stat label="Clicks" value={formatCount(performance.clicks)} note="Lifetime" />
                <Stat label="CTR" value={formatPercent(performance.ctr)} note="Clicks per 100 impressions" />
                <Stat label="Reach" value={formatCount(performance.reach)} note="People who saw an ad" />
            </div>
            <Spend spend={spend} />
            <div className="grid-2">
                <Card title="Customer">
                    <Details
                        rows={[
                            ['Name', customer.name || '–'],
                            ['E-mail', customer.email],
                            ['Company', customer.company],
                            ['Signed up', formatMoment(customer.createdAt, adminZone)],
                            ['Id', customer.id],
                        ]}
                    />
                </Card>
                <Card title="Billing">
                    <Details
                        rows={[
                            ['Credits', formatCount(billing.credits)],
                            ['Credits bought', formatCount(billing.totalPurchased)],
                            ['Lifetime value', moneyOf(billing.lifetimeValue, spend.currency)],
                        ]}
                    />
                </Card>
                <Card title="Website" aside={<Connection connected={website.connected} />}>
                    <Details
                        rows={[
                            ['Address', website.url ?? '–'],
                            ['Last read', <span title={website.lastSyncAt === null ? undefined : formatMoment(website.lastSyncAt, adminZone)}>{website.lastSync}</span>],
                            ['Items', formatCount(website.itemsDetected)],
                        ]}
                    />
                </Card>
                <Card title="Meta" aside={<Connection connected={meta.connected} />}>
                    <Details
                        rows={[
                            ['Business', meta.businessName ?? '–'],
                            ['Ad account', meta.accountId ?? '–'],
                        ]}
                    />
                </Card>
            </div>
        </>
    );
}
