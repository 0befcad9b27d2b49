#include "rpc/base/log.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define THREADS 4
#define LINES 2000
#define CAPTURE_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* What a function writes to standard error, which is a file or a pipe meanwhile. In a process of
 * its own, since buffering has no end. `ret_status` is the process's. */
static char *capture(void (*function)(void), bool to_pipe, int *ret_status)
{
    int fds[2];
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(to_pipe ? fds[1] : fileno(file), STDERR_FILENO);
        (void)close(fds[0]);
        (void)close(fds[1]);
        log_init(LOG_LEVEL_INFO, "test");
        function();
        exit(0);
    }
    (void)close(fds[1]);
    char *text = calloc(1, CAPTURE_BYTES_MAX);
    assert_non_null(text);
    size_t len = 0;
    ssize_t got = 1;
    while (to_pipe && got > 0) {
        got = read(fds[0], text + len, CAPTURE_BYTES_MAX - 1 - len);
        len += got > 0 ? (size_t)got : 0;
    }
    (void)close(fds[0]);
    assert_int_equal(waitpid(pid, ret_status, 0), pid);
    if (!to_pipe) {
        rewind(file);
        len = fread(text, 1, CAPTURE_BYTES_MAX - 1, file);
    }
    (void)fclose(file);
    return text;
}

static void write_fields(void)
{
    log_event(LOG_LEVEL_INFO, "event", log_text("a", "plain"), log_number("b", -7),
              log_number("c", INT64_MIN), log_number("d", 0), log_bool("e", true),
              log_bool("f", false), log_text("g", NULL));
    log_event(LOG_LEVEL_INFO, "event", log_text("h", "q\"b\\n\nt\x01u\x7fz"),
              log_text("i", "\xc3\xa9"), log_text("j", "a\xff\xc3"), log_text("k", ""),
              log_bytes("l", "0123456789\"abc", 12), log_bytes("m", NULL, 0),
              log_bytes("n", "a\0b", 3), log_text("o", "0123456\\x012345\x7fy"));
    log_event(LOG_LEVEL_DEBUG, "hidden", log_text("a", "b"));
}

static void lines_are_json(void **state)
{
    (void)state;
    int status;
    char *text = capture(write_fields, false, &status);
    assert_int_equal(status, 0);
    char *second = strchr(text, '\n');
    assert_non_null(second);
    *second++ = '\0';
    /* {"time":"2026-02-06T20:00:00.123Z", */
    assert_int_equal(strncmp(text, "{\"time\":\"", 9), 0);
    assert_int_equal(text[9 + 10], 'T');
    assert_int_equal(text[9 + 19], '.');
    assert_int_equal(strncmp(text + 9 + 23, "Z\",", 3), 0);
    assert_string_equal(text + 9 + 25,
                        ",\"level\":\"info\",\"process\":\"test\",\"event\":\"event\","
                        "\"a\":\"plain\",\"b\":-7,\"c\":-9223372036854775808,\"d\":0,\"e\":true,"
                        "\"f\":false,\"g\":\"\"}");
    assert_string_equal(
        strstr(second, ",\"h\""),
        ",\"h\":\"q\\\"b\\\\n\\u000at\\u0001u\\u007fz\",\"i\":\"\xc3\xa9\","
        "\"j\":\"a\xef\xbf\xbd\xef\xbf\xbd\",\"k\":\"\",\"l\":\"0123456789\\\"a\",\"m\":\"\","
        "\"n\":\"a\\u0000b\",\"o\":\"0123456\\\\x012345\\u007fy\"}\n");
    free(text);
}

static void write_long(void)
{
    for (size_t len = 3600; len < 5000; len++) {
        char text[5001];
        memset(text, 'x', len);
        text[len] = '\0';
        if (len % 3 == 0)
            memset(text, '"', len);
        log_event(LOG_LEVEL_INFO, "long", log_text("a", text), log_number("b", 1));
    }
}

