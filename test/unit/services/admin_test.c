#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lotcast/v1/auth.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/services/admin.h"
#include "rpc/services/model/period.h"
#include "test/unit/services/fixture.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
#define MANY 2500
#define RACERS 24

#define LIST "lotcast.v1.Admin/ListCustomers"
#define GET "lotcast.v1.Admin/GetCustomer"
#define ADJUST "lotcast.v1.Admin/AdjustCredits"
#define SUSPEND "lotcast.v1.Admin/SuspendCustomer"
#define RESUME "lotcast.v1.Admin/ResumeCustomer"

static struct fixture fixture;
static const char *admin;
static int64_t customer; /* John 1 */
static char customer_text[24];
static const char *customer_session;

/* Makes a call as the session's user, with a request id (may be NULL); "OK" or the reason. */
static const char *call_with(const char *session, const char *method, const void *request,
                             const char *request_id, const void *ret_response,
                             struct rpc_status *status)
{
    const void *response = NULL;
    struct rpc_metadata metadata = fixture_browser(session, NULL);
    if (request_id != NULL)
        assert_true(rpc_metadata_add(&metadata, RPC_METADATA_REQUEST_ID, request_id));
    enum rpc_code code =
        fixture_call(&fixture, &fixture.arena, method, request, &metadata, &response, status);
    if (ret_response != NULL)
        memcpy((void *)(uintptr_t)ret_response, &response, sizeof response);
    return code == RPC_OK ? "OK" : rpc_reason_get(status->reason)->name;
}

static const char *call(const char *method, const void *request, const void *ret_response)
{
    struct rpc_status status;
    return call_with(admin, method, request, NULL, ret_response, &status);
}

/* --- lists --- */

static const Lotcast__V1__ListCustomersResponse *list(const char *search, const char *status,
                                                      int32_t page, int32_t limit)
{
    const Lotcast__V1__ListCustomersResponse *response = NULL;
    Lotcast__V1__ListCustomersRequest request = LOTCAST__V1__LIST_CUSTOMERS_REQUEST__INIT;
    Lotcast__V1__CustomerFilters filters = LOTCAST__V1__CUSTOMER_FILTERS__INIT;
    Google__Protobuf__Int32Value page_value = GOOGLE__PROTOBUF__INT32_VALUE__INIT;
    Google__Protobuf__Int32Value limit_value = GOOGLE__PROTOBUF__INT32_VALUE__INIT;
    page_value.value = page;
    limit_value.value = limit;
    filters.status = (char *)status;
    request.search = (char *)search;
    request.filters = &filters;
    request.page = &page_value;
    request.limit = &limit_value;
    assert_string_equal(call(LIST, &request, &response), "OK");
    return response;
}

/* A customer with a user, who is suspended, has launched, or neither. */
static void put_customer(struct store_commit *commit, int64_t id, bool suspended, bool launched)
{
    Lotcast__V1__UserRecord user = LOTCAST__V1__USER_RECORD__INIT;
    Lotcast__V1__CustomerRecord record = LOTCAST__V1__CUSTOMER_RECORD__INIT;
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    Lotcast__V1__LedgerBalanceRecord balance = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
    user.user_id = user.customer_id = record.customer_id = id;
    user.role = LOTCAST__V1__ROLE__ROLE_CUSTOMER;
    user.email = user.email_key =
        arena_printf(&fixture.arena, "user%lld@many.example", (long long)id);
    user.name = (char *)(id % 10 == 0 ? "Renée Øst" : "Someone");
    record.company = (char *)(id % 7 == 0 ? "Łódź Autohaus" : "Cars");
    record.suspended = suspended;
    balance.customer_id = id;
    balance.balance_centi = 100 * id + 99;
    (void)store_commit_put_new(commit, &user);
    (void)store_commit_put_new(commit, &record);
    (void)store_commit_put_new(commit, &balance);
    campaign.customer_id = id;
    campaign.state = LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE;
    if (launched)
        (void)store_commit_put_new(commit, &campaign);
}

