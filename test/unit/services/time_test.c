#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rpc/base/clock.h"
#include "rpc/services/model/period.h"
#include "rpc/services/model/reltime.h"
#include "rpc/services/model/zone_rule.h"
#include "rpc/services/zones.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
#define S INT64_C(1000)
#define M (60 * S)
#define H (60 * M)
#define D (24 * H)

static int64_t at(const char *text)
{
    int64_t ms = 0;
    assert_true(clock_parse_rfc3339(text, &ms));
    return ms;
}

static void names_past_times(void **state)
{
    (void)state;
    static const struct {
        int64_t ago_ms;
        const char *text, *brief;
    } rows[] = {
        {0, "just now", "just now"},         {59 * S + 999, "just now", "just now"},
        {-5 * M, "just now", "just now"}, /* a clock that ran ahead */
        {M, "1 minute ago", "1m ago"},       {2 * M - 1, "1 minute ago", "1m ago"},
        {5 * M, "5 minutes ago", "5m ago"},  {H - 1, "59 minutes ago", "59m ago"},
        {H, "1 hour ago", "1h ago"},         {3 * H - 1, "2 hours ago", "2h ago"},
        {D - 1, "23 hours ago", "23h ago"},  {D, "1 day ago", "1d ago"},
        {4 * D - 1, "3 days ago", "3d ago"}, {400 * D, "400 days ago", "400d ago"},
    };
    int64_t now_ms = at("2026-02-06T20:00:00Z");
    char text[RELTIME_BYTES];
    for (size_t i = 0; i < COUNT(rows); i++) {
        reltime_past(now_ms - rows[i].ago_ms, now_ms, text);
        assert_string_equal(text, rows[i].text);
        reltime_past_short(now_ms - rows[i].ago_ms, now_ms, text);
        assert_string_equal(text, rows[i].brief);
    }
    reltime_past(0, now_ms, text);
    assert_string_equal(text, "never");
    reltime_past_short(0, now_ms, text);
    assert_string_equal(text, "never");
}

static void names_future_times(void **state)
{
    (void)state;
    static const struct {
        int64_t in_ms;
        const char *text;
    } rows[] = {
        {-5 * H, "in less than a minute"},
        {0, "in less than a minute"},
        {M - 1, "in less than a minute"},
        {M, "in 1 minute"},
        {89 * S, "in 1 minute"},
        {90 * S, "in 2 minutes"},
        {59 * M + 29 * S, "in 59 minutes"},
        {59 * M + 30 * S, "in 1 hour"},
        {89 * M, "in 1 hour"},
        {90 * M, "in 2 hours"},
        {6 * H, "in 6 hours"},
        {6 * H + 29 * M, "in 6 hours"},
        {5 * H + 30 * M, "in 6 hours"},
        {23 * H + 29 * M, "in 23 hours"},
        {23 * H + 30 * M, "in 1 day"},
        {36 * H, "in 2 days"},
        {10 * D, "in 10 days"},
    };
    int64_t now_ms = at("2026-02-06T20:00:00Z");
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[RELTIME_BYTES];
        reltime_future(now_ms + rows[i].in_ms, now_ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void counts_days(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t day;
    } rows[] = {
        {"1970-01-01", 0},       {"1969-12-31", -1},    {"2000-02-29", 11016},
        {"2026-02-06", 20490},   {"2024-12-31", 20088}, {"0000-03-01", -719468},
        {"9999-12-31", 2932896},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int32_t day = 7;
        char text[PERIOD_DATE_BYTES];
        assert_true(period_parse_day(rows[i].text, &day));
        assert_int_equal(day, rows[i].day);
        period_format_day(day, text);
        assert_string_equal(text, rows[i].text);
    }
    for (int32_t day = -700000; day < 2900000; day += 97) {
        char text[PERIOD_DATE_BYTES];
        int32_t back = 0;
        period_format_day(day, text);
        assert_true(period_parse_day(text, &back));
        assert_int_equal(back, day);
    }
}

static void refuses_what_is_no_date(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",           "2026",        "2026-2-6",    "2026-02-30", "2026-13-01",
        "2026-00-01", "2026-01-00",  "2026-01-32",  "2025-02-29", "1900-02-29",
        "2026/02/06", "2026-02-06 ", " 2026-02-06", "+026-02-06", "2026-02-0x",
        "20260206",   "2026-02-06T", "２026-02-06",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int32_t day = 7;
        assert_false(period_parse_day(rows[i], &day));
        assert_int_equal(day, 7);
    }
}

