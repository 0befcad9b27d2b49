import { Suspense, lazy } from 'react';

import { formatCount, formatDate } from '../../lib/format';
import { Card, Skeleton, Spinner, Table } from '../../ui';
import type { ChartProps } from './Chart';
import css from './performance.module.css';

// The chart library is code of its own: figures and tables do not wait for it.
const Chart = lazy(() => import('./Chart'));

/* What the picture shows, in one sentence. */
function summary({ title, days, values }: ChartProps): string {
    const total = values.reduce((sum, value) => sum + value, 0);
    const most = Math.max(...values);
    const best = days[values.indexOf(most)]!;
    return `${title} a day, ${formatDate(days[0]!)} to ${formatDate(days.at(-1)!)}: ${formatCount(total)} in all, from ${formatCount(Math.min(...values))} to ${formatCount(most)} a day, most on ${formatDate(best)}.`;
}

export function ChartCard({ loading, ...chart }: ChartProps & { loading: boolean }) {
    const { title, days, values } = chart;
    const rows = days.map((day, index) => ({ day, value: values[index] ?? 0 })).reverse();
    return (
        <Card title={title} note="By day">
            <div className={css.chartFrame}>
                <div role="img" aria-label={summary(chart)}>
                    <Suspense fallback={<Skeleton height="260px" />}>
                        <Chart {...chart} />
                    </Suspense>
                </div>
                {loading && (
                    <div className={css.overlay}>
                        <Spinner />
                        Loading…
                    </div>
                )}
            </div>
            <details className={css.asTable}>
                <summary>Show as table</summary>
                <Table
                    caption={`${title} by day`}
                    columns={[
                        { key: 'day', title: 'Day', cell: (row) => formatDate(row.day) },
                        { key: 'value', title, end: true, cell: (row) => formatCount(row.value) },
                    ]}
                    rows={rows}
                    rowKey={(row) => row.day}
                />
            </details>
        </Card>
    );
}
