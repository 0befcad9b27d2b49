#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rest/router.h"

static struct registry *registry;

static struct registry_method *method(const char *name)
{
    const struct registry_method *found = registry_method_find(registry, span_of_string(name));
    assert_non_null(found);
    return (struct registry_method *)found; /* the test bends declarations */
}

static int start(void **state)
{
    struct registry_sources sources = registry_sources_get();
    struct rpc_status status;
    (void)state;
    return registry_create(&sources, &registry, &status) == RPC_OK ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    registry_destroy(registry);
    return 0;
}

static enum router_outcome match(const struct router *router, const char *verb, const char *raw,
                                 const struct route **ret_route, char *allow)
{
    struct arena arena;
    struct path path;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    assert_true(path_split(span_of_string(raw), &arena, &path));
    enum router_outcome outcome =
        router_match(router, &path, span_of_string(verb), ret_route, allow);
    arena_fini(&arena);
    return outcome;
}

static void test_declared_routes(void **state)
{
    (void)state;
    static const struct {
        const char *verb;
        const char *path;
        enum router_outcome outcome;
        const char *method;
        const char *allow;
    } cases[] = {
        {"POST", "/api/auth/login", ROUTER_FOUND, "lotcast.v1.Auth/LogIn", NULL},
        {"POST", "/%61pi/auth/login", ROUTER_FOUND, "lotcast.v1.Auth/LogIn", NULL},
        {"GET", "/api/customer/dashboard", ROUTER_FOUND, "lotcast.v1.Dashboard/GetDashboard", NULL},
        {"POST", "/api/customer/dashboard", ROUTER_NO_VERB, NULL, "GET, HEAD, OPTIONS"},
        {"HEAD", "/api/customer/dashboard", ROUTER_FOUND, "lotcast.v1.Dashboard/GetDashboard",
         NULL},
        {"GET", "/api/auth/meta/connect", ROUTER_FOUND, "lotcast.v1.MetaAuth/ConnectMeta", NULL},
        {"HEAD", "/api/auth/meta/connect", ROUTER_NO_VERB, NULL, "GET, OPTIONS"},
        {"HEAD", "/api/auth/meta/callback", ROUTER_NO_VERB, NULL, "GET, OPTIONS"},
        {"GET", "/api/auth/login", ROUTER_NO_VERB, NULL, "POST, OPTIONS"},
        {"HEAD", "/api/auth/login", ROUTER_NO_VERB, NULL, NULL},
        {"OPTIONS", "/api/auth/login", ROUTER_NO_VERB, NULL, "POST, OPTIONS"},
        {"TRACE", "/api/auth/login", ROUTER_NO_VERB, NULL, NULL},
        {"post", "/api/auth/login", ROUTER_NO_VERB, NULL, NULL},
        {"PO", "/api/auth/login", ROUTER_NO_VERB, NULL, NULL},
        {"POST", "/api/auth/Login", ROUTER_NO_PATH, NULL, NULL},
        {"POST", "/api/auth/login;x", ROUTER_NO_PATH, NULL, NULL},
        {"POST", "/api/auth", ROUTER_NO_PATH, NULL, NULL},
        {"POST", "/api/auth/login/x", ROUTER_NO_PATH, NULL, NULL},
        {"POST", "/", ROUTER_NO_PATH, NULL, NULL},
        {"POST", "/lotcast.v1.Store/Commit", ROUTER_NO_PATH, NULL, NULL},
    };
    struct router *router = NULL;
    struct rpc_status status;
    if (router_create(registry, &router, &status) != RPC_OK)
        fail_msg("%s", status.message);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct route *route = NULL;
        char allow[ROUTER_ALLOW_BYTES] = "";
        enum router_outcome outcome = match(router, cases[i].verb, cases[i].path, &route, allow);
        if (outcome != cases[i].outcome)
            fail_msg("%s %s: %d", cases[i].verb, cases[i].path, (int)outcome);
        if (cases[i].method != NULL)
            assert_string_equal(route->method->name, cases[i].method);
        if (cases[i].allow != NULL)
            assert_string_equal(allow, cases[i].allow);
    }
    for (size_t i = 0; i < router_route_count(router); i++)
        assert_int_equal(router_route_at(router, i)->index, i);
    router_destroy(router);
}

