#include "store/query.h"
#include "store/entry.h"
#include "store/image.h"
#include "store/range.h"
#include "store/rank.h"

/* Rows between two looks at the context. */
#define STEPS_PER_LOOK 256

/* --- rows --- */

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
}

/* A record where it lies, until the snapshot ends. */
struct found {
    struct span packed;
    uint64_t version;
};

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
static enum rpc_code add_row(struct store_reader *reader, struct rows *rows,
                             const struct found *found, struct rpc_status *status)
{
    struct span packed = found->packed;
    struct arena *arena = reader->context->arena;
    Lotcast__V1__Row *row = arena_alloc(arena, sizeof *row);
    uint8_t *copy = arena_alloc(arena, packed.len);
    if (row == NULL || copy == NULL || !grow_rows(arena, rows))
        return out_of_memory(status);
    if (packed.len > 0)
        memcpy(copy, packed.data, packed.len);
    lotcast__v1__row__init(row);
    row->value = (ProtobufCBinaryData){packed.len, copy};
    row->version = found->version;
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
                                struct found *ret_found, struct rpc_status *status)
{
    struct span stored;
    enum rpc_code code = reader->engine->ops->get(reader->txn, key, &stored, status);
    if (code != RPC_OK)
        return code;
    return store__record_open(key, stored, &ret_found->packed, &ret_found->version, status);
}

/* The record that an entry of an index stands for. */
static enum rpc_code get_of_entry(struct store_reader *reader, const struct store_index *index,
                                  const struct store_entry *entry, struct found *ret_found,
                                  struct rpc_status *status)
{
    if (index->id == 0)
        return store__record_open(entry->key, entry->value, &ret_found->packed, &ret_found->version,
                                  status);
    struct span primary = store__entry_primary(index, entry);
    struct store_key_buffer key;
    store__key_begin(&key, index->table->id, 0);
    store__key_append_raw(&key, primary);
    enum rpc_code code = RPC_NOT_FOUND;
    if (primary.len > 0 && !key.failed)
        code = get_record(reader, store__key_span(&key), ret_found, status);
    if (code == RPC_NOT_FOUND)
        return rpc_status_set(status, RPC_DATA_LOSS, "a record of %s and its index %s differ",
                              index->table->name, index->name);
    return code;
}

enum rpc_code store__get_run(struct store_reader *reader, const struct store_get *get,
                             Lotcast__V1__ReadResult *result, struct rpc_status *status)
{
    struct store_entry entry = {.key = get->key};
    struct found found;
    enum rpc_code code = reader->engine->ops->get(reader->txn, get->key, &entry.value, status);
    if (code == RPC_NOT_FOUND)
        return RPC_OK; /* no row */
    if (code == RPC_OK)
        code = get_of_entry(reader, get->index, &entry, &found, status);
    if (code != RPC_OK)
        return code;
    if (reader->answer_bytes + found.packed.len + STORE_ROW_BYTES > STORE_ANSWER_BYTES_HARD_MAX)
        return out_of_memory(status);
    struct rows rows = {0};
    code = add_row(reader, &rows, &found, status);
    result->rows = rows.rows;
    result->n_rows = rows.count;
    return code;
}

