/*
 * What the registry refuses of rules: of methods, tables and indexes.
 */
#include "test/unit/rpc/registry_fixture.h"

#include <stdlib.h>
#include <string.h>

static void refuses_methods_that_do_not_say_who_may_call(void **state)
{
    (void)state;
    struct broken broken;
    broken_begin(&broken);
    broken_drop_option(broken_options(&broken, "Auth", "LogOut"), OPTION_METHOD);
    broken_refuse(&broken, "lotcast.v1.Auth/LogOut");

    broken_begin(&broken);
    broken_method(&broken, "Auth", "LogOut")->options = NULL;
    broken_refuse(&broken, "lotcast.v1.Auth/LogOut");

    broken_begin(&broken);
    Lotcast__V1__MethodRules rules = LOTCAST__V1__METHOD_RULES__INIT;
    rules.access = (Lotcast__V1__Access)6;
    broken_add_option(&broken, broken_options(&broken, "Auth", "LogOut"), OPTION_METHOD,
                      &rules.base);
    broken_refuse(&broken, "lotcast.v1.Auth/LogOut");
}

static void refuses_routes_to_internal_methods(void **state)
{
    (void)state;
    struct broken broken;
    broken_begin(&broken);
    Google__Api__HttpRule http = GOOGLE__API__HTTP_RULE__INIT;
    http.pattern_case = GOOGLE__API__HTTP_RULE__PATTERN_GET;
    http.get = (char *)"/api/store";
    broken_add_option(&broken, broken_options(&broken, "Store", "Read"), OPTION_HTTP, &http.base);
    broken_refuse(&broken, "lotcast.v1.Store/Read");
}

static void refuses_redirects_and_sessions_without_a_field(void **state)
{
    (void)state;
    struct broken broken;
    Lotcast__V1__MethodRules rules = LOTCAST__V1__METHOD_RULES__INIT;
    const char *const wrong[] = {"nowhere", "success"}; /* none, and no text */
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        broken_begin(&broken);
        rules.redirect_field = (char *)wrong[i];
        broken_add_option(&broken, broken_options(&broken, "Auth", "LogOut"), OPTION_METHOD,
                          &rules.base);
        broken_refuse(&broken, wrong[i]);
    }
    broken_begin(&broken);
    Lotcast__V1__MethodRules sets = LOTCAST__V1__METHOD_RULES__INIT;
    sets.session = LOTCAST__V1__SESSION_EFFECT__SESSION_EFFECT_SETS;
    broken_add_option(&broken, broken_options(&broken, "Auth", "LogOut"), OPTION_METHOD,
                      &sets.base);
    broken_refuse(&broken, "lotcast.v1.LogOutResponse");
    broken_begin(&broken);
    broken_drop_option(&broken_field(&broken, "LogInResponse", "session_token")->options->base,
                       OPTION_FIELD);
    broken_refuse(&broken, "lotcast.v1.LogInResponse");
}

static void refuses_answers_by_fields_that_do_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *accepted;
        const char *attachment;
        const char *culprit; /* NULL: it is accepted */
    } rows[] = {
        {"success", "", NULL},
        {"", "redirect_to", NULL},
        {"nowhere", "", "nowhere"},
        {"redirect_to", "", "accepted_field"},
        {"redirectTo", "", "redirectTo"},
        {"", "nowhere", "nowhere"},
        {"", "success", "attachment_field"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct broken broken;
        struct rpc_status status;
        broken_begin(&broken);
        Lotcast__V1__MethodRules rules = LOTCAST__V1__METHOD_RULES__INIT;
        rules.accepted_field = (char *)rows[i].accepted;
        rules.attachment_field = (char *)rows[i].attachment;
        broken_add_option(&broken, broken_options(&broken, "Auth", "LogOut"), OPTION_METHOD,
                          &rules.base);
        if (rows[i].culprit != NULL)
            broken_refuse(&broken, rows[i].culprit);
        else
            assert_int_equal(broken_finish(&broken, &status), RPC_OK);
    }
}

