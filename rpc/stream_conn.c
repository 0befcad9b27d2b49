/*
 * A connection that carries packets: each in a frame, behind its length.
 *
 * As in nng_conn.c one receive and one send are under way at most, `rx` and `tx`, both submitted
 * under the lock and never once `closing` is set; closing the stream under the lock ends them, and
 * when both are at rest the connection is over: `closed` is given and the reference of the
 * operations dropped.
 *
 * Sending coalesces. Frames are written one behind the other into blocks; while a send is under way
 * the next one's blocks fill. A send takes all blocks that there are (up to TX_BLOCKS_MAX), which
 * are not written to any more. While received packets are dealt with the connection is corked, so
 * that all their answers leave together, and the other end is woken once for them.
 *
 * Receiving takes what there is in large pieces and splits it where it lies. Only a large packet is
 * given memory of its own, and read straight into it once its length is known to be allowed; small
 * ones are the callee's to copy, which costs less than keeping a whole buffer for them.
 *
 * Back-pressure: a server whose answers are not taken stops reading (rx_paused) until they are;
 * what is queued is bounded in any case, and a peer that takes nothing at all for SEND_TIMEOUT_MS
 * is cut off.
 */
#include <assert.h>
#include <stdlib.h>

#include "rpc/stream_internal.h"

#include "rpc/base/clock.h"
#include "rpc/wire.h"

/* Magic, version, side, two bytes of nothing. */
#define GREETING_BYTES 8
#define GREETING_MAGIC "LOTC"
#define VERSION 1
/* A frame's head: the packet's length, little endian. */
#define FRAME_HEAD_BYTES 4

#define RX_BUFFER_BYTES ((size_t)64 * 1024)
/* Frames beyond it are in memory of their own, both ways. */
#define FRAME_SHARED_BYTES_MAX ((size_t)16 * 1024)

#define TX_BLOCK_BYTES ((size_t)64 * 1024)
/* Blocks in one send. NNG takes 8 pieces at most. */
#define TX_BLOCKS_MAX 8
/* Bytes waiting to be sent, beyond which nothing more is taken but, for so many more, small frames:
 * a refusal must still find its way. */
#define TX_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define TX_SPARE_BYTES ((size_t)4 * 1024 * 1024)
#define TX_SPARE_FRAME_BYTES_MAX 1024
/* Connections whose frames a thread holds back at most; those of further ones are sent at once. */
#define HELD_CONNS_MAX 16
/* A corked connection, or one that is held back, sends when it has so much. */
#define CORKED_BYTES_MAX ((size_t)32 * 1024)
/* A server does not read on with more than this to be sent, until it is half as much. */
#define RX_PAUSE_BYTES ((size_t)8 * 1024 * 1024)
/* The other end must greet, and must take something of what is sent, within so long, in ms. */
#define GREETING_TIMEOUT_MS 10000
#define SEND_TIMEOUT_MS 10000

struct rpc__block {
    struct rpc__block *next;
    size_t len;
    size_t size;
    uint8_t bytes[];
};

struct rpc__sconn {
    atomic_uint refs; /* the owner's, and one for the operations */
    nng_stream *stream;
    nng_aio *rx;
    nng_aio *tx;
    enum rpc__side side;
    bool tls;
    const struct rpc__sconn_events *events;
    void *arg;

    /* Of the receiving side: one thread at a time. */
    bool greeted;
    uint8_t *buffer; /* RX_BUFFER_BYTES */
    size_t begin;    /* of what is not consumed yet */
    size_t end;
    struct rpc__block *partial; /* a large packet being read */

    atomic_llong heard_ms; /* when something came last */
    uint64_t ping_id;      /* the keeper's alone, as the next */
    int64_t pinged_ms;     /* a PING is out since; 0: none */

    pthread_mutex_t lock; /* of all below */
    bool closing;
    bool refuses_requests;
    bool corked;
    bool rx_running; /* also while paused */
    bool rx_paused;
    bool tx_running;
    struct rpc__block *tx_first;
    struct rpc__block *tx_last;
    struct rpc__block *tx_open; /* where frames are added; NULL: none */
    struct rpc__block *tx_spare;
    size_t tx_first_sent; /* bytes of the first block that are sent */
    size_t tx_bytes;      /* of all blocks, without those */
};

