/*
 * Which address a call goes to, and what it does where there is none: shares of the round,
 * ejection, waiting for one that restarts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rpc/base/clock.h"
#include "test/support/process.h"
#include "test/unit/rpc/backend.h"

#define LONG_MS 4500
#define CALLS_MAX 100
#define BACKENDS 3
/* Calls of a row; a multiple of the addresses. */
#define ROUND 30

struct under_test {
    char directory[64];
    struct backend backends[BACKENDS];
    struct backend *all[BACKENDS];
    struct rpc_channel *channel;
};

static int set_up(void **state)
{
    static const char *const names[BACKENDS] = {"a", "b", "c"};
    struct under_test *test = calloc(1, sizeof *test);
    temp_directory(test->directory);
    for (size_t i = 0; i < BACKENDS; i++) {
        backend_init(&test->backends[i], test->directory, names[i]);
        test->all[i] = &test->backends[i];
    }
    *state = test;
    return 0;
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    rpc_channel_close(test->channel);
    for (size_t i = 0; i < BACKENDS; i++)
        backend_stop(&test->backends[i]);
    free(test);
    return 0;
}

static void start(struct backend *backend)
{
    backend_start(backend, (struct rpc_server_options){.workers = 4});
}

/* The first so many of the backends run, and a channel to them is ready. */
static void open_to(struct under_test *test, size_t count, const struct rpc_channel_retry *retry)
{
    for (size_t i = 0; i < count; i++)
        start(&test->backends[i]);
    test->channel = backend_channel(test->all, count, retry, CALLS_MAX);
    backend_await_ready(test->channel, test->all, count);
}

static enum rpc_code call(struct under_test *test, struct rpc_status *status)
{
    return backend_call(test->channel, FIXTURE_QUERY, LONG_MS, false, status);
}

static void call_round(struct under_test *test)
{
    for (size_t i = 0; i < ROUND; i++)
        assert_int_equal(call(test, NULL), RPC_OK);
}

static unsigned take_ran(struct backend *backend)
{
    return atomic_exchange(&backend->ran, 0);
}

static bool is_not_ready(void *channel)
{
    return !rpc_channel_is_ready(channel);
}

/* Whether each of the first so many has had exactly this many calls; they count anew. */
static void assert_shares(struct under_test *test, const unsigned shares[BACKENDS])
{
    for (size_t i = 0; i < BACKENDS; i++) {
        unsigned ran = take_ran(&test->backends[i]);
        if (ran != shares[i])
            fail_msg("backend %zu has had %u calls, not %u", i, ran, shares[i]);
    }
}

/* --- the round --- */

static void test_shares_of_the_round(void **state)
{
    static const unsigned equal[BACKENDS] = {ROUND / 3, ROUND / 3, ROUND / 3};
    static const unsigned without[BACKENDS] = {ROUND / 2, 0, ROUND / 2};
    struct under_test *test = *state;
    open_to(test, BACKENDS, NULL);
    for (int i = 0; i < 3; i++) {
        call_round(test);
        assert_shares(test, equal);
    }
    backend_stop(&test->backends[1]); /* it tells its callers first */
    call_round(test);
    assert_shares(test, without);
    start(&test->backends[1]);
    backend_await_ready(test->channel, test->all, BACKENDS);
    call_round(test);
    assert_shares(test, equal);
}

/* Over REQ/REP health is asked for now and then, and a call that finds its address gone is made
 * again at another. */
static void test_addresses_that_are_polled(void **state)
{
    static const unsigned equal[BACKENDS] = {ROUND / 2, ROUND / 2, 0};
    static const unsigned first[BACKENDS] = {ROUND, 0, 0};
    struct under_test *test = *state;
    for (size_t i = 0; i < 2; i++)
        (void)snprintf(test->backends[i].url, sizeof test->backends[i].url, "req+ipc://%s/r%zu",
                       test->directory, i);
    open_to(test, 2, NULL);
    call_round(test);
    assert_shares(test, equal);
    backend_stop(&test->backends[1]);
    call_round(test);
    assert_shares(test, first);
    assert_true(rpc_channel_is_ready(test->channel));
    start(&test->backends[1]);
    backend_await_ready(test->channel, test->all, 2);
    call_round(test);
    assert_shares(test, equal);
    backend_stop(&test->backends[0]);
    backend_stop(&test->backends[1]);
    assert_true(wait_until(is_not_ready, test->channel, LONG_MS));
}

