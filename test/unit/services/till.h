/*
 * A customer who buys: the services over a real store, a stand-in of Stripe that a test can make
 * fail, and events as Stripe would sign them.
 */
#ifndef TEST_UNIT_SERVICES_TILL_H
#define TEST_UNIT_SERVICES_TILL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "lotcast/v1/billing.pb-c.h"
#include "test/unit/services/fixture.h"

#define TILL_SESSIONS_MAX 256
#define TILL_SIGNUP_CREDITS 500

struct http_server;

struct till {
    struct fixture fixture;
    struct http_server *server;
    char url[64];
    const char *session; /* the customer's cookie */
    int64_t customer_id;
    pthread_mutex_t lock; /* what follows */
    struct {
        char key[256]; /* Idempotency-Key, by which the session is found again */
        char body[4096];
    } sessions[TILL_SESSIONS_MAX];
    size_t session_count;
    int requests;         /* POSTs so far */
    int64_t stored_first; /* purchases in the store as the first POST came; -1: none came */
    int fail_times;       /* so many POSTs are answered with … */
    int fail_status;      /* 0: the connection is closed, after the session was made */
    char payment_status[16], status[16]; /* of sessions that are asked for */
    int gets;
};

/* cmocka's set-up and tear-down; *state is a struct till. A customer has signed up. */
int till_setup(void **state);
int till_teardown(void **state);

/* So many POSTs from now on are answered with `status`, or (0) not at all. */
void till_fail(struct till *till, int times, int status);

/* POST purchase with an Idempotency-Key (NULL: none). The URL, in `arena`, on RPC_OK. */
enum rpc_code till_purchase(struct till *till, struct arena *arena, const char *package_id,
                            const char *key, const char **ret_url, struct rpc_status *status);
/* GET billing, in the fixture's arena; `session_id` may be NULL. */
const Lotcast__V1__GetBillingResponse *till_billing(struct till *till, const char *session_id);
int64_t till_balance_centi(struct till *till);
/* The purchase with that number. */
const Lotcast__V1__PurchaseRecord *till_record(struct till *till, int64_t purchase_id);

/* Delivers a body, signed now plus `shift_s`. Any thread. */
enum rpc_code till_deliver(struct till *till, const char *body, int64_t shift_s,
                           struct rpc_status *status);
/* The same; fails the test unless it is taken. */
void till_deliver_ok(struct till *till, const char *body);

/* Bodies of events, in the fixture's arena. A session's id is cs_test_N of purchase N. */
const char *till_session_event(struct till *till, const char *type, int64_t purchase_id,
                               const char *payment_status, int64_t amount);
const char *till_refund_event(struct till *till, int64_t purchase_id, int64_t amount,
                              int64_t refunded);
const char *till_dispute_event(struct till *till, const char *type, int64_t purchase_id,
                               int64_t amount, const char *status);

/* Checks that both sides of the books agree, and each entry with its balance. */
void till_check_books(struct till *till);

#endif
