/* Values that clients/meta reads and writes: figures, days, items, batches, tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clients/meta/internal.h"
#include "rpc/base/clock.h"
#include "test/unit/clients/meta_script.h"

static void figures_are_exact(void **state)
{
    static const struct {
        const char *fields;
        bool good;
        int64_t impressions, spend_minor;
    } rows[] = {
        {"\"impressions\":\"4200\",\"spend\":\"847.32\"", true, 4200, 84732},
        {"\"impressions\":4200,\"spend\":847.32", true, 4200, 84732},
        {"\"impressions\":\"0\",\"spend\":\"0\"", true, 0, 0},
        {"\"impressions\":\"1\",\"spend\":\"0.1\"", true, 1, 10},
        {"\"impressions\":\"1\",\"spend\":\"1234\"", true, 1, 123400},
        {"\"impressions\":\"1\",\"spend\":\"0.005\"", true, 1, 1},
        {"\"impressions\":\"1\",\"spend\":\"0.0049\"", true, 1, 0},
        {"\"impressions\":\"9007199254740993\",\"spend\":\"70368744177.77\"", true,
         9007199254740993, 7036874417777},
        {"\"clicks\":\"3\"", true, 0, 0},
        {"\"impressions\":\"-1\"", false, 0, 0},
        {"\"impressions\":\"1.5\"", false, 0, 0},
        {"\"impressions\":\"\"", false, 0, 0},
        {"\"impressions\":\"1e3\"", false, 0, 0},
        {"\"impressions\":true", false, 0, 0},
        {"\"spend\":\"-1.00\"", false, 0, 0},
        {"\"spend\":\"1.\"", false, 0, 0},
        {"\"spend\":\".5\"", false, 0, 0},
        {"\"spend\":\"1,000.00\"", false, 0, 0},
        {"\"spend\":\"99999999999999999999\"", false, 0, 0},
        {"\"spend\":null", false, 0, 0},
    };
    struct meta_script *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *body = arena_printf(
            &f->arena, "{\"data\":[{%s,\"date_start\":\"2026-02-05\"}]}", rows[i].fields);
        SCRIPT(f, {200, NULL, body});
        struct meta_insight total = {.impressions = -7};
        enum rpc_code code = meta_insights_total(f->client, &f->context, TOKEN, "5", 20460, 20489,
                                                 &total, &f->status);
        if (code != (rows[i].good ? RPC_OK : RPC_UNAVAILABLE))
            fail_msg("%s: %s", rows[i].fields, rpc_code_name(code));
        assert_int_equal(total.impressions, rows[i].good ? rows[i].impressions : -7);
        assert_int_equal(total.spend_minor, rows[i].spend_minor);
    }
}

static void days_are_read(void **state)
{
    struct meta_script *f = *state;
    struct meta_insight *days = NULL;
    size_t count = 7;
    SCRIPT(
        f,
        {200, NULL,
         "{\"data\":[{\"date_start\":\"2026-01-07\",\"date_stop\":\"2026-01-07\",\"impressions\":"
         "\"4200\",\"clicks\":\"87\",\"reach\":\"1850\",\"spend\":\"28.24\"}],\"paging\":{"
         "\"cursors\":{\"after\":\"x\"},\"next\":\"http://a/\"}}"},
        {200, NULL, "{\"data\":[{\"date_start\":\"2026-02-05\"}]}"});
    assert_int_equal(meta_insights_daily(f->client, &f->context, TOKEN, "5", 20460, 20489, &days,
                                         &count, &f->status),
                     RPC_OK);
    assert_int_equal(count, 2);
    assert_int_equal(days[0].day, 20460);
    assert_int_equal(days[0].clicks, 87);
    assert_int_equal(days[0].reach, 1850);
    assert_int_equal(days[0].spend_minor, 2824);
    assert_int_equal(days[1].day, 20489);
    assert_non_null(
        strstr(meta_script_request(f, 0)->target,
               "time_range=%7B%22since%22%3A%222026-01-07%22%2C%22until%22%3A%222026-02-05"
               "%22%7D&time_increment=1&level=campaign"));
    static const char *const bad[] = {"\"2026-02-30\"", "\"2026-2-3\"", "\"20260203\"", "null",
                                      "5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *body = arena_printf(&f->arena, "{\"data\":[{\"date_start\":%s}]}", bad[i]);
        SCRIPT(f, {200, NULL, body});
        assert_int_equal(meta_insights_daily(f->client, &f->context, TOKEN, "5", 20460, 20489,
                                             &days, &count, &f->status),
                         RPC_UNAVAILABLE);
    }
    /* No delivery at all, and the lifetime's preset. */
    struct meta_insight total = {.reach = 3};
    SCRIPT(f, {200, NULL, "{\"data\":[]}"});
    assert_int_equal(
        meta_insights_total(f->client, &f->context, TOKEN, "5", 0, 0, &total, &f->status), RPC_OK);
    assert_int_equal(total.reach, 0);
    assert_non_null(strstr(meta_script_request(f, 0)->target, "date_preset=maximum"));
    assert_null(strstr(meta_script_request(f, 0)->target, "time_range"));
}

