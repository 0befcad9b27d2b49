/* lotcast.v1.Billing: packages, purchases, the page's figures, the ledger's list. */
#include "test/unit/services/till.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/ledger.h"
#include "rpc/services/model/period.h"
#include "rpc/services/model/purchase.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define PURCHASE_RECORD (&lotcast__v1__purchase_record__descriptor)

static void expect_reason(const struct rpc_status *status, Lotcast__V1__Reason reason)
{
    assert_string_equal(rpc_reason_get(status->reason)->name, rpc_reason_get(reason)->name);
}

static void lists_packages(void **state)
{
    struct till *till = *state;
    static const struct {
        const char *id;
        int64_t amount, credits, bonus;
    } rows[] = {{"pkg_100", 10000, 2000, 0},
                {"pkg_500", 50000, 10000, 0},
                {"pkg_1000", 100000, 20000, 2000}};
    const void *answer;
    struct rpc_status status;
    Lotcast__V1__ListPackagesRequest request = LOTCAST__V1__LIST_PACKAGES_REQUEST__INIT;
    struct rpc_metadata metadata = fixture_browser(till->session, NULL);
    assert_int_equal(fixture_call(&till->fixture, &till->fixture.arena,
                                  "lotcast.v1.Billing/ListPackages", &request, &metadata, &answer,
                                  &status),
                     RPC_OK);
    const Lotcast__V1__ListPackagesResponse *response = answer;
    assert_int_equal(response->n_packages, COUNT(rows));
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(response->packages[i]->id, rows[i].id);
        assert_string_equal(response->packages[i]->currency, "USD");
        assert_int_equal(response->packages[i]->amount, rows[i].amount);
        assert_int_equal(response->packages[i]->credits, rows[i].credits);
        assert_int_equal(response->packages[i]->bonus_credits, rows[i].bonus);
    }
}

/* --- Purchase --- */

static void refuses_what_is_no_package(void **state)
{
    struct till *till = *state;
    static const char *const bad[] = {"", "pkg_5", "PKG_500", "pkg_500 ", "pkg_5000"};
    const char *url;
    struct rpc_status status;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(till_purchase(till, &till->fixture.arena, bad[i], NULL, &url, &status),
                         RPC_INVALID_ARGUMENT);
        expect_reason(&status, LOTCAST__V1__REASON__REASON_INVALID_PACKAGE);
        assert_string_equal(status.field, "packageId");
    }
    char key[200];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    assert_int_equal(till_purchase(till, &till->fixture.arena, "pkg_500", key, &url, &status),
                     RPC_INVALID_ARGUMENT);
    assert_string_equal(status.field, "Idempotency-Key");
    assert_int_equal(fixture_count(&till->fixture, PURCHASE_RECORD), 0);
    assert_int_equal(till->requests, 0);
}

static void is_stored_before_stripe_is_asked(void **state)
{
    struct till *till = *state;
    const char *url;
    struct rpc_status status;
    assert_int_equal(till_purchase(till, &till->fixture.arena, "pkg_1000", NULL, &url, &status),
                     RPC_OK);
    assert_string_equal(url, "https://pay.example/0");
    assert_int_equal(till->stored_first, 1);
    const Lotcast__V1__PurchaseRecord *purchase = till_record(till, 1);
    assert_int_equal(purchase->customer_id, till->customer_id);
    assert_int_equal(purchase->amount_minor, 100000);
    assert_int_equal(purchase->credits, 22000);
    assert_string_equal(purchase->session_id, "cs_test_1");
    assert_string_equal(purchase->request_key, till->sessions[0].key);
    assert_non_null(strstr(till->sessions[0].body, purchase->request_key));
    const Lotcast__V1__GetBillingResponse *billing = till_billing(till, NULL);
    assert_int_equal(billing->n_purchases, 1);
    assert_string_equal(billing->purchases[0]->status, "pending");
    assert_int_equal(billing->purchases[0]->amount, 100000);
    assert_int_equal(billing->purchases[0]->credits, 22000);
    assert_int_equal(billing->credits->current, TILL_SIGNUP_CREDITS);
    assert_null(billing->credits->last_purchase);
}

