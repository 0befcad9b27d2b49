/*
 * Channels against a server in this process, over direct: and every wire: the same tests for
 * all. How calls end early, and what many at once meet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/health.pb-c.h"
#include "rpc/base/clock.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

#define WORKERS 2
#define QUEUE_MAX 4
/* Longer than any call of ours takes, even under a sanitizer. */
#define LONG_MS 20000
#define SHORT_MS 20

struct under_test {
    struct fixture fixture;
    char directory[64];
    char url[128];
    struct rpc_channel *channel;
    struct fixture_context context;
};

/* `scheme` is direct: or what a socket's path follows. */
static int set_up(void **state, const char *scheme)
{
    struct under_test *test = calloc(1, sizeof *test);
    fixture_init(&test->fixture);
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = WORKERS,
                                                              .heavy_workers = 1,
                                                              .queue_max = QUEUE_MAX,
                                                              .runs_inline = true});
    temp_directory(test->directory);
    (void)snprintf(test->url, sizeof test->url, "%s", scheme);
    if (strcmp(scheme, "direct:") != 0) {
        (void)snprintf(test->url, sizeof test->url, "%s%s/s", scheme, test->directory);
        fixture_listen(&test->fixture, test->url);
    }
    test->channel = fixture_channel(&test->fixture, test->url);
    fixture_context_init(&test->context, LONG_MS);
    *state = test;
    return 0;
}

static int set_up_direct(void **state)
{
    return set_up(state, "direct:");
}

static int set_up_reqrep(void **state)
{
    return set_up(state, "req+ipc://");
}

static int set_up_stream(void **state)
{
    return set_up(state, "ipc://");
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    fixture_gate(&test->fixture, true);
    rpc_channel_close(test->channel);
    fixture_stop(&test->fixture);
    fixture_context_fini(&test->context);
    free(test);
    return 0;
}

static bool is_reqrep(const struct under_test *test)
{
    return strncmp(test->url, "req+", 4) == 0;
}

/* --- deadlines and cancelling --- */

static void test_deadline_shrinks(void **state)
{
    struct under_test *test = *state;
    struct fixture_context context;
    fixture_context_init(&context, 1000);
    const Lotcast__V1__QueryResponse *response = NULL;
    assert_int_equal(fixture_call(test->channel, &context, ACTION_LEFT, "", &response, NULL),
                     RPC_OK);
    assert_in_range(response->total, 1, 1000);
    fixture_context_fini(&context);

    fixture_context_init(&context, INT64_MAX); /* none: the method's own */
    assert_int_equal(fixture_call(test->channel, &context, ACTION_LEFT, "", &response, NULL),
                     RPC_OK);
    assert_in_range(response->total, 1, fixture_method(FIXTURE_QUERY)->deadline_ms);
    fixture_context_fini(&context);
}

static void test_deadline_ends_the_call(void **state)
{
    struct under_test *test = *state;
    struct fixture_context context;
    fixture_context_init(&context, 60);
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(fixture_call(test->channel, &context, ACTION_WAIT, "", NULL, NULL),
                     RPC_DEADLINE_EXCEEDED);
    assert_in_range(clock_mono_ms() - start_ms, 59, 5000);
    assert_int_equal(fixture_call(test->channel, &context, ACTION_ECHO, "", NULL, NULL),
                     RPC_DEADLINE_EXCEEDED);
    fixture_context_fini(&context);
    fixture_gate(&test->fixture, true);
    assert_int_equal(fixture_call(test->channel, &test->context, ACTION_ECHO, "", NULL, NULL),
                     RPC_OK);
}

static bool is_past(void *mono_ms)
{
    return clock_mono_ms() > *(int64_t *)mono_ms;
}

static Lotcast__V1__ServingStatus health(struct under_test *test)
{
    Lotcast__V1__HealthCheckRequest check = LOTCAST__V1__HEALTH_CHECK_REQUEST__INIT;
    struct rpc_request request = {.method = fixture_method(FIXTURE_HEALTH),
                                  .message = &check.base,
                                  .context = &test->context.context};
    const ProtobufCMessage *response = NULL;
    assert_int_equal(rpc_channel_call(test->channel, &request, &response, NULL), RPC_OK);
    return ((const Lotcast__V1__HealthCheckResponse *)response)->status;
}

