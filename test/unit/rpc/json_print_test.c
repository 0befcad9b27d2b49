#include "test/unit/rpc/codec_fixture.h"

#include <float.h>
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
#define NAMES &lotcast__test__v1__names__descriptor

static void the_api_prints_every_field(void **state)
{
    struct codec_fixture *fixture = *state;
    codec_fixture_round(
        fixture, fixture->api, SCALARS, "{}",
        "{\"int32Value\":0,\"int64Value\":0,\"uint32Value\":0,\"uint64Value\":0,"
        "\"sint32Value\":0,\"sint64Value\":0,\"fixed32Value\":0,\"fixed64Value\":0,"
        "\"sfixed32Value\":0,\"sfixed64Value\":0,\"floatValue\":0,\"doubleValue\":0,"
        "\"boolValue\":false,\"stringValue\":\"\",\"bytesValue\":\"\","
        "\"color\":\"COLOR_UNSPECIFIED\"}");
    codec_fixture_round(fixture, fixture->api, INNER, "{}",
                        "{\"name\":\"\",\"numbers\":[],\"leaf\":null}");
    codec_fixture_round(fixture, fixture->api, WRAPPERS, "{\"stringValue\":\"\",\"int64Value\":0}",
                        "{\"int32Value\":null,\"int64Value\":0,\"uint32Value\":null,"
                        "\"uint64Value\":null,\"floatValue\":null,\"doubleValue\":null,"
                        "\"boolValue\":null,\"stringValue\":\"\",\"bytesValue\":null}");
    codec_fixture_round(
        fixture, fixture->api, MAPS, "{\"inners\":{\"false\":{}}}",
        "{\"strings\":{},\"numbers\":{},\"flags\":{},\"inners\":{\"false\":"
        "{\"name\":\"\",\"numbers\":[],\"leaf\":null}},\"colors\":{},\"boxed\":{}}");
}

