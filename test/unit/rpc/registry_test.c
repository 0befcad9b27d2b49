/*
 * Refusals are made by breaking the real descriptor set: it is unpacked, one thing in it is
 * changed, and the registry must name it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

#define OPTION_HTTP 72295728u
#define OPTION_METHOD 51001u
#define OPTION_TABLE 51002u
#define OPTION_FIELD 51003u

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
    assert_int_equal(method->rules->n_reasons, 5);
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
    assert_null(registry_table_find(registry, 17));
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

/* --- breaking it -------------------------------------------------------------------------------
 */

/* A descriptor set that can be changed, and the sources that go with it. */
struct broken {
    struct arena arena;
    Google__Protobuf__FileDescriptorSet *set;
    struct registry_sources sources;
};

static void begin(struct broken *broken)
{
    broken->sources = registry_sources_get();
    arena_init(&broken->arena, (size_t)64 * 1024 * 1024);
    broken->set = google__protobuf__file_descriptor_set__unpack(
        &broken->arena.protobuf, broken->sources.descriptor_set.len,
        broken->sources.descriptor_set.data);
    assert_non_null(broken->set);
}

/* Makes a registry of what is broken, and ends. */
static enum rpc_code finish(struct broken *broken, struct rpc_status *status)
{
    size_t len = google__protobuf__file_descriptor_set__get_packed_size(broken->set);
    uint8_t *packed = malloc(len);
    assert_non_null(packed);
    (void)google__protobuf__file_descriptor_set__pack(broken->set, packed);
    broken->sources.descriptor_set = span_of(packed, len);
    struct registry *registry = (struct registry *)(uintptr_t)0x10;
    rpc_status_clear(status);
    enum rpc_code code = registry_create(&broken->sources, &registry, status);
    if (code == RPC_OK)
        registry_destroy(registry);
    else
        assert_ptr_equal(registry, (struct registry *)(uintptr_t)0x10); /* untouched */
    free(packed);
    arena_fini(&broken->arena);
    return code;
}

static void refuse(struct broken *broken, const char *culprit)
{
    struct rpc_status status;
    assert_int_equal(finish(broken, &status), RPC_FAILED_PRECONDITION);
    if (strstr(status.message, culprit) == NULL)
        fail_msg("\"%s\" does not name %s", status.message, culprit);
}

static Google__Protobuf__DescriptorProto *message_of(struct broken *broken, const char *name)
{
    for (size_t i = 0; i < broken->set->n_file; i++) {
        for (size_t j = 0; j < broken->set->file[i]->n_message_type; j++) {
            if (strcmp(broken->set->file[i]->message_type[j]->name, name) == 0)
                return broken->set->file[i]->message_type[j];
        }
    }
    fail_msg("no message %s", name);
    return NULL;
}

static Google__Protobuf__FieldDescriptorProto *field_of(struct broken *broken, const char *message,
                                                        const char *name)
{
    Google__Protobuf__DescriptorProto *proto = message_of(broken, message);
    for (size_t i = 0; i < proto->n_field; i++) {
        if (strcmp(proto->field[i]->name, name) == 0)
            return proto->field[i];
    }
    fail_msg("no field %s", name);
    return NULL;
}

static Google__Protobuf__ServiceDescriptorProto *service_of(struct broken *broken, const char *name)
{
    for (size_t i = 0; i < broken->set->n_file; i++) {
        for (size_t j = 0; j < broken->set->file[i]->n_service; j++) {
            if (strcmp(broken->set->file[i]->service[j]->name, name) == 0)
                return broken->set->file[i]->service[j];
        }
    }
    fail_msg("no service %s", name);
    return NULL;
}

static Google__Protobuf__MethodDescriptorProto *method_of(struct broken *broken,
                                                          const char *service, const char *name)
{
    Google__Protobuf__ServiceDescriptorProto *proto = service_of(broken, service);
    for (size_t i = 0; i < proto->n_method; i++) {
        if (strcmp(proto->method[i]->name, name) == 0)
            return proto->method[i];
    }
    fail_msg("no method %s", name);
    return NULL;
}

