/*
 * The settings page, end to end, as data-flows.md has it: account, website, Meta, and what each
 * refuses; and the announcements that lotctl publishes.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/e2e/system.h"

#define ITEMS 247
#define SETTINGS "/api/customer/settings"
#define SCAN_STATUS "/api/customer/settings/scan-status"
#define TEST_WEBSITE "/api/customer/settings/test-website"
#define DISCONNECT "/api/customer/settings/disconnect-meta"
#define DASHBOARD "/api/customer/dashboard"
#define ANNOUNCEMENTS "/api/customer/announcements"
/* Nothing that goes on by itself takes longer. */
#define SOON_MS 30000

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

static void request(struct rest_client *browser, const char *method, const char *path,
                    const char *body, int status, struct rest_answer *ret_answer)
{
    rest_client_request(browser, method, path, body, NULL, ret_answer);
    if (ret_answer->status != status)
        fail_msg("%s %s %s: %d instead of %d: %s; see %s", method, path, body == NULL ? "" : body,
                 ret_answer->status, status, ret_answer->body, system_.log);
}

static void expect_success(struct rest_client *browser, const char *method, const char *path,
                           const char *body)
{
    struct rest_answer answer;
    request(browser, method, path, body, 200, &answer);
    assert_true(rest_answer_bool(&answer, "success"));
    rest_answer_free(&answer);
}

static void expect_refusal(struct rest_client *browser, const char *method, const char *path,
                           const char *body, int status, const char *code)
{
    struct rest_answer answer;
    request(browser, method, path, body, status, &answer);
    assert_string_equal(rest_answer_text(&answer, "error.code"), code);
    rest_answer_free(&answer);
}

/* A text of an answer to a GET. */
static void expect_text(struct rest_client *browser, const char *path, const char *field,
                        const char *want)
{
    struct rest_answer answer;
    request(browser, "GET", path, NULL, 200, &answer);
    assert_string_equal(rest_answer_text(&answer, field), want);
    rest_answer_free(&answer);
}

/* --- the account --- */

static void check_new_settings(struct rest_client *browser)
{
    struct rest_answer answer;
    request(browser, "GET", SETTINGS, NULL, 200, &answer);
    assert_string_equal(rest_answer_text(&answer, "user.email"), "settings@acme.example");
    assert_string_equal(rest_answer_text(&answer, "user.company"), "Acme Auto");
    assert_string_equal(rest_answer_text(&answer, "user.name"), "");
    assert_string_equal(rest_answer_text(&answer, "user.timeZone"), "UTC");
    assert_false(rest_answer_bool(&answer, "website.connected"));
    assert_true(rest_answer_null(&answer, "website.url"));
    assert_string_equal(rest_answer_text(&answer, "website.lastSync"), "never");
    assert_true(rest_answer_null(&answer, "website.lastSyncAt"));
    assert_int_equal(rest_answer_integer(&answer, "website.itemsDetected"), 0);
    assert_false(rest_answer_bool(&answer, "meta.connected"));
    assert_true(rest_answer_null(&answer, "meta.accountId"));
    assert_true(rest_answer_null(&answer, "meta.businessName"));
    assert_non_null(strcasestr(answer.headers, "etag:"));
    assert_non_null(strcasestr(answer.headers, "cache-control: private, no-cache"));
    rest_answer_free(&answer);
    request(browser, "GET", SCAN_STATUS, NULL, 200, &answer);
    assert_false(rest_answer_bool(&answer, "inProgress"));
    assert_int_equal(rest_answer_integer(&answer, "itemsFound"), 0);
    assert_int_equal(rest_answer_integer(&answer, "pagesFetched"), 0);
    assert_true(rest_answer_null(&answer, "error"));
    rest_answer_free(&answer);
}