static void each_post_without_a_key_is_its_own(void **state)
{
    struct till *till = *state;
    const char *first;
    const char *second;
    struct rpc_status status;
    struct arena *arena = &till->fixture.arena;
    assert_int_equal(till_purchase(till, arena, "pkg_500", NULL, &first, &status), RPC_OK);
    assert_int_equal(till_purchase(till, arena, "pkg_500", NULL, &second, &status), RPC_OK);
    assert_string_not_equal(first, second);
    assert_int_equal(till->session_count, 2);
}

static void a_key_is_one_purchase(void **state)
{
    struct till *till = *state;
    const char *first;
    const char *second;
    struct rpc_status status;
    struct arena *arena = &till->fixture.arena;
    assert_int_equal(till_purchase(till, arena, "pkg_500", "key 1", &first, &status), RPC_OK);
    assert_int_equal(till_purchase(till, arena, "pkg_500", "key 1", &second, &status), RPC_OK);
    assert_string_equal(first, second);
    assert_int_equal(till->requests, 1);
    assert_int_equal(till_purchase(till, arena, "pkg_100", "key 1", &second, &status), RPC_ABORTED);
    expect_reason(&status, LOTCAST__V1__REASON__REASON_CONFLICT);
    assert_int_equal(till_purchase(till, arena, "pkg_100", "key 2", &second, &status), RPC_OK);
    assert_string_not_equal(first, second);
    /* Another customer's key is another key. */
    till->session = fixture_sign_up(&till->fixture, 2, &till->customer_id);
    assert_int_equal(till_purchase(till, arena, "pkg_100", "key 1", &second, &status), RPC_OK);
    assert_string_not_equal(first, second);
    assert_int_equal(till->session_count, 3);
}

struct buyer {
    struct till *till;
    struct arena arena;
    const char *url;
    enum rpc_code code;
};

static void buy(void *arg)
{
    struct buyer *buyer = arg;
    struct rpc_status status;
    arena_init(&buyer->arena, ARENA_CALL_BYTES_MAX);
    buyer->code =
        till_purchase(buyer->till, &buyer->arena, "pkg_500", "the key", &buyer->url, &status);
}

static void fifty_at_once_are_one_purchase(void **state)
{
    struct till *till = *state;
    struct buyer buyers[50] = {{0}};
    for (size_t i = 0; i < COUNT(buyers); i++)
        buyers[i].till = till;
    fixture_parallel(buy, buyers, sizeof buyers[0], COUNT(buyers));
    for (size_t i = 0; i < COUNT(buyers); i++) {
        assert_int_equal(buyers[i].code, RPC_OK);
        assert_string_equal(buyers[i].url, "https://pay.example/0");
        arena_fini(&buyers[i].arena);
    }
    assert_int_equal(till->session_count, 1);
    assert_int_equal(fixture_count(&till->fixture, PURCHASE_RECORD), 1);
}

static void a_lost_answer_is_asked_for_again(void **state)
{
    struct till *till = *state;
    const char *url;
    struct rpc_status status;
    till_fail(till, 2, 0); /* the session is made, and nobody hears of it */
    assert_int_equal(till_purchase(till, &till->fixture.arena, "pkg_500", NULL, &url, &status),
                     RPC_OK);
    assert_int_equal(till->requests, 3);
    assert_int_equal(till->session_count, 1);
}

