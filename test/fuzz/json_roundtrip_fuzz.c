/*
 * Packed messages as a peer may send them, printed and parsed back: what is printed is JSON that
 * our own parser takes, and the message that comes of it packs and prints the same. The first byte
 * chooses the message and the codec, the rest is the packed message.
 */
#include <stdlib.h>
#include <string.h>

#include "rpc/json.h"
#include "rpc/unpack.h"
#include "test/unit/rpc/proto/codec_sources.h"

#define ANSWER_BYTES_MAX ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &lotcast__test__v1__scalars__descriptor,  &lotcast__test__v1__lists__descriptor,
    &lotcast__test__v1__wrappers__descriptor, &lotcast__test__v1__choice__descriptor,
    &lotcast__test__v1__decimals__descriptor, &lotcast__test__v1__deep__descriptor,
    &lotcast__test__v1__names__descriptor,    &lotcast__test__v1__secrets__descriptor,
    &lotcast__test__v1__maps__descriptor,     &lotcast__test__v1__known__descriptor,
};
#define TYPE_COUNT (sizeof types / sizeof types[0])

static struct registry *registry;
static struct json_codec *codecs[2];

static void check(bool held)
{
    if (!held)
        abort();
}

static void make_codecs(void)
{
    struct registry_sources sources = codec_sources_get();
    struct json_options plain = {0}, api = json_options_api;
    api.hide_session_token = false; /* would be lost on the way back */
    check(registry_create(&sources, &registry, NULL) == RPC_OK);
    check(json_codec_create(registry, &api, &codecs[0], NULL) == RPC_OK);
    check(json_codec_create(registry, &plain, &codecs[1], NULL) == RPC_OK);
}

static void round_trip(const struct json_codec *codec, const ProtobufCMessage *message,
                       struct arena *arena)
{
    struct buffer first, second;
    buffer_init(&first, ANSWER_BYTES_MAX);
    buffer_init(&second, ANSWER_BYTES_MAX);
    enum rpc_code code = json_print(codec, message, &first, NULL);
    check(code == RPC_OK || code == RPC_INTERNAL);
    if (code == RPC_OK) {
        size_t position;
        check(json_text_check(buffer_span(&first), &position));
        ProtobufCMessage *back = arena_alloc(arena, message->descriptor->sizeof_message);
        check(back != NULL);
        protobuf_c_message_init(message->descriptor, back);
        check(json_parse(codec, buffer_span(&first), arena, back, NULL) == RPC_OK);
        check(json_print(codec, back, &second, NULL) == RPC_OK);
        check(span_equal(buffer_span(&first), buffer_span(&second)));
    }
    buffer_fini(&first);
    buffer_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (codecs[0] == NULL)
        make_codecs();
    if (size == 0)
        return 0;
    uint8_t choice = (uint8_t)(data[0] - '0');
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    ProtobufCMessage *message = NULL;
    if (rpc_message_unpack(types[choice % TYPE_COUNT], span_of(data + 1, size - 1), &arena,
                           &message, NULL) == RPC_OK)
        round_trip(codecs[choice / TYPE_COUNT % 2], message, &arena);
    arena_fini(&arena);
    return 0;
}
