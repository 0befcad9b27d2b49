/*
 * Requests woven into messages: what path, query and body fill, in which forms, and what they may
 * not. Each row is one rule and one request.
 */
#include "test/unit/rest/routes_fixture.h"

#include <stdlib.h>

#include "google/api/httpbody.pb-c.h"
#include "rest/transcode.h"

#define JSON_BYTES_MAX ((size_t)1024 * 1024)

struct row {
    const char *rule; /* verb, template, and the body where there is one */
    const char *target;
    const char *body; /* NULL: none */
    const char *want; /* the message as JSON, set fields alone; or the reason and field */
};

struct weaver {
    struct routes_fixture *routes;
    struct json_codec *api;   /* that of the facade */
    struct json_codec *plain; /* prints what is set */
};

static struct weaver weaver;

/* --- one request --- */

static const struct route *only_route(const struct row *row, struct router **ret_router)
{
    static char verb[16], path[256], body[64];
    char *const parts[] = {verb, path, body};
    const size_t sizes[] = {sizeof verb, sizeof path, sizeof body};
    const char *at = row->rule;
    for (size_t i = 0; i < 3; i++) {
        size_t len = strcspn(at, " ");
        assert_true(len < sizes[i]);
        memcpy(parts[i], at, len);
        parts[i][len] = '\0';
        at += len + (at[len] == ' ');
    }
    const struct routes_rule rule = {verb, path, body};
    *ret_router = routes_must_create(weaver.routes, &rule, 1);
    return router_route_at(*ret_router, 0);
}

static const char *show_status(const struct rpc_status *status)
{
    const char *name = rpc_reason_get(status->reason)->name;
    if (status->position >= 0)
        return arena_printf(&weaver.routes->arena, "%s @%d", name, (int)status->position);
    return arena_printf(&weaver.routes->arena, "%s %s", name, status->field);
}

static const char *show_message(const ProtobufCMessage *message)
{
    struct buffer out;
    struct rpc_status status;
    buffer_init(&out, JSON_BYTES_MAX);
    if (json_print(weaver.plain, message, &out, &status) != RPC_OK)
        fail_msg("%s", status.message);
    const char *text = arena_strndup(&weaver.routes->arena, out.data, out.len);
    buffer_fini(&out);
    return text;
}

static const char *weave(const struct row *row)
{
    struct router *router;
    const struct route *route = only_route(row, &router);
    struct arena *arena = &weaver.routes->arena;
    struct path path;
    struct rpc_status status;
    ProtobufCMessage *message = NULL;
    char allow[ROUTER_ALLOW_BYTES];
    const char *question = strchr(row->target, '?');
    size_t path_len = question == NULL ? strlen(row->target) : (size_t)(question - row->target);
    arena_reset(arena);
    rpc_status_clear(&status);
    struct transcode_request request = {
        .codec = weaver.api, .route = route, .path = &path, .arena = arena};
    if (question != NULL)
        request.query = span_of_string(question + 1);
    if (row->body != NULL)
        request.body = span_of_string(row->body);
    const char *text = "404";
    if (path_split(span_of(row->target, path_len), arena, &path) &&
        router_match(router, &path, span_of_string(route->verb), &request.route, allow) ==
            ROUTER_FOUND)
        text = transcode_request(&request, &message, &status) == RPC_OK ? show_message(message)
                                                                        : show_status(&status);
    router_destroy(router);
    return text;
}

