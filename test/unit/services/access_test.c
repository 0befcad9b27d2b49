#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/dashboard.pb-c.h"
#include "lotcast/v1/onboarding.pb-c.h"
#include "rpc/base/clock.h"
#include "test/unit/services/fixture.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static struct fixture fixture;
static const char *customer_session;
static const char *other_session;
static const char *admin_session;
static char customer_id[24];

/* Who calls. */
enum caller { NOBODY, CUSTOMER, ADMIN };

static const char *session_of(enum caller caller)
{
    return caller == CUSTOMER ? customer_session : caller == ADMIN ? admin_session : NULL;
}

struct header {
    const char *key, *value;
};

static struct rpc_metadata metadata_of(enum caller caller, const struct header *headers,
                                       size_t count)
{
    struct rpc_metadata metadata = fixture_browser(session_of(caller), NULL);
    for (size_t i = 0; i < count && headers[i].key != NULL; i++)
        assert_true(rpc_metadata_add(&metadata, headers[i].key, headers[i].value));
    return metadata;
}

static const char *say(enum rpc_code code, const struct rpc_status *status)
{
    return code == RPC_OK ? "OK" : rpc_reason_get(status->reason)->name;
}

/* An empty request of the method. */
static const char *call_empty(const char *method, const struct rpc_metadata *metadata)
{
    struct rpc_status status;
    union {
        ProtobufCMessage base;
        uint8_t bytes[512];
    } request;
    const struct registry_method *found =
        registry_method_find(fixture.registry, span_of_string(method));
    assert_non_null(found);
    protobuf_c_message_init(found->input->descriptor, &request);
    enum rpc_code code =
        fixture_call(&fixture, &fixture.arena, method, &request, metadata, NULL, &status);
    return say(code, &status);
}

static const char *check(const char *method, const struct rpc_metadata *metadata)
{
    struct rpc_status status;
    Lotcast__V1__CheckAccessRequest request = LOTCAST__V1__CHECK_ACCESS_REQUEST__INIT;
    request.method = (char *)method;
    enum rpc_code code =
        fixture_call(&fixture, &fixture.arena, "lotcast.v1.AccessControl/CheckAccess", &request,
                     metadata, NULL, &status);
    return say(code, &status);
}

#define DASHBOARD "lotcast.v1.Dashboard/GetDashboard"
#define SESSION "lotcast.v1.Auth/GetSession"
#define PASSWORD "lotcast.v1.Auth/ChangePassword"
#define CONNECT "lotcast.v1.MetaAuth/ConnectMeta"
#define ACCOUNTS "lotcast.v1.MetaAuth/GetMetaAccounts"
#define SELECT "lotcast.v1.MetaAuth/SelectMetaAccounts"
#define WEBSITE "lotcast.v1.Onboarding/ConnectWebsite"
#define LOG_IN "lotcast.v1.Auth/LogIn"
#define LOG_OUT "lotcast.v1.Auth/LogOut"
#define STORE "lotcast.v1.Store/Commit"
#define HEALTH "lotcast.v1.Health/Check"

