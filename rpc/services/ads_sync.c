/*
 * Ads/Sync and Ads/GetSyncStatus: the job does the work (jobs/sync.c); a call makes it or joins the
 * one that runs, and waits for its end without holding a thread.
 *
 * A sync is decided in this order: NOT_LAUNCHED, META_NOT_CONNECTED, one that runs is joined,
 * SCAN_IN_PROGRESS.
 */
#include "rpc/base/clock.h"
#include "rpc/services/ads.h"
#include "rpc/services/deferred.h"
#include "rpc/services/jobs/sync.h"
#include "rpc/services/model/onboarding.h"

/* Answers with what there is after so long, just before the facade's deadline. */
#define SYNC_WAIT_MS 119000

#define KIND_SYNC LOTCAST__V1__JOB_KIND__JOB_KIND_SYNC
#define FAIL(status, reason, field) \
    rpc_status_fail(status, LOTCAST__V1__REASON__REASON_##reason, field)

/* --- Sync --- */

enum { RUNNING = ADS_RECORDS, SYNC_OPS };

struct sync_start {
    struct services *services;
    struct rpc_context *context;
    int64_t customer_id;
    bool confirm_removals;
};

static enum rpc_code sync_commit(const struct sync_start *start,
                                 const Lotcast__V1__WebsiteRecord *website, int64_t *ret_job_id,
                                 struct rpc_status *status)
{
    const struct sync_request request = {.customer_id = start->customer_id,
                                         .item_count = website == NULL ? 0 : website->item_count,
                                         .confirm_removals = start->confirm_removals};
    struct store_commit commit;
    store_commit_init(&commit, start->services->options.store, start->context);
    enum rpc_code code =
        sync_job_add(start->services, start->context, &commit, &request, ret_job_id, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    code = store_commit_send(&commit, start->context, NULL, status);
    if (code == RPC_ABORTED || code == RPC_ALREADY_EXISTS)
        return RPC_ABORTED; /* another call was first */
    if (code != RPC_OK)
        return services__store_failed(code, status);
    jobs_wake(start->services->jobs);
    return RPC_OK;
}

/* Begins a sync or finds the one that runs. RPC_ABORTED: read again. */
static enum rpc_code sync_once(const struct sync_start *start, int64_t *ret_job_id,
                               struct rpc_status *status)
{
    struct store_read_op ops[SYNC_OPS];
    ads__records(start->customer_id, ops);
    if (!services__active_job(start->context, "sync", start->customer_id, &ops[RUNNING]))
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    enum rpc_code code =
        store_read(start->services->options.store, start->context, ops, SYNC_OPS, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    code = ads__check(ops, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__JobRecord *running = services__row(&ops[RUNNING]);
    const Lotcast__V1__WebsiteRecord *website = services__row(&ops[ADS_WEBSITE]);
    if (running != NULL) {
        *ret_job_id = running->job_id;
        return RPC_OK;
    }
    if (onboarding_first_scan(website))
        return FAIL(status, SCAN_IN_PROGRESS, NULL);
    return sync_commit(start, website, ret_job_id, status);
}

static void sync_done(void *deferred_, const Lotcast__V1__JobRecord *job)
{
    struct deferred *deferred = deferred_;
    Lotcast__V1__SyncResponse *response = deferred->response;
    struct rpc_status status;
    rpc_status_clear(&status);
    if (job == NULL) {
        (void)FAIL(&status, UNAVAILABLE, NULL);
    } else if (job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED || job->sync == NULL) {
        deferred_job_error(job, &status);
    } else {
        response->success = true;
        response->in_progress = job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE;
        response->items_processed = job->sync->items_processed;
        response->items_added = job->sync->items_added;
        response->items_updated = job->sync->items_updated;
        response->items_removed = job->sync->items_removed;
    }
    deferred_finish(deferred, &status);
}

enum rpc_code ads__sync_begin(struct rpc_server_call *call, bool confirm_removals,
                              int64_t *ret_job_id, struct rpc_status *status)
{
    const struct sync_start start = {.services = rpc_server_call_self(call),
                                     .context = rpc_server_call_context(call),
                                     .customer_id = rpc_server_call_principal(call)->customer_id,
                                     .confirm_removals = confirm_removals};
    enum rpc_code code = RPC_ABORTED;
    for (int try = 0; code == RPC_ABORTED && try < SERVICES_COMMIT_TRIES; try++)
        code = sync_once(&start, ret_job_id, status);
    return code == RPC_ABORTED ? FAIL(status, CONFLICT, NULL) : code;
}

enum rpc_code ads__sync(struct rpc_server_call *call, const void *request_message, void *response,
                        struct rpc_status *status)
{
    const Lotcast__V1__SyncRequest *request = request_message;
    int64_t job_id = 0;
    enum rpc_code code = ads__sync_begin(call, request->confirm_removals, &job_id, status);
    if (code != RPC_OK)
        return code;
    return deferred_job_wait(call, response, job_id, SYNC_WAIT_MS, sync_done, status);
}

/* --- GetSyncStatus --- */

/* Why a sync failed, in the words that its call would have answered. */
static bool fill_error(struct arena *arena, const Lotcast__V1__JobRecord *job,
                       Lotcast__V1__GetSyncStatusResponse *response)
{
    struct rpc_status error;
    Lotcast__V1__SyncError *shown = arena_alloc(arena, sizeof *shown);
    if (shown == NULL)
        return false;
    deferred_job_error(job, &error);
    Lotcast__V1__Reason reason = error.reason;
    if (reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED) {
        reason = rpc_reason_of_code(error.code);
        (void)rpc_status_fail(&error, reason, NULL);
    }
    lotcast__v1__sync_error__init(shown);
    shown->code = (char *)rpc_reason_get(reason)->name;
    shown->message = arena_strdup(arena, error.message);
    response->error = shown;
    return shown->message != NULL;
}

static bool fill_status(struct arena *arena, const Lotcast__V1__JobRecord *job,
                        Lotcast__V1__GetSyncStatusResponse *response)
{
    const Lotcast__V1__SyncJob *sync = job->sync;
    response->in_progress = job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE;
    response->progress = sync->progress;
    response->items_processed = sync->items_processed;
    response->items_total = sync->items_total;
    response->items_added = sync->items_added;
    response->items_updated = sync->items_updated;
    response->items_removed = sync->items_removed;
    int64_t started_ms = job->started_at_ms == 0 ? job->created_at_ms : job->started_at_ms;
    response->started_at = ads__time_value(arena, started_ms);
    if (response->started_at == NULL)
        return false;
    if (response->in_progress)
        return true;
    response->finished_at = ads__time_value(arena, job->finished_at_ms);
    if (response->finished_at == NULL)
        return false;
    return job->state != LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED ||
           fill_error(arena, job, response);
}

enum rpc_code ads__get_sync_status(struct rpc_server_call *call, const void *request,
                                   void *response, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    (void)request;
    struct store_read_op last = {
        .record = &lotcast__v1__job_record__descriptor,
        .index = "by_customer",
        .key = store_key(store_number(rpc_server_call_principal(call)->customer_id),
                         store_number(KIND_SYNC)),
        .is_range = true,
        .reverse = true,
        .limit = 1};
    enum rpc_code code = store_read(services->options.store, context, &last, 1, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    const Lotcast__V1__JobRecord *job = services__row(&last);
    if (job == NULL || job->sync == NULL)
        return RPC_OK; /* there has been none */
    if (!fill_status(context->arena, job, response))
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    return RPC_OK;
}
