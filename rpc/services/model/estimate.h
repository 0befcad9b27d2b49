/*
 * How long credits last, and sums over days of insights (api-contracts, section 5). Pure.
 */
#ifndef RPC_SERVICES_MODEL_ESTIMATE_H
#define RPC_SERVICES_MODEL_ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lotcast/v1/records.pb-c.h"

struct estimate_sums {
    int64_t impressions;
    int64_t clicks;
    int64_t spend_minor;
    int64_t spend_days; /* those with spend > 0 */
};

/*
 * Adds up the days from first_day to last_day, both inclusive; others are passed over. `days` are
 * InsightDayRecords, as a read of the store gives them.
 */
struct estimate_sums estimate_sum(ProtobufCMessage *const *days, size_t count, int32_t first_day,
                                  int32_t last_day);

/* 100 · clicks / impressions in hundredths, half up; 0 without impressions. */
int64_t estimate_ctr_hundredths(int64_t clicks, int64_t impressions);

/* What one of `count` costs of a sum in minor units, half up; 0 without any: CPC is spend over
 * clicks, CPM 1000 · spend over impressions. */
int64_t estimate_cost_minor(int64_t spend_minor, int64_t count);

/*
 * floor(balance / (burn / days with spend)). False (no estimate) without burn; 0 at a balance ≤ 0.
 * `burn_centi` is of the last 30 full days.
 */
bool estimate_days(int64_t balance_centi, int64_t burn_centi, int64_t spend_days,
                   int64_t *ret_days);

/* Whole credits, floored: -1 centi-credit is -1 credit. */
int64_t estimate_whole_credits(int64_t centi);

#endif
