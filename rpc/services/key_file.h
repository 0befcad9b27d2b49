/*
 * The key that tokens are sealed with, in files of the data directory: secret.key, and while a
 * rotation is not over, secret.key.previous. 64 hexadecimal digits, mode 0600. Files are written
 * whole under another name and synced, and the directory is synced after each change, so that a
 * crash or a power loss at any point leaves a key that opens what was sealed before. What changes
 * the files holds a lock on the directory.
 */
#ifndef RPC_SERVICES_KEY_FILE_H
#define RPC_SERVICES_KEY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "rpc/services/services.h"

#define KEY_FILE "secret.key"
#define KEY_FILE_PREVIOUS "secret.key.previous"

enum key_file {
    KEY_FILE_OK,
    KEY_FILE_ABSENT,
    KEY_FILE_BAD,    /* it holds no key, or cannot be read */
    KEY_FILE_BUSY,   /* a rotation is not over */
    KEY_FILE_FAILED, /* errno says why */
};

/* 64 hexadecimal digits, one newline allowed. */
bool key_file_parse(const char *hex, uint8_t ret_key[static SERVICES_SECRET_KEY_BYTES]);
/*
 * Reads one of the files, waiting for a change that is under way, so that a key that is used is a
 * durable one. OK, ABSENT or BAD. A mode that lets others in is tightened.
 */
enum key_file key_file_read(const char *directory, const char *name,
                            uint8_t ret_key[static SERVICES_SECRET_KEY_BYTES]);
/* Makes secret.key with a random key unless it is there. OK or FAILED. */
enum key_file key_file_make(const char *directory);
/*
 * Keeps secret.key as secret.key.previous and puts a random key into its place. OK; BUSY: there is
 * a previous one already; ABSENT, BAD: there is no key to be rotated; FAILED: both are readable,
 * whichever is current.
 */
enum key_file key_file_rotate(const char *directory);
/* Removes secret.key.previous if it is there and holds this key. OK, BAD (it holds another) or
 * FAILED. */
enum key_file key_file_previous_remove(const char *directory,
                                       const uint8_t key[static SERVICES_SECRET_KEY_BYTES]);

#endif
