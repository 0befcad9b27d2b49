/*
 * The OpenAPI document: of the contract itself, by samples of every kind of thing in it; of routes
 * that the contract has no use for; and what it refuses to be made of. That it is OpenAPI, and
 * true, is for outside judges to say (test/openapi).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <yajl/yajl_tree.h>

#include "rest/openapi_internal.h"
#include "test/unit/rest/proto/routes_sources.h"

#define DOCUMENT_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define DEPTH_MAX 16

static const struct openapi_page pages[] = {
    {.path = "/healthz",
     .operation_id = "getLiveness",
     .summary = "Lives",
     .description = "Lives.",
     .media_type = "application/json",
     .is_json = true},
    {.path = "/page",
     .operation_id = "getPage",
     .summary = "A page",
     .description = "A page.",
     .media_type = "text/html",
     .cacheable = true,
     .may_be_unavailable = true},
};

struct fixture {
    struct registry *registry;
    struct router *router;
    struct json_codec *codec;
    struct buffer text;
    yajl_val json;
};

static void open_registry(struct fixture *fixture, struct registry_sources sources)
{
    struct rpc_status status;
    *fixture = (struct fixture){0};
    if (registry_create(&sources, &fixture->registry, &status) != RPC_OK ||
        json_codec_create(fixture->registry, &json_options_api, &fixture->codec, &status) !=
            RPC_OK ||
        router_create(fixture->registry, &fixture->router, &status) != RPC_OK)
        fail_msg("%s", status.message);
    buffer_init(&fixture->text, DOCUMENT_BYTES_MAX);
}

static enum rpc_code write_document(struct fixture *fixture, bool is_local, struct buffer *out,
                                    struct rpc_status *status)
{
    const struct openapi_options options = {.registry = fixture->registry,
                                            .router = fixture->router,
                                            .codec = fixture->codec,
                                            .public_url = "https://api.example",
                                            .is_local = is_local,
                                            .pages = pages,
                                            .page_count = sizeof pages / sizeof pages[0]};
    return openapi_write(&options, out, status);
}

static void read_document(struct fixture *fixture)
{
    struct rpc_status status;
    char error[256] = "";
    size_t position = 0;
    if (write_document(fixture, false, &fixture->text, &status) != RPC_OK)
        fail_msg("%s", status.message);
    assert_true(json_text_check(buffer_span(&fixture->text), &position));
    fixture->json = yajl_tree_parse(buffer_cstring(&fixture->text), error, sizeof error);
    if (fixture->json == NULL)
        fail_msg("%s", error);
}

static void close_registry(struct fixture *fixture)
{
    yajl_tree_free(fixture->json);
    buffer_fini(&fixture->text);
    router_destroy(fixture->router);
    json_codec_destroy(fixture->codec);
    registry_destroy(fixture->registry);
}

static struct fixture contract;
static struct fixture odd;

static int start(void **state)
{
    (void)state;
    open_registry(&contract, registry_sources_get());
    read_document(&contract);
    open_registry(&odd, routes_sources_get());
    read_document(&odd);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    close_registry(&contract);
    close_registry(&odd);
    return 0;
}

/* --- looking things up --- */

static yajl_val step(yajl_val at, const char *name, size_t len)
{
    if (YAJL_IS_ARRAY(at)) {
        size_t index = 0;
        for (size_t i = 0; i < len; i++)
            index = index * 10 + (size_t)(name[i] - '0');
        return index < YAJL_GET_ARRAY(at)->len ? YAJL_GET_ARRAY(at)->values[index] : NULL;
    }
    for (size_t i = 0; YAJL_IS_OBJECT(at) && i < YAJL_GET_OBJECT(at)->len; i++) {
        const char *key = YAJL_GET_OBJECT(at)->keys[i];
        if (strlen(key) == len && memcmp(key, name, len) == 0)
            return YAJL_GET_OBJECT(at)->values[i];
    }
    return NULL;
}

/* By names and indexes with `|` between them; NULL if there is none. */
static yajl_val find(yajl_val at, const char *path)
{
    while (at != NULL && *path != '\0') {
        size_t len = strcspn(path, "|");
        at = step(at, path, len);
        path += len + (path[len] == '|');
    }
    return at;
}

