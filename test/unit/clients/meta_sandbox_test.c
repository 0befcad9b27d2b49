/* clients/meta against the sandbox's Meta, in a process of its own: the launch, start to figures.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clients/meta/json_tree.h"
#include "clients/meta/meta.h"
#include "rpc/base/clock.h"
#include "test/support/process.h"

#define DEADLINE_MS 30000
#define REDIRECT "http://localhost:8080/api/auth/meta/callback"
#define ITEMS 247
/* 2026-02-06, the day at which the sandbox stands, and the 30 full days before. */
#define TODAY 20490
#define FIRST_DAY (TODAY - 30)
#define LAST_DAY (TODAY - 1)

struct fixture {
    struct process process;
    char directory[64];
    char graph[PROCESS_LINE_BYTES];
    char app_id[PROCESS_LINE_BYTES];
    char app_secret[PROCESS_LINE_BYTES];
    struct http_client *http;
    struct meta_client *client;
    struct arena arena;
    struct rpc_context context;
    struct rpc_status status;
    const char *token;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char log[80];
    temp_directory(f->directory);
    (void)snprintf(log, sizeof log, "%s/log", f->directory);
    char *argv[] = {(char *)SANDBOX_PATH,
                    (char *)"--history-days",
                    (char *)"30",
                    (char *)"--batch-ms",
                    (char *)"150",
                    (char *)"--page-size",
                    (char *)"7",
                    (char *)"--clock",
                    (char *)"2026-02-06T20:00:00Z",
                    NULL};
    process_start(&f->process, argv, NULL, log);
    process_expect_line(&f->process, "meta ", f->graph);
    process_expect_line(&f->process, "app_id ", f->app_id);
    process_expect_line(&f->process, "app_secret ", f->app_secret);
    char rest[PROCESS_LINE_BYTES];
    process_expect_line(&f->process, "ready", rest);
    struct http_options http = {.user_agent = "test"};
    assert_int_equal(http_client_create(&http, &f->http, &f->status), RPC_OK);
    struct meta_options options = {f->http, f->graph, f->graph, "v24.0", f->app_id, f->app_secret};
    f->client = meta_client_create(&options);
    arena_init(&f->arena, ARENA_CALL_BYTES_MAX);
    f->context =
        (struct rpc_context){.arena = &f->arena, .deadline_ms = clock_mono_ms() + DEADLINE_MS};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    meta_client_destroy(f->client);
    http_client_destroy(f->http);
    arena_fini(&f->arena);
    process_signal(&f->process, SIGTERM);
    assert_int_equal(process_wait(&f->process, 10000), 0);
    free(f);
    return 0;
}

/* A request of the test's own: the dialog or a control endpoint. */
static struct http_response *send(struct fixture *f, const char *url, const char *json)
{
    struct http_header type = {"Content-Type", "application/json"};
    struct http_request request = {.verb = json == NULL ? HTTP_GET : HTTP_POST,
                                   .url = url,
                                   .headers = &type,
                                   .header_count = json == NULL ? 0 : 1,
                                   .body = span_of_string(json == NULL ? "" : json),
                                   .deadline_ms = clock_mono_ms() + DEADLINE_MS,
                                   .wire_bytes_max = 1 << 24,
                                   .body_bytes_max = 1 << 24};
    struct http_response *response = NULL;
    assert_int_equal(http_client_fetch(f->http, NULL, &request, &response), HTTP_FAILURE_NONE);
    return response;
}

static const struct json_tree *control(struct fixture *f, const char *name, const char *json)
{
    char url[256];
    (void)snprintf(url, sizeof url, "%.80s/_control/%s", f->graph, name);
    struct http_response *response = send(f, url, json);
    assert_int_equal(response->status, 200);
    const struct json_tree *tree = NULL;
    assert_true(json_tree_parse(response->body, &f->arena, &tree));
    http_response_free(response);
    return tree;
}

static size_t objects(struct fixture *f, const char *kind)
{
    return json_tree_get(control(f, "objects", NULL), kind)->count;
}

