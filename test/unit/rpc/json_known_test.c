/*
 * The well-known types in JSON, and what a codec may be told to do otherwise. protobuf's
 * conformance suite (test/conformance) has the mapping's usual cases; these are its edges.
 */
#include "test/unit/rpc/codec_fixture.h"

#include <stdio.h>

#include "google/protobuf/any.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "rpc/unpack.h"

#define KNOWN &lotcast__test__v1__known__descriptor
#define TIMESTAMP &google__protobuf__timestamp__descriptor
#define DURATION &google__protobuf__duration__descriptor
#define FIELD_MASK &google__protobuf__field_mask__descriptor
#define VALUE &google__protobuf__value__descriptor
#define STRUCT &google__protobuf__struct__descriptor
#define LIST_VALUE &google__protobuf__list_value__descriptor
#define ANY &google__protobuf__any__descriptor
#define DECIMALS &lotcast__test__v1__decimals__descriptor
#define MAPS &lotcast__test__v1__maps__descriptor
#define LISTS &lotcast__test__v1__lists__descriptor
#define SCALARS &lotcast__test__v1__scalars__descriptor

#define INVALID LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT
#define UNKNOWN LOTCAST__V1__REASON__REASON_UNKNOWN_FIELD

struct round_row {
    const ProtobufCMessageDescriptor *type;
    const char *text;
    const char *want; /* NULL: the text */
};

struct refusal_row {
    const ProtobufCMessageDescriptor *type;
    const char *text;
    Lotcast__V1__Reason reason;
    const char *field;
};

static void round_rows(struct codec_fixture *fixture, const struct round_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        codec_fixture_round(fixture, fixture->plain, rows[i].type, rows[i].text, rows[i].want);
}

static void refuse_rows(struct codec_fixture *fixture, const struct refusal_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        codec_fixture_refuse(fixture, fixture->plain, rows[i].type, rows[i].text, rows[i].reason,
                             rows[i].field);
}

#define ROUND(rows) round_rows(fixture, rows, sizeof(rows) / sizeof((rows)[0]))
#define REFUSE(rows) refuse_rows(fixture, rows, sizeof(rows) / sizeof((rows)[0]))

static const struct round_row times_taken[] = {
    {TIMESTAMP, "\"1970-01-01T00:00:00Z\"", NULL},
    {TIMESTAMP, "\"2026-02-06T20:00:00Z\"", NULL},
    {TIMESTAMP, "\"2024-02-29T23:59:59.999Z\"", NULL},
    {TIMESTAMP, "\"2000-02-29T00:00:00Z\"", NULL},
    {TIMESTAMP, "\"2000-03-01T00:00:00Z\"", NULL},
    {TIMESTAMP, "\"1900-03-01T00:00:00Z\"", NULL},
    {TIMESTAMP, "\"1969-12-31T23:59:59.5Z\"", "\"1969-12-31T23:59:59.500Z\""},
    {TIMESTAMP, "\"0001-01-01T00:00:00Z\"", NULL},
    {TIMESTAMP, "\"9999-12-31T23:59:59.999999999Z\"", NULL},
    {TIMESTAMP, "\"2026-02-06T20:00:00.1234Z\"", "\"2026-02-06T20:00:00.123400Z\""},
    {TIMESTAMP, "\"2026-02-06T20:00:00.0Z\"", "\"2026-02-06T20:00:00Z\""},
    {TIMESTAMP, "\"2026-02-07T01:30:00+05:30\"", "\"2026-02-06T20:00:00Z\""},
    {TIMESTAMP, "\"2026-02-06T00:00:00-23:59\"", "\"2026-02-06T23:59:00Z\""},
    {TIMESTAMP, "\"1970-01-01T00:00:00-00:00\"", "\"1970-01-01T00:00:00Z\""},
    {TIMESTAMP, "\"\\u0031970-01-01T00:00:00Z\"", "\"1970-01-01T00:00:00Z\""},
    {DURATION, "\"0s\"", NULL},
    {DURATION, "\"-0s\"", "\"0s\""},
    {DURATION, "\"00001s\"", "\"1s\""},
    {DURATION, "\"1.5s\"", "\"1.500s\""},
    {DURATION, "\"-0.000000001s\"", NULL},
    {DURATION, "\"315576000000.999999999s\"", NULL},
    {FIELD_MASK, "\"\"", NULL},
    {FIELD_MASK, "\"a\"", NULL},
    {FIELD_MASK, "\"user.displayName,photo2\"", NULL},
    {KNOWN, "{\"time\":\"1970-01-01T00:00:00Z\",\"duration\":\"3s\",\"mask\":\"aB,c\"}", NULL},
    {KNOWN, "{\"times\":[\"1970-01-01T00:00:00Z\",\"1970-01-01T00:00:01Z\"]}", NULL},
    {KNOWN, "{\"durationById\":{\"-1\":\"1s\",\"2\":\"-2s\"}}", NULL},
    {KNOWN, "{\"time\":null,\"duration\":null,\"times\":null,\"durationById\":null}", "{}"},
};