/* The rule alone, asked by CheckAccess. Their id is the test's customer: "@". */
static const struct {
    const char *method;
    enum caller caller;
    struct header headers[3];
    const char *want;
} rule_rows[] = {
    {DASHBOARD, NOBODY, {{0}}, "AUTH_REQUIRED"},
    {DASHBOARD, CUSTOMER, {{0}}, "OK"},
    {DASHBOARD, CUSTOMER, {{"http-method", "GET"}}, "OK"},
    {DASHBOARD, ADMIN, {{0}}, "FORBIDDEN"},
    {DASHBOARD, ADMIN, {{"customer-id", "@"}}, "OK"},
    {DASHBOARD, ADMIN, {{"customer-id", "@"}, {"http-method", "GET"}}, "OK"},
    {DASHBOARD, ADMIN, {{"customer-id", "@"}, {"http-method", "HEAD"}}, "OK"},
    {DASHBOARD, ADMIN, {{"customer-id", "@"}, {"http-method", "POST"}}, "FORBIDDEN"},
    {DASHBOARD, ADMIN, {{"customer-id", "@"}, {"customer-id", "@"}}, "INVALID_ARGUMENT"},
    {DASHBOARD, ADMIN, {{"customer-id", "@"}, {"customer-id", "2"}}, "INVALID_ARGUMENT"},
    {DASHBOARD, ADMIN, {{"customer-id", "1, 1"}}, "INVALID_ARGUMENT"},
    {DASHBOARD, ADMIN, {{"customer-id", "999"}}, "NOT_FOUND"},
    {DASHBOARD, ADMIN, {{"customer-id", ""}}, "NOT_FOUND"},
    {DASHBOARD, ADMIN, {{"customer-id", "0"}}, "NOT_FOUND"},
    {DASHBOARD, ADMIN, {{"customer-id", "-1"}}, "NOT_FOUND"},
    {DASHBOARD, ADMIN, {{"customer-id", "01"}}, "NOT_FOUND"},
    {DASHBOARD, ADMIN, {{"customer-id", "1x"}}, "NOT_FOUND"},
    {DASHBOARD, ADMIN, {{"customer-id", "99999999999999999999999"}}, "NOT_FOUND"},
    {DASHBOARD, CUSTOMER, {{"customer-id", "@"}}, "FORBIDDEN"},
    {DASHBOARD, CUSTOMER, {{"customer-id", "2"}}, "FORBIDDEN"},
    {DASHBOARD, CUSTOMER, {{"customer-id", "@"}, {"customer-id", "@"}}, "FORBIDDEN"},
    {DASHBOARD, NOBODY, {{"customer-id", "@"}}, "AUTH_REQUIRED"},
    {WEBSITE, NOBODY, {{0}}, "AUTH_REQUIRED"},
    {WEBSITE, CUSTOMER, {{"http-method", "POST"}}, "OK"},
    {WEBSITE, ADMIN, {{"customer-id", "@"}, {"http-method", "POST"}}, "FORBIDDEN"},
    {WEBSITE, ADMIN, {{"customer-id", "@"}}, "FORBIDDEN"},
    {WEBSITE, ADMIN, {{"customer-id", "@"}, {"http-method", "GET"}}, "FORBIDDEN"},
    {WEBSITE, ADMIN, {{"http-method", "POST"}}, "FORBIDDEN"},
    {CONNECT, ADMIN, {{"customer-id", "@"}, {"http-method", "GET"}}, "FORBIDDEN"}, /* has effects */
    {CONNECT, CUSTOMER, {{"http-method", "GET"}}, "OK"},
    {ACCOUNTS, ADMIN, {{"customer-id", "@"}, {"http-method", "GET"}}, "OK"},
    {SELECT, ADMIN, {{"customer-id", "@"}, {"http-method", "POST"}}, "FORBIDDEN"},
    {SESSION, NOBODY, {{0}}, "AUTH_REQUIRED"},
    {SESSION, CUSTOMER, {{0}}, "OK"},
    {SESSION, ADMIN, {{0}}, "OK"},
    {SESSION, CUSTOMER, {{"customer-id", "@"}}, "FORBIDDEN"},
    {PASSWORD, NOBODY, {{0}}, "AUTH_REQUIRED"},
    {PASSWORD, CUSTOMER, {{"http-method", "POST"}}, "OK"},
    {PASSWORD, ADMIN, {{"http-method", "POST"}}, "OK"},
    {LOG_IN, NOBODY, {{0}}, "OK"},
    {LOG_IN, CUSTOMER, {{0}}, "OK"},
    {LOG_OUT, NOBODY, {{0}}, "OK"},
    {STORE, NOBODY, {{0}}, "FORBIDDEN"},
    {STORE, CUSTOMER, {{0}}, "FORBIDDEN"},
    {STORE, ADMIN, {{0}}, "FORBIDDEN"},
    {HEALTH, NOBODY, {{0}}, "OK"},
    {"lotcast.v1.Auth/NoSuch", CUSTOMER, {{0}}, "NOT_FOUND"},
    {"", CUSTOMER, {{0}}, "NOT_FOUND"},
};

static struct rpc_metadata metadata_of_row(size_t i)
{
    struct rpc_metadata metadata = metadata_of(rule_rows[i].caller, rule_rows[i].headers, 3);
    for (size_t k = 0; k < metadata.count; k++) {
        if (strcmp(metadata.entries[k].value, "@") == 0)
            metadata.entries[k].value = customer_id;
    }
    return metadata;
}

