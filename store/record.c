#include "store/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define FORMAT_1 1
#define VERSION_BYTES 8

/* --- statuses --- */

void store__status_field(struct rpc_status *status, const char *format, ...)
{
    if (status == NULL)
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(status->field, sizeof status->field, format, args);
    va_end(args);
}

enum rpc_code store__invalid(struct rpc_status *status, const char *field, const char *format, ...)
{
    char message[RPC_STATUS_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    (void)rpc_status_set(status, RPC_INVALID_ARGUMENT, "%s", message);
    store__status_field(status, "%s", field);
    return RPC_INVALID_ARGUMENT;
}

/* --- tables --- */

static enum rpc_code refuse(struct rpc_status *status, const struct store_table *table,
                            const char *key, const char *why)
{
    return rpc_status_set(status, RPC_FAILED_PRECONDITION, "table %s, %s: %s", table->name, key,
                          why);
}

static bool is_unsigned_64(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_UINT64 || field->type == PROTOBUF_C_TYPE_FIXED64;
}

/* The slot of a field, made if there is none yet. */
static enum rpc_code slot_of(struct store_table *table, const char *key, const char *name,
                             size_t *ret_slot, struct rpc_status *status)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(table->record, name);
    if (field == NULL)
        return refuse(status, table, key, "a key field does not exist");
    for (size_t slot = 0; slot < table->field_count; slot++) {
        if (table->fields[slot] == field) {
            *ret_slot = slot;
            return RPC_OK;
        }
    }
    if (table->field_count == STORE_WIRE_FIELDS_MAX)
        return refuse(status, table, key, "too many key fields");
    if (!store__wire_kind(field, &table->kinds[table->field_count]) || is_unsigned_64(field))
        return refuse(status, table, key,
                      "a key field is no text, bytes, bool, enum or integer up to 64 bits signed");
    *ret_slot = table->field_count++;
    table->fields[*ret_slot] = field;
    return RPC_OK;
}

static enum rpc_code add_columns(struct store_table *table, struct store_index *index,
                                 char *const *names, size_t count, struct rpc_status *status)
{
    if (count == 0 || count > STORE_FIELDS_MAX)
        return refuse(status, table, index->name, "a key has 1 to 4 fields");
    for (size_t i = 0; i < count; i++) {
        size_t slot = 0;
        enum rpc_code code = slot_of(table, index->name, names[i], &slot, status);
        if (code != RPC_OK)
            return code;
        index->columns[i] = (struct store_column){slot, STORE_TEXT_UNCUT};
    }
    index->field_count = count;
    index->column_count = count;
    return RPC_OK;
}

/* The slots of fields of one kind that are kept in an index's entries. */
static enum rpc_code add_kept(struct store_table *table, const struct store_index *index,
                              char *const *names, size_t count, size_t max, enum store_kind kind,
                              size_t *ret_slots, struct rpc_status *status)
{
    if (count > max || (count > 0 && index->unique))
        return refuse(
            status, table, index->name,
            "an index covers 8 fields and is searched by 8 at most, a unique one by none");
    for (size_t i = 0; i < count; i++) {
        enum rpc_code code = slot_of(table, index->name, names[i], &ret_slots[i], status);
        if (code != RPC_OK)
            return code;
        if (table->kinds[ret_slots[i]] != kind)
            return refuse(status, table, index->name,
                          "an index covers numbers and is searched by texts");
    }
    return RPC_OK;
}

/* Shares the room for an index's own fields among its texts. */
static void limit_texts(const struct store_table *table, struct store_index *index)
{
    size_t texts = 0;
    for (size_t i = 0; i < index->field_count; i++)
        texts += table->kinds[index->columns[i].slot] != STORE_KIND_NUMBER;
    if (texts == 0)
        return;
    size_t numbers = index->field_count - texts;
    size_t room = (STORE_INDEX_BYTES_MAX - numbers * STORE_NUMBER_BYTES) / texts -
                  STORE_TEXT_END_BYTES - STORE_TEXT_HASH_BYTES;
    for (size_t i = 0; i < index->field_count; i++) {
        if (table->kinds[index->columns[i].slot] != STORE_KIND_NUMBER)
            index->columns[i].text_bytes_max = room;
    }
}

static enum rpc_code make_index(struct store_table *table, struct store_index *index,
                                const Lotcast__V1__IndexRules *rules, struct rpc_status *status)
{
    *index = (struct store_index){.table = table,
                                  .id = rules->id,
                                  .name = rules->name,
                                  .unique = rules->unique,
                                  .sparse = rules->sparse};
    if (rules->id == 0 || rules->id >= STORE_ID_LIMIT)
        return refuse(status, table, index->name, "an index id is 1 to 65534");
    enum rpc_code code = add_columns(table, index, rules->fields, rules->n_fields, status);
    if (code != RPC_OK)
        return code;
    limit_texts(table, index);
    code = add_kept(table, index, rules->covers, rules->n_covers, STORE_COVERS_MAX,
                    STORE_KIND_NUMBER, index->covers, status);
    if (code == RPC_OK)
        code = add_kept(table, index, rules->search, rules->n_search, STORE_SEARCH_FIELDS_MAX,
                        STORE_KIND_TEXT, index->search, status);
    if (code != RPC_OK)
        return code;
    index->cover_count = rules->n_covers;
    index->search_count = rules->n_search;
    if (index->unique)
        return RPC_OK;
    for (size_t i = 0; i < table->primary.field_count; i++)
        index->columns[index->column_count++] = table->primary.columns[i];
    return RPC_OK;
}

