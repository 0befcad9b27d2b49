/*
 * Every code of the contract's table of errors, each with a request that yields it, over HTTP: its
 * status, its shape, and Allow, Retry-After and the cleared cookie where they belong. INTERNAL and
 * DEADLINE_EXCEEDED are the facade's tests' (integration/rest_*_test.c): here nothing of ours
 * fails, and what waits for others says so in time.
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
#define ADMIN "admin@lotcast.example"
#define LONG_URL_BYTES 8300
#define LONG_HEADER_BYTES (17 * 1024)
#define LARGE_BODY_BYTES (1024 * 1024 + 1)
/* Wrong passwords that one user may try in 10 minutes. */
#define PASSWORDS_MAX 10
#define NOW "2026-02-06T20:00:00Z"
/* No role takes longer to be there again. */
#define SOON_MS 30000

enum who {
    NOBODY,
    JOHN, /* has connected nothing */
    JANE, /* has launched */
    ADA,  /* is an admin */
    WHO_COUNT
};

static struct system_under_test system_;
static struct rest_client browsers[WHO_COUNT];
static char jane_path[64]; /* /admin/customers/{id} */
static char long_url[LONG_URL_BYTES];
static char long_header[LONG_HEADER_BYTES];
static char large_body[LARGE_BODY_BYTES + 1];

#define LAUNCH(budget, currency, country, age)               \
    "{\"monthlyBudget\":" budget ",\"currency\":\"" currency \
    "\",\"targeting\":{\"countries\":[\"" country "\"],\"ageMin\":" age ",\"ageMax\":65}}"
#define SIGN_UP(email, password) \
    "{\"email\":\"" email "\",\"password\":\"" password "\",\"company\":\"Acme Auto\"}"
#define LOG_IN(password) "{\"email\":\"jane@acme.example\",\"password\":\"" password "\"}"

/* What a request to one of ours is answered with. */
struct row {
    int status;
    const char *code;
    enum who who;
    const char *method, *path, *body, *header;
    const char *control; /* a failure of the stand-ins meanwhile */
};

