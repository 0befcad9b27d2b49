#include "rpc/services/ledger.h"

#include <assert.h>

#define CUSTOMER_ACCOUNT "customer"

/* Both legs, the reference and our account's counter. */
static bool append_posting(struct store_commit *commit, struct rpc_context *context,
                           const struct ledger_posting *posting,
                           const Lotcast__V1__LedgerBalanceRecord *balance)
{
    Lotcast__V1__LedgerEntryRecord entry = LOTCAST__V1__LEDGER_ENTRY_RECORD__INIT;
    entry.account = (char *)CUSTOMER_ACCOUNT;
    entry.customer_id = balance->customer_id;
    entry.entry_no = balance->entries;
    entry.kind = posting->kind;
    entry.amount_centi = posting->amount_centi;
    entry.balance_centi = balance->balance_centi;
    entry.at_ms = posting->at_ms;
    entry.reference = (char *)posting->reference;
    (void)store_commit_put_new(commit, &entry);

    entry.account = (char *)posting->account;
    entry.amount_centi = -posting->amount_centi;
    entry.balance_centi = 0;
    (void)store_commit_put_new(commit, &entry);

    Lotcast__V1__LedgerPostingRecord reference = LOTCAST__V1__LEDGER_POSTING_RECORD__INIT;
    reference.reference = (char *)posting->reference;
    reference.customer_id = balance->customer_id;
    reference.entry_no = balance->entries;
    (void)store_commit_put_new(commit, &reference);

    const char *counter = arena_printf(context->arena, "ledger:%s", posting->account);
    if (counter == NULL)
        return false;
    (void)store_commit_add(commit, counter, -posting->amount_centi);
    return true;
}

enum rpc_code ledger_append(struct services *services, struct rpc_context *context,
                            struct store_commit *commit, int64_t customer_id,
                            const struct ledger_posting *postings, size_t count,
                            int64_t *ret_balance_centi, struct rpc_status *status)
{
    Lotcast__V1__LedgerBalanceRecord *stored;
    Lotcast__V1__LedgerBalanceRecord balance = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
    uint64_t version;
    enum rpc_code code =
        store_get(services->options.store, context, &lotcast__v1__ledger_balance_record__descriptor,
                  NULL, store_key(store_number(customer_id)), &stored, &version, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    balance.customer_id = customer_id;
    if (stored != NULL) {
        balance.balance_centi = stored->balance_centi;
        balance.entries = stored->entries;
    }
    for (size_t i = 0; i < count; i++) {
        assert(postings[i].reference[0] != '\0' && postings[i].amount_centi != INT64_MIN);
        if (__builtin_add_overflow(balance.balance_centi, postings[i].amount_centi,
                                   &balance.balance_centi))
            return rpc_status_set(status, RPC_OUT_OF_RANGE, "The balance would be too large");
        balance.entries++;
        if (!append_posting(commit, context, &postings[i], &balance))
            return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    }
    (void)store_commit_put_version(commit, &balance, version);
    if (ret_balance_centi != NULL)
        *ret_balance_centi = balance.balance_centi;
    return RPC_OK;
}
