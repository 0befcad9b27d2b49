/*
 * Billing/Purchase. The record, with the key that Stripe will know the call by, is stored before
 * Stripe is called: whatever is killed when, the same caller's key leads to the same session, and a
 * payment is never without its purchase.
 *
 *   pending, no session    stored; Stripe may have made the session; the same key asks for it again
 *   pending, a session     the customer can pay; payment.c takes it from there
 *   failed, no session     Stripe has refused; the caller's key may try again, under a new key
 */
#include "lotcast/v1/billing.pb-c.h"

#include <sodium.h>
#include <string.h>

#include "clients/stripe/stripe.h"
#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/services/billing.h"

#define PURCHASE_COUNTER "purchase"
/* Credits for a US dollar where LOTCAST_CREDIT_RATES has none. */
#define USD_RATE_DEFAULT 20
/* Longest Idempotency-Key, in bytes. */
#define KEY_BYTES_MAX 128
#define RANDOM_BYTES 16
/* Longest address of a page to pay at that is kept, in bytes. */
#define CHECKOUT_URL_BYTES_MAX 4096

/* One call of Purchase. */
struct purchasing {
    struct services *services;
    struct rpc_context *context;
    int64_t customer_id;
    const char *key; /* the caller's; "" for none */
    struct purchase_package package;
    Lotcast__V1__PurchaseRecord *purchase;
    uint64_t version;
};

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

void billing_packages(const struct services *services,
                      struct purchase_package packages[PURCHASE_PACKAGES])
{
    int64_t rate = money_rate(&services->rates, "USD");
    purchase_packages(rate == 0 ? USD_RATE_DEFAULT : rate, packages);
}

static bool find_package(const struct services *services, const char *id,
                         struct purchase_package *ret_package)
{
    struct purchase_package packages[PURCHASE_PACKAGES];
    billing_packages(services, packages);
    for (size_t i = 0; i < PURCHASE_PACKAGES; i++) {
        if (strcmp(packages[i].id, id) == 0) {
            *ret_package = packages[i];
            return true;
        }
    }
    return false;
}

/* --- the record --- */

static char *make_request_key(struct arena *arena, int64_t purchase_id)
{
    uint8_t random[RANDOM_BYTES];
    char hex[RANDOM_BYTES * 2 + 1];
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(hex, sizeof hex, random, sizeof random);
    return arena_printf(arena, "lotcast-%lld-%s", (long long)purchase_id, hex);
}

static enum rpc_code find_by_key(struct purchasing *p, struct rpc_status *status)
{
    p->purchase = NULL;
    if (p->key[0] == '\0')
        return RPC_OK;
    return store_get(p->services->options.store, p->context,
                     &lotcast__v1__purchase_record__descriptor, "by_key",
                     store_key(store_text(p->key), store_number(p->customer_id)), &p->purchase,
                     &p->version, status);
}

/* Stores what p->purchase is, expecting p->version; keeps the new version. */
static enum rpc_code store_purchase(struct purchasing *p, struct rpc_status *status)
{
    const Lotcast__V1__CommitResponse *response;
    struct store_commit commit;
    store_commit_init(&commit, p->services->options.store, p->context);
    (void)store_commit_put_version(&commit, p->purchase, p->version);
    enum rpc_code code = store_commit_send(&commit, p->context, &response, status);
    if (code == RPC_OK)
        p->version = response->results[0]->version;
    return code;
}