static void run_rows(const struct row *rows, size_t count)
{
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        const char *text = weave(&rows[i]);
        if (strcmp(text, rows[i].want) == 0)
            continue;
        print_error("%s: %s %s: %s, not %s\n", rows[i].rule, rows[i].target,
                    rows[i].body == NULL ? "" : rows[i].body, text, rows[i].want);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

#define RUN(rows) run_rows(rows, sizeof rows / sizeof rows[0])
#define BAD(field) "INVALID_ARGUMENT " field

/* --- paths --- */

static void test_path(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET /a/{x}", "/a/book", NULL, "{\"x\":\"book\"}"},
        {"GET /a/{x}", "/a/b%20%2F%C3%A9+", NULL, "{\"x\":\"b /\xc3\xa9+\"}"},
        {"GET /a/{x=b/*}", "/a/b/%2F%20", NULL, "{\"x\":\"b/%2F \"}"},
        {"GET /a/{x=**}", "/a/b/c%2fd", NULL, "{\"x\":\"b/c%2fd\"}"},
        {"GET /a/{x=**}", "/a", NULL, "{}"},
        {"GET /a/{x=b/**}", "/a/b", NULL, "{\"x\":\"b\"}"},
        {"GET /{x}/{y}", "/1/2", NULL, "{\"x\":\"1\",\"y\":\"2\"}"},
        {"GET /{x=a/*}/{y=b/*}:z", "/a/1/b/2:z", NULL, "{\"x\":\"a/1\",\"y\":\"b/2\"}"},
        {"GET /a/{inner.name}", "/a/n", NULL, "{\"inner\":{\"name\":\"n\"}}"},
        {"GET /a/{inner.name}/{inner.deep.id}", "/a/n/i", NULL,
         "{\"inner\":{\"name\":\"n\",\"deep\":{\"id\":\"i\"}}}"},
        {"GET /a/{snake_case_name}/{other}", "/a/n/o", NULL,
         "{\"snakeCaseName\":\"n\",\"@odd\":\"o\"}"},
        {"GET /a/{left}", "/a/l", NULL, "{\"left\":\"l\"}"},
        {"GET /a/{right}", "/a/0", NULL, "{\"right\":0}"},
        {"GET /a/{middle.name}", "/a/m", NULL, "{\"middle\":{\"name\":\"m\"}}"},
        {"GET /a/{left}/{right}", "/a/l/1", NULL, BAD("right")},
        {"GET /a/{number}", "/a/-7", NULL, "{\"number\":-7}"},
        {"GET /a/{number}", "/a/%2D%37", NULL, "{\"number\":-7}"},
        {"GET /a/{big}", "/a/9007199254740991", NULL, "{\"big\":\"9007199254740991\"}"},
        {"GET /a/{flag}/{kind}", "/a/true/KIND_USED", NULL,
         "{\"flag\":true,\"kind\":\"KIND_USED\"}"},
        {"GET /a/{kind}", "/a/1", NULL, "{\"kind\":\"KIND_NEW\"}"},
        {"GET /a/{kind}", "/a/-1", NULL, "{\"kind\":\"KIND_LOST\"}"},
        {"GET /a/{data}", "/a/AP_-", NULL, "{\"data\":\"AP/+\"}"},
        {"GET /a/{data}", "/a/AP%2F%2B", NULL, "{\"data\":\"AP/+\"}"},
        {"GET /a/{ratio}", "/a/1.5e3", NULL, "{\"ratio\":1500}"},
        {"GET /a/{number}", "/a/x", NULL, BAD("number")},
        {"GET /a/{number}", "/a/1.5", NULL, BAD("number")},
        {"GET /a/{number}", "/a/2147483648", NULL, BAD("number")},
        {"GET /a/{number}", "/a/%201", NULL, BAD("number")},
        {"GET /a/{number=**}", "/a", NULL, BAD("number")},
        {"GET /a/{number=**}", "/a/1/2", NULL, BAD("number")},
        {"GET /a/{small}", "/a/-1", NULL, BAD("small")},
        {"GET /a/{flag}", "/a/1", NULL, BAD("flag")},
        {"GET /a/{flag}", "/a/True", NULL, BAD("flag")},
        {"GET /a/{kind}", "/a/used", NULL, BAD("kind")},
        {"GET /a/{data}", "/a/!", NULL, BAD("data")},
        {"GET /a/{inner.deep.size}", "/a/9007199254740992", NULL, BAD("inner.deep.size")},
        {"GET /a/{x}", "/a/%2e%2e", NULL, "404"},
        {"GET /a/{x}", "/a/%ff", NULL, "404"},
        {"GET /a/{x}", "/a/b/c", NULL, "404"},
        {"GET /a/*/{x}", "/a/b/c", NULL, "{\"x\":\"c\"}"},
        {"GET /a/**", "/a/b/c", NULL, "{}"},
    };
    RUN(rows);
}

/* --- queries --- */

static void test_query_names(void **state)
{
    (void)state;
#define A "GET /a"
    static const struct row rows[] = {
        {A, "/a", NULL, "{}"},
        {A, "/a?", NULL, "{}"},
        {A, "/a?&&", NULL, "{}"},
        {A, "/a?x=1", NULL, "{\"x\":\"1\"}"},
        {A, "/a?x=1&y=2&z=3", NULL, "{\"x\":\"1\",\"y\":\"2\",\"z\":\"3\"}"},
        {A, "/a?&x=1&&y=2&", NULL, "{\"x\":\"1\",\"y\":\"2\"}"},
        {A, "/a?%78=1", NULL, "{\"x\":\"1\"}"},
        {A, "/a?snakeCaseName=1", NULL, "{\"snakeCaseName\":\"1\"}"},
        {A, "/a?inner.name=n", NULL, "{\"inner\":{\"name\":\"n\"}}"},
        {A, "/a?inner[name]=n", NULL, "{\"inner\":{\"name\":\"n\"}}"},
        {A, "/a?inner%5Bname%5D=n", NULL, "{\"inner\":{\"name\":\"n\"}}"},
        {A, "/a?inner%2Ename=n", NULL, "{\"inner\":{\"name\":\"n\"}}"},
        {A, "/a?inner.deep.id=i&inner.deep.size=5&inner.number=2", NULL,
         "{\"inner\":{\"number\":2,\"deep\":{\"id\":\"i\",\"size\":\"5\"}}}"},
        {A, "/a?inner[deep][id]=i&inner.deep[flag]=true&inner[deep].size=5", NULL,
         "{\"inner\":{\"deep\":{\"id\":\"i\",\"flag\":true,\"size\":\"5\"}}}"},
        {A, "/a?left=l", NULL, "{\"left\":\"l\"}"},
        {A, "/a?middle.name=l&middle.number=1", NULL, "{\"middle\":{\"name\":\"l\",\"number\":1}}"},
        {A, "/a?left=l&right=1", NULL, BAD("right")},
        {A, "/a?left=&right=1", NULL, BAD("right")},
        {A, "/a?left=l&middle.name=1", NULL, BAD("middle.name")},
        {A, "/a?nothing=1", NULL, BAD("nothing")},
        {A, "/a?nothing", NULL, BAD("nothing")},
        {A, "/a?X=1", NULL, BAD("X")},
        {A, "/a?snake_case_name=1", NULL, BAD("snake_case_name")},
        {A, "/a?other=1", NULL, BAD("other")},
        {A, "/a?@odd=1", NULL, BAD("@odd")},
        {A, "/a?inner=n", NULL, BAD("inner")},
        {A, "/a?inner.nothing=n", NULL, BAD("inner.nothing")},
        {A, "/a?inner.name.x=n", NULL, BAD("inner.name.x")},
        {A, "/a?inner.deep=n", NULL, BAD("inner.deep")},
        {A, "/a?x.y=n", NULL, BAD("x.y")},
        {A, "/a?inner.=n", NULL, BAD("inner.")},
        {A, "/a?.inner.name=n", NULL, BAD(".inner.name")},
        {A, "/a?inner..name=n", NULL, BAD("inner..name")},
        {A, "/a?inner[name=n", NULL, BAD("inner[name")},
        {A, "/a?inner]name[=n", NULL, BAD("inner]name[")},
        {A, "/a?inner[]=n", NULL, BAD("inner[]")},
        {A, "/a?[inner]name=n", NULL, BAD("[inner]name")},
        {A, "/a?inner/name=n", NULL, BAD("inner/name")},
        {A, "/a?=n", NULL, BAD("")},
        {A, "/a?x%00=n", NULL, BAD("")},
        {A, "/a?%ff=n", NULL, BAD("")},
        {A, "/a?x%=n", NULL, BAD("")},
        {A, "/a?inners.name=n", NULL, BAD("inners.name")},
        {A, "/a?inners[0].name=n", NULL, BAD("inners.0.name")},
        {A, "/a?inners=n", NULL, BAD("inners")},
        {A, "/a?labels=n", NULL, BAD("labels")},
        {A, "/a?labels.k=n", NULL, BAD("labels.k")},
        {A, "/a?labels[k]=n", NULL, BAD("labels.k")},
        {A, "/a?text.value=n", NULL, BAD("text.value")},
        {A, "/a?at.seconds=1", NULL, BAD("at.seconds")},
        {A, "/a?mask.paths=x", NULL, BAD("mask.paths")},
        {A, "/a?any=1", NULL, BAD("any")},
        {A, "/a?any.fields=1", NULL, BAD("any.fields")},
        {A, "/a?file=1", NULL, BAD("file")},
        {A, "/a?tags[0]=1", NULL, BAD("tags.0")},
        {A, "/a?tags[]=1", NULL, BAD("tags[]")},
        {A, "/a?__proto__=1", NULL, BAD("__proto__")},
    };
    RUN(rows);
}