/* --- blocks --- */

static struct rpc__block *block_create(size_t size)
{
    struct rpc__block *block = malloc(sizeof *block + size);
    if (block != NULL) {
        block->next = NULL;
        block->len = 0;
        block->size = size;
    }
    return block;
}

void rpc__block_free(struct rpc__block *block)
{
    free(block);
}

/* Writes a frame at the end of the block. */
static void block_append(struct rpc__block *block, const struct rpc__packet *packet,
                         const struct wire_size *size)
{
    uint8_t *at = block->bytes + block->len;
    for (size_t i = 0; i < FRAME_HEAD_BYTES; i++)
        at[i] = (uint8_t)(size->packet_bytes >> (8 * i));
    uint8_t *payload = wire_write_header(packet->header, size, at + FRAME_HEAD_BYTES);
    if (packet->message != NULL)
        (void)protobuf_c_message_pack(packet->message, payload);
    else if (packet->payload_bytes > 0)
        memcpy(payload, packet->packed.data, packet->payload_bytes);
    block->len += FRAME_HEAD_BYTES + size->packet_bytes;
}

struct rpc__block *rpc__block_of(const struct rpc__packet *packet, struct rpc_status *status)
{
    struct wire_size size;
    if (wire_measure(packet->header, packet->payload_bytes, &size, status) != RPC_OK)
        return NULL;
    struct rpc__block *block = block_create(FRAME_HEAD_BYTES + size.packet_bytes);
    if (block == NULL)
        (void)rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    else
        block_append(block, packet, &size);
    return block;
}

static void block_release(struct rpc_payload *payload)
{
    free(payload->owner);
}

/* --- life --- */

struct rpc__sconn *rpc__sconn_ref(struct rpc__sconn *conn)
{
    (void)atomic_fetch_add(&conn->refs, 1);
    return conn;
}

void rpc__sconn_unref(struct rpc__sconn *conn)
{
    if (conn == NULL || atomic_fetch_sub(&conn->refs, 1) != 1)
        return;
    while (conn->tx_first != NULL) {
        struct rpc__block *block = conn->tx_first;
        conn->tx_first = block->next;
        free(block);
    }
    free(conn->tx_spare);
    /* Perhaps in a callback of one of the two: NNG frees them from a thread of its own. */
    nng_aio_reap(conn->rx);
    nng_aio_reap(conn->tx);
    nng_stream_free(conn->stream);
    (void)pthread_mutex_destroy(&conn->lock);
    free(conn->partial);
    free(conn->buffer);
    free(conn);
}

static void close_locked(struct rpc__sconn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    nng_stream_close(conn->stream);
}

void rpc__sconn_close(struct rpc__sconn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    close_locked(conn);
    (void)pthread_mutex_unlock(&conn->lock);
}

/* An operation has ended for good. Unlocks; the last one ends the connection. */
static void rest_and_unlock(struct rpc__sconn *conn, bool *running)
{
    *running = false;
    close_locked(conn);
    if (conn->rx_paused) { /* nothing of it is under way */
        conn->rx_paused = false;
        conn->rx_running = false;
    }
    bool over = !conn->rx_running && !conn->tx_running;
    (void)pthread_mutex_unlock(&conn->lock);
    if (!over)
        return;
    conn->events->closed(conn->arg, conn);
    rpc__sconn_unref(conn);
}

/* --- sending; under the lock --- */

static void tx_submit(struct rpc__sconn *conn)
{
    nng_iov pieces[TX_BLOCKS_MAX];
    unsigned count = 0;
    size_t skip = conn->tx_first_sent;
    for (struct rpc__block *block = conn->tx_first; block != NULL && count < TX_BLOCKS_MAX;
         block = block->next) {
        pieces[count++] = (nng_iov){block->bytes + skip, block->len - skip};
        skip = 0;
        if (block == conn->tx_open)
            conn->tx_open = NULL;
    }
    conn->tx_running = true;
    (void)nng_aio_set_iov(conn->tx, count, pieces);
    nng_stream_send(conn->stream, conn->tx);
}

