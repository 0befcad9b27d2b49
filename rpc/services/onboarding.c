/*
 * Onboarding: connecting a website and launching the campaign. Both make a job, and the call waits
 * for it without holding a thread: it is deferred, and finished by the jobs' watcher.
 *
 * Launch decides in this order: the fields as declared (monthlyBudget, currency, targeting); then
 * ACCOUNT_SUSPENDED, ALREADY_LAUNCHED, a running launch is joined, SCAN_IN_PROGRESS,
 * WEBSITE_NOT_CONNECTED, META_NOT_CONNECTED (no token, a dead one, or no ad account, page or
 * business selected), INVALID_CURRENCY (not the ad account's, or one that credits do not buy),
 * INVALID_BUDGET (an amount that the currency does not have), OUT_OF_CREDITS, NO_ITEMS_FOUND. What
 * it found is checked again by the commit that makes the job.
 */
#include <stdio.h>
#include <string.h>

#include "clients/site/site.h"
#include "rpc/base/clock.h"
#include "rpc/services/deferred.h"
#include "rpc/services/jobs/jobs.h"
#include "rpc/services/model/budget.h"
#include "rpc/services/model/onboarding.h"
#include "rpc/services/model/standing.h"
#include "rpc/services/website.h"

/* ConnectWebsite answers with what there is after so long. */
#define WEBSITE_WAIT_MS 25000
/* Launch answers DEADLINE_EXCEEDED after so long, just before the facade would. */
#define LAUNCH_WAIT_MS 59000
/* Items looked at for one that can be advertised; beyond it the job finds out. */
#define ADVERTISABLE_LOOK_MAX 2000
#define ADVERTISABLE_PAGE_ROWS 200

