/*
 * The stream transport's bytes (rpc/PROTOCOL.md, section 6): a server against peers without a
 * library that are slow, hostile or broken, and a channel against such a server.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "rpc/base/clock.h"
#include "rpc/wire.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

#define LONG_MS 20000
/* A receive of the tests' own sockets at most, in ms. */
#define RECEIVE_MS 15000
#define GREETING "LOTC\x01\x63\0\0"
#define SERVER_GREETING "LOTC\x01\x73\0\0"
#define FRAME_BYTES_MAX 4096

struct under_test {
    struct fixture fixture;
    char directory[64];
    char path[96];
    char url[128];
    struct fixture_context context;
    struct arena arena;
    int fd;
};

static int set_up(void **state)
{
    struct under_test *test = calloc(1, sizeof *test);
    fixture_init(&test->fixture);
    temp_directory(test->directory);
    (void)snprintf(test->path, sizeof test->path, "%s/s", test->directory);
    (void)snprintf(test->url, sizeof test->url, "ipc://%s", test->path);
    fixture_context_init(&test->context, LONG_MS);
    arena_init(&test->arena, ARENA_CALL_BYTES_MAX);
    test->fd = -1;
    *state = test;
    return 0;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval timeout = {.tv_sec = RECEIVE_MS / 1000};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return fd;
}

static void send_all(int fd, const void *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static int greeted_connection(struct under_test *test)
{
    char answer[8];
    int fd = connect_to(test->path);
    send_all(fd, GREETING, 8);
    assert_int_equal(recv(fd, answer, 8, MSG_WAITALL), 8);
    assert_memory_equal(answer, SERVER_GREETING, 8);
    return fd;
}

static int set_up_running(void **state)
{
    (void)set_up(state);
    struct under_test *test = *state;
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = 2, .runs_inline = true});
    fixture_listen(&test->fixture, test->url);
    test->fd = greeted_connection(test);
    return 0;
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    if (test->fd >= 0)
        (void)close(test->fd);
    fixture_stop(&test->fixture);
    fixture_context_fini(&test->context);
    arena_fini(&test->arena);
    free(test);
    return 0;
}

/* Appends a frame of a REQUEST (or what `type` says). Returns its bytes. */
static size_t frame_of(uint8_t *to, Lotcast__V1__PacketType type, uint64_t call_id,
                       const char *method, const ProtobufCMessage *message)
{
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    header.type = type;
    header.call_id = call_id;
    if (method != NULL)
        header.method = (char *)method;
    struct wire_size size;
    size_t payload = message == NULL ? 0 : protobuf_c_message_get_packed_size(message);
    assert_int_equal(wire_measure(&header, payload, &size, NULL), RPC_OK);
    for (size_t i = 0; i < 4; i++)
        to[i] = (uint8_t)(size.packet_bytes >> (8 * i));
    uint8_t *at = wire_write_header(&header, &size, to + 4);
    if (message != NULL)
        (void)protobuf_c_message_pack(message, at);
    return 4 + size.packet_bytes;
}

static size_t query_frame(uint8_t *to, uint64_t call_id, enum fixture_action action,
                          const char *argument)
{
    struct fixture_query query;
    fixture_query_init(&query, action, argument);
    return frame_of(to, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST, call_id, FIXTURE_QUERY,
                    &query.request.base);
}

/* Receives one frame; its header. NULL: the connection was closed. */
static Lotcast__V1__PacketHeader *receive(struct under_test *test, int fd, struct span *ret_payload)
{
    uint8_t head[4];
    uint8_t *packet = arena_alloc(&test->arena, FRAME_BYTES_MAX);
    if (recv(fd, head, 4, MSG_WAITALL) != 4)
        return NULL;
    size_t len = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
    assert_in_range(len, 4, FRAME_BYTES_MAX);
    assert_int_equal(recv(fd, packet, len, MSG_WAITALL), len);
    Lotcast__V1__PacketHeader *header = NULL;
    struct span payload;
    assert_int_equal(wire_read(span_of(packet, len), &test->arena, &header, &payload, NULL),
                     RPC_OK);
    if (ret_payload != NULL)
        *ret_payload = payload;
    return header;
}

