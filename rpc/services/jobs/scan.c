/*
 * Reads a customer's website and brings the inventory in step with it.
 *
 * One step: what was read lives in memory, so a process that dies reads the site again. Then the
 * items are written in fenced commits, and at the end the website's record together with the job's
 * end. Repeating any part changes nothing: items are found again by their identity.
 *
 * Rules (api-contracts, section 5):
 *   - items found again keep their id, what Meta has taken of them and its refusal
 *   - a new URL's first scan (replaces) with at least one item replaces the inventory; the old one
 * stays until then
 *   - a re-scan that found again fewer than half of the stored items, or did not get through,
 * removes nothing
 *   - a scan that fails changes no item. A first scan's failure leaves the record with the URL it
 * had before, connected if that was; a re-scan's, or a held removal, sets `attention` on a launched
 * campaign
 */
#include "rpc/services/jobs/internal.h"

#include <stdio.h>
#include <string.h>

#include "clients/site/site.h"
#include "rpc/base/clock.h"
#include "rpc/services/model/diff.h"

/* Time for one scan. */
#define SCAN_MS_MAX ((int64_t)6 * 60 * 60 * 1000)
/* Everything that a scan finds, and the inventory that it is compared with. */
#define SCAN_ARENA_BYTES_MAX ((size_t)1024 * 1024 * 1024)
/* Items of one read of the inventory. */
#define SCAN_PAGE_ROWS 1000
/* A batch is decided anew so often when an item has changed meanwhile. */
#define SCAN_BATCH_TRIES_MAX 5
#define SCAN_ATTEMPTS_MAX 5

/* One scan's data. */
struct scan {
    struct job_step *step;
    struct site_scan site;
    struct diff_item *stored;
    int64_t *stored_ids; /* item ids, in the same order */
    size_t stored_count, stored_capacity;
    struct diff_item *found;
    struct diff diff;
    bool removal_held;
};

static bool progress(void *step_, int64_t items_found, int64_t pages_fetched)
{
    struct job_step *step = step_;
    jobs__step_progress(step, items_found, pages_fetched);
    return !rpc_context_stopped(step->context);
}

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the inventory is too large");
}

/* --- reading --- */

static enum rpc_code site_read(struct scan *scan, struct rpc_status *status)
{
    struct job_step *step = scan->step;
    const struct services_options *options = &step->services->options;
    const struct site_scan_options scan_options = {.http = options->http,
                                                   .policy = options->scan_policy,
                                                   .url = step->job->scan->url,
                                                   .items_max = options->scan_items_max,
                                                   .progress = progress,
                                                   .progress_arg = step};
    enum rpc_code code = site_scan_run(&scan_options, step->context, &scan->site, status);
    if (code != RPC_OK)
        return code;
    if (atomic_load(&step->run->cancelled))
        return rpc_status_set(status, RPC_CANCELLED, "the scan was stopped");
    if (scan->site.item_count == 0)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NO_ITEMS_FOUND, NULL);
    return RPC_OK;
}

/* Makes room for `count` more stored items. */
static bool stored_reserve(struct scan *scan, size_t count)
{
    if (scan->stored_count + count <= scan->stored_capacity)
        return true;
    size_t capacity = (scan->stored_count + count) * 2;
    struct arena *arena = scan->step->context->arena;
    struct diff_item *items = arena_calloc(arena, capacity, sizeof *items);
    int64_t *ids = arena_calloc(arena, capacity, sizeof *ids);
    if (items == NULL || ids == NULL)
        return false;
    if (scan->stored_count > 0) {
        memcpy(items, scan->stored, scan->stored_count * sizeof *items);
        memcpy(ids, scan->stored_ids, scan->stored_count * sizeof *ids);
    }
    scan->stored = items;
    scan->stored_ids = ids;
    scan->stored_capacity = capacity;
    return true;
}