/* Sends what there is, unless a send is under way or more is about to come. */
static void tx_kick(struct rpc__sconn *conn)
{
    bool waits = conn->corked && conn->tx_bytes < CORKED_BYTES_MAX;
    if (!conn->tx_running && !conn->closing && conn->tx_first != NULL && !waits)
        tx_submit(conn);
}

static void tx_append(struct rpc__sconn *conn, struct rpc__block *block)
{
    if (conn->tx_last == NULL)
        conn->tx_first = block;
    else
        conn->tx_last->next = block;
    conn->tx_last = block;
}

/* Lets go of the first block, or keeps it for the next frames. */
static void tx_drop_first(struct rpc__sconn *conn)
{
    struct rpc__block *block = conn->tx_first;
    conn->tx_first = block->next;
    conn->tx_first_sent = 0;
    if (conn->tx_first == NULL)
        conn->tx_last = NULL;
    if (block->size == TX_BLOCK_BYTES && conn->tx_spare == NULL) {
        block->next = NULL;
        block->len = 0;
        conn->tx_spare = block;
    } else {
        free(block);
    }
}

/* Takes off the queue what was sent. */
static void tx_advance(struct rpc__sconn *conn, size_t sent)
{
    conn->tx_bytes -= sent;
    while (sent > 0) {
        size_t left = conn->tx_first->len - conn->tx_first_sent;
        if (sent < left) {
            conn->tx_first_sent += sent;
            return;
        }
        sent -= left;
        tx_drop_first(conn);
    }
}

/* A block with room for so many more bytes, at the end of the queue; NULL: out of memory. */
static struct rpc__block *tx_room(struct rpc__sconn *conn, size_t bytes)
{
    struct rpc__block *block = conn->tx_open;
    if (block != NULL && block == conn->tx_last && block->size - block->len >= bytes)
        return block;
    block = conn->tx_spare;
    conn->tx_spare = NULL;
    if (block == NULL)
        block = block_create(TX_BLOCK_BYTES);
    if (block == NULL)
        return NULL;
    tx_append(conn, block);
    conn->tx_open = block;
    return block;
}

static enum rpc_code tx_check(const struct rpc__sconn *conn, bool is_request, size_t bytes,
                              struct rpc_status *status)
{
    if (conn->closing || (is_request && conn->refuses_requests))
        return rpc_status_set(status, RPC_UNAVAILABLE, "the service cannot be reached");
    size_t max = bytes <= TX_SPARE_FRAME_BYTES_MAX ? TX_BYTES_MAX + TX_SPARE_BYTES : TX_BYTES_MAX;
    if (conn->tx_bytes > 0 && conn->tx_bytes + bytes > max)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED,
                              "the service does not take what is sent");
    return RPC_OK;
}

/* --- holding back --- */

/* What this thread has written and not sent yet; references. */
struct held {
    unsigned depth;
    size_t count;
    struct rpc__sconn *conns[HELD_CONNS_MAX];
};

static _Thread_local struct held held;

static bool hold(struct rpc__sconn *conn)
{
    for (size_t i = 0; i < held.count; i++)
        if (held.conns[i] == conn)
            return true;
    if (held.depth == 0 || held.count == HELD_CONNS_MAX)
        return false;
    held.conns[held.count++] = rpc__sconn_ref(conn);
    return true;
}

/* Sends what there is, unless this thread holds it back. Under the lock. */
static void tx_kick_or_hold(struct rpc__sconn *conn)
{
    if (conn->tx_running || conn->tx_bytes >= CORKED_BYTES_MAX || !hold(conn))
        tx_kick(conn);
}

void rpc__held_send(void)
{
    size_t count = held.count;
    held.count = 0;
    for (size_t i = 0; i < count; i++) {
        struct rpc__sconn *conn = held.conns[i];
        (void)pthread_mutex_lock(&conn->lock);
        tx_kick(conn);
        (void)pthread_mutex_unlock(&conn->lock);
        rpc__sconn_unref(conn);
    }
}

void rpc_channel_hold(void)
{
    held.depth++;
}

void rpc_channel_release(void)
{
    assert(held.depth > 0);
    if (--held.depth == 0)
        rpc__held_send();
}

/* --- sending --- */

