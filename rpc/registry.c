/*
 * Building the registry and looking things up in it. Building goes: read the set, index its
 * declarations, walk all messages that the sources reach (each is checked and gets its fields),
 * then methods and tables, whose rules are checked last, when everything that they name is known.
 */
#include "rpc/registry.h"

#include <stdlib.h>
#include <string.h>

#include "rpc/channel.h"
#include "rpc/registry_internal.h"

static const Lotcast__V1__FieldRules no_field_rules = LOTCAST__V1__FIELD_RULES__INIT;
static const Lotcast__V1__MessageRules no_message_rules = LOTCAST__V1__MESSAGE_RULES__INIT;
static const Lotcast__V1__MethodRules no_method_rules = LOTCAST__V1__METHOD_RULES__INIT;

static enum rpc_code read_set(struct registry *registry, struct span packed,
                              struct rpc_status *status)
{
    ProtobufCMessage *set = NULL;
    registry->packed = packed;
    registry->fingerprint = registry__hash(packed);
    enum rpc_code code = rpc_message_unpack(&google__protobuf__file_descriptor_set__descriptor,
                                            packed, &registry->arena, &set, NULL);
    if (code == RPC_RESOURCE_EXHAUSTED)
        return registry__no_memory(status);
    if (code != RPC_OK)
        return registry__refuse(status, "the descriptor set cannot be read");
    registry->set = (const Google__Protobuf__FileDescriptorSet *)set;
    return registry__types_read(registry, status);
}

/* Puts a C descriptor's message on the list, unless it is there. */
static enum rpc_code reach(struct registry *registry, const ProtobufCMessageDescriptor *descriptor,
                           const struct registry_message **ret_message, struct rpc_status *status)
{
    struct registry__type *type = registry__type_find(registry, descriptor->name);
    if (type == NULL || type->message == NULL)
        return registry__refuse(status, "message %s is not in the descriptor set",
                                descriptor->name);
    if (type->made == NULL) {
        struct registry_message *message = arena_calloc(&registry->arena, 1, sizeof *message);
        if (message == NULL)
            return registry__no_memory(status);
        message->name = type->name;
        message->descriptor = descriptor;
        message->proto = type->message;
        registry->messages[registry->message_count++] = message;
        type->made = message;
        (void)registry__names_put(&registry->messages_by_descriptor,
                                  span_of(&message->descriptor, sizeof message->descriptor),
                                  message);
    }
    if (type->made->descriptor != descriptor)
        return registry__refuse(status, "message %s has two C descriptors", type->name);
    *ret_message = type->made;
    return RPC_OK;
}

static const Google__Protobuf__FieldDescriptorProto *
find_proto_field(const Google__Protobuf__DescriptorProto *proto, uint32_t number)
{
    for (size_t i = 0; i < proto->n_field; i++) {
        if ((uint32_t)proto->field[i]->number == number)
            return proto->field[i];
    }
    return NULL;
}

static enum rpc_code make_field(struct registry *registry, const struct registry_message *message,
                                const ProtobufCFieldDescriptor *descriptor,
                                struct registry_field *field, struct rpc_status *status)
{
    field->descriptor = descriptor;
    field->proto = find_proto_field(message->proto, descriptor->id);
    if (field->proto == NULL)
        return registry__refuse(status, "field %s.%s is declared twice", message->name,
                                descriptor->name);
    field->json_name = field->proto->json_name;
    field->oneof_index = field->proto->has_oneof_index ? field->proto->oneof_index : -1;
    ProtobufCMessage *rules = NULL;
    enum rpc_code code = registry__option_read(
        registry, field->proto->options == NULL ? NULL : &field->proto->options->base,
        REGISTRY__OPTION_FIELD, &lotcast__v1__field_rules__descriptor, &rules, status);
    if (code != RPC_OK)
        return code;
    field->rules = rules == NULL ? &no_field_rules : (const Lotcast__V1__FieldRules *)rules;
    if (descriptor->type == PROTOBUF_C_TYPE_MESSAGE) {
        code = reach(registry, descriptor->descriptor, &field->message, status);
        if (code != RPC_OK)
            return code;
        const Google__Protobuf__MessageOptions *options = field->message->proto->options;
        field->is_map =
            options != NULL && options->map_entry && descriptor->label == PROTOBUF_C_LABEL_REPEATED;
    }
    return RPC_OK;
}