static void test_query_values(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {A, "/a?x=Hello%20world", NULL, "{\"x\":\"Hello world\"}"},
        {A, "/a?x=Hello+world&y=%2B+%20", NULL, "{\"x\":\"Hello world\",\"y\":\"+  \"}"},
        {A, "/a?x=%24%25%2F%20%0A", NULL, "{\"x\":\"$%/ \\n\"}"},
        {A, "/a?x=a=b&y==", NULL, "{\"x\":\"a=b\",\"y\":\"=\"}"},
        {A, "/a?x=a%26y%3D1", NULL, "{\"x\":\"a&y=1\"}"},
        {A, "/a?x=a?b/c:d@e!$'()*,;", NULL, "{\"x\":\"a?b/c:d@e!$'()*,;\"}"},
        {A, "/a?x=%2525", NULL, "{\"x\":\"%25\"}"},
        {A, "/a?x=%e2%82%AC", NULL, "{\"x\":\"\xe2\x82\xac\"}"},
        {A, "/a?x=", NULL, "{}"},
        {A, "/a?x", NULL, "{}"},
        {A, "/a?text=", NULL, "{\"text\":\"\"}"},
        {A, "/a?text", NULL, "{\"text\":\"\"}"},
        {A, "/a?text=t&count=5&sure=false", NULL, "{\"text\":\"t\",\"count\":5,\"sure\":false}"},
        {A, "/a?count=0", NULL, "{\"count\":0}"},
        {A, "/a?number=-0", NULL, "{}"},
        {A, "/a?number=-2147483648", NULL, "{\"number\":-2147483648}"},
        {A, "/a?small=4294967295", NULL, "{\"small\":4294967295}"},
        {A, "/a?big=-9007199254740991", NULL, "{\"big\":\"-9007199254740991\"}"},
        {A, "/a?large=9007199254740991", NULL, "{\"large\":\"9007199254740991\"}"},
        {A, "/a?ratio=-1.25&part=0.5", NULL, "{\"ratio\":-1.25,\"part\":0.5}"},
        {A, "/a?ratio=1e-3", NULL, "{\"ratio\":0.001}"},
        {A, "/a?flag=true", NULL, "{\"flag\":true}"},
        {A, "/a?flag=false", NULL, "{}"},
        {A, "/a?kind=KIND_NEW", NULL, "{\"kind\":\"KIND_NEW\"}"},
        {A, "/a?kind=2", NULL, "{\"kind\":\"KIND_USED\"}"},
        {A, "/a?kind=-1", NULL, "{\"kind\":\"KIND_LOST\"}"},
        {A, "/a?data=aGk", NULL, "{\"data\":\"aGk=\"}"},
        {A, "/a?data=aGk%3D", NULL, "{\"data\":\"aGk=\"}"},
        {A, "/a?data=aGk=", NULL, "{\"data\":\"aGk=\"}"},
        {A, "/a?data=-_8", NULL, "{\"data\":\"+/8=\"}"},
        {A, "/a?data=%2B%2F8", NULL, "{\"data\":\"+/8=\"}"},
        {A, "/a?inner.deep.flag=true", NULL, "{\"inner\":{\"deep\":{\"flag\":true}}}"},
        {A, "/a?x=%00", NULL, BAD("x")},
        {A, "/a?x=%", NULL, BAD("x")},
        {A, "/a?x=%4", NULL, BAD("x")},
        {A, "/a?x=%zz", NULL, BAD("x")},
        {A, "/a?x=%ff", NULL, BAD("x")},
        {A, "/a?x=%c0%80", NULL, BAD("x")},
        {A, "/a?x=%ed%a0%80", NULL, BAD("x")},
        {A, "/a?number=", NULL, BAD("number")},
        {A, "/a?number", NULL, BAD("number")},
        {A, "/a?number=x", NULL, BAD("number")},
        {A, "/a?number=1.0", NULL, BAD("number")},
        {A, "/a?number=1e2", NULL, BAD("number")},
        {A, "/a?number=+1", NULL, BAD("number")},
        {A, "/a?number=%2B1", NULL, BAD("number")},
        {A, "/a?number=01", NULL, BAD("number")},
        {A, "/a?number=0x1", NULL, BAD("number")},
        {A, "/a?number=1%00", NULL, BAD("number")},
        {A, "/a?number=\"1\"", NULL, BAD("number")},
        {A, "/a?number=null", NULL, BAD("number")},
        {A, "/a?number=2147483648", NULL, BAD("number")},
        {A, "/a?small=-1", NULL, BAD("small")},
        {A, "/a?small=4294967296", NULL, BAD("small")},
        {A, "/a?big=9007199254740992", NULL, BAD("big")},
        {A, "/a?large=-1", NULL, BAD("large")},
        {A, "/a?ratio=1e400", NULL, BAD("ratio")},
        {A, "/a?ratio=.5", NULL, BAD("ratio")},
        {A, "/a?part=1e39", NULL, BAD("part")},
        {A, "/a?flag=", NULL, BAD("flag")},
        {A, "/a?flag", NULL, BAD("flag")},
        {A, "/a?flag=TRUE", NULL, BAD("flag")},
        {A, "/a?flag=1", NULL, BAD("flag")},
        {A, "/a?flag=yes", NULL, BAD("flag")},
        {A, "/a?kind=", NULL, BAD("kind")},
        {A, "/a?kind=kind_new", NULL, BAD("kind")},
        {A, "/a?kind=NEW", NULL, BAD("kind")},
        {A, "/a?kind=1.0x", NULL, BAD("kind")},
        {A, "/a?data=a", NULL, BAD("data")},
        {A, "/a?data=a b", NULL, BAD("data")},
        {A, "/a?data=aG%0Ak", NULL, BAD("data")},
        {A, "/a?count=x", NULL, BAD("count")},
        {A, "/a?count=", NULL, BAD("count")},
        {A, "/a?sure=null", NULL, BAD("sure")},
    };
    RUN(rows);
}

