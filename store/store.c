/*
 * Opening and closing. One process at a time has a store: it holds a lock on DIRECTORY/store.lock,
 * which the kernel gives back however the process ends.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rpc/base/clock.h"
#include "store/image.h"
#include "store/internal.h"
#include "store/metrics.h"
#include "store/schema.h"

#define DIRECTORY_MODE 0700
#define LOCK_MODE 0600
/* How long a predecessor may take to end, and how often it is looked at, in ms. */
#define LOCK_WAIT_MS 5000
#define LOCK_POLL_MS 20

static enum rpc_code refuse_directory(const char *directory, const char *why,
                                      struct rpc_status *status)
{
    return rpc_status_set(status, RPC_FAILED_PRECONDITION, "the store's directory %s: %s",
                          directory, why);
}

/* The directory itself, and its name in its parent, outlive a power loss. */
static bool sync_directory(int dir_fd)
{
    if (fsync(dir_fd) != 0)
        return false;
    int parent_fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd < 0)
        return errno == EACCES; /* not ours to read */
    bool is_synced = fsync(parent_fd) == 0;
    (void)close(parent_fd);
    return is_synced;
}

static enum rpc_code open_directory(const char *directory, int *ret_fd, struct rpc_status *status)
{
    if (mkdir(directory, DIRECTORY_MODE) != 0 && errno != EEXIST)
        return refuse_directory(directory, strerror(errno), status);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return refuse_directory(directory, strerror(errno), status);
    struct stat info;
    const char *why = NULL;
    if (fstat(fd, &info) != 0)
        why = strerror(errno);
    else if (info.st_uid != geteuid() && geteuid() != 0)
        why = "belongs to another user";
    else if (info.st_mode & (S_IWGRP | S_IWOTH))
        why = "others may write to it; chmod 700 it";
    if (why != NULL) {
        (void)close(fd);
        return refuse_directory(directory, why, status);
    }
    *ret_fd = fd;
    return RPC_OK;
}

static void pause_ms(int64_t ms)
{
    struct timespec left = {ms / 1000, (ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static enum rpc_code lock(const struct store_options *options, int dir_fd, int *ret_fd,
                          struct rpc_status *status)
{
    int fd = openat(dir_fd, "store.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LOCK_MODE);
    if (fd < 0)
        return refuse_directory(options->directory, strerror(errno), status);
    int64_t wait_ms = options->lock_wait_ms == 0 ? LOCK_WAIT_MS : options->lock_wait_ms;
    int64_t until_ms = clock_mono_ms() + wait_ms;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK || clock_mono_ms() >= until_ms) {
            const char *why =
                errno == EWOULDBLOCK ? "is in use by another process" : strerror(errno);
            (void)close(fd);
            return refuse_directory(options->directory, why, status);
        }
        pause_ms(LOCK_POLL_MS);
    }
    *ret_fd = fd;
    return RPC_OK;
}

static enum rpc_code open_records(const struct store_options *options, struct store *store,
                                  struct rpc_status *status)
{
    int dir_fd = -1;
    enum rpc_code code = open_directory(options->directory, &dir_fd, status);
    if (code != RPC_OK)
        return code;
    code = lock(options, dir_fd, &store->lock_fd, status);
    if (code == RPC_OK) /* if they cannot be, they are asked for */
        (void)store__stamps_share(store->stamps, dir_fd);
    if (code == RPC_OK)
        code =
            store__engine_lmdb_open(options->directory, options->map_bytes, &store->engine, status);
    if (code == RPC_OK && !sync_directory(dir_fd))
        code = refuse_directory(options->directory, strerror(errno), status);
    (void)close(dir_fd);
    if (code == RPC_OK)
        code = store__schema_apply(store->engine, &store->tables, status);
    if (code == RPC_OK)
        code = store__writer_start(store->engine, store->stamps, &store->writer, status);
    return code;
}

enum rpc_code store_open(const struct store_options *options, struct store **ret_store,
                         struct rpc_status *status)
{
    if (sodium_init() < 0)
        return rpc_status_set(status, RPC_INTERNAL, "libsodium does not start");
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    store->lock_fd = -1;
    store->service = (struct rpc_service){&lotcast__v1__store__descriptor, store__handlers, store};
    store__metrics_register();
    store->directory = strdup(options->directory);
    store->stamps = store__stamps_create();
    store->images = store__images_create(options->image_entries_min);
    enum rpc_code code = store->directory == NULL || store->stamps == NULL || store->images == NULL
                             ? rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory")
                             : store__tables_create(options->registry, &store->tables, status);
    if (code == RPC_OK)
        code = open_records(options, store, status);
    if (code != RPC_OK) {
        store_close(store);
        return code;
    }
    *ret_store = store;
    return RPC_OK;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    store__writer_stop(store->writer);
    if (store->engine != NULL)
        store->engine->ops->close(store->engine);
    if (store->lock_fd >= 0)
        (void)close(store->lock_fd);
    store__images_destroy(store->images);
    store__stamps_destroy(store->stamps);
    store__tables_destroy(&store->tables);
    free(store->directory);
    free(store);
}

const struct rpc_service *store_service(struct store *store)
{
    return &store->service;
}
