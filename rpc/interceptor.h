/*
 * Interceptors that every server and channel of ours uses.
 */
#ifndef RPC_INTERCEPTOR_H
#define RPC_INTERCEPTOR_H

#include "rpc/channel.h"
#include "rpc/server.h"

/*
 * Takes request id and traceparent from the metadata into the call's context (making a request id
 * where there is none), caps the deadline at the method's own, writes one log line a call and
 * counts calls by method and code with their latency. Put it first. `registry` is borrowed for its
 * life.
 */
struct rpc_server_interceptor rpc_interceptor_trace_server(const struct registry *registry);

/* Counts calls of a channel by method and code with their latency. */
struct rpc_client_interceptor rpc_interceptor_trace_client(const struct registry *registry);

#endif
