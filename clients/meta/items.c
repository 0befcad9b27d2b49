/*
 * Items of a catalog, in batches.
 *
 * All of them go as PRODUCT_ITEM. A VEHICLE is refused without an address, which no item has, and a
 * vehicle without its required fields is to go as a product; so the catalog is a commerce one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "clients/meta/internal.h"
#include "rpc/base/utf8.h"

/* Meta's limits, in characters. */
#define TITLE_CHARACTERS_MAX 150
#define DESCRIPTION_CHARACTERS_MAX 5000
/* JSON of a batch at most, in bytes: Meta's 30 MB, with room for what surrounds it. */
#define REQUESTS_BYTES_MAX ((size_t)28 * 1024 * 1024)
/* Products of one page of a catalog's list. */
#define PRODUCTS_PAGE_ROWS "500"

/* --- errors of items --- */

static int compare_errors(const void *left, const void *right)
{
    const struct meta_item_error *a = left;
    const struct meta_item_error *b = right;
    return a->item_id < b->item_id ? -1 : a->item_id > b->item_id;
}

/* Our ids are decimal; a row about anything else is not about an item of ours. */
static bool row_id(const struct json_tree *value, int64_t *ret_id)
{
    return json_tree_integer(value, ret_id) && *ret_id > 0;
}

/* Keeps one error an item: the first, which has a text if any has. */
static size_t unique_errors(struct meta_item_error *errors, size_t count)
{
    size_t kept = 0;
    if (count > 0)
        qsort(errors, count, sizeof *errors, compare_errors);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || errors[kept - 1].item_id != errors[i].item_id)
            errors[kept++] = errors[i];
        else if (errors[kept - 1].message[0] == '\0')
            errors[kept - 1] = errors[i];
    }
    return kept;
}

/* --- send --- */

/* The text cut at `max` characters. NULL on exhaustion. */
static const char *cut(const char *text, size_t max, struct arena *arena)
{
    size_t len = strlen(text);
    size_t at = 0;
    for (size_t i = 0; i < max && at < len; i++) {
        size_t step = utf8_sequence_length(text + at, len - at);
        at += step == 0 ? 1 : step;
    }
    return at == len ? text : arena_strndup(arena, text, at);
}

static void append_member(struct buffer *json, const char *key, const char *value)
{
    (void)buffer_printf(json, ",\"%s\":", key);
    json_tree_print_string(value, json);
}

static const char *condition_of(const Lotcast__V1__ItemRecord *item)
{
    if (item->condition == LOTCAST__V1__ITEM_CONDITION__ITEM_CONDITION_NEW)
        return "new";
    if (item->condition == LOTCAST__V1__ITEM_CONDITION__ITEM_CONDITION_USED)
        return "used";
    if (item->condition == LOTCAST__V1__ITEM_CONDITION__ITEM_CONDITION_REFURBISHED)
        return "refurbished";
    return item->kind == LOTCAST__V1__ITEM_KIND__ITEM_KIND_VEHICLE ? "used" : "new";
}

/* One element of `requests`. What the item lacks is left out: Meta then refuses it by itself. */
static void append_item(struct buffer *json, const Lotcast__V1__ItemRecord *item,
                        struct arena *arena)
{
    const char *title = cut(item->title, TITLE_CHARACTERS_MAX, arena);
    const char *description = item->description[0] == '\0' ? item->title : item->description;
    description = cut(description, DESCRIPTION_CHARACTERS_MAX, arena);
    if (title == NULL || description == NULL) {
        json->failed = true;
        return;
    }
    (void)buffer_printf(json, "{\"method\":\"UPDATE\",\"data\":{\"id\":\"%" PRId64 "\"",
                        item->item_id);
    append_member(json, "title", title);
    append_member(json, "description", description);
    append_member(json, "link", item->url);
    if (item->image_url[0] != '\0') {
        (void)buffer_append_string(json, ",\"image\":[{\"url\":");
        json_tree_print_string(item->image_url, json);
        (void)buffer_append_string(json, "}]");
    }
    if (item->price_minor >= 0)
        (void)buffer_printf(json, ",\"price\":\"%" PRId64 ".%02d %s\"", item->price_minor / 100,
                            (int)(item->price_minor % 100), item->currency);
    append_member(json, "availability", item->in_stock ? "in stock" : "out of stock");
    append_member(json, "condition", condition_of(item));
    if (item->brand[0] != '\0')
        append_member(json, "brand", item->brand);
    (void)buffer_append_string(json, "}}");
}

