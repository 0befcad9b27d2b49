/*
 * The main job, end to end: from sign-up to running ads, as data-flows.md has it, against real
 * processes; and what the HTTP contract says of every answer on the way.
 */
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

/* A request whose answer has this status; its error code, or "". */
static void expect(struct rest_client *browser, const char *method, const char *path,
                   const char *body, int status, const char *code)
{
    struct rest_answer answer;
    rest_client_request(browser, method, path, body, NULL, &answer);
    if (answer.status != status)
        fail_msg("%s %s: %d instead of %d: %s", method, path, answer.status, status, answer.body);
    if (code != NULL)
        assert_string_equal(rest_answer_text(&answer, "error.code"), code);
    assert_non_null(strcasestr(answer.headers, "x-request-id:"));
    rest_answer_free(&answer);
}

static void check_new_dashboard(struct rest_client *browser)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", "/api/customer/dashboard", NULL, NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(rest_answer_text(&answer, "status"), "setup");
    assert_int_equal(rest_answer_integer(&answer, "itemCount"), 0);
    assert_string_equal(rest_answer_text(&answer, "lastSync"), "never");
    assert_true(rest_answer_null(&answer, "lastSyncAt"));
    assert_int_equal(rest_answer_integer(&answer, "performance.impressions"), 0);
    assert_int_equal(rest_answer_integer(&answer, "performance.ctr"), 0);
    assert_int_equal(rest_answer_integer(&answer, "credits.remaining"), SYSTEM_SIGNUP_CREDITS);
    assert_true(rest_answer_null(&answer, "credits.daysEstimate"));
    assert_string_equal(rest_answer_text(&answer, "suggestion.type"), "onboarding");
    assert_string_equal(rest_answer_text(&answer, "suggestion.link"), "/onboarding/connect");
    rest_answer_free(&answer);
}

static void launch(struct rest_client *browser, char campaign_id[static 128])
{
    struct rest_answer answer;
    rest_client_request(browser, "POST", "/api/onboarding/launch", system_launch_body, NULL,
                        &answer);
    if (answer.status != 200)
        fail_msg("launch: %d %s; see %s", answer.status, answer.body, system_.log);
    assert_true(rest_answer_bool(&answer, "success"));
    assert_string_equal(rest_answer_text(&answer, "redirectTo"), "/app/dashboard");
    (void)snprintf(campaign_id, 128, "%s", rest_answer_text(&answer, "campaignId"));
    assert_true(campaign_id[0] != '\0');
    rest_answer_free(&answer);
}

static bool has_figures(void *arg)
{
    struct rest_answer answer;
    rest_client_request(arg, "GET", "/api/customer/dashboard", NULL, NULL, &answer);
    bool there = answer.status == 200 && rest_answer_integer(&answer, "performance.reach") > 0;
    rest_answer_free(&answer);
    return there;
}

static void check_running_dashboard(struct rest_client *browser)
{
    struct rest_answer answer;
    assert_true(wait_until(has_figures, browser, 30000));
    rest_client_request(browser, "GET", "/api/customer/dashboard", NULL, NULL, &answer);
    assert_string_equal(rest_answer_text(&answer, "status"), "running");
    assert_int_equal(rest_answer_integer(&answer, "itemCount"), ITEMS);
    assert_string_equal(rest_answer_text(&answer, "lastSync"), "just now");
    assert_int_equal(strlen(rest_answer_text(&answer, "lastSyncAt")), 20);
    int64_t impressions = rest_answer_integer(&answer, "performance.impressions");
    int64_t clicks = rest_answer_integer(&answer, "performance.clicks");
    int64_t reach = rest_answer_integer(&answer, "performance.reach");
    double ctr = rest_answer_number(&answer, "performance.ctr");
    assert_true(impressions > clicks && clicks > 0 && reach > 0 && reach < impressions);
    double exact = 100.0 * (double)clicks / (double)impressions;
    assert_true(ctr > exact - 0.0051 && ctr < exact + 0.0051);
    /* 847.32 USD in 30 days at 20 credits a dollar, and today's share of what goes on. */
    int64_t remaining = rest_answer_integer(&answer, "credits.remaining");
    assert_true(remaining > 0 && remaining <= SYSTEM_SIGNUP_CREDITS - 16946);
    assert_true(rest_answer_integer(&answer, "credits.daysEstimate") >= 1);
    /* No figure of spend in any customer's answer. */
    assert_null(strcasestr(answer.body, "spend"));
    assert_null(strcasestr(answer.body, "cpc"));
    assert_null(strcasestr(answer.body, "cpm"));
    rest_answer_free(&answer);
}

