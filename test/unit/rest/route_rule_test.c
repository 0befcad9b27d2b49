/*
 * What a google.api.HttpRule may say: rules that make a route, rules that stop the start, pairs of
 * rules that are one route.
 */
#include "test/unit/rest/routes_fixture.h"

#include "google/api/httpbody.pb-c.h"

struct row {
    const char *name;
    struct routes_rule rules[3];
    const char *want; /* part of the refusal; NULL: it is taken */
};

#define FIELD "no such field for the path"
#define SCALAR "a path variable must be a single scalar"
#define BODY "the body must be * or a field of the request"
#define NO_BODY "GET, HEAD, DELETE and OPTIONS carry no body"
#define TWICE "the route is declared already, by: lotcast.test.routes.v1.Blank/A"

static const struct row rows[] = {
    /* Variables: any single scalar, also of a message within. */
    {"a string", {{"GET", "/{x}", NULL}}, NULL},
    {"numbers", {{"GET", "/{number}/{big}/{small}/{large}", NULL}}, NULL},
    {"floats", {{"GET", "/{ratio}/{part}", NULL}}, NULL},
    {"a bool, bytes, an enum", {{"GET", "/{flag}/{data}/{kind}", NULL}}, NULL},
    {"of a message", {{"GET", "/{inner.name}", NULL}}, NULL},
    {"deeper", {{"GET", "/{inner.deep.id=**}", NULL}}, NULL},
    {"of a oneof", {{"GET", "/{left}", NULL}}, NULL},
    {"of a message of a oneof", {{"GET", "/{middle.name}", NULL}}, NULL},
    {"of a raw body's own", {{"GET", "/{file.content_type}", NULL}}, NULL},
    {"its JSON name differs", {{"GET", "/{other}/{snake_case_name}", NULL}}, NULL},
    {"none of that name", {{"GET", "/{nothing}", NULL}}, FIELD ": nothing"},
    {"none within", {{"GET", "/{inner.nothing}", NULL}}, FIELD ": inner.nothing"},
    {"none deeper", {{"GET", "/{inner.deep.nothing}", NULL}}, FIELD ": inner.deep.nothing"},
    {"within a scalar", {{"GET", "/{x.y}", NULL}}, FIELD ": x.y"},
    {"the JSON name", {{"GET", "/{snakeCaseName}", NULL}}, FIELD ": snakeCaseName"},
    {"another JSON name", {{"GET", "/{inner.Name}", NULL}}, FIELD ": inner.Name"},
    {"a repeated scalar", {{"GET", "/{tags}", NULL}}, SCALAR ": tags"},
    {"a repeated number", {{"GET", "/{numbers}", NULL}}, SCALAR ": numbers"},
    {"a repeated scalar within", {{"GET", "/{inner.tags}", NULL}}, SCALAR ": inner.tags"},
    {"a message", {{"GET", "/{inner}", NULL}}, SCALAR ": inner"},
    {"a message within", {{"GET", "/{inner.deep}", NULL}}, SCALAR ": inner.deep"},
    {"repeated messages", {{"GET", "/{inners}", NULL}}, SCALAR ": inners"},
    {"within repeated messages", {{"GET", "/{inners.name}", NULL}}, FIELD ": inners.name"},
    {"a map", {{"GET", "/{labels}", NULL}}, SCALAR ": labels"},
    {"within a map", {{"GET", "/{labels.key}", NULL}}, FIELD ": labels.key"},
    {"a wrapper", {{"GET", "/{text}", NULL}}, SCALAR ": text"},
    {"within a wrapper", {{"GET", "/{text.value}", NULL}}, FIELD ": text.value"},
    {"a Timestamp", {{"GET", "/{at}", NULL}}, SCALAR ": at"},
    {"within a Timestamp", {{"GET", "/{at.seconds}", NULL}}, FIELD ": at.seconds"},
    {"a FieldMask", {{"GET", "/{mask}", NULL}}, SCALAR ": mask"},
    {"within a Struct", {{"GET", "/{any.fields}", NULL}}, FIELD ": any.fields"},
    {"a raw body", {{"GET", "/{file}", NULL}}, SCALAR ": file"},
    {"twice", {{"GET", "/{x}/{x}", NULL}}, "a variable comes twice"},
    {"twice, deep", {{"GET", "/{inner.name}/a/{inner.name=b/*}", NULL}}, "a variable comes twice"},
    {"nine of them",
     {{"GET", "/{x}/{y}/{z}/{number}/{big}/{small}/{large}/{ratio}/{part}", NULL}},
     "too many variables"},
    {"a template that is none", {{"GET", "/{x=a/**/b}", NULL}}, "last segment: /{x=a/**/b}"},
    {"no slash", {{"POST", "x", NULL}}, "begins with a slash: x"},
    {"an empty template", {{"POST", "", NULL}}, "begins with a slash"},
    /* Bodies. */
    {"all", {{"POST", "/a", "*"}}, NULL},
    {"all but the path's", {{"PUT", "/a/{x}/{inner.name}", "*"}}, NULL},
    {"a message", {{"PATCH", "/a", "inner"}}, NULL},
    {"with a variable of its own", {{"PATCH", "/a/{inner.name=b/*}", "inner"}}, NULL},
    {"a message of a oneof", {{"POST", "/a", "middle"}}, NULL},
    {"a string", {{"POST", "/a", "x"}}, NULL},
    {"a list", {{"POST", "/a", "tags"}}, NULL},
    {"messages", {{"POST", "/a", "inners"}}, NULL},
    {"a map", {{"POST", "/a", "labels"}}, NULL},
    {"a wrapper", {{"POST", "/a", "text"}}, NULL},
    {"a Timestamp", {{"POST", "/a", "at"}}, NULL},
    {"a Struct", {{"POST", "/a", "any"}}, NULL},
    {"raw", {{"POST", "/a/{x}", "file"}}, NULL},
    {"of any verb", {{"*", "/a", "*"}}, NULL},
    {"of a verb of its own", {{"SEARCH", "/a", "*"}}, NULL},
    {"none of that name", {{"POST", "/a", "nothing"}}, BODY ": nothing"},
    {"the JSON name", {{"POST", "/a", "snakeCaseName"}}, BODY ": snakeCaseName"},
    {"not the request's own", {{"POST", "/a", "inner.deep"}}, BODY ": inner.deep"},
    {"several", {{"POST", "/a", "x,y"}}, BODY ": x,y"},
    {"two stars", {{"POST", "/a", "**"}}, BODY ": **"},
    {"the path's", {{"POST", "/a/{x}", "x"}}, "a variable fills the body's field: /a/{x}"},
    {"raw, and the path's",
     {{"POST", "/{file.content_type}", "file"}},
     "a variable fills the body's field"},
    {"of GET", {{"GET", "/a", "*"}}, NO_BODY ": *"},
    {"of DELETE", {{"DELETE", "/a", "inner"}}, NO_BODY ": inner"},
    {"of HEAD", {{"HEAD", "/a", "*"}}, NO_BODY ": *"},
    {"of OPTIONS", {{"OPTIONS", "/a", "*"}}, NO_BODY ": *"},
    /* Verbs. */
    {"any", {{"*", "/a", NULL}}, NULL},
    {"HEAD", {{"HEAD", "/a", NULL}}, NULL},
    {"as long as can be", {{"ABCDEFGHIJKLMNO", "/a", NULL}}, NULL},
    {"every sign", {{"!#$%&'+-.^_`|~", "/a", NULL}}, NULL},
    {"none", {{"", "/a", NULL}}, "no verb that can be served"},
    {"too long",
     {{"ABCDEFGHIJKLMNOP", "/a", NULL}},
     "no verb that can be served: ABCDEFGHIJKLMNOP"},
    {"a space", {{"GET ", "/a", NULL}}, "no verb that can be served"},
    {"a separator", {{"A/B", "/a", NULL}}, "no verb that can be served"},
    {"TRACE", {{"TRACE", "/a", NULL}}, "no verb that can be served: TRACE"},
    {"CONNECT", {{"CONNECT", "/a", NULL}}, "no verb that can be served: CONNECT"},
    /* Two rules. */
    {"the same path, two verbs", {{"GET", "/a", NULL}, {"POST", "/a", NULL}}, NULL},
    {"GET and HEAD", {{"GET", "/a", NULL}, {"HEAD", "/a", NULL}}, NULL},
    {"GET and any", {{"GET", "/a", NULL}, {"*", "/a", NULL}}, NULL},
    {"with a verb and without", {{"GET", "/a", NULL}, {"GET", "/a:b", NULL}}, NULL},
    {"two verbs", {{"GET", "/a:b", NULL}, {"GET", "/a:c", NULL}}, NULL},
    {"a name and a wildcard", {{"GET", "/a/b", NULL}, {"GET", "/a/{x}", NULL}}, NULL},
    {"one and several", {{"GET", "/a/{x}", NULL}, {"GET", "/a/{x=**}", NULL}}, NULL},
    {"in another case", {{"GET", "/a", NULL}, {"GET", "/A", NULL}}, NULL},
    {"the verb in another case", {{"GET", "/a", NULL}, {"get", "/a", NULL}}, NULL},
    {"twice", {{"GET", "/a", NULL}, {"GET", "/a", NULL}}, TWICE},
    {"twice the root", {{"GET", "/", NULL}, {"GET", "/", NULL}}, TWICE},
    {"other variables", {{"GET", "/a/{x}", NULL}, {"GET", "/a/{y}", NULL}}, TWICE},
    {"variables of other types",
     {{"GET", "/a/{x}/b", NULL}, {"GET", "/a/{number}/b", NULL}},
     TWICE},
    {"a variable and none", {{"GET", "/a/{x}", NULL}, {"GET", "/a/*", NULL}}, TWICE},
    {"a shape cut otherwise", {{"GET", "/{x=a/*}/b", NULL}, {"GET", "/a/{y}/{z=b}", NULL}}, TWICE},
    {"several cut otherwise", {{"GET", "/a/{x=**}", NULL}, {"GET", "/{y=a/**}", NULL}}, TWICE},
    {"and no variable", {{"GET", "/a/{x=**}", NULL}, {"GET", "/a/**", NULL}}, TWICE},
    {"the same verb", {{"POST", "/a/{x}:b", NULL}, {"POST", "/a/{y}:b", NULL}}, TWICE},
    {"other bodies", {{"POST", "/a", "*"}, {"POST", "/a", "inner"}}, TWICE},
    {"a verb by its name", {{"LIST", "/a", NULL}, {"LIST", "/a", NULL}}, TWICE},
    {"any twice", {{"*", "/a", NULL}, {"*", "/a", NULL}}, TWICE},
    {"the third", {{"GET", "/a/{x}", NULL}, {"GET", "/b", NULL}, {"GET", "/a/{z}", NULL}}, TWICE},
};

