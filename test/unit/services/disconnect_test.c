/* Disconnecting Meta: paused, then revoked, then forgotten, whatever fails and whoever else calls.
 */
#include "test/unit/services/settings_fixture.h"

#include <pthread.h>

#include "rpc/services/campaign.h"
#include "rpc/services/model/standing.h"

#define ACTIVE LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE
#define PAUSED LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_PAUSED
#define UNKNOWN LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_UNSPECIFIED

static void launched(struct logic *logic)
{
    struct rpc_status status;
    char id[64];
    ready_to_launch(logic);
    put_user(logic->store, CUSTOMER, "john@acme.com");
    expect_ok(launch_now(logic, id, &status), &status);
}

static void expect_disconnected(struct logic *logic, Lotcast__V1__CampaignState state)
{
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__MetaConnectionRecord *connection =
        CUSTOMER_RECORD(logic, &test, meta_connection);
    assert_int_equal(connection->token_sealed.len, 0);
    assert_false(connection->disconnecting);
    assert_false(connection->token_dead);
    assert_string_equal(connection->ad_account_id, "act_1"); /* who it was stays */
    assert_string_equal(connection->business_id, "business_1");
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(logic, &test, campaign);
    if (campaign != NULL) {
        assert_true(campaign->paused_by_disconnect);
        assert_int_equal(campaign->state, state);
        const struct standing_facts facts = {.customer = CUSTOMER_RECORD(logic, &test, customer),
                                             .website = CUSTOMER_RECORD(logic, &test, website),
                                             .connection = connection,
                                             .campaign = campaign,
                                             .balance_centi = 1,
                                             .now_ms = clock_now_ms()};
        assert_string_equal(standing_status(&facts), "paused");
    }
    const Lotcast__V1__GetSettingsResponse *settings = settings_get(logic, &test);
    assert_false(settings->meta->connected);
    assert_null(settings->meta->account_id);
    assert_null(settings->meta->business_name);
    context_end(&test);
}

static void expect_connected(struct logic *logic)
{
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__MetaConnectionRecord *connection =
        CUSTOMER_RECORD(logic, &test, meta_connection);
    assert_true(standing_token_alive(connection, clock_now_ms()));
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(logic, &test, campaign);
    assert_false(campaign->paused_by_disconnect);
    assert_int_equal(fake->revocations, 0);
    context_end(&test);
}

static int64_t jobs_made(struct logic *logic, Lotcast__V1__JobKind kind)
{
    struct test_context test;
    struct rpc_status status;
    struct store_read_op op = {.record = JOB_RECORD,
                               .index = "by_customer",
                               .key = store_key(store_number(CUSTOMER), store_number(kind)),
                               .is_range = true,
                               .count_only = true};
    context_begin(&test);
    expect_ok(store_read(logic->store->client, &test.context, &op, 1, &status), &status);
    context_end(&test);
    return op.ret_count;
}

static void pauses_revokes_and_forgets(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    launched(logic);
    assert_true(fake_active(META_CAMPAIGN));
    expect_ok(disconnect(logic, &status), &status);
    assert_false(fake_active(META_CAMPAIGN));
    assert_int_equal(fake->revocations, 1);
    expect_disconnected(logic, PAUSED);
    /* Again is nothing to do. */
    expect_ok(disconnect(logic, &status), &status);
    assert_int_equal(fake->revocations, 1);
    assert_int_equal(jobs_made(logic, LOTCAST__V1__JOB_KIND__JOB_KIND_DISCONNECT), 1);
}

static void without_a_campaign_there_is_nothing_to_pause(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    put_account(logic);
    expect_ok(disconnect(logic, &status), &status); /* never connected */
    assert_int_equal(fake->calls, 0);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    expect_ok(disconnect(logic, &status), &status);
    assert_int_equal(fake->calls, 1);
    assert_int_equal(fake->revocations, 1);
    expect_disconnected(logic, UNKNOWN);
}

/* If Meta does not confirm the pause, nothing changes. */
static void stays_when_meta_does_not_confirm(void **state)
{
    static const enum fake_fault faults[] = {FAKE_UNAVAILABLE, FAKE_REFUSED, FAKE_THROTTLED,
                                             FAKE_UNKNOWN_OUTCOME};
    struct logic *logic = *state;
    struct rpc_status status;
    launched(logic);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        fake_fail(faults[i], 1);
        assert_int_not_equal(disconnect(logic, &status), RPC_OK);
        expect_reason(&status, "UPSTREAM_ERROR");
        assert_string_equal(status.upstream, "meta");
        fake_fail(FAKE_NONE, 0);
        expect_connected(logic);
    }
}

static bool runs_again(void *unused)
{
    (void)unused;
    return fake_active(META_CAMPAIGN);
}

