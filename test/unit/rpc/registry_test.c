/*
 * Refusals are made by breaking the real descriptor set: it is unpacked, one thing in it is
 * changed, and the registry must name it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "google/protobuf/wrappers.pb-c.h"
#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/dashboard.pb-c.h"
#include "lotcast/v1/records.pb-c.h"
#include "lotcast/v1/rpc.pb-c.h"
#include "lotcast/v1/store.pb-c.h"
#include "rpc/registry.h"
#include "test/unit/rpc/registry_fixture.h"

/* --- the real contract -------------------------------------------------------------------------
 */

static struct registry *make_real(void)
{
    struct registry_sources sources = registry_sources_get();
    struct registry *registry = NULL;
    struct rpc_status status;
    rpc_status_clear(&status);
    enum rpc_code code = registry_create(&sources, &registry, &status);
    if (code != RPC_OK)
        fail_msg("%s", status.message);
    return registry;
}

static void reads_methods(void **state)
{
    (void)state;
    struct registry *registry = make_real();
    const struct registry_method *method =
        registry_method_find(registry, span_of_string("lotcast.v1.Auth/LogIn"));
    assert_non_null(method);
    assert_string_equal(method->service_name, "lotcast.v1.Auth");
    assert_string_equal(method->method_name, "LogIn");
    assert_ptr_equal(method->service, &lotcast__v1__auth__descriptor);
    assert_string_equal(method->service->methods[method->method_index].name, "LogIn");
    assert_ptr_equal(method->input->descriptor, &lotcast__v1__log_in_request__descriptor);
    assert_ptr_equal(method->output->descriptor, &lotcast__v1__log_in_response__descriptor);
    assert_non_null(method->http);
    assert_int_equal(method->http->pattern_case, GOOGLE__API__HTTP_RULE__PATTERN_POST);
    assert_string_equal(method->http->post, "/api/auth/login");
    assert_string_equal(method->http->body, "*");
    assert_int_equal(method->rules->access, LOTCAST__V1__ACCESS__ACCESS_PUBLIC);
    assert_int_equal(method->rules->session, LOTCAST__V1__SESSION_EFFECT__SESSION_EFFECT_SETS);
    assert_int_equal(method->rules->n_reasons, 6);
    assert_false(method->read_only);
    assert_false(method->idempotent);
    assert_false(method->server_streaming);
    assert_int_equal(method->deadline_ms, REGISTRY_WRITE_DEADLINE_MS);

    method = registry_method_find(registry, span_of_string("lotcast.v1.Dashboard/GetDashboard"));
    assert_non_null(method);
    assert_true(method->read_only);
    assert_true(method->idempotent);
    assert_true(method->rules->cacheable);
    assert_int_equal(method->deadline_ms, REGISTRY_READ_DEADLINE_MS);

    method = registry_method_find(registry, span_of_string("lotcast.v1.Onboarding/Launch"));
    assert_int_equal(method->deadline_ms, 60000);
    method = registry_method_find(registry, span_of_string("lotcast.v1.Store/Read"));
    assert_null(method->http);
    registry_destroy(registry);
}

