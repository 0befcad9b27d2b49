/* Pausing and resuming: each reason is undone by its own opposite alone, and Meta always hears. */
#include "rpc/services/campaign.h"
#include "test/unit/services/sync_fixture.h"

#define TOGGLERS 6
#define TOGGLES 25

/* Sets and clears reasons, as another part of the logic does. The job's id. */
static int64_t change(struct logic *logic, unsigned set, unsigned clear)
{
    for (;;) {
        struct test_context test;
        struct rpc_status status;
        struct store_commit commit;
        struct campaign_change change = {.set = set, .clear = clear};
        context_begin(&test);
        expect_ok(store_get(logic->store->client, &test.context,
                            &lotcast__v1__campaign_record__descriptor, NULL,
                            store_key(store_number(CUSTOMER)), &change.campaign, &change.version,
                            &status),
                  &status);
        store_commit_init(&commit, logic->store->client, &test.context);
        expect_ok(campaign_change_add(logic->services, &test.context, &commit, &change, &status),
                  &status);
        enum rpc_code code = store_commit_send(&commit, &test.context, NULL, &status);
        int64_t job_id = change.ret_job_id;
        context_end(&test);
        if (code == RPC_OK) {
            jobs_wake(logic->services->jobs);
            return job_id;
        }
        assert_true(code == RPC_ABORTED || code == RPC_ALREADY_EXISTS);
    }
}

/* Changes, and waits until Meta has heard. */
static void change_and_wait(struct logic *logic, unsigned set, unsigned clear)
{
    int64_t job_id = change(logic, set, clear);
    if (job_id != 0)
        job_expect(logic->store, job_id, JOB_DONE);
}

/* Meta and the record agree on this. */
static void expect_active(struct logic *logic, bool active)
{
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(logic, &test, campaign);
    assert_int_equal(campaign->state, active ? LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE
                                             : LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_PAUSED);
    assert_int_equal(campaign_state_wanted(campaign), campaign->state);
    context_end(&test);
    assert_int_equal(fake_object_of(META_CAMPAIGN)->active, active);
}

static void each_reason_has_its_own_opposite(void **state)
{
    static const unsigned reasons[] = {CAMPAIGN_PAUSE_USER, CAMPAIGN_PAUSE_DISCONNECT,
                                       CAMPAIGN_PAUSE_SUSPENSION, CAMPAIGN_PAUSE_CREDITS,
                                       CAMPAIGN_PAUSE_DISPUTE};
    struct logic *logic = *state;
    ready_to_sync(logic);
    expect_active(logic, true);
    assert_true(change(logic, 0, 0) == 0); /* it is so already */
    for (size_t i = 0; i < 5; i++) {
        change_and_wait(logic, reasons[i], 0);
        expect_active(logic, false);
        change_and_wait(logic, 0, reasons[(i + 1) % 5]); /* another's opposite does nothing */
        expect_active(logic, false);
        change_and_wait(logic, reasons[(i + 1) % 5], 0);
        change_and_wait(logic, 0, reasons[i]);
        expect_active(logic, false);
        change_and_wait(logic, 0, reasons[(i + 1) % 5]);
        expect_active(logic, true);
    }
}

struct toggler {
    struct logic *logic;
    unsigned reason;
    pthread_t thread;
};

static void *toggler_main(void *toggler_)
{
    const struct toggler *toggler = toggler_;
    for (int i = 0; i < TOGGLES; i++) {
        (void)change(toggler->logic, toggler->reason, 0);
        (void)change(toggler->logic, 0, toggler->reason);
    }
    return NULL;
}

static bool state_is_idle(void *logic_)
{
    struct logic *logic = logic_;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__JobRecord *job = NULL;
    context_begin(&test);
    expect_ok(store_get(logic->store->client, &test.context, JOB_RECORD, "by_slot",
                        store_key(store_text("campaign_state:7")), &job, NULL, &status),
              &status);
    context_end(&test);
    return job == NULL;
}

