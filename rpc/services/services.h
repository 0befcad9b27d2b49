/*
 * The logic role: every service that rest and tools call, and the jobs behind them. The composition
 * root (rpc/cmd) makes it, hands its services and interceptors to a server, and stops it.
 */
#ifndef RPC_SERVICES_SERVICES_H
#define RPC_SERVICES_SERVICES_H

#include "clients/http/http.h"
#include "clients/meta/meta.h"
#include "clients/stripe/stripe.h"
#include "rpc/server.h"
#include "store/client.h"

#define SERVICES_SECRET_KEY_BYTES 32

struct services;

/* Everything is borrowed for the life of the services. */
struct services_options {
    const struct registry *registry;
    struct store_client *store;
    struct http_client *http;
    struct meta_client *meta;
    struct stripe_client *stripe;                  /* NULL: not configured */
    const struct http_address_policy *scan_policy; /* for customers' websites */
    const char *public_url;                        /* without a trailing slash */
    uint8_t secret_key[SERVICES_SECRET_KEY_BYTES]; /* as it is at start */
    const char *key_directory; /* of secret.key and secret.key.previous; NULL: of none */
    bool key_given;            /* the key does not come from secret.key */
    const char *credit_rates;  /* USD:20,EUR:22 */
    int64_t signup_credits;
    int64_t scan_items_max;
    bool loopback_exempt; /* log-in and sign-up of loopback addresses are not throttled (no trusted
                             proxy is set) */
};

enum rpc_code services_create(const struct services_options *options,
                              struct services **ret_services, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* For rpc_server_create; live as long as the services. */
const struct rpc_service *services_rpc(const struct services *services, size_t *ret_count);
/* The auth interceptor: to come behind the trace interceptor. */
struct rpc_server_interceptor services_interceptor_auth(struct services *services);
/* The stage that gives kept answers; lives as long as the services. */
const struct rpc_server_early *services_early(const struct services *services);
/* Starts the job runner's threads. Call once the server listens. */
enum rpc_code services_jobs_start(struct services *services, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Gives running job steps up (their leases are released, they go on at the next start), ends
 * deferred calls with UNAVAILABLE, joins the threads; at most `timeout_ms`. */
void services_jobs_stop(struct services *services, int64_t timeout_ms);
/* After services_jobs_stop and with no server serving them any more. Takes NULL. */
void services_destroy(struct services *services);

#endif
