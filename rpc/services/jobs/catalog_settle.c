/*
 * What became of what was sent (catalog.c explains the three hashes): refusals at once, and the
 * outcomes of batches.
 */
#include "rpc/services/jobs/catalog.h"

#include <stdlib.h>
#include <string.h>

/* First and longest wait between two looks at the batches. */
#define POLL_MS_MIN 500
#define POLL_MS_MAX 4000
/* A page's results are decided anew so often when an item has changed meanwhile. */
#define PAGE_TRIES_MAX 5
/* Longest text of Meta's refusal that is kept, in bytes. */
#define REFUSAL_BYTES_MAX 300

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
}

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

/*
 * Writes the outcome of what was on its way into the item. A deletion that Meta refuses is of an
 * item that it does not have. False when out of memory.
 */
static bool outcome_set(Lotcast__V1__ItemRecord *item, const char *refusal, struct arena *arena)
{
    bool removal = jobs__bytes_same(item->sent_hash, jobs__catalog_removal());
    char *text = (char *)"";
    if (refusal != NULL && !removal) {
        text = refusal_text(refusal, arena);
        if (text == NULL)
            return false;
    } else {
        item->synced_hash = removal ? (ProtobufCBinaryData){0} : item->sent_hash;
    }
    item->sent_hash = (ProtobufCBinaryData){0};
    item->meta_error = text;
    return true;
}

/* Stores refusals of some items, by their records as they are now. RPC_ABORTED: read again. */
static enum rpc_code refused_store(struct job_step *step, const struct meta_item_error *rows,
                                   size_t count, struct arena *arena, struct rpc_status *status)
{
    struct rpc_context context = jobs__store_context_in(step, arena);
    struct store_read_op *ops = arena_calloc(arena, count, sizeof *ops);
    struct store_commit commit;
    const struct refusals refusals = {(struct meta_item_error *)rows, count};
    if (ops == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < count; i++)
        ops[i] = services__get(
            &lotcast__v1__item_record__descriptor,
            store_key(store_number(step->job->customer_id), store_number(rows[i].item_id)));
    enum rpc_code code = store_read(step->services->options.store, &context, ops, count, status);
    if (code != RPC_OK)
        return code;
    store_commit_init(&commit, step->services->options.store, &context);
    for (size_t i = 0; i < count; i++) {
        Lotcast__V1__ItemRecord *item = services__row(&ops[i]);
        if (item == NULL || item->sent_hash.len == 0)
            continue;
        if (!outcome_set(item, refusal_of(&refusals, item->item_id), arena))
            return out_of_memory(status);
        (void)store_commit_put_version(&commit, item, services__version(&ops[i]));
    }
    return commit.count == 0 ? RPC_OK : jobs__step_commit(step, &commit, status);
}

enum rpc_code jobs__catalog_refused(struct job_step *step, const struct meta_submission *submission,
                                    struct rpc_status *status)
{
    struct arena arena;
    arena_init(&arena, JOBS_READ_BYTES_MAX);
    enum rpc_code code = RPC_OK;
    for (size_t at = 0; at < submission->error_count && code == RPC_OK; at += CATALOG_PAGE_ROWS) {
        size_t count = submission->error_count - at;
        if (count > CATALOG_PAGE_ROWS)
            count = CATALOG_PAGE_ROWS;
        code = RPC_ABORTED;
        for (int i = 0; i < PAGE_TRIES_MAX && code == RPC_ABORTED; i++) {
            arena_reset(&arena);
            code = refused_store(step, submission->errors + at, count, &arena, status);
        }
    }
    arena_fini(&arena);
    return code;
}

