/*
 * A method's max_in_flight: Stripe is slow, purchases are as many as logic takes, and are refused,
 * while all else is as quick as ever.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/e2e/system.h"

/* As billing.proto has it; each is a thread here. */
#define PURCHASES_MAX 56
/* How long Stripe takes, in ms. */
#define STRIPE_MS 4000
#define PATH "/api/customer/billing/purchase"
#define BODY "{\"packageId\":\"pkg_100\"}"

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

struct purchase {
    struct rest_client browser;
    pthread_t thread;
    int status;
};

static void *buy(void *arg)
{
    struct purchase *purchase = arg;
    struct rest_answer answer;
    rest_client_request(&purchase->browser, "POST", PATH, BODY, NULL, &answer);
    purchase->status = answer.status;
    rest_answer_free(&answer);
    return NULL;
}

static bool has_no_room(void *arg)
{
    static const char name[] = "\nlotcast_rpc_limited_in_flight{server=\"logic\","
                               "method=\"lotcast.v1.Billing/Purchase\"";
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    (void)arg;
    rest_client_request(&browser, "GET", "/metrics", NULL, NULL, &answer);
    const char *at = strstr(answer.body, name);
    const char *value = at == NULL ? NULL : strchr(at, '}');
    bool full = value != NULL && strtol(value + 1, NULL, 10) == PURCHASES_MAX;
    rest_answer_free(&answer);
    return full;
}

static void expect(struct rest_client *browser, const char *path, int status)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", path, NULL, NULL, &answer);
    assert_int_equal(answer.status, status);
    rest_answer_free(&answer);
}

static void expect_refusal(struct rest_client *browser)
{
    struct rest_answer answer;
    rest_client_request(browser, "POST", PATH, BODY, NULL, &answer);
    assert_int_equal(answer.status, 503);
    assert_string_equal(rest_answer_text(&answer, "error.code"), "UNAVAILABLE");
    assert_non_null(strcasestr(answer.headers, "\nretry-after: 1\r"));
    rest_answer_free(&answer);
}

static void a_method_that_is_full(void **state)
{
    static struct purchase purchases[PURCHASES_MAX];
    struct purchase late = {.browser = system_browser(&system_)};
    char control[160];
    (void)state;
    system_sign_up(&late.browser, "buyer@acme.example");
    (void)snprintf(control, sizeof control,
                   "{\"service\":\"stripe\",\"path\":\"/v1/checkout/sessions\",\"delay_ms\":%d,"
                   "\"times\":%d}",
                   STRIPE_MS, PURCHASES_MAX);
    system_control(&system_, "/_control/fail", control);
    for (size_t i = 0; i < PURCHASES_MAX; i++) {
        purchases[i].browser = late.browser;
        assert_int_equal(pthread_create(&purchases[i].thread, NULL, buy, &purchases[i]), 0);
    }
    assert_true(wait_until(has_no_room, NULL, STRIPE_MS));
    expect_refusal(&late.browser);
    expect(&late.browser, "/api/customer/billing", 200);
    expect(&late.browser, "/api/customer/dashboard", 200);
    expect(&late.browser, "/api/customer/inventory", 200);
    expect_refusal(&late.browser); /* it was so meanwhile */
    for (size_t i = 0; i < PURCHASES_MAX; i++) {
        (void)pthread_join(purchases[i].thread, NULL);
        assert_int_equal(purchases[i].status, 200);
    }
    (void)buy(&late);
    assert_int_equal(late.status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_method_that_is_full)};
    return cmocka_run_group_tests_name("limit", tests, start, stop);
}
