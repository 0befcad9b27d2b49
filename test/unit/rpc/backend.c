#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "test/support/process.h"
#include "test/unit/rpc/backend.h"

/* Generous: tests run under sanitizers on busy machines. */
#define READY_MS 15000

static enum backend_answer take_answer(struct backend *backend)
{
    int times = atomic_load(&backend->times);
    while (times > 0)
        if (atomic_compare_exchange_weak(&backend->times, &times, times - 1))
            break;
    return times == 0 ? BACKEND_OK : (enum backend_answer)atomic_load(&backend->answer);
}

struct hanging {
    struct backend *backend;
    struct rpc_server_call *call;
};

static bool is_let_go(void *hanging_)
{
    const struct hanging *hanging = hanging_;
    return !atomic_load(&hanging->backend->hangs) ||
           rpc_context_stopped(rpc_server_call_context(hanging->call));
}

static enum rpc_code hang(struct backend *backend, struct rpc_server_call *call)
{
    struct hanging hanging = {backend, call};
    assert_true(wait_until(is_let_go, &hanging, READY_MS));
    return RPC_OK;
}

static enum rpc_code answer(struct rpc_server_call *call, const void *request, void *response,
                            struct rpc_status *status)
{
    struct backend *backend = rpc_server_call_self(call);
    (void)request;
    (void)response;
    (void)atomic_fetch_add(&backend->ran, 1);
    enum backend_answer told = take_answer(backend);
    if (told != BACKEND_OK && told != BACKEND_HANG)
        (void)atomic_fetch_add(&backend->failed, 1);
    switch (told) {
    case BACKEND_PLAIN_UNAVAILABLE:
        return rpc_status_set(status, RPC_UNAVAILABLE, "going away");
    case BACKEND_UNAVAILABLE:
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_UNAVAILABLE, NULL);
    case BACKEND_INVALID:
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, "x");
    case BACKEND_FULL:
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "full");
    case BACKEND_PUSH_BACK:
        (void)rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "full");
        status->retry_after_ms = 1;
        return RPC_RESOURCE_EXHAUSTED;
    case BACKEND_HANG:
        return hang(backend, call);
    case BACKEND_OK:
        break;
    }
    return RPC_OK;
}

/* More than the service has methods. */
#define HANDLERS_MAX 64
static rpc_handler *handlers[HANDLERS_MAX];

void backend_init(struct backend *backend, const char *directory, const char *name)
{
    *backend = (struct backend){0};
    for (size_t i = 0; i < HANDLERS_MAX; i++)
        handlers[i] = answer;
    backend->service = (struct rpc_service){&lotcast__v1__store__descriptor, handlers, backend};
    (void)snprintf(backend->url, sizeof backend->url, "ipc://%s/%s", directory, name);
    atomic_store(&backend->hangs, true);
}

void backend_start(struct backend *backend, struct rpc_server_options options)
{
    struct rpc_status status;
    options.name = "backend";
    options.registry = fixture_registry();
    options.services = &backend->service;
    options.service_count = 1;
    if (rpc_server_create(&options, &backend->server, &status) != RPC_OK ||
        rpc_server_listen(backend->server, backend->url, RPC_TRUST_ROLE, &status) != RPC_OK)
        fail_msg("%s", status.message);
}

void backend_stop(struct backend *backend)
{
    atomic_store(&backend->hangs, false);
    rpc_server_destroy(backend->server);
    backend->server = NULL;
}

void backend_tell(struct backend *backend, enum backend_answer told, int times)
{
    atomic_store(&backend->answer, (int)told);
    atomic_store(&backend->times, times);
}

struct rpc_channel *backend_channel(struct backend *const backends[], size_t count,
                                    const struct rpc_channel_retry *retry, size_t calls_max)
{
    char urls[1024] = "";
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(urls);
        (void)snprintf(urls + len, sizeof urls - len, "%s%s", i == 0 ? "" : ",", backends[i]->url);
    }
    struct rpc_channel_options options = {.url = urls, .retry = retry, .calls_max = calls_max};
    struct rpc_channel *channel = NULL;
    struct rpc_status status;
    if (rpc_channel_open(&options, &channel, &status) != RPC_OK)
        fail_msg("%s", status.message);
    return channel;
}

struct awaited {
    struct rpc_channel *channel;
    struct backend *const *backends;
    size_t count;
};

static bool all_reached(void *arg)
{
    struct awaited *awaited = arg;
    (void)backend_call(awaited->channel, FIXTURE_QUERY, READY_MS, true, NULL);
    for (size_t i = 0; i < awaited->count; i++)
        if (atomic_load(&awaited->backends[i]->ran) == 0)
            return false;
    return true;
}

void backend_await_ready(struct rpc_channel *channel, struct backend *const backends[],
                         size_t count)
{
    struct awaited awaited = {channel, backends, count};
    for (size_t i = 0; i < count; i++)
        atomic_store(&backends[i]->ran, 0);
    assert_true(wait_until(all_reached, &awaited, READY_MS));
    for (size_t i = 0; i < count; i++)
        atomic_store(&backends[i]->ran, 0);
}

enum rpc_code backend_call(struct rpc_channel *channel, const char *method, int64_t timeout_ms,
                           bool wait_for_ready, struct rpc_status *status)
{
    struct fixture_context context;
    fixture_context_init(&context, timeout_ms);
    struct rpc_request request = {
        .method = fixture_method(method), /* an empty message */
        .context = &context.context,
        .wait_for_ready = wait_for_ready,
    };
    const ProtobufCMessage *response = NULL;
    enum rpc_code code = rpc_channel_call(channel, &request, &response, status);
    fixture_context_fini(&context);
    return code;
}
