import { formatMoney } from '../../lib/format';

/** An exact amount; a dash before there is an ad account, which names the currency. */
export function moneyOf(value: number, currency: string): string {
    return currency === '' ? '–' : formatMoney(value, currency, true);
}