static void make_item(Lotcast__V1__ItemRecord *item, int64_t id, const char *title)
{
    lotcast__v1__item_record__init(item);
    item->item_id = id;
    item->title = (char *)title;
    item->url = (char *)"http://x/1";
    item->image_url = (char *)"http://x/1.png";
    item->price_minor = 2800000;
    item->currency = (char *)"USD";
    item->in_stock = true;
}

/* Sends items; the submission's errors are in `refused`. */
static struct meta_submission refused;

static enum rpc_code send_items(struct meta_script *f, Lotcast__V1__ItemRecord *const *items,
                                size_t count, const char ***ret_handles, size_t *ret_count)
{
    struct meta_item_change changes[5];
    for (size_t i = 0; i < count; i++)
        changes[i] = (struct meta_item_change){items[i]->item_id, items[i]};
    enum rpc_code code =
        meta_items_send(f->client, &f->context, TOKEN, "77", changes, count, &refused, &f->status);
    if (code == RPC_OK) {
        *ret_handles = refused.handles;
        *ret_count = refused.handle_count;
    }
    return code;
}

static void items_are_written(void **state)
{
    struct meta_script *f = *state;
    char title[402] = "";
    for (size_t i = 0; i < 200; i++)
        memcpy(title + 2 * i, "\xc3\xa9", 3);
    Lotcast__V1__ItemRecord items[2];
    make_item(&items[0], 12, "2024 \"Honda\"");
    items[0].brand = (char *)"Honda";
    items[0].condition = LOTCAST__V1__ITEM_CONDITION__ITEM_CONDITION_USED;
    make_item(&items[1], 13, title);
    items[1].in_stock = false;
    items[1].price_minor = 5;
    items[1].description = (char *)"D";
    Lotcast__V1__ItemRecord *list[] = {&items[0], &items[1]};
    const char **handles = NULL;
    size_t count = 0;
    SCRIPT(f, {200, NULL, "{\"handles\":[\"h1\",\"h2\"],\"validation_status\":[]}"});
    assert_int_equal(send_items(f, list, 2, &handles, &count), RPC_OK);
    assert_int_equal(count, 2);
    assert_string_equal(handles[1], "h2");
    const char *body = meta_script_request(f, 0)->body;
    assert_non_null(strstr(body, "item_type=PRODUCT_ITEM&allow_upsert=true&requests=%5B%7B%22method"
                                 "%22%3A%22UPDATE%22%2C%22data%22%3A%7B%22id%22%3A%2212%22"));
    /* "price":"28000.00 USD", the title as the description, the second title cut at 150 characters.
     */
    assert_non_null(strstr(body, "%22price%22%3A%2228000.00%20USD%22"));
    assert_non_null(strstr(body, "%22description%22%3A%222024%20%5C%22Honda%5C%22%22"));
    assert_non_null(strstr(body, "%22condition%22%3A%22used%22%2C%22brand%22%3A%22Honda%22"));
    assert_non_null(strstr(body, "%22price%22%3A%220.05%20USD%22"));
    assert_non_null(strstr(body, "%22availability%22%3A%22out%20of%20stock%22"));
    size_t accents = 0;
    for (const char *at = strstr(body, "%C3%A9"); at != NULL; at = strstr(at + 1, "%C3%A9"))
        accents++;
    assert_int_equal(accents, 150);
}