static void a_oneof_shows_its_member_alone(void **state)
{
    struct codec_fixture *fixture = *state;
    static const char *const texts[] = {
        "{\"before\":\"\"}",
        "{\"before\":\"\",\"text\":\"\"}",
        "{\"before\":\"\",\"number\":0}",
        "{\"before\":\"\",\"inner\":{\"name\":\"\",\"numbers\":[1,2],\"leaf\":null}}",
        "{\"before\":\"\",\"boxed\":\"\"}",
        "{\"before\":\"x\",\"flag\":false}",
        "{\"before\":\"x\",\"data\":\"AA==\"}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        codec_fixture_round(fixture, fixture->api, CHOICE, texts[i], NULL);
}

static void the_plain_mapping_leaves_defaults_out(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct {
        const ProtobufCMessageDescriptor *type;
        const char *text;
        const char *want;
    } rows[] = {
        {SCALARS, "{}", "{}"},
        {SCALARS, "{\"int32Value\":0,\"stringValue\":\"\",\"boolValue\":false,\"color\":0}", "{}"},
        {SCALARS, "{\"int64Value\":5,\"uint64Value\":\"18446744073709551615\",\"int32Value\":5}",
         "{\"int32Value\":5,\"int64Value\":\"5\",\"uint64Value\":\"18446744073709551615\"}"},
        {SCALARS, "{\"doubleValue\":-0,\"floatValue\":\"NaN\"}",
         "{\"floatValue\":\"NaN\",\"doubleValue\":-0}"},
        {SCALARS, "{\"color\":77}", "{\"color\":77}"},
        {INNER, "{\"leaf\":{}}", "{\"leaf\":{}}"},
        {LISTS, "{\"int64Values\":[1,2],\"inners\":[{},{\"name\":\"x\"}],\"strings\":[]}",
         "{\"int64Values\":[\"1\",\"2\"],\"inners\":[{},{\"name\":\"x\"}]}"},
        {CHOICE, "{\"number\":0}", "{\"number\":\"0\"}"},
        {WRAPPERS, "{\"int64Value\":\"7\",\"boolValue\":false}",
         "{\"int64Value\":\"7\",\"boolValue\":false}"},
        {MAPS, "{\"numbers\":{\"1\":\"2\"},\"flags\":{\"18446744073709551615\":true}}",
         "{\"numbers\":{\"1\":\"2\"},\"flags\":{\"18446744073709551615\":true}}"},
        {DECIMALS, "{\"money\":284732}", "{\"money\":\"284732\"}"},
        {NAMES, "{\"odd\":\"1\",\"_x\":\"2\"}",
         "{\"an \\\"odd\\\" name\xc3\xa9\":\"1\",\"X\":\"2\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        codec_fixture_round(fixture, fixture->plain, rows[i].type, rows[i].text, rows[i].want);
}

static void decimals_are_short_and_exact(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct {
        int64_t value;
        const char *want;
    } rows[] = {
        {284732, "2847.32"},
        {50000, "500"},
        {150, "1.5"},
        {-5, "-0.05"},
        {0, "0"},
        {1, "0.01"},
        {JSON_INTEGER_MAX, "90071992547409.91"},
        {-JSON_INTEGER_MAX, "-90071992547409.91"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Lotcast__Test__V1__Decimals message = LOTCAST__TEST__V1__DECIMALS__INIT;
        message.money = rows[i].value;
        char want[128];
        (void)snprintf(
            want, sizeof want,
            "{\"money\":%s,\"small\":0,\"fine\":0,\"many\":[],\"price\":null,\"plain\":0}",
            rows[i].want);
        assert_string_equal(codec_fixture_print(fixture, fixture->api, &message), want);
    }
    codec_fixture_round(
        fixture, fixture->api, DECIMALS,
        "{\"money\":0,\"small\":2147483.647,\"fine\":0.000000000000001,\"many\":[0.01,2],"
        "\"price\":19.99,\"plain\":1}",
        NULL);
}

static void strings_are_escaped(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct {
        const char *text;
        const char *want;
    } rows[] = {
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"12345678901234567890", "\"12345678901234567890\""},
        {"\"\\/", "\"\\\"\\\\/\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""},
        {"12345678\n12345678\"", "\"12345678\\n12345678\\\"\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e", "\"\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\""},
        {"</script>&", "\"</script>&\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Google__Protobuf__StringValue message = GOOGLE__PROTOBUF__STRING_VALUE__INIT;
        message.value = (char *)rows[i].text;
        assert_string_equal(codec_fixture_print(fixture, fixture->api, &message), rows[i].want);
        buffer_clear(&fixture->out);
        assert_true(json_append_string(&fixture->out, span_of_string(rows[i].text)));
        assert_string_equal(buffer_cstring(&fixture->out), rows[i].want);
    }
}

static void bad_utf8_is_an_error_or_replaced(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct {
        const char *text;
        const char *replaced;
    } rows[] = {
        {"a\xff"
         "b",
         "\"a\xef\xbf\xbd"
         "b\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xc3", "\"\xef\xbf\xbd\""},
        {"12345678\x80", "\"12345678\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Lotcast__Test__V1__Inner message = LOTCAST__TEST__V1__INNER__INIT;
        message.name = (char *)rows[i].text;
        buffer_clear(&fixture->out);
        assert_int_equal(json_print(fixture->api, &message.base, &fixture->out, &fixture->status),
                         RPC_INTERNAL);
        buffer_clear(&fixture->out);
        assert_true(json_append_string(&fixture->out, span_of_string(rows[i].text)));
        assert_string_equal(buffer_cstring(&fixture->out), rows[i].replaced);
    }
    buffer_clear(&fixture->out);
    assert_true(json_append_string(&fixture->out, span_of("a\0b", 3)));
    assert_string_equal(buffer_cstring(&fixture->out), "\"a\\u0000b\"");
}

static void integers_beyond_2_53_are_errors(void **state)
{
    struct codec_fixture *fixture = *state;
    Lotcast__Test__V1__Scalars message = LOTCAST__TEST__V1__SCALARS__INIT;
    static const int64_t values[] = {JSON_INTEGER_MAX + 1, -JSON_INTEGER_MAX - 1, INT64_MAX,
                                     INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        message.int64_value = values[i];
        buffer_clear(&fixture->out);
        assert_int_equal(json_print(fixture->api, &message.base, &fixture->out, &fixture->status),
                         RPC_INTERNAL);
        assert_non_null(strstr(fixture->status.message, "int64Value"));
        assert_int_equal(json_print(fixture->api, &message.base, &fixture->out, NULL),
                         RPC_INTERNAL);
        assert_non_null(codec_fixture_print(fixture, fixture->plain, &message));
    }
    message.int64_value = JSON_INTEGER_MAX;
    message.sint64_value = -JSON_INTEGER_MAX;
    const char *text = codec_fixture_print(fixture, fixture->api, &message);
    assert_non_null(strstr(text, "\"int64Value\":9007199254740991,"));
    assert_non_null(strstr(text, "\"sint64Value\":-9007199254740991,"));
    message.uint64_value = UINT64_MAX;
    assert_int_equal(json_print(fixture->api, &message.base, &fixture->out, &fixture->status),
                     RPC_INTERNAL);
    Lotcast__Test__V1__Decimals decimals = LOTCAST__TEST__V1__DECIMALS__INIT;
    decimals.money = JSON_INTEGER_MAX + 1;
    assert_int_equal(json_print(fixture->api, &decimals.base, &fixture->out, &fixture->status),
                     RPC_INTERNAL);
}

static void floats_read_back_the_same(void **state)
{
    struct codec_fixture *fixture = *state;
    static const double values[] = {0.1,
                                    1.0 / 3,
                                    1e21,
                                    1e-7,
                                    DBL_MAX,
                                    DBL_MIN,
                                    5e-324,
                                    123456789.125,
                                    -2.5,
                                    1e15,
                                    3.4028234663852886e38};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        Lotcast__Test__V1__Scalars message = LOTCAST__TEST__V1__SCALARS__INIT;
        message.double_value = values[i];
        message.float_value = fabs(values[i]) <= FLT_MAX ? (float)values[i] : 0;
        float narrow = message.float_value;
        const char *text = codec_fixture_print(fixture, fixture->plain, &message);
        char *copy = strdup(text);
        assert_non_null(copy);
        const Lotcast__Test__V1__Scalars *back =
            codec_fixture_parse(fixture, fixture->plain, SCALARS, copy);
        assert_non_null(back);
        assert_true(back->double_value == values[i]);
        assert_true(back->float_value == narrow);
        free(copy);
    }
}

static void the_api_has_no_nan(void **state)
{
    struct codec_fixture *fixture = *state;
    const double values[] = {NAN, INFINITY, -INFINITY};
    static const char *const wants[] = {"{\"doubleValue\":\"NaN\"}",
                                        "{\"doubleValue\":\"Infinity\"}",
                                        "{\"doubleValue\":\"-Infinity\"}"};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        Lotcast__Test__V1__Scalars message = LOTCAST__TEST__V1__SCALARS__INIT;
        message.double_value = values[i];
        buffer_clear(&fixture->out);
        assert_int_equal(json_print(fixture->api, &message.base, &fixture->out, &fixture->status),
                         RPC_INTERNAL);
        assert_string_equal(codec_fixture_print(fixture, fixture->plain, &message), wants[i]);
    }
}

static void secrets_are_hidden_or_redacted(void **state)
{
    struct codec_fixture *fixture = *state;
    Lotcast__Test__V1__Leaf leaf = LOTCAST__TEST__V1__LEAF__INIT;
    char *codes[] = {(char *)"code-1", (char *)"code-2"};
    Lotcast__Test__V1__Secrets message = LOTCAST__TEST__V1__SECRETS__INIT;
    message.shown = (char *)"seen";
    message.session_token = (char *)"token-x";
    message.password = (char *)"pass-x";
    message.n_codes = 2;
    message.codes = codes;
    message.leaf = &leaf;
    message.pin = 1234;
    assert_string_equal(
        codec_fixture_print(fixture, fixture->api, &message),
        "{\"shown\":\"seen\",\"password\":\"pass-x\",\"codes\":[\"code-1\",\"code-2\"],"
        "\"leaf\":{\"size\":0,\"green\":false},\"pin\":1234}");
    assert_string_equal(
        codec_fixture_print(fixture, fixture->log, &message),
        "{\"shown\":\"seen\",\"sessionToken\":\"[redacted]\",\"password\":\"[redacted]\","
        "\"codes\":\"[redacted]\",\"leaf\":\"[redacted]\",\"pin\":\"[redacted]\"}");
    Lotcast__Test__V1__Secrets empty = LOTCAST__TEST__V1__SECRETS__INIT;
    assert_string_equal(codec_fixture_print(fixture, fixture->log, &empty), "{}");
}

/* A message that was packed by a peer may be as deep as it likes. */
static void depth_is_bounded(void **state)
{
    struct codec_fixture *fixture = *state;
    static Lotcast__Test__V1__Deep chain[40];
    for (int deep = 30; deep <= 34; deep++) {
        for (int i = 0; i < deep; i++) {
            lotcast__test__v1__deep__init(&chain[i]);
            chain[i].next = i + 1 < deep ? &chain[i + 1] : NULL;
        }
        buffer_clear(&fixture->out);
        assert_int_equal(
            json_print(fixture->plain, &chain[0].base, &fixture->out, &fixture->status),
            deep <= JSON_DEPTH_MAX ? RPC_OK : RPC_INTERNAL);
    }
    /* Lists count like objects. */
    Lotcast__Test__V1__Deep *items[40];
    for (int deep = 15; deep <= 18; deep++) {
        for (int i = 0; i < deep; i++) {
            lotcast__test__v1__deep__init(&chain[i]);
            items[i] = i + 1 < deep ? &chain[i + 1] : NULL;
            chain[i].n_list = i + 1 < deep ? 1 : 0;
            chain[i].list = &items[i];
        }
        buffer_clear(&fixture->out);
        assert_int_equal(
            json_print(fixture->plain, &chain[0].base, &fixture->out, &fixture->status),
            2 * deep - 1 <= JSON_DEPTH_MAX ? RPC_OK : RPC_INTERNAL);
    }
}

static void a_full_buffer_is_an_answer(void **state)
{
    struct codec_fixture *fixture = *state;
    const void *message =
        codec_fixture_parse(fixture, fixture->api, LISTS,
                            "{\"int32Values\":[1,2],\"strings\":[\"a\\n\",\"b\"],\"inners\":[{}],"
                            "\"colors\":[1,77],\"blobs\":[\"AQID\"],\"doubles\":[1.5]}");
    assert_non_null(message);
    char *whole = strdup(codec_fixture_print(fixture, fixture->api, message));
    assert_non_null(whole);
    size_t len = strlen(whole);
    bool fitted = false;
    for (size_t max = 0; max < len + 100; max++) {
        struct buffer out;
        buffer_init(&out, max);
        enum rpc_code code = json_print(fixture->api, message, &out, &fixture->status);
        assert_true(code == RPC_OK || code == RPC_RESOURCE_EXHAUSTED);
        assert_false(fitted && code != RPC_OK);
        fitted = code == RPC_OK;
        if (fitted)
            assert_memory_equal(out.data, whole, len);
        buffer_fini(&out);
    }
    assert_true(fitted);
    free(whole);
    struct buffer small;
    buffer_init(&small, 4);
    assert_false(json_append_string(&small, span_of_string("abc")));
    buffer_fini(&small);
}

static void appends_to_what_is_there(void **state)
{
    struct codec_fixture *fixture = *state;
    Google__Protobuf__BoolValue message = GOOGLE__PROTOBUF__BOOL_VALUE__INIT;
    buffer_clear(&fixture->out);
    (void)buffer_append_string(&fixture->out, "x=");
    assert_int_equal(json_print(fixture->api, &message.base, &fixture->out, NULL), RPC_OK);
    assert_string_equal(buffer_cstring(&fixture->out), "x=false");
}

static const struct registry_field *
field_named(struct codec_fixture *fixture, const ProtobufCMessageDescriptor *type, const char *name)
{
    const struct registry_message *message = registry_message_of(fixture->registry, type);
    for (size_t i = 0; i < message->field_count; i++) {
        if (strcmp(message->fields[i].json_name, name) == 0)
            return &message->fields[i];
    }
    fail_msg("no field %s", name);
    return NULL;
}

static void prints_one_field(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct {
        const ProtobufCMessageDescriptor *type;
        const char *text;
        const char *field;
        const char *want;
    } rows[] = {
        {SCALARS, "{\"int64Value\":7}", "int64Value", "7"},
        {SCALARS, "{\"int64Value\":7}", "stringValue", "\"\""},
        {INNER, "{\"numbers\":[1,2]}", "numbers", "[1,2]"},
        {INNER, "{}", "numbers", "[]"},
        {INNER, "{}", "leaf", "null"},
        {WRAPPERS, "{\"int64Value\":0}", "int64Value", "0"},
        {WRAPPERS, "{}", "int64Value", "null"},
        {MAPS, "{\"strings\":{\"a\":\"b\"}}", "strings", "{\"a\":\"b\"}"},
        {MAPS, "{\"inners\":{\"true\":{}}}", "inners",
         "{\"true\":{\"name\":\"\",\"numbers\":[],\"leaf\":null}}"},
        {CHOICE, "{\"inner\":{\"name\":\"x\"}}", "inner",
         "{\"name\":\"x\",\"numbers\":[],\"leaf\":null}"},
        {CHOICE, "{\"number\":1}", "inner", "null"},
        {CHOICE, "{\"number\":1}", "text", "null"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct arena arena;
        struct buffer out;
        struct rpc_status status;
        arena_init(&arena, 1 << 20);
        buffer_init(&out, 1 << 20);
        ProtobufCMessage *message = arena_alloc(&arena, rows[i].type->sizeof_message);
        assert_non_null(message);
        protobuf_c_message_init(rows[i].type, message);
        assert_int_equal(
            json_parse(fixture->api, span_of_string(rows[i].text), &arena, message, &status),
            RPC_OK);
        (void)buffer_append_byte(&out, '<');
        assert_int_equal(json_print_field(fixture->api, message,
                                          field_named(fixture, rows[i].type, rows[i].field), &out,
                                          &status),
                         RPC_OK);
        (void)buffer_append_byte(&out, '\0');
        assert_string_equal((const char *)out.data + 1, rows[i].want);
        buffer_fini(&out);
        arena_fini(&arena);
    }
}

static void codecs_are_refused(void **state)
{
    (void)state;
    static const ProtobufCMessageDescriptor *const wrong[] = {
        &lotcast__test__v1__wrong__descriptor, &lotcast__test__v1__too_fine__descriptor};
    for (size_t i = 0; i < 2; i++) {
        struct registry_sources sources = codec_sources_get();
        struct rpc_status status;
        struct registry *registry = NULL;
        struct json_codec *codec = NULL;
        sources.messages = &wrong[i];
        sources.message_count = 1;
        assert_int_equal(registry_create(&sources, &registry, &status), RPC_OK);
        assert_int_equal(json_codec_create(registry, &json_options_api, &codec, &status),
                         RPC_FAILED_PRECONDITION);
        assert_non_null(strstr(status.message, wrong[i]->name));
        assert_null(codec);
        registry_destroy(registry);
    }
    json_codec_destroy(NULL);
}

static void a_message_of_another_registry_is_refused(void **state)
{
    struct codec_fixture *fixture = *state;
    Lotcast__V1__MethodRules rules = LOTCAST__V1__METHOD_RULES__INIT;
    assert_int_equal(json_print(fixture->api, &rules.base, &fixture->out, &fixture->status),
                     RPC_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_api_prints_every_field),
        cmocka_unit_test(a_oneof_shows_its_member_alone),
        cmocka_unit_test(the_plain_mapping_leaves_defaults_out),
        cmocka_unit_test(decimals_are_short_and_exact),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(bad_utf8_is_an_error_or_replaced),
        cmocka_unit_test(integers_beyond_2_53_are_errors),
        cmocka_unit_test(floats_read_back_the_same),
        cmocka_unit_test(the_api_has_no_nan),
        cmocka_unit_test(secrets_are_hidden_or_redacted),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_full_buffer_is_an_answer),
        cmocka_unit_test(appends_to_what_is_there),
        cmocka_unit_test(prints_one_field),
        cmocka_unit_test(codecs_are_refused),
        cmocka_unit_test(a_message_of_another_registry_is_refused),
    };
    return cmocka_run_group_tests_name("json_print", tests, codec_fixture_setup,
                                       codec_fixture_teardown);
}
