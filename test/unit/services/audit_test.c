/*
 * The audit: who views as whom, and its list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lotcast/v1/dashboard.pb-c.h"
#include "rpc/base/log.h"
#include "rpc/services/admin.h"
#include "test/unit/services/fixture.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

#define AUDIT "lotcast.v1.Admin/ListAudit"
#define DASHBOARD "lotcast.v1.Dashboard/GetDashboard"

static struct fixture fixture;
static const char *admin;
static int64_t customer; /* John 1 */
static char customer_text[24];
static const char *customer_session;

/* Makes a call as the admin; "OK" or the reason. */
static const char *list(const Lotcast__V1__ListAuditRequest *request,
                        const Lotcast__V1__ListAuditResponse **ret_response,
                        struct rpc_status *status)
{
    const void *response = NULL;
    struct rpc_metadata metadata = fixture_browser(admin, NULL);
    enum rpc_code code =
        fixture_call(&fixture, &fixture.arena, AUDIT, request, &metadata, &response, status);
    *ret_response = response;
    return code == RPC_OK ? "OK" : rpc_reason_get(status->reason)->name;
}

static const Lotcast__V1__ListAuditResponse *audit(void)
{
    struct rpc_status status;
    const Lotcast__V1__ListAuditResponse *response = NULL;
    Lotcast__V1__ListAuditRequest request = LOTCAST__V1__LIST_AUDIT_REQUEST__INIT;
    assert_string_equal(list(&request, &response, &status), "OK");
    return response;
}

static void records_who_views_as_whom(void **state)
{
    (void)state;
    struct rpc_status status;
    Lotcast__V1__GetDashboardRequest request = LOTCAST__V1__GET_DASHBOARD_REQUEST__INIT;
    struct rpc_metadata metadata = fixture_browser(admin, NULL);
    assert_true(rpc_metadata_add(&metadata, RPC_METADATA_CUSTOMER_ID, customer_text));
    assert_true(rpc_metadata_add(&metadata, RPC_METADATA_REQUEST_ID, "view-1"));
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            fixture_call(&fixture, &fixture.arena, DASHBOARD, &request, &metadata, NULL, &status),
            RPC_OK);
    /* What is refused shows nothing and leaves nothing. */
    metadata.entries[1].value = "999";
    assert_int_equal(
        fixture_call(&fixture, &fixture.arena, DASHBOARD, &request, &metadata, NULL, &status),
        RPC_NOT_FOUND);
    /* Nor do a customer's own pages. */
    struct rpc_metadata own = fixture_browser(customer_session, NULL);
    assert_int_equal(
        fixture_call(&fixture, &fixture.arena, DASHBOARD, &request, &own, NULL, &status), RPC_OK);
    const Lotcast__V1__ListAuditResponse *entries = audit();
    assert_int_equal(entries->n_entries, 3);
    assert_int_equal(entries->pagination->total, 3);
    assert_string_equal(entries->entries[0]->action, "view_as");
    assert_string_equal(entries->entries[0]->customer_id, customer_text);
    assert_string_equal(entries->entries[0]->actor->email, "admin@lotcast.example");
    assert_string_equal(entries->entries[0]->actor->id, "2");
    assert_string_equal(entries->entries[0]->reason, "GET /api/customer/dashboard");
    assert_string_equal(entries->entries[0]->request_id, "view-1");
}

static void lists_the_audit_of_a_customer(void **state)
{
    (void)state;
    static const struct {
        const char *customer, *page;
        size_t count;
        int64_t total;
        const char *first; /* its reason */
    } rows[] = {{"1", "1", 2, 3, "third"}, {"1", "2", 1, 3, "first"},
                {"1", "3", 0, 3, NULL},    {"7", "1", 1, 1, "other"},
                {"8", "1", 0, 0, NULL},    {"12345678901", "1", 0, 0, NULL}};
    static const char *const refused[] = {
        "", "0", "01", "-1", "1x", "x", " 1", "1 ", "999999999999999999999", "1,7"};
    static const char *const reasons[] = {"first", "other", "second", "nobody", "third"};
    static const int64_t customers[] = {1, 7, 1, 0, 1};
    for (size_t i = 0; i < COUNT(reasons); i++) {
        Lotcast__V1__AuditRecord record = LOTCAST__V1__AUDIT_RECORD__INIT;
        record.audit_id = 10 + (int64_t)i;
        record.customer_id = customers[i];
        record.reason = (char *)reasons[i];
        fixture_put(&fixture, &record);
    }
    Google__Protobuf__StringValue id = GOOGLE__PROTOBUF__STRING_VALUE__INIT;
    Google__Protobuf__Int32Value page = GOOGLE__PROTOBUF__INT32_VALUE__INIT;
    Google__Protobuf__Int32Value limit = GOOGLE__PROTOBUF__INT32_VALUE__INIT;
    Lotcast__V1__ListAuditRequest request = LOTCAST__V1__LIST_AUDIT_REQUEST__INIT;
    struct rpc_status status;
    const Lotcast__V1__ListAuditResponse *response = NULL;
    limit.value = 2;
    request.limit = &limit;
    request.page = &page;
    request.customer_id = &id;
    for (size_t i = 0; i < COUNT(rows); i++) {
        id.value = (char *)rows[i].customer;
        page.value = rows[i].page[0] - '0';
        assert_string_equal(list(&request, &response, &status), "OK");
        assert_int_equal(response->n_entries, rows[i].count);
        assert_int_equal(response->pagination->total, rows[i].total);
        if (rows[i].first != NULL)
            assert_string_equal(response->entries[0]->reason, rows[i].first);
    }
    for (size_t i = 0; i < COUNT(refused); i++) {
        id.value = (char *)refused[i];
        assert_string_equal(list(&request, &response, &status), "INVALID_ARGUMENT");
        assert_string_equal(status.field, "customerId");
    }
    assert_int_equal(audit()->n_entries, COUNT(reasons));
}

static void shows_nothing_that_it_cannot_record(void **state)
{
    (void)state;
    struct rpc_status status;
    Lotcast__V1__GetDashboardRequest request = LOTCAST__V1__GET_DASHBOARD_REQUEST__INIT;
    struct rpc_metadata metadata = fixture_browser(admin, NULL);
    assert_true(rpc_metadata_add(&metadata, RPC_METADATA_CUSTOMER_ID, customer_text));
    /* The admin has gone, though the session is still there. */
    struct store_commit commit;
    store_commit_init(&commit, fixture.store_client, &fixture.context);
    (void)store_commit_delete(&commit, &lotcast__v1__user_record__descriptor,
                              store_key(store_number(2)));
    assert_int_equal(store_commit_send(&commit, &fixture.context, NULL, &status), RPC_OK);
    assert_int_equal(
        fixture_call(&fixture, &fixture.arena, DASHBOARD, &request, &metadata, NULL, &status),
        RPC_UNAUTHENTICATED);
}

static int set_up(void **state)
{
    (void)state;
    fixture_start(&fixture, &(struct fixture_options){.signup_credits = 500, .traced = true});
    customer_session = fixture_sign_up(&fixture, 1, &customer);
    admin = fixture_admin(&fixture);
    (void)snprintf(customer_text, sizeof customer_text, "%lld", (long long)customer);
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
    log_init(LOG_LEVEL_ERROR, "test");
    const struct CMUnitTest tests[] = {
        TEST(records_who_views_as_whom),
        TEST(lists_the_audit_of_a_customer),
        TEST(shows_nothing_that_it_cannot_record),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
