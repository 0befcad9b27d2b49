/*
 * lotcast.v1.Billing: what is read. purchase.c begins purchases, payment.c settles them,
 * stripe_event.c takes Stripe's word.
 */
#include "lotcast/v1/billing.pb-c.h"

#include <stdio.h>
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/services/billing.h"
#include "rpc/services/model/estimate.h"
#include "rpc/services/model/period.h"
#include "rpc/services/model/purchase.h"
#include "rpc/services/payment.h"
#include "rpc/services/zones.h"

#define DAY_MS (INT64_C(24) * 3600 * 1000)
/* No zone's day is further from UTC's than this; the days read on each side of the period. */
#define DAY_SLACK 1
/* Purchases that are shown at most, the newest. */
#define PURCHASES_MAX 500
#define PAGE_LIMIT_DEFAULT 50
#define PAGE_LIMIT_MAX 200
/* Of a page's deadline, what Stripe may take of it. */
#define STRIPE_MS_MAX 3000
/* A balance that lasts longer than this has no date that anyone could plan for. */
#define ESTIMATE_DAYS_MAX 36600
/* Bytes of an id in decimal, with its NUL. */
#define NUMBER_BYTES 24

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

/* --- GetBilling --- */

enum { CUSTOMER, CAMPAIGN, BALANCE, PURCHASES, DAYS, OP_COUNT };

