/*
 * Brings the inventory in step with the website, and the catalog with the inventory.
 *
 *   read       reads the site, compares, writes the items that differ (inventory.c), then the
 *              website's record
 *   items      sends what Meta has not taken as it is (catalog.c), batch by batch
 *   gone       sends the deletion of what has gone from the inventory
 *   wait       asks until Meta has finished; stores what became of each item
 *   reconcile  compares what the catalog really holds; once, what differs is sent again
 *   done       the campaign's record: in step since now
 *
 * What is written of a site is of the URL that the website's record names: each commit of `read`
 * expects that record unchanged, so that a new URL, whose scan begins with a change of it, makes
 * the step begin anew and wait for the scan. A scan that ends later than `read` marks the record
 * (sync_wanted), and `done` begins anew.
 *
 * A removal of more than half is held: then nothing is changed at all. Counts are stored with what
 * they count, so that a crash neither loses nor doubles any. Both ends of the job, good and bad,
 * write the campaign's record: scan.c relies on it.
 */
#include "rpc/services/jobs/sync.h"

#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/jobs/catalog.h"
#include "rpc/services/jobs/inventory.h"

/* Time for reading a site; for one attempt at another step. */
#define SYNC_READ_MS_MAX ((int64_t)6 * 60 * 60 * 1000)
#define SYNC_STEP_MS ((int64_t)120 * 1000)
/* Listing a large catalog takes many calls. */
#define SYNC_RECONCILE_MS ((int64_t)15 * 60 * 1000)
#define SYNC_ATTEMPTS_MAX 8
#define SYNC_READ_ATTEMPTS_MAX 5
/* Polls of the batches' state: about an hour. */
#define SYNC_POLLS_MAX 1000
#define SYNC_ARENA_BYTES_MAX ((size_t)1024 * 1024 * 1024)
/* While a scan runs: look again after so long. */
#define SYNC_SCAN_WAIT_MS 1000
/* Jobs of the kind that are kept for each customer, and what one end removes at most. */
#define SYNC_KEPT 20
#define SYNC_PRUNED_MAX 20

/* How far a sync has come at the end of each part, in percent. */
#define PROGRESS_READING_MAX 45
#define PROGRESS_READ 50
#define PROGRESS_SENT 65
#define PROGRESS_GONE 70
#define PROGRESS_POLLED_MAX 90
#define PROGRESS_FINISHED 92
#define PROGRESS_RECONCILED 96
#define PROGRESS_DONE 100

/* Numbers are stored: never reuse one. */
enum sync_step {
    SYNC_STEP_READ = 0,
    SYNC_STEP_ITEMS = 1,
    SYNC_STEP_GONE = 2,
    SYNC_STEP_WAIT = 3,
    SYNC_STEP_RECONCILE = 4,
    SYNC_STEP_DONE = 5,
    SYNC_STEP_COUNT
};

/* Never falls, whatever is repeated. */
static void progress_raise(Lotcast__V1__SyncJob *sync, int32_t percent)
{
    if (sync->progress < percent)
        sync->progress = percent;
}

bool jobs__sync_progress(Lotcast__V1__JobRecord *job, int64_t items_found, int64_t pages_fetched)
{
    Lotcast__V1__SyncJob *sync = job->sync;
    if (job->step != SYNC_STEP_READ || sync->progress >= PROGRESS_READ ||
        (sync->items_processed == items_found && sync->pages_fetched == pages_fetched))
        return false;
    int64_t of = sync->items_total > 0 ? sync->items_total : pages_fetched + items_found + 1;
    int64_t percent = PROGRESS_READING_MAX * items_found / of;
    sync->items_processed = items_found;
    sync->pages_fetched = pages_fetched;
    progress_raise(sync, percent < PROGRESS_READING_MAX ? (int32_t)percent : PROGRESS_READING_MAX);
    return true;
}

/* --- records --- */

enum { SYNC_CAMPAIGN, SYNC_WEBSITE, SYNC_OPS };

