/* clients/meta against a server that answers what a row says. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clients/meta/meta.h"
#include "rpc/base/clock.h"
#include "test/unit/clients/http_server.h"

#define TOKEN "EAAStokentokentoken"
#define SECRET "sandbox-app-secret"
/* HMAC-SHA256(SECRET, TOKEN), by `openssl dgst -sha256 -hmac`. */
#define PROOF "87c52b647a4e30991541408efc18306859cb5a0e2658289054751105830eb744"
#define ANSWERS_MAX 16
#define REQUESTS_MAX 64
#define DEADLINE_MS 20000

struct answer {
    int status;
    const char *headers;
    const char *body;
};

struct request {
    char verb[8];
    char target[4096];
    char head[4096];
    char body[16384];
};

struct fixture {
    pthread_mutex_t lock;
    struct answer answers[ANSWERS_MAX]; /* the last one again and again */
    size_t answer_count;
    struct request requests[REQUESTS_MAX];
    size_t request_count;
    struct http_server *server;
    struct http_client *http;
    struct meta_client *client;
    char url[64];
    struct arena arena;
    struct rpc_context context;
    struct rpc_status status;
};

static void copy(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from, size - 1);
    memcpy(to, from, len);
    to[len] = '\0';
}

static void handle(void *arg, struct http_exchange *exchange)
{
    struct fixture *f = arg;
    (void)pthread_mutex_lock(&f->lock);
    struct request *request = &f->requests[f->request_count % REQUESTS_MAX];
    size_t at = f->request_count < f->answer_count ? f->request_count : f->answer_count - 1;
    f->request_count++;
    copy(request->verb, sizeof request->verb, exchange->verb);
    copy(request->target, sizeof request->target, exchange->target);
    copy(request->head, sizeof request->head, exchange->head);
    size_t len =
        exchange->body_len < sizeof request->body ? exchange->body_len : sizeof request->body - 1;
    memcpy(request->body, exchange->body, len);
    request->body[len] = '\0';
    struct answer answer = f->answers[at];
    (void)pthread_mutex_unlock(&f->lock);
    if (answer.status == 0)
        exchange->close = true; /* no answer at all */
    else
        http_exchange_answer_text(exchange, answer.status, answer.headers, answer.body);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)pthread_mutex_init(&f->lock, NULL);
    f->server = http_server_start(handle, f);
    (void)snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u", http_server_port(f->server));
    struct http_options http = {.user_agent = "test"};
    assert_int_equal(http_client_create(&http, &f->http, &f->status), RPC_OK);
    struct meta_options options = {f->http, f->url, f->url, "v24.0", "42", SECRET};
    f->client = meta_client_create(&options);
    assert_non_null(f->client);
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
    http_server_stop(f->server);
    arena_fini(&f->arena);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

static void script(struct fixture *f, const struct answer *answers, size_t count)
{
    (void)pthread_mutex_lock(&f->lock);
    memcpy(f->answers, answers, count * sizeof *answers);
    f->answer_count = count;
    f->request_count = 0;
    (void)pthread_mutex_unlock(&f->lock);
    f->context.deadline_ms = clock_mono_ms() + DEADLINE_MS;
}

#define SCRIPT(f, ...)                                \
    script((f), (const struct answer[]){__VA_ARGS__}, \
           sizeof((const struct answer[]){__VA_ARGS__}) / sizeof(struct answer))

/* A create: one attempt, whatever comes. */
static enum rpc_code create(struct fixture *f, const char **ret_id)
{
    struct meta_create create = {
        .name = "A & B \"1\"", .ad_account_id = "act_1", .catalog_id = "77"};
    return meta_object_create(f->client, &f->context, TOKEN, META_CAMPAIGN, &create, ret_id,
                              &f->status);
}

/* A read. */
static enum rpc_code find(struct fixture *f, const char **ret_id)
{
    return meta_object_find(f->client, &f->context, TOKEN, META_CAMPAIGN, "act_1", "wanted", ret_id,
                            &f->status);
}

static void assert_no_secret(const struct fixture *f)
{
    assert_null(strstr(f->status.message, TOKEN));
    assert_null(strstr(f->status.message, SECRET));
    assert_null(strstr(f->status.message, "raw text"));
    assert_string_equal(f->status.upstream, "meta");
}

