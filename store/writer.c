/*
 * Group commit.
 *
 * While a group is being synced the next one gathers in the queue, so groups grow with the load by
 * themselves; on a slow disk alone a group waits for those that are about to come back. Only the
 * writer's thread touches the engine's write side.
 *
 *   queued → in a group → applied ┬→ synced      → answered RPC_OK
 *                                 ├→ refused     → answered its own code, the rest goes on
 *                                 └→ sync failed → answered the engine's code, all of the group
 *
 * A transaction that the engine gave up (the map was full, one commit was too large for it) is
 * aborted and the group applied anew, without the commit that was at fault if it was one's. Results
 * are only those of the last attempt.
 *
 * Answers are given by a thread of their own, so that neither a log line nor a slow transport holds
 * up the next sync. What is not answered yet counts against the queue's limits.
 *
 * Versions: the sequence is kept in the same transaction as what it numbers, and never falls in
 * memory either, so that a version is not given out twice even where a commit's outcome is not
 * known.
 */
#include "store/writer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rpc/base/clock.h"
#include "rpc/channel.h"
#include "store/metrics.h"

/* How often the engine is tended while there is nothing to do, in ms. */
#define TEND_INTERVAL_MS 1000
/* What a caller is told to wait when the queue is full, in ms. */
#define PUSH_BACK_MS 50
/* Groups that take less are not waited for: all else costs as much then. Of the others, what part
 * of their time their callers are waited for, and at most. */
#define COMPANY_GROUP_US_MIN 1500
#define COMPANY_PART 8
#define COMPANY_NS_MAX 2000000
#define NS_A_S 1000000000
/* Attempts that end in RPC_ABORTED: the map doubles each time, so this is never reached. */
#define GROWTHS_MAX 64

/* In order of arrival. */
struct work_list {
    struct store_commit_work *first, *last;
};

struct store_writer {
    struct store_engine *engine;
    struct store_stamps *stamps;
    pthread_t thread;
    pthread_t answerer;
    pthread_mutex_t lock;
    pthread_cond_t wake;        /* something is queued, or it is to stop */
    pthread_cond_t answer_wake; /* something is to be answered, or nothing more will be */
    /* under lock */
    struct work_list queue;
    struct work_list answers;
    size_t queued;           /* in the queue */
    size_t wanted;           /* in the queue, for the writer to be woken */
    size_t held, held_bytes; /* submitted and not answered */
    bool is_stopping;
    bool is_over; /* the writer's thread has handed over its last group */
    /* the writer's thread's own */
    uint64_t sequence;
    struct store_apply apply;
    int64_t tend_at_ms;
    size_t company;   /* commits of the last group, and those that came meanwhile */
    int64_t group_us; /* how long the last group took */
};

/* --- the sequence --- */

static enum rpc_code read_sequence(struct store_engine *engine, struct store_txn *txn,
                                   uint64_t *ret_sequence, struct rpc_status *status)
{
    struct store_key_buffer key;
    struct span stored;
    struct span packed;
    store__own_key(STORE_OWN_STATE, "sequence", &key);
    enum rpc_code code = engine->ops->get(txn, store__key_span(&key), &stored, status);
    if (code == RPC_NOT_FOUND) {
        *ret_sequence = 0;
        return RPC_OK;
    }
    if (code != RPC_OK)
        return code;
    return store__record_open(store__key_span(&key), stored, &packed, ret_sequence, status);
}

static enum rpc_code write_sequence(struct store_apply *apply, struct rpc_status *status)
{
    struct store_key_buffer key;
    uint8_t head[STORE_RECORD_HEAD_BYTES];
    store__own_key(STORE_OWN_STATE, "sequence", &key);
    store__record_head(store__key_span(&key), (struct span){0}, apply->sequence, head);
    return apply->engine->ops->put(apply->txn, store__key_span(&key), span_of(head, sizeof head),
                                   (struct span){0}, status);
}

/* --- a group --- */

