/*
 * The frontend's pages and files over a real socket: which path is a page, who is answered with it,
 * forms, caches, verbs, headers; and a facade without a frontend.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rest/file.h"
#include "test/integration/rest_fixture.h"

#define HOST " HTTP/1.1\r\nHost: x\r\n"
#define SESSION "Cookie: lotcast_session=good\r\n"
#define JSON "Content-Type: application/json\r\n"
#define BROWSER                                                                                 \
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q" \
    "=0.8\r\n"
#define FETCH "Accept: */*\r\n"
#define ONLY_JSON "Accept: application/json\r\n"
#define NO_HTML "Accept: text/html;q=0, */*\r\n"
#define POLICY "default-src 'none'; script-src 'self'"
#define SCRIPT "/assets/index-Abcd_1-9.js"
#define HASH "0123456789abcdef0123456789ab"
#define IMMUTABLE "public, max-age=31536000, immutable"

#define TEXT(text)                                \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }

static const struct rest_file files[] = {
    {"/index.html", "text/html; charset=utf-8", "no-cache", POLICY, HASH, TEXT("<!doctype html>"),
     TEXT("page, gzipped"), TEXT("page, br")},
    {SCRIPT, "text/javascript; charset=utf-8", IMMUTABLE, NULL, HASH, TEXT("let script = 1;"),
     TEXT("script, gzipped"), TEXT("script, br")},
    {"/assets/inter-12345678.woff2", "font/woff2", IMMUTABLE, NULL, HASH, TEXT("wOF2"), {0}, {0}},
    {"/site.webmanifest",
     "application/manifest+json",
     "no-cache",
     NULL,
     HASH,
     TEXT("{}"),
     {0},
     {0}},
};

static struct rest_fixture fixture; /* one at a time */

static void ask(const char *verb, const char *path, const char *headers, struct raw_answer *answer)
{
    char request[2048];
    int len = snprintf(request, sizeof request, "%s %s" HOST "%s\r\n", verb, path, headers);
    assert_true(len > 0 && (size_t)len < sizeof request);
    int fd = raw_connect(&fixture);
    raw_send(fd, request);
    raw_read(fd, strcmp(verb, "HEAD") == 0, answer);
    assert_int_equal(close(fd), 0);
}

static bool has_header(const struct raw_answer *answer, const char *name, const char *value)
{
    const char *found = raw_header(answer, name);
    return value == NULL ? found == NULL : found != NULL && strcmp(found, value) == 0;
}

static void expect_header(const struct raw_answer *answer, const char *name, const char *value)
{
    if (!has_header(answer, name, value))
        fail_msg("%s is not %s:\n%s", name, value, answer->head);
}

/* --- who is answered with what --- */

enum kind { PAGE, API, ERROR };

struct row {
    const char *verb, *path, *headers;
    int status;
    enum kind kind;
    const char *allow; /* NULL: none */
    bool varies;       /* by Accept */
};

static enum kind kind_of(const struct raw_answer *answer)
{
    const char *type = raw_header(answer, "content-type");
    if (type != NULL && strcmp(type, "text/html; charset=utf-8") == 0)
        return PAGE;
    return answer->status >= 400 ? ERROR : API;
}

static void run(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        struct raw_answer answer;
        ask(row->verb, row->path, row->headers, &answer);
        const char *vary = raw_header(&answer, "vary");
        bool varies = vary != NULL && strncmp(vary, "accept", 6) == 0 && vary[6] != '-';
        if (answer.status != row->status || kind_of(&answer) != row->kind ||
            !has_header(&answer, "allow", row->allow) || varies != row->varies)
            fail_msg("%s %s %s: not %d:\n%s%s", row->verb, row->path, row->headers, row->status,
                     answer.head, answer.body == NULL ? "" : answer.body);
        assert_int_equal(raw_header(&answer, "content-security-policy") != NULL, row->kind == PAGE);
        raw_answer_free(&answer);
    }
}

#define RUN(rows) run(rows, sizeof(rows) / sizeof(rows)[0])

