/* Calls of clients/meta: what goes out, what errors and lists become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/base/clock.h"
#include "test/unit/clients/meta_script.h"

/* A create: one attempt, whatever comes. */
static enum rpc_code create(struct meta_script *f, const char **ret_id)
{
    struct meta_create create = {
        .name = "A & B \"1\"", .ad_account_id = "act_1", .catalog_id = "77"};
    return meta_object_create(f->client, &f->context, TOKEN, META_CAMPAIGN, &create, ret_id,
                              &f->status);
}

/* A read. */
static enum rpc_code find(struct meta_script *f, const char **ret_id)
{
    return meta_object_find(f->client, &f->context, TOKEN, META_CAMPAIGN, "act_1", "wanted", ret_id,
                            &f->status);
}

static void assert_no_secret(const struct meta_script *f)
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
    struct meta_script *f = *state;
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
        assert_int_equal(meta_script_count(f), 1); /* a create is never repeated */
    }
}

static void throttling_says_how_long(void **state)
{
    static const struct {
        const char *headers;
        uint32_t want_ms;
    } rows[] = {
        {NULL, 5000},
        {"X-App-Usage: {\"call_count\":100,\"total_cputime\":1,\"total_time\":1}\r\n", 5000},
        {"X-Business-Use-Case-Usage: {\"1\":[{\"type\":\"ads_management\",\"call_count\":100,"
         "\"estimated_time_to_regain_access\":7}]}\r\n",
         7 * 60000},
        {"X-Business-Use-Case-Usage: {\"1\":[{\"estimated_time_to_regain_access\":1}],"
         "\"2\":[{\"estimated_time_to_regain_access\":2},{\"estimated_time_to_regain_access\":9}]}"
         "\r\n",
         9 * 60000},
        {"X-Business-Use-Case-Usage: [1]\r\n", 5000},
        {"X-Business-Use-Case-Usage: {\"1\":{\"estimated_time_to_regain_access\":7}}\r\n", 5000},
        {"X-Business-Use-Case-Usage: {\"1\":[{\"estimated_time_to_regain_access\":-7}]}\r\n", 5000},
        {"X-Business-Use-Case-Usage: {\"1\":[{\"estimated_time_to_regain_access\":"
         "99999999999999}]}\r\n",
         24u * 3600 * 1000},
        {"X-Business-Use-Case-Usage: not json\r\n", 5000},
        {"X-Ad-Account-Usage: {\"acc_id_util_pct\":100,\"reset_time_duration\":30}\r\n", 30000},
        {"Retry-After: 5\r\n", 5000},
        {"Retry-After: soon\r\n", 5000},
    };
    struct meta_script *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SCRIPT(f, {400, rows[i].headers, ERROR("\"code\":17")});
        const char *id = NULL;
        assert_int_equal(find(f, &id), RPC_RESOURCE_EXHAUSTED);
        if (f->status.retry_after_ms != rows[i].want_ms)
            fail_msg("row %zu: %u", i, f->status.retry_after_ms);
        assert_int_equal(meta_script_count(f), 1); /* the caller waits, not we */
    }
}

static void reads_are_repeated(void **state)
{
    struct meta_script *f = *state;
    const char *id = NULL;
    SCRIPT(f, {500, NULL, ERROR("\"code\":2")}, {0, NULL, ""},
           {200, NULL, "{\"data\":[{\"id\":\"7\",\"name\":\"wanted\"}]}"});
    assert_int_equal(find(f, &id), RPC_OK);
    assert_string_equal(id, "7");
    assert_int_equal(meta_script_count(f), 3);
    SCRIPT(f, {503, NULL, "down"});
    assert_int_equal(find(f, &id), RPC_UNAVAILABLE);
    assert_int_equal(meta_script_count(f), 4);
    /* What will not pass is not asked again. */
    SCRIPT(f, {400, NULL, ERROR("\"code\":190")});
    assert_int_equal(find(f, &id), RPC_UNAUTHENTICATED);
    assert_int_equal(meta_script_count(f), 1);
}

