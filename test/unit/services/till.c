#include "test/unit/services/till.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "google/api/httpbody.pb-c.h"
#include "rpc/base/clock.h"
#include "test/unit/clients/http_server.h"

/* --- the stand-in of Stripe --- */

/* A form field's text in a body, still encoded. */
static void field(const char *body, const char *name, char *text, size_t size)
{
    const char *at = strstr(body, name);
    text[0] = '\0';
    if (at != NULL)
        (void)snprintf(text, size, "%.*s", (int)strcspn(at + strlen(name), "&"), at + strlen(name));
}

static void header(const char *head, const char *name, char *text, size_t size)
{
    const char *at = strcasestr(head, name);
    text[0] = '\0';
    if (at != NULL)
        (void)snprintf(text, size, "%.*s", (int)strcspn(at + strlen(name), "\r\n"),
                       at + strlen(name));
}

/* The session of the key, made now if it is new. Under the lock. */
static const char *session_make(struct till *till, const struct http_exchange *exchange)
{
    char key[256], amount[32], purchase[32], reference[256];
    header(exchange->head, "Idempotency-Key: ", key, sizeof key);
    for (size_t i = 0; i < till->session_count; i++)
        if (strcmp(till->sessions[i].key, key) == 0)
            return till->sessions[i].body;
    field(exchange->body, "unit_amount%5D=", amount, sizeof amount);
    field(exchange->body, "&metadata%5BpurchaseId%5D=", purchase, sizeof purchase);
    field(exchange->body, "client_reference_id=", reference, sizeof reference);
    size_t at = till->session_count++;
    (void)snprintf(till->sessions[at].key, sizeof till->sessions[at].key, "%s", key);
    (void)snprintf(till->sessions[at].body, sizeof till->sessions[at].body,
                   "{\"id\":\"cs_test_%s\",\"url\":\"https://pay.example/%zu\",\"status\":\"open\","
                   "\"mode\":\"payment\",\"payment_status\":\"unpaid\",\"amount_total\":%s,"
                   "\"currency\":\"usd\",\"client_reference_id\":\"%s\",\"livemode\":false,"
                   "\"metadata\":{\"purchaseId\":\"%s\"}}",
                   purchase, at, amount, reference, purchase);
    return till->sessions[at].body;
}

static void answer_create(struct till *till, struct http_exchange *exchange)
{
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    struct rpc_context context = {.arena = &arena, .deadline_ms = INT64_MAX};
    struct store_read_op op = {
        .record = &lotcast__v1__purchase_record__descriptor, .is_range = true, .count_only = true};
    struct rpc_status status;
    if (store_read(till->fixture.store_client, &context, &op, 1, &status) != RPC_OK)
        abort();
    (void)pthread_mutex_lock(&till->lock);
    till->requests++;
    if (till->stored_first < 0)
        till->stored_first = op.ret_count;
    bool failing = till->fail_times > 0;
    till->fail_times -= failing ? 1 : 0;
    int fail_status = till->fail_status;
    const char *body =
        failing && fail_status != 0 ? "{\"error\":{}}" : session_make(till, exchange);
    (void)pthread_mutex_unlock(&till->lock);
    if (failing && fail_status == 0)
        exchange->close = true;
    else
        http_exchange_answer_text(exchange, failing ? fail_status : 200, NULL, body);
    arena_fini(&arena);
}

static void answer_get(struct till *till, struct http_exchange *exchange)
{
    char body[1024];
    const char *id = exchange->target + strlen("/v1/checkout/sessions/");
    (void)pthread_mutex_lock(&till->lock);
    till->gets++;
    (void)snprintf(body, sizeof body,
                   "{\"id\":\"%s\",\"url\":null,\"status\":\"%s\",\"mode\":\"payment\","
                   "\"payment_status\":\"%s\",\"amount_total\":50000,\"currency\":\"usd\","
                   "\"payment_intent\":\"pi_%s\",\"livemode\":false}",
                   id, till->status, till->payment_status, id + strlen("cs_test_"));
    (void)pthread_mutex_unlock(&till->lock);
    http_exchange_answer_text(exchange, 200, NULL, body);
}

static void handle(void *arg, struct http_exchange *exchange)
{
    if (strcmp(exchange->verb, "POST") == 0)
        answer_create(arg, exchange);
    else
        answer_get(arg, exchange);
}

