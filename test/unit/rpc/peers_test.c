/*
 * Servers against peers that are hostile, broken, gone, or no library of ours; and a channel
 * against a server of NNG's own.
 */
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <nng/nng.h>

#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include "rpc/wire.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

#define LONG_MS 20000
/* A receive of the tests' own sockets at most, in ms. */
/* Another user of the machine. */
#define NOBODY ((uid_t)65534)
#define RECEIVE_MS 10000

struct under_test {
    struct fixture fixture;
    char directory[64];
    char path[96];
    char url[128];
    struct fixture_context context;
};

static int set_up(void **state)
{
    struct under_test *test = calloc(1, sizeof *test);
    fixture_init(&test->fixture);
    temp_directory(test->directory);
    (void)snprintf(test->path, sizeof test->path, "%s/s", test->directory);
    (void)snprintf(test->url, sizeof test->url, "req+ipc://%s", test->path);
    fixture_context_init(&test->context, LONG_MS);
    *state = test;
    return 0;
}

static int set_up_running(void **state)
{
    (void)set_up(state);
    struct under_test *test = *state;
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = 2});
    fixture_listen(&test->fixture, test->url);
    return 0;
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    fixture_stop(&test->fixture);
    fixture_context_fini(&test->context);
    free(test);
    return 0;
}

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static nng_socket plain_req(struct under_test *test)
{
    nng_socket socket;
    assert_int_equal(nng_req0_open(&socket), 0);
    assert_int_equal(nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, RECEIVE_MS), 0);
    assert_int_equal(nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE), 0);
    assert_int_equal(nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, 0), 0);
    assert_int_equal(nng_dial(socket, test->url + 4, NULL, 0), 0);
    return socket;
}

/* Sends bytes as they are and reads the answering packet's header into the arena. */
static Lotcast__V1__PacketHeader *exchange(nng_socket socket, const void *bytes, size_t len,
                                           struct arena *arena)
{
    uint8_t *answer;
    size_t answer_len;
    assert_int_equal(nng_send(socket, (void *)bytes, len, 0), 0);
    assert_int_equal(nng_recv(socket, &answer, &answer_len, NNG_FLAG_ALLOC), 0);
    Lotcast__V1__PacketHeader *header = NULL;
    struct span payload;
    assert_int_equal(wire_read(span_of(answer, answer_len), arena, &header, &payload, NULL),
                     RPC_OK);
    nng_free(answer, answer_len);
    return header;
}

static void test_garbage_is_answered(void **state)
{
    struct under_test *test = *state;
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"", 0},
        {"x", 1},
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {"\0\0\0\0", 4}, /* a header of no bytes is one without a type */
        {"\xff\xff\xff\xff", 4},
        {"\x02\0\0\0\x08\x02", 6}, /* a RESPONSE */
        {"\x02\0\0\0\x08\x03", 6}, /* a STREAM_ITEM */
        {"\x02\0\0\0\x08\x06", 6}, /* a GOAWAY */
        {"\x02\0\0\0\x08\x63", 6}, /* type 99 */
    };
    nng_socket socket = plain_req(test);
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Lotcast__V1__PacketHeader *header = exchange(socket, rows[i].bytes, rows[i].len, &arena);
        assert_int_equal(header->type, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_RESPONSE);
        assert_non_null(header->status);
        assert_int_equal(header->status->code, RPC_INVALID_ARGUMENT);
    }
    srand(7);
    for (int i = 0; i < 500; i++) {
        uint8_t bytes[64];
        size_t len = (size_t)rand() % sizeof bytes;
        for (size_t k = 0; k < len; k++)
            bytes[k] = (uint8_t)rand();
        bytes[0] = (uint8_t)(rand() % 64);
        bytes[1] = bytes[2] = bytes[3] = 0;
        Lotcast__V1__PacketHeader *header = exchange(socket, bytes, len, &arena);
        assert_non_null(header);
    }
    arena_fini(&arena);
    (void)nng_close(socket);
}

static void test_other_packets(void **state)
{
    struct under_test *test = *state;
    nng_socket socket = plain_req(test);
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    Lotcast__V1__PacketHeader *header =
        exchange(socket, "\x04\0\0\0\x08\x05\x10\x2a", 8, &arena); /* PING 42 */
    assert_int_equal(header->type, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING);
    assert_int_equal(header->call_id, 42);
    header = exchange(socket, "\x04\0\0\0\x08\x04\x10\x2a", 8, &arena); /* CANCEL 42 */
    assert_int_equal(header->type, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_RESPONSE);
    assert_int_equal(header->call_id, 42);
    assert_int_equal(header->status->code, RPC_UNIMPLEMENTED);
    header = exchange(socket,
                      "\x07\0\0\0\x08\x01\x1a\x03"
                      "a/b",
                      11, &arena);
    assert_int_equal(header->status->code, RPC_UNIMPLEMENTED);
    arena_fini(&arena);
    (void)nng_close(socket);
}

