/*
 * Starts a customer's syncs by the clock (model/slot.h).
 *
 * One recurring step. What it remembers is the moment up to which slots have been dealt with, so
 * that the time zone may change, and slots that were missed while nothing ran count once: the first
 * slot behind that moment, with the customer's spread, is what is due. A slot at which auto-sync is
 * off, or cannot run, passes. A sync that runs already counts as the slot's.
 */
#include "rpc/base/clock.h"
#include "rpc/services/jobs/internal.h"
#include "rpc/services/jobs/sync.h"
#include "rpc/services/model/onboarding.h"
#include "rpc/services/model/slot.h"
#include "rpc/services/model/standing.h"
#include "rpc/services/zones.h"

#define AUTO_ATTEMPTS_MAX 10
#define AUTO_STEP_MS ((int64_t)30 * 1000)
#define AUTO_ARENA_BYTES_MAX ((size_t)32 * 1024 * 1024)
/* After failures in a row: again after so long. */
#define AUTO_PAUSE_MS ((int64_t)60 * 1000)
/* A time zone may be changed between two looks. */
#define AUTO_LOOK_MS_MAX ((int64_t)60 * 60 * 1000)

enum { AUTO_CUSTOMER, AUTO_CAMPAIGN, AUTO_CONNECTION, AUTO_WEBSITE, AUTO_SYNC, AUTO_OPS };

static enum rpc_code records_read(struct job_step *step, struct store_read_op ops[static AUTO_OPS],
                                  struct rpc_status *status)
{
    struct store_key key = store_key(store_number(step->job->customer_id));
    char *slot = jobs__slot(&jobs__sync, step->job->customer_id, step->context->arena);
    if (slot == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    ops[AUTO_CUSTOMER] = services__get(&lotcast__v1__customer_record__descriptor, key);
    ops[AUTO_CAMPAIGN] = services__get(&lotcast__v1__campaign_record__descriptor, key);
    ops[AUTO_CONNECTION] = services__get(&lotcast__v1__meta_connection_record__descriptor, key);
    ops[AUTO_WEBSITE] = services__get(&lotcast__v1__website_record__descriptor, key);
    ops[AUTO_SYNC] = (struct store_read_op){.record = &lotcast__v1__job_record__descriptor,
                                            .index = "by_slot",
                                            .key = store_key(store_text(slot))};
    struct rpc_context context = jobs__store_context(step);
    return store_read(step->services->options.store, &context, ops, AUTO_OPS, status);
}

/* Whether a sync can run now. */
static bool can_run(const struct store_read_op ops[static AUTO_OPS], int64_t now_ms)
{
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[AUTO_CUSTOMER]);
    return customer != NULL && !customer->suspended && services__row(&ops[AUTO_CAMPAIGN]) != NULL &&
           standing_token_alive(services__row(&ops[AUTO_CONNECTION]), now_ms) &&
           !onboarding_first_scan(services__row(&ops[AUTO_WEBSITE])) &&
           services__row(&ops[AUTO_SYNC]) == NULL;
}

/* Whether one is to run: a slot has come, or the inventory has changed when none could run. */
static bool is_wanted(const struct store_read_op ops[static AUTO_OPS], bool slot_come)
{
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[AUTO_CUSTOMER]);
    const Lotcast__V1__CampaignRecord *campaign = services__row(&ops[AUTO_CAMPAIGN]);
    const Lotcast__V1__WebsiteRecord *website = services__row(&ops[AUTO_WEBSITE]);
    bool left_over = website != NULL && website->sync_wanted && !campaign->sync_failed;
    return left_over || (slot_come && !customer->auto_sync_off);
}

static enum rpc_code sync_start(struct job_step *step,
                                const struct store_read_op ops[static AUTO_OPS],
                                struct rpc_status *status)
{
    const Lotcast__V1__WebsiteRecord *website = services__row(&ops[AUTO_WEBSITE]);
    const struct sync_request request = {.customer_id = step->job->customer_id,
                                         .item_count = website == NULL ? 0 : website->item_count,
                                         .automatic = true};
    int64_t job_id = 0;
    struct rpc_context context = jobs__store_context(step);
    return sync_job_add(step->services, &context, step->commit, &request, &job_id, status);
}

static enum rpc_code auto_look(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__AutoSyncJob *memory = step->job->auto_sync;
    struct store_read_op ops[AUTO_OPS];
    if (memory == NULL)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "the job has no input");
    enum rpc_code code = records_read(step, ops, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[AUTO_CUSTOMER]);
    const struct zone *zone = NULL;
    /* A zone that tzdata has lost is UTC. */
    if (customer != NULL && !zones_find(step->services->zones, customer->time_zone, &zone))
        zone = NULL;
    int64_t now_ms = clock_now_ms();
    int64_t spread = slot_spread_ms(step->job->customer_id);
    if (memory->handled_until_ms > now_ms)
        memory->handled_until_ms = now_ms; /* the clock was set back */
    int64_t due_ms = slot_next_ms(zone, memory->handled_until_ms) + spread;
    bool slot_come = due_ms <= now_ms;
    if (can_run(ops, now_ms) && is_wanted(ops, slot_come))
        code = sync_start(step, ops, status);
    if (slot_come) {
        memory->handled_until_ms = now_ms;
        due_ms = slot_next_ms(zone, now_ms) + spread;
    }
    step->delay_ms = due_ms - now_ms < AUTO_LOOK_MS_MAX ? due_ms - now_ms : AUTO_LOOK_MS_MAX;
    return code;
}

static enum rpc_code auto_failed(struct job_step *step, struct rpc_status *error,
                                 struct rpc_status *status)
{
    (void)error;
    (void)status;
    step->delay_ms = AUTO_PAUSE_MS;
    return RPC_OK;
}

enum rpc_code auto_sync_job_add(struct services *services, struct rpc_context *context,
                                struct store_commit *commit, int64_t customer_id,
                                struct rpc_status *status)
{
    Lotcast__V1__AutoSyncJob memory = LOTCAST__V1__AUTO_SYNC_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    int64_t job_id = 0;
    memory.handled_until_ms = clock_now_ms();
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_AUTO_SYNC;
    job.customer_id = customer_id;
    job.auto_sync = &memory;
    return jobs_add(services->jobs, context, commit, &job, &job_id, status);
}

enum rpc_code auto_sync_look_add(struct services *services, struct rpc_context *context,
                                 struct store_commit *commit, int64_t customer_id,
                                 struct rpc_status *status)
{
    struct store_read_op op;
    if (!services__active_job(context, jobs__auto_sync.name, customer_id, &op))
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    enum rpc_code code = store_read(services->options.store, context, &op, 1, status);
    if (code != RPC_OK)
        return code;
    Lotcast__V1__JobRecord *job = services__row(&op);
    int64_t now_ms = clock_now_ms();
    if (job == NULL || job->lease_owner[0] != '\0' || job->due_key <= now_ms)
        return RPC_OK;
    job->due_key = now_ms;
    (void)store_commit_put_version(commit, job, services__version(&op));
    return RPC_OK;
}

static const struct job_step_rule auto_steps[] = {
    {"look", auto_look, 0, AUTO_ATTEMPTS_MAX, AUTO_STEP_MS},
};

const struct job_kind jobs__auto_sync = {
    .kind = LOTCAST__V1__JOB_KIND__JOB_KIND_AUTO_SYNC,
    .name = "auto_sync",
    .steps = auto_steps,
    .step_count = sizeof auto_steps / sizeof auto_steps[0],
    .threads = 2,
    .arena_bytes_max = AUTO_ARENA_BYTES_MAX,
    .failed = auto_failed,
};
