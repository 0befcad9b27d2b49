/*
 * The figures of data-flows.md on 6 February 2026, 20:00 UTC: 8,240 credits last 14 days, `30d`
 * begins on 7 January, the CSV's name; and the inventory's pages. Against real processes, whose
 * clocks are set.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "test/e2e/system.h"

#define NOW "2026-02-06T20:00:00Z"
#define ITEMS 247
#define IN_STOCK 198
#define HONDAS 42
#define IMPRESSIONS 123490
#define CLICKS 2340
#define REACH 45600
/* Calls at once while Meta does not answer: more than a server has workers. */
#define TABS 24
/* For so long the others are timed, and so much they may take on a busy machine. */
#define STALLED_MS 2000
#define QUICK_MS 2000

static struct system_under_test system_;
static struct rest_client browser;

static void get(const char *path, int status, struct rest_answer *ret_answer)
{
    rest_client_request(&browser, "GET", path, NULL, NULL, ret_answer);
    if (ret_answer->status != status)
        fail_msg("%s: %d %s; see %s", path, ret_answer->status, ret_answer->body, system_.log);
}

static bool has_figures(void *arg)
{
    struct rest_answer answer;
    (void)arg;
    get("/api/customer/performance", 200, &answer);
    bool there = rest_answer_integer(&answer, "summary.reach") > 0;
    rest_answer_free(&answer);
    return there;
}

/* A customer whose ads have run for 30 full days, and not yet today. */
static int start(void **state)
{
    struct rest_answer answer;
    (void)state;
    system_.one_process = system_mode_one_process();
    system_.extra_env[0] = (char *)"LOTCAST_CLOCK=" NOW;
    system_.sandbox_args[0] = (char *)"--clock";
    system_.sandbox_args[1] = (char *)NOW;
    system_.sandbox_args[2] = (char *)"--quiet-today";
    system_start(&system_);
    browser = system_browser(&system_);
    system_sign_up(&browser, "figures@acme.example");
    system_connect_website(&system_, &browser, ITEMS);
    system_connect_meta(&browser);
    rest_client_request(&browser, "POST", "/api/onboarding/launch", system_launch_body, NULL,
                        &answer);
    assert_int_equal(answer.status, 200);
    rest_answer_free(&answer);
    assert_true(wait_until(has_figures, NULL, 30000));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    system_stop(&system_);
    return 0;
}

/* --- figures --- */

static void credits_last_14_days(void **state)
{
    struct rest_answer answer;
    (void)state;
    get("/api/customer/dashboard", 200, &answer);
    assert_string_equal(rest_answer_text(&answer, "status"), "running");
    assert_int_equal(rest_answer_integer(&answer, "credits.remaining"), 8240);
    assert_int_equal(rest_answer_integer(&answer, "credits.daysEstimate"), 14);
    assert_int_equal(rest_answer_integer(&answer, "performance.impressions"), IMPRESSIONS);
    assert_int_equal(rest_answer_integer(&answer, "performance.clicks"), CLICKS);
    assert_int_equal(rest_answer_integer(&answer, "performance.reach"), REACH);
    assert_true(rest_answer_number(&answer, "performance.ctr") == 1.89);
    rest_answer_free(&answer);
}

static int64_t sum_of_days(const struct rest_answer *answer, const char *field)
{
    int64_t sum = 0;
    for (size_t i = 0; i < rest_answer_length(answer, "daily"); i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "daily.%zu.%s", i, field);
        sum += rest_answer_integer(answer, path);
    }
    return sum;
}

static void the_default_period_is_30_full_days(void **state)
{
    static const char *const paths[] = {"/api/customer/performance",
                                        "/api/customer/performance?period=30d"};
    struct rest_answer answer;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        get(paths[i], 200, &answer);
        assert_int_equal(rest_answer_length(&answer, "daily"), 30);
        assert_string_equal(rest_answer_text(&answer, "daily.0.date"), "2026-01-07");
        assert_string_equal(rest_answer_text(&answer, "daily.29.date"), "2026-02-05");
        assert_int_equal(rest_answer_integer(&answer, "summary.impressions"), IMPRESSIONS);
        assert_int_equal(rest_answer_integer(&answer, "summary.clicks"), CLICKS);
        assert_int_equal(rest_answer_integer(&answer, "summary.reach"), REACH);
        assert_true(rest_answer_number(&answer, "summary.ctr") == 1.89);
        assert_true(rest_answer_number(&answer, "summary.frequency") == 2.71);
        assert_int_equal(sum_of_days(&answer, "impressions"), IMPRESSIONS);
        assert_int_equal(sum_of_days(&answer, "clicks"), CLICKS);
        assert_true(sum_of_days(&answer, "reach") > REACH);
        assert_null(strcasestr(answer.body, "spend"));
        assert_non_null(strcasestr(answer.headers, "etag:"));
        rest_answer_free(&answer);
    }
}

