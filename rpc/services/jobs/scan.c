/*
 * Reads a customer's website and brings the inventory in step with it (inventory.c).
 *
 * One step: at its end come the website's record, the campaign's mark and, where the catalog has to
 * follow, a sync; then the job's end. A scan that fails changes no item. A first scan's failure
 * leaves the record with the URL it had before, connected if that was; a re-scan's, or a held
 * removal, sets `attention` on a launched campaign.
 */
#include "rpc/base/clock.h"
#include "rpc/services/jobs/inventory.h"
#include "rpc/services/jobs/sync.h"
#include "rpc/services/model/standing.h"

/* Time for one scan. */
#define SCAN_MS_MAX ((int64_t)6 * 60 * 60 * 1000)
/* Everything that a scan finds, and the inventory that it is compared with. */
#define SCAN_ARENA_BYTES_MAX ((size_t)1024 * 1024 * 1024)
#define SCAN_ATTEMPTS_MAX 5
/* The end is decided anew so often when a record has changed meanwhile. */
#define SCAN_END_TRIES_MAX 5

/* Whether there is or may be a catalog: a launch has been begun. */
static enum rpc_code launch_begun(struct job_step *step, bool *ret_begun, struct rpc_status *status)
{
    struct store_read_op op = {.record = &lotcast__v1__job_record__descriptor,
                               .index = "by_customer",
                               .key =
                                   store_key(store_number(step->job->customer_id),
                                             store_number(LOTCAST__V1__JOB_KIND__JOB_KIND_LAUNCH)),
                               .is_range = true,
                               .count_only = true};
    struct rpc_context context = jobs__store_context(step);
    enum rpc_code code = store_read(step->services->options.store, &context, &op, 1, status);
    if (code == RPC_OK)
        *ret_begun = op.ret_count > 0;
    return code;
}

/* --- the end --- */

enum { END_WEBSITE, END_CAMPAIGN, END_CONNECTION, END_SYNC, END_OPS };

