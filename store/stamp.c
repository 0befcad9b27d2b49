#include "store/stamp.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits (RFC draft-eastlake-fnv). */
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

struct store_stamps {
    _Atomic uint64_t values[STORE_STAMPS];
};

struct store_stamps *store__stamps_create(void)
{
    struct store_stamps *stamps = malloc(sizeof *stamps);
    if (stamps == NULL)
        return NULL;
    uint64_t first;
    randombytes_buf(&first, sizeof first);
    first &= ~UINT64_C(1);
    for (size_t i = 0; i < STORE_STAMPS; i++)
        atomic_init(&stamps->values[i], first);
    return stamps;
}

void store__stamps_destroy(struct store_stamps *stamps)
{
    free(stamps);
}

static uint64_t hash(uint64_t seed, struct span bytes)
{
    uint64_t value = (FNV_BASIS ^ seed) * FNV_PRIME;
    for (size_t i = 0; i < bytes.len; i++)
        value = (value ^ bytes.data[i]) * FNV_PRIME;
    return value;
}

/* FNV's low bits are the weak ones. */
static size_t fold(uint64_t value)
{
    return (size_t)((value ^ value >> 32) * FNV_PRIME >> 40) % STORE_STAMPS;
}

size_t store__stamp_of_key(const struct store_table *table, struct span key)
{
    struct span parts =
        span_of(key.data + STORE_KEY_PREFIX_BYTES, key.len - STORE_KEY_PREFIX_BYTES);
    enum store_kind kind = table->kinds[table->primary.columns[0].slot];
    parts.len = store__key_part_length(parts, kind);
    return fold(hash(table->partition, parts));
}

size_t store__stamp_of_table(const struct store_table *table)
{
    /* No partition has a number as high. */
    return fold(hash((uint64_t)table->id << 32, (struct span){0}));
}

uint64_t store__stamp_read(const struct store_stamps *stamps, size_t stamp)
{
    uint64_t value = atomic_load(&stamps->values[stamp]);
    return (value & 1) != 0 ? 0 : value;
}

void store__stamp_mark(struct store_stamp_marks *marks, size_t stamp)
{
    marks->bits[stamp / STORE_STAMP_MARK_BITS] |= UINT64_C(1) << stamp % STORE_STAMP_MARK_BITS;
}

/* Adds 1 to all that are marked: from even to odd, and back. */
static void step(struct store_stamps *stamps, const struct store_stamp_marks *marks)
{
    for (size_t word = 0; word < STORE_STAMPS / STORE_STAMP_MARK_BITS; word++) {
        uint64_t bits = marks->bits[word];
        while (bits != 0) {
            size_t bit = (size_t)__builtin_ctzll(bits);
            bits &= bits - 1;
            (void)atomic_fetch_add(&stamps->values[word * STORE_STAMP_MARK_BITS + bit], 1);
        }
    }
}

void store__stamps_begin(struct store_stamps *stamps, const struct store_stamp_marks *marks)
{
    step(stamps, marks);
}

void store__stamps_end(struct store_stamps *stamps, struct store_stamp_marks *marks)
{
    step(stamps, marks);
    memset(marks, 0, sizeof *marks);
}
