/*
 * HTTP out: the one place with libcurl. Deadlines, size caps on wire and decoded bytes, TLS
 * verification, no proxy from the environment, and the address check.
 *
 * One thread of the client's own runs all transfers (a curl multi); `done` comes on it and must not
 * block. Redirects are not followed: the caller sees the Location and decides.
 */
#ifndef CLIENTS_HTTP_HTTP_H
#define CLIENTS_HTTP_HTTP_H

#include "rpc/base/config.h"
#include "rpc/context.h"
#include "rpc/status.h"

/* Request and response headers at most, and bytes of all response headers. */
#define HTTP_HEADERS_MAX 64
#define HTTP_HEADER_BYTES_MAX ((size_t)64 * 1024)

struct http_client;
struct http_call;

struct http_header {
    const char *name;
    const char *value;
};

/* Which addresses may be connected to. Checked on the socket address itself, for every connection.
 */
struct http_address_policy {
    bool public_only; /* refuse private, loopback, link-local, CGNAT, test, benchmark, multicast,
                         reserved and metadata ranges, also inside IPv6 (mapped, NAT64, 6to4,
                         Teredo) */
    const struct config_cidr *allow; /* … except these; borrowed for the client's life */
    size_t allow_count;
};

/* Whether the policy lets this address in (IPv4 as ::ffff:a.b.c.d). */
bool http_address_allowed(const struct http_address_policy *policy,
                          const uint8_t address[static 16]);

enum http_verb { HTTP_GET, HTTP_POST, HTTP_DELETE, HTTP_HEAD };

struct http_request {
    enum http_verb verb;
    const char *url;
    const struct http_header *headers;
    size_t header_count;
    struct span body;
    const struct http_address_policy *policy; /* NULL: anywhere (configured upstreams) */
    int64_t deadline_ms;                      /* on clock_mono_ms() */
    int64_t connect_ms_max;                   /* time for DNS, TCP and TLS; 0: 10 s */
    size_t wire_bytes_max;                    /* of the body as it comes */
    size_t body_bytes_max;                    /* of the body after decoding (Content-Encoding) */
    bool keep_partial;   /* beyond body_bytes_max: deliver what fits, marked truncated, instead of
                            failing */
    bool accept_encoded; /* send Accept-Encoding and decode */
    int64_t rate_min_bytes; /* slower than so many bytes a second over 10 s fails; 0: no limit */
};

/* Malloc'ed as one piece; http_response_free. */
struct http_response {
    int status;
    bool truncated;
    struct span body;
    size_t header_count;
    struct http_header
        headers[HTTP_HEADERS_MAX]; /* names in lower case; further ones are dropped */
    struct span owned;             /* what free frees */
};

/* What went wrong below HTTP, beside the code. */
enum http_failure {
    HTTP_FAILURE_NONE,
    HTTP_FAILURE_ADDRESS, /* the policy refused; nothing was sent */
    HTTP_FAILURE_DNS,
    HTTP_FAILURE_CONNECT,
    HTTP_FAILURE_TLS,
    HTTP_FAILURE_TIMEOUT, /* deadline, or too slow */
    HTTP_FAILURE_TOO_LARGE,
    HTTP_FAILURE_PROTOCOL, /* not HTTP, cut off, bad encoding */
    HTTP_FAILURE_CANCELLED,
};

struct http_options {
    const char *user_agent;          /* borrowed for the client's life */
    size_t connections_max;          /* in all. 0: 256 */
    size_t connections_per_host_max; /* 0: no limit */
};

/* Starts the client's thread. */
enum rpc_code http_client_create(const struct http_options *options,
                                 struct http_client **ret_client, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Cancels what runs, joins the thread, frees. Takes NULL. */
void http_client_destroy(struct http_client *client);

/*
 * Starts a request; all of `request` is copied before this returns. `done` comes exactly once, on
 * the client's thread: with a response (moved to the callee) and HTTP_FAILURE_NONE, or with NULL
 * and the failure. Returns a handle to unref, or NULL if done has been called already.
 */
struct http_call *http_client_send(struct http_client *client, const struct http_request *request,
                                   void (*done)(void *arg, struct http_response *response,
                                                enum http_failure failure),
                                   void *arg);
/* `done` comes with HTTP_FAILURE_CANCELLED unless it is over. Any thread. */
void http_call_cancel(struct http_call *call);
void http_call_unref(struct http_call *call);

/* Blocking: the response (free it) or NULL with the failure. Stops when `context` (may be NULL) is
 * stopped. */
enum http_failure http_client_fetch(struct http_client *client, const struct rpc_context *context,
                                    const struct http_request *request,
                                    struct http_response **ret_response)
    __attribute__((warn_unused_result));

/* Value of a response header by its lower-case name, or NULL. */
const char *http_response_header(const struct http_response *response, const char *name);
void http_response_free(struct http_response *response);

#endif
