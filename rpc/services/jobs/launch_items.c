/*
 * The launch's items: all that are advertised, sent to the catalog (catalog.c).
 */
#include <stdio.h>

#include "rpc/services/jobs/catalog.h"
#include "rpc/services/jobs/launch.h"

/* While the site is being read: look again after so long. */
#define SCAN_WAIT_MS 1000

static struct catalog_run catalog_run_of(struct job_step *step)
{
    Lotcast__V1__LaunchJob *launch = step->job->launch;
    return (struct catalog_run){.step = step,
                                .catalog_id = launch->catalog_id,
                                .all = true,
                                .looked_at = &launch->submitted_item_id,
                                .handle_count = &launch->n_batch_handles,
                                .handles = &launch->batch_handles};
}

/* An earlier launch that failed may have sent what has gone since. */
static enum rpc_code gone_send(struct catalog_run *run, struct rpc_status *status)
{
    int64_t gone_id = 0;
    enum rpc_code code = RPC_OK;
    for (bool complete = false; code == RPC_OK && !complete;)
        code = jobs__catalog_send_gone(run, &gone_id, &complete, status);
    return code;
}

enum rpc_code jobs__launch_items(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__LaunchJob *launch = step->job->launch;
    if (launch->submitted_item_id == 0) {
        bool scanning = false;
        enum rpc_code code = jobs__active(step, &jobs__scan, &scanning, status);
        if (code != RPC_OK)
            return code;
        if (scanning) {
            step->next = LAUNCH_STEP_ITEMS;
            step->delay_ms = SCAN_WAIT_MS;
            return RPC_OK;
        }
    }
    struct catalog_run run = catalog_run_of(step);
    bool complete = false;
    size_t sent = 0;
    enum rpc_code code = jobs__catalog_send(&run, &complete, &sent, status);
    if (code != RPC_OK)
        return code;
    if (!complete) {
        step->next = LAUNCH_STEP_ITEMS;
        return RPC_OK;
    }
    if (sent == 0 && launch->n_batch_handles == 0)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NO_ITEMS_FOUND, NULL);
    return gone_send(&run, status);
}

enum rpc_code jobs__launch_items_wait(struct job_step *step, struct rpc_status *status)
{
    struct catalog_run run = catalog_run_of(step);
    struct catalog_outcome outcome = {0};
    enum rpc_code code = jobs__catalog_settle(&run, &outcome, status);
    if (code != RPC_OK)
        return code;
    if (!outcome.finished) {
        step->polling = true;
        step->delay_ms = jobs__catalog_poll_ms(step->job->attempt);
        return RPC_OK;
    }
    if (outcome.accepted == 0) {
        (void)rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_UPSTREAM_ERROR, NULL,
                                      "Meta accepted none of your items");
        (void)snprintf(status->upstream, sizeof status->upstream, "%s", "meta");
        status->code = RPC_FAILED_PRECONDITION; /* for good */
        return status->code;
    }
    step->job->launch->items_accepted = outcome.accepted;
    return RPC_OK;
}
