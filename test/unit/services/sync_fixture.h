/*
 * What the tests of syncs share: a launched customer, and a call of Sync.
 */
#ifndef TEST_UNIT_SERVICES_SYNC_FIXTURE_H
#define TEST_UNIT_SERVICES_SYNC_FIXTURE_H

#include "lotcast/v1/ads.pb-c.h"
#include "test/unit/services/launch_fixture.h"

#define ITEM (&lotcast__v1__item_record__descriptor)
#define GONE (&lotcast__v1__gone_item_record__descriptor)

/* Whether the figures that a launch is followed by have been pulled: Meta's calls are a test's own
 * from there on. */
static inline bool figures_are_pulled(void *logic_)
{
    struct logic *logic = logic_;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__JobRecord *job = NULL;
    context_begin(&test);
    expect_ok(store_get(logic->store->client, &test.context, JOB_RECORD, "by_slot",
                        store_key(store_text("insights:7")), &job, NULL, &status),
              &status);
    bool pulled = job != NULL && job->insights != NULL && job->insights->backfilled &&
                  job->lease_owner[0] == '\0';
    context_end(&test);
    return pulled;
}

/* A customer with 12 items, launched; what was sent so far is forgotten. */
static inline void ready_to_sync(struct logic *logic)
{
    struct rpc_status status;
    char id[64];
    ready_to_launch(logic);
    expect_ok(launch_now(logic, id, &status), &status);
    assert_true(wait_until(figures_are_pulled, logic, PATIENCE_MS));
    fake->updates = 0;
    fake->deletes = 0;
    fake->submits = 0;
}

struct sync_answer {
    enum rpc_code code;
    struct rpc_status status;
    bool in_progress;
    char counts[64]; /* "processed added updated removed" */
};

static inline struct sync_answer sync_for(struct logic *logic, bool confirm, int64_t ms)
{
    struct test_context test;
    struct sync_answer answer = {0};
    const Lotcast__V1__SyncResponse *response = NULL;
    Lotcast__V1__SyncRequest request = LOTCAST__V1__SYNC_REQUEST__INIT;
    request.confirm_removals = confirm;
    context_begin(&test);
    test.context.deadline_ms = clock_mono_ms() + ms;
    answer.code = call(logic, &test, "lotcast.v1.Ads/Sync", &request, &response, &answer.status);
    if (answer.code == RPC_OK) {
        assert_true(response->success);
        answer.in_progress = response->in_progress;
        (void)snprintf(answer.counts, sizeof answer.counts, "%lld %lld %lld %lld",
                       (long long)response->items_processed, (long long)response->items_added,
                       (long long)response->items_updated, (long long)response->items_removed);
    }
    context_end(&test);
    return answer;
}

static inline void sync_expect(struct logic *logic, bool confirm, const char *counts)
{
    struct sync_answer answer = sync_for(logic, confirm, PATIENCE_MS);
    expect_ok(answer.code, &answer.status);
    assert_false(answer.in_progress);
    assert_string_equal(answer.counts, counts);
}

static inline void sync_refused(struct logic *logic, bool confirm, const char *reason)
{
    struct sync_answer answer = sync_for(logic, confirm, PATIENCE_MS);
    assert_int_not_equal(answer.code, RPC_OK);
    expect_reason(&answer.status, reason);
}

/* The campaign: "catalog_items sync_failed removal_held". */
static inline void expect_marks(struct logic *logic, const char *want)
{
    struct test_context test;
    char text[64];
    context_begin(&test);
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(logic, &test, campaign);
    (void)snprintf(text, sizeof text, "%lld %d %d", (long long)campaign->catalog_items,
                   campaign->sync_failed, campaign->removal_held);
    assert_string_equal(text, want);
    context_end(&test);
}

/* Every advertised item has been taken as it is, and nothing is on its way. */
static inline void expect_in_step(struct logic *logic)
{
    struct test_context test;
    context_begin(&test);
    struct store_read_op items = records_of(logic, &test, ITEM);
    int64_t advertised = 0;
    for (size_t i = 0; i < items.ret_row_count; i++) {
        const Lotcast__V1__ItemRecord *item = (const Lotcast__V1__ItemRecord *)items.ret_rows[i];
        assert_int_equal(item->sent_hash.len, 0);
        if (item->excluded[0] != '\0') {
            assert_int_equal(item->synced_hash.len, 0);
            assert_false(fake->items[item->item_id]);
            continue;
        }
        advertised++;
        assert_true(span_equal(span_of(item->synced_hash.data, item->synced_hash.len),
                               span_of(item->content_hash.data, item->content_hash.len)));
        assert_true(fake->items[item->item_id]);
    }
    assert_int_equal(fake->item_count, advertised);
    assert_int_equal(records_of(logic, &test, GONE).ret_row_count, 0);
    context_end(&test);
}

#endif