/* The example of rpc/PROTOCOL.md against a real server. */
static void test_protocol_example(void **state)
{
    struct under_test *test = *state;
    static const char request[] = "\x35\0\0\0\x08\x01\x10\x01\x1a\x17lotcast.v1.Health/Check"
                                  "\x20\x88\x27\x2a\x13\x0a\x0arequest-id\x12\x05req-1"
                                  "\x0a\x10lotcast.v1.Store";
    static const char want[] = "\x04\0\0\0\x08\x02\x10\x01\x08\x01";
    nng_socket socket = plain_req(test);
    assert_int_equal(nng_send(socket, (void *)request, sizeof request - 1, 0), 0);
    uint8_t *answer;
    size_t len;
    assert_int_equal(nng_recv(socket, &answer, &len, NNG_FLAG_ALLOC), 0);
    assert_int_equal(len, sizeof want - 1);
    assert_memory_equal(answer, want, len);
    nng_free(answer, len);
    (void)nng_close(socket);
}

static int raw_connection(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Greets and says that a message of `len` bytes comes. */
static int claim(struct under_test *test, uint64_t len)
{
    static const char handshake[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    uint8_t head[9] = {1};
    char answer[8];
    for (size_t i = 0; i < 8; i++)
        head[1 + i] = (uint8_t)(len >> (8 * (7 - i)));
    int fd = raw_connection(test->path);
    assert_int_equal(send(fd, handshake, 8, MSG_NOSIGNAL), 8);
    assert_int_equal(recv(fd, answer, 8, MSG_WAITALL), 8);
    assert_int_equal(send(fd, head, 9, MSG_NOSIGNAL), 9);
    return fd;
}

static void test_oversize_packet_is_cut_off(void **state)
{
    struct under_test *test = *state;
    char byte;
    static const uint64_t sizes[] = {WIRE_PACKET_BYTES_MAX + 65, (uint64_t)1 << 32, UINT64_MAX};
    int fits = claim(test, WIRE_PACKET_BYTES_MAX);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int fd = claim(test, sizes[i]);
        assert_int_equal(recv(fd, &byte, 1, 0), 0);
        (void)close(fd);
    }
    assert_int_equal(recv(fits, &byte, 1, MSG_DONTWAIT), -1); /* it may go on */
    (void)close(fits);
}

static size_t peak_kib(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    size_t kib = 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmPeak: %zu kB", &kib) == 1)
            break;
    (void)fclose(file);
    return kib;
}

/* 64 peers that claim to send 1 GiB each. */
static void test_huge_claims(void **state)
{
    struct under_test *test = *state;
    size_t before_kib = peak_kib();
    int fds[64];
    for (size_t i = 0; i < 64; i++)
        fds[i] = claim(test, (uint64_t)1 << 30);
    for (size_t i = 0; i < 64; i++) {
        char byte;
        assert_true(recv(fds[i], &byte, 1, 0) <= 0); /* it is cut off */
        (void)close(fds[i]);
    }
    assert_in_range(peak_kib() - before_kib, 0, 1024 * 1024);
}

/* Peers of another protocol, and ones that say nothing. */
static void test_wrong_protocol(void **state)
{
    struct under_test *test = *state;
    static const char pub[8] = {0, 'S', 'P', 0, 0, 0x20, 0, 0};
    int silent = raw_connection(test->path);
    int other = raw_connection(test->path);
    int http = raw_connection(test->path);
    char byte[16];
    assert_int_equal(send(other, pub, 8, MSG_NOSIGNAL), 8);
    assert_int_equal(send(http, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
    while (recv(other, byte, sizeof byte, 0) > 0) /* its greeting, then the end */
        continue;
    while (recv(http, byte, sizeof byte, 0) > 0)
        continue;
    struct rpc_channel *channel = fixture_channel(&test->fixture, test->url);
    assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, NULL), RPC_OK);
    rpc_channel_close(channel);
    (void)close(silent);
    (void)close(other);
    (void)close(http);
}

static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

/* Sends a packet as rpc/PROTOCOL.md section 5 has it, without a library. */
static void send_raw(int fd, uint32_t id, const void *packet, size_t len)
{
    uint8_t head[13] = {1};
    for (size_t i = 0; i < 8; i++)
        head[1 + i] = (uint8_t)((uint64_t)(len + 4) >> (8 * (7 - i)));
    for (size_t i = 0; i < 4; i++)
        head[9 + i] = (uint8_t)(id >> (8 * (3 - i)));
    assert_int_equal(send(fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    assert_int_equal(send(fd, packet, len, MSG_NOSIGNAL), len);
}

static void test_protocol_without_a_library(void **state)
{
    struct under_test *test = *state;
    static const char packet[] = "\x35\0\0\0\x08\x01\x10\x01\x1a\x17lotcast.v1.Health/Check"
                                 "\x20\x88\x27\x2a\x13\x0a\x0arequest-id\x12\x05req-1"
                                 "\x0a\x10lotcast.v1.Store";
    static const char want_server[] = "\0SP\0\0\x31\0\0";
    static const char want[] =
        "\x01\0\0\0\0\0\0\0\x0e\x80\0\0\x01\x04\0\0\0\x08\x02\x10\x01\x08\x01"
        "\x01\0\0\0\0\0\0\0\x0e\x80\0\0\x02\x04\0\0\0\x08\x02\x10\x01\x08\x01";
    int fd = raw_connection(test->path);
    assert_int_equal(send(fd, greeting, 8, MSG_NOSIGNAL), 8);
    send_raw(fd, 0x80000001, packet, sizeof packet - 1);
    send_raw(fd, 0x80000002, packet, sizeof packet - 1); /* the first is not awaited */
    uint8_t answer[8 + sizeof want - 1];
    assert_int_equal(recv(fd, answer, sizeof answer, MSG_WAITALL), sizeof answer);
    assert_memory_equal(answer, want_server, 8);
    assert_memory_equal(answer + 8, want, sizeof want - 1);
    (void)close(fd);
}

/* The same in pieces of one byte. */
static void test_slow_writer(void **state)
{
    struct under_test *test = *state;
    static const char stream[] =
        "\0SP\0\0\x30\0\0\x01\0\0\0\0\0\0\0\x0c\x80\0\0\x01\x04\0\0\0\x08\x05\x10\x2a"
        "\x01\0\0\0\0\0\0\0\x0c\x80\0\0\x02\x04\0\0\0\x08\x05\x10\x2b";
    int fd = raw_connection(test->path);
    for (size_t i = 0; i < sizeof stream - 1; i++)
        assert_int_equal(send(fd, stream + i, 1, MSG_NOSIGNAL), 1);
    uint8_t answer[8 + 2 * 21];
    assert_int_equal(recv(fd, answer, sizeof answer, MSG_WAITALL), sizeof answer);
    assert_memory_equal(answer, "\0SP\0\0\x31\0\0", 8);
    assert_memory_equal(answer + 8, stream + 8,
                        sizeof answer - 8); /* PINGs come back as they are */
    (void)close(fd);
}

/* A peer that asks for much and reads nothing is hung up on once 64 MiB wait for it. */
static void test_reader_that_does_not_read(void **state)
{
    struct under_test *test = *state;
    struct fixture_query query;
    fixture_query_init(&query, ACTION_BIG, "");
    query.range.limit = RPC_MESSAGE_BYTES_MAX - 64;
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    header.type = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST;
    header.method = (char *)FIXTURE_QUERY;
    struct wire_size size;
    size_t bytes = lotcast__v1__query_request__get_packed_size(&query.request);
    assert_int_equal(wire_measure(&header, bytes, &size, NULL), RPC_OK);
    uint8_t packet[256];
    (void)lotcast__v1__query_request__pack(&query.request,
                                           wire_write_header(&header, &size, packet));
    int fd = raw_connection(test->path);
    assert_int_equal(send(fd, greeting, 8, MSG_NOSIGNAL), 8);
    for (uint32_t i = 0; i < 10; i++)
        send_raw(fd, 0x80000000 + i, packet, size.packet_bytes);
    struct pollfd hung_up = {.fd = fd, .events = POLLRDHUP};
    assert_int_equal(poll(&hung_up, 1, RECEIVE_MS), 1);
    (void)close(fd);
    struct rpc_channel *channel = fixture_channel(&test->fixture, test->url);
    assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, NULL), RPC_OK);
    rpc_channel_close(channel);
}

/* Peers that never come back for their answers. */
static void test_peers_that_leave(void **state)
{
    struct under_test *test = *state;
    struct fixture_query query;
    fixture_query_init(&query, ACTION_WAIT, "x");
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    header.type = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST;
    header.method = (char *)FIXTURE_QUERY;
    struct wire_size size;
    size_t bytes = lotcast__v1__query_request__get_packed_size(&query.request);
    assert_int_equal(wire_measure(&header, bytes, &size, NULL), RPC_OK);
    uint8_t packet[256];
    (void)lotcast__v1__query_request__pack(&query.request,
                                           wire_write_header(&header, &size, packet));
    for (uint32_t i = 0; i < 20; i++) {
        int fd = raw_connection(test->path);
        assert_int_equal(send(fd, greeting, 8, MSG_NOSIGNAL), 8);
        send_raw(fd, 0x80000000 + i, packet,
                 size.packet_bytes - i % 2 * 5); /* some in the middle */
        (void)close(fd);
    }
    /* Which of them still ran is nobody's business; all of it must go away. */
    fixture_gate(&test->fixture, true);
    struct rpc_channel *channel = fixture_channel(&test->fixture, test->url);
    assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, NULL), RPC_OK);
    rpc_channel_close(channel);
}

