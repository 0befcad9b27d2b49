/*
 * The tree that JSON-LD and microdata are read into, and JSON-LD's own ways. yajl parses; depth,
 * number of values and bytes are bounded here, and its leniency about strings is put right when a
 * text is cleaned (text.c).
 */
#include <yajl/yajl_parse.h>

#include "clients/site/internal.h"

#define DEPTH_MAX 64
/* Values of one block at most, and of a page of a shop's interface. */
#define VALUES_MAX 200000
#define VALUES_LARGE_MAX 1000000

struct site_value *site__value_create(enum site_value_kind kind, struct arena *arena)
{
    struct site_value *value = arena_calloc(arena, 1, sizeof *value);
    if (value != NULL) {
        value->kind = kind;
        value->key = "";
    }
    return value;
}

void site__value_add(struct site_value *parent, const char *key, struct site_value *value)
{
    value->key = key;
    if (parent->last == NULL)
        parent->first = value;
    else
        parent->last->next = value;
    parent->last = value;
}

bool site__value_add_text(struct site_value *parent, const char *key, struct span text,
                          struct arena *arena)
{
    struct site_value *value = site__value_create(SITE_VALUE_STRING, arena);
    if (value == NULL)
        return false;
    value->text = text;
    site__value_add(parent, key, value);
    return true;
}

struct site_value *site__value_get(const struct site_value *object, const char *key)
{
    if (object == NULL || object->kind != SITE_VALUE_OBJECT)
        return NULL;
    for (struct site_value *at = object->first; at != NULL; at = at->next) {
        const char *name = strncmp(at->key, "schema:", 7) == 0 ? at->key + 7 : at->key;
        if (strcmp(name, key) == 0)
            return at;
    }
    return NULL;
}

struct builder {
    struct arena *arena;
    struct site_value *open[DEPTH_MAX + 1]; /* [0] is an array of what is on top */
    const char *keys[DEPTH_MAX + 1];        /* the key that awaits its value */
    size_t depth;
    size_t values, values_max;
};

static struct site_value *add(struct builder *builder, enum site_value_kind kind)
{
    struct site_value *value =
        builder->values++ < builder->values_max ? site__value_create(kind, builder->arena) : NULL;
    if (value != NULL)
        site__value_add(builder->open[builder->depth], builder->keys[builder->depth], value);
    return value;
}

static int on_null(void *arg)
{
    return add(arg, SITE_VALUE_NULL) != NULL;
}

static int on_bool(void *arg, int truth)
{
    struct site_value *value = add(arg, SITE_VALUE_BOOL);
    if (value != NULL)
        value->truth = truth != 0;
    return value != NULL;
}

static int add_text(struct builder *builder, enum site_value_kind kind, const void *text,
                    size_t len)
{
    struct site_value *value = add(builder, kind);
    char *copy = value == NULL ? NULL : arena_strndup(builder->arena, text, len);
    if (copy == NULL)
        return 0;
    value->text = span_of(copy, len);
    return 1;
}

static int on_number(void *arg, const char *text, size_t len)
{
    return add_text(arg, SITE_VALUE_NUMBER, text, len);
}

static int on_string(void *arg, const unsigned char *text, size_t len)
{
    return add_text(arg, SITE_VALUE_STRING, text, len);
}

static int on_key(void *arg, const unsigned char *text, size_t len)
{
    struct builder *builder = arg;
    const char *key = arena_strndup(builder->arena, text, len);
    builder->keys[builder->depth] = key == NULL ? "" : key;
    return key != NULL;
}

static int open_value(struct builder *builder, enum site_value_kind kind)
{
    struct site_value *value = builder->depth == DEPTH_MAX ? NULL : add(builder, kind);
    if (value == NULL)
        return 0;
    builder->depth++;
    builder->open[builder->depth] = value;
    builder->keys[builder->depth] = "";
    return 1;
}

static int on_open_object(void *arg)
{
    return open_value(arg, SITE_VALUE_OBJECT);
}

static int on_open_array(void *arg)
{
    return open_value(arg, SITE_VALUE_ARRAY);
}

static int on_close(void *arg)
{
    struct builder *builder = arg;
    builder->depth--;
    return 1;
}

static bool begins(struct span text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.data, with, len) == 0;
}

static bool ends(struct span text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && memcmp(text.data + text.len - len, with, len) == 0;
}

static void skip(struct span *text, size_t len)
{
    text->data += len;
    text->len -= len;
}