static enum rpc_code records_read(struct job_step *step, struct store_read_op ops[static SYNC_OPS],
                                  struct rpc_status *status)
{
    struct store_key key = store_key(store_number(step->job->customer_id));
    ops[SYNC_CAMPAIGN] = services__get(&lotcast__v1__campaign_record__descriptor, key);
    ops[SYNC_WEBSITE] = services__get(&lotcast__v1__website_record__descriptor, key);
    struct rpc_context context = jobs__store_context(step);
    enum rpc_code code = store_read(step->services->options.store, &context, ops, SYNC_OPS, status);
    if (code != RPC_OK)
        return code;
    if (services__row(&ops[SYNC_CAMPAIGN]) == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_LAUNCHED, NULL);
    if (services__row(&ops[SYNC_WEBSITE]) == NULL)
        return rpc_status_set(status, RPC_INTERNAL, "the website's record is gone");
    return RPC_OK;
}

/* --- read --- */

/* A site that cannot be read any more is an outage, whatever stands in the way. */
static enum rpc_code read_outcome(struct job_step *step, enum rpc_code code,
                                  struct rpc_status *status)
{
    bool refused = code != RPC_OK && status->reason == LOTCAST__V1__REASON__REASON_INVALID_URL;
    bool late = code == RPC_DEADLINE_EXCEEDED && !atomic_load(&step->run->cancelled);
    if (refused || late)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE, NULL);
    return code;
}

static enum rpc_code inventory_sync(struct job_step *step, const char *url,
                                    uint64_t website_version, int64_t *ret_item_count,
                                    struct rpc_status *status)
{
    Lotcast__V1__SyncJob *sync = step->job->sync;
    struct inventory_update update = {.step = step,
                                      .url = url,
                                      .confirmed = sync->confirm_removals,
                                      .may_be_empty = true,
                                      .remembers_gone = true,
                                      .website_version = website_version,
                                      .added = &sync->items_added,
                                      .updated = &sync->items_updated,
                                      .removed = &sync->items_removed};
    enum rpc_code code = read_outcome(step, jobs__inventory_read(&update, status), status);
    if (code != RPC_OK)
        return code;
    if (update.found_too_few && !update.site.complete) /* an outage in the middle of it */
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE, NULL);
    if (update.removal_held)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_REMOVAL_HELD, NULL);
    sync->items_processed = (int64_t)update.found_count;
    sync->items_total = (int64_t)update.found_count;
    sync->pages_fetched = update.site.pages_fetched;
    progress_raise(sync, PROGRESS_READ);
    *ret_item_count = jobs__inventory_count(&update);
    return jobs__inventory_write(&update, status);
}

/* What was found out of another website than the present one is not the sync's failure. */
static enum rpc_code superseded_check(struct job_step *step, uint64_t website_version,
                                      enum rpc_code failure, struct rpc_status *status)
{
    if (failure != RPC_FAILED_PRECONDITION)
        return failure;
    struct store_read_op ops[SYNC_OPS];
    struct rpc_status failed;
    if (records_read(step, ops, &failed) != RPC_OK ||
        services__version(&ops[SYNC_WEBSITE]) == website_version)
        return failure;
    return rpc_status_set(status, RPC_ABORTED, "the website was changed meanwhile");
}

static enum rpc_code sync_read(struct job_step *step, struct rpc_status *status)
{
    struct store_read_op ops[SYNC_OPS];
    const Lotcast__V1__MetaConnectionRecord *connection = NULL;
    const char *token = NULL;
    bool scanning = false;
    if (step->job->sync == NULL)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "the sync has no input");
    /* In this order: a scan that begins later changes the website's record. */
    enum rpc_code code = records_read(step, ops, status);
    if (code == RPC_OK)
        code = jobs__active(step, &jobs__scan, &scanning, status);
    if (code == RPC_OK)
        code = jobs__token_open(step, &connection, &token, status);
    if (code != RPC_OK)
        return code;
    if (scanning) {
        step->next = SYNC_STEP_READ;
        step->delay_ms = SYNC_SCAN_WAIT_MS;
        return RPC_OK;
    }
    Lotcast__V1__WebsiteRecord *website = services__row(&ops[SYNC_WEBSITE]);
    uint64_t version = services__version(&ops[SYNC_WEBSITE]);
    code = inventory_sync(step, website->url, version, &website->item_count, status);
    if (code != RPC_OK)
        return superseded_check(step, version, code, status);
    website->last_read_at_ms = clock_now_ms();
    website->sync_wanted = false;
    (void)store_commit_put_version(step->commit, website, version);
    step->job->sync->submitted_item_id = 0;
    step->job->sync->submitted_gone_id = 0;
    return RPC_OK;
}

