/*
 * Counters, gauges and latency histograms, printed as Prometheus text. Declared as static objects
 * with their text; values are atomics, so any thread counts.
 *
 *     static struct metric commits = METRIC_COUNTER("lotcast_store_commits_total", "Commits.");
 *     metrics_register(&commits);          once, at start
 *     metric_add(&commits, 1);
 */
#ifndef RPC_BASE_METRICS_H
#define RPC_BASE_METRICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "rpc/base/buffer.h"

/* Upper bounds of a histogram's buckets are powers of 2 from 64 µs to about 67 s. */
#define METRIC_BUCKETS 21
#define METRIC_BUCKET_US_MIN 64

enum metric_kind { METRIC_KIND_COUNTER, METRIC_KIND_GAUGE, METRIC_KIND_HISTOGRAM };

struct metric {
    const char *name;
    const char *help;
    const char *labels; /* `method="x",code="OK"` or "": constant text that outlives the process */
    enum metric_kind kind;
    atomic_int_fast64_t value; /* a histogram's sum, in µs */
    atomic_uint_fast64_t buckets[METRIC_BUCKETS + 1];
    struct metric *next; /* of the registry */
    bool registered;
};

#define METRIC_COUNTER(name_, help_)                                            \
    {                                                                           \
        .name = name_, .help = help_, .labels = "", .kind = METRIC_KIND_COUNTER \
    }
#define METRIC_GAUGE(name_, help_)                                            \
    {                                                                         \
        .name = name_, .help = help_, .labels = "", .kind = METRIC_KIND_GAUGE \
    }
#define METRIC_HISTOGRAM(name_, help_)                                            \
    {                                                                             \
        .name = name_, .help = help_, .labels = "", .kind = METRIC_KIND_HISTOGRAM \
    }

/* Adds the metric to what is printed, once however often it is called. The metric must outlive the
 * process's use of metrics_print. Any thread. */
void metrics_register(struct metric *metric);
/* Counts, or moves a gauge. */
void metric_add(struct metric *metric, int64_t delta);
void metric_set(struct metric *metric, int64_t value);
/* Puts a duration into a histogram. */
void metric_observe_us(struct metric *metric, int64_t us);
/* Appends Prometheus' text format 0.0.4; histograms in seconds. */
void metrics_print(struct buffer *out);
/* The same, each sample with the label process="…" behind its own. */
void metrics_print_process(struct buffer *out, const char *process);
/* A random number that is this process's, other than 0. Any thread. */
uint64_t metrics_instance(void);

#endif
