/*
 * Sessions and other random tokens that a browser carries. Only a token's hash is kept, so that who
 * reads the store can't log in.
 */
#ifndef RPC_SERVICES_SESSION_H
#define RPC_SERVICES_SESSION_H

#include "rpc/services/internal.h"

/* 256 bits in URL-safe base64 without padding, with the NUL. */
#define SESSION_TOKEN_BYTES 44
#define SESSION_LIFETIME_MS (INT64_C(30) * 24 * 3600 * 1000)

/* A new random token. */
void session_token_make(char token[static SESSION_TOKEN_BYTES]);
/* What is stored of it (BLAKE2b). False if the text cannot be a token of ours. */
bool session_token_hash(const char *token, uint8_t ret_hash[static RPC_SESSION_HASH_BYTES]);

/* The key of the session that came along with a call; false if there is none, or more than one. */
bool session_of_call(const struct rpc_server_call *call,
                     uint8_t ret_hash[static RPC_SESSION_HASH_BYTES]);

/*
 * Adds to `commit` a new session of `user` and the end of the one that came along with the call,
 * and gives its token in the arena. RPC_RESOURCE_EXHAUSTED.
 */
enum rpc_code session_begin(struct rpc_server_call *call, struct store_commit *commit,
                            const Lotcast__V1__UserRecord *user, int64_t now_ms, char **ret_token);

/*
 * Adds to `commit` the end of the user's sessions, all but that with the hash `kept` (NULL: of
 * all), as far as one answer tells them; `ret_count` is how many. After the commit, which also
 * changes the user's or the customer's record, sessions_end_late ends what was logged in between
 * the look and the commit: none can be added afterwards, for a log-in's commit expects those two as
 * they were read. Both answer the store's errors.
 */
enum rpc_code sessions_end_add(struct services *services, struct rpc_context *context,
                               int64_t user_id, const uint8_t *kept, struct store_commit *commit,
                               size_t *ret_count, struct rpc_status *status)
    __attribute__((warn_unused_result));
enum rpc_code sessions_end_late(struct services *services, struct rpc_context *context,
                                int64_t user_id, const uint8_t *kept, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* Removes some expired sessions, OAuth states and throttle records. At its best; never fails. */
void session_sweep(struct services *services, struct rpc_context *context, int64_t now_ms);

#endif
