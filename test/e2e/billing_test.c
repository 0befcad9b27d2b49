/*
 * Money, end to end: a customer buys credits on the sandbox's Checkout page, its signed events come
 * (late, twice, in the wrong order, into processes that are killed), refunds and disputes follow,
 * and the campaign stops and goes on with the credits.
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

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SOON_MS 30000
#define ITEMS 247
#define WEBHOOK "/api/webhooks/stripe"
#define PKG_500 "{\"packageId\":\"pkg_500\"}"
#define BOUGHT 10000

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

/* --- steps --- */

static struct rest_client customer(void)
{
    static int number;
    char email[64];
    struct rest_client browser = system_browser(&system_);
    (void)snprintf(email, sizeof email, "buyer-%d@acme.example", ++number);
    system_sign_up(&browser, email);
    return browser;
}

/* A control request to the sandbox's Stripe; free the answer. */
static void control(const char *method, const char *path, const char *body,
                    struct rest_answer *ret_answer)
{
    char url[PROCESS_LINE_BYTES + 64];
    struct rest_client stranger = {0};
    (void)snprintf(url, sizeof url, "%s%s", system_.stripe_url, path);
    rest_client_request(&stranger, method, url, body, NULL, ret_answer);
    if (ret_answer->status != 200)
        fail_msg("%s %s: %d %s", path, body, ret_answer->status, ret_answer->body);
}

/* POST /_control/stripe_NAME {"session":…,REST} */
static void control_session(const char *name, const char *session, const char *rest)
{
    char path[64];
    char body[512];
    struct rest_answer answer;
    (void)snprintf(path, sizeof path, "/_control/stripe_%s", name);
    (void)snprintf(body, sizeof body, "{\"session\":\"%s\"%s}", session, rest);
    control("POST", path, body, &answer);
    rest_answer_free(&answer);
}

static void hold(bool held)
{
    struct rest_answer answer;
    control("POST", "/_control/stripe_webhook", held ? "{\"hold\":true}" : "{\"hold\":false}",
            &answer);
    rest_answer_free(&answer);
}

struct checkout {
    char url[512];
    char session[128];
};

static struct checkout purchase(struct rest_client *browser, const char *body, const char *header)
{
    struct rest_answer answer;
    struct checkout checkout;
    rest_client_request(browser, "POST", "/api/customer/billing/purchase", body, header, &answer);
    if (answer.status != 200)
        fail_msg("purchase: %d %s; see %s", answer.status, answer.body, system_.log);
    (void)snprintf(checkout.url, sizeof checkout.url, "%s",
                   rest_answer_text(&answer, "checkoutUrl"));
    const char *id = strrchr(checkout.url, '/');
    assert_non_null(id);
    (void)snprintf(checkout.session, sizeof checkout.session, "%s", id + 1);
    rest_answer_free(&answer);
    return checkout;
}

/* The page's Pay: the browser comes back with the session's id. */
static void pay(const struct checkout *checkout)
{
    char url[640];
    char want[256];
    struct rest_client browser = {0};
    struct rest_answer answer;
    (void)snprintf(url, sizeof url, "%s/confirm?method=card", checkout->url);
    rest_client_request(&browser, "POST", url, NULL, NULL, &answer);
    assert_int_equal(answer.status, 302);
    (void)snprintf(want, sizeof want, "/app/billing?success=true&session_id=%s", checkout->session);
    assert_non_null(strstr(answer.location, want));
    rest_answer_free(&answer);
}

struct wanted {
    struct rest_client *browser;
    const char *path, *member;
    int64_t number;
    const char *text; /* NULL: the number */
};

static bool is_so(void *arg)
{
    const struct wanted *wanted = arg;
    struct rest_answer answer;
    rest_client_request(wanted->browser, "GET", wanted->path, NULL, NULL, &answer);
    bool so = answer.status == 200 &&
              (wanted->text == NULL
                   ? rest_answer_integer(&answer, wanted->member) == wanted->number
                   : strcmp(rest_answer_text(&answer, wanted->member), wanted->text) == 0);
    rest_answer_free(&answer);
    return so;
}

