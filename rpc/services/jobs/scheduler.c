/*
 * Which jobs run when. The scheduler reads the index of due jobs (by_due: the time when a job is to
 * run, or its lease ends) and hands them to the pools that have a thread to spare.
 *
 * At start it also gathers, once, the jobs that wait for a later time, and runs them as threads
 * become free: figures are pulled at start, and what a process put off before it died is not waited
 * for. The same covers a wall clock that stands before the times in the records (a clock that was
 * set back, LOTCAST_CLOCK): a lease further in the future than a lease is long cannot be anyone's.
 */
#include "rpc/services/jobs/internal.h"

#include <stdlib.h>

#include "rpc/base/clock.h"
#include "rpc/services/key_rotation.h"

/* Rows of one read, and reads of one round. */
#define PAGE_ROWS_MAX 64
#define ROUND_PAGES_MAX 32
/* Jobs gathered at start at most; further ones run when they are due. */
#define GATHERED_MAX 100000
/* Clocks of two machines may differ by so much. */
#define SKEW_MS 2000
/* A cursor longer than this is not kept. */
#define CURSOR_BYTES_MAX 512

struct schedule {
    struct jobs *jobs;
    struct arena arena;
    /* Where the next read goes on; of length 0: at the beginning. */
    uint8_t cursor[CURSOR_BYTES_MAX];
    size_t cursor_len;
    /* Jobs gathered at start, those of `waiting_at` and behind are still to run. */
    bool gathered;
    int64_t *waiting;
    size_t waiting_count, waiting_at;
};

/* Reads rows of by_due from `lower` to `upper`, behind the cursor. */
static enum rpc_code due_read(struct schedule *schedule, struct store_read_op *op)
{
    arena_reset(&schedule->arena);
    op->record = &lotcast__v1__job_record__descriptor;
    op->index = "by_due";
    op->is_range = true;
    op->limit = PAGE_ROWS_MAX;
    op->cursor = span_of(schedule->cursor, schedule->cursor_len);
    struct rpc_context context = jobs__own_context(&schedule->arena, "jobs-scheduler");
    return store_read(schedule->jobs->services->options.store, &context, op, 1, NULL);
}

/* Keeps where to go on. False: at the beginning again. */
static bool cursor_keep(struct schedule *schedule, struct span cursor)
{
    schedule->cursor_len = 0;
    if (cursor.len == 0 || cursor.len > sizeof schedule->cursor)
        return false;
    memcpy(schedule->cursor, cursor.data, cursor.len);
    schedule->cursor_len = cursor.len;
    return true;
}

/* Hands due jobs over until there are no more or no thread is left. */
static void due_round(struct schedule *schedule)
{
    for (int page = 0; page < ROUND_PAGES_MAX; page++) {
        if (jobs__all_busy(schedule->jobs))
            return;
        struct store_read_op op = {.has_upper = true, .upper = store_number(clock_now_ms())};
        if (due_read(schedule, &op) != RPC_OK) {
            schedule->cursor_len = 0;
            return; /* the store is away: the next round tries again */
        }
        for (size_t i = 0; i < op.ret_row_count; i++)
            (void)jobs__hand_over(schedule->jobs, (const Lotcast__V1__JobRecord *)op.ret_rows[i],
                                  op.ret_versions[i]);
        if (!cursor_keep(schedule, op.ret_cursor))
            return;
    }
}

/* Whether a job that is not due waits for its time only, or for a lease that nobody can hold. */
static bool waits(const struct jobs *jobs, const Lotcast__V1__JobRecord *job)
{
    return job->lease_owner[0] == '\0' || job->due_key > clock_now_ms() + jobs->lease_ms + SKEW_MS;
}

