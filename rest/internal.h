/*
 * What the facade's files share. Needs libh2o's headers; the pure parts (gate, path, header,
 * router) do not include it.
 *
 * Threads: a rest_thread runs one H2O loop and owns its connections and requests. Other threads
 * touch a request in one place only: request_done, which stores the outcome of its call and posts
 * it to the loop.
 */
#ifndef REST_INTERNAL_H
#define REST_INTERNAL_H

#include <h2o.h>
#include <pthread.h>
#include <stdatomic.h>

#include "rest/file.h"
#include "rest/gate.h"
#include "rest/header.h"
#include "rest/openapi.h"
#include "rest/path.h"
#include "rest/printed.h"
#include "rest/rest.h"
#include "rest/router.h"
#include "rpc/base/arena.h"
#include "rpc/base/metrics.h"
#include "rpc/json.h"

/* Defaults of what rest.h says of a client's time. */
#define REST_HEAD_MS_MAX 10000
#define REST_BODY_MS_MAX 20000
#define REST_IDLE_MS_MAX 60000
#define REST_WRITE_MS_MAX 20000
#define REST_WRITE_BYTES_PER_MS 256
/* How often deadlines are looked at, in ms, and how much a call may overrun before 504 comes from
 * here. */
#define REST_TICK_MS 100
#define REST_OVERRUN_MS 250
/* Every so many ticks connections are looked at. */
#define REST_TICKS_OF_CONNECTIONS 5
/* Memory that a connection keeps between requests, in bytes. */
#define REST_KEPT_BYTES_MAX ((size_t)64 * 1024)
/* A client that has shut its side down may be waiting still: how long it is believed to, in ms. */
#define REST_LEAVE_MS 250
/* After a refusal the connection is read a while longer, so that the client sees the answer and not
 * a reset: in ms and bytes. */
#define REST_LINGER_MS 1000
#define REST_LINGER_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Of one thread at once; beyond it they are closed at once. */
#define REST_LINGER_COUNT_MAX 256
/* URL at most, in bytes. */
#define REST_URL_BYTES_MAX ((size_t)8 * 1024)
/* JSON of one answer at most, in bytes. */
#define REST_JSON_BYTES_MAX ((size_t)32 * 1024 * 1024)
/* Of printed answers that a loop keeps, in bytes. */
#define REST_PRINTED_BYTES_MAX ((size_t)16 * 1024 * 1024)
/* Bytes that wait behind the request under way (pipelining). */
#define REST_HELD_BYTES_MAX ((size_t)8 * 1024 * 1024)

struct rest_thread;
struct rest_address_table;
struct rest_ready;
struct rest_scrape;
struct rest_scraped;
struct rest_stream;

struct rest {
    const struct registry *registry;
    struct rpc_channel *channel;
    const struct registry_method *check_access;
    struct router *router;
    struct json_codec *codec;
    struct rest_ready *ready;
    struct rest_scrape *scrape;
    struct rest_route_metrics **route_metrics; /* by route.index */
    struct rest_file openapi;                  /* made when the public URL is known */
    struct buffer openapi_gzip;
    char openapi_hash[REST_FILE_HASH_BYTES];
    const struct rest_file *web_files; /* the page first */
    size_t web_file_count;
    struct rest_address_table *addresses;
    struct config_cidr *proxies;
    size_t proxy_count;
    char *listen;
    char *public_url;
    char origin[HEADER_ORIGIN_BYTES];
    bool cookie_secure;
    bool http2;
    size_t connections_max;
    size_t connections_per_address_max;
    int64_t head_ms_max;
    int64_t body_ms_max;
    int64_t idle_ms_max;
    int64_t write_ms_max;
    h2o_globalconf_t config;
    struct rest_thread *threads;
    size_t thread_count;
    bool started;

    atomic_size_t connection_count;
    atomic_bool draining;
    pthread_mutex_t lock;   /* for `changed` alone */
    pthread_cond_t changed; /* a connection was closed while draining; a thread is up */
    size_t threads_up;      /* under lock */
};

/* What the main thread asks of a loop. */
enum rest_command { REST_COMMAND_DRAIN = 1, REST_COMMAND_CUT = 2, REST_COMMAND_STOP = 4 };

/* Bytes for ids, and what the next ones are made of. */
struct rest_random {
    uint8_t seed[32]; /* randombytes_SEEDBYTES */
    uint8_t bytes[2048];
};

