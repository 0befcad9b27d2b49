/*
 * Connections: several requests, clients that leave, dawdle or do not read, limits, the end.
 */
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "rpc/base/clock.h"
#include "rpc/base/metrics.h"
#include "test/integration/rest_fixture.h"
#include "test/support/process.h"

#define HOST "Host: x\r\n"
#define SESSION "Cookie: lotcast_session=good\r\n"
#define HEALTHZ "GET /healthz HTTP/1.1\r\n" HOST "\r\n"
#define DASHBOARD "GET /api/customer/dashboard HTTP/1.1\r\n" HOST SESSION "\r\n"
#define WEBSITE \
    "POST /api/onboarding/website HTTP/1.1\r\n" HOST SESSION "Content-Type: application/json\r\n"
#define SCAN WEBSITE "Content-Length: 11\r\n\r\n{\"url\":\"x\"}"
#define SCAN_CHUNKED \
    WEBSITE          \
    "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"url\r\n6;a=b\r\n\":\"x\"}\r\n0\r\nA: b\r\n\r\n"
#define WAIT WEBSITE "Content-Length: 14\r\n\r\n{\"url\":\"wait\"}"
#define LOG_OUT "POST /api/auth/logout HTTP/1.1\r\n" HOST

/* A gauge or counter of the facade's own, by /metrics' text. */
static int64_t metric(const char *name)
{
    struct buffer text;
    char pattern[128];
    buffer_init(&text, (size_t)4 * 1024 * 1024);
    metrics_print(&text);
    (void)snprintf(pattern, sizeof pattern, "\n%s ", name);
    const char *at = strstr(buffer_cstring(&text), pattern);
    int64_t value = at == NULL ? -1 : strtoll(at + strlen(pattern), NULL, 10);
    buffer_fini(&text);
    return value;
}

/* Generous: a client that does not read is given up by a timer. */
#define METRIC_MS 30000

struct wanted {
    const char *name;
    int64_t value;
};

static bool metric_is(void *wanted_)
{
    const struct wanted *wanted = wanted_;
    return metric(wanted->name) == wanted->value;
}

static void wait_for_metric(const char *name, int64_t value)
{
    struct wanted wanted = {name, value};
    if (!wait_until(metric_is, &wanted, METRIC_MS))
        fail_msg("%s is %lld, not %lld", name, (long long)metric(name), (long long)value);
}

static void expect(int fd, int status)
{
    struct raw_answer answer;
    raw_read(fd, false, &answer);
    assert_int_equal(answer.status, status);
    raw_answer_free(&answer);
}

/* --- several requests --- */

static void test_keep_alive(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, NULL);
    int fd = raw_connect(&fixture);
    for (int i = 0; i < 50; i++) {
        raw_send(fd, i % 2 == 0 ? DASHBOARD : SCAN);
        expect(fd, 200);
    }
    raw_send(fd, "GET /healthz HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    expect(fd, 200);
    assert_true(raw_is_closed(fd));
    (void)close(fd);
    rest_fixture_stop(&fixture);
}

static void test_pipelining(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, NULL);
    /* Quick reads, pool methods, bodies by length and in chunks, an error: answered in order. */
    static const char all[] = HEALTHZ SCAN DASHBOARD SCAN_CHUNKED
        "\r\nGET /nothing HTTP/1.1\r\n" HOST "\r\n" SCAN_CHUNKED DASHBOARD;
    static const int statuses[] = {200, 200, 200, 200, 404, 200, 200};
    for (size_t step = 1; step < sizeof all; step = step * 3 + 1) {
        int fd = raw_connect(&fixture);
        for (size_t at = 0; at < sizeof all - 1; at += step)
            raw_send_bytes(fd, all + at, sizeof all - 1 - at < step ? sizeof all - 1 - at : step);
        for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
            expect(fd, statuses[i]);
        (void)close(fd);
    }
    /* One that is refused ends it; what came before is answered. */
    int fd = raw_connect(&fixture);
    raw_send(fd, SCAN "GET / HTTP/1.1\r\n\r\n" HEALTHZ);
    expect(fd, 200);
    expect(fd, 400);
    assert_true(raw_is_closed(fd));
    (void)close(fd);
    rest_fixture_stop(&fixture);
}

/*
 * A body over the limit is not read. Whatever the request is answered, what its sender says next is
 * that body and never another request.
 */
