/*
 * Servers: creating, listening, health, draining, interceptors.
 */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/dashboard.pb-c.h"
#include "lotcast/v1/health.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/base/metrics.h"
#include "rpc/interceptor.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

#define LONG_MS 20000

struct under_test {
    struct fixture fixture;
    char directory[64];
    char path[96];
    char url[128];
    struct fixture_context context;
};

static int set_up(void **state)
{
    struct under_test *test = calloc(1, sizeof *test);
    fixture_init(&test->fixture);
    temp_directory(test->directory);
    (void)snprintf(test->path, sizeof test->path, "%s/s", test->directory);
    (void)snprintf(test->url, sizeof test->url, "req+ipc://%s", test->path);
    fixture_context_init(&test->context, LONG_MS);
    *state = test;
    return 0;
}

static int set_up_running(void **state)
{
    (void)set_up(state);
    struct under_test *test = *state;
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = 2});
    fixture_listen(&test->fixture, test->url);
    return 0;
}

static int tear_down(void **state)
{
    struct under_test *test = *state;
    fixture_stop(&test->fixture);
    fixture_context_fini(&test->context);
    free(test);
    return 0;
}

/* --- creating --- */

static rpc_handler *const no_handlers[8];

static void test_create_refusals(void **state)
{
    struct under_test *test = *state;
    ProtobufCServiceDescriptor unknown = lotcast__v1__store__descriptor;
    struct rpc_service rows[] = {
        {&lotcast__v1__store__descriptor, no_handlers, NULL},
        {&lotcast__v1__store__descriptor, NULL, NULL},
        {&unknown, test->fixture.services[0].handlers, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpc_server_options options = {.name = "t",
                                             .registry = test->fixture.registry,
                                             .services = &rows[i],
                                             .service_count = 1};
        struct rpc_server *server = NULL;
        struct rpc_status status;
        assert_int_equal(rpc_server_create(&options, &server, &status), RPC_FAILED_PRECONDITION);
        assert_null(server);
        assert_non_null(strstr(status.message, "lotcast.v1.Store"));
    }
    rpc_server_destroy(NULL);
}

/* --- listening --- */

static void test_listen_refusals(void **state)
{
    struct under_test *test = *state;
    char file_url[128];
    char long_url[256];
    char file[96];
    (void)snprintf(file, sizeof file, "%s/file", test->directory);
    (void)snprintf(file_url, sizeof file_url, "req+ipc://%s", file);
    (void)snprintf(long_url, sizeof long_url, "req+ipc://%s/%0100d", test->directory, 0);
    FILE *made = fopen(file, "we");
    assert_non_null(made);
    (void)fclose(made);
    const struct {
        const char *url;
        enum rpc_code code;
        const char *says;
    } rows[] = {
        {test->url, RPC_FAILED_PRECONDITION, "another process listens"},
        {file_url, RPC_FAILED_PRECONDITION, "not a socket"},
        {long_url, RPC_FAILED_PRECONDITION, "shorter name"},
        {"req+ipc:///nonexistent/directory/s", RPC_FAILED_PRECONDITION, "cannot listen"},
        {"req+tcp://0.0.0.0:4000", RPC_FAILED_PRECONDITION, "TLS"},
        {"req+tcp://[::]:4000", RPC_FAILED_PRECONDITION, "TLS"},
        {"req+tcp://203.0.113.9:4000", RPC_FAILED_PRECONDITION, "TLS"},
        {"req+ipc://s", RPC_INVALID_ARGUMENT, "absolute"},
        {"ipc://s", RPC_INVALID_ARGUMENT, "absolute"},
        {test->url + 4, RPC_FAILED_PRECONDITION, "another process listens"},
        {file_url + 4, RPC_FAILED_PRECONDITION, "not a socket"},
        {"tcp://0.0.0.0:4000", RPC_FAILED_PRECONDITION, "TLS"},
        {"tcp://127.0.0.1:4000/x", RPC_INVALID_ARGUMENT, "host:port"},
        {"direct:", RPC_INVALID_ARGUMENT, "begins with"},
        {"", RPC_INVALID_ARGUMENT, "begins with"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpc_status status;
        enum rpc_code code =
            rpc_server_listen(test->fixture.server, rows[i].url, RPC_TRUST_ROLE, &status);
        if (code != rows[i].code || strstr(status.message, rows[i].says) == NULL)
            fail_msg("%s: %s %s", rows[i].url, rpc_code_name(code), status.message);
    }
    /* The refused attempts left the first socket alone. */
    struct rpc_channel *channel = fixture_channel(&test->fixture, test->url);
    assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, NULL), RPC_OK);
    rpc_channel_close(channel);
}