/* As text again: the document has no white space, so that a part of it can be compared. */
static void print(yajl_val at, char *out, size_t size)
{
    struct {
        yajl_val value;
        size_t next;
    } stack[DEPTH_MAX];
    size_t depth = 1, used = 0;
    stack[0].value = at;
    stack[0].next = 0;
#define PUT(...)                                                      \
    do {                                                              \
        int written = snprintf(out + used, size - used, __VA_ARGS__); \
        assert_true(written >= 0 && (size_t)written < size - used);   \
        used += (size_t)written;                                      \
    } while (0)
    while (depth > 0) {
        yajl_val value = stack[depth - 1].value;
        size_t next = stack[depth - 1].next++;
        bool is_object = YAJL_IS_OBJECT(value);
        if (!is_object && !YAJL_IS_ARRAY(value)) {
            if (YAJL_IS_STRING(value))
                PUT("\"%s\"", YAJL_GET_STRING(value));
            else
                PUT("%s", YAJL_IS_TRUE(value)     ? "true"
                          : YAJL_IS_FALSE(value)  ? "false"
                          : YAJL_IS_NUMBER(value) ? YAJL_GET_NUMBER(value)
                                                  : "null");
            depth--;
            continue;
        }
        size_t count = is_object ? YAJL_GET_OBJECT(value)->len : YAJL_GET_ARRAY(value)->len;
        if (next == 0)
            PUT("%s", is_object ? "{" : "[");
        if (next == count) {
            PUT("%s", is_object ? "}" : "]");
            depth--;
            continue;
        }
        if (next > 0)
            PUT(",");
        if (is_object)
            PUT("\"%s\":", YAJL_GET_OBJECT(value)->keys[next]);
        assert_true(depth < DEPTH_MAX);
        stack[depth].value =
            is_object ? YAJL_GET_OBJECT(value)->values[next] : YAJL_GET_ARRAY(value)->values[next];
        stack[depth++].next = 0;
    }
#undef PUT
}

struct row {
    const char *path;
    const char *json; /* NULL: there is none */
};

static void check_rows(const struct fixture *fixture, const struct row *rows, size_t count)
{
    char text[8192];
    for (size_t i = 0; i < count; i++) {
        yajl_val found = find(fixture->json, rows[i].path);
        text[0] = '\0';
        if (found != NULL)
            print(found, text, sizeof text);
        if ((found == NULL) != (rows[i].json == NULL) ||
            (found != NULL && strcmp(text, rows[i].json) != 0))
            fail_msg("%s: %s", rows[i].path, text);
    }
}

#define CHECK(fixture, rows) check_rows(fixture, rows, sizeof rows / sizeof rows[0])
#define SCHEMA(name) "components|schemas|" name
#define REF(kind, name) "{\"$ref\":\"#/components/" kind "/" name "\"}"

/* --- the contract --- */

static void test_the_document_itself(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"openapi", "\"3.1.0\""},
        {"info|title", "\"Lotcast API\""},
        {"info|version", "\"v1\""},
        {"servers", "[{\"url\":\"https://api.example\",\"x-public-url\":\"https://api.example\"}]"},
        {"tags|0", "{\"name\":\"Auth\",\"description\":\"Accounts and sessions.\"}"},
        {"components|securitySchemes|session|in", "\"cookie\""},
        {"components|securitySchemes|session|name", "\"lotcast_session\""},
        {"paths|/api/nothing", NULL},
        /* Without a route, and for nobody outside. */
        {SCHEMA("CreateAdminRequest"), NULL},
        {SCHEMA("UserRecord"), NULL},
    };
    CHECK(&contract, rows);
}

