/*
 * What holds of any bytes that are read as a page, for several fuzz targets.
 */
#ifndef TEST_FUZZ_PAGE_CHECK_H
#define TEST_FUZZ_PAGE_CHECK_H

#include "rpc/base/span.h"

/* Reads the bytes both ways, at a glance and by the parser; aborts where what is found is not
 * presentable, or where merging it makes two items of one identity. `type` may be NULL. */
void page_check(struct span body, const char *type);

#endif
