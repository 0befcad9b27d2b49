/*
 * lotctl backup, restore and store: the data as a whole. A restore is made here, without a running
 * service; the others ask it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/lotctl/tool.h"
#include "lotcast/v1/operations.pb-c.h"
#include "rpc/base/clock.h"
#include "store/store.h"

#define COPY_BYTES ((size_t)256 * 1024)
/* Pieces of a backup on their way at once; each is large. */
#define BACKUP_ITEMS 4

static int complain_file(const char *path, const char *why)
{
    (void)fprintf(stderr, "lotctl: %s: %s\n", path, why);
    return TOOL_FAILED;
}

/* --- backup --- */

/* The file's directory outlives a power loss too. */
static bool sync_directory_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *directory =
        slash == NULL ? "." : arena_strndup(arena, path, (size_t)(slash - path) + 1);
    int fd = directory == NULL ? -1 : open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0;
    (void)close(fd);
    return synced;
}

static bool copy_bytes(struct arena *arena, int from, int to)
{
    uint8_t *buffer = arena_alloc(arena, COPY_BYTES);
    ssize_t got = buffer == NULL ? -1 : read(from, buffer, COPY_BYTES);
    while (got > 0) {
        ssize_t at = 0;
        while (at < got) {
            ssize_t written = write(to, buffer + at, (size_t)(got - at));
            if (written < 0)
                return false;
            at += written;
        }
        got = read(from, buffer, COPY_BYTES);
    }
    return got == 0 && fsync(to) == 0;
}

/* A copy that was cut off is known by its checksum, so it may have its name from the start. */
static bool copy_file(struct arena *arena, const char *from_path, const char *path)
{
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return false;
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool copied = to >= 0 && copy_bytes(arena, from, to);
    int error = errno;
    if (to >= 0 && !copied)
        (void)unlink(path);
    if (to >= 0)
        (void)close(to);
    (void)close(from);
    errno = error;
    return copied;
}

/* Never over a file that is there. Without a link (to another file system, or one that has none)
 * the bytes are copied. */
static bool move_file(struct arena *arena, const char *from, const char *path)
{
    bool there = link(from, path) == 0;
    if (!there && (errno == EXDEV || errno == EPERM || errno == EOPNOTSUPP))
        there = copy_file(arena, from, path);
    return there && unlink(from) == 0 && sync_directory_of(arena, path);
}

/* --- backup --stream: the bytes come here --- */

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

/* Writes all pieces; an exit code, having complained. */
static int write_pieces(struct rpc_stream *stream, int fd, const char *path, int64_t *ret_bytes)
{
    struct rpc_status status;
    const ProtobufCMessage *item = NULL;
    struct arena arena;
    int exit_code = 0;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    *ret_bytes = 0;
    do {
        arena_reset(&arena);
        if (rpc_stream_next(stream, &arena, &item, &status) != RPC_OK) {
            exit_code = tool_complain(&status);
        } else if (item != NULL) {
            const ProtobufCBinaryData data =
                ((const Lotcast__V1__DownloadBackupResponse *)(const void *)item)->data;
            if (!write_all(fd, data.data, data.len))
                exit_code = complain_file(path, strerror(errno));
            *ret_bytes += (int64_t)data.len;
        }
    } while (exit_code == 0 && item != NULL);
    arena_fini(&arena);
    return exit_code;
}

/* To its name when it is whole and on the disk; never over a file that is there. */
static int download(struct tool *tool, const char *path, int64_t *ret_bytes)
{
    static const Lotcast__V1__DownloadBackupRequest message =
        LOTCAST__V1__DOWNLOAD_BACKUP_REQUEST__INIT;
    struct rpc_status status;
    struct rpc_stream *stream = NULL;
    const char *part = arena_printf(&tool->arena, "%s.part", path);
    tool_catch_signals(tool); /* so that no part is left behind */
    int fd =
        part == NULL ? -1 : open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return complain_file(part == NULL ? path : part, strerror(errno));
    int exit_code = tool_open_stream(tool, "Operations/DownloadBackup", &message, NULL,
                                     BACKUP_ITEMS, &stream, &status) == RPC_OK
                        ? write_pieces(stream, fd, part, ret_bytes)
                        : tool_complain(&status);
    rpc_stream_close(stream);
    if (exit_code == 0 && (fsync(fd) != 0 || link(part, path) != 0))
        exit_code = complain_file(path, strerror(errno));
    (void)close(fd);
    (void)unlink(part);
    tool_end_if_caught();
    if (exit_code == 0 && !sync_directory_of(&tool->arena, path))
        exit_code = complain_file(path, strerror(errno));
    return exit_code;
}

static void print_backup(const char *path, int64_t bytes, int64_t start_ms)
{
    (void)printf("%s: %lld bytes in %.1f s\n"
                 "Keep secret.key of the data directory with it (LOTCAST_SECRET_KEY, where that is "
                 "set): the file lacks it, and Meta tokens are sealed with it.\n",
                 path, (long long)bytes, (double)(clock_mono_ms() - start_ms) / 1000.0);
}

