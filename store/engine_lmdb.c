/*
 * The engine over LMDB 0.9.24.
 *
 * - One unnamed database, no DUPSORT. Flags: MDB_NOTLS alone, so that each commit is synced, data
 *   before meta page.
 * - Readers hold `gate` shared while their transaction is open; resizing the map and reopening the
 *   environment hold it exclusively, since both are undefined while a transaction is open. The
 * write transaction needs no gate: only the writer's thread begins one, resizes or reopens.
 * - A finished reader is reset and kept in `idle`, with its slot in the reader table, for the next
 *   read_begin to renew. All idle readers are freed before the environment closes.
 * - `env` is NULL after a reopening failed: all answers are RPC_UNAVAILABLE until tend or
 *   write_begin has opened it again.
 * - After a meta page could not be written, LMDB answers MDB_PANIC to everybody (mdb.c,
 *   mdb_env_write_meta). `broken` is set then and the writer reopens.
 */
#include "store/engine.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "rpc/base/clock.h"

/* Slots in the reader table: more than threads that read at once. */
#define READERS_MAX 512
/* How often stale readers are looked for, in ms. */
#define READER_CHECK_INTERVAL_MS 60000
/* The map doubles up to this size and then grows by it. */
#define GROWTH_STEP_BYTES_MAX ((size_t)16 << 30)
#define FILE_MODE 0600

struct lmdb_txn {
    struct store_txn base;
    MDB_txn *txn;
    struct lmdb_txn *next; /* of the idle readers */
};

struct lmdb_engine {
    struct store_engine base;
    char *directory;
    MDB_env *env;
    MDB_dbi dbi;
    size_t map_bytes;
    pthread_rwlock_t gate;
    pthread_mutex_t idle_lock;
    struct lmdb_txn *idle;
    struct lmdb_txn writer; /* its txn is NULL while none is open */
    bool full;              /* writer's thread: the map must grow before the next transaction */
    atomic_bool broken;     /* the environment must be reopened */
    int64_t reader_check_at_ms;
};

static struct lmdb_engine *engine_of(struct store_engine *engine)
{
    return (struct lmdb_engine *)engine;
}

static struct lmdb_engine *txn_engine(struct store_txn *txn)
{
    return engine_of(txn->engine);
}

/* The one mapper from LMDB's codes and errno to ours. */
static enum rpc_code map_error(struct lmdb_engine *engine, int error, struct rpc_status *status)
{
    switch (error) {
    case MDB_SUCCESS:
        return RPC_OK;
    case MDB_NOTFOUND:
        return RPC_NOT_FOUND;
    case MDB_MAP_FULL:
        engine->full = true; /* only a write can be told this */
        return rpc_status_set(status, RPC_ABORTED, "the map is full");
    case MDB_PANIC:
        atomic_store(&engine->broken, true);
        return rpc_status_set(status, RPC_UNAVAILABLE, "the store had a write error");
    case MDB_READERS_FULL:
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "too many reads at once");
    case MDB_TXN_FULL:
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the commit is too large");
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the disk is full");
    case ENOMEM:
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    case MDB_PAGE_NOTFOUND:
    case MDB_CORRUPTED:
        return rpc_status_set(status, RPC_DATA_LOSS, "the store's file is broken");
    case MDB_BAD_VALSIZE:
    case MDB_BAD_TXN:
    case MDB_BAD_DBI:
    case EINVAL:
        return rpc_status_set(status, RPC_INTERNAL, "the store's engine was misused: %s",
                              mdb_strerror(error));
    default:
        return rpc_status_set(status, RPC_UNAVAILABLE, "the store cannot read or write its file");
    }
}

/* --- opening and closing the environment; nobody else may use it meanwhile --- */

static int open_dbi(MDB_env *env, MDB_dbi *ret_dbi)
{
    MDB_txn *txn;
    int error = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (error != 0)
        return error;
    error = mdb_dbi_open(txn, NULL, 0, ret_dbi);
    if (error != 0) {
        mdb_txn_abort(txn);
        return error;
    }
    return mdb_txn_commit(txn);
}