static void await_credits(struct rest_client *browser, int64_t credits)
{
    struct wanted wanted = {browser, "/api/customer/billing", "credits.current", credits, NULL};
    if (!wait_until(is_so, &wanted, SOON_MS))
        fail_msg("never %lld credits; see %s", (long long)credits, system_.log);
}

static void await_status(struct rest_client *browser, const char *status)
{
    struct wanted wanted = {browser, "/api/customer/dashboard", "status", 0, status};
    if (!wait_until(is_so, &wanted, SOON_MS))
        fail_msg("never %s; see %s", status, system_.log);
}

/* Whether each event has been taken. */
static bool all_delivered(void *arg)
{
    (void)arg;
    struct rest_answer answer;
    control("GET", "/_control/stripe_events", NULL, &answer);
    bool all = strstr(answer.body, "\"delivered\":false") == NULL;
    rest_answer_free(&answer);
    return all;
}

static void await_delivery(void)
{
    if (!wait_until(all_delivered, NULL, SOON_MS))
        fail_msg("an event is not taken; see %s", system_.log);
}

/* Delivers every event so far once more, newest first. */
static void deliver_all_again(void)
{
    struct rest_answer events, answer;
    char path[64], body[128];
    control("GET", "/_control/stripe_events", NULL, &events);
    for (size_t i = rest_answer_length(&events, "events"); i-- > 0;) {
        (void)snprintf(path, sizeof path, "events.%zu.id", i);
        (void)snprintf(body, sizeof body, "{\"event\":\"%s\"}", rest_answer_text(&events, path));
        control("POST", "/_control/stripe_deliver", body, &answer);
        assert_int_equal(rest_answer_integer(&answer, "status"), 200);
        rest_answer_free(&answer);
    }
    rest_answer_free(&events);
}

static bool answers(void *arg)
{
    struct rest_answer answer;
    rest_client_request(arg, "GET", "/api/customer/billing", NULL, NULL, &answer);
    bool ok = answer.status == 200;
    rest_answer_free(&answer);
    return ok;
}

/* kill -9, and until everything behind the page is up again. */
static void kill_role(const char *role, struct rest_client *browser)
{
    system_kill_role(&system_, role);
    if (!wait_until(answers, browser, SOON_MS))
        fail_msg("no answer after a kill of %s; see %s", role, system_.log);
}

static int64_t credits_of(struct rest_client *browser)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", "/api/customer/billing", NULL, NULL, &answer);
    assert_int_equal(answer.status, 200);
    int64_t credits = rest_answer_integer(&answer, "credits.current");
    rest_answer_free(&answer);
    return credits;
}

/* --- tests --- */

static void a_new_customer_s_page(void **state)
{
    (void)state;
    struct rest_client browser = customer();
    struct rest_answer answer;
    rest_client_request(&browser, "GET", "/api/customer/billing", NULL, NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body,
                        "{\"credits\":{\"current\":25187,\"daysEstimate\":null,"
                        "\"lastPurchase\":null},\"purchases\":[],\"upcomingCharge\":null,"
                        "\"timeZone\":\"UTC\"}");
    assert_non_null(strcasestr(answer.headers, "\netag:"));
    rest_answer_free(&answer);
    rest_client_request(&browser, "GET", "/api/customer/billing/packages", NULL, NULL, &answer);
    assert_string_equal(
        answer.body,
        "{\"packages\":[{\"id\":\"pkg_100\",\"amount\":100,\"currency\":\"USD\",\"credits\":2000,"
        "\"bonusCredits\":0},{\"id\":\"pkg_500\",\"amount\":500,\"currency\":\"USD\","
        "\"credits\":10000,\"bonusCredits\":0},{\"id\":\"pkg_1000\",\"amount\":1000,"
        "\"currency\":\"USD\",\"credits\":20000,\"bonusCredits\":2000}]}");
    rest_answer_free(&answer);
}

static void expect_ledger(struct rest_client *browser, const char *const kinds[], size_t count)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", "/api/customer/billing/ledger?limit=2&page=1", NULL, NULL,
                        &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(rest_answer_integer(&answer, "pagination.total"), (int64_t)count);
    assert_int_equal(rest_answer_integer(&answer, "pagination.totalPages"),
                     (int64_t)(count + 1) / 2);
    assert_int_equal(rest_answer_length(&answer, "entries"), 2);
    rest_answer_free(&answer);
    rest_client_request(browser, "GET", "/api/customer/billing/ledger", NULL, NULL, &answer);
    assert_int_equal(rest_answer_length(&answer, "entries"), count);
    for (size_t i = 0; i < count; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "entries.%zu.kind", i);
        assert_string_equal(rest_answer_text(&answer, path), kinds[i]);
    }
    rest_answer_free(&answer);
}

