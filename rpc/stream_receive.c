/*
 * What a connection receives (stream_conn.c).
 */
#include <sched.h>

#include "rpc/stream_conn.h"

#include "rpc/base/clock.h"

/* How long a receiver waits by itself for what comes next, in µs. */
#define LINGER_US 50
/* Where nothing came in so long it does not try for so many times, twice as many each time. */
#define LINGER_PAUSE_MAX 31
/* Receivers of a process that may do so at once: NNG has two threads a core for all connections. */
#define LINGERING_MAX 1

void rpc__sconn_rx_submit(struct rpc__sconn *conn, bool go_on)
{
    nng_iov room = rpc__sconn_rx_room(conn);
    (void)pthread_mutex_lock(&conn->lock);
    if (!go_on || conn->closing) {
        rpc__sconn_rest_and_unlock(conn, &conn->rx_running);
        return;
    }
    if (conn->side == SIDE_SERVER && conn->tx_bytes > RPC__RX_PAUSE_BYTES) {
        conn->rx_paused = true; /* a send is under way, and its end goes on here */
    } else {
        (void)nng_aio_set_iov(conn->rx, 1, &room);
        nng_stream_recv(conn->stream, conn->rx);
    }
    (void)pthread_mutex_unlock(&conn->lock);
}

/* Deals with so many bytes that have come. False: the other end does not speak our language. */
static bool rx_deal(struct rpc__sconn *conn, size_t count)
{
    bool greeted = conn->greeted;
    atomic_store(&conn->heard_ms, clock_mono_ms());
    bool go_on = rpc__sconn_rx_split(conn, count);
    if (!greeted && conn->greeted)
        nng_aio_set_timeout(conn->rx, NNG_DURATION_INFINITE);
    conn->events->batch(conn->arg, conn);
    rpc__sconn_set_corked(conn, false);
    return go_on;
}

/* Receivers of this process that wait by themselves. */
static atomic_uint lingering;

/* Whether a receive without a callback was submitted. */
static bool linger_begin(struct rpc__sconn *conn)
{
    if (conn->tls || conn->lingers_left_out > 0) {
        conn->lingers_left_out -= conn->lingers_left_out > 0;
        return false;
    }
    nng_iov room = rpc__sconn_rx_room(conn);
    (void)pthread_mutex_lock(&conn->lock);
    bool may =
        !conn->closing && conn->tx_bytes == 0 && atomic_fetch_add(&lingering, 1) < LINGERING_MAX;
    if (may) {
        (void)nng_aio_set_iov(conn->linger, 1, &room);
        nng_stream_recv(conn->stream, conn->linger);
    } else if (!conn->closing && conn->tx_bytes == 0) {
        (void)atomic_fetch_sub(&lingering, 1);
    }
    (void)pthread_mutex_unlock(&conn->lock);
    return may;
}

/*
 * Waits a moment for what comes next, where it has been quick of late: to be told of it by NNG
 * costs another switch of threads, which for a single call at a time is most of its time. Who has
 * other work to do is let through. Returns how much came; 0: nothing did, or the connection is
 * ending.
 */
static size_t rx_linger(struct rpc__sconn *conn)
{
    if (!linger_begin(conn))
        return 0;
    int64_t until_us = clock_mono_us() + LINGER_US;
    while (nng_aio_count(conn->linger) == 0 && nng_aio_result(conn->linger) == 0 &&
           clock_mono_us() < until_us)
        (void)sched_yield();
    if (nng_aio_count(conn->linger) == 0)
        nng_aio_abort(conn->linger, NNG_ECANCELED);
    nng_aio_wait(conn->linger);
    (void)atomic_fetch_sub(&lingering, 1);
    size_t count = nng_aio_count(conn->linger);
    if (count > 0)
        conn->linger_pause = 0;
    else if (conn->linger_pause < LINGER_PAUSE_MAX)
        conn->linger_pause = 2 * conn->linger_pause + 1;
    conn->lingers_left_out = conn->linger_pause;
    return count;
}

static void cork(struct rpc__sconn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    conn->corked = true;
    (void)pthread_mutex_unlock(&conn->lock);
}

void rpc__sconn_rx_done(void *arg)
{
    struct rpc__sconn *conn = arg;
    /* The submission's unlock comes before this, and makes what it did visible here. */
    (void)pthread_mutex_lock(&conn->lock);
    int rv = nng_aio_result(conn->rx);
    size_t count = rv == 0 ? nng_aio_count(conn->rx) : 0;
    (void)pthread_mutex_unlock(&conn->lock);
    bool go_on = count > 0;
    while (go_on && count > 0) {
        cork(conn);
        go_on = rx_deal(conn, count);
        count = go_on ? rx_linger(conn) : 0;
    }
    rpc__sconn_rx_submit(conn, go_on);
}
