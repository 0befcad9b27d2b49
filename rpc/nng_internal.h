/*
 * What the transports over NNG share. Only they include it, so that no other file sees NNG.
 */
#ifndef RPC_NNG_INTERNAL_H
#define RPC_NNG_INTERNAL_H

#include <nng/nng.h>

#include "lotcast/v1/rpc.pb-c.h"
#include "rpc/internal.h"

/* Longest address handed to NNG, in bytes with its NUL. */
#define NNG_ADDRESS_BYTES 256

struct rpc__nng_address {
    char url[NNG_ADDRESS_BYTES]; /* as NNG takes it: ipc:///path or tcp://host:port */
    bool ipc;
};

/* The path of an ipc address's socket. */
static inline const char *rpc__nng_address_path(const struct rpc__nng_address *address)
{
    return address->url + sizeof "ipc://" - 1;
}

/*
 * Parses req+ipc:///path and req+tcp://host:port. RPC_FAILED_PRECONDITION for a path that a
 * socket's address cannot hold, and for a TCP host that is not a loopback address;
 * RPC_INVALID_ARGUMENT for anything else.
 */
enum rpc_code rpc__nng_address_parse(const char *url, struct rpc__nng_address *ret_address,
                                     struct rpc_status *status);

/* Whether the process at the other end of a stream runs under our own uid. */
bool rpc__nng_peer_is_ours(nng_stream *stream, bool ipc);

/* --- frames: one message of a connection, in memory of its own --- */

/* Room in front of a message for a connection's own header. */
#define RPC__FRAME_HEAD_BYTES 16

struct rpc__frame {
    struct rpc__frame *next;
    size_t len;                                       /* of the message */
    _Alignas(16) uint8_t head[RPC__FRAME_HEAD_BYTES]; /* its last bytes are sent */
    uint8_t message[];
};

/* A frame for a message of `len` bytes, which the caller writes; free() it. NULL: out of memory. */
struct rpc__frame *rpc__frame_create(size_t len);

/*
 * A frame with `prefix_bytes` left to the caller, then a packet with this header and room for its
 * payload. NULL when out of memory or too large, with `status` set.
 */
struct rpc__frame *rpc__frame_packet(const Lotcast__V1__PacketHeader *header, size_t prefix_bytes,
                                     size_t payload_bytes, uint8_t **ret_payload,
                                     struct rpc_status *status);

/* Hands a received frame over as a payload of `bytes`, which lie in it. */
struct rpc_payload rpc__frame_payload(struct rpc__frame *frame, struct span bytes);

/* --- connections: nng_conn.c --- */

/* SP's protocol numbers (REQ's and REP's), as both ends greet with them. */
#define SP_PROTOCOL_REQ 0x30
#define SP_PROTOCOL_REP 0x31

struct rpc__conn;

/* On threads of NNG's, one at a time for a connection, with no lock held. */
struct rpc__conn_events {
    void (*ready)(void *arg, struct rpc__conn *conn); /* the other end has greeted */
    /* A message came; the frame is the callee's. False: close the connection. */
    bool (*message)(void *arg, struct rpc__conn *conn, struct rpc__frame *frame);
    void (*closed)(void *arg, struct rpc__conn *conn); /* once, last */
};

/*
 * Makes a connection of a stream (taken, also on failure) and greets. The caller has one reference,
 * and `closed` will come. NULL when out of memory.
 */
struct rpc__conn *rpc__conn_create(nng_stream *stream, bool ipc, uint16_t protocol,
                                   uint16_t peer_protocol, const struct rpc__conn_events *events,
                                   void *arg);
/* Begins to receive. */
void rpc__conn_start(struct rpc__conn *conn);
struct rpc__conn *rpc__conn_ref(struct rpc__conn *conn);
void rpc__conn_unref(struct rpc__conn *conn); /* takes NULL */
/*
 * Queues a frame (taken in any case). RPC_UNAVAILABLE: the connection has ended;
 * RPC_RESOURCE_EXHAUSTED: the other end does not take what is queued already. Any thread; does not
 * block.
 */
enum rpc_code rpc__conn_send(struct rpc__conn *conn, struct rpc__frame *frame);
/* Asks for the end; `closed` follows, perhaps on another thread before this returns. */
void rpc__conn_close(struct rpc__conn *conn);
/* Whether all that was queued is with the kernel. */
bool rpc__conn_flushed(struct rpc__conn *conn);

#endif
