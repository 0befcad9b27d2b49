#include "store/query.h"

#include "store/range.h"

/* Rows between two looks at the context. */
#define STEPS_PER_LOOK 256

/* --- rows --- */

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
}

/* Rows of one result, growing in the arena. */
struct rows {
    Lotcast__V1__Row **rows;
    size_t count, capacity;
};

static bool grow_rows(struct arena *arena, struct rows *rows)
{
    if (rows->count < rows->capacity)
        return true;
    size_t capacity = rows->capacity == 0 ? 4 : rows->capacity * 2;
    Lotcast__V1__Row **grown = arena_calloc(arena, capacity, sizeof *grown);
    if (grown == NULL)
        return false;
    if (rows->count > 0)
        memcpy(grown, rows->rows, rows->count * sizeof *grown);
    rows->rows = grown;
    rows->capacity = capacity;
    return true;
}

/* The one copy: from the map into the answer. */
static enum rpc_code add_row(struct store_reader *reader, struct rows *rows, struct span packed,
                             uint64_t version, struct rpc_status *status)
{
    struct arena *arena = reader->context->arena;
    Lotcast__V1__Row *row = arena_alloc(arena, sizeof *row);
    uint8_t *copy = arena_alloc(arena, packed.len);
    if (row == NULL || copy == NULL || !grow_rows(arena, rows))
        return out_of_memory(status);
    if (packed.len > 0)
        memcpy(copy, packed.data, packed.len);
    lotcast__v1__row__init(row);
    row->value = (ProtobufCBinaryData){packed.len, copy};
    row->version = version;
    rows->rows[rows->count++] = row;
    reader->answer_bytes += packed.len + STORE_ROW_BYTES;
    return RPC_OK;
}

/* Whether a row more keeps the answer in its limit. One row always fits into an empty answer. */
static bool has_room(const struct store_reader *reader, struct span packed)
{
    return reader->answer_bytes == 0 ||
           reader->answer_bytes + packed.len + STORE_ROW_BYTES <= STORE_ANSWER_BYTES_MAX;
}

/* --- gets --- */

static enum rpc_code get_record(struct store_reader *reader, struct span key,
                                struct span *ret_packed, uint64_t *ret_version,
                                struct rpc_status *status)
{
    struct span stored;
    enum rpc_code code = reader->engine->ops->get(reader->txn, key, &stored, status);
    if (code != RPC_OK)
        return code;
    return store__record_open(key, stored, ret_packed, ret_version, status);
}

/* The record that an index's entry stands for. */
static enum rpc_code get_of_entry(struct store_reader *reader, const struct store_table *table,
                                  const struct store_index *index, struct span key,
                                  struct span value, struct span *ret_packed, uint64_t *ret_version,
                                  struct rpc_status *status)
{
    if (index->id == 0)
        return store__record_open(key, value, ret_packed, ret_version, status);
    struct span primary = store__entry_primary(table, index, key, value);
    struct store_key_buffer record_key;
    store__key_begin(&record_key, table->id, 0);
    store__key_append_raw(&record_key, primary);
    enum rpc_code code = RPC_NOT_FOUND;
    if (primary.len > 0 && !record_key.failed)
        code = get_record(reader, store__key_span(&record_key), ret_packed, ret_version, status);
    if (code == RPC_NOT_FOUND)
        return rpc_status_set(status, RPC_DATA_LOSS, "a record of %s and its index %s differ",
                              table->name, index->name);
    return code;
}

