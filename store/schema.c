/*
 * A definition is kept for each table (as its index 0) and each index, in the form of a record
 * whose bytes are two lines: the name, and the fields as number:kind with "unique" and "sparse"
 * before them. Texts, so that a refusal can show the old and the new one.
 *
 * Order, so that a stop at any point is harmless: all checks; the definitions of dropped indexes
 * go; entries of indexes without a definition go; new indexes are filled, a batch a transaction;
 * the new definitions are written. An index without a definition counts as empty, whatever lies
 * there.
 */
#include "store/schema.h"

#include <stdio.h>

#include "rpc/base/arena.h"
#include "store/entry.h"

/* Records or entries of one transaction while an index is built or dropped. */
#define BATCH_ROWS 5000
/* Attempts of one transaction: the map grows between them. */
#define ATTEMPTS_MAX 64
/* A definition, in bytes. */
#define DEFINITION_BYTES 512

struct definition {
    char text[DEFINITION_BYTES];
    size_t name_len; /* the fields are behind it and a newline */
};

struct schema {
    struct store_engine *engine;
    const struct store_tables *tables;
    struct rpc_status *status;
};

/* --- definitions --- */

static const char *kind_name(enum store_kind kind)
{
    static const char *const names[] = {"number", "text", "data"};
    return names[kind];
}

static void append_text(struct definition *definition, size_t *len, const char *text)
{
    int added = snprintf(definition->text + *len, sizeof definition->text - *len, "%s", text);
    *len += added < 0 ? 0 : (size_t)added;
    if (*len >= sizeof definition->text)
        *len = sizeof definition->text - 1;
}

/* Fields by their numbers, behind a word. */
static void append_kept(struct definition *definition, size_t *len, const struct store_index *index,
                        const char *word, const size_t *slots, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char field[32];
        (void)snprintf(field, sizeof field, "%s%u", i == 0 ? word : ",",
                       index->table->fields[slots[i]]->id);
        append_text(definition, len, field);
    }
}

static void define(const struct store_index *index, struct definition *ret_definition)
{
    const struct store_table *table = index->table;
    size_t len = 0;
    *ret_definition = (struct definition){.name_len = 0};
    append_text(ret_definition, &len, index->id == 0 ? table->name : index->name);
    ret_definition->name_len = len;
    append_text(ret_definition, &len, "\n");
    if (index->id != 0 && index->unique)
        append_text(ret_definition, &len, "unique ");
    if (index->sparse)
        append_text(ret_definition, &len, "sparse ");
    for (size_t i = 0; i < index->field_count; i++) {
        char field[32];
        size_t slot = index->columns[i].slot;
        (void)snprintf(field, sizeof field, "%s%u:%s", i == 0 ? "" : ",", table->fields[slot]->id,
                       kind_name(table->kinds[slot]));
        append_text(ret_definition, &len, field);
    }
    append_kept(ret_definition, &len, index, " covers ", index->covers, index->cover_count);
    append_kept(ret_definition, &len, index, " search ", index->search, index->search_count);
}

static void definition_key(uint32_t table, uint32_t index, struct store_key_buffer *ret_key)
{
    const struct store_value parts[] = {{.kind = STORE_KIND_NUMBER, .number = table},
                                        {.kind = STORE_KIND_NUMBER, .number = index}};
    store__key_begin(ret_key, 0, STORE_OWN_SCHEMA);
    store__key_append(ret_key, &parts[0], STORE_TEXT_UNCUT);
    store__key_append(ret_key, &parts[1], STORE_TEXT_UNCUT);
}

/* The stored record at a key, copied as text. RPC_NOT_FOUND if there is none. */
static enum rpc_code read_text(const struct schema *schema, struct store_txn *txn, struct span key,
                               char text[static DEFINITION_BYTES])
{
    struct span stored;
    struct span packed;
    uint64_t version;
    enum rpc_code code = schema->engine->ops->get(txn, key, &stored, schema->status);
    if (code != RPC_OK)
        return code;
    code = store__record_open(key, stored, &packed, &version, schema->status);
    if (code != RPC_OK)
        return code;
    if (packed.len >= DEFINITION_BYTES)
        return rpc_status_set(schema->status, RPC_DATA_LOSS, "a stored definition is broken");
    if (packed.len > 0)
        memcpy(text, packed.data, packed.len);
    text[packed.len] = '\0';
    return RPC_OK;
}

