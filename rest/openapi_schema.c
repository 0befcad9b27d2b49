/*
 * Messages as JSON Schema, as the codec really prints and takes them: numbers bare, money as
 * decimals, wrappers as a bare value or null.
 */
#include <inttypes.h>

#include "rest/openapi_internal.h"

/* Messages whose JSON is not an object of their fields (protobuf.dev/programming-guides/json). */
struct known {
    const char *name;
    const char *type; /* NULL: any JSON */
    const char *format;
};

static const struct known known_messages[] = {
    {"google.protobuf.Timestamp", "string", "date-time"},
    {"google.protobuf.Duration", "string", NULL},
    {"google.protobuf.FieldMask", "string", NULL},
    {"google.protobuf.Struct", "object", NULL},
    {"google.protobuf.Value", NULL, NULL},
    {"google.protobuf.ListValue", "array", NULL},
    {"google.protobuf.Any", "object", NULL},
    {"google.protobuf.Empty", "object", NULL},
};

static const char *const wrapper_names[] = {
    "google.protobuf.DoubleValue", "google.protobuf.FloatValue",  "google.protobuf.Int64Value",
    "google.protobuf.UInt64Value", "google.protobuf.Int32Value",  "google.protobuf.UInt32Value",
    "google.protobuf.BoolValue",   "google.protobuf.StringValue", "google.protobuf.BytesValue",
};

static const struct known *find_known(const struct registry_message *message)
{
    for (size_t i = 0; i < sizeof known_messages / sizeof known_messages[0]; i++) {
        if (strcmp(known_messages[i].name, message->name) == 0)
            return &known_messages[i];
    }
    return NULL;
}

static bool is_wrapper(const struct registry_message *message)
{
    for (size_t i = 0; message != NULL && i < sizeof wrapper_names / sizeof wrapper_names[0]; i++) {
        if (strcmp(wrapper_names[i], message->name) == 0)
            return true;
    }
    return false;
}

static bool is_repeated(const struct registry_field *field)
{
    return field->descriptor->label == PROTOBUF_C_LABEL_REPEATED;
}

bool openapi__is_scalar(const struct registry_field *field)
{
    return field->message == NULL || is_wrapper(field->message) ||
           find_known(field->message) != NULL;
}

bool openapi__is_parameter(const struct registry_field *field)
{
    const struct known *known = field->message == NULL ? NULL : find_known(field->message);
    return openapi__is_scalar(field) &&
           (known == NULL || (known->type != NULL && strcmp(known->type, "string") == 0));
}

/* --- names --- */

const char *openapi__short_name(const char *name)
{
    const char *start = name;
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '.' && start[0] >= 'a' && start[0] <= 'z')
            start = at + 1;
    }
    return start;
}

static bool is_listed(const struct registry_message *const *list, size_t count,
                      const struct registry_message *message)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == message)
            return true;
    }
    return false;
}

static void add_answered(struct openapi__document *document, const struct registry_message *message,
                         size_t max)
{
    if (message != NULL && document->answered_count < max &&
        !is_listed(document->answered, document->answered_count, message))
        document->answered[document->answered_count++] = message;
}

void openapi__find_answered(struct openapi__document *document)
{
    const struct openapi_options *options = document->options;
    size_t routes = router_route_count(options->router), max = 0;
    const Google__Protobuf__FileDescriptorSet *set = registry_descriptor_set(options->registry);
    for (size_t i = 0; i < set->n_file; i++)
        max += set->file[i]->n_message_type;
    /* Nested ones are few: those beyond the room are taken as not answered. */
    max = 2 * max + routes;
    document->answered =
        arena_calloc(&document->arena, max + 1, sizeof(const struct registry_message *));
    if (document->answered == NULL) {
        openapi__out_of_memory(document);
        return;
    }
    for (size_t i = 0; i < routes; i++)
        add_answered(document, router_route_at(options->router, i)->method->output, max);
    for (size_t i = 0; i < document->answered_count; i++) {
        const struct registry_message *message = document->answered[i];
        for (size_t j = 0; j < message->field_count; j++)
            add_answered(document, message->fields[j].message, max);
    }
}

