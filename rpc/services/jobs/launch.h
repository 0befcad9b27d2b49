/*
 * The launch's steps, in two files: what is made at Meta (launch.c) and the items (launch_items.c).
 */
#ifndef RPC_SERVICES_JOBS_LAUNCH_H
#define RPC_SERVICES_JOBS_LAUNCH_H

#include "rpc/services/jobs/internal.h"

/* Numbers are stored: never reuse one. */
enum launch_step {
    LAUNCH_STEP_CATALOG = 0,
    LAUNCH_STEP_ITEMS = 1,
    LAUNCH_STEP_ITEMS_WAIT = 2,
    LAUNCH_STEP_PRODUCT_SET = 3,
    LAUNCH_STEP_CAMPAIGN = 4,
    LAUNCH_STEP_AD_SET = 5,
    LAUNCH_STEP_CREATIVE = 6,
    LAUNCH_STEP_AD = 7,
    LAUNCH_STEP_ACTIVATE_AD = 8,
    LAUNCH_STEP_ACTIVATE_AD_SET = 9,
    LAUNCH_STEP_ACTIVATE_CAMPAIGN = 10,
    LAUNCH_STEP_DONE = 11,
    LAUNCH_STEP_COUNT
};

/* Submits the next batch of items to the catalog; again until there are no more. */
enum rpc_code jobs__launch_items(struct job_step *step, struct rpc_status *status);
/* Asks until Meta has finished all batches; stores what it took of each item. */
enum rpc_code jobs__launch_items_wait(struct job_step *step, struct rpc_status *status);

#endif
