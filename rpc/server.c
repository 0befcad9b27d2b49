/*
 * Servers: who serves what, where it listens, how it ends (server_call.c has its calls).
 *
 * `under_way` counts calls from begin to their end; drain and destroy wait on it. The tables below
 * are immutable after create; listeners are the owner's thread's alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lotcast/v1/health.pb-c.h"
#include "lotcast/v1/metrics.pb-c.h"
#include "lotcast/v1/reflection.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/server_internal.h"

#define WORKERS_DEFAULT 16
/* What a heavy call is taken to run for before one has been measured. */
#define HEAVY_RUN_US_FIRST 100000
#define QUEUE_MAX_DEFAULT 1024
/* How long destroy waits for deferred calls that nobody has ended, before it gives the memory up.
 */
#define DESTROY_WAIT_MS 5000
/* How long draining waits for callers to know, in ms; one that is stopped never will. */
#define TOLD_WAIT_MS 1000
#define TOLD_POLL_US 1000

/* What every server serves by itself, with the server as `self`. */
static const struct rpc_service own_services[] = {
    {&lotcast__v1__health__descriptor, rpc__health_handlers, NULL},
    {&lotcast__v1__metrics__descriptor, rpc__metrics_handlers, NULL},
    {&lotcast__v1__reflection__descriptor, rpc__reflection_handlers, NULL},
};
#define OWN_SERVICE_COUNT (sizeof own_services / sizeof own_services[0])

/* --- look-ups --- */

const struct registry_method *rpc__server_method(const struct rpc_server *server,
                                                 const struct registry_method *method)
{
    if (method->index < server->entry_count &&
        registry_method_at(server->registry, method->index) == method)
        return method;
    return rpc__server_method_named(server, method->name);
}

const struct registry_method *rpc__server_method_named(const struct rpc_server *server,
                                                       const char *name)
{
    return registry_method_find(server->registry, span_of_string(name));
}

bool rpc__server_draining(const struct rpc_server *server)
{
    return atomic_load(&server->draining);
}

bool rpc__server_serves(const struct rpc_server *server, const char *service_name)
{
    for (size_t i = 0; i < rpc__server_service_count(server); i++)
        if (strcmp(service_name, rpc__server_service_at(server, i)->name) == 0)
            return true;
    return false;
}

size_t rpc__server_service_count(const struct rpc_server *server)
{
    return OWN_SERVICE_COUNT + server->service_count;
}

const ProtobufCServiceDescriptor *rpc__server_service_at(const struct rpc_server *server,
                                                         size_t index)
{
    return index < OWN_SERVICE_COUNT ? own_services[index].descriptor
                                     : server->services[index - OWN_SERVICE_COUNT].descriptor;
}

const struct registry *rpc__server_registry(const struct rpc_server *server)
{
    return server->registry;
}

const struct rpc_tls *rpc__server_tls(const struct rpc_server *server)
{
    return server->tls;
}

size_t rpc__server_queue_max(const struct rpc_server *server)
{
    return server->queue_max;
}

size_t rpc__server_under_way(const struct rpc_server *server)
{
    return atomic_load(&server->under_way);
}

/* --- making and ending a server --- */

static void count_limited(const struct rpc_server *server, const struct registry_method *method,
                          struct rpc__entry *entry)
{
    char labels[160];
    if (method->rules->max_in_flight == 0)
        return;
    (void)snprintf(labels, sizeof labels, "server=\"%s\",method=\"%s\"", server->name,
                   method->name);
    entry->in_flight_now =
        rpc__metric_get(METRIC_KIND_GAUGE, "lotcast_rpc_limited_in_flight",
                        "Calls under way that count for their method's max_in_flight.", labels);
    entry->refused = rpc__metric_get(METRIC_KIND_COUNTER, "lotcast_rpc_limited_refused_total",
                                     "Calls refused since their method had max_in_flight.", labels);
}