enum rpc_code store__get_run(struct store_reader *reader, const struct store_get *get,
                             Lotcast__V1__ReadResult *result, struct rpc_status *status)
{
    struct span value;
    struct span packed;
    uint64_t version;
    enum rpc_code code = reader->engine->ops->get(reader->txn, get->key, &value, status);
    if (code == RPC_NOT_FOUND)
        return RPC_OK; /* no row */
    if (code == RPC_OK)
        code = get_of_entry(reader, get->table, get->index, get->key, value, &packed, &version,
                            status);
    if (code != RPC_OK)
        return code;
    if (reader->answer_bytes + packed.len + STORE_ROW_BYTES > STORE_ANSWER_BYTES_HARD_MAX)
        return out_of_memory(status);
    struct rows rows = {0};
    code = add_row(reader, &rows, packed, version, status);
    result->rows = rows.rows;
    result->n_rows = rows.count;
    return code;
}

enum rpc_code store__counter_run(struct store_reader *reader, struct span key,
                                 Lotcast__V1__ReadResult *result, struct rpc_status *status)
{
    struct span packed;
    uint64_t version;
    enum rpc_code code = get_record(reader, key, &packed, &version, status);
    if (code == RPC_NOT_FOUND)
        return RPC_OK; /* it begins at 0 */
    if (code != RPC_OK)
        return code;
    return store__counter_unpack(packed, &result->count, status);
}

/* --- walking a range --- */

struct walk {
    struct store_reader *reader;
    const struct store_range *range;
    struct store_cursor *cursor;
    bool is_under_way;
};

static enum rpc_code look_at_context(struct store_reader *reader, struct rpc_status *status)
{
    if (++reader->steps % STEPS_PER_LOOK != 0 || !rpc_context_stopped(reader->context))
        return RPC_OK;
    if (rpc_context_left_ms(reader->context) == 0)
        return rpc_status_set(status, RPC_DEADLINE_EXCEEDED, "the deadline passed while reading");
    return rpc_status_set(status, RPC_CANCELLED, "the caller has gone");
}

/* To the last key below the range's end. */
static enum rpc_code first_in_reverse(struct walk *walk, struct span *ret_key,
                                      struct span *ret_value, struct rpc_status *status)
{
    const struct store_engine_ops *ops = walk->reader->engine->ops;
    enum rpc_code code =
        ops->cursor_at_or_after(walk->cursor, walk->range->end, ret_key, ret_value, status);
    if (code == RPC_NOT_FOUND)
        return ops->cursor_last(walk->cursor, ret_key, ret_value, status);
    if (code != RPC_OK)
        return code;
    return ops->cursor_previous(walk->cursor, ret_key, ret_value, status);
}

static enum rpc_code move(struct walk *walk, struct span *ret_key, struct span *ret_value,
                          struct rpc_status *status)
{
    const struct store_engine_ops *ops = walk->reader->engine->ops;
    bool is_first = !walk->is_under_way;
    walk->is_under_way = true;
    if (walk->range->reverse)
        return is_first ? first_in_reverse(walk, ret_key, ret_value, status)
                        : ops->cursor_previous(walk->cursor, ret_key, ret_value, status);
    return is_first ? ops->cursor_at_or_after(walk->cursor, walk->range->begin, ret_key, ret_value,
                                              status)
                    : ops->cursor_next(walk->cursor, ret_key, ret_value, status);
}

/* The next entry of the range; RPC_NOT_FOUND behind the last. */
static enum rpc_code walk_next(struct walk *walk, struct span *ret_key, struct span *ret_value,
                               struct rpc_status *status)
{
    enum rpc_code code = look_at_context(walk->reader, status);
    if (code == RPC_OK)
        code = move(walk, ret_key, ret_value, status);
    if (code != RPC_OK)
        return code;
    bool is_inside = store__span_compare(*ret_key, walk->range->begin) >= 0 &&
                     store__span_compare(*ret_key, walk->range->end) < 0;
    return is_inside ? RPC_OK : RPC_NOT_FOUND;
}

static enum rpc_code walk_open(struct walk *walk, struct store_reader *reader,
                               const struct store_range *range, struct rpc_status *status)
{
    *walk = (struct walk){.reader = reader, .range = range};
    return reader->engine->ops->cursor_open(reader->txn, &walk->cursor, status);
}