/* Removes an option. */
static void drop_option(ProtobufCMessage *options, uint32_t tag)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        if (options->unknown_fields[i].tag != tag)
            options->unknown_fields[kept++] = options->unknown_fields[i];
    }
    options->n_unknown_fields = kept;
}

static void add_raw_option(struct broken *broken, ProtobufCMessage *options, uint32_t tag,
                           ProtobufCWireType wire_type, const void *data, size_t len)
{
    unsigned count = options->n_unknown_fields;
    ProtobufCMessageUnknownField *fields = arena_calloc(&broken->arena, count + 1, sizeof *fields);
    assert_non_null(fields);
    if (count > 0)
        memcpy(fields, options->unknown_fields, count * sizeof *fields);
    uint8_t *copy = arena_alloc(&broken->arena, len);
    assert_non_null(copy);
    memcpy(copy, data, len);
    fields[count] = (ProtobufCMessageUnknownField){tag, wire_type, len, copy};
    options->unknown_fields = fields;
    options->n_unknown_fields = count + 1;
}

/* Adds an option, behind what is there. */
static void add_option(struct broken *broken, ProtobufCMessage *options, uint32_t tag,
                       const ProtobufCMessage *value)
{
    uint8_t data[512];
    size_t len = protobuf_c_message_get_packed_size(value);
    assert_true(len < 0x80 && len + 1 <= sizeof data);
    data[0] = (uint8_t)len;
    (void)protobuf_c_message_pack(value, data + 1);
    add_raw_option(broken, options, tag, PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, data, len + 1);
}

static ProtobufCMessage *options_of(struct broken *broken, const char *service, const char *method)
{
    Google__Protobuf__MethodDescriptorProto *proto = method_of(broken, service, method);
    assert_non_null(proto->options);
    return &proto->options->base;
}

static void an_unchanged_set_is_accepted(void **state)
{
    (void)state;
    struct broken broken;
    struct rpc_status status;
    begin(&broken);
    assert_int_equal(finish(&broken, &status), RPC_OK);
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
    begin(&broken);
    field_of(&broken, "LogInRequest", "email")->number = 9;
    refuse(&broken, "lotcast.v1.LogInRequest.email");
    begin(&broken);
    field_of(&broken, "LogInRequest", "email")->name = (char *)"e_mail";
    refuse(&broken, "e_mail");
    begin(&broken);
    field_of(&broken, "LogInRequest", "email")->type =
        GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES;
    refuse(&broken, "lotcast.v1.LogInRequest.email");
    begin(&broken);
    field_of(&broken, "LogInRequest", "email")->label =
        GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
    refuse(&broken, "lotcast.v1.LogInRequest.email");
    begin(&broken);
    field_of(&broken, "LogInRequest", "email")->json_name = NULL;
    refuse(&broken, "lotcast.v1.LogInRequest.email");
    begin(&broken);
    field_of(&broken, "ReadOp", "get")->has_oneof_index = 0;
    refuse(&broken, "lotcast.v1.ReadOp.get");
    /* sint64 and int64 are the same to C, and not on the wire. */
    begin(&broken);
    field_of(&broken, "UserRecord", "user_id")->type =
        GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT64;
    refuse(&broken, "lotcast.v1.UserRecord.user_id");
}

static void refuses_types_that_differ(void **state)
{
    (void)state;
    struct broken broken;
    begin(&broken);
    field_of(&broken, "GetDashboardResponse", "credits")->type_name =
        (char *)".lotcast.v1.DashboardPerformance";
    refuse(&broken, "lotcast.v1.GetDashboardResponse.credits");
    begin(&broken);
    field_of(&broken, "UserRecord", "role")->type_name = (char *)".lotcast.v1.JobKind";
    refuse(&broken, "lotcast.v1.UserRecord.role");
    begin(&broken);
    message_of(&broken, "LogInRequest")->n_field--;
    refuse(&broken, "lotcast.v1.LogInRequest");
    begin(&broken);
    message_of(&broken, "DashboardCredits")->name = (char *)"Renamed";
    refuse(&broken, "lotcast.v1.DashboardCredits");
    begin(&broken);
    message_of(&broken, "SignUpRequest")->name = (char *)"LogInRequest";
    refuse(&broken, "lotcast.v1.LogInRequest");
    begin(&broken);
    message_of(&broken, "LogInRequest")->field[1] = message_of(&broken, "LogInRequest")->field[0];
    refuse(&broken, "lotcast.v1.LogInRequest.password");
}

