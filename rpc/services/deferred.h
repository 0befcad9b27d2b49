/*
 * Calls that wait for a job's end without holding a thread: the handler defers its call, and the
 * jobs' watcher finishes it.
 */
#ifndef RPC_SERVICES_DEFERRED_H
#define RPC_SERVICES_DEFERRED_H

#include "rpc/services/internal.h"

/* A call that waits. Made by deferred_job_wait, freed by deferred_finish. */
struct deferred {
    struct rpc_server_call *call;
    void *response; /* the handler's, in the call's arena */
};

/* Called once on a thread of the jobs', with a struct deferred, as jobs_wait says of its `done`;
 * must end in deferred_finish. */
typedef void deferred_done(void *deferred, const Lotcast__V1__JobRecord *job);

/*
 * Waits for the job's end, at most `wait_ms` since the call was received and no longer than its
 * deadline allows. RPC_DEFERRED, which the handler returns; any other code: nothing waits.
 */
enum rpc_code deferred_job_wait(struct rpc_server_call *call, void *response, int64_t job_id,
                                int64_t wait_ms, deferred_done *done, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* Ends the call with this status, and its response if that is RPC_OK. */
void deferred_finish(struct deferred *deferred, const struct rpc_status *status);

/* The status of a job that has failed. */
void deferred_job_error(const Lotcast__V1__JobRecord *job, struct rpc_status *status);

/* When a call that was received with so much time has to be answered, on clock_mono_ms(): its own
 * deadline counts, less the answer's way back. */
int64_t deferred_until_ms(struct rpc_server_call *call, int64_t wait_ms);

#endif
