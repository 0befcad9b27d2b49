/*
 * Streams and cancelling, on the server's side.
 *
 * A streaming call sends an item for each credit that its caller has given. Its handler waits for
 * credit on a worker (rpc_server_call_send), or, having deferred, is woken by its `wake`
 * (health.c). Credit and the caller's leaving come on the transport's threads, which hold a
 * reference meanwhile; flow->lock is innermost.
 */
#include "rpc/base/clock.h"
#include "rpc/server_internal.h"

/* Credit at most; what goes beyond it is as good as endless. */
#define CREDITS_MAX UINT32_MAX

bool rpc__server_call_flow_init(struct rpc_server_call *call)
{
    struct rpc__flow *flow = arena_calloc(&call->arena, 1, sizeof *flow);
    if (flow == NULL)
        return false;
    (void)pthread_mutex_init(&flow->lock, NULL);
    rpc__cond_init(&flow->changed);
    flow->credits = call->credits;
    call->flow = flow;
    struct rpc_server *server = call->server;
    (void)pthread_mutex_lock(&server->lock);
    flow->next_stream = server->streams;
    if (server->streams != NULL)
        server->streams->flow->prev_stream = call;
    server->streams = call;
    (void)pthread_mutex_unlock(&server->lock);
    return true;
}

void rpc__server_call_flow_fini(struct rpc_server_call *call)
{
    struct rpc__flow *flow = call->flow;
    struct rpc_server *server = call->server;
    if (flow == NULL)
        return;
    (void)pthread_mutex_lock(&server->lock);
    if (flow->prev_stream == NULL)
        server->streams = flow->next_stream;
    else
        flow->prev_stream->flow->next_stream = flow->next_stream;
    if (flow->next_stream != NULL)
        flow->next_stream->flow->prev_stream = flow->prev_stream;
    (void)pthread_mutex_unlock(&server->lock);
    (void)pthread_cond_destroy(&flow->changed);
    (void)pthread_mutex_destroy(&flow->lock);
    call->flow = NULL;
}

void rpc__server_stop_streams(struct rpc_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    for (struct rpc_server_call *call = server->streams; call != NULL;
         call = call->flow->next_stream) {
        (void)pthread_mutex_lock(&call->flow->lock);
        call->flow->stopped = true;
        (void)pthread_cond_broadcast(&call->flow->changed);
        (void)pthread_mutex_unlock(&call->flow->lock);
    }
    (void)pthread_mutex_unlock(&server->lock);
}

/* Tells whoever waits. */
static void tell(struct rpc_server_call *call, uint32_t items)
{
    struct rpc__flow *flow = call->flow;
    if (flow == NULL)
        return;
    (void)pthread_mutex_lock(&flow->lock);
    flow->credits += items;
    if (flow->credits > CREDITS_MAX)
        flow->credits = CREDITS_MAX;
    (void)pthread_cond_broadcast(&flow->changed);
    void (*wake)(struct rpc_server_call *) = flow->wake;
    (void)pthread_mutex_unlock(&flow->lock);
    if (wake != NULL)
        wake(call);
}

void rpc__server_call_cancel(struct rpc_server_call *call)
{
    atomic_store(&call->cancelled, true);
    tell(call, 0);
}

void rpc__server_call_grant(struct rpc_server_call *call, uint32_t items)
{
    tell(call, items);
}

void rpc__server_call_on_wake(struct rpc_server_call *call,
                              void (*wake)(struct rpc_server_call *call))
{
    (void)pthread_mutex_lock(&call->flow->lock);
    call->flow->wake = wake;
    (void)pthread_mutex_unlock(&call->flow->lock);
}

enum rpc_code rpc__server_call_try_send(struct rpc_server_call *call, const ProtobufCMessage *item)
{
    struct rpc__flow *flow = call->flow;
    (void)pthread_mutex_lock(&flow->lock);
    bool may = flow->credits > 0;
    if (may)
        flow->credits--;
    (void)pthread_mutex_unlock(&flow->lock);
    if (!may)
        return RPC_RESOURCE_EXHAUSTED;
    return call->reply->item(call, item, protobuf_c_message_get_packed_size(item));
}

/* Takes a credit, waiting for one. */
static enum rpc_code take_credit(struct rpc_server_call *call, struct rpc_status *status)
{
    struct rpc__flow *flow = call->flow;
    struct timespec until = rpc__timespec_of_ms(call->context.deadline_ms);
    enum rpc_code code = RPC_OK;
    (void)pthread_mutex_lock(&flow->lock);
    while (flow->credits == 0 && !flow->stopped && !rpc_context_stopped(&call->context))
        (void)pthread_cond_timedwait(&flow->changed, &flow->lock, &until);
    if (atomic_load(&call->cancelled))
        code = rpc_status_set(status, RPC_CANCELLED, "the call was cancelled");
    else if (flow->stopped)
        code = rpc_status_set(status, RPC_UNAVAILABLE, "the server ends");
    else if (flow->credits == 0)
        code = rpc_status_set(status, RPC_DEADLINE_EXCEEDED, "the call took too long");
    else
        flow->credits--;
    (void)pthread_mutex_unlock(&flow->lock);
    return code;
}

enum rpc_code rpc_server_call_send(struct rpc_server_call *call, const void *item,
                                   struct rpc_status *status)
{
    size_t bytes = protobuf_c_message_get_packed_size(item);
    if (call->flow == NULL)
        return rpc_status_set(status, RPC_INTERNAL, "the method does not stream");
    if (bytes > RPC_MESSAGE_BYTES_MAX)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
    enum rpc_code code = take_credit(call, status);
    if (code != RPC_OK)
        return code;
    code = call->reply->item(call, item, bytes);
    return code == RPC_OK ? RPC_OK : rpc_status_set(status, code, "the item could not be sent");
}