static void walk_close(struct walk *walk)
{
    walk->reader->engine->ops->cursor_close(walk->cursor);
}

/* Where to go on behind `last`; or where this began, if no row was answered. */
static enum rpc_code make_cursor(const struct store_reader *reader, const struct store_range *range,
                                 const struct store_key_buffer *last, size_t row_count,
                                 ProtobufCBinaryData *ret_cursor, struct rpc_status *status)
{
    if (row_count == 0 && range->cursor.len > 0) {
        *ret_cursor = (ProtobufCBinaryData){range->cursor.len, (uint8_t *)range->cursor.data};
        return RPC_OK; /* the request lives as long as the answer: the call's arena */
    }
    size_t key_len = row_count == 0 ? 0 : last->len;
    uint8_t *bytes = arena_alloc(reader->context->arena, 1 + key_len);
    if (bytes == NULL)
        return out_of_memory(status);
    bytes[0] = row_count == 0 ? STORE_CURSOR_START : STORE_CURSOR_BEHIND;
    if (key_len > 0)
        memcpy(bytes + 1, last->data, key_len);
    *ret_cursor = (ProtobufCBinaryData){1 + key_len, bytes};
    return RPC_OK;
}

static void remember(struct store_key_buffer *last, struct span key)
{
    last->len = 0;
    last->failed = false;
    store__key_append_raw(last, key);
}

/* --- ranges --- */

static enum rpc_code count_range(struct walk *walk, int64_t *ret_count, struct rpc_status *status)
{
    struct span key;
    struct span value;
    int64_t count = 0;
    for (;;) {
        enum rpc_code code = walk_next(walk, &key, &value, status);
        if (code == RPC_NOT_FOUND)
            break;
        if (code != RPC_OK)
            return code;
        count++;
    }
    *ret_count = count;
    return RPC_OK;
}

/* Fills rows until the limit, the answer's size or the range's end; `last` is the last row's key.
 */
static enum rpc_code fill_rows(struct walk *walk, struct rows *rows, struct store_key_buffer *last,
                               bool *ret_more, struct rpc_status *status)
{
    const struct store_range *range = walk->range;
    for (;;) {
        struct span key;
        struct span value;
        struct span packed;
        uint64_t version;
        enum rpc_code code = walk_next(walk, &key, &value, status);
        *ret_more = code == RPC_OK;
        if (code == RPC_NOT_FOUND || (range->limit > 0 && rows->count == range->limit))
            return RPC_OK;
        if (code == RPC_OK)
            code = get_of_entry(walk->reader, range->table, range->index, key, value, &packed,
                                &version, status);
        if (code != RPC_OK)
            return code;
        if (!has_room(walk->reader, packed))
            return RPC_OK;
        code = add_row(walk->reader, rows, packed, version, status);
        if (code != RPC_OK)
            return code;
        remember(last, key);
    }
}

enum rpc_code store__range_run(struct store_reader *reader, const struct store_range *range,
                               Lotcast__V1__ReadResult *result, struct rpc_status *status)
{
    struct walk walk;
    enum rpc_code code = walk_open(&walk, reader, range, status);
    if (code != RPC_OK)
        return code;
    struct rows rows = {0};
    struct store_key_buffer last = {.len = 0};
    bool more = false;
    if (range->count_only)
        code = count_range(&walk, &result->count, status);
    else
        code = fill_rows(&walk, &rows, &last, &more, status);
    walk_close(&walk);
    if (code == RPC_OK && more)
        code = make_cursor(reader, range, &last, rows.count, &result->cursor, status);
    result->rows = rows.rows;
    result->n_rows = rows.count;
    return code;
}

/* --- queries --- */

