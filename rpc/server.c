/*
 * Servers: who serves what, and the life of a call.
 *
 * A transport begins a call, fills it in and hands it over (dispatch). From then on it belongs to
 * exactly one thread at a time: the transport's, a worker's, or, once its handler has answered
 * RPC_DEFERRED, whoever finishes it. The handler's thread must not look at it after that, so
 * everything that is needed behind a handler lies on the stack. end_call answers and recycles it.
 *
 * `under_way` counts calls from begin to their end; drain and destroy wait on it. The tables below
 * are immutable after create; listeners are the owner's thread's alone.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lotcast/v1/health.pb-c.h"
#include "lotcast/v1/metrics.pb-c.h"
#include "lotcast/v1/reflection.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/internal.h"

#define WORKERS_DEFAULT 16
#define QUEUE_MAX_DEFAULT 1024
#define LISTENERS_MAX 8
/* Push-back, in ms: a full queue has moved on by then; a server that drains has a successor. */
#define QUEUE_RETRY_AFTER_MS 100
#define DRAIN_RETRY_AFTER_MS 1000
/* How long destroy waits for deferred calls that nobody has ended, before it gives the memory up.
 */
#define DESTROY_WAIT_MS 5000
/* Calls kept for reuse, and the memory in use beyond which an arena is not kept with its call. */
#define FREE_CALLS_MAX 128
#define KEPT_ARENA_BYTES_MAX ((size_t)256 * 1024)

/* What every server serves by itself, with the server as `self`. */
static const struct rpc_service own_services[] = {
    {&lotcast__v1__health__descriptor, rpc__health_handlers, NULL},
    {&lotcast__v1__metrics__descriptor, rpc__metrics_handlers, NULL},
    {&lotcast__v1__reflection__descriptor, rpc__reflection_handlers, NULL},
};
#define OWN_SERVICE_COUNT (sizeof own_services / sizeof own_services[0])

struct entry {
    rpc_handler *handler; /* NULL: not served here */
    void *self;
};

struct rpc_server {
    char name[16];
    const struct registry *registry;
    struct entry *entries; /* by registry index */
    size_t entry_count;
    const struct rpc_service *services;
    size_t service_count;
    const struct rpc_server_interceptor *interceptors;
    size_t interceptor_count;
    size_t queue_max;
    struct rpc__pool *workers;
    struct rpc__pool *heavy;
    struct rpc__listener *listeners[LISTENERS_MAX];
    size_t listener_count;
    struct metric *refused_full;
    struct metric *refused_expired;
    struct metric *refused_unknown;

    atomic_bool draining;
    atomic_size_t under_way;
    pthread_mutex_t lock;
    pthread_cond_t idle;                /* under_way has become 0 */
    struct rpc_server_call *free_calls; /* under lock */
    size_t free_count;                  /* under lock */
};

/* --- calls: memory --- */

struct rpc_server_call *rpc__server_call_begin(struct rpc_server *server)
{
    (void)atomic_fetch_add(&server->under_way, 1);
    (void)pthread_mutex_lock(&server->lock);
    struct rpc_server_call *call = server->free_calls;
    if (call != NULL) {
        server->free_calls = call->next;
        server->free_count--;
    }
    (void)pthread_mutex_unlock(&server->lock);
    if (call == NULL) {
        call = calloc(1, sizeof *call);
        if (call == NULL) {
            (void)atomic_fetch_sub(&server->under_way, 1);
            return NULL;
        }
        arena_init(&call->arena, ARENA_CALL_BYTES_MAX);
    }
    call->server = server;
    call->received_us = clock_mono_us();
    call->context.arena = &call->arena;
    call->context.deadline_ms = INT64_MAX;
    call->context.cancelled = &call->cancelled;
    return call;
}

static void free_call(struct rpc_server_call *call)
{
    arena_fini(&call->arena);
    free(call);
}

