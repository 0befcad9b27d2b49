/*
 * Unpacking bytes from outside, in one walk with a stack of levels, one for each message that is
 * open. protobuf-c's own unpacking has no limit on nesting, cuts strings at a NUL, takes any bytes
 * as text, and does not merge a message that comes in pieces; its structs are filled here instead.
 *
 * Everything that a message points to lies in the arena: nothing points into the bytes. A repeated
 * field's array has room for the power of 2 that its count asks for, ELEMENTS_FIRST at least, so
 * that the count alone tells when it has to grow. A field of the wrong wire type is refused;
 * required fields (proto2's) are not enforced, our contract has none.
 */
#include "rpc/unpack.h"

#include <string.h>

#include "rpc/base/utf8.h"
#include "rpc/registry.h"

/* Messages within messages at most. Ours nest 5 deep. */
#define UNPACK_DEPTH_MAX 32
/* Bytes of a varint at most. */
#define VARINT_BYTES_MAX 10
/* Fields that the descriptor does not know, in all: a newer peer may send some. Each takes 40 bytes
 * and more, whatever its size. */
#define UNPACK_UNKNOWN_MAX 65536
/* Lowest field number bit in a key. */
#define KEY_TYPE_BITS 3
#define FIELD_NUMBER_MAX ((1u << 29) - 1)
/* Bytes of a key at most, which has 32 bits. */
#define KEY_BYTES_MAX 5
#define ELEMENTS_FIRST 4

_Static_assert(sizeof(protobuf_c_boolean) == sizeof(uint32_t), "a bool is as wide as an int32");

struct level {
    ProtobufCMessage *message;
    const uint8_t *end;
    unsigned next; /* the field that is guessed next */
};

struct walk {
    struct arena *arena;
    const uint8_t *at;
    size_t unknown;
    const char *fault; /* what is wrong, once something is */
    const char *field; /* its name, where known */
    bool full;         /* the arena gave nothing */
    size_t depth;      /* levels in use */
    struct level levels[UNPACK_DEPTH_MAX];
};

static bool fail(struct walk *walk, const char *fault, const char *field)
{
    walk->fault = fault;
    walk->field = field;
    return false;
}

static void *give(struct walk *walk, size_t size)
{
    void *pointer = arena_alloc(walk->arena, size);
    if (pointer == NULL)
        walk->full = true;
    return pointer;
}

static void *member(ProtobufCMessage *message, unsigned offset)
{
    return (uint8_t *)message + offset;
}

/* --- numbers -----------------------------------------------------------------------------------
 */

static bool read_long_varint(struct walk *walk, const uint8_t *end, uint64_t *ret_value)
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

static inline bool read_varint(struct walk *walk, const uint8_t *end, uint64_t *ret_value)
{
    if (walk->at != end && *walk->at < 0x80) {
        *ret_value = *walk->at++;
        return true;
    }
    return read_long_varint(walk, end, ret_value);
}

/* Little-endian. */
static bool read_fixed(struct walk *walk, const uint8_t *end, unsigned bytes, uint64_t *ret_value)
{
    if ((size_t)(end - walk->at) < bytes)
        return fail(walk, "ends in the middle of a number", NULL);
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)walk->at[i] << (8 * i);
    walk->at += bytes;
    *ret_value = value;
    return true;
}

/* How a number of that type is written; PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED: it is none. */
static ProtobufCWireType wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        return PROTOBUF_C_WIRE_TYPE_VARINT;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return PROTOBUF_C_WIRE_TYPE_32BIT;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
    return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
}

static size_t element_bytes(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
    return sizeof(void *);
}

