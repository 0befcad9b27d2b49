#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/base/clock.h"

static void parses_rfc3339_in_utc(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-02-06T20:00:00Z", 1770408000000},
        {"2026-02-06T20:00:00.25Z", 1770408000250},
        {"2024-02-29T23:59:59.123456Z", 1709251199123},
        {"1969-12-31T23:59:59Z", -1000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ms = 1;
        assert_true(clock_parse_rfc3339(rows[i].text, &ms));
        assert_int_equal(ms, rows[i].ms);
    }
}

static void refuses_what_is_not_a_time(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "2026",
        "2026-02-06",
        "2026-02-06T20:00:00",
        "2026-02-06T20:00:00+01:00",
        "2026-02-30T20:00:00Z",
        "2026-13-01T20:00:00Z",
        "2026-02-06T24:00:00Z",
        "2026-02-06T20:60:00Z",
        "2026-02-06T20:00:61Z",
        "2026-02-06T20:00:00.Z",
        " 2026-02-06T20:00:00Z",
        "2026-02-06T20:00:00Z ",
        "2026-2-6T20:00:00Z",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ms = 42;
        assert_false(clock_parse_rfc3339(rows[i], &ms));
        assert_int_equal(ms, 42);
    }
}

static void prints_what_it_parses(void **state)
{
    (void)state;
    for (int64_t ms = -4000000000000; ms < 4000000000000; ms += 86399123456) {
        char text[CLOCK_RFC3339_BYTES];
        int64_t back;
        clock_format_rfc3339(ms, text);
        assert_true(clock_parse_rfc3339(text, &back));
        assert_true(back <= ms && ms - back < 1000);
    }
}

static void shifts_the_wall_clock_alone(void **state)
{
    (void)state;
    int64_t wall_ms = clock_now_ms();
    int64_t mono_ms = clock_mono_ms();
    clock_set_offset_ms(-1000000000);
    assert_true(clock_now_ms() < wall_ms);
    assert_true(clock_mono_ms() >= mono_ms);
    clock_set_offset_ms(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_rfc3339_in_utc),
        cmocka_unit_test(refuses_what_is_not_a_time),
        cmocka_unit_test(prints_what_it_parses),
        cmocka_unit_test(shifts_the_wall_clock_alone),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