static int open_env(struct lmdb_engine *engine)
{
    MDB_env *env;
    int error = mdb_env_create(&env);
    if (error != 0)
        return error;
    MDB_dbi dbi = 0;
    error = mdb_env_set_mapsize(env, engine->map_bytes);
    if (error == 0)
        error = mdb_env_set_maxreaders(env, READERS_MAX);
    if (error == 0)
        error = mdb_env_open(env, engine->directory, MDB_NOTLS, FILE_MODE);
    if (error == 0) {
        int dead;
        error = mdb_reader_check(env, &dead);
    }
    if (error == 0)
        error = open_dbi(env, &dbi);
    if (error != 0) {
        mdb_env_close(env);
        return error;
    }
    assert(mdb_env_get_maxkeysize(env) >= STORE_ENGINE_KEY_BYTES_MAX);
    MDB_envinfo info;
    if (mdb_env_info(env, &info) == 0)
        engine->map_bytes = info.me_mapsize; /* LMDB takes more if the file is larger */
    engine->env = env;
    engine->dbi = dbi;
    return 0;
}

static void free_idle(struct lmdb_engine *engine)
{
    while (engine->idle != NULL) {
        struct lmdb_txn *reader = engine->idle;
        engine->idle = reader->next;
        mdb_txn_abort(reader->txn);
        free(reader);
    }
}

static void close_env(struct lmdb_engine *engine)
{
    if (engine->env == NULL)
        return;
    free_idle(engine);
    mdb_env_close(engine->env);
    engine->env = NULL;
}

/* --- mending, on the writer's thread --- */

static int reopen(struct lmdb_engine *engine)
{
    (void)pthread_rwlock_wrlock(&engine->gate);
    close_env(engine);
    int error = open_env(engine);
    atomic_store(&engine->broken, error != 0);
    (void)pthread_rwlock_unlock(&engine->gate);
    return error;
}

static size_t grown_bytes(size_t bytes)
{
    size_t step = bytes < GROWTH_STEP_BYTES_MAX ? bytes : GROWTH_STEP_BYTES_MAX;
    return bytes > STORE_MAP_BYTES_MAX - step ? STORE_MAP_BYTES_MAX : bytes + step;
}

/* A failed remap leaves LMDB without a map, so then the environment is reopened at its old size. */
static int grow(struct lmdb_engine *engine)
{
    size_t bytes = grown_bytes(engine->map_bytes);
    if (bytes == engine->map_bytes)
        return ENOSPC;
    (void)pthread_rwlock_wrlock(&engine->gate);
    int error = mdb_env_set_mapsize(engine->env, bytes);
    if (error == 0)
        engine->map_bytes = bytes;
    (void)pthread_rwlock_unlock(&engine->gate);
    if (error == 0) {
        engine->full = false;
        return 0;
    }
    int reopen_error = reopen(engine);
    return reopen_error != 0 ? reopen_error : error;
}

static int mend(struct lmdb_engine *engine)
{
    int error = 0;
    if (engine->env == NULL || atomic_load(&engine->broken))
        error = reopen(engine);
    if (error == 0 && engine->full)
        error = grow(engine);
    return error;
}

static void lmdb_tend(struct store_engine *base)
{
    struct lmdb_engine *engine = engine_of(base);
    if (mend(engine) != 0)
        return; /* the next call or write tries again */
    int64_t now_ms = clock_mono_ms();
    if (now_ms < engine->reader_check_at_ms)
        return;
    int dead;
    (void)mdb_reader_check(engine->env, &dead);
    engine->reader_check_at_ms = now_ms + READER_CHECK_INTERVAL_MS;
}

/* --- reading --- */

static struct lmdb_txn *take_idle(struct lmdb_engine *engine)
{
    (void)pthread_mutex_lock(&engine->idle_lock);
    struct lmdb_txn *reader = engine->idle;
    if (reader != NULL)
        engine->idle = reader->next;
    (void)pthread_mutex_unlock(&engine->idle_lock);
    return reader;
}

static int new_reader(struct lmdb_engine *engine, struct lmdb_txn **ret_reader)
{
    struct lmdb_txn *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return ENOMEM;
    reader->base.engine = &engine->base;
    int error = mdb_txn_begin(engine->env, NULL, MDB_RDONLY, &reader->txn);
    if (error == MDB_READERS_FULL) {
        int dead;
        (void)mdb_reader_check(engine->env, &dead);
        error = mdb_txn_begin(engine->env, NULL, MDB_RDONLY, &reader->txn);
    }
    if (error != 0) {
        free(reader);
        return error;
    }
    *ret_reader = reader;
    return 0;
}

