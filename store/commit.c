/*
 * Applying a commit. Each write of it is noted beforehand with what was there, so that a commit
 * which fails half-way is taken back and the rest of its group goes on in the same transaction.
 * (LMDB's nested transactions do the same but allocate megabytes each.) When the engine itself
 * fails there is nothing to take back: the whole transaction is aborted.
 *
 * What the engine lends is gone at the next write, so old records are copied into `scratch`, which
 * is reset after each commit, as are the notes.
 */
#include "store/commit.h"

#include <assert.h>
#include <stdlib.h>

#include "store/entry.h"

/* Old records of one commit together, in bytes. */
#define SCRATCH_BYTES_MAX ((size_t)512 * 1024 * 1024)
/* What a version and a key cost beside their bytes, about: bounds the queue. */
#define OP_BYTES 128
/* Notes that there is room for at first. */
#define UNDO_FIRST 64

struct store_undo {
    struct span key;
    bool was_there;
    struct span value;
};

/* --- preparing, on the caller's thread --- */

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
}

static bool copy_span(struct arena *arena, struct span from, struct span *ret_copy)
{
    uint8_t *copy = arena_alloc(arena, from.len);
    if (copy == NULL)
        return false;
    if (from.len > 0)
        memcpy(copy, from.data, from.len);
    *ret_copy = (struct span){copy, from.len};
    return true;
}

static enum rpc_code find_table(const struct store_tables *tables, uint32_t id,
                                struct store_commit_op *op, struct rpc_status *status)
{
    op->table = store__table_find(tables, id);
    if (op->table == NULL)
        return store__invalid(status, "table", "there is no table %u", id);
    return RPC_OK;
}

static enum rpc_code set_precondition(struct store_commit_op *op, Lotcast__V1__Precondition given,
                                      uint64_t version, struct rpc_status *status)
{
    switch (given) {
    case LOTCAST__V1__PRECONDITION__PRECONDITION_UNSPECIFIED:
    case LOTCAST__V1__PRECONDITION__PRECONDITION_ABSENT:
    case LOTCAST__V1__PRECONDITION__PRECONDITION_EXISTS:
    case LOTCAST__V1__PRECONDITION__PRECONDITION_VERSION:
        op->precondition = given;
        op->version = version;
        return RPC_OK;
    case _LOTCAST__V1__PRECONDITION_IS_INT_SIZE:
    default:
        return store__invalid(status, "precondition", "there is no such precondition");
    }
}

static enum rpc_code prepare_entries(struct store_commit_op *op, const struct store_value *values,
                                     struct arena *arena, struct rpc_status *status)
{
    const struct store_table *table = op->table;
    op->entries = arena_calloc(arena, table->index_count, sizeof *op->entries);
    op->kept = arena_calloc(arena, table->index_count, sizeof *op->kept);
    if (op->entries == NULL || op->kept == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < table->index_count; i++) {
        struct store_key_buffer key;
        struct store_entry_buffer kept;
        if (!store__index_key(&table->indexes[i], values, &key))
            continue;
        assert(!key.failed);
        if (!copy_span(arena, store__key_span(&key), &op->entries[i]))
            return out_of_memory(status);
        if (store__entry_has_value(&table->indexes[i]) &&
            (!store__entry_pack(&table->indexes[i], values, &kept) ||
             !copy_span(arena, (struct span){kept.data, kept.len}, &op->kept[i])))
            return out_of_memory(status);
    }
    return RPC_OK;
}

static enum rpc_code prepare_put(const struct store_tables *tables, const Lotcast__V1__PutOp *put,
                                 struct store_commit_op *op, struct arena *arena,
                                 struct rpc_status *status)
{
    enum rpc_code code = find_table(tables, put->table, op, status);
    if (code == RPC_OK)
        code = set_precondition(op, put->precondition, put->version, status);
    if (code != RPC_OK)
        return code;
    op->packed = (struct span){put->value.data, put->value.len};
    struct store_value values[STORE_WIRE_FIELDS_MAX];
    if (op->packed.len > STORE_RECORD_BYTES_MAX)
        return store__invalid(status, "value", "a record of %s is too large", op->table->name);
    if (!store__wire_valid(op->packed, op->table->record) ||
        !store__record_values(op->table, op->packed, values))
        return store__invalid(status, "value", "the bytes are no record of %s", op->table->name);
    struct store_key_buffer key;
    code = store__primary_key(op->table, values, &key, status);
    if (code != RPC_OK)
        return code;
    if (!copy_span(arena, store__key_span(&key), &op->key))
        return out_of_memory(status);
    return prepare_entries(op, values, arena, status);
}

