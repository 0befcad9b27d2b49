/*
 * Servers that drain and are replaced under their callers' calls, servers behind servers, and a
 * peer that is stopped: over frames. This program is its own caller: `drain_test call URL`.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "rpc/base/clock.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

#define LONG_MS 20000
/* Generous: tests run under sanitizers on busy machines. */
#define HEAL_MS 15000
/* More than the service has methods. */
#define HANDLERS_MAX 32

struct under_test {
    struct fixture fixture;
    char directory[64];
    char url[128];
    struct rpc_channel *channel;
    struct fixture_context context;
};

static void start_server(struct under_test *test)
{
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = 4});
    fixture_listen(&test->fixture, test->url);
}

static int set_up(void **state)
{
    struct under_test *test = calloc(1, sizeof *test);
    fixture_init(&test->fixture);
    temp_directory(test->directory);
    (void)snprintf(test->url, sizeof test->url, "ipc://%s/s", test->directory);
    start_server(test);
    test->channel = fixture_channel(&test->fixture, test->url);
    fixture_context_init(&test->context, LONG_MS);
    *state = test;
    return 0;
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

/* --- draining --- */

static void *drain(void *arg)
{
    struct under_test *test = arg;
    rpc_server_drain(test->fixture.server, LONG_MS);
    return NULL;
}

static bool is_refused(void *arg)
{
    struct under_test *test = arg;
    return fixture_call(test->channel, &test->context, ACTION_ECHO, "", NULL, NULL) ==
           RPC_UNAVAILABLE;
}

/* What runs is finished and answered; new calls are refused or wait for the successor. */
static void test_drain_finishes_what_runs(void **state)
{
    struct under_test *test = *state;
    struct fixture_async running[3];
    struct fixture_async waiting;
    pthread_t thread;
    for (size_t i = 0; i < 3; i++)
        fixture_async_start(&running[i], test->channel, &test->context,
                            i == 2 ? ACTION_DEFER : ACTION_WAIT, false);
    fixture_await_waiting(&test->fixture, 3);
    assert_int_equal(pthread_create(&thread, NULL, drain, test), 0);
    assert_true(wait_until(is_refused, test, HEAL_MS));
    fixture_async_start(&waiting, test->channel, &test->context, ACTION_ECHO, true);
    fixture_gate(&test->fixture, true);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fixture_async_wait(&running[i]), RPC_OK);
    (void)pthread_join(thread, NULL);
    rpc_server_destroy(test->fixture.server);
    start_server(test);
    assert_int_equal(fixture_async_wait(&waiting), RPC_OK);
}

static atomic_bool hammering;
static atomic_uint hammered;
static atomic_int unexpected; /* a code that none of them may see; 0: none */

static void *hammer(void *arg)
{
    struct under_test *test = arg;
    while (atomic_load(&hammering)) {
        struct fixture_context context;
        struct fixture_async call;
        fixture_context_init(&context, LONG_MS);
        fixture_async_start(&call, test->channel, &context, ACTION_ECHO, true);
        enum rpc_code code = fixture_async_wait(&call);
        fixture_context_fini(&context);
        if (code == RPC_OK)
            (void)atomic_fetch_add(&hammered, 1);
        else
            atomic_store(&unexpected, (int)code);
    }
    return NULL;
}

static bool hammered_more(void *arg)
{
    return atomic_load(&hammered) > *(unsigned *)arg + 50;
}

/* Servers replaced under load: no call is lost, and none is made twice. */
static void test_no_call_is_lost(void **state)
{
    struct under_test *test = *state;
    pthread_t threads[6];
    atomic_store(&hammering, true);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, test), 0);
    for (int round = 0; round < 10; round++) {
        unsigned before = atomic_load(&hammered);
        assert_true(wait_until(hammered_more, &before, HEAL_MS));
        rpc_server_drain(test->fixture.server, LONG_MS);
        rpc_server_destroy(test->fixture.server);
        start_server(test);
    }
    atomic_store(&hammering, false);
    for (size_t i = 0; i < 6; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&unexpected), 0);
    assert_int_equal(atomic_load(&test->fixture.ran), atomic_load(&hammered));
}

static bool has_begun(void *arg)
{
    struct fixture *fixture = arg;
    return atomic_load(&fixture->ran) > 0;
}

static void start_caller(struct under_test *test, struct process *caller)
{
    char log[96];
    (void)snprintf(log, sizeof log, "%s/log", test->directory);
    char *argv[] = {(char *)"/proc/self/exe", (char *)"call", test->url, NULL};
    process_start(caller, argv, NULL, log);
    assert_true(wait_until(has_begun, &test->fixture, LONG_MS));
}