static void rx_submit(struct rpc__sconn *conn, bool go_on);

static void tx_done(void *arg)
{
    struct rpc__sconn *conn = arg;
    (void)pthread_mutex_lock(&conn->lock);
    conn->tx_running = false;
    if (nng_aio_result(conn->tx) != 0 || conn->closing) {
        rest_and_unlock(conn, &conn->tx_running);
        return;
    }
    tx_advance(conn, nng_aio_count(conn->tx));
    tx_kick(conn);
    bool resumes = conn->rx_paused && conn->tx_bytes <= RX_PAUSE_BYTES / 2;
    if (resumes)
        conn->rx_paused = false;
    (void)pthread_mutex_unlock(&conn->lock);
    if (resumes)
        rx_submit(conn, true);
}

enum rpc_code rpc__sconn_send_block(struct rpc__sconn *conn, struct rpc__block *block,
                                    struct rpc_status *status)
{
    (void)pthread_mutex_lock(&conn->lock);
    enum rpc_code code = tx_check(conn, true, block->len, status);
    if (code == RPC_OK) {
        tx_append(conn, block);
        conn->tx_bytes += block->len;
        tx_kick_or_hold(conn);
    }
    (void)pthread_mutex_unlock(&conn->lock);
    if (code != RPC_OK)
        free(block);
    return code;
}

enum rpc_code rpc__sconn_send(struct rpc__sconn *conn, const struct rpc__packet *packet,
                              struct rpc_status *status)
{
    struct wire_size size;
    struct rpc__block *own = NULL;
    enum rpc_code code = wire_measure(packet->header, packet->payload_bytes, &size, status);
    if (code != RPC_OK)
        return code;
    size_t bytes = FRAME_HEAD_BYTES + size.packet_bytes;
    if (bytes > FRAME_SHARED_BYTES_MAX) { /* not under the lock */
        own = rpc__block_of(packet, status);
        if (own == NULL)
            return RPC_RESOURCE_EXHAUSTED;
    }
    bool is_request = packet->header->type == LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST;
    (void)pthread_mutex_lock(&conn->lock);
    code = tx_check(conn, is_request, bytes, status);
    if (code == RPC_OK && own != NULL) {
        tx_append(conn, own);
        own = NULL;
    } else if (code == RPC_OK) {
        struct rpc__block *block = tx_room(conn, bytes);
        if (block == NULL)
            code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
        else
            block_append(block, packet, &size);
    }
    if (code == RPC_OK) {
        conn->tx_bytes += bytes;
        tx_kick_or_hold(conn);
    }
    (void)pthread_mutex_unlock(&conn->lock);
    free(own);
    return code;
}

void rpc__sconn_signal(struct rpc__sconn *conn, Lotcast__V1__PacketType type, uint64_t call_id,
                       uint32_t credits)
{
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    header.type = type;
    header.call_id = call_id;
    header.credits = credits;
    /* If it cannot be sent, the connection is ending or about to. */
    (void)rpc__sconn_send(conn, &(struct rpc__packet){.header = &header}, NULL);
}

void rpc__sconn_refuse_requests(struct rpc__sconn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    conn->refuses_requests = true;
    (void)pthread_mutex_unlock(&conn->lock);
}

bool rpc__sconn_flushed(struct rpc__sconn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    bool flushed = conn->closing || (!conn->tx_running && conn->tx_first == NULL);
    (void)pthread_mutex_unlock(&conn->lock);
    return flushed;
}

static void set_corked(struct rpc__sconn *conn, bool corked)
{
    (void)pthread_mutex_lock(&conn->lock);
    conn->corked = corked;
    tx_kick(conn);
    (void)pthread_mutex_unlock(&conn->lock);
}

/* --- receiving --- */

/* Where the next bytes go. */
static nng_iov rx_room(struct rpc__sconn *conn)
{
    struct rpc__block *partial = conn->partial;
    if (partial != NULL)
        return (nng_iov){partial->bytes + partial->len, partial->size - partial->len};
    if (conn->begin > 0) {
        memmove(conn->buffer, conn->buffer + conn->begin, conn->end - conn->begin);
        conn->end -= conn->begin;
        conn->begin = 0;
    }
    return (nng_iov){conn->buffer + conn->end, RX_BUFFER_BYTES - conn->end};
}

