/*
 * The facade as HTTP clients see it, good ones and bad ones: one request, one answer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/integration/rest_fixture.h"

static struct rest_fixture fixture;

#define HOST "Host: x\r\n"
#define SESSION "Cookie: lotcast_session=good\r\n"
#define JSON "Content-Type: application/json\r\n"
#define LOG_IN "POST /api/auth/login HTTP/1.1\r\n" HOST
#define LOG_OUT "POST /api/auth/logout HTTP/1.1\r\n" HOST
#define LAUNCH "POST /api/onboarding/launch HTTP/1.1\r\n" HOST
#define DASHBOARD "GET /api/customer/dashboard HTTP/1.1\r\n" HOST
#define RIGHT "Content-Length: 36\r\n\r\n{\"email\":\"a@b.c\",\"password\":\"right\"}"
#define ID_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct row {
    const char *name;
    const char *request;
    int status;
    const char *in_body; /* NULL: anything */
    const char *in_head;
};

static void check(const struct row *row, const struct raw_answer *answer)
{
    bool good = answer->status == row->status &&
                (row->in_body == NULL || strstr(answer->body, row->in_body) != NULL) &&
                (row->in_head == NULL || strstr(answer->head, row->in_head) != NULL);
    if (!good)
        fail_msg("%s: not %d, %s, %s:\n%s%s", row->name, row->status,
                 row->in_body == NULL ? "" : row->in_body, row->in_head == NULL ? "" : row->in_head,
                 answer->head, answer->body);
    assert_non_null(raw_header(answer, "x-request-id"));
    assert_string_equal(raw_header(answer, "x-content-type-options"), "nosniff");
    assert_non_null(raw_header(answer, "cache-control"));
    assert_string_equal(raw_header(answer, "server"), "lotcast");
}

static void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct raw_answer answer;
        raw_request(&fixture, rows[i].request, &answer);
        check(&rows[i], &answer);
        raw_answer_free(&answer);
    }
}

#define RUN(rows) run_rows(rows, sizeof rows / sizeof rows[0])

static void test_good(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"log in", LOG_IN JSON RIGHT, 200, "{\"success\":true,\"redirectTo\":\"/app/dashboard\"}",
         "lotcast_session=fresh-token_1; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000\r\n"},
        {"charset", LOG_IN "Content-Type: APPLICATION/json; charset=UTF-8\r\n" RIGHT, 200, NULL,
         "cache-control: no-store"},
        {"in chunks",
         LOG_IN JSON "Transfer-Encoding: chunked\r\n\r\n"
                     "12\r\n{\"email\":\"a@b.c\",\"\r\n12\r\npassword\":\"right\"}\r\n0\r\n\r\n",
         200, "\"success\":true", NULL},
        {"1.0", "POST /api/auth/login HTTP/1.0\r\n" JSON RIGHT, 200, NULL, "Connection: close"},
        {"escaped path", "POST /api/auth/%6Cogin HTTP/1.1\r\n" HOST JSON RIGHT, 200, NULL, NULL},
        {"no body", LOG_OUT "\r\n", 200, "\"success\":true", "lotcast_session=; Path=/"},
        {"an empty body", LOG_OUT "Content-Length: 0\r\n\r\n", 200, NULL, "Max-Age=0"},
        {"an empty body of no type", LOG_OUT "Content-Type: text/plain\r\n\r\n", 200, NULL, NULL},
        {"dashboard", DASHBOARD SESSION "\r\n", 200, "\"itemCount\":247", "etag: \""},
        {"nulls and defaults", DASHBOARD SESSION "\r\n", 200, "\"suggestion\":null", NULL},
        {"another path of the thread pool",
         "POST /api/onboarding/website HTTP/1.1\r\n" HOST SESSION JSON
         "Content-Length: 11\r\n\r\n{\"url\":\"x\"}",
         200, "{\"success\":true,\"itemsFound\":247}", NULL},
        {"redirect",
         "GET /api/auth/meta/connect?returnTo=%2Fapp%2Fx HTTP/1.1\r\n" HOST SESSION "\r\n", 302,
         NULL, "location: https://dialog.test/?r=/app/x\r\n"},
        {"healthz", "GET /healthz HTTP/1.1\r\n" HOST "\r\n", 200, "\"ok\"", NULL},
        {"healthz with a query", "GET /healthz?x HTTP/1.1\r\n" HOST "\r\n", 200, "\"ok\"", NULL},
        {"metrics", "GET /metrics HTTP/1.1\r\n" HOST "\r\n", 200,
         "lotcast_http_requests_total{method=\"POST\",route=\"/api/auth/"
         "login\",status=\"2xx\",process=\"lotcast\"}",
         "text/plain; version=0.0.4"},
    };
    RUN(rows);
}