static void finds_methods_by_index_and_by_name_alike(void **state)
{
    (void)state;
    struct registry *registry = make_real();
    size_t count = registry_method_count(registry);
    assert_true(count >= 17);
    for (size_t i = 0; i < count; i++) {
        const struct registry_method *method = registry_method_at(registry, i);
        assert_int_equal(method->index, i);
        assert_ptr_equal(registry_method_find(registry, span_of_string(method->name)), method);
        assert_ptr_equal(registry_message_of(registry, method->input->descriptor), method->input);
    }
    assert_null(registry_method_at(registry, count));
    const char *const none[] = {"",
                                "/",
                                "lotcast.v1.Auth",
                                "lotcast.v1.Auth/",
                                "lotcast.v1.Auth/Login",
                                "lotcast.v1.Auth/LogIn2",
                                ".lotcast.v1.Auth/LogIn"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_null(registry_method_find(registry, span_of_string(none[i])));
    /* A name is its bytes, not up to a NUL. */
    assert_null(registry_method_find(registry, span_of("lotcast.v1.Auth/LogIn\0x", 23)));
    assert_non_null(registry_method_find(registry, span_of("lotcast.v1.Auth/LogInX", 21)));
    registry_destroy(registry);
}

static void methods_answer_what_they_declare_and_what_their_kind_does(void **state)
{
    (void)state;
    struct registry *registry = make_real();
#define MAY(method, reason, may)                          \
    {                                                     \
        method, LOTCAST__V1__REASON__REASON_##reason, may \
    }
    static const struct {
        const char *method;
        Lotcast__V1__Reason reason;
        bool may;
    } rows[] = {
        MAY("Auth/LogIn", INVALID_CREDENTIALS, true), /* declared */
        MAY("Auth/LogOut", INVALID_CREDENTIALS, false),
        MAY("Store/Read", INTERNAL, true),
        MAY("Auth/LogOut", UNAVAILABLE, true),
        MAY("Auth/LogOut", DEADLINE_EXCEEDED, true),
        MAY("Auth/LogOut", INVALID_ARGUMENT, true),
        MAY("Auth/LogOut", METHOD_NOT_ALLOWED, false), /* its path's */
        MAY("Auth/LogOut", BAD_REQUEST, true),
        MAY("Store/Read", BAD_REQUEST, false), /* no route */
        MAY("Store/Read", HEADERS_TOO_LARGE, false),
        MAY("Store/Read", URI_TOO_LONG, false),
        MAY("Dashboard/GetDashboard", PAYLOAD_TOO_LARGE, true),
        MAY("Dashboard/GetDashboard", CROSS_ORIGIN, false), /* a GET */
        MAY("Billing/Purchase", CROSS_ORIGIN, true),
        MAY("Billing/ReceiveStripeEvent", CROSS_ORIGIN, false), /* exempt */
        MAY("Store/Commit", CROSS_ORIGIN, false),
        MAY("Billing/Purchase", INVALID_JSON, true),
        MAY("Billing/Purchase", UNKNOWN_FIELD, true),
        MAY("Billing/Purchase", UNSUPPORTED_MEDIA_TYPE, true),
        MAY("Billing/ReceiveStripeEvent", UNKNOWN_FIELD, false), /* read by the method itself */
        MAY("Billing/ReceiveStripeEvent", UNSUPPORTED_MEDIA_TYPE, false),
        MAY("Dashboard/GetDashboard", UNKNOWN_FIELD, false),
        MAY("Store/Commit", UNKNOWN_FIELD, false),
        MAY("Auth/LogOut", AUTH_REQUIRED, false), /* public */
        MAY("Auth/LogOut", FORBIDDEN, false),
        MAY("Auth/GetSession", AUTH_REQUIRED, true),
        MAY("Auth/GetSession", FORBIDDEN, true),
        MAY("Auth/GetSession", NOT_FOUND, false),
        MAY("Admin/ListAudit", AUTH_REQUIRED, true),
        MAY("Admin/ListAudit", NOT_FOUND, false),
        MAY("Dashboard/GetDashboard", NOT_FOUND, true), /* of the customer named */
        MAY("Admin/CheckLedger", AUTH_REQUIRED, false),
        MAY("Admin/CheckLedger", FORBIDDEN, true),
        MAY("Auth/LogIn", WEAK_PASSWORD, false),
    };
#undef MAY
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[80];
        (void)snprintf(name, sizeof name, "lotcast.v1.%s", rows[i].method);
        const struct registry_method *method = registry_method_find(registry, span_of_string(name));
        assert_non_null(method);
        if (registry_method_may_answer(method, rows[i].reason) != rows[i].may)
            fail_msg("%s %s", name, rpc_reason_get(rows[i].reason)->name);
    }
    registry_destroy(registry);
}

