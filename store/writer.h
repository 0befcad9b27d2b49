/*
 * The one writer: a thread that takes queued commits in groups, a transaction and a sync for each,
 * and one that answers them.
 */
#ifndef STORE_WRITER_H
#define STORE_WRITER_H

#include "store/commit.h"

/* Commits that are not answered yet, and the bytes of all of them, at most. */
#define STORE_QUEUE_COMMITS_MAX 4096
#define STORE_QUEUE_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Of one group. */
#define STORE_GROUP_COMMITS_MAX 512
#define STORE_GROUP_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct store_writer;

/* Starts the threads. Borrows engine and stamps. */
enum rpc_code store__writer_start(struct store_engine *engine, struct store_stamps *stamps,
                                  struct store_writer **ret_writer, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Finishes what is queued, answers it and ends the threads. Takes NULL. */
void store__writer_stop(struct store_writer *writer);

/*
 * Queues a prepared commit; any thread. On RPC_OK its `done` comes later, exactly once.
 * RPC_RESOURCE_EXHAUSTED: the queue is full, try again later.
 */
enum rpc_code store__writer_submit(struct store_writer *writer, struct store_commit_work *work,
                                   struct rpc_status *status) __attribute__((warn_unused_result));

#endif
