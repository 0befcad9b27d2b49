/*
 * lotcast.v1.Reflection over a real socket: what is served, and the declarations of what is asked
 * for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lotcast/v1/reflection.pb-c.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

struct under_test {
    struct fixture fixture;
    char directory[64];
    char url[128];
    struct fixture_context context;
    struct rpc_channel *channel;
};

static int set_up(void **state)
{
    struct under_test *test = calloc(1, sizeof *test);
    fixture_init(&test->fixture);
    temp_directory(test->directory);
    (void)snprintf(test->url, sizeof test->url, "req+ipc://%s/s", test->directory);
    fixture_context_init(&test->context, 20000);
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = 1});
    fixture_listen(&test->fixture, test->url);
    test->channel = fixture_channel(&test->fixture, test->url);
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    rpc_channel_close(test->channel);
    fixture_stop(&test->fixture);
    fixture_context_fini(&test->context);
    free(test);
    return 0;
}

static enum rpc_code call(struct under_test *test, const char *method,
                          const ProtobufCMessage *message, const void **ret_response,
                          struct rpc_status *status)
{
    struct rpc_request request = {
        .method = fixture_method(method), .message = message, .context = &test->context.context};
    const ProtobufCMessage *response = NULL;
    enum rpc_code code = rpc_channel_call(test->channel, &request, &response, status);
    *ret_response = response;
    return code;
}

static enum rpc_code ask(struct under_test *test, const char *symbol, const char *file,
                         const Google__Protobuf__FileDescriptorSet **ret_set,
                         struct rpc_status *status)
{
    Lotcast__V1__GetDescriptorSetRequest request = LOTCAST__V1__GET_DESCRIPTOR_SET_REQUEST__INIT;
    const void *response;
    if (symbol != NULL) {
        request.wanted_case = LOTCAST__V1__GET_DESCRIPTOR_SET_REQUEST__WANTED_SYMBOL;
        request.symbol = (char *)(uintptr_t)symbol;
    } else if (file != NULL) {
        request.wanted_case = LOTCAST__V1__GET_DESCRIPTOR_SET_REQUEST__WANTED_FILE;
        request.file = (char *)(uintptr_t)file;
    }
    enum rpc_code code =
        call(test, "lotcast.v1.Reflection/GetDescriptorSet", &request.base, &response, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__GetDescriptorSetResponse *answer = response;
    *ret_set = google__protobuf__file_descriptor_set__unpack(
        &test->context.arena.protobuf, answer->descriptor_set.len, answer->descriptor_set.data);
    assert_non_null(*ret_set);
    return RPC_OK;
}

static void test_services(void **state)
{
    static const char *const want[] = {"lotcast.v1.Auth", "lotcast.v1.Health", "lotcast.v1.Metrics",
                                       "lotcast.v1.Reflection", "lotcast.v1.Store"};
    struct under_test *test = *state;
    Lotcast__V1__ListServicesRequest request = LOTCAST__V1__LIST_SERVICES_REQUEST__INIT;
    const void *response;
    assert_int_equal(
        call(test, "lotcast.v1.Reflection/ListServices", &request.base, &response, NULL), RPC_OK);
    const Lotcast__V1__ListServicesResponse *answer = response;
    assert_int_equal(answer->n_services, sizeof want / sizeof want[0]);
    for (size_t i = 0; i < answer->n_services; i++)
        assert_string_equal(answer->services[i]->name, want[i]);
    assert_int_equal(answer->services[0]->n_methods, 5);
    assert_string_equal(answer->services[0]->methods[0], "SignUp");
    assert_string_equal(answer->services[0]->methods[1], "LogIn");
}

/* A file stands behind all that it imports, once; the last one is the one asked for. */
static void check_closed(const Google__Protobuf__FileDescriptorSet *set, const char *last)
{
    for (size_t i = 0; i < set->n_file; i++) {
        for (size_t j = 0; j < set->file[i]->n_dependency; j++) {
            size_t found = 0;
            for (size_t k = 0; k < i; k++)
                found += strcmp(set->file[k]->name, set->file[i]->dependency[j]) == 0;
            assert_int_equal(found, 1);
        }
    }
    assert_true(set->n_file > 0);
    assert_string_equal(set->file[set->n_file - 1]->name, last);
}