static void a_new_customer_gets_running_ads(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    char campaign_id[128];
    int64_t campaigns = system_meta_count(&system_, "campaigns");
    system_sign_up(&browser, "jane@acme.example");
    check_new_dashboard(&browser);
    expect(&browser, "POST", "/api/onboarding/launch", system_launch_body, 409,
           "WEBSITE_NOT_CONNECTED");
    expect(&browser, "GET", "/api/auth/meta/accounts", NULL, 409, "META_NOT_CONNECTED");
    system_connect_website(&system_, &browser, ITEMS);
    expect(&browser, "POST", "/api/onboarding/launch", system_launch_body, 409,
           "META_NOT_CONNECTED");
    system_connect_meta(&browser);
    launch(&browser, campaign_id);
    check_running_dashboard(&browser);
    assert_int_equal(system_meta_count(&system_, "campaigns"), campaigns + 1);

    struct rest_answer again;
    rest_client_request(&browser, "POST", "/api/onboarding/launch", system_launch_body, NULL,
                        &again);
    assert_int_equal(again.status, 409);
    assert_string_equal(rest_answer_text(&again, "error.code"), "ALREADY_LAUNCHED");
    assert_string_equal(rest_answer_text(&again, "error.details.campaignId"), campaign_id);
    rest_answer_free(&again);
}