static void recycle(struct rpc_server_call *call)
{
    struct rpc_server *server = call->server;
    rpc_payload_release(&call->request_bytes);
    if (call->arena.used_bytes > KEPT_ARENA_BYTES_MAX)
        arena_fini(&call->arena);
    else
        arena_reset(&call->arena);
    struct arena arena = call->arena;
    *call = (struct rpc_server_call){.arena = arena};

    (void)pthread_mutex_lock(&server->lock);
    bool keep = server->free_count < FREE_CALLS_MAX;
    if (keep) {
        call->next = server->free_calls;
        server->free_calls = call;
        server->free_count++;
    }
    /* Under the lock, so that whoever waits for the last call cannot free the server under us. */
    if (atomic_fetch_sub(&server->under_way, 1) == 1)
        (void)pthread_cond_broadcast(&server->idle);
    (void)pthread_mutex_unlock(&server->lock);
    if (!keep)
        free_call(call);
}

/* --- calls: the end --- */

/* Decides what is answered. Returns the packed response's size; 0 where there is none. */
static size_t settle(const struct rpc_server_call *call, enum rpc_code code,
                     const struct rpc_status *status, struct rpc_status *ret_final)
{
    if (code != RPC_OK) {
        if (status != NULL && status->code == code)
            *ret_final = *status;
        else
            (void)rpc_status_set(ret_final, code, "%s",
                                 rpc_reason_get(rpc_reason_of_code(code))->message);
        return 0;
    }
    size_t bytes = protobuf_c_message_get_packed_size(call->response);
    if (bytes > RPC_MESSAGE_BYTES_MAX) {
        (void)rpc_status_set(ret_final, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
        return 0;
    }
    rpc_status_clear(ret_final);
    return bytes;
}

static void end_call(struct rpc_server_call *call, enum rpc_code code,
                     const struct rpc_status *status)
{
    assert(code != RPC_DEFERRED);
    bool twice = atomic_exchange(&call->finished, true);
    assert(!twice);
    (void)twice;
    struct rpc_status final;
    size_t bytes = settle(call, code, status, &final);
    const struct rpc_server *server = call->server;
    for (size_t i = call->interceptors_run; i-- > 0;) {
        const struct rpc_server_interceptor *interceptor = &server->interceptors[i];
        if (interceptor->after != NULL)
            interceptor->after(interceptor->self, call, &final);
    }
    call->reply->answer(call, &final, final.code == RPC_OK ? call->response : NULL, bytes);
    recycle(call);
}

void rpc_server_call_finish(struct rpc_server_call *call, enum rpc_code code,
                            const struct rpc_status *status)
{
    end_call(call, code, status);
}

void rpc__server_call_refuse(struct rpc_server_call *call, const struct rpc_status *status)
{
    end_call(call, status->code, status);
}

void rpc__server_call_drop(struct rpc_server_call *call)
{
    recycle(call);
}

static void push_back(struct rpc_server_call *call, enum rpc_code code, uint32_t retry_after_ms)
{
    struct rpc_status status;
    (void)rpc_status_set(&status, code, "%s",
                         rpc_reason_get(LOTCAST__V1__REASON__REASON_UNAVAILABLE)->message);
    status.retry_after_ms = retry_after_ms;
    end_call(call, code, &status);
}

static void count(struct metric *metric)
{
    if (metric != NULL)
        metric_add(metric, 1);
}

/* --- calls: running --- */

static enum rpc_code run_interceptors(struct rpc_server_call *call, struct rpc_status *status)
{
    const struct rpc_server *server = call->server;
    for (size_t i = 0; i < server->interceptor_count; i++) {
        const struct rpc_server_interceptor *interceptor = &server->interceptors[i];
        enum rpc_code code = interceptor->before == NULL
                                 ? RPC_OK
                                 : interceptor->before(interceptor->self, call, status);
        if (code != RPC_OK)
            return code;
        call->interceptors_run = i + 1;
    }
    return RPC_OK;
}

/* Unpacks the request and makes the empty response. */
static enum rpc_code prepare(struct rpc_server_call *call, ProtobufCMessage **ret_request,
                             struct rpc_status *status)
{
    enum rpc_code code = rpc_message_unpack(call->method->input->descriptor, call->packed,
                                            &call->arena, ret_request, status);
    if (code != RPC_OK)
        return code;
    const ProtobufCMessageDescriptor *output = call->method->output->descriptor;
    call->response = arena_alloc(&call->arena, output->sizeof_message);
    if (call->response == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    protobuf_c_message_init(output, call->response);
    return RPC_OK;
}

static void run_handler(struct rpc_server_call *call, bool with_interceptors)
{
    struct rpc_status status;
    rpc_status_clear(&status);
    ProtobufCMessage *request = NULL;
    enum rpc_code code = with_interceptors ? run_interceptors(call, &status) : RPC_OK;
    if (code == RPC_OK)
        code = prepare(call, &request, &status);
    if (code == RPC_OK)
        code = call->handler(call, request, call->response, &status);
    if (code != RPC_DEFERRED) /* a deferred call may be gone by now */
        end_call(call, code, &status);
}

/* A worker's, or an inline caller's. */
static void run_call(struct rpc_server_call *call)
{
    if (atomic_load(call->context.cancelled)) {
        end_call(call, RPC_CANCELLED, NULL);
    } else if (rpc_context_left_ms(&call->context) == 0) {
        count(call->server->refused_expired);
        end_call(call, RPC_DEADLINE_EXCEEDED, NULL);
    } else {
        run_handler(call, true);
    }
}

static void set_deadline(struct rpc_server_call *call)
{
    uint32_t limit_ms = call->method->deadline_ms;
    if (call->timeout_ms != 0 && call->timeout_ms < limit_ms)
        limit_ms = call->timeout_ms;
    call->context.deadline_ms = clock_mono_ms() + limit_ms;
}

static void enqueue(struct rpc_server_call *call)
{
    struct rpc_server *server = call->server;
    bool heavy = call->method->rules->execution == LOTCAST__V1__EXECUTION__EXECUTION_HEAVY;
    if (rpc__pool_submit(heavy ? server->heavy : server->workers, call))
        return;
    count(server->refused_full);
    push_back(call, RPC_RESOURCE_EXHAUSTED, QUEUE_RETRY_AFTER_MS);
}

/* Only what never waits. A call for a customer whom somebody else names is audited, which writes.
 */
static bool runs_inline(const struct rpc_server_call *call)
{
    return call->method->rules->execution == LOTCAST__V1__EXECUTION__EXECUTION_INLINE &&
           rpc_metadata_get(&call->metadata, RPC_METADATA_CUSTOMER_ID) == NULL;
}

void rpc__server_call_dispatch(struct rpc_server_call *call, const struct registry_method *method,
                               bool may_inline)
{
    struct rpc_server *server = call->server;
    const struct entry *entry = method == NULL ? NULL : &server->entries[method->index];
    if (entry == NULL || entry->handler == NULL) {
        count(server->refused_unknown);
        end_call(call, RPC_UNIMPLEMENTED, NULL);
        return;
    }
    call->method = method;
    call->handler = entry->handler;
    call->self = entry->self;
    set_deadline(call);
    if (entry->self == server) /* never behind work, whatever the state */
        run_handler(call, false);
    else if (atomic_load(&server->draining))
        push_back(call, RPC_UNAVAILABLE, DRAIN_RETRY_AFTER_MS);
    else if (may_inline && runs_inline(call))
        run_call(call);
    else
        enqueue(call);
}

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

size_t rpc__server_queue_max(const struct rpc_server *server)
{
    return server->queue_max;
}

size_t rpc__server_under_way(const struct rpc_server *server)
{
    return atomic_load(&server->under_way);
}

struct rpc_context *rpc_server_call_context(struct rpc_server_call *call)
{
    return &call->context;
}

const struct registry_method *rpc_server_call_method(const struct rpc_server_call *call)
{
    return call->method;
}

const char *rpc_server_call_metadata(const struct rpc_server_call *call, const char *key)
{
    return rpc_metadata_get(&call->metadata, key);
}

const struct rpc_metadata *rpc_server_call_all_metadata(const struct rpc_server_call *call)
{
    return &call->metadata;
}

enum rpc_trust rpc_server_call_trust(const struct rpc_server_call *call)
{
    return call->trust;
}

struct rpc_principal *rpc_server_call_principal(struct rpc_server_call *call)
{
    return &call->principal;
}

void *rpc_server_call_self(const struct rpc_server_call *call)
{
    return call->self;
}

int64_t rpc_server_call_elapsed_us(const struct rpc_server_call *call)
{
    return clock_mono_us() - call->received_us;
}

/* --- making and ending a server --- */

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
        server->entries[i] = (struct entry){handlers[method->method_index], self};
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
                                    unsigned threads)
{
    char labels[64];
    char thread_name[24];
    (void)snprintf(labels, sizeof labels, "server=\"%s\",pool=\"%s\"", server->name, pool);
    (void)snprintf(thread_name, sizeof thread_name, "%.5s-%c", server->name, pool[0]);
    struct metric *depth = rpc__metric_get(METRIC_KIND_GAUGE, "lotcast_rpc_queue_depth",
                                           "Calls that wait for a worker.", labels);
    return rpc__pool_create(thread_name, threads, server->queue_max, depth, run_call);
}

static bool start_workers(struct rpc_server *server, const struct rpc_server_options *options)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned heavy = cores < 1 ? 1 : (unsigned)cores;
    if (options->heavy_workers != 0)
        heavy = options->heavy_workers;
    server->refused_full = refused_metric(server, "queue_full");
    server->refused_expired = refused_metric(server, "expired");
    server->refused_unknown = refused_metric(server, "unknown_method");
    server->workers =
        start_pool(server, "workers", options->workers == 0 ? WORKERS_DEFAULT : options->workers);
    server->heavy = start_pool(server, "heavy", heavy);
    return server->workers != NULL && server->heavy != NULL;
}

