/*
 * What the runner and the kinds of jobs share. runner.c explains the protocol.
 */
#ifndef RPC_SERVICES_JOBS_INTERNAL_H
#define RPC_SERVICES_JOBS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "rpc/services/jobs/jobs.h"

/* A lease's length; a dead process's jobs go on after so long. */
#define JOBS_LEASE_MS 10000
/* How often the heartbeat looks: leases are renewed and progress is stored at most so often. */
#define JOBS_HEARTBEAT_MS 1000
/* How often the index of due jobs is read when nothing wakes the scheduler. */
#define JOBS_POLL_MS 500
/* How often watched jobs are read. */
#define JOBS_WATCH_MS 100
/* A call to the store within a job. */
#define JOBS_STORE_CALL_MS 5000
/* How long a commit is tried again while the store does not answer. */
#define JOBS_STORE_PATIENCE_MS 120000
/* First wait before a step is repeated, and the longest, jitter aside. */
#define JOBS_BACKOFF_MS_MIN 500
#define JOBS_BACKOFF_MS_MAX 60000
/* Between two look-ups of something that a cut-off create may have made (launch.c). */
#define JOBS_LOOK_AGAIN_MS 2000
/* An upstream's own hint is believed up to so much. */
#define JOBS_HINT_MS_MAX ((int64_t)15 * 60 * 1000)
/* Items in one commit, and their packed bytes, at most. */
#define JOBS_COMMIT_ITEMS_MAX 500
#define JOBS_COMMIT_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* Hexadecimal digits of a lease's owner, with the NUL. */
#define JOBS_OWNER_BYTES 33
/* What the scheduler, the heartbeat and the watcher may unpack at a time. */
#define JOBS_READ_BYTES_MAX ((size_t)128 * 1024 * 1024)

/* The step's successor that ends the job. */
#define JOB_STEP_END (-1)

struct job_step;

/* One row of a state table. */
struct job_step_rule {
    const char *name;
    /*
     * Does the step: changes step->job, adds to step->commit, and may set step->next and delay_ms.
     * Nothing of that is stored before it returns RPC_OK; then all of it is, in one commit with the
     * job's next step. Any other code stores nothing; jobs__failure_class says what happens then.
     */
    enum rpc_code (*run)(struct job_step *step, struct rpc_status *status);
    int32_t next;
    int32_t attempts_max;
    int64_t deadline_ms; /* of one attempt */
};

struct job_kind {
    Lotcast__V1__JobKind kind;
    const char *name; /* in active_slot, logs and metrics */
    const struct job_step_rule *steps;
    int32_t step_count;
    unsigned threads; /* jobs of this kind at once */
    size_t arena_bytes_max;
    /*
     * Called when a step has failed for good, with an empty commit in the step: adds what belongs
     * to the failure and may change the error that is kept. May make it no end: sets step->delay_ms
     * (> 0), and the job begins again at its first step after that. May be NULL.
     */
    enum rpc_code (*failed)(struct job_step *step, struct rpc_status *error,
                            struct rpc_status *status);
};

/* One execution of a step, on a job thread; lives while it runs. */
struct job_step {
    struct jobs *jobs;
    struct services *services;
    struct job_run *run;
    struct rpc_context *context; /* its arena lives as long as the step */
    Lotcast__V1__JobRecord *job; /* the step's own copy, in that arena */
    int32_t number, attempt;     /* as this execution began */
    struct store_commit *commit;
    int32_t next;     /* preset from the table */
    int64_t delay_ms; /* before the next step; 0: at once, under the same lease */
    bool polling;     /* this step again after delay_ms; its attempts count on, to attempts_max */
    /* The token that was used, so that a newer one is not marked dead; NULL: none was. */
    const char *token;
};

enum job_failure { JOB_FAILURE_RETRY, JOB_FAILURE_PERMANENT, JOB_FAILURE_TOKEN };

