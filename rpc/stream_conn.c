/*
 * A connection that carries packets: each in a frame, behind its length.
 *
 * As in nng_conn.c one receive and one send are under way at most, `rx` and `tx`, both submitted
 * under the lock and never once `closing` is set; closing the stream under the lock ends them, and
 * when both are at rest the connection is over: `closed` is given and the reference of the
 * operations dropped. Beside them `quick` sends and `linger` receives without a callback, while no
 * `tx`, or `rx`, is under way: both are waited for, or called off, where they were submitted.
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

#include "rpc/stream_conn.h"

#include "rpc/base/clock.h"

/* The other end must greet, and must take something of what is sent, within so long, in ms. */
#define GREETING_TIMEOUT_MS 10000
#define SEND_TIMEOUT_MS 10000

/* --- blocks --- */

struct rpc__block *rpc__block_create(size_t size)
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
    nng_aio_reap(conn->quick);
    nng_aio_reap(conn->linger);
    nng_stream_free(conn->stream);
    (void)pthread_mutex_destroy(&conn->lock);
    free(conn->partial);
    free(conn->buffer);
    free(conn);
}

void rpc__sconn_close_locked(struct rpc__sconn *conn)
{
    if (conn->closing)
        return;
    conn->closing = true;
    nng_stream_close(conn->stream);
}

void rpc__sconn_close(struct rpc__sconn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    rpc__sconn_close_locked(conn);
    (void)pthread_mutex_unlock(&conn->lock);
}

void rpc__sconn_rest_and_unlock(struct rpc__sconn *conn, bool *running)
{
    *running = false;
    rpc__sconn_close_locked(conn);
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
        conn->buffer = malloc(RPC__RX_BUFFER_BYTES);
        conn->tx_spare = rpc__block_create(RPC__TX_BLOCK_BYTES);
    }
    if (conn == NULL || conn->buffer == NULL || conn->tx_spare == NULL ||
        nng_aio_alloc(&conn->rx, rpc__sconn_rx_done, conn) != 0 ||
        nng_aio_alloc(&conn->tx, rpc__sconn_tx_done, conn) != 0 ||
        nng_aio_alloc(&conn->quick, NULL, NULL) != 0 ||
        nng_aio_alloc(&conn->linger, NULL, NULL) != 0) {
        if (conn != NULL) {
            nng_aio_free(conn->rx);
            nng_aio_free(conn->tx);
            nng_aio_free(conn->quick);
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
    const uint8_t greeting[RPC__GREETING_BYTES] = {
        'L', 'O', 'T', 'C', RPC__GREETING_VERSION, (uint8_t)side};
    struct rpc__block *block = rpc__sconn_tx_room(conn, sizeof greeting);
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
    rpc__sconn_tx_kick(conn);
    (void)pthread_mutex_unlock(&conn->lock);
    rpc__sconn_rx_submit(conn, true);
}

void rpc__sconn_discard(struct rpc__sconn *conn)
{
    rpc__sconn_unref(conn); /* that of the operations */
    rpc__sconn_unref(conn);
}