static void batches_are_halved(void **state)
{
    struct meta_script *f = *state;
    Lotcast__V1__ItemRecord items[5];
    Lotcast__V1__ItemRecord *list[5];
    for (size_t i = 0; i < 5; i++) {
        make_item(&items[i], (int64_t)i + 1, "T");
        list[i] = &items[i];
    }
    const char **handles = NULL;
    size_t count = 0;
    const char *reduce = "{\"error\":{\"code\":1,\"message\":\"Please reduce the amount of data "
                         "you're asking for, then retry your request\"}}";
    SCRIPT(f, {500, NULL, reduce}, {200, NULL, "{\"handles\":[\"a\"]}"},
           {200, NULL, "{\"handles\":[\"b\"]}"}, {200, NULL, "{\"handles\":[\"c\"]}"});
    assert_int_equal(send_items(f, list, 5, &handles, &count), RPC_OK);
    assert_int_equal(count, 3); /* of 2, 2 and 1 */
    assert_int_equal(meta_script_count(f), 4);
    /* One item cannot be halved. */
    SCRIPT(f, {500, NULL, reduce});
    assert_int_equal(send_items(f, list, 1, &handles, &count), RPC_UNAVAILABLE);
    assert_int_equal(meta_script_count(f), 1);
    /* Nothing taken is a failure; so is an answer without handles. */
    SCRIPT(f, {200, NULL, "{\"handles\":[],\"validation_status\":[{\"retailer_id\":\"1\"}]}"});
    assert_int_equal(send_items(f, list, 5, &handles, &count), RPC_INVALID_ARGUMENT);
    SCRIPT(f, {200, NULL, "{\"handles\":[7]}"}, {200, NULL, "{\"handles\":[\"\"]}"});
    assert_int_equal(send_items(f, list, 1, &handles, &count), RPC_OK); /* a number will do */
    SCRIPT(f, {200, NULL, "{\"handles\":[\"\"]}"});
    assert_int_equal(send_items(f, list, 1, &handles, &count), RPC_UNAVAILABLE);
}

static void deletions_carry_the_id_alone(void **state)
{
    struct meta_script *f = *state;
    Lotcast__V1__ItemRecord item;
    make_item(&item, 13, "T");
    const struct meta_item_change changes[] = {{12, NULL}, {13, &item}};
    struct meta_submission submission;
    SCRIPT(f, {200, NULL, "{\"handles\":[\"h\"]}"});
    assert_int_equal(
        meta_items_send(f->client, &f->context, TOKEN, "77", changes, 2, &submission, &f->status),
        RPC_OK);
    assert_int_equal(submission.handle_count, 1);
    assert_int_equal(submission.error_count, 0);
    assert_non_null(strstr(meta_script_request(f, 0)->body,
                           "requests=%5B%7B%22method%22%3A%22DELETE%22%2C%22data%22%3A%7B%22id%22"
                           "%3A%2212%22%7D%7D%2C%7B%22method%22%3A%22UPDATE%22"));
}

