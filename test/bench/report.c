#include "test/bench/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of one figure, sorted. */
struct sorted {
    double *values;
    size_t count;
};

static int by_size(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static struct sorted sort(double *values, size_t count)
{
    qsort(values, count, sizeof values[0], by_size);
    return (struct sorted){values, count};
}

static double *copy(const struct bench_series *series)
{
    double *values = malloc(series->count * sizeof *values);
    if (values == NULL) {
        (void)fprintf(stderr, "report: out of memory\n");
        exit(1);
    }
    memcpy(values, series->values, series->count * sizeof *values);
    return values;
}

static double median(struct sorted sorted)
{
    return sorted.values[(sorted.count - 1) / 2];
}

double bench_quantile(const struct bench_series *series, double part)
{
    double *values = copy(series);
    struct sorted sorted = sort(values, series->count);
    double found = sorted.values[(size_t)(part * (double)(sorted.count - 1))];
    free(values);
    return found;
}

static bool can_divide(const struct bench_series *series, const struct bench_series *baseline)
{
    if (baseline == NULL || baseline->count != series->count)
        return false;
    for (size_t i = 0; i < baseline->count; i++) {
        if (!(baseline->values[i] > 0))
            return false;
    }
    return true;
}

void bench_report(const struct bench_series *series, const struct bench_series *baseline)
{
    double *values = copy(series);
    double *ratios = copy(series);
    bool has_ratio = can_divide(series, baseline);
    for (size_t i = 0; has_ratio && i < series->count; i++)
        ratios[i] = series->values[i] / baseline->values[i];
    struct sorted own = sort(values, series->count);
    printf("%s\t%.6g\t%s\t%.6g\t%.6g\t", series->name, median(own), series->unit, own.values[0],
           own.values[own.count - 1]);
    struct sorted ratio = sort(ratios, series->count);
    if (has_ratio)
        printf("%s\t%.6g\t%.6g\t%.6g\t%.6g\n", baseline->name, bench_quantile(baseline, 0.5),
               median(ratio), ratio.values[0], ratio.values[ratio.count - 1]);
    else
        printf("-\t-\t-\t-\t-\n");
    (void)fflush(stdout);
    free(values);
    free(ratios);
}