static bool is_closed(int fd)
{
    char bytes[256];
    ssize_t len;
    do
        len = recv(fd, bytes, sizeof bytes, 0);
    while (len > 0);
    return len == 0 || errno == ECONNRESET;
}

/* --- the server --- */

/* The example of rpc/PROTOCOL.md. */
static void test_protocol_example(void **state)
{
    struct under_test *test = *state;
    static const char request[] = "\x4b\0\0\0"
                                  "\x35\0\0\0\x08\x01\x10\x01\x1a\x17lotcast.v1.Health/Check"
                                  "\x20\x88\x27\x2a\x13\x0a\x0arequest-id\x12\x05req-1"
                                  "\x0a\x10lotcast.v1.Store";
    static const char want[] = "\x0a\0\0\0\x04\0\0\0\x08\x02\x10\x01\x08\x01";
    char answer[sizeof want - 1];
    send_all(test->fd, request, sizeof request - 1);
    assert_int_equal(recv(test->fd, answer, sizeof answer, MSG_WAITALL), sizeof answer);
    assert_memory_equal(answer, want, sizeof answer);
}

static void test_bad_greetings(void **state)
{
    struct under_test *test = *state;
    static const char *const rows[] = {
        "GET / HT",         /* another protocol */
        "\0SP\0\0\x30\0\0", /* NNG's */
        "LOTC\0\x63\0\0",   /* version 0 */
        "LOTC\x01\x73\0\0", /* another server */
        "LOTD\x01\x63\0\0", "lotc\x01\x63\0\0",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = connect_to(test->path);
        send_all(fd, rows[i], 8);
        assert_true(is_closed(fd));
        (void)close(fd);
    }
    /* A newer client speaks our version. */
    uint8_t frame[64];
    int fd = connect_to(test->path);
    char greeting[8];
    send_all(fd, "LOTC\x07\x63\x12\x34", 8);
    send_all(fd, frame, frame_of(frame, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING, 4, NULL, NULL));
    assert_int_equal(recv(fd, greeting, 8, MSG_WAITALL), 8);
    assert_int_equal(receive(test, fd, NULL)->call_id, 4);
    (void)close(fd);
}

static void test_bad_frames(void **state)
{
    struct under_test *test = *state;
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\0\0\0\0", 4}, /* no room for a packet's length */
        {"\x03\0\0\0\0\0\0", 7},
        {"\xff\xff\xff\xff", 4},              /* far too long */
        {"\x05\x20\0\x01", 4},                /* a byte too long */
        {"\x04\0\0\0\xff\xff\xff\xff", 8},    /* a header beyond the packet */
        {"\x06\0\0\0\x02\0\0\0\xff\xff", 10}, /* no header */
        {"\x04\0\0\0\0\0\0\0", 8},            /* one without a type */
        {"\x06\0\0\0\x02\0\0\0\x08\x02", 10}, /* a RESPONSE */
        {"\x06\0\0\0\x02\0\0\0\x08\x03", 10}, /* a STREAM_ITEM */
        {"\x06\0\0\0\x02\0\0\0\x08\x06", 10}, /* a GOAWAY */
        {"\x06\0\0\0\x02\0\0\0\x08\x63", 10}, /* type 99 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int fd = greeted_connection(test);
        send_all(fd, rows[i].bytes, rows[i].len);
        assert_true(is_closed(fd));
        (void)close(fd);
    }
    srand(5);
    for (int i = 0; i < 200; i++) {
        uint8_t bytes[64];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (uint8_t)rand();
        bytes[0] = (uint8_t)(4 + rand() % 56);
        bytes[1] = bytes[2] = bytes[3] = 0;
        int fd = greeted_connection(test);
        send_all(fd, bytes, sizeof bytes);
        (void)close(fd);
    }
    uint8_t frame[256]; /* the connection beside them has noticed nothing */
    send_all(test->fd, frame, query_frame(frame, 1, ACTION_ECHO, "x"));
    assert_null(receive(test, test->fd, NULL)->status);
}

