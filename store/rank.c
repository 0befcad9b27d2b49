#include "store/rank.h"

/* Rows that there is room for at first. */
#define ROWS_FIRST 64

/* Turns the order of signed numbers into that of unsigned ones. */
#define SIGN_BIT (UINT64_C(1) << 63)

void store__ranked_set_number(struct store_ranked *row, int64_t number)
{
    row->head[0] = (uint64_t)number ^ SIGN_BIT;
    row->head[1] = 0;
    row->text = (struct span){0};
}

void store__ranked_set_text(struct store_ranked *row, struct span text)
{
    /* A byte that is not there is below all others, or alike with a 0: then the texts decide. */
    for (size_t i = 0; i < 2; i++) {
        row->head[i] = 0;
        for (size_t byte = 8 * i; byte < 8 * i + 8; byte++)
            row->head[i] = row->head[i] << 8 | (byte < text.len ? text.data[byte] : 0);
    }
    row->text = text;
}

/* Whether `a` comes behind `b`. No two are alike: their places differ. */
static bool is_behind(const struct store_order *order, const struct store_ranked *a,
                      const struct store_ranked *b)
{
    if (a->is_last != b->is_last)
        return a->is_last;
    int compared = (a->head[0] > b->head[0]) - (a->head[0] < b->head[0]);
    if (compared == 0)
        compared = (a->head[1] > b->head[1]) - (a->head[1] < b->head[1]);
    if (compared == 0 && order->is_text)
        compared = store__span_compare(a->text, b->text);
    if (compared == 0 || a->is_last)
        return a->place > b->place;
    return order->descending ? compared < 0 : compared > 0;
}

static void swap(struct store_ranked *a, struct store_ranked *b)
{
    struct store_ranked kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_up(struct store_ranking *ranking, size_t at)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!is_behind(ranking->order, &ranking->rows[at], &ranking->rows[parent]))
            return;
        swap(&ranking->rows[at], &ranking->rows[parent]);
        at = parent;
    }
}

/* Among the first `count` rows. */
static void sift_down(struct store_ranking *ranking, size_t count)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            return;
        if (child + 1 < count &&
            is_behind(ranking->order, &ranking->rows[child + 1], &ranking->rows[child]))
            child++;
        if (!is_behind(ranking->order, &ranking->rows[child], &ranking->rows[at]))
            return;
        swap(&ranking->rows[at], &ranking->rows[child]);
        at = child;
    }
}

static bool grow(struct store_ranking *ranking)
{
    if (ranking->count < ranking->capacity)
        return true;
    size_t capacity = ranking->capacity == 0 ? ROWS_FIRST : ranking->capacity * 2;
    if (capacity > ranking->max)
        capacity = (size_t)ranking->max;
    struct store_ranked *rows = arena_calloc(ranking->arena, capacity, sizeof *rows);
    if (rows == NULL)
        return false;
    if (ranking->count > 0)
        memcpy(rows, ranking->rows, ranking->count * sizeof *rows);
    ranking->rows = rows;
    ranking->capacity = capacity;
    return true;
}

bool store__rank_add(struct store_ranking *ranking, const struct store_ranked *row)
{
    if (ranking->count < ranking->max) {
        if (!grow(ranking))
            return false;
        ranking->rows[ranking->count++] = *row;
        sift_up(ranking, ranking->count - 1);
    } else if (ranking->max > 0 && is_behind(ranking->order, &ranking->rows[0], row)) {
        ranking->rows[0] = *row;
        sift_down(ranking, ranking->count);
    }
    return true;
}

size_t store__rank_order(struct store_ranking *ranking, uint64_t skip)
{
    size_t first = skip < ranking->count ? (size_t)skip : ranking->count;
    /* The root is the last of all that are left: each goes behind them. */
    for (size_t left = ranking->count; left > first; left--) {
        swap(&ranking->rows[0], &ranking->rows[left - 1]);
        sift_down(ranking, left - 1);
    }
    return first;
}
