/*
 * The launch's items: batches to the catalog, and what Meta took of them.
 *
 * Submitting is an upsert by item id, so a batch that was cut off is sent again. Meta answers with
 * handles and does the work later; a batch has succeeded only when its status says so, and single
 * items of it may still be refused: an item is in step (synced_hash) only if it was in a finished
 * batch and not among the refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/services/jobs/launch.h"

/* Items of one read. */
#define ITEMS_PAGE_ROWS 500
/* Batches are halved with each attempt (Meta asks to "reduce the amount of data"), so often at
 * most. */
#define BATCH_HALVINGS_MAX 5
/* While the site is being read: look again after so long. */
#define SCAN_WAIT_MS 1000
/* First and longest wait between two looks at the batches. */
#define POLL_MS_MIN 500
#define POLL_MS_MAX 10000
/* A page's results are decided anew so often when an item has changed meanwhile. */
#define PAGE_TRIES_MAX 5
/* Longest text of Meta's refusal that is kept, in bytes. */
#define REFUSAL_BYTES_MAX 300

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
}

/* A page of the customer's items behind an item id. */
static enum rpc_code items_read(struct job_step *step, struct arena *arena, int64_t behind_item_id,
                                struct store_read_op *ret_page, struct rpc_status *status)
{
    struct rpc_context context = jobs__store_context_in(step, arena);
    *ret_page = (struct store_read_op){.record = &lotcast__v1__item_record__descriptor,
                                       .key = store_key(store_number(step->job->customer_id)),
                                       .is_range = true,
                                       .limit = ITEMS_PAGE_ROWS,
                                       .has_lower = true,
                                       .lower = store_number(behind_item_id + 1)};
    return store_read(step->services->options.store, &context, ret_page, 1, status);
}

static Lotcast__V1__ItemRecord *item_at(const struct store_read_op *page, size_t index)
{
    return (Lotcast__V1__ItemRecord *)page->ret_rows[index];
}

static bool advertised(const Lotcast__V1__ItemRecord *item)
{
    return item->excluded[0] == '\0';
}

/* --- submitting --- */

/* Whether a scan runs: the items are about to change. */
static enum rpc_code scan_runs(struct job_step *step, bool *ret_runs, struct rpc_status *status)
{
    char *slot = jobs__slot(&jobs__scan, step->job->customer_id, step->context->arena);
    if (slot == NULL)
        return out_of_memory(status);
    struct rpc_context context = jobs__store_context(step);
    const Lotcast__V1__JobRecord *scan = NULL;
    enum rpc_code code =
        store_get(step->services->options.store, &context, &lotcast__v1__job_record__descriptor,
                  "by_slot", store_key(store_text(slot)), &scan, NULL, status);
    if (code == RPC_OK)
        *ret_runs = scan != NULL;
    return code;
}

/* The next items to submit. */
struct batch {
    Lotcast__V1__ItemRecord **items;
    size_t count, max;
    int64_t last_id; /* looked at so far */
    bool complete;   /* there are no items behind it */
};

static enum rpc_code batch_read(struct job_step *step, struct batch *batch,
                                struct rpc_status *status)
{
    while (batch->count < batch->max && !batch->complete) {
        struct store_read_op page;
        enum rpc_code code = items_read(step, step->context->arena, batch->last_id, &page, status);
        if (code != RPC_OK)
            return code;
        size_t i = 0;
        for (; i < page.ret_row_count && batch->count < batch->max; i++) {
            Lotcast__V1__ItemRecord *item = item_at(&page, i);
            batch->last_id = item->item_id;
            if (advertised(item))
                batch->items[batch->count++] = item;
        }
        batch->complete = i == page.ret_row_count && page.ret_cursor.len == 0;
    }
    return RPC_OK;
}

/* Keeps the handles of a batch with those before it. */
static bool handles_add(struct job_step *step, const char **handles, size_t count)
{
    Lotcast__V1__LaunchJob *launch = step->job->launch;
    size_t total = launch->n_batch_handles + count;
    char **all = arena_calloc(step->context->arena, total, sizeof *all);
    if (all == NULL)
        return false;
    for (size_t i = 0; i < launch->n_batch_handles; i++)
        all[i] = launch->batch_handles[i];
    for (size_t i = 0; i < count; i++)
        all[launch->n_batch_handles + i] = (char *)handles[i];
    launch->batch_handles = all;
    launch->n_batch_handles = total;
    return true;
}

static enum rpc_code batch_submit(struct job_step *step, const struct batch *batch,
                                  struct rpc_status *status)
{
    const Lotcast__V1__MetaConnectionRecord *connection = NULL;
    const char *token = NULL;
    const char **handles = NULL;
    size_t handle_count = 0;
    enum rpc_code code = jobs__token_open(step, &connection, &token, status);
    if (code == RPC_OK)
        code = meta_items_submit(step->services->options.meta, step->context, token,
                                 step->job->launch->catalog_id, batch->items, batch->count,
                                 &handles, &handle_count, status);
    if (code != RPC_OK)
        return code;
    if (handle_count == 0)
        return rpc_status_fail_upstream(status, "meta"); /* nothing was taken */
    return handles_add(step, handles, handle_count) ? RPC_OK : out_of_memory(status);
}

