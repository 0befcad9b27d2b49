/*
 * A sync of a process that is killed: at each commit in turn, before and after it. Whatever is
 * killed when, inventory and catalog are in step in the end, and each change has been counted once.
 */
#include "test/unit/services/kill_fixture.h"
#include "test/unit/services/sync_fixture.h"

static void victim_begin(struct victim *victim, struct logic *logic)
{
    ready_to_sync(logic);
    fake->site_changed = 3;
    fake->site_gap = 5;
    fake->site_items = 14;
    fake->refused_at_once_id = 6;
    fake->site_sold = 6;
    victim_listen(victim, logic);
    Lotcast__V1__SyncJob sync = LOTCAST__V1__SYNC_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_SYNC;
    job.customer_id = CUSTOMER;
    job.sync = &sync;
    victim_job(victim, &job);
}

static void expect_synced(struct victim *victim)
{
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__JobRecord *job =
        job_get(victim->logic->store, &test, strtoll(victim->job, NULL, 10));
    assert_int_equal(job->sync->items_processed, 13);
    assert_int_equal(job->sync->items_added, 2);
    assert_int_equal(job->sync->items_updated, 2);
    assert_int_equal(job->sync->items_removed, 1);
    assert_int_equal(job->sync->progress, 100);
    struct store_read_op items = records_of(victim->logic, &test, ITEM);
    assert_int_equal(items.ret_row_count, 13);
    const Lotcast__V1__ItemRecord *refused = (const Lotcast__V1__ItemRecord *)items.ret_rows[4];
    assert_int_equal(refused->item_id, 6);
    assert_string_equal(refused->meta_error, "The link is not a URL");
    assert_int_equal(refused->sent_hash.len, 0);
    assert_int_equal(records_of(victim->logic, &test, GONE).ret_row_count, 0);
    context_end(&test);
    assert_false(fake->items[5]);
    assert_int_equal(fake->item_count, 13); /* of 6 the older version */
    expect_marks(victim->logic, "12 0 0");
}

static void survives_a_kill_at_each_commit(void **state)
{
    (void)state;
    kill_at_each_commit(victim_begin, expect_synced, 60);
}

int main(int argc, char **argv)
{
    if (argc == 7 + 1 && strcmp(argv[1], "child") == 0)
        return child_main(argv + 1);
    if (!program_find())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_a_kill_at_each_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
