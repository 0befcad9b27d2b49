/*
 * What Stripe says of payments, applied: each is credited once, whoever brings the news first (a
 * webhook, the page that the customer comes back to) and in whatever order it comes.
 */
#ifndef RPC_SERVICES_PAYMENT_H
#define RPC_SERVICES_PAYMENT_H

#include "clients/stripe/stripe.h"
#include "rpc/services/internal.h"

enum payment_outcome { PAYMENT_PAID, PAYMENT_FAILED };

/* Shows the counter of payments that were not ours. Once, at start. */
void payment_metrics_register(void);

/*
 * Settles the purchase of a Checkout session: credits it, or marks it failed unless it has been
 * paid. Nothing happens twice. RPC_OK means that it is durable, or that the session is not of a
 * purchase of ours or differs from it (in amount, currency or mode), which is logged and counted.
 * CONFLICT: it lost too many races.
 */
enum rpc_code payment_fulfil(struct services *services, struct rpc_context *context,
                             const struct stripe_session *session, enum payment_outcome outcome,
                             struct rpc_status *status) __attribute__((warn_unused_result));

/* Applies a refund or a dispute, or keeps it (`body` is its text) until its payment is known. */
enum rpc_code payment_charge_event(struct services *services, struct rpc_context *context,
                                   const struct stripe_event *event, struct span body,
                                   struct rpc_status *status) __attribute__((warn_unused_result));

#endif
