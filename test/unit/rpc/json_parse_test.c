#include "test/unit/rpc/codec_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SCALARS &lotcast__test__v1__scalars__descriptor
#define LISTS &lotcast__test__v1__lists__descriptor
#define INNER &lotcast__test__v1__inner__descriptor
#define WRAPPERS &lotcast__test__v1__wrappers__descriptor
#define MAPS &lotcast__test__v1__maps__descriptor
#define CHOICE &lotcast__test__v1__choice__descriptor
#define DECIMALS &lotcast__test__v1__decimals__descriptor
#define DEEP &lotcast__test__v1__deep__descriptor
#define NAMES &lotcast__test__v1__names__descriptor

#define INVALID LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT
#define UNKNOWN LOTCAST__V1__REASON__REASON_UNKNOWN_FIELD
#define NO_JSON LOTCAST__V1__REASON__REASON_INVALID_JSON

static void fills_every_scalar(void **state)
{
    struct codec_fixture *fixture = *state;
    const Lotcast__Test__V1__Scalars *message = codec_fixture_parse(
        fixture, fixture->api, SCALARS,
        "{\"int32Value\":-2147483648,\"int64Value\":-9007199254740991,\"uint32Value\":4294967295,"
        "\"uint64Value\":9007199254740991,\"sint32Value\":2147483647,\"sint64Value\":-1,"
        "\"fixed32Value\":1,\"fixed64Value\":2,\"sfixed32Value\":-3,\"sfixed64Value\":-4,"
        "\"floatValue\":1.5,\"doubleValue\":-2.5e-3,\"boolValue\":true,"
        "\"stringValue\":\"a\\n\\u00e9\\ud834\\udd1e\",\"bytesValue\":\"AAEC/w==\","
        "\"color\":\"COLOR_DARK_RED\"}");
    assert_non_null(message);
    assert_int_equal(message->int32_value, INT32_MIN);
    assert_true(message->int64_value == -JSON_INTEGER_MAX);
    assert_true(message->uint32_value == UINT32_MAX);
    assert_true(message->uint64_value == (uint64_t)JSON_INTEGER_MAX);
    assert_int_equal(message->sint32_value, INT32_MAX);
    assert_true(message->sint64_value == -1);
    assert_int_equal(message->fixed32_value, 1);
    assert_int_equal(message->fixed64_value, 2);
    assert_int_equal(message->sfixed32_value, -3);
    assert_true(message->sfixed64_value == -4);
    assert_true(message->float_value == 1.5F);
    assert_true(message->double_value == -2.5e-3);
    assert_int_equal(message->bool_value, 1);
    assert_string_equal(message->string_value, "a\n\xc3\xa9\xf0\x9d\x84\x9e");
    assert_int_equal(message->bytes_value.len, 4);
    assert_memory_equal(message->bytes_value.data, "\x00\x01\x02\xff", 4);
    assert_int_equal(message->color, LOTCAST__TEST__V1__COLOR__COLOR_DARK_RED);
}

static void leaves_absent_and_null_alone(void **state)
{
    struct codec_fixture *fixture = *state;
    Lotcast__Test__V1__Scalars message = LOTCAST__TEST__V1__SCALARS__INIT;
    message.int32_value = 7;
    message.string_value = (char *)"kept";
    const char *const texts[] = {"{}", "{\"int32Value\":null,\"stringValue\":null,\"color\":null}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        arena_reset(&fixture->arena);
        assert_int_equal(json_parse(fixture->api, span_of_string(texts[i]), &fixture->arena,
                                    &message.base, &fixture->status),
                         RPC_OK);
        assert_int_equal(message.int32_value, 7);
        assert_string_equal(message.string_value, "kept");
    }
    const Lotcast__Test__V1__Wrappers *wrappers = codec_fixture_parse(
        fixture, fixture->api, WRAPPERS, "{\"int64Value\":null,\"stringValue\":null}");
    assert_non_null(wrappers);
    assert_null(wrappers->int64_value);
    assert_null(wrappers->string_value);
    const Lotcast__Test__V1__Inner *inner =
        codec_fixture_parse(fixture, fixture->api, INNER, "{\"leaf\":null,\"numbers\":null}");
    assert_non_null(inner);
    assert_null(inner->leaf);
    assert_int_equal(inner->n_numbers, 0);
}