static void test_methods(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"no path", "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, "\"NOT_FOUND\"",
         "content-type: application/json"},
        {"root", "GET / HTTP/1.1\r\n" HOST "\r\n", 404, "\"NOT_FOUND\"", NULL},
        {"no path for POST", "POST /nothing HTTP/1.1\r\n" HOST RIGHT, 404, NULL, NULL},
        {"GET for POST", "GET /api/auth/login HTTP/1.1\r\n" HOST "\r\n", 405,
         "\"METHOD_NOT_ALLOWED\"", "allow: POST, OPTIONS"},
        {"TRACE", "TRACE /api/auth/login HTTP/1.1\r\n" HOST "\r\n", 405, NULL, "allow: POST"},
        {"a verb of no one", "FOO /api/auth/login HTTP/1.1\r\n" HOST "\r\n", 405, NULL, NULL},
        {"a lower-case verb", "get /healthz HTTP/1.1\r\n" HOST "\r\n", 405, NULL, NULL},
        {"DELETE", "DELETE /api/customer/dashboard HTTP/1.1\r\n" HOST "\r\n", 405, NULL,
         "allow: GET, HEAD, OPTIONS"},
        {"POST healthz", "POST /healthz HTTP/1.1\r\n" HOST "\r\n", 405, NULL,
         "allow: GET, HEAD, OPTIONS"},
        {"OPTIONS", "OPTIONS /api/auth/login HTTP/1.1\r\n" HOST "\r\n", 204, NULL,
         "allow: POST, OPTIONS"},
        {"OPTIONS of GET", "OPTIONS /api/customer/dashboard HTTP/1.1\r\n" HOST "\r\n", 204, NULL,
         "allow: GET, HEAD, OPTIONS"},
        {"OPTIONS of a path with an effect",
         "OPTIONS /api/auth/meta/callback HTTP/1.1\r\n" HOST "\r\n", 204, NULL,
         "allow: GET, OPTIONS"},
        {"OPTIONS of all", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 204, NULL, "allow: GET, HEAD"},
        {"OPTIONS of nothing", "OPTIONS /nothing HTTP/1.1\r\n" HOST "\r\n", 404, NULL, NULL},
        {"HEAD", "HEAD /api/customer/dashboard HTTP/1.1\r\n" HOST SESSION "\r\n", 200, NULL,
         "etag: \""},
        {"HEAD of healthz", "HEAD /healthz HTTP/1.1\r\n" HOST "\r\n", 200, NULL,
         "Content-Length: 15"},
        {"HEAD without a session", "HEAD /api/customer/dashboard HTTP/1.1\r\n" HOST "\r\n", 401,
         NULL, NULL},
        {"HEAD of POST", "HEAD /api/auth/login HTTP/1.1\r\n" HOST "\r\n", 405, NULL, NULL},
        {"HEAD of connect", "HEAD /api/auth/meta/connect HTTP/1.1\r\n" HOST SESSION "\r\n", 405,
         NULL, "allow: GET, OPTIONS"},
        {"HEAD of callback", "HEAD /api/auth/meta/callback?code=1 HTTP/1.1\r\n" HOST "\r\n", 405,
         NULL, "allow: GET, OPTIONS"},
    };
    int calls = atomic_load(&rest_fixture_calls);
    RUN(rows);
    assert_int_equal(atomic_load(&rest_fixture_calls), calls + 2); /* the two HEADs of dashboard */
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/api/customer/dashboard/",
        "//api/customer/dashboard",
        "/api//customer/dashboard",
        "/api/customer/dashboard;x=1",
        "/api/customer/dashboard%00",
        "/api/customer/dashboard%00.html",
        "/api/customer%2fdashboard",
        "/api/customer/../customer/dashboard",
        "/api/customer/./dashboard",
        "/api/%2e%2e/api/customer/dashboard",
        "/api/customer/Dashboard",
        "/API/customer/dashboard",
        "/api/customer/dashboard%20",
        "/api/customer/dashboard%",
        "/api/customer\\dashboard",
        "/api/customer/dashboard%5c",
        "/%2fapi/customer/dashboard",
        "/x/../api/customer/dashboard",
        "/lotcast.v1.Health/Check",
        "/healthz/",
        "/healthz%00",
        "/readyz/..",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char request[512];
        (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\n" HOST SESSION "\r\n",
                       paths[i]);
        const struct row row = {paths[i], request, 404, "\"NOT_FOUND\"", NULL};
        run_rows(&row, 1);
    }
}

