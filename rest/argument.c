#include "rest/argument.h"

#include <inttypes.h>
#include <string.h>

#include "rest/field_path.h"

/* "filters.status" of "filters.status[2]": what a list's elements may be is said of the list. */
static struct span without_index(const char *field)
{
    size_t len = strlen(field);
    if (len == 0 || field[len - 1] != ']')
        return span_of(field, len);
    const char *bracket = strrchr(field, '[');
    return span_of(field, bracket == NULL ? len : (size_t)(bracket - field));
}

/* The type that JSON shows: a wrapper's is its value's. */
static ProtobufCType type_of(const struct registry_field *field)
{
    if (field->message == NULL || field->message->field_count != 1 || field_is_object(field))
        return field->descriptor->type;
    return field->message->fields[0].descriptor->type;
}

/* "one of a, b or c" */
static const char *one_of(const Lotcast__V1__FieldRules *rules, struct arena *arena)
{
    const char *text = "one of";
    for (size_t i = 0; i < rules->n_values && text != NULL; i++) {
        const char *separator = i == 0 ? "" : i + 1 == rules->n_values ? " or" : ",";
        text = arena_printf(arena, "%s%s %s", text, separator, rules->values[i]);
    }
    return text;
}

static const char *number(const Lotcast__V1__FieldRules *rules, struct arena *arena)
{
    const char *what = rules->decimal_places == 0
                           ? "a whole number"
                           : arena_printf(arena, "a number with at most %" PRIu32 " decimals",
                                          rules->decimal_places);
    bool has_minimum = rules->minimum[0] != '\0', has_maximum = rules->maximum[0] != '\0';
    if (what == NULL || (!has_minimum && !has_maximum))
        return what;
    if (has_minimum && has_maximum)
        return arena_printf(arena, "%s from %s to %s", what, rules->minimum, rules->maximum);
    return arena_printf(arena, "%s, %s %s", what, has_minimum ? "at least" : "at most",
                        has_minimum ? rules->minimum : rules->maximum);
}

static const char *text(const Lotcast__V1__FieldRules *rules, struct arena *arena)
{
    if (rules->n_values > 0)
        return one_of(rules, arena);
    if (strcmp(rules->format, "date") == 0)
        return "a date, YYYY-MM-DD";
    if (rules->max_length == 0)
        return NULL;
    if (rules->min_length == rules->max_length)
        return arena_printf(arena, "a text of %" PRIu32 " bytes", rules->max_length);
    if (rules->min_length > 0)
        return arena_printf(arena, "a text of %" PRIu32 " to %" PRIu32 " bytes that can be shown",
                            rules->min_length, rules->max_length);
    return arena_printf(arena, "a text of at most %" PRIu32 " bytes that can be shown",
                        rules->max_length);
}

static const char *value(const struct registry_field *field, struct arena *arena)
{
    switch (type_of(field)) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return number(field->rules, arena);
    case PROTOBUF_C_TYPE_BOOL:
        return "true or false";
    case PROTOBUF_C_TYPE_STRING:
        return text(field->rules, arena);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        break;
    }
    return NULL;
}

const char *argument_describe(const struct registry_message *input, const char *field,
                              struct arena *arena)
{
    struct field_path path;
    if (!field_path_resolve(input, without_index(field), FIELD_NAMES_JSON, &path))
        return NULL;
    const char *what = value(field_path_leaf(&path), arena);
    return what == NULL ? NULL : arena_printf(arena, "%s must be %s", field, what);
}
