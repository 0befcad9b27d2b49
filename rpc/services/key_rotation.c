#include "rpc/services/key_rotation.h"

#include <string.h>

#include "lotcast/v1/operations.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/services/audit.h"
#include "rpc/services/jobs/internal.h"
#include "rpc/services/secret.h"

/* Tries of a switch that another process makes at the same time. */
#define SWITCH_TRIES 5
/* What one page of a walk may take of memory, and its rows. */
#define PAGE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define PAGE_ROWS_MAX 500

static const char given_text[] =
    "The key is given as LOTCAST_SECRET_KEY, so it is changed there: write it into the file "
    "secret.key.previous (mode 0600) in LOTCAST_DATA_DIR, give another as LOTCAST_SECRET_KEY and "
    "restart lotcast. Tokens are then sealed anew, and the file is removed";
static const char busy_text[] = "The last rotation is not over yet; see lotctl key show";

/* --- the switch --- */

enum { RECORD, JOB, CONNECTIONS, SWITCH_OPS };

static enum rpc_code switch_read(struct services *services, struct rpc_context *context,
                                 struct store_read_op ops[static SWITCH_OPS],
                                 struct rpc_status *status)
{
    if (!services__active_job(context, jobs__reseal.name, 0, &ops[JOB]))
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    ops[RECORD] = services__get(&lotcast__v1__secret_key_record__descriptor,
                                store_key(store_number(KEY_RECORD_ID)));
    ops[CONNECTIONS] = (struct store_read_op){
        .record = &lotcast__v1__meta_connection_record__descriptor, .is_range = true, .limit = 1};
    return store_read(services->options.store, context, ops, SWITCH_OPS, status);
}

static bool is_current(const Lotcast__V1__SecretKeyRecord *record, const struct keyring_view *view)
{
    return record != NULL && strcmp(record->key_id, view->keys[0].id_text) == 0;
}

static enum rpc_code switch_commit(struct services *services, struct rpc_context *context,
                                   const struct store_read_op ops[static SWITCH_OPS],
                                   const struct keyring_view *view, struct rpc_status *status)
{
    const Lotcast__V1__SecretKeyRecord *record = services__row(&ops[RECORD]);
    Lotcast__V1__SecretKeyRecord next = LOTCAST__V1__SECRET_KEY_RECORD__INIT;
    Lotcast__V1__ResealJob reseal = LOTCAST__V1__RESEAL_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    struct store_commit commit;
    int64_t job_id = 0;
    enum rpc_code code = RPC_OK;
    next.record_id = KEY_RECORD_ID;
    next.key_id = (char *)view->keys[0].id_text;
    next.since_ms = is_current(record, view) ? record->since_ms : clock_now_ms();
    /* Nothing was ever sealed, and nothing is to be removed. */
    next.settled = ops[CONNECTIONS].ret_row_count == 0 && !view->has_previous;
    next.settled_at_ms = next.settled ? clock_now_ms() : 0;
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_put_version(&commit, &next, services__version(&ops[RECORD]));
    if (!next.settled && services__row(&ops[JOB]) == NULL) {
        job.kind = jobs__reseal.kind;
        job.reseal = &reseal;
        code = jobs_add(services->jobs, context, &commit, &job, &job_id, status);
    }
    if (code == RPC_OK)
        code = store_commit_send(&commit, context, NULL, status);
    return code == RPC_ALREADY_EXISTS ? RPC_ABORTED : code;
}

enum rpc_code key_rotation_settle(struct services *services, struct rpc_context *context,
                                  struct rpc_status *status)
{
    struct keyring_view view;
    struct store_read_op ops[SWITCH_OPS];
    enum rpc_code code = switch_read(services, context, ops, status);
    if (code != RPC_OK)
        return code;
    keyring_look(services->keyring, &view);
    const Lotcast__V1__SecretKeyRecord *record = services__row(&ops[RECORD]);
    bool current = is_current(record, &view);
    bool under_way = current && services__row(&ops[JOB]) != NULL;
    if (!under_way && (!current || !record->settled || view.has_previous)) {
        code = switch_commit(services, context, ops, &view, status);
        if (code == RPC_OK) {
            log_event(LOG_LEVEL_INFO, "secret_key_in_use", log_text("key", view.keys[0].id_text));
            jobs_wake(services->jobs);
        }
    }
    keyring_wipe(&view);
    return code;
}