static void test_socket_is_private(void **state)
{
    struct under_test *test = *state;
    struct stat info;
    assert_int_equal(stat(test->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void test_stale_socket_is_replaced(void **state)
{
    struct under_test *test = *state;
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = 1});
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, test->path, strlen(test->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)close(fd); /* the file stays, as after a SIGKILL */
    fixture_listen(&test->fixture, test->url);
    struct rpc_channel *channel = fixture_channel(&test->fixture, test->url);
    assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, NULL), RPC_OK);
    rpc_channel_close(channel);
}

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    (void)close(fd);
    return ntohs(address.sin_port);
}

static void test_tcp_on_loopback(void **state)
{
    struct under_test *test = *state;
    static const char *const forms[] = {"req+tcp://127.0.0.1", "tcp://127.0.0.1", "tcp://localhost",
                                        "tcp://[::1]"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char url[64];
        (void)snprintf(url, sizeof url, "%s:%u", forms[i], free_port());
        fixture_listen(&test->fixture, url);
        struct rpc_channel *channel = fixture_channel(&test->fixture, url);
        assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, NULL),
                         RPC_OK);
        rpc_channel_close(channel);
    }
}

/* --- health and draining --- */

static enum rpc_code check_health(struct under_test *test, struct rpc_channel *channel,
                                  const char *service, Lotcast__V1__ServingStatus *ret_serving)
{
    Lotcast__V1__HealthCheckRequest check = LOTCAST__V1__HEALTH_CHECK_REQUEST__INIT;
    check.service = (char *)service;
    struct rpc_request request = {.method = fixture_method(FIXTURE_HEALTH),
                                  .message = &check.base,
                                  .context = &test->context.context};
    const ProtobufCMessage *response = NULL;
    enum rpc_code code = rpc_channel_call(channel, &request, &response, NULL);
    if (code == RPC_OK)
        *ret_serving = ((const Lotcast__V1__HealthCheckResponse *)response)->status;
    return code;
}

static void test_health(void **state)
{
    struct under_test *test = *state;
    const char *urls[] = {"direct:", test->url};
    for (size_t i = 0; i < 2; i++) {
        struct rpc_channel *channel = fixture_channel(&test->fixture, urls[i]);
        Lotcast__V1__ServingStatus serving;
        static const char *const known[] = {"", "lotcast.v1.Store", "lotcast.v1.Auth",
                                            "lotcast.v1.Health"};
        for (size_t k = 0; k < 4; k++) {
            assert_int_equal(check_health(test, channel, known[k], &serving), RPC_OK);
            assert_int_equal(serving, LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING);
        }
        static const char *const unknown[] = {"lotcast.v1.Dashboard", "lotcast.v1", "x"};
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(check_health(test, channel, unknown[k], &serving), RPC_NOT_FOUND);
        rpc_channel_close(channel);
    }
}

static void test_drain(void **state)
{
    struct under_test *test = *state;
    struct rpc_channel *channel = fixture_channel(&test->fixture, test->url);
    struct fixture_async running;
    fixture_async_start(&running, channel, &test->context, ACTION_WAIT, false);
    fixture_await_waiting(&test->fixture, 1);
    int64_t start_ms = clock_mono_ms();
    rpc_server_drain(test->fixture.server, 20);
    assert_in_range(clock_mono_ms() - start_ms, 19, 5000);

    Lotcast__V1__ServingStatus serving;
    assert_int_equal(check_health(test, channel, "", &serving), RPC_OK);
    assert_int_equal(serving, LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_NOT_SERVING);
    struct rpc_status status;
    assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, &status),
                     RPC_UNAVAILABLE);
    assert_int_not_equal(status.retry_after_ms, 0);
    fixture_gate(&test->fixture, true);
    assert_int_equal(fixture_async_wait(&running), RPC_OK);
    rpc_server_drain(test->fixture.server, LONG_MS);
    assert_in_range(clock_mono_ms() - start_ms, 0, LONG_MS - 1);
    rpc_channel_close(channel);
}