/* However changes and the job's end fall together, the last change is heard. */
static void no_change_is_lost_at_the_job_s_end(void **state)
{
    static const unsigned reasons[TOGGLERS] = {CAMPAIGN_PAUSE_USER,       CAMPAIGN_PAUSE_DISCONNECT,
                                               CAMPAIGN_PAUSE_SUSPENSION, CAMPAIGN_PAUSE_CREDITS,
                                               CAMPAIGN_PAUSE_DISPUTE,    CAMPAIGN_PAUSE_USER};
    struct logic *logic = *state;
    ready_to_sync(logic);
    for (int round = 0; round < 3; round++) {
        struct toggler togglers[TOGGLERS];
        for (size_t i = 0; i < TOGGLERS; i++) {
            togglers[i] = (struct toggler){.logic = logic, .reason = reasons[i]};
            assert_int_equal(pthread_create(&togglers[i].thread, NULL, toggler_main, &togglers[i]),
                             0);
        }
        for (size_t i = 0; i < TOGGLERS; i++)
            assert_int_equal(pthread_join(togglers[i].thread, NULL), 0);
        assert_true(wait_until(state_is_idle, logic, PATIENCE_MS));
        expect_active(logic, true);
        (void)change(logic, 0, CAMPAIGN_PAUSE_DISPUTE);
        (void)change(logic, CAMPAIGN_PAUSE_DISPUTE, 0);
        assert_true(wait_until(state_is_idle, logic, PATIENCE_MS));
        expect_active(logic, false);
        change_and_wait(logic, 0, CAMPAIGN_PAUSE_DISPUTE);
        expect_active(logic, true);
    }
}

static bool job_failed_once(void *end_)
{
    struct job_end *end = end_;
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__JobRecord *job = job_get(end->fixture, &test, end->job_id);
    bool failed = job->error != NULL && job->lease_owner[0] == '\0';
    context_end(&test);
    return failed;
}

/* A change does not wait for the pause between two tries of an earlier one. */
static void a_new_change_hastens_a_job_that_waits(void **state)
{
    struct logic *logic = *state;
    logic->services->jobs->backoff_ms_min = 3600000;
    ready_to_sync(logic);
    fake->fault = FAKE_UNAVAILABLE;
    fake->fault_every = 1;
    struct job_end end = {logic->store, change(logic, CAMPAIGN_PAUSE_USER, 0), JOB_DONE};
    assert_true(wait_until(job_failed_once, &end, PATIENCE_MS));
    fake->fault_every = 0;
    assert_true(change(logic, CAMPAIGN_PAUSE_CREDITS, 0) == end.job_id);
    job_expect(logic->store, end.job_id, JOB_DONE);
    expect_active(logic, false);
}

static void a_dead_token_ends_it_and_the_flag_stays(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    ready_to_sync(logic);
    fake->fault = FAKE_TOKEN_DEAD;
    fake->fault_every = 1;
    int calls = fake->calls;
    int64_t job_id = change(logic, CAMPAIGN_PAUSE_CREDITS, 0);
    job_expect(logic->store, job_id, JOB_FAILED);
    assert_int_equal(fake->calls, calls + 1);
    context_begin(&test);
    const Lotcast__V1__MetaConnectionRecord *connection =
        CUSTOMER_RECORD(logic, &test, meta_connection);
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(logic, &test, campaign);
    assert_true(connection->token_dead);
    assert_true(campaign->paused_by_credits);
    assert_int_equal(campaign->state, LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE);
    context_end(&test);
    fake->fault_every = 0;
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    change_and_wait(logic, 0, 0); /* as who connects again does */
    expect_active(logic, false);
}

static void a_refusal_ends_it(void **state)
{
    struct logic *logic = *state;
    ready_to_sync(logic);
    fake->fault = FAKE_REFUSED;
    fake->fault_every = 1;
    job_expect(logic->store, change(logic, CAMPAIGN_PAUSE_USER, 0), JOB_FAILED);
    fake->fault_every = 0;
    change_and_wait(logic, CAMPAIGN_PAUSE_USER, 0); /* again: the flag is set, Meta has not heard */
    expect_active(logic, false);
}

/* --- the calls --- */

