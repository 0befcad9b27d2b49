/*
 * The data directory: private to our user, one `serve` at a time, and the key that tokens are
 * sealed with.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc/cmd/app.h"

#define KEY_FILE "secret.key"
#define LOCK_FILE "serve.lock"
#define KEY_HEX_BYTES (2 * SERVICES_SECRET_KEY_BYTES + 1)

/* Makes every directory of the path; the last is to be 0700. */
static bool make_directories(char *path)
{
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        int failed = mkdir(path, 0755) != 0 && errno != EEXIST;
        *at = '/';
        if (failed)
            return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* Ours alone: another user's directory is refused, a loose mode of our own is tightened. */
static bool check_owner(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        app_complain("LOTCAST_DATA_DIR: %s is no directory", path);
        return false;
    }
    if (info.st_uid != geteuid()) {
        app_complain("LOTCAST_DATA_DIR: %s belongs to another user", path);
        return false;
    }
    if ((info.st_mode & 077) != 0 && chmod(path, 0700) != 0) {
        app_complain("LOTCAST_DATA_DIR: %s is open to other users", path);
        return false;
    }
    return true;
}

static bool default_url(struct app *app, enum config_key key, const char *directory,
                        const char *socket_name)
{
    char url[PATH_MAX + 64];
    if (*config_text(&app->config, key) != '\0')
        return true;
    (void)snprintf(url, sizeof url, "req+ipc://%s/%s", directory, socket_name);
    if (strlen(directory) + strlen(socket_name) + 2 > sizeof(((struct sockaddr_un *)0)->sun_path)) {
        app_complain("LOTCAST_DATA_DIR: %s is too long a path for the sockets in it", directory);
        return false;
    }
    return config_set(&app->config, key, url);
}

bool app_directory_prepare(struct app *app)
{
    char wanted[PATH_MAX];
    char absolute[PATH_MAX];
    int len = snprintf(wanted, sizeof wanted, "%s", config_text(&app->config, CONFIG_DATA_DIR));
    if (len <= 0 || (size_t)len >= sizeof wanted || !make_directories(wanted) ||
        realpath(wanted, absolute) == NULL) {
        app_complain("LOTCAST_DATA_DIR: %s cannot be made: %s", wanted, strerror(errno));
        return false;
    }
    return check_owner(absolute) && config_set(&app->config, CONFIG_DATA_DIR, absolute) &&
           default_url(app, CONFIG_STORE_URL, absolute, "store.sock") &&
           default_url(app, CONFIG_LOGIC_URL, absolute, "logic.sock") &&
           default_url(app, CONFIG_RPC, absolute, "rpc.sock");
}

int app_directory_lock(struct app *app)
{
    char path[PATH_MAX + 32];
    const char *directory = config_text(&app->config, CONFIG_DATA_DIR);
    (void)snprintf(path, sizeof path, "%s/" LOCK_FILE, directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        app_complain("%s cannot be opened: %s", path, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        app_complain("another lotcast serve runs on %s", directory);
        (void)close(fd);
        return -1;
    }
    return fd;
}

static bool parse_key(const char *hex, uint8_t key[static SERVICES_SECRET_KEY_BYTES])
{
    size_t len;
    return sodium_hex2bin(key, SERVICES_SECRET_KEY_BYTES, hex, strlen(hex), "\n", &len, NULL) ==
               0 &&
           len == SERVICES_SECRET_KEY_BYTES;
}

static bool read_key(const char *path, uint8_t key[static SERVICES_SECRET_KEY_BYTES])
{
    char hex[KEY_HEX_BYTES + 1] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    /* Whoever copied it may have left it open to others. */
    ssize_t len = fd < 0 || fchmod(fd, 0600) != 0 ? -1 : read(fd, hex, sizeof hex - 1);
    if (fd >= 0)
        (void)close(fd);
    bool good = len > 0 && parse_key(hex, key);
    sodium_memzero(hex, sizeof hex);
    return good;
}

/*
 * Written whole under another name and linked into place: whoever comes second keeps the first's
 * key, and a crash leaves no half of one.
 */
static bool make_key(const char *directory, const char *path)
{
    char temporary[PATH_MAX + 64];
    char hex[KEY_HEX_BYTES];
    uint8_t key[SERVICES_SECRET_KEY_BYTES];
    (void)snprintf(temporary, sizeof temporary, "%s/" KEY_FILE ".%ld", directory, (long)getpid());
    randombytes_buf(key, sizeof key);
    (void)sodium_bin2hex(hex, sizeof hex, key, sizeof key);
    sodium_memzero(key, sizeof key);
    (void)unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool written =
        fd >= 0 && write(fd, hex, sizeof hex - 1) == (ssize_t)sizeof hex - 1 && fsync(fd) == 0;
    sodium_memzero(hex, sizeof hex);
    if (fd >= 0)
        (void)close(fd);
    bool linked = written && (link(temporary, path) == 0 || errno == EEXIST);
    (void)unlink(temporary);
    int parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent >= 0) {
        linked = fsync(parent) == 0 && linked;
        (void)close(parent);
    }
    return linked;
}

bool app_secret_key(struct app *app, uint8_t key[static SERVICES_SECRET_KEY_BYTES])
{
    char path[PATH_MAX + 32];
    const char *given = config_text(&app->config, CONFIG_SECRET_KEY);
    const char *directory = config_text(&app->config, CONFIG_DATA_DIR);
    if (*given != '\0')
        return parse_key(given, key); /* its form was checked at start */
    (void)snprintf(path, sizeof path, "%s/" KEY_FILE, directory);
    if (access(path, F_OK) != 0 && !make_key(directory, path)) {
        app_complain("%s cannot be made: %s", path, strerror(errno));
        return false;
    }
    if (!read_key(path, key)) {
        app_complain("%s is no key of 32 bytes in hex", path);
        return false;
    }
    return true;
}

bool app_secret_key_ensure(struct app *app)
{
    char records[PATH_MAX + 32];
    char path[PATH_MAX + 32];
    uint8_t key[SERVICES_SECRET_KEY_BYTES];
    const char *directory = config_text(&app->config, CONFIG_DATA_DIR);
    (void)snprintf(records, sizeof records, "%s/store/data.mdb", directory);
    (void)snprintf(path, sizeof path, "%s/" KEY_FILE, directory);
    if (*config_text(&app->config, CONFIG_SECRET_KEY) == '\0' && access(path, F_OK) != 0 &&
        access(records, F_OK) == 0) {
        app_complain("%s is missing: the tokens in the store were sealed with it", path);
        return false;
    }
    bool good = app_secret_key(app, key);
    sodium_memzero(key, sizeof key);
    return good;
}
