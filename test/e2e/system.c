#include "test/e2e/system.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/support/reasons.h"

#define ENV_BYTES (PROCESS_LINE_BYTES + 64)
#define READY_MS 20000

const char *const system_launch_body =
    "{\"monthlyBudget\":2500,\"currency\":\"USD\","
    "\"targeting\":{\"countries\":[\"US\"],\"ageMin\":25,\"ageMax\":65}}";

static char *program(const char *variable)
{
    char *path = getenv(variable);
    if (path == NULL)
        fail_msg("%s is not set", variable);
    return path;
}

bool system_mode_one_process(void)
{
    const char *mode = getenv("LOTCAST_TEST_MODE");
    return mode != NULL && strcmp(mode, "one-process") == 0;
}

static void start_sandbox(struct system_under_test *system)
{
    char log[128];
    char rest[PROCESS_LINE_BYTES];
    char *argv[8] = {program("SANDBOX_BIN"), (char *)"--history-days", (char *)"30"};
    for (size_t i = 0; system->sandbox_args[i] != NULL; i++)
        argv[3 + i] = system->sandbox_args[i];
    (void)snprintf(log, sizeof log, "%s/sandbox.log", system->directory);
    process_start(&system->sandbox, argv, NULL, log);
    process_expect_line(&system->sandbox, "meta ", system->meta_url);
    process_expect_line(&system->sandbox, "app_id ", system->app_id);
    process_expect_line(&system->sandbox, "app_secret ", system->app_secret);
    process_expect_line(&system->sandbox, "site ", system->site_url);
    process_expect_line(&system->sandbox, "stripe ", system->stripe_url);
    process_expect_line(&system->sandbox, "stripe_secret_key ", system->stripe_key);
    process_expect_line(&system->sandbox, "stripe_webhook_secret ", system->stripe_webhook_secret);
    process_expect_line(&system->sandbox, "ready", rest);
}

/* Stripe's events go to lotcast from now on. */
static void connect_stripe(const struct system_under_test *system)
{
    char body[PROCESS_LINE_BYTES + 64];
    (void)snprintf(body, sizeof body, "{\"url\":\"http://127.0.0.1%s/api/webhooks/stripe\"}",
                   strrchr(system->url, ':'));
    system_control(system, "/_control/stripe_webhook", body);
}

void system_start_lotcast(struct system_under_test *system)
{
    char data[ENV_BYTES], graph[ENV_BYTES], dialog[ENV_BYTES], listen[ENV_BYTES], level[64];
    char app_id[ENV_BYTES], app_secret[ENV_BYTES], credits[64];
    char stripe[ENV_BYTES], key[ENV_BYTES], webhook[ENV_BYTES];
    char *env[24] = {data,       graph,   dialog,
                     listen,     level,   app_id,
                     app_secret, credits, (char *)"LOTCAST_SCAN_ALLOW=127.0.0.0/8",
                     stripe,     key,     webhook};
    size_t count = 12;
    const char *port = system->url[0] == '\0' ? "0" : strrchr(system->url, ':') + 1;
    (void)snprintf(data, sizeof data, "LOTCAST_DATA_DIR=%s/data", system->directory);
    (void)snprintf(graph, sizeof graph, "LOTCAST_META_GRAPH_URL=%s", system->meta_url);
    (void)snprintf(dialog, sizeof dialog, "LOTCAST_META_DIALOG_URL=%s", system->meta_url);
    (void)snprintf(credits, sizeof credits, "LOTCAST_SIGNUP_CREDITS=%d",
                   system->signup_credits == 0 ? SYSTEM_SIGNUP_CREDITS : system->signup_credits);
    (void)snprintf(app_id, sizeof app_id, "LOTCAST_META_APP_ID=%s", system->app_id);
    (void)snprintf(app_secret, sizeof app_secret, "LOTCAST_META_APP_SECRET=%s", system->app_secret);
    (void)snprintf(stripe, sizeof stripe, "LOTCAST_STRIPE_API_URL=%s", system->stripe_url);
    (void)snprintf(key, sizeof key, "LOTCAST_STRIPE_SECRET_KEY=%s", system->stripe_key);
    (void)snprintf(webhook, sizeof webhook, "LOTCAST_STRIPE_WEBHOOK_SECRET=%s",
                   system->stripe_webhook_secret);
    (void)snprintf(listen, sizeof listen, "LOTCAST_LISTEN=127.0.0.1:%s", port);
    (void)snprintf(level, sizeof level, "LOTCAST_LOG_LEVEL=%s",
                   system->log_level == NULL ? "info" : system->log_level);
    for (size_t i = 0; system->extra_env[i] != NULL; i++)
        env[count++] = system->extra_env[i];
    char *argv[] = {program("LOTCAST_BIN"), (char *)"serve",
                    system->one_process ? (char *)"--one-process" : NULL, NULL};
    process_start(&system->lotcast, argv, env, system->log);
    if (!process_read_line(&system->lotcast, system->url, READY_MS))
        fail_msg("lotcast printed no URL; see %s", system->log);
    connect_stripe(system);
    system_wait_ready(system);
}