/* Two calls of one id at once cannot be told apart. */
static void test_an_id_in_use(void **state)
{
    struct under_test *test = *state;
    uint8_t frame[256];
    send_all(test->fd, frame, query_frame(frame, 9, ACTION_WAIT, "x"));
    send_all(test->fd, frame, query_frame(frame, 10, ACTION_ECHO, "x"));
    assert_int_equal(receive(test, test->fd, NULL)->call_id, 10);
    send_all(test->fd, frame, query_frame(frame, 10, ACTION_ECHO, "x")); /* free again */
    assert_int_equal(receive(test, test->fd, NULL)->call_id, 10);
    send_all(test->fd, frame, query_frame(frame, 9, ACTION_ECHO, "x"));
    assert_true(is_closed(test->fd));
}

static void test_errors_are_answered(void **state)
{
    struct under_test *test = *state;
    uint8_t frames[512];
    Lotcast__V1__PacketType request = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST;
    size_t len = frame_of(frames, request, 1, "lotcast.v1.Nothing/AtAll", NULL);
    len += frame_of(frames + len, request, 2, "", NULL);
    len += frame_of(frames + len, request, 3, "lotcast.v1.Dashboard/GetDashboard", NULL);
    send_all(test->fd, frames, len);
    for (uint64_t id = 1; id <= 3; id++) {
        Lotcast__V1__PacketHeader *header = receive(test, test->fd, NULL);
        assert_int_equal(header->type, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_RESPONSE);
        assert_int_equal(header->call_id, id);
        assert_int_equal(header->status->code, RPC_UNIMPLEMENTED);
    }
}

/* Everything in pieces of one byte. */
static void test_slow_writer(void **state)
{
    struct under_test *test = *state;
    uint8_t bytes[8 + 512] = GREETING;
    size_t len = 8 + query_frame(bytes + 8, 1, ACTION_ECHO, "one");
    len += query_frame(bytes + len, 2, ACTION_ECHO, "two");
    int fd = connect_to(test->path);
    for (size_t i = 0; i < len; i++)
        send_all(fd, bytes + i, 1);
    char greeting[8];
    assert_int_equal(recv(fd, greeting, 8, MSG_WAITALL), 8);
    for (uint64_t id = 1; id <= 2; id++)
        assert_null(receive(test, fd, NULL)->status);
    (void)close(fd);
}

/* Large frames, whole and in odd pieces, between small ones. */
static void test_large_frames(void **state)
{
    struct under_test *test = *state;
    static uint8_t big[300000];
    static char text[200001];
    memset(text, 'x', sizeof text - 1);
    size_t len = query_frame(big, 1, ACTION_METADATA, "none");
    len += query_frame(big + len, 2, ACTION_METADATA, text);
    len += query_frame(big + len, 3, ACTION_METADATA, "none");
    for (size_t at = 0, piece = 1; at < len; at += piece, piece = piece * 7 % 65537 + 1) {
        if (piece > len - at)
            piece = len - at;
        send_all(test->fd, big + at, piece);
    }
    uint64_t seen = 0;
    for (int i = 0; i < 3; i++)
        seen |= (uint64_t)1 << receive(test, test->fd, NULL)->call_id;
    assert_int_equal(seen, 0xe);
}

static void test_pings(void **state)
{
    struct under_test *test = *state;
    uint8_t frames[256];
    Lotcast__V1__PacketType ping = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING;
    size_t len = frame_of(frames, ping, 42, NULL, NULL);
    len += frame_of(frames + len, ping, 43, NULL, NULL); /* odd: an answer to none of its own */
    len += frame_of(frames + len, ping, 44, NULL, NULL);
    send_all(test->fd, frames, len);
    assert_int_equal(receive(test, test->fd, NULL)->call_id, 42);
    Lotcast__V1__PacketHeader *header = receive(test, test->fd, NULL);
    assert_int_equal(header->type, ping);
    assert_int_equal(header->call_id, 44);
}