static void test_query_repeated(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {A, "/a?tags=a", NULL, "{\"tags\":[\"a\"]}"},
        {A, "/a?tags=a&tags=b&tags=a", NULL, "{\"tags\":[\"a\",\"b\",\"a\"]}"},
        {A, "/a?tags=&tags", NULL, "{\"tags\":[\"\",\"\"]}"},
        {A, "/a?tags=a,b", NULL, "{\"tags\":[\"a,b\"]}"},
        {A, "/a?tags=a&x=1&%74ags=b", NULL, "{\"x\":\"1\",\"tags\":[\"a\",\"b\"]}"},
        {A, "/a?numbers=1&numbers=-2&numbers=3", NULL, "{\"numbers\":[1,-2,3]}"},
        {A, "/a?kinds=KIND_NEW&kinds=2&kinds=0", NULL,
         "{\"kinds\":[\"KIND_NEW\",\"KIND_USED\",\"KIND_UNSPECIFIED\"]}"},
        {A, "/a?texts=a&texts=", NULL, "{\"texts\":[\"a\",\"\"]}"},
        {A, "/a?blobs=AA&blobs=", NULL, "{\"blobs\":[\"AA==\",\"\"]}"},
        {A, "/a?inner.tags=a&inner[tags]=b", NULL, "{\"inner\":{\"tags\":[\"a\",\"b\"]}}"},
        {A, "/a?inner.tags=a&inner.name=n&inner.tags=b", NULL,
         "{\"inner\":{\"name\":\"n\",\"tags\":[\"a\",\"b\"]}}"},
        {A, "/a?x=1&x=1", NULL, BAD("x")},
        {A, "/a?x=1&%78=2", NULL, BAD("x")},
        {A, "/a?x&x", NULL, BAD("x")},
        {A, "/a?text=1&text=1", NULL, BAD("text")},
        {A, "/a?inner.name=1&inner.name=2", NULL, BAD("inner.name")},
        {A, "/a?inner.name=1&inner[name]=1", NULL, BAD("inner.name")},
        {A, "/a?tags=1&flag=true&tags=2&flag=true", NULL, BAD("flag")},
        {A, "/a?left=1&left=1", NULL, BAD("left")},
        {A, "/a?numbers=1&numbers=x", NULL, BAD("numbers")},
        {A, "/a?numbers=1,2", NULL, BAD("numbers")},
        {A, "/a?numbers=", NULL, BAD("numbers")},
        {A, "/a?numbers=[1]", NULL, BAD("numbers")},
        {A, "/a?kinds=KIND_NEW&kinds=x", NULL, BAD("kinds")},
    };
    RUN(rows);
}

