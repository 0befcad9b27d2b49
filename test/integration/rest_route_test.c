/*
 * Routes of every form over a real socket: that they reach their handlers, and what those got.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "google/api/httpbody.pb-c.h"
#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/health.pb-c.h"
#include "lotcast/v1/metrics.pb-c.h"
#include "lotcast/v1/reflection.pb-c.h"
#include "test/integration/rest_fixture.h"
#include "test/unit/rest/proto/routes_sources.h"

static struct rest_fixture fixture;

#define HOST " HTTP/1.1\r\nHost: x\r\n"
#define SESSION "Cookie: lotcast_session=good\r\n"
#define JSON(length) "Content-Type: application/json\r\nContent-Length: " length "\r\n\r\n"

struct row {
    const char *name;
    const char *request;
    int status;
    const char *in_body; /* NULL: anything; "=…": all of it */
    const char *in_head;
};

static bool is_as_wanted(const struct row *row, const struct raw_answer *answer)
{
    if (answer->status != row->status ||
        (row->in_head != NULL && strstr(answer->head, row->in_head) == NULL))
        return false;
    if (row->in_body == NULL)
        return true;
    return row->in_body[0] == '=' ? strcmp(answer->body, row->in_body + 1) == 0
                                  : strstr(answer->body, row->in_body) != NULL;
}

static void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        struct raw_answer answer;
        raw_request(&fixture, row->request, &answer);
        if (!is_as_wanted(row, &answer))
            fail_msg("%s: not %d, %s, %s:\n%s%s", row->name, row->status,
                     row->in_body == NULL ? "" : row->in_body,
                     row->in_head == NULL ? "" : row->in_head, answer.head, answer.body);
        raw_answer_free(&answer);
    }
}

#define RUN(rows) run_rows(rows, sizeof rows / sizeof rows[0])
#define X(text) "\"x\":\"" text "\""
#define NAME(text) "\"inner\":{\"name\":\"" text "\""
#define FIELD(text) "\"details\":{\"field\":\"" text "\"}"

static void test_paths(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"several segments", "GET /t/shelves/1/books/2" HOST "\r\n", 200, X("shelves/1/books/2"),
         NULL},
        {"escapes in several", "GET /t/shelves/a%2Fb/books/c%20d+e" HOST "\r\n", 200,
         X("shelves/a%2Fb/books/c d+e"), NULL},
        {"escaped names", "GET /t/%73helves/1/book%73/2" HOST "\r\n", 200, X("shelves/1/books/2"),
         NULL},
        {"one segment", "GET /t/books/a%2Fb+%C3%A9" HOST "\r\n", 200, NAME("a/b+\xc3\xa9"), NULL},
        {"a second binding", "GET /t/books/n/5" HOST "\r\n", 200,
         NAME("n") ",\"number\":0,\"deep\":{\"id\":\"\",\"flag\":false,\"size\":5", NULL},
        {"HEAD", "HEAD /t/books/n" HOST "\r\n", 200, NULL, NULL},
        {"all that is left", "GET /t/files/a/b%2Fc/d:e" HOST SESSION "\r\n", 200, X("a/b%2Fc/d:e"),
         NULL},
        {"nothing left", "GET /t/files" HOST SESSION "\r\n", 200, X(""), NULL},
        {"too few", "GET /t/shelves/1/books" HOST "\r\n", 404, "\"NOT_FOUND\"", NULL},
        {"too many", "GET /t/shelves/1/books/2/3" HOST "\r\n", 404, NULL, NULL},
        {"another name", "GET /t/shelves/1/Books/2" HOST "\r\n", 404, NULL, NULL},
        {"a slash in a name", "GET /t%2Fbooks/n" HOST "\r\n", 404, NULL, NULL},
        {"a slash at the end", "GET /t/books/n/" HOST "\r\n", 404, NULL, NULL},
        {"two slashes", "GET /t/books//n" HOST "\r\n", 404, NULL, NULL},
        {"two slashes of the rest", "GET /t/files/a//b" HOST SESSION "\r\n", 404, NULL, NULL},
        {"up", "GET /t/files/../books/n" HOST SESSION "\r\n", 404, NULL, NULL},
        {"no number", "GET /t/books/n/x" HOST "\r\n", 400, FIELD("inner.deep.size"), NULL},
    };
    RUN(rows);
}

