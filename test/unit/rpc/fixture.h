/*
 * A server under test: lotcast.v1.Store with handlers of the test's own, which do what the request
 * says. Query runs on the workers, Read is inline, Auth's SignUp is heavy.
 */
#ifndef TEST_UNIT_RPC_FIXTURE_H
#define TEST_UNIT_RPC_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lotcast/v1/store.pb-c.h"
#include "rpc/channel.h"
#include "rpc/registry.h"
#include "rpc/server.h"

#define FIXTURE_QUERY "lotcast.v1.Store/Query"
#define FIXTURE_READ "lotcast.v1.Store/Read"
#define FIXTURE_SIGN_UP "lotcast.v1.Auth/SignUp"
#define FIXTURE_HEALTH "lotcast.v1.Health/Check"

/* What Query does; the request's `offset`. `range.cursor` is its argument. */
enum fixture_action {
    ACTION_ECHO,      /* rows[0].value is the argument */
    ACTION_FAIL,      /* EMAIL_TAKEN with all details */
    ACTION_WAIT,      /* waits for the gate, then echoes */
    ACTION_DEFER,     /* another thread waits for the gate and finishes */
    ACTION_BIG,       /* rows[0].value has range.limit bytes */
    ACTION_LEFT,      /* total is the time left in ms */
    ACTION_METADATA,  /* rows[0].value is the metadata's value of the key in the argument */
    ACTION_STOPPED,   /* waits until the context says stopped */
    ACTION_THREAD,    /* total is the thread's id */
    ACTION_PRINCIPAL, /* total is the request id's length */
};

struct fixture {
    struct registry *registry;
    struct rpc_server *server;
    struct rpc_service services[2];
    struct rpc_server_interceptor interceptors[2];
    size_t interceptor_count;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool gate_open;
    unsigned waiting;    /* handlers at the gate */
    atomic_uint ran;     /* handlers begun */
    atomic_uint stopped; /* handlers that saw the context's end */
    atomic_uint batches; /* of reads that came together */
};

/* The registry of all declarations; made once, lives as long as the process. */
struct registry *fixture_registry(void);
const struct registry_method *fixture_method(const char *name);

void fixture_init(struct fixture *fixture);
/* Starts the server; `options` may set workers, heavy_workers and queue_max. */
void fixture_start(struct fixture *fixture, struct rpc_server_options options);
void fixture_listen(struct fixture *fixture, const char *url);
void fixture_stop(struct fixture *fixture);
void fixture_gate(struct fixture *fixture, bool open);
/* A handler's: until the gate is open. */
void fixture_wait_at_gate(struct fixture *fixture);
/* Waits until so many handlers are at the gate. */
void fixture_await_waiting(struct fixture *fixture, unsigned count);

/* Opens a channel and, if there is a fixture, waits until it is connected. */
struct rpc_channel *fixture_channel(struct fixture *fixture, const char *url);

/* A context with an arena of its own. */
struct fixture_context {
    struct arena arena;
    struct rpc_context context;
};
void fixture_context_init(struct fixture_context *context, int64_t timeout_ms);
void fixture_context_fini(struct fixture_context *context);

/* A Query with its sub-message, ready to be sent. */
struct fixture_query {
    Lotcast__V1__QueryRequest request;
    Lotcast__V1__RangeOp range;
};
void fixture_query_init(struct fixture_query *query, enum fixture_action action,
                        const char *argument);

/* Calls Query and waits. `ret_response` may be NULL. */
enum rpc_code fixture_call(struct rpc_channel *channel, struct fixture_context *context,
                           enum fixture_action action, const char *argument,
                           const Lotcast__V1__QueryResponse **ret_response,
                           struct rpc_status *status);

/* An asynchronous call under test. */
struct fixture_async {
    pthread_mutex_t lock;
    pthread_cond_t over;
    unsigned done; /* times that `done` came */
    struct rpc_status status;
    size_t payload_bytes;
    struct rpc_call *call;
};
void fixture_async_start(struct fixture_async *async, struct rpc_channel *channel,
                         struct fixture_context *context, enum fixture_action action,
                         bool wait_for_ready);
/* The same for any call that does not stream. */
void fixture_async_begin(struct fixture_async *async, struct rpc_channel *channel,
                         struct fixture_context *context, const struct registry_method *method,
                         const ProtobufCMessage *message);
/* Waits for `done` (10 s at most), drops the handle and returns the code. */
enum rpc_code fixture_async_wait(struct fixture_async *async);

#endif
