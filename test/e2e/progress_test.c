/*
 * lotctl scan, sync and backup --stream, whose progress the service streams: what they show, what
 * they do over a door that carries no streams, and that Ctrl-C ends them cleanly at both ends.
 */
#include <limits.h>
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

#include "test/e2e/system.h"

#define ITEMS 247
#define SOON_MS 20000
/* From Ctrl-C to the tool's end, in ms; what it waits for takes longer. */
#define END_MS 4000
#define STALL_MS 15000
#define OUTPUT_BYTES ((size_t)256 * 1024)

static struct system_under_test system_;
static struct rest_client jane; /* has launched */
static char jane_id[32];

static int start(void **state)
{
    struct rest_answer answer;
    (void)state;
    system_.one_process = system_mode_one_process();
    system_start(&system_);
    jane = system_browser(&system_);
    system_sign_up(&jane, "jane@acme.example");
    system_connect_website(&system_, &jane, ITEMS);
    system_connect_meta(&jane);
    rest_client_request(&jane, "POST", "/api/onboarding/launch", system_launch_body, NULL, &answer);
    assert_int_equal(answer.status, 200);
    rest_answer_free(&answer);
    rest_client_request(&jane, "GET", "/api/auth/session", NULL, NULL, &answer);
    (void)snprintf(jane_id, sizeof jane_id, "%s", rest_answer_text(&answer, "user.id"));
    rest_answer_free(&answer);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    system_stop(&system_);
    return 0;
}

/* --- lotctl --- */

static char output[OUTPUT_BYTES]; /* of the last run, with what it complained of */

