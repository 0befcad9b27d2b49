/*
 * When a customer's syncs run by themselves: 02:00, 10:00 and 18:00 on the clocks of the customer's
 * time zone, spread over some minutes. Pure.
 */
#ifndef RPC_SERVICES_MODEL_SLOT_H
#define RPC_SERVICES_MODEL_SLOT_H

#include <stdint.h>

#include "rpc/services/model/zone.h"

/* Customers' runs are spread over so long behind a slot. */
#define SLOT_SPREAD_MS ((int64_t)10 * 60 * 1000)

/* The first slot behind a moment, in a zone (NULL: UTC). A slot that clocks skip is the moment
 * after the gap; one that they show twice is the first of the two. */
int64_t slot_next_ms(const struct zone *zone, int64_t after_ms);
/* A customer's place in the spread, from 0 to SLOT_SPREAD_MS - 1: always the same. */
int64_t slot_spread_ms(int64_t customer_id);

#endif