static int begin_reader(struct lmdb_engine *engine, struct lmdb_txn **ret_reader)
{
    if (engine->env == NULL)
        return MDB_PANIC;
    struct lmdb_txn *reader = take_idle(engine);
    if (reader == NULL)
        return new_reader(engine, ret_reader);
    int error = mdb_txn_renew(reader->txn);
    if (error != 0) {
        mdb_txn_abort(reader->txn);
        free(reader);
        return error;
    }
    *ret_reader = reader;
    return 0;
}

static enum rpc_code lmdb_read_begin(struct store_engine *base, struct store_txn **ret_txn,
                                     struct rpc_status *status)
{
    struct lmdb_engine *engine = engine_of(base);
    (void)pthread_rwlock_rdlock(&engine->gate);
    struct lmdb_txn *reader;
    int error = begin_reader(engine, &reader);
    if (error != 0) {
        enum rpc_code code = map_error(engine, error, status);
        (void)pthread_rwlock_unlock(&engine->gate);
        return code;
    }
    *ret_txn = &reader->base;
    return RPC_OK;
}

static void lmdb_read_end(struct store_txn *txn)
{
    struct lmdb_engine *engine = txn_engine(txn);
    struct lmdb_txn *reader = (struct lmdb_txn *)txn;
    mdb_txn_reset(reader->txn);
    (void)pthread_mutex_lock(&engine->idle_lock);
    reader->next = engine->idle;
    engine->idle = reader;
    (void)pthread_mutex_unlock(&engine->idle_lock);
    (void)pthread_rwlock_unlock(&engine->gate);
}

/* --- writing --- */

static enum rpc_code lmdb_write_begin(struct store_engine *base, struct store_txn **ret_txn,
                                      struct rpc_status *status)
{
    struct lmdb_engine *engine = engine_of(base);
    assert(engine->writer.txn == NULL);
    int error = mend(engine);
    if (error == 0)
        error = mdb_txn_begin(engine->env, NULL, 0, &engine->writer.txn);
    if (error == MDB_PANIC) {
        error = reopen(engine);
        if (error == 0)
            error = mdb_txn_begin(engine->env, NULL, 0, &engine->writer.txn);
    }
    if (error != 0) {
        engine->writer.txn = NULL;
        return map_error(engine, error, status);
    }
    *ret_txn = &engine->writer.base;
    return RPC_OK;
}

/*
 * After a failed commit. If the meta page was the culprit everybody is refused until we reopen, and
 * it is not known whether the commit happened, whatever the error said.
 */
static bool reopen_after_panic(struct lmdb_engine *engine)
{
    MDB_txn *txn;
    int error = mdb_txn_begin(engine->env, NULL, 0, &txn);
    if (error == 0)
        mdb_txn_abort(txn);
    if (error != MDB_PANIC)
        return false;
    (void)reopen(engine); /* or else the next tend or write_begin does */
    return true;
}

static enum rpc_code lmdb_write_commit(struct store_txn *txn, struct rpc_status *status)
{
    struct lmdb_engine *engine = txn_engine(txn);
    MDB_txn *writer = engine->writer.txn;
    engine->writer.txn = NULL;
    int error = mdb_txn_commit(writer);
    if (error == 0)
        return RPC_OK;
    if (error != MDB_MAP_FULL && reopen_after_panic(engine))
        error = EIO;
    return map_error(engine, error, status);
}

static void lmdb_write_abort(struct store_txn *txn)
{
    struct lmdb_engine *engine = txn_engine(txn);
    mdb_txn_abort(engine->writer.txn);
    engine->writer.txn = NULL;
}

static MDB_val val_of(struct span span)
{
    return (MDB_val){span.len, (void *)span.data}; /* LMDB reads keys, though it says void * */
}