/* Pages of the frontend, which is not there yet; anything else of those paths is the API. */
static void test_navigation(void **state)
{
    (void)state;
#define BROWSER "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"
    static const struct row rows[] = {
        {"login", "GET /login HTTP/1.1\r\n" HOST BROWSER "\r\n", 404, "\"NOT_FOUND\"", NULL},
        {"admin", "GET /admin/customers HTTP/1.1\r\n" HOST BROWSER "\r\n", 404, NULL, NULL},
        {"app", "GET /app/dashboard HTTP/1.1\r\n" HOST BROWSER "\r\n", 404, NULL, NULL},
        {"the API all the same", DASHBOARD SESSION BROWSER "\r\n", 200, NULL, NULL},
    };
    RUN(rows);
}

static void test_refused_heads(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "POST /api/auth/login HTTP/1.1\r\n" HOST JSON
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /api/auth/login HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n{",
        "POST /api/auth/login HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{",
        "POST /api/auth/login HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /api/auth/login HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
        "POST /api/auth/login HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n\r\n",
        "GET /nothing HTTP/1.1\r\n\r\n", /* on any path */
        "GET /healthz HTTP/1.1\r\n" HOST HOST "\r\n",
        "GET /healthz HTTP/1.1\r\n" HOST "A: b\r\n c\r\n\r\n",
        "GET /healthz HTTP/1.1\r\n" HOST "A : b\r\n\r\n",
        "GET /healthz HTTP/1.1\nHost: x\n\n",
        "CONNECT example.com:443 HTTP/1.1\r\n" HOST "\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /healthz HTTP/3.0\r\n" HOST "\r\n",
        "GET /health z HTTP/1.1\r\n" HOST "\r\n",
        "nonsense\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01",
    };
    int calls = atomic_load(&rest_fixture_calls);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        /* What follows must not be answered: it may be part of an attack. */
        static const char second[] = "GET /healthz HTTP/1.1\r\n" HOST "\r\n";
        const struct row row = {requests[i], NULL, 400, "\"BAD_REQUEST\"", "Connection: close"};
        struct raw_answer answer;
        int fd = raw_connect(&fixture);
        raw_send(fd, requests[i]);
        raw_send(fd, second);
        raw_read(fd, false, &answer);
        check(&row, &answer);
        assert_true(raw_is_closed(fd));
        raw_answer_free(&answer);
        (void)close(fd);
    }
    assert_int_equal(atomic_load(&rest_fixture_calls), calls);
}