static bool compare_holds(Lotcast__V1__Comparison comparison, int order)
{
    switch (comparison) {
    case LOTCAST__V1__COMPARISON__COMPARISON_EQUAL:
        return order == 0;
    case LOTCAST__V1__COMPARISON__COMPARISON_NOT_EQUAL:
        return order != 0;
    case LOTCAST__V1__COMPARISON__COMPARISON_LESS:
        return order < 0;
    case LOTCAST__V1__COMPARISON__COMPARISON_LESS_OR_EQUAL:
        return order <= 0;
    case LOTCAST__V1__COMPARISON__COMPARISON_GREATER:
        return order > 0;
    case LOTCAST__V1__COMPARISON__COMPARISON_GREATER_OR_EQUAL:
        return order >= 0;
    case LOTCAST__V1__COMPARISON__COMPARISON_UNSPECIFIED:
    case _LOTCAST__V1__COMPARISON_IS_INT_SIZE:
    default:
        return false;
    }
}

static enum rpc_code passes(const struct store_query *query, struct span packed, bool *ret_passes,
                            struct rpc_status *status)
{
    struct store_value values[STORE_WIRE_FIELDS_MAX];
    *ret_passes = true;
    if (query->filter_count == 0)
        return RPC_OK;
    if (!store__wire_extract(packed, query->fields, query->filter_count, values))
        return rpc_status_set(status, RPC_DATA_LOSS, "a stored record of %s is broken",
                              query->range.table->name);
    for (size_t i = 0; i < query->filter_count && *ret_passes; i++)
        *ret_passes = compare_holds(query->filters[i].comparison,
                                    store__value_compare(&values[i], &query->filters[i].value));
    return RPC_OK;
}

struct page {
    struct rows rows;
    struct store_key_buffer last;
    int64_t passed;
    bool more;
};

/* A row that passed: skipped, taken onto the page, or only counted. */
static enum rpc_code take_row(struct walk *walk, const struct store_query *query, struct page *page,
                              struct span key, struct span packed, uint64_t version,
                              struct rpc_status *status)
{
    const struct store_range *range = walk->range;
    page->passed++;
    if (page->passed <= (int64_t)query->offset || page->more || range->count_only)
        return RPC_OK;
    if ((range->limit > 0 && page->rows.count == range->limit) || !has_room(walk->reader, packed)) {
        page->more = true;
        return RPC_OK;
    }
    remember(&page->last, key);
    return add_row(walk->reader, &page->rows, packed, version, status);
}

static enum rpc_code fill_page(struct walk *walk, const struct store_query *query,
                               struct page *page, struct rpc_status *status)
{
    bool needs_all = query->want_total || walk->range->count_only;
    while (!page->more || needs_all) {
        struct span key;
        struct span value;
        struct span packed;
        uint64_t version;
        bool is_wanted = false;
        enum rpc_code code = walk_next(walk, &key, &value, status);
        if (code == RPC_NOT_FOUND)
            return RPC_OK;
        if (code == RPC_OK)
            code = get_of_entry(walk->reader, walk->range->table, walk->range->index, key, value,
                                &packed, &version, status);
        if (code == RPC_OK)
            code = passes(query, packed, &is_wanted, status);
        if (code == RPC_OK && is_wanted)
            code = take_row(walk, query, page, key, packed, version, status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

enum rpc_code store__query_run(struct store_reader *reader, const struct store_query *query,
                               Lotcast__V1__QueryResponse *response, struct rpc_status *status)
{
    struct walk walk;
    enum rpc_code code = walk_open(&walk, reader, &query->range, status);
    if (code != RPC_OK)
        return code;
    struct page page = {.passed = 0};
    code = fill_page(&walk, query, &page, status);
    walk_close(&walk);
    if (code == RPC_OK && page.more)
        code = make_cursor(reader, &query->range, &page.last, page.rows.count, &response->cursor,
                           status);
    if (code == RPC_OK && (query->want_total || query->range.count_only))
        response->total = page.passed;
    response->rows = page.rows.rows;
    response->n_rows = page.rows.count;
    return code;
}