struct row {
    const char *text;
    const char *field;
};

static void refuse_all(struct codec_fixture *fixture, const struct json_codec *codec,
                       const ProtobufCMessageDescriptor *type, Lotcast__V1__Reason reason,
                       const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        codec_fixture_refuse(fixture, codec, type, rows[i].text, reason, rows[i].field);
}

#define REFUSE_ALL(fixture, codec, type, reason, rows) \
    refuse_all(fixture, codec, type, reason, rows, sizeof(rows) / sizeof((rows)[0]))

static void refuses_integers_that_do_not_fit(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct row rows[] = {
        {"{\"int32Value\":1.5}", "int32Value"},
        {"{\"int32Value\":1.0}", "int32Value"},
        {"{\"int32Value\":1e2}", "int32Value"},
        {"{\"int32Value\":\"12\"}", "int32Value"},
        {"{\"int32Value\":true}", "int32Value"},
        {"{\"int32Value\":[1]}", "int32Value"},
        {"{\"int32Value\":{}}", "int32Value"},
        {"{\"int32Value\":2147483648}", "int32Value"},
        {"{\"int32Value\":-2147483649}", "int32Value"},
        {"{\"sint32Value\":4294967296}", "sint32Value"},
        {"{\"uint32Value\":-1}", "uint32Value"},
        {"{\"uint32Value\":4294967296}", "uint32Value"},
        {"{\"fixed32Value\":4294967296}", "fixed32Value"},
        {"{\"int64Value\":9007199254740992}", "int64Value"},
        {"{\"int64Value\":-9007199254740992}", "int64Value"},
        {"{\"int64Value\":9223372036854775808}", "int64Value"},
        {"{\"int64Value\":18446744073709551617}", "int64Value"},
        {"{\"int64Value\":1e400}", "int64Value"},
        {"{\"int64Value\":0.1}", "int64Value"},
        {"{\"uint64Value\":9007199254740992}", "uint64Value"},
        {"{\"uint64Value\":-1}", "uint64Value"},
    };
    REFUSE_ALL(fixture, fixture->api, SCALARS, INVALID, rows);
}

static void refuses_other_values_that_do_not_fit(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct row rows[] = {
        {"{\"doubleValue\":1e400}", "doubleValue"},
        {"{\"doubleValue\":-1e400}", "doubleValue"},
        {"{\"doubleValue\":\"1\"}", "doubleValue"},
        {"{\"doubleValue\":\"NaN\"}", "doubleValue"},
        {"{\"floatValue\":3.5e38}", "floatValue"},
        {"{\"boolValue\":1}", "boolValue"},
        {"{\"boolValue\":\"true\"}", "boolValue"},
        {"{\"boolValue\":[]}", "boolValue"},
        {"{\"stringValue\":1}", "stringValue"},
        {"{\"stringValue\":false}", "stringValue"},
        {"{\"stringValue\":{}}", "stringValue"},
        {"{\"stringValue\":[\"a\"]}", "stringValue"},
        {"{\"color\":\"COLOR_GREEN\"}", "color"},
        {"{\"color\":\"color_red\"}", "color"},
        {"{\"color\":\"COLOR_REDD\"}", "color"},
        {"{\"color\":\"COLOR_RE\"}", "color"},
        {"{\"color\":\"\"}", "color"},
        {"{\"color\":\"1\"}", "color"},
        {"{\"color\":1.5}", "color"},
        {"{\"color\":2147483648}", "color"},
        {"{\"color\":true}", "color"},
        {"{\"bytesValue\":1}", "bytesValue"},
        {"{\"bytesValue\":\"A\"}", "bytesValue"},
        {"{\"bytesValue\":\"AAAAA\"}", "bytesValue"},
        {"{\"bytesValue\":\"AA=\"}", "bytesValue"},
        {"{\"bytesValue\":\"AA===\"}", "bytesValue"},
        {"{\"bytesValue\":\"A===\"}", "bytesValue"},
        {"{\"bytesValue\":\"=\"}", "bytesValue"},
        {"{\"bytesValue\":\"AA A\"}", "bytesValue"},
        {"{\"bytesValue\":\"AA!A\"}", "bytesValue"},
        {"{\"bytesValue\":\"A=AA\"}", "bytesValue"},
        {"[]", ""},
        {"null", ""},
        {"1", ""},
        {"\"{}\"", ""},
        {"true", ""},
    };
    REFUSE_ALL(fixture, fixture->api, SCALARS, INVALID, rows);
}