static enum rpc_code read_all(struct services *services, struct rpc_context *context,
                              int64_t customer_id, int64_t now_ms, struct store_read_op *ops,
                              struct rpc_status *status)
{
    struct store_key key = store_key(store_number(customer_id));
    struct period period = period_full_days(period_today(NULL, now_ms), PERIOD_MONTH_DAYS);
    ops[CUSTOMER] = services__get(&lotcast__v1__customer_record__descriptor, key);
    ops[CAMPAIGN] = services__get(&lotcast__v1__campaign_record__descriptor, key);
    ops[BALANCE] = services__get(&lotcast__v1__ledger_balance_record__descriptor, key);
    ops[PURCHASES] = (struct store_read_op){
        .record = &lotcast__v1__purchase_record__descriptor,
        .index = "by_customer",
        .key = key,
        .is_range = true,
        .reverse = true,
        .limit = PURCHASES_MAX,
    };
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
    enum rpc_code code = store_read(services->options.store, context, ops, OP_COUNT, status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

/* What the batch says, decided. */
struct view {
    struct arena *arena;
    const struct zone *zone;
    int32_t today;
    int64_t balance_centi;
    bool has_days;
    int64_t days;
    const Lotcast__V1__PurchaseRecord *last; /* that was paid; NULL: none */
};

static const Lotcast__V1__PurchaseRecord *last_paid(const struct store_read_op *op)
{
    const Lotcast__V1__PurchaseRecord *last = NULL;
    for (size_t i = 0; i < op->ret_row_count; i++) {
        const Lotcast__V1__PurchaseRecord *row = (const void *)op->ret_rows[i];
        if (purchase_is_paid(row) && (last == NULL || row->completed_at_ms > last->completed_at_ms))
            last = row;
    }
    return last;
}

static struct view decide(struct services *services, struct arena *arena,
                          const struct store_read_op *ops, int64_t now_ms)
{
    struct view view = {.arena = arena, .last = last_paid(&ops[PURCHASES])};
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[CUSTOMER]);
    const Lotcast__V1__CampaignRecord *campaign = services__row(&ops[CAMPAIGN]);
    const Lotcast__V1__LedgerBalanceRecord *balance = services__row(&ops[BALANCE]);
    /* A zone that tzdata has lost is UTC. */
    (void)zones_find(services->zones, customer->time_zone, &view.zone);
    view.today = period_today(view.zone, now_ms);
    struct period period = period_full_days(view.today, PERIOD_MONTH_DAYS);
    struct estimate_sums sums = estimate_sum(ops[DAYS].ret_rows, ops[DAYS].ret_row_count,
                                             period.first_day, period.last_day);
    view.balance_centi = balance == NULL ? 0 : balance->balance_centi;
    int64_t rate = campaign == NULL ? 0 : money_rate(&services->rates, campaign->currency);
    view.has_days = estimate_days(view.balance_centi, money_burn_centi(sums.spend_minor, rate),
                                  sums.spend_days, &view.days);
    return view;
}

static char *date_text(struct arena *arena, int32_t day)
{
    char *text = arena_alloc(arena, PERIOD_DATE_BYTES);
    if (text != NULL)
        period_format_day(day, text);
    return text;
}

static bool fill_credits(const struct view *view, Lotcast__V1__GetBillingResponse *response)
{
    Lotcast__V1__BillingCredits *credits = arena_alloc(view->arena, sizeof *credits);
    if (credits == NULL)
        return false;
    lotcast__v1__billing_credits__init(credits);
    credits->current = estimate_whole_credits(view->balance_centi);
    response->credits = credits;
    if (view->has_days) {
        credits->days_estimate = arena_alloc(view->arena, sizeof *credits->days_estimate);
        if (credits->days_estimate == NULL)
            return false;
        google__protobuf__int64_value__init(credits->days_estimate);
        credits->days_estimate->value = view->days;
    }
    if (view->last == NULL)
        return true;
    credits->last_purchase = arena_alloc(view->arena, sizeof *credits->last_purchase);
    char *date = date_text(view->arena, period_today(view->zone, view->last->completed_at_ms));
    if (credits->last_purchase == NULL || date == NULL)
        return false;
    google__protobuf__string_value__init(credits->last_purchase);
    credits->last_purchase->value = date;
    return true;
}

static bool fill_charge(const struct view *view, Lotcast__V1__GetBillingResponse *response)
{
    if (view->last == NULL || !view->has_days || view->days > ESTIMATE_DAYS_MAX)
        return true;
    Lotcast__V1__UpcomingCharge *charge = arena_alloc(view->arena, sizeof *charge);
    char *date = date_text(view->arena, view->today + (int32_t)view->days);
    if (charge == NULL || date == NULL)
        return false;
    lotcast__v1__upcoming_charge__init(charge);
    charge->date = date;
    charge->estimated_amount = view->last->amount_minor;
    charge->currency = view->last->currency;
    response->upcoming_charge = charge;
    return true;
}

static Lotcast__V1__PurchaseItem *purchase_item(const struct view *view,
                                                const Lotcast__V1__PurchaseRecord *row)
{
    Lotcast__V1__PurchaseItem *item = arena_alloc(view->arena, sizeof *item);
    if (item == NULL)
        return NULL;
    lotcast__v1__purchase_item__init(item);
    int64_t at_ms = row->completed_at_ms != 0 ? row->completed_at_ms : row->created_at_ms;
    item->id = arena_printf(view->arena, "%lld", (long long)row->purchase_id);
    item->date = date_text(view->arena, period_today(view->zone, at_ms));
    item->amount = row->amount_minor;
    item->credits = row->credits;
    item->status = (char *)purchase_state_name(row->state);
    item->currency = row->currency;
    return item->id == NULL || item->date == NULL ? NULL : item;
}

/* Those that got as far as a page to pay at. */
static bool fill_purchases(const struct view *view, const struct store_read_op *op,
                           Lotcast__V1__GetBillingResponse *response)
{
    Lotcast__V1__PurchaseItem **items = arena_calloc(view->arena, op->ret_row_count, sizeof *items);
    if (items == NULL)
        return false;
    size_t count = 0;
    for (size_t i = 0; i < op->ret_row_count; i++) {
        const Lotcast__V1__PurchaseRecord *row = (const void *)op->ret_rows[i];
        if (row->session_id[0] == '\0')
            continue;
        items[count] = purchase_item(view, row);
        if (items[count++] == NULL)
            return false;
    }
    response->purchases = items;
    response->n_purchases = count;
    return true;
}

/*
 * The customer is back from Stripe, perhaps before its webhook: asks and settles. At its best: the
 * webhook brings the news too.
 */
static void settle_session(struct services *services, struct rpc_context *context,
                           int64_t customer_id, const char *session_id)
{
    Lotcast__V1__PurchaseRecord *purchase;
    struct stripe_session session;
    struct rpc_status status;
    if (strlen(session_id) > BILLING_ID_BYTES_MAX ||
        store_get(services->options.store, context, &lotcast__v1__purchase_record__descriptor,
                  "by_session", store_key(store_text(session_id)), &purchase, NULL,
                  NULL) != RPC_OK ||
        purchase == NULL || purchase->customer_id != customer_id ||
        purchase->state != LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_PENDING ||
        !stripe_client_configured(services->options.stripe))
        return;
    struct rpc_context limited = *context;
    int64_t end_ms = clock_mono_ms() + STRIPE_MS_MAX;
    if (limited.deadline_ms > end_ms)
        limited.deadline_ms = end_ms;
    enum rpc_code code =
        stripe_session_get(services->options.stripe, &limited, session_id, &session, &status);
    if (code == RPC_OK && strcmp(session.id, session_id) != 0)
        code = RPC_DATA_LOSS;
    else if (code == RPC_OK && strcmp(session.payment_status, "paid") == 0)
        code = payment_fulfil(services, context, &session, PAYMENT_PAID, &status);
    else if (code == RPC_OK && strcmp(session.status, "expired") == 0)
        code = payment_fulfil(services, context, &session, PAYMENT_FAILED, &status);
    if (code != RPC_OK)
        log_event(LOG_LEVEL_WARN, "stripe_session_unsettled", log_text("code", rpc_code_name(code)),
                  log_text("request_id", context->request_id));
}

static enum rpc_code get_billing(struct rpc_server_call *call, const void *request_message,
                                 void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const struct rpc_principal *principal = rpc_server_call_principal(call);
    const Lotcast__V1__GetBillingRequest *request = request_message;
    Lotcast__V1__GetBillingResponse *response = response_message;
    struct store_read_op ops[OP_COUNT];
    int64_t now_ms = clock_now_ms();
    if (request->session_id[0] != '\0' && !principal->read_only &&
        rpc_server_call_take_place(call, NULL) == RPC_OK)
        settle_session(services, context, principal->customer_id, request->session_id);
    enum rpc_code code = read_all(services, context, principal->customer_id, now_ms, ops, status);
    if (code != RPC_OK)
        return code;
    if (services__row(&ops[CUSTOMER]) == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_FOUND, NULL);
    struct view view = decide(services, context->arena, ops, now_ms);
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[CUSTOMER]);
    response->time_zone = (char *)zones_shown(customer->time_zone);
    if (!fill_credits(&view, response) || !fill_charge(&view, response) ||
        !fill_purchases(&view, &ops[PURCHASES], response))
        return out_of_memory(status);
    return RPC_OK;
}

