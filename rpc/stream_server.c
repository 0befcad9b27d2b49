/*
 * The server side of ipc://, tcp:// and tls+tcp://.
 *
 * Requests that came together are a batch: health, pings and cancels are dealt with at once, what
 * is for workers is queued with one wake-up, quick reads run here one after another, and all their
 * answers leave together. A call holds a reference on its peer (a connection's server side) and
 * answers there, whatever became of it meanwhile.
 *
 * A peer's calls stand in its table from receipt to answer, so that a CANCEL or CREDIT finds them;
 * when the connection ends they are all cancelled. The table is under the peer's lock, which is
 * never held while something of the server's is called.
 *
 * Draining: each peer is sent a GOAWAY and a PING behind it. Until its answer comes requests may be
 * on their way, and are still admitted; behind it none can come. The other end closes the
 * connection when its last call is over, which the listener's close waits for a while.
 */
#include <stdlib.h>

#include "rpc/stream_internal.h"

#include "rpc/base/clock.h"
#include "rpc/wire.h"

/* Connections at once. Each may make us set aside a packet's size, once it claims to send one. */
#define PEERS_MAX 512
/* Calls that run or are deferred at most, beyond those that both queues hold. */
#define CALLS_SPARE 2048
/* Of a peer's table of calls. */
#define BUCKETS 64
/* A peer that has been silent for so long is asked for a sign of life, which it has so long to
 * give, in ms. */
#define SILENCE_MS 30000
#define ALIVE_TIMEOUT_MS 15000
/* The PING behind a GOAWAY; those of keeping alive have higher numbers. */
#define GOAWAY_PING_ID 1
/* How long closing waits for answers to be taken, and for NNG to let go, in ms. */
#define FLUSH_WAIT_MS 1000
#define CLOSE_WAIT_MS 2000

struct listener;

struct peer {
    atomic_uint refs; /* the listener's, one a call, and one for who looks at it */
    struct listener *listener;
    struct rpc__sconn *conn;                /* a reference */
    struct rpc__batch batch;                /* the receiving thread's */
    atomic_bool told;                       /* knows that we drain: sends no request any more */
    struct peer *next;                      /* of the listener's list, under its lock */
    pthread_mutex_t lock;                   /* of the table */
    struct rpc_server_call *calls[BUCKETS]; /* by call id, linked by peer_next */
};

struct listener {
    struct rpc__listener base;
    struct rpc_server *server;
    enum rpc_trust trust;
    struct rpc__nng_address address;
    struct rpc__acceptor *acceptor; /* NULL once it drains */
    size_t calls_max;

    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t changed; /* a peer has gone */
    bool stopping;
    bool draining;
    struct peer *peers;
    size_t peer_count;
};

/* --- peers --- */

static struct peer *peer_ref(struct peer *peer)
{
    (void)atomic_fetch_add(&peer->refs, 1);
    return peer;
}

static void peer_unref(struct peer *peer)
{
    if (atomic_fetch_sub(&peer->refs, 1) != 1)
        return;
    rpc__sconn_unref(peer->conn);
    (void)pthread_mutex_destroy(&peer->lock);
    free(peer);
}

/* False: there is a call of that id already. */
static bool table_add(struct peer *peer, struct rpc_server_call *call)
{
    (void)pthread_mutex_lock(&peer->lock);
    struct rpc_server_call **bucket = &peer->calls[call->call_id % BUCKETS];
    bool fits = true;
    for (const struct rpc_server_call *at = *bucket; at != NULL; at = at->peer_next)
        fits = fits && at->call_id != call->call_id;
    if (fits) {
        call->peer_next = *bucket;
        *bucket = call;
    }
    (void)pthread_mutex_unlock(&peer->lock);
    return fits;
}

static void table_remove(struct peer *peer, struct rpc_server_call *call)
{
    (void)pthread_mutex_lock(&peer->lock);
    struct rpc_server_call **at = &peer->calls[call->call_id % BUCKETS];
    while (*at != NULL && *at != call)
        at = &(*at)->peer_next;
    if (*at == call)
        *at = call->peer_next;
    (void)pthread_mutex_unlock(&peer->lock);
}

/* The call of that id with a reference; NULL: it is over. */
static struct rpc_server_call *table_find(struct peer *peer, uint64_t call_id)
{
    (void)pthread_mutex_lock(&peer->lock);
    struct rpc_server_call *call = peer->calls[call_id % BUCKETS];
    while (call != NULL && call->call_id != call_id)
        call = call->peer_next;
    if (call != NULL)
        (void)rpc__server_call_ref(call);
    (void)pthread_mutex_unlock(&peer->lock);
    return call;
}

