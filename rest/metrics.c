#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rest/internal.h"

/* Labels of one metric, in bytes with their NUL. */
#define LABEL_BYTES 192

enum status_class { CLASS_2XX, CLASS_3XX, CLASS_4XX, CLASS_5XX, CLASS_COUNT };

static const char *const class_names[CLASS_COUNT] = {"2xx", "3xx", "4xx", "5xx"};

struct rest_route_metrics {
    struct rest_route_metrics *next;
    char labels[LABEL_BYTES];
    char class_labels[CLASS_COUNT][LABEL_BYTES];
    struct metric latency;
    struct metric requests[CLASS_COUNT];
};

struct metric rest_metric_connections =
    METRIC_GAUGE("lotcast_http_connections", "Open HTTP connections.");
struct metric rest_metric_accepted =
    METRIC_COUNTER("lotcast_http_accepted_connections_total", "HTTP connections accepted.");
struct metric rest_metric_in_flight =
    METRIC_GAUGE("lotcast_http_calls_in_flight", "HTTP requests that wait for a call.");
struct metric rest_metric_refused_connections = METRIC_COUNTER(
    "lotcast_http_refused_connections_total", "HTTP connections closed at once, over a limit.");
struct metric rest_metric_refused_requests =
    METRIC_COUNTER("lotcast_http_refused_requests_total", "Requests that are not valid HTTP/1.1.");
struct metric rest_metric_gone_clients = METRIC_COUNTER(
    "lotcast_http_gone_clients_total", "Clients that left before their answer was complete.");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rest_route_metrics *first; /* under lock; never freed: the printer knows them */

static struct rest_route_metrics *make(const char *labels)
{
    struct rest_route_metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL)
        return NULL;
    (void)snprintf(metrics->labels, sizeof metrics->labels, "%s", labels);
    metrics->latency = (struct metric)METRIC_HISTOGRAM("lotcast_http_request_seconds",
                                                       "Time from a request's head to its answer.");
    metrics->latency.labels = metrics->labels;
    metrics_register(&metrics->latency);
    for (size_t i = 0; i < CLASS_COUNT; i++) {
        (void)snprintf(metrics->class_labels[i], LABEL_BYTES, "%.*s,status=\"%s\"",
                       LABEL_BYTES - 16, labels, class_names[i]);
        metrics->requests[i] = (struct metric)METRIC_COUNTER(
            "lotcast_http_requests_total", "HTTP requests by route and class of status.");
        metrics->requests[i].labels = metrics->class_labels[i];
        metrics_register(&metrics->requests[i]);
    }
    return metrics;
}

struct rest_route_metrics *rest_route_metrics_get(const char *verb, const char *template)
{
    char labels[LABEL_BYTES];
    (void)snprintf(labels, sizeof labels, "method=\"%s\",route=\"%s\"", verb, template);
    (void)pthread_mutex_lock(&lock);
    struct rest_route_metrics *metrics = first;
    while (metrics != NULL && strcmp(metrics->labels, labels) != 0)
        metrics = metrics->next;
    if (metrics == NULL) {
        metrics = make(labels);
        if (metrics != NULL) {
            metrics->next = first;
            first = metrics;
        }
    }
    (void)pthread_mutex_unlock(&lock);
    return metrics;
}

void rest_metrics_start(void)
{
    metrics_register(&rest_metric_connections);
    metrics_register(&rest_metric_accepted);
    metrics_register(&rest_metric_in_flight);
    metrics_register(&rest_metric_refused_connections);
    metrics_register(&rest_metric_refused_requests);
    metrics_register(&rest_metric_gone_clients);
    printed_start();
}

void rest_metrics_count(struct rest_route_metrics *metrics, int status, int64_t elapsed_us)
{
    int class = status / 100 - 2;
    if (metrics == NULL || class < 0 || class >= CLASS_COUNT)
        return;
    metric_add(&metrics->requests[class], 1);
    metric_observe_us(&metrics->latency, elapsed_us);
}
