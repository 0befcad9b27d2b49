/*
 * /metrics of a whole system: every process in one valid text, also while a role stands still.
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

/* A role that does not answer is waited for, in ms. */
#define ANSWER_MS_MAX 2000
#define LINES_MAX 16384

static struct system_under_test system_;

static int start(void **state)
{
    (void)state;
    system_.one_process = system_mode_one_process();
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

static void get_metrics(struct rest_answer *ret_answer)
{
    struct rest_client browser = system_browser(&system_);
    int64_t begin = mono_ms();
    rest_client_request(&browser, "GET", "/metrics", NULL, NULL, ret_answer);
    assert_int_equal(ret_answer->status, 200);
    assert_true(mono_ms() - begin < ANSWER_MS_MAX);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* No family is declared twice and no sample is there twice; every sample says its process. */
static void expect_valid(const char *text)
{
    static char *lines[LINES_MAX];
    size_t count = 0;
    char *left = NULL;
    char *copy = strdup(text);
    assert_non_null(copy);
    for (char *line = strtok_r(copy, "\n", &left); line != NULL;
         line = strtok_r(NULL, "\n", &left)) {
        bool help = strncmp(line, "# HELP ", 7) == 0;
        char *value = help ? strchr(line + 7, ' ') : strrchr(line, ' ');
        assert_true(count < LINES_MAX);
        assert_non_null(value);
        *value = '\0';
        if (line[0] != '#' && strstr(line, "process=\"") == NULL)
            fail_msg("%s is of no process", line);
        lines[count++] = line;
    }
    qsort(lines, count, sizeof lines[0], compare);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(lines[i - 1], lines[i]) == 0)
            fail_msg("%s is there twice", lines[i]);
    }
    free(copy);
}

static bool says(const struct rest_answer *answer, const char *part)
{
    return strstr(answer->body, part) != NULL;
}

static void all_processes_are_in_one_text(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    system_sign_up(&browser, "metrics@acme.example");
    get_metrics(&answer);
    expect_valid(answer.body);
    if (system_.one_process) {
        assert_true(
            says(&answer, "method=\"lotcast.v1.Auth/SignUp\",code=\"OK\",process=\"serve\""));
        assert_true(
            says(&answer, "method=\"lotcast.v1.Store/Commit\",code=\"OK\",process=\"serve\""));
        assert_false(says(&answer, "process=\"logic\""));
    } else {
        assert_true(
            says(&answer, "method=\"lotcast.v1.Auth/SignUp\",code=\"OK\",process=\"rest\""));
        assert_true(
            says(&answer, "method=\"lotcast.v1.Auth/SignUp\",code=\"OK\",process=\"logic\""));
        assert_true(
            says(&answer, "method=\"lotcast.v1.Store/Commit\",code=\"OK\",process=\"store\""));
    }
    assert_true(says(&answer, "lotcast_metrics_gathered{role=\"logic\","));
    assert_false(says(&answer, "acme.example"));
    assert_false(says(&answer, system_.directory));
    assert_false(says(&answer, "127.0.0.1"));
    rest_answer_free(&answer);
}

static void a_role_that_stands_still_is_left_out(void **state)
{
    (void)state;
    struct rest_answer answer;
    if (system_.one_process)
        return;
    pid_t store = system_role_pid(&system_, "store");
    process_stop(store);
    get_metrics(&answer);
    expect_valid(answer.body);
    assert_true(says(&answer, "lotcast_metrics_gathered{role=\"store\",process=\"rest\"} 0\n"));
    assert_true(says(&answer, "lotcast_metrics_gathered{role=\"logic\",process=\"rest\"} 1\n"));
    assert_false(says(&answer, "process=\"store\""));
    assert_true(says(&answer, "process=\"logic\""));
    (void)kill(store, SIGCONT);
    rest_answer_free(&answer);
}

static void a_role_that_was_killed_comes_back(void **state)
{
    (void)state;
    struct rest_answer answer;
    system_kill_role(&system_, "logic");
    if (!system_.one_process) {
        get_metrics(&answer);
        expect_valid(answer.body);
        rest_answer_free(&answer);
    }
    system_wait_ready(&system_);
    get_metrics(&answer);
    expect_valid(answer.body);
    assert_true(says(&answer, "lotcast_metrics_gathered{role=\"logic\","));
    rest_answer_free(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_processes_are_in_one_text),
        cmocka_unit_test(a_role_that_stands_still_is_left_out),
        cmocka_unit_test(a_role_that_was_killed_comes_back),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
