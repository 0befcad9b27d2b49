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
    char *const argv[] = {getenv("PROTOCOL_CLIENT"), getenv("PROTOCOL_MD"), socket_path,
                          customer_id, NULL};
    expect_content(argv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_nng_is_enough),
        cmocka_unit_test(sockets_are_enough),
    };
    return cmocka_run_group_tests_name("protocol", tests, start, stop);
}
