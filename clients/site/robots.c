/*
 * robots.txt, RFC 9309: groups, the longest match wins, Allow on a tie. Crawl-delay and Sitemap are
 * the usual extensions.
 */
#include <stdlib.h>
#include <strings.h>

#include "clients/site/internal.h"

/* Rules that are kept; a file of 500 KiB could hold more than any site needs. */
#define RULES_MAX 10000

struct parser {
    struct arena *arena;
    struct site_robots *robots;
    bool in_agents;       /* the last line was a user-agent line: the next one joins it */
    bool group_is_ours;   /* the group names us */
    bool group_is_common; /* the group is for everyone */
    bool ours_found;      /* a group that names us ends the reading of the common one */
    bool failed;
};

static struct span trim(struct span text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static bool is_key(struct span key, const char *name)
{
    return key.len == strlen(name) && strncasecmp((const char *)key.data, name, key.len) == 0;
}

static void take_agent(struct parser *parser, struct span value)
{
    if (!parser->in_agents) {
        parser->group_is_ours = false;
        parser->group_is_common = false;
    }
    parser->in_agents = true;
    if (span_equal_string(value, "*")) {
        parser->group_is_common = true;
        return;
    }
    /* The token ends where a version or anything else begins. */
    size_t len = 0;
    while (len < value.len && ((value.data[len] | 32) >= 'a' && (value.data[len] | 32) <= 'z'))
        len++;
    if (!is_key(span_of(value.data, len), SITE_AGENT_TOKEN))
        return;
    parser->group_is_ours = true;
    if (!parser->ours_found) { /* what the common group said is void */
        parser->ours_found = true;
        parser->robots->rule_count = 0;
        parser->robots->crawl_delay_ms = 0;
    }
}

static bool applies(const struct parser *parser)
{
    return parser->group_is_ours || (parser->group_is_common && !parser->ours_found);
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A pattern in the spelling that url_parse gives to paths. Three times as long at most. */
static char *normalise_pattern(struct span value, struct arena *arena)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, value.len * 3 + 1);
    size_t len = 0;
    for (size_t i = 0; out != NULL && i < value.len; i++) {
        uint8_t c = value.data[i];
        bool encoded = c == '%' && i + 2 < value.len && hex_value(value.data[i + 1]) >= 0 &&
                       hex_value(value.data[i + 2]) >= 0;
        if (encoded) {
            c = (uint8_t)(hex_value(value.data[i + 1]) * 16 + hex_value(value.data[i + 2]));
            i += 2;
        }
        bool unreserved = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
                          (c != '\0' && strchr("-._~", c) != NULL);
        if (unreserved || (!encoded && c < 0x80 && c > 0x20)) {
            out[len++] = (char)c;
        } else {
            out[len++] = '%';
            out[len++] = digits[c >> 4];
            out[len++] = digits[c & 15];
        }
    }
    if (out != NULL)
        out[len] = '\0';
    return out;
}

static void take_rule(struct parser *parser, struct span value, bool allow)
{
    struct site_robots *robots = parser->robots;
    if (!applies(parser) || value.len == 0 || value.len > URL_BYTES_MAX ||
        (value.data[0] != '/' && value.data[0] != '*') || robots->rule_count == RULES_MAX)
        return;
    char *pattern = normalise_pattern(value, parser->arena);
    if (pattern == NULL) {
        parser->failed = true;
        return;
    }
    robots->rules[robots->rule_count++] =
        (struct site_robots_rule){pattern, strlen(pattern), allow};
}

/* Seconds with an optional fraction. */
static void take_delay(struct parser *parser, struct span value)
{
    if (!applies(parser))
        return;
    int64_t ms = 0;
    int64_t unit = 1000;
    bool in_fraction = false;
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.data[i];
        if (c == '.' && !in_fraction) {
            in_fraction = true;
        } else if (c < '0' || c > '9') {
            return;
        } else if (in_fraction) {
            unit /= 10;
            ms += unit * (c - '0');
        } else {
            ms = ms * 10 + (int64_t)1000 * (c - '0');
        }
        if (ms > SITE_CRAWL_DELAY_MS_MAX)
            ms = SITE_CRAWL_DELAY_MS_MAX;
    }
    parser->robots->crawl_delay_ms = ms;
}