static enum rpc_code create_record(struct purchasing *p, struct rpc_status *status)
{
    Lotcast__V1__PurchaseRecord *purchase = arena_alloc(p->context->arena, sizeof *purchase);
    int64_t id;
    if (purchase == NULL)
        return out_of_memory(status);
    enum rpc_code code = store_numbers_take(p->services->options.store, p->context,
                                            PURCHASE_COUNTER, 1, &id, status);
    if (code != RPC_OK)
        return code;
    lotcast__v1__purchase_record__init(purchase);
    purchase->purchase_id = id;
    purchase->customer_id = p->customer_id;
    purchase->package_id = (char *)p->package.id;
    purchase->amount_minor = p->package.amount_minor;
    purchase->currency = (char *)p->package.currency;
    purchase->credits = p->package.credits + p->package.bonus_credits;
    purchase->state = LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_PENDING;
    purchase->idempotency_key = (char *)p->key;
    purchase->created_at_ms = clock_now_ms();
    purchase->request_key = make_request_key(p->context->arena, id);
    if (purchase->request_key == NULL)
        return out_of_memory(status);
    p->purchase = purchase;
    p->version = 0;
    return store_purchase(p, status);
}

/* An earlier call with this key was refused by Stripe: this one is another attempt. */
static enum rpc_code begin_anew(struct purchasing *p, struct rpc_status *status)
{
    Lotcast__V1__PurchaseRecord *purchase = p->purchase;
    purchase->state = LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_PENDING;
    purchase->request_key = make_request_key(p->context->arena, purchase->purchase_id);
    return purchase->request_key == NULL ? out_of_memory(status) : store_purchase(p, status);
}

/* Finds the purchase of the caller's key, or makes one. RPC_ABORTED, RPC_ALREADY_EXISTS: again. */
static enum rpc_code open_once(struct purchasing *p, struct rpc_status *status)
{
    enum rpc_code code = find_by_key(p, status);
    if (code != RPC_OK)
        return code;
    if (p->purchase == NULL)
        return create_record(p, status);
    if (strcmp(p->purchase->package_id, p->package.id) != 0)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL);
    bool refused = p->purchase->session_id[0] == '\0' &&
                   p->purchase->state == LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_FAILED;
    return refused ? begin_anew(p, status) : RPC_OK;
}

static enum rpc_code open_purchase(struct purchasing *p, struct rpc_status *status)
{
    enum rpc_code code = RPC_ABORTED;
    for (int try = 0; try < SERVICES_COMMIT_TRIES; try++) {
        rpc_status_clear(status);
        code = open_once(p, status);
        bool conflict = status->reason == LOTCAST__V1__REASON__REASON_CONFLICT;
        if (conflict || (code != RPC_ABORTED && code != RPC_ALREADY_EXISTS))
            break;
    }
    if (code == RPC_OK || status->reason == LOTCAST__V1__REASON__REASON_CONFLICT)
        return code;
    return services__store_failed(code, status);
}

/* --- Stripe --- */

