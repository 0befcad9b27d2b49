import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { ChartLine } from 'lucide-react';
import { useSearchParams } from 'react-router-dom';

import type { Schemas } from '../../api/client';
import { type Period, performanceQuery } from '../../api/queries';
import { formatDate } from '../../lib/format';
import { ButtonLink, Card, EmptyState, ErrorState, Loading, PageHead, SelectField, Skeleton } from '../../ui';
import { ChartCard } from './ChartCard';
import { ExportButton } from './ExportButton';
import { Summary } from './Summary';
import { TopPerformers } from './TopPerformers';
import css from './performance.module.css';

type Performance = Schemas['GetPerformanceResponse'];

const periods: { period: Period; name: string }[] = [
    { period: '7d', name: 'Last 7 days' },
    { period: '30d', name: 'Last 30 days' },
    { period: '90d', name: 'Last 90 days' },
];

/* The period is in the address; what is none of ours is the usual one. */
function usePeriod(): [Period, (period: Period) => void] {
    const [search, setSearch] = useSearchParams();
    const period = periods.find((one) => one.period === search.get('period'))?.period ?? '30d';
    return [period, (next) => setSearch(next === '30d' ? {} : { period: next }, { replace: true, preventScrollReset: true })];
}

function PerformanceSkeleton() {
    return (
        <Loading label="Loading your figures">
            <div className={css.summary}>
                {[1, 2, 3, 4, 5].map((card) => (
                    <Card key={card}>
                        <div className="stack-s">
                            <Skeleton width="60%" />
                            <Skeleton height="2rem" width="80%" />
                            <Skeleton width="70%" />
                        </div>
                    </Card>
                ))}
            </div>
            {['Impressions', 'Clicks'].map((title) => (
                <Card key={title} title={title} note="By day">
                    <Skeleton height="260px" />
                </Card>
            ))}
        </Loading>
    );
}

function NoFigures({ period }: { period: Period }) {
    return (
        <Card>
            <EmptyState
                icon={<ChartLine />}
                title="No figures yet"
                action={
                    <ButtonLink to="/app/ads" variant="primary">
                        Go to your ads
                    </ButtonLink>
                }
            >
                Nobody saw your ads in the {periods.find((one) => one.period === period)!.name.toLowerCase()}. Figures come from Meta once your ads run, and a day is shown when it is over.
            </EmptyState>
        </Card>
    );
}

/* `loading`: another period is on its way, and these are still the last one's figures. */
function Figures({ performance, loading }: { performance: Performance; loading: boolean }) {
    const { daily, summary, topPerformers } = performance;
    const days = daily.map((day) => day.date);
    return (
        <div className="stack" aria-busy={loading}>
            <Summary summary={summary} />
            <ChartCard title="Impressions" kind="line" days={days} values={daily.map((day) => day.impressions)} loading={loading} />
            <ChartCard title="Clicks" kind="bars" days={days} values={daily.map((day) => day.clicks)} loading={loading} />
            <TopPerformers items={topPerformers} />
        </div>
    );
}

function range({ daily }: Performance): string | undefined {
    const first = daily[0];
    const last = daily.at(-1);
    return first === undefined || last === undefined ? undefined : `${formatDate(first.date)} to ${formatDate(last.date)}, full days`;
}

export function Component() {
    const [period, setPeriod] = usePeriod();
    const performance = useQuery({ ...performanceQuery(period), placeholderData: keepPreviousData });
    const data = performance.data;
    return (
        <div className="stack">
            <PageHead
                title="Performance"
                note={(data !== undefined && !performance.isError && range(data)) || 'How people see and click your ads.'}
                actions={
                    <>
                        <SelectField label="Period" hideLabel value={period} onChange={(event) => setPeriod(event.target.value as Period)}>
                            {periods.map((one) => (
                                <option key={one.period} value={one.period}>
                                    {one.name}
                                </option>
                            ))}
                        </SelectField>
                        <ExportButton period={period} />
                    </>
                }
            />
            <span className="visually-hidden" role="status">
                {performance.isPlaceholderData ? 'Loading the figures of another period' : ''}
            </span>
            {performance.isPending && <PerformanceSkeleton />}
            {performance.isError && <ErrorState error={performance.error} onRetry={() => void performance.refetch()} busy={performance.isFetching} />}
            {performance.isSuccess && (performance.data.summary.impressions > 0 ? <Figures performance={performance.data} loading={performance.isPlaceholderData} /> : <NoFigures period={period} />)}
        </div>
    );
}
