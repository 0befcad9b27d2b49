#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "clients/http/url.h"

#define ARENA_BYTES ((size_t)4 * 1024 * 1024)

static void parses_and_normalises(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *path, *query, *want;
        uint16_t port;
    } rows[] = {
        {"http://example.com", "example.com", "/", NULL, "http://example.com/", 80},
        {"HTTPS://EXAMPLE.com:443/A", "example.com", "/A", NULL, "https://example.com/A", 443},
        {"http://example.com:8080/", "example.com", "/", NULL, "http://example.com:8080/", 8080},
        {"http://example.com:/x", "example.com", "/x", NULL, "http://example.com/x", 80},
        {"https://example.com:80/", "example.com", "/", NULL, "https://example.com:80/", 80},
        {"http://example.com./", "example.com", "/", NULL, "http://example.com/", 80},
        {"http://example.com?a=1", "example.com", "/", "a=1", "http://example.com/?a=1", 80},
        {"http://example.com#f", "example.com", "/", NULL, "http://example.com/", 80},
        {"http://a.example/b/../c/./d?x=/../y#z", "a.example", "/c/d", "x=/../y",
         "http://a.example/c/d?x=/../y", 80},
        {"http://a.example/%7Eb/%2e%2E/c%2fd%e2", "a.example", "/c%2Fd%E2", NULL,
         "http://a.example/c%2Fd%E2", 80},
        {"http://a.example/../../x", "a.example", "/x", NULL, "http://a.example/x", 80},
        {"http://a.example/100%/\xc3\xa9", "a.example", "/100%25/%C3%A9", NULL,
         "http://a.example/100%25/%C3%A9", 80},
        {"http://a.example/a|b\"c", "a.example", "/a%7Cb%22c", NULL, "http://a.example/a%7Cb%22c",
         80},
        {"http://127.0.0.1:9/", "127.0.0.1", "/", NULL, "http://127.0.0.1:9/", 9},
        {"http://127.0.0.1./", "127.0.0.1", "/", NULL, "http://127.0.0.1/", 80},
        {"http://[2001:DB8::0:1]:81/x", "2001:db8::1", "/x", NULL, "http://[2001:db8::1]:81/x", 81},
        {"http://[::1]", "::1", "/", NULL, "http://[::1]/", 80},
        {"http://[::FFFF:127.0.0.1]/", "::ffff:127.0.0.1", "/", NULL, "http://[::ffff:127.0.0.1]/",
         80},
        {"http://localhost/", "localhost", "/", NULL, "http://localhost/", 80},
        {"http://xn--bcher-kva.example/", "xn--bcher-kva.example", "/", NULL,
         "http://xn--bcher-kva.example/", 80},
        {"http://B\xc3\xbc"
         "cher.example/",
         "xn--bcher-kva.example", "/", NULL, "http://xn--bcher-kva.example/", 80},
        {"http://www.stra\xc3\x9f"
         "e.example:81",
         "www.xn--strae-oqa.example", "/", NULL, "http://www.xn--strae-oqa.example:81/", 81},
        {"http://my_shop.example/", "my_shop.example", "/", NULL, "http://my_shop.example/", 80},
        {"http://a.example/x@y", "a.example", "/x@y", NULL, "http://a.example/x@y", 80},
        {"http://a.example/?u=http://b.example/", "a.example", "/", "u=http://b.example/",
         "http://a.example/?u=http://b.example/", 80},
        {"http://1e100.example/", "1e100.example", "/", NULL, "http://1e100.example/", 80},
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct url url;
        if (!url_parse(span_of_string(rows[i].text), &arena, &url))
            fail_msg("%s was refused", rows[i].text);
        assert_string_equal(url.host, rows[i].host);
        assert_string_equal(url.path, rows[i].path);
        assert_int_equal(url.port, rows[i].port);
        assert_string_equal(url.text, rows[i].want);
        if (rows[i].query == NULL)
            assert_null(url.query);
        else
            assert_string_equal(url.query, rows[i].query);
        /* The text is a fixed point. */
        struct url again;
        assert_true(url_parse(span_of_string(url.text), &arena, &again));
        assert_string_equal(again.text, url.text);
    }
    arena_fini(&arena);
}

