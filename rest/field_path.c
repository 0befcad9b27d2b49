#include "rest/field_path.h"

#include <string.h>

static const char well_known[] = "google.protobuf.";

const struct registry_field *field_find(const struct registry_message *message, struct span name,
                                        enum field_names names)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct registry_field *field = &message->fields[i];
        if (span_equal_string(name, names == FIELD_NAMES_PROTO ? field->descriptor->name
                                                               : field->json_name))
            return field;
    }
    return NULL;
}

bool field_is_object(const struct registry_field *field)
{
    return field->message != NULL && !field_is_repeated(field) &&
           strncmp(field->message->name, well_known, sizeof well_known - 1) != 0;
}

bool field_path_resolve(const struct registry_message *message, struct span text,
                        enum field_names names, struct field_path *ret_path)
{
    struct field_path path = {0};
    size_t at = 0;
    while (at <= text.len) {
        const uint8_t *dot = at < text.len ? memchr(text.data + at, '.', text.len - at) : NULL;
        size_t end = dot == NULL ? text.len : (size_t)(dot - text.data);
        if (path.count == FIELD_PATH_MAX ||
            (path.count > 0 && !field_is_object(field_path_leaf(&path))))
            return false;
        if (path.count > 0)
            message = field_path_leaf(&path)->message;
        const struct registry_field *field =
            field_find(message, span_of(text.data + at, end - at), names);
        if (field == NULL)
            return false;
        path.fields[path.count++] = field;
        at = end + 1;
    }
    *ret_path = path;
    return true;
}

const char *field_path_print(const struct field_path *path, struct arena *arena)
{
    const char *text = path->fields[0]->json_name;
    for (size_t i = 1; i < path->count && text != NULL; i++)
        text = arena_printf(arena, "%s.%s", text, path->fields[i]->json_name);
    return text;
}