/* Runs it, over the door that carries streams or the one that does not; its exit code. */
static int run(bool streams, const char *arguments)
{
    char command[1024], door[256] = "";
    if (!streams)
        (void)snprintf(door, sizeof door, "LOTCAST_RPC=req+ipc://%s/data/rpc.sock",
                       system_.directory);
    (void)snprintf(command, sizeof command, "cd %s && LOTCAST_DATA_DIR=data %s '%s' %s 2>&1",
                   system_.directory, door, getenv("LOTCTL_BIN"), arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(output, 1, sizeof output - 1, pipe);
    output[len] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(bool streams, const char *arguments, int code, const char *part)
{
    int got = run(streams, arguments);
    if (got != code || strstr(output, part) == NULL)
        fail_msg("lotctl %s: exit %d, without \"%s\": %.2000s", arguments, got, part, output);
}

static size_t count(const char *part)
{
    size_t found = 0;
    for (const char *at = strstr(output, part); at != NULL; at = strstr(at + 1, part))
        found++;
    return found;
}

static const char *with_site(const char *format)
{
    static char text[2 * PROCESS_LINE_BYTES];
    const char *mark = strstr(format, "%s");
    assert_non_null(mark);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(mark - format), format, system_.site_url,
                   mark + 2);
    return text;
}

/* --- scan --- */

/* The service may reach the stand-in's address, and this process may not: so one sees who reads. */
static void a_scan_is_the_service_s(void **state)
{
    (void)state;
    expect(true, with_site("scan %s"), 0, "247 items on ");
    expect(true, with_site("scan --json %s"), 0, "\"identity\":\"vin:");
    assert_int_equal(count("\"contentHash\":"), ITEMS);
    expect(true, with_site("scan --here %s"), 1, "INVALID_URL");
    expect(false, with_site("scan %s"), 1, "it is read here instead");
    assert_int_equal(count("INVALID_URL"), 1);
    expect(true, "scan http://127.0.0.1:1/", 1, "WEBSITE_UNREACHABLE");
    expect(true, "scan ftp://acme.example", 1, "INVALID_URL");
    expect(true, "scan", 2, "lotctl scan URL");
    /* As it comes: how far it is, the items, the end. */
    expect(true, with_site("call Operations/ScanWebsite '{\"url\":\"%s\"}'"), 0,
           "\"item\":null,\"complete\":true}\n");
    assert_int_equal(count("\"itemsFound\":247,"), ITEMS + 1);
    assert_int_equal(count("\"complete\":true"), 1);
    expect(false, with_site("call Operations/ScanWebsite '{\"url\":\"%s\"}'"), 1, "UNIMPLEMENTED");
}

/* --- sync --- */

static void a_sync_is_followed(void **state)
{
    static const bool doors[] = {true, false};
    char plain[64], json[64], call[128];
    (void)state;
    (void)snprintf(plain, sizeof plain, "sync --customer %s", jane_id);
    (void)snprintf(json, sizeof json, "sync --json --customer %s", jane_id);
    (void)snprintf(call, sizeof call, "call Operations/FollowSync '{}' --customer %s", jane_id);
    for (size_t i = 0; i < 2; i++) { /* with streams, and asking now and then */
        expect(doors[i], plain, 0, "247");
        expect(doors[i], json, 0, "\"success\":true");
        assert_int_equal(count("\"itemsProcessed\":247"), 1);
        expect(doors[i], "sync --customer 999", 1, "NOT_FOUND");
        expect(doors[i], "sync", 2, "lotctl sync");
    }
    expect(true, call, 0, "{\"inProgress\":true,\"progress\":0,");
    assert_int_equal(count("\"inProgress\":false,\"progress\":100,\"itemsProcessed\":247,"), 1);
    const char *last = strstr(output, "\"inProgress\":false");
    assert_non_null(last);
    assert_null(strstr(last, "\"inProgress\":true"));
    expect(true, "call Operations/FollowSync '{}'", 1, "customer-id");
    expect(false, call, 1, "UNIMPLEMENTED");
}

/* --- Ctrl-C --- */

static void start_tool(struct process *process, const char *a, const char *b, const char *c)
{
    char data[256], log[256];
    const char *argv[] = {getenv("LOTCTL_BIN"), a, b, c, NULL};
    char *env[] = {data, NULL};
    (void)snprintf(data, sizeof data, "LOTCAST_DATA_DIR=%s/data", system_.directory);
    (void)snprintf(log, sizeof log, "%s/lotctl.log", system_.directory);
    process_start(process, (char **)(uintptr_t)argv, env, log);
}

static void interrupt(struct process *process)
{
    process_signal(process, SIGINT);
    assert_int_equal(process_wait(process, END_MS), -SIGINT);
}

struct wanted {
    const char *method;
    int64_t in_flight;
};

static bool is_in_flight(void *arg)
{
    const struct wanted *wanted = arg;
    struct rest_answer answer;
    char name[160];
    (void)snprintf(
        name, sizeof name,
        "\nlotcast_rpc_limited_in_flight{server=\"logic\",method=\"lotcast.v1.Operations/%s\"",
        wanted->method);
    rest_client_request(&jane, "GET", "/metrics", NULL, NULL, &answer);
    const char *at = strstr(answer.body, name);
    const char *value = at == NULL ? NULL : strchr(at, '}');
    bool so = value != NULL && strtoll(value + 1, NULL, 10) == wanted->in_flight;
    rest_answer_free(&answer);
    return so;
}

static void await_in_flight(const char *method, int64_t count)
{
    struct wanted wanted = {method, count};
    if (!wait_until(is_in_flight, &wanted, SOON_MS))
        fail_msg("%s: never %lld in flight", method, (long long)count);
}

static void a_scan_ends_with_who_asked_for_it(void **state)
{
    char control[128];
    struct process tool = {0};
    (void)state;
    (void)snprintf(control, sizeof control,
                   "{\"service\":\"site\",\"path\":\"/\",\"delay_ms\":%d,\"times\":100}", STALL_MS);
    system_control(&system_, "/_control/fail", control);
    start_tool(&tool, "scan", system_.site_url, NULL);
    await_in_flight("ScanWebsite", 1);
    interrupt(&tool);
    await_in_flight("ScanWebsite", 0); /* long before the site has answered */
    system_control(&system_, "/_control/clear", "{}");
}

static bool is_there(void *path)
{
    return access(path, F_OK) == 0;
}

static void a_backup_leaves_no_part(void **state)
{
    char copy[256], part[272];
    struct process tool = {0};
    pid_t store = system_role_pid(&system_, "store");
    (void)state;
    (void)snprintf(copy, sizeof copy, "%s/copy", system_.directory);
    (void)snprintf(part, sizeof part, "%s.part", copy);
    process_stop(store); /* so that it has not ended before */
    start_tool(&tool, "backup", "--stream", copy);
    bool begun = wait_until(is_there, part, SOON_MS);
    process_signal(&tool, SIGINT);
    int code = process_wait(&tool, END_MS);
    assert_int_equal(kill(store, SIGCONT), 0);
    assert_true(begun);
    assert_int_equal(code, -SIGINT);
    assert_false(is_there(part));
    assert_false(is_there(copy));
    await_in_flight("DownloadBackup", 0);
    expect(true, "backup --stream copy", 0, "bytes in");
}

static bool sync_has_ended(void *arg)
{
    struct rest_answer answer;
    (void)arg;
    rest_client_request(&jane, "GET", "/api/customer/ads/sync/status", NULL, NULL, &answer);
    bool ended = answer.status == 200 && !rest_answer_bool(&answer, "inProgress");
    rest_answer_free(&answer);
    return ended;
}

/* Who leaves leaves the sync running: it is found again, and ends by itself. */
static void a_sync_outlives_who_follows_it(void **state)
{
    struct process tool = {0};
    (void)state;
    system_control(&system_, "/_control/fail",
                   "{\"service\":\"site\",\"path\":\"/\",\"delay_ms\":2000,\"times\":1}");
    start_tool(&tool, "sync", "--customer", jane_id);
    await_in_flight("FollowSync", 1);
    interrupt(&tool);
    await_in_flight("FollowSync", 0);
    assert_false(sync_has_ended(NULL));
    assert_true(wait_until(sync_has_ended, NULL, SOON_MS));
    system_control(&system_, "/_control/clear", "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_is_the_service_s),
        cmocka_unit_test(a_sync_is_followed),
        cmocka_unit_test(a_scan_ends_with_who_asked_for_it),
        cmocka_unit_test(a_backup_leaves_no_part),
        cmocka_unit_test(a_sync_outlives_who_follows_it),
    };
    return cmocka_run_group_tests_name("progress", tests, start, stop);
}
