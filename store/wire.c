#include "store/wire.h"

#include <string.h>

#include "rpc/base/utf8.h"

/* A varint has so many bytes at most. */
#define VARINT_BYTES_MAX 10
/* Highest field number (protobuf.dev/programming-guides/proto3). */
#define FIELD_NUMBER_MAX 536870911U

/* Wire types. Groups (3 and 4) are refused. */
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* One field as it lies in the packed bytes. */
struct wire_field {
    uint32_t number;
    unsigned type;
    uint64_t bits;    /* of a number */
    struct span data; /* of WIRE_BYTES */
};

static bool take_varint(struct span *rest, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < VARINT_BYTES_MAX && i < rest->len; i++) {
        uint8_t byte = rest->data[i];
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80)
            continue;
        if (i == VARINT_BYTES_MAX - 1 && byte > 1)
            return false;
        *rest = (struct span){rest->data + i + 1, rest->len - i - 1};
        *ret_value = value;
        return true;
    }
    return false;
}

static bool take_bytes(struct span *rest, uint64_t len, struct span *ret_bytes)
{
    if (len > rest->len)
        return false;
    *ret_bytes = (struct span){rest->data, (size_t)len};
    *rest = (struct span){rest->data + len, rest->len - (size_t)len};
    return true;
}

static bool take_fixed(struct span *rest, size_t width, uint64_t *ret_bits)
{
    struct span bytes;
    if (!take_bytes(rest, width, &bytes))
        return false;
    uint64_t bits = 0;
    for (size_t i = 0; i < width; i++)
        bits |= (uint64_t)bytes.data[i] << (8 * i);
    *ret_bits = bits;
    return true;
}

static bool take_field(struct span *rest, struct wire_field *ret_field)
{
    uint64_t tag;
    uint64_t len;
    if (!take_varint(rest, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return false;
    ret_field->number = (uint32_t)(tag >> 3);
    ret_field->type = (unsigned)(tag & 7);
    switch (ret_field->type) {
    case WIRE_VARINT:
        return take_varint(rest, &ret_field->bits);
    case WIRE_64:
        return take_fixed(rest, 8, &ret_field->bits);
    case WIRE_BYTES:
        return take_varint(rest, &len) && take_bytes(rest, len, &ret_field->data);
    case WIRE_32:
        return take_fixed(rest, 4, &ret_field->bits);
    default:
        return false;
    }
}

static unsigned wire_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
    default:
        return WIRE_VARINT;
    }
}

bool store__wire_kind(const ProtobufCFieldDescriptor *field, enum store_kind *ret_kind)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return false;
    case PROTOBUF_C_TYPE_STRING:
        *ret_kind = STORE_KIND_TEXT;
        return true;
    case PROTOBUF_C_TYPE_BYTES:
        *ret_kind = STORE_KIND_DATA;
        return true;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
    default:
        *ret_kind = STORE_KIND_NUMBER;
        return true;
    }
}

static int64_t unzigzag(uint64_t bits)
{
    return (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
}

/* As protobuf-c unpacks them: 32-bit types keep the low half. */
static int64_t number_of(ProtobufCType type, uint64_t bits)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        return (int32_t)(uint32_t)bits;
    case PROTOBUF_C_TYPE_SINT32:
        return (int32_t)unzigzag((uint32_t)bits);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return (uint32_t)bits;
    case PROTOBUF_C_TYPE_SINT64:
        return unzigzag(bits);
    case PROTOBUF_C_TYPE_BOOL:
        return bits != 0;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
    default:
        return (int64_t)bits;
    }
}

static bool keep_value(const ProtobufCFieldDescriptor *wanted, const struct wire_field *field,
                       struct store_value *value)
{
    if (field->type != wire_type(wanted->type))
        return false;
    if (field->type == WIRE_BYTES)
        value->data = field->data;
    else
        value->number = number_of(wanted->type, field->bits);
    return true;
}

bool store__wire_extract(struct span packed, const ProtobufCFieldDescriptor *const *fields,
                         size_t count, struct store_value *ret_values)
{
    struct store_value values[STORE_WIRE_FIELDS_MAX] = {0};
    if (count > STORE_WIRE_FIELDS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!store__wire_kind(fields[i], &values[i].kind))
            return false;
    }
    while (packed.len > 0) {
        struct wire_field field = {0};
        if (!take_field(&packed, &field))
            return false;
        for (size_t i = 0; i < count; i++) {
            if (fields[i]->id == field.number && !keep_value(fields[i], &field, &values[i]))
                return false;
        }
    }
    if (count > 0)
        memcpy(ret_values, values, count * sizeof values[0]);
    return true;
}

static bool text_valid(struct span text)
{
    return text.len == 0 || (memchr(text.data, 0, text.len) == NULL &&
                             utf8_valid((const char *)text.data, text.len, NULL));
}

static bool field_valid(const ProtobufCFieldDescriptor *known, const struct wire_field *field)
{
    if (field->type != wire_type(known->type)) {
        /* A repeated number may come packed. */
        return known->label == PROTOBUF_C_LABEL_REPEATED && field->type == WIRE_BYTES;
    }
    return known->type != PROTOBUF_C_TYPE_STRING || text_valid(field->data);
}

bool store__wire_valid(struct span packed, const ProtobufCMessageDescriptor *descriptor)
{
    while (packed.len > 0) {
        struct wire_field field = {0};
        if (!take_field(&packed, &field))
            return false;
        const ProtobufCFieldDescriptor *known =
            protobuf_c_message_descriptor_get_field(descriptor, field.number);
        if (known != NULL && !field_valid(known, &field))
            return false;
    }
    return true;
}
