/* The runner: claims, steps, fencing, leases, retries, stop and restart, waiting. Over a real
 * store. */
#include "test/unit/services/jobs_fixture.h"

#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#include "test/unit/services/fake_meta.h"

#define CUSTOMER 7
#define ATTEMPTS_MAX 4
#define SEEN_MAX 64

/* What the test's steps do and saw. */
static struct {
    pthread_mutex_t lock;
    char seen[SEEN_MAX + 1]; /* a letter a step run, and its attempt as a digit */
    size_t seen_len;
    enum rpc_code failure;  /* of the second step … */
    int failures;           /* … so many times */
    int polls;              /* of the third step */
    int64_t delay_ms;       /* behind the first step */
    uint64_t check_version; /* if not 0: the second step checks user 1 for it */
    atomic_bool blocks;     /* the second step waits for `go` or its cancellation */
    sem_t entered, go;
    atomic_int inside, inside_max;
} script;

static void saw(char letter, int attempt)
{
    (void)pthread_mutex_lock(&script.lock);
    if (script.seen_len + 2 <= SEEN_MAX) {
        script.seen[script.seen_len++] = letter;
        script.seen[script.seen_len++] = (char)('0' + attempt % 10);
    }
    (void)pthread_mutex_unlock(&script.lock);
}

static void expect_seen(const char *want)
{
    (void)pthread_mutex_lock(&script.lock);
    assert_string_equal(script.seen, want);
    (void)pthread_mutex_unlock(&script.lock);
}

static enum rpc_code first(struct job_step *step, struct rpc_status *status)
{
    (void)status;
    saw('a', step->job->attempt);
    Lotcast__V1__UserRecord user =
        make_user(step->job->job_id,
                  arena_printf(step->context->arena, "%lld@first", (long long)step->job->job_id));
    (void)store_commit_put(step->commit, &user);
    step->delay_ms = script.delay_ms;
    return RPC_OK;
}

/* Waits as a slow upstream makes it wait. */
static void block(struct job_step *step)
{
    int inside = atomic_fetch_add(&script.inside, 1) + 1;
    if (inside > atomic_load(&script.inside_max))
        atomic_store(&script.inside_max, inside);
    (void)sem_post(&script.entered);
    while (sem_trywait(&script.go) != 0 && !rpc_context_stopped(step->context))
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    (void)atomic_fetch_sub(&script.inside, 1);
}

static enum rpc_code second(struct job_step *step, struct rpc_status *status)
{
    saw('b', step->job->attempt);
    if (atomic_load(&script.blocks))
        block(step);
    if (rpc_context_stopped(step->context))
        return rpc_status_set(status, RPC_CANCELLED, "stopped");
    step->job->launch = arena_alloc(step->context->arena, sizeof *step->job->launch);
    lotcast__v1__launch_job__init(step->job->launch);
    step->job->launch->campaign_id = (char *)"made";
    if (script.check_version != 0) {
        (void)store_commit_check(step->commit, &lotcast__v1__user_record__descriptor,
                                 store_key(store_number(1)), script.check_version);
        script.check_version = 0;
    }
    if (script.failures > 0) {
        script.failures--;
        return rpc_status_set(status, script.failure, "as the test wants it");
    }
    return RPC_OK;
}

static enum rpc_code third(struct job_step *step, struct rpc_status *status)
{
    (void)status;
    saw('c', step->job->attempt);
    if (script.polls > 0) {
        script.polls--;
        step->polling = true;
        step->delay_ms = 1;
    }
    return RPC_OK;
}

static int failed_calls;

static enum rpc_code failed(struct job_step *step, struct rpc_status *error,
                            struct rpc_status *status)
{
    (void)status;
    (void)error;
    failed_calls++;
    Lotcast__V1__UserRecord user =
        make_user(step->job->job_id,
                  arena_printf(step->context->arena, "%lld@failed", (long long)step->job->job_id));
    (void)store_commit_put(step->commit, &user);
    return RPC_OK;
}

static const struct job_step_rule steps[] = {
    {"first", first, 1, ATTEMPTS_MAX, PATIENCE_MS},
    {"second", second, 2, ATTEMPTS_MAX, PATIENCE_MS},
    {"third", third, JOB_STEP_END, ATTEMPTS_MAX, PATIENCE_MS}};

#define KIND(kind_, name_, threads_)                                                        \
    {                                                                                       \
        .kind = kind_, .name = name_, .steps = steps, .step_count = 3, .threads = threads_, \
        .arena_bytes_max = ARENA_CALL_BYTES_MAX, .failed = failed                           \
    }