static enum rpc_code call_state(struct logic *logic, const char *method, char ret_state[static 16],
                                struct rpc_status *status)
{
    struct test_context test;
    const Lotcast__V1__PauseAdsResponse *response = NULL; /* resume's is alike */
    const Lotcast__V1__PauseAdsRequest request = LOTCAST__V1__PAUSE_ADS_REQUEST__INIT;
    const Lotcast__V1__ResumeAdsRequest resume = LOTCAST__V1__RESUME_ADS_REQUEST__INIT;
    bool pauses = strcmp(method, "PauseAds") == 0;
    char name[64];
    (void)snprintf(name, sizeof name, "lotcast.v1.Ads/%s", method);
    context_begin(&test);
    test.context.deadline_ms = clock_mono_ms() + 3000;
    enum rpc_code code =
        call(logic, &test, name, pauses ? (const void *)&request : (const void *)&resume, &response,
             status);
    if (code == RPC_OK) {
        assert_true(response->success);
        (void)snprintf(ret_state, 16, "%s", response->campaign_status);
    }
    context_end(&test);
    return code;
}

static void expect_call(struct logic *logic, const char *method, const char *want)
{
    struct rpc_status status;
    char text[16] = "";
    enum rpc_code code = call_state(logic, method, text, &status);
    if (code != RPC_OK) {
        expect_reason(&status, want);
        return;
    }
    assert_string_equal(text, want);
}

static void customers_pause_and_resume(void **state)
{
    struct logic *logic = *state;
    put_customer(logic->store, false);
    expect_call(logic, "PauseAds", "NOT_LAUNCHED");
    expect_call(logic, "ResumeAds", "NOT_LAUNCHED");
    ready_to_sync(logic);
    expect_call(logic, "ResumeAds", "active");
    expect_call(logic, "PauseAds", "paused");
    expect_active(logic, false);
    expect_call(logic, "PauseAds", "paused");
    expect_call(logic, "ResumeAds", "active");
    expect_active(logic, true);

    change_and_wait(logic, CAMPAIGN_PAUSE_SUSPENSION, 0);
    expect_call(logic, "ResumeAds", "paused");
    expect_active(logic, false);
    change_and_wait(logic, 0, CAMPAIGN_PAUSE_SUSPENSION);

    put_balance(logic->store, 0);
    expect_call(logic, "ResumeAds", "OUT_OF_CREDITS");
    expect_call(logic, "PauseAds", "paused");
    put_balance(logic->store, 1);
    expect_call(logic, "ResumeAds", "active");

    fake->fault = FAKE_UNAVAILABLE;
    fake->fault_every = 1;
    expect_call(logic, "PauseAds", "UPSTREAM_ERROR"); /* it goes on by itself */
    fake->fault_every = 0;
    assert_true(wait_until(state_is_idle, logic, PATIENCE_MS));
    expect_active(logic, false);
    fake->fault = FAKE_REFUSED;
    fake->fault_every = 1;
    expect_call(logic, "ResumeAds", "UPSTREAM_ERROR");
    fake->fault_every = 0;
    assert_false(fake_active(META_CAMPAIGN));

    put_connection(logic->store, logic->services, FAKE_TOKEN, true, "USD");
    expect_call(logic, "PauseAds", "META_NOT_CONNECTED");
    expect_call(logic, "ResumeAds", "META_NOT_CONNECTED");
}

static void *launch_main(void *logic)
{
    struct rpc_status status;
    char id[64];
    expect_ok(launch_now(logic, id, &status), &status);
    return NULL;
}

static bool items_are_sent(void *unused)
{
    (void)unused;
    return fake->submits > 0;
}

/* A suspension that comes while a launch runs. */
static void a_launch_ends_paused_where_it_must(void **state)
{
    struct logic *logic = *state;
    pthread_t thread;
    ready_to_launch(logic);
    fake->polls_until_finished = 2; /* a while */
    assert_int_equal(pthread_create(&thread, NULL, launch_main, logic), 0);
    assert_true(wait_until(items_are_sent, NULL, PATIENCE_MS));
    put_customer(logic->store, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(wait_until(state_is_idle, logic, PATIENCE_MS));
    expect_active(logic, false);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_reason_has_its_own_opposite),
        TEST(no_change_is_lost_at_the_job_s_end),
        TEST(a_new_change_hastens_a_job_that_waits),
        TEST(a_dead_token_ends_it_and_the_flag_stays),
        TEST(a_refusal_ends_it),
        TEST(customers_pause_and_resume),
        TEST(a_launch_ends_paused_where_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