static void a_purchase_from_the_page_to_its_refund(void **state)
{
    (void)state;
    struct rest_client browser = customer();
    struct rest_client visitor = {0};
    struct rest_answer answer;
    struct checkout checkout = purchase(&browser, PKG_500, NULL);
    int64_t before = credits_of(&browser);
    rest_client_request(&visitor, "GET", checkout.url, NULL, NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.body, ">Pay</button>"));
    assert_non_null(strstr(answer.body, "10000 credits"));
    assert_non_null(strstr(answer.body, "/app/billing?canceled=true\">Cancel</a>"));
    rest_answer_free(&answer);
    pay(&checkout);
    await_credits(&browser, before + BOUGHT);
    await_delivery();
    deliver_all_again();
    rest_client_request(&browser, "GET", "/api/customer/billing", NULL, NULL, &answer);
    assert_int_equal(rest_answer_integer(&answer, "credits.current"), before + BOUGHT);
    assert_string_equal(rest_answer_text(&answer, "purchases.0.status"), "completed");
    assert_int_equal(rest_answer_integer(&answer, "purchases.0.amount"), 500);
    assert_int_equal(rest_answer_integer(&answer, "purchases.0.credits"), BOUGHT);
    assert_string_equal(rest_answer_text(&answer, "credits.lastPurchase"),
                        rest_answer_text(&answer, "purchases.0.date"));
    rest_answer_free(&answer);
    control_session("refund", checkout.session, ",\"amount\":12500");
    await_credits(&browser, before + BOUGHT * 3 / 4);
    control_session("refund", checkout.session, "");
    await_credits(&browser, before);
    await_delivery();
    deliver_all_again();
    static const char *const kinds[] = {"refund", "refund", "purchase", "signup"};
    expect_ledger(&browser, kinds, COUNT(kinds));
    struct wanted refunded = {&browser, "/api/customer/billing", "purchases.0.status", 0,
                              "refunded"};
    assert_true(is_so(&refunded));
}

static void the_page_settles_before_the_webhook(void **state)
{
    (void)state;
    struct rest_client browser = customer();
    struct rest_client other = customer();
    struct rest_answer answer;
    char path[256];
    int64_t before = credits_of(&browser);
    struct checkout checkout = purchase(&browser, PKG_500, NULL);
    (void)snprintf(path, sizeof path, "/api/customer/billing?sessionId=%s", checkout.session);
    hold(true);
    pay(&checkout);
    rest_client_request(&other, "GET", path, NULL, NULL, &answer);
    assert_int_equal(answer.status, 200);
    assert_int_equal(rest_answer_length(&answer, "purchases"), 0);
    rest_answer_free(&answer);
    assert_int_equal(credits_of(&browser), before);
    rest_client_request(&browser, "GET", path, NULL, NULL, &answer);
    assert_int_equal(rest_answer_integer(&answer, "credits.current"), before + BOUGHT);
    rest_answer_free(&answer);
    hold(false);
    await_delivery();
    assert_int_equal(credits_of(&browser), before + BOUGHT);
}

static void cancel_and_expiry_cost_nothing(void **state)
{
    (void)state;
    struct rest_client browser = customer();
    int64_t before = credits_of(&browser);
    struct checkout checkout = purchase(&browser, PKG_500, NULL);
    control_session("expire", checkout.session, "");
    struct wanted failed = {&browser, "/api/customer/billing", "purchases.0.status", 0, "failed"};
    assert_true(wait_until(is_so, &failed, SOON_MS));
    assert_int_equal(credits_of(&browser), before);
}