#define SLOW_KIND LOTCAST__V1__JOB_KIND__JOB_KIND_SCAN
#define OTHER_KIND LOTCAST__V1__JOB_KIND__JOB_KIND_LAUNCH
static const struct job_kind slow_kind = KIND(SLOW_KIND, "slow", 2);
static const struct job_kind other_kind = KIND(OTHER_KIND, "other", 2);

static struct services *role(struct fixture *fixture)
{
    struct services *services = logic_create(fixture);
    services->jobs->kinds[0] = &slow_kind;
    services->jobs->kinds[1] = &other_kind;
    return services;
}

static int begin(void **state)
{
    memset(&script, 0, sizeof script);
    failed_calls = 0;
    return pthread_mutex_init(&script.lock, NULL) == 0 && sem_init(&script.entered, 0, 0) == 0 &&
                   sem_init(&script.go, 0, 0) == 0
               ? set_up(state)
               : -1;
}

static void await(sem_t *semaphore)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    assert_int_equal(sem_timedwait(semaphore, &until), 0);
}

static void runs_steps_in_order(void **state)
{
    struct services *services = role(*state);
    logic_start(services);
    int64_t id = job_add(services, SLOW_KIND, CUSTOMER);
    job_expect(*state, id, JOB_DONE);
    expect_seen("a1b1c1");
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__JobRecord *job = job_get(*state, &test, id);
    assert_string_equal(job->launch->campaign_id, "made");
    assert_string_equal(job->active_slot, "");
    assert_string_equal(job->lease_owner, "");
    assert_int_equal(job->due_key, 0);
    assert_null(job->error);
    assert_true(job->finished_at_ms >= job->started_at_ms && job->started_at_ms > 0);
    context_end(&test);
    assert_true(user_version(*state, id) > 0); /* the step's own op */
    logic_stop(services);
}

static void repeats_what_may_pass(void **state)
{
    static const enum rpc_code codes[] = {RPC_UNAVAILABLE, RPC_DEADLINE_EXCEEDED,
                                          RPC_RESOURCE_EXHAUSTED, RPC_ABORTED};
    struct services *services = role(*state);
    logic_start(services);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        script.seen_len = 0;
        memset(script.seen, 0, sizeof script.seen);
        script.failure = codes[i];
        script.failures = 2;
        int64_t id = job_add(services, SLOW_KIND, CUSTOMER);
        job_expect(*state, id, JOB_DONE);
        expect_seen("a1b1b2b3c1");
    }
    assert_int_equal(failed_calls, 0);
    logic_stop(services);
}

static void gives_up(void **state)
{
    static const struct {
        enum rpc_code code;
        int failures;
        const char *seen;
    } rows[] = {{RPC_UNAVAILABLE, 99, "a1b1b2b3b4"},
                {RPC_INVALID_ARGUMENT, 99, "a1b1"},
                {RPC_PERMISSION_DENIED, 99, "a1b1"},
                {RPC_NOT_FOUND, 99, "a1b1"},
                {RPC_FAILED_PRECONDITION, 99, "a1b1"}};
    struct services *services = role(*state);
    logic_start(services);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        script.seen_len = 0;
        memset(script.seen, 0, sizeof script.seen);
        script.failure = rows[i].code;
        script.failures = rows[i].failures;
        failed_calls = 0;
        int64_t id = job_add(services, SLOW_KIND, CUSTOMER);
        job_expect(*state, id, JOB_FAILED);
        expect_seen(rows[i].seen);
        assert_int_equal(failed_calls, 1);
        struct test_context test;
        context_begin(&test);
        const Lotcast__V1__JobRecord *job = job_get(*state, &test, id);
        assert_int_equal(job->error->code, rows[i].code);
        assert_null(job->launch); /* what the failed step changed is not kept */
        assert_string_equal(job->active_slot, "");
        context_end(&test);
    }
    logic_stop(services);
}

static void polls_and_counts_on(void **state)
{
    struct services *services = role(*state);
    script.polls = 2;
    script.delay_ms = 30;
    logic_start(services);
    job_expect(*state, job_add(services, SLOW_KIND, CUSTOMER), JOB_DONE);
    expect_seen("a1b1c1c2c3");
    script.polls = 99;
    job_expect(*state, job_add(services, SLOW_KIND, CUSTOMER), JOB_FAILED);
    logic_stop(services);
}

