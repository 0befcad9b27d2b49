/*
 * Unpacking bytes from outside. protobuf-c has no limit on nesting, cuts strings at a NUL and takes
 * any bytes as text, so the bytes are walked first, against the descriptor and with a stack of our
 * own; only what passed is given to protobuf-c, whose memory all comes from the arena.
 */
#include <limits.h>

#include "rpc/base/utf8.h"
#include "rpc/channel.h"

/* Messages within messages at most. Ours nest 5 deep. */
#define UNPACK_DEPTH_MAX 32
/* Bytes of a varint at most. */
#define VARINT_BYTES_MAX 10
/* Fields that the descriptor does not know, in all: a newer peer may send some. protobuf-c spends
 * 40 bytes on each, whatever its size. */
#define UNPACK_UNKNOWN_MAX 65536
/* Lowest field number bit in a key. */
#define KEY_TYPE_BITS 3

struct level {
    const ProtobufCMessageDescriptor *descriptor;
    const uint8_t *end;
};

struct walk {
    struct level levels[UNPACK_DEPTH_MAX];
    size_t depth; /* levels in use */
    const uint8_t *at;
    size_t unknown;
    const char *fault; /* what is wrong, once something is */
    const char *field; /* its name, where known */
};

static bool fail(struct walk *walk, const char *fault, const char *field)
{
    walk->fault = fault;
    walk->field = field;
    return false;
}

static bool read_varint(struct walk *walk, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++) {
        if (walk->at == end)
            return fail(walk, "ends in the middle of a number", NULL);
        uint8_t byte = *walk->at++;
        if (i == VARINT_BYTES_MAX - 1 && byte > 1)
            return fail(walk, "has a number of more than 64 bits", NULL);
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return fail(walk, "has a number of more than 10 bytes", NULL);
}

static bool check_text(struct walk *walk, const uint8_t *text, size_t len, const char *field)
{
    if (len > 0 && memchr(text, 0, len) != NULL)
        return fail(walk, "has a NUL in a text", field);
    if (!utf8_valid((const char *)text, len, NULL))
        return fail(walk, "has a text that is not UTF-8", field);
    return true;
}

/* A length-delimited field: steps over it, or into it if it is a message. */
static bool walk_delimited(struct walk *walk, const struct level *level,
                           const ProtobufCFieldDescriptor *field)
{
    uint64_t len;
    if (!read_varint(walk, level->end, &len))
        return false;
    if (len > (uint64_t)(level->end - walk->at))
        return fail(walk, "has a length beyond its end", field == NULL ? NULL : field->name);
    const uint8_t *data = walk->at;
    if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE) {
        if (walk->depth == UNPACK_DEPTH_MAX)
            return fail(walk, "is nested too deeply", field->name);
        walk->levels[walk->depth++] = (struct level){field->descriptor, data + len};
        return true;
    }
    walk->at += len;
    if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING)
        return check_text(walk, data, (size_t)len, field->name);
    return true;
}

static bool walk_fixed(struct walk *walk, const struct level *level, size_t bytes)
{
    if ((size_t)(level->end - walk->at) < bytes)
        return fail(walk, "ends in the middle of a number", NULL);
    walk->at += bytes;
    return true;
}

static bool walk_field(struct walk *walk, const struct level *level)
{
    uint64_t key;
    if (!read_varint(walk, level->end, &key))
        return false;
    uint64_t number = key >> KEY_TYPE_BITS;
    if (number == 0 || number > (1u << 29) - 1)
        return fail(walk, "has a bad field number", NULL);
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(level->descriptor, (unsigned)number);
    if (field == NULL && ++walk->unknown > UNPACK_UNKNOWN_MAX)
        return fail(walk, "has too many unknown fields", NULL);
    uint64_t ignored;
    switch (key & ((1u << KEY_TYPE_BITS) - 1)) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return read_varint(walk, level->end, &ignored);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        return walk_fixed(walk, level, 8);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        return walk_delimited(walk, level, field);
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        return walk_fixed(walk, level, 4);
    default:
        return fail(walk, "has a field of an unknown kind", field == NULL ? NULL : field->name);
    }
}

static bool walk_message(struct walk *walk)
{
    while (walk->depth > 0) {
        struct level level = walk->levels[walk->depth - 1];
        if (walk->at == level.end)
            walk->depth--;
        else if (!walk_field(walk, &level))
            return false;
    }
    return true;
}

/* The arena's allocator, which remembers that it could not give: protobuf-c only says NULL. */
struct watched {
    struct arena *arena;
    bool failed;
};

static void *watched_alloc(void *data, size_t size)
{
    struct watched *watched = data;
    void *pointer = arena_alloc(watched->arena, size);
    if (pointer == NULL)
        watched->failed = true;
    return pointer;
}

static void watched_free(void *data, void *pointer)
{
    (void)data; /* freed with the arena */
    (void)pointer;
}

enum rpc_code rpc_message_unpack(const ProtobufCMessageDescriptor *descriptor, struct span packed,
                                 struct arena *arena, ProtobufCMessage **ret_message,
                                 struct rpc_status *status)
{
    static const uint8_t nothing[1] = {0};
    const uint8_t *data = packed.len == 0 ? nothing : packed.data;
    struct walk walk = {.levels = {{descriptor, data + packed.len}}, .depth = 1, .at = data};
    if (!walk_message(&walk)) {
        return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                                       walk.field, "The message %s", walk.fault);
    }
    struct watched watched = {.arena = arena};
    ProtobufCAllocator allocator = {watched_alloc, watched_free, &watched};
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, packed.len, data);
    if (message == NULL && watched.failed)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the message needs too much memory");
    if (message == NULL)
        return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, NULL,
                                       "The message is not of the expected type");
    *ret_message = message;
    return RPC_OK;
}