static void an_account_is_shown_and_changed(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    system_sign_up(&browser, "settings@acme.example");
    check_new_settings(&browser);
    expect_success(&browser, "PATCH", SETTINGS,
                   "{\"user\":{\"name\":\"John Doe\",\"email\":\"John.Doe@acme.example\","
                   "\"company\":\"Acme Inc.\"}}");
    expect_success(&browser, "PATCH", SETTINGS, "{\"user\":{\"timeZone\":\"America/New_York\"}}");
    expect_success(&browser, "PATCH", SETTINGS, "{}");
    expect_success(&browser, "PATCH", SETTINGS, "{\"user\":null,\"website\":null}");
    expect_success(&browser, "PATCH", SETTINGS,
                   "{\"user\":{\"name\":null,\"email\":null},\"website\":{\"url\":null}}");
    expect_text(&browser, SETTINGS, "user.name", "John Doe");
    expect_text(&browser, SETTINGS, "user.email", "John.Doe@acme.example");
    expect_text(&browser, SETTINGS, "user.company", "Acme Inc.");
    expect_text(&browser, SETTINGS, "user.timeZone", "America/New_York");
    expect_text(&browser, "/api/auth/session", "user.company", "Acme Inc.");
    struct rest_client other = system_browser(&system_);
    expect_refusal(&other, "POST", "/api/auth/login",
                   "{\"email\":\"settings@acme.example\",\"password\":\"correct horse\"}", 401,
                   "INVALID_CREDENTIALS");
    expect_success(&other, "POST", "/api/auth/login",
                   "{\"email\":\"john.doe@acme.example\",\"password\":\"correct horse\"}");
    /* The address that was given up is free again. */
    struct rest_client successor = system_browser(&system_);
    system_sign_up(&successor, "settings@acme.example");
}

static void changes_that_are_wrong_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int status;
        const char *code, *field;
    } rows[] = {
        {"{\"user\":{\"role\":\"admin\"}}", 400, "UNKNOWN_FIELD", "user.role"},
        {"{\"user\":{\"name\":\"x\",\"credits\":5}}", 400, "UNKNOWN_FIELD", "user.credits"},
        {"{\"credits\":5}", 400, "UNKNOWN_FIELD", "credits"},
        {"{\"id\":\"1\"}", 400, "UNKNOWN_FIELD", "id"},
        {"{\"__proto__\":{}}", 400, "UNKNOWN_FIELD", "__proto__"},
        {"{\"user\":{\"__proto__\":{}}}", 400, "UNKNOWN_FIELD", "user.__proto__"},
        {"{\"meta\":{\"connected\":false}}", 400, "UNKNOWN_FIELD", "meta"},
        {"{\"website\":{\"connected\":true}}", 400, "UNKNOWN_FIELD", "website.connected"},
        {"{\"user\":5}", 400, "INVALID_ARGUMENT", "user"},
        {"{\"user\":[]}", 400, "INVALID_ARGUMENT", "user"},
        {"{\"user\":{\"name\":5}}", 400, "INVALID_ARGUMENT", "user.name"},
        {"{\"user\":{\"email\":{}}}", 400, "INVALID_ARGUMENT", "user.email"},
        {"{\"user\":{\"company\":true}}", 400, "INVALID_ARGUMENT", "user.company"},
        {"{\"user\":{\"timeZone\":2}}", 400, "INVALID_ARGUMENT", "user.timeZone"},
        {"{\"website\":{\"url\":7}}", 400, "INVALID_ARGUMENT", "website.url"},
        {"{\"user\":{\"name\":\"a\"},\"user\":{\"name\":\"b\"}}", 400, "INVALID_JSON", NULL},
        {"{\"user\":{\"name\":\"a\\u0000b\"}}", 400, "INVALID_JSON", NULL},
        {"[]", 400, NULL, NULL},
        {"{\"user\":", 400, "INVALID_JSON", NULL},
        {"{\"user\":{\"name\":\"a\\nb\"}}", 400, "INVALID_ARGUMENT", "user.name"},
        {"{\"user\":{\"email\":\"\"}}", 400, "INVALID_EMAIL", "user.email"},
        {"{\"user\":{\"email\":\"nope\",\"timeZone\":\"x\"}}", 400, "INVALID_EMAIL", "user.email"},
        {"{\"user\":{\"company\":\"\"}}", 400, "INVALID_ARGUMENT", "user.company"},
        {"{\"user\":{\"timeZone\":\"Mars/Olympus\"}}", 400, "INVALID_ARGUMENT", "user.timeZone"},
        {"{\"user\":{\"timeZone\":\"\"}}", 400, "INVALID_ARGUMENT", "user.timeZone"},
        {"{\"website\":{\"url\":\"\"}}", 400, "INVALID_URL", "website.url"},
        {"{\"website\":{\"url\":\"invalid\"}}", 400, "INVALID_URL", "website.url"},
        {"{\"website\":{\"url\":\"http://10.0.0.1/\"}}", 400, "INVALID_URL", "website.url"},
        {"{\"user\":{\"name\":\"New\"},\"website\":{\"url\":\"ftp://x.example/\"}}", 400,
         "INVALID_URL", "website.url"},
        {"{\"user\":{\"name\":\"New\",\"email\":\"Taken@acme.example\"}}", 409, "EMAIL_TAKEN",
         "user.email"},
    };
    struct rest_client browser = system_browser(&system_);
    struct rest_client taken = system_browser(&system_);
    system_sign_up(&taken, "taken@acme.example");
    expect_refusal(&browser, "PATCH", SETTINGS, "{}", 401, "AUTH_REQUIRED");
    system_sign_up(&browser, "wrong@acme.example");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rest_answer answer;
        request(&browser, "PATCH", SETTINGS, rows[i].body, rows[i].status, &answer);
        if (rows[i].code != NULL &&
            strcmp(rest_answer_text(&answer, "error.code"), rows[i].code) != 0)
            fail_msg("%s: %s", rows[i].body, answer.body);
        if (rows[i].field != NULL)
            assert_string_equal(rest_answer_text(&answer, "error.details.field"), rows[i].field);
        rest_answer_free(&answer);
    }
    expect_text(&browser, SETTINGS, "user.email", "wrong@acme.example");
    expect_text(&browser, SETTINGS, "user.name", "");
    expect_text(&browser, SETTINGS, "user.company", "Acme Auto");
    expect_refusal(&browser, "POST", TEST_WEBSITE, NULL, 409, "WEBSITE_NOT_CONNECTED");
}