/* Messages that JSON shows as one text, in a query, a path and a body. */
static void test_known_messages(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {A, "/a?at=2026-02-06T20:00:00Z", NULL, "{\"at\":\"2026-02-06T20:00:00Z\"}"},
        {A, "/a?at=2026-02-06T20:00:00%2B01:00", NULL, "{\"at\":\"2026-02-06T19:00:00Z\"}"},
        {A, "/a?at=2026-02-06T20%3A00%3A00.25Z", NULL, "{\"at\":\"2026-02-06T20:00:00.250Z\"}"},
        {A, "/a?delay=1.5s", NULL, "{\"delay\":\"1.500s\"}"},
        {A, "/a?delay=-3s", NULL, "{\"delay\":\"-3s\"}"},
        {A, "/a?mask=x,inner.deepName", NULL, "{\"mask\":\"x,inner.deepName\"}"},
        {A, "/a?mask=x%2Cy", NULL, "{\"mask\":\"x,y\"}"},
        {A, "/a?mask=", NULL, "{\"mask\":\"\"}"},
        {A, "/a?times=2026-02-06T20:00:00Z&times=2026-02-07T20:00:00Z", NULL,
         "{\"times\":[\"2026-02-06T20:00:00Z\",\"2026-02-07T20:00:00Z\"]}"},
        {A, "/a?inner.deep.at=2026-02-06T20:00:00Z", NULL,
         "{\"inner\":{\"deep\":{\"at\":\"2026-02-06T20:00:00Z\"}}}"},
        {A, "/a?at=", NULL, BAD("at")},
        {A, "/a?at=2026-02-06", NULL, BAD("at")},
        {A, "/a?at=2026-02-06T20:00:00", NULL, BAD("at")},
        {A, "/a?at=2026-02-06T20:00:00+01:00", NULL, BAD("at")}, /* a plus is a space */
        {A, "/a?at=2026-02-30T20:00:00Z", NULL, BAD("at")},
        {A, "/a?at=\"2026-02-06T20:00:00Z\"", NULL, BAD("at")},
        {A, "/a?at=0", NULL, BAD("at")},
        {A, "/a?at=2026-02-06T20:00:00Z&at=2026-02-06T20:00:00Z", NULL, BAD("at")},
        {A, "/a?delay=1", NULL, BAD("delay")},
        {A, "/a?delay=1.5", NULL, BAD("delay")},
        {A, "/a?delay=s", NULL, BAD("delay")},
        {A, "/a?delay=1m", NULL, BAD("delay")},
        {A, "/a?mask=in_stock", NULL, BAD("mask")},
        {A, "/a?times=x", NULL, BAD("times")},
        {A, "/a?value=1", NULL, BAD("value")},
        {A, "/a?list=1", NULL, BAD("list")},
        {A, "/a?value.stringValue=1", NULL, BAD("value.stringValue")},
        {"POST /a at", "/a", "\"2026-02-06T20:00:00Z\"", "{\"at\":\"2026-02-06T20:00:00Z\"}"},
        {"POST /a times", "/a", "[\"2026-02-06T20:00:00Z\"]",
         "{\"times\":[\"2026-02-06T20:00:00Z\"]}"},
        {"POST /a any", "/a", "{\"k\":[1,null]}", "{\"any\":{\"k\":[1,null]}}"},
        {"POST /a value", "/a", "\"v\"", "{\"value\":\"v\"}"},
        {"POST /a value", "/a", "null", "{\"value\":null}"},
        {"POST /a list", "/a", "[1,\"a\"]", "{\"list\":[1,\"a\"]}"},
        {"POST /a mask", "/a", "\"x,y\"", "{\"mask\":\"x,y\"}"},
        {"POST /a at", "/a", "{}", BAD("at")},
        {"POST /a at", "/a", "\"20\"", BAD("at")},
        {"POST /a list", "/a", "{}", BAD("list")},
        {"POST /a any", "/a", "[]", BAD("any")},
    };
    RUN(rows);
}