static void lists_thousands(void **state)
{
    (void)state;
    static const int64_t first = 1000;
    for (int64_t id = first; id < first + MANY;) {
        struct store_commit commit;
        struct rpc_status status;
        store_commit_init(&commit, fixture.store_client, &fixture.context);
        for (int i = 0; i < 500; i++, id++)
            put_customer(&commit, id, id % 3 == 0, id % 2 == 0);
        assert_int_equal(store_commit_send(&commit, &fixture.context, NULL, &status), RPC_OK);
    }
    /* Of 1000 … 3499: every third is suspended; of the others every second has launched, and is
     * paused, for nobody's Meta is connected. John has not. */
    static const struct {
        const char *search, *status;
        int64_t total;
    } rows[] = {
        {"", "", MANY + 1},         {"", "suspended", 833},
        {"", "paused", 833},        {"", "setup", 834 + 1},
        {"", "running", 0},         {"", "out_of_credits", 0},
        {"renee", "", 250},         {"RENÉE ost", "", 250},
        {"lodz", "", 357},          {"haus lodz renee", "", 35},
        {"user1234@", "", 1},       {"user1234@ cars", "", 1},
        {"user1234@ haus", "", 0},  {"  ", "", MANY + 1},
        {"someone john", "", 0},    {"acme", "", 1},
        {"renee", "suspended", 83},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t begun = clock_mono_us();
        const Lotcast__V1__ListCustomersResponse *response =
            list(rows[i].search, rows[i].status, 1, 3);
        int64_t took = clock_mono_us() - begun;
        if (response->pagination->total != rows[i].total)
            fail_msg("%s/%s: %lld, not %lld", rows[i].search, rows[i].status,
                     (long long)response->pagination->total, (long long)rows[i].total);
        print_message("%-20s %-14s %5lld of %d customers: %lld us\n", rows[i].search,
                      rows[i].status, (long long)rows[i].total, MANY + 1, (long long)took);
        assert_int_equal(response->n_customers, rows[i].total < 3 ? rows[i].total : 3);
        assert_int_equal(response->pagination->total_pages, (rows[i].total + 2) / 3);
    }
    /* Pages hang together, whatever the batches. */
    int64_t last = 0;
    int64_t seen = 0;
    for (int32_t page = 1; page <= 13; page++) {
        const Lotcast__V1__ListCustomersResponse *response = list("", "suspended", page, 70);
        for (size_t i = 0; i < response->n_customers; i++) {
            int64_t id = strtoll(response->customers[i]->id, NULL, 10);
            assert_true(id > last && id % 3 == 0);
            assert_int_equal(response->customers[i]->credits, id);
            assert_string_equal(response->customers[i]->status, "suspended");
            last = id;
            seen++;
        }
    }
    assert_int_equal(seen, 833);
    assert_int_equal(list("", "", 2147483647, 200)->n_customers, 0);
    assert_int_equal(list("", "setup", 2147483647, 200)->n_customers, 0);
    const Lotcast__V1__ListCustomersResponse *second = list("", "", 2, 200);
    assert_int_equal(second->n_customers, 200);
    assert_string_equal(second->customers[0]->id, "1199");
}