static bool read_greeting(struct rpc__sconn *conn)
{
    const uint8_t *at = conn->buffer + conn->begin;
    uint8_t wanted = conn->side == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT;
    /* A newer end offers a higher version and speaks ours, the lower one. */
    if (memcmp(at, GREETING_MAGIC, 4) != 0 || at[4] < VERSION || at[5] != wanted)
        return false;
    conn->begin += GREETING_BYTES;
    conn->greeted = true;
    nng_aio_set_timeout(conn->rx, NNG_DURATION_INFINITE);
    conn->events->ready(conn->arg, conn);
    return true;
}

/* Deals with the frame at the front of the buffer. False: no frame. `ret_more`: it was complete. */
static bool read_frame(struct rpc__sconn *conn, bool *ret_more)
{
    const uint8_t *at = conn->buffer + conn->begin;
    size_t have = conn->end - conn->begin - FRAME_HEAD_BYTES;
    size_t len = 0;
    for (size_t i = 0; i < FRAME_HEAD_BYTES; i++)
        len |= (size_t)at[i] << (8 * i);
    at += FRAME_HEAD_BYTES;
    if (len < WIRE_LENGTH_BYTES || len > WIRE_PACKET_BYTES_MAX)
        return false;
    if (have >= len) {
        struct rpc_payload nothing = {0};
        conn->begin += FRAME_HEAD_BYTES + len;
        return conn->events->packet(conn->arg, conn, span_of(at, len), &nothing);
    }
    *ret_more = false;
    if (len <= FRAME_SHARED_BYTES_MAX)
        return true;
    conn->partial = block_create(len);
    if (conn->partial == NULL)
        return false;
    memcpy(conn->partial->bytes, at, have);
    conn->partial->len = have;
    conn->begin = conn->end;
    return true;
}

static bool finish_partial(struct rpc__sconn *conn)
{
    struct rpc__block *block = conn->partial;
    conn->partial = NULL;
    struct span packet = span_of(block->bytes, block->len);
    struct rpc_payload owner = {packet, block_release, block};
    bool go_on = conn->events->packet(conn->arg, conn, packet, &owner);
    rpc_payload_release(&owner);
    return go_on;
}

/* Consumes all that is complete. False: the other end does not speak our language. */
static bool rx_consume(struct rpc__sconn *conn)
{
    bool more = true;
    if (conn->partial != NULL)
        return conn->partial->len < conn->partial->size || finish_partial(conn);
    if (!conn->greeted) {
        if (conn->end - conn->begin < GREETING_BYTES)
            return true;
        if (!read_greeting(conn))
            return false;
    }
    while (more && conn->end - conn->begin >= FRAME_HEAD_BYTES)
        if (!read_frame(conn, &more))
            return false;
    return true;
}

/* Submits a receive, or rests. Nothing of the connection may be touched afterwards. */
static void rx_submit(struct rpc__sconn *conn, bool go_on)
{
    nng_iov room = rx_room(conn);
    (void)pthread_mutex_lock(&conn->lock);
    if (!go_on || conn->closing) {
        rest_and_unlock(conn, &conn->rx_running);
        return;
    }
    if (conn->side == SIDE_SERVER && conn->tx_bytes > RX_PAUSE_BYTES) {
        conn->rx_paused = true; /* a send is under way, and its end goes on here */
    } else {
        (void)nng_aio_set_iov(conn->rx, 1, &room);
        nng_stream_recv(conn->stream, conn->rx);
    }
    (void)pthread_mutex_unlock(&conn->lock);
}

static void rx_done(void *arg)
{
    struct rpc__sconn *conn = arg;
    /* The submission's unlock comes before this, and makes what it did visible here. */
    (void)pthread_mutex_lock(&conn->lock);
    int rv = nng_aio_result(conn->rx);
    size_t count = nng_aio_count(conn->rx);
    conn->corked = rv == 0 && count > 0;
    (void)pthread_mutex_unlock(&conn->lock);
    if (rv != 0 || count == 0) {
        rx_submit(conn, false);
        return;
    }
    atomic_store(&conn->heard_ms, clock_mono_ms());
    if (conn->partial != NULL)
        conn->partial->len += count;
    else
        conn->end += count;
    bool go_on = rx_consume(conn);
    conn->events->batch(conn->arg, conn);
    set_corked(conn, false);
    rx_submit(conn, go_on);
}

