/*
 * Channels against a server in this process, over direct: and every wire: the same tests for
 * all. What is answered, what is refused, what travels beside it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lotcast/v1/dashboard.pb-c.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

#define WORKERS 2
#define QUEUE_MAX 4
/* Longer than any call of ours takes, even under a sanitizer. */
#define LONG_MS 20000

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

static bool is_direct(const struct under_test *test)
{
    return strcmp(test->url, "direct:") == 0;
}

/* --- answers --- */

static void test_echo(void **state)
{
    struct under_test *test = *state;
    for (int i = 0; i < 100; i++) {
        const Lotcast__V1__QueryResponse *response = NULL;
        assert_int_equal(
            fixture_call(test->channel, &test->context, ACTION_ECHO, "hello", &response, NULL),
            RPC_OK);
        assert_int_equal(response->n_rows, 1);
        assert_int_equal(response->rows[0]->value.len, 5);
        assert_memory_equal(response->rows[0]->value.data, "hello", 5);
    }
}

static void test_empty_answer(void **state)
{
    struct under_test *test = *state;
    const Lotcast__V1__QueryResponse *response = NULL;
    assert_int_equal(fixture_call(test->channel, &test->context, ACTION_ECHO, "", &response, NULL),
                     RPC_OK);
    assert_int_equal(response->n_rows, 0);
}

static void test_status_has_all_details(void **state)
{
    struct under_test *test = *state;
    struct rpc_status status;
    assert_int_equal(fixture_call(test->channel, &test->context, ACTION_FAIL, "", NULL, &status),
                     RPC_ALREADY_EXISTS);
    assert_int_equal(status.code, RPC_ALREADY_EXISTS);
    assert_int_equal(status.reason, LOTCAST__V1__REASON__REASON_EMAIL_TAKEN);
    assert_int_equal(status.retry_after_ms, 7);
    assert_int_equal(status.position, 0);
    assert_string_equal(status.message, "Taken: x");
    assert_string_equal(status.field, "email");
    assert_string_equal(status.campaign_id, "c-1");
}

static void test_deferred(void **state)
{
    struct under_test *test = *state;
    struct fixture_async calls[5 * WORKERS];
    for (unsigned i = 0; i < 5 * WORKERS; i++) {
        fixture_async_start(&calls[i], test->channel, &test->context, ACTION_DEFER, false);
        fixture_await_waiting(&test->fixture, i + 1);
    }
    /* They hold no worker: another call passes. */
    assert_int_equal(fixture_call(test->channel, &test->context, ACTION_ECHO, "", NULL, NULL),
                     RPC_OK);
    fixture_gate(&test->fixture, true);
    for (unsigned i = 0; i < 5 * WORKERS; i++)
        assert_int_equal(fixture_async_wait(&calls[i]), RPC_OK);
}

static Lotcast__V1__ReadResponse *read_thread(struct under_test *test)
{
    Lotcast__V1__ReadRequest read = LOTCAST__V1__READ_REQUEST__INIT;
    struct rpc_request request = {.method = fixture_method(FIXTURE_READ),
                                  .message = &read.base,
                                  .context = &test->context.context};
    const ProtobufCMessage *response = NULL;
    assert_int_equal(rpc_channel_call(test->channel, &request, &response, NULL), RPC_OK);
    return (Lotcast__V1__ReadResponse *)response;
}

static void test_inline_runs_here_over_direct_only(void **state)
{
    struct under_test *test = *state;
    Lotcast__V1__ReadResponse *response = read_thread(test);
    assert_int_equal(response->results[0]->count == gettid(), is_direct(test));
    const Lotcast__V1__QueryResponse *query = NULL;
    assert_int_equal(fixture_call(test->channel, &test->context, ACTION_THREAD, "", &query, NULL),
                     RPC_OK);
    assert_int_not_equal(query->total, gettid());
}

static void test_already_packed(void **state)
{
    struct under_test *test = *state;
    struct fixture_query query;
    fixture_query_init(&query, ACTION_ECHO, "packed");
    uint8_t packed[64];
    size_t len = lotcast__v1__query_request__pack(&query.request, packed);
    struct rpc_request request = {.method = fixture_method(FIXTURE_QUERY),
                                  .packed = {packed, len},
                                  .context = &test->context.context};
    const ProtobufCMessage *response = NULL;
    assert_int_equal(rpc_channel_call(test->channel, &request, &response, NULL), RPC_OK);
    const Lotcast__V1__QueryResponse *answer = (const Lotcast__V1__QueryResponse *)response;
    assert_memory_equal(answer->rows[0]->value.data, "packed", 6);
}