/* Keeps of a page of stored items what the comparison needs. */
static bool stored_keep(struct scan *scan, const struct store_read_op *page)
{
    struct arena *arena = scan->step->context->arena;
    if (!stored_reserve(scan, page->ret_row_count))
        return false;
    for (size_t i = 0; i < page->ret_row_count; i++) {
        const Lotcast__V1__ItemRecord *item = (const Lotcast__V1__ItemRecord *)page->ret_rows[i];
        char *identity = arena_strdup(arena, item->identity);
        char *hash = arena_strndup(arena, item->content_hash.data, item->content_hash.len);
        if (identity == NULL || hash == NULL)
            return false;
        scan->stored[scan->stored_count] =
            (struct diff_item){identity, span_of(hash, item->content_hash.len)};
        scan->stored_ids[scan->stored_count++] = item->item_id;
    }
    return true;
}

/* Reads the inventory page by page. */
static enum rpc_code stored_read(struct scan *scan, struct rpc_status *status)
{
    struct job_step *step = scan->step;
    struct arena pages[2]; /* a page lends its cursor to the next read */
    arena_init(&pages[0], JOBS_READ_BYTES_MAX);
    arena_init(&pages[1], JOBS_READ_BYTES_MAX);
    enum rpc_code code;
    struct span cursor = {0};
    for (size_t at = 0;; at ^= 1) {
        arena_reset(&pages[at]);
        struct rpc_context context = jobs__store_context_in(step, &pages[at]);
        struct store_read_op page = {.record = &lotcast__v1__item_record__descriptor,
                                     .key = store_key(store_number(step->job->customer_id)),
                                     .is_range = true,
                                     .limit = SCAN_PAGE_ROWS,
                                     .cursor = cursor};
        code = store_read(step->services->options.store, &context, &page, 1, status);
        if (code != RPC_OK)
            break;
        if (!stored_keep(scan, &page)) {
            code = out_of_memory(status);
            break;
        }
        cursor = page.ret_cursor;
        if (cursor.len == 0)
            break;
    }
    arena_fini(&pages[0]);
    arena_fini(&pages[1]);
    return code;
}

static enum rpc_code compare(struct scan *scan, struct rpc_status *status)
{
    struct arena *arena = scan->step->context->arena;
    scan->found = arena_calloc(arena, scan->site.item_count, sizeof *scan->found);
    if (scan->found == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < scan->site.item_count; i++) {
        const Lotcast__V1__ItemRecord *item = scan->site.items[i];
        scan->found[i] = (struct diff_item){
            item->identity, span_of(item->content_hash.data, item->content_hash.len)};
    }
    if (!diff_inventory(scan->stored, scan->stored_count, scan->found, scan->site.item_count, arena,
                        &scan->diff))
        return out_of_memory(status);
    if (!scan->step->job->scan->replaces && scan->diff.removed_count > 0 &&
        (!scan->site.complete || !diff_removal_allowed(&scan->diff, scan->stored_count))) {
        /* Items are not gone because we did not get to them. */
        scan->removal_held = scan->site.complete;
        scan->diff.removed_count = 0;
    }
    return RPC_OK;
}

/* --- writing --- */

/* A batch: some entries of one of the diff's lists. */
struct batch {
    struct scan *scan;
    struct rpc_context context; /* its arena is the batch's */
    struct store_commit commit;
    const size_t *entries;
    size_t count; /* how many of them this batch takes; set by the writer */
    int64_t first_id;
};

typedef enum rpc_code batch_writer(struct batch *batch, struct rpc_status *status);

/* How many of the entries (of found) fit into one commit: at least one. */
static size_t batch_fit(const struct scan *scan, const size_t *entries, size_t count)
{
    size_t bytes = 0;
    size_t fit = 0;
    while (fit < count && fit < JOBS_COMMIT_ITEMS_MAX) {
        bytes += lotcast__v1__item_record__get_packed_size(scan->site.items[entries[fit]]);
        if (fit > 0 && bytes > JOBS_COMMIT_BYTES_MAX)
            break;
        fit++;
    }
    return fit;
}

static enum rpc_code add_batch(struct batch *batch, struct rpc_status *status)
{
    (void)status;
    struct scan *scan = batch->scan;
    for (size_t i = 0; i < batch->count; i++) {
        Lotcast__V1__ItemRecord *item = scan->site.items[batch->entries[i]];
        item->customer_id = scan->step->job->customer_id;
        item->item_id = batch->first_id + (int64_t)i;
        /* Not put_new: the batch may have been written already, by a commit whose answer was lost.
         */
        (void)store_commit_put(&batch->commit, item);
    }
    return RPC_OK;
}