/* What is refused at once is said; the rest is sent again where nothing was taken. */
static void refusals_at_once_are_handed_on(void **state)
{
    struct meta_script *f = *state;
    Lotcast__V1__ItemRecord items[3];
    Lotcast__V1__ItemRecord *list[3];
    for (size_t i = 0; i < 3; i++) {
        make_item(&items[i], (int64_t)i + 1, "T");
        list[i] = &items[i];
    }
    const char **handles = NULL;
    size_t count = 0;
    SCRIPT(f,
           {200, NULL,
            "{\"handles\":[\"h\"],\"validation_status\":[{\"retailer_id\":\"3\",\"errors\":[{"
            "\"message\":\"no link\"},{\"message\":\"no image\"}]},{\"retailer_id\":\"1\","
            "\"errors\":[],\"warnings\":[{\"message\":\"w\"}]},{\"retailer_id\":\"x\",\"errors\":"
            "[{}]}]}"});
    assert_int_equal(send_items(f, list, 3, &handles, &count), RPC_OK);
    assert_int_equal(count, 1);
    assert_int_equal(refused.error_count, 1);
    assert_int_equal(refused.errors[0].item_id, 3);
    assert_string_equal(refused.errors[0].message, "no link");

    SCRIPT(f,
           {200, NULL,
            "{\"handles\":[],\"validation_status\":[{\"retailer_id\":\"2\",\"errors\":[{}]}]}"},
           {200, NULL, "{\"handles\":[\"h\"]}"});
    assert_int_equal(send_items(f, list, 3, &handles, &count), RPC_OK);
    assert_int_equal(count, 1);
    assert_int_equal(refused.error_count, 1);
    assert_int_equal(meta_script_count(f), 2);
    assert_null(strstr(meta_script_request(f, 1)->body, "%22id%22%3A%222%22"));
    assert_non_null(strstr(meta_script_request(f, 1)->body, "%22id%22%3A%223%22"));

    /* Every one refused: no handle, and no failure. */
    SCRIPT(f, {200, NULL,
               "{\"handles\":[],\"validation_status\":[{\"retailer_id\":\"1\",\"errors\":[{"
               "\"message\":\"m\"}]}]}"});
    assert_int_equal(send_items(f, list, 1, &handles, &count), RPC_OK);
    assert_int_equal(count, 0);
    assert_int_equal(refused.error_count, 1);
    /* Refusals of what was not sent do not end it. */
    SCRIPT(f, {200, NULL,
               "{\"handles\":[],\"validation_status\":[{\"retailer_id\":\"9\",\"errors\":[{}]}]}"});
    assert_int_equal(send_items(f, list, 1, &handles, &count), RPC_INVALID_ARGUMENT);
}

static void a_catalog_is_listed_by_our_ids(void **state)
{
    struct meta_script *f = *state;
    int64_t *ids = NULL;
    size_t count = 0;
    SCRIPT(f,
           {200, NULL,
            "{\"data\":[{\"retailer_id\":\"12\"},{\"retailer_id\":\"by-hand\"},{\"id\":\"5\"}],"
            "\"paging\":{\"cursors\":{\"after\":\"c\"},\"next\":\"http://elsewhere/\"}}"},
           {200, NULL, "{\"data\":[{\"retailer_id\":\"-4\"},{\"retailer_id\":\"7\"}]}"});
    assert_int_equal(meta_items_list(f->client, &f->context, TOKEN, "77", &ids, &count, &f->status),
                     RPC_OK);
    assert_int_equal(count, 2);
    assert_true(ids[0] == 7 && ids[1] == 12);
    assert_non_null(strstr(meta_script_request(f, 1)->target, "after=c"));
    SCRIPT(f, {200, NULL, "{\"data\":7}"});
    assert_int_equal(meta_items_list(f->client, &f->context, TOKEN, "77", &ids, &count, &f->status),
                     RPC_UNAVAILABLE);
}

static void an_ad_set_is_changed(void **state)
{
    struct meta_script *f = *state;
    char *countries[] = {(char *)"DE"};
    Lotcast__V1__Targeting targeting = LOTCAST__V1__TARGETING__INIT;
    targeting.countries = countries;
    targeting.n_countries = 1;
    targeting.age_min = 20;
    targeting.age_max = 30;
    SCRIPT(f, {200, NULL, "{\"success\":true}"});
    assert_int_equal(
        meta_ad_set_update(f->client, &f->context, TOKEN, "88", 8224, NULL, &f->status), RPC_OK);
    assert_non_null(strstr(meta_script_request(f, 0)->body, "daily_budget=8224"));
    assert_null(strstr(meta_script_request(f, 0)->body, "targeting"));
    SCRIPT(f, {200, NULL, "{\"success\":true}"});
    assert_int_equal(
        meta_ad_set_update(f->client, &f->context, TOKEN, "88", 0, &targeting, &f->status), RPC_OK);
    assert_null(strstr(meta_script_request(f, 0)->body, "daily_budget"));
    assert_non_null(strstr(meta_script_request(f, 0)->body, "targeting=%7B%22geo_locations%22"));
    SCRIPT(f, {400, NULL, "{\"error\":{\"code\":100}}"});
    assert_int_equal(meta_ad_set_update(f->client, &f->context, TOKEN, "88", 1, NULL, &f->status),
                     RPC_INVALID_ARGUMENT);
}