static enum rpc_code serve(struct rpc_server *server, const ProtobufCServiceDescriptor *descriptor,
                           rpc_handler *const *handlers, void *self, struct rpc_status *status)
{
    size_t found = 0;
    for (size_t i = 0; i < server->entry_count; i++) {
        const struct registry_method *method = registry_method_at(server->registry, i);
        if (method->service != descriptor)
            continue;
        if (handlers == NULL || handlers[method->method_index] == NULL)
            return rpc_status_set(status, RPC_FAILED_PRECONDITION, "%s has no handler",
                                  method->name);
        server->entries[i] =
            (struct rpc__entry){.handler = handlers[method->method_index], .self = self};
        count_limited(server, method, &server->entries[i]);
        found++;
    }
    if (found != descriptor->n_methods)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "the registry does not know %s",
                              descriptor->name);
    return RPC_OK;
}

static enum rpc_code serve_all(struct rpc_server *server, struct rpc_status *status)
{
    for (size_t i = 0; i < server->service_count; i++) {
        const struct rpc_service *service = &server->services[i];
        enum rpc_code code =
            serve(server, service->descriptor, service->handlers, service->self, status);
        if (code != RPC_OK)
            return code;
    }
    enum rpc_code code = RPC_OK;
    for (size_t i = 0; code == RPC_OK && i < OWN_SERVICE_COUNT; i++)
        code = serve(server, own_services[i].descriptor, own_services[i].handlers, server, status);
    return code;
}

static struct metric *refused_metric(const struct rpc_server *server, const char *why)
{
    char labels[64];
    (void)snprintf(labels, sizeof labels, "server=\"%s\",why=\"%s\"", server->name, why);
    return rpc__metric_get(METRIC_KIND_COUNTER, "lotcast_rpc_refused_total",
                           "Calls that were answered without running.", labels);
}

static struct rpc__pool *start_pool(const struct rpc_server *server, const char *pool,
                                    unsigned threads, int64_t run_us)
{
    char labels[64];
    char thread_name[24];
    (void)snprintf(labels, sizeof labels, "server=\"%s\",pool=\"%s\"", server->name, pool);
    (void)snprintf(thread_name, sizeof thread_name, "%.5s-%c", server->name, pool[0]);
    struct metric *depth = rpc__metric_get(METRIC_KIND_GAUGE, "lotcast_rpc_queue_depth",
                                           "Calls that wait for a worker.", labels);
    return rpc__pool_create(thread_name, threads, server->queue_max, run_us, depth,
                            rpc__server_call_run);
}

static bool start_workers(struct rpc_server *server, const struct rpc_server_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned heavy = cores < 1 ? 1 : (unsigned)cores;
    if (options->heavy_workers != 0)
        heavy = options->heavy_workers;
    server->refused_full = refused_metric(server, "queue_full");
    server->refused_method_full = refused_metric(server, "method_full");
    server->refused_expired = refused_metric(server, "expired");
    server->refused_cancelled = refused_metric(server, "cancelled");
    server->refused_unknown = refused_metric(server, "unknown_method");
    server->workers = start_pool(server, "workers",
                                 options->workers == 0 ? WORKERS_DEFAULT : options->workers, 0);
    server->heavy = start_pool(server, "heavy", heavy, HEAVY_RUN_US_FIRST);
    return server->workers != NULL && server->heavy != NULL;
}

enum rpc_code rpc_server_create(const struct rpc_server_options *options,
                                struct rpc_server **ret_server, struct rpc_status *status)
{
    struct rpc_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    (void)pthread_mutex_init(&server->lock, NULL);
    pthread_mutexattr_t recursive;
    (void)pthread_mutexattr_init(&recursive);
    (void)pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    (void)pthread_mutex_init(&server->watch_lock, &recursive);
    (void)pthread_mutexattr_destroy(&recursive);
    rpc__cond_init(&server->idle);
    server->runs_inline = options->runs_inline;
    server->tls = options->tls;
    (void)snprintf(server->name, sizeof server->name, "%s",
                   options->name == NULL ? "server" : options->name);
    server->registry = options->registry;
    server->services = options->services;
    server->service_count = options->service_count;
    server->interceptors = options->interceptors;
    server->interceptor_count = options->interceptor_count;
    server->early = options->early;
    server->queue_max = options->queue_max == 0 ? QUEUE_MAX_DEFAULT : options->queue_max;
    server->entry_count = registry_method_count(options->registry);
    server->entries = calloc(server->entry_count + 1, sizeof *server->entries);
    enum rpc_code code = RPC_OK;
    if (server->entries == NULL)
        code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    if (code == RPC_OK)
        code = serve_all(server, status);
    if (code == RPC_OK && !start_workers(server, options))
        code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "cannot start the workers");
    if (code != RPC_OK) {
        rpc_server_destroy(server);
        return code;
    }
    *ret_server = server;
    return RPC_OK;
}

