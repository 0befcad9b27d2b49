/*
 * A JSON value as a tree in an arena: for answers whose shape is another party's. Numbers keep
 * their text, so that money is read exactly. Anyone who reads others' JSON may use it.
 */
#ifndef CLIENTS_META_JSON_TREE_H
#define CLIENTS_META_JSON_TREE_H

#include "rpc/base/arena.h"
#include "rpc/base/buffer.h"

/* Nesting at most, of objects and arrays together. */
#define JSON_TREE_DEPTH_MAX 64

enum json_tree_kind {
    JSON_TREE_NULL,
    JSON_TREE_BOOL,
    JSON_TREE_NUMBER,
    JSON_TREE_STRING,
    JSON_TREE_ARRAY,
    JSON_TREE_OBJECT,
};

struct json_tree {
    enum json_tree_kind kind;
    bool boolean;
    const char *key;  /* of a member of an object, else NULL */
    const char *text; /* of a string (valid UTF-8, no NUL inside) or a number as it was written */
    size_t text_len;
    size_t count; /* elements or members */
    struct json_tree *first;
    struct json_tree *last;
    struct json_tree *next; /* sibling */
};

/*
 * Parses one JSON value into `arena`. False when it is not one, is nested too deep or the arena is
 * full. Bytes that are not UTF-8, and NULs, become '?'. Of duplicate members json_tree_get finds
 * the first.
 */
bool json_tree_parse(struct span text, struct arena *arena, const struct json_tree **ret_tree)
    __attribute__((warn_unused_result));

/* Each accepts NULL for the tree, so that look-ups can be chained. */

/* The member of an object, or NULL. */
const struct json_tree *json_tree_get(const struct json_tree *object, const char *key);
/* The text of a string, or of a number as it is written; NULL for anything else. */
const char *json_tree_text(const struct json_tree *value);
/* The same of a member. */
const char *json_tree_get_text(const struct json_tree *object, const char *key);
/* An integer, also one that is written in a string. False for anything else or out of range. */
bool json_tree_integer(const struct json_tree *value, int64_t *ret_value);
/* Whether it is `true`. */
bool json_tree_true(const struct json_tree *value);

/* Appends the value as compact JSON; the buffer keeps a failure. */
void json_tree_print(const struct json_tree *value, struct buffer *out);
/* Appends `text` (valid UTF-8) as a JSON string with its quotes. */
void json_tree_print_string(const char *text, struct buffer *out);

#endif