static void reads_messages_and_fields(void **state)
{
    (void)state;
    struct registry *registry = make_real();
    const struct registry_message *message =
        registry_message_find(registry, "lotcast.v1.LogInResponse");
    assert_non_null(message);
    assert_ptr_equal(message,
                     registry_message_of(registry, &lotcast__v1__log_in_response__descriptor));
    assert_int_equal(message->field_count, 3);
    assert_null(message->table);
    assert_string_equal(message->fields[1].json_name, "redirectTo");
    assert_false(message->fields[1].rules->session_token);
    assert_true(message->fields[2].rules->session_token);
    assert_true(message->fields[2].rules->redacted);
    assert_int_equal(message->fields[2].oneof_index, -1);

    message = registry_message_find(registry, "lotcast.v1.CompleteMetaRequest");
    assert_string_equal(message->fields[3].json_name, "error_reason");
    message = registry_message_find(registry, "lotcast.v1.DashboardPerformance");
    assert_int_equal(message->fields[2].rules->decimal_places, 2);

    /* Reached through fields alone, and through a oneof. */
    message = registry_message_find(registry, "google.protobuf.Int64Value");
    assert_non_null(message);
    const struct registry_message *credits =
        registry_message_find(registry, "lotcast.v1.DashboardCredits");
    assert_ptr_equal(credits->fields[1].message, message);
    message = registry_message_find(registry, "lotcast.v1.ReadOp");
    assert_int_equal(message->fields[0].oneof_index, 0);
    assert_non_null(registry_message_find(registry, "lotcast.v1.GetOp"));
    assert_non_null(registry_message_find(registry, "lotcast.v1.PacketHeader"));

    assert_null(registry_message_find(registry, "lotcast.v1.Nothing"));
    assert_null(registry_message_find(registry, "lotcast.v1.Role"));       /* an enum */
    assert_null(registry_message_find(registry, "lotcast.v1.Auth"));       /* a service */
    assert_null(registry_message_find(registry, "lotcast.v1.IndexRules")); /* not reached */
    assert_null(registry_message_of(registry, &lotcast__v1__index_rules__descriptor));
    registry_destroy(registry);
}

static void reads_tables(void **state)
{
    (void)state;
    struct registry *registry = make_real();
    size_t count = registry_table_count(registry);
    assert_true(count >= 16);
    for (size_t i = 0; i < count; i++) {
        const struct registry_message *record = registry_table_at(registry, i);
        assert_ptr_equal(registry_table_find(registry, record->table->id), record);
        if (i > 0)
            assert_true(registry_table_at(registry, i - 1)->table->id < record->table->id);
    }
    assert_null(registry_table_at(registry, count));
    assert_null(registry_table_find(registry, 0));
    assert_null(registry_table_find(registry, 9999));
    assert_null(registry_table_find(registry, UINT32_MAX));

    const struct registry_message *user = registry_message_find(registry, "lotcast.v1.UserRecord");
    assert_ptr_equal(registry_table_find(registry, 1), user);
    assert_string_equal(user->table->name, "user");
    assert_int_equal(user->table->n_indexes, 1);
    assert_true(user->table->indexes[0]->unique);
    /* `option (…).redacted = true` is one piece of a message. */
    assert_true(user->fields[6].rules->redacted);
    assert_false(user->fields[5].rules->redacted);
    registry_destroy(registry);
}

static void has_a_fingerprint_and_the_set(void **state)
{
    (void)state;
    struct registry *registry = make_real();
    struct registry *again = make_real();
    assert_true(registry_fingerprint(registry) != 0);
    assert_true(registry_fingerprint(registry) == registry_fingerprint(again));
    assert_true(registry_descriptor_set(registry)->n_file > 5);
    registry_destroy(registry);
    registry_destroy(again);
    registry_destroy(NULL);
}

static void an_unchanged_set_is_accepted(void **state)
{
    (void)state;
    struct broken broken;
    struct rpc_status status;
    broken_begin(&broken);
    assert_int_equal(broken_finish(&broken, &status), RPC_OK);
}

