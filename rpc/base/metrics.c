#include "rpc/base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric *first; /* under lock; kept sorted by name so that families stay together */

void metrics_register(struct metric *metric)
{
    (void)pthread_mutex_lock(&lock);
    if (!metric->registered) {
        struct metric **at = &first;
        while (*at != NULL && strcmp((*at)->name, metric->name) <= 0)
            at = &(*at)->next;
        metric->next = *at;
        *at = metric;
        metric->registered = true;
    }
    (void)pthread_mutex_unlock(&lock);
}

void metric_add(struct metric *metric, int64_t delta)
{
    (void)atomic_fetch_add_explicit(&metric->value, delta, memory_order_relaxed);
}

void metric_set(struct metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

void metric_observe_us(struct metric *metric, int64_t us)
{
    int bucket = 0;
    int64_t bound = METRIC_BUCKET_US_MIN;
    while (bucket < METRIC_BUCKETS && us > bound) {
        bucket++;
        bound *= 2;
    }
    (void)atomic_fetch_add_explicit(&metric->buckets[bucket], 1, memory_order_relaxed);
    (void)atomic_fetch_add_explicit(&metric->value, us, memory_order_relaxed);
}

static void print_histogram(struct buffer *out, struct metric *metric)
{
    const char *comma = *metric->labels == '\0' ? "" : ",";
    uint64_t total = 0;
    int64_t bound = METRIC_BUCKET_US_MIN;
    for (int i = 0; i <= METRIC_BUCKETS; i++) {
        total += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        if (i < METRIC_BUCKETS)
            (void)buffer_printf(out, "%s_bucket{%s%sle=\"%.6f\"} %" PRIu64 "\n", metric->name,
                                metric->labels, comma, (double)bound / 1e6, total);
        else
            (void)buffer_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", metric->name,
                                metric->labels, comma, total);
        bound *= 2;
    }
    int64_t sum_us = atomic_load_explicit(&metric->value, memory_order_relaxed);
    (void)buffer_printf(out, "%s_sum{%s} %.6f\n%s_count{%s} %" PRIu64 "\n", metric->name,
                        metric->labels, (double)sum_us / 1e6, metric->name, metric->labels, total);
}

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

void metrics_print(struct buffer *out)
{
    (void)pthread_mutex_lock(&lock);
    const char *family = "";
    for (struct metric *metric = first; metric != NULL; metric = metric->next) {
        if (strcmp(family, metric->name) != 0) {
            (void)buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                                metric->name, kind_names[metric->kind]);
            family = metric->name;
        }
        if (metric->kind == METRIC_KIND_HISTOGRAM) {
            print_histogram(out, metric);
            continue;
        }
        (void)buffer_printf(out, "%s%s%s%s %" PRIdFAST64 "\n", metric->name,
                            *metric->labels ? "{" : "", metric->labels, *metric->labels ? "}" : "",
                            atomic_load_explicit(&metric->value, memory_order_relaxed));
    }
    (void)pthread_mutex_unlock(&lock);
}
