/*
 * Routers over the test's own methods, with the routes that a test gives them, and short ways to
 * look a path up.
 */
#ifndef TEST_UNIT_REST_ROUTES_FIXTURE_H
#define TEST_UNIT_REST_ROUTES_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rest/router.h"
#include "test/unit/rest/proto/routes_sources.h"

/* Methods A to L, one a rule. */
#define ROUTES_MAX 12

struct routes_rule {
    const char *verb;
    const char *path;
    const char *body; /* NULL: none */
};

struct routes_fixture {
    struct registry *registry; /* the service Odd has no routes here */
    struct arena arena;
    Google__Api__HttpRule rules[ROUTES_MAX];
    Google__Api__CustomHttpPattern customs[ROUTES_MAX];
};

/* The fixture of a group's tests: *state is a struct routes_fixture. */
int routes_fixture_setup(void **state);
int routes_fixture_teardown(void **state);

struct registry_method *routes_method(struct routes_fixture *fixture, const char *name);
/* A rule as it would come from a .proto; `custom` is used for verbs that have no field. */
Google__Api__HttpRule routes_rule_of(const struct routes_rule *rule,
                                     Google__Api__CustomHttpPattern *custom);
/* Gives the methods A, B, … the rules, and makes a router. */
enum rpc_code routes_create(struct routes_fixture *fixture, const struct routes_rule *rules,
                            size_t count, struct router **ret_router, struct rpc_status *status);
/* The same; fails the test if it cannot be made. */
struct router *routes_must_create(struct routes_fixture *fixture, const struct routes_rule *rules,
                                  size_t count);

/*
 * What a request finds: the route's template and its variables, "/a/{x} x=book"; "404", also for a
 * path that cannot be split; "405 GET, HEAD, OPTIONS". In the fixture's arena, which is emptied
 * first.
 */
const char *routes_find(struct routes_fixture *fixture, const struct router *router,
                        const char *verb, const char *path);

#endif