static bool is_name_taken(const struct openapi__document *document, const char *name)
{
    for (const struct openapi__schema *schema = document->schemas; schema != NULL;
         schema = schema->next) {
        if (strcmp(schema->name, name) == 0)
            return true;
    }
    return false;
}

/* The message's own name; as a request, of a message that is answered too, with Input behind. */
static const char *choose_name(struct openapi__document *document,
                               const struct registry_message *message, enum openapi__role role)
{
    bool both = role == OPENAPI__REQUEST &&
                is_listed(document->answered, document->answered_count, message);
    const char *stem =
        openapi__format(document, "%s%s", openapi__short_name(message->name), both ? "Input" : "");
    const char *name = stem;
    for (unsigned i = 2; is_name_taken(document, name) && document->code == RPC_OK; i++)
        name = openapi__format(document, "%s%u", stem, i);
    return name;
}

static const char *want(struct openapi__document *document, const struct registry_message *message,
                        enum openapi__role role, const struct route *route)
{
    for (const struct openapi__schema *schema = document->schemas; schema != NULL;
         schema = schema->next) {
        if (schema->message == message && schema->role == role && schema->route == route)
            return schema->name;
    }
    struct openapi__schema *schema = arena_calloc(&document->arena, 1, sizeof *schema);
    if (schema == NULL) {
        openapi__out_of_memory(document);
        return "";
    }
    *schema = (struct openapi__schema){.message = message, .role = role, .route = route};
    schema->name = choose_name(document, message, role);
    *document->schemas_end = schema;
    document->schemas_end = &schema->next;
    return schema->name;
}

void openapi__schema_ref(struct openapi__document *document, const char *key,
                         const struct registry_message *message, enum openapi__role role,
                         const struct route *route)
{
    openapi__ref(document, key, "schemas", want(document, message, role, route));
}

/* --- values --- */

static void write_enum_names(struct openapi__document *document,
                             const ProtobufCEnumDescriptor *enumeration, bool nullable)
{
    openapi__open_list(document, "enum");
    for (unsigned i = 0; i < enumeration->n_value_names; i++)
        openapi__text(document, NULL, enumeration->values_by_name[i].name);
    if (nullable)
        openapi__null(document, NULL);
    openapi__close_list(document);
}

static void write_values(struct openapi__document *document, const Lotcast__V1__FieldRules *rules,
                         bool nullable)
{
    if (rules->n_values == 0)
        return;
    openapi__open_list(document, "enum");
    for (size_t i = 0; i < rules->n_values; i++)
        openapi__text(document, NULL, rules->values[i]);
    if (nullable)
        openapi__null(document, NULL);
    openapi__close_list(document);
}

/* A scalar's type in JSON, and its format. */
static const char *type_of(ProtobufCType type, const Lotcast__V1__FieldRules *rules,
                           const char **ret_format)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        *ret_format = rules->decimal_places > 0 ? NULL : "int32";
        return rules->decimal_places > 0 ? "number" : "integer";
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        *ret_format = rules->decimal_places > 0 ? NULL : "int64";
        return rules->decimal_places > 0 ? "number" : "integer";
    case PROTOBUF_C_TYPE_FLOAT:
        *ret_format = "float";
        return "number";
    case PROTOBUF_C_TYPE_DOUBLE:
        *ret_format = "double";
        return "number";
    case PROTOBUF_C_TYPE_BOOL:
        return "boolean";
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
    return "string";
}

static void write_type(struct openapi__document *document, const char *type, bool nullable)
{
    if (!nullable) {
        openapi__text(document, "type", type);
        return;
    }
    openapi__open_list(document, "type");
    openapi__text(document, NULL, type);
    openapi__text(document, NULL, "null");
    openapi__close_list(document);
}