static void test_body_left_unread_is_no_request(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "POST /nothing HTTP/1.1\r\n" HOST,
        "GET /healthz HTTP/1.1\r\n" HOST,
        "GET /readyz HTTP/1.1\r\n" HOST,
        "GET /metrics HTTP/1.1\r\n" HOST,
        "GET /app/x HTTP/1.1\r\n" HOST "Accept: text/html\r\n",
        "GET /api/auth/login HTTP/1.1\r\n" HOST,
        "OPTIONS /api/auth/login HTTP/1.1\r\n" HOST,
        "POST /api/auth/login HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n",
        "POST /api/auth/login HTTP/1.1\r\n" HOST,
    };
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, NULL);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = raw_connect(&fixture);
        struct raw_answer answer;
        raw_send(fd, requests[i]);
        raw_send(fd, "Content-Length: 1048577\r\n\r\n");
        raw_read(fd, false, &answer);
        assert_true(answer.status >= 200 && answer.status < 500);
        raw_answer_free(&answer);
        raw_send(fd, "GET /healthz HTTP/1.1\r\n" HOST "\r\n");
        assert_true(raw_is_closed(fd));
        (void)close(fd);
    }
    rest_fixture_stop(&fixture);
}

static void test_continue(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, NULL);
    int fd = raw_connect(&fixture);
    raw_send(fd, WEBSITE "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    expect(fd, 100);
    raw_send(fd, "{\"url\":\"x\"}");
    expect(fd, 200);
    raw_send(fd, WEBSITE "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n{\"url\":\"x\"}");
    expect(fd, 200); /* the body is there already: no 100 */
    (void)close(fd);
    rest_fixture_stop(&fixture);
}

/* --- clients that leave --- */

#define LEAVERS 1000

static void test_clients_that_leave(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, NULL);
    int cancelled = atomic_load(&rest_fixture_cancelled);
    int64_t gone = metric("lotcast_http_gone_clients_total");
    static int fds[LEAVERS];
    for (size_t round = 0; round < 5; round++) {
        for (size_t i = 0; i < LEAVERS / 5; i++) {
            fds[i] = raw_connect(&fixture);
            raw_send(fds[i], WAIT);
        }
        rest_fixture_wait_for(&rest_fixture_waiting, LEAVERS / 5);
        for (size_t i = 0; i < LEAVERS / 5; i++) {
            const struct linger reset = {.l_onoff = i % 2 == 0, .l_linger = 0};
            (void)setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            (void)close(fds[i]);
        }
        rest_fixture_wait_for(&rest_fixture_waiting, 0);
    }
    assert_int_equal(atomic_load(&rest_fixture_cancelled), cancelled + LEAVERS);
    wait_for_metric("lotcast_http_connections", 0);
    wait_for_metric("lotcast_http_calls_in_flight", 0);
    assert_int_equal(metric("lotcast_http_gone_clients_total"), gone + LEAVERS);
    struct raw_answer answer;
    raw_request(&fixture, SCAN, &answer);
    assert_int_equal(answer.status, 200);
    raw_answer_free(&answer);
    rest_fixture_stop(&fixture);
}

static void test_clients_that_leave_at_any_byte(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, NULL);
    static const char all[] = SCAN_CHUNKED DASHBOARD;
    int64_t accepted = metric("lotcast_http_accepted_connections_total");
    for (size_t len = 0; len < sizeof all; len++) {
        int fd = raw_connect(&fixture);
        raw_send_bytes(fd, all, len);
        (void)close(fd);
    }
    wait_for_metric("lotcast_http_accepted_connections_total", accepted + (int64_t)sizeof all);
    wait_for_metric("lotcast_http_connections", 0);
    rest_fixture_stop(&fixture);
}

/* A client that has said all and shuts its side down still gets what comes soon. */
static void test_half_closed(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, NULL);
    static const char *const requests[] = {HEALTHZ, DASHBOARD, SCAN};
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = raw_connect(&fixture);
        raw_send(fd, requests[i]);
        (void)shutdown(fd, SHUT_WR);
        expect(fd, 200);
        assert_true(raw_is_closed(fd));
        (void)close(fd);
    }
    rest_fixture_stop(&fixture);
}

/* --- clients that dawdle --- */

static void be_impatient(struct rest_options *options)
{
    options->head_ms_max = 300;
    options->body_ms_max = 300;
    options->idle_ms_max = 300;
    options->write_ms_max = 300;
}

