/* Syncs: what they send, what they hold back, what they tell; and when they run by themselves. */
#include "rpc/services/model/slot.h"
#include "test/unit/services/sync_fixture.h"

#define CALLERS 50
#define KIND_SYNC LOTCAST__V1__JOB_KIND__JOB_KIND_SYNC
#define KIND_AUTO_SYNC LOTCAST__V1__JOB_KIND__JOB_KIND_AUTO_SYNC

static void needs_a_launch_and_meta(void **state)
{
    struct logic *logic = *state;
    put_customer(logic->store, false);
    sync_refused(logic, false, "NOT_LAUNCHED");
    ready_to_sync(logic);
    put_connection(logic->store, logic->services, NULL, false, "USD");
    sync_refused(logic, false, "META_NOT_CONNECTED");
    put_connection(logic->store, logic->services, FAKE_TOKEN, true, "USD");
    sync_refused(logic, false, "META_NOT_CONNECTED");
    assert_int_equal(fake->site_reads, 1);
}

static void sends_nothing_unchanged(void **state)
{
    struct logic *logic = *state;
    ready_to_sync(logic);
    sync_expect(logic, false, "12 0 0 0");
    sync_expect(logic, true, "12 0 0 0");
    assert_int_equal(fake->submits, 0);
    assert_int_equal(fake->site_reads, 3);
    expect_marks(logic, "12 0 0");
    expect_in_step(logic);
}

static void sends_what_changed_alone(void **state)
{
    struct logic *logic = *state;
    ready_to_sync(logic);
    fake->site_changed = 3;
    fake->site_sold = 4;
    fake->site_gap = 5;
    fake->site_items = 14; /* 13 and 14 are new, 5 has gone */
    fake->polls_until_finished = 2;
    sync_expect(logic, false, "13 2 2 1");
    assert_int_equal(fake->updates, 4);
    assert_int_equal(fake->deletes, 1);
    assert_false(fake->items[5]);
    expect_marks(logic, "13 0 0");
    expect_in_step(logic);
    sync_expect(logic, false, "13 0 0 0");
    assert_int_equal(fake->updates, 4);
    assert_int_equal(fake->deletes, 1);
}

/* What loses its price is not advertised any more: it must leave the catalog. */
static void takes_back_what_is_not_advertised(void **state)
{
    struct logic *logic = *state;
    ready_to_sync(logic);
    fake->site_excluded = 2;
    fake->site_price++;
    sync_expect(logic, false, "12 0 12 0");
    assert_int_equal(fake->updates, 10);
    assert_int_equal(fake->deletes, 2);
    expect_marks(logic, "10 0 0");
    expect_in_step(logic);
    fake->site_excluded = 0;
    fake->site_price++;
    sync_expect(logic, false, "12 0 12 0");
    expect_marks(logic, "12 0 0");
    expect_in_step(logic);
}

static const char *meta_error(struct logic *logic, struct test_context *test, size_t index)
{
    struct store_read_op items = records_of(logic, test, ITEM);
    return ((const Lotcast__V1__ItemRecord *)items.ret_rows[index])->meta_error;
}

static void keeps_refusals(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    ready_to_sync(logic);
    fake->site_price++;
    fake->refused_item_id = 2;
    fake->refused_at_once_id = 7;
    sync_expect(logic, false, "12 0 12 0");
    expect_marks(logic, "10 0 0");
    context_begin(&test);
    assert_string_equal(meta_error(logic, &test, 1), "The image is too small");
    assert_string_equal(meta_error(logic, &test, 6), "The link is not a URL");
    assert_string_equal(meta_error(logic, &test, 0), "");
    context_end(&test);
    fake->updates = 0;
    fake->refused_item_id = 0;
    fake->refused_at_once_id = 0;
    sync_expect(logic, false, "12 0 0 0");
    assert_int_equal(fake->updates, 2);
    expect_marks(logic, "12 0 0");
    expect_in_step(logic);
}

static void an_empty_catalog_is_no_success(void **state)
{
    struct logic *logic = *state;
    ready_to_sync(logic);
    fake->site_price++;
    fake->refused_item_id = -1;
    sync_refused(logic, false, "UPSTREAM_ERROR");
    expect_marks(logic, "0 1 0");
    fake->refused_item_id = 0;
    sync_expect(logic, false, "12 0 0 0");
    expect_marks(logic, "12 0 0");
    expect_in_step(logic);
}