static void a_refund_may_come_before_its_payment(void **state)
{
    (void)state;
    struct rest_client browser = customer();
    int64_t before = credits_of(&browser);
    struct checkout checkout = purchase(&browser, PKG_500, NULL);
    hold(true);
    pay(&checkout);
    control_session("refund", checkout.session, "");
    deliver_all_again(); /* newest first */
    struct wanted refunded = {&browser, "/api/customer/billing", "purchases.0.status", 0,
                              "refunded"};
    assert_true(is_so(&refunded));
    assert_int_equal(credits_of(&browser), before);
    hold(false);
    await_delivery();
    assert_int_equal(credits_of(&browser), before);
}

static void a_key_makes_a_retry_answer_the_same(void **state)
{
    (void)state;
    struct rest_client browser = customer();
    struct rest_answer answer;
    struct checkout first = purchase(&browser, PKG_500, "Idempotency-Key: 4711");
    struct checkout again = purchase(&browser, PKG_500, "Idempotency-Key: 4711");
    struct checkout other = purchase(&browser, PKG_500, NULL);
    assert_string_equal(first.url, again.url);
    assert_string_not_equal(first.url, other.url);
    rest_client_request(&browser, "POST", "/api/customer/billing/purchase",
                        "{\"packageId\":\"pkg_100\"}", "Idempotency-Key: 4711", &answer);
    assert_int_equal(answer.status, 409);
    assert_string_equal(rest_answer_text(&answer, "error.code"), "CONFLICT");
    rest_answer_free(&answer);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *body, *header;
        int status;
        const char *code, *field;
    } rows[] = {
        {"POST", "/api/customer/billing/purchase", "{\"packageId\":\"pkg_1\"}", NULL, 400,
         "INVALID_PACKAGE", "packageId"},
        {"POST", "/api/customer/billing/purchase", "{}", NULL, 400, "INVALID_PACKAGE", "packageId"},
        {"POST", "/api/customer/billing/purchase", "{\"packageId\":500}", NULL, 400,
         "INVALID_ARGUMENT", "packageId"},
        {"POST", "/api/customer/billing/purchase", "{\"packageId\":\"pkg_500\",\"amount\":1}", NULL,
         400, "UNKNOWN_FIELD", "amount"},
        {"GET", "/api/customer/billing/ledger?page=0", NULL, NULL, 400, "INVALID_ARGUMENT", "page"},
        {"GET", "/api/customer/billing/ledger?limit=201", NULL, NULL, 400, "INVALID_ARGUMENT",
         "limit"},
        {"GET", "/api/customer/billing?session=x", NULL, NULL, 400, NULL, NULL},
        {"POST", WEBHOOK, "{}", NULL, 400, "INVALID_SIGNATURE", NULL},
        {"POST", WEBHOOK, "{}", "Stripe-Signature: t=1,v1=00", 400, "INVALID_SIGNATURE", NULL},
        {"POST", WEBHOOK, "{}", "Content-Type: text/plain", 400, "INVALID_SIGNATURE", NULL},
        {"POST", WEBHOOK, "{}", "Origin: https://evil.example", 400, "INVALID_SIGNATURE", NULL},
        {"GET", WEBHOOK, NULL, NULL, 405, "METHOD_NOT_ALLOWED", NULL},
    };
    struct rest_client browser = customer();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct rest_answer answer;
        rest_client_request(&browser, rows[i].method, rows[i].path, rows[i].body, rows[i].header,
                            &answer);
        if (answer.status != rows[i].status ||
            (rows[i].code != NULL &&
             strcmp(rest_answer_text(&answer, "error.code"), rows[i].code) != 0))
            fail_msg("row %zu: %d %s", i, answer.status, answer.body);
        if (rows[i].field != NULL)
            assert_string_equal(rest_answer_text(&answer, "error.details.field"), rows[i].field);
        rest_answer_free(&answer);
    }
    struct rest_client stranger = system_browser(&system_);
    struct rest_answer answer;
    rest_client_request(&stranger, "GET", "/api/customer/billing", NULL, NULL, &answer);
    assert_int_equal(answer.status, 401);
    rest_answer_free(&answer);
}