static void the_best_items_come_first(void **state)
{
    struct rest_answer answer;
    (void)state;
    get("/api/customer/performance", 200, &answer);
    assert_int_equal(rest_answer_length(&answer, "topPerformers"), 10);
    int64_t before = INT64_MAX;
    for (size_t i = 0; i < 10; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "topPerformers.%zu.impressions", i);
        int64_t impressions = rest_answer_integer(&answer, path);
        assert_true(impressions > 0 && impressions <= before);
        before = impressions;
        (void)snprintf(path, sizeof path, "topPerformers.%zu.itemTitle", i);
        assert_true(strlen(rest_answer_text(&answer, path)) > 5);
        (void)snprintf(path, sizeof path, "topPerformers.%zu.itemId", i);
        assert_true(atol(rest_answer_text(&answer, path)) > 0);
    }
    rest_answer_free(&answer);
}

static void other_periods_have_their_days(void **state)
{
    static const struct {
        const char *path, *first, *last;
        size_t days;
        bool delivered;
    } rows[] = {
        {"?period=7d", "2026-01-30", "2026-02-05", 7, true},
        {"?period=90d", "2025-11-08", "2026-02-05", 90, true},
        {"?from=2026-01-10&to=2026-01-12", "2026-01-10", "2026-01-12", 3, true},
        {"?from=2025-02-06&to=2026-02-06", "2025-02-06", "2026-02-06", 366, true},
        {"?from=2024-02-28&to=2024-03-01", "2024-02-28", "2024-03-01", 3, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rest_answer answer;
        char path[128];
        (void)snprintf(path, sizeof path, "/api/customer/performance%s", rows[i].path);
        get(path, 200, &answer);
        assert_int_equal(rest_answer_length(&answer, "daily"), rows[i].days);
        assert_string_equal(rest_answer_text(&answer, "daily.0.date"), rows[i].first);
        (void)snprintf(path, sizeof path, "daily.%zu.date", rows[i].days - 1);
        assert_string_equal(rest_answer_text(&answer, path), rows[i].last);
        assert_int_equal(rest_answer_integer(&answer, "summary.reach") > 0, rows[i].delivered);
        assert_int_equal(rest_answer_length(&answer, "topPerformers") > 0, rows[i].delivered);
        rest_answer_free(&answer);
    }
}

static void bad_periods_are_refused(void **state)
{
    static const char *const queries[] = {
        "?period=31d",
        "?from=2026-01-01",
        "?to=2026-01-01",
        "?from=2026-01-02&to=2026-01-01",
        "?from=2025-02-05&to=2026-02-06",
        "?from=2026-02-30&to=2026-03-01",
        "?period=30d&from=2026-01-01&to=2026-01-02",
    };
    (void)state;
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        for (int export = 0; export < 2; export ++) {
            struct rest_answer answer;
            char path[128];
            (void)snprintf(path, sizeof path, "/api/customer/performance%s%s",
                           export ? "/export" : "", queries[i]);
            get(path, 400, &answer);
            assert_string_equal(rest_answer_text(&answer, "error.code"), "INVALID_PERIOD");
            rest_answer_free(&answer);
        }
    }
}

static void a_range_needs_meta(void **state)
{
    struct rest_answer answer;
    (void)state;
    system_control(&system_, "/_control/fail",
                   "{\"path\":\"/insights\",\"service\":\"meta\",\"times\":-1,\"delay_ms\":20000}");
    get("/api/customer/performance?from=2026-01-10&to=2026-01-12", 502, &answer);
    assert_string_equal(rest_answer_text(&answer, "error.code"), "UPSTREAM_ERROR");
    assert_string_equal(rest_answer_text(&answer, "error.details.upstream"), "meta");
    rest_answer_free(&answer);
    get("/api/customer/performance?period=7d", 200, &answer); /* stored */
    rest_answer_free(&answer);
    system_control(&system_, "/_control/clear", "{}");
}