/* A request with `count` more bytes in a header, or in the URL. */
static char *large_request(bool in_url, size_t count)
{
    char *text = malloc(count + 256);
    char *filler = malloc(count + 1);
    assert_non_null(text);
    assert_non_null(filler);
    memset(filler, 'a', count);
    filler[count] = '\0';
    (void)snprintf(text, count + 256,
                   in_url ? "GET /healthz?%s HTTP/1.1\r\n" HOST "\r\n"
                          : "GET /healthz HTTP/1.1\r\n" HOST "A: %s\r\n\r\n",
                   filler);
    free(filler);
    return text;
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        bool in_url;
        size_t count;
        struct row row;
    } cases[] = {
        /* "/healthz?" and so much: 8 KiB in all. */
        {true, 8183, {"a long URL", NULL, 200, NULL, NULL}},
        {true, 8184, {"too long a URL", NULL, 414, "\"URI_TOO_LONG\"", NULL}},
        {false, 16000, {"a long head", NULL, 200, NULL, NULL}},
        {false,
         16400,
         {"too long a head", NULL, 431, "\"HEADERS_TOO_LARGE\"", "Connection: close"}},
        {false, 600000, {"far too long a head", NULL, 431, "\"HEADERS_TOO_LARGE\"", NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct raw_answer answer;
        char *request = large_request(cases[i].in_url, cases[i].count);
        raw_request(&fixture, request, &answer);
        check(&cases[i].row, &answer);
        raw_answer_free(&answer);
        free(request);
    }
}

/* Sends a body of `len` bytes, by length or in chunks. */
static void send_body(int fd, const char *head, size_t len, bool chunked)
{
    char line[64];
    char *body = malloc(len);
    assert_non_null(body);
    memset(body, ' ', len);
    raw_send(fd, head);
    (void)snprintf(line, sizeof line, "Content-Length: %zu\r\n\r\n", len);
    raw_send(fd, chunked ? "Transfer-Encoding: chunked\r\n\r\n" : line);
    for (size_t at = 0; chunked && at < len;) {
        size_t count = len - at < 60000 ? len - at : 60000;
        (void)snprintf(line, sizeof line, "%zx\r\n", count);
        raw_send(fd, line);
        raw_send_bytes(fd, body + at, count);
        raw_send(fd, "\r\n");
        at += count;
    }
    if (chunked)
        raw_send(fd, "0\r\n\r\n");
    else
        raw_send_bytes(fd, body, len);
    free(body);
}

static void test_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        size_t len;
        struct row row;
    } cases[] = {
        {LOG_IN JSON, 1048576, {"the limit", NULL, 400, "\"INVALID_JSON\"", NULL}},
        {LOG_IN JSON,
         1048577,
         {"one more", NULL, 413, "\"PAYLOAD_TOO_LARGE\"", "Connection: close"}},
        {LOG_IN JSON, 5000000, {"far more", NULL, 413, "\"PAYLOAD_TOO_LARGE\"", NULL}},
        {"POST /nothing HTTP/1.1\r\n" HOST, 1048577, {"no path", NULL, 404, NULL, NULL}},
        {"GET /api/auth/login HTTP/1.1\r\n" HOST, 1048577, {"no verb", NULL, 405, NULL, NULL}},
        {LOG_IN "Origin: http://evil\r\n", 1048577, {"no origin", NULL, 403, NULL, NULL}},
        {LOG_IN, 1048577, {"no type", NULL, 413, NULL, NULL}},
        {LAUNCH JSON, 1048577, {"no session", NULL, 413, NULL, NULL}},
    };
    for (size_t i = 0; i < 2 * (sizeof cases / sizeof cases[0]); i++) {
        struct raw_answer answer;
        int fd = raw_connect(&fixture);
        send_body(fd, cases[i / 2].head, cases[i / 2].len, i % 2 == 1);
        raw_read(fd, false, &answer);
        check(&cases[i / 2].row, &answer);
        raw_answer_free(&answer);
        (void)close(fd);
    }
    /* By its length alone, and without being told to go on. */
    static const struct row told[] = {
        {"told", LOG_IN JSON "Content-Length: 99999999999\r\n\r\n", 413, NULL, NULL},
        {"asked", LOG_IN JSON "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n", 413, NULL,
         NULL},
    };
    RUN(told);
}

static void test_types(void **state)
{
    (void)state;
    static const char *const types[] = {
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Content-Type: application/json; charset=latin1\r\n",
        "Content-Type: application/jsonp\r\n",
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
        "Content-Type: text/plain; application/json\r\n",
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char request[512];
        (void)snprintf(request, sizeof request, "%s%s%s", LOG_IN, types[i], RIGHT);
        const struct row row = {types[i], request, 415, "\"UNSUPPORTED_MEDIA_TYPE\"", NULL};
        run_rows(&row, 1);
    }
}