static void test_verbs(void **state)
{
    (void)state;
#define BOOK "/t/shelves/1/books/2"
    static const struct row rows[] = {
        {"behind a colon", "POST " BOOK ":cancel" HOST JSON("9") "{\"y\":\"c\"}", 200,
         X("shelves/1/books/2") ",\"y\":\"c\"", NULL},
        {"escaped", "POST " BOOK ":c%61ncel" HOST "\r\n", 200, "\"method\":\"CancelBook\"", NULL},
        {"another verb of HTTP", "GET " BOOK ":cancel" HOST "\r\n", 405, "\"METHOD_NOT_ALLOWED\"",
         "allow: POST, OPTIONS\r\n"},
        {"OPTIONS of it", "OPTIONS " BOOK ":cancel" HOST "\r\n", 204, NULL,
         "allow: POST, OPTIONS\r\n"},
        {"an escaped colon", "GET " BOOK "%3Acancel" HOST "\r\n", 200,
         X("shelves/1/books/2:cancel"), NULL},
        {"no verb of ours", "GET " BOOK ":stop" HOST "\r\n", 200, X("shelves/1/books/2:stop"),
         NULL},
        {"a verb of its own", "LIST /t/books" HOST "\r\n", 200, "\"method\":\"GetBook\"", NULL},
        {"in another case", "list /t/books" HOST "\r\n", 405, NULL, "allow: LIST, OPTIONS\r\n"},
        {"the usual one", "GET /t/books" HOST "\r\n", 405, NULL, "allow: LIST, OPTIONS\r\n"},
        {"of another site", "LIST /t/books" HOST "Origin: http://evil\r\n\r\n", 403,
         "\"CROSS_ORIGIN\"", NULL},
        {"any", "BREW /t/uploads/1" HOST "Content-Type: a/b\r\nContent-Length: 3\r\n\r\nabc", 200,
         "=abc", "content-type: a/b; verb=BREW; x=1\r\n"},
        {"any, GET", "GET /t/uploads/1" HOST "\r\n", 200, NULL, "; verb=GET; x=1\r\n"},
        {"any, HEAD", "HEAD /t/uploads/1" HOST "\r\n", 200, NULL, "; verb=HEAD; x=1\r\n"},
        {"any, TRACE", "TRACE /t/uploads/1" HOST "\r\n", 405, NULL,
         "allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"},
        {"any, of another site", "BREW /t/uploads/1" HOST "Origin: http://evil\r\n\r\n", 403,
         "\"CROSS_ORIGIN\"", NULL},
        {"any, GET of another site", "GET /t/uploads/1" HOST "Origin: http://evil\r\n\r\n", 200,
         NULL, NULL},
    };
    RUN(rows);
}

static void test_queries(void **state)
{
    (void)state;
#define LIST(query) "LIST /t/books?" query HOST "\r\n"
    static const struct row rows[] = {
        {"nested, in dots", LIST("inner.deep.id=i&inner.name=n"), 200,
         NAME("n") ",\"number\":0,\"deep\":{\"id\":\"i\"", NULL},
        {"nested, in brackets", LIST("inner[deep][id]=i"), 200, "\"deep\":{\"id\":\"i\"", NULL},
        {"repeated", LIST("tags=a&tags=b%26&numbers=1&numbers=2"), 200,
         "\"tags\":[\"a\",\"b&\"],\"numbers\":[1,2]", NULL},
        {"an enum, bytes, wrappers", LIST("kind=KIND_NEW&data=aGk&text=&count=0"), 200,
         "\"text\":\"\",\"count\":0,\"sure\":null", NULL},
        {"times", LIST("at=2026-02-06T20:00:00Z&delay=1.5s&mask=x,inner.name"), 200,
         "\"at\":\"2026-02-06T20:00:00Z\",\"delay\":\"1.500s\",\"mask\":\"x,inner.name\"", NULL},
        {"beside the path", "GET /t/books/n?x=1" HOST "\r\n", 200, X("1"), NULL},
        {"twice", LIST("x=1&x=2"), 400, FIELD("x"), NULL},
        {"unknown", LIST("x=1&w=2"), 400, FIELD("w"), NULL},
        {"of the .proto's name", LIST("snake_case_name=1"), 400, FIELD("snake_case_name"), NULL},
        {"the path's", "GET /t/books/n?inner.name=n" HOST "\r\n", 400, FIELD("inner.name"), NULL},
        {"a message", LIST("inner=1"), 400, FIELD("inner"), NULL},
        {"an element", LIST("tags[0]=1"), 400, FIELD("tags.0"), NULL},
        {"malformed", LIST("x=%zz"), 400, FIELD("x"), NULL},
    };
    RUN(rows);
}

