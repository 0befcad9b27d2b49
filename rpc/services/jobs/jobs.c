/*
 * Threads and lists of the jobs: pools, heartbeat, start and stop. runner.c explains how a job
 * runs.
 *
 * Threads: a pool for each kind, so that a slow one stalls no other; the scheduler, which hands due
 * jobs to the pools; the heartbeat, which renews leases; the watcher, which serves jobs_wait. A run
 * is made by the scheduler, listed in `runs` while it exists, owned by its pool's thread, and
 * borrowed by the heartbeat with a reference.
 */
#include "rpc/services/jobs/internal.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/base/metrics.h"

/* The owner's random bytes. */
#define OWNER_RANDOM_BYTES ((JOBS_OWNER_BYTES - 1) / 2)

/* Every kind, and its label in the metrics. */
static const struct {
    const struct job_kind *kind;
    const char *label;
} kinds[JOBS_KINDS] = {
    {&jobs__scan, "kind=\"scan\""},
    {&jobs__launch, "kind=\"launch\""},
    {&jobs__insights, "kind=\"insights\""},
    {&jobs__campaign_state, "kind=\"campaign_state\""},
    {&jobs__sync, "kind=\"sync\""},
    {&jobs__auto_sync, "kind=\"auto_sync\""},
    {&jobs__disconnect, "kind=\"disconnect\""},
    {&jobs__reseal, "kind=\"reseal\""},
};

static struct metric metrics[JOB_METRIC_COUNT][JOBS_KINDS];

void jobs__metrics_register(void)
{
    static const struct {
        const char *name, *help;
        enum metric_kind kind;
    } rows[JOB_METRIC_COUNT] = {
        {"lotcast_jobs_running", "Jobs that run in this process.", METRIC_KIND_GAUGE},
        {"lotcast_job_steps_total", "Steps of jobs begun.", METRIC_KIND_COUNTER},
        {"lotcast_job_retries_total", "Steps put off to be tried again.", METRIC_KIND_COUNTER},
        {"lotcast_jobs_succeeded_total", "Jobs ended well.", METRIC_KIND_COUNTER},
        {"lotcast_jobs_failed_total", "Jobs failed for good.", METRIC_KIND_COUNTER},
        {"lotcast_jobs_lost_total", "Jobs whose lease was lost.", METRIC_KIND_COUNTER},
    };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i < JOB_METRIC_COUNT; i++) {
        for (size_t k = 0; k < JOBS_KINDS; k++) {
            if (metrics[i][k].registered)
                continue;
            metrics[i][k].name = rows[i].name;
            metrics[i][k].help = rows[i].help;
            metrics[i][k].labels = kinds[k].label;
            metrics[i][k].kind = rows[i].kind;
            metrics_register(&metrics[i][k]);
        }
    }
    (void)pthread_mutex_unlock(&lock);
}

void jobs__metric_add(const struct job_kind *kind, enum job_metric metric, int64_t delta)
{
    for (size_t k = 0; k < JOBS_KINDS; k++)
        if (kinds[k].kind->kind == kind->kind)
            metric_add(&metrics[metric][k], delta);
}

void jobs__cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_ms)
{
    struct timespec until = {.tv_sec = mono_ms / 1000, .tv_nsec = mono_ms % 1000 * 1000000};
    (void)pthread_cond_timedwait(cond, lock, &until);
}

static bool cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(cond, &attributes) == 0;
    (void)pthread_condattr_destroy(&attributes);
    return ok;
}

struct rpc_context jobs__own_context(struct arena *arena, const char *name)
{
    struct rpc_context context = {.arena = arena,
                                  .deadline_ms = clock_mono_ms() + JOBS_STORE_CALL_MS,
                                  .waits_for_ready = true};
    (void)snprintf(context.request_id, sizeof context.request_id, "%s", name);
    return context;
}

const struct job_kind *jobs__kind_of(const struct jobs *jobs, Lotcast__V1__JobKind kind)
{
    for (size_t i = 0; i < JOBS_KINDS; i++)
        if (jobs->kinds[i]->kind == kind)
            return jobs->kinds[i];
    return NULL;
}

/* --- runs --- */

/* Under jobs->lock. */
static void run_unref(struct job_run *run)
{
    if (--run->refs > 0)
        return;
    (void)pthread_mutex_destroy(&run->lock);
    free(run->record);
    free(run);
}

/* Takes a run off the list and gives its place up. Under jobs->lock. */
static void run_end(struct job_pool *pool, struct job_run *run)
{
    struct job_run **at = &pool->jobs->runs;
    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
    pool->busy--;
    if (pool->jobs->stopping && pool->jobs->runs == NULL)
        (void)pthread_cond_signal(&pool->jobs->beat); /* it stays until the last has ended */
    run_unref(run);
}

