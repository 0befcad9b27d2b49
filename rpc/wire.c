#include "rpc/wire.h"

#include <assert.h>

#include "rpc/base/ascii.h"
#include "rpc/base/utf8.h"

enum rpc_code wire_measure(const Lotcast__V1__PacketHeader *header, size_t payload_bytes,
                           struct wire_size *ret_size, struct rpc_status *status)
{
    if (payload_bytes > RPC_MESSAGE_BYTES_MAX)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the message is too large");
    size_t header_bytes = lotcast__v1__packet_header__get_packed_size(header);
    if (header_bytes > WIRE_HEADER_BYTES_MAX)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the packet header is too large");
    *ret_size = (struct wire_size){
        .header_bytes = header_bytes,
        .payload_bytes = payload_bytes,
        .packet_bytes = WIRE_LENGTH_BYTES + header_bytes + payload_bytes,
    };
    return RPC_OK;
}

uint8_t *wire_write_header(const Lotcast__V1__PacketHeader *header, const struct wire_size *size,
                           uint8_t *to)
{
    for (size_t i = 0; i < WIRE_LENGTH_BYTES; i++)
        to[i] = (uint8_t)(size->header_bytes >> (8 * i));
    size_t written = lotcast__v1__packet_header__pack(header, to + WIRE_LENGTH_BYTES);
    assert(written == size->header_bytes);
    return to + WIRE_LENGTH_BYTES + written;
}

/* The key's length; 0: it is none. */
static size_t key_length(const char *key)
{
    size_t len = ascii_run_of_string(key, ASCII_KEY);
    return key[len] == '\0' ? len : 0;
}

/* A control character would let a value break out of a log line or an HTTP header. */
static bool value_valid(const char *value, size_t len)
{
    size_t plain = utf8_plain_run(value, len);
    for (size_t i = plain; i < len; i++)
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
            return false;
    return utf8_valid(value + plain, len - plain, NULL);
}

enum rpc_code wire_metadata_check(const struct rpc_metadata *metadata, struct rpc_status *status)
{
    size_t bytes = 0;
    if (metadata->count > RPC_METADATA_ENTRIES_MAX)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "too much metadata");
    for (size_t i = 0; i < metadata->count; i++) {
        const struct rpc_metadata_entry *entry = &metadata->entries[i];
        size_t key_len = entry->key == NULL || entry->value == NULL ? 0 : key_length(entry->key);
        if (key_len == 0)
            return rpc_status_set(status, RPC_INVALID_ARGUMENT, "metadata entry %zu has a bad key",
                                  i);
        size_t len = strlen(entry->value);
        bytes += key_len + len;
        if (bytes > RPC_METADATA_BYTES_MAX)
            return rpc_status_set(status, RPC_INVALID_ARGUMENT, "too much metadata");
        if (!value_valid(entry->value, len))
            return rpc_status_set(status, RPC_INVALID_ARGUMENT,
                                  "metadata entry %zu has a bad value", i);
    }
    return RPC_OK;
}

static enum rpc_code check_header(const Lotcast__V1__PacketHeader *header,
                                  struct rpc_status *status)
{
    struct rpc_metadata metadata = {.count = header->n_metadata};
    if (header->n_metadata > RPC_METADATA_ENTRIES_MAX)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "too much metadata");
    for (size_t i = 0; i < metadata.count; i++)
        metadata.entries[i] =
            (struct rpc_metadata_entry){header->metadata[i]->key, header->metadata[i]->value};
    return wire_metadata_check(&metadata, status);
}

enum rpc_code wire_read(struct span packet, struct arena *arena,
                        Lotcast__V1__PacketHeader **ret_header, struct span *ret_payload,
                        struct rpc_status *status)
{
    if (packet.len < WIRE_LENGTH_BYTES)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "the packet is too short");
    size_t header_bytes = 0;
    for (size_t i = 0; i < WIRE_LENGTH_BYTES; i++)
        header_bytes |= (size_t)packet.data[i] << (8 * i);
    size_t rest = packet.len - WIRE_LENGTH_BYTES;
    if (header_bytes > WIRE_HEADER_BYTES_MAX || header_bytes > rest)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT,
                              "the packet header's length does not fit");
    if (rest - header_bytes > RPC_MESSAGE_BYTES_MAX)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "the message is too large");

    struct span packed = span_of(packet.data + WIRE_LENGTH_BYTES, header_bytes);
    ProtobufCMessage *message;
    enum rpc_code code = rpc_message_unpack(&lotcast__v1__packet_header__descriptor, packed, arena,
                                            &message, status);
    if (code != RPC_OK)
        return code;
    Lotcast__V1__PacketHeader *header = (Lotcast__V1__PacketHeader *)message;
    code = check_header(header, status);
    if (code != RPC_OK)
        return code;
    *ret_header = header;
    *ret_payload = span_of(packed.data + header_bytes, rest - header_bytes);
    return RPC_OK;
}
