/* The ads page; budget and targeting; what a launch leaves to it. */
#include "test/unit/services/sync_fixture.h"

#define UPDATERS 8

static const Lotcast__V1__GetAdsResponse *get_ads(struct logic *logic, struct test_context *test)
{
    struct rpc_status status;
    const Lotcast__V1__GetAdsResponse *response = NULL;
    const Lotcast__V1__GetAdsRequest request = LOTCAST__V1__GET_ADS_REQUEST__INIT;
    expect_ok(call(logic, test, "lotcast.v1.Ads/GetAds", &request, &response, &status), &status);
    return response;
}

/* Updates; budget 0: it stays. */
static enum rpc_code update(struct logic *logic, int64_t budget, Lotcast__V1__Targeting *targeting,
                            struct rpc_status *status)
{
    struct test_context test;
    const Lotcast__V1__UpdateAdsResponse *response = NULL;
    Lotcast__V1__UpdateAdsRequest request = LOTCAST__V1__UPDATE_ADS_REQUEST__INIT;
    Google__Protobuf__Int64Value value = GOOGLE__PROTOBUF__INT64_VALUE__INIT;
    value.value = budget;
    if (budget != 0)
        request.monthly_budget = &value;
    request.targeting = targeting;
    context_begin(&test);
    test.context.deadline_ms = clock_mono_ms() + PATIENCE_MS;
    enum rpc_code code =
        call(logic, &test, "lotcast.v1.Ads/UpdateAds", &request, &response, status);
    if (code == RPC_OK)
        assert_true(response->success);
    context_end(&test);
    return code;
}

static void update_refused(struct logic *logic, int64_t budget, Lotcast__V1__Targeting *targeting,
                           const char *reason, const char *field)
{
    struct rpc_status status;
    assert_int_not_equal(update(logic, budget, targeting, &status), RPC_OK);
    expect_reason(&status, reason);
    assert_string_equal(status.field, field);
}

static void the_page_follows_the_records(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    put_customer(logic->store, false);
    context_begin(&test);
    const Lotcast__V1__GetAdsResponse *ads = get_ads(logic, &test);
    assert_false(ads->is_live);
    assert_null(ads->meta_campaign);
    assert_string_equal(ads->last_sync, "never");
    assert_null(ads->last_sync_at);
    assert_true(ads->auto_sync->enabled);
    assert_null(ads->auto_sync->next_run);
    ready_to_sync(logic);
    ads = get_ads(logic, &test);
    assert_true(ads->is_live);
    assert_int_equal(ads->item_count, 12);
    assert_int_equal(ads->meta_campaign->catalog_items, 12);
    assert_string_equal(ads->meta_campaign->campaign_name, "Acme Auto");
    assert_string_equal(ads->meta_campaign->campaign_status, "active");
    assert_string_equal(ads->meta_campaign->catalog_id, fake_object_of(META_CATALOG)->id);
    assert_int_equal(ads->meta_campaign->n_ad_formats, 2);
    assert_int_equal(ads->meta_campaign->monthly_budget, 250000);
    assert_string_equal(ads->meta_campaign->currency, "USD");
    assert_string_equal(ads->time_zone, "UTC");
    assert_int_equal(ads->meta_campaign->targeting->age_min, 25);
    assert_string_equal(ads->last_sync, "just now");
    assert_non_null(ads->auto_sync->next_run_at);
    put_connection(logic->store, logic->services, NULL, false, "USD");
    assert_null(get_ads(logic, &test)->auto_sync->next_run);
    context_end(&test);
}

static void only_what_may_be_is_changed(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    Lotcast__V1__Targeting *targeting = launch_request().targeting;
    put_customer(logic->store, false);
    update_refused(logic, 5000, NULL, "NOT_LAUNCHED", "");
    update_refused(logic, 2999, NULL, "INVALID_BUDGET", "monthlyBudget");
    ready_to_sync(logic);
    targeting->age_min = 17;
    update_refused(logic, 0, targeting, "INVALID_TARGETING", "targeting.ageMin");
    update_refused(logic, 100000001, targeting, "INVALID_BUDGET", "monthlyBudget");
    targeting->age_min = 30;
    assert_int_equal(fake_object_of(META_AD_SET)->daily_budget, 8224);

    int calls = fake->calls;
    expect_ok(update(logic, 0, NULL, &status), &status);
    assert_int_equal(fake->calls, calls);
    expect_ok(update(logic, 304000, NULL, &status), &status);
    assert_int_equal(fake_object_of(META_AD_SET)->daily_budget, 10000);
    expect_ok(update(logic, 0, targeting, &status), &status);
    assert_int_equal(fake_object_of(META_AD_SET)->daily_budget, 10000);
    assert_int_equal(fake_object_of(META_AD_SET)->age_min, 30);
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__MetaCampaign *shown = get_ads(logic, &test)->meta_campaign;
    assert_int_equal(shown->monthly_budget, 304000);
    assert_int_equal(shown->targeting->age_min, 30);
    context_end(&test);
}

