#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rest/path.h"

struct row {
    const char *raw;
    const char *want; /* segments joined by '|'; NULL: no path */
};

static const struct row paths[] = {
    {"/", ""},
    {"/a", "a"},
    {"/a/b-c_d.e~f", "a|b-c_d.e~f"},
    {"/%61pi/x", "api|x"},
    {"/a%20b", "a b"},
    {"/%C3%A9", "\xc3\xa9"},
    {"/a;x=1", "a;x=1"}, /* no literal of ours, and as an id none that exists */
    {"/A", "A"},
    {"/a%2fb", "a/b"}, /* one segment: no other path */
    {"/a%2Fb/c", "a/b|c"},
    {"/%2f", "/"},
    {"/a%5cb", "a\\b"},
    {"/a%0ab", "a\nb"},
    {"/a%7f", "a\x7f"},
    {"/%2E%2E%2fa", "../a"},
    {"/...", "..."},
    {"/%25", "%"},
    {"/%2541", "%41"}, /* decoded once */
    {"/a+b", "a+b"},
    {"/%F0%9F%9A%97", "\xf0\x9f\x9a\x97"},
    {"/a:b", "a:b"},
    {"/!$&'()*,=@", "!$&'()*,=@"},
    {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25",
     "1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25"},
    {"", NULL},
    {"a", NULL},
    {"//", NULL},
    {"//a", NULL},
    {"/a//b", NULL},
    {"/a/", NULL},
    {"/.", NULL},
    {"/a/..", NULL},
    {"/../a", NULL},
    {"/%2e%2e/a", NULL},
    {"/.%2E/a", NULL},
    {"/%2e", NULL},
    {"/a\\b", NULL},
    {"/a%00b", NULL},
    {"/a%00", NULL},
    {"/a%", NULL},
    {"/a%2", NULL},
    {"/a%zz", NULL},
    {"/%ff", NULL},
    {"/%c0%af", NULL},
    {"/%ed%a0%80", NULL},
};

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct arena arena;
        struct path path;
        char joined[256] = "";
        arena_init(&arena, ARENA_CALL_BYTES_MAX);
        bool split = path_split(span_of_string(paths[i].raw), &arena, &path);
        if (split != (paths[i].want != NULL))
            fail_msg("%s: %s", paths[i].raw, split ? "taken" : "refused");
        for (size_t j = 0; split && j < path.count; j++)
            (void)snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%.*s",
                           j == 0 ? "" : "|", (int)path.segments[j].text.len,
                           (const char *)path.segments[j].text.data);
        if (split)
            assert_string_equal(joined, paths[i].want);
        arena_fini(&arena);
    }
}

static void test_path_with_nul(void **state)
{
    (void)state;
    struct arena arena;
    struct path path;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    assert_false(path_split(span_of("/a\0b", 4), &arena, &path));
    arena_fini(&arena);
}

struct query_row {
    const char *raw;
    enum query_fault fault;
    const char *want; /* field=value|…; of a fault the field */
};

static const struct query_row queries[] = {
    {"", QUERY_OK, ""},
    {"a=1", QUERY_OK, "a=1"},
    {"a=1&b=2", QUERY_OK, "a=1|b=2"},
    {"&&a=1&", QUERY_OK, "a=1"},
    {"a", QUERY_OK, "a="},
    {"a=", QUERY_OK, "a="},
    {"a=b=c", QUERY_OK, "a=b=c"},
    {"a=1+2%2B3", QUERY_OK, "a=1 2+3"},
    {"filters[inStock]=true", QUERY_OK, "filters.inStock=true"},
    {"filters%5BinStock%5D=true", QUERY_OK, "filters.inStock=true"},
    {"filters%5binStock%5d=true", QUERY_OK, "filters.inStock=true"},
    {"a[b][c]=1", QUERY_OK, "a.b.c=1"},
    {"error_reason=x", QUERY_OK, "error_reason=x"},
    {"search=%C3%A9", QUERY_OK, "search=\xc3\xa9"},
    {"a=1&a=2", QUERY_OK, "a=1|a=2"}, /* whether it may is the field's to say */
    {"a=1&%61=2", QUERY_OK, "a=1|a=2"},
    {"f[a]=1&f%5Ba%5D=2", QUERY_OK, "f.a=1|f.a=2"},
    {"a.b=1", QUERY_OK, "a.b=1"},
    {"a.b.c=1&a%2Eb=2", QUERY_OK, "a.b.c=1|a.b=2"},
    {"a.b[c]=1&a[b].c=2", QUERY_OK, "a.b.c=1|a.b.c=2"},
    {"a=1%262", QUERY_OK, "a=1&2"},
    {"a=1;b=2", QUERY_OK, "a=1;b=2"},
    {"a=/?:@", QUERY_OK, "a=/?:@"},
    {"a=%2525", QUERY_OK, "a=%25"},
    {"a=%0A", QUERY_OK, "a=\n"},
    {"=1", QUERY_MALFORMED, ""},
    {".a=1", QUERY_MALFORMED, ".a"},
    {"a.=1", QUERY_MALFORMED, "a."},
    {"a..b=1", QUERY_MALFORMED, "a..b"},
    {"a.[b]=1", QUERY_MALFORMED, "a.[b]"},
    {"a[b.c]=1", QUERY_MALFORMED, "a[b.c]"},
    {"a[b].=1", QUERY_MALFORMED, "a[b]."},
    {"a.b]=1", QUERY_MALFORMED, "a.b]"},
    {"a-b=1", QUERY_MALFORMED, "a-b"},
    {"a[=1", QUERY_MALFORMED, "a["},
    {"a]=1", QUERY_MALFORMED, "a]"},
    {"a[]=1", QUERY_MALFORMED, "a[]"},
    {"a[b=1", QUERY_MALFORMED, "a[b"},
    {"a[b]c=1", QUERY_MALFORMED, "a[b]c"},
    {"a[b]]=1", QUERY_MALFORMED, "a[b]]"},
    {"a[[b]]=1", QUERY_MALFORMED, "a[[b]]"},
    {"[a]=1", QUERY_MALFORMED, "[a]"},
    {"a=%", QUERY_MALFORMED, "a"},
    {"a=%4", QUERY_MALFORMED, "a"},
    {"a=%00", QUERY_MALFORMED, "a"},
    {"a=%ff", QUERY_MALFORMED, "a"},
    {"%ff=1", QUERY_MALFORMED, ""},
    {"a%00b=1", QUERY_MALFORMED, ""},
    {"a b=1", QUERY_MALFORMED, "a b"},
};