#define ERROR(fields) \
    "{\"error\":{\"message\":\"raw text " TOKEN "\",\"type\":\"OAuthException\"," fields "}}"

static void errors_are_mapped(void **state)
{
    static const struct {
        const char *name;
        int http_status;
        const char *body;
        enum rpc_code want;
    } rows[] = {
        {"dead token", 400, ERROR("\"code\":190"), RPC_UNAUTHENTICATED},
        {"expired", 401, ERROR("\"code\":190,\"error_subcode\":463"), RPC_UNAUTHENTICATED},
        {"dead and said to be transient", 400, ERROR("\"code\":190,\"is_transient\":true"),
         RPC_UNAUTHENTICATED},
        {"permission", 403, ERROR("\"code\":10"), RPC_PERMISSION_DENIED},
        {"permission 200", 403, ERROR("\"code\":200"), RPC_PERMISSION_DENIED},
        {"permission 299", 400, ERROR("\"code\":299"), RPC_PERMISSION_DENIED},
        {"blocked", 400, ERROR("\"code\":368"), RPC_PERMISSION_DENIED},
        {"values", 400, ERROR("\"code\":100"), RPC_INVALID_ARGUMENT},
        {"values, other subcode", 400, ERROR("\"code\":100,\"error_subcode\":1885272"),
         RPC_INVALID_ARGUMENT},
        {"not found", 400, ERROR("\"code\":100,\"error_subcode\":33"), RPC_NOT_FOUND},
        {"app limit", 400, ERROR("\"code\":4,\"is_transient\":true"), RPC_RESOURCE_EXHAUSTED},
        {"user limit", 400, ERROR("\"code\":17"), RPC_RESOURCE_EXHAUSTED},
        {"page limit", 400, ERROR("\"code\":32"), RPC_RESOURCE_EXHAUSTED},
        {"limit 341", 400, ERROR("\"code\":341"), RPC_RESOURCE_EXHAUSTED},
        {"limit 613", 400, ERROR("\"code\":613"), RPC_RESOURCE_EXHAUSTED},
        {"limit 80000", 400, ERROR("\"code\":80000"), RPC_RESOURCE_EXHAUSTED},
        {"limit 80014", 400, ERROR("\"code\":80014"), RPC_RESOURCE_EXHAUSTED},
        {"no limit 80015", 400, ERROR("\"code\":80015"), RPC_INVALID_ARGUMENT},
        {"unknown error", 500, ERROR("\"code\":1"), RPC_UNAVAILABLE},
        {"service down", 503, ERROR("\"code\":2"), RPC_UNAVAILABLE},
        {"transient", 400, ERROR("\"code\":100,\"is_transient\":true"), RPC_UNAVAILABLE},
        {"other code", 400, ERROR("\"code\":2635"), RPC_INVALID_ARGUMENT},
        {"code as text", 400, ERROR("\"code\":\"190\""), RPC_UNAUTHENTICATED},
        {"error in a 200", 200, ERROR("\"code\":100"), RPC_INVALID_ARGUMENT},
        {"no error object", 400, "{}", RPC_UNAVAILABLE},
        {"html", 502, "<html>bad gateway</html>", RPC_UNAVAILABLE},
        {"html 429", 429, "slow down", RPC_RESOURCE_EXHAUSTED},
        {"redirect", 302, "", RPC_UNAVAILABLE},
        {"no json", 200, "ok", RPC_UNAVAILABLE},
        {"cut off", 200, "{\"id\":\"1", RPC_UNAVAILABLE},
        {"a list", 200, "[]", RPC_UNAVAILABLE},
        {"no id", 200, "{\"success\":true}", RPC_UNAVAILABLE},
        {"an id with a path in it", 200, "{\"id\":\"1/../2\"}", RPC_UNAVAILABLE},
        {"no answer", 0, "", RPC_UNAVAILABLE},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SCRIPT(f, {rows[i].http_status, NULL, rows[i].body});
        const char *id = "untouched";
        enum rpc_code code = create(f, &id);
        if (code != rows[i].want || f->status.code != rows[i].want)
            fail_msg("%s: %s", rows[i].name, rpc_code_name(code));
        assert_string_equal(id, "untouched");
        assert_no_secret(f);
        assert_int_equal(f->status.reason, code == RPC_UNAUTHENTICATED
                                               ? LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED
                                               : LOTCAST__V1__REASON__REASON_UPSTREAM_ERROR);
        assert_int_equal(f->request_count, 1); /* a create is never repeated */
    }
}