static void the_session_says_which_step_is_next(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    system_sign_up(&browser, "Step@Acme.Example");
    rest_client_request(&browser, "GET", "/api/auth/session", NULL, NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(rest_answer_text(&answer, "user.email"), "Step@Acme.Example");
    assert_string_equal(rest_answer_text(&answer, "user.company"), "Acme Auto");
    assert_string_equal(rest_answer_text(&answer, "user.role"), "customer");
    assert_string_equal(rest_answer_text(&answer, "onboarding.step"), "connect");
    rest_answer_free(&answer);
    system_connect_website(&system_, &browser, ITEMS);
    rest_client_request(&browser, "GET", "/api/auth/session", NULL, NULL, &answer);
    assert_string_equal(rest_answer_text(&answer, "onboarding.step"), "launch");
    rest_answer_free(&answer);
}

static void log_out_ends_the_session_and_log_in_makes_another(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    system_sign_up(&browser, "out@acme.example");
    struct rest_client thief = browser; /* keeps the cookie's value */
    rest_client_request(&browser, "POST", "/api/auth/logout", "{}", NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(rest_answer_text(&answer, "redirectTo"), "/login");
    assert_string_equal(browser.cookie, "");
    rest_answer_free(&answer);
    expect(&thief, "GET", "/api/customer/dashboard", NULL, 401, "AUTH_REQUIRED");
    assert_string_equal(thief.cookie, ""); /* cleared with the refusal */
    rest_client_request(&browser, "POST", "/api/auth/login",
                        "{\"email\":\"OUT@acme.example\",\"password\":\"correct horse\"}", NULL,
                        &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(rest_answer_text(&answer, "redirectTo"), "/onboarding/connect");
    assert_non_null(strstr(answer.set_cookie, "HttpOnly"));
    assert_non_null(strstr(answer.set_cookie, "SameSite=Lax"));
    assert_non_null(strstr(answer.set_cookie, "Path=/"));
    assert_null(strstr(answer.set_cookie, "Secure")); /* the public URL is http */
    rest_answer_free(&answer);
    expect(&browser, "GET", "/api/customer/dashboard", NULL, 200, NULL);
}

static void refusals_have_the_contract_s_shape(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
        int status;
        const char *code, *field;
    } rows[] = {
        {"/api/auth/signup", "{\"email\":\"a@b.example\",\"password\":\"short\",\"company\":\"x\"}",
         400, "WEAK_PASSWORD", "password"},
        {"/api/auth/signup", "{\"email\":\"nope\",\"password\":\"short\"}", 400, "INVALID_EMAIL",
         "email"},
        {"/api/auth/signup", "{\"email\":\"a@b.example\",\"password\":\"correct horse\"}", 400,
         "INVALID_ARGUMENT", "company"},
        {"/api/auth/signup", "{\"email\":\"a@b.example\",\"role\":\"admin\"}", 400, "UNKNOWN_FIELD",
         "role"},
        {"/api/auth/signup", "{\"email\":5}", 400, "INVALID_ARGUMENT", "email"},
        {"/api/auth/signup", "{\"email\":", 400, "INVALID_JSON", NULL},
        {"/api/auth/signup", "{\"email\":\"a\",\"email\":\"b\"}", 400, "INVALID_JSON", NULL},
        {"/api/auth/login", "{\"email\":\"nobody@acme.example\",\"password\":\"correct horse\"}",
         401, "INVALID_CREDENTIALS", NULL},
        {"/api/onboarding/website", "{\"url\":\"http://127.0.0.1.nip.example/\"}", 401,
         "AUTH_REQUIRED", NULL},
        {"/api/onboarding/website", "{not json", 401, "AUTH_REQUIRED", NULL},
        {"/api/nothing", "{}", 404, "NOT_FOUND", NULL},
        {"/healthz", "{}", 405, "METHOD_NOT_ALLOWED", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rest_client browser = system_browser(&system_);
        struct rest_answer answer;
        rest_client_request(&browser, "POST", rows[i].path, rows[i].body, NULL, &answer);
        if (answer.status != rows[i].status)
            fail_msg("%s %s: %d %s", rows[i].path, rows[i].body, answer.status, answer.body);
        assert_string_equal(rest_answer_text(&answer, "error.code"), rows[i].code);
        assert_true(rest_answer_text(&answer, "error.message")[0] != '\0');
        if (rows[i].field != NULL)
            assert_string_equal(rest_answer_text(&answer, "error.details.field"), rows[i].field);
        rest_answer_free(&answer);
    }
}

static void launch_and_website_refuse_bad_values(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
        const char *code, *field;
    } rows[] = {
        {"/api/onboarding/website", "{\"url\":\"invalid\"}", "INVALID_URL", "url"},
        {"/api/onboarding/website", "{}", "INVALID_URL", "url"},
        {"/api/onboarding/website", "{\"url\":\"ftp://example.com\"}", "INVALID_URL", "url"},
        {"/api/onboarding/website", "{\"url\":\"http://169.254.169.254/latest\"}", "INVALID_URL",
         "url"},
        {"/api/onboarding/website", "{\"url\":\"http://10.0.0.1/\"}", "INVALID_URL", "url"},
        {"/api/onboarding/website", "{\"url\":\"http://[::1]/\"}", "INVALID_URL", "url"},
        {"/api/onboarding/website", "{\"url\":\"http://2130706433/\"}", "INVALID_URL", "url"},
        {"/api/onboarding/website", "{\"url\":\"http://user@127.0.0.1/\"}", "INVALID_URL", "url"},
        {"/api/onboarding/launch",
         "{\"monthlyBudget\":29,\"currency\":\"USD\",\"targeting\":{\"countries\":[\"US\"],"
         "\"ageMin\":25,\"ageMax\":65}}",
         "INVALID_BUDGET", "monthlyBudget"},
        {"/api/onboarding/launch",
         "{\"monthlyBudget\":100.001,\"currency\":\"USD\",\"targeting\":{\"countries\":[\"US\"],"
         "\"ageMin\":25,\"ageMax\":65}}",
         NULL, "monthlyBudget"},
        {"/api/onboarding/launch",
         "{\"monthlyBudget\":100,\"currency\":\"usd\",\"targeting\":{\"countries\":[\"US\"],"
         "\"ageMin\":25,\"ageMax\":65}}",
         "INVALID_CURRENCY", "currency"},
        {"/api/onboarding/launch", "{\"monthlyBudget\":100,\"currency\":\"USD\"}",
         "INVALID_TARGETING", "targeting"},
        {"/api/onboarding/launch",
         "{\"monthlyBudget\":100,\"currency\":\"USD\",\"targeting\":{\"countries\":[\"XX\"],"
         "\"ageMin\":25,\"ageMax\":65}}",
         "INVALID_TARGETING", "targeting.countries[0]"},
        {"/api/onboarding/launch",
         "{\"monthlyBudget\":100,\"currency\":\"USD\",\"targeting\":{\"countries\":[\"US\"],"
         "\"ageMin\":17,\"ageMax\":65}}",
         "INVALID_TARGETING", "targeting.ageMin"},
        {"/api/onboarding/launch",
         "{\"monthlyBudget\":100,\"currency\":\"USD\",\"targeting\":{\"countries\":[\"US\"],"
         "\"ageMin\":30,\"ageMax\":29}}",
         "INVALID_TARGETING", "targeting.ageMax"},
    };
    struct rest_client browser = system_browser(&system_);
    system_sign_up(&browser, "values@acme.example");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rest_answer answer;
        rest_client_request(&browser, "POST", rows[i].path, rows[i].body, NULL, &answer);
        if (answer.status != 400)
            fail_msg("%s %s: %d %s", rows[i].path, rows[i].body, answer.status, answer.body);
        if (rows[i].code != NULL)
            assert_string_equal(rest_answer_text(&answer, "error.code"), rows[i].code);
        assert_string_equal(rest_answer_text(&answer, "error.details.field"), rows[i].field);
        rest_answer_free(&answer);
    }
}

static void other_sites_requests_are_refused(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "Origin: https://evil.example", "Origin: null",
        "Origin: http://localhost:1",   "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct rest_client browser = system_browser(&system_);
        struct rest_answer answer;
        rest_client_request(&browser, "POST", "/api/auth/logout", "{}", headers[i], &answer);
        assert_int_equal(answer.status, 403);
        assert_string_equal(rest_answer_text(&answer, "error.code"), "CROSS_ORIGIN");
        rest_answer_free(&answer);
    }
}

