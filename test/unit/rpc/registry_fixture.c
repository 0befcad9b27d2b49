#include "test/unit/rpc/registry_fixture.h"

#include <stdlib.h>
#include <string.h>

void broken_begin(struct broken *broken)
{
    broken->sources = registry_sources_get();
    arena_init(&broken->arena, (size_t)64 * 1024 * 1024);
    broken->set = google__protobuf__file_descriptor_set__unpack(
        &broken->arena.protobuf, broken->sources.descriptor_set.len,
        broken->sources.descriptor_set.data);
    assert_non_null(broken->set);
}

/* Makes a registry of what is broken, and ends. */
enum rpc_code broken_finish(struct broken *broken, struct rpc_status *status)
{
    size_t len = google__protobuf__file_descriptor_set__get_packed_size(broken->set);
    uint8_t *packed = malloc(len);
    assert_non_null(packed);
    (void)google__protobuf__file_descriptor_set__pack(broken->set, packed);
    broken->sources.descriptor_set = span_of(packed, len);
    struct registry *registry = (struct registry *)(uintptr_t)0x10;
    rpc_status_clear(status);
    enum rpc_code code = registry_create(&broken->sources, &registry, status);
    if (code == RPC_OK)
        registry_destroy(registry);
    else
        assert_ptr_equal(registry, (struct registry *)(uintptr_t)0x10); /* untouched */
    free(packed);
    arena_fini(&broken->arena);
    return code;
}

void broken_refuse(struct broken *broken, const char *culprit)
{
    struct rpc_status status;
    assert_int_equal(broken_finish(broken, &status), RPC_FAILED_PRECONDITION);
    if (strstr(status.message, culprit) == NULL)
        fail_msg("\"%s\" does not name %s", status.message, culprit);
}

Google__Protobuf__DescriptorProto *broken_message(struct broken *broken, const char *name)
{
    for (size_t i = 0; i < broken->set->n_file; i++) {
        for (size_t j = 0; j < broken->set->file[i]->n_message_type; j++) {
            if (strcmp(broken->set->file[i]->message_type[j]->name, name) == 0)
                return broken->set->file[i]->message_type[j];
        }
    }
    fail_msg("no message %s", name);
    return NULL;
}

Google__Protobuf__FieldDescriptorProto *broken_field(struct broken *broken, const char *message,
                                                     const char *name)
{
    Google__Protobuf__DescriptorProto *proto = broken_message(broken, message);
    for (size_t i = 0; i < proto->n_field; i++) {
        if (strcmp(proto->field[i]->name, name) == 0)
            return proto->field[i];
    }
    fail_msg("no field %s", name);
    return NULL;
}

Google__Protobuf__ServiceDescriptorProto *broken_service(struct broken *broken, const char *name)
{
    for (size_t i = 0; i < broken->set->n_file; i++) {
        for (size_t j = 0; j < broken->set->file[i]->n_service; j++) {
            if (strcmp(broken->set->file[i]->service[j]->name, name) == 0)
                return broken->set->file[i]->service[j];
        }
    }
    fail_msg("no service %s", name);
    return NULL;
}

Google__Protobuf__MethodDescriptorProto *broken_method(struct broken *broken, const char *service,
                                                       const char *name)
{
    Google__Protobuf__ServiceDescriptorProto *proto = broken_service(broken, service);
    for (size_t i = 0; i < proto->n_method; i++) {
        if (strcmp(proto->method[i]->name, name) == 0)
            return proto->method[i];
    }
    fail_msg("no method %s", name);
    return NULL;
}

/* Removes an option. */
void broken_drop_option(ProtobufCMessage *options, uint32_t tag)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        if (options->unknown_fields[i].tag != tag)
            options->unknown_fields[kept++] = options->unknown_fields[i];
    }
    options->n_unknown_fields = kept;
}

void broken_add_raw_option(struct broken *broken, ProtobufCMessage *options, uint32_t tag,
                           ProtobufCWireType wire_type, const void *data, size_t len)
{
    unsigned count = options->n_unknown_fields;
    ProtobufCMessageUnknownField *fields = arena_calloc(&broken->arena, count + 1, sizeof *fields);
    assert_non_null(fields);
    if (count > 0)
        memcpy(fields, options->unknown_fields, count * sizeof *fields);
    uint8_t *copy = arena_alloc(&broken->arena, len);
    assert_non_null(copy);
    memcpy(copy, data, len);
    fields[count] = (ProtobufCMessageUnknownField){tag, wire_type, len, copy};
    options->unknown_fields = fields;
    options->n_unknown_fields = count + 1;
}

/* Adds an option, behind what is there. */
void broken_add_option(struct broken *broken, ProtobufCMessage *options, uint32_t tag,
                       const ProtobufCMessage *value)
{
    uint8_t data[512];
    size_t len = protobuf_c_message_get_packed_size(value);
    assert_true(len < 0x80 && len + 1 <= sizeof data);
    data[0] = (uint8_t)len;
    (void)protobuf_c_message_pack(value, data + 1);
    broken_add_raw_option(broken, options, tag, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, data,
                          len + 1);
}

ProtobufCMessage *broken_options(struct broken *broken, const char *service, const char *method)
{
    Google__Protobuf__MethodDescriptorProto *proto = broken_method(broken, service, method);
    assert_non_null(proto->options);
    return &proto->options->base;
}
