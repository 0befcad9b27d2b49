/*
 * Changes of a customer's balance after sign-up: the one way to post, so that the campaign is
 * paused when the credits end and goes on when they are back.
 *
 * The flag paused_by_credits and the balance change in one commit that expects the balance's
 * version: whoever posts next sees both.
 */
#ifndef RPC_SERVICES_CREDITS_H
#define RPC_SERVICES_CREDITS_H

#include "rpc/services/ledger.h"

/* What else changes in the same commit. */
enum credits_dispute {
    CREDITS_DISPUTE_AS_IT_IS,
    CREDITS_DISPUTE_PAUSES, /* the campaign is paused until the dispute is won or an admin resumes
                             */
    CREDITS_DISPUTE_OVER,
};

struct credits_change {
    const struct ledger_posting *postings;
    size_t posting_count; /* 0: the balance stays */
    enum credits_dispute dispute;
};

/*
 * Adds to `commit` all that the change means: the postings as ledger_append does, and the reasons
 * to pause the campaign, with the job that tells Meta where one of them changes. Codes as
 * ledger_append's. The commit must have no other op on the campaign's record, nor, with a dispute,
 * on the customer's, and is sent by credits_send (or seen by credits_code).
 */
enum rpc_code credits_append(struct services *services, struct rpc_context *context,
                             struct store_commit *commit, int64_t customer_id,
                             const struct credits_change *change, int64_t *ret_balance_centi,
                             struct rpc_status *status) __attribute__((warn_unused_result));

/* Sends a commit with such a change and wakes the jobs. RPC_ABORTED: something that was read has
 * changed in between, or a job was added by another; read again and decide anew. */
enum rpc_code credits_send(struct services *services, struct rpc_context *context,
                           struct store_commit *commit, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* The same meaning of the outcome of a commit that was sent otherwise: RPC_ABORTED for another's
 * job. */
enum rpc_code credits_code(enum rpc_code code, const struct rpc_status *status);

#endif