static void *open_gate_soon(void *arg)
{
    struct under_test *test = arg;
    (void)usleep(20000); /* destroy is waiting for the handler by then, or will be */
    fixture_gate(&test->fixture, true);
    return NULL;
}

/* Destroying finishes what runs and answers what is queued. */
static void test_destroy_answers_everything(void **state)
{
    struct under_test *test = *state;
    struct rpc_channel *channel = fixture_channel(&test->fixture, test->url);
    struct fixture_async calls[12];
    for (size_t i = 0; i < 2; i++)
        fixture_async_start(&calls[i], channel, &test->context, ACTION_WAIT, false);
    fixture_await_waiting(&test->fixture, 2);
    for (size_t i = 2; i < 12; i++)
        fixture_async_start(&calls[i], channel, &test->context, ACTION_WAIT, false);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, open_gate_soon, test), 0);
    rpc_server_destroy(test->fixture.server);
    test->fixture.server = NULL;
    (void)pthread_join(thread, NULL);
    for (size_t i = 0; i < 12; i++) {
        enum rpc_code code = fixture_async_wait(&calls[i]);
        assert_true(code == RPC_OK || code == RPC_UNAVAILABLE);
    }
    assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, NULL),
                     RPC_UNAVAILABLE);
    rpc_channel_close(channel);
}

/* --- interceptors --- */

struct watcher {
    char log[64];
    enum rpc_code refuses;
};

static enum rpc_code watch_before(void *self, struct rpc_server_call *call,
                                  struct rpc_status *status)
{
    struct watcher *watcher = self;
    assert_int_equal(rpc_server_call_trust(call), RPC_TRUST_ROLE);
    strncat(watcher->log, "b", 2);
    if (watcher->refuses != RPC_OK)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_FORBIDDEN, NULL);
    rpc_server_call_principal(call)->customer_id = 12;
    return RPC_OK;
}

static void watch_after(void *self, struct rpc_server_call *call, const struct rpc_status *status)
{
    struct watcher *watcher = self;
    assert_true(rpc_server_call_elapsed_us(call) >= 0);
    strncat(watcher->log, status->code == RPC_OK ? "a" : "f", 2);
}

static void test_server_interceptors(void **state)
{
    struct under_test *test = *state;
    struct watcher first = {0};
    struct watcher second = {0};
    test->fixture.interceptors[0] = (struct rpc_server_interceptor){
        .before = watch_before, .after = watch_after, .self = &first};
    test->fixture.interceptors[1] = (struct rpc_server_interceptor){
        .before = watch_before, .after = watch_after, .self = &second};
    test->fixture.interceptor_count = 2;
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = 1});
    struct rpc_channel *channel = fixture_channel(&test->fixture, "direct:");
    assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, NULL), RPC_OK);
    assert_string_equal(first.log, "ba");
    assert_string_equal(second.log, "ba");
    struct rpc_status status;
    assert_int_equal(fixture_call(channel, &test->context, ACTION_FAIL, "", NULL, &status),
                     RPC_ALREADY_EXISTS);
    assert_string_equal(first.log, "babf");
    second.refuses = RPC_PERMISSION_DENIED;
    assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, &status),
                     RPC_PERMISSION_DENIED);
    assert_int_equal(status.reason, LOTCAST__V1__REASON__REASON_FORBIDDEN);
    assert_string_equal(first.log, "babfbf");
    assert_string_equal(second.log, "babfb");
    assert_int_equal(atomic_load(&test->fixture.ran), 2);
    rpc_channel_close(channel);
}

static void expect_metric(const char *line)
{
    struct buffer out;
    buffer_init(&out, 1024 * 1024);
    metrics_print(&out);
    if (strstr(buffer_cstring(&out), line) == NULL)
        fail_msg("no %s in:\n%s", line, (char *)out.data);
    buffer_fini(&out);
}

/* Calls with standard error in a file, and returns what was logged. */
static char *call_logged(struct under_test *test, struct rpc_channel *channel,
                         enum fixture_action action)
{
    char path[96];
    (void)snprintf(path, sizeof path, "%s/log", test->directory);
    FILE *file = fopen(path, "w+e");
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    (void)dup2(fileno(file), STDERR_FILENO);
    (void)fixture_call(channel, &test->context, action, "payload-text", NULL, NULL);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    char *text = calloc(1, 8192);
    assert_non_null(text);
    rewind(file);
    (void)fread(text, 1, 8191, file);
    (void)fclose(file);
    return text;
}