/* --- ejection --- */

static void test_one_that_fails_is_left_out(void **state)
{
    static const struct rpc_channel_retry retry = {.attempts_max = 4,
                                                   .backoff_ms = 2,
                                                   .backoff_ms_max = 8,
                                                   .eject_failures = 3,
                                                   .eject_ms = 1000000};
    static const unsigned shares[BACKENDS] = {0, ROUND / 2, ROUND / 2};
    struct under_test *test = *state;
    open_to(test, BACKENDS, &retry);
    backend_tell(&test->backends[0], BACKEND_PLAIN_UNAVAILABLE, -1);
    call_round(test); /* none fails: another is tried */
    assert_int_equal(take_ran(&test->backends[0]), retry.eject_failures);
    (void)take_ran(&test->backends[1]);
    (void)take_ran(&test->backends[2]);
    call_round(test);
    assert_shares(test, shares);
    /* Where all are out, one is better than none. */
    backend_tell(&test->backends[1], BACKEND_PLAIN_UNAVAILABLE, -1);
    backend_tell(&test->backends[2], BACKEND_PLAIN_UNAVAILABLE, -1);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(call(test, NULL), RPC_UNAVAILABLE);
    assert_true(atomic_load(&test->backends[1].ran) + atomic_load(&test->backends[2].ran) >= 6);
    for (size_t i = 0; i < BACKENDS; i++)
        backend_tell(&test->backends[i], BACKEND_OK, 0);
    assert_int_equal(call(test, NULL), RPC_OK);
}

static void test_one_that_was_left_out_comes_back(void **state)
{
    static const struct rpc_channel_retry retry = {
        .backoff_ms = 2, .backoff_ms_max = 8, .eject_failures = 1, .eject_ms = 40};
    struct under_test *test = *state;
    open_to(test, 2, &retry);
    backend_tell(&test->backends[0], BACKEND_PLAIN_UNAVAILABLE, 1);
    call_round(test);
    backend_await_ready(test->channel, test->all, 2);
    call_round(test);
    assert_int_equal(take_ran(&test->backends[0]), ROUND / 2);
    assert_int_equal(take_ran(&test->backends[1]), ROUND / 2);
}

/* An answer, whatever it says, is no failure of its address; nor is one between failures. */
static void test_what_is_no_failure(void **state)
{
    static const struct rpc_channel_retry retry = {
        .backoff_ms = 2, .backoff_ms_max = 8, .eject_failures = 2, .eject_ms = 1000000};
    static const enum backend_answer answers[] = {BACKEND_UNAVAILABLE, BACKEND_INVALID,
                                                  BACKEND_FULL, BACKEND_PUSH_BACK};
    static const unsigned equal[BACKENDS] = {ROUND / 2, ROUND / 2, 0};
    struct under_test *test = *state;
    open_to(test, 2, &retry);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        backend_tell(&test->backends[0], answers[i], -1);
        for (unsigned n = 0; n < ROUND; n++)
            (void)call(test, NULL);
        assert_shares(test, equal);
    }
    for (unsigned n = 0; n < ROUND / 2; n++) {
        backend_tell(&test->backends[0], BACKEND_PLAIN_UNAVAILABLE, 1);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(call(test, NULL), RPC_OK);
    }
    assert_true(take_ran(&test->backends[0]) >= ROUND / 2);
}

/* --- none is ready --- */

static void assert_unsent(enum rpc_code code, const struct rpc_status *status)
{
    assert_int_equal(code, RPC_UNAVAILABLE);
    assert_int_equal(status->reason, LOTCAST__V1__REASON__REASON_UNSPECIFIED);
    assert_true(status->retry_after_ms > 0); /* it was not run */
}

