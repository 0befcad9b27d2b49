/*
 * Streams over direct: and over frames: the same tests for both; and that REQ/REP has none. The
 * service is a test's own: it counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lotcast/v1/health.pb-c.h"
#include "numbers.pb-c.h"
#include "rpc/base/clock.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

extern const unsigned char numbers_descriptor_set[];
extern const size_t numbers_descriptor_set_len;

#define LONG_MS 20000
#define COUNT "lotcast.test.Numbers/Count"
#define HEALTH_CHECK "lotcast.v1.Health/Check"
#define WATCH "lotcast.v1.Health/Watch"

struct under_test {
    struct registry *registry;
    unsigned char *set;
    struct rpc_service service;
    struct rpc_server *server;
    char directory[64];
    char url[128];
    struct rpc_channel *channel;
    struct fixture_context context;
    atomic_uint sent;  /* items that the handler has sent */
    atomic_uint ended; /* handlers that have ended */
    atomic_int code;   /* what the last of them ended with */
};

static enum rpc_code count(struct rpc_server_call *call, const void *request, void *response,
                           struct rpc_status *status)
{
    struct under_test *test = rpc_server_call_self(call);
    const Lotcast__Test__CountRequest *asked = request;
    Lotcast__Test__CountItem *item = response;
    enum rpc_code code = RPC_OK;
    item->padding.len = asked->bytes;
    item->padding.data = arena_calloc(rpc_server_call_arena(call), asked->bytes + 1, 1);
    for (uint32_t i = 0; i < asked->count && code == RPC_OK; i++) {
        item->number = i;
        code = rpc_server_call_send(call, item, status);
        if (code == RPC_OK)
            (void)atomic_fetch_add(&test->sent, 1);
    }
    if (code == RPC_OK && asked->code != 0)
        code = rpc_status_set(status, (enum rpc_code)asked->code, "as asked");
    atomic_store(&test->code, (int)code);
    (void)atomic_fetch_add(&test->ended, 1);
    return code;
}

static rpc_handler *const handlers[] = {count};

/* The product's declarations and the test's. */
static void make_registry(struct under_test *test)
{
    struct registry_sources sources = registry_sources_get();
    struct span product = sources.descriptor_set;
    test->set = malloc(product.len + numbers_descriptor_set_len);
    memcpy(test->set, product.data, product.len);
    memcpy(test->set + product.len, numbers_descriptor_set, numbers_descriptor_set_len);
    const ProtobufCServiceDescriptor **services =
        calloc(sources.service_count + 1, sizeof *services);
    memcpy(services, sources.services, sources.service_count * sizeof *services);
    services[sources.service_count] = &lotcast__test__numbers__descriptor;
    sources.descriptor_set = span_of(test->set, product.len + numbers_descriptor_set_len);
    sources.services = services;
    sources.service_count++;
    struct rpc_status status;
    if (registry_create(&sources, &test->registry, &status) != RPC_OK)
        fail_msg("%s", status.message);
    free(services);
}

static const struct registry_method *method(const struct under_test *test, const char *name)
{
    const struct registry_method *found =
        registry_method_find(test->registry, span_of_string(name));
    assert_non_null(found);
    return found;
}

/* On a busy machine a connection may take longer than opening waits for it. */
static void await_connection(struct under_test *test)
{
    Lotcast__V1__HealthCheckRequest check = LOTCAST__V1__HEALTH_CHECK_REQUEST__INIT;
    struct rpc_request request = {.method = method(test, HEALTH_CHECK),
                                  .message = &check.base,
                                  .context = &test->context.context,
                                  .wait_for_ready = true};
    const ProtobufCMessage *response;
    assert_int_equal(rpc_channel_call(test->channel, &request, &response, NULL), RPC_OK);
}

