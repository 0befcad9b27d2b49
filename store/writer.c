/*
 * Group commit.
 *
 * While a group is being synced the next one gathers in the queue, so groups grow with the load by
 * themselves; nothing waits for company. Only the writer's thread touches the engine's write side.
 *
 *   queued → in a group → applied ┬→ synced      → done(RPC_OK)
 *                                 ├→ refused     → done(its own code), the rest goes on
 *                                 └→ sync failed → done(the engine's code), all of the group
 *
 * A transaction that the engine gave up (the map was full, one commit was too large for it) is
 * aborted and the group applied anew, without the commit that was at fault if it was one's. Results
 * are only those of the last attempt.
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
#include <time.h>

#include "rpc/base/clock.h"
#include "store/metrics.h"

/* How often the engine is tended while there is nothing to do, in ms. */
#define TEND_INTERVAL_MS 1000
/* What a caller is told to wait when the queue is full, in ms. */
#define PUSH_BACK_MS 50
/* Attempts that end in RPC_ABORTED: the map doubles each time, so this is never reached. */
#define GROWTHS_MAX 64

struct store_writer {
    struct store_engine *engine;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* under lock */
    struct store_commit_work *first, *last;
    size_t waiting, waiting_bytes;
    bool stopping;
    /* the thread's own */
    uint64_t sequence;
    struct store_apply apply;
    int64_t tend_at_ms;
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
    code = ops->write_commit(apply->txn, status);
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
    metric_observe_us(&store__metric_commit_time, clock_mono_us() - begin_us);
}

static void finish_group(struct store_commit_work *group)
{
    while (group != NULL) {
        struct store_commit_work *work = group;
        group = work->next;
        work->next = NULL;
        metric_add(work->code == RPC_OK ? &store__metric_commits : &store__metric_refused, 1);
        work->done(work); /* the work may be gone now */
    }
}

/* --- the thread --- */

/* Waits for work or the time to tend. */
static void wait_for_work(struct store_writer *writer)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += TEND_INTERVAL_MS / 1000;
    int error = 0;
    while (writer->first == NULL && !writer->stopping && error != ETIMEDOUT)
        error = pthread_cond_timedwait(&writer->wake, &writer->lock, &until);
}

/* Takes the front of the queue, as much as a group may hold and at least one; NULL if it is empty.
 */
static struct store_commit_work *take_group(struct store_writer *writer, size_t *ret_count)
{
    struct store_commit_work *group = writer->first;
    struct store_commit_work *last = NULL;
    size_t count = 0;
    size_t bytes = 0;
    for (struct store_commit_work *work = group;
         work != NULL && count < STORE_GROUP_COMMITS_MAX &&
         (count == 0 || work->bytes <= STORE_GROUP_BYTES_MAX - bytes);
         work = work->next) {
        count++;
        bytes = bytes + work->bytes > STORE_GROUP_BYTES_MAX ? STORE_GROUP_BYTES_MAX
                                                            : bytes + work->bytes;
        writer->waiting_bytes -= work->bytes;
        last = work;
    }
    writer->waiting -= count;
    if (last != NULL) {
        writer->first = last->next;
        last->next = NULL;
    }
    if (writer->first == NULL)
        writer->last = NULL;
    metric_set(&store__metric_queue, (int64_t)writer->waiting);
    *ret_count = count;
    return group;
}

static void tend(struct store_writer *writer)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms < writer->tend_at_ms)
        return;
    writer->engine->ops->tend(writer->engine);
    writer->tend_at_ms = now_ms + TEND_INTERVAL_MS;
}

static void *run(void *arg)
{
    struct store_writer *writer = arg;
    for (;;) {
        (void)pthread_mutex_lock(&writer->lock);
        wait_for_work(writer);
        size_t count;
        struct store_commit_work *group = take_group(writer, &count);
        bool is_over = group == NULL && writer->stopping;
        (void)pthread_mutex_unlock(&writer->lock);
        if (is_over)
            return NULL;
        if (group != NULL) {
            run_group(writer, group, count);
            finish_group(group);
        }
        tend(writer);
    }
}

/* --- for others --- */

static void init_locks(struct store_writer *writer)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&writer->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&writer->lock, NULL);
}

static void destroy(struct store_writer *writer)
{
    store__apply_fini(&writer->apply);
    (void)pthread_cond_destroy(&writer->wake);
    (void)pthread_mutex_destroy(&writer->lock);
    free(writer);
}

enum rpc_code store__writer_start(struct store_engine *engine, struct store_writer **ret_writer,
                                  struct rpc_status *status)
{
    struct store_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    writer->engine = engine;
    store__apply_init(&writer->apply, engine);
    init_locks(writer);
    int error = pthread_create(&writer->thread, NULL, run, writer);
    if (error != 0) {
        destroy(writer);
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "cannot start the writer's thread");
    }
    (void)pthread_setname_np(writer->thread, "store-writer");
    *ret_writer = writer;
    return RPC_OK;
}

void store__writer_stop(struct store_writer *writer)
{
    if (writer == NULL)
        return;
    (void)pthread_mutex_lock(&writer->lock);
    writer->stopping = true;
    (void)pthread_cond_signal(&writer->wake);
    (void)pthread_mutex_unlock(&writer->lock);
    (void)pthread_join(writer->thread, NULL);
    assert(writer->first == NULL);
    destroy(writer);
}

enum rpc_code store__writer_submit(struct store_writer *writer, struct store_commit_work *work,
                                   struct rpc_status *status)
{
    work->next = NULL;
    work->is_refused = false;
    (void)pthread_mutex_lock(&writer->lock);
    bool is_full =
        writer->waiting >= STORE_QUEUE_COMMITS_MAX ||
        (writer->waiting > 0 && writer->waiting_bytes + work->bytes > STORE_QUEUE_BYTES_MAX);
    if (is_full) {
        (void)pthread_mutex_unlock(&writer->lock);
        (void)rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "too many commits are waiting");
        if (status != NULL)
            status->retry_after_ms = PUSH_BACK_MS;
        return RPC_RESOURCE_EXHAUSTED;
    }
    if (writer->last == NULL)
        writer->first = work;
    else
        writer->last->next = work;
    writer->last = work;
    writer->waiting++;
    writer->waiting_bytes += work->bytes;
    metric_set(&store__metric_queue, (int64_t)writer->waiting);
    (void)pthread_cond_signal(&writer->wake);
    (void)pthread_mutex_unlock(&writer->lock);
    return RPC_OK;
}
