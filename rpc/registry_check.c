/*
 * What the registry refuses: C descriptors that were not generated from the declarations in the
 * descriptor set, and rules that contradict what they stand on.
 */
#include <string.h>

#include "rpc/registry_internal.h"

/* Headers that a method has passed on: how many, so that they fit into a call's metadata, and how
 * long their names are, in bytes. */
#define FORWARD_HEADERS_MAX 3
#define FORWARD_NAME_BYTES_MAX 40

/* protobuf-c's type by the number of FieldDescriptorProto.Type. */
static const ProtobufCType c_types[] = {
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE] = PROTOBUF_C_TYPE_DOUBLE,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FLOAT] = PROTOBUF_C_TYPE_FLOAT,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT64] = PROTOBUF_C_TYPE_INT64,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT64] = PROTOBUF_C_TYPE_UINT64,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT32] = PROTOBUF_C_TYPE_INT32,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED64] = PROTOBUF_C_TYPE_FIXED64,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED32] = PROTOBUF_C_TYPE_FIXED32,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL] = PROTOBUF_C_TYPE_BOOL,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING] = PROTOBUF_C_TYPE_STRING,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE] = PROTOBUF_C_TYPE_MESSAGE,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES] = PROTOBUF_C_TYPE_BYTES,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT32] = PROTOBUF_C_TYPE_UINT32,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM] = PROTOBUF_C_TYPE_ENUM,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED32] = PROTOBUF_C_TYPE_SFIXED32,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED64] = PROTOBUF_C_TYPE_SFIXED64,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT32] = PROTOBUF_C_TYPE_SINT32,
    [GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT64] = PROTOBUF_C_TYPE_SINT64,
};

bool registry__c_type(const Google__Protobuf__FieldDescriptorProto *field, ProtobufCType *ret_type)
{
    size_t type = (size_t)field->type;
    if (!field->has_type || type == 0 || type >= sizeof c_types / sizeof c_types[0] ||
        type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP)
        return false;
    *ret_type = c_types[type];
    return true;
}