/* For calls that are over, or were never there. */
static void test_late_cancels_and_credits(void **state)
{
    struct under_test *test = *state;
    uint8_t frames[512];
    size_t len = query_frame(frames, 5, ACTION_ECHO, "x");
    send_all(test->fd, frames, len);
    assert_int_equal(receive(test, test->fd, NULL)->call_id, 5);
    len = frame_of(frames, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CANCEL, 5, NULL, NULL);
    len += frame_of(frames + len, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CREDIT, 5, NULL, NULL);
    len += frame_of(frames + len, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CANCEL, 99, NULL, NULL);
    len += query_frame(frames + len, 6, ACTION_ECHO, "x");
    send_all(test->fd, frames, len);
    assert_int_equal(receive(test, test->fd, NULL)->call_id, 6);
}

static bool has_stopped(void *arg)
{
    struct fixture *fixture = arg;
    return atomic_load(&fixture->stopped) == 1;
}

/* What was queued when it was cancelled does not run. */
static void test_cancelled_work_is_dropped(void **state)
{
    struct under_test *test = *state;
    uint8_t frames[1024];
    size_t len = query_frame(frames, 1, ACTION_WAIT, "x");
    len += query_frame(frames + len, 2, ACTION_STOPPED, "x");
    send_all(test->fd, frames, len);
    fixture_await_waiting(&test->fixture, 1); /* both workers are taken, or about to be */
    len = query_frame(frames, 3, ACTION_ECHO, "x");
    len += frame_of(frames + len, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CANCEL, 3, NULL, NULL);
    len += frame_of(frames + len, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CANCEL, 2, NULL, NULL);
    len += frame_of(frames + len, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING, 8, NULL, NULL);
    send_all(test->fd, frames, len);
    assert_int_equal(receive(test, test->fd, NULL)->call_id, 8);
    unsigned ran = atomic_load(&test->fixture.ran);
    if (ran == 2)
        assert_true(wait_until(has_stopped, &test->fixture, LONG_MS));
    fixture_gate(&test->fixture, true);
    assert_int_equal(receive(test, test->fd, NULL)->call_id, 1); /* and for 2 and 3 no answer */
    send_all(test->fd, frames, query_frame(frames, 4, ACTION_ECHO, "x"));
    assert_int_equal(receive(test, test->fd, NULL)->call_id, 4);
    assert_in_range(atomic_load(&test->fixture.ran), 2, 3);
}

/* Quick reads that come together: one batch, and their answers in few pieces. */
static void test_a_batch_runs_on_one_thread(void **state)
{
    struct under_test *test = *state;
    static uint8_t frames[8192];
    Lotcast__V1__ReadRequest read = LOTCAST__V1__READ_REQUEST__INIT;
    size_t len = 0;
    for (uint64_t id = 1; id <= 50; id++)
        len += frame_of(frames + len, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST, id,
                        FIXTURE_READ, &read.base);
    send_all(test->fd, frames, len);
    int64_t thread = 0;
    for (uint64_t id = 1; id <= 50; id++) {
        struct span payload;
        Lotcast__V1__PacketHeader *header = receive(test, test->fd, &payload);
        assert_int_equal(header->call_id, id); /* one after another, in order */
        ProtobufCMessage *message;
        assert_int_equal(rpc_message_unpack(&lotcast__v1__read_response__descriptor, payload,
                                            &test->arena, &message, NULL),
                         RPC_OK);
        int64_t ran_on = ((Lotcast__V1__ReadResponse *)message)->results[0]->count;
        assert_true(thread == 0 || thread == ran_on);
        thread = ran_on;
    }
    assert_int_equal(atomic_load(&test->fixture.batches), 1);
}

static size_t peak_kib(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    size_t kib = 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmHWM: %zu kB", &kib) == 1)
            break;
    (void)fclose(file);
    return kib;
}

