/*
 * Keys: bytes whose order is the order of the values in them.
 *
 *   key     = table (u16) index (u16) part …           big endian; index 0 is the primary key
 *   number  = u64 big endian with the sign bit flipped
 *   text    = its bytes, 00 written as 00 FF, then 00 01      (bytes alike)
 *   cut text = its first bytes, then 00 02 and a 16 byte hash of all of it
 *
 * FF after 00 is above and 01 below every byte that can follow a text's end, so that a text sorts
 * before its own extensions whatever comes behind it. Texts are cut in index keys alone, since a
 * key has a maximum: two cut texts with the same beginning sort by their hashes, everything else
 * stays in order, and equality is exact but for a collision of the hash (BLAKE2b, 128 bits).
 *
 * This is the format on disk: a change needs a new STORE_FORMAT (schema.c).
 */
#ifndef STORE_KEY_H
#define STORE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/base/span.h"
#include "store/engine.h"

/* Table and index, in bytes. */
#define STORE_KEY_PREFIX_BYTES 4
/* The parts of a primary key together, in bytes: leaves room for the fields of an index before it.
 */
#define STORE_PRIMARY_BYTES_MAX 255
/* The parts of an index's own fields together, in bytes. */
#define STORE_INDEX_BYTES_MAX \
    (STORE_ENGINE_KEY_BYTES_MAX - STORE_KEY_PREFIX_BYTES - STORE_PRIMARY_BYTES_MAX)
#define STORE_NUMBER_BYTES 8
#define STORE_TEXT_END_BYTES 2
#define STORE_TEXT_HASH_BYTES 16
/* A text is never cut. */
#define STORE_TEXT_UNCUT SIZE_MAX

/* Tables and indexes have numbers below this. Table 0 is the store's own. */
#define STORE_ID_LIMIT 0xffff

enum store_kind { STORE_KIND_NUMBER, STORE_KIND_TEXT, STORE_KIND_DATA };

/* One value: numbers, bools and enums in `number`; texts and bytes in `data`, borrowed. */
struct store_value {
    enum store_kind kind;
    int64_t number;
    struct span data;
};

/* A key being written. Too much sets `failed`, and a text that was cut `is_cut`; both stick. */
struct store_key_buffer {
    uint8_t data[STORE_ENGINE_KEY_BYTES_MAX];
    size_t len;
    bool failed;
    bool is_cut;
};

static inline struct span store__key_span(const struct store_key_buffer *key)
{
    return (struct span){key->data, key->len};
}

/* Empties the key and writes table and index. */
void store__key_begin(struct store_key_buffer *key, uint32_t table, uint32_t index);
/* Appends bytes that are key parts already. */
void store__key_append_raw(struct store_key_buffer *key, struct span parts);
/*
 * Appends one part. A text of more than `text_bytes_max` bytes, escaped, is cut.
 */
void store__key_append(struct store_key_buffer *key, const struct store_value *value,
                       size_t text_bytes_max);
/*
 * Turns a key into the first that is behind every key which begins with it. The result is no key
 * itself, only a bound.
 */
void store__key_step_over(struct store_key_buffer *key);

/* Length of the part at the front of `parts`, 0 if there is no whole part of that kind. */
size_t store__key_part_length(struct span parts, enum store_kind kind);
/* Bytewise order: below 0, 0, above 0. */
int store__span_compare(struct span a, struct span b);
/* The order of values of one kind. */
int store__value_compare(const struct store_value *a, const struct store_value *b);

#endif