static const struct row rows[] = {
    {400, "INVALID_JSON", NOBODY, "POST", "/api/auth/login", "{\"email\":", NULL, NULL},
    {400, "INVALID_ARGUMENT", JANE, "GET", "/api/customer/inventory?limit=201", NULL, NULL, NULL},
    {400, "UNKNOWN_FIELD", NOBODY, "POST", "/api/auth/login", "{\"mail\":\"x\"}", NULL, NULL},
    {400, "INVALID_URL", JOHN, "POST", "/api/onboarding/website",
     "{\"url\":\"ftp://acme.example\"}", NULL, NULL},
    {400, "INVALID_EMAIL", NOBODY, "POST", "/api/auth/signup", SIGN_UP("acme", "correct horse"),
     NULL, NULL},
    {400, "WEAK_PASSWORD", NOBODY, "POST", "/api/auth/signup", SIGN_UP("a@acme.example", "1234567"),
     NULL, NULL},
    {400, "INVALID_BUDGET", JOHN, "POST", "/api/onboarding/launch", LAUNCH("29", "USD", "US", "18"),
     NULL, NULL},
    {400, "INVALID_CURRENCY", JOHN, "POST", "/api/onboarding/launch",
     LAUNCH("500", "ZZZ", "US", "18"), NULL, NULL},
    {400, "INVALID_TARGETING", JOHN, "POST", "/api/onboarding/launch",
     LAUNCH("500", "USD", "US", "17"), NULL, NULL},
    {400, "INVALID_PERIOD", JANE, "GET", "/api/customer/performance?period=8d", NULL, NULL, NULL},
    {400, "INVALID_PACKAGE", JANE, "POST", "/api/customer/billing/purchase",
     "{\"packageId\":\"pkg_1\"}", NULL, NULL},
    {400, "INVALID_SIGNATURE", NOBODY, "POST", "/api/webhooks/stripe", "{}",
     "Stripe-Signature: t=1,v1=00", NULL},
    {400, "BAD_REQUEST", NOBODY, "GET", "/api/auth/session", NULL, "Transfer-Encoding: gzip", NULL},
    {401, "AUTH_REQUIRED", NOBODY, "GET", "/api/customer/dashboard", NULL, NULL, NULL},
    {401, "INVALID_CREDENTIALS", NOBODY, "POST", "/api/auth/login", LOG_IN("wrong"), NULL, NULL},
    {403, "FORBIDDEN", JANE, "GET", "/admin/customers", NULL, NULL, NULL},
    {403, "CROSS_ORIGIN", JANE, "POST", "/api/auth/logout", "{}", "Origin: https://evil.example",
     NULL},
    {404, "NOT_FOUND", JANE, "GET", "/api/customer/nothing", NULL, NULL, NULL},
    {404, "NOT_FOUND", ADA, "GET", "/admin/customers/999999", NULL, NULL, NULL},
    {405, "METHOD_NOT_ALLOWED", JANE, "DELETE", "/api/customer/ads", NULL, NULL, NULL},
    {409, "EMAIL_TAKEN", NOBODY, "POST", "/api/auth/signup",
     SIGN_UP("JANE@acme.example", "correct horse"), NULL, NULL},
    {409, "WEBSITE_NOT_CONNECTED", JOHN, "POST", "/api/onboarding/launch",
     LAUNCH("500", "USD", "US", "18"), NULL, NULL},
    {409, "META_NOT_CONNECTED", JOHN, "GET", "/api/auth/meta/accounts", NULL, NULL, NULL},
    {409, "NOT_LAUNCHED", JOHN, "POST", "/api/customer/ads/pause", "{}", NULL, NULL},
    {409, "ALREADY_LAUNCHED", JANE, "POST", "/api/onboarding/launch",
     LAUNCH("500", "USD", "US", "18"), NULL, NULL},
    {413, "PAYLOAD_TOO_LARGE", NOBODY, "POST", "/api/auth/login", large_body, NULL, NULL},
    {414, "URI_TOO_LONG", NOBODY, "GET", long_url, NULL, NULL, NULL},
    {415, "UNSUPPORTED_MEDIA_TYPE", NOBODY, "POST", "/api/auth/login", LOG_IN("x"),
     "Content-Type: text/plain", NULL},
    {431, "HEADERS_TOO_LARGE", NOBODY, "GET", "/api/auth/session", NULL, long_header, NULL},
    {422, "WEBSITE_UNREACHABLE", JOHN, "POST", "/api/onboarding/website",
     "{\"url\":\"http://127.0.0.1:9/\"}", NULL, NULL},
    {502, "UPSTREAM_ERROR", JANE, "GET", "/api/customer/performance?from=2026-01-10&to=2026-01-12",
     NULL, NULL,
     "{\"path\":\"/insights\",\"service\":\"meta\",\"times\":-1,\"error\":{\"code\":100}}"},
    /* The system of this test has no key of Stripe's. */
    {503, "UNAVAILABLE", JANE, "POST", "/api/customer/billing/purchase",
     "{\"packageId\":\"pkg_500\"}", NULL, NULL},
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* --- answers --- */

/* A request that is refused so; what the caller wants to see more of is in the answer. */
static void refused(const struct row *row, struct rest_answer *ret_answer)
{
    rest_client_request(&browsers[row->who], row->method, row->path, row->body, row->header,
                        ret_answer);
    if (ret_answer->status != row->status)
        fail_msg("%s: %s %.80s: %d instead of %d: %s; see %s", row->code, row->method, row->path,
                 ret_answer->status, row->status, ret_answer->body, system_.log);
    assert_string_equal(rest_answer_text(ret_answer, "error.code"), row->code);
    assert_true(rest_answer_text(ret_answer, "error.message")[0] != '\0');
    assert_non_null(strcasestr(ret_answer->headers, "\ncontent-type: application/json"));
    assert_non_null(strcasestr(ret_answer->headers, "\nx-request-id: "));
    bool waits = row->status == 429 || row->status == 503;
    assert_int_equal(strcasestr(ret_answer->headers, "\nretry-after: ") != NULL, waits);
    assert_int_equal(strcasestr(ret_answer->headers, "\nallow: ") != NULL, row->status == 405);
    assert_int_equal(strstr(ret_answer->set_cookie, "Max-Age=0") != NULL,
                     strcmp(row->code, "AUTH_REQUIRED") == 0);
}

static void expect(enum who who, const char *method, const char *path, const char *body, int status,
                   const char *code)
{
    const struct row row = {status, code, who, method, path, body, NULL, NULL};
    struct rest_answer answer;
    refused(&row, &answer);
    rest_answer_free(&answer);
}

static void post_ok(enum who who, const char *path, const char *body)
{
    struct rest_answer answer;
    rest_client_request(&browsers[who], "POST", path, body, NULL, &answer);
    if (answer.status != 200)
        fail_msg("%s: %d %s; see %s", path, answer.status, answer.body, system_.log);
    rest_answer_free(&answer);
}

static void each_code_has_its_request(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROW_COUNT; i++) {
        struct rest_answer answer;
        if (rows[i].control != NULL)
            system_control(&system_, "/_control/fail", rows[i].control);
        refused(&rows[i], &answer);
        if (rows[i].control != NULL)
            system_control(&system_, "/_control/clear", "{}");
        if (rows[i].status == 502)
            assert_string_equal(rest_answer_text(&answer, "error.details.upstream"), "meta");
        rest_answer_free(&answer);
    }
}