static void holds_a_large_removal(void **state)
{
    struct logic *logic = *state;
    ready_to_sync(logic);
    fake->site_items = 5;
    fake->site_changed = 2;
    sync_refused(logic, false, "REMOVAL_HELD");
    expect_marks(logic, "12 1 1");
    assert_int_equal(fake->submits, 0);
    fake->site_items = 0;
    sync_refused(logic, false, "REMOVAL_HELD");
    fake->site_items = 5;
    sync_expect(logic, true, "5 0 1 7");
    assert_int_equal(fake->deletes, 7);
    expect_marks(logic, "5 0 0");
    expect_in_step(logic);
    fake->site_items = 3; /* more than half */
    sync_expect(logic, false, "3 0 0 2");
    expect_in_step(logic);
}

static void an_outage_removes_nothing(void **state)
{
    static const Lotcast__V1__Reason errors[] = {LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE,
                                                 LOTCAST__V1__REASON__REASON_INVALID_URL};
    struct logic *logic = *state;
    ready_to_sync(logic);
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fake->site_error = errors[i];
        sync_refused(logic, true, "WEBSITE_UNREACHABLE");
        expect_marks(logic, "12 1 0");
    }
    fake->site_error = LOTCAST__V1__REASON__REASON_UNSPECIFIED;
    fake->site_incomplete = true;
    fake->site_items = 5;
    sync_refused(logic, true, "WEBSITE_UNREACHABLE");
    fake->site_items = 9; /* it did not get through: the others may be there */
    sync_expect(logic, true, "9 0 0 0");
    expect_marks(logic, "12 0 0");
    fake->site_incomplete = false;
    sync_expect(logic, false, "9 0 0 3");
    assert_int_equal(fake->deletes, 3);
    expect_in_step(logic);
}

static void a_dead_token_ends_it(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    ready_to_sync(logic);
    fake->site_price++;
    fake->fault = FAKE_TOKEN_DEAD;
    fake->fault_at = fake->calls + 1;
    int calls = fake->calls;
    sync_refused(logic, false, "META_NOT_CONNECTED");
    assert_int_equal(fake->calls, calls + 1);
    context_begin(&test);
    const Lotcast__V1__MetaConnectionRecord *connection =
        CUSTOMER_RECORD(logic, &test, meta_connection);
    assert_true(connection->token_dead);
    context_end(&test);
    expect_marks(logic, "12 0 0"); /* the token's own mark is enough */
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    sync_expect(logic, false, "12 0 0 0");
    assert_int_equal(fake->updates, 12);
    expect_in_step(logic);
}

static void goes_on_through_meta_s_faults(void **state)
{
    static const enum fake_fault faults[] = {FAKE_UNAVAILABLE, FAKE_UNKNOWN_OUTCOME,
                                             FAKE_THROTTLED};
    struct logic *logic = *state;
    ready_to_sync(logic);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        fake->site_price++;
        fake->fault = faults[i];
        fake->fault_every = 2;
        sync_expect(logic, false, "12 0 12 0");
        fake->fault_every = 0;
        expect_in_step(logic);
    }
    fake->site_price++;
    fake->batch_fails = true;
    sync_refused(logic, false, "UPSTREAM_ERROR");
    expect_marks(logic, "12 1 0");
    fake->batch_fails = false;
    sync_expect(logic, false, "12 0 0 0");
    expect_marks(logic, "12 0 0");
    expect_in_step(logic);
}

/* The catalog as it really is: lost items are sent again, strays of ours go, others' stay. */
static void puts_the_catalog_right(void **state)
{
    struct logic *logic = *state;
    ready_to_sync(logic);
    fake->site_gap = 5;
    sync_expect(logic, false, "11 0 0 1");
    fake->updates = 0;
    fake->deletes = 0;
    fake->items[3] = false;
    fake->items[5] = true;
    fake->items[900] = true; /* never given out: somebody else's */
    sync_expect(logic, false, "11 0 0 0");
    assert_int_equal(fake->updates, 1);
    assert_int_equal(fake->deletes, 1);
    assert_true(fake->items[3]);
    assert_false(fake->items[5]);
    assert_true(fake->items[900]);
    fake->items[900] = false;
    fake->item_count = 11;
    expect_in_step(logic);
    sync_expect(logic, false, "11 0 0 0");
    assert_int_equal(fake->updates, 1);
}

