/*
 * A disconnection of a process that is killed: at each commit in turn, before and after it, the
 * CAMPAIGN_STATE job's included. In the end the campaign is paused, the token revoked once and
 * forgotten.
 */
#include "test/unit/services/kill_fixture.h"

static void victim_begin(struct victim *victim, struct logic *logic)
{
    struct rpc_status status;
    char id[64];
    ready_to_launch(logic);
    expect_ok(launch_now(logic, id, &status), &status);
    victim_listen(victim, logic);
    Lotcast__V1__DisconnectJob disconnect = LOTCAST__V1__DISCONNECT_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_DISCONNECT;
    job.customer_id = CUSTOMER;
    job.disconnect = &disconnect;
    victim_job(victim, &job);
}

static void expect_disconnected(struct victim *victim)
{
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__MetaConnectionRecord *connection =
        CUSTOMER_RECORD(victim->logic, &test, meta_connection);
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(victim->logic, &test, campaign);
    assert_int_equal(connection->token_sealed.len, 0);
    assert_false(connection->disconnecting);
    assert_true(campaign->paused_by_disconnect);
    assert_int_equal(campaign->state, LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_PAUSED);
    context_end(&test);
    assert_false(fake_active(META_CAMPAIGN));
    assert_int_equal(fake->revocations, 1);
}

static void survives_a_kill_at_each_commit(void **state)
{
    (void)state;
    kill_at_each_commit(victim_begin, expect_disconnected, 60);
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
    return cmocka_run_group_tests_name("disconnect_kill", tests, NULL, NULL);
}
