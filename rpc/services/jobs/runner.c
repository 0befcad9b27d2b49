/*
 * How a job runs: claim, steps, and the commits that fence them.
 *
 * The protocol. A job is its record; the record's version is the fencing number.
 *   claim    a commit that expects the version read from the index: lease_owner = this process,
 * due_key = the lease's end, attempt + 1. Of several processes one succeeds; the others see
 * RPC_ABORTED. step     runs without a lock. What it changes is in its own copy of the job and in
 * its commit. result   one commit: the step's ops and the job's record with its next step,
 * expecting the version that this run committed last. The fence is always op 0, so that it is the
 *            first precondition that fails.
 *   renewal  the heartbeat commits the record as it was last committed with a later due_key (and a
 * scan's progress): this changes the version too. It holds run->lock during its commit, as the
 * result does, so `version` is always the newest of this run's. A run whose fence fails looks at
 * the record. It goes on if the record is still its own (a commit of its own whose answer was lost
 * has landed late: the owner is a random id of this process, and one run a job is in a process);
 * else its lease was lost: it is cancelled and commits nothing any more. An answer that was lost on
 * the way is resolved in the same way: the record equals what was sent, or the commit is sent
 * again.
 *
 * attempt is 1 in the first run of a step and only grows until the step is done: above 1 the step
 * may have had its effect outside already. The lease is released by committing lease_owner = "".
 *
 * Who frees what: a step's arena is the step's and ends with it; the run is freed by jobs.c.
 */
#include "rpc/services/jobs/internal.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rpc/base/clock.h"
#include "rpc/base/log.h"

/* Between two tries of a commit while the store does not answer. */
#define STORE_RETRY_MS 200
/* The same patience when the jobs stop. */
#define STORE_PATIENCE_STOPPING_MS 1500
/* Arenas of small commits: claims, renewals, releases. */
#define SMALL_ARENA_BYTES_MAX ((size_t)1024 * 1024)
/* A failure's commit is decided anew so often when what it changes has changed meanwhile. */
#define FAILURE_TRIES_MAX 5

#define ACTIVE LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE

/* --- the fence --- */

enum fence { FENCE_HELD, FENCE_APPLIED, FENCE_LOST, FENCE_UNKNOWN };

/* Puts the fence, which is the commit's last op, first. */
static void fence_to_front(struct store_commit *commit)
{
    if (commit->failed || commit->count < 2)
        return;
    Lotcast__V1__CommitOp *fence = commit->ops[commit->count - 1];
    memmove(commit->ops + 1, commit->ops, (commit->count - 1) * sizeof commit->ops[0]);
    commit->ops[0] = fence;
}

/* Sets the version that op 0 expects. */
static void fence_arm(struct store_commit *commit, uint64_t version)
{
    Lotcast__V1__CommitOp *fence = commit->ops[0];
    if (fence->kind_case == LOTCAST__V1__COMMIT_OP__KIND_PUT)
        fence->put->version = version;
    else
        fence->check->version = version;
}

/* The record that the fence writes; empty for a fence that only checks. */
static struct span fence_record(const struct store_commit *commit)
{
    const Lotcast__V1__CommitOp *fence = commit->ops[0];
    if (fence->kind_case != LOTCAST__V1__COMMIT_OP__KIND_PUT)
        return (struct span){0};
    return span_of(fence->put->value.data, fence->put->value.len);
}

static bool packs_to(const Lotcast__V1__JobRecord *job, struct span packed, struct arena *arena)
{
    if (packed.len == 0 || lotcast__v1__job_record__get_packed_size(job) != packed.len)
        return false;
    uint8_t *bytes = arena_alloc(arena, packed.len);
    if (bytes == NULL)
        return false;
    (void)lotcast__v1__job_record__pack(job, bytes);
    return memcmp(bytes, packed.data, packed.len) == 0;
}

static Lotcast__V1__JobRecord *record_unpack(const struct job_run *run, struct arena *arena)
{
    return lotcast__v1__job_record__unpack(&arena->protobuf, run->record_len, run->record);
}

