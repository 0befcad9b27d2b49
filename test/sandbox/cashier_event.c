/*
 * What happens to payments, the events that tell of it, and their delivery.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clients/http/http.h"
#include "rpc/base/clock.h"
#include "test/sandbox/cashier.h"

#define DELIVERY_MS_MAX 10000
/* From a delivery that failed to the next: doubled each time, up to the second. */
#define REPEAT_MS_MIN 200
#define REPEAT_MS_MAX 3000
#define ANSWER_BYTES_MAX 65536

/* --- objects --- */

static void print_text(const char *text, struct buffer *out)
{
    if (text == NULL || text[0] == '\0')
        (void)buffer_append_string(out, "null");
    else
        json_tree_print_string(text, out);
}

static const char *status_name(enum cashier_status status)
{
    return status == CASHIER_OPEN ? "open" : status == CASHIER_COMPLETE ? "complete" : "expired";
}

void cashier_session_print(const struct cashier *cashier, const struct cashier_session *session,
                           struct buffer *out)
{
    (void)buffer_printf(
        out,
        "{\"id\":\"%s\",\"object\":\"checkout.session\",\"amount_subtotal\":%lld,"
        "\"amount_total\":%lld,\"created\":%lld,\"currency\":\"%s\","
        "\"expires_at\":%lld,\"livemode\":false,\"mode\":\"payment\","
        "\"status\":\"%s\",\"payment_status\":\"%s\",\"metadata\":%s",
        session->id, (long long)session->amount_total, (long long)session->amount_total,
        (long long)session->created_s, session->currency, (long long)session->created_s + 86400,
        status_name(session->status), session->paid ? "paid" : "unpaid", session->metadata);
    (void)buffer_append_string(out, ",\"payment_intent\":");
    print_text(session->payment_intent, out);
    (void)buffer_append_string(out, ",\"client_reference_id\":");
    print_text(session->client_reference_id, out);
    (void)buffer_append_string(out, ",\"customer_email\":");
    print_text(session->customer_email, out);
    (void)buffer_append_string(out, ",\"success_url\":");
    print_text(session->success_url, out);
    (void)buffer_append_string(out, ",\"cancel_url\":");
    print_text(session->cancel_url, out);
    if (session->status == CASHIER_OPEN)
        (void)buffer_printf(out, ",\"url\":\"%s/c/pay/%s\"}", cashier->base, session->id);
    else
        (void)buffer_append_string(out, ",\"url\":null}");
}

void cashier_charge_print(const struct cashier_session *session, struct buffer *out)
{
    bool refunded = session->amount_refunded >= session->amount_total;
    (void)buffer_printf(out,
                        "{\"id\":\"%s\",\"object\":\"charge\",\"amount\":%lld,"
                        "\"amount_captured\":%lld,\"amount_refunded\":%lld,\"currency\":\"%s\","
                        "\"disputed\":%s,\"livemode\":false,\"metadata\":%s,\"paid\":true,"
                        "\"payment_intent\":\"%s\",\"refunded\":%s,\"status\":\"succeeded\"}",
                        session->charge, (long long)session->amount_total,
                        (long long)session->amount_total, (long long)session->amount_refunded,
                        session->currency, session->disputed ? "true" : "false",
                        session->payment_metadata, session->payment_intent,
                        refunded ? "true" : "false");
}

void cashier_dispute_print(const struct cashier_dispute *dispute, struct buffer *out)
{
    (void)buffer_printf(out,
                        "{\"id\":\"%s\",\"object\":\"dispute\",\"amount\":%lld,\"charge\":\"%s\","
                        "\"currency\":\"%s\",\"livemode\":false,\"metadata\":{},"
                        "\"payment_intent\":\"%s\",\"reason\":\"fraudulent\",\"status\":\"%s\"}",
                        dispute->id, (long long)dispute->amount, dispute->session->charge,
                        dispute->session->currency, dispute->session->payment_intent,
                        dispute->status);
}

/* --- events --- */

/* Queues an event about `object`, which is JSON; frees its bytes. */
static void event_add(struct cashier *cashier, const char *type, struct buffer *object)
{
    struct cashier_event *event = calloc(1, sizeof *event);
    struct buffer body;
    if (event == NULL)
        abort();
    cashier_id("evt", event->id);
    (void)snprintf(event->type, sizeof event->type, "%s", type);
    buffer_init(&body, EXCHANGE_ANSWER_BYTES_MAX);
    (void)buffer_printf(&body,
                        "{\"id\":\"%s\",\"object\":\"event\",\"api_version\":\"2024-06-20\","
                        "\"created\":%lld,\"data\":{\"object\":%s},\"livemode\":false,"
                        "\"pending_webhooks\":1,\"request\":{\"id\":null,\"idempotency_key\":null},"
                        "\"type\":\"%s\"}",
                        event->id, (long long)cashier_now_s(cashier), buffer_cstring(object), type);
    event->body = cashier_dup(buffer_cstring(&body));
    buffer_fini(&body);
    buffer_fini(object);
    *cashier->events_tail = event;
    cashier->events_tail = &event->next;
    (void)pthread_cond_signal(&cashier->wake);
}

