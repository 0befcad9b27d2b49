/*
 * The keys that this process can open tokens with, the first of which it seals with. They are read
 * from files (key_file.h) and read again when those have changed, so that every process that shares
 * the data directory takes a new key into use at once. Where a key is given as LOTCAST_SECRET_KEY
 * it is the current one, and the files only help to open what was sealed before.
 */
#ifndef RPC_SERVICES_KEYRING_H
#define RPC_SERVICES_KEYRING_H

#include "rpc/services/key_file.h"

/* The current one, secret.key where another is given, and secret.key.previous. */
#define KEYRING_KEYS_MAX 3
/* An id's bytes, and its hexadecimal digits with the NUL. */
#define KEYRING_ID_BYTES 8
#define KEYRING_ID_TEXT_BYTES (2 * KEYRING_ID_BYTES + 1)

struct keyring;

/* Derived from a key, which it does not tell anything of. */
struct keyring_key {
    uint8_t bytes[SERVICES_SECRET_KEY_BYTES];
    uint8_t id[KEYRING_ID_BYTES];
    char id_text[KEYRING_ID_TEXT_BYTES];
};

/* A copy of the keys at a moment, none of them twice; keys[0] is the current one. To be wiped. */
struct keyring_view {
    size_t count;
    struct keyring_key keys[KEYRING_KEYS_MAX];
    bool has_previous;                           /* secret.key.previous is there, */
    uint8_t previous[SERVICES_SECRET_KEY_BYTES]; /* and holds this key */
};

/*
 * `key` is the current one at start, copied. `directory` holds the files and is borrowed; NULL:
 * there are none. `given`: the key does not come from secret.key. NULL when out of memory.
 */
struct keyring *keyring_create(const uint8_t key[static SERVICES_SECRET_KEY_BYTES],
                               const char *directory, bool given);
/* Takes NULL. */
void keyring_destroy(struct keyring *keyring);

/* The keys as they are now. Any thread; a stat of two files, and more only when they changed. Where
 * secret.key has become unreadable the last one read goes on to be used. */
void keyring_look(struct keyring *keyring, struct keyring_view *ret_view);
void keyring_wipe(struct keyring_view *view);
/*
 * A key for another purpose, made from the current one. What is kept under it is forgotten when the
 * key is rotated: attempts at logging in, which are kept for ten minutes.
 */
enum keyring_purpose { KEYRING_PURPOSE_THROTTLE = 1, KEYRING_PURPOSE_ID = 2 };
void keyring_derive(struct keyring *keyring, enum keyring_purpose purpose,
                    uint8_t ret_key[static SERVICES_SECRET_KEY_BYTES]);
/* Whether the key is given: it cannot be rotated here. */
bool keyring_is_given(const struct keyring *keyring);
/* key_file_rotate on its files; BAD where there are none. */
enum key_file keyring_rotate(struct keyring *keyring);
/* Removes secret.key.previous if it still holds what the view says. */
enum key_file keyring_previous_remove(struct keyring *keyring, const struct keyring_view *view);

#endif
