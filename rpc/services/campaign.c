#include "rpc/services/campaign.h"

#include "rpc/base/clock.h"
#include "rpc/services/jobs/jobs.h"

unsigned campaign_pauses(const Lotcast__V1__CampaignRecord *campaign)
{
    return (campaign->paused_by_user ? CAMPAIGN_PAUSE_USER : 0u) |
           (campaign->paused_by_disconnect ? CAMPAIGN_PAUSE_DISCONNECT : 0u) |
           (campaign->paused_by_suspension ? CAMPAIGN_PAUSE_SUSPENSION : 0u) |
           (campaign->paused_by_credits ? CAMPAIGN_PAUSE_CREDITS : 0u) |
           (campaign->paused_by_dispute ? CAMPAIGN_PAUSE_DISPUTE : 0u);
}

static void pauses_store(Lotcast__V1__CampaignRecord *campaign, unsigned pauses)
{
    campaign->paused_by_user = (pauses & CAMPAIGN_PAUSE_USER) != 0;
    campaign->paused_by_disconnect = (pauses & CAMPAIGN_PAUSE_DISCONNECT) != 0;
    campaign->paused_by_suspension = (pauses & CAMPAIGN_PAUSE_SUSPENSION) != 0;
    campaign->paused_by_credits = (pauses & CAMPAIGN_PAUSE_CREDITS) != 0;
    campaign->paused_by_dispute = (pauses & CAMPAIGN_PAUSE_DISPUTE) != 0;
}

Lotcast__V1__CampaignState campaign_state_wanted(const Lotcast__V1__CampaignRecord *campaign)
{
    return campaign_pauses(campaign) == 0 ? LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE
                                          : LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_PAUSED;
}

/* The job that is active for the customer, NULL if there is none. */
static enum rpc_code job_find(struct services *services, struct rpc_context *context,
                              int64_t customer_id, Lotcast__V1__JobRecord **ret_job,
                              uint64_t *ret_version, struct rpc_status *status)
{
    char *slot = arena_printf(context->arena, "campaign_state:%lld", (long long)customer_id);
    if (slot == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    return store_get(services->options.store, context, &lotcast__v1__job_record__descriptor,
                     "by_slot", store_key(store_text(slot)), ret_job, ret_version, status);
}

/* A job that waits to try again does so at once, and counts anew: it has something new to do. */
static void job_hasten(struct store_commit *commit, Lotcast__V1__JobRecord *job, uint64_t version)
{
    int64_t now_ms = clock_now_ms();
    if (job->lease_owner[0] != '\0' || job->due_key <= now_ms)
        return;
    job->due_key = now_ms;
    job->attempt = 0;
    (void)store_commit_put_version(commit, job, version);
}

static enum rpc_code job_add(struct services *services, struct rpc_context *context,
                             struct store_commit *commit, int64_t customer_id, int64_t *ret_job_id,
                             struct rpc_status *status)
{
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_CAMPAIGN_STATE;
    job.customer_id = customer_id;
    return jobs_add(services->jobs, context, commit, &job, ret_job_id, status);
}

enum rpc_code campaign_change_add(struct services *services, struct rpc_context *context,
                                  struct store_commit *commit, struct campaign_change *change,
                                  struct rpc_status *status)
{
    Lotcast__V1__CampaignRecord *campaign = change->campaign;
    int64_t customer_id = campaign->customer_id;
    unsigned before = campaign_pauses(campaign);
    unsigned after = (before | change->set) & ~change->clear;
    Lotcast__V1__JobRecord *job = NULL;
    uint64_t job_version = 0;
    enum rpc_code code = job_find(services, context, customer_id, &job, &job_version, status);
    if (code != RPC_OK)
        return code;
    pauses_store(campaign, after);
    bool in_step = before == after && campaign->state == campaign_state_wanted(campaign);
    change->ret_job_id = 0;
    if (job != NULL) {
        job_hasten(commit, job, job_version);
        change->ret_job_id = job->job_id;
    } else if (!in_step) {
        code = job_add(services, context, commit, customer_id, &change->ret_job_id, status);
    }
    if (code != RPC_OK)
        return code;
    if (before != after || change->changed)
        (void)store_commit_put_version(commit, campaign, change->version);
    else
        (void)store_commit_check(commit, &lotcast__v1__campaign_record__descriptor,
                                 store_key(store_number(customer_id)), change->version);
    return RPC_OK;
}