static void refuses_bad_lists(void **state)
{
    (void)state;
    static char words[100];
    static char longer[300];
    memset(longer, 'x', sizeof longer - 1);
    for (size_t i = 0; i + 1 < sizeof words; i++)
        words[i] = i % 2 == 0 ? 'x' : ' ';
    const struct {
        const char *search, *status;
        int32_t page, limit;
        const char *field;
    } rows[] = {
        {"", "", 0, 50, "page"},
        {"", "", -1, 50, "page"},
        {"", "", 1, 0, "limit"},
        {"", "", 1, 201, "limit"},
        {longer, "", 1, 50, "search"},
        {words, "", 1, 50, "search"},
        {"", "gone", 1, 50, "filters.status"},
        {"", "Paused", 1, 50, "filters.status"},
        {longer, "gone", 0, 50, "page"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rpc_status status;
        Lotcast__V1__ListCustomersRequest request = LOTCAST__V1__LIST_CUSTOMERS_REQUEST__INIT;
        Lotcast__V1__CustomerFilters filters = LOTCAST__V1__CUSTOMER_FILTERS__INIT;
        Google__Protobuf__Int32Value page = GOOGLE__PROTOBUF__INT32_VALUE__INIT;
        Google__Protobuf__Int32Value limit = GOOGLE__PROTOBUF__INT32_VALUE__INIT;
        page.value = rows[i].page;
        limit.value = rows[i].limit;
        filters.status = (char *)rows[i].status;
        request.search = (char *)rows[i].search;
        request.filters = &filters;
        request.page = &page;
        request.limit = &limit;
        assert_string_equal(call_with(admin, LIST, &request, NULL, NULL, &status),
                            "INVALID_ARGUMENT");
        assert_string_equal(status.field, rows[i].field);
    }
}

/* --- detail --- */

static void put_purchase(int64_t id, int64_t owner, Lotcast__V1__PurchaseState purchase_state,
                         int64_t amount_minor, int64_t refunded_minor, int64_t credits)
{
    Lotcast__V1__PurchaseRecord purchase = LOTCAST__V1__PURCHASE_RECORD__INIT;
    purchase.purchase_id = id;
    purchase.customer_id = owner;
    purchase.state = purchase_state;
    purchase.amount_minor = amount_minor;
    purchase.refunded_minor = refunded_minor;
    purchase.credits = credits;
    purchase.completed_at_ms =
        purchase_state == LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_COMPLETED ||
                purchase_state == LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_REFUNDED
            ? 1
            : 0;
    purchase.request_key = (char *)"x";
    fixture_put(&fixture, &purchase);
}

static void put_lifetime(int64_t impressions, int64_t clicks, int64_t spend_minor)
{
    Lotcast__V1__InsightPeriodRecord lifetime = LOTCAST__V1__INSIGHT_PERIOD_RECORD__INIT;
    lifetime.customer_id = customer;
    lifetime.period = LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_LIFETIME;
    lifetime.impressions = impressions;
    lifetime.clicks = clicks;
    lifetime.reach = impressions / 3;
    lifetime.spend_minor = spend_minor;
    fixture_put(&fixture, &lifetime);
}

static const Lotcast__V1__GetCustomerResponse *get(void)
{
    const Lotcast__V1__GetCustomerResponse *response = NULL;
    Lotcast__V1__GetCustomerRequest request = LOTCAST__V1__GET_CUSTOMER_REQUEST__INIT;
    request.id = customer_text;
    assert_string_equal(call(GET, &request, &response), "OK");
    return response;
}

static void shows_what_a_customer_costs(void **state)
{
    (void)state;
    static const struct {
        int64_t impressions, clicks, spend, cpc, cpm, ctr;
    } rows[] = {
        {227786, 2334, 284732, 122, 1250, 102}, /* data-flows.md's figures of money */
        {0, 0, 0, 0, 0, 0},
        {100, 0, 50, 0, 500, 0},
        {3, 2, 1, 1, 333, 6667}, /* half a cent is up */
        {2000, 8, 1001, 125, 501, 40},
        {2000, 8, 1000, 125, 500, 40},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        put_lifetime(rows[i].impressions, rows[i].clicks, rows[i].spend);
        const Lotcast__V1__GetCustomerResponse *view = get();
        assert_int_equal(view->performance->impressions, rows[i].impressions);
        assert_int_equal(view->performance->reach, rows[i].impressions / 3);
        assert_int_equal(view->performance->ctr, rows[i].ctr);
        assert_int_equal(view->spend->total_spend, rows[i].spend);
        assert_int_equal(view->spend->avg_cpc, rows[i].cpc);
        assert_int_equal(view->spend->avg_cpm, rows[i].cpm);
    }
    /* The month is the customer's 30 full days. */
    Lotcast__V1__InsightDayRecord day = LOTCAST__V1__INSIGHT_DAY_RECORD__INIT;
    int32_t today = period_today(NULL, clock_now_ms());
    for (int32_t i = 0; i <= 31; i++) {
        day.customer_id = customer;
        day.day = today - i;
        day.spend_minor = i == 0 || i == 31 ? 1000000 : i == 1 ? 84732 - 29 * 2824 : 2824;
        fixture_put(&fixture, &day);
    }
    assert_int_equal(get()->spend->last30_days, 84732);
}

static void adds_purchases_up(void **state)
{
    (void)state;
    put_purchase(1, customer, LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_COMPLETED, 50000, 12500,
                 10000);
    put_purchase(2, customer, LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_REFUNDED, 10000, 10000,
                 2000);
    put_purchase(3, customer, LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_PENDING, 10000, 0, 2000);
    put_purchase(4, customer, LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_FAILED, 10000, 0, 2000);
    put_purchase(5, customer + 1, LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_COMPLETED, 10000, 0,
                 2000);
    const Lotcast__V1__GetCustomerResponse *view = get();
    assert_int_equal(view->billing->total_purchased, 12000);
    assert_int_equal(view->billing->lifetime_value, 37500);
    assert_int_equal(view->billing->credits, 500);
    /* However many there are. */
    for (int64_t id = 10; id < 1210; id++)
        put_purchase(id, customer, LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_COMPLETED, 10000, 0,
                     2000);
    view = get();
    assert_int_equal(view->billing->total_purchased, 12000 + 1200 * 2000);
    assert_int_equal(view->billing->lifetime_value, 37500 + 1200 * 10000);
}

static void finds_no_other_customer(void **state)
{
    (void)state;
    static const char *const ids[] = {
        "", "0", "999", "01", "-1", "1x", " 1", "0x1", "99999999999999999999",
        "2"}; /* 2 is the admin */
    for (size_t i = 0; i < COUNT(ids); i++) {
        Lotcast__V1__GetCustomerRequest request = LOTCAST__V1__GET_CUSTOMER_REQUEST__INIT;
        Lotcast__V1__SuspendCustomerRequest suspend = LOTCAST__V1__SUSPEND_CUSTOMER_REQUEST__INIT;
        Lotcast__V1__ResumeCustomerRequest resume = LOTCAST__V1__RESUME_CUSTOMER_REQUEST__INIT;
        Lotcast__V1__AdjustCreditsRequest adjust = LOTCAST__V1__ADJUST_CREDITS_REQUEST__INIT;
        request.id = suspend.id = resume.id = adjust.id = (char *)ids[i];
        suspend.reason = resume.reason = adjust.reason = (char *)"x";
        adjust.credits = 1;
        assert_string_equal(call(GET, &request, NULL), "NOT_FOUND");
        assert_string_equal(call(SUSPEND, &suspend, NULL), "NOT_FOUND");
        assert_string_equal(call(RESUME, &resume, NULL), "NOT_FOUND");
        assert_string_equal(call(ADJUST, &adjust, NULL), "NOT_FOUND");
    }
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__audit_record__descriptor), 0);
}

