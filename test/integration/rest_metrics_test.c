/*
 * /metrics with roles behind it that are there, share the process, are down or stand still.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/integration/rest_fixture.h"

#define GET "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
#define CLIENTS 40
/* With a role that does not answer, in ms. */
#define ANSWER_MS_MAX 1500
#define WAITED_MS_MIN 500

static struct rest_fixture fixture;
static char directory[] = "/tmp/lotcast-metrics-XXXXXX";
static char down_url[128];
static char stuck_url[128];
static int stuck_fd;
static pthread_t stuck_thread;
static struct rpc_channel *down, *stuck;

static int64_t mono_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part))
        count++;
    return count;
}

static void expect_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no %s in %s", part, text);
}

/* Each family has one HELP; each sample is there once. */
static void expect_valid(char *text)
{
    char *lines[16384];
    size_t count = 0;
    char *left = NULL;
    for (char *line = strtok_r(text, "\n", &left); line != NULL;
         line = strtok_r(NULL, "\n", &left)) {
        char *value = strrchr(line, ' ');
        assert_true(count < sizeof lines / sizeof lines[0]);
        assert_non_null(value);
        if (strncmp(line, "# HELP ", 7) == 0)
            value = strchr(line + 7, ' ');
        *value = '\0';
        for (size_t i = 0; i < count; i++)
            assert_string_not_equal(lines[i], line);
        lines[count++] = line;
    }
    assert_true(count > 10);
}

static void test_gathers(void **state)
{
    (void)state;
    int64_t elapsed_ms = 0;
    struct raw_answer answer = {0};
    /* Until the channel to the stuck one is connected it fails at once. */
    for (int i = 0; i < 1000 && elapsed_ms < WAITED_MS_MIN; i++) {
        int64_t begin = mono_ms();
        raw_answer_free(&answer);
        raw_request(&fixture, GET, &answer);
        elapsed_ms = mono_ms() - begin;
    }
    assert_int_equal(answer.status, 200);
    assert_true(elapsed_ms >= WAITED_MS_MIN);
    assert_true(elapsed_ms < ANSWER_MS_MAX);
    expect_text(answer.head, "content-type: text/plain; version=0.0.4; charset=utf-8\r\n");
    expect_text(answer.body, "lotcast_metrics_gathered{role=\"logic\",process=\"lotcast\"} 1\n");
    expect_text(answer.body, "lotcast_metrics_gathered{role=\"down\",process=\"lotcast\"} 0\n");
    expect_text(answer.body, "lotcast_metrics_gathered{role=\"stuck\",process=\"lotcast\"} 0\n");
    /* Of the one process, once. */
    assert_int_equal(count_of(answer.body, "\nlotcast_http_connections{process=\"lotcast\"}"), 1);
    expect_valid(answer.body);
    raw_answer_free(&answer);
}

static void test_verbs(void **state)
{
    (void)state;
    struct raw_answer answer;
    raw_request(&fixture, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    assert_int_equal(answer.status, 200);
    raw_answer_free(&answer);
    raw_request(&fixture, "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    assert_int_equal(answer.status, 405);
    raw_answer_free(&answer);
    raw_request(&fixture, "OPTIONS /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    assert_int_equal(answer.status, 204);
    raw_answer_free(&answer);
}

/* They share a scrape, and other requests go on meanwhile. */
static void test_many_at_once(void **state)
{
    (void)state;
    int fds[CLIENTS];
    struct raw_answer answer;
    int64_t begin = mono_ms();
    for (size_t i = 0; i < CLIENTS; i++) {
        fds[i] = raw_connect(&fixture);
        raw_send(fds[i], GET);
    }
    raw_request(&fixture, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", &answer);
    assert_int_equal(answer.status, 200);
    raw_answer_free(&answer);
    for (size_t i = 0; i < CLIENTS; i++) {
        raw_read(fds[i], false, &answer);
        assert_int_equal(answer.status, 200);
        raw_answer_free(&answer);
        (void)close(fds[i]);
    }
    assert_true(mono_ms() - begin < 4 * ANSWER_MS_MAX);
}

/* Clients that do not wait for their answer. */
static void test_clients_that_leave(void **state)
{
    (void)state;
    struct raw_answer answer;
    for (size_t i = 0; i < CLIENTS; i++) {
        int fd = raw_connect(&fixture);
        raw_send(fd, GET);
        (void)close(fd);
    }
    raw_request(&fixture, GET, &answer);
    assert_int_equal(answer.status, 200);
    raw_answer_free(&answer);
    for (size_t i = 0; i < CLIENTS; i++) /* under way when the facade ends */
        raw_send(raw_connect(&fixture), GET);
}

/* A peer that greets as NNG's REP does (rpc/PROTOCOL.md), and says nothing more. */
static void *be_stuck(void *arg)
{
    static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
    int fds[16];
    size_t count = 0;
    (void)arg;
    while (count < sizeof fds / sizeof fds[0]) {
        int fd = accept(stuck_fd, NULL, NULL);
        if (fd < 0)
            break; /* shut down by the test */
        (void)send(fd, greeting, sizeof greeting, MSG_NOSIGNAL);
        fds[count++] = fd;
    }
    while (count > 0)
        (void)close(fds[--count]);
    return NULL;
}

static void listen_stuck(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    stuck_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(stuck_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(stuck_fd, 16), 0);
    assert_int_equal(pthread_create(&stuck_thread, NULL, be_stuck, NULL), 0);
}

static struct rpc_channel *open_channel(const char *url)
{
    struct rpc_status status;
    struct rpc_channel *channel = NULL;
    struct rpc_channel_options options = {.url = url};
    assert_int_equal(rpc_channel_open(&options, &channel, &status), RPC_OK);
    return channel;
}

static void adjust(struct rest_options *options)
{
    static struct rest_health_target targets[3];
    targets[0] = options->health_targets[0];
    targets[1] = (struct rest_health_target){"down", down};
    targets[2] = (struct rest_health_target){"stuck", stuck};
    options->health_targets = targets;
    options->health_target_count = 3;
}

static int start(void **state)
{
    (void)state;
    char path[64];
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/stuck", directory);
    (void)snprintf(down_url, sizeof down_url, "req+ipc://%s/down", directory);
    (void)snprintf(stuck_url, sizeof stuck_url, "req+ipc://%s", path);
    listen_stuck(path);
    down = open_channel(down_url);
    stuck = open_channel(stuck_url);
    rest_fixture_start(&fixture, adjust);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    char path[64];
    rest_fixture_stop(&fixture);
    rpc_channel_close(down);
    rpc_channel_close(stuck);
    (void)shutdown(stuck_fd, SHUT_RDWR);
    (void)pthread_join(stuck_thread, NULL);
    (void)close(stuck_fd);
    (void)snprintf(path, sizeof path, "%s/stuck", directory);
    (void)unlink(path);
    (void)rmdir(directory);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gathers), cmocka_unit_test(test_verbs),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_clients_that_leave), /* last: it leaves some under way */
    };
    return cmocka_run_group_tests(tests, start, stop);
}