enum rpc_code jobs__launch_items(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__LaunchJob *launch = step->job->launch;
    if (launch->submitted_item_id == 0) {
        bool runs = false;
        enum rpc_code code = scan_runs(step, &runs, status);
        if (code != RPC_OK)
            return code;
        if (runs) {
            step->next = LAUNCH_STEP_ITEMS;
            step->delay_ms = SCAN_WAIT_MS;
            return RPC_OK;
        }
    }
    int halvings = step->job->attempt - 1;
    if (halvings > BATCH_HALVINGS_MAX)
        halvings = BATCH_HALVINGS_MAX;
    struct batch batch = {.max = (size_t)META_BATCH_ITEMS_MAX >> halvings,
                          .last_id = launch->submitted_item_id};
    batch.items = arena_calloc(step->context->arena, batch.max, sizeof(Lotcast__V1__ItemRecord *));
    if (batch.items == NULL)
        return out_of_memory(status);
    enum rpc_code code = batch_read(step, &batch, status);
    if (code == RPC_OK && batch.count > 0)
        code = batch_submit(step, &batch, status);
    if (code != RPC_OK)
        return code;
    if (launch->n_batch_handles == 0)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NO_ITEMS_FOUND, NULL);
    launch->submitted_item_id = batch.last_id;
    if (!batch.complete)
        step->next = LAUNCH_STEP_ITEMS;
    return RPC_OK;
}

/* --- results --- */

/* Meta's refusals, sorted by item. */
struct refusals {
    struct meta_item_error *rows;
    size_t count;
};

static int refusal_compare(const void *a_, const void *b_)
{
    const struct meta_item_error *a = a_;
    const struct meta_item_error *b = b_;
    return a->item_id < b->item_id ? -1 : a->item_id > b->item_id;
}

/* The refusal's text, or NULL. */
static const char *refusal_of(const struct refusals *refusals, int64_t item_id)
{
    const struct meta_item_error key = {.item_id = item_id};
    if (refusals->count == 0)
        return NULL;
    const struct meta_item_error *row =
        bsearch(&key, refusals->rows, refusals->count, sizeof *refusals->rows, refusal_compare);
    if (row == NULL)
        return NULL;
    return row->message == NULL || row->message[0] == '\0' ? "Meta refused this item"
                                                           : row->message;
}

/* Appends a batch's refusals. */
static bool refusals_add(struct refusals *refusals, const struct meta_batch_status *batch,
                         struct arena *arena)
{
    size_t total = refusals->count + batch->error_count;
    if (batch->error_count == 0)
        return true;
    struct meta_item_error *rows = arena_calloc(arena, total, sizeof *rows);
    if (rows == NULL)
        return false;
    if (refusals->count > 0)
        memcpy(rows, refusals->rows, refusals->count * sizeof *rows);
    memcpy(rows + refusals->count, batch->errors, batch->error_count * sizeof *rows);
    refusals->rows = rows;
    refusals->count = total;
    return true;
}

/* Asks for all batches. `ret_finished`: every one of them has ended. */
static enum rpc_code batches_ask(struct job_step *step, struct refusals *refusals,
                                 bool *ret_finished, struct rpc_status *status)
{
    const Lotcast__V1__LaunchJob *launch = step->job->launch;
    const Lotcast__V1__MetaConnectionRecord *connection = NULL;
    const char *token = NULL;
    enum rpc_code code = jobs__token_open(step, &connection, &token, status);
    for (size_t i = 0; i < launch->n_batch_handles && code == RPC_OK; i++) {
        struct meta_batch_status batch = {0};
        code = meta_items_status(step->services->options.meta, step->context, token,
                                 launch->catalog_id, launch->batch_handles[i], &batch, status);
        if (code != RPC_OK)
            break;
        if (batch.failed) {
            (void)rpc_status_fail_upstream(status, "meta");
            status->code = RPC_FAILED_PRECONDITION; /* for good: Meta has ended the batch */
            return status->code;
        }
        if (!batch.finished) {
            *ret_finished = false;
            return RPC_OK;
        }
        if (!refusals_add(refusals, &batch, step->context->arena))
            return out_of_memory(status);
    }
    if (code != RPC_OK)
        return code;
    if (refusals->count > 0)
        qsort(refusals->rows, refusals->count, sizeof *refusals->rows, refusal_compare);
    *ret_finished = true;
    return RPC_OK;
}

/* Cuts a refusal's text at a character. In the arena; NULL on exhaustion. */
static char *refusal_text(const char *message, struct arena *arena)
{
    size_t len = strnlen(message, REFUSAL_BYTES_MAX + 1);
    if (len > REFUSAL_BYTES_MAX) {
        len = REFUSAL_BYTES_MAX;
        while (len > 0 && ((unsigned char)message[len] & 0xc0) == 0x80)
            len--;
    }
    return arena_strndup(arena, message, len);
}

