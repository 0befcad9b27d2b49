#include "rpc/services/credits.h"

#include <string.h>

#include "rpc/services/campaign.h"
#include "rpc/services/jobs/jobs.h"

/* Where a campaign stands with its credits and disputes, and is to stand. */
static void decide(const struct credits_change *change, bool has_balance, int64_t balance_centi,
                   struct campaign_change *ret_change)
{
    unsigned set = change->dispute == CREDITS_DISPUTE_PAUSES ? CAMPAIGN_PAUSE_DISPUTE : 0u;
    unsigned clear = change->dispute == CREDITS_DISPUTE_OVER ? CAMPAIGN_PAUSE_DISPUTE : 0u;
    if (has_balance && balance_centi <= 0)
        set |= CAMPAIGN_PAUSE_CREDITS;
    else if (has_balance)
        clear |= CAMPAIGN_PAUSE_CREDITS;
    unsigned pauses = campaign_pauses(ret_change->campaign);
    ret_change->set = set & ~pauses;
    ret_change->clear = clear & pauses;
}

/* There is no campaign yet: the launch that makes one reads it there (jobs/launch.c). The commit
 * expects that there is still none. */
static enum rpc_code dispute_note(struct services *services, struct rpc_context *context,
                                  struct store_commit *commit, int64_t customer_id,
                                  enum credits_dispute dispute, struct rpc_status *status)
{
    struct store_key key = store_key(store_number(customer_id));
    Lotcast__V1__CustomerRecord *customer = NULL;
    uint64_t version = 0;
    if (dispute == CREDITS_DISPUTE_AS_IT_IS)
        return RPC_OK;
    enum rpc_code code =
        store_get(services->options.store, context, &lotcast__v1__customer_record__descriptor, NULL,
                  key, &customer, &version, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (customer == NULL)
        return RPC_OK;
    customer->disputed = dispute == CREDITS_DISPUTE_PAUSES;
    (void)store_commit_put_version(commit, customer, version);
    (void)store_commit_check(commit, &lotcast__v1__campaign_record__descriptor, key, 0);
    return RPC_OK;
}

static enum rpc_code pause_append(struct services *services, struct rpc_context *context,
                                  struct store_commit *commit, int64_t customer_id,
                                  const struct credits_change *change, int64_t balance_centi,
                                  struct rpc_status *status)
{
    struct campaign_change campaign = {0};
    enum rpc_code code = store_get(
        services->options.store, context, &lotcast__v1__campaign_record__descriptor, NULL,
        store_key(store_number(customer_id)), &campaign.campaign, &campaign.version, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (campaign.campaign == NULL)
        return dispute_note(services, context, commit, customer_id, change->dispute, status);
    decide(change, change->posting_count > 0, balance_centi, &campaign);
    if (campaign.set == 0 && campaign.clear == 0)
        return RPC_OK;
    return campaign_change_add(services, context, commit, &campaign, status);
}

enum rpc_code credits_append(struct services *services, struct rpc_context *context,
                             struct store_commit *commit, int64_t customer_id,
                             const struct credits_change *change, int64_t *ret_balance_centi,
                             struct rpc_status *status)
{
    int64_t balance_centi = 0;
    enum rpc_code code = RPC_OK;
    if (change->posting_count > 0)
        code = ledger_append(services, context, commit, customer_id, change->postings,
                             change->posting_count, &balance_centi, status);
    if (code == RPC_OK &&
        (change->posting_count > 0 || change->dispute != CREDITS_DISPUTE_AS_IT_IS))
        code = pause_append(services, context, commit, customer_id, change, balance_centi, status);
    if (code == RPC_OK && change->posting_count > 0 && ret_balance_centi != NULL)
        *ret_balance_centi = balance_centi;
    return code;
}

enum rpc_code credits_code(enum rpc_code code, const struct rpc_status *status)
{
    bool slot =
        code == RPC_ALREADY_EXISTS && status != NULL && strcmp(status->field, "by_slot") == 0;
    return slot ? RPC_ABORTED : code;
}

enum rpc_code credits_send(struct services *services, struct rpc_context *context,
                           struct store_commit *commit, struct rpc_status *status)
{
    struct rpc_status own;
    struct rpc_status *seen = status == NULL ? &own : status;
    enum rpc_code code = credits_code(store_commit_send(commit, context, NULL, seen), seen);
    if (code == RPC_OK)
        jobs_wake(services->jobs);
    return code;
}