static bool waiting_add(struct schedule *schedule, int64_t job_id)
{
    size_t count = schedule->waiting_count;
    if (count == GATHERED_MAX)
        return false;
    if ((count & (count - 1)) == 0) { /* full at each power of two */
        size_t capacity = count == 0 ? 1 : count * 2;
        int64_t *grown = realloc(schedule->waiting, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        schedule->waiting = grown;
    }
    schedule->waiting[schedule->waiting_count++] = job_id;
    return true;
}

/* Gathers the jobs of a page. False: no room for more. */
static bool gather_page(struct schedule *schedule, const struct store_read_op *op)
{
    for (size_t i = 0; i < op->ret_row_count; i++) {
        const Lotcast__V1__JobRecord *job = (const Lotcast__V1__JobRecord *)op->ret_rows[i];
        if (waits(schedule->jobs, job) && !waiting_add(schedule, job->job_id))
            return false;
    }
    return true;
}

/* Gathers the jobs that are due later. Begins anew, another time, when the store fails in between.
 */
static void gather(struct schedule *schedule)
{
    const struct store_read_op asked = {.has_lower = true,
                                        .lower = store_number(clock_now_ms() + 1)};
    schedule->cursor_len = 0;
    schedule->waiting_count = 0;
    for (;;) {
        struct store_read_op op = asked;
        if (due_read(schedule, &op) != RPC_OK)
            break;
        if (!gather_page(schedule, &op) || !cursor_keep(schedule, op.ret_cursor)) {
            schedule->gathered = true;
            break;
        }
    }
    schedule->cursor_len = 0;
}

/* Hands gathered jobs over while threads are free. */
static void waiting_round(struct schedule *schedule)
{
    struct jobs *jobs = schedule->jobs;
    while (schedule->waiting_at < schedule->waiting_count) {
        if (jobs__all_busy(jobs))
            return;
        arena_reset(&schedule->arena);
        struct rpc_context context = jobs__own_context(&schedule->arena, "jobs-scheduler");
        const Lotcast__V1__JobRecord *job = NULL;
        uint64_t version = 0;
        int64_t job_id = schedule->waiting[schedule->waiting_at];
        if (store_get(jobs->services->options.store, &context, &lotcast__v1__job_record__descriptor,
                      NULL, store_key(store_number(job_id)), &job, &version, NULL) != RPC_OK)
            return;
        bool later = job != NULL && job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE &&
                     waits(jobs, job);
        if (later && !jobs__hand_over(jobs, job, version))
            return; /* when a thread of its kind is free */
        schedule->waiting_at++;
    }
    free(schedule->waiting);
    schedule->waiting = NULL;
    schedule->waiting_count = 0;
    schedule->waiting_at = 0;
}

/* Until the store names the key that is in use here. */
static void key_settle(struct schedule *schedule)
{
    struct services *services = schedule->jobs->services;
    if (atomic_load(&services->key_settled))
        return;
    arena_reset(&schedule->arena);
    struct rpc_context context = jobs__own_context(&schedule->arena, "jobs-scheduler");
    /* Set before, so that a rotation that comes in between is not missed. */
    atomic_store(&services->key_settled, true);
    if (key_rotation_settle(services, &context, NULL) != RPC_OK)
        atomic_store(&services->key_settled, false);
}

void jobs__schedule(struct jobs *jobs)
{
    struct schedule schedule = {.jobs = jobs};
    arena_init(&schedule.arena, JOBS_READ_BYTES_MAX);
    (void)pthread_mutex_lock(&jobs->lock);
    while (!jobs->stopping) {
        jobs->woken = false;
        if (jobs->timer_mono_ms <= clock_mono_ms())
            jobs->timer_mono_ms = INT64_MAX;
        (void)pthread_mutex_unlock(&jobs->lock);
        key_settle(&schedule);
        if (!schedule.gathered)
            gather(&schedule);
        due_round(&schedule);
        waiting_round(&schedule);
        int64_t due = clock_mono_ms() + jobs->poll_ms;
        (void)pthread_mutex_lock(&jobs->lock);
        while (!jobs->stopping && !jobs->woken) {
            int64_t until = due < jobs->timer_mono_ms ? due : jobs->timer_mono_ms;
            if (clock_mono_ms() >= until)
                break;
            jobs__cond_wait_until(&jobs->wake, &jobs->lock, until);
        }
    }
    (void)pthread_mutex_unlock(&jobs->lock);
    free(schedule.waiting);
    arena_fini(&schedule.arena);
}
