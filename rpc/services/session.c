#include "rpc/services/session.h"

#include <sodium.h>
#include <string.h>

#include "rpc/base/ascii.h"

#define TOKEN_RANDOM_BYTES 32
#define BASE64_VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING
/* Records of each kind that one log-in removes at most: more than it adds, so that they shrink. */
#define SWEEP_ROWS 16
/* Sessions that one commit ends, and commits at most: far more than anyone has. */
#define END_ROWS_MAX 5000
#define END_ROUNDS 20

_Static_assert(SESSION_TOKEN_BYTES == sodium_base64_ENCODED_LEN(TOKEN_RANDOM_BYTES, BASE64_VARIANT),
               "a token's text");

void session_token_make(char token[static SESSION_TOKEN_BYTES])
{
    uint8_t random[TOKEN_RANDOM_BYTES];
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2base64(token, SESSION_TOKEN_BYTES, random, sizeof random, BASE64_VARIANT);
    sodium_memzero(random, sizeof random);
}

bool session_token_hash(const char *token, uint8_t ret_hash[static RPC_SESSION_HASH_BYTES])
{
    size_t len = strnlen(token, SESSION_TOKEN_BYTES);
    if (len != SESSION_TOKEN_BYTES - 1)
        return false;
    if (ascii_run(token, len, ASCII_BASE64) != len)
        return false;
    (void)crypto_generichash(ret_hash, RPC_SESSION_HASH_BYTES, (const uint8_t *)token, len, NULL,
                             0);
    return true;
}

bool session_of_call(const struct rpc_server_call *call,
                     uint8_t ret_hash[static RPC_SESSION_HASH_BYTES])
{
    const struct rpc_metadata *metadata = rpc_server_call_all_metadata(call);
    const char *token = NULL;
    for (size_t i = 0; i < metadata->count; i++) {
        if (strcmp(metadata->entries[i].key, RPC_METADATA_SESSION) != 0)
            continue;
        if (token != NULL)
            return false; /* whose would it be? */
        token = metadata->entries[i].value;
    }
    return token != NULL && session_token_hash(token, ret_hash);
}

enum rpc_code session_begin(struct rpc_server_call *call, struct store_commit *commit,
                            const Lotcast__V1__UserRecord *user, int64_t now_ms, char **ret_token)
{
    struct arena *arena = rpc_server_call_arena(call);
    char *token = arena_alloc(arena, SESSION_TOKEN_BYTES);
    uint8_t *old_hash = arena_alloc(arena, RPC_SESSION_HASH_BYTES); /* until the commit is sent */
    uint8_t hash[RPC_SESSION_HASH_BYTES];
    if (token == NULL || old_hash == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    if (session_of_call(call, old_hash))
        (void)store_commit_delete(commit, &lotcast__v1__session_record__descriptor,
                                  store_key(store_data(old_hash, RPC_SESSION_HASH_BYTES)));
    session_token_make(token);
    (void)session_token_hash(token, hash);
    Lotcast__V1__SessionRecord session = LOTCAST__V1__SESSION_RECORD__INIT;
    session.token_hash = (ProtobufCBinaryData){.len = sizeof hash, .data = hash};
    session.user_id = user->user_id;
    session.customer_id = user->customer_id;
    session.role = user->role;
    session.created_at_ms = now_ms;
    session.expires_at_ms = now_ms + SESSION_LIFETIME_MS;
    (void)store_commit_put_new(commit, &session);
    *ret_token = token;
    return RPC_OK;
}

enum rpc_code sessions_end_add(struct services *services, struct rpc_context *context,
                               int64_t user_id, const uint8_t *kept, struct store_commit *commit,
                               size_t *ret_count, struct rpc_status *status)
{
    struct store_read_op op = {
        .record = &lotcast__v1__session_record__descriptor,
        .index = "by_user",
        .key = store_key(store_number(user_id)),
        .is_range = true,
        .limit = END_ROWS_MAX,
    };
    enum rpc_code code = store_read(services->options.store, context, &op, 1, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    size_t count = 0;
    for (size_t i = 0; i < op.ret_row_count; i++) {
        const Lotcast__V1__SessionRecord *session = (const void *)op.ret_rows[i];
        if (kept != NULL && session->token_hash.len == RPC_SESSION_HASH_BYTES &&
            memcmp(session->token_hash.data, kept, RPC_SESSION_HASH_BYTES) == 0)
            continue;
        (void)store_commit_delete(
            commit, op.record,
            store_key(store_data(session->token_hash.data, session->token_hash.len)));
        count++;
    }
    *ret_count = count;
    return RPC_OK;
}

enum rpc_code sessions_end_late(struct services *services, struct rpc_context *context,
                                int64_t user_id, const uint8_t *kept, struct rpc_status *status)
{
    size_t count = 1;
    enum rpc_code code = RPC_OK;
    for (int round = 0; code == RPC_OK && count > 0 && round < END_ROUNDS; round++) {
        struct store_commit commit;
        store_commit_init(&commit, services->options.store, context);
        code = sessions_end_add(services, context, user_id, kept, &commit, &count, status);
        if (code == RPC_OK && count > 0) {
            code = store_commit_send(&commit, context, NULL, status);
            if (code != RPC_OK)
                code = services__store_failed(code, status);
        }
    }
    return code;
}

static struct store_read_op expired(const ProtobufCMessageDescriptor *record, int64_t now_ms)
{
    return (struct store_read_op){
        .record = record,
        .index = "by_expiry",
        .is_range = true,
        .limit = SWEEP_ROWS,
        .has_upper = true,
        .upper = store_number(now_ms),
    };
}

static struct store_key data_key(ProtobufCBinaryData data)
{
    return store_key(store_data(data.data, data.len));
}

void session_sweep(struct services *services, struct rpc_context *context, int64_t now_ms)
{
    struct store_read_op ops[] = {
        expired(&lotcast__v1__session_record__descriptor, now_ms),
        expired(&lotcast__v1__oauth_state_record__descriptor, now_ms),
        expired(&lotcast__v1__throttle_record__descriptor, now_ms),
    };
    if (store_read(services->options.store, context, ops, 3, NULL) != RPC_OK)
        return;
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    for (size_t i = 0; i < ops[0].ret_row_count; i++)
        (void)store_commit_delete(
            &commit, ops[0].record,
            data_key(((Lotcast__V1__SessionRecord *)ops[0].ret_rows[i])->token_hash));
    for (size_t i = 0; i < ops[1].ret_row_count; i++)
        (void)store_commit_delete(
            &commit, ops[1].record,
            data_key(((Lotcast__V1__OauthStateRecord *)ops[1].ret_rows[i])->state_hash));
    /* A throttle's end moves with each attempt: only the record that was seen. */
    for (size_t i = 0; i < ops[2].ret_row_count; i++)
        (void)store_commit_delete_version(
            &commit, ops[2].record,
            data_key(((Lotcast__V1__ThrottleRecord *)ops[2].ret_rows[i])->subject),
            ops[2].ret_versions[i]);
    if (commit.count == 0)
        return;
    enum rpc_code ignored = store_commit_send(&commit, context, NULL, NULL);
    (void)ignored;
}