static int set_up(void **state, const char *scheme)
{
    struct under_test *test = calloc(1, sizeof *test);
    struct rpc_status status;
    make_registry(test);
    test->service = (struct rpc_service){&lotcast__test__numbers__descriptor, handlers, test};
    struct rpc_server_options options = {.name = "test",
                                         .registry = test->registry,
                                         .services = &test->service,
                                         .service_count = 1,
                                         .workers = 2,
                                         .runs_inline = true};
    if (rpc_server_create(&options, &test->server, &status) != RPC_OK)
        fail_msg("%s", status.message);
    temp_directory(test->directory);
    (void)snprintf(test->url, sizeof test->url, "%s", scheme);
    if (strcmp(scheme, "direct:") != 0) {
        (void)snprintf(test->url, sizeof test->url, "%s%s/s", scheme, test->directory);
        assert_int_equal(rpc_server_listen(test->server, test->url, RPC_TRUST_ROLE, &status),
                         RPC_OK);
    }
    fixture_context_init(&test->context, LONG_MS);
    struct rpc_channel_options channel = {.url = test->url, .server = test->server};
    assert_int_equal(rpc_channel_open(&channel, &test->channel, &status), RPC_OK);
    await_connection(test);
    *state = test;
    return 0;
}

static int set_up_direct(void **state)
{
    return set_up(state, "direct:");
}

static int set_up_stream(void **state)
{
    return set_up(state, "ipc://");
}

static int set_up_reqrep(void **state)
{
    return set_up(state, "req+ipc://");
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    rpc_channel_close(test->channel);
    rpc_server_destroy(test->server);
    registry_destroy(test->registry);
    fixture_context_fini(&test->context);
    free(test->set);
    free(test);
    return 0;
}

/* No direct: channel may be open to a server that ends. */
static void end_server(struct under_test *test)
{
    rpc_server_destroy(test->server);
    test->server = NULL;
}

static bool has_ended(void *arg)
{
    struct under_test *test = arg;
    return atomic_load(&test->ended) > 0;
}

/* --- reading --- */

static struct rpc_stream *open_count(struct under_test *test, Lotcast__Test__CountRequest asked,
                                     uint32_t window)
{
    struct rpc_request request = {.method = method(test, COUNT),
                                  .message = &asked.base,
                                  .context = &test->context.context,
                                  .stream_items = window};
    struct rpc_stream *stream = NULL;
    assert_int_equal(rpc_stream_open(test->channel, &request, &stream, NULL), RPC_OK);
    return stream;
}

static Lotcast__Test__CountRequest counting(uint32_t items, uint32_t bytes, enum rpc_code code)
{
    Lotcast__Test__CountRequest asked = LOTCAST__TEST__COUNT_REQUEST__INIT;
    asked.count = items;
    asked.bytes = bytes;
    asked.code = (uint32_t)code;
    return asked;
}

/* Reads to the end; returns its code. */
static enum rpc_code read_all(struct rpc_stream *stream, uint32_t want, uint32_t bytes)
{
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    uint32_t next = 0;
    enum rpc_code code;
    for (;;) {
        const ProtobufCMessage *message;
        arena_reset(&arena);
        code = rpc_stream_next(stream, &arena, &message, NULL);
        if (code != RPC_OK || message == NULL)
            break;
        const Lotcast__Test__CountItem *item = (const Lotcast__Test__CountItem *)message;
        assert_int_equal(item->number, next++);
        assert_int_equal(item->padding.len, bytes);
    }
    assert_int_equal(next, want);
    arena_fini(&arena);
    return code;
}

static void test_all_items_in_order(void **state)
{
    struct under_test *test = *state;
    static const struct {
        uint32_t items, bytes, window;
        enum rpc_code code;
    } rows[] = {
        {0, 0, 0, RPC_OK},        {1, 0, 1, RPC_OK},        {2000, 10, 0, RPC_OK},
        {500, 0, 1, RPC_OK},      {20, 1000000, 2, RPC_OK}, {40, 20000, 100, RPC_OK},
        {0, 0, 0, RPC_NOT_FOUND}, {7, 0, 0, RPC_ABORTED},   {33, 10, 3, RPC_DATA_LOSS},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpc_stream *stream =
            open_count(test, counting(rows[i].items, rows[i].bytes, rows[i].code), rows[i].window);
        assert_int_equal(read_all(stream, rows[i].items, rows[i].bytes), rows[i].code);
        assert_int_equal(read_all(stream, 0, 0), rows[i].code); /* still */
        rpc_stream_close(stream);
    }
}