static void refuses_enums_that_differ(void **state)
{
    (void)state;
    for (int what = 0; what < 3; what++) {
        struct broken broken;
        begin(&broken);
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
        refuse(&broken, "lotcast.v1.Role");
    }
}

static void refuses_services_that_differ(void **state)
{
    (void)state;
    struct broken broken;
    begin(&broken);
    service_of(&broken, "Auth")->name = (char *)"Auth2";
    refuse(&broken, "lotcast.v1.Auth");
    begin(&broken);
    service_of(&broken, "Auth")->n_method--;
    refuse(&broken, "lotcast.v1.Auth");
    begin(&broken);
    method_of(&broken, "Auth", "LogIn")->name = (char *)"LogOn";
    refuse(&broken, "LogIn");
    begin(&broken);
    method_of(&broken, "Auth", "LogIn")->output_type = (char *)".lotcast.v1.LogOutResponse";
    refuse(&broken, "lotcast.v1.Auth/LogIn");
    begin(&broken);
    method_of(&broken, "Auth", "LogIn")->input_type = (char *)"lotcast.v1.LogInRequest";
    refuse(&broken, "lotcast.v1.Auth/LogIn");
    begin(&broken);
    method_of(&broken, "Auth", "LogIn")->has_client_streaming = 1;
    method_of(&broken, "Auth", "LogIn")->client_streaming = 1;
    refuse(&broken, "lotcast.v1.Auth/LogIn");
}

static void refuses_sources_that_repeat_or_contradict(void **state)
{
    (void)state;
    struct broken broken;
    begin(&broken);
    const ProtobufCServiceDescriptor *const twice[] = {&lotcast__v1__auth__descriptor,
                                                       &lotcast__v1__auth__descriptor};
    broken.sources.services = twice;
    broken.sources.service_count = 2;
    refuse(&broken, "lotcast.v1.Auth/SignUp");

    begin(&broken);
    ProtobufCMessageDescriptor copy = lotcast__v1__user_record__descriptor;
    const ProtobufCMessageDescriptor *const two[] = {&lotcast__v1__user_record__descriptor, &copy};
    broken.sources.messages = two;
    broken.sources.message_count = 2;
    refuse(&broken, "lotcast.v1.UserRecord");
    /* The same one twice is no harm: methods share messages too. */
    begin(&broken);
    const ProtobufCMessageDescriptor *const same[] = {&lotcast__v1__user_record__descriptor,
                                                      &lotcast__v1__user_record__descriptor};
    struct rpc_status status;
    broken.sources.messages = same;
    broken.sources.message_count = 2;
    assert_int_equal(finish(&broken, &status), RPC_OK);
}

/* --- rules -------------------------------------------------------------------------------------
 */

static void refuses_methods_that_do_not_say_who_may_call(void **state)
{
    (void)state;
    struct broken broken;
    begin(&broken);
    drop_option(options_of(&broken, "Auth", "LogOut"), OPTION_METHOD);
    refuse(&broken, "lotcast.v1.Auth/LogOut");

    begin(&broken);
    method_of(&broken, "Auth", "LogOut")->options = NULL;
    refuse(&broken, "lotcast.v1.Auth/LogOut");

    begin(&broken);
    Lotcast__V1__MethodRules rules = LOTCAST__V1__METHOD_RULES__INIT;
    rules.access = (Lotcast__V1__Access)6;
    add_option(&broken, options_of(&broken, "Auth", "LogOut"), OPTION_METHOD, &rules.base);
    refuse(&broken, "lotcast.v1.Auth/LogOut");
}

static void refuses_routes_to_internal_methods(void **state)
{
    (void)state;
    struct broken broken;
    begin(&broken);
    Google__Api__HttpRule http = GOOGLE__API__HTTP_RULE__INIT;
    http.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_GET;
    http.get = (char *)"/api/store";
    add_option(&broken, options_of(&broken, "Store", "Read"), OPTION_HTTP, &http.base);
    refuse(&broken, "lotcast.v1.Store/Read");
}

