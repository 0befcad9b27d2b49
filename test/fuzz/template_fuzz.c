/*
 * Templates of google.api.HttpRule and paths: "template\npath". What is a template reads the same
 * once it is printed; a router of it finds what the template spells out, and any other path just
 * where a plain comparison, segment by segment, finds it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rest/router.h"
#include "test/unit/rest/proto/routes_sources.h"

#define INPUT_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct registry *registry;
static struct registry_method *method;

static void check(bool held)
{
    if (!held)
        abort();
}

static void make_registry(void)
{
    struct registry_sources sources = routes_sources_get();
    check(registry_create(&sources, &registry, NULL) == RPC_OK);
    for (size_t i = 0; i < registry_method_count(registry); i++) {
        struct registry_method *one =
            (struct registry_method *)(uintptr_t)registry_method_at(registry, i);
        one->http = NULL;
        if (strcmp(one->name, "lotcast.test.routes.v1.Blank/A") == 0)
            method = one;
    }
    check(method != NULL);
}

/* With each `*` and `**` as `wildcards` say; a variable's braces where they stand. */
static char *spell(const struct template *template, const char *one, const char *rest, bool braces,
                   struct arena *arena)
{
    char *text = arena_strdup(arena, template->segment_count == 0 ? "/" : "");
    size_t next = 0;
    for (size_t i = 0; i < template->segment_count; i++) {
        const struct template_segment *segment = &template->segments[i];
        const struct template_variable *variable = &template->variables[next];
        bool opens = braces && next < template->variable_count && variable->first == i;
        text = arena_printf(arena, "%s/", text);
        if (opens)
            text = arena_printf(arena, "%s{%.*s=", text, (int)variable->field_path.len,
                                (const char *)variable->field_path.data);
        if (segment->kind == TEMPLATE_LITERAL)
            text = arena_printf(arena, "%s%.*s", text, (int)segment->literal.len,
                                (const char *)segment->literal.data);
        else
            text = arena_printf(arena, "%s%s", text, segment->kind == TEMPLATE_ONE ? one : rest);
        if (braces && next < template->variable_count &&
            i + 1 == variable->first + variable->count) {
            text = arena_printf(arena, "%s}", text);
            next++;
        }
    }
    if (template->verb.len > 0)
        text = arena_printf(arena, "%s:%.*s", text, (int)template->verb.len,
                            (const char *)template->verb.data);
    check(text != NULL);
    return text;
}

static bool same_segments(const struct template *a, const struct template *b)
{
    if (a->segment_count != b->segment_count || a->variable_count != b->variable_count ||
        !span_equal(a->verb, b->verb))
        return false;
    for (size_t i = 0; i < a->segment_count; i++) {
        if (a->segments[i].kind != b->segments[i].kind ||
            !span_equal(a->segments[i].literal, b->segments[i].literal))
            return false;
    }
    for (size_t i = 0; i < a->variable_count; i++) {
        if (a->variables[i].first != b->variables[i].first ||
            a->variables[i].count != b->variables[i].count)
            return false;
    }
    return true;
}

/* Whether the template takes the path, by comparing them. */
static bool takes(const struct template *template, const struct path *path)
{
    struct path_segment head = {{NULL, 0}, {NULL, 0}};
    struct span verb = {NULL, 0};
    size_t count = path->count;
    if (template->verb.len > 0) {
        if (!path_find_verb(path, &head, &verb) || !span_equal(verb, template->verb))
            return false;
        if (head.text.len == 0 && count == 1)
            count = 0;
        else if (head.text.len == 0 || path_is_dots(head.text))
            return false;
    }
    for (size_t i = 0; i < template->segment_count; i++) {
        const struct template_segment *segment = &template->segments[i];
        if (segment->kind == TEMPLATE_REST)
            return true;
        if (i == count)
            return false;
        bool is_cut = template->verb.len > 0 && i + 1 == count;
        struct span text = is_cut ? head.text : path->segments[i].text;
        if (segment->kind == TEMPLATE_LITERAL && !span_equal(segment->literal, text))
            return false;
    }
    return count == template->segment_count;
}

static bool finds(const struct router *router, struct path *path, struct arena *arena)
{
    char allow[ROUTER_ALLOW_BYTES];
    const struct route *route;
    if (router_match(router, path, span_of_string("GET"), &route, allow) != ROUTER_FOUND)
        return false;
    for (size_t i = 0; i < route->variable_count; i++) {
        struct span text;
        check(route_variable_read(&route->variables[i], path, arena, &text) == RPC_OK);
        check(text.len == 0 || memchr(text.data, '\0', text.len) == NULL);
    }
    return true;
}

static void check_router(const char *text, const struct template *template, struct span raw,
                         struct arena *arena)
{
    Google__Api__HttpRule rule = GOOGLE__API__HTTP_RULE__INIT;
    struct router *router;
    struct path path;
    rule.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_GET;
    rule.get = (char *)text;
    method->http = &rule;
    bool made = router_create(registry, &router, NULL) == RPC_OK;
    method->http = NULL;
    if (!made) /* a field that does not exist or does not fit */
        return;
    static const char *const rests[] = {"v", "v/w%2F", "%2e%2E%2Fx/v"};
    for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++) {
        char *spelt = spell(template, i == 0 ? "v" : "%2F", rests[i], false, arena);
        check(path_split(span_of_string(spelt), arena, &path) && finds(router, &path, arena));
    }
    if (path_split(raw, arena, &path)) {
        bool want = takes(template, &path);
        check(finds(router, &path, arena) == want);
    }
    router_destroy(router);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct template template;
    struct template again;
    struct arena arena;
    if (registry == NULL)
        make_registry();
    if (size == 0 || size > INPUT_BYTES_MAX)
        return 0;
    const uint8_t *newline = memchr(data, '\n', size);
    size_t len = newline == NULL ? size : (size_t)(newline - data);
    struct span raw = newline == NULL ? span_of("", 0) : span_of(newline + 1, size - len - 1);
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    const char *text = arena_strndup(&arena, data, len);
    check(text != NULL);
    if (memchr(data, '\0', len) == NULL &&
        template_parse(span_of_string(text), &template) == NULL) {
        const char *printed = spell(&template, "*", "**", true, &arena);
        check(template_parse(span_of_string(printed), &again) == NULL &&
              same_segments(&template, &again));
        check_router(text, &template, raw, &arena);
    }
    arena_fini(&arena);
    return 0;
}