static void throttling_says_how_long(void **state)
{
    static const struct {
        const char *headers;
        uint32_t want_ms;
    } rows[] = {
        {NULL, 60000},
        {"X-App-Usage: {\"call_count\":100,\"total_cputime\":1,\"total_time\":1}\r\n", 60000},
        {"X-Business-Use-Case-Usage: {\"1\":[{\"type\":\"ads_management\",\"call_count\":100,"
         "\"estimated_time_to_regain_access\":7}]}\r\n",
         7 * 60000},
        {"X-Business-Use-Case-Usage: {\"1\":[{\"estimated_time_to_regain_access\":1}],"
         "\"2\":[{\"estimated_time_to_regain_access\":2},{\"estimated_time_to_regain_access\":9}]}"
         "\r\n",
         9 * 60000},
        {"X-Business-Use-Case-Usage: [1]\r\n", 60000},
        {"X-Business-Use-Case-Usage: {\"1\":{\"estimated_time_to_regain_access\":7}}\r\n", 60000},
        {"X-Business-Use-Case-Usage: {\"1\":[{\"estimated_time_to_regain_access\":-7}]}\r\n",
         60000},
        {"X-Business-Use-Case-Usage: {\"1\":[{\"estimated_time_to_regain_access\":"
         "99999999999999}]}\r\n",
         24u * 3600 * 1000},
        {"X-Business-Use-Case-Usage: not json\r\n", 60000},
        {"X-Ad-Account-Usage: {\"acc_id_util_pct\":100,\"reset_time_duration\":30}\r\n", 30000},
        {"Retry-After: 5\r\n", 5000},
        {"Retry-After: soon\r\n", 60000},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SCRIPT(f, {400, rows[i].headers, ERROR("\"code\":17")});
        const char *id = NULL;
        assert_int_equal(find(f, &id), RPC_RESOURCE_EXHAUSTED);
        if (f->status.retry_after_ms != rows[i].want_ms)
            fail_msg("row %zu: %u", i, f->status.retry_after_ms);
        assert_int_equal(f->request_count, 1); /* the caller waits, not we */
    }
}

static void reads_are_repeated(void **state)
{
    struct fixture *f = *state;
    const char *id = NULL;
    SCRIPT(f, {500, NULL, ERROR("\"code\":2")}, {0, NULL, ""},
           {200, NULL, "{\"data\":[{\"id\":\"7\",\"name\":\"wanted\"}]}"});
    assert_int_equal(find(f, &id), RPC_OK);
    assert_string_equal(id, "7");
    assert_int_equal(f->request_count, 3);
    SCRIPT(f, {503, NULL, "down"});
    assert_int_equal(find(f, &id), RPC_UNAVAILABLE);
    assert_int_equal(f->request_count, 4);
    /* What will not pass is not asked again. */
    SCRIPT(f, {400, NULL, ERROR("\"code\":190")});
    assert_int_equal(find(f, &id), RPC_UNAUTHENTICATED);
    assert_int_equal(f->request_count, 1);
}

static void a_code_is_exchanged_once(void **state)
{
    struct fixture *f = *state;
    struct meta_token token = {0};
    SCRIPT(f, {500, NULL, "down"});
    assert_int_equal(meta_code_exchange(f->client, &f->context, "c+d", "http://localhost/cb?x=1",
                                        &token, &f->status),
                     RPC_UNAVAILABLE);
    assert_int_equal(f->request_count, 1);
    assert_string_equal(f->requests[0].target,
                        "/v24.0/oauth/access_token?client_id=42&redirect_uri=http%3A%2F%2Flocalhost"
                        "%2Fcb%3Fx%3D1&client_secret=" SECRET "&code=c%2Bd");
    assert_no_secret(f);
    SCRIPT(f, {200, NULL,
               "{\"access_token\":\"T\",\"token_type\":\"bearer\",\"expires_in\":5184000}"});
    assert_int_equal(
        meta_code_exchange(f->client, &f->context, "c", "http://l/", &token, &f->status), RPC_OK);
    assert_string_equal(token.access_token, "T");
    assert_int_equal(token.expires_in_s, 5184000);
    SCRIPT(f, {200, NULL, "{\"access_token\":\"\"}"});
    assert_int_equal(
        meta_code_exchange(f->client, &f->context, "c", "http://l/", &token, &f->status),
        RPC_UNAVAILABLE);
}