static enum rpc_code records_read(struct job_step *step, struct store_read_op ops[static END_OPS],
                                  struct rpc_status *status)
{
    struct store_key key = store_key(store_number(step->job->customer_id));
    char *slot = jobs__slot(&jobs__sync, step->job->customer_id, step->context->arena);
    if (slot == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    ops[END_WEBSITE] = services__get(&lotcast__v1__website_record__descriptor, key);
    ops[END_CAMPAIGN] = services__get(&lotcast__v1__campaign_record__descriptor, key);
    ops[END_CONNECTION] = services__get(&lotcast__v1__meta_connection_record__descriptor, key);
    ops[END_SYNC] = (struct store_read_op){.record = &lotcast__v1__job_record__descriptor,
                                           .index = "by_slot",
                                           .key = store_key(store_text(slot))};
    struct rpc_context context = jobs__store_context(step);
    return store_read(step->services->options.store, &context, ops, END_OPS, status);
}

/*
 * The catalog has to follow: begins a sync. One that runs is to begin anew at its end; where none
 * can run now the next one does it. Either the running sync sees the website's mark, or it has
 * ended and changed the campaign's record, which this commit expects unchanged.
 */
static enum rpc_code sync_begin(struct job_step *step, struct store_commit *commit,
                                const struct store_read_op ops[static END_OPS],
                                Lotcast__V1__WebsiteRecord *website, struct rpc_status *status)
{
    const Lotcast__V1__MetaConnectionRecord *connection = services__row(&ops[END_CONNECTION]);
    if (services__row(&ops[END_SYNC]) != NULL ||
        !standing_token_alive(connection, clock_now_ms())) {
        website->sync_wanted = true;
        return RPC_OK;
    }
    const struct sync_request request = {.customer_id = step->job->customer_id,
                                         .item_count = website->item_count,
                                         .automatic = true};
    int64_t job_id = 0;
    struct rpc_context context = jobs__store_context(step);
    return sync_job_add(step->services, &context, commit, &request, &job_id, status);
}

/*
 * The marks that make `attention`: too few of the items were found again. A removal that is not
 * held any more takes its mark along; the failure of a sync stays for a sync to clear.
 */
static void campaign_end(struct store_commit *commit, const struct store_read_op *op,
                         const struct inventory_update *update)
{
    Lotcast__V1__CampaignRecord *campaign = services__row(op);
    bool released = campaign->removal_held && !update->removal_held;
    bool failed = update->found_too_few || (campaign->sync_failed && !released);
    if ((campaign->removal_held != 0) == update->removal_held &&
        (campaign->sync_failed != 0) == failed) {
        (void)store_commit_check(commit, op->record, op->key, services__version(op));
        return;
    }
    campaign->removal_held = update->removal_held;
    campaign->sync_failed = failed;
    (void)store_commit_put_version(commit, campaign, services__version(op));
}

/* Commits the records once. RPC_ABORTED, RPC_ALREADY_EXISTS: read again. */
static enum rpc_code end_once(const struct inventory_update *update, struct rpc_status *status)
{
    struct job_step *step = update->step;
    struct store_read_op ops[END_OPS];
    struct store_commit commit;
    enum rpc_code code = records_read(step, ops, status);
    if (code != RPC_OK)
        return code;
    Lotcast__V1__WebsiteRecord *website = services__row(&ops[END_WEBSITE]);
    if (website == NULL)
        return rpc_status_set(status, RPC_INTERNAL, "the website's record is gone");
    website->url = step->job->scan->url;
    website->last_read_at_ms = clock_now_ms();
    website->item_count = jobs__inventory_count(update);
    website->first_scan_pending = false;
    struct rpc_context context = jobs__store_context(step);
    store_commit_init(&commit, step->services->options.store, &context);
    const struct diff *diff = &update->diff;
    bool changed = diff->added_count + diff->changed_count + diff->removed_count > 0;
    if (services__row(&ops[END_CAMPAIGN]) != NULL) {
        campaign_end(&commit, &ops[END_CAMPAIGN], update);
        if (update->replaces || changed)
            code = sync_begin(step, &commit, ops, website, status);
    }
    if (code != RPC_OK)
        return code;
    (void)store_commit_put_version(&commit, website, services__version(&ops[END_WEBSITE]));
    return jobs__step_commit(step, &commit, status);
}

/* Before the job's own end: a race that is lost must not have the site read again. */
static enum rpc_code end(const struct inventory_update *update, struct rpc_status *status)
{
    struct job_step *step = update->step;
    enum rpc_code code = RPC_ABORTED;
    for (int i = 0; i < SCAN_END_TRIES_MAX && (code == RPC_ABORTED || code == RPC_ALREADY_EXISTS);
         i++)
        code = end_once(update, status);
    if (code != RPC_OK)
        return code;
    step->job->scan->items_found = jobs__inventory_count(update);
    step->job->scan->pages_fetched = update->site.pages_fetched;
    return RPC_OK;
}

static enum rpc_code scan_run(struct job_step *step, struct rpc_status *status)
{
    if (step->job->scan == NULL)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "the scan has no URL");
    struct inventory_update update = {
        .step = step, .url = step->job->scan->url, .replaces = step->job->scan->replaces};
    enum rpc_code code = launch_begun(step, &update.remembers_gone, status);
    if (code == RPC_OK)
        code = jobs__inventory_read(&update, status);
    if (code == RPC_OK)
        code = jobs__inventory_write(&update, status);
    if (code == RPC_OK)
        code = end(&update, status);
    return code;
}

/* What a scan that ran into its end is called to the customer: it found nothing in all that time.
 */
static void error_name(struct rpc_status *error)
{
    if (error->reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED &&
        error->code == RPC_DEADLINE_EXCEEDED)
        (void)rpc_status_fail(error, LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE, NULL);
}

static enum rpc_code scan_failed(struct job_step *step, struct rpc_status *error,
                                 struct rpc_status *status)
{
    error_name(error);
    struct store_read_op ops[END_OPS];
    enum rpc_code code = records_read(step, ops, status);
    if (code != RPC_OK || ops[END_WEBSITE].ret_row_count == 0)
        return code;
    Lotcast__V1__WebsiteRecord *website = services__row(&ops[END_WEBSITE]);
    Lotcast__V1__CampaignRecord *campaign = services__row(&ops[END_CAMPAIGN]);
    if (website->first_scan_pending) {
        website->first_scan_pending = false;
        (void)store_commit_put_version(step->commit, website, services__version(&ops[END_WEBSITE]));
    } else if (campaign != NULL && !campaign->sync_failed) {
        campaign->sync_failed = true;
        (void)store_commit_put_version(step->commit, campaign,
                                       services__version(&ops[END_CAMPAIGN]));
    }
    return RPC_OK;
}

static const struct job_step_rule scan_steps[] = {
    {"read", scan_run, JOB_STEP_END, SCAN_ATTEMPTS_MAX, SCAN_MS_MAX},
};

const struct job_kind jobs__scan = {
    .kind = LOTCAST__V1__JOB_KIND__JOB_KIND_SCAN,
    .name = "scan",
    .steps = scan_steps,
    .step_count = sizeof scan_steps / sizeof scan_steps[0],
    .threads = 16,
    .arena_bytes_max = SCAN_ARENA_BYTES_MAX,
    .failed = scan_failed,
};