static void an_unknown_outcome_is_found_by_the_same_key(void **state)
{
    struct till *till = *state;
    const char *url;
    struct rpc_status status;
    struct arena *arena = &till->fixture.arena;
    till_fail(till, 1000, 0);
    assert_int_equal(till_purchase(till, arena, "pkg_500", "k", &url, &status), RPC_UNAVAILABLE);
    expect_reason(&status, LOTCAST__V1__REASON__REASON_UPSTREAM_ERROR);
    assert_string_equal(status.upstream, "stripe");
    assert_int_equal(till_billing(till, NULL)->n_purchases, 0);
    till_fail(till, 0, 0);
    assert_int_equal(till_purchase(till, arena, "pkg_500", "k", &url, &status), RPC_OK);
    assert_int_equal(till->session_count, 1);
    assert_int_equal(fixture_count(&till->fixture, PURCHASE_RECORD), 1);
}

static void a_refusal_may_be_tried_again(void **state)
{
    struct till *till = *state;
    const char *url;
    struct rpc_status status;
    struct arena *arena = &till->fixture.arena;
    till_fail(till, 1, 402);
    assert_int_equal(till_purchase(till, arena, "pkg_500", "k", &url, &status), RPC_UNAVAILABLE);
    expect_reason(&status, LOTCAST__V1__REASON__REASON_UPSTREAM_ERROR);
    assert_int_equal(till->requests, 1);
    assert_string_equal(purchase_state_name(till_record(till, 1)->state), "failed");
    assert_int_equal(till_billing(till, NULL)->n_purchases, 0);
    const char *key = till_record(till, 1)->request_key;
    assert_int_equal(till_purchase(till, arena, "pkg_500", "k", &url, &status), RPC_OK);
    assert_string_not_equal(till_record(till, 1)->request_key, key);
    assert_string_equal(till_billing(till, NULL)->purchases[0]->status, "pending");
}

static void needs_stripe(void **state)
{
    (void)state;
    struct till till = {0};
    const char *url;
    struct rpc_status status;
    fixture_start(&till.fixture, &(struct fixture_options){.signup_credits = 1});
    till.session = fixture_sign_up(&till.fixture, 1, &till.customer_id);
    assert_int_equal(till_purchase(&till, &till.fixture.arena, "pkg_500", NULL, &url, &status),
                     RPC_UNAVAILABLE);
    expect_reason(&status, LOTCAST__V1__REASON__REASON_UNAVAILABLE);
    assert_int_equal(till_purchase(&till, &till.fixture.arena, "pkg", NULL, &url, &status),
                     RPC_INVALID_ARGUMENT);
    assert_int_equal(till_deliver(&till, "{\"id\":\"evt_1\"}", 0, &status), RPC_UNAVAILABLE);
    assert_int_equal(fixture_count(&till.fixture, PURCHASE_RECORD), 0);
    assert_int_equal(till_billing(&till, "cs_test_1")->n_purchases, 0);
    fixture_stop(&till.fixture);
}

/* --- GetBilling --- */

