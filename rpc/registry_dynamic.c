/*
 * C descriptors made at run time, for a contract that this program was not compiled with. They say
 * what protoc-c would have generated, field by field and offset by offset (a test holds them to
 * that), but for the C names, defaults of texts in a oneof, and message_init, which gets no
 * descriptor and so cannot exist: registry_message_init does its work.
 *
 * Shells of all declarations are made first, since they point at each other; then they are filled.
 * All of it lies in the registry's arena. The set may come from anywhere, so nothing in it is
 * believed; what contradicts itself is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/registry_internal.h"

#define FIELD_NUMBER_MAX 536870911
#define POINTER_BYTES sizeof(void *)

/* A message's struct as it grows: members in the order of their declaration. */
struct layout {
    size_t bytes;
};

static size_t round_up(size_t bytes, size_t alignment)
{
    return (bytes + alignment - 1) / alignment * alignment;
}

/* Returns the new member's offset. */
static unsigned place(struct layout *layout, size_t bytes, size_t alignment)
{
    size_t offset = round_up(layout->bytes, alignment);
    layout->bytes = offset + bytes;
    return (unsigned)offset;
}

static bool is_pointer(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_STRING || type == PROTOBUF_C_TYPE_MESSAGE;
}

/* Bytes of a value in a struct, and what it is aligned to. */
static size_t value_bytes(ProtobufCType type, size_t *ret_alignment)
{
    bool narrow = type == PROTOBUF_C_TYPE_INT32 || type == PROTOBUF_C_TYPE_SINT32 ||
                  type == PROTOBUF_C_TYPE_SFIXED32 || type == PROTOBUF_C_TYPE_UINT32 ||
                  type == PROTOBUF_C_TYPE_FIXED32 || type == PROTOBUF_C_TYPE_FLOAT ||
                  type == PROTOBUF_C_TYPE_BOOL || type == PROTOBUF_C_TYPE_ENUM;
    *ret_alignment = narrow ? 4 : 8;
    if (type == PROTOBUF_C_TYPE_BYTES)
        return sizeof(ProtobufCBinaryData);
    return *ret_alignment;
}

void registry_message_init(const ProtobufCMessageDescriptor *descriptor, void *message)
{
    if (descriptor->message_init != NULL) {
        descriptor->message_init(message);
        return;
    }
    memset(message, 0, descriptor->sizeof_message);
    ((ProtobufCMessage *)message)->descriptor = descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        uint8_t *member = (uint8_t *)message + field->offset;
        size_t alignment;
        if (field->default_value == NULL || field->label == PROTOBUF_C_LABEL_REPEATED)
            continue;
        if (is_pointer(field->type))
            memcpy(member, &field->default_value, POINTER_BYTES);
        else
            memcpy(member, field->default_value, value_bytes(field->type, &alignment));
    }
}

/* --- ranges of numbers, by which protobuf-c finds values and fields --- */

/* Adds the number at `index` of an ascending list to the ranges of consecutive ones. */
static void add_number(ProtobufCIntRange *ranges, unsigned *count, int number, unsigned index)
{
    const ProtobufCIntRange *last = *count == 0 ? NULL : &ranges[*count - 1];
    if (last != NULL &&
        (int64_t)number == (int64_t)last->start_value + (int64_t)(index - last->orig_index))
        return;
    ranges[(*count)++] = (ProtobufCIntRange){number, index};
}

/* --- enums --- */

static int compare_values(const void *a, const void *b)
{
    const ProtobufCEnumValue *left = a, *right = b;
    return (left->value > right->value) - (left->value < right->value);
}

static int compare_value_names(const void *a, const void *b)
{
    return strcmp(((const ProtobufCEnumValueIndex *)a)->name,
                  ((const ProtobufCEnumValueIndex *)b)->name);
}

