/* When syncs run by themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/base/clock.h"
#include "rpc/services/model/slot.h"
#include "rpc/services/zones.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
#define HOUR_MS ((int64_t)3600 * 1000)

static int64_t at(const char *text)
{
    int64_t ms = 0;
    assert_true(clock_parse_rfc3339(text, &ms));
    return ms;
}

static const struct zone *zone_of(struct zones *zones, const char *name)
{
    const struct zone *zone = NULL;
    assert_true(zones_find(zones, name, &zone));
    return zone;
}

static void slots_follow_the_zone_s_clocks(void **state)
{
    static const struct {
        const char *zone, *after, *want;
    } rows[] = {
        {"", "2026-02-06T20:00:00Z", "2026-02-07T02:00:00Z"},
        {"", "2026-02-07T01:59:59Z", "2026-02-07T02:00:00Z"},
        {"", "2026-02-07T02:00:00Z", "2026-02-07T10:00:00Z"}, /* behind, not at */
        {"", "2026-02-07T10:00:00Z", "2026-02-07T18:00:00Z"},
        {"", "2026-12-31T18:00:00Z", "2027-01-01T02:00:00Z"},
        {"", "1969-12-31T23:00:00Z", "1970-01-01T02:00:00Z"},
        {"America/New_York", "2026-02-06T20:00:00Z", "2026-02-06T23:00:00Z"},
        {"America/New_York", "2026-02-06T23:00:00Z", "2026-02-07T07:00:00Z"},
        {"Asia/Kathmandu", "2026-02-06T20:00:00Z", "2026-02-06T20:15:00Z"},
        {"Pacific/Kiritimati", "2026-02-06T11:59:59Z", "2026-02-06T12:00:00Z"},
        /* New York skips 02:00 on 8 March: it is 03:00 then. */
        {"America/New_York", "2026-03-08T06:59:59Z", "2026-03-08T07:00:00Z"},
        {"America/New_York", "2026-03-08T07:00:00Z", "2026-03-08T14:00:00Z"},
        /* Berlin shows 02:00 twice on 25 October: the first counts. */
        {"Europe/Berlin", "2026-10-24T23:59:59Z", "2026-10-25T00:00:00Z"},
        {"Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T09:00:00Z"},
        {"Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25T09:00:00Z"},
        /* Samoa left 30 December 2011 out. */
        {"Pacific/Apia", "2011-12-30T05:00:00Z", "2011-12-30T12:00:00Z"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[CLOCK_RFC3339_BYTES];
        clock_format_rfc3339(slot_next_ms(zone_of(*state, rows[i].zone), at(rows[i].after)), text);
        assert_string_equal(text, rows[i].want);
    }
}

/* Through a year of any zone: slots ascend, about eight hours apart, three a day on the average. */
static void a_year_has_three_slots_a_day(void **state)
{
    static const char *const names[] = {"",
                                        "America/New_York",
                                        "Europe/Berlin",
                                        "Australia/Lord_Howe",
                                        "Asia/Kolkata",
                                        "America/Santiago",
                                        "Africa/Casablanca"};
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct zone *zone = zone_of(*state, names[i]);
        int64_t begin = at("2026-01-01T00:00:00Z");
        int64_t end = at("2027-01-01T00:00:00Z");
        int count = 0;
        for (int64_t slot = slot_next_ms(zone, begin); slot < end; count++) {
            int64_t next = slot_next_ms(zone, slot);
            assert_true(next - slot >= 7 * HOUR_MS && next - slot <= 9 * HOUR_MS);
            /* From any moment in between it is the same. */
            assert_true(slot_next_ms(zone, next - 1) == next);
            assert_true(slot_next_ms(zone, slot + 1) == next);
            slot = next;
        }
        assert_true(count >= 365 * 3 - 2 && count <= 365 * 3 + 2);
    }
}

static void customers_are_spread(void **state)
{
    (void)state;
    int halves[2] = {0, 0};
    for (int64_t id = 1; id <= 1000; id++) {
        int64_t spread = slot_spread_ms(id);
        assert_true(spread >= 0 && spread < SLOT_SPREAD_MS);
        assert_true(slot_spread_ms(id) == spread);
        halves[spread * 2 / SLOT_SPREAD_MS]++;
    }
    assert_true(halves[0] > 300 && halves[1] > 300);
}

static int begin(void **state)
{
    *state = zones_create();
    return *state == NULL ? -1 : 0;
}

static int end(void **state)
{
    zones_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_follow_the_zone_s_clocks),
        cmocka_unit_test(a_year_has_three_slots_a_day),
        cmocka_unit_test(customers_are_spread),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
