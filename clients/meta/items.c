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

/* --- submit --- */

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

struct submission {
    const char **handles;
    size_t count;
    size_t room;
};

static bool add_handle(struct submission *submission, const char *handle, struct arena *arena)
{
    if (submission->count == submission->room) {
        size_t room = submission->room == 0 ? 8 : submission->room * 2;
        const char **handles = arena_calloc(arena, room, sizeof *handles);
        if (handles == NULL)
            return false;
        if (submission->count > 0)
            memcpy(handles, submission->handles, submission->count * sizeof *handles);
        submission->handles = handles;
        submission->room = room;
    }
    submission->handles[submission->count++] = handle;
    return true;
}

/* Sends one batch. `ret_reduce`: it is too large, for Meta or for us. */
static enum rpc_code submit_batch(struct meta_client *client, struct rpc_context *context,
                                  const char *token, const char *path,
                                  Lotcast__V1__ItemRecord *const *items, size_t count,
                                  const struct json_tree **ret_answer, bool *ret_reduce,
                                  struct rpc_status *status)
{
    struct buffer json;
    buffer_init(&json, REQUESTS_BYTES_MAX);
    (void)buffer_append_byte(&json, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            (void)buffer_append_byte(&json, ',');
        append_item(&json, items[i], context->arena);
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

static enum rpc_code take_handles(const struct json_tree *answer, struct submission *submission,
                                  struct arena *arena, struct rpc_status *status)
{
    const struct json_tree *handles = json_tree_get(answer, "handles");
    if (handles == NULL || handles->kind != JSON_TREE_ARRAY)
        return meta__fail_answer(status);
    if (handles->count == 0)
        return meta__fail(RPC_INVALID_ARGUMENT, status); /* Meta took nothing of it */
    for (const struct json_tree *at = handles->first; at != NULL; at = at->next) {
        const char *handle = json_tree_text(at);
        if (handle == NULL || handle[0] == '\0')
            return meta__fail_answer(status);
        if (!add_handle(submission, handle, arena))
            return meta__fail_memory(status);
    }
    return RPC_OK;
}

enum rpc_code meta_items_submit(struct meta_client *client, struct rpc_context *context,
                                const char *token, const char *catalog_id,
                                Lotcast__V1__ItemRecord *const *items, size_t count,
                                const char ***ret_handles, size_t *ret_handle_count,
                                struct rpc_status *status)
{
    struct submission submission = {0};
    const char *path = meta__path(context->arena, catalog_id, "items_batch");
    size_t size = META_BATCH_ITEMS_MAX;
    size_t at = 0;
    while (at < count) {
        size_t part = count - at < size ? count - at : size;
        const struct json_tree *answer = NULL;
        bool reduce = false;
        enum rpc_code code =
            submit_batch(client, context, token, path, items + at, part, &answer, &reduce, status);
        if (code != RPC_OK && reduce && part > 1) {
            size = part / 2;
            continue;
        }
        if (code == RPC_OK)
            code = take_handles(answer, &submission, context->arena, status);
        if (code != RPC_OK)
            return code;
        at += part;
    }
    *ret_handles = submission.handles;
    *ret_handle_count = submission.count;
    return RPC_OK;
}

/* --- status --- */

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
    qsort(errors, count, sizeof *errors, compare_errors);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || errors[kept - 1].item_id != errors[i].item_id)
            errors[kept++] = errors[i];
        else if (errors[kept - 1].message[0] == '\0')
            errors[kept - 1] = errors[i];
    }
    return kept;
}

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
