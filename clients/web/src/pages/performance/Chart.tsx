/* A chart of one value a day, drawn by uPlot on a canvas in the page's colours. */
import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

import { formatCompact, formatCount, formatDate } from '../../lib/format';
import { useDark } from '../../lib/theme';
import css from './performance.module.css';

export interface ChartProps {
    title: string;
    kind: 'line' | 'bars';
    /** YYYY-MM-DD */
    days: string[];
    values: number[];
}

interface Hover {
    index: number;
    left: number;
    top: number;
}

const HEIGHT = 260;
const AXIS_FONT = '12px "Inter Variable", system-ui, sans-serif';
const DAY_SECONDS = 86_400;
/* A label of a day and its surroundings, in CSS pixels. */
const DAY_LABEL_WIDTH = 74;

/* The colours of the stylesheet, as a canvas takes them: resolved, whichever scheme holds. */
function colours(at: HTMLElement): { line: string; soft: string; text: string; grid: string; surface: string } {
    const probe = document.createElement('span');
    at.append(probe);
    const resolve = (value: string) => {
        probe.style.color = value;
        return getComputedStyle(probe).color;
    };
    const found = {
        line: resolve('var(--primary)'),
        soft: resolve('color-mix(in srgb, var(--primary) 22%, transparent)'),
        text: resolve('var(--text-2)'),
        grid: resolve('var(--border)'),
        surface: resolve('var(--surface)'),
    };
    probe.remove();
    return found;
}

function seriesOf(kind: ChartProps['kind'], { line, soft, surface }: ReturnType<typeof colours>): uPlot.Series {
    if (kind === 'bars') return { stroke: line, fill: line, paths: uPlot.paths.bars!({ size: [0.64, 40], radius: 0.22 }), points: { show: false } };
    return {
        stroke: line,
        width: 2.5,
        paths: uPlot.paths.spline!(),
        points: { show: false },
        fill: (chart) => {
            const fade = chart.ctx.createLinearGradient(0, chart.bbox.top, 0, chart.bbox.top + chart.bbox.height);
            fade.addColorStop(0, soft);
            fade.addColorStop(1, surface);
            return fade;
        },
    };
}

function dayOf(seconds: number): string {
    return new Date(seconds * 1000).toISOString().slice(0, 10);
}

/* The days with a label: evenly spaced, as many as there is room for, the last one among them. */
function labelledDays(chart: uPlot): number[] {
    const days = Array.from(chart.data[0]);
    const room = Math.max(1, Math.floor(chart.bbox.width / devicePixelRatio / DAY_LABEL_WIDTH));
    const step = Math.max(1, Math.ceil(days.length / room));
    return days.filter((_day, index) => (days.length - 1 - index) % step === 0);
}

/* The line that follows the mouse goes from day to day. */
function toDay(chart: uPlot, left: number, top: number): [number, number] {
    const seconds = left < 0 ? undefined : chart.data[0][chart.posToIdx(left)];
    return seconds === undefined ? [left, top] : [chart.valToPos(seconds, 'x'), top];
}

function optionsOf({ kind, title }: ChartProps, at: HTMLElement, onHover: (hover: Hover | null) => void): uPlot.Options {
    const colour = colours(at);
    const axis = { stroke: colour.text, font: AXIS_FONT, ticks: { show: false } };
    // Half a day at both ends, so that the first and the last bar are whole.
    const edge = kind === 'bars' ? DAY_SECONDS * 0.6 : DAY_SECONDS * 0.15;
    return {
        width: at.clientWidth,
        height: HEIGHT,
        padding: [12, 26, 0, 0],
        legend: { show: false },
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'UTC'),
        cursor: { y: false, move: toDay, drag: { x: false, y: false }, points: kind === 'line' ? { size: 10, fill: colour.line, stroke: colour.surface, width: 2 } : { show: false } },
        scales: {
            x: { time: true, range: (_chart, min, max) => [min - edge, max + edge] },
            y: { range: (_chart, _min, max) => [0, Math.max(1, max) * 1.1] },
        },
        axes: [
            { ...axis, grid: { show: false }, size: 32, splits: labelledDays, values: (_chart, splits) => splits.map((seconds) => formatDate(dayOf(seconds), 'short')) },
            { ...axis, size: 52, grid: { stroke: colour.grid, width: 1 }, border: { show: false }, values: (_chart, splits) => splits.map((value) => (Number.isInteger(value) ? formatCompact(value) : '')) },
        ],
        series: [{}, { label: title, ...seriesOf(kind, colour) }],
        hooks: {
            setCursor: [
                (chart) => {
                    const index = chart.cursor.idx;
                    const seconds = index === null || index === undefined ? undefined : chart.data[0][index];
                    if (seconds === undefined || (chart.cursor.left ?? -1) < 0) return onHover(null);
                    const value = chart.data[1]![index!]!;
                    onHover({ index: index!, left: chart.over.offsetLeft + chart.valToPos(seconds, 'x'), top: chart.over.offsetTop + chart.valToPos(value, 'y') });
                },
            ],
        },
    };
}

function Tooltip({ hover, title, days, values, width }: { hover: Hover; title: string; days: string[]; values: number[]; width: number }) {
    const day = days[hover.index];
    if (day === undefined) return null;
    // Beside the point, on the side where there is more room.
    const side = hover.left > width / 2 ? { right: width - hover.left + 14 } : { left: hover.left + 14 };
    return (
        <div className={css.tooltip} style={{ ...side, top: Math.min(Math.max(hover.top, 30), HEIGHT - 64) }}>
            <span>{formatDate(day)}</span>
            <strong>
                {formatCount(values[hover.index] ?? 0)} {title.toLowerCase()}
            </strong>
        </div>
    );
}

export default function Chart(props: ChartProps) {
    const { title, kind, days, values } = props;
    const frame = useRef<HTMLDivElement>(null);
    const [hover, setHover] = useState<Hover | null>(null);
    const dark = useDark();
    const key = `${days.join()} ${values.join()}`;
    useEffect(() => {
        const at = frame.current!;
        const seconds = days.map((day) => Date.parse(`${day}T00:00:00Z`) / 1000);
        const chart = new uPlot(optionsOf(props, at, setHover), [seconds, values], at);
        const resized = new ResizeObserver(() => {
            if (at.clientWidth > 0 && at.clientWidth !== chart.width) chart.setSize({ width: at.clientWidth, height: HEIGHT });
        });
        resized.observe(at);
        return () => {
            resized.disconnect();
            chart.destroy();
            setHover(null);
        };
        // `key` stands for the days and values, which are new arrays each time.
    }, [key, kind, title, dark]);
    return (
        <div ref={frame} className={css.chart} onMouseLeave={() => setHover(null)}>
            {hover !== null && <Tooltip hover={hover} title={title} days={days} values={values} width={frame.current?.clientWidth ?? 0} />}
        </div>
    );
}
