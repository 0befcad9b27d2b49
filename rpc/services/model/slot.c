#include "rpc/services/model/slot.h"

#include <stddef.h>

#define DAY_S ((int64_t)86400)
#define HOUR_S ((int64_t)3600)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t slot_next_ms(const struct zone *zone, int64_t after_ms)
{
    static const int64_t hours[] = {2, 10, 18};
    int64_t after_s = floor_div(after_ms, 1000);
    int64_t day = floor_div(after_s + zone_offset_s(zone, after_s), DAY_S);
    int64_t best = INT64_MAX;
    /* A zone that skips a whole day, or begins anew at an earlier one, is why three are looked at.
     */
    for (int64_t d = day - 1; d <= day + 2; d++) {
        for (size_t i = 0; i < sizeof hours / sizeof hours[0]; i++) {
            int64_t at_ms = zone_to_utc_s(zone, d * DAY_S + hours[i] * HOUR_S) * 1000;
            if (at_ms > after_ms && at_ms < best)
                best = at_ms;
        }
    }
    return best;
}

int64_t slot_spread_ms(int64_t customer_id)
{
    return (int64_t)((uint64_t)customer_id * 11400714819323198485u % (uint64_t)SLOT_SPREAD_MS);
}