#define KIND_LAUNCH LOTCAST__V1__JOB_KIND__JOB_KIND_LAUNCH
#define FAIL(status, reason, field) \
    rpc_status_fail(status, LOTCAST__V1__REASON__REASON_##reason, field)

/* --- shared --- */

/* The outcome of a read or of preparing a commit. */
static enum rpc_code store_outcome(enum rpc_code code, struct rpc_status *status)
{
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

/* The outcome of a commit: RPC_ABORTED with no reason where it is to be decided anew. */
static enum rpc_code commit_outcome(enum rpc_code code, struct rpc_status *status)
{
    if (code == RPC_ABORTED || code == RPC_ALREADY_EXISTS) /* another call took the slot */
        return rpc_status_set(status, RPC_ABORTED, "decide anew");
    return store_outcome(code, status);
}

static bool job_active(const Lotcast__V1__JobRecord *job)
{
    return job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE;
}

/* --- ConnectWebsite --- */

/* Joins the scan of the same URL that runs already, or begins one. RPC_ABORTED with no reason: read
 * again. */
static enum rpc_code website_connect_once(struct rpc_server_call *call, const char *url,
                                          int64_t *ret_job_id, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    enum rpc_code code =
        website_connect_add(services, context, &commit,
                            rpc_server_call_principal(call)->customer_id, url, ret_job_id, status);
    if (code != RPC_OK || commit.count == 0)
        return code;
    code = commit_outcome(store_commit_send(&commit, context, NULL, status), status);
    if (code == RPC_OK)
        jobs_wake(services->jobs);
    return code;
}

static void website_done(void *deferred_, const Lotcast__V1__JobRecord *job)
{
    struct deferred *deferred = deferred_;
    Lotcast__V1__ConnectWebsiteResponse *response = deferred->response;
    struct rpc_status status;
    rpc_status_clear(&status);
    if (job == NULL) {
        (void)FAIL(&status, UNAVAILABLE, NULL);
    } else if (job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED) {
        deferred_job_error(job, &status);
    } else {
        response->success = true;
        response->items_found = job->scan == NULL ? 0 : job->scan->items_found;
    }
    deferred_finish(deferred, &status);
}

static enum rpc_code connect_website(struct rpc_server_call *call, const void *request_,
                                     void *response, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    const Lotcast__V1__ConnectWebsiteRequest *request = request_;
    const char *url = NULL;
    enum rpc_code code = site_url_check(request->url, services->options.scan_policy,
                                        rpc_server_call_arena(call), &url, status);
    if (code != RPC_OK)
        return code;
    int64_t job_id = 0;
    code = RPC_ABORTED;
    for (int i = 0; i < SERVICES_COMMIT_TRIES && code == RPC_ABORTED; i++) {
        code = website_connect_once(call, url, &job_id, status);
        if (code == RPC_ABORTED && status->reason == LOTCAST__V1__REASON__REASON_CONFLICT)
            return code;
    }
    if (code == RPC_ABORTED)
        return FAIL(status, CONFLICT, NULL);
    if (code != RPC_OK)
        return code;
    return deferred_job_wait(call, response, job_id, WEBSITE_WAIT_MS, website_done, status);
}

/* --- Launch --- */

enum {
    LAUNCH_CUSTOMER,
    LAUNCH_CAMPAIGN,
    LAUNCH_RUNNING,
    LAUNCH_WEBSITE,
    LAUNCH_CONNECTION,
    LAUNCH_BALANCE,
    LAUNCH_EARLIER,
    LAUNCH_OPS
};

struct launch_start {
    struct services *services;
    struct rpc_context *context;
    int64_t customer_id;
    const Lotcast__V1__LaunchRequest *request;
    struct store_read_op ops[LAUNCH_OPS];
};

/* The fields alone, in declared order. */
static enum rpc_code launch_fields_check(const Lotcast__V1__LaunchRequest *request,
                                         struct rpc_status *status)
{
    char field[TARGETING_FIELD_BYTES];
    if (!budget_monthly_allowed(request->monthly_budget))
        return FAIL(status, INVALID_BUDGET, "monthlyBudget");
    if (!money_currency_known(request->currency))
        return FAIL(status, INVALID_CURRENCY, "currency");
    if (!targeting_check(request->targeting, field))
        return FAIL(status, INVALID_TARGETING, field);
    return RPC_OK;
}

static enum rpc_code launch_read(struct launch_start *start, struct rpc_status *status)
{
    static const ProtobufCMessageDescriptor *const records[LAUNCH_OPS] = {
        [LAUNCH_CUSTOMER] = &lotcast__v1__customer_record__descriptor,
        [LAUNCH_CAMPAIGN] = &lotcast__v1__campaign_record__descriptor,
        [LAUNCH_WEBSITE] = &lotcast__v1__website_record__descriptor,
        [LAUNCH_CONNECTION] = &lotcast__v1__meta_connection_record__descriptor,
        [LAUNCH_BALANCE] = &lotcast__v1__ledger_balance_record__descriptor,
    };
    struct store_read_op *ops = start->ops;
    for (size_t i = 0; i < LAUNCH_OPS; i++)
        ops[i] = (struct store_read_op){.record = records[i],
                                        .key = store_key(store_number(start->customer_id))};
    if (!services__active_job(start->context, "launch", start->customer_id, &ops[LAUNCH_RUNNING]))
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    ops[LAUNCH_EARLIER] = (struct store_read_op){
        .record = &lotcast__v1__job_record__descriptor,
        .index = "by_customer",
        .key = store_key(store_number(start->customer_id), store_number(KIND_LAUNCH)),
        .is_range = true,
        .reverse = true,
        .limit = 1};
    return store_outcome(
        store_read(start->services->options.store, start->context, ops, LAUNCH_OPS, status),
        status);
}

static enum rpc_code already_launched(const char *campaign_id, struct rpc_status *status)
{
    (void)FAIL(status, ALREADY_LAUNCHED, NULL);
    (void)snprintf(status->campaign_id, sizeof status->campaign_id, "%s", campaign_id);
    return status->code;
}

/* The currency of the ad account that is selected; NULL if there is none. */
static const char *selected_currency(const Lotcast__V1__MetaConnectionRecord *connection)
{
    for (size_t i = 0; i < connection->n_ad_accounts; i++)
        if (strcmp(connection->ad_accounts[i]->id, connection->ad_account_id) == 0)
            return connection->ad_accounts[i]->currency;
    return NULL;
}

static enum rpc_code launch_meta_check(const struct launch_start *start, struct rpc_status *status)
{
    const Lotcast__V1__MetaConnectionRecord *connection =
        services__row(&start->ops[LAUNCH_CONNECTION]);
    if (!standing_token_alive(connection, clock_now_ms()))
        return FAIL(status, META_NOT_CONNECTED, NULL);
    const char *currency = selected_currency(connection);
    if (currency == NULL || connection->page_id[0] == '\0' || connection->business_id[0] == '\0')
        return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED, NULL,
                                       "Please select an ad account, a page and a business");
    if (strcmp(currency, start->request->currency) != 0)
        return FAIL(status, INVALID_CURRENCY, "currency");
    if (money_rate(&start->services->rates, currency) == 0)
        return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_INVALID_CURRENCY,
                                       "currency", "Ads in this currency are not offered yet");
    if (!budget_monthly_expressible(start->request->monthly_budget, meta_currency_factor(currency)))
        return FAIL(status, INVALID_BUDGET, "monthlyBudget");
    return RPC_OK;
}

