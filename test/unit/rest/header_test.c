#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rest/header.h"

#define ID_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_origins(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *want;
    } cases[] = {
        {"http://localhost:8080", "http://localhost:8080"},
        {"https://App.Example.com", "https://app.example.com"},
        {"HTTPS://app.example.com/", "https://app.example.com"},
        {"https://app.example.com:443/path?q#f", "https://app.example.com"},
        {"http://app.example.com:80", "http://app.example.com"},
        {"http://app.example.com:443", "http://app.example.com:443"},
        {"http://[::1]:8080/", "http://[::1]:8080"},
        {"ftp://x", NULL},
        {"localhost:8080", NULL},
        {"http://", NULL},
        {"http:///x", NULL},
        {"http://:80", NULL},
        {"http://user@x", NULL},
        {"http://a b", NULL},
        {"", NULL},
        {"h", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char origin[HEADER_ORIGIN_BYTES];
        bool taken = header_origin_of_url(cases[i].url, origin);
        assert_int_equal(taken, cases[i].want != NULL);
        if (taken)
            assert_string_equal(origin, cases[i].want);
    }
}

static void test_json(void **state)
{
    (void)state;
    static const char *const good[] = {
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json ; Charset=\"utf-8\"",
        "application/json;",
    };
    static const char *const bad[] = {
        "",
        "text/plain",
        "application/jsonx",
        "application/json; charset=latin1",
        "application/json; charset=utf-8; charset=utf-8",
        "application/json; boundary=x",
        "application/json, text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; application/json",
        "text/plain; application/json",
        "application/merge-patch+json",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(header_is_json(span_of_string(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(header_is_json(span_of_string(bad[i])));
    assert_false(header_is_json((struct span){NULL, 0}));
}

static struct header_accept accept_of(const char *first, const char *second)
{
    struct header_accept accept = {0};
    if (first != NULL)
        header_accept_take(&accept, span_of_string(first));
    if (second != NULL)
        header_accept_take(&accept, span_of_string(second));
    return accept;
}

static void test_accept(void **state)
{
    (void)state;
    enum { NEITHER, ALLOWS, PREFERS };
    static const struct {
        const char *first, *second; /* headers; NULL: none */
        int html;
    } rows[] = {
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", NULL, PREFERS},
        {"text/html", NULL, PREFERS},
        {"TEXT/HTML", NULL, PREFERS},
        {"text/*", NULL, PREFERS},
        {"application/json;q=0.5, text/html;q=0.6", NULL, PREFERS},
        {"text/html;level=1;q=0.7, */*;q=0.1", NULL, PREFERS},
        {"application/json;q=0, */*", NULL, PREFERS},
        {"image/*, text/html;q=0.001", NULL, PREFERS},
        {"application/json;q=0.1", "text/html", PREFERS},
        {"*/*;q=0.5", "text/html", PREFERS},
        {NULL, NULL, ALLOWS},
        {"", NULL, ALLOWS},
        {" , ", NULL, ALLOWS},
        {"*/*", NULL, ALLOWS},
        {"application/json, text/html", NULL, ALLOWS},
        {"application/json, text/plain, */*", NULL, ALLOWS},
        {"text/html;q=0.5, application/json", NULL, ALLOWS},
        {"application/json", "text/html;q=0.9", ALLOWS},
        {"application/json", NULL, NEITHER},
        {"application/*", NULL, NEITHER},
        {"text/html;q=0, */*", NULL, NEITHER},
        {"text/html;q=0", NULL, NEITHER},
        {"text/html;q=0.000, text/*", NULL, NEITHER},
        {"text/*;q=0, */*", NULL, NEITHER},
        {"*/*;q=0", NULL, NEITHER},
        {"text/html;q=x", NULL, NEITHER},
        {"text/html;q=2", NULL, NEITHER},
        {"text/htmlx", NULL, NEITHER},
        {"image/*", NULL, NEITHER},
        {"application/json", "image/png", NEITHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct header_accept accept = accept_of(rows[i].first, rows[i].second);
        if (header_accept_prefers_html(&accept) != (rows[i].html == PREFERS) ||
            header_accept_allows_html(&accept) != (rows[i].html != NEITHER))
            fail_msg("%s", rows[i].first);
    }
}

static void test_accept_encoding(void **state)
{
    (void)state;
    static const struct {
        const char *first, *second; /* headers; NULL: none */
        const char *all, *gzip;     /* chosen of all three; where there is no brotli */
    } rows[] = {
        {NULL, NULL, NULL, NULL},
        {"", NULL, NULL, NULL},
        {",", NULL, NULL, NULL},
        {"identity", NULL, NULL, NULL},
        {"deflate", NULL, NULL, NULL},
        {"gzip", NULL, "gzip", "gzip"},
        {"GZIP", NULL, "gzip", "gzip"},
        {"x-gzip", NULL, "gzip", "gzip"},
        {"BR", NULL, "br", NULL},
        {"gzip, deflate, br", NULL, "br", "gzip"},
        {"br, gzip", NULL, "br", "gzip"},
        {"gzip, deflate, br, zstd", NULL, "br", "gzip"},
        {"gzip", "br", "br", "gzip"},
        {"gzip;q=1, br;q=0.9", NULL, "gzip", "gzip"},
        {"gzip;q=0.001, br;q=0.002", NULL, "br", "gzip"},
        {"deflate;q=1, gzip;q=0.001", NULL, "gzip", "gzip"},
        {" br , gzip ;q=0.5", NULL, "br", "gzip"},
        {"*", NULL, "br", "gzip"},
        {"*;q=0.1", NULL, "br", "gzip"},
        {"*, br;q=0", NULL, "gzip", "gzip"},
        {"br;q=0, *", NULL, "gzip", "gzip"},
        {"*;q=0, gzip", NULL, "gzip", "gzip"},
        {"identity;q=0, gzip", NULL, "gzip", "gzip"},
        {"identity;q=0, *;q=0.5", NULL, "br", "gzip"},
        {"identity, gzip", NULL, "gzip", "gzip"},
        {"identity;q=0.5, gzip;q=0.5", NULL, "gzip", "gzip"},
        {"identity;q=1, gzip;q=0.5, br;q=0.5", NULL, NULL, NULL},
        {"identity;q=0.8, *;q=0.5", NULL, NULL, NULL},
        /* Nothing that there is will do. */
        {"identity;q=0", NULL, NULL, NULL},
        {"identity;q=0, deflate", NULL, NULL, NULL},
        {"*;q=0", NULL, NULL, NULL},
        {"gzip;q=0", NULL, NULL, NULL},
        {"gzip;q=0.000, br;q=0.0", NULL, NULL, NULL},
        {"*, gzip;q=0", NULL, "br", NULL},
        {"gzip;q=0, *;q=1", NULL, "br", NULL},
        {"gzipped, brr", NULL, NULL, NULL},
        {"gzip;q=x", NULL, NULL, NULL},
        {"gzip;q=-1", NULL, NULL, NULL},
        {"gzip;q=2", NULL, NULL, NULL},
        {"deflate, gzi p", NULL, NULL, NULL},
    };
    static const bool all[HEADER_CODING_COUNT] = {true, true, true};
    static const bool no_brotli[HEADER_CODING_COUNT] = {true, true, false};
    static const bool plain[HEADER_CODING_COUNT] = {true, false, false};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct header_codings codings = {0};
        if (rows[i].first != NULL)
            header_codings_take(&codings, span_of_string(rows[i].first));
        if (rows[i].second != NULL)
            header_codings_take(&codings, span_of_string(rows[i].second));
        const char *chosen[] = {header_coding_name(header_codings_choose(&codings, all)),
                                header_coding_name(header_codings_choose(&codings, no_brotli))};
        const char *want[] = {rows[i].all, rows[i].gzip};
        for (size_t j = 0; j < 2; j++) {
            const char *text = chosen[j] == NULL ? "" : chosen[j];
            if (strcmp(text, want[j] == NULL ? "" : want[j]) != 0)
                fail_msg("%s, %zu: %s", rows[i].first, j, text);
        }
        assert_int_equal(header_codings_choose(&codings, plain), HEADER_CODING_IDENTITY);
    }
}

static void test_ids(void **state)
{
    (void)state;
    assert_true(header_request_id_valid(span_of_string("a")));
    assert_true(header_request_id_valid(span_of_string("A-z_0.9")));
    assert_true(header_request_id_valid(span_of_string(ID_64)));
    assert_false(header_request_id_valid(span_of_string("")));
    assert_false(header_request_id_valid(span_of_string(ID_64 "a")));
    assert_false(header_request_id_valid(span_of_string("a b")));
    assert_false(header_request_id_valid(span_of_string("a\"b")));
    assert_false(header_request_id_valid(span_of_string("a\r\nb")));
    assert_false(header_request_id_valid(span_of("a\0b", 3)));
    assert_true(header_idempotency_key_valid(span_of_string("8e03978e-40d5-43dd")));
    assert_true(header_idempotency_key_valid(span_of_string("\"quoted\"")));
    assert_true(header_idempotency_key_valid(span_of_string(ID_64 ID_64)));
    assert_false(header_idempotency_key_valid(span_of_string(ID_64 ID_64 "a")));
    assert_false(header_idempotency_key_valid(span_of_string("")));
    assert_false(header_idempotency_key_valid(span_of_string("a b")));
    assert_false(header_idempotency_key_valid(span_of_string("a\xc3\xa9")));
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static void test_traceparent(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *want;
    } cases[] = {
        {"00-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-01"},
        {"00-" TRACE "-" PARENT "-00", "00-" TRACE "-" PARENT "-00"},
        {"cc-" TRACE "-" PARENT "-01", "00-" TRACE "-" PARENT "-01"},
        {"01-" TRACE "-" PARENT "-01-what-comes", "00-" TRACE "-" PARENT "-01"},
        {"00-" TRACE "-" PARENT "-01-more", NULL},
        {"01-" TRACE "-" PARENT "-01x", NULL},
        {"ff-" TRACE "-" PARENT "-01", NULL},
        {"00-" TRACE "-" PARENT "-0", NULL},
        {"00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01", NULL},
        {"00-00000000000000000000000000000000-" PARENT "-01", NULL},
        {"00-" TRACE "-0000000000000000-01", NULL},
        {"00_" TRACE "-" PARENT "-01", NULL},
        {"00-" TRACE "-" PARENT "-xy", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char parent[RPC_TRACEPARENT_BYTES];
        bool taken = header_traceparent_take(span_of_string(cases[i].value), parent);
        assert_int_equal(taken, cases[i].want != NULL);
        if (taken)
            assert_string_equal(parent, cases[i].want);
    }
}

static void test_cookies(void **state)
{
    (void)state;
    static const struct {
        const char *cookie;
        enum header_session found;
        const char *want;
    } cases[] = {
        {"lotcast_session=abc", HEADER_SESSION_FOUND, "abc"},
        {"a=b; lotcast_session=abc; c=d", HEADER_SESSION_FOUND, "abc"},
        {"a=b;lotcast_session=abc", HEADER_SESSION_FOUND, "abc"},
        {"lotcast_session=one; lotcast_session=two", HEADER_SESSION_FOUND, "one"},
        {"lotcast_session=A-z_0.9", HEADER_SESSION_FOUND, "A-z_0.9"},
        {"lotcast_session=; lotcast_session=two", HEADER_SESSION_MALFORMED, NULL},
        {"lotcast_session=a b; lotcast_session=two", HEADER_SESSION_MALFORMED, NULL},
        {"lotcast_session=\"abc\"", HEADER_SESSION_MALFORMED, NULL},
        {"lotcast_session=a=b", HEADER_SESSION_MALFORMED, NULL},
        {"lotcast_session=a%20", HEADER_SESSION_MALFORMED, NULL},
        {"lotcast_session=" ID_64 ID_64, HEADER_SESSION_FOUND, ID_64 ID_64},
        {"lotcast_session=" ID_64 ID_64 "a", HEADER_SESSION_MALFORMED, NULL},
        {"lotcast_sessionx=abc", HEADER_SESSION_NONE, NULL},
        {"xlotcast_session=abc", HEADER_SESSION_NONE, NULL},
        {"LOTCAST_SESSION=abc", HEADER_SESSION_NONE, NULL},
        {"lotcast_session", HEADER_SESSION_NONE, NULL},
        {"lotcast_session =abc", HEADER_SESSION_NONE, NULL},
        {"", HEADER_SESSION_NONE, NULL},
        {";;;", HEADER_SESSION_NONE, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char session[HEADER_SESSION_BYTES];
        enum header_session found = header_session_find(span_of_string(cases[i].cookie), session);
        if (found != cases[i].found)
            fail_msg("%s: %d", cases[i].cookie, (int)found);
        if (cases[i].want != NULL)
            assert_string_equal(session, cases[i].want);
    }
}

static void test_etags(void **state)
{
    (void)state;
    static const char *const matching[] = {"*",       " * ",          "\"x\"",
                                           "W/\"x\"", "\"a\", \"x\"", "\"a\",W/\"x\" , \"b\""};
    static const char *const others[] = {"",      "x",       "\"X\"",    "\"x",
                                         "\"a\"", "w/\"x\"", "\"a\", *", "\"xx\""};
    for (size_t i = 0; i < sizeof matching / sizeof matching[0]; i++)
        assert_true(header_etag_matches(span_of_string(matching[i]), "\"x\""));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(header_etag_matches(span_of_string(others[i]), "\"x\""));
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"1.2.3.4", "1.2.3.4"},
        {" 1.2.3.4 ", "1.2.3.4"},
        {"1.2.3.4:80", "1.2.3.4"},
        {"::ffff:1.2.3.4", "1.2.3.4"},
        {"2001:DB8::1", "2001:db8::1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"[2001:db8::1]:443", "2001:db8::1"},
        {"", NULL},
        {"unknown", NULL},
        {"1.2.3", NULL},
        {"1.2.3.4.5", NULL},
        {"1.2.3.256", NULL},
        {"[::1", NULL},
        {"::1%eth0", NULL},
        {"_hidden", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct header_address address;
        char text[HEADER_ADDRESS_BYTES];
        bool taken = header_address_parse(span_of_string(cases[i].text), &address);
        if (taken != (cases[i].want != NULL))
            fail_msg("%s", cases[i].text);
        if (!taken)
            continue;
        header_address_format(&address, text);
        assert_string_equal(text, cases[i].want);
    }
    struct header_address address;
    assert_false(header_address_parse(span_of("1.2.3.4\0", 8), &address));
    assert_true(header_address_parse(span_of_string("127.3.2.1"), &address));
    assert_true(header_address_is_loopback(&address));
    assert_true(header_address_parse(span_of_string("::1"), &address));
    assert_true(header_address_is_loopback(&address));
    assert_true(header_address_parse(span_of_string("128.0.0.1"), &address));
    assert_false(header_address_is_loopback(&address));
}

static void test_forwarded(void **state)
{
    (void)state;
    struct config_cidr proxies[4];
    size_t count = 0;
    assert_true(config_parse_cidrs("10.0.0.0/8,fd00::/8", proxies, 4, &count));
    static const struct {
        const char *peer;
        const char *forwarded;
        const char *want;
        bool more;
    } cases[] = {
        {"10.0.0.1", "1.2.3.4", "1.2.3.4", false},
        {"10.0.0.1", "9.9.9.9, 1.2.3.4", "1.2.3.4", false}, /* the left one is the client's claim */
        {"10.0.0.1", "1.2.3.4, 10.0.0.2", "1.2.3.4", false},
        {"10.0.0.1", "1.2.3.4,fd00::1 , 10.0.0.2", "1.2.3.4", false},
        {"10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", true},
        {"10.0.0.1", "1.2.3.4, junk", "10.0.0.1", false},
        {"10.0.0.1", "junk, 1.2.3.4", "1.2.3.4", false},
        {"10.0.0.1", "1.2.3.4,", "10.0.0.1", false},
        {"10.0.0.1", "", "10.0.0.1", false},
        {"10.0.0.1", "::ffff:10.0.0.9", "10.0.0.9", true},
        {"8.8.8.8", "1.2.3.4", "8.8.8.8", false}, /* not a proxy of ours */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct header_address address;
        char text[HEADER_ADDRESS_BYTES];
        assert_true(header_address_parse(span_of_string(cases[i].peer), &address));
        bool more =
            header_forwarded_step(span_of_string(cases[i].forwarded), proxies, count, &address);
        header_address_format(&address, text);
        assert_string_equal(text, cases[i].want);
        if (more != cases[i].more)
            fail_msg("%s", cases[i].forwarded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origins),         cmocka_unit_test(test_json),
        cmocka_unit_test(test_accept),          cmocka_unit_test(test_ids),
        cmocka_unit_test(test_accept_encoding), cmocka_unit_test(test_traceparent),
        cmocka_unit_test(test_cookies),         cmocka_unit_test(test_etags),
        cmocka_unit_test(test_addresses),       cmocka_unit_test(test_forwarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