static void test_slow_clients(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, be_impatient);
    static const char *const beginnings[] = {
        "",
        "\r\n",
        "GET /healthz HTTP/1.1\r\nHost",
        WEBSITE "Content-Length: 11\r\n\r\n{",
        WEBSITE "Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        HEALTHZ,
        HEALTHZ "GET /hea",
    };
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        int fd = raw_connect(&fixture);
        raw_send(fd, beginnings[i]);
        if (strncmp(beginnings[i], HEALTHZ, strlen(HEALTHZ)) == 0)
            expect(fd, 200);
        assert_true(raw_is_closed(fd));
        (void)close(fd);
    }
    /* Dripping does not help. */
    int fd = raw_connect(&fixture);
    int64_t begin_ms = clock_mono_ms();
    raw_send(fd, "GET /healthz HTTP/1.1\r\n" HOST "A: ");
    struct pollfd closed = {.fd = fd, .events = POLLIN};
    while (clock_mono_ms() - begin_ms < 5000 && poll(&closed, 1, 20) == 0)
        (void)send(fd, "a", 1, MSG_NOSIGNAL);
    assert_true(clock_mono_ms() - begin_ms < 3000);
    (void)close(fd);
    wait_for_metric("lotcast_http_connections", 0);
    rest_fixture_stop(&fixture);
}

static void test_slow_readers(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, be_impatient);
    int fds[20];
    for (size_t i = 0; i < 20; i++) {
        int small = 4096;
        fds[i] = raw_connect(&fixture);
        (void)setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        /* 8,000 is 800,000 bytes: decimal_places is 2. */
        for (int j = 0; j < 8; j++)
            raw_send(fds[i], "POST /api/onboarding/launch HTTP/1.1\r\n" HOST SESSION
                             "Content-Type: application/json\r\nContent-Length: 22\r\n\r\n"
                             "{\"monthlyBudget\":8000}");
    }
    wait_for_metric("lotcast_http_connections", 20);
    wait_for_metric("lotcast_http_connections", 0); /* none reads a byte */
    for (size_t i = 0; i < 20; i++)
        (void)close(fds[i]);
    rest_fixture_stop(&fixture);
}

/* --- limits, proxies --- */

static void allow_ten(struct rest_options *options)
{
    options->connections_max = 10;
    options->connections_per_address_max = 1; /* loopback is exempt */
}

static void test_connection_limit(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, allow_ten);
    int fds[10];
    for (size_t i = 0; i < 10; i++) {
        fds[i] = raw_connect(&fixture);
        raw_send(fds[i], HEALTHZ);
        expect(fds[i], 200);
    }
    int one_more = raw_connect(&fixture);
    assert_true(raw_is_closed(one_more));
    (void)close(one_more);
    (void)close(fds[0]);
    wait_for_metric("lotcast_http_connections", 9);
    one_more = raw_connect(&fixture);
    raw_send(one_more, HEALTHZ);
    expect(one_more, 200);
    (void)close(one_more);
    for (size_t i = 1; i < 10; i++)
        (void)close(fds[i]);
    rest_fixture_stop(&fixture);
}

static struct config_cidr loopback_proxy;

static void trust_loopback(struct rest_options *options)
{
    size_t count = 0;
    assert_true(config_parse_cidrs("127.0.0.0/8", &loopback_proxy, 1, &count));
    options->trusted_proxies = &loopback_proxy;
    options->trusted_proxy_count = 1;
    options->public_url = "https://App.example.com:443/";
}

static void test_behind_a_proxy(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, trust_loopback);
    static const struct {
        const char *headers;
        const char *address;
    } cases[] = {
        {"", "client-address=127.0.0.1;"},
        {"X-Forwarded-For: 1.2.3.4\r\n", "client-address=1.2.3.4;"},
        {"X-Forwarded-For: 9.9.9.9, 1.2.3.4, 127.0.0.2\r\n", "client-address=1.2.3.4;"},
        {"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 1.2.3.4\r\n", "client-address=1.2.3.4;"},
        {"X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 127.0.0.3\r\n", "client-address=9.9.9.9;"},
        {"X-Forwarded-For: ::ffff:1.2.3.4\r\n", "client-address=1.2.3.4;"},
        {"X-Forwarded-For: junk\r\n", "client-address=127.0.0.1;"},
        {"X-Forwarded-Host: evil\r\nForwarded: for=9.9.9.9\r\n", "client-address=127.0.0.1;"},
    };
    char request[512];
    struct raw_answer answer;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)snprintf(request, sizeof request, "%s%s\r\n", LOG_OUT, cases[i].headers);
        raw_request(&fixture, request, &answer);
        if (strstr(answer.body, cases[i].address) == NULL)
            fail_msg("%s: %s", cases[i].headers, answer.body);
        assert_non_null(strstr(answer.head, "Max-Age=0; Secure\r\n"));
        raw_answer_free(&answer);
    }
    raw_request(&fixture, LOG_OUT "Origin: https://app.example.com\r\n\r\n", &answer);
    assert_int_equal(answer.status, 200);
    raw_answer_free(&answer);
    raw_request(&fixture, LOG_OUT "Origin: http://app.example.com\r\n\r\n", &answer);
    assert_int_equal(answer.status, 403);
    raw_answer_free(&answer);
    rest_fixture_stop(&fixture);
}