static enum rpc_code make_table(const struct registry_message *message, struct store_table *table,
                                struct rpc_status *status)
{
    const Lotcast__V1__TableRules *rules = message->table;
    table->id = rules->id;
    table->name = rules->name;
    table->record = message->descriptor;
    table->primary = (struct store_index){.table = table, .name = "primary", .unique = true};
    if (rules->id == 0 || rules->id >= STORE_ID_LIMIT)
        return refuse(status, table, "id", "a table id is 1 to 65534");
    enum rpc_code code =
        add_columns(table, &table->primary, rules->primary_key, rules->n_primary_key, status);
    if (code != RPC_OK)
        return code;
    table->indexes = calloc(rules->n_indexes + 1, sizeof *table->indexes);
    if (table->indexes == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < rules->n_indexes; i++) {
        code = make_index(table, &table->indexes[i], rules->indexes[i], status);
        if (code != RPC_OK)
            return code;
        table->index_count++;
    }
    return RPC_OK;
}

/* The lowest id of the tables that share its partitions; its own where none is named. */
static uint32_t partition_of(const struct registry *registry, const Lotcast__V1__TableRules *rules)
{
    for (size_t i = 0; i < registry_table_count(registry) && rules->partition[0] != '\0'; i++) {
        const Lotcast__V1__TableRules *other = registry_table_at(registry, i)->table;
        if (strcmp(other->partition, rules->partition) == 0)
            return other->id;
    }
    return rules->id;
}

enum rpc_code store__tables_create(const struct registry *registry, struct store_tables *ret_tables,
                                   struct rpc_status *status)
{
    struct store_tables made = {.count = registry_table_count(registry)};
    made.tables = calloc(made.count + 1, sizeof *made.tables);
    if (made.tables == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < made.count; i++) {
        enum rpc_code code = make_table(registry_table_at(registry, i), &made.tables[i], status);
        if (code != RPC_OK) {
            store__tables_destroy(&made);
            return code;
        }
        made.tables[i].partition = partition_of(registry, registry_table_at(registry, i)->table);
    }
    *ret_tables = made;
    return RPC_OK;
}

void store__tables_destroy(struct store_tables *tables)
{
    for (size_t i = 0; i < tables->count && tables->tables != NULL; i++)
        free(tables->tables[i].indexes);
    free(tables->tables);
    *tables = (struct store_tables){0};
}

