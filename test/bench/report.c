#include "test/bench/report.h"

#include <stdio.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

double bench_median(struct bench_series *series)
{
    qsort(series->values, series->count, sizeof series->values[0], by_size);
    return series->values[(series->count - 1) / 2];
}

void bench_report(struct bench_series *series, struct bench_series *baseline)
{
    double median = bench_median(series);
    printf("%s\t%.6g\t%s\t%.6g\t%.6g\t", series->name, median, series->unit, series->values[0],
           series->values[series->count - 1]);
    double base = baseline == NULL ? 0 : bench_median(baseline);
    if (base > 0)
        printf("%s\t%.3f\n", baseline->name, median / base);
    else
        printf("-\t-\n");
    (void)fflush(stdout);
}
