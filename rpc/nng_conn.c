/*
 * A connection that carries SP messages (the wire format of NNG's sockets, so that any NNG REQ or
 * REP socket can be at the other end) over one of NNG's byte streams.
 *
 * NNG 1.5.2's own sockets are not used, since they do not survive what must be survived (seen): a
 * peer that hangs up while both greet each other stops a listener or a dialer for good (writing
 * fails with EPIPE, which NNG takes for its own closing), and a pipe that is closed between a
 * message's length and its body is never let go: the thread that reaps every pipe of the process
 * waits for it forever, and no later loss of a connection is noticed.
 *
 * One receive and one send are under way at most, `rx` and `tx`. Both are submitted under the lock,
 * and never once `closing` is set: an operation on a closed stream would not end. Closing the
 * stream under the lock ends what is under way. When both are at rest the connection is over:
 * `closed` is given and the reference of the operations dropped. NNG runs callbacks on its own
 * threads, never inside the submission.
 *
 * Sending coalesces: while a send is under way frames queue up, and the next takes several at once.
 * What is received is read in large pieces, so that one wake-up serves many messages; the rest of a
 * message that does not fit is read straight into its frame.
 */
#include <assert.h>
#include <stdlib.h>

#include "rpc/nng_internal.h"

#include "rpc/wire.h"

#define GREETING_BYTES 8
/* Each message: a 64-bit big-endian length, over ipc behind a byte 1. */
#define TCP_HEAD_BYTES 8
#define IPC_HEAD_BYTES 9
#define IPC_MESSAGE_TYPE 1
/* Hops and request id in front of a packet at most. */
#define SP_PREFIX_BYTES_MAX 64
#define MESSAGE_BYTES_MAX (WIRE_PACKET_BYTES_MAX + SP_PREFIX_BYTES_MAX)

#define RX_BUFFER_BYTES ((size_t)32 * 1024)
/* Frames in one send; NNG takes no more pieces at once. */
#define TX_FRAMES_MAX 8
/* Bytes waiting to be sent, beyond which nothing more is taken. */
#define TX_QUEUE_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* The other end must greet, and must take something of what is sent, within so long, in ms. */
#define GREETING_TIMEOUT_MS 10000
#define SEND_TIMEOUT_MS 10000

struct rpc__conn {
    atomic_uint refs; /* the owner's, and one for the operations */
    nng_stream *stream;
    nng_aio *rx;
    nng_aio *tx;
    bool ipc;
    uint16_t peer_protocol;
    const struct rpc__conn_events *events;
    void *arg;

    /* Of the receiving side: one thread at a time. */
    bool greeted;
    uint8_t *buffer; /* RX_BUFFER_BYTES */
    size_t begin;    /* of what is not consumed yet */
    size_t end;
    struct rpc__frame *partial; /* being read into, once its length is known and it does not fit */
    size_t partial_have;

    pthread_mutex_t lock; /* of all below */
    bool closing;
    bool rx_running;
    bool tx_running;
    uint8_t greeting[GREETING_BYTES];
    size_t greeting_sent;
    struct rpc__frame *tx_first;
    struct rpc__frame *tx_last;
    size_t tx_first_sent; /* bytes of the first frame that are sent */
    size_t tx_bytes;      /* of all queued frames */
};

/* --- frames --- */

struct rpc__frame *rpc__frame_create(size_t len)
{
    struct rpc__frame *frame = malloc(sizeof *frame + len);
    if (frame != NULL) {
        frame->next = NULL;
        frame->len = len;
    }
    return frame;
}

struct rpc__frame *rpc__frame_packet(const Lotcast__V1__PacketHeader *header, size_t prefix_bytes,
                                     size_t payload_bytes, uint8_t **ret_payload,
                                     struct rpc_status *status)
{
    struct wire_size size;
    if (wire_measure(header, payload_bytes, &size, status) != RPC_OK)
        return NULL;
    struct rpc__frame *frame = rpc__frame_create(prefix_bytes + size.packet_bytes);
    if (frame == NULL) {
        (void)rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
        return NULL;
    }
    *ret_payload = wire_write_header(header, &size, frame->message + prefix_bytes);
    return frame;
}