static void test_origins(void **state)
{
    (void)state;
    char request[512];
    char own[64];
    static const char *const refused[] = {
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: \r\n",
        "Origin: https://localhost:1\r\n",
        "Origin: http://localhost\r\n",
        "Origin: http://sub.localhost:1\r\n",
        "Origin: http://localhost:1, http://evil\r\n",
        "Origin: http://evil\r\nSec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: Same-Origin\r\n",
        "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n",
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        (void)snprintf(request, sizeof request, "%s%s%s", LOG_IN, refused[i], RIGHT);
        const struct row row = {refused[i], request, 403, "\"CROSS_ORIGIN\"", NULL};
        run_rows(&row, 1);
    }
    (void)snprintf(own, sizeof own, "Origin: http://localhost:%u\r\n", fixture.port);
    const char *const taken[] = {own, "Sec-Fetch-Site: same-origin\r\n", "Sec-Fetch-Site: none\r\n",
                                 ""};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        (void)snprintf(request, sizeof request, "%s%s%s%s", LOG_IN, taken[i], JSON, RIGHT);
        const struct row row = {taken[i], request, 200, NULL, NULL};
        run_rows(&row, 1);
    }
    (void)snprintf(request, sizeof request, "%s%sX%s%s", LOG_IN, own, own, RIGHT);
    static const struct row reading = {
        "a read of another site", DASHBOARD SESSION "Origin: http://evil\r\n\r\n", 200, NULL, NULL};
    run_rows(&reading, 1);
}

/* Session and access come before JSON and values; the body's size and type come before them. */
static void test_order(void **state)
{
    (void)state;
#define BODY(text, len) "Content-Length: " len "\r\n\r\n" text
    static const struct row rows[] = {
        {"bad JSON, no session", LAUNCH JSON BODY("{", "1"), 401, "\"AUTH_REQUIRED\"",
         "lotcast_session=; Path=/"},
        {"bad JSON, a session", LAUNCH JSON SESSION BODY("{", "1"), 400, "\"INVALID_JSON\"", NULL},
        {"unknown field, no session", LAUNCH JSON BODY("{\"a\":1}", "7"), 401, NULL, NULL},
        {"unknown field, a session", LAUNCH JSON SESSION BODY("{\"a\":1}", "7"), 400,
         "\"UNKNOWN_FIELD\"", NULL},
        {"wrong type, no session", LAUNCH JSON BODY("{\"currency\":1}", "14"), 401, NULL, NULL},
        {"wrong type, a session", LAUNCH JSON SESSION BODY("{\"currency\":1}", "14"), 400,
         "\"details\":{\"field\":\"currency\"}", NULL},
        {"query, no session", "GET /api/customer/dashboard?x=1 HTTP/1.1\r\n" HOST "\r\n", 401, NULL,
         NULL},
        {"query, a session", "GET /api/customer/dashboard?x=1 HTTP/1.1\r\n" HOST SESSION "\r\n",
         400,
         "{\"error\":{\"code\":\"INVALID_ARGUMENT\",\"message\":\"x is no parameter of this "
         "request, or comes twice\",\"details\":{\"field\":\"x\"}}}",
         NULL},
        {"type before session", LAUNCH BODY("{}", "2"), 415, NULL, NULL},
        {"origin before type", LAUNCH "Origin: null\r\n" BODY("{}", "2"), 403, NULL, NULL},
        {"path before origin", "POST /nothing HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n", 404, NULL,
         NULL},
        {"verb before origin", "PUT /api/auth/login HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n", 405,
         NULL, NULL},
        {"public: bad JSON", LOG_IN JSON BODY("{", "1"), 400, "\"INVALID_JSON\"", NULL},
        {"public: position", LOG_IN JSON BODY("{\"a\" 1}", "7"), 400, "\"position\":", NULL},
        {"public: not an object", LOG_IN JSON BODY("[]", "2"), 400, NULL, NULL},
        {"a bad key", LOG_OUT "Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", 400,
         "\"Idempotency-Key\"", NULL},
    };
    RUN(rows);
}

static void test_queries(void **state)
{
    (void)state;
#define CONNECT(query) "GET /api/auth/meta/connect" query " HTTP/1.1\r\n" HOST SESSION "\r\n"
    static const struct row rows[] = {
        {"none", CONNECT("?"), 302, NULL, "?r=\r\n"},
        {"escaped", CONNECT("?return%54o=a"), 302, NULL, "?r=a\r\n"},
        {"repeated", CONNECT("?returnTo=a&returnTo=a"), 400, "\"field\":\"returnTo\"", NULL},
        {"unknown", CONNECT("?return=a"), 400, "\"field\":\"return\"", NULL},
        {"the .proto's name", CONNECT("?return_to=a"), 400, "\"INVALID_ARGUMENT\"", NULL},
        {"brackets of nothing", CONNECT("?filters[inStock]=true"), 400,
         "\"field\":\"filters.inStock\"", NULL},
        {"a bad escape", CONNECT("?returnTo=%zz"), 400, "\"field\":\"returnTo\"", NULL},
        {"bad UTF-8", CONNECT("?returnTo=%ff"), 400, "\"INVALID_ARGUMENT\"", NULL},
        {"NUL", CONNECT("?returnTo=a%00b"), 400, "\"INVALID_ARGUMENT\"", NULL},
        {"a query on a body", "POST /api/auth/login?email=a HTTP/1.1\r\n" HOST JSON RIGHT, 400,
         "\"field\":\"email\"", NULL},
    };
    RUN(rows);
}