static void takes_both_alphabets_of_base64(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct {
        const char *text;
        size_t len;
        const char *want;
    } rows[] = {
        {"", 0, ""},
        {"+/+/", 3, "\xfb\xff\xbf"},
        {"-_-_", 3, "\xfb\xff\xbf"},
        {"AQ", 1, "\x01"},
        {"AQ==", 1, "\x01"},
        {"AQI", 2, "\x01\x02"},
        {"AQI=", 2, "\x01\x02"},
        {"AQID", 3, "\x01\x02\x03"},
        {"AQIDBA", 4, "\x01\x02\x03\x04"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "{\"bytesValue\":\"%s\"}", rows[i].text);
        const Lotcast__Test__V1__Scalars *message =
            codec_fixture_parse(fixture, fixture->api, SCALARS, text);
        assert_non_null(message);
        assert_int_equal(message->bytes_value.len, rows[i].len);
        assert_memory_equal(message->bytes_value.data, rows[i].want, rows[i].len);
    }
}

static void enums_come_as_names_or_numbers(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        {"{\"color\":\"COLOR_RED\"}", 1},
        {"{\"color\":\"COLOR_COLD\"}", -3},
        {"{\"color\":2}", 2},
        {"{\"color\":-3}", -3},
        {"{\"color\":77}", 77},
        {"{\"color\":\"COLOR_UNSPECIFIED\"}", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const Lotcast__Test__V1__Scalars *message =
            codec_fixture_parse(fixture, fixture->api, SCALARS, rows[i].text);
        assert_non_null(message);
        assert_int_equal(message->color, rows[i].want);
    }
}

static void the_plain_mapping_takes_quoted_numbers(void **state)
{
    struct codec_fixture *fixture = *state;
    const Lotcast__Test__V1__Scalars *message = codec_fixture_parse(
        fixture, fixture->plain, SCALARS,
        "{\"int64Value\":\"-9223372036854775808\",\"uint64_value\":\"18446744073709551615\","
        "\"int32Value\":\"12\",\"uint32Value\":1e2,\"sint32Value\":1.0,\"doubleValue\":\"NaN\","
        "\"floatValue\":\"-Infinity\"}");
    assert_non_null(message);
    assert_true(message->int64_value == INT64_MIN);
    assert_true(message->uint64_value == UINT64_MAX);
    assert_int_equal(message->int32_value, 12);
    assert_int_equal(message->uint32_value, 100);
    assert_int_equal(message->sint32_value, 1);
    assert_true(isnan(message->double_value));
    assert_true(isinf(message->float_value) && message->float_value < 0);
    static const struct row rows[] = {
        {"{\"int64Value\":\"\"}", "int64Value"},
        {"{\"int64Value\":\" 1\"}", "int64Value"},
        {"{\"int64Value\":\"1 \"}", "int64Value"},
        {"{\"int64Value\":\"+1\"}", "int64Value"},
        {"{\"int64Value\":\"01\"}", "int64Value"},
        {"{\"int64Value\":\"0x1\"}", "int64Value"},
        {"{\"int64Value\":\"1.5\"}", "int64Value"},
        {"{\"int64Value\":\"9223372036854775808\"}", "int64Value"},
        {"{\"uint64Value\":\"18446744073709551616\"}", "uint64Value"},
        {"{\"doubleValue\":\"nan\"}", "doubleValue"},
        {"{\"doubleValue\":\"\"}", "doubleValue"},
        {"{\"doubleValue\":\"1x\"}", "doubleValue"},
        /* One field by both of its names. */
        {"{\"int64Value\":1,\"int64_value\":1}", "int64Value"},
    };
    REFUSE_ALL(fixture, fixture->plain, SCALARS, INVALID, rows);
}

