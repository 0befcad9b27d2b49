/*
 * Announcements: what operators publish and all customers see on their dashboards, as suggestions
 * of type `template`, until they dismiss it. A dashboard looks at the newest
 * SUGGESTION_ANNOUNCEMENTS_MAX alone, withdrawn ones included: older ones have had their time.
 */
#ifndef RPC_SERVICES_SUGGESTION_H
#define RPC_SERVICES_SUGGESTION_H

#include "rpc/services/internal.h"
#include "rpc/services/model/standing.h"

#define SUGGESTION_ANNOUNCEMENTS_MAX 20
/* Ids that a customer's record keeps, the last ones. More than a dashboard looks at, so that none
 * comes back. */
#define SUGGESTION_DISMISSED_MAX 40

/* The op that reads them, newest first. */
struct store_read_op suggestion_announcements_op(void);

/*
 * The newest of them that is neither withdrawn nor dismissed by the customer, or NULL in
 * `ret_suggestion`. Borrows its texts. RPC_RESOURCE_EXHAUSTED.
 */
enum rpc_code suggestion_announcement_pick(const struct store_read_op *announcements,
                                           const Lotcast__V1__CustomerRecord *customer,
                                           struct arena *arena,
                                           const struct standing_suggestion **ret_suggestion)
    __attribute__((warn_unused_result));

/* Dashboard/DismissSuggestion. */
rpc_handler suggestion_dismiss;

#endif