/* More than a batch of Meta's, and many commits. */
static void goes_through_large_sites(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    char id[64];
    put_customer(logic->store, false);
    put_balance(logic->store, 1000000);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    fake->site_items = 11000;
    assert_int_equal(connect_site(logic, SITE, &status), 11000);
    expect_ok(launch_now(logic, id, &status), &status);
    assert_int_equal(fake->submits, 3);
    sync_expect(logic, false, "11000 0 0 0");
    assert_int_equal(fake->submits, 3);
    fake->site_price++;
    fake->site_items = 11500;
    fake->site_gap = 7000;
    sync_expect(logic, false, "11499 500 10999 1");
    assert_int_equal(fake->deletes, 1);
    assert_int_equal(fake->item_count, 11499);
    expect_marks(logic, "11499 0 0");
    fake->site_items = 100;
    sync_expect(logic, true, "100 0 0 11399");
    assert_int_equal(fake->item_count, 100);
    expect_in_step(logic);
}

/* --- together --- */

struct caller {
    struct logic *logic;
    pthread_t thread;
    struct sync_answer answer;
};

static void *caller_main(void *caller_)
{
    struct caller *caller = caller_;
    caller->answer = sync_for(caller->logic, false, PATIENCE_MS);
    return NULL;
}

static int64_t jobs_of(struct logic *logic, Lotcast__V1__JobKind kind, int64_t *ret_last)
{
    struct test_context test;
    struct rpc_status status;
    struct store_read_op op = {.record = JOB_RECORD,
                               .index = "by_customer",
                               .key = store_key(store_number(CUSTOMER), store_number(kind)),
                               .is_range = true};
    context_begin(&test);
    expect_ok(store_read(logic->store->client, &test.context, &op, 1, &status), &status);
    int64_t count = (int64_t)op.ret_row_count;
    if (ret_last != NULL && count > 0)
        *ret_last = ((const Lotcast__V1__JobRecord *)op.ret_rows[count - 1])->job_id;
    context_end(&test);
    return count;
}

static bool site_is_read(void *reads)
{
    return fake->site_reads >= *(int *)reads;
}

static void fifty_at_once_are_one(void **state)
{
    static struct caller callers[CALLERS];
    struct logic *logic = *state;
    ready_to_sync(logic);
    fake->site_price++;
    fake->site_slow = true;
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i].logic = logic;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), 0);
    }
    int reads = 2;
    assert_true(wait_until(site_is_read, &reads, PATIENCE_MS));
    struct sync_answer late = sync_for(logic, false, 1500);
    expect_ok(late.code, &late.status);
    assert_true(late.in_progress);
    atomic_store(&fake->site_slow, false);
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        expect_ok(callers[i].answer.code, &callers[i].answer.status);
        assert_string_equal(callers[i].answer.counts, "12 0 12 0");
    }
    assert_int_equal(jobs_of(logic, KIND_SYNC, NULL), 1);
    assert_int_equal(fake->site_reads, 2);
    assert_int_equal(fake->updates, 12);
}

/* --- with scans --- */

struct catalog_wait {
    int first, last; /* item numbers that the catalog is to hold, and no others */
};

static bool catalog_holds(void *wait_)
{
    const struct catalog_wait *wait = wait_;
    for (int id = 0; id < 100; id++)
        if (fake_holds(id) != (id >= wait->first && id <= wait->last))
            return false;
    return true;
}

static void a_new_site_ends_in_a_sync(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    ready_to_sync(logic);
    fake->site_first = 101; /* items 13 to 15 */
    fake->site_items = 3;
    assert_int_equal(connect_site(logic, "https://other.example/", &status), 3);
    struct catalog_wait wait = {13, 15};
    assert_true(wait_until(catalog_holds, &wait, PATIENCE_MS));
    int64_t job_id = 0;
    assert_int_equal(jobs_of(logic, KIND_SYNC, &job_id), 1);
    job_expect(logic->store, job_id, JOB_DONE);
    assert_int_equal(fake->deletes, 12);
    expect_in_step(logic);
    expect_marks(logic, "3 0 0");
}

static void *connect_main(void *caller_)
{
    struct caller *caller = caller_;
    struct rpc_status status;
    (void)connect_for(caller->logic, "https://other.example/", PATIENCE_MS, &status);
    return NULL;
}

static void waits_for_a_first_scan(void **state)
{
    struct logic *logic = *state;
    struct caller scan = {.logic = logic};
    int reads = 2;
    ready_to_sync(logic);
    fake->site_slow = true;
    assert_int_equal(pthread_create(&scan.thread, NULL, connect_main, &scan), 0);
    assert_true(wait_until(site_is_read, &reads, PATIENCE_MS));
    sync_refused(logic, false, "SCAN_IN_PROGRESS");
    atomic_store(&fake->site_slow, false);
    assert_int_equal(pthread_join(scan.thread, NULL), 0);
}

