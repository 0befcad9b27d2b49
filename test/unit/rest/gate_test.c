#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rest/gate.h"

#define BAD LOTCAST__V1__REASON__REASON_BAD_REQUEST
#define LARGE LOTCAST__V1__REASON__REASON_HEADERS_TOO_LARGE

#define GET "GET / HTTP/1.1\r\nHost: x\r\n"
#define POST "POST / HTTP/1.1\r\nHost: x\r\n"
#define TEXT_BYTES ((size_t)2 * 1024 * 1024)
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

struct outcome {
    enum gate_verdict verdict;
    Lotcast__V1__Reason refusal;
    char request[4096]; /* canonical */
    size_t request_len;
    char rest[4096];
    char target[1024];
    bool too_large;
};

/* Feeds the text in pieces of `step` bytes. */
static void run(const char *text, size_t len, size_t step, struct outcome *outcome)
{
    struct gate gate;
    char *data = calloc(1, len + 1); /* exact, so that a sanitizer sees any overrun */
    size_t have = 0;
    size_t fed = 0;
    assert_non_null(data);
    memset(outcome, 0, sizeof *outcome);
    gate_init(&gate);
    enum gate_verdict verdict = GATE_MORE;
    while (verdict == GATE_MORE && fed < len) {
        size_t count = len - fed < step ? len - fed : step;
        memcpy(data + have, text + fed, count);
        have += count;
        fed += count;
        verdict = gate_feed(&gate, data, &have);
    }
    outcome->verdict = verdict;
    outcome->refusal = gate.refusal;
    outcome->too_large = gate.body_too_large;
    if (verdict == GATE_PASS) {
        assert_true(gate.pass_len <= gate.rest_at || gate.body_too_large);
        outcome->request_len = gate.pass_len;
        if (gate.pass_len < sizeof outcome->request)
            memcpy(outcome->request, data, gate.pass_len);
        (void)snprintf(outcome->rest, sizeof outcome->rest, "%.*s%.*s", (int)(have - gate.rest_at),
                       data + gate.rest_at, (int)(len - fed), text + fed);
        (void)snprintf(outcome->target, sizeof outcome->target, "%s", buffer_cstring(&gate.target));
    }
    gate_fini(&gate);
    free(data);
}

struct row {
    const char *name;
    const char *text;
    enum gate_verdict verdict;
    const char *want; /* canonical request, or NULL */
    const char *target;
};