static void test_operations(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"paths|/api/auth/login|post|operationId", "\"logIn\""},
        {"paths|/api/auth/login|post|tags", "[\"Auth\"]"},
        {"paths|/api/auth/login|post|summary", "\"Logs in\""},
        {"paths|/api/auth/login|post|security", "[]"},
        {"paths|/api/auth/login|get", NULL},
        {"paths|/api/auth/logout|post|security", "[{},{\"session\":[]}]"},
        {"paths|/api/auth/logout|post|requestBody|required", "false"},
        {"paths|/api/auth/session|get|security", "[{\"session\":[]}]"},
        {"paths|/api/auth/session|get|requestBody", NULL},
        {"paths|/api/customer/settings|patch|operationId", "\"updateSettings\""},
        {"paths|/api/customer/settings|get|operationId", "\"getSettings\""},
        {"paths|/api/auth/signup|post|requestBody|content|application/json|schema",
         REF("schemas", "SignUpRequest")},
        {"paths|/api/auth/signup|post|requestBody|required", "true"},
        {"paths|/api/webhooks/stripe|post|requestBody|content|application/json|schema",
         "{\"type\":\"object\"}"},
        {"paths|/admin/customers/{id}/suspend|post|requestBody|content|application/json|example",
         "{\"reason\":\"Chargebacks\"}"},
    };
    CHECK(&contract, rows);
}

#define PARAMETERS(path) "paths|" path "|parameters"
#define REQUEST_ID REF("parameters", "RequestId")

static void test_parameters(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {PARAMETERS("/api/auth/login|post"), "[" REQUEST_ID "]"},
        {PARAMETERS("/api/customer/dashboard|get"),
         "[" REF("parameters", "CustomerId") "," REF("parameters", "IfNoneMatch") "," REQUEST_ID
                                                                                  "]"},
        {PARAMETERS("/api/customer/billing/purchase|post"),
         "[" REF("parameters", "IdempotencyKey") "," REQUEST_ID "]"},
        {PARAMETERS("/api/customer/inventory|get") "|0|name", "\"page\""},
        {PARAMETERS("/api/customer/inventory|get") "|0|schema",
         "{\"type\":\"integer\",\"format\":\"int32\",\"minimum\":1,\"default\":1}"},
        {PARAMETERS("/api/customer/inventory|get") "|1|schema",
         "{\"type\":\"integer\",\"format\":\"int32\",\"minimum\":1,\"maximum\":200,"
         "\"default\":50}"},
        {PARAMETERS("/api/customer/inventory|get") "|2|schema",
         "{\"type\":\"string\",\"maxLength\":256}"},
        {PARAMETERS("/api/customer/inventory|get") "|0|required", NULL},
        {PARAMETERS("/api/customer/inventory|get") "|3|name", "\"filters[inStock]\""},
        {PARAMETERS("/api/customer/inventory|get") "|3|schema", "{\"type\":\"boolean\"}"},
        {PARAMETERS("/api/customer/inventory|get") "|4|schema",
         "{\"type\":\"number\",\"minimum\":0}"},
        {PARAMETERS("/api/customer/performance|get") "|0|schema",
         "{\"type\":\"string\",\"enum\":[\"7d\",\"30d\",\"90d\"]}"},
        {PARAMETERS("/admin/customers/{id}|get") "|0",
         "{\"name\":\"id\",\"in\":\"path\",\"description\":\"The customer's "
         "id.\",\"required\":true,"
         "\"schema\":{\"type\":\"string\"}}"},
        {PARAMETERS("/api/webhooks/stripe|post") "|0|name", "\"Stripe-Signature\""},
        {PARAMETERS("/api/webhooks/stripe|post") "|0|in", "\"header\""},
        {PARAMETERS("/api/auth/meta/callback|get") "|3|name", "\"error_reason\""},
        {"components|parameters|CustomerId|name", "\"X-Customer-ID\""},
        {"components|parameters|CustomerId|schema|maxLength", "18"},
        {"components|parameters|RequestId|schema",
         "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9._-]+$\",\"maxLength\":64}"},
        {"components|parameters|IfNoneMatch|schema", "{\"type\":\"string\"}"},
    };
    CHECK(&contract, rows);
}

#define RESPONSES(path) "paths|" path "|responses"
#define ANSWER(path) RESPONSES(path) "|200|content|application/json|schema"