/* --- ListPackages --- */

static enum rpc_code list_packages(struct rpc_server_call *call, const void *request,
                                   void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct arena *arena = rpc_server_call_arena(call);
    Lotcast__V1__ListPackagesResponse *response = response_message;
    struct purchase_package packages[PURCHASE_PACKAGES];
    (void)request;
    billing_packages(services, packages);
    Lotcast__V1__CreditPackage *values = arena_calloc(arena, PURCHASE_PACKAGES, sizeof *values);
    response->packages = arena_calloc(arena, PURCHASE_PACKAGES, sizeof *response->packages);
    if (values == NULL || response->packages == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < PURCHASE_PACKAGES; i++) {
        lotcast__v1__credit_package__init(&values[i]);
        values[i].id = (char *)packages[i].id;
        values[i].amount = packages[i].amount_minor;
        values[i].currency = (char *)packages[i].currency;
        values[i].credits = packages[i].credits;
        values[i].bonus_credits = packages[i].bonus_credits;
        response->packages[i] = &values[i];
    }
    response->n_packages = PURCHASE_PACKAGES;
    return RPC_OK;
}

/* --- ListLedger --- */

static const char *kind_name(Lotcast__V1__LedgerKind kind)
{
    switch (kind) {
    case LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_SIGNUP:
        return "signup";
    case LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_PURCHASE:
        return "purchase";
    case LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_BURN:
        return "burn";
    case LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_REFUND:
        return "refund";
    case LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_DISPUTE:
        return "dispute";
    case LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_UNSPECIFIED:
    case LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_ADJUSTMENT:
    case _LOTCAST__V1__LEDGER_KIND_IS_INT_SIZE:
        break;
    }
    return "adjustment";
}