/* A pause that took effect without an answer is taken back at Meta too. */
static void brings_meta_back_in_step(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    launched(logic);
    fake_fail(FAKE_UNKNOWN_OUTCOME, 1);
    assert_int_not_equal(disconnect(logic, &status), RPC_OK);
    fake_fail(FAKE_NONE, 0);
    assert_true(wait_until(runs_again, NULL, PATIENCE_MS));
    expect_connected(logic);
}

/* One that fails at first and then goes well: the customer never hears of it. */
static void one_failure_is_borne(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    launched(logic);
    fake_fail(FAKE_UNAVAILABLE, 3); /* no two calls in a row */
    expect_ok(disconnect(logic, &status), &status);
    expect_disconnected(logic, PAUSED);
}

/* The ads are paused, and the customer has asked for it: Meta's silence then keeps nothing. */
static void forgets_what_meta_does_not_revoke(void **state)
{
    static const enum fake_fault faults[] = {FAKE_UNAVAILABLE, FAKE_REFUSED};
    struct logic *logic = *state;
    struct rpc_status status;
    put_account(logic);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
        fake_fail(faults[i], 1);
        expect_ok(disconnect(logic, &status), &status);
        expect_disconnected(logic, UNKNOWN);
        assert_int_equal(fake->revocations, 0);
    }
}

static void a_dead_token_needs_no_confirmation(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    launched(logic);
    put_connection(logic->store, logic->services, FAKE_TOKEN, true, "USD");
    expect_ok(disconnect(logic, &status), &status);
    assert_int_equal(fake->revocations, 0);
    assert_true(fake_active(META_CAMPAIGN)); /* nobody could tell Meta */
    expect_disconnected(logic, UNKNOWN);
}

/* It turns out to be dead when the pause is asked for. */
static void a_token_found_dead_needs_no_confirmation(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    launched(logic);
    fake_revoke();
    expect_ok(disconnect(logic, &status), &status);
    expect_disconnected(logic, UNKNOWN);
}

/* It was paused by its owner already; Meta is asked all the same. */
static void a_paused_campaign_stays_paused(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    launched(logic);
    context_begin(&test);
    Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(logic, &test, campaign);
    campaign->paused_by_user = true;
    campaign->paused_by_disconnect = true; /* of an earlier one */
    campaign->state = PAUSED;
    (void)put_record(logic->store, campaign);
    expect_ok(disconnect(logic, &status), &status);
    assert_false(fake_active(META_CAMPAIGN));
    expect_disconnected(logic, PAUSED);
    campaign = CUSTOMER_RECORD(logic, &test, campaign);
    assert_true(campaign->paused_by_user);
    context_end(&test);
}

static void waits_for_a_launch(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    put_account(logic);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    job.job_id = 99;
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_LAUNCH;
    job.customer_id = CUSTOMER;
    job.state = JOB_ACTIVE;
    job.active_slot = (char *)"launch:7";
    job.due_key = INT64_MAX;
    (void)put_record(logic->store, &job);
    assert_int_not_equal(disconnect(logic, &status), RPC_OK);
    expect_reason(&status, "CONFLICT");
    assert_int_equal(fake->calls, 0);
}

/* --- many at once --- */

struct caller {
    struct logic *logic;
    enum rpc_code code;
    struct rpc_status status;
};

static void *call_disconnect(void *caller_)
{
    struct caller *caller = caller_;
    caller->code = disconnect(caller->logic, &caller->status);
    return NULL;
}

#define CALLERS 50

static void many_at_once_have_one_effect(void **state)
{
    struct logic *logic = *state;
    struct caller callers[CALLERS];
    pthread_t threads[CALLERS];
    launched(logic);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.logic = logic};
        assert_int_equal(pthread_create(&threads[i], NULL, call_disconnect, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        (void)pthread_join(threads[i], NULL);
        expect_ok(callers[i].code, &callers[i].status);
    }
    assert_int_equal(fake->revocations, 1);
    assert_int_equal(jobs_made(logic, LOTCAST__V1__JOB_KIND__JOB_KIND_DISCONNECT), 1);
    assert_int_equal(jobs_made(logic, LOTCAST__V1__JOB_KIND__JOB_KIND_CAMPAIGN_STATE), 1);
    expect_disconnected(logic, PAUSED);
}

