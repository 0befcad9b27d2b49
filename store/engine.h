/*
 * What lies under the records: one ordered space of byte keys, with snapshot reads and one writer.
 * LMDB is the first engine (engine_lmdb.c); a distributed one would be another table of functions.
 *
 * Codes that every function may answer beside RPC_OK:
 *   RPC_NOT_FOUND           no such key, or the cursor has reached the end
 *   RPC_ABORTED             the write transaction cannot go on: abort it and run it again (the next
 *                           write_begin makes room first)
 *   RPC_RESOURCE_EXHAUSTED  the disk is full, the transaction too large, or no reader slot is left
 *   RPC_UNAVAILABLE         an input or output error; nothing is known about a commit's outcome
 *   RPC_DATA_LOSS           the file is broken
 *   RPC_INTERNAL            a use that is our own bug
 * After any of these but NOT_FOUND a write transaction can only be aborted.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/base/span.h"
#include "rpc/status.h"

/* Longest key, in bytes. */
#define STORE_ENGINE_KEY_BYTES_MAX 511

struct store_engine;
struct store_txn;
struct store_cursor;

/* What lies at a key; both borrowed. */
struct store_entry {
    struct span key;
    struct span value;
};

struct store_engine_ops {
    /*
     * Begins a read of the latest snapshot. Any thread, many at once; ends on the same thread.
     * Blocks only while the engine is being resized or reopened.
     */
    enum rpc_code (*read_begin)(struct store_engine *engine, struct store_txn **ret_txn,
                                struct rpc_status *status);
    void (*read_end)(struct store_txn *txn);

    /*
     * Begins the one write transaction. Only the writer's thread may write. First mends what an
     * earlier failure left: grows the space, reopens the file; waits for readers to finish then.
     */
    enum rpc_code (*write_begin)(struct store_engine *engine, struct store_txn **ret_txn,
                                 struct rpc_status *status);
    /* Durable when it returns RPC_OK. Ends the transaction in any case. */
    enum rpc_code (*write_commit)(struct store_txn *txn, struct rpc_status *status);
    void (*write_abort)(struct store_txn *txn);

    /* The value lives until the next write of this transaction, or its end. */
    enum rpc_code (*get)(struct store_txn *txn, struct span key, struct span *ret_value,
                         struct rpc_status *status);
    /* Writes head and body as one value, whatever is there. */
    enum rpc_code (*put)(struct store_txn *txn, struct span key, struct span head, struct span body,
                         struct rpc_status *status);
    /* RPC_NOT_FOUND if there is no such key. */
    enum rpc_code (*remove)(struct store_txn *txn, struct span key, struct rpc_status *status);

    /* Close a cursor before its transaction ends. */
    enum rpc_code (*cursor_open)(struct store_txn *txn, struct store_cursor **ret_cursor,
                                 struct rpc_status *status);
    void (*cursor_close)(struct store_cursor *cursor);
    /*
     * Move, and lend what is found there: valid until the transaction writes or ends (in a read
     * transaction, so, as long as that lasts). at_or_after: the first key not below `key`; last:
     * the last of all.
     */
    enum rpc_code (*cursor_at_or_after)(struct store_cursor *cursor, struct span key,
                                        struct store_entry *ret_entry, struct rpc_status *status);
    enum rpc_code (*cursor_last)(struct store_cursor *cursor, struct store_entry *ret_entry,
                                 struct rpc_status *status);
    enum rpc_code (*cursor_next)(struct store_cursor *cursor, struct store_entry *ret_entry,
                                 struct rpc_status *status);
    enum rpc_code (*cursor_previous)(struct store_cursor *cursor, struct store_entry *ret_entry,
                                     struct rpc_status *status);

    /*
     * Writes the latest snapshot, compacted, into an open file, from its start. Any thread; the
     * engine is neither resized nor reopened meanwhile, so a write that needs that waits.
     */
    enum rpc_code (*copy)(struct store_engine *engine, int fd, struct rpc_status *status);

    /* Now and then, on the writer's thread between transactions: heals and sweeps. */
    void (*tend)(struct store_engine *engine);
    /* No transaction may be open. */
    void (*close)(struct store_engine *engine);
};

/* The head of every engine's own struct, of its transactions and cursors. */
struct store_engine {
    const struct store_engine_ops *ops;
};
struct store_txn {
    struct store_engine *engine;
};

/* Address space that the map has at first and at most, in bytes. The file takes only what is used.
 */
#define STORE_MAP_BYTES_FIRST ((size_t)1 << 30)
#define STORE_MAP_BYTES_MAX ((size_t)1 << 40)

/*
 * Opens (or makes) data.mdb and lock.mdb, mode 0600, in `directory`. `map_bytes`: how large the map
 * is at first; 0: STORE_MAP_BYTES_FIRST. RPC_FAILED_PRECONDITION: no permission, or not our file.
 */
enum rpc_code store__engine_lmdb_open(const char *directory, size_t map_bytes,
                                      struct store_engine **ret_engine, struct rpc_status *status)
    __attribute__((warn_unused_result));

#endif