/* The code that the dialog gives; `decision` may add parameters. */
static const char *dialog_code(struct fixture *f, const char *decision)
{
    const char *url = meta_dialog_url(f->client, REDIRECT, "state-1", &f->arena);
    struct http_response *page = send(f, url, NULL);
    assert_int_equal(page->status, 200);
    http_response_free(page);
    const char *query = strchr(url, '?');
    const char *confirm = arena_printf(&f->arena, "%s/v24.0/dialog/oauth/confirm%s&decision=%s",
                                       f->graph, query, decision);
    struct http_response *response = send(f, confirm, NULL);
    assert_int_equal(response->status, 302);
    const char *location = http_response_header(response, "location");
    const char *code = strstr(location, "?code=");
    const char *copy = NULL;
    if (code == NULL)
        assert_non_null(strstr(location, "error=access_denied"));
    else
        copy = arena_strndup(&f->arena, code + 6, strcspn(code + 6, "&"));
    assert_non_null(strstr(location, "state=state-1"));
    http_response_free(response);
    return copy;
}

static void connect(struct fixture *f)
{
    struct meta_token token = {0};
    const char *code = dialog_code(f, "authorize");
    assert_int_equal(meta_code_exchange(f->client, &f->context, code, REDIRECT, &token, &f->status),
                     RPC_OK);
    assert_int_equal(
        meta_token_extend(f->client, &f->context, token.access_token, &token, &f->status), RPC_OK);
    assert_int_equal(token.expires_in_s, 60 * 86400);
    f->token = token.access_token;
}

static void people_authorize_and_decline(void **state)
{
    struct fixture *f = *state;
    assert_null(dialog_code(f, "cancel"));
    connect(f);
    struct meta_token_info info = {0};
    assert_int_equal(meta_token_debug(f->client, &f->context, f->token, &info, &f->status), RPC_OK);
    assert_true(info.valid && info.all_scopes);
    assert_true(info.expires_at_s > 1770000000);
    /* One permission is declined. */
    const char *code = dialog_code(f, "authorize&choose=1&grant_ads_read=1");
    struct meta_token token = {0};
    assert_int_equal(meta_code_exchange(f->client, &f->context, code, REDIRECT, &token, &f->status),
                     RPC_OK);
    assert_int_equal(
        meta_token_debug(f->client, &f->context, token.access_token, &info, &f->status), RPC_OK);
    assert_true(info.valid && !info.all_scopes);
    struct meta_accounts accounts;
    assert_int_equal(
        meta_accounts_get(f->client, &f->context, token.access_token, &accounts, &f->status),
        RPC_PERMISSION_DENIED);
    /* A code is good once, and for its redirect_uri alone. */
    assert_int_equal(meta_code_exchange(f->client, &f->context, code, REDIRECT, &token, &f->status),
                     RPC_INVALID_ARGUMENT);
    code = dialog_code(f, "authorize");
    assert_int_equal(
        meta_code_exchange(f->client, &f->context, code, REDIRECT "/", &token, &f->status),
        RPC_INVALID_ARGUMENT);
    assert_int_equal(
        meta_code_exchange(f->client, &f->context, "nonsense", REDIRECT, &token, &f->status),
        RPC_INVALID_ARGUMENT);
}