/* Host and so many others, through libh2o, which has a limit of its own. */
static void test_many_lines(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, NULL);
    for (size_t count = 99; count <= 100; count++) {
        char request[4096] = LOG_OUT;
        struct raw_answer answer;
        size_t len = strlen(request);
        for (size_t i = 1; i < count; i++)
            len += (size_t)snprintf(request + len, sizeof request - len, "A%zu: b\r\n", i);
        (void)snprintf(request + len, sizeof request - len, "X-Request-Id: the-last-one\r\n\r\n");
        raw_request(&fixture, request, &answer);
        assert_int_equal(answer.status, count == 99 ? 200 : 400);
        if (count == 99)
            assert_string_equal(raw_header(&answer, "x-request-id"), "the-last-one");
        raw_answer_free(&answer);
    }
    rest_fixture_stop(&fixture);
}

/* --- deadlines --- */

static void test_deadline(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, NULL);
    const struct registry_method *method = registry_method_find(
        fixture.registry, span_of_string("lotcast.v1.Onboarding/ConnectWebsite"));
    ((struct registry_method *)method)->deadline_ms = 200; /* before any call of it */
    struct raw_answer answer;
    int64_t begin_ms = clock_mono_ms();
    raw_request(&fixture, WAIT, &answer);
    assert_int_equal(answer.status, 504);
    assert_non_null(strstr(answer.body, "\"DEADLINE_EXCEEDED\""));
    assert_true(clock_mono_ms() - begin_ms < 3000);
    raw_answer_free(&answer);
    rest_fixture_stop(&fixture);
}

/* --- HTTP/2, when it is on --- */

static void use_http2(struct rest_options *options)
{
    options->http2 = true;
}

static size_t count_bytes(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    *(size_t *)arg += size * count;
    return size * count;
}

