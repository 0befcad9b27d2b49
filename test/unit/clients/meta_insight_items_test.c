/* Figures by item: how Meta names the items, and which come first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "test/unit/clients/meta_script.h"

#define ROW(product, impressions, clicks)                                                      \
    "{\"product_id\":\"" product "\",\"impressions\":\"" impressions "\",\"clicks\":\"" clicks \
    "\",\"date_start\":\"2026-01-07\",\"date_stop\":\"2026-02-05\"}"
#define PAGE(rows) "{\"data\":[" rows "]}"
#define PAGE_BEFORE(rows) \
    "{\"data\":[" rows "],\"paging\":{\"cursors\":{\"after\":\"x\"},\"next\":\"http://a/\"}}"

static enum rpc_code ask(struct meta_script *f, int32_t first_day, size_t max,
                         struct meta_insight_item **ret_items, size_t *ret_count)
{
    return meta_insights_items(f->client, &f->context, TOKEN, "5", first_day, 20489, max, ret_items,
                               ret_count, &f->status);
}

/* The items as "7:100:5 8:90:1", with their ids, impressions and clicks. */
static void expect_items(const struct meta_insight_item *items, size_t count, const char *want)
{
    char text[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld:%lld:%lld",
                                i == 0 ? "" : " ", (long long)items[i].item_id,
                                (long long)items[i].impressions, (long long)items[i].clicks);
    assert_string_equal(text, want);
}

static void the_best_come_first(void **state)
{
    struct meta_script *f = *state;
    struct meta_insight_item *items = NULL;
    size_t count = 0;
    SCRIPT(f,
           {200, NULL,
            PAGE_BEFORE(ROW("7, 2024 Honda Civic", "100",
                            "5") "," ROW("8", "200", "1") "," ROW("9,VW", "100", "6"))},
           {200, NULL, PAGE(ROW("10, Kia, the small one", "100", "5") "," ROW("3", "1", "0"))});
    assert_int_equal(ask(f, 20460, 4, &items, &count), RPC_OK);
    expect_items(items, count, "8:200:1 9:100:6 7:100:5 10:100:5");
    assert_string_equal(items[0].title, "");
    assert_string_equal(items[1].title, "VW");
    assert_string_equal(items[2].title, "2024 Honda Civic");
    assert_string_equal(items[3].title, "Kia, the small one");
    const char *target = meta_script_request(f, 0)->target;
    assert_non_null(strstr(target, "/v24.0/5/insights?"));
    assert_non_null(strstr(target, "breakdowns=%5B%22product_id%22%5D"));
    assert_non_null(strstr(target, "since%22%3A%222026-01-07%22%2C%22until%22%3A%222026-02-05"));
}

static void odd_rows_are_left_out(void **state)
{
    static const struct {
        const char *name, *body, *want;
    } rows[] = {
        {"nothing", PAGE(""), ""},
        {"not our ids",
         PAGE(ROW("shop_1", "9", "1") "," ROW("", "9", "1") "," ROW("7x", "9", "1") "," ROW(
             "-1", "9", "1") "," ROW("1234567890123456789", "9", "1") "," ROW("5, ok", "1", "1")),
         "5:1:1"},
        {"no id", "{\"data\":[{\"impressions\":\"5\"}]}", ""},
        {"renamed",
         PAGE(ROW("7, Old", "10", "1") "," ROW("8", "15", "0") "," ROW("7, New", "6", "1")),
         "7:16:2 8:15:0"},
        {"no clicks", "{\"data\":[{\"product_id\":\"7\",\"impressions\":\"5\"}]}", "7:5:0"},
    };
    struct meta_script *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct meta_insight_item *items = NULL;
        size_t count = 99;
        SCRIPT(f, {200, NULL, rows[i].body});
        assert_int_equal(ask(f, 20460, 10, &items, &count), RPC_OK);
        expect_items(items, count, rows[i].want);
    }
}

static void failures_leave_the_results_alone(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum rpc_code want;
    } rows[] = {
        {200, PAGE(ROW("7", "-5", "1")), RPC_UNAVAILABLE},
        {200, PAGE(ROW("7", "5", "many")), RPC_UNAVAILABLE},
        {200, "{}", RPC_UNAVAILABLE},
        {400, "{\"error\":{\"code\":100}}", RPC_INVALID_ARGUMENT},
        {400, "{\"error\":{\"code\":190}}", RPC_UNAUTHENTICATED},
    };
    struct meta_script *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct meta_insight_item *items = NULL;
        size_t count = 99;
        SCRIPT(f, {rows[i].status, NULL, rows[i].body});
        assert_int_equal(ask(f, 20460, 10, &items, &count), rows[i].want);
        assert_null(items);
        assert_int_equal(count, 99);
    }
}

static void the_lifetime_has_its_preset(void **state)
{
    struct meta_script *f = *state;
    struct meta_insight_item *items = NULL;
    size_t count = 0;
    SCRIPT(f, {200, NULL, PAGE(ROW("7, A", "5", "1"))});
    assert_int_equal(ask(f, 0, 10, &items, &count), RPC_OK);
    expect_items(items, count, "7:5:1");
    assert_non_null(strstr(meta_script_request(f, 0)->target, "date_preset=maximum"));
    assert_null(strstr(meta_script_request(f, 0)->target, "time_range"));
}

int main(void)
{
#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, meta_script_setup, meta_script_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_best_come_first),
        TEST(odd_rows_are_left_out),
        TEST(failures_leave_the_results_alone),
        TEST(the_lifetime_has_its_preset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