enum rpc_code store__counter_run(struct store_reader *reader, struct span key,
                                 Lotcast__V1__ReadResult *result, struct rpc_status *status)
{
    struct found found;
    enum rpc_code code = get_record(reader, key, &found, status);
    if (code == RPC_NOT_FOUND)
        return RPC_OK; /* it begins at 0 */
    if (code != RPC_OK)
        return code;
    return store__counter_unpack(found.packed, &result->count, status);
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
static enum rpc_code first_in_reverse(struct walk *walk, struct store_entry *ret_entry,
                                      struct rpc_status *status)
{
    const struct store_engine_ops *ops = walk->reader->engine->ops;
    enum rpc_code code = ops->cursor_at_or_after(walk->cursor, walk->range->end, ret_entry, status);
    if (code == RPC_NOT_FOUND)
        return ops->cursor_last(walk->cursor, ret_entry, status);
    if (code != RPC_OK)
        return code;
    return ops->cursor_previous(walk->cursor, ret_entry, status);
}

static enum rpc_code move(struct walk *walk, struct store_entry *ret_entry,
                          struct rpc_status *status)
{
    const struct store_engine_ops *ops = walk->reader->engine->ops;
    bool is_first = !walk->is_under_way;
    walk->is_under_way = true;
    if (walk->range->reverse)
        return is_first ? first_in_reverse(walk, ret_entry, status)
                        : ops->cursor_previous(walk->cursor, ret_entry, status);
    return is_first ? ops->cursor_at_or_after(walk->cursor, walk->range->begin, ret_entry, status)
                    : ops->cursor_next(walk->cursor, ret_entry, status);
}

/* The next entry of the range; RPC_NOT_FOUND behind the last. */
static enum rpc_code walk_next(struct walk *walk, struct store_entry *ret_entry,
                               struct rpc_status *status)
{
    enum rpc_code code = look_at_context(walk->reader, status);
    if (code == RPC_OK)
        code = move(walk, ret_entry, status);
    if (code != RPC_OK)
        return code;
    bool is_inside = store__span_compare(ret_entry->key, walk->range->begin) >= 0 &&
                     store__span_compare(ret_entry->key, walk->range->end) < 0;
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

/* What a range or a query has gathered. */
struct page {
    struct rows rows;
    struct store_key_buffer last; /* key of the last row */
    bool more;                    /* there is more behind it */
    int64_t passed;               /* a query's rows that its filters let through */
};

static enum rpc_code page_add(struct walk *walk, struct page *page, struct span key,
                              const struct found *found, struct rpc_status *status)
{
    page->last.len = 0;
    page->last.failed = false;
    store__key_append_raw(&page->last, key);
    return add_row(walk->reader, &page->rows, found, status);
}

/* Whether the page has its rows, or the answer no room for this one. */
static bool page_is_full(const struct walk *walk, const struct page *page,
                         const struct found *found)
{
    uint32_t limit = walk->range->limit;
    return (limit > 0 && page->rows.count == limit) || !has_room(walk->reader, found->packed);
}

/* Where to go on behind the last row; or where this began, if no row was answered. */
static enum rpc_code make_cursor(const struct walk *walk, const struct page *page,
                                 ProtobufCBinaryData *ret_cursor, struct rpc_status *status)
{
    struct span given = walk->range->cursor;
    bool is_empty = page->rows.count == 0;
    if (is_empty && given.len > 0) {
        *ret_cursor = (ProtobufCBinaryData){given.len, (uint8_t *)given.data};
        return RPC_OK; /* the request lives as long as the answer: the call's arena */
    }
    size_t key_len = is_empty ? 0 : page->last.len;
    uint8_t *bytes = arena_alloc(walk->reader->context->arena, 1 + key_len);
    if (bytes == NULL)
        return out_of_memory(status);
    bytes[0] = is_empty ? STORE_CURSOR_START : STORE_CURSOR_BEHIND;
    if (key_len > 0)
        memcpy(bytes + 1, page->last.data, key_len);
    *ret_cursor = (ProtobufCBinaryData){1 + key_len, bytes};
    return RPC_OK;
}

/* --- ranges --- */

static enum rpc_code count_range(struct walk *walk, int64_t *ret_count, struct rpc_status *status)
{
    struct store_entry entry;
    int64_t count = 0;
    for (;;) {
        enum rpc_code code = walk_next(walk, &entry, status);
        if (code == RPC_NOT_FOUND)
            break;
        if (code != RPC_OK)
            return code;
        count++;
    }
    *ret_count = count;
    return RPC_OK;
}

/* Gathers rows until the limit, the answer's size or the range's end. */
static enum rpc_code fill_range(struct walk *walk, struct page *page, struct rpc_status *status)
{
    while (!page->more) {
        struct store_entry entry;
        struct found found;
        enum rpc_code code = walk_next(walk, &entry, status);
        if (code == RPC_NOT_FOUND)
            return RPC_OK;
        if (code == RPC_OK)
            code = get_of_entry(walk->reader, walk->range->index, &entry, &found, status);
        if (code != RPC_OK)
            return code;
        page->more = page_is_full(walk, page, &found);
        if (!page->more)
            code = page_add(walk, page, entry.key, &found, status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

enum rpc_code store__range_run(struct store_reader *reader, const struct store_range *range,
                               Lotcast__V1__ReadResult *result, struct rpc_status *status)
{
    struct walk walk;
    enum rpc_code code = walk_open(&walk, reader, range, status);
    if (code != RPC_OK)
        return code;
    struct page page = {.more = false};
    if (range->count_only)
        code = count_range(&walk, &result->count, status);
    else
        code = fill_range(&walk, &page, status);
    walk_close(&walk);
    if (code == RPC_OK && page.more)
        code = make_cursor(&walk, &page, &result->cursor, status);
    result->rows = page.rows.rows;
    result->n_rows = page.rows.count;
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

/* One row of a query's walk: its entry, and the record once it was opened. */
struct candidate {
    struct store_entry entry;
    bool is_open;
    struct found found;
    struct store_value values[STORE_FILTERS_MAX + 1]; /* of the query's fields */
};

static enum rpc_code candidate_open(struct walk *walk, struct candidate *candidate,
                                    struct rpc_status *status)
{
    if (candidate->is_open)
        return RPC_OK;
    candidate->is_open = true;
    return get_of_entry(walk->reader, walk->range->index, &candidate->entry, &candidate->found,
                        status);
}

/* The values of the query's fields, from the index where it has them all. */
static enum rpc_code candidate_read(struct walk *walk, const struct store_query *query,
                                    struct candidate *candidate, struct rpc_status *status)
{
    const struct store_index *index = walk->range->index;
    if (store__entry_has_value(index) && !store__entry_valid(index, candidate->entry.value))
        return rpc_status_set(status, RPC_DATA_LOSS, "an entry of the index %s of %s is broken",
                              index->name, index->table->name);
    if (query->is_covered) {
        for (size_t i = 0; i < query->field_count; i++)
            candidate->values[i] = (struct store_value){
                .kind = STORE_KIND_NUMBER,
                .number = store__entry_number(candidate->entry.value, query->covers[i])};
        return RPC_OK;
    }
    enum rpc_code code = candidate_open(walk, candidate, status);
    if (code != RPC_OK)
        return code;
    if (!store__wire_extract(candidate->found.packed, query->fields, query->field_count,
                             candidate->values))
        return rpc_status_set(status, RPC_DATA_LOSS, "a stored record of %s is broken",
                              index->table->name);
    return RPC_OK;
}

static bool passes_filters(const struct store_query *query, const struct candidate *candidate)
{
    for (size_t i = 0; i < query->filter_count; i++) {
        int order = store__value_compare(&candidate->values[i], &query->filters[i].value);
        if (!compare_holds(query->filters[i].comparison, order))
            return false;
    }
    return true;
}

static bool passes(const struct store_query *query, const struct candidate *candidate)
{
    if (!passes_filters(query, candidate))
        return false;
    if (query->word_count == 0)
        return true;
    struct span texts = store__entry_texts(query->range.index, candidate->entry.value);
    for (size_t i = 0; i < query->word_count; i++) {
        if (memmem(texts.data, texts.len, query->words[i].data, query->words[i].len) == NULL)
            return false;
    }
    return true;
}

/* A row that passed: skipped, taken onto the page, or only counted. */
static enum rpc_code take_row(struct walk *walk, const struct store_query *query, struct page *page,
                              struct candidate *candidate, struct rpc_status *status)
{
    if (page->passed <= (int64_t)query->offset || page->more || walk->range->count_only)
        return RPC_OK;
    enum rpc_code code = candidate_open(walk, candidate, status);
    if (code != RPC_OK)
        return code;
    page->more = page_is_full(walk, page, &candidate->found);
    return page->more ? RPC_OK
                      : page_add(walk, page, candidate->entry.key, &candidate->found, status);
}

static enum rpc_code rank_row(const struct store_query *query, struct store_ranking *ranking,
                              const struct page *page, const struct candidate *candidate,
                              struct rpc_status *status)
{
    const struct store_order *order = &query->order;
    struct store_ranked row = {.key = candidate->entry.key, .place = (uint64_t)page->passed};
    if (order->is_text) {
        store__ranked_set_text(
            &row, store__entry_text(query->range.index, candidate->entry.value, order->search));
    } else {
        int64_t number = candidate->values[order->field].number;
        store__ranked_set_number(&row, number);
        row.is_last = order->has_last && number == order->last;
    }
    return store__rank_add(ranking, &row) ? RPC_OK : out_of_memory(status);
}

static enum rpc_code fill_page(struct walk *walk, const struct store_query *query,
                               struct store_ranking *ranking, struct page *page,
                               struct rpc_status *status)
{
    bool needs_all = query->want_total || walk->range->count_only || query->order.is_set;
    while (!page->more || needs_all) {
        struct candidate candidate;
        candidate.is_open = false;
        enum rpc_code code = walk_next(walk, &candidate.entry, status);
        if (code == RPC_NOT_FOUND)
            return RPC_OK;
        if (code == RPC_OK)
            code = candidate_read(walk, query, &candidate, status);
        if (code != RPC_OK)
            return code;
        if (!passes(query, &candidate))
            continue;
        page->passed++;
        code = query->order.is_set ? rank_row(query, ranking, page, &candidate, status)
                                   : take_row(walk, query, page, &candidate, status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

/* An entry that has all words. */
static enum rpc_code take_from_image(struct walk *walk, const struct store_query *query,
                                     const struct store_image *image, size_t at,
                                     struct store_ranking *ranking, struct page *page,
                                     struct rpc_status *status)
{
    struct candidate candidate;
    candidate.is_open = false;
    candidate.entry = (struct store_entry){.key = store__image_key(image, at)};
    for (size_t i = 0; i < query->field_count; i++)
        candidate.values[i] = (struct store_value){
            .kind = STORE_KIND_NUMBER, .number = store__image_number(image, at, query->covers[i])};
    if (!passes_filters(query, &candidate))
        return RPC_OK;
    page->passed++;
    return query->order.is_set ? rank_row(query, ranking, page, &candidate, status)
                               : take_row(walk, query, page, &candidate, status);
}

/* As fill_page, without a walk. */
static enum rpc_code fill_from_image(struct walk *walk, const struct store_query *query,
                                     const struct store_image *image, struct store_ranking *ranking,
                                     struct page *page, struct rpc_status *status)
{
    size_t count = store__image_count(image);
    bool needs_all = query->want_total || walk->range->count_only || query->order.is_set;
    bool only_counts = query->filter_count == 0 && !query->order.is_set;
    const uint64_t *found = NULL;
    if (!store__image_match(image, query->words, query->word_count, walk->reader->context->arena,
                            &found))
        return out_of_memory(status);
    if (found == NULL)
        return RPC_OK;
    for (size_t base = 0; base < count && (!page->more || needs_all); base += 64) {
        uint64_t left = found[base / 64];
        int64_t here = __builtin_popcountll(left);
        if (only_counts && (page->more || walk->range->count_only ||
                            page->passed + here <= (int64_t)query->offset)) {
            page->passed += here;
            continue;
        }
        for (; left != 0 && (!page->more || needs_all); left &= left - 1) {
            enum rpc_code code = look_at_context(walk->reader, status);
            if (code == RPC_OK)
                code = take_from_image(walk, query, image, base + (size_t)__builtin_ctzll(left),
                                       ranking, page, status);
            if (code != RPC_OK)
                return code;
        }
    }
    return RPC_OK;
}

/* Takes the ordered rows behind the offset onto the page. */
static enum rpc_code take_ranked(struct walk *walk, const struct store_query *query,
                                 struct store_ranking *ranking, struct page *page,
                                 struct rpc_status *status)
{
    for (size_t i = store__rank_order(ranking, query->offset); i < ranking->count; i++) {
        /* The value of a primary key's entry is its record: read it again. */
        struct store_get get = {.index = walk->range->index, .key = ranking->rows[i].key};
        struct candidate candidate = {.entry = {.key = get.key}};
        enum rpc_code code = RPC_OK;
        if (get.index->unique)
            code = walk->reader->engine->ops->get(walk->reader->txn, get.key,
                                                  &candidate.entry.value, status);
        if (code == RPC_OK)
            code = candidate_open(walk, &candidate, status);
        if (code != RPC_OK)
            return code;
        size_t bytes = walk->reader->answer_bytes + candidate.found.packed.len + STORE_ROW_BYTES;
        if (bytes > STORE_ANSWER_BYTES_HARD_MAX)
            return out_of_memory(status);
        code = page_add(walk, page, get.key, &candidate.found, status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

enum rpc_code store__query_run(struct store_reader *reader, const struct store_query *query,
                               const struct store_image *image,
                               Lotcast__V1__QueryResponse *response, struct rpc_status *status)
{
    struct walk walk;
    enum rpc_code code = walk_open(&walk, reader, &query->range, status);
    if (code != RPC_OK)
        return code;
    struct page page = {.more = false};
    struct store_ranking ranking = {.order = &query->order,
                                    .arena = reader->context->arena,
                                    .max = (uint64_t)query->offset + query->range.limit};
    code = image == NULL ? fill_page(&walk, query, &ranking, &page, status)
                         : fill_from_image(&walk, query, image, &ranking, &page, status);
    walk_close(&walk);
    if (code == RPC_OK && query->order.is_set)
        code = take_ranked(&walk, query, &ranking, &page, status);
    if (code == RPC_OK && page.more)
        code = make_cursor(&walk, &page, &response->cursor, status);
    if (code == RPC_OK && (query->want_total || query->range.count_only))
        response->total = page.passed;
    response->rows = page.rows.rows;
    response->n_rows = page.rows.count;
    return code;
}