static void test_bodies(void **state)
{
    (void)state;
#define PATCH "PATCH /t/shelves/1/books/2"
    static const struct row rows[] = {
        {"a field", PATCH HOST JSON("12") "{\"number\":5}", 200,
         NAME("shelves/1/books/2") ",\"number\":5", NULL},
        {"and a parameter", PATCH "?x=1" HOST JSON("12") "{\"number\":5}", 200, X("1"), NULL},
        {"none", PATCH HOST "\r\n", 200, NAME("shelves/1/books/2"), NULL},
        {"it says the same", PATCH HOST JSON("28") "{\"name\":\"shelves/1/books/2\"}", 200,
         NAME("shelves/1/books/2"), NULL},
        {"it says otherwise", PATCH HOST JSON("28") "{\"name\":\"shelves/1/books/3\"}", 400,
         FIELD("inner.name"), NULL},
        {"a parameter of its own", PATCH "?inner.number=5" HOST JSON("2") "{}", 400,
         FIELD("inner.number"), NULL},
        {"no field of it", PATCH HOST JSON("9") "{\"x\":\"a\"}", 400, "\"UNKNOWN_FIELD\"", NULL},
        {"a form", PATCH HOST "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415,
         "\"UNSUPPORTED_MEDIA_TYPE\"", NULL},
        {"a list both ways", "PUT /t/tags/x" HOST JSON("9") "[\"a\",\"b\"]", 200, "=[\"a\",\"b\"]",
         "content-type: application/json\r\n"},
        {"a time", "PUT /t/times/x" HOST JSON("22") "\"2026-02-06T20:00:00Z\"", 200,
         "\"at\":\"2026-02-06T20:00:00Z\"", NULL},
        {"no time", "PUT /t/times/x" HOST JSON("4") "\"20\"", 400, FIELD("at"), NULL},
        {"an empty list", "PUT /t/tags/x" HOST JSON("2") "[]", 200, "=[]", NULL},
        {"no list", "PUT /t/tags/x" HOST JSON("2") "{}", 400, FIELD("tags"), NULL},
        {"two values", "PUT /t/tags/x" HOST JSON("10") "[],\"y\":\"z\"", 400, "\"position\":2",
         NULL},
        {"of another method's verb", "POST /t/tags/x" HOST JSON("2") "[]", 405, NULL,
         "allow: PUT, OPTIONS\r\n"},
    };
    RUN(rows);
}

static void test_raw_bodies(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"the whole request",
         "POST /t/mirror:$raw" HOST "Content-Type: image/png\r\nContent-Length: 4\r\n\r\n{\xff{]",
         200, "={\xff{]", "content-type: image/png\r\n"},
        {"an escaped verb", "POST /t/mirror:%24raw" HOST "Content-Length: 1\r\n\r\nx", 200, "=x",
         "content-type: application/octet-stream\r\n"},
        {"no bytes", "POST /t/mirror:$raw" HOST "Content-Type: a/b\r\n\r\n", 200, "=",
         "content-type: a/b\r\n"},
        {"a parameter", "POST /t/mirror:$raw?data=x" HOST "\r\n", 400, FIELD("data"), NULL},
        {"no verb", "POST /t/mirror" HOST "Content-Length: 1\r\n\r\nx", 404, NULL, NULL},
        {"no message", "GET /t/uploads/1/empty" HOST "\r\n", 200, "=",
         "content-type: application/octet-stream\r\n"},
    };
    RUN(rows);
}