/* --- signs of life --- */

/*
 * NNG's TLS tells those that wait of a broken connection, and lets a later receive or send wait for
 * ever. Whether there still is a connection below can be asked.
 */
static bool is_broken(const struct rpc__sconn *conn)
{
    nng_sockaddr address;
    return conn->tls && nng_stream_get_addr(conn->stream, NNG_OPT_REMADDR, &address) != 0;
}

void rpc__sconn_keep_alive(struct rpc__sconn *conn, int64_t silence_ms, int64_t timeout_ms)
{
    int64_t now_ms = clock_mono_ms();
    int64_t heard_ms = atomic_load(&conn->heard_ms);
    if (conn->pinged_ms != 0 && heard_ms >= conn->pinged_ms)
        conn->pinged_ms = 0;
    if (is_broken(conn)) {
        rpc__sconn_close(conn);
    } else if (conn->pinged_ms != 0) {
        if (now_ms - conn->pinged_ms >= timeout_ms)
            rpc__sconn_close(conn);
    } else if (now_ms - heard_ms >= silence_ms) {
        conn->pinged_ms = now_ms;
        conn->ping_id += 2;
        rpc__sconn_signal(conn, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING, conn->ping_id, 0);
    }
}

bool rpc__sconn_on_ping(struct rpc__sconn *conn, uint64_t id)
{
    bool is_ours = (id % 2 == 1) == (conn->side == SIDE_SERVER);
    if (!is_ours)
        rpc__sconn_signal(conn, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING, id, 0);
    return !is_ours;
}

/* --- making --- */

struct rpc__sconn *rpc__sconn_create(nng_stream *stream, enum rpc__side side, bool tls,
                                     const struct rpc__sconn_events *events, void *arg)
{
    struct rpc__sconn *conn = calloc(1, sizeof *conn);
    if (conn != NULL) {
        conn->buffer = malloc(RX_BUFFER_BYTES);
        conn->tx_spare = block_create(TX_BLOCK_BYTES);
    }
    if (conn == NULL || conn->buffer == NULL || conn->tx_spare == NULL ||
        nng_aio_alloc(&conn->rx, rx_done, conn) != 0 ||
        nng_aio_alloc(&conn->tx, tx_done, conn) != 0) {
        if (conn != NULL) {
            nng_aio_free(conn->rx);
            free(conn->tx_spare);
            free(conn->buffer);
        }
        free(conn);
        nng_stream_free(stream);
        return NULL;
    }
    conn->stream = stream;
    conn->side = side;
    conn->tls = tls;
    conn->events = events;
    conn->arg = arg;
    conn->ping_id = side == SIDE_SERVER ? 1 : 2;
    atomic_init(&conn->refs, 2);
    atomic_init(&conn->heard_ms, clock_mono_ms());
    (void)pthread_mutex_init(&conn->lock, NULL);
    nng_aio_set_timeout(conn->rx, GREETING_TIMEOUT_MS);
    nng_aio_set_timeout(conn->tx, SEND_TIMEOUT_MS);
    const uint8_t greeting[GREETING_BYTES] = {'L', 'O', 'T', 'C', VERSION, (uint8_t)side};
    struct rpc__block *block = tx_room(conn, sizeof greeting);
    assert(block != NULL); /* the spare one */
    memcpy(block->bytes, greeting, sizeof greeting);
    block->len = sizeof greeting;
    conn->tx_bytes = sizeof greeting;
    return conn;
}

void rpc__sconn_start(struct rpc__sconn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    conn->rx_running = true; /* before the send, which may end at once */
    tx_kick(conn);
    (void)pthread_mutex_unlock(&conn->lock);
    rx_submit(conn, true);
}

void rpc__sconn_discard(struct rpc__sconn *conn)
{
    rpc__sconn_unref(conn); /* that of the operations */
    rpc__sconn_unref(conn);
}
