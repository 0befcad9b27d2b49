/*
 * What the runtime's parts owe each other: channel.c with its transports, server.c with its. A new
 * transport is one struct rpc__transport (client side) and one struct rpc__reply with a listener
 * (server side).
 */
#ifndef RPC_INTERNAL_H
#define RPC_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "rpc/base/metrics.h"
#include "rpc/channel.h"
#include "rpc/server.h"

/* ---------------------------------------------------------------- waiting */

/* A condition whose times are of the monotonic clock. */
static inline void rpc__cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(cond, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

static inline struct timespec rpc__timespec_of_ms(int64_t ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
}

/* ---------------------------------------------------------------- client side: channel.c */

/* A request with all that the channel adds to it. Borrowed for the duration of start. */
struct rpc__outgoing {
    const struct rpc_request *request;
    const struct rpc_metadata *metadata; /* complete and checked */
    size_t payload_bytes;                /* of the packed message, within RPC_MESSAGE_BYTES_MAX */
    uint32_t timeout_ms;                 /* never 0 */
    uint32_t credits;                    /* of a streaming method: items that may come */
};

/* How calls are carried. `state` is the transport's own, made by open. */
struct rpc__transport {
    enum rpc_code (*open)(struct rpc_channel *channel, const struct rpc_channel_options *options,
                          void **ret_state, struct rpc_status *status);
    /* After every call's `done` has returned. Waits for its own threads, frees the state. */
    void (*close)(void *state);
    /* Starts a call, or refuses it: rpc__call_finish follows either way, perhaps before this
     * returns. Never blocks, except for the handler of an EXECUTION_INLINE method. Any thread. */
    void (*start)(void *state, struct rpc_call *call, const struct rpc__outgoing *out);
    /* The call is over (cancelled, or past its deadline), its `done` has been given: lets go of
     * what the transport still holds for it. On the channel's timer thread, after start has
     * returned. */
    void (*cancel)(void *state, struct rpc_call *call);
    /* So many more items of a stream may come. Any thread; NULL where there are no streams. */
    void (*grant)(void *state, struct rpc_call *call, uint32_t items);
    /* As rpc_channel_is_ready. */
    bool (*is_ready)(void *state);
    /* What rpc_channel_on_batch_end was given; NULL where the channel's own events are all. */
    void (*on_batch_end)(void *state, void (*batch_end)(void));
};

extern const struct rpc__transport rpc__transport_direct;
extern const struct rpc__transport rpc__transport_reqrep;
extern const struct rpc__transport rpc__transport_stream;
extern const struct rpc__transport
    rpc__transport_balance; /* of several addresses, or with retries */

/* The push-back of a call that never left this process, in ms: it says that it was not run. */
#define RPC__UNSENT_RETRY_AFTER_MS 20

enum rpc__call_state { CALL_STARTING, CALL_LISTED, CALL_OVER };

/* One call in flight. References: the caller's handle, the transport's, and the timer's for a
 * moment. */
struct rpc_call {
    atomic_uint refs;
    atomic_int state; /* enum rpc__call_state; whoever makes it CALL_OVER gives `done` */
    struct rpc_channel *channel;
    const struct registry_method *method;
    struct rpc_call_events events;
    void *arg;
    int64_t started_us;
    int64_t deadline_ms; /* on clock_mono_ms(); under the channel's lock once listed */
    size_t heap_index;   /* likewise */
    bool cancel_asked;   /* likewise */
    size_t interceptors_started;
    void *transport; /* the transport's; written by start alone */
    struct rpc_call *next_free;

    pthread_mutex_t item_lock; /* of a streaming call: held while an item is given */
    uint64_t items_come;       /* under item_lock */
    atomic_ullong items_granted;
    pthread_mutex_t direct_lock;    /* of direct:, of the next */
    struct rpc_server_call *direct; /* a reference, until it is answered */
};

struct rpc_call *rpc__call_ref(struct rpc_call *call);
/*
 * Ends a call: gives `done` unless it was given already, and then releases the payload. The payload
 * is always taken. Any thread, with no lock held. Does not drop a reference.
 */
void rpc__call_finish(struct rpc_call *call, const struct rpc_status *status,
                      struct rpc_payload *payload);
/* The same for one of several that end together: rpc__channel_batch_end follows on this thread,
 * before the transport's close returns. */
void rpc__call_finish_in_batch(struct rpc_call *call, const struct rpc_status *status,
                               struct rpc_payload *payload);
void rpc__channel_batch_end(struct rpc_channel *channel);
/* Sends what this thread holds back. */
void rpc__held_send(void);
/* Gives an item of a stream (taken in any case), unless the call is over. False: it was not
 * granted. Any thread, with no lock held. */
bool rpc__call_item(struct rpc_call *call, struct rpc_payload *payload);
/* Packs the request's message, or copies what is packed already, to `to`. */
void rpc__outgoing_pack(const struct rpc__outgoing *out, uint8_t *to);

/* ---------------------------------------------------------------- server side: server.c */

/* What is answered: a message, or one that is packed already. */
struct rpc__body {
    const ProtobufCMessage *message; /* NULL: `packed` */
    struct span packed;
    size_t bytes; /* of it packed, within RPC_MESSAGE_BYTES_MAX */
};
/* Packs it to `to`, which has room. */
static inline void rpc__body_pack(const struct rpc__body *body, uint8_t *to)
{
    if (body->message != NULL)
        (void)protobuf_c_message_pack(body->message, to);
    else if (body->bytes > 0)
        memcpy(to, body->packed.data, body->bytes);
}

/* How a call is answered; one a server transport. */
struct rpc__reply {
    /*
     * Sends the answer of a call; called once, from any thread. `body` is NULL unless the status is
     * OK. The call is the server's again when this returns. Must not block.
     */
    void (*answer)(struct rpc_server_call *call, const struct rpc_status *status,
                   const struct rpc__body *body);
    /* Sends an item of a streaming call, likewise; before its answer. RPC_UNAVAILABLE: the caller
     * is gone. NULL where there are no streams. */
    enum rpc_code (*item)(struct rpc_server_call *call, const ProtobufCMessage *item,
                          size_t item_bytes);
};

/* How many items a streaming call may send, and who waits for more. */
struct rpc__flow {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* credit has come, or the caller has gone */
    uint64_t credits;
    bool stopped;                               /* the server ends */
    void (*wake)(struct rpc_server_call *call); /* likewise, with no lock held; NULL: nobody */
    struct rpc_server_call *prev_stream;        /* of the server's list, under its lock */
    struct rpc_server_call *next_stream;
};

struct rpc_server_call {
    struct rpc_server *server;
    atomic_uint refs; /* one until it is answered, and one for who cancels it meanwhile */
    struct arena arena;
    struct rpc_context context;
    struct rpc_metadata metadata; /* texts in the arena or in `request_bytes` */
    struct rpc_principal principal;
    enum rpc_trust trust;
    const struct registry_method *method;
    rpc_handler *handler;
    void *self;
    uint32_t timeout_ms; /* as the caller said; 0: none */
    uint32_t credits;    /* likewise, of a streaming method */
    uint64_t call_id;    /* the caller's */
    int64_t received_us;
    struct rpc_payload request_bytes; /* owned; the packed request lies in it … */
    struct span packed;               /* … here */
    ProtobufCMessage *response;
    size_t interceptors_run; /* whose `before` has run */
    bool may_inline;         /* it may run on the thread that resumes it */
    bool admitted;           /* taken although the server drains: its caller did not know yet */
    bool pushed_back;        /* not run: the answer says so */
    bool has_place;          /* it counts for its method's max_in_flight */
    struct rpc_batch *batch; /* it runs in; else NULL */
    struct rpc__flow *flow;  /* of a streaming method, in the arena; else NULL */
    const void *watched;     /* health.c's: what a Watch asks for */
    atomic_bool cancelled;
    atomic_bool finished; /* guards against a second finish */
    const struct rpc__reply *reply;
    void *peer;                        /* the reply's own: where to answer */
    struct rpc_server_call *peer_next; /* the reply's own */
    struct rpc_server_call *next;      /* of a queue, a batch or the free list */
};

/*
 * A fresh call with an empty arena, counted as under way; NULL when out of memory. The transport
 * fills in metadata, trust, timeout_ms, credits, call_id, request_bytes, packed, reply and peer,
 * and hands it over by one of those below.
 */
struct rpc_server_call *rpc__server_call_begin(struct rpc_server *server);
/*
 * Takes the call: runs it here (Health; an EXECUTION_INLINE method if `may_inline`), queues it, or
 * answers it with an error. `method` is NULL if there is none of that name.
 */
void rpc__server_call_dispatch(struct rpc_server_call *call, const struct registry_method *method,
                               bool may_inline);
/* Takes the call and answers it with an error, without running anything. */
void rpc__server_call_refuse(struct rpc_server_call *call, const struct rpc_status *status);
/* Takes the call and gives no answer: there is nobody to answer to. */
void rpc__server_call_drop(struct rpc_server_call *call);

struct rpc__call_list {
    struct rpc_server_call *first; /* linked by next */
    struct rpc_server_call *last;
};

void rpc__call_list_push(struct rpc__call_list *list, struct rpc_server_call *call);

/* Calls that came together, on one thread's stack. All zero at first. */
struct rpc__batch {
    struct rpc_batch shared;
    void *gathered;             /* the early stage's */
    struct rpc__call_list here; /* to be run by this thread */
    struct rpc__call_list workers;
    struct rpc__call_list heavy;
};
/* As dispatch, but what is to be run or queued waits for run_batch. */
void rpc__server_batch_add(struct rpc__batch *batch, struct rpc_server_call *call,
                           const struct registry_method *method);
/* Queues, with one wake-up, and runs all that the batch holds. */
void rpc__server_batch_run(struct rpc_server *server, struct rpc__batch *batch);

/*
 * For a transport whose call may be answered by another thread at any moment: keeps the memory.
 * Taken while the call cannot have been answered.
 */
struct rpc_server_call *rpc__server_call_ref(struct rpc_server_call *call);
void rpc__server_call_unref(struct rpc_server_call *call);
/* The caller has gone: the handler's context says stopped, and what waits is dropped. With a
 * reference held and no lock. */
void rpc__server_call_cancel(struct rpc_server_call *call);
/* The caller takes so many more items. Likewise. */
void rpc__server_call_grant(struct rpc_server_call *call, uint32_t items);
/* Sends an item if there is credit, else RPC_RESOURCE_EXHAUSTED; never blocks. */
enum rpc_code rpc__server_call_try_send(struct rpc_server_call *call, const ProtobufCMessage *item);
/* What is called when credit has come or the caller has gone, also once too often; it may find the
 * call ended already. */
void rpc__server_call_on_wake(struct rpc_server_call *call,
                              void (*wake)(struct rpc_server_call *call));
/* Makes and ends what a streaming call has beside the others. Init before anyone else can see the
 * call; false when out of memory. */
bool rpc__server_call_flow_init(struct rpc_server_call *call);
/* Ends the waiting of all streaming calls: the server ends. */
void rpc__server_stop_streams(struct rpc_server *server);
void rpc__server_call_flow_fini(struct rpc_server_call *call);

/* The server's own method for one that may belong to another registry; NULL: none. */
const struct registry_method *rpc__server_method(const struct rpc_server *server,
                                                 const struct registry_method *method);
const struct registry_method *rpc__server_method_named(const struct rpc_server *server,
                                                       const char *name);
/* Whether it drains, for health and push-back. */
bool rpc__server_draining(const struct rpc_server *server);
/* Whether it serves the service of that full name. */
bool rpc__server_serves(const struct rpc_server *server, const char *service_name);
/* All services that it serves, its own included. */
size_t rpc__server_service_count(const struct rpc_server *server);
const ProtobufCServiceDescriptor *rpc__server_service_at(const struct rpc_server *server,
                                                         size_t index);
const struct registry *rpc__server_registry(const struct rpc_server *server);
/* What it has for TLS, or NULL. */
const struct rpc_tls *rpc__server_tls(const struct rpc_server *server);
/* Calls waiting for a worker at most, in each of the two pools. */
size_t rpc__server_queue_max(const struct rpc_server *server);
/* Calls begun and not ended. */
size_t rpc__server_under_way(const struct rpc_server *server);

/* The handlers of lotcast.v1.Health; `self` is the server. */
extern rpc_handler *const rpc__health_handlers[];

/* The handlers of lotcast.v1.Metrics; `self` is the server. */
extern rpc_handler *const rpc__metrics_handlers[];

/* The handlers of lotcast.v1.Reflection; `self` is the server. */
extern rpc_handler *const rpc__reflection_handlers[];

/* A listening socket of a server; what a transport's own listener begins with. */
struct rpc__listener {
    const struct rpc__listener_ops *ops;
};

struct rpc__listener_ops {
    /* The server drains: tells the other ends to make their new calls elsewhere. May be NULL. */
    void (*drain)(struct rpc__listener *listener);
    /* Whether they all know, so that no call is on its way. May be NULL. */
    bool (*drained)(struct rpc__listener *listener);
    /* Closes the socket and frees; no call of it may be under way. Returns false if its library did
     * not let go in time: then the listener, and what it points to, must not be freed. */
    bool (*close)(struct rpc__listener *listener);
};

/* For req+ipc://, req+tcp://, and for ipc://, tcp://, tls+tcp://. */
enum rpc_code rpc__reqrep_listen(struct rpc_server *server, const char *url, enum rpc_trust trust,
                                 struct rpc__listener **ret_listener, struct rpc_status *status);
enum rpc_code rpc__stream_listen(struct rpc_server *server, const char *url, enum rpc_trust trust,
                                 struct rpc__listener **ret_listener, struct rpc_status *status);

/* ---------------------------------------------------------------- workers: pool.c */

struct rpc__pool;
/*
 * Starts `threads` workers that call `run` with each call submitted, in order. NULL when that
 * fails. `depth` counts those that wait. `run_us` above 0: calls that would wait for more than half
 * of the time they have are refused as if the queue were full; it is how long one runs until that
 * has been measured.
 */
struct rpc__pool *rpc__pool_create(const char *thread_name, unsigned threads, size_t queue_max,
                                   int64_t run_us, struct metric *depth,
                                   void (*run)(struct rpc_server_call *));
/* False when the queue is full or the pool has stopped; the call stays the caller's. */
bool rpc__pool_submit(struct rpc__pool *pool, struct rpc_server_call *call);
/* Submits those of the list that fit, with one wake-up; the list keeps the others. */
void rpc__pool_submit_all(struct rpc__pool *pool, struct rpc__call_list *list);
/* Lets the workers finish what they run, joins them; returns the calls that had not begun, linked
 * by next. */
struct rpc_server_call *rpc__pool_stop(struct rpc__pool *pool);
void rpc__pool_destroy(struct rpc__pool *pool);

/* ---------------------------------------------------------------- metrics: metric_table.c */

/*
 * The process's metric of that name and labels, made and registered at its first use; it lives as
 * long as the process. NULL when out of memory. `name` and `help` are constants, labels are copied.
 */
struct metric *rpc__metric_get(enum metric_kind kind, const char *name, const char *help,
                               const char *labels);

#endif