/* Whether any item can be advertised; true where that would take too long to find out. */
static enum rpc_code launch_items_check(const struct launch_start *start, struct rpc_status *status)
{
    struct span cursor = {0};
    for (size_t seen = 0; seen < ADVERTISABLE_LOOK_MAX; seen += ADVERTISABLE_PAGE_ROWS) {
        struct store_read_op op = {.record = &lotcast__v1__item_record__descriptor,
                                   .key = store_key(store_number(start->customer_id)),
                                   .is_range = true,
                                   .limit = ADVERTISABLE_PAGE_ROWS,
                                   .cursor = cursor};
        enum rpc_code code =
            store_read(start->services->options.store, start->context, &op, 1, status);
        if (code != RPC_OK)
            return services__store_failed(code, status);
        for (size_t i = 0; i < op.ret_row_count; i++) {
            const Lotcast__V1__ItemRecord *item = (const Lotcast__V1__ItemRecord *)op.ret_rows[i];
            if (item->excluded[0] == '\0')
                return RPC_OK;
        }
        cursor = op.ret_cursor;
        if (cursor.len == 0)
            return FAIL(status, NO_ITEMS_FOUND, NULL);
    }
    return RPC_OK;
}

/* What must hold of the customer's state. RPC_OK with `ret_joins` set: a launch runs already. */
static enum rpc_code launch_state_check(const struct launch_start *start, int64_t *ret_joins,
                                        struct rpc_status *status)
{
    const Lotcast__V1__CustomerRecord *customer = services__row(&start->ops[LAUNCH_CUSTOMER]);
    const Lotcast__V1__CampaignRecord *campaign = services__row(&start->ops[LAUNCH_CAMPAIGN]);
    const Lotcast__V1__JobRecord *running = services__row(&start->ops[LAUNCH_RUNNING]);
    const Lotcast__V1__WebsiteRecord *website = services__row(&start->ops[LAUNCH_WEBSITE]);
    const Lotcast__V1__LedgerBalanceRecord *balance = services__row(&start->ops[LAUNCH_BALANCE]);
    if (customer == NULL)
        return FAIL(status, NOT_FOUND, NULL);
    if (customer->suspended)
        return FAIL(status, ACCOUNT_SUSPENDED, NULL);
    if (campaign != NULL)
        return already_launched(campaign->campaign_id, status);
    if (running != NULL) {
        *ret_joins = running->job_id;
        return RPC_OK;
    }
    if (onboarding_first_scan(website))
        return FAIL(status, SCAN_IN_PROGRESS, NULL);
    if (!onboarding_website_connected(website))
        return FAIL(status, WEBSITE_NOT_CONNECTED, NULL);
    enum rpc_code code = launch_meta_check(start, status);
    if (code != RPC_OK)
        return code;
    if (balance == NULL || balance->balance_centi <= 0)
        return FAIL(status, OUT_OF_CREDITS, NULL);
    return launch_items_check(start, status);
}

/* Whether what an earlier launch has made can be gone on with. */
static bool resumes(const Lotcast__V1__LaunchJob *earlier,
                    const Lotcast__V1__MetaConnectionRecord *connection)
{
    return strcmp(earlier->business_id, connection->business_id) == 0 &&
           strcmp(earlier->ad_account_id, connection->ad_account_id) == 0;
}

/*
 * The name by which this launch's things are made and found again. A launch that goes on with what
 * an earlier one has made keeps that one's name, whatever the company is called by now; one for
 * other accounts gets another.
 */
