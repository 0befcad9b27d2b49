/*
 * The test vectors of rpc/PROTOCOL.md, read from there: each packet is what our code writes and
 * reads, each exchange what a server of ours answers, on sockets without any library.
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

#include "rpc/json.h"
#include "rpc/wire.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

#define FILE_BYTES_MAX ((size_t)1024 * 1024)
#define STEPS_MAX 12
#define RECEIVE_MS 10000
/* Fewer vectors than this are a sign that they are not found. */
#define VECTORS_MIN 80

/* --- reading the file --- */

enum kind { KIND_PACKET, KIND_READ, KIND_CALL, KIND_STREAM, KIND_REQREP, KINDS };
static const char *const kind_names[KINDS] = {"packet", "read", "call", "stream", "reqrep"};

enum step_kind { STEP_SEND, STEP_BYTES, STEP_ANSWER, STEP_CLOSED };

struct step {
    enum step_kind kind;
    struct buffer bytes;
    const char *header;  /* JSON */
    const char *payload; /* type and JSON; NULL: none */
};

struct vector {
    enum kind kind;
    const char *name;
    const char *header;  /* of a packet */
    const char *payload; /* likewise */
    size_t step_count;
    struct step steps[STEPS_MAX];
};

static char *text; /* the file; lines are cut where they are read */
static char *next_line;

static char *read_line(void)
{
    char *line = next_line;
    if (line == NULL || *line == '\0')
        return NULL;
    size_t len = strcspn(line, "\n");
    next_line = line[len] == '\0' ? NULL : line + len + 1;
    line[len] = '\0';
    return line;
}