static void test_answers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {RESPONSES("/api/customer/ads/sync|post") "|200|content|application/json|example",
         "{\"success\":true,\"inProgress\":false,\"itemsProcessed\":247,\"itemsAdded\":3,"
         "\"itemsUpdated\":12,\"itemsRemoved\":1}"},
        {RESPONSES("/api/customer/ads/sync|post") "|202|content|application/json|example",
         "{\"success\":true,\"inProgress\":true,\"itemsProcessed\":124,\"itemsAdded\":2,"
         "\"itemsUpdated\":0,\"itemsRemoved\":0}"},

        {ANSWER("/api/customer/dashboard|get"), REF("schemas", "GetDashboardResponse")},
        {RESPONSES("/api/customer/dashboard|get") "|304|content", NULL},
        {RESPONSES("/api/customer/dashboard|get") "|304|headers|ETag", REF("headers", "ETag")},
        {RESPONSES("/api/auth/session|get") "|304", NULL},
        {RESPONSES("/api/customer/ads/sync|post") "|202|content|application/json|schema",
         REF("schemas", "SyncResponse")},
        {RESPONSES("/api/customer/ads/pause|post") "|202", NULL},
        {RESPONSES("/api/auth/login|post") "|200|headers|Set-Cookie", REF("headers", "SetCookie")},
        {RESPONSES("/api/auth/meta/connect|get") "|200", NULL},
        {RESPONSES("/api/auth/meta/connect|get") "|302|headers|Location",
         REF("headers", "Location")},
        {RESPONSES("/api/customer/performance/export|get") "|200|content|text/csv|schema",
         "{\"type\":\"string\"}"},
        {RESPONSES("/api/customer/performance/export|get") "|200|headers|Content-Disposition",
         REF("headers", "ContentDisposition")},
        {RESPONSES("/healthz|get") "|200|content|application/json|schema", "{\"type\":\"object\"}"},
        {RESPONSES("/healthz|get") "|503", NULL},
        {RESPONSES("/page|get") "|503", REF("responses", "UNAVAILABLE")},
        {RESPONSES("/page|get") "|200|content|text/html|schema", "{\"type\":\"string\"}"},
        /* What the example leaves out is printed as the codec prints it. */
        {RESPONSES(
             "/api/customer/settings/scan-status|get") "|200|content|application/json|example",
         "{\"inProgress\":true,\"itemsFound\":124,\"pagesFetched\":40,\"error\":null}"},
    };
    CHECK(&contract, rows);
}

#define CODES(path, status) \
    RESPONSES(path)         \
    "|" status "|content|application/json|schema|properties|error|properties|code|enum"

static void test_errors(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {CODES("/api/onboarding/website|post", "400"),
         "[\"INVALID_JSON\",\"INVALID_ARGUMENT\",\"UNKNOWN_FIELD\",\"INVALID_URL\",\"BAD_"
         "REQUEST\"]"},
        {CODES("/api/onboarding/website|post", "403"), "[\"FORBIDDEN\",\"CROSS_ORIGIN\"]"},
        {CODES("/api/onboarding/website|post", "422"),
         "[\"WEBSITE_UNREACHABLE\",\"NO_ITEMS_FOUND\"]"},
        {CODES("/api/auth/login|post", "403"), "[\"CROSS_ORIGIN\",\"ACCOUNT_SUSPENDED\"]"},
        /* One code: a component of its name. */
        {RESPONSES("/api/auth/session|get") "|401", REF("responses", "AUTH_REQUIRED")},
        {RESPONSES("/api/auth/signup|post") "|409", REF("responses", "EMAIL_TAKEN")},
        {RESPONSES("/api/auth/signup|post") "|401", NULL},
        {RESPONSES("/api/webhooks/stripe|post") "|403", NULL}, /* from any origin */
        {RESPONSES("/api/auth/session|get") "|415", NULL},     /* no body */
        {RESPONSES("/api/customer/dashboard|get") "|405", NULL},
        /* To a browser that navigates there it is a page, and there is none. */
        {RESPONSES("/admin/audit|get") "|404", REF("responses", "NOT_FOUND")},
        {"components|responses|RATE_LIMITED|headers|Retry-After", REF("headers", "RetryAfter")},
        {"components|responses|AUTH_REQUIRED|headers|Set-Cookie", REF("headers", "SetCookie")},
        {"components|examples|AUTH_REQUIRED|value",
         "{\"error\":{\"code\":\"AUTH_REQUIRED\",\"message\":\"Please log in\"}}"},
        {RESPONSES(
             "/api/onboarding/website|post") "|400|content|application/json|examples|INVALID_URL|"
                                             "value",
         "{\"error\":{\"code\":\"INVALID_URL\",\"message\":\"Please enter a valid URL\","
         "\"details\":{\"field\":\"url\"}}}"},
        {SCHEMA("ErrorDetails|properties|position|type"), "\"integer\""},
        {SCHEMA("Error|required"), "[\"error\"]"},
    };
    CHECK(&contract, rows);
}

