/*
 * Sends items to a catalog, and stores what became of them.
 *
 * Sending is an upsert by item id, so a batch that was cut off is sent again. Meta answers with
 * handles and does the work later; a batch has succeeded only when its status says so, and single
 * items of it may still be refused, at once or then.
 *
 * What is sent is recorded before it is sent (ItemRecord.sent_hash), so that its outcome goes to
 * that content and not to one that a scan has found meanwhile:
 *
 *   content_hash  what the item is now
 *   sent_hash     what is on its way; REMOVAL for its deletion; empty: nothing
 *   synced_hash   what Meta has taken last; empty: Meta has nothing of it
 *
 * An item is in step if content and synced are the same, nothing is on its way and Meta has not
 * refused it. One that is not advertised any more is removed from the catalog if it may be there.
 * One that has gone from the inventory leaves a GoneItemRecord until Meta has deleted it.
 */
#include "rpc/services/jobs/catalog.h"

/* Pages looked at in one step: what is in memory at a time. */
#define LOOK_PAGES_MAX 40

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
}

enum rpc_code jobs__catalog_page(struct job_step *step, struct arena *arena, int64_t behind_item_id,
                                 struct store_read_op *ret_page, struct rpc_status *status)
{
    struct rpc_context context = jobs__store_context_in(step, arena);
    *ret_page = (struct store_read_op){.record = &lotcast__v1__item_record__descriptor,
                                       .key = store_key(store_number(step->job->customer_id)),
                                       .is_range = true,
                                       .limit = CATALOG_PAGE_ROWS,
                                       .has_lower = true,
                                       .lower = store_number(behind_item_id + 1)};
    return store_read(step->services->options.store, &context, ret_page, 1, status);
}

static Lotcast__V1__ItemRecord *item_at(const struct store_read_op *page, size_t index)
{
    return (Lotcast__V1__ItemRecord *)page->ret_rows[index];
}

/* --- what is to be sent --- */

/* The next changes to send, with the versions of their records. */
struct batch {
    struct meta_item_change *changes;
    Lotcast__V1__ItemRecord **items;
    uint64_t *versions;
    size_t count, max;
    int64_t last_id; /* looked at so far */
    bool complete;   /* there are no items behind it */
};

static bool batch_init(struct batch *batch, struct arena *arena, int32_t attempt)
{
    int halvings = attempt - 1;
    if (halvings > CATALOG_HALVINGS_MAX)
        halvings = CATALOG_HALVINGS_MAX;
    batch->max = (size_t)META_BATCH_ITEMS_MAX >> halvings;
    batch->changes = arena_calloc(arena, batch->max, sizeof *batch->changes);
    batch->items = arena_calloc(arena, batch->max, sizeof(Lotcast__V1__ItemRecord *));
    batch->versions = arena_calloc(arena, batch->max, sizeof *batch->versions);
    return batch->changes != NULL && batch->items != NULL && batch->versions != NULL;
}

/* Whether an item is to be sent, and as what. */
static bool change_of(const struct catalog_run *run, Lotcast__V1__ItemRecord *item,
                      struct meta_item_change *change)
{
    bool advertised = jobs__item_advertised(item);
    bool wanted = advertised ? run->all || item->sent_hash.len > 0 || item->meta_error[0] != '\0' ||
                                   !jobs__bytes_same(item->content_hash, item->synced_hash)
                             : item->sent_hash.len > 0 || item->synced_hash.len > 0;
    if (wanted)
        *change = (struct meta_item_change){item->item_id, advertised ? item : NULL};
    return wanted;
}

static enum rpc_code batch_read(struct catalog_run *run, struct batch *batch,
                                struct rpc_status *status)
{
    struct job_step *step = run->step;
    for (int pages = 0; pages < LOOK_PAGES_MAX && batch->count < batch->max && !batch->complete;
         pages++) {
        struct store_read_op page;
        enum rpc_code code =
            jobs__catalog_page(step, step->context->arena, batch->last_id, &page, status);
        if (code != RPC_OK)
            return code;
        size_t i = 0;
        for (; i < page.ret_row_count && batch->count < batch->max; i++) {
            Lotcast__V1__ItemRecord *item = item_at(&page, i);
            batch->last_id = item->item_id;
            if (!change_of(run, item, &batch->changes[batch->count]))
                continue;
            batch->items[batch->count] = item;
            batch->versions[batch->count++] = page.ret_versions[i];
        }
        batch->complete = i == page.ret_row_count && page.ret_cursor.len == 0;
    }
    return RPC_OK;
}

/* Records what is about to be sent. RPC_ABORTED: an item has changed. */
static enum rpc_code batch_mark(struct job_step *step, struct batch *batch,
                                struct rpc_status *status)
{
    enum rpc_code code = RPC_OK;
    size_t i = 0;
    while (i < batch->count && code == RPC_OK) {
        struct rpc_context context = jobs__store_context(step);
        struct store_commit commit;
        size_t bytes = 0;
        store_commit_init(&commit, step->services->options.store, &context);
        while (i < batch->count && commit.count < JOBS_COMMIT_ITEMS_MAX &&
               bytes < JOBS_COMMIT_BYTES_MAX) {
            Lotcast__V1__ItemRecord *item = batch->items[i];
            ProtobufCBinaryData sent =
                batch->changes[i].item == NULL ? jobs__catalog_removal() : item->content_hash;
            uint64_t version = batch->versions[i++];
            if (jobs__bytes_same(item->sent_hash, sent))
                continue; /* by an attempt before this one */
            item->sent_hash = sent;
            bytes += lotcast__v1__item_record__get_packed_size(item);
            (void)store_commit_put_version(&commit, item, version);
        }
        if (commit.count > 0)
            code = jobs__step_commit(step, &commit, status);
    }
    return code;
}

