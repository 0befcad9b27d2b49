/*
 * The rule at the end of a TZif file, in the form of POSIX's TZ variable (with RFC 8536's hours
 * from -167 to 167): CET-1CEST,M3.5.0,M10.5.0/3. Pure; of zone.c alone.
 */
#ifndef RPC_SERVICES_MODEL_ZONE_RULE_H
#define RPC_SERVICES_MODEL_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "rpc/base/span.h"

/* RFC 8536, 3.2: offsets are within -25 and +26 hours. */
#define ZONE_OFFSET_S_MAX (26 * 3600)

/* When in a year clocks change. */
struct zone_rule_date {
    enum { ZONE_DATE_MONTH_WEEK, ZONE_DATE_JULIAN, ZONE_DATE_ZERO_BASED } kind;
    int32_t month, week, weekday; /* Mm.w.d; week 5 is the last */
    int32_t day;                  /* Jn (1 to 365, never 29 February) and n (0 to 365) */
    int32_t time_s;               /* of the local day */
};

struct zone_rule {
    int32_t standard_offset_s; /* east of UTC */
    bool has_summer;
    int32_t summer_offset_s;
    struct zone_rule_date start, end; /* of summer time */
};

bool zone_rule_parse(struct span text, struct zone_rule *ret_rule);
int32_t zone_rule_offset_s(const struct zone_rule *rule, int64_t at_s);

#endif
