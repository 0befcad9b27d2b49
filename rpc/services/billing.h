/*
 * What the files of the Billing service share.
 */
#ifndef RPC_SERVICES_BILLING_H
#define RPC_SERVICES_BILLING_H

#include "rpc/services/internal.h"
#include "rpc/services/model/purchase.h"

/* Longest id of Stripe's that is looked up, in bytes. */
#define BILLING_ID_BYTES_MAX 200

/* The packages at the configured rate. */
void billing_packages(const struct services *services,
                      struct purchase_package packages[PURCHASE_PACKAGES]);

/* Handlers of purchase.c and stripe_event.c. */
rpc_handler billing_purchase, billing_stripe_event;

#endif
