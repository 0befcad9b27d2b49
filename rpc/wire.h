/*
 * The envelope (rpc/PROTOCOL.md): a 32-bit little-endian length, a packed PacketHeader of that
 * length, and the payload, which is all that follows.
 */
#ifndef RPC_WIRE_H
#define RPC_WIRE_H

#include "lotcast/v1/rpc.pb-c.h"
#include "rpc/channel.h"

/* The length in front of the header. */
#define WIRE_LENGTH_BYTES 4
/* A packed header at most: metadata of RPC_METADATA_BYTES_MAX with its framing, and a status. */
#define WIRE_HEADER_BYTES_MAX ((size_t)8192)
/* A whole packet at most; what a transport's receive limit is set to. */
#define WIRE_PACKET_BYTES_MAX (WIRE_LENGTH_BYTES + WIRE_HEADER_BYTES_MAX + RPC_MESSAGE_BYTES_MAX)

/* How long a packet's parts are; made by wire_measure, so that a frame is allocated once. */
struct wire_size {
    size_t header_bytes;
    size_t payload_bytes;
    size_t packet_bytes;
};

/*
 * Measures a packet with a payload of `payload_bytes`. RPC_RESOURCE_EXHAUSTED if the payload is
 * larger than RPC_MESSAGE_BYTES_MAX or the header larger than WIRE_HEADER_BYTES_MAX.
 */
enum rpc_code wire_measure(const Lotcast__V1__PacketHeader *header, size_t payload_bytes,
                           struct wire_size *ret_size, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* Writes length and header to `to`, which has size->packet_bytes; returns where the payload
 * belongs. */
uint8_t *wire_write_header(const Lotcast__V1__PacketHeader *header, const struct wire_size *size,
                           uint8_t *to);

/*
 * Reads a packet. The header is allocated in `arena`; the payload lies in `packet`.
 * RPC_INVALID_ARGUMENT: too short, a length that does not fit, a header or payload beyond its
 * limit, a header that is none, or metadata beyond its limits. RPC_RESOURCE_EXHAUSTED: the arena is
 * full.
 */
enum rpc_code wire_read(struct span packet, struct arena *arena,
                        Lotcast__V1__PacketHeader **ret_header, struct span *ret_payload,
                        struct rpc_status *status) __attribute__((warn_unused_result));

/*
 * Checks entries, sizes, keys (lower case letters, digits, '-', '_', '.') and values (UTF-8 without
 * controls). RPC_INVALID_ARGUMENT with a message that names the key's position.
 */
enum rpc_code wire_metadata_check(const struct rpc_metadata *metadata, struct rpc_status *status)
    __attribute__((warn_unused_result));

#endif
