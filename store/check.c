/*
 * Whether the file holds what commits have written: each record against its checksum, its key and
 * all of its index entries; each index entry against its record; each counter. A record and its
 * entries are looked at in one snapshot, so writes meanwhile make no offence; one call looks at a
 * bounded part of the file, so that no snapshot is held for long.
 *
 * A unique index's value has one entry, so of two records with the same one the entry leads to the
 * other.
 */
#include "store/entry.h"
#include "store/internal.h"

/* Keys and bytes of one call at most, and keys between two looks at the caller. */
#define KEYS_MAX 20000
#define BYTES_MAX ((size_t)64 * 1024 * 1024)
#define KEYS_PER_LOOK 1024
/* Offences that one call describes. */
#define PROBLEMS_MAX 20

struct check {
    const struct store *store;
    const struct rpc_context *context;
    struct store_txn *txn;
    Lotcast__V1__CheckResponse *response;
    bool failed; /* out of memory */
};

/* A record that was opened. */
struct opened {
    const struct store_table *table;
    struct store_value values[STORE_WIRE_FIELDS_MAX];
};

static const char *hex(struct arena *arena, struct span bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *text = arena_alloc(arena, 2 * bytes.len + 1);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < bytes.len; i++) {
        text[2 * i] = digits[bytes.data[i] >> 4];
        text[2 * i + 1] = digits[bytes.data[i] & 15];
    }
    text[2 * bytes.len] = '\0';
    return text;
}

/* Index NULL: of the table itself; table NULL: of the store's own. `what` outlives the call. */
static void report(struct check *check, const struct store_table *table,
                   const struct store_index *index, struct span key, const char *what)
{
    Lotcast__V1__CheckResponse *response = check->response;
    struct arena *arena = check->context->arena;
    response->problem_count++;
    if (response->n_problems == PROBLEMS_MAX)
        return;
    Lotcast__V1__StoreProblem *problem = arena_alloc(arena, sizeof *problem);
    const char *text = hex(arena, key);
    if (problem == NULL || text == NULL) {
        check->failed = true;
        return;
    }
    lotcast__v1__store_problem__init(problem);
    if (table != NULL)
        problem->table = (char *)table->name;
    if (index != NULL && index->id != 0)
        problem->index = (char *)index->name;
    problem->key = (char *)text;
    problem->what = (char *)what;
    response->problems[response->n_problems++] = problem;
}

static enum rpc_code get(const struct check *check, struct span key, struct span *ret_value,
                         struct rpc_status *status)
{
    return check->store->engine->ops->get(check->txn, key, ret_value, status);
}

/* What is wrong with a stored record by itself, or NULL. */
static const char *open_record(const struct store_table *table, struct span key, struct span stored,
                               struct opened *ret_opened)
{
    struct span packed;
    uint64_t version;
    struct store_key_buffer made;
    if (store__record_open(key, stored, &packed, &version, NULL) != RPC_OK)
        return "the record fails its checksum or has no known format";
    if (!store__wire_valid(packed, table->record) ||
        !store__record_values(table, packed, ret_opened->values))
        return "the bytes are no record of this table";
    if (store__primary_key(table, ret_opened->values, &made, NULL) != RPC_OK ||
        !span_equal(store__key_span(&made), key))
        return "the record lies at a key that is not its own";
    ret_opened->table = table;
    return NULL;
}

/* The record's entry in an index: as it should be. */
static enum rpc_code check_record_entry(struct check *check, const struct opened *opened,
                                        const struct store_index *index, struct span key,
                                        struct rpc_status *status)
{
    struct store_key_buffer entry;
    struct store_entry_buffer kept = {.len = 0};
    struct span value;
    if (!store__index_key(index, opened->values, &entry))
        return RPC_OK;
    struct span wanted = {key.data + STORE_KEY_PREFIX_BYTES, key.len - STORE_KEY_PREFIX_BYTES};
    if (!index->unique) {
        if (store__entry_has_value(index) && !store__entry_pack(index, opened->values, &kept))
            return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
        wanted = (struct span){kept.data, kept.len};
    }
    enum rpc_code code = get(check, store__key_span(&entry), &value, status);
    if (code == RPC_NOT_FOUND)
        report(check, opened->table, index, key, "the record is not in the index");
    else if (code == RPC_OK && !span_equal(value, wanted))
        report(check, opened->table, index, key,
               index->unique ? "the index leads to another record with the same value"
                             : "the index keeps something else than the record has");
    return code == RPC_NOT_FOUND ? RPC_OK : code;
}

