/* The stand-in of Stripe itself: what it refuses, raw on the wire, and how it delivers its events.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "clients/http/http.h"
#include "clients/meta/json_tree.h"
#include "clients/stripe/stripe.h"
#include "rpc/base/clock.h"
#include "test/support/process.h"
#include "test/unit/clients/http_server.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define DEADLINE_MS 20000
#define DELIVERIES_MAX 64
#define GOOD                                                                                \
    "mode=payment&success_url=http%3A%2F%2Fl%2F%3Fs%3D%7BCHECKOUT_SESSION_ID%7D"            \
    "&line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]=50000" \
    "&line_items[0][price_data][product_data][name]=x&line_items[0][quantity]=1"

struct fixture {
    struct process process;
    char base[PROCESS_LINE_BYTES];
    char key[PROCESS_LINE_BYTES];
    char secret[PROCESS_LINE_BYTES];
    struct http_client *http;
    struct stripe_client *stripe;
    struct arena arena;
    struct rpc_context context;
    const char *idempotency_key; /* of the next calls; NULL: none */
    /* Where events go. */
    struct http_server *server;
    pthread_mutex_t lock;
    int refuse; /* so many deliveries are answered 500 */
    int delivery_count, bad_signatures;
    char types[DELIVERIES_MAX][64];
};

struct reply {
    int status;
    const char *location, *replayed;
    const struct json_tree *body; /* NULL: not JSON */
};

/* `body` NULL is a GET; one that begins with { goes as JSON, any other as a form. */
static struct reply call(struct fixture *f, const char *path, const char *body, const char *key)
{
    struct http_header headers[3] = {
        {"Content-Type",
         body != NULL && body[0] == '{' ? "application/json" : "application/x-www-form-urlencoded"},
        {"Authorization", arena_printf(&f->arena, "Bearer %s", key)},
        {"Idempotency-Key", f->idempotency_key},
    };
    struct http_request request = {
        .verb = body == NULL ? HTTP_GET : HTTP_POST,
        .url = arena_printf(&f->arena, "%s%s", f->base, path),
        .headers = headers,
        .header_count = f->idempotency_key == NULL ? 2 : 3,
        .body = span_of_string(body == NULL ? "" : body),
        .deadline_ms = clock_mono_ms() + DEADLINE_MS,
        .wire_bytes_max = 1 << 20,
        .body_bytes_max = 1 << 20,
    };
    struct http_response *response = NULL;
    assert_int_equal(http_client_fetch(f->http, NULL, &request, &response), HTTP_FAILURE_NONE);
    struct reply reply = {.status = response->status};
    const char *location = http_response_header(response, "location");
    if (location != NULL)
        reply.location = arena_strdup(&f->arena, location);
    if (http_response_header(response, "idempotent-replayed") != NULL)
        reply.replayed = "true";
    if (!json_tree_parse(response->body, &f->arena, &reply.body))
        reply.body = NULL;
    http_response_free(response);
    return reply;
}