static const char *const refused_urls[] = {
    "",
    "http",
    "http:",
    "http:/",
    "http://",
    "http:///",
    "http:///x",
    "http://?",
    "http:x.example",
    "http:/x.example/",
    "//x.example/",
    "/x",
    "x.example",
    "ftp://x.example/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "gopher://x.example/",
    "data:text/html,x",
    "https//x.example",
    " http://x.example/",
    "http://x.example/ ",
    "http://x.example/a b",
    "http://x.exa mple/",
    "http://x.example/\t",
    "http://x.example/\r\nX: y",
    "http://x.example\\@y.example/",
    "http://x.example/a\\b",
    "http:\\\\x.example/",
    "http://user@x.example/",
    "http://user:pass@x.example/",
    "http://@x.example/",
    "http://x.example@127.0.0.1/",
    "http://x.example%2f@127.0.0.1/",
    "http://127.0.0.1%00.x.example/",
    "http://x%2eexample/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://0177.0.0.1/",
    "http://127.0.0.01/",
    "http://127.0.0.0x1/",
    "http://127.0.0.1.2/",
    "http://256.1.1.1/",
    "http://1.2.3.256/",
    "http://x.example.1/",
    "http://x.0x1/",
    "http://1/",
    "http://0/",
    "http://.x.example/",
    "http://x..example/",
    "http://./",
    "http://x.example:0/",
    "http://x.example:65536/",
    "http://x.example:99999999999/",
    "http://x.example:8o/",
    "http://x.example:-1/",
    "http://x.example: 80/",
    "http://x:80:80/",
    "http://[::1/",
    "http://::1/",
    "http://[::1]x/",
    "http://[::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[127.0.0.1]/",
    "http://[]/",
    "http://[1:2:3]/",
    "http://[v1.x]/",
    "http://x_]/",
    "http://x!y.example/",
    "http://x*.example/",
    "http://x.example,y/",
    "http://x<y>.example/",
    "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", /* full-width 127 */
    "http://127\xe3\x80\x82"
    "0.0.1/", /* ideographic full stop */
    "http://\xe2\x91\xa0.example/",
    "http://a\xc3\xbc@b.example/",
    "http://\xef\xbc\xa1.example/",
    "http://\xc3\xbc"
    "\xe3\x80\x82"
    "b/",
    "http://\xe2\x80\x8b.example/",
    "http://x\xe2\x80\x8b.example/",
    "http://\xef\xbc\x8f/",
    "http://x.example/\xff",
    "http://x.example/\xc0\xaf",
};

static void refuses_what_readers_disagree_on(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof refused_urls / sizeof refused_urls[0]; i++) {
        struct url url;
        if (url_parse(span_of_string(refused_urls[i]), &arena, &url))
            fail_msg("%s was read as %s", refused_urls[i], url.text);
    }
    struct url url;
    assert_false(url_parse(span_of("http://x.example/\0y", 19), &arena, &url));
    assert_false(url_parse(span_of("http://x.exa\0mple/", 18), &arena, &url));
    char longest[URL_BYTES_MAX + 2];
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "http://x.example/", 17);
    assert_true(url_parse(span_of(longest, URL_BYTES_MAX), &arena, &url));
    assert_false(url_parse(span_of(longest, URL_BYTES_MAX + 1), &arena, &url));
    memset(longest + 17, '|', sizeof longest - 17); /* three times as long once it is encoded */
    assert_false(url_parse(span_of(longest, URL_BYTES_MAX), &arena, &url));
    arena_fini(&arena);
}