/* One number as its type has it in memory. */
static bool read_number(struct walk *walk, const uint8_t *end, ProtobufCType type, void *slot)
{
    uint64_t value;
    unsigned bytes = wire_type_of(type) == PROTOBUF_C_WIRE_TYPE_32BIT ? 4 : 8;
    if (wire_type_of(type) == PROTOBUF_C_WIRE_TYPE_VARINT ? !read_varint(walk, end, &value)
                                                          : !read_fixed(walk, end, bytes, &value))
        return false;
    uint32_t low = (uint32_t)value;
    if (type == PROTOBUF_C_TYPE_BOOL)
        low = value != 0;
    else if (type == PROTOBUF_C_TYPE_SINT32)
        low = (low >> 1) ^ -(low & 1);
    else if (type == PROTOBUF_C_TYPE_SINT64)
        value = (value >> 1) ^ -(value & 1);
    if (element_bytes(type) == sizeof low)
        memcpy(slot, &low, sizeof low);
    else
        memcpy(slot, &value, sizeof value);
    return true;
}

/* --- fields ------------------------------------------------------------------------------------
 */

static size_t capacity_of(size_t count)
{
    if (count == 0)
        return 0;
    if (count <= ELEMENTS_FIRST)
        return ELEMENTS_FIRST;
    return (size_t)1 << (8 * sizeof count - (size_t)__builtin_clzl(count - 1));
}

/* Room in an array for `more` elements after `count`. */
static bool reserve(struct walk *walk, void *array, size_t count, size_t more, size_t bytes)
{
    size_t room = capacity_of(count), wanted = capacity_of(count + more), size;
    if (wanted == room)
        return true;
    void *elements = NULL;
    if (!__builtin_mul_overflow(wanted, bytes, &size))
        elements = give(walk, size);
    if (elements == NULL) {
        walk->full = true;
        return false;
    }
    void *old;
    memcpy(&old, array, sizeof old);
    if (count > 0)
        memcpy(elements, old, count * bytes);
    memcpy(array, &elements, sizeof elements);
    return true;
}

static size_t *count_of(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return member(message, field->quantifier_offset);
}

/* The place of the next element; its count is the caller's to raise. */
static void *slot_element(struct walk *walk, ProtobufCMessage *message,
                          const ProtobufCFieldDescriptor *field)
{
    size_t count = *count_of(message, field), bytes = element_bytes(field->type);
    void *array = member(message, field->offset);
    if (!reserve(walk, array, count, 1, bytes))
        return NULL;
    uint8_t *elements;
    memcpy(&elements, array, sizeof elements);
    return elements + count * bytes;
}

/* The place of a field's value, marked as there. NULL: the arena is full. */
static void *slot_of(struct walk *walk, ProtobufCMessage *message,
                     const ProtobufCFieldDescriptor *field)
{
    void *slot = member(message, field->offset);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        slot = slot_element(walk, message, field);
        if (slot != NULL)
            ++*count_of(message, field);
        return slot;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        uint32_t *which = member(message, field->quantifier_offset);
        /* What another member left there is no value of this one. */
        if (*which != field->id)
            memset(slot, 0, element_bytes(field->type));
        *which = field->id;
    } else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type != PROTOBUF_C_TYPE_STRING &&
               field->type != PROTOBUF_C_TYPE_MESSAGE) {
        *(protobuf_c_boolean *)member(message, field->quantifier_offset) = 1;
    }
    return slot;
}

/* Numbers one behind the other. */
static bool read_packed(struct walk *walk, ProtobufCMessage *message,
                        const ProtobufCFieldDescriptor *field, const uint8_t *end)
{
    size_t bytes = element_bytes(field->type), more = 0;
    switch (wire_type_of(field->type)) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        for (const uint8_t *at = walk->at; at < end; at++)
            more += *at < 0x80;
        break;
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        more = (size_t)(end - walk->at) / 4;
        break;
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        more = (size_t)(end - walk->at) / 8;
        break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        return fail(walk, "is not of the expected type", field->name);
    }
    size_t *count = count_of(message, field);
    if (!reserve(walk, member(message, field->offset), *count, more, bytes))
        return false;
    uint8_t *elements;
    memcpy(&elements, member(message, field->offset), sizeof elements);
    /* As many as were counted: a number that is cut is none. */
    for (; walk->at < end; ++*count) {
        uint64_t none;
        void *slot = more-- > 0 ? elements + *count * bytes : (void *)&none;
        if (!read_number(walk, end, field->type, slot))
            return false;
    }
    return true;
}