/* --- batches --- */

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
static enum rpc_code batches_ask(struct catalog_run *run, struct refusals *refusals,
                                 bool *ret_finished, struct rpc_status *status)
{
    struct job_step *step = run->step;
    const Lotcast__V1__MetaConnectionRecord *connection = NULL;
    const char *token = NULL;
    enum rpc_code code = jobs__token_open(step, &connection, &token, status);
    for (size_t i = 0; i < *run->handle_count && code == RPC_OK; i++) {
        struct meta_batch_status batch = {0};
        code = meta_items_status(step->services->options.meta, step->context, token,
                                 run->catalog_id, (*run->handles)[i], &batch, status);
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

/* --- outcomes --- */

/* The pass over the inventory. */
struct pass {
    int64_t behind_id;
    struct catalog_outcome outcome;
    bool last;
};

/* Stores the outcomes of a page of items. RPC_ABORTED: an item has changed, read again. */
static enum rpc_code page_store(struct job_step *step, const struct refusals *refusals,
                                struct arena *arena, struct pass *pass, struct rpc_status *status)
{
    struct store_read_op page;
    enum rpc_code code = jobs__catalog_page(step, arena, pass->behind_id, &page, status);
    if (code != RPC_OK)
        return code;
    struct rpc_context context = jobs__store_context_in(step, arena);
    struct store_commit commit;
    store_commit_init(&commit, step->services->options.store, &context);
    struct pass next = *pass;
    next.last = page.ret_cursor.len == 0;
    for (size_t i = 0; i < page.ret_row_count; i++) {
        Lotcast__V1__ItemRecord *item = (Lotcast__V1__ItemRecord *)page.ret_rows[i];
        next.behind_id = item->item_id;
        if (item->sent_hash.len > 0) {
            if (!outcome_set(item, refusal_of(refusals, item->item_id), arena))
                return out_of_memory(status);
            (void)store_commit_put_version(&commit, item, page.ret_versions[i]);
        }
        if (!jobs__item_advertised(item))
            continue;
        next.outcome.advertised++;
        next.outcome.accepted += item->synced_hash.len > 0 && item->meta_error[0] == '\0';
    }
    if (commit.count > 0)
        code = jobs__step_commit(step, &commit, status);
    if (code == RPC_OK)
        *pass = next;
    return code;
}

static enum rpc_code outcomes_store(struct job_step *step, const struct refusals *refusals,
                                    struct catalog_outcome *ret_outcome, struct rpc_status *status)
{
    struct arena arena;
    arena_init(&arena, JOBS_READ_BYTES_MAX);
    struct pass pass = {0};
    enum rpc_code code = RPC_OK;
    while (code == RPC_OK && !pass.last) {
        code = RPC_ABORTED;
        for (int i = 0; i < PAGE_TRIES_MAX && code == RPC_ABORTED; i++) {
            arena_reset(&arena);
            code = page_store(step, refusals, &arena, &pass, status);
        }
    }
    arena_fini(&arena);
    if (code == RPC_OK)
        *ret_outcome = pass.outcome;
    return code;
}

/* Forgets a page of those whose deletion this job has sent and Meta has dealt with. */
static enum rpc_code gone_forget_page(struct job_step *step, struct arena *arena,
                                      int64_t *behind_id, bool *ret_last, struct rpc_status *status)
{
    struct store_read_op page;
    enum rpc_code code = jobs__catalog_gone_page(step, arena, *behind_id, &page, status);
    if (code != RPC_OK)
        return code;
    struct rpc_context context = jobs__store_context_in(step, arena);
    struct store_commit commit;
    store_commit_init(&commit, step->services->options.store, &context);
    for (size_t i = 0; i < page.ret_row_count; i++) {
        const Lotcast__V1__GoneItemRecord *gone =
            (const Lotcast__V1__GoneItemRecord *)page.ret_rows[i];
        *behind_id = gone->item_id;
        if (gone->sent_by_job == step->job->job_id)
            (void)store_commit_delete(
                &commit, &lotcast__v1__gone_item_record__descriptor,
                store_key(store_number(gone->customer_id), store_number(gone->item_id)));
    }
    *ret_last = page.ret_cursor.len == 0;
    return commit.count == 0 ? RPC_OK : jobs__step_commit(step, &commit, status);
}

static enum rpc_code gone_forget(struct job_step *step, struct rpc_status *status)
{
    struct arena arena;
    arena_init(&arena, JOBS_READ_BYTES_MAX);
    enum rpc_code code = RPC_OK;
    int64_t behind_id = 0;
    for (bool last = false; !last && code == RPC_OK;) {
        arena_reset(&arena);
        code = gone_forget_page(step, &arena, &behind_id, &last, status);
    }
    arena_fini(&arena);
    return code;
}

enum rpc_code jobs__catalog_settle(struct catalog_run *run, struct catalog_outcome *ret_outcome,
                                   struct rpc_status *status)
{
    struct refusals refusals = {0};
    struct catalog_outcome outcome = {0};
    bool finished = false;
    enum rpc_code code = batches_ask(run, &refusals, &finished, status);
    if (code == RPC_OK && finished)
        code = outcomes_store(run->step, &refusals, &outcome, status);
    if (code == RPC_OK && finished)
        code = gone_forget(run->step, status);
    if (code != RPC_OK)
        return code;
    outcome.finished = finished;
    if (finished)
        *run->handle_count = 0;
    *ret_outcome = outcome;
    return RPC_OK;
}

int64_t jobs__catalog_poll_ms(int32_t attempt)
{
    int64_t delay = POLL_MS_MIN;
    for (int32_t i = 1; i < attempt && delay < POLL_MS_MAX; i++)
        delay *= 2;
    return delay < POLL_MS_MAX ? delay : POLL_MS_MAX;
}