static const struct refusal_row times_refused[] = {
    {TIMESTAMP, "\"\"", INVALID, ""},
    {TIMESTAMP, "0", INVALID, ""},
    {TIMESTAMP, "null", INVALID, ""},
    {TIMESTAMP, "{}", INVALID, ""},
    {TIMESTAMP, "{\"seconds\":1}", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06\"", INVALID, ""},
    {TIMESTAMP, "\"2026-2-06T20:00:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-13-06T20:00:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-00-06T20:00:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-00T20:00:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-29T20:00:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"1900-02-29T20:00:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-04-31T20:00:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T24:00:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T20:60:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T20:00:60Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T20:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T20:00:00.Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T20:00:00,5Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T20:00:00.1234567890Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T20:00:00ZZ\"", INVALID, ""},
    {TIMESTAMP, "\" 2026-02-06T20:00:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T20:00:00+24:00\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T20:00:00+01:60\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T20:00:00+0100\"", INVALID, ""},
    {TIMESTAMP, "\"2026-02-06T20:00:00+01\"", INVALID, ""},
    {TIMESTAMP, "\"0001-01-01T00:00:00+00:01\"", INVALID, ""},
    {TIMESTAMP, "\"9999-12-31T23:59:59-00:01\"", INVALID, ""},
    {TIMESTAMP, "\"-001-01-01T00:00:00Z\"", INVALID, ""},
    {TIMESTAMP, "\"+2026-02-06T20:00:00Z\"", INVALID, ""},
    {DURATION, "\"s\"", INVALID, ""},
    {DURATION, "\"-s\"", INVALID, ""},
    {DURATION, "\"1\"", INVALID, ""},
    {DURATION, "\"1S\"", INVALID, ""},
    {DURATION, "\"+1s\"", INVALID, ""},
    {DURATION, "\"1.s\"", INVALID, ""},
    {DURATION, "\".5s\"", INVALID, ""},
    {DURATION, "\"1 s\"", INVALID, ""},
    {DURATION, "\"1e3s\"", INVALID, ""},
    {DURATION, "\"1.0000000000s\"", INVALID, ""},
    {DURATION, "\"315576000001s\"", INVALID, ""},
    {DURATION, "\"99999999999999999999s\"", INVALID, ""},
    {DURATION, "1", INVALID, ""},
    {FIELD_MASK, "\"a_b\"", INVALID, ""},
    {FIELD_MASK, "\"a,\"", INVALID, ""},
    {FIELD_MASK, "\",a\"", INVALID, ""},
    {FIELD_MASK, "\"a,,b\"", INVALID, ""},
    {FIELD_MASK, "\"a b\"", INVALID, ""},
    {FIELD_MASK, "\"a-b\"", INVALID, ""},
    {FIELD_MASK, "[\"a\"]", INVALID, ""},
    {KNOWN, "{\"times\":[\"1970-01-01T00:00:00Z\",\"x\"]}", INVALID, "times[1]"},
    {KNOWN, "{\"times\":[null]}", INVALID, "times[0]"},
    {KNOWN, "{\"durationById\":{\"7\":\"x\"}}", INVALID, "durationById.7"},
    {KNOWN, "{\"durationById\":{\"7\":null}}", INVALID, "durationById.7"},
    {KNOWN, "{\"durationById\":{\"x\":\"1s\"}}", INVALID, "durationById.x"},
    {KNOWN, "{\"known\":{\"mask\":1}}", INVALID, "known.mask"},
};

