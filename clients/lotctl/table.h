/*
 * Tables for people: columns as wide as their widest text, numbers to the right. Where no column
 * has a title there is no row of titles.
 */
#ifndef CLIENTS_LOTCTL_TABLE_H
#define CLIENTS_LOTCTL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "rpc/base/arena.h"

#define TABLE_COLUMNS_MAX 12

struct table_column {
    const char *title;
    bool is_number;
};

struct table {
    struct arena *arena;
    size_t column_count, row_count, row_capacity;
    const struct table_column *columns;
    const char **cells; /* row by row, in the arena */
    bool failed;        /* sticky: out of arena */
};

/* Begins an empty table; the columns are borrowed for its life. */
void table_init(struct table *table, struct arena *arena, const struct table_column *columns,
                size_t count);
/* Adds a row of as many borrowed texts as there are columns. A NULL among them fails the table. */
void table_row_add(struct table *table, const char *const *cells);
/*
 * Prints it on standard output. What would move the cursor or colour the screen is printed as a
 * space. False, having complained, if it had failed.
 */
bool table_print(const struct table *table);

/* 284732 as "2847.32"; NULL when the arena is full. */
const char *table_decimal(struct arena *arena, int64_t hundredths);
const char *table_number(struct arena *arena, int64_t number);

#endif
