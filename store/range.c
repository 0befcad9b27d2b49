/*
 * From what callers ask for to keys: gets, ranges with bounds and cursors, filters.
 *
 * A cursor is a byte and a key: 1, the last key that was answered, behind which to go on; or 0
 * alone, where an answer was full before this range began.
 */
#include "store/range.h"
#include "store/entry.h"
#include "store/fold.h"
#include "store/query.h"

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
}

static enum rpc_code keep(struct arena *arena, const struct store_key_buffer *key,
                          struct span *ret_copy, struct rpc_status *status)
{
    uint8_t *copy = arena_alloc(arena, key->len);
    if (copy == NULL)
        return out_of_memory(status);
    memcpy(copy, key->data, key->len);
    *ret_copy = (struct span){copy, key->len};
    return RPC_OK;
}

static enum rpc_code find(const struct store_tables *tables, uint32_t table_id, uint32_t index_id,
                          const struct store_index **ret_index, struct rpc_status *status)
{
    const struct store_table *table = store__table_find(tables, table_id);
    if (table == NULL)
        return store__invalid(status, "table", "there is no table %u", table_id);
    const struct store_index *index = store__index_find(table, index_id);
    if (index == NULL)
        return store__invalid(status, "index", "there is no index %u of %s", index_id, table->name);
    *ret_index = index;
    return RPC_OK;
}

