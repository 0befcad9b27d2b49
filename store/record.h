/*
 * Tables, made from the registry: which fields of a packed record are its key and its indexes'
 * keys. And the form in which a record lies in the engine.
 *
 *   table, 0, primary key        → format u8, version u64, crc32 u32 (big endian), packed record
 *   table, index, fields         → primary key parts               (a unique index)
 *   table, index, fields, primary key → nothing, or what the index covers (entry.h)
 *
 * The checksum is over key, version and record, since LMDB has none of its own: a page that came
 * back wrong is RPC_DATA_LOSS, never somebody else's record.
 *
 * Immutable once made; any thread.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "lotcast/v1/store.pb-c.h"
#include "rpc/registry.h"
#include "store/key.h"
#include "store/wire.h"

/* Fields of a primary key, and of an index, at most. */
#define STORE_FIELDS_MAX 4
/* An index's fields and the primary key behind them. */
#define STORE_COLUMNS_MAX (2 * STORE_FIELDS_MAX)
/* Numbers that an index covers, and texts that it is searched by, at most. */
#define STORE_COVERS_MAX 8
#define STORE_SEARCH_FIELDS_MAX 8
/* A packed record at most, in bytes: one always fits into an answer. */
#define STORE_RECORD_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define STORE_RECORD_HEAD_BYTES 13

struct store_column {
    size_t slot;           /* in the table's fields */
    size_t text_bytes_max; /* a longer text is cut; STORE_TEXT_UNCUT in a primary key */
};

/* An order of a table's records: the primary key (id 0) or an index. */
struct store_index {
    const struct store_table *table;
    uint32_t id;
    const char *name; /* "primary" for the primary key */
    bool unique;
    bool sparse;
    size_t field_count;  /* columns that are the index's own */
    size_t column_count; /* with the primary key's behind them, unless unique */
    struct store_column columns[STORE_COLUMNS_MAX];
    size_t cover_count;
    size_t covers[STORE_COVERS_MAX]; /* slots */
    size_t search_count;
    size_t search[STORE_SEARCH_FIELDS_MAX]; /* slots */
};

struct store_table {
    uint32_t id;
    uint32_t partition; /* the number of its group of tables: the lowest id of them (stamp.h) */
    const char *name;
    const ProtobufCMessageDescriptor *record;
    /* The fields that keys are made of, each once, and their kinds. */
    size_t field_count;
    const ProtobufCFieldDescriptor *fields[STORE_WIRE_FIELDS_MAX];
    enum store_kind kinds[STORE_WIRE_FIELDS_MAX];
    struct store_index primary;
    size_t index_count;
    struct store_index *indexes;
};

struct store_tables {
    size_t count;
    struct store_table *tables; /* in order of their ids */
};

/*
 * Makes the tables of the registry, whose texts they borrow. RPC_FAILED_PRECONDITION for a key that
 * the store cannot keep: too many fields, a float, an unsigned 64-bit number, an id out of range.
 */
enum rpc_code store__tables_create(const struct registry *registry, struct store_tables *ret_tables,
                                   struct rpc_status *status) __attribute__((warn_unused_result));
void store__tables_destroy(struct store_tables *tables);
/* By id; NULL if there is none. */
const struct store_table *store__table_find(const struct store_tables *tables, uint32_t id);
/* By id, 0 for the primary key; NULL if there is none. */
const struct store_index *store__index_find(const struct store_table *table, uint32_t id);

/* The values of the table's fields in a packed record; false if it is not well formed. */
bool store__record_values(const struct store_table *table, struct span packed,
                          struct store_value ret_values[static STORE_WIRE_FIELDS_MAX])
    __attribute__((warn_unused_result));

/* Writes the record's key. RPC_INVALID_ARGUMENT, naming a field, if it is too long. */
enum rpc_code store__primary_key(const struct store_table *table, const struct store_value *values,
                                 struct store_key_buffer *ret_key, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Writes the record's entry in an index; false if a sparse index leaves it out. Always fits. */
bool store__index_key(const struct store_index *index, const struct store_value *values,
                      struct store_key_buffer *ret_key);

/*
 * Appends the part for a column of an index to a key: what callers ask for. RPC_INVALID_ARGUMENT if
 * its kind is not the column's field's, or the key becomes too long.
 */
enum rpc_code store__key_append_part(const struct store_index *index, size_t column,
                                     const Lotcast__V1__KeyPart *part, struct store_key_buffer *key,
                                     struct rpc_status *status) __attribute__((warn_unused_result));
/* The value of a part; false if it has none. */
bool store__value_of_part(const Lotcast__V1__KeyPart *part, struct store_value *ret_value);

/* The primary key parts in an index's entry; empty if the entry is broken. */
struct span store__entry_primary(const struct store_index *index, const struct store_entry *entry);

/* Table 0 is the store's own; its indexes hold: */
enum store_own {
    STORE_OWN_STATE = 0,    /* "format", "sequence" */
    STORE_OWN_SCHEMA = 1,   /* table and index → its definition (schema.c) */
    STORE_OWN_COUNTERS = 2, /* name → number */
};
/* The key of a thing of the store's own. */
void store__own_key(enum store_own index, const char *name, struct store_key_buffer *ret_key);

/* A counter's value, 8 bytes in a record's form. */
#define STORE_COUNTER_BYTES 8
void store__counter_pack(int64_t value, uint8_t bytes[static STORE_COUNTER_BYTES]);
/* RPC_DATA_LOSS if the bytes are no counter. */
enum rpc_code store__counter_unpack(struct span packed, int64_t *ret_value,
                                    struct rpc_status *status) __attribute__((warn_unused_result));

/* What is written before the packed record. */
void store__record_head(struct span key, struct span packed, uint64_t version,
                        uint8_t head[static STORE_RECORD_HEAD_BYTES]);
/* Takes a stored value apart. RPC_DATA_LOSS if it is not what was written. */
enum rpc_code store__record_open(struct span key, struct span stored, struct span *ret_packed,
                                 uint64_t *ret_version, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* An INVALID_ARGUMENT that names a field. */
enum rpc_code store__invalid(struct rpc_status *status, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Names the field of a status that is set already. */
void store__status_field(struct rpc_status *status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
