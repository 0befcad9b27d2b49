#include "test/unit/rpc/random_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define DEPTH_MAX 3

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

static ProtobufCMessage *message_at(const ProtobufCMessageDescriptor *type, uint64_t *seed,
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
        *(ProtobufCMessage **)slot = message_at(field->descriptor, seed, arena, depth + 1);
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
    if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->quantifier_offset != 0 &&
        (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0)
        *(protobuf_c_boolean *)(base + field->quantifier_offset) = 1;
    fill(field, base + field->offset, seed, arena, depth);
}

/* The test is the recursion's owner: its depth is bounded. */
static ProtobufCMessage *message_at(const ProtobufCMessageDescriptor *type, uint64_t *seed,
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

ProtobufCMessage *random_message(const ProtobufCMessageDescriptor *type, uint64_t *seed,
                                 struct arena *arena)
{
    return message_at(type, seed, arena, 0);
}

struct span random_message_pack(const ProtobufCMessage *message, struct arena *arena)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = take(arena, len);
    (void)protobuf_c_message_pack(message, packed);
    return span_of(packed, len);
}