static void unknown_fields_are_named_by_their_path(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct row rows[] = {
        {"{\"x\":1}", "x"},
        {"{\"\":1}", ""},
        {"{\"name\":\"\",\"nam\":1}", "nam"},
        {"{\"names\":1}", "names"},
        {"{\"leaf\":{\"x\":1}}", "leaf.x"},
        {"{\"leaf\":{\"size\":1,\"Size\":2}}", "leaf.Size"},
        {"{\"x\":null}", "x"},
        {"{\"__proto__\":{}}", "__proto__"},
    };
    REFUSE_ALL(fixture, fixture->api, INNER, UNKNOWN, rows);
    static const struct row lists[] = {
        {"{\"inners\":[{},{\"leaf\":{\"x\":[]}}]}", "inners[1].leaf.x"},
        {"{\"inners\":[{\"numbers\":[]},{},{\"x\":1}]}", "inners[2].x"},
    };
    REFUSE_ALL(fixture, fixture->api, LISTS, UNKNOWN, lists);
    /* Strict names: the .proto name is not one. */
    codec_fixture_refuse(fixture, fixture->api, SCALARS, "{\"int32_value\":1}", UNKNOWN,
                         "int32_value");
}

static void wrong_values_are_named_by_their_path(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct row rows[] = {
        {"{\"strings\":[\"a\",1]}", "strings[1]"},
        {"{\"strings\":[null]}", "strings[0]"},
        {"{\"strings\":\"a\"}", "strings"},
        {"{\"strings\":{}}", "strings"},
        {"{\"strings\":[[]]}", "strings[0]"},
        {"{\"int32Values\":[1,2,3,4,5,6,7,8,9,10,1.5]}", "int32Values[10]"},
        {"{\"inners\":{}}", "inners"},
        {"{\"inners\":[{},1]}", "inners[1]"},
        {"{\"inners\":[{},null]}", "inners[1]"},
        {"{\"inners\":[{},{\"numbers\":[1,\"2\"]}]}", "inners[1].numbers[1]"},
        {"{\"inners\":[{\"leaf\":{\"size\":9007199254740992}}]}", "inners[0].leaf.size"},
        {"{\"inners\":[{\"leaf\":[]}]}", "inners[0].leaf"},
        {"{\"boxed\":[\"a\",{}]}", "boxed[1]"},
        {"{\"colors\":[\"COLOR_RED\",\"x\"]}", "colors[1]"},
    };
    REFUSE_ALL(fixture, fixture->api, LISTS, INVALID, rows);
}

/* A path that is longer than its room is cut, at a character. */
static void long_paths_are_cut(void **state)
{
    struct codec_fixture *fixture = *state;
    char text[1200] = "{\"";
    for (int i = 0; i < 500; i++)
        memcpy(text + 2 + (size_t)i * 2, "\xc3\xa9", 2);
    memcpy(text + 1002, "\":1}", 5);
    assert_null(codec_fixture_parse(fixture, fixture->api, INNER, text));
    assert_int_equal(fixture->status.reason, UNKNOWN);
    size_t len = strlen(fixture->status.field);
    assert_true(len >= RPC_STATUS_FIELD_BYTES - 2 && len % 2 == 0);
}

