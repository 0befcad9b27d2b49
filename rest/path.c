#include "rest/path.h"

#include "rest/chars.h"
#include "rpc/base/utf8.h"

static int hex_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

/* Decodes percent signs, and pluses in a query. False: a bad escape, or the arena is full. */
static bool decode(struct span raw, bool plus_is_space, struct arena *arena, struct span *ret_text,
                   bool *ret_exhausted)
{
    uint8_t *text = arena_alloc(arena, raw.len + 1);
    size_t len = 0;
    if (text == NULL) {
        *ret_exhausted = true;
        return false;
    }
    for (size_t i = 0; i < raw.len; i++) {
        uint8_t byte = raw.data[i];
        if (byte == '%') {
            int high = i + 2 < raw.len ? hex_value(raw.data[i + 1]) : -1;
            int low = i + 2 < raw.len ? hex_value(raw.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            byte = (uint8_t)(high * 16 + low);
            i += 2;
        } else if (byte == '+' && plus_is_space) {
            byte = ' ';
        }
        text[len++] = byte;
    }
    *ret_text = span_of(text, len);
    return true;
}

/* --- path --- */

static bool segment_is_plain(struct span segment)
{
    if (segment.len == 0 || span_equal_string(segment, ".") || span_equal_string(segment, ".."))
        return false;
    for (size_t i = 0; i < segment.len; i++) {
        uint8_t byte = segment.data[i];
        if (byte < 0x20 || byte == 0x7f || byte == '/' || byte == '\\')
            return false;
    }
    return utf8_valid((const char *)segment.data, segment.len, NULL);
}

static bool add_segment(struct span raw, struct arena *arena, struct path *path)
{
    struct span segment = raw;
    bool exhausted = false;
    if (path->count == PATH_SEGMENTS_MAX)
        return false;
    if (raw.len > 0 && memchr(raw.data, '%', raw.len) != NULL &&
        !decode(raw, false, arena, &segment, &exhausted))
        return false;
    if (!segment_is_plain(segment))
        return false;
    path->segments[path->count++] = segment;
    return true;
}

bool path_split(struct span raw, struct arena *arena, struct path *ret_path)
{
    struct path path = {0};
    if (raw.len == 0 || raw.data[0] != '/')
        return false;
    size_t at = 1;
    while (raw.len > 1 && at <= raw.len) {
        const uint8_t *slash = at < raw.len ? memchr(raw.data + at, '/', raw.len - at) : NULL;
        size_t end = slash == NULL ? raw.len : (size_t)(slash - raw.data);
        if (!add_segment(span_of(raw.data + at, end - at), arena, &path))
            return false;
        at = end + 1;
    }
    *ret_path = path;
    return true;
}

/* --- query --- */

static bool text_is_plain(struct span text)
{
    return (text.len == 0 || memchr(text.data, '\0', text.len) == NULL) &&
           utf8_valid((const char *)text.data, text.len, NULL);
}

static bool is_name(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!chars_is_alphanumeric((char)text.data[i]) && text.data[i] != '_')
            return false;
    }
    return text.len > 0;
}

/* a[b][c] → a.b.c, in place of `name`, which is ours. False: not of that form. */
static bool translate_brackets(uint8_t *name, size_t len, struct span *ret_field)
{
    size_t out = 0;
    size_t begin = 0; /* of the part under way */
    bool in_brackets = false;
    for (size_t i = 0; i <= len; i++) {
        bool ends = i == len ? !in_brackets : name[i] == (in_brackets ? ']' : '[');
        if (i == len && in_brackets)
            return false;
        if (!ends)
            continue;
        if (!is_name(span_of(name + begin, i - begin)))
            return false;
        if (out != 0)
            name[out++] = '.';
        memmove(name + out, name + begin, i - begin);
        out += i - begin;
        if (i < len && in_brackets && i + 1 < len && name[i + 1] != '[')
            return false;
        if (in_brackets) {
            i++; /* the next opening bracket, or the end */
            if (i >= len)
                break;
        }
        in_brackets = true;
        begin = i + 1;
    }
    *ret_field = span_of(name, out);
    return true;
}

static enum query_fault add_parameter(struct span raw, struct arena *arena, struct query *query,
                                      struct span *ret_field)
{
    const uint8_t *equals = memchr(raw.data, '=', raw.len);
    size_t name_len = equals == NULL ? raw.len : (size_t)(equals - raw.data);
    struct span name = {0};
    struct span value = {0};
    struct span field = {0};
    bool exhausted = false;
    *ret_field = span_of(raw.data, 0);
    if (query->count == QUERY_PARAMETERS_MAX)
        return QUERY_MALFORMED;
    if (!decode(span_of(raw.data, name_len), true, arena, &name, &exhausted))
        return exhausted ? QUERY_EXHAUSTED : QUERY_MALFORMED;
    if (!text_is_plain(name))
        return QUERY_MALFORMED;
    *ret_field = name;
    uint8_t *own = arena_alloc(arena, name.len + 1);
    if (own == NULL)
        return QUERY_EXHAUSTED;
    memcpy(own, name.data, name.len);
    if (!translate_brackets(own, name.len, &field))
        return QUERY_MALFORMED;
    *ret_field = field;
    if (equals != NULL &&
        !decode(span_of(equals + 1, raw.len - name_len - 1), true, arena, &value, &exhausted))
        return exhausted ? QUERY_EXHAUSTED : QUERY_MALFORMED;
    if (!text_is_plain(value))
        return QUERY_MALFORMED;
    for (size_t i = 0; i < query->count; i++) {
        if (span_equal(query->parameters[i].field, field))
            return QUERY_REPEATED;
    }
    query->parameters[query->count++] = (struct query_parameter){field, value};
    return QUERY_OK;
}

enum query_fault query_parse(struct span raw, struct arena *arena, struct query *ret_query,
                             struct span *ret_field)
{
    size_t at = 0;
    struct span field;
    ret_query->count = 0;
    while (at < raw.len) {
        const uint8_t *ampersand = memchr(raw.data + at, '&', raw.len - at);
        size_t end = ampersand == NULL ? raw.len : (size_t)(ampersand - raw.data);
        if (end > at) {
            enum query_fault fault =
                add_parameter(span_of(raw.data + at, end - at), arena, ret_query, &field);
            if (fault != QUERY_OK) {
                *ret_field = field;
                return fault;
            }
        }
        at = end + 1;
    }
    return QUERY_OK;
}