static void begins_the_month_on_7_january(void **state)
{
    (void)state;
    char text[PERIOD_DATE_BYTES];
    int32_t today = period_today(NULL, at("2026-02-06T20:00:00Z"));
    struct period period = period_full_days(today, PERIOD_MONTH_DAYS);
    period_format_day(period.first_day, text);
    assert_string_equal(text, "2026-01-07");
    period_format_day(period.last_day, text);
    assert_string_equal(text, "2026-02-05");
    assert_int_equal(period_today(NULL, -1), -1);
    assert_int_equal(period_today(NULL, 0), 0);
}

static void follows_the_zone(void **state)
{
    static const struct {
        const char *zone, *at;
        int32_t offset_s;
        const char *today;
    } rows[] = {
        {"", "2026-02-06T23:59:59Z", 0, "2026-02-06"},
        {"UTC", "2026-02-07T00:00:00Z", 0, "2026-02-07"},
        {"America/New_York", "2026-02-07T04:59:59Z", -18000, "2026-02-06"},
        {"America/New_York", "2026-02-07T05:00:00Z", -18000, "2026-02-07"},
        {"America/New_York", "2026-07-07T04:00:00Z", -14400, "2026-07-07"},
        {"America/New_York", "2026-03-08T06:59:59Z", -18000, "2026-03-08"},
        {"America/New_York", "2026-03-08T07:00:00Z", -14400, "2026-03-08"},
        {"America/New_York", "2060-07-01T00:00:00Z", -14400, "2060-06-30"}, /* by the rule */
        {"America/New_York", "2060-01-01T00:00:00Z", -18000, "2059-12-31"},
        {"Europe/Berlin", "2026-10-25T00:59:59Z", 7200, "2026-10-25"},
        {"Europe/Berlin", "2026-10-25T01:00:00Z", 3600, "2026-10-25"},
        {"Asia/Kathmandu", "2026-02-06T18:15:00Z", 20700, "2026-02-07"},
        {"Pacific/Kiritimati", "2026-02-06T10:00:00Z", 50400, "2026-02-07"},
        {"Australia/Sydney", "2060-01-01T00:00:00Z", 39600, "2060-01-01"},
        {"Australia/Sydney", "2060-07-01T00:00:00Z", 36000, "2060-07-01"},
        {"America/New_York", "1850-01-01T00:00:00Z", -17762, "1849-12-31"},
    };
    struct zones *zones = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct zone *zone = NULL;
        char today[PERIOD_DATE_BYTES];
        assert_true(zones_find(zones, rows[i].zone, &zone));
        assert_int_equal(zone_offset_s(zone, at(rows[i].at) / 1000), rows[i].offset_s);
        period_format_day(period_today(zone, at(rows[i].at)), today);
        assert_string_equal(today, rows[i].today);
    }
}

static void finds_the_moment_of_a_local_time(void **state)
{
    static const struct {
        const char *zone, *local, *utc;
    } rows[] = {
        {"", "2026-02-06T02:00:00Z", "2026-02-06T02:00:00Z"},
        {"America/New_York", "2026-02-06T02:00:00Z", "2026-02-06T07:00:00Z"},
        {"America/New_York", "2026-03-08T02:00:00Z", "2026-03-08T07:00:00Z"}, /* skipped */
        {"America/New_York", "2026-03-08T03:00:00Z", "2026-03-08T07:00:00Z"},
        {"America/New_York", "2026-11-01T01:30:00Z", "2026-11-01T05:30:00Z"}, /* twice */
        {"America/New_York", "2026-11-01T02:00:00Z", "2026-11-01T07:00:00Z"},
        {"Australia/Sydney", "2026-10-04T02:00:00Z", "2026-10-03T16:00:00Z"}, /* skipped */
    };
    struct zones *zones = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct zone *zone = NULL;
        assert_true(zones_find(zones, rows[i].zone, &zone));
        assert_int_equal(zone_to_utc_s(zone, at(rows[i].local) / 1000), at(rows[i].utc) / 1000);
    }
}