static size_t count_rules(const struct row *row)
{
    size_t count = 0;
    while (count < 3 && row->rules[count].verb != NULL)
        count++;
    return count;
}

static void test_rules(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct router *router = NULL;
        struct rpc_status status;
        rpc_status_clear(&status);
        enum rpc_code code = routes_create(*state, row->rules, count_rules(row), &router, &status);
        if (code != (row->want == NULL ? RPC_OK : RPC_FAILED_PRECONDITION))
            fail_msg("%s: %d, %s", row->name, (int)code, status.message);
        assert_true((router == NULL) == (row->want != NULL));
        if (row->want != NULL &&
            (strstr(status.message, row->want) == NULL ||
             strncmp(status.message, "lotcast.test.routes.v1.Blank/", 29) != 0))
            fail_msg("%s: %s", row->name, status.message);
        router_destroy(router);
    }
}

static enum rpc_code bind(struct routes_fixture *fixture, Google__Api__HttpRule *rule,
                          struct router **ret_router, struct rpc_status *status)
{
    assert_int_equal(routes_create(fixture, NULL, 0, ret_router, status), RPC_OK);
    router_destroy(*ret_router);
    *ret_router = NULL;
    struct registry_method *method = routes_method(fixture, "A");
    method->http = rule;
    enum rpc_code code = router_create(fixture->registry, ret_router, status);
    method->http = NULL;
    return code;
}