/* --- refusals --- */

static void test_unserved_method(void **state)
{
    struct under_test *test = *state;
    Lotcast__V1__GetDashboardRequest dashboard = LOTCAST__V1__GET_DASHBOARD_REQUEST__INIT;
    struct rpc_request request = {.method = fixture_method("lotcast.v1.Dashboard/GetDashboard"),
                                  .message = &dashboard.base,
                                  .context = &test->context.context};
    const ProtobufCMessage *response = NULL;
    assert_int_equal(rpc_channel_call(test->channel, &request, &response, NULL), RPC_UNIMPLEMENTED);
    assert_null(response);
}

static void test_unparsable_request(void **state)
{
    struct under_test *test = *state;
    static const uint8_t bad[][4] = {
        {0x0a, 0x7f, 0, 0}, /* a length beyond the end */
        {0xff, 0xff, 0xff, 0xff},
        {0x12, 0x02, 0x0a, 0x7f},
        {0x0a, 0x02, 0xff, 0x01},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rpc_request request = {.method = fixture_method(FIXTURE_QUERY),
                                      .packed = {bad[i], sizeof bad[i]},
                                      .context = &test->context.context};
        const ProtobufCMessage *response = NULL;
        assert_int_equal(rpc_channel_call(test->channel, &request, &response, NULL),
                         RPC_INVALID_ARGUMENT);
    }
    assert_int_equal(atomic_load(&test->fixture.ran), 0);
}

/* 16 MiB there and back can take longer than the method's 5 s under a sanitizer on a busy machine.
 */
static const ProtobufCMessage *call_patiently(struct under_test *test,
                                              const struct rpc_request *request)
{
    const ProtobufCMessage *response = NULL;
    enum rpc_code code;
    int tries = 0;
    do
        code = rpc_channel_call(test->channel, request, &response, NULL);
    while (code == RPC_DEADLINE_EXCEEDED && ++tries < 4);
    assert_int_equal(code, RPC_OK);
    return response;
}

