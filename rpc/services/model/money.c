#include "rpc/services/model/money.h"

#include <stdlib.h>
#include <string.h>

/* More than any product would sell for one unit; keeps products of it far from overflow. */
#define RATE_MAX 1000000

static const char currencies[][4] = {
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
    "BGN", "BHD", "BIF", "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD",
    "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD",
    "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ",
    "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD",
    "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR",
    "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR",
    "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN",
    "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR",
    "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB",
    "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS",
    "VED", "VES", "VND", "VUV", "WST", "XAF", "XCD", "XCG", "XOF", "XPF", "YER", "ZAR", "ZMW",
    "ZWG",
};

static int compare(const void *key, const void *element)
{
    return strcmp(key, element);
}

bool money_currency_known(const char *currency)
{
    return strlen(currency) == 3 &&
           bsearch(currency, currencies, sizeof currencies / sizeof currencies[0],
                   sizeof currencies[0], compare) != NULL;
}

/* Reads "USD:20" into the next row; moves `text` behind it. */
static bool parse_rate(const char **text, struct money_rates *rates)
{
    char currency[4] = {0};
    const char *at = *text;
    if (strnlen(at, 4) < 4 || at[3] != ':' || rates->count == MONEY_RATES_MAX)
        return false;
    memcpy(currency, at, 3);
    if (!money_currency_known(currency) || money_rate(rates, currency) != 0)
        return false;
    int64_t credits = 0;
    size_t digits = strspn(at + 4, "0123456789");
    for (size_t i = 0; i < digits && credits <= RATE_MAX; i++)
        credits = credits * 10 + (at[4 + i] - '0');
    if (digits == 0 || credits == 0 || credits > RATE_MAX)
        return false;
    memcpy(rates->rows[rates->count].currency, currency, sizeof currency);
    rates->rows[rates->count++].credits = credits;
    *text = at + 4 + digits;
    return true;
}

bool money_rates_parse(const char *text, struct money_rates *ret_rates)
{
    struct money_rates rates = {0};
    if (!parse_rate(&text, &rates))
        return false;
    while (*text == ',') {
        text++;
        if (!parse_rate(&text, &rates))
            return false;
    }
    if (*text != '\0')
        return false;
    *ret_rates = rates;
    return true;
}

int64_t money_rate(const struct money_rates *rates, const char *currency)
{
    for (size_t i = 0; i < rates->count; i++) {
        if (strcmp(rates->rows[i].currency, currency) == 0)
            return rates->rows[i].credits;
    }
    return 0;
}

int64_t money_burn_centi(int64_t spend_minor, int64_t rate)
{
    int64_t centi;
    /* spend / 100 · rate · 100. Nobody spends that much: a bound, not a result. */
    if (__builtin_mul_overflow(spend_minor, rate, &centi))
        return spend_minor < 0 ? INT64_MIN : INT64_MAX;
    return centi;
}

int64_t money_divide_round(int64_t numerator, int64_t denominator)
{
    int64_t quotient = numerator / denominator;
    int64_t rest = numerator % denominator;
    int64_t magnitude = rest < 0 ? -rest : rest;
    /* 2 · magnitude ≥ denominator, without the product that could overflow. */
    if (magnitude >= denominator - magnitude)
        quotient += numerator < 0 ? -1 : 1;
    return quotient;
}
