/*
 * Admin/GetCustomer: what a customer has, does and costs. Spend is shown here alone.
 */
#include "rpc/base/clock.h"
#include "rpc/services/admin.h"
#include "rpc/services/audit.h"
#include "rpc/services/connections.h"
#include "rpc/services/model/estimate.h"
#include "rpc/services/model/period.h"
#include "rpc/services/model/purchase.h"
#include "rpc/services/model/standing.h"
#include "rpc/services/zones.h"

/* No zone's day is further from UTC's than this; the days read on each side of the period. */
#define DAY_SLACK 1
/* Purchases of one read. */
#define PURCHASES_PER_READ 500
/* Impressions that CPM is the price of. */
#define CPM_IMPRESSIONS 1000

enum { CUSTOMER, USER, WEBSITE, CONNECTION, CAMPAIGN, BALANCE, LIFETIME, DAYS, OP_COUNT };

struct detail {
    struct services *services;
    struct rpc_context *context;
    int64_t customer_id;
    int64_t now_ms;
    struct store_read_op ops[OP_COUNT];
    int64_t paid_minor; /* less refunds */
    int64_t credits_bought;
};

static enum rpc_code read_all(struct detail *detail, struct rpc_status *status)
{
    struct store_read_op *ops = detail->ops;
    struct store_key key = store_key(store_number(detail->customer_id));
    struct period period = period_full_days(period_today(NULL, detail->now_ms), PERIOD_MONTH_DAYS);
    ops[CUSTOMER] = services__get(&lotcast__v1__customer_record__descriptor, key);
    ops[USER] = services__get(&lotcast__v1__user_record__descriptor, key);
    ops[WEBSITE] = services__get(&lotcast__v1__website_record__descriptor, key);
    ops[CONNECTION] = services__get(&lotcast__v1__meta_connection_record__descriptor, key);
    ops[CAMPAIGN] = services__get(&lotcast__v1__campaign_record__descriptor, key);
    ops[BALANCE] = services__get(&lotcast__v1__ledger_balance_record__descriptor, key);
    ops[LIFETIME] = services__get(
        &lotcast__v1__insight_period_record__descriptor,
        store_key(store_number(detail->customer_id),
                  store_number(LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_LIFETIME)));
    /* The customer's zone is in the batch itself: the days that any zone could ask for. */
    ops[DAYS] = (struct store_read_op){
        .record = &lotcast__v1__insight_day_record__descriptor,
        .key = key,
        .is_range = true,
        .has_lower = true,
        .has_upper = true,
        .lower = store_number(period.first_day - DAY_SLACK),
        .upper = store_number(period.last_day + DAY_SLACK),
    };
    enum rpc_code code =
        store_read(detail->services->options.store, detail->context, ops, OP_COUNT, status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

/* Adds all purchases up, however many. */
static enum rpc_code purchases_sum(struct detail *detail, struct rpc_status *status)
{
    struct span cursor = {NULL, 0};
    do {
        struct store_read_op op = {
            .record = &lotcast__v1__purchase_record__descriptor,
            .index = "by_customer",
            .key = store_key(store_number(detail->customer_id)),
            .is_range = true,
            .limit = PURCHASES_PER_READ,
            .cursor = cursor,
        };
        enum rpc_code code =
            store_read(detail->services->options.store, detail->context, &op, 1, status);
        if (code != RPC_OK)
            return services__store_failed(code, status);
        for (size_t i = 0; i < op.ret_row_count; i++) {
            const Lotcast__V1__PurchaseRecord *purchase = (const void *)op.ret_rows[i];
            if (!purchase_is_paid(purchase))
                continue;
            detail->paid_minor += purchase->amount_minor - purchase->refunded_minor;
            detail->credits_bought += purchase->credits;
        }
        cursor = op.ret_cursor;
    } while (cursor.len > 0);
    return RPC_OK;
}

static bool fill_info(const struct detail *detail, Lotcast__V1__GetCustomerResponse *response)
{
    struct arena *arena = detail->context->arena;
    const Lotcast__V1__CustomerRecord *customer = services__row(&detail->ops[CUSTOMER]);
    const Lotcast__V1__UserRecord *user = services__row(&detail->ops[USER]);
    const Lotcast__V1__LedgerBalanceRecord *balance = services__row(&detail->ops[BALANCE]);
    struct standing_facts facts = {
        .customer = customer,
        .website = services__row(&detail->ops[WEBSITE]),
        .connection = services__row(&detail->ops[CONNECTION]),
        .campaign = services__row(&detail->ops[CAMPAIGN]),
        .balance_centi = balance == NULL ? 0 : balance->balance_centi,
        .now_ms = detail->now_ms,
    };
    Lotcast__V1__CustomerInfo *info = arena_alloc(arena, sizeof *info);
    Lotcast__V1__CustomerConnections *connections = arena_alloc(arena, sizeof *connections);
    if (info == NULL || connections == NULL)
        return false;
    lotcast__v1__customer_info__init(info);
    info->id = admin_id_text(arena, customer->customer_id);
    info->name = user->name;
    info->email = user->email;
    info->company = customer->company;
    info->status = (char *)standing_status(&facts);
    info->created_at = admin_time_text(arena, customer->created_at_ms);
    lotcast__v1__customer_connections__init(connections);
    connections->website = connections_website(arena, facts.website, detail->now_ms);
    connections->meta = connections_meta(arena, facts.connection, detail->now_ms);
    response->customer = info;
    response->connections = connections;
    return info->id != NULL && info->created_at != NULL && connections->website != NULL &&
           connections->meta != NULL;
}

/* Performance and spend, both lifetime but last30Days. */
static bool fill_figures(const struct detail *detail, Lotcast__V1__GetCustomerResponse *response)
{
    static const Lotcast__V1__InsightPeriodRecord none = LOTCAST__V1__INSIGHT_PERIOD_RECORD__INIT;
    struct arena *arena = detail->context->arena;
    const Lotcast__V1__CustomerRecord *customer = services__row(&detail->ops[CUSTOMER]);
    const Lotcast__V1__InsightPeriodRecord *lifetime = services__row(&detail->ops[LIFETIME]);
    const struct zone *zone = NULL;
    Lotcast__V1__CustomerPerformance *performance = arena_alloc(arena, sizeof *performance);
    Lotcast__V1__CustomerSpend *spend = arena_alloc(arena, sizeof *spend);
    if (performance == NULL || spend == NULL)
        return false;
    if (lifetime == NULL)
        lifetime = &none;
    /* A zone that tzdata has lost is UTC. */
    (void)zones_find(detail->services->zones, customer->time_zone, &zone);
    struct period period = period_full_days(period_today(zone, detail->now_ms), PERIOD_MONTH_DAYS);
    struct estimate_sums month =
        estimate_sum(detail->ops[DAYS].ret_rows, detail->ops[DAYS].ret_row_count, period.first_day,
                     period.last_day);
    lotcast__v1__customer_performance__init(performance);
    performance->impressions = lifetime->impressions;
    performance->clicks = lifetime->clicks;
    performance->ctr = estimate_ctr_hundredths(lifetime->clicks, lifetime->impressions);
    performance->reach = lifetime->reach;
    lotcast__v1__customer_spend__init(spend);
    spend->total_spend = lifetime->spend_minor;
    spend->avg_cpc = estimate_cost_minor(lifetime->spend_minor, lifetime->clicks);
    spend->avg_cpm =
        estimate_cost_minor(lifetime->spend_minor * CPM_IMPRESSIONS, lifetime->impressions);
    spend->last30_days = month.spend_minor;
    const Lotcast__V1__CampaignRecord *campaign = services__row(&detail->ops[CAMPAIGN]);
    if (campaign != NULL)
        spend->currency = campaign->currency;
    response->performance = performance;
    response->spend = spend;
    return true;
}

static bool fill_billing(const struct detail *detail, Lotcast__V1__GetCustomerResponse *response)
{
    const Lotcast__V1__LedgerBalanceRecord *balance = services__row(&detail->ops[BALANCE]);
    Lotcast__V1__CustomerBilling *billing = arena_alloc(detail->context->arena, sizeof *billing);
    if (billing == NULL)
        return false;
    lotcast__v1__customer_billing__init(billing);
    billing->credits = estimate_whole_credits(balance == NULL ? 0 : balance->balance_centi);
    billing->total_purchased = detail->credits_bought;
    billing->lifetime_value = detail->paid_minor;
    response->billing = billing;
    return true;
}

enum rpc_code admin_get_customer(struct rpc_server_call *call, const void *request_message,
                                 void *response_message, struct rpc_status *status)
{
    const Lotcast__V1__GetCustomerRequest *request = request_message;
    Lotcast__V1__GetCustomerResponse *response = response_message;
    struct detail detail = {.services = rpc_server_call_self(call),
                            .context = rpc_server_call_context(call),
                            .now_ms = clock_now_ms()};
    enum rpc_code code = admin_customer_of(call, request->id, &detail.customer_id, status);
    if (code == RPC_OK)
        code = read_all(&detail, status);
    if (code != RPC_OK)
        return code;
    if (services__row(&detail.ops[CUSTOMER]) == NULL || services__row(&detail.ops[USER]) == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_FOUND, NULL);
    code = purchases_sum(&detail, status);
    if (code == RPC_OK)
        code = audit_operator_read(call, detail.customer_id, status);
    if (code != RPC_OK)
        return code;
    if (!fill_info(&detail, response) || !fill_figures(&detail, response) ||
        !fill_billing(&detail, response))
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    return RPC_OK;
}
