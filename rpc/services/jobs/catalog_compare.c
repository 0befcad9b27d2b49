/*
 * What the catalog really holds, held against what we believe it does: "synced" must not mean a
 * catalog that is empty, nor one that still advertises what was sold.
 *
 * Only ids that we have ever given out are looked at: what somebody has put into the catalog by
 * hand is theirs.
 */
#include "rpc/services/jobs/catalog.h"

#include <stdio.h>

/* A page is decided anew so often when an item has changed meanwhile. */
#define PAGE_TRIES_MAX 5

/* The comparison; both lists ascend by id. */
struct comparison {
    struct job_step *step;
    const int64_t *listed; /* what the catalog holds */
    size_t listed_count, listed_at;
    int64_t last_item_id; /* given out so far */
    int64_t behind_id;
    bool last, differs;
};

/* What an item's place in the catalog should have been, put right. Whether that changed it. */
static bool item_correct(Lotcast__V1__ItemRecord *item, bool listed)
{
    if (item->sent_hash.len > 0 || (item->synced_hash.len > 0) == listed)
        return false;
    if (listed && jobs__item_advertised(item))
        return false; /* it is to be sent anyway, or was refused with an older version in place */
    /* Not advertised and yet there: believed to be there, it is removed. */
    item->synced_hash = listed ? jobs__catalog_removal() : (ProtobufCBinaryData){0};
    return true;
}

/* A listed id that no item has. */
static void stray_add(struct comparison *comparison, struct store_commit *commit, int64_t item_id)
{
    if (item_id > comparison->last_item_id)
        return;
    Lotcast__V1__GoneItemRecord gone = LOTCAST__V1__GONE_ITEM_RECORD__INIT;
    gone.customer_id = comparison->step->job->customer_id;
    gone.item_id = item_id;
    (void)store_commit_put(commit, &gone);
    comparison->differs = true;
}

/* Strays up to an id, and whether that id itself is listed. */
static bool listed_advance(struct comparison *comparison, struct store_commit *commit,
                           int64_t item_id)
{
    for (; comparison->listed_at < comparison->listed_count; comparison->listed_at++) {
        int64_t listed = comparison->listed[comparison->listed_at];
        if (listed > item_id)
            break;
        if (listed == item_id) {
            comparison->listed_at++;
            return true;
        }
        stray_add(comparison, commit, listed);
    }
    return false;
}

static enum rpc_code page_compare(struct comparison *comparison, struct arena *arena,
                                  struct rpc_status *status)
{
    struct job_step *step = comparison->step;
    struct store_read_op page;
    enum rpc_code code = jobs__catalog_page(step, arena, comparison->behind_id, &page, status);
    if (code != RPC_OK)
        return code;
    struct rpc_context context = jobs__store_context_in(step, arena);
    struct store_commit commit;
    store_commit_init(&commit, step->services->options.store, &context);
    struct comparison next = *comparison;
    next.last = page.ret_cursor.len == 0;
    for (size_t i = 0; i < page.ret_row_count; i++) {
        Lotcast__V1__ItemRecord *item = (Lotcast__V1__ItemRecord *)page.ret_rows[i];
        next.behind_id = item->item_id;
        if (!item_correct(item, listed_advance(&next, &commit, item->item_id)))
            continue;
        (void)store_commit_put_version(&commit, item, page.ret_versions[i]);
        next.differs = true;
    }
    if (next.last)
        (void)listed_advance(&next, &commit, INT64_MAX);
    if (commit.count > 0)
        code = jobs__step_commit(step, &commit, status);
    if (code == RPC_OK)
        *comparison = next;
    return code;
}

/* The newest number that was given to an item of the customer's. */
static enum rpc_code last_item_read(struct comparison *comparison, struct rpc_status *status)
{
    struct job_step *step = comparison->step;
    struct rpc_context context = jobs__store_context(step);
    char counter[32];
    (void)snprintf(counter, sizeof counter, "item:%lld", (long long)step->job->customer_id);
    struct store_read_op op = {.counter = counter};
    enum rpc_code code = store_read(step->services->options.store, &context, &op, 1, status);
    if (code == RPC_OK)
        comparison->last_item_id = op.ret_count;
    return code;
}

enum rpc_code jobs__catalog_compare(struct catalog_run *run, bool *ret_differs,
                                    struct rpc_status *status)
{
    struct job_step *step = run->step;
    struct comparison comparison = {.step = step};
    const Lotcast__V1__MetaConnectionRecord *connection = NULL;
    const char *token = NULL;
    int64_t *listed = NULL;
    enum rpc_code code = jobs__token_open(step, &connection, &token, status);
    if (code == RPC_OK)
        code = meta_items_list(step->services->options.meta, step->context, token, run->catalog_id,
                               &listed, &comparison.listed_count, status);
    if (code == RPC_OK)
        code = last_item_read(&comparison, status);
    if (code != RPC_OK)
        return code;
    comparison.listed = listed;
    struct arena arena;
    arena_init(&arena, JOBS_READ_BYTES_MAX);
    while (code == RPC_OK && !comparison.last) {
        code = RPC_ABORTED;
        for (int i = 0; i < PAGE_TRIES_MAX && code == RPC_ABORTED; i++) {
            arena_reset(&arena);
            code = page_compare(&comparison, &arena, status);
        }
    }
    arena_fini(&arena);
    if (code == RPC_OK)
        *ret_differs = comparison.differs;
    return code;
}