/* A new URL while a sync reads the old one: nothing of the old site gets into the inventory. */
static void a_new_site_supersedes_what_a_sync_has_read(void **state)
{
    struct logic *logic = *state;
    struct caller sync = {.logic = logic};
    struct caller scan = {.logic = logic};
    int reads = 2;
    ready_to_sync(logic);
    fake->site_price++;
    fake->site_slow = true;
    assert_int_equal(pthread_create(&sync.thread, NULL, caller_main, &sync), 0);
    assert_true(wait_until(site_is_read, &reads, PATIENCE_MS));
    assert_int_equal(pthread_create(&scan.thread, NULL, connect_main, &scan), 0);
    reads = 3;
    assert_true(wait_until(site_is_read, &reads, PATIENCE_MS));
    fake->site_first = 101;
    fake->site_items = 3;
    atomic_store(&fake->site_slow, false);
    assert_int_equal(pthread_join(scan.thread, NULL), 0);
    assert_int_equal(pthread_join(sync.thread, NULL), 0);
    expect_ok(sync.answer.code, &sync.answer.status);
    struct catalog_wait wait = {13, 15};
    assert_true(wait_until(catalog_holds, &wait, PATIENCE_MS));
}

/* --- what it tells --- */

static void status_tells_of_the_last_one(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__GetSyncStatusResponse *response = NULL;
    const Lotcast__V1__GetSyncStatusRequest request = LOTCAST__V1__GET_SYNC_STATUS_REQUEST__INIT;
    ready_to_sync(logic);
    context_begin(&test);
    expect_ok(call(logic, &test, "lotcast.v1.Ads/GetSyncStatus", &request, &response, &status),
              &status);
    assert_false(response->in_progress);
    assert_null(response->started_at);
    fake->site_changed = 1;
    sync_expect(logic, false, "12 0 1 0");
    expect_ok(call(logic, &test, "lotcast.v1.Ads/GetSyncStatus", &request, &response, &status),
              &status);
    assert_false(response->in_progress);
    assert_int_equal(response->progress, 100);
    assert_int_equal(response->items_total, 12);
    assert_int_equal(response->items_updated, 1);
    assert_non_null(response->started_at);
    assert_non_null(response->finished_at);
    assert_null(response->error);
    fake->site_items = 1;
    sync_refused(logic, false, "REMOVAL_HELD");
    expect_ok(call(logic, &test, "lotcast.v1.Ads/GetSyncStatus", &request, &response, &status),
              &status);
    assert_string_equal(response->error->code, "REMOVAL_HELD");
    assert_true(response->error->message[0] != '\0');
    assert_non_null(response->finished_at);
    context_end(&test);
}

/* Old jobs of a customer go. */
static void keeps_the_last_twenty(void **state)
{
    struct logic *logic = *state;
    ready_to_sync(logic);
    for (int i = 0; i < 25; i++)
        sync_expect(logic, false, "12 0 0 0");
    int64_t count = jobs_of(logic, KIND_SYNC, NULL);
    assert_true(count >= 20 && count <= 21);
}

/* --- by the clock --- */

struct missed {
    struct logic *logic;
    int64_t until_ms;
};

/* False: the job is looking just now. */
static bool slots_are_missed(void *missed_)
{
    const struct missed *missed = missed_;
    struct logic *logic = missed->logic;
    struct test_context test;
    struct rpc_status status;
    struct store_commit commit;
    Lotcast__V1__JobRecord *job = NULL;
    uint64_t version = 0;
    context_begin(&test);
    expect_ok(store_get(logic->store->client, &test.context, JOB_RECORD, "by_slot",
                        store_key(store_text("auto_sync:7")), &job, &version, &status),
              &status);
    assert_non_null(job);
    job->auto_sync->handled_until_ms = missed->until_ms;
    job->due_key = clock_now_ms();
    store_commit_init(&commit, logic->store->client, &test.context);
    (void)store_commit_put_version(&commit, job, version);
    bool idle = job->lease_owner[0] == '\0';
    bool put = idle && store_commit_send(&commit, &test.context, NULL, &status) == RPC_OK;
    context_end(&test);
    return put;
}

/* Has slots dealt with until `until_ms` alone, and the job look at once. A look that runs ends with
 * a commit, which on a busy disk takes its time. */
static void slots_missed_since(struct logic *logic, int64_t until_ms)
{
    struct missed missed = {logic, until_ms};
    assert_true(wait_until(slots_are_missed, &missed, PATIENCE_MS));
    jobs_wake(logic->services->jobs);
}

struct handled_wait {
    struct logic *logic;
    int64_t since_ms;
};