static struct step *add_step(struct vector *vector, enum step_kind kind)
{
    assert_true(vector->step_count < STEPS_MAX);
    struct step *step = &vector->steps[vector->step_count++];
    *step = (struct step){.kind = kind};
    buffer_init(&step->bytes, FILE_BYTES_MAX);
    return step;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Pairs of hex digits with a space between; returns what follows them. */
static const char *read_pairs(const char *line, struct buffer *bytes)
{
    while (digit(line[0]) >= 0 && digit(line[1]) >= 0 &&
           (line[2] == ' ' || line[2] == '\0' || line[2] == ')')) {
        assert_true(buffer_append_byte(bytes, (uint8_t)(digit(line[0]) * 16 + digit(line[1]))));
        line += 2;
        if (line[0] != ' ' || line[1] == ' ')
            break;
        line++;
    }
    return line;
}

/* A line of bytes with its comment, or `(bytes) x times`. */
static void read_bytes(const char *name, const char *line, struct step *step)
{
    const char *at = line + strspn(line, " ");
    size_t before = step->bytes.len;
    if (*at != '(') {
        at = read_pairs(at, &step->bytes);
        if (step->bytes.len == before || (*at != '\0' && *at != ' '))
            fail_msg("%s: not understood: %s", name, line);
        return;
    }
    struct buffer piece;
    int times = 0;
    buffer_init(&piece, 4096);
    at = read_pairs(at + 1, &piece);
    if (sscanf(at, ") x %d", &times) != 1)
        fail_msg("%s: not understood: %s", name, line);
    for (int i = 0; i < times; i++)
        assert_true(buffer_append(&step->bytes, piece.data, piece.len));
    buffer_fini(&piece);
}

static void read_content(struct vector *vector, char *line)
{
    struct step *last = vector->step_count == 0 ? NULL : &vector->steps[vector->step_count - 1];
    if (strncmp(line, "header ", 7) == 0) {
        vector->header = line + 7;
    } else if (strncmp(line, "payload ", 8) == 0 && last == NULL) {
        vector->payload = line + 8;
    } else if (strncmp(line, "payload ", 8) == 0) {
        last->payload = line + 8;
    } else if (strncmp(line, "answer ", 7) == 0) {
        add_step(vector, STEP_ANSWER)->header = line + 7;
    } else if (strcmp(line, "send") == 0) {
        (void)add_step(vector, STEP_SEND);
    } else if (strcmp(line, "bytes") == 0) {
        (void)add_step(vector, STEP_BYTES);
    } else if (strcmp(line, "closed") == 0) {
        (void)add_step(vector, STEP_CLOSED);
    } else {
        read_bytes(vector->name, line, last == NULL ? add_step(vector, STEP_SEND) : last);
    }
}

/* The next block that is a vector; false at the end of the file. */
static bool next_vector(struct vector *vector)
{
    bool inside = false, first = false, found = false;
    for (char *line = read_line(); line != NULL; line = read_line()) {
        if (strcmp(line, "```") == 0) {
            if (found)
                return true;
            inside = first = !inside;
            continue;
        }
        if (found) {
            read_content(vector, line);
            continue;
        }
        for (int i = 0; first && i < KINDS; i++) {
            size_t len = strlen(kind_names[i]);
            if (strncmp(line, kind_names[i], len) != 0 || line[len] != ' ')
                continue;
            *vector = (struct vector){.kind = (enum kind)i, .name = line + len + 1};
            found = true;
        }
        first = false;
    }
    return false;
}

static void vector_fini(struct vector *vector)
{
    for (size_t i = 0; i < vector->step_count; i++)
        buffer_fini(&vector->steps[i].bytes);
}

/* --- what they mean --- */

struct under_test {
    struct fixture fixture;
    struct json_codec *codec;
    struct arena arena;
    char directory[64];
    char paths[2][96]; /* of ipc:// and req+ipc:// */
};

/* A message of JSON: of the type named in front, or of `type`. */
static ProtobufCMessage *message_of(struct under_test *test, const char *name,
                                    const ProtobufCMessageDescriptor *type, const char *json)
{
    struct rpc_status status;
    if (type == NULL) {
        char type_name[128] = "";
        size_t len = strcspn(json, " ");
        (void)snprintf(type_name, sizeof type_name, "%.*s", (int)len, json);
        const struct registry_message *found = registry_message_find(fixture_registry(), type_name);
        if (found == NULL)
            fail_msg("%s: there is no message %s", name, type_name);
        type = found->descriptor;
        json += len;
    }
    ProtobufCMessage *message = arena_alloc(&test->arena, type->sizeof_message);
    assert_non_null(message);
    protobuf_c_message_init(type, message);
    if (json_parse(test->codec, span_of_string(json), &test->arena, message, &status) != RPC_OK)
        fail_msg("%s: %s", name, status.message);
    return message;
}

static struct span packed(struct under_test *test, const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(&test->arena, len + 1);
    assert_non_null(bytes);
    (void)protobuf_c_message_pack(message, bytes);
    return span_of(bytes, len);
}

/* Whether a packet is read as this header and payload; `unsaid`: a status' message may be anything.
 */
static void expect_packet(struct under_test *test, const char *name, struct span packet,
                          const char *header_json, const char *payload_text, bool unsaid)
{
    struct rpc_status status;
    Lotcast__V1__PacketHeader *header = NULL;
    struct span payload;
    Lotcast__V1__PacketHeader *wanted = (Lotcast__V1__PacketHeader *)message_of(
        test, name, &lotcast__v1__packet_header__descriptor, header_json);
    if (wire_read(packet, &test->arena, &header, &payload, &status) != RPC_OK)
        fail_msg("%s: cannot be read: %s", name, status.message);
    header->base.n_unknown_fields = 0;
    if (unsaid && header->status != NULL && wanted->status != NULL) {
        if (header->status->message[0] == '\0' && header->status->reason != 0)
            fail_msg("%s: says nothing to people", name);
        header->status->message = wanted->status->message;
    }
    if (!span_equal(packed(test, &header->base), packed(test, &wanted->base))) {
        struct buffer got;
        buffer_init(&got, 65536);
        bool shown = json_print(test->codec, &header->base, &got, NULL) == RPC_OK;
        fail_msg("%s: got %s", name, shown ? buffer_cstring(&got) : "something that is no header");
    }
    if (payload_text == NULL) {
        assert_int_equal(payload.len, 0);
        return;
    }
    ProtobufCMessage *want = message_of(test, name, NULL, payload_text);
    ProtobufCMessage *got = NULL;
    if (rpc_message_unpack(want->descriptor, payload, &test->arena, &got, &status) != RPC_OK)
        fail_msg("%s: %s", name, status.message);
    got->n_unknown_fields = 0;
    if (!span_equal(packed(test, want), packed(test, got)))
        fail_msg("%s: has another payload", name);
}

static void expect_bytes(const char *name, struct span got, struct span want)
{
    if (got.len != want.len)
        fail_msg("%s: %zu bytes for %zu", name, got.len, want.len);
    for (size_t i = 0; i < want.len; i++)
        if (got.data[i] != want.data[i])
            fail_msg("%s: byte %zu is %02x for %02x", name, i, got.data[i], want.data[i]);
}

/* That our code writes just these bytes. */
static void expect_written(struct under_test *test, const struct vector *vector)
{
    const ProtobufCMessage *header =
        message_of(test, vector->name, &lotcast__v1__packet_header__descriptor, vector->header);
    struct span payload = span_of("", 0);
    struct wire_size size;
    if (vector->payload != NULL)
        payload = packed(test, message_of(test, vector->name, NULL, vector->payload));
    const Lotcast__V1__PacketHeader *typed = (const Lotcast__V1__PacketHeader *)header;
    assert_int_equal(wire_measure(typed, payload.len, &size, NULL), RPC_OK);
    uint8_t *packet = arena_alloc(&test->arena, size.packet_bytes);
    assert_non_null(packet);
    uint8_t *at = wire_write_header(typed, &size, packet);
    memcpy(at, payload.data, payload.len);
    expect_bytes(vector->name, span_of(packet, size.packet_bytes),
                 buffer_span(&vector->steps[0].bytes));
}

/* --- connections --- */

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {RECEIVE_MS / 1000, 0};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    return fd;
}

