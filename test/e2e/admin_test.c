/*
 * The people who run the service, end to end: an admin made by lotctl over the open door, the pages
 * over REST, what a suspension does at Meta and to sessions, and the audit of it all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "test/e2e/system.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SOON_MS 30000
#define ITEMS 247
#define ADMIN_EMAIL "ada@lotcast.example"
#define ADMIN_LOGIN "{\"email\":\"" ADMIN_EMAIL "\",\"password\":\"analytical engine\"}"
#define JANE_LOGIN "{\"email\":\"jane@acme.example\",\"password\":\"correct horse\"}"

static struct system_under_test system_;
static struct rest_client admin, jane, john;
static char jane_id[24], john_id[24];

/* --- lotctl --- */

struct output {
    char text[16384];
    int code;
};

/* Runs lotctl with these arguments (of a shell) and `input` as its standard input. */
static struct output lotctl(const char *arguments, const char *input)
{
    char command[2048];
    struct output output = {.text = ""};
    (void)snprintf(command, sizeof command,
                   "printf '%%s' '%s' | LOTCAST_DATA_DIR=%s/data '%s' %s 2>&1", input,
                   system_.directory, getenv("LOTCTL_BIN"), arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(output.text, 1, sizeof output.text - 1, pipe);
    output.text[len] = '\0';
    int status = pclose(pipe);
    output.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return output;
}

static void lotctl_expect(const char *arguments, const char *input, int code, const char *part)
{
    struct output output = lotctl(arguments, input);
    if (output.code != code || strstr(output.text, part) == NULL)
        fail_msg("lotctl %s: exit %d, without \"%s\": %s", arguments, output.code, part,
                 output.text);
}

/* --- REST --- */

static struct rest_answer ask(struct rest_client *browser, const char *method, const char *path,
                              const char *body, const char *header)
{
    struct rest_answer answer;
    rest_client_request(browser, method, path, body, header, &answer);
    return answer;
}

/* A request whose answer has this status and error code ("" for none). */
static void expect(struct rest_client *browser, const char *method, const char *path,
                   const char *body, const char *header, int status, const char *code)
{
    struct rest_answer answer = ask(browser, method, path, body, header);
    if (answer.status != status)
        fail_msg("%s %s %s (%s): %d instead of %d: %s", method, path, body == NULL ? "" : body,
                 header == NULL ? "" : header, answer.status, status, answer.body);
    if (code[0] != '\0')
        assert_string_equal(rest_answer_text(&answer, "error.code"), code);
    rest_answer_free(&answer);
}

/* A path with a customer's id for its %s. In a static ring of 4. */
static const char *at(const char *format, const char *id)
{
    static char ring[4][128];
    static unsigned next;
    char *path = ring[next++ % 4];
    const char *mark = strstr(format, "%s");
    assert_non_null(mark);
    (void)snprintf(path, sizeof ring[0], "%.*s%s%s", (int)(mark - format), format, id, mark + 2);
    return path;
}

static void post_ok(struct rest_client *browser, const char *path, const char *body)
{
    struct rest_answer answer = ask(browser, "POST", path, body, NULL);
    if (answer.status != 200)
        fail_msg("%s %s: %d %s", path, body, answer.status, answer.body);
    assert_true(rest_answer_bool(&answer, "success"));
    rest_answer_free(&answer);
}

static void take_id(struct rest_client *browser, char id[static 24])
{
    struct rest_answer answer = ask(browser, "GET", "/api/auth/session", NULL, NULL);
    assert_int_equal(answer.status, 200);
    (void)snprintf(id, 24, "%s", rest_answer_text(&answer, "user.id"));
    rest_answer_free(&answer);
}

static void launch(struct rest_client *browser)
{
    system_connect_website(&system_, browser, ITEMS);
    system_connect_meta(browser);
    post_ok(browser, "/api/onboarding/launch", system_launch_body);
}

static int start(void **state)
{
    (void)state;
    system_.one_process = system_mode_one_process();
    system_start(&system_);
    admin = jane = john = system_browser(&system_);
    system_sign_up(&jane, "jane@acme.example");
    system_sign_up(&john, "john@other.example");
    take_id(&jane, jane_id);
    take_id(&john, john_id);
    launch(&jane);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    system_stop(&system_);
    return 0;
}

/* --- tests --- */

static void an_admin_is_made_by_lotctl_and_logs_in(void **state)
{
    (void)state;
    static const struct {
        const char *arguments, *input;
        int code;
        const char *part;
    } rows[] = {
        {"admin create --email nope", "analytical engine\n", 1, "INVALID_EMAIL"},
        {"admin create --email " ADMIN_EMAIL, "short\n", 1, "WEAK_PASSWORD"},
        {"admin create --email " ADMIN_EMAIL, ADMIN_EMAIL "\n", 1, "WEAK_PASSWORD"},
        {"admin create --email " ADMIN_EMAIL, "", 1, "no password"},
        {"admin create", "analytical engine\n", 2, "lotctl admin create"},
        {"admin create --email jane@acme.example", "analytical engine\n", 1, "EMAIL_TAKEN"},
        {"admin create --email " ADMIN_EMAIL " --name 'Ada L.'", "analytical engine\n", 0,
         ADMIN_EMAIL},
        {"admin create --email ADA@lotcast.example", "analytical engine", 1, "EMAIL_TAKEN"},
        {"call Admin/CreateAdmin '{\"email\":\"x@y.example\",\"role\":\"x\"}'", "", 1,
         "UNKNOWN_FIELD"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        lotctl_expect(rows[i].arguments, rows[i].input, rows[i].code, rows[i].part);
    struct rest_answer answer = ask(&admin, "POST", "/api/auth/login", ADMIN_LOGIN, NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(rest_answer_text(&answer, "redirectTo"), "/admin/customers");
    rest_answer_free(&answer);
    answer = ask(&admin, "GET", "/api/auth/session", NULL, NULL);
    assert_int_equal(answer.status, 200);
    assert_string_equal(rest_answer_text(&answer, "user.role"), "admin");
    assert_string_equal(rest_answer_text(&answer, "user.name"), "Ada L.");
    assert_string_equal(rest_answer_text(&answer, "user.company"), "");
    assert_true(rest_answer_null(&answer, "onboarding"));
    rest_answer_free(&answer);
}

static void only_admins_see_these_pages(void **state)
{
    (void)state;
    struct rest_client nobody = system_browser(&system_);
    static const struct {
        const char *method, *path, *body;
    } rows[] = {
        {"GET", "/admin/customers", NULL},
        {"GET", "/admin/customers/1", NULL},
        {"GET", "/admin/customers/2", NULL},
        {"GET", "/admin/customers/999", NULL},
        {"GET", "/admin/audit", NULL},
        {"POST", "/admin/customers/1/credits", "{\"credits\":1,\"reason\":\"x\"}"},
        {"POST", "/admin/customers/1/suspend", "{\"reason\":\"x\"}"},
        {"POST", "/admin/customers/1/resume", "{\"reason\":\"x\"}"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        expect(&jane, rows[i].method, rows[i].path, rows[i].body, NULL, 403, "FORBIDDEN");
        expect(&nobody, rows[i].method, rows[i].path, rows[i].body, NULL, 401, "AUTH_REQUIRED");
    }
    /* However the path is written, it is the same rule or no page at all. */
    static const char *const tricks[] = {"/admin/%63ustomers", "/admin//customers",
                                         "/admin/customers;x", "/admin/customers/",
                                         "/Admin/customers",   "/admin/../admin/customers",
                                         "/admin/customers%00"};
    for (size_t i = 0; i < COUNT(tricks); i++) {
        struct rest_answer answer = ask(&jane, "GET", tricks[i], NULL, NULL);
        if (answer.status != 403 && answer.status != 404 && answer.status != 400)
            fail_msg("%s: %d", tricks[i], answer.status);
        rest_answer_free(&answer);
    }
    /* Navigations are for the frontend's pages, whoever asks; 404 in a build without it. */
    struct rest_client page = nobody;
    page.accept = "text/html,application/xhtml+xml,*/*;q=0.8";
    struct rest_answer shown = ask(&page, "GET", "/admin/customers", NULL, NULL);
    assert_int_equal(shown.status, strncmp(shown.body, "<!doctype html>", 15) == 0 ? 200 : 404);
    bool has_pages = shown.status == 200;
    rest_answer_free(&shown);
    page = admin;
    page.accept = "application/json";
    expect(&page, "GET", "/admin/customers", NULL, NULL, 200, "");
    /* Operators' methods have no route. */
    expect(&admin, "POST", "/admin/admins", "{}", NULL, has_pages ? 405 : 404,
           has_pages ? "METHOD_NOT_ALLOWED" : "NOT_FOUND");
}

static bool has_spend(void *arg)
{
    (void)arg;
    struct rest_answer answer = ask(&admin, "GET", at("/admin/customers/%s", jane_id), NULL, NULL);
    bool there = answer.status == 200 && rest_answer_number(&answer, "spend.totalSpend") > 0;
    rest_answer_free(&answer);
    return there;
}

/* A decimal of an answer in hundredths. */
static int64_t hundredths(const struct rest_answer *answer, const char *path)
{
    return (int64_t)(rest_answer_number(answer, path) * 100 + 0.5);
}

static void the_detail_shows_spend(void **state)
{
    (void)state;
    assert_true(wait_until(has_spend, NULL, SOON_MS));
    struct rest_answer answer = ask(&admin, "GET", at("/admin/customers/%s", jane_id), NULL,
                                    at("X-Customer-ID: %s", jane_id));
    assert_int_equal(answer.status, 200);
    assert_string_equal(rest_answer_text(&answer, "customer.id"), jane_id);
    assert_string_equal(rest_answer_text(&answer, "customer.email"), "jane@acme.example");
    assert_string_equal(rest_answer_text(&answer, "customer.company"), "Acme Auto");
    assert_string_equal(rest_answer_text(&answer, "customer.status"), "running");
    assert_int_equal(strlen(rest_answer_text(&answer, "customer.createdAt")), 20);
    assert_true(rest_answer_bool(&answer, "connections.website.connected"));
    assert_int_equal(rest_answer_integer(&answer, "connections.website.itemsDetected"), ITEMS);
    assert_string_equal(rest_answer_text(&answer, "connections.website.url"), system_.site_url);
    assert_true(rest_answer_bool(&answer, "connections.meta.connected"));
    assert_non_null(strstr(rest_answer_text(&answer, "connections.meta.accountId"), "act_"));
    assert_true(rest_answer_text(&answer, "connections.meta.businessName")[0] != '\0');
    assert_int_equal(hundredths(&answer, "spend.last30Days"), 84732);
    assert_string_equal(rest_answer_text(&answer, "spend.currency"), "USD");
    int64_t spend = hundredths(&answer, "spend.totalSpend");
    int64_t clicks = rest_answer_integer(&answer, "performance.clicks");
    int64_t impressions = rest_answer_integer(&answer, "performance.impressions");
    assert_true(spend >= 84732 && clicks > 0 && impressions > clicks);
    assert_true(rest_answer_integer(&answer, "performance.reach") > 0);
    assert_int_equal(hundredths(&answer, "spend.avgCPC"), (2 * spend + clicks) / (2 * clicks));
    assert_int_equal(hundredths(&answer, "spend.avgCPM"),
                     (2000 * spend + impressions) / (2 * impressions));
    assert_true(rest_answer_integer(&answer, "billing.credits") > 0);
    assert_int_equal(rest_answer_integer(&answer, "billing.totalPurchased"), 0);
    assert_int_equal(rest_answer_integer(&answer, "billing.lifetimeValue"), 0);
    rest_answer_free(&answer);
    /* Before a launch there is nothing. */
    answer = ask(&admin, "GET", at("/admin/customers/%s", john_id), NULL, NULL);
    assert_string_equal(rest_answer_text(&answer, "customer.status"), "setup");
    assert_false(rest_answer_bool(&answer, "connections.website.connected"));
    assert_true(rest_answer_null(&answer, "connections.website.url"));
    assert_true(rest_answer_null(&answer, "connections.meta.accountId"));
    assert_int_equal(rest_answer_integer(&answer, "spend.totalSpend"), 0);
    rest_answer_free(&answer);
}

static void the_list_searches_filters_and_pages(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        int64_t total, shown;
    } rows[] = {
        {"", 2, 2},
        {"?limit=1", 2, 1},
        {"?limit=1&page=2", 2, 1},
        {"?page=3", 2, 0},
        {"?search=JANE", 1, 1},
        {"?search=acme", 2, 2}, /* a company's too */
        {"?search=auto%20jane", 1, 1},
        {"?search=jane%20john", 0, 0},
        {"?filters%5Bstatus%5D=running", 1, 1},
        {"?filters[status]=setup", 1, 1},
        {"?filters[status]=suspended", 0, 0},
        {"?filters[status]=setup&search=acme&limit=1", 1, 1},
        {"?filters[status]=setup&search=jane", 0, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rest_answer answer =
            ask(&admin, "GET", at("/admin/customers%s", rows[i].query), NULL, NULL);
        if (answer.status != 200)
            fail_msg("%s: %d %s", rows[i].query, answer.status, answer.body);
        assert_int_equal(rest_answer_integer(&answer, "pagination.total"), rows[i].total);
        assert_int_equal(rest_answer_length(&answer, "customers"), rows[i].shown);
        rest_answer_free(&answer);
    }
    static const char *const bad[] = {
        "?page=0",         "?limit=201",         "?limit=0", "?page=x", "?filters[status]=Running",
        "?status=running", "?search=a&search=b",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        expect(&admin, "GET", at("/admin/customers%s", bad[i]), NULL, NULL, 400,
               "INVALID_ARGUMENT");
    struct rest_answer answer = ask(&admin, "GET", "/admin/customers?search=jane", NULL, NULL);
    assert_string_equal(rest_answer_text(&answer, "customers.0.id"), jane_id);
    assert_string_equal(rest_answer_text(&answer, "customers.0.status"), "running");
    assert_true(rest_answer_number(&answer, "customers.0.totalSpend") >= 847.32);
    assert_string_equal(rest_answer_text(&answer, "customers.0.currency"), "USD");
    assert_true(rest_answer_integer(&answer, "customers.0.credits") > 0);
    assert_int_equal(rest_answer_integer(&answer, "pagination.totalPages"), 1);
    rest_answer_free(&answer);
}

static void view_as_reads_and_never_writes(void **state)
{
    (void)state;
    static const char page[] = "/api/customer/dashboard";
    char twice[96], joined[64];
    (void)snprintf(twice, sizeof twice, "X-Customer-ID: %s\r\nX-Customer-ID: %s", jane_id, jane_id);
    (void)snprintf(joined, sizeof joined, "X-Customer-ID: %s, %s", jane_id, jane_id);
    const char *jane_header = at("X-Customer-ID: %s", jane_id);
    struct rest_answer answer = ask(&admin, "GET", page, NULL, jane_header);
    assert_int_equal(answer.status, 200);
    assert_int_equal(rest_answer_integer(&answer, "itemCount"), ITEMS);
    assert_null(strcasestr(answer.body, "spend"));
    rest_answer_free(&answer);
    expect(&admin, "GET", page, NULL, NULL, 403, "FORBIDDEN");
    expect(&admin, "GET", page, NULL, "X-Customer-ID: 999", 404, "NOT_FOUND");
    expect(&admin, "GET", page, NULL, "X-Customer-ID: jane", 404, "NOT_FOUND");
    expect(&admin, "GET", page, NULL, twice, 400, "INVALID_ARGUMENT");
    expect(&admin, "GET", page, NULL, joined, 400, "INVALID_ARGUMENT");
    expect(&admin, "PATCH", "/api/customer/settings", "{\"user\":{\"name\":\"x\"}}", jane_header,
           403, "FORBIDDEN");
    expect(&admin, "POST", "/api/onboarding/website", "{\"url\":\"x\"}", jane_header, 403,
           "FORBIDDEN");
    expect(&jane, "GET", page, NULL, jane_header, 403, "FORBIDDEN");
    expect(&john, "GET", page, NULL, jane_header, 403, "FORBIDDEN");
    /* Beside an id in the path it is absent or the same. */
    expect(&admin, "GET", at("/admin/customers/%s", jane_id), NULL,
           at("X-Customer-ID: %s", john_id), 400, "INVALID_ARGUMENT");
    expect(&admin, "GET", at("/admin/customers/%s", jane_id), NULL, twice, 400, "INVALID_ARGUMENT");
    expect(&admin, "GET", "/admin/customers/999", NULL, NULL, 404, "NOT_FOUND");
    expect(&admin, "GET", "/admin/customers/0x1", NULL, NULL, 404, "NOT_FOUND");
    expect(&admin, "GET", "/admin/customers/01", NULL, NULL, 404, "NOT_FOUND");
    expect(&admin, "POST", at("/admin/customers/%s/suspend", jane_id), "{\"reason\":\"x\"}",
           at("X-Customer-ID: %s", john_id), 400, "INVALID_ARGUMENT");
}

static int64_t adjust(const char *body, const char *header)
{
    struct rest_answer answer =
        ask(&admin, "POST", at("/admin/customers/%s/credits", john_id), body, header);
    if (answer.status != 200)
        fail_msg("%s: %d %s", body, answer.status, answer.body);
    assert_true(rest_answer_bool(&answer, "success"));
    int64_t balance = rest_answer_integer(&answer, "balance");
    rest_answer_free(&answer);
    return balance;
}

static void credits_go_up_and_down(void **state)
{
    (void)state;
    static const struct {
        const char *body, *code, *field;
    } bad[] = {
        {"{\"credits\":0,\"reason\":\"x\"}", "INVALID_ARGUMENT", "credits"},
        {"{\"reason\":\"x\"}", "INVALID_ARGUMENT", "credits"},
        {"{\"credits\":1000000001,\"reason\":\"x\"}", "INVALID_ARGUMENT", "credits"},
        {"{\"credits\":1.5,\"reason\":\"x\"}", "INVALID_ARGUMENT", "credits"},
        {"{\"credits\":5}", "INVALID_ARGUMENT", "reason"},
        {"{\"credits\":5,\"reason\":\" \"}", "INVALID_ARGUMENT", "reason"},
        {"{\"credits\":5,\"reason\":\"x\",\"balance\":1}", "UNKNOWN_FIELD", "balance"},
    };
    const char *path = at("/admin/customers/%s/credits", john_id);
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct rest_answer answer = ask(&admin, "POST", path, bad[i].body, NULL);
        assert_int_equal(answer.status, 400);
        assert_string_equal(rest_answer_text(&answer, "error.code"), bad[i].code);
        assert_string_equal(rest_answer_text(&answer, "error.details.field"), bad[i].field);
        rest_answer_free(&answer);
    }
    expect(&admin, "POST", "/admin/customers/999/credits", "{\"credits\":5,\"reason\":\"x\"}", NULL,
           404, "NOT_FOUND");
    const int64_t begun = SYSTEM_SIGNUP_CREDITS;
    assert_int_equal(adjust("{\"credits\":500,\"reason\":\"goodwill\"}", NULL), begun + 500);
    assert_int_equal(adjust("{\"credits\":-26000,\"reason\":\"a mistake\"}", NULL),
                     begun + 500 - 26000);
    /* Once for each request. */
    const char *request = "X-Request-Id: goodwill-7";
    const char *body = "{\"credits\":1000,\"reason\":\"again\"}";
    assert_int_equal(adjust(body, request), begun - 24500);
    assert_int_equal(adjust(body, request), begun - 24500);
    expect(&admin, "POST", path, "{\"credits\":1001,\"reason\":\"again\"}", request, 409,
           "CONFLICT");
    expect(&admin, "POST", path, "{\"credits\":1000,\"reason\":\"other\"}", request, 409,
           "CONFLICT");
    struct rest_answer answer = ask(&john, "GET", "/api/customer/billing/ledger", NULL, NULL);
    assert_int_equal(rest_answer_integer(&answer, "pagination.total"), 4);
    assert_string_equal(rest_answer_text(&answer, "entries.0.kind"), "adjustment");
    assert_non_null(strstr(rest_answer_text(&answer, "entries.0.reference"), "goodwill-7"));
    rest_answer_free(&answer);
    lotctl_expect("ledger check", "", 0, "in order");
    lotctl_expect("ledger check --json", "", 0, "\"ok\":true");
}

/* Whether the campaign at Meta has this status: there is one. */
static bool campaign_is(void *arg)
{
    char url[PROCESS_LINE_BYTES + 64];
    struct rest_client stranger = {0};
    (void)snprintf(url, sizeof url, "%s/_control/objects", system_.meta_url);
    struct rest_answer answer = ask(&stranger, "GET", url, NULL, NULL);
    assert_int_equal(answer.status, 200);
    bool so = strcmp(rest_answer_text(&answer, "campaigns.0.status"), arg) == 0;
    rest_answer_free(&answer);
    return so;
}

static void await_campaign(const char *status)
{
    if (!wait_until(campaign_is, (char *)status, SOON_MS))
        fail_msg("the campaign is never %s; see %s", status, system_.log);
}

static bool answers(void *arg)
{
    struct rest_answer answer = ask(&admin, "GET", arg, NULL, NULL);
    bool so = answer.status == 200;
    rest_answer_free(&answer);
    return so;
}

static void expect_status(const char *status)
{
    struct rest_answer answer = ask(&admin, "GET", at("/admin/customers/%s", jane_id), NULL, NULL);
    assert_string_equal(rest_answer_text(&answer, "customer.status"), status);
    rest_answer_free(&answer);
}

static bool jane_runs(void *arg)
{
    (void)arg;
    struct rest_answer answer = ask(&admin, "GET", at("/admin/customers/%s", jane_id), NULL, NULL);
    bool so = strcmp(rest_answer_text(&answer, "customer.status"), "running") == 0;
    rest_answer_free(&answer);
    return so;
}

static void a_suspension_ends_sessions_and_pauses_the_ads(void **state)
{
    (void)state;
    struct rest_client phone = system_browser(&system_);
    const char *suspend = at("/admin/customers/%s/suspend", jane_id);
    expect(&phone, "POST", "/api/auth/login", JANE_LOGIN, NULL, 200, "");
    expect(&admin, "POST", suspend, "{}", NULL, 400, "INVALID_ARGUMENT");
    expect(&admin, "POST", suspend, "{\"reason\":\"\"}", NULL, 400, "INVALID_ARGUMENT");
    expect(&admin, "POST", "/admin/customers/999/suspend", "{\"reason\":\"x\"}", NULL, 404,
           "NOT_FOUND");
    expect(&jane, "GET", "/api/customer/dashboard", NULL, NULL, 200, "");
    post_ok(&admin, suspend, "{\"reason\":\"chargeback\\nof May\"}");
    expect(&jane, "GET", "/api/customer/dashboard", NULL, NULL, 401, "AUTH_REQUIRED");
    expect(&phone, "GET", "/api/customer/dashboard", NULL, NULL, 401, "AUTH_REQUIRED");
    expect(&phone, "POST", "/api/auth/login", JANE_LOGIN, NULL, 403, "ACCOUNT_SUSPENDED");
    expect(&john, "GET", "/api/customer/dashboard", NULL, NULL, 200, "");
    system_kill_role(&system_, "logic");
    assert_true(wait_until(answers, (char *)"/admin/customers", SOON_MS));
    expect_status("suspended");
    await_campaign("PAUSED");
    post_ok(&admin, suspend, "{\"reason\":\"once more\"}"); /* changes nothing */
    struct rest_answer answer =
        ask(&admin, "GET", "/admin/customers?filters[status]=suspended", NULL, NULL);
    assert_int_equal(rest_answer_integer(&answer, "pagination.total"), 1);
    rest_answer_free(&answer);
    const char *resume = at("/admin/customers/%s/resume", jane_id);
    expect(&admin, "POST", resume, "{}", NULL, 400, "INVALID_ARGUMENT");
    post_ok(&admin, resume, "{\"reason\":\"settled\"}");
    await_campaign("ACTIVE");
    assert_true(wait_until(jane_runs, NULL, SOON_MS)); /* Meta knows a moment before our record */
    expect(&jane, "POST", "/api/auth/login", JANE_LOGIN, NULL, 200, "");
    expect(&jane, "GET", "/api/customer/dashboard", NULL, NULL, 200, "");
}

static void lotctl_shows_customers_and_sets_passwords(void **state)
{
    (void)state;
    char command[96];
    lotctl_expect("customers list", "", 0, "jane@acme.example");
    lotctl_expect("customers list", "", 0, "2 of 2 customers");
    lotctl_expect("customers list --search john --json", "", 0, "\"total\":1");
    lotctl_expect("customers list --status nonsense", "", 1, "filters.status");
    lotctl_expect("customers list --page 0", "", 2, "--page");
    lotctl_expect("customers list rubbish", "", 2, "lotctl customers list");
    (void)snprintf(command, sizeof command, "customers show %s", jane_id);
    lotctl_expect(command, "", 0, "847.32");
    lotctl_expect("customers show 999", "", 1, "NOT_FOUND");
    lotctl_expect("customers set-password john@other.example", "short\n", 1, "WEAK_PASSWORD");
    lotctl_expect("customers set-password nobody@other.example", "battery staple\n", 1,
                  "NOT_FOUND");
    expect(&john, "GET", "/api/customer/dashboard", NULL, NULL, 200, "");
    (void)snprintf(command, sizeof command, "customers set-password %s", john_id);
    lotctl_expect(command, "battery staple\n", 0, "john@other.example");
    expect(&john, "GET", "/api/customer/dashboard", NULL, NULL, 401, "AUTH_REQUIRED");
    expect(&john, "POST", "/api/auth/login",
           "{\"email\":\"john@other.example\",\"password\":\"correct horse\"}", NULL, 401,
           "INVALID_CREDENTIALS");
    expect(&john, "POST", "/api/auth/login",
           "{\"email\":\"john@other.example\",\"password\":\"battery staple\"}", NULL, 200, "");
    lotctl_expect("completion | bash -n && echo well", "", 0, "well");
}

static void lotctl_syncs(void **state)
{
    (void)state;
    lotctl_expect("sync", "", 2, "lotctl sync");
    lotctl_expect("sync --customer 999", "", 1, "NOT_FOUND");
    lotctl_expect(at("sync --customer %s", john_id), "", 1, "NOT_LAUNCHED");
    lotctl_expect(at("sync --customer %s", jane_id), "", 0, "247");
    lotctl_expect(at("sync --json --customer %s", jane_id), "", 0, "\"itemsProcessed\":247");
}

/* How many entries have the action, and are whole. */
static size_t audit_count(const struct rest_answer *answer, const char *action)
{
    size_t found = 0;
    char path[64];
    for (size_t i = 0; i < rest_answer_length(answer, "entries"); i++) {
        (void)snprintf(path, sizeof path, "entries.%zu.action", i);
        found += strcmp(rest_answer_text(answer, path), action) == 0;
        (void)snprintf(path, sizeof path, "entries.%zu.requestId", i);
        assert_true(rest_answer_text(answer, path)[0] != '\0');
        (void)snprintf(path, sizeof path, "entries.%zu.at", i);
        assert_int_equal(strlen(rest_answer_text(answer, path)), 20);
    }
    return found;
}

static void the_audit_lists_it_all(void **state)
{
    (void)state;
    char header[64];
    (void)snprintf(header, sizeof header, "X-Customer-ID: %s", jane_id);
    struct rest_answer view = ask(&admin, "GET", "/api/customer/settings", NULL, header);
    assert_int_equal(view.status, 200);
    rest_answer_free(&view);
    struct rest_answer answer = ask(&admin, "GET", "/admin/audit?limit=200", NULL, NULL);
    assert_int_equal(answer.status, 200);
    assert_int_equal(audit_count(&answer, "create_admin"), 1);
    assert_int_equal(audit_count(&answer, "credits"), 3);
    assert_int_equal(audit_count(&answer, "suspend"), 2);
    assert_int_equal(audit_count(&answer, "resume"), 1);
    assert_int_equal(audit_count(&answer, "set_password"), 1);
    assert_int_equal(audit_count(&answer, "view_as"), 2);
    assert_true(audit_count(&answer, "read") >= 4); /* an operator's */
    assert_int_equal(rest_answer_length(&answer, "entries"),
                     rest_answer_integer(&answer, "pagination.total"));
    assert_string_equal(rest_answer_text(&answer, "entries.0.action"), "view_as");
    assert_string_equal(rest_answer_text(&answer, "entries.0.actor.email"), ADMIN_EMAIL);
    assert_string_equal(rest_answer_text(&answer, "entries.0.customerId"), jane_id);
    assert_string_equal(rest_answer_text(&answer, "entries.0.reason"),
                        "GET /api/customer/settings");
    rest_answer_free(&answer);
    answer = ask(&admin, "GET", "/admin/audit?limit=1&page=2", NULL, NULL);
    assert_int_equal(rest_answer_length(&answer, "entries"), 1);
    rest_answer_free(&answer);
    answer = ask(&admin, "GET", at("/admin/audit?customerId=%s", jane_id), NULL, NULL);
    assert_int_equal(audit_count(&answer, "view_as"), 2);
    assert_int_equal(audit_count(&answer, "create_admin"), 0);
    assert_int_equal(rest_answer_length(&answer, "entries"),
                     rest_answer_integer(&answer, "pagination.total"));
    rest_answer_free(&answer);
    expect(&admin, "GET", "/admin/audit?customerId=x", NULL, NULL, 400, "INVALID_ARGUMENT");
    expect(&admin, "GET", "/admin/audit?limit=0", NULL, NULL, 400, "INVALID_ARGUMENT");
    lotctl_expect("audit list", "", 0, "chargeback of May");
    lotctl_expect(at("call Dashboard/GetDashboard --customer %s", jane_id), "", 0, "itemCount");
    lotctl_expect("audit list --limit 3", "", 0, "GET /api/customer/dashboard");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_admin_is_made_by_lotctl_and_logs_in),
        cmocka_unit_test(only_admins_see_these_pages),
        cmocka_unit_test(the_detail_shows_spend),
        cmocka_unit_test(the_list_searches_filters_and_pages),
        cmocka_unit_test(view_as_reads_and_never_writes),
        cmocka_unit_test(credits_go_up_and_down),
        cmocka_unit_test(a_suspension_ends_sessions_and_pauses_the_ads),
        cmocka_unit_test(lotctl_shows_customers_and_sets_passwords),
        cmocka_unit_test(the_audit_lists_it_all),
        cmocka_unit_test(lotctl_syncs),
    };
    return cmocka_run_group_tests_name("admin", tests, start, stop);
}