static void applies_the_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rule_rows); i++) {
        struct rpc_metadata metadata = metadata_of_row(i);
        const char *got = check(rule_rows[i].method, &metadata);
        if (strcmp(got, rule_rows[i].want) != 0)
            fail_msg("row %zu, %s: %s, not %s", i, rule_rows[i].method, got, rule_rows[i].want);
    }
}

static void refuses_calls_as_check_access_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rule_rows); i++) {
        const char *want = rule_rows[i].want;
        if (strncmp(rule_rows[i].method, "lotcast.v1.Auth/No", 18) == 0 ||
            rule_rows[i].method[0] == '\0' || strcmp(rule_rows[i].method, STORE) == 0 ||
            strcmp(want, "OK") == 0)
            continue;
        struct rpc_metadata metadata = metadata_of_row(i);
        assert_string_equal(call_empty(rule_rows[i].method, &metadata), want);
    }
}

static void refuses_claimed_identities(void **state)
{
    (void)state;
    static const char *const keys[] = {"principal", "user-id",      "role",          "operator",
                                       "trust",     "session-hash", "authorization", "admin"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct header header = {keys[i], "1"};
        for (enum caller caller = NOBODY; caller <= ADMIN; caller++) {
            struct rpc_metadata metadata = metadata_of(caller, &header, 1);
            assert_string_equal(call_empty(DASHBOARD, &metadata), "INVALID_ARGUMENT");
            assert_string_equal(call_empty(LOG_OUT, &metadata), "INVALID_ARGUMENT");
        }
    }
    /* What we don't know and claims nothing is let pass. */
    struct header other = {"x-experiment", "1"};
    struct rpc_metadata metadata = metadata_of(CUSTOMER, &other, 1);
    assert_string_equal(call_empty(DASHBOARD, &metadata), "OK");
}

static void takes_no_user_of_two_sessions(void **state)
{
    (void)state;
    struct header second = {"session", other_session};
    struct rpc_metadata metadata = metadata_of(CUSTOMER, &second, 1);
    assert_string_equal(call_empty(SESSION, &metadata), "AUTH_REQUIRED");
    second.value = customer_session;
    metadata = metadata_of(CUSTOMER, &second, 1);
    assert_string_equal(call_empty(SESSION, &metadata), "AUTH_REQUIRED");
}

static void shows_the_named_customer_to_an_admin(void **state)
{
    (void)state;
    struct rpc_status status;
    const void *response;
    Lotcast__V1__WebsiteRecord website = LOTCAST__V1__WEBSITE_RECORD__INIT;
    website.customer_id = 1;
    website.item_count = 247;
    fixture_put(&fixture, &website);
    struct header headers[] = {{"customer-id", customer_id}, {"http-method", "GET"}};
    struct rpc_metadata metadata = metadata_of(ADMIN, headers, 2);
    Lotcast__V1__GetDashboardRequest request = LOTCAST__V1__GET_DASHBOARD_REQUEST__INIT;
    assert_int_equal(
        fixture_call(&fixture, &fixture.arena, DASHBOARD, &request, &metadata, &response, &status),
        RPC_OK);
    assert_int_equal(((const Lotcast__V1__GetDashboardResponse *)response)->item_count, 247);
    /* The admin's own session says so. */
    metadata = metadata_of(ADMIN, NULL, 0);
    Lotcast__V1__GetSessionRequest who = LOTCAST__V1__GET_SESSION_REQUEST__INIT;
    assert_int_equal(
        fixture_call(&fixture, &fixture.arena, SESSION, &who, &metadata, &response, &status),
        RPC_OK);
    const Lotcast__V1__GetSessionResponse *session = response;
    assert_string_equal(session->user->role, "admin");
    assert_string_equal(session->user->company, "");
    assert_null(session->onboarding);
}