static void the_token_is_in_the_header_alone(void **state)
{
    struct fixture *f = *state;
    const char *id = NULL;
    SCRIPT(f, {200, NULL, "{\"id\":\"9\"}"});
    assert_int_equal(create(f, &id), RPC_OK);
    assert_string_equal(id, "9");
    assert_string_equal(f->requests[0].verb, "POST");
    assert_string_equal(f->requests[0].target, "/v24.0/act_1/campaigns");
    assert_non_null(strstr(f->requests[0].head, "Authorization: Bearer " TOKEN "\r\n"));
    assert_null(strstr(f->requests[0].body, TOKEN));
    assert_string_equal(
        f->requests[0].body,
        "name=A%20%26%20B%20%221%22&objective=OUTCOME_SALES&status=PAUSED&special_ad_categories="
        "%5B%5D&is_adset_budget_sharing_enabled=false&promoted_object=%7B%22product_catalog_id%22"
        "%3A%2277%22%7D&appsecret_proof=" PROOF);
    SCRIPT(f, {200, NULL, "{\"data\":[]}"});
    assert_int_equal(find(f, &id), RPC_OK);
    assert_null(strstr(f->requests[0].target, TOKEN));
    assert_non_null(strstr(f->requests[0].target, "appsecret_proof=" PROOF));
    assert_non_null(strstr(f->requests[0].head, "Authorization: Bearer " TOKEN "\r\n"));
}

static void lists_are_walked_on_our_base(void **state)
{
    struct fixture *f = *state;
    const char *id = "untouched";
    /* An empty page in between; `next` points elsewhere and has a token in it. */
    SCRIPT(
        f,
        {200, NULL,
         "{\"data\":[{\"id\":\"1\",\"name\":\"wanted "
         "\"}],\"paging\":{\"cursors\":{\"before\":\"a\","
         "\"after\":\"b&c\"},\"next\":\"http://192.0.2.1/evil?access_token=x&after=q\"}}"},
        {200, NULL,
         "{\"data\":[],\"paging\":{\"cursors\":{\"after\":\"d\"},\"next\":\"http://192.0.2.1/\"}}"},
        {200, NULL,
         "{\"data\":[{\"name\":\"wanted\"},{\"id\":\"3\",\"name\":\"wanted\"}],\"paging\":"
         "{\"cursors\":{\"after\":\"e\"}}}"});
    assert_int_equal(find(f, &id), RPC_OK);
    assert_string_equal(id, "3");
    assert_int_equal(f->request_count, 3);
    assert_non_null(strstr(f->requests[1].target, "/v24.0/act_1/campaigns?"));
    assert_non_null(strstr(f->requests[1].target, "after=b%26c&"));
    /* The end without a next page: not there. */
    SCRIPT(f, {200, NULL, "{\"data\":[],\"paging\":{\"cursors\":{\"after\":\"e\"}}}"});
    assert_int_equal(find(f, &id), RPC_OK);
    assert_null(id);
}

static void bad_lists_are_refused(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"data\":{}}",
        /* The same cursor again, and a next page without a cursor. */
        "{\"data\":[],\"paging\":{\"cursors\":{\"after\":\"x\"},\"next\":\"http://a/\"}}",
        "{\"data\":[],\"paging\":{\"next\":\"http://a/?after=x\"}}",
        "{\"data\":[],\"paging\":{\"cursors\":{\"after\":\"\"},\"next\":\"http://a/\"}}",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const char *id = "untouched";
        SCRIPT(f, {200, NULL, bodies[i]});
        assert_int_equal(find(f, &id), RPC_UNAVAILABLE);
        assert_string_equal(id, "untouched");
        assert_true(f->request_count <= 2);
    }
}

static void ids_cannot_change_the_path(void **state)
{
    static const char *const ids[] = {
        "",   "1/2",  "..",  "1?x=1",
        "1#", "1%2f", "a b", "11111111111111111111111111111111111111111111111111111111111111111"};
    struct fixture *f = *state;
    SCRIPT(f, {200, NULL, "{\"success\":true}"});
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_int_equal(meta_status_set(f->client, &f->context, TOKEN, ids[i], true, &f->status),
                         RPC_INVALID_ARGUMENT);
    assert_int_equal(f->request_count, 0);
}

