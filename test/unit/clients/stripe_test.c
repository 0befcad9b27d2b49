/* clients/stripe: what is sent, what is repeated, which signatures and events are believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clients/stripe/stripe.h"
#include "rpc/base/clock.h"
#include "test/unit/clients/meta_script.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SECRET_KEY "sk_test_4711"
#define SESSION                                                                      \
    "{\"id\":\"cs_test_1\",\"object\":\"checkout.session\",\"url\":\"https://pay\"," \
    "\"mode\":\"payment\",\"status\":\"open\",\"payment_status\":\"unpaid\","        \
    "\"amount_total\":50000,\"currency\":\"usd\",\"payment_intent\":null,"           \
    "\"client_reference_id\":\"ref\",\"metadata\":{\"purchaseId\":\"12\"},\"livemode\":false}"
/* The vector of upstreams.md. */
#define VECTOR_BODY "{\"id\":\"evt_1\",\"object\":\"event\"}"
#define VECTOR_HEX "c9bcc97a8a4ff4bae104ef32dcacf8b24b4c3cf0512aef639b8502673db15436"
#define VECTOR_S INT64_C(1700000000)
#define OTHER_HEX "c9bcc97a8a4ff4bae104ef32dcacf8b24b4c3cf0512aef639b8502673db15437"

static struct stripe_client *client_of(struct meta_script *f)
{
    const struct stripe_options options = {f->http, f->url, SECRET_KEY, "whsec_x"};
    struct stripe_client *client = stripe_client_create(&options);
    assert_non_null(client);
    return client;
}

/* --- signatures --- */

static void believes_good_signatures_alone(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int64_t now_s;
        bool valid;
    } rows[] = {
        {"t=1700000000,v1=" VECTOR_HEX, VECTOR_S, true},
        {"t=1700000000, v1=" VECTOR_HEX, VECTOR_S, true},
        {"t=1700000000,v0=" OTHER_HEX ",v1=" VECTOR_HEX, VECTOR_S, true},
        {"t=1700000000,v1=" OTHER_HEX ",v1=" VECTOR_HEX, VECTOR_S, true},
        {"v1=" VECTOR_HEX ",t=1700000000", VECTOR_S, true},
        {"t=1700000000,v1=" VECTOR_HEX, VECTOR_S + 300, true},
        {"t=1700000000,v1=" VECTOR_HEX, VECTOR_S - 300, true},
        {"t=1700000000,v1=" VECTOR_HEX, VECTOR_S + 301, false},
        {"t=1700000000,v1=" VECTOR_HEX, VECTOR_S - 301, false},
        {"t=1700000001,v1=" VECTOR_HEX, VECTOR_S, false},
        {"t=01700000000,v1=" VECTOR_HEX, VECTOR_S, false},
        {"t=1700000000,v1=" OTHER_HEX, VECTOR_S, false},
        {"t=1700000000,v0=" VECTOR_HEX, VECTOR_S, false},
        {"t=1700000000,v1=" VECTOR_HEX "0", VECTOR_S, false},
        {"t=1700000000,v1=c9bcc97a", VECTOR_S, false},
        {"t=1700000000,v1=", VECTOR_S, false},
        {"t=1700000000", VECTOR_S, false},
        {"v1=" VECTOR_HEX, VECTOR_S, false},
        {"t=1700000000,t=1700000000,v1=" VECTOR_HEX, VECTOR_S, false},
        {"t=-1,v1=" VECTOR_HEX, VECTOR_S, false},
        {"t=1e9,v1=" VECTOR_HEX, VECTOR_S, false},
        {"t=9999999999999999999,v1=" VECTOR_HEX, VECTOR_S, false},
        {",,,", VECTOR_S, false},
        {"", VECTOR_S, false},
        {NULL, VECTOR_S, false},
    };
    const struct stripe_options options = {NULL, "", "", "whsec_x"};
    const struct stripe_options other = {NULL, "", "", "whsec_y"};
    const struct stripe_options none = {NULL, "", "", ""};
    struct stripe_client *client = stripe_client_create(&options);
    struct stripe_client *stranger = stripe_client_create(&other);
    struct stripe_client *unset = stripe_client_create(&none);
    struct span body = span_of_string(VECTOR_BODY);
    for (size_t i = 0; i < COUNT(rows); i++)
        if (stripe_signature_valid(client, rows[i].header, body, rows[i].now_s * 1000 + 999) !=
            rows[i].valid)
            fail_msg("row %zu: %s", i, rows[i].header);
    /* Another secret, another body, none at all. */
    int64_t now_ms = VECTOR_S * 1000;
    assert_false(stripe_signature_valid(stranger, rows[0].header, body, now_ms));
    assert_false(stripe_signature_valid(unset, rows[0].header, body, now_ms));
    assert_false(stripe_signature_valid(NULL, rows[0].header, body, now_ms));
    assert_false(
        stripe_signature_valid(client, rows[0].header, span_of_string(VECTOR_BODY " "), now_ms));
    assert_false(stripe_signature_valid(client, rows[0].header, span_of("", 0), now_ms));
    stripe_client_destroy(client);
    stripe_client_destroy(stranger);
    stripe_client_destroy(unset);
}

