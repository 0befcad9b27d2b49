/*
 * What admins change: credits, suspensions. Each change is one commit with its record in the audit,
 * the campaign's reasons to pause and the job that tells Meta; one that loses a race is decided
 * anew.
 */
#include <sodium.h>
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/admin.h"
#include "rpc/services/audit.h"
#include "rpc/services/campaign.h"
#include "rpc/services/credits.h"
#include "rpc/services/model/estimate.h"
#include "rpc/services/session.h"

#define CENTI 100
/* One adjustment at most, in credits. */
#define ADJUST_CREDITS_MAX INT64_C(1000000000)
/* A balance at most, either way, in centi-credits: the ledger shows it to the last of them in a
 * JSON number. */
#define BALANCE_CENTI_MAX INT64_C(1000000000000000)
#define GRANTS_ACCOUNT "grants"
#define ACTION_CREDITS "credits"
#define RANDOM_ID_BYTES 16

/* A change on its way. */
struct change {
    struct rpc_server_call *call;
    struct services *services;
    struct rpc_context *context;
    int64_t customer_id;
    const char *reason; /* without the white space around it */
    struct store_commit commit;
};

static enum rpc_code invalid(const char *field, struct rpc_status *status)
{
    return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, field);
}

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

/* A reason is for people: some text, without control characters but line ends and tabs. */
static enum rpc_code reason_take(struct change *change, const char *text, struct rpc_status *status)
{
    static const char space[] = " \t\r\n";
    size_t len = strlen(text);
    if (len > ADMIN_REASON_BYTES_MAX)
        return invalid("reason", status);
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] < ' ' && strchr(space, text[i]) == NULL) || text[i] == 0x7f)
            return invalid("reason", status);
    text += strspn(text, space);
    len = strlen(text);
    while (len > 0 && strchr(space, text[len - 1]) != NULL)
        len--;
    if (len == 0)
        return invalid("reason", status);
    change->reason = arena_strndup(change->context->arena, text, len);
    return change->reason == NULL ? out_of_memory(status) : RPC_OK;
}

static enum rpc_code change_begin(struct change *change, struct rpc_server_call *call,
                                  const char *id, struct rpc_status *status)
{
    *change = (struct change){.call = call,
                              .services = rpc_server_call_self(call),
                              .context = rpc_server_call_context(call)};
    return admin_customer_of(call, id, &change->customer_id, status);
}

static enum rpc_code audit_append(struct change *change, const char *action,
                                  struct rpc_status *status)
{
    struct audit_entry entry = {action, change->customer_id, change->reason};
    return audit_add(change->call, change->services, &change->commit, &entry, status);
}

/* Runs `once` until it loses no race. */
static enum rpc_code change_commit(struct change *change,
                                   enum rpc_code (*once)(struct change *change, void *arg,
                                                         struct rpc_status *status),
                                   void *arg, struct rpc_status *status)
{
    enum rpc_code code = RPC_ABORTED;
    for (int try = 0; code == RPC_ABORTED && try < SERVICES_COMMIT_TRIES; try++) {
        store_commit_init(&change->commit, change->services->options.store, change->context);
        code = once(change, arg, status);
    }
    if (code == RPC_ABORTED)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL);
    return code;
}

/* Sends what `once` has put together. RPC_ABORTED: a race was lost. */
static enum rpc_code change_send(struct change *change, struct rpc_status *status)
{
    enum rpc_code code = credits_send(change->services, change->context, &change->commit, status);
    return code == RPC_OK || code == RPC_ABORTED ? code : services__store_failed(code, status);
}

/* --- AdjustCredits --- */

struct adjustment {
    int64_t credits;
    const char *reference;
    int64_t ret_balance_centi;
};