static Google__Api__HttpRule rule_of(const char *verb, const char *template, const char *body)
{
    Google__Api__HttpRule rule = GOOGLE__API__HTTP_RULE__INIT;
    char *text = (char *)template;
    rule.body = (char *)body;
    if (strcmp(verb, "GET") == 0) {
        rule.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_GET;
        rule.get = text;
    } else if (strcmp(verb, "DELETE") == 0) {
        rule.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_DELETE;
        rule.delete_ = text;
    } else if (strcmp(verb, "PUT") == 0) {
        rule.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_PUT;
        rule.put = text;
    } else if (strcmp(verb, "PATCH") == 0) {
        rule.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_PATCH;
        rule.patch = text;
    } else if (strcmp(verb, "POST") == 0) {
        rule.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_POST;
        rule.post = text;
    }
    return rule;
}

/* Variables, wildcards, several bindings: of methods that are declared otherwise. */
static void test_variables(void **state)
{
    (void)state;
    struct registry_method *connect = method("lotcast.v1.MetaAuth/ConnectMeta");
    struct registry_method *launch = method("lotcast.v1.Onboarding/Launch");
    struct registry_method *accounts = method("lotcast.v1.MetaAuth/GetMetaAccounts");
    const Google__Api__HttpRule *kept[] = {connect->http, launch->http, accounts->http};
    Google__Api__HttpRule by_id = rule_of("GET", "/t/{return_to}", "");
    Google__Api__HttpRule nested = rule_of("PATCH", "/t/{targeting.age_min=*}/x", "*");
    Google__Api__HttpRule literal = rule_of("GET", "/t/me", "");
    Google__Api__HttpRule other = rule_of("DELETE", "/t/*/y", "");
    Google__Api__HttpRule *more[] = {&other};
    literal.n_additional_bindings = 1;
    literal.additional_bindings = more;
    connect->http = &by_id;
    launch->http = &nested;
    accounts->http = &literal;
    struct router *router = NULL;
    struct rpc_status status;
    if (router_create(registry, &router, &status) != RPC_OK)
        fail_msg("%s", status.message);
    const struct route *route = NULL;
    char allow[ROUTER_ALLOW_BYTES];
    assert_int_equal(match(router, "GET", "/t/me", &route, allow), ROUTER_FOUND);
    assert_ptr_equal(route->method, accounts); /* literal before variable */
    assert_int_equal(match(router, "GET", "/t/17", &route, allow), ROUTER_FOUND);
    assert_ptr_equal(route->method, connect);
    assert_int_equal(route->variable_count, 1);
    assert_string_equal(route->variables[0].field, "returnTo");
    assert_int_equal(route->variables[0].first, 1);
    assert_int_equal(match(router, "PATCH", "/t/me/x", &route, allow), ROUTER_FOUND);
    assert_ptr_equal(route->method, launch); /* through the variable: /t/me has no /x */
    assert_string_equal(route->variables[0].field, "targeting.ageMin");
    assert_int_equal(match(router, "DELETE", "/t/1/y", &route, allow), ROUTER_FOUND);
    assert_ptr_equal(route->method, accounts);
    assert_int_equal(match(router, "PUT", "/t/1/y", &route, allow), ROUTER_NO_VERB);
    assert_string_equal(allow, "DELETE, OPTIONS");
    assert_int_equal(match(router, "GET", "/t", &route, allow), ROUTER_NO_PATH);
    router_destroy(router);
    connect->http = kept[0];
    launch->http = kept[1];
    accounts->http = kept[2];
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *verb;
        const char *template;
        const char *body;
        const char *message; /* part of it */
    } cases[] = {
        {"POST", "/api/auth/login", "*", "declared already"},
        {"", "/x", "*", "no pattern"},
        {"POST", "", "*", "slash"},
        {"POST", "x", "*", "slash"},
        {"POST", "//x", "*", "malformed"},
        {"POST", "/x/", "*", "malformed"},
        {"POST", "/x/../y", "*", "malformed"},
        {"POST", "/x y", "*", "malformed"},
        {"POST", "/x%20y", "*", "malformed"},
        {"POST", "/x/{", "*", "malformed"},
        {"POST", "/x/{}", "*", "malformed"},
        {"POST", "/x/{currency}y", "*", "malformed"},
        {"POST", "/x/**/y", "*", "last"},
        {"POST", "/x:", "*", "malformed"},
        {"POST", "/x/{nothing}", "*", "no such field"},
        {"POST", "/x/{currency.more}", "*", "no such field"},
        {"POST", "/x/{targeting}", "*", "scalar"},
        {"POST", "/x/{targeting.countries}", "*", "scalar"},
        {"POST", "/x/{currency}/{currency}", "*", "twice"},
        {"POST", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25", "*",
         "too many segments"},
        {"GET", "/x", "*", "carry no body"},
        {"DELETE", "/x", "targeting", "carry no body"},
        {"POST", "/x", "nothing", "field of the request"},
        {"POST", "/x", "targeting.countries", "field of the request"},
        {"POST", "/x/{currency}", "currency", "fills the body"},
    };
    struct registry_method *launch = method("lotcast.v1.Onboarding/Launch");
    const Google__Api__HttpRule *kept = launch->http;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Google__Api__HttpRule rule = rule_of(cases[i].verb, cases[i].template, cases[i].body);
        struct router *router = NULL;
        struct rpc_status status;
        launch->http = &rule;
        if (router_create(registry, &router, &status) != RPC_FAILED_PRECONDITION)
            fail_msg("%s is taken", cases[i].template);
        assert_null(router);
        if (strstr(status.message, cases[i].message) == NULL ||
            strstr(status.message, "lotcast.v1.") == NULL)
            fail_msg("%s: %s", cases[i].template, status.message);
    }
    launch->http = kept;
}

