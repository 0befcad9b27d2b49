/*
 * Password hashes: argon2id through libsodium. Slow by design: only on EXECUTION_HEAVY methods'
 * threads.
 */
#ifndef RPC_SERVICES_PASSWORD_HASH_H
#define RPC_SERVICES_PASSWORD_HASH_H

#include "rpc/services/internal.h"

/* Hashes with a new salt. RPC_RESOURCE_EXHAUSTED if the machine has no memory for it. */
enum rpc_code password_hash_make(const char *password,
                                 char ret_hash[static SERVICES_PASSWORD_HASH_BYTES])
    __attribute__((warn_unused_result));
/* Whether `hash` is of this password. NULL (nobody has it) takes the same time and is false. */
bool password_hash_matches(const struct services *services, const char *hash, const char *password);

#endif
