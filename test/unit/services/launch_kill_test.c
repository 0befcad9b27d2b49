/*
 * The launch of a process that is killed: at each commit in turn, and again and again. The program
 * is both the test and that process, whose store is the test's, over a socket.
 */
#include "test/unit/services/launch_fixture.h"

#include <signal.h>
#include <unistd.h>

#define LAUNCH_KIND LOTCAST__V1__JOB_KIND__JOB_KIND_LAUNCH

static char program[4096];

/* Counts the commits of a process and kills it at one of them. */
struct killer {
    atomic_int commits;
    int at;
    bool before; /* the commit is sent; else after its answer */
};

static bool is_commit(const struct registry_method *method)
{
    return strcmp(method->name, "lotcast.v1.Store/Commit") == 0;
}

static enum rpc_code killer_start(void *killer_, const struct rpc_request *request,
                                  struct rpc_metadata *metadata, struct rpc_status *status)
{
    struct killer *killer = killer_;
    (void)metadata;
    (void)status;
    if (!is_commit(request->method))
        return RPC_OK;
    if (atomic_fetch_add(&killer->commits, 1) + 1 == killer->at && killer->before)
        (void)raise(SIGKILL);
    return RPC_OK;
}

static void killer_end(void *killer_, const struct registry_method *method,
                       const struct rpc_status *status, int64_t elapsed_us)
{
    struct killer *killer = killer_;
    (void)status;
    (void)elapsed_us;
    if (is_commit(method) && atomic_load(&killer->commits) == killer->at && !killer->before)
        (void)raise(SIGKILL);
}

/* child STORE_URL FAKE_PATH JOB_ID CLOCK_OFFSET_MS AT before|after: runs jobs until that one is
 * done. */
static int child_main(char **argv)
{
    static struct killer killer;
    static struct fixture fixture;
    killer.at = (int)strtol(argv[5], NULL, 10);
    killer.before = strcmp(argv[6], "before") == 0;
    clock_set_offset_ms(strtoll(argv[4], NULL, 10));
    fake_open(argv[2]);
    const struct rpc_client_interceptor interceptor = {killer_start, killer_end, &killer};
    const struct rpc_channel_options options = {
        .url = argv[1], .interceptors = &interceptor, .interceptor_count = 1};
    struct rpc_status status;
    fixture.registry = make_registry();
    if (rpc_channel_open(&options, &fixture.channel, &status) != RPC_OK)
        return 1;
    fixture.client = store_client_create(fixture.channel, fixture.registry);
    struct services *services = logic_create(&fixture);
    logic_start(services);
    struct job_end done = {&fixture, strtoll(argv[3], NULL, 10), JOB_DONE};
    if (!wait_until(job_is_in_state, &done, PATIENCE_MS))
        return 2;
    logic_stop(services);
    return 0;
}

struct victim {
    struct logic *logic;
    char url[128], fake_path[128], job[24];
    int64_t offset_ms;
};

/* Runs a process, killed at its at-th commit (0: never). Whether it came to the launch's end. */
static bool child_run(struct victim *victim, int at, const char *when)
{
    struct process process;
    char offset[24], number[24];
    victim->offset_ms += JOBS_LEASE_MS + 1000; /* the one before is dead: its lease has run out */
    (void)snprintf(offset, sizeof offset, "%lld", (long long)victim->offset_ms);
    (void)snprintf(number, sizeof number, "%d", at);
    char *const argv[] = {program,     (char *)"child", victim->url, victim->fake_path,
                          victim->job, offset,          number,      (char *)when,
                          NULL};
    process_start(&process, argv, NULL, "/dev/null");
    int code = process_wait(&process, PATIENCE_MS);
    if (code != 0 && code != -SIGKILL)
        fail_msg("the process ended with %d", code);
    return code == 0;
}

/* A launch's job as the handler makes it, for a process to run. */
static void victim_begin(struct victim *victim, struct logic *logic)
{
    struct rpc_status status;
    ready_to_launch(logic);
    victim->logic = logic;
    victim->offset_ms = 0;
    (void)snprintf(victim->url, sizeof victim->url, "req+ipc://%s/s.sock", logic->store->directory);
    (void)snprintf(victim->fake_path, sizeof victim->fake_path, "%s/fake", logic->store->directory);
    expect_ok(rpc_server_listen(logic->store->server, victim->url, RPC_TRUST_ROLE, &status),
              &status);
    services_jobs_stop(logic->services, PATIENCE_MS); /* the others run it */
    const Lotcast__V1__LaunchRequest request = launch_request();
    Lotcast__V1__LaunchJob launch = LOTCAST__V1__LAUNCH_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    int64_t job_id = 0;
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
    expect_ok(job_try_add(logic->services, &job, &job_id, &status), &status);
    (void)snprintf(victim->job, sizeof victim->job, "%lld", (long long)job_id);
}

static void expect_launched_once(struct victim *victim)
{
    expect_one_of_each();
    expect_campaign(victim->logic, NULL, 12);
    assert_int_equal(fake->item_count, 12);
}

/* Killed once, at each commit of the launch in turn, before and after it. */
static void survives_a_kill_at_each_commit(void **state)
{
    static const char *const moments[] = {"before", "after"};
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        bool ended = false;
        for (int at = 1; !ended; at++) {
            void *inner;
            struct victim victim;
            assert_int_equal(begin(&inner), 0);
            victim_begin(&victim, inner);
            ended = child_run(&victim, at, moments[m]);
            if (!ended)
                assert_true(child_run(&victim, 0, "after"));
            expect_launched_once(&victim);
            assert_true(ended || at < 40);
            assert_int_equal(end(&inner), 0);
        }
    }
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
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len <= 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_a_kill_at_each_commit),
        cmocka_unit_test_setup_teardown(survives_being_killed_all_the_time, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
