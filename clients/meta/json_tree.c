/*
 * The tree is built by yajl's callbacks with a stack of the open containers, so that no input
 * makes us recurse; printing walks it with a stack of the same depth.
 */
#include "clients/meta/json_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <yajl/yajl_parse.h>

#include "rpc/base/utf8.h"

/* Longest text of an integer, in bytes. */
#define INTEGER_TEXT_BYTES_MAX 20

struct builder {
    struct arena *arena;
    struct json_tree *root;
    struct json_tree *open[JSON_TREE_DEPTH_MAX];
    size_t depth;
    const char *key; /* of the member that comes next */
};

static char *copy_clean(struct arena *arena, const unsigned char *text, size_t len)
{
    char *copy = arena_strndup(arena, text, len);
    if (copy == NULL)
        return NULL;
    size_t at = 0;
    while (at < len) {
        size_t step = copy[at] == '\0' ? 0 : utf8_sequence_length(copy + at, len - at);
        if (step == 0) {
            copy[at] = '?';
            step = 1;
        }
        at += step;
    }
    return copy;
}

static struct json_tree *add(struct builder *builder, enum json_tree_kind kind)
{
    struct json_tree *node = arena_calloc(builder->arena, 1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->kind = kind;
    node->key = builder->key;
    builder->key = NULL;
    if (builder->depth == 0) {
        builder->root = node;
        return node;
    }
    struct json_tree *parent = builder->open[builder->depth - 1];
    if (parent->last == NULL)
        parent->first = node;
    else
        parent->last->next = node;
    parent->last = node;
    parent->count++;
    return node;
}

static int on_null(void *arg)
{
    return add(arg, JSON_TREE_NULL) != NULL;
}

static int on_boolean(void *arg, int value)
{
    struct json_tree *node = add(arg, JSON_TREE_BOOL);
    if (node == NULL)
        return 0;
    node->boolean = value != 0;
    return 1;
}

static int add_text(struct builder *builder, enum json_tree_kind kind, const unsigned char *text,
                    size_t len)
{
    struct json_tree *node = add(builder, kind);
    if (node == NULL)
        return 0;
    node->text = copy_clean(builder->arena, text, len);
    node->text_len = len;
    return node->text != NULL;
}

static int on_number(void *arg, const char *text, size_t len)
{
    return add_text(arg, JSON_TREE_NUMBER, (const unsigned char *)text, len);
}

static int on_string(void *arg, const unsigned char *text, size_t len)
{
    return add_text(arg, JSON_TREE_STRING, text, len);
}

static int on_key(void *arg, const unsigned char *text, size_t len)
{
    struct builder *builder = arg;
    builder->key = copy_clean(builder->arena, text, len);
    return builder->key != NULL;
}

static int push(struct builder *builder, enum json_tree_kind kind)
{
    if (builder->depth == JSON_TREE_DEPTH_MAX)
        return 0;
    struct json_tree *node = add(builder, kind);
    if (node == NULL)
        return 0;
    builder->open[builder->depth++] = node;
    return 1;
}

static int on_map_start(void *arg)
{
    return push(arg, JSON_TREE_OBJECT);
}

static int on_array_start(void *arg)
{
    return push(arg, JSON_TREE_ARRAY);
}

static int on_end(void *arg)
{
    struct builder *builder = arg;
    builder->depth--;
    return 1;
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_map_key = on_key,
    .yajl_start_map = on_map_start,
    .yajl_end_map = on_end,
    .yajl_start_array = on_array_start,
    .yajl_end_array = on_end,
};

bool json_tree_parse(struct span text, struct arena *arena, const struct json_tree **ret_tree)
{
    struct builder builder = {.arena = arena};
    yajl_handle parser = yajl_alloc(&callbacks, NULL, &builder);
    if (parser == NULL)
        return false;
    yajl_config(parser, yajl_dont_validate_strings, 1);
    bool parsed = yajl_parse(parser, text.data, text.len) == yajl_status_ok &&
                  yajl_complete_parse(parser) == yajl_status_ok && builder.root != NULL;
    yajl_free(parser);
    if (parsed)
        *ret_tree = builder.root;
    return parsed;
}

const struct json_tree *json_tree_get(const struct json_tree *object, const char *key)
{
    if (object == NULL || object->kind != JSON_TREE_OBJECT)
        return NULL;
    for (const struct json_tree *member = object->first; member != NULL; member = member->next)
        if (strcmp(member->key, key) == 0)
            return member;
    return NULL;
}

const char *json_tree_text(const struct json_tree *value)
{
    if (value == NULL || (value->kind != JSON_TREE_STRING && value->kind != JSON_TREE_NUMBER))
        return NULL;
    return value->text;
}

const char *json_tree_get_text(const struct json_tree *object, const char *key)
{
    return json_tree_text(json_tree_get(object, key));
}

bool json_tree_integer(const struct json_tree *value, int64_t *ret_value)
{
    const char *text = json_tree_text(value);
    if (text == NULL || value->text_len == 0 || value->text_len > INTEGER_TEXT_BYTES_MAX)
        return false;
    size_t start = text[0] == '-' ? 1 : 0;
    if (text[start] == '\0' || strspn(text + start, "0123456789") != value->text_len - start)
        return false;
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    if (errno != 0)
        return false;
    *ret_value = number;
    return true;
}

bool json_tree_true(const struct json_tree *value)
{
    return value != NULL && value->kind == JSON_TREE_BOOL && value->boolean;
}

void json_tree_print_string(const char *text, struct buffer *out)
{
    (void)buffer_append_byte(out, '"');
    const char *run = text;
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        (void)buffer_append(out, run, (size_t)(at - run));
        run = at + 1;
        if (byte < 0x20)
            (void)buffer_printf(out, "\\u%04x", byte);
        else
            (void)buffer_printf(out, "\\%c", byte);
    }
    (void)buffer_append_string(out, run);
    (void)buffer_append_byte(out, '"');
}

