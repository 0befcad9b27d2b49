/*
 * What both ends of the stream transport share: connections that carry packets in length-prefixed
 * frames over one of NNG's byte streams (rpc/PROTOCOL.md, section 6).
 */
#ifndef RPC_STREAM_INTERNAL_H
#define RPC_STREAM_INTERNAL_H

#include "rpc/nng_internal.h"

/* A packet to be sent. */
struct rpc__packet {
    const Lotcast__V1__PacketHeader *header;
    const ProtobufCMessage *message; /* the payload; or NULL, and … */
    struct span packed;              /* … it is packed already */
    size_t payload_bytes;
};

/* A frame by itself, for one that has to wait for a connection, or is large. */
struct rpc__block;
/* NULL when out of memory or too large, with the status. */
struct rpc__block *rpc__block_of(const struct rpc__packet *packet, struct rpc_status *status);
void rpc__block_free(struct rpc__block *block);

enum rpc__side { SIDE_CLIENT = 'c', SIDE_SERVER = 's' };

struct rpc__sconn;

/* On threads of NNG's, one at a time for a connection, with no lock held. */
struct rpc__sconn_events {
    void (*ready)(void *arg, struct rpc__sconn *conn); /* the other end has greeted */
    /*
     * A packet came. It lies in memory of its own that can be taken (moved from `owner`), or, with
     * an `owner` that is empty, is gone when this returns. False: close the connection.
     */
    bool (*packet)(void *arg, struct rpc__sconn *conn, struct span packet,
                   struct rpc_payload *owner);
    /* Behind the packets that came together. What is sent from the first of them until this returns
     * goes out at once, in one piece. */
    void (*batch)(void *arg, struct rpc__sconn *conn);
    void (*closed)(void *arg, struct rpc__sconn *conn); /* once, last */
};

/*
 * Makes a connection of a stream (taken, also on failure). The caller has one reference, and
 * `closed` will come once it is started. NULL when out of memory.
 */
struct rpc__sconn *rpc__sconn_create(nng_stream *stream, enum rpc__side side, bool tls,
                                     const struct rpc__sconn_events *events, void *arg);
/* Greets and begins to receive. Instead of it, for a connection that is not wanted: discard, which
 * takes the caller's reference too. */
void rpc__sconn_start(struct rpc__sconn *conn);
void rpc__sconn_discard(struct rpc__sconn *conn);
struct rpc__sconn *rpc__sconn_ref(struct rpc__sconn *conn);
void rpc__sconn_unref(struct rpc__sconn *conn); /* takes NULL */

/*
 * Queues a packet; any thread, does not block. RPC_UNAVAILABLE: the connection has ended, or takes
 * no requests any more; nothing was sent. RPC_RESOURCE_EXHAUSTED: the other end does not take what
 * is queued already, the packet is too large, or there is no memory.
 */
enum rpc_code rpc__sconn_send(struct rpc__sconn *conn, const struct rpc__packet *packet,
                              struct rpc_status *status);
/* The same for a frame (a request, taken in any case). */
enum rpc_code rpc__sconn_send_block(struct rpc__sconn *conn, struct rpc__block *block,
                                    struct rpc_status *status);
/* Sends a packet that is a header with these alone. */
void rpc__sconn_signal(struct rpc__sconn *conn, Lotcast__V1__PacketType type, uint64_t call_id,
                       uint32_t credits);
/* From here on no request is sent. */
void rpc__sconn_refuse_requests(struct rpc__sconn *conn);

/* Asks for the end; `closed` follows, perhaps on another thread before this returns. */
void rpc__sconn_close(struct rpc__sconn *conn);
/* Whether all that was queued is with the kernel. */
bool rpc__sconn_flushed(struct rpc__sconn *conn);

/*
 * Asks a silent peer for a sign of life, and closes the connection of one that gives none in time.
 * One thread calls this now and then.
 */
void rpc__sconn_keep_alive(struct rpc__sconn *conn, int64_t silence_ms, int64_t timeout_ms);
/* Answers a PING of the other end's. True: it was one; false: an answer to one of ours. */
bool rpc__sconn_on_ping(struct rpc__sconn *conn, uint64_t id);

#endif
