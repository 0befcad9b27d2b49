/*
 * Brings a campaign's status at Meta in step with its reasons to be paused
 * (rpc/services/campaign.h).
 *
 * One step: read the flags, set the status at Meta and read it back, store what Meta has confirmed.
 * The last commit writes the campaign's record at the version that was read, even where nothing in
 * it changes: flags that changed meanwhile fail it, and the step decides anew; and a change that
 * counted on this job fails once the job has ended. Setting a status twice is setting it once, so
 * nothing is looked up.
 *
 * While Meta does not answer the job goes on, with pauses: an account without credits must not
 * spend because Meta was away for an hour. A dead token or a refusal ends it.
 */
#include "rpc/services/campaign.h"
#include "rpc/services/jobs/internal.h"

/* One attempt. */
#define STATE_STEP_MS ((int64_t)60 * 1000)
/* Attempts in a row, then a longer pause, then again. */
#define STATE_ATTEMPTS_MAX 10
#define STATE_PAUSE_MS ((int64_t)5 * 60 * 1000)
#define STATE_ARENA_BYTES_MAX ((size_t)32 * 1024 * 1024)

static enum rpc_code campaign_read(struct job_step *step,
                                   Lotcast__V1__CampaignRecord **ret_campaign,
                                   uint64_t *ret_version, struct rpc_status *status)
{
    struct rpc_context context = jobs__store_context(step);
    return store_get(
        step->services->options.store, &context, &lotcast__v1__campaign_record__descriptor, NULL,
        store_key(store_number(step->job->customer_id)), ret_campaign, ret_version, status);
}

static enum rpc_code state_align(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__CampaignRecord *campaign = NULL;
    uint64_t version = 0;
    const Lotcast__V1__MetaConnectionRecord *connection = NULL;
    const char *token = NULL;
    enum rpc_code code = campaign_read(step, &campaign, &version, status);
    if (code != RPC_OK || campaign == NULL)
        return code;
    Lotcast__V1__CampaignState wanted = campaign_state_wanted(campaign);
    code = jobs__token_open(step, &connection, &token, status);
    if (code == RPC_OK)
        code = meta_status_set(
            step->services->options.meta, step->context, token, campaign->campaign_id,
            wanted == LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE, status);
    if (code != RPC_OK)
        return code;
    campaign->state = wanted;
    (void)store_commit_put_version(step->commit, campaign, version);
    return RPC_OK;
}

static enum rpc_code state_failed(struct job_step *step, struct rpc_status *error,
                                  struct rpc_status *status)
{
    if (jobs__failure_class(error) == JOB_FAILURE_RETRY) {
        step->delay_ms = STATE_PAUSE_MS;
        return RPC_OK;
    }
    bool disconnected = error->reason == LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED;
    if (!disconnected)
        (void)rpc_status_fail_upstream(error, "meta");
    Lotcast__V1__CampaignRecord *campaign = NULL;
    uint64_t version = 0;
    enum rpc_code code = campaign_read(step, &campaign, &version, status);
    if (code == RPC_OK && campaign != NULL)
        (void)store_commit_put_version(step->commit, campaign, version);
    return code;
}

static const struct job_step_rule state_steps[] = {
    {"align", state_align, JOB_STEP_END, STATE_ATTEMPTS_MAX, STATE_STEP_MS},
};

const struct job_kind jobs__campaign_state = {
    .kind = LOTCAST__V1__JOB_KIND__JOB_KIND_CAMPAIGN_STATE,
    .name = "campaign_state",
    .steps = state_steps,
    .step_count = sizeof state_steps / sizeof state_steps[0],
    .threads = 8,
    .arena_bytes_max = STATE_ARENA_BYTES_MAX,
    .failed = state_failed,
};