static void refuse(struct store_commit_work *work, enum rpc_code code,
                   const struct rpc_status *status)
{
    work->is_refused = true;
    work->code = code;
    work->status = *status;
}

/* Fails all that are not refused yet. */
static void refuse_all(struct store_commit_work *group, enum rpc_code code,
                       const struct rpc_status *status)
{
    for (struct store_commit_work *work = group; work != NULL; work = work->next) {
        if (!work->is_refused)
            refuse(work, code, status);
    }
}

/* Work whose caller has gone is not begun. */
static bool drop_stopped(struct store_commit_work *work)
{
    if (!rpc_context_stopped(work->context))
        return false;
    struct rpc_status status;
    enum rpc_code code =
        rpc_context_left_ms(work->context) == 0
            ? rpc_status_set(&status, RPC_DEADLINE_EXCEEDED, "the deadline passed in the queue")
            : rpc_status_set(&status, RPC_CANCELLED, "the caller has gone");
    refuse(work, code, &status);
    return true;
}

/*
 * Applies the group to the open transaction. RPC_OK: it can be committed, and each work has its
 * code. Otherwise the transaction must be aborted; RPC_ABORTED: and the group applied anew.
 */
static enum rpc_code apply_group(struct store_apply *apply, struct store_commit_work *group,
                                 struct rpc_status *status)
{
    for (struct store_commit_work *work = group; work != NULL; work = work->next) {
        if (work->is_refused || drop_stopped(work))
            continue;
        rpc_status_clear(&work->status);
        work->code = store__commit_apply(apply, work, &work->status);
        if (!apply->poisoned)
            continue;
        *status = work->status;
        if (work->code == RPC_UNAVAILABLE)
            return RPC_UNAVAILABLE;
        if (work->code != RPC_ABORTED)
            refuse(work, work->code, &work->status);
        return RPC_ABORTED;
    }
    return RPC_OK;
}

static enum rpc_code attempt_group(struct store_writer *writer, struct store_commit_work *group,
                                   struct rpc_status *status)
{
    struct store_apply *apply = &writer->apply;
    const struct store_engine_ops *ops = writer->engine->ops;
    uint64_t stored;
    enum rpc_code code = ops->write_begin(writer->engine, &apply->txn, status);
    if (code != RPC_OK)
        return code;
    apply->wrote = false;
    apply->poisoned = false;
    memset(&apply->marks, 0, sizeof apply->marks);
    code = read_sequence(writer->engine, apply->txn, &stored, status);
    if (code == RPC_OK) {
        apply->sequence = stored > writer->sequence ? stored : writer->sequence;
        code = apply_group(apply, group, status);
        writer->sequence = apply->sequence;
    }
    if (code == RPC_OK && !apply->wrote) {
        ops->write_abort(apply->txn);
        return RPC_OK;
    }
    if (code == RPC_OK)
        code = write_sequence(apply, status);
    if (code != RPC_OK) {
        ops->write_abort(apply->txn);
        return code;
    }
    store__stamps_begin(writer->stamps, &apply->marks);
    code = ops->write_commit(apply->txn, status);
    store__stamps_end(writer->stamps, &apply->marks);
    if (code == RPC_OK)
        metric_add(&store__metric_groups, 1);
    return code;
}

static void run_group(struct store_writer *writer, struct store_commit_work *group, size_t count)
{
    struct rpc_status status;
    rpc_status_clear(&status);
    int64_t begin_us = clock_mono_us();
    enum rpc_code code = RPC_ABORTED;
    /* Each further attempt either has more room or one commit less. */
    for (size_t i = 0; i < GROWTHS_MAX + count && code == RPC_ABORTED; i++)
        code = attempt_group(writer, group, &status);
    if (code == RPC_ABORTED)
        code = rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "the store is full");
    if (code != RPC_OK) {
        metric_add(&store__metric_write_errors, 1);
        refuse_all(group, code, &status);
    }
    writer->group_us = clock_mono_us() - begin_us;
    metric_observe_us(&store__metric_commit_time, writer->group_us);
}

/* --- lists --- */

