/*
 * The server side of req+ipc:// and req+tcp://: NNG's REP protocol over connections of our own
 * (nng_conn.c says why), so that any NNG REQ socket can call.
 *
 * A thread accepts. Messages come on NNG's threads, which read the header and hand over; the two
 * things answered there are health and refusals. A call holds a reference on the connection it came
 * by and answers there, whatever became of it meanwhile. A full queue is answered with push-back,
 * so a connection is never left unread.
 *
 * The listener's connections stand in `conns` from accept to their `closed`; closing waits for
 * that.
 */
#include <stdlib.h>
#include <unistd.h>

#include "rpc/nng_internal.h"

#include "rpc/base/clock.h"
#include "rpc/wire.h"

/* Connections at once. Each may make us set aside a packet's size, once it claims to send one. */
#define CONNS_MAX 512
/* Calls that run or are deferred at most, beyond those that both queues hold. */
#define CALLS_SPARE 2048
/* SP's header in front of a packet: hops of 4 bytes, the last of which has the highest bit set. */
#define HOP_BYTES 4
#define HOPS_MAX 8
/* How long closing waits for answers to leave, and for NNG to let go, in ms. */
#define FLUSH_WAIT_MS 1000
#define CLOSE_WAIT_MS 2000
#define CLOSE_POLL_US 2000

struct reqrep_listener {
    struct rpc__listener base;
    struct rpc_server *server;
    enum rpc_trust trust;
    struct rpc__nng_address address;
    struct rpc__acceptor *acceptor;
    size_t calls_max;

    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t changed; /* a connection has ended */
    bool stopping;
    struct rpc__conn *conns[CONNS_MAX]; /* references */
    size_t conn_count;
};

/* Where a call is answered; in its arena. */
struct peer {
    struct rpc__conn *conn; /* a reference */
    size_t hops_bytes;
    uint8_t hops[HOPS_MAX * HOP_BYTES];
};

/* --- answering --- */

static struct rpc__frame *make_packet(struct rpc_server_call *call,
                                      Lotcast__V1__PacketHeader *header,
                                      const struct rpc__body *body)
{
    const struct peer *peer = call->peer;
    uint8_t *payload;
    header->call_id = call->call_id;
    struct rpc__frame *frame =
        rpc__frame_packet(header, peer->hops_bytes, body == NULL ? 0 : body->bytes, &payload, NULL);
    if (frame == NULL)
        return NULL;
    memcpy(frame->message, peer->hops, peer->hops_bytes);
    if (body != NULL)
        rpc__body_pack(body, payload);
    return frame;
}

static struct rpc__frame *make_answer(struct rpc_server_call *call, const struct rpc_status *status,
                                      const struct rpc__body *body)
{
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    Lotcast__V1__Status plain = LOTCAST__V1__STATUS__INIT;
    header.type = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_RESPONSE;
    if (status->code != RPC_OK) {
        header.status = rpc_status_to_message(status, &call->arena);
        if (header.status == NULL) { /* the arena is full, which is likely why */
            plain.code = (uint32_t)status->code;
            plain.reason = status->reason;
            header.status = &plain;
        }
    }
    return make_packet(call, &header, body);
}

/* Sends the frame where the call came from. A peer that does not take its answers is cut off. */
static void send_to_peer(const struct peer *peer, struct rpc__frame *frame)
{
    if (frame == NULL || rpc__conn_send(peer->conn, frame) == RPC_RESOURCE_EXHAUSTED)
        rpc__conn_close(peer->conn);
    rpc__conn_unref(peer->conn);
}

static void reqrep_answer(struct rpc_server_call *call, const struct rpc_status *status,
                          const struct rpc__body *body)
{
    struct rpc__frame *frame = make_answer(call, status, body);
    if (frame == NULL) {
        struct rpc_status memory;
        (void)rpc_status_set(&memory, RPC_RESOURCE_EXHAUSTED, "out of memory");
        frame = make_answer(call, &memory, NULL);
    }
    send_to_peer(call->peer, frame);
}

static const struct rpc__reply reqrep_reply = {.answer = reqrep_answer};