static void all_accounts_are_listed(void **state)
{
    struct fixture *f = *state;
    connect(f);
    struct meta_accounts accounts = {0};
    assert_int_equal(meta_accounts_get(f->client, &f->context, f->token, &accounts, &f->status),
                     RPC_OK);
    assert_string_equal(accounts.user_name, "Jane Doe");
    assert_int_equal(accounts.ad_account_count, 3);
    assert_int_equal(accounts.ad_accounts[0]->account_status, 2);
    assert_int_equal(accounts.ad_accounts[1]->account_status, 1);
    assert_string_equal(accounts.ad_accounts[1]->id, "act_100000000000302");
    assert_string_equal(accounts.ad_accounts[1]->currency, "USD");
    assert_string_equal(accounts.ad_accounts[1]->time_zone, "UTC");
    assert_string_equal(accounts.ad_accounts[2]->currency, "EUR");
    assert_int_equal(accounts.page_count, 3); /* behind an empty page */
    assert_int_equal(accounts.business_count, 1);
    assert_string_equal(accounts.businesses[0]->name, "Acme Ads");
    (void)control(f, "tokens", "{\"valid\":false}");
    assert_int_equal(meta_accounts_get(f->client, &f->context, f->token, &accounts, &f->status),
                     RPC_UNAUTHENTICATED);
    (void)control(f, "tokens", "{\"valid\":true}");
    (void)control(f, "usage", "{\"percent\":100}");
    assert_int_equal(meta_accounts_get(f->client, &f->context, f->token, &accounts, &f->status),
                     RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(f->status.retry_after_ms, 2 * 60000);
}

static Lotcast__V1__ItemRecord **make_items(struct fixture *f)
{
    Lotcast__V1__ItemRecord **items = arena_calloc(&f->arena, ITEMS, sizeof *items);
    for (int64_t i = 0; i < ITEMS; i++) {
        items[i] = arena_alloc(&f->arena, sizeof **items);
        lotcast__v1__item_record__init(items[i]);
        items[i]->item_id = i + 1;
        items[i]->kind = LOTCAST__V1__ITEM_KIND__ITEM_KIND_VEHICLE;
        items[i]->title = arena_printf(&f->arena, "2024 Honda Civic %lld", (long long)i);
        items[i]->url = (char *)"http://127.0.0.1/x";
        items[i]->image_url = (char *)"http://127.0.0.1/x.png";
        items[i]->price_minor = 2800000 + i;
        items[i]->currency = (char *)"USD";
        items[i]->in_stock = i % 5 != 2;
    }
    return items;
}

static struct meta_batch_status wait_for_batch(struct fixture *f, const char *catalog,
                                               const char *handle)
{
    struct meta_batch_status batch = {0};
    while (!batch.finished && rpc_context_left_ms(&f->context) > 0)
        assert_int_equal(meta_items_status(f->client, &f->context, f->token, catalog, handle,
                                           &batch, &f->status),
                         RPC_OK);
    assert_true(batch.finished);
    return batch;
}

static const char *make(struct fixture *f, enum meta_object kind, const struct meta_create *create)
{
    const char *id = NULL;
    enum rpc_code code =
        meta_object_create(f->client, &f->context, f->token, kind, create, &id, &f->status);
    assert_int_equal(code, RPC_OK);
    return id;
}

/* Makes everything up to the ad; all of it is paused. */
static struct meta_create launch(struct fixture *f, const char **ret_ad)
{
    static char *countries[] = {(char *)"US", (char *)"CA"};
    static Lotcast__V1__Targeting targeting;
    lotcast__v1__targeting__init(&targeting);
    targeting.countries = countries;
    targeting.n_countries = 2;
    targeting.age_min = 25;
    targeting.age_max = 65;
    struct meta_create create = {.name = "Lotcast 1 \xe2\x80\x94 Acme & \"Sons\"",
                                 .business_id = "200000000000701",
                                 .ad_account_id = "act_100000000000302",
                                 .daily_budget = 8224,
                                 .targeting = &targeting,
                                 .page_id = "300000000000511",
                                 .link = "http://127.0.0.1/",
                                 .message = "See \"all\" of our cars"};
    create.catalog_id = make(f, META_CATALOG, &create);
    create.product_set_id = make(f, META_PRODUCT_SET, &create);
    create.campaign_id = make(f, META_CAMPAIGN, &create);
    create.ad_set_id = make(f, META_AD_SET, &create);
    create.creative_id = make(f, META_CREATIVE, &create);
    *ret_ad = make(f, META_AD, &create);
    return create;
}

static void items_are_taken_in_batches(void **state)
{
    struct fixture *f = *state;
    connect(f);
    const char *ad;
    struct meta_create create = launch(f, &ad);
    Lotcast__V1__ItemRecord **items = make_items(f);
    items[10]->url = (char *)"ftp://no";
    (void)control(f, "batches", "{\"items_max\":100}");
    (void)control(f, "refuse", "{\"retailer_id\":\"3\",\"message\":\"The image is too small\"}");
    struct meta_item_change changes[ITEMS];
    for (size_t i = 0; i < ITEMS; i++)
        changes[i] = (struct meta_item_change){items[i]->item_id, items[i]};
    struct meta_submission submission;
    assert_int_equal(meta_items_send(f->client, &f->context, f->token, create.catalog_id, changes,
                                     ITEMS, &submission, &f->status),
                     RPC_OK);
    const char **handles = submission.handles;
    size_t count = submission.handle_count;
    assert_int_equal(submission.error_count, 1);
    assert_int_equal(submission.errors[0].item_id, 11);
    assert_string_equal(submission.errors[0].message, "link is missing or is not a URL");
    assert_int_equal(count, 5); /* of 61 each, after two halvings, and what is left */
    struct meta_batch_status batch = wait_for_batch(f, create.catalog_id, handles[0]);
    assert_false(batch.failed);
    assert_int_equal(batch.error_count, 2);
    assert_int_equal(batch.errors[0].item_id, 3);
    assert_string_equal(batch.errors[0].message, "The image is too small");
    assert_int_equal(batch.errors[1].item_id, 11);
    for (size_t i = 1; i < count; i++)
        assert_int_equal(wait_for_batch(f, create.catalog_id, handles[i]).error_count, 0);
    const struct json_tree *all = control(f, "objects", NULL);
    assert_string_equal(json_tree_get_text(json_tree_get(all, "catalogs")->first, "product_count"),
                        "245");
    /* The set leaves out what is sold; 3 and 11 were refused, of which 3 was sold. */
    assert_string_equal(
        json_tree_get_text(json_tree_get(all, "product_sets")->first, "product_count"), "197");
    struct meta_batch_status none = {0};
    assert_int_equal(meta_items_status(f->client, &f->context, f->token, create.catalog_id, "x",
                                       &none, &f->status),
                     RPC_INVALID_ARGUMENT);
}

static void a_campaign_is_launched_once(void **state)
{
    static const struct {
        enum meta_object kind;
        const char *kind_name;
    } kinds[] = {{META_CATALOG, "catalogs"},     {META_PRODUCT_SET, "product_sets"},
                 {META_CAMPAIGN, "campaigns"},   {META_AD_SET, "adsets"},
                 {META_CREATIVE, "adcreatives"}, {META_AD, "ads"}};
    struct fixture *f = *state;
    connect(f);
    const char *ad;
    struct meta_create create = launch(f, &ad);
    const char *const ids[] = {create.catalog_id, create.product_set_id, create.campaign_id,
                               create.ad_set_id,  create.creative_id,    ad};
    for (size_t i = 0; i < 6; i++) {
        const char *parent = i == 0   ? create.business_id
                             : i == 1 ? create.catalog_id
                                      : create.ad_account_id;
        const char *id = NULL;
        assert_int_equal(meta_object_find(f->client, &f->context, f->token, kinds[i].kind, parent,
                                          create.name, &id, &f->status),
                         RPC_OK);
        assert_string_equal(id, ids[i]);
        assert_int_equal(meta_object_find(f->client, &f->context, f->token, kinds[i].kind, parent,
                                          "Lotcast 1", &id, &f->status),
                         RPC_OK);
        assert_null(id);
        assert_int_equal(objects(f, kinds[i].kind_name), 1);
    }
    /* The work is done and the answer is lost: the caller finds what it made, among many. */
    for (int i = 0; i < 20; i++) {
        create.name = arena_printf(&f->arena, "other %d", i);
        (void)make(f, META_CAMPAIGN, &create);
    }
    create.name = "Lotcast 2";
    (void)control(f, "fail", "{\"path\":\"/campaigns\",\"method\":\"POST\",\"drop\":\"after\"}");
    const char *id = NULL;
    assert_int_equal(meta_object_create(f->client, &f->context, f->token, META_CAMPAIGN, &create,
                                        &id, &f->status),
                     RPC_UNAVAILABLE);
    assert_int_equal(objects(f, "campaigns"), 22);
    assert_int_equal(meta_object_find(f->client, &f->context, f->token, META_CAMPAIGN,
                                      create.ad_account_id, create.name, &id, &f->status),
                     RPC_OK);
    assert_non_null(id);
}

static void what_meta_refuses_is_refused(void **state)
{
    struct fixture *f = *state;
    connect(f);
    const char *ad;
    const struct meta_create good = launch(f, &ad);
    Lotcast__V1__Targeting wrong = *good.targeting;
    wrong.n_countries = 0;
    struct {
        enum meta_object kind;
        struct meta_create create;
    } rows[] = {{META_CATALOG, good},  {META_CAMPAIGN, good}, {META_CAMPAIGN, good},
                {META_AD_SET, good},   {META_AD_SET, good},   {META_AD_SET, good},
                {META_CREATIVE, good}, {META_CREATIVE, good}, {META_AD, good}};
    rows[0].create.name = "";
    rows[1].create.ad_account_id = "act_100000000000301"; /* disabled */
    rows[2].create.catalog_id = good.campaign_id;
    rows[3].create.daily_budget = 99;
    rows[4].create.targeting = &wrong;
    rows[5].create.product_set_id = good.catalog_id;
    rows[6].create.page_id = "1";
    rows[7].create.link = "acme";
    rows[8].create.creative_id = good.ad_set_id;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *id = "untouched";
        enum rpc_code code = meta_object_create(f->client, &f->context, f->token, rows[i].kind,
                                                &rows[i].create, &id, &f->status);
        if (code != RPC_INVALID_ARGUMENT)
            fail_msg("row %zu: %s", i, rpc_code_name(code));
        assert_string_equal(id, "untouched");
    }
    const char *id = NULL;
    struct meta_create create = good;
    create.business_id = "7";
    assert_int_equal(meta_object_create(f->client, &f->context, f->token, META_CATALOG, &create,
                                        &id, &f->status),
                     RPC_NOT_FOUND);
    assert_int_equal(meta_status_set(f->client, &f->context, f->token, "7", true, &f->status),
                     RPC_NOT_FOUND);
}

