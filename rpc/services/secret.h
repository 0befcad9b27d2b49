/*
 * Sealing tokens at rest: XSalsa20-Poly1305 (libsodium's secretbox) under LOTCAST_SECRET_KEY, with
 * a random nonce before the box.
 */
#ifndef RPC_SERVICES_SECRET_H
#define RPC_SERVICES_SECRET_H

#include "rpc/services/internal.h"

/* Seals `text` into `arena`. RPC_RESOURCE_EXHAUSTED. */
enum rpc_code secret_seal(const struct services *services, const char *text, struct arena *arena,
                          ProtobufCBinaryData *ret_sealed) __attribute__((warn_unused_result));
/* Opens into `arena`. RPC_DATA_LOSS if it was not sealed under this key. */
enum rpc_code secret_open(const struct services *services, ProtobufCBinaryData sealed,
                          struct arena *arena, const char **ret_text)
    __attribute__((warn_unused_result));

#endif
