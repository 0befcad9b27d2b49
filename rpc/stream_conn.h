/*
 * A connection's insides: stream_conn.c has its life, stream_send.c, stream_receive.c and
 * stream_split.c the rest.
 */
#ifndef RPC_STREAM_CONN_H
#define RPC_STREAM_CONN_H

#include "rpc/stream_internal.h"

#define RPC__GREETING_BYTES 8
#define RPC__GREETING_MAGIC "LOTC"
#define RPC__GREETING_VERSION 1
/* A frame's head: the packet's length, little endian. */
#define RPC__FRAME_LENGTH_BYTES 4
/* Frames beyond it are in memory of their own, both ways. */
#define RPC__FRAME_SHARED_BYTES_MAX ((size_t)16 * 1024)
#define RPC__RX_BUFFER_BYTES ((size_t)64 * 1024)
#define RPC__TX_BLOCK_BYTES ((size_t)64 * 1024)
/* A server does not read on with more than this to be sent, until it is half as much. */
#define RPC__RX_PAUSE_BYTES ((size_t)8 * 1024 * 1024)

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
    nng_aio *quick;  /* of a send that ends at once or not at all; under the lock */
    nng_aio *linger; /* of a receive that is waited for; the receiving side's */
    enum rpc__side side;
    bool tls;
    const struct rpc__sconn_events *events;
    void *arg;

    /* Of the receiving side: one thread at a time. */
    bool greeted;
    uint8_t *buffer; /* RPC__RX_BUFFER_BYTES */
    size_t begin;    /* of what is not consumed yet */
    size_t end;
    struct rpc__block *partial; /* a large packet being read */
    unsigned linger_pause;      /* times that lingering is left out after it was in vain */
    unsigned lingers_left_out;  /* how many of them are still to come */

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

/* NULL: out of memory. */
struct rpc__block *rpc__block_create(size_t size);

/* Closes the stream, once. Under the lock. */
void rpc__sconn_close_locked(struct rpc__sconn *conn);
/* An operation (whose `running` it is) has ended for good. Unlocks; the last one ends the
 * connection. */
void rpc__sconn_rest_and_unlock(struct rpc__sconn *conn, bool *running);

/* Where the next bytes go, and what they are when so many have come there: greeting and packets are
 * told. False: the other end does not speak our language. (stream_split.c) */
nng_iov rpc__sconn_rx_room(struct rpc__sconn *conn);
bool rpc__sconn_rx_split(struct rpc__sconn *conn, size_t count);

/* The callbacks of the two operations. */
void rpc__sconn_rx_done(void *arg);
void rpc__sconn_tx_done(void *arg);

/* Submits a receive, or rests. Nothing of the connection may be touched afterwards. */
void rpc__sconn_rx_submit(struct rpc__sconn *conn, bool go_on);
/* Sends what there is, unless a send is under way or more is about to come. Under the lock. */
void rpc__sconn_tx_kick(struct rpc__sconn *conn);
/* A block with room for so many more bytes, at the end of the queue; NULL: out of memory. Under the
 * lock. */
struct rpc__block *rpc__sconn_tx_room(struct rpc__sconn *conn, size_t bytes);
/* While a connection is corked what is sent gathers; uncorking sends it. */
void rpc__sconn_set_corked(struct rpc__sconn *conn, bool corked);

#endif