static void a_stripe_that_is_down_is_an_upstream_error(void **state)
{
    (void)state;
    struct rest_client browser = customer();
    struct rest_answer answer;
    system_control(&system_, "/_control/fail",
                   "{\"service\":\"stripe\",\"path\":\"/v1/\",\"status\":400,\"times\":1,"
                   "\"body\":{\"error\":{\"message\":\"secret words\"}}}");
    rest_client_request(&browser, "POST", "/api/customer/billing/purchase", PKG_500, NULL, &answer);
    assert_int_equal(answer.status, 502);
    assert_string_equal(rest_answer_text(&answer, "error.code"), "UPSTREAM_ERROR");
    assert_string_equal(rest_answer_text(&answer, "error.details.upstream"), "stripe");
    assert_null(strstr(answer.body, "secret"));
    rest_answer_free(&answer);
    /* Hiccups are nobody's concern. */
    system_control(&system_, "/_control/fail",
                   "{\"service\":\"stripe\",\"path\":\"/v1/\",\"drop\":\"after\",\"times\":1}");
    system_control(&system_, "/_control/fail",
                   "{\"service\":\"stripe\",\"path\":\"/v1/\",\"status\":503,\"times\":1}");
    (void)purchase(&browser, PKG_500, NULL);
    system_control(&system_, "/_control/clear", "{}");
}

static void a_dispute_pauses_the_campaign(void **state)
{
    (void)state;
    struct rest_client browser = customer();
    struct rest_answer answer;
    char body[256];
    system_connect_website(&system_, &browser, ITEMS);
    system_connect_meta(&browser);
    rest_client_request(&browser, "POST", "/api/onboarding/launch", system_launch_body, NULL,
                        &answer);
    assert_int_equal(answer.status, 200);
    rest_answer_free(&answer);
    struct checkout checkout = purchase(&browser, PKG_500, NULL);
    pay(&checkout);
    await_delivery();
    await_status(&browser, "running");
    (void)snprintf(body, sizeof body, "{\"session\":\"%s\"}", checkout.session);
    control("POST", "/_control/stripe_dispute", body, &answer);
    (void)snprintf(body, sizeof body, "{\"dispute\":\"%s\",\"status\":\"won\"}",
                   rest_answer_text(&answer, "dispute"));
    rest_answer_free(&answer);
    await_status(&browser, "paused");
    control("POST", "/_control/stripe_dispute_close", body, &answer);
    rest_answer_free(&answer);
    await_status(&browser, "running");
}

/* --- kills --- */

struct post {
    struct rest_client browser;
    int status;
};

static void *post_purchase(void *arg)
{
    struct post *post = arg;
    struct rest_answer answer;
    rest_client_request(&post->browser, "POST", "/api/customer/billing/purchase", PKG_500,
                        "Idempotency-Key: killed", &answer);
    post->status = answer.status;
    rest_answer_free(&answer);
    return NULL;
}

static bool has_asked(void *arg)
{
    return system_meta_requests(&system_, "POST", "/v1/checkout/sessions") > *(int64_t *)arg;
}

static void a_purchase_survives_a_kill_while_stripe_is_asked(void **state)
{
    (void)state;
    struct post post = {.browser = customer()};
    pthread_t thread;
    int64_t asked = system_meta_requests(&system_, "POST", "/v1/checkout/sessions");
    system_control(&system_, "/_control/fail",
                   "{\"service\":\"stripe\",\"path\":\"/v1/checkout/sessions\",\"delay_ms\":700}");
    assert_int_equal(pthread_create(&thread, NULL, post_purchase, &post), 0);
    assert_true(wait_until(has_asked, &asked, SOON_MS));
    kill_role("logic", &post.browser);
    (void)pthread_join(thread, NULL);
    system_control(&system_, "/_control/clear", "{}");
    int64_t before = credits_of(&post.browser);
    struct checkout checkout = purchase(&post.browser, PKG_500, "Idempotency-Key: killed");
    struct checkout again = purchase(&post.browser, PKG_500, "Idempotency-Key: killed");
    assert_string_equal(checkout.url, again.url);
    pay(&checkout);
    await_credits(&post.browser, before + BOUGHT);
    struct rest_answer answer;
    rest_client_request(&post.browser, "GET", "/api/customer/billing", NULL, NULL, &answer);
    assert_int_equal(rest_answer_length(&answer, "purchases"), 1);
    rest_answer_free(&answer);
}