enum rpc_code rpc_server_listen(struct rpc_server *server, const char *url, enum rpc_trust trust,
                                struct rpc_status *status)
{
    if (server->listener_count == RPC__LISTENERS_MAX)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "too many listening addresses");
    struct rpc__listener *listener;
    enum rpc_code code = strncmp(url, "req+", 4) == 0
                             ? rpc__reqrep_listen(server, url, trust, &listener, status)
                             : rpc__stream_listen(server, url, trust, &listener, status);
    if (code == RPC_OK)
        server->listeners[server->listener_count++] = listener;
    return code;
}

/* Whether no call is under way, waiting for that at most so long. */
static bool wait_idle(struct rpc_server *server, int64_t timeout_ms)
{
    struct timespec until = rpc__timespec_of_ms(clock_mono_ms() + timeout_ms);
    int rc = 0;
    (void)pthread_mutex_lock(&server->lock);
    while (atomic_load(&server->under_way) > 0 && rc == 0)
        rc = pthread_cond_timedwait(&server->idle, &server->lock, &until);
    bool idle = atomic_load(&server->under_way) == 0;
    (void)pthread_mutex_unlock(&server->lock);
    return idle;
}

static bool all_drained(struct rpc_server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        struct rpc__listener *listener = server->listeners[i];
        if (listener->ops->drained != NULL && !listener->ops->drained(listener))
            return false;
    }
    return true;
}

/* Callers that can be told are told, once. */
static void begin_drain(struct rpc_server *server)
{
    if (atomic_exchange(&server->draining, true))
        return;
    rpc__health_drain(server);
    for (size_t i = 0; i < server->listener_count; i++) {
        struct rpc__listener *listener = server->listeners[i];
        if (listener->ops->drain != NULL)
            listener->ops->drain(listener);
    }
}

void rpc_server_drain(struct rpc_server *server, int64_t timeout_ms)
{
    int64_t until_ms = clock_mono_ms() + (timeout_ms < 0 ? 0 : timeout_ms);
    begin_drain(server);
    /* What is on its way to us is still taken, so that no call is lost. */
    int64_t told_ms = clock_mono_ms() + TOLD_WAIT_MS;
    while (!all_drained(server) && clock_mono_ms() < until_ms && clock_mono_ms() < told_ms)
        (void)usleep(TOLD_POLL_US);
    int64_t left_ms = until_ms - clock_mono_ms();
    (void)wait_idle(server, left_ms < 0 ? 0 : left_ms);
}

static void stop_pool(struct rpc__pool *pool)
{
    if (pool == NULL)
        return;
    struct rpc_server_call *call = rpc__pool_stop(pool);
    while (call != NULL) {
        struct rpc_server_call *next = call->next;
        rpc__server_call_push_back(call, RPC_UNAVAILABLE, RPC__DRAIN_RETRY_AFTER_MS);
        call = next;
    }
}

void rpc_server_destroy(struct rpc_server *server)
{
    if (server == NULL)
        return;
    begin_drain(server);
    rpc__server_stop_streams(server);
    stop_pool(server->workers);
    stop_pool(server->heavy);
    bool over = wait_idle(server, DESTROY_WAIT_MS);
    for (size_t i = 0; i < server->listener_count; i++)
        over = server->listeners[i]->ops->close(server->listeners[i]) && over;
    /* A deferred call that nobody has ended may come back: rather keep the memory it comes back to.
     */
    if (!over || !wait_idle(server, DESTROY_WAIT_MS))
        return;
    rpc__pool_destroy(server->workers);
    rpc__pool_destroy(server->heavy);
    while (server->free_calls != NULL) {
        struct rpc_server_call *call = server->free_calls;
        server->free_calls = call->next;
        rpc__server_call_free(call);
    }
    (void)pthread_cond_destroy(&server->idle);
    (void)pthread_mutex_destroy(&server->lock);
    (void)pthread_mutex_destroy(&server->watch_lock);
    free(server->entries);
    free(server);
}