static void free_frame(struct rpc_payload *payload)
{
    free(payload->owner);
}

struct rpc_payload rpc__frame_payload(struct rpc__frame *frame, struct span bytes)
{
    return (struct rpc_payload){bytes, free_frame, frame};
}

static size_t head_bytes(const struct rpc__conn *conn)
{
    return conn->ipc ? IPC_HEAD_BYTES : TCP_HEAD_BYTES;
}

/* Writes the length in front of the message. */
static void write_head(const struct rpc__conn *conn, struct rpc__frame *frame)
{
    for (size_t i = 0; i < TCP_HEAD_BYTES; i++)
        frame->head[RPC__FRAME_HEAD_BYTES - 1 - i] = (uint8_t)((uint64_t)frame->len >> (8 * i));
    if (conn->ipc)
        frame->head[RPC__FRAME_HEAD_BYTES - IPC_HEAD_BYTES] = IPC_MESSAGE_TYPE;
}

/* --- life --- */

struct rpc__conn *rpc__conn_ref(struct rpc__conn *conn)
{
    (void)atomic_fetch_add(&conn->refs, 1);
    return conn;
}

void rpc__conn_unref(struct rpc__conn *conn)
{
    if (conn == NULL || atomic_fetch_sub(&conn->refs, 1) != 1)
        return;
    while (conn->tx_first != NULL) {
        struct rpc__frame *frame = conn->tx_first;
        conn->tx_first = frame->next;
        free(frame);
    }
    /* Perhaps in a callback of one of the two: NNG frees them from a thread of its own. */
    nng_aio_reap(conn->rx);
    nng_aio_reap(conn->tx);
    nng_stream_free(conn->stream);
    (void)pthread_mutex_destroy(&conn->lock);
    free(conn->partial);
    free(conn->buffer);
    free(conn);
}

static void close_locked(struct rpc__conn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    nng_stream_close(conn->stream);
}

void rpc__conn_close(struct rpc__conn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    close_locked(conn);
    (void)pthread_mutex_unlock(&conn->lock);
}

/* An operation has ended for good. Unlocks; the last one ends the connection. */
static void rest_and_unlock(struct rpc__conn *conn, bool *running)
{
    *running = false;
    close_locked(conn);
    bool over = !conn->rx_running && !conn->tx_running;
    (void)pthread_mutex_unlock(&conn->lock);
    if (!over)
        return;
    conn->events->closed(conn->arg, conn);
    rpc__conn_unref(conn);
}

/* --- sending --- */

/* Submits the greeting's rest, or as many frames as fit into one send. Under the lock. */
static void tx_submit(struct rpc__conn *conn)
{
    nng_iov pieces[TX_FRAMES_MAX];
    unsigned count = 0;
    if (conn->greeting_sent < GREETING_BYTES)
        pieces[count++] =
            (nng_iov){conn->greeting + conn->greeting_sent, GREETING_BYTES - conn->greeting_sent};
    size_t skip = conn->tx_first_sent;
    for (struct rpc__frame *frame = conn->tx_first; frame != NULL && count < TX_FRAMES_MAX;
         frame = frame->next) {
        size_t head = head_bytes(conn);
        uint8_t *from = frame->head + RPC__FRAME_HEAD_BYTES - head + skip;
        pieces[count++] = (nng_iov){from, head + frame->len - skip};
        skip = 0;
    }
    conn->tx_running = count > 0;
    if (count == 0)
        return;
    (void)nng_aio_set_iov(conn->tx, count, pieces);
    nng_stream_send(conn->stream, conn->tx);
}