/* --- the catalog --- */

/* The catalog that changes go to. */
static enum rpc_code catalog_open(struct job_step *step, struct store_read_op ops[static SYNC_OPS],
                                  struct catalog_run *ret_run, struct rpc_status *status)
{
    Lotcast__V1__SyncJob *sync = step->job->sync;
    enum rpc_code code = records_read(step, ops, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__CampaignRecord *campaign = services__row(&ops[SYNC_CAMPAIGN]);
    *ret_run = (struct catalog_run){.step = step,
                                    .catalog_id = campaign->catalog_id,
                                    .looked_at = &sync->submitted_item_id,
                                    .handle_count = &sync->n_batch_handles,
                                    .handles = &sync->batch_handles};
    return RPC_OK;
}

static enum rpc_code sync_items(struct job_step *step, struct rpc_status *status)
{
    struct store_read_op ops[SYNC_OPS];
    struct catalog_run run;
    bool complete = false;
    size_t sent = 0;
    enum rpc_code code = catalog_open(step, ops, &run, status);
    if (code == RPC_OK)
        code = jobs__catalog_send(&run, &complete, &sent, status);
    if (code != RPC_OK)
        return code;
    if (complete)
        progress_raise(step->job->sync, PROGRESS_SENT);
    else
        step->next = SYNC_STEP_ITEMS;
    return RPC_OK;
}

static enum rpc_code sync_gone(struct job_step *step, struct rpc_status *status)
{
    struct store_read_op ops[SYNC_OPS];
    struct catalog_run run;
    bool complete = false;
    enum rpc_code code = catalog_open(step, ops, &run, status);
    if (code == RPC_OK)
        code =
            jobs__catalog_send_gone(&run, &step->job->sync->submitted_gone_id, &complete, status);
    if (code != RPC_OK)
        return code;
    if (complete)
        progress_raise(step->job->sync, PROGRESS_GONE);
    else
        step->next = SYNC_STEP_GONE;
    return RPC_OK;
}

static void wait_again(struct job_step *step)
{
    int32_t percent = PROGRESS_GONE + 2 * step->job->attempt;
    progress_raise(step->job->sync, percent < PROGRESS_POLLED_MAX ? percent : PROGRESS_POLLED_MAX);
    step->polling = true;
    step->delay_ms = jobs__catalog_poll_ms(step->job->attempt);
}

static enum rpc_code sync_wait(struct job_step *step, struct rpc_status *status)
{
    struct store_read_op ops[SYNC_OPS];
    struct catalog_run run;
    struct catalog_outcome outcome = {0};
    enum rpc_code code = catalog_open(step, ops, &run, status);
    if (code == RPC_OK)
        code = jobs__catalog_settle(&run, &outcome, status);
    if (code != RPC_OK)
        return code;
    if (!outcome.finished) {
        wait_again(step);
        return RPC_OK;
    }
    Lotcast__V1__CampaignRecord *campaign = services__row(&ops[SYNC_CAMPAIGN]);
    campaign->catalog_items = outcome.accepted;
    (void)store_commit_put_version(step->commit, campaign, services__version(&ops[SYNC_CAMPAIGN]));
    progress_raise(step->job->sync, PROGRESS_FINISHED);
    return RPC_OK;
}

static enum rpc_code sync_reconcile(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__SyncJob *sync = step->job->sync;
    struct store_read_op ops[SYNC_OPS];
    struct catalog_run run;
    bool differs = false;
    if (sync->reconciled)
        return RPC_OK;
    enum rpc_code code = catalog_open(step, ops, &run, status);
    if (code == RPC_OK)
        code = jobs__catalog_compare(&run, &differs, status);
    if (code != RPC_OK)
        return code;
    sync->reconciled = true;
    progress_raise(sync, PROGRESS_RECONCILED);
    if (differs) {
        sync->submitted_item_id = 0;
        sync->submitted_gone_id = 0;
        step->next = SYNC_STEP_ITEMS;
    }
    return RPC_OK;
}

/* --- the end --- */

/* Removes old ended jobs of the kind: a customer has a thousand of them a year. */
static enum rpc_code prune(struct job_step *step, struct rpc_status *status)
{
    struct store_read_op op = {
        .record = &lotcast__v1__job_record__descriptor,
        .index = "by_customer",
        .key = store_key(store_number(step->job->customer_id), store_number(step->job->kind)),
        .is_range = true,
        .reverse = true,
        .limit = SYNC_KEPT + SYNC_PRUNED_MAX};
    struct rpc_context context = jobs__store_context(step);
    enum rpc_code code = store_read(step->services->options.store, &context, &op, 1, status);
    for (size_t i = SYNC_KEPT; i < op.ret_row_count && code == RPC_OK; i++) {
        const Lotcast__V1__JobRecord *job = (const Lotcast__V1__JobRecord *)op.ret_rows[i];
        (void)store_commit_delete(step->commit, op.record, store_key(store_number(job->job_id)));
    }
    return code;
}

/* "Synced" with a catalog that has taken nothing of what is advertised is none. */
static enum rpc_code accepted_check(struct job_step *step,
                                    const Lotcast__V1__CampaignRecord *campaign, int64_t item_count,
                                    struct rpc_status *status)
{
    if (campaign->catalog_items > 0 || item_count == 0)
        return RPC_OK;
    struct store_read_op page;
    struct arena arena;
    arena_init(&arena, JOBS_READ_BYTES_MAX);
    enum rpc_code code = RPC_OK;
    int64_t behind_id = 0;
    bool advertised = false;
    for (bool last = false; code == RPC_OK && !last && !advertised;) {
        arena_reset(&arena);
        code = jobs__catalog_page(step, &arena, behind_id, &page, status);
        for (size_t i = 0; code == RPC_OK && i < page.ret_row_count; i++) {
            const Lotcast__V1__ItemRecord *item = (const Lotcast__V1__ItemRecord *)page.ret_rows[i];
            behind_id = item->item_id;
            advertised = advertised || jobs__item_advertised(item);
        }
        last = code == RPC_OK && page.ret_cursor.len == 0;
    }
    arena_fini(&arena);
    if (code != RPC_OK || !advertised)
        return code;
    (void)rpc_status_fail_upstream(status, "meta");
    status->code = RPC_FAILED_PRECONDITION; /* for good */
    return status->code;
}

static enum rpc_code sync_done(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__SyncJob *sync = step->job->sync;
    struct store_read_op ops[SYNC_OPS];
    enum rpc_code code = records_read(step, ops, status);
    if (code != RPC_OK)
        return code;
    Lotcast__V1__CampaignRecord *campaign = services__row(&ops[SYNC_CAMPAIGN]);
    const Lotcast__V1__WebsiteRecord *website = services__row(&ops[SYNC_WEBSITE]);
    code = accepted_check(step, campaign, website->item_count, status);
    if (code == RPC_OK)
        code = prune(step, status);
    if (code != RPC_OK)
        return code;
    (void)store_commit_check(step->commit, ops[SYNC_WEBSITE].record, ops[SYNC_WEBSITE].key,
                             services__version(&ops[SYNC_WEBSITE]));
    if (website->sync_wanted) {
        sync->reconciled = false;
        step->next = SYNC_STEP_READ;
        return RPC_OK;
    }
    campaign->last_sync_at_ms = clock_now_ms();
    campaign->sync_failed = false;
    campaign->removal_held = false;
    (void)store_commit_put_version(step->commit, campaign, services__version(&ops[SYNC_CAMPAIGN]));
    progress_raise(sync, PROGRESS_DONE);
    return RPC_OK;
}

/* Whether the failure is of the sync, and not of a connection that is known to be gone. */
static bool makes_attention(const struct rpc_status *error)
{
    return error->reason != LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED &&
           error->reason != LOTCAST__V1__REASON__REASON_NOT_LAUNCHED;
}

static enum rpc_code sync_failed(struct job_step *step, struct rpc_status *error,
                                 struct rpc_status *status)
{
    bool plain = error->reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED;
    if (error->reason == LOTCAST__V1__REASON__REASON_UPSTREAM_ERROR ||
        (plain && step->number != SYNC_STEP_READ &&
         (error->code == RPC_DEADLINE_EXCEEDED || error->code == RPC_FAILED_PRECONDITION)))
        (void)rpc_status_fail_upstream(error, "meta");
    struct store_read_op ops[SYNC_OPS];
    struct rpc_status absent;
    enum rpc_code code = records_read(step, ops, &absent);
    if (code == RPC_FAILED_PRECONDITION)
        return RPC_OK; /* there is nothing to mark */
    if (code != RPC_OK) {
        if (status != NULL)
            *status = absent;
        return code;
    }
    Lotcast__V1__CampaignRecord *campaign = services__row(&ops[SYNC_CAMPAIGN]);
    if (makes_attention(error)) {
        campaign->sync_failed = true;
        campaign->removal_held = error->reason == LOTCAST__V1__REASON__REASON_REMOVAL_HELD;
    }
    (void)store_commit_put_version(step->commit, campaign, services__version(&ops[SYNC_CAMPAIGN]));
    return RPC_OK;
}

enum rpc_code sync_job_add(struct services *services, struct rpc_context *context,
                           struct store_commit *commit, const struct sync_request *request,
                           int64_t *ret_job_id, struct rpc_status *status)
{
    Lotcast__V1__SyncJob input = LOTCAST__V1__SYNC_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    input.automatic = request->automatic;
    input.confirm_removals = request->confirm_removals;
    input.items_total = request->item_count;
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_SYNC;
    job.customer_id = request->customer_id;
    job.sync = &input;
    return jobs_add(services->jobs, context, commit, &job, ret_job_id, status);
}

static const struct job_step_rule sync_steps[SYNC_STEP_COUNT] = {
    [SYNC_STEP_READ] = {"read", sync_read, SYNC_STEP_ITEMS, SYNC_READ_ATTEMPTS_MAX,
                        SYNC_READ_MS_MAX},
    [SYNC_STEP_ITEMS] = {"items", sync_items, SYNC_STEP_GONE, SYNC_ATTEMPTS_MAX, SYNC_STEP_MS},
    [SYNC_STEP_GONE] = {"gone", sync_gone, SYNC_STEP_WAIT, SYNC_ATTEMPTS_MAX, SYNC_STEP_MS},
    [SYNC_STEP_WAIT] = {"wait", sync_wait, SYNC_STEP_RECONCILE, SYNC_POLLS_MAX, SYNC_STEP_MS},
    [SYNC_STEP_RECONCILE] = {"reconcile", sync_reconcile, SYNC_STEP_DONE, SYNC_ATTEMPTS_MAX,
                             SYNC_RECONCILE_MS},
    [SYNC_STEP_DONE] = {"done", sync_done, JOB_STEP_END, SYNC_ATTEMPTS_MAX, SYNC_STEP_MS},
};

const struct job_kind jobs__sync = {
    .kind = LOTCAST__V1__JOB_KIND__JOB_KIND_SYNC,
    .name = "sync",
    .steps = sync_steps,
    .step_count = SYNC_STEP_COUNT,
    .threads = 16,
    .arena_bytes_max = SYNC_ARENA_BYTES_MAX,
    .failed = sync_failed,
};