/* Whichever way a method is reached, its access is the same; what is no way is not found. */
static void test_access(void **state)
{
    (void)state;
#define FILES(path) "GET " path HOST "\r\n"
    static const struct row rows[] = {
        {"plain", FILES("/t/files/x"), 401, "\"AUTH_REQUIRED\"", NULL},
        {"encoded letters", FILES("/%74/f%69les/x"), 401, NULL, NULL},
        {"nothing behind it", FILES("/t/files"), 401, NULL, NULL},
        {"a bad parameter", FILES("/t/files/x?nothing"), 401, NULL, NULL},
        {"HEAD", "HEAD /t/files/x" HOST "\r\n", 401, NULL, NULL},
        {"another case", FILES("/t/Files/x"), 404, NULL, NULL},
        {"a parameter of a segment", FILES("/t/files;v=1/x"), 404, NULL, NULL},
        {"two slashes", FILES("//t/files/x"), 404, NULL, NULL},
        {"two slashes within", FILES("/t//files/x"), 404, NULL, NULL},
        {"a slash at the end", FILES("/t/files/x/"), 404, NULL, NULL},
        {"a slash encoded", FILES("/t%2ffiles/x"), 404, NULL, NULL},
        {"NUL", FILES("/t/files%00/x"), 404, NULL, NULL},
        {"NUL at the end", FILES("/t/files/x%00"), 404, NULL, NULL},
        {"dots", FILES("/t/./files/x"), 404, NULL, NULL},
        {"dots encoded", FILES("/t/x/%2e%2E/files/x"), 404, NULL, NULL},
        {"a backslash", FILES("/t\\files\\x"), 404, NULL, NULL},
        {"a backslash encoded", FILES("/t/files%5Cx"), 404, NULL, NULL},
        {"with a session and a bad parameter", "GET /t/files/x?nothing" HOST SESSION "\r\n", 400,
         FIELD("nothing"), NULL},
    };
    RUN(rows);
}

/* --- the handlers --- */

/* Answers with what it got. */
static enum rpc_code echo(struct rpc_server_call *call, const void *request, void *response_,
                          struct rpc_status *status)
{
    const struct registry_method *method = rpc_server_call_method(call);
    const char *session = rpc_server_call_metadata(call, RPC_METADATA_SESSION);
    Lotcast__Test__Routes__V1__Answer *response = response_;
    bool known = session != NULL && strcmp(session, "good") == 0;
    if (method->rules->access != LOTCAST__V1__ACCESS__ACCESS_PUBLIC && !known)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_AUTH_REQUIRED, NULL);
    response->method = (char *)method->method_name;
    response->request = (Lotcast__Test__Routes__V1__Request *)(uintptr_t)request;
    response->tags = response->request->tags;
    response->n_tags = response->request->n_tags;
    response->file = response->request->file;
    if (response->file != NULL)
        response->file->content_type = arena_printf(
            rpc_server_call_arena(call), "%s; verb=%s; x=%s", response->file->content_type,
            rpc_server_call_metadata(call, RPC_METADATA_HTTP_METHOD), response->request->x);
    return RPC_OK;
}

static enum rpc_code mirror(struct rpc_server_call *call, const void *request_, void *response_,
                            struct rpc_status *status)
{
    const Google__Api__HttpBody *request = request_;
    Google__Api__HttpBody *response = response_;
    (void)call;
    (void)status;
    response->content_type = request->content_type;
    response->data = request->data;
    return RPC_OK;
}

static enum rpc_code check_access(struct rpc_server_call *call, const void *request, void *response,
                                  struct rpc_status *status)
{
    const char *session = rpc_server_call_metadata(call, RPC_METADATA_SESSION);
    (void)request;
    (void)response;
    if (session == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_AUTH_REQUIRED, NULL);
    return RPC_OK;
}

static rpc_handler *const odd_handlers[] = {echo, echo, echo, echo, echo, echo, mirror};
static rpc_handler *const access_handlers[] = {check_access};
static const ProtobufCServiceDescriptor *const descriptors[] = {
    &lotcast__test__routes__v1__odd__descriptor, &lotcast__v1__access_control__descriptor,
    &lotcast__v1__health__descriptor, &lotcast__v1__metrics__descriptor,
    &lotcast__v1__reflection__descriptor};

static int start(void **state)
{
    static const struct rpc_service services[] = {
        {&lotcast__test__routes__v1__odd__descriptor, odd_handlers, NULL},
        {&lotcast__v1__access_control__descriptor, access_handlers, NULL}};
    struct registry_sources sources = routes_sources_get();
    (void)state;
    sources.services = descriptors;
    sources.service_count = sizeof descriptors / sizeof descriptors[0];
    rest_fixture_serve(&fixture, &sources, services, 2, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rest_fixture_stop(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),      cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_queries),    cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_raw_bodies), cmocka_unit_test(test_access),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