/* --- the website --- */

static bool scan_is_over(void *browser)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", SCAN_STATUS, NULL, NULL, &answer);
    bool over = answer.status == 200 && !rest_answer_bool(&answer, "inProgress");
    rest_answer_free(&answer);
    return over;
}

static void change_site(struct rest_client *browser, const char *url)
{
    char body[PROCESS_LINE_BYTES + 64];
    (void)snprintf(body, sizeof body, "{\"website\":{\"url\":\"%s\"}}", url);
    expect_success(browser, "PATCH", SETTINGS, body);
}

static void check_site(struct rest_client *browser, const char *url)
{
    struct rest_answer answer;
    request(browser, "GET", SETTINGS, NULL, 200, &answer);
    assert_true(rest_answer_bool(&answer, "website.connected"));
    assert_non_null(strstr(rest_answer_text(&answer, "website.url"), url));
    assert_int_equal(rest_answer_integer(&answer, "website.itemsDetected"), ITEMS);
    assert_int_equal(strlen(rest_answer_text(&answer, "website.lastSyncAt")), 20);
    rest_answer_free(&answer);
}

static void a_website_is_tested_and_changed(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    char other[PROCESS_LINE_BYTES + 32];
    system_sign_up(&browser, "site@acme.example");
    system_connect_website(&system_, &browser, ITEMS);
    check_site(&browser, system_.site_url);
    expect_text(&browser, SETTINGS, "website.lastSync", "just now");

    request(&browser, "POST", TEST_WEBSITE, NULL, 200, &answer);
    assert_true(rest_answer_bool(&answer, "success"));
    assert_int_equal(rest_answer_integer(&answer, "itemsFound"), ITEMS);
    rest_answer_free(&answer);
    system_control(&system_, "/_control/fail",
                   "{\"service\":\"site\",\"path\":\"/\",\"times\":-1,\"drop\":\"before\"}");
    expect_refusal(&browser, "POST", TEST_WEBSITE, "{}", 422, "WEBSITE_UNREACHABLE");
    system_control(&system_, "/_control/clear", "{}");

    /* Nobody is there: the change is taken, the scan says so, the old inventory stays. */
    change_site(&browser, "http://127.0.0.1:9/");
    assert_true(wait_until(scan_is_over, &browser, SOON_MS));
    expect_text(&browser, SCAN_STATUS, "error.code", "WEBSITE_UNREACHABLE");
    check_site(&browser, system_.site_url);

    (void)snprintf(other, sizeof other, "%s?from=settings", system_.site_url);
    change_site(&browser, other);
    assert_true(wait_until(scan_is_over, &browser, SOON_MS));
    request(&browser, "GET", SCAN_STATUS, NULL, 200, &answer);
    if (rest_answer_integer(&answer, "itemsFound") != ITEMS)
        fail_msg("%s; see %s", answer.body, system_.log);
    assert_true(rest_answer_integer(&answer, "pagesFetched") > 0);
    assert_true(rest_answer_null(&answer, "error"));
    rest_answer_free(&answer);
    check_site(&browser, "?from=settings");
}