static void session_event(struct cashier *cashier, const struct cashier_session *session,
                          const char *type)
{
    struct buffer object;
    buffer_init(&object, EXCHANGE_ANSWER_BYTES_MAX);
    cashier_session_print(cashier, session, &object);
    event_add(cashier, type, &object);
}

void cashier_pay(struct cashier *cashier, struct cashier_session *session, bool delayed)
{
    cashier_id("pi", session->payment_intent);
    cashier_id("ch", session->charge);
    session->status = CASHIER_COMPLETE;
    session->paid = !delayed;
    session_event(cashier, session, "checkout.session.completed");
}

void cashier_settle(struct cashier *cashier, struct cashier_session *session, bool succeeded)
{
    session->paid = succeeded;
    session_event(cashier, session,
                  succeeded ? "checkout.session.async_payment_succeeded"
                            : "checkout.session.async_payment_failed");
}

void cashier_expire(struct cashier *cashier, struct cashier_session *session)
{
    session->status = CASHIER_EXPIRED;
    session_event(cashier, session, "checkout.session.expired");
}

bool cashier_refund(struct cashier *cashier, struct cashier_session *session, int64_t amount)
{
    struct buffer object;
    if (!session->paid || amount <= 0 || amount > session->amount_total - session->amount_refunded)
        return false;
    session->amount_refunded += amount;
    buffer_init(&object, EXCHANGE_ANSWER_BYTES_MAX);
    cashier_charge_print(session, &object);
    event_add(cashier, "charge.refunded", &object);
    return true;
}

static void dispute_event(struct cashier *cashier, const struct cashier_dispute *dispute,
                          const char *type)
{
    struct buffer object;
    buffer_init(&object, EXCHANGE_ANSWER_BYTES_MAX);
    cashier_dispute_print(dispute, &object);
    event_add(cashier, type, &object);
}

struct cashier_dispute *cashier_dispute_open(struct cashier *cashier,
                                             struct cashier_session *session, int64_t amount,
                                             const char *status)
{
    struct cashier_dispute *dispute = calloc(1, sizeof *dispute);
    if (dispute == NULL)
        abort();
    cashier_id("dp", dispute->id);
    dispute->session = session;
    dispute->amount = amount;
    (void)snprintf(dispute->status, sizeof dispute->status, "%s", status);
    dispute->next = cashier->disputes;
    cashier->disputes = dispute;
    session->disputed = true;
    dispute_event(cashier, dispute, "charge.dispute.created");
    return dispute;
}

void cashier_dispute_close(struct cashier *cashier, struct cashier_dispute *dispute,
                           const char *status)
{
    (void)snprintf(dispute->status, sizeof dispute->status, "%s", status);
    dispute_event(cashier, dispute, "charge.dispute.closed");
}

/* --- delivery --- */

/* Stripe-Signature of the body at that time. */
static void sign(const struct cashier *cashier, int64_t time_s, const char *body,
                 char header[static 128])
{
    char prefix[32];
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    char hex[sizeof mac * 2 + 1];
    crypto_auth_hmacsha256_state state;
    const char *secret = cashier->webhook_secret;
    int len = snprintf(prefix, sizeof prefix, "%lld.", (long long)time_s);
    (void)crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret, strlen(secret));
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)prefix, (size_t)len);
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)body, strlen(body));
    (void)crypto_auth_hmacsha256_final(&state, mac);
    (void)sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    (void)snprintf(header, 128, "t=%lld,v1=%s", (long long)time_s, hex);
}

/* Posts; the answer's status, or 0. */
static int64_t post(struct cashier *cashier, const char *url, const char *body, int64_t shift_s)
{
    char signature[128];
    sign(cashier, cashier_now_s(cashier) + shift_s, body, signature);
    const struct http_header headers[] = {{"Content-Type", "application/json; charset=utf-8"},
                                          {"Stripe-Signature", signature}};
    const struct http_request request = {.verb = HTTP_POST,
                                         .url = url,
                                         .headers = headers,
                                         .header_count = 2,
                                         .body = span_of_string(body),
                                         .deadline_ms = clock_mono_ms() + DELIVERY_MS_MAX,
                                         .wire_bytes_max = ANSWER_BYTES_MAX,
                                         .body_bytes_max = ANSWER_BYTES_MAX};
    struct http_response *response = NULL;
    if (http_client_fetch(cashier->http, NULL, &request, &response) != HTTP_FAILURE_NONE)
        return 0;
    int64_t status = response->status;
    http_response_free(response);
    return status;
}