static bool read_text(struct walk *walk, ProtobufCMessage *message,
                      const ProtobufCFieldDescriptor *field, size_t len)
{
    const uint8_t *text = walk->at;
    if (len > 0 && memchr(text, 0, len) != NULL)
        return fail(walk, "has a NUL in a text", field->name);
    if (!utf8_valid((const char *)text, len, NULL))
        return fail(walk, "has a text that is not UTF-8", field->name);
    char *copy = give(walk, len + 1);
    void *slot = copy == NULL ? NULL : slot_of(walk, message, field);
    if (slot == NULL)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    memcpy(slot, &copy, sizeof copy);
    walk->at += len;
    return true;
}

static bool read_bytes(struct walk *walk, ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field, size_t len)
{
    ProtobufCBinaryData bytes = {len, NULL};
    if (len > 0) {
        bytes.data = give(walk, len);
        if (bytes.data == NULL)
            return false;
        memcpy(bytes.data, walk->at, len);
    }
    void *slot = slot_of(walk, message, field);
    if (slot == NULL)
        return false;
    memcpy(slot, &bytes, sizeof bytes);
    walk->at += len;
    return true;
}

/* Opens a level; a single message that is there already goes on. */
static bool enter(struct walk *walk, ProtobufCMessage *message,
                  const ProtobufCFieldDescriptor *field, size_t len)
{
    const ProtobufCMessageDescriptor *descriptor = field->descriptor;
    ProtobufCMessage *inner = NULL;
    if (walk->depth == UNPACK_DEPTH_MAX)
        return fail(walk, "is nested too deeply", field->name);
    void *slot = slot_of(walk, message, field);
    if (slot == NULL)
        return false;
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        memcpy(&inner, slot, sizeof inner);
    if (inner == NULL) {
        inner = give(walk, descriptor->sizeof_message);
        if (inner == NULL)
            return false;
        registry_message_init(descriptor, inner);
        memcpy(slot, &inner, sizeof inner);
    }
    walk->levels[walk->depth++] = (struct level){inner, walk->at + len, 0};
    return true;
}

static bool read_delimited(struct walk *walk, const struct level *level,
                           const ProtobufCFieldDescriptor *field)
{
    uint64_t len;
    if (!read_varint(walk, level->end, &len))
        return false;
    if (len > (uint64_t)(level->end - walk->at))
        return fail(walk, "has a length beyond its end", field->name);
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return read_text(walk, level->message, field, (size_t)len);
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return read_bytes(walk, level->message, field, (size_t)len);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return enter(walk, level->message, field, (size_t)len);
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return fail(walk, "is not of the expected type", field->name);
    return read_packed(walk, level->message, field, walk->at + len);
}

/* Keeps a field that the descriptor does not know, as its bytes. */
static bool keep_unknown(struct walk *walk, const struct level *level, uint32_t number,
                         ProtobufCWireType wire)
{
    const uint8_t *start = walk->at;
    uint64_t value = 0;
    if (++walk->unknown > UNPACK_UNKNOWN_MAX)
        return fail(walk, "has too many unknown fields", NULL);
    if (wire == PROTOBUF_C_WIRE_TYPE_32BIT || wire == PROTOBUF_C_WIRE_TYPE_64BIT) {
        if (!read_fixed(walk, level->end, wire == PROTOBUF_C_WIRE_TYPE_32BIT ? 4 : 8, &value))
            return false;
    } else if (!read_varint(walk, level->end, &value)) {
        return false;
    }
    if (wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED) {
        if (value > (uint64_t)(level->end - walk->at))
            return fail(walk, "has a length beyond its end", NULL);
        walk->at += value;
    }
    ProtobufCMessage *message = level->message;
    ProtobufCMessageUnknownField field = {number, wire, (size_t)(walk->at - start), NULL};
    field.data = give(walk, field.len);
    if (field.data == NULL ||
        !reserve(walk, &message->unknown_fields, message->n_unknown_fields, 1, sizeof field))
        return false;
    memcpy(field.data, start, field.len);
    message->unknown_fields[message->n_unknown_fields++] = field;
    return true;
}