static enum rpc_code write_text(const struct schema *schema, struct store_txn *txn, struct span key,
                                const char *text)
{
    uint8_t head[STORE_RECORD_HEAD_BYTES];
    struct span packed = span_of_string(text);
    store__record_head(key, packed, 0, head);
    return schema->engine->ops->put(txn, key, span_of(head, sizeof head), packed, schema->status);
}

static const char *fields_of(const char *text)
{
    const char *newline = strchr(text, '\n');
    return newline == NULL ? "" : newline + 1;
}

/* --- the checks, in one snapshot --- */

static enum rpc_code check_table(const struct schema *schema, struct store_txn *txn,
                                 const struct store_table *table)
{
    char stored[DEFINITION_BYTES];
    struct definition now;
    struct store_key_buffer key;
    define(&table->primary, &now);
    definition_key(table->id, 0, &key);
    enum rpc_code code = read_text(schema, txn, store__key_span(&key), stored);
    if (code == RPC_NOT_FOUND)
        return RPC_OK;
    if (code != RPC_OK || strcmp(stored, now.text) == 0)
        return code;
    if (strcmp(fields_of(stored), fields_of(now.text)) != 0)
        return rpc_status_set(schema->status, RPC_FAILED_PRECONDITION,
                              "the primary key of table %s is %s in the data and %s in this "
                              "program: a new key needs a new table id",
                              table->name, fields_of(stored), fields_of(now.text));
    return rpc_status_set(schema->status, RPC_FAILED_PRECONDITION,
                          "table %u is %.*s in the data and %s in this program: ids are not reused",
                          table->id, (int)strcspn(stored, "\n"), stored, table->name);
}

static enum rpc_code check_index(const struct schema *schema, struct store_txn *txn,
                                 const struct store_index *index)
{
    const struct store_table *table = index->table;
    char stored[DEFINITION_BYTES];
    struct definition now;
    struct store_key_buffer key;
    define(index, &now);
    definition_key(table->id, index->id, &key);
    enum rpc_code code = read_text(schema, txn, store__key_span(&key), stored);
    if (code == RPC_NOT_FOUND)
        return RPC_OK;
    if (code != RPC_OK || strcmp(fields_of(stored), fields_of(now.text)) == 0)
        return code; /* a new name changes nothing */
    return rpc_status_set(schema->status, RPC_FAILED_PRECONDITION,
                          "index %u (%s) of table %s is \"%s\" in the data and \"%s\" in this "
                          "program: a new meaning needs a new id",
                          index->id, index->name, table->name, fields_of(stored),
                          fields_of(now.text));
}

static enum rpc_code check_format(const struct schema *schema, struct store_txn *txn)
{
    char stored[DEFINITION_BYTES];
    char now[16];
    struct store_key_buffer key;
    store__own_key(STORE_OWN_STATE, "format", &key);
    (void)snprintf(now, sizeof now, "%d", STORE_FORMAT);
    enum rpc_code code = read_text(schema, txn, store__key_span(&key), stored);
    if (code == RPC_NOT_FOUND)
        return RPC_OK;
    if (code != RPC_OK || strcmp(stored, now) == 0)
        return code;
    return rpc_status_set(schema->status, RPC_FAILED_PRECONDITION,
                          "the data are in format %.16s, and this program knows format %s", stored,
                          now);
}

static enum rpc_code check_all(const struct schema *schema)
{
    struct store_txn *txn;
    enum rpc_code code = schema->engine->ops->read_begin(schema->engine, &txn, schema->status);
    if (code != RPC_OK)
        return code;
    code = check_format(schema, txn);
    for (size_t i = 0; i < schema->tables->count && code == RPC_OK; i++) {
        const struct store_table *table = &schema->tables->tables[i];
        code = check_table(schema, txn, table);
        for (size_t j = 0; j < table->index_count && code == RPC_OK; j++)
            code = check_index(schema, txn, &table->indexes[j]);
    }
    schema->engine->ops->read_end(txn);
    return code;
}