/* --- codes that need more than one request --- */

static void a_site_without_items(void **state)
{
    char body[PROCESS_LINE_BYTES + 32];
    (void)state;
    (void)snprintf(body, sizeof body, "{\"url\":\"%s\"}", system_.site_url);
    system_control(&system_, "/_control/fail",
                   "{\"service\":\"site\",\"path\":\"/\",\"times\":-1,\"status\":200,"
                   "\"body\":\"<html><p>Soon</p></html>\"}");
    expect(JOHN, "POST", "/api/onboarding/website", body, 422, "NO_ITEMS_FOUND");
    system_control(&system_, "/_control/clear", "{}");
}

static void a_site_that_is_being_read(void **state)
{
    char body[PROCESS_LINE_BYTES + 64];
    struct rest_answer answer;
    (void)state;
    (void)snprintf(body, sizeof body, "{\"website\":{\"url\":\"%s\"}}", system_.site_url);
    system_control(&system_, "/_control/fail",
                   "{\"service\":\"site\",\"path\":\"/\",\"times\":-1,\"delay_ms\":20000}");
    rest_client_request(&browsers[JOHN], "PATCH", "/api/customer/settings", body, NULL, &answer);
    assert_int_equal(answer.status, 200);
    rest_answer_free(&answer);
    expect(JOHN, "POST", "/api/onboarding/launch", LAUNCH("500", "USD", "US", "18"), 409,
           "SCAN_IN_PROGRESS");
    system_control(&system_, "/_control/clear", "{}");
}

static void most_items_have_gone(void **state)
{
    char body[64];
    (void)state;
    for (int i = 0; i < ITEMS * 2 / 3; i++) {
        (void)snprintf(body, sizeof body, "{\"number\":%d,\"removed\":true}", i);
        system_control(&system_, "/_control/vehicle", body);
    }
    expect(JANE, "POST", "/api/customer/ads/sync", "{}", 409, "REMOVAL_HELD");
    system_control(&system_, "/_control/vehicle", "{\"removed\":false}");
}

/* The same request, as its id says, with other credits. */
static void a_conflict(void **state)
{
    char path[96];
    struct rest_answer answer;
    (void)state;
    (void)snprintf(path, sizeof path, "%s/credits", jane_path);
    rest_client_request(&browsers[ADA], "POST", path, "{\"credits\":5,\"reason\":\"x\"}",
                        "X-Request-Id: once", &answer);
    assert_int_equal(answer.status, 200);
    rest_answer_free(&answer);
    const struct row row = {409,
                            "CONFLICT",
                            ADA,
                            "POST",
                            path,
                            "{\"credits\":6,\"reason\":\"x\"}",
                            "X-Request-Id: once",
                            NULL};
    refused(&row, &answer);
    rest_answer_free(&answer);
}

static void a_customer_out_of_credits(void **state)
{
    char path[96];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/credits", jane_path);
    post_ok(ADA, path, "{\"credits\":-50000,\"reason\":\"x\"}");
    expect(JANE, "POST", "/api/customer/ads/resume", "{}", 422, "OUT_OF_CREDITS");
}

static void a_throttled_caller(void **state)
{
    (void)state;
    static const char body[] = "{\"currentPassword\":\"wrong\",\"newPassword\":\"battery staple\"}";
    for (int i = 0; i < PASSWORDS_MAX; i++)
        expect(JOHN, "POST", "/api/auth/password", body, 401, "INVALID_CREDENTIALS");
    expect(JOHN, "POST", "/api/auth/password", body, 429, "RATE_LIMITED");
}

static bool is_served(void *browser)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", "/api/customer/dashboard", NULL, NULL, &answer);
    bool served = answer.status == 200;
    rest_answer_free(&answer);
    return served;
}