static void refuses_headers_that_cannot_be_passed_on(void **state)
{
    (void)state;
    static const struct {
        const char *names[5];
        bool refused;
    } rows[] = {
        {{"stripe-signature"}, false},
        {{"a", "b-2", "x-c"}, false},
        {{"a", "b", "c", "d"}, true}, /* more than a call's metadata is sure to hold */
        {{"a", "a"}, true},
        {{""}, true},
        {{"Stripe-Signature"}, true}, /* keys are in lower case */
        {{"a b"}, true},
        {{"a:"}, true},
        {{"a23456789a23456789a23456789a23456789a23456"}, true},
        {{"session"}, true}, /* of a meaning of ours: a caller could claim it */
        {{"customer-id"}, true},
        {{"client-address"}, true},
        {{"http-method"}, true},
        {{"cookie"}, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct broken broken;
        struct rpc_status status;
        broken_begin(&broken);
        Lotcast__V1__MethodRules rules = LOTCAST__V1__METHOD_RULES__INIT;
        rules.forward_headers = (char **)(uintptr_t)rows[i].names;
        while (rows[i].names[rules.n_forward_headers] != NULL)
            rules.n_forward_headers++;
        broken_add_option(&broken, broken_options(&broken, "Auth", "LogOut"), OPTION_METHOD,
                          &rules.base);
        if (rows[i].refused)
            broken_refuse(&broken, "lotcast.v1.Auth/LogOut");
        else
            assert_int_equal(broken_finish(&broken, &status), RPC_OK);
    }
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
        broken_begin(&broken);
        broken_add_raw_option(&broken, broken_options(&broken, "Auth", "LogOut"), OPTION_METHOD,
                              rows[i].wire_type, rows[i].data, rows[i].len);
        broken_refuse(&broken, "lotcast.v1.MethodRules");
    }
}

static void merges_options_that_come_in_pieces(void **state)
{
    (void)state;
    struct broken broken;
    broken_begin(&broken);
    /* The first piece alone would be refused: access comes with the second. */
    ProtobufCMessage *options = broken_options(&broken, "Store", "Query");
    Lotcast__V1__MethodRules piece = LOTCAST__V1__METHOD_RULES__INIT;
    broken_drop_option(options, OPTION_METHOD);
    piece.deadline_ms = 1234;
    broken_add_option(&broken, options, OPTION_METHOD, &piece.base);
    piece.deadline_ms = 0;
    piece.access = LOTCAST__V1__ACCESS__ACCESS_INTERNAL;
    broken_add_option(&broken, options, OPTION_METHOD, &piece.base);
    piece.access = LOTCAST__V1__ACCESS__ACCESS_UNSPECIFIED;
    broken_add_option(&broken, options, OPTION_METHOD, &piece.base); /* an empty piece */

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
    ProtobufCMessage *options = &broken_message(broken, "SessionRecord")->options->base;
    broken_drop_option(options, OPTION_TABLE);
    broken_add_option(broken, options, OPTION_TABLE, &table->base);
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
        broken_begin(&broken);
        Lotcast__V1__TableRules table = LOTCAST__V1__TABLE_RULES__INIT;
        table.id = rows[i].id;
        table.name = (char *)rows[i].name;
        table.n_primary_key = rows[i].key_count;
        table.primary_key = (char **)(uintptr_t)rows[i].key;
        replace_table(&broken, &table);
        broken_refuse(&broken, rows[i].culprit);
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
        broken_begin(&broken);
        Lotcast__V1__TableRules table = LOTCAST__V1__TABLE_RULES__INIT;
        table.id = 99;
        table.name = (char *)"other";
        table.n_primary_key = 1;
        table.primary_key = (char *[]){(char *)rows[i].key};
        ProtobufCMessage *options = &broken_message(&broken, rows[i].record)->options->base;
        broken_drop_option(options, OPTION_TABLE);
        broken_add_option(&broken, options, OPTION_TABLE, &table.base);
        broken_refuse(&broken, rows[i].key);
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
        broken_begin(&broken);
        Lotcast__V1__IndexRules index = LOTCAST__V1__INDEX_RULES__INIT;
        index.id = rows[i].id;
        index.name = (char *)"by_what";
        index.n_fields = rows[i].field == NULL ? 0 : 1;
        index.fields = (char *[]){(char *)rows[i].field};
        Lotcast__V1__TableRules table = LOTCAST__V1__TABLE_RULES__INIT;
        table.n_indexes = 1;
        table.indexes = (Lotcast__V1__IndexRules *[]){&index};
        /* Merged behind what the record says already. */
        broken_add_option(&broken, &broken_message(&broken, "SessionRecord")->options->base,
                          OPTION_TABLE, &table.base);
        broken_refuse(&broken, rows[i].culprit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_methods_that_do_not_say_who_may_call),
        cmocka_unit_test(refuses_routes_to_internal_methods),
        cmocka_unit_test(refuses_redirects_and_sessions_without_a_field),
        cmocka_unit_test(refuses_answers_by_fields_that_do_not_fit),
        cmocka_unit_test(refuses_headers_that_cannot_be_passed_on),
        cmocka_unit_test(refuses_options_that_are_malformed),
        cmocka_unit_test(merges_options_that_come_in_pieces),
        cmocka_unit_test(refuses_tables_with_wrong_keys),
        cmocka_unit_test(refuses_keys_that_are_no_scalars),
        cmocka_unit_test(refuses_wrong_indexes),
    };
    return cmocka_run_group_tests_name("registry rules", tests, NULL, NULL);
}