/* --- Meta --- */

static void launch(struct rest_client *browser, const char *email)
{
    system_sign_up(browser, email);
    system_connect_website(&system_, browser, ITEMS);
    system_connect_meta(browser);
    expect_success(browser, "POST", "/api/onboarding/launch", system_launch_body);
    expect_text(browser, DASHBOARD, "status", "running");
}

static void check_disconnected(struct rest_client *browser)
{
    struct rest_answer answer;
    request(browser, "GET", SETTINGS, NULL, 200, &answer);
    assert_false(rest_answer_bool(&answer, "meta.connected"));
    assert_true(rest_answer_null(&answer, "meta.accountId"));
    assert_true(rest_answer_null(&answer, "meta.businessName"));
    rest_answer_free(&answer);
    request(browser, "GET", DASHBOARD, NULL, 200, &answer);
    assert_string_equal(rest_answer_text(&answer, "status"), "paused");
    assert_string_equal(rest_answer_text(&answer, "suggestion.type"), "meta");
    assert_string_equal(rest_answer_text(&answer, "suggestion.link"), "/app/settings");
    rest_answer_free(&answer);
    expect_refusal(browser, "GET", "/api/auth/meta/accounts", NULL, 409, "META_NOT_CONNECTED");
}

static void check_connected(struct rest_client *browser)
{
    struct rest_answer answer;
    request(browser, "GET", SETTINGS, NULL, 200, &answer);
    assert_true(rest_answer_bool(&answer, "meta.connected"));
    assert_int_equal(strncmp(rest_answer_text(&answer, "meta.accountId"), "act_", 4), 0);
    assert_true(rest_answer_text(&answer, "meta.businessName")[0] != '\0');
    rest_answer_free(&answer);
}

/* Whether the last campaign at Meta is active. */
static bool campaign_active(void)
{
    struct rest_answer answer;
    struct rest_client stranger = {0};
    char url[PROCESS_LINE_BYTES + 64], path[64];
    (void)snprintf(url, sizeof url, "%s/_control/objects", system_.meta_url);
    rest_client_request(&stranger, "GET", url, NULL, NULL, &answer);
    assert_int_equal(answer.status, 200);
    (void)snprintf(path, sizeof path, "campaigns.%zu.status",
                   rest_answer_length(&answer, "campaigns") - 1);
    bool active = strcmp(rest_answer_text(&answer, path), "ACTIVE") == 0;
    rest_answer_free(&answer);
    return active;
}

static bool runs_again(void *browser)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", DASHBOARD, NULL, NULL, &answer);
    bool runs = answer.status == 200 && campaign_active() &&
                strcmp(rest_answer_text(&answer, "status"), "running") == 0;
    rest_answer_free(&answer);
    return runs;
}

static void disconnecting_pauses_first(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    launch(&browser, "meta@acme.example");
    check_connected(&browser);
    int64_t revoked = system_meta_requests(&system_, "DELETE", "/me/permissions");
    /* Meta does not confirm: nothing changes. */
    system_control(&system_, "/_control/fail",
                   "{\"service\":\"meta\",\"method\":\"POST\",\"path\":\"/\",\"times\":-1,"
                   "\"status\":500}");
    request(&browser, "POST", DISCONNECT, NULL, 502, &answer);
    assert_string_equal(rest_answer_text(&answer, "error.code"), "UPSTREAM_ERROR");
    assert_string_equal(rest_answer_text(&answer, "error.details.upstream"), "meta");
    rest_answer_free(&answer);
    check_connected(&browser);
    expect_text(&browser, DASHBOARD, "status", "running");
    assert_int_equal(system_meta_requests(&system_, "DELETE", "/me/permissions"), revoked);
    system_control(&system_, "/_control/clear", "{}");
    assert_true(wait_until(runs_again, &browser, SOON_MS));

    expect_success(&browser, "POST", DISCONNECT, "{}");
    assert_false(campaign_active());
    check_disconnected(&browser);
    assert_int_equal(system_meta_requests(&system_, "DELETE", "/me/permissions"), revoked + 1);
    expect_success(&browser, "POST", DISCONNECT, NULL); /* not connected: success */
    assert_int_equal(system_meta_requests(&system_, "DELETE", "/me/permissions"), revoked + 1);

    /* Connecting again does not start the ads: their owner does. */
    system_connect_meta(&browser);
    check_connected(&browser);
    expect_text(&browser, DASHBOARD, "status", "paused");
    assert_false(campaign_active());
    expect_success(&browser, "POST", "/api/customer/ads/resume", "{}");
    assert_true(wait_until(runs_again, &browser, SOON_MS));
}