/* A call that is not cancelled yet, with a reference; NULL: there is none. */
static struct rpc_server_call *table_next_to_cancel(struct peer *peer, size_t *bucket)
{
    struct rpc_server_call *call = NULL;
    (void)pthread_mutex_lock(&peer->lock);
    while (call == NULL && *bucket < BUCKETS) {
        call = peer->calls[*bucket];
        while (call != NULL && atomic_load(&call->cancelled))
            call = call->peer_next;
        if (call == NULL)
            (*bucket)++;
    }
    if (call != NULL)
        (void)rpc__server_call_ref(call);
    (void)pthread_mutex_unlock(&peer->lock);
    return call;
}

/* --- answering --- */

static enum rpc_code send_answer(struct rpc_server_call *call, const struct rpc_status *status,
                                 const struct rpc__body *body)
{
    const struct peer *peer = call->peer;
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    Lotcast__V1__Status plain = LOTCAST__V1__STATUS__INIT;
    header.type = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_RESPONSE;
    header.call_id = call->call_id;
    if (status->code != RPC_OK) {
        header.status = rpc_status_to_message(status, &call->arena);
        if (header.status == NULL) { /* the arena is full, which is likely why */
            plain.code = (uint32_t)status->code;
            plain.reason = status->reason;
            header.status = &plain;
        }
    }
    struct rpc__packet packet = {.header = &header};
    if (body != NULL) {
        packet.message = body->message;
        packet.packed = body->packed;
        packet.payload_bytes = body->bytes;
    }
    return rpc__sconn_send(peer->conn, &packet, NULL);
}

static void stream_answer(struct rpc_server_call *call, const struct rpc_status *status,
                          const struct rpc__body *body)
{
    struct peer *peer = call->peer;
    enum rpc_code code = RPC_OK;
    table_remove(peer, call);
    if (!atomic_load(&call->cancelled)) /* else nobody waits for it */
        code = send_answer(call, status, body);
    if (code == RPC_RESOURCE_EXHAUSTED) { /* too much waits to be sent, or there is no memory */
        struct rpc_status full;
        (void)rpc_status_set(&full, RPC_RESOURCE_EXHAUSTED, "the answers are not taken");
        code = send_answer(call, &full, NULL);
    }
    if (code == RPC_RESOURCE_EXHAUSTED)
        rpc__sconn_close(peer->conn);
    peer_unref(peer);
}

static enum rpc_code stream_item(struct rpc_server_call *call, const ProtobufCMessage *item,
                                 size_t item_bytes)
{
    const struct peer *peer = call->peer;
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    header.type = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_STREAM_ITEM;
    header.call_id = call->call_id;
    struct rpc__packet packet = {.header = &header, .message = item, .payload_bytes = item_bytes};
    return rpc__sconn_send(peer->conn, &packet, NULL);
}

static const struct rpc__reply stream_reply = {.answer = stream_answer, .item = stream_item};

/* --- receiving --- */

static void refuse(struct rpc_server_call *call, enum rpc_code code, const char *message)
{
    struct rpc_status status;
    (void)rpc_status_set(&status, code, "%s", message);
    rpc__server_call_refuse(call, &status);
}

/* Takes a call whose header was read. False: close the connection. */
static bool receive_request(struct peer *peer, struct rpc_server_call *call,
                            const Lotcast__V1__PacketHeader *header)
{
    struct listener *listener = peer->listener;
    call->call_id = header->call_id;
    call->timeout_ms = header->timeout_ms;
    call->credits = header->credits;
    for (size_t i = 0; i < header->n_metadata; i++)
        (void)rpc_metadata_add(&call->metadata, header->metadata[i]->key,
                               header->metadata[i]->value);
    const struct registry_method *method = rpc__server_method_named(call->server, header->method);
    bool fits = method == NULL || !method->server_streaming || rpc__server_call_flow_init(call);
    if (!table_add(peer, call)) { /* an answer could not be told from the other's */
        rpc__server_call_drop(call);
        return false;
    }
    call->reply = &stream_reply;
    call->peer = peer_ref(peer);
    call->trust = listener->trust;
    call->admitted = !atomic_load(&peer->told);
    if (!fits)
        refuse(call, RPC_RESOURCE_EXHAUSTED, "out of memory");
    else if (rpc__server_under_way(call->server) > listener->calls_max)
        refuse(call, RPC_RESOURCE_EXHAUSTED, "too many calls at once");
    else
        rpc__server_batch_add(&peer->batch, call, method);
    return true;
}

