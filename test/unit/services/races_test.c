/*
 * A write that loses its race three times is a CONFLICT that has changed nothing, whichever the
 * method; once nobody is ahead any more the same call goes through. The store lets the calls lose.
 */
#include "lotcast/v1/announcements.pb-c.h"
#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/dashboard.pb-c.h"
#include "rpc/services/campaign.h"
#include "test/unit/services/settings_fixture.h"
#include "test/unit/services/sync_fixture.h"

/* A message of any type with its descriptor's defaults. */
static void *message(struct test_context *test, const ProtobufCMessageDescriptor *descriptor)
{
    void *made = arena_alloc(&test->arena, descriptor->sizeof_message);
    assert_non_null(made);
    protobuf_c_message_init(descriptor, made);
    return made;
}

/* --- requests, in the test's arena --- */

static const void *select_accounts(struct test_context *test)
{
    Lotcast__V1__SelectMetaAccountsRequest *request =
        message(test, &lotcast__v1__select_meta_accounts_request__descriptor);
    request->ad_account_id = (char *)"act_1";
    request->page_id = (char *)"page_1";
    request->business_id = (char *)"business_1";
    return request;
}

static const void *connect_website(struct test_context *test)
{
    Lotcast__V1__ConnectWebsiteRequest *request =
        message(test, &lotcast__v1__connect_website_request__descriptor);
    request->url = (char *)SITE;
    return request;
}

static const void *launch(struct test_context *test)
{
    Lotcast__V1__LaunchRequest *request = message(test, &lotcast__v1__launch_request__descriptor);
    *request = launch_request();
    return request;
}

static const void *set_auto_sync(struct test_context *test)
{
    Lotcast__V1__SetAutoSyncRequest *request =
        message(test, &lotcast__v1__set_auto_sync_request__descriptor);
    request->enabled = message(test, &google__protobuf__bool_value__descriptor);
    return request;
}

static const void *update_ads(struct test_context *test)
{
    Lotcast__V1__UpdateAdsRequest *request =
        message(test, &lotcast__v1__update_ads_request__descriptor);
    request->monthly_budget = message(test, &google__protobuf__int64_value__descriptor);
    request->monthly_budget->value = 400000;
    return request;
}

static const void *dismiss(struct test_context *test)
{
    Lotcast__V1__DismissSuggestionRequest *request =
        message(test, &lotcast__v1__dismiss_suggestion_request__descriptor);
    request->id = (char *)"announcement-1";
    return request;
}

static const void *withdraw(struct test_context *test)
{
    Lotcast__V1__WithdrawAnnouncementRequest *request =
        message(test, &lotcast__v1__withdraw_announcement_request__descriptor);
    request->id = (char *)"announcement-1";
    return request;
}

static const void *update_settings(struct test_context *test)
{
    Lotcast__V1__UpdateSettingsRequest *request =
        message(test, &lotcast__v1__update_settings_request__descriptor);
    request->user = message(test, &lotcast__v1__settings_user_change__descriptor);
    request->user->company = message(test, &google__protobuf__string_value__descriptor);
    request->user->company->value = (char *)"Acme Motors";
    return request;
}

static const void *sync_now(struct test_context *test)
{
    return message(test, &lotcast__v1__sync_request__descriptor);
}

static const void *pause_ads(struct test_context *test)
{
    return message(test, &lotcast__v1__pause_ads_request__descriptor);
}

static const void *resume_ads(struct test_context *test)
{
    return message(test, &lotcast__v1__resume_ads_request__descriptor);
}

static const void *disconnect_meta(struct test_context *test)
{
    return message(test, &lotcast__v1__disconnect_meta_request__descriptor);
}

/* --- the races --- */

struct race {
    const char *method;
    const ProtobufCMessageDescriptor *record; /* what the others are quicker to change */
    const void *(*request)(struct test_context *test);
};

static enum rpc_code run(struct logic *logic, struct test_context *test, const struct race *race,
                         struct rpc_status *status)
{
    const void *response = NULL;
    test->context.deadline_ms = clock_mono_ms() + PATIENCE_MS;
    return call(logic, test, race->method, race->request(test), &response, status);
}

/* The customer's only record of the type, or the first announcement: its version; 0: none. */
static uint64_t version_of(struct logic *logic, struct test_context *test,
                           const ProtobufCMessageDescriptor *record)
{
    struct rpc_status status;
    void *row = NULL;
    uint64_t version = 0;
    bool is_customers = record != &lotcast__v1__announcement_record__descriptor;
    if (record == JOB_RECORD)
        return 0;
    expect_ok(store_get(logic->store->client, &test->context, record, NULL,
                        store_key(store_number(is_customers ? CUSTOMER : 1)), &row, &version,
                        &status),
              &status);
    return version;
}