static enum rpc_code launch_name(const struct launch_start *start, Lotcast__V1__LaunchJob *launch,
                                 struct rpc_status *status)
{
    const Lotcast__V1__CustomerRecord *customer = services__row(&start->ops[LAUNCH_CUSTOMER]);
    const Lotcast__V1__JobRecord *earlier = services__row(&start->ops[LAUNCH_EARLIER]);
    long long id = (long long)start->customer_id;
    char *name;
    if (earlier == NULL || earlier->launch == NULL)
        name = arena_printf(start->context->arena, "%s (Lotcast %lld)", customer->company, id);
    else if (resumes(earlier->launch, services__row(&start->ops[LAUNCH_CONNECTION])))
        name = earlier->launch->object_name;
    else
        name = arena_printf(start->context->arena, "%s (Lotcast %lld-%lld)", customer->company, id,
                            (long long)earlier->job_id);
    if (name == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    launch->object_name = name;
    return RPC_OK;
}

/* Commits the launch's job, provided that what was decided upon is still so. */
static enum rpc_code launch_commit(const struct launch_start *start, int64_t *ret_job_id,
                                   struct rpc_status *status)
{
    const Lotcast__V1__CustomerRecord *customer = services__row(&start->ops[LAUNCH_CUSTOMER]);
    const Lotcast__V1__WebsiteRecord *website = services__row(&start->ops[LAUNCH_WEBSITE]);
    const Lotcast__V1__MetaConnectionRecord *connection =
        services__row(&start->ops[LAUNCH_CONNECTION]);
    Lotcast__V1__LaunchJob launch = LOTCAST__V1__LAUNCH_JOB__INIT;
    launch.monthly_budget_minor = start->request->monthly_budget;
    launch.currency = start->request->currency;
    launch.targeting = start->request->targeting;
    launch.company = customer->company;
    launch.link = website->url;
    launch.ad_account_id = connection->ad_account_id;
    launch.page_id = connection->page_id;
    launch.business_id = connection->business_id;
    enum rpc_code code = launch_name(start, &launch, status);
    if (code != RPC_OK)
        return code;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    job.kind = KIND_LAUNCH;
    job.customer_id = start->customer_id;
    job.launch = &launch;
    struct store_key key = store_key(store_number(start->customer_id));
    struct store_commit commit;
    store_commit_init(&commit, start->services->options.store, start->context);
    (void)store_commit_check(&commit, &lotcast__v1__campaign_record__descriptor, key, 0);
    (void)store_commit_check(&commit, &lotcast__v1__website_record__descriptor, key,
                             services__version(&start->ops[LAUNCH_WEBSITE]));
    (void)store_commit_check(&commit, &lotcast__v1__meta_connection_record__descriptor, key,
                             services__version(&start->ops[LAUNCH_CONNECTION]));
    code = jobs_add(start->services->jobs, start->context, &commit, &job, ret_job_id, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    return commit_outcome(store_commit_send(&commit, start->context, NULL, status), status);
}

/* Begins a launch or finds the one that runs. RPC_ABORTED with no reason: read again. */
static enum rpc_code launch_once(struct launch_start *start, int64_t *ret_job_id,
                                 struct rpc_status *status)
{
    enum rpc_code code = launch_read(start, status);
    int64_t joins = 0;
    if (code == RPC_OK)
        code = launch_state_check(start, &joins, status);
    if (code != RPC_OK)
        return code;
    if (joins != 0) {
        *ret_job_id = joins;
        return RPC_OK;
    }
    code = launch_commit(start, ret_job_id, status);
    if (code == RPC_OK)
        jobs_wake(start->services->jobs);
    return code;
}

static void launch_done(void *deferred_, const Lotcast__V1__JobRecord *job)
{
    struct deferred *deferred = deferred_;
    Lotcast__V1__LaunchResponse *response = deferred->response;
    struct rpc_status status;
    rpc_status_clear(&status);
    if (job == NULL) {
        (void)FAIL(&status, UNAVAILABLE, NULL);
    } else if (job_active(job)) {
        (void)rpc_status_fail_message(&status, LOTCAST__V1__REASON__REASON_DEADLINE_EXCEEDED, NULL,
                                      "Your launch takes longer than usual; it goes on by itself");
    } else if (job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED || job->launch == NULL) {
        deferred_job_error(job, &status);
    } else {
        response->success = true;
        response->campaign_id =
            arena_strdup(rpc_server_call_arena(deferred->call), job->launch->campaign_id);
        response->redirect_to = (char *)"/app/dashboard";
        if (response->campaign_id == NULL)
            (void)rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    }
    deferred_finish(deferred, &status);
}

static enum rpc_code launch(struct rpc_server_call *call, const void *request, void *response,
                            struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct launch_start start = {.services = services,
                                 .context = rpc_server_call_context(call),
                                 .customer_id = rpc_server_call_principal(call)->customer_id,
                                 .request = request};
    enum rpc_code code = launch_fields_check(request, status);
    if (code != RPC_OK)
        return code;
    int64_t job_id = 0;
    code = RPC_ABORTED;
    for (int i = 0; i < SERVICES_COMMIT_TRIES && code == RPC_ABORTED; i++)
        code = launch_once(&start, &job_id, status);
    if (code == RPC_ABORTED)
        return FAIL(status, CONFLICT, NULL);
    if (code != RPC_OK)
        return code;
    return deferred_job_wait(call, response, job_id, LAUNCH_WAIT_MS, launch_done, status);
}

/* In the order of the service's methods. */
rpc_handler *const onboarding_handlers[] = {connect_website, launch};