static void send_all(const char *name, int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent <= 0)
            fail_msg("%s: cannot be sent", name);
        bytes = span_of(bytes.data + sent, bytes.len - (size_t)sent);
    }
}

static struct span receive(struct under_test *test, const char *name, int fd, size_t len)
{
    uint8_t *bytes = arena_alloc(&test->arena, len + 1);
    assert_non_null(bytes);
    for (size_t have = 0; have < len;) {
        ssize_t got = recv(fd, bytes + have, len - have, 0);
        if (got <= 0)
            fail_msg("%s: only %zu of %zu bytes came", name, have, len);
        have += (size_t)got;
    }
    return span_of(bytes, len);
}

/* The packet in the next frame of a stream, or in REQ/REP's next message. */
static struct span receive_packet(struct under_test *test, const char *name, int fd, bool stream)
{
    size_t len = 0, head_bytes = stream ? 4 : 9;
    struct span head = receive(test, name, fd, head_bytes);
    for (size_t i = 0; i < 4; i++)
        len |= (size_t)head.data[stream ? i : 8 - i] << (8 * i);
    assert_true(len < FILE_BYTES_MAX);
    struct span message = receive(test, name, fd, len);
    if (stream)
        return message;
    assert_true(len >= 4);
    return span_of(message.data + 4, len - 4);
}

static void expect_closed(const char *name, int fd)
{
    uint8_t byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    if (got > 0)
        fail_msg("%s: something came", name);
    if (got < 0 && errno != ECONNRESET)
        fail_msg("%s: was not closed", name);
}

