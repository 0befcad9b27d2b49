/*
 * The product's own messages through the API's codec: the shapes of the contract.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/dashboard.pb-c.h"
#include "lotcast/v1/onboarding.pb-c.h"
#include "rpc/json.h"

struct contract {
    struct registry *registry;
    struct json_codec *codec;
    struct arena arena;
    struct buffer out;
};

static int setup(void **state)
{
    struct contract *contract = calloc(1, sizeof *contract);
    assert_non_null(contract);
    struct registry_sources sources = registry_sources_get();
    assert_int_equal(registry_create(&sources, &contract->registry, NULL), RPC_OK);
    assert_int_equal(
        json_codec_create(contract->registry, &json_options_api, &contract->codec, NULL), RPC_OK);
    arena_init(&contract->arena, ARENA_CALL_BYTES_MAX);
    buffer_init(&contract->out, (size_t)1024 * 1024);
    *state = contract;
    return 0;
}

static int teardown(void **state)
{
    struct contract *contract = *state;
    json_codec_destroy(contract->codec);
    registry_destroy(contract->registry);
    arena_fini(&contract->arena);
    buffer_fini(&contract->out);
    free(contract);
    return 0;
}

static const char *print(struct contract *contract, const void *message)
{
    buffer_clear(&contract->out);
    assert_int_equal(json_print(contract->codec, message, &contract->out, NULL), RPC_OK);
    return buffer_cstring(&contract->out);
}

static void the_dashboard_has_its_shape(void **state)
{
    struct contract *contract = *state;
    static const char text[] =
        "{\"status\":\"running\",\"itemCount\":247,\"lastSync\":\"2 hours ago\","
        "\"lastSyncAt\":\"2026-02-06T18:00:00Z\",\"performance\":{\"impressions\":45230,"
        "\"clicks\":1247,\"ctr\":2.76,\"reach\":12450},\"credits\":{\"remaining\":8240,"
        "\"daysEstimate\":14},\"suggestion\":{\"id\":\"1\",\"type\":\"template\",\"message\":"
        "\"New\","
        "\"link\":\"/app/templates\"},\"timeZone\":\"UTC\"}";
    Lotcast__V1__GetDashboardResponse dashboard = LOTCAST__V1__GET_DASHBOARD_RESPONSE__INIT;
    assert_int_equal(
        json_parse(contract->codec, span_of_string(text), &contract->arena, &dashboard.base, NULL),
        RPC_OK);
    assert_true(dashboard.performance->ctr == 276);
    assert_true(dashboard.credits->days_estimate->value == 14);
    assert_string_equal(print(contract, &dashboard), text);

    lotcast__v1__get_dashboard_response__init(&dashboard);
    assert_string_equal(print(contract, &dashboard),
                        "{\"status\":\"\",\"itemCount\":0,\"lastSync\":\"\",\"lastSyncAt\":null,"
                        "\"performance\":null,\"credits\":null,\"suggestion\":null,"
                        "\"timeZone\":\"\"}");
}

static void a_session_token_is_never_printed(void **state)
{
    struct contract *contract = *state;
    Lotcast__V1__LogInResponse answer = LOTCAST__V1__LOG_IN_RESPONSE__INIT;
    answer.success = 1;
    answer.redirect_to = (char *)"/app/dashboard";
    answer.session_token = (char *)"secret";
    assert_string_equal(print(contract, &answer),
                        "{\"success\":true,\"redirectTo\":\"/app/dashboard\"}");
}

static void a_launch_is_read_exactly(void **state)
{
    struct contract *contract = *state;
    Lotcast__V1__LaunchRequest launch = LOTCAST__V1__LAUNCH_REQUEST__INIT;
    assert_int_equal(
        json_parse(contract->codec,
                   span_of_string("{\"monthlyBudget\":2500.55,\"currency\":\"USD\",\"targeting\":"
                                  "{\"countries\":[\"US\",\"CA\"],\"ageMin\":18,\"ageMax\":65}}"),
                   &contract->arena, &launch.base, NULL),
        RPC_OK);
    assert_true(launch.monthly_budget == 250055);
    assert_int_equal(launch.targeting->n_countries, 2);
    static const struct {
        const char *text;
        Lotcast__V1__Reason reason;
        const char *field;
    } rows[] = {
        {"{\"monthlyBudget\":\"2500\"}", LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
         "monthlyBudget"},
        {"{\"targeting\":{\"countries\":[1]}}", LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
         "targeting.countries[0]"},
        {"{\"targeting\":{\"ageMin\":1.0}}", LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
         "targeting.ageMin"},
        {"{\"monthly_budget\":1}", LOTCAST__V1__REASON__REASON_UNKNOWN_FIELD, "monthly_budget"},
        {"{\"customerId\":\"1\"}", LOTCAST__V1__REASON__REASON_UNKNOWN_FIELD, "customerId"},
        {"{\"currency\":\"\\ud800\"}", LOTCAST__V1__REASON__REASON_INVALID_JSON, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpc_status status;
        lotcast__v1__launch_request__init(&launch);
        assert_int_equal(json_parse(contract->codec, span_of_string(rows[i].text), &contract->arena,
                                    &launch.base, &status),
                         RPC_INVALID_ARGUMENT);
        assert_int_equal(status.reason, rows[i].reason);
        assert_string_equal(status.field, rows[i].field);
    }
}

/* Every message that HTTP carries prints what it can be read from. */
static void every_message_comes_back_empty(void **state)
{
    struct contract *contract = *state;
    for (size_t i = 0; i < registry_method_count(contract->registry); i++) {
        const struct registry_method *method = registry_method_at(contract->registry, i);
        const struct registry_message *const both[] = {method->input, method->output};
        for (size_t j = 0; j < 2; j++) {
            const ProtobufCMessageDescriptor *type = both[j]->descriptor;
            ProtobufCMessage *message = arena_alloc(&contract->arena, type->sizeof_message);
            ProtobufCMessage *back = arena_alloc(&contract->arena, type->sizeof_message);
            assert_non_null(message);
            assert_non_null(back);
            protobuf_c_message_init(type, message);
            protobuf_c_message_init(type, back);
            char *first = strdup(print(contract, message));
            assert_non_null(first);
            assert_int_equal(
                json_parse(contract->codec, span_of_string(first), &contract->arena, back, NULL),
                RPC_OK);
            assert_string_equal(print(contract, back), first);
            free(first);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_dashboard_has_its_shape),
        cmocka_unit_test(a_session_token_is_never_printed),
        cmocka_unit_test(a_launch_is_read_exactly),
        cmocka_unit_test(every_message_comes_back_empty),
    };
    return cmocka_run_group_tests_name("json_contract", tests, setup, teardown);
}
