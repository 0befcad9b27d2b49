/*
 * What holds of any message: printed and parsed back it packs to the same bytes, from any number of
 * threads at once. Random from a fixed seed: the same messages in every run.
 */
#include "test/unit/rpc/codec_fixture.h"

#include <pthread.h>
#include <stdlib.h>

#define MESSAGES 3000
#define DEPTH_MAX 3
#define THREADS 4

static const ProtobufCMessageDescriptor *const types[] = {
    &lotcast__test__v1__scalars__descriptor,  &lotcast__test__v1__lists__descriptor,
    &lotcast__test__v1__wrappers__descriptor, &lotcast__test__v1__choice__descriptor,
    &lotcast__test__v1__decimals__descriptor, &lotcast__test__v1__deep__descriptor,
    &lotcast__test__v1__names__descriptor,
};
#define TYPE_COUNT (sizeof types / sizeof types[0])

/* xorshift64* */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 2685821657736338717u;
}

static bool one_in(uint64_t *seed, unsigned count)
{
    return next_random(seed) % count == 0;
}

static void *take(struct arena *arena, size_t size)
{
    void *memory = arena_calloc(arena, 1, size);
    assert_non_null(memory);
    return memory;
}

static char *random_string(uint64_t *seed, struct arena *arena)
{
    static const char *const pieces[] = {"a",
                                         "\"",
                                         "\\",
                                         "\n",
                                         "\x01",
                                         "\x7f",
                                         "\xc3\xa9",
                                         "\xe2\x82\xac",
                                         "\xf0\x9d\x84\x9e",
                                         "plain text",
                                         "/",
                                         "\xef\xbf\xbf"};
    size_t count = (size_t)(next_random(seed) % 8), len = 0;
    char *text = take(arena, 8 * 16);
    for (size_t i = 0; i < count; i++) {
        const char *piece = pieces[next_random(seed) % (sizeof pieces / sizeof pieces[0])];
        memcpy(text + len, piece, strlen(piece));
        len += strlen(piece);
    }
    return text;
}

static ProtobufCMessage *random_message(const ProtobufCMessageDescriptor *type, uint64_t *seed,
                                        struct arena *arena, int depth);

/* Fills a slot of the field's type. */
static void fill(const ProtobufCFieldDescriptor *field, void *slot, uint64_t *seed,
                 struct arena *arena, int depth)
{
    uint64_t bits = next_random(seed) >> (next_random(seed) % 64);
    if (one_in(seed, 2))
        bits = -bits;
    switch (field->type) {
    case PROTOBUF_C_TYPE_FLOAT:
        *(float *)slot = (float)(int32_t)bits / 1024;
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)slot = (double)(int64_t)bits / 3;
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)slot = (protobuf_c_boolean)(bits & 1);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        *(int *)slot = (int)(bits % 5) - 3;
        break;
    case PROTOBUF_C_TYPE_STRING:
        *(char **)slot = random_string(seed, arena);
        break;
    case PROTOBUF_C_TYPE_BYTES: {
        ProtobufCBinaryData *bytes = slot;
        bytes->len = (size_t)(bits % 7);
        bytes->data = take(arena, 8);
        memcpy(bytes->data, &bits, 8);
        break;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)slot = random_message(field->descriptor, seed, arena, depth + 1);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        *(uint32_t *)slot = (uint32_t)bits;
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        *(uint64_t *)slot = bits;
        break;
    }
}

static size_t bytes_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        break;
    }
    return 8;
}

static void fill_field(const ProtobufCFieldDescriptor *field, ProtobufCMessage *message,
                       uint64_t *seed, struct arena *arena, int depth)
{
    uint8_t *base = (uint8_t *)message;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = (size_t)(next_random(seed) % 6);
        uint8_t *items = take(arena, count * bytes_of(field->type));
        for (size_t i = 0; i < count; i++)
            fill(field, items + i * bytes_of(field->type), seed, arena, depth);
        *(size_t *)(base + field->quantifier_offset) = count;
        *(void **)(base + field->offset) = items;
        return;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t *set = (uint32_t *)(base + field->quantifier_offset);
        if (*set != 0)
            return;
        *set = field->id;
    }
    fill(field, base + field->offset, seed, arena, depth);
}

/* The test is the recursion's owner: its depth is bounded. */
static ProtobufCMessage *random_message(const ProtobufCMessageDescriptor *type, uint64_t *seed,
                                        struct arena *arena, int depth)
{
    ProtobufCMessage *message = take(arena, type->sizeof_message);
    protobuf_c_message_init(type, message);
    for (unsigned i = 0; i < type->n_fields; i++) {
        bool deeper = type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE;
        if (!one_in(seed, 3) && (depth < DEPTH_MAX || !deeper))
            fill_field(&type->fields[i], message, seed, arena, depth);
    }
    return message;
}

static struct span pack(const ProtobufCMessage *message, struct arena *arena)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = take(arena, len);
    (void)protobuf_c_message_pack(message, packed);
    return span_of(packed, len);
}

/* Whether it came back the same; no asserts, since threads run it too. */
static bool comes_back(const struct json_codec *codec, const ProtobufCMessage *message,
                       struct arena *arena, struct buffer *out)
{
    size_t position;
    buffer_clear(out);
    if (json_print(codec, message, out, NULL) != RPC_OK ||
        !json_text_check(buffer_span(out), &position))
        return false;
    ProtobufCMessage *back = arena_alloc(arena, message->descriptor->sizeof_message);
    if (back == NULL)
        return false;
    protobuf_c_message_init(message->descriptor, back);
    return json_parse(codec, buffer_span(out), arena, back, NULL) == RPC_OK &&
           span_equal(pack(message, arena), pack(back, arena));
}

static void every_message_comes_back(void **state)
{
    struct codec_fixture *fixture = *state;
    uint64_t seed = 7;
    for (int i = 0; i < MESSAGES; i++) {
        arena_reset(&fixture->arena);
        const ProtobufCMessage *message =
            random_message(types[(size_t)i % TYPE_COUNT], &seed, &fixture->arena, 0);
        if (!comes_back(fixture->plain, message, &fixture->arena, &fixture->out))
            fail_msg("message %d: %s", i, buffer_cstring(&fixture->out));
    }
}

struct worker {
    pthread_t thread;
    const struct codec_fixture *fixture;
    uint64_t seed;
    bool held;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct arena arena;
    struct buffer out;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    buffer_init(&out, (size_t)1024 * 1024);
    worker->held = true;
    for (int i = 0; i < MESSAGES / THREADS; i++) {
        /* More keys than are compared one by one, so that the hash's key is made here. */
        static const char keys[] =
            "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,"
            "\"i\":1,\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,"
            "\"q\":1,\"r\":1,\"s\":1,\"t\":1}";
        size_t position;
        arena_reset(&arena);
        const ProtobufCMessage *message =
            random_message(types[(size_t)i % TYPE_COUNT], &worker->seed, &arena, 0);
        worker->held = worker->held && json_text_check(span_of_string(keys), &position) &&
                       comes_back(worker->fixture->plain, message, &arena, &out);
    }
    buffer_fini(&out);
    arena_fini(&arena);
    return NULL;
}

static void threads_share_a_codec(void **state)
{
    struct worker workers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.fixture = *state, .seed = i + 1};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_true(workers[i].held);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_a_codec),
        cmocka_unit_test(every_message_comes_back),
    };
    return cmocka_run_group_tests_name("json_property", tests, codec_fixture_setup,
                                       codec_fixture_teardown);
}