/*
 * Short calls behind busy workers. Health is answered by whoever receives, so its answer says that
 * they have come, and when the last of their deadlines is, by the server's clock too. In the end
 * there are more of them than the queue holds, since those that are over make room.
 */
static void test_expired_work_is_dropped(void **state)
{
    struct under_test *test = *state;
    struct fixture_async busy[WORKERS];
    for (size_t i = 0; i < WORKERS; i++)
        fixture_async_start(&busy[i], test->channel, &test->context, ACTION_WAIT, false);
    fixture_await_waiting(&test->fixture, WORKERS);
    for (int i = 0; i < 2 * QUEUE_MAX; i++) {
        struct fixture_context context;
        fixture_context_init(&context, SHORT_MS);
        assert_int_equal(fixture_call(test->channel, &context, ACTION_ECHO, "", NULL, NULL),
                         RPC_DEADLINE_EXCEEDED);
        fixture_context_fini(&context);
        assert_int_equal(health(test), LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING);
        int64_t expired_ms = clock_mono_ms() + SHORT_MS;
        assert_true(wait_until(is_past, &expired_ms, LONG_MS));
    }
    fixture_gate(&test->fixture, true);
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(fixture_async_wait(&busy[i]), RPC_OK);
    /* The queue is first in, first out: once this ran, the expired ones were passed. */
    assert_int_equal(fixture_call(test->channel, &test->context, ACTION_ECHO, "", NULL, NULL),
                     RPC_OK);
    assert_int_equal(atomic_load(&test->fixture.ran), WORKERS + 1);
}

static void test_cancel(void **state)
{
    struct under_test *test = *state;
    struct fixture_async call;
    fixture_async_start(&call, test->channel, &test->context, ACTION_WAIT, false);
    fixture_await_waiting(&test->fixture, 1);
    rpc_call_cancel(call.call);
    rpc_call_cancel(call.call);
    assert_int_equal(fixture_async_wait(&call), RPC_CANCELLED);
    fixture_gate(&test->fixture, true);
    fixture_await_waiting(&test->fixture, 0);

    fixture_async_start(&call, test->channel, &test->context, ACTION_ECHO, false);
    struct rpc_call *handle = call.call;
    if (handle == NULL)
        return; /* it was over at once */
    call.call = NULL;
    assert_int_equal(fixture_async_wait(&call), RPC_OK);
    rpc_call_cancel(handle); /* over: nothing */
    rpc_call_unref(handle);
    assert_int_equal(call.done, 1);
    rpc_call_cancel(NULL);
}

static atomic_bool flag;

static void *raise_flag_at_gate(void *arg)
{
    struct under_test *test = arg;
    fixture_await_waiting(&test->fixture, 1);
    atomic_store(&flag, true);
    return NULL;
}

static void test_cancelled_context_ends_a_blocking_call(void **state)
{
    struct under_test *test = *state;
    pthread_t thread;
    atomic_store(&flag, false);
    test->context.context.cancelled = &flag;
    assert_int_equal(pthread_create(&thread, NULL, raise_flag_at_gate, test), 0);
    assert_int_equal(fixture_call(test->channel, &test->context, ACTION_WAIT, "", NULL, NULL),
                     RPC_CANCELLED);
    (void)pthread_join(thread, NULL);
    assert_int_equal(fixture_call(test->channel, &test->context, ACTION_ECHO, "", NULL, NULL),
                     RPC_CANCELLED);
    assert_int_equal(atomic_load(&test->fixture.ran), 1);
}

static bool has_stopped(void *arg)
{
    struct fixture *fixture = arg;
    return atomic_load(&fixture->stopped) == 1;
}