static void test_pages(void **state)
{
    (void)state;
    static const char *const pages[] = {
        "/",
        "/login",
        "/signup",
        "/%6cogin",
        "/onboarding/start",
        "/onboarding/connect/x",
        "/app",
        "/app/dashboard",
        "/app/x/y/z",
        "/admin",
        "/admin/customers",
        "/admin/customers/7",
        "/admin/audit",
    };
    static const char *const others[] = {
        "/login/x",
        "/signup/x",
        "/onboarding",
        "/apps",
        "/App/dashboard",
        "/administ",
        "/api",
        "/api/app",
        "/assets",
        "/x/app",
        "/healthz",
        "/app%2Fdashboard",
        "/index.html",
        "/Login",
        "/admin/customers;x",
        "/app/%20",
        "/app/a%2fb",
        "/app/%c3%a9",
        "/admin/customers/{id}",
        "/app/x:y",
    };
    static const char *const none[] = {"/app/",  "//",        "/login/",  "/app/../api",
                                       "/app/.", "/app//ads", "/app/%00", "/app\\x"};
    struct arena arena;
    struct path path;
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        assert_true(path_split(span_of_string(pages[i]), &arena, &path));
        if (!path_is_page(&path))
            fail_msg("%s", pages[i]);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_true(path_split(span_of_string(others[i]), &arena, &path));
        if (path_is_page(&path))
            fail_msg("%s", others[i]);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(path_split(span_of_string(none[i]), &arena, &path));
    arena_fini(&arena);
}

static void test_queries(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        struct arena arena;
        struct query query;
        struct span field = {0};
        char joined[256] = "";
        arena_init(&arena, ARENA_CALL_BYTES_MAX);
        enum query_fault fault =
            query_parse(span_of_string(queries[i].raw), &arena, &query, &field);
        if (fault != queries[i].fault)
            fail_msg("%s: %d instead of %d", queries[i].raw, (int)fault, (int)queries[i].fault);
        for (size_t j = 0; fault == QUERY_OK && j < query.count; j++)
            (void)snprintf(
                joined + strlen(joined), sizeof joined - strlen(joined), "%s%.*s=%.*s",
                j == 0 ? "" : "|", (int)query.parameters[j].field.len,
                (const char *)query.parameters[j].field.data, (int)query.parameters[j].value.len,
                query.parameters[j].value.len == 0 ? ""
                                                   : (const char *)query.parameters[j].value.data);
        if (fault != QUERY_OK)
            (void)snprintf(joined, sizeof joined, "%.*s", (int)field.len, (const char *)field.data);
        assert_string_equal(joined, queries[i].want);
        arena_fini(&arena);
    }
}

static void test_many_parameters(void **state)
{
    (void)state;
    char raw[8192];
    size_t len = 0;
    struct arena arena;
    struct query query;
    struct span field;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    for (size_t i = 0; i < QUERY_PARAMETERS_MAX; i++)
        len += (size_t)snprintf(raw + len, sizeof raw - len, "a%zu=1&", i);
    assert_int_equal(query_parse(span_of(raw, len), &arena, &query, &field), QUERY_OK);
    assert_int_equal(query.count, QUERY_PARAMETERS_MAX);
    len += (size_t)snprintf(raw + len, sizeof raw - len, "b=1");
    assert_int_equal(query_parse(span_of(raw, len), &arena, &query, &field), QUERY_MALFORMED);
    arena_fini(&arena);
}

static void test_exhaustion(void **state)
{
    (void)state;
    struct arena arena;
    struct query query;
    struct span field;
    arena_init(&arena, 8);
    assert_int_equal(query_parse(span_of_string("abcdefghijkl=1"), &arena, &query, &field),
                     QUERY_EXHAUSTED);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),           cmocka_unit_test(test_path_with_nul),
        cmocka_unit_test(test_pages),           cmocka_unit_test(test_queries),
        cmocka_unit_test(test_many_parameters), cmocka_unit_test(test_exhaustion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