static enum rpc_code change_batch(struct batch *batch, struct rpc_status *status)
{
    struct scan *scan = batch->scan;
    struct store_read_op *ops = arena_calloc(batch->context.arena, batch->count, sizeof *ops);
    if (ops == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < batch->count; i++) {
        int64_t id = scan->stored_ids[scan->diff.stored_of[batch->entries[i]]];
        ops[i].record = &lotcast__v1__item_record__descriptor;
        ops[i].key = store_key(store_number(scan->step->job->customer_id), store_number(id));
    }
    enum rpc_code code =
        store_read(scan->step->services->options.store, &batch->context, ops, batch->count, status);
    if (code != RPC_OK)
        return code;
    for (size_t i = 0; i < batch->count; i++) {
        if (ops[i].ret_row_count == 0)
            continue; /* gone meanwhile: the next scan finds it anew */
        const Lotcast__V1__ItemRecord *was = (const Lotcast__V1__ItemRecord *)ops[i].ret_rows[0];
        Lotcast__V1__ItemRecord *item = scan->site.items[batch->entries[i]];
        item->customer_id = was->customer_id;
        item->item_id = was->item_id;
        item->synced_hash = was->synced_hash;
        item->meta_error = was->meta_error;
        (void)store_commit_put_version(&batch->commit, item, ops[i].ret_versions[0]);
        /* They were lent by the batch's arena. */
        item->synced_hash = (ProtobufCBinaryData){0};
        item->meta_error = (char *)"";
    }
    return RPC_OK;
}

static enum rpc_code remove_batch(struct batch *batch, struct rpc_status *status)
{
    (void)status;
    struct scan *scan = batch->scan;
    for (size_t i = 0; i < batch->count; i++)
        (void)store_commit_delete(&batch->commit, &lotcast__v1__item_record__descriptor,
                                  store_key(store_number(scan->step->job->customer_id),
                                            store_number(scan->stored_ids[batch->entries[i]])));
    return RPC_OK;
}

/* Decides and commits one batch; again when something changed in between. */
static enum rpc_code batch_commit(struct batch *batch, batch_writer *write,
                                  struct rpc_status *status)
{
    struct job_step *step = batch->scan->step;
    struct arena arena;
    arena_init(&arena, JOBS_READ_BYTES_MAX);
    enum rpc_code code = RPC_ABORTED;
    for (int i = 0; i < SCAN_BATCH_TRIES_MAX && code == RPC_ABORTED; i++) {
        arena_reset(&arena);
        batch->context = jobs__store_context_in(step, &arena);
        store_commit_init(&batch->commit, step->services->options.store, &batch->context);
        code = write(batch, status);
        if (code == RPC_OK && batch->commit.count > 0)
            code = jobs__step_commit(step, &batch->commit, status);
    }
    arena_fini(&arena);
    return code;
}

/* Takes ids for all new items, in the order in which they were found. */
static enum rpc_code ids_take(struct scan *scan, int64_t *ret_first, struct rpc_status *status)
{
    struct job_step *step = scan->step;
    char counter[32];
    (void)snprintf(counter, sizeof counter, "item:%lld", (long long)step->job->customer_id);
    struct rpc_context context = jobs__store_context(step);
    return store_numbers_take(step->services->options.store, &context, counter,
                              (int64_t)scan->diff.added_count, ret_first, status);
}

static enum rpc_code write_list(struct scan *scan, const size_t *entries, size_t count,
                                int64_t first_id, batch_writer *write, struct rpc_status *status)
{
    struct batch batch = {.scan = scan, .entries = entries, .first_id = first_id};
    while (count > 0) {
        size_t limit = count < JOBS_COMMIT_ITEMS_MAX ? count : JOBS_COMMIT_ITEMS_MAX;
        batch.count = write == remove_batch ? limit : batch_fit(scan, batch.entries, count);
        enum rpc_code code = batch_commit(&batch, write, status);
        if (code != RPC_OK)
            return code;
        batch.entries += batch.count;
        batch.first_id += (int64_t)batch.count;
        count -= batch.count;
    }
    return RPC_OK;
}