static enum rpc_code lmdb_get(struct store_txn *txn, struct span key, struct span *ret_value,
                              struct rpc_status *status)
{
    struct lmdb_engine *engine = txn_engine(txn);
    MDB_val key_val = val_of(key);
    MDB_val value;
    int error = mdb_get(((struct lmdb_txn *)txn)->txn, engine->dbi, &key_val, &value);
    if (error != 0)
        return map_error(engine, error, status);
    *ret_value = span_of(value.mv_data, value.mv_size);
    return RPC_OK;
}

static enum rpc_code lmdb_put(struct store_txn *txn, struct span key, struct span head,
                              struct span body, struct rpc_status *status)
{
    struct lmdb_engine *engine = txn_engine(txn);
    MDB_val key_val = val_of(key);
    MDB_val value = {head.len + body.len, NULL};
    int error = mdb_put(engine->writer.txn, engine->dbi, &key_val, &value, MDB_RESERVE);
    if (error != 0)
        return map_error(engine, error, status);
    if (head.len > 0)
        memcpy(value.mv_data, head.data, head.len);
    if (body.len > 0)
        memcpy((uint8_t *)value.mv_data + head.len, body.data, body.len);
    return RPC_OK;
}

static enum rpc_code lmdb_remove(struct store_txn *txn, struct span key, struct rpc_status *status)
{
    struct lmdb_engine *engine = txn_engine(txn);
    MDB_val key_val = val_of(key);
    int error = mdb_del(engine->writer.txn, engine->dbi, &key_val, NULL);
    return map_error(engine, error, status);
}

/* --- cursors --- */

struct lmdb_cursor {
    struct lmdb_engine *engine;
    MDB_cursor *cursor;
};

static enum rpc_code lmdb_cursor_open(struct store_txn *txn, struct store_cursor **ret_cursor,
                                      struct rpc_status *status)
{
    struct lmdb_engine *engine = txn_engine(txn);
    struct lmdb_cursor *cursor = malloc(sizeof *cursor);
    if (cursor == NULL)
        return map_error(engine, ENOMEM, status);
    cursor->engine = engine;
    int error = mdb_cursor_open(((struct lmdb_txn *)txn)->txn, engine->dbi, &cursor->cursor);
    if (error != 0) {
        free(cursor);
        return map_error(engine, error, status);
    }
    *ret_cursor = (struct store_cursor *)cursor;
    return RPC_OK;
}

static void lmdb_cursor_close(struct store_cursor *base)
{
    struct lmdb_cursor *cursor = (struct lmdb_cursor *)base;
    mdb_cursor_close(cursor->cursor);
    free(cursor);
}

static enum rpc_code move(struct store_cursor *base, MDB_cursor_op op, struct span key,
                          struct store_entry *ret_entry, struct rpc_status *status)
{
    struct lmdb_cursor *cursor = (struct lmdb_cursor *)base;
    MDB_val key_val = val_of(key);
    MDB_val value;
    int error = mdb_cursor_get(cursor->cursor, &key_val, &value, op);
    if (error != 0)
        return map_error(cursor->engine, error, status);
    ret_entry->key = span_of(key_val.mv_data, key_val.mv_size);
    ret_entry->value = span_of(value.mv_data, value.mv_size);
    return RPC_OK;
}

static enum rpc_code lmdb_cursor_at_or_after(struct store_cursor *cursor, struct span key,
                                             struct store_entry *ret_entry,
                                             struct rpc_status *status)
{
    return move(cursor, MDB_SET_RANGE, key, ret_entry, status);
}

static enum rpc_code lmdb_cursor_last(struct store_cursor *cursor, struct store_entry *ret_entry,
                                      struct rpc_status *status)
{
    return move(cursor, MDB_LAST, (struct span){0}, ret_entry, status);
}

static enum rpc_code lmdb_cursor_next(struct store_cursor *cursor, struct store_entry *ret_entry,
                                      struct rpc_status *status)
{
    return move(cursor, MDB_NEXT, (struct span){0}, ret_entry, status);
}

static enum rpc_code lmdb_cursor_previous(struct store_cursor *cursor,
                                          struct store_entry *ret_entry, struct rpc_status *status)
{
    return move(cursor, MDB_PREV, (struct span){0}, ret_entry, status);
}

