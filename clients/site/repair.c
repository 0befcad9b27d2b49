/*
 * JSON as people write it by hand or glue it together, put right where there is but one way to
 * mean it: comments, commas with nothing behind them, escapes that JSON does not have, line breaks
 * and quotes in strings, a text whose quotes are entities. For what does not parse as it is.
 */
#include "clients/site/internal.h"

/* How far behind a quote is looked for what has to follow a string: no text can make this slow. */
#define AHEAD_BYTES 256

struct repair {
    const char *at, *end;
    char *out;
    size_t len;
};

static bool is_space(char c)
{
    return (uint8_t)c <= ' ';
}

/* Where the white space and comments at `at` end. */
static const char *skip_blank(const char *at, const char *end)
{
    for (;;) {
        while (at < end && is_space(*at))
            at++;
        if (end - at < 2 || at[0] != '/' || (at[1] != '/' && at[1] != '*'))
            return at;
        bool is_line = at[1] == '/';
        const char *close = is_line ? memchr(at, '\n', (size_t)(end - at))
                                    : memmem(at + 2, (size_t)(end - at) - 2, "*/", 2);
        if (close == NULL)
            return end;
        at = close + (is_line ? 1 : 2);
    }
}

/* Whether the quote at `at` ends a string: something has to come behind it. */
static bool is_closing(const struct repair *repair, const char *at)
{
    size_t left = (size_t)(repair->end - at) - 1;
    const char *limit = at + 1 + (left < AHEAD_BYTES ? left : AHEAD_BYTES);
    const char *behind = skip_blank(at + 1, limit);
    return behind == limit || (*behind != '\0' && strchr(",}]:", *behind) != NULL);
}

/* At a backslash in a string. */
static void take_escape(struct repair *repair)
{
    char next = repair->end - repair->at > 1 ? repair->at[1] : '\0';
    bool is_known = next != '\0' && strchr("\"\\/bfnrtu", next) != NULL;
    if (is_known)
        repair->out[repair->len++] = '\\';
    if (is_known)
        repair->out[repair->len++] = next;
    repair->at += is_known ? 2 : 1; /* else the character stands for itself */
}

/* A string, from its opening quote on. */
static void take_string(struct repair *repair)
{
    repair->out[repair->len++] = *repair->at++;
    while (repair->at < repair->end) {
        char c = *repair->at;
        if (c == '\\') {
            take_escape(repair);
            continue;
        }
        repair->at++;
        if (c == '"' && is_closing(repair, repair->at - 1)) {
            repair->out[repair->len++] = c;
            return;
        }
        if (c == '"')
            repair->out[repair->len++] = '\\';
        repair->out[repair->len++] = is_space(c) ? ' ' : c;
    }
}

/* A comma counts when a value comes behind it. */
static void take_comma(struct repair *repair)
{
    const char *behind = skip_blank(++repair->at, repair->end);
    char before = repair->len == 0 ? '[' : repair->out[repair->len - 1];
    bool is_last = behind == repair->end || *behind == '\0' || strchr("}],", *behind) != NULL;
    if (!is_last && strchr("{[,", before) == NULL)
        repair->out[repair->len++] = ',';
}

/* Quotes that are entities: all of the text is an attribute's, or was escaped for a page. */
static struct span without_entities(struct span text, struct arena *arena)
{
    bool is_quoted = memchr(text.data, '"', text.len) != NULL ||
                     (memmem(text.data, text.len, "&quot;", 6) == NULL &&
                      memmem(text.data, text.len, "&#34;", 5) == NULL);
    const char *decoded = is_quoted ? NULL : site__text_entities(text, arena);
    return decoded == NULL ? text : span_of_string(decoded);
}

bool site__json_repair(struct span text, struct arena *arena, struct span *ret_text)
{
    text = without_entities(text, arena);
    /* Each byte may get a backslash before it. */
    char *out = arena_alloc(arena, 2 * text.len + 1);
    if (out == NULL)
        return false;
    const char *start = (const char *)text.data;
    struct repair repair = {.at = start, .end = start + text.len, .out = out};
    repair.at = skip_blank(repair.at, repair.end);
    while (repair.at < repair.end) {
        if (*repair.at == '"')
            take_string(&repair);
        else if (*repair.at == ',')
            take_comma(&repair);
        else
            out[repair.len++] = *repair.at++;
        repair.at = skip_blank(repair.at, repair.end);
    }
    *ret_text = span_of(out, repair.len);
    return true;
}