int till_setup(void **state)
{
    struct till *till = calloc(1, sizeof *till);
    assert_non_null(till);
    (void)pthread_mutex_init(&till->lock, NULL);
    till->stored_first = -1;
    (void)snprintf(till->status, sizeof till->status, "complete");
    (void)snprintf(till->payment_status, sizeof till->payment_status, "paid");
    till->server = http_server_start(handle, till);
    (void)snprintf(till->url, sizeof till->url, "http://127.0.0.1:%u",
                   http_server_port(till->server));
    fixture_start(&till->fixture, &(struct fixture_options){.stripe_url = till->url,
                                                            .signup_credits = TILL_SIGNUP_CREDITS});
    till->session = fixture_sign_up(&till->fixture, 1, &till->customer_id);
    *state = till;
    return 0;
}

int till_teardown(void **state)
{
    struct till *till = *state;
    fixture_stop(&till->fixture);
    http_server_stop(till->server);
    (void)pthread_mutex_destroy(&till->lock);
    free(till);
    return 0;
}

void till_fail(struct till *till, int times, int status)
{
    (void)pthread_mutex_lock(&till->lock);
    till->fail_times = times;
    till->fail_status = status;
    (void)pthread_mutex_unlock(&till->lock);
}

/* --- calls --- */

enum rpc_code till_purchase(struct till *till, struct arena *arena, const char *package_id,
                            const char *key, const char **ret_url, struct rpc_status *status)
{
    const void *response = NULL;
    Lotcast__V1__PurchaseRequest request = LOTCAST__V1__PURCHASE_REQUEST__INIT;
    struct rpc_metadata metadata = fixture_browser(till->session, NULL);
    request.package_id = (char *)package_id;
    if (key != NULL)
        assert_true(rpc_metadata_add(&metadata, RPC_METADATA_IDEMPOTENCY_KEY, key));
    rpc_status_clear(status);
    enum rpc_code code = fixture_call(&till->fixture, arena, "lotcast.v1.Billing/Purchase",
                                      &request, &metadata, &response, status);
    if (code == RPC_OK)
        *ret_url = ((const Lotcast__V1__PurchaseResponse *)response)->checkout_url;
    return code;
}

const Lotcast__V1__GetBillingResponse *till_billing(struct till *till, const char *session_id)
{
    struct rpc_status status;
    const void *response = NULL;
    Lotcast__V1__GetBillingRequest request = LOTCAST__V1__GET_BILLING_REQUEST__INIT;
    struct rpc_metadata metadata = fixture_browser(till->session, NULL);
    if (session_id != NULL)
        request.session_id = (char *)session_id;
    if (fixture_call(&till->fixture, &till->fixture.arena, "lotcast.v1.Billing/GetBilling",
                     &request, &metadata, &response, &status) != RPC_OK)
        fail_msg("GetBilling: %s", status.message);
    return response;
}

int64_t till_balance_centi(struct till *till)
{
    const Lotcast__V1__LedgerBalanceRecord *balance = fixture_get(
        &till->fixture, &lotcast__v1__ledger_balance_record__descriptor, till->customer_id);
    return balance == NULL ? 0 : balance->balance_centi;
}

const Lotcast__V1__PurchaseRecord *till_record(struct till *till, int64_t purchase_id)
{
    const Lotcast__V1__PurchaseRecord *purchase =
        fixture_get(&till->fixture, &lotcast__v1__purchase_record__descriptor, purchase_id);
    assert_non_null(purchase);
    return purchase;
}

/* --- events --- */

static void sign(const char *body, int64_t time_s, char text[static 128])
{
    char prefix[32];
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    char hex[sizeof mac * 2 + 1];
    crypto_auth_hmacsha256_state state;
    int len = snprintf(prefix, sizeof prefix, "%lld.", (long long)time_s);
    (void)crypto_auth_hmacsha256_init(&state, (const unsigned char *)FIXTURE_WEBHOOK_SECRET,
                                      strlen(FIXTURE_WEBHOOK_SECRET));
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)prefix, (size_t)len);
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)body, strlen(body));
    (void)crypto_auth_hmacsha256_final(&state, mac);
    (void)sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    (void)snprintf(text, 128, "t=%lld,v1=%s", (long long)time_s, hex);
}

