/*
 * Admin/ListCustomers.
 *
 * A customer's status is decided from several records and stored nowhere, and a search looks at the
 * user and the customer together, so neither has an index. A list that is filtered or searched
 * walks all customers in order of their ids, a batch at a time: one read for their users, one for
 * the records that decide the status of those that the search has left. Its cost grows with the
 * number of customers: some 5 ms a thousand within one process. The call's deadline bounds it, and
 * each batch's memory is given back before the next. An unfiltered list asks the store for its page
 * alone.
 *
 * A walk is many snapshots: a customer who changes meanwhile is listed as before or as after.
 */
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/admin.h"
#include "rpc/services/audit.h"
#include "rpc/services/model/estimate.h"
#include "rpc/services/model/standing.h"

/* Customers of one batch: a connection's record may be large. */
#define BATCH_CUSTOMERS 200
#define BATCH_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* What a person would type. */
#define SEARCH_BYTES_MAX 256
#define WORDS_MAX 32

/* What decides a status, for each customer of a batch, and what is shown beside it. */
enum { WEBSITE, CONNECTION, CAMPAIGN, BALANCE, LIFETIME, FACT_COUNT };

struct walk {
    struct services *services;
    struct rpc_context *context;  /* its arena takes the rows of the page */
    struct arena arena;           /* of a batch */
    struct rpc_context batch;     /* the call's, over that arena */
    const char *words[WORDS_MAX]; /* folded */
    size_t word_count;
    const char *status; /* "": any */
    int64_t now_ms;
    int64_t first, last; /* matches on the page: from, and before */
    int64_t matches;     /* so far */
    Lotcast__V1__ListCustomersResponse *response;
};

/* A customer of the batch who has passed the search. */
struct candidate {
    const Lotcast__V1__CustomerRecord *customer;
    const Lotcast__V1__UserRecord *user;
};

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

static bool words_split(struct walk *walk, char *folded)
{
    char *rest = folded;
    while (*rest != '\0') {
        rest += strspn(rest, " ");
        size_t len = strcspn(rest, " ");
        if (len == 0)
            break;
        if (walk->word_count == WORDS_MAX)
            return false;
        walk->words[walk->word_count++] = rest;
        rest += len;
        if (*rest != '\0')
            *rest++ = '\0';
    }
    return true;
}

static enum rpc_code request_check(struct walk *walk,
                                   const Lotcast__V1__ListCustomersRequest *request,
                                   struct rpc_status *status)
{
    static const char *const statuses[] = {"setup",          "running",   "paused",
                                           "out_of_credits", "attention", "suspended"};
    enum rpc_code code = admin_page_of(walk->context->arena, request->page, request->limit,
                                       &walk->response->pagination, status);
    if (code != RPC_OK)
        return code;
    if (strlen(request->search) > SEARCH_BYTES_MAX)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, "search");
    const char *folded = store_text_fold(walk->context->arena, request->search);
    char *words = folded == NULL ? NULL : arena_strdup(walk->context->arena, folded);
    if (words == NULL)
        return out_of_memory(status);
    if (!words_split(walk, words))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, "search");
    walk->status = request->filters == NULL ? "" : request->filters->status;
    bool known = walk->status[0] == '\0';
    for (size_t i = 0; !known && i < sizeof statuses / sizeof statuses[0]; i++)
        known = strcmp(statuses[i], walk->status) == 0;
    return known ? RPC_OK
                 : rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                                   "filters.status");
}

/* Whether every word is somewhere in name, e-mail or company. */
static enum rpc_code search_passes(struct walk *walk, const struct candidate *candidate,
                                   bool *ret_passes, struct rpc_status *status)
{
    const char *texts[3];
    *ret_passes = true;
    if (walk->word_count == 0)
        return RPC_OK;
    texts[0] = store_text_fold(&walk->arena, candidate->user->name);
    texts[1] = store_text_fold(&walk->arena, candidate->user->email);
    texts[2] = store_text_fold(&walk->arena, candidate->customer->company);
    if (texts[0] == NULL || texts[1] == NULL || texts[2] == NULL)
        return out_of_memory(status);
    for (size_t i = 0; *ret_passes && i < walk->word_count; i++)
        *ret_passes = strstr(texts[0], walk->words[i]) != NULL ||
                      strstr(texts[1], walk->words[i]) != NULL ||
                      strstr(texts[2], walk->words[i]) != NULL;
    return RPC_OK;
}

