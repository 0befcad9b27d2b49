#include "rpc/services/model/budget.h"

#include <stdio.h>
#include <string.h>

#include "rpc/services/model/money.h"

/* ISO 3166-1 alpha-2, the 249 codes assigned, three bytes each, in order. */
static const char countries[] =
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR "
    "BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ "
    "EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW "
    "GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY "
    "KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV "
    "MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY "
    "QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG "
    "TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM "
    "ZW ";

/* Days of a month, in tenths: what a monthly budget is divided by. */
#define MONTH_DAYS_TENTHS 304

bool budget_monthly_allowed(int64_t monthly_minor)
{
    return monthly_minor >= BUDGET_MONTHLY_MINOR_MIN && monthly_minor <= BUDGET_MONTHLY_MINOR_MAX;
}

bool budget_monthly_expressible(int64_t monthly_minor, int64_t currency_factor)
{
    return monthly_minor * currency_factor % 100 == 0;
}

int64_t budget_daily(int64_t monthly_minor, int64_t currency_factor)
{
    return money_divide_round(monthly_minor * currency_factor * 10,
                              (int64_t)100 * MONTH_DAYS_TENTHS);
}

bool country_known(const char *code)
{
    if (strlen(code) != 2)
        return false;
    for (size_t i = 0; i + 3 <= sizeof countries - 1; i += 3)
        if (memcmp(countries + i, code, 2) == 0)
            return true;
    return false;
}

/* Whether the country at `index` is named by an earlier one too. */
static bool repeats(const Lotcast__V1__Targeting *targeting, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(targeting->countries[i], targeting->countries[index]) == 0)
            return true;
    return false;
}

static bool wrong(char ret_field[static TARGETING_FIELD_BYTES], const char *path)
{
    (void)snprintf(ret_field, TARGETING_FIELD_BYTES, "%s", path);
    return false;
}

static bool age_allowed(int32_t age)
{
    return age >= TARGETING_AGE_MIN && age <= TARGETING_AGE_MAX;
}

bool targeting_check(const Lotcast__V1__Targeting *targeting,
                     char ret_field[static TARGETING_FIELD_BYTES])
{
    if (targeting == NULL)
        return wrong(ret_field, "targeting");
    if (targeting->n_countries == 0)
        return wrong(ret_field, "targeting.countries");
    for (size_t i = 0; i < targeting->n_countries; i++) {
        if (i < TARGETING_COUNTRIES_MAX && country_known(targeting->countries[i]) &&
            !repeats(targeting, i))
            continue;
        (void)snprintf(ret_field, TARGETING_FIELD_BYTES, "targeting.countries[%zu]", i);
        return false;
    }
    if (!age_allowed(targeting->age_min))
        return wrong(ret_field, "targeting.ageMin");
    if (!age_allowed(targeting->age_max) || targeting->age_max < targeting->age_min)
        return wrong(ret_field, "targeting.ageMax");
    return true;
}