static struct job_run *run_create(struct jobs *jobs, const struct job_kind *kind,
                                  const Lotcast__V1__JobRecord *job, uint64_t version)
{
    struct job_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return NULL;
    run->record_len = lotcast__v1__job_record__get_packed_size(job);
    run->record = malloc(run->record_len + 1);
    if (run->record == NULL || pthread_mutex_init(&run->lock, NULL) != 0) {
        free(run->record);
        free(run);
        return NULL;
    }
    (void)lotcast__v1__job_record__pack(job, run->record);
    run->jobs = jobs;
    run->kind = kind;
    run->job_id = job->job_id;
    run->version = version;
    run->refs = 1;
    return run;
}

static struct job_pool *pool_of(struct jobs *jobs, const struct job_kind *kind)
{
    for (size_t i = 0; i < JOBS_KINDS; i++)
        if (jobs->pools[i].kind == kind)
            return &jobs->pools[i];
    return NULL;
}

static bool is_running(const struct jobs *jobs, int64_t job_id)
{
    for (const struct job_run *run = jobs->runs; run != NULL; run = run->next)
        if (run->job_id == job_id)
            return true;
    return false;
}

bool jobs__hand_over(struct jobs *jobs, const Lotcast__V1__JobRecord *job, uint64_t version)
{
    const struct job_kind *kind = jobs__kind_of(jobs, job->kind);
    if (kind == NULL)
        return true; /* of a newer version of ours: not for us */
    bool taken = true;
    (void)pthread_mutex_lock(&jobs->lock);
    struct job_pool *pool = pool_of(jobs, kind);
    if (is_running(jobs, job->job_id))
        goto out;
    if (pool->busy >= pool->thread_count || jobs->stopping) {
        taken = false;
        goto out;
    }
    struct job_run *run = run_create(jobs, kind, job, version);
    if (run == NULL) {
        taken = false; /* out of memory: later */
        goto out;
    }
    run->next = jobs->runs;
    jobs->runs = run;
    *pool->queue_tail = run;
    pool->queue_tail = &run->next_queued;
    pool->busy++;
    (void)pthread_cond_signal(&pool->ready);
out:
    (void)pthread_mutex_unlock(&jobs->lock);
    return taken;
}

bool jobs__all_busy(struct jobs *jobs)
{
    bool busy = true;
    (void)pthread_mutex_lock(&jobs->lock);
    for (size_t i = 0; i < JOBS_KINDS; i++)
        busy = busy && jobs->pools[i].busy >= jobs->pools[i].thread_count;
    (void)pthread_mutex_unlock(&jobs->lock);
    return busy;
}

void jobs_wake(struct jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->lock);
    jobs->woken = true;
    (void)pthread_cond_signal(&jobs->wake);
    (void)pthread_mutex_unlock(&jobs->lock);
}

void jobs__timer_set(struct jobs *jobs, int64_t delay_ms)
{
    int64_t at = clock_mono_ms() + delay_ms;
    (void)pthread_mutex_lock(&jobs->lock);
    if (at < jobs->timer_mono_ms) {
        jobs->timer_mono_ms = at;
        (void)pthread_cond_signal(&jobs->wake);
    }
    (void)pthread_mutex_unlock(&jobs->lock);
}

/* --- threads --- */

/* Under jobs->lock. */
static void thread_ended(struct jobs *jobs)
{
    jobs->threads_alive--;
    (void)pthread_cond_signal(&jobs->ended);
}