static enum rpc_code ask_stripe(struct purchasing *p, struct stripe_session *ret_session,
                                struct rpc_status *status)
{
    struct arena *arena = p->context->arena;
    const char *public_url = p->services->options.public_url;
    const Lotcast__V1__PurchaseRecord *purchase = p->purchase;
    Lotcast__V1__UserRecord *user;
    /* A customer's user has the customer's number. */
    enum rpc_code code =
        store_get(p->services->options.store, p->context, &lotcast__v1__user_record__descriptor,
                  NULL, store_key(store_number(p->customer_id)), &user, NULL, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    struct stripe_checkout checkout = {
        .idempotency_key = purchase->request_key,
        .client_reference_id = purchase->request_key,
        .purchase_id = arena_printf(arena, "%lld", (long long)purchase->purchase_id),
        .customer_email = user == NULL ? "" : user->email,
        .currency = purchase->currency,
        .amount = purchase->amount_minor,
        .product_name = arena_printf(arena, "%lld credits", (long long)purchase->credits),
        .success_url = arena_printf(
            arena, "%s/app/billing?success=true&session_id={CHECKOUT_SESSION_ID}", public_url),
        .cancel_url = arena_printf(arena, "%s/app/billing?canceled=true", public_url),
    };
    if (checkout.purchase_id == NULL || checkout.product_name == NULL ||
        checkout.success_url == NULL || checkout.cancel_url == NULL)
        return out_of_memory(status);
    struct stripe_session session;
    code =
        stripe_session_create(p->services->options.stripe, p->context, &checkout, &session, status);
    if (code != RPC_OK)
        return code;
    /* What is not an address to pay at would lead the customer astray. */
    if (strncmp(session.url, "http", 4) != 0 || strlen(session.url) > CHECKOUT_URL_BYTES_MAX ||
        strlen(session.id) > BILLING_ID_BYTES_MAX ||
        (session.amount_total >= 0 && session.amount_total != purchase->amount_minor))
        return rpc_status_fail_upstream(status, "stripe");
    *ret_session = session;
    return RPC_OK;
}

static enum rpc_code read_again(struct purchasing *p, struct rpc_status *status)
{
    return store_get(
        p->services->options.store, p->context, &lotcast__v1__purchase_record__descriptor, NULL,
        store_key(store_number(p->purchase->purchase_id)), &p->purchase, &p->version, status);
}

/* Stores the session, unless somebody has (the same call at once, or the payment's webhook). */
static enum rpc_code store_session(struct purchasing *p, const struct stripe_session *session,
                                   struct rpc_status *status)
{
    enum rpc_code code = RPC_ABORTED;
    for (int try = 0; try < SERVICES_COMMIT_TRIES && code == RPC_ABORTED; try++) {
        code = try == 0 ? RPC_OK : read_again(p, status);
        if (code != RPC_OK || p->purchase == NULL)
            break;
        if (p->purchase->session_id[0] != '\0')
            return RPC_OK;
        p->purchase->session_id = (char *)session->id;
        p->purchase->checkout_url = (char *)session->url;
        code = store_purchase(p, status);
    }
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

/* Stripe has refused: nobody can pay for this one. At its best. */
static void mark_refused(struct purchasing *p)
{
    p->purchase->state = LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_FAILED;
    (void)!store_purchase(p, NULL);
}

static enum rpc_code begin_checkout(struct purchasing *p, const char **ret_url,
                                    struct rpc_status *status)
{
    struct stripe_session session = {0};
    enum rpc_code code = ask_stripe(p, &session, status);
    if (code != RPC_OK && strcmp(status->upstream, "stripe") == 0) {
        log_event(LOG_LEVEL_WARN, "stripe_checkout_failed", log_text("code", rpc_code_name(code)),
                  log_number("purchase_id", p->purchase->purchase_id),
                  log_text("request_id", p->context->request_id));
        if (code == RPC_FAILED_PRECONDITION || code == RPC_NOT_FOUND)
            mark_refused(p);
        return rpc_status_fail_upstream(status, "stripe");
    }
    if (code != RPC_OK)
        return code;
    code = store_session(p, &session, status);
    if (code == RPC_OK)
        *ret_url = session.url;
    return code;
}

enum rpc_code billing_purchase(struct rpc_server_call *call, const void *request_message,
                               void *response_message, struct rpc_status *status)
{
    const Lotcast__V1__PurchaseRequest *request = request_message;
    Lotcast__V1__PurchaseResponse *response = response_message;
    struct purchasing p = {.services = rpc_server_call_self(call),
                           .context = rpc_server_call_context(call),
                           .customer_id = rpc_server_call_principal(call)->customer_id,
                           .key = rpc_server_call_metadata(call, RPC_METADATA_IDEMPOTENCY_KEY)};
    if (p.key == NULL)
        p.key = "";
    if (strlen(p.key) > KEY_BYTES_MAX)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                               "Idempotency-Key");
    if (!find_package(p.services, request->package_id, &p.package))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_PACKAGE, "packageId");
    if (!stripe_client_configured(p.services->options.stripe))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_UNAVAILABLE, NULL);
    enum rpc_code code = open_purchase(&p, status);
    if (code != RPC_OK)
        return code;
    const char *url = p.purchase->checkout_url;
    if (url[0] == '\0')
        code = begin_checkout(&p, &url, status);
    if (code == RPC_OK)
        response->checkout_url = (char *)url;
    return code;
}
