/*
 * Ads/UpdateAds: budget and targeting of the running ad set. Set at Meta first, stored once Meta
 * has confirmed. Setting the same again changes nothing, so a call that was cut off is repeated. Of
 * several at once each that finds the record changed sets its values again, so that the one that
 * stores last is also the last that Meta has heard.
 */
#include "rpc/base/clock.h"
#include "rpc/services/ads.h"
#include "rpc/services/model/budget.h"
#include "rpc/services/secret.h"

/* Kept of the call's time for storing what Meta has confirmed. */
#define UPDATE_STORE_MS 3000

#define FAIL(status, reason, field) \
    rpc_status_fail(status, LOTCAST__V1__REASON__REASON_##reason, field)

struct update {
    struct services *services;
    struct rpc_context *context;
    int64_t customer_id;
    const Lotcast__V1__UpdateAdsRequest *request;
    struct store_read_op ops[ADS_RECORDS];
};

/* The fields alone, in declared order. */
static enum rpc_code fields_check(const Lotcast__V1__UpdateAdsRequest *request,
                                  struct rpc_status *status)
{
    char field[TARGETING_FIELD_BYTES];
    if (request->monthly_budget != NULL && !budget_monthly_allowed(request->monthly_budget->value))
        return FAIL(status, INVALID_BUDGET, "monthlyBudget");
    if (request->targeting != NULL && !targeting_check(request->targeting, field))
        return FAIL(status, INVALID_TARGETING, field);
    return RPC_OK;
}

static enum rpc_code state_check(struct update *update, struct rpc_status *status)
{
    const Lotcast__V1__UpdateAdsRequest *request = update->request;
    ads__records(update->customer_id, update->ops);
    enum rpc_code code = store_read(update->services->options.store, update->context, update->ops,
                                    ADS_RECORDS, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    code = ads__check(update->ops, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__CampaignRecord *campaign = services__row(&update->ops[ADS_CAMPAIGN]);
    if (request->monthly_budget != NULL &&
        !budget_monthly_expressible(request->monthly_budget->value,
                                    meta_currency_factor(campaign->currency)))
        return FAIL(status, INVALID_BUDGET, "monthlyBudget");
    return RPC_OK;
}

/* Notes that the token is dead, unless there is another one by now. At its best. */
static void token_mark_dead(struct update *update)
{
    const struct store_read_op *op = &update->ops[ADS_CONNECTION];
    Lotcast__V1__MetaConnectionRecord *connection = services__row(op);
    struct store_commit commit;
    connection->token_dead = true;
    store_commit_init(&commit, update->services->options.store, update->context);
    (void)store_commit_put_version(&commit, connection, services__version(op));
    (void)!store_commit_send(&commit, update->context, NULL, NULL);
}

static enum rpc_code meta_set(struct update *update, struct rpc_status *status)
{
    const Lotcast__V1__UpdateAdsRequest *request = update->request;
    const Lotcast__V1__CampaignRecord *campaign = services__row(&update->ops[ADS_CAMPAIGN]);
    const Lotcast__V1__MetaConnectionRecord *connection =
        services__row(&update->ops[ADS_CONNECTION]);
    const char *token = NULL;
    enum rpc_code code =
        secret_open(update->services, connection->token_sealed, update->context->arena, &token);
    if (code != RPC_OK)
        return code == RPC_DATA_LOSS ? FAIL(status, META_NOT_CONNECTED, NULL)
                                     : FAIL(status, INTERNAL, NULL);
    int64_t daily = 0;
    if (request->monthly_budget != NULL)
        daily =
            budget_daily(request->monthly_budget->value, meta_currency_factor(campaign->currency));
    struct rpc_context context = *update->context;
    if (context.deadline_ms != INT64_MAX)
        context.deadline_ms -= UPDATE_STORE_MS;
    code = meta_ad_set_update(update->services->options.meta, &context, token, campaign->ad_set_id,
                              daily, request->targeting, status);
    if (code == RPC_OK || code == RPC_CANCELLED)
        return code;
    if (code != RPC_UNAUTHENTICATED)
        return rpc_status_fail_upstream(status, "meta");
    token_mark_dead(update);
    return FAIL(status, META_NOT_CONNECTED, NULL);
}

/* RPC_ABORTED: the record has changed, set and store anew. */
static enum rpc_code campaign_store(struct update *update, struct rpc_status *status)
{
    const Lotcast__V1__UpdateAdsRequest *request = update->request;
    const struct store_read_op *op = &update->ops[ADS_CAMPAIGN];
    Lotcast__V1__CampaignRecord *campaign = services__row(op);
    struct store_commit commit;
    if (request->monthly_budget != NULL)
        campaign->monthly_budget_minor = request->monthly_budget->value;
    if (request->targeting != NULL)
        campaign->targeting = request->targeting;
    store_commit_init(&commit, update->services->options.store, update->context);
    (void)store_commit_put_version(&commit, campaign, services__version(op));
    enum rpc_code code = store_commit_send(&commit, update->context, NULL, status);
    return code == RPC_OK || code == RPC_ABORTED ? code : services__store_failed(code, status);
}

enum rpc_code ads__update(struct rpc_server_call *call, const void *request_message,
                          void *response_message, struct rpc_status *status)
{
    Lotcast__V1__UpdateAdsResponse *response = response_message;
    struct update update = {.services = rpc_server_call_self(call),
                            .context = rpc_server_call_context(call),
                            .customer_id = rpc_server_call_principal(call)->customer_id,
                            .request = request_message};
    enum rpc_code code = fields_check(update.request, status);
    if (code != RPC_OK)
        return code;
    bool changes = update.request->monthly_budget != NULL || update.request->targeting != NULL;
    code = RPC_ABORTED;
    for (int try = 0; code == RPC_ABORTED && try < SERVICES_COMMIT_TRIES; try++) {
        code = state_check(&update, status);
        if (code == RPC_OK && changes)
            code = meta_set(&update, status);
        if (code == RPC_OK && changes)
            code = campaign_store(&update, status);
    }
    if (code == RPC_ABORTED)
        return FAIL(status, CONFLICT, NULL);
    response->success = code == RPC_OK;
    return code;
}