static void test_too_large_an_item(void **state)
{
    struct under_test *test = *state;
    struct rpc_stream *stream = open_count(test, counting(1, RPC_MESSAGE_BYTES_MAX, RPC_OK), 0);
    assert_int_equal(read_all(stream, 0, 0), RPC_RESOURCE_EXHAUSTED);
    rpc_stream_close(stream);
}

static void test_closing_in_the_middle(void **state)
{
    struct under_test *test = *state;
    struct rpc_stream *stream = open_count(test, counting(1000000, 10, RPC_OK), 4);
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    const ProtobufCMessage *message;
    for (int i = 0; i < 10; i++)
        assert_int_equal(rpc_stream_next(stream, &arena, &message, NULL), RPC_OK);
    arena_fini(&arena);
    rpc_stream_close(stream);
    assert_true(wait_until(has_ended, test, LONG_MS));
    assert_int_equal(atomic_load(&test->code), RPC_CANCELLED);
    assert_in_range(atomic_load(&test->sent), 10, 10 + 4);
}

static void test_wrong_kinds_of_call(void **state)
{
    struct under_test *test = *state;
    Lotcast__Test__CountRequest asked = counting(1, 0, RPC_OK);
    struct rpc_request request = {
        .method = method(test, COUNT), .message = &asked.base, .context = &test->context.context};
    const ProtobufCMessage *response;
    assert_int_equal(rpc_channel_call(test->channel, &request, &response, NULL),
                     RPC_INVALID_ARGUMENT);
    Lotcast__V1__HealthCheckRequest check = LOTCAST__V1__HEALTH_CHECK_REQUEST__INIT;
    request.method = method(test, HEALTH_CHECK);
    request.message = &check.base;
    struct rpc_stream *stream = NULL;
    assert_int_equal(rpc_stream_open(test->channel, &request, &stream, NULL), RPC_INVALID_ARGUMENT);
    assert_null(stream);
    rpc_stream_close(NULL);
}

/* --- credit --- */

struct counter {
    atomic_uint items;
    atomic_uint done;
    atomic_bool late; /* an item came behind `done` */
    atomic_int code;
};

static void on_item(void *arg, struct rpc_payload *payload)
{
    struct counter *counter = arg;
    if (atomic_load(&counter->done) > 0)
        atomic_store(&counter->late, true);
    (void)atomic_fetch_add(&counter->items, 1);
    rpc_payload_release(payload);
}

static void on_done(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct counter *counter = arg;
    rpc_payload_release(payload);
    atomic_store(&counter->code, (int)status->code);
    (void)atomic_fetch_add(&counter->done, 1);
}

static const struct rpc_call_events counter_events = {.done = on_done, .item = on_item};

static bool is_done(void *arg)
{
    struct counter *counter = arg;
    return atomic_load(&counter->done) > 0;
}

static atomic_uint wanted;

static bool has_wanted(void *arg)
{
    struct counter *counter = arg;
    return atomic_load(&counter->items) >= atomic_load(&wanted);
}

static void await_items(struct counter *counter, unsigned items)
{
    atomic_store(&wanted, items);
    assert_true(wait_until(has_wanted, counter, LONG_MS));
    assert_int_equal(atomic_load(&counter->items), items);
}

static struct rpc_call *start_count(struct under_test *test, struct counter *counter,
                                    uint32_t items, uint32_t window,
                                    struct fixture_context *context)
{
    Lotcast__Test__CountRequest asked = counting(items, 0, RPC_OK);
    struct rpc_request request = {.method = method(test, COUNT),
                                  .message = &asked.base,
                                  .context = &context->context,
                                  .stream_items = window};
    return rpc_channel_start(test->channel, &request, &counter_events, counter);
}

static void test_no_item_without_credit(void **state)
{
    struct under_test *test = *state;
    struct counter counter = {0};
    struct rpc_call *call = start_count(test, &counter, 100, 4, &test->context);
    await_items(&counter, 4);
    rpc_call_grant(call, 3);
    await_items(&counter, 7);
    rpc_call_grant(call, 0);
    await_connection(test); /* what was on its way has come */
    assert_int_equal(atomic_load(&counter.items), 7);
    assert_in_range(atomic_load(&test->sent), 7, 7);
    rpc_call_grant(call, 1000);
    assert_true(wait_until(is_done, &counter, LONG_MS));
    assert_int_equal(atomic_load(&counter.items), 100);
    assert_int_equal(atomic_load(&counter.code), RPC_OK);
    rpc_call_grant(call, 1); /* over: nothing */
    rpc_call_unref(call);
    rpc_call_grant(NULL, 1);
}