/* The batch's customers who pass the search, with their users. */
static enum rpc_code candidates_find(struct walk *walk, ProtobufCMessage **customers, size_t count,
                                     struct candidate **ret_candidates, size_t *ret_count,
                                     struct rpc_status *status)
{
    struct store_read_op *ops = arena_calloc(&walk->arena, count, sizeof *ops);
    struct candidate *found = arena_calloc(&walk->arena, count, sizeof *found);
    if (ops == NULL || found == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < count; i++) {
        const Lotcast__V1__CustomerRecord *customer = (const void *)customers[i];
        ops[i] = services__get(&lotcast__v1__user_record__descriptor,
                               store_key(store_number(customer->customer_id)));
    }
    enum rpc_code code =
        store_read(walk->services->options.store, &walk->batch, ops, count, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    size_t passed = 0;
    for (size_t i = 0; i < count; i++) {
        found[passed] = (struct candidate){(const void *)customers[i], services__row(&ops[i])};
        bool passes = false;
        if (found[passed].user == NULL)
            continue;
        code = search_passes(walk, &found[passed], &passes, status);
        if (code != RPC_OK)
            return code;
        passed += passes;
    }
    *ret_candidates = found;
    *ret_count = passed;
    return RPC_OK;
}

static bool row_show(struct walk *walk, const struct candidate *candidate,
                     const struct standing_facts *facts,
                     const Lotcast__V1__InsightPeriodRecord *lifetime)
{
    struct arena *arena = walk->context->arena;
    Lotcast__V1__CustomerSummary *row = arena_alloc(arena, sizeof *row);
    if (row == NULL)
        return false;
    lotcast__v1__customer_summary__init(row);
    row->id = admin_id_text(arena, candidate->customer->customer_id);
    row->name = arena_strdup(arena, candidate->user->name);
    row->email = arena_strdup(arena, candidate->user->email);
    row->company = arena_strdup(arena, candidate->customer->company);
    row->status = (char *)standing_status(facts);
    row->created_at = admin_time_text(arena, candidate->customer->created_at_ms);
    row->credits = estimate_whole_credits(facts->balance_centi);
    row->total_spend = lifetime == NULL ? 0 : lifetime->spend_minor;
    row->currency = arena_strdup(arena, facts->campaign == NULL ? "" : facts->campaign->currency);
    if (row->currency == NULL || row->id == NULL || row->name == NULL || row->email == NULL ||
        row->company == NULL || row->created_at == NULL)
        return false;
    walk->response->customers[walk->response->n_customers++] = row;
    return true;
}

/* Counts those that have the status, and shows those that are on the page. */
static enum rpc_code candidates_take(struct walk *walk, const struct candidate *candidates,
                                     const struct store_read_op *ops, size_t count,
                                     struct rpc_status *status)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_read_op *own = &ops[i * FACT_COUNT];
        const Lotcast__V1__LedgerBalanceRecord *balance = services__row(&own[BALANCE]);
        struct standing_facts facts = {
            .customer = candidates[i].customer,
            .website = services__row(&own[WEBSITE]),
            .connection = services__row(&own[CONNECTION]),
            .campaign = services__row(&own[CAMPAIGN]),
            .balance_centi = balance == NULL ? 0 : balance->balance_centi,
            .now_ms = walk->now_ms,
        };
        if (walk->status[0] != '\0' && strcmp(standing_status(&facts), walk->status) != 0)
            continue;
        int64_t number = walk->matches++;
        if (number >= walk->first && number < walk->last &&
            !row_show(walk, &candidates[i], &facts, services__row(&own[LIFETIME])))
            return out_of_memory(status);
    }
    return RPC_OK;
}

