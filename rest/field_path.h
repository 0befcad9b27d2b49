/*
 * Paths of fields: `book.author.name` of a template (names of the .proto), `book.author.name` of a
 * query (names of JSON).
 */
#ifndef REST_FIELD_PATH_H
#define REST_FIELD_PATH_H

#include "rpc/base/arena.h"
#include "rpc/registry.h"

/* Fields of one path: no message is nested deeper than JSON may be. */
#define FIELD_PATH_MAX 32

struct field_path {
    size_t count;
    const struct registry_field *fields[FIELD_PATH_MAX]; /* from the outermost message's */
};

enum field_names { FIELD_NAMES_PROTO, FIELD_NAMES_JSON };

/* A message's field; NULL: there is none. */
const struct registry_field *field_find(const struct registry_message *message, struct span name,
                                        enum field_names names);

/*
 * Follows a path. False where a field does not exist, or where the path goes on behind one that is
 * no single message of its own: a scalar, a list, a map, a message that JSON shows as one value
 * (those of google.protobuf).
 */
bool field_path_resolve(const struct registry_message *message, struct span text,
                        enum field_names names, struct field_path *ret_path);

/* The path in names of JSON, in the arena; NULL: that is full. */
const char *field_path_print(const struct field_path *path, struct arena *arena);

static inline const struct registry_field *field_path_leaf(const struct field_path *path)
{
    return path->fields[path->count - 1];
}

static inline bool field_is_repeated(const struct registry_field *field)
{
    return field->descriptor->label == PROTOBUF_C_LABEL_REPEATED;
}

/* Whether JSON shows the field's message as an object of its fields. */
bool field_is_object(const struct registry_field *field);

#endif