static void delivery_note(struct cashier_event *event, int64_t status)
{
    int64_t wait_ms = REPEAT_MS_MIN;
    for (int64_t i = 0; i < event->deliveries && wait_ms < REPEAT_MS_MAX; i++)
        wait_ms *= 2;
    event->deliveries++;
    event->last_status = status;
    event->delivered = event->delivered || (status >= 200 && status <= 299);
    event->due_mono_ms = clock_mono_ms() + wait_ms;
}

/* Posts an event, letting go of the lock meanwhile. Events are never freed. */
static int64_t deliver_locked(struct cashier *cashier, struct cashier_event *event, int64_t shift_s)
{
    char *url = cashier->webhook_url == NULL ? NULL : cashier_dup(cashier->webhook_url);
    if (url == NULL)
        return 0;
    (void)pthread_mutex_unlock(&cashier->lock);
    int64_t status = post(cashier, url, event->body, shift_s);
    (void)pthread_mutex_lock(&cashier->lock);
    delivery_note(event, status);
    free(url);
    return status;
}

int64_t cashier_deliver(struct cashier *cashier, const char *event_id, int64_t shift_s)
{
    int64_t status = -1;
    (void)pthread_mutex_lock(&cashier->lock);
    struct cashier_event *event = cashier->events;
    while (event != NULL && strcmp(event->id, event_id) != 0)
        event = event->next;
    if (event != NULL)
        status = deliver_locked(cashier, event, shift_s);
    (void)pthread_mutex_unlock(&cashier->lock);
    return status;
}

/* The first that is due, or NULL; then `ret_wait_ms` until the next one is. */
static struct cashier_event *event_due(const struct cashier *cashier, int64_t *ret_wait_ms)
{
    int64_t now_ms = clock_mono_ms();
    *ret_wait_ms = REPEAT_MS_MAX;
    for (struct cashier_event *event = cashier->events; event != NULL; event = event->next) {
        if (event->delivered)
            continue;
        if (event->due_mono_ms <= now_ms)
            return event;
        if (event->due_mono_ms - now_ms < *ret_wait_ms)
            *ret_wait_ms = event->due_mono_ms - now_ms;
    }
    return NULL;
}

static void *deliver_all(void *arg)
{
    struct cashier *cashier = arg;
    (void)pthread_mutex_lock(&cashier->lock);
    while (!cashier->stopping) {
        int64_t wait_ms;
        struct cashier_event *event = event_due(cashier, &wait_ms);
        if (event != NULL && cashier->webhook_url != NULL && !cashier->held) {
            (void)deliver_locked(cashier, event, 0);
            continue;
        }
        int64_t until_ms = clock_mono_ms() + wait_ms;
        struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
        (void)pthread_cond_timedwait(&cashier->wake, &cashier->lock, &until);
    }
    (void)pthread_mutex_unlock(&cashier->lock);
    return NULL;
}

void cashier_set_webhook(struct cashier *cashier, const char *url)
{
    (void)pthread_mutex_lock(&cashier->lock);
    free(cashier->webhook_url);
    cashier->webhook_url = url == NULL || url[0] == '\0' ? NULL : cashier_dup(url);
    (void)pthread_mutex_unlock(&cashier->lock);
}

bool cashier_start(struct cashier *cashier, uint16_t port)
{
    static const struct http_options options = {.user_agent = "Stripe/1.0 (sandbox)"};
    struct rpc_status status;
    pthread_condattr_t monotonic;
    (void)snprintf(cashier->base, sizeof cashier->base, "http://127.0.0.1:%d", port);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&cashier->wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (http_client_create(&options, &cashier->http, &status) != RPC_OK)
        return false;
    cashier->started = pthread_create(&cashier->thread, NULL, deliver_all, cashier) == 0;
    return cashier->started;
}

void cashier_stop(struct cashier *cashier)
{
    (void)pthread_mutex_lock(&cashier->lock);
    cashier->stopping = true;
    if (cashier->started)
        (void)pthread_cond_signal(&cashier->wake);
    (void)pthread_mutex_unlock(&cashier->lock);
    http_client_destroy(cashier->http);
    if (cashier->started)
        (void)pthread_join(cashier->thread, NULL);
}
