/*
 * Waiting for a job's end, in whichever process it runs. One thread watches for all: it reads the
 * watched jobs in batches, at most every JOBS_WATCH_MS, and at once when a job has ended in this
 * process. Only that thread takes waiters off the list, so that each `done` is called once.
 */
#include "rpc/services/jobs/internal.h"

#include <stdlib.h>

#include "rpc/base/clock.h"

/* Waiters served by one read. */
#define WATCH_BATCH_MAX 64
/* A read; short, so that a store that does not answer holds nobody up beyond its time. */
#define WATCH_READ_MS 1500

void jobs__watch_now(struct jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->watch_lock);
    jobs->watch_now = true;
    (void)pthread_cond_signal(&jobs->watch_wake);
    (void)pthread_mutex_unlock(&jobs->watch_lock);
}

enum rpc_code jobs_wait(struct jobs *jobs, int64_t job_id, int64_t until_ms,
                        void (*done)(void *arg, const Lotcast__V1__JobRecord *job), void *arg,
                        struct rpc_status *status)
{
    struct job_waiter *waiter = malloc(sizeof *waiter);
    if (waiter == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    *waiter = (struct job_waiter){NULL, job_id, until_ms, done, arg};
    (void)pthread_mutex_lock(&jobs->watch_lock);
    bool stopping = jobs->watch_stopping;
    if (!stopping) {
        waiter->next = jobs->waiters;
        jobs->waiters = waiter;
        (void)pthread_cond_signal(&jobs->watch_wake);
    }
    (void)pthread_mutex_unlock(&jobs->watch_lock);
    if (!stopping)
        return RPC_OK;
    free(waiter);
    return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_UNAVAILABLE, NULL);
}

static void finish(struct job_waiter *waiter, const Lotcast__V1__JobRecord *job)
{
    waiter->done(waiter->arg, job);
    free(waiter);
}

/* Reads the jobs of `count` waiters; rows[i] is NULL for one that is not there. */
static bool read_jobs(struct jobs *jobs, struct arena *arena, struct job_waiter *const *waiters,
                      size_t count, const Lotcast__V1__JobRecord **rows)
{
    struct store_read_op ops[WATCH_BATCH_MAX];
    for (size_t i = 0; i < count; i++)
        ops[i] = (struct store_read_op){.record = &lotcast__v1__job_record__descriptor,
                                        .key = store_key(store_number(waiters[i]->job_id))};
    struct rpc_context context = jobs__own_context(arena, "jobs-watcher");
    context.deadline_ms = clock_mono_ms() + WATCH_READ_MS;
    if (store_read(jobs->services->options.store, &context, ops, count, NULL) != RPC_OK)
        return false;
    for (size_t i = 0; i < count; i++)
        rows[i] =
            ops[i].ret_row_count > 0 ? (const Lotcast__V1__JobRecord *)ops[i].ret_rows[0] : NULL;
    return true;
}

static bool job_ended(const Lotcast__V1__JobRecord *job)
{
    return job->state != LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE;
}

/* Looks at the first waiters of the list: finishes some, pushes the others to `kept`. Returns the
 * rest. */
static struct job_waiter *watch_batch(struct jobs *jobs, struct arena *arena,
                                      struct job_waiter *list, struct job_waiter **kept)
{
    struct job_waiter *batch[WATCH_BATCH_MAX] = {NULL};
    const Lotcast__V1__JobRecord *rows[WATCH_BATCH_MAX] = {NULL};
    size_t count = 0;
    while (list != NULL && count < WATCH_BATCH_MAX) {
        batch[count++] = list;
        list = list->next;
    }
    arena_reset(arena);
    bool read = read_jobs(jobs, arena, batch, count, rows);
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < count; i++) {
        bool over = read && (rows[i] == NULL || job_ended(rows[i]));
        if (over || batch[i]->until_ms <= now) {
            finish(batch[i], rows[i]);
            continue;
        }
        batch[i]->next = *kept;
        *kept = batch[i];
    }
    return list;
}

/* Takes the list; NULL with no waiters. Under watch_lock. */
static struct job_waiter *waiters_take(struct jobs *jobs)
{
    struct job_waiter *list = jobs->waiters;
    jobs->waiters = NULL;
    jobs->watch_now = false;
    return list;
}

/* Puts waiters back. Under watch_lock. */
static void waiters_keep(struct jobs *jobs, struct job_waiter *kept)
{
    while (kept != NULL) {
        struct job_waiter *next = kept->next;
        kept->next = jobs->waiters;
        jobs->waiters = kept;
        kept = next;
    }
}

void jobs__watch_end(struct jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->watch_lock);
    struct job_waiter *list = waiters_take(jobs);
    (void)pthread_mutex_unlock(&jobs->watch_lock);
    while (list != NULL) {
        struct job_waiter *next = list->next;
        finish(list, NULL);
        list = next;
    }
}

void jobs__watch(struct jobs *jobs)
{
    struct arena arena;
    arena_init(&arena, JOBS_READ_BYTES_MAX);
    int64_t due = 0;
    (void)pthread_mutex_lock(&jobs->watch_lock);
    while (!jobs->watch_stopping) {
        if (jobs->waiters == NULL) {
            (void)pthread_cond_wait(&jobs->watch_wake, &jobs->watch_lock);
            continue;
        }
        if (!jobs->watch_now && clock_mono_ms() < due) {
            jobs__cond_wait_until(&jobs->watch_wake, &jobs->watch_lock, due);
            continue;
        }
        struct job_waiter *list = waiters_take(jobs);
        (void)pthread_mutex_unlock(&jobs->watch_lock);
        struct job_waiter *kept = NULL;
        while (list != NULL)
            list = watch_batch(jobs, &arena, list, &kept);
        due = clock_mono_ms() + JOBS_WATCH_MS;
        (void)pthread_mutex_lock(&jobs->watch_lock);
        waiters_keep(jobs, kept);
    }
    (void)pthread_mutex_unlock(&jobs->watch_lock);
    jobs__watch_end(jobs);
    arena_fini(&arena);
}