struct rest_thread {
    struct rest *rest;
    size_t index;
    pthread_t id;
    int listen_fd;
    /* The rest belongs to the thread itself. */
    h2o_evloop_t *loop;
    h2o_context_t context;
    h2o_accept_ctx_t accept;
    h2o_socket_t *listener;
    bool accept_paused; /* out of descriptors: until the next tick */
    h2o_multithread_receiver_t replies;
    h2o_multithread_receiver_t items; /* of streams */
    h2o_multithread_receiver_t wakeups;
    h2o_multithread_message_t wakeup; /* linked while `woken` */
    atomic_int commands;              /* of enum rest_command; any thread sets */
    atomic_bool woken;
    h2o_linklist_t connections;
    h2o_linklist_t lingering;
    size_t linger_count;   /* and those that will, once libh2o closes */
    h2o_linklist_t calls;  /* requests whose call is under way */
    h2o_linklist_t rearms; /* connections whose request is over */
    int64_t next_tick_ms;  /* on the monotonic clock: libh2o's timers follow the wall clock */
    unsigned tick_count;
    int watch_fd; /* epoll set of all HTTP/1 connections, for EPOLLRDHUP */
    h2o_socket_t *watch;
    bool draining;
    bool stopping;
    struct rest_random random;
    size_t random_used;
    struct printed *printed; /* NULL: out of memory, then none is kept */
};

/* --- connection.c: one accepted socket --- */

/*
 * Made at accept, freed when libh2o closes the socket. HTTP/1: the gate reads, libh2o gets whole
 * requests one at a time; what follows is held until that one is answered.
 */
struct rest_connection {
    struct rest_thread *thread;
    h2o_linklist_t link;
    h2o_socket_t *socket;
    h2o_socket_cb h2o_read; /* libh2o's own callback, behind ours */
    struct gate gate;
    struct buffer held;
    h2o_linklist_t rearm; /* linked while the request is over and libh2o not asked to read yet */
    struct header_address peer;
    bool counted;   /* in the address table */
    bool gated;     /* HTTP/1; false: HTTP/2 */
    bool fresh;     /* no request yet */
    bool peer_left; /* has shut down its side, or is gone */
    bool refused;   /* the request that libh2o has is a stand-in for one that was refused */
    size_t running; /* requests that are not over */
    struct rest_request *request; /* HTTP/1: the one under way */
    int64_t deadline_ms;          /* on the monotonic clock; when the connection is cut */
    int linger_fd;                /* -1: close at once */
};

void rest_connection_accept(struct rest_thread *thread, h2o_socket_t *socket);
struct rest_connection *rest_connection_of(h2o_req_t *req);
/* A call of it is under way, whose answer comes in a later turn of the loop. */
void rest_connection_waits(struct rest_connection *connection);
/* A request of it is over: the next may be read. */
void rest_connection_request_over(struct rest_connection *connection);
/* Close the connection after the answer, and linger, since the client may be sending still. */
void rest_connection_linger(struct rest_connection *connection);
/* An answer of so many bytes is on its way: the client has so long to take it. */
void rest_connection_writing(struct rest_connection *connection, size_t bytes);
/* Cuts it now, whatever it does. */
void rest_connection_cut(struct rest_connection *connection);
/* Closes it if nothing is under way there. */
void rest_connection_close_idle(struct rest_connection *connection);
/* Reads again where a request is over; whether there was work at once. After each turn of the loop.
 */
bool rest_connections_rearm(struct rest_thread *thread);
/* Cuts those whose time is up. */
void rest_connections_tick(struct rest_thread *thread, int64_t now_ms);
/* Opens and closes the thread's watch of clients that leave. */
void rest_watch_open(struct rest_thread *thread);
void rest_watch_close(struct rest_thread *thread);

/* --- linger.c --- */

/* Shuts down our side of `fd`, reads and forgets what comes for a while, closes. Takes fd. */
void rest_linger_start(struct rest_thread *thread, int fd);
void rest_linger_tick(struct rest_thread *thread, int64_t now_ms);
void rest_linger_close_all(struct rest_thread *thread);

/* --- address.c: connections per address, over all threads --- */

struct rest_address_table *rest_address_table_create(void);
void rest_address_table_destroy(struct rest_address_table *table);
/* Counts one more; false beyond `max`, or out of memory. */
bool rest_address_add(struct rest_address_table *table, const struct header_address *address,
                      size_t max);
void rest_address_remove(struct rest_address_table *table, const struct header_address *address);

/* --- request.c: the in-flight object --- */

enum rest_call_phase {
    REST_CALL_NONE,
    REST_CALL_METHOD, /* the route's method */
    REST_CALL_ACCESS, /* AccessControl/CheckAccess, before an error of our own is told */
    REST_CALL_SCRAPE, /* none of its own: it waits for the end of a scrape */
};

/* Values of one header that may come several times. */
#define REST_VALUES_MAX 8
struct rest_values {
    struct span items[REST_VALUES_MAX]; /* in the request's pool */
    size_t count; /* may be larger than REST_VALUES_MAX: the rest was left out */
};

