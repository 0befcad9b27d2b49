/*
 * Launches a customer's ads: catalog, items, product set, campaign, ad set, creative and ad, all
 * paused, then activated from the ad up. Each is a step of its own, and its id is committed before
 * the next begins.
 *
 * One of each, whatever is killed when: Meta has no idempotency keys, so everything is made under a
 * name that follows from the job (object_name; below the campaign with a hash of what it was made
 * from, so that another budget or page after a failed launch gets an ad set or creative of its
 * own). A step that may have happened already, by an attempt before this one or by an earlier
 * launch that failed, looks the name up first. A create that was cut off may still be on its way to
 * Meta: after an attempt with an unknown outcome nothing is made before it has been looked for
 * twice, JOBS_LOOK_AGAIN_MS apart (even attempts only look).
 */
#include "rpc/services/jobs/launch.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/campaign.h"
#include "rpc/services/jobs/sync.h"
#include "rpc/services/model/budget.h"
#include "rpc/services/model/standing.h"

/* One attempt at a step, look-up and create together. */
#define LAUNCH_STEP_MS ((int64_t)120 * 1000)
#define LAUNCH_ATTEMPTS_MAX 12
/* Polls of the batches' state: about an hour. */
#define LAUNCH_POLLS_MAX 1000
/* Items in memory: a batch. */
#define LAUNCH_ARENA_BYTES_MAX ((size_t)512 * 1024 * 1024)

/* --- names --- */

static uint32_t hash_text(uint32_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u; /* FNV-1a */
    return (hash ^ 0xffu) * 16777619u;
}

static uint32_t hash_number(uint32_t hash, int64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    return hash_text(hash, text);
}

#define HASH_BEGIN 2166136261u

/* object_name with the hash behind it. */
static char *hashed_name(struct job_step *step, uint32_t hash)
{
    return arena_printf(step->context->arena, "%s %08x", step->job->launch->object_name, hash);
}

static char *ad_set_name(struct job_step *step)
{
    const Lotcast__V1__LaunchJob *launch = step->job->launch;
    uint32_t hash = hash_number(HASH_BEGIN, launch->monthly_budget_minor);
    hash = hash_text(hash, launch->product_set_id);
    for (size_t i = 0; i < launch->targeting->n_countries; i++)
        hash = hash_text(hash, launch->targeting->countries[i]);
    hash = hash_number(hash, launch->targeting->age_min);
    hash = hash_number(hash, launch->targeting->age_max);
    return hashed_name(step, hash);
}

static char *creative_name(struct job_step *step)
{
    const Lotcast__V1__LaunchJob *launch = step->job->launch;
    uint32_t hash = hash_text(HASH_BEGIN, launch->page_id);
    hash = hash_text(hash, launch->link);
    hash = hash_text(hash, launch->product_set_id);
    return hashed_name(step, hash);
}

static char *ad_name(struct job_step *step)
{
    const Lotcast__V1__LaunchJob *launch = step->job->launch;
    return hashed_name(step,
                       hash_text(hash_text(HASH_BEGIN, launch->ad_set_id), launch->creative_id));
}

/* --- making --- */

/* Whether the customer has launched before: what that made is looked up. */
static enum rpc_code launched_before(struct job_step *step, bool *ret_before,
                                     struct rpc_status *status)
{
    struct store_read_op op = {
        .record = &lotcast__v1__job_record__descriptor,
        .index = "by_customer",
        .key = store_key(store_number(step->job->customer_id), store_number(step->job->kind)),
        .is_range = true,
        .count_only = true};
    struct rpc_context context = jobs__store_context(step);
    enum rpc_code code = store_read(step->services->options.store, &context, &op, 1, status);
    if (code == RPC_OK)
        *ret_before = op.ret_count > 1;
    return code;
}

/* Looks the object up where it may be there already. RPC_OK with NULL: it is to be made. */
static enum rpc_code look_up(struct job_step *step, const char *token, enum meta_object kind,
                             const char *parent_id, const char *name, const char **ret_id,
                             struct rpc_status *status)
{
    bool look = step->job->attempt > 1;
    if (!look) {
        enum rpc_code code = launched_before(step, &look, status);
        if (code != RPC_OK || !look)
            return code;
    }
    return meta_object_find(step->services->options.meta, step->context, token, kind, parent_id,
                            name, ret_id, status);
}

