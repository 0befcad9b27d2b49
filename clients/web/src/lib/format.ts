/* Numbers, money and times for people, in the browser's language. */
const language = navigator.language;
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat(language, { notation: 'compact', maximumSignificantDigits: 3 });
const twoDecimals = new Intl.NumberFormat(language, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const percent = new Intl.NumberFormat(language, { style: 'unit', unit: 'percent', minimumFractionDigits: 2, maximumFractionDigits: 2 });
const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });

/** 8,240 */
export function formatCount(value: number): string {
    return whole.format(value);
}

/** 123K, 45.6K: where there is no room for all digits; show the exact number beside it, or as its title. */
export function formatCompact(value: number): string {
    // Some languages have no short form of thousands: 123,000 would be taken for the exact number.
    const shortened = compact.formatToParts(value).some(({ type }) => type === 'compact');
    return shortened ? compact.format(value) : formatCount(value);
}

/** 1.89 */
export function formatDecimal(value: number): string {
    return twoDecimals.format(value);
}

/** 1.89%: of a number that is percent already. */
export function formatPercent(value: number): string {
    return percent.format(value);
}

/** $500 or $847.32: no decimals where there is nothing to show in them, unless `exact`. */
export function formatMoney(value: number, currency: string, exact = false): string {
    try {
        const plain = !exact && Number.isInteger(value);
        return new Intl.NumberFormat(language, {
            style: 'currency',
            currency,
            ...(plain ? { minimumFractionDigits: 0, maximumFractionDigits: 0 } : {}),
        }).format(value);
    } catch {
        return `${twoDecimals.format(value)} ${currency}`;
    }
}

/** Jan 20, 2026 of a date without a time (YYYY-MM-DD), which is the same day everywhere. */
export function formatDate(date: string, style: 'short' | 'medium' = 'medium'): string {
    return new Intl.DateTimeFormat(language, {
        timeZone: 'UTC',
        month: 'short',
        day: 'numeric',
        ...(style === 'medium' ? { year: 'numeric' } : {}),
    }).format(new Date(`${date}T00:00:00Z`));
}

/** Feb 6, 2026, 2:00 AM: a moment, in the customer's zone. */
export function formatMoment(moment: string, timeZone: string): string {
    return new Intl.DateTimeFormat(language, { timeZone, dateStyle: 'medium', timeStyle: 'short' }).format(new Date(moment));
}

function dayNumber(moment: Date, timeZone: string): number {
    const text = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(moment);
    return Date.parse(`${text}T00:00:00Z`) / 86_400_000;
}

/** Tonight at 2:00 AM, Today at 6:00 PM, Tomorrow at 10:00 AM, else the date: a run to come, in the customer's zone. */
export function formatRun(moment: string, timeZone: string, now: Date = new Date()): string {
    const at = new Date(moment);
    const time = new Intl.DateTimeFormat(language, { timeZone, timeStyle: 'short' }).format(at);
    const days = dayNumber(at, timeZone) - dayNumber(now, timeZone);
    const hour = Number(new Intl.DateTimeFormat('en', { timeZone, hour: 'numeric', hourCycle: 'h23' }).format(at));
    if ((days === 0 && hour >= 20) || (days === 1 && hour < 5) || (days === 0 && hour < 5)) return `Tonight at ${time}`;
    if (days === 0) return `Today at ${time}`;
    if (days === 1) return `Tomorrow at ${time}`;
    return formatMoment(moment, timeZone);
}

/** in 14 days, tomorrow */
export function formatDays(days: number): string {
    return relative.format(days, 'day');
}

/** "1 item", "247 items": an English noun with its number. */
export function plural(count: number, one: string, many = `${one}s`): string {
    return `${formatCount(count)} ${count === 1 ? one : many}`;
}
