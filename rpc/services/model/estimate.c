#include "rpc/services/model/estimate.h"

#include "rpc/services/model/money.h"

struct estimate_sums estimate_sum(ProtobufCMessage *const *days, size_t count, int32_t first_day,
                                  int32_t last_day)
{
    struct estimate_sums sums = {0};
    for (size_t i = 0; i < count; i++) {
        const Lotcast__V1__InsightDayRecord *day = (const void *)days[i];
        if (day->day < first_day || day->day > last_day)
            continue;
        sums.impressions += day->impressions;
        sums.clicks += day->clicks;
        sums.spend_minor += day->spend_minor;
        sums.spend_days += day->spend_minor > 0;
    }
    return sums;
}

int64_t estimate_ctr_hundredths(int64_t clicks, int64_t impressions)
{
    /* Beyond it the product overflows; no campaign gets there. */
    if (impressions <= 0 || clicks > INT64_MAX / 10000)
        return 0;
    return money_divide_round(clicks * 10000, impressions);
}

int64_t estimate_cost_minor(int64_t spend_minor, int64_t count)
{
    return count <= 0 ? 0 : money_divide_round(spend_minor, count);
}

bool estimate_days(int64_t balance_centi, int64_t burn_centi, int64_t spend_days, int64_t *ret_days)
{
    if (burn_centi <= 0 || spend_days <= 0)
        return false;
    if (balance_centi <= 0) {
        *ret_days = 0;
        return true;
    }
    int64_t product;
    /* At most 366 days: only a balance of 10^14 credits gets here, and then the order hardly
     * matters. */
    if (__builtin_mul_overflow(balance_centi, spend_days, &product))
        *ret_days = balance_centi / burn_centi * spend_days;
    else
        *ret_days = product / burn_centi;
    return true;
}

int64_t estimate_whole_credits(int64_t centi)
{
    int64_t whole = centi / 100;
    return centi % 100 < 0 ? whole - 1 : whole;
}
