#include "rpc/services/website.h"

#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/jobs/jobs.h"
#include "rpc/services/model/onboarding.h"

enum { SITE_WEBSITE, SITE_SCAN, SITE_LAUNCH, SITE_OPS };

struct site_change {
    struct services *services;
    struct rpc_context *context;
    int64_t customer_id;
    const char *url;
    struct store_read_op ops[SITE_OPS];
};

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
}

static enum rpc_code site_read(struct site_change *change, struct rpc_status *status)
{
    struct store_read_op *ops = change->ops;
    ops[SITE_WEBSITE] = services__get(&lotcast__v1__website_record__descriptor,
                                      store_key(store_number(change->customer_id)));
    if (!services__active_job(change->context, "scan", change->customer_id, &ops[SITE_SCAN]) ||
        !services__active_job(change->context, "launch", change->customer_id, &ops[SITE_LAUNCH]))
        return out_of_memory(status);
    enum rpc_code code =
        store_read(change->services->options.store, change->context, ops, SITE_OPS, status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

/* Ends a scan of another URL: its run loses its lease and writes nothing any more. */
static enum rpc_code scan_supersede(struct site_change *change, struct store_commit *commit,
                                    struct rpc_status *status)
{
    Lotcast__V1__JobRecord *job = services__row(&change->ops[SITE_SCAN]);
    if (job == NULL)
        return RPC_OK;
    struct rpc_status error;
    (void)rpc_status_fail_message(&error, LOTCAST__V1__REASON__REASON_CONFLICT, NULL,
                                  "Another website was connected meanwhile");
    job->state = LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED;
    job->due_key = 0;
    job->active_slot = (char *)"";
    job->lease_owner = (char *)"";
    job->finished_at_ms = clock_now_ms();
    job->error = rpc_status_to_message(&error, change->context->arena);
    if (job->error == NULL)
        return out_of_memory(status);
    (void)store_commit_put_version(commit, job, services__version(&change->ops[SITE_SCAN]));
    return RPC_OK;
}

/* Adds the website's record and its scan job to the commit. */
static enum rpc_code scan_begin(struct site_change *change, struct store_commit *commit,
                                int64_t *ret_job_id, struct rpc_status *status)
{
    Lotcast__V1__WebsiteRecord website = LOTCAST__V1__WEBSITE_RECORD__INIT;
    const Lotcast__V1__WebsiteRecord *was = services__row(&change->ops[SITE_WEBSITE]);
    if (was != NULL)
        website = *was;
    bool connected = onboarding_website_connected(was);
    bool is_new = !connected || strcmp(was->url, change->url) != 0;

    Lotcast__V1__ScanJob scan = LOTCAST__V1__SCAN_JOB__INIT;
    scan.url = (char *)change->url;
    scan.replaces = is_new;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_SCAN;
    job.customer_id = change->customer_id;
    job.scan = &scan;
    int64_t job_id = 0;
    enum rpc_code code =
        jobs_add(change->services->jobs, change->context, commit, &job, &job_id, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    website.customer_id = change->customer_id;
    if (!connected)
        website.url = (char *)change->url;
    website.first_scan_pending = is_new;
    website.scan_job_id = job_id;
    (void)store_commit_put_version(commit, &website, services__version(&change->ops[SITE_WEBSITE]));
    *ret_job_id = job_id;
    return RPC_OK;
}

enum rpc_code website_connect_add(struct services *services, struct rpc_context *context,
                                  struct store_commit *commit, int64_t customer_id, const char *url,
                                  int64_t *ret_job_id, struct rpc_status *status)
{
    struct site_change change = {
        .services = services, .context = context, .customer_id = customer_id, .url = url};
    enum rpc_code code = site_read(&change, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__JobRecord *running = services__row(&change.ops[SITE_SCAN]);
    if (running != NULL && running->scan != NULL && strcmp(running->scan->url, url) == 0) {
        *ret_job_id = running->job_id;
        return RPC_OK;
    }
    if (services__row(&change.ops[SITE_LAUNCH]) != NULL)
        return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL,
                                       "Your ads are being launched from the present website");
    code = scan_supersede(&change, commit, status);
    return code == RPC_OK ? scan_begin(&change, commit, ret_job_id, status) : code;
}
