/*
 * The customer's token, for steps that talk to Meta.
 */
#include "rpc/services/jobs/internal.h"

#include <string.h>

#include "rpc/services/secret.h"

static enum rpc_code connection_get(struct job_step *step,
                                    Lotcast__V1__MetaConnectionRecord **ret_connection,
                                    uint64_t *ret_version, struct rpc_status *status)
{
    struct rpc_context context = jobs__store_context(step);
    return store_get(
        step->services->options.store, &context, &lotcast__v1__meta_connection_record__descriptor,
        NULL, store_key(store_number(step->job->customer_id)), ret_connection, ret_version, status);
}

enum rpc_code jobs__token_open(struct job_step *step,
                               const Lotcast__V1__MetaConnectionRecord **ret_connection,
                               const char **ret_token, struct rpc_status *status)
{
    Lotcast__V1__MetaConnectionRecord *connection = NULL;
    enum rpc_code code = connection_get(step, &connection, NULL, status);
    if (code != RPC_OK)
        return code;
    if (connection == NULL || connection->token_sealed.len == 0 || connection->token_dead ||
        connection->token_unreadable || connection->disconnecting)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED, NULL);
    const char *token = NULL;
    code = secret_open(step->services, connection->token_sealed, step->context->arena, &token);
    if (code == RPC_DATA_LOSS) /* jobs/reseal.c marks and tells it */
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED, NULL);
    if (code != RPC_OK)
        return rpc_status_set(status, code, "out of memory");
    step->token = token;
    *ret_connection = connection;
    *ret_token = token;
    return RPC_OK;
}

enum rpc_code jobs__token_mark_dead(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__MetaConnectionRecord *connection = NULL;
    uint64_t version = 0;
    enum rpc_code code = connection_get(step, &connection, &version, status);
    if (code != RPC_OK)
        return code;
    const char *token = NULL;
    /* Opened, since it may have been sealed anew. */
    if (connection == NULL || step->token == NULL || connection->token_sealed.len == 0 ||
        secret_open(step->services, connection->token_sealed, step->context->arena, &token) !=
            RPC_OK ||
        strcmp(token, step->token) != 0)
        return RPC_OK; /* reconnected or disconnected meanwhile: that token is nobody's any more */
    connection->token_dead = true;
    (void)store_commit_put_version(step->commit, connection, version);
    return RPC_OK;
}
