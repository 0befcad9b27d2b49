/*
 * /api/openapi.json and /api/docs over a real socket: representations, caches, verbs, headers.
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
#define DOCUMENT "/api/openapi.json"

static struct rest_fixture fixture;

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

static void expect_header(const struct raw_answer *answer, const char *name, const char *value)
{
    const char *found = raw_header(answer, name);
    if (found == NULL || strcmp(found, value) != 0)
        fail_msg("%s: %s", name, found == NULL ? "none" : found);
}

static void test_the_document(void **state)
{
    (void)state;
    struct raw_answer answer;
    ask("GET", DOCUMENT, "", &answer);
    assert_int_equal(answer.status, 200);
    expect_header(&answer, "content-type", "application/json");
    expect_header(&answer, "cache-control", "no-cache");
    expect_header(&answer, "vary", "accept-encoding");
    expect_header(&answer, "x-content-type-options", "nosniff");
    assert_non_null(raw_header(&answer, "x-request-id"));
    assert_null(raw_header(&answer, "content-encoding"));
    assert_memory_equal(answer.body, "{\"openapi\":\"3.1.0\",", 19);
    assert_true(answer.body[answer.body_len - 1] == '}');
    raw_answer_free(&answer);
}

static void test_compressed(void **state)
{
    (void)state;
    struct raw_answer plain, packed;
    struct buffer out;
    buffer_init(&out, REST_FILE_BYTES_MAX);
    ask("GET", DOCUMENT, "", &plain);
    ask("GET", DOCUMENT, "Accept-Encoding: br, gzip;q=0.8\r\n", &packed);
    assert_int_equal(packed.status, 200);
    expect_header(&packed, "content-encoding", "gzip");
    expect_header(&packed, "vary", "accept-encoding");
    struct rest_file file = {.gzip = span_of(packed.body, packed.body_len)};
    assert_true(rest_file_unpack(&file, &out));
    assert_int_equal(out.len, plain.body_len);
    assert_memory_equal(out.data, plain.body, plain.body_len);
    /* Two representations, two tags. */
    char tag[64];
    (void)snprintf(tag, sizeof tag, "%s", raw_header(&plain, "etag"));
    assert_string_not_equal(raw_header(&packed, "etag"), tag);
    raw_answer_free(&plain);
    raw_answer_free(&packed);
    buffer_fini(&out);
}

static void test_caches(void **state)
{
    (void)state;
    struct raw_answer answer;
    char tag[64], header[128];
    ask("GET", DOCUMENT, "", &answer);
    (void)snprintf(tag, sizeof tag, "%s", raw_header(&answer, "etag"));
    raw_answer_free(&answer);
    static const struct {
        const char *format;
        int status;
    } rows[] = {
        {"If-None-Match: %s\r\n", 304},
        {"If-None-Match: W/%s\r\n", 304},
        {"If-None-Match: \"other\", %s\r\n", 304},
        {"If-None-Match: *\r\n", 304},
        {"If-None-Match: \"other\"\r\n", 200},
        {"If-None-Match: %s\r\nAccept-Encoding: gzip\r\n", 200}, /* the other representation */
        {"If-None-Match: \r\n", 200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *at = strstr(rows[i].format, "%s");
        int before = at == NULL ? (int)strlen(rows[i].format) : (int)(at - rows[i].format);
        (void)snprintf(header, sizeof header, "%.*s%s%s", before, rows[i].format,
                       at == NULL ? "" : tag, at == NULL ? "" : at + 2);
        ask("GET", DOCUMENT, header, &answer);
        if (answer.status != rows[i].status)
            fail_msg("%s: %d", header, answer.status);
        assert_int_equal(answer.body_len == 0, rows[i].status == 304);
        assert_non_null(raw_header(&answer, "etag"));
        raw_answer_free(&answer);
    }
}

static void test_verbs(void **state)
{
    (void)state;
    struct raw_answer get, head, answer;
    char length[32];
    ask("GET", DOCUMENT, "", &get);
    ask("HEAD", DOCUMENT, "", &head);
    assert_int_equal(head.status, 200);
    (void)snprintf(length, sizeof length, "%zu", get.body_len);
    expect_header(&head, "content-length", length);
    raw_answer_free(&get);
    raw_answer_free(&head);
    ask("OPTIONS", DOCUMENT, "", &answer);
    assert_int_equal(answer.status, 204);
    expect_header(&answer, "allow", "GET, HEAD, OPTIONS");
    raw_answer_free(&answer);
    static const char *const others[] = {"POST", "PUT", "DELETE", "PATCH", "TRACE"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ask(others[i], DOCUMENT, "Content-Length: 0\r\n", &answer);
        assert_int_equal(answer.status, 405);
        expect_header(&answer, "allow", "GET, HEAD, OPTIONS");
        raw_answer_free(&answer);
    }
}

static void test_the_page(void **state)
{
    (void)state;
    struct raw_answer answer;
    ask("GET", "/api/docs", "", &answer);
    assert_int_equal(answer.status, rest_docs_file_count > 0 ? 200 : 404);
    if (rest_docs_file_count > 0) {
        expect_header(&answer, "content-type", "text/html; charset=utf-8");
        expect_header(&answer, "referrer-policy", "no-referrer");
        assert_non_null(
            strstr(raw_header(&answer, "content-security-policy"), "default-src 'none'"));
    }
    raw_answer_free(&answer);
    for (size_t i = 1; i < rest_docs_file_count; i++) {
        ask("GET", rest_docs_files[i].path, "Accept-Encoding: gzip\r\n", &answer);
        assert_int_equal(answer.status, 200);
        expect_header(&answer, "cache-control", "public, max-age=31536000, immutable");
        assert_null(raw_header(&answer, "content-security-policy"));
        assert_int_equal(answer.body_len, rest_docs_files[i].gzip.len > 0
                                              ? rest_docs_files[i].gzip.len
                                              : rest_docs_files[i].identity.len);
        raw_answer_free(&answer);
    }
}

static void test_there_is_nothing_else(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/api/openapi.json/",
        "/api/openapi.jso",
        "/api/openapi.json%00",
        "/api//openapi.json",
        "/api/openapi.yaml",
        "/API/openapi.json",
        "/api/docs/",
        "/api/docs/index.html",
        "/api/docs/swagger-ui.css",
        "/api/docs/../openapi.json",
        "/api/docs/..%2f..%2fetc%2fpasswd",
        "/api/docs/LICENSE",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct raw_answer answer;
        ask("GET", paths[i], "", &answer);
        if (answer.status != 404 || strstr(answer.body, "NOT_FOUND") == NULL)
            fail_msg("%s: %d %s", paths[i], answer.status, answer.body);
        raw_answer_free(&answer);
    }
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
        cmocka_unit_test(test_the_document), cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_caches),       cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_the_page),     cmocka_unit_test(test_there_is_nothing_else),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
