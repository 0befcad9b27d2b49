/*
 * Reads a website and brings the inventory in step with it.
 *
 * What was read lives in memory, so a process that dies reads the site again. Then the items are
 * written in fenced commits. Repeating any part changes nothing: items are found again by their
 * identity.
 *
 * Rules (api-contracts, section 5):
 *   - items found again keep their id, what Meta has taken of them, what is on its way there, and
 *     its refusal
 *   - a new URL's first scan (replaces) with at least one item replaces the inventory; the old one
 *     stays until then
 *   - a re-scan that found again fewer than half of the stored items, or did not get through,
 *     removes nothing
 *   - an item whose page could not be had (site_scan.held) stays, whatever became of the others
 *
 * A first scan shows its items when it has ended: until then the inventory is what it was, and what
 * has been found so far is the job's (itemsFound).
 */
#include "rpc/services/jobs/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/services/jobs/pages.h"

/* Items of one read of the inventory. */
#define INVENTORY_PAGE_ROWS 1000
/* A batch is decided anew so often when an item has changed meanwhile. */
#define BATCH_TRIES_MAX 5

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

static enum rpc_code site_read(struct inventory_update *update, struct rpc_status *status)
{
    struct job_step *step = update->step;
    const struct services_options *options = &step->services->options;
    struct jobs_pages *pages = jobs__pages_open(step);
    const struct site_scan_options scan_options = {.http = options->http,
                                                   .policy = options->scan_policy,
                                                   .url = update->url,
                                                   .items_max = options->scan_items_max,
                                                   .progress = progress,
                                                   .progress_arg = step,
                                                   .memory = jobs__pages_memory(pages)};
    enum rpc_code code = site_scan_run(&scan_options, step->context, &update->site, status);
    jobs__pages_close(pages, code == RPC_OK && update->site.complete);
    if (code != RPC_OK)
        return code;
    if (atomic_load(&step->run->cancelled))
        return rpc_status_set(status, RPC_CANCELLED, "the scan was stopped");
    if (update->site.item_count > 0)
        return RPC_OK;
    if (!update->may_be_empty)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NO_ITEMS_FOUND, NULL);
    /* A site of which no page could be read says nothing of its items. */
    if (update->site.pages_fetched == 0)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE, NULL);
    return RPC_OK;
}

