#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/base/utf8.h"

static void takes_every_scalar_value_and_nothing_else(void **state)
{
    (void)state;
    for (uint32_t point = 0; point <= 0x10ffff; point++) {
        char bytes[4];
        size_t len = utf8_encode(point, bytes);
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        assert_int_equal(utf8_sequence_length(bytes, len), surrogate ? 0 : len);
        assert_int_equal(utf8_sequence_length(bytes, len - 1), 0);
    }
}

static void says_where_text_is_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t position;
    } rows[] = {
        {"\x80", 0},         {"ab\xff", 2},       {"\xc0\xaf", 0},         {"a\xc1\xbf", 1},
        {"\xe0\x80\xaf", 0}, {"\xed\xa0\x80", 0}, {"\xf4\x90\x80\x80", 0}, {"\xf5\x80\x80\x80", 0},
        {"\xc3", 0},         {"x\xe2\x82", 1},    {"\xf0\x9f\x98", 0},     {"\xe2\x28\xa1", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t position = 99;
        assert_false(utf8_valid(rows[i].text, strlen(rows[i].text), &position));
        assert_int_equal(position, rows[i].position);
    }
    /* The same behind and before plain text, at every place in a word. */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t before = 0; before < 17; before++) {
            char text[64];
            size_t position = 99;
            memset(text, 'x', sizeof text);
            size_t len = strlen(rows[i].text);
            memcpy(text + before, rows[i].text, len);
            assert_false(utf8_valid(text, before + len + 9, &position));
            assert_int_equal(position, before + rows[i].position);
        }
    }
    assert_true(utf8_valid("", 0, NULL));
    assert_true(utf8_valid("\xf0\x9f\x98\x80\xc3\xa9z", 7, NULL));
}

static void a_plain_run_ends_at_the_first_other_byte(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        bool plain = byte >= 0x20 && byte < 0x7f;
        for (size_t at = 0; at < 20; at++) {
            char text[20];
            memset(text, '~', sizeof text);
            text[at] = (char)byte;
            assert_int_equal(utf8_plain_run(text, sizeof text), plain ? sizeof text : at);
            assert_int_equal(utf8_plain_run(text, at), at);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_scalar_value_and_nothing_else),
        cmocka_unit_test(says_where_text_is_bad),
        cmocka_unit_test(a_plain_run_ends_at_the_first_other_byte),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