static void times(void **state)
{
    struct codec_fixture *fixture = *state;
    ROUND(times_taken);
    REFUSE(times_refused);
}

static const struct round_row values_taken[] = {
    {VALUE, "null", NULL},
    {VALUE, "true", NULL},
    {VALUE, "-1.5", NULL},
    {VALUE, "\"x\"", NULL},
    {VALUE, "[]", NULL},
    {VALUE, "{}", NULL},
    {VALUE, "[null,[null],{\"a\":null}]", NULL},
    {VALUE, "{\"a\":{\"b\":{\"c\":[1,{\"d\":\"e\"}]}}}", NULL},
    {STRUCT, "{\"\":\"\",\"a\":[],\"b\":{}}", NULL},
    {LIST_VALUE, "[[[]],1,null]", NULL},
    {KNOWN, "{\"object\":{},\"value\":null,\"list\":[]}", NULL},
    {KNOWN, "{\"object\":null,\"list\":null,\"nothing\":null,\"values\":null}", "{}"},
    {KNOWN, "{\"values\":[null,1],\"lists\":[[],[1]],\"nothings\":[null,null]}", NULL},
    {KNOWN, "{\"nothings\":[\"NULL_VALUE\",0]}", "{\"nothings\":[null,null]}"},
    {KNOWN, "{\"valueByName\":{\"a\":null,\"b\":[{}]}}", NULL},
    {KNOWN, "{\"kindNothing\":null}", NULL},
    {KNOWN, "{\"kindNothing\":\"NULL_VALUE\"}", "{\"kindNothing\":null}"},
    {KNOWN, "{\"kindValue\":null}", NULL},
    {KNOWN, "{\"kindTime\":null,\"kindValue\":1}", "{\"kindValue\":1}"},
};

static const struct refusal_row values_refused[] = {
    {VALUE, "1e400", INVALID, ""},
    {VALUE, "[1,{\"a\":-1e999}]", INVALID, "[1].a"},
    {STRUCT, "[]", INVALID, ""},
    {STRUCT, "1", INVALID, ""},
    {STRUCT, "null", INVALID, ""},
    {LIST_VALUE, "{}", INVALID, ""},
    {LIST_VALUE, "\"\"", INVALID, ""},
    {KNOWN, "{\"object\":[]}", INVALID, "object"},
    {KNOWN, "{\"list\":{}}", INVALID, "list"},
    {KNOWN, "{\"values\":{}}", INVALID, "values"},
    {KNOWN, "{\"values\":1}", INVALID, "values"},
    {KNOWN, "{\"lists\":[null]}", INVALID, "lists[0]"},
    {KNOWN, "{\"lists\":[{}]}", INVALID, "lists[0]"},
    {KNOWN, "{\"nothing\":1.5}", INVALID, "nothing"},
    {KNOWN, "{\"nothings\":[false]}", INVALID, "nothings[0]"},
    {KNOWN, "{\"valueByName\":[]}", INVALID, "valueByName"},
    {KNOWN, "{\"kindValue\":null,\"kindTime\":\"1970-01-01T00:00:00Z\"}", INVALID, "kindTime"},
    {KNOWN, "{\"kindNothing\":null,\"kindValue\":1}", INVALID, "kindValue"},
};

static void values(void **state)
{
    struct codec_fixture *fixture = *state;
    ROUND(values_taken);
    REFUSE(values_refused);
}

#define TYPE(name) "\"@type\":\"type.googleapis.com/" name "\""