static void test_locations(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a path",
         "GET /api/auth/meta/callback?code=%2Fapp%2Fx%3Ferror%3D1 HTTP/1.1\r\n" HOST "\r\n", 302,
         NULL, "location: /app/x?error=1\r\n"},
        {"a line end",
         "GET /api/auth/meta/callback?code=%2Fa%0D%0ASet-Cookie:%20x HTTP/1.1\r\n" HOST "\r\n", 500,
         "\"INTERNAL\"", NULL},
        {"nothing", "GET /api/auth/meta/callback HTTP/1.1\r\n" HOST "\r\n", 500, NULL, NULL},
    };
    RUN(rows);
}

static void test_errors(void **state)
{
    (void)state;
#define SIGN_UP(body, len) \
    "POST /api/auth/signup HTTP/1.1\r\n" HOST JSON "Content-Length: " len "\r\n\r\n" body
    static const struct row rows[] = {
        {"internal", SIGN_UP("{\"email\":\"internal\"}", "20"), 500,
         "{\"error\":{\"code\":\"INTERNAL\",\"message\":\"Something went wrong on our side\"}}",
         NULL},
        {"limit", SIGN_UP("{\"email\":\"limit\"}", "17"), 429, "\"RATE_LIMITED\"",
         "retry-after: 2\r\n"},
        {"down", SIGN_UP("{\"email\":\"down\"}", "16"), 503,
         "{\"error\":{\"code\":\"UNAVAILABLE\",\"message\":\"The service is not available right "
         "now; please try again\"}}",
         "retry-after: 1\r\n"},
        {"upstream", SIGN_UP("{\"email\":\"upstream\"}", "20"), 502,
         "\"details\":{\"upstream\":\"meta\"}", NULL},
        {"a token that is none", SIGN_UP("{\"email\":\"token\",\"password\":\"a; Path=/x\"}", "41"),
         500, NULL, NULL},
        {"a token of nothing", SIGN_UP("{\"email\":\"token\",\"password\":\"\"}", "31"), 500, NULL,
         NULL},
        {"the token stays out of the body", SIGN_UP("{\"email\":\"a\"}", "13"), 200,
         "{\"success\":true,\"redirectTo\":\"\"}", "lotcast_session=good;"},
        {"wrong password",
         LOG_IN JSON "Content-Length: 36\r\n\r\n{\"email\":\"a@b.c\",\"password\":\"wrong\"}", 401,
         "\"INVALID_CREDENTIALS\"", NULL},
    };
    RUN(rows);
    struct raw_answer answer;
    raw_request(&fixture, rows[7].request, &answer);
    assert_null(raw_header(&answer, "set-cookie")); /* no session has ended */
    raw_answer_free(&answer);
}