/* What has become of the job. Adopts the newest version where it is still ours. Under run->lock. */
static enum fence fence_look(struct job_run *run, const struct store_commit *commit)
{
    struct arena arena;
    arena_init(&arena, SMALL_ARENA_BYTES_MAX);
    struct rpc_context context = jobs__own_context(&arena, "jobs-runner");
    enum fence fence = FENCE_UNKNOWN;
    const Lotcast__V1__JobRecord *job = NULL;
    uint64_t version = 0;
    if (store_get(run->jobs->services->options.store, &context,
                  &lotcast__v1__job_record__descriptor, NULL, store_key(store_number(run->job_id)),
                  &job, &version, NULL) != RPC_OK)
        goto out;
    const Lotcast__V1__JobRecord *ours = record_unpack(run, &arena);
    if (ours == NULL)
        goto out;
    fence = FENCE_LOST;
    if (job == NULL)
        goto out;
    if (version == run->version) {
        fence = FENCE_HELD;
    } else if (packs_to(job, fence_record(commit), &arena)) {
        run->version = version;
        fence = FENCE_APPLIED;
    } else if (run->claimed && strcmp(job->lease_owner, run->jobs->owner) == 0 &&
               job->step == ours->step && job->attempt == ours->attempt) {
        run->version = version;
        fence = FENCE_HELD;
    }
out:
    arena_fini(&arena);
    return fence;
}

/* Whether the store's failure leaves it unknown what has happened, or will pass. */
static bool store_away(enum rpc_code code)
{
    return code == RPC_UNAVAILABLE || code == RPC_DEADLINE_EXCEEDED ||
           code == RPC_RESOURCE_EXHAUSTED;
}

static void pause_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&time, NULL);
}

static bool jobs_stopping(struct jobs *jobs)
{
    (void)pthread_mutex_lock(&jobs->lock);
    bool stopping = jobs->stopping;
    (void)pthread_mutex_unlock(&jobs->lock);
    return stopping;
}

static enum rpc_code lose(struct job_run *run, struct rpc_status *status)
{
    run->lost = true;
    atomic_store(&run->cancelled, true);
    return rpc_status_set(status, RPC_CANCELLED, "the job's lease was lost");
}

/* Sends it once. Under run->lock. */
static enum rpc_code fence_send_once(struct job_run *run, struct arena *arena,
                                     struct store_commit *commit, struct rpc_status *status)
{
    struct rpc_context context = jobs__own_context(arena, "");
    (void)snprintf(context.request_id, sizeof context.request_id, "job-%lld",
                   (long long)run->job_id);
    const Lotcast__V1__CommitResponse *response = NULL;
    fence_arm(commit, run->version);
    enum rpc_code code = store_commit_send(commit, &context, &response, status);
    if (code == RPC_OK && fence_record(commit).len > 0)
        run->version = response->results[0]->version;
    return code;
}

/*
 * Sends a commit whose op 0 is the fence until it is known what has become of it. RPC_ABORTED:
 * another precondition failed. RPC_CANCELLED: the lease is lost. Under run->lock.
 */
static enum rpc_code fence_send(struct job_run *run, struct arena *arena,
                                struct store_commit *commit, struct rpc_status *status)
{
    if (commit->failed)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the job's commit is too large");
    struct rpc_status failure;
    rpc_status_clear(&failure);
    int64_t began = clock_mono_ms();
    for (;;) {
        enum rpc_code code = fence_send_once(run, arena, commit, &failure);
        bool fence_failed = code == RPC_ABORTED && strcmp(failure.field, "ops[0]") == 0;
        if (code == RPC_OK)
            return RPC_OK;
        if (!fence_failed && !store_away(code)) {
            if (status != NULL)
                *status = failure;
            return code;
        }
        switch (fence_look(run, commit)) {
        case FENCE_APPLIED:
            return RPC_OK;
        case FENCE_LOST:
            return lose(run, status);
        case FENCE_HELD:
        case FENCE_UNKNOWN:
            break;
        }
        int64_t patience =
            jobs_stopping(run->jobs) ? STORE_PATIENCE_STOPPING_MS : JOBS_STORE_PATIENCE_MS;
        if (clock_mono_ms() - began > patience)
            return lose(run, status); /* the lease has run out long ago: another run takes over */
        if (!fence_failed)
            pause_ms(STORE_RETRY_MS);
    }
}

