/*
 * What an index keeps in its entries beside the key, so that queries need not open records:
 *
 *   1 (the form, u8), each covered number as 8 bytes (as in keys), each searched text folded and
 *   ended by a newline, which a folded text has none of
 *
 * Immutable where it lies; any thread.
 */
#ifndef STORE_ENTRY_H
#define STORE_ENTRY_H

#include "store/record.h"

/* A folded text in an entry at most, in bytes: what is behind is not found. */
#define STORE_SEARCH_TEXT_BYTES_MAX 1024
#define STORE_ENTRY_BYTES_MAX                    \
    (1 + STORE_COVERS_MAX * STORE_NUMBER_BYTES + \
     STORE_SEARCH_FIELDS_MAX * (STORE_SEARCH_TEXT_BYTES_MAX + 1))

struct store_entry_buffer {
    uint8_t data[STORE_ENTRY_BYTES_MAX];
    size_t len;
};

/* Whether an index's entries keep anything of this kind. */
static inline bool store__entry_has_value(const struct store_index *index)
{
    return index->cover_count + index->search_count > 0;
}

/* Writes what the index keeps of a record, by the values of its table's fields. False when out of
 * memory. */
bool store__entry_pack(const struct store_index *index, const struct store_value *values,
                       struct store_entry_buffer *ret_kept) __attribute__((warn_unused_result));

/* Whether an entry's value is as long as its index's form wants: check before reading it. */
bool store__entry_valid(const struct store_index *index, struct span kept);
/* The covered number of this place in index->covers. */
int64_t store__entry_number(struct span kept, size_t cover);
/* All searched texts, one behind the other, each with a newline. */
struct span store__entry_texts(const struct store_index *index, struct span kept);
/* The searched text of this place in index->search; empty if the entry is broken. */
struct span store__entry_text(const struct store_index *index, struct span kept, size_t search);

#endif
