/*
 * lotcast.v1.Operations: backups and the store's check, for operators. The store does the work. The
 * key's rotation is in key_rotation.c.
 */
#include "rpc/services/operations.h"
#include "lotcast/v1/operations.pb-c.h"
#include "rpc/services/audit.h"
#include "rpc/services/internal.h"
#include "rpc/services/key_rotation.h"

/* Offences that are told, and what one part of the check may take of memory. */
#define PROBLEMS_MAX 20
#define PART_BYTES_MAX ((size_t)16 * 1024 * 1024)

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

static enum rpc_code backup(struct rpc_server_call *call, const void *request,
                            void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    Lotcast__V1__CreateBackupResponse *response = response_message;
    const Lotcast__V1__BackupResponse *made;
    (void)request;
    enum rpc_code code = audit_operator_read(call, 0, status);
    if (code != RPC_OK)
        return code;
    /* To operators, who may know the store's own words: which file, which error. */
    code = store_backup(services->options.store, rpc_server_call_context(call), &made, status);
    if (code != RPC_OK)
        return code;
    response->path = made->path;
    response->bytes = made->bytes;
    return RPC_OK;
}

/* Passes the store's pieces on, each in `arena` anew: no more of them than have credit. */
static enum rpc_code pass_on(struct rpc_server_call *call, struct rpc_stream *stream,
                             struct arena *arena, struct rpc_status *status)
{
    for (;;) {
        Lotcast__V1__DownloadBackupResponse piece = LOTCAST__V1__DOWNLOAD_BACKUP_RESPONSE__INIT;
        const ProtobufCMessage *item = NULL;
        arena_reset(arena);
        enum rpc_code code = rpc_stream_next(stream, arena, &item, status);
        if (code != RPC_OK || item == NULL)
            return code;
        piece.data = ((const Lotcast__V1__StreamBackupResponse *)(const void *)item)->data;
        code = rpc_server_call_send(call, &piece, status);
        if (code != RPC_OK)
            return code;
    }
}

static enum rpc_code download_backup(struct rpc_server_call *call, const void *request,
                                     void *response, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_stream *stream = NULL;
    struct arena arena;
    (void)request;
    (void)response; /* the items have it all */
    enum rpc_code code = audit_operator_read(call, 0, status);
    if (code == RPC_OK)
        code = store_backup_stream(services->options.store, rpc_server_call_context(call), &stream,
                                   status);
    if (code != RPC_OK)
        return code;
    arena_init(&arena, PART_BYTES_MAX);
    code = pass_on(call, stream, &arena, status);
    rpc_stream_close(stream);
    arena_fini(&arena);
    return code;
}

/* Copies a text out of a part's arena; NULL is out of memory. */
static bool problem_copy(struct arena *arena, const Lotcast__V1__StoreProblem *from,
                         Lotcast__V1__CheckStoreResponse *response)
{
    Lotcast__V1__StoreProblem *copy = arena_alloc(arena, sizeof *copy);
    if (copy == NULL)
        return false;
    lotcast__v1__store_problem__init(copy);
    copy->table = arena_strdup(arena, from->table);
    copy->index = arena_strdup(arena, from->index);
    copy->key = arena_strdup(arena, from->key);
    copy->what = arena_strdup(arena, from->what);
    if (copy->table == NULL || copy->index == NULL || copy->key == NULL || copy->what == NULL)
        return false;
    response->problems[response->n_problems++] = copy;
    return true;
}

static bool part_add(struct arena *arena, const Lotcast__V1__CheckResponse *part,
                     Lotcast__V1__CheckStoreResponse *response)
{
    response->records += part->records;
    response->entries += part->entries;
    response->counters += part->counters;
    response->unknown += part->unknown;
    response->problem_count += part->problem_count;
    for (size_t i = 0; i < part->n_problems && response->n_problems < PROBLEMS_MAX; i++) {
        if (!problem_copy(arena, part->problems[i], response))
            return false;
    }
    return true;
}

/* All parts, each in `arena` anew; the cursor between them is in the call's. */
static enum rpc_code check_parts(struct rpc_server_call *call, struct arena *arena,
                                 Lotcast__V1__CheckStoreResponse *response,
                                 struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context context = *rpc_server_call_context(call);
    struct arena *own = context.arena;
    struct span cursor = {0};
    uint8_t kept[STORE_CHECK_CURSOR_BYTES_MAX];
    context.arena = arena;
    do {
        const Lotcast__V1__CheckResponse *part;
        arena_reset(arena);
        enum rpc_code code =
            store_check_part(services->options.store, &context, cursor, &part, status);
        if (code != RPC_OK)
            return code;
        if (!part_add(own, part, response))
            return out_of_memory(status);
        if (part->cursor.len > sizeof kept)
            return rpc_status_set(status, RPC_INTERNAL, "the store's cursor is too long");
        if (part->cursor.len > 0)
            memcpy(kept, part->cursor.data, part->cursor.len);
        cursor = span_of(kept, part->cursor.len);
    } while (cursor.len > 0);
    return RPC_OK;
}

static enum rpc_code check_store(struct rpc_server_call *call, const void *request,
                                 void *response_message, struct rpc_status *status)
{
    Lotcast__V1__CheckStoreResponse *response = response_message;
    struct arena arena;
    (void)request;
    enum rpc_code code = audit_operator_read(call, 0, status);
    if (code != RPC_OK)
        return code;
    response->problems =
        arena_calloc(rpc_server_call_arena(call), PROBLEMS_MAX, sizeof *response->problems);
    if (response->problems == NULL)
        return out_of_memory(status);
    arena_init(&arena, PART_BYTES_MAX);
    code = check_parts(call, &arena, response, status);
    arena_fini(&arena);
    response->ok = response->problem_count == 0;
    return code;
}

rpc_handler *const operations_handlers[] = {backup,
                                            check_store,
                                            key_rotation_rotate_key,
                                            key_rotation_show_keys,
                                            download_backup,
                                            operations__scan_website,
                                            operations__follow_sync};