/* The figures of data-flows.md, on 6 February 2026. */
static void agrees_with_the_contract(void **state)
{
    struct till *till = *state;
    struct fixture *fixture = &till->fixture;
    int64_t now_ms;
    int64_t bought_ms;
    const char *url;
    struct rpc_status status;
    assert_true(clock_parse_rfc3339("2026-01-20T12:00:00Z", &bought_ms));
    assert_true(clock_parse_rfc3339("2026-02-06T20:00:00Z", &now_ms));
    clock_set_offset_ms(bought_ms - (clock_now_ms() - clock_offset_ms()));
    till->session = fixture_sign_up(fixture, 3, &till->customer_id);
    assert_int_equal(till_purchase(till, &fixture->arena, "pkg_500", NULL, &url, &status), RPC_OK);
    till_deliver_ok(till, till_session_event(till, "completed", 1, "paid", 50000));
    clock_set_offset_ms(now_ms - (clock_now_ms() - clock_offset_ms()));
    Lotcast__V1__LedgerBalanceRecord balance = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
    balance.customer_id = till->customer_id;
    balance.balance_centi = 824000;
    balance.entries = 2;
    fixture_put(fixture, &balance);
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    campaign.customer_id = till->customer_id;
    campaign.currency = (char *)"USD";
    campaign.state = LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE;
    fixture_put(fixture, &campaign);
    struct period month = period_full_days(period_today(NULL, now_ms), 30);
    for (int32_t day = month.first_day; day <= month.last_day; day++) {
        Lotcast__V1__InsightDayRecord figures = LOTCAST__V1__INSIGHT_DAY_RECORD__INIT;
        figures.customer_id = till->customer_id;
        figures.day = day;
        figures.spend_minor = day == month.first_day ? 2824 + 12 : 2824;
        fixture_put(fixture, &figures);
    }
    const Lotcast__V1__GetBillingResponse *billing = till_billing(till, NULL);
    assert_int_equal(billing->credits->current, 8240);
    assert_non_null(billing->credits->days_estimate);
    assert_int_equal(billing->credits->days_estimate->value, 14);
    assert_string_equal(billing->credits->last_purchase->value, "2026-01-20");
    assert_int_equal(billing->n_purchases, 1);
    assert_string_equal(billing->purchases[0]->id, "1");
    assert_string_equal(billing->purchases[0]->date, "2026-01-20");
    assert_int_equal(billing->purchases[0]->amount, 50000);
    assert_int_equal(billing->purchases[0]->credits, 10000);
    assert_string_equal(billing->purchases[0]->status, "completed");
    assert_string_equal(billing->purchases[0]->currency, "USD");
    assert_string_equal(billing->time_zone, "UTC");
    assert_string_equal(billing->upcoming_charge->date, "2026-02-20");
    assert_int_equal(billing->upcoming_charge->estimated_amount, 50000);
    assert_string_equal(billing->upcoming_charge->currency, "USD");
    /* pkg_500 makes it 18,240. */
    assert_int_equal(till_purchase(till, &fixture->arena, "pkg_500", NULL, &url, &status), RPC_OK);
    till_deliver_ok(till, till_session_event(till, "completed", 2, "paid", 50000));
    billing = till_billing(till, NULL);
    assert_int_equal(billing->credits->current, 18240);
    assert_string_equal(billing->credits->last_purchase->value, "2026-02-06");
    assert_string_equal(billing->purchases[0]->id, "2");
    /* Out of credits: today. */
    balance.balance_centi = -1;
    fixture_put(fixture, &balance);
    billing = till_billing(till, NULL);
    assert_int_equal(billing->credits->current, -1);
    assert_int_equal(billing->credits->days_estimate->value, 0);
    assert_string_equal(billing->upcoming_charge->date, "2026-02-06");
    clock_set_offset_ms(0);
}

static void estimates_nothing_without_burn(void **state)
{
    struct till *till = *state;
    const Lotcast__V1__GetBillingResponse *billing = till_billing(till, NULL);
    assert_int_equal(billing->credits->current, TILL_SIGNUP_CREDITS);
    assert_null(billing->credits->days_estimate);
    assert_null(billing->credits->last_purchase);
    assert_null(billing->upcoming_charge);
    assert_int_equal(billing->n_purchases, 0);
}

static void settles_a_session_that_is_named(void **state)
{
    struct till *till = *state;
    const char *url;
    struct rpc_status status;
    static const char *const strangers[] = {"cs_test_2", "cs/../x", "", "cs_test_1 "};
    assert_int_equal(till_purchase(till, &till->fixture.arena, "pkg_500", NULL, &url, &status),
                     RPC_OK);
    for (size_t i = 0; i < COUNT(strangers); i++)
        assert_string_equal(till_billing(till, strangers[i])->purchases[0]->status, "pending");
    assert_int_equal(till->gets, 0);
    /* Not paid yet, by bank; then paid. */
    (void)snprintf(till->payment_status, sizeof till->payment_status, "unpaid");
    assert_string_equal(till_billing(till, "cs_test_1")->purchases[0]->status, "pending");
    (void)snprintf(till->payment_status, sizeof till->payment_status, "paid");
    assert_string_equal(till_billing(till, "cs_test_1")->purchases[0]->status, "completed");
    assert_int_equal(till->gets, 2);
    assert_int_equal(till_billing(till, "cs_test_1")->credits->current,
                     TILL_SIGNUP_CREDITS + 10000);
    assert_int_equal(till->gets, 2);
    /* The webhook comes late. */
    till_deliver_ok(till, till_session_event(till, "completed", 1, "paid", 50000));
    assert_int_equal(till_balance_centi(till), (TILL_SIGNUP_CREDITS + 10000) * 100);
    till_check_books(till);
}

