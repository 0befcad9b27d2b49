/*
 * A contract from outside, and a message of it. The first two bytes are the length of the
 * descriptor set that follows; the rest is a message of each type that it declares. What can be
 * unpacked packs to what is unpacked again, and what becomes JSON is read back the same.
 */
#include <stdlib.h>

#include "rpc/channel.h"
#include "rpc/json.h"
#include "rpc/registry.h"

#define ARENA_BYTES ((size_t)16 * 1024 * 1024)
#define JSON_BYTES ((size_t)1024 * 1024)
#define METHODS_MAX 16

static struct span pack(const ProtobufCMessage *message, struct arena *arena)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = arena_alloc(arena, len + 1);
    if (packed == NULL)
        return span_of("", 0);
    if (protobuf_c_message_pack(message, packed) != len)
        abort();
    return span_of(packed, len);
}

static void check_json(const struct json_codec *codec, const ProtobufCMessage *message,
                       struct arena *arena)
{
    struct buffer text;
    size_t position;
    buffer_init(&text, JSON_BYTES);
    ProtobufCMessage *back = arena_alloc(arena, message->descriptor->sizeof_message);
    if (json_print(codec, message, &text, NULL) == RPC_OK && back != NULL) {
        if (!json_text_check(buffer_span(&text), &position))
            abort();
        registry_message_init(message->descriptor, back);
        if (json_parse(codec, buffer_span(&text), arena, back, NULL) == RPC_OK)
            (void)pack(back, arena);
    }
    buffer_fini(&text);
}

static void check_message(const struct json_codec *codec, const struct registry_message *type,
                          struct span bytes)
{
    struct arena arena;
    ProtobufCMessage *message, *again;
    arena_init(&arena, ARENA_BYTES);
    if (rpc_message_unpack(type->descriptor, bytes, &arena, &message, NULL) == RPC_OK) {
        struct span packed = pack(message, &arena);
        if (packed.len > 0 &&
            rpc_message_unpack(type->descriptor, packed, &arena, &again, NULL) == RPC_OK &&
            !span_equal(packed, pack(again, &arena)))
            abort();
        if (codec != NULL)
            check_json(codec, message, &arena);
    }
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct json_options options = {.print_defaults = true};
    struct registry *registry = NULL;
    struct json_codec *codec = NULL;
    size_t set_len = size < 2 ? 0 : (size_t)data[0] + 256 * data[1];
    if (size < 2 || set_len > size - 2)
        return 0;
    struct span message = span_of(data + 2 + set_len, size - 2 - set_len);
    if (registry_create_dynamic(span_of(data + 2, set_len), &registry, NULL) != RPC_OK)
        return 0;
    if (json_codec_create(registry, &options, &codec, NULL) != RPC_OK)
        codec = NULL; /* rules that no codec takes */
    for (size_t i = 0; i < registry_method_count(registry) && i < METHODS_MAX; i++) {
        check_message(codec, registry_method_at(registry, i)->input, message);
        check_message(codec, registry_method_at(registry, i)->output, message);
    }
    json_codec_destroy(codec);
    registry_destroy(registry);
    return 0;
}
