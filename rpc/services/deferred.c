#include "rpc/services/deferred.h"

#include <stdlib.h>

#include "rpc/base/clock.h"
#include "rpc/services/jobs/jobs.h"

/* Time kept for the answer's way back, within the call's own deadline. */
#define ANSWER_MS 500

int64_t deferred_until_ms(struct rpc_server_call *call, int64_t wait_ms)
{
    int64_t until = clock_mono_ms() - rpc_server_call_elapsed_us(call) / 1000 + wait_ms;
    int64_t deadline = rpc_server_call_context(call)->deadline_ms;
    if (deadline != INT64_MAX && until > deadline - ANSWER_MS)
        until = deadline - ANSWER_MS;
    return until;
}

enum rpc_code deferred_job_wait(struct rpc_server_call *call, void *response, int64_t job_id,
                                int64_t wait_ms, deferred_done *done, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct deferred *deferred = malloc(sizeof *deferred);
    if (deferred == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    *deferred = (struct deferred){call, response};
    enum rpc_code code =
        jobs_wait(services->jobs, job_id, deferred_until_ms(call, wait_ms), done, deferred, status);
    if (code == RPC_OK)
        return RPC_DEFERRED;
    free(deferred);
    return code;
}

void deferred_finish(struct deferred *deferred, const struct rpc_status *status)
{
    rpc_server_call_finish(deferred->call, status->code, status);
    free(deferred);
}

void deferred_job_error(const Lotcast__V1__JobRecord *job, struct rpc_status *status)
{
    rpc_status_from_message(status, job->error);
    if (status->code == RPC_OK)
        (void)rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INTERNAL, NULL);
}
