/*
 * direct: a server in the same process. The request is packed into the call's arena and the answer
 * into memory that the caller gets, so that neither side can change what the other holds; there is
 * no envelope.
 *
 * The server's side holds a reference on the client's call until it has answered, which may be
 * after the caller went. Until then the client's call holds one on the server's (call->direct), by
 * which it cancels it and gives it credit.
 */
#include <stdlib.h>

#include "rpc/internal.h"

static enum rpc_code direct_open(struct rpc_channel *channel,
                                 const struct rpc_channel_options *options, void **ret_state,
                                 struct rpc_status *status)
{
    (void)channel;
    if (options->server == NULL)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "direct: needs a server");
    *ret_state = options->server;
    return RPC_OK;
}

static void direct_close(void *state)
{
    (void)state; /* the server is its owner's */
}

static void free_bytes(struct rpc_payload *payload)
{
    free(payload->owner);
}

/* The packed body in memory of its own; false when there is none. */
static bool pack(const struct rpc__body *body, struct rpc_payload *ret_payload)
{
    /* One byte more, so that an empty message has memory too. */
    uint8_t *bytes = malloc(body->bytes + 1);
    if (bytes == NULL)
        return false;
    rpc__body_pack(body, bytes);
    *ret_payload = (struct rpc_payload){{bytes, body->bytes}, free_bytes, bytes};
    return true;
}

/* Takes the server's call off the client's. */
static struct rpc_server_call *take_server_call(struct rpc_call *call)
{
    (void)pthread_mutex_lock(&call->direct_lock);
    struct rpc_server_call *server_call = call->direct;
    call->direct = NULL;
    (void)pthread_mutex_unlock(&call->direct_lock);
    return server_call;
}

static void direct_answer(struct rpc_server_call *server_call, const struct rpc_status *status,
                          const struct rpc__body *body)
{
    struct rpc_call *call = server_call->peer;
    struct rpc_payload payload = {0};
    struct rpc_status memory;
    if (body != NULL && !pack(body, &payload)) {
        (void)rpc_status_set(&memory, RPC_RESOURCE_EXHAUSTED, "out of memory");
        status = &memory;
    }
    struct rpc_server_call *linked = take_server_call(call);
    rpc__call_finish(call, status, &payload);
    rpc_call_unref(call);
    if (linked != NULL)
        rpc__server_call_unref(linked);
}

static enum rpc_code direct_item(struct rpc_server_call *server_call, const ProtobufCMessage *item,
                                 size_t item_bytes)
{
    struct rpc_payload payload;
    const struct rpc__body body = {.message = item, .bytes = item_bytes};
    if (!pack(&body, &payload))
        return RPC_RESOURCE_EXHAUSTED;
    return rpc__call_item(server_call->peer, &payload) ? RPC_OK : RPC_INTERNAL;
}

static const struct rpc__reply direct_reply = {.answer = direct_answer, .item = direct_item};

/* Copies what is borrowed into the call's arena. False: the arena is full. */
static bool copy_in(struct rpc_server_call *server_call, const struct rpc__outgoing *out)
{
    for (size_t i = 0; i < out->metadata->count; i++) {
        const char *key = arena_strdup(&server_call->arena, out->metadata->entries[i].key);
        const char *value = arena_strdup(&server_call->arena, out->metadata->entries[i].value);
        if (key == NULL || value == NULL)
            return false;
        server_call->metadata.entries[i] = (struct rpc_metadata_entry){key, value};
    }
    server_call->metadata.count = out->metadata->count;
    uint8_t *packed = arena_alloc(&server_call->arena, out->payload_bytes);
    if (packed == NULL)
        return false;
    rpc__outgoing_pack(out, packed);
    server_call->packed = span_of(packed, out->payload_bytes);
    return true;
}

static void direct_start(void *state, struct rpc_call *call, const struct rpc__outgoing *out)
{
    struct rpc_server *server = state;
    struct rpc_status status;
    struct rpc_server_call *server_call = rpc__server_call_begin(server);
    if (server_call == NULL) {
        (void)rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "out of memory");
        rpc__call_finish(call, &status, NULL);
        rpc_call_unref(call);
        return;
    }
    server_call->reply = &direct_reply;
    server_call->peer = call; /* with the transport's reference */
    server_call->trust = RPC_TRUST_ROLE;
    server_call->timeout_ms = out->timeout_ms;
    server_call->credits = out->credits;
    bool fits = copy_in(server_call, out);
    if (fits && call->method->server_streaming)
        fits = rpc__server_call_flow_init(server_call);
    (void)pthread_mutex_lock(&call->direct_lock);
    call->direct = rpc__server_call_ref(server_call);
    (void)pthread_mutex_unlock(&call->direct_lock);
    if (!fits) {
        (void)rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "out of memory");
        rpc__server_call_refuse(server_call, &status);
        return;
    }
    rpc__server_call_dispatch(server_call, rpc__server_method(server, out->request->method), true);
}

/* The server's call with a reference, or NULL if it has been answered. */
static struct rpc_server_call *ref_server_call(struct rpc_call *call)
{
    (void)pthread_mutex_lock(&call->direct_lock);
    struct rpc_server_call *server_call =
        call->direct == NULL ? NULL : rpc__server_call_ref(call->direct);
    (void)pthread_mutex_unlock(&call->direct_lock);
    return server_call;
}

static void direct_cancel(void *state, struct rpc_call *call)
{
    (void)state;
    struct rpc_server_call *server_call = ref_server_call(call);
    if (server_call == NULL)
        return;
    rpc__server_call_cancel(server_call);
    rpc__server_call_unref(server_call);
}

static void direct_grant(void *state, struct rpc_call *call, uint32_t items)
{
    (void)state;
    struct rpc_server_call *server_call = ref_server_call(call);
    if (server_call == NULL)
        return;
    rpc__server_call_grant(server_call, items);
    rpc__server_call_unref(server_call);
}

static bool direct_is_ready(void *state)
{
    return !rpc__server_draining(state);
}

const struct rpc__transport rpc__transport_direct = {
    .open = direct_open,
    .close = direct_close,
    .start = direct_start,
    .cancel = direct_cancel,
    .grant = direct_grant,
    .is_ready = direct_is_ready,
};
