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
 *
 * They lie in a file that other processes of the machine may map and read (sight.h). It is made
 * once and used again by each store that is opened in the directory, so that who has mapped it sees
 * the new one's. What a store that died has left there is as true as it was: nobody has written to
 * the records since, and where a commit was under way the stamps are in flux.
 */
#ifndef STORE_STAMP_H
#define STORE_STAMP_H

#include <stdatomic.h>

#include "store/record.h"

/* How many stamps there are: a power of two. Half a MiB. */
#define STORE_STAMPS ((size_t)65536)
#define STORE_STAMP_MARK_BITS 64

/* The file: a head of so many bytes, with a text that tells its layout, then the stamps. */
#define STORE_STAMPS_FILE "stamps"
#define STORE_STAMPS_HEAD_BYTES 64
#define STORE_STAMPS_HEAD "lotcast stamps 1\n"
#define STORE_STAMPS_FILE_BYTES (STORE_STAMPS_HEAD_BYTES + STORE_STAMPS * sizeof(uint64_t))

struct store_stamps;

/* The stamps that a group of commits will change. */
struct store_stamp_marks {
    uint64_t bits[STORE_STAMPS / STORE_STAMP_MARK_BITS];
};

/* NULL when out of memory. */
struct store_stamps *store__stamps_create(void);
/*
 * Moves them to the file in the directory, which is made; before anything is read or written, and
 * under the store's lock. False: it cannot be, and they stay where nobody else sees them.
 */
bool store__stamps_share(struct store_stamps *stamps, int dir_fd);
void store__stamps_destroy(struct store_stamps *stamps);

/* Which stamp is that of a record's partition, by its encoded primary key; and of all its table. */
size_t store__stamp_of_key(const struct store_table *table, struct span key);
size_t store__stamp_of_table(const struct store_table *table);
/* That of a partition. RPC_INVALID_ARGUMENT: it is none of the tables'. */
enum rpc_code store__stamp_find(const struct store_tables *tables,
                                const Lotcast__V1__Partition *partition, size_t *ret_stamp,
                                struct rpc_status *status);

/* The present stamp; 0 while it is in flux. Read before what it is to vouch for. */
uint64_t store__stamp_read(const struct store_stamps *stamps, size_t stamp);
/* The same of stamps that lie at `values`. */
static inline uint64_t store__stamp_value(const _Atomic uint64_t *values, size_t stamp)
{
    uint64_t value = atomic_load(&values[stamp]);
    return (value & 1) != 0 ? 0 : value;
}

void store__stamp_mark(struct store_stamp_marks *marks, size_t stamp);
/* Before the engine's commit, and behind it, whatever its outcome was. `end` empties the marks. */
void store__stamps_begin(struct store_stamps *stamps, const struct store_stamp_marks *marks);
void store__stamps_end(struct store_stamps *stamps, struct store_stamp_marks *marks);

#endif
