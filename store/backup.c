/*
 * Backups. A backup's file is LMDB's file, compacted, and behind it
 *
 *   a magic of 16 bytes, BLAKE2b-256 of all before the magic
 *
 * which LMDB does not mind. LMDB maps its file and trusts it, so nothing of a file is opened before
 * its checksum has been compared.
 *
 * A file or a directory comes to its name by rename, whole and synced: a stop at any point leaves
 * the old one or the new one, and perhaps a temporary one that the next attempt clears away.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

#define MAGIC "LOTCAST BACKUP 1"
#define MAGIC_BYTES (sizeof MAGIC - 1)
#define HASH_BYTES crypto_generichash_BYTES
#define TRAILER_BYTES (MAGIC_BYTES + HASH_BYTES)
#define COPY_BYTES ((size_t)256 * 1024)
/* Room for the names behind the store's directory. */
#define PATH_BYTES (PATH_MAX + 64)
/* What a check of the whole file may take of memory at a time. */
#define CHECK_BYTES_MAX ((size_t)16 * 1024 * 1024)

static enum rpc_code file_failed(const char *path, int error, struct rpc_status *status)
{
    enum rpc_code code = error == ENOSPC || error == EDQUOT || error == EFBIG
                             ? RPC_RESOURCE_EXHAUSTED
                             : RPC_FAILED_PRECONDITION;
    return rpc_status_set(status, code, "%s: %s", path, strerror(error));
}

static bool sync_path(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_synced = fsync(fd) == 0;
    (void)close(fd);
    return is_synced;
}

static bool write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes += written;
        len -= (size_t)written;
    }
    return true;
}

/*
 * Hashes the next `len` bytes of a file and writes them to another (-1: to none). False with errno;
 * ENODATA: the file ends before.
 */