/* The values by number, each number once, under the name declared first. */
static unsigned list_values(const Google__Protobuf__EnumDescriptorProto *proto,
                            ProtobufCEnumValue *values)
{
    unsigned count = 0;
    for (size_t i = 0; i < proto->n_value; i++) {
        bool known = false;
        for (unsigned j = 0; !known && j < count; j++)
            known = values[j].value == proto->value[i]->number;
        if (!known)
            values[count++] = (ProtobufCEnumValue){proto->value[i]->name, proto->value[i]->name,
                                                   proto->value[i]->number};
    }
    qsort(values, count, sizeof *values, compare_values);
    return count;
}

static unsigned find_value(const ProtobufCEnumValue *values, unsigned count, int number)
{
    unsigned i = 0;
    while (i < count && values[i].value != number)
        i++;
    return i;
}

static enum rpc_code fill_enum(struct registry *registry, struct registry__type *type,
                               struct rpc_status *status)
{
    const Google__Protobuf__EnumDescriptorProto *proto = type->enumeration;
    ProtobufCEnumDescriptor *made = type->synthesised;
    size_t declared = proto->n_value;
    if (declared == 0 || declared > REGISTRY__ENUM_VALUES_MAX)
        return registry__refuse(status, "enum %s has no values, or too many", type->name);
    for (size_t i = 0; i < declared; i++)
        if (proto->value[i]->name == NULL || proto->value[i]->name[0] == '\0')
            return registry__refuse(status, "enum %s has a value without a name", type->name);
    ProtobufCEnumValue *values = arena_calloc(&registry->arena, declared, sizeof *values);
    ProtobufCEnumValueIndex *names = arena_calloc(&registry->arena, declared, sizeof *names);
    ProtobufCIntRange *ranges = arena_calloc(&registry->arena, declared + 1, sizeof *ranges);
    if (values == NULL || names == NULL || ranges == NULL)
        return registry__no_memory(status);
    made->n_values = list_values(proto, values);
    for (unsigned i = 0; i < made->n_values; i++)
        add_number(ranges, &made->n_value_ranges, values[i].value, i);
    ranges[made->n_value_ranges] = (ProtobufCIntRange){0, made->n_values};
    for (size_t i = 0; i < declared; i++)
        names[i] = (ProtobufCEnumValueIndex){
            proto->value[i]->name, find_value(values, made->n_values, proto->value[i]->number)};
    qsort(names, declared, sizeof *names, compare_value_names);
    made->magic = PROTOBUF_C__ENUM_DESCRIPTOR_MAGIC;
    made->name = type->name;
    made->short_name = proto->name;
    made->c_name = type->name;
    made->package_name = type->file->package;
    made->values = values;
    made->n_value_names = (unsigned)declared;
    made->values_by_name = names;
    made->value_ranges = ranges;
    return RPC_OK;
}

/* --- defaults of proto2 --- */

/* Undoes C's escapes, as protoc writes them: \n, \\, \", \ooo. */
static size_t unescape(const char *text, uint8_t *to)
{
    static const char plain[] = "n\nr\rt\t";
    size_t len = 0;
    while (*text != '\0') {
        unsigned value = (unsigned char)*text++;
        if (value == '\\' && *text >= '0' && *text <= '7') {
            value = 0;
            for (int i = 0; i < 3 && *text >= '0' && *text <= '7'; i++)
                value = value * 8 + (unsigned)(*text++ - '0');
        } else if (value == '\\' && *text != '\0') {
            const char *found = strchr("nrt", *text);
            value = found == NULL ? (unsigned char)*text
                                  : (unsigned char)plain[2 * (found - "nrt") + 1];
            text++;
        }
        to[len++] = (uint8_t)value;
    }
    return len;
}

union number {
    uint64_t wide;
    uint32_t narrow;
    double real;
    float single;
    ProtobufCBinaryData bytes;
};