/* Somebody clears the reason over and over while it is disconnected: it never ends active. */
static void *resume_often(void *logic_)
{
    struct logic *logic = logic_;
    for (int i = 0; i < 200 && fake->revocations == 0; i++) {
        struct test_context test;
        struct rpc_status status;
        struct store_commit commit;
        struct campaign_change change = {.clear = CAMPAIGN_PAUSE_DISCONNECT};
        context_begin(&test);
        store_commit_init(&commit, logic->services->options.store, &test.context);
        if (store_get(logic->store->client, &test.context,
                      &lotcast__v1__campaign_record__descriptor, NULL,
                      store_key(store_number(CUSTOMER)), &change.campaign, &change.version,
                      &status) == RPC_OK &&
            campaign_change_add(logic->services, &test.context, &commit, &change, &status) ==
                RPC_OK &&
            store_commit_send(&commit, &test.context, NULL, &status) == RPC_OK)
            jobs_wake(logic->services->jobs);
        context_end(&test);
    }
    return NULL;
}

static bool no_state_job(void *logic_)
{
    struct logic *logic = logic_;
    struct test_context test;
    struct rpc_status status;
    Lotcast__V1__JobRecord *job = NULL;
    context_begin(&test);
    expect_ok(store_get(logic->store->client, &test.context, JOB_RECORD, "by_slot",
                        store_key(store_text("campaign_state:7")), &job, NULL, &status),
              &status);
    context_end(&test);
    return job == NULL;
}

static void who_resumes_meanwhile_does_not_get_ads_that_nobody_can_pause(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    pthread_t thread;
    launched(logic);
    assert_int_equal(pthread_create(&thread, NULL, resume_often, logic), 0);
    enum rpc_code code = disconnect(logic, &status);
    (void)pthread_join(thread, NULL);
    assert_true(wait_until(no_state_job, logic, PATIENCE_MS));
    if (code == RPC_OK)
        assert_false(fake_active(META_CAMPAIGN));
    else
        assert_int_equal(fake->revocations, 0);
}

/* --- the process ends --- */

static bool is_forgotten(void *logic_)
{
    struct logic *logic = logic_;
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__MetaConnectionRecord *connection =
        CUSTOMER_RECORD(logic, &test, meta_connection);
    bool forgotten = connection->token_sealed.len == 0;
    context_end(&test);
    return forgotten;
}

/* Ended between the revocation and the forgetting: Meta says that it is dead, which will do. */
static void goes_on_after_a_restart(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    launched(logic);
    logic_close(logic);
    logic->services = NULL;
    struct services *services = logic_create(logic->store);
    context_begin(&test);
    Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(logic, &test, campaign);
    campaign->paused_by_disconnect = true;
    campaign->state = PAUSED;
    (void)put_record(logic->store, campaign);
    Lotcast__V1__MetaConnectionRecord *connection = CUSTOMER_RECORD(logic, &test, meta_connection);
    connection->disconnecting = true;
    (void)put_record(logic->store, connection);
    context_end(&test);
    fake->revoked = true;
    Lotcast__V1__DisconnectJob disconnect = LOTCAST__V1__DISCONNECT_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    disconnect.pause_set = true;
    disconnect.state_job_id = 1;
    job.job_id = 999;
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_DISCONNECT;
    job.customer_id = CUSTOMER;
    job.state = JOB_ACTIVE;
    job.step = 1;
    job.attempt = 1;
    job.due_key = 1;
    job.active_slot = (char *)"disconnect:7";
    job.lease_owner = (char *)"00000000000000000000000000000000";
    job.disconnect = &disconnect;
    (void)put_record(logic->store, &job);
    services_destroy(services);
    logic_open(logic, logic->store);
    assert_true(wait_until(is_forgotten, logic, PATIENCE_MS));
    expect_disconnected(logic, PAUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pauses_revokes_and_forgets, begin, end),
        cmocka_unit_test_setup_teardown(without_a_campaign_there_is_nothing_to_pause, begin, end),
        cmocka_unit_test_setup_teardown(stays_when_meta_does_not_confirm, begin, end),
        cmocka_unit_test_setup_teardown(brings_meta_back_in_step, begin, end),
        cmocka_unit_test_setup_teardown(one_failure_is_borne, begin, end),
        cmocka_unit_test_setup_teardown(forgets_what_meta_does_not_revoke, begin, end),
        cmocka_unit_test_setup_teardown(a_dead_token_needs_no_confirmation, begin, end),
        cmocka_unit_test_setup_teardown(a_token_found_dead_needs_no_confirmation, begin, end),
        cmocka_unit_test_setup_teardown(a_paused_campaign_stays_paused, begin, end),
        cmocka_unit_test_setup_teardown(waits_for_a_launch, begin, end),
        cmocka_unit_test_setup_teardown(many_at_once_have_one_effect, begin, end),
        cmocka_unit_test_setup_teardown(
            who_resumes_meanwhile_does_not_get_ads_that_nobody_can_pause, begin, end),
        cmocka_unit_test_setup_teardown(goes_on_after_a_restart, begin, end),
    };
    return cmocka_run_group_tests_name("disconnect", tests, NULL, NULL);
}