static void batch_states_are_read(void **state)
{
    static const struct {
        const char *row;
        enum rpc_code want;
        bool finished, failed;
        size_t errors;
    } rows[] = {
        {"{\"status\":\"scheduled\"}", RPC_OK, false, false, 0},
        {"{\"status\":\"dispatched\",\"errors\":[{\"id\":\"1\"}]}", RPC_OK, false, false, 0},
        {"{\"status\":\"started\"}", RPC_OK, false, false, 0},
        {"{\"status\":\"finished\",\"errors_total_count\":0,\"errors\":[]}", RPC_OK, true, false,
         0},
        {"{\"status\":\"finished\",\"errors\":[{\"line\":1,\"id\":\"12\",\"message\":\"m\"},{"
         "\"line\":2,"
         "\"id\":\"12\",\"message\":\"n\"}],\"ids_of_invalid_requests\":[\"12\",\"15\",9]}",
         RPC_OK, true, false, 3},
        {"{\"status\":\"finished\",\"errors\":[{\"id\":\"x\"},{\"message\":\"m\"},{\"id\":\"-1\"}]"
         "}",
         RPC_OK, true, false, 0},
        {"{\"status\":\"error\"}", RPC_OK, true, true, 0},
        {"{\"status\":\"canceled\"}", RPC_OK, true, true, 0},
        {"{}", RPC_UNAVAILABLE, false, false, 0},
        {"", RPC_UNAVAILABLE, false, false, 0},
        {"7", RPC_UNAVAILABLE, false, false, 0},
    };
    struct meta_script *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *body = arena_printf(&f->arena, "{\"data\":[%s]}", rows[i].row);
        SCRIPT(f, {200, NULL, body});
        struct meta_batch_status batch = {0};
        assert_int_equal(
            meta_items_status(f->client, &f->context, TOKEN, "77", "h/1", &batch, &f->status),
            rows[i].want);
        if (batch.finished != rows[i].finished || batch.failed != rows[i].failed ||
            batch.error_count != rows[i].errors)
            fail_msg("%s", rows[i].row);
        for (size_t j = 0; j < batch.error_count; j++)
            assert_string_equal(batch.errors[j].message, batch.errors[j].item_id == 12 ? "m" : "");
    }
}

static void calls_slow_down_before_the_limit(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        int64_t want_ms;
    } rows[] = {
        {"x-app-usage", "{\"call_count\":28,\"total_cputime\":15,\"total_time\":89}", 0},
        {"x-app-usage", "{\"call_count\":28,\"total_cputime\":15,\"total_time\":90}", 200},
        {"x-app-usage", "{\"call_count\":94}", 1000},
        {"x-app-usage", "{\"call_count\":99}", 2000},
        {"x-app-usage", "{\"call_count\":400}", 2000},
        {"x-app-usage", "{\"call_count\":\"many\"}", 0},
        {"x-app-usage", "{\"call_count\":-91}", 0},
        {"x-app-usage", "{\"call_count\":99999999999999999999}", 0},
        {"x-app-usage", "[95]", 0},
        {"x-app-usage", "95", 0},
        {"x-app-usage", "", 0},
        {"x-ad-account-usage", "{\"acc_id_util_pct\":91.97}", 400},
        {"x-business-use-case-usage",
         "{\"1\":[{\"call_count\":1},{\"total_time\":92}],\"2\":[{\"call_count\":91}]}", 600},
        {"x-business-use-case-usage", "{\"1\":95}", 0},
        {"x-other", "{\"call_count\":99}", 0},
    };
    struct meta_script *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_response response = {.header_count = 1,
                                         .headers = {{rows[i].name, rows[i].value}}};
        assert_int_equal(meta__usage_pause_ms(&response, &f->arena), rows[i].want_ms);
    }
    /* The answer is not lost by the pause, however little time is left. */
    SCRIPT(f, {200, "X-App-Usage: {\"call_count\":99}\r\n", "{\"data\":[]}"});
    f->context.deadline_ms = clock_mono_ms() + 1000;
    const char *id = "untouched";
    assert_int_equal(
        meta_object_find(f->client, &f->context, TOKEN, META_AD, "act_1", "n", &id, &f->status),
        RPC_OK);
    assert_null(id);
}