static const struct row rows[] = {
    /* --- what passes --- */
    {"plain", GET "\r\n", GATE_PASS, "GET / HTTP/1.1\r\nHost:x\r\n\r\n", "/"},
    {"target", "GET /a/b?c=%20 HTTP/1.1\r\nHost: x\r\n\r\n", GATE_PASS, NULL, "/a/b?c=%20"},
    {"brackets", "GET /a?f[x]=1 HTTP/1.1\r\nHost: x\r\n\r\n", GATE_PASS, NULL, "/a?f[x]=1"},
    {"absolute form", "GET http://evil/p?q HTTP/1.1\r\nHost: x\r\n\r\n", GATE_PASS, NULL, "/p?q"},
    {"absolute form, no path", "GET HTTP://evil?q HTTP/1.1\r\nHost: x\r\n\r\n", GATE_PASS, NULL,
     "/?q"},
    {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", GATE_PASS, NULL, "*"},
    {"1.0 without Host", "GET / HTTP/1.0\r\n\r\n", GATE_PASS, "GET / HTTP/1.0\r\n\r\n", "/"},
    {"1.2 is 1.1", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", GATE_PASS,
     "GET / HTTP/1.1\r\nHost:x\r\n\r\n", "/"},
    {"empty line first", "\r\n" GET "\r\n", GATE_PASS, "GET / HTTP/1.1\r\nHost:x\r\n\r\n", "/"},
    {"spaces around a value", "GET / HTTP/1.1\r\nHost: \t x \t\r\nA:\r\n\r\n", GATE_PASS,
     "GET / HTTP/1.1\r\nHost:x\r\nA:\r\n\r\n", "/"},
    {"Expect and Upgrade go", GET "Expect: 100-continue\r\nUpgrade: h2c\r\nB: c\r\n\r\n", GATE_PASS,
     "GET / HTTP/1.1\r\nHost:x\r\nB:c\r\n\r\n", "/"},
    {"a body", POST "Content-Length: 3\r\nB: c\r\n\r\nabc", GATE_PASS,
     "POST / HTTP/1.1\r\nHost:x\r\nB:c\r\ncontent-length:3\r\n\r\nabc", "/"},
    {"an empty body", POST "Content-Length: 0\r\n\r\n", GATE_PASS,
     "POST / HTTP/1.1\r\nHost:x\r\n\r\n", "/"},
    {"zeros before a length", POST "Content-Length: 00003\r\n\r\nabc", GATE_PASS,
     "POST / HTTP/1.1\r\nHost:x\r\ncontent-length:3\r\n\r\nabc", "/"},
    {"chunks", CHUNKED "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", GATE_PASS,
     "POST / HTTP/1.1\r\nHost:x\r\ncontent-length:0000005\r\n\r\nabcde", "/"},
    {"no chunk", CHUNKED "0\r\n\r\n", GATE_PASS,
     "POST / HTTP/1.1\r\nHost:x\r\ncontent-length:0000000\r\n\r\n", "/"},
    {"extensions and trailers", CHUNKED "3;a=b\r\nabc\r\n0;x\r\nTrailer: 1\r\nB: 2\r\n\r\n",
     GATE_PASS, "POST / HTTP/1.1\r\nHost:x\r\ncontent-length:0000003\r\n\r\nabc", "/"},
    {"chunk data with line ends", CHUNKED "4\r\n\r\n\r\n\r\n0\r\n\r\n", GATE_PASS,
     "POST / HTTP/1.1\r\nHost:x\r\ncontent-length:0000004\r\n\r\n\r\n\r\n", "/"},
    /* --- what waits --- */
    {"half a head", GET, GATE_MORE, NULL, NULL},
    {"half a body", POST "Content-Length: 3\r\n\r\nab", GATE_MORE, NULL, NULL},
    {"half a chunk", CHUNKED "3\r\nab", GATE_MORE, NULL, NULL},
    {"no last chunk", CHUNKED "3\r\nabc\r\n", GATE_MORE, NULL, NULL},
    /* --- what is refused --- */
    {"length and chunks", POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
     GATE_REFUSE, NULL, NULL},
    {"two lengths", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", GATE_REFUSE, NULL,
     NULL},
    {"a list of lengths", POST "Content-Length: 3, 3\r\n\r\nabc", GATE_REFUSE, NULL, NULL},
    {"a signed length", POST "Content-Length: +3\r\n\r\nabc", GATE_REFUSE, NULL, NULL},
    {"a hex length", POST "Content-Length: 0x3\r\n\r\nabc", GATE_REFUSE, NULL, NULL},
    {"an empty length", POST "Content-Length:\r\n\r\nabc", GATE_REFUSE, NULL, NULL},
    {"an endless length", POST "Content-Length: 99999999999999999999\r\n\r\n", GATE_REFUSE, NULL,
     NULL},
    {"chunks in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", GATE_REFUSE,
     NULL, NULL},
    {"another coding", POST "Transfer-Encoding: gzip, chunked\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"identity", POST "Transfer-Encoding: identity\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a vertical tab before chunked", POST "Transfer-Encoding: \vchunked\r\n\r\n", GATE_REFUSE,
     NULL, NULL},
    {"chunked twice", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     GATE_REFUSE, NULL, NULL},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"two Hosts", GET "Host: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a Host with a path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a Host with a user", "GET / HTTP/1.1\r\nHost: a@x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a folded line", GET "A: b\r\n c\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a folded first line", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a space before the colon", GET "A : b\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"no colon", GET "A\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"no name", GET ": b\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a control character", GET "A: \001\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a bare CR", GET "A: b\rc\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a bare LF", "GET / HTTP/1.1\nHost: x\n\n", GATE_REFUSE, NULL, NULL},
    {"a bare LF at the end", GET "\n", GATE_REFUSE, NULL, NULL},
    {"CONNECT", "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"HTTP/0.9", "GET /\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a lower-case version", "GET / http/1.1\r\nHost: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"bytes beyond ASCII", "GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"no slash", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"an asterisk for GET", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"no authority", "GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"no method", " / HTTP/1.1\r\nHost: x\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"TLS", "\x16\x03\x01\x02", GATE_REFUSE, NULL, NULL},
    {"five empty lines", "\r\n\r\n\r\n\r\n\r\n" GET "\r\n", GATE_REFUSE, NULL, NULL},
    {"a bare LF behind a size", CHUNKED "3\nabc\r\n0\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a bare LF behind data", CHUNKED "3\r\nabc\n0\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"a bare LF at the end of chunks", CHUNKED "0\r\n\n", GATE_REFUSE, NULL, NULL},
    {"a bare LF in an extension", CHUNKED "3;a\nb\r\nabc\r\n0\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"data longer than its size", CHUNKED "3\r\nabcd\r\n0\r\n\r\n", GATE_REFUSE, NULL, NULL},
    {"no size", CHUNKED "\r\nabc", GATE_REFUSE, NULL, NULL},
    {"a size that is none", CHUNKED "x\r\n", GATE_REFUSE, NULL, NULL},
    {"a signed size", CHUNKED "-1\r\n", GATE_REFUSE, NULL, NULL},
    {"a prefixed size", CHUNKED "0x1\r\n", GATE_REFUSE, NULL, NULL},
    {"a size of 17 digits", CHUNKED "00000000000000001\r\n", GATE_REFUSE, NULL, NULL},
    {"a folded trailer", CHUNKED "0\r\n a: b\r\n\r\n", GATE_REFUSE, NULL, NULL},
};

static void test_rows(void **state)
{
    (void)state;
    static const size_t step_sizes[] = {1, 2, 3, 7, 100000};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t j = 0; j < sizeof step_sizes / sizeof step_sizes[0]; j++) {
            struct outcome outcome;
            run(rows[i].text, strlen(rows[i].text), step_sizes[j], &outcome);
            if (outcome.verdict != rows[i].verdict)
                fail_msg("%s, %zu bytes at a time: %d instead of %d", rows[i].name, step_sizes[j],
                         (int)outcome.verdict, (int)rows[i].verdict);
            if (rows[i].want != NULL)
                assert_string_equal(outcome.request, rows[i].want);
            if (rows[i].target != NULL)
                assert_string_equal(outcome.target, rows[i].target);
            if (outcome.verdict == GATE_REFUSE)
                assert_int_equal(outcome.refusal, BAD);
        }
    }
}

static void test_what_follows_is_left(void **state)
{
    (void)state;
    struct outcome outcome;
    const char *text = GET "\r\nGET /next";
    run(text, strlen(text), 100000, &outcome);
    assert_int_equal(outcome.verdict, GATE_PASS);
    assert_string_equal(outcome.rest, "GET /next");
    text = CHUNKED "1\r\na\r\n0\r\n\r\nGET /next";
    run(text, strlen(text), 100000, &outcome);
    assert_string_equal(outcome.rest, "GET /next");
    text = POST "Content-Length: 2\r\n\r\nabGET /next";
    run(text, strlen(text), 5, &outcome);
    assert_string_equal(outcome.rest, "GET /next");
}

static void test_lines(void **state)
{
    (void)state;
    char text[8192];
    struct outcome outcome;
    for (size_t count = 98; count <= 101; count++) { /* beside the request line and Host */
        size_t len = (size_t)snprintf(text, sizeof text, "%s", GET);
        for (size_t i = 0; i < count; i++)
            len += (size_t)snprintf(text + len, sizeof text - len, "A%zu: b\r\n", i);
        len += (size_t)snprintf(text + len, sizeof text - len, "\r\n");
        run(text, len, 1000, &outcome);
        assert_int_equal(outcome.verdict, count <= 99 ? GATE_PASS : GATE_REFUSE);
    }
}

static void test_large_heads(void **state)
{
    (void)state;
    char *text = calloc(1, 64 * 1024);
    struct outcome outcome;
    assert_non_null(text);
    for (size_t len = GATE_HEAD_BYTES_MAX - 1; len <= GATE_HEAD_BYTES_MAX + 1; len++) {
        size_t used = (size_t)snprintf(text, 64, "%sA: ", GET);
        memset(text + used, 'x', len - used - 4);
        memcpy(text + len - 4, "\r\n\r\n", 5);
        run(text, len, 1000, &outcome);
        assert_int_equal(outcome.verdict, len <= GATE_HEAD_BYTES_MAX ? GATE_PASS : GATE_REFUSE);
        if (outcome.verdict == GATE_REFUSE)
            assert_int_equal(outcome.refusal, LARGE);
    }
    memset(text, 'x', 64 * 1024 - 1); /* one that never ends */
    run(text, 64 * 1024 - 1, 1000, &outcome);
    assert_int_equal(outcome.refusal, LARGE);
    free(text);
}

static void test_large_bodies(void **state)
{
    (void)state;
    struct outcome outcome;
    char *text = calloc(1, TEXT_BYTES);
    assert_non_null(text);
    for (size_t len = GATE_BODY_BYTES_MAX; len <= GATE_BODY_BYTES_MAX + 1; len++) {
        bool too_large = len > GATE_BODY_BYTES_MAX;
        size_t used = (size_t)snprintf(text, TEXT_BYTES, POST "Content-Length: %zu\r\n\r\n", len);
        memset(text + used, 'x', len);
        run(text, used + len, 65536, &outcome);
        assert_int_equal(outcome.verdict, GATE_PASS);
        assert_int_equal(outcome.too_large, too_large);
        used = (size_t)snprintf(text, TEXT_BYTES, CHUNKED "%zx\r\n", GATE_BODY_BYTES_MAX);
        memset(text + used, 'x', GATE_BODY_BYTES_MAX);
        used += GATE_BODY_BYTES_MAX;
        used += (size_t)snprintf(text + used, TEXT_BYTES - used, "\r\n%s0\r\n\r\n",
                                 too_large ? "1\r\ny\r\n" : "");
        run(text, used, 65536, &outcome);
        assert_int_equal(outcome.verdict, GATE_PASS);
        assert_int_equal(outcome.too_large, too_large);
    }
    /* Told by its length alone: the body is not waited for. */
    size_t used =
        (size_t)snprintf(text, TEXT_BYTES, POST "Content-Length: 99999999999\r\nB: c\r\n\r\n");
    run(text, used, 65536, &outcome);
    assert_int_equal(outcome.verdict, GATE_PASS);
    assert_true(outcome.too_large);
    assert_string_equal(outcome.request, "POST / HTTP/1.1\r\nHost:x\r\nB:c\r\n\r\n");
    used = (size_t)snprintf(text, TEXT_BYTES, CHUNKED "ffffffffffffffff\r\n");
    run(text, used, 65536, &outcome);
    assert_int_equal(outcome.verdict, GATE_PASS);
    assert_true(outcome.too_large);
    free(text);
}

static void test_large_extras(void **state)
{
    (void)state;
    struct outcome outcome;
    char text[16 * 1024];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", CHUNKED "1;");
    memset(text + used, 'x', sizeof text - used);
    run(text, sizeof text, 100, &outcome);
    assert_int_equal(outcome.verdict, GATE_REFUSE);
    used = (size_t)snprintf(text, sizeof text, "%s", CHUNKED "0\r\nA: ");
    memset(text + used, 'x', sizeof text - used);
    run(text, sizeof text, 100, &outcome);
    assert_int_equal(outcome.verdict, GATE_REFUSE);
}

static void test_continue(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool due;
    } cases[] = {
        {POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", true},
        {POST "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n", true},
        {POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\na", false},
        {POST "Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n", false},
        {POST "Expect: a miracle\r\nContent-Length: 3\r\n\r\n", false},
        {"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gate gate;
        char data[256];
        size_t len = strlen(cases[i].text);
        memcpy(data, cases[i].text, len);
        gate_init(&gate);
        (void)gate_feed(&gate, data, &len);
        assert_int_equal(gate.continue_due, cases[i].due);
        gate_fini(&gate);
    }
}

static void test_next(void **state)
{
    (void)state;
    struct gate gate;
    char data[64] = GET "\r\n";
    size_t len = strlen(data);
    gate_init(&gate);
    assert_false(gate_started(&gate, 0));
    assert_int_equal(gate_feed(&gate, data, &len), GATE_PASS);
    gate_next(&gate);
    assert_false(gate_started(&gate, 0));
    memcpy(data, "\r\n", 2);
    len = 2;
    assert_int_equal(gate_feed(&gate, data, &len), GATE_MORE);
    assert_false(gate_started(&gate, len)); /* an empty line is no request */
    memcpy(data + 2, "G", 1);
    len = 3;
    assert_int_equal(gate_feed(&gate, data, &len), GATE_MORE);
    assert_true(gate_started(&gate, len));
    gate_fini(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),         cmocka_unit_test(test_what_follows_is_left),
        cmocka_unit_test(test_lines),        cmocka_unit_test(test_large_heads),
        cmocka_unit_test(test_large_bodies), cmocka_unit_test(test_large_extras),
        cmocka_unit_test(test_continue),     cmocka_unit_test(test_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
