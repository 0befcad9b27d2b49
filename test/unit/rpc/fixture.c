#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/health.pb-c.h"
#include "rpc/base/clock.h"
#include "test/support/reasons.h"
#include "test/unit/rpc/fixture.h"

/* More than a service has methods. */
#define HANDLERS_MAX 64

struct registry *fixture_registry(void)
{
    static struct registry *registry;
    if (registry == NULL) {
        struct registry_sources sources = registry_sources_get();
        struct rpc_status status;
        if (registry_create(&sources, &registry, &status) != RPC_OK)
            fail_msg("%s", status.message);
    }
    return registry;
}

const struct registry_method *fixture_method(const char *name)
{
    const struct registry_method *method =
        registry_method_find(fixture_registry(), span_of_string(name));
    assert_non_null(method);
    return method;
}

/* --- handlers --- */

void fixture_wait_at_gate(struct fixture *fixture)
{
    (void)pthread_mutex_lock(&fixture->lock);
    fixture->waiting++;
    (void)pthread_cond_broadcast(&fixture->changed);
    while (!fixture->gate_open)
        (void)pthread_cond_wait(&fixture->changed, &fixture->lock);
    fixture->waiting--;
    (void)pthread_cond_broadcast(&fixture->changed);
    (void)pthread_mutex_unlock(&fixture->lock);
}

static void *add_row(struct rpc_server_call *call, Lotcast__V1__QueryResponse *response, size_t len)
{
    struct arena *arena = rpc_server_call_arena(call);
    Lotcast__V1__Row *row = arena_alloc(arena, sizeof *row);
    response->rows = arena_alloc(arena, sizeof *response->rows);
    uint8_t *bytes = arena_calloc(arena, len + 1, 1);
    if (row == NULL || response->rows == NULL || bytes == NULL)
        abort();
    lotcast__v1__row__init(row);
    row->value.data = bytes;
    row->value.len = len;
    response->rows[0] = row;
    response->n_rows = 1;
    return bytes;
}

struct deferred {
    struct fixture *fixture;
    struct rpc_server_call *call;
};

static void *finish_later(void *arg)
{
    struct deferred *deferred = arg;
    fixture_wait_at_gate(deferred->fixture);
    rpc_server_call_finish(deferred->call, RPC_OK, NULL);
    free(deferred);
    return NULL;
}

static enum rpc_code defer(struct fixture *fixture, struct rpc_server_call *call)
{
    struct deferred *deferred = malloc(sizeof *deferred);
    pthread_t thread;
    if (deferred == NULL)
        abort();
    *deferred = (struct deferred){fixture, call};
    if (pthread_create(&thread, NULL, finish_later, deferred) != 0)
        abort();
    (void)pthread_detach(thread);
    return RPC_DEFERRED;
}

static enum rpc_code fail_fully(struct rpc_status *status)
{
    (void)rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_EMAIL_TAKEN, "email",
                                  "Taken: %s", "x");
    status->position = 0;
    status->retry_after_ms = 7;
    (void)memcpy(status->campaign_id, "c-1", 4);
    return status->code;
}

static void wait_stopped(struct fixture *fixture, struct rpc_server_call *call)
{
    while (!rpc_context_stopped(rpc_server_call_context(call)))
        (void)usleep(1000);
    (void)atomic_fetch_add(&fixture->stopped, 1);
}

static enum rpc_code query(struct rpc_server_call *call, const void *request, void *response,
                           struct rpc_status *status)
{
    struct fixture *fixture = rpc_server_call_self(call);
    const Lotcast__V1__QueryRequest *asked = request;
    Lotcast__V1__QueryResponse *answer = response;
    ProtobufCBinaryData argument = asked->range->cursor;
    (void)atomic_fetch_add(&fixture->ran, 1);
    switch ((enum fixture_action)asked->offset) {
    case ACTION_FAIL:
        return fail_fully(status);
    case ACTION_DEFER:
        return defer(fixture, call);
    case ACTION_WAIT:
        fixture_wait_at_gate(fixture);
        break;
    case ACTION_BIG:
        (void)add_row(call, answer, asked->range->limit);
        return RPC_OK;
    case ACTION_LEFT:
        answer->total = rpc_context_left_ms(rpc_server_call_context(call));
        return RPC_OK;
    case ACTION_METADATA: {
        char key[64] = {0};
        memcpy(key, argument.data, argument.len < 63 ? argument.len : 63);
        const char *value = rpc_server_call_metadata(call, key);
        if (value != NULL)
            memcpy(add_row(call, answer, strlen(value)), value, strlen(value));
        return RPC_OK;
    }
    case ACTION_STOPPED:
        wait_stopped(fixture, call);
        break;
    case ACTION_THREAD:
        answer->total = gettid();
        return RPC_OK;
    case ACTION_PRINCIPAL:
        answer->total = (int64_t)strlen(rpc_server_call_context(call)->request_id);
        return RPC_OK;
    case ACTION_ECHO:
        break;
    }
    if (argument.len > 0)
        memcpy(add_row(call, answer, argument.len), argument.data, argument.len);
    return RPC_OK;
}