/* --- changes --- */

static const char *change(const char *method, const char *reason)
{
    Lotcast__V1__SuspendCustomerRequest request = LOTCAST__V1__SUSPEND_CUSTOMER_REQUEST__INIT;
    Lotcast__V1__ResumeCustomerRequest resume = LOTCAST__V1__RESUME_CUSTOMER_REQUEST__INIT;
    request.id = resume.id = customer_text;
    request.reason = resume.reason = (char *)reason;
    return strcmp(method, SUSPEND) == 0 ? call(method, &request, NULL)
                                        : call(method, &resume, NULL);
}

static Lotcast__V1__CampaignRecord *campaign(void)
{
    return fixture_get(&fixture, &lotcast__v1__campaign_record__descriptor, customer);
}

static void put_campaign(bool user, bool dispute)
{
    Lotcast__V1__CampaignRecord record = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    record.customer_id = customer;
    record.state = user || dispute ? LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_PAUSED
                                   : LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE;
    record.paused_by_user = user;
    record.paused_by_dispute = dispute;
    fixture_put(&fixture, &record);
}

/* Jobs that tell Meta. */
static int64_t state_jobs(void)
{
    return fixture_count(&fixture, &lotcast__v1__job_record__descriptor);
}

static bool session_lives(const char *session)
{
    struct rpc_status status;
    Lotcast__V1__GetSessionRequest request = LOTCAST__V1__GET_SESSION_REQUEST__INIT;
    return strcmp(call_with(session, "lotcast.v1.Auth/GetSession", &request, NULL, NULL, &status),
                  "OK") == 0;
}

static void suspends_and_resumes(void **state)
{
    (void)state;
    put_campaign(false, false);
    assert_true(session_lives(customer_session));
    assert_string_equal(change(SUSPEND, " why\nnot "), "OK");
    assert_false(session_lives(customer_session));
    assert_true(session_lives(admin));
    assert_true(campaign()->paused_by_suspension);
    assert_int_equal(state_jobs(), 1);
    assert_string_equal(get()->customer->status, "suspended");
    /* Again: nothing but the record of it. */
    assert_string_equal(change(SUSPEND, "again"), "OK");
    assert_int_equal(state_jobs(), 1);
    assert_string_equal(change(RESUME, "well"), "OK");
    assert_false(campaign()->paused_by_suspension);
    assert_string_not_equal(get()->customer->status, "suspended");
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__audit_record__descriptor), 3);
}