static void append_change(struct buffer *json, const struct meta_item_change *change,
                          struct arena *arena)
{
    if (change->item != NULL)
        append_item(json, change->item, arena);
    else
        (void)buffer_printf(json, "{\"method\":\"DELETE\",\"data\":{\"id\":\"%" PRId64 "\"}}",
                            change->item_id);
}

/* Sends one batch. `ret_reduce`: it is too large, for Meta or for us. */
static enum rpc_code send_batch(struct meta_client *client, struct rpc_context *context,
                                const char *token, const char *path,
                                const struct meta_item_change *changes, size_t count,
                                const struct json_tree **ret_answer, bool *ret_reduce,
                                struct rpc_status *status)
{
    struct buffer json;
    buffer_init(&json, REQUESTS_BYTES_MAX);
    (void)buffer_append_byte(&json, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            (void)buffer_append_byte(&json, ',');
        append_change(&json, &changes[i], context->arena);
    }
    (void)buffer_append_byte(&json, ']');
    const char *text = buffer_cstring(&json);
    if (text == NULL || json.failed) {
        buffer_fini(&json);
        *ret_reduce = true;
        return meta__fail_memory(status);
    }
    struct meta__request request;
    /* The same items sent twice are the same catalog. */
    meta__request_init(&request, HTTP_POST, META_REPEATABLE, path, token);
    meta__param(&request, "item_type", "PRODUCT_ITEM");
    meta__param(&request, "allow_upsert", "true");
    meta__param(&request, "requests", text);
    buffer_fini(&json);
    return meta__call(client, context, &request, ret_answer, ret_reduce, status);
}

/* A call under way. */
struct sending {
    struct arena *arena;
    struct meta_item_change *changes; /* a copy: what was refused is taken out to send the rest */
    size_t count;
    const char **handles;
    size_t handle_count, handle_room;
    struct meta_item_error *errors;
    size_t error_count, error_room;
    bool failed; /* out of memory */
};

/* Room for `count` more elements of `size` bytes; NULL on exhaustion. */
static void *grow(struct arena *arena, void *old, size_t used, size_t count, size_t size,
                  size_t *room)
{
    if (used + count <= *room)
        return old;
    size_t wanted = (used + count) * 2;
    void *rows = arena_calloc(arena, wanted, size);
    if (rows == NULL)
        return NULL;
    if (used > 0)
        memcpy(rows, old, used * size);
    *room = wanted;
    return rows;
}

static enum rpc_code take_handles(struct sending *sending, const struct json_tree *answer,
                                  struct rpc_status *status)
{
    const struct json_tree *handles = json_tree_get(answer, "handles");
    if (handles == NULL || handles->kind != JSON_TREE_ARRAY)
        return meta__fail_answer(status);
    const char **rows = grow(sending->arena, sending->handles, sending->handle_count,
                             handles->count, sizeof *rows, &sending->handle_room);
    if (rows == NULL && handles->count > 0)
        return meta__fail_memory(status);
    sending->handles = rows;
    for (const struct json_tree *at = handles->first; at != NULL; at = at->next) {
        const char *handle = json_tree_text(at);
        if (handle == NULL || handle[0] == '\0')
            return meta__fail_answer(status);
        sending->handles[sending->handle_count++] = handle;
    }
    return RPC_OK;
}

