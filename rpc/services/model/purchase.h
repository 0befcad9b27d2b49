/*
 * What is known of a purchase's payment, and what the customer has of it (api-contracts, sections 5
 * and 9; upstreams, Stripe). Facts only ever grow: paid stays paid, what is refunded never falls, a
 * dispute that is closed stays closed. So events may come in any order and any number of times, and
 * end in the same. Pure; texts that are kept are borrowed.
 */
#ifndef RPC_SERVICES_MODEL_PURCHASE_H
#define RPC_SERVICES_MODEL_PURCHASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lotcast/v1/records.pb-c.h"
#include "rpc/base/arena.h"

/* Disputes of one purchase at most. */
#define PURCHASE_DISPUTES_MAX 32

/* A package of credits: money in minor units, credits whole. */
struct purchase_package {
    const char *id;
    const char *currency;
    int64_t amount_minor;
    int64_t credits;
    int64_t bonus_credits;
};
#define PURCHASE_PACKAGES 3

/* The packages, from the smallest, at so many credits for a US dollar. */
void purchase_packages(int64_t usd_rate, struct purchase_package packages[PURCHASE_PACKAGES]);

/* Whether its money has come, whatever happened to it since. */
bool purchase_is_paid(const Lotcast__V1__PurchaseRecord *purchase);
/*
 * Centi-credits that the customer has of it: all once it is paid, less the share of the amount that
 * was refunded (half up) and the shares of disputes that are not won; never below 0.
 */
int64_t purchase_grant_centi(const Lotcast__V1__PurchaseRecord *purchase);

/* Each of these takes a fact in. False if it is none that is new. */

/* Paid at `now_ms`. */
bool purchase_take_payment(Lotcast__V1__PurchaseRecord *purchase, int64_t now_ms);
/* So much has been refunded in all. */
bool purchase_take_refund(Lotcast__V1__PurchaseRecord *purchase, int64_t refunded_minor);
/* A dispute about so much is in that state. False also when there are too many, or no memory. */
bool purchase_take_dispute(Lotcast__V1__PurchaseRecord *purchase, struct arena *arena,
                           const char *dispute_id, int64_t amount_minor,
                           Lotcast__V1__DisputeState state);

/* Whether a dispute of it is open or lost. */
bool purchase_is_disputed(const Lotcast__V1__PurchaseRecord *purchase);
/* pending, completed, failed or refunded. Static. */
const char *purchase_state_name(Lotcast__V1__PurchaseState state);

#endif
