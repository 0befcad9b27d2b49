/*
 * Answers of streaming methods: in pieces as the client takes them, whole where they are small, cut
 * where they fail; a client that leaves ends the call.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "rpc/base/buffer.h"
#include "rpc/base/clock.h"
#include "test/integration/rest_fixture.h"

#define PATH(pieces) "/api/customer/performance/export?from=big.csv&to=pieces%2F" pieces
#define HEADERS "Host: x\r\nCookie: lotcast_session=good\r\n\r\n"
#define GET(pieces) "GET " PATH(pieces) " HTTP/1.1\r\nConnection: close\r\n" HEADERS
#define HEAD(pieces) "HEAD " PATH(pieces) " HTTP/1.1\r\n" HEADERS
#define GET_1_0(pieces) "GET " PATH(pieces) " HTTP/1.0\r\n" HEADERS
#define CHUNKED "transfer-encoding: chunked\r\n"
/* Of everything that is read of one answer, in bytes. */
#define ANSWER_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define SOON_MS 10000
/* Pieces of 64 KiB: more than any buffer between takes. */
#define MANY "100000x65536"
#define PIECE_BYTES ((size_t)65536)
/* Bytes that sockets, the ring and one write hold at most, while the client takes nothing. */
#define BETWEEN_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define LEFT_MS_MAX 1000

static struct rest_fixture fixture;

/* All that comes until the connection ends; whether it ended in order. */
static bool read_all(int fd, struct buffer *bytes)
{
    ssize_t got = 1;
    while (got > 0) {
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&poller, 1, SOON_MS), 1);
        uint8_t *room = buffer_reserve(bytes, 65536);
        assert_non_null(room);
        got = recv(fd, room, 65536, 0);
        bytes->len += got > 0 ? (size_t)got : 0;
    }
    return got == 0;
}

/* The body of a chunked answer, in place; false: it has no end. */
static bool join_chunks(struct buffer *bytes, size_t at)
{
    size_t to = at;
    for (;;) {
        char *end = NULL;
        if (at >= bytes->len)
            return false;
        size_t len = strtoul((const char *)bytes->data + at, &end, 16);
        at = (size_t)(end - (char *)bytes->data) + 2;
        if (len == 0)
            break;
        if (at + len + 2 > bytes->len)
            return false;
        memmove(bytes->data + to, bytes->data + at, len);
        to += len;
        at += len + 2;
    }
    bytes->len = to;
    return true;
}

/* Whether the bytes are so many pieces, in order. */
static void expect_pieces(const uint8_t *bytes, size_t len, size_t count, size_t size)
{
    assert_int_equal(len, count * size);
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 'a' + (i / size) % 26)
            fail_msg("byte %zu is %c", i, bytes[i]);
    }
}

/* What is answered: the head's length, with "\r\n\r\n". */
static size_t ask(const char *request, struct buffer *bytes, bool *ret_ended)
{
    int fd = raw_connect(&fixture);
    buffer_init(bytes, ANSWER_BYTES_MAX);
    raw_send(fd, request);
    *ret_ended = read_all(fd, bytes);
    (void)close(fd);
    (void)buffer_append(bytes, "", 1); /* a text */
    bytes->len--;
    const char *end = strstr((const char *)bytes->data, "\r\n\r\n");
    assert_non_null(end);
    return (size_t)(end + 4 - (const char *)bytes->data);
}

static bool head_has(const struct buffer *bytes, size_t head_len, const char *line)
{
    const char *at = strcasestr((const char *)bytes->data, line);
    return at != NULL && at < (const char *)bytes->data + head_len;
}