static void test_schemas(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* Requests: closed; what need not be there may be null. */
        {SCHEMA("LogInRequest|required"), "[\"email\",\"password\"]"},
        {SCHEMA("LogInRequest|additionalProperties"), "false"},
        {SCHEMA("LogInRequest|properties|password|format"), "\"password\""},
        {SCHEMA("SettingsUserChange|required"), NULL},
        {SCHEMA("SettingsUserChange|properties|company|type"), "[\"string\",\"null\"]"},
        {SCHEMA("SettingsUserChange|properties|company|minLength"), "1"},
        {SCHEMA("SettingsUserChange|properties|company|maxLength"), "200"},
        {SCHEMA("SettingsUserChange|properties|company|default"), NULL},
        {SCHEMA("SignUpRequest|properties|password|maxLength"), "256"},
        {SCHEMA("SignUpRequest|properties|password|minLength"), NULL}, /* bytes, no characters */
        {SCHEMA("TargetingInput|properties|countries|minItems"), "1"},
        {SCHEMA("TargetingInput|properties|countries|maxItems"), "25"},
        {SCHEMA("TargetingInput|properties|countries|items"),
         "{\"type\":\"string\",\"minLength\":2,\"maxLength\":2}"},
        {SCHEMA("AdjustCreditsRequest|properties|credits|minimum"), "-1000000000"},
        {SCHEMA("ListItemsResponse|properties|items|maxItems"), "200"},
        {SCHEMA("UpdateSettingsRequest|properties|website|oneOf|1"), "{\"type\":\"null\"}"},
        {SCHEMA("LaunchRequest|properties|monthlyBudget|type"), "\"number\""},
        {SCHEMA("LaunchRequest|properties|monthlyBudget|maximum"), "1000000"},
        {SCHEMA("LogOutRequest|properties"), "{}"},
        {SCHEMA("AdjustCreditsRequest|properties|id"), NULL}, /* the path has it */
        {SCHEMA("AdjustCreditsRequest|required"), "[\"credits\",\"reason\"]"},
        /* One message, two roles. */
        {SCHEMA("TargetingInput|additionalProperties"), "false"},
        {SCHEMA("Targeting|additionalProperties"), NULL},
        {SCHEMA("Targeting|required"), "[\"countries\",\"ageMin\",\"ageMax\"]"},
        /* Answers: open, all fields there, null only where it is said. */
        {SCHEMA("LogInResponse|required"), "[\"success\",\"redirectTo\"]"},
        {SCHEMA("LogInResponse|properties|sessionToken"), NULL},
        {SCHEMA("DashboardCredits|properties|daysEstimate|type"), "[\"integer\",\"null\"]"},
        {SCHEMA("DashboardPerformance|properties|ctr|type"), "\"number\""},
        {SCHEMA("GetDashboardResponse|properties|suggestion|oneOf"),
         "[" REF("schemas", "Suggestion") ",{\"type\":\"null\"}]"},
        {SCHEMA("GetSettingsResponse|properties|meta|allOf|0"), REF("schemas", "MetaConnection")},
        {SCHEMA("GetDashboardResponse|properties|status|enum|0"), "\"setup\""},
        {SCHEMA("GetDashboardResponse|properties|lastSyncAt|format"), "\"date-time\""},
        {SCHEMA("ListItemsResponse|properties|items|type"), "\"array\""},
        {SCHEMA("ListItemsResponse|properties|items|items"), REF("schemas", "Item")},
        {SCHEMA("Item|properties|price|type"), "[\"number\",\"null\"]"},
        {SCHEMA("CustomerSpend|properties|avgCPC|type"), "\"number\""},
    };
    CHECK(&contract, rows);
}

