/*
 * Which route a path finds, and what its variables are then: groups of routes, each with requests.
 */
#include "test/unit/rest/routes_fixture.h"

struct look {
    const char *path;
    const char *want; /* as routes_find prints it */
    const char *verb; /* NULL: GET */
};

struct group {
    const char *name;
    struct routes_rule rules[ROUTES_MAX];
    struct look looks[40];
};

#define GET(path)           \
    {                       \
        "GET", (path), NULL \
    }

static const struct group groups[] = {
    {"literals",
     {GET("/a"),
      GET("/a/b"),
      GET("/a/b/c"),
      GET("/a/b2/c"),
      GET("/a2/b/c"),
      {"POST", "/a/p", NULL}},
     {{"/a", "/a", NULL},
      {"/a/b", "/a/b", NULL},
      {"/a/b/c", "/a/b/c", NULL},
      {"/a/b2/c", "/a/b2/c", NULL},
      {"/a2/b/c", "/a2/b/c", NULL},
      {"/%61/b", "/a/b", NULL},
      {"/%61/%62/%63", "/a/b/c", NULL},
      {"/a%2Fb", "404", NULL},
      {"/a%2fb/c", "404", NULL},
      {"/", "404", NULL},
      {"/b", "404", NULL},
      {"/A", "404", NULL},
      {"/a/B", "404", NULL},
      {"/a2", "404", NULL},
      {"/a2/b", "404", NULL},
      {"/a/b/c/d", "404", NULL},
      {"/a/b/d", "404", NULL},
      {"/a/", "404", NULL},
      {"//a", "404", NULL},
      {"/a//b", "404", NULL},
      {"/a/b/", "404", NULL},
      {"/a;v=1", "404", NULL},
      {"/a;/b", "404", NULL},
      {"/a%00", "404", NULL},
      {"/a%00/b", "404", NULL},
      {"/a%", "404", NULL},
      {"/a/./b", "404", NULL},
      {"/a/%2e/b", "404", NULL},
      {"/x/../a", "404", NULL},
      {"/x/%2E%2e/a", "404", NULL},
      {"/a%20", "404", NULL},
      {"/a+", "404", NULL},
      {"/a%2500", "404", NULL},
      {"/a", "405 GET, HEAD, OPTIONS", "POST"},
      {"/a", "405 GET, HEAD, OPTIONS", "OPTIONS"},
      {"/a", "405 GET, HEAD, OPTIONS", "get"},
      {"/a", "/a", "HEAD"},
      {"/a/p", "/a/p", "POST"},
      {"/a/p", "405 POST, OPTIONS", "HEAD"}}},
    {"the root",
     {GET("/"), GET("/{x}/y")},
     {{"/", "/", NULL},
      {"/", "/", "HEAD"},
      {"/", "405 GET, HEAD, OPTIONS", "PUT"},
      {"/a", "404", NULL},
      {"//", "404", NULL},
      {"/a/y", "/{x}/y x=a", NULL}}},
    {"everything",
     {GET("/**")},
     {{"/", "/**", NULL},
      {"/a", "/**", NULL},
      {"/a/b/c/d", "/**", NULL},
      {"/a:b", "/**", NULL},
      {"/a/", "404", NULL}}},
    {"wildcards",
     {GET("/a/**"), GET("/b/*"), GET("/c/*/d/**"), GET("/c/*/d/e"), GET("/c/f/d/e"), GET("/")},
     {{"/a", "/a/**", NULL}, /* no segment is some, too */
      {"/a/b", "/a/**", NULL},
      {"/a/b/c", "/a/**", NULL},
      {"/a/b//c", "404", NULL},
      {"/b/c", "/b/*", NULL},
      {"/b", "404", NULL},
      {"/b/c/d", "404", NULL},
      {"/c/u/d/v", "/c/*/d/**", NULL},
      {"/c/v/d/w/x", "/c/*/d/**", NULL},
      {"/c/v/d", "/c/*/d/**", NULL},
      {"/c/x/y/d/z", "404", NULL},
      {"/c//v/d/w", "404", NULL},
      {"/c/x/d/e", "/c/*/d/e", NULL},
      {"/c/x/d/e/f", "/c/*/d/**", NULL},
      {"/c/f/d/e", "/c/f/d/e", NULL},
      {"/c/f/d/g", "/c/*/d/**", NULL}, /* back from the literal f */
      {"/c/f/d/e/g", "/c/*/d/**", NULL},
      {"/c/f/d", "/c/*/d/**", NULL},
      {"/c/f", "404", NULL},
      {"/", "/", NULL}}},
    {"variables",
     {GET("/a/{x}/c/d/e"), GET("/{x=a/*}/b/{y=*}/c"), GET("/a/{x=b/*}/{y=d/**}"), GET("/{x=*}/a"),
      GET("/a/b/{x=*}"), GET("/a/b/c/{x=**}"), GET("/{x=*}/d/e/f/{y=**}"),
      GET("/s/{inner.name=shelves/*/books/*}"), GET("/n/{inner.deep.size}/{snake_case_name}")},
     {{"/a/book/c/d/e", "/a/{x}/c/d/e x=book", NULL},
      {"/a/hello/b/world/c", "/{x=a/*}/b/{y=*}/c x=a/hello y=world", NULL},
      {"/a/b/zoo/d/animal/tiger", "/a/{x=b/*}/{y=d/**} x=b/zoo y=d/animal/tiger", NULL},
      {"/a/b/zoo/d", "/a/{x=b/*}/{y=d/**} x=b/zoo y=d", NULL},
      {"/a/b/zoo/e", "404", NULL},
      {"/foo/a", "/{x=*}/a x=foo", NULL},
      {"/a/a", "/{x=*}/a x=a", NULL},
      {"/a/b/foo", "/a/b/{x=*} x=foo", NULL},
      {"/a/b/a", "/a/b/{x=*} x=a", NULL},
      {"/a/b/c", "/a/b/c/{x=**} x=", NULL}, /* a literal, be there nothing behind it */
      {"/a/b/c/foo/bar", "/a/b/c/{x=**} x=foo/bar", NULL},
      {"/foo/d/e/f/bar/baz", "/{x=*}/d/e/f/{y=**} x=foo y=bar/baz", NULL},
      {"/foo/d/e/f", "/{x=*}/d/e/f/{y=**} x=foo y=", NULL},
      {"/a/d/e/f", "/{x=*}/d/e/f/{y=**} x=a y=", NULL},
      {"/s/shelves/1/books/2", "/s/{inner.name=shelves/*/books/*} inner.name=shelves/1/books/2",
       NULL},
      {"/s/shelves/1/books", "404", NULL},
      {"/s/shelves/1/books/2/3", "404", NULL},
      {"/s/shelf/1/books/2", "404", NULL},
      {"/n/7/q", "/n/{inner.deep.size}/{snake_case_name} inner.deep.size=7 snakeCaseName=q",
       NULL}}},
    {"escapes",
     {GET("/a/{x}/c"), GET("/m/{x=p/*/q/*}/c"), GET("/r/{x=**}"), GET("/o/{x=p/*}"),
      GET("/two/{x}/{y=**}"), GET("/one/{x=lit}")},
     {{"/a/p%20q%2Fr+/c", "/a/{x}/c x=p q/r+", NULL},
      {"/a/%21%23%24%26%27%28%29%2A%2B%2C%2F%3A%3B%3D%3F%40%5B%5D/c",
       "/a/{x}/c x=!#$&'()*+,/:;=?@[]", NULL},
      {"/a/%2f/c", "/a/{x}/c x=/", NULL},
      {"/a/%2F%2e%2e%2F/c", "/a/{x}/c x=/../", NULL},
      {"/a/%2525/c", "/a/{x}/c x=%25", NULL},
      {"/a/%e2%82%ac/c", "/a/{x}/c x=\xe2\x82\xac", NULL},
      {"/a/%0a/c", "/a/{x}/c x=\n", NULL},
      {"/a/%22%5C/c", "/a/{x}/c x=\"\\", NULL},
      {"/a/b\\/c", "404", NULL},
      {"/a/%00/c", "404", NULL},
      {"/a/%/c", "404", NULL},
      {"/a/%2/c", "404", NULL},
      {"/a/%2g/c", "404", NULL},
      {"/a/%ff/c", "404", NULL},
      {"/a/%c0%ae/c", "404", NULL},
      {"/a/%2e/c", "404", NULL},
      {"/a/%2e./c", "404", NULL},
      {"/m/p/foo%20foo/q/bar%2Fbar/c", "/m/{x=p/*/q/*}/c x=p/foo foo/q/bar%2Fbar", NULL},
      {"/m/p/foo%2ffoo/q/b%41r/c", "/m/{x=p/*/q/*}/c x=p/foo%2ffoo/q/bAr", NULL},
      {"/r/p%20q/%2F/r%2Fs+", "/r/{x=**} x=p q/%2F/r%2Fs+", NULL},
      {"/r/a%2Fb", "/r/{x=**} x=a%2Fb", NULL}, /* of `**`, even if it is but one */
      {"/r/%21%23%24%26%27%28%29%2A%2B%2C%2F%3A%3B%3D%3F%40%5B%5D",
       "/r/{x=**} x=!#$&'()*+,%2F:;=?@[]", NULL},
      {"/r/%252F", "/r/{x=**} x=%2F", NULL},
      {"/r/a/%2e%2e/b", "404", NULL},
      {"/r/a/..%2fb", "/r/{x=**} x=a/..%2fb", NULL},
      {"/r/%70/%71", "/r/{x=**} x=p/q", NULL},
      {"/r", "/r/{x=**} x=", NULL},
      {"/r/", "404", NULL},
      {"/o/%70/a%2Fb", "/o/{x=p/*} x=p/a%2Fb", NULL},
      {"/two/a%2Fb/c%2Fd", "/two/{x}/{y=**} x=a/b y=c%2Fd", NULL},
      {"/one/lit", "/one/{x=lit} x=lit", NULL},
      {"/one/%6Cit", "/one/{x=lit} x=lit", NULL},
      {"/one/lit%2F", "404", NULL}}},
    {"a verb of everything",
     {GET("/person"), GET("/person/{x=*}"), GET("/{x=**}:verb")},
     {{"/person:verb", "/{x=**}:verb x=person", NULL},
      {"/person/jason:verb", "/{x=**}:verb x=person/jason", NULL},
      {"/animal:verb", "/{x=**}:verb x=animal", NULL},
      {"/animal/cat:verb", "/{x=**}:verb x=animal/cat", NULL},
      {"/:verb", "/{x=**}:verb x=", NULL},
      {"/person", "/person", NULL},
      {"/person/jason", "/person/{x=*} x=jason", NULL},
      {"/animal", "404", NULL},
      {"/animal/cat", "404", NULL},
      {"/person:other", "404", NULL},
      {"/person/jason:other", "/person/{x=*} x=jason:other", NULL},
      {"/person/jason:", "/person/{x=*} x=jason:", NULL},
      {"/person/:", "/person/{x=*} x=:", NULL},
      {"/person/:verb", "404", NULL},
      {"/person/.:verb", "404", NULL},
      {"/person/..:verb", "404", NULL},
      {"/person/%2e%2E:verb", "404", NULL},
      {"/person/jason:Verb", "/person/{x=*} x=jason:Verb", NULL},
      {"/person/jason:%76erb", "/{x=**}:verb x=person/jason", NULL},
      {"/person/jason%3Averb", "/person/{x=*} x=jason:verb", NULL},
      {"/person/a%3Averb:verb", "/{x=**}:verb x=person/a:verb", NULL},
      {"/person/a%3A:verb", "/{x=**}:verb x=person/a:", NULL},
      {"/person/a%2F:verb", "/{x=**}:verb x=person/a%2F", NULL},
      {"/person/%C3%A9:verb", "/{x=**}:verb x=person/\xc3\xa9", NULL},
      {"/person/a:verb:verb", "/{x=**}:verb x=person/a:verb", NULL},
      {"/person/a:verb:x", "/person/{x=*} x=a:verb:x", NULL},
      {"/person/jason:verb/", "404", NULL},
      {"/person/jason:verb?", "/person/{x=*} x=jason:verb?", NULL},
      {"/animal/cat:other", "404", NULL}}},
    {"verbs and variables",
     {GET("/a/{y=*}:verb"),
      GET("/a/{y=d/**}:verb"),
      GET("/{x=*}/a:verb"),
      GET("/e/{x=*}/f:verb"),
      GET("/{x=*}/{y=*}:two"),
      GET("/plain/{x}"),
      {"POST", "/plain/{x}:cancel", NULL}},
     {{"/a/world:verb", "/a/{y=*}:verb y=world", NULL},
      {"/a/d/animal/tiger:verb", "/a/{y=d/**}:verb y=d/animal/tiger", NULL},
      {"/a/d:verb", "/a/{y=d/**}:verb y=d", NULL}, /* the literal's node comes first */
      {"/foo/a:verb", "/{x=*}/a:verb x=foo", NULL},
      {"/a/a:verb", "/a/{y=*}:verb y=a", NULL},
      {"/e/foo/f:verb", "/e/{x=*}/f:verb x=foo", NULL},
      {"/some:two/const:two", "/{x=*}/{y=*}:two x=some:two y=const", NULL},
      {"/some:verb/const:two", "/{x=*}/{y=*}:two x=some:verb y=const", NULL},
      {"/plain/a:two", "/{x=*}/{y=*}:two x=plain y=a", NULL},
      {"/plain/a", "/plain/{x} x=a", NULL},
      {"/plain/a:other", "/plain/{x} x=a:other", NULL},
      {"/plain/a:cancel", "/plain/{x}:cancel x=a", "POST"},
      /* A verb of any route is none of a name's: it is not the book "a:cancel". */
      {"/plain/a:cancel", "405 POST, OPTIONS", NULL},
      {"/plain/a:cancel", "405 POST, OPTIONS", "OPTIONS"},
      {"/plain/b:verb", "404", NULL},
      {"/plain/a", "405 GET, HEAD, OPTIONS", "POST"},
      {"/x/y", "404", NULL}}},
    {"verbs and literals",
     {GET("/some/const:verb"), GET("/some/*:verb"), GET("/some/*/foo:verb"), GET("/other/**:verb"),
      GET("/odd:$a-b.c_d~e"), GET("/odd:a+b@c"), GET("/odd")},
     {{"/some/const:verb", "/some/const:verb", NULL},
      {"/some/other:verb", "/some/*:verb", NULL},
      {"/some/other:verb/", "404", NULL},
      {"/some/bar/foo:verb", "/some/*/foo:verb", NULL},
      {"/some/foo1/foo2/foo:verb", "404", NULL},
      {"/some/foo/bar:verb", "404", NULL},
      {"/some/const", "404", NULL},
      {"/other/bar/foo:verb", "/other/**:verb", NULL},
      {"/other:verb", "/other/**:verb", NULL},
      {"/other/:verb", "404", NULL},
      {"/odd:$a-b.c_d~e", "/odd:$a-b.c_d~e", NULL},
      {"/odd:%24a%2Db%2Ec%5Fd%7Ee", "/odd:$a-b.c_d~e", NULL},
      {"/odd:a+b@c", "/odd:a+b@c", NULL},
      {"/odd:a%2Bb%40c", "/odd:a+b@c", NULL},
      {"/odd:a%20b@c", "404", NULL},
      {"/odd:a b", "404", NULL},
      {"/odd", "/odd", NULL},
      {"/odd:", "404", NULL},
      {"/odd:nothing", "404", NULL}}},
    {"a colon where no verb is",
     {GET("/foo/{x=*}"), GET("/bar/*/hello")},
     {{"/foo/other:verb", "/foo/{x=*} x=other:verb", NULL},
      {"/foo/:", "/foo/{x=*} x=:", NULL},
      {"/foo/a:b:c", "/foo/{x=*} x=a:b:c", NULL},
      {"/foo/2026-02-06T20:00:00Z", "/foo/{x=*} x=2026-02-06T20:00:00Z", NULL},
      {"/bar/other:verb/hello", "/bar/*/hello", NULL}}},
    {"everything, with a verb and without",
     {GET("/{x=**}:verb"), GET("/{x=**}")},
     {{"/some:verb/const:verb", "/{x=**}:verb x=some:verb/const", NULL},
      {"/some:verb/const", "/{x=**} x=some:verb/const", NULL},
      {"/some:verb2/const:verb2", "/{x=**} x=some:verb2/const:verb2", NULL},
      {"/", "/{x=**} x=", NULL}}},
    {"back and forth",
     {GET("/a/b/c/d"),
      GET("/a/*/c/e"),
      GET("/*/b/c/f"),
      GET("/a/b/**"),
      {"PUT", "/a/{x}/c/d", NULL},
      {"DELETE", "/**", NULL},
      GET("/*/*/*/g")},
     {{"/a/b/c/d", "/a/b/c/d", NULL},
      {"/a/b/c/e", "/a/b/**",
       NULL}, /* as far as literals lead, `**` below them comes before `*` above */
      {"/a/x/c/e", "/a/*/c/e", NULL},
      {"/a/b/c/f", "/a/b/**", NULL},
      {"/z/b/c/f", "/*/b/c/f", NULL},
      {"/a/x/c/g", "/*/*/*/g", NULL},
      {"/a/x/c/h", "405 DELETE, OPTIONS", NULL},
      {"/a/b/c/d", "/a/{x}/c/d x=b", "PUT"}, /* for the verb's sake */
      {"/a/b/c/d", "/**", "DELETE"},
      {"/a/b/c/d", "405 GET, HEAD, PUT, DELETE, OPTIONS", "POST"},
      {"/a/b", "/a/b/**", NULL},
      {"/a", "405 DELETE, OPTIONS", NULL},
      {"/q", "405 DELETE, OPTIONS", NULL},
      {"/q", "/**", "DELETE"}}},
    {"verbs of HTTP",
     {GET("/a"),
      {"POST", "/a", NULL},
      {"PUT", "/a", NULL},
      {"PATCH", "/a", NULL},
      {"DELETE", "/a", NULL},
      {"HEAD", "/h", NULL},
      {"LIST", "/l", NULL},
      {"OPTIONS", "/o", NULL},
      {"*", "/any/{x}", NULL},
      {"POST", "/any/{x}", NULL},
      {"purge", "/any/{x}", NULL},
      {"M-SEARCH", "/l", NULL}},
     {{"/a", "/a", "GET"},
      {"/a", "/a", "POST"},
      {"/a", "/a", "PUT"},
      {"/a", "/a", "PATCH"},
      {"/a", "/a", "DELETE"},
      {"/a", "405 GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", "LIST"},
      {"/a", "405 GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", "OPTIONS"},
      {"/a", "405 GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", "TRACE"},
      {"/a", "405 GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", "*"},
      {"/a", "405 GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS", ""},
      {"/h", "/h", "HEAD"},
      {"/h", "405 HEAD, OPTIONS", "GET"},
      {"/l", "/l", "LIST"},
      {"/l", "405 LIST, M-SEARCH, OPTIONS", "list"},
      {"/l", "405 LIST, M-SEARCH, OPTIONS", "GET"},
      {"/l", "/l", "M-SEARCH"},
      {"/o", "/o", "OPTIONS"},
      {"/o", "405 OPTIONS", "GET"},
      {"/any/1", "/any/{x} x=1", "GET"},
      {"/any/1", "/any/{x} x=1", "HEAD"},
      {"/any/1", "/any/{x} x=1", "POST"},
      {"/any/1", "/any/{x} x=1", "purge"},
      {"/any/1", "/any/{x} x=1", "BREW"},
      {"/any/1", "405 GET, HEAD, POST, PUT, PATCH, DELETE, purge, OPTIONS", "OPTIONS"},
      {"/any/1", "405 GET, HEAD, POST, PUT, PATCH, DELETE, purge, OPTIONS", "TRACE"}}},
    {"deep",
     {GET("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/{x=**}")},
     {{"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23",
       "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/{x=**} x=", NULL},
      {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27",
       "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/{x=**} x=24/25/26/27", NULL},
      {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22", "404", NULL}}},
    {"none",
     {{NULL, NULL, NULL}},
     {{"/", "404", NULL}, {"/a", "404", NULL}, {"/a:b", "404", NULL}, {"/a", "404", "OPTIONS"}}},
};

static void run_group(struct routes_fixture *fixture, const struct group *group)
{
    size_t count = 0;
    while (count < ROUTES_MAX && group->rules[count].verb != NULL)
        count++;
    struct router *router = routes_must_create(fixture, group->rules, count);
    assert_int_equal(router_route_count(router), count);
    for (size_t i = 0; i < 40 && group->looks[i].path != NULL; i++) {
        const struct look *look = &group->looks[i];
        const char *verb = look->verb == NULL ? "GET" : look->verb;
        const char *found = routes_find(fixture, router, verb, look->path);
        if (strcmp(found, look->want) != 0)
            fail_msg("%s: %s %s: %s, not %s", group->name, verb, look->path, found, look->want);
    }
    router_destroy(router);
}

static void test_groups(void **state)
{
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
        run_group(*state, &groups[i]);
}

/* Every byte that one segment may stand for, in both spellings. */
static void test_all_bytes(void **state)
{
    struct routes_fixture *fixture = *state;
    static const struct routes_rule rules[] = {GET("/{x}"), GET("/rest/{x=**}")};
    struct router *router = routes_must_create(fixture, rules, 2);
    for (unsigned byte = 0; byte < 0x80; byte++) {
        for (int upper = 0; upper < 2; upper++) {
            char path[8], rest[16], want[32];
            (void)snprintf(path, sizeof path, upper ? "/%%%02X" : "/%%%02x", byte);
            (void)snprintf(rest, sizeof rest, "/rest%s", path);
            const char *found = routes_find(fixture, router, "GET", path);
            if (byte == 0 || byte == '.') {
                assert_string_equal(found, "404");
                continue;
            }
            (void)snprintf(want, sizeof want, "/{x} x=%c", (char)byte);
            assert_string_equal(found, want);
            (void)snprintf(want, sizeof want, "/rest/{x=**} x=%c", (char)byte);
            if (byte == '/')
                (void)snprintf(want, sizeof want, "/rest/{x=**} x=%s", path + 1);
            assert_string_equal(routes_find(fixture, router, "GET", rest), want);
        }
    }
    router_destroy(router);
}

/* HEAD where a method forbids it, of GET and of a rule that leaves the verb open. */
static void test_no_head(void **state)
{
    struct routes_fixture *fixture = *state;
    struct registry_method *method = routes_method(fixture, "NoHead");
    const struct routes_rule get = GET("/a");
    const struct routes_rule any = {"*", "/b", NULL};
    const struct routes_rule head = {"HEAD", "/c", NULL};
    Google__Api__CustomHttpPattern customs[3];
    Google__Api__HttpRule first = routes_rule_of(&get, &customs[0]);
    Google__Api__HttpRule second = routes_rule_of(&any, &customs[1]);
    Google__Api__HttpRule third = routes_rule_of(&head, &customs[2]);
    Google__Api__HttpRule *more[] = {&second, &third};
    first.n_additional_bindings = 2;
    first.additional_bindings = more;
    method->http = &first;
    struct router *router = routes_must_create(fixture, NULL, 0);
    assert_int_equal(router_route_count(router), 3);
    assert_string_equal(routes_find(fixture, router, "GET", "/a"), "/a");
    assert_string_equal(routes_find(fixture, router, "HEAD", "/a"), "405 GET, OPTIONS");
    assert_string_equal(routes_find(fixture, router, "GET", "/b"), "/b");
    assert_string_equal(routes_find(fixture, router, "HEAD", "/b"),
                        "405 GET, POST, PUT, PATCH, DELETE, OPTIONS");
    assert_string_equal(routes_find(fixture, router, "HEAD", "/c"), "/c");
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(router_route_at(router, i)->method, method);
    assert_null(router_route_at(router, 3));
    method->http = NULL;
    router_destroy(router);
}

/* As many segments and slashes as a URL has room for. */
static void test_long_paths(void **state)
{
    struct routes_fixture *fixture = *state;
    static const struct routes_rule rules[] = {GET("/a/{x=**}"), GET("/*/*/*/*/*/*/*/b")};
    struct router *router = routes_must_create(fixture, rules, 2);
    static char path[8192 + 1];
    memcpy(path, "/a", 2);
    for (size_t i = 2; i + 2 < sizeof path; i += 2)
        memcpy(path + i, "/b", 2);
    const char *found = routes_find(fixture, router, "GET", path);
    assert_int_equal(strlen(found), strlen("/a/{x=**} x=") + strlen(path) - strlen("/a/"));
    memcpy(path, "/c", 2);
    assert_string_equal(routes_find(fixture, router, "GET", path), "404");
    memset(path, '/', sizeof path - 1);
    assert_string_equal(routes_find(fixture, router, "GET", path), "404");
    router_destroy(router);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_all_bytes),
        cmocka_unit_test(test_no_head),
        cmocka_unit_test(test_long_paths),
    };
    return cmocka_run_group_tests(tests, routes_fixture_setup, routes_fixture_teardown);
}
