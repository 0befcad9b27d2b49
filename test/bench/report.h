/*
 * What benches print, so that run.py can gather it into one table: a line for each figure,
 *
 *   name TAB median TAB unit TAB min TAB max TAB
 *       peer TAB its median TAB ratio TAB its min TAB its max
 *
 * (in one line) on standard output. `peer` is the name of another figure of the same bench, with as
 * many rounds; `ratio` is the median of this figure's value to that one's in the same round, and
 * min and max are its spread over the rounds. All five are "-" where there is nothing to compare
 * with. Lines without tabs are shown as they come and belong to no table.
 */
#ifndef TEST_BENCH_REPORT_H
#define TEST_BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

/* One figure, measured once a round. Rounds of what is compared alternate. */
struct bench_series {
    const char *name; /* unique within the bench, without tabs */
    const char *unit; /* "1/s", "ms", "us" … */
    double *values;   /* in the order of the rounds */
    size_t count;     /* at least 1 */
};

/* Prints a figure. `baseline` has been measured beside it; NULL: there is none. */
void bench_report(const struct bench_series *series, const struct bench_series *baseline);
/* The value below which this part of them is, 0 to 1: 0.5 is the median, the lower one of two. */
double bench_quantile(const struct bench_series *series, double part);

#endif
