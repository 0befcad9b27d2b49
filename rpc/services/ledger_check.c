/*
 * Admin/CheckLedger: adds the whole ledger up.
 *
 * For each customer's balance, read at one moment with its number of entries N: the customer's
 * account has exactly the entries 1 to N, each says the balance after it, and the last of these is
 * the balance; each has one opposite of the same amount in one account of ours, and its reference
 * leads back to it. Entries never change, so 1 to N may be read at leisure while others post. From
 * that follows that all accounts together are 0.
 *
 * What nobody's balance leads to (a leg too many, a reference without an entry) and the accounts'
 * running sums are counted over the whole tables, before and after the walk: where these stayed
 * the same nothing was posted meanwhile, and they can be compared; else the walk is repeated, and
 * in the end only said to have been moving.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rpc/services/admin.h"
#include "rpc/services/audit.h"

#define BALANCES_PER_READ 500
#define ENTRIES_PER_READ 2000
#define BATCH_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Problems that are told; the others are only counted. */
#define PROBLEMS_MAX 100
#define PROBLEM_BYTES 200
#define ROUNDS_MAX 3

/* Accounts of ours, each with a counter ledger:NAME. */
static const char *const accounts[] = {"grants", "payments", "spend"};
#define ACCOUNT_COUNT (sizeof accounts / sizeof accounts[0])
#define CUSTOMER_ACCOUNT "customer"

/* What the whole tables say. */
struct totals {
    int64_t counters[ACCOUNT_COUNT];
    int64_t entries, references, balances;
};

struct check {
    struct services *services;
    struct rpc_context *context; /* its arena takes the answer */
    struct arena arena;          /* of a read */
    struct rpc_context batch;
    Lotcast__V1__CheckLedgerResponse *response;
    int64_t customer_sum;
    int64_t sums[ACCOUNT_COUNT];
};

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

