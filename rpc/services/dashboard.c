/*
 * lotcast.v1.Dashboard: one batch of reads, then pure functions. Runs inline, so it must only read.
 */
#include "lotcast/v1/dashboard.pb-c.h"

#include "rpc/base/clock.h"
#include "rpc/services/answers.h"
#include "rpc/services/model/estimate.h"
#include "rpc/services/model/period.h"
#include "rpc/services/model/reltime.h"
#include "rpc/services/model/standing.h"
#include "rpc/services/suggestion.h"
#include "rpc/services/zones.h"

/* No zone's day is further from UTC's than this; the days read on each side of the period. */
#define DAY_SLACK 1

enum { CUSTOMER, WEBSITE, CONNECTION, CAMPAIGN, BALANCE, REACH, DAYS, ANNOUNCEMENTS, OP_COUNT };

/* Days begin at whole quarters of an hour of UTC in every zone. */
#define DAY_START_STEP_MS (INT64_C(15) * 60 * 1000)

static enum rpc_code read_all(struct services *services, struct rpc_context *context,
                              int64_t customer_id, int64_t now_ms, struct store_read_op *ops,
                              struct answer_basis *basis, struct rpc_status *status)
{
    struct store_key key = store_key(store_number(customer_id));
    struct period period = period_full_days(period_today(NULL, now_ms), PERIOD_MONTH_DAYS);
    ops[CUSTOMER] = services__get(&lotcast__v1__customer_record__descriptor, key);
    ops[WEBSITE] = services__get(&lotcast__v1__website_record__descriptor, key);
    ops[CONNECTION] = services__get(&lotcast__v1__meta_connection_record__descriptor, key);
    ops[CAMPAIGN] = services__get(&lotcast__v1__campaign_record__descriptor, key);
    ops[BALANCE] = services__get(&lotcast__v1__ledger_balance_record__descriptor, key);
    ops[REACH] =
        services__get(&lotcast__v1__insight_period_record__descriptor,
                      store_key(store_number(customer_id),
                                store_number(LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_30D)));
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
    ops[ANNOUNCEMENTS] = suggestion_announcements_op();
    basis->count = 2;
    basis->partitions[0] =
        (struct store_partition){&lotcast__v1__customer_record__descriptor, true, key.parts[0]};
    basis->partitions[1] =
        (struct store_partition){.record = &lotcast__v1__announcement_record__descriptor};
    enum rpc_code code = store_read_stamped(services->options.store, context, ops, OP_COUNT,
                                            basis->partitions, basis->count, basis->stamps, status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

/* What the batch says, decided. */
struct view {
    struct standing_facts facts;
    struct estimate_sums sums;
    int64_t reach;
};

static struct view decide(struct services *services, const struct store_read_op *ops,
                          int64_t now_ms)
{
    struct view view = {.facts = {.customer = services__row(&ops[CUSTOMER]),
                                  .website = services__row(&ops[WEBSITE]),
                                  .connection = services__row(&ops[CONNECTION]),
                                  .campaign = services__row(&ops[CAMPAIGN]),
                                  .now_ms = now_ms}};
    struct standing_facts *facts = &view.facts;
    const Lotcast__V1__LedgerBalanceRecord *balance = services__row(&ops[BALANCE]);
    const Lotcast__V1__InsightPeriodRecord *reach = services__row(&ops[REACH]);
    const struct zone *zone = NULL;
    /* A zone that tzdata has lost is UTC. */
    (void)zones_find(services->zones, facts->customer->time_zone, &zone);
    struct period period = period_full_days(period_today(zone, now_ms), PERIOD_MONTH_DAYS);
    view.sums = estimate_sum(ops[DAYS].ret_rows, ops[DAYS].ret_row_count, period.first_day,
                             period.last_day);
    view.reach = reach == NULL ? 0 : reach->reach;
    facts->balance_centi = balance == NULL ? 0 : balance->balance_centi;
    int64_t rate =
        facts->campaign == NULL ? 0 : money_rate(&services->rates, facts->campaign->currency);
    facts->has_days_estimate =
        estimate_days(facts->balance_centi, money_burn_centi(view.sums.spend_minor, rate),
                      view.sums.spend_days, &facts->days_estimate);
    return view;
}

static bool fill_last_sync(struct arena *arena, const struct standing_facts *facts,
                           Lotcast__V1__GetDashboardResponse *response)
{
    int64_t at_ms = facts->campaign == NULL ? 0 : facts->campaign->last_sync_at_ms;
    char *relative = arena_alloc(arena, RELTIME_BYTES);
    if (relative == NULL)
        return false;
    reltime_past(at_ms, facts->now_ms, relative);
    response->last_sync = relative;
    if (at_ms == 0)
        return true;
    Google__Protobuf__StringValue *absolute = arena_alloc(arena, sizeof *absolute);
    char *text = arena_alloc(arena, CLOCK_RFC3339_BYTES);
    if (absolute == NULL || text == NULL)
        return false;
    clock_format_rfc3339(at_ms, text);
    google__protobuf__string_value__init(absolute);
    absolute->value = text;
    response->last_sync_at = absolute;
    return true;
}

static bool fill_credits(struct arena *arena, const struct standing_facts *facts,
                         Lotcast__V1__GetDashboardResponse *response)
{
    Lotcast__V1__DashboardCredits *credits = arena_alloc(arena, sizeof *credits);
    if (credits == NULL)
        return false;
    lotcast__v1__dashboard_credits__init(credits);
    credits->remaining = estimate_whole_credits(facts->balance_centi);
    response->credits = credits;
    if (!facts->has_days_estimate)
        return true;
    credits->days_estimate = arena_alloc(arena, sizeof *credits->days_estimate);
    if (credits->days_estimate == NULL)
        return false;
    google__protobuf__int64_value__init(credits->days_estimate);
    credits->days_estimate->value = facts->days_estimate;
    return true;
}

static bool fill_performance(struct arena *arena, const struct view *view,
                             Lotcast__V1__GetDashboardResponse *response)
{
    Lotcast__V1__DashboardPerformance *performance = arena_alloc(arena, sizeof *performance);
    if (performance == NULL)
        return false;
    lotcast__v1__dashboard_performance__init(performance);
    performance->impressions = view->sums.impressions;
    performance->clicks = view->sums.clicks;
    performance->ctr = estimate_ctr_hundredths(view->sums.clicks, view->sums.impressions);
    performance->reach = view->reach;
    response->performance = performance;
    return true;
}

/* How the customer stands comes before what all are told. */
static bool fill_suggestion(struct arena *arena, const struct standing_facts *facts,
                            const struct store_read_op *announcements,
                            Lotcast__V1__GetDashboardResponse *response)
{
    const struct standing_suggestion *found = standing_suggest(facts);
    if (found == NULL &&
        suggestion_announcement_pick(announcements, facts->customer, arena, &found) != RPC_OK)
        return false;
    if (found == NULL)
        return true;
    Lotcast__V1__Suggestion *suggestion = arena_alloc(arena, sizeof *suggestion);
    if (suggestion == NULL)
        return false;
    lotcast__v1__suggestion__init(suggestion);
    suggestion->id = (char *)found->id;
    suggestion->type = (char *)found->type;
    suggestion->message = (char *)found->message;
    suggestion->link = (char *)found->link;
    response->suggestion = suggestion;
    return true;
}

/* Until when the clock changes nothing. */
static int64_t same_until(const struct standing_facts *facts)
{
    int64_t at_ms = facts->campaign == NULL ? 0 : facts->campaign->last_sync_at_ms;
    int64_t until_ms = (facts->now_ms / DAY_START_STEP_MS + 1) * DAY_START_STEP_MS;
    int64_t others_ms[] = {reltime_past_until(at_ms, facts->now_ms), standing_until(facts)};
    for (size_t i = 0; i < sizeof others_ms / sizeof others_ms[0]; i++)
        if (others_ms[i] < until_ms)
            until_ms = others_ms[i];
    return until_ms;
}

static enum rpc_code get_dashboard(struct rpc_server_call *call, const void *request,
                                   void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    Lotcast__V1__GetDashboardResponse *response = response_message;
    struct store_read_op ops[OP_COUNT];
    struct answer_basis basis;
    int64_t now_ms = clock_now_ms();
    (void)request;
    if (answers_fill(services->answers, call, response))
        return RPC_OK;
    enum rpc_code code = read_all(services, context, rpc_server_call_principal(call)->customer_id,
                                  now_ms, ops, &basis, status);
    if (code != RPC_OK)
        return code;
    if (services__row(&ops[CUSTOMER]) == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_FOUND, NULL);
    struct view view = decide(services, ops, now_ms);
    response->status = (char *)standing_status(&view.facts);
    response->time_zone = (char *)zones_shown(view.facts.customer->time_zone);
    response->item_count = view.facts.website == NULL ? 0 : view.facts.website->item_count;
    if (!fill_last_sync(context->arena, &view.facts, response) ||
        !fill_performance(context->arena, &view, response) ||
        !fill_credits(context->arena, &view.facts, response) ||
        !fill_suggestion(context->arena, &view.facts, &ops[ANNOUNCEMENTS], response))
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    basis.until_ms = same_until(&view.facts);
    answers_keep(services->answers, call, &basis, response);
    return RPC_OK;
}

rpc_handler *const dashboard_handlers[] = {get_dashboard, suggestion_dismiss};