/* --- writing, a step a transaction --- */

/* One transaction's part of the work. Where it goes on lies in `place`. */
struct step {
    const struct schema *schema;
    struct store_txn *txn;
    const struct store_index *index;
    struct store_key_buffer place;
    bool wrote;
    bool is_done;
};

typedef enum rpc_code run_step(struct step *step);

static enum rpc_code run_once(struct step *step, run_step *run)
{
    const struct schema *schema = step->schema;
    const struct store_engine_ops *ops = schema->engine->ops;
    step->wrote = false;
    step->is_done = false;
    enum rpc_code code = ops->write_begin(schema->engine, &step->txn, schema->status);
    if (code != RPC_OK)
        return code;
    code = run(step);
    if (code == RPC_OK && step->wrote)
        return ops->write_commit(step->txn, schema->status);
    ops->write_abort(step->txn);
    return code;
}

/* Runs transactions until the work is done; each anew from its place while the map has to grow. */
static enum rpc_code run_all(struct step *step, run_step *run)
{
    do {
        const struct store_key_buffer begin = step->place;
        enum rpc_code code = RPC_ABORTED;
        for (int i = 0; i < ATTEMPTS_MAX && code == RPC_ABORTED; i++) {
            step->place = begin;
            code = run_once(step, run);
        }
        if (code != RPC_OK)
            return code;
    } while (!step->is_done);
    return RPC_OK;
}

/*
 * The entry at or behind the place that shares its first `prefix_bytes`; RPC_NOT_FOUND if there is
 * none. The key is copied, the value borrowed until the next write.
 */
static enum rpc_code next_entry(const struct step *step, size_t prefix_bytes,
                                struct store_key_buffer *ret_key, struct span *ret_value)
{
    const struct schema *schema = step->schema;
    const struct store_engine_ops *ops = schema->engine->ops;
    struct store_cursor *cursor;
    struct store_entry entry;
    enum rpc_code code = ops->cursor_open(step->txn, &cursor, schema->status);
    if (code != RPC_OK)
        return code;
    code = ops->cursor_at_or_after(cursor, store__key_span(&step->place), &entry, schema->status);
    if (code == RPC_OK && (entry.key.len < prefix_bytes ||
                           memcmp(entry.key.data, step->place.data, prefix_bytes) != 0))
        code = RPC_NOT_FOUND;
    if (code == RPC_OK) {
        ret_key->len = 0;
        ret_key->failed = false;
        store__key_append_raw(ret_key, entry.key);
        *ret_value = entry.value;
    }
    ops->cursor_close(cursor);
    return code;
}

/* Behind a key. Those of records and definitions are never of full length. */
static void go_behind(struct step *step, const struct store_key_buffer *key)
{
    step->place = *key;
    store__key_append_raw(&step->place, span_of("", 1));
}

static enum rpc_code remove_key(struct step *step, const struct store_key_buffer *key)
{
    const struct schema *schema = step->schema;
    step->wrote = true;
    return schema->engine->ops->remove(step->txn, store__key_span(key), schema->status);
}