static void init_idle(struct rpc_server *server)
{
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&server->idle, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

enum rpc_code rpc_server_create(const struct rpc_server_options *options,
                                struct rpc_server **ret_server, struct rpc_status *status)
{
    struct rpc_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    init_idle(server);
    (void)snprintf(server->name, sizeof server->name, "%s",
                   options->name == NULL ? "server" : options->name);
    server->registry = options->registry;
    server->services = options->services;
    server->service_count = options->service_count;
    server->interceptors = options->interceptors;
    server->interceptor_count = options->interceptor_count;
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
    if (server->listener_count == LISTENERS_MAX)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "too many listening addresses");
    struct rpc__listener *listener;
    enum rpc_code code = rpc__listener_open(server, url, trust, &listener, status);
    if (code == RPC_OK)
        server->listeners[server->listener_count++] = listener;
    return code;
}

/* Whether no call is under way, waiting for that at most so long. */
static bool wait_idle(struct rpc_server *server, int64_t timeout_ms)
{
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    struct timespec until = {until_ms / 1000, (until_ms % 1000) * 1000000};
    int rc = 0;
    (void)pthread_mutex_lock(&server->lock);
    while (atomic_load(&server->under_way) > 0 && rc == 0)
        rc = pthread_cond_timedwait(&server->idle, &server->lock, &until);
    bool idle = atomic_load(&server->under_way) == 0;
    (void)pthread_mutex_unlock(&server->lock);
    return idle;
}

