/*
 * Text from outside: decoding of pages into UTF-8, and cleaning of what is kept.
 */
#include <iconv.h>
#include <libxml/HTMLparser.h>
#include <strings.h>

#include "clients/site/internal.h"
#include "rpc/base/utf8.h"

/* How far a <meta charset> is looked for, as browsers do. */
#define META_BYTES_MAX 2048
#define CHARSET_BYTES_MAX 40
/* Longest entity, "&CounterClockwiseContourIntegral;" included. */
#define ENTITY_BYTES_MAX 40
/* Longest tag or comment that is taken out. */
#define TAG_BYTES_MAX 2048

/* ---- decoding ---- */

/* Copies the charset's name that begins at `at`; false if there is none of a usable form. */
static bool take_charset(const char *at, const char *end, char name[static CHARSET_BYTES_MAX + 1])
{
    while (at < end && (*at == ' ' || *at == '"' || *at == '\'' || *at == '='))
        at++;
    size_t len = 0;
    while (at + len < end && len < CHARSET_BYTES_MAX &&
           (((at[len] | 32) >= 'a' && (at[len] | 32) <= 'z') ||
            (at[len] >= '0' && at[len] <= '9') || strchr("-_.:", at[len]) != NULL) &&
           at[len] != '\0')
        len++;
    memcpy(name, at, len);
    name[len] = '\0';
    return len > 0;
}

static const char *find_word(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);
    for (; at + len <= end; at++) {
        if (strncasecmp(at, word, len) == 0)
            return at;
    }
    return NULL;
}

/* What the page says of itself, in a <meta>. */
static bool meta_charset(struct span bytes, char name[static CHARSET_BYTES_MAX + 1])
{
    const char *at = (const char *)bytes.data;
    const char *end = at + (bytes.len < META_BYTES_MAX ? bytes.len : META_BYTES_MAX);
    for (;;) {
        at = find_word(at, end, "<meta");
        if (at == NULL)
            return false;
        const char *close = memchr(at, '>', (size_t)(end - at));
        const char *limit = close == NULL ? end : close;
        const char *word = find_word(at, limit, "charset=");
        if (word != NULL)
            return take_charset(word + 8, limit, name);
        at = limit;
    }
}

/* How many bytes at the front are ASCII, eight at a time: most of a page is. */
static size_t ascii_length(const uint8_t *at, size_t len)
{
    size_t done = 0;
    for (uint64_t word; done + sizeof word <= len; done += sizeof word) {
        memcpy(&word, at + done, sizeof word);
        if ((word & 0x8080808080808080u) != 0)
            break;
    }
    return done;
}

/* Copies UTF-8 with U+FFFD for what is not, and a space for NUL. */
static bool copy_utf8(struct span bytes, struct arena *arena, struct span *ret_text)
{
    size_t bad = 0;
    for (size_t i = ascii_length(bytes.data, bytes.len); i < bytes.len;) {
        size_t len = utf8_sequence_length((const char *)bytes.data + i, bytes.len - i);
        bad += len == 0;
        i += len == 0 ? 1 : len;
        if (len == 1)
            i += ascii_length(bytes.data + i, bytes.len - i);
    }
    char *out = arena_alloc(arena, bytes.len + 2 * bad + 1);
    if (out == NULL)
        return false;
    size_t used = 0;
    for (size_t i = 0; i < bytes.len;) {
        size_t len = ascii_length(bytes.data + i, bytes.len - i);
        if (len == 0)
            len = utf8_sequence_length((const char *)bytes.data + i, bytes.len - i);
        if (len == 0) {
            memcpy(out + used, "\xef\xbf\xbd", 3);
            used += 3;
            i++;
            continue;
        }
        memcpy(out + used, bytes.data + i, len);
        used += len;
        i += len;
    }
    for (char *nul = memchr(out, '\0', used); nul != NULL;
         nul = memchr(nul, '\0', used - (size_t)(nul - out)))
        *nul = ' ';
    out[used] = '\0';
    *ret_text = span_of(out, used);
    return true;
}

