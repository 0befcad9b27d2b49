#include "rpc/services/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_BYTES (2 * SERVICES_SECRET_KEY_BYTES + 1)

bool key_file_parse(const char *hex, uint8_t ret_key[static SERVICES_SECRET_KEY_BYTES])
{
    uint8_t key[SERVICES_SECRET_KEY_BYTES];
    size_t len = strlen(hex);
    size_t key_len = 0;
    if (len > 0 && hex[len - 1] == '\n')
        len--;
    bool good = len == HEX_BYTES - 1 &&
                sodium_hex2bin(key, sizeof key, hex, len, NULL, &key_len, NULL) == 0 &&
                key_len == sizeof key;
    if (good)
        memcpy(ret_key, key, sizeof key);
    sodium_memzero(key, sizeof key);
    return good;
}

/* --- the directory, open and locked --- */

static int directory_lock(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR)
            continue;
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void directory_unlock(int fd)
{
    int error = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = error;
}

static enum key_file read_at(int at, const char *name,
                             uint8_t ret_key[static SERVICES_SECRET_KEY_BYTES])
{
    char hex[HEX_BYTES + 2] = "";
    int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? KEY_FILE_ABSENT : KEY_FILE_BAD;
    /* Whoever copied it may have left it open to others. Not touched otherwise: keyring.c tells by
     * its times whether it has changed. */
    struct stat info;
    bool ours = fstat(fd, &info) == 0 && ((info.st_mode & 077) == 0 || fchmod(fd, 0600) == 0);
    ssize_t len = ours ? read(fd, hex, sizeof hex - 1) : -1;
    (void)close(fd);
    bool good = len > 0 && key_file_parse(hex, ret_key);
    sodium_memzero(hex, sizeof hex);
    return good ? KEY_FILE_OK : KEY_FILE_BAD;
}

/* A file with a random key, synced. */
static bool write_random(int at, const char *name)
{
    char hex[HEX_BYTES];
    uint8_t key[SERVICES_SECRET_KEY_BYTES];
    randombytes_buf(key, sizeof key);
    (void)sodium_bin2hex(hex, sizeof hex, key, sizeof key);
    sodium_memzero(key, sizeof key);
    (void)unlinkat(at, name, 0); /* left by one that was killed */
    int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written =
        fd >= 0 && write(fd, hex, sizeof hex - 1) == (ssize_t)sizeof hex - 1 && fsync(fd) == 0;
    sodium_memzero(hex, sizeof hex);
    int error = errno;
    if (fd >= 0)
        (void)close(fd);
    if (!written && fd >= 0)
        (void)unlinkat(at, name, 0);
    errno = error;
    return written;
}

enum key_file key_file_read(const char *directory, const char *name,
                            uint8_t ret_key[static SERVICES_SECRET_KEY_BYTES])
{
    int at = directory_lock(directory);
    if (at < 0)
        return KEY_FILE_BAD;
    enum key_file result = read_at(at, name, ret_key);
    directory_unlock(at);
    return result;
}

enum key_file key_file_make(const char *directory)
{
    int at = directory_lock(directory);
    if (at < 0)
        return KEY_FILE_FAILED;
    /* A link, so that one that is there is never replaced. */
    bool made = write_random(at, KEY_FILE ".new") &&
                (linkat(at, KEY_FILE ".new", at, KEY_FILE, 0) == 0 || errno == EEXIST);
    int error = errno;
    (void)unlinkat(at, KEY_FILE ".new", 0);
    if (made)
        made = fsync(at) == 0;
    else
        errno = error;
    directory_unlock(at);
    return made ? KEY_FILE_OK : KEY_FILE_FAILED;
}

/* Under the lock. */
static enum key_file rotate(int at)
{
    uint8_t key[SERVICES_SECRET_KEY_BYTES];
    uint8_t previous[SERVICES_SECRET_KEY_BYTES];
    enum key_file now = read_at(at, KEY_FILE, key);
    enum key_file before = read_at(at, KEY_FILE_PREVIOUS, previous);
    /* The same key twice: a rotation that was cut off between its two steps. */
    bool cut_off = now == KEY_FILE_OK && before == KEY_FILE_OK &&
                   sodium_memcmp(key, previous, sizeof key) == 0;
    sodium_memzero(key, sizeof key);
    sodium_memzero(previous, sizeof previous);
    if (now != KEY_FILE_OK)
        return now;
    if (before != KEY_FILE_ABSENT && !cut_off)
        return KEY_FILE_BUSY;
    if (!cut_off && linkat(at, KEY_FILE, at, KEY_FILE_PREVIOUS, 0) != 0)
        return KEY_FILE_FAILED;
    if (fsync(at) != 0 || !write_random(at, KEY_FILE ".new") ||
        renameat(at, KEY_FILE ".new", at, KEY_FILE) != 0)
        return KEY_FILE_FAILED;
    /* It is in place; a directory that cannot be synced is one that a power loss may take back. */
    return fsync(at) == 0 ? KEY_FILE_OK : KEY_FILE_FAILED;
}

enum key_file key_file_rotate(const char *directory)
{
    int at = directory_lock(directory);
    if (at < 0)
        return KEY_FILE_FAILED;
    enum key_file result = rotate(at);
    directory_unlock(at);
    return result;
}

enum key_file key_file_previous_remove(const char *directory,
                                       const uint8_t key[static SERVICES_SECRET_KEY_BYTES])
{
    uint8_t held[SERVICES_SECRET_KEY_BYTES];
    int at = directory_lock(directory);
    if (at < 0)
        return KEY_FILE_FAILED;
    enum key_file result = read_at(at, KEY_FILE_PREVIOUS, held);
    if (result == KEY_FILE_OK && sodium_memcmp(held, key, sizeof held) != 0)
        result = KEY_FILE_BAD;
    else if (result == KEY_FILE_OK && (unlinkat(at, KEY_FILE_PREVIOUS, 0) != 0 || fsync(at) != 0))
        result = KEY_FILE_FAILED;
    else if (result == KEY_FILE_ABSENT)
        result = KEY_FILE_OK;
    sodium_memzero(held, sizeof held);
    directory_unlock(at);
    return result;
}