static bool is_unsigned(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_UINT32 || type == PROTOBUF_C_TYPE_FIXED32 ||
           type == PROTOBUF_C_TYPE_UINT64 || type == PROTOBUF_C_TYPE_FIXED64;
}

static void write_size(struct openapi__document *document, const char *key, uint32_t size)
{
    if (size > 0)
        openapi__raw(document, key, span_of_string(openapi__format(document, "%" PRIu32, size)));
}

/* The members of a scalar's schema; `rules` are those of the field that shows it. */
static void write_scalar(struct openapi__document *document,
                         const ProtobufCFieldDescriptor *descriptor,
                         const Lotcast__V1__FieldRules *rules, bool nullable)
{
    const char *format = NULL;
    const char *minimum = is_unsigned(descriptor->type) ? "0" : rules->minimum;
    write_type(document, type_of(descriptor->type, rules, &format), nullable);
    if (rules->format[0] != '\0')
        format = rules->format;
    if (format != NULL)
        openapi__text(document, "format", format);
    if (descriptor->type == PROTOBUF_C_TYPE_BYTES)
        openapi__text(document, "contentEncoding", "base64");
    if (descriptor->type == PROTOBUF_C_TYPE_ENUM)
        write_enum_names(document, descriptor->descriptor, nullable);
    else
        write_values(document, rules, nullable);
    if (minimum[0] != '\0')
        openapi__raw(document, "minimum", span_of_string(minimum));
    if (rules->maximum[0] != '\0')
        openapi__raw(document, "maximum", span_of_string(rules->maximum));
    write_size(document, "minLength", rules->min_length);
    write_size(document, "maxLength", rules->max_length);
}

/* The members of the schema of a field that is shown as a bare value. */
static void write_bare(struct openapi__document *document, const struct registry_field *field,
                       bool nullable)
{
    const struct known *known = field->message == NULL ? NULL : find_known(field->message);
    if (known == NULL) {
        const struct registry_field *scalar =
            field->message == NULL ? field : &field->message->fields[0];
        write_scalar(document, scalar->descriptor, field->rules, nullable);
        return;
    }
    if (known->type != NULL)
        write_type(document, known->type, nullable);
    if (known->format != NULL)
        openapi__text(document, "format", known->format);
}

/* The schema of one value of the field: of an element, where it is repeated. */
static void write_element(struct openapi__document *document, const char *key,
                          const struct registry_field *field, enum openapi__role role)
{
    if (!openapi__is_scalar(field)) {
        openapi__schema_ref(document, key, field->message, role, NULL);
        return;
    }
    openapi__open(document, key);
    write_bare(document, field, false);
    openapi__close(document);
}

static void write_list(struct openapi__document *document, const struct registry_field *field,
                       enum openapi__role role, bool nullable)
{
    write_type(document, field->is_map ? "object" : "array", nullable);
    if (field->is_map)
        write_element(document, "additionalProperties", &field->message->fields[1], role);
    else
        write_element(document, "items", field, role);
    write_size(document, "minItems", field->rules->min_items);
    write_size(document, "maxItems", field->rules->max_items);
}

/* A message's schema, or null. */
static void write_nullable_ref(struct openapi__document *document,
                               const struct registry_field *field, enum openapi__role role)
{
    openapi__open_list(document, "oneOf");
    openapi__schema_ref(document, NULL, field->message, role, NULL);
    openapi__open(document, NULL);
    openapi__text(document, "type", "null");
    openapi__close(document);
    openapi__close_list(document);
}

static void write_message_ref(struct openapi__document *document,
                              const struct registry_field *field, enum openapi__role role)
{
    openapi__open_list(document, "allOf");
    openapi__schema_ref(document, NULL, field->message, role, NULL);
    openapi__close_list(document);
}

