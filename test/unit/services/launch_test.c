/* The launch: what it asks for, what it makes, and that it makes one of each whatever fails. */
#include "test/unit/services/launch_fixture.h"

#include <unistd.h>

static void makes_and_activates(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    char id[64];
    fake->polls_until_finished = 1;
    ready_to_launch(logic);
    expect_ok(launch_now(logic, id, &status), &status);
    expect_one_of_each();
    expect_campaign(logic, id, 12);
    assert_string_equal(fake_object_of(META_CAMPAIGN)->name, "Acme Auto (Lotcast 7)");
    assert_string_equal(fake_object_of(META_CATALOG)->name, "Acme Auto (Lotcast 7)");
    assert_int_equal(fake_object_of(META_AD_SET)->daily_budget, 8224);
    assert_int_equal(fake->item_count, 12);
    context_begin(&test);
    struct store_read_op items = records_of(logic, &test, &lotcast__v1__item_record__descriptor);
    for (size_t i = 0; i < items.ret_row_count; i++) {
        const Lotcast__V1__ItemRecord *item = (const Lotcast__V1__ItemRecord *)items.ret_rows[i];
        assert_true(span_equal(span_of(item->synced_hash.data, item->synced_hash.len),
                               span_of(item->content_hash.data, item->content_hash.len)));
    }
    context_end(&test);

    assert_int_equal(launch_now(logic, id, &status), RPC_ALREADY_EXISTS);
    expect_reason(&status, "ALREADY_LAUNCHED");
    assert_string_equal(status.campaign_id, id);
    expect_one_of_each();
}

/* --- refusals --- */

static void refuses_wrong_fields(void **state)
{
    static char *const us[] = {(char *)"US"};
    static char *const xx[] = {(char *)"US", (char *)"XX"};
    static const struct {
        int64_t budget;
        const char *currency;
        char *const *countries;
        size_t country_count;
        int32_t age_min, age_max;
        const char *reason, *field;
    } rows[] = {
        {0, "", NULL, 0, 0, 0, "INVALID_BUDGET", "monthlyBudget"},
        {2999, "USD", us, 1, 25, 65, "INVALID_BUDGET", "monthlyBudget"},
        {100000001, "USD", us, 1, 25, 65, "INVALID_BUDGET", "monthlyBudget"},
        {250000, "", us, 1, 25, 65, "INVALID_CURRENCY", "currency"},
        {250000, "usd", us, 1, 25, 65, "INVALID_CURRENCY", "currency"},
        {250000, "XYZ", us, 0, 25, 65, "INVALID_CURRENCY", "currency"},
        {250000, "EUR", us, 1, 25, 65, "INVALID_CURRENCY", "currency"}, /* the account's is USD */
        {250000, "USD", us, 0, 25, 65, "INVALID_TARGETING", "targeting.countries"},
        {250000, "USD", xx, 2, 25, 65, "INVALID_TARGETING", "targeting.countries[1]"},
        {250000, "USD", us, 1, 17, 65, "INVALID_TARGETING", "targeting.ageMin"},
        {250000, "USD", us, 1, 40, 39, "INVALID_TARGETING", "targeting.ageMax"},
    };
    struct logic *logic = *state;
    ready_to_launch(logic);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpc_status status;
        char id[64];
        Lotcast__V1__LaunchRequest request = launch_request();
        request.monthly_budget = rows[i].budget;
        request.currency = (char *)rows[i].currency;
        request.targeting->countries = (char **)rows[i].countries;
        request.targeting->n_countries = rows[i].country_count;
        request.targeting->age_min = rows[i].age_min;
        request.targeting->age_max = rows[i].age_max;
        assert_int_not_equal(launch_with(logic, &request, id, &status), RPC_OK);
        expect_reason(&status, rows[i].reason);
        assert_string_equal(status.field, rows[i].field);
    }
    struct rpc_status status;
    char id[64];
    Lotcast__V1__LaunchRequest request = launch_request();
    request.targeting = NULL;
    assert_int_not_equal(launch_with(logic, &request, id, &status), RPC_OK);
    expect_reason(&status, "INVALID_TARGETING");
    assert_string_equal(status.field, "targeting");
    assert_int_equal(fake->calls, 0);
}

static void expect_refused(struct logic *logic, const char *reason)
{
    struct rpc_status status;
    char id[64];
    assert_int_not_equal(launch_now(logic, id, &status), RPC_OK);
    expect_reason(&status, reason);
}