const struct store_table *store__table_find(const struct store_tables *tables, uint32_t id)
{
    size_t low = 0;
    size_t high = tables->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tables->tables[middle].id == id)
            return &tables->tables[middle];
        if (tables->tables[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct store_index *store__index_find(const struct store_table *table, uint32_t id)
{
    if (id == 0)
        return &table->primary;
    for (size_t i = 0; i < table->index_count; i++) {
        if (table->indexes[i].id == id)
            return &table->indexes[i];
    }
    return NULL;
}

/* --- keys of records --- */

bool store__record_values(const struct store_table *table, struct span packed,
                          struct store_value ret_values[static STORE_WIRE_FIELDS_MAX])
{
    return store__wire_extract(packed, table->fields, table->field_count, ret_values);
}

static enum rpc_code too_long(const struct store_table *table, size_t slot,
                              struct rpc_status *status)
{
    const char *field = table->fields[slot]->name;
    return store__invalid(status, field, "%s is too long for the key of %s", field, table->name);
}

enum rpc_code store__primary_key(const struct store_table *table, const struct store_value *values,
                                 struct store_key_buffer *ret_key, struct rpc_status *status)
{
    struct store_key_buffer key;
    size_t longest = table->primary.columns[0].slot;
    store__key_begin(&key, table->id, 0);
    for (size_t i = 0; i < table->primary.field_count; i++) {
        size_t slot = table->primary.columns[i].slot;
        store__key_append(&key, &values[slot], STORE_TEXT_UNCUT);
        if (values[slot].data.len > values[longest].data.len)
            longest = slot;
    }
    if (key.failed || key.len > STORE_KEY_PREFIX_BYTES + STORE_PRIMARY_BYTES_MAX)
        return too_long(table, longest, status);
    *ret_key = key;
    return RPC_OK;
}

bool store__index_key(const struct store_index *index, const struct store_value *values,
                      struct store_key_buffer *ret_key)
{
    const struct store_value *first = &values[index->columns[0].slot];
    if (index->sparse && first->number == 0 && first->data.len == 0)
        return false;
    store__key_begin(ret_key, index->table->id, index->id);
    for (size_t i = 0; i < index->column_count; i++)
        store__key_append(ret_key, &values[index->columns[i].slot],
                          index->columns[i].text_bytes_max);
    return true;
}

bool store__value_of_part(const Lotcast__V1__KeyPart *part, struct store_value *ret_value)
{
    switch (part->kind_case) {
    case LOTCAST__V1__KEY_PART__KIND_NUMBER:
        *ret_value = (struct store_value){.kind = STORE_KIND_NUMBER, .number = part->number};
        return true;
    case LOTCAST__V1__KEY_PART__KIND_TEXT:
        *ret_value =
            (struct store_value){.kind = STORE_KIND_TEXT, .data = span_of_string(part->text)};
        return true;
    case LOTCAST__V1__KEY_PART__KIND_DATA:
        *ret_value = (struct store_value){.kind = STORE_KIND_DATA,
                                          .data = {part->data.data, part->data.len}};
        return true;
    case LOTCAST__V1__KEY_PART__KIND__NOT_SET:
    case _LOTCAST__V1__KEY_PART__KIND__CASE_IS_INT_SIZE:
    default:
        return false;
    }
}

enum rpc_code store__key_append_part(const struct store_index *index, size_t column,
                                     const Lotcast__V1__KeyPart *part, struct store_key_buffer *key,
                                     struct rpc_status *status)
{
    struct store_value value;
    const struct store_table *table = index->table;
    const struct store_column *into = &index->columns[column];
    const char *field = table->fields[into->slot]->name;
    if (!store__value_of_part(part, &value) || value.kind != table->kinds[into->slot])
        return store__invalid(status, field, "a key part of %s is not of the kind of %s",
                              table->name, field);
    store__key_append(key, &value, into->text_bytes_max);
    return key->failed ? too_long(table, into->slot, status) : RPC_OK;
}

struct span store__entry_primary(const struct store_index *index, const struct store_entry *entry)
{
    if (index->unique)
        return entry->value;
    struct span key = entry->key;
    size_t at = STORE_KEY_PREFIX_BYTES;
    for (size_t i = 0; i < index->field_count; i++) {
        enum store_kind kind = index->table->kinds[index->columns[i].slot];
        struct span rest = key.len < at ? (struct span){0} : span_of(key.data + at, key.len - at);
        size_t len = store__key_part_length(rest, kind);
        if (len == 0)
            return (struct span){0};
        at += len;
    }
    return (struct span){key.data + at, key.len - at};
}

void store__own_key(enum store_own index, const char *name, struct store_key_buffer *ret_key)
{
    const struct store_value value = {.kind = STORE_KIND_TEXT, .data = span_of_string(name)};
    store__key_begin(ret_key, 0, (uint32_t)index);
    store__key_append(ret_key, &value, STORE_TEXT_UNCUT);
}

/* --- the stored form --- */

static void put_be(uint8_t *bytes, uint64_t value, size_t width)
{
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
}

static uint64_t get_be(const uint8_t *bytes, size_t width)
{
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | bytes[i];
    return value;
}

void store__counter_pack(int64_t value, uint8_t bytes[static STORE_COUNTER_BYTES])
{
    put_be(bytes, (uint64_t)value, STORE_COUNTER_BYTES);
}

enum rpc_code store__counter_unpack(struct span packed, int64_t *ret_value,
                                    struct rpc_status *status)
{
    if (packed.len != STORE_COUNTER_BYTES)
        return rpc_status_set(status, RPC_DATA_LOSS, "a stored counter has no known format");
    *ret_value = (int64_t)get_be(packed.data, STORE_COUNTER_BYTES);
    return RPC_OK;
}

static uint32_t checksum(struct span key, const uint8_t *version, struct span packed)
{
    uLong crc = crc32_z(0, key.data, key.len);
    crc = crc32_z(crc, version, VERSION_BYTES);
    if (packed.len > 0)
        crc = crc32_z(crc, packed.data, packed.len);
    return (uint32_t)crc;
}

void store__record_head(struct span key, struct span packed, uint64_t version,
                        uint8_t head[static STORE_RECORD_HEAD_BYTES])
{
    head[0] = FORMAT_1;
    put_be(head + 1, version, VERSION_BYTES);
    put_be(head + 1 + VERSION_BYTES, checksum(key, head + 1, packed), 4);
}

enum rpc_code store__record_open(struct span key, struct span stored, struct span *ret_packed,
                                 uint64_t *ret_version, struct rpc_status *status)
{
    if (stored.len < STORE_RECORD_HEAD_BYTES || stored.data[0] != FORMAT_1)
        return rpc_status_set(status, RPC_DATA_LOSS, "a stored record has no known format");
    struct span packed = {stored.data + STORE_RECORD_HEAD_BYTES,
                          stored.len - STORE_RECORD_HEAD_BYTES};
    uint32_t crc = (uint32_t)get_be(stored.data + 1 + VERSION_BYTES, 4);
    if (crc != checksum(key, stored.data + 1, packed))
        return rpc_status_set(status, RPC_DATA_LOSS, "a stored record fails its checksum");
    *ret_version = get_be(stored.data + 1, VERSION_BYTES);
    *ret_packed = packed;
    return RPC_OK;
}
