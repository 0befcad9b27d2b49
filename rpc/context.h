/*
 * What a piece of work carries along its calls: memory, deadline, trace. Made by the server for
 * each call, and by the job runner for each step; handed to everything that calls further.
 */
#ifndef RPC_CONTEXT_H
#define RPC_CONTEXT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "rpc/base/arena.h"

/* Longest request id and traceparent, in bytes with their NUL. */
#define RPC_REQUEST_ID_BYTES 65
#define RPC_TRACEPARENT_BYTES 56

struct rpc_context {
    struct arena *arena; /* freed at the end of the work; one thread at a time */
    int64_t deadline_ms; /* on clock_mono_ms(); INT64_MAX: none */
    char request_id[RPC_REQUEST_ID_BYTES];
    char traceparent[RPC_TRACEPARENT_BYTES]; /* W3C, or "" */
    const atomic_bool *cancelled;            /* NULL: cannot be cancelled */
    bool waits_for_ready; /* nobody waits for an answer: its calls wait for a service that is away,
                             within the deadline */
};

/* Time left until the deadline in ms, 0 when it has passed. */
int64_t rpc_context_left_ms(const struct rpc_context *context);
/* Whether the caller has gone or the deadline has passed: long work asks now and then, and stops.
 */
bool rpc_context_stopped(const struct rpc_context *context);

#endif