void rpc_server_drain(struct rpc_server *server, int64_t timeout_ms)
{
    atomic_store(&server->draining, true);
    (void)wait_idle(server, timeout_ms < 0 ? 0 : timeout_ms);
}

static void stop_pool(struct rpc__pool *pool)
{
    if (pool == NULL)
        return;
    struct rpc_server_call *call = rpc__pool_stop(pool);
    while (call != NULL) {
        struct rpc_server_call *next = call->next;
        push_back(call, RPC_UNAVAILABLE, DRAIN_RETRY_AFTER_MS);
        call = next;
    }
}

void rpc_server_destroy(struct rpc_server *server)
{
    if (server == NULL)
        return;
    atomic_store(&server->draining, true);
    stop_pool(server->workers);
    stop_pool(server->heavy);
    bool over = wait_idle(server, DESTROY_WAIT_MS);
    for (size_t i = 0; i < server->listener_count; i++)
        over = rpc__listener_close(server->listeners[i]) && over;
    /* A deferred call that nobody has ended may come back: rather keep the memory it comes back to.
     */
    if (!over || !wait_idle(server, DESTROY_WAIT_MS))
        return;
    rpc__pool_destroy(server->workers);
    rpc__pool_destroy(server->heavy);
    while (server->free_calls != NULL) {
        struct rpc_server_call *call = server->free_calls;
        server->free_calls = call->next;
        free_call(call);
    }
    (void)pthread_cond_destroy(&server->idle);
    (void)pthread_mutex_destroy(&server->lock);
    free(server->entries);
    free(server);
}
