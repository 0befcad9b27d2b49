/* How the ads stand, at a glance; asked again every 60 s (data-flows.md, "Dashboard Data Flow"). */
import { useQuery } from '@tanstack/react-query';
import { RefreshCw } from 'lucide-react';
import { useState } from 'react';

import type { Schemas } from '../../api/client';
import { DASHBOARD_REFRESH_MS, dashboardQuery } from '../../api/queries';
import { Button, Card, ErrorState, Loading, PageHead, Skeleton } from '../../ui';
import { LoadError } from '../shared/LoadError';
import { CreditsCard, InventoryCard } from './Cards';
import { Figures } from './Figures';
import { SetupHero } from './SetupHero';
import { StatusHero, saysSuggestion } from './StatusHero';
import { Suggestion } from './Suggestion';
import css from './dashboard.module.css';

type Dashboard = Schemas['GetDashboardResponse'];

function Placeholder() {
    return (
        <Loading label="Loading your dashboard">
            <Card className={css.hero}>
                <div className={css.heroBody}>
                    <Skeleton height="26px" width="130px" />
                    <Skeleton height="30px" width="min(320px, 80%)" />
                    <Skeleton height="20px" width="min(460px, 100%)" />
                </div>
            </Card>
            <div className={css.figures}>
                {['impressions', 'clicks', 'ctr', 'reach'].map((name) => (
                    <Card key={name} className={css.placeholderStat}>
                        <Skeleton height="18px" width="90px" />
                        <Skeleton height="34px" width="110px" />
                    </Card>
                ))}
            </div>
            <div className="grid-2">
                <Card>
                    <Skeleton height="130px" />
                </Card>
                <Card>
                    <Skeleton height="130px" />
                </Card>
            </div>
        </Loading>
    );
}

function Content({ dashboard }: { dashboard: Dashboard }) {
    const setup = dashboard.status === 'setup';
    const suggestion = saysSuggestion(dashboard) ? null : dashboard.suggestion;
    return (
        <>
            {setup ? <SetupHero dashboard={dashboard} /> : <StatusHero dashboard={dashboard} />}
            {!setup && <Suggestion suggestion={suggestion} />}
            {!setup && <Figures performance={dashboard.performance} status={dashboard.status} />}
            <div className="grid-2">
                <CreditsCard credits={dashboard.credits} />
                <InventoryCard dashboard={dashboard} />
            </div>
        </>
    );
}

export function Component() {
    const query = useQuery({ ...dashboardQuery, refetchInterval: DASHBOARD_REFRESH_MS });
    const [asked, setAsked] = useState(false);
    const refresh = () => {
        setAsked(true);
        void query.refetch().finally(() => setAsked(false));
    };
    const { data, error } = query;
    return (
        <div className="stack">
            <PageHead
                title="Dashboard"
                actions={
                    data !== undefined && (
                        <Button onClick={refresh} aria-busy={asked || undefined}>
                            <RefreshCw size={17} aria-hidden="true" className={asked ? css.turning : undefined} />
                            Refresh
                        </Button>
                    )
                }
            />
            {data !== undefined && query.isRefetchError && (
                <LoadError error={error} onRetry={refresh} busy={query.isFetching}>
                    What you see is from before. We try again every minute.
                </LoadError>
            )}
            {data !== undefined ? <Content dashboard={data} /> : query.isError ? <ErrorState error={error} onRetry={refresh} busy={query.isFetching} /> : <Placeholder />}
        </div>
    );
}