static enum rpc_code begin_key(const struct store_index *index, Lotcast__V1__KeyPart *const *parts,
                               size_t count, struct store_key_buffer *key,
                               struct rpc_status *status)
{
    store__key_begin(key, index->table->id, index->id);
    for (size_t i = 0; i < count; i++) {
        enum rpc_code code = store__key_append_part(index, i, parts[i], key, status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

enum rpc_code store__get_prepare(const struct store_tables *tables, const Lotcast__V1__GetOp *op,
                                 struct arena *arena, struct store_get *ret_get,
                                 struct rpc_status *status)
{
    struct store_get get = {0};
    enum rpc_code code = find(tables, op->table, op->index, &get.index, status);
    if (code != RPC_OK)
        return code;
    if (!get.index->unique)
        return store__invalid(status, "index", "%s of %s is not unique", get.index->name,
                              get.index->table->name);
    if (op->n_key != get.index->field_count)
        return store__invalid(status, "key", "%s of %s has %zu parts", get.index->name,
                              get.index->table->name, get.index->field_count);
    struct store_key_buffer key;
    code = begin_key(get.index, op->key, op->n_key, &key, status);
    if (code == RPC_OK)
        code = keep(arena, &key, &get.key, status);
    if (code == RPC_OK)
        *ret_get = get;
    return code;
}

/* Appends the part that bounds a range. A cut text has no place in the order of others. */
static enum rpc_code append_bound(const struct store_index *index, size_t column,
                                  const Lotcast__V1__KeyPart *part, struct store_key_buffer *key,
                                  struct rpc_status *status)
{
    key->is_cut = false; /* a part before it may be */
    enum rpc_code code = store__key_append_part(index, column, part, key, status);
    if (code != RPC_OK || !key->is_cut)
        return code;
    const char *field = index->table->fields[index->columns[column].slot]->name;
    return store__invalid(status, field, "a bound of %s is too long", field);
}

/* Narrows the range to what is behind the cursor. */
static enum rpc_code apply_cursor(struct span cursor, const struct store_range *range,
                                  struct store_key_buffer *begin, struct store_key_buffer *end,
                                  struct rpc_status *status)
{
    if (cursor.len == 0 || (cursor.len == 1 && cursor.data[0] == STORE_CURSOR_START))
        return RPC_OK;
    struct span key = {cursor.data + 1, cursor.len - 1};
    struct store_key_buffer prefix;
    store__key_begin(&prefix, range->index->table->id, range->index->id);
    if (cursor.data[0] != STORE_CURSOR_BEHIND || key.len > STORE_ENGINE_KEY_BYTES_MAX ||
        key.len < prefix.len || memcmp(key.data, prefix.data, prefix.len) != 0)
        return store__invalid(status, "cursor", "the cursor is not one of this range");
    if (range->reverse) {
        if (store__span_compare(key, store__key_span(end)) < 0) {
            end->len = 0;
            store__key_append_raw(end, key);
        }
        return RPC_OK;
    }
    if (store__span_compare(key, store__key_span(begin)) < 0)
        return RPC_OK;
    /* The next key that could follow; a full-length one has no longer one, but a next of its
     * length. */
    begin->len = 0;
    store__key_append_raw(begin, key);
    if (begin->len < STORE_ENGINE_KEY_BYTES_MAX)
        begin->data[begin->len++] = 0;
    else
        store__key_step_over(begin);
    return RPC_OK;
}

static enum rpc_code bounds(const Lotcast__V1__RangeOp *op, const struct store_index *index,
                            struct store_key_buffer *begin, struct store_key_buffer *end,
                            struct rpc_status *status)
{
    size_t column = op->n_prefix;
    if (column > index->column_count ||
        (column == index->column_count && (op->lower != NULL || op->upper != NULL)))
        return store__invalid(status, "prefix", "%s of %s has %zu parts", index->name,
                              index->table->name, index->column_count);
    enum rpc_code code = begin_key(index, op->prefix, op->n_prefix, begin, status);
    *end = *begin;
    if (code == RPC_OK && op->lower != NULL)
        code = append_bound(index, column, op->lower, begin, status);
    if (code == RPC_OK && op->upper != NULL)
        code = append_bound(index, column, op->upper, end, status);
    if (code != RPC_OK)
        return code;
    if (op->lower != NULL && op->lower_exclusive)
        store__key_step_over(begin);
    if (op->upper == NULL || !op->upper_exclusive)
        store__key_step_over(end);
    return RPC_OK;
}

enum rpc_code store__range_prepare(const struct store_tables *tables,
                                   const Lotcast__V1__RangeOp *op, struct arena *arena,
                                   struct store_range *ret_range, struct rpc_status *status)
{
    struct store_range range = {.reverse = op->reverse,
                                .count_only = op->count_only,
                                .limit = op->limit,
                                .cursor = {op->cursor.data, op->cursor.len}};
    enum rpc_code code = find(tables, op->table, op->index, &range.index, status);
    if (code != RPC_OK)
        return code;
    struct store_key_buffer begin;
    struct store_key_buffer end;
    code = bounds(op, range.index, &begin, &end, status);
    if (code == RPC_OK)
        code = apply_cursor(range.cursor, &range, &begin, &end, status);
    if (code == RPC_OK)
        code = keep(arena, &begin, &range.begin, status);
    if (code == RPC_OK)
        code = keep(arena, &end, &range.end, status);
    range.is_whole = code == RPC_OK && op->n_prefix == range.index->field_count &&
                     op->lower == NULL && op->upper == NULL && op->cursor.len == 0;
    if (code == RPC_OK)
        *ret_range = range;
    return code;
}

static bool comparison_known(Lotcast__V1__Comparison comparison)
{
    return comparison >= LOTCAST__V1__COMPARISON__COMPARISON_EQUAL &&
           comparison <= LOTCAST__V1__COMPARISON__COMPARISON_GREATER_OR_EQUAL;
}

/* A field whose values the query looks at, and where the index has it, if it does. */
static void add_field(struct store_query *query, const ProtobufCFieldDescriptor *field)
{
    const struct store_index *index = query->range.index;
    size_t cover = 0;
    while (cover < index->cover_count && index->table->fields[index->covers[cover]] != field)
        cover++;
    query->is_covered = query->is_covered && cover < index->cover_count;
    query->covers[query->field_count] = cover;
    query->fields[query->field_count++] = field;
}

static enum rpc_code add_filter(struct store_query *query, const Lotcast__V1__FilterOp *op,
                                struct rpc_status *status)
{
    const struct store_table *table = query->range.index->table;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(table->record, op->field);
    struct store_filter *filter = &query->filters[query->filter_count];
    enum store_kind kind;
    if (field == NULL || !store__wire_kind(field, &kind))
        return store__invalid(status, op->field, "%s has no such field to filter by", table->name);
    if (op->value == NULL || !store__value_of_part(op->value, &filter->value) ||
        filter->value.kind != kind)
        return store__invalid(status, op->field, "the value is not of the kind of %s", op->field);
    if (!comparison_known(op->comparison))
        return store__invalid(status, op->field, "there is no such comparison");
    filter->comparison = op->comparison;
    query->filter_count++;
    add_field(query, field);
    return RPC_OK;
}

/* Folds the search, and takes it apart into words where they lie. */
static enum rpc_code add_words(struct store_query *query, const char *search, struct arena *arena,
                               struct rpc_status *status)
{
    const struct store_index *index = query->range.index;
    size_t len = strlen(search);
    if (len == 0)
        return RPC_OK;
    if (index->search_count == 0)
        return store__invalid(status, "search", "%s of %s is not for searching", index->name,
                              index->table->name);
    if (len > STORE_SEARCH_TEXT_BYTES_MAX)
        return store__invalid(status, "search", "a search has %d bytes at most",
                              STORE_SEARCH_TEXT_BYTES_MAX);
    uint8_t *folded = arena_alloc(arena, STORE_SEARCH_TEXT_BYTES_MAX);
    if (folded == NULL ||
        !store__fold(span_of(search, len), folded, STORE_SEARCH_TEXT_BYTES_MAX, &len))
        return out_of_memory(status);
    for (size_t at = 0; at < len;) {
        size_t end = at;
        while (end < len && folded[end] != ' ')
            end++;
        if (end > at && query->word_count == STORE_WORDS_MAX)
            return store__invalid(status, "search", "a search has %d words at most",
                                  STORE_WORDS_MAX);
        if (end > at)
            query->words[query->word_count++] = (struct span){folded + at, end - at};
        at = end + 1;
    }
    return RPC_OK;
}

/* The place of a field among the texts that the index is searched by; search_count: none. */
static size_t find_search(const struct store_index *index, const ProtobufCFieldDescriptor *field)
{
    size_t search = 0;
    while (search < index->search_count && index->table->fields[index->search[search]] != field)
        search++;
    return search;
}

static enum rpc_code set_order(struct store_query *query, const Lotcast__V1__OrderOp *op,
                               struct rpc_status *status)
{
    const struct store_index *index = query->range.index;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(index->table->record, op->field);
    struct store_order *order = &query->order;
    struct store_value last;
    enum store_kind kind;
    if (field == NULL || !store__wire_kind(field, &kind))
        return store__invalid(status, op->field, "%s has no such field to order by",
                              index->table->name);
    if (query->range.limit == 0 || query->range.count_only || query->range.cursor.len > 0)
        return store__invalid(status, "order", "an order wants a limit, and no cursor");
    *order = (struct store_order){.is_set = true,
                                  .is_text = kind != STORE_KIND_NUMBER,
                                  .descending = op->descending,
                                  .has_last = op->last != NULL,
                                  .search = find_search(index, field),
                                  .field = query->field_count};
    if (order->is_text && (order->search == index->search_count || order->has_last))
        return store__invalid(status, op->field, "%s of %s does not order by %s", index->name,
                              index->table->name, op->field);
    if (order->is_text)
        return RPC_OK;
    if (order->has_last &&
        (!store__value_of_part(op->last, &last) || last.kind != STORE_KIND_NUMBER))
        return store__invalid(status, op->field, "the value is not of the kind of %s", op->field);
    order->last = order->has_last ? last.number : 0;
    add_field(query, field);
    return RPC_OK;
}

enum rpc_code store__query_prepare(const struct store_tables *tables,
                                   const Lotcast__V1__QueryRequest *request, struct arena *arena,
                                   struct store_query *ret_query, struct rpc_status *status)
{
    struct store_query query = {
        .offset = request->offset, .want_total = request->want_total, .is_covered = true};
    if (request->range == NULL)
        return store__invalid(status, "range", "a query needs a range");
    if (request->n_filters > STORE_FILTERS_MAX)
        return store__invalid(status, "filters", "a query has at most %d filters",
                              STORE_FILTERS_MAX);
    enum rpc_code code = store__range_prepare(tables, request->range, arena, &query.range, status);
    for (size_t i = 0; i < request->n_filters && code == RPC_OK; i++)
        code = add_filter(&query, request->filters[i], status);
    if (code == RPC_OK)
        code = add_words(&query, request->search, arena, status);
    if (code == RPC_OK && request->order != NULL)
        code = set_order(&query, request->order, status);
    if (code == RPC_OK)
        *ret_query = query;
    return code;
}
