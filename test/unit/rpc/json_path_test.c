#include "test/unit/rpc/codec_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#define INVALID LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT
#define UNKNOWN LOTCAST__V1__REASON__REASON_UNKNOWN_FIELD

static enum rpc_code set(struct codec_fixture *fixture, void *message, const char *path,
                         const char *text)
{
    rpc_status_clear(&fixture->status);
    return json_set_from_text(fixture->api, message, span_of_string(path), span_of_string(text),
                              &fixture->arena, &fixture->status);
}

static void sets_scalars_by_their_type(void **state)
{
    struct codec_fixture *fixture = *state;
    Lotcast__Test__V1__Scalars message = LOTCAST__TEST__V1__SCALARS__INIT;
    static const struct {
        const char *path;
        const char *text;
    } rows[] = {
        {"int32Value", "-12"},          {"int64Value", "9007199254740991"},
        {"uint32Value", "0"},           {"boolValue", "true"},
        {"stringValue", "a b\xc3\xa9"}, {"color", "COLOR_RED"},
        {"doubleValue", "1.5"},         {"bytesValue", "-_-_"},
        {"sint32Value", "7"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(set(fixture, &message, rows[i].path, rows[i].text), RPC_OK);
    assert_int_equal(message.int32_value, -12);
    assert_true(message.int64_value == JSON_INTEGER_MAX);
    assert_true(message.bool_value);
    assert_string_equal(message.string_value, "a b\xc3\xa9");
    assert_int_equal(message.color, 1);
    assert_true(message.double_value == 1.5);
    assert_int_equal(message.bytes_value.len, 3);
    assert_int_equal(set(fixture, &message, "boolValue", "false"), RPC_OK);
    assert_false(message.bool_value);
    assert_int_equal(set(fixture, &message, "color", "-3"), RPC_OK);
    assert_int_equal(message.color, -3);
    assert_int_equal(set(fixture, &message, "stringValue", ""), RPC_OK);
    assert_string_equal(message.string_value, "");
    const struct span nothing = {NULL, 0};
    assert_int_equal(json_set_from_text(fixture->api, &message.base, span_of_string("stringValue"),
                                        nothing, &fixture->arena, NULL),
                     RPC_OK);
    assert_string_equal(message.string_value, "");
}

static void refuses_text_that_does_not_fit(void **state)
{
    struct codec_fixture *fixture = *state;
    Lotcast__Test__V1__Scalars message = LOTCAST__TEST__V1__SCALARS__INIT;
    static const struct {
        const char *path;
        const char *text;
    } rows[] = {
        {"int32Value", ""},
        {"int32Value", "x"},
        {"int32Value", "1.0"},
        {"int32Value", "1e2"},
        {"int32Value", " 1"},
        {"int32Value", "+1"},
        {"int32Value", "01"},
        {"int32Value", "0x10"},
        {"int32Value", "2147483648"},
        {"int32Value", "\"1\""},
        {"int64Value", "9007199254740992"},
        {"uint32Value", "-1"},
        {"boolValue", ""},
        {"boolValue", "1"},
        {"boolValue", "True"},
        {"boolValue", "truex"},
        {"boolValue", "yes"},
        {"color", ""},
        {"color", "red"},
        {"color", "COLOR_RED "},
        {"color", "1.5"},
        {"doubleValue", "nan"},
        {"doubleValue", "1e400"},
        {"doubleValue", ""},
        {"stringValue", "\xff"},
        {"stringValue", "a\xed\xa0\x80"},
        {"bytesValue", "A"},
        {"bytesValue", "AA A"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(set(fixture, &message, rows[i].path, rows[i].text), RPC_INVALID_ARGUMENT);
        assert_int_equal(fixture->status.reason, INVALID);
        assert_string_equal(fixture->status.field, rows[i].path);
    }
    /* A NUL would cut the string. */
    assert_int_equal(json_set_from_text(fixture->api, &message.base, span_of_string("stringValue"),
                                        span_of("a\0b", 3), &fixture->arena, &fixture->status),
                     RPC_INVALID_ARGUMENT);
    assert_string_equal(message.string_value, "");
}

static void goes_through_messages_and_wrappers(void **state)
{
    struct codec_fixture *fixture = *state;
    Lotcast__Test__V1__Choice choice = LOTCAST__TEST__V1__CHOICE__INIT;
    assert_int_equal(set(fixture, &choice, "inner.leaf.size", "5"), RPC_OK);
    assert_int_equal(set(fixture, &choice, "inner.leaf.green", "true"), RPC_OK);
    assert_int_equal(set(fixture, &choice, "inner.numbers", "1"), RPC_OK);
    assert_int_equal(set(fixture, &choice, "inner.numbers", "2"), RPC_OK);
    assert_int_equal(choice.kind_case, LOTCAST__TEST__V1__CHOICE__KIND_INNER);
    assert_true(choice.inner->leaf->size == 5 && choice.inner->leaf->green);
    assert_int_equal(choice.inner->n_numbers, 2);
    assert_int_equal(choice.inner->numbers[1], 2);
    /* Another member of the oneof. */
    assert_int_equal(set(fixture, &choice, "text", "x"), RPC_INVALID_ARGUMENT);
    assert_string_equal(fixture->status.field, "text");
    assert_int_equal(set(fixture, &choice, "boxed", "x"), RPC_INVALID_ARGUMENT);

    Lotcast__Test__V1__Wrappers wrappers = LOTCAST__TEST__V1__WRAPPERS__INIT;
    assert_int_equal(set(fixture, &wrappers, "boolValue", "false"), RPC_OK);
    assert_int_equal(set(fixture, &wrappers, "stringValue", ""), RPC_OK);
    assert_int_equal(set(fixture, &wrappers, "int64Value", "12"), RPC_OK);
    assert_non_null(wrappers.bool_value);
    assert_string_equal(wrappers.string_value->value, "");
    assert_true(wrappers.int64_value->value == 12);
    assert_int_equal(set(fixture, &wrappers, "int64Value", "x"), RPC_INVALID_ARGUMENT);

    Lotcast__Test__V1__Decimals decimals = LOTCAST__TEST__V1__DECIMALS__INIT;
    assert_int_equal(set(fixture, &decimals, "money", "12.5"), RPC_OK);
    assert_int_equal(set(fixture, &decimals, "price", "0.01"), RPC_OK);
    assert_true(decimals.money == 1250 && decimals.price->value == 1);
    assert_int_equal(set(fixture, &decimals, "money", "12.505"), RPC_INVALID_ARGUMENT);
}

static void repeated_fields_grow(void **state)
{
    struct codec_fixture *fixture = *state;
    Lotcast__Test__V1__Lists lists = LOTCAST__TEST__V1__LISTS__INIT;
    for (int i = 0; i < 20; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        assert_int_equal(set(fixture, &lists, "strings", text), RPC_OK);
        assert_int_equal(set(fixture, &lists, "int32Values", text), RPC_OK);
        assert_int_equal(set(fixture, &lists, "boxed", text), RPC_OK);
    }
    assert_int_equal(lists.n_strings, 20);
    assert_string_equal(lists.strings[19], "19");
    assert_int_equal(lists.int32_values[7], 7);
    assert_string_equal(lists.boxed[13]->value, "13");
    assert_int_equal(set(fixture, &lists, "int32Values", "x"), RPC_INVALID_ARGUMENT);
    assert_int_equal(lists.n_int32_values, 20);
}

static void refuses_paths_to_nothing(void **state)
{
    struct codec_fixture *fixture = *state;
    static const char *const paths[] = {"",
                                        ".",
                                        "x",
                                        "inner",
                                        "inner.",
                                        ".inner",
                                        "inner.x",
                                        "inner..name",
                                        "inner.leaf",
                                        "text.x",
                                        "boxed.value",
                                        "inner.numbers.x",
                                        "inner.leaf.size.x",
                                        "Text",
                                        "inner.name.",
                                        "before.",
                                        "inner.leaf..",
                                        "inner.leaf.size."};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        Lotcast__Test__V1__Choice choice = LOTCAST__TEST__V1__CHOICE__INIT;
        if (set(fixture, &choice, paths[i], "1") != RPC_INVALID_ARGUMENT)
            fail_msg("%s is accepted", paths[i]);
        assert_int_equal(fixture->status.reason, UNKNOWN);
        assert_string_equal(fixture->status.field, paths[i]);
    }
    Lotcast__Test__V1__Maps maps = LOTCAST__TEST__V1__MAPS__INIT;
    assert_int_equal(set(fixture, &maps, "strings", "1"), RPC_INVALID_ARGUMENT);
    assert_int_equal(fixture->status.reason, UNKNOWN);
    assert_int_equal(set(fixture, &maps, "strings.key", "1"), RPC_INVALID_ARGUMENT);
    Lotcast__Test__V1__Lists lists = LOTCAST__TEST__V1__LISTS__INIT;
    assert_int_equal(set(fixture, &lists, "inners.name", "1"), RPC_INVALID_ARGUMENT);
    assert_int_equal(fixture->status.reason, UNKNOWN);
    assert_int_equal(set(fixture, &lists, "int32_values", "1"), RPC_INVALID_ARGUMENT);
    assert_int_equal(fixture->status.reason, UNKNOWN);
}

static void a_full_arena_is_an_answer(void **state)
{
    struct codec_fixture *fixture = *state;
    bool fitted = false;
    for (size_t bytes = 0; bytes < 512; bytes += 16) {
        struct arena arena;
        arena_init(&arena, bytes);
        Lotcast__Test__V1__Choice choice = LOTCAST__TEST__V1__CHOICE__INIT;
        enum rpc_code code =
            json_set_from_text(fixture->api, &choice.base, span_of_string("inner.name"),
                               span_of_string("abc"), &arena, &fixture->status);
        assert_true(code == RPC_OK || code == RPC_RESOURCE_EXHAUSTED);
        fitted = code == RPC_OK;
        arena_fini(&arena);
    }
    assert_true(fitted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_scalars_by_their_type),
        cmocka_unit_test(refuses_text_that_does_not_fit),
        cmocka_unit_test(goes_through_messages_and_wrappers),
        cmocka_unit_test(repeated_fields_grow),
        cmocka_unit_test(refuses_paths_to_nothing),
        cmocka_unit_test(a_full_arena_is_an_answer),
    };
    return cmocka_run_group_tests_name("json_path", tests, codec_fixture_setup,
                                       codec_fixture_teardown);
}