static void bad_json_wins_over_what_came_before_it(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct row rows[] = {
        {"", ""},
        {"{\"x\":1", ""},
        {"{\"int32Value\":\"a\",\"stringValue\":\"\\ud800\"}", ""},
        {"{\"x\":{\"y\":1,\"y\":2}}", ""},
        {"{\"x\":{\"y\":1,\"\\u0079\":2}}", ""},
        {"{\"int32Value\":1.5,\"int32Value\":2}", ""},
        {"{\"stringValue\":\"\\u0000\"}", ""},
        {"{\"x\":1} 1", ""},
        {"{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", ""},
    };
    REFUSE_ALL(fixture, fixture->api, SCALARS, NO_JSON, rows);
    (void)codec_fixture_parse(fixture, fixture->api, SCALARS, "{\"x\":1,\"x\":2}");
    assert_int_equal(fixture->status.position, 7);
    /* Of the others, the first in the text. */
    codec_fixture_refuse(fixture, fixture->api, SCALARS, "{\"int32Value\":\"a\",\"x\":1}", INVALID,
                         "int32Value");
    codec_fixture_refuse(fixture, fixture->api, SCALARS, "{\"x\":1,\"int32Value\":\"a\"}", UNKNOWN,
                         "x");
}

static void decimals_are_exact(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct {
        const char *text;
        int64_t want;
    } rows[] = {
        {"2500", 250000},
        {"2500.5", 250050},
        {"2500.55", 250055},
        {"25e2", 250000},
        {"0", 0},
        {"-0.05", -5},
        {"1.10", 110},
        {"2847.32", 284732},
        {"90071992547409.91", JSON_INTEGER_MAX},
        {"-90071992547409.91", -JSON_INTEGER_MAX},
        {"1.0000000000000000000000000000000000", 100},
        {"0.29", 29},
        {"1.15", 115},
        {"8.2e-1", 82},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "{\"money\":%s,\"price\":%s,\"many\":[0.01,%s]}",
                       rows[i].text, rows[i].text, rows[i].text);
        const Lotcast__Test__V1__Decimals *message =
            codec_fixture_parse(fixture, fixture->api, DECIMALS, text);
        assert_non_null(message);
        assert_true(message->money == rows[i].want);
        assert_true(message->price->value == rows[i].want);
        assert_int_equal(message->n_many, 2);
        assert_true(message->many[0] == 1 && message->many[1] == rows[i].want);
    }
    static const struct row refused[] = {
        {"{\"money\":2500.555}", "money"},   {"{\"money\":0.001}", "money"},
        {"{\"money\":1e-3}", "money"},       {"{\"money\":90071992547409.92}", "money"},
        {"{\"money\":1e400}", "money"},      {"{\"money\":-1e99999999999999999999}", "money"},
        {"{\"money\":\"2500\"}", "money"},   {"{\"money\":true}", "money"},
        {"{\"price\":1.001}", "price"},      {"{\"price\":{\"value\":1}}", "price"},
        {"{\"many\":[1,1.001]}", "many[1]"}, {"{\"small\":2147483.648}", "small"},
        {"{\"fine\":-1}", "fine"},           {"{\"fine\":9.1}", "fine"},
        {"{\"plain\":1.0}", "plain"},
    };
    REFUSE_ALL(fixture, fixture->api, DECIMALS, INVALID, refused);
}

