#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/base/clock.h"
#include "rpc/json.h"

/* Time within which a hostile text must be judged, in ms (security.md); sanitizers take some more.
 */
#define HOSTILE_MS_MAX 500

static bool check(const char *text, size_t len, size_t *ret_position)
{
    /* Exactly as large as the text, so that a read beyond it is seen. */
    uint8_t *exact = malloc(len == 0 ? 1 : len);
    assert_non_null(exact);
    memcpy(exact, text, len);
    bool valid = json_text_check(span_of(exact, len), ret_position);
    free(exact);
    return valid;
}

/* Every string of a text cut short is refused, at its end or before. */
static void refuses_every_cut(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1.5e3,true,null,\"\\ud834\\udd1e\xe2\x82\xac\"],\"b\":{"
                               "\"c\":-0,\"\\u0064\":false}}";
    size_t position;
    assert_true(check(text, sizeof text - 1, &position));
    for (size_t len = 0; len < sizeof text - 1; len++) {
        assert_false(check(text, len, &position));
        assert_true(position <= len);
    }
}

/* A byte of every value in each place of strings of every small length: the fast path agrees. */
static void finds_each_byte_in_each_place(void **state)
{
    (void)state;
    char text[32];
    for (size_t len = 1; len <= 20; len++) {
        for (size_t at = 0; at < len; at++) {
            for (int byte = 0; byte < 256; byte++) {
                memset(text, 'x', sizeof text);
                text[0] = '"';
                text[1 + at] = (char)byte;
                text[1 + len] = '"';
                bool plain = byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
                size_t position;
                assert_int_equal(check(text, len + 2, &position), plain);
            }
        }
    }
}

static void depth_ends_at_32(void **state)
{
    (void)state;
    for (int deep = 31; deep <= 33; deep++) {
        char text[3 * 40];
        size_t len = 0, position;
        for (int i = 0; i < deep; i++)
            text[len++] = '[';
        for (int i = 0; i < deep; i++)
            text[len++] = ']';
        assert_int_equal(check(text, len, &position), deep <= JSON_DEPTH_MAX);
        if (deep > JSON_DEPTH_MAX)
            assert_int_equal(position, JSON_DEPTH_MAX);
    }
    /* Objects count like lists. */
    char text[512];
    for (int deep = 31; deep <= 33; deep++) {
        size_t len = 0, position;
        for (int i = 0; i < deep; i++) {
            len +=
                (size_t)snprintf(text + len, sizeof text - len, "%s", i % 2 == 0 ? "[" : "{\"a\":");
        }
        text[len++] = '0';
        for (int i = deep - 1; i >= 0; i--)
            text[len++] = i % 2 == 0 ? ']' : '}';
        assert_int_equal(check(text, len, &position), deep <= JSON_DEPTH_MAX);
    }
}

static void judge_in_time(const char *what, struct span text, bool want)
{
    size_t position;
    int64_t start = clock_mono_ms();
    bool valid = json_text_check(text, &position);
    int64_t took = clock_mono_ms() - start;
    if (valid != want)
        fail_msg("%s: %s", what, valid ? "accepted" : "refused");
    if (took > HOSTILE_MS_MAX)
        fail_msg("%s: %d ms", what, (int)took);
}

static void many_keys(struct buffer *text, int count, const char *format)
{
    buffer_clear(text);
    (void)buffer_append_byte(text, '{');
    for (int i = 0; i < count; i++) {
        if (i > 0)
            (void)buffer_append_byte(text, ',');
        (void)buffer_append_byte(text, '"');
        char key[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int len = snprintf(key, sizeof key, format, i);
#pragma GCC diagnostic pop
        (void)buffer_append(text, key, (size_t)len);
        (void)buffer_append_string(text, "\":0");
    }
    (void)buffer_append_byte(text, '}');
    assert_false(text->failed);
}

static void hostile_texts_are_judged_in_time(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, (size_t)8 * 1024 * 1024);
    for (int i = 0; i < 100000; i++)
        (void)buffer_append_byte(&text, '[');
    judge_in_time("100,000 [", buffer_span(&text), false);

    many_keys(&text, 50000, "key%d");
    judge_in_time("50,000 keys", buffer_span(&text), true);
    text.data[text.len - 1] = ',';
    (void)buffer_append_string(&text, "\"key7\":0}");
    judge_in_time("50,001 keys", buffer_span(&text), false);
    text.len -= strlen("\"key7\":0}");
    (void)buffer_append_string(&text, "\"key\\u0037\":0}");
    judge_in_time("50,001 keys, escaped", buffer_span(&text), false);
    many_keys(&text, 100000, "\\u0061%d");
    judge_in_time("100,000 escaped keys", buffer_span(&text), true);
    /* Names that agree at both ends. */
    many_keys(&text, 30000, "aaaaaaaa%08dzzzzzzzz");
    judge_in_time("30,000 alike keys", buffer_span(&text), true);

    buffer_clear(&text);
    (void)buffer_append_byte(&text, '1');
    for (int i = 0; i < 1024 * 1024; i++)
        (void)buffer_append_byte(&text, '0');
    judge_in_time("a number of 1 MB", buffer_span(&text), true);
    buffer_fini(&text);
}

/* Around the point where one by one gives way to a table, a duplicate of any key is found. */
static void finds_a_duplicate_of_any_key(void **state)
{
    (void)state;
    struct buffer text;
    buffer_init(&text, 64 * 1024);
    for (int count = 1; count <= 70; count++) {
        for (int twice = 0; twice < count; twice++) {
            many_keys(&text, count, "k%d");
            text.data[text.len - 1] = ',';
            size_t at = text.len, position;
            (void)buffer_printf(&text, "\"k%d\":0}", twice);
            assert_false(json_text_check(buffer_span(&text), &position));
            assert_int_equal(position, at);
            text.len = at;
            (void)buffer_printf(&text, "\"k%d\":0}", count);
            assert_true(json_text_check(buffer_span(&text), &position));
        }
    }
    buffer_fini(&text);
}

/* A table of one object is not mistaken for another's at the same depth. */
static void objects_do_not_share_keys(void **state)
{
    (void)state;
    struct buffer object, text;
    buffer_init(&object, 64 * 1024);
    buffer_init(&text, (size_t)4 * 1024 * 1024);
    many_keys(&object, 40, "k%d");
    (void)buffer_append_byte(&text, '[');
    for (int i = 0; i < 500; i++) {
        if (i > 0)
            (void)buffer_append_byte(&text, ',');
        (void)buffer_append(&text, object.data, object.len);
    }
    (void)buffer_append_byte(&text, ']');
    size_t position;
    assert_true(json_text_check(buffer_span(&text), &position));
    buffer_fini(&object);
    buffer_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(finds_each_byte_in_each_place),
        cmocka_unit_test(depth_ends_at_32),
        cmocka_unit_test(hostile_texts_are_judged_in_time),
        cmocka_unit_test(finds_a_duplicate_of_any_key),
        cmocka_unit_test(objects_do_not_share_keys),
    };
    return cmocka_run_group_tests_name("json_text", tests, NULL, NULL);
}