static enum rpc_code read_message_options(struct registry *registry,
                                          struct registry_message *message,
                                          struct rpc_status *status)
{
    ProtobufCMessage *table = NULL, *rules = NULL;
    const ProtobufCMessage *base =
        message->proto->options == NULL ? NULL : &message->proto->options->base;
    enum rpc_code code =
        registry__option_read(registry, base, REGISTRY__OPTION_TABLE,
                              &lotcast__v1__table_rules__descriptor, &table, status);
    if (code == RPC_OK)
        code = registry__option_read(registry, base, REGISTRY__OPTION_MESSAGE,
                                     &lotcast__v1__message_rules__descriptor, &rules, status);
    if (code != RPC_OK)
        return code;
    message->table = (const Lotcast__V1__TableRules *)table;
    message->rules = rules == NULL ? &no_message_rules : (const Lotcast__V1__MessageRules *)rules;
    return RPC_OK;
}

/* Checks a message that was reached and reads what is said about it. */
static enum rpc_code complete(struct registry *registry, struct registry_message *message,
                              struct rpc_status *status)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    enum rpc_code code = registry__check_message(registry, descriptor, message->proto, status);
    if (code != RPC_OK)
        return code;
    struct registry_field *fields =
        arena_calloc(&registry->arena, descriptor->n_fields, sizeof *fields);
    if (fields == NULL)
        return registry__no_memory(status);
    message->field_count = descriptor->n_fields;
    message->fields = fields;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        code = make_field(registry, message, &descriptor->fields[i], &fields[i], status);
        if (code != RPC_OK)
            return code;
    }
    return read_message_options(registry, message, status);
}

static enum rpc_code make_messages(struct registry *registry,
                                   const struct registry_sources *sources,
                                   struct rpc_status *status)
{
    /* Each message on the list has a declaration of its own in the set. */
    registry->messages =
        arena_calloc(&registry->arena, registry->type_count, sizeof(struct registry_message *));
    if (registry->messages == NULL || !registry__names_init(&registry->messages_by_descriptor,
                                                            registry->type_count, &registry->arena))
        return registry__no_memory(status);
    const struct registry_message *reached;
    enum rpc_code code = RPC_OK;
    for (size_t i = 0; code == RPC_OK && i < sources->service_count; i++) {
        const ProtobufCServiceDescriptor *service = sources->services[i];
        for (unsigned j = 0; code == RPC_OK && j < service->n_methods; j++) {
            code = reach(registry, service->methods[j].input, &reached, status);
            if (code == RPC_OK)
                code = reach(registry, service->methods[j].output, &reached, status);
        }
    }
    for (size_t i = 0; code == RPC_OK && i < sources->message_count; i++)
        code = reach(registry, sources->messages[i], &reached, status);
    /* Grows while it is walked: a message's fields reach further ones. */
    for (size_t i = 0; code == RPC_OK && i < registry->message_count; i++)
        code = complete(registry, registry->messages[i], status);
    return code;
}

/* Reads the options of a method whose names are set. */
static enum rpc_code read_method_options(struct registry *registry, struct registry_method *method,
                                         const Google__Protobuf__MethodOptions *options,
                                         struct rpc_status *status)
{
    ProtobufCMessage *http = NULL, *rules = NULL;
    const ProtobufCMessage *base = options == NULL ? NULL : &options->base;
    enum rpc_code code = registry__option_read(registry, base, REGISTRY__OPTION_HTTP,
                                               &google__api__http_rule__descriptor, &http, status);
    if (code == RPC_OK)
        code = registry__option_read(registry, base, REGISTRY__OPTION_METHOD,
                                     &lotcast__v1__method_rules__descriptor, &rules, status);
    if (code != RPC_OK)
        return code;
    method->http = (const Google__Api__HttpRule *)http;
    method->rules = rules == NULL ? &no_method_rules : (const Lotcast__V1__MethodRules *)rules;
    int level =
        options != NULL && options->has_idempotency_level ? (int)options->idempotency_level : 0;
    method->read_only =
        level == GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__NO_SIDE_EFFECTS;
    method->idempotent = method->read_only ||
                         level == GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__IDEMPOTENT;
    method->deadline_ms = method->rules->deadline_ms;
    if (method->deadline_ms == 0 && method->server_streaming)
        method->deadline_ms = REGISTRY_STREAM_DEADLINE_MS;
    else if (method->deadline_ms == 0)
        method->deadline_ms =
            method->read_only ? REGISTRY_READ_DEADLINE_MS : REGISTRY_WRITE_DEADLINE_MS;
    return RPC_OK;
}