static void test_paths_that_are_pages_alone(void **state)
{
    (void)state;
    static const char *const paths[] = {"/",
                                        "/login",
                                        "/signup",
                                        "/onboarding/start",
                                        "/onboarding/connect",
                                        "/app",
                                        "/app/dashboard",
                                        "/app/no/such/page",
                                        "/admin",
                                        "/admin/nothing",
                                        "/admin/customers/7/nothing",
                                        "/%61pp/ads",
                                        "/app/dashboard?success=true&returnTo=//evil",
                                        "/login?a[b=%zz"};
#define ALLOW "GET, HEAD, OPTIONS"
    static const struct row rows[] = {
        {"GET", NULL, BROWSER, 200, PAGE, NULL, true},
        {"HEAD", NULL, BROWSER, 200, PAGE, NULL, true},
        {"GET", NULL, FETCH, 200, PAGE, NULL, true},
        {"GET", NULL, "", 200, PAGE, NULL, true},
        {"GET", NULL, "Accept: application/json, text/html;q=0.1\r\n", 200, PAGE, NULL, true},
        {"GET", NULL, ONLY_JSON, 404, ERROR, NULL, true},
        {"HEAD", NULL, ONLY_JSON, 404, ERROR, NULL, true},
        {"GET", NULL, NO_HTML, 404, ERROR, NULL, true},
        {"GET", NULL, "Accept: image/png\r\n", 404, ERROR, NULL, true},
        {"GET", NULL, "Accept: application/json\r\nAccept: image/*\r\n", 404, ERROR, NULL, true},
        {"POST", NULL, BROWSER "Content-Length: 0\r\n", 405, ERROR, ALLOW, true},
        {"PUT", NULL, FETCH "Content-Length: 0\r\n", 405, ERROR, ALLOW, true},
        {"DELETE", NULL, ONLY_JSON, 405, ERROR, ALLOW, true},
        {"PATCH", NULL, "", 405, ERROR, ALLOW, true},
        {"TRACE", NULL, BROWSER, 405, ERROR, ALLOW, true},
        {"OPTIONS", NULL, FETCH, 204, API, ALLOW, true},
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        for (size_t j = 0; j < sizeof rows / sizeof rows[0]; j++) {
            struct row row = rows[j];
            row.path = paths[i];
            run(&row, 1);
        }
    }
}

static void test_paths_that_are_the_api_s_too(void **state)
{
    (void)state;
#define CUSTOMER "/admin/customers/7"
    static const struct row rows[] = {
        {"GET", CUSTOMER, BROWSER, 200, PAGE, NULL, true},
        {"HEAD", CUSTOMER, BROWSER, 200, PAGE, NULL, true},
        {"GET", CUSTOMER, "Accept: application/json;q=0.5, text/html\r\n", 200, PAGE, NULL, true},
        {"GET", CUSTOMER, "Accept: text/html;q=0.2, */*;q=0.1\r\n", 200, PAGE, NULL, true},
        {"GET", CUSTOMER "?x=1", BROWSER, 200, PAGE, NULL, true},
        {"GET", "/admin/customers", BROWSER, 200, PAGE, NULL, true},
        {"GET", "/admin/audit", BROWSER, 200, PAGE, NULL, true},
        {"GET", "/admin/customers/7/credits", BROWSER, 200, PAGE, NULL, true},
        /* All else is the API's, with or without a session. */
        {"GET", CUSTOMER, SESSION, 200, API, NULL, true},
        {"GET", CUSTOMER, SESSION FETCH, 200, API, NULL, true},
        {"GET", CUSTOMER, SESSION ONLY_JSON, 200, API, NULL, true},
        {"HEAD", CUSTOMER, SESSION ONLY_JSON, 200, API, NULL, true},
        {"GET", CUSTOMER, SESSION NO_HTML, 200, API, NULL, true},
        {"GET", CUSTOMER, SESSION "Accept: text/html, application/json\r\n", 200, API, NULL, true},
        {"GET", CUSTOMER "?x=1", SESSION FETCH, 400, ERROR, NULL, true},
        {"POST", CUSTOMER, SESSION BROWSER "Content-Length: 0\r\n", 405, ERROR, ALLOW, true},
        {"OPTIONS", CUSTOMER, BROWSER, 204, API, ALLOW, true},
        {"GET", "/admin/customers/7/credits", FETCH, 405, ERROR, "POST, OPTIONS", true},
        {"POST", "/admin/customers/7/credits",
         SESSION BROWSER "Origin: http://evil\r\nContent-Length: 0\r\n", 403, ERROR, NULL, true},
        {"POST", "/admin/customers/7/credits", SESSION BROWSER JSON "Content-Length: 0\r\n", 409,
         ERROR, NULL, true},
    };
    RUN(rows);
}