static void test_oversize_request(void **state)
{
    struct under_test *test = *state;
    static uint8_t zeros[RPC_MESSAGE_BYTES_MAX + 1];
    struct fixture_query query;
    fixture_query_init(&query, ACTION_ECHO, "");
    query.range.cursor = (ProtobufCBinaryData){sizeof zeros, zeros};
    struct rpc_request request = {.method = fixture_method(FIXTURE_QUERY),
                                  .message = &query.request.base,
                                  .context = &test->context.context};
    const ProtobufCMessage *response = NULL;
    assert_int_equal(rpc_channel_call(test->channel, &request, &response, NULL),
                     RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(atomic_load(&test->fixture.ran), 0);

    query.range.cursor.len = RPC_MESSAGE_BYTES_MAX - 64;
    response = call_patiently(test, &request);
    const Lotcast__V1__QueryResponse *answer = (const Lotcast__V1__QueryResponse *)response;
    assert_int_equal(answer->rows[0]->value.len, RPC_MESSAGE_BYTES_MAX - 64);
}

static void test_oversize_answer(void **state)
{
    struct under_test *test = *state;
    struct fixture_query query;
    fixture_query_init(&query, ACTION_BIG, "");
    struct rpc_request request = {.method = fixture_method(FIXTURE_QUERY),
                                  .message = &query.request.base,
                                  .context = &test->context.context};
    const ProtobufCMessage *response = NULL;
    query.range.limit = RPC_MESSAGE_BYTES_MAX;
    assert_int_equal(rpc_channel_call(test->channel, &request, &response, NULL),
                     RPC_RESOURCE_EXHAUSTED);
    query.range.limit = RPC_MESSAGE_BYTES_MAX - 64;
    (void)call_patiently(test, &request);
}

/* --- metadata --- */

static void test_metadata_and_trace(void **state)
{
    struct under_test *test = *state;
    struct fixture_query query;
    struct rpc_metadata metadata = {0};
    assert_true(rpc_metadata_add(&metadata, "session", "secret"));
    assert_true(rpc_metadata_add(&metadata, "session", "second"));
    memcpy(test->context.context.request_id, "req-1", 6);
    memcpy(test->context.context.traceparent, "tp", 3);
    static const char *const rows[][2] = {
        {"session", "secret"}, {"request-id", "req-1"}, {"traceparent", "tp"}, {"none", NULL}};
    for (size_t i = 0; i < 4; i++) {
        fixture_query_init(&query, ACTION_METADATA, rows[i][0]);
        struct rpc_request request = {.method = fixture_method(FIXTURE_QUERY),
                                      .message = &query.request.base,
                                      .metadata = &metadata,
                                      .context = &test->context.context};
        const ProtobufCMessage *response = NULL;
        assert_int_equal(rpc_channel_call(test->channel, &request, &response, NULL), RPC_OK);
        const Lotcast__V1__QueryResponse *answer = (const Lotcast__V1__QueryResponse *)response;
        assert_int_equal(answer->n_rows, rows[i][1] != NULL);
        if (rows[i][1] != NULL)
            assert_memory_equal(answer->rows[0]->value.data, rows[i][1], strlen(rows[i][1]));
    }
}

static enum rpc_code call_with_metadata(struct under_test *test,
                                        const struct rpc_metadata *metadata)
{
    struct fixture_query query;
    fixture_query_init(&query, ACTION_ECHO, "");
    struct rpc_request request = {.method = fixture_method(FIXTURE_QUERY),
                                  .message = &query.request.base,
                                  .metadata = metadata,
                                  .context = &test->context.context};
    const ProtobufCMessage *response = NULL;
    return rpc_channel_call(test->channel, &request, &response, NULL);
}

static void test_metadata_limits(void **state)
{
    struct under_test *test = *state;
    static char long_value[RPC_METADATA_BYTES_MAX + 1];
    memset(long_value, 'x', RPC_METADATA_BYTES_MAX);
    static const char *const bad[][2] = {
        {"", "v"},     {"Upper", "v"},        {"sp ace", "v"}, {"k", "line\nend"},
        {"k", "\xff"}, {"k", "\xed\xa0\x80"}, {"k:", "v"},     {"k", long_value}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct rpc_metadata metadata = {.entries = {{bad[i][0], bad[i][1]}}, .count = 1};
        assert_int_equal(call_with_metadata(test, &metadata), RPC_INVALID_ARGUMENT);
    }
    struct rpc_metadata fits = {.entries = {{"k", long_value + 1}}, .count = 1};
    assert_int_equal(call_with_metadata(test, &fits), RPC_OK);
    struct rpc_metadata full = {0};
    while (rpc_metadata_add(&full, "k", "v"))
        continue;
    assert_int_equal(full.count, RPC_METADATA_ENTRIES_MAX);
    assert_int_equal(call_with_metadata(test, &full), RPC_OK);
    memcpy(test->context.context.request_id, "no room", 8);
    assert_int_equal(call_with_metadata(test, &full), RPC_INVALID_ARGUMENT);
}

/* --- interceptors --- */

struct watcher {
    char log[64];
    enum rpc_code refuses;
    const char *name;
};

static enum rpc_code watch_start(void *self, const struct rpc_request *request,
                                 struct rpc_metadata *metadata, struct rpc_status *status)
{
    struct watcher *watcher = self;
    assert_non_null(request->method);
    strncat(watcher->log, "s", 2);
    if (watcher->refuses != RPC_OK)
        return rpc_status_set(status, watcher->refuses, "refused");
    (void)rpc_metadata_add(metadata, "from", watcher->name);
    return RPC_OK;
}

static void watch_end(void *self, const struct registry_method *method,
                      const struct rpc_status *status, int64_t elapsed_us)
{
    struct watcher *watcher = self;
    assert_non_null(method);
    assert_true(elapsed_us >= 0);
    strncat(watcher->log, status->code == RPC_OK ? "e" : "f", 2);
}

static void test_client_interceptors(void **state)
{
    struct under_test *test = *state;
    struct watcher watchers[2] = {{.name = "first"}, {.name = "second"}};
    struct rpc_client_interceptor interceptors[2] = {{watch_start, watch_end, &watchers[0]},
                                                     {watch_start, watch_end, &watchers[1]}};
    struct rpc_channel_options options = {.url = test->url,
                                          .server = test->fixture.server,
                                          .interceptors = interceptors,
                                          .interceptor_count = 2};
    struct rpc_channel *channel = NULL;
    assert_int_equal(rpc_channel_open(&options, &channel, NULL), RPC_OK);
    const Lotcast__V1__QueryResponse *response = NULL;
    assert_int_equal(
        fixture_call(channel, &test->context, ACTION_METADATA, "from", &response, NULL), RPC_OK);
    assert_memory_equal(response->rows[0]->value.data, "first", 5);
    assert_string_equal(watchers[0].log, "se");
    assert_string_equal(watchers[1].log, "se");
    watchers[1].refuses = RPC_PERMISSION_DENIED;
    assert_int_equal(fixture_call(channel, &test->context, ACTION_ECHO, "", NULL, NULL),
                     RPC_PERMISSION_DENIED);
    assert_string_equal(watchers[0].log, "sesf");
    assert_string_equal(watchers[1].log, "ses");
    rpc_channel_close(channel);
}

/* --- opening --- */

static void test_bad_urls(void **state)
{
    struct under_test *test = *state;
    static const struct {
        const char *url;
        enum rpc_code code;
    } rows[] = {
        {NULL, RPC_INVALID_ARGUMENT},
        {"", RPC_INVALID_ARGUMENT},
        {"http://localhost/", RPC_INVALID_ARGUMENT},
        {"ipc://relative", RPC_INVALID_ARGUMENT},
        {"ipc://", RPC_INVALID_ARGUMENT},
        {"ipc:///a,", RPC_INVALID_ARGUMENT},
        {",ipc:///a", RPC_INVALID_ARGUMENT},
        {"ipc:///a,direct:", RPC_INVALID_ARGUMENT},
        {"ipc:///a,http://localhost/", RPC_INVALID_ARGUMENT},
        {"ipc:///a,tcp://192.0.2.1:4000", RPC_FAILED_PRECONDITION},
        {"tcp://127.0.0.1", RPC_INVALID_ARGUMENT},
        {"tcp://127.0.0.1:1/path", RPC_INVALID_ARGUMENT},
        {"tcp://192.0.2.1:4000", RPC_FAILED_PRECONDITION},
        {"tcp://[::]:4000", RPC_FAILED_PRECONDITION},
        {"tls+tcp://127.0.0.1", RPC_INVALID_ARGUMENT},
        {"req+tls+tcp://127.0.0.1:4000", RPC_INVALID_ARGUMENT},
        {"req+ipc://relative", RPC_INVALID_ARGUMENT},
        {"req+ipc://", RPC_INVALID_ARGUMENT},
        {"req+ipc:///a,,req+ipc:///b", RPC_INVALID_ARGUMENT},
        {"req+tcp://127.0.0.1", RPC_INVALID_ARGUMENT},
        {"req+tcp://127.0.0.1:", RPC_INVALID_ARGUMENT},
        {"req+tcp://127.0.0.1:x1", RPC_INVALID_ARGUMENT},
        {"req+tcp://192.0.2.1:4000", RPC_FAILED_PRECONDITION},
        {"req+tcp://0.0.0.0:4000", RPC_FAILED_PRECONDITION},
        {"req+tcp://:4000", RPC_FAILED_PRECONDITION},
        {"req+tcp://*:4000", RPC_FAILED_PRECONDITION},
        {"req+tcp://[::]:4000", RPC_FAILED_PRECONDITION},
        {"req+tcp://127.0.0.1.example.com:4000", RPC_FAILED_PRECONDITION},
        {"req+ipc:///aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         RPC_FAILED_PRECONDITION},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpc_channel_options options = {.url = rows[i].url, .server = test->fixture.server};
        struct rpc_channel *channel = NULL;
        struct rpc_status status;
        assert_int_equal(rpc_channel_open(&options, &channel, &status), rows[i].code);
        assert_null(channel);
        assert_int_not_equal(status.message[0], '\0');
    }
    struct rpc_channel_options no_server = {.url = "direct:"};
    struct rpc_channel *channel = NULL;
    assert_int_equal(rpc_channel_open(&no_server, &channel, NULL), RPC_INVALID_ARGUMENT);
    rpc_channel_close(NULL);
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
        ALL(test_echo),
        ALL(test_empty_answer),
        ALL(test_status_has_all_details),
        ALL(test_deferred),
        ALL(test_inline_runs_here_over_direct_only),
        ALL(test_already_packed),
        ALL(test_unserved_method),
        ALL(test_unparsable_request),
        ALL(test_oversize_request),
        ALL(test_oversize_answer),
        ALL(test_metadata_and_trace),
        ALL(test_metadata_limits),
        ALL(test_client_interceptors),
        {"bad URLs", test_bad_urls, set_up_direct, tear_down, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
