#include "rpc/services/keyring.h"

#include <limits.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

_Static_assert(SERVICES_SECRET_KEY_BYTES == crypto_kdf_KEYBYTES, "keys are derived from it");

/* Of libsodium's derivation, with the purpose's number: never changed, never reused. */
#define DERIVE_CONTEXT "lotcast_"
#define ID_DERIVED_BYTES crypto_kdf_BYTES_MIN

_Static_assert(ID_DERIVED_BYTES >= KEYRING_ID_BYTES, "an id is a part of what is derived");

/* What tells whether a file is the one that was read; zeros: there is none. */
struct stamp {
    ino_t inode;
    struct timespec modified, changed;
};

struct keyring {
    const char *directory;
    bool given;
    pthread_mutex_t lock; /* what follows */
    struct stamp stamps[2];
    struct keyring_view view;
};

static void fill_key(const uint8_t bytes[static SERVICES_SECRET_KEY_BYTES],
                     struct keyring_key *ret_key)
{
    uint8_t derived[ID_DERIVED_BYTES];
    memcpy(ret_key->bytes, bytes, sizeof ret_key->bytes);
    (void)crypto_kdf_derive_from_key(derived, sizeof derived, KEYRING_PURPOSE_ID, DERIVE_CONTEXT,
                                     bytes);
    memcpy(ret_key->id, derived, sizeof ret_key->id);
    (void)sodium_bin2hex(ret_key->id_text, sizeof ret_key->id_text, ret_key->id,
                         sizeof ret_key->id);
}

static void add_key(struct keyring_view *view,
                    const uint8_t bytes[static SERVICES_SECRET_KEY_BYTES])
{
    for (size_t i = 0; i < view->count; i++)
        if (sodium_memcmp(view->keys[i].bytes, bytes, SERVICES_SECRET_KEY_BYTES) == 0)
            return;
    fill_key(bytes, &view->keys[view->count++]);
}

static struct stamp stamp_of(const char *directory, const char *name)
{
    char path[PATH_MAX + 64];
    struct stat info;
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    if (stat(path, &info) != 0)
        return (struct stamp){0};
    return (struct stamp){info.st_ino, info.st_mtim, info.st_ctim};
}

static bool stamp_equal(const struct stamp *a, const struct stamp *b)
{
    return a->inode == b->inode && a->modified.tv_sec == b->modified.tv_sec &&
           a->modified.tv_nsec == b->modified.tv_nsec && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Under the lock. secret.key before the previous one: in this order a rotation that comes in
 * between is seen by its stamp the next time, and what is read opens all that was sealed. */
static void read_files(struct keyring *keyring)
{
    uint8_t key[SERVICES_SECRET_KEY_BYTES];
    struct keyring_view next = {0};
    bool found = key_file_read(keyring->directory, KEY_FILE, key) == KEY_FILE_OK;
    if (keyring->given || !found)
        add_key(&next, keyring->view.keys[0].bytes);
    if (found)
        add_key(&next, key);
    if (key_file_read(keyring->directory, KEY_FILE_PREVIOUS, key) == KEY_FILE_OK) {
        next.has_previous = true;
        memcpy(next.previous, key, sizeof next.previous);
        add_key(&next, key);
    }
    keyring->view = next;
    sodium_memzero(key, sizeof key);
    keyring_wipe(&next);
}

struct keyring *keyring_create(const uint8_t key[static SERVICES_SECRET_KEY_BYTES],
                               const char *directory, bool given)
{
    struct keyring *keyring = calloc(1, sizeof *keyring);
    if (keyring == NULL)
        return NULL;
    if (pthread_mutex_init(&keyring->lock, NULL) != 0) {
        free(keyring);
        return NULL;
    }
    keyring->directory = directory;
    keyring->given = given;
    add_key(&keyring->view, key);
    return keyring;
}

void keyring_destroy(struct keyring *keyring)
{
    if (keyring == NULL)
        return;
    (void)pthread_mutex_destroy(&keyring->lock);
    sodium_memzero(keyring, sizeof *keyring);
    free(keyring);
}

void keyring_look(struct keyring *keyring, struct keyring_view *ret_view)
{
    (void)pthread_mutex_lock(&keyring->lock);
    if (keyring->directory != NULL) {
        /* Before they are read: a change in between is seen the next time. */
        const struct stamp now[2] = {stamp_of(keyring->directory, KEY_FILE),
                                     stamp_of(keyring->directory, KEY_FILE_PREVIOUS)};
        if (!stamp_equal(&now[0], &keyring->stamps[0]) ||
            !stamp_equal(&now[1], &keyring->stamps[1])) {
            read_files(keyring);
            keyring->stamps[0] = now[0];
            keyring->stamps[1] = now[1];
        }
    }
    *ret_view = keyring->view;
    (void)pthread_mutex_unlock(&keyring->lock);
}

void keyring_wipe(struct keyring_view *view)
{
    sodium_memzero(view, sizeof *view);
}

void keyring_derive(struct keyring *keyring, enum keyring_purpose purpose,
                    uint8_t ret_key[static SERVICES_SECRET_KEY_BYTES])
{
    struct keyring_view view;
    keyring_look(keyring, &view);
    (void)crypto_kdf_derive_from_key(ret_key, SERVICES_SECRET_KEY_BYTES, (uint64_t)purpose,
                                     DERIVE_CONTEXT, view.keys[0].bytes);
    keyring_wipe(&view);
}

bool keyring_is_given(const struct keyring *keyring)
{
    return keyring->given;
}

enum key_file keyring_rotate(struct keyring *keyring)
{
    return keyring->directory == NULL ? KEY_FILE_BAD : key_file_rotate(keyring->directory);
}

enum key_file keyring_previous_remove(struct keyring *keyring, const struct keyring_view *view)
{
    return keyring->directory == NULL || !view->has_previous
               ? KEY_FILE_OK
               : key_file_previous_remove(keyring->directory, view->previous);
}
