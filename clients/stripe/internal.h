/*
 * What the files of clients/stripe share.
 */
#ifndef CLIENTS_STRIPE_INTERNAL_H
#define CLIENTS_STRIPE_INTERNAL_H

#include "clients/meta/json_tree.h"
#include "clients/stripe/stripe.h"
#include "rpc/base/buffer.h"

/* An answer at most, on the wire and decoded, in bytes. */
#define STRIPE_ANSWER_BYTES_MAX ((size_t)1024 * 1024)
/* Parameters of one call at most, encoded, in bytes. */
#define STRIPE_PARAMS_BYTES_MAX ((size_t)64 * 1024)

struct stripe_client {
    struct stripe_options options;
};

/* Reads a session object into `ret_session`; texts are borrowed from the tree. False if it has no
 * id. */
bool stripe__session_read(const struct json_tree *object, struct stripe_session *ret_session);

struct stripe__request {
    enum http_verb verb;
    const char *path;            /* checkout/sessions, behind /v1/ */
    const char *idempotency_key; /* NULL: none */
    struct buffer params;        /* form-encoded */
};

void stripe__request_init(struct stripe__request *request, enum http_verb verb, const char *path);
/* Adds a parameter. What does not fit fails the call later. */
void stripe__param(struct stripe__request *request, const char *name, const char *value);
/* Sends the request, repeats it where that makes sense, and frees it in any case. The answer is a
 * JSON object in the context's arena. Errors as stripe.h has them. */
enum rpc_code stripe__call(struct stripe_client *client, struct rpc_context *context,
                           struct stripe__request *request, const struct json_tree **ret_answer,
                           struct rpc_status *status) __attribute__((warn_unused_result));
/* UPSTREAM_ERROR of "stripe" with this code. */
enum rpc_code stripe__fail(enum rpc_code code, struct rpc_status *status);

#endif
