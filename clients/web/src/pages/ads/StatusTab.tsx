/* What is out there now: at Lotcast and at Meta. */
import { useTimeZone } from '../../lib/time-zone';
import { CalendarClock, Package, Radio } from 'lucide-react';
import { Link } from 'react-router-dom';

import type { Schemas } from '../../api/client';
import { formatCount, formatMoment, formatMoney } from '../../lib/format';
import { Badge, Card, Details, Stat } from '../../ui';
import { ageName } from '../shared/TargetingFields';
import { countryName } from '../shared/countries';
import { NotLaunched } from './NotLaunched';
import css from './ads.module.css';

type Ads = Schemas['GetAdsResponse'];
type Campaign = Schemas['MetaCampaign'];

/* More names than anybody reads in one line. */
const COUNTRIES_SHOWN = 4;

function countriesText(codes: string[]): string {
    const names = codes.map(countryName);
    const more = names.length - COUNTRIES_SHOWN;
    return more > 1 ? `${names.slice(0, COUNTRIES_SHOWN).join(', ')} and ${more} more` : names.join(', ');
}

export function CampaignBadge({ status }: { status: Campaign['campaignStatus'] }) {
    return (
        <Badge tone={status === 'active' ? 'good' : 'neutral'} dot>
            {status === 'active' ? 'Active' : 'Paused'}
        </Badge>
    );
}

function liveNote({ isLive, metaCampaign }: Ads): string {
    if (isLive) return 'Your ads are being shown';
    return metaCampaign === null ? 'Not launched yet' : 'Your ads are paused';
}

function Cards({ ads }: { ads: Ads }) {
    const zone = useTimeZone();
    return (
        <div className="grid-3">
            <Stat
                label="Live"
                icon={<Radio size={17} aria-hidden="true" />}
                value={
                    <span className={css.live}>
                        <span className={css.liveDot} data-on={ads.isLive || undefined} aria-hidden="true" />
                        {ads.isLive ? 'Live' : 'Not live'}
                    </span>
                }
                note={liveNote(ads)}
            />
            <Stat
                label="Last Sync"
                icon={<CalendarClock size={17} aria-hidden="true" />}
                value={<span className={css.firstUpper}>{ads.lastSync}</span>}
                note={ads.lastSyncAt === null ? 'The first one comes with the launch' : formatMoment(ads.lastSyncAt, zone)}
            />
            <Stat label="Items" icon={<Package size={17} aria-hidden="true" />} value={formatCount(ads.itemCount)} note={<Link to="/app/inventory">See all items</Link>} />
        </div>
    );
}

function catalogNote(catalogItems: number, itemCount: number): string {
    if (catalogItems >= itemCount) return 'All items of your website are in it.';
    return `${formatCount(itemCount - catalogItems)} of your ${formatCount(itemCount)} items are not in it. Your inventory says why.`;
}

function MetaCards({ campaign, itemCount }: { campaign: Campaign; itemCount: number }) {
    const { targeting } = campaign;
    return (
        <div className={css.metaCards}>
            <Card title="Product Catalog" note={catalogNote(campaign.catalogItems, itemCount)}>
                <Details
                    rows={[
                        ['Catalog ID', <span key="id" className="number">{campaign.catalogId}</span>],
                        ['Accepted items', formatCount(campaign.catalogItems)],
                    ]}
                />
            </Card>
            <Card title="Campaign" note="One campaign for all of your items." aside={<CampaignBadge status={campaign.campaignStatus} />}>
                <Details
                    rows={[
                        ['Name', campaign.campaignName],
                        ['Status', campaign.campaignStatus === 'active' ? 'Active' : 'Paused'],
                        ['Monthly budget', formatMoney(campaign.monthlyBudget, campaign.currency)],
                    ]}
                />
            </Card>
            <Card title="Dynamic Ads" note="Made from your items, for whoever is likely to want them.">
                <Details
                    rows={[
                        ['Formats', campaign.adFormats.join(', ')],
                        ['Countries', countriesText(targeting.countries)],
                        ['Ages', `${targeting.ageMin} to ${ageName(targeting.ageMax)}`],
                    ]}
                />
            </Card>
        </div>
    );
}

export function StatusTab({ ads }: { ads: Ads }) {
    return (
        <>
            <Cards ads={ads} />
            {ads.metaCampaign === null ? <NotLaunched itemCount={ads.itemCount} /> : <MetaCards campaign={ads.metaCampaign} itemCount={ads.itemCount} />}
        </>
    );
}