/* Commits the job's record with the ops already in `commit`, and keeps it as the run's. */
static enum rpc_code record_commit(struct job_run *run, struct arena *arena,
                                   struct store_commit *commit, const Lotcast__V1__JobRecord *job,
                                   struct rpc_status *status)
{
    size_t len = lotcast__v1__job_record__get_packed_size(job);
    uint8_t *record = malloc(len + 1);
    if (record == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    (void)lotcast__v1__job_record__pack(job, record);
    (void)pthread_mutex_lock(&run->lock);
    (void)store_commit_put_version(commit, job, run->version);
    fence_to_front(commit);
    enum rpc_code code = fence_send(run, arena, commit, status);
    if (code == RPC_OK) {
        free(run->record);
        run->record = record;
        run->record_len = len;
        run->renewed_mono_ms = clock_mono_ms();
        /* From here on a record without our lease is nobody's to renew. */
        run->claimed = strcmp(job->lease_owner, run->jobs->owner) == 0;
    } else {
        free(record);
    }
    (void)pthread_mutex_unlock(&run->lock);
    return code;
}

enum rpc_code jobs__step_commit(struct job_step *step, struct store_commit *commit,
                                struct rpc_status *status)
{
    struct job_run *run = step->run;
    if (atomic_load(&run->cancelled))
        return rpc_status_set(status, RPC_CANCELLED, "the job is stopping");
    (void)pthread_mutex_lock(&run->lock);
    (void)store_commit_check(commit, &lotcast__v1__job_record__descriptor,
                             store_key(store_number(run->job_id)), run->version);
    fence_to_front(commit);
    enum rpc_code code = fence_send(run, step->context->arena, commit, status);
    (void)pthread_mutex_unlock(&run->lock);
    return code;
}

static void record_lease(struct jobs *jobs, Lotcast__V1__JobRecord *job)
{
    job->lease_owner = jobs->owner;
    job->due_key = clock_now_ms() + jobs->lease_ms;
}

enum rpc_code jobs__step_save(struct job_step *step, struct store_commit *commit,
                              struct rpc_status *status)
{
    struct job_run *run = step->run;
    if (atomic_load(&run->cancelled))
        return rpc_status_set(status, RPC_CANCELLED, "the job is stopping");
    record_lease(run->jobs, step->job);
    return record_commit(run, step->context->arena, commit, step->job, status);
}

/* --- renewal --- */

/* Writes how far the run has come into its record. Whether that changed it. */
static bool progress_write(const struct job_run *run, Lotcast__V1__JobRecord *job)
{
    int64_t items = atomic_load(&run->items_found);
    int64_t pages = atomic_load(&run->pages_fetched);
    /* A step begins with the figures of the attempt before it until it has some of its own. */
    if (items == 0 && pages == 0)
        return false;
    if (job->sync != NULL)
        return jobs__sync_progress(job, items, pages);
    if (job->scan == NULL || (job->scan->items_found == items && job->scan->pages_fetched == pages))
        return false;
    job->scan->items_found = items;
    job->scan->pages_fetched = pages;
    return true;
}

void jobs__run_heartbeat(struct job_run *run)
{
    struct jobs *jobs = run->jobs;
    (void)pthread_mutex_lock(&run->lock);
    struct arena arena;
    arena_init(&arena, SMALL_ARENA_BYTES_MAX);
    if (!run->claimed || run->lost)
        goto out;
    Lotcast__V1__JobRecord *job = record_unpack(run, &arena);
    if (job == NULL)
        goto out;
    bool progressed = progress_write(run, job);
    if (!progressed && clock_mono_ms() - run->renewed_mono_ms < jobs->lease_ms / 3)
        goto out;
    job->due_key = clock_now_ms() + jobs->lease_ms;
    struct rpc_context context = jobs__own_context(&arena, "jobs-heartbeat");
    struct store_commit commit;
    store_commit_init(&commit, jobs->services->options.store, &context);
    (void)store_commit_put_version(&commit, job, run->version);
    if (commit.failed)
        goto out;
    struct rpc_status status;
    enum rpc_code code = fence_send_once(run, &arena, &commit, &status);
    if (code == RPC_ABORTED && fence_look(run, &commit) == FENCE_LOST)
        (void)lose(run, NULL);
    if (code == RPC_OK)
        run->renewed_mono_ms = clock_mono_ms();
out:
    (void)pthread_mutex_unlock(&run->lock);
    arena_fini(&arena);
}

/* --- outcomes --- */

enum job_failure jobs__failure_class(const struct rpc_status *error)
{
    switch (error->code) {
    case RPC_UNAUTHENTICATED:
        return JOB_FAILURE_TOKEN;
    case RPC_CANCELLED:
    case RPC_UNKNOWN:
    case RPC_DEADLINE_EXCEEDED:
    case RPC_ALREADY_EXISTS: /* a unique index: what is there already is seen when it is read again
                              */
    case RPC_RESOURCE_EXHAUSTED:
    case RPC_ABORTED:
    case RPC_INTERNAL:
    case RPC_UNAVAILABLE:
        return JOB_FAILURE_RETRY;
    case RPC_OK:
    case RPC_INVALID_ARGUMENT:
    case RPC_NOT_FOUND:
    case RPC_PERMISSION_DENIED:
    case RPC_FAILED_PRECONDITION:
    case RPC_OUT_OF_RANGE:
    case RPC_UNIMPLEMENTED:
    case RPC_DATA_LOSS:
    case RPC_CODE_COUNT:
        break;
    }
    return JOB_FAILURE_PERMANENT;
}

int64_t jobs__backoff_ms(int64_t first_ms, int32_t attempt, uint32_t hint_ms, uint32_t random)
{
    int64_t delay = first_ms;
    for (int32_t i = 1; i < attempt && delay < JOBS_BACKOFF_MS_MAX; i++)
        delay *= 2;
    if (delay > JOBS_BACKOFF_MS_MAX)
        delay = JOBS_BACKOFF_MS_MAX;
    int64_t hint = hint_ms > JOBS_HINT_MS_MAX ? JOBS_HINT_MS_MAX : (int64_t)hint_ms;
    if (delay < hint)
        delay = hint;
    return delay + delay / 4 * (random % 1024) / 1024;
}

static const char *step_name(const struct job_kind *kind, int32_t step)
{
    return step >= 0 && step < kind->step_count ? kind->steps[step].name : "unknown";
}

/* One line for a transition; `error` may be NULL. */
static void log_transition(const struct job_run *run, const Lotcast__V1__JobRecord *job,
                           int32_t step, int32_t attempt, const char *outcome,
                           const struct rpc_status *error)
{
    enum log_level level = error == NULL ? LOG_LEVEL_INFO : LOG_LEVEL_WARN;
    const char *why = error == NULL ? "" : rpc_code_name(error->code);
    if (error != NULL && error->reason != LOTCAST__V1__REASON__REASON_UNSPECIFIED)
        why = rpc_reason_get(error->reason)->name;
    log_event(level, "job", log_text("kind", run->kind->name), log_number("job", run->job_id),
              log_number("customer", job->customer_id),
              log_text("step", step_name(run->kind, step)), log_number("attempt", attempt),
              log_text("outcome", outcome), log_text("error", why),
              log_text("message", error == NULL ? "" : error->message));
}

/* Ends the job's record. */
static void record_end(Lotcast__V1__JobRecord *job, Lotcast__V1__JobState state)
{
    job->state = state;
    job->due_key = 0;
    job->active_slot = (char *)"";
    job->lease_owner = (char *)"";
    job->finished_at_ms = clock_now_ms();
}

/* Puts the record's next run off, without a lease. */
static void record_release(Lotcast__V1__JobRecord *job, int64_t delay_ms)
{
    job->lease_owner = (char *)"";
    job->due_key = clock_now_ms() + delay_ms;
}

/* After a job's end: counts, and wakes who waits for it, and the scheduler: it may have made
 * another. */
static void job_over(struct job_run *run, Lotcast__V1__JobState state)
{
    bool ok = state == LOTCAST__V1__JOB_STATE__JOB_STATE_SUCCEEDED;
    jobs__metric_add(run->kind, ok ? JOB_METRIC_SUCCEEDED : JOB_METRIC_FAILED, 1);
    jobs__watch_now(run->jobs);
    jobs_wake(run->jobs);
}

/* Commits the step's success. RPC_OK: `ret_goes_on` says whether the next step runs at once. */
static enum rpc_code step_succeed(struct job_step *step, bool *ret_goes_on,
                                  struct rpc_status *status)
{
    struct job_run *run = step->run;
    Lotcast__V1__JobRecord *job = step->job;
    bool goes_on = false;
    job->error = NULL;
    if (step->polling) {
        record_release(job, step->delay_ms);
    } else if (step->next == JOB_STEP_END) {
        record_end(job, LOTCAST__V1__JOB_STATE__JOB_STATE_SUCCEEDED);
    } else {
        goes_on = step->delay_ms == 0 && !atomic_load(&run->cancelled);
        job->step = step->next;
        job->attempt = goes_on ? 1 : 0;
        if (goes_on)
            record_lease(run->jobs, job);
        else
            record_release(job, step->delay_ms);
    }
    enum rpc_code code = record_commit(run, step->context->arena, step->commit, job, status);
    if (code != RPC_OK)
        return code;
    if (!step->polling)
        log_transition(run, job, step->number, step->attempt, "done", NULL);
    if (job->state != ACTIVE)
        job_over(run, job->state);
    else if (!goes_on)
        jobs__timer_set(run->jobs, step->delay_ms);
    *ret_goes_on = goes_on;
    return RPC_OK;
}

/* The record as it was last committed, without what the step has changed; NULL when out of memory.
 */
static Lotcast__V1__JobRecord *record_reload(struct job_step *step)
{
    (void)pthread_mutex_lock(&step->run->lock);
    Lotcast__V1__JobRecord *job = record_unpack(step->run, step->context->arena);
    (void)pthread_mutex_unlock(&step->run->lock);
    return job;
}

static void commit_begin(struct job_step *step)
{
    store_commit_init(step->commit, step->services->options.store, step->context);
    step->delay_ms = 0;
    step->polling = false;
}

/* Gives the lease up; the job is due after `delay_ms`. `error` (may be NULL) is kept. */
static void step_put_off(struct job_step *step, int64_t delay_ms, const struct rpc_status *error)
{
    struct job_run *run = step->run;
    Lotcast__V1__JobRecord *job = record_reload(step);
    if (job == NULL)
        return; /* the lease runs out by itself */
    commit_begin(step);
    record_release(job, delay_ms);
    if (error != NULL)
        job->error = rpc_status_to_message(error, step->context->arena);
    if (record_commit(run, step->context->arena, step->commit, job, NULL) != RPC_OK)
        return;
    if (error != NULL)
        jobs__metric_add(run->kind, JOB_METRIC_RETRIES, 1);
    jobs__timer_set(run->jobs, delay_ms);
}

/* Commits a failure for good, once. */
static enum rpc_code failure_commit(struct job_step *step, enum job_failure failure,
                                    struct rpc_status *error, struct rpc_status *status)
{
    struct job_run *run = step->run;
    step->job = record_reload(step);
    if (step->job == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    commit_begin(step);
    enum rpc_code code = RPC_OK;
    if (failure == JOB_FAILURE_TOKEN)
        code = jobs__token_mark_dead(step, status);
    if (code == RPC_OK && run->kind->failed != NULL)
        code = run->kind->failed(step, error, status);
    if (code != RPC_OK)
        return code;
    Lotcast__V1__JobRecord *job = step->job;
    job->error = rpc_status_to_message(error, step->context->arena);
    if (step->delay_ms > 0) {
        job->step = 0;
        job->attempt = 0;
        record_release(job, step->delay_ms);
    } else {
        record_end(job, LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED);
    }
    code = record_commit(run, step->context->arena, step->commit, job, status);
    if (code != RPC_OK)
        return code;
    if (job->state != ACTIVE)
        job_over(run, job->state);
    return RPC_OK;
}

/* A failure for good; what it changes is decided anew when that has changed meanwhile. */
static void step_fail(struct job_step *step, enum job_failure failure, struct rpc_status *error)
{
    if (failure == JOB_FAILURE_TOKEN)
        (void)rpc_status_fail(error, LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED, NULL);
    struct rpc_status status;
    enum rpc_code code = RPC_ABORTED;
    rpc_status_clear(&status);
    for (int i = 0; i < FAILURE_TRIES_MAX && code == RPC_ABORTED; i++)
        code = failure_commit(step, failure, error, &status);
    if (code != RPC_OK && !step->run->lost)
        step_put_off(step, JOBS_BACKOFF_MS_MIN, error);
}

/* Decides what a step's failure leads to. */
static void step_failed(struct job_step *step, const struct job_step_rule *rule,
                        struct rpc_status *error)
{
    struct job_run *run = step->run;
    const Lotcast__V1__JobRecord *job = step->job;
    int32_t number = step->number, attempt = step->attempt;
    if (run->lost) {
        jobs__metric_add(run->kind, JOB_METRIC_LOST, 1);
        log_transition(run, job, number, attempt, "lost", NULL);
        return;
    }
    if (atomic_load(&run->cancelled)) {
        log_transition(run, job, number, attempt, "released", NULL);
        step_put_off(step, 0, NULL);
        return;
    }
    enum job_failure failure = jobs__failure_class(error);
    if (failure == JOB_FAILURE_RETRY && attempt < rule->attempts_max) {
        int64_t delay = jobs__backoff_ms(run->jobs->backoff_ms_min, attempt, error->retry_after_ms,
                                         randombytes_random());
        log_transition(run, job, number, attempt, "retry", error);
        step_put_off(step, delay, error);
        return;
    }
    log_transition(run, job, number, attempt, "failed", error);
    step_fail(step, failure, error);
}

/* --- running --- */

/* Takes the lease of the job as the scheduler has read it. */
static bool claim(struct job_run *run)
{
    struct arena arena;
    arena_init(&arena, SMALL_ARENA_BYTES_MAX);
    struct rpc_context context = jobs__own_context(&arena, "jobs-runner");
    bool claimed = false;
    Lotcast__V1__JobRecord *job = record_unpack(run, &arena);
    if (job == NULL || job->state != ACTIVE)
        goto out;
    record_lease(run->jobs, job);
    job->attempt++;
    if (job->attempt == 1 && job->step == 0)
        job->started_at_ms = clock_now_ms();
    struct store_commit commit;
    store_commit_init(&commit, run->jobs->services->options.store, &context);
    claimed = record_commit(run, &arena, &commit, job, NULL) == RPC_OK;
out:
    arena_fini(&arena);
    return claimed;
}

/* What happens before the table's function: a step of another version, one that crashes us each
 * time. */
static enum rpc_code step_run(struct job_step *step, const struct job_step_rule *rule,
                              struct rpc_status *status)
{
    if (step->job->attempt > 2 * rule->attempts_max)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "given up after %d attempts",
                              (int)step->job->attempt - 1);
    jobs__metric_add(step->run->kind, JOB_METRIC_STEPS, 1);
    enum rpc_code code = rule->run(step, status);
    if (code == RPC_OK && step->polling && step->job->attempt >= rule->attempts_max)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "it did not end in time");
    return code;
}

