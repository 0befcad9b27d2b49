/*
 * What benches print, so that run.py can gather it into one table: a line for each figure,
 *
 *   name TAB median TAB unit TAB min TAB max TAB baseline TAB ratio
 *
 * on standard output. `baseline` is the name of another figure of the same bench and `ratio` this
 * median to that one's; both are "-" where there is nothing to compare with. Lines without tabs
 * are shown as they come and belong to no table.
 */
#ifndef TEST_BENCH_REPORT_H
#define TEST_BENCH_REPORT_H

#include <stddef.h>

/* One figure, measured once a round. Rounds of what is compared alternate. */
struct bench_series {
    const char *name; /* unique within the bench, without tabs */
    const char *unit; /* "1/s", "ms", "us" … */
    double *values;   /* sorted by reporting */
    size_t count;     /* at least 1 */
};

/* Prints a figure. `baseline` has been measured beside it; NULL: there is none. */
void bench_report(struct bench_series *series, struct bench_series *baseline);
/* The median, the lower one of an even count. Sorts the values. */
double bench_median(struct bench_series *series);

#endif