/* A parameter fills what neither path nor body does. */
static void test_query_beside(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET /a/{x}", "/a/1?y=2", NULL, "{\"x\":\"1\",\"y\":\"2\"}"},
        {"GET /a/{x}/{y}", "/a/1/2?z=3&tags=4", NULL,
         "{\"x\":\"1\",\"y\":\"2\",\"z\":\"3\",\"tags\":[\"4\"]}"},
        {"GET /a/{inner.name}", "/a/n?inner.number=2", NULL,
         "{\"inner\":{\"name\":\"n\",\"number\":2}}"},
        {"GET /a/{inner.name}", "/a/n?inner.deep.id=2", NULL,
         "{\"inner\":{\"name\":\"n\",\"deep\":{\"id\":\"2\"}}}"},
        {"GET /a/{x}", "/a/1?x=1", NULL, BAD("x")},
        {"GET /a/{x}", "/a/1?%78=2", NULL, BAD("x")},
        {"GET /a/{inner.name}", "/a/n?inner.name=n", NULL, BAD("inner.name")},
        {"GET /a/{inner.name}", "/a/n?inner[name]=m", NULL, BAD("inner.name")},
        {"GET /a/{left}", "/a/1?right=1", NULL, BAD("left")},
        {"POST /a", "/a?x=1", NULL, "{\"x\":\"1\"}"},
        {"DELETE /a/{x}", "/a/1?y=2&flag=true", NULL, "{\"x\":\"1\",\"y\":\"2\",\"flag\":true}"},
        {"LIST /a/{x}", "/a/1?y=2", NULL, "{\"x\":\"1\",\"y\":\"2\"}"},
        {"POST /a inner", "/a?x=1", "{\"name\":\"n\"}", "{\"x\":\"1\",\"inner\":{\"name\":\"n\"}}"},
        {"POST /a/{y} inner", "/a/2?x=1", "{\"name\":\"n\"}",
         "{\"x\":\"1\",\"y\":\"2\",\"inner\":{\"name\":\"n\"}}"},
        {"POST /a inner", "/a?inner.number=1", "{\"name\":\"n\"}", BAD("inner.number")},
        {"POST /a inner", "/a?inner.number=1", NULL, BAD("inner.number")},
        {"POST /a inner", "/a?inner=1", "{}", BAD("inner")},
        {"POST /a tags", "/a?tags=1", "[]", BAD("tags")},
        {"POST /a x", "/a?x=1", NULL, BAD("x")},
        {"POST /a *", "/a?x=1", "{}", BAD("x")},
        {"POST /a *", "/a?x=1", NULL, BAD("x")},
        {"POST /a *", "/a?nothing", NULL, BAD("nothing")},
        {"POST /a/{x} *", "/a/1?y=1", "{}", BAD("y")},
        {"POST /a *", "/a?", "{\"x\":\"1\"}", "{\"x\":\"1\"}"},
    };
    RUN(rows);
}

/* --- bodies --- */

static void test_bodies(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"POST /a *", "/a", "{\"x\":\"1\",\"inner\":{\"name\":\"n\"}}",
         "{\"x\":\"1\",\"inner\":{\"name\":\"n\"}}"},
        {"POST /a *", "/a", NULL, "{}"},
        {"POST /a *", "/a", "{}", "{}"},
        {"POST /a *", "/a", " {\"x\":null} ", "{}"},
        {"POST /a *", "/a", "{\"nothing\":1}", "UNKNOWN_FIELD nothing"},
        {"POST /a *", "/a", "{\"number\":\"1\"}", BAD("number")},
        {"POST /a *", "/a", "{\"x\":1,}", "INVALID_JSON @7"},
        {"POST /a *", "/a", "x", "INVALID_JSON @0"},
        {"POST /a *", "/a", "{\"left\":\"a\",\"right\":1}", BAD("right")},
        {"POST /a", "/a", "{\"x\":\"1\"}", "{}"},
        {"PATCH /a inner", "/a", "{\"name\":\"n\",\"deep\":{\"size\":5}}",
         "{\"inner\":{\"name\":\"n\",\"deep\":{\"size\":\"5\"}}}"},
        {"PATCH /a inner", "/a", "{}", "{\"inner\":{}}"},
        {"PATCH /a inner", "/a", NULL, "{}"},
        {"PATCH /a inner", "/a", "{\"inner\":{}}", "UNKNOWN_FIELD inner"},
        {"PATCH /a inner", "/a", "{\"name\":1}", BAD("name")},
        {"PATCH /a inner", "/a", "{\"deep\":{\"size\":1.5}}", BAD("deep.size")},
        {"PATCH /a inner", "/a", "{\"name\":\"n\"", "INVALID_JSON @11"},
        {"POST /a middle", "/a", "{\"name\":\"n\"}", "{\"middle\":{\"name\":\"n\"}}"},
        {"POST /a middle", "/a?left=l", "{\"name\":\"n\"}", BAD("left")},
        {"POST /a x", "/a", "\"text\"", "{\"x\":\"text\"}"},
        {"POST /a x", "/a", " \"t\\u00e9\" ", "{\"x\":\"t\xc3\xa9\"}"},
        {"POST /a x", "/a", "null", "{}"},
        {"POST /a x", "/a", NULL, "{}"},
        {"POST /a x", "/a", "1", BAD("x")},
        {"POST /a x", "/a", "{}", BAD("x")},
        {"POST /a x", "/a", "text", "INVALID_JSON @0"},
        {"POST /a x", "/a", "\"a\",\"y\":\"b\"", "INVALID_JSON @3"},
        {"POST /a x", "/a", "\"a\"}", "INVALID_JSON @3"},
        {"POST /a x", "/a", "\"a", "INVALID_JSON @2"},
        {"POST /a number", "/a", "-5", "{\"number\":-5}"},
        {"POST /a flag", "/a", "true", "{\"flag\":true}"},
        {"POST /a kind", "/a", "\"KIND_NEW\"", "{\"kind\":\"KIND_NEW\"}"},
        {"POST /a tags", "/a", "[\"a\",\"b\"]", "{\"tags\":[\"a\",\"b\"]}"},
        {"POST /a tags", "/a", "[]", "{}"},
        {"POST /a tags", "/a", "\"a\"", BAD("tags")},
        {"POST /a tags", "/a", "[\"a\",1]", BAD("tags[1]")},
        {"POST /a tags", "/a", "[\"a\",]", "INVALID_JSON @5"},
        {"POST /a inners", "/a", "[{\"name\":\"a\"},{}]", "{\"inners\":[{\"name\":\"a\"},{}]}"},
        {"POST /a inners", "/a", "[{\"nothing\":1}]", "UNKNOWN_FIELD inners[0].nothing"},
        {"POST /a labels", "/a", "{\"k\":\"v\"}", "{\"labels\":{\"k\":\"v\"}}"},
        {"POST /a labels", "/a", "{\"k\":\"v\",\"k\":\"w\"}", "INVALID_JSON @9"},
        {"POST /a text", "/a", "\"\"", "{\"text\":\"\"}"},
        {"POST /a count", "/a", "5", "{\"count\":5}"},
        {"POST /a right", "/a", "5", "{\"right\":5}"},
    };
    RUN(rows);
}