enum rest_header {
    REST_HEADER_ACCEPT,
    REST_HEADER_CONTENT_TYPE,
    REST_HEADER_COOKIE,
    REST_HEADER_CUSTOMER_ID,
    REST_HEADER_FORWARDED_FOR,
    REST_HEADER_FETCH_SITE,
    REST_HEADER_IDEMPOTENCY_KEY,
    REST_HEADER_IF_NONE_MATCH,
    REST_HEADER_ORIGIN,
    REST_HEADER_REQUEST_ID,
    REST_HEADER_TRACEPARENT,
    REST_HEADER_COUNT
};

/*
 * Who holds it: the slot in the pool of its h2o_req_t, and the call under way. The slot's dispose
 * (answered, or the client has gone) clears `req` and cancels the call; the call's end drops the
 * other reference. Freed with the last one, on the loop's thread.
 */
struct rest_request {
    unsigned refs; /* the loop's alone */
    struct rest_thread *thread;
    h2o_req_t *req;                     /* NULL once it is over */
    struct rest_connection *connection; /* likewise */
    struct arena arena;
    int64_t started_us;
    struct span verb;
    struct span target_path; /* as sent, without the query */
    struct span query;
    struct path path;
    struct rest_values headers[REST_HEADER_COUNT];
    const struct route *route;
    const char *label; /* of the route, for the log: a template, or NULL */
    const char *vary;  /* what the answer depends on, for Vary; NULL: no header */
    bool is_head;
    bool is_gated;
    char request_id[RPC_REQUEST_ID_BYTES];
    char traceparent[RPC_TRACEPARENT_BYTES];
    char address[HEADER_ADDRESS_BYTES];

    /* The answer. */
    bool client_left; /* so that it was cancelled; whatever is answered, nobody reads it */
    bool answered;
    int status;
    const char *reason; /* error.code of the answer; NULL: it is no error */
    struct buffer body;
    struct printed_answer *printed; /* held; in place of the two beside it */
    char etag[HEADER_ETAG_BYTES];

    /* The call. */
    enum rest_call_phase phase;
    struct rpc_call *call;
    h2o_linklist_t call_link;
    int64_t call_deadline_ms;
    int64_t leave_ms; /* when it is cancelled, since the client seems to have gone; 0: it has not */
    struct rpc_status own_error;
    struct rpc_metadata metadata;
    bool starting;     /* inside rpc_channel_start, on the loop's thread */
    bool ended_inline; /* and `done` came there */
    /* Written by request_done, read after the message. */
    struct rpc_status result;
    struct rpc_payload payload;
    struct rest_request *done_next; /* of those that one message tells of */
    struct rest_stream *stream;     /* the answer of a streaming method; NULL: it is none */
    h2o_multithread_message_t message;

    /* REST_CALL_SCRAPE. */
    struct rest_request *scrape_next; /* under the scrape's lock */
    struct rest_scraped *scraped;     /* written before the message is sent */
};

/* libh2o's handler. */
int rest_request_handle(h2o_handler_t *handler, h2o_req_t *req);
/* Replies that other threads have posted. */
void rest_request_on_replies(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages);
/* The client of an HTTP/1 request under way seems to have gone. */
void rest_request_peer_left(struct rest_request *request);
void rest_requests_tick(struct rest_thread *thread, int64_t now_ms);
/* Fresh random bytes of the thread's. */
void rest_thread_random(struct rest_thread *thread, void *bytes, size_t len);

/* --- call.c: from a request to its call and back --- */

/* Starts the method's call, or the access check first where the request is wrong. */
void rest_call_begin(struct rest_request *request);
/* Cancels what runs. The reference goes when `done` has come. */
void rest_call_cancel(struct rest_request *request);
/* The call has ended: answers, and drops the call's reference. */
void rest_call_over(struct rest_request *request);
/* Answers with what the call failed with. */
void rest_call_respond_failure(struct rest_request *request);
/* Behind calls of the channel that ended together on this thread: wakes each loop once. */
void rest_call_batch_end(void);

/* --- response.c --- */

void rest_request_unref(struct rest_request *request);
void rest_respond_reason(struct rest_request *request, Lotcast__V1__Reason reason,
                         const char *field);
void rest_respond_status(struct rest_request *request, const struct rpc_status *status);
/* Answers with the method's response. */
void rest_respond_message(struct rest_request *request, struct span packed);
/* 204 with Allow; or 405 with it. `allow` is static or in the arena. */
void rest_respond_options(struct rest_request *request, const char *allow);
void rest_respond_not_allowed(struct rest_request *request, const char *allow);
/* 200 with what is in request->body. `content_type` is static. */
void rest_respond_body(struct rest_request *request, const char *content_type);
/* 200 with a file that outlives the request; 304 where the client has it. */
void rest_respond_file(struct rest_request *request, const struct rest_file *file);
/* What the first piece of a file says of it all; texts in the request's arena. */
struct rest_piece_head {
    const char *content_type; /* NULL: no piece has come */
    const char *disposition;  /* or NULL */
};
/* Adds an item of a streaming method to request->body; the first fills in the head. False: it
 * cannot be answered. */