static void expect_refusal(struct routes_fixture *fixture, Google__Api__HttpRule *rule,
                           const char *want)
{
    struct router *router = NULL;
    struct rpc_status status;
    assert_int_equal(bind(fixture, rule, &router, &status), RPC_FAILED_PRECONDITION);
    if (strstr(status.message, want) == NULL || strstr(status.message, "Blank/A") == NULL)
        fail_msg("%s", status.message);
}

static void test_bindings(void **state)
{
    Google__Api__CustomHttpPattern custom;
    const struct routes_rule main = {"GET", "/a/{x}", NULL};
    const struct routes_rule others[] = {{"GET", "/b/{y}", NULL}, {"POST", "/a/{z}", "*"}};
    Google__Api__HttpRule rule = routes_rule_of(&main, &custom);
    Google__Api__HttpRule first = routes_rule_of(&others[0], &custom);
    Google__Api__HttpRule second = routes_rule_of(&others[1], &custom);
    Google__Api__HttpRule inner = routes_rule_of(&others[0], &custom);
    Google__Api__HttpRule *bindings[] = {&first, &second};
    Google__Api__HttpRule *nested[] = {&inner};
    struct router *router = NULL;
    struct rpc_status status;
    rule.n_additional_bindings = 2;
    rule.additional_bindings = bindings;
    assert_int_equal(bind(*state, &rule, &router, &status), RPC_OK);
    assert_string_equal(routes_find(*state, router, "GET", "/a/1"), "/a/{x} x=1");
    assert_string_equal(routes_find(*state, router, "GET", "/b/1"), "/b/{y} y=1");
    assert_string_equal(routes_find(*state, router, "POST", "/a/1"), "/a/{z} z=1");
    router_destroy(router);
    second.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_GET; /* GET /a/{z}, with a body */
    expect_refusal(*state, &rule, NO_BODY);
    second.body = (char *)"";
    expect_refusal(*state, &rule, TWICE);
    second.get = (char *)"/b/{number}";
    expect_refusal(*state, &rule, TWICE); /* of two bindings */
    second.get = (char *)"/c/{nothing}";
    expect_refusal(*state, &rule, FIELD);
    second.get = (char *)"/c";
    second.n_additional_bindings = 1;
    second.additional_bindings = nested;
    expect_refusal(*state, &rule, "a binding has no bindings of its own");
    second.n_additional_bindings = 0;
    second.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN__NOT_SET;
    expect_refusal(*state, &rule, "the rule has no pattern");
    second.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_CUSTOM;
    second.custom = NULL;
    expect_refusal(*state, &rule, "the rule has no pattern");
}