static enum rpc_code prepare_key(struct store_commit_op *op, Lotcast__V1__KeyPart *const *parts,
                                 size_t count, struct arena *arena, struct rpc_status *status)
{
    const struct store_index *primary = &op->table->primary;
    if (count != primary->field_count)
        return store__invalid(status, "key", "the key of %s has %zu parts", op->table->name,
                              primary->field_count);
    struct store_key_buffer key;
    store__key_begin(&key, op->table->id, 0);
    for (size_t i = 0; i < count; i++) {
        enum rpc_code code = store__key_append_part(primary, i, parts[i], &key, status);
        if (code != RPC_OK)
            return code;
    }
    if (!copy_span(arena, store__key_span(&key), &op->key))
        return out_of_memory(status);
    return RPC_OK;
}

static enum rpc_code prepare_add(const Lotcast__V1__AddOp *add, struct store_commit_op *op,
                                 struct arena *arena, struct rpc_status *status)
{
    size_t len = strlen(add->counter);
    if (len == 0 || len > STORE_COUNTER_NAME_BYTES_MAX)
        return store__invalid(status, "counter", "a counter's name has 1 to %d bytes",
                              STORE_COUNTER_NAME_BYTES_MAX);
    struct store_key_buffer key;
    store__own_key(STORE_OWN_COUNTERS, add->counter, &key);
    op->delta = add->delta;
    if (!copy_span(arena, store__key_span(&key), &op->key))
        return out_of_memory(status);
    return RPC_OK;
}

static enum rpc_code prepare_op(const struct store_tables *tables,
                                const Lotcast__V1__CommitOp *from, struct store_commit_op *op,
                                struct arena *arena, struct rpc_status *status)
{
    enum rpc_code code;
    op->kind = from->kind_case;
    switch (from->kind_case) {
    case LOTCAST__V1__COMMIT_OP__KIND_PUT:
        return prepare_put(tables, from->put, op, arena, status);
    case LOTCAST__V1__COMMIT_OP__KIND_DELETE:
        code = find_table(tables, from->delete_->table, op, status);
        if (code == RPC_OK)
            code =
                set_precondition(op, from->delete_->precondition, from->delete_->version, status);
        if (code != RPC_OK)
            return code;
        return prepare_key(op, from->delete_->key, from->delete_->n_key, arena, status);
    case LOTCAST__V1__COMMIT_OP__KIND_CHECK:
        code = find_table(tables, from->check->table, op, status);
        if (code == RPC_OK)
            code = set_precondition(op, from->check->precondition, from->check->version, status);
        if (code != RPC_OK)
            return code;
        return prepare_key(op, from->check->key, from->check->n_key, arena, status);
    case LOTCAST__V1__COMMIT_OP__KIND_ADD:
        return prepare_add(from->add, op, arena, status);
    case LOTCAST__V1__COMMIT_OP__KIND__NOT_SET:
    case _LOTCAST__V1__COMMIT_OP__KIND__CASE_IS_INT_SIZE:
    default:
        return store__invalid(status, "kind", "an op is a put, a delete, an add or a check");
    }
}

static enum rpc_code make_results(struct store_commit_work *work, struct arena *arena,
                                  struct rpc_status *status)
{
    size_t count = work->op_count;
    Lotcast__V1__CommitResult *results = arena_calloc(arena, count, sizeof *results);
    Lotcast__V1__CommitResult **pointers = arena_calloc(arena, count, sizeof *pointers);
    if (results == NULL || pointers == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < count; i++) {
        lotcast__v1__commit_result__init(&results[i]);
        pointers[i] = &results[i];
    }
    work->response->results = pointers;
    work->response->n_results = count;
    return RPC_OK;
}

enum rpc_code store__commit_prepare(const struct store_tables *tables,
                                    const Lotcast__V1__CommitRequest *request,
                                    struct store_commit_work *work, struct rpc_status *status)
{
    struct arena *arena = work->context->arena;
    if (request->n_ops > STORE_COMMIT_OPS_MAX)
        return store__invalid(status, "ops", "a commit has at most %d ops", STORE_COMMIT_OPS_MAX);
    work->op_count = request->n_ops;
    work->ops = arena_calloc(arena, work->op_count, sizeof *work->ops);
    if (work->ops == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < work->op_count; i++) {
        struct store_commit_op *op = &work->ops[i];
        enum rpc_code code = prepare_op(tables, request->ops[i], op, arena, status);
        if (code != RPC_OK)
            return code;
        work->bytes += OP_BYTES + op->key.len + op->packed.len;
    }
    return make_results(work, arena, status);
}

