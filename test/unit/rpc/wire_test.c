/*
 * The envelope: what wire_write_header writes, wire_read reads; anything else is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rpc/wire.h"

#define ARENA_BYTES ((size_t)1024 * 1024)

/* Writes a packet into malloc'ed memory of its exact size. */
static struct span write_packet(const Lotcast__V1__PacketHeader *header, struct span payload)
{
    struct wire_size size;
    assert_int_equal(wire_measure(header, payload.len, &size, NULL), RPC_OK);
    uint8_t *packet = malloc(size.packet_bytes);
    assert_non_null(packet);
    uint8_t *at = wire_write_header(header, &size, packet);
    assert_ptr_equal(at + payload.len, packet + size.packet_bytes);
    if (payload.len > 0)
        memcpy(at, payload.data, payload.len);
    return span_of(packet, size.packet_bytes);
}

/* The example of rpc/PROTOCOL.md, byte for byte. */
static void test_protocol_example(void **state)
{
    (void)state;
    static const uint8_t want[] = {
        0x35, 0x00, 0x00, 0x00,                               /* header: 53 bytes */
        0x08, 0x01,                                           /* type: REQUEST */
        0x10, 0x01,                                           /* call_id: 1 */
        0x1a, 0x17, 'l',  'o',  't', 'c', 'a', 's', 't', '.', /* method */
        'v',  '1',  '.',  'H',  'e', 'a', 'l', 't', 'h', '/', /* … */
        'C',  'h',  'e',  'c',  'k',                          /* … */
        0x20, 0x88, 0x27,                                     /* timeout_ms: 5000 */
        0x2a, 0x13,                                           /* metadata: 19 bytes */
        0x0a, 0x0a, 'r',  'e',  'q', 'u', 'e', 's', 't', '-', /* key */
        'i',  'd',                                            /* … */
        0x12, 0x05, 'r',  'e',  'q', '-', '1',                /* value */
        0x0a, 0x10, 'l',  'o',  't', 'c', 'a', 's', 't', '.', /* payload: service */
        'v',  '1',  '.',  'S',  't', 'o', 'r', 'e',           /* … */
    };
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    Lotcast__V1__MetadataEntry entry = LOTCAST__V1__METADATA_ENTRY__INIT;
    Lotcast__V1__MetadataEntry *entries[] = {&entry};
    entry.key = (char *)"request-id";
    entry.value = (char *)"req-1";
    header.type = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST;
    header.call_id = 1;
    header.method = (char *)"lotcast.v1.Health/Check";
    header.timeout_ms = 5000;
    header.n_metadata = 1;
    header.metadata = entries;
    size_t payload_at = 4 + want[0];
    struct span packet =
        write_packet(&header, span_of(want + payload_at, sizeof want - payload_at));
    assert_int_equal(packet.len, sizeof want);
    assert_memory_equal(packet.data, want, sizeof want);
    free((void *)packet.data);
}

