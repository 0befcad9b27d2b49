/*
 * What a launch may be asked for: budget and targeting. Pure.
 */
#ifndef RPC_SERVICES_MODEL_BUDGET_H
#define RPC_SERVICES_MODEL_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lotcast/v1/onboarding.pb-c.h"

/* A month's budget, in hundredths of the currency. */
#define BUDGET_MONTHLY_MINOR_MIN ((int64_t)30 * 100)
#define BUDGET_MONTHLY_MINOR_MAX ((int64_t)1000000 * 100)
/* Countries of one ad set at most (Meta's own limit). */
#define TARGETING_COUNTRIES_MAX 25
#define TARGETING_AGE_MIN 18
#define TARGETING_AGE_MAX 65
/* Bytes of a wrong field's path, with its NUL. */
#define TARGETING_FIELD_BYTES 48

/* Whether the amount is within the limits. */
bool budget_monthly_allowed(int64_t monthly_minor);
/* Whether a currency of that factor (Meta's minor units of a major unit, 1 or 100) can express the
 * amount. */
bool budget_monthly_expressible(int64_t monthly_minor, int64_t currency_factor);
/* The day's budget in Meta's minor units of the currency: a month has 30.4 days. Rounded half up.
 */
int64_t budget_daily(int64_t monthly_minor, int64_t currency_factor);

/* Whether it is an ISO 3166-1 alpha-2 code that is assigned, in capitals. */
bool country_known(const char *code);
/* Checks countries and ages (NULL: missing). On false `ret_field` is the first wrong field's JSON
 * path. */
bool targeting_check(const Lotcast__V1__Targeting *targeting,
                     char ret_field[static TARGETING_FIELD_BYTES]);

#endif
