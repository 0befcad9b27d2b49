/*
 * Stripe Checkout: one function a call, and what Stripe's events say. Blocking; any thread. Results
 * live in the context's arena. The secret key goes into the Authorization header and is never
 * logged; Stripe's own text is in no message.
 *
 * Errors of calls, besides deadline and cancellation: a status whose `upstream` is "stripe" and
 * whose reason is UPSTREAM_ERROR, with the code
 *   RPC_FAILED_PRECONDITION  Stripe has refused; nothing was made
 *   RPC_NOT_FOUND            there is no such object
 *   RPC_UNAVAILABLE          no answer, or none that can be understood, after all attempts: a
 * create may have happened; the same idempotency key finds out
 */
#ifndef CLIENTS_STRIPE_STRIPE_H
#define CLIENTS_STRIPE_STRIPE_H

#include "clients/http/http.h"
#include "rpc/context.h"

/* A webhook's time may differ from ours by so much, both ways. */
#define STRIPE_TOLERANCE_S 300

struct stripe_client;

/* "" for what is not configured. */
struct stripe_options {
    struct http_client *http;
    const char *api_url; /* without a trailing slash */
    const char *secret_key;
    const char *webhook_secret;
};

/* Borrows all of `options` for its life. NULL when out of memory. */
struct stripe_client *stripe_client_create(const struct stripe_options *options);
void stripe_client_destroy(struct stripe_client *client);

/* Whether calls can be made, and whether events can be verified. False for NULL. */
bool stripe_client_configured(const struct stripe_client *client);
bool stripe_client_has_webhook_secret(const struct stripe_client *client);
/* Whether the key is one of live mode, by its prefix. */
bool stripe_client_livemode(const struct stripe_client *client);

/* A Checkout session. Texts are "" and numbers -1 where Stripe says nothing. */
struct stripe_session {
    const char *id;
    const char *url;
    const char *mode;           /* payment */
    const char *status;         /* open, complete, expired */
    const char *payment_status; /* unpaid, paid, no_payment_required */
    int64_t amount_total;       /* Stripe's minor units */
    const char *currency;       /* usd */
    const char *payment_intent; /* pi_…, once there is one */
    const char *client_reference_id;
    const char *purchase_id; /* metadata.purchaseId */
    bool livemode;
};

/* What is bought: one line, once. */
struct stripe_checkout {
    const char *idempotency_key; /* the same one asks for the same session again */
    const char *client_reference_id;
    const char *purchase_id;
    const char *customer_email; /* "": not said */
    const char *currency;       /* USD */
    int64_t amount;             /* Stripe's minor units */
    const char *product_name;
    const char *success_url; /* {CHECKOUT_SESSION_ID} in it becomes the session's id */
    const char *cancel_url;
};

/* Creates the session. Repeated with the same key on 409, 5xx and lost connections, and as
 * Stripe-Should-Retry has it, until the context's deadline. */
enum rpc_code stripe_session_create(struct stripe_client *client, struct rpc_context *context,
                                    const struct stripe_checkout *checkout,
                                    struct stripe_session *ret_session, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* The session as it is now. */
enum rpc_code stripe_session_get(struct stripe_client *client, struct rpc_context *context,
                                 const char *id, struct stripe_session *ret_session,
                                 struct rpc_status *status) __attribute__((warn_unused_result));

/* --- events --- */

/*
 * Whether `header` (Stripe-Signature: t=…,v1=…[,v1=…]) has a signature of `body` under the client's
 * webhook secret, made within STRIPE_TOLERANCE_S of `now_ms`. Takes constant time where a secret
 * is compared. False for NULL.
 */
bool stripe_signature_valid(const struct stripe_client *client, const char *header,
                            struct span body, int64_t now_ms);

enum stripe_event_kind {
    STRIPE_EVENT_OTHER, /* not one of ours: to be ignored */
    STRIPE_EVENT_SESSION_COMPLETED,
    STRIPE_EVENT_SESSION_PAID, /* checkout.session.async_payment_succeeded */
    STRIPE_EVENT_SESSION_FAILED,
    STRIPE_EVENT_SESSION_EXPIRED,
    STRIPE_EVENT_REFUNDED,
    STRIPE_EVENT_DISPUTE_CREATED,
    STRIPE_EVENT_DISPUTE_CLOSED,
};

struct stripe_event {
    enum stripe_event_kind kind;
    const char *id; /* evt_… */
    bool livemode;
    /* Of a session's events. */
    struct stripe_session session;
    /* Of a charge's and a dispute's: texts "" and numbers -1 where Stripe says nothing. */
    const char *object_id; /* ch_…, dp_… */
    const char *payment_intent;
    const char *currency;
    int64_t amount;          /* of the charge, or what is disputed */
    int64_t amount_refunded; /* of the charge, cumulative */
    const char *status;      /* of the dispute: needs_response, warning_…, won, lost */
};

/* Reads an event into the arena. False if it is not one. `body` need not live on. */
bool stripe_event_parse(struct span body, struct arena *arena, struct stripe_event *ret_event);

#endif
