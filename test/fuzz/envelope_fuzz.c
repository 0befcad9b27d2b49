/*
 * Packets as they come from a socket: whatever the bytes, a packet is read or refused; what was
 * read packs and reads back the same.
 */
#include <stdlib.h>

#include "rpc/wire.h"

#define ARENA_BYTES ((size_t)4 * 1024 * 1024)

static void check_round_trip(const Lotcast__V1__PacketHeader *header, struct span payload)
{
    struct wire_size size;
    if (wire_measure(header, payload.len, &size, NULL) != RPC_OK)
        return; /* at the limit: a negative number may have been written shorter than it should be
                 */
    uint8_t *packet = malloc(size.packet_bytes);
    if (packet == NULL)
        return;
    uint8_t *at = wire_write_header(header, &size, packet);
    if (payload.len > 0)
        memcpy(at, payload.data, payload.len);
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    Lotcast__V1__PacketHeader *again;
    struct span again_payload;
    if (wire_read(span_of(packet, size.packet_bytes), &arena, &again, &again_payload, NULL) !=
        RPC_OK)
        abort();
    if (again->type != header->type || again->call_id != header->call_id ||
        again->n_metadata != header->n_metadata || strcmp(again->method, header->method) != 0 ||
        !span_equal(again_payload, payload))
        abort();
    arena_fini(&arena);
    free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    Lotcast__V1__PacketHeader *header;
    struct span payload;
    if (wire_read(span_of(data, size), &arena, &header, &payload, NULL) == RPC_OK)
        check_round_trip(header, payload);
    arena_fini(&arena);
    return 0;
}