static int64_t stored_budget(struct logic *logic)
{
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(logic, &test, campaign);
    int64_t budget = campaign->monthly_budget_minor;
    context_end(&test);
    return budget;
}

static void nothing_is_stored_that_meta_has_not_taken(void **state)
{
    static const struct {
        enum fake_fault fault;
        const char *reason;
    } rows[] = {{FAKE_UNAVAILABLE, "UPSTREAM_ERROR"},
                {FAKE_REFUSED, "UPSTREAM_ERROR"},
                {FAKE_THROTTLED, "UPSTREAM_ERROR"},
                {FAKE_TOKEN_DEAD, "META_NOT_CONNECTED"}};
    struct logic *logic = *state;
    struct rpc_status status;
    ready_to_sync(logic);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake->fault = rows[i].fault;
        fake->fault_every = 1;
        update_refused(logic, 400000, NULL, rows[i].reason, "");
        fake->fault_every = 0;
        assert_int_equal(stored_budget(logic), 250000);
    }
    int calls = fake->calls;
    update_refused(logic, 400000, NULL, "META_NOT_CONNECTED", ""); /* it is known by now */
    assert_int_equal(fake->calls, calls);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    expect_ok(update(logic, 400000, NULL, &status), &status);
    assert_int_equal(stored_budget(logic), 400000);
}

struct updater {
    struct logic *logic;
    int64_t budget;
    pthread_t thread;
};

static void *updater_main(void *updater_)
{
    const struct updater *updater = updater_;
    struct rpc_status status;
    for (int i = 0; i < 10; i++)
        if (update(updater->logic, updater->budget, NULL, &status) != RPC_OK)
            expect_reason(&status, "CONFLICT");
    return NULL;
}

/* Of several at once, the one that is stored is the one that Meta has. */
static void the_record_and_meta_agree(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct updater updaters[UPDATERS];
    ready_to_sync(logic);
    for (int i = 0; i < UPDATERS; i++) {
        updaters[i] = (struct updater){.logic = logic, .budget = 30400 * (i + 1)};
        assert_int_equal(pthread_create(&updaters[i].thread, NULL, updater_main, &updaters[i]), 0);
    }
    for (int i = 0; i < UPDATERS; i++)
        assert_int_equal(pthread_join(updaters[i].thread, NULL), 0);
    /* One that gave up may have been the last that Meta heard: a repeated call settles it. */
    expect_ok(update(logic, 30400, NULL, &status), &status);
    assert_int_equal(stored_budget(logic), 30400);
    assert_int_equal(fake_object_of(META_AD_SET)->daily_budget, 1000);
}

/* What an earlier launch may have sent, and has gone since, is deleted by the launch. */
static void a_launch_deletes_what_has_gone(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    struct rpc_status status;
    char id[64];
    Lotcast__V1__GoneItemRecord gone = LOTCAST__V1__GONE_ITEM_RECORD__INIT;
    gone.customer_id = CUSTOMER;
    gone.item_id = 99;
    ready_to_launch(logic);
    (void)put_record(logic->store, &gone);
    fake->items[99] = true;
    fake->item_count = 1;
    expect_ok(launch_now(logic, id, &status), &status);
    assert_int_equal(fake->deletes, 1);
    assert_int_equal(fake->item_count, 12);
    context_begin(&test);
    assert_int_equal(records_of(logic, &test, GONE).ret_row_count, 0);
    context_end(&test);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_page_follows_the_records),
        TEST(only_what_may_be_is_changed),
        TEST(nothing_is_stored_that_meta_has_not_taken),
        TEST(the_record_and_meta_agree),
        TEST(a_launch_deletes_what_has_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