enum rpc_code key_rotation_fence(struct services *services, struct rpc_context *context,
                                 ProtobufCBinaryData sealed, struct store_commit *commit)
{
    struct keyring_view view;
    const Lotcast__V1__SecretKeyRecord *record = NULL;
    uint64_t version = 0;
    struct store_key key = store_key(store_number(KEY_RECORD_ID));
    enum rpc_code code =
        store_get(services->options.store, context, &lotcast__v1__secret_key_record__descriptor,
                  NULL, key, &record, &version, NULL);
    if (code != RPC_OK)
        return code;
    keyring_look(services->keyring, &view);
    bool current = is_current(record, &view);
    bool sealed_so = secret_names(sealed, &view.keys[0]);
    keyring_wipe(&view);
    if (!current) {
        code = key_rotation_settle(services, context, NULL);
        return code == RPC_OK ? RPC_ABORTED : code;
    }
    if (!sealed_so)
        return RPC_ABORTED;
    (void)store_commit_check(commit, &lotcast__v1__secret_key_record__descriptor, key, version);
    return RPC_OK;
}

/* --- Operations: RotateKey --- */

/* Whether all is sealed with the key that is in use. */
static enum rpc_code check_settled(struct services *services, struct rpc_context *context,
                                   struct rpc_status *status)
{
    const Lotcast__V1__SecretKeyRecord *record = NULL;
    enum rpc_code code =
        store_get(services->options.store, context, &lotcast__v1__secret_key_record__descriptor,
                  NULL, store_key(store_number(KEY_RECORD_ID)), &record, NULL, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (record == NULL || !record->settled)
        return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL,
                                       busy_text);
    return RPC_OK;
}

static enum rpc_code files_rotate(struct services *services, struct rpc_status *status)
{
    switch (keyring_rotate(services->keyring)) {
    case KEY_FILE_OK:
        return RPC_OK;
    case KEY_FILE_BUSY:
        return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL,
                                       busy_text);
    case KEY_FILE_ABSENT:
    case KEY_FILE_BAD:
        return rpc_status_set(status, RPC_FAILED_PRECONDITION,
                              "secret.key in LOTCAST_DATA_DIR is missing or holds no key");
    case KEY_FILE_FAILED:
        break;
    }
    return rpc_status_set(status, RPC_INTERNAL, "The key's file cannot be written");
}

enum rpc_code key_rotation_rotate_key(struct rpc_server_call *call, const void *request,
                                      void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    Lotcast__V1__RotateKeyResponse *response = response_message;
    struct keyring_view view;
    (void)request;
    if (keyring_is_given(services->keyring))
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, given_text);
    enum rpc_code code = check_settled(services, context, status);
    if (code == RPC_OK)
        code = audit_write(call, services, &(struct audit_entry){"rotate_key", 0, ""}, status);
    if (code == RPC_OK)
        code = files_rotate(services, status);
    if (code != RPC_OK)
        return code;
    /* From here on the scheduler goes on where this call cannot. */
    atomic_store(&services->key_settled, false);
    code = RPC_ABORTED;
    for (int try = 0; code == RPC_ABORTED && try < SWITCH_TRIES; try++)
        code = key_rotation_settle(services, context, status);
    jobs_wake(services->jobs);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    keyring_look(services->keyring, &view);
    response->key_id = arena_strdup(context->arena, view.keys[0].id_text);
    keyring_wipe(&view);
    return response->key_id == NULL
               ? rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call")
               : RPC_OK;
}

/* --- Operations: ShowKeys --- */

