/*
 * lotcast.v1.Ads: the ads page, auto-sync's switch, pausing and resuming. Pausing and resuming set
 * a flag and wait for the job that tells Meta (campaign.h); GetAds runs inline, so it must only
 * read.
 */
#include "rpc/services/ads.h"

#include "rpc/base/clock.h"
#include "rpc/services/campaign.h"
#include "rpc/services/deferred.h"
#include "rpc/services/jobs/jobs.h"
#include "rpc/services/model/reltime.h"
#include "rpc/services/model/slot.h"
#include "rpc/services/model/standing.h"
#include "rpc/services/zones.h"

/* Pausing and resuming answer after so long, just before the facade would; the job goes on. */
#define STATE_WAIT_MS 29000

#define FAIL(status, reason, field) \
    rpc_status_fail(status, LOTCAST__V1__REASON__REASON_##reason, field)

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

void ads__records(int64_t customer_id, struct store_read_op ops[static ADS_RECORDS])
{
    struct store_key key = store_key(store_number(customer_id));
    ops[ADS_CUSTOMER] = services__get(&lotcast__v1__customer_record__descriptor, key);
    ops[ADS_CAMPAIGN] = services__get(&lotcast__v1__campaign_record__descriptor, key);
    ops[ADS_CONNECTION] = services__get(&lotcast__v1__meta_connection_record__descriptor, key);
    ops[ADS_WEBSITE] = services__get(&lotcast__v1__website_record__descriptor, key);
    ops[ADS_BALANCE] = services__get(&lotcast__v1__ledger_balance_record__descriptor, key);
}

enum rpc_code ads__check(const struct store_read_op ops[static ADS_RECORDS],
                         struct rpc_status *status)
{
    if (services__row(&ops[ADS_CAMPAIGN]) == NULL)
        return FAIL(status, NOT_LAUNCHED, NULL);
    if (!standing_token_alive(services__row(&ops[ADS_CONNECTION]), clock_now_ms()))
        return FAIL(status, META_NOT_CONNECTED, NULL);
    return RPC_OK;
}

static enum rpc_code records_read(struct services *services, struct rpc_context *context,
                                  int64_t customer_id, struct store_read_op ops[static ADS_RECORDS],
                                  struct rpc_status *status)
{
    ads__records(customer_id, ops);
    enum rpc_code code = store_read(services->options.store, context, ops, ADS_RECORDS, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    return services__row(&ops[ADS_CUSTOMER]) == NULL ? FAIL(status, NOT_FOUND, NULL) : RPC_OK;
}

static Google__Protobuf__StringValue *string_value(struct arena *arena, char *text)
{
    Google__Protobuf__StringValue *value = arena_alloc(arena, sizeof *value);
    if (value == NULL || text == NULL)
        return NULL;
    google__protobuf__string_value__init(value);
    value->value = text;
    return value;
}

Google__Protobuf__StringValue *ads__time_value(struct arena *arena, int64_t at_ms)
{
    char *text = arena_alloc(arena, CLOCK_RFC3339_BYTES);
    if (text != NULL)
        clock_format_rfc3339(at_ms, text);
    return string_value(arena, text);
}

/* --- when the next sync runs by itself --- */

struct next_run {
    Google__Protobuf__StringValue *relative, *absolute; /* NULL: none is to run */
};

static bool next_run(struct services *services, struct arena *arena,
                     const struct store_read_op ops[static ADS_RECORDS], int64_t now_ms,
                     struct next_run *ret_next)
{
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[ADS_CUSTOMER]);
    const struct zone *zone = NULL;
    *ret_next = (struct next_run){NULL, NULL};
    if (customer->auto_sync_off || customer->suspended ||
        services__row(&ops[ADS_CAMPAIGN]) == NULL ||
        !standing_token_alive(services__row(&ops[ADS_CONNECTION]), now_ms))
        return true;
    /* A zone that tzdata has lost is UTC. */
    if (!zones_find(services->zones, customer->time_zone, &zone))
        zone = NULL;
    int64_t slot_ms = slot_next_ms(zone, now_ms);
    char *text = arena_alloc(arena, RELTIME_BYTES);
    if (text == NULL)
        return false;
    reltime_future(slot_ms, now_ms, text);
    ret_next->relative = string_value(arena, text);
    ret_next->absolute = ads__time_value(arena, slot_ms);
    return ret_next->relative != NULL && ret_next->absolute != NULL;
}

/* --- GetAds --- */

static char *status_name(Lotcast__V1__CampaignState state)
{
    return (char *)(state == LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE ? "active"
                                                                                : "paused");
}

static bool fill_campaign(struct arena *arena, const Lotcast__V1__CampaignRecord *campaign,
                          const Lotcast__V1__CustomerRecord *customer,
                          Lotcast__V1__GetAdsResponse *response)
{
    /* The placements of the ad set (clients/meta/objects.c). */
    static char *formats[] = {(char *)"Feed", (char *)"Reels"};
    Lotcast__V1__MetaCampaign *shown = arena_alloc(arena, sizeof *shown);
    if (shown == NULL)
        return false;
    lotcast__v1__meta_campaign__init(shown);
    shown->catalog_id = campaign->catalog_id;
    shown->catalog_items = campaign->catalog_items;
    shown->campaign_name = customer->company;
    shown->campaign_status = status_name(campaign->state);
    shown->n_ad_formats = sizeof formats / sizeof formats[0];
    shown->ad_formats = formats;
    shown->targeting = campaign->targeting;
    shown->monthly_budget = campaign->monthly_budget_minor;
    shown->currency = campaign->currency;
    response->meta_campaign = shown;
    return true;
}

static bool fill_last_sync(struct arena *arena, const Lotcast__V1__CampaignRecord *campaign,
                           int64_t now_ms, Lotcast__V1__GetAdsResponse *response)
{
    int64_t at_ms = campaign == NULL ? 0 : campaign->last_sync_at_ms;
    char *text = arena_alloc(arena, RELTIME_BYTES);
    if (text == NULL)
        return false;
    reltime_past(at_ms, now_ms, text);
    response->last_sync = text;
    if (at_ms == 0)
        return true;
    response->last_sync_at = ads__time_value(arena, at_ms);
    return response->last_sync_at != NULL;
}

static enum rpc_code get_ads(struct rpc_server_call *call, const void *request,
                             void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    struct arena *arena = context->arena;
    Lotcast__V1__GetAdsResponse *response = response_message;
    struct store_read_op ops[ADS_RECORDS];
    int64_t now_ms = clock_now_ms();
    (void)request;
    enum rpc_code code =
        records_read(services, context, rpc_server_call_principal(call)->customer_id, ops, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[ADS_CUSTOMER]);
    const Lotcast__V1__CampaignRecord *campaign = services__row(&ops[ADS_CAMPAIGN]);
    const Lotcast__V1__WebsiteRecord *website = services__row(&ops[ADS_WEBSITE]);
    struct next_run next;
    Lotcast__V1__AutoSync *auto_sync = arena_alloc(arena, sizeof *auto_sync);
    if (auto_sync == NULL || !next_run(services, arena, ops, now_ms, &next) ||
        !fill_last_sync(arena, campaign, now_ms, response) ||
        (campaign != NULL && !fill_campaign(arena, campaign, customer, response)))
        return out_of_memory(status);
    lotcast__v1__auto_sync__init(auto_sync);
    auto_sync->enabled = !customer->auto_sync_off;
    auto_sync->next_run = next.relative;
    auto_sync->next_run_at = next.absolute;
    response->auto_sync = auto_sync;
    response->time_zone = (char *)zones_shown(customer->time_zone);
    response->is_live =
        campaign != NULL && campaign->state == LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE;
    response->item_count = website == NULL ? 0 : website->item_count;
    return RPC_OK;
}

/* --- SetAutoSync --- */

/* Stores the switch once. RPC_ABORTED: read again. */
static enum rpc_code auto_sync_store(struct services *services, struct rpc_context *context,
                                     const struct store_read_op *op, bool enabled,
                                     struct rpc_status *status)
{
    Lotcast__V1__CustomerRecord *customer = services__row(op);
    struct store_commit commit;
    if ((customer->auto_sync_off == 0) == enabled)
        return RPC_OK;
    customer->auto_sync_off = !enabled;
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_put_version(&commit, customer, services__version(op));
    enum rpc_code code = store_commit_send(&commit, context, NULL, status);
    return code == RPC_OK || code == RPC_ABORTED ? code : services__store_failed(code, status);
}

static enum rpc_code set_auto_sync(struct rpc_server_call *call, const void *request_message,
                                   void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const Lotcast__V1__SetAutoSyncRequest *request = request_message;
    Lotcast__V1__SetAutoSyncResponse *response = response_message;
    struct store_read_op ops[ADS_RECORDS];
    if (request->enabled == NULL)
        return FAIL(status, INVALID_ARGUMENT, "enabled");
    enum rpc_code code = RPC_ABORTED;
    for (int try = 0; code == RPC_ABORTED && try < SERVICES_COMMIT_TRIES; try++) {
        code = records_read(services, context, rpc_server_call_principal(call)->customer_id, ops,
                            status);
        if (code == RPC_OK)
            code = auto_sync_store(services, context, &ops[ADS_CUSTOMER], request->enabled->value,
                                   status);
    }
    if (code == RPC_ABORTED)
        return FAIL(status, CONFLICT, NULL);
    if (code != RPC_OK)
        return code;
    struct next_run next;
    if (!next_run(services, context->arena, ops, clock_now_ms(), &next))
        return out_of_memory(status);
    response->success = true;
    response->next_run = next.relative;
    response->next_run_at = next.absolute;
    return RPC_OK;
}

/* --- PauseAds, ResumeAds --- */

struct state_change {
    struct services *services;
    struct rpc_context *context;
    int64_t customer_id;
    unsigned set, clear;
    int64_t job_id; /* 0: it is so already */
    Lotcast__V1__CampaignState wanted;
};

/* Changes the flag once. RPC_ABORTED, RPC_ALREADY_EXISTS: read again. */
static enum rpc_code state_change_once(struct state_change *change, struct rpc_status *status)
{
    struct services *services = change->services;
    struct store_read_op ops[ADS_RECORDS];
    struct store_commit commit;
    enum rpc_code code = records_read(services, change->context, change->customer_id, ops, status);
    if (code == RPC_OK)
        code = ads__check(ops, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__LedgerBalanceRecord *balance = services__row(&ops[ADS_BALANCE]);
    if (change->clear != 0 && (balance == NULL || balance->balance_centi <= 0))
        return FAIL(status, OUT_OF_CREDITS, NULL);
    struct campaign_change campaign = {.campaign = services__row(&ops[ADS_CAMPAIGN]),
                                       .version = services__version(&ops[ADS_CAMPAIGN]),
                                       .set = change->set,
                                       .clear = change->clear};
    store_commit_init(&commit, services->options.store, change->context);
    code = campaign_change_add(services, change->context, &commit, &campaign, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    code = store_commit_send(&commit, change->context, NULL, status);
    if (code != RPC_OK)
        return code == RPC_ABORTED || code == RPC_ALREADY_EXISTS
                   ? code
                   : services__store_failed(code, status);
    change->job_id = campaign.ret_job_id;
    change->wanted = campaign_state_wanted(campaign.campaign);
    jobs_wake(services->jobs);
    return RPC_OK;
}

static enum rpc_code state_change(struct state_change *change, struct rpc_status *status)
{
    enum rpc_code code = RPC_ABORTED;
    for (int try = 0;
         (code == RPC_ABORTED || code == RPC_ALREADY_EXISTS) && try < SERVICES_COMMIT_TRIES; try++)
        code = state_change_once(change, status);
    if (code == RPC_ABORTED || code == RPC_ALREADY_EXISTS)
        return FAIL(status, CONFLICT, NULL);
    return code;
}

/* What a CAMPAIGN_STATE job that was waited for says to the caller. */
static void state_job_status(const Lotcast__V1__JobRecord *job, struct rpc_status *status)
{
    rpc_status_clear(status);
    if (job == NULL)
        (void)FAIL(status, UNAVAILABLE, NULL);
    else if (job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED)
        deferred_job_error(job, status);
    else if (job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE && job->error != NULL)
        (void)rpc_status_fail_upstream(status, "meta"); /* it goes on trying */
    else if (job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE)
        (void)FAIL(status, DEADLINE_EXCEEDED, NULL);
}

static void pause_done(void *deferred_, const Lotcast__V1__JobRecord *job)
{
    struct deferred *deferred = deferred_;
    Lotcast__V1__PauseAdsResponse *response = deferred->response;
    struct rpc_status status;
    state_job_status(job, &status);
    response->success = status.code == RPC_OK;
    deferred_finish(deferred, &status);
}

static void resume_done(void *deferred_, const Lotcast__V1__JobRecord *job)
{
    struct deferred *deferred = deferred_;
    Lotcast__V1__ResumeAdsResponse *response = deferred->response;
    struct rpc_status status;
    state_job_status(job, &status);
    response->success = status.code == RPC_OK;
    deferred_finish(deferred, &status);
}

static struct state_change state_change_of(struct rpc_server_call *call)
{
    return (struct state_change){.services = rpc_server_call_self(call),
                                 .context = rpc_server_call_context(call),
                                 .customer_id = rpc_server_call_principal(call)->customer_id};
}

static enum rpc_code pause_ads(struct rpc_server_call *call, const void *request,
                               void *response_message, struct rpc_status *status)
{
    Lotcast__V1__PauseAdsResponse *response = response_message;
    struct state_change change = state_change_of(call);
    (void)request;
    change.set = CAMPAIGN_PAUSE_USER;
    enum rpc_code code = state_change(&change, status);
    if (code != RPC_OK)
        return code;
    response->campaign_status = status_name(change.wanted);
    response->success = change.job_id == 0;
    if (response->success)
        return RPC_OK;
    return deferred_job_wait(call, response, change.job_id, STATE_WAIT_MS, pause_done, status);
}

/* Only the customer's own pause is undone: others have their own opposites. */
static enum rpc_code resume_ads(struct rpc_server_call *call, const void *request,
                                void *response_message, struct rpc_status *status)
{
    Lotcast__V1__ResumeAdsResponse *response = response_message;
    struct state_change change = state_change_of(call);
    (void)request;
    /* Who has disconnected and connected again starts the ads with it, too. */
    change.clear = CAMPAIGN_PAUSE_USER | CAMPAIGN_PAUSE_DISCONNECT;
    enum rpc_code code = state_change(&change, status);
    if (code != RPC_OK)
        return code;
    response->campaign_status = status_name(change.wanted);
    response->success = change.job_id == 0;
    if (response->success)
        return RPC_OK;
    return deferred_job_wait(call, response, change.job_id, STATE_WAIT_MS, resume_done, status);
}

/* In the order of the service's methods. */
rpc_handler *const ads_handlers[] = {
    get_ads, ads__update, set_auto_sync, ads__sync, ads__get_sync_status, pause_ads, resume_ads,
};