static void run_steps(struct under_test *test, const struct vector *vector)
{
    bool stream = vector->kind == KIND_STREAM;
    int fd = dial(test->paths[stream ? 0 : 1]);
    for (size_t i = 0; i < vector->step_count; i++) {
        const struct step *step = &vector->steps[i];
        struct span bytes = buffer_span(&step->bytes);
        switch (step->kind) {
        case STEP_SEND:
            send_all(vector->name, fd, bytes);
            break;
        case STEP_BYTES:
            expect_bytes(vector->name, receive(test, vector->name, fd, bytes.len), bytes);
            break;
        case STEP_ANSWER:
            expect_packet(test, vector->name, receive_packet(test, vector->name, fd, stream),
                          step->header, step->payload, true);
            break;
        case STEP_CLOSED:
            expect_closed(vector->name, fd);
            break;
        }
    }
    (void)close(fd);
}

/* A call: the packet with REQ/REP's framing and greeting around it. */
static void run_call(struct under_test *test, const struct vector *vector)
{
    static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    const struct step *send_step = &vector->steps[0], *answer = &vector->steps[1];
    assert_int_equal(vector->step_count, 2);
    assert_int_equal(answer->kind, STEP_ANSWER);
    size_t len = send_step->bytes.len + 4;
    uint8_t head[13] = {
        1, 0, 0, 0, 0, 0, (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, 0x80, 0, 0, 1};
    int fd = dial(test->paths[1]);
    send_all(vector->name, fd, span_of(greeting, sizeof greeting));
    send_all(vector->name, fd, span_of(head, sizeof head));
    send_all(vector->name, fd, buffer_span(&send_step->bytes));
    (void)receive(test, vector->name, fd, sizeof greeting);
    expect_packet(test, vector->name, receive_packet(test, vector->name, fd, false), answer->header,
                  answer->payload, true);
    (void)close(fd);
}

/* --- the tests --- */

static void run_vector(struct under_test *test, const struct vector *vector)
{
    switch (vector->kind) {
    case KIND_PACKET:
        expect_written(test, vector);
        expect_packet(test, vector->name, buffer_span(&vector->steps[0].bytes), vector->header,
                      vector->payload, false);
        break;
    case KIND_READ:
        expect_packet(test, vector->name, buffer_span(&vector->steps[0].bytes), vector->header,
                      vector->payload, false);
        break;
    case KIND_CALL:
        run_call(test, vector);
        break;
    case KIND_STREAM:
    case KIND_REQREP:
        run_steps(test, vector);
        break;
    case KINDS:
        break;
    }
}

static void vectors_of_the_protocol_hold(void **state)
{
    struct under_test *test = *state;
    size_t counts[KINDS] = {0}, all = 0;
    struct vector vector;
    while (next_vector(&vector)) {
        arena_reset(&test->arena);
        run_vector(test, &vector);
        vector_fini(&vector);
        counts[vector.kind]++;
        all++;
    }
    for (int i = 0; i < KINDS; i++)
        assert_true(counts[i] >= 4);
    assert_true(all >= VECTORS_MIN);
}

static int set_up(void **state)
{
    struct under_test *test = calloc(1, sizeof *test);
    struct json_options options = {0};
    struct rpc_status status;
    assert_non_null(test);
    fixture_init(&test->fixture);
    temp_directory(test->directory);
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = 2});
    for (int i = 0; i < 2; i++) {
        char url[128];
        (void)snprintf(test->paths[i], sizeof test->paths[i], "%s/%d", test->directory, i);
        (void)snprintf(url, sizeof url, "%sipc://%s", i == 0 ? "" : "req+", test->paths[i]);
        fixture_listen(&test->fixture, url);
    }
    if (json_codec_create(fixture_registry(), &options, &test->codec, &status) != RPC_OK)
        fail_msg("%s", status.message);
    arena_init(&test->arena, ARENA_CALL_BYTES_MAX);
    FILE *file = fopen(PROTOCOL_MD, "re");
    assert_non_null(file);
    text = calloc(1, FILE_BYTES_MAX);
    assert_non_null(text);
    assert_true(fread(text, 1, FILE_BYTES_MAX - 1, file) > 0);
    (void)fclose(file);
    next_line = text;
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    fixture_stop(&test->fixture);
    json_codec_destroy(test->codec);
    arena_fini(&test->arena);
    free(text);
    free(test);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(vectors_of_the_protocol_hold, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
