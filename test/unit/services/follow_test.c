/* Operations/FollowSync: a sync's progress and its end, as a stream. */
#include "lotcast/v1/operations.pb-c.h"
#include "test/unit/services/sync_fixture.h"

struct followed {
    enum rpc_code code;
    struct rpc_status status;
    size_t items;
    Lotcast__V1__FollowSyncResponse last;
};

/* Follows until the end; items tell of one sync, and progress never falls. */
static struct followed follow(struct logic *logic, bool confirm)
{
    struct followed followed = {.last = LOTCAST__V1__FOLLOW_SYNC_RESPONSE__INIT};
    Lotcast__V1__FollowSyncRequest message = LOTCAST__V1__FOLLOW_SYNC_REQUEST__INIT;
    struct test_context test;
    struct rpc_stream *stream = NULL;
    const ProtobufCMessage *item = NULL;
    message.confirm_removals = confirm;
    context_begin(&test);
    test.context.deadline_ms = clock_mono_ms() + PATIENCE_MS;
    const struct rpc_request request = {
        .method = registry_method_find(logic->store->registry,
                                       span_of_string("lotcast.v1.Operations/FollowSync")),
        .message = &message.base,
        .context = &test.context};
    followed.code = rpc_stream_open(logic->channel, &request, &stream, &followed.status);
    while (followed.code == RPC_OK) {
        followed.code = rpc_stream_next(stream, &test.arena, &item, &followed.status);
        if (followed.code != RPC_OK || item == NULL)
            break;
        const Lotcast__V1__FollowSyncResponse *shown = (const void *)item;
        assert_true(followed.items == 0 || followed.last.in_progress);
        assert_true(shown->progress >= followed.last.progress);
        followed.last = *shown;
        followed.items++;
    }
    rpc_stream_close(stream);
    context_end(&test);
    return followed;
}

static void follow_refused(struct logic *logic, const char *reason)
{
    struct followed followed = follow(logic, false);
    assert_int_not_equal(followed.code, RPC_OK);
    expect_reason(&followed.status, reason);
}

static void expect_end(const struct followed *followed, int64_t processed, int64_t removed)
{
    expect_ok(followed->code, &followed->status);
    assert_false(followed->last.in_progress);
    assert_int_equal(followed->last.progress, 100);
    assert_int_equal(followed->last.items_processed, processed);
    assert_int_equal(followed->last.items_removed, removed);
}

static void a_sync_from_its_beginning_to_its_end(void **state)
{
    struct logic *logic = *state;
    ready_to_sync(logic);
    fake->polls_until_finished = 2;
    fake->site_price++;
    struct followed followed = follow(logic, false);
    expect_end(&followed, 12, 0);
    assert_int_equal(followed.last.items_updated, 12);
    assert_in_range(followed.items, 1, 1000);
    expect_in_step(logic);
}

static void what_keeps_a_sync_from_beginning(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    put_customer(logic->store, false);
    follow_refused(logic, "NOT_LAUNCHED");
    ready_to_sync(logic);
    put_connection(logic->store, logic->services, FAKE_TOKEN, true, "USD");
    follow_refused(logic, "META_NOT_CONNECTED");
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    lost_race_begin(logic->store->registry, JOB_RECORD);
    follow_refused(logic, "CONFLICT");
    assert_int_equal(lost_race_end(), SERVICES_COMMIT_TRIES);
    context_begin(&test);
    Lotcast__V1__WebsiteRecord *website = CUSTOMER_RECORD(logic, &test, website);
    website->first_scan_pending = true;
    (void)put_record(logic->store, website);
    context_end(&test);
    follow_refused(logic, "SCAN_IN_PROGRESS");
}

static void how_a_sync_fails(void **state)
{
    struct logic *logic = *state;
    ready_to_sync(logic);
    fake->site_error = LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE;
    follow_refused(logic, "WEBSITE_UNREACHABLE");
    fake->site_error = LOTCAST__V1__REASON__REASON_UNSPECIFIED;
    fake->site_items = 5;
    follow_refused(logic, "REMOVAL_HELD");
    struct followed followed = follow(logic, true);
    expect_end(&followed, 5, 7);
    fake->site_price++;
    fake->refused_item_id = -1;
    follow_refused(logic, "UPSTREAM_ERROR");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sync_from_its_beginning_to_its_end),
        TEST(what_keeps_a_sync_from_beginning),
        TEST(how_a_sync_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