static void refuses_redirects_and_sessions_without_a_field(void **state)
{
    (void)state;
    struct broken broken;
    Lotcast__V1__MethodRules rules = LOTCAST__V1__METHOD_RULES__INIT;
    const char *const wrong[] = {"nowhere", "success"}; /* none, and no text */
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        begin(&broken);
        rules.redirect_field = (char *)wrong[i];
        add_option(&broken, options_of(&broken, "Auth", "LogOut"), OPTION_METHOD, &rules.base);
        refuse(&broken, wrong[i]);
    }
    begin(&broken);
    Lotcast__V1__MethodRules sets = LOTCAST__V1__METHOD_RULES__INIT;
    sets.session = LOTCAST__V1__SESSION_EFFECT__SESSION_EFFECT_SETS;
    add_option(&broken, options_of(&broken, "Auth", "LogOut"), OPTION_METHOD, &sets.base);
    refuse(&broken, "lotcast.v1.LogOutResponse");
    begin(&broken);
    drop_option(&field_of(&broken, "LogInResponse", "session_token")->options->base, OPTION_FIELD);
    refuse(&broken, "lotcast.v1.LogInResponse");
}

static void refuses_options_that_are_malformed(void **state)
{
    (void)state;
    static const struct {
        ProtobufCWireType wire_type;
        const char *data;
        size_t len;
    } rows[] = {
        {PROTOBUF_C_WIRE_TYPE_VARINT, "\x01", 1},
        {PROTOBUF_C_WIRE_TYPE_32BIT, "\x01\x02\x03\x04", 4},
        {PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, "\x02\x08\xff", 3}, /* an unfinished number */
        {PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, "\x02\x1a\x7f", 3}, /* a text beyond the end */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct broken broken;
        begin(&broken);
        add_raw_option(&broken, options_of(&broken, "Auth", "LogOut"), OPTION_METHOD,
                       rows[i].wire_type, rows[i].data, rows[i].len);
        refuse(&broken, "lotcast.v1.MethodRules");
    }
}

static void merges_options_that_come_in_pieces(void **state)
{
    (void)state;
    struct broken broken;
    begin(&broken);
    /* The first piece alone would be refused: access comes with the second. */
    ProtobufCMessage *options = options_of(&broken, "Store", "Query");
    Lotcast__V1__MethodRules piece = LOTCAST__V1__METHOD_RULES__INIT;
    drop_option(options, OPTION_METHOD);
    piece.deadline_ms = 1234;
    add_option(&broken, options, OPTION_METHOD, &piece.base);
    piece.deadline_ms = 0;
    piece.access = LOTCAST__V1__ACCESS__ACCESS_INTERNAL;
    add_option(&broken, options, OPTION_METHOD, &piece.base);
    piece.access = LOTCAST__V1__ACCESS__ACCESS_UNSPECIFIED;
    add_option(&broken, options, OPTION_METHOD, &piece.base); /* an empty piece */

    size_t len = google__protobuf__file_descriptor_set__get_packed_size(broken.set);
    uint8_t *packed = malloc(len);
    assert_non_null(packed);
    (void)google__protobuf__file_descriptor_set__pack(broken.set, packed);
    broken.sources.descriptor_set = span_of(packed, len);
    struct registry *registry = NULL;
    assert_int_equal(registry_create(&broken.sources, &registry, NULL), RPC_OK);
    const struct registry_method *method =
        registry_method_find(registry, span_of_string("lotcast.v1.Store/Query"));
    assert_int_equal(method->rules->access, LOTCAST__V1__ACCESS__ACCESS_INTERNAL);
    assert_int_equal(method->deadline_ms, 1234);
    registry_destroy(registry);
    free(packed);
    arena_fini(&broken.arena);
}

/* Puts a table's rules in the place of SessionRecord's (id 3). */
static void replace_table(struct broken *broken, const Lotcast__V1__TableRules *table)
{
    ProtobufCMessage *options = &message_of(broken, "SessionRecord")->options->base;
    drop_option(options, OPTION_TABLE);
    add_option(broken, options, OPTION_TABLE, &table->base);
}