/* Moves a chain to the end of a list. */
static void append(struct work_list *list, struct store_commit_work *chain)
{
    if (list->last == NULL)
        list->first = chain;
    else
        list->last->next = chain;
    while (chain->next != NULL)
        chain = chain->next;
    list->last = chain;
}

/* Takes the front of the list, as much as a group may hold and at least one; NULL if it is empty.
 */
static struct store_commit_work *take_group(struct work_list *list, size_t *ret_count)
{
    struct store_commit_work *group = list->first;
    struct store_commit_work *last = NULL;
    size_t count = 0;
    size_t bytes = 0;
    for (struct store_commit_work *work = group; work != NULL; work = work->next) {
        bytes += work->bytes;
        if (count == STORE_GROUP_COMMITS_MAX || (count > 0 && bytes > STORE_GROUP_BYTES_MAX))
            break;
        count++;
        last = work;
    }
    if (last != NULL) {
        list->first = last->next;
        last->next = NULL;
    }
    if (list->first == NULL)
        list->last = NULL;
    *ret_count = count;
    return group;
}

/* --- answering --- */

/* Answers all of a chain, whose works may be gone afterwards; counts them and their bytes. */
static void answer_chain(struct store_commit_work *chain, size_t *ret_count, size_t *ret_bytes)
{
    size_t count = 0;
    size_t bytes = 0;
    rpc_channel_hold(); /* a group's answers leave together */
    while (chain != NULL) {
        struct store_commit_work *work = chain;
        chain = work->next;
        work->next = NULL;
        count++;
        bytes += work->bytes;
        metric_add(work->code == RPC_OK ? &store__metric_commits : &store__metric_refused, 1);
        work->done(work);
    }
    rpc_channel_release();
    *ret_count = count;
    *ret_bytes = bytes;
}

static void *run_answerer(void *arg)
{
    struct store_writer *writer = arg;
    (void)pthread_mutex_lock(&writer->lock);
    while (writer->answers.first != NULL || !writer->is_over) {
        struct store_commit_work *chain = writer->answers.first;
        if (chain == NULL) {
            (void)pthread_cond_wait(&writer->answer_wake, &writer->lock);
            continue;
        }
        writer->answers = (struct work_list){0};
        (void)pthread_mutex_unlock(&writer->lock);
        size_t count;
        size_t bytes;
        answer_chain(chain, &count, &bytes);
        (void)pthread_mutex_lock(&writer->lock);
        writer->held -= count;
        writer->held_bytes -= bytes;
        metric_set(&store__metric_queue, (int64_t)writer->held);
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* --- the writer's thread --- */

/* Waits for work or the time to tend. Under the lock. */
static void wait_for_work(struct store_writer *writer)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += TEND_INTERVAL_MS / 1000;
    int error = 0;
    writer->wanted = 1;
    while (writer->queue.first == NULL && !writer->is_stopping && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&writer->wake, &writer->lock, &until);
}

/*
 * Callers that commit again and again come back when they are answered. Gone on with at once, they
 * would fall into two halves that wait for each other's syncs; so the last group's are waited for,
 * for a small part of what a group takes. Under the lock.
 */
static void wait_for_company(struct store_writer *writer)
{
    if (writer->queue.first == NULL || writer->queued >= writer->company ||
        writer->group_us < COMPANY_GROUP_US_MIN)
        return;
    struct timespec until;
    int64_t wait_ns = writer->group_us * 1000 / COMPANY_PART;
    if (wait_ns > COMPANY_NS_MAX)
        wait_ns = COMPANY_NS_MAX;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)wait_ns;
    if (until.tv_nsec >= NS_A_S) {
        until.tv_sec++;
        until.tv_nsec -= NS_A_S;
    }
    int error = 0;
    writer->wanted = writer->company;
    while (writer->queued < writer->company && !writer->is_stopping && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&writer->wake, &writer->lock, &until);
}

static void tend(struct store_writer *writer)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms < writer->tend_at_ms)
        return;
    writer->engine->ops->tend(writer->engine);
    writer->tend_at_ms = now_ms + TEND_INTERVAL_MS;
}