static int64_t sum_impressions(const struct meta_insight *days, size_t count)
{
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += days[i].impressions;
    return sum;
}

static void figures_add_up(void **state)
{
    struct fixture *f = *state;
    connect(f);
    const char *ad;
    struct meta_create create = launch(f, &ad);
    struct meta_insight total = {.reach = 1};
    assert_int_equal(meta_insights_total(f->client, &f->context, f->token, create.campaign_id, 0, 0,
                                         &total, &f->status),
                     RPC_OK);
    assert_int_equal(total.impressions + total.reach, 0); /* nothing before it is activated */
    const char *const ids[] = {ad, create.ad_set_id, create.campaign_id};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(
            meta_status_set(f->client, &f->context, f->token, ids[i], true, &f->status), RPC_OK);
    assert_int_equal(meta_insights_total(f->client, &f->context, f->token, create.campaign_id,
                                         FIRST_DAY, LAST_DAY, &total, &f->status),
                     RPC_OK);
    assert_int_equal(total.impressions, 123490);
    assert_int_equal(total.clicks, 2340);
    assert_int_equal(total.reach, 45600);
    assert_int_equal(total.spend_minor, 84732);
    struct meta_insight *days = NULL;
    size_t count = 0;
    assert_int_equal(meta_insights_daily(f->client, &f->context, f->token, create.campaign_id,
                                         TODAY - 365, LAST_DAY, &days, &count, &f->status),
                     RPC_OK);
    assert_int_equal(count, 30);
    assert_int_equal(days[0].day, FIRST_DAY);
    assert_int_equal(sum_impressions(days, count), 123490);
    int64_t spend = 0;
    int64_t reach = 0;
    for (size_t i = 0; i < count; i++) {
        spend += days[i].spend_minor;
        reach += days[i].reach;
    }
    assert_int_equal(spend, 84732);
    assert_true(reach > total.reach);
    /* A day later yesterday's figures are other ones, and any 30 days still have the same sum. */
    int64_t yesterday = days[29].impressions;
    (void)control(f, "clock", "{\"advance_s\":86400}");
    assert_int_equal(meta_insights_daily(f->client, &f->context, f->token, create.campaign_id,
                                         FIRST_DAY + 1, LAST_DAY + 1, &days, &count, &f->status),
                     RPC_OK);
    assert_int_equal(days[28].day, LAST_DAY);
    assert_true(days[28].impressions > yesterday);
    assert_int_equal(sum_impressions(days, count), 123490);
    /* Paused: no delivery from here on. */
    assert_int_equal(
        meta_status_set(f->client, &f->context, f->token, create.campaign_id, false, &f->status),
        RPC_OK);
    (void)control(f, "clock", "{\"advance_s\":259200}");
    assert_int_equal(meta_insights_daily(f->client, &f->context, f->token, create.campaign_id,
                                         TODAY + 2, TODAY + 4, &days, &count, &f->status),
                     RPC_OK);
    assert_int_equal(count, 0);
    /* The lifetime holds all of it. */
    assert_int_equal(meta_insights_total(f->client, &f->context, f->token, create.campaign_id, 0, 0,
                                         &total, &f->status),
                     RPC_OK);
    assert_true(total.impressions > 123490);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(people_authorize_and_decline), TEST(all_accounts_are_listed),
        TEST(items_are_taken_in_batches),   TEST(a_campaign_is_launched_once),
        TEST(what_meta_refuses_is_refused), TEST(figures_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
