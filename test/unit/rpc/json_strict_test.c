/*
 * The corpus of JSON texts, taken or refused at the exact place, by the check of a text and by the
 * parser: a google.protobuf.Value takes any JSON, so that nothing but JSON decides.
 */
#include "test/unit/rpc/codec_fixture.h"

#include <stdlib.h>

#include "google/protobuf/struct.pb-c.h"
#include "test/support/json_cases.h"

/* JSON, but of a number that no double holds. */
#define BEYOND_DOUBLE(json_case)                                 \
    (strcmp((json_case)->name, "i_number_beyond_double") == 0 || \
     strcmp((json_case)->name, "i_number_huge_exponent") == 0)

/* Exactly as large as the text, so that a read beyond it is seen. */
static uint8_t *exact_copy(const struct json_case *json_case)
{
    uint8_t *exact = malloc(json_case->len == 0 ? 1 : json_case->len);
    assert_non_null(exact);
    memcpy(exact, json_case->text, json_case->len);
    return exact;
}

static void the_check_of_a_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < json_case_count; i++) {
        const struct json_case *json_case = &json_cases[i];
        uint8_t *exact = exact_copy(json_case);
        size_t position = SIZE_MAX;
        bool taken = json_text_check(span_of(exact, json_case->len), &position);
        free(exact);
        if (taken != (json_case->position == JSON_CASE_TAKEN))
            fail_msg("%s is %s at %zu", json_case->name, taken ? "taken" : "refused", position);
        if ((long)position != json_case->position)
            fail_msg("%s is refused at %zu", json_case->name, position);
    }
}

static void parse_case(struct codec_fixture *fixture, const struct json_codec *codec,
                       const struct json_case *json_case)
{
    Google__Protobuf__Value value = GOOGLE__PROTOBUF__VALUE__INIT;
    uint8_t *exact = exact_copy(json_case);
    arena_reset(&fixture->arena);
    rpc_status_clear(&fixture->status);
    enum rpc_code code = json_parse(codec, span_of(exact, json_case->len), &fixture->arena,
                                    &value.base, &fixture->status);
    free(exact);
    bool taken = json_case->position == JSON_CASE_TAKEN && !BEYOND_DOUBLE(json_case);
    if ((code == RPC_OK) != taken)
        fail_msg("%s: %s at %d", json_case->name, rpc_code_name(code),
                 (int)fixture->status.position);
    if (fixture->status.position != json_case->position)
        fail_msg("%s is refused at %d", json_case->name, (int)fixture->status.position);
    Lotcast__V1__Reason want = LOTCAST__V1__REASON__REASON_UNSPECIFIED;
    if (json_case->position != JSON_CASE_TAKEN)
        want = LOTCAST__V1__REASON__REASON_INVALID_JSON;
    else if (!taken)
        want = LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT;
    assert_int_equal(fixture->status.reason, want);
    /* What was taken is printed and taken again, for the same. */
    if (code == RPC_OK) {
        const char *text = codec_fixture_print(fixture, codec, &value);
        char *first = strdup(text);
        void *again =
            codec_fixture_parse(fixture, codec, &google__protobuf__value__descriptor, first);
        assert_non_null(again);
        assert_string_equal(codec_fixture_print(fixture, codec, again), first);
        free(first);
    }
}

static void the_parser(void **state)
{
    struct codec_fixture *fixture = *state;
    for (size_t i = 0; i < json_case_count; i++) {
        parse_case(fixture, fixture->plain, &json_cases[i]);
        parse_case(fixture, fixture->api, &json_cases[i]);
    }
}

/* Where no field takes the value, or an unknown member hides it, what is not JSON is said first. */
static void wrong_values_come_second(void **state)
{
    struct codec_fixture *fixture = *state;
    static const char *const before[] = {
        "{\"int32Value\":\"x\",\"stringValue\":",
        "{\"nothing\":1,\"stringValue\":",
        "{\"stringValue\":",
        "{\"nothing\":",
    };
    for (size_t i = 0; i < json_case_count; i++) {
        for (size_t j = 0; j < sizeof before / sizeof before[0]; j++) {
            const struct json_case *json_case = &json_cases[i];
            Lotcast__Test__V1__Scalars scalars = LOTCAST__TEST__V1__SCALARS__INIT;
            struct buffer text;
            size_t position = 0;
            buffer_init(&text, 4096);
            (void)buffer_append_string(&text, before[j]);
            (void)buffer_append(&text, json_case->text, json_case->len);
            (void)buffer_append_byte(&text, '}');
            bool valid = json_text_check(buffer_span(&text), &position);
            arena_reset(&fixture->arena);
            rpc_status_clear(&fixture->status);
            enum rpc_code code =
                json_parse(j % 2 == 0 ? fixture->api : fixture->lenient, buffer_span(&text),
                           &fixture->arena, &scalars.base, &fixture->status);
            bool said = fixture->status.reason == LOTCAST__V1__REASON__REASON_INVALID_JSON;
            if (said == valid || (said && fixture->status.position != (int64_t)position))
                fail_msg("%s behind %s: %s at %d", json_case->name, before[j], rpc_code_name(code),
                         (int)fixture->status.position);
            buffer_fini(&text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_of_a_text),
        cmocka_unit_test(the_parser),
        cmocka_unit_test(wrong_values_come_second),
    };
    return cmocka_run_group_tests_name("json_strict", tests, codec_fixture_setup,
                                       codec_fixture_teardown);
}