static void *run_writer(void *arg)
{
    struct store_writer *writer = arg;
    (void)pthread_mutex_lock(&writer->lock);
    while (!writer->is_over) {
        size_t count;
        wait_for_work(writer);
        wait_for_company(writer);
        struct store_commit_work *group = take_group(&writer->queue, &count);
        writer->queued -= count;
        writer->is_over = group == NULL && writer->is_stopping;
        (void)pthread_mutex_unlock(&writer->lock);
        if (group != NULL)
            run_group(writer, group, count);
        tend(writer);
        (void)pthread_mutex_lock(&writer->lock);
        writer->company = count + writer->queued;
        if (group != NULL)
            append(&writer->answers, group);
        (void)pthread_cond_signal(&writer->answer_wake);
    }
    (void)pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* --- for others --- */

static void init_locks(struct store_writer *writer)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&writer->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_cond_init(&writer->answer_wake, NULL);
    (void)pthread_mutex_init(&writer->lock, NULL);
}

static void destroy(struct store_writer *writer)
{
    store__apply_fini(&writer->apply);
    (void)pthread_cond_destroy(&writer->wake);
    (void)pthread_cond_destroy(&writer->answer_wake);
    (void)pthread_mutex_destroy(&writer->lock);
    free(writer);
}

static void end_thread(struct store_writer *writer, pthread_t thread, bool *flag,
                       pthread_cond_t *wake)
{
    (void)pthread_mutex_lock(&writer->lock);
    *flag = true;
    (void)pthread_cond_signal(wake);
    (void)pthread_mutex_unlock(&writer->lock);
    (void)pthread_join(thread, NULL);
}

enum rpc_code store__writer_start(struct store_engine *engine, struct store_stamps *stamps,
                                  struct store_writer **ret_writer, struct rpc_status *status)
{
    struct store_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    writer->engine = engine;
    writer->stamps = stamps;
    store__apply_init(&writer->apply, engine);
    init_locks(writer);
    bool has_answerer = pthread_create(&writer->answerer, NULL, run_answerer, writer) == 0;
    if (!has_answerer || pthread_create(&writer->thread, NULL, run_writer, writer) != 0) {
        if (has_answerer)
            end_thread(writer, writer->answerer, &writer->is_over, &writer->answer_wake);
        destroy(writer);
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "cannot start the writer's threads");
    }
    (void)pthread_setname_np(writer->answerer, "store-answerer");
    (void)pthread_setname_np(writer->thread, "store-writer");
    *ret_writer = writer;
    return RPC_OK;
}

void store__writer_stop(struct store_writer *writer)
{
    if (writer == NULL)
        return;
    end_thread(writer, writer->thread, &writer->is_stopping, &writer->wake);
    end_thread(writer, writer->answerer, &writer->is_over, &writer->answer_wake);
    assert(writer->queue.first == NULL && writer->held == 0);
    destroy(writer);
}

enum rpc_code store__writer_submit(struct store_writer *writer, struct store_commit_work *work,
                                   struct rpc_status *status)
{
    work->next = NULL;
    work->is_refused = false;
    (void)pthread_mutex_lock(&writer->lock);
    bool is_full = writer->held >= STORE_QUEUE_COMMITS_MAX ||
                   (writer->held > 0 && writer->held_bytes + work->bytes > STORE_QUEUE_BYTES_MAX);
    if (!is_full) {
        append(&writer->queue, work);
        writer->queued++;
        writer->held++;
        writer->held_bytes += work->bytes;
        metric_set(&store__metric_queue, (int64_t)writer->held);
        if (writer->queued >= writer->wanted)
            (void)pthread_cond_signal(&writer->wake);
    }
    (void)pthread_mutex_unlock(&writer->lock);
    if (!is_full)
        return RPC_OK;
    (void)rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "too many commits are waiting");
    if (status != NULL)
        status->retry_after_ms = PUSH_BACK_MS;
    return RPC_RESOURCE_EXHAUSTED;
}