/* The field of that number, by the guess that fields come in order; NULL: there is none. */
static const ProtobufCFieldDescriptor *find_field(struct level *level, uint32_t number)
{
    const ProtobufCMessageDescriptor *descriptor = level->message->descriptor;
    const ProtobufCFieldDescriptor *field = &descriptor->fields[level->next];
    if (level->next >= descriptor->n_fields || field->id != number)
        field = protobuf_c_message_descriptor_get_field(descriptor, number);
    if (field == NULL)
        return NULL;
    level->next = (unsigned)(field - descriptor->fields);
    level->next += field->label != PROTOBUF_C_LABEL_REPEATED;
    return field;
}

static bool read_field(struct walk *walk, struct level *level)
{
    uint64_t key;
    const uint8_t *start = walk->at;
    if (!read_varint(walk, level->end, &key))
        return false;
    uint64_t number = key >> KEY_TYPE_BITS;
    if (number == 0 || number > FIELD_NUMBER_MAX || walk->at - start > KEY_BYTES_MAX)
        return fail(walk, "has a bad field number", NULL);
    const ProtobufCFieldDescriptor *field = find_field(level, (uint32_t)number);
    ProtobufCWireType wire = (ProtobufCWireType)(key & ((1u << KEY_TYPE_BITS) - 1));
    if (wire != PROTOBUF_C_WIRE_TYPE_VARINT && wire != PROTOBUF_C_WIRE_TYPE_64BIT &&
        wire != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED && wire != PROTOBUF_C_WIRE_TYPE_32BIT)
        return fail(walk, "has a field of an unknown kind", field == NULL ? NULL : field->name);
    if (field == NULL)
        return keep_unknown(walk, level, (uint32_t)number, wire);
    if (wire == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        return read_delimited(walk, level, field);
    if (wire != wire_type_of(field->type))
        return fail(walk, "is not of the expected type", field->name);
    void *slot = slot_of(walk, level->message, field);
    return slot != NULL && read_number(walk, level->end, field->type, slot);
}

static bool read_message(struct walk *walk)
{
    while (walk->depth > 0) {
        struct level *level = &walk->levels[walk->depth - 1];
        if (walk->at == level->end)
            walk->depth--;
        else if (!read_field(walk, level))
            return false;
    }
    return true;
}

enum rpc_code rpc_message_unpack(const ProtobufCMessageDescriptor *descriptor, struct span packed,
                                 struct arena *arena, ProtobufCMessage **ret_message,
                                 struct rpc_status *status)
{
    static const uint8_t nothing[1] = {0};
    struct walk walk;
    walk.arena = arena;
    walk.at = packed.len == 0 ? nothing : packed.data;
    walk.unknown = 0;
    walk.fault = NULL;
    walk.field = NULL;
    walk.full = false;
    walk.depth = 1;
    ProtobufCMessage *message = give(&walk, descriptor->sizeof_message);
    if (message != NULL) {
        registry_message_init(descriptor, message);
        walk.levels[0] = (struct level){message, walk.at + packed.len, 0};
    }
    if (message != NULL && read_message(&walk)) {
        *ret_message = message;
        return RPC_OK;
    }
    if (walk.full)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the message needs too much memory");
    return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, walk.field,
                                   "The message %s", walk.fault);
}