static void test_metadata(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"plain", LOG_OUT "\r\n", 200, "client-address=127.0.0.1;http-method=POST;\"", NULL},
        {"a session", LOG_OUT "Cookie: a=b; lotcast_session=s1; c=d\r\n\r\n", 200, "session=s1;",
         NULL},
        {"the first of two", LOG_OUT "Cookie: lotcast_session=s1; lotcast_session=s2\r\n\r\n", 200,
         "session=s1;", NULL},
        {"the first of two lines",
         LOG_OUT "Cookie: lotcast_session=s1\r\nCookie: lotcast_session=s2\r\n\r\n", 200,
         "session=s1;", NULL},
        {"a malformed first one", LOG_OUT "Cookie: lotcast_session=a b; lotcast_session=s2\r\n\r\n",
         200, "http-method=POST;\"", NULL},
        {"customers", LOG_OUT "X-Customer-ID: 7\r\nX-Customer-ID: 8\r\nx-customer-id: 9\r\n\r\n",
         200, "customer-id=7;customer-id=8;\"", NULL},
        {"joined customers", LOG_OUT "X-Customer-ID: 7, 8\r\n\r\n", 200, "customer-id=7, 8;", NULL},
        {"an odd customer", LOG_OUT "X-Customer-ID: 7\t8\r\n\r\n", 200, "customer-id=?;", NULL},
        {"a key", LOG_OUT "Idempotency-Key: k-1\r\n\r\n", 200, "idempotency-key=k-1;", NULL},
        {"a request id", LOG_OUT "X-Request-Id: my.id_1\r\n\r\n", 200, "request-id=my.id_1;",
         "x-request-id: my.id_1\r\n"},
        {"a trace",
         LOG_OUT "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n",
         200, "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01;", NULL},
        {"no proxy of ours", LOG_OUT "X-Forwarded-For: 1.2.3.4\r\n\r\n", 200,
         "client-address=127.0.0.1;", NULL},
        {"what a caller claims", LOG_OUT "client-address: 1.2.3.4\r\nsession: x\r\n\r\n", 200,
         "client-address=127.0.0.1;http-method=POST;\"", NULL},
    };
    RUN(rows);
    static const char *const ids[] = {"X-Request-Id: a b\r\n", "X-Request-Id: " ID_64 "a\r\n",
                                      "X-Request-Id: a\r\nX-Request-Id: b\r\n", "X-Request-Id:\r\n",
                                      ""};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char request[512];
        struct raw_answer answer;
        (void)snprintf(request, sizeof request, "%s%s\r\n", LOG_OUT, ids[i]);
        raw_request(&fixture, request, &answer);
        assert_int_equal(strlen(raw_header(&answer, "x-request-id")), 32);
        assert_non_null(strstr(answer.body, "traceparent=00-"));
        raw_answer_free(&answer);
    }
}

static void test_raw_bodies(void **state)
{
    (void)state;
#define HOOK "POST /api/webhooks/stripe HTTP/1.1\r\n" HOST
#define EXPORT_PATH(query) "/api/customer/performance/export?" query " HTTP/1.1\r\n" HOST SESSION
#define EXPORT(query) "GET " EXPORT_PATH(query)
#define ID_512 ID_64 ID_64 ID_64 ID_64 ID_64 ID_64 ID_64 ID_64
    static const struct row rows[] = {
        {"as it is", HOOK "Content-Type: text/x\r\nContent-Length: 5\r\n\r\n{ a\"}", 400,
         "\"text/x|{ a\\\"}|request-id=", NULL},
        {"of another origin", HOOK "Origin: https://stripe\r\nContent-Length: 1\r\n\r\nx", 400,
         "\"INVALID_SIGNATURE\"", NULL},
        {"a header that is forwarded",
         HOOK "Stripe-Signature: t=1,v1=a\r\nX-Other: b\r\nContent-Length: 1\r\n\r\nx", 400,
         "stripe-signature=t=1,v1=a;", NULL},
        {"twice", HOOK "Stripe-Signature: a\r\nStripe-Signature: b\r\nContent-Length: 1\r\n\r\nx",
         400, "http-method=POST;\"", NULL},
        {"too long", HOOK "Stripe-Signature: " ID_512 "a\r\nContent-Length: 1\r\n\r\nx", 400,
         "http-method=POST;\"", NULL},
        {"as long as can be", HOOK "Stripe-Signature: " ID_512 "\r\nContent-Length: 1\r\n\r\nx",
         400, "stripe-signature=aaa", NULL},
        {"of other bytes", HOOK "Stripe-Signature: a\tb\r\nContent-Length: 1\r\n\r\nx", 400,
         "http-method=POST;\"", NULL},
        {"nothing", HOOK "\r\n", 200, NULL, "content-type: application/json"},
        {"a file", EXPORT("from=p-1.csv&to=text%2Fcsv") "\r\n", 200, "date,impressions\r\n",
         "content-disposition: attachment; filename=\"p-1.csv\"\r\n"},
        {"its type", EXPORT("from=p-1.csv&to=text%2Fcsv%3B%20charset=utf-8") "\r\n", 200, NULL,
         "content-type: text/csv; charset=utf-8\r\n"},
        {"its tag", EXPORT("from=p-1.csv&to=text%2Fcsv") "If-None-Match: *\r\n\r\n", 304, NULL,
         "etag: \""},
        {"no name", EXPORT("from=&to=text%2Fcsv") "\r\n", 500, "\"INTERNAL\"", NULL},
        {"a name made safe", EXPORT("from=..%2Fa%22%0D%0Ab%C3%A9.csv&to=text%2Fcsv") "\r\n", 200,
         NULL, "content-disposition: attachment; filename=\"_._a___b__.csv\"\r\n"},
        {"HEAD of a file", "HEAD " EXPORT_PATH("from=p.csv&to=text%2Fcsv") "\r\n", 200, NULL,
         "Content-Length: 18\r\n"},
        {"OPTIONS of a file", "OPTIONS " EXPORT_PATH("") "\r\n", 204, NULL,
         "allow: GET, HEAD, OPTIONS\r\n"},
        {"POST of a file", "POST " EXPORT_PATH("") "\r\n", 405, NULL, NULL},
        {"a type that is none", EXPORT("from=a&to=a%0D%0Ab") "\r\n", 500, NULL, NULL},
        {"an error of it", "GET /api/customer/performance/export HTTP/1.1\r\n" HOST "\r\n", 401,
         "\"AUTH_REQUIRED\"", "content-type: application/json"},
        {"not done yet",
         "POST /api/customer/ads/sync HTTP/1.1\r\n" HOST SESSION "Idempotency-Key: x\r\n\r\n", 202,
         "\"inProgress\":true", NULL},
        {"done", "POST /api/customer/ads/sync HTTP/1.1\r\n" HOST SESSION "\r\n", 200,
         "\"inProgress\":false", NULL},
    };
    RUN(rows);
}

