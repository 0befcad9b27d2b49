#include "test/unit/rest/routes_fixture.h"

#include <stdlib.h>

#define SERVICE "lotcast.test.routes.v1.Blank/"

struct registry_method *routes_method(struct routes_fixture *fixture, const char *name)
{
    char full[64];
    (void)snprintf(full, sizeof full, SERVICE "%s", name);
    const struct registry_method *found =
        registry_method_find(fixture->registry, span_of_string(full));
    assert_non_null(found);
    return (struct registry_method *)(uintptr_t)found;
}

int routes_fixture_setup(void **state)
{
    struct routes_fixture *fixture = calloc(1, sizeof *fixture);
    struct registry_sources sources = routes_sources_get();
    struct rpc_status status;
    assert_non_null(fixture);
    if (registry_create(&sources, &fixture->registry, &status) != RPC_OK)
        fail_msg("%s", status.message);
    for (size_t i = 0; i < registry_method_count(fixture->registry); i++) {
        const struct registry_method *method = registry_method_at(fixture->registry, i);
        ((struct registry_method *)(uintptr_t)method)->http = NULL;
    }
    arena_init(&fixture->arena, ARENA_CALL_BYTES_MAX);
    *state = fixture;
    return 0;
}

int routes_fixture_teardown(void **state)
{
    struct routes_fixture *fixture = *state;
    registry_destroy(fixture->registry);
    arena_fini(&fixture->arena);
    free(fixture);
    return 0;
}

Google__Api__HttpRule routes_rule_of(const struct routes_rule *rule,
                                     Google__Api__CustomHttpPattern *custom)
{
    Google__Api__HttpRule made = GOOGLE__API__HTTP_RULE__INIT;
    static const struct {
        const char *verb;
        Google__Api__HttpRule__PatternCase pattern;
    } verbs[] = {
        {"GET", GOOGLE__API__HTTP_RULE__PATTERN_GET},
        {"PUT", GOOGLE__API__HTTP_RULE__PATTERN_PUT},
        {"POST", GOOGLE__API__HTTP_RULE__PATTERN_POST},
        {"DELETE", GOOGLE__API__HTTP_RULE__PATTERN_DELETE},
        {"PATCH", GOOGLE__API__HTTP_RULE__PATTERN_PATCH},
    };
    if (rule->body != NULL)
        made.body = (char *)rule->body;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(rule->verb, verbs[i].verb) != 0)
            continue;
        made.pattern_case = verbs[i].pattern;
        made.get = (char *)rule->path; /* all of the union are texts */
        return made;
    }
    google__api__custom_http_pattern__init(custom);
    custom->kind = (char *)rule->verb;
    custom->path = (char *)rule->path;
    made.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_CUSTOM;
    made.custom = custom;
    return made;
}

enum rpc_code routes_create(struct routes_fixture *fixture, const struct routes_rule *rules,
                            size_t count, struct router **ret_router, struct rpc_status *status)
{
    assert_true(count <= ROUTES_MAX);
    for (size_t i = 0; i < ROUTES_MAX; i++) {
        const char name[] = {(char)('A' + i), '\0'};
        struct registry_method *method = routes_method(fixture, name);
        method->http = NULL;
        if (i >= count)
            continue;
        fixture->rules[i] = routes_rule_of(&rules[i], &fixture->customs[i]);
        method->http = &fixture->rules[i];
    }
    return router_create(fixture->registry, ret_router, status);
}

struct router *routes_must_create(struct routes_fixture *fixture, const struct routes_rule *rules,
                                  size_t count)
{
    struct router *router = NULL;
    struct rpc_status status;
    if (routes_create(fixture, rules, count, &router, &status) != RPC_OK)
        fail_msg("%s", status.message);
    return router;
}

static const char *print_route(struct routes_fixture *fixture, const struct route *route,
                               const struct path *path)
{
    const char *text = route->template;
    for (size_t i = 0; i < route->variable_count; i++) {
        struct span value = {NULL, 0};
        assert_int_equal(route_variable_read(&route->variables[i], path, &fixture->arena, &value),
                         RPC_OK);
        text = arena_printf(&fixture->arena, "%s %s=%.*s", text, route->variables[i].field,
                            (int)value.len, value.len == 0 ? "" : (const char *)value.data);
        assert_non_null(text);
    }
    return text;
}

const char *routes_find(struct routes_fixture *fixture, const struct router *router,
                        const char *verb, const char *raw)
{
    struct path path;
    const struct route *route = NULL;
    char allow[ROUTER_ALLOW_BYTES] = "";
    arena_reset(&fixture->arena);
    if (!path_split(span_of_string(raw), &fixture->arena, &path))
        return "404";
    switch (router_match(router, &path, span_of_string(verb), &route, allow)) {
    case ROUTER_FOUND:
        return print_route(fixture, route, &path);
    case ROUTER_NO_VERB:
        return arena_printf(&fixture->arena, "405 %s", allow);
    case ROUTER_NO_PATH:
        break;
    }
    return "404";
}