/* A job that this process has claimed or is about to. Owned by its thread; listed in jobs->runs. */
struct job_run {
    struct job_run *next_queued; /* of the pool's queue */
    struct job_run *next;        /* of jobs->runs */
    unsigned refs; /* under jobs->lock: the list's, and the heartbeat's while it looks */
    struct jobs *jobs;
    const struct job_kind *kind;
    int64_t job_id;
    atomic_bool cancelled; /* the step's context: the jobs stop, or the lease is lost */
    atomic_int_fast64_t items_found, pages_fetched; /* progress, for the heartbeat to store */
    pthread_mutex_t lock; /* what follows; held during the store call that uses `version` */
    bool claimed, lost;
    uint64_t version; /* of the job as this run has last committed it */
    uint8_t *record;  /* that record, packed */
    size_t record_len;
    int64_t renewed_mono_ms;
};

/* Threads of one kind. */
struct job_pool {
    struct jobs *jobs;
    const struct job_kind *kind;
    struct job_run *queue_head, **queue_tail;
    pthread_cond_t ready;
    pthread_t *threads;
    unsigned thread_count;
    unsigned busy; /* runs queued or running */
};

/* Someone who waits for a job's end. */
struct job_waiter {
    struct job_waiter *next;
    int64_t job_id;
    int64_t until_ms;
    void (*done)(void *arg, const Lotcast__V1__JobRecord *job);
    void *arg;
};

#define JOBS_KINDS 8

struct jobs {
    struct services *services;
    char owner[JOBS_OWNER_BYTES];
    /* Tests shorten these before jobs_start. */
    int64_t lease_ms, heartbeat_ms, poll_ms, backoff_ms_min, look_again_ms;
    const struct job_kind *kinds[JOBS_KINDS];
    int64_t started_ms; /* wall clock */

    pthread_mutex_t lock; /* what follows; never held during a call to the store */
    pthread_cond_t wake;  /* the scheduler */
    pthread_cond_t beat;  /* the heartbeat */
    pthread_cond_t ended; /* jobs_stop: a thread has ended */
    bool started, stopping;
    bool woken;
    int64_t timer_mono_ms; /* something that this process has put off is due then */
    struct job_run *runs;
    struct job_pool pools[JOBS_KINDS];
    pthread_t scheduler, heartbeat, watcher;
    unsigned service_threads; /* of these three, in this order: started */
    unsigned threads_alive;

    pthread_mutex_t watch_lock; /* what follows */
    pthread_cond_t watch_wake;
    bool watch_stopping, watch_now;
    struct job_waiter *waiters;
};

extern const struct job_kind jobs__scan;
extern const struct job_kind jobs__launch;
extern const struct job_kind jobs__insights;
extern const struct job_kind jobs__campaign_state;
extern const struct job_kind jobs__disconnect;
extern const struct job_kind jobs__sync;
extern const struct job_kind jobs__auto_sync;
extern const struct job_kind jobs__reseal;

/* --- for steps --- */

/*
 * Sends a commit of the step's own before its end: fenced, it fails unless the lease is still held.
 * RPC_ABORTED: another precondition of it did not hold; read again. RPC_CANCELLED: the lease is
 * lost, or the jobs stop. Where the store's answer got lost it is sent again: its ops must bear
 * that.
 */
enum rpc_code jobs__step_commit(struct job_step *step, struct store_commit *commit,
                                struct rpc_status *status) __attribute__((warn_unused_result));
/*
 * The same, and stores the job as the step has changed it so far, still at this step: what the next
 * attempt goes on with. On any failure the job is not stored.
 */
enum rpc_code jobs__step_save(struct job_step *step, struct store_commit *commit,
                              struct rpc_status *status) __attribute__((warn_unused_result));