/* A data conflict at the step's end is decided anew by running the step again. */
static void repeats_on_conflict(void **state)
{
    struct services *services = role(*state);
    script.check_version = 1; /* user 1 is not there: its version is 0 */
    logic_start(services);
    job_expect(*state, job_add(services, SLOW_KIND, CUSTOMER), JOB_DONE);
    expect_seen("a1b1b2c1");
    logic_stop(services);
}

static void keeps_one_of_a_kind(void **state)
{
    struct services *services = role(*state);
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    struct rpc_status status;
    int64_t id = job_add(services, SLOW_KIND, CUSTOMER), second_id = 0;
    job.kind = SLOW_KIND;
    job.customer_id = CUSTOMER;
    assert_int_equal(job_try_add(services, &job, &second_id, &status), RPC_ALREADY_EXISTS);
    assert_string_equal(status.field, "by_slot");
    (void)job_add(services, OTHER_KIND, CUSTOMER);
    (void)job_add(services, SLOW_KIND, CUSTOMER + 1);
    logic_start(services);
    job_expect(*state, id, JOB_DONE);
    (void)job_add(services, SLOW_KIND, CUSTOMER); /* the slot is free again */
    logic_stop(services);
}

/* Writes the job as another process would that has taken the lease. */
static void usurp(struct fixture *fixture, int64_t id, int64_t due_in_ms)
{
    struct test_context test;
    context_begin(&test);
    Lotcast__V1__JobRecord *job = job_get(fixture, &test, id);
    job->lease_owner = (char *)"somebody else";
    job->due_key = clock_now_ms() + due_in_ms;
    job->attempt++;
    (void)put_record(fixture, job);
    context_end(&test);
}

static void fences_a_step_that_lost_its_lease(void **state)
{
    struct services *services = role(*state);
    services->jobs->heartbeat_ms = PATIENCE_MS; /* so that the step's own commit finds out */
    atomic_store(&script.blocks, true);
    logic_start(services);
    int64_t id = job_add(services, SLOW_KIND, CUSTOMER);
    await(&script.entered);
    usurp(*state, id, PATIENCE_MS);
    (void)sem_post(&script.go);
    while (atomic_load(&script.inside) > 0)
        (void)sched_yield();
    logic_stop(services);
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__JobRecord *job = job_get(*state, &test, id);
    assert_string_equal(job->lease_owner, "somebody else");
    assert_int_equal(job->step, 1);
    assert_int_equal(job->attempt, 2);
    assert_null(job->launch);
    context_end(&test);
    expect_seen("a1b1");
}

static bool is_behind_first(void *end_)
{
    struct job_end *end = end_;
    struct test_context test;
    context_begin(&test);
    bool is = job_get(end->fixture, &test, end->job_id)->step == 1;
    context_end(&test);
    return is;
}

static void takes_over_when_a_lease_ends(void **state)
{
    struct services *services = role(*state);
    script.delay_ms = PATIENCE_MS * 10;
    logic_start(services);
    int64_t id = job_add(services, SLOW_KIND, CUSTOMER);
    struct job_end end = {*state, id, JOB_ACTIVE};
    assert_true(wait_until(is_behind_first, &end, PATIENCE_MS));
    usurp(*state, id, 50); /* a process that is about to die at its first try of the second step */
    job_expect(*state, id, JOB_DONE);
    assert_int_equal(script.seen[script.seen_len - 3], '2');
    logic_stop(services);
}

/* Two processes: leases shorter than the step, and still it runs once at a time. */
static void renews_leases(void **state)
{
    struct services *services[2] = {role(*state), role(*state)};
    atomic_store(&script.blocks, true);
    for (size_t i = 0; i < 2; i++) {
        services[i]->jobs->lease_ms = 400;
        services[i]->jobs->heartbeat_ms = 20;
        logic_start(services[i]);
    }
    int64_t id = job_add(services[0], SLOW_KIND, CUSTOMER);
    await(&script.entered);
    struct test_context test;
    context_begin(&test);
    int64_t first_due = job_get(*state, &test, id)->due_key;
    int64_t due = first_due;
    while (due < first_due + 1200) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        due = job_get(*state, &test, id)->due_key;
    }
    context_end(&test);
    (void)sem_post(&script.go);
    job_expect(*state, id, JOB_DONE);
    assert_int_equal(atomic_load(&script.inside_max), 1);
    expect_seen("a1b1c1");
    for (size_t i = 0; i < 2; i++)
        logic_stop(services[i]);
}

