#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include "clients/http/http.h"
#include "rpc/base/clock.h"
#include "test/unit/clients/http_server.h"

#define BIG_BYTES ((size_t)1024 * 1024)
#define DEADLINE_MS 20000

struct fixture {
    struct http_server *server;
    struct http_client *client;
    uint8_t *bomb; /* BIG_BYTES zeros, gzipped */
    size_t bomb_len;
    atomic_int posts;
};

static void answer_special(struct fixture *fixture, struct http_exchange *exchange)
{
    static char big[BIG_BYTES];
    const char *target = exchange->target;
    if (strcmp(target, "/bomb") == 0) {
        http_exchange_answer(exchange, 200, "Content-Encoding: gzip\r\n", fixture->bomb,
                             fixture->bomb_len);
    } else if (strcmp(target, "/big") == 0) {
        http_exchange_answer(exchange, 200, NULL, big, sizeof big);
    } else if (strcmp(target, "/endless") == 0) {
        (void)http_exchange_write_text(exchange,
                                       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while (http_exchange_write_text(exchange, "10\r\n0123456789abcdef\r\n")) {
        }
    } else if (strcmp(target, "/headers") == 0) {
        (void)http_exchange_write_text(exchange, "HTTP/1.1 200 OK\r\n");
        while (http_exchange_write_text(exchange, "X-More: 0123456789abcdef\r\n")) {
        }
    } else if (strcmp(target, "/hang") == 0) {
        http_exchange_hang(exchange);
    } else if (strcmp(target, "/cut") == 0) {
        (void)http_exchange_write_text(exchange,
                                       "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        exchange->close = true;
    } else if (strcmp(target, "/garbage") == 0) {
        (void)http_exchange_write_text(exchange, "SSH-2.0-x\r\n\r\n");
        exchange->close = true;
    } else if (strcmp(target, "/badgzip") == 0) {
        http_exchange_answer_text(exchange, 200, "Content-Encoding: gzip\r\n", "this is no gzip");
    } else if (strcmp(target, "/interim") == 0) {
        (void)http_exchange_write_text(exchange, "HTTP/1.1 103 Early\r\nX-Early: 1\r\n\r\n");
        http_exchange_answer_text(exchange, 200, "X-Late: 2\r\n", "done");
    } else {
        http_exchange_answer_text(exchange, 404, NULL, "");
    }
}

static void handle(void *arg, struct http_exchange *exchange)
{
    struct fixture *fixture = arg;
    const char *target = exchange->target;
    if (strcmp(target, "/hello") == 0) {
        http_exchange_answer_text(exchange, 200, "X-One:  a b \r\nx-one: c\r\nX-Empty:\r\n",
                                  "hello");
    } else if (strcmp(target, "/head") == 0) { /* the request's head comes back */
        http_exchange_answer_text(exchange, 200, NULL, exchange->head);
    } else if (strcmp(target, "/echo") == 0) {
        http_exchange_answer(exchange, 201, NULL, exchange->body, exchange->body_len);
    } else if (strcmp(target, "/redirect") == 0) {
        http_exchange_answer_text(exchange, 302, "Location: /hello\r\n", "");
    } else if (strcmp(target, "/die") == 0) { /* the peer acts, and dies before it answers */
        atomic_fetch_add(&fixture->posts, 1);
        exchange->close = true;
    } else {
        answer_special(fixture, exchange);
    }
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->server = http_server_start(handle, fixture);
    const struct http_options options = {.user_agent = "Test/1"};
    assert_int_equal(http_client_create(&options, &fixture->client, NULL), RPC_OK);
    uint8_t *zeros = calloc(1, BIG_BYTES);
    z_stream stream = {0};
    fixture->bomb = malloc(BIG_BYTES);
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = zeros;
    stream.avail_in = BIG_BYTES;
    stream.next_out = fixture->bomb;
    stream.avail_out = BIG_BYTES;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    fixture->bomb_len = stream.total_out;
    (void)deflateEnd(&stream);
    free(zeros);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    http_client_destroy(fixture->client);
    http_server_stop(fixture->server);
    free(fixture->bomb);
    free(fixture);
    return 0;
}

static void make_url(const struct fixture *fixture, const char *path, char url[static 256])
{
    (void)snprintf(url, 256, "http://127.0.0.1:%u%s", http_server_port(fixture->server), path);
}

static struct http_request request_of(const char *url)
{
    return (struct http_request){.url = url,
                                 .deadline_ms = clock_mono_ms() + DEADLINE_MS,
                                 .wire_bytes_max = 64 * 1024,
                                 .body_bytes_max = 64 * 1024,
                                 .accept_encoded = true};
}

static enum http_failure fetch(struct fixture *fixture, const char *path,
                               void (*change)(struct http_request *request),
                               struct http_response **ret_response)
{
    char url[256];
    make_url(fixture, path, url);
    struct http_request request = request_of(url);
    if (change != NULL)
        change(&request);
    return http_client_fetch(fixture->client, NULL, &request, ret_response);
}

static void answers_with_status_headers_and_body(void **state)
{
    struct http_response *response = NULL;
    assert_int_equal(fetch(*state, "/hello", NULL, &response), HTTP_FAILURE_NONE);
    assert_int_equal(response->status, 200);
    assert_true(span_equal_string(response->body, "hello"));
    assert_string_equal(http_response_header(response, "x-one"), "a b");
    assert_string_equal(http_response_header(response, "x-empty"), "");
    assert_null(http_response_header(response, "X-One"));
    assert_false(response->truncated);
    http_response_free(response);
    assert_int_equal(fetch(*state, "/interim", NULL, &response), HTTP_FAILURE_NONE);
    assert_null(http_response_header(response, "x-early"));
    assert_string_equal(http_response_header(response, "x-late"), "2");
    http_response_free(response);
    assert_int_equal(fetch(*state, "/redirect", NULL, &response), HTTP_FAILURE_NONE);
    assert_int_equal(response->status, 302);
    assert_string_equal(http_response_header(response, "location"), "/hello");
    http_response_free(response);
    http_response_free(NULL);
}

static const struct http_header two_headers[] = {{"X-A", "1"}, {"X-Empty", ""}};

static void post_json(struct http_request *request)
{
    request->verb = HTTP_POST;
    request->headers = two_headers;
    request->header_count = 2;
    request->body = span_of_string("{\"a\":1}");
}

static void use_head(struct http_request *request)
{
    request->verb = HTTP_HEAD;
}

static void use_delete(struct http_request *request)
{
    request->verb = HTTP_DELETE;
}

static void sends_what_was_asked_for(void **state)
{
    struct http_response *response = NULL;
    assert_int_equal(fetch(*state, "/echo", post_json, &response), HTTP_FAILURE_NONE);
    assert_int_equal(response->status, 201);
    assert_true(span_equal_string(response->body, "{\"a\":1}"));
    http_response_free(response);
    assert_int_equal(fetch(*state, "/head", post_json, &response), HTTP_FAILURE_NONE);
    const char *head = (const char *)response->body.data;
    assert_non_null(strstr(head, "POST /head HTTP/1.1\r\n"));
    assert_non_null(strstr(head, "\r\nX-A: 1\r\n"));
    assert_non_null(strstr(head, "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(head, "\r\nUser-Agent: Test/1\r\n"));
    assert_null(strcasestr(head, "expect:"));
    http_response_free(response);
    assert_int_equal(fetch(*state, "/head", use_delete, &response), HTTP_FAILURE_NONE);
    assert_memory_equal(response->body.data, "DELETE /head", 12);
    http_response_free(response);
    assert_int_equal(fetch(*state, "/hello", use_head, &response), HTTP_FAILURE_NONE);
    assert_int_equal(response->status, 200);
    assert_int_equal(response->body.len, 0);
    http_response_free(response);
}

static const struct http_header broken_value[] = {{"X-A", "1\r\nX-B: 2"}};
static const struct http_header broken_name[] = {{"X-A: 1\r\nX-B", "2"}};

static void use_broken_value(struct http_request *request)
{
    request->headers = broken_value;
    request->header_count = 1;
}

static void use_broken_name(struct http_request *request)
{
    request->headers = broken_name;
    request->header_count = 1;
}

static void a_header_cannot_smuggle_another(void **state)
{
    struct http_response *response = NULL;
    assert_int_equal(fetch(*state, "/head", use_broken_value, &response), HTTP_FAILURE_CONNECT);
    assert_int_equal(fetch(*state, "/head", use_broken_name, &response), HTTP_FAILURE_CONNECT);
}

static void allow_big_wire(struct http_request *request)
{
    request->wire_bytes_max = 2 * BIG_BYTES;
    request->keep_partial = true;
}

static void allow_big_body(struct http_request *request)
{
    request->body_bytes_max = 2 * BIG_BYTES;
}

static void allow_both(struct http_request *request)
{
    request->wire_bytes_max = 2 * BIG_BYTES;
    request->body_bytes_max = BIG_BYTES;
}

static void keep_partial(struct http_request *request)
{
    request->keep_partial = true;
}

static void caps_wire_and_decoded_bytes(void **state)
{
    struct http_response *response = NULL;
    assert_int_equal(fetch(*state, "/big", NULL, &response), HTTP_FAILURE_TOO_LARGE);
    assert_int_equal(fetch(*state, "/big", allow_big_body, &response), HTTP_FAILURE_TOO_LARGE);
    assert_int_equal(fetch(*state, "/endless", NULL, &response), HTTP_FAILURE_TOO_LARGE);
    assert_int_equal(fetch(*state, "/endless", allow_big_body, &response), HTTP_FAILURE_TOO_LARGE);
    assert_int_equal(fetch(*state, "/bomb", NULL, &response), HTTP_FAILURE_TOO_LARGE);
    assert_int_equal(fetch(*state, "/headers", NULL, &response), HTTP_FAILURE_TOO_LARGE);
    assert_int_equal(fetch(*state, "/big", allow_both, &response), HTTP_FAILURE_NONE);
    assert_int_equal(response->body.len, BIG_BYTES);
    assert_false(response->truncated);
    http_response_free(response);
}

static void keeps_a_part_when_asked(void **state)
{
    struct http_response *response = NULL;
    assert_int_equal(fetch(*state, "/big", allow_big_wire, &response), HTTP_FAILURE_NONE);
    assert_true(response->truncated);
    assert_int_equal(response->body.len, 64 * 1024);
    http_response_free(response);
    assert_int_equal(fetch(*state, "/bomb", keep_partial, &response), HTTP_FAILURE_NONE);
    assert_true(response->truncated);
    assert_int_equal(response->body.len, 64 * 1024);
    http_response_free(response);
    /* … but not of something that is cut off. */
    assert_int_equal(fetch(*state, "/cut", keep_partial, &response), HTTP_FAILURE_PROTOCOL);
}

static void short_deadline(struct http_request *request)
{
    request->deadline_ms = clock_mono_ms() + 50;
}

static void past_deadline(struct http_request *request)
{
    request->deadline_ms = clock_mono_ms() - 1;
}

static void names_each_failure(void **state)
{
    struct fixture *fixture = *state;
    struct http_response *response = NULL;
    assert_int_equal(fetch(fixture, "/cut", NULL, &response), HTTP_FAILURE_PROTOCOL);
    assert_int_equal(fetch(fixture, "/garbage", NULL, &response), HTTP_FAILURE_PROTOCOL);
    assert_int_equal(fetch(fixture, "/badgzip", NULL, &response), HTTP_FAILURE_PROTOCOL);
    assert_int_equal(fetch(fixture, "/hang", short_deadline, &response), HTTP_FAILURE_TIMEOUT);
    assert_int_equal(fetch(fixture, "/hello", past_deadline, &response), HTTP_FAILURE_TIMEOUT);
    struct http_request request = request_of("http://127.0.0.1:1/");
    assert_int_equal(http_client_fetch(fixture->client, NULL, &request, &response),
                     HTTP_FAILURE_CONNECT);
    request.url = "http://name.invalid/";
    assert_int_equal(http_client_fetch(fixture->client, NULL, &request, &response),
                     HTTP_FAILURE_DNS);
    request.url = "ftp://127.0.0.1/";
    assert_int_equal(http_client_fetch(fixture->client, NULL, &request, &response),
                     HTTP_FAILURE_PROTOCOL);
    char url[256];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u/", http_server_port(fixture->server));
    request.url = url;
    assert_int_equal(http_client_fetch(fixture->client, NULL, &request, &response),
                     HTTP_FAILURE_TLS);
}

static const struct http_address_policy public_only = {.public_only = true};

static void only_public(struct http_request *request)
{
    request->policy = &public_only;
}

static void the_policy_is_asked_before_anything_is_sent(void **state)
{
    struct fixture *fixture = *state;
    struct http_response *response = NULL;
    assert_int_equal(fetch(fixture, "/hello", only_public, &response), HTTP_FAILURE_ADDRESS);
    assert_int_equal(http_server_connections(fixture->server), 0);
    static const char *const urls[] = {"http://localhost:9/", "http://127.0.0.1:1/",
                                       "http://[::1]:9/", "http://[::ffff:127.0.0.1]:9/",
                                       "http://0.0.0.0:9/"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct http_request request = request_of(urls[i]);
        request.policy = &public_only;
        assert_int_equal(http_client_fetch(fixture->client, NULL, &request, &response),
                         HTTP_FAILURE_ADDRESS);
    }
}

static void a_kept_connection_is_checked_too(void **state)
{
    struct fixture *fixture = *state;
    struct http_response *response = NULL;
    assert_int_equal(fetch(fixture, "/hello", NULL, &response), HTTP_FAILURE_NONE);
    http_response_free(response);
    assert_int_equal(fetch(fixture, "/hello", NULL, &response), HTTP_FAILURE_NONE);
    http_response_free(response);
    assert_int_equal(http_server_connections(fixture->server), 1); /* it is kept */
    assert_int_equal(fetch(fixture, "/hello", only_public, &response), HTTP_FAILURE_ADDRESS);
    struct config_cidr loopback;
    size_t count = 0;
    assert_true(config_parse_cidrs("127.0.0.0/8", &loopback, 1, &count));
    const struct http_address_policy policy = {true, &loopback, 1};
    char url[256];
    make_url(fixture, "/hello", url);
    struct http_request request = request_of(url);
    request.policy = &policy;
    assert_int_equal(http_client_fetch(fixture->client, NULL, &request, &response),
                     HTTP_FAILURE_NONE);
    http_response_free(response);
}

static void no_proxy_of_the_environment_is_used(void **state)
{
    struct http_response *response = NULL;
    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
    assert_int_equal(setenv("all_proxy", "http://127.0.0.1:1", 1), 0);
    enum http_failure failure = fetch(*state, "/hello", NULL, &response);
    (void)unsetenv("http_proxy");
    (void)unsetenv("all_proxy");
    assert_int_equal(failure, HTTP_FAILURE_NONE);
    http_response_free(response);
}

static void a_post_goes_out_once(void **state)
{
    struct fixture *fixture = *state;
    struct http_response *response = NULL;
    /* A kept connection, which then dies on the POST: libcurl alone would send it again. */
    assert_int_equal(fetch(fixture, "/hello", NULL, &response), HTTP_FAILURE_NONE);
    http_response_free(response);
    assert_int_equal(fetch(fixture, "/die", post_json, &response), HTTP_FAILURE_PROTOCOL);
    assert_int_equal(atomic_load(&fixture->posts), 1);
}

struct counted {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int over;
    int cancelled;
    int answered;
};

static void count(void *arg, struct http_response *response, enum http_failure failure)
{
    struct counted *counted = arg;
    (void)pthread_mutex_lock(&counted->mutex);
    counted->over++;
    counted->cancelled += failure == HTTP_FAILURE_CANCELLED;
    counted->answered += failure == HTTP_FAILURE_NONE;
    (void)pthread_cond_broadcast(&counted->cond);
    (void)pthread_mutex_unlock(&counted->mutex);
    http_response_free(response);
}

static void wait_over(struct counted *counted, int over)
{
    (void)pthread_mutex_lock(&counted->mutex);
    while (counted->over < over)
        (void)pthread_cond_wait(&counted->cond, &counted->mutex);
    (void)pthread_mutex_unlock(&counted->mutex);
}

static void cancels_once_from_any_thread(void **state)
{
    struct fixture *fixture = *state;
    struct counted counted = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    char url[256];
    make_url(fixture, "/hang", url);
    struct http_request request = request_of(url);
    struct http_call *calls[20];
    for (int i = 0; i < 20; i++)
        calls[i] = http_client_send(fixture->client, &request, count, &counted);
    for (int i = 0; i < 20; i++) {
        http_call_cancel(calls[i]);
        http_call_cancel(calls[i]);
    }
    wait_over(&counted, 20);
    assert_int_equal(counted.cancelled, 20);
    for (int i = 0; i < 20; i++) {
        http_call_cancel(calls[i]); /* nothing: it is over */
        http_call_unref(calls[i]);
    }
    assert_int_equal(counted.over, 20);
}

static void many_at_once_with_few_connections(void **state)
{
    struct fixture *fixture = *state;
    const struct http_options options = {.connections_max = 8, .connections_per_host_max = 3};
    struct http_client *client = NULL;
    assert_int_equal(http_client_create(&options, &client, NULL), RPC_OK);
    struct counted counted = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    char url[256];
    make_url(fixture, "/hello", url);
    struct http_request request = request_of(url);
    for (int i = 0; i < 200; i++)
        http_call_unref(http_client_send(client, &request, count, &counted));
    wait_over(&counted, 200);
    assert_int_equal(counted.answered, 200);
    assert_true(http_server_parallel_max(fixture->server) <= 3);
    http_client_destroy(client);
}

static void waiting_for_a_connection_counts_against_the_deadline(void **state)
{
    struct fixture *fixture = *state;
    const struct http_options options = {.connections_max = 1};
    struct http_client *client = NULL;
    assert_int_equal(http_client_create(&options, &client, NULL), RPC_OK);
    struct counted counted = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    char url[256];
    make_url(fixture, "/hang", url);
    struct http_request request = request_of(url);
    struct http_call *hanging = http_client_send(client, &request, count, &counted);
    struct http_response *response = NULL;
    request.deadline_ms = clock_mono_ms() + 100;
    assert_int_equal(http_client_fetch(client, NULL, &request, &response), HTTP_FAILURE_TIMEOUT);
    http_client_destroy(client); /* cancels what hangs */
    assert_int_equal(counted.cancelled, 1);
    http_call_cancel(hanging); /* a handle may outlive the client */
    http_call_unref(hanging);
}

static void a_stopped_context_ends_a_fetch(void **state)
{
    struct fixture *fixture = *state;
    atomic_bool cancelled = true;
    struct rpc_context context = {.deadline_ms = INT64_MAX, .cancelled = &cancelled};
    char url[256];
    make_url(fixture, "/hang", url);
    struct http_request request = request_of(url);
    struct http_response *response = NULL;
    assert_int_equal(http_client_fetch(fixture->client, &context, &request, &response),
                     HTTP_FAILURE_CANCELLED);
    atomic_store(&cancelled, false);
    context.deadline_ms = clock_mono_ms() + 50;
    assert_int_equal(http_client_fetch(fixture->client, &context, &request, &response),
                     HTTP_FAILURE_TIMEOUT);
    assert_null(response);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answers_with_status_headers_and_body),
        CASE(sends_what_was_asked_for),
        CASE(a_header_cannot_smuggle_another),
        CASE(caps_wire_and_decoded_bytes),
        CASE(keeps_a_part_when_asked),
        CASE(names_each_failure),
        CASE(the_policy_is_asked_before_anything_is_sent),
        CASE(a_kept_connection_is_checked_too),
        CASE(no_proxy_of_the_environment_is_used),
        CASE(a_post_goes_out_once),
        CASE(cancels_once_from_any_thread),
        CASE(many_at_once_with_few_connections),
        CASE(waiting_for_a_connection_counts_against_the_deadline),
        CASE(a_stopped_context_ends_a_fetch),
    };
    return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
