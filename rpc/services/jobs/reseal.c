/*
 * Seals every token with the current key (key_rotation.h says when).
 *
 * A page of connections a step, by customer; the page's commit, which expects each record as it was
 * read, also says how far it has come. A pass is for one key: if another one comes into use
 * meanwhile it begins anew. Tokens that no key opens are marked, and the mark is taken away when
 * one does again. Behind the pass the record says that all is settled, and only then
 * secret.key.previous is removed, if it is the file that was there when the pass began.
 */
#include <errno.h>
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/services/jobs/internal.h"
#include "rpc/services/key_rotation.h"
#include "rpc/services/secret.h"

#define RESEAL_ATTEMPTS_MAX 20
#define RESEAL_STEP_MS ((int64_t)60 * 1000)
#define RESEAL_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* After failures in a row: anew after so long. */
#define RESEAL_PAUSE_MS ((int64_t)60 * 1000)
#define RECORD_TYPE (&lotcast__v1__secret_key_record__descriptor)

enum { RESEAL_STEP_SEAL, RESEAL_STEP_SETTLE, RESEAL_STEP_REMOVE };

static enum rpc_code record_get(struct job_step *step, Lotcast__V1__SecretKeyRecord **ret_record,
                                uint64_t *ret_version, struct rpc_status *status)
{
    struct rpc_context context = jobs__store_context(step);
    return store_get(step->services->options.store, &context, RECORD_TYPE, NULL,
                     store_key(store_number(KEY_RECORD_ID)), ret_record, ret_version, status);
}

/* The id of the key in secret.key.previous; "" for none. */
static const char *previous_id(const struct keyring_view *view)
{
    for (size_t i = 0; view->has_previous && i < view->count; i++)
        if (memcmp(view->keys[i].bytes, view->previous, sizeof view->previous) == 0)
            return view->keys[i].id_text;
    return "";
}

/* The pass that the job is in is over for nothing: from the first customer on, with this key. */
static enum rpc_code pass_begin(struct job_step *step, const struct keyring_view *view)
{
    Lotcast__V1__ResealJob *reseal = step->job->reseal;
    lotcast__v1__reseal_job__init(reseal);
    reseal->key_id = arena_strdup(step->context->arena, view->keys[0].id_text);
    reseal->previous_id = arena_strdup(step->context->arena, previous_id(view));
    return reseal->key_id == NULL || reseal->previous_id == NULL ? RPC_RESOURCE_EXHAUSTED : RPC_OK;
}

/* Adds a connection as it is to be, if it is not so. Returns its packed bytes in `ret_bytes`. */
static enum rpc_code connection_reseal(struct job_step *step, const struct keyring_view *view,
                                       Lotcast__V1__MetaConnectionRecord *connection,
                                       uint64_t version, size_t *ret_bytes)
{
    struct arena *arena = step->context->arena;
    const struct keyring_key *key = NULL;
    const char *token = NULL;
    *ret_bytes = 0;
    if (connection->token_sealed.len == 0)
        return RPC_OK;
    step->job->reseal->tokens++;
    enum rpc_code code = secret_open_with(view, connection->token_sealed, arena, &token, &key);
    bool unreadable = code == RPC_DATA_LOSS;
    if (code != RPC_OK && !unreadable)
        return code;
    if (unreadable)
        step->job->reseal->unreadable++;
    bool as_it_is =
        unreadable || (key == &view->keys[0] && secret_names(connection->token_sealed, key));
    if (as_it_is && connection->token_unreadable == unreadable)
        return RPC_OK;
    connection->token_unreadable = unreadable;
    if (!as_it_is)
        code = secret_seal_with(&view->keys[0], token, arena, &connection->token_sealed);
    if (code == RPC_RESOURCE_EXHAUSTED)
        return code;
    (void)store_commit_put_version(step->commit, connection, version);
    *ret_bytes = lotcast__v1__meta_connection_record__get_packed_size(connection);
    return RPC_OK;
}

static enum rpc_code page_reseal(struct job_step *step, const struct keyring_view *view,
                                 struct rpc_status *status)
{
    Lotcast__V1__ResealJob *reseal = step->job->reseal;
    struct rpc_context context = jobs__store_context(step);
    struct store_read_op op = {.record = &lotcast__v1__meta_connection_record__descriptor,
                               .is_range = true,
                               .limit = JOBS_COMMIT_ITEMS_MAX,
                               .has_lower = true,
                               .lower = store_number(reseal->done_customer_id + 1)};
    size_t bytes = 0;
    enum rpc_code code = store_read(step->services->options.store, &context, &op, 1, status);
    if (code != RPC_OK)
        return code;
    size_t i = 0;
    for (; i < op.ret_row_count && bytes < JOBS_COMMIT_BYTES_MAX; i++) {
        Lotcast__V1__MetaConnectionRecord *connection = (void *)op.ret_rows[i];
        size_t size = 0;
        code = connection_reseal(step, view, connection, op.ret_versions[i], &size);
        if (code != RPC_OK)
            return rpc_status_set(status, code, "out of memory");
        bytes += size;
        reseal->done_customer_id = connection->customer_id;
    }
    if (i < op.ret_row_count || op.ret_cursor.len > 0)
        step->next = RESEAL_STEP_SEAL;
    return RPC_OK;
}

