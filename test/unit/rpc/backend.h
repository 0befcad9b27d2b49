/*
 * Servers that a list of addresses leads to: each answers lotcast.v1.Store as it is told.
 */
#ifndef TEST_UNIT_RPC_BACKEND_H
#define TEST_UNIT_RPC_BACKEND_H

#include "test/unit/rpc/fixture.h"

#define BACKEND_COMMIT "lotcast.v1.Store/Commit"

enum backend_answer {
    BACKEND_OK,
    BACKEND_PLAIN_UNAVAILABLE, /* as a server that is going away */
    BACKEND_UNAVAILABLE,       /* the application's word */
    BACKEND_INVALID,
    BACKEND_FULL,      /* RESOURCE_EXHAUSTED, plain, without a push-back */
    BACKEND_PUSH_BACK, /* the same with one, of the handler's own */
    BACKEND_HANG,      /* until the caller has gone or `hangs` is cleared */
};

struct backend {
    struct rpc_service service;
    struct rpc_server *server; /* NULL: not running */
    char url[128];
    atomic_int answer;  /* of the next `times` calls; then BACKEND_OK */
    atomic_int times;   /* -1: of all */
    atomic_uint ran;    /* handlers begun */
    atomic_uint failed; /* of them, those that did not answer OK */
    atomic_bool hangs;
};

/* A backend at a socket of that name in the directory, not running yet. */
void backend_init(struct backend *backend, const char *directory, const char *name);
/* The options may set workers and queue_max. */
void backend_start(struct backend *backend, struct rpc_server_options options);
void backend_stop(struct backend *backend);
void backend_tell(struct backend *backend, enum backend_answer answer, int times);

/* A channel to all of them. */
struct rpc_channel *backend_channel(struct backend *const backends[], size_t count,
                                    const struct rpc_channel_retry *retry, size_t calls_max);
/* Waits until calls reach each of them, then counts from 0. */
void backend_await_ready(struct rpc_channel *channel, struct backend *const backends[],
                         size_t count);
/* Calls a method of Store with an empty request and waits. */
enum rpc_code backend_call(struct rpc_channel *channel, const char *method, int64_t timeout_ms,
                           bool wait_for_ready, struct rpc_status *status);

#endif
