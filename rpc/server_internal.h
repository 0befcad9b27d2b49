/*
 * A server's insides, for server.c, server_call.c and health.c alone.
 */
#ifndef RPC_SERVER_INTERNAL_H
#define RPC_SERVER_INTERNAL_H

#include "rpc/internal.h"

#define RPC__LISTENERS_MAX 8
/* Push-back, in ms: a full queue has moved on by then; a server that drains has a successor. */
#define RPC__QUEUE_RETRY_AFTER_MS 100
#define RPC__DRAIN_RETRY_AFTER_MS 1000
/* A method that is full is a slow one: longer than a channel makes a call again by itself. */
#define RPC__METHOD_RETRY_AFTER_MS 1000

struct rpc__entry {
    rpc_handler *handler; /* NULL: not served here */
    void *self;
    atomic_uint in_flight; /* calls that count for the method's max_in_flight */
    /* Of a method with a limit; NULL: not counted. */
    struct metric *in_flight_now;
    struct metric *refused;
};

struct rpc_server {
    char name[16];
    const struct registry *registry;
    struct rpc__entry *entries; /* by registry index */
    size_t entry_count;
    const struct rpc_service *services;
    size_t service_count;
    const struct rpc_server_interceptor *interceptors;
    size_t interceptor_count;
    const struct rpc_server_early *early;
    size_t queue_max;
    bool runs_inline;
    const struct rpc_tls *tls;
    struct rpc__pool *workers;
    struct rpc__pool *heavy;
    struct rpc__listener *listeners[RPC__LISTENERS_MAX];
    size_t listener_count;
    struct metric *refused_full;
    struct metric *refused_method_full;
    struct metric *refused_expired;
    struct metric *refused_cancelled;
    struct metric *refused_unknown;

    atomic_bool draining;
    atomic_size_t under_way;
    pthread_mutex_t lock;
    pthread_cond_t idle;                /* under_way has become 0 */
    struct rpc_server_call *free_calls; /* under lock */
    size_t free_count;                  /* under lock */
    struct rpc_server_call *streams;    /* streaming calls; under lock */
    struct rpc_server_call *watchers;   /* of health, linked by next; under watch_lock */
    pthread_mutex_t watch_lock;
};

/* A worker's: runs a call, or drops it if nobody waits for it any more. */
void rpc__server_call_run(struct rpc_server_call *call);
/* Takes a call that was not run, and says when to try again. */
void rpc__server_call_push_back(struct rpc_server_call *call, enum rpc_code code,
                                uint32_t retry_after_ms);
/* Frees a call of the free list. */
void rpc__server_call_free(struct rpc_server_call *call);
/* Tells those who watch the server's health that it drains, and ends their calls. */
void rpc__health_drain(struct rpc_server *server);

#endif