static void end_batch(void *shared)
{
    struct fixture *fixture = shared;
    (void)atomic_fetch_add(&fixture->batches, 1);
}

static enum rpc_code read_inline(struct rpc_server_call *call, const void *request, void *response,
                                 struct rpc_status *status)
{
    (void)status;
    const Lotcast__V1__ReadRequest *asked = request;
    Lotcast__V1__ReadResponse *answer = response;
    struct arena *arena = rpc_server_call_arena(call);
    Lotcast__V1__ReadResult *result = arena_alloc(arena, sizeof *result);
    answer->results = arena_alloc(arena, sizeof *answer->results);
    if (result == NULL || answer->results == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    struct rpc_batch *batch = rpc_server_call_batch(call);
    if (batch != NULL)
        *batch = (struct rpc_batch){rpc_server_call_self(call), end_batch};
    lotcast__v1__read_result__init(result);
    result->count = asked->n_ops == 0 ? gettid() : (int64_t)asked->n_ops;
    answer->results[0] = result;
    answer->n_results = 1;
    return RPC_OK;
}

static enum rpc_code commit(struct rpc_server_call *call, const void *request, void *response,
                            struct rpc_status *status)
{
    (void)call;
    (void)request;
    (void)response;
    return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_CONFLICT, "ops[0]");
}

static enum rpc_code heavy(struct rpc_server_call *call, const void *request, void *response,
                           struct rpc_status *status)
{
    (void)request;
    (void)response;
    (void)status;
    fixture_wait_at_gate(rpc_server_call_self(call));
    return RPC_OK;
}

/* By the names of the service's methods; what is not named is Query, and is not called here. */
static rpc_handler *store_handlers[HANDLERS_MAX];
static rpc_handler *auth_handlers[HANDLERS_MAX];

static void fill_in_handlers(void)
{
    const ProtobufCServiceDescriptor *store = &lotcast__v1__store__descriptor;
    assert_in_range(store->n_methods, 1, HANDLERS_MAX);
    for (unsigned i = 0; i < store->n_methods; i++) {
        const char *name = store->methods[i].name;
        store_handlers[i] = strcmp(name, "Read") == 0     ? read_inline
                            : strcmp(name, "Commit") == 0 ? commit
                                                          : query;
    }
    for (size_t i = 0; i < HANDLERS_MAX; i++)
        auth_handlers[i] = heavy;
}

/* --- the server --- */

void fixture_init(struct fixture *fixture)
{
    *fixture = (struct fixture){.registry = fixture_registry()};
    fill_in_handlers();
    (void)pthread_mutex_init(&fixture->lock, NULL);
    (void)pthread_cond_init(&fixture->changed, NULL);
    fixture->services[0] =
        (struct rpc_service){&lotcast__v1__store__descriptor, store_handlers, fixture};
    fixture->services[1] =
        (struct rpc_service){&lotcast__v1__auth__descriptor, auth_handlers, fixture};
}

void fixture_start(struct fixture *fixture, struct rpc_server_options options)
{
    options.name = "test";
    options.registry = fixture->registry;
    options.services = fixture->services;
    options.service_count = 2;
    options.interceptors = fixture->interceptors;
    options.interceptor_count = fixture->interceptor_count;
    struct rpc_status status;
    if (rpc_server_create(&options, &fixture->server, &status) != RPC_OK)
        fail_msg("%s", status.message);
}

void fixture_listen(struct fixture *fixture, const char *url)
{
    struct rpc_status status;
    if (rpc_server_listen(fixture->server, url, RPC_TRUST_ROLE, &status) != RPC_OK)
        fail_msg("%s", status.message);
}

void fixture_stop(struct fixture *fixture)
{
    fixture_gate(fixture, true);
    rpc_server_destroy(fixture->server);
    (void)pthread_cond_destroy(&fixture->changed);
    (void)pthread_mutex_destroy(&fixture->lock);
}

void fixture_gate(struct fixture *fixture, bool open)
{
    (void)pthread_mutex_lock(&fixture->lock);
    fixture->gate_open = open;
    (void)pthread_cond_broadcast(&fixture->changed);
    (void)pthread_mutex_unlock(&fixture->lock);
}

void fixture_await_waiting(struct fixture *fixture, unsigned count)
{
    (void)pthread_mutex_lock(&fixture->lock);
    while (fixture->waiting != count)
        (void)pthread_cond_wait(&fixture->changed, &fixture->lock);
    (void)pthread_mutex_unlock(&fixture->lock);
}

