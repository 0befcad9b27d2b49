/* The countries that ads can be shown in, by the names that the browser knows. */

/* ISO 3166-1 alpha-2, all that are assigned. */
const CODES =
    'AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ ' +
    'CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO ' +
    'FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE ' +
    'JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO ' +
    'MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW ' +
    'PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM ' +
    'TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW';

export interface Country {
    code: string;
    name: string;
}

const names = new Intl.DisplayNames(navigator.language, { type: 'region' });

export function countryName(code: string): string {
    try {
        return names.of(code) ?? code;
    } catch {
        return code;
    }
}

/** By name, in the browser's order of letters. */
export const countries: Country[] = CODES.split(' ')
    .map((code) => ({ code, name: countryName(code) }))
    .sort((a, b) => a.name.localeCompare(b.name));

function plain(text: string): string {
    return text.normalize('NFD').replaceAll(/\p{M}/gu, '').toLowerCase();
}

/** Those whose name has a word that begins so, or whose code it is; accents and case do not matter. */
export function findCountries(search: string): Country[] {
    const wanted = plain(search.trim());
    if (wanted === '') return countries;
    return countries.filter(({ code, name }) => {
        const own = plain(name);
        return code.toLowerCase() === wanted || own.startsWith(wanted) || own.includes(` ${wanted}`) || own.includes(`(${wanted}`);
    });
}

/** The browser's own country, where its language names one. */
export function ownCountry(): string | undefined {
    const region = new Intl.Locale(navigator.language).region;
    return countries.find(({ code }) => code === region)?.code;
}
