/*
 * A catalog at Meta brought in step with the inventory: what launch and sync share.
 */
#ifndef RPC_SERVICES_JOBS_CATALOG_H
#define RPC_SERVICES_JOBS_CATALOG_H

#include "rpc/services/jobs/internal.h"

/* Halvings of a batch with each attempt (Meta asks to "reduce the amount of data") at most. */
#define CATALOG_HALVINGS_MAX 5
/* Items of one read. */
#define CATALOG_PAGE_ROWS 500

/* What a job sends where; the places are fields of step->job. */
struct catalog_run {
    struct job_step *step;
    const char *catalog_id;
    bool all;             /* every advertised item; else what Meta has not taken as it is */
    int64_t *looked_at;   /* items up to this id have been looked at */
    size_t *handle_count; /* batches whose end is still to be asked for */
    char ***handles;
};

/*
 * Sends the next batch of items, if there are any to send, and advances the places. `ret_complete`:
 * there are no more items behind it. `ret_sent`: how many it has sent. RPC_ABORTED: an item has
 * changed meanwhile; the step is to be repeated.
 */
enum rpc_code jobs__catalog_send(struct catalog_run *run, bool *ret_complete, size_t *ret_sent,
                                 struct rpc_status *status) __attribute__((warn_unused_result));
/* Sends the next deletions of items that have gone, behind `gone_id` (of step->job). */
enum rpc_code jobs__catalog_send_gone(struct catalog_run *run, int64_t *gone_id, bool *ret_complete,
                                      struct rpc_status *status)
    __attribute__((warn_unused_result));

struct catalog_outcome {
    bool finished; /* else: ask again later */
    int64_t advertised;
    int64_t accepted; /* of them, by Meta, as they are in the catalog now */
};
/*
 * Asks for the batches. Once all have ended, stores what became of each item and forgets those gone
 * whose deletion was sent, and the handles. RPC_FAILED_PRECONDITION: Meta has ended a batch
 * without finishing it.
 */
enum rpc_code jobs__catalog_settle(struct catalog_run *run, struct catalog_outcome *ret_outcome,
                                   struct rpc_status *status) __attribute__((warn_unused_result));
/* How long to wait before asking again: 500 ms, 1 s, 2 s … 10 s. */
int64_t jobs__catalog_poll_ms(int32_t attempt);

/*
 * Compares what the catalog holds with the inventory (catalog_compare.c): items that Meta has lost
 * are marked to be sent, and items of ours that are not in the inventory any more to be deleted.
 * `ret_differs`: there were any.
 */
enum rpc_code jobs__catalog_compare(struct catalog_run *run, bool *ret_differs,
                                    struct rpc_status *status) __attribute__((warn_unused_result));

/* --- between the files of it --- */

/* A page of the customer's items behind an item id, in the arena. */
enum rpc_code jobs__catalog_page(struct job_step *step, struct arena *arena, int64_t behind_item_id,
                                 struct store_read_op *ret_page, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* The same of those that have gone; a page is a batch. */
enum rpc_code jobs__catalog_gone_page(struct job_step *step, struct arena *arena,
                                      int64_t behind_item_id, struct store_read_op *ret_page,
                                      struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Stores what Meta refused at once. */
enum rpc_code jobs__catalog_refused(struct job_step *step, const struct meta_submission *submission,
                                    struct rpc_status *status) __attribute__((warn_unused_result));

/* The sent_hash of a deletion: no content's hash is so short. */
static inline ProtobufCBinaryData jobs__catalog_removal(void)
{
    static uint8_t byte[1];
    return (ProtobufCBinaryData){sizeof byte, byte};
}

static inline bool jobs__bytes_same(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
    return span_equal(span_of(a.data, a.len), span_of(b.data, b.len));
}

static inline bool jobs__item_advertised(const Lotcast__V1__ItemRecord *item)
{
    return item->excluded[0] == '\0';
}

#endif
