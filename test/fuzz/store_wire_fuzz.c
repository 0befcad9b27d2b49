/*
 * Any bytes as a record: what the whole parser takes, the field extractor takes too and reads the
 * same values from; and stored bytes are taken apart without reading beyond their end.
 */
#include <stdlib.h>

#include "lotcast/v1/records.pb-c.h"
#include "rpc/channel.h"
#include "store/record.h"
#include "store/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &lotcast__v1__job_record__descriptor,
    &lotcast__v1__item_record__descriptor,
    &lotcast__v1__session_record__descriptor,
    &lotcast__v1__throttle_record__descriptor,
};

static void check(bool held)
{
    if (!held)
        abort();
}

static int64_t number_in(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *at = (const char *)message + field->offset;
    int32_t narrow;
    int64_t wide;
    if (field->type == PROTOBUF_C_TYPE_INT64) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow); /* int32, enum, bool: all int here */
    return narrow;
}

static void compare(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                    const struct store_value *value)
{
    const void *at = (const char *)message + field->offset;
    if (value->kind == STORE_KIND_NUMBER) {
        check(value->number == number_in(message, field));
    } else if (value->kind == STORE_KIND_TEXT) {
        const char *text;
        memcpy(&text, at, sizeof text);
        check(span_equal_string(value->data, text));
    } else {
        ProtobufCBinaryData bytes;
        memcpy(&bytes, at, sizeof bytes);
        check(span_equal(value->data, span_of(bytes.data, bytes.len)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % (sizeof types / sizeof types[0])];
    struct span packed = {data + 1, size - 1};
    const ProtobufCFieldDescriptor *fields[STORE_WIRE_FIELDS_MAX] = {0};
    struct store_value values[STORE_WIRE_FIELDS_MAX];
    size_t count = 0;
    for (unsigned i = 0; i < type->n_fields && count < STORE_WIRE_FIELDS_MAX; i++) {
        enum store_kind kind;
        if (store__wire_kind(&type->fields[i], &kind))
            fields[count++] = &type->fields[i];
    }
    bool is_read = store__wire_extract(packed, fields, count, values);
    bool is_valid = store__wire_valid(packed, type);

    struct arena arena;
    ProtobufCMessage *message = NULL;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    enum rpc_code code = rpc_message_unpack(type, packed, &arena, &message, NULL);
    check(is_read || !is_valid);
    for (size_t i = 0; i < count && is_valid && code == RPC_OK; i++)
        compare(message, fields[i], &values[i]);
    arena_fini(&arena);

    struct span opened;
    uint64_t version;
    struct span key = {data, 1};
    if (store__record_open(key, packed, &opened, &version, NULL) == RPC_OK)
        check(opened.len + STORE_RECORD_HEAD_BYTES == packed.len);
    return 0;
}