void system_start(struct system_under_test *system)
{
    temp_directory(system->directory);
    (void)snprintf(system->log, sizeof system->log, "%s/lotcast.log", system->directory);
    start_sandbox(system);
    system_start_lotcast(system);
}

void system_stop(struct system_under_test *system)
{
    process_signal(&system->lotcast, SIGTERM);
    assert_int_equal(process_wait(&system->lotcast, 10000), 0);
    process_signal(&system->sandbox, SIGTERM);
    assert_int_equal(process_wait(&system->sandbox, 10000), 0);
    reasons_record_log(system->log);
}

static bool is_ready(void *arg)
{
    struct rest_client *browser = arg;
    struct rest_answer answer;
    rest_client_request(browser, "GET", "/readyz", NULL, NULL, &answer);
    bool ready = answer.status == 200;
    rest_answer_free(&answer);
    return ready;
}

void system_wait_ready(struct system_under_test *system)
{
    struct rest_client browser = system_browser(system);
    browser.timeout_ms = 2000;
    if (!wait_until(is_ready, &browser, READY_MS))
        fail_msg("not ready; see %s", system->log);
}

/* Whether the process's first argument is the role's name. */
static bool runs_role(pid_t pid, const char *role)
{
    char path[64];
    char text[128];
    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    FILE *file = fopen(path, "r");
    size_t len = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    if (file != NULL)
        (void)fclose(file);
    text[len] = '\0';
    size_t name_len = strlen(text);
    return name_len + 1 < len && strcmp(text + name_len + 1, role) == 0;
}

pid_t system_role_pid(const struct system_under_test *system, const char *role)
{
    char path[64];
    int pid;
    pid_t found = 0;
    if (system->one_process)
        return system->lotcast.pid;
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)system->lotcast.pid,
                   (int)system->lotcast.pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fscanf(file, "%d", &pid) == 1) {
        if (runs_role(pid, role))
            found = pid;
    }
    if (file != NULL)
        (void)fclose(file);
    return found;
}

static bool has_gone(void *arg)
{
    pid_t pid = *(pid_t *)arg;
    return kill(pid, 0) != 0 && errno == ESRCH;
}

struct role_wait {
    const struct system_under_test *system;
    const char *role;
};

static bool role_runs(void *arg)
{
    struct role_wait *wait = arg;
    return system_role_pid(wait->system, wait->role) != 0;
}

void system_kill_role(struct system_under_test *system, const char *role)
{
    if (system->one_process) {
        process_kill(&system->lotcast);
        system_start_lotcast(system);
        return;
    }
    struct role_wait wait = {system, role};
    assert_true(wait_until(role_runs, &wait, READY_MS));
    pid_t pid = system_role_pid(system, role);
    assert_true(pid > 0);
    (void)kill(pid, SIGKILL);
    assert_true(wait_until(has_gone, &pid, READY_MS));
}

struct rest_client system_browser(const struct system_under_test *system)
{
    struct rest_client browser = {0};
    (void)snprintf(browser.base, sizeof browser.base, "http://127.0.0.1%s",
                   strrchr(system->url, ':'));
    return browser;
}

void system_sign_up(struct rest_client *browser, const char *email)
{
    struct rest_answer answer;
    char body[512];
    (void)snprintf(body, sizeof body,
                   "{\"email\":\"%s\",\"password\":\"correct horse\",\"company\":\"Acme Auto\"}",
                   email);
    rest_client_request(browser, "POST", "/api/auth/signup", body, NULL, &answer);
    if (answer.status != 200)
        fail_msg("sign-up: %d %s", answer.status, answer.body);
    assert_true(rest_answer_bool(&answer, "success"));
    assert_string_equal(rest_answer_text(&answer, "redirectTo"), "/onboarding/start");
    assert_true(browser->cookie[0] != '\0');
    rest_answer_free(&answer);
}

