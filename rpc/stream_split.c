/*
 * What a connection receives, taken apart: the greeting, then frames. Nothing here touches the
 * stream; test/fuzz/frames_fuzz.c feeds it.
 *
 * Bytes go into the connection's buffer, or, in the middle of a large frame, into a block of its
 * own (`partial`), which its packet's reader may keep. The buffer has room for the largest frame
 * that is not read so, wherever it begins.
 */
#include <stdlib.h>

#include "rpc/stream_conn.h"

#include "rpc/wire.h"

/* Where the next bytes go. */
nng_iov rpc__sconn_rx_room(struct rpc__sconn *conn)
{
    struct rpc__block *partial = conn->partial;
    if (partial != NULL)
        return (nng_iov){partial->bytes + partial->len, partial->size - partial->len};
    if (conn->begin > 0) {
        memmove(conn->buffer, conn->buffer + conn->begin, conn->end - conn->begin);
        conn->end -= conn->begin;
        conn->begin = 0;
    }
    return (nng_iov){conn->buffer + conn->end, RPC__RX_BUFFER_BYTES - conn->end};
}

static bool read_greeting(struct rpc__sconn *conn)
{
    const uint8_t *at = conn->buffer + conn->begin;
    uint8_t wanted = conn->side == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT;
    /* A newer end offers a higher version and speaks ours, the lower one. */
    if (memcmp(at, RPC__GREETING_MAGIC, 4) != 0 || at[4] < RPC__GREETING_VERSION || at[5] != wanted)
        return false;
    conn->begin += RPC__GREETING_BYTES;
    conn->greeted = true;
    conn->events->ready(conn->arg, conn);
    return true;
}

/* Deals with the frame at the front of the buffer. False: no frame. `ret_more`: it was complete. */
static bool read_frame(struct rpc__sconn *conn, bool *ret_more)
{
    const uint8_t *at = conn->buffer + conn->begin;
    size_t have = conn->end - conn->begin - RPC__FRAME_LENGTH_BYTES;
    size_t len = 0;
    for (size_t i = 0; i < RPC__FRAME_LENGTH_BYTES; i++)
        len |= (size_t)at[i] << (8 * i);
    at += RPC__FRAME_LENGTH_BYTES;
    if (len < WIRE_LENGTH_BYTES || len > WIRE_PACKET_BYTES_MAX)
        return false;
    if (have >= len) {
        struct rpc_payload nothing = {0};
        conn->begin += RPC__FRAME_LENGTH_BYTES + len;
        return conn->events->packet(conn->arg, conn, span_of(at, len), &nothing);
    }
    *ret_more = false;
    if (len <= RPC__FRAME_SHARED_BYTES_MAX)
        return true;
    conn->partial = rpc__block_create(len);
    if (conn->partial == NULL)
        return false;
    memcpy(conn->partial->bytes, at, have);
    conn->partial->len = have;
    conn->begin = conn->end;
    return true;
}

static void block_release(struct rpc_payload *payload)
{
    free(payload->owner);
}

static bool finish_partial(struct rpc__sconn *conn)
{
    struct rpc__block *block = conn->partial;
    conn->partial = NULL;
    struct span packet = span_of(block->bytes, block->len);
    struct rpc_payload owner = {packet, block_release, block};
    bool go_on = conn->events->packet(conn->arg, conn, packet, &owner);
    rpc_payload_release(&owner);
    return go_on;
}

bool rpc__sconn_rx_split(struct rpc__sconn *conn, size_t count)
{
    bool more = true;
    if (conn->partial != NULL)
        conn->partial->len += count;
    else
        conn->end += count;
    if (conn->partial != NULL)
        return conn->partial->len < conn->partial->size || finish_partial(conn);
    if (!conn->greeted) {
        if (conn->end - conn->begin < RPC__GREETING_BYTES)
            return true;
        if (!read_greeting(conn))
            return false;
    }
    while (more && conn->end - conn->begin >= RPC__FRAME_LENGTH_BYTES)
        if (!read_frame(conn, &more))
            return false;
    return true;
}