static void bounds_the_header(void **state)
{
    (void)state;
    char header[8192];
    const struct stripe_options options = {NULL, "", "", "whsec_x"};
    struct stripe_client *client = stripe_client_create(&options);
    /* So many that the good one is not looked at any more, and too long in all. */
    (void)snprintf(header, sizeof header, "t=1700000000");
    for (int i = 0; i < 16; i++)
        (void)strncat(header, ",v1=" OTHER_HEX, sizeof header - strlen(header) - 1);
    (void)strncat(header, ",v1=" VECTOR_HEX, sizeof header - strlen(header) - 1);
    assert_false(
        stripe_signature_valid(client, header, span_of_string(VECTOR_BODY), VECTOR_S * 1000));
    memset(header, ',', sizeof header - 1);
    header[sizeof header - 1] = '\0';
    assert_false(
        stripe_signature_valid(client, header, span_of_string(VECTOR_BODY), VECTOR_S * 1000));
    stripe_client_destroy(client);
}

/* --- events --- */

static void reads_events(void **state)
{
    (void)state;
    struct arena arena;
    struct stripe_event event;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    assert_true(stripe_event_parse(
        span_of_string(
            "{\"id\":\"evt_1\",\"type\":\"checkout.session.completed\",\"livemode\":true,"
            "\"data\":{\"object\":" SESSION "}}"),
        &arena, &event));
    assert_int_equal(event.kind, STRIPE_EVENT_SESSION_COMPLETED);
    assert_true(event.livemode);
    assert_string_equal(event.session.id, "cs_test_1");
    assert_string_equal(event.session.payment_intent, "");
    assert_string_equal(event.session.purchase_id, "12");
    assert_int_equal(event.session.amount_total, 50000);
    assert_true(stripe_event_parse(
        span_of_string("{\"id\":\"evt_2\",\"type\":\"charge.refunded\",\"data\":{\"object\":{"
                       "\"id\":\"ch_1\",\"amount\":50000,\"amount_refunded\":100,"
                       "\"currency\":\"usd\",\"payment_intent\":\"pi_1\"}}}"),
        &arena, &event));
    assert_int_equal(event.kind, STRIPE_EVENT_REFUNDED);
    assert_string_equal(event.payment_intent, "pi_1");
    assert_int_equal(event.amount_refunded, 100);
    assert_false(event.livemode);
    /* What is not said is none, and what is not ours is other. */
    assert_true(stripe_event_parse(span_of_string(VECTOR_BODY), &arena, &event));
    assert_int_equal(event.kind, STRIPE_EVENT_OTHER);
    assert_string_equal(event.payment_intent, "");
    assert_int_equal(event.amount, -1);
    static const char *const bad[] = {
        "", "{", "[]", "null", "{}", "{\"id\":null}", "{\"id\":\"\"}", "{\"id\":\"e\"}}"};
    for (size_t i = 0; i < COUNT(bad); i++)
        if (stripe_event_parse(span_of_string(bad[i]), &arena, &event))
            fail_msg("%s is no event", bad[i]);
    arena_fini(&arena);
}

/* --- calls --- */