static void releases_at_stop_and_goes_on(void **state)
{
    struct services *services = role(*state);
    atomic_store(&script.blocks, true);
    logic_start(services);
    int64_t id = job_add(services, SLOW_KIND, CUSTOMER);
    await(&script.entered);
    int64_t began = clock_mono_ms();
    logic_stop(services);
    assert_true(clock_mono_ms() - began < JOBS_LEASE_MS);
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__JobRecord *job = job_get(*state, &test, id);
    assert_int_equal(job->state, JOB_ACTIVE);
    assert_string_equal(job->lease_owner, "");
    assert_true(job->due_key > 0 && job->due_key <= clock_now_ms());
    context_end(&test);
    atomic_store(&script.blocks, false);
    services = role(*state);
    logic_start(services);
    job_expect(*state, id, JOB_DONE);
    expect_seen("a1b1b2c1");
    logic_stop(services);
}

/* What waits for later runs once at start; a lease that nobody can hold is no lease. */
static void runs_waiting_jobs_at_start(void **state)
{
    struct services *services = role(*state);
    int64_t ids[3];
    for (size_t i = 0; i < 3; i++) {
        struct test_context test;
        ids[i] = job_add(services, SLOW_KIND, CUSTOMER + (int64_t)i);
        context_begin(&test);
        Lotcast__V1__JobRecord *job = job_get(*state, &test, ids[i]);
        job->due_key = clock_now_ms() + (int64_t)PATIENCE_MS * 10;
        job->lease_owner = (char *)(i == 1 ? "of a clock that was ahead" : "");
        if (i == 2) { /* a lease that may be held */
            job->lease_owner = (char *)"somebody else";
            job->due_key = clock_now_ms() + PATIENCE_MS / 2;
            services->jobs->lease_ms = PATIENCE_MS;
        }
        (void)put_record(*state, job);
        context_end(&test);
    }
    logic_start(services);
    job_expect(*state, ids[0], JOB_DONE);
    job_expect(*state, ids[1], JOB_DONE);
    job_expect(*state, ids[2], JOB_ACTIVE);
    logic_stop(services);
}

static void slow_jobs_stall_no_other_kind(void **state)
{
    struct services *services = role(*state);
    atomic_store(&script.blocks, true);
    logic_start(services);
    for (int64_t i = 0; i < 5; i++)
        (void)job_add(services, SLOW_KIND, CUSTOMER + i);
    await(&script.entered);
    await(&script.entered);
    atomic_store(&script.blocks, false);
    job_expect(*state, job_add(services, OTHER_KIND, CUSTOMER), JOB_DONE);
    assert_int_equal(atomic_load(&script.inside_max), 2); /* no more threads of that kind */
    (void)sem_post(&script.go);
    (void)sem_post(&script.go);
    logic_stop(services);
}

/* --- waiting --- */

struct waited {
    sem_t called;
    atomic_int calls;
    Lotcast__V1__JobState state; /* UNSPECIFIED: NULL was given */
};

static void note(void *waited_, const Lotcast__V1__JobRecord *job)
{
    struct waited *waited = waited_;
    (void)atomic_fetch_add(&waited->calls, 1);
    waited->state = job == NULL ? LOTCAST__V1__JOB_STATE__JOB_STATE_UNSPECIFIED : job->state;
    (void)sem_post(&waited->called);
}

static void wait_begin(struct services *services, struct waited *waited, int64_t id, int64_t ms)
{
    struct rpc_status status;
    memset(waited, 0, sizeof *waited);
    assert_int_equal(sem_init(&waited->called, 0, 0), 0);
    expect_ok(jobs_wait(services->jobs, id, clock_mono_ms() + ms, note, waited, &status), &status);
}

