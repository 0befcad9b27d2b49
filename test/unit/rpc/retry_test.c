/*
 * What is made again, what is not, when, and how often.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lotcast/v1/health.pb-c.h"
#include "rpc/base/clock.h"
#include "test/support/process.h"
#include "test/unit/rpc/backend.h"

#define LONG_MS 4500
#define CALLS_MAX 100

/* Short, so that what is tested is whether, not how long; nothing is ejected. */
static const struct rpc_channel_retry quick = {
    .attempts_max = 4, .backoff_ms = 2, .backoff_ms_max = 8, .eject_failures = 1000000};
/* A pause that no deadline of a read leaves room for. */
static const struct rpc_channel_retry slow = {
    .attempts_max = 4, .backoff_ms = 20000, .backoff_ms_max = 20000, .eject_failures = 1000000};
/* One that is long enough for something to happen in it. */
static const struct rpc_channel_retry steady = {
    .attempts_max = 4, .backoff_ms = 3000, .backoff_ms_max = 3000, .eject_failures = 1000000};

struct under_test {
    char directory[64];
    struct backend a, b;
    struct backend *both[2];
    struct rpc_channel *channel;
};

static void open_channel(struct under_test *test, const struct rpc_channel_retry *retry,
                         size_t calls_max)
{
    rpc_channel_close(test->channel);
    test->channel = backend_channel(test->both, 2, retry, calls_max);
    backend_await_ready(test->channel, test->both, 2);
}

static int set_up(void **state)
{
    struct under_test *test = calloc(1, sizeof *test);
    temp_directory(test->directory);
    backend_init(&test->a, test->directory, "a");
    backend_init(&test->b, test->directory, "b");
    test->both[0] = &test->a;
    test->both[1] = &test->b;
    backend_start(&test->a, (struct rpc_server_options){.workers = 4});
    backend_start(&test->b, (struct rpc_server_options){.workers = 4});
    open_channel(test, &quick, CALLS_MAX);
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    rpc_channel_close(test->channel);
    backend_stop(&test->a);
    backend_stop(&test->b);
    free(test);
    return 0;
}

static unsigned ran(const struct under_test *test)
{
    return atomic_load(&test->a.ran) + atomic_load(&test->b.ran);
}

static void tell_both(struct under_test *test, enum backend_answer answer, int times)
{
    backend_tell(&test->a, answer, times);
    backend_tell(&test->b, answer, times);
}

/* --- what is made again --- */