static enum rpc_code batch_take(struct walk *walk, ProtobufCMessage **customers, size_t count,
                                struct rpc_status *status)
{
    struct candidate *candidates = NULL;
    size_t passed = 0;
    enum rpc_code code = candidates_find(walk, customers, count, &candidates, &passed, status);
    if (code != RPC_OK)
        return code;
    bool on_page = walk->matches + (int64_t)passed > walk->first && walk->matches < walk->last;
    if (walk->status[0] == '\0' && !on_page) {
        walk->matches += (int64_t)passed;
        return RPC_OK;
    }
    struct store_read_op *ops = arena_calloc(&walk->arena, passed * FACT_COUNT, sizeof *ops);
    if (ops == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < passed; i++) {
        struct store_read_op *own = &ops[i * FACT_COUNT];
        int64_t id = candidates[i].customer->customer_id;
        struct store_key key = store_key(store_number(id));
        own[WEBSITE] = services__get(&lotcast__v1__website_record__descriptor, key);
        own[CONNECTION] = services__get(&lotcast__v1__meta_connection_record__descriptor, key);
        own[CAMPAIGN] = services__get(&lotcast__v1__campaign_record__descriptor, key);
        own[BALANCE] = services__get(&lotcast__v1__ledger_balance_record__descriptor, key);
        own[LIFETIME] = services__get(
            &lotcast__v1__insight_period_record__descriptor,
            store_key(store_number(id),
                      store_number(LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_LIFETIME)));
    }
    if (passed > 0)
        code = store_read(walk->services->options.store, &walk->batch, ops, passed * FACT_COUNT,
                          status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    return candidates_take(walk, candidates, ops, passed, status);
}

/* Every customer, a batch at a time. */
static enum rpc_code walk_all(struct walk *walk, struct rpc_status *status)
{
    int64_t next = 1;
    for (;;) {
        struct store_read_op op = {.record = &lotcast__v1__customer_record__descriptor,
                                   .is_range = true,
                                   .has_lower = true,
                                   .lower = store_number(next),
                                   .limit = BATCH_CUSTOMERS};
        if (rpc_context_stopped(walk->context))
            return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_DEADLINE_EXCEEDED, NULL);
        arena_reset(&walk->arena);
        enum rpc_code code =
            store_read(walk->services->options.store, &walk->batch, &op, 1, status);
        if (code != RPC_OK)
            return services__store_failed(code, status);
        if (op.ret_row_count == 0)
            return RPC_OK;
        const Lotcast__V1__CustomerRecord *last = (const void *)op.ret_rows[op.ret_row_count - 1];
        next = last->customer_id + 1;
        code = batch_take(walk, op.ret_rows, op.ret_row_count, status);
        if (code != RPC_OK)
            return code;
    }
}

/* The page alone; the store counts. */
static enum rpc_code page_read(struct walk *walk, struct rpc_status *status)
{
    struct store_query_op query = {
        .range = {.record = &lotcast__v1__customer_record__descriptor,
                  .is_range = true,
                  .limit = (uint32_t)(walk->last - walk->first)},
        /* Behind the end either way. */
        .offset = walk->first > UINT32_MAX ? UINT32_MAX : (uint32_t)walk->first,
        .want_total = true,
    };
    enum rpc_code code = store_query(walk->services->options.store, &walk->batch, &query, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    walk->last -= walk->first;
    walk->first = 0;
    code = batch_take(walk, query.range.ret_rows, query.range.ret_row_count, status);
    walk->matches = query.ret_total;
    return code;
}

enum rpc_code admin_list_customers(struct rpc_server_call *call, const void *request,
                                   void *response, struct rpc_status *status)
{
    struct walk walk = {.services = rpc_server_call_self(call),
                        .context = rpc_server_call_context(call),
                        .now_ms = clock_now_ms(),
                        .response = response};
    enum rpc_code code = request_check(&walk, request, status);
    if (code == RPC_OK)
        code = audit_operator_read(call, 0, status);
    if (code != RPC_OK)
        return code;
    Lotcast__V1__Pagination *page = walk.response->pagination;
    walk.first = admin_page_offset(page);
    walk.last = walk.first + page->limit;
    walk.response->customers =
        arena_calloc(walk.context->arena, (size_t)page->limit, sizeof *walk.response->customers);
    if (walk.response->customers == NULL)
        return out_of_memory(status);
    arena_init(&walk.arena, BATCH_BYTES_MAX);
    walk.batch = *walk.context;
    walk.batch.arena = &walk.arena;
    bool filtered = walk.word_count > 0 || walk.status[0] != '\0';
    code = filtered ? walk_all(&walk, status) : page_read(&walk, status);
    arena_fini(&walk.arena);
    if (code == RPC_OK)
        admin_page_total(page, walk.matches);
    return code;
}