struct caller {
    struct rest_client browser;
    int status;
};

static void *call_disconnect(void *caller_)
{
    struct caller *caller = caller_;
    struct rest_answer answer;
    rest_client_request(&caller->browser, "POST", DISCONNECT, "{}", NULL, &answer);
    caller->status = answer.status;
    rest_answer_free(&answer);
    return NULL;
}

#define CALLERS 50

static void many_at_once_have_one_effect(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    struct caller callers[CALLERS];
    pthread_t threads[CALLERS];
    launch(&browser, "many@acme.example");
    int64_t revoked = system_meta_requests(&system_, "DELETE", "/me/permissions");
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.browser = browser};
        assert_int_equal(pthread_create(&threads[i], NULL, call_disconnect, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(callers[i].status, 200);
    }
    assert_int_equal(system_meta_requests(&system_, "DELETE", "/me/permissions"), revoked + 1);
    assert_false(campaign_active());
    check_disconnected(&browser);
}

static bool is_disconnected(void *browser)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", SETTINGS, NULL, NULL, &answer);
    bool is = answer.status == 200 && !rest_answer_bool(&answer, "meta.connected");
    rest_answer_free(&answer);
    return is;
}

struct asked {
    int64_t before;
};

static bool has_asked(void *asked_)
{
    const struct asked *asked = asked_;
    return system_meta_requests(&system_, "DELETE", "/me/permissions") > asked->before;
}

/* Killed while the token is being revoked: it goes on by itself. */
static void goes_on_after_a_crash(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    struct caller caller;
    pthread_t thread;
    launch(&browser, "crash@acme.example");
    caller.browser = browser;
    struct asked asked = {system_meta_requests(&system_, "DELETE", "/me/permissions")};
    system_control(&system_, "/_control/fail",
                   "{\"service\":\"meta\",\"method\":\"DELETE\",\"path\":\"/me/permissions\","
                   "\"times\":1,\"delay_ms\":3000}");
    assert_int_equal(pthread_create(&thread, NULL, call_disconnect, &caller), 0);
    assert_true(wait_until(has_asked, &asked, SOON_MS));
    system_kill_role(&system_, "logic");
    (void)pthread_join(thread, NULL);
    assert_true(caller.status != 200);
    system_wait_ready(&system_);
    assert_true(wait_until(is_disconnected, &browser, SOON_MS));
    assert_false(campaign_active());
    expect_success(&browser, "POST", DISCONNECT, "{}");
    check_disconnected(&browser);
}

static void a_dead_token_needs_no_confirmation(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    launch(&browser, "dead@acme.example");
    system_control(&system_, "/_control/tokens", "{\"valid\":false}");
    expect_success(&browser, "POST", DISCONNECT, "{}");
    check_disconnected(&browser);
    /* Meta hears of the pause from who connects again. */
    assert_true(campaign_active());
    system_connect_meta(&browser);
    expect_text(&browser, DASHBOARD, "status", "paused");
    for (int i = 0; i < 100 && campaign_active(); i++)
        (void)wait_until(is_disconnected, &browser, 100);
    assert_false(campaign_active());
}

/* --- announcements --- */

/* Runs lotctl with these arguments: its exit code, and the first line that it prints. */
static int lotctl(char *const arguments[], char line[static PROCESS_LINE_BYTES])
{
    struct process process;
    char data[128], log[128];
    char *argv[16] = {getenv("LOTCTL_BIN")};
    char *env[] = {data, NULL};
    assert_non_null(argv[0]);
    for (size_t i = 0; arguments[i] != NULL; i++)
        argv[i + 1] = arguments[i];
    (void)snprintf(data, sizeof data, "LOTCAST_DATA_DIR=%s/data", system_.directory);
    (void)snprintf(log, sizeof log, "%s/lotctl.log", system_.directory);
    line[0] = '\0';
    process_start(&process, argv, env, log);
    (void)process_read_line(&process, line, SOON_MS);
    return process_wait(&process, SOON_MS);
}

