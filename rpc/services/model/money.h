/*
 * Money and credits: integers only. Money is minor units, which here are always hundredths,
 * whatever the currency; credits are centi-credits. Pure functions.
 */
#ifndef RPC_SERVICES_MODEL_MONEY_H
#define RPC_SERVICES_MODEL_MONEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Currencies with a rate at most. */
#define MONEY_RATES_MAX 32

/* Credits for one major unit of a currency. */
struct money_rates {
    struct {
        char currency[4];
        int64_t credits;
    } rows[MONEY_RATES_MAX];
    size_t count;
};

/* Parses LOTCAST_CREDIT_RATES ("USD:20,EUR:22"). False if malformed, twice the same, or too many.
 */
bool money_rates_parse(const char *text, struct money_rates *ret_rates);
/* Credits for one major unit, or 0 for a currency without a rate. */
int64_t money_rate(const struct money_rates *rates, const char *currency);
/* Centi-credits that `spend_minor` burns: hundredths times the rate. */
int64_t money_burn_centi(int64_t spend_minor, int64_t rate);
/* Whether it is an ISO 4217 code in use. */
bool money_currency_known(const char *currency);
/* numerator / denominator rounded half up (away from zero for negatives); denominator > 0. */
int64_t money_divide_round(int64_t numerator, int64_t denominator);

#endif
