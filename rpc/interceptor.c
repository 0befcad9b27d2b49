/*
 * The trace interceptors. Each keeps, by registry index, where a method's series are; the series
 * themselves belong to the process (metric_table.c). What is made here lives as long as the
 * process.
 */
#include "rpc/interceptor.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpc/base/ascii.h"
#include "rpc/base/log.h"
#include "rpc/internal.h"

/* Longest labels text, in bytes with its NUL. */
#define LABELS_BYTES 192
/* Random bytes of a request id that we make. */
#define REQUEST_ID_RANDOM_BYTES 12

struct series_names {
    const char *calls;
    const char *calls_help;
    const char *latency;
    const char *latency_help;
};

struct method_series {
    _Atomic(struct metric *) calls[RPC_CODE_COUNT];
    _Atomic(struct metric *) latency;
};

struct trace {
    const struct series_names *names;
    struct trace *next; /* of all there are */
    size_t method_count;
    struct method_series methods[];
};

static const struct series_names server_names = {
    "lotcast_rpc_server_calls_total",
    "Calls served.",
    "lotcast_rpc_server_latency_seconds",
    "Time from receipt to answer.",
};

static const struct series_names client_names = {
    "lotcast_rpc_client_calls_total",
    "Calls made.",
    "lotcast_rpc_client_latency_seconds",
    "Time from start to end.",
};

/* Keeps traces reachable; they are never freed, since an interceptor has no end. */
static _Atomic(struct trace *) traces;

static struct trace *trace_create(const struct registry *registry, const struct series_names *names)
{
    size_t count = registry_method_count(registry);
    struct trace *trace = calloc(1, sizeof *trace + count * sizeof trace->methods[0]);
    if (trace == NULL)
        return NULL; /* then nothing is counted, but ids and logs work */
    trace->names = names;
    trace->method_count = count;
    trace->next = atomic_load(&traces);
    while (!atomic_compare_exchange_weak(&traces, &trace->next, trace))
        continue;
    return trace;
}

static void observe(struct trace *trace, const struct registry_method *method, enum rpc_code code,
                    int64_t elapsed_us)
{
    if (trace == NULL || method->index >= trace->method_count || (size_t)code >= RPC_CODE_COUNT)
        return;
    struct method_series *series = &trace->methods[method->index];
    char labels[LABELS_BYTES];
    struct metric *calls = atomic_load(&series->calls[code]);
    if (calls == NULL) {
        (void)snprintf(labels, sizeof labels, "method=\"%s\",code=\"%s\"", method->name,
                       rpc_code_name(code));
        calls = rpc__metric_get(METRIC_KIND_COUNTER, trace->names->calls, trace->names->calls_help,
                                labels);
        atomic_store(&series->calls[code], calls);
    }
    struct metric *latency = atomic_load(&series->latency);
    if (latency == NULL) {
        (void)snprintf(labels, sizeof labels, "method=\"%s\"", method->name);
        latency = rpc__metric_get(METRIC_KIND_HISTOGRAM, trace->names->latency,
                                  trace->names->latency_help, labels);
        atomic_store(&series->latency, latency);
    }
    if (calls != NULL)
        metric_add(calls, 1);
    if (latency != NULL)
        metric_observe_us(latency, elapsed_us);
}

/* --- server --- */

/* Copies a request id; false for what is none. */
static bool take_request_id(const char *text, char ret_id[static RPC_REQUEST_ID_BYTES])
{
    size_t len = text == NULL ? 0 : ascii_run_of_string(text, ASCII_ID);
    if (len == 0 || len >= RPC_REQUEST_ID_BYTES || text[len] != '\0')
        return false;
    memcpy(ret_id, text, len + 1);
    return true;
}

/* W3C: 00-<32 hex>-<16 hex>-<2 hex>, in lower case. */
static bool traceparent_valid(const char *text)
{
    static const size_t digits[] = {2, 32, 16, 2};
    const size_t count = sizeof digits / sizeof digits[0];
    for (size_t i = 0; text != NULL && i < count; i++) {
        if (ascii_run_of_string(text, ASCII_HEX) != digits[i])
            return false;
        text += digits[i];
        if (*text != (i + 1 < count ? '-' : '\0'))
            return false;
        text++;
    }
    return text != NULL;
}

static void make_request_id(char id[static RPC_REQUEST_ID_BYTES])
{
    uint8_t random[REQUEST_ID_RANDOM_BYTES];
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(id, RPC_REQUEST_ID_BYTES, random, sizeof random);
}

static enum rpc_code server_before(void *self, struct rpc_server_call *call,
                                   struct rpc_status *status)
{
    (void)self;
    (void)status;
    struct rpc_context *context = rpc_server_call_context(call);
    const char *id = rpc_server_call_metadata(call, RPC_METADATA_REQUEST_ID);
    if (!take_request_id(id, context->request_id))
        make_request_id(context->request_id);
    const char *parent = rpc_server_call_metadata(call, RPC_METADATA_TRACEPARENT);
    if (traceparent_valid(parent))
        memcpy(context->traceparent, parent, RPC_TRACEPARENT_BYTES);
    return RPC_OK;
}

static void server_after(void *self, struct rpc_server_call *call, const struct rpc_status *status)
{
    const struct registry_method *method = rpc_server_call_method(call);
    int64_t elapsed_us = rpc_server_call_elapsed_us(call);
    observe(self, method, status->code, elapsed_us);
    bool is_quiet = method->rules->quiet && status->code == RPC_OK;
    if (!log_enabled(is_quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO))
        return;
    const struct rpc_context *context = rpc_server_call_context(call);
    struct log_field fields[7] = {
        log_text("method", method->name),
        log_text("code", rpc_code_name(status->code)),
        log_text("request_id", context->request_id),
        log_number("elapsed_us", elapsed_us),
    };
    size_t count = 4;
    if (context->traceparent[0] != '\0')
        fields[count++] = log_text("traceparent", context->traceparent);
    if (status->reason != LOTCAST__V1__REASON__REASON_UNSPECIFIED)
        fields[count++] = log_text("reason", rpc_reason_get(status->reason)->name);
    int64_t customer_id = rpc_server_call_principal(call)->customer_id;
    if (customer_id != 0)
        fields[count++] = log_number("customer_id", customer_id);
    log_write(is_quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "call", fields, count);
}

struct rpc_server_interceptor rpc_interceptor_trace_server(const struct registry *registry)
{
    return (struct rpc_server_interceptor){
        .before = server_before,
        .after = server_after,
        .observes = true,
        .self = trace_create(registry, &server_names),
    };
}

/* --- client --- */

static void client_end(void *self, const struct registry_method *method,
                       const struct rpc_status *status, int64_t elapsed_us)
{
    observe(self, method, status->code, elapsed_us);
}

struct rpc_client_interceptor rpc_interceptor_trace_client(const struct registry *registry)
{
    return (struct rpc_client_interceptor){
        .end = client_end,
        .self = trace_create(registry, &client_names),
    };
}