/* --- routes of every form --- */

static void test_odd_routes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"paths|/t/{x}|get|operationId", "\"Odd_GetBook_0\""},
        {"paths|/t/books/{inner.name}|get|parameters|0|name", "\"inner.name\""},
        {"paths|/t/books/{inner.name}/{inner.deep.size}|get|parameters|1|schema|type",
         "\"integer\""},
        {"paths|/t/{x}:cancel|post|operationId", "\"cancelBook\""},
        {"paths|/t/files/{x}|get|operationId", "\"readFile\""},
        {"paths|/t/files/{x}|get|responses|200|content|application/json|schema",
         REF("schemas", "Request")},
        {"paths|/t/tags/{x}|put|requestBody|content|application/json|schema|items",
         "{\"type\":\"string\"}"},
        {"paths|/t/tags/{x}|put|responses|200|content|application/json|schema|type", "\"array\""},
        {"paths|/t/uploads/{x}/empty|get|responses|200|content|application/octet-stream|schema",
         "{\"type\":\"string\"}"},
        {"paths|/t/mirror:$raw|post|requestBody|content|application/octet-stream|schema", "{}"},
        /* Verbs that OpenAPI has no place for. */
        {"paths|/t/books", NULL},
        {"paths|/t/uploads/{x}", NULL},
        /* The name has a request's and an answer's schema. */
        {SCHEMA("RequestInput|properties|kind|enum|0"), "\"KIND_LOST\""},
        {SCHEMA("RequestInput|properties|labels"),
         "{\"type\":[\"object\",\"null\"],\"additionalProperties\":{\"type\":\"string\"}}"},
        {SCHEMA("Request|properties|data|contentEncoding"), "\"base64\""},
        {SCHEMA("Request|properties|at"),
         "{\"type\":[\"string\",\"null\"],\"format\":\"date-time\"}"},
        {SCHEMA("Request|properties|any|type"), "[\"object\",\"null\"]"},
        {SCHEMA("Request|properties|value"), "{}"},
        {SCHEMA("Request|properties|large"),
         "{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":0}"},
        {SCHEMA("Request|properties|ratio|format"), "\"double\""},
        {SCHEMA("Answer|required"), "[\"method\",\"request\",\"tags\",\"file\"]"},
    };
    CHECK(&odd, rows);
    /* Members of a oneof may be missing. */
    yajl_val required = find(odd.json, SCHEMA("Request|required"));
    for (size_t i = 0; i < YAJL_GET_ARRAY(required)->len; i++)
        assert_string_not_equal(YAJL_GET_STRING(YAJL_GET_ARRAY(required)->values[i]), "left");
}

/* A reference that leads nowhere would be an error, a component that nobody wants a warning. */
static void check_references(const struct fixture *fixture)
{
    static const char *const kinds[] = {"schemas", "responses", "parameters", "examples",
                                        "headers"};
    const char *text = (const char *)fixture->text.data;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        yajl_val kind = find(find(fixture->json, "components"), kinds[i]);
        assert_true(YAJL_IS_OBJECT(kind));
        for (size_t j = 0; j < YAJL_GET_OBJECT(kind)->len; j++) {
            char reference[256];
            (void)snprintf(reference, sizeof reference, "\"#/components/%s/%s\"", kinds[i],
                           YAJL_GET_OBJECT(kind)->keys[j]);
            if (strstr(text, reference) == NULL && strstr(reference, "/Error\"") == NULL)
                fail_msg("nobody refers to %s", reference);
        }
    }
    for (const char *at = strstr(text, "\"#/"); at != NULL; at = strstr(at + 1, "\"#/")) {
        char path[256];
        size_t len = strcspn(at + 3, "\"");
        assert_true(len < sizeof path);
        memcpy(path, at + 3, len);
        path[len] = '\0';
        for (size_t i = 0; i < len; i++)
            path[i] = path[i] == '/' ? '|' : path[i];
        if (find(fixture->json, path) == NULL)
            fail_msg("there is no %s", path);
    }
}

