/* The JSON tree: what it takes, what it refuses, and that it prints what it has read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clients/meta/json_tree.h"

#define ARENA_BYTES ((size_t)1024 * 1024)

static const char *reprint(const struct json_tree *tree, struct buffer *out)
{
    buffer_clear(out);
    json_tree_print(tree, out);
    return buffer_cstring(out);
}

static void json_is_read_and_printed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *want; /* NULL: as it is */
    } rows[] = {
        {"null", NULL},
        {"true", NULL},
        {"[false]", NULL},
        {"0", NULL},
        {"-12.50e+3", NULL},
        {"123456789012345678901234567890.000", NULL},
        {"\"\"", NULL},
        {"\"a\\\"b\\\\c\"", NULL},
        {"\"\\u0007\\n\"", "\"\\u0007\\u000a\""},
        {"\"\\u00e9\\/\\ud83d\\ude97\"", "\"\xc3\xa9/\xf0\x9f\x9a\x97\""},
        {"[]", NULL},
        {"{}", NULL},
        {" [ 1 , [ ] , { \"a\" : [ { } , 2 ] } , \"x\" ] ", "[1,[],{\"a\":[{},2]},\"x\"]"},
        {"{\"a\":{\"b\":{\"c\":[1,2,3]}},\"a\":2}", NULL},
        {"\"a\xff\xc3\"", "\"a??\""},
        {"\"\\u0000x\"", "\"?x\""},
        {"{\"k\\u0000\xff\":1}", "{\"k??\":1}"},
        {"\"\xed\xa0\x80\"", "\"???\""},
    };
    struct arena arena;
    struct buffer out;
    arena_init(&arena, ARENA_BYTES);
    buffer_init(&out, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct json_tree *tree = NULL;
        assert_true(json_tree_parse(span_of_string(rows[i].text), &arena, &tree));
        assert_string_equal(reprint(tree, &out),
                            rows[i].want == NULL ? rows[i].text : rows[i].want);
        /* What was printed reads as itself. */
        const struct json_tree *again = NULL;
        char *copy = strdup(buffer_cstring(&out));
        assert_true(json_tree_parse(span_of_string(copy), &arena, &again));
        assert_string_equal(reprint(again, &out), copy);
        free(copy);
    }
    buffer_fini(&out);
    arena_fini(&arena);
}

static void what_is_no_json_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",          " ",   "{",   "[1,",  "[1 2]", "{\"a\"}", "{\"a\":}", "{a:1}",  "'a'",
        "\"a",       "1 2", "01x", "tru",  "nul",   "[1]]",    "{}}",      "+1",     "\"\\x\"",
        "\"\\u12\"", ".5",  "-",   "[,1]", "{,}",   "// x\n1", "1e",       "\"\n\"",
    };
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct json_tree *tree = NULL;
        if (json_tree_parse(span_of_string(rows[i]), &arena, &tree) || tree != NULL)
            fail_msg("taken: %s", rows[i]);
    }
    arena_fini(&arena);
}

static void depth_and_memory_are_bounded(void **state)
{
    (void)state;
    char text[2 * JSON_TREE_DEPTH_MAX + 3];
    struct arena arena;
    struct buffer out;
    arena_init(&arena, ARENA_BYTES);
    buffer_init(&out, ARENA_BYTES);
    const struct json_tree *tree = NULL;
    for (size_t depth = JSON_TREE_DEPTH_MAX; depth <= JSON_TREE_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        bool taken = json_tree_parse(span_of(text, 2 * depth), &arena, &tree);
        assert_int_equal(taken, depth == JSON_TREE_DEPTH_MAX);
    }
    text[2 * JSON_TREE_DEPTH_MAX] = '\0';
    json_tree_print(tree, &out);
    assert_int_equal(out.len, 2 * JSON_TREE_DEPTH_MAX);
    struct arena small;
    arena_init(&small, 256);
    assert_false(json_tree_parse(span_of_string("[1,2,3,4,5,6,7,8,9,10,11,12]"), &small, &tree));
    arena_fini(&small);
    buffer_fini(&out);
    arena_fini(&arena);
}

static void values_are_found(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    const struct json_tree *tree = NULL;
    const char *text = "{\"n\":7,\"s\":\"-8\",\"max\":\"9223372036854775807\",\"over\":"
                       "9223372036854775808,\"f\":1.0,\"e\":1e3,\"empty\":\"\",\"minus\":\"-\","
                       "\"space\":\" 1\",\"t\":true,\"x\":null,\"o\":{\"n\":\"in\"},\"n\":9}";
    assert_true(json_tree_parse(span_of_string(text), &arena, &tree));
    int64_t value = 0;
    assert_true(json_tree_integer(json_tree_get(tree, "n"), &value));
    assert_int_equal(value, 7);
    assert_true(json_tree_integer(json_tree_get(tree, "s"), &value));
    assert_int_equal(value, -8);
    assert_true(json_tree_integer(json_tree_get(tree, "max"), &value));
    assert_true(value == INT64_MAX);
    static const char *const none[] = {"over",  "f", "e", "empty", "minus",
                                       "space", "t", "x", "o",     "?"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(json_tree_integer(json_tree_get(tree, none[i]), &value));
    assert_string_equal(json_tree_get_text(json_tree_get(tree, "o"), "n"), "in");
    assert_null(json_tree_get_text(tree, "t"));
    assert_null(json_tree_get(json_tree_get(tree, "n"), "n"));
    assert_null(json_tree_get(NULL, "n"));
    assert_true(json_tree_true(json_tree_get(tree, "t")));
    assert_false(json_tree_true(json_tree_get(tree, "x")));
    assert_false(json_tree_true(NULL));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_read_and_printed),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(depth_and_memory_are_bounded),
        cmocka_unit_test(values_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
