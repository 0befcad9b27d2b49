/*
 * Messages from outside. The first byte chooses the type; one of them nests in itself. What was
 * unpacked has only texts that are UTF-8 without NUL, and packs again.
 */
#include <stdlib.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/rpc.pb-c.h"
#include "lotcast/v1/store.pb-c.h"
#include "rpc/base/utf8.h"
#include "rpc/channel.h"

#define ARENA_BYTES ((size_t)4 * 1024 * 1024)

static const ProtobufCMessageDescriptor *const types[] = {
    &lotcast__v1__read_request__descriptor,
    &lotcast__v1__commit_request__descriptor,
    &lotcast__v1__query_request__descriptor,
    &lotcast__v1__query_response__descriptor,
    &lotcast__v1__log_in_request__descriptor,
    &lotcast__v1__packet_header__descriptor,
    &google__protobuf__descriptor_proto__descriptor,
    &google__protobuf__file_descriptor_set__descriptor,
};

/* Every text of the message itself; those of its parts went the same way. */
static void check_texts(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_STRING || field->label == PROTOBUF_C_LABEL_REPEATED ||
            (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
            continue;
        const char *text;
        memcpy(&text, (const uint8_t *)message + field->offset, sizeof text);
        if (text != NULL && !utf8_valid(text, strlen(text), NULL))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % (sizeof types / sizeof types[0])];
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    ProtobufCMessage *message;
    if (rpc_message_unpack(type, span_of(data + 1, size - 1), &arena, &message, NULL) == RPC_OK) {
        check_texts(message);
        size_t len = protobuf_c_message_get_packed_size(message);
        uint8_t *packed = malloc(len + 1);
        if (packed == NULL || protobuf_c_message_pack(message, packed) != len)
            abort();
        free(packed);
    }
    arena_fini(&arena);
    return 0;
}
