#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/status.h"

#define PREFIX "REASON_"

static void every_reason_of_the_enum_has_its_row(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *reasons = &lotcast__v1__reason__descriptor;
    assert_true(reasons->n_values > 40);
    for (unsigned i = 0; i < reasons->n_values; i++) {
        const ProtobufCEnumValue *value = &reasons->values[i];
        /* The table is looked up by number, so there may be no gap. */
        assert_int_equal(value->value, i);
        const struct rpc_reason *row = rpc_reason_get((Lotcast__V1__Reason)value->value);
        assert_int_equal(row->reason, value->value);
        if (value->value != LOTCAST__V1__REASON__REASON_UNSPECIFIED)
            assert_string_equal(row->name, value->name + strlen(PREFIX));
        assert_true(row->code > RPC_OK && row->code < RPC_CODE_COUNT);
        assert_true(row->http_status >= 400 && row->http_status < 600);
        assert_true(row->message[0] != '\0');
    }
}

static void a_reason_that_is_not_known_is_internal(void **state)
{
    (void)state;
    const int unknown[] = {-1, 41, 1000000};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        const struct rpc_reason *row = rpc_reason_get((Lotcast__V1__Reason)unknown[i]);
        assert_string_equal(row->name, "INTERNAL");
        assert_int_equal(row->http_status, 500);
    }
}

static void statuses_are_those_of_the_contract(void **state)
{
    (void)state;
    static const struct {
        Lotcast__V1__Reason reason;
        int http_status;
    } rows[] = {
        {LOTCAST__V1__REASON__REASON_INVALID_JSON, 400},
        {LOTCAST__V1__REASON__REASON_INVALID_SIGNATURE, 400},
        {LOTCAST__V1__REASON__REASON_BAD_REQUEST, 400},
        {LOTCAST__V1__REASON__REASON_AUTH_REQUIRED, 401},
        {LOTCAST__V1__REASON__REASON_INVALID_CREDENTIALS, 401},
        {LOTCAST__V1__REASON__REASON_CROSS_ORIGIN, 403},
        {LOTCAST__V1__REASON__REASON_NOT_FOUND, 404},
        {LOTCAST__V1__REASON__REASON_METHOD_NOT_ALLOWED, 405},
        {LOTCAST__V1__REASON__REASON_EMAIL_TAKEN, 409},
        {LOTCAST__V1__REASON__REASON_REMOVAL_HELD, 409},
        {LOTCAST__V1__REASON__REASON_PAYLOAD_TOO_LARGE, 413},
        {LOTCAST__V1__REASON__REASON_URI_TOO_LONG, 414},
        {LOTCAST__V1__REASON__REASON_UNSUPPORTED_MEDIA_TYPE, 415},
        {LOTCAST__V1__REASON__REASON_OUT_OF_CREDITS, 422},
        {LOTCAST__V1__REASON__REASON_RATE_LIMITED, 429},
        {LOTCAST__V1__REASON__REASON_HEADERS_TOO_LARGE, 431},
        {LOTCAST__V1__REASON__REASON_INTERNAL, 500},
        {LOTCAST__V1__REASON__REASON_UPSTREAM_ERROR, 502},
        {LOTCAST__V1__REASON__REASON_UNAVAILABLE, 503},
        {LOTCAST__V1__REASON__REASON_DEADLINE_EXCEEDED, 504},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(rpc_reason_get(rows[i].reason)->http_status, rows[i].http_status);
}

static void plain_codes_have_reasons_and_names(void **state)
{
    (void)state;
    assert_int_equal(rpc_reason_of_code(RPC_UNAVAILABLE), LOTCAST__V1__REASON__REASON_UNAVAILABLE);
    assert_int_equal(rpc_reason_of_code(RPC_NOT_FOUND), LOTCAST__V1__REASON__REASON_NOT_FOUND);
    assert_int_equal(rpc_reason_of_code(RPC_UNAUTHENTICATED),
                     LOTCAST__V1__REASON__REASON_AUTH_REQUIRED);
    for (int code = RPC_OK; code < RPC_CODE_COUNT; code++) {
        assert_int_not_equal(rpc_reason_of_code((enum rpc_code)code),
                             LOTCAST__V1__REASON__REASON_UNSPECIFIED);
        assert_true(rpc_code_name((enum rpc_code)code)[0] != '\0');
    }
    assert_string_equal(rpc_code_name(RPC_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(rpc_code_name(RPC_RESOURCE_EXHAUSTED), "RESOURCE_EXHAUSTED");
    assert_string_equal(rpc_code_name((enum rpc_code)99), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_of_the_enum_has_its_row),
        cmocka_unit_test(a_reason_that_is_not_known_is_internal),
        cmocka_unit_test(statuses_are_those_of_the_contract),
        cmocka_unit_test(plain_codes_have_reasons_and_names),
    };
    return cmocka_run_group_tests_name("reason", tests, NULL, NULL);
}