static void a_status_must_take(void **state)
{
    static const struct {
        bool active;
        const char *read;
        enum rpc_code want;
    } rows[] = {
        {true, "{\"id\":\"1\",\"status\":\"ACTIVE\",\"effective_status\":\"ACTIVE\"}", RPC_OK},
        {true, "{\"status\":\"ACTIVE\",\"effective_status\":\"CAMPAIGN_PAUSED\"}", RPC_OK},
        {true, "{\"status\":\"ACTIVE\",\"effective_status\":\"PENDING_REVIEW\"}", RPC_OK},
        {true, "{\"effective_status\":\"ACTIVE\"}", RPC_OK},
        {false, "{\"status\":\"PAUSED\",\"effective_status\":\"PAUSED\"}", RPC_OK},
        {true, "{\"status\":\"PAUSED\",\"effective_status\":\"PAUSED\"}", RPC_UNAVAILABLE},
        {true, "{\"effective_status\":\"PAUSED\"}", RPC_UNAVAILABLE},
        {true, "{\"status\":\"DELETED\",\"effective_status\":\"DELETED\"}", RPC_UNAVAILABLE},
        {false, "{\"status\":\"ACTIVE\",\"effective_status\":\"ACTIVE\"}", RPC_UNAVAILABLE},
        {false, "{\"effective_status\":\"ACTIVE\"}", RPC_UNAVAILABLE},
        {false, "{\"id\":\"1\"}", RPC_UNAVAILABLE},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SCRIPT(f, {200, NULL, "{\"success\":true}"}, {200, NULL, rows[i].read});
        assert_int_equal(
            meta_status_set(f->client, &f->context, TOKEN, "1", rows[i].active, &f->status),
            rows[i].want);
        assert_non_null(
            strstr(f->requests[0].body, rows[i].active ? "status=ACTIVE&" : "status=PAUSED&"));
    }
}

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
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[256];
        (void)snprintf(body, sizeof body, "{\"data\":[{%s,\"date_start\":\"2026-02-05\"}]}",
                       rows[i].fields);
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
    struct fixture *f = *state;
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
        strstr(f->requests[0].target,
               "time_range=%7B%22since%22%3A%222026-01-07%22%2C%22until%22%3A%222026-02-05"
               "%22%7D&time_increment=1&level=campaign"));
    static const char *const bad[] = {"\"2026-02-30\"", "\"2026-2-3\"", "\"20260203\"", "null",
                                      "5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[128];
        (void)snprintf(body, sizeof body, "{\"data\":[{\"date_start\":%s}]}", bad[i]);
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
    assert_non_null(strstr(f->requests[0].target, "date_preset=maximum"));
    assert_null(strstr(f->requests[0].target, "time_range"));
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

static void items_are_written(void **state)
{
    struct fixture *f = *state;
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
    assert_int_equal(meta_items_submit(f->client, &f->context, TOKEN, "77", list, 2, &handles,
                                       &count, &f->status),
                     RPC_OK);
    assert_int_equal(count, 2);
    assert_string_equal(handles[1], "h2");
    const char *body = f->requests[0].body;
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
    struct fixture *f = *state;
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
    assert_int_equal(meta_items_submit(f->client, &f->context, TOKEN, "77", list, 5, &handles,
                                       &count, &f->status),
                     RPC_OK);
    assert_int_equal(count, 3); /* of 2, 2 and 1 */
    assert_int_equal(f->request_count, 4);
    /* One item cannot be halved. */
    SCRIPT(f, {500, NULL, reduce});
    assert_int_equal(meta_items_submit(f->client, &f->context, TOKEN, "77", list, 1, &handles,
                                       &count, &f->status),
                     RPC_UNAVAILABLE);
    assert_int_equal(f->request_count, 1);
    /* Nothing taken is a failure; so is an answer without handles. */
    SCRIPT(f, {200, NULL, "{\"handles\":[],\"validation_status\":[{\"retailer_id\":\"1\"}]}"});
    assert_int_equal(meta_items_submit(f->client, &f->context, TOKEN, "77", list, 5, &handles,
                                       &count, &f->status),
                     RPC_INVALID_ARGUMENT);
    SCRIPT(f, {200, NULL, "{\"handles\":[7]}"}, {200, NULL, "{\"handles\":[\"\"]}"});
    assert_int_equal(meta_items_submit(f->client, &f->context, TOKEN, "77", list, 1, &handles,
                                       &count, &f->status),
                     RPC_OK); /* a number will do */
    SCRIPT(f, {200, NULL, "{\"handles\":[\"\"]}"});
    assert_int_equal(meta_items_submit(f->client, &f->context, TOKEN, "77", list, 1, &handles,
                                       &count, &f->status),
                     RPC_UNAVAILABLE);
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
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[512];
        (void)snprintf(body, sizeof body, "{\"data\":[%s]}", rows[i].row);
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

static void work_stops_when_told_to(void **state)
{
    struct fixture *f = *state;
    const char *id = NULL;
    SCRIPT(f, {503, NULL, "down"});
    f->context.deadline_ms = clock_mono_ms() - 1;
    assert_int_equal(find(f, &id), RPC_DEADLINE_EXCEEDED);
    assert_int_equal(f->request_count, 0);
    atomic_bool cancelled = true;
    f->context.deadline_ms = INT64_MAX;
    f->context.cancelled = &cancelled;
    assert_int_equal(find(f, &id), RPC_CANCELLED);
    assert_int_equal(f->request_count, 0);
    f->context.cancelled = NULL;
    /* A deadline that leaves no room for another attempt ends it with what is known. */
    f->context.deadline_ms = clock_mono_ms() + 120;
    enum rpc_code code = find(f, &id);
    assert_true(code == RPC_UNAVAILABLE || code == RPC_DEADLINE_EXCEEDED);
}

static void answers_have_a_cap(void **state)
{
    struct fixture *f = *state;
    size_t len = (size_t)17 * 1024 * 1024;
    char *body = malloc(len + 1);
    memset(body, ' ', len);
    body[len] = '\0';
    body[0] = '{';
    body[len - 1] = '}';
    SCRIPT(f, {200, NULL, body});
    const char *id = NULL;
    assert_int_equal(create(f, &id), RPC_UNAVAILABLE);
    free(body);
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
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char body[512];
        (void)snprintf(body, sizeof body, "{\"data\":%s}", rows[i].data);
        SCRIPT(f, {200, NULL, body});
        struct meta_token_info info = {0};
        assert_int_equal(meta_token_debug(f->client, &f->context, TOKEN, &info, &f->status),
                         RPC_OK);
        assert_int_equal(info.valid, rows[i].valid);
        assert_int_equal(info.all_scopes, rows[i].all);
        assert_string_equal(f->requests[0].target,
                            "/v24.0/debug_token?input_token=" TOKEN "&access_token=42%7C" SECRET);
    }
    SCRIPT(f, {200, NULL, "{}"});
    struct meta_token_info info;
    assert_int_equal(meta_token_debug(f->client, &f->context, TOKEN, &info, &f->status),
                     RPC_UNAVAILABLE);
}

static void the_dialog_has_its_parameters(void **state)
{
    struct fixture *f = *state;
    const char *url = meta_dialog_url(f->client, "http://localhost:8080/cb", "a&b", &f->arena);
    char want[512];
    (void)snprintf(
        want, sizeof want,
        "%s/v24.0/dialog/oauth?client_id=42&redirect_uri=http%%3A%%2F%%2Flocalhost%%3A8080"
        "%%2Fcb&state=a%%26b&response_type=code&scope=ads_management%%2Cads_read%%2C"
        "business_management%%2Ccatalog_management%%2Cpages_show_list%%2C"
        "pages_read_engagement",
        f->url);
    assert_string_equal(url, want);
    assert_true(meta_client_configured(f->client));
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

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(errors_are_mapped),
        TEST(throttling_says_how_long),
        TEST(reads_are_repeated),
        TEST(a_code_is_exchanged_once),
        TEST(the_token_is_in_the_header_alone),
        TEST(lists_are_walked_on_our_base),
        TEST(bad_lists_are_refused),
        TEST(ids_cannot_change_the_path),
        TEST(a_status_must_take),
        TEST(figures_are_exact),
        TEST(days_are_read),
        TEST(items_are_written),
        TEST(batches_are_halved),
        TEST(batch_states_are_read),
        TEST(work_stops_when_told_to),
        TEST(answers_have_a_cap),
        TEST(tokens_are_checked),
        TEST(the_dialog_has_its_parameters),
        cmocka_unit_test(minor_units_are_metas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
