/*
 * The data directory: private to our user, one `serve` at a time, and the key that tokens are
 * sealed with.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "rpc/cmd/app.h"
#include "rpc/services/key_file.h"

#define LOCK_FILE "serve.lock"

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

static bool default_url(struct app *app, enum config_key key, const char *scheme,
                        const char *directory, const char *socket_name)
{
    char url[PATH_MAX + 64];
    if (*config_text(&app->config, key) != '\0')
        return true;
    (void)snprintf(url, sizeof url, "%s%s/%s", scheme, directory, socket_name);
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
           default_url(app, CONFIG_STORE_URL, "ipc://", absolute, "store.sock") &&
           default_url(app, CONFIG_LOGIC_URL, "ipc://", absolute, "logic.sock") &&
           default_url(app, CONFIG_RPC, "req+ipc://", absolute, "rpc.sock");
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

bool app_secret_key(struct app *app, uint8_t key[static SERVICES_SECRET_KEY_BYTES])
{
    const char *given = config_text(&app->config, CONFIG_SECRET_KEY);
    const char *directory = config_text(&app->config, CONFIG_DATA_DIR);
    if (*given != '\0')
        return key_file_parse(given, key); /* its form was checked at start */
    enum key_file result = key_file_read(directory, KEY_FILE, key);
    if (result == KEY_FILE_ABSENT) {
        if (key_file_make(directory) != KEY_FILE_OK) {
            app_complain("%s/" KEY_FILE " cannot be made: %s", directory, strerror(errno));
            return false;
        }
        result = key_file_read(directory, KEY_FILE, key);
    }
    if (result != KEY_FILE_OK)
        app_complain("%s/" KEY_FILE " is no key of 32 bytes in hex", directory);
    return result == KEY_FILE_OK;
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
