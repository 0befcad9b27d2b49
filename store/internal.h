/* What the parts of the store role share. */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <stdatomic.h>

#include "store/query.h"
#include "store/store.h"
#include "store/writer.h"

struct store {
    struct store_tables tables;
    struct store_engine *engine;
    struct store_stamps *stamps;
    struct store_images *images;
    struct store_writer *writer;
    int lock_fd; /* -1: not held */
    char *directory;
    atomic_bool is_copied; /* a backup is under way */
    struct rpc_service service;
};

/* In the order of lotcast.v1.Store's methods; `self` is the store. */
extern rpc_handler *const store__handlers[];

/* The methods without a call around them, for the handlers and for tests. Any thread. */

/* Blocks for as long as the snapshot is read. `batch`: whose snapshot is read, or NULL. */
enum rpc_code store__read(struct store *store, const struct rpc_context *context,
                          struct rpc_batch *batch, const Lotcast__V1__ReadRequest *request,
                          Lotcast__V1__ReadResponse *response, struct rpc_status *status)
    __attribute__((warn_unused_result));
enum rpc_code store__query(struct store *store, const struct rpc_context *context,
                           const Lotcast__V1__QueryRequest *request,
                           Lotcast__V1__QueryResponse *response, struct rpc_status *status)
    __attribute__((warn_unused_result));
/*
 * Checks and queues a commit. `work` is the caller's, in the context's arena: context, response,
 * done and arg are set, all else zero. On RPC_OK `done(work)` comes exactly once, on another thread
 * and perhaps before this returns, with the outcome in work->code and work->status.
 */
enum rpc_code store__commit(struct store *store, const Lotcast__V1__CommitRequest *request,
                            struct store_commit_work *work, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* backup.c. RPC_ABORTED: another one is under way. */
enum rpc_code store__backup(struct store *store, const struct rpc_context *context,
                            Lotcast__V1__BackupResponse *response, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Makes one and sends it as the call's items, while its file has no name any more. */
enum rpc_code store__backup_send(struct store *store, struct rpc_server_call *call,
                                 struct rpc_status *status) __attribute__((warn_unused_result));
/* check.c: about a second's part of the file. */
enum rpc_code store__check(struct store *store, const struct rpc_context *context,
                           const Lotcast__V1__CheckRequest *request,
                           Lotcast__V1__CheckResponse *response, struct rpc_status *status)
    __attribute__((warn_unused_result));

#endif