/* Makes room for `count` more stored items. */
static bool stored_reserve(struct inventory_update *update, size_t count)
{
    if (update->stored_count + count <= update->stored_capacity)
        return true;
    size_t capacity = (update->stored_count + count) * 2;
    struct arena *arena = update->step->context->arena;
    struct diff_item *items = arena_calloc(arena, capacity, sizeof *items);
    int64_t *ids = arena_calloc(arena, capacity, sizeof *ids);
    bool *held = arena_calloc(arena, capacity, sizeof *held);
    if (items == NULL || ids == NULL || held == NULL)
        return false;
    if (update->stored_count > 0) {
        memcpy(held, update->stored_held, update->stored_count * sizeof *held);
        memcpy(items, update->stored, update->stored_count * sizeof *items);
        memcpy(ids, update->stored_ids, update->stored_count * sizeof *ids);
    }
    update->stored = items;
    update->stored_ids = ids;
    update->stored_held = held;
    update->stored_capacity = capacity;
    return true;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether the item is known to be where the site could not be read. */
static bool is_held(const struct inventory_update *update, const Lotcast__V1__ItemRecord *item)
{
    const char *url = item->url;
    return update->site.held_count > 0 && bsearch(&url, update->site.held, update->site.held_count,
                                                  sizeof url, compare_texts) != NULL;
}

/* Keeps of a page of stored items what the comparison needs. */
static bool stored_keep(struct inventory_update *update, const struct store_read_op *page)
{
    struct arena *arena = update->step->context->arena;
    if (!stored_reserve(update, page->ret_row_count))
        return false;
    for (size_t i = 0; i < page->ret_row_count; i++) {
        const Lotcast__V1__ItemRecord *item = (const Lotcast__V1__ItemRecord *)page->ret_rows[i];
        char *identity = arena_strdup(arena, item->identity);
        char *hash = arena_strndup(arena, item->content_hash.data, item->content_hash.len);
        if (identity == NULL || hash == NULL)
            return false;
        update->stored[update->stored_count] =
            (struct diff_item){identity, span_of(hash, item->content_hash.len)};
        update->stored_held[update->stored_count] = is_held(update, item);
        update->stored_ids[update->stored_count++] = item->item_id;
    }
    return true;
}

/* Reads the inventory page by page. */
static enum rpc_code stored_read(struct inventory_update *update, struct rpc_status *status)
{
    struct job_step *step = update->step;
    struct arena pages[2]; /* a page lends its cursor to the next read */
    arena_init(&pages[0], JOBS_READ_BYTES_MAX);
    arena_init(&pages[1], JOBS_READ_BYTES_MAX);
    if (update->site.held_count > 0)
        qsort(update->site.held, update->site.held_count, sizeof *update->site.held, compare_texts);
    enum rpc_code code;
    struct span cursor = {0};
    for (size_t at = 0;; at ^= 1) {
        arena_reset(&pages[at]);
        struct rpc_context context = jobs__store_context_in(step, &pages[at]);
        struct store_read_op page = {.record = &lotcast__v1__item_record__descriptor,
                                     .key = store_key(store_number(step->job->customer_id)),
                                     .is_range = true,
                                     .limit = INVENTORY_PAGE_ROWS,
                                     .cursor = cursor};
        code = store_read(step->services->options.store, &context, &page, 1, status);
        if (code != RPC_OK)
            break;
        if (!stored_keep(update, &page)) {
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

/* Takes what is held off the list of what is to be removed; returns how many. */
static size_t hold_back(struct inventory_update *update)
{
    struct diff *diff = &update->diff;
    size_t kept = 0;
    for (size_t i = 0; i < diff->removed_count; i++) {
        if (!update->stored_held[diff->removed[i]])
            diff->removed[kept++] = diff->removed[i];
    }
    size_t held = diff->removed_count - kept;
    diff->removed_count = kept;
    return held;
}

static enum rpc_code compare(struct inventory_update *update, struct rpc_status *status)
{
    struct arena *arena = update->step->context->arena;
    update->found = arena_calloc(arena, update->site.item_count, sizeof *update->found);
    if (update->found == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < update->site.item_count; i++) {
        const Lotcast__V1__ItemRecord *item = update->site.items[i];
        update->found[i] = (struct diff_item){
            item->identity, span_of(item->content_hash.data, item->content_hash.len)};
    }
    if (!diff_inventory(update->stored, update->stored_count, update->found,
                        update->site.item_count, arena, &update->diff))
        return out_of_memory(status);
    const struct diff *diff = &update->diff;
    update->found_count = diff->added_count + diff->changed_count + diff->same_count;
    if (diff->removed_count == 0 || update->replaces)
        return RPC_OK;
    update->found_too_few = !diff_removal_allowed(diff, update->stored_count);
    if (hold_back(update) > 0 && update->found_too_few)
        update->site.complete = false; /* few pages, and most of them are out */
    if (update->site.complete && (update->confirmed || !update->found_too_few))
        return RPC_OK;
    /* Items are not gone because we did not get to them. */
    update->removal_held = update->site.complete;
    update->diff.removed_count = 0;
    return RPC_OK;
}

/* --- writing --- */

/* A batch: some entries of one of the diff's lists. */
struct batch {
    struct inventory_update *update;
    struct rpc_context context; /* its arena is the batch's */
    struct store_commit commit;
    const size_t *entries;
    size_t count; /* how many of them this batch takes; set by the writer */
    int64_t first_id;
    int64_t *counter; /* may be NULL */
};

typedef enum rpc_code batch_writer(struct batch *batch, struct rpc_status *status);

/* How many of the entries (of found) fit into one commit: at least one. */
static size_t batch_fit(const struct inventory_update *update, const size_t *entries, size_t count)
{
    size_t bytes = 0;
    size_t fit = 0;
    while (fit < count && fit < JOBS_COMMIT_ITEMS_MAX) {
        bytes += lotcast__v1__item_record__get_packed_size(update->site.items[entries[fit]]);
        if (fit > 0 && bytes > JOBS_COMMIT_BYTES_MAX)
            break;
        fit++;
    }
    return fit;
}

static enum rpc_code add_batch(struct batch *batch, struct rpc_status *status)
{
    (void)status;
    struct inventory_update *update = batch->update;
    for (size_t i = 0; i < batch->count; i++) {
        Lotcast__V1__ItemRecord *item = update->site.items[batch->entries[i]];
        item->customer_id = update->step->job->customer_id;
        item->item_id = batch->first_id + (int64_t)i;
        /* Not put_new: the batch may have been written already, by a commit whose answer was lost.
         */
        (void)store_commit_put(&batch->commit, item);
    }
    return RPC_OK;
}

static enum rpc_code change_batch(struct batch *batch, struct rpc_status *status)
{
    struct inventory_update *update = batch->update;
    struct store_read_op *ops = arena_calloc(batch->context.arena, batch->count, sizeof *ops);
    if (ops == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < batch->count; i++) {
        int64_t id = update->stored_ids[update->diff.stored_of[batch->entries[i]]];
        ops[i].record = &lotcast__v1__item_record__descriptor;
        ops[i].key = store_key(store_number(update->step->job->customer_id), store_number(id));
    }
    enum rpc_code code = store_read(update->step->services->options.store, &batch->context, ops,
                                    batch->count, status);
    if (code != RPC_OK)
        return code;
    for (size_t i = 0; i < batch->count; i++) {
        if (ops[i].ret_row_count == 0)
            continue; /* gone meanwhile: the next scan finds it anew */
        const Lotcast__V1__ItemRecord *was = (const Lotcast__V1__ItemRecord *)ops[i].ret_rows[0];
        Lotcast__V1__ItemRecord *item = update->site.items[batch->entries[i]];
        item->customer_id = was->customer_id;
        item->item_id = was->item_id;
        item->synced_hash = was->synced_hash;
        item->sent_hash = was->sent_hash;
        item->meta_error = was->meta_error;
        (void)store_commit_put_version(&batch->commit, item, ops[i].ret_versions[0]);
        /* They were lent by the batch's arena. */
        item->synced_hash = (ProtobufCBinaryData){0};
        item->sent_hash = (ProtobufCBinaryData){0};
        item->meta_error = (char *)"";
    }
    return RPC_OK;
}

/* Remembers an item for its deletion at Meta. */
static void gone_add(struct store_commit *commit, int64_t customer_id, int64_t item_id)
{
    Lotcast__V1__GoneItemRecord gone = LOTCAST__V1__GONE_ITEM_RECORD__INIT;
    gone.customer_id = customer_id;
    gone.item_id = item_id;
    (void)store_commit_put(commit, &gone);
}

static enum rpc_code remove_batch(struct batch *batch, struct rpc_status *status)
{
    (void)status;
    const struct inventory_update *update = batch->update;
    int64_t customer_id = update->step->job->customer_id;
    for (size_t i = 0; i < batch->count; i++) {
        int64_t item_id = update->stored_ids[batch->entries[i]];
        (void)store_commit_delete(&batch->commit, &lotcast__v1__item_record__descriptor,
                                  store_key(store_number(customer_id), store_number(item_id)));
        if (update->remembers_gone)
            gone_add(&batch->commit, customer_id, item_id);
    }
    return RPC_OK;
}

/* Sends the batch's commit, with the count of what it writes. */
static enum rpc_code batch_send(struct batch *batch, struct rpc_status *status)
{
    struct inventory_update *update = batch->update;
    struct job_step *step = update->step;
    if (update->website_version != 0)
        (void)store_commit_check(&batch->commit, &lotcast__v1__website_record__descriptor,
                                 store_key(store_number(step->job->customer_id)),
                                 update->website_version);
    if (batch->counter == NULL)
        return jobs__step_commit(step, &batch->commit, status);
    *batch->counter += (int64_t)batch->count;
    enum rpc_code code = jobs__step_save(step, &batch->commit, status);
    if (code != RPC_OK)
        *batch->counter -= (int64_t)batch->count;
    return code;
}

/* Decides and commits one batch; again when something changed in between. */
static enum rpc_code batch_commit(struct batch *batch, batch_writer *write,
                                  struct rpc_status *status)
{
    struct job_step *step = batch->update->step;
    struct arena arena;
    arena_init(&arena, JOBS_READ_BYTES_MAX);
    enum rpc_code code = RPC_ABORTED;
    for (int i = 0; i < BATCH_TRIES_MAX && code == RPC_ABORTED; i++) {
        arena_reset(&arena);
        batch->context = jobs__store_context_in(step, &arena);
        store_commit_init(&batch->commit, step->services->options.store, &batch->context);
        code = write(batch, status);
        if (code == RPC_OK && batch->commit.count > 0)
            code = batch_send(batch, status);
    }
    arena_fini(&arena);
    return code;
}

/* Takes ids for all new items, in the order in which they were found. */
static enum rpc_code ids_take(struct inventory_update *update, int64_t *ret_first,
                              struct rpc_status *status)
{
    struct job_step *step = update->step;
    char counter[32];
    (void)snprintf(counter, sizeof counter, "item:%lld", (long long)step->job->customer_id);
    struct rpc_context context = jobs__store_context(step);
    return store_numbers_take(step->services->options.store, &context, counter,
                              (int64_t)update->diff.added_count, ret_first, status);
}

/* One of the diff's lists. */
struct list {
    const size_t *entries;
    size_t count;
    batch_writer *write;
    int64_t *counter;
};

static enum rpc_code write_list(struct inventory_update *update, struct list list, int64_t first_id,
                                struct rpc_status *status)
{
    struct batch batch = {
        .update = update, .entries = list.entries, .first_id = first_id, .counter = list.counter};
    while (list.count > 0) {
        size_t limit = list.count < JOBS_COMMIT_ITEMS_MAX ? list.count : JOBS_COMMIT_ITEMS_MAX;
        batch.count =
            list.write == remove_batch ? limit : batch_fit(update, batch.entries, list.count);
        enum rpc_code code = batch_commit(&batch, list.write, status);
        if (code != RPC_OK)
            return code;
        batch.entries += batch.count;
        batch.first_id += (int64_t)batch.count;
        list.count -= batch.count;
    }
    return RPC_OK;
}

enum rpc_code jobs__inventory_write(struct inventory_update *update, struct rpc_status *status)
{
    const struct diff *diff = &update->diff;
    const struct list added = {diff->added, diff->added_count, add_batch, update->added};
    const struct list changed = {diff->changed, diff->changed_count, change_batch, update->updated};
    const struct list removed = {diff->removed, diff->removed_count, remove_batch, update->removed};
    int64_t first_id = 0;
    enum rpc_code code = RPC_OK;
    if (diff->added_count > 0)
        code = ids_take(update, &first_id, status);
    if (code == RPC_OK)
        code = write_list(update, added, first_id, status);
    if (code == RPC_OK)
        code = write_list(update, changed, 0, status);
    if (code == RPC_OK)
        code = write_list(update, removed, 0, status);
    return code;
}

enum rpc_code jobs__inventory_read(struct inventory_update *update, struct rpc_status *status)
{
    enum rpc_code code = site_read(update, status);
    if (code == RPC_OK)
        code = stored_read(update, status);
    if (code == RPC_OK)
        code = compare(update, status);
    return code;
}

int64_t jobs__inventory_count(const struct inventory_update *update)
{
    return (int64_t)(update->stored_count - update->diff.removed_count + update->diff.added_count);
}