static const struct round_row anys_taken[] = {
    {ANY, "{}", NULL},
    {ANY, "{" TYPE("lotcast.test.v1.Leaf") "}", NULL},
    {ANY, "{" TYPE("lotcast.test.v1.Leaf") ",\"size\":\"3\",\"green\":true}", NULL},
    {ANY, "{\"size\":\"3\"," TYPE("lotcast.test.v1.Leaf") ",\"green\":true}",
     "{" TYPE("lotcast.test.v1.Leaf") ",\"size\":\"3\",\"green\":true}"},
    {ANY, "{\"size\":\"3\",\"\\u0040type\":\"x/lotcast.test.v1.Leaf\"}",
     "{\"@type\":\"x/lotcast.test.v1.Leaf\",\"size\":\"3\"}"},
    {ANY, "{" TYPE("google.protobuf.Duration") ",\"value\":\"1s\"}", NULL},
    {ANY, "{\"value\":\"1s\"," TYPE("google.protobuf.Duration") "}",
     "{" TYPE("google.protobuf.Duration") ",\"value\":\"1s\"}"},
    {ANY, "{" TYPE("google.protobuf.Int64Value") ",\"value\":\"5\"}", NULL},
    {ANY, "{" TYPE("google.protobuf.Value") ",\"value\":null}", NULL},
    {ANY, "{" TYPE("google.protobuf.Value") ",\"value\":[{\"a\":[1]}]}", NULL},
    {ANY, "{" TYPE("google.protobuf.Struct") ",\"value\":{\"@type\":1,\"value\":2}}", NULL},
    {ANY, "{" TYPE("google.protobuf.ListValue") ",\"value\":[]}", NULL},
    {ANY, "{" TYPE("google.protobuf.Any") ",\"value\":{}}", NULL},
    {ANY,
     "{" TYPE("google.protobuf.Any") ",\"value\":{" TYPE("google.protobuf.Any") ",\"value\":{" TYPE(
         "lotcast.test.v1.Leaf") ",\"size\":\"1\"}}"
                                 "}",
     NULL},
    {ANY,
     "{" TYPE("lotcast.test.v1.Known") ",\"any\":{" TYPE(
         "lotcast.test.v1.Known") ",\"time\":\"1970-01-01T00:00:00Z\"},\"value\":null}",
     "{" TYPE("lotcast.test.v1.Known") ",\"value\":null,\"any\":{" TYPE(
         "lotcast.test.v1.Known") ",\"time\":\"1970-01-01T00:00:00Z\"}}"},
    {KNOWN,
     "{\"any\":{},\"anys\":[{" TYPE("lotcast.test.v1.Deep") ",\"next\":{\"name\":\"x\"}},{}]}",
     NULL},
    {KNOWN, "{\"any\":null,\"anys\":null}", "{}"},
};

static const struct refusal_row anys_refused[] = {
    {ANY, "null", INVALID, ""},
    {ANY, "[]", INVALID, ""},
    {ANY, "\"\"", INVALID, ""},
    {ANY, "{\"size\":\"3\"}", INVALID, ""},
    {ANY, "{\"@type\":3}", INVALID, ""},
    {ANY, "{\"@type\":null,\"a\":1}", INVALID, ""},
    {ANY, "{\"@type\":\"\"}", INVALID, ""},
    {ANY, "{\"@type\":\"lotcast.test.v1.Leaf\"}", INVALID, ""},
    {ANY, "{\"@type\":\"type.googleapis.com/\"}", INVALID, ""},
    {ANY, "{\"@type\":\"type.googleapis.com/no.Such\"}", INVALID, ""},
    {ANY, "{\"@type\":\"type.googleapis.com/.lotcast.test.v1.Leaf\"}", INVALID, ""},
    {ANY, "{\"a\":{" TYPE("lotcast.test.v1.Leaf") "}}", INVALID, ""},
    {ANY, "{" TYPE("lotcast.test.v1.Leaf") ",\"tall\":1}", UNKNOWN, "tall"},
    {ANY, "{" TYPE("lotcast.test.v1.Leaf") ",\"size\":\"x\"}", INVALID, "size"},
    {ANY, "{" TYPE("google.protobuf.Duration") "}", INVALID, ""},
    {ANY, "{" TYPE("google.protobuf.Duration") ",\"seconds\":1}", UNKNOWN, "seconds"},
    {ANY, "{" TYPE("google.protobuf.Duration") ",\"value\":null}", INVALID, "value"},
    {ANY, "{" TYPE("google.protobuf.Duration") ",\"value\":{}}", INVALID, "value"},
    {ANY, "{" TYPE("google.protobuf.ListValue") ",\"value\":{}}", INVALID, "value"},
    {KNOWN, "{\"any\":{" TYPE("google.protobuf.BoolValue") ",\"value\":1}}", INVALID, "any.value"},
    {KNOWN, "{\"anys\":[{},{\"@type\":\"x\"}]}", INVALID, "anys[1]"},
};