/* Events pour in while processes are killed; what was acknowledged is there, once. */
static void webhooks_survive_kills(void **state)
{
    (void)state;
    enum { PAYMENTS = 12 };
    static const char *const roles[] = {"logic", "store", "logic", "rest"};
    struct rest_client browser = customer();
    int64_t before = credits_of(&browser);
    hold(true);
    for (int i = 0; i < PAYMENTS; i++) {
        struct checkout checkout = purchase(&browser, PKG_500, NULL);
        pay(&checkout);
        if (i % 3 == 0)
            control_session("refund", checkout.session, ",\"amount\":25000");
    }
    hold(false);
    for (size_t i = 0; i < COUNT(roles); i++)
        kill_role(roles[i], &browser);
    await_delivery();
    int64_t want = before + PAYMENTS * BOUGHT - PAYMENTS / 3 * (BOUGHT / 2);
    assert_int_equal(credits_of(&browser), want);
    deliver_all_again();
    assert_int_equal(credits_of(&browser), want);
    struct rest_answer answer;
    rest_client_request(&browser, "GET", "/api/customer/billing/ledger?limit=200", NULL, NULL,
                        &answer);
    assert_int_equal(rest_answer_integer(&answer, "pagination.total"), 1 + PAYMENTS + PAYMENTS / 3);
    assert_int_equal(rest_answer_integer(&answer, "entries.0.balance"), want);
    rest_answer_free(&answer);
}

/* --- out of credits --- */

static int start_poor(void **state)
{
    (void)state;
    system_ = (struct system_under_test){.one_process = system_mode_one_process(),
                                         .signup_credits = 15000};
    system_start(&system_);
    return 0;
}

/* Effective statuses of the campaigns at the sandbox's Meta: one here. */
static bool campaign_is(void *arg)
{
    struct rest_answer answer;
    char url[PROCESS_LINE_BYTES + 64];
    struct rest_client stranger = {0};
    (void)snprintf(url, sizeof url, "%s/_control/objects", system_.meta_url);
    rest_client_request(&stranger, "GET", url, NULL, NULL, &answer);
    bool so = strcmp(rest_answer_text(&answer, "campaigns.0.status"), arg) == 0;
    rest_answer_free(&answer);
    return so;
}

static void await_campaign(const char *status)
{
    if (!wait_until(campaign_is, (char *)status, SOON_MS))
        fail_msg("the campaign is never %s at Meta; see %s", status, system_.log);
}

static void the_campaign_stops_and_goes_on_with_the_credits(void **state)
{
    (void)state;
    struct rest_client browser = customer();
    struct rest_answer answer;
    system_connect_website(&system_, &browser, ITEMS);
    system_connect_meta(&browser);
    rest_client_request(&browser, "POST", "/api/onboarding/launch", system_launch_body, NULL,
                        &answer);
    assert_int_equal(answer.status, 200);
    rest_answer_free(&answer);
    /* Thirty days of spend come in at once, and burn more than there is. */
    await_status(&browser, "out_of_credits");
    await_campaign("PAUSED");
    assert_true(credits_of(&browser) < 0);
    struct checkout checkout = purchase(&browser, PKG_500, NULL);
    pay(&checkout);
    await_status(&browser, "running");
    await_campaign("ACTIVE");
    control_session("refund", checkout.session, "");
    await_status(&browser, "out_of_credits");
    await_campaign("PAUSED");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_customer_s_page),
        cmocka_unit_test(a_purchase_from_the_page_to_its_refund),
        cmocka_unit_test(the_page_settles_before_the_webhook),
        cmocka_unit_test(cancel_and_expiry_cost_nothing),
        cmocka_unit_test(a_refund_may_come_before_its_payment),
        cmocka_unit_test(a_key_makes_a_retry_answer_the_same),
        cmocka_unit_test(refusals),
        cmocka_unit_test(a_stripe_that_is_down_is_an_upstream_error),
        cmocka_unit_test(a_dispute_pauses_the_campaign),
        cmocka_unit_test(a_purchase_survives_a_kill_while_stripe_is_asked),
        cmocka_unit_test(webhooks_survive_kills),
    };
    const struct CMUnitTest poor[] = {
        cmocka_unit_test(the_campaign_stops_and_goes_on_with_the_credits),
    };
    int failed = cmocka_run_group_tests_name("billing", tests, start, stop);
    return failed + cmocka_run_group_tests_name("credits", poor, start_poor, stop);
}