static void a_code_is_exchanged_once(void **state)
{
    struct meta_script *f = *state;
    struct meta_token token = {0};
    SCRIPT(f, {500, NULL, "down"});
    assert_int_equal(meta_code_exchange(f->client, &f->context, "c+d", "http://localhost/cb?x=1",
                                        &token, &f->status),
                     RPC_UNAVAILABLE);
    assert_int_equal(meta_script_count(f), 1);
    assert_string_equal(meta_script_request(f, 0)->target,
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

static void a_token_is_revoked(void **state)
{
    static const struct {
        struct answer answer;
        enum rpc_code want;
        size_t asked_min;
    } rows[] = {
        {{200, NULL, "{\"success\":true}"}, RPC_OK, 1},
        {{200, NULL, "{\"success\":false}"}, RPC_UNAVAILABLE, 1},
        {{200, NULL, "{}"}, RPC_UNAVAILABLE, 1},
        {{200, NULL, "true"}, RPC_UNAVAILABLE, 1},
        {{400, NULL, "{\"error\":{\"code\":190,\"error_subcode\":458}}"}, RPC_UNAUTHENTICATED, 1},
        {{400, NULL, "{\"error\":{\"code\":10}}"}, RPC_PERMISSION_DENIED, 1},
        {{500, NULL, "down"}, RPC_UNAVAILABLE, 2}, /* to revoke twice is to revoke once */
    };
    struct meta_script *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        meta_script_set(f, &rows[i].answer, 1);
        assert_int_equal(meta_token_revoke(f->client, &f->context, TOKEN, &f->status),
                         rows[i].want);
        assert_true(meta_script_count(f) >= rows[i].asked_min);
        assert_string_equal(meta_script_request(f, 0)->verb, "DELETE");
        assert_string_equal(meta_script_request(f, 0)->target,
                            "/v24.0/me/permissions?appsecret_proof=" PROOF);
        assert_non_null(
            strstr(meta_script_request(f, 0)->head, "Authorization: Bearer " TOKEN "\r\n"));
        if (rows[i].want != RPC_OK)
            assert_no_secret(f);
    }
}

static void the_token_is_in_the_header_alone(void **state)
{
    struct meta_script *f = *state;
    const char *id = NULL;
    SCRIPT(f, {200, NULL, "{\"id\":\"9\"}"});
    assert_int_equal(create(f, &id), RPC_OK);
    assert_string_equal(id, "9");
    assert_string_equal(meta_script_request(f, 0)->verb, "POST");
    assert_string_equal(meta_script_request(f, 0)->target, "/v24.0/act_1/campaigns");
    assert_non_null(strstr(meta_script_request(f, 0)->head, "Authorization: Bearer " TOKEN "\r\n"));
    assert_null(strstr(meta_script_request(f, 0)->body, TOKEN));
    assert_string_equal(
        meta_script_request(f, 0)->body,
        "name=A%20%26%20B%20%221%22&objective=OUTCOME_SALES&status=PAUSED&special_ad_categories="
        "%5B%5D&is_adset_budget_sharing_enabled=false&promoted_object=%7B%22product_catalog_id%22"
        "%3A%2277%22%7D&appsecret_proof=" PROOF);
    SCRIPT(f, {200, NULL, "{\"data\":[]}"});
    assert_int_equal(find(f, &id), RPC_OK);
    assert_null(strstr(meta_script_request(f, 0)->target, TOKEN));
    assert_non_null(strstr(meta_script_request(f, 0)->target, "appsecret_proof=" PROOF));
    assert_non_null(strstr(meta_script_request(f, 0)->head, "Authorization: Bearer " TOKEN "\r\n"));
}

static void lists_are_walked_on_our_base(void **state)
{
    struct meta_script *f = *state;
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
    assert_int_equal(meta_script_count(f), 3);
    assert_non_null(strstr(meta_script_request(f, 1)->target, "/v24.0/act_1/campaigns?"));
    assert_non_null(strstr(meta_script_request(f, 1)->target, "after=b%26c&"));
    /* Only `next` says where it goes on: its place is taken, and nothing else of it. */
    SCRIPT(f,
           {200, NULL,
            "{\"data\":[],\"paging\":{\"next\":\"http://192.0.2.1/evil?access_token=x&method=delete"
            "&limit=1&fields=evil&after=%C3%A4%26b+c#&offset=9\"}}"},
           {200, NULL, "{\"data\":[],\"paging\":{\"next\":\"/x?offset=25&__paging_token=p\"}}"},
           {200, NULL, "{\"data\":[],\"paging\":{\"next\":\"/x?offset=50&__paging_token=p\"}}"},
           {200, NULL, "{\"data\":[{\"id\":\"4\",\"name\":\"wanted\"}]}"});
    assert_int_equal(find(f, &id), RPC_OK);
    assert_string_equal(id, "4");
    const char *second = meta_script_request(f, 1)->target;
    assert_non_null(strstr(second, "/v24.0/act_1/campaigns?"));
    assert_non_null(strstr(second, "after=%C3%A4%26b%20c&"));
    assert_null(strstr(second, "evil"));
    assert_null(strstr(second, "method"));
    assert_null(strstr(second, "limit=1&"));
    assert_null(strstr(second, "access_token"));
    assert_null(strstr(second, "offset"));
    assert_non_null(strstr(meta_script_request(f, 3)->target, "offset=50&__paging_token=p&"));
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
        /* The same place again, and a next page that is nowhere. */
        "{\"data\":[],\"paging\":{\"cursors\":{\"after\":\"x\"},\"next\":\"http://a/\"}}",
        "{\"data\":[],\"paging\":{\"next\":\"http://a/?after=x\"}}",
        "{\"data\":[],\"paging\":{\"next\":\"http://a/?limit=1&method=delete&access_token=x\"}}",
        "{\"data\":[],\"paging\":{\"next\":\"http://a/?after=%00\"}}",
        "{\"data\":[],\"paging\":{\"next\":\"http://a/?after=%zz&page=\"}}",
        "{\"data\":[],\"paging\":{\"next\":\"http://a/#?after=x\",\"cursors\":{}}}",
        "{\"data\":[],\"paging\":{\"cursors\":{\"after\":\"\"},\"next\":\"http://a/\"}}",
    };
    struct meta_script *f = *state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const char *id = "untouched";
        SCRIPT(f, {200, NULL, bodies[i]});
        assert_int_equal(find(f, &id), RPC_UNAVAILABLE);
        assert_string_equal(id, "untouched");
        assert_true(meta_script_count(f) <= 2);
    }
}

