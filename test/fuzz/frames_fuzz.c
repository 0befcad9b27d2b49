/*
 * Bytes as they come from a stream: whatever they are, and however they are cut, the same packets
 * are told, in the same order, up to the same refusal. The first byte says which end reads, and how
 * long the pieces are.
 */
#include <stdlib.h>

#include "rpc/stream_conn.h"
#include "rpc/wire.h"

/* What was told of one reading. */
struct told {
    size_t ready;
    size_t packets;
    uint64_t hash; /* of all packets with their lengths (FNV-1a) */
    bool refused;
};

static void hash_bytes(uint64_t *hash, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        *hash = (*hash ^ bytes[i]) * UINT64_C(0x100000001b3);
}

static void on_ready(void *arg, struct rpc__sconn *conn)
{
    struct told *told = arg;
    if (told->ready != 0 || told->packets != 0 || !conn->greeted)
        abort();
    told->ready++;
}

/* Every other packet that lies in memory of its own is kept for a moment. */
static bool on_packet(void *arg, struct rpc__sconn *conn, struct span packet,
                      struct rpc_payload *owner)
{
    struct told *told = arg;
    (void)conn;
    if (told->ready != 1 || packet.len < WIRE_LENGTH_BYTES || packet.len > WIRE_PACKET_BYTES_MAX)
        abort();
    hash_bytes(&told->hash, (const uint8_t *)&packet.len, sizeof packet.len);
    hash_bytes(&told->hash, packet.data, packet.len);
    told->packets++;
    bool go_on = packet.data[packet.len - 1] != 0xff; /* a reader may refuse, too */
    if (owner->free != NULL && told->packets % 2 == 0) {
        struct rpc_payload kept = *owner;
        *owner = (struct rpc_payload){0};
        rpc_payload_release(&kept);
    }
    return go_on;
}

static struct told read_in_pieces(enum rpc__side side, const uint8_t *data, size_t size,
                                  size_t piece)
{
    static const struct rpc__sconn_events events = {.ready = on_ready, .packet = on_packet};
    struct told told = {.hash = UINT64_C(0xcbf29ce484222325)};
    struct rpc__sconn conn = {.side = side, .events = &events, .arg = &told};
    conn.buffer = malloc(RPC__RX_BUFFER_BYTES);
    if (conn.buffer == NULL)
        return told;
    for (size_t at = 0; at < size && !told.refused;) {
        nng_iov room = rpc__sconn_rx_room(&conn);
        if (room.iov_len == 0)
            abort(); /* it could never go on */
        size_t len = size - at < piece ? size - at : piece;
        if (len > room.iov_len)
            len = room.iov_len;
        memcpy(room.iov_buf, data + at, len);
        at += len;
        told.refused = !rpc__sconn_rx_split(&conn, len);
    }
    free(conn.partial);
    free(conn.buffer);
    return told;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    enum rpc__side side = data[0] % 2 == 0 ? SIDE_CLIENT : SIDE_SERVER;
    struct told whole = read_in_pieces(side, data + 1, size - 1, SIZE_MAX);
    struct told cut = read_in_pieces(side, data + 1, size - 1, (size_t)data[0] / 2 + 1);
    if (whole.ready != cut.ready || whole.packets != cut.packets || whole.hash != cut.hash ||
        whole.refused != cut.refused)
        abort();
    return 0;
}