/* A caller whose process is stopped cannot hold a drain up. */
static void test_drain_without_an_answer(void **state)
{
    struct under_test *test = *state;
    struct process caller;
    start_caller(test, &caller);
    process_stop(caller.pid);
    int64_t start_ms = clock_mono_ms();
    rpc_server_drain(test->fixture.server, 100);
    assert_in_range(clock_mono_ms() - start_ms, 100, 5000);
    process_kill(&caller);
}

/* --- hops --- */

struct hop {
    struct rpc_channel *next;
    struct rpc_service service;
};

/* A handler that asks the next server what it was asked. */
static enum rpc_code pass_on(struct rpc_server_call *call, const void *request, void *response,
                             struct rpc_status *status)
{
    struct hop *hop = rpc_server_call_self(call);
    struct rpc_request further = {.method = fixture_method(FIXTURE_QUERY),
                                  .message = request,
                                  .context = rpc_server_call_context(call)};
    const ProtobufCMessage *answer;
    enum rpc_code code = rpc_channel_call(hop->next, &further, &answer, status);
    if (code == RPC_OK)
        ((Lotcast__V1__QueryResponse *)response)->total =
            ((const Lotcast__V1__QueryResponse *)answer)->total;
    return code;
}

static bool has_stopped(void *arg)
{
    struct fixture *fixture = arg;
    return atomic_load(&fixture->stopped) == 1;
}

/* The caller leaves: the last server's handler stops. And a deadline shrinks on its way. */
static void test_two_hops(void **state)
{
    struct under_test *test = *state;
    rpc_handler *handlers[HANDLERS_MAX];
    struct hop hop = {.next = test->channel};
    for (size_t i = 0; i < HANDLERS_MAX; i++)
        handlers[i] = pass_on;
    hop.service = (struct rpc_service){&lotcast__v1__store__descriptor, handlers, &hop};
    struct rpc_server_options options = {.name = "hop",
                                         .registry = fixture_registry(),
                                         .services = &hop.service,
                                         .service_count = 1};
    struct rpc_server *server = NULL;
    char url[128];
    (void)snprintf(url, sizeof url, "ipc://%s/hop", test->directory);
    assert_int_equal(rpc_server_create(&options, &server, NULL), RPC_OK);
    assert_int_equal(rpc_server_listen(server, url, RPC_TRUST_ROLE, NULL), RPC_OK);
    struct fixture near = {.server = server};
    struct rpc_channel *channel = fixture_channel(&near, url);

    struct fixture_context context;
    fixture_context_init(&context, 1000);
    const Lotcast__V1__QueryResponse *response = NULL;
    assert_int_equal(fixture_call(channel, &context, ACTION_LEFT, "", &response, NULL), RPC_OK);
    assert_in_range(response->total, 1, 1000);
    fixture_context_fini(&context);

    atomic_store(&test->fixture.ran, 0);
    struct fixture_async call;
    fixture_async_start(&call, channel, &test->context, ACTION_STOPPED, false);
    assert_true(wait_until(has_begun, &test->fixture, LONG_MS));
    int64_t start_ms = clock_mono_ms();
    rpc_call_cancel(call.call);
    assert_int_equal(fixture_async_wait(&call), RPC_CANCELLED);
    assert_true(wait_until(has_stopped, &test->fixture, LONG_MS));
    assert_in_range(clock_mono_ms() - start_ms, 0, 4000); /* not by its deadline */
    rpc_channel_close(channel);
    rpc_server_destroy(server);
}

/* A caller that is gone without a word: the same. */
static void test_caller_dies(void **state)
{
    struct under_test *test = *state;
    struct process caller;
    start_caller(test, &caller);
    int64_t start_ms = clock_mono_ms();
    process_kill(&caller);
    assert_true(wait_until(has_stopped, &test->fixture, LONG_MS));
    assert_in_range(clock_mono_ms() - start_ms, 0, 4000);
}

static _Noreturn void call_once(const char *url)
{
    struct fixture_context context;
    struct rpc_channel *channel = fixture_channel(NULL, url);
    fixture_context_init(&context, LONG_MS);
    (void)fixture_call(channel, &context, ACTION_STOPPED, "", NULL, NULL);
    exit(0);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "call") == 0)
        call_once(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_drain_finishes_what_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_call_is_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_drain_without_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_two_hops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_caller_dies, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