/* --- the engine, with notes --- */

void store__apply_init(struct store_apply *apply, struct store_engine *engine)
{
    *apply = (struct store_apply){.engine = engine};
    arena_init(&apply->scratch, SCRATCH_BYTES_MAX);
}

void store__apply_fini(struct store_apply *apply)
{
    arena_fini(&apply->scratch);
    free(apply->undo);
    apply->undo = NULL;
}

/* Anything but these two from the engine ends the transaction. */
static enum rpc_code engine_result(struct store_apply *apply, enum rpc_code code)
{
    if (code != RPC_OK && code != RPC_NOT_FOUND)
        apply->poisoned = true;
    return code;
}

static enum rpc_code get(struct store_apply *apply, struct span key, struct span *ret_value,
                         struct rpc_status *status)
{
    return engine_result(apply, apply->engine->ops->get(apply->txn, key, ret_value, status));
}

/*
 * Notes what is at the key (NULL: nothing), before it is written. Key and value must live until the
 * commit's end.
 */
static enum rpc_code note(struct store_apply *apply, struct span key, const struct span *value,
                          struct rpc_status *status)
{
    if (apply->undo_count == apply->undo_capacity) {
        size_t capacity = apply->undo_capacity == 0 ? UNDO_FIRST : apply->undo_capacity * 2;
        struct store_undo *undo = realloc(apply->undo, capacity * sizeof *undo);
        if (undo == NULL)
            return out_of_memory(status);
        apply->undo = undo;
        apply->undo_capacity = capacity;
    }
    apply->undo[apply->undo_count++] =
        (struct store_undo){key, value != NULL, value == NULL ? (struct span){0} : *value};
    return RPC_OK;
}

/* Writes what was noted before. */
static enum rpc_code put(struct store_apply *apply, struct span key, struct span head,
                         struct span body, struct rpc_status *status)
{
    apply->wrote = true;
    return engine_result(apply, apply->engine->ops->put(apply->txn, key, head, body, status));
}

static enum rpc_code drop(struct store_apply *apply, struct span key, struct span before,
                          struct rpc_status *status)
{
    enum rpc_code code = note(apply, key, &before, status);
    if (code != RPC_OK)
        return code;
    apply->wrote = true;
    code = engine_result(apply, apply->engine->ops->remove(apply->txn, key, status));
    if (code == RPC_NOT_FOUND) {
        apply->undo_count--; /* nothing was written */
        return rpc_status_set(status, RPC_DATA_LOSS, "a record and its indexes differ");
    }
    return code;
}

static void take_back(struct store_apply *apply)
{
    const struct store_engine_ops *ops = apply->engine->ops;
    while (apply->undo_count > 0 && !apply->poisoned) {
        const struct store_undo *undo = &apply->undo[--apply->undo_count];
        enum rpc_code code =
            undo->was_there ? ops->put(apply->txn, undo->key, (struct span){0}, undo->value, NULL)
                            : ops->remove(apply->txn, undo->key, NULL);
        if (code != RPC_OK)
            apply->poisoned = true;
    }
}

/* --- applying, on the writer's thread --- */

struct old_record {
    bool exists;
    struct span stored; /* in scratch */
    struct span packed;
    uint64_t version;
};

static enum rpc_code get_old(struct store_apply *apply, struct span key, struct old_record *ret_old,
                             struct rpc_status *status)
{
    struct old_record old = {0};
    struct span stored;
    enum rpc_code code = get(apply, key, &stored, status);
    if (code == RPC_NOT_FOUND) {
        *ret_old = old;
        return RPC_OK;
    }
    if (code != RPC_OK)
        return code;
    if (!copy_span(&apply->scratch, stored, &old.stored))
        return out_of_memory(status);
    old.exists = true;
    code = store__record_open(key, old.stored, &old.packed, &old.version, status);
    if (code == RPC_OK)
        *ret_old = old;
    return code;
}

/* RPC_ABORTED if the op's precondition does not hold; its field is set by the caller. */
static enum rpc_code check(const struct store_commit_op *op, const struct old_record *old,
                           struct rpc_status *status)
{
    bool holds = true;
    if (op->precondition == LOTCAST__V1__PRECONDITION__PRECONDITION_ABSENT)
        holds = !old->exists;
    else if (op->precondition == LOTCAST__V1__PRECONDITION__PRECONDITION_EXISTS)
        holds = old->exists;
    else if (op->precondition == LOTCAST__V1__PRECONDITION__PRECONDITION_VERSION)
        holds = op->version == (old->exists ? old->version : 0);
    if (holds)
        return RPC_OK;
    return rpc_status_set(status, RPC_ABORTED, "the record of %s has changed", op->table->name);
}