static void minor_units_are_metas(void **state)
{
    (void)state;
    static const char *const whole[] = {"CLP", "COP", "CRC", "HUF", "IDR", "ISK",
                                        "JPY", "KRW", "PYG", "TWD", "VND"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        assert_int_equal(meta_currency_factor(whole[i]), 1);
    static const char *const parts[] = {"USD", "EUR", "KWD", "", "JPYX", "LP ", "JP", "P C"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_int_equal(meta_currency_factor(parts[i]), 100);
}

static void tokens_are_checked(void **state)
{
#define SCOPES                                                                        \
    "\"ads_management\",\"ads_read\",\"business_management\",\"catalog_management\"," \
    "\"pages_show_list\",\"pages_read_engagement\""
    static const struct {
        const char *data;
        bool valid, all;
    } rows[] = {
        {"{\"app_id\":\"42\",\"is_valid\":true,\"expires_at\":9,\"user_id\":\"5\",\"scopes\":"
         "[" SCOPES ",\"email\"]}",
         true, true},
        {"{\"app_id\":\"43\",\"is_valid\":true,\"scopes\":[" SCOPES "]}", false, true},
        {"{\"app_id\":\"42\",\"is_valid\":false,\"scopes\":[" SCOPES "]}", false, true},
        {"{\"app_id\":\"42\",\"is_valid\":\"true\",\"scopes\":[" SCOPES "]}", false, true},
        {"{\"app_id\":\"42\",\"is_valid\":true,\"scopes\":[\"ads_management\"]}", true, false},
        {"{\"app_id\":\"42\",\"is_valid\":true}", true, false},
        {"{\"is_valid\":true,\"scopes\":[" SCOPES "]}", false, true},
    };
    struct meta_script *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *body = arena_printf(&f->arena, "{\"data\":%s}", rows[i].data);
        SCRIPT(f, {200, NULL, body});
        struct meta_token_info info = {0};
        assert_int_equal(meta_token_debug(f->client, &f->context, TOKEN, &info, &f->status),
                         RPC_OK);
        assert_int_equal(info.valid, rows[i].valid);
        assert_int_equal(info.all_scopes, rows[i].all);
        assert_string_equal(meta_script_request(f, 0)->target,
                            "/v24.0/debug_token?input_token=" TOKEN "&access_token=42%7C" SECRET);
    }
    SCRIPT(f, {200, NULL, "{}"});
    struct meta_token_info info;
    assert_int_equal(meta_token_debug(f->client, &f->context, TOKEN, &info, &f->status),
                     RPC_UNAVAILABLE);
}

int main(void)
{
#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, meta_script_setup, meta_script_teardown)
    const struct CMUnitTest tests[] = {
        TEST(figures_are_exact),
        TEST(days_are_read),
        TEST(items_are_written),
        TEST(batches_are_halved),
        TEST(deletions_carry_the_id_alone),
        TEST(refusals_at_once_are_handed_on),
        TEST(a_catalog_is_listed_by_our_ids),
        TEST(an_ad_set_is_changed),
        TEST(batch_states_are_read),
        cmocka_unit_test(minor_units_are_metas),
        TEST(tokens_are_checked),
        TEST(calls_slow_down_before_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