int tool_run_backup(struct tool *tool, int argc, char **argv)
{
    bool streams = tool_take_flag("--stream", &argc, argv);
    int64_t bytes = 0;
    Lotcast__V1__CreateBackupRequest request = LOTCAST__V1__CREATE_BACKUP_REQUEST__INIT;
    struct stat info;
    if (argc != 1 || argv[0][0] == '-')
        return TOOL_USAGE;
    if (lstat(argv[0], &info) == 0)
        return complain_file(argv[0], "is there already");
    int64_t start_ms = clock_mono_ms();
    if (streams) {
        int exit_code = tool_connect(tool) ? download(tool, argv[0], &bytes) : TOOL_FAILED;
        if (exit_code == 0)
            print_backup(argv[0], bytes, start_ms);
        return exit_code;
    }
    const Lotcast__V1__CreateBackupResponse *response =
        tool_ask(tool, "Operations/CreateBackup", &request);
    if (response == NULL)
        return TOOL_FAILED;
    if (!move_file(&tool->arena, response->path, argv[0])) {
        (void)complain_file(argv[0], strerror(errno));
        (void)fprintf(stderr, "lotctl: the backup is at %s\n", response->path);
        return TOOL_FAILED;
    }
    print_backup(argv[0], response->bytes, start_ms);
    return 0;
}

/* --- restore --- */

/* The lock of `serve`, so that none runs meanwhile; -1, having complained. */
static int lock_directory(struct tool *tool, const char *directory)
{
    const char *path = arena_printf(&tool->arena, "%s/serve.lock", directory);
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        (void)complain_file(directory, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)complain_file(directory, "lotcast runs on it; stop it first");
        (void)close(fd);
        return -1;
    }
    return fd;
}

static int restore(struct tool *tool, const char *file, const char *directory)
{
    struct rpc_status status;
    int64_t records = 0;
    const char *store = arena_printf(&tool->arena, "%s/store", directory);
    const char *key = arena_printf(&tool->arena, "%s/secret.key", directory);
    if (store == NULL || key == NULL)
        return complain_file(directory, "out of memory");
    if (store_restore(file, store, tool->registry, &records, &status) != RPC_OK)
        return tool_complain(&status);
    (void)printf("%s holds the backup: %lld records, all in order\n", store, (long long)records);
    if (access(key, F_OK) != 0 && *config_text(&tool->config, CONFIG_SECRET_KEY) == '\0')
        (void)printf("Before lotcast is started, put the secret.key of the backup at %s\n", key);
    return 0;
}

int tool_run_restore(struct tool *tool, int argc, char **argv)
{
    char directory[PATH_MAX];
    const char *wanted = config_text(&tool->config, CONFIG_DATA_DIR);
    if (argc != 1 || argv[0][0] == '-')
        return TOOL_USAGE;
    (void)umask(077);
    if ((mkdir(wanted, 0700) != 0 && errno != EEXIST) || realpath(wanted, directory) == NULL)
        return complain_file(wanted, strerror(errno));
    int lock = lock_directory(tool, directory);
    if (lock < 0)
        return TOOL_FAILED;
    int code = restore(tool, argv[0], directory);
    (void)close(lock);
    return code;
}

/* --- store check --- */

static int print_check(const Lotcast__V1__CheckStoreResponse *response)
{
    (void)printf("%lld records, %lld index entries, %lld counters\n", (long long)response->records,
                 (long long)response->entries, (long long)response->counters);
    if (response->unknown > 0)
        (void)printf("%lld keys of tables that this program does not know\n",
                     (long long)response->unknown);
    for (size_t i = 0; i < response->n_problems; i++) {
        const Lotcast__V1__StoreProblem *problem = response->problems[i];
        (void)printf("WRONG: %s%s%s: %s (key %s)\n",
                     problem->table[0] == '\0' ? "the store's own" : problem->table,
                     problem->index[0] == '\0' ? "" : ".", problem->index, problem->what,
                     problem->key);
    }
    if ((int64_t)response->n_problems < response->problem_count)
        (void)printf("… %lld in all\n", (long long)response->problem_count);
    (void)printf("%s\n", response->ok ? "in order" : "NOT IN ORDER");
    return response->ok ? 0 : TOOL_FAILED;
}

int tool_run_store(struct tool *tool, int argc, char **argv)
{
    Lotcast__V1__CheckStoreRequest request = LOTCAST__V1__CHECK_STORE_REQUEST__INIT;
    bool json = tool_take_flag("--json", &argc, argv);
    if (argc != 1 || strcmp(argv[0], "check") != 0)
        return TOOL_USAGE;
    const Lotcast__V1__CheckStoreResponse *response =
        tool_ask(tool, "Operations/CheckStore", &request);
    if (response == NULL)
        return TOOL_FAILED;
    if (!json)
        return print_check(response);
    int code = tool_print_json(tool, response);
    return code != 0 || response->ok ? code : TOOL_FAILED;
}