static void refuses_tables_with_wrong_keys(void **state)
{
    (void)state;
    static const struct {
        uint32_t id;
        const char *name;
        const char *key[2];
        size_t key_count;
        const char *culprit;
    } rows[] = {
        {0, "session", {"token_hash"}, 1, "lotcast.v1.SessionRecord"},
        {3, "", {"token_hash"}, 1, "lotcast.v1.SessionRecord"},
        {3, "session", {NULL}, 0, "lotcast.v1.SessionRecord"},
        {3, "session", {"token"}, 1, "token"},
        {3, "session", {"tokenHash"}, 1, "tokenHash"},
        {3, "session", {"user_id", "user_id"}, 2, "user_id"},
        {1, "session", {"token_hash"}, 1, "table id 1 "},
        {16, "session", {"token_hash"}, 1, "table id 16 "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct broken broken;
        begin(&broken);
        Lotcast__V1__TableRules table = LOTCAST__V1__TABLE_RULES__INIT;
        table.id = rows[i].id;
        table.name = (char *)rows[i].name;
        table.n_primary_key = rows[i].key_count;
        table.primary_key = (char **)(uintptr_t)rows[i].key;
        replace_table(&broken, &table);
        refuse(&broken, rows[i].culprit);
    }
}

static void refuses_keys_that_are_no_scalars(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        const char *key;
    } rows[] = {
        {"CampaignRecord", "targeting"},      /* a message */
        {"ThrottleRecord", "attempts_at_ms"}, /* repeated */
        {"JobRecord", "scan"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct broken broken;
        begin(&broken);
        Lotcast__V1__TableRules table = LOTCAST__V1__TABLE_RULES__INIT;
        table.id = 99;
        table.name = (char *)"other";
        table.n_primary_key = 1;
        table.primary_key = (char *[]){(char *)rows[i].key};
        ProtobufCMessage *options = &message_of(&broken, rows[i].record)->options->base;
        drop_option(options, OPTION_TABLE);
        add_option(&broken, options, OPTION_TABLE, &table.base);
        refuse(&broken, rows[i].key);
    }
}

static void refuses_wrong_indexes(void **state)
{
    (void)state;
    static const struct {
        uint32_t id;
        const char *field;
        const char *culprit;
    } rows[] = {
        {0, "user_id", "lotcast.v1.SessionRecord"},
        {1, "user_id", "index id 1 "}, /* by_user has it */
        {3, "nothing", "nothing"},
        {3, NULL, "lotcast.v1.SessionRecord"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct broken broken;
        begin(&broken);
        Lotcast__V1__IndexRules index = LOTCAST__V1__INDEX_RULES__INIT;
        index.id = rows[i].id;
        index.name = (char *)"by_what";
        index.n_fields = rows[i].field == NULL ? 0 : 1;
        index.fields = (char *[]){(char *)rows[i].field};
        Lotcast__V1__TableRules table = LOTCAST__V1__TABLE_RULES__INIT;
        table.n_indexes = 1;
        table.indexes = (Lotcast__V1__IndexRules *[]){&index};
        /* Merged behind what the record says already. */
        add_option(&broken, &message_of(&broken, "SessionRecord")->options->base, OPTION_TABLE,
                   &table.base);
        refuse(&broken, rows[i].culprit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_methods),
        cmocka_unit_test(finds_methods_by_index_and_by_name_alike),
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
        cmocka_unit_test(refuses_methods_that_do_not_say_who_may_call),
        cmocka_unit_test(refuses_routes_to_internal_methods),
        cmocka_unit_test(refuses_redirects_and_sessions_without_a_field),
        cmocka_unit_test(refuses_options_that_are_malformed),
        cmocka_unit_test(merges_options_that_come_in_pieces),
        cmocka_unit_test(refuses_tables_with_wrong_keys),
        cmocka_unit_test(refuses_keys_that_are_no_scalars),
        cmocka_unit_test(refuses_wrong_indexes),
    };
    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