/* What the body says of a field that the path fills. */
static void test_body_and_path(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"PUT /a/{x} *", "/a/1", "{\"y\":\"2\"}", "{\"x\":\"1\",\"y\":\"2\"}"},
        {"PUT /a/{x} *", "/a/1", NULL, "{\"x\":\"1\"}"},
        {"PUT /a/{x} *", "/a/1", "{\"x\":\"1\"}", "{\"x\":\"1\"}"},
        {"PUT /a/{x} *", "/a/1", "{\"x\":\"\"}", "{\"x\":\"1\"}"},
        {"PUT /a/{x} *", "/a/1", "{\"x\":null}", "{\"x\":\"1\"}"},
        {"PUT /a/{x} *", "/a/1", "{\"x\":\"2\"}", BAD("x")},
        {"PUT /a/{x} *", "/a/1", "{\"x\":\"1 \"}", BAD("x")},
        {"PUT /a/{number} *", "/a/1", "{\"number\":1}", "{\"number\":1}"},
        {"PUT /a/{number} *", "/a/1", "{\"number\":2}", BAD("number")},
        {"PUT /a/{number} *", "/a/0", "{\"number\":2}", BAD("number")},
        {"PUT /a/{big} *", "/a/4294967297", "{\"big\":4294967297}", "{\"big\":\"4294967297\"}"},
        {"PUT /a/{big} *", "/a/4294967297", "{\"big\":1}", BAD("big")},
        {"PUT /a/{ratio} *", "/a/0.5", "{\"ratio\":5e-1}", "{\"ratio\":0.5}"},
        {"PUT /a/{ratio} *", "/a/0.5", "{\"ratio\":0.25}", BAD("ratio")},
        {"PUT /a/{flag} *", "/a/false", "{\"flag\":true}", BAD("flag")},
        {"PUT /a/{kind} *", "/a/1", "{\"kind\":\"KIND_NEW\"}", "{\"kind\":\"KIND_NEW\"}"},
        {"PUT /a/{kind} *", "/a/1", "{\"kind\":\"KIND_USED\"}", BAD("kind")},
        {"PUT /a/{data} *", "/a/AA", "{\"data\":\"AA==\"}", "{\"data\":\"AA==\"}"},
        {"PUT /a/{data} *", "/a/AA", "{\"data\":\"AQ==\"}", BAD("data")},
        {"PUT /a/{inner.name} *", "/a/n", "{\"inner\":{\"number\":1}}",
         "{\"inner\":{\"name\":\"n\",\"number\":1}}"},
        {"PUT /a/{inner.name} *", "/a/n", "{\"inner\":null}", "{\"inner\":{\"name\":\"n\"}}"},
        {"PUT /a/{inner.name} *", "/a/n", "{\"inner\":{\"name\":\"m\"}}", BAD("inner.name")},
        {"PUT /a/{inner.deep.id} *", "/a/n", "{\"inner\":{\"deep\":{\"id\":\"m\"}}}",
         BAD("inner.deep.id")},
        {"PATCH /a/{inner.name=b/*} inner", "/a/b/1", "{\"number\":2}",
         "{\"inner\":{\"name\":\"b/1\",\"number\":2}}"},
        {"PATCH /a/{inner.name=b/*} inner", "/a/b/1", "{\"name\":\"b/1\"}",
         "{\"inner\":{\"name\":\"b/1\"}}"},
        {"PATCH /a/{inner.name=b/*} inner", "/a/b/1", "{\"name\":\"b/2\"}", BAD("inner.name")},
        {"PATCH /a/{inner.name=b/*} inner", "/a/b/1", NULL, "{\"inner\":{\"name\":\"b/1\"}}"},
        {"PUT /a/{left} *", "/a/1", "{\"left\":\"1\"}", "{\"left\":\"1\"}"},
        {"PUT /a/{left} *", "/a/1", "{\"left\":\"2\"}", BAD("left")},
        {"PUT /a/{left} *", "/a/1", "{\"right\":2}", BAD("left")},
        {"PUT /a/{middle.name} *", "/a/1", "{\"middle\":{\"number\":2}}",
         "{\"middle\":{\"name\":\"1\",\"number\":2}}"},
        {"PUT /a/{middle.name} *", "/a/1", "{\"left\":\"2\"}", BAD("middle.name")},
        {"PUT /a/{middle.name} middle", "/a/1", "{\"number\":2}",
         "{\"middle\":{\"name\":\"1\",\"number\":2}}"},
        {"PUT /a/{x} tags", "/a/1", "[\"x\"]", "{\"x\":\"1\",\"tags\":[\"x\"]}"},
        {"POST /a/{x}:go *", "/a/1:go", "{\"y\":\"2\"}", "{\"x\":\"1\",\"y\":\"2\"}"},
    };
    RUN(rows);
}