/* Takes off the queue what was sent. Under the lock. */
static void tx_advance(struct rpc__conn *conn, size_t sent)
{
    size_t greeting = GREETING_BYTES - conn->greeting_sent;
    if (greeting > sent)
        greeting = sent;
    conn->greeting_sent += greeting;
    sent -= greeting;
    while (sent > 0) {
        struct rpc__frame *frame = conn->tx_first;
        size_t left = head_bytes(conn) + frame->len - conn->tx_first_sent;
        if (sent < left) {
            conn->tx_first_sent += sent;
            return;
        }
        sent -= left;
        conn->tx_first_sent = 0;
        conn->tx_bytes -= frame->len;
        conn->tx_first = frame->next;
        if (conn->tx_first == NULL)
            conn->tx_last = NULL;
        free(frame);
    }
}

static void tx_done(void *arg)
{
    struct rpc__conn *conn = arg;
    (void)pthread_mutex_lock(&conn->lock);
    if (nng_aio_result(conn->tx) != 0 || conn->closing) {
        rest_and_unlock(conn, &conn->tx_running);
        return;
    }
    tx_advance(conn, nng_aio_count(conn->tx));
    tx_submit(conn);
    (void)pthread_mutex_unlock(&conn->lock);
}

enum rpc_code rpc__conn_send(struct rpc__conn *conn, struct rpc__frame *frame)
{
    enum rpc_code code = RPC_OK;
    write_head(conn, frame);
    frame->next = NULL;
    (void)pthread_mutex_lock(&conn->lock);
    if (conn->closing) {
        code = RPC_UNAVAILABLE;
    } else if (conn->tx_bytes > 0 && conn->tx_bytes + frame->len > TX_QUEUE_BYTES_MAX) {
        code = RPC_RESOURCE_EXHAUSTED;
    } else {
        if (conn->tx_last == NULL)
            conn->tx_first = frame;
        else
            conn->tx_last->next = frame;
        conn->tx_last = frame;
        conn->tx_bytes += frame->len;
        if (!conn->tx_running)
            tx_submit(conn);
    }
    (void)pthread_mutex_unlock(&conn->lock);
    if (code != RPC_OK)
        free(frame);
    return code;
}

bool rpc__conn_flushed(struct rpc__conn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    bool flushed = conn->closing || (!conn->tx_running && conn->tx_first == NULL);
    (void)pthread_mutex_unlock(&conn->lock);
    return flushed;
}

/* --- receiving --- */

/* Where the next bytes go. */
static nng_iov rx_room(struct rpc__conn *conn)
{
    if (conn->partial != NULL)
        return (nng_iov){conn->partial->message + conn->partial_have,
                         conn->partial->len - conn->partial_have};
    if (conn->begin > 0) {
        memmove(conn->buffer, conn->buffer + conn->begin, conn->end - conn->begin);
        conn->end -= conn->begin;
        conn->begin = 0;
    }
    return (nng_iov){conn->buffer + conn->end, RX_BUFFER_BYTES - conn->end};
}

static bool read_greeting(struct rpc__conn *conn)
{
    const uint8_t *at = conn->buffer + conn->begin;
    uint16_t protocol = (uint16_t)(at[4] << 8 | at[5]);
    if (at[0] != 0 || at[1] != 'S' || at[2] != 'P' || at[3] != 0 || at[6] != 0 || at[7] != 0 ||
        protocol != conn->peer_protocol)
        return false;
    conn->begin += GREETING_BYTES;
    conn->greeted = true;
    nng_aio_set_timeout(conn->rx, NNG_DURATION_INFINITE);
    if (conn->events->ready != NULL)
        conn->events->ready(conn->arg, conn);
    return true;
}

/* Begins the message at the front of the buffer; false if its header is none or claims too much. */
static bool read_head(struct rpc__conn *conn)
{
    const uint8_t *at = conn->buffer + conn->begin;
    if (conn->ipc && *at++ != IPC_MESSAGE_TYPE)
        return false;
    uint64_t len = 0;
    for (size_t i = 0; i < TCP_HEAD_BYTES; i++)
        len = len << 8 | at[i];
    if (len > MESSAGE_BYTES_MAX)
        return false;
    conn->partial = rpc__frame_create((size_t)len);
    if (conn->partial == NULL)
        return false;
    conn->begin += head_bytes(conn);
    size_t have = conn->end - conn->begin;
    if (have > conn->partial->len)
        have = conn->partial->len;
    memcpy(conn->partial->message, conn->buffer + conn->begin, have);
    conn->begin += have;
    conn->partial_have = have;
    return true;
}