enum rpc_code till_deliver(struct till *till, const char *body, int64_t shift_s,
                           struct rpc_status *status)
{
    char signature[128];
    struct arena arena;
    Google__Api__HttpBody request = GOOGLE__API__HTTP_BODY__INIT;
    struct rpc_metadata metadata = {0};
    sign(body, clock_now_ms() / 1000 + shift_s, signature);
    (void)rpc_metadata_add(&metadata, "stripe-signature", signature);
    request.content_type = (char *)"application/json; charset=utf-8";
    request.data = (ProtobufCBinaryData){.len = strlen(body), .data = (uint8_t *)body};
    rpc_status_clear(status);
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    enum rpc_code code =
        fixture_call(&till->fixture, &arena, "lotcast.v1.Billing/ReceiveStripeEvent", &request,
                     &metadata, NULL, status);
    arena_fini(&arena);
    return code;
}

void till_deliver_ok(struct till *till, const char *body)
{
    struct rpc_status status;
    if (till_deliver(till, body, 0, &status) != RPC_OK)
        fail_msg("%s: %s", body, status.message);
}

static int64_t event_number(void)
{
    static int64_t number;
    return ++number;
}

const char *till_session_event(struct till *till, const char *type, int64_t purchase_id,
                               const char *payment_status, int64_t amount)
{
    return arena_printf(
        &till->fixture.arena,
        "{\"id\":\"evt_%lld\",\"object\":\"event\",\"type\":\"checkout.session.%s\","
        "\"livemode\":false,\"data\":{\"object\":{\"id\":\"cs_test_%lld\","
        "\"mode\":\"payment\",\"status\":\"complete\",\"payment_status\":\"%s\","
        "\"amount_total\":%lld,\"currency\":\"usd\",\"payment_intent\":\"pi_%lld\","
        "\"livemode\":false,\"metadata\":{\"purchaseId\":\"%lld\"}}}}",
        (long long)event_number(), type, (long long)purchase_id, payment_status, (long long)amount,
        (long long)purchase_id, (long long)purchase_id);
}

const char *till_refund_event(struct till *till, int64_t purchase_id, int64_t amount,
                              int64_t refunded)
{
    return arena_printf(&till->fixture.arena,
                        "{\"id\":\"evt_%lld\",\"object\":\"event\",\"type\":\"charge.refunded\","
                        "\"livemode\":false,\"data\":{\"object\":{\"id\":\"ch_%lld\","
                        "\"amount\":%lld,\"amount_refunded\":%lld,\"currency\":\"usd\","
                        "\"payment_intent\":\"pi_%lld\"}}}",
                        (long long)event_number(), (long long)purchase_id, (long long)amount,
                        (long long)refunded, (long long)purchase_id);
}

const char *till_dispute_event(struct till *till, const char *type, int64_t purchase_id,
                               int64_t amount, const char *status)
{
    return arena_printf(&till->fixture.arena,
                        "{\"id\":\"evt_%lld\",\"object\":\"event\",\"type\":\"charge.dispute.%s\","
                        "\"livemode\":false,\"data\":{\"object\":{\"id\":\"dp_%lld\","
                        "\"amount\":%lld,\"currency\":\"usd\",\"status\":\"%s\","
                        "\"charge\":\"ch_%lld\",\"payment_intent\":\"pi_%lld\"}}}",
                        (long long)event_number(), type, (long long)purchase_id, (long long)amount,
                        status, (long long)purchase_id, (long long)purchase_id);
}

/* --- books --- */

void till_check_books(struct till *till)
{
    struct rpc_status status;
    struct store_read_op op = {
        .record = &lotcast__v1__ledger_entry_record__descriptor,
        .key = store_key(store_text("customer"), store_number(till->customer_id)),
        .is_range = true,
    };
    assert_int_equal(
        store_read(till->fixture.store_client, &till->fixture.context, &op, 1, &status), RPC_OK);
    int64_t sum = 0;
    for (size_t i = 0; i < op.ret_row_count; i++) {
        const Lotcast__V1__LedgerEntryRecord *row = (const void *)op.ret_rows[i];
        sum += row->amount_centi;
        assert_int_equal(row->entry_no, (int64_t)i + 1);
        assert_int_equal(row->balance_centi, sum);
    }
    assert_int_equal(sum, till_balance_centi(till));
    assert_int_equal(fixture_counter(&till->fixture, "ledger:payments") +
                         fixture_counter(&till->fixture, "ledger:grants"),
                     -sum);
}