/* A value of many bytes, and one that is nested as deep as it may be. */
static void test_large_bodies(void **state)
{
    (void)state;
    static char text[4096];
    static char want[4200];
    memset(text, 'a', sizeof text);
    memcpy(text, "\"", 1);
    memcpy(text + sizeof text - 2, "\"", 2);
    (void)snprintf(want, sizeof want, "{\"x\":%s}", text);
    const struct row large = {"POST /a x", "/a", text, want};
    run_rows(&large, 1);
    for (size_t depth = 31; depth <= 33; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        const char *reason = depth < 32 ? BAD("tags[0]") : "INVALID_JSON";
        const struct row deep = {"POST /a tags", "/a", text, ""};
        const char *got = weave(&deep);
        if (strncmp(got, reason, strlen(reason)) != 0)
            fail_msg("%zu: %s", depth, got);
    }
}

/* --- raw bodies --- */

static const Google__Api__HttpBody *weave_raw(const struct registry_method *method,
                                              const struct routes_rule *rule, struct span body,
                                              struct span type)
{
    Google__Api__CustomHttpPattern custom;
    Google__Api__HttpRule made = routes_rule_of(rule, &custom);
    struct route route;
    struct template template;
    struct rpc_status status;
    struct path path;
    ProtobufCMessage *message = NULL;
    struct arena *arena = &weaver.routes->arena;
    arena_reset(arena);
    assert_int_equal(route_make(method, &made, arena, &route, &template, &status), RPC_OK);
    assert_true(route.raw_request);
    assert_true(path_split(span_of_string("/a"), arena, &path));
    const struct transcode_request request = {.codec = weaver.api,
                                              .route = &route,
                                              .path = &path,
                                              .body = body,
                                              .content_type = type,
                                              .arena = arena};
    assert_int_equal(transcode_request(&request, &message, &status), RPC_OK);
    if (route.body == ROUTE_BODY_ALL)
        return (const Google__Api__HttpBody *)(void *)message;
    return ((const Lotcast__Test__Routes__V1__Request *)(void *)message)->file;
}

static void test_raw(void **state)
{
    (void)state;
    const struct routes_rule all = {"POST", "/a", "*"};
    const struct routes_rule field = {"POST", "/a", "file"};
    const struct registry_method *raw = routes_method(weaver.routes, "Raw");
    const struct registry_method *request = routes_method(weaver.routes, "A");
    static const struct {
        const char *body;
        size_t len;
        const char *type;
        const char *want_type;
    } bodies[] = {
        {"{\"x\":1", 6, "image/png", "image/png"},
        {"\0a\0\xff", 4, "a/b; c=\"d\"", "a/b; c=\"d\""},
        {"", 0, "text/plain", "text/plain"},
        {"x", 1, "", ""},
        {"x", 1, "a/\xff", ""},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct span body = span_of(bodies[i].body, bodies[i].len);
        struct span type = span_of_string(bodies[i].type);
        for (int whole = 0; whole < 2; whole++) {
            const Google__Api__HttpBody *got =
                whole ? weave_raw(raw, &all, body, type) : weave_raw(request, &field, body, type);
            assert_non_null(got);
            assert_true(span_equal(span_of(got->data.data, got->data.len), body));
            assert_string_equal(got->content_type, bodies[i].want_type);
        }
    }
}

/* --- limits --- */

static void test_exhaustion(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"POST /a/{x=**} inner", "/a/b/c?y=abcdefghijklmnopqrstuvwxyz&tags=1&tags=2",
         "{\"name\":\"nnnnnnnnnnnnnnnnnnnnnnnnnn\",\"deep\":{\"id\":\"i\"}}", ""},
        {"POST /a/{x} tags", "/a/b?y=2", "[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]", ""},
    };
    struct arena *arena = &weaver.routes->arena;
    size_t max = arena->max_bytes;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t failures = 0;
        for (size_t limit = 0;; limit += 16) {
            arena->max_bytes = limit;
            const char *got = weave(&rows[i]);
            arena->max_bytes = max;
            if (got != NULL && *got == '{')
                break;
            failures++; /* a path that is not split, or a status that says so */
            assert_true(limit < 65536);
        }
        assert_true(failures > 10);
    }
}

static int start(void **state)
{
    struct rpc_status status;
    const struct json_options plain = {0};
    assert_int_equal(routes_fixture_setup(state), 0);
    weaver.routes = *state;
    if (json_codec_create(weaver.routes->registry, &json_options_api, &weaver.api, &status) !=
            RPC_OK ||
        json_codec_create(weaver.routes->registry, &plain, &weaver.plain, &status) != RPC_OK)
        fail_msg("%s", status.message);
    return 0;
}

static int stop(void **state)
{
    json_codec_destroy(weaver.api);
    json_codec_destroy(weaver.plain);
    return routes_fixture_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),           cmocka_unit_test(test_query_names),
        cmocka_unit_test(test_query_values),   cmocka_unit_test(test_query_repeated),
        cmocka_unit_test(test_known_messages), cmocka_unit_test(test_query_beside),
        cmocka_unit_test(test_bodies),         cmocka_unit_test(test_body_and_path),
        cmocka_unit_test(test_large_bodies),   cmocka_unit_test(test_raw),
        cmocka_unit_test(test_exhaustion),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
