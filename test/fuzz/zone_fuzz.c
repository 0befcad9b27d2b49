/*
 * Any bytes as a TZif file: what is taken answers every moment with an offset within bounds, and a
 * local time found by it is shown by its clocks, or skipped by them.
 */
#include <stdlib.h>

#include "rpc/services/model/period.h"
#include "rpc/services/model/zone_rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool held)
{
    if (!held)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t moments_s[] = {
        INT64_C(-99999999999), -2208988800, -1, 0, 1770408000, 2145916800, 4102444800,
        INT64_C(99999999999)};
    struct zone *zone = zone_create(span_of(data, size));
    for (size_t i = 0; zone != NULL && i < sizeof moments_s / sizeof moments_s[0]; i++) {
        int32_t offset_s = zone_offset_s(zone, moments_s[i]);
        check(offset_s >= -ZONE_OFFSET_S_MAX && offset_s <= ZONE_OFFSET_S_MAX);
        int64_t utc_s = zone_to_utc_s(zone, moments_s[i]);
        check(llabs(utc_s - moments_s[i]) <= ZONE_OFFSET_S_MAX);
        int32_t utc_day = period_today(NULL, moments_s[i] * 1000);
        int32_t day = period_today(zone, moments_s[i] * 1000);
        check(day >= utc_day - 2 && day <= utc_day + 2);
    }
    zone_destroy(zone);
    return 0;
}
