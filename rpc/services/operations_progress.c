/*
 * lotcast.v1.Operations: ScanWebsite and FollowSync, streams that tell how far something is. Each
 * holds a worker until it has ended or its caller has gone.
 */
#include <poll.h>

#include "clients/site/site.h"
#include "lotcast/v1/operations.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/services/ads.h"
#include "rpc/services/audit.h"
#include "rpc/services/deferred.h"
#include "rpc/services/operations.h"

/* All that a scan finds. */
#define SCAN_ARENA_BYTES_MAX ((size_t)1024 * 1024 * 1024)
/* From one word about a scan to the next, in ms. */
#define SCAN_TELL_MS 200
/* From one look at a sync to the next, in ms, and memory for one. */
#define SYNC_LOOK_MS 200
#define SYNC_LOOK_BYTES ((size_t)1024 * 1024)

/* --- ScanWebsite --- */

struct scan {
    struct rpc_server_call *call;
    int64_t told_ms;
    enum rpc_code code; /* of what was told; not RPC_OK: nobody listens any more */
    struct rpc_status *status;
};

static bool tell_scan(void *scan_, int64_t items_found, int64_t pages_fetched)
{
    struct scan *scan = scan_;
    Lotcast__V1__ScanWebsiteResponse item = LOTCAST__V1__SCAN_WEBSITE_RESPONSE__INIT;
    int64_t now_ms = clock_mono_ms();
    if (rpc_context_stopped(rpc_server_call_context(scan->call)))
        return false;
    if (now_ms - scan->told_ms < SCAN_TELL_MS)
        return true;
    scan->told_ms = now_ms;
    item.items_found = items_found;
    item.pages_fetched = pages_fetched;
    scan->code = rpc_server_call_send(scan->call, &item, scan->status);
    return scan->code == RPC_OK;
}

static enum rpc_code send_items(struct rpc_server_call *call, const struct site_scan *site,
                                struct rpc_status *status)
{
    Lotcast__V1__ScanWebsiteResponse item = LOTCAST__V1__SCAN_WEBSITE_RESPONSE__INIT;
    enum rpc_code code = RPC_OK;
    item.items_found = (int64_t)site->item_count;
    item.pages_fetched = site->pages_fetched;
    for (size_t i = 0; code == RPC_OK && i < site->item_count; i++) {
        item.item = site->items[i];
        code = rpc_server_call_send(call, &item, status);
    }
    item.item = NULL;
    item.complete = site->complete;
    return code == RPC_OK ? rpc_server_call_send(call, &item, status) : code;
}

enum rpc_code operations__scan_website(struct rpc_server_call *call, const void *request_message,
                                       void *response, struct rpc_status *status)
{
    const struct services_options *options =
        &((const struct services *)rpc_server_call_self(call))->options;
    const Lotcast__V1__ScanWebsiteRequest *request = request_message;
    struct scan scan = {.call = call, .code = RPC_OK, .status = status};
    struct site_scan site = {0};
    struct arena arena;
    struct site_scan_options scan_options = {.http = options->http,
                                             .policy = options->scan_policy,
                                             .items_max = options->scan_items_max,
                                             .progress = tell_scan,
                                             .progress_arg = &scan};
    (void)response; /* the items have it all */
    enum rpc_code code = audit_operator_read(call, 0, status);
    if (code == RPC_OK)
        code = site_url_check(request->url, options->scan_policy, rpc_server_call_arena(call),
                              &scan_options.url, status);
    if (code != RPC_OK)
        return code;
    arena_init(&arena, SCAN_ARENA_BYTES_MAX);
    struct rpc_context context = *rpc_server_call_context(call);
    context.arena = &arena;
    code = site_scan_run(&scan_options, &context, &site, status);
    if (scan.code != RPC_OK)
        code = scan.code;
    else if (code == RPC_OK)
        code = send_items(call, &site, status);
    arena_fini(&arena);
    return code;
}

/* --- FollowSync --- */

static void fill(const Lotcast__V1__JobRecord *job, Lotcast__V1__FollowSyncResponse *item)
{
    const Lotcast__V1__SyncJob *sync = job->sync;
    lotcast__v1__follow_sync_response__init(item);
    item->in_progress = job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE;
    item->progress = sync->progress;
    item->items_processed = sync->items_processed;
    item->items_total = sync->items_total;
    item->items_added = sync->items_added;
    item->items_updated = sync->items_updated;
    item->items_removed = sync->items_removed;
}

static bool is_news(const Lotcast__V1__FollowSyncResponse *item,
                    const Lotcast__V1__FollowSyncResponse *told)
{
    return item->in_progress != told->in_progress || item->progress != told->progress ||
           item->items_processed != told->items_processed || item->items_total != told->items_total;
}

/* One look, and an item if it shows something new. */
static enum rpc_code look(struct rpc_server_call *call, int64_t job_id, struct arena *arena,
                          Lotcast__V1__FollowSyncResponse *told, struct rpc_status *status)
{
    const struct services *services = rpc_server_call_self(call);
    struct rpc_context context = *rpc_server_call_context(call);
    const Lotcast__V1__JobRecord *job;
    Lotcast__V1__FollowSyncResponse item;
    arena_reset(arena);
    context.arena = arena;
    enum rpc_code code =
        store_get(services->options.store, &context, &lotcast__v1__job_record__descriptor, NULL,
                  store_key(store_number(job_id)), &job, NULL, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (job == NULL || job->sync == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INTERNAL, NULL);
    if (job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED) {
        deferred_job_error(job, status);
        return status->code;
    }
    fill(job, &item);
    if (!is_news(&item, told))
        return RPC_OK;
    *told = item;
    return rpc_server_call_send(call, &item, status);
}

static enum rpc_code follow(struct rpc_server_call *call, int64_t job_id, struct rpc_status *status)
{
    Lotcast__V1__FollowSyncResponse told = LOTCAST__V1__FOLLOW_SYNC_RESPONSE__INIT;
    struct arena arena;
    arena_init(&arena, SYNC_LOOK_BYTES);
    told.in_progress = true;
    told.progress = -1; /* so that the first look is news */
    enum rpc_code code = look(call, job_id, &arena, &told, status);
    while (code == RPC_OK && told.in_progress) {
        (void)poll(NULL, 0, SYNC_LOOK_MS);
        if (rpc_context_stopped(rpc_server_call_context(call)))
            code = rpc_status_set(status, RPC_CANCELLED, "nobody follows any more");
        else
            code = look(call, job_id, &arena, &told, status);
    }
    arena_fini(&arena);
    return code;
}

enum rpc_code operations__follow_sync(struct rpc_server_call *call, const void *request_message,
                                      void *response, struct rpc_status *status)
{
    const Lotcast__V1__FollowSyncRequest *request = request_message;
    int64_t job_id = 0;
    (void)response; /* the items have it all */
    if (rpc_server_call_principal(call)->kind != RPC_PRINCIPAL_OPERATOR)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_FORBIDDEN, NULL);
    enum rpc_code code = ads__sync_begin(call, request->confirm_removals, &job_id, status);
    return code == RPC_OK ? follow(call, job_id, status) : code;
}
