/* The ads: how they stand, when they are brought up to date, and the campaign itself. */
import { useQuery } from '@tanstack/react-query';
import { useSearchParams } from 'react-router-dom';

import { adsQuery } from '../../api/queries';
import { Card, ErrorState, Loading, PageHead, Skeleton, Tabs } from '../../ui';
import { AutomationTab } from './AutomationTab';
import { CampaignTab } from './CampaignTab';
import { RemovalDialog } from './RemovalDialog';
import { LoadError } from '../shared/LoadError';
import { StatusTab } from './StatusTab';
import { useSync } from './useSync';

const TABS = ['status', 'automation', 'campaign'];

/* The tab is part of the address, so that it is there again after a reload and can be linked to. */
function useTab(): [number, (index: number) => void] {
    const [search, setSearch] = useSearchParams();
    const index = Math.max(0, TABS.indexOf(search.get('tab') ?? ''));
    const select = (next: number) => setSearch(next === 0 ? {} : { tab: TABS[next]! }, { replace: true, preventScrollReset: true });
    return [index, select];
}

function Placeholder() {
    return (
        <Loading label="Loading your ads">
            <Skeleton height="40px" width="min(340px, 100%)" />
            <div className="grid-3">
                {['live', 'sync', 'items'].map((name) => (
                    <Card key={name}>
                        <Skeleton height="74px" />
                    </Card>
                ))}
            </div>
            <div className="grid-2">
                <Card>
                    <Skeleton height="150px" />
                </Card>
                <Card>
                    <Skeleton height="150px" />
                </Card>
            </div>
        </Loading>
    );
}

export function Component() {
    const ads = useQuery(adsQuery);
    const [tab, selectTab] = useTab();
    const sync = useSync(TABS[tab] === 'automation' && ads.data?.metaCampaign != null);
    const { data } = ads;
    return (
        <div className="stack">
            <PageHead title="Ads" />
            {data !== undefined && ads.isRefetchError && (
                <LoadError error={ads.error} onRetry={() => void ads.refetch()} busy={ads.isFetching}>
                    What you see is from before.
                </LoadError>
            )}
            {data !== undefined ? (
                <Tabs
                    label="Ads"
                    selected={tab}
                    onSelect={selectTab}
                    tabs={[
                        { title: 'Status', content: <StatusTab ads={data} /> },
                        { title: 'Automation', content: <AutomationTab ads={data} sync={sync} /> },
                        { title: 'Campaign', content: <CampaignTab ads={data} /> },
                    ]}
                />
            ) : ads.isError ? (
                <ErrorState error={ads.error} onRetry={() => void ads.refetch()} busy={ads.isFetching} />
            ) : (
                <Placeholder />
            )}
            <RemovalDialog open={sync.confirms} itemCount={data?.itemCount ?? 0} onClose={sync.closeConfirm} onConfirm={sync.confirm} />
        </div>
    );
}
