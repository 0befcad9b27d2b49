#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "clients/site/internal.h"
#include "rpc/base/utf8.h"

#define ARENA_BYTES ((size_t)16 * 1024 * 1024)

static void cleans_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"2024 Honda Civic", "2024 Honda Civic"},
        {"  a \t\r\n b\xc2\xa0\xe2\x80\x83 c  ", "a b c"},
        {"<b>2024</b> Honda", "2024 Honda"},
        {"20<b>24</b>", "2024"},
        {"<p>one</p><p>two</p>", "one two"},
        {"one<br/>two<!-- x > y -->three", "one two three"},
        {"<script>alert(1)</script>", "alert(1)"},
        {"<img src=x onerror=alert(1)>Car", "Car"},
        {"5 < 6 and 7 > 3", "5 < 6 and 7 > 3"},
        {"a<b", "a<b"},
        {"I <3 it", "I <3 it"},
        {"Tom &amp; Jerry &#8211; &#x2014; &eacute; &nbsp;x",
         "Tom & Jerry \xe2\x80\x93 \xe2\x80\x94 \xc3\xa9 x"},
        {"&lt;b&gt;bold&lt;/b&gt;", "bold"},
        {"AT&T &bogus; &; &#; &#x; &#xzz;", "AT&T &bogus; &; &#; &#x; &#xzz;"},
        {"&#0;&#1;x&#xd800;", "x\xef\xbf\xbd"},
        {"&#x202e;evil", "evil"},
        {"a\x01\x02"
         "b\x7f"
         "c",
         "abc"},
        {"\xe2\x80\xae"
         "right\xe2\x80\xac \xe2\x81\xa6"
         "x\xe2\x81\xa9",
         "right x"},
        {"\xef\xbb\xbf"
         "x",
         "x"},
        {"a\xff"
         "b\xc3(",
         "ab("},
        {"\xed\xa0\x80x", "x"},
    };
    static const char *const empty[] = {"",     " ",      "\xc2\xa0",    "<b></b>",
                                        "\x01", "&nbsp;", "\xe2\x80\xae"};
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = site__text_clean(span_of_string(rows[i].text), 500, &arena);
        if (text == NULL || strcmp(text, rows[i].want) != 0)
            fail_msg("%s became %s", rows[i].text, text == NULL ? "(nothing)" : text);
    }
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        assert_null(site__text_clean(span_of_string(empty[i]), 500, &arena));
    assert_string_equal(site__text_clean(span_of("a\0b", 3), 500, &arena), "ab");
    arena_fini(&arena);
}

static void cuts_at_a_character(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    char text[4000];
    for (size_t i = 0; i + 3 <= sizeof text; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    for (size_t max = 1; max < 20; max++) {
        const char *cut = site__text_clean(span_of(text, sizeof text - 1), max, &arena);
        size_t len = cut == NULL ? 0 : strlen(cut);
        assert_int_equal(len, max / 3 * 3);
        assert_true(cut == NULL || utf8_valid(cut, len, NULL));
    }
    /* No space at the cut. */
    assert_string_equal(site__text_clean(span_of_string("abc def"), 4, &arena), "abc");
    arena_fini(&arena);
}

static void cleaned_text_is_valid_and_short(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    uint32_t seed = 1;
    for (int round = 0; round < 3000; round++) {
        static const char alphabet[] = "ab <>/&;#x12\xc3\xa9\xe2\x80\xae\x01\xff!-";
        char text[48];
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 1664525u + 1013904223u;
            text[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        const char *once = site__text_clean(span_of(text, sizeof text), 30, &arena);
        assert_true(once == NULL || (utf8_valid(once, strlen(once), NULL) && strlen(once) <= 30));
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void decodes_pages(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len; /* 0: a string */
        const char *type, *want;
    } rows[] = {
        {"caf\xc3\xa9", 0, NULL, "caf\xc3\xa9"},
        {"caf\xe9", 0, NULL, "caf\xc3\xa9"}, /* neither declared nor UTF-8 */
        {"caf\xe9 \x80", 0, "text/html; charset=ISO-8859-1", "caf\xc3\xa9 \xe2\x82\xac"},
        {"caf\xe9", 0, "text/html; charset=\"windows-1252\"", "caf\xc3\xa9"},
        {"\xcf\xf0\xe8", 0, "text/html;charset=windows-1251", "\xd0\x9f\xd1\x80\xd0\xb8"},
        {"<meta charset='windows-1251'>\xcf", 0, NULL, "<meta charset='windows-1251'>\xd0\x9f"},
        {"<META http-equiv=x content='text/html; charset=shift_jis'>\x83\x65", 0, NULL,
         "<META http-equiv=x content='text/html; charset=shift_jis'>\xe3\x83\x86"},
        {"caf\xc3\xa9", 0, "text/html; charset=utf-8", "caf\xc3\xa9"},
        {"caf\xe9!", 0, "text/html; charset=utf-8", "caf\xef\xbf\xbd!"},
        {"caf\xe9", 0, "text/html; charset=no-such", "caf\xef\xbf\xbd"},
        {"x", 0, "text/html; charset=utf-7", "x"},
        {"x", 0, "text/html; charset=utf-8//TRANSLIT", "x"},
        {"\xef\xbb\xbfx", 0, "text/html; charset=iso-8859-1", "x"},
        {"\xff\xfe"
         "a\0b\0",
         6, NULL, "ab"},
        {"\xfe\xff\0a\0b", 6, "text/html; charset=utf-8", "ab"},
        {"a\0b", 3, NULL, "a b"},
        {"", 0, NULL, ""},
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = rows[i].len == 0 ? strlen(rows[i].bytes) : rows[i].len;
        struct span text;
        assert_true(site__text_decode(span_of(rows[i].bytes, len), rows[i].type, &arena, &text));
        if (!span_equal_string(text, rows[i].want))
            fail_msg("row %zu became %.*s", i, (int)text.len, (const char *)text.data);
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleans_texts),
        cmocka_unit_test(cuts_at_a_character),
        cmocka_unit_test(cleaned_text_is_valid_and_short),
        cmocka_unit_test(decodes_pages),
    };
    return cmocka_run_group_tests_name("site_text", tests, NULL, NULL);
}