static void fills_lists_and_maps(void **state)
{
    struct codec_fixture *fixture = *state;
    const Lotcast__Test__V1__Lists *lists = codec_fixture_parse(
        fixture, fixture->api, LISTS,
        "{\"int32Values\":[1,2,3,4,5,6,7,8,9],\"bools\":[true,false],\"strings\":[\"a\",\"\"],"
        "\"inners\":[{\"name\":\"x\"},{\"numbers\":[1,2]},{}],\"boxed\":[\"\",\"b\"],\"blobs\":["
        "\"AQ\"]}");
    assert_non_null(lists);
    assert_int_equal(lists->n_int32_values, 9);
    for (int i = 0; i < 9; i++)
        assert_int_equal(lists->int32_values[i], i + 1);
    assert_int_equal(lists->n_bools, 2);
    assert_true(lists->bools[0] && !lists->bools[1]);
    assert_string_equal(lists->strings[1], "");
    assert_int_equal(lists->n_inners, 3);
    assert_string_equal(lists->inners[0]->name, "x");
    assert_int_equal(lists->inners[1]->numbers[1], 2);
    assert_string_equal(lists->boxed[1]->value, "b");
    const Lotcast__Test__V1__Maps *maps = codec_fixture_parse(
        fixture, fixture->api, MAPS,
        "{\"strings\":{\"a\\n\":\"b\",\"\":\"\"},\"numbers\":{\"-5\":7},\"flags\":{\"3\":true},"
        "\"inners\":{\"true\":{\"name\":\"x\",\"leaf\":{\"size\":1}}},\"boxed\":{\"k\":5},"
        "\"colors\":{\"c\":\"COLOR_RED\"}}");
    assert_non_null(maps);
    assert_int_equal(maps->n_strings, 2);
    assert_string_equal(maps->strings[0]->key, "a\n");
    assert_string_equal(maps->strings[0]->value, "b");
    assert_int_equal(maps->numbers[0]->key, -5);
    assert_true(maps->numbers[0]->value == 7);
    assert_true(maps->flags[0]->key == 3 && maps->flags[0]->value);
    assert_true(maps->inners[0]->key);
    assert_true(maps->inners[0]->value->leaf->size == 1);
    assert_true(maps->boxed[0]->value->value == 5);
    static const struct row refused[] = {
        {"{\"strings\":[]}", "strings"},
        {"{\"strings\":1}", "strings"},
        {"{\"strings\":{\"a\":null}}", "strings.a"},
        {"{\"strings\":{\"a\":1}}", "strings.a"},
        {"{\"strings\":{\"a\":[]}}", "strings.a"},
        {"{\"numbers\":{\"x\":1}}", "numbers.x"},
        {"{\"numbers\":{\"1.5\":1}}", "numbers.1.5"},
        {"{\"numbers\":{\"2147483648\":1}}", "numbers.2147483648"},
        {"{\"inners\":{\"yes\":{}}}", "inners.yes"},
        {"{\"inners\":{\"true\":1}}", "inners.true"},
    };
    REFUSE_ALL(fixture, fixture->api, MAPS, INVALID, refused);
    codec_fixture_refuse(fixture, fixture->api, MAPS, "{\"inners\":{\"true\":{\"x\":1}}}", UNKNOWN,
                         "inners.true.x");
}

static void one_member_of_a_oneof(void **state)
{
    struct codec_fixture *fixture = *state;
    const Lotcast__Test__V1__Choice *choice = codec_fixture_parse(
        fixture, fixture->api, CHOICE, "{\"text\":\"a\",\"number\":null,\"inner\":null}");
    assert_non_null(choice);
    assert_int_equal(choice->kind_case, LOTCAST__TEST__V1__CHOICE__KIND_TEXT);
    assert_string_equal(choice->text, "a");
    choice = codec_fixture_parse(fixture, fixture->api, CHOICE, "{\"inner\":{\"name\":\"x\"}}");
    assert_non_null(choice);
    assert_int_equal(choice->kind_case, LOTCAST__TEST__V1__CHOICE__KIND_INNER);
    assert_string_equal(choice->inner->name, "x");
    choice = codec_fixture_parse(fixture, fixture->api, CHOICE, "{\"boxed\":\"\"}");
    assert_non_null(choice);
    assert_int_equal(choice->kind_case, LOTCAST__TEST__V1__CHOICE__KIND_BOXED);
    assert_string_equal(choice->boxed->value, "");
    static const struct row rows[] = {
        {"{\"text\":\"a\",\"number\":1}", "number"},
        {"{\"number\":0,\"text\":\"\"}", "text"},
        {"{\"number\":7,\"inner\":{}}", "inner"},
        {"{\"inner\":{},\"boxed\":\"\"}", "boxed"},
        {"{\"flag\":false,\"data\":\"\"}", "data"},
        {"{\"number\":12345678901,\"inner\":{\"name\":\"x\"}}", "inner"},
    };
    REFUSE_ALL(fixture, fixture->api, CHOICE, INVALID, rows);
}