/* The entry that a posting with this reference has made. */
static enum rpc_code entry_find(struct change *change, const char *reference,
                                const Lotcast__V1__LedgerEntryRecord **ret_entry,
                                struct rpc_status *status)
{
    Lotcast__V1__LedgerPostingRecord *posting;
    Lotcast__V1__LedgerEntryRecord *entry = NULL;
    struct store_client *store = change->services->options.store;
    enum rpc_code code =
        store_get(store, change->context, &lotcast__v1__ledger_posting_record__descriptor, NULL,
                  store_key(store_text(reference)), &posting, NULL, status);
    if (code == RPC_OK && posting != NULL)
        code =
            store_get(store, change->context, &lotcast__v1__ledger_entry_record__descriptor, NULL,
                      store_key(store_text("customer"), store_number(posting->customer_id),
                                store_number(posting->entry_no)),
                      &entry, NULL, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    *ret_entry = entry;
    return RPC_OK;
}

/* Whether the audit has this request's adjustment with the same reason. */
static enum rpc_code reason_is_same(struct change *change, bool *ret_same,
                                    struct rpc_status *status)
{
    const struct store_filter_op filters[] = {
        {"action", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL, store_text(ACTION_CREDITS)},
        {"request_id", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL,
         store_text(change->context->request_id)},
        {"reason", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL, store_text(change->reason)},
    };
    struct store_query_op query = {
        .range = {.record = &lotcast__v1__audit_record__descriptor,
                  .index = "by_customer",
                  .key = store_key(store_number(change->customer_id)),
                  .is_range = true,
                  .reverse = true,
                  .limit = 1},
        .filters = filters,
        .filter_count = sizeof filters / sizeof filters[0],
    };
    enum rpc_code code =
        store_query(change->services->options.store, change->context, &query, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    *ret_same = query.range.ret_row_count > 0;
    return RPC_OK;
}

/* A request that has been carried out already answers as it did; it is no other one. */
static enum rpc_code adjust_again(struct change *change, struct adjustment *adjustment,
                                  const Lotcast__V1__LedgerEntryRecord *entry,
                                  struct rpc_status *status)
{
    bool same = false;
    if (entry->amount_centi == adjustment->credits * CENTI) {
        enum rpc_code code = reason_is_same(change, &same, status);
        if (code != RPC_OK)
            return code;
    }
    if (!same)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL);
    adjustment->ret_balance_centi = entry->balance_centi;
    return RPC_OK;
}

static enum rpc_code adjust_once(struct change *change, void *arg, struct rpc_status *status)
{
    struct adjustment *adjustment = arg;
    Lotcast__V1__CustomerRecord *customer;
    const Lotcast__V1__LedgerEntryRecord *entry = NULL;
    enum rpc_code code = store_get(
        change->services->options.store, change->context, &lotcast__v1__customer_record__descriptor,
        NULL, store_key(store_number(change->customer_id)), &customer, NULL, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (customer == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_FOUND, NULL);
    code = entry_find(change, adjustment->reference, &entry, status);
    if (code != RPC_OK)
        return code;
    if (entry != NULL)
        return adjust_again(change, adjustment, entry, status);
    const struct ledger_posting posting = {
        .kind = LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_ADJUSTMENT,
        .amount_centi = adjustment->credits * CENTI,
        .account = GRANTS_ACCOUNT,
        .reference = adjustment->reference,
        .at_ms = clock_now_ms(),
    };
    const struct credits_change credits = {.postings = &posting, .posting_count = 1};
    code = credits_append(change->services, change->context, &change->commit, change->customer_id,
                          &credits, &adjustment->ret_balance_centi, status);
    int64_t balance = adjustment->ret_balance_centi;
    if (code == RPC_OUT_OF_RANGE ||
        (code == RPC_OK && (balance > BALANCE_CENTI_MAX || balance < -BALANCE_CENTI_MAX)))
        return invalid("credits", status);
    if (code == RPC_OK)
        code = audit_append(change, ACTION_CREDITS, status);
    return code == RPC_OK ? change_send(change, status) : code;
}

/* The request's own, so that sending it again changes nothing. */
static const char *reference_make(const struct change *change)
{
    char random[2 * RANDOM_ID_BYTES + 1];
    const char *id = change->context->request_id;
    if (id[0] == '\0') {
        uint8_t bytes[RANDOM_ID_BYTES];
        randombytes_buf(bytes, sizeof bytes);
        (void)sodium_bin2hex(random, sizeof random, bytes, sizeof bytes);
        id = random;
    }
    return arena_printf(change->context->arena, "adjustment:%lld:%s",
                        (long long)change->customer_id, id);
}

enum rpc_code admin_adjust_credits(struct rpc_server_call *call, const void *request_message,
                                   void *response_message, struct rpc_status *status)
{
    const Lotcast__V1__AdjustCreditsRequest *request = request_message;
    Lotcast__V1__AdjustCreditsResponse *response = response_message;
    struct change change;
    struct adjustment adjustment = {.credits = request->credits};
    enum rpc_code code = change_begin(&change, call, request->id, status);
    if (code != RPC_OK)
        return code;
    if (request->credits == 0 || request->credits > ADJUST_CREDITS_MAX ||
        request->credits < -ADJUST_CREDITS_MAX)
        return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                                       "credits",
                                       "credits must be a whole number, at most a thousand million "
                                       "either way, and not 0");
    code = reason_take(&change, request->reason, status);
    if (code != RPC_OK)
        return code;
    adjustment.reference = reference_make(&change);
    if (adjustment.reference == NULL)
        return out_of_memory(status);
    code = change_commit(&change, adjust_once, &adjustment, status);
    if (code != RPC_OK)
        return code;
    response->success = true;
    response->balance = estimate_whole_credits(adjustment.ret_balance_centi);
    return RPC_OK;
}

/* --- SuspendCustomer, ResumeCustomer --- */

/*
 * The customer's flag, the campaign's and the job that tells Meta, and a suspension's end of all
 * sessions, in one commit. A launch that is under way makes its campaign paused (jobs/launch.c):
 * the commit expects that there is none yet.
 */
static enum rpc_code suspension_add(struct change *change, bool suspended,
                                    struct rpc_status *status)
{
    struct store_key key = store_key(store_number(change->customer_id));
    struct store_read_op ops[] = {
        services__get(&lotcast__v1__customer_record__descriptor, key),
        services__get(&lotcast__v1__campaign_record__descriptor, key),
    };
    enum rpc_code code =
        store_read(change->services->options.store, change->context, ops, 2, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    Lotcast__V1__CustomerRecord *customer = services__row(&ops[0]);
    if (customer == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_FOUND, NULL);
    customer->suspended = suspended;
    if (!suspended)
        customer->disputed = false;
    (void)store_commit_put_version(&change->commit, customer, services__version(&ops[0]));
    struct campaign_change campaign = {
        .campaign = services__row(&ops[1]),
        .version = services__version(&ops[1]),
        .set = suspended ? CAMPAIGN_PAUSE_SUSPENSION : 0u,
        .clear = suspended ? 0u : CAMPAIGN_PAUSE_SUSPENSION | CAMPAIGN_PAUSE_DISPUTE,
    };
    if (campaign.campaign == NULL) {
        (void)store_commit_check(&change->commit, ops[1].record, key, 0);
        return RPC_OK;
    }
    code =
        campaign_change_add(change->services, change->context, &change->commit, &campaign, status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

static enum rpc_code suspend_once(struct change *change, void *arg, struct rpc_status *status)
{
    size_t sessions;
    (void)arg;
    enum rpc_code code = suspension_add(change, true, status);
    if (code == RPC_OK)
        code = sessions_end_add(change->services, change->context, change->customer_id, NULL,
                                &change->commit, &sessions, status);
    if (code == RPC_OK)
        code = audit_append(change, "suspend", status);
    return code == RPC_OK ? change_send(change, status) : code;
}

static enum rpc_code resume_once(struct change *change, void *arg, struct rpc_status *status)
{
    (void)arg;
    enum rpc_code code = suspension_add(change, false, status);
    if (code == RPC_OK)
        code = audit_append(change, "resume", status);
    return code == RPC_OK ? change_send(change, status) : code;
}

enum rpc_code admin_suspend_customer(struct rpc_server_call *call, const void *request_message,
                                     void *response_message, struct rpc_status *status)
{
    const Lotcast__V1__SuspendCustomerRequest *request = request_message;
    Lotcast__V1__SuspendCustomerResponse *response = response_message;
    struct change change;
    enum rpc_code code = change_begin(&change, call, request->id, status);
    if (code == RPC_OK)
        code = reason_take(&change, request->reason, status);
    if (code == RPC_OK)
        code = change_commit(&change, suspend_once, NULL, status);
    /* A customer's user has the customer's number. */
    if (code == RPC_OK)
        code = sessions_end_late(change.services, change.context, change.customer_id, NULL, status);
    response->success = code == RPC_OK;
    return code;
}

enum rpc_code admin_resume_customer(struct rpc_server_call *call, const void *request_message,
                                    void *response_message, struct rpc_status *status)
{
    const Lotcast__V1__ResumeCustomerRequest *request = request_message;
    Lotcast__V1__ResumeCustomerResponse *response = response_message;
    struct change change;
    enum rpc_code code = change_begin(&change, call, request->id, status);
    if (code == RPC_OK)
        code = reason_take(&change, request->reason, status);
    if (code == RPC_OK)
        code = change_commit(&change, resume_once, NULL, status);
    response->success = code == RPC_OK;
    return code;
}