static void test_fails_fast_or_waits(void **state)
{
    struct under_test *test = *state;
    struct fixture_async waits;
    struct fixture_context context;
    struct rpc_status status;
    test->channel = backend_channel(test->all, 2, NULL, CALLS_MAX);
    assert_false(rpc_channel_is_ready(test->channel));
    int64_t start_ms = clock_mono_ms();
    enum rpc_code code = call(test, &status);
    assert_unsent(code, &status);
    assert_true(clock_mono_ms() - start_ms < LONG_MS / 2);

    fixture_context_init(&context, LONG_MS);
    fixture_async_start(&waits, test->channel, &context, ACTION_ECHO, true);
    assert_int_equal(waits.done, 0);
    start(&test->backends[1]);
    assert_int_equal(fixture_async_wait(&waits), RPC_OK);
    assert_int_equal(atomic_load(&test->backends[1].ran), 1);
    assert_true(rpc_channel_is_ready(test->channel));
    fixture_context_fini(&context);

    backend_stop(&test->backends[1]);
    fixture_context_init(&context, 50);
    fixture_async_start(&waits, test->channel, &context, ACTION_ECHO, true);
    assert_int_equal(fixture_async_wait(&waits), RPC_DEADLINE_EXCEEDED);
    fixture_context_fini(&context);
}

/* --- one address, with retries --- */

/* So long that only what does not wait is over before a test's patience. */
static const struct rpc_channel_retry patient = {
    .attempts_max = 4, .backoff_ms = 2, .backoff_ms_max = 8, .ready_wait_ms = LONG_MS};

static void test_one_address_is_tried_again(void **state)
{
    static const struct {
        const char *method;
        enum backend_answer answer;
        int times;
        enum rpc_code code;
        unsigned ran;
    } rows[] = {
        {FIXTURE_QUERY, BACKEND_OK, 0, RPC_OK, 1},
        {FIXTURE_QUERY, BACKEND_PLAIN_UNAVAILABLE, 1, RPC_OK, 2},
        {FIXTURE_QUERY, BACKEND_PLAIN_UNAVAILABLE, -1, RPC_UNAVAILABLE, 4},
        {FIXTURE_QUERY, BACKEND_UNAVAILABLE, -1, RPC_UNAVAILABLE, 1},
        {BACKEND_COMMIT, BACKEND_PLAIN_UNAVAILABLE, -1, RPC_UNAVAILABLE, 1},
        {BACKEND_COMMIT, BACKEND_FULL, -1, RPC_RESOURCE_EXHAUSTED, 1},
    };
    struct under_test *test = *state;
    open_to(test, 1, &patient);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        backend_tell(&test->backends[0], rows[i].answer, rows[i].times);
        assert_int_equal(backend_call(test->channel, rows[i].method, LONG_MS, false, NULL),
                         rows[i].code);
        assert_int_equal(take_ran(&test->backends[0]), rows[i].ran);
    }
}

/* A call that comes while the server is away was not sent: a write waits as well. */
static void test_one_that_restarts_is_waited_for(void **state)
{
    static const char *const methods[] = {FIXTURE_QUERY, BACKEND_COMMIT};
    Lotcast__V1__QueryRequest empty = LOTCAST__V1__QUERY_REQUEST__INIT;
    struct under_test *test = *state;
    struct fixture_async waits[2];
    struct fixture_context context;
    open_to(test, 1, &patient);
    backend_stop(&test->backends[0]);
    assert_true(wait_until(is_not_ready, test->channel, LONG_MS));
    fixture_context_init(&context, 2 * LONG_MS);
    for (size_t i = 0; i < 2; i++)
        fixture_async_begin(&waits[i], test->channel, &context, fixture_method(methods[i]),
                            &empty.base);
    start(&test->backends[0]);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(fixture_async_wait(&waits[i]), RPC_OK);
    assert_int_equal(take_ran(&test->backends[0]), 2);
    fixture_context_fini(&context);
}

static void test_one_that_stays_away_is_not(void **state)
{
    static const struct rpc_channel_retry hurried = {.ready_wait_ms = 200};
    struct under_test *test = *state;
    struct rpc_status status;
    open_to(test, 1, &hurried);
    backend_stop(&test->backends[0]);
    int64_t start_ms = clock_mono_ms();
    for (unsigned i = 0; i < 100; i++) { /* the first waits, the others find that over */
        enum rpc_code code = call(test, &status);
        assert_unsent(code, &status);
    }
    assert_true(clock_mono_ms() - start_ms < LONG_MS / 2);
}