static void anys(void **state)
{
    struct codec_fixture *fixture = *state;
    ROUND(anys_taken);
    REFUSE(anys_refused);
}

/* What JSON has nothing for. */
static void messages_without_json(void **state)
{
    struct codec_fixture *fixture = *state;
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Duration duration = GOOGLE__PROTOBUF__DURATION__INIT;
    Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
    Google__Protobuf__Value value = GOOGLE__PROTOBUF__VALUE__INIT;
    Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
    static const struct {
        int64_t seconds;
        int32_t nanos;
        bool is_time, is_duration;
    } rows[] = {
        {0, 0, true, true},
        {0, 999999999, true, true},
        {0, 1000000000, false, false},
        {0, -1, false, true},
        {-1, -1, false, true},
        {-1, 1, true, false},
        {1, -1, false, false},
        {-62135596800, 0, true, true},
        {-62135596801, 0, false, true},
        {253402300799, 0, true, true},
        {253402300800, 0, false, true},
        {315576000001, 0, false, false},
        {-315576000001, 0, false, false},
        {INT64_MIN, INT32_MIN, false, false},
        {INT64_MAX, INT32_MAX, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        time.seconds = duration.seconds = rows[i].seconds;
        time.nanos = duration.nanos = rows[i].nanos;
        assert_int_equal(json_print(fixture->plain, &time.base, &fixture->out, NULL),
                         rows[i].is_time ? RPC_OK : RPC_INTERNAL);
        assert_int_equal(json_print(fixture->plain, &duration.base, &fixture->out, NULL),
                         rows[i].is_duration ? RPC_OK : RPC_INTERNAL);
    }
    static const char *const paths[] = {"",      "A",   "fooBar", "foo_",  "foo__bar",
                                        "foo_3", "a,b", "a b",    "foo_B", "f\xc3\xb6"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char *path = (char *)(uintptr_t)paths[i];
        mask.n_paths = 1;
        mask.paths = &path;
        assert_int_equal(json_print(fixture->plain, &mask.base, &fixture->out, NULL), RPC_INTERNAL);
    }
    assert_int_equal(json_print(fixture->plain, &value.base, &fixture->out, NULL), RPC_INTERNAL);
    value.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    value.number_value = __builtin_inf();
    assert_int_equal(json_print(fixture->plain, &value.base, &fixture->out, NULL), RPC_INTERNAL);
    value.number_value = __builtin_nan("");
    assert_int_equal(json_print(fixture->plain, &value.base, &fixture->out, NULL), RPC_INTERNAL);
    static const char *const urls[] = {"", "x", "x/no.Such", "x/lotcast.test.v1.Leaf"};
    uint8_t broken[] = {0xff};
    any.value = (ProtobufCBinaryData){sizeof broken, broken};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        any.type_url = (char *)(uintptr_t)urls[i];
        assert_int_equal(json_print(fixture->plain, &any.base, &fixture->out, NULL), RPC_INTERNAL);
    }
}