/* On a busy machine a connection may take longer than opening waits for it. */
static void await_connection(struct rpc_channel *channel)
{
    struct fixture_context context;
    fixture_context_init(&context, INT64_MAX);
    Lotcast__V1__HealthCheckRequest check = LOTCAST__V1__HEALTH_CHECK_REQUEST__INIT;
    struct rpc_request request = {
        .method = fixture_method(FIXTURE_HEALTH),
        .message = &check.base,
        .context = &context.context,
        .wait_for_ready = true,
    };
    const ProtobufCMessage *response;
    assert_int_equal(rpc_channel_call(channel, &request, &response, NULL), RPC_OK);
    fixture_context_fini(&context);
}

struct rpc_channel *fixture_channel(struct fixture *fixture, const char *url)
{
    struct rpc_channel_options options = {.url = url,
                                          .server = fixture == NULL ? NULL : fixture->server,
                                          .interceptors = reasons_client_recorder(),
                                          .interceptor_count = 1};
    struct rpc_channel *channel = NULL;
    struct rpc_status status;
    if (rpc_channel_open(&options, &channel, &status) != RPC_OK)
        fail_msg("%s", status.message);
    if (fixture != NULL)
        await_connection(channel);
    return channel;
}

/* --- calls --- */

void fixture_context_init(struct fixture_context *context, int64_t timeout_ms)
{
    arena_init(&context->arena, ARENA_CALL_BYTES_MAX);
    context->context = (struct rpc_context){
        .arena = &context->arena,
        .deadline_ms = timeout_ms == INT64_MAX ? INT64_MAX : clock_mono_ms() + timeout_ms,
    };
}

void fixture_context_fini(struct fixture_context *context)
{
    arena_fini(&context->arena);
}

void fixture_query_init(struct fixture_query *query_, enum fixture_action action,
                        const char *argument)
{
    lotcast__v1__query_request__init(&query_->request);
    lotcast__v1__range_op__init(&query_->range);
    query_->request.offset = (uint32_t)action;
    query_->request.range = &query_->range;
    if (argument != NULL) {
        query_->range.cursor.data = (uint8_t *)argument;
        query_->range.cursor.len = strlen(argument);
    }
}

enum rpc_code fixture_call(struct rpc_channel *channel, struct fixture_context *context,
                           enum fixture_action action, const char *argument,
                           const Lotcast__V1__QueryResponse **ret_response,
                           struct rpc_status *status)
{
    struct fixture_query asked;
    fixture_query_init(&asked, action, argument);
    struct rpc_request request = {
        .method = fixture_method(FIXTURE_QUERY),
        .message = &asked.request.base,
        .context = &context->context,
    };
    const ProtobufCMessage *response = NULL;
    enum rpc_code code = rpc_channel_call(channel, &request, &response, status);
    if (code == RPC_OK && ret_response != NULL)
        *ret_response = (const Lotcast__V1__QueryResponse *)response;
    return code;
}

static void async_done(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct fixture_async *async = arg;
    (void)pthread_mutex_lock(&async->lock);
    async->done++;
    async->status = *status;
    async->payload_bytes = payload->bytes.len;
    rpc_payload_release(payload);
    (void)pthread_cond_broadcast(&async->over);
    (void)pthread_mutex_unlock(&async->lock);
}

static void async_begin(struct fixture_async *async, struct rpc_channel *channel,
                        const struct rpc_request *request)
{
    static const struct rpc_call_events events = {.done = async_done};
    *async = (struct fixture_async){0};
    (void)pthread_mutex_init(&async->lock, NULL);
    (void)pthread_cond_init(&async->over, NULL);
    async->call = rpc_channel_start(channel, request, &events, async);
}

void fixture_async_begin(struct fixture_async *async, struct rpc_channel *channel,
                         struct fixture_context *context, const struct registry_method *method,
                         const ProtobufCMessage *message)
{
    const struct rpc_request request = {
        .method = method, .message = message, .context = &context->context};
    async_begin(async, channel, &request);
}

void fixture_async_start(struct fixture_async *async, struct rpc_channel *channel,
                         struct fixture_context *context, enum fixture_action action,
                         bool wait_for_ready)
{
    struct fixture_query asked;
    fixture_query_init(&asked, action, "argument");
    struct rpc_request request = {
        .method = fixture_method(FIXTURE_QUERY),
        .message = &asked.request.base,
        .context = &context->context,
        .wait_for_ready = wait_for_ready,
    };
    async_begin(async, channel, &request);
}

enum rpc_code fixture_async_wait(struct fixture_async *async)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    int rc = 0;
    (void)pthread_mutex_lock(&async->lock);
    while (async->done == 0 && rc == 0)
        rc = pthread_cond_timedwait(&async->over, &async->lock, &until);
    unsigned done = async->done;
    (void)pthread_mutex_unlock(&async->lock);
    rpc_call_unref(async->call);
    assert_int_equal(done, 1);
    return async->status.code;
}