bool rest_respond_piece_take(struct rest_request *request, struct span packed, struct arena *arena,
                             struct rest_piece_head *head);
/* 200 with all pieces, or 304. */
void rest_respond_pieces_whole(struct rest_request *request, const struct rest_piece_head *head);
/* The head of a 200 whose length is not known, for h2o_start_response. */
void rest_respond_pieces_begin(struct rest_request *request, const struct rest_piece_head *head);
void rest_respond_add_header(struct rest_request *request, const h2o_token_t *token,
                             const char *value);

/* --- stream.c: answers that come in pieces --- */

/* Before the call of a streaming method. False: out of memory. */
bool rest_stream_create(struct rest_request *request);
/* With its request, when no call is under way. Takes NULL. */
void rest_stream_destroy(struct rest_stream *stream);
/* Items that may come before more are granted. */
uint32_t rest_stream_credits(void);
/* An item of the request's call; `arg` is the request. Any thread. */
void rest_stream_item(void *arg, struct rpc_payload *payload);
/* Its call is over. False: items are on their way to the loop, and rest_call_over is called again
 * behind them. */
bool rest_stream_end(struct rest_request *request);
/* Whether its answer has begun and is not whole yet. */
bool rest_stream_is_sending(const struct rest_request *request);
/* Items that other threads have posted. */
void rest_stream_on_items(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages);

/* --- special.c: paths that are no methods --- */

struct rest_special {
    const char *path;
    void (*handle)(struct rest_request *request);
};
const struct rest_special *rest_special_find(struct span raw_path);
extern const char rest_special_allow[];
/* Makes /api/openapi.json, once the public URL is known and before a thread runs. */
enum rpc_code rest_special_describe(struct rest *rest, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* --- web.c: the frontend's files --- */

/* The file of this path, as it is sent; NULL: none of it. The page has no path of its own. */
const struct rest_file *rest_web_find(const struct rest *rest, struct span raw_path);
extern const struct rest_special rest_web_file; /* how one is answered */
/* Before the route is looked for: whether the request is a navigation, and answered with the page
 * (404 where there is none). */
bool rest_web_take_navigation(struct rest_request *request);
/* Answers what is no path of the API. */
void rest_web_respond_no_route(struct rest_request *request);

/* --- ready.c: is what is behind us there? --- */

enum rpc_code rest_ready_create(const struct rest_options *options, struct rest_ready **ret_ready,
                                struct rpc_status *status) __attribute__((warn_unused_result));
/* Waits for the checks under way. Takes NULL. */
void rest_ready_destroy(struct rest_ready *ready);
/* Asks again where it is time. One thread. */
void rest_ready_tick(struct rest_ready *ready, int64_t now_ms);
/* Any thread. */
bool rest_ready_now(struct rest_ready *ready);

/* --- scrape.c: /metrics --- */

enum rpc_code rest_scrape_create(const struct rest_options *options,
                                 struct rest_scrape **ret_scrape, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Once all threads have ended. Takes NULL. */
void rest_scrape_destroy(struct rest_scrape *scrape);
/* Answers with the metrics of all processes, when they have come. */
void rest_scrape_begin(struct rest_request *request);
/* They have: answers, and drops the wait's reference. */
void rest_scrape_over(struct rest_request *request);

/* --- metrics.c --- */

struct rest_route_metrics;
/* The counters of a route; the same ones for the same names, for the process's life. NULL: no
 * memory. */
struct rest_route_metrics *rest_route_metrics_get(const char *verb, const char *template);
void rest_metrics_start(void);
/* Counts an answer. `metrics` NULL: of no route. */
void rest_metrics_count(struct rest_route_metrics *metrics, int status, int64_t elapsed_us);
extern struct metric rest_metric_connections;
extern struct metric rest_metric_accepted;
extern struct metric rest_metric_in_flight;
extern struct metric rest_metric_refused_connections;
extern struct metric rest_metric_refused_requests;
extern struct metric rest_metric_gone_clients;

/* --- listen.c --- */

/* Binds and listens, `count` sockets at one port. */
enum rpc_code rest_listen(const char *listen, int *fds, size_t count, unsigned *ret_port,
                          struct rpc_status *status) __attribute__((warn_unused_result));

/* --- thread.c --- */

/* The thread's main function; its argument is the rest_thread. */
void *rest_thread_run(void *thread);
/* Sets commands and wakes the loop. Any thread. */
void rest_thread_command(struct rest_thread *thread, int commands);
/* A connection is gone: whoever waits in rest_drain looks again. */
void rest_note_closed(struct rest *rest);

#endif