/* Anys within Anys, as deep as JSON goes and one deeper, both ways. */
static void anys_have_a_depth(void **state)
{
    struct codec_fixture *fixture = *state;
    for (int deep = 30; deep <= 34; deep++) {
        struct buffer text;
        buffer_init(&text, 64 * 1024);
        for (int i = 1; i < deep; i++)
            (void)buffer_append_string(&text, "{" TYPE("google.protobuf.Any") ",\"value\":");
        (void)buffer_append_string(&text, "{}");
        for (int i = 1; i < deep; i++)
            (void)buffer_append_byte(&text, '}');
        if (deep <= JSON_DEPTH_MAX)
            codec_fixture_round(fixture, fixture->plain, ANY, buffer_cstring(&text), NULL);
        else
            codec_fixture_refuse(fixture, fixture->plain, ANY, buffer_cstring(&text),
                                 LOTCAST__V1__REASON__REASON_INVALID_JSON, "");
        buffer_fini(&text);
    }
    Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
    arena_reset(&fixture->arena);
    for (int deep = 1; deep <= JSON_DEPTH_MAX; deep++) {
        ProtobufCBinaryData packed = {protobuf_c_message_get_packed_size(&any.base), NULL};
        packed.data = arena_alloc(&fixture->arena, packed.len);
        assert_non_null(packed.data);
        (void)protobuf_c_message_pack(&any.base, packed.data);
        any.type_url = (char *)"x/google.protobuf.Any";
        any.value = packed;
        buffer_clear(&fixture->out);
        assert_int_equal(json_print(fixture->plain, &any.base, &fixture->out, NULL),
                         deep < JSON_DEPTH_MAX ? RPC_OK : RPC_INTERNAL);
    }
}

/* A key that was packed twice is printed once, with what came last, in the order of what came last.
 */
static void packed_maps_have_a_key_once(void **state)
{
    struct codec_fixture *fixture = *state;
    static const uint8_t packed[] = "\x0a\x06\x0a\x01\x61\x12\x01\x31" /* strings: a = 1 */
                                    "\x0a\x06\x0a\x01\x62\x12\x01\x32" /* b = 2 */
                                    "\x0a\x06\x0a\x01\x61\x12\x01\x33" /* a = 3 */
                                    "\x12\x04\x08\x05\x10\x01"         /* numbers: 5 = 1 */
                                    "\x12\x04\x08\x05\x10\x02"         /* 5 = 2 */
                                    "\x1a\x02\x10\x01\x1a\x00"         /* flags: 0 = true, false */
                                    "\x22\x00"                         /* inners: false = {} */
                                    "\x32\x03\x0a\x01\x61";            /* boxed: a = 0 */
    ProtobufCMessage *message = NULL;
    arena_reset(&fixture->arena);
    assert_int_equal(rpc_message_unpack(MAPS, span_of(packed, sizeof packed - 1), &fixture->arena,
                                        &message, NULL),
                     RPC_OK);
    assert_string_equal(
        codec_fixture_print(fixture, fixture->plain, message),
        "{\"strings\":{\"b\":\"2\",\"a\":\"3\"},\"numbers\":{\"5\":\"2\"},"
        "\"flags\":{\"0\":false},\"inners\":{\"false\":{}},\"boxed\":{\"a\":\"0\"}}");
}