static void answer_ping(struct rpc_server_call *call)
{
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    header.type = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING;
    send_to_peer(call->peer, make_packet(call, &header, NULL));
    rpc__server_call_drop(call);
}

/* --- receiving --- */

static void refuse(struct rpc_server_call *call, enum rpc_code code, const char *message)
{
    struct rpc_status status;
    (void)rpc_status_set(&status, code, "%s", message);
    rpc__server_call_refuse(call, &status);
}

/* Hands a call over whose packet was read. */
static void receive_packet(struct rpc_server_call *call, const Lotcast__V1__PacketHeader *header)
{
    call->call_id = header->call_id;
    call->timeout_ms = header->timeout_ms;
    switch ((int)header->type) {
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST:
        break;
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING:
        answer_ping(call);
        return;
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CANCEL:
        refuse(call, RPC_UNIMPLEMENTED, "REQ/REP carries no cancellation");
        return;
    default:
        refuse(call, RPC_INVALID_ARGUMENT, "a client sends requests");
        return;
    }
    for (size_t i = 0; i < header->n_metadata; i++)
        (void)rpc_metadata_add(&call->metadata, header->metadata[i]->key,
                               header->metadata[i]->value);
    const struct registry_method *method = rpc__server_method_named(call->server, header->method);
    if (method != NULL && method->server_streaming)
        refuse(call, RPC_UNIMPLEMENTED, "REQ/REP carries no streams");
    else
        rpc__server_call_dispatch(call, method, false);
}

/* Bytes of SP's header in front of the packet; 0 if there is none. */
static size_t measure_hops(const struct rpc__frame *frame)
{
    for (size_t i = 0; i < HOPS_MAX && frame->len >= (i + 1) * HOP_BYTES; i++)
        if ((frame->message[i * HOP_BYTES] & 0x80) != 0)
            return (i + 1) * HOP_BYTES;
    return 0;
}

static bool on_message(void *arg, struct rpc__conn *conn, struct rpc__frame *frame)
{
    struct reqrep_listener *listener = arg;
    size_t hops_bytes = measure_hops(frame);
    struct rpc_server_call *call =
        hops_bytes == 0 ? NULL : rpc__server_call_begin(listener->server);
    struct peer *peer = call == NULL ? NULL : arena_alloc(&call->arena, sizeof *peer);
    if (peer == NULL) { /* not SP, or no memory, not even to say so */
        if (call != NULL)
            rpc__server_call_drop(call);
        free(frame);
        return false;
    }
    peer->conn = rpc__conn_ref(conn);
    peer->hops_bytes = hops_bytes;
    memcpy(peer->hops, frame->message, hops_bytes);
    struct span packet = span_of(frame->message + hops_bytes, frame->len - hops_bytes);
    call->request_bytes = rpc__frame_payload(frame, packet);
    call->trust = listener->trust;
    call->reply = &reqrep_reply;
    call->peer = peer;
    Lotcast__V1__PacketHeader *header;
    struct rpc_status status;
    if (wire_read(packet, &call->arena, &header, &call->packed, &status) != RPC_OK)
        rpc__server_call_refuse(call, &status);
    else if (rpc__server_under_way(listener->server) > listener->calls_max)
        refuse(call, RPC_RESOURCE_EXHAUSTED, "too many calls at once");
    else
        receive_packet(call, header);
    return true;
}

static void on_closed(void *arg, struct rpc__conn *conn)
{
    struct reqrep_listener *listener = arg;
    (void)pthread_mutex_lock(&listener->lock);
    for (size_t i = 0; i < listener->conn_count; i++) {
        if (listener->conns[i] != conn)
            continue;
        listener->conns[i] = listener->conns[--listener->conn_count];
        break;
    }
    (void)pthread_cond_broadcast(&listener->changed); /* it may be gone once this is unlocked */
    (void)pthread_mutex_unlock(&listener->lock);
    rpc__conn_unref(conn); /* that of `conns` */
}

static const struct rpc__conn_events conn_events = {.message = on_message, .closed = on_closed};

/* --- connections --- */

