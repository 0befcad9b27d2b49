/*
 * The audit: who did what to whom when. Every call of an admin or an operator that changes
 * something leaves a record in the commit that changes it; one that shows a customer's pages leaves
 * one before anything is shown.
 */
#ifndef RPC_SERVICES_AUDIT_H
#define RPC_SERVICES_AUDIT_H

#include "rpc/services/internal.h"

struct audit_entry {
    const char *action;  /* credits, suspend, resume, … */
    int64_t customer_id; /* 0: nobody's */
    const char *reason;
};

/*
 * Adds the record to `commit`, which the caller sends: the actor is the call's principal (an admin
 * or an operator), the time is now. A commit that fails with RPC_ABORTED is made anew with a record
 * of its own, so records are numbered by the clock and something random and never block each other.
 * Reads the store; besides its errors RPC_RESOURCE_EXHAUSTED.
 */
enum rpc_code audit_add(struct rpc_server_call *call, struct services *services,
                        struct store_commit *commit, const struct audit_entry *entry,
                        struct rpc_status *status) __attribute__((warn_unused_result));
/* The same in a commit of its own, and waits for it. */
enum rpc_code audit_write(struct rpc_server_call *call, struct services *services,
                          const struct audit_entry *entry, struct rpc_status *status)
    __attribute__((warn_unused_result));

/*
 * Of a call that has been let in: records it if an admin views as a customer, or an operator acts
 * on one. To run before the handler; any code but RPC_OK refuses the call.
 */
enum rpc_code audit_acting(struct rpc_server_call *call, struct services *services,
                           struct rpc_status *status) __attribute__((warn_unused_result));
/* For the handlers of admins' methods that only read: an operator's calls are recorded too. */
enum rpc_code audit_operator_read(struct rpc_server_call *call, int64_t customer_id,
                                  struct rpc_status *status) __attribute__((warn_unused_result));

#endif