static bool slots_are_handled(void *wait_)
{
    const struct handled_wait *wait = wait_;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__JobRecord *job = NULL;
    context_begin(&test);
    expect_ok(store_get(wait->logic->store->client, &test.context, JOB_RECORD, "by_slot",
                        store_key(store_text("auto_sync:7")), &job, NULL, &status),
              &status);
    bool handled =
        job->lease_owner[0] == '\0' && job->auto_sync->handled_until_ms >= wait->since_ms;
    context_end(&test);
    return handled;
}

/* Misses the slots of some days; how many syncs they start. */
static int64_t syncs_started(struct logic *logic, int64_t missed_ms)
{
    int64_t before = jobs_of(logic, KIND_SYNC, NULL);
    struct handled_wait wait = {logic, clock_now_ms()};
    slots_missed_since(logic, wait.since_ms - missed_ms);
    assert_true(wait_until(slots_are_handled, &wait, PATIENCE_MS));
    int64_t job_id = 0;
    int64_t after = jobs_of(logic, KIND_SYNC, &job_id);
    if (after > before)
        job_expect(logic->store, job_id, JOB_DONE);
    return after - before;
}

static void set_auto_sync(struct logic *logic, bool enabled, bool has_next)
{
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__SetAutoSyncResponse *response = NULL;
    Lotcast__V1__SetAutoSyncRequest request = LOTCAST__V1__SET_AUTO_SYNC_REQUEST__INIT;
    Google__Protobuf__BoolValue value = GOOGLE__PROTOBUF__BOOL_VALUE__INIT;
    value.value = enabled;
    request.enabled = &value;
    context_begin(&test);
    expect_ok(call(logic, &test, "lotcast.v1.Ads/SetAutoSync", &request, &response, &status),
              &status);
    assert_true(response->success);
    assert_int_equal(response->next_run != NULL, has_next);
    assert_int_equal(response->next_run_at != NULL, has_next);
    context_end(&test);
}

static void missed_slots_run_once(void **state)
{
    static const int64_t day_ms = (int64_t)24 * 3600 * 1000;
    struct logic *logic = *state;
    ready_to_sync(logic);
    assert_int_equal(jobs_of(logic, KIND_AUTO_SYNC, NULL), 1);
    assert_int_equal(syncs_started(logic, 3 * day_ms), 1);
    assert_int_equal(syncs_started(logic, day_ms), 1);
    fake->site_changed = 4;
    assert_int_equal(syncs_started(logic, day_ms), 1);
    assert_int_equal(fake->updates, 1);

    set_auto_sync(logic, false, false);
    assert_int_equal(syncs_started(logic, day_ms), 0);
    set_auto_sync(logic, true, true);
    assert_int_equal(syncs_started(logic, day_ms), 1);
    put_connection(logic->store, logic->services, NULL, false, "USD");
    set_auto_sync(logic, true, false);
    assert_int_equal(syncs_started(logic, day_ms), 0);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    put_customer(logic->store, true);
    set_auto_sync(logic, true, false);
    assert_int_equal(syncs_started(logic, day_ms), 0);
}

/* What a restart runs early looks, and waits for its slot. */
static void a_restart_runs_nothing_early(void **state)
{
    struct logic *logic = *state;
    ready_to_sync(logic);
    logic_close(logic);
    logic_open(logic, logic->store);
    struct handled_wait wait = {logic, 0};
    assert_true(wait_until(slots_are_handled, &wait, PATIENCE_MS));
    sync_expect(logic, false, "12 0 0 0");
    assert_int_equal(jobs_of(logic, KIND_SYNC, NULL), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(needs_a_launch_and_meta),
        TEST(sends_nothing_unchanged),
        TEST(sends_what_changed_alone),
        TEST(takes_back_what_is_not_advertised),
        TEST(keeps_refusals),
        TEST(an_empty_catalog_is_no_success),
        TEST(holds_a_large_removal),
        TEST(an_outage_removes_nothing),
        TEST(a_dead_token_ends_it),
        TEST(goes_on_through_meta_s_faults),
        TEST(puts_the_catalog_right),
        TEST(goes_through_large_sites),
        TEST(fifty_at_once_are_one),
        TEST(a_new_site_ends_in_a_sync),
        TEST(waits_for_a_first_scan),
        TEST(a_new_site_supersedes_what_a_sync_has_read),
        TEST(status_tells_of_the_last_one),
        TEST(keeps_the_last_twenty),
        TEST(missed_slots_run_once),
        TEST(a_restart_runs_nothing_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
