/*
 * Pausing and resuming a campaign. A CampaignRecord has a flag for each reason to be paused; with
 * none set the campaign is to be active. A change sets or clears flags in a commit of the caller's,
 * together with the CAMPAIGN_STATE job that brings Meta in step (jobs/campaign_state.c); the
 * record's `state` is what Meta has confirmed. So a flag is never changed without Meta hearing of
 * it, whatever is killed when.
 *
 * One such job is active for each customer at a time. A change that finds one adds no other: the
 * job's last commit, also that of its failure, writes the campaign's record at the version it
 * decided upon. Either the change comes first and the job decides anew, or the job's end comes
 * first and the change fails with RPC_ABORTED.
 */
#ifndef RPC_SERVICES_CAMPAIGN_H
#define RPC_SERVICES_CAMPAIGN_H

#include "rpc/services/internal.h"

/* Reasons to be paused. Bits. */
enum campaign_pause {
    CAMPAIGN_PAUSE_USER = 1 << 0,
    CAMPAIGN_PAUSE_DISCONNECT = 1 << 1,
    CAMPAIGN_PAUSE_SUSPENSION = 1 << 2,
    CAMPAIGN_PAUSE_CREDITS = 1 << 3,
    CAMPAIGN_PAUSE_DISPUTE = 1 << 4,
};

struct campaign_change {
    /* As it was read by the caller, and changed here; other fields that the caller has changed are
     * stored with it. `version` is its own, not 0. */
    Lotcast__V1__CampaignRecord *campaign;
    uint64_t version;
    unsigned set, clear; /* of enum campaign_pause; 0 for both: only brings Meta in step */
    bool changed;        /* the caller has changed another field: the record is stored anyway */
    int64_t ret_job_id;  /* to jobs_wait for; 0: flags and Meta were as asked already */
};

/* The flags that are set. Pure. */
unsigned campaign_pauses(const Lotcast__V1__CampaignRecord *campaign);
/* What its flags ask for: CAMPAIGN_STATE_ACTIVE or _PAUSED. Pure. */
Lotcast__V1__CampaignState campaign_state_wanted(const Lotcast__V1__CampaignRecord *campaign);

/*
 * Adds the change and its job to `commit`, which the caller sends; after RPC_OK it calls jobs_wake.
 * The commit puts the campaign's record: no other op of it may. Where nothing is to be changed it
 * only checks the version. RPC_ABORTED and RPC_ALREADY_EXISTS of the commit mean: read the campaign
 * again and decide anew. Reads the store; call it after the campaign was read. Besides the store's
 * errors RPC_RESOURCE_EXHAUSTED.
 *
 * Without a living token the job fails (META_NOT_CONNECTED) and the flags stay: who connects again
 * adds a change of nothing to bring Meta in step. Connecting again does not clear
 * CAMPAIGN_PAUSE_DISCONNECT: the ads stay paused until the customer resumes them, which clears it
 * together with CAMPAIGN_PAUSE_USER.
 */
enum rpc_code campaign_change_add(struct services *services, struct rpc_context *context,
                                  struct store_commit *commit, struct campaign_change *change,
                                  struct rpc_status *status) __attribute__((warn_unused_result));

#endif