/* What a method may answer follows from all of its routes. */
static void test_reasons(void **state)
{
    Google__Api__CustomHttpPattern custom;
    const struct routes_rule get = {"GET", "/a", NULL};
    const struct routes_rule post = {"POST", "/a", NULL};
    const struct routes_rule head = {"HEAD", "/b", NULL};
    Google__Api__HttpRule rule = routes_rule_of(&get, &custom);
    Google__Api__HttpRule second = routes_rule_of(&post, &custom);
    Google__Api__HttpRule *more[] = {&second};
    struct registry_method *method = routes_method(*state, "A");
    const Lotcast__V1__Reason cross = LOTCAST__V1__REASON__REASON_CROSS_ORIGIN;
    const Lotcast__V1__Reason json = LOTCAST__V1__REASON__REASON_INVALID_JSON;
    method->http = &rule;
    assert_false(registry_method_may_answer(method, cross));
    rule.n_additional_bindings = 1;
    rule.additional_bindings = more;
    assert_true(registry_method_may_answer(method, cross));
    assert_false(registry_method_may_answer(method, json));
    second.body = (char *)"tags";
    assert_true(registry_method_may_answer(method, json));
    second.body = (char *)"file"; /* as it is */
    assert_false(registry_method_may_answer(method, json));
    second = routes_rule_of(&head, &custom);
    assert_false(registry_method_may_answer(method, cross));
    custom.kind = (char *)"*";
    assert_true(registry_method_may_answer(method, cross));
    method->http = NULL;
    assert_false(registry_method_may_answer(method, cross));
}