static bool report(struct check *check, int64_t customer_id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Tells what is wrong; false when out of memory. */
static bool report(struct check *check, int64_t customer_id, const char *format, ...)
{
    struct arena *arena = check->context->arena;
    Lotcast__V1__CheckLedgerResponse *response = check->response;
    response->problem_count++;
    if (response->n_problems == PROBLEMS_MAX)
        return true;
    Lotcast__V1__LedgerProblem *problem = arena_alloc(arena, sizeof *problem);
    char *what = arena_alloc(arena, PROBLEM_BYTES);
    if (problem == NULL || what == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, PROBLEM_BYTES, format, arguments);
    va_end(arguments);
    lotcast__v1__ledger_problem__init(problem);
    problem->what = what;
    problem->customer_id = customer_id == 0 ? (char *)"" : admin_id_text(arena, customer_id);
    if (problem->customer_id == NULL)
        return false;
    response->problems[response->n_problems++] = problem;
    return true;
}

static enum rpc_code read_ops(struct check *check, struct store_read_op *ops, size_t count,
                              struct rpc_status *status)
{
    if (rpc_context_stopped(check->context))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_DEADLINE_EXCEEDED, NULL);
    enum rpc_code code =
        store_read(check->services->options.store, &check->batch, ops, count, status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

static enum rpc_code totals_read(struct check *check, struct totals *ret_totals,
                                 struct rpc_status *status)
{
    static const char *const counters[] = {"ledger:grants", "ledger:payments", "ledger:spend"};
    const ProtobufCMessageDescriptor *const tables[] = {
        &lotcast__v1__ledger_entry_record__descriptor,
        &lotcast__v1__ledger_posting_record__descriptor,
        &lotcast__v1__ledger_balance_record__descriptor,
    };
    struct store_read_op ops[ACCOUNT_COUNT + 3] = {{0}};
    for (size_t i = 0; i < ACCOUNT_COUNT; i++)
        ops[i].counter = counters[i];
    for (size_t i = 0; i < 3; i++)
        ops[ACCOUNT_COUNT + i] =
            (struct store_read_op){.record = tables[i], .is_range = true, .count_only = true};
    arena_reset(&check->arena);
    enum rpc_code code = read_ops(check, ops, ACCOUNT_COUNT + 3, status);
    if (code != RPC_OK)
        return code;
    for (size_t i = 0; i < ACCOUNT_COUNT; i++)
        ret_totals->counters[i] = ops[i].ret_count;
    ret_totals->entries = ops[ACCOUNT_COUNT].ret_count;
    ret_totals->references = ops[ACCOUNT_COUNT + 1].ret_count;
    ret_totals->balances = ops[ACCOUNT_COUNT + 2].ret_count;
    return RPC_OK;
}

/* One customer's entries, some at a time, from all accounts at once. */
struct span_of_entries {
    int64_t customer_id;
    int64_t first, last;
    int64_t running; /* the customer's balance before `first` */
};

enum { LEG_CUSTOMER = ACCOUNT_COUNT, LEG_ACCOUNTS };

static void legs_ask(const struct span_of_entries *part, struct store_read_op *ops)
{
    for (size_t i = 0; i < LEG_ACCOUNTS; i++)
        ops[i] = (struct store_read_op){
            .record = &lotcast__v1__ledger_entry_record__descriptor,
            .key = store_key(store_text(i == LEG_CUSTOMER ? CUSTOMER_ACCOUNT : accounts[i]),
                             store_number(part->customer_id)),
            .is_range = true,
            .has_lower = true,
            .has_upper = true,
            .lower = store_number(part->first),
            .upper = store_number(part->last),
        };
}

/* The leg with that number in an account's answer; `at` only ever moves on. */
static const Lotcast__V1__LedgerEntryRecord *leg_at(const struct store_read_op *op, size_t *at,
                                                    int64_t entry_no)
{
    while (*at < op->ret_row_count) {
        const Lotcast__V1__LedgerEntryRecord *leg = (const void *)op->ret_rows[*at];
        if (leg->entry_no == entry_no)
            return leg;
        if (leg->entry_no > entry_no)
            return NULL;
        (*at)++;
    }
    return NULL;
}

/* The entry's opposite: just one, in one account of ours. */
static bool opposite_check(struct check *check, const Lotcast__V1__LedgerEntryRecord *entry,
                           const struct store_read_op *ops, size_t *at)
{
    int opposites = 0;
    bool told = true;
    for (size_t i = 0; i < ACCOUNT_COUNT; i++) {
        const Lotcast__V1__LedgerEntryRecord *leg = leg_at(&ops[i], &at[i], entry->entry_no);
        if (leg == NULL)
            continue;
        opposites++;
        check->sums[i] += leg->amount_centi;
        if (leg->amount_centi != -entry->amount_centi || leg->kind != entry->kind ||
            strcmp(leg->reference, entry->reference) != 0)
            told = report(check, entry->customer_id, "entry %lld: %s has something else",
                          (long long)entry->entry_no, accounts[i]) &&
                   told;
    }
    if (opposites != 1)
        told = report(check, entry->customer_id, "entry %lld has %d opposites",
                      (long long)entry->entry_no, opposites) &&
               told;
    return told;
}

/* Each entry's reference leads back to it. */
static enum rpc_code references_check(struct check *check, const struct store_read_op *entries,
                                      struct rpc_status *status)
{
    size_t count = entries->ret_row_count;
    struct store_read_op *ops = arena_calloc(&check->arena, count, sizeof *ops);
    if (ops == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < count; i++) {
        const Lotcast__V1__LedgerEntryRecord *entry = (const void *)entries->ret_rows[i];
        ops[i] = services__get(&lotcast__v1__ledger_posting_record__descriptor,
                               store_key(store_text(entry->reference)));
    }
    enum rpc_code code = count == 0 ? RPC_OK : read_ops(check, ops, count, status);
    for (size_t i = 0; code == RPC_OK && i < count; i++) {
        const Lotcast__V1__LedgerEntryRecord *entry = (const void *)entries->ret_rows[i];
        const Lotcast__V1__LedgerPostingRecord *posting = services__row(&ops[i]);
        if (posting != NULL && posting->customer_id == entry->customer_id &&
            posting->entry_no == entry->entry_no)
            continue;
        if (!report(check, entry->customer_id, "entry %lld: its reference does not lead to it",
                    (long long)entry->entry_no))
            code = out_of_memory(status);
    }
    return code;
}

/* Some of a customer's entries, in order. */
static enum rpc_code part_check(struct check *check, struct span_of_entries *part,
                                struct rpc_status *status)
{
    struct store_read_op ops[LEG_ACCOUNTS];
    size_t at[LEG_ACCOUNTS] = {0};
    legs_ask(part, ops);
    arena_reset(&check->arena);
    enum rpc_code code = read_ops(check, ops, LEG_ACCOUNTS, status);
    if (code != RPC_OK)
        return code;
    for (int64_t number = part->first; number <= part->last; number++) {
        const Lotcast__V1__LedgerEntryRecord *entry =
            leg_at(&ops[LEG_CUSTOMER], &at[LEG_CUSTOMER], number);
        bool told = true;
        if (entry == NULL) {
            told = report(check, part->customer_id, "entry %lld is missing", (long long)number);
        } else {
            part->running += entry->amount_centi;
            told = opposite_check(check, entry, ops, at);
            if (entry->balance_centi != part->running)
                told = report(check, part->customer_id,
                              "entry %lld says a balance of %lld, its entries sum to %lld "
                              "(centi-credits)",
                              (long long)number, (long long)entry->balance_centi,
                              (long long)part->running) &&
                       told;
        }
        if (!told)
            return out_of_memory(status);
    }
    return references_check(check, &ops[LEG_CUSTOMER], status);
}

static enum rpc_code customer_check(struct check *check,
                                    const Lotcast__V1__LedgerBalanceRecord *balance,
                                    struct rpc_status *status)
{
    struct span_of_entries part = {.customer_id = balance->customer_id};
    for (part.first = 1; part.first <= balance->entries; part.first = part.last + 1) {
        part.last = part.first + ENTRIES_PER_READ - 1;
        if (part.last > balance->entries)
            part.last = balance->entries;
        enum rpc_code code = part_check(check, &part, status);
        if (code != RPC_OK)
            return code;
    }
    check->customer_sum += part.running;
    check->response->customers++;
    check->response->postings += balance->entries;
    if (part.running != balance->balance_centi &&
        !report(check, balance->customer_id,
                "the balance is %lld, its entries sum to %lld (centi-credits)",
                (long long)balance->balance_centi, (long long)part.running))
        return out_of_memory(status);
    return RPC_OK;
}

/* All balances, each with its entries. */
static enum rpc_code walk(struct check *check, struct rpc_status *status)
{
    Lotcast__V1__LedgerBalanceRecord balances[BALANCES_PER_READ];
    int64_t next = INT64_MIN;
    size_t count;
    do {
        struct store_read_op op = {.record = &lotcast__v1__ledger_balance_record__descriptor,
                                   .is_range = true,
                                   .has_lower = true,
                                   .lower = store_number(next),
                                   .limit = BALANCES_PER_READ};
        arena_reset(&check->arena);
        enum rpc_code code = read_ops(check, &op, 1, status);
        if (code != RPC_OK)
            return code;
        count = op.ret_row_count;
        /* Plain numbers: they outlive the arena's next reset. */
        for (size_t i = 0; i < count; i++)
            balances[i] = *(const Lotcast__V1__LedgerBalanceRecord *)(const void *)op.ret_rows[i];
        for (size_t i = 0; i < count; i++) {
            code = customer_check(check, &balances[i], status);
            if (code != RPC_OK)
                return code;
        }
        if (count > 0)
            next = balances[count - 1].customer_id + 1;
    } while (count > 0);
    return RPC_OK;
}

/* What the walk has found against what the tables say. */
static bool totals_check(struct check *check, const struct totals *totals)
{
    const Lotcast__V1__CheckLedgerResponse *response = check->response;
    bool told = true;
    if (totals->entries != 2 * response->postings)
        told = report(check, 0, "there are %lld entries, the balances count %lld",
                      (long long)totals->entries, (long long)(2 * response->postings));
    if (totals->references != response->postings)
        told = report(check, 0, "there are %lld references for %lld postings",
                      (long long)totals->references, (long long)response->postings) &&
               told;
    for (size_t i = 0; i < ACCOUNT_COUNT; i++)
        if (totals->counters[i] != check->sums[i])
            told = report(check, 0, "%s is counted as %lld, its entries sum to %lld", accounts[i],
                          (long long)totals->counters[i], (long long)check->sums[i]) &&
                   told;
    return told;
}

/* Walks until nothing was posted meanwhile, or patience ends. */
static enum rpc_code check_all(struct check *check, struct rpc_status *status)
{
    Lotcast__V1__CheckLedgerResponse *response = check->response;
    response->moving = true;
    for (int round = 0; response->moving && round < ROUNDS_MAX; round++) {
        struct totals before;
        struct totals after;
        response->customers = response->postings = response->problem_count = 0;
        response->n_problems = 0;
        check->customer_sum = 0;
        memset(check->sums, 0, sizeof check->sums);
        enum rpc_code code = totals_read(check, &before, status);
        if (code == RPC_OK)
            code = walk(check, status);
        if (code == RPC_OK)
            code = totals_read(check, &after, status);
        if (code != RPC_OK)
            return code;
        response->moving = memcmp(&before, &after, sizeof before) != 0;
        if (!response->moving && !totals_check(check, &after))
            return out_of_memory(status);
    }
    return RPC_OK;
}

static bool fill_accounts(struct check *check)
{
    struct arena *arena = check->context->arena;
    Lotcast__V1__CheckLedgerResponse *response = check->response;
    Lotcast__V1__LedgerAccount *values = arena_calloc(arena, LEG_ACCOUNTS, sizeof *values);
    response->accounts = arena_calloc(arena, LEG_ACCOUNTS, sizeof *response->accounts);
    if (values == NULL || response->accounts == NULL)
        return false;
    response->sum = 0;
    for (size_t i = 0; i < LEG_ACCOUNTS; i++) {
        lotcast__v1__ledger_account__init(&values[i]);
        values[i].account = (char *)(i == LEG_CUSTOMER ? CUSTOMER_ACCOUNT : accounts[i]);
        values[i].credits = i == LEG_CUSTOMER ? check->customer_sum : check->sums[i];
        response->sum += values[i].credits;
        response->accounts[i] = &values[i];
    }
    response->n_accounts = LEG_ACCOUNTS;
    return true;
}

enum rpc_code admin_check_ledger(struct rpc_server_call *call, const void *request,
                                 void *response_message, struct rpc_status *status)
{
    struct check check = {.services = rpc_server_call_self(call),
                          .context = rpc_server_call_context(call),
                          .response = response_message};
    Lotcast__V1__CheckLedgerResponse *response = response_message;
    (void)request;
    enum rpc_code code = audit_operator_read(call, 0, status);
    if (code != RPC_OK)
        return code;
    response->problems =
        arena_calloc(check.context->arena, PROBLEMS_MAX, sizeof *response->problems);
    if (response->problems == NULL)
        return out_of_memory(status);
    arena_init(&check.arena, BATCH_BYTES_MAX);
    check.batch = *check.context;
    check.batch.arena = &check.arena;
    code = check_all(&check, status);
    arena_fini(&check.arena);
    if (code != RPC_OK)
        return code;
    if (!fill_accounts(&check))
        return out_of_memory(status);
    response->ok = response->problem_count == 0 && response->sum == 0;
    return RPC_OK;
}