static void long_lines_are_cut_and_stay_json(void **state)
{
    (void)state;
    int status;
    char *text = capture(write_long, false, &status);
    char *at = text;
    for (size_t len = 3600; len < 5000; len++) {
        char *end = strchr(at, '\n');
        assert_non_null(end);
        assert_true(end - at < 4096);
        assert_int_equal(end[-1], '}');
        assert_true(strncmp(end - 7, ",\"b\":1}", 7) == 0 || end[-2] == '"');
        at = end + 1;
    }
    assert_string_equal(at, "");
    free(text);
}

/* --- buffered --- */

static void *write_many(void *arg)
{
    char filler[200];
    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    for (int i = 0; i < LINES; i++)
        log_event(LOG_LEVEL_INFO, "many", log_number("thread", *(int *)arg), log_number("line", i),
                  log_text("filler", filler));
    return NULL;
}

static void write_from_threads(void)
{
    static int numbers[THREADS];
    pthread_t threads[THREADS];
    if (!log_buffer_start())
        abort();
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        (void)pthread_create(&threads[i], NULL, write_many, &numbers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
}

/* Every line is there, whole, and those of one thread in their order. */
static void expect_all(char *text)
{
    int next[THREADS] = {0};
    char *left = NULL;
    int count = 0;
    for (char *line = strtok_r(text, "\n", &left); line != NULL;
         line = strtok_r(NULL, "\n", &left)) {
        int thread = -1, number = -1;
        const char *at = strstr(line, "\"thread\":");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "\"thread\":%d,\"line\":%d,", &thread, &number), 2);
        assert_true(thread >= 0 && thread < THREADS);
        assert_int_equal(number, next[thread]++);
        assert_int_equal(strncmp(line, "{\"time\":\"", 9), 0);
        assert_string_equal(line + strlen(line) - 3, "x\"}");
        count++;
    }
    assert_int_equal(count, THREADS * LINES);
}

static void buffered_lines_all_come(void **state)
{
    (void)state;
    for (int to_pipe = 0; to_pipe < 2; to_pipe++) {
        int status;
        char *text = capture(write_from_threads, to_pipe != 0, &status);
        assert_int_equal(status, 0);
        expect_all(text);
        free(text);
    }
}

static void write_and_abort(void)
{
    (void)log_buffer_start();
    log_event(LOG_LEVEL_INFO, "first", log_number("a", 1));
    abort();
}

static void an_abort_writes_what_was_said(void **state)
{
    (void)state;
    int status;
    char *text = capture(write_and_abort, false, &status);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "\"first\""));
    free(text);
}

static void write_and_be_killed(void)
{
    (void)log_buffer_start();
    log_event(LOG_LEVEL_INFO, "first", log_number("a", 1));
    log_event(LOG_LEVEL_WARN, "second", log_number("a", 1));
    (void)raise(SIGKILL);
}

static void warnings_are_written_at_once(void **state)
{
    (void)state;
    int status;
    char *text = capture(write_and_be_killed, false, &status);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_non_null(strstr(text, "\"first\""));
    assert_non_null(strstr(text, "\"second\""));
    free(text);
}

/* A process that says something and then nothing more: its line comes all the same. */
static void write_and_wait(void)
{
    sigset_t none;
    (void)sigemptyset(&none);
    (void)log_buffer_start();
    log_event(LOG_LEVEL_INFO, "alone", log_number("a", 1));
    (void)alarm(5); /* the end, if it never comes and the pipe stays open */
    (void)sigsuspend(&none);
}

static void a_line_alone_is_written_soon(void **state)
{
    (void)state;
    int fds[2];
    char text[512];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(fds[1], STDERR_FILENO);
        log_init(LOG_LEVEL_INFO, "test");
        write_and_wait();
        _exit(0);
    }
    (void)close(fds[1]);
    ssize_t got = read(fds[0], text, sizeof text - 1);
    assert_true(got > 0);
    text[got] = '\0';
    assert_non_null(strstr(text, "\"alone\""));
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    (void)close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_json),
        cmocka_unit_test(long_lines_are_cut_and_stay_json),
        cmocka_unit_test(buffered_lines_all_come),
        cmocka_unit_test(an_abort_writes_what_was_said),
        cmocka_unit_test(warnings_are_written_at_once),
        cmocka_unit_test(a_line_alone_is_written_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