/* The primary key parts behind table and index: what a unique index's entry holds. */
static struct span primary_parts(struct span key)
{
    return (struct span){key.data + STORE_KEY_PREFIX_BYTES, key.len - STORE_KEY_PREFIX_BYTES};
}

static enum rpc_code add_entry(struct store_apply *apply, const struct store_commit_op *op,
                               const struct store_index *index, struct span entry,
                               struct rpc_status *status)
{
    struct span holder;
    enum rpc_code code = index->unique ? get(apply, entry, &holder, status) : RPC_NOT_FOUND;
    if (code == RPC_OK) {
        (void)rpc_status_set(status, RPC_ALREADY_EXISTS, "%s: another record has the same value",
                             op->table->name);
        store__status_field(status, "%s", index->name);
        return RPC_ALREADY_EXISTS;
    }
    if (code == RPC_NOT_FOUND)
        code = note(apply, entry, NULL, status);
    if (code != RPC_OK)
        return code;
    struct span value =
        index->unique ? primary_parts(op->key) : op->kept[index - op->table->indexes];
    return put(apply, entry, (struct span){0}, value, status);
}

/* What lies at an entry, in scratch. */
static enum rpc_code get_kept(struct store_apply *apply, struct span entry, struct span *ret_kept,
                              struct rpc_status *status)
{
    struct span lent;
    enum rpc_code code = get(apply, entry, &lent, status);
    if (code == RPC_NOT_FOUND)
        return rpc_status_set(status, RPC_DATA_LOSS, "a record and its indexes differ");
    if (code == RPC_OK && !copy_span(&apply->scratch, lent, ret_kept))
        return out_of_memory(status);
    return code;
}

/* Brings what an entry keeps in step, where the entry stays. */
static enum rpc_code update_entry(struct store_apply *apply, const struct store_commit_op *op,
                                  const struct store_index *index, struct span entry,
                                  struct rpc_status *status)
{
    struct span wanted = op->kept[index - op->table->indexes];
    struct span was = {0};
    enum rpc_code code = get_kept(apply, entry, &was, status);
    if (code != RPC_OK || span_equal(was, wanted))
        return code;
    code = note(apply, entry, &was, status);
    return code == RPC_OK ? put(apply, entry, (struct span){0}, wanted, status) : code;
}

static enum rpc_code drop_entry(struct store_apply *apply, const struct store_commit_op *op,
                                const struct store_index *index, struct span entry,
                                struct rpc_status *status)
{
    struct span kept;
    struct span value = index->unique ? primary_parts(op->key) : (struct span){0};
    if (!copy_span(&apply->scratch, entry, &kept))
        return out_of_memory(status);
    enum rpc_code code = RPC_OK;
    if (store__entry_has_value(index))
        code = get_kept(apply, kept, &value, status);
    return code == RPC_OK ? drop(apply, kept, value, status) : code;
}

/*
 * Moves the record's entry in an index from where the old record (NULL: there was none) had it to
 * where the op has it.
 */
static enum rpc_code move_entry(struct store_apply *apply, const struct store_commit_op *op,
                                const struct store_index *index, const struct store_value *old,
                                struct rpc_status *status)
{
    struct store_key_buffer old_key;
    struct span old_entry = {0};
    struct span entry = {0};
    if (op->entries != NULL)
        entry = op->entries[index - op->table->indexes];
    if (old != NULL && store__index_key(index, old, &old_key))
        old_entry = store__key_span(&old_key);
    if (span_equal(old_entry, entry))
        return entry.len > 0 && store__entry_has_value(index)
                   ? update_entry(apply, op, index, entry, status)
                   : RPC_OK;
    enum rpc_code code = RPC_OK;
    if (old_entry.len > 0)
        code = drop_entry(apply, op, index, old_entry, status);
    if (code == RPC_OK && entry.len > 0)
        code = add_entry(apply, op, index, entry, status);
    return code;
}