static void test_found(void **state)
{
    static const struct {
        const char *symbol;
        const char *file;
        const char *last;
    } rows[] = {
        {"lotcast.v1.Auth", NULL, "lotcast/v1/auth.proto"},
        {"lotcast.v1.Auth/LogIn", NULL, "lotcast/v1/auth.proto"},
        {"lotcast.v1.Auth.LogIn", NULL, "lotcast/v1/auth.proto"},
        {"lotcast.v1.LogInRequest", NULL, "lotcast/v1/auth.proto"},
        {"lotcast.v1.Reason", NULL, "lotcast/v1/status.proto"},
        /* Not served here, but declared. */
        {"lotcast.v1.Billing", NULL, "lotcast/v1/billing.proto"},
        {"google.protobuf.FieldDescriptorProto.Type", NULL, "google/protobuf/descriptor.proto"},
        {"google.protobuf.DescriptorProto.ExtensionRange", NULL,
         "google/protobuf/descriptor.proto"},
        {NULL, "lotcast/v1/store.proto", "lotcast/v1/store.proto"},
        {NULL, "google/protobuf/wrappers.proto", "google/protobuf/wrappers.proto"},
    };
    struct under_test *test = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const Google__Protobuf__FileDescriptorSet *set = NULL;
        struct rpc_status status;
        if (ask(test, rows[i].symbol, rows[i].file, &set, &status) != RPC_OK)
            fail_msg("row %zu: %s", i, status.message);
        check_closed(set, rows[i].last);
        assert_true(set->n_file < registry_descriptor_set(fixture_registry())->n_file);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *symbol;
        const char *file;
        const char *field;
    } rows[] = {
        {"", NULL, "symbol"},
        {"lotcast", NULL, "symbol"},
        {"lotcast.v1", NULL, "symbol"},
        {"lotcast.v1.", NULL, "symbol"},
        {"lotcast.v1.Aut", NULL, "symbol"},
        {"lotcast.v1.Authx", NULL, "symbol"},
        {"lotcast.v1.Auth/", NULL, "symbol"},
        {"lotcast.v1.Auth/Log", NULL, "symbol"},
        {"lotcast.v1.Auth.LogIn.x", NULL, "symbol"},
        {".lotcast.v1.Auth", NULL, "symbol"},
        {"lotcast.v1.LogInRequest.email", NULL, "symbol"},
        {"lotcast.v1.Reason.REASON_NOT_FOUND", NULL, "symbol"},
        {"google.protobuf.FieldDescriptorProto.Typ", NULL, "symbol"},
        {NULL, "", "file"},
        {NULL, "auth.proto", "file"},
        {NULL, "/etc/passwd", "file"},
        {NULL, "lotcast/v1/../v1/auth.proto", "file"},
    };
    struct under_test *test = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const Google__Protobuf__FileDescriptorSet *set = NULL;
        struct rpc_status status;
        enum rpc_code code = ask(test, rows[i].symbol, rows[i].file, &set, &status);
        if (code != RPC_NOT_FOUND || strcmp(status.field, rows[i].field) != 0)
            fail_msg("row %zu: %s %s", i, rpc_code_name(code), status.field);
    }
}

/* Byte for byte what protoc wrote: options, extensions and comments included. */
static void test_everything(void **state)
{
    struct under_test *test = *state;
    Lotcast__V1__GetDescriptorSetRequest request = LOTCAST__V1__GET_DESCRIPTOR_SET_REQUEST__INIT;
    const void *response;
    assert_int_equal(
        call(test, "lotcast.v1.Reflection/GetDescriptorSet", &request.base, &response, NULL),
        RPC_OK);
    const Lotcast__V1__GetDescriptorSetResponse *answer = response;
    assert_true(span_equal(span_of(answer->descriptor_set.data, answer->descriptor_set.len),
                           registry_packed_set(fixture_registry())));
    /* An answer to a symbol is enough to make a registry of. */
    const Google__Protobuf__FileDescriptorSet *set = NULL;
    assert_int_equal(ask(test, "lotcast.v1.Health", NULL, &set, NULL), RPC_OK);
    const Google__Protobuf__FileDescriptorProto *file = set->file[set->n_file - 1];
    assert_int_equal(file->n_service, 1);
    assert_non_null(file->source_code_info);
    assert_true(file->service[0]->method[0]->options->base.n_unknown_fields > 0);
}

/* Asked of a server that drains too: whoever debugs it may look. */
static void test_draining(void **state)
{
    struct under_test *test = *state;
    const Google__Protobuf__FileDescriptorSet *set = NULL;
    rpc_server_drain(test->fixture.server, 1000);
    assert_int_equal(ask(test, "lotcast.v1.Health/Check", NULL, &set, NULL), RPC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_services, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_draining, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
