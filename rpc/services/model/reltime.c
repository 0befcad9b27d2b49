#include "rpc/services/model/reltime.h"

#include <stdio.h>

#include "rpc/services/model/money.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

struct amount {
    int64_t count;
    const char *unit;
    char letter;
};

/* In the largest unit of which there is one at least. */
static struct amount floored(int64_t ms)
{
    if (ms >= DAY_MS)
        return (struct amount){ms / DAY_MS, "day", 'd'};
    if (ms >= HOUR_MS)
        return (struct amount){ms / HOUR_MS, "hour", 'h'};
    return (struct amount){ms / MINUTE_MS, "minute", 'm'};
}

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

void reltime_past(int64_t at_ms, int64_t now_ms, char text[static RELTIME_BYTES])
{
    struct amount amount = floored(now_ms - at_ms);
    if (at_ms == 0)
        (void)snprintf(text, RELTIME_BYTES, "never");
    else if (amount.count < 1)
        (void)snprintf(text, RELTIME_BYTES, "just now");
    else
        (void)snprintf(text, RELTIME_BYTES, "%lld %s%s ago", (long long)amount.count, amount.unit,
                       plural(amount.count));
}

int64_t reltime_past_until(int64_t at_ms, int64_t now_ms)
{
    int64_t age_ms = now_ms - at_ms;
    if (at_ms == 0)
        return INT64_MAX;
    if (age_ms < MINUTE_MS)
        return at_ms + MINUTE_MS;
    int64_t unit_ms = age_ms >= DAY_MS ? DAY_MS : age_ms >= HOUR_MS ? HOUR_MS : MINUTE_MS;
    return at_ms + (age_ms / unit_ms + 1) * unit_ms;
}

void reltime_past_short(int64_t at_ms, int64_t now_ms, char text[static RELTIME_BYTES])
{
    struct amount amount = floored(now_ms - at_ms);
    if (at_ms == 0)
        (void)snprintf(text, RELTIME_BYTES, "never");
    else if (amount.count < 1)
        (void)snprintf(text, RELTIME_BYTES, "just now");
    else
        (void)snprintf(text, RELTIME_BYTES, "%lld%c ago", (long long)amount.count, amount.letter);
}

void reltime_future(int64_t at_ms, int64_t now_ms, char text[static RELTIME_BYTES])
{
    int64_t left_ms = at_ms - now_ms;
    if (left_ms < MINUTE_MS) {
        (void)snprintf(text, RELTIME_BYTES, "in less than a minute");
        return;
    }
    /* Rounding up may reach the next unit: 59 minutes 40 are 1 hour. */
    struct amount amount = {money_divide_round(left_ms, MINUTE_MS), "minute", 'm'};
    if (amount.count >= 60)
        amount = (struct amount){money_divide_round(left_ms, HOUR_MS), "hour", 'h'};
    if (amount.unit[0] == 'h' && amount.count >= 24)
        amount = (struct amount){money_divide_round(left_ms, DAY_MS), "day", 'd'};
    (void)snprintf(text, RELTIME_BYTES, "in %lld %s%s", (long long)amount.count, amount.unit,
                   plural(amount.count));
}