static void test_http2(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    char url[128];
    rest_fixture_start(&fixture, use_http2);
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    static const struct {
        const char *path;
        const char *body;
        long status;
    } cases[] = {
        {"/api/customer/dashboard", NULL, 200}, {"/api/onboarding/website", "{\"url\":\"x\"}", 200},
        {"/api/onboarding/website", "{", 400},  {"/api/customer%2fdashboard", NULL, 404},
        {"/api/onboarding/launch", NULL, 405},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        long status = 0;
        long version = 0;
        size_t bytes = 0;
        struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
        curl_easy_reset(curl);
        (void)snprintf(url, sizeof url, "http://127.0.0.1:%u%s", fixture.port, cases[i].path);
        (void)curl_easy_setopt(curl, CURLOPT_URL, url);
        (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
                               (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
        (void)curl_easy_setopt(curl, CURLOPT_COOKIE, "lotcast_session=good");
        (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
        /* libcurl 7.88 cannot use a connection of prior knowledge twice. */
        (void)curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, count_bytes);
        (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, &bytes);
        if (cases[i].body != NULL)
            (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, cases[i].body);
        assert_int_equal(curl_easy_perform(curl), CURLE_OK);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        (void)curl_easy_getinfo(curl, CURLINFO_HTTP_VERSION, &version);
        assert_int_equal(status, cases[i].status);
        assert_int_equal(version, CURL_HTTP_VERSION_2);
        assert_true(bytes > 0);
        curl_slist_free_all(headers);
    }
    struct raw_answer answer;
    raw_request(&fixture, SCAN, &answer); /* HTTP/1 is spoken beside it */
    assert_int_equal(answer.status, 200);
    raw_answer_free(&answer);
    raw_request(&fixture, "POST /api/auth/logout HTTP/1.1\r\n" HOST "\r\n", &answer);
    assert_int_equal(answer.status, 200);
    raw_answer_free(&answer);
    rest_fixture_stop(&fixture); /* with the connection open */
    curl_easy_cleanup(curl);
}

/* --- the end --- */

struct drainer {
    struct rest_fixture *fixture;
    int64_t timeout_ms;
    int64_t took_ms;
};

static void *drain(void *arg)
{
    struct drainer *drainer = arg;
    int64_t begin_ms = clock_mono_ms();
    rest_drain(drainer->fixture->rest, drainer->timeout_ms);
    drainer->took_ms = clock_mono_ms() - begin_ms;
    return NULL;
}

static void test_drain_answers(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    pthread_t thread;
    struct raw_answer answer;
    rest_fixture_start(&fixture, NULL);
    struct drainer drainer = {&fixture, 8000, 0};
    int idle = raw_connect(&fixture);
    raw_send(idle, HEALTHZ);
    expect(idle, 200);
    int busy = raw_connect(&fixture);
    raw_send(busy, WAIT);
    int half = raw_connect(&fixture);
    raw_send(half, HEALTHZ);
    expect(half, 200);
    raw_send(half, "GET /healthz HTTP/1.1\r\nHo");
    rest_fixture_wait_for(&rest_fixture_waiting, 1);
    assert_int_equal(pthread_create(&thread, NULL, drain, &drainer), 0);
    assert_true(raw_is_closed(idle)); /* at once: the drain has begun */
    raw_send(half, "st: x\r\n\r\n");
    raw_read(half, false, &answer);
    assert_int_equal(answer.status, 200); /* a request that had begun */
    assert_string_equal(raw_header(&answer, "connection"), "close");
    raw_answer_free(&answer);
    rest_fixture_release();
    raw_read(busy, false, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(raw_header(&answer, "connection"), "close");
    raw_answer_free(&answer);
    (void)pthread_join(thread, NULL);
    assert_true(drainer.took_ms < 6000);
    assert_int_equal(metric("lotcast_http_connections"), 0);
    (void)close(idle);
    (void)close(busy);
    (void)close(half);
    rest_fixture_stop(&fixture);
}

static void test_drain_ends_in_time(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    rest_fixture_start(&fixture, NULL);
    struct drainer drainer = {&fixture, 1500, 0};
    static const char *const lingering[] = {"", "GET /healthz HTTP/1.1\r\nHo", WAIT,
                                            WEBSITE "Content-Length: 11\r\n\r\n{"};
    int fds[4];
    for (size_t i = 0; i < 4; i++) {
        fds[i] = raw_connect(&fixture);
        raw_send(fds[i], lingering[i]);
    }
    rest_fixture_wait_for(&rest_fixture_waiting, 1);
    (void)drain(&drainer);
    assert_true(drainer.took_ms < 2500);
    rest_fixture_stop(&fixture);
    for (size_t i = 0; i < 4; i++)
        (void)close(fds[i]);
}

struct load {
    const struct rest_fixture *fixture;
    atomic_bool stop;
    atomic_int answered;
    atomic_int turned_away; /* closed without a byte of an answer */
};

static bool ask_once(const struct rest_fixture *fixture, struct raw_answer *answer)
{
    int fd = raw_try_connect(fixture);
    if (fd < 0)
        return false;
    raw_send(fd, SCAN);
    raw_read(fd, false, answer);
    (void)close(fd);
    return true;
}

static void *make_load(void *arg)
{
    struct load *load = arg;
    while (!atomic_load(&load->stop)) {
        struct raw_answer answer;
        if (!ask_once(load->fixture, &answer))
            break; /* nobody listens any more */
        if (answer.status == 200)
            atomic_fetch_add(&load->answered, 1);
        else
            atomic_fetch_add(&load->turned_away, 1);
        raw_answer_free(&answer);
    }
    return NULL;
}

static bool has_load(void *load)
{
    return atomic_load(&((struct load *)load)->answered) >= 500;
}

static void test_drain_under_load(void **state)
{
    (void)state;
    struct rest_fixture fixture;
    pthread_t threads[8];
    rest_fixture_start(&fixture, NULL);
    struct load load = {.fixture = &fixture};
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_load, &load), 0);
    assert_true(wait_until(has_load, &load, 60000));
    struct drainer drainer = {&fixture, 5000, 0};
    (void)drain(&drainer);
    atomic_store(&load.stop, true);
    for (size_t i = 0; i < 8; i++)
        (void)pthread_join(threads[i], NULL);
    assert_true(drainer.took_ms < 4000);
    /* Only who arrives in the moment in which the socket closes is not answered: one a thread at
     * most. */
    assert_true(atomic_load(&load.turned_away) <= 8);
    rest_fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_left_unread_is_no_request),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_clients_that_leave),
        cmocka_unit_test(test_clients_that_leave_at_any_byte),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_slow_clients),
        cmocka_unit_test(test_slow_readers),
        cmocka_unit_test(test_connection_limit),
        cmocka_unit_test(test_behind_a_proxy),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_http2),
        cmocka_unit_test(test_drain_answers),
        cmocka_unit_test(test_drain_ends_in_time),
        cmocka_unit_test(test_drain_under_load),
        cmocka_unit_test(test_many_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
