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

/* Whether the process at the other end of a pipe runs under our own uid. */
bool rpc__nng_peer_is_ours(nng_pipe pipe, bool ipc);

/* The status of a call that NNG ended with the error `rv`. */
enum rpc_code rpc__nng_status(int rv, struct rpc_status *status);

/* Sets what every socket of ours needs before it listens or dials; an NNG error or 0. */
int rpc__nng_socket_prepare(nng_socket socket);

/* Closes a socket, in a thread of its own; false if that has not ended in time (it goes on then).
 */
bool rpc__nng_socket_close(nng_socket socket);

/*
 * Makes a message with this header and room for the payload. NULL when out of memory or too large,
 * with `status` set.
 */
nng_msg *rpc__nng_packet(const Lotcast__V1__PacketHeader *header, size_t payload_bytes,
                         uint8_t **ret_payload, struct rpc_status *status);

/* Hands a received message over as a payload of `bytes`, which lie in it. */
struct rpc_payload rpc__nng_payload(nng_msg *msg, struct span bytes);

/* --- nng_guard.c --- */

/* A plain connection to an address, to see who is there. {-1}: none. */
struct rpc__probe {
    int fd;
};

enum rpc__probe_result {
    PROBE_ABSENT,  /* nobody listens, or the connection has ended */
    PROBE_WAITING, /* connected, or the backlog is full (fd is -1 then) */
    PROBE_ANSWERED /* the other end has greeted */
};

/* Connects and greets; waits a moment at most. */
enum rpc__probe_result rpc__probe_begin(struct rpc__probe *probe,
                                        const struct rpc__nng_address *address);
/* Waits for the other end's greeting. */
enum rpc__probe_result rpc__probe_wait(struct rpc__probe *probe, int timeout_ms);
void rpc__probe_end(struct rpc__probe *probe);

struct rpc__guard;
/* Starts a thread that calls `tick` each interval_ms. NULL when that fails. */
struct rpc__guard *rpc__guard_start(int interval_ms, void (*tick)(void *arg), void *arg);
/* Ends it; false if its tick did not end in time: then what it uses must not be freed. Takes NULL.
 */
bool rpc__guard_stop(struct rpc__guard *guard);

#endif