/* Runs the step that is next. Whether the one after it is to run at once. */
static bool run_step(struct job_run *run)
{
    struct arena arena;
    arena_init(&arena, run->kind->arena_bytes_max);
    struct rpc_context context = {
        .arena = &arena, .cancelled = &run->cancelled, .waits_for_ready = true};
    struct store_commit commit;
    struct job_step step = {.jobs = run->jobs,
                            .services = run->jobs->services,
                            .run = run,
                            .context = &context,
                            .commit = &commit};
    bool goes_on = false;
    step.job = record_reload(&step);
    if (step.job == NULL || step.job->step < 0 || step.job->step >= run->kind->step_count)
        goto out; /* of a newer version of ours: the lease runs out, another process may know it */
    step.number = step.job->step;
    step.attempt = step.job->attempt;
    const struct job_step_rule *rule = &run->kind->steps[step.number];
    context.deadline_ms = clock_mono_ms() + rule->deadline_ms;
    (void)snprintf(context.request_id, sizeof context.request_id, "job-%lld-%d-%d",
                   (long long)run->job_id, (int)step.number, (int)step.attempt);
    commit_begin(&step);
    step.next = rule->next;
    struct rpc_status status;
    rpc_status_clear(&status);
    enum rpc_code code = step_run(&step, rule, &status);
    if (code == RPC_OK)
        code = step_succeed(&step, &goes_on, &status);
    if (code != RPC_OK) {
        status.code = code;
        step_failed(&step, rule, &status);
    }
out:
    arena_fini(&arena);
    return goes_on;
}

void jobs__run(struct job_run *run)
{
    if (!claim(run))
        return;
    while (run_step(run))
        continue;
}

void jobs__step_progress(struct job_step *step, int64_t items_found, int64_t pages_fetched)
{
    atomic_store(&step->run->items_found, items_found);
    atomic_store(&step->run->pages_fetched, pages_fetched);
}

struct rpc_context jobs__store_context_in(const struct job_step *step, struct arena *arena)
{
    struct rpc_context context = *step->context;
    int64_t until = clock_mono_ms() + JOBS_STORE_CALL_MS;
    context.arena = arena;
    if (until < context.deadline_ms)
        context.deadline_ms = until;
    return context;
}

struct rpc_context jobs__store_context(const struct job_step *step)
{
    return jobs__store_context_in(step, step->context->arena);
}
