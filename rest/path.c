#include "rest/path.h"

#include <stdint.h>

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

bool path_is_dots(struct span text)
{
    return span_equal_string(text, ".") || span_equal_string(text, "..");
}

static bool is_segment(const struct path_segment *segment)
{
    struct span text = segment->text;
    return text.len > 0 && !path_is_dots(text) && memchr(text.data, '\0', text.len) == NULL &&
           memchr(segment->raw.data, '\\', segment->raw.len) == NULL &&
           utf8_valid((const char *)text.data, text.len, NULL);
}

static bool take_segment(struct span raw, struct arena *arena, struct path_segment *segment)
{
    bool exhausted = false;
    *segment = (struct path_segment){raw, raw};
    if (raw.len > 0 && memchr(raw.data, '%', raw.len) != NULL &&
        !decode(raw, false, arena, &segment->text, &exhausted))
        return false;
    return is_segment(segment);
}

static size_t count_slashes(struct span raw)
{
    size_t count = 0;
    for (size_t i = 0; i < raw.len; i++)
        count += raw.data[i] == '/';
    return count;
}

bool path_split(struct span raw, struct arena *arena, struct path *ret_path)
{
    struct path path = {0};
    if (raw.len == 0 || raw.data[0] != '/')
        return false;
    path.segments = arena_alloc(arena, count_slashes(raw) * sizeof *path.segments);
    if (path.segments == NULL)
        return false;
    size_t at = 1;
    while (raw.len > 1 && at <= raw.len) {
        const uint8_t *slash = at < raw.len ? memchr(raw.data + at, '/', raw.len - at) : NULL;
        size_t end = slash == NULL ? raw.len : (size_t)(slash - raw.data);
        if (!take_segment(span_of(raw.data + at, end - at), arena, &path.segments[path.count]))
            return false;
        path.count++;
        at = end + 1;
    }
    *ret_path = path;
    return true;
}

/* How many bytes the front of a well-escaped text stands for. */
static size_t decoded_len(struct span raw)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i += raw.data[i] == '%' ? 3 : 1)
        len++;
    return len;
}

bool path_find_verb(const struct path *path, struct path_segment *ret_head, struct span *ret_verb)
{
    if (path->count == 0)
        return false;
    const struct path_segment *last = &path->segments[path->count - 1];
    size_t at = last->raw.len;
    while (at > 0 && last->raw.data[at - 1] != ':')
        at--;
    if (at == 0 || at == last->raw.len)
        return false;
    ret_head->raw = span_of(last->raw.data, at - 1);
    ret_head->text = span_of(last->text.data, decoded_len(ret_head->raw));
    size_t behind = ret_head->text.len + 1;
    *ret_verb = span_of(last->text.data + behind, last->text.len - behind);
    return true;
}

static bool is_escaped_slash(struct span raw, size_t at)
{
    return at + 2 < raw.len && raw.data[at] == '%' && raw.data[at + 1] == '2' &&
           (raw.data[at + 2] == 'F' || raw.data[at + 2] == 'f');
}

/* Appends a well-escaped segment, whose escaped slashes stay as they are. */
static size_t append_segment(struct span raw, uint8_t *out)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] != '%') {
            out[len++] = raw.data[i];
        } else if (is_escaped_slash(raw, i)) {
            memcpy(out + len, raw.data + i, 3);
            len += 3;
            i += 2;
        } else {
            out[len++] = (uint8_t)(hex_value(raw.data[i + 1]) * 16 + hex_value(raw.data[i + 2]));
            i += 2;
        }
    }
    return len;
}

bool path_join(const struct path *path, size_t first, size_t end, struct arena *arena,
               struct span *ret_text)
{
    size_t size = 1;
    for (size_t i = first; i < end; i++)
        size += path->segments[i].raw.len + 1;
    uint8_t *text = arena_alloc(arena, size);
    size_t len = 0;
    if (text == NULL)
        return false;
    for (size_t i = first; i < end; i++) {
        if (i > first)
            text[len++] = '/';
        len += append_segment(path->segments[i].raw, text + len);
    }
    *ret_text = span_of(text, len);
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

/*
 * a[b].c → a.b.c, in place of `name`, which is ours: a name, then any number of `.name` and
 * `[name]`. False: not of that form.
 */
static bool translate_name(uint8_t *name, size_t len, struct span *ret_field)
{
    size_t out = 0;
    size_t at = 0;
    for (;;) {
        bool in_brackets = at > 0 && name[at - 1] == '[';
        size_t end = at;
        while (end < len && name[end] != '.' && name[end] != '[' && name[end] != ']')
            end++;
        if (!is_name(span_of(name + at, end - at)))
            return false;
        if (out > 0)
            name[out++] = '.';
        memmove(name + out, name + at, end - at);
        out += end - at;
        if (in_brackets && (end == len || name[end++] != ']'))
            return false;
        if (end == len)
            break;
        if (name[end] != '.' && name[end] != '[')
            return false;
        at = end + 1;
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
    if (!translate_name(own, name.len, &field))
        return QUERY_MALFORMED;
    *ret_field = field;
    if (equals != NULL &&
        !decode(span_of(equals + 1, raw.len - name_len - 1), true, arena, &value, &exhausted))
        return exhausted ? QUERY_EXHAUSTED : QUERY_MALFORMED;
    if (!text_is_plain(value))
        return QUERY_MALFORMED;
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

/* Whether all segments are of letters, digits and what needs no escape in a URL. */
static bool is_plain(const struct path *path)
{
    for (size_t i = 0; i < path->count; i++) {
        struct span text = path->segments[i].text;
        for (size_t j = 0; j < text.len; j++) {
            if (!chars_is_id((char)text.data[j]) && text.data[j] != '~')
                return false;
        }
    }
    return true;
}

bool path_is_page(const struct path *path)
{
    static const struct {
        const char *name;
        size_t count_min, count_max; /* segments, with this one */
    } pages[] = {
        {"login", 1, 1},      {"signup", 1, 1},       {"onboarding", 2, SIZE_MAX},
        {"app", 1, SIZE_MAX}, {"admin", 1, SIZE_MAX},
    };
    if (path->count == 0)
        return true;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (span_equal_string(path->segments[0].text, pages[i].name))
            return path->count >= pages[i].count_min && path->count <= pages[i].count_max &&
                   is_plain(path);
    }
    return false;
}