/* False: the text is no value of the type. */
static bool read_default(const ProtobufCFieldDescriptor *field, const char *text,
                         union number *ret_number)
{
    size_t alignment;
    char *end = NULL;
    errno = 0;
    if (field->type == PROTOBUF_C_TYPE_BOOL) {
        ret_number->narrow = strcmp(text, "true") == 0;
        return ret_number->narrow != 0 || strcmp(text, "false") == 0;
    }
    if (field->type == PROTOBUF_C_TYPE_ENUM) {
        const ProtobufCEnumValue *value =
            protobuf_c_enum_descriptor_get_value_by_name(field->descriptor, text);
        ret_number->narrow = value == NULL ? 0 : (uint32_t)value->value;
        return value != NULL;
    }
    if (field->type == PROTOBUF_C_TYPE_FLOAT)
        ret_number->single = strtof(text, &end);
    else if (field->type == PROTOBUF_C_TYPE_DOUBLE)
        ret_number->real = strtod(text, &end);
    else if (value_bytes(field->type, &alignment) == 4)
        ret_number->narrow =
            text[0] == '-' ? (uint32_t)strtol(text, &end, 10) : (uint32_t)strtoul(text, &end, 10);
    else
        ret_number->wide =
            text[0] == '-' ? (uint64_t)strtoll(text, &end, 10) : (uint64_t)strtoull(text, &end, 10);
    return end != text && *end == '\0';
}

static enum rpc_code make_default(struct registry *registry, const char *message,
                                  const Google__Protobuf__FieldDescriptorProto *proto,
                                  ProtobufCFieldDescriptor *field, struct rpc_status *status)
{
    const char *text = proto->default_value;
    field->default_value = text;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return RPC_OK;
    union number *number = arena_calloc(&registry->arena, 1, sizeof *number);
    if (number == NULL)
        return registry__no_memory(status);
    field->default_value = number;
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        number->bytes.data = arena_alloc(&registry->arena, strlen(text) + 1);
        if (number->bytes.data == NULL)
            return registry__no_memory(status);
        number->bytes.len = unescape(text, number->bytes.data);
        return RPC_OK;
    }
    return read_default(field, text, number)
               ? RPC_OK
               : registry__refuse(status, "field %s.%s has a bad default", message, field->name);
}

/* --- fields --- */

/* What a field refers to: the descriptor of its message or enum. */
static enum rpc_code resolve(const struct registry *registry, const char *message,
                             const Google__Protobuf__FieldDescriptorProto *proto,
                             ProtobufCFieldDescriptor *field, struct rpc_status *status)
{
    if (field->type != PROTOBUF_C_TYPE_MESSAGE && field->type != PROTOBUF_C_TYPE_ENUM)
        return RPC_OK;
    const struct registry__type *type = proto->type_name == NULL || proto->type_name[0] != '.'
                                            ? NULL
                                            : registry__type_find(registry, proto->type_name + 1);
    bool fits =
        type != NULL && (field->type == PROTOBUF_C_TYPE_MESSAGE ? type->message != NULL
                                                                : type->enumeration != NULL);
    if (!fits)
        return registry__refuse(status, "field %s.%s refers to nothing", message, field->name);
    field->descriptor = type->synthesised;
    return RPC_OK;
}

