/*
 * Stamps: whether anything of a partition has changed, without reading it.
 *
 * A partition is all records of a group of tables (TableRules.partition) with the same first key
 * field, a customer's say, or all of a table. Its stamp changes with every commit that writes to
 * it: who has seen a stamp, then read, and later sees the same stamp knows that a read would find
 * the same. Stamps are numbers in memory, found by hash: two partitions that share one merely
 * change more often. They begin anew with the process, at a number that no other process began at.
 *
 * While a commit is between its beginning and its end at the engine, the stamps of what it writes
 * are odd and read as 0, "in flux", which equals nothing: nobody can say then which of the two
 * states a reader sees.
 *
 * The writer's thread alone changes stamps; any thread reads them, without a lock.
 */
#ifndef STORE_STAMP_H
#define STORE_STAMP_H

#include "store/record.h"

/* How many stamps there are: a power of two. Half a MiB. */
#define STORE_STAMPS ((size_t)65536)
#define STORE_STAMP_MARK_BITS 64

struct store_stamps;

/* The stamps that a group of commits will change. */
struct store_stamp_marks {
    uint64_t bits[STORE_STAMPS / STORE_STAMP_MARK_BITS];
};

/* NULL when out of memory. */
struct store_stamps *store__stamps_create(void);
void store__stamps_destroy(struct store_stamps *stamps);

/* Which stamp is that of a record's partition, by its encoded primary key; and of all its table. */
size_t store__stamp_of_key(const struct store_table *table, struct span key);
size_t store__stamp_of_table(const struct store_table *table);

/* The present stamp; 0 while it is in flux. Read before what it is to vouch for. */
uint64_t store__stamp_read(const struct store_stamps *stamps, size_t stamp);

void store__stamp_mark(struct store_stamp_marks *marks, size_t stamp);
/* Before the engine's commit, and behind it, whatever its outcome was. `end` empties the marks. */
void store__stamps_begin(struct store_stamps *stamps, const struct store_stamp_marks *marks);
void store__stamps_end(struct store_stamps *stamps, struct store_stamp_marks *marks);

#endif