static void refuses_bytes_that_are_no_set(void **state)
{
    (void)state;
    struct registry_sources sources = registry_sources_get();
    struct registry *registry = NULL;
    struct rpc_status status;
    sources.descriptor_set.len -= 1;
    assert_int_equal(registry_create(&sources, &registry, &status), RPC_FAILED_PRECONDITION);
    sources.descriptor_set = span_of_string("\xff\xff\xff");
    assert_int_equal(registry_create(&sources, &registry, &status), RPC_FAILED_PRECONDITION);
    /* An empty one is valid, but has nothing of what the C code has. */
    sources.descriptor_set = span_of_string("");
    assert_int_equal(registry_create(&sources, &registry, &status), RPC_FAILED_PRECONDITION);
    assert_null(registry);
    assert_int_equal(registry_create(&sources, &registry, NULL), RPC_FAILED_PRECONDITION);
}

static void refuses_fields_that_differ(void **state)
{
    (void)state;
    struct broken broken;
    broken_begin(&broken);
    broken_field(&broken, "LogInRequest", "email")->number = 9;
    broken_refuse(&broken, "lotcast.v1.LogInRequest.email");
    broken_begin(&broken);
    broken_field(&broken, "LogInRequest", "email")->name = (char *)"e_mail";
    broken_refuse(&broken, "e_mail");
    broken_begin(&broken);
    broken_field(&broken, "LogInRequest", "email")->type =
        GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES;
    broken_refuse(&broken, "lotcast.v1.LogInRequest.email");
    broken_begin(&broken);
    broken_field(&broken, "LogInRequest", "email")->label =
        GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
    broken_refuse(&broken, "lotcast.v1.LogInRequest.email");
    broken_begin(&broken);
    broken_field(&broken, "LogInRequest", "email")->json_name = NULL;
    broken_refuse(&broken, "lotcast.v1.LogInRequest.email");
    broken_begin(&broken);
    broken_field(&broken, "ReadOp", "get")->has_oneof_index = 0;
    broken_refuse(&broken, "lotcast.v1.ReadOp.get");
    /* sint64 and int64 are the same to C, and not on the wire. */
    broken_begin(&broken);
    broken_field(&broken, "UserRecord", "user_id")->type =
        GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT64;
    broken_refuse(&broken, "lotcast.v1.UserRecord.user_id");
}

static void refuses_types_that_differ(void **state)
{
    (void)state;
    struct broken broken;
    broken_begin(&broken);
    broken_field(&broken, "GetDashboardResponse", "credits")->type_name =
        (char *)".lotcast.v1.DashboardPerformance";
    broken_refuse(&broken, "lotcast.v1.GetDashboardResponse.credits");
    broken_begin(&broken);
    broken_field(&broken, "UserRecord", "role")->type_name = (char *)".lotcast.v1.JobKind";
    broken_refuse(&broken, "lotcast.v1.UserRecord.role");
    broken_begin(&broken);
    broken_message(&broken, "LogInRequest")->n_field--;
    broken_refuse(&broken, "lotcast.v1.LogInRequest");
    broken_begin(&broken);
    broken_message(&broken, "DashboardCredits")->name = (char *)"Renamed";
    broken_refuse(&broken, "lotcast.v1.DashboardCredits");
    broken_begin(&broken);
    broken_message(&broken, "SignUpRequest")->name = (char *)"LogInRequest";
    broken_refuse(&broken, "lotcast.v1.LogInRequest");
    broken_begin(&broken);
    broken_message(&broken, "LogInRequest")->field[1] =
        broken_message(&broken, "LogInRequest")->field[0];
    broken_refuse(&broken, "lotcast.v1.LogInRequest.password");
}

