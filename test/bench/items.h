/*
 * Items as dealers have them, the same in every run: what inventories of benches are made of. Each
 * has a title, a description and identities as long as real ones; some brands are many times as
 * common as others.
 */
#ifndef TEST_BENCH_ITEMS_H
#define TEST_BENCH_ITEMS_H

#include "lotcast/v1/records.pb-c.h"

struct item_texts {
    char title[128], identity[64], url[128], vin[24], sku[24];
};

/* Item `number` of a customer, from 1; its texts are in `texts`, or constant. */
void bench_item_make(int64_t customer_id, int64_t number, struct item_texts *texts,
                     Lotcast__V1__ItemRecord *ret_item);

#endif
