#include "store/stamp.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0600
/* FNV-1a, 64 bits (RFC draft-eastlake-fnv). */
#define FNV_BASIS UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "stamps are shared by processes");

struct store_stamps {
    uint64_t first;
    uint8_t *file; /* mapped; NULL: they are our own */
    _Atomic uint64_t *values;
};

/* --- life --- */

static void set_all(struct store_stamps *stamps)
{
    for (size_t i = 0; i < STORE_STAMPS; i++)
        atomic_store_explicit(&stamps->values[i], stamps->first, memory_order_relaxed);
}

struct store_stamps *store__stamps_create(void)
{
    struct store_stamps *stamps = calloc(1, sizeof *stamps);
    if (stamps == NULL)
        return NULL;
    stamps->values = malloc(STORE_STAMPS * sizeof *stamps->values);
    if (stamps->values == NULL) {
        free(stamps);
        return NULL;
    }
    randombytes_buf(&stamps->first, sizeof stamps->first);
    stamps->first &= ~UINT64_C(1);
    set_all(stamps);
    return stamps;
}

void store__stamps_destroy(struct store_stamps *stamps)
{
    if (stamps == NULL)
        return;
    if (stamps->file != NULL)
        (void)munmap(stamps->file, STORE_STAMPS_FILE_BYTES);
    else
        free(stamps->values);
    free(stamps);
}

/* The file, mapped; never shortened, since others may have it mapped. NULL: it cannot be. */
static uint8_t *map_file(int dir_fd)
{
    struct stat info;
    int fd =
        openat(dir_fd, STORE_STAMPS_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return NULL;
    void *file = MAP_FAILED;
    /* All its blocks: a full disk is found out here, and not by a signal. */
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
        posix_fallocate(fd, 0, (off_t)STORE_STAMPS_FILE_BYTES) == 0)
        file = mmap(NULL, STORE_STAMPS_FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    return file == MAP_FAILED ? NULL : file;
}

bool store__stamps_share(struct store_stamps *stamps, int dir_fd)
{
    uint8_t *file = map_file(dir_fd);
    if (file == NULL)
        return false;
    free(stamps->values);
    stamps->file = file;
    stamps->values = (_Atomic uint64_t *)(void *)(file + STORE_STAMPS_HEAD_BYTES);
    set_all(stamps);
    memcpy(file, STORE_STAMPS_HEAD, sizeof STORE_STAMPS_HEAD);
    return true;
}

/* --- which stamp --- */

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

enum rpc_code store__stamp_find(const struct store_tables *tables,
                                const Lotcast__V1__Partition *partition, size_t *ret_stamp,
                                struct rpc_status *status)
{
    const struct store_table *table = store__table_find(tables, partition->table);
    if (table == NULL)
        return store__invalid(status, "table", "there is no table %u", partition->table);
    if (partition->key == NULL) {
        *ret_stamp = store__stamp_of_table(table);
        return RPC_OK;
    }
    struct store_key_buffer key;
    store__key_begin(&key, table->id, 0);
    enum rpc_code code = store__key_append_part(&table->primary, 0, partition->key, &key, status);
    if (code == RPC_OK)
        *ret_stamp = store__stamp_of_key(table, store__key_span(&key));
    return code;
}

/* --- reading and changing --- */

uint64_t store__stamp_read(const struct store_stamps *stamps, size_t stamp)
{
    return store__stamp_value(stamps->values, stamp);
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
