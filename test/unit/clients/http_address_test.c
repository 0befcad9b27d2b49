#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clients/http/http.h"

static void to_address(const char *text, uint8_t address[static 16])
{
    struct config_cidr cidr;
    size_t count = 0;
    assert_true(config_parse_cidrs(text, &cidr, 1, &count));
    memcpy(address, cidr.address, 16);
}

static bool allowed(const struct http_address_policy *policy, const char *text)
{
    uint8_t address[16];
    to_address(text, address);
    return http_address_allowed(policy, address);
}

static const char *const refused_addresses[] = {
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.192",
    "192.0.0.255",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::1",
    "64:ff9b::1:0:0",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "4000::1",
    "8000::1",
};

static void refuses_what_is_not_public(void **state)
{
    (void)state;
    const struct http_address_policy policy = {.public_only = true};
    for (size_t i = 0; i < sizeof refused_addresses / sizeof refused_addresses[0]; i++) {
        if (allowed(&policy, refused_addresses[i]))
            fail_msg("%s was let in", refused_addresses[i]);
    }
}

static void lets_public_addresses_in(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "1.0.0.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00::1",
        "2003::1",
        "3ffe::1",
    };
    const struct http_address_policy policy = {.public_only = true};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!allowed(&policy, rows[i]))
            fail_msg("%s was refused", rows[i]);
    }
}

static void an_allow_list_opens_just_its_ranges(void **state)
{
    (void)state;
    struct config_cidr cidrs[2];
    size_t count = 0;
    assert_true(config_parse_cidrs("127.0.0.0/8,fd00::/8", cidrs, 2, &count));
    const struct http_address_policy policy = {true, cidrs, count};
    assert_true(allowed(&policy, "127.0.0.1"));
    assert_true(allowed(&policy, "127.9.9.9"));
    assert_true(allowed(&policy, "::ffff:127.0.0.1"));
    assert_true(allowed(&policy, "fd12::1"));
    assert_true(allowed(&policy, "8.8.8.8"));
    assert_false(allowed(&policy, "10.0.0.1"));
    assert_false(allowed(&policy, "::1"));
    assert_false(allowed(&policy, "64:ff9b::127.0.0.1"));
    assert_false(allowed(&policy, "2002:7f00:1::1"));
    assert_false(allowed(&policy, "fc00::1"));
}

static void no_policy_lets_everything_in(void **state)
{
    (void)state;
    const struct http_address_policy policy = {.public_only = false};
    assert_true(allowed(NULL, "127.0.0.1"));
    assert_true(allowed(&policy, "10.0.0.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_not_public),
        cmocka_unit_test(lets_public_addresses_in),
        cmocka_unit_test(an_allow_list_opens_just_its_ranges),
        cmocka_unit_test(no_policy_lets_everything_in),
    };
    return cmocka_run_group_tests_name("http_address", tests, NULL, NULL);
}