static void waits_for_the_end(void **state)
{
    struct services *services[2] = {role(*state), role(*state)};
    struct waited ended, elsewhere, timed_out, stopped, absent;
    atomic_store(&script.blocks, true);
    logic_start(services[0]);
    services[1]->jobs->kinds[0] = &other_kind; /* waits only: runs nothing of the slow kind */
    int64_t id = job_add(services[0], SLOW_KIND, CUSTOMER);
    await(&script.entered);
    logic_start(services[1]);
    wait_begin(services[0], &ended, id, PATIENCE_MS);
    wait_begin(services[1], &elsewhere, id, PATIENCE_MS);
    wait_begin(services[0], &timed_out, id, 30);
    wait_begin(services[0], &absent, 12345, PATIENCE_MS);
    await(&timed_out.called);
    assert_int_equal(timed_out.state, JOB_ACTIVE);
    await(&absent.called);
    assert_int_equal(absent.state, LOTCAST__V1__JOB_STATE__JOB_STATE_UNSPECIFIED);
    (void)sem_post(&script.go);
    await(&ended.called);
    assert_int_equal(ended.state, JOB_DONE);
    await(&elsewhere.called);
    assert_int_equal(elsewhere.state, JOB_DONE);

    atomic_store(&script.blocks, true);
    id = job_add(services[0], SLOW_KIND, CUSTOMER);
    await(&script.entered);
    wait_begin(services[0], &stopped, id, PATIENCE_MS);
    services_jobs_stop(services[0], PATIENCE_MS);
    await(&stopped.called);
    assert_int_equal(stopped.state, LOTCAST__V1__JOB_STATE__JOB_STATE_UNSPECIFIED);
    assert_int_equal(atomic_load(&ended.calls), 1);
    assert_int_equal(jobs_wait(services[0]->jobs, id, 0, note, &stopped, NULL), RPC_UNAVAILABLE);
    services_destroy(services[0]);
    logic_stop(services[1]);
}

/* --- pure --- */

static void backs_off(void **state)
{
    (void)state;
    static const struct {
        int64_t first;
        int32_t attempt;
        uint32_t hint, random;
        int64_t want;
    } rows[] = {{500, 1, 0, 0, 500},
                {500, 2, 0, 0, 1000},
                {500, 4, 0, 0, 4000},
                {500, 1, 0, 1023, 624},
                {500, 8, 0, 0, 60000},
                {500, 1000, 0, 0, 60000},
                {500, 1, 2000, 0, 2000},
                {500, 4, 2000, 0, 4000},
                {500, 1, UINT32_MAX, 0, JOBS_HINT_MS_MAX}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(
            jobs__backoff_ms(rows[i].first, rows[i].attempt, rows[i].hint, rows[i].random),
            rows[i].want);
}

static void classes_failures(void **state)
{
    (void)state;
    static const enum job_failure want[RPC_CODE_COUNT] = {
        [RPC_OK] = JOB_FAILURE_PERMANENT,
        [RPC_CANCELLED] = JOB_FAILURE_RETRY,
        [RPC_UNKNOWN] = JOB_FAILURE_RETRY,
        [RPC_INVALID_ARGUMENT] = JOB_FAILURE_PERMANENT,
        [RPC_DEADLINE_EXCEEDED] = JOB_FAILURE_RETRY,
        [RPC_NOT_FOUND] = JOB_FAILURE_PERMANENT,
        [RPC_ALREADY_EXISTS] = JOB_FAILURE_RETRY,
        [RPC_PERMISSION_DENIED] = JOB_FAILURE_PERMANENT,
        [RPC_RESOURCE_EXHAUSTED] = JOB_FAILURE_RETRY,
        [RPC_FAILED_PRECONDITION] = JOB_FAILURE_PERMANENT,
        [RPC_ABORTED] = JOB_FAILURE_RETRY,
        [RPC_OUT_OF_RANGE] = JOB_FAILURE_PERMANENT,
        [RPC_UNIMPLEMENTED] = JOB_FAILURE_PERMANENT,
        [RPC_INTERNAL] = JOB_FAILURE_RETRY,
        [RPC_UNAVAILABLE] = JOB_FAILURE_RETRY,
        [RPC_DATA_LOSS] = JOB_FAILURE_PERMANENT,
        [RPC_UNAUTHENTICATED] = JOB_FAILURE_TOKEN,
    };
    for (int code = 0; code < RPC_CODE_COUNT; code++) {
        struct rpc_status status = {.code = (enum rpc_code)code};
        assert_int_equal(jobs__failure_class(&status), want[code]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(runs_steps_in_order),
        TEST(repeats_what_may_pass),
        TEST(gives_up),
        TEST(polls_and_counts_on),
        TEST(repeats_on_conflict),
        TEST(keeps_one_of_a_kind),
        TEST(fences_a_step_that_lost_its_lease),
        TEST(takes_over_when_a_lease_ends),
        TEST(renews_leases),
        TEST(releases_at_stop_and_goes_on),
        TEST(runs_waiting_jobs_at_start),
        TEST(slow_jobs_stall_no_other_kind),
        TEST(waits_for_the_end),
        cmocka_unit_test(backs_off),
        cmocka_unit_test(classes_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