/* --- sending --- */

/* Keeps the handles of a batch with those before it. */
static bool handles_add(struct catalog_run *run, const struct meta_submission *submission)
{
    size_t total = *run->handle_count + submission->handle_count;
    char **all = arena_calloc(run->step->context->arena, total, sizeof *all);
    if (all == NULL)
        return false;
    for (size_t i = 0; i < *run->handle_count; i++)
        all[i] = (*run->handles)[i];
    for (size_t i = 0; i < submission->handle_count; i++)
        all[*run->handle_count + i] = (char *)submission->handles[i];
    *run->handles = all;
    *run->handle_count = total;
    return true;
}

static enum rpc_code changes_send(struct catalog_run *run, const struct meta_item_change *changes,
                                  size_t count, struct meta_submission *submission,
                                  struct rpc_status *status)
{
    struct job_step *step = run->step;
    const Lotcast__V1__MetaConnectionRecord *connection = NULL;
    const char *token = NULL;
    enum rpc_code code = jobs__token_open(step, &connection, &token, status);
    if (code == RPC_OK)
        code = meta_items_send(step->services->options.meta, step->context, token, run->catalog_id,
                               changes, count, submission, status);
    if (code != RPC_OK)
        return code;
    return handles_add(run, submission) ? RPC_OK : out_of_memory(status);
}

enum rpc_code jobs__catalog_send(struct catalog_run *run, bool *ret_complete, size_t *ret_sent,
                                 struct rpc_status *status)
{
    struct job_step *step = run->step;
    struct batch batch = {.last_id = *run->looked_at};
    struct meta_submission submission = {0};
    if (!batch_init(&batch, step->context->arena, step->job->attempt))
        return out_of_memory(status);
    enum rpc_code code = batch_read(run, &batch, status);
    if (code == RPC_OK && batch.count > 0)
        code = batch_mark(step, &batch, status);
    if (code == RPC_OK && batch.count > 0)
        code = changes_send(run, batch.changes, batch.count, &submission, status);
    if (code == RPC_OK)
        code = jobs__catalog_refused(step, &submission, status);
    if (code != RPC_OK)
        return code;
    *run->looked_at = batch.last_id;
    *ret_complete = batch.complete;
    *ret_sent = batch.count;
    return RPC_OK;
}

/* --- items that have gone --- */

/* Marks the rows of a page as sent by this job, at their versions. */
static enum rpc_code gone_mark(struct job_step *step, const struct store_read_op *page,
                               struct rpc_status *status)
{
    struct rpc_context context = jobs__store_context(step);
    struct store_commit commit;
    store_commit_init(&commit, step->services->options.store, &context);
    for (size_t i = 0; i < page->ret_row_count; i++) {
        Lotcast__V1__GoneItemRecord *gone = (Lotcast__V1__GoneItemRecord *)page->ret_rows[i];
        if (gone->sent_by_job == step->job->job_id)
            continue;
        gone->sent_by_job = step->job->job_id;
        (void)store_commit_put_version(&commit, gone, page->ret_versions[i]);
    }
    return commit.count == 0 ? RPC_OK : jobs__step_commit(step, &commit, status);
}

enum rpc_code jobs__catalog_gone_page(struct job_step *step, struct arena *arena,
                                      int64_t behind_item_id, struct store_read_op *ret_page,
                                      struct rpc_status *status)
{
    struct rpc_context context = jobs__store_context_in(step, arena);
    *ret_page = (struct store_read_op){.record = &lotcast__v1__gone_item_record__descriptor,
                                       .key = store_key(store_number(step->job->customer_id)),
                                       .is_range = true,
                                       .limit = META_BATCH_ITEMS_MAX,
                                       .has_lower = true,
                                       .lower = store_number(behind_item_id + 1)};
    return store_read(step->services->options.store, &context, ret_page, 1, status);
}

enum rpc_code jobs__catalog_send_gone(struct catalog_run *run, int64_t *gone_id, bool *ret_complete,
                                      struct rpc_status *status)
{
    struct job_step *step = run->step;
    struct store_read_op page;
    struct meta_submission submission = {0};
    enum rpc_code code =
        jobs__catalog_gone_page(step, step->context->arena, *gone_id, &page, status);
    if (code != RPC_OK)
        return code;
    *ret_complete = page.ret_cursor.len == 0;
    if (page.ret_row_count == 0)
        return RPC_OK;
    struct meta_item_change *changes =
        arena_calloc(step->context->arena, page.ret_row_count, sizeof *changes);
    if (changes == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < page.ret_row_count; i++)
        changes[i].item_id = ((const Lotcast__V1__GoneItemRecord *)page.ret_rows[i])->item_id;
    code = gone_mark(step, &page, status);
    if (code == RPC_OK)
        code = changes_send(run, changes, page.ret_row_count, &submission, status);
    if (code == RPC_OK)
        *gone_id = changes[page.ret_row_count - 1].item_id;
    return code;
}