static void test_etags(void **state)
{
    (void)state;
    struct raw_answer answer;
    char etag[128];
    char request[512];
    raw_request(&fixture, DASHBOARD SESSION "\r\n", &answer);
    (void)snprintf(etag, sizeof etag, "%s", raw_header(&answer, "etag"));
    assert_string_equal(raw_header(&answer, "cache-control"), "private, no-cache");
    raw_answer_free(&answer);
    static const struct {
        const char *format;
        int status;
    } cases[] = {
        {"If-None-Match: %s\r\n", 304},
        {"If-None-Match: W/%s\r\n", 304},
        {"If-None-Match: \"a\", %s\r\n", 304},
        {"If-None-Match: \"a\"\r\nIf-None-Match: %s\r\n", 304},
        {"If-None-Match: *\r\nX: %s\r\n", 304},
        {"If-None-Match: \"a\"\r\nX: %s\r\n", 200},
        {"If-None-Match: x%s\r\n", 200},
        {"If-Match: %s\r\n", 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[256];
        (void)snprintf(line, sizeof line, "%s", cases[i].format);
        char *hole = strstr(line, "%s");
        char rest[64];
        (void)snprintf(rest, sizeof rest, "%s", hole + 2);
        (void)snprintf(hole, sizeof line - (size_t)(hole - line), "%s%s", etag, rest);
        (void)snprintf(request, sizeof request, "%s%s%s\r\n", DASHBOARD, SESSION, line);
        raw_request(&fixture, request, &answer);
        assert_int_equal(answer.status, cases[i].status);
        assert_string_equal(raw_header(&answer, "etag"), etag);
        if (answer.status == 304) {
            assert_int_equal(answer.body_len, 0);
            assert_string_equal(raw_header(&answer, "cache-control"), "private, no-cache");
            assert_non_null(raw_header(&answer, "x-request-id"));
        }
        raw_answer_free(&answer);
    }
    /* An error has no tag, whatever the client has. */
    raw_request(&fixture, DASHBOARD "If-None-Match: *\r\n\r\n", &answer);
    assert_int_equal(answer.status, 401);
    assert_null(raw_header(&answer, "etag"));
    raw_answer_free(&answer);
}

static int start(void **state)
{
    (void)state;
    rest_fixture_start(&fixture, NULL);
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
        cmocka_unit_test(test_good),          cmocka_unit_test(test_methods),
        cmocka_unit_test(test_paths),         cmocka_unit_test(test_navigation),
        cmocka_unit_test(test_refused_heads), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_bodies),        cmocka_unit_test(test_types),
        cmocka_unit_test(test_origins),       cmocka_unit_test(test_order),
        cmocka_unit_test(test_queries),       cmocka_unit_test(test_locations),
        cmocka_unit_test(test_errors),        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_raw_bodies),    cmocka_unit_test(test_etags),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