/* Writes the outcome into the item. Whether that changed it; false with `ret_failed` when out of
 * memory. */
static bool outcome_set(Lotcast__V1__ItemRecord *item, const char *refusal, struct arena *arena,
                        bool *ret_failed)
{
    struct span content = span_of(item->content_hash.data, item->content_hash.len);
    struct span synced = span_of(item->synced_hash.data, item->synced_hash.len);
    if (refusal == NULL) {
        if (span_equal(content, synced) && item->meta_error[0] == '\0')
            return false;
        item->synced_hash = item->content_hash;
        item->meta_error = (char *)"";
        return true;
    }
    char *text = refusal_text(refusal, arena);
    if (text == NULL) {
        *ret_failed = true;
        return false;
    }
    if (synced.len == 0 && strcmp(item->meta_error, text) == 0)
        return false;
    item->synced_hash = (ProtobufCBinaryData){0};
    item->meta_error = text;
    return true;
}

/* One page's outcomes. */
struct outcome_page {
    int64_t behind_id; /* before: where it begins; after: its last item */
    int64_t accepted;
    bool last;
};

/* Stores the outcomes of a page of items. RPC_ABORTED: an item has changed, read again. */
static enum rpc_code page_store(struct job_step *step, const struct refusals *refusals,
                                struct arena *arena, struct outcome_page *page,
                                struct rpc_status *status)
{
    struct store_read_op op;
    enum rpc_code code = items_read(step, arena, page->behind_id, &op, status);
    if (code != RPC_OK)
        return code;
    struct rpc_context context = jobs__store_context_in(step, arena);
    struct store_commit commit;
    store_commit_init(&commit, step->services->options.store, &context);
    int64_t until = step->job->launch->submitted_item_id;
    struct outcome_page next = {page->behind_id, page->accepted, op.ret_cursor.len == 0};
    bool failed = false;
    for (size_t i = 0; i < op.ret_row_count && !next.last; i++)
        next.last = item_at(&op, i)->item_id >= until;
    for (size_t i = 0; i < op.ret_row_count && item_at(&op, i)->item_id <= until; i++) {
        Lotcast__V1__ItemRecord *item = item_at(&op, i);
        next.behind_id = item->item_id;
        if (!advertised(item))
            continue;
        const char *refusal = refusal_of(refusals, item->item_id);
        next.accepted += refusal == NULL;
        if (outcome_set(item, refusal, arena, &failed))
            (void)store_commit_put_version(&commit, item, op.ret_versions[i]);
    }
    if (failed)
        return out_of_memory(status);
    if (commit.count > 0)
        code = jobs__step_commit(step, &commit, status);
    if (code == RPC_OK)
        *page = next;
    return code;
}

static enum rpc_code outcomes_store(struct job_step *step, const struct refusals *refusals,
                                    int64_t *ret_accepted, struct rpc_status *status)
{
    struct arena arena;
    arena_init(&arena, JOBS_READ_BYTES_MAX);
    struct outcome_page page = {0};
    enum rpc_code code = RPC_OK;
    while (code == RPC_OK && !page.last) {
        code = RPC_ABORTED;
        for (int i = 0; i < PAGE_TRIES_MAX && code == RPC_ABORTED; i++) {
            arena_reset(&arena);
            code = page_store(step, refusals, &arena, &page, status);
        }
    }
    arena_fini(&arena);
    if (code == RPC_OK)
        *ret_accepted = page.accepted;
    return code;
}

/* 500 ms, 1 s, 2 s … 10 s. */
static int64_t poll_delay_ms(int32_t attempt)
{
    int64_t delay = POLL_MS_MIN;
    for (int32_t i = 1; i < attempt && delay < POLL_MS_MAX; i++)
        delay *= 2;
    return delay < POLL_MS_MAX ? delay : POLL_MS_MAX;
}

enum rpc_code jobs__launch_items_wait(struct job_step *step, struct rpc_status *status)
{
    struct refusals refusals = {0};
    bool finished = false;
    enum rpc_code code = batches_ask(step, &refusals, &finished, status);
    if (code != RPC_OK)
        return code;
    if (!finished) {
        step->polling = true;
        step->delay_ms = poll_delay_ms(step->job->attempt);
        return RPC_OK;
    }
    int64_t accepted = 0;
    code = outcomes_store(step, &refusals, &accepted, status);
    if (code != RPC_OK)
        return code;
    if (accepted == 0) {
        (void)rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_UPSTREAM_ERROR, NULL,
                                      "Meta accepted none of your items");
        (void)snprintf(status->upstream, sizeof status->upstream, "%s", "meta");
        status->code = RPC_FAILED_PRECONDITION; /* for good */
        return status->code;
    }
    step->job->launch->items_accepted = accepted;
    step->job->launch->n_batch_handles = 0;
    return RPC_OK;
}