static void resumes_only_what_it_paused(void **state)
{
    (void)state;
    put_campaign(true, true);
    assert_string_equal(change(SUSPEND, "x"), "OK");
    assert_true(campaign()->paused_by_user && campaign()->paused_by_dispute);
    assert_string_equal(change(RESUME, "x"), "OK");
    assert_true(campaign()->paused_by_user);
    assert_false(campaign()->paused_by_dispute);
    assert_false(campaign()->paused_by_suspension);
    /* A dispute's pause ends without a suspension too. */
    put_campaign(false, true);
    assert_string_equal(change(RESUME, "x"), "OK");
    assert_false(campaign()->paused_by_dispute);
}

static void needs_a_reason(void **state)
{
    (void)state;
    static char longest[ADMIN_REASON_BYTES_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    const char *const bad[] = {"", "  \t\n", "a\001b", "a\x7f", longest};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_string_equal(change(SUSPEND, bad[i]), "INVALID_ARGUMENT");
        assert_string_equal(change(RESUME, bad[i]), "INVALID_ARGUMENT");
    }
    assert_string_equal(change(SUSPEND, longest + 1), "OK");
    assert_string_equal(change(RESUME, "größer"), "OK");
}

/* The customer's record has changed at each try: nothing is done, and nothing is in the audit. */
static void says_when_others_are_always_first(void **state)
{
    (void)state;
    static const char *const methods[] = {SUSPEND, RESUME};
    put_campaign(false, false);
    for (size_t i = 0; i < COUNT(methods); i++) {
        lost_race_begin(fixture.registry, &lotcast__v1__customer_record__descriptor);
        assert_string_equal(change(methods[i], "x"), "CONFLICT");
        assert_int_equal(lost_race_end(), SERVICES_COMMIT_TRIES);
    }
    assert_false(campaign()->paused_by_suspension);
    assert_true(session_lives(customer_session));
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__audit_record__descriptor), 0);
}

struct racer {
    struct arena arena;
    int number;
    bool logged_in;
    char token[64];
};

/* Logs in, or suspends the customer. */
static void race(void *arg)
{
    struct racer *racer = arg;
    struct rpc_status status;
    const void *response = NULL;
    arena_init(&racer->arena, ARENA_CALL_BYTES_MAX);
    struct rpc_metadata metadata = fixture_browser(racer->number == 0 ? admin : NULL, NULL);
    Lotcast__V1__SuspendCustomerRequest suspend = LOTCAST__V1__SUSPEND_CUSTOMER_REQUEST__INIT;
    Lotcast__V1__LogInRequest log_in = LOTCAST__V1__LOG_IN_REQUEST__INIT;
    suspend.id = customer_text;
    suspend.reason = (char *)"x";
    log_in.email = (char *)"john1@acme.com";
    log_in.password = (char *)FIXTURE_PASSWORD;
    if (racer->number == 0) {
        assert_int_equal(
            fixture_call(&fixture, &racer->arena, SUSPEND, &suspend, &metadata, NULL, &status),
            RPC_OK);
    } else if (fixture_call(&fixture, &racer->arena, "lotcast.v1.Auth/LogIn", &log_in, &metadata,
                            &response, &status) == RPC_OK) {
        racer->logged_in = true;
        (void)snprintf(racer->token, sizeof racer->token, "%s",
                       ((const Lotcast__V1__LogInResponse *)response)->session_token);
    }
    arena_fini(&racer->arena);
}

static void no_session_survives_a_suspension(void **state)
{
    (void)state;
    struct racer racers[8] = {0}; /* within the throttle's window */
    for (int i = 0; i < 8; i++)
        racers[i].number = i;
    fixture_parallel(race, racers, sizeof racers[0], COUNT(racers));
    for (size_t i = 0; i < COUNT(racers); i++)
        assert_false(racers[i].logged_in && session_lives(racers[i].token));
    assert_false(session_lives(customer_session));
}

/* --- credits --- */