/* A peer that asks for much and reads nothing: the server reads no further, and cuts it off. */
static void test_reader_that_does_not_read(void **state)
{
    struct under_test *test = *state;
    uint8_t frame[256];
    struct fixture_query query;
    fixture_query_init(&query, ACTION_BIG, "");
    query.range.limit = 1000000;
    size_t before_kib = peak_kib();
    int64_t until_ms = clock_mono_ms() + RECEIVE_MS;
    struct pollfd hung_up = {.fd = test->fd, .events = POLLRDHUP | POLLOUT};
    uint64_t id = 0;
    for (;;) {
        assert_int_equal(poll(&hung_up, 1, (int)(until_ms - clock_mono_ms())), 1);
        if ((hung_up.revents & (POLLRDHUP | POLLHUP)) != 0)
            break;
        size_t len = frame_of(frame, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST, ++id,
                              FIXTURE_QUERY, &query.request.base);
        ssize_t sent = send(test->fd, frame, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < (ssize_t)len)
            hung_up.events = POLLRDHUP; /* it takes no more */
    }
    assert_in_range(peak_kib() - before_kib, 0, 600 * 1024); /* a sanitizer takes its share */
    int fd = greeted_connection(test);
    send_all(fd, frame, query_frame(frame, 1, ACTION_ECHO, "x"));
    assert_null(receive(test, fd, NULL)->status);
    (void)close(fd);
}

/* Peers that never come back for their answers, some of them in the middle of a frame. */
static void test_peers_that_leave(void **state)
{
    struct under_test *test = *state;
    for (uint64_t i = 0; i < 20; i++) {
        uint8_t frame[256];
        int fd = greeted_connection(test);
        size_t len = query_frame(frame, i, ACTION_STOPPED, "x");
        send_all(fd, frame, len - i % 2 * 5);
        (void)close(fd);
    }
    uint8_t frame[256];
    send_all(test->fd, frame, query_frame(frame, 1, ACTION_ECHO, "x"));
    assert_null(receive(test, test->fd, NULL)->status);
}

/* --- the client, against a server of the test's own --- */