static void take_sitemap(struct parser *parser, struct span value)
{
    struct site_robots *robots = parser->robots;
    if (value.len == 0 || value.len > URL_BYTES_MAX ||
        robots->sitemap_count == SITE_ROBOTS_SITEMAPS_MAX)
        return;
    char *copy = arena_strndup(parser->arena, value.data, value.len);
    if (copy == NULL)
        parser->failed = true;
    else
        robots->sitemaps[robots->sitemap_count++] = span_of(copy, value.len);
}

static void take_line(struct parser *parser, struct span line)
{
    const uint8_t *comment = memchr(line.data, '#', line.len);
    if (comment != NULL)
        line.len = (size_t)(comment - line.data);
    const uint8_t *colon = line.len == 0 ? NULL : memchr(line.data, ':', line.len);
    if (colon == NULL)
        return;
    size_t key_len = (size_t)(colon - line.data);
    struct span key = trim(span_of(line.data, key_len));
    struct span value = trim(span_of(colon + 1, line.len - key_len - 1));
    if (is_key(key, "sitemap")) { /* belongs to no group and ends none */
        take_sitemap(parser, value);
        return;
    }
    if (is_key(key, "user-agent")) {
        take_agent(parser, value);
        return;
    }
    bool is_allow = is_key(key, "allow");
    if (is_allow || is_key(key, "disallow"))
        take_rule(parser, value, is_allow);
    else if (is_key(key, "crawl-delay"))
        take_delay(parser, value);
    else
        return;
    parser->in_agents = false;
}

bool site__robots_parse(struct span text, struct arena *arena, struct site_robots *ret_robots)
{
    struct site_robots robots = {0};
    robots.rules = arena_calloc(arena, RULES_MAX, sizeof *robots.rules);
    if (robots.rules == NULL)
        return false;
    struct parser parser = {.arena = arena, .robots = &robots};
    if (text.len > SITE_ROBOTS_BYTES_MAX)
        text.len = SITE_ROBOTS_BYTES_MAX;
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        text = span_of(text.data + 3, text.len - 3);
    size_t at = 0;
    while (at < text.len && !parser.failed) {
        size_t end = at;
        while (end < text.len && text.data[end] != '\n' && text.data[end] != '\r')
            end++;
        take_line(&parser, span_of(text.data + at, end - at));
        at = end + 1;
    }
    if (parser.failed)
        return false;
    *ret_robots = robots;
    return true;
}

/*
 * Whether the pattern matches a beginning of `path`. Between the stars each piece is looked for
 * where it comes first, which is enough: a later place never helps what follows.
 */
static bool matches(const struct site_robots_rule *rule, const char *path, size_t path_len)
{
    const char *pattern = rule->pattern;
    const char *end = pattern + rule->len;
    bool anchored = rule->len > 0 && end[-1] == '$';
    if (anchored)
        end--;
    const char *at = path;
    const char *path_end = path + path_len;
    bool first = true;
    while (pattern <= end) {
        const char *star = memchr(pattern, '*', (size_t)(end - pattern));
        size_t len = (size_t)((star == NULL ? end : star) - pattern);
        size_t left = (size_t)(path_end - at);
        if (star == NULL && anchored) { /* the last piece stands at the end */
            bool at_end = left >= len && memcmp(path_end - len, pattern, len) == 0;
            return at_end && (!first || left == len);
        }
        const char *found = first ? (left >= len && memcmp(at, pattern, len) == 0 ? at : NULL)
                                  : memmem(at, left, pattern, len);
        if (found == NULL)
            return false;
        if (star == NULL)
            return true;
        at = found + len;
        pattern = star + 1;
        first = false;
    }
    return true;
}

bool site__robots_allow(const struct site_robots *robots, const struct url *url)
{
    char path[2 * URL_BYTES_MAX];
    size_t path_len = strlen(url->path);
    size_t query_len = url->query == NULL ? 0 : strlen(url->query) + 1;
    if (path_len + query_len >= sizeof path)
        return false;
    memcpy(path, url->path, path_len + 1);
    if (url->query != NULL) {
        path[path_len] = '?';
        memcpy(path + path_len + 1, url->query, query_len);
        path_len += query_len;
    }
    if (strcmp(path, "/robots.txt") == 0)
        return true;
    if (robots->forbids_all)
        return false;
    size_t longest = 0;
    bool allow = true;
    for (size_t i = 0; i < robots->rule_count; i++) {
        const struct site_robots_rule *rule = &robots->rules[i];
        if (rule->len < longest || (rule->len == longest && !rule->allow && longest > 0) ||
            !matches(rule, path, path_len))
            continue;
        longest = rule->len;
        allow = rule->allow;
    }
    return allow;
}