static void refuses_enums_that_differ(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        struct broken broken;
        broken_begin(&broken);
        Google__Protobuf__EnumDescriptorProto *role = NULL;
        for (size_t i = 0; i < broken.set->n_file; i++) {
            for (size_t j = 0; j < broken.set->file[i]->n_enum_type; j++) {
                if (strcmp(broken.set->file[i]->enum_type[j]->name, "Role") == 0)
                    role = broken.set->file[i]->enum_type[j];
            }
        }
        assert_non_null(role);
        if (what == 0)
            role->value[2]->number = 7;
        else if (what == 1)
            role->value[2]->name = (char *)"ROLE_OTHER";
        else
            role->n_value--;
        broken_refuse(&broken, "lotcast.v1.Role");
    }
}

static void refuses_services_that_differ(void **state)
{
    (void)state;
    struct broken broken;
    broken_begin(&broken);
    broken_service(&broken, "Auth")->name = (char *)"Auth2";
    broken_refuse(&broken, "lotcast.v1.Auth");
    broken_begin(&broken);
    broken_service(&broken, "Auth")->n_method--;
    broken_refuse(&broken, "lotcast.v1.Auth");
    broken_begin(&broken);
    broken_method(&broken, "Auth", "LogIn")->name = (char *)"LogOn";
    broken_refuse(&broken, "LogIn");
    broken_begin(&broken);
    broken_method(&broken, "Auth", "LogIn")->output_type = (char *)".lotcast.v1.LogOutResponse";
    broken_refuse(&broken, "lotcast.v1.Auth/LogIn");
    broken_begin(&broken);
    broken_method(&broken, "Auth", "LogIn")->input_type = (char *)"lotcast.v1.LogInRequest";
    broken_refuse(&broken, "lotcast.v1.Auth/LogIn");
    broken_begin(&broken);
    broken_method(&broken, "Auth", "LogIn")->has_client_streaming = 1;
    broken_method(&broken, "Auth", "LogIn")->client_streaming = 1;
    broken_refuse(&broken, "lotcast.v1.Auth/LogIn");
}

static void refuses_sources_that_repeat_or_contradict(void **state)
{
    (void)state;
    struct broken broken;
    broken_begin(&broken);
    const ProtobufCServiceDescriptor *const twice[] = {&lotcast__v1__auth__descriptor,
                                                       &lotcast__v1__auth__descriptor};
    broken.sources.services = twice;
    broken.sources.service_count = 2;
    broken_refuse(&broken, "lotcast.v1.Auth/SignUp");

    broken_begin(&broken);
    ProtobufCMessageDescriptor copy = lotcast__v1__user_record__descriptor;
    const ProtobufCMessageDescriptor *const two[] = {&lotcast__v1__user_record__descriptor, &copy};
    broken.sources.messages = two;
    broken.sources.message_count = 2;
    broken_refuse(&broken, "lotcast.v1.UserRecord");
    /* The same one twice is no harm: methods share messages too. */
    broken_begin(&broken);
    const ProtobufCMessageDescriptor *const same[] = {&lotcast__v1__user_record__descriptor,
                                                      &lotcast__v1__user_record__descriptor};
    struct rpc_status status;
    broken.sources.messages = same;
    broken.sources.message_count = 2;
    assert_int_equal(broken_finish(&broken, &status), RPC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_methods),
        cmocka_unit_test(finds_methods_by_index_and_by_name_alike),
        cmocka_unit_test(methods_answer_what_they_declare_and_what_their_kind_does),
        cmocka_unit_test(reads_messages_and_fields),
        cmocka_unit_test(reads_tables),
        cmocka_unit_test(has_a_fingerprint_and_the_set),
        cmocka_unit_test(an_unchanged_set_is_accepted),
        cmocka_unit_test(refuses_bytes_that_are_no_set),
        cmocka_unit_test(refuses_fields_that_differ),
        cmocka_unit_test(refuses_types_that_differ),
        cmocka_unit_test(refuses_enums_that_differ),
        cmocka_unit_test(refuses_services_that_differ),
        cmocka_unit_test(refuses_sources_that_repeat_or_contradict),
    };
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
