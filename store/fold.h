/*
 * Texts without case and accents, for searching and ordering: what people mean to be the same text
 * has the same folded bytes. The folded form is kept in indexes, so a change here needs new index
 * ids. Pure; any thread.
 */
#ifndef STORE_FOLD_H
#define STORE_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/base/span.h"

/*
 * Folds valid UTF-8 into `folded`: compatibility decomposition and full case folding (Unicode, by
 * libunistring), accents and other marks on letters left out, letters with a stroke and ligatures
 * as their plain letters, dashes and apostrophes as the ASCII ones, white space and control
 * characters as spaces, invisible characters left out. What is more than `room` bytes is cut at a
 * character. False when out of memory.
 */
bool store__fold(struct span text, uint8_t *folded, size_t room, size_t *ret_len)
    __attribute__((warn_unused_result));

#endif
