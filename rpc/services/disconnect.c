/*
 * Settings/DisconnectMeta: makes the job that does it (jobs/disconnect.c), or joins the one that
 * runs, and waits for its end. Any number of calls at once has one effect.
 */
#include "rpc/services/deferred.h"
#include "rpc/services/jobs/jobs.h"
#include "rpc/services/model/standing.h"
#include "rpc/services/settings.h"

/* Answers DEADLINE_EXCEEDED after so long, just before the facade would; the job goes on. */
#define DISCONNECT_WAIT_MS 29000

#define FAIL(status, reason, field) \
    rpc_status_fail(status, LOTCAST__V1__REASON__REASON_##reason, field)

static void disconnect_done(void *deferred_, const Lotcast__V1__JobRecord *job)
{
    struct deferred *deferred = deferred_;
    Lotcast__V1__DisconnectMetaResponse *response = deferred->response;
    struct rpc_status status;
    rpc_status_clear(&status);
    if (job == NULL)
        (void)FAIL(&status, UNAVAILABLE, NULL);
    else if (job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE)
        (void)FAIL(&status, DEADLINE_EXCEEDED, NULL);
    else if (job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED)
        deferred_job_error(job, &status);
    else
        response->success = true;
    deferred_finish(deferred, &status);
}

enum { CONNECTION, DISCONNECT, LAUNCH, OP_COUNT };

static enum rpc_code read_all(struct services *services, struct rpc_context *context,
                              int64_t customer_id, struct store_read_op *ops,
                              struct rpc_status *status)
{
    ops[CONNECTION] = services__get(&lotcast__v1__meta_connection_record__descriptor,
                                    store_key(store_number(customer_id)));
    if (!services__active_job(context, "disconnect", customer_id, &ops[DISCONNECT]) ||
        !services__active_job(context, "launch", customer_id, &ops[LAUNCH]))
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    enum rpc_code code = store_read(services->options.store, context, ops, OP_COUNT, status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

/* Begins a job or finds the one that runs; 0: there is nothing to disconnect. `ret_lost` is set
 * when another call was first: read again. */
static enum rpc_code begin(struct services *services, struct rpc_context *context,
                           int64_t customer_id, int64_t *ret_job_id, bool *ret_lost,
                           struct rpc_status *status)
{
    struct store_read_op ops[OP_COUNT];
    enum rpc_code code = read_all(services, context, customer_id, ops, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__JobRecord *running = services__row(&ops[DISCONNECT]);
    const Lotcast__V1__MetaConnectionRecord *connection = services__row(&ops[CONNECTION]);
    *ret_job_id = running == NULL ? 0 : running->job_id;
    if (running != NULL || connection == NULL || connection->token_sealed.len == 0)
        return RPC_OK;
    if (services__row(&ops[LAUNCH]) != NULL)
        return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL,
                                       "Your ads are being launched");
    Lotcast__V1__DisconnectJob disconnect = LOTCAST__V1__DISCONNECT_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_DISCONNECT;
    job.customer_id = customer_id;
    job.disconnect = &disconnect;
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    code = jobs_add(services->jobs, context, &commit, &job, ret_job_id, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    /* A connection that has changed is another one. */
    (void)store_commit_check(&commit, ops[CONNECTION].record, ops[CONNECTION].key,
                             services__version(&ops[CONNECTION]));
    code = store_commit_send(&commit, context, NULL, status);
    if (code == RPC_OK) {
        jobs_wake(services->jobs);
        return RPC_OK;
    }
    *ret_lost = code == RPC_ABORTED || code == RPC_ALREADY_EXISTS;
    return *ret_lost ? FAIL(status, CONFLICT, NULL) : services__store_failed(code, status);
}

enum rpc_code settings__disconnect_meta(struct rpc_server_call *call, const void *request,
                                        void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    Lotcast__V1__DisconnectMetaResponse *response = response_message;
    enum rpc_code code = RPC_OK;
    int64_t job_id = 0;
    bool lost = true;
    (void)request;
    for (int try = 0; lost && try < SERVICES_COMMIT_TRIES; try++) {
        lost = false;
        code = begin(services, rpc_server_call_context(call),
                     rpc_server_call_principal(call)->customer_id, &job_id, &lost, status);
    }
    if (code != RPC_OK)
        return code;
    if (job_id != 0)
        return deferred_job_wait(call, response, job_id, DISCONNECT_WAIT_MS, disconnect_done,
                                 status);
    response->success = true;
    return RPC_OK;
}
