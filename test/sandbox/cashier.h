/*
 * The stand-in of Stripe Checkout: sessions, the page to pay at, signed webhooks, refunds and
 * disputes. Everything lives in memory.
 *
 * One lock guards all of it; nothing is sent while it is held. A thread delivers events to the
 * webhook's URL, in order, and repeats what was not answered with 2xx.
 *
 * Control endpoints, JSON bodies; PAYMENT is "session":"cs_…" or "payment_intent":"pi_…":
 *
 *     POST /_control/stripe_webhook       {"url":…,"hold":bool}: events go there, or wait
 *     POST /_control/stripe_deliver       {"event":"evt_…","shift_s":0}: one, now → {"status":200}
 *     GET  /_control/stripe_events        {"events":[{"id","type","deliveries","last_status",
 *                                         "delivered"}]}
 *     POST /_control/stripe_pay           {PAYMENT,"status":"delayed"}: as the page's buttons
 *     POST /_control/stripe_settle        {PAYMENT,"status":"failed"}: what a delayed one came to
 *     POST /_control/stripe_expire        {PAYMENT}
 *     POST /_control/stripe_refund        {PAYMENT,"amount":minor units}
 *     POST /_control/stripe_dispute       {PAYMENT,"amount":…,"status":…} → {"dispute":"dp_…"}
 *     POST /_control/stripe_dispute_close {"dispute":"dp_…","status":"won"}
 */
#ifndef TEST_SANDBOX_CASHIER_H
#define TEST_SANDBOX_CASHIER_H

#include <pthread.h>

#include "test/sandbox/control.h"

#define CASHIER_ID_BYTES 64
#define CASHIER_LINES_MAX 20

struct http_client;

enum cashier_status { CASHIER_OPEN, CASHIER_COMPLETE, CASHIER_EXPIRED };

struct cashier_session {
    struct cashier_session *next;
    char id[CASHIER_ID_BYTES];
    char payment_intent[CASHIER_ID_BYTES]; /* "" until somebody pays */
    char charge[CASHIER_ID_BYTES];
    char *success_url, *cancel_url, *customer_email, *client_reference_id, *product_name;
    char *metadata, *payment_metadata; /* JSON objects */
    char currency[4];
    int64_t amount_total, amount_refunded;
    int64_t created_s;
    enum cashier_status status;
    bool paid;
    bool disputed;
};

struct cashier_dispute {
    struct cashier_dispute *next;
    char id[CASHIER_ID_BYTES];
    struct cashier_session *session;
    int64_t amount;
    char status[32];
};

struct cashier_event {
    struct cashier_event *next;
    char id[CASHIER_ID_BYTES];
    char type[64];
    char *body;
    int64_t deliveries;
    int64_t last_status; /* of the last delivery; 0: no answer */
    int64_t due_mono_ms;
    bool delivered;
};

/* What a key was answered. */
struct cashier_answer {
    struct cashier_answer *next;
    char *key;
    char *request; /* path and body */
    char *body;
};

struct cashier {
    struct control *control;
    const char *secret_key, *webhook_secret;
    char base[64]; /* http://127.0.0.1:PORT, of the pages */
    pthread_mutex_t lock;
    char *webhook_url; /* NULL: events wait */
    bool held;         /* events wait until they are delivered one by one */
    struct cashier_session *sessions;
    struct cashier_dispute *disputes;
    struct cashier_event *events, **events_tail;
    struct cashier_answer *answers;
    /* The delivery's thread. */
    struct http_client *http;
    pthread_cond_t wake;
    pthread_t thread;
    bool started, stopping;
};

void cashier_init(struct cashier *cashier, struct control *control);
/* Starts delivering; `port` is where the pages are. False if it cannot. */
bool cashier_start(struct cashier *cashier, uint16_t port);
void cashier_stop(struct cashier *cashier);
/* The API and the pages. */
void cashier_handle(struct cashier *cashier, struct exchange *x);
/* Answers /_control/stripe_…; false: not one of these. */
bool cashier_control(struct cashier *cashier, struct exchange *x);
/* Where events are sent; NULL: nowhere. */
void cashier_set_webhook(struct cashier *cashier, const char *url);

/* --- between the cashier's files; all under the lock --- */

/* A new id, "cs_test_…". */
void cashier_id(const char *prefix, char id[static CASHIER_ID_BYTES]);
struct cashier_session *cashier_session_find(struct cashier *cashier, const char *id);
/* By its payment_intent. */
struct cashier_session *cashier_payment_find(struct cashier *cashier, const char *payment_intent);
int64_t cashier_now_s(const struct cashier *cashier);

void cashier_session_print(const struct cashier *cashier, const struct cashier_session *session,
                           struct buffer *out);
void cashier_charge_print(const struct cashier_session *session, struct buffer *out);
void cashier_dispute_print(const struct cashier_dispute *dispute, struct buffer *out);

/* Each changes the state and queues its event. */
void cashier_pay(struct cashier *cashier, struct cashier_session *session, bool delayed);
/* What a delayed payment came to. */
void cashier_settle(struct cashier *cashier, struct cashier_session *session, bool succeeded);
void cashier_expire(struct cashier *cashier, struct cashier_session *session);
/* False if there is not so much left. */
bool cashier_refund(struct cashier *cashier, struct cashier_session *session, int64_t amount);
struct cashier_dispute *cashier_dispute_open(struct cashier *cashier,
                                             struct cashier_session *session, int64_t amount,
                                             const char *status);
void cashier_dispute_close(struct cashier *cashier, struct cashier_dispute *dispute,
                           const char *status);

/* Delivers an event now, `shift_s` off its time, and returns the answer's status (0: none). Not
 * under the lock. */
int64_t cashier_deliver(struct cashier *cashier, const char *event_id, int64_t shift_s);

/* The pages under /c/pay/. Not under the lock. */
void cashier_page(struct cashier *cashier, struct exchange *x);

/* Texts that stay; they end the process when memory is short. */
char *cashier_dup(const char *text);

#endif
