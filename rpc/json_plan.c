/*
 * Plans: what parsing and printing need of a message, made once for every message of the registry.
 */
#include <stdlib.h>
#include <string.h>

#include "rpc/json_internal.h"
#include "rpc/registry_internal.h"

/* What all plans may take, in bytes. */
#define PLANS_BYTES_MAX ((size_t)64 * 1024 * 1024)

const struct json_options json_options_api = {
    .integers_as_numbers = true,
    .print_defaults = true,
    .hide_session_token = true,
    .strict_names = true,
};

static enum rpc_code no_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory for JSON plans");
}

static size_t hash_pointer(const void *pointer)
{
    return (size_t)(((uint64_t)(uintptr_t)pointer * 0x9e3779b97f4a7c15u) >> 32);
}

const struct json__plan *json__plan_of(const struct json_codec *codec,
                                       const ProtobufCMessageDescriptor *descriptor)
{
    size_t at = hash_pointer(descriptor) & codec->slot_mask;
    while (codec->slots[at].descriptor != NULL && codec->slots[at].descriptor != descriptor)
        at = (at + 1) & codec->slot_mask;
    return codec->slots[at].plan;
}

/* Of the length and both ends, which is enough for the few names of a message. */
static size_t hash_name(struct span name)
{
    uint64_t first = 0, last = 0;
    if (name.len >= 8) {
        memcpy(&first, name.data, 8);
        memcpy(&last, name.data + name.len - 8, 8);
    } else if (name.len >= 4) {
        memcpy(&first, name.data, 4);
        memcpy(&last, name.data + name.len - 4, 4);
    } else {
        for (size_t i = 0; i < name.len; i++)
            first = first << 8 | name.data[i];
    }
    uint64_t mixed = (first ^ (last << 7) ^ (last >> 3) ^ name.len) * 0x9e3779b97f4a7c15u;
    return (size_t)(mixed >> 40);
}

static struct json__name *find_name(const struct json__plan *plan, struct span name)
{
    size_t at = hash_name(name) & plan->name_mask;
    for (;; at = (at + 1) & plan->name_mask) {
        struct json__name *slot = &plan->names[at];
        if (slot->field == NULL ||
            (slot->len == name.len && memcmp(slot->text, name.data, name.len) == 0))
            return slot;
    }
}

const struct json__field *json__field_find(const struct json__plan *plan, struct span name)
{
    return find_name(plan, name)->field;
}

static enum json__kind kind_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return JSON__INT32;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return JSON__UINT32;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return JSON__INT64;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return JSON__UINT64;
    case PROTOBUF_C_TYPE_FLOAT:
        return JSON__FLOAT;
    case PROTOBUF_C_TYPE_DOUBLE:
        return JSON__DOUBLE;
    case PROTOBUF_C_TYPE_BOOL:
        return JSON__BOOL;
    case PROTOBUF_C_TYPE_ENUM:
        return JSON__ENUM;
    case PROTOBUF_C_TYPE_STRING:
        return JSON__STRING;
    case PROTOBUF_C_TYPE_BYTES:
        return JSON__BYTES;
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
    return JSON__MESSAGE;
}

static size_t bytes_of(enum json__kind kind)
{
    switch (kind) {
    case JSON__INT32:
    case JSON__UINT32:
    case JSON__ENUM:
        return sizeof(int32_t);
    case JSON__INT64:
    case JSON__UINT64:
        return sizeof(int64_t);
    case JSON__FLOAT:
        return sizeof(float);
    case JSON__DOUBLE:
        return sizeof(double);
    case JSON__BOOL:
        return sizeof(protobuf_c_boolean);
    case JSON__BYTES:
        return sizeof(ProtobufCBinaryData);
    case JSON__STRING:
    case JSON__MESSAGE:
    case JSON__WRAPPER:
        break;
    }
    return sizeof(void *);
}