/* What is no request. False: close the connection. */
static bool receive_other(struct peer *peer, const Lotcast__V1__PacketHeader *header)
{
    struct rpc_server_call *call;
    switch ((int)header->type) {
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING:
        if (!rpc__sconn_on_ping(peer->conn, header->call_id) && header->call_id == GOAWAY_PING_ID)
            atomic_store(&peer->told, true);
        return true;
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CANCEL:
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CREDIT:
        call = table_find(peer, header->call_id);
        if (call == NULL)
            return true; /* over already */
        if (header->type == LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CANCEL)
            rpc__server_call_cancel(call);
        else
            rpc__server_call_grant(call, header->credits);
        rpc__server_call_unref(call);
        return true;
    default:
        return false;
    }
}

/* The packet in memory of the call's: its own if it has some, else copied. */
static bool keep_packet(struct rpc_server_call *call, struct span *packet,
                        struct rpc_payload *owner)
{
    if (owner->free != NULL) {
        call->request_bytes = *owner;
        *owner = (struct rpc_payload){0};
        return true;
    }
    uint8_t *copy = arena_alloc(&call->arena, packet->len);
    if (copy == NULL)
        return false;
    memcpy(copy, packet->data, packet->len);
    *packet = span_of(copy, packet->len);
    return true;
}

static bool on_packet(void *arg, struct rpc__sconn *conn, struct span packet,
                      struct rpc_payload *owner)
{
    (void)conn;
    struct peer *peer = arg;
    struct rpc_server_call *call = rpc__server_call_begin(peer->listener->server);
    if (call == NULL)
        return false;
    Lotcast__V1__PacketHeader *header;
    if (!keep_packet(call, &packet, owner) ||
        wire_read(packet, &call->arena, &header, &call->packed, NULL) != RPC_OK) {
        rpc__server_call_drop(call);
        return false;
    }
    if (header->type == LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST)
        return receive_request(peer, call, header);
    bool fine = receive_other(peer, header);
    rpc__server_call_drop(call);
    return fine;
}

static void on_batch(void *arg, struct rpc__sconn *conn)
{
    (void)conn;
    struct peer *peer = arg;
    rpc__server_batch_run(peer->listener->server, &peer->batch);
}

static void send_goaway(struct peer *peer)
{
    rpc__sconn_signal(peer->conn, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_GOAWAY, 0, 0);
    rpc__sconn_signal(peer->conn, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING, GOAWAY_PING_ID, 0);
}

static void on_ready(void *arg, struct rpc__sconn *conn)
{
    (void)arg; /* a client begins */
    (void)conn;
}

static void on_closed(void *arg, struct rpc__sconn *conn)
{
    (void)conn;
    struct peer *peer = arg;
    struct listener *listener = peer->listener;
    atomic_store(&peer->told, true);
    size_t bucket = 0;
    for (;;) {
        struct rpc_server_call *call = table_next_to_cancel(peer, &bucket);
        if (call == NULL)
            break;
        rpc__server_call_cancel(call);
        rpc__server_call_unref(call);
    }
    (void)pthread_mutex_lock(&listener->lock);
    struct peer **at = &listener->peers;
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    listener->peer_count--;
    (void)pthread_cond_broadcast(&listener->changed); /* it may be gone once this is unlocked */
    (void)pthread_mutex_unlock(&listener->lock);
    peer_unref(peer); /* the listener's */
}

static const struct rpc__sconn_events peer_events = {
    .ready = on_ready,
    .packet = on_packet,
    .batch = on_batch,
    .closed = on_closed,
};

/* --- accepting --- */

static void take_stream(void *arg, nng_stream *stream)
{
    struct listener *listener = arg;
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        nng_stream_free(stream);
        return;
    }
    peer->listener = listener;
    peer->conn = rpc__sconn_create(stream, SIDE_SERVER, listener->address.tls, &peer_events, peer);
    if (peer->conn == NULL) {
        free(peer);
        return;
    }
    (void)pthread_mutex_init(&peer->lock, NULL);
    atomic_init(&peer->refs, 2);
    (void)pthread_mutex_lock(&listener->lock);
    bool fits = !listener->stopping && !listener->draining && listener->peer_count < PEERS_MAX;
    if (fits) {
        peer->next = listener->peers;
        listener->peers = peer;
        listener->peer_count++;
    }
    (void)pthread_mutex_unlock(&listener->lock);
    if (fits) {
        rpc__sconn_start(peer->conn);
        peer_unref(peer);
    } else {
        rpc__sconn_discard(peer->conn);
        (void)pthread_mutex_destroy(&peer->lock);
        free(peer);
    }
}