/* The step's context with a deadline that fits one call to the store; shares its arena. */
struct rpc_context jobs__store_context(const struct job_step *step);
/* The same with another arena. */
struct rpc_context jobs__store_context_in(const struct job_step *step, struct arena *arena);
/* Shows progress; the heartbeat stores it. */
void jobs__step_progress(struct job_step *step, int64_t items_found, int64_t pages_fetched);

/*
 * The customer's connection and its opened token, in the step's arena. META_NOT_CONNECTED
 * (permanent) when there is none, or the token is known to be dead or is being revoked.
 */
enum rpc_code jobs__token_open(struct job_step *step,
                               const Lotcast__V1__MetaConnectionRecord **ret_connection,
                               const char **ret_token, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Adds to the step's commit that the token is dead, unless there is another one by now. */
enum rpc_code jobs__token_mark_dead(struct job_step *step, struct rpc_status *status)
    __attribute__((warn_unused_result));

/*
 * Whether the customer has an active job of a kind: what it works on is about to change.
 */
enum rpc_code jobs__active(struct job_step *step, const struct job_kind *kind, bool *ret_active,
                           struct rpc_status *status) __attribute__((warn_unused_result));

/* --- between the runner's files --- */

/* Writes what a sync's reading has found so far into its job. Whether that changed it. */
bool jobs__sync_progress(Lotcast__V1__JobRecord *job, int64_t items_found, int64_t pages_fetched);

/* What a failed step leads to. */
enum job_failure jobs__failure_class(const struct rpc_status *error);
/* Wait before the attempt after `attempt`: exponential, the hint if longer, and up to a quarter
 * more by `random`. */
int64_t jobs__backoff_ms(int64_t first_ms, int32_t attempt, uint32_t hint_ms, uint32_t random);
/* The slot of a kind's one active job for a customer: kind:customer. NULL on exhaustion. */
char *jobs__slot(const struct job_kind *kind, int64_t customer_id, struct arena *arena);
const struct job_kind *jobs__kind_of(const struct jobs *jobs, Lotcast__V1__JobKind kind);
/* Runs a claimed-to-be job to its end, its next delay, or the loss of its lease. On a job thread.
 */
void jobs__run(struct job_run *run);
/* Renews a run's lease and stores its progress, where it is time. On the heartbeat thread. */
void jobs__run_heartbeat(struct job_run *run);
/* What the scheduler's and the watcher's threads run; they return when the jobs stop. */
void jobs__schedule(struct jobs *jobs);
void jobs__watch(struct jobs *jobs);
/* Ends all waiting with no record, once watch_stopping is set. */
void jobs__watch_end(struct jobs *jobs);
/*
 * Makes a run of a job as it was read and queues it. False: all threads of its kind are busy. A job
 * that is running here already is passed over. On the scheduler thread.
 */
bool jobs__hand_over(struct jobs *jobs, const Lotcast__V1__JobRecord *job, uint64_t version);
/* Whether no kind has a thread to spare. */
bool jobs__all_busy(struct jobs *jobs);
/* Waits on `cond` (monotonic) until `mono_ms`. */
void jobs__cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t mono_ms);
/* A context for the jobs' own calls to the store. */
struct rpc_context jobs__own_context(struct arena *arena, const char *name);
/* A job of this process has ended: the watcher looks at once. */
void jobs__watch_now(struct jobs *jobs);
/* Something is due in `delay_ms`: the scheduler looks then. */
void jobs__timer_set(struct jobs *jobs, int64_t delay_ms);

/* Counters and gauges by kind. */
enum job_metric {
    JOB_METRIC_RUNNING,
    JOB_METRIC_STEPS,
    JOB_METRIC_RETRIES,
    JOB_METRIC_SUCCEEDED,
    JOB_METRIC_FAILED,
    JOB_METRIC_LOST,
    JOB_METRIC_COUNT
};
void jobs__metric_add(const struct job_kind *kind, enum job_metric metric, int64_t delta);
void jobs__metrics_register(void);

#endif
