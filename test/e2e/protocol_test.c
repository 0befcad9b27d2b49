/*
 * The open door of a real service, judged by clients that know rpc/PROTOCOL.md alone: one of plain
 * NNG, one of nothing but sockets, which runs the file's test vectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/e2e/system.h"

#define CLIENT_MS 120000

static struct system_under_test system_;
static char customer_id[64];
static char socket_path[256];
static char stream_path[256];
static char client_log[160];

static int start(void **state)
{
    (void)state;
    system_start(&system_);
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    system_sign_up(&browser, "jane@dealer.example");
    rest_client_request(&browser, "GET", "/api/auth/session", NULL, NULL, &answer);
    (void)snprintf(customer_id, sizeof customer_id, "%s", rest_answer_text(&answer, "user.id"));
    rest_answer_free(&answer);
    (void)snprintf(socket_path, sizeof socket_path, "%s/data/rpc.sock", system_.directory);
    (void)snprintf(stream_path, sizeof stream_path, "%s/data/logic.sock", system_.directory);
    (void)snprintf(client_log, sizeof client_log, "%s/client.log", system_.directory);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    system_stop(&system_);
    return 0;
}

/* Runs a client to its end; it must say that all is well. */
static void expect_content(char *const argv[])
{
    struct process client;
    char line[PROCESS_LINE_BYTES];
    char complaints[8192] = "";
    int checks = 0;
    process_start(&client, argv, NULL, client_log);
    while (process_read_line(&client, line, CLIENT_MS)) {
        size_t len = strlen(complaints);
        checks += strncmp(line, "ok ", 3) == 0;
        if (strncmp(line, "ok ", 3) != 0 && strncmp(line, "1..", 3) != 0)
            (void)snprintf(complaints + len, sizeof complaints - len, "%s\n", line);
    }
    int code = process_wait(&client, CLIENT_MS);
    if (code != 0 || checks < 10 || complaints[0] != '\0')
        fail_msg("%s: %d after %d checks\n%s", argv[0], code, checks, complaints);
}

static void plain_nng_is_enough(void **state)
{
    char url[300];
    (void)state;
    (void)snprintf(url, sizeof url, "ipc://%s", socket_path);
    char *const argv[] = {getenv("NNG_CLIENT_BIN"), url, customer_id, NULL};
    expect_content(argv);
}

static void sockets_are_enough(void **state)
{
    (void)state;
    char *const argv[] = {getenv("PROTOCOL_CLIENT"),
                          getenv("PROTOCOL_MD"),
                          socket_path,
                          customer_id,
                          system_.one_process ? NULL : stream_path,
                          NULL};
    expect_content(argv);
}

/* Which kinds of lines carry the trace. */
struct trace_lines {
    const char *trace;
    bool request, logic, store;
};

static bool trace_is_complete(void *arg)
{
    struct trace_lines *lines = arg;
    char line[4096];
    FILE *log = fopen(system_.log, "re");
    assert_non_null(log);
    while (fgets(line, sizeof line, log) != NULL) {
        if (strstr(line, lines->trace) == NULL)
            continue;
        lines->request = lines->request || strstr(line, "/api/customer/dashboard") != NULL;
        lines->logic = lines->logic || strstr(line, "lotcast.v1.Dashboard/GetDashboard") != NULL;
        lines->store = lines->store || strstr(line, "lotcast.v1.Store/Read") != NULL;
    }
    (void)fclose(log);
    return lines->request && lines->logic && lines->store;
}

static void a_trace_is_in_the_lines_of_every_hop(void **state)
{
    static const char header[] =
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    struct trace_lines lines = {.trace = "4bf92f3577b34da6a3ce929d0e0e4736"};
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    (void)state;
    system_sign_up(&browser, "joe@dealer.example");
    rest_client_request(&browser, "GET", "/api/customer/dashboard", NULL, header, &answer);
    assert_int_equal(answer.status, 200);
    rest_answer_free(&answer);
    if (!wait_until(trace_is_complete, &lines, 10000))
        fail_msg("request %d, logic %d, store %d", lines.request, lines.logic, lines.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_nng_is_enough),
        cmocka_unit_test(sockets_are_enough),
        cmocka_unit_test(a_trace_is_in_the_lines_of_every_hop),
    };
    return cmocka_run_group_tests_name("protocol", tests, start, stop);
}