static void test_who_fails_fast_waits_for_none(void **state)
{
    struct under_test *test = *state;
    struct fixture_context context;
    struct rpc_status status;
    const ProtobufCMessage *response = NULL;
    open_to(test, 1, &patient);
    backend_stop(&test->backends[0]);
    assert_true(wait_until(is_not_ready, test->channel, LONG_MS));
    fixture_context_init(&context, LONG_MS);
    const struct rpc_request request = {
        .method = fixture_method(FIXTURE_QUERY), .context = &context.context, .fails_fast = true};
    int64_t start_ms = clock_mono_ms();
    enum rpc_code code = rpc_channel_call(test->channel, &request, &response, &status);
    assert_unsent(code, &status);
    assert_true(clock_mono_ms() - start_ms < LONG_MS / 2);
    fixture_context_fini(&context);
}

/* --- push-back --- */

static bool two_ran(void *backend)
{
    return atomic_load(&((struct backend *)backend)->ran) == 2;
}

/* A pause longer than a channel makes by itself is the caller's to make. */
static void test_long_push_back_is_passed_on(void **state)
{
    Lotcast__V1__BackupRequest empty = LOTCAST__V1__BACKUP_REQUEST__INIT;
    const struct registry_method *method = fixture_method("lotcast.v1.Store/Backup");
    struct under_test *test = *state;
    struct fixture_async held[2];
    struct fixture_context context;
    struct rpc_status status;
    assert_int_equal(method->rules->max_in_flight, 2);
    open_to(test, 1, &patient);
    backend_tell(&test->backends[0], BACKEND_HANG, 2);
    fixture_context_init(&context, LONG_MS);
    for (size_t i = 0; i < 2; i++)
        fixture_async_begin(&held[i], test->channel, &context, method, &empty.base);
    assert_true(wait_until(two_ran, &test->backends[0], LONG_MS));
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(backend_call(test->channel, method->name, LONG_MS, false, &status),
                     RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(status.retry_after_ms, 1000);
    assert_true(clock_mono_ms() - start_ms < 1000);
    atomic_store(&test->backends[0].hangs, false);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(fixture_async_wait(&held[i]), RPC_OK);
    assert_int_equal(take_ran(&test->backends[0]), 2);
    fixture_context_fini(&context);
}

/* --- is it ready? --- */

static bool is_ready(void *channel)
{
    return rpc_channel_is_ready(channel);
}

static void test_ready_is_as_the_connection_is(void **state)
{
    static const char *const schemes[] = {"ipc://", "req+ipc://"};
    struct under_test *test = *state;
    struct backend *backend = &test->backends[0];
    for (size_t i = 0; i < 4; i++) { /* with retries, and without */
        (void)snprintf(backend->url, sizeof backend->url, "%s%s/%zu", schemes[i % 2],
                       test->directory, i);
        start(backend);
        struct rpc_channel *channel =
            backend_channel(test->all, 1, i < 2 ? NULL : &patient, CALLS_MAX);
        assert_true(wait_until(is_ready, channel, LONG_MS));
        backend_stop(backend);
        assert_true(wait_until(is_not_ready, channel, LONG_MS));
        start(backend);
        assert_true(wait_until(is_ready, channel, LONG_MS));
        rpc_channel_close(channel);
        backend_stop(backend);
    }
    start(backend);
    const struct rpc_channel_options direct = {
        .url = "direct:", .server = backend->server, .retry = &patient};
    struct rpc_channel *channel = NULL;
    assert_int_equal(rpc_channel_open(&direct, &channel, NULL), RPC_OK);
    assert_true(rpc_channel_is_ready(channel));
    rpc_server_drain(backend->server, 0);
    assert_false(rpc_channel_is_ready(channel));
    rpc_channel_close(channel);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_shares_of_the_round),         TEST(test_addresses_that_are_polled),
        TEST(test_one_that_fails_is_left_out),  TEST(test_one_that_was_left_out_comes_back),
        TEST(test_what_is_no_failure),          TEST(test_fails_fast_or_waits),
        TEST(test_one_address_is_tried_again),  TEST(test_one_that_restarts_is_waited_for),
        TEST(test_one_that_stays_away_is_not),  TEST(test_who_fails_fast_waits_for_none),
        TEST(test_long_push_back_is_passed_on), TEST(test_ready_is_as_the_connection_is),
    };
    return cmocka_run_group_tests_name("balance", tests, NULL, NULL);
}