static void test_paths_that_are_no_pages(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/api",
        "/api/",
        "/api/nothing",
        "/api/app/dashboard",
        "/api/customer/nothing",
        "/login/",
        "/login/x",
        "/signup/x",
        "/onboarding",
        "/onboarding/",
        "/app/",
        "/app//dashboard",
        "/app/../app",
        "/app/%2e%2e/api/customer/dashboard",
        "/app/%00",
        "/app/\\x",
        "/App",
        "/LOGIN",
        "/login%2F",
        "/applications",
        "/admin/customers;x",
        "/app/x%20y",
        "/index.html",
        "/assets",
        "/assets/",
        "/assets/nothing-12345678.js",
        "/assets/index-Abcd_1-9.js/",
        "/assets/index-Abcd_1-9.js%00",
        "/assets/..%2findex.html",
        "/assets/%69ndex-Abcd_1-9.js",
        "//assets/index-Abcd_1-9.js",
        "/favicon.ico",
        "/robots.txt",
        "/.well-known/x",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct raw_answer answer;
        ask("GET", paths[i], BROWSER, &answer);
        if (answer.status != 404 || strstr(answer.body, "\"NOT_FOUND\"") == NULL)
            fail_msg("%s: %d %s", paths[i], answer.status, answer.body);
        expect_header(&answer, "content-type", "application/json");
        expect_header(&answer, "cache-control", "no-store");
        raw_answer_free(&answer);
    }
}

/* The API never answers HTML, whatever is asked for. */
static void test_the_api(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET", "/api/customer/inventory", SESSION BROWSER, 200, API, NULL, false},
        {"GET", "/api/customer/dashboard", BROWSER, 401, ERROR, NULL, false},
        {"GET", "/api/nothing", BROWSER, 404, ERROR, NULL, false},
        {"DELETE", "/api/customer/inventory", BROWSER, 405, ERROR, ALLOW, false},
        {"GET", "/healthz", BROWSER, 200, API, NULL, false},
        {"GET", "/api/openapi.json", BROWSER, 200, API, NULL, false},
    };
    RUN(rows);
}

/* --- forms and caches --- */