static const char *adjust(int64_t credits, const char *reason, const char *request_id,
                          int64_t *ret_balance)
{
    struct rpc_status status;
    const Lotcast__V1__AdjustCreditsResponse *response = NULL;
    Lotcast__V1__AdjustCreditsRequest request = LOTCAST__V1__ADJUST_CREDITS_REQUEST__INIT;
    request.id = customer_text;
    request.credits = credits;
    request.reason = (char *)reason;
    const char *outcome = call_with(admin, ADJUST, &request, request_id, &response, &status);
    if (strcmp(outcome, "OK") == 0)
        *ret_balance = response->balance;
    return outcome;
}

static void adjusts_once_a_request(void **state)
{
    (void)state;
    int64_t balance = 0;
    put_campaign(false, false);
    assert_string_equal(adjust(-700, "take", "one", &balance), "OK");
    assert_int_equal(balance, -200);
    assert_true(campaign()->paused_by_credits);
    assert_string_equal(adjust(-700, "take", "one", &balance), "OK");
    assert_int_equal(balance, -200);
    assert_string_equal(adjust(700, "take", "one", &balance), "CONFLICT");
    assert_string_equal(adjust(-700, "why", "one", &balance), "CONFLICT");
    assert_string_equal(adjust(300, "give", "two", &balance), "OK");
    assert_int_equal(balance, 100);
    assert_false(campaign()->paused_by_credits);
    /* What came of the first is answered as it was then. */
    assert_string_equal(adjust(-700, "take", "one", &balance), "OK");
    assert_int_equal(balance, -200);
    assert_int_equal(get()->billing->credits, 100);
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__audit_record__descriptor), 2);
    /* Without an id of its own each call is another one. */
    assert_string_equal(adjust(1, "x", NULL, &balance), "OK");
    assert_string_equal(adjust(1, "x", NULL, &balance), "OK");
    assert_int_equal(balance, 102);
}

static void refuses_odd_amounts(void **state)
{
    (void)state;
    int64_t balance = 0;
    static const int64_t amounts[] = {0, 1000000001, -1000000001, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < COUNT(amounts); i++)
        assert_string_equal(adjust(amounts[i], "x", NULL, &balance), "INVALID_ARGUMENT");
    assert_string_equal(adjust(1000000000, "x", NULL, &balance), "OK");
    assert_int_equal(balance, 1000000500);
    Lotcast__V1__LedgerBalanceRecord *record =
        fixture_get(&fixture, &lotcast__v1__ledger_balance_record__descriptor, customer);
    record->balance_centi = INT64_C(1000000000000000) - 50;
    fixture_put(&fixture, record);
    assert_string_equal(adjust(1, "x", NULL, &balance), "INVALID_ARGUMENT");
}

static void adjust_at_once(void *arg)
{
    struct racer *racer = arg;
    struct rpc_status status;
    arena_init(&racer->arena, ARENA_CALL_BYTES_MAX);
    struct rpc_metadata metadata = fixture_browser(admin, NULL);
    Lotcast__V1__AdjustCreditsRequest request = LOTCAST__V1__ADJUST_CREDITS_REQUEST__INIT;
    assert_true(rpc_metadata_add(&metadata, RPC_METADATA_REQUEST_ID, "the-same"));
    request.id = customer_text;
    request.credits = 10;
    request.reason = (char *)"x";
    assert_int_equal(
        fixture_call(&fixture, &racer->arena, ADJUST, &request, &metadata, NULL, &status), RPC_OK);
    arena_fini(&racer->arena);
}

static void the_same_request_many_times_at_once_is_one(void **state)
{
    (void)state;
    struct racer racers[RACERS] = {0};
    fixture_parallel(adjust_at_once, racers, sizeof racers[0], COUNT(racers));
    assert_int_equal(get()->billing->credits, 510);
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__audit_record__descriptor), 1);
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
        TEST(lists_thousands),
        TEST(refuses_bad_lists),
        TEST(shows_what_a_customer_costs),
        TEST(adds_purchases_up),
        TEST(finds_no_other_customer),
        TEST(suspends_and_resumes),
        TEST(resumes_only_what_it_paused),
        TEST(needs_a_reason),
        TEST(says_when_others_are_always_first),
        TEST(no_session_survives_a_suspension),
        TEST(adjusts_once_a_request),
        TEST(refuses_odd_amounts),
        TEST(the_same_request_many_times_at_once_is_one),
    };
    return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
