/*
 * Real server processes that are killed, stopped and started again under a client's calls, and the
 * connections that go away at the worst moment. This program is its own server: `kill_test serve
 * URL`.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lotcast/v1/auth.pb-c.h"
#include "rpc/base/clock.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

#define LONG_MS 4000
/* Within which a channel works again, in ms: generous, since tests run under sanitizers on busy
 * machines. */
#define HEAL_MS 15000

struct under_test {
    char directory[64];
    char path[96];
    char url[128];
    char log[96];
    struct process server;
    struct rpc_channel *channel;
};

static _Noreturn void serve(const char *url)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_start(&fixture, (struct rpc_server_options){.workers = 4});
    fixture_listen(&fixture, url);
    (void)printf("ready\n");
    (void)fflush(stdout);
    for (;;)
        (void)pause();
}

static void start_server(struct under_test *test)
{
    char rest[PROCESS_LINE_BYTES];
    char *argv[] = {(char *)"/proc/self/exe", (char *)"serve", test->url, NULL};
    process_start(&test->server, argv, NULL, test->log);
    process_expect_line(&test->server, "ready", rest);
}

static int set_up_at(void **state, const char *scheme, bool running)
{
    struct under_test *test = calloc(1, sizeof *test);
    temp_directory(test->directory);
    (void)snprintf(test->path, sizeof test->path, "%s/s", test->directory);
    (void)snprintf(test->url, sizeof test->url, "%s%s", scheme, test->path);
    (void)snprintf(test->log, sizeof test->log, "%s/log", test->directory);
    *state = test;
    if (running) {
        start_server(test);
        test->channel = fixture_channel(NULL, test->url);
    }
    return 0;
}

static int set_up_reqrep(void **state)
{
    return set_up_at(state, "req+ipc://", false);
}

static int set_up_stream(void **state)
{
    return set_up_at(state, "ipc://", false);
}

static int set_up_reqrep_running(void **state)
{
    return set_up_at(state, "req+ipc://", true);
}

static int set_up_stream_running(void **state)
{
    return set_up_at(state, "ipc://", true);
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    rpc_channel_close(test->channel);
    process_kill(&test->server);
    free(test);
    return 0;
}

static enum rpc_code call(struct under_test *test, enum fixture_action action, bool wait_for_ready,
                          int64_t timeout_ms)
{
    struct fixture_context context;
    struct fixture_async async;
    fixture_context_init(&context, timeout_ms);
    fixture_async_start(&async, test->channel, &context, action, wait_for_ready);
    enum rpc_code code = fixture_async_wait(&async);
    fixture_context_fini(&context);
    return code;
}

static bool works(void *arg)
{
    return call(arg, ACTION_ECHO, false, LONG_MS) == RPC_OK;
}

/* Calls in flight end at once when the server dies, and the same channel goes on with its
 * successor. */
static void test_sigkill_in_the_middle(void **state)
{
    struct under_test *test = *state;
    for (int round = 0; round < 3; round++) {
        struct fixture_context context;
        struct fixture_async calls[10];
        fixture_context_init(&context, 60000);
        for (size_t i = 0; i < 10; i++)
            fixture_async_start(&calls[i], test->channel, &context, ACTION_WAIT, i % 2 == 1);
        int64_t start_ms = clock_mono_ms();
        process_kill(&test->server);
        for (size_t i = 0; i < 10; i++)
            assert_int_equal(fixture_async_wait(&calls[i]), RPC_UNAVAILABLE);
        assert_in_range(clock_mono_ms() - start_ms, 0, 5000);
        assert_int_equal(call(test, ACTION_ECHO, false, LONG_MS), RPC_UNAVAILABLE);
        start_server(test);
        assert_int_equal(call(test, ACTION_ECHO, true, HEAL_MS), RPC_OK);
        assert_true(wait_until(works, test, HEAL_MS));
        fixture_context_fini(&context);
    }
}