/* From the dialog's decision to where the app sends `browser`; the callback's path is kept. */
static void come_back(struct rest_client *browser, const char *dialog_url, const char *decision,
                      char path[static 2048], struct rest_answer *ret_back)
{
    char callback[2048];
    system_dialog(dialog_url, decision, callback);
    const char *at = strstr(callback, "/api/auth/meta/callback?");
    assert_non_null(at);
    (void)snprintf(path, 2048, "%s", at);
    rest_client_request(browser, "GET", path, NULL, NULL, ret_back);
    assert_int_equal(ret_back->status, 302);
}

static void a_foreign_or_used_state_never_exchanges_the_code(void **state)
{
    (void)state;
    struct rest_client jane = system_browser(&system_);
    struct rest_client mallory = system_browser(&system_);
    struct rest_answer dialog, back;
    char path[2048];
    system_sign_up(&jane, "oauth-jane@acme.example");
    system_sign_up(&mallory, "oauth-mallory@acme.example");
    rest_client_request(&mallory, "GET", "/api/auth/meta/connect", NULL, NULL, &dialog);
    int64_t exchanges = system_meta_requests(&system_, "GET", "/oauth/access_token");
    /* Mallory's state in Jane's session. */
    come_back(&jane, dialog.location, "authorize", path, &back);
    assert_non_null(strstr(back.location, "/onboarding/launch?error=META_FAILED"));
    rest_answer_free(&back);
    rest_answer_free(&dialog);
    expect(&jane, "GET", "/api/auth/meta/accounts", NULL, 409, "META_NOT_CONNECTED");
    /* Denied at the dialog, and the same state once more. */
    rest_client_request(&jane, "GET", "/api/auth/meta/connect?returnTo=/app/settings", NULL, NULL,
                        &dialog);
    come_back(&jane, dialog.location, "cancel", path, &back);
    assert_non_null(strstr(back.location, "/app/settings?error=META_DENIED"));
    rest_answer_free(&back);
    rest_answer_free(&dialog);
    rest_client_request(&jane, "GET", path, NULL, NULL, &back);
    assert_non_null(strstr(back.location, "error=META_FAILED"));
    rest_answer_free(&back);
    assert_int_equal(system_meta_requests(&system_, "GET", "/oauth/access_token"), exchanges);
}

static void no_secret_is_in_the_logs(void **state)
{
    (void)state;
    static const char *const secrets[] = {"correct horse", "sandbox-app-secret", "access_token",
                                          "lotcast_session="};
    FILE *file = fopen(system_.log, "r");
    char line[8192];
    int lines = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        lines++;
        for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
            assert_null(strstr(line, secrets[i]));
    }
    (void)fclose(file);
    assert_true(lines > 10);
}

static void a_second_serve_on_the_same_directory_is_refused(void **state)
{
    (void)state;
    struct process second;
    char log[128], data[128], line[512] = "";
    char *argv[] = {getenv("LOTCAST_BIN"), (char *)"serve", NULL};
    char *env[] = {data, (char *)"LOTCAST_LISTEN=127.0.0.1:0", NULL};
    (void)snprintf(log, sizeof log, "%s/second.log", system_.directory);
    (void)snprintf(data, sizeof data, "LOTCAST_DATA_DIR=%s/data", system_.directory);
    process_start(&second, argv, env, log);
    int code = process_wait(&second, 10000);
    assert_true(code > 0);
    FILE *file = fopen(log, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_non_null(strstr(line, "another lotcast serve"));
    assert_null(fgets(line, sizeof line, file));
    (void)fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_customer_gets_running_ads),
        cmocka_unit_test(the_session_says_which_step_is_next),
        cmocka_unit_test(log_out_ends_the_session_and_log_in_makes_another),
        cmocka_unit_test(refusals_have_the_contract_s_shape),
        cmocka_unit_test(launch_and_website_refuse_bad_values),
        cmocka_unit_test(other_sites_requests_are_refused),
        cmocka_unit_test(a_foreign_or_used_state_never_exchanges_the_code),
        cmocka_unit_test(a_second_serve_on_the_same_directory_is_refused),
        cmocka_unit_test(no_secret_is_in_the_logs),
    };
    return cmocka_run_group_tests_name("flow", tests, start, stop);
}