static void test_response_fields(void **state)
{
    (void)state;
    struct registry_method *launch = method("lotcast.v1.Onboarding/Launch");
    struct registry_method *session = method("lotcast.v1.Auth/LogIn");
    const Google__Api__HttpRule *kept = launch->http;
    const Lotcast__V1__MethodRules *kept_rules = launch->rules;
    const Lotcast__V1__MethodRules *kept_session = session->rules;
    for (size_t i = 0; i < 8; i++) {
        Google__Api__HttpRule rule = *kept;
        Lotcast__V1__MethodRules rules = *kept_rules;
        Lotcast__V1__MethodRules session_rules = *kept_session;
        struct router *router = NULL;
        struct rpc_status status;
        rule.response_body = i == 0 ? (char *)"campaign_id" : i == 1 ? (char *)"x" : (char *)"";
        if (i == 0) /* a redirect has no body */
            rules.redirect_field = (char *)"redirect_to";
        else
            rules.redirect_field = i == 2 ? (char *)"success" : i == 3 ? (char *)"x" : (char *)"";
        rules.accepted_field = i == 4 ? (char *)"campaign_id" : (char *)"";
        rules.attachment_field = i == 5 ? (char *)"success" : (char *)"";
        if (i == 6)
            rules.session = LOTCAST__V1__SESSION_EFFECT__SESSION_EFFECT_SETS;
        if (i == 7)
            session_rules.session = LOTCAST__V1__SESSION_EFFECT__SESSION_EFFECT_UNSPECIFIED;
        launch->http = &rule;
        launch->rules = &rules;
        session->rules = &session_rules;
        if (router_create(registry, &router, &status) != RPC_FAILED_PRECONDITION)
            fail_msg("%zu is taken", i);
    }
    launch->http = kept;
    launch->rules = kept_rules;
    session->rules = kept_session;
}

static void test_methods_without_routes(void **state)
{
    (void)state;
    struct registry_method *health = method("lotcast.v1.Health/Check");
    struct registry_method *launch = method("lotcast.v1.Onboarding/Launch");
    Google__Api__HttpRule rule = rule_of("GET", "/health", "");
    struct router *router = NULL;
    struct rpc_status status;
    health->http = &rule;
    assert_int_equal(router_create(registry, &router, &status), RPC_FAILED_PRECONDITION);
    assert_non_null(strstr(status.message, "INTERNAL"));
    health->http = NULL;
    launch->server_streaming = true;
    assert_int_equal(router_create(registry, &router, &status), RPC_FAILED_PRECONDITION);
    assert_non_null(strstr(status.message, "streaming"));
    launch->server_streaming = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_declared_routes),
        cmocka_unit_test(test_variables),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_response_fields),
        cmocka_unit_test(test_methods_without_routes),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