static void merges_into_what_is_there(void **state)
{
    struct codec_fixture *fixture = *state;
    Lotcast__Test__V1__Leaf leaf = LOTCAST__TEST__V1__LEAF__INIT;
    leaf.green = 1;
    int32_t numbers[] = {1, 2};
    Lotcast__Test__V1__Inner inner = LOTCAST__TEST__V1__INNER__INIT;
    inner.leaf = &leaf;
    inner.n_numbers = 2;
    inner.numbers = numbers;
    arena_reset(&fixture->arena);
    assert_int_equal(json_parse(fixture->api,
                                span_of_string("{\"leaf\":{\"size\":5},\"numbers\":[3]}"),
                                &fixture->arena, &inner.base, &fixture->status),
                     RPC_OK);
    assert_ptr_equal(inner.leaf, &leaf);
    assert_true(leaf.green && leaf.size == 5);
    assert_int_equal(inner.n_numbers, 3);
    assert_int_equal(inner.numbers[0], 1);
    assert_int_equal(inner.numbers[2], 3);
    assert_int_equal(numbers[1], 2);
}

static void names_may_be_odd(void **state)
{
    struct codec_fixture *fixture = *state;
    const Lotcast__Test__V1__Names *names = codec_fixture_parse(
        fixture, fixture->plain, NAMES,
        "{\"snake_case_name\":\"1\",\"an \\\"odd\\\" name\xc3\xa9\":\"2\",\"swapped_b\":\"3\"}");
    assert_non_null(names);
    assert_string_equal(names->snake_case_name, "1");
    assert_string_equal(names->odd, "2");
    assert_string_equal(names->swapped_a, "3"); /* JSON names go first */
    assert_string_equal(names->swapped_b, "");
}

static void depth_is_bounded(void **state)
{
    struct codec_fixture *fixture = *state;
    for (int deep = 30; deep <= 34; deep++) {
        char text[1024];
        size_t len = 0;
        for (int i = 1; i < deep; i++)
            len += (size_t)snprintf(text + len, sizeof text - len, "{\"next\":");
        len += (size_t)snprintf(text + len, sizeof text - len, "{\"name\":\"x\"}");
        for (int i = 1; i < deep; i++)
            text[len++] = '}';
        text[len] = '\0';
        const void *message = codec_fixture_parse(fixture, fixture->api, DEEP, text);
        assert_int_equal(message != NULL, deep <= JSON_DEPTH_MAX);
    }
}

static void wrappers_stand_alone(void **state)
{
    struct codec_fixture *fixture = *state;
    const Google__Protobuf__Int64Value *number = codec_fixture_parse(
        fixture, fixture->api, &google__protobuf__int64_value__descriptor, " 123456789 ");
    assert_non_null(number);
    assert_true(number->value == 123456789);
    number = codec_fixture_parse(fixture, fixture->api, &google__protobuf__int64_value__descriptor,
                                 "123456789");
    assert_non_null(number);
    assert_true(number->value == 123456789);
    const Google__Protobuf__StringValue *text = codec_fixture_parse(
        fixture, fixture->api, &google__protobuf__string_value__descriptor, "\"a\\u0062\"");
    assert_non_null(text);
    assert_string_equal(text->value, "ab");
    codec_fixture_refuse(fixture, fixture->api, &google__protobuf__int64_value__descriptor, "{}",
                         INVALID, "");
    codec_fixture_refuse(fixture, fixture->api, &google__protobuf__int64_value__descriptor, "1.5",
                         INVALID, "");
}