static int64_t mono_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Asks for a range, as another tab of the browser would; the answer's status. */
static void *ask_range(void *arg)
{
    struct rest_client tab = browser;
    struct rest_answer answer;
    rest_client_request(&tab, "GET", "/api/customer/performance?from=2026-01-10&to=2026-01-12",
                        NULL, NULL, &answer);
    *(int *)arg = answer.status;
    rest_answer_free(&answer);
    return NULL;
}

/* Many wait for a Meta that does not answer: the pages that need nobody stay quick. */
static void a_slow_meta_stalls_nobody_else(void **state)
{
    pthread_t tabs[TABS];
    int statuses[TABS];
    (void)state;
    system_control(&system_, "/_control/fail",
                   "{\"path\":\"/insights\",\"service\":\"meta\",\"times\":-1,\"delay_ms\":60000}");
    for (size_t i = 0; i < TABS; i++)
        assert_int_equal(pthread_create(&tabs[i], NULL, ask_range, &statuses[i]), 0);
    int64_t until_ms = mono_ms() + STALLED_MS;
    int64_t slowest_ms = 0;
    while (mono_ms() < until_ms) {
        struct rest_answer answer;
        int64_t begin_ms = mono_ms();
        get("/api/customer/performance?period=7d", 200, &answer);
        rest_answer_free(&answer);
        get("/api/customer/dashboard", 200, &answer);
        rest_answer_free(&answer);
        int64_t took_ms = mono_ms() - begin_ms;
        slowest_ms = took_ms > slowest_ms ? took_ms : slowest_ms;
    }
    for (size_t i = 0; i < TABS; i++) {
        (void)pthread_join(tabs[i], NULL);
        assert_int_equal(statuses[i], 502);
    }
    assert_true(slowest_ms < QUICK_MS);
    system_control(&system_, "/_control/clear", "{}");
}

static void days_are_exported_as_csv(void **state)
{
    static const char header[] = "date,impressions,clicks,ctr,reach\r\n2026-01-07,";
    struct rest_answer answer;
    size_t lines = 0;
    (void)state;
    get("/api/customer/performance/export?period=30d", 200, &answer);
    assert_non_null(strcasestr(answer.headers, "content-type: text/csv; charset=utf-8"));
    assert_non_null(strcasestr(answer.headers, "content-disposition: attachment"));
    assert_non_null(strstr(answer.headers, "performance-2026-02-06.csv"));
    assert_int_equal(strncmp(answer.body, header, strlen(header)), 0);
    for (size_t i = 0; i < answer.body_len; i++) {
        lines += answer.body[i] == '\n';
        if (answer.body[i] == '\n')
            assert_int_equal(answer.body[i - 1], '\r');
    }
    assert_int_equal(lines, 31);
    assert_int_equal(answer.body[answer.body_len - 1], '\n');
    rest_answer_free(&answer);
}

/* --- the inventory --- */