static void test_what_is_made_again(void **state)
{
    struct under_test *test = *state;
    static const struct {
        const char *method;
        enum backend_answer answer;
        int times; /* at each of the two */
        enum rpc_code code;
        unsigned ran;
    } rows[] = {
        {FIXTURE_QUERY, BACKEND_OK, 0, RPC_OK, 1},
        {FIXTURE_QUERY, BACKEND_PLAIN_UNAVAILABLE, 1, RPC_OK, 3},
        {FIXTURE_QUERY, BACKEND_PLAIN_UNAVAILABLE, -1, RPC_UNAVAILABLE, 4},
        {FIXTURE_QUERY, BACKEND_UNAVAILABLE, -1, RPC_UNAVAILABLE, 1},
        {FIXTURE_QUERY, BACKEND_INVALID, -1, RPC_INVALID_ARGUMENT, 1},
        {FIXTURE_QUERY, BACKEND_FULL, -1, RPC_RESOURCE_EXHAUSTED, 1},
        {FIXTURE_QUERY, BACKEND_PUSH_BACK, -1, RPC_RESOURCE_EXHAUSTED, 1},
        {BACKEND_COMMIT, BACKEND_OK, 0, RPC_OK, 1},
        {BACKEND_COMMIT, BACKEND_PLAIN_UNAVAILABLE, -1, RPC_UNAVAILABLE, 1},
        {BACKEND_COMMIT, BACKEND_UNAVAILABLE, -1, RPC_UNAVAILABLE, 1},
        {BACKEND_COMMIT, BACKEND_FULL, -1, RPC_RESOURCE_EXHAUSTED, 1},
        {BACKEND_COMMIT, BACKEND_PUSH_BACK, -1, RPC_RESOURCE_EXHAUSTED, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpc_status status;
        unsigned before = ran(test);
        tell_both(test, rows[i].answer, rows[i].times);
        enum rpc_code code = backend_call(test->channel, rows[i].method, LONG_MS, false, &status);
        if (code != rows[i].code || ran(test) - before != rows[i].ran)
            fail_msg("row %zu: %s, ran %u times", i, rpc_code_name(code), ran(test) - before);
        if (rows[i].answer == BACKEND_PUSH_BACK) { /* a handler's is not an admission's */
            assert_int_not_equal(status.reason, LOTCAST__V1__REASON__REASON_UNSPECIFIED);
            assert_int_equal(status.retry_after_ms, 1);
        }
    }
}

/* The second attempt is another address's. */
static void test_another_address_is_tried(void **state)
{
    struct under_test *test = *state;
    backend_tell(&test->a, BACKEND_PLAIN_UNAVAILABLE, -1);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(backend_call(test->channel, FIXTURE_QUERY, LONG_MS, false, NULL), RPC_OK);
    assert_int_equal(atomic_load(&test->b.ran), 20);
    assert_int_equal(atomic_load(&test->a.ran), atomic_load(&test->a.failed));
}

/* --- push-back --- */

/* A server that is full has not run what it refuses: a write is made again too, when it says. */
static void test_push_back_is_obeyed(void **state)
{
    struct under_test *test = *state;
    struct fixture_async held[4];
    struct fixture_async last;
    struct fixture_context context;
    backend_stop(&test->a);
    backend_stop(&test->b);
    atomic_store(&test->a.hangs, true);
    atomic_store(&test->b.hangs, true);
    backend_start(&test->a, (struct rpc_server_options){.workers = 1, .queue_max = 1});
    backend_start(&test->b, (struct rpc_server_options){.workers = 1, .queue_max = 1});
    open_channel(test, &quick, CALLS_MAX);
    tell_both(test, BACKEND_HANG, 1);
    fixture_context_init(&context, LONG_MS);
    unsigned before = ran(test);
    for (size_t i = 0; i < 4; i++) {
        fixture_async_start(&held[i], test->channel, &context, ACTION_ECHO, false);
        while (i == 1 && ran(test) - before < 2) /* both workers are busy, the next wait */
            (void)sched_yield();
    }
    int64_t start_ms = clock_mono_ms();
    /* Refused by both; the gate opens when that has been seen. */
    fixture_async_start(&last, test->channel, &context, ACTION_ECHO, false);
    atomic_store(&test->a.hangs, false);
    atomic_store(&test->b.hangs, false);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fixture_async_wait(&held[i]), RPC_OK);
    assert_int_equal(fixture_async_wait(&last), RPC_OK);
    assert_in_range(clock_mono_ms() - start_ms, 0, LONG_MS);
    assert_int_equal(ran(test) - before, 5); /* each once */
    fixture_context_fini(&context);
}

/* --- limits --- */

/* No pause beyond the deadline: the failure is told at once, as it is. */
static void test_never_past_the_deadline(void **state)
{
    struct under_test *test = *state;
    struct rpc_status status;
    open_channel(test, &slow, CALLS_MAX);
    tell_both(test, BACKEND_PLAIN_UNAVAILABLE, -1);
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(backend_call(test->channel, FIXTURE_QUERY, LONG_MS, false, &status),
                     RPC_UNAVAILABLE);
    assert_string_equal(status.message, "going away");
    assert_true(clock_mono_ms() - start_ms < LONG_MS);
    assert_int_equal(ran(test), 1);
}