static void agrees_with_libc(void **state)
{
    static const char *const names[] = {
        "America/New_York",  "Europe/London",       "Asia/Tehran",  "America/Sao_Paulo",
        "Africa/Casablanca", "Australia/Lord_Howe", "Europe/Dublin"};
    struct zones *zones = *state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct zone *zone = NULL;
        assert_true(zones_find(zones, names[i], &zone));
        assert_int_equal(setenv("TZ", names[i], 1), 0);
        tzset();
        for (int64_t s = -2000000000; s < INT64_C(4000000000); s += 1234567) {
            time_t moment = (time_t)s;
            struct tm local;
            assert_non_null(localtime_r(&moment, &local));
            assert_int_equal(zone_offset_s(zone, s), local.tm_gmtoff);
        }
    }
    assert_int_equal(unsetenv("TZ"), 0);
}

static void refuses_what_is_no_zone(void **state)
{
    static const char *const rows[] = {
        "Nowhere/City",
        "America",
        "../../etc/passwd",
        "/etc/localtime",
        "America//New_York",
        "America/",
        "right/UTC",
        "posix/UTC",
        "localtime",
        "posixrules",
        "Factory",
        "tzdata.zi",
        "zone.tab",
        "america/New York",
        "Europe/..",
        "Europe/Berlin\n",
        "Zürich",
        "leapseconds",
        "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    struct zones *zones = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct zone *zone = NULL;
        assert_false(zones_find(zones, rows[i], &zone));
        assert_null(zone);
    }
}

static void refuses_broken_zone_data(void **state)
{
    (void)state;
    uint8_t data[4096];
    FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "re");
    assert_non_null(file);
    size_t len = fread(data, 1, sizeof data, file);
    assert_int_equal(fclose(file), 0);
    struct zone *zone = zone_create(span_of(data, len));
    assert_non_null(zone);
    zone_destroy(zone);
    /* Cut anywhere, it is refused: there is no way to lack the end. */
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *copy = malloc(cut + 1);
        assert_non_null(copy);
        memcpy(copy, data, cut);
        assert_null(zone_create(span_of(copy, cut)));
        free(copy);
    }
    /* Changed anywhere, it is refused or read, never overrun. */
    for (size_t i = 0; i < len; i++) {
        uint8_t *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, data, len);
        copy[i] ^= 0xff;
        zone = zone_create(span_of(copy, len));
        free(copy);
        (void)zone_offset_s(zone, 1770408000);
        (void)zone_offset_s(zone, INT64_C(99999999999));
        zone_destroy(zone);
    }
}

static void reads_rules(void **state)
{
    (void)state;
    static const char *const good[] = {
        "UTC0",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "<+0330>-3:30",
        "<-03>3",
        "EST5EDT,M3.2.0,M11.1.0",
        "IST-1GMT0,M10.5.0,M3.5.0/1",
        "AAA3BBB,J60,J300",
        "AAA3BBB,0/0,365/23:59:59",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
        "XXX3YYY2:30:15,J1/167,J365/-167",
    };
    static const char *const bad[] = {
        "",
        "U0",
        "UTC",
        "UTC0X",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-25",
        "<+03-3",
        "<+>3",
        "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J300",
        "CET-1CEST,J366,J300",
        "CET-1CEST,366,300",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0,",
        "CET-1:60",
        "CET-1CEST,M99999999999.5.0,M10.5.0",
    };
    struct zone_rule rule;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(zone_rule_parse(span_of_string(good[i]), &rule));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(zone_rule_parse(span_of_string(bad[i]), &rule));
}

static int set_up(void **state)
{
    *state = zones_create();
    return *state == NULL;
}

static int tear_down(void **state)
{
    zones_destroy(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_past_times),
        cmocka_unit_test(names_future_times),
        cmocka_unit_test(counts_days),
        cmocka_unit_test(refuses_what_is_no_date),
        cmocka_unit_test(begins_the_month_on_7_january),
        cmocka_unit_test(follows_the_zone),
        cmocka_unit_test(finds_the_moment_of_a_local_time),
        cmocka_unit_test(agrees_with_libc),
        cmocka_unit_test(refuses_what_is_no_zone),
        cmocka_unit_test(refuses_broken_zone_data),
        cmocka_unit_test(reads_rules),
    };
    return cmocka_run_group_tests_name("time", tests, set_up, tear_down);
}