static void inventory_pages(void **state)
{
    static const struct {
        const char *query;
        size_t items;
        int64_t total, pages;
    } rows[] = {
        {"", 50, ITEMS, 5},
        {"?page=1&limit=50", 50, ITEMS, 5},
        {"?page=5&limit=50", 47, ITEMS, 5},
        {"?page=6&limit=50", 0, ITEMS, 5},
        {"?page=1&limit=50&search=Honda", HONDAS, HONDAS, 1},
        {"?search=h%C3%B6nda", HONDAS, HONDAS, 1},
        {"?page=1&limit=50&filters[inStock]=true", 50, IN_STOCK, 4},
        {"?filters%5BinStock%5D=false", ITEMS - IN_STOCK, ITEMS - IN_STOCK, 1},
        {"?search=lamborghini", 0, 0, 0},
        {"?filters[minPrice]=1000000", 0, 0, 0},
        {"?limit=200&sort=-price", 200, ITEMS, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rest_answer answer;
        char path[128];
        (void)snprintf(path, sizeof path, "/api/customer/inventory%s", rows[i].query);
        get(path, 200, &answer);
        if (rest_answer_integer(&answer, "pagination.total") != rows[i].total)
            fail_msg("%s: %s", path, strstr(answer.body, "\"pagination\""));
        assert_int_equal(rest_answer_length(&answer, "items"), rows[i].items);
        assert_int_equal(rest_answer_integer(&answer, "pagination.totalPages"), rows[i].pages);
        rest_answer_free(&answer);
    }
}

static void items_have_the_contract_s_members(void **state)
{
    struct rest_answer answer;
    (void)state;
    get("/api/customer/inventory?page=2&limit=100&sort=price", 200, &answer);
    double before = 0;
    for (size_t i = 0; i < rest_answer_length(&answer, "items"); i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "items.%zu.price", i);
        double price = rest_answer_number(&answer, path);
        assert_true(price >= before);
        before = price;
    }
    assert_int_equal(rest_answer_integer(&answer, "pagination.page"), 2);
    assert_int_equal(rest_answer_integer(&answer, "pagination.limit"), 100);
    rest_answer_free(&answer);
    get("/api/customer/inventory?limit=1", 200, &answer);
    assert_string_equal(rest_answer_text(&answer, "items.0.id"), "1");
    assert_true(strlen(rest_answer_text(&answer, "items.0.title")) > 0);
    assert_string_equal(rest_answer_text(&answer, "items.0.currency"), "USD");
    assert_int_equal(strncmp(rest_answer_text(&answer, "items.0.url"), "http", 4), 0);
    assert_int_equal(strncmp(rest_answer_text(&answer, "items.0.imageUrl"), "http", 4), 0);
    assert_true(rest_answer_null(&answer, "items.0.excluded"));
    (void)rest_answer_bool(&answer, "items.0.inStock");
    rest_answer_free(&answer);
}

static void bad_questions_are_refused(void **state)
{
    static const char *const queries[] = {"?page=0",
                                          "?page=x",
                                          "?limit=0",
                                          "?limit=201",
                                          "?sort=id",
                                          "?filters[inStock]=maybe",
                                          "?filters[minPrice]=-1",
                                          "?filters[color]=red",
                                          "?page=1&page=2",
                                          "?colour=red"};
    (void)state;
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        struct rest_answer answer;
        char path[128];
        (void)snprintf(path, sizeof path, "/api/customer/inventory%s", queries[i]);
        get(path, 400, &answer);
        assert_string_equal(rest_answer_text(&answer, "error.code"), "INVALID_ARGUMENT");
        rest_answer_free(&answer);
    }
}

static void nobody_else_sees_them(void **state)
{
    struct rest_answer answer;
    struct rest_client other = system_browser(&system_);
    (void)state;
    rest_client_request(&other, "GET", "/api/customer/inventory", NULL, NULL, &answer);
    assert_int_equal(answer.status, 401);
    rest_answer_free(&answer);
    system_sign_up(&other, "other@acme.example");
    rest_client_request(&other, "GET", "/api/customer/inventory", NULL, NULL, &answer);
    assert_int_equal(rest_answer_integer(&answer, "pagination.total"), 0);
    rest_answer_free(&answer);
    rest_client_request(&other, "GET", "/api/customer/performance", NULL, NULL, &answer);
    assert_int_equal(rest_answer_integer(&answer, "summary.impressions"), 0);
    assert_int_equal(rest_answer_length(&answer, "daily"), 30);
    rest_answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credits_last_14_days),
        cmocka_unit_test(the_default_period_is_30_full_days),
        cmocka_unit_test(the_best_items_come_first),
        cmocka_unit_test(other_periods_have_their_days),
        cmocka_unit_test(bad_periods_are_refused),
        cmocka_unit_test(a_range_needs_meta),
        cmocka_unit_test(a_slow_meta_stalls_nobody_else),
        cmocka_unit_test(days_are_exported_as_csv),
        cmocka_unit_test(inventory_pages),
        cmocka_unit_test(items_have_the_contract_s_members),
        cmocka_unit_test(bad_questions_are_refused),
        cmocka_unit_test(nobody_else_sees_them),
    };
    return cmocka_run_group_tests_name("figures", tests, start, stop);
}
