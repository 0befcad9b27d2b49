/*
 * What a connection sends (stream_conn.c).
 */
#include <assert.h>
#include <stdlib.h>

#include "rpc/stream_conn.h"

#include "rpc/wire.h"

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

/* --- blocks --- */

/* Writes a frame at the end of the block. */
static void block_append(struct rpc__block *block, const struct rpc__packet *packet,
                         const struct wire_size *size)
{
    uint8_t *at = block->bytes + block->len;
    for (size_t i = 0; i < RPC__FRAME_LENGTH_BYTES; i++)
        at[i] = (uint8_t)(size->packet_bytes >> (8 * i));
    uint8_t *payload = wire_write_header(packet->header, size, at + RPC__FRAME_LENGTH_BYTES);
    if (packet->message != NULL)
        (void)protobuf_c_message_pack(packet->message, payload);
    else if (packet->payload_bytes > 0)
        memcpy(payload, packet->packed.data, packet->payload_bytes);
    block->len += RPC__FRAME_LENGTH_BYTES + size->packet_bytes;
}

struct rpc__block *rpc__block_of(const struct rpc__packet *packet, struct rpc_status *status)
{
    struct wire_size size;
    if (wire_measure(packet->header, packet->payload_bytes, &size, status) != RPC_OK)
        return NULL;
    struct rpc__block *block = rpc__block_create(RPC__FRAME_LENGTH_BYTES + size.packet_bytes);
    if (block == NULL)
        (void)rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    else
        block_append(block, packet, &size);
    return block;
}

/* --- sending; under the lock --- */

/* Gives all blocks there are to the operation; they are not written to any more. */
static void tx_fill(struct rpc__sconn *conn, nng_aio *aio)
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
    (void)nng_aio_set_iov(aio, count, pieces);
}

static void tx_submit(struct rpc__sconn *conn)
{
    conn->tx_running = true;
    tx_fill(conn, conn->tx);
    nng_stream_send(conn->stream, conn->tx);
}

void rpc__sconn_tx_kick(struct rpc__sconn *conn)
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
    if (block->size == RPC__TX_BLOCK_BYTES && conn->tx_spare == NULL) {
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

/*
 * The same for what was gathered to leave together, if the kernel takes it at once, which it nearly
 * always does: NNG then has no thread woken to say so. What it does not take is called off again,
 * before any of it was sent, and left to the other way. TLS, which may have sent a part, has that
 * alone.
 */
static void tx_flush(struct rpc__sconn *conn)
{
    while (!conn->tx_running && !conn->closing && conn->tx_first != NULL && !conn->tls) {
        tx_fill(conn, conn->quick);
        nng_stream_send(conn->stream, conn->quick);
        if (nng_aio_count(conn->quick) == 0)
            nng_aio_abort(conn->quick, NNG_ECANCELED);
        nng_aio_wait(conn->quick);
        size_t sent = nng_aio_count(conn->quick);
        if (sent == 0)
            break;
        tx_advance(conn, sent);
    }
    rpc__sconn_tx_kick(conn);
}

struct rpc__block *rpc__sconn_tx_room(struct rpc__sconn *conn, size_t bytes)
{
    struct rpc__block *block = conn->tx_open;
    if (block != NULL && block == conn->tx_last && block->size - block->len >= bytes)
        return block;
    block = conn->tx_spare;
    conn->tx_spare = NULL;
    if (block == NULL)
        block = rpc__block_create(RPC__TX_BLOCK_BYTES);
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
        rpc__sconn_tx_kick(conn);
}

void rpc__held_send(void)
{
    size_t count = held.count;
    held.count = 0;
    for (size_t i = 0; i < count; i++) {
        struct rpc__sconn *conn = held.conns[i];
        (void)pthread_mutex_lock(&conn->lock);
        if (conn->corked)
            rpc__sconn_tx_kick(conn);
        else
            tx_flush(conn);
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

void rpc__sconn_tx_done(void *arg)
{
    struct rpc__sconn *conn = arg;
    (void)pthread_mutex_lock(&conn->lock);
    conn->tx_running = false;
    if (nng_aio_result(conn->tx) != 0 || conn->closing) {
        rpc__sconn_rest_and_unlock(conn, &conn->tx_running);
        return;
    }
    tx_advance(conn, nng_aio_count(conn->tx));
    rpc__sconn_tx_kick(conn);
    bool resumes = conn->rx_paused && conn->tx_bytes <= RPC__RX_PAUSE_BYTES / 2;
    if (resumes)
        conn->rx_paused = false;
    (void)pthread_mutex_unlock(&conn->lock);
    if (resumes)
        rpc__sconn_rx_submit(conn, true);
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
    size_t bytes = RPC__FRAME_LENGTH_BYTES + size.packet_bytes;
    if (bytes > RPC__FRAME_SHARED_BYTES_MAX) { /* not under the lock */
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
        struct rpc__block *block = rpc__sconn_tx_room(conn, bytes);
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

void rpc__sconn_set_corked(struct rpc__sconn *conn, bool corked)
{
    (void)pthread_mutex_lock(&conn->lock);
    conn->corked = corked;
    tx_flush(conn);
    (void)pthread_mutex_unlock(&conn->lock);
}