static void ids_cannot_change_the_path(void **state)
{
    static const char *const ids[] = {
        "",   "1/2",  "..",  "1?x=1",
        "1#", "1%2f", "a b", "11111111111111111111111111111111111111111111111111111111111111111"};
    struct meta_script *f = *state;
    SCRIPT(f, {200, NULL, "{\"success\":true}"});
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_int_equal(meta_status_set(f->client, &f->context, TOKEN, ids[i], true, &f->status),
                         RPC_INVALID_ARGUMENT);
    assert_int_equal(meta_script_count(f), 0);
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
    struct meta_script *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SCRIPT(f, {200, NULL, "{\"success\":true}"}, {200, NULL, rows[i].read});
        assert_int_equal(
            meta_status_set(f->client, &f->context, TOKEN, "1", rows[i].active, &f->status),
            rows[i].want);
        assert_non_null(strstr(meta_script_request(f, 0)->body,
                               rows[i].active ? "status=ACTIVE&" : "status=PAUSED&"));
    }
}

static void work_stops_when_told_to(void **state)
{
    struct meta_script *f = *state;
    const char *id = NULL;
    SCRIPT(f, {503, NULL, "down"});
    f->context.deadline_ms = clock_mono_ms() - 1;
    assert_int_equal(find(f, &id), RPC_DEADLINE_EXCEEDED);
    assert_int_equal(meta_script_count(f), 0);
    atomic_bool cancelled = true;
    f->context.deadline_ms = INT64_MAX;
    f->context.cancelled = &cancelled;
    assert_int_equal(find(f, &id), RPC_CANCELLED);
    assert_int_equal(meta_script_count(f), 0);
    f->context.cancelled = NULL;
    /* A deadline that leaves no room for another attempt ends it with what is known. */
    f->context.deadline_ms = clock_mono_ms() + 120;
    enum rpc_code code = find(f, &id);
    assert_true(code == RPC_UNAVAILABLE || code == RPC_DEADLINE_EXCEEDED);
}

static void answers_have_a_cap(void **state)
{
    struct meta_script *f = *state;
    size_t len = (size_t)17 * 1024 * 1024;
    char *body = arena_alloc(&f->arena, len + 1); /* the server may outlive the call */
    assert_non_null(body);
    memset(body, ' ', len);
    body[len] = '\0';
    body[0] = '{';
    body[len - 1] = '}';
    SCRIPT(f, {200, NULL, body});
    const char *id = NULL;
    assert_int_equal(create(f, &id), RPC_UNAVAILABLE);
}

static void the_dialog_has_its_parameters(void **state)
{
    struct meta_script *f = *state;
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

int main(void)
{
#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, meta_script_setup, meta_script_teardown)
    const struct CMUnitTest tests[] = {
        TEST(errors_are_mapped),
        TEST(throttling_says_how_long),
        TEST(reads_are_repeated),
        TEST(a_code_is_exchanged_once),
        TEST(a_token_is_revoked),
        TEST(the_token_is_in_the_header_alone),
        TEST(lists_are_walked_on_our_base),
        TEST(bad_lists_are_refused),
        TEST(ids_cannot_change_the_path),
        TEST(a_status_must_take),
        TEST(work_stops_when_told_to),
        TEST(answers_have_a_cap),
        TEST(the_dialog_has_its_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