/* A handler sees the cancellation, but over REQ/REP, where its deadline stops it. */
static void test_handler_is_told(void **state)
{
    struct under_test *test = *state;
    struct fixture_context context;
    fixture_context_init(&context, is_reqrep(test) ? 100 : LONG_MS);
    struct fixture_async call;
    fixture_async_start(&call, test->channel, &context, ACTION_STOPPED, false);
    rpc_call_cancel(call.call);
    assert_int_equal(fixture_async_wait(&call), RPC_CANCELLED);
    /* Unless it was dropped before it ran. */
    if (atomic_load(&test->fixture.ran) > 0)
        assert_true(wait_until(has_stopped, &test->fixture, 5000));
    fixture_context_fini(&context);
}

static void test_close_ends_all_calls(void **state)
{
    struct under_test *test = *state;
    struct fixture_async calls[WORKERS + QUEUE_MAX];
    struct rpc_channel *channel = fixture_channel(&test->fixture, test->url);
    for (size_t i = 0; i < WORKERS; i++)
        fixture_async_start(&calls[i], channel, &test->context, ACTION_WAIT, false);
    fixture_await_waiting(&test->fixture, WORKERS);
    for (size_t i = WORKERS; i < WORKERS + QUEUE_MAX; i++)
        fixture_async_start(&calls[i], channel, &test->context, ACTION_WAIT, false);
    rpc_channel_close(channel);
    for (size_t i = 0; i < WORKERS + QUEUE_MAX; i++) {
        assert_int_equal(calls[i].done, 1);
        assert_int_equal(fixture_async_wait(&calls[i]), RPC_CANCELLED);
    }
}

/* --- limits --- */

static void test_full_queue_pushes_back(void **state)
{
    struct under_test *test = *state;
    struct fixture_async running[WORKERS];
    struct fixture_async queued[QUEUE_MAX + 3];
    for (size_t i = 0; i < WORKERS; i++)
        fixture_async_start(&running[i], test->channel, &test->context, ACTION_WAIT, false);
    fixture_await_waiting(&test->fixture, WORKERS);
    for (size_t i = 0; i < QUEUE_MAX + 3; i++)
        fixture_async_start(&queued[i], test->channel, &test->context, ACTION_WAIT, false);
    struct rpc_status status;
    enum rpc_code code;
    do /* over a wire the others may still be on their way */
        code = fixture_call(test->channel, &test->context, ACTION_WAIT, "", NULL, &status);
    while (code == RPC_OK);
    assert_int_equal(code, RPC_RESOURCE_EXHAUSTED);
    assert_int_not_equal(status.retry_after_ms, 0);
    assert_int_equal(health(test), LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING);

    fixture_gate(&test->fixture, true);
    size_t refused = 0;
    for (size_t i = 0; i < QUEUE_MAX + 3; i++)
        refused += fixture_async_wait(&queued[i]) == RPC_RESOURCE_EXHAUSTED;
    assert_in_range(refused, 2, 3);
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(fixture_async_wait(&running[i]), RPC_OK);
    assert_int_equal(fixture_call(test->channel, &test->context, ACTION_ECHO, "", NULL, NULL),
                     RPC_OK);
}

static void *sign_up(void *arg)
{
    struct under_test *test = arg;
    struct fixture_context context;
    fixture_context_init(&context, LONG_MS);
    Lotcast__V1__SignUpRequest sign_up_request = LOTCAST__V1__SIGN_UP_REQUEST__INIT;
    struct rpc_request request = {.method = fixture_method(FIXTURE_SIGN_UP),
                                  .message = &sign_up_request.base,
                                  .context = &context.context};
    const ProtobufCMessage *response = NULL;
    enum rpc_code code = rpc_channel_call(test->channel, &request, &response, NULL);
    fixture_context_fini(&context);
    return (void *)(intptr_t)code;
}

static void test_heavy_work_has_its_own_pool(void **state)
{
    struct under_test *test = *state;
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sign_up, test), 0);
    fixture_await_waiting(&test->fixture, 1); /* of one heavy worker */
    for (int i = 0; i < 20; i++)
        assert_int_equal(fixture_call(test->channel, &test->context, ACTION_ECHO, "", NULL, NULL),
                         RPC_OK);
    fixture_gate(&test->fixture, true);
    for (size_t i = 0; i < 3; i++) {
        void *code;
        (void)pthread_join(threads[i], &code);
        assert_int_equal((intptr_t)code, RPC_OK);
    }
}