static void lose_then_win(struct logic *logic, const struct race *races, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct test_context test;
        struct rpc_status status;
        context_begin(&test);
        uint64_t version = version_of(logic, &test, races[i].record);
        lost_race_begin(logic->store->registry, races[i].record);
        enum rpc_code code = run(logic, &test, &races[i], &status);
        int lost = lost_race_end();
        if (code != RPC_ABORTED || lost < SERVICES_COMMIT_TRIES)
            fail_msg("%s: %s after %d lost races", races[i].method, rpc_code_name(code), lost);
        expect_reason(&status, "CONFLICT");
        assert_int_equal(version_of(logic, &test, races[i].record), version);
        code = run(logic, &test, &races[i], &status);
        if (code != RPC_OK)
            fail_msg("%s: %s: %s", races[i].method, rpc_code_name(code), status.message);
        context_end(&test);
    }
}

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
#define RECORD(type) (&lotcast__v1__##type##_record__descriptor)

static void before_a_launch(void **state)
{
    static const struct race races[] = {
        {"lotcast.v1.MetaAuth/SelectMetaAccounts", RECORD(meta_connection), select_accounts},
        {"lotcast.v1.Onboarding/ConnectWebsite", RECORD(website), connect_website},
        {"lotcast.v1.Onboarding/Launch", RECORD(campaign), launch},
    };
    struct logic *logic = *state;
    struct test_context test;
    Lotcast__V1__MetaAccount page = LOTCAST__V1__META_ACCOUNT__INIT;
    Lotcast__V1__MetaAccount *pages[] = {&page};
    Lotcast__V1__MetaAccount business = LOTCAST__V1__META_ACCOUNT__INIT;
    Lotcast__V1__MetaAccount *businesses[] = {&business};
    put_account(logic);
    put_balance(logic->store, 1000000);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    fake->site_items = 12;
    context_begin(&test);
    Lotcast__V1__MetaConnectionRecord *connection = CUSTOMER_RECORD(logic, &test, meta_connection);
    page.id = (char *)"page_1";
    business.id = (char *)"business_1";
    connection->n_pages = connection->n_businesses = 1;
    connection->pages = pages;
    connection->businesses = businesses;
    (void)put_record(logic->store, connection);
    context_end(&test);
    lose_then_win(logic, races, COUNT(races));
    expect_one_of_each();
}

static void of_a_launched_customer(void **state)
{
    static const struct race races[] = {
        {"lotcast.v1.Ads/SetAutoSync", RECORD(customer), set_auto_sync},
        {"lotcast.v1.Ads/UpdateAds", RECORD(campaign), update_ads},
        {"lotcast.v1.Ads/Sync", JOB_RECORD, sync_now},
        {"lotcast.v1.Ads/PauseAds", RECORD(campaign), pause_ads},
        {"lotcast.v1.Ads/ResumeAds", RECORD(campaign), resume_ads},
        {"lotcast.v1.Dashboard/DismissSuggestion", RECORD(customer), dismiss},
        {"lotcast.v1.Announcements/WithdrawAnnouncement", RECORD(announcement), withdraw},
        {"lotcast.v1.Settings/UpdateSettings", RECORD(customer), update_settings},
        {"lotcast.v1.Settings/DisconnectMeta", RECORD(meta_connection), disconnect_meta},
    };
    struct logic *logic = *state;
    struct test_context test;
    Lotcast__V1__AnnouncementRecord announcement = LOTCAST__V1__ANNOUNCEMENT_RECORD__INIT;
    announcement.announcement_id = 1;
    announcement.message = (char *)"Templates are here";
    announcement.link = (char *)"/app/templates";
    announcement.published_at_ms = 1;
    ready_to_sync(logic);
    put_user(logic->store, CUSTOMER, "john@acme.com");
    (void)put_record(logic->store, &announcement);
    lose_then_win(logic, races, COUNT(races));
    context_begin(&test);
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(logic, &test, campaign);
    assert_int_equal(campaign->monthly_budget_minor, 400000);
    assert_true(campaign->paused_by_disconnect);
    assert_false(campaign->paused_by_user);
    context_end(&test);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_a_launch),
        TEST(of_a_launched_customer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