static ProtobufCLabel label_of(const Google__Protobuf__FieldDescriptorProto *proto, bool proto3)
{
    if (proto->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
        return PROTOBUF_C_LABEL_REPEATED;
    if (proto->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REQUIRED)
        return PROTOBUF_C_LABEL_REQUIRED;
    return proto3 ? PROTOBUF_C_LABEL_NONE : PROTOBUF_C_LABEL_OPTIONAL;
}

static uint32_t flags_of(const Google__Protobuf__FieldDescriptorProto *proto,
                         const ProtobufCFieldDescriptor *field, bool proto3)
{
    const Google__Protobuf__FieldOptions *options = proto->options;
    bool packable = field->label == PROTOBUF_C_LABEL_REPEATED && !is_pointer(field->type) &&
                    field->type != PROTOBUF_C_TYPE_BYTES;
    bool packed = options != NULL && options->has_packed ? options->packed != 0 : proto3;
    uint32_t flags = 0;
    if (packable && packed)
        flags |= PROTOBUF_C_FIELD_FLAG_PACKED;
    if (options != NULL && options->deprecated)
        flags |= PROTOBUF_C_FIELD_FLAG_DEPRECATED;
    if (proto->has_oneof_index)
        flags |= PROTOBUF_C_FIELD_FLAG_ONEOF;
    return flags;
}

/* All of a field but its place in the struct. */
static enum rpc_code make_field(struct registry *registry, const struct registry__type *type,
                                const Google__Protobuf__FieldDescriptorProto *proto,
                                ProtobufCFieldDescriptor *field, struct rpc_status *status)
{
    bool proto3 = type->file->syntax != NULL && strcmp(type->file->syntax, "proto3") == 0;
    if (proto->name == NULL || proto->name[0] == '\0')
        return registry__refuse(status, "message %s has a field without a name", type->name);
    if (proto->number < 1 || proto->number > FIELD_NUMBER_MAX)
        return registry__refuse(status, "field %s.%s has a bad number", type->name, proto->name);
    if (!registry__c_type(proto, &field->type))
        return registry__refuse(status, "field %s.%s is of a type that there is not", type->name,
                                proto->name);
    if (proto->has_oneof_index &&
        (proto->oneof_index < 0 || (size_t)proto->oneof_index >= type->message->n_oneof_decl ||
         proto->label != GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_OPTIONAL))
        return registry__refuse(status, "field %s.%s is of a oneof that there is not", type->name,
                                proto->name);
    field->name = proto->name;
    field->id = (uint32_t)proto->number;
    field->label = label_of(proto, proto3);
    field->flags = flags_of(proto, field, proto3);
    /* No default in a oneof: where protobuf-c initialises a message by itself, that would be taken
     * for what another member holds. */
    if (proto3 && field->type == PROTOBUF_C_TYPE_STRING && !proto->has_oneof_index)
        field->default_value = &protobuf_c_empty_string;
    enum rpc_code code = resolve(registry, type->name, proto, field, status);
    if (code == RPC_OK && proto->default_value != NULL && !proto->has_oneof_index &&
        field->label != PROTOBUF_C_LABEL_REPEATED && field->type != PROTOBUF_C_TYPE_MESSAGE)
        code = make_default(registry, type->name, proto, field, status);
    return code;
}

/* Puts a field that is in no oneof into the struct. */
static void place_field(struct layout *layout, ProtobufCFieldDescriptor *field)
{
    size_t alignment;
    size_t bytes = value_bytes(field->type, &alignment);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        field->quantifier_offset = place(layout, sizeof(size_t), sizeof(size_t));
        bytes = alignment = POINTER_BYTES;
    } else if (field->label == PROTOBUF_C_LABEL_OPTIONAL && !is_pointer(field->type)) {
        field->quantifier_offset =
            place(layout, sizeof(protobuf_c_boolean), sizeof(protobuf_c_boolean));
    }
    field->offset = place(layout, bytes, alignment);
}

/* A oneof: which member it is, and one place for all of them. */
static void place_oneof(struct layout *layout, const Google__Protobuf__DescriptorProto *proto,
                        int32_t index, ProtobufCFieldDescriptor *fields)
{
    size_t bytes = 0, alignment = 1, of_field;
    for (size_t i = 0; i < proto->n_field; i++) {
        if (!proto->field[i]->has_oneof_index || proto->field[i]->oneof_index != index)
            continue;
        size_t needs = value_bytes(fields[i].type, &of_field);
        bytes = needs > bytes ? needs : bytes;
        alignment = of_field > alignment ? of_field : alignment;
    }
    if (bytes == 0)
        return;
    unsigned quantifier = place(layout, sizeof(uint32_t), sizeof(uint32_t));
    unsigned offset = place(layout, round_up(bytes, alignment), alignment);
    for (size_t i = 0; i < proto->n_field; i++) {
        if (!proto->field[i]->has_oneof_index || proto->field[i]->oneof_index != index)
            continue;
        fields[i].quantifier_offset = quantifier;
        fields[i].offset = offset;
    }
}

/* --- messages --- */

