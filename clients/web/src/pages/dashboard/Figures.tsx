/* The last 30 full days in four figures; long ones are rounded, the exact one is their title. */
import { Eye, MousePointerClick, Percent, Users } from 'lucide-react';
import { Link } from 'react-router-dom';

import type { Schemas } from '../../api/client';
import { formatCompact, formatCount, formatPercent } from '../../lib/format';
import { Stat } from '../../ui';
import css from './dashboard.module.css';

/* From here on a figure is rounded. */
const COMPACT_MIN = 10_000;

function figure(value: number): { value: string; exact?: string } {
    return value < COMPACT_MIN ? { value: formatCount(value) } : { value: formatCompact(value), exact: formatCount(value) };
}

interface Props {
    performance: Schemas['DashboardPerformance'];
    status: Schemas['GetDashboardResponse']['status'];
}

export function Figures({ performance, status }: Props) {
    const { impressions, clicks, ctr, reach } = performance;
    return (
        <section className="stack-s" aria-labelledby="figures">
            <div className="spread">
                <h2 id="figures">Last 30 days</h2>
                <Link to="/app/performance" className="small">
                    All figures
                </Link>
            </div>
            <div className={css.figures}>
                <Stat label="Impressions" icon={<Eye size={17} aria-hidden="true" />} {...figure(impressions)} />
                <Stat label="Clicks" icon={<MousePointerClick size={17} aria-hidden="true" />} {...figure(clicks)} />
                <Stat label="CTR" icon={<Percent size={17} aria-hidden="true" />} value={formatPercent(ctr)} />
                <Stat label="Reach" icon={<Users size={17} aria-hidden="true" />} {...figure(reach)} />
            </div>
            {impressions === 0 && status === 'running' && <p className="muted small">Figures are of full days: the first ones are here tomorrow.</p>}
        </section>
    );
}