static bool is_space(uint8_t c)
{
    return c <= 0x20;
}

/* Takes one wrapping off the front: white space, a comment, or a mark that hides a script. */
static bool unwrap_front(struct span *text)
{
    if (text->len > 0 && is_space(text->data[0])) {
        skip(text, 1);
    } else if (begins(*text, "\xef\xbb\xbf")) {
        skip(text, 3);
    } else if (begins(*text, "<!--")) {
        skip(text, 4);
    } else if (begins(*text, "<![CDATA[")) {
        skip(text, 9);
    } else if (begins(*text, "//")) {
        skip(text, 2);
        while (text->len > 0 && (text->data[0] == ' ' || text->data[0] == '\t'))
            skip(text, 1);
        while (!begins(*text, "<![CDATA[") && text->len > 0 && text->data[0] != '\n')
            skip(text, 1);
    } else if (begins(*text, "/*")) {
        const uint8_t *end = memmem(text->data, text->len, "*/", 2);
        skip(text, end == NULL ? text->len : (size_t)(end - text->data) + 2);
    } else {
        return false;
    }
    return true;
}

static bool unwrap_back(struct span *text)
{
    static const char *const marks[] = {"-->", "]]>", "//", ";"};
    if (text->len > 0 && is_space(text->data[text->len - 1])) {
        text->len--;
        return true;
    }
    if (ends(*text, "*/")) {
        size_t at = text->len - 2;
        while (at >= 2 && memcmp(text->data + at - 2, "/*", 2) != 0)
            at--;
        text->len = at < 2 ? 0 : at - 2;
        return true;
    }
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        if (ends(*text, marks[i])) {
            text->len -= strlen(marks[i]);
            return true;
        }
    }
    return false;
}

/* A copy in which control characters are spaces: JSON has none in strings, pages do. */
static char *copy_without_controls(struct span text, struct arena *arena)
{
    char *copy = arena_strndup(arena, text.data, text.len);
    for (size_t i = 0; copy != NULL && i < text.len; i++) {
        if ((uint8_t)copy[i] < 0x20)
            copy[i] = ' ';
    }
    return copy;
}

static bool parse_json(struct span text, size_t values_max, struct arena *arena,
                       struct site_value **ret_value)
{
    static const yajl_callbacks callbacks = {
        .yajl_null = on_null,
        .yajl_boolean = on_bool,
        .yajl_number = on_number,
        .yajl_string = on_string,
        .yajl_start_map = on_open_object,
        .yajl_map_key = on_key,
        .yajl_end_map = on_close,
        .yajl_start_array = on_open_array,
        .yajl_end_array = on_close,
    };
    struct site_value *root = site__value_create(SITE_VALUE_ARRAY, arena);
    if (root == NULL)
        return false;
    struct builder builder = {
        .arena = arena, .open = {root}, .keys = {""}, .values_max = values_max};
    yajl_handle parser = yajl_alloc(&callbacks, NULL, &builder);
    if (parser == NULL)
        return false;
    (void)yajl_config(parser, yajl_allow_comments, 1);
    (void)yajl_config(parser, yajl_allow_multiple_values, 1);
    (void)yajl_config(parser, yajl_dont_validate_strings, 1);
    bool ok = yajl_parse(parser, text.data, text.len) == yajl_status_ok &&
              yajl_complete_parse(parser) == yajl_status_ok && root->first != NULL;
    yajl_free(parser);
    if (!ok)
        return false;
    *ret_value = root->first == root->last ? root->first : root;
    return true;
}

static bool parse(struct span text, size_t values_max, struct arena *arena,
                  struct site_value **ret_value)
{
    while (unwrap_front(&text)) {
    }
    while (unwrap_back(&text)) {
    }
    char *copy = text.len == 0 ? NULL : copy_without_controls(text, arena);
    if (copy == NULL)
        return false;
    struct span repaired;
    return parse_json(span_of(copy, text.len), values_max, arena, ret_value) ||
           (site__json_repair(text, arena, &repaired) &&
            parse_json(repaired, values_max, arena, ret_value));
}

bool site__value_parse(struct span text, struct arena *arena, struct site_value **ret_value)
{
    return parse(text, VALUES_MAX, arena, ret_value);
}

bool site__value_parse_large(struct span text, struct arena *arena, struct site_value **ret_value)
{
    return parse(text, VALUES_LARGE_MAX, arena, ret_value);
}
