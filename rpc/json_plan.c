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
    .decimals = true,
    .strict_numbers = true,
    .print_defaults = true,
    .print_nulls = true,
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

#define NULL_VALUE_NAME "google.protobuf.NullValue"

/* The messages that JSON has a form of their own for, with the kinds of their fields by number. */
static const struct known {
    const char *name;
    enum json__form form;
    unsigned field_count;
    enum json__kind kinds[6];
} knowns[] = {
    {"google.protobuf.DoubleValue", JSON__WRAPPED, 1, {JSON__DOUBLE}},
    {"google.protobuf.FloatValue", JSON__WRAPPED, 1, {JSON__FLOAT}},
    {"google.protobuf.Int64Value", JSON__WRAPPED, 1, {JSON__INT64}},
    {"google.protobuf.UInt64Value", JSON__WRAPPED, 1, {JSON__UINT64}},
    {"google.protobuf.Int32Value", JSON__WRAPPED, 1, {JSON__INT32}},
    {"google.protobuf.UInt32Value", JSON__WRAPPED, 1, {JSON__UINT32}},
    {"google.protobuf.BoolValue", JSON__WRAPPED, 1, {JSON__BOOL}},
    {"google.protobuf.StringValue", JSON__WRAPPED, 1, {JSON__STRING}},
    {"google.protobuf.BytesValue", JSON__WRAPPED, 1, {JSON__BYTES}},
    {"google.protobuf.Timestamp", JSON__TIMESTAMP, 2, {JSON__INT64, JSON__INT32}},
    {"google.protobuf.Duration", JSON__DURATION, 2, {JSON__INT64, JSON__INT32}},
    {"google.protobuf.FieldMask", JSON__FIELD_MASK, 1, {JSON__STRING}},
    {"google.protobuf.Struct", JSON__STRUCT, 1, {JSON__MESSAGE}},
    {"google.protobuf.Value",
     JSON__VALUE,
     6,
     {JSON__ENUM, JSON__DOUBLE, JSON__STRING, JSON__BOOL, JSON__MESSAGE, JSON__MESSAGE}},
    {"google.protobuf.ListValue", JSON__LIST_VALUE, 1, {JSON__MESSAGE}},
    {"google.protobuf.Any", JSON__ANY, 2, {JSON__STRING, JSON__BYTES}},
};

static enum json__form form_of(const struct registry_message *message)
{
    for (size_t i = 0; i < sizeof knowns / sizeof knowns[0]; i++) {
        const struct known *known = &knowns[i];
        if (strcmp(message->name, known->name) != 0 || message->field_count != known->field_count)
            continue;
        unsigned same = 0;
        while (same < known->field_count &&
               kind_of(message->fields[same].descriptor->type) == known->kinds[same])
            same++;
        if (same == known->field_count)
            return known->form;
    }
    return JSON__PLAIN;
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
        .places = codec->options.decimals ? registry->rules->decimal_places : 0,
        .id = descriptor->id,
        .offset = descriptor->offset,
        .quantifier_offset = descriptor->quantifier_offset,
        .name = registry->json_name,
        .name_len = strlen(registry->json_name),
        .registry = registry,
    };
    if (field->kind == JSON__ENUM) {
        field->enumeration = descriptor->descriptor;
        field->takes_null = strcmp(field->enumeration->name, NULL_VALUE_NAME) == 0;
    }
    if (field->kind == JSON__MESSAGE) {
        field->plan = json__plan_of(codec, registry->message->descriptor);
        field->takes_null = field->plan->form == JSON__VALUE;
        if (field->plan->form == JSON__WRAPPED && !field->map)
            field->kind = JSON__WRAPPER;
    }
    field->element_bytes = bytes_of(field->kind);
    if (field->kind == JSON__WRAPPER && !make_wrapper_value(codec, field))
        return no_memory(status);
    unsigned places = registry->rules->decimal_places;
    if (places > JSON__PLACES_MAX || (places > 0 && !is_integer(json__scalar_of(field)->kind)))
        return rpc_status_set(status, RPC_FAILED_PRECONDITION,
                              "field %s.%s cannot have %u decimal places", plan->message->name,
                              descriptor->name, places);
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
        codec->plans[i].form = form_of(registry->messages[i]);
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
    codec->registry = registry;
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