static bool is_container(const struct json_tree *node)
{
    return node->kind == JSON_TREE_ARRAY || node->kind == JSON_TREE_OBJECT;
}

static void print_scalar(const struct json_tree *node, struct buffer *out)
{
    switch (node->kind) {
    case JSON_TREE_NULL:
        (void)buffer_append_string(out, "null");
        break;
    case JSON_TREE_BOOL:
        (void)buffer_append_string(out, node->boolean ? "true" : "false");
        break;
    case JSON_TREE_NUMBER:
        (void)buffer_append_string(out, node->text);
        break;
    case JSON_TREE_STRING:
        json_tree_print_string(node->text, out);
        break;
    case JSON_TREE_ARRAY:
        (void)buffer_append_byte(out, '[');
        break;
    case JSON_TREE_OBJECT:
        (void)buffer_append_byte(out, '{');
        break;
    }
}

void json_tree_print(const struct json_tree *value, struct buffer *out)
{
    const struct json_tree *open[JSON_TREE_DEPTH_MAX];
    size_t depth = 0;
    const struct json_tree *node = value;
    while (node != NULL || depth > 0) {
        if (node == NULL) { /* the innermost container is through */
            const struct json_tree *ended = open[--depth];
            (void)buffer_append_byte(out, ended->kind == JSON_TREE_ARRAY ? ']' : '}');
            node = depth == 0 ? NULL : ended->next;
            if (node != NULL)
                (void)buffer_append_byte(out, ',');
            continue;
        }
        if (depth > 0 && node->key != NULL) {
            json_tree_print_string(node->key, out);
            (void)buffer_append_byte(out, ':');
        }
        print_scalar(node, out);
        if (is_container(node)) {
            open[depth++] = node;
            node = node->first;
            continue;
        }
        node = depth == 0 ? NULL : node->next;
        if (node != NULL)
            (void)buffer_append_byte(out, ',');
    }
}
