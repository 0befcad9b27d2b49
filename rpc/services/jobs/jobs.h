/*
 * Durable jobs: scan, launch, insights. A job is a JobRecord with a state table of steps; each
 * step's result is committed together with the job's next step, expecting the version at which the
 * step began (the fencing number), so that a runner that lost its lease can commit nothing. kill -9
 * anywhere, and the job goes on at that step within 30 s.
 */
#ifndef RPC_SERVICES_JOBS_JOBS_H
#define RPC_SERVICES_JOBS_JOBS_H

#include "rpc/services/internal.h"

enum rpc_code jobs_create(struct services *services, struct jobs **ret_jobs,
                          struct rpc_status *status) __attribute__((warn_unused_result));
enum rpc_code jobs_start(struct jobs *jobs, struct rpc_status *status)
    __attribute__((warn_unused_result));
void jobs_stop(struct jobs *jobs, int64_t timeout_ms);
void jobs_destroy(struct jobs *jobs);

/*
 * Adds the ops that create `job` (its kind, customer and input filled in; the rest is set here) to
 * a commit. One job of a kind at a time for each customer: else the commit fails with
 * RPC_ALREADY_EXISTS on index by_slot. Takes a number from the store; `ret_job_id` is it.
 */
enum rpc_code jobs_add(struct jobs *jobs, struct rpc_context *context, struct store_commit *commit,
                       Lotcast__V1__JobRecord *job, int64_t *ret_job_id, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Wakes the runner: a job may be due. */
void jobs_wake(struct jobs *jobs);

/*
 * Calls `done` once, on a thread of the jobs', when the job has ended (with its record, lent for
 * the call), when `until_ms` (clock_mono_ms) has come (with the record as it is then), or when the
 * jobs stop (NULL). Works for jobs that run in another process too.
 */
enum rpc_code jobs_wait(struct jobs *jobs, int64_t job_id, int64_t until_ms,
                        void (*done)(void *arg, const Lotcast__V1__JobRecord *job), void *arg,
                        struct rpc_status *status) __attribute__((warn_unused_result));

#endif