static void test_references(void **state)
{
    (void)state;
    check_references(&contract);
    check_references(&odd);
}

static void test_the_same_declarations_give_the_same_bytes(void **state)
{
    (void)state;
    struct fixture again;
    open_registry(&again, registry_sources_get());
    read_document(&again);
    assert_int_equal(again.text.len, contract.text.len);
    assert_memory_equal(again.text.data, contract.text.data, contract.text.len);
    close_registry(&again);
    struct buffer local;
    struct rpc_status status;
    buffer_init(&local, DOCUMENT_BYTES_MAX);
    assert_int_equal(write_document(&contract, true, &local, &status), RPC_OK);
    assert_non_null(strstr(buffer_cstring(&local), "\"servers\":[{\"url\":\"/\","));
    buffer_fini(&local);
}

/* --- what it is not made of --- */

static void expect_refusal(struct fixture *fixture, size_t max, enum rpc_code code,
                           const char *in_message)
{
    struct rpc_status status;
    struct buffer out;
    buffer_init(&out, max);
    assert_int_equal(write_document(fixture, false, &out, &status), code);
    if (strstr(status.message, in_message) == NULL)
        fail_msg("%s", status.message);
    buffer_fini(&out);
}

static void test_examples_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *method, *example, *in_message;
        bool is_answer;
    } rows[] = {
        {"LogIn", "{", "LogInRequest", false},
        {"LogIn", "{\"email\":1}", "email", false},
        {"LogIn", "{\"nothing\":1}", "nothing", false},
        {"LogIn", "[]", "LogInRequest", false},
        {"LogIn", "{\"success\":\"yes\"}", "success", true},
        {"LogIn", "{}{}", "LogInResponse", true},
    };
    struct fixture fixture;
    open_registry(&fixture, registry_sources_get());
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "lotcast.v1.Auth/%s", rows[i].method);
        const struct registry_method *method =
            registry_method_find(fixture.registry, span_of_string(name));
        const struct registry_message *message = rows[i].is_answer ? method->output : method->input;
        Lotcast__V1__MessageRules *rules = (Lotcast__V1__MessageRules *)(uintptr_t)message->rules;
        char *kept = rules->example;
        rules->example = (char *)rows[i].example;
        expect_refusal(&fixture, DOCUMENT_BYTES_MAX, RPC_FAILED_PRECONDITION, rows[i].in_message);
        rules->example = kept;
    }
    close_registry(&fixture);
}

static void test_details_are_checked(void **state)
{
    (void)state;
    struct fixture fixture;
    open_registry(&fixture, registry_sources_get());
    const struct registry_method *method = registry_method_find(
        fixture.registry, span_of_string("lotcast.v1.Onboarding/ConnectWebsite"));
    assert_int_equal(method->rules->n_error_examples, 1);
    char *kept = method->rules->error_examples[0]->details;
    method->rules->error_examples[0]->details = (char *)"{field}";
    expect_refusal(&fixture, DOCUMENT_BYTES_MAX, RPC_FAILED_PRECONDITION, "INVALID_URL");
    method->rules->error_examples[0]->details = kept;
    close_registry(&fixture);
}

static void test_a_full_buffer(void **state)
{
    (void)state;
    expect_refusal(&contract, 0, RPC_RESOURCE_EXHAUSTED, "too large");
    expect_refusal(&contract, 1000, RPC_RESOURCE_EXHAUSTED, "too large");
    expect_refusal(&contract, contract.text.len - 1, RPC_RESOURCE_EXHAUSTED, "too large");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_document_itself),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_schemas),
        cmocka_unit_test(test_odd_routes),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_the_same_declarations_give_the_same_bytes),
        cmocka_unit_test(test_examples_are_checked),
        cmocka_unit_test(test_details_are_checked),
        cmocka_unit_test(test_a_full_buffer),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