/* The customer's list has the announcement alone. */
static void expect_listed(struct rest_client *browser, const char *id, bool dismissed)
{
    struct rest_answer answer;
    request(browser, "GET", ANNOUNCEMENTS, NULL, 200, &answer);
    assert_int_equal(rest_answer_length(&answer, "announcements"), 1);
    assert_string_equal(rest_answer_text(&answer, "announcements.0.id"), id);
    assert_string_equal(rest_answer_text(&answer, "announcements.0.message"),
                        "New template available");
    assert_string_equal(rest_answer_text(&answer, "announcements.0.link"), "/app/templates");
    assert_int_equal(strlen(rest_answer_text(&answer, "announcements.0.publishedAt")), 20);
    assert_int_equal(rest_answer_bool(&answer, "announcements.0.dismissed"), dismissed);
    rest_answer_free(&answer);
}

static void announcements_are_shown_until_dismissed(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    char id[PROCESS_LINE_BYTES], line[PROCESS_LINE_BYTES], body[PROCESS_LINE_BYTES + 64];
    launch(&browser, "news@acme.example");
    char *publish[] = {(char *)"suggestion",
                       (char *)"publish",
                       (char *)"--message",
                       (char *)"New template available",
                       (char *)"--link",
                       (char *)"/app/templates",
                       NULL};
    assert_int_equal(lotctl(publish, id), 0);
    request(&browser, "GET", DASHBOARD, NULL, 200, &answer);
    assert_string_equal(rest_answer_text(&answer, "suggestion.id"), id);
    assert_string_equal(rest_answer_text(&answer, "suggestion.type"), "template");
    assert_string_equal(rest_answer_text(&answer, "suggestion.message"), "New template available");
    assert_string_equal(rest_answer_text(&answer, "suggestion.link"), "/app/templates");
    rest_answer_free(&answer);
    (void)snprintf(body, sizeof body, "{\"id\":\"%s\"}", id);
    expect_listed(&browser, id, false);
    expect_success(&browser, "POST", "/api/customer/suggestion/dismiss", body);
    request(&browser, "GET", DASHBOARD, NULL, 200, &answer);
    assert_true(rest_answer_null(&answer, "suggestion"));
    rest_answer_free(&answer);
    expect_listed(&browser, id, true);
    expect_refusal(&browser, "POST", "/api/customer/suggestion/dismiss", "{\"id\":\"nothing\"}",
                   404, "NOT_FOUND");
    expect_refusal(&browser, "POST", "/api/customer/suggestion/dismiss", "{}", 400,
                   "INVALID_ARGUMENT");
    char *withdraw[] = {(char *)"suggestion", (char *)"withdraw", id, NULL};
    char *unknown[] = {(char *)"suggestion", (char *)"withdraw", (char *)"announcement-999", NULL};
    char *bad_link[] = {(char *)"suggestion",
                        (char *)"publish",
                        (char *)"--message",
                        (char *)"News",
                        (char *)"--link",
                        (char *)"https://evil.example/",
                        NULL};
    char *nothing[] = {(char *)"suggestion", (char *)"publish", NULL};
    assert_int_equal(lotctl(withdraw, line), 0);
    request(&browser, "GET", ANNOUNCEMENTS, NULL, 200, &answer);
    assert_int_equal(rest_answer_length(&answer, "announcements"), 0);
    rest_answer_free(&answer);
    assert_int_equal(lotctl(unknown, line), 1);
    assert_int_equal(lotctl(bad_link, line), 1);
    assert_int_equal(lotctl(nothing, line), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_account_is_shown_and_changed),
        cmocka_unit_test(changes_that_are_wrong_change_nothing),
        cmocka_unit_test(a_website_is_tested_and_changed),
        cmocka_unit_test(disconnecting_pauses_first),
        cmocka_unit_test(many_at_once_have_one_effect),
        cmocka_unit_test(goes_on_after_a_crash),
        cmocka_unit_test(a_dead_token_needs_no_confirmation),
        cmocka_unit_test(announcements_are_shown_until_dismissed),
    };
    return cmocka_run_group_tests_name("settings", tests, start, stop);
}
