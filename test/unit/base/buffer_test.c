#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/base/buffer.h"

static void grows_up_to_its_maximum_and_stays_failed(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 1000);
    for (int i = 0; i < 100; i++)
        assert_true(buffer_append_string(&buffer, "0123456789"));
    assert_int_equal(buffer.len, 1000);
    assert_false(buffer_append_byte(&buffer, 'x'));
    assert_int_equal(buffer.len, 1000);
    assert_true(buffer.failed);
    assert_false(buffer_append(&buffer, "", 0));
    buffer_clear(&buffer);
    assert_true(buffer_append_byte(&buffer, 'x'));
    buffer_fini(&buffer);
}

static void prints_and_terminates(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 100);
    assert_true(buffer_printf(&buffer, "%d-%s", 7, "seven"));
    assert_int_equal(buffer.len, 7);
    assert_string_equal(buffer_cstring(&buffer), "7-seven");
    assert_int_equal(buffer.len, 7);
    assert_false(buffer_printf(&buffer, "%100d", 1));
    assert_int_equal(buffer.len, 7);
    buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_up_to_its_maximum_and_stays_failed),
        cmocka_unit_test(prints_and_terminates),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