static void what_is_unknown_may_be_skipped(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct round_row rows[] = {
        {SCALARS, "{\"no\":1,\"int32Value\":1,\"nor\":[{\"a\":[\"]}\"]}],\"this\":{}}",
         "{\"int32Value\":1}"},
        {SCALARS, "{\"no\" : null , \"int32Value\" : 1 }", "{\"int32Value\":1}"},
        {SCALARS, "{\"no\":-1.5e3}", "{}"},
        {SCALARS, "{\"color\":\"COLOR_OF_MONEY\"}", "{}"},
        {LISTS, "{\"colors\":[\"COLOR_RED\",\"X\",\"COLOR_COLD\",\"Y\"]}",
         "{\"colors\":[\"COLOR_RED\",\"COLOR_COLD\"]}"},
        {MAPS, "{\"colors\":{\"a\":\"X\",\"b\":\"COLOR_RED\",\"c\":\"Y\"}}",
         "{\"colors\":{\"b\":\"COLOR_RED\"}}"},
        {MAPS, "{\"inners\":{\"true\":{\"no\":1}}}", "{\"inners\":{\"true\":{}}}"},
        {ANY, "{\"x\":1," TYPE("lotcast.test.v1.Leaf") ",\"y\":{}}",
         "{" TYPE("lotcast.test.v1.Leaf") "}"},
        {ANY, "{\"x\":1," TYPE("google.protobuf.Duration") ",\"value\":\"1s\",\"y\":2}",
         "{" TYPE("google.protobuf.Duration") ",\"value\":\"1s\"}"},
    };
    static const struct refusal_row bad[] = {
        {SCALARS, "{\"color\":true}", INVALID, "color"},
        {SCALARS, "{\"color\":\"\"x}", LOTCAST__V1__REASON__REASON_INVALID_JSON, ""},
        {SCALARS, "{\"no\":1,\"no\":2}", LOTCAST__V1__REASON__REASON_INVALID_JSON, ""},
        {SCALARS, "{\"no\":{\"a\":1,\"a\":2}}", LOTCAST__V1__REASON__REASON_INVALID_JSON, ""},
        {SCALARS, "{\"no\":[1,]}", LOTCAST__V1__REASON__REASON_INVALID_JSON, ""},
        {SCALARS, "{\"int32Value\":\"x\"}", INVALID, "int32Value"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const void *message =
            codec_fixture_parse(fixture, fixture->lenient, rows[i].type, rows[i].text);
        if (message == NULL)
            fail_msg("%s: %s", rows[i].text, fixture->status.message);
        assert_string_equal(codec_fixture_print(fixture, fixture->lenient, message), rows[i].want);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        codec_fixture_refuse(fixture, fixture->lenient, bad[i].type, bad[i].text, bad[i].reason,
                             bad[i].field);
}

/* Each option alone. */
static void options_are_apart(void **state)
{
    struct codec_fixture *fixture = *state;
    static const struct {
        struct json_options options;
        const char *text;
        const char *want; /* NULL: refused */
    } rows[] = {
        {{.integers_as_numbers = true}, "{\"int64Value\":\"5\"}", "{\"int64Value\":5}"},
        {{.integers_as_numbers = true}, "{\"int64Value\":5.0e0}", "{\"int64Value\":5}"},
        {{.integers_as_numbers = true}, "{\"int64Value\":9007199254740992}", NULL},
        {{.integers_as_numbers = true}, "{\"doubleValue\":\"NaN\"}", "{\"doubleValue\":\"NaN\"}"},
        {{.strict_numbers = true}, "{\"int64Value\":5}", "{\"int64Value\":\"5\"}"},
        {{.strict_numbers = true}, "{\"int64Value\":\"5\"}", NULL},
        {{.strict_numbers = true}, "{\"int32Value\":5.0}", NULL},
        {{.strict_numbers = true}, "{\"doubleValue\":\"NaN\"}", NULL},
        {{.strict_numbers = true},
         "{\"int64Value\":9223372036854775807}",
         "{\"int64Value\":\"9223372036854775807\"}"},
        {{.strict_names = true}, "{\"int64_value\":5}", NULL},
        {{.strict_names = true}, "{\"int64Value\":\"5\"}", "{\"int64Value\":\"5\"}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_codec *codec = NULL;
        assert_int_equal(json_codec_create(fixture->registry, &rows[i].options, &codec, NULL),
                         RPC_OK);
        const void *message = codec_fixture_parse(fixture, codec, SCALARS, rows[i].text);
        if ((message != NULL) != (rows[i].want != NULL))
            fail_msg("%s", rows[i].text);
        if (message != NULL)
            assert_string_equal(codec_fixture_print(fixture, codec, message), rows[i].want);
        json_codec_destroy(codec);
    }
    static const struct {
        struct json_options options;
        const char *want;
    } prints[] = {
        {{.print_defaults = true}, "{\"name\":\"\",\"numbers\":[]}"},
        {{.print_nulls = true}, "{\"leaf\":null}"},
        {{.print_defaults = true, .print_nulls = true},
         "{\"name\":\"\",\"numbers\":[],\"leaf\":null}"},
    };
    for (size_t i = 0; i < sizeof prints / sizeof prints[0]; i++) {
        struct json_codec *codec = NULL;
        Lotcast__Test__V1__Inner inner = LOTCAST__TEST__V1__INNER__INIT;
        assert_int_equal(json_codec_create(fixture->registry, &prints[i].options, &codec, NULL),
                         RPC_OK);
        assert_string_equal(codec_fixture_print(fixture, codec, &inner), prints[i].want);
        json_codec_destroy(codec);
    }
}

/* Without the option an amount is the integer that it is in the message. */
static void decimals_are_an_option(void **state)
{
    struct codec_fixture *fixture = *state;
    struct json_codec *codec = NULL;
    struct json_options options = {.decimals = true};
    assert_int_equal(json_codec_create(fixture->registry, &options, &codec, NULL), RPC_OK);
    codec_fixture_round(fixture, codec, DECIMALS, "{\"money\":2847.32,\"price\":0.5}", NULL);
    codec_fixture_round(fixture, codec, DECIMALS, "{\"money\":\"12.50\"}", "{\"money\":12.5}");
    codec_fixture_refuse(fixture, codec, DECIMALS, "{\"money\":2847.325}", INVALID, "money");
    codec_fixture_round(fixture, fixture->plain, DECIMALS,
                        "{\"money\":\"284732\",\"many\":[\"1\"],\"price\":\"50\"}", NULL);
    codec_fixture_refuse(fixture, fixture->plain, DECIMALS, "{\"money\":2847.32}", INVALID,
                         "money");
    json_codec_destroy(codec);
}

/* Keys are exact, whatever a number's limits are, and there is one text for each. */
static void keys_of_maps(void **state)
{
    struct codec_fixture *fixture = *state;
    static const char text[] = "{\"flags\":{\"18446744073709551615\":true,\"0\":false}}";
    static const char *const bad[] = {"-1", "1.0", "1e0", "01",  "-0", "+1",
                                      " 1", "",    "x",   "0x1", "1 ", "18446744073709551616"};
    const void *message = codec_fixture_parse(fixture, fixture->api, MAPS, text);
    assert_non_null(message);
    assert_non_null(strstr(codec_fixture_print(fixture, fixture->api, message),
                           "\"flags\":{\"18446744073709551615\":true,\"0\":false}"));
    codec_fixture_round(fixture, fixture->plain, MAPS, text, NULL);
    codec_fixture_round(fixture, fixture->plain, MAPS,
                        "{\"numbers\":{\"-2147483648\":\"1\"},\"inners\":{\"false\":{}}}", NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char one[128], field[64];
        (void)snprintf(one, sizeof one, "{\"flags\":{\"%s\":true}}", bad[i]);
        (void)snprintf(field, sizeof field, "flags.%s", bad[i]);
        codec_fixture_refuse(fixture, fixture->plain, MAPS, one, INVALID, field);
        codec_fixture_refuse(fixture, fixture->api, MAPS, one, INVALID, field);
    }
    codec_fixture_refuse(fixture, fixture->plain, MAPS, "{\"inners\":{\"True\":{}}}", INVALID,
                         "inners.True");
    codec_fixture_refuse(fixture, fixture->plain, MAPS, "{\"inners\":{\"1\":{}}}", INVALID,
                         "inners.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(values),
        cmocka_unit_test(anys),
        cmocka_unit_test(messages_without_json),
        cmocka_unit_test(anys_have_a_depth),
        cmocka_unit_test(packed_maps_have_a_key_once),
        cmocka_unit_test(what_is_unknown_may_be_skipped),
        cmocka_unit_test(keys_of_maps),
        cmocka_unit_test(options_are_apart),
        cmocka_unit_test(decimals_are_an_option),
    };
    return cmocka_run_group_tests_name("json_known", tests, codec_fixture_setup,
                                       codec_fixture_teardown);
}