static enum rpc_code lmdb_copy(struct store_engine *base, int fd, struct rpc_status *status)
{
    struct lmdb_engine *engine = engine_of(base);
    (void)pthread_rwlock_rdlock(&engine->gate);
    int error = engine->env == NULL ? MDB_PANIC : mdb_env_copyfd2(engine->env, fd, MDB_CP_COMPACT);
    enum rpc_code code = map_error(engine, error, status);
    (void)pthread_rwlock_unlock(&engine->gate);
    return code;
}

static void lmdb_close(struct store_engine *base)
{
    struct lmdb_engine *engine = engine_of(base);
    assert(engine->writer.txn == NULL);
    close_env(engine);
    (void)pthread_rwlock_destroy(&engine->gate);
    (void)pthread_mutex_destroy(&engine->idle_lock);
    free(engine->directory);
    free(engine);
}

static const struct store_engine_ops lmdb_ops = {
    .read_begin = lmdb_read_begin,
    .read_end = lmdb_read_end,
    .write_begin = lmdb_write_begin,
    .write_commit = lmdb_write_commit,
    .write_abort = lmdb_write_abort,
    .get = lmdb_get,
    .put = lmdb_put,
    .remove = lmdb_remove,
    .cursor_open = lmdb_cursor_open,
    .cursor_close = lmdb_cursor_close,
    .cursor_at_or_after = lmdb_cursor_at_or_after,
    .cursor_last = lmdb_cursor_last,
    .cursor_next = lmdb_cursor_next,
    .cursor_previous = lmdb_cursor_previous,
    .copy = lmdb_copy,
    .tend = lmdb_tend,
    .close = lmdb_close,
};

/* Readers come all the time: without this kind the writer would wait for a gap for ever. */
static int init_gate(pthread_rwlock_t *gate)
{
    pthread_rwlockattr_t attributes;
    int error = pthread_rwlockattr_init(&attributes);
    if (error != 0)
        return error;
    error =
        pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    if (error == 0)
        error = pthread_rwlock_init(gate, &attributes);
    (void)pthread_rwlockattr_destroy(&attributes);
    return error;
}

static enum rpc_code open_failed(int error, const char *directory, struct rpc_status *status)
{
    if (error == MDB_INVALID || error == MDB_VERSION_MISMATCH)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION,
                              "%s/data.mdb is not a store's file, or it is broken", directory);
    return rpc_status_set(status, RPC_FAILED_PRECONDITION, "cannot open the store in %s: %s",
                          directory, mdb_strerror(error));
}

/* Opens with room for as much again as the file has. Growing the map while it is served holds up
 * all readers, and all that was mapped is to be mapped anew. */
static int open_with_room(struct lmdb_engine *engine)
{
    char path[PATH_MAX];
    struct stat info;
    size_t bytes = engine->map_bytes;
    int len = snprintf(path, sizeof path, "%s/data.mdb", engine->directory);
    if (len > 0 && (size_t)len < sizeof path && stat(path, &info) == 0) {
        while (engine->map_bytes / 2 < (size_t)info.st_size &&
               engine->map_bytes < STORE_MAP_BYTES_MAX)
            engine->map_bytes = grown_bytes(engine->map_bytes);
    }
    int error = open_env(engine);
    if (error != ENOMEM || engine->map_bytes == bytes)
        return error;
    engine->map_bytes = bytes; /* so little address space */
    return open_env(engine);
}

enum rpc_code store__engine_lmdb_open(const char *directory, size_t map_bytes,
                                      struct store_engine **ret_engine, struct rpc_status *status)
{
    struct lmdb_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    engine->base.ops = &lmdb_ops;
    engine->writer.base.engine = &engine->base;
    engine->map_bytes = map_bytes == 0 ? STORE_MAP_BYTES_FIRST : map_bytes;
    engine->directory = strdup(directory);
    int error = engine->directory == NULL ? ENOMEM : init_gate(&engine->gate);
    if (error != 0) {
        free(engine->directory);
        free(engine);
        return open_failed(error, directory, status);
    }
    (void)pthread_mutex_init(&engine->idle_lock, NULL);
    engine->reader_check_at_ms = clock_mono_ms() + READER_CHECK_INTERVAL_MS;
    error = open_with_room(engine);
    if (error != 0) {
        lmdb_close(&engine->base);
        return open_failed(error, directory, status);
    }
    *ret_engine = &engine->base;
    return RPC_OK;
}