/*
 * Finds or makes an object; `field` (of step->job) becomes its id. It may stay as it is with
 * RPC_OK: the step is to look again later.
 */
static enum rpc_code make(struct job_step *step, enum meta_object kind, const char *parent_id,
                          struct meta_create *create, char **field, struct rpc_status *status)
{
    if ((*field)[0] != '\0')
        return RPC_OK;
    if (create->name == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    const Lotcast__V1__MetaConnectionRecord *connection = NULL;
    const char *token = NULL;
    const char *id = NULL;
    enum rpc_code code = jobs__token_open(step, &connection, &token, status);
    if (code == RPC_OK)
        code = look_up(step, token, kind, parent_id, create->name, &id, status);
    if (code != RPC_OK)
        return code;
    if (id == NULL && step->job->attempt > 1 && step->job->attempt % 2 == 0) {
        step->polling = true;
        step->delay_ms = step->jobs->look_again_ms;
        return RPC_OK;
    }
    if (id == NULL)
        code = meta_object_create(step->services->options.meta, step->context, token, kind, create,
                                  &id, status);
    if (code != RPC_OK)
        return code;
    *field = (char *)id;
    return RPC_OK;
}

static enum rpc_code catalog(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__LaunchJob *launch = step->job->launch;
    struct meta_create create = {.name = launch->object_name, .business_id = launch->business_id};
    return make(step, META_CATALOG, launch->business_id, &create, &launch->catalog_id, status);
}

static enum rpc_code product_set(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__LaunchJob *launch = step->job->launch;
    struct meta_create create = {.name = launch->object_name, .catalog_id = launch->catalog_id};
    return make(step, META_PRODUCT_SET, launch->catalog_id, &create, &launch->product_set_id,
                status);
}

static enum rpc_code campaign(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__LaunchJob *launch = step->job->launch;
    struct meta_create create = {.name = launch->object_name,
                                 .ad_account_id = launch->ad_account_id,
                                 .catalog_id = launch->catalog_id};
    return make(step, META_CAMPAIGN, launch->ad_account_id, &create, &launch->campaign_id, status);
}

static enum rpc_code ad_set(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__LaunchJob *launch = step->job->launch;
    if (launch->targeting == NULL)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "the launch has no targeting");
    struct meta_create create = {
        .name = ad_set_name(step),
        .ad_account_id = launch->ad_account_id,
        .campaign_id = launch->campaign_id,
        .product_set_id = launch->product_set_id,
        .daily_budget =
            budget_daily(launch->monthly_budget_minor, meta_currency_factor(launch->currency)),
        .targeting = launch->targeting};
    return make(step, META_AD_SET, launch->ad_account_id, &create, &launch->ad_set_id, status);
}

