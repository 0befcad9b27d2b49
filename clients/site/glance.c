/*
 * An HTML page at a glance: its tags as they stand in the text, by the rules of the HTML standard's
 * tokenizer (comments, raw text, attributes), with no tree and no text. That is all that JSON-LD,
 * OpenGraph and links need, at a tenth of a parser's cost. Microdata needs the elements around its
 * text: where a page has it for things that are sold, and where a page is so broken that a parser
 * has to guess, this gives up.
 */
#include <strings.h>

#include "clients/site/glance.h"

/* Attributes of one tag that are handed on, each with its value. */
#define ATTRIBUTES_MAX 16
#define NAME_BYTES_MAX 16

struct glance {
    const char *at, *end;
    struct arena *arena;
    const struct site_glance_sink *sink;
    const char *attributes[2 * ATTRIBUTES_MAX + 2];
    size_t attribute_count;
    bool gives_up;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

/* Goes behind the next `what`. False: there is none. Looks no further than there, unlike what the
 * ThreadSanitizer makes of memmem, for which a page of short tags is quadratic. */
static bool skip_behind(struct glance *glance, const char *what)
{
    size_t len = strlen(what);
    const char *at = glance->at;
    while ((size_t)(glance->end - at) >= len) {
        at = memchr(at, what[0], (size_t)(glance->end - at) - len + 1);
        if (at == NULL)
            return false;
        if (memcmp(at, what, len) == 0) {
            glance->at = at + len;
            return true;
        }
        at++;
    }
    return false;
}

/* Microdata's types of what is sold, or of lists and offers of it. */
static bool is_telling_type(const char *value, size_t len)
{
    static const char *const words[] = {"Product", "Vehicle", "Car",        "Offer",
                                        "List",    "Motor",   "BusOrCoach", "Truck"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (memmem(value, len, words[i], strlen(words[i])) != NULL)
            return true;
    }
    return false;
}

/* Those that somebody asks for. */
static const char *wanted_attribute(const char *name, size_t len)
{
    static const char *const names[] = {"href", "rel", "content", "property", "name", "type"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (is_word(name, len, names[i]))
            return names[i];
    }
    return NULL;
}

static void take_attribute(struct glance *glance, bool is_wanted_tag, struct span name,
                           struct span value)
{
    if (is_word((const char *)name.data, name.len, "itemtype") &&
        is_telling_type((const char *)value.data, value.len))
        glance->gives_up = true;
    const char *wanted = is_wanted_tag ? wanted_attribute((const char *)name.data, name.len) : NULL;
    if (wanted == NULL || glance->attribute_count == 2 * (size_t)ATTRIBUTES_MAX)
        return;
    const char *text = site__text_entities(value, glance->arena);
    if (text == NULL) {
        glance->gives_up = true;
        return;
    }
    glance->attributes[glance->attribute_count++] = wanted;
    glance->attributes[glance->attribute_count++] = text;
}

/* The value behind a "=", which has been passed. False: it does not end. */
static bool read_value(struct glance *glance, struct span *ret_value)
{
    while (glance->at < glance->end && is_space(*glance->at))
        glance->at++;
    if (glance->at == glance->end)
        return false;
    char quote = *glance->at;
    const char *start = glance->at;
    if (quote == '"' || quote == '\'') {
        start++;
        const char *close = memchr(start, quote, (size_t)(glance->end - start));
        if (close == NULL)
            return false;
        *ret_value = span_of(start, (size_t)(close - start));
        glance->at = close + 1;
        return true;
    }
    while (glance->at < glance->end && !is_space(*glance->at) && *glance->at != '>')
        glance->at++;
    *ret_value = span_of(start, (size_t)(glance->at - start));
    return glance->at < glance->end;
}

/* One attribute. False: the tag does not end. */
static bool read_attribute(struct glance *glance, bool is_wanted_tag)
{
    const char *name = glance->at++; /* a "=" here belongs to the name */
    while (glance->at < glance->end && !is_space(*glance->at) && *glance->at != '=' &&
           *glance->at != '>' && *glance->at != '/')
        glance->at++;
    struct span key = span_of(name, (size_t)(glance->at - name));
    struct span value = span_of("", 0);
    const char *ahead = glance->at;
    while (ahead < glance->end && is_space(*ahead))
        ahead++;
    if (ahead < glance->end && *ahead == '=') {
        glance->at = ahead + 1;
        if (!read_value(glance, &value))
            return false;
    }
    take_attribute(glance, is_wanted_tag, key, value);
    return glance->at < glance->end;
}

/* Attributes up to the tag's end, which is passed. False: it does not end. */
static bool read_attributes(struct glance *glance, bool is_wanted_tag)
{
    glance->attribute_count = 0;
    while (glance->at < glance->end) {
        char c = *glance->at;
        if (c == '>') {
            glance->at++;
            glance->attributes[glance->attribute_count] = NULL;
            return true;
        }
        if (is_space(c) || c == '/')
            glance->at++;
        else if (!read_attribute(glance, is_wanted_tag))
            return false;
    }
    return false;
}

/* Elements whose text has no tags; their own end ends them. */
static bool is_raw(const char *name, size_t len)
{
    static const char *const names[] = {"script", "style",  "title",    "textarea",
                                        "xmp",    "iframe", "noframes", "noembed"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (is_word(name, len, names[i]))
            return true;
    }
    return false;
}

/* The raw text up to the element's end tag, which is not passed. False: there is none. */
static bool read_raw(struct glance *glance, const char *name, size_t len, struct span *ret_text)
{
    const char *start = glance->at;
    for (const char *at = start; at < glance->end; at++) {
        at = memchr(at, '<', (size_t)(glance->end - at));
        if (at == NULL || (size_t)(glance->end - at) < len + 3)
            return false;
        char behind = at[len + 2];
        if (at[1] == '/' && strncasecmp(at + 2, name, len) == 0 &&
            (is_space(behind) || behind == '/' || behind == '>')) {
            *ret_text = span_of(start, (size_t)(at - start));
            glance->at = at;
            return true;
        }
    }
    return false;
}

static const char *wanted_tag(const char *name, size_t len)
{
    static const char *const names[] = {"a", "meta", "link", "script", "area", "base"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (is_word(name, len, names[i]))
            return names[i];
    }
    return NULL;
}

/* A start tag and, of a raw element, its text. False: there is no end to it. */
static bool read_tag(struct glance *glance)
{
    const char *name = glance->at;
    while (glance->at < glance->end && !is_space(*glance->at) && *glance->at != '/' &&
           *glance->at != '>')
        glance->at++;
    size_t len = (size_t)(glance->at - name);
    const char *wanted = wanted_tag(name, len);
    if (!read_attributes(glance, wanted != NULL) || is_word(name, len, "plaintext"))
        return false;
    if (wanted != NULL)
        glance->sink->tag(glance->sink->arg, wanted, glance->attributes);
    if (!is_raw(name, len))
        return true;
    struct span text;
    if (!read_raw(glance, name, len, &text))
        return false;
    if (wanted != NULL)
        glance->sink->script(glance->sink->arg, text);
    return true;
}

/* A comment, a declaration or an end tag; at its "!", "?" or "/". */
static bool skip_markup(struct glance *glance)
{
    bool is_comment = glance->end - glance->at >= 3 && memcmp(glance->at, "!--", 3) == 0;
    if (!is_comment)
        return skip_behind(glance, ">");
    glance->at++; /* the end may overlap with the beginning: <!--> is whole */
    if (glance->end - glance->at >= 3 && memcmp(glance->at, "-->", 3) == 0) {
        glance->at += 3;
        return true;
    }
    glance->at++;
    return skip_behind(glance, "-->");
}

bool site__glance(struct span text, struct arena *arena, const struct site_glance_sink *sink)
{
    const char *start = (const char *)text.data;
    struct glance glance = {.at = start, .end = start + text.len, .arena = arena, .sink = sink};
    bool ok = true;
    while (ok && !glance.gives_up && glance.at < glance.end) {
        glance.at = memchr(glance.at, '<', (size_t)(glance.end - glance.at));
        if (glance.at == NULL || ++glance.at == glance.end)
            break;
        char next = *glance.at;
        if (is_letter(next))
            ok = read_tag(&glance);
        else if (next == '!' || next == '?' || next == '/')
            ok = skip_markup(&glance);
    }
    return ok && !glance.gives_up;
}