/* From nothing to all that a launch needs, one after the other. */
static void refuses_what_is_not_ready(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    expect_refused(logic, "NOT_FOUND"); /* no such customer */
    put_customer(logic->store, true);
    expect_refused(logic, "ACCOUNT_SUSPENDED");
    put_customer(logic->store, false);
    expect_refused(logic, "WEBSITE_NOT_CONNECTED");
    atomic_store(&fake->site_slow, true);
    fake->site_items = 2;
    fake->site_excluded = 2;
    assert_true(connect_for(logic, SITE, 1200, &status) >= 0);
    expect_refused(logic, "SCAN_IN_PROGRESS");
    atomic_store(&fake->site_slow, false);
    assert_int_equal(connect_site(logic, SITE, &status), 2);
    expect_refused(logic, "META_NOT_CONNECTED");
    put_connection(logic->store, logic->services, NULL, false, "USD");
    expect_refused(logic, "META_NOT_CONNECTED");
    put_connection(logic->store, logic->services, FAKE_TOKEN, true, "USD");
    expect_refused(logic, "META_NOT_CONNECTED");
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "EUR");
    expect_refused(logic, "INVALID_CURRENCY");
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    expect_refused(logic, "OUT_OF_CREDITS");
    put_balance(logic->store, 0);
    expect_refused(logic, "OUT_OF_CREDITS");
    put_balance(logic->store, -1);
    expect_refused(logic, "OUT_OF_CREDITS");
    put_balance(logic->store, 1);
    expect_refused(logic, "NO_ITEMS_FOUND");
    assert_int_equal(fake->calls, 0);
    fake->site_excluded = 1;
    fake->site_price++; /* another content */
    assert_int_equal(connect_site(logic, SITE, &status), 2);
    char id[64];
    expect_ok(launch_now(logic, id, &status), &status);
    expect_campaign(logic, id, 1);
}

static void refuses_a_currency_without_a_rate(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    char id[64];
    ready_to_launch(logic);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "EUR");
    Lotcast__V1__LaunchRequest request = launch_request();
    request.currency = (char *)"EUR";
    assert_int_not_equal(launch_with(logic, &request, id, &status), RPC_OK);
    expect_reason(&status, "INVALID_CURRENCY");
}

/* --- joining --- */

#define CALLERS 20

struct caller {
    struct logic *logic;
    pthread_t thread;
    enum rpc_code code;
    struct rpc_status status;
    char id[64];
};

static void *caller_main(void *caller_)
{
    struct caller *caller = caller_;
    caller->code = launch_now(caller->logic, caller->id, &caller->status);
    return NULL;
}

static void calls_at_once_make_one(void **state)
{
    struct logic *logic = *state;
    static struct caller callers[CALLERS];
    ready_to_launch(logic);
    fake->polls_until_finished = 2;
    int joined = 0;
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i].logic = logic;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), 0);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        if (callers[i].code == RPC_OK) {
            joined++;
            assert_string_equal(callers[i].id, fake_object_of(META_CAMPAIGN)->id);
        } else {
            expect_reason(&callers[i].status, "ALREADY_LAUNCHED"); /* it came after the end */
        }
    }
    assert_true(joined >= 1);
    expect_one_of_each();
}

/* --- failures --- */

static void fails_and_is_launched_again(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    char id[64];
    ready_to_launch(logic);
    fake->fault = FAKE_REFUSED;
    fake->fault_at = 6; /* the ad set: catalog, items, status, product set and campaign are made */
    assert_int_not_equal(launch_now(logic, id, &status), RPC_OK);
    expect_reason(&status, "UPSTREAM_ERROR");
    assert_string_equal(status.upstream, "meta");
    assert_int_equal(fake_count(META_CAMPAIGN), 1);
    context_begin(&test);
    assert_null(CUSTOMER_RECORD(logic, &test, campaign));
    context_end(&test);

    /* The company has another name by now, and another budget is wanted. */
    Lotcast__V1__CustomerRecord customer = LOTCAST__V1__CUSTOMER_RECORD__INIT;
    customer.customer_id = CUSTOMER;
    customer.company = (char *)"Acme Inc.";
    (void)put_record(logic->store, &customer);
    expect_ok(launch_now(logic, id, &status), &status);
    expect_one_of_each();
    expect_campaign(logic, id, 12);
}

static void another_budget_gets_another_ad_set(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    char id[64];
    ready_to_launch(logic);
    fake->fault = FAKE_REFUSED;
    fake->fault_at = 7; /* the creative: the ad set is made */
    assert_int_not_equal(launch_now(logic, id, &status), RPC_OK);
    Lotcast__V1__LaunchRequest request = launch_request();
    request.monthly_budget = 304000;
    expect_ok(launch_with(logic, &request, id, &status), &status);
    assert_int_equal(fake_count(META_CAMPAIGN), 1);
    assert_int_equal(fake_count(META_AD_SET), 2);
    int active = 0;
    for (int i = 0; i < fake->object_count; i++) {
        if (fake->objects[i].kind != META_AD_SET || !fake->objects[i].active)
            continue;
        active++;
        assert_int_equal(fake->objects[i].daily_budget, 10000);
    }
    assert_int_equal(active, 1);
}