static bool hash_bytes(int from, int to, uint64_t len, uint8_t hash[static HASH_BYTES])
{
    crypto_generichash_state state;
    uint8_t *buffer = malloc(COPY_BYTES);
    bool good = buffer != NULL;
    (void)crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
    while (good && len > 0) {
        ssize_t got = read(from, buffer, len < COPY_BYTES ? (size_t)len : COPY_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = ENODATA;
        good = got > 0 && (to < 0 || write_all(to, buffer, (size_t)got));
        if (!good)
            break;
        (void)crypto_generichash_update(&state, buffer, (size_t)got);
        len -= (uint64_t)got;
    }
    (void)crypto_generichash_final(&state, hash, HASH_BYTES);
    free(buffer);
    return good;
}

/* --- making one --- */

/* Hashes what was copied and writes the end; the size of it all. */
static bool finish_file(int fd, int64_t *ret_bytes)
{
    uint8_t hash[HASH_BYTES];
    struct stat info;
    if (fstat(fd, &info) != 0 || lseek(fd, 0, SEEK_SET) != 0 ||
        !hash_bytes(fd, -1, (uint64_t)info.st_size, hash) ||
        !write_all(fd, (const uint8_t *)MAGIC, MAGIC_BYTES) || !write_all(fd, hash, HASH_BYTES) ||
        fsync(fd) != 0)
        return false;
    *ret_bytes = info.st_size + (int64_t)TRAILER_BYTES;
    return true;
}

static enum rpc_code make_file(struct store *store, const char *path, int64_t *ret_bytes,
                               struct rpc_status *status)
{
    /* A link in its place is not followed. */
    if (unlink(path) != 0 && errno != ENOENT)
        return file_failed(path, errno, status);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return file_failed(path, errno, status);
    enum rpc_code code = store->engine->ops->copy(store->engine, fd, status);
    if (code == RPC_OK && !finish_file(fd, ret_bytes))
        code = file_failed(path, errno, status);
    (void)close(fd);
    return code;
}

static enum rpc_code make_backup(struct store *store, const char *path, int64_t *ret_bytes,
                                 struct rpc_status *status)
{
    char temporary[PATH_BYTES];
    int len = snprintf(temporary, sizeof temporary, "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof temporary)
        return file_failed(path, ENAMETOOLONG, status);
    enum rpc_code code = make_file(store, temporary, ret_bytes, status);
    if (code == RPC_OK && (rename(temporary, path) != 0 || !sync_path(store->directory)))
        code = file_failed(path, errno, status);
    if (code != RPC_OK)
        (void)unlink(temporary);
    return code;
}

enum rpc_code store__backup(struct store *store, const struct rpc_context *context,
                            Lotcast__V1__BackupResponse *response, struct rpc_status *status)
{
    char *path = arena_printf(context->arena, "%s/backup", store->directory);
    if (path == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    if (atomic_exchange(&store->is_copied, true))
        return rpc_status_set(status, RPC_ABORTED, "a backup is under way");
    enum rpc_code code = make_backup(store, path, &response->bytes, status);
    atomic_store(&store->is_copied, false);
    if (code == RPC_OK)
        response->path = path;
    return code;
}

/* --- sending one --- */

static enum rpc_code send_file(struct rpc_server_call *call, const char *path, int fd,
                               struct rpc_status *status)
{
    Lotcast__V1__StreamBackupResponse piece = LOTCAST__V1__STREAM_BACKUP_RESPONSE__INIT;
    uint8_t *bytes = arena_alloc(rpc_server_call_arena(call), COPY_BYTES);
    enum rpc_code code = RPC_OK;
    ssize_t got = 1;
    if (bytes == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    while (code == RPC_OK && got != 0) {
        got = read(fd, bytes, COPY_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return file_failed(path, errno, status);
        piece.data = (ProtobufCBinaryData){(size_t)got, bytes};
        if (got > 0)
            code = rpc_server_call_send(call, &piece, status);
    }
    return code;
}

enum rpc_code store__backup_send(struct store *store, struct rpc_server_call *call,
                                 struct rpc_status *status)
{
    Lotcast__V1__BackupResponse made = LOTCAST__V1__BACKUP_RESPONSE__INIT;
    enum rpc_code code = store__backup(store, rpc_server_call_context(call), &made, status);
    if (code != RPC_OK)
        return code;
    int fd = open(made.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return file_failed(made.path, errno, status);
    /* However this ends, nothing is left of it. */
    if (unlink(made.path) != 0)
        code = file_failed(made.path, errno, status);
    if (code == RPC_OK)
        code = send_file(call, made.path, fd, status);
    (void)close(fd);
    return code;
}

/* --- taking one back --- */

static bool is_empty(const char *directory)
{
    DIR *listing = opendir(directory);
    bool empty = true;
    if (listing == NULL)
        return errno == ENOENT;
    for (struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing))
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    (void)closedir(listing);
    return empty;
}

/* The temporary directory and what a store makes in it. */
static void clear_away(const char *directory)
{
    static const char *const names[] = {"data.mdb", "lock.mdb", "store.lock", STORE_STAMPS_FILE};
    char path[PATH_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(directory);
}

static enum rpc_code not_whole(const char *path, struct rpc_status *status)
{
    return rpc_status_set(status, RPC_DATA_LOSS, "%s is no backup, or it is not whole", path);
}

/* Copies what is before the trailer, which must fit to it. */
static enum rpc_code copy_open(const char *path, int from, int to, struct rpc_status *status)
{
    uint8_t trailer[TRAILER_BYTES];
    uint8_t hash[HASH_BYTES];
    struct stat info;
    if (fstat(from, &info) != 0)
        return file_failed(path, errno, status);
    if (!S_ISREG(info.st_mode) || info.st_size <= (off_t)TRAILER_BYTES ||
        pread(from, trailer, TRAILER_BYTES, info.st_size - (off_t)TRAILER_BYTES) !=
            (ssize_t)TRAILER_BYTES ||
        memcmp(trailer, MAGIC, MAGIC_BYTES) != 0)
        return not_whole(path, status);
    if (!hash_bytes(from, to, (uint64_t)info.st_size - TRAILER_BYTES, hash) || fsync(to) != 0)
        return file_failed(path, errno, status);
    return memcmp(hash, trailer + MAGIC_BYTES, HASH_BYTES) == 0 ? RPC_OK : not_whole(path, status);
}

static enum rpc_code copy_file(const char *path, const char *directory, struct rpc_status *status)
{
    char copy[PATH_BYTES];
    (void)snprintf(copy, sizeof copy, "%s/data.mdb", directory);
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (from < 0)
        return file_failed(path, errno, status);
    int to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum rpc_code code =
        to < 0 ? file_failed(copy, errno, status) : copy_open(path, from, to, status);
    if (to >= 0)
        (void)close(to);
    (void)close(from);
    return code;
}

/* Looks at all of an open store. */
static enum rpc_code check_all(struct store *store, struct rpc_context *context,
                               int64_t *ret_records, struct rpc_status *status)
{
    uint8_t cursor[STORE_ENGINE_KEY_BYTES_MAX];
    Lotcast__V1__CheckRequest request = LOTCAST__V1__CHECK_REQUEST__INIT;
    int64_t records = 0;
    do {
        Lotcast__V1__CheckResponse response = LOTCAST__V1__CHECK_RESPONSE__INIT;
        arena_reset(context->arena);
        enum rpc_code code = store__check(store, context, &request, &response, status);
        if (code != RPC_OK)
            return code;
        if (response.problem_count > 0)
            return rpc_status_set(status, RPC_DATA_LOSS, "the backup is not in order: %s %s: %s",
                                  response.problems[0]->table, response.problems[0]->index,
                                  response.problems[0]->what);
        records += response.records;
        if (response.cursor.len > 0)
            memcpy(cursor, response.cursor.data, response.cursor.len);
        request.cursor = (ProtobufCBinaryData){response.cursor.len, cursor};
    } while (request.cursor.len > 0);
    *ret_records = records;
    return RPC_OK;
}

static enum rpc_code open_and_check(const char *directory, const struct registry *registry,
                                    int64_t *ret_records, struct rpc_status *status)
{
    const struct store_options options = {
        .directory = directory, .registry = registry, .lock_wait_ms = -1};
    struct arena arena;
    struct store *store;
    enum rpc_code code = store_open(&options, &store, status);
    if (code != RPC_OK)
        return code;
    arena_init(&arena, CHECK_BYTES_MAX);
    struct rpc_context context = {.arena = &arena, .deadline_ms = INT64_MAX};
    code = check_all(store, &context, ret_records, status);
    arena_fini(&arena);
    store_close(store);
    return code;
}

enum rpc_code store_restore(const char *path, const char *directory,
                            const struct registry *registry, int64_t *ret_records,
                            struct rpc_status *status)
{
    char temporary[PATH_MAX];
    char parent[PATH_BYTES];
    int64_t records = 0;
    (void)snprintf(parent, sizeof parent, "%s/..", directory);
    int len = snprintf(temporary, sizeof temporary, "%s.restoring", directory);
    if (len < 0 || (size_t)len >= sizeof temporary)
        return file_failed(directory, ENAMETOOLONG, status);
    if (sodium_init() < 0)
        return rpc_status_set(status, RPC_INTERNAL, "libsodium does not start");
    if (!is_empty(directory))
        return rpc_status_set(status, RPC_FAILED_PRECONDITION,
                              "%s is not empty: a backup is restored where there is nothing",
                              directory);
    clear_away(temporary);
    if (mkdir(temporary, 0700) != 0)
        return file_failed(temporary, errno, status);
    enum rpc_code code = copy_file(path, temporary, status);
    if (code == RPC_OK)
        code = open_and_check(temporary, registry, &records, status);
    if (code == RPC_OK && rename(temporary, directory) != 0)
        code = file_failed(directory, errno, status);
    if (code == RPC_OK && !sync_path(parent))
        code = file_failed(directory, errno, status);
    if (code != RPC_OK) {
        clear_away(temporary);
        return code;
    }
    *ret_records = records;
    return RPC_OK;
}