static void test_absent_server(void **state)
{
    struct under_test *test = *state;
    test->channel = fixture_channel(NULL, test->url);
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(call(test, ACTION_ECHO, false, LONG_MS), RPC_UNAVAILABLE);
    assert_in_range(clock_mono_ms() - start_ms, 0, 2000);
    start_ms = clock_mono_ms();
    assert_int_equal(call(test, ACTION_ECHO, true, 100), RPC_DEADLINE_EXCEEDED);
    assert_in_range(clock_mono_ms() - start_ms, 99, 5000);

    struct fixture_context context;
    struct fixture_async waiting;
    fixture_context_init(&context, HEAL_MS);
    fixture_async_start(&waiting, test->channel, &context, ACTION_ECHO, true);
    start_server(test);
    assert_int_equal(fixture_async_wait(&waiting), RPC_OK);
    fixture_context_fini(&context);
}

static void test_cancel_while_waiting_for_a_server(void **state)
{
    struct under_test *test = *state;
    test->channel = fixture_channel(NULL, test->url);
    struct fixture_context context;
    struct fixture_async waiting;
    fixture_context_init(&context, 60000);
    fixture_async_start(&waiting, test->channel, &context, ACTION_ECHO, true);
    rpc_call_cancel(waiting.call);
    assert_int_equal(fixture_async_wait(&waiting), RPC_CANCELLED);
    fixture_async_start(&waiting, test->channel, &context, ACTION_ECHO, true);
    rpc_channel_close(test->channel);
    test->channel = NULL;
    assert_int_equal(fixture_async_wait(&waiting), RPC_CANCELLED);
    fixture_context_fini(&context);
}

/* A stopped server: calls end at their deadline, and all is well when it goes on. */
static void test_stopped_server(void **state)
{
    struct under_test *test = *state;
    process_stop(test->server.pid);
    int64_t start_ms = clock_mono_ms();
    assert_int_equal(call(test, ACTION_ECHO, false, 200), RPC_DEADLINE_EXCEEDED);
    assert_in_range(clock_mono_ms() - start_ms, 199, 5000);
    struct rpc_channel *connected = test->channel;
    test->channel = fixture_channel(NULL, test->url); /* cannot even greet */
    assert_int_not_equal(call(test, ACTION_ECHO, true, 1500), RPC_OK);
    process_signal(&test->server, SIGCONT);
    assert_true(wait_until(works, test, HEAL_MS));
    rpc_channel_close(test->channel);
    test->channel = connected;
    assert_true(wait_until(works, test, HEAL_MS));
}

/* A call that may take 10 s. */
static enum rpc_code sign_up(struct under_test *test)
{
    struct fixture_context context;
    fixture_context_init(&context, INT64_MAX);
    Lotcast__V1__SignUpRequest sign_up_request = LOTCAST__V1__SIGN_UP_REQUEST__INIT;
    struct rpc_request request = {.method = fixture_method(FIXTURE_SIGN_UP),
                                  .message = &sign_up_request.base,
                                  .context = &context.context};
    const ProtobufCMessage *response;
    enum rpc_code code = rpc_channel_call(test->channel, &request, &response, NULL);
    fixture_context_fini(&context);
    return code;
}

/* A stopped server is found out by its silence, long before the deadline. */
static void test_stopped_server_is_noticed(void **state)
{
    struct under_test *test = *state;
    assert_int_equal(call(test, ACTION_ECHO, true, HEAL_MS), RPC_OK);
    process_stop(test->server.pid);
    assert_int_equal(sign_up(test), RPC_UNAVAILABLE);
    assert_int_equal(call(test, ACTION_ECHO, false, LONG_MS), RPC_UNAVAILABLE); /* at once now */
    process_signal(&test->server, SIGCONT);
    assert_true(wait_until(works, test, HEAL_MS));
}

#define HAMMERS 8

static atomic_bool hammering;
static atomic_uint hammered;
static atomic_int
    unexpected; /* a code that none of them may see; 0: none. cmocka fails on its own thread only */

