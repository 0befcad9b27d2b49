/*
 * The REST facade: HTTP/1.1 (and HTTP/2 as an option) in, calls of one channel out. It knows no
 * method by name: routes, access, sessions, redirects and deadlines are the registry's.
 */
#ifndef REST_REST_H
#define REST_REST_H

#include "rpc/base/config.h"
#include "rpc/channel.h"
#include "rpc/registry.h"
#include "rpc/status.h"

struct rest;
struct rest_file;

/* A role that /readyz waits for: Health on its channel must answer SERVING. /metrics gathers what
 * it counts. */
struct rest_health_target {
    const char *name;
    struct rpc_channel *channel;
};

struct rest_options {
    const struct registry *registry;           /* borrowed for the life of the facade */
    struct rpc_channel *channel;               /* to logic; borrowed likewise */
    const char *listen;                        /* host:port, [v6]:port; port 0 picks one */
    const char *public_url;                    /* NULL or "": http://localhost:PORT */
    const struct config_cidr *trusted_proxies; /* whose X-Forwarded-For is believed; copied */
    size_t trusted_proxy_count;
    size_t connections_max; /* 0: 20,000 */
    size_t
        connections_per_address_max; /* IPv6 by /64; loopback and trusted proxies exempt. 0: 256 */
    bool http2;                      /* with prior knowledge only; put a front proxy before it */
    unsigned threads;                /* 0: one a core */
    /* Time that a client has, in ms; 0: the default. */
    int64_t head_ms_max;  /* for its first byte, and for a head. 10,000 */
    int64_t body_ms_max;  /* for a body, after its head. 20,000 */
    int64_t idle_ms_max;  /* between requests. 60,000 */
    int64_t write_ms_max; /* for taking an answer, and 1 more for each 256 bytes of it. 20,000 */
    const struct rest_health_target *health_targets; /* copied; the channels are borrowed */
    size_t health_target_count;
    /* The frontend's files (rest/file.h), the page first; borrowed for the life of the facade.
     * None: there are no pages. */
    const struct rest_file *web_files;
    size_t web_file_count;
};

/*
 * Makes a facade that does not listen yet. RPC_FAILED_PRECONDITION, with a message that names the
 * culprit, for a route that is malformed, declared twice, names a field that does not exist or
 * belongs to an INTERNAL method; RPC_INVALID_ARGUMENT for a bad address or public URL.
 */
enum rpc_code rest_create(const struct rest_options *options, struct rest **ret_rest,
                          struct rpc_status *status) __attribute__((warn_unused_result));

/*
 * Binds with SO_REUSEPORT, one socket a thread, and starts the threads. `ret_port` (unless NULL) is
 * the port listened on. RPC_FAILED_PRECONDITION if the address cannot be had. Once. A second
 * process of the same user could share the port: who minds reserves it before.
 */
enum rpc_code rest_start(struct rest *rest, unsigned *ret_port, struct rpc_status *status)
    __attribute__((warn_unused_result));

/*
 * Stops listening, answers what has begun with `Connection: close`, and returns when all
 * connections are closed or after `timeout_ms`; those that linger then are cut. Blocks; not on a
 * thread of the facade's.
 */
void rest_drain(struct rest *rest, int64_t timeout_ms);

/* Cuts all connections, cancels their calls, waits for the threads, frees. Takes NULL. */
void rest_destroy(struct rest *rest);

#endif