static enum rpc_code move_entries(struct store_apply *apply, const struct store_commit_op *op,
                                  const struct old_record *old, struct rpc_status *status)
{
    struct store_value values[STORE_WIRE_FIELDS_MAX];
    if (old->exists && !store__record_values(op->table, old->packed, values))
        return rpc_status_set(status, RPC_DATA_LOSS, "a stored record is broken");
    for (size_t i = 0; i < op->table->index_count; i++) {
        enum rpc_code code =
            move_entry(apply, op, &op->table->indexes[i], old->exists ? values : NULL, status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

static enum rpc_code apply_put(struct store_apply *apply, const struct store_commit_op *op,
                               const struct old_record *old, struct rpc_status *status)
{
    enum rpc_code code = move_entries(apply, op, old, status);
    if (code == RPC_OK)
        code = note(apply, op->key, old->exists ? &old->stored : NULL, status);
    if (code != RPC_OK)
        return code;
    uint8_t head[STORE_RECORD_HEAD_BYTES];
    store__record_head(op->key, op->packed, apply->sequence, head);
    return put(apply, op->key, span_of(head, sizeof head), op->packed, status);
}

static enum rpc_code apply_delete(struct store_apply *apply, const struct store_commit_op *op,
                                  const struct old_record *old, struct rpc_status *status)
{
    if (!old->exists)
        return RPC_OK;
    enum rpc_code code = move_entries(apply, op, old, status);
    if (code != RPC_OK)
        return code;
    return drop(apply, op->key, old->stored, status);
}

static enum rpc_code apply_add(struct store_apply *apply, const struct store_commit_op *op,
                               int64_t *ret_value, struct rpc_status *status)
{
    struct old_record old;
    enum rpc_code code = get_old(apply, op->key, &old, status);
    int64_t value = 0;
    if (code == RPC_OK && old.exists)
        code = store__counter_unpack(old.packed, &value, status);
    if (code != RPC_OK)
        return code;
    if (__builtin_add_overflow(value, op->delta, &value))
        return rpc_status_set(status, RPC_OUT_OF_RANGE, "the counter would overflow");
    code = note(apply, op->key, old.exists ? &old.stored : NULL, status);
    if (code != RPC_OK)
        return code;
    uint8_t bytes[STORE_COUNTER_BYTES];
    uint8_t head[STORE_RECORD_HEAD_BYTES];
    store__counter_pack(value, bytes);
    store__record_head(op->key, span_of(bytes, sizeof bytes), apply->sequence, head);
    code = put(apply, op->key, span_of(head, sizeof head), span_of(bytes, sizeof bytes), status);
    if (code == RPC_OK)
        *ret_value = value;
    return code;
}

static enum rpc_code apply_op(struct store_apply *apply, const struct store_commit_op *op,
                              Lotcast__V1__CommitResult *result, struct rpc_status *status)
{
    if (op->kind == LOTCAST__V1__COMMIT_OP__KIND_ADD)
        return apply_add(apply, op, &result->value, status);
    struct old_record old;
    enum rpc_code code = get_old(apply, op->key, &old, status);
    if (code == RPC_OK)
        code = check(op, &old, status);
    if (code != RPC_OK || op->kind == LOTCAST__V1__COMMIT_OP__KIND_CHECK)
        return code;
    if (op->kind == LOTCAST__V1__COMMIT_OP__KIND_DELETE)
        return apply_delete(apply, op, &old, status);
    result->version = apply->sequence;
    return apply_put(apply, op, &old, status);
}

static void mark_stamps(struct store_apply *apply, const struct store_commit_work *work)
{
    for (size_t i = 0; i < work->op_count; i++) {
        const struct store_commit_op *op = &work->ops[i];
        if (op->kind != LOTCAST__V1__COMMIT_OP__KIND_PUT &&
            op->kind != LOTCAST__V1__COMMIT_OP__KIND_DELETE)
            continue;
        store__stamp_mark(&apply->marks, store__stamp_of_key(op->table, op->key));
        store__stamp_mark(&apply->marks, store__stamp_of_table(op->table));
    }
}

enum rpc_code store__commit_apply(struct store_apply *apply, struct store_commit_work *work,
                                  struct rpc_status *status)
{
    enum rpc_code code = RPC_OK;
    apply->sequence++;
    for (size_t i = 0; i < work->op_count && code == RPC_OK; i++) {
        code = apply_op(apply, &work->ops[i], work->response->results[i], status);
        if (code == RPC_ABORTED && !apply->poisoned)
            store__status_field(status, "ops[%zu]", i);
    }
    if (code == RPC_OK)
        mark_stamps(apply, work);
    else
        take_back(apply);
    apply->undo_count = 0;
    arena_reset(&apply->scratch);
    return code;
}