/* With one process there is none that could be gone. */
static void a_service_that_is_gone(void **state)
{
    (void)state;
    if (system_.one_process)
        return;
    pid_t logic = system_role_pid(&system_, "logic");
    assert_true(logic > 0);
    assert_int_equal(kill(system_.lotcast.pid, SIGSTOP), 0); /* so that none takes its place */
    assert_int_equal(kill(logic, SIGKILL), 0);
    expect(JANE, "GET", "/api/customer/dashboard", NULL, 503, "UNAVAILABLE");
    assert_int_equal(kill(system_.lotcast.pid, SIGCONT), 0);
    assert_true(wait_until(is_served, &browsers[JANE], SOON_MS));
}

static void a_suspended_customer(void **state)
{
    char path[96];
    (void)state;
    (void)snprintf(path, sizeof path, "%s/suspend", jane_path);
    post_ok(ADA, path, "{\"reason\":\"x\"}");
    expect(NOBODY, "POST", "/api/auth/login", LOG_IN("correct horse"), 403, "ACCOUNT_SUSPENDED");
    expect(JANE, "GET", "/api/customer/dashboard", NULL, 401, "AUTH_REQUIRED");
}

/* --- the system --- */

static void make_admin(void)
{
    char command[2 * PROCESS_LINE_BYTES];
    (void)snprintf(command, sizeof command,
                   "printf 'analytical engine\\n' | LOTCAST_DATA_DIR=%s/data '%s' admin create "
                   "--email " ADMIN " >>%s 2>&1",
                   system_.directory, getenv("LOTCTL_BIN"), system_.log);
    assert_int_equal(system(command), 0);
    post_ok(ADA, "/api/auth/login", "{\"email\":\"" ADMIN "\",\"password\":\"analytical engine\"}");
}

/* What Meta is asked about a range for: somebody was reached in it. */
static bool has_figures(void *browser)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", "/api/customer/performance", NULL, NULL, &answer);
    bool has = answer.status == 200 && rest_answer_integer(&answer, "summary.impressions") > 0;
    rest_answer_free(&answer);
    return has;
}

static void fill_texts(void)
{
    static const char path[] = "/api/auth/session?";
    static const char name[] = "X-Long: ";
    memset(long_url, 'a', sizeof long_url - 1);
    memcpy(long_url, path, sizeof path - 1);
    memset(long_header, 'a', sizeof long_header - 1);
    memcpy(long_header, name, sizeof name - 1);
    memset(large_body, ' ', sizeof large_body - 1);
}

static int start(void **state)
{
    struct rest_answer answer;
    (void)state;
    fill_texts();
    system_.one_process = system_mode_one_process();
    system_.extra_env[0] = (char *)"LOTCAST_STRIPE_SECRET_KEY=";
    system_.extra_env[1] = (char *)"LOTCAST_CLOCK=" NOW;
    system_.sandbox_args[0] = (char *)"--clock";
    system_.sandbox_args[1] = (char *)NOW;
    system_start(&system_);
    for (size_t i = 0; i < WHO_COUNT; i++)
        browsers[i] = system_browser(&system_);
    system_sign_up(&browsers[JOHN], "john@other.example");
    system_sign_up(&browsers[JANE], "jane@acme.example");
    make_admin();
    system_connect_website(&system_, &browsers[JANE], ITEMS);
    system_connect_meta(&browsers[JANE]);
    post_ok(JANE, "/api/onboarding/launch", system_launch_body);
    assert_true(wait_until(has_figures, &browsers[JANE], SOON_MS));
    rest_client_request(&browsers[JANE], "GET", "/api/auth/session", NULL, NULL, &answer);
    (void)snprintf(jane_path, sizeof jane_path, "/admin/customers/%s",
                   rest_answer_text(&answer, "user.id"));
    rest_answer_free(&answer);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    system_stop(&system_);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_has_its_request),
        cmocka_unit_test(a_site_without_items),
        cmocka_unit_test(a_site_that_is_being_read),
        cmocka_unit_test(most_items_have_gone),
        cmocka_unit_test(a_conflict),
        cmocka_unit_test(a_customer_out_of_credits),
        cmocka_unit_test(a_throttled_caller),
        cmocka_unit_test(a_service_that_is_gone),
        cmocka_unit_test(a_suspended_customer),
    };
    return cmocka_run_group_tests_name("errors", tests, start, stop);
}