static bool text_equal(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* References in a descriptor set are absolute: `.lotcast.v1.Status`. */
static bool refers_to(const char *type_name, const char *full_name)
{
    return type_name != NULL && type_name[0] == '.' && text_equal(type_name + 1, full_name);
}

static bool same_label(ProtobufCLabel label, Google__Protobuf__FieldDescriptorProto__Label declared)
{
    switch (label) {
    case PROTOBUF_C_LABEL_REPEATED:
        return declared == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
    case PROTOBUF_C_LABEL_REQUIRED:
        return declared == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED;
    case PROTOBUF_C_LABEL_OPTIONAL:
    case PROTOBUF_C_LABEL_NONE:
        return declared == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_OPTIONAL;
    }
    return false;
}

static enum rpc_code check_enum(const struct registry *registry,
                                const ProtobufCEnumDescriptor *descriptor,
                                struct rpc_status *status)
{
    const struct registry__type *type = registry__type_find(registry, descriptor->name);
    if (type == NULL || type->enumeration == NULL)
        return registry__refuse(status, "enum %s is not in the descriptor set", descriptor->name);
    if (descriptor->n_value_names != type->enumeration->n_value)
        return registry__refuse(status, "enum %s has other values than declared", type->name);
    for (size_t i = 0; i < type->enumeration->n_value; i++) {
        const Google__Protobuf__EnumValueDescriptorProto *declared = type->enumeration->value[i];
        const ProtobufCEnumValue *value =
            declared->name == NULL
                ? NULL
                : protobuf_c_enum_descriptor_get_value_by_name(descriptor, declared->name);
        if (value == NULL || value->value != declared->number)
            return registry__refuse(status, "enum %s has another value %s than declared",
                                    type->name, declared->name == NULL ? "" : declared->name);
    }
    return RPC_OK;
}

static bool same_type(const ProtobufCFieldDescriptor *field,
                      const Google__Protobuf__FieldDescriptorProto *proto)
{
    ProtobufCType type;
    if (!registry__c_type(proto, &type) || type != field->type)
        return false;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return refers_to(proto->type_name,
                         ((const ProtobufCMessageDescriptor *)field->descriptor)->name);
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return refers_to(proto->type_name,
                         ((const ProtobufCEnumDescriptor *)field->descriptor)->name);
    return true;
}

static enum rpc_code check_field(const struct registry *registry, const char *message,
                                 const ProtobufCFieldDescriptor *field,
                                 const Google__Protobuf__FieldDescriptorProto *proto,
                                 struct rpc_status *status)
{
    if ((uint32_t)proto->number != field->id)
        return registry__refuse(status, "field %s.%s has another number than declared", message,
                                field->name);
    if (!same_type(field, proto))
        return registry__refuse(status, "field %s.%s has another type than declared", message,
                                field->name);
    bool oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    if (!same_label(field->label, proto->label) || oneof != (proto->has_oneof_index != 0))
        return registry__refuse(status, "field %s.%s has another label than declared", message,
                                field->name);
    if (proto->json_name == NULL)
        return registry__refuse(status, "field %s.%s has no JSON name", message, field->name);
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return check_enum(registry, field->descriptor, status);
    return RPC_OK;
}

enum rpc_code registry__check_message(const struct registry *registry,
                                      const ProtobufCMessageDescriptor *descriptor,
                                      const Google__Protobuf__DescriptorProto *proto,
                                      struct rpc_status *status)
{
    if (descriptor->n_fields != proto->n_field)
        return registry__refuse(status, "message %s has other fields than declared",
                                descriptor->name);
    for (size_t i = 0; i < proto->n_field; i++) {
        const Google__Protobuf__FieldDescriptorProto *declared = proto->field[i];
        const ProtobufCFieldDescriptor *field =
            declared->name == NULL
                ? NULL
                : protobuf_c_message_descriptor_get_field_by_name(descriptor, declared->name);
        if (field == NULL)
            return registry__refuse(status, "message %s has no field %s", descriptor->name,
                                    declared->name == NULL ? "" : declared->name);
        enum rpc_code code = check_field(registry, descriptor->name, field, declared, status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

enum rpc_code registry__check_service(const ProtobufCServiceDescriptor *descriptor,
                                      const Google__Protobuf__ServiceDescriptorProto *proto,
                                      struct rpc_status *status)
{
    if (descriptor->n_methods != proto->n_method)
        return registry__refuse(status, "service %s has other methods than declared",
                                descriptor->name);
    for (size_t i = 0; i < proto->n_method; i++) {
        const ProtobufCMethodDescriptor *method = &descriptor->methods[i];
        const Google__Protobuf__MethodDescriptorProto *declared = proto->method[i];
        if (!text_equal(method->name, declared->name))
            return registry__refuse(status, "service %s has another method %s than declared",
                                    descriptor->name, method->name);
        if (!refers_to(declared->input_type, method->input->name) ||
            !refers_to(declared->output_type, method->output->name))
            return registry__refuse(status, "method %s/%s has other messages than declared",
                                    descriptor->name, method->name);
        if (declared->client_streaming)
            return registry__refuse(status, "method %s/%s streams from the client",
                                    descriptor->name, method->name);
    }
    return RPC_OK;
}

/* By the .proto name; NULL if there is none. */
static const struct registry_field *find_field(const struct registry_message *message,
                                               const char *name)
{
    for (size_t i = 0; i < message->field_count; i++) {
        if (strcmp(message->fields[i].descriptor->name, name) == 0)
            return &message->fields[i];
    }
    return NULL;
}

static bool is_text(const struct registry_field *field)
{
    return field->descriptor->type == PROTOBUF_C_TYPE_STRING &&
           field->descriptor->label != PROTOBUF_C_LABEL_REPEATED;
}

/* The field that becomes the session cookie. */
static bool has_session_token(const struct registry_message *message)
{
    for (size_t i = 0; i < message->field_count; i++) {
        if (message->fields[i].rules->session_token)
            return is_text(&message->fields[i]);
    }
    return false;
}

static bool is_bool(const struct registry_field *field)
{
    return field->descriptor->type == PROTOBUF_C_TYPE_BOOL &&
           field->descriptor->label != PROTOBUF_C_LABEL_REPEATED;
}

/* A field of the response that a rule names. None of a oneof, where it may not be there. */
static enum rpc_code check_rule_field(const struct registry_method *method, const char *rule,
                                      const char *name, bool (*fits)(const struct registry_field *),
                                      struct rpc_status *status)
{
    if (*name == '\0')
        return RPC_OK;
    const struct registry_field *field = find_field(method->output, name);
    if (field != NULL && fits(field) && field->oneof_index < 0)
        return RPC_OK;
    return registry__refuse(status, "%s of method %s is %s, which does not fit or is not in %s",
                            rule, method->name, name, method->output->name);
}

/* Whether a header may become metadata under its name: in lower case, and of no meaning there. */
static bool fits_metadata(const char *name)
{
    static const char *const ours[] = {
        "request-id",  "traceparent",     "session",       "client-address",  "customer-id",
        "http-method", "idempotency-key", "x-customer-id", "x-forwarded-for", "x-request-id",
        "cookie",      "authorization",   "principal"};
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (strcmp(name, ours[i]) == 0)
            return false;
    }
    return len > 0 && len <= FORWARD_NAME_BYTES_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static enum rpc_code check_forwarded(const struct registry_method *method,
                                     struct rpc_status *status)
{
    const Lotcast__V1__MethodRules *rules = method->rules;
    if (rules->n_forward_headers > FORWARD_HEADERS_MAX)
        return registry__refuse(status, "method %s has too many headers passed on", method->name);
    for (size_t i = 0; i < rules->n_forward_headers; i++) {
        const char *name = rules->forward_headers[i];
        bool fits = fits_metadata(name);
        for (size_t j = 0; j < i; j++)
            fits = fits && strcmp(name, rules->forward_headers[j]) != 0;
        if (!fits)
            return registry__refuse(status, "method %s cannot have a header %s passed on",
                                    method->name, name);
    }
    return RPC_OK;
}

enum rpc_code registry__check_method(const struct registry_method *method,
                                     struct rpc_status *status)
{
    const Lotcast__V1__MethodRules *rules = method->rules;
    if (rules->access <= LOTCAST__V1__ACCESS__ACCESS_UNSPECIFIED ||
        rules->access > LOTCAST__V1__ACCESS__ACCESS_USER)
        return registry__refuse(status, "method %s does not say who may call it", method->name);
    if (rules->access == LOTCAST__V1__ACCESS__ACCESS_INTERNAL && method->http != NULL)
        return registry__refuse(status, "method %s is internal but has an HTTP route",
                                method->name);
    if (rules->redirect_field[0] != '\0') {
        const struct registry_field *field = find_field(method->output, rules->redirect_field);
        if (field == NULL || !is_text(field))
            return registry__refuse(status, "method %s redirects to %s, which is no text of %s",
                                    method->name, rules->redirect_field, method->output->name);
    }
    if (rules->session == LOTCAST__V1__SESSION_EFFECT__SESSION_EFFECT_SETS &&
        !has_session_token(method->output))
        return registry__refuse(status, "method %s sets a session, but %s has no session_token",
                                method->name, method->output->name);
    enum rpc_code code =
        check_rule_field(method, "accepted_field", rules->accepted_field, is_bool, status);
    if (code == RPC_OK)
        code =
            check_rule_field(method, "attachment_field", rules->attachment_field, is_text, status);
    return code == RPC_OK ? check_forwarded(method, status) : code;
}

/* Scalars that a key can hold: numbers, bools, enums, texts and bytes, once each. */
static bool fits_key(const struct registry_field *field)
{
    ProtobufCType type = field->descriptor->type;
    return field->descriptor->label != PROTOBUF_C_LABEL_REPEATED &&
           type != PROTOBUF_C_TYPE_MESSAGE && type != PROTOBUF_C_TYPE_FLOAT &&
           type != PROTOBUF_C_TYPE_DOUBLE && field->oneof_index < 0;
}

static enum rpc_code check_key(const struct registry_message *message, const char *what,
                               size_t count, char **names, struct rpc_status *status)
{
    if (count == 0)
        return registry__refuse(status, "table %s has no fields in %s", message->name, what);
    for (size_t i = 0; i < count; i++) {
        const struct registry_field *field = find_field(message, names[i]);
        if (field == NULL)
            return registry__refuse(status, "table %s has no field %s for %s", message->name,
                                    names[i], what);
        if (!fits_key(field))
            return registry__refuse(status, "field %s.%s is no scalar that %s can hold",
                                    message->name, names[i], what);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(names[i], names[j]) == 0)
                return registry__refuse(status, "table %s has field %s twice in %s", message->name,
                                        names[i], what);
        }
    }
    return RPC_OK;
}

enum rpc_code registry__check_table(const struct registry_message *message,
                                    struct rpc_status *status)
{
    const Lotcast__V1__TableRules *table = message->table;
    if (table->id == 0 || table->name[0] == '\0')
        return registry__refuse(status, "table %s has no id or no name", message->name);
    enum rpc_code code =
        check_key(message, "its primary key", table->n_primary_key, table->primary_key, status);
    for (size_t i = 0; code == RPC_OK && i < table->n_indexes; i++) {
        const Lotcast__V1__IndexRules *index = table->indexes[i];
        if (index->id == 0)
            return registry__refuse(status, "index %s of %s has no id", index->name, message->name);
        for (size_t j = 0; j < i; j++) {
            if (table->indexes[j]->id == index->id)
                return registry__refuse(status, "index id %u of %s is used twice", index->id,
                                        message->name);
        }
        code = check_key(message, index->name[0] == '\0' ? "an index" : index->name,
                         index->n_fields, index->fields, status);
    }
    return code;
}