/* Rows for the open door, where a peer without a session is the operator. */
static void knows_the_operator(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        struct header headers[2];
        const char *want;
    } rows[] = {
        {DASHBOARD, {{0}}, "INVALID_ARGUMENT"}, /* names nobody */
        {DASHBOARD, {{"customer-id", "1"}}, "OK"},
        {DASHBOARD, {{"customer-id", "999"}}, "NOT_FOUND"},
        {DASHBOARD, {{"customer-id", "1"}, {"customer-id", "1"}}, "INVALID_ARGUMENT"},
        {DASHBOARD, {{"principal", "1"}}, "INVALID_ARGUMENT"},
        {DASHBOARD, {{"session", "rubbish"}}, "AUTH_REQUIRED"}, /* a session given is that user */
        {DASHBOARD, {{"session", "rubbish"}, {"customer-id", "1"}}, "AUTH_REQUIRED"},
        {SESSION, {{0}}, "AUTH_REQUIRED"},
        {CONNECT, {{"customer-id", "1"}}, "UNAVAILABLE"},     /* Meta is not configured here */
        {SELECT, {{"customer-id", "1"}}, "INVALID_ARGUMENT"}, /* may write; the ids are missing */
        {LOG_OUT, {{0}}, "OK"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rpc_metadata metadata = metadata_of(NOBODY, rows[i].headers, 2);
        assert_string_equal(call_empty(rows[i].method, &metadata), rows[i].want);
    }
    struct rpc_metadata metadata = metadata_of(CUSTOMER, NULL, 0);
    assert_string_equal(call_empty(DASHBOARD, &metadata), "OK");
    /* With a customer's session there is no operator. */
    struct header header = {"customer-id", "1"};
    metadata = metadata_of(CUSTOMER, &header, 1);
    assert_string_equal(call_empty(DASHBOARD, &metadata), "FORBIDDEN");
}

static void says_unavailable_without_a_store(void **state)
{
    (void)state;
    struct rpc_metadata customer = metadata_of(CUSTOMER, NULL, 0);
    struct rpc_metadata nobody = metadata_of(NOBODY, NULL, 0);
    rpc_server_drain(fixture.store_server, 0);
    assert_string_equal(call_empty(DASHBOARD, &customer), "UNAVAILABLE");
    assert_string_equal(call_empty(SESSION, &customer), "UNAVAILABLE");
    assert_string_equal(call_empty(LOG_OUT, &customer), "UNAVAILABLE");
    assert_string_equal(check(WEBSITE, &customer), "UNAVAILABLE");
    /* What can be said without it, is. */
    assert_string_equal(call_empty(DASHBOARD, &nobody), "AUTH_REQUIRED");
    assert_string_equal(call_empty(LOG_OUT, &nobody), "OK");
    /* Nothing of the store's shows. */
    struct rpc_status status;
    Lotcast__V1__LogInRequest request = LOTCAST__V1__LOG_IN_REQUEST__INIT;
    request.email = (char *)"john1@acme.com";
    request.password = (char *)FIXTURE_PASSWORD;
    assert_int_equal(
        fixture_call(&fixture, &fixture.arena, LOG_IN, &request, &nobody, NULL, &status),
        RPC_UNAVAILABLE);
    assert_string_equal(status.message,
                        rpc_reason_get(LOTCAST__V1__REASON__REASON_UNAVAILABLE)->message);
    assert_string_equal(status.field, "");
}

static void set_up_users(void)
{
    int64_t id;
    customer_session = fixture_sign_up(&fixture, 1, &id);
    other_session = fixture_sign_up(&fixture, 2, NULL);
    admin_session = fixture_admin(&fixture);
    (void)snprintf(customer_id, sizeof customer_id, "%lld", (long long)id);
}

static int set_up(void **state)
{
    (void)state;
    fixture_start(&fixture, &(struct fixture_options){0});
    set_up_users();
    return 0;
}

static int set_up_open_door(void **state)
{
    (void)state;
    fixture_start(&fixture, &(struct fixture_options){.over_nng = true});
    set_up_users();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(applies_the_rules),
        TEST(refuses_calls_as_check_access_says),
        TEST(refuses_claimed_identities),
        TEST(takes_no_user_of_two_sessions),
        TEST(shows_the_named_customer_to_an_admin),
        TEST(says_unavailable_without_a_store),
        cmocka_unit_test_setup_teardown(knows_the_operator, set_up_open_door, tear_down),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
