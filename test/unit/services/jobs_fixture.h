/*
 * The logic role over a real store in a private directory, with time limits fit for a test.
 */
#ifndef TEST_UNIT_SERVICES_JOBS_FIXTURE_H
#define TEST_UNIT_SERVICES_JOBS_FIXTURE_H

#include "rpc/services/jobs/internal.h"
#include "test/unit/store/fixture.h"

#define JOB_RECORD (&lotcast__v1__job_record__descriptor)
/* Nothing here takes longer, even under a sanitizer on a busy machine. */
#define PATIENCE_MS 60000

/* The directory of the role's key files; NULL: it has none. */
static const char *logic_keys;

/* The role's options over a store; everything else is the test's own. */
static inline struct services_options logic_options(struct fixture *fixture)
{
    static const struct http_address_policy anywhere;
    return (struct services_options){.registry = fixture->registry,
                                     .store = fixture->client,
                                     .scan_policy = &anywhere,
                                     .public_url = "http://localhost",
                                     .secret_key = {1, 2, 3},
                                     .key_directory = logic_keys,
                                     .credit_rates = "USD:20",
                                     .scan_items_max = 100000};
}

/* Makes a role whose jobs have not started; its limits may be changed before. */
static inline struct services *logic_create(struct fixture *fixture)
{
    const struct services_options options = logic_options(fixture);
    struct services *services = NULL;
    struct rpc_status status;
    expect_ok(services_create(&options, &services, &status), &status);
    services->jobs->poll_ms = 20;
    services->jobs->heartbeat_ms = 50;
    services->jobs->backoff_ms_min = 5;
    services->jobs->look_again_ms = 20;
    return services;
}

static inline void logic_start(struct services *services)
{
    struct rpc_status status;
    expect_ok(services_jobs_start(services, &status), &status);
}

static inline void logic_stop(struct services *services)
{
    services_jobs_stop(services, PATIENCE_MS);
    services_destroy(services);
}

/* A job as it is stored, in the test's arena; fails the test if there is none. */
static inline Lotcast__V1__JobRecord *job_get(struct fixture *fixture, struct test_context *test,
                                              int64_t job_id)
{
    struct rpc_status status;
    Lotcast__V1__JobRecord *job = NULL;
    expect_ok(store_get(fixture->client, &test->context, JOB_RECORD, NULL,
                        store_key(store_number(job_id)), &job, NULL, &status),
              &status);
    assert_non_null(job);
    return job;
}

/* Adds a job by itself. Returns the commit's code. */
static inline enum rpc_code job_try_add(struct services *services, Lotcast__V1__JobRecord *job,
                                        int64_t *ret_job_id, struct rpc_status *status)
{
    struct test_context test;
    struct store_commit commit;
    context_begin(&test);
    store_commit_init(&commit, services->options.store, &test.context);
    expect_ok(jobs_add(services->jobs, &test.context, &commit, job, ret_job_id, status), status);
    enum rpc_code code = store_commit_send(&commit, &test.context, NULL, status);
    context_end(&test);
    if (code == RPC_OK)
        jobs_wake(services->jobs);
    return code;
}

static inline int64_t job_add(struct services *services, Lotcast__V1__JobKind kind,
                              int64_t customer_id)
{
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    struct rpc_status status;
    int64_t job_id = 0;
    job.kind = kind;
    job.customer_id = customer_id;
    expect_ok(job_try_add(services, &job, &job_id, &status), &status);
    return job_id;
}

/* A job's end, for wait_until. */
struct job_end {
    struct fixture *fixture;
    int64_t job_id;
    Lotcast__V1__JobState state;
};

static inline bool job_is_in_state(void *end_)
{
    struct job_end *end = end_;
    struct test_context test;
    context_begin(&test);
    bool is = job_get(end->fixture, &test, end->job_id)->state == end->state;
    context_end(&test);
    return is;
}

static inline void job_expect(struct fixture *fixture, int64_t job_id, Lotcast__V1__JobState state)
{
    struct job_end end = {fixture, job_id, state};
    if (wait_until(job_is_in_state, &end, PATIENCE_MS))
        return;
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__JobRecord *job = job_get(fixture, &test, job_id);
    fail_msg("job %lld: state %d at step %d, attempt %d: %s", (long long)job_id, (int)job->state,
             (int)job->step, (int)job->attempt, job->error == NULL ? "" : job->error->message);
}

#define JOB_DONE LOTCAST__V1__JOB_STATE__JOB_STATE_SUCCEEDED
#define JOB_FAILED LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED
#define JOB_ACTIVE LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE

#endif