/* Consumes all that is complete. False: the other end does not speak our language. */
static bool rx_consume(struct rpc__conn *conn)
{
    for (;;) {
        size_t have = conn->end - conn->begin;
        if (conn->partial != NULL) {
            if (conn->partial_have < conn->partial->len)
                return true;
            struct rpc__frame *frame = conn->partial;
            conn->partial = NULL;
            if (!conn->events->message(conn->arg, conn, frame))
                return false;
        } else if (!conn->greeted) {
            if (have < GREETING_BYTES)
                return true;
            if (!read_greeting(conn))
                return false;
        } else if (have < head_bytes(conn)) {
            return true;
        } else if (!read_head(conn)) {
            return false;
        }
    }
}

/* Submits a receive, or rests. Nothing of the connection may be touched afterwards. */
static void rx_submit(struct rpc__conn *conn, bool go_on)
{
    nng_iov room = rx_room(conn);
    (void)pthread_mutex_lock(&conn->lock);
    if (!go_on || conn->closing) {
        rest_and_unlock(conn, &conn->rx_running);
        return;
    }
    (void)nng_aio_set_iov(conn->rx, 1, &room);
    nng_stream_recv(conn->stream, conn->rx);
    (void)pthread_mutex_unlock(&conn->lock);
}

static void rx_done(void *arg)
{
    struct rpc__conn *conn = arg;
    /* The submission's unlock comes before this, and makes what it did visible here. */
    (void)pthread_mutex_lock(&conn->lock);
    int rv = nng_aio_result(conn->rx);
    size_t count = nng_aio_count(conn->rx);
    (void)pthread_mutex_unlock(&conn->lock);
    if (rv != 0) {
        rx_submit(conn, false);
        return;
    }
    if (conn->partial != NULL)
        conn->partial_have += count;
    else
        conn->end += count;
    rx_submit(conn, rx_consume(conn));
}

/* --- making --- */

struct rpc__conn *rpc__conn_create(nng_stream *stream, bool ipc, uint16_t protocol,
                                   uint16_t peer_protocol, const struct rpc__conn_events *events,
                                   void *arg)
{
    struct rpc__conn *conn = calloc(1, sizeof *conn);
    if (conn != NULL)
        conn->buffer = malloc(RX_BUFFER_BYTES);
    if (conn == NULL || conn->buffer == NULL || nng_aio_alloc(&conn->rx, rx_done, conn) != 0 ||
        nng_aio_alloc(&conn->tx, tx_done, conn) != 0) {
        if (conn != NULL) {
            nng_aio_free(conn->rx);
            free(conn->buffer);
        }
        free(conn);
        nng_stream_free(stream);
        return NULL;
    }
    conn->stream = stream;
    conn->ipc = ipc;
    conn->peer_protocol = peer_protocol;
    conn->events = events;
    conn->arg = arg;
    memcpy(conn->greeting, (uint8_t[]){0, 'S', 'P', 0, (uint8_t)(protocol >> 8), (uint8_t)protocol},
           6);
    atomic_init(&conn->refs, 2);
    (void)pthread_mutex_init(&conn->lock, NULL);
    nng_aio_set_timeout(conn->rx, GREETING_TIMEOUT_MS);
    nng_aio_set_timeout(conn->tx, SEND_TIMEOUT_MS);
    return conn;
}

void rpc__conn_start(struct rpc__conn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    conn->rx_running = true; /* before the send, which may end at once */
    if (!conn->closing)
        tx_submit(conn);
    (void)pthread_mutex_unlock(&conn->lock);
    rx_submit(conn, true);
}