static enum rpc_code check_record(struct check *check, const struct store_table *table,
                                  const struct store_entry *at, struct rpc_status *status)
{
    struct opened opened;
    check->response->records++;
    const char *what = open_record(table, at->key, at->value, &opened);
    if (what != NULL) {
        report(check, table, NULL, at->key, what);
        return RPC_OK;
    }
    for (size_t i = 0; i < table->index_count; i++) {
        enum rpc_code code =
            check_record_entry(check, &opened, &table->indexes[i], at->key, status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

/* What the index keeps is compared from the record's side. */
static enum rpc_code check_entry(struct check *check, const struct store_index *index,
                                 const struct store_entry *at, struct rpc_status *status)
{
    struct opened opened;
    struct store_key_buffer key;
    struct store_key_buffer entry;
    struct span stored;
    check->response->entries++;
    struct span primary = store__entry_primary(index, at);
    if (primary.len == 0 || primary.len > STORE_PRIMARY_BYTES_MAX) {
        report(check, index->table, index, at->key, "the entry leads to no key");
        return RPC_OK;
    }
    store__key_begin(&key, index->table->id, 0);
    store__key_append_raw(&key, primary);
    enum rpc_code code = get(check, store__key_span(&key), &stored, status);
    if (code == RPC_NOT_FOUND) {
        report(check, index->table, index, at->key, "the entry's record is not there");
        return RPC_OK;
    }
    if (code != RPC_OK || open_record(index->table, store__key_span(&key), stored, &opened) != NULL)
        return code; /* a broken record is reported where it lies */
    if (!store__index_key(index, opened.values, &entry) ||
        !span_equal(store__key_span(&entry), at->key))
        report(check, index->table, index, at->key, "the entry is not its record's");
    return RPC_OK;
}

static void check_own(struct check *check, uint32_t kind, const struct store_entry *at)
{
    struct span packed;
    uint64_t version;
    int64_t value;
    if (kind > STORE_OWN_COUNTERS)
        report(check, NULL, NULL, at->key, "the store has nothing of this kind");
    else if (store__record_open(at->key, at->value, &packed, &version, NULL) != RPC_OK)
        report(check, NULL, NULL, at->key, "it fails its checksum or has no known format");
    else if (kind == STORE_OWN_COUNTERS && store__counter_unpack(packed, &value, NULL) != RPC_OK)
        report(check, NULL, NULL, at->key, "the counter is no number");
    check->response->counters += kind == STORE_OWN_COUNTERS;
}

static enum rpc_code check_key(struct check *check, const struct store_entry *at,
                               struct rpc_status *status)
{
    if (at->key.len <= STORE_KEY_PREFIX_BYTES) {
        report(check, NULL, NULL, at->key, "the key is no key of ours");
        return RPC_OK;
    }
    const uint8_t *bytes = at->key.data;
    uint32_t table_id = (uint32_t)bytes[0] << 8 | bytes[1];
    uint32_t index_id = (uint32_t)bytes[2] << 8 | bytes[3];
    if (table_id == 0) {
        check_own(check, index_id, at);
        return RPC_OK;
    }
    const struct store_table *table = store__table_find(&check->store->tables, table_id);
    if (table == NULL) {
        check->response->unknown++;
        return RPC_OK;
    }
    if (index_id == 0)
        return check_record(check, table, at, status);
    const struct store_index *index = store__index_find(table, index_id);
    if (index != NULL)
        return check_entry(check, index, at, status);
    report(check, table, NULL, at->key, "the table has no such index");
    return RPC_OK;
}

static bool set_cursor(struct check *check, struct span key)
{
    uint8_t *copy = arena_alloc(check->context->arena, key.len);
    if (copy == NULL)
        return false;
    memcpy(copy, key.data, key.len);
    check->response->cursor = (ProtobufCBinaryData){key.len, copy};
    return true;
}

/* From the cursor's entry on, which is looked at. */
static enum rpc_code walk(struct check *check, struct store_cursor *cursor, struct span from,
                          struct rpc_status *status)
{
    const struct store_engine_ops *ops = check->store->engine->ops;
    struct store_entry at;
    size_t bytes = 0;
    enum rpc_code code = ops->cursor_at_or_after(cursor, from, &at, status);
    for (size_t i = 0; code == RPC_OK; i++) {
        if (i == KEYS_MAX || bytes > BYTES_MAX)
            return set_cursor(check, at.key)
                       ? RPC_OK
                       : rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
        if (i % KEYS_PER_LOOK == 0 && rpc_context_stopped(check->context))
            return rpc_status_set(status, RPC_CANCELLED, "nobody waits for the check any more");
        bytes += at.key.len + at.value.len;
        code = check_key(check, &at, status);
        if (code == RPC_OK)
            code = ops->cursor_next(cursor, &at, status);
    }
    return code == RPC_NOT_FOUND ? RPC_OK : code;
}

enum rpc_code store__check(struct store *store, const struct rpc_context *context,
                           const Lotcast__V1__CheckRequest *request,
                           Lotcast__V1__CheckResponse *response, struct rpc_status *status)
{
    static const uint8_t first[] = {0};
    const struct store_engine_ops *ops = store->engine->ops;
    struct check check = {.store = store, .context = context, .response = response};
    struct store_cursor *cursor;
    struct span from = {request->cursor.data, request->cursor.len};
    if (from.len > STORE_ENGINE_KEY_BYTES_MAX)
        return store__invalid(status, "cursor", "it is too long for a cursor");
    if (from.len == 0)
        from = span_of(first, sizeof first);
    response->problems = arena_calloc(context->arena, PROBLEMS_MAX, sizeof *response->problems);
    if (response->problems == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    enum rpc_code code = ops->read_begin(store->engine, &check.txn, status);
    if (code != RPC_OK)
        return code;
    code = ops->cursor_open(check.txn, &cursor, status);
    if (code == RPC_OK) {
        code = walk(&check, cursor, from, status);
        ops->cursor_close(cursor);
    }
    ops->read_end(check.txn);
    if (code == RPC_OK && check.failed)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    return code;
}
