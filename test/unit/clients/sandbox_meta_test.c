/* The stand-in of Meta itself: what it refuses, raw on the wire, so that nothing wrong can pass for
 * right. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clients/http/http.h"
#include "clients/meta/json_tree.h"
#include "rpc/base/clock.h"
#include "test/support/process.h"

#define DEADLINE_MS 20000
#define ACCOUNT "act_100000000000302"
#define BUSINESS "200000000000701"

struct fixture {
    struct process process;
    char base[PROCESS_LINE_BYTES];
    char app_id[PROCESS_LINE_BYTES];
    char app_secret[PROCESS_LINE_BYTES];
    struct http_client *http;
    struct arena arena;
    const char *token; /* NULL: none is sent */
};

struct reply {
    int status;
    const char *location;
    const struct json_tree *body; /* NULL: not JSON */
};

/* `body` NULL is a GET; one that begins with { goes as JSON, any other as a form. */
static struct reply call(struct fixture *f, const char *path, const char *body)
{
    struct http_header headers[2] = {
        {"Content-Type",
         body != NULL && body[0] == '{' ? "application/json" : "application/x-www-form-urlencoded"},
        {"Authorization", arena_printf(&f->arena, "Bearer %s", f->token == NULL ? "" : f->token)},
    };
    struct http_request request = {
        .verb = body == NULL ? HTTP_GET : HTTP_POST,
        .url = arena_printf(&f->arena, "%s%s", f->base, path),
        .headers = headers,
        .header_count = f->token == NULL ? 1 : 2,
        .body = span_of_string(body == NULL ? "" : body),
        .deadline_ms = clock_mono_ms() + DEADLINE_MS,
        .wire_bytes_max = 1 << 22,
        .body_bytes_max = 1 << 22,
    };
    struct http_response *response = NULL;
    assert_int_equal(http_client_fetch(f->http, NULL, &request, &response), HTTP_FAILURE_NONE);
    struct reply reply = {.status = response->status};
    const char *location = http_response_header(response, "location");
    if (location != NULL)
        reply.location = arena_strdup(&f->arena, location);
    if (!json_tree_parse(response->body, &f->arena, &reply.body))
        reply.body = NULL;
    http_response_free(response);
    return reply;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char directory[64];
    char log[80];
    temp_directory(directory);
    (void)snprintf(log, sizeof log, "%s/log", directory);
    char *argv[] = {(char *)SANDBOX_PATH, (char *)"--batch-ms", (char *)"0", NULL};
    char rest[PROCESS_LINE_BYTES];
    process_start(&f->process, argv, NULL, log);
    process_expect_line(&f->process, "meta ", f->base);
    process_expect_line(&f->process, "app_id ", f->app_id);
    process_expect_line(&f->process, "app_secret ", f->app_secret);
    process_expect_line(&f->process, "ready", rest);
    struct rpc_status status;
    struct http_options options = {.user_agent = "test"};
    assert_int_equal(http_client_create(&options, &f->http, &status), RPC_OK);
    arena_init(&f->arena, ARENA_CALL_BYTES_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_client_destroy(f->http);
    arena_fini(&f->arena);
    process_signal(&f->process, SIGTERM);
    assert_int_equal(process_wait(&f->process, 10000), 0);
    free(f);
    return 0;
}

static void connect(struct fixture *f)
{
    struct reply reply = call(
        f,
        arena_printf(&f->arena,
                     "/v24.0/dialog/oauth/confirm?decision=authorize&client_id=%s&redirect_uri="
                     "http://l/&scope=ads_management,ads_read,business_management,"
                     "catalog_management,pages_show_list,pages_read_engagement",
                     f->app_id),
        NULL);
    assert_int_equal(reply.status, 302);
    const char *code = strstr(reply.location, "?code=") + strlen("?code=");
    reply =
        call(f,
             arena_printf(&f->arena,
                          "/v24.0/oauth/access_token?client_id=%s&client_secret=%s&redirect_uri="
                          "http://l/&code=%s",
                          f->app_id, f->app_secret, code),
             NULL);
    f->token = json_tree_get_text(reply.body, "access_token");
    assert_non_null(f->token);
}

static const char *make(struct fixture *f, const char *path, const char *body)
{
    const char *id = json_tree_get_text(call(f, path, body).body, "id");
    assert_non_null(id);
    return id;
}

static void expect_error(struct fixture *f, const char *path, const char *body, int64_t want_code,
                         int64_t want_subcode)
{
    struct reply reply = call(f, path, body);
    const struct json_tree *error = json_tree_get(reply.body, "error");
    int64_t code = 0;
    int64_t subcode = 0;
    (void)json_tree_integer(json_tree_get(error, "code"), &code);
    (void)json_tree_integer(json_tree_get(error, "error_subcode"), &subcode);
    if (reply.status < 400 || code != want_code || subcode != want_subcode)
        fail_msg("%s %s: %d, %lld/%lld", path, body == NULL ? "" : body, reply.status,
                 (long long)code, (long long)subcode);
    assert_string_equal(json_tree_get_text(error, "type"), "OAuthException");
    assert_non_null(json_tree_get_text(error, "fbtrace_id"));
}

static void callers_are_checked(void **state)
{
    struct fixture *f = *state;
    expect_error(f, "/v24.0/me", NULL, 2500, 0);
    f->token = "EAASnonsense";
    expect_error(f, "/v24.0/me", NULL, 190, 0);
    connect(f);
    assert_int_equal(call(f, "/v24.0/me", NULL).status, 200);
    expect_error(f, "/v23.0/me", NULL, 2635, 0);
    expect_error(f, "/me", NULL, 2500, 0);
    expect_error(f, "/v24.0/me/nothing", NULL, 2500, 0);
    expect_error(f, "/v24.0/me?appsecret_proof=00", NULL, 100, 0);
    expect_error(f, "/v24.0/12345", NULL, 100, 33);
    expect_error(f, "/v24.0/" ACCOUNT "/campaigns?limit=0", NULL, 100, 0);
    expect_error(f, "/v24.0/" ACCOUNT "/campaigns?after=x", NULL, 100, 0);
    expect_error(f, "/v24.0/oauth/access_token?client_id=1", NULL, 101, 0);
    const char *path = arena_printf(&f->arena, "/v24.0/me?access_token=%s", f->token);
    f->token = NULL;
    assert_int_equal(call(f, path, NULL).status, 200); /* a token in the query will do */
}

static void dialogs_are_checked(void **state)
{
    static const char *const wrong[] = {
        "client_id=1&redirect_uri=http://l/",
        "client_id=1029384756",
        "client_id=1029384756&redirect_uri=ftp://l/",
        "client_id=1029384756&redirect_uri=http://l/&response_type=token",
        "client_id=1029384756&redirect_uri=http://l/&scope=ads_management,everything",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *path = arena_printf(&f->arena, "/v24.0/dialog/oauth?%s", wrong[i]);
        assert_int_equal(call(f, path, NULL).status, 400);
        path =
            arena_printf(&f->arena, "/v24.0/dialog/oauth/confirm?decision=authorize&%s", wrong[i]);
        struct reply reply = call(f, path, NULL);
        assert_int_equal(reply.status, 400);
        assert_null(reply.location);
    }
}

static void creates_are_checked(void **state)
{
    struct fixture *f = *state;
    connect(f);
    static const struct {
        const char *edge;
        const char *body;
        int64_t code, subcode;
    } rows[] = {
        {"campaigns", "name=N", 100, 0},
        {"campaigns", "name=N&objective=SALES&special_ad_categories=[]", 100, 0},
        {"campaigns", "name=N&objective=OUTCOME_SALES", 100, 0},
        {"campaigns", "name=N&objective=OUTCOME_SALES&special_ad_categories=NONE", 100, 0},
        {"campaigns", "name=N&objective=OUTCOME_SALES&special_ad_categories=[\"X\"]", 100, 0},
        {"campaigns", "name=N&objective=OUTCOME_SALES&special_ad_categories=[]", 100, 4834011},
        {"campaigns",
         "name=N&objective=OUTCOME_SALES&special_ad_categories=[]&is_adset_budget_sharing_enabled="
         "no",
         100, 0},
        {"campaigns",
         "name=N&objective=OUTCOME_SALES&special_ad_categories=[]&is_adset_budget_sharing_enabled="
         "false&status=ON",
         100, 0},
        {"campaigns",
         "{\"name\":7,\"objective\":\"OUTCOME_SALES\",\"special_ad_categories\":[],"
         "\"is_adset_budget_sharing_enabled\":false}",
         100, 0},
        {"campaigns", "{\"name\":", 100, 0},
        {"adsets", "name=A", 100, 0},
        {"adcreatives", "name=A&product_set_id=x&object_story_spec={}", 100, 0},
        {"adcreatives", "name=A&product_set_id=1&object_story_spec={}", 100, 1487133},
        {"ads", "name=A&adset_id=1&creative={}", 100, 1487133},
        {"nothing", "name=A", 2500, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_error(f, arena_printf(&f->arena, "/v24.0/" ACCOUNT "/%s", rows[i].edge),
                     rows[i].body, rows[i].code, rows[i].subcode);
    expect_error(f, "/v24.0/act_100000000000301/campaigns", "name=N", 2641, 1487246);
}

static void ad_sets_are_checked(void **state)
{
    struct fixture *f = *state;
    connect(f);
    const char *catalog = make(f, "/v24.0/" BUSINESS "/owned_product_catalogs", "name=C");
    const char *set = make(f, arena_printf(&f->arena, "/v24.0/%s/product_sets", catalog), "name=S");
    const char *campaign =
        make(f, "/v24.0/" ACCOUNT "/campaigns",
             "{\"name\":\"N\",\"objective\":\"OUTCOME_SALES\",\"special_ad_categories\":[],"
             "\"is_adset_budget_sharing_enabled\":false}");
    static const struct {
        const char *budget;
        const char *targeting;
        int64_t subcode;
    } sets[] = {
        {"99", "{\"geo_locations\":{\"countries\":[\"US\"]}}", 1885272},
        {"8224", "{}", 1885364},
        {"8224", "{\"geo_locations\":{\"countries\":[\"us\"]}}", 1487851},
        {"8224", "{\"geo_locations\":{\"countries\":[]}}", 1487851},
        {"8224", "{\"geo_locations\":{\"countries\":[\"US\"]},\"age_min\":12}", 0},
        {"8224", "{\"geo_locations\":{\"countries\":[\"US\"]},\"age_min\":40,\"age_max\":30}", 0},
        {"8224", "{\"geo_locations\":{\"countries\":[\"US\"]},\"age_min\":30,\"age_max\":50}",
         1870189},
        {"8224", "{\"geo_locations\":{\"countries\":[\"US\"]},\"publisher_platforms\":[\"x\"]}", 0},
        {"8224",
         "{\"geo_locations\":{\"countries\":[\"US\"]},\"publisher_platforms\":[\"facebook\"],"
         "\"instagram_positions\":[\"reels\"]}",
         0},
        {"eight", "{\"geo_locations\":{\"countries\":[\"US\"]}}", 0},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        expect_error(
            f, "/v24.0/" ACCOUNT "/adsets",
            arena_printf(&f->arena,
                         "name=A&campaign_id=%s&daily_budget=%s&billing_event=IMPRESSIONS&"
                         "optimization_goal=LINK_CLICKS&promoted_object={\"product_set_id\":"
                         "\"%s\"}&targeting=%s",
                         campaign, sets[i].budget, set, sets[i].targeting),
            100, sets[i].subcode);
}

#define BATCH "{\"item_type\":\"%s\",\"requests\":[{\"method\":\"UPDATE\",\"data\":%s}]}"

static void items_are_checked(void **state)
{
    static const struct {
        const char *type; /* of the item, and so of the catalog */
        const char *data;
        bool good;
    } rows[] = {
#define PRODUCT                                                                         \
    "\"title\":\"T\",\"description\":\"D\",\"link\":\"http://l/\",\"image\":[{\"url\":" \
    "\"http://l/i\"}],\"availability\":\"in stock\""
        {"PRODUCT_ITEM", "{\"id\":\"1\"," PRODUCT ",\"price\":\"1.00 USD\"}", true},
        {"PRODUCT_ITEM", "{\"id\":\"1\"," PRODUCT ",\"price\":\"1 USD\"}", true},
        {"PRODUCT_ITEM", "{\"id\":\"1\"," PRODUCT ",\"price\":\"1.000 USD\"}", false},
        {"PRODUCT_ITEM", "{\"id\":\"1\"," PRODUCT ",\"price\":\"$1.00\"}", false},
        {"PRODUCT_ITEM", "{\"id\":\"1\"," PRODUCT "}", false},
        {"PRODUCT_ITEM", "{" PRODUCT ",\"price\":\"1.00 USD\"}", false},
        {"PRODUCT_ITEM", "{\"id\":\"1\"}", false},
#define VEHICLE                                                                                   \
    "\"title\":\"T\",\"description\":\"D\",\"url\":\"http://l/\",\"image\":[{\"url\":\"http://l/" \
    "i\"}"                                                                                        \
    "],\"make\":\"M\",\"model\":\"M\",\"year\":2024,\"body_style\":\"SUV\",\"price\":\"1.00 "     \
    "USD\","                                                                                      \
    "\"state_of_vehicle\":\"USED\",\"availability\":\"AVAILABLE\",\"mileage\":{\"value\":1,"      \
    "\"unit\":\"MI\"}"
        {"VEHICLE",
         "{\"vehicle_id\":\"1\"," VEHICLE ",\"vin\":\"2HGBB1D16RA100201\",\"address\":{}}", true},
        {"VEHICLE", "{\"vehicle_id\":\"1\"," VEHICLE ",\"vin\":\"2HGBB1D16RA100201\"}", false},
        {"VEHICLE", "{\"vehicle_id\":\"1\"," VEHICLE ",\"vin\":\"2HG\",\"address\":{}}", false},
        {"VEHICLE", "{\"vehicle_id\":\"1\",\"vin\":\"2HGBB1D16RA100201\"}", false},
    };
    struct fixture *f = *state;
    connect(f);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool vehicle = strcmp(rows[i].type, "VEHICLE") == 0;
        const char *catalog = make(f, "/v24.0/" BUSINESS "/owned_product_catalogs",
                                   vehicle ? "name=C&vertical=vehicles" : "name=C");
        const char *path = arena_printf(&f->arena, "/v24.0/%s/items_batch", catalog);
        struct reply reply =
            call(f, path, arena_printf(&f->arena, BATCH, rows[i].type, rows[i].data));
        assert_int_equal(reply.status, 200);
        if (json_tree_get(reply.body, "validation_status")->count != (rows[i].good ? 0 : 1))
            fail_msg("%s", rows[i].data);
        const struct json_tree *read =
            call(f, arena_printf(&f->arena, "/v24.0/%s?fields=product_count", catalog), NULL).body;
        assert_string_equal(json_tree_get_text(read, "product_count"), rows[i].good ? "1" : "0");
        /* The other type is not for this catalog. */
        expect_error(f, path,
                     arena_printf(&f->arena, BATCH, vehicle ? "PRODUCT_ITEM" : "VEHICLE", "{}"),
                     100, 0);
        expect_error(f, path, "{\"item_type\":\"X\",\"requests\":[{}]}", 100, 0);
        expect_error(f, path, "item_type=PRODUCT_ITEM&requests=[]", 100, 0);
    }
}

/* JSON in a query, with what a URL does not allow percent-encoded. */
static const char *encoded(struct fixture *f, const char *query)
{
    char *out = arena_alloc(&f->arena, 3 * strlen(query) + 1);
    char *to = out;
    for (; *query != '\0'; query++) {
        if (strchr("{}[]\"", *query) == NULL)
            *to++ = *query;
        else
            to += snprintf(to, 4, "%%%02X", (unsigned char)*query);
    }
    *to = '\0';
    return out;
}

static void insights_are_checked(void **state)
{
    static const char *const wrong[] = {
        "fields=nonsense",
        "fields=impressions&time_range={}",
        "fields=impressions&time_range={\"since\":\"2026-02-30\",\"until\":\"2026-03-01\"}",
        "fields=impressions&time_range={\"since\":\"2026-03-02\",\"until\":\"2026-03-01\"}",
        "fields=impressions&date_preset=always",
        "fields=impressions&level=planet",
        "fields=impressions&time_increment=0",
        "fields=impressions&breakdowns=[\"moon\"]",
    };
    struct fixture *f = *state;
    connect(f);
    const char *campaign = make(f, "/v24.0/" ACCOUNT "/campaigns",
                                "name=N&objective=OUTCOME_SALES&special_ad_categories=[]&"
                                "is_adset_budget_sharing_enabled=false&status=PAUSED");
    const char *insights = arena_printf(&f->arena, "/v24.0/%s/insights", campaign);
    /* Right, but nothing was delivered. */
    struct reply reply = call(f, insights, NULL);
    assert_int_equal(json_tree_get(reply.body, "data")->count, 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        expect_error(f, arena_printf(&f->arena, "%s?%s", insights, encoded(f, wrong[i])), NULL, 100,
                     0);
    expect_error(f, arena_printf(&f->arena, "/v24.0/%s?fields=name,wings", campaign), NULL, 100, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(callers_are_checked), TEST(dialogs_are_checked), TEST(creates_are_checked),
        TEST(ad_sets_are_checked), TEST(items_are_checked),   TEST(insights_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