static void *pool_main(void *pool_)
{
    struct job_pool *pool = pool_;
    struct jobs *jobs = pool->jobs;
    (void)pthread_mutex_lock(&jobs->lock);
    for (;;) {
        while (pool->queue_head == NULL && !jobs->stopping)
            (void)pthread_cond_wait(&pool->ready, &jobs->lock);
        struct job_run *run = pool->queue_head;
        if (run == NULL)
            break;
        pool->queue_head = run->next_queued;
        if (pool->queue_head == NULL)
            pool->queue_tail = &pool->queue_head;
        bool dropped = jobs->stopping; /* not claimed yet: it stays due */
        (void)pthread_mutex_unlock(&jobs->lock);
        if (!dropped) {
            jobs__metric_add(pool->kind, JOB_METRIC_RUNNING, 1);
            jobs__run(run);
            jobs__metric_add(pool->kind, JOB_METRIC_RUNNING, -1);
        }
        (void)pthread_mutex_lock(&jobs->lock);
        run_end(pool, run);
        jobs->woken = true; /* a thread is free again */
        (void)pthread_cond_signal(&jobs->wake);
    }
    thread_ended(jobs);
    (void)pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* Looks at each run once. Under jobs->lock, which is given up during each look. */
static void heartbeat_round(struct jobs *jobs)
{
    struct job_run *run = jobs->runs;
    if (run != NULL)
        run->refs++;
    while (run != NULL) {
        (void)pthread_mutex_unlock(&jobs->lock);
        jobs__run_heartbeat(run);
        (void)pthread_mutex_lock(&jobs->lock);
        /* A run that was taken off the list meanwhile leads nowhere: the next round looks again. */
        struct job_run *next = run->refs > 1 ? run->next : NULL;
        if (next != NULL)
            next->refs++;
        run_unref(run);
        run = next;
    }
}

static void *heartbeat_main(void *jobs_)
{
    struct jobs *jobs = jobs_;
    (void)pthread_mutex_lock(&jobs->lock);
    int64_t due = clock_mono_ms() + jobs->heartbeat_ms;
    /* While steps are still ending their leases are kept. */
    while (!jobs->stopping || jobs->runs != NULL) {
        if (clock_mono_ms() < due) {
            jobs__cond_wait_until(&jobs->beat, &jobs->lock, due);
            continue;
        }
        heartbeat_round(jobs);
        due = clock_mono_ms() + jobs->heartbeat_ms;
    }
    thread_ended(jobs);
    (void)pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static void *scheduler_main(void *jobs_)
{
    struct jobs *jobs = jobs_;
    jobs__schedule(jobs);
    (void)pthread_mutex_lock(&jobs->lock);
    thread_ended(jobs);
    (void)pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static void *watcher_main(void *jobs_)
{
    struct jobs *jobs = jobs_;
    jobs__watch(jobs);
    (void)pthread_mutex_lock(&jobs->lock);
    thread_ended(jobs);
    (void)pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

/* --- life --- */

enum rpc_code jobs_create(struct services *services, struct jobs **ret_jobs,
                          struct rpc_status *status)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);
    if (jobs == NULL || sodium_init() < 0)
        goto fail;
    if (pthread_mutex_init(&jobs->lock, NULL) != 0 ||
        pthread_mutex_init(&jobs->watch_lock, NULL) != 0 || !cond_init(&jobs->wake) ||
        !cond_init(&jobs->beat) || !cond_init(&jobs->ended) || !cond_init(&jobs->watch_wake))
        goto fail;
    jobs->services = services;
    jobs->lease_ms = JOBS_LEASE_MS;
    jobs->heartbeat_ms = JOBS_HEARTBEAT_MS;
    jobs->poll_ms = JOBS_POLL_MS;
    jobs->backoff_ms_min = JOBS_BACKOFF_MS_MIN;
    jobs->look_again_ms = JOBS_LOOK_AGAIN_MS;
    jobs->timer_mono_ms = INT64_MAX;
    for (size_t i = 0; i < JOBS_KINDS; i++)
        jobs->kinds[i] = kinds[i].kind;
    uint8_t random[OWNER_RANDOM_BYTES];
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(jobs->owner, sizeof jobs->owner, random, sizeof random);
    jobs__metrics_register();
    *ret_jobs = jobs;
    return RPC_OK;
fail:
    free(jobs);
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory for the jobs");
}

static bool pool_start(struct jobs *jobs, struct job_pool *pool, const struct job_kind *kind)
{
    pool->jobs = jobs;
    pool->kind = kind;
    pool->queue_tail = &pool->queue_head;
    pool->threads = calloc(kind->threads, sizeof *pool->threads);
    if (pool->threads == NULL || pthread_cond_init(&pool->ready, NULL) != 0)
        return false;
    while (pool->thread_count < kind->threads) {
        if (pthread_create(&pool->threads[pool->thread_count], NULL, pool_main, pool) != 0)
            return false;
        pool->thread_count++;
        jobs->threads_alive++;
    }
    return true;
}

static bool threads_start(struct jobs *jobs)
{
    for (size_t i = 0; i < JOBS_KINDS; i++)
        if (!pool_start(jobs, &jobs->pools[i], jobs->kinds[i]))
            return false;
    const struct {
        pthread_t *thread;
        void *(*main)(void *);
    } rows[] = {{&jobs->scheduler, scheduler_main},
                {&jobs->heartbeat, heartbeat_main},
                {&jobs->watcher, watcher_main}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (pthread_create(rows[i].thread, NULL, rows[i].main, jobs) != 0)
            return false;
        jobs->service_threads++;
        jobs->threads_alive++;
    }
    return true;
}

enum rpc_code jobs_start(struct jobs *jobs, struct rpc_status *status)
{
    assert(!jobs->started);
    /* Signals are for the threads of the composition root. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before);
    (void)pthread_mutex_lock(&jobs->lock);
    jobs->started = true;
    jobs->started_ms = clock_now_ms();
    bool ok = threads_start(jobs);
    (void)pthread_mutex_unlock(&jobs->lock);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (ok)
        return RPC_OK;
    jobs_stop(jobs, JOBS_STORE_CALL_MS);
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "no threads for the jobs");
}

/* Marks the end and wakes everyone. Under jobs->lock. */
static void stop_begin(struct jobs *jobs)
{
    jobs->stopping = true;
    for (struct job_run *run = jobs->runs; run != NULL; run = run->next)
        atomic_store(&run->cancelled, true);
    for (size_t i = 0; i < JOBS_KINDS; i++)
        if (jobs->pools[i].thread_count > 0)
            (void)pthread_cond_broadcast(&jobs->pools[i].ready);
    (void)pthread_cond_signal(&jobs->wake);
    (void)pthread_cond_signal(&jobs->beat);
}

void jobs_stop(struct jobs *jobs, int64_t timeout_ms)
{
    (void)pthread_mutex_lock(&jobs->watch_lock);
    jobs->watch_stopping = true;
    (void)pthread_cond_signal(&jobs->watch_wake);
    (void)pthread_mutex_unlock(&jobs->watch_lock);
    if (!jobs->started)
        jobs__watch_end(jobs);

    int64_t until = clock_mono_ms() + timeout_ms;
    (void)pthread_mutex_lock(&jobs->lock);
    stop_begin(jobs);
    while (jobs->threads_alive > 0 && clock_mono_ms() < until)
        jobs__cond_wait_until(&jobs->ended, &jobs->lock, until);
    bool ended = jobs->threads_alive == 0;
    (void)pthread_mutex_unlock(&jobs->lock);
    if (!ended)
        return; /* a library does not come back: the process is about to end anyway */
    for (size_t i = 0; i < JOBS_KINDS; i++) {
        for (unsigned t = 0; t < jobs->pools[i].thread_count; t++)
            (void)pthread_join(jobs->pools[i].threads[t], NULL);
        jobs->pools[i].thread_count = 0;
    }
    pthread_t *const threads[] = {&jobs->scheduler, &jobs->heartbeat, &jobs->watcher};
    for (unsigned i = 0; i < jobs->service_threads; i++)
        (void)pthread_join(*threads[i], NULL);
    jobs->service_threads = 0;
}

void jobs_destroy(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    if (jobs->threads_alive > 0)
        return; /* a thread that could not be ended may still use it */
    for (size_t i = 0; i < JOBS_KINDS; i++)
        free(jobs->pools[i].threads);
    (void)pthread_cond_destroy(&jobs->wake);
    (void)pthread_cond_destroy(&jobs->beat);
    (void)pthread_cond_destroy(&jobs->ended);
    (void)pthread_cond_destroy(&jobs->watch_wake);
    (void)pthread_mutex_destroy(&jobs->lock);
    (void)pthread_mutex_destroy(&jobs->watch_lock);
    free(jobs);
}

/* --- new jobs --- */

char *jobs__slot(const struct job_kind *kind, int64_t customer_id, struct arena *arena)
{
    return arena_printf(arena, "%s:%lld", kind->name, (long long)customer_id);
}

enum rpc_code jobs__active(struct job_step *step, const struct job_kind *kind, bool *ret_active,
                           struct rpc_status *status)
{
    char *slot = jobs__slot(kind, step->job->customer_id, step->context->arena);
    if (slot == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    struct rpc_context context = jobs__store_context(step);
    const Lotcast__V1__JobRecord *job = NULL;
    enum rpc_code code =
        store_get(step->services->options.store, &context, &lotcast__v1__job_record__descriptor,
                  "by_slot", store_key(store_text(slot)), &job, NULL, status);
    if (code == RPC_OK)
        *ret_active = job != NULL;
    return code;
}

enum rpc_code jobs_add(struct jobs *jobs, struct rpc_context *context, struct store_commit *commit,
                       Lotcast__V1__JobRecord *job, int64_t *ret_job_id, struct rpc_status *status)
{
    const struct job_kind *kind = jobs__kind_of(jobs, job->kind);
    assert(kind != NULL && (job->customer_id != 0 || kind == &jobs__reseal));
    int64_t job_id = 0;
    enum rpc_code code =
        store_numbers_take(jobs->services->options.store, context, "job", 1, &job_id, status);
    if (code != RPC_OK)
        return code;
    char *slot = jobs__slot(kind, job->customer_id, context->arena);
    if (slot == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    job->job_id = job_id;
    job->state = LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE;
    job->step = 0;
    job->attempt = 0;
    job->created_at_ms = clock_now_ms();
    job->due_key = job->created_at_ms;
    job->active_slot = slot;
    (void)store_commit_put_new(commit, job);
    *ret_job_id = job_id;
    return RPC_OK;
}