static void on_event(void *arg, struct http_exchange *exchange)
{
    struct fixture *f = arg;
    struct arena arena;
    struct stripe_event event;
    char signature[256] = "";
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    const char *at = strcasestr(exchange->head, "Stripe-Signature: ");
    if (at != NULL)
        (void)snprintf(signature, sizeof signature, "%.*s", (int)strcspn(at + 18, "\r\n"), at + 18);
    struct span body = span_of(exchange->body, exchange->body_len);
    (void)pthread_mutex_lock(&f->lock);
    if (!stripe_signature_valid(f->stripe, signature, body, clock_now_ms()))
        f->bad_signatures++;
    bool refused = f->refuse > 0;
    f->refuse -= refused ? 1 : 0;
    const struct json_tree *tree = NULL;
    if (!stripe_event_parse(body, &arena, &event) || !json_tree_parse(body, &arena, &tree))
        abort();
    if (!refused && f->delivery_count < DELIVERIES_MAX)
        (void)snprintf(f->types[f->delivery_count++], sizeof f->types[0], "%s",
                       json_tree_get_text(tree, "type"));
    (void)pthread_mutex_unlock(&f->lock);
    http_exchange_answer_text(exchange, refused ? 500 : 200, NULL, "{}");
    arena_fini(&arena);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char directory[64], log[80], rest[PROCESS_LINE_BYTES], body[128];
    struct rpc_status status;
    temp_directory(directory);
    (void)snprintf(log, sizeof log, "%s/log", directory);
    char *argv[] = {(char *)SANDBOX_PATH, NULL};
    process_start(&f->process, argv, NULL, log);
    process_expect_line(&f->process, "stripe ", f->base);
    process_expect_line(&f->process, "stripe_secret_key ", f->key);
    process_expect_line(&f->process, "stripe_webhook_secret ", f->secret);
    process_expect_line(&f->process, "ready", rest);
    const struct http_options http = {.user_agent = "test"};
    assert_int_equal(http_client_create(&http, &f->http, &status), RPC_OK);
    const struct stripe_options stripe = {f->http, f->base, f->key, f->secret};
    f->stripe = stripe_client_create(&stripe);
    assert_non_null(f->stripe);
    arena_init(&f->arena, ARENA_CALL_BYTES_MAX);
    f->context =
        (struct rpc_context){.arena = &f->arena, .deadline_ms = clock_mono_ms() + DEADLINE_MS};
    (void)pthread_mutex_init(&f->lock, NULL);
    f->server = http_server_start(on_event, f);
    (void)snprintf(body, sizeof body, "{\"url\":\"http://127.0.0.1:%u/hook\"}",
                   http_server_port(f->server));
    assert_int_equal(call(f, "/_control/stripe_webhook", body, "").status, 200);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    process_signal(&f->process, SIGTERM);
    assert_int_equal(process_wait(&f->process, 10000), 0);
    http_server_stop(f->server);
    stripe_client_destroy(f->stripe);
    http_client_destroy(f->http);
    arena_fini(&f->arena);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

static const char *error_of(const struct reply *reply, const char *name)
{
    const char *text = json_tree_get_text(json_tree_get(reply->body, "error"), name);
    return text == NULL ? "" : text;
}

/* --- the API --- */

static void refuses_what_stripe_refuses(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *form, *code, *param;
    } rows[] = {
        {"", "parameter_missing", "mode"},
        {"mode=payment", "parameter_missing", "success_url"},
        {"mode=subscription", "", "mode"},
        {"mode=payment&success_url=ftp://x", "url_invalid", "success_url"},
        {"mode=payment&success_url=http://x", "parameter_missing", "line_items"},
        {GOOD "&amount=5", "parameter_unknown", "amount"},
        {GOOD "&line_items[0][price]=p", "parameter_unknown", "line_items[0][price]"},
        {GOOD "&customer_email=nobody", "email_invalid", "customer_email"},
        {GOOD "&cancel_url=x", "url_invalid", "cancel_url"},
        {GOOD "&line_items[1][quantity]=1", "parameter_missing",
         "line_items[1][price_data][currency]"},
        {"mode=payment&success_url=http://x&line_items[0][price_data][currency]=USD"
         "&line_items[0][price_data][unit_amount]=50000"
         "&line_items[0][price_data][product_data][name]=x&line_items[0][quantity]=1",
         "", "line_items[0][price_data][currency]"},
        {"mode=payment&success_url=http://x&line_items[0][price_data][currency]=usd"
         "&line_items[0][price_data][unit_amount]=500.00"
         "&line_items[0][price_data][product_data][name]=x&line_items[0][quantity]=1",
         "parameter_invalid_integer", "line_items[0][price_data][unit_amount]"},
        {"mode=payment&success_url=http://x&line_items[0][price_data][currency]=usd"
         "&line_items[0][price_data][unit_amount]=49"
         "&line_items[0][price_data][product_data][name]=x&line_items[0][quantity]=1",
         "amount_too_small", ""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct reply reply = call(f, "/v1/checkout/sessions", rows[i].form, f->key);
        if (reply.status != 400 || strcmp(error_of(&reply, "code"), rows[i].code) != 0 ||
            strcmp(error_of(&reply, "param"), rows[i].param) != 0)
            fail_msg("row %zu: %d %s %s", i, reply.status, error_of(&reply, "code"),
                     error_of(&reply, "param"));
    }
    assert_int_equal(call(f, "/v1/checkout/sessions", GOOD, "sk_test_other").status, 401);
    assert_int_equal(call(f, "/v1/checkout/sessions/cs_test_0", NULL, f->key).status, 404);
    assert_int_equal(call(f, "/v1/nothing", NULL, f->key).status, 404);
    assert_int_equal(call(f, "/v1/checkout/sessions", "{\"mode\":", f->key).status, 400);
    assert_int_equal(call(f, "/c/pay/cs_test_0", NULL, "").status, 404);
}

static void answers_a_key_once(void **state)
{
    struct fixture *f = *state;
    f->idempotency_key = "k1";
    struct reply first = call(f, "/v1/checkout/sessions", GOOD, f->key);
    struct reply again = call(f, "/v1/checkout/sessions", GOOD, f->key);
    assert_int_equal(first.status, 200);
    assert_null(first.replayed);
    assert_non_null(again.replayed);
    const char *id = json_tree_get_text(first.body, "id");
    assert_string_equal(id, json_tree_get_text(again.body, "id"));
    struct reply other = call(f, "/v1/checkout/sessions", GOOD "&client_reference_id=1", f->key);
    assert_int_equal(other.status, 400);
    assert_string_equal(error_of(&other, "type"), "idempotency_error");
    /* A refusal is not kept under its key. */
    f->idempotency_key = "k2";
    assert_int_equal(call(f, "/v1/checkout/sessions", "mode=payment", f->key).status, 400);
    other = call(f, "/v1/checkout/sessions", GOOD, f->key);
    assert_int_equal(other.status, 200);
    assert_string_not_equal(id, json_tree_get_text(other.body, "id"));
}

static void fits_our_client(void **state)
{
    struct fixture *f = *state;
    struct rpc_status status;
    struct stripe_session session;
    const struct stripe_checkout checkout = {.idempotency_key = "k",
                                             .client_reference_id = "ref",
                                             .purchase_id = "12",
                                             .customer_email = "john+1@acme.com",
                                             .currency = "USD",
                                             .amount = 50000,
                                             .product_name = "10000 credits",
                                             .success_url = "https://l/?s={CHECKOUT_SESSION_ID}",
                                             .cancel_url = "https://l/c"};
    assert_int_equal(stripe_session_create(f->stripe, &f->context, &checkout, &session, &status),
                     RPC_OK);
    assert_string_equal(session.status, "open");
    assert_string_equal(session.payment_status, "unpaid");
    assert_string_equal(session.purchase_id, "12");
    assert_string_equal(session.client_reference_id, "ref");
    assert_string_equal(session.payment_intent, "");
    assert_int_equal(session.amount_total, 50000);
    struct reply paid =
        call(f, arena_printf(&f->arena, "/c/pay/%s/confirm", session.id), "method=card", "");
    assert_int_equal(paid.status, 302);
    assert_string_equal(paid.location, arena_printf(&f->arena, "https://l/?s=%s", session.id));
    assert_int_equal(stripe_session_get(f->stripe, &f->context, session.id, &session, &status),
                     RPC_OK);
    assert_string_equal(session.status, "complete");
    assert_string_equal(session.payment_status, "paid");
    assert_string_equal(session.url, "");
    assert_int_equal(strncmp(session.payment_intent, "pi_", 3), 0);
    assert_false(session.livemode);
}

/* --- events --- */

struct arrivals {
    struct fixture *fixture;
    int count;
};

static bool has_arrived(void *arg)
{
    struct arrivals *arrivals = arg;
    (void)pthread_mutex_lock(&arrivals->fixture->lock);
    bool arrived = arrivals->fixture->delivery_count >= arrivals->count;
    (void)pthread_mutex_unlock(&arrivals->fixture->lock);
    return arrived;
}

static void await(struct fixture *f, int count)
{
    struct arrivals arrivals = {f, count};
    assert_true(wait_until(has_arrived, &arrivals, DEADLINE_MS));
}

static const char *new_session(struct fixture *f)
{
    struct reply reply = call(f, "/v1/checkout/sessions", GOOD, f->key);
    assert_int_equal(reply.status, 200);
    return json_tree_get_text(reply.body, "id");
}

static struct reply control(struct fixture *f, const char *name, const char *session,
                            const char *rest)
{
    return call(f, arena_printf(&f->arena, "/_control/stripe_%s", name),
                arena_printf(&f->arena, "{\"session\":\"%s\"%s}", session, rest), "");
}

static void tells_what_happens_signed_and_in_order(void **state)
{
    struct fixture *f = *state;
    const char *session = new_session(f);
    const char *delayed = new_session(f);
    const char *left = new_session(f);
    assert_int_equal(control(f, "refund", session, "").status, 400); /* nothing is paid yet */
    assert_int_equal(control(f, "dispute", session, "").status, 400);
    (void)pthread_mutex_lock(&f->lock);
    f->refuse = 2; /* and it is sent again */
    (void)pthread_mutex_unlock(&f->lock);
    assert_int_equal(control(f, "pay", session, "").status, 200);
    await(f, 1);
    assert_int_equal(control(f, "pay", session, "").status, 400);
    assert_int_equal(control(f, "refund", session, ",\"amount\":50001").status, 400);
    assert_int_equal(control(f, "refund", session, ",\"amount\":50000").status, 200);
    await(f, 2);
    struct reply dispute = control(f, "dispute", session, "");
    await(f, 3);
    assert_int_equal(call(f, "/_control/stripe_dispute_close",
                          arena_printf(&f->arena, "{\"dispute\":\"%s\",\"status\":\"lost\"}",
                                       json_tree_get_text(dispute.body, "dispute")),
                          "")
                         .status,
                     200);
    await(f, 4);
    assert_int_equal(control(f, "pay", delayed, ",\"status\":\"delayed\"").status, 200);
    await(f, 5);
    assert_int_equal(control(f, "settle", delayed, ",\"status\":\"failed\"").status, 200);
    await(f, 6);
    assert_int_equal(control(f, "expire", left, "").status, 200);
    await(f, 7);
    static const char *const want[] = {
        "checkout.session.completed", "charge.refunded",
        "charge.dispute.created",     "charge.dispute.closed",
        "checkout.session.completed", "checkout.session.async_payment_failed",
        "checkout.session.expired"};
    (void)pthread_mutex_lock(&f->lock);
    for (size_t i = 0; i < COUNT(want); i++)
        assert_string_equal(f->types[i], want[i]);
    assert_int_equal(f->bad_signatures, 0);
    (void)pthread_mutex_unlock(&f->lock);
}

static void delivers_held_events_when_asked(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(call(f, "/_control/stripe_webhook", "{\"hold\":true}", "").status, 200);
    assert_int_equal(control(f, "pay", new_session(f), "").status, 200);
    struct reply events = call(f, "/_control/stripe_events", NULL, "");
    const struct json_tree *event = json_tree_get(events.body, "events")->first;
    assert_false(json_tree_true(json_tree_get(event, "delivered")));
    const char *body =
        arena_printf(&f->arena, "{\"event\":\"%s\"}", json_tree_get_text(event, "id"));
    const char *late = arena_printf(&f->arena, "{\"event\":\"%s\",\"shift_s\":-400}",
                                    json_tree_get_text(event, "id"));
    struct reply reply = call(f, "/_control/stripe_deliver", body, "");
    assert_string_equal(json_tree_get_text(reply.body, "status"), "200");
    reply = call(f, "/_control/stripe_deliver", late, "");
    assert_string_equal(json_tree_get_text(reply.body, "status"), "200");
    (void)pthread_mutex_lock(&f->lock);
    assert_int_equal(f->delivery_count, 2);
    assert_int_equal(f->bad_signatures, 1); /* the one that was too old */
    (void)pthread_mutex_unlock(&f->lock);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refuses_what_stripe_refuses),
        TEST(answers_a_key_once),
        TEST(fits_our_client),
        TEST(tells_what_happens_signed_and_in_order),
        TEST(delivers_held_events_when_asked),
    };
    return cmocka_run_group_tests_name("sandbox_stripe", tests, NULL, NULL);
}