static void keep_alive(void *arg)
{
    struct listener *listener = arg;
    (void)pthread_mutex_lock(&listener->lock);
    for (struct peer *peer = listener->peers; peer != NULL; peer = peer->next)
        rpc__sconn_keep_alive(peer->conn, SILENCE_MS, ALIVE_TIMEOUT_MS);
    (void)pthread_mutex_unlock(&listener->lock);
}

static const struct rpc__acceptor_events acceptor_events = {
    .stream = take_stream,
    .tick = keep_alive,
};

/* --- draining and closing --- */

/* No more connections; those there are hear of it. */
static void listener_drain(struct rpc__listener *base)
{
    struct listener *listener = (struct listener *)base;
    rpc__acceptor_close(listener->acceptor);
    listener->acceptor = NULL;
    (void)pthread_mutex_lock(&listener->lock);
    listener->draining = true;
    for (struct peer *peer = listener->peers; peer != NULL; peer = peer->next)
        send_goaway(peer);
    (void)pthread_mutex_unlock(&listener->lock);
}

static bool listener_drained(struct rpc__listener *base)
{
    struct listener *listener = (struct listener *)base;
    bool told = true;
    (void)pthread_mutex_lock(&listener->lock);
    for (struct peer *peer = listener->peers; peer != NULL; peer = peer->next)
        told = told && atomic_load(&peer->told);
    (void)pthread_mutex_unlock(&listener->lock);
    return told;
}

/* Waits until all peers have gone, at most so long. Under the lock. */
static bool wait_gone(struct listener *listener, int64_t ms)
{
    struct timespec until = rpc__timespec_of_ms(clock_mono_ms() + ms);
    int rc = 0;
    while (listener->peer_count > 0 && rc == 0)
        rc = pthread_cond_timedwait(&listener->changed, &listener->lock, &until);
    return listener->peer_count == 0;
}

static void listener_free(struct listener *listener)
{
    (void)pthread_cond_destroy(&listener->changed);
    (void)pthread_mutex_destroy(&listener->lock);
    rpc__nng_tls_fini(&listener->address);
    free(listener);
}

static bool listener_close(struct rpc__listener *base)
{
    struct listener *listener = (struct listener *)base;
    rpc__acceptor_close(listener->acceptor);
    (void)pthread_mutex_lock(&listener->lock);
    listener->stopping = true;
    /* They go by themselves once they have their answers, which closing first would lose. */
    bool gone = wait_gone(listener, FLUSH_WAIT_MS);
    for (struct peer *peer = listener->peers; peer != NULL; peer = peer->next)
        rpc__sconn_close(peer->conn);
    gone = gone || wait_gone(listener, CLOSE_WAIT_MS);
    (void)pthread_mutex_unlock(&listener->lock);
    if (gone)
        listener_free(listener);
    return gone;
}

static const struct rpc__listener_ops listener_ops = {
    .drain = listener_drain,
    .drained = listener_drained,
    .close = listener_close,
};

/* --- opening --- */

enum rpc_code rpc__stream_listen(struct rpc_server *server, const char *url, enum rpc_trust trust,
                                 struct rpc__listener **ret_listener, struct rpc_status *status)
{
    struct rpc__nng_address address;
    enum rpc_code code = rpc__nng_address_parse(url, &address, status);
    if (code == RPC_OK)
        code = rpc__nng_tls_init(&address, rpc__server_tls(server), true, status);
    if (code != RPC_OK)
        return code;
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        rpc__nng_tls_fini(&address);
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    }
    listener->base.ops = &listener_ops;
    listener->server = server;
    listener->trust = trust;
    listener->address = address;
    listener->calls_max = 2 * rpc__server_queue_max(server) + CALLS_SPARE;
    (void)pthread_mutex_init(&listener->lock, NULL);
    rpc__cond_init(&listener->changed);
    code = rpc__acceptor_open(&address, &acceptor_events, listener, &listener->acceptor, status);
    if (code != RPC_OK) {
        listener_free(listener);
        return code;
    }
    *ret_listener = &listener->base;
    return RPC_OK;
}
