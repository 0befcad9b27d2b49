/*
 * The first rows of an order, kept while all rows are walked over: a heap whose root is the last of
 * them, so that memory is bounded by how many are asked for. Rows that are alike stay in the order
 * in which they came.
 *
 * Owned by the call that makes it; keys and texts are borrowed from its snapshot.
 */
#ifndef STORE_RANK_H
#define STORE_RANK_H

#include "rpc/base/arena.h"
#include "store/query.h"

/* One row: what it is ordered by, and its entry's key in the range's index. */
struct store_ranked {
    bool is_last; /* behind all others, whatever the direction */
    /* The number, or the text's first bytes, as unsigned numbers of the same order: what most
     * comparisons are decided by, without a look at the text. */
    uint64_t head[2];
    struct span text;
    struct span key;
    uint64_t place; /* in which it came */
};

struct store_ranking {
    const struct store_order *order;
    struct arena *arena;
    uint64_t max; /* rows that are kept */
    struct store_ranked *rows;
    size_t count, capacity;
};

/* What a number, and a text, are ordered by. */
void store__ranked_set_number(struct store_ranked *row, int64_t number);
void store__ranked_set_text(struct store_ranked *row, struct span text);

/* False when the arena is full. */
bool store__rank_add(struct store_ranking *ranking, const struct store_ranked *row)
    __attribute__((warn_unused_result));
/*
 * Puts the rows behind the first `skip` in order. They begin at the returned place of ranking->rows
 * and go up to ranking->count; those before have no order any more.
 */
size_t store__rank_order(struct store_ranking *ranking, uint64_t skip);

#endif