static enum rpc_code apply(struct scan *scan, struct rpc_status *status)
{
    const struct diff *diff = &scan->diff;
    int64_t first_id = 0;
    enum rpc_code code = RPC_OK;
    if (diff->added_count > 0)
        code = ids_take(scan, &first_id, status);
    if (code == RPC_OK)
        code = write_list(scan, diff->added, diff->added_count, first_id, add_batch, status);
    if (code == RPC_OK)
        code = write_list(scan, diff->changed, diff->changed_count, 0, change_batch, status);
    if (code == RPC_OK)
        code = write_list(scan, diff->removed, diff->removed_count, 0, remove_batch, status);
    return code;
}

/* --- the end --- */

/* Reads the website and, if there is one, the campaign. Both NULL where there is none. */
static enum rpc_code records_read(struct job_step *step, struct store_read_op ops[static 2],
                                  struct rpc_status *status)
{
    struct store_key key = store_key(store_number(step->job->customer_id));
    ops[0] = (struct store_read_op){.record = &lotcast__v1__website_record__descriptor, .key = key};
    ops[1] =
        (struct store_read_op){.record = &lotcast__v1__campaign_record__descriptor, .key = key};
    struct rpc_context context = jobs__store_context(step);
    return store_read(step->services->options.store, &context, ops, 2, status);
}

/* Sets or clears the mark that makes `attention`. */
static void campaign_mark(struct job_step *step, const struct store_read_op *op, bool failed)
{
    if (op->ret_row_count == 0)
        return;
    Lotcast__V1__CampaignRecord *campaign = (Lotcast__V1__CampaignRecord *)op->ret_rows[0];
    if ((campaign->sync_failed != 0) == failed)
        return;
    campaign->sync_failed = failed;
    (void)store_commit_put_version(step->commit, campaign, op->ret_versions[0]);
}

static enum rpc_code end(struct scan *scan, struct rpc_status *status)
{
    struct job_step *step = scan->step;
    struct store_read_op ops[2];
    enum rpc_code code = records_read(step, ops, status);
    if (code != RPC_OK)
        return code;
    if (ops[0].ret_row_count == 0)
        return rpc_status_set(status, RPC_INTERNAL, "the website's record is gone");
    Lotcast__V1__WebsiteRecord *website = (Lotcast__V1__WebsiteRecord *)ops[0].ret_rows[0];
    int64_t count =
        (int64_t)(scan->stored_count - scan->diff.removed_count + scan->diff.added_count);
    website->url = step->job->scan->url;
    website->last_read_at_ms = clock_now_ms();
    website->item_count = count;
    website->first_scan_pending = false;
    (void)store_commit_put_version(step->commit, website, ops[0].ret_versions[0]);
    campaign_mark(step, &ops[1], scan->removal_held);
    step->job->scan->items_found = count;
    step->job->scan->pages_fetched = scan->site.pages_fetched;
    return RPC_OK;
}

static enum rpc_code scan_run(struct job_step *step, struct rpc_status *status)
{
    if (step->job->scan == NULL)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "the scan has no URL");
    struct scan scan = {.step = step};
    enum rpc_code code = site_read(&scan, status);
    if (code == RPC_OK)
        code = stored_read(&scan, status);
    if (code == RPC_OK)
        code = compare(&scan, status);
    if (code == RPC_OK)
        code = apply(&scan, status);
    if (code == RPC_OK)
        code = end(&scan, status);
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
    struct store_read_op ops[2];
    enum rpc_code code = records_read(step, ops, status);
    if (code != RPC_OK || ops[0].ret_row_count == 0)
        return code;
    Lotcast__V1__WebsiteRecord *website = (Lotcast__V1__WebsiteRecord *)ops[0].ret_rows[0];
    if (website->first_scan_pending) {
        website->first_scan_pending = false;
        (void)store_commit_put_version(step->commit, website, ops[0].ret_versions[0]);
    } else {
        campaign_mark(step, &ops[1], true);
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