static int listen_at(struct under_test *test)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, test->path, strlen(test->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int accept_client(int listener)
{
    char greeting[8];
    int fd = accept(listener, NULL, NULL);
    struct timeval timeout = {.tv_sec = RECEIVE_MS / 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    assert_int_equal(recv(fd, greeting, 8, MSG_WAITALL), 8);
    assert_memory_equal(greeting, GREETING, 8);
    return fd;
}

/* Answers that are none end the connection, and so the call. */
static void test_bad_answers(void **state)
{
    struct under_test *test = *state;
    static const struct {
        const char *greeting;
        const char *bytes;
        size_t len;
    } rows[] = {
        {SERVER_GREETING, "\xff\xff\xff\xff", 4},
        {SERVER_GREETING, "\x06\0\0\0\x02\0\0\0\xff\xff", 10},
        {SERVER_GREETING, "\x06\0\0\0\x02\0\0\0\x08\x01", 10}, /* a REQUEST */
        {SERVER_GREETING, "\x06\0\0\0\x02\0\0\0\x08\x04", 10}, /* a CANCEL */
        {SERVER_GREETING, "", 0},                              /* hangs up */
    };
    int listener = listen_at(test);
    struct rpc_channel *channel = fixture_channel(NULL, test->url);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture_async call;
        fixture_async_start(&call, channel, &test->context, ACTION_ECHO, true);
        int fd = accept_client(listener);
        send_all(fd, rows[i].greeting, 8);
        assert_string_equal(receive(test, fd, NULL)->method, FIXTURE_QUERY);
        if (rows[i].len > 0)
            send_all(fd, rows[i].bytes, rows[i].len);
        else
            (void)shutdown(fd, SHUT_RDWR);
        assert_int_equal(fixture_async_wait(&call), RPC_UNAVAILABLE);
        (void)close(fd);
    }
    /* One that greets wrongly is no server: the call waits for another. */
    struct fixture_async call;
    fixture_async_start(&call, channel, &test->context, ACTION_ECHO, true);
    int fd = accept_client(listener);
    send_all(fd, "GET / HT", 8);
    assert_true(is_closed(fd));
    (void)close(fd);
    fd = accept_client(listener);
    send_all(fd, SERVER_GREETING, 8);
    Lotcast__V1__PacketHeader *header = receive(test, fd, NULL);
    uint8_t frame[64];
    Lotcast__V1__PacketType response = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_RESPONSE;
    send_all(fd, frame, frame_of(frame, response, header->call_id + 1, NULL, NULL)); /* nobody's */
    send_all(fd, frame, frame_of(frame, response, header->call_id, NULL, NULL));
    assert_int_equal(fixture_async_wait(&call), RPC_OK);
    (void)close(fd);
    (void)close(listener);
    rpc_channel_close(channel);
    fixture_start(&test->fixture, (struct rpc_server_options){0}); /* for the tear-down */
}

/* GOAWAY: the call in flight ends where it is, the next goes to another connection; the first one
 * is then closed by the client. */
static void test_goaway(void **state)
{
    struct under_test *test = *state;
    uint8_t frame[64];
    int listener = listen_at(test);
    struct rpc_channel *channel = fixture_channel(NULL, test->url);
    struct fixture_async first;
    struct fixture_async second;
    fixture_async_start(&first, channel, &test->context, ACTION_ECHO, true);
    int old = accept_client(listener);
    send_all(old, SERVER_GREETING, 8);
    uint64_t first_id = receive(test, old, NULL)->call_id;
    size_t len = frame_of(frame, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_GOAWAY, 0, NULL, NULL);
    len += frame_of(frame + len, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING, 1, NULL, NULL);
    send_all(old, frame, len);
    assert_int_equal(receive(test, old, NULL)->type, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING);
    fixture_async_start(&second, channel, &test->context, ACTION_ECHO, true);
    int next = accept_client(listener);
    send_all(next, SERVER_GREETING, 8);
    uint64_t second_id = receive(test, next, NULL)->call_id;
    Lotcast__V1__PacketType response = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_RESPONSE;
    send_all(old, frame, frame_of(frame, response, first_id, NULL, NULL));
    send_all(next, frame, frame_of(frame, response, second_id, NULL, NULL));
    assert_int_equal(fixture_async_wait(&first), RPC_OK);
    assert_int_equal(fixture_async_wait(&second), RPC_OK);
    assert_true(is_closed(old));
    (void)close(old);
    (void)close(next);
    (void)close(listener);
    rpc_channel_close(channel);
    fixture_start(&test->fixture, (struct rpc_server_options){0}); /* for the tear-down */
}

/* A cancelled call is told to the server, and so is one whose time is up. */
static void test_cancel_is_sent(void **state)
{
    struct under_test *test = *state;
    int listener = listen_at(test);
    struct rpc_channel *channel = fixture_channel(NULL, test->url);
    int fd = -1;
    for (int round = 0; round < 2; round++) {
        struct fixture_context context;
        struct fixture_async call;
        fixture_context_init(&context, round == 0 ? LONG_MS : 100);
        fixture_async_start(&call, channel, &context, ACTION_ECHO, true);
        if (fd < 0) {
            fd = accept_client(listener);
            send_all(fd, SERVER_GREETING, 8);
        }
        uint64_t id = receive(test, fd, NULL)->call_id;
        if (round == 0)
            rpc_call_cancel(call.call);
        assert_int_equal(fixture_async_wait(&call),
                         round == 0 ? RPC_CANCELLED : RPC_DEADLINE_EXCEEDED);
        Lotcast__V1__PacketHeader *header = receive(test, fd, NULL);
        assert_int_equal(header->type, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CANCEL);
        assert_int_equal(header->call_id, id);
        fixture_context_fini(&context);
    }
    (void)close(fd);
    (void)close(listener);
    rpc_channel_close(channel);
    fixture_start(&test->fixture, (struct rpc_server_options){0}); /* for the tear-down */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_protocol_example, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_greetings, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_frames, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_an_id_in_use, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_errors_are_answered, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_writer, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_large_frames, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_pings, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_late_cancels_and_credits, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelled_work_is_dropped, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_a_batch_runs_on_one_thread, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_reader_that_does_not_read, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_peers_that_leave, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goaway, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_is_sent, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