static int compare_fields(const void *a, const void *b)
{
    const ProtobufCFieldDescriptor *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

static int compare_field_names(const void *a, const void *b, void *fields_)
{
    const ProtobufCFieldDescriptor *fields = fields_;
    return strcmp(fields[*(const unsigned *)a].name, fields[*(const unsigned *)b].name);
}

/* Sorts the fields by number and indexes them. */
static enum rpc_code index_fields(struct registry *registry, ProtobufCMessageDescriptor *made,
                                  ProtobufCFieldDescriptor *fields, unsigned count,
                                  struct rpc_status *status)
{
    unsigned *by_name = arena_calloc(&registry->arena, count, sizeof *by_name);
    ProtobufCIntRange *ranges = arena_calloc(&registry->arena, (size_t)count + 1, sizeof *ranges);
    if (by_name == NULL || ranges == NULL)
        return registry__no_memory(status);
    qsort(fields, count, sizeof *fields, compare_fields);
    for (unsigned i = 0; i < count; i++) {
        if (i > 0 && fields[i].id == fields[i - 1].id)
            return registry__refuse(status, "field number %u of %s is there twice", fields[i].id,
                                    made->name);
        add_number(ranges, &made->n_field_ranges, (int)fields[i].id, i);
        by_name[i] = i;
    }
    ranges[made->n_field_ranges] = (ProtobufCIntRange){0, count};
    qsort_r(by_name, count, sizeof *by_name, compare_field_names, fields);
    made->n_fields = count;
    made->fields = fields;
    made->fields_sorted_by_name = by_name;
    made->field_ranges = ranges;
    return RPC_OK;
}

static enum rpc_code fill_message(struct registry *registry, struct registry__type *type,
                                  struct rpc_status *status)
{
    const Google__Protobuf__DescriptorProto *proto = type->message;
    ProtobufCMessageDescriptor *made = type->synthesised;
    struct layout layout = {sizeof(ProtobufCMessage)};
    if (proto->n_field > REGISTRY__FIELDS_MAX || proto->n_oneof_decl > proto->n_field)
        return registry__refuse(status, "message %s has too many fields", type->name);
    ProtobufCFieldDescriptor *fields =
        arena_calloc(&registry->arena, proto->n_field, sizeof *fields);
    if (fields == NULL)
        return registry__no_memory(status);
    for (size_t i = 0; i < proto->n_field; i++) {
        enum rpc_code code = make_field(registry, type, proto->field[i], &fields[i], status);
        if (code != RPC_OK)
            return code;
        if (!proto->field[i]->has_oneof_index)
            place_field(&layout, &fields[i]);
    }
    for (size_t i = 0; i < proto->n_oneof_decl; i++)
        place_oneof(&layout, proto, (int32_t)i, fields);
    made->magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC;
    made->name = type->name;
    made->short_name = proto->name;
    made->c_name = type->name;
    made->package_name = type->file->package;
    made->sizeof_message = round_up(layout.bytes, POINTER_BYTES);
    return index_fields(registry, made, fields, (unsigned)proto->n_field, status);
}

/* --- services --- */

static int compare_method_names(const void *a, const void *b, void *methods_)
{
    const ProtobufCMethodDescriptor *methods = methods_;
    return strcmp(methods[*(const unsigned *)a].name, methods[*(const unsigned *)b].name);
}

static const ProtobufCMessageDescriptor *find_message(const struct registry *registry,
                                                      const char *reference)
{
    if (reference == NULL || reference[0] != '.')
        return NULL;
    const struct registry__type *type = registry__type_find(registry, reference + 1);
    return type == NULL || type->message == NULL ? NULL : type->synthesised;
}

static enum rpc_code fill_service(struct registry *registry, struct registry__type *type,
                                  struct rpc_status *status)
{
    const Google__Protobuf__ServiceDescriptorProto *proto = type->service;
    ProtobufCServiceDescriptor *made = type->synthesised;
    size_t count = proto->n_method;
    ProtobufCMethodDescriptor *methods = arena_calloc(&registry->arena, count, sizeof *methods);
    unsigned *by_name = arena_calloc(&registry->arena, count, sizeof *by_name);
    if (methods == NULL || by_name == NULL)
        return registry__no_memory(status);
    for (size_t i = 0; i < count; i++) {
        methods[i] = (ProtobufCMethodDescriptor){
            proto->method[i]->name, find_message(registry, proto->method[i]->input_type),
            find_message(registry, proto->method[i]->output_type)};
        by_name[i] = (unsigned)i;
        if (methods[i].name == NULL || methods[i].name[0] == '\0' || methods[i].input == NULL ||
            methods[i].output == NULL)
            return registry__refuse(status, "a method of %s has no name or no messages",
                                    type->name);
    }
    qsort_r(by_name, count, sizeof *by_name, compare_method_names, methods);
    made->magic = PROTOBUF_C__SERVICE_DESCRIPTOR_MAGIC;
    made->name = type->name;
    made->short_name = proto->name;
    made->c_name = type->name;
    made->package = type->file->package;
    made->n_methods = (unsigned)count;
    made->methods = methods;
    made->method_indices_by_name = by_name;
    return RPC_OK;
}

/* --- all of it --- */

static bool has_name(const struct registry__type *type)
{
    const char *name = type->message != NULL       ? type->message->name
                       : type->enumeration != NULL ? type->enumeration->name
                                                   : type->service->name;
    return name != NULL && name[0] != '\0';
}

/* Shells of everything, and how many services and messages there are. */
static enum rpc_code make_shells(struct registry *registry, struct registry_sources *sources,
                                 struct rpc_status *status)
{
    for (struct registry__type *type = registry->types; type != NULL; type = type->next) {
        const char *syntax = type->file->syntax;
        size_t bytes = sizeof(ProtobufCEnumDescriptor);
        if (!has_name(type))
            return registry__refuse(status, "a declaration in %s has no name", type->name);
        if (syntax != NULL && *syntax != '\0' && strcmp(syntax, "proto2") != 0 &&
            strcmp(syntax, "proto3") != 0)
            return registry__refuse(status, "%s is of a syntax that is not known: %s", type->name,
                                    syntax);
        if (type->message != NULL) {
            bytes = sizeof(ProtobufCMessageDescriptor);
            sources->message_count++;
        } else if (type->service != NULL) {
            bytes = sizeof(ProtobufCServiceDescriptor);
            sources->service_count++;
        }
        type->synthesised = arena_calloc(&registry->arena, 1, bytes);
        if (type->synthesised == NULL)
            return registry__no_memory(status);
    }
    return RPC_OK;
}

/* Enums before messages, whose defaults look them up. */
static enum rpc_code fill_shells(struct registry *registry, struct rpc_status *status)
{
    enum rpc_code code = RPC_OK;
    for (struct registry__type *type = registry->types; code == RPC_OK && type != NULL;
         type = type->next)
        if (type->enumeration != NULL)
            code = fill_enum(registry, type, status);
    for (struct registry__type *type = registry->types; code == RPC_OK && type != NULL;
         type = type->next) {
        if (type->message != NULL)
            code = fill_message(registry, type, status);
        else if (type->service != NULL)
            code = fill_service(registry, type, status);
    }
    return code;
}

enum rpc_code registry__synthesise(struct registry *registry, struct registry_sources *ret_sources,
                                   struct rpc_status *status)
{
    struct registry_sources sources = {.descriptor_set = registry->packed};
    enum rpc_code code = make_shells(registry, &sources, status);
    if (code == RPC_OK)
        code = fill_shells(registry, status);
    if (code != RPC_OK)
        return code;
    const ProtobufCServiceDescriptor **services =
        arena_calloc(&registry->arena, sources.service_count + 1, POINTER_BYTES);
    const ProtobufCMessageDescriptor **messages =
        arena_calloc(&registry->arena, sources.message_count + 1, POINTER_BYTES);
    if (services == NULL || messages == NULL)
        return registry__no_memory(status);
    size_t service = 0, message = 0;
    for (struct registry__type *type = registry->types; type != NULL; type = type->next) {
        if (type->service != NULL)
            services[service++] = type->synthesised;
        else if (type->message != NULL)
            messages[message++] = type->synthesised;
    }
    sources.services = services;
    sources.messages = messages;
    *ret_sources = sources;
    return RPC_OK;
}
