/*
 * A process that runs jobs and is killed at one of its commits. The test's program is both the test
 * and that process, whose store is the test's, over a socket.
 */
#ifndef TEST_UNIT_SERVICES_KILL_FIXTURE_H
#define TEST_UNIT_SERVICES_KILL_FIXTURE_H

#include <signal.h>
#include <unistd.h>

#include "test/unit/services/launch_fixture.h"

static char program[4096];

/* Counts the commits of a process and kills it at one of them. */
struct killer {
    atomic_int commits;
    int at;
    bool before; /* the commit is sent; else after its answer */
};

static inline bool is_commit(const struct registry_method *method)
{
    return strcmp(method->name, "lotcast.v1.Store/Commit") == 0;
}

static inline enum rpc_code killer_start(void *killer_, const struct rpc_request *request,
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

static inline void killer_end(void *killer_, const struct registry_method *method,
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
static inline int child_main(char **argv)
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

/* Runs a process, killed at its at-th commit (0: never). Whether it came to the job's end. */
static inline bool child_run(struct victim *victim, int at, const char *when)
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

/* Opens the store to the processes, which alone run the jobs from here on. */
static inline void victim_listen(struct victim *victim, struct logic *logic)
{
    struct rpc_status status;
    victim->logic = logic;
    victim->offset_ms = 0;
    (void)snprintf(victim->url, sizeof victim->url, "req+ipc://%s/s.sock", logic->store->directory);
    (void)snprintf(victim->fake_path, sizeof victim->fake_path, "%s/fake", logic->store->directory);
    expect_ok(rpc_server_listen(logic->store->server, victim->url, RPC_TRUST_ROLE, &status),
              &status);
    services_jobs_stop(logic->services, PATIENCE_MS);
}

/* The job that they are to run. */
static inline void victim_job(struct victim *victim, Lotcast__V1__JobRecord *job)
{
    struct rpc_status status;
    int64_t job_id = 0;
    expect_ok(job_try_add(victim->logic->services, job, &job_id, &status), &status);
    (void)snprintf(victim->job, sizeof victim->job, "%lld", (long long)job_id);
}

/*
 * Kills a process once, at each commit in turn, before and after it, until it comes to the job's
 * end by itself (within `commits_max`); another one then goes on. `prepare` makes the customer's
 * state and the job, in a system of its own each time; `check` looks at what has come of it.
 */
static inline void kill_at_each_commit(void (*prepare)(struct victim *victim, struct logic *logic),
                                       void (*check)(struct victim *victim), int commits_max)
{
    static const char *const moments[] = {"before", "after"};
    for (size_t m = 0; m < 2; m++) {
        bool ended = false;
        for (int at = 1; !ended; at++) {
            void *logic;
            struct victim victim;
            assert_int_equal(begin(&logic), 0);
            prepare(&victim, logic);
            ended = child_run(&victim, at, moments[m]);
            if (!ended)
                assert_true(child_run(&victim, 0, "after"));
            check(&victim);
            assert_true(ended || at < commits_max);
            assert_int_equal(end(&logic), 0);
        }
    }
}

/* For main: what this program is; false when its path is not to be had. */
static inline bool program_find(void)
{
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    return len > 0;
}

#endif