static void another_customers_session_is_none(void **state)
{
    struct till *till = *state;
    const char *url;
    struct rpc_status status;
    assert_int_equal(till_purchase(till, &till->fixture.arena, "pkg_500", NULL, &url, &status),
                     RPC_OK);
    till->session = fixture_sign_up(&till->fixture, 2, NULL);
    assert_int_equal(till_billing(till, "cs_test_1")->n_purchases, 0);
    assert_int_equal(till->gets, 0);
    assert_string_equal(purchase_state_name(till_record(till, 1)->state), "pending");
}

/* Read only: an admin who views the page settles nothing. */
static void an_admin_who_views_settles_nothing(void **state)
{
    struct till *till = *state;
    const char *url;
    const void *answer;
    struct rpc_status status;
    struct arena *arena = &till->fixture.arena;
    assert_int_equal(till_purchase(till, arena, "pkg_500", NULL, &url, &status), RPC_OK);
    Lotcast__V1__GetBillingRequest request = LOTCAST__V1__GET_BILLING_REQUEST__INIT;
    request.session_id = (char *)"cs_test_1";
    struct rpc_metadata metadata = fixture_browser(fixture_admin(&till->fixture), NULL);
    const char *id = arena_printf(arena, "%lld", (long long)till->customer_id);
    assert_true(rpc_metadata_add(&metadata, RPC_METADATA_CUSTOMER_ID, id));
    assert_true(rpc_metadata_add(&metadata, RPC_METADATA_HTTP_METHOD, "GET"));
    assert_int_equal(fixture_call(&till->fixture, arena, "lotcast.v1.Billing/GetBilling", &request,
                                  &metadata, &answer, &status),
                     RPC_OK);
    const Lotcast__V1__GetBillingResponse *billing = answer;
    assert_string_equal(billing->purchases[0]->status, "pending");
    assert_int_equal(till->gets, 0);
}

static void an_expired_session_has_failed(void **state)
{
    struct till *till = *state;
    const char *url;
    struct rpc_status status;
    assert_int_equal(till_purchase(till, &till->fixture.arena, "pkg_500", NULL, &url, &status),
                     RPC_OK);
    (void)snprintf(till->payment_status, sizeof till->payment_status, "unpaid");
    (void)snprintf(till->status, sizeof till->status, "expired");
    assert_string_equal(till_billing(till, "cs_test_1")->purchases[0]->status, "failed");
    assert_int_equal(till_balance_centi(till), TILL_SIGNUP_CREDITS * 100);
}

/* --- ListLedger --- */

static const Lotcast__V1__ListLedgerResponse *ledger(struct till *till, int page, int limit,
                                                     struct rpc_status *status)
{
    const void *response = NULL;
    Google__Protobuf__Int32Value pages[2] = {GOOGLE__PROTOBUF__INT32_VALUE__INIT,
                                             GOOGLE__PROTOBUF__INT32_VALUE__INIT};
    Lotcast__V1__ListLedgerRequest request = LOTCAST__V1__LIST_LEDGER_REQUEST__INIT;
    struct rpc_metadata metadata = fixture_browser(till->session, NULL);
    pages[0].value = page;
    pages[1].value = limit;
    request.page = page == INT32_MIN ? NULL : &pages[0];
    request.limit = limit == INT32_MIN ? NULL : &pages[1];
    rpc_status_clear(status);
    enum rpc_code code =
        fixture_call(&till->fixture, &till->fixture.arena, "lotcast.v1.Billing/ListLedger",
                     &request, &metadata, &response, status);
    return code == RPC_OK ? response : NULL;
}