/* Converts as far as the charset is known; bytes that mean nothing in it are U+FFFD. */
static bool convert(struct span bytes, const char *charset, struct arena *arena,
                    struct span *ret_text)
{
    /* Browsers read Latin-1 and ASCII as windows-1252. */
    if (strcasecmp(charset, "iso-8859-1") == 0 || strcasecmp(charset, "latin1") == 0 ||
        strcasecmp(charset, "us-ascii") == 0)
        charset = "windows-1252";
    iconv_t handle = strcasecmp(charset, "utf-7") == 0 ? (iconv_t)-1 : iconv_open("UTF-8", charset);
    if (handle == (iconv_t)-1)
        return false;
    size_t room = bytes.len * 4 + 4;
    char *out = arena_alloc(arena, room);
    if (out == NULL) {
        (void)iconv_close(handle);
        return false;
    }
    char *in_at = (char *)(uintptr_t)bytes.data;
    size_t in_left = bytes.len;
    char *out_at = out;
    size_t out_left = room;
    while (in_left > 0 && out_left >= 4) {
        if (iconv(handle, &in_at, &in_left, &out_at, &out_left) != (size_t)-1 || in_left == 0)
            break;
        if (out_left < 4)
            break;
        memcpy(out_at, "\xef\xbf\xbd", 3);
        out_at += 3;
        out_left -= 3;
        in_at++;
        in_left--;
    }
    (void)iconv_close(handle);
    return copy_utf8(span_of(out, (size_t)(out_at - out)), arena, ret_text);
}

bool site__text_decode(struct span bytes, const char *content_type, struct arena *arena,
                       struct span *ret_text)
{
    char charset[CHARSET_BYTES_MAX + 1] = "";
    if (bytes.len >= 3 && memcmp(bytes.data, "\xef\xbb\xbf", 3) == 0)
        return copy_utf8(span_of(bytes.data + 3, bytes.len - 3), arena, ret_text);
    if (bytes.len >= 2 && memcmp(bytes.data, "\xff\xfe", 2) == 0)
        return convert(span_of(bytes.data + 2, bytes.len - 2), "UTF-16LE", arena, ret_text);
    if (bytes.len >= 2 && memcmp(bytes.data, "\xfe\xff", 2) == 0)
        return convert(span_of(bytes.data + 2, bytes.len - 2), "UTF-16BE", arena, ret_text);
    const char *end = content_type == NULL ? NULL : content_type + strlen(content_type);
    const char *word = content_type == NULL ? NULL : find_word(content_type, end, "charset=");
    bool known = word != NULL && take_charset(word + 8, end, charset);
    if (!known)
        known = meta_charset(bytes, charset);
    bool is_utf8 = known && (strcasecmp(charset, "utf-8") == 0 || strcasecmp(charset, "utf8") == 0);
    if (known && !is_utf8 && convert(bytes, charset, arena, ret_text))
        return true;
    if (!known && !utf8_valid((const char *)bytes.data, bytes.len, NULL) &&
        convert(bytes, "windows-1252", arena, ret_text))
        return true;
    return copy_utf8(bytes, arena, ret_text);
}

/* ---- cleaning ---- */

/* Decodes the entity at `text`; its bytes, or 0 if there is none. */
static size_t take_entity(struct span text, uint32_t *ret_point)
{
    size_t max = text.len < ENTITY_BYTES_MAX ? text.len : ENTITY_BYTES_MAX;
    const uint8_t *end = max == 0 ? NULL : memchr(text.data, ';', max);
    if (end == NULL || end < text.data + 3)
        return 0;
    size_t len = (size_t)(end - text.data) + 1;
    char name[ENTITY_BYTES_MAX + 1];
    memcpy(name, text.data + 1, len - 2);
    name[len - 2] = '\0';
    if (name[0] != '#') {
        const htmlEntityDesc *entity = htmlEntityLookup((const xmlChar *)name);
        *ret_point = entity != NULL ? entity->value : strcmp(name, "apos") == 0 ? '\'' : 0;
        return *ret_point == 0 ? 0 : len;
    }
    bool is_hex = (name[1] | 32) == 'x';
    uint32_t point = 0;
    const char *at = name + (is_hex ? 2 : 1);
    if (*at == '\0')
        return 0;
    for (; *at != '\0'; at++) {
        int digit = *at >= '0' && *at <= '9' ? *at - '0' : -1;
        if (is_hex && (*at | 32) >= 'a' && (*at | 32) <= 'f')
            digit = (*at | 32) - 'a' + 10;
        if (digit < 0 || point > 0x10ffff)
            return 0;
        point = point * (is_hex ? 16 : 10) + (uint32_t)digit;
    }
    *ret_point = point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff) ? 0xfffd : point;
    return len;
}

/* The bytes of a tag or comment at `text` (a "<"), or 0 if it is a plain "<". */
static size_t tag_length(struct span text)
{
    if (text.len < 3)
        return 0;
    if (text.len > TAG_BYTES_MAX)
        text.len = TAG_BYTES_MAX;
    uint8_t next = text.data[1] | 32;
    if (!(next >= 'a' && next <= 'z') && text.data[1] != '/' && text.data[1] != '!')
        return 0;
    bool is_comment = text.len >= 7 && memcmp(text.data, "<!--", 4) == 0;
    for (size_t i = 4; is_comment && i + 3 <= text.len; i++) {
        if (memcmp(text.data + i, "-->", 3) == 0)
            return i + 3;
    }
    const uint8_t *end = memchr(text.data, '>', text.len);
    return end == NULL ? 0 : (size_t)(end - text.data) + 1;
}

