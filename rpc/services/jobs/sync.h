/*
 * Beginning a sync: by a customer, by the clock, by a scan of a new site.
 */
#ifndef RPC_SERVICES_JOBS_SYNC_H
#define RPC_SERVICES_JOBS_SYNC_H

#include "rpc/services/jobs/jobs.h"

struct sync_request {
    int64_t customer_id;
    int64_t item_count; /* of the inventory: what progress is measured by; 0: not known */
    bool automatic, confirm_removals;
};

/* Adds a sync's job to a commit, as jobs_add does. */
enum rpc_code sync_job_add(struct services *services, struct rpc_context *context,
                           struct store_commit *commit, const struct sync_request *request,
                           int64_t *ret_job_id, struct rpc_status *status)
    __attribute__((warn_unused_result));

/*
 * Adds to a commit the job that starts a launched customer's syncs by the clock, at 02:00, 10:00
 * and 18:00 (auto_sync.c). Once for each customer.
 */
enum rpc_code auto_sync_job_add(struct services *services, struct rpc_context *context,
                                struct store_commit *commit, int64_t customer_id,
                                struct rpc_status *status) __attribute__((warn_unused_result));

/* Adds to a commit that this job looks at the clock at once: the customer's time zone changes with
 * it. Nothing for a customer without one. Reads the store. */
enum rpc_code auto_sync_look_add(struct services *services, struct rpc_context *context,
                                 struct store_commit *commit, int64_t customer_id,
                                 struct rpc_status *status) __attribute__((warn_unused_result));

#endif