static struct stripe_checkout checkout(void)
{
    return (struct stripe_checkout){.idempotency_key = "key-1",
                                    .client_reference_id = "ref",
                                    .purchase_id = "12",
                                    .customer_email = "john+1@acme.com",
                                    .currency = "USD",
                                    .amount = 50000,
                                    .product_name = "10000 credits",
                                    .success_url = "https://l/?s={CHECKOUT_SESSION_ID}",
                                    .cancel_url = "https://l/c"};
}

static void creates_a_session(void **state)
{
    struct meta_script *f = *state;
    struct stripe_client *client = client_of(f);
    struct stripe_session session;
    const struct stripe_checkout order = checkout();
    SCRIPT(f, {200, NULL, SESSION});
    assert_int_equal(stripe_session_create(client, &f->context, &order, &session, &f->status),
                     RPC_OK);
    assert_string_equal(session.id, "cs_test_1");
    assert_string_equal(session.url, "https://pay");
    const struct request *request = meta_script_request(f, 0);
    assert_string_equal(request->verb, "POST");
    assert_string_equal(request->target, "/v1/checkout/sessions");
    assert_non_null(strstr(request->head, "Authorization: Bearer " SECRET_KEY));
    assert_non_null(strstr(request->head, "Idempotency-Key: key-1"));
    assert_non_null(strstr(request->head, "Stripe-Version: "));
    assert_non_null(strstr(request->head, "Content-Type: application/x-www-form-urlencoded"));
    assert_string_equal(
        request->body,
        "mode=payment&client_reference_id=ref&customer_email=john%2B1%40acme.com"
        "&success_url=https%3A%2F%2Fl%2F%3Fs%3D%7BCHECKOUT_SESSION_ID%7D"
        "&cancel_url=https%3A%2F%2Fl%2Fc&line_items%5B0%5D%5Bprice_data%5D%5Bcurrency%5D=usd"
        "&line_items%5B0%5D%5Bprice_data%5D%5Bunit_amount%5D=50000"
        "&line_items%5B0%5D%5Bprice_data%5D%5Bproduct_data%5D%5Bname%5D=10000%20credits"
        "&line_items%5B0%5D%5Bquantity%5D=1&metadata%5BpurchaseId%5D=12"
        "&payment_intent_data%5Bmetadata%5D%5BpurchaseId%5D=12");
    stripe_client_destroy(client);
}

static void gets_a_session(void **state)
{
    struct meta_script *f = *state;
    struct stripe_client *client = client_of(f);
    struct stripe_session session;
    SCRIPT(f, {200, NULL, SESSION}, {404, NULL, "{\"error\":{}}"});
    assert_int_equal(stripe_session_get(client, &f->context, "cs_test_1", &session, &f->status),
                     RPC_OK);
    assert_string_equal(meta_script_request(f, 0)->verb, "GET");
    assert_string_equal(meta_script_request(f, 0)->target, "/v1/checkout/sessions/cs_test_1");
    assert_int_equal(stripe_session_get(client, &f->context, "cs_test_2", &session, &f->status),
                     RPC_NOT_FOUND);
    assert_string_equal(f->status.upstream, "stripe");
    /* What could change the path is not sent. */
    static const char *const bad[] = {"", "../x", "cs 1", "cs/1", "cs%2f", "cs?a", "cs\n"};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(stripe_session_get(client, &f->context, bad[i], &session, &f->status),
                         RPC_NOT_FOUND);
    assert_int_equal(meta_script_count(f), 2);
    stripe_client_destroy(client);
}

#define RETRY "Stripe-Should-Retry: true\r\n"
#define NO_RETRY "Stripe-Should-Retry: false\r\n"
#define ERROR_BODY "{\"error\":{\"message\":\"secret details\"}}"

