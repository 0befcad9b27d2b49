/*
 * Unpacking what others sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/store.pb-c.h"
#include "rpc/unpack.h"
#include "test/unit/rpc/random_message.h"

#define ARENA_BYTES ((size_t)1024 * 1024)

static enum rpc_code unpack(const ProtobufCMessageDescriptor *descriptor, const void *bytes,
                            size_t len, struct arena *arena, ProtobufCMessage **ret_message,
                            struct rpc_status *status)
{
    uint8_t *copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy, bytes, len);
    enum rpc_code code =
        rpc_message_unpack(descriptor, span_of(copy, len), arena, ret_message, status);
    /* Freed before the message is looked at where it is not to point there. */
    free(copy);
    return code;
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        size_t len;
        enum rpc_code code;
    } rows[] = {
        {"nothing", "", 0, RPC_OK},
        {"a text",
         "\x0a\x03"
         "a@b",
         5, RPC_OK},
        {"an empty text", "\x0a\x00", 2, RPC_OK},
        {"a text of 4-byte characters", "\x0a\x04\xf0\x9f\x98\x80", 6, RPC_OK},
        {"an unknown number", "\x78\x01", 2, RPC_OK},
        {"an unknown text, whatever it holds", "\x7a\x02\x00\xff", 4, RPC_OK},
        {"an unknown fixed32", "\x7d\x01\x02\x03\x04", 5, RPC_OK},
        {"an unknown fixed64", "\x79\x01\x02\x03\x04\x05\x06\x07\x08", 9, RPC_OK},
        {"a number of 10 bytes", "\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, RPC_OK},
        {"a NUL",
         "\x0a\x03"
         "a\0b",
         5, RPC_INVALID_ARGUMENT},
        {"a NUL at the end",
         "\x0a\x02"
         "a\0",
         4, RPC_INVALID_ARGUMENT},
        {"overlong", "\x0a\x02\xc0\xaf", 4, RPC_INVALID_ARGUMENT},
        {"a surrogate", "\x0a\x03\xed\xa0\x80", 5, RPC_INVALID_ARGUMENT},
        {"a cut character", "\x0a\x01\xc3", 3, RPC_INVALID_ARGUMENT},
        {"a text that is a number", "\x08\x01", 2, RPC_INVALID_ARGUMENT},
        {"a length beyond the end",
         "\x0a\x04"
         "abc",
         5, RPC_INVALID_ARGUMENT},
        {"a huge length", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, RPC_INVALID_ARGUMENT},
        {"no length", "\x0a", 1, RPC_INVALID_ARGUMENT},
        {"a cut number", "\x78\x80", 2, RPC_INVALID_ARGUMENT},
        {"a number of 65 bits", "\x78\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11,
         RPC_INVALID_ARGUMENT},
        {"a number of 11 bytes", "\x78\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12,
         RPC_INVALID_ARGUMENT},
        {"a cut fixed32", "\x7d\x01\x02\x03", 4, RPC_INVALID_ARGUMENT},
        {"a cut fixed64", "\x79\x01\x02\x03\x04\x05\x06\x07", 8, RPC_INVALID_ARGUMENT},
        {"a group", "\x7b\x7c", 2, RPC_INVALID_ARGUMENT},
        {"wire type 7", "\x7f", 1, RPC_INVALID_ARGUMENT},
        {"a key of 6 bytes", "\xf8\x80\x80\x80\x80\x00\x01", 7, RPC_INVALID_ARGUMENT},
        {"field number 0", "\x02\x00", 2, RPC_INVALID_ARGUMENT},
        {"a field number of 30 bits", "\x80\x80\x80\x80\x20\x00", 6, RPC_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        arena_init(&arena, ARENA_BYTES);
        ProtobufCMessage *message = NULL;
        struct rpc_status status;
        enum rpc_code code = unpack(&lotcast__v1__log_in_request__descriptor, rows[i].bytes,
                                    rows[i].len, &arena, &message, &status);
        if (code != rows[i].code)
            fail_msg("%s: %s", rows[i].name, rpc_code_name(code));
        assert_int_equal(message != NULL, code == RPC_OK);
        arena_fini(&arena);
    }
}

static void test_names_the_field(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    ProtobufCMessage *message = NULL;
    struct rpc_status status;
    assert_int_equal(unpack(&lotcast__v1__log_in_request__descriptor, "\x12\x01\0", 3, &arena,
                            &message, &status),
                     RPC_INVALID_ARGUMENT);
    assert_string_equal(status.field, "password");
    assert_int_equal(status.reason, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT);
    arena_fini(&arena);
}

/* The same bad text deep inside, in a repeated field and in a oneof. */
static void test_nested_texts(void **state)
{
    (void)state;
    Lotcast__V1__CommitRequest commit = LOTCAST__V1__COMMIT_REQUEST__INIT;
    Lotcast__V1__CommitOp op = LOTCAST__V1__COMMIT_OP__INIT;
    Lotcast__V1__DeleteOp delete_op = LOTCAST__V1__DELETE_OP__INIT;
    Lotcast__V1__KeyPart part = LOTCAST__V1__KEY_PART__INIT;
    Lotcast__V1__CommitOp *ops[] = {&op};
    Lotcast__V1__KeyPart *key[] = {&part};
    part.kind_case = LOTCAST__V1__KEY_PART__KIND_TEXT;
    part.text = (char *)"text";
    delete_op.n_key = 1;
    delete_op.key = key;
    op.kind_case = LOTCAST__V1__COMMIT_OP__KIND_DELETE;
    op.delete_ = &delete_op;
    commit.n_ops = 1;
    commit.ops = ops;
    uint8_t packed[64];
    size_t len = lotcast__v1__commit_request__pack(&commit, packed);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    ProtobufCMessage *message = NULL;
    assert_int_equal(
        unpack(&lotcast__v1__commit_request__descriptor, packed, len, &arena, &message, NULL),
        RPC_OK);
    assert_string_equal(((Lotcast__V1__CommitRequest *)message)->ops[0]->delete_->key[0]->text,
                        "text");
    packed[len - 1] = 0xff;
    message = NULL;
    assert_int_equal(
        unpack(&lotcast__v1__commit_request__descriptor, packed, len, &arena, &message, NULL),
        RPC_INVALID_ARGUMENT);
    assert_null(message);
    arena_fini(&arena);
}

/* `depth` messages in each other: DescriptorProto nests in its field 3. */
static size_t nest(uint8_t *bytes, size_t size, size_t depth)
{
    size_t at = size;
    size_t inner = 0;
    for (size_t i = 0; i < depth; i++) {
        uint8_t length[5];
        size_t n = 0;
        size_t rest = inner;
        do {
            length[n++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
            rest >>= 7;
        } while (rest > 0);
        at -= n;
        memcpy(bytes + at, length, n);
        bytes[--at] = 0x1a;
        inner = size - at;
    }
    memmove(bytes, bytes + at, inner);
    return inner;
}

static void test_depth(void **state)
{
    (void)state;
    static uint8_t bytes[1024 * 1024];
    static const struct {
        size_t depth;
        enum rpc_code code;
    } rows[] = {
        {1, RPC_OK},
        {31, RPC_OK},
        {32, RPC_INVALID_ARGUMENT},
        {1000, RPC_INVALID_ARGUMENT},
        {200000, RPC_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = nest(bytes, sizeof bytes, rows[i].depth);
        struct arena arena;
        arena_init(&arena, ARENA_CALL_BYTES_MAX);
        ProtobufCMessage *message = NULL;
        assert_int_equal(unpack(&google__protobuf__descriptor_proto__descriptor, bytes, len, &arena,
                                &message, NULL),
                         rows[i].code);
        arena_fini(&arena);
    }
}

/* Small on the wire, large in memory: the arena's limit answers, or the one on unknown fields. */
static void test_expansion(void **state)
{
    (void)state;
    size_t len = (size_t)8 * 1024 * 1024;
    uint8_t *bytes = malloc(len);
    assert_non_null(bytes);
    static const struct {
        const char *name;
        uint8_t pair[2];
        enum rpc_code code;
    } rows[] = {
        {"empty sub-messages", {0x0a, 0x00}, RPC_RESOURCE_EXHAUSTED},
        {"unknown numbers", {0x78, 0x00}, RPC_INVALID_ARGUMENT},
        {"unknown texts", {0x7a, 0x00}, RPC_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t at = 0; at < len; at += 2)
            memcpy(bytes + at, rows[i].pair, 2);
        struct arena arena;
        arena_init(&arena, ARENA_CALL_BYTES_MAX);
        ProtobufCMessage *message = NULL;
        enum rpc_code code =
            unpack(&lotcast__v1__commit_request__descriptor, bytes, len, &arena, &message, NULL);
        if (code != rows[i].code)
            fail_msg("%s: %s", rows[i].name, rpc_code_name(code));
        assert_in_range(arena.used_bytes, 0, ARENA_CALL_BYTES_MAX);
        arena_fini(&arena);
    }
    free(bytes);
}

/* Every limit of the arena ends cleanly. */
static void test_failing_allocations(void **state)
{
    (void)state;
    Lotcast__V1__CommitRequest commit = LOTCAST__V1__COMMIT_REQUEST__INIT;
    Lotcast__V1__CommitOp op = LOTCAST__V1__COMMIT_OP__INIT;
    Lotcast__V1__AddOp add = LOTCAST__V1__ADD_OP__INIT;
    Lotcast__V1__CommitOp *ops[40];
    for (size_t i = 0; i < 40; i++)
        ops[i] = &op;
    add.counter = (char *)"counter";
    op.kind_case = LOTCAST__V1__COMMIT_OP__KIND_ADD;
    op.add = &add;
    commit.n_ops = 40;
    commit.ops = ops;
    uint8_t packed[1024];
    size_t len = lotcast__v1__commit_request__pack(&commit, packed);
    bool fitted = false;
    for (size_t limit = 0; !fitted; limit += 64) {
        struct arena arena;
        arena_init(&arena, limit);
        ProtobufCMessage *message = NULL;
        enum rpc_code code =
            unpack(&lotcast__v1__commit_request__descriptor, packed, len, &arena, &message, NULL);
        assert_true(code == RPC_OK || code == RPC_RESOURCE_EXHAUSTED);
        fitted = code == RPC_OK;
        arena_fini(&arena);
        assert_in_range(limit, 0, 64 * 1024);
    }
}

/* A message in pieces: single ones are merged, repeated ones go on, of a oneof the last one counts.
 */
static void test_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const ProtobufCMessageDescriptor *type;
        const char *pieces;
        size_t pieces_len;
        const char *whole;
        size_t whole_len;
    } rows[] = {
#define PIECES(text) text, sizeof(text) - 1
        {"the last number", &google__protobuf__int64_value__descriptor, PIECES("\x08\x01\x08\x02"),
         PIECES("\x08\x02")},
        {"the last text, empty", &google__protobuf__string_value__descriptor,
         PIECES("\x0a\x01\x61\x0a\x00"), PIECES("")},
        /* FieldDescriptorProto: options{ctype, packed} in two pieces. */
        {"options in two pieces", &google__protobuf__field_descriptor_proto__descriptor,
         PIECES("\x42\x02\x08\x01\x42\x02\x10\x01"), PIECES("\x42\x04\x08\x01\x10\x01")},
        /* A repeated field of the merged message goes on; its numbers are packed then. */
        {"lists go on", &google__protobuf__file_descriptor_proto__descriptor,
         PIECES("\x4a\x04\x0a\x02\x08\x01\x4a\x04\x0a\x02\x10\x02"),
         PIECES("\x4a\x0a\x0a\x03\x0a\x01\x01\x0a\x03\x12\x01\x02")},
        /* Value: list_value in two pieces. */
        {"of a oneof, merged", &google__protobuf__value__descriptor,
         PIECES("\x32\x04\x0a\x02\x20\x01\x32\x04\x0a\x02\x20\x00"),
         PIECES("\x32\x08\x0a\x02\x20\x01\x0a\x02\x20\x00")},
        {"of a oneof, the last", &google__protobuf__value__descriptor,
         PIECES("\x32\x04\x0a\x02\x20\x01\x20\x01"), PIECES("\x20\x01")},
        {"of a oneof, forgotten between", &google__protobuf__value__descriptor,
         PIECES("\x32\x04\x0a\x02\x20\x01\x20\x01\x32\x04\x0a\x02\x20\x00"),
         PIECES("\x32\x04\x0a\x02\x20\x00")},
        /* SourceCodeInfo.Location: path is packed; single numbers, empty and full packs in a row.
         */
        {"packed and not", &google__protobuf__source_code_info__location__descriptor,
         PIECES("\x08\x01\x0a\x00\x0a\x02\x02\x03\x08\x04\x0a\x01\x05"),
         PIECES("\x0a\x05\x01\x02\x03\x04\x05")},
        {"a packed number that is cut", &google__protobuf__source_code_info__location__descriptor,
         PIECES("\x0a\x02\x01\x80"), NULL, 0},
        {"packed texts", &google__protobuf__file_descriptor_proto__descriptor,
         PIECES("\x1a\x01\x61"), PIECES("\x1a\x01\x61")},
        {"a pack for a single number", &google__protobuf__int64_value__descriptor,
         PIECES("\x0a\x01\x01"), NULL, 0},
#undef PIECES
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        arena_init(&arena, ARENA_BYTES);
        ProtobufCMessage *message = NULL;
        enum rpc_code code =
            unpack(rows[i].type, rows[i].pieces, rows[i].pieces_len, &arena, &message, NULL);
        if ((code == RPC_OK) != (rows[i].whole != NULL))
            fail_msg("%s: %s", rows[i].name, rpc_code_name(code));
        if (code == RPC_OK && !span_equal(random_message_pack(message, &arena),
                                          span_of(rows[i].whole, rows[i].whole_len)))
            fail_msg("%s: not what it is as a whole", rows[i].name);
        arena_fini(&arena);
    }
}

/* What protobuf-c itself makes of random messages, and of every cut of their bytes. */
static void test_like_protobuf_c(void **state)
{
    (void)state;
    static const ProtobufCMessageDescriptor *const types[] = {
        &lotcast__v1__commit_request__descriptor, &lotcast__v1__query_request__descriptor,
        &lotcast__v1__query_response__descriptor, &google__protobuf__source_code_info__descriptor,
        &google__protobuf__struct__descriptor,
    };
    uint64_t seed = 11;
    for (size_t i = 0; i < 600; i++) {
        struct arena arena;
        arena_init(&arena, ARENA_CALL_BYTES_MAX);
        const ProtobufCMessageDescriptor *type = types[i % (sizeof types / sizeof types[0])];
        struct span packed = random_message_pack(random_message(type, &seed, &arena), &arena);
        for (size_t len = packed.len < 40 ? 0 : packed.len - 40; len <= packed.len; len++) {
            ProtobufCMessage *ours = NULL;
            ProtobufCMessage *theirs =
                protobuf_c_message_unpack(type, &arena.protobuf, len, packed.data);
            enum rpc_code code = unpack(type, packed.data, len, &arena, &ours, NULL);
            if (code == RPC_OK && theirs != NULL)
                assert_true(span_equal(random_message_pack(ours, &arena),
                                       random_message_pack(theirs, &arena)));
            /* Ours may refuse a text that was cut within a character, never the whole. */
            assert_true(code == RPC_OK ? theirs != NULL : len < packed.len);
        }
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),        cmocka_unit_test(test_names_the_field),
        cmocka_unit_test(test_nested_texts), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_expansion),    cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_pieces),       cmocka_unit_test(test_like_protobuf_c),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