/* In a child: becomes that user, connects, and looks whether it is greeted. */
static bool is_taken(uid_t user, unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    uint8_t byte;
    if (setuid(user) != 0)
        abort();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* it is that user's */
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        abort();
    (void)send(fd, greeting, 8, MSG_NOSIGNAL);
    return recv(fd, &byte, 1, 0) == 1;
}

/* Our own user is taken, and another of the machine, where we may play one, is hung up on. */
static void test_foreign_uid_over_tcp(void **state)
{
    struct under_test *test = *state;
    const uid_t users[] = {geteuid(), NOBODY};
    size_t user_count = geteuid() == 0 ? 2 : 1;
    static const char *const forms[] = {"req+tcp", "tcp"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        unsigned port = free_port();
        char url[64];
        int status;
        (void)snprintf(url, sizeof url, "%s://127.0.0.1:%u", forms[i], port);
        fixture_listen(&test->fixture, url);
        for (size_t u = 0; u < user_count; u++) {
            pid_t child = fork();
            if (child == 0)
                _exit(is_taken(users[u], port) ? 1 : 0);
            assert_int_equal(waitpid(child, &status, 0), child);
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), users[u] == geteuid());
        }
    }
}

/* Our client against NNG's own REP socket, which answers by hand. */
static void test_plain_rep_server(void **state)
{
    struct under_test *test = *state;
    char url[128];
    (void)snprintf(url, sizeof url, "req+ipc://%s/rep", test->directory);
    nng_socket socket;
    assert_int_equal(nng_rep0_open(&socket), 0);
    assert_int_equal(nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, RECEIVE_MS), 0);
    assert_int_equal(nng_listen(socket, url + 4, NULL, 0), 0);
    struct rpc_channel *channel = fixture_channel(NULL, url);
    static const struct {
        const char *answer;
        size_t len;
        enum rpc_code code;
    } rows[] = {
        {"\x02\0\0\0\x08\x02", 6, RPC_OK},
        {"\x06\0\0\0\x08\x02\x32\x02\x08\x05", 10, RPC_NOT_FOUND},
        {"\x06\0\0\0\x08\x02\x32\x02\x08\x63", 10, RPC_UNKNOWN}, /* code 99 */
        {"\x02\0\0\0\x08\x02\x0a\x7f", 8, RPC_INTERNAL},         /* a bad payload */
        {"\x02\0\0\0\x08\x01", 6, RPC_UNAVAILABLE},              /* a REQUEST */
        {"garbage", 7, RPC_UNAVAILABLE},
        {"", 0, RPC_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture_async call;
        fixture_async_start(&call, channel, &test->context, ACTION_ECHO, true);
        uint8_t *request;
        size_t len;
        assert_int_equal(nng_recv(socket, &request, &len, NNG_FLAG_ALLOC), 0);
        struct arena arena;
        arena_init(&arena, 65536);
        Lotcast__V1__PacketHeader *header;
        struct span payload;
        assert_int_equal(wire_read(span_of(request, len), &arena, &header, &payload, NULL), RPC_OK);
        assert_string_equal(header->method, FIXTURE_QUERY);
        /* The call id, which the answer echoes, goes where the header ends. */
        uint8_t answer[32];
        memcpy(answer, rows[i].answer, rows[i].len);
        size_t answer_len = rows[i].len;
        if (answer_len > 6 || (answer_len == 6 && answer[5] == 2)) {
            if (answer[0] <= 6) {
                size_t end = 4u + answer[0];
                memmove(answer + end + 2, answer + end, answer_len - end);
                answer[end] = 0x10;
                answer[end + 1] = (uint8_t)header->call_id;
                answer[0] = (uint8_t)(answer[0] + 2);
                answer_len += 2;
            }
        }
        arena_fini(&arena);
        nng_free(request, len);
        assert_int_equal(nng_send(socket, answer, answer_len, 0), 0);
        enum rpc_code code = fixture_async_wait(&call);
        if (code == RPC_OK)
            code = call.payload_bytes == 0 ? RPC_OK : RPC_INTERNAL;
        assert_int_equal(code, rows[i].code);
    }
    rpc_channel_close(channel);
    (void)nng_close(socket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_garbage_is_answered, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_other_packets, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_protocol_example, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_oversize_packet_is_cut_off, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_huge_claims, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_protocol, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_protocol_without_a_library, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_writer, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_reader_that_does_not_read, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_peers_that_leave, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_foreign_uid_over_tcp, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_plain_rep_server, set_up_running, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