/* A stalled reader holds its own worker, and nobody else's. */
static void test_others_go_on(void **state)
{
    struct under_test *test = *state;
    struct counter counter = {0};
    struct rpc_call *call = start_count(test, &counter, 100, 1, &test->context);
    await_items(&counter, 1);
    for (int i = 0; i < 10; i++) {
        struct rpc_stream *stream = open_count(test, counting(50, 10, RPC_OK), 0);
        assert_int_equal(read_all(stream, 50, 10), RPC_OK);
        rpc_stream_close(stream);
    }
    assert_int_equal(atomic_load(&counter.items), 1);
    rpc_call_cancel(call);
    assert_true(wait_until(is_done, &counter, LONG_MS));
    assert_int_equal(atomic_load(&counter.code), RPC_CANCELLED);
    rpc_call_unref(call);
}

static void test_deadline_ends_a_stalled_stream(void **state)
{
    struct under_test *test = *state;
    struct counter counter = {0};
    struct fixture_context context;
    fixture_context_init(&context, 100);
    struct rpc_call *call = start_count(test, &counter, 100, 2, &context);
    assert_true(wait_until(is_done, &counter, LONG_MS));
    assert_int_equal(atomic_load(&counter.code), RPC_DEADLINE_EXCEEDED);
    assert_true(wait_until(has_ended, test, LONG_MS));
    assert_in_range(atomic_load(&test->sent), 0, 2);
    rpc_call_unref(call);
    fixture_context_fini(&context);
}

/* Cancels at every moment of a stream's life: `done` comes once, and no item behind it. */
static void test_cancel_races(void **state)
{
    struct under_test *test = *state;
    unsigned seed = 11;
    for (int round = 0; round < 300; round++) {
        struct counter counter = {0};
        struct rpc_call *call = start_count(test, &counter, 200, 100, &test->context);
        for (int spin = rand_r(&seed) % 20000; spin > 0; spin--)
            atomic_signal_fence(memory_order_seq_cst);
        rpc_call_grant(call, 10);
        rpc_call_cancel(call);
        assert_true(wait_until(is_done, &counter, LONG_MS));
        rpc_call_unref(call);
        assert_false(atomic_load(&counter.late));
        assert_int_equal(atomic_load(&counter.done), 1);
    }
}

static void test_channel_closed_under_a_stream(void **state)
{
    struct under_test *test = *state;
    struct counter counter = {0};
    struct rpc_call *call = start_count(test, &counter, 100, 2, &test->context);
    await_items(&counter, 2);
    rpc_channel_close(test->channel);
    test->channel = NULL;
    assert_int_equal(atomic_load(&counter.code), RPC_CANCELLED);
    assert_true(wait_until(has_ended, test, LONG_MS));
    rpc_call_unref(call);
}

/* A stalled stream does not keep its server from ending. */
static void test_server_ends_under_a_stream(void **state)
{
    struct under_test *test = *state;
    struct counter counter = {0};
    struct rpc_call *call = start_count(test, &counter, 100, 2, &test->context);
    await_items(&counter, 2);
    int64_t start_ms = clock_mono_ms();
    rpc_server_drain(test->server, 50);
    assert_int_equal(atomic_load(&counter.done), 0);
    rpc_call_grant(call, 2); /* it goes on while it may */
    await_items(&counter, 4);
    end_server(test);
    assert_true(wait_until(is_done, &counter, LONG_MS));
    assert_int_equal(atomic_load(&counter.code), RPC_UNAVAILABLE);
    assert_in_range(clock_mono_ms() - start_ms, 50, LONG_MS / 2);
    rpc_call_unref(call);
}

/* --- Watch --- */