/* Whether the tag stands within a word or a line; any other one separates words. */
static bool is_inline_tag(struct span tag)
{
    static const char *const names[] = {"a", "abbr",  "b",    "em",     "font", "i",   "mark", "q",
                                        "s", "small", "span", "strong", "sub",  "sup", "u"};
    size_t start = tag.data[1] == '/' ? 2 : 1;
    size_t len = 0;
    while (start + len < tag.len && (tag.data[start + len] | 32) >= 'a' &&
           (tag.data[start + len] | 32) <= 'z')
        len++;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (len == strlen(names[i]) &&
            strncasecmp((const char *)tag.data + start, names[i], len) == 0)
            return true;
    }
    return false;
}

/* Characters that are dropped: controls, soft hyphen, direction overrides and isolates, byte order
 * mark. */
static bool is_dropped(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point <= 0x9f) || point == 0xad ||
           (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) ||
           point == 0xfeff || (point >= 0xfff9 && point <= 0xfffb);
}

static bool is_space(uint32_t point)
{
    return (point >= 9 && point <= 13) || point == 0x20 || point == 0x85 || point == 0xa0 ||
           (point >= 0x2000 && point <= 0x200a) || point == 0x2028 || point == 0x2029 ||
           point == 0x202f || point == 0x3000;
}

static uint32_t code_point(const uint8_t *at, size_t len)
{
    static const uint8_t masks[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = at[0] & masks[len];
    for (size_t i = 1; i < len; i++)
        point = point << 6 | (at[i] & 0x3f);
    return point;
}

/* Entities become characters. `out` is as long as the text: an entity is never shorter than what it
 * stands for. */
static size_t decode_entities(struct span text, uint8_t *out)
{
    size_t used = 0;
    for (size_t i = 0; i < text.len;) {
        uint32_t point = 0;
        size_t entity =
            text.data[i] == '&' ? take_entity(span_of(text.data + i, text.len - i), &point) : 0;
        char bytes[4];
        size_t len = entity == 0 ? 0 : utf8_encode(point, bytes);
        if (entity == 0 || len > entity) {
            out[used++] = text.data[i++];
            continue;
        }
        memcpy(out + used, bytes, len);
        used += len;
        i += entity;
    }
    return used;
}

const char *site__text_entities(struct span text, struct arena *arena)
{
    if (text.len == 0 || memchr(text.data, '&', text.len) == NULL)
        return arena_strndup(arena, text.len == 0 ? "" : (const void *)text.data, text.len);
    uint8_t *out = arena_alloc(arena, text.len + 1);
    if (out != NULL)
        out[decode_entities(text, out)] = '\0';
    return (const char *)out;
}

const char *site__text_clean(struct span text, size_t bytes_max, struct arena *arena)
{
    /* Far more than is kept is not looked at: markup may be ten times the text. */
    size_t limit = bytes_max * 16;
    if (text.len > limit)
        text.len = limit;
    uint8_t *decoded = arena_alloc(arena, text.len + 1);
    char *out = arena_alloc(arena, text.len + 1);
    if (text.len == 0 || decoded == NULL || out == NULL)
        return NULL;
    text = span_of(decoded, decode_entities(text, decoded));
    size_t used = 0;
    bool space = false;
    for (size_t i = 0; i < text.len;) {
        size_t tag = text.data[i] == '<' ? tag_length(span_of(text.data + i, text.len - i)) : 0;
        size_t len = utf8_sequence_length((const char *)text.data + i, text.len - i);
        uint32_t point = len == 0 ? 0 : code_point(text.data + i, len);
        if (tag > 0 || is_space(point)) {
            space = space || tag == 0 || !is_inline_tag(span_of(text.data + i, tag));
            i += tag > 0 ? tag : len;
            continue;
        }
        if (len == 0 || is_dropped(point)) {
            i += len == 0 ? 1 : len;
            continue;
        }
        size_t wanted = len + (space && used > 0 ? 1 : 0);
        if (used + wanted > bytes_max)
            break;
        if (space && used > 0)
            out[used++] = ' ';
        space = false;
        memcpy(out + used, text.data + i, len);
        used += len;
        i += len;
    }
    out[used] = '\0';
    return used == 0 ? NULL : out;
}