static enum rpc_code clear(struct step *step)
{
    for (int i = 0; i < BATCH_ROWS; i++) {
        struct store_key_buffer key;
        struct span value;
        enum rpc_code code = next_entry(step, STORE_KEY_PREFIX_BYTES, &key, &value);
        step->is_done = code == RPC_NOT_FOUND;
        if (step->is_done)
            return RPC_OK;
        if (code == RPC_OK)
            code = remove_key(step, &key);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

static enum rpc_code clear_index(const struct schema *schema, uint32_t table, uint32_t index)
{
    struct step step = {.schema = schema};
    store__key_begin(&step.place, table, index);
    return run_all(&step, clear);
}

/* Enters one record into the index that is being built. */
static enum rpc_code enter(struct step *step, struct span key, struct span stored)
{
    const struct schema *schema = step->schema;
    const struct store_index *index = step->index;
    struct span packed;
    uint64_t version;
    struct store_value values[STORE_WIRE_FIELDS_MAX];
    struct store_key_buffer entry;
    enum rpc_code code = store__record_open(key, stored, &packed, &version, schema->status);
    if (code != RPC_OK)
        return code;
    if (!store__record_values(index->table, packed, values))
        return rpc_status_set(schema->status, RPC_DATA_LOSS, "a stored record of %s is broken",
                              index->table->name);
    if (!store__index_key(index, values, &entry))
        return RPC_OK;
    struct span value = {0};
    struct span holder;
    if (index->unique) {
        code =
            schema->engine->ops->get(step->txn, store__key_span(&entry), &holder, schema->status);
        if (code == RPC_OK)
            return rpc_status_set(schema->status, RPC_FAILED_PRECONDITION,
                                  "index %s of table %s is to be unique, but two records have the "
                                  "same values",
                                  index->name, index->table->name);
        if (code != RPC_NOT_FOUND)
            return code;
        value = (struct span){key.data + STORE_KEY_PREFIX_BYTES, key.len - STORE_KEY_PREFIX_BYTES};
    }
    struct store_entry_buffer kept;
    if (store__entry_has_value(index)) {
        if (!store__entry_pack(index, values, &kept))
            return rpc_status_set(schema->status, RPC_RESOURCE_EXHAUSTED, "out of memory");
        value = (struct span){kept.data, kept.len};
    }
    step->wrote = true;
    return schema->engine->ops->put(step->txn, store__key_span(&entry), (struct span){0}, value,
                                    schema->status);
}

static enum rpc_code build(struct step *step)
{
    for (int i = 0; i < BATCH_ROWS; i++) {
        struct store_key_buffer key;
        struct span stored;
        enum rpc_code code = next_entry(step, STORE_KEY_PREFIX_BYTES, &key, &stored);
        step->is_done = code == RPC_NOT_FOUND;
        if (step->is_done)
            return RPC_OK;
        if (code == RPC_OK)
            code = enter(step, store__key_span(&key), stored);
        if (code != RPC_OK)
            return code;
        go_behind(step, &key);
    }
    return RPC_OK;
}

static enum rpc_code build_index(const struct schema *schema, const struct store_index *index)
{
    enum rpc_code code = clear_index(schema, index->table->id, index->id);
    if (code != RPC_OK)
        return code;
    struct step step = {.schema = schema, .index = index};
    store__key_begin(&step.place, index->table->id, 0);
    return run_all(&step, build);
}

/* --- what there is to do --- */

/* Removes the definitions of a table's indexes that the registry has no more. */
static enum rpc_code forget(struct step *step)
{
    const size_t prefix = STORE_KEY_PREFIX_BYTES + STORE_NUMBER_BYTES;
    step->is_done = true;
    for (;;) {
        struct store_key_buffer key;
        struct span value;
        enum rpc_code code = next_entry(step, prefix, &key, &value);
        if (code != RPC_OK || key.len != prefix + STORE_NUMBER_BYTES)
            return code == RPC_NOT_FOUND ? RPC_OK : code;
        uint32_t id = (uint32_t)(key.data[key.len - 2] << 8 | key.data[key.len - 1]);
        if (store__index_find(step->index->table, id) == NULL)
            code = remove_key(step, &key);
        if (code != RPC_OK)
            return code;
        go_behind(step, &key);
    }
}

static enum rpc_code forget_dropped(const struct schema *schema, const struct store_table *table)
{
    struct step step = {.schema = schema, .index = &table->primary};
    definition_key(table->id, 0, &step.place);
    return run_all(&step, forget);
}

/* The lowest index of the table that is at least `from` and has entries; 0 if there is none. */
static enum rpc_code find_entries(const struct schema *schema, uint32_t table, uint32_t from,
                                  uint32_t *ret_index)
{
    struct step step = {.schema = schema};
    struct store_key_buffer key;
    struct span value;
    enum rpc_code code = schema->engine->ops->read_begin(schema->engine, &step.txn, schema->status);
    if (code != RPC_OK)
        return code;
    store__key_begin(&step.place, table, from);
    code = next_entry(&step, STORE_KEY_PREFIX_BYTES / 2, &key, &value);
    *ret_index = code == RPC_OK ? (uint32_t)(key.data[2] << 8 | key.data[3]) : 0;
    schema->engine->ops->read_end(step.txn);
    return code == RPC_NOT_FOUND ? RPC_OK : code;
}

static enum rpc_code clear_dropped(const struct schema *schema, const struct store_table *table)
{
    uint32_t index = 0;
    do {
        enum rpc_code code = find_entries(schema, table->id, index + 1, &index);
        if (code == RPC_OK && index != 0 && store__index_find(table, index) == NULL)
            code = clear_index(schema, table->id, index);
        if (code != RPC_OK)
            return code;
    } while (index != 0 && index + 1 < STORE_ID_LIMIT);
    return RPC_OK;
}

static enum rpc_code is_defined(const struct schema *schema, uint32_t table, uint32_t index,
                                bool *ret_defined)
{
    struct store_txn *txn;
    struct store_key_buffer key;
    struct span value;
    enum rpc_code code = schema->engine->ops->read_begin(schema->engine, &txn, schema->status);
    if (code != RPC_OK)
        return code;
    definition_key(table, index, &key);
    code = schema->engine->ops->get(txn, store__key_span(&key), &value, schema->status);
    schema->engine->ops->read_end(txn);
    *ret_defined = code == RPC_OK;
    return code == RPC_NOT_FOUND ? RPC_OK : code;
}

static enum rpc_code write_if_new(struct step *step, const struct store_key_buffer *key,
                                  const char *text)
{
    char stored[DEFINITION_BYTES];
    enum rpc_code code = read_text(step->schema, step->txn, store__key_span(key), stored);
    if (code == RPC_OK && strcmp(stored, text) == 0)
        return RPC_OK;
    if (code != RPC_OK && code != RPC_NOT_FOUND)
        return code;
    step->wrote = true;
    return write_text(step->schema, step->txn, store__key_span(key), text);
}

static enum rpc_code write_definitions(struct step *step)
{
    const struct store_tables *tables = step->schema->tables;
    struct store_key_buffer key;
    char format[16];
    step->is_done = true;
    (void)snprintf(format, sizeof format, "%d", STORE_FORMAT);
    store__own_key(STORE_OWN_STATE, "format", &key);
    enum rpc_code code = write_if_new(step, &key, format);
    for (size_t i = 0; i < tables->count; i++) {
        const struct store_table *table = &tables->tables[i];
        for (size_t j = 0; j <= table->index_count && code == RPC_OK; j++) {
            const struct store_index *index = j == 0 ? &table->primary : &table->indexes[j - 1];
            struct definition now;
            define(index, &now);
            definition_key(table->id, index->id, &key);
            code = write_if_new(step, &key, now.text);
        }
    }
    return code;
}

static enum rpc_code bring_in_step(const struct schema *schema, const struct store_table *table)
{
    enum rpc_code code = forget_dropped(schema, table);
    if (code == RPC_OK)
        code = clear_dropped(schema, table);
    for (size_t i = 0; i < table->index_count && code == RPC_OK; i++) {
        bool defined;
        code = is_defined(schema, table->id, table->indexes[i].id, &defined);
        if (code == RPC_OK && !defined)
            code = build_index(schema, &table->indexes[i]);
    }
    return code;
}

enum rpc_code store__schema_apply(struct store_engine *engine, const struct store_tables *tables,
                                  struct rpc_status *status)
{
    const struct schema schema = {engine, tables, status};
    enum rpc_code code = check_all(&schema);
    for (size_t i = 0; i < tables->count && code == RPC_OK; i++)
        code = bring_in_step(&schema, &tables->tables[i]);
    struct step step = {.schema = &schema};
    return code == RPC_OK ? run_all(&step, write_definitions) : code;
}
