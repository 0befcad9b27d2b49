/*
 * A made-up website for tests of clients/site: a table of routes behind a real HTTP server, and a
 * scan of it.
 */
#ifndef TEST_UNIT_CLIENTS_SITE_FIXTURE_H
#define TEST_UNIT_CLIENTS_SITE_FIXTURE_H

#include "clients/site/site.h"
#include "test/unit/clients/http_server.h"

/* One page. "{O}" in headers and body is the site's origin, http://127.0.0.1:PORT. */
struct route {
    const char *target;
    const char *body;
    const char *headers; /* lines that end in CRLF; NULL: Content-Type: text/html */
    int status;          /* 0: 200 */
    bool is_gzip;        /* the body is packed */
};

struct site_fixture {
    const struct route *routes;
    size_t route_count;
    /* Answers what is no plain page; false: not mine. Runs on the server's threads. */
    bool (*special)(struct site_fixture *fixture, struct http_exchange *exchange);
    struct http_server *server;
    struct http_client *http;
    struct config_cidr loopback;
    struct http_address_policy policy;
    struct arena arena;
    char origin[64];
    const char *start;   /* path of the start page; NULL: "/" */
    int64_t deadline_ms; /* after the start; 0: 30 s */
    int64_t items_max;   /* 0: 100,000 */
    site_progress *progress;
    void *progress_arg;
    const struct site_memory *memory;
    atomic_int requests;
    struct rpc_status status; /* of the scan */
    struct site_scan scan;
};

/* Starts the server and a client. */
void site_fixture_start(struct site_fixture *fixture, const struct route *routes, size_t count);
void site_fixture_stop(struct site_fixture *fixture);
/* Scans the site, or another URL. The result is in `scan`; its texts live until the fixture stops.
 */
enum rpc_code site_fixture_scan(struct site_fixture *fixture);
enum rpc_code site_fixture_scan_url(struct site_fixture *fixture, const char *url);
/* The item of this identity ("{O}" is expanded); fails the test if there is none. */
const Lotcast__V1__ItemRecord *site_fixture_item(struct site_fixture *fixture,
                                                 const char *identity);
/* Answers with a body in which "{O}" is expanded. */
void site_fixture_answer(struct site_fixture *fixture, struct http_exchange *exchange,
                         const struct route *route);

#endif