static void repeats_what_may_pass(void **state)
{
    struct meta_script *f = *state;
    static const struct {
        struct answer answers[3];
        size_t answer_count;
        size_t requests;
        enum rpc_code code;
    } rows[] = {
        {{{409, NULL, ERROR_BODY}, {200, NULL, SESSION}}, 2, 2, RPC_OK},
        {{{500, NULL, "no JSON"}, {503, NULL, ""}, {200, NULL, SESSION}}, 3, 3, RPC_OK},
        {{{0, NULL, NULL}, {200, NULL, SESSION}}, 2, 2, RPC_OK},
        {{{400, RETRY, ERROR_BODY}, {200, NULL, SESSION}}, 2, 2, RPC_OK},
        {{{500, NO_RETRY, ERROR_BODY}}, 1, 1, RPC_UNAVAILABLE},
        {{{409, NO_RETRY, ERROR_BODY}}, 1, 1, RPC_UNAVAILABLE},
        {{{400, NULL, ERROR_BODY}}, 1, 1, RPC_FAILED_PRECONDITION},
        {{{401, NULL, ERROR_BODY}}, 1, 1, RPC_FAILED_PRECONDITION},
        {{{402, NULL, ERROR_BODY}}, 1, 1, RPC_FAILED_PRECONDITION},
        {{{429, NULL, ERROR_BODY}}, 1, 1, RPC_UNAVAILABLE},
        {{{200, NULL, "not JSON"}}, 1, 1, RPC_UNAVAILABLE},
        {{{200, NULL, "[]"}}, 1, 1, RPC_UNAVAILABLE},
        {{{200, NULL, "{}"}}, 1, 1, RPC_UNAVAILABLE},
        {{{302, "Location: http://127.0.0.1:1/\r\n", ""}}, 1, 1, RPC_UNAVAILABLE},
        {{{503, NULL, ""}}, 1, 5, RPC_UNAVAILABLE},
    };
    struct stripe_client *client = client_of(f);
    const struct stripe_checkout order = checkout();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct stripe_session session;
        f->context.deadline_ms = clock_mono_ms() + 20000;
        meta_script_set(f, rows[i].answers, rows[i].answer_count);
        enum rpc_code code =
            stripe_session_create(client, &f->context, &order, &session, &f->status);
        if (code != rows[i].code || meta_script_count(f) != rows[i].requests)
            fail_msg("row %zu: %s after %zu requests", i, rpc_code_name(code),
                     meta_script_count(f));
        for (size_t r = 0; r < rows[i].requests; r++)
            assert_non_null(strstr(meta_script_request(f, r)->head, "Idempotency-Key: key-1"));
        if (code == RPC_OK)
            continue;
        assert_string_equal(f->status.upstream, "stripe");
        assert_int_equal(f->status.reason, LOTCAST__V1__REASON__REASON_UPSTREAM_ERROR);
        assert_null(strstr(f->status.message, "secret"));
    }
    stripe_client_destroy(client);
}

static void ends_with_the_deadline(void **state)
{
    struct meta_script *f = *state;
    struct stripe_client *client = client_of(f);
    struct stripe_session session;
    const struct stripe_checkout order = checkout();
    SCRIPT(f, {503, NULL, ""});
    int64_t begun_ms = clock_mono_ms();
    f->context.deadline_ms = begun_ms + 100;
    assert_int_equal(stripe_session_create(client, &f->context, &order, &session, &f->status),
                     RPC_UNAVAILABLE);
    assert_true(clock_mono_ms() - begun_ms < 3000);
    assert_true(meta_script_count(f) < 5);
    stripe_client_destroy(client);
}

static void knows_its_configuration(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        bool configured, livemode;
    } rows[] = {{"sk_test_1", true, false},
                {"sk_live_1", true, true},
                {"rk_live_1", true, true},
                {"", false, false},
                {"sk_liv", true, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct stripe_options options = {NULL, "", rows[i].key, ""};
        struct stripe_client *client = stripe_client_create(&options);
        assert_int_equal(stripe_client_configured(client), rows[i].configured);
        assert_int_equal(stripe_client_livemode(client), rows[i].livemode);
        assert_false(stripe_client_has_webhook_secret(client));
        stripe_client_destroy(client);
    }
    assert_false(stripe_client_configured(NULL));
    assert_false(stripe_client_livemode(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, meta_script_setup, meta_script_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believes_good_signatures_alone),
        cmocka_unit_test(bounds_the_header),
        cmocka_unit_test(reads_events),
        cmocka_unit_test(knows_its_configuration),
        TEST(creates_a_session),
        TEST(gets_a_session),
        TEST(repeats_what_may_pass),
        TEST(ends_with_the_deadline),
    };
    return cmocka_run_group_tests_name("stripe", tests, NULL, NULL);
}