static void take_stream(void *arg, nng_stream *stream)
{
    struct reqrep_listener *listener = arg;
    struct rpc__conn *conn = rpc__conn_create(stream, listener->address.ipc, SP_PROTOCOL_REP,
                                              SP_PROTOCOL_REQ, &conn_events, listener);
    if (conn == NULL)
        return;
    (void)pthread_mutex_lock(&listener->lock);
    bool fits = !listener->stopping && listener->conn_count < CONNS_MAX;
    if (fits)
        listener->conns[listener->conn_count++] = rpc__conn_ref(conn);
    (void)pthread_mutex_unlock(&listener->lock);
    if (fits) {
        rpc__conn_start(conn);
    } else {
        rpc__conn_unref(conn); /* never begun: the operations' reference is ours too */
    }
    rpc__conn_unref(conn);
}

static const struct rpc__acceptor_events acceptor_events = {.stream = take_stream};

/* --- closing --- */

static void listener_free(struct reqrep_listener *listener)
{
    (void)pthread_cond_destroy(&listener->changed);
    (void)pthread_mutex_destroy(&listener->lock);
    free(listener);
}

static bool all_flushed(struct reqrep_listener *listener)
{
    bool flushed = true;
    (void)pthread_mutex_lock(&listener->lock);
    for (size_t i = 0; i < listener->conn_count; i++)
        flushed = flushed && rpc__conn_flushed(listener->conns[i]);
    (void)pthread_mutex_unlock(&listener->lock);
    return flushed;
}

/* Closes all connections and waits for their ends. */
static bool close_conns(struct reqrep_listener *listener)
{
    struct timespec until = rpc__timespec_of_ms(clock_mono_ms() + CLOSE_WAIT_MS);
    int rc = 0;
    (void)pthread_mutex_lock(&listener->lock);
    for (size_t i = 0; i < listener->conn_count; i++)
        rpc__conn_close(listener->conns[i]);
    while (listener->conn_count > 0 && rc == 0)
        rc = pthread_cond_timedwait(&listener->changed, &listener->lock, &until);
    bool closed = listener->conn_count == 0;
    (void)pthread_mutex_unlock(&listener->lock);
    return closed;
}

static bool listener_close(struct rpc__listener *base)
{
    struct reqrep_listener *listener = (struct reqrep_listener *)base;
    (void)pthread_mutex_lock(&listener->lock);
    listener->stopping = true;
    (void)pthread_mutex_unlock(&listener->lock);
    rpc__acceptor_close(listener->acceptor);
    int64_t until_ms = clock_mono_ms() + FLUSH_WAIT_MS;
    while (!all_flushed(listener) && clock_mono_ms() < until_ms)
        (void)usleep(CLOSE_POLL_US);
    if (!close_conns(listener))
        return false;
    listener_free(listener);
    return true;
}

static const struct rpc__listener_ops listener_ops = {.close = listener_close};

/* --- opening --- */

static struct reqrep_listener *listener_create(struct rpc_server *server,
                                               const struct rpc__nng_address *address,
                                               enum rpc_trust trust)
{
    struct reqrep_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return NULL;
    listener->base.ops = &listener_ops;
    listener->server = server;
    listener->trust = trust;
    listener->address = *address;
    listener->calls_max = 2 * rpc__server_queue_max(server) + CALLS_SPARE;
    (void)pthread_mutex_init(&listener->lock, NULL);
    rpc__cond_init(&listener->changed);
    return listener;
}

enum rpc_code rpc__reqrep_listen(struct rpc_server *server, const char *url, enum rpc_trust trust,
                                 struct rpc__listener **ret_listener, struct rpc_status *status)
{
    struct rpc__nng_address address;
    enum rpc_code code = rpc__nng_address_parse(url, &address, status);
    if (code != RPC_OK)
        return code;
    struct reqrep_listener *listener = listener_create(server, &address, trust);
    if (listener == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    code = rpc__acceptor_open(&address, &acceptor_events, listener, &listener->acceptor, status);
    if (code != RPC_OK) {
        listener_free(listener);
        return code;
    }
    *ret_listener = &listener->base;
    return RPC_OK;
}
