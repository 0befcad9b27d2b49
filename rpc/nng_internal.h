/*
 * What the transports over NNG share. Only they include it, so that no other file sees NNG.
 */
#ifndef RPC_NNG_INTERNAL_H
#define RPC_NNG_INTERNAL_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "lotcast/v1/rpc.pb-c.h"
#include "rpc/internal.h"

/* Longest address handed to NNG, in bytes with its NUL. */
#define NNG_ADDRESS_BYTES 256

struct rpc__nng_address {
    char url[NNG_ADDRESS_BYTES]; /* as NNG takes it: ipc:///path or (tls+)tcp://host:port */
    bool ipc;
    bool tls;
    nng_tls_config *tls_config; /* its owner's; only with tls */
};

/* The path of an ipc address's socket. */
static inline const char *rpc__nng_address_path(const struct rpc__nng_address *address)
{
    return address->url + sizeof "ipc://" - 1;
}

/*
 * Parses ipc:///path, tcp://host:port and tls+tcp://host:port, and the first two with req+ before
 * them. RPC_FAILED_PRECONDITION for a path that a socket's address cannot hold, and for a host that
 * is not a loopback address where there is no TLS; RPC_INVALID_ARGUMENT for anything else.
 */
enum rpc_code rpc__nng_address_parse(const char *url, struct rpc__nng_address *ret_address,
                                     struct rpc_status *status);

/* Whether the process at the other end of a stream runs under our own uid; over TLS, where its
 * certificate says who it is, always. */
bool rpc__nng_peer_is_ours(nng_stream *stream, const struct rpc__nng_address *address);

/* --- TLS: nng_tls.c --- */

/*
 * Reads the files and makes the address's TLS configuration; nothing where there is no TLS.
 * RPC_FAILED_PRECONDITION if a file is missing or not what it should be.
 */
enum rpc_code rpc__nng_tls_init(struct rpc__nng_address *address, const struct rpc_tls *tls,
                                bool server, struct rpc_status *status);
void rpc__nng_tls_fini(struct rpc__nng_address *address);

/* --- accepting: nng_accept.c --- */

struct rpc__acceptor;

/* On the acceptor's thread. */
struct rpc__acceptor_events {
    void (*stream)(void *arg, nng_stream *stream); /* taken; its peer was checked */
    void (*tick)(void *arg);                       /* about once a second; may be NULL */
};

/*
 * Listens and starts to accept. A stale ipc socket is removed first; the new one is 0600, and is
 * put back when somebody removes it. RPC_FAILED_PRECONDITION where that cannot be.
 */
enum rpc_code rpc__acceptor_open(const struct rpc__nng_address *address,
                                 const struct rpc__acceptor_events *events, void *arg,
                                 struct rpc__acceptor **ret_acceptor, struct rpc_status *status);
/* Stops listening and joins the thread: no event comes any more. Takes NULL. */
void rpc__acceptor_close(struct rpc__acceptor *acceptor);

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