/* However small the arena, the answer is right or RESOURCE_EXHAUSTED. */
static void a_full_arena_is_an_answer(void **state)
{
    (void)state;
    struct codec_fixture *fixture = *state;
    static const char text[] = "{\"inners\":[{\"name\":\"a\\n\",\"numbers\":[1,2,3,4,5]}],"
                               "\"boxed\":[\"a\"],\"blobs\":[\"AQID\"],\"doubles\":[1.5]}";
    bool fitted = false;
    for (size_t bytes = 0; bytes < 12000; bytes += 16) {
        struct arena arena;
        arena_init(&arena, bytes);
        Lotcast__Test__V1__Lists lists = LOTCAST__TEST__V1__LISTS__INIT;
        enum rpc_code code =
            json_parse(fixture->api, span_of_string(text), &arena, &lists.base, &fixture->status);
        assert_true(code == RPC_OK || code == RPC_RESOURCE_EXHAUSTED);
        assert_true(code == RPC_OK || fixture->status.reason == 0);
        assert_false(fitted && code != RPC_OK);
        fitted = code == RPC_OK;
        arena_fini(&arena);
    }
    assert_true(fitted);
}

/* yajl's buffer for escaped strings and for a number at the end, at the sizes where it doubles. */
static void long_strings_with_escapes(void **state)
{
    struct codec_fixture *fixture = *state;
    for (size_t len = 1; len <= 300000; len = len * 2 + 1) {
        char *text = malloc(len + 64);
        assert_non_null(text);
        memcpy(text, "{\"stringValue\":\"\\n", 18);
        memset(text + 18, 'x', len);
        memcpy(text + 18 + len, "\\\"\"}", 5);
        const Lotcast__Test__V1__Scalars *message =
            codec_fixture_parse(fixture, fixture->api, SCALARS, text);
        assert_non_null(message);
        assert_int_equal(strlen(message->string_value), len + 2);
        memset(text, '1', len);
        text[len] = '\0';
        (void)codec_fixture_parse(fixture, fixture->api,
                                  &google__protobuf__double_value__descriptor, text);
        free(text);
    }
}

static void a_message_of_another_registry_is_refused(void **state)
{
    struct codec_fixture *fixture = *state;
    Lotcast__V1__MethodRules rules = LOTCAST__V1__METHOD_RULES__INIT;
    assert_int_equal(json_parse(fixture->api, span_of_string("{}"), &fixture->arena, &rules.base,
                                &fixture->status),
                     RPC_INTERNAL);
    assert_int_equal(
        json_parse(fixture->api, span_of_string("{"), &fixture->arena, &rules.base, NULL),
        RPC_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_every_scalar),
        cmocka_unit_test(leaves_absent_and_null_alone),
        cmocka_unit_test(refuses_integers_that_do_not_fit),
        cmocka_unit_test(refuses_other_values_that_do_not_fit),
        cmocka_unit_test(takes_both_alphabets_of_base64),
        cmocka_unit_test(enums_come_as_names_or_numbers),
        cmocka_unit_test(the_plain_mapping_takes_quoted_numbers),
        cmocka_unit_test(unknown_fields_are_named_by_their_path),
        cmocka_unit_test(wrong_values_are_named_by_their_path),
        cmocka_unit_test(long_paths_are_cut),
        cmocka_unit_test(bad_json_wins_over_what_came_before_it),
        cmocka_unit_test(decimals_are_exact),
        cmocka_unit_test(fills_lists_and_maps),
        cmocka_unit_test(one_member_of_a_oneof),
        cmocka_unit_test(merges_into_what_is_there),
        cmocka_unit_test(names_may_be_odd),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(wrappers_stand_alone),
        cmocka_unit_test(a_full_arena_is_an_answer),
        cmocka_unit_test(long_strings_with_escapes),
        cmocka_unit_test(a_message_of_another_registry_is_refused),
    };
    return cmocka_run_group_tests_name("json_parse", tests, codec_fixture_setup,
                                       codec_fixture_teardown);
}