/* A page, or the beginning of a pass. `view` is wiped by the caller. */
static enum rpc_code seal_with(struct job_step *step, const struct keyring_view *view,
                               struct rpc_status *status)
{
    Lotcast__V1__SecretKeyRecord *record = NULL;
    uint64_t version = 0;
    enum rpc_code code = record_get(step, &record, &version, status);
    if (code != RPC_OK)
        return code;
    if (record == NULL || strcmp(record->key_id, view->keys[0].id_text) != 0) {
        Lotcast__V1__SecretKeyRecord next = LOTCAST__V1__SECRET_KEY_RECORD__INIT;
        next.record_id = KEY_RECORD_ID;
        next.key_id = (char *)view->keys[0].id_text;
        next.since_ms = clock_now_ms();
        (void)store_commit_put_version(step->commit, &next, version);
        step->next = RESEAL_STEP_SEAL; /* the pass itself after the switch */
        return pass_begin(step, view);
    }
    if (strcmp(step->job->reseal->key_id, record->key_id) != 0) {
        code = pass_begin(step, view);
        if (code != RPC_OK)
            return rpc_status_set(status, code, "out of memory");
    }
    return page_reseal(step, view, status);
}

static enum rpc_code reseal_seal(struct job_step *step, struct rpc_status *status)
{
    struct keyring_view view;
    if (step->job->reseal == NULL)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "the job has no input");
    keyring_look(step->services->keyring, &view);
    enum rpc_code code = seal_with(step, &view, status);
    keyring_wipe(&view);
    return code;
}

static enum rpc_code reseal_settle(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__ResealJob *reseal = step->job->reseal;
    Lotcast__V1__SecretKeyRecord *record = NULL;
    uint64_t version = 0;
    enum rpc_code code = record_get(step, &record, &version, status);
    if (code != RPC_OK)
        return code;
    if (record == NULL || strcmp(record->key_id, reseal->key_id) != 0) {
        step->next = RESEAL_STEP_SEAL;
        return RPC_OK;
    }
    record->settled = true;
    record->settled_at_ms = clock_now_ms();
    (void)store_commit_put_version(step->commit, record, version);
    if (reseal->unreadable > 0)
        log_event(LOG_LEVEL_WARN, "tokens_unreadable", log_number("tokens", reseal->unreadable),
                  log_text("why", "no key here opens them: put the key that they were sealed with "
                                  "into secret.key.previous and restart, or let their customers "
                                  "connect Meta again"));
    log_event(LOG_LEVEL_INFO, "tokens_sealed", log_text("key", reseal->key_id),
              log_number("tokens", reseal->tokens - reseal->unreadable));
    return RPC_OK;
}

static enum rpc_code reseal_remove(struct job_step *step, struct rpc_status *status)
{
    const Lotcast__V1__ResealJob *reseal = step->job->reseal;
    struct keyring_view view;
    enum key_file removed = KEY_FILE_OK;
    keyring_look(step->services->keyring, &view);
    bool same = strcmp(view.keys[0].id_text, reseal->key_id) == 0 &&
                strcmp(previous_id(&view), reseal->previous_id) == 0;
    if (same) {
        removed = keyring_previous_remove(step->services->keyring, &view);
    } else { /* the files have changed since the pass began: another one */
        lotcast__v1__reseal_job__init(step->job->reseal);
        step->next = RESEAL_STEP_SEAL;
    }
    keyring_wipe(&view);
    if (removed == KEY_FILE_OK)
        return RPC_OK;
    return rpc_status_set(status, RPC_UNAVAILABLE, "secret.key.previous cannot be removed: %s",
                          removed == KEY_FILE_FAILED ? strerror(errno) : "it has changed");
}

/* There is no end to it: nobody else would do it. */
static enum rpc_code reseal_failed(struct job_step *step, struct rpc_status *error,
                                   struct rpc_status *status)
{
    (void)error;
    (void)status;
    step->delay_ms = RESEAL_PAUSE_MS;
    return RPC_OK;
}

static const struct job_step_rule reseal_steps[] = {
    [RESEAL_STEP_SEAL] = {"seal", reseal_seal, RESEAL_STEP_SETTLE, RESEAL_ATTEMPTS_MAX,
                          RESEAL_STEP_MS},
    [RESEAL_STEP_SETTLE] = {"settle", reseal_settle, RESEAL_STEP_REMOVE, RESEAL_ATTEMPTS_MAX,
                            RESEAL_STEP_MS},
    [RESEAL_STEP_REMOVE] = {"remove", reseal_remove, JOB_STEP_END, RESEAL_ATTEMPTS_MAX,
                            RESEAL_STEP_MS},
};

const struct job_kind jobs__reseal = {
    .kind = LOTCAST__V1__JOB_KIND__JOB_KIND_RESEAL,
    .name = "reseal",
    .steps = reseal_steps,
    .step_count = sizeof reseal_steps / sizeof reseal_steps[0],
    .threads = 1,
    .arena_bytes_max = RESEAL_ARENA_BYTES_MAX,
    .failed = reseal_failed,
};