static void test_round_trip(void **state)
{
    (void)state;
    static uint8_t payload[3000];
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    srand(1);
    for (int round = 0; round < 500; round++) {
        Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
        Lotcast__V1__Status status = LOTCAST__V1__STATUS__INIT;
        size_t len = (size_t)rand() % sizeof payload;
        for (size_t i = 0; i < len; i++)
            payload[i] = (uint8_t)rand();
        header.type = (Lotcast__V1__PacketType)(rand() % 7);
        header.call_id = (uint64_t)rand() << (rand() % 40);
        header.credits = (uint32_t)rand();
        status.code = (uint32_t)rand() % RPC_CODE_COUNT;
        status.message = (char *)"käse";
        header.status = round % 2 == 0 ? &status : NULL;
        struct span packet = write_packet(&header, span_of(payload, len));
        Lotcast__V1__PacketHeader *read = NULL;
        struct span rest;
        assert_int_equal(wire_read(packet, &arena, &read, &rest, NULL), RPC_OK);
        assert_int_equal(read->type, header.type);
        assert_true(read->call_id == header.call_id);
        assert_int_equal(read->credits, header.credits);
        assert_int_equal(read->status != NULL, header.status != NULL);
        if (read->status != NULL)
            assert_string_equal(read->status->message, "käse");
        assert_true(span_equal(rest, span_of(payload, len)));
        free((void *)packet.data);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint8_t bytes[16];
        size_t len;
    } rows[] = {
        {"nothing", {0}, 0},
        {"half a length", {1, 0, 0}, 3},
        {"a header beyond the end", {1, 0, 0, 0}, 4},
        {"a header much beyond the end", {0xff, 0xff, 0xff, 0xff, 8, 1}, 6},
        {"a header over its limit", {0x01, 0x20, 0, 0, 8, 1}, 6},
        {"half a field", {1, 0, 0, 0, 0x08}, 5},
        {"a number without end",
         {11, 0, 0, 0, 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
         15},
        {"a text beyond the header", {3, 0, 0, 0, 0x1a, 5, 'x', 'y', 'z'}, 9},
        {"a NUL in the method", {4, 0, 0, 0, 0x1a, 2, 'x', 0}, 8},
        {"a method that is not UTF-8", {4, 0, 0, 0, 0x1a, 2, 0xc0, 0x80}, 8},
        {"a method that is a number", {2, 0, 0, 0, 0x18, 1}, 6},
        {"a group", {2, 0, 0, 0, 0x3b, 0x3c}, 6},
        {"field number 0", {2, 0, 0, 0, 0x00, 0x00}, 6},
        {"metadata without a key", {2, 0, 0, 0, 0x2a, 0}, 6},
        {"a key with a space", {6, 0, 0, 0, 0x2a, 4, 0x0a, 2, 'a', ' '}, 10},
        {"a value with a newline", {9, 0, 0, 0, 0x2a, 7, 0x0a, 1, 'a', 0x12, 2, 'b', '\n'}, 13},
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        /* In memory of its own size, so that ASan sees a read beyond it. */
        uint8_t *packet = malloc(rows[i].len + 1);
        assert_non_null(packet);
        memcpy(packet, rows[i].bytes, rows[i].len);
        Lotcast__V1__PacketHeader *header = NULL;
        struct span payload;
        struct rpc_status status;
        enum rpc_code code =
            wire_read(span_of(packet, rows[i].len), &arena, &header, &payload, &status);
        if (code != RPC_INVALID_ARGUMENT)
            fail_msg("%s: %s", rows[i].name, rpc_code_name(code));
        assert_null(header);
        assert_int_not_equal(status.message[0], '\0');
        free(packet);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void test_limits(void **state)
{
    (void)state;
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    struct wire_size size;
    assert_int_equal(wire_measure(&header, RPC_MESSAGE_BYTES_MAX, &size, NULL), RPC_OK);
    assert_in_range(size.packet_bytes, RPC_MESSAGE_BYTES_MAX, WIRE_PACKET_BYTES_MAX);
    assert_int_equal(wire_measure(&header, RPC_MESSAGE_BYTES_MAX + 1, &size, NULL),
                     RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(wire_measure(&header, SIZE_MAX, &size, NULL), RPC_RESOURCE_EXHAUSTED);
    char *method = calloc(1, WIRE_HEADER_BYTES_MAX + 1);
    assert_non_null(method);
    memset(method, 'm', WIRE_HEADER_BYTES_MAX);
    header.method = method;
    assert_int_equal(wire_measure(&header, 0, &size, NULL), RPC_RESOURCE_EXHAUSTED);
    free(method);

    /* A payload over the limit is refused by the reader too. */
    size_t len = WIRE_LENGTH_BYTES + RPC_MESSAGE_BYTES_MAX + 1;
    uint8_t *packet = calloc(1, len);
    assert_non_null(packet);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    Lotcast__V1__PacketHeader *read = NULL;
    struct span payload;
    assert_int_equal(wire_read(span_of(packet, len), &arena, &read, &payload, NULL),
                     RPC_INVALID_ARGUMENT);
    assert_int_equal(wire_read(span_of(packet, len - 1), &arena, &read, &payload, NULL), RPC_OK);
    assert_int_equal(payload.len, RPC_MESSAGE_BYTES_MAX);
    arena_fini(&arena);
    free(packet);
}

/* A header that fits in bytes but has one entry too many. */
static void test_too_many_entries(void **state)
{
    (void)state;
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    Lotcast__V1__MetadataEntry entry = LOTCAST__V1__METADATA_ENTRY__INIT;
    Lotcast__V1__MetadataEntry *entries[RPC_METADATA_ENTRIES_MAX + 1];
    entry.key = (char *)"k";
    for (size_t i = 0; i <= RPC_METADATA_ENTRIES_MAX; i++)
        entries[i] = &entry;
    header.metadata = entries;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t over = 0; over <= 1; over++) {
        header.n_metadata = RPC_METADATA_ENTRIES_MAX + over;
        struct span packet = write_packet(&header, (struct span){0});
        Lotcast__V1__PacketHeader *read = NULL;
        struct span payload;
        assert_int_equal(wire_read(packet, &arena, &read, &payload, NULL),
                         over == 0 ? RPC_OK : RPC_INVALID_ARGUMENT);
        free((void *)packet.data);
    }
    arena_fini(&arena);
}

static void test_full_arena(void **state)
{
    (void)state;
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    header.method = (char *)"lotcast.v1.Health/Check";
    struct span packet = write_packet(&header, (struct span){0});
    for (size_t bytes = 0; bytes < sizeof header + 24; bytes += 8) {
        struct arena arena;
        arena_init(&arena, bytes);
        Lotcast__V1__PacketHeader *read = NULL;
        struct span payload;
        assert_int_equal(wire_read(packet, &arena, &read, &payload, NULL), RPC_RESOURCE_EXHAUSTED);
        arena_fini(&arena);
    }
    free((void *)packet.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocol_example), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refusals),         cmocka_unit_test(test_limits),
        cmocka_unit_test(test_too_many_entries), cmocka_unit_test(test_full_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