static bool fill_entries(struct arena *arena, const struct store_read_op *op,
                         Lotcast__V1__ListLedgerResponse *response)
{
    Lotcast__V1__LedgerEntry *values = arena_calloc(arena, op->ret_row_count, sizeof *values);
    response->entries = arena_calloc(arena, op->ret_row_count, sizeof *response->entries);
    if (values == NULL || response->entries == NULL)
        return false;
    for (size_t i = 0; i < op->ret_row_count; i++) {
        const Lotcast__V1__LedgerEntryRecord *row = (const void *)op->ret_rows[i];
        lotcast__v1__ledger_entry__init(&values[i]);
        char *at = arena_alloc(arena, CLOCK_RFC3339_BYTES);
        values[i].id = arena_printf(arena, "%lld", (long long)row->entry_no);
        if (at == NULL || values[i].id == NULL)
            return false;
        clock_format_rfc3339(row->at_ms, at);
        values[i].at = at;
        values[i].kind = (char *)kind_name(row->kind);
        values[i].credits = row->amount_centi;
        values[i].balance = row->balance_centi;
        values[i].reference = row->reference;
        response->entries[i] = &values[i];
    }
    response->n_entries = op->ret_row_count;
    return true;
}

static enum rpc_code read_page(const Lotcast__V1__ListLedgerRequest *request,
                               Lotcast__V1__Pagination *page, struct rpc_status *status)
{
    lotcast__v1__pagination__init(page);
    page->page = request->page == NULL ? 1 : request->page->value;
    page->limit = request->limit == NULL ? PAGE_LIMIT_DEFAULT : request->limit->value;
    if (page->page < 1)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, "page");
    if (page->limit < 1 || page->limit > PAGE_LIMIT_MAX)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, "limit");
    return RPC_OK;
}

static enum rpc_code list_ledger(struct rpc_server_call *call, const void *request,
                                 void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    Lotcast__V1__ListLedgerResponse *response = response_message;
    int64_t customer_id = rpc_server_call_principal(call)->customer_id;
    Lotcast__V1__LedgerBalanceRecord *balance;
    Lotcast__V1__Pagination *page = arena_alloc(context->arena, sizeof *page);
    if (page == NULL)
        return out_of_memory(status);
    enum rpc_code code = read_page(request, page, status);
    if (code != RPC_OK)
        return code;
    code =
        store_get(services->options.store, context, &lotcast__v1__ledger_balance_record__descriptor,
                  NULL, store_key(store_number(customer_id)), &balance, NULL, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    page->total = balance == NULL ? 0 : balance->entries;
    page->total_pages = (page->total + page->limit - 1) / page->limit;
    response->pagination = page;
    /* Entries are numbered from 1 without a gap and never change, so a page is a range. */
    int64_t last = page->total - ((int64_t)page->page - 1) * page->limit;
    if (last < 1)
        return RPC_OK;
    struct store_read_op op = {
        .record = &lotcast__v1__ledger_entry_record__descriptor,
        .key = store_key(store_text("customer"), store_number(customer_id)),
        .is_range = true,
        .reverse = true,
        .has_lower = true,
        .has_upper = true,
        .lower = store_number(last - page->limit + 1),
        .upper = store_number(last),
        .limit = (uint32_t)page->limit,
    };
    code = store_read(services->options.store, context, &op, 1, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    return fill_entries(context->arena, &op, response) ? RPC_OK : out_of_memory(status);
}

rpc_handler *const billing_handlers[] = {get_billing, list_packages, list_ledger, billing_purchase,
                                         billing_stripe_event};
