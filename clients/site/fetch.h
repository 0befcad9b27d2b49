/*
 * What a scan fetches with: at most a few requests at once, at most SITE_REQUESTS_PER_HOST_MAX of
 * all scans of the process to a host, none before a host's delay has passed, robots.txt asked for
 * every origin. Used by scan.c's thread alone.
 */
#ifndef CLIENTS_SITE_FETCH_H
#define CLIENTS_SITE_FETCH_H

#include "clients/site/internal.h"

#define FETCH_REDIRECTS_MAX 5
/* Attempts at one URL, the first included. */
#define FETCH_ATTEMPTS_MAX 3
/* Origins whose robots.txt is kept: a site's are http and https, with and without www. */
#define FETCH_ORIGINS_MAX 16
#define FETCH_IN_FLIGHT_MAX 8

enum fetch_kind { FETCH_ROBOTS, FETCH_SITEMAP, FETCH_FEED, FETCH_PAGE };

struct fetch_request {
    const char *url;
    enum fetch_kind kind;
    /* What it was when it was read last: asks only for what is newer. NULL: asks for all. */
    const Lotcast__V1__PageRecord *known;
};

/* One server name: what must not be asked too much at once. */
struct fetch_host {
    const char *name;
    struct host_turns *turns; /* of all scans of this process */
    int in_flight;
    int64_t delay_ms;      /* between two requests' starts; 0: none */
    int64_t not_before_ms; /* on clock_mono_ms() */
};

struct fetch_origin {
    struct url url; /* its front page */
    struct fetch_host *host;
    struct site_robots robots;
    /* Why robots.txt could not be had; it forbids everything then. An answer that says nothing is
       HTTP_FAILURE_PROTOCOL. */
    enum http_failure failure;
};

/* A request that is under way or has just ended. */
struct fetch_transfer {
    struct fetcher *fetcher;
    struct http_call *call;
    struct fetch_host *host;
    void *task; /* the scan's; NULL: free */
    bool is_over;
    struct http_response *response; /* free it, and set NULL */
    enum http_failure failure;
};

struct fetcher;

/* `arena` keeps robots.txt's rules. NULL when out of memory. */
struct fetcher *site__fetcher_create(const struct site_scan_options *options,
                                     struct rpc_context *context, struct arena *arena);
/* Cancels what is under way, waits for it, frees. Takes NULL. */
void site__fetcher_destroy(struct fetcher *fetcher);

/* The origin of a URL with its robots.txt, which is fetched the first time. NULL: too many origins,
 * or out of memory. */
struct fetch_origin *site__fetcher_origin(struct fetcher *fetcher, const struct url *url);

/* Blocking, with retries; no redirects. The response (free it) or the failure. */
enum http_failure site__fetcher_fetch(struct fetcher *fetcher, struct fetch_host *host,
                                      const struct fetch_request *request,
                                      struct http_response **ret_response);

/* Whether a request could start now. If not, ret_wait_ms says for how long (INT64_MAX: until
 * another one has ended). If so, start one: the host's turn has been taken. */
bool site__fetcher_may_start(struct fetcher *fetcher, struct fetch_host *host,
                             int64_t *ret_wait_ms);
void site__fetcher_start(struct fetcher *fetcher, struct fetch_host *host,
                         const struct fetch_request *request, void *task);
/* Waits at most so long for one to end. NULL: none has. Give it back with site__fetcher_release. */
struct fetch_transfer *site__fetcher_wait(struct fetcher *fetcher, int64_t wait_ms);
void site__fetcher_release(struct fetcher *fetcher, struct fetch_transfer *transfer);
int site__fetcher_in_flight(const struct fetcher *fetcher);

/* ---- hosts.c: turns at a host, shared by all scans of the process; any thread ---- */

/* The turns of a host, to be released. NULL when out of memory. */
struct host_turns *site__turns_acquire(const char *name);
void site__turns_release(struct host_turns *turns);
/* Takes a turn if there is one; it is given back with site__turns_give. */
bool site__turns_take(struct host_turns *turns);
void site__turns_give(struct host_turns *turns);

/* Whether an answer or its failure is worth another attempt, and after how long (Retry-After
 * respected). */
bool site__fetch_is_transient(const struct http_response *response, enum http_failure failure);
int64_t site__fetch_backoff_ms(const struct http_response *response, int attempt);

#endif
