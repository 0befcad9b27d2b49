/*
 * Messages from outside. The first two bytes choose the type: some that nest in themselves, then
 * all that methods take and give, then all records. What was unpacked has only texts that are UTF-8
 * without NUL, and packs again.
 */
#include <stdlib.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/rpc.pb-c.h"
#include "lotcast/v1/store.pb-c.h"
#include "rpc/base/utf8.h"
#include "rpc/channel.h"
#include "rpc/registry.h"

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

#define FIXED_COUNT (sizeof types / sizeof types[0])

static struct registry *registry;

static size_t type_count(void)
{
    return FIXED_COUNT + 2 * registry_method_count(registry) + registry_table_count(registry);
}

static const ProtobufCMessageDescriptor *type_at(size_t index)
{
    size_t methods = registry_method_count(registry);
    if (index < FIXED_COUNT)
        return types[index];
    index -= FIXED_COUNT;
    if (index < methods)
        return registry_method_at(registry, index)->input->descriptor;
    if (index < 2 * methods)
        return registry_method_at(registry, index - methods)->output->descriptor;
    return registry_table_at(registry, index - 2 * methods)->descriptor;
}

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
    struct registry_sources sources = registry_sources_get();
    if (registry == NULL && registry_create(&sources, &registry, NULL) != RPC_OK)
        abort();
    if (size < 2)
        return 0;
    const ProtobufCMessageDescriptor *type =
        type_at(((size_t)data[0] + 256 * data[1]) % type_count());
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    ProtobufCMessage *message;
    if (rpc_message_unpack(type, span_of(data + 2, size - 2), &arena, &message, NULL) == RPC_OK) {
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