static struct rpc_stream *watch(struct under_test *test, const char *service, uint32_t window)
{
    Lotcast__V1__HealthCheckRequest check = LOTCAST__V1__HEALTH_CHECK_REQUEST__INIT;
    check.service = (char *)service;
    struct rpc_request request = {
        .method = method(test, WATCH), .message = &check.base, .stream_items = window};
    struct rpc_stream *stream = NULL;
    assert_int_equal(rpc_stream_open(test->channel, &request, &stream, NULL), RPC_OK);
    return stream;
}

static Lotcast__V1__ServingStatus next_status(struct under_test *test, struct rpc_stream *stream)
{
    const ProtobufCMessage *item = NULL;
    assert_int_equal(rpc_stream_next(stream, &test->context.arena, &item, NULL), RPC_OK);
    assert_non_null(item);
    return ((const Lotcast__V1__HealthCheckResponse *)item)->status;
}

static void test_watch(void **state)
{
    struct under_test *test = *state;
    static const struct {
        const char *service;
        uint32_t window;
        Lotcast__V1__ServingStatus first;
        bool changes;
    } rows[] = {
        {"", 0, LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING, true},
        {"lotcast.test.Numbers", 1, LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING, true},
        {"lotcast.v1.Health", 2, LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING, true},
        {"lotcast.v1.Store", 0, LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVICE_UNKNOWN, false},
    };
    struct rpc_stream *streams[4];
    for (size_t i = 0; i < 4; i++) {
        streams[i] = watch(test, rows[i].service, rows[i].window);
        assert_int_equal(next_status(test, streams[i]), rows[i].first);
    }
    /* More watchers than workers hold nobody up. */
    struct rpc_stream *counted = open_count(test, counting(10, 0, RPC_OK), 0);
    assert_int_equal(read_all(counted, 10, 0), RPC_OK);
    rpc_stream_close(counted);

    rpc_server_drain(test->server, LONG_MS); /* a watcher does not hold it up either */
    for (size_t i = 0; i < 4; i++) {
        const ProtobufCMessage *item = NULL;
        if (rows[i].changes)
            assert_int_equal(next_status(test, streams[i]),
                             LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_NOT_SERVING);
        assert_int_equal(rpc_stream_next(streams[i], &test->context.arena, &item, NULL),
                         RPC_UNAVAILABLE);
        rpc_stream_close(streams[i]);
    }
}

static void test_watchers_that_leave(void **state)
{
    struct under_test *test = *state;
    for (int i = 0; i < 100; i++) {
        struct rpc_stream *stream = watch(test, "", 1);
        if (i % 2 == 0)
            assert_int_equal(next_status(test, stream),
                             LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING);
        rpc_stream_close(stream);
    }
}

/* --- REQ/REP --- */

static void test_reqrep_has_no_streams(void **state)
{
    struct under_test *test = *state;
    struct rpc_stream *stream = open_count(test, counting(10, 0, RPC_OK), 0);
    assert_int_equal(read_all(stream, 0, 0), RPC_UNIMPLEMENTED);
    rpc_stream_close(stream);
    stream = watch(test, "", 0);
    assert_int_equal(read_all(stream, 0, 0), RPC_UNIMPLEMENTED);
    rpc_stream_close(stream);
    assert_int_equal(atomic_load(&test->ended), 0);
}

#define BOTH(test)                                             \
    {"direct: " #test, test, set_up_direct, tear_down, NULL},  \
    {                                                          \
        "stream: " #test, test, set_up_stream, tear_down, NULL \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_all_items_in_order),
        BOTH(test_too_large_an_item),
        BOTH(test_closing_in_the_middle),
        BOTH(test_wrong_kinds_of_call),
        BOTH(test_no_item_without_credit),
        BOTH(test_others_go_on),
        BOTH(test_deadline_ends_a_stalled_stream),
        BOTH(test_cancel_races),
        BOTH(test_channel_closed_under_a_stream),
        {"stream: test_server_ends_under_a_stream", test_server_ends_under_a_stream, set_up_stream,
         tear_down, NULL},
        BOTH(test_watch),
        BOTH(test_watchers_that_leave),
        {"reqrep has no streams", test_reqrep_has_no_streams, set_up_reqrep, tear_down, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