/* Verbs that no other part of the facade has room for. */
static void test_many_verbs(void **state)
{
    struct routes_rule rules[9];
    static char names[9][4];
    struct router *router = NULL;
    struct rpc_status status;
    for (size_t i = 0; i < 9; i++) {
        (void)snprintf(names[i], sizeof names[i], "V%zu", i);
        rules[i] = (struct routes_rule){names[i], "/a", NULL};
    }
    router = routes_must_create(*state, rules, 8);
    assert_string_equal(routes_find(*state, router, "GET", "/a"),
                        "405 V0, V1, V2, V3, V4, V5, V6, V7, OPTIONS");
    router_destroy(router);
    router = NULL;
    assert_int_equal(routes_create(*state, rules, 9, &router, &status), RPC_FAILED_PRECONDITION);
    assert_non_null(strstr(status.message, "too many kinds of verbs"));
    assert_null(router);
}

/* The method itself takes and gives a raw body. */
static void test_raw(void **state)
{
    struct registry_method *method = routes_method(*state, "Raw");
    static const struct row raw[] = {
        {"all", {{"POST", "/a", "*"}}, NULL},
        {"any verb", {{"*", "/a", "*"}}, NULL},
        {"no body", {{"POST", "/a", NULL}}, "a google.api.HttpBody needs the body *"},
        {"GET", {{"GET", "/a", NULL}}, "a google.api.HttpBody needs the body *"},
        {"GET with a body", {{"GET", "/a", "*"}}, NO_BODY},
        {"a field", {{"POST", "/a", "data"}}, "a google.api.HttpBody needs the body *"},
        {"a variable",
         {{"POST", "/a/{content_type}", "*"}},
         "a google.api.HttpBody needs the body * and no variables"},
    };
    struct router *router = NULL;
    struct rpc_status status;
    assert_int_equal(routes_create(*state, NULL, 0, &router, &status), RPC_OK);
    router_destroy(router);
    for (size_t i = 0; i < sizeof raw / sizeof raw[0]; i++) {
        Google__Api__CustomHttpPattern custom;
        Google__Api__HttpRule rule = routes_rule_of(&raw[i].rules[0], &custom);
        router = NULL;
        method->http = &rule;
        enum rpc_code code =
            router_create(((struct routes_fixture *)*state)->registry, &router, &status);
        method->http = NULL;
        if (code != (raw[i].want == NULL ? RPC_OK : RPC_FAILED_PRECONDITION) ||
            (raw[i].want != NULL && strstr(status.message, raw[i].want) == NULL))
            fail_msg("%s: %s", raw[i].name, status.message);
        if (router != NULL)
            assert_true(router_route_at(router, 0)->raw_request &&
                        router_route_at(router, 0)->raw_answer);
        router_destroy(router);
    }
}

static void test_response_body(void **state)
{
    static const struct {
        const char *field;
        bool raw;
        const char *want;
    } bodies[] = {
        {"", false, NULL},
        {"method", false, NULL},
        {"request", false, NULL},
        {"tags", false, NULL},
        {"file", true, NULL},
        {"nothing", false, "response_body"},
        {"request.x", false, "response_body"},
        {"*", false, "response_body"},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        const struct routes_rule get = {"GET", "/a", NULL};
        Google__Api__CustomHttpPattern custom;
        Google__Api__HttpRule rule = routes_rule_of(&get, &custom);
        struct router *router = NULL;
        struct rpc_status status;
        rule.response_body = (char *)bodies[i].field;
        if (bodies[i].want != NULL) {
            expect_refusal(*state, &rule, bodies[i].want);
            continue;
        }
        assert_int_equal(bind(*state, &rule, &router, &status), RPC_OK);
        const struct route *route = router_route_at(router, 0);
        assert_true((route->answer == NULL) == (*bodies[i].field == '\0'));
        assert_true(route->raw_answer == bodies[i].raw);
        router_destroy(router);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),   cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_reasons), cmocka_unit_test(test_many_verbs),
        cmocka_unit_test(test_raw),     cmocka_unit_test(test_response_body),
    };
    return cmocka_run_group_tests(tests, routes_fixture_setup, routes_fixture_teardown);
}