void system_connect_website(struct system_under_test *system, struct rest_client *browser,
                            int64_t items)
{
    struct rest_answer answer;
    char body[PROCESS_LINE_BYTES + 32];
    (void)snprintf(body, sizeof body, "{\"url\":\"%s\"}", system->site_url);
    rest_client_request(browser, "POST", "/api/onboarding/website", body, NULL, &answer);
    if (answer.status != 200)
        fail_msg("website: %d %s; see %s", answer.status, answer.body, system->log);
    assert_true(rest_answer_bool(&answer, "success"));
    assert_int_equal(rest_answer_integer(&answer, "itemsFound"), items);
    rest_answer_free(&answer);
}

void system_dialog(const char *dialog_url, const char *decision, char callback[static 2048])
{
    static const char path[] = "/dialog/oauth?";
    char url[4096];
    struct rest_client stranger = {0};
    struct rest_answer answer;
    const char *at = strstr(dialog_url, path);
    assert_non_null(at);
    (void)snprintf(url, sizeof url, "%.*s/dialog/oauth/confirm?decision=%s&%s",
                   (int)(at - dialog_url), dialog_url, decision, at + sizeof path - 1);
    rest_client_request(&stranger, "GET", url, NULL, NULL, &answer);
    if (answer.status != 302)
        fail_msg("dialog: %d %s", answer.status, answer.body);
    (void)snprintf(callback, 2048, "%s", answer.location);
    rest_answer_free(&answer);
}

void system_connect_meta(struct rest_client *browser)
{
    struct rest_answer dialog, back;
    char callback[2048];
    rest_client_request(browser, "GET", "/api/auth/meta/connect", NULL, NULL, &dialog);
    if (dialog.status != 302)
        fail_msg("connect: %d %s", dialog.status, dialog.body);
    assert_non_null(strstr(dialog.location, "state="));
    system_dialog(dialog.location, "authorize", callback);
    const char *path = strstr(callback, "/api/auth/meta/callback?");
    assert_non_null(path);
    rest_client_request(browser, "GET", path, NULL, NULL, &back);
    if (back.status != 302)
        fail_msg("callback: %d %s", back.status, back.body);
    assert_non_null(strstr(back.location, "/onboarding/launch"));
    assert_null(strstr(back.location, "error="));
    rest_answer_free(&dialog);
    rest_answer_free(&back);
}

static void control_request(const struct system_under_test *system, const char *method,
                            const char *path, const char *body, struct rest_answer *ret_answer)
{
    char url[PROCESS_LINE_BYTES + 64];
    struct rest_client stranger = {0};
    (void)snprintf(url, sizeof url, "%s%s", system->meta_url, path);
    rest_client_request(&stranger, method, url, body, NULL, ret_answer);
    if (ret_answer->status != 200)
        fail_msg("%s: %d %s", path, ret_answer->status, ret_answer->body);
}

void system_control(const struct system_under_test *system, const char *path, const char *body)
{
    struct rest_answer answer;
    control_request(system, "POST", path, body, &answer);
    rest_answer_free(&answer);
}

int64_t system_meta_count(const struct system_under_test *system, const char *kind)
{
    struct rest_answer answer;
    control_request(system, "GET", "/_control/objects", NULL, &answer);
    int64_t count = (int64_t)rest_answer_length(&answer, kind);
    rest_answer_free(&answer);
    return count;
}

int64_t system_unchanged(const struct system_under_test *system, int64_t *ret_total)
{
    struct rest_answer answer;
    control_request(system, "GET", "/_control/requests", NULL, &answer);
    int64_t unchanged = rest_answer_integer(&answer, "unchanged");
    *ret_total = rest_answer_integer(&answer, "total");
    rest_answer_free(&answer);
    return unchanged;
}

int64_t system_meta_requests(const struct system_under_test *system, const char *method,
                             const char *part)
{
    struct rest_answer answer;
    int64_t total = 0;
    char wanted[32];
    control_request(system, "GET", "/_control/requests", NULL, &answer);
    (void)snprintf(wanted, sizeof wanted, "{\"method\":\"%s\"", method);
    /* One object a line of the list: method, path, count. */
    for (char *at = strstr(answer.body, wanted); at != NULL; at = strstr(at + 1, wanted)) {
        size_t len = strcspn(at, "}");
        char *count = strstr(at, "\"count\":");
        char *found = strstr(at, part);
        if (found != NULL && found < at + len && count != NULL && count < at + len)
            total += strtoll(count + 8, NULL, 10);
    }
    rest_answer_free(&answer);
    return total;
}
