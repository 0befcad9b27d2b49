#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/base/config.h"

static bool init_with(struct config *config, char *error, int argc, const char **argv)
{
    char *copy[16] = {0};
    for (int i = 0; i < argc; i++)
        copy[i] = (char *)(uintptr_t)argv[i];
    return config_init(config, &argc, copy, error);
}

static void takes_defaults_then_environment_then_flags(void **state)
{
    (void)state;
    struct config config;
    char error[CONFIG_ERROR_BYTES];
    assert_int_equal(setenv("LOTCAST_SIGNUP_CREDITS", "7", 1), 0);
    assert_int_equal(setenv("LOTCAST_SCAN_MAX_ITEMS", "9", 1), 0);
    const char *argv[] = {"lotcast", "serve",      "--scan-max-items",
                          "11",      "--http2=on", "--one-process"};
    char *rest[8];
    for (int i = 0; i < 6; i++)
        rest[i] = (char *)(uintptr_t)argv[i];
    rest[6] = NULL;
    int argc = 6;
    assert_true(config_init(&config, &argc, rest, error));
    assert_int_equal(argc, 3);
    assert_string_equal(rest[2], "--one-process");
    assert_int_equal(config_number(&config, CONFIG_SIGNUP_CREDITS), 7);
    assert_int_equal(config_number(&config, CONFIG_SCAN_MAX_ITEMS), 11);
    assert_true(config_bool(&config, CONFIG_HTTP2));
    assert_string_equal(config_text(&config, CONFIG_LISTEN), "127.0.0.1:8080");
    assert_true(config.given[CONFIG_HTTP2]);
    assert_false(config.given[CONFIG_LISTEN]);
    config_fini(&config);
    (void)unsetenv("LOTCAST_SIGNUP_CREDITS");
    (void)unsetenv("LOTCAST_SCAN_MAX_ITEMS");
}

static void names_the_variable_of_a_bad_value(void **state)
{
    (void)state;
    static const struct {
        const char *flag, *value, *variable;
    } rows[] = {
        {"--listen", "8080", "LOTCAST_LISTEN"},
        {"--listen", "127.0.0.1:99999", "LOTCAST_LISTEN"},
        {"--public-url", "ftp://x", "LOTCAST_PUBLIC_URL"},
        {"--public-url", "https://x/?a", "LOTCAST_PUBLIC_URL"},
        {"--trusted-proxies", "10.0.0.0/33", "LOTCAST_TRUSTED_PROXIES"},
        {"--scan-allow", "127.0.0.1,", "LOTCAST_SCAN_ALLOW"},
        {"--max-connections", "-1", "LOTCAST_MAX_CONNECTIONS"},
        {"--max-connections", "1e3", "LOTCAST_MAX_CONNECTIONS"},
        {"--http2", "yes", "LOTCAST_HTTP2"},
        {"--secret-key", "abcd", "LOTCAST_SECRET_KEY"},
        {"--credit-rates", "usd:20", "LOTCAST_CREDIT_RATES"},
        {"--credit-rates", "USD:20,", "LOTCAST_CREDIT_RATES"},
        {"--log-level", "loud", "LOTCAST_LOG_LEVEL"},
        {"--clock", "yesterday", "LOTCAST_CLOCK"},
        {"--data-dir", "a\nb", "LOTCAST_DATA_DIR"},
        {"--max-connections", "0", "LOTCAST_MAX_CONNECTIONS"},
        {"--scan-max-items", "0", "LOTCAST_SCAN_MAX_ITEMS"},
        {"--public-url", "https://x/app", "LOTCAST_PUBLIC_URL"},
        {"--rpc", "foo", "LOTCAST_RPC"},
        {"--rpc", "req+ipc://", "LOTCAST_RPC"},
        {"--store-url", "http://127.0.0.1:1", "LOTCAST_STORE_URL"},
        {"--store-url", "ipc://", "LOTCAST_STORE_URL"},
        {"--store-url", "tcp://127.0.0.1:1/x", "LOTCAST_STORE_URL"},
        {"--logic-url", "tls+tcp://logic.example", "LOTCAST_LOGIC_URL"},
        {"--logic-url", "tls+ipc:///tmp/x", "LOTCAST_LOGIC_URL"},
        {"--logic-url", "req+tcp://127.0.0.1", "LOTCAST_LOGIC_URL"},
        {"--logic-url", "ipc:///a,", "LOTCAST_LOGIC_URL"},
        {"--logic-url", "ipc:///a,http://localhost:1", "LOTCAST_LOGIC_URL"},
        {"--rpc", "req+tcp://127.0.0.1:1,req+tcp://127.0.0.1:2", "LOTCAST_RPC"},
        {"--tls-ca", "/nope/ca.pem", "LOTCAST_TLS_CA"},
        {"--meta-api-version", "24", "LOTCAST_META_API_VERSION"},
        {"--meta-api-version", "v24.0/../x", "LOTCAST_META_API_VERSION"},
        {"--credit-rates", "USD:0", "LOTCAST_CREDIT_RATES"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct config config;
        char error[CONFIG_ERROR_BYTES] = "";
        const char *argv[] = {"lotcast", rows[i].flag, rows[i].value};
        assert_false(init_with(&config, error, 3, argv));
        assert_non_null(strstr(error, rows[i].variable));
        assert_null(strchr(error, '\n'));
    }
    struct config config;
    char error[CONFIG_ERROR_BYTES];
    const char *argv[] = {"lotcast", "--listen"};
    assert_false(init_with(&config, error, 2, argv));
}

static void urls_lose_their_trailing_slash(void **state)
{
    (void)state;
    struct config config;
    char error[CONFIG_ERROR_BYTES];
    const char *argv[] = {"lotcast", "--meta-graph-url", "http://127.0.0.1:1/x/", "--public-url",
                          "https://app.example/"};
    assert_true(init_with(&config, error, 5, argv));
    assert_string_equal(config_text(&config, CONFIG_META_GRAPH_URL), "http://127.0.0.1:1/x");
    assert_string_equal(config_text(&config, CONFIG_PUBLIC_URL), "https://app.example");
    config_fini(&config);
}

static void cidrs_contain_what_they_say(void **state)
{
    (void)state;
    struct config_cidr cidrs[CONFIG_CIDRS_MAX];
    size_t count;
    assert_true(
        config_parse_cidrs("127.0.0.0/8,2001:db8::/33,10.1.2.3", cidrs, CONFIG_CIDRS_MAX, &count));
    assert_int_equal(count, 3);
    uint8_t v4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 9, 9, 9};
    assert_true(config_cidr_contains(&cidrs[0], v4));
    v4[12] = 128;
    assert_false(config_cidr_contains(&cidrs[0], v4));
    uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0x7f};
    assert_true(config_cidr_contains(&cidrs[1], v6));
    v6[4] = 0x80;
    assert_false(config_cidr_contains(&cidrs[1], v6));
    uint8_t host[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3};
    assert_true(config_cidr_contains(&cidrs[2], host));
    host[15] = 4;
    assert_false(config_cidr_contains(&cidrs[2], host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_defaults_then_environment_then_flags),
        cmocka_unit_test(names_the_variable_of_a_bad_value),
        cmocka_unit_test(urls_lose_their_trailing_slash),
        cmocka_unit_test(cidrs_contain_what_they_say),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