/* Notes what validation_status refuses. Rows that only warn refuse nothing. */
static enum rpc_code take_refusals(struct sending *sending, const struct json_tree *answer,
                                   struct rpc_status *status)
{
    const struct json_tree *rows = json_tree_get(answer, "validation_status");
    if (rows == NULL || rows->count == 0)
        return RPC_OK;
    struct meta_item_error *errors = grow(sending->arena, sending->errors, sending->error_count,
                                          rows->count, sizeof *errors, &sending->error_room);
    if (errors == NULL)
        return meta__fail_memory(status);
    sending->errors = errors;
    for (const struct json_tree *at = rows->first; at != NULL; at = at->next) {
        const struct json_tree *reasons = json_tree_get(at, "errors");
        struct meta_item_error *error = &errors[sending->error_count];
        if (reasons == NULL || reasons->kind != JSON_TREE_ARRAY || reasons->first == NULL ||
            !row_id(json_tree_get(at, "retailer_id"), &error->item_id))
            continue;
        const char *message = json_tree_get_text(reasons->first, "message");
        error->message = message == NULL ? "" : message;
        sending->error_count++;
    }
    return RPC_OK;
}

/* Takes the refused out of the batch at `at`. Whether there were any. */
static bool drop_refused(struct sending *sending, size_t first_error, size_t at, size_t part)
{
    struct meta_item_error *errors = sending->errors + first_error;
    size_t count = sending->error_count - first_error;
    size_t kept = at;
    if (count == 0)
        return false;
    qsort(errors, count, sizeof *errors, compare_errors);
    for (size_t i = at; i < sending->count; i++) {
        const struct meta_item_error key = {.item_id = sending->changes[i].item_id};
        if (i < at + part && bsearch(&key, errors, count, sizeof *errors, compare_errors) != NULL)
            continue;
        sending->changes[kept++] = sending->changes[i];
    }
    bool dropped = kept < sending->count;
    sending->count = kept;
    return dropped;
}

static enum rpc_code send_all(struct meta_client *client, struct rpc_context *context,
                              const char *token, const char *path, struct sending *sending,
                              struct rpc_status *status)
{
    size_t size = META_BATCH_ITEMS_MAX;
    size_t at = 0;
    while (at < sending->count) {
        size_t part = sending->count - at < size ? sending->count - at : size;
        size_t handles = sending->handle_count;
        size_t errors = sending->error_count;
        const struct json_tree *answer = NULL;
        bool reduce = false;
        enum rpc_code code = send_batch(client, context, token, path, sending->changes + at, part,
                                        &answer, &reduce, status);
        if (code != RPC_OK && reduce && part > 1) {
            size = part / 2;
            continue;
        }
        if (code == RPC_OK)
            code = take_handles(sending, answer, status);
        if (code == RPC_OK)
            code = take_refusals(sending, answer, status);
        if (code != RPC_OK)
            return code;
        if (sending->handle_count > handles)
            at += part;
        else if (!drop_refused(sending, errors, at, part))
            return meta__fail(RPC_INVALID_ARGUMENT, status); /* Meta took nothing of it */
    }
    return RPC_OK;
}

enum rpc_code meta_items_send(struct meta_client *client, struct rpc_context *context,
                              const char *token, const char *catalog_id,
                              const struct meta_item_change *changes, size_t count,
                              struct meta_submission *ret_submission, struct rpc_status *status)
{
    struct sending sending = {.arena = context->arena, .count = count};
    const char *path = meta__path(context->arena, catalog_id, "items_batch");
    sending.changes = arena_calloc(context->arena, count, sizeof *sending.changes);
    if (sending.changes == NULL)
        return meta__fail_memory(status);
    if (count > 0)
        memcpy(sending.changes, changes, count * sizeof *changes);
    enum rpc_code code = send_all(client, context, token, path, &sending, status);
    if (code != RPC_OK)
        return code;
    *ret_submission = (struct meta_submission){
        .handles = sending.handles,
        .handle_count = sending.handle_count,
        .errors = sending.errors,
        .error_count = unique_errors(sending.errors, sending.error_count),
    };
    return RPC_OK;
}

/* --- list --- */

struct listing {
    struct arena *arena;
    int64_t *ids;
    size_t count, room;
    bool failed; /* out of memory */
};