static enum rpc_code make_method(struct registry *registry,
                                 const ProtobufCServiceDescriptor *service, unsigned index,
                                 const Google__Protobuf__MethodDescriptorProto *proto,
                                 struct rpc_status *status)
{
    struct registry_method *method = &registry->methods[registry->method_count];
    method->index = registry->method_count++;
    method->service = service;
    method->service_name = service->name;
    method->method_index = index;
    method->method_name = service->methods[index].name;
    method->name =
        arena_printf(&registry->arena, "%s/%s", method->service_name, method->method_name);
    if (method->name == NULL)
        return registry__no_memory(status);
    method->input = registry_message_of(registry, service->methods[index].input);
    method->output = registry_message_of(registry, service->methods[index].output);
    method->server_streaming = proto->server_streaming != 0;
    if (!registry__names_put(&registry->methods_by_name, span_of_string(method->name), method))
        return registry__refuse(status, "method %s is there twice", method->name);
    enum rpc_code code = read_method_options(registry, method, proto->options, status);
    return code == RPC_OK && !registry->foreign ? registry__check_method(method, status) : code;
}

static enum rpc_code make_methods(struct registry *registry, const struct registry_sources *sources,
                                  struct rpc_status *status)
{
    size_t count = 0;
    for (size_t i = 0; i < sources->service_count; i++)
        count += sources->services[i]->n_methods;
    registry->methods = arena_calloc(&registry->arena, count, sizeof *registry->methods);
    if (registry->methods == NULL ||
        !registry__names_init(&registry->methods_by_name, count, &registry->arena))
        return registry__no_memory(status);
    for (size_t i = 0; i < sources->service_count; i++) {
        const ProtobufCServiceDescriptor *service = sources->services[i];
        const struct registry__type *type = registry__type_find(registry, service->name);
        if (type == NULL || type->service == NULL)
            return registry__refuse(status, "service %s is not in the descriptor set",
                                    service->name);
        enum rpc_code code = registry__check_service(service, type->service, status);
        for (unsigned j = 0; code == RPC_OK && j < service->n_methods; j++)
            code = make_method(registry, service, j, type->service->method[j], status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

static int compare_tables(const void *a, const void *b)
{
    uint32_t id_a = (*(const struct registry_message *const *)a)->table->id;
    uint32_t id_b = (*(const struct registry_message *const *)b)->table->id;
    return (id_a > id_b) - (id_a < id_b);
}

static enum rpc_code make_tables(struct registry *registry, struct rpc_status *status)
{
    registry->tables = arena_calloc(&registry->arena, registry->message_count + 1,
                                    sizeof(const struct registry_message *));
    if (registry->tables == NULL)
        return registry__no_memory(status);
    for (size_t i = 0; i < registry->message_count; i++) {
        if (registry->messages[i]->table == NULL)
            continue;
        enum rpc_code code = registry__check_table(registry->messages[i], status);
        if (code != RPC_OK)
            return code;
        registry->tables[registry->table_count++] = registry->messages[i];
    }
    qsort(registry->tables, registry->table_count, sizeof(const struct registry_message *),
          compare_tables);
    for (size_t i = 1; i < registry->table_count; i++) {
        if (registry->tables[i]->table->id == registry->tables[i - 1]->table->id)
            return registry__refuse(status, "table id %u is used twice, by %s and %s",
                                    registry->tables[i]->table->id, registry->tables[i - 1]->name,
                                    registry->tables[i]->name);
    }
    return RPC_OK;
}

/* NULL sources: those that the set itself makes. */
static enum rpc_code build(struct registry *registry, struct span packed,
                           const struct registry_sources *sources, struct rpc_status *status)
{
    struct registry_sources synthesised;
    enum rpc_code code = read_set(registry, packed, status);
    if (code == RPC_OK && sources == NULL) {
        registry->foreign = true;
        code = registry__synthesise(registry, &synthesised, status);
        sources = &synthesised;
    }
    if (code == RPC_OK)
        code = make_messages(registry, sources, status);
    if (code == RPC_OK)
        code = make_methods(registry, sources, status);
    if (code == RPC_OK && !registry->foreign)
        code = make_tables(registry, status);
    return code;
}

static enum rpc_code create(struct span packed, const struct registry_sources *sources,
                            struct registry **ret_registry, struct rpc_status *status)
{
    struct registry *registry = calloc(1, sizeof *registry);
    if (registry == NULL)
        return registry__no_memory(status);
    arena_init(&registry->arena, REGISTRY__BYTES_MAX);
    enum rpc_code code = build(registry, packed, sources, status);
    if (code != RPC_OK) {
        registry_destroy(registry);
        return code;
    }
    *ret_registry = registry;
    return RPC_OK;
}

enum rpc_code registry_create(const struct registry_sources *sources,
                              struct registry **ret_registry, struct rpc_status *status)
{
    return create(sources->descriptor_set, sources, ret_registry, status);
}

enum rpc_code registry_create_dynamic(struct span descriptor_set, struct registry **ret_registry,
                                      struct rpc_status *status)
{
    return create(descriptor_set, NULL, ret_registry, status);
}

void registry_destroy(struct registry *registry)
{
    if (registry == NULL)
        return;
    arena_fini(&registry->arena);
    free(registry);
}

const char *registry_rule_verb(const Google__Api__HttpRule *rule, const char **ret_template)
{
    switch (rule->pattern_case) {
    case GOOGLE__API__HTTP_RULE__PATTERN_GET:
        *ret_template = rule->get;
        return "GET";
    case GOOGLE__API__HTTP_RULE__PATTERN_PUT:
        *ret_template = rule->put;
        return "PUT";
    case GOOGLE__API__HTTP_RULE__PATTERN_POST:
        *ret_template = rule->post;
        return "POST";
    case GOOGLE__API__HTTP_RULE__PATTERN_DELETE:
        *ret_template = rule->delete_;
        return "DELETE";
    case GOOGLE__API__HTTP_RULE__PATTERN_PATCH:
        *ret_template = rule->patch;
        return "PATCH";
    case GOOGLE__API__HTTP_RULE__PATTERN_CUSTOM:
        if (rule->custom == NULL)
            break;
        *ret_template = rule->custom->path;
        return rule->custom->kind;
    case GOOGLE__API__HTTP_RULE__PATTERN__NOT_SET:
    case _GOOGLE__API__HTTP_RULE__PATTERN__CASE_IS_INT_SIZE:
        break;
    }
    return NULL;
}

size_t registry_method_count(const struct registry *registry)
{
    return registry->method_count;
}

const struct registry_method *registry_method_at(const struct registry *registry, size_t index)
{
    return index < registry->method_count ? &registry->methods[index] : NULL;
}

const struct registry_method *registry_method_find(const struct registry *registry,
                                                   struct span name)
{
    return registry__names_get(&registry->methods_by_name, name);
}

const struct registry_message *registry_message_find(const struct registry *registry,
                                                     const char *name)
{
    const struct registry__type *type = registry__type_find(registry, name);
    return type == NULL ? NULL : type->made;
}

const struct registry_message *registry_message_of(const struct registry *registry,
                                                   const ProtobufCMessageDescriptor *descriptor)
{
    return registry__names_get(&registry->messages_by_descriptor,
                               span_of(&descriptor, sizeof descriptor));
}

size_t registry_table_count(const struct registry *registry)
{
    return registry->table_count;
}

const struct registry_message *registry_table_at(const struct registry *registry, size_t index)
{
    return index < registry->table_count ? registry->tables[index] : NULL;
}

const struct registry_message *registry_table_find(const struct registry *registry, uint32_t id)
{
    size_t low = 0, high = registry->table_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (registry->tables[middle]->table->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < registry->table_count && registry->tables[low]->table->id == id
               ? registry->tables[low]
               : NULL;
}

const Google__Protobuf__FileDescriptorSet *registry_descriptor_set(const struct registry *registry)
{
    return registry->set;
}

struct span registry_packed_set(const struct registry *registry)
{
    return registry->packed;
}

uint64_t registry_fingerprint(const struct registry *registry)
{
    return registry->fingerprint;
}