/* RFC 3986, 5.4, less the forms with a scheme of their own and without the fragments. */
static void resolves_references(void **state)
{
    (void)state;
    static const struct {
        const char *reference, *want;
    } rows[] = {
        {"g", "http://a.example/b/c/g"},
        {"./g", "http://a.example/b/c/g"},
        {"g/", "http://a.example/b/c/g/"},
        {"/g", "http://a.example/g"},
        {"//g.example", "http://g.example/"},
        {"?y", "http://a.example/b/c/d;p?y"},
        {"g?y", "http://a.example/b/c/g?y"},
        {"#s", "http://a.example/b/c/d;p?q"},
        {"g#s", "http://a.example/b/c/g"},
        {"g?y#s", "http://a.example/b/c/g?y"},
        {";x", "http://a.example/b/c/;x"},
        {"g;x", "http://a.example/b/c/g;x"},
        {"", "http://a.example/b/c/d;p?q"},
        {".", "http://a.example/b/c/"},
        {"./", "http://a.example/b/c/"},
        {"..", "http://a.example/b/"},
        {"../", "http://a.example/b/"},
        {"../g", "http://a.example/b/g"},
        {"../..", "http://a.example/"},
        {"../../g", "http://a.example/g"},
        {"../../../g", "http://a.example/g"},
        {"/./g", "http://a.example/g"},
        {"/../g", "http://a.example/g"},
        {"g.", "http://a.example/b/c/g."},
        {"..g", "http://a.example/b/c/..g"},
        {"./../g", "http://a.example/b/g"},
        {"g;x=1/../y", "http://a.example/b/c/y"},
        {"g?y/../x", "http://a.example/b/c/g?y/../x"},
        {"https://b.example/x", "https://b.example/x"},
    };
    static const char *const refused[] = {
        "javascript:alert(1)",
        "mailto:a@b.example",
        "http:g",
        "data:,x",
        "tel:1",
        "\\\\evil.example",
        "/\\evil.example",
        "//user@evil.example/",
        "//2130706433/",
        "a b",
        "\tjavascript:x",
        "ftp://x/",
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct url base, url;
    assert_true(url_parse(span_of_string("http://a.example/b/c/d;p?q"), &arena, &base));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!url_resolve(&base, span_of_string(rows[i].reference), &arena, &url))
            fail_msg("%s was refused", rows[i].reference);
        assert_string_equal(url.text, rows[i].want);
    }
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (url_resolve(&base, span_of_string(refused[i]), &arena, &url))
            fail_msg("%s was read as %s", refused[i], url.text);
    }
    assert_true(url_parse(span_of_string("http://[::1]:81/b?x"), &arena, &base));
    assert_true(url_resolve(&base, span_of_string("c"), &arena, &url));
    assert_string_equal(url.text, "http://[::1]:81/c");
    arena_fini(&arena);
}

static void canonical_form_is_the_pages_identity(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"HTTP://A.Example:80/x#y", "http://a.example/x"},
        {"http://a.example/x?b=2&a=1", "http://a.example/x?a=1&b=2"},
        {"http://a.example/x?utm_source=m&id=7&UTM_Medium=x&gclid=1&fbclid=2",
         "http://a.example/x?id=7"},
        {"http://a.example/x?utm_source=m", "http://a.example/x"},
        {"http://a.example/x?", "http://a.example/x"},
        {"http://a.example/x?&&a&&", "http://a.example/x?a"},
        {"http://a.example/x?gclid", "http://a.example/x"},
        {"http://a.example/x?gclids=1", "http://a.example/x?gclids=1"},
        {"http://a.example/x?a=2&a=1&aa=0", "http://a.example/x?a=1&a=2&aa=0"},
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct url url;
        assert_true(url_parse(span_of_string(rows[i].text), &arena, &url));
        assert_string_equal(url_canonical(&url, &arena), rows[i].want);
    }
    arena_fini(&arena);
}

static void origins_differ_by_scheme_host_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"http://a.example/x", "http://A.example:80/y?z", true},
        {"http://a.example/", "https://a.example/", false},
        {"http://a.example/", "http://a.example:81/", false},
        {"http://a.example/", "http://www.a.example/", false},
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct url a, b;
        assert_true(url_parse(span_of_string(rows[i].a), &arena, &a));
        assert_true(url_parse(span_of_string(rows[i].b), &arena, &b));
        assert_int_equal(url_same_origin(&a, &b), rows[i].same);
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_and_normalises),
        cmocka_unit_test(refuses_what_readers_disagree_on),
        cmocka_unit_test(resolves_references),
        cmocka_unit_test(canonical_form_is_the_pages_identity),
        cmocka_unit_test(origins_differ_by_scheme_host_and_port),
    };
    return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
