/*
 * A real facade on a port of its own, a real server behind it over a direct: channel, with handlers
 * that do as they are told by the request; and a client that speaks raw bytes.
 */
#ifndef TEST_INTEGRATION_REST_FIXTURE_H
#define TEST_INTEGRATION_REST_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rest/rest.h"
#include "rpc/server.h"

struct rest_fixture {
    struct registry *registry;
    struct rpc_server *server;
    struct rpc_channel *channel;
    struct rest *rest;
    unsigned port;
};

/* What the handlers have seen, over all fixtures of the process. */
extern atomic_int rest_fixture_calls;   /* handlers that ran */
extern atomic_int rest_fixture_waiting; /* ConnectWebsite {"url":"wait"} under way */
extern atomic_int
    rest_fixture_cancelled; /* of those, and of streams, how many saw their caller leave */
extern atomic_int rest_fixture_pieces; /* of DownloadPerformance, sent */

/* `adjust` may change the options before the facade is made; NULL: the defaults, two threads. */
void rest_fixture_start(struct rest_fixture *fixture, void (*adjust)(struct rest_options *options));
/* The same with methods of the test's own: a registry of these sources, a server of these services.
 */
void rest_fixture_serve(struct rest_fixture *fixture, const struct registry_sources *sources,
                        const struct rpc_service *services, size_t service_count,
                        void (*adjust)(struct rest_options *options));
void rest_fixture_stop(struct rest_fixture *fixture);
/* Lets all that wait answer. */
void rest_fixture_release(void);
/* Waits until the counter has the value, at most 10 s; fails the test then. */
void rest_fixture_wait_for(atomic_int *counter, int value);

/* --- handlers of rest_pages.c --- */

rpc_handler rest_pages_list_items;
rpc_handler rest_pages_get_customer;
rpc_handler rest_pages_adjust_credits;
rpc_handler rest_pages_echo; /* GetPerformance, where a test has bent its messages */

/* --- raw client --- */

struct raw_answer {
    int status; /* 0: closed without an answer */
    char *head; /* malloc'ed texts */
    char *body;
    size_t body_len;
};

int raw_connect(const struct rest_fixture *fixture);
/* -1 if nobody listens. */
int raw_try_connect(const struct rest_fixture *fixture);
void raw_send(int fd, const char *bytes);
void raw_send_bytes(int fd, const void *bytes, size_t len);
/* Reads one answer; its body by Content-Length. `to_head`: the answer has no body whatever it says.
 */
void raw_read(int fd, bool to_head, struct raw_answer *ret_answer);
void raw_answer_free(struct raw_answer *answer);
/* Whether the server closes now (EOF or reset within 3 s) without another byte. */
bool raw_is_closed(int fd);
/* A header's value in a static buffer, or NULL; `name` in lower case. */
const char *raw_header(const struct raw_answer *answer, const char *name);

/* One request on a connection of its own. */
void raw_request(const struct rest_fixture *fixture, const char *bytes,
                 struct raw_answer *ret_answer);

#endif
