/*
 * The ledger: double entry, append-only, in centi-credits. A posting moves an amount between a
 * customer's account and one of ours; its reference is unique, so that repeating it changes
 * nothing.
 */
#ifndef RPC_SERVICES_LEDGER_H
#define RPC_SERVICES_LEDGER_H

#include "rpc/services/internal.h"

struct ledger_posting {
    Lotcast__V1__LedgerKind kind;
    int64_t amount_centi;  /* added to the customer's balance; negative takes */
    const char *account;   /* ours: "grants", "payments", "spend" */
    const char *reference; /* unique over all postings */
    int64_t at_ms;
};

/*
 * Reads the customer's balance and adds the ops of these postings to `commit`: both legs of each,
 * the reference, the balance and our account's counter. If a reference exists already or the
 * balance changed in between, the commit fails with RPC_ABORTED: read again and decide anew.
 * `ret_balance_centi` (may be NULL) is the balance afterwards.
 */
enum rpc_code ledger_append(struct services *services, struct rpc_context *context,
                            struct store_commit *commit, int64_t customer_id,
                            const struct ledger_posting *postings, size_t count,
                            int64_t *ret_balance_centi, struct rpc_status *status)
    __attribute__((warn_unused_result));

#endif