/* Calls of which half fail use up the tokens; answers give them back. */
static void test_throttle(void **state)
{
    struct under_test *test = *state;
    open_channel(test, &quick, 4); /* 8 tokens: retries above 4 */
    tell_both(test, BACKEND_PLAIN_UNAVAILABLE, -1);
    assert_int_equal(backend_call(test->channel, FIXTURE_QUERY, LONG_MS, false, NULL),
                     RPC_UNAVAILABLE);
    assert_int_equal(ran(test), 4); /* 4 tokens gone */
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(backend_call(test->channel, FIXTURE_QUERY, LONG_MS, false, NULL),
                         RPC_UNAVAILABLE);
    assert_int_equal(ran(test), 9); /* once each */
    tell_both(test, BACKEND_OK, 0);
    for (unsigned i = 0; i < 80; i++)
        assert_int_equal(backend_call(test->channel, FIXTURE_QUERY, LONG_MS, false, NULL), RPC_OK);
    unsigned before = ran(test);
    backend_tell(&test->a, BACKEND_PLAIN_UNAVAILABLE, 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(backend_call(test->channel, FIXTURE_QUERY, LONG_MS, false, NULL), RPC_OK);
    assert_int_equal(ran(test) - before, 3); /* the one that met the first was made again */
}

/* --- cancelling --- */

static bool one_ran(void *arg)
{
    return ran(arg) == 1;
}

static void test_cancelled_while_it_waits(void **state)
{
    struct under_test *test = *state;
    struct fixture_async call;
    struct fixture_context context;
    open_channel(test, &steady, CALLS_MAX);
    tell_both(test, BACKEND_PLAIN_UNAVAILABLE, -1);
    fixture_context_init(&context, LONG_MS);
    fixture_async_start(&call, test->channel, &context, ACTION_ECHO, false);
    assert_true(wait_until(one_ran, test, LONG_MS));
    rpc_call_cancel(call.call);
    assert_int_equal(fixture_async_wait(&call), RPC_CANCELLED);
    assert_int_equal(ran(test), 1);
    /* And one that the channel's end finds waiting. */
    fixture_async_start(&call, test->channel, &context, ACTION_ECHO, false);
    rpc_channel_close(test->channel);
    test->channel = NULL;
    assert_int_equal(fixture_async_wait(&call), RPC_CANCELLED);
    fixture_context_fini(&context);
}

/* --- streams --- */

/* A stream that has given an item ends with its server, though there is another. */
static void test_a_stream_that_began_is_not_made_again(void **state)
{
    struct under_test *test = *state;
    struct rpc_stream *stream = NULL;
    struct fixture_context context;
    const ProtobufCMessage *item = NULL;
    Lotcast__V1__HealthCheckRequest asked = LOTCAST__V1__HEALTH_CHECK_REQUEST__INIT;
    fixture_context_init(&context, INT64_MAX);
    struct rpc_request request = {
        .method = fixture_method("lotcast.v1.Health/Watch"),
        .message = &asked.base,
        .context = &context.context,
    };
    assert_int_equal(rpc_stream_open(test->channel, &request, &stream, NULL), RPC_OK);
    assert_int_equal(rpc_stream_next(stream, &context.arena, &item, NULL), RPC_OK);
    assert_int_equal(((const Lotcast__V1__HealthCheckResponse *)item)->status,
                     LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING);
    rpc_server_drain(test->a.server, LONG_MS); /* it is at one of the two */
    rpc_server_drain(test->b.server, LONG_MS);
    assert_int_equal(rpc_stream_next(stream, &context.arena, &item, NULL), RPC_OK);
    assert_int_equal(((const Lotcast__V1__HealthCheckResponse *)item)->status,
                     LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_NOT_SERVING);
    assert_int_equal(rpc_stream_next(stream, &context.arena, &item, NULL), RPC_UNAVAILABLE);
    rpc_stream_close(stream);
    fixture_context_fini(&context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_made_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_address_is_tried, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_push_back_is_obeyed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_never_past_the_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_throttle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelled_while_it_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_stream_that_began_is_not_made_again, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