static void test_forms(void **state)
{
    (void)state;
    static const struct {
        const char *path, *accept_encoding, *coding, *body;
    } rows[] = {
        {SCRIPT, "", NULL, "let script = 1;"},
        {SCRIPT, "Accept-Encoding: br, gzip\r\n", "br", "script, br"},
        {SCRIPT, "Accept-Encoding: gzip, deflate, br, zstd\r\n", "br", "script, br"},
        {SCRIPT, "Accept-Encoding: gzip, deflate\r\n", "gzip", "script, gzipped"},
        {SCRIPT, "Accept-Encoding: gzip\r\nAccept-Encoding: br\r\n", "br", "script, br"},
        {SCRIPT, "Accept-Encoding: gzip;q=1, br;q=0.5\r\n", "gzip", "script, gzipped"},
        {SCRIPT, "Accept-Encoding: *\r\n", "br", "script, br"},
        {SCRIPT, "Accept-Encoding: identity;q=0, *\r\n", "br", "script, br"},
        {SCRIPT, "Accept-Encoding: identity\r\n", NULL, "let script = 1;"},
        {SCRIPT, "Accept-Encoding: br;q=0, gzip;q=0\r\n", NULL, "let script = 1;"},
        {SCRIPT, "Accept-Encoding: *;q=0\r\n", NULL, "let script = 1;"},
        {SCRIPT, "Accept-Encoding: \r\n", NULL, "let script = 1;"},
        {"/login", "Accept-Encoding: br\r\n", "br", "page, br"},
        {"/login", "Accept-Encoding: gzip\r\n", "gzip", "page, gzipped"},
        {"/login", "", NULL, "<!doctype html>"},
        {"/assets/inter-12345678.woff2", "Accept-Encoding: br, gzip\r\n", NULL, "wOF2"},
        {"/site.webmanifest", "Accept-Encoding: identity;q=0, br\r\n", NULL, "{}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct raw_answer answer;
        char tag[64];
        ask("GET", rows[i].path, rows[i].accept_encoding, &answer);
        assert_int_equal(answer.status, 200);
        expect_header(&answer, "content-encoding", rows[i].coding);
        assert_int_equal(answer.body_len, strlen(rows[i].body));
        assert_memory_equal(answer.body, rows[i].body, answer.body_len);
        (void)snprintf(tag, sizeof tag, "\"" HASH "%s\"",
                       rows[i].coding == NULL              ? ""
                       : strcmp(rows[i].coding, "br") == 0 ? "-br"
                                                           : "-gz");
        expect_header(&answer, "etag", tag);
        expect_header(&answer, "vary",
                      strcmp(rows[i].path, "/login") == 0 ? "accept, accept-encoding"
                                                          : "accept-encoding");
        raw_answer_free(&answer);
    }
}

static void test_caches(void **state)
{
    (void)state;
    static const struct {
        const char *path, *headers;
        int status;
        const char *cache;
    } rows[] = {
        {SCRIPT, "", 200, IMMUTABLE},
        {SCRIPT, "If-None-Match: \"" HASH "\"\r\n", 304, IMMUTABLE},
        {SCRIPT, "If-None-Match: *\r\n", 304, IMMUTABLE},
        {SCRIPT, "If-None-Match: \"x\", W/\"" HASH "\"\r\n", 304, IMMUTABLE},
        {SCRIPT, "If-None-Match: \"" HASH "-br\"\r\n", 200, IMMUTABLE},
        {SCRIPT, "Accept-Encoding: br\r\nIf-None-Match: \"" HASH "-br\"\r\n", 304, IMMUTABLE},
        {SCRIPT, "Accept-Encoding: br\r\nIf-None-Match: \"" HASH "\"\r\n", 200, IMMUTABLE},
        {"/app/ads", "", 200, "no-cache"},
        {"/app/ads", "If-None-Match: \"" HASH "\"\r\n", 304, "no-cache"},
        {"/app/ads", BROWSER "If-None-Match: \"" HASH "\"\r\n", 304, "no-cache"},
        {"/app/ads", "If-None-Match: \"x\"\r\n", 200, "no-cache"},
        {"/app/ads", "If-None-Match: " HASH "\r\n", 200, "no-cache"},
        {CUSTOMER, BROWSER "If-None-Match: \"" HASH "\"\r\n", 304, "no-cache"},
        {"/site.webmanifest", "", 200, "no-cache"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct raw_answer answer;
        ask("GET", rows[i].path, rows[i].headers, &answer);
        if (answer.status != rows[i].status)
            fail_msg("%s %s: %d", rows[i].path, rows[i].headers, answer.status);
        expect_header(&answer, "cache-control", rows[i].cache);
        assert_non_null(raw_header(&answer, "etag"));
        assert_non_null(raw_header(&answer, "vary"));
        assert_int_equal(answer.body_len == 0, answer.status == 304);
        raw_answer_free(&answer);
    }
}

static void test_headers(void **state)
{
    (void)state;
    static const struct {
        const char *path, *type, *policy;
    } rows[] = {
        {"/", "text/html; charset=utf-8", POLICY},
        {CUSTOMER, "text/html; charset=utf-8", POLICY},
        {SCRIPT, "text/javascript; charset=utf-8", NULL},
        {"/assets/inter-12345678.woff2", "font/woff2", NULL},
        {"/site.webmanifest", "application/manifest+json", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct raw_answer answer;
        ask("GET", rows[i].path, BROWSER, &answer);
        bool page = rows[i].policy != NULL;
        expect_header(&answer, "content-type", rows[i].type);
        expect_header(&answer, "x-content-type-options", "nosniff");
        expect_header(&answer, "cross-origin-resource-policy", "same-origin");
        expect_header(&answer, "content-security-policy", rows[i].policy);
        expect_header(&answer, "referrer-policy", page ? "no-referrer" : NULL);
        expect_header(&answer, "cross-origin-opener-policy", page ? "same-origin" : NULL);
        assert_int_equal(raw_header(&answer, "permissions-policy") != NULL, page);
        assert_non_null(raw_header(&answer, "x-request-id"));
        assert_null(raw_header(&answer, "set-cookie"));
        raw_answer_free(&answer);
    }
}

static void test_verbs_of_files(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *headers;
        int status;
        const char *allow;
    } rows[] = {
        {"HEAD", "", 200, NULL},
        {"OPTIONS", "", 204, ALLOW},
        {"POST", "Content-Length: 0\r\n", 405, ALLOW},
        {"POST", "Origin: http://evil\r\nContent-Length: 0\r\n", 405, ALLOW},
        {"PUT", "Content-Length: 0\r\n", 405, ALLOW},
        {"DELETE", "", 405, ALLOW},
        {"TRACE", "", 405, ALLOW},
        {"GET", ONLY_JSON, 200, NULL}, /* a file is what it is */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct raw_answer answer;
        ask(rows[i].verb, SCRIPT, rows[i].headers, &answer);
        assert_int_equal(answer.status, rows[i].status);
        expect_header(&answer, "allow", rows[i].allow);
        if (strcmp(rows[i].verb, "HEAD") == 0)
            expect_header(&answer, "content-length", "15");
        raw_answer_free(&answer);
    }
}

/* --- the rules that hold everywhere --- */

static void test_heads(void **state)
{
    (void)state;
    static const struct {
        const char *start; /* then so many x, then the end */
        size_t filling;
        const char *end;
        int status;
    } rows[] = {
        {"GET /app/", 8192 - 5, " HTTP/1.1\r\nHost: x\r\n\r\n", 200},
        {"GET /app/", 8192 - 4, " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
        {"GET /assets/", 9000, " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
        {"GET /login HTTP/1.1\r\nHost: x\r\nCookie: ", 16384, "\r\n\r\n", 431},
        {"GET /login HTTP/1.1\r\n", 0, "\r\n", 400},
        {"GET /login HTTP/1.1\r\nHost: x\r\nHost: y\r\n", 0, "\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", 0,
         "\r\n", 400},
        {"GET " SCRIPT " HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n", 0, "\r\n", 400},
        {"CONNECT / HTTP/1.1\r\nHost: x\r\n", 0, "\r\n", 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct raw_answer answer;
        size_t start_len = strlen(rows[i].start);
        size_t len = start_len + rows[i].filling;
        char *request = malloc(len + strlen(rows[i].end) + 1);
        assert_non_null(request);
        memset(request, 'x', len);
        memcpy(request, rows[i].start, start_len);
        memcpy(request + len, rows[i].end, strlen(rows[i].end) + 1);
        raw_request(&fixture, request, &answer);
        if (answer.status != rows[i].status)
            fail_msg("%s: %d", rows[i].start, answer.status);
        if (answer.status != 200)
            expect_header(&answer, "content-type", "application/json");
        raw_answer_free(&answer);
        free(request);
    }
}

static void test_without_a_frontend(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"GET", "/", BROWSER, 404, ERROR, NULL, true},
        {"GET", "/login", BROWSER, 404, ERROR, NULL, true},
        {"GET", "/login", FETCH, 404, ERROR, NULL, true},
        {"POST", "/login", "Content-Length: 0\r\n", 404, ERROR, NULL, true},
        {"OPTIONS", "/login", "", 404, ERROR, NULL, true},
        {"GET", "/app/dashboard", BROWSER, 404, ERROR, NULL, true},
        {"GET", "/admin/customers", BROWSER, 404, ERROR, NULL, true},
        {"GET", CUSTOMER, BROWSER, 404, ERROR, NULL, true},
        {"GET", CUSTOMER, SESSION FETCH, 200, API, NULL, true},
        {"GET", SCRIPT, BROWSER, 404, ERROR, NULL, false},
        {"GET", "/site.webmanifest", FETCH, 404, ERROR, NULL, false},
    };
    RUN(rows);
}

static void add_files(struct rest_options *options)
{
    options->web_files = files;
    options->web_file_count = sizeof files / sizeof files[0];
}

static int start_with(void **state)
{
    (void)state;
    rest_fixture_start(&fixture, add_files);
    return 0;
}

/* Instead of the one that runs. */
static int start_without(void **state)
{
    (void)state;
    rest_fixture_stop(&fixture);
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
        cmocka_unit_test(test_paths_that_are_pages_alone),
        cmocka_unit_test(test_paths_that_are_the_api_s_too),
        cmocka_unit_test(test_paths_that_are_no_pages),
        cmocka_unit_test(test_the_api),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_caches),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_verbs_of_files),
        cmocka_unit_test(test_heads),
        cmocka_unit_test_setup(test_without_a_frontend, start_without),
    };
    return cmocka_run_group_tests_name("web", tests, start_with, stop);
}
