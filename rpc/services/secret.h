/*
 * Sealing tokens at rest: XSalsa20-Poly1305 (libsodium's secretbox) under the current key, with a
 * random nonce before the box and the key's id before that. What was sealed before there were ids
 * is a nonce and a box; it is tried with every key.
 */
#ifndef RPC_SERVICES_SECRET_H
#define RPC_SERVICES_SECRET_H

#include "rpc/services/internal.h"
#include "rpc/services/keyring.h"

/* Seals `text` into `arena`. RPC_RESOURCE_EXHAUSTED. */
enum rpc_code secret_seal(const struct services *services, const char *text, struct arena *arena,
                          ProtobufCBinaryData *ret_sealed) __attribute__((warn_unused_result));
/* Opens into `arena`. RPC_DATA_LOSS if no key of ours opens it. */
enum rpc_code secret_open(const struct services *services, ProtobufCBinaryData sealed,
                          struct arena *arena, const char **ret_text)
    __attribute__((warn_unused_result));

/* The same with the keys as they were looked at; `ret_key` is the one that opened it, in the view.
 */
enum rpc_code secret_seal_with(const struct keyring_key *key, const char *text, struct arena *arena,
                               ProtobufCBinaryData *ret_sealed) __attribute__((warn_unused_result));
enum rpc_code secret_open_with(const struct keyring_view *view, ProtobufCBinaryData sealed,
                               struct arena *arena, const char **ret_text,
                               const struct keyring_key **ret_key)
    __attribute__((warn_unused_result));
/* Whether it names this key. */
bool secret_names(ProtobufCBinaryData sealed, const struct keyring_key *key);

#endif