static void post_many(struct till *till, int count)
{
    for (int i = 1; i <= count; i++) {
        struct store_commit commit;
        struct rpc_status status;
        char reference[32];
        (void)snprintf(reference, sizeof reference, "burn:c:%d", i);
        const struct ledger_posting posting = {LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_BURN, -1050,
                                               "spend", reference, 1000 * i};
        store_commit_init(&commit, till->fixture.store_client, &till->fixture.context);
        assert_int_equal(ledger_append(till->fixture.services, &till->fixture.context, &commit,
                                       till->customer_id, &posting, 1, NULL, &status),
                         RPC_OK);
        assert_int_equal(store_commit_send(&commit, &till->fixture.context, NULL, &status), RPC_OK);
    }
}

static void pages_the_ledger(void **state)
{
    struct till *till = *state;
    struct rpc_status status;
    post_many(till, 24); /* and the welcome credits: 25 */
    const Lotcast__V1__ListLedgerResponse *page = ledger(till, INT32_MIN, INT32_MIN, &status);
    assert_non_null(page);
    assert_int_equal(page->n_entries, 25);
    assert_int_equal(page->pagination->limit, 50);
    assert_int_equal(page->pagination->total, 25);
    assert_int_equal(page->pagination->total_pages, 1);
    assert_string_equal(page->entries[0]->id, "25");
    assert_string_equal(page->entries[0]->kind, "burn");
    assert_string_equal(page->entries[0]->at, "1970-01-01T00:00:24Z");
    assert_int_equal(page->entries[0]->credits, -1050);
    assert_int_equal(page->entries[0]->balance, 50000 - 24 * 1050);
    assert_string_equal(page->entries[0]->reference, "burn:c:24");
    assert_string_equal(page->entries[24]->kind, "signup");
    page = ledger(till, 2, 10, &status);
    assert_int_equal(page->n_entries, 10);
    assert_string_equal(page->entries[0]->id, "15");
    assert_string_equal(page->entries[9]->id, "6");
    assert_int_equal(page->pagination->total_pages, 3);
    page = ledger(till, 3, 10, &status);
    assert_int_equal(page->n_entries, 5);
    assert_string_equal(page->entries[4]->id, "1");
    page = ledger(till, 4, 10, &status);
    assert_int_equal(page->n_entries, 0);
    assert_int_equal(page->pagination->total, 25);
    assert_non_null(ledger(till, INT32_MAX, 200, &status));
}

static void refuses_bad_pages(void **state)
{
    struct till *till = *state;
    static const struct {
        int page, limit;
        const char *field;
    } rows[] = {{0, 10, "page"},   {-1, 10, "page"}, {1, 0, "limit"},
                {1, 201, "limit"}, {1, -5, "limit"}, {0, 0, "page"}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rpc_status status;
        assert_null(ledger(till, rows[i].page, rows[i].limit, &status));
        expect_reason(&status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT);
        assert_string_equal(status.field, rows[i].field);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, till_setup, till_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_packages),
        TEST(refuses_what_is_no_package),
        TEST(is_stored_before_stripe_is_asked),
        TEST(each_post_without_a_key_is_its_own),
        TEST(a_key_is_one_purchase),
        TEST(fifty_at_once_are_one_purchase),
        TEST(a_lost_answer_is_asked_for_again),
        TEST(an_unknown_outcome_is_found_by_the_same_key),
        TEST(a_refusal_may_be_tried_again),
        cmocka_unit_test(needs_stripe),
        TEST(agrees_with_the_contract),
        TEST(estimates_nothing_without_burn),
        TEST(settles_a_session_that_is_named),
        TEST(another_customers_session_is_none),
        TEST(an_admin_who_views_settles_nothing),
        TEST(an_expired_session_has_failed),
        TEST(pages_the_ledger),
        TEST(refuses_bad_pages),
    };
    return cmocka_run_group_tests_name("billing", tests, NULL, NULL);
}