static void test_calls_max(void **state)
{
    struct under_test *test = *state;
    struct rpc_channel_options options = {
        .url = test->url, .server = test->fixture.server, .calls_max = 2};
    struct rpc_channel *channel = NULL;
    assert_int_equal(rpc_channel_open(&options, &channel, NULL), RPC_OK);
    struct fixture_async calls[2];
    for (size_t i = 0; i < 2; i++)
        fixture_async_start(&calls[i], channel, &test->context, ACTION_WAIT, false);
    for (int i = 0; i < 10; i++)
        assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, NULL),
                         RPC_RESOURCE_EXHAUSTED);
    fixture_gate(&test->fixture, true);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(fixture_async_wait(&calls[i]), RPC_OK);
    rpc_channel_close(channel);
}

/* --- many threads --- */

#define THREADS 200
#define CALLS_A_THREAD 20

static atomic_uint answered;

static void *call_often(void *arg)
{
    struct under_test *test = arg;
    struct fixture_context context;
    for (int i = 0; i < CALLS_A_THREAD; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "%d-%d", gettid(), i);
        const Lotcast__V1__QueryResponse *response = NULL;
        fixture_context_init(&context, LONG_MS);
        enum rpc_code code =
            fixture_call(test->channel, &context, ACTION_ECHO, text, &response, NULL);
        if (code == RPC_OK) {
            assert_int_equal(response->rows[0]->value.len, strlen(text));
            assert_memory_equal(response->rows[0]->value.data, text, strlen(text));
            (void)atomic_fetch_add(&answered, 1);
        } else {
            assert_true(code == RPC_RESOURCE_EXHAUSTED || code == RPC_DEADLINE_EXCEEDED);
        }
        fixture_context_fini(&context);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    struct under_test *test = *state;
    static pthread_t threads[THREADS];
    atomic_store(&answered, 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, test), 0);
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_in_range(atomic_load(&answered), 1, atomic_load(&test->fixture.ran));
}

static void *cancel_often(void *arg)
{
    struct under_test *test = arg;
    struct fixture_context context;
    fixture_context_init(&context, LONG_MS);
    unsigned seed = (unsigned)gettid();
    for (int i = 0; i < 200; i++) {
        struct fixture_async call;
        bool wait = i % 3 == 0;
        fixture_async_start(&call, test->channel, &context, ACTION_ECHO, wait);
        for (int spin = rand_r(&seed) % 4000; spin > 0; spin--)
            atomic_signal_fence(memory_order_seq_cst);
        rpc_call_cancel(call.call);
        enum rpc_code code = fixture_async_wait(&call);
        assert_true(code == RPC_OK || code == RPC_CANCELLED || code == RPC_RESOURCE_EXHAUSTED);
    }
    fixture_context_fini(&context);
    return NULL;
}

static void test_cancel_races(void **state)
{
    struct under_test *test = *state;
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, cancel_often, test), 0);
    for (size_t i = 0; i < 8; i++)
        (void)pthread_join(threads[i], NULL);
    enum rpc_code code;
    do /* what was cancelled may still be queued */
        code = fixture_call(test->channel, &test->context, ACTION_ECHO, "", NULL, NULL);
    while (code == RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(code, RPC_OK);
}

#define ALL(test)                                                 \
    {"direct: " #test, test, set_up_direct, tear_down, NULL},     \
        {"reqrep: " #test, test, set_up_reqrep, tear_down, NULL}, \
    {                                                             \
        "stream: " #test, test, set_up_stream, tear_down, NULL    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALL(test_deadline_shrinks),
        ALL(test_deadline_ends_the_call),
        ALL(test_expired_work_is_dropped),
        ALL(test_cancel),
        ALL(test_cancelled_context_ends_a_blocking_call),
        ALL(test_handler_is_told),
        ALL(test_close_ends_all_calls),
        ALL(test_full_queue_pushes_back),
        ALL(test_heavy_work_has_its_own_pool),
        ALL(test_calls_max),
        ALL(test_many_threads),
        ALL(test_cancel_races),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
