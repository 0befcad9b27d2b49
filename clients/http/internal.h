/*
 * What the files of this folder share: a call, and the transfer that carries it out. client.c owns
 * the thread and the queues; transfer.c owns what is libcurl's of one call.
 */
#ifndef CLIENTS_HTTP_INTERNAL_H
#define CLIENTS_HTTP_INTERNAL_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "clients/http/http.h"
#include "rpc/base/buffer.h"

struct http_call {
    atomic_int refs; /* one of the caller's, one of the client's until `done` has been called */
    struct http_client *client; /* referenced */
    void (*done)(void *arg, struct http_response *response, enum http_failure failure);
    void *done_arg;

    /* Guarded by the client's mutex. */
    struct http_call *queue_next;
    struct http_call *cancel_next;
    bool cancel_queued;

    /* The client's thread alone, from http_client_send's return on. */
    struct http_call *running_next, *running_previous;
    bool running;
    bool over;

    /* The request's copy. */
    enum http_verb verb;
    char *url;
    struct curl_slist *headers;
    uint8_t *body;
    size_t body_len;
    bool has_policy;
    struct http_address_policy policy;
    int64_t deadline_ms;
    int64_t connect_ms_max;
    size_t wire_bytes_max;
    size_t body_bytes_max;
    bool keep_partial;
    bool accept_encoded;
    int64_t rate_min_bytes;

    /* The transfer. */
    CURL *easy;
    struct buffer received;    /* the body so far */
    struct buffer header_text; /* name NUL value NUL, of the response that is current */
    size_t header_count;
    size_t header_bytes; /* of all header lines, interim responses included */
    bool body_begun;
    bool request_begun;  /* a request may have been sent */
    bool resend_refused; /* a POST would have been sent a second time */
    bool address_refused;
    bool too_large;
    bool truncated;
};

/* Copies the request into a new call with one reference; NULL: out of memory or not a request that
 * can be sent (a line break in a header, too many headers). */
struct http_call *http__call_create(const struct http_request *request);
void http__call_free(struct http_call *call);
/* Makes the easy handle. False when out of memory. */
bool http__transfer_open(struct http_call *call, const char *user_agent);
/* What a finished transfer's result means, and its response (NULL unless HTTP_FAILURE_NONE). */
enum http_failure http__transfer_result(struct http_call *call, CURLcode result,
                                        struct http_response **ret_response);

#endif
