#include "rpc/base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

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

/* The labels of a sample: the metric's own and the process's, with a comma between them. */
static void print_labels(struct buffer *out, const struct metric *metric, const char *process)
{
    bool both = *metric->labels != '\0' && *process != '\0';
    (void)buffer_printf(out, "%s%s", metric->labels, both ? "," : "");
    if (*process != '\0')
        (void)buffer_printf(out, "process=\"%s\"", process);
}

static void print_bucket(struct buffer *out, const struct metric *metric, const char *process,
                         const char *bound, uint64_t total)
{
    bool bare = *metric->labels == '\0' && *process == '\0';
    (void)buffer_printf(out, "%s_bucket{", metric->name);
    print_labels(out, metric, process);
    (void)buffer_printf(out, "%sle=\"%s\"} %" PRIu64 "\n", bare ? "" : ",", bound, total);
}

static void print_histogram(struct buffer *out, struct metric *metric, const char *process)
{
    char text[32];
    uint64_t total = 0;
    int64_t bound = METRIC_BUCKET_US_MIN;
    for (int i = 0; i < METRIC_BUCKETS; i++) {
        total += atomic_load_explicit(&metric->buckets[i], memory_order_relaxed);
        (void)snprintf(text, sizeof text, "%.6f", (double)bound / 1e6);
        print_bucket(out, metric, process, text, total);
        bound *= 2;
    }
    total += atomic_load_explicit(&metric->buckets[METRIC_BUCKETS], memory_order_relaxed);
    print_bucket(out, metric, process, "+Inf", total);
    int64_t sum_us = atomic_load_explicit(&metric->value, memory_order_relaxed);
    (void)buffer_printf(out, "%s_sum{", metric->name);
    print_labels(out, metric, process);
    (void)buffer_printf(out, "} %.6f\n%s_count{", (double)sum_us / 1e6, metric->name);
    print_labels(out, metric, process);
    (void)buffer_printf(out, "} %" PRIu64 "\n", total);
}

static void print_single(struct buffer *out, struct metric *metric, const char *process)
{
    bool labelled = *metric->labels != '\0' || *process != '\0';
    (void)buffer_printf(out, "%s%s", metric->name, labelled ? "{" : "");
    print_labels(out, metric, process);
    (void)buffer_printf(out, "%s %" PRIdFAST64 "\n", labelled ? "}" : "",
                        atomic_load_explicit(&metric->value, memory_order_relaxed));
}

static const char *const kind_names[] = {"counter", "gauge", "histogram"};

void metrics_print_process(struct buffer *out, const char *process)
{
    (void)pthread_mutex_lock(&lock);
    const char *family = "";
    for (struct metric *metric = first; metric != NULL; metric = metric->next) {
        if (strcmp(family, metric->name) != 0) {
            (void)buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                                metric->name, kind_names[metric->kind]);
            family = metric->name;
        }
        if (metric->kind == METRIC_KIND_HISTOGRAM)
            print_histogram(out, metric, process);
        else
            print_single(out, metric, process);
    }
    (void)pthread_mutex_unlock(&lock);
}

void metrics_print(struct buffer *out)
{
    metrics_print_process(out, "");
}

static pthread_once_t instance_once = PTHREAD_ONCE_INIT;
static uint64_t instance;

static void make_instance(void)
{
    while (instance == 0) {
        if (getrandom(&instance, sizeof instance, 0) != (ssize_t)sizeof instance)
            instance = (uint64_t)getpid();
    }
}

uint64_t metrics_instance(void)
{
    (void)pthread_once(&instance_once, make_instance);
    return instance;
}
