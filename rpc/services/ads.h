/*
 * What the files of lotcast.v1.Ads share: the page and its switches (ads.c), the sync (ads_sync.c),
 * budget and targeting (ads_update.c).
 */
#ifndef RPC_SERVICES_ADS_H
#define RPC_SERVICES_ADS_H

#include "lotcast/v1/ads.pb-c.h"
#include "rpc/services/internal.h"

/* The records that decide what may be done with a customer's ads, in one snapshot. */
enum { ADS_CUSTOMER, ADS_CAMPAIGN, ADS_CONNECTION, ADS_WEBSITE, ADS_BALANCE, ADS_RECORDS };
/* Fills in the ops that read them. */
void ads__records(int64_t customer_id, struct store_read_op ops[static ADS_RECORDS]);
/* NOT_LAUNCHED, META_NOT_CONNECTED: there is nothing to act on, or no token to act with. */
enum rpc_code ads__check(const struct store_read_op ops[static ADS_RECORDS],
                         struct rpc_status *status) __attribute__((warn_unused_result));
/* A time as it is printed, or NULL when the arena is full. */
Google__Protobuf__StringValue *ads__time_value(struct arena *arena, int64_t at_ms);

/* Begins the sync of the call's customer, or joins the one that runs: which job that is. */
enum rpc_code ads__sync_begin(struct rpc_server_call *call, bool confirm_removals,
                              int64_t *ret_job_id, struct rpc_status *status)
    __attribute__((warn_unused_result));

rpc_handler ads__sync;
rpc_handler ads__get_sync_status;
rpc_handler ads__update;

#endif