struct count {
    struct services *services;
    struct rpc_context *context;
    struct keyring_view view;
    int64_t tokens[KEYRING_KEYS_MAX];
    int64_t unknown;
};

static enum rpc_code count_page(struct count *count, struct arena *arena,
                                const struct store_read_op *op)
{
    for (size_t i = 0; i < op->ret_row_count; i++) {
        const Lotcast__V1__MetaConnectionRecord *connection =
            (const Lotcast__V1__MetaConnectionRecord *)op->ret_rows[i];
        const struct keyring_key *key = NULL;
        const char *text;
        if (connection->token_sealed.len == 0)
            continue;
        enum rpc_code code =
            secret_open_with(&count->view, connection->token_sealed, arena, &text, &key);
        if (code == RPC_OK)
            count->tokens[key - count->view.keys]++;
        else if (code == RPC_DATA_LOSS)
            count->unknown++;
        else
            return code;
    }
    return RPC_OK;
}

/* All connections, a page at a time in an arena of its own; the cursor between them is the call's.
 */
static enum rpc_code count_all(struct count *count, struct arena *arena, struct rpc_status *status)
{
    struct span cursor = {0};
    do {
        struct rpc_context page = *count->context;
        page.arena = arena;
        arena_reset(arena);
        struct store_read_op op = {.record = &lotcast__v1__meta_connection_record__descriptor,
                                   .is_range = true,
                                   .limit = PAGE_ROWS_MAX,
                                   .cursor = cursor};
        enum rpc_code code = store_read(count->services->options.store, &page, &op, 1, status);
        if (code != RPC_OK)
            return services__store_failed(code, status);
        code = count_page(count, arena, &op);
        cursor =
            span_of(arena_strndup(count->context->arena, op.ret_cursor.data, op.ret_cursor.len),
                    op.ret_cursor.len);
        if (code != RPC_OK || (cursor.len > 0 && cursor.data == NULL))
            return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    } while (cursor.len > 0);
    return RPC_OK;
}

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

static enum rpc_code count_show(const struct count *count, Lotcast__V1__ShowKeysResponse *response,
                                struct rpc_status *status)
{
    struct arena *arena = count->context->arena;
    size_t shown = count->view.count + (count->unknown > 0 ? 1 : 0);
    Lotcast__V1__SecretKey *keys = arena_calloc(arena, shown, sizeof *keys);
    response->keys = arena_calloc(arena, shown, sizeof *response->keys);
    if (keys == NULL || response->keys == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < shown; i++) {
        bool known = i < count->view.count;
        lotcast__v1__secret_key__init(&keys[i]);
        keys[i].id = known ? arena_strdup(arena, count->view.keys[i].id_text) : (char *)"";
        keys[i].role = (char *)(!known ? "unknown" : i == 0 ? "current" : "previous");
        keys[i].tokens = known ? count->tokens[i] : count->unknown;
        if (keys[i].id == NULL)
            return out_of_memory(status);
        response->tokens += keys[i].tokens;
        response->keys[i] = &keys[i];
    }
    response->n_keys = shown;
    return RPC_OK;
}

enum rpc_code key_rotation_show_keys(struct rpc_server_call *call, const void *request,
                                     void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    Lotcast__V1__ShowKeysResponse *response = response_message;
    struct count count = {.services = services, .context = context};
    struct store_read_op ops[SWITCH_OPS];
    struct arena arena;
    (void)request;
    enum rpc_code code = switch_read(services, context, ops, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    keyring_look(services->keyring, &count.view);
    const Lotcast__V1__SecretKeyRecord *record = services__row(&ops[RECORD]);
    response->rotating =
        !is_current(record, &count.view) || !record->settled || count.view.has_previous;
    response->given = keyring_is_given(services->keyring);
    arena_init(&arena, PAGE_BYTES_MAX);
    code = count_all(&count, &arena, status);
    arena_fini(&arena);
    if (code == RPC_OK)
        code = count_show(&count, response, status);
    keyring_wipe(&count.view);
    return code;
}
