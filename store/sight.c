/*
 * The file is mapped when it is first looked for. Now and then it is asked whether it still has a
 * name: one that was removed has nobody who changes it, and another may have come in its place.
 * What was mapped once stays so to the end, since another thread may be reading.
 */
#include "store/sight.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/stamp.h"

/* How often the file is looked for, or asked after, in ms. */
#define LOOK_MS 100
/* Files that are mapped in a process's life at most: there is one, unless somebody removes it. */
#define FILES_MAX 64

struct file {
    int fd;
    const uint8_t *bytes;
};

struct store_sight {
    struct store_tables tables;
    char *path;
    _Atomic(const struct file *) file; /* NULL: none is there */
    atomic_llong looked_ms;
    pthread_mutex_t lock; /* of the next */
    size_t file_count;
    struct file files[FILES_MAX];
};

/* To some ms, and cheap. */
static int64_t roughly_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool map(const char *path, struct file *ret_file)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    void *bytes = MAP_FAILED;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() &&
        info.st_size >= (off_t)STORE_STAMPS_FILE_BYTES)
        bytes = mmap(NULL, STORE_STAMPS_FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    if (bytes != MAP_FAILED && memcmp(bytes, STORE_STAMPS_HEAD, sizeof STORE_STAMPS_HEAD) == 0) {
        *ret_file = (struct file){fd, bytes};
        return true;
    }
    if (bytes != MAP_FAILED)
        (void)munmap(bytes, STORE_STAMPS_FILE_BYTES);
    (void)close(fd);
    return false;
}

/* Under the lock. */
static void look_locked(struct store_sight *sight)
{
    struct stat info;
    const struct file *file = atomic_load(&sight->file);
    if (file != NULL && (fstat(file->fd, &info) != 0 || info.st_nlink == 0)) {
        atomic_store(&sight->file, NULL);
        file = NULL;
    }
    if (file == NULL && sight->file_count < FILES_MAX &&
        map(sight->path, &sight->files[sight->file_count]))
        atomic_store(&sight->file, &sight->files[sight->file_count++]);
    atomic_store(&sight->looked_ms, roughly_now_ms());
}

/* The file, looked for where it is time. */
static const struct file *present(struct store_sight *sight)
{
    if (roughly_now_ms() - atomic_load(&sight->looked_ms) >= LOOK_MS &&
        pthread_mutex_trylock(&sight->lock) == 0) {
        look_locked(sight);
        (void)pthread_mutex_unlock(&sight->lock);
    }
    return atomic_load(&sight->file);
}

static enum rpc_code find(const void *self, const Lotcast__V1__Partition *partition,
                          size_t *ret_place, struct rpc_status *status)
{
    return store__stamp_find(&((const struct store_sight *)self)->tables, partition, ret_place,
                             status);
}

static uint64_t read_stamp(const void *self, size_t place)
{
    const struct file *file = present((struct store_sight *)self);
    if (file == NULL)
        return STORE_STAMP_NONE;
    const void *values = file->bytes + STORE_STAMPS_HEAD_BYTES;
    return store__stamp_value(values, place);
}

struct store_near store_sight_near(const struct store_sight *sight)
{
    return (struct store_near){.store = sight, .find = find, .read = read_stamp};
}

struct store_sight *store_sight_create(const char *directory, const struct registry *registry)
{
    char path[PATH_MAX];
    struct store_sight *sight = calloc(1, sizeof *sight);
    if (sight == NULL)
        return NULL;
    (void)pthread_mutex_init(&sight->lock, NULL);
    atomic_init(&sight->looked_ms, roughly_now_ms() - LOOK_MS);
    int len = snprintf(path, sizeof path, "%s/" STORE_STAMPS_FILE, directory);
    if (len > 0 && (size_t)len < sizeof path)
        sight->path = strdup(path);
    if (sight->path == NULL || store__tables_create(registry, &sight->tables, NULL) != RPC_OK) {
        store_sight_destroy(sight);
        return NULL;
    }
    return sight;
}

void store_sight_destroy(struct store_sight *sight)
{
    if (sight == NULL)
        return;
    for (size_t i = 0; i < sight->file_count; i++) {
        (void)munmap((void *)sight->files[i].bytes, STORE_STAMPS_FILE_BYTES);
        (void)close(sight->files[i].fd);
    }
    store__tables_destroy(&sight->tables);
    (void)pthread_mutex_destroy(&sight->lock);
    free(sight->path);
    free(sight);
}
