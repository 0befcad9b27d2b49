/*
 * A browser that leaves ends its call in every process: the store, which stands still meanwhile,
 * does not run what nobody waits for when it goes on.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "test/e2e/system.h"

/* The browser's patience, in ms: less than it takes to find that the store does not answer. */
#define PATIENCE_MS 150
/* From the browser's leaving to the end in each process, in ms. */
#define ENDED_MS_MAX 1000
#define SOON_MS 10000
#define LINE_BYTES 4096

static struct system_under_test system_;

static int start(void **state)
{
    (void)state;
    system_start(&system_);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    system_stop(&system_);
    return 0;
}

static int64_t mono_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A line of the log that has all of these. */
struct line {
    const char *parts[4];
};

static size_t count_lines(const struct line *wanted)
{
    char text[LINE_BYTES];
    size_t count = 0;
    FILE *log = fopen(system_.log, "r");
    assert_non_null(log);
    while (fgets(text, sizeof text, log) != NULL) {
        bool has_all = true;
        for (size_t i = 0; i < 4 && wanted->parts[i] != NULL; i++)
            has_all = has_all && strstr(text, wanted->parts[i]) != NULL;
        count += has_all;
    }
    (void)fclose(log);
    return count;
}

static bool is_logged(void *arg)
{
    return count_lines(arg) > 0;
}

/* Calls that the store has not run, since they were cancelled before. */
static int64_t dropped(void)
{
    static const char name[] =
        "\nlotcast_rpc_refused_total{server=\"store\",why=\"cancelled\",process=\"store\"} ";
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    rest_client_request(&browser, "GET", "/metrics", NULL, NULL, &answer);
    const char *at = strstr(answer.body, name);
    int64_t count = at == NULL ? -1 : strtoll(at + strlen(name), NULL, 10);
    rest_answer_free(&answer);
    return count;
}

static bool has_dropped(void *arg)
{
    const int64_t *wanted = arg;
    return dropped() >= *wanted;
}

/* Asks while the store stands still, and leaves; when it left. */
static int64_t leave(struct rest_client *browser, const char *path, const char *id)
{
    char header[128];
    struct rest_answer answer;
    long patience_ms = browser->timeout_ms;
    (void)snprintf(header, sizeof header, "X-Request-ID: %s", id);
    browser->timeout_ms = PATIENCE_MS;
    rest_client_request(browser, "GET", path, NULL, header, &answer);
    browser->timeout_ms = patience_ms;
    assert_int_equal(answer.status, 0);
    rest_answer_free(&answer);
    return mono_ms();
}

static void a_browser_that_leaves_stops_the_store(void **state)
{
    static const struct {
        const char *path;
        const char *id;
    } rows[] = {
        {"/api/customer/inventory?search=honda", "left-the-search"},
        {"/api/customer/performance/export?period=90d", "left-the-export"},
    };
    struct rest_client browser = system_browser(&system_);
    pid_t store = system_role_pid(&system_, "store");
    (void)state;
    system_sign_up(&browser, "leaves@acme.example");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char id[64];
        (void)snprintf(id, sizeof id, "\"%s\"", rows[i].id);
        struct line logic = {{id, "\"process\":\"logic\"", "\"code\":\"CANCELLED\""}};
        struct line ran = {{id, "\"process\":\"store\""}};
        struct line gone = {{id, "\"process\":\"rest\"", "\"status\":499"}};
        int64_t before = dropped();
        assert_int_equal(kill(store, SIGSTOP), 0);
        int64_t left_ms = leave(&browser, rows[i].path, rows[i].id);
        bool ended = wait_until(is_logged, &logic, SOON_MS);
        int64_t ended_ms = mono_ms();
        assert_int_equal(kill(store, SIGCONT), 0);
        int64_t woken_ms = mono_ms();
        assert_true(ended);
        assert_in_range(ended_ms - left_ms, 0, ENDED_MS_MAX);
        int64_t wanted = before + 1;
        assert_true(wait_until(has_dropped, &wanted, SOON_MS));
        assert_in_range(mono_ms() - woken_ms, 0, ENDED_MS_MAX);
        assert_true(wait_until(is_logged, &gone, SOON_MS));
        assert_int_equal(count_lines(&ran), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_browser_that_leaves_stops_the_store)};
    return cmocka_run_group_tests(tests, start, stop);
}