static bool is_wrapper(const struct registry_message *message)
{
    static const char *const names[] = {
        "google.protobuf.DoubleValue", "google.protobuf.FloatValue",  "google.protobuf.Int64Value",
        "google.protobuf.UInt64Value", "google.protobuf.Int32Value",  "google.protobuf.UInt32Value",
        "google.protobuf.BoolValue",   "google.protobuf.StringValue", "google.protobuf.BytesValue",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(message->name, names[i]) == 0)
            return message->field_count == 1;
    }
    return false;
}

static bool is_integer(enum json__kind kind)
{
    return kind == JSON__INT32 || kind == JSON__UINT32 || kind == JSON__INT64 ||
           kind == JSON__UINT64;
}

static enum json__presence presence_of(const ProtobufCFieldDescriptor *descriptor)
{
    if ((descriptor->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        return JSON__CASE;
    bool has = descriptor->label == PROTOBUF_C_LABEL_OPTIONAL &&
               descriptor->type != PROTOBUF_C_TYPE_STRING &&
               descriptor->type != PROTOBUF_C_TYPE_MESSAGE;
    return has ? JSON__HAS : JSON__ALWAYS;
}

/* `,"name":`, from which the first field of an object leaves out the comma. */
static bool make_prefix(struct json_codec *codec, struct json__field *field)
{
    struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX);
    (void)buffer_append_byte(&buffer, ',');
    (void)json_append_string(&buffer, (struct span){(const uint8_t *)field->name, field->name_len});
    bool made = buffer_append_byte(&buffer, ':');
    if (made) {
        field->prefix_len = buffer.len;
        field->prefix = arena_strndup(&codec->arena, buffer.data, buffer.len);
    }
    buffer_fini(&buffer);
    return made && field->prefix != NULL;
}

/* A wrapper's value under the rules of the field that holds the wrapper. */
static bool make_wrapper_value(struct json_codec *codec, struct json__field *field)
{
    struct json__field *value = arena_alloc(&codec->arena, sizeof *value);
    if (value == NULL)
        return false;
    const struct registry_field *inner = &field->plan->message->fields[0];
    *value = (struct json__field){
        .kind = kind_of(inner->descriptor->type),
        .places = field->places,
        .id = inner->descriptor->id,
        .offset = inner->descriptor->offset,
        .element_bytes = bytes_of(kind_of(inner->descriptor->type)),
        .registry = inner,
    };
    field->value = value;
    return true;
}

static enum rpc_code make_field(struct json_codec *codec, const struct json__plan *plan,
                                const struct registry_field *registry, struct json__field *field,
                                struct rpc_status *status)
{
    const ProtobufCFieldDescriptor *descriptor = registry->descriptor;
    *field = (struct json__field){
        .kind = kind_of(descriptor->type),
        .presence = presence_of(descriptor),
        .repeated = descriptor->label == PROTOBUF_C_LABEL_REPEATED,
        .map = registry->is_map,
        .hidden = registry->rules->session_token && codec->options.hide_session_token,
        .redacted = registry->rules->redacted && codec->options.hide_redacted,
        .places = registry->rules->decimal_places,
        .id = descriptor->id,
        .offset = descriptor->offset,
        .quantifier_offset = descriptor->quantifier_offset,
        .name = registry->json_name,
        .name_len = strlen(registry->json_name),
        .registry = registry,
    };
    if (field->kind == JSON__ENUM)
        field->enumeration = descriptor->descriptor;
    if (field->kind == JSON__MESSAGE) {
        field->plan = json__plan_of(codec, registry->message->descriptor);
        if (field->plan->wrapper && !field->map)
            field->kind = JSON__WRAPPER;
    }
    field->element_bytes = bytes_of(field->kind);
    if (field->kind == JSON__WRAPPER && !make_wrapper_value(codec, field))
        return no_memory(status);
    if (field->places > JSON__PLACES_MAX ||
        (field->places > 0 && !is_integer(json__scalar_of(field)->kind)))
        return rpc_status_set(status, RPC_FAILED_PRECONDITION,
                              "field %s.%s cannot have %u decimal places", plan->message->name,
                              descriptor->name, field->places);
    return make_prefix(codec, field) ? RPC_OK : no_memory(status);
}

/* The table of names: JSON's first, then the .proto names that are still free. */
static enum rpc_code make_names(struct json_codec *codec, struct json__plan *plan,
                                struct rpc_status *status)
{
    size_t slots = 4;
    while (slots < plan->field_count * 4)
        slots *= 2;
    plan->name_mask = slots - 1;
    plan->names = arena_calloc(&codec->arena, slots, sizeof *plan->names);
    if (plan->names == NULL)
        return no_memory(status);
    for (size_t i = 0; i < plan->field_count; i++) {
        const struct json__field *field = &plan->fields[i];
        struct json__name *slot = find_name(plan, span_of(field->name, field->name_len));
        if (slot->field != NULL)
            return rpc_status_set(status, RPC_FAILED_PRECONDITION,
                                  "message %s has two fields that JSON calls %s",
                                  plan->message->name, field->name);
        *slot = (struct json__name){field->name, field->name_len, field};
    }
    for (size_t i = 0; i < plan->field_count && !codec->options.strict_names; i++) {
        const char *name = plan->fields[i].registry->descriptor->name;
        struct json__name *slot = find_name(plan, span_of_string(name));
        if (slot->field == NULL)
            *slot = (struct json__name){name, strlen(name), &plan->fields[i]};
    }
    return RPC_OK;
}

static enum rpc_code make_plan(struct json_codec *codec, struct json__plan *plan,
                               struct rpc_status *status)
{
    plan->field_count = plan->message->field_count;
    plan->fields = arena_calloc(&codec->arena, plan->field_count, sizeof *plan->fields);
    if (plan->fields == NULL)
        return no_memory(status);
    for (size_t i = 0; i < plan->field_count; i++) {
        enum rpc_code code =
            make_field(codec, plan, &plan->message->fields[i], &plan->fields[i], status);
        if (code != RPC_OK)
            return code;
    }
    return make_names(codec, plan, status);
}

/* Plans by descriptor, with nothing in them yet: they point at each other. */
static bool list_plans(struct json_codec *codec, const struct registry *registry)
{
    size_t slots = 4;
    while (slots < registry->message_count * 2)
        slots *= 2;
    codec->slot_mask = slots - 1;
    codec->slots = arena_calloc(&codec->arena, slots, sizeof *codec->slots);
    codec->plan_count = registry->message_count;
    codec->plans = arena_calloc(&codec->arena, codec->plan_count, sizeof *codec->plans);
    if (codec->slots == NULL || codec->plans == NULL)
        return false;
    for (size_t i = 0; i < codec->plan_count; i++) {
        codec->plans[i].message = registry->messages[i];
        codec->plans[i].wrapper = is_wrapper(registry->messages[i]);
        const ProtobufCMessageDescriptor *descriptor = registry->messages[i]->descriptor;
        size_t at = hash_pointer(descriptor) & codec->slot_mask;
        while (codec->slots[at].descriptor != NULL)
            at = (at + 1) & codec->slot_mask;
        codec->slots[at] = (struct json__plan_slot){descriptor, &codec->plans[i]};
    }
    return true;
}

enum rpc_code json_codec_create(const struct registry *registry, const struct json_options *options,
                                struct json_codec **ret_codec, struct rpc_status *status)
{
    struct json_codec *codec = calloc(1, sizeof *codec);
    if (codec == NULL)
        return no_memory(status);
    codec->options = *options;
    arena_init(&codec->arena, PLANS_BYTES_MAX);
    enum rpc_code code = list_plans(codec, registry) ? RPC_OK : no_memory(status);
    for (size_t i = 0; code == RPC_OK && i < codec->plan_count; i++)
        code = make_plan(codec, &codec->plans[i], status);
    if (code != RPC_OK) {
        json_codec_destroy(codec);
        return code;
    }
    *ret_codec = codec;
    return RPC_OK;
}

void json_codec_destroy(struct json_codec *codec)
{
    if (codec == NULL)
        return;
    arena_fini(&codec->arena);
    free(codec);
}