/* Each n-th call fails, having had its effect or not. */
static void makes_one_of_each_over_a_bad_line(void **state)
{
    static const struct {
        enum fake_fault fault;
        int every;
    } rows[] = {{FAKE_UNKNOWN_OUTCOME, 2},
                {FAKE_UNKNOWN_OUTCOME, 3},
                {FAKE_UNAVAILABLE, 4},
                {FAKE_THROTTLED, 4}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *inner;
        struct rpc_status status;
        char id[64];
        (void)state;
        assert_int_equal(begin(&inner), 0);
        struct logic *logic = inner;
        ready_to_launch(logic);
        fake->fault = rows[i].fault;
        fake->fault_every = rows[i].every;
        expect_ok(launch_now(logic, id, &status), &status);
        fake->fault_every = 0;
        expect_one_of_each();
        expect_campaign(logic, id, 12);
        assert_int_equal(end(&inner), 0);
    }
}

static void a_dead_token_ends_it(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    char id[64];
    ready_to_launch(logic);
    fake->fault = FAKE_TOKEN_DEAD;
    fake->fault_at = 4;
    assert_int_not_equal(launch_now(logic, id, &status), RPC_OK);
    expect_reason(&status, "META_NOT_CONNECTED");
    assert_int_equal(fake->calls, 4); /* never retried */
    context_begin(&test);
    const Lotcast__V1__MetaConnectionRecord *connection =
        CUSTOMER_RECORD(logic, &test, meta_connection);
    assert_true(connection->token_dead);
    context_end(&test);
    expect_refused(logic, "META_NOT_CONNECTED");
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    expect_ok(launch_now(logic, id, &status), &status);
    expect_one_of_each();
}

static void keeps_refused_items_apart(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    char id[64];
    ready_to_launch(logic);
    fake->refused_item_id = 5;
    expect_ok(launch_now(logic, id, &status), &status);
    expect_campaign(logic, id, 11);
    context_begin(&test);
    const Lotcast__V1__ItemRecord *item =
        record_get(logic, &test, &lotcast__v1__item_record__descriptor,
                   store_key(store_number(CUSTOMER), store_number(5)));
    assert_string_equal(item->meta_error, "The image is too small");
    assert_int_equal(item->synced_hash.len, 0);
    context_end(&test);
}

static void an_empty_catalog_is_no_success(void **state)
{
    struct logic *logic = *state;
    ready_to_launch(logic);
    fake->refused_item_id = -1;
    expect_refused(logic, "UPSTREAM_ERROR");
    fake->refused_item_id = 0;
    fake->batch_fails = true;
    expect_refused(logic, "UPSTREAM_ERROR");
    assert_int_equal(fake_count(META_CAMPAIGN), 0);
}

static void submits_in_batches(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    char id[64];
    ready_to_launch(logic);
    fake->site_items = 10500;
    assert_int_equal(connect_site(logic, SITE, &status), 10500);
    fake->takes_at_most = 3000; /* "reduce the amount of data" */
    expect_ok(launch_now(logic, id, &status), &status);
    assert_int_equal(fake->item_count, 10500);
    expect_campaign(logic, id, 10500);
}

static void the_website_stays_during_a_launch(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    ready_to_launch(logic);
    fake->polls_until_finished = 1 << 20;
    struct caller caller = {.logic = logic};
    assert_int_equal(pthread_create(&caller.thread, NULL, caller_main, &caller), 0);
    while (fake_count(META_CATALOG) == 0)
        (void)usleep(1000);
    assert_int_equal(connect_site(logic, "https://other.example/", &status), -1);
    expect_reason(&status, "CONFLICT");
    fake->polls_until_finished = 0;
    assert_int_equal(pthread_join(caller.thread, NULL), 0);
    expect_ok(caller.code, &caller.status);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(makes_and_activates),
        TEST(refuses_wrong_fields),
        TEST(refuses_what_is_not_ready),
        TEST(refuses_a_currency_without_a_rate),
        TEST(calls_at_once_make_one),
        TEST(fails_and_is_launched_again),
        TEST(another_budget_gets_another_ad_set),
        cmocka_unit_test(makes_one_of_each_over_a_bad_line),
        TEST(a_dead_token_ends_it),
        TEST(keeps_refused_items_apart),
        TEST(an_empty_catalog_is_no_success),
        TEST(submits_in_batches),
        TEST(the_website_stays_during_a_launch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