/* null is absence in a request; in an answer wrappers and some messages may be null. */
static bool is_nullable(const struct registry_field *field, enum openapi__role role)
{
    if (role == OPENAPI__REQUEST)
        return !field->rules->required;
    return field->message != NULL && !is_repeated(field) &&
           (openapi__is_scalar(field) || field->rules->nullable);
}

void openapi__field_schema(struct openapi__document *document, const char *key,
                           const struct registry_field *field, enum openapi__role role)
{
    bool nullable = is_nullable(field, role);
    const char *comment = openapi__comment(document, field->proto);
    if (comment == NULL && !openapi__is_scalar(field) && !is_repeated(field) && !nullable) {
        openapi__schema_ref(document, key, field->message, role, NULL);
        return;
    }
    openapi__open(document, key);
    if (comment != NULL)
        openapi__text(document, "description", comment);
    if (is_repeated(field))
        write_list(document, field, role, nullable);
    else if (openapi__is_scalar(field))
        write_bare(document, field, nullable);
    else if (nullable)
        write_nullable_ref(document, field, role);
    else
        write_message_ref(document, field, role);
    openapi__close(document);
}

void openapi__parameter_schema(struct openapi__document *document, const char *key,
                               const struct registry_field *field)
{
    openapi__open(document, key);
    if (is_repeated(field))
        write_list(document, field, OPENAPI__REQUEST, false);
    else
        write_bare(document, field, false);
    if (field->rules->absent[0] != '\0')
        openapi__raw(document, "default", span_of_string(field->rules->absent));
    openapi__close(document);
}

/* --- messages --- */

static bool is_path_variable(const struct route *route, const struct registry_field *field)
{
    for (size_t i = 0; route != NULL && i < route->variable_count; i++) {
        if (strcmp(route->variables[i].field, field->json_name) == 0)
            return true;
    }
    return false;
}

/* Whether JSON has the field at all. */
static bool is_shown(const struct openapi__schema *schema, const struct registry_field *field)
{
    if (schema->role == OPENAPI__ANSWER)
        return !field->rules->session_token;
    return !is_path_variable(schema->route, field);
}

/* Answers have all their fields, but of a oneof only the one that is set. */
static bool is_required(const struct openapi__schema *schema, const struct registry_field *field)
{
    if (!is_shown(schema, field))
        return false;
    return schema->role == OPENAPI__ANSWER ? field->oneof_index < 0 : field->rules->required;
}

static void write_required(struct openapi__document *document, const struct openapi__schema *schema)
{
    const struct registry_message *message = schema->message;
    size_t count = 0;
    for (size_t i = 0; i < message->field_count; i++)
        count += is_required(schema, &message->fields[i]);
    if (count == 0)
        return;
    openapi__open_list(document, "required");
    for (size_t i = 0; i < message->field_count; i++) {
        if (is_required(schema, &message->fields[i]))
            openapi__text(document, NULL, message->fields[i].json_name);
    }
    openapi__close_list(document);
}

static void write_schema(struct openapi__document *document, const struct openapi__schema *schema)
{
    const struct registry_message *message = schema->message;
    const char *comment = openapi__comment(document, message->proto);
    openapi__open(document, schema->name);
    openapi__text(document, "type", "object");
    if (comment != NULL)
        openapi__text(document, "description", comment);
    openapi__open(document, "properties");
    for (size_t i = 0; i < message->field_count; i++) {
        const struct registry_field *field = &message->fields[i];
        if (is_shown(schema, field))
            openapi__field_schema(document, field->json_name, field, schema->role);
    }
    openapi__close(document);
    write_required(document, schema);
    /* A request's unknown field is refused; clients ignore those of answers. */
    if (schema->role == OPENAPI__REQUEST)
        openapi__bool(document, "additionalProperties", false);
    openapi__close(document);
}

void openapi__write_schemas(struct openapi__document *document)
{
    /* The list grows while it is walked. */
    for (const struct openapi__schema *schema = document->schemas;
         schema != NULL && document->code == RPC_OK; schema = schema->next)
        write_schema(document, schema);
}