static void test_trace(void **state)
{
    struct under_test *test = *state;
    struct watcher principal = {0};
    log_init(LOG_LEVEL_INFO, "test");
    test->fixture.interceptors[0] = rpc_interceptor_trace_server(test->fixture.registry);
    test->fixture.interceptors[1] =
        (struct rpc_server_interceptor){.before = watch_before, .self = &principal};
    test->fixture.interceptor_count = 2;
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = 1});
    struct rpc_client_interceptor client = rpc_interceptor_trace_client(test->fixture.registry);
    struct rpc_channel_options options = {.url = "direct:",
                                          .server = test->fixture.server,
                                          .interceptors = &client,
                                          .interceptor_count = 1};
    struct rpc_channel *channel = NULL;
    assert_int_equal(rpc_channel_open(&options, &channel, NULL), RPC_OK);

    const Lotcast__V1__QueryResponse *response = NULL;
    assert_int_equal(fixture_call(channel, &test->context, ACTION_PRINCIPAL, "", &response, NULL),
                     RPC_OK);
    assert_int_equal(response->total, 24); /* a made request id */

    memcpy(test->context.context.request_id, "req-77", 7);
    char *log = call_logged(test, channel, ACTION_FAIL);
    static const char *const says[] = {"\"method\":\"lotcast.v1.Store/Query\"",
                                       "\"code\":\"ALREADY_EXISTS\"",
                                       "\"reason\":\"EMAIL_TAKEN\"",
                                       "\"request_id\":\"req-77\"",
                                       "\"elapsed_us\":",
                                       "\"customer_id\":12"};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++)
        if (strstr(log, says[i]) == NULL)
            fail_msg("no %s in %s", says[i], log);
    assert_null(strstr(log, "payload-text"));
    assert_ptr_equal(strchr(log, '\n') + 1, log + strlen(log)); /* one line */
    free(log);

    expect_metric(
        "lotcast_rpc_server_calls_total{method=\"lotcast.v1.Store/Query\",code=\"OK\"} 1\n");
    expect_metric("lotcast_rpc_server_calls_total{method=\"lotcast.v1.Store/Query\","
                  "code=\"ALREADY_EXISTS\"} 1\n");
    expect_metric(
        "lotcast_rpc_server_latency_seconds_count{method=\"lotcast.v1.Store/Query\"} 2\n");
    expect_metric(
        "lotcast_rpc_client_calls_total{method=\"lotcast.v1.Store/Query\",code=\"OK\"} 1\n");
    expect_metric("lotcast_rpc_queue_depth{server=\"test\",pool=\"workers\"} 0\n");
    rpc_channel_close(channel);
}

/* A foreign request id and traceparent are taken only if they are well formed. */
static void test_trace_ids(void **state)
{
    struct under_test *test = *state;
    test->fixture.interceptors[0] = rpc_interceptor_trace_server(test->fixture.registry);
    test->fixture.interceptor_count = 1;
    fixture_start(&test->fixture, (struct rpc_server_options){.workers = 1});
    struct rpc_channel *channel = fixture_channel(&test->fixture, "direct:");
    static const struct {
        const char *id;
        int64_t len;
    } rows[] = {
        {"a", 1},          {"A.b-c_9", 7},
        {"has space", 24}, {"quote\"", 24},
        {"käse", 24},      {"0123456789012345678901234567890123456789012345678901234567890123", 64},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memcpy(test->context.context.request_id, rows[i].id, strlen(rows[i].id) + 1);
        const Lotcast__V1__QueryResponse *response = NULL;
        assert_int_equal(
            fixture_call(channel, &test->context, ACTION_PRINCIPAL, "", &response, NULL), RPC_OK);
        assert_int_equal(response->total, rows[i].len);
    }
    rpc_channel_close(channel);
}

int main(void)
{
    log_init(LOG_LEVEL_WARN, "test");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_refusals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_listen_refusals, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_socket_is_private, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_stale_socket_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tcp_on_loopback, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_health, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_drain, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_destroy_answers_everything, set_up_running, tear_down),
        cmocka_unit_test_setup_teardown(test_server_interceptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trace_ids, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
