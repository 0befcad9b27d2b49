#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define H2O_USE_EPOLL 1 /* else libh2o's headers want libuv */
#include "rest/internal.h"

static struct header_address address_of(const char *text)
{
    struct header_address address;
    assert_true(header_address_parse(span_of_string(text), &address));
    return address;
}

static bool add(struct rest_address_table *table, const char *text, size_t max)
{
    struct header_address address = address_of(text);
    return rest_address_add(table, &address, max);
}

static void take(struct rest_address_table *table, const char *text)
{
    struct header_address address = address_of(text);
    rest_address_remove(table, &address);
}

static void test_limit(void **state)
{
    (void)state;
    struct rest_address_table *table = rest_address_table_create();
    assert_non_null(table);
    assert_true(add(table, "192.0.2.1", 2));
    assert_true(add(table, "::ffff:192.0.2.1", 2)); /* the same */
    assert_false(add(table, "192.0.2.1", 2));
    assert_true(add(table, "192.0.2.2", 2)); /* another */
    take(table, "192.0.2.1");
    assert_true(add(table, "192.0.2.1", 2));
    assert_false(add(table, "192.0.2.1", 2));
    assert_false(add(table, "192.0.2.9", 0));
    rest_address_table_destroy(table);
}

static void test_ipv6_by_prefix(void **state)
{
    (void)state;
    struct rest_address_table *table = rest_address_table_create();
    assert_non_null(table);
    assert_true(add(table, "2001:db8:0:1::1", 2));
    assert_true(add(table, "2001:db8:0:1:ffff::", 2));
    assert_false(add(table, "2001:db8:0:1::2", 2));
    assert_true(add(table, "2001:db8:0:2::1", 2));
    rest_address_table_destroy(table);
}

static void test_many(void **state)
{
    (void)state;
    struct rest_address_table *table = rest_address_table_create();
    assert_non_null(table);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 20000; i++) {
            struct header_address address = address_of("10.0.0.0");
            address.bytes[14] = (uint8_t)(i >> 8);
            address.bytes[15] = (uint8_t)i;
            assert_true(rest_address_add(table, &address, 1));
            assert_false(rest_address_add(table, &address, 1));
        }
        for (unsigned i = 0; i < 20000; i++) {
            struct header_address address = address_of("10.0.0.0");
            address.bytes[14] = (uint8_t)(i >> 8);
            address.bytes[15] = (uint8_t)i;
            rest_address_remove(table, &address);
        }
    }
    take(table, "10.0.0.1"); /* one that is not there */
    rest_address_table_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_ipv6_by_prefix),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