static bool list_row(void *listing_, const struct json_tree *row)
{
    struct listing *listing = listing_;
    int64_t *ids =
        grow(listing->arena, listing->ids, listing->count, 1, sizeof *ids, &listing->room);
    if (ids == NULL) {
        listing->failed = true;
        return false;
    }
    listing->ids = ids;
    /* Others are not ours: somebody may have put them there by hand. */
    listing->count += row_id(json_tree_get(row, "retailer_id"), &ids[listing->count]);
    return true;
}

static int compare_ids(const void *a_, const void *b_)
{
    int64_t a = *(const int64_t *)a_;
    int64_t b = *(const int64_t *)b_;
    return a < b ? -1 : a > b;
}

enum rpc_code meta_items_list(struct meta_client *client, struct rpc_context *context,
                              const char *token, const char *catalog_id, int64_t **ret_item_ids,
                              size_t *ret_count, struct rpc_status *status)
{
    struct listing listing = {.arena = context->arena};
    struct meta__pair params[] = {{"fields", "retailer_id"}, {"limit", PRODUCTS_PAGE_ROWS}};
    const char *path = meta__path(context->arena, catalog_id, "products");
    enum rpc_code code =
        meta__list(client, context, token, path, params, 2, list_row, &listing, status);
    if (code == RPC_OK && listing.failed)
        code = meta__fail_memory(status);
    if (code != RPC_OK)
        return code;
    if (listing.count > 0)
        qsort(listing.ids, listing.count, sizeof *listing.ids, compare_ids);
    *ret_item_ids = listing.ids;
    *ret_count = listing.count;
    return RPC_OK;
}

/* --- status --- */

/* Errors with their texts, and ids of requests that were refused before they were tried. */
static bool read_errors(const struct json_tree *row, struct arena *arena,
                        struct meta_batch_status *batch)
{
    const struct json_tree *errors = json_tree_get(row, "errors");
    const struct json_tree *ids = json_tree_get(row, "ids_of_invalid_requests");
    size_t room = (errors == NULL ? 0 : errors->count) + (ids == NULL ? 0 : ids->count);
    if (room == 0)
        return true;
    struct meta_item_error *list = arena_calloc(arena, room, sizeof *list);
    if (list == NULL)
        return false;
    size_t count = 0;
    for (const struct json_tree *at = errors == NULL ? NULL : errors->first; at != NULL;
         at = at->next) {
        const char *message = json_tree_get_text(at, "message");
        if (row_id(json_tree_get(at, "id"), &list[count].item_id))
            list[count++].message = message == NULL ? "" : message;
    }
    for (const struct json_tree *at = ids == NULL ? NULL : ids->first; at != NULL; at = at->next)
        if (row_id(at, &list[count].item_id))
            list[count++].message = "";
    batch->errors = list;
    batch->error_count = unique_errors(list, count);
    return true;
}

enum rpc_code meta_items_status(struct meta_client *client, struct rpc_context *context,
                                const char *token, const char *catalog_id, const char *handle,
                                struct meta_batch_status *ret_batch, struct rpc_status *status)
{
    const char *path = meta__path(context->arena, catalog_id, "check_batch_request_status");
    struct meta__request request;
    meta__request_init(&request, HTTP_GET, META_REPEATABLE, path, token);
    meta__param(&request, "handle", handle);
    meta__param(&request, "load_ids_of_invalid_requests", "true");
    const struct json_tree *answer = NULL;
    enum rpc_code code = meta__call(client, context, &request, &answer, NULL, status);
    if (code != RPC_OK)
        return code;
    const struct json_tree *data = json_tree_get(answer, "data");
    const struct json_tree *row = data == NULL ? NULL : data->first;
    const char *state = json_tree_get_text(row, "status");
    if (state == NULL)
        return meta__fail_answer(status);
    struct meta_batch_status batch = {0};
    batch.failed = strcasecmp(state, "error") == 0 || strcasecmp(state, "canceled") == 0;
    batch.finished = batch.failed || strcasecmp(state, "finished") == 0;
    if (batch.finished && !read_errors(row, context->arena, &batch))
        return meta__fail_memory(status);
    *ret_batch = batch;
    return RPC_OK;
}
