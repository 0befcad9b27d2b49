/*
 * Rotation of the key that tokens are sealed with.
 *
 * The SecretKeyRecord names the key that is in use. When the keyring's current key is another one
 * (secret.key was rotated, LOTCAST_SECRET_KEY was changed, a backup was restored) one commit names
 * it and starts the job that seals every token with it (jobs/reseal.c). Whoever stores a token
 * expects the record at the version that names the token's key: a token that was sealed with the
 * old key and comes late is refused and sealed anew, so the job's one pass finds all. Only behind
 * that pass secret.key.previous is removed. The files are changed before the record is, so a crash
 * at any point leaves both keys, or one with which everything is sealed; the next start goes on.
 */
#ifndef RPC_SERVICES_KEY_ROTATION_H
#define RPC_SERVICES_KEY_ROTATION_H

#include "rpc/services/internal.h"
#include "rpc/services/keyring.h"

/* The one SecretKeyRecord's key. */
#define KEY_RECORD_ID 1

/*
 * Sees to it that the store names the current key, and that a job seals what is sealed otherwise.
 * RPC_ABORTED: another process was at it; try again. Besides the store's errors
 * RPC_RESOURCE_EXHAUSTED.
 */
enum rpc_code key_rotation_settle(struct services *services, struct rpc_context *context,
                                  struct rpc_status *status) __attribute__((warn_unused_result));
/*
 * For a commit that stores `sealed`: adds the op by which it fails with RPC_ABORTED if the key is
 * switched before it. RPC_ABORTED at once if it was already: seal anew.
 */
enum rpc_code key_rotation_fence(struct services *services, struct rpc_context *context,
                                 ProtobufCBinaryData sealed, struct store_commit *commit)
    __attribute__((warn_unused_result));

/* Operations' handlers. */
rpc_handler key_rotation_rotate_key, key_rotation_show_keys;

#endif