static enum rpc_code creative(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__LaunchJob *launch = step->job->launch;
    struct meta_create create = {
        .name = creative_name(step),
        .ad_account_id = launch->ad_account_id,
        .product_set_id = launch->product_set_id,
        .page_id = launch->page_id,
        .link = launch->link,
        .message =
            arena_printf(step->context->arena, "See what is in stock at %s", launch->company)};
    if (create.message == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    return make(step, META_CREATIVE, launch->ad_account_id, &create, &launch->creative_id, status);
}

static enum rpc_code ad(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__LaunchJob *launch = step->job->launch;
    struct meta_create create = {.name = ad_name(step),
                                 .ad_account_id = launch->ad_account_id,
                                 .ad_set_id = launch->ad_set_id,
                                 .creative_id = launch->creative_id};
    return make(step, META_AD, launch->ad_account_id, &create, &launch->ad_id, status);
}

/* --- going live --- */

/* Setting a status twice is setting it once: no look-up. */
static enum rpc_code status_set(struct job_step *step, const char *id, bool active,
                                struct rpc_status *status)
{
    const Lotcast__V1__MetaConnectionRecord *connection = NULL;
    const char *token = NULL;
    enum rpc_code code = jobs__token_open(step, &connection, &token, status);
    if (code != RPC_OK)
        return code;
    return meta_status_set(step->services->options.meta, step->context, token, id, active, status);
}

static enum rpc_code activate_ad(struct job_step *step, struct rpc_status *status)
{
    return status_set(step, step->job->launch->ad_id, true, status);
}

static enum rpc_code activate_ad_set(struct job_step *step, struct rpc_status *status)
{
    return status_set(step, step->job->launch->ad_set_id, true, status);
}

/*
 * The reasons to pause it that came up while it was being made: a suspension, a dispute, credits
 * that have run out, a disconnection. The step's commit expects that they are still so.
 */
static enum rpc_code pauses_read(struct job_step *step, Lotcast__V1__CampaignRecord *record,
                                 struct rpc_status *status)
{
    enum { CUSTOMER, BALANCE, CONNECTION, OPS };
    struct store_key key = store_key(store_number(step->job->customer_id));
    struct store_read_op ops[OPS] = {
        services__get(&lotcast__v1__customer_record__descriptor, key),
        services__get(&lotcast__v1__ledger_balance_record__descriptor, key),
        services__get(&lotcast__v1__meta_connection_record__descriptor, key),
    };
    struct rpc_context context = jobs__store_context(step);
    enum rpc_code code = store_read(step->services->options.store, &context, ops, OPS, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[CUSTOMER]);
    const Lotcast__V1__LedgerBalanceRecord *balance = services__row(&ops[BALANCE]);
    record->paused_by_suspension = customer != NULL && customer->suspended;
    record->paused_by_dispute = customer != NULL && customer->disputed;
    record->paused_by_credits = balance == NULL || balance->balance_centi <= 0;
    record->paused_by_disconnect = !standing_connected(services__row(&ops[CONNECTION]));
    for (size_t i = 0; i < OPS; i++)
        (void)store_commit_check(step->commit, ops[i].record, key, services__version(&ops[i]));
    return RPC_OK;
}

/* The last thing that would make it spend: where it is to be paused, it never does. */
static enum rpc_code activate_campaign(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__CampaignRecord record = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    Lotcast__V1__LaunchJob *launch = step->job->launch;
    enum rpc_code code = pauses_read(step, &record, status);
    if (code != RPC_OK)
        return code;
    launch->left_paused = campaign_pauses(&record) != 0;
    /* Paused by its own call: an earlier attempt may have activated it. */
    return status_set(step, launch->campaign_id, !launch->left_paused, status);
}

static enum rpc_code job_add(struct job_step *step, Lotcast__V1__JobKind kind,
                             struct rpc_status *status)
{
    Lotcast__V1__InsightsJob insights = LOTCAST__V1__INSIGHTS_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    job.kind = kind;
    job.customer_id = step->job->customer_id;
    if (kind == LOTCAST__V1__JOB_KIND__JOB_KIND_INSIGHTS)
        job.insights = &insights;
    int64_t job_id = 0;
    struct rpc_context context = jobs__store_context(step);
    return jobs_add(step->jobs, &context, step->commit, &job, &job_id, status);
}

static void record_fill(const struct job_step *step, Lotcast__V1__CampaignRecord *record)
{
    const Lotcast__V1__LaunchJob *launch = step->job->launch;
    record->customer_id = step->job->customer_id;
    record->ad_account_id = launch->ad_account_id;
    record->currency = launch->currency;
    record->catalog_id = launch->catalog_id;
    record->product_set_id = launch->product_set_id;
    record->campaign_id = launch->campaign_id;
    record->ad_set_id = launch->ad_set_id;
    record->creative_id = launch->creative_id;
    record->ad_id = launch->ad_id;
    record->state = launch->left_paused ? LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_PAUSED
                                        : LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE;
    record->monthly_budget_minor = launch->monthly_budget_minor;
    record->targeting = launch->targeting;
    record->launched_at_ms = clock_now_ms();
    record->last_sync_at_ms = record->launched_at_ms;
    record->catalog_items = launch->items_accepted;
}

/* The campaign's record, the jobs that go on from here, and the launch's end: one commit. */
static enum rpc_code done(struct job_step *step, struct rpc_status *status)
{
    Lotcast__V1__CampaignRecord record = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    record_fill(step, &record);
    enum rpc_code code = pauses_read(step, &record, status);
    if (code != RPC_OK)
        return code;
    (void)store_commit_put_new(step->commit, &record);
    code = job_add(step, LOTCAST__V1__JOB_KIND__JOB_KIND_INSIGHTS, status);
    if (code == RPC_OK && record.state != campaign_state_wanted(&record))
        code = job_add(step, LOTCAST__V1__JOB_KIND__JOB_KIND_CAMPAIGN_STATE, status);
    struct rpc_context context = jobs__store_context(step);
    if (code == RPC_OK)
        code =
            auto_sync_job_add(step->services, &context, step->commit, record.customer_id, status);
    return code;
}

/* What the customer is told: whatever Meta did not do is an error of that upstream. */
static enum rpc_code launch_failed(struct job_step *step, struct rpc_status *error,
                                   struct rpc_status *status)
{
    (void)step;
    (void)status;
    bool plain = error->reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED;
    if (error->upstream[0] != '\0')
        return RPC_OK; /* it says more than we could */
    if (error->reason == LOTCAST__V1__REASON__REASON_UPSTREAM_ERROR ||
        (plain && (error->code == RPC_DEADLINE_EXCEEDED || error->code == RPC_FAILED_PRECONDITION)))
        (void)rpc_status_fail_upstream(error, "meta");
    return RPC_OK;
}

#define STEP(name, run, next)                                \
    {                                                        \
        name, run, next, LAUNCH_ATTEMPTS_MAX, LAUNCH_STEP_MS \
    }

static const struct job_step_rule launch_steps[LAUNCH_STEP_COUNT] = {
    [LAUNCH_STEP_CATALOG] = STEP("catalog", catalog, LAUNCH_STEP_ITEMS),
    [LAUNCH_STEP_ITEMS] = STEP("items", jobs__launch_items, LAUNCH_STEP_ITEMS_WAIT),
    [LAUNCH_STEP_ITEMS_WAIT] = {"items_wait", jobs__launch_items_wait, LAUNCH_STEP_PRODUCT_SET,
                                LAUNCH_POLLS_MAX, LAUNCH_STEP_MS},
    [LAUNCH_STEP_PRODUCT_SET] = STEP("product_set", product_set, LAUNCH_STEP_CAMPAIGN),
    [LAUNCH_STEP_CAMPAIGN] = STEP("campaign", campaign, LAUNCH_STEP_AD_SET),
    [LAUNCH_STEP_AD_SET] = STEP("ad_set", ad_set, LAUNCH_STEP_CREATIVE),
    [LAUNCH_STEP_CREATIVE] = STEP("creative", creative, LAUNCH_STEP_AD),
    [LAUNCH_STEP_AD] = STEP("ad", ad, LAUNCH_STEP_ACTIVATE_AD),
    [LAUNCH_STEP_ACTIVATE_AD] = STEP("activate_ad", activate_ad, LAUNCH_STEP_ACTIVATE_AD_SET),
    [LAUNCH_STEP_ACTIVATE_AD_SET] =
        STEP("activate_ad_set", activate_ad_set, LAUNCH_STEP_ACTIVATE_CAMPAIGN),
    [LAUNCH_STEP_ACTIVATE_CAMPAIGN] =
        STEP("activate_campaign", activate_campaign, LAUNCH_STEP_DONE),
    [LAUNCH_STEP_DONE] = STEP("done", done, JOB_STEP_END),
};

const struct job_kind jobs__launch = {
    .kind = LOTCAST__V1__JOB_KIND__JOB_KIND_LAUNCH,
    .name = "launch",
    .steps = launch_steps,
    .step_count = LAUNCH_STEP_COUNT,
    .threads = 8,
    .arena_bytes_max = LAUNCH_ARENA_BYTES_MAX,
    .failed = launch_failed,
};