static void *hammer(void *arg)
{
    struct under_test *test = arg;
    while (atomic_load(&hammering)) {
        struct fixture_context context;
        fixture_context_init(&context, LONG_MS);
        enum rpc_code code = fixture_call(test->channel, &context, ACTION_ECHO, "x", NULL, NULL);
        fixture_context_fini(&context);
        if (code == RPC_OK)
            (void)atomic_fetch_add(&hammered, 1);
        else if (code != RPC_UNAVAILABLE && code != RPC_DEADLINE_EXCEEDED)
            atomic_store(&unexpected, (int)code);
    }
    return NULL;
}

static bool hammered_more(void *arg)
{
    return atomic_load(&hammered) > *(unsigned *)arg + 100;
}

/* Kills under load: each time calls go on by themselves. */
static void test_kill_loop_under_load(void **state)
{
    struct under_test *test = *state;
    pthread_t threads[HAMMERS];
    atomic_store(&hammering, true);
    for (size_t i = 0; i < HAMMERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, test), 0);
    for (int round = 0; round < 8; round++) {
        unsigned before = atomic_load(&hammered);
        assert_true(wait_until(hammered_more, &before, HEAL_MS));
        process_kill(&test->server);
        start_server(test);
    }
    unsigned before = atomic_load(&hammered);
    assert_true(wait_until(hammered_more, &before, HEAL_MS));
    atomic_store(&hammering, false);
    for (size_t i = 0; i < HAMMERS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&unexpected), 0);
}

static int connect_raw(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* Peers that hang up before the greeting: NNG's listener stops for good, and the guard brings it
 * back. */
static void test_peers_that_hang_up(void **state)
{
    struct under_test *test = *state;
    for (int i = 0; i < 50; i++) {
        int fd = connect_raw(test->path);
        if (fd >= 0)
            (void)close(fd);
    }
    struct rpc_channel *first = test->channel;
    test->channel = fixture_channel(NULL, test->url);
    assert_true(wait_until(works, test, HEAL_MS));
    rpc_channel_close(test->channel);
    test->channel = first;
    assert_true(wait_until(works, test, HEAL_MS));
}

/* Listeners that hang up before the greeting: the same for NNG's dialer. */
static void test_servers_that_hang_up(void **state)
{
    struct under_test *test = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, test->path, strlen(test->path) + 1);
    test->channel = fixture_channel(NULL, test->url);
    for (int i = 0; i < 200; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(fd, 4), 0);
        (void)usleep(5000); /* the dialer comes some time; when does not matter */
        (void)close(fd);
        (void)unlink(test->path);
    }
    start_server(test);
    assert_true(wait_until(works, test, HEAL_MS));
}

/* Somebody removes the socket's file: the guard puts it back. */
static void test_removed_socket(void **state)
{
    struct under_test *test = *state;
    assert_int_equal(unlink(test->path), 0);
    struct rpc_channel *first = test->channel;
    test->channel = fixture_channel(NULL, test->url);
    assert_true(wait_until(works, test, HEAL_MS));
    rpc_channel_close(test->channel);
    test->channel = first;
}

#define BOTH(test, running)                                             \
    {"reqrep: " #test, test, set_up_reqrep##running, tear_down, NULL},  \
    {                                                                   \
        "stream: " #test, test, set_up_stream##running, tear_down, NULL \
    }

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        serve(argv[2]);
    const struct CMUnitTest tests[] = {
        BOTH(test_sigkill_in_the_middle, _running),
        BOTH(test_absent_server, ),
        BOTH(test_cancel_while_waiting_for_a_server, ),
        BOTH(test_stopped_server, _running),
        {"stream: test_stopped_server_is_noticed", test_stopped_server_is_noticed,
         set_up_stream_running, tear_down, NULL},
        BOTH(test_kill_loop_under_load, _running),
        BOTH(test_peers_that_hang_up, _running),
        BOTH(test_servers_that_hang_up, ),
        BOTH(test_removed_socket, _running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
