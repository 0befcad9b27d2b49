/*
 * The launch of a process that is killed: at each commit in turn, and again and again. The program
 * is both the test and that process, whose store is the test's, over a socket.
 */
#include "test/unit/services/kill_fixture.h"

#define LAUNCH_KIND LOTCAST__V1__JOB_KIND__JOB_KIND_LAUNCH

/* A launch's job as the handler makes it, for a process to run. */
static void victim_begin(struct victim *victim, struct logic *logic)
{
    ready_to_launch(logic);
    victim_listen(victim, logic);
    const Lotcast__V1__LaunchRequest request = launch_request();
    Lotcast__V1__LaunchJob launch = LOTCAST__V1__LAUNCH_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    launch.monthly_budget_minor = request.monthly_budget;
    launch.currency = request.currency;
    launch.targeting = request.targeting;
    launch.company = (char *)"Acme Auto";
    launch.link = (char *)SITE;
    launch.ad_account_id = (char *)"act_1";
    launch.page_id = (char *)"page_1";
    launch.business_id = (char *)"business_1";
    launch.object_name = (char *)"Acme Auto (Lotcast 7)";
    job.kind = LAUNCH_KIND;
    job.customer_id = CUSTOMER;
    job.launch = &launch;
    victim_job(victim, &job);
}

static void expect_launched_once(struct victim *victim)
{
    expect_one_of_each();
    expect_campaign(victim->logic, NULL, 12);
    assert_int_equal(fake->item_count, 12);
}

static void survives_a_kill_at_each_commit(void **state)
{
    (void)state;
    kill_at_each_commit(victim_begin, expect_launched_once, 40);
}

/* Killed again and again, three or four commits later each time: a claim and a step or two. */
static void survives_being_killed_all_the_time(void **state)
{
    struct victim victim;
    victim_begin(&victim, *state);
    fake->polls_until_finished = 2;
    int kills = 0;
    while (!child_run(&victim, 3 + kills % 2, "after"))
        assert_true(++kills < 60);
    assert_true(kills > 5);
    expect_launched_once(&victim);
}

int main(int argc, char **argv)
{
    if (argc == 7 + 1 && strcmp(argv[1], "child") == 0)
        return child_main(argv + 1);
    if (!program_find())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_a_kill_at_each_commit),
        cmocka_unit_test_setup_teardown(survives_being_killed_all_the_time, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
