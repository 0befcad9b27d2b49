#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clients/site/site.h"

#define ARENA_BYTES ((size_t)1024 * 1024)

static void completes_what_people_enter(void **state)
{
    (void)state;
    static const struct {
        const char *url, *want;
    } rows[] = {
        {"example.com", "https://example.com/"},
        {"  Example.COM/Inventory?x=1#top \n", "https://example.com/Inventory?x=1"},
        {"example.com:8443/x", "https://example.com:8443/x"},
        {"http://example.com", "http://example.com/"},
        {"HTTPS://example.com:443/", "https://example.com/"},
        {"www.example.co.uk", "https://www.example.co.uk/"},
        {"8.8.8.8", "https://8.8.8.8/"},
        {"http://[2606:4700::1111]/", "http://[2606:4700::1111]/"},
        {"example.com?u=http://x.example/", "https://example.com/?u=http://x.example/"},
    };
    const struct http_address_policy policy = {.public_only = true};
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *url = NULL;
        struct rpc_status status;
        assert_int_equal(site_url_check(rows[i].url, &policy, &arena, &url, &status), RPC_OK);
        assert_string_equal(url, rows[i].want);
    }
    arena_fini(&arena);
}

static void refuses_with_invalid_url(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        " ",
        "invalid",
        "http://invalid",
        "http://invalid/x",
        "http://",
        "ftp://example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "javascript://example.com/",
        "mailto:a@example.com",
        "data:text/html,x",
        "http://user@example.com/",
        "user:pass@example.com",
        "http://exam ple.com",
        "example.com\\@evil.example",
        "http://2130706433/",
        "2130706433",
        "0x7f.1",
        "127.1",
        "localhost",
        "localhost:8080",
        "http://localhost/",
        "127.0.0.1",
        "http://127.0.0.1:80/",
        "10.0.0.1",
        "192.168.1.1/admin",
        "169.254.169.254/latest/meta-data",
        "[::1]",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/",
        "//example.com",
        "https:example.com",
        "http:/example.com",
        "example.com:99999",
        "http://example.com:0/",
        "ex\xff"
        "ample.com",
    };
    const struct http_address_policy policy = {.public_only = true};
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *url = NULL;
        struct rpc_status status;
        if (site_url_check(rows[i], &policy, &arena, &url, &status) != RPC_INVALID_ARGUMENT)
            fail_msg("%s was taken as %s", rows[i], url);
        assert_null(url);
        assert_int_equal(status.reason, LOTCAST__V1__REASON__REASON_INVALID_URL);
        assert_string_equal(status.field, "url");
    }
    arena_fini(&arena);
}

static void an_allowed_address_may_be_entered(void **state)
{
    (void)state;
    struct config_cidr loopback;
    size_t count = 0;
    assert_true(config_parse_cidrs("127.0.0.0/8", &loopback, 1, &count));
    const struct http_address_policy policy = {true, &loopback, 1};
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    const char *url = NULL;
    assert_int_equal(site_url_check("http://localhost:8081/", &policy, &arena, &url, NULL), RPC_OK);
    assert_string_equal(url, "http://localhost:8081/");
    assert_int_equal(site_url_check("127.0.0.1:8081", &policy, &arena, &url, NULL), RPC_OK);
    assert_string_equal(url, "https://127.0.0.1:8081/");
    assert_int_not_equal(site_url_check("http://10.0.0.1/", &policy, &arena, &url, NULL), RPC_OK);
    assert_int_not_equal(site_url_check("http://intranet/", &policy, &arena, &url, NULL), RPC_OK);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(completes_what_people_enter),
        cmocka_unit_test(refuses_with_invalid_url),
        cmocka_unit_test(an_allowed_address_may_be_entered),
    };
    return cmocka_run_group_tests_name("site_url_check", tests, NULL, NULL);
}
