/* A month's budget, typed as people write money. */
import { formatMoney } from '../../lib/format';
import { TextField } from '../../ui';

export const BUDGET_MIN = 30;
export const BUDGET_MAX = 1_000_000;
/* As Meta is asked: a month is 30.4 days. */
const MONTH_DAYS = 30.4;

/* "2,500.50" and "2.500,50" by the browser's language: the sign before its decimals, and the one between thousands. */
const parts = new Intl.NumberFormat(navigator.language, { minimumFractionDigits: 1, useGrouping: true }).formatToParts(10_000.5);
const decimalSign = parts.find(({ type }) => type === 'decimal')?.value === ',' ? ',' : '.';
/* Thousands are set apart whole or not at all: what may be meant otherwise, as 2500,50 in English, is no amount. */
const AMOUNT = decimalSign === ',' ? /^(\d+|\d{1,3}(\.\d{3})+)(,\d+)?$/ : /^(\d+|\d{1,3}(,\d{2,3})*,\d{3})(\.\d+)?$/;

/** The amount that a text says, or undefined. */
export function parseAmount(text: string): number | undefined {
    const bare = text.replaceAll(/[\s'’]/g, '');
    if (!AMOUNT.test(bare)) return undefined;
    return Number(decimalSign === ',' ? bare.replaceAll('.', '').replace(',', '.') : bare.replaceAll(',', ''));
}

/** An amount as the field shows it. */
export function amountText(amount: number): string {
    return `${amount}`.replace('.', decimalSign);
}

function currencySign(currency: string): string {
    const sign = new Intl.NumberFormat(navigator.language, { style: 'currency', currency, currencyDisplay: 'narrowSymbol' }).formatToParts(0).find(({ type }) => type === 'currency');
    return sign?.value ?? currency;
}

interface Props {
    value: string;
    onChange: (text: string) => void;
    /** The ad account's; undefined: not known yet. */
    currency: string | undefined;
    error: string | undefined;
    disabled?: boolean;
}

export function BudgetField({ value, onChange, currency, error, disabled = false }: Props) {
    const amount = parseAmount(value);
    const sign = currency === undefined ? undefined : currencySign(currency);
    const daily = currency !== undefined && amount !== undefined && amount >= BUDGET_MIN && amount <= BUDGET_MAX ? `About ${formatMoney(amount / MONTH_DAYS, currency, true)} a day, in ${currency}.` : undefined;
    const range = currency === undefined ? 'In the currency of your ad account.' : `In ${currency}, from ${formatMoney(BUDGET_MIN, currency)} to ${formatMoney(BUDGET_MAX, currency)}.`;
    return (
        <TextField
            label="Monthly budget"
            name="monthlyBudget"
            inputMode="decimal"
            autoComplete="off"
            // A sign that is longer than one letter has no room inside; the hint names the currency anyway.
            {...(sign?.length === 1 ? { unit: sign } : {})}
            value={value}
            onChange={(event) => onChange(event.target.value)}
            hint={daily ?? range}
            error={error}
            disabled={disabled}
        />
    );
}
