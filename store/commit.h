/*
 * One commit: checked and encoded by the caller's thread (prepare), applied to the open write
 * transaction by the writer's (apply).
 */
#ifndef STORE_COMMIT_H
#define STORE_COMMIT_H

#include "lotcast/v1/store.pb-c.h"
#include "rpc/context.h"
#include "store/stamp.h"

/* Ops of one commit at most. */
#define STORE_COMMIT_OPS_MAX 50000
/* A counter's name at most, in bytes. */
#define STORE_COUNTER_NAME_BYTES_MAX 200

struct store_commit_op {
    Lotcast__V1__CommitOp__KindCase kind;
    const struct store_table *table; /* NULL for an add */
    struct span key;                 /* encoded: of the record, or of the counter */
    struct span packed;              /* a put's record */
    struct span *entries;            /* a put's keys in the table's indexes; empty: not in it */
    struct span *kept;               /* and what lies there, in indexes that keep something */
    Lotcast__V1__Precondition precondition;
    uint64_t version;
    int64_t delta;
};

/*
 * A commit on its way. Owned by whoever submitted it; the writer has it from submit until `done`.
 * All it points to lives in the call's arena, which nobody else uses meanwhile.
 */
struct store_commit_work {
    struct store_commit_work *next;
    const struct rpc_context *context;
    size_t op_count;
    struct store_commit_op *ops;
    size_t bytes;                          /* of records and keys, about */
    Lotcast__V1__CommitResponse *response; /* its results are made by prepare, filled in by apply */
    enum rpc_code code;
    struct rpc_status status;
    bool is_refused; /* the writer's: stays out of its group */
    /* Called once, on the answering thread, when code and status are set. */
    void (*done)(struct store_commit_work *work);
    void *arg;
};

/*
 * Checks the request and encodes its keys in the context's arena; fills in ops and response's
 * results. RPC_INVALID_ARGUMENT with the field: no such table, a key of a wrong kind or too long, a
 * record that is not well formed or too large. RPC_RESOURCE_EXHAUSTED: the arena is full.
 */
enum rpc_code store__commit_prepare(const struct store_tables *tables,
                                    const Lotcast__V1__CommitRequest *request,
                                    struct store_commit_work *work, struct rpc_status *status)
    __attribute__((warn_unused_result));

struct store_undo; /* one write that can be taken back */

/* The open write transaction of a group. */
struct store_apply {
    struct store_engine *engine;
    struct store_txn *txn;
    uint64_t sequence;              /* the last version given out */
    bool wrote;                     /* some commit changed something */
    bool poisoned;                  /* the engine failed: the transaction can only be aborted */
    struct store_stamp_marks marks; /* of what was written */
    /* Of the commit under way. */
    struct arena scratch;
    struct store_undo *undo;
    size_t undo_count, undo_capacity;
};

void store__apply_init(struct store_apply *apply, struct store_engine *engine);
void store__apply_fini(struct store_apply *apply);

/*
 * Applies all ops or none; sees what was applied before in this transaction. RPC_ABORTED with field
 * ops[N]: a precondition does not hold. RPC_ALREADY_EXISTS with the index's name. RPC_OUT_OF_RANGE:
 * a counter would overflow. RPC_DATA_LOSS: what is stored there is broken. When `poisoned` is set
 * afterwards the code is the engine's, and nothing of the transaction counts.
 */
enum rpc_code store__commit_apply(struct store_apply *apply, struct store_commit_work *work,
                                  struct rpc_status *status) __attribute__((warn_unused_result));

#endif