static void comes_whole(void **state)
{
    static const struct {
        const char *request;
        size_t count;
        size_t size;
        bool chunked;
    } rows[] = {
        {GET("1x1"), 1, 1, false},
        {GET("7x1000"), 7, 1000, false},
        {GET("1x65536"), 1, 65536, false},
        {GET("1x65537"), 1, 65537, true},
        {GET("70x1000"), 70, 1000, true},
        {GET("40x65536"), 40, 65536, true},
        {GET("3x5000000"), 3, 5000000, true},
        {GET_1_0("7x1000"), 7, 1000, false},
        {GET_1_0("40x65536"), 40, 65536, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer bytes;
        bool ended;
        size_t head = ask(rows[i].request, &bytes, &ended);
        assert_true(head_has(&bytes, head, " 200 OK\r\n"));
        assert_true(head_has(&bytes, head, "content-type: pieces/"));
        assert_true(head_has(&bytes, head, "attachment; filename=\"big.csv\"\r\n"));
        assert_true(head_has(&bytes, head, "cache-control: private, no-cache\r\n"));
        assert_int_equal(head_has(&bytes, head, CHUNKED), rows[i].chunked);
        bool whole = rows[i].count * rows[i].size <= 65536;
        assert_int_equal(head_has(&bytes, head, "etag: \""), whole);
        assert_int_equal(head_has(&bytes, head, "content-length: "), whole);
        assert_true(ended);
        if (rows[i].chunked)
            assert_true(join_chunks(&bytes, head));
        expect_pieces(bytes.data + head, bytes.len - head, rows[i].count, rows[i].size);
        buffer_fini(&bytes);
    }
}

static void a_head_has_no_body(void **state)
{
    static const struct {
        const char *request;
        const char *line;
    } rows[] = {{HEAD("7x1000"), "content-length: 7000\r\n"}, {HEAD(MANY), "filename=\"big.csv\""}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct raw_answer answer;
        int fd = raw_connect(&fixture);
        raw_send(fd, rows[i].request);
        raw_read(fd, true, &answer);
        assert_int_equal(answer.status, 200);
        assert_non_null(strcasestr(answer.head, rows[i].line));
        raw_answer_free(&answer);
        /* The connection goes on. */
        raw_send(fd, "GET /healthz HTTP/1.1\r\n" HEADERS);
        raw_read(fd, false, &answer);
        assert_int_equal(answer.status, 200);
        raw_answer_free(&answer);
        (void)close(fd);
    }
}

static void a_failure_is_told_or_cut(void **state)
{
    static const struct {
        const char *request;
        const char *status; /* of a whole answer; NULL: it is cut */
    } rows[] = {
        {GET("0x1-fail"), " 503 "},     {GET("1x100-fail"), " 503 "},
        {GET("65x1000-fail"), " 503 "}, {GET("0x1"), " 500 "},
        {GET("70x1000-fail"), NULL},    {GET("40x65536-fail"), NULL},
        {GET_1_0("1x1-fail"), " 503 "}, {GET_1_0("40x65536-fail"), NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer bytes;
        bool ended;
        size_t head = ask(rows[i].request, &bytes, &ended);
        if (rows[i].status != NULL) {
            assert_true(head_has(&bytes, head, rows[i].status));
            assert_true(head_has(&bytes, head, "content-type: application/json\r\n"));
            assert_int_equal(strncmp((const char *)bytes.data + head, "{\"error\":", 9), 0);
        } else {
            assert_true(head_has(&bytes, head, " 200 OK\r\n"));
            assert_false(ended && (!head_has(&bytes, head, CHUNKED) || join_chunks(&bytes, head)));
        }
        buffer_fini(&bytes);
    }
}

/* Whether the server has stopped sending pieces, having sent no more than fits in between. */
static void expect_it_waits(int before)
{
    int last = -1;
    int same = 0;
    for (int i = 0; i < SOON_MS / 20 && same < 10; i++) {
        int now = atomic_load(&rest_fixture_pieces) - before;
        same = now == last && now > 0 ? same + 1 : 0;
        last = now;
        struct pollfd none = {.fd = -1};
        (void)poll(&none, 1, 20);
    }
    assert_int_equal(same, 10);
    assert_in_range((size_t)last * PIECE_BYTES, 1, BETWEEN_BYTES_MAX);
}

static void who_takes_nothing_is_waited_for(void **state)
{
    struct raw_answer answer;
    char rest[65536];
    int before = atomic_load(&rest_fixture_pieces);
    int cancelled = atomic_load(&rest_fixture_cancelled);
    int fd = raw_connect(&fixture);
    (void)state;
    raw_send(fd, GET(MANY));
    raw_read(fd, true, &answer);
    assert_int_equal(answer.status, 200);
    raw_answer_free(&answer);
    expect_it_waits(before);
    /* It goes on when the client does, */
    int waited_at = atomic_load(&rest_fixture_pieces);
    for (size_t taken = 0; taken < 2 * BETWEEN_BYTES_MAX;) {
        ssize_t got = recv(fd, rest, sizeof rest, 0);
        assert_true(got > 0);
        taken += (size_t)got;
    }
    assert_true(atomic_load(&rest_fixture_pieces) > waited_at);
    assert_int_equal(atomic_load(&rest_fixture_cancelled), cancelled);
    /* and ends when it leaves. */
    int64_t left_ms = clock_mono_ms();
    (void)close(fd);
    rest_fixture_wait_for(&rest_fixture_cancelled, cancelled + 1);
    assert_in_range(clock_mono_ms() - left_ms, 0, LEFT_MS_MAX);
}

static void many_at_once(void **state)
{
    enum { CLIENTS = 8 };
    int fds[CLIENTS];
    (void)state;
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = raw_connect(&fixture);
        raw_send(fds[i], i % 4 == 3 ? GET(MANY) : GET("40x65536"));
    }
    int cancelled = atomic_load(&rest_fixture_cancelled);
    for (size_t i = 3; i < CLIENTS; i += 4)
        (void)close(fds[i]); /* these leave */
    for (size_t i = 0; i < CLIENTS; i++) {
        struct buffer bytes;
        if (i % 4 == 3)
            continue;
        buffer_init(&bytes, ANSWER_BYTES_MAX);
        assert_true(read_all(fds[i], &bytes));
        (void)buffer_append(&bytes, "", 1);
        const char *end = strstr((const char *)bytes.data, "\r\n\r\n");
        size_t head = (size_t)(end + 4 - (const char *)bytes.data);
        assert_true(join_chunks(&bytes, head));
        expect_pieces(bytes.data + head, bytes.len - head, 40, 65536);
        buffer_fini(&bytes);
        (void)close(fds[i]);
    }
    rest_fixture_wait_for(&rest_fixture_cancelled, cancelled + CLIENTS / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_whole),
        cmocka_unit_test(a_head_has_no_body),
        cmocka_unit_test(a_failure_is_told_or_cut),
        cmocka_unit_test(who_takes_nothing_is_waited_for),
        cmocka_unit_test(many_at_once),
    };
    rest_fixture_start(&fixture, NULL);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rest_fixture_stop(&fixture);
    return failed;
}
