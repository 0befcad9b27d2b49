import { Eye, MousePointerClick, Percent, Repeat2, Users } from 'lucide-react';

import type { Schemas } from '../../api/client';
import { formatCount, formatDecimal, formatPercent } from '../../lib/format';
import { Stat } from '../../ui';
import css from './performance.module.css';

export function Summary({ summary }: { summary: Schemas['GetPerformanceResponse']['summary'] }) {
    return (
        <div className={css.summary}>
            <Stat label="Impressions" icon={<Eye size={17} aria-hidden="true" />} value={formatCount(summary.impressions)} note="Times an ad was shown" />
            <Stat label="Clicks" icon={<MousePointerClick size={17} aria-hidden="true" />} value={formatCount(summary.clicks)} note="On any of your ads" />
            <Stat label="CTR" icon={<Percent size={17} aria-hidden="true" />} value={formatPercent(summary.ctr)} note="Clicks per 100 impressions" />
            <Stat label="Reach" icon={<Users size={17} aria-hidden="true" />} value={formatCount(summary.reach)} note="People who saw an ad" />
            <Stat label="Frequency" icon={<Repeat2 size={17} aria-hidden="true" />} value={formatDecimal(summary.frequency)} note="Impressions a person" />
        </div>
    );
}
