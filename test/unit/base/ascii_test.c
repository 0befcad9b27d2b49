#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/base/ascii.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static const struct {
    enum ascii_class class;
    const char *members;
} rows[] = {
    {ASCII_HEX, DIGITS "abcdef"},
    {ASCII_KEY, LOWER DIGITS "-_."},
    {ASCII_ID, LOWER UPPER DIGITS "-_."},
    {ASCII_BASE64, LOWER UPPER DIGITS "-_"},
};
#define ROWS (sizeof rows / sizeof rows[0])

static void a_class_has_its_members_and_no_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        for (int byte = 0; byte < 256; byte++) {
            bool is_member = byte != 0 && strchr(rows[i].members, byte) != NULL;
            assert_int_equal(ascii_is((char)byte, rows[i].class), is_member);
        }
    }
}

static void a_run_ends_at_the_first_other_byte(void **state)
{
    (void)state;
    static const struct {
        enum ascii_class class;
        const char *text;
        size_t run;
    } texts[] = {
        {ASCII_HEX, "", 0},       {ASCII_HEX, "0aF", 2},       {ASCII_HEX, "g", 0},
        {ASCII_KEY, "x-a.b_", 6}, {ASCII_KEY, "x-A", 2},       {ASCII_KEY, "a b", 1},
        {ASCII_ID, "A.b", 3},     {ASCII_ID, "A\xc3\xa9", 1},  {ASCII_ID, "\x7f", 0},
        {ASCII_BASE64, "A-_", 3}, {ASCII_BASE64, "ab.cd=", 2}, {ASCII_BASE64, "+/", 0},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        size_t len = strlen(texts[i].text);
        assert_int_equal(ascii_run(texts[i].text, len, texts[i].class), texts[i].run);
        assert_int_equal(ascii_run_of_string(texts[i].text, texts[i].class), texts[i].run);
    }
    assert_int_equal(ascii_run("ab\0c", 4, ASCII_ID), 2);
    assert_int_equal(ascii_run("abcd", 2, ASCII_ID), 2);
    assert_int_equal(ascii_run(NULL, 0, ASCII_ID), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_class_has_its_members_and_no_others),
        cmocka_unit_test(a_run_ends_at_the_first_other_byte),
    };
    return cmocka_run_group_tests_name("ascii", tests, NULL, NULL);
}
