/*
 * Any text into any of the test messages: the first byte chooses the message, the rest is the text.
 * Holds that what was taken is printed and taken again, that json_parse and json_text_check agree
 * on what is JSON, that every other refusal has a reason and a field, and that query parameters
 * take any path and text.
 */
#include <stdlib.h>
#include <string.h>

#include "rpc/json.h"
#include "test/unit/rpc/proto/codec_sources.h"

#define ANSWER_BYTES_MAX ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &lotcast__test__v1__scalars__descriptor,     &lotcast__test__v1__lists__descriptor,
    &lotcast__test__v1__wrappers__descriptor,    &lotcast__test__v1__maps__descriptor,
    &lotcast__test__v1__choice__descriptor,      &lotcast__test__v1__decimals__descriptor,
    &lotcast__test__v1__deep__descriptor,        &lotcast__test__v1__names__descriptor,
    &google__protobuf__string_value__descriptor, &google__protobuf__int64_value__descriptor,
    &lotcast__test__v1__known__descriptor,       &google__protobuf__any__descriptor,
    &google__protobuf__value__descriptor,        &google__protobuf__timestamp__descriptor,
};

static struct registry *registry;
static struct json_codec *codecs[3];

static void check(bool held)
{
    if (!held)
        abort();
}

static void make_codecs(void)
{
    struct registry_sources sources = codec_sources_get();
    struct json_options plain = {0}, lenient = {.ignore_unknown = true};
    check(registry_create(&sources, &registry, NULL) == RPC_OK);
    check(json_codec_create(registry, &json_options_api, &codecs[0], NULL) == RPC_OK);
    check(json_codec_create(registry, &plain, &codecs[1], NULL) == RPC_OK);
    check(json_codec_create(registry, &lenient, &codecs[2], NULL) == RPC_OK);
}

static ProtobufCMessage *make_message(const ProtobufCMessageDescriptor *type, struct arena *arena)
{
    ProtobufCMessage *message = arena_alloc(arena, type->sizeof_message);
    check(message != NULL);
    protobuf_c_message_init(type, message);
    return message;
}

/* What was taken is printed, and what was printed is taken and printed alike. */
static void print(const struct json_codec *codec, const ProtobufCMessage *message,
                  struct arena *arena)
{
    struct buffer first, second;
    buffer_init(&first, ANSWER_BYTES_MAX);
    buffer_init(&second, ANSWER_BYTES_MAX);
    enum rpc_code code = json_print(codec, message, &first, NULL);
    /* A float may have come in that our API does not let out; absent lists of a message at the last
     * level are one level more. */
    check(code == RPC_OK || code == RPC_INTERNAL);
    if (code == RPC_OK) {
        ProtobufCMessage *back = make_message(message->descriptor, arena);
        check(json_parse(codec, buffer_span(&first), arena, back, NULL) == RPC_OK);
        check(json_print(codec, back, &second, NULL) == RPC_OK);
        check(span_equal(buffer_span(&first), buffer_span(&second)));
    }
    buffer_fini(&first);
    buffer_fini(&second);
}

static void parse(const struct json_codec *codec, const ProtobufCMessageDescriptor *type,
                  struct span text)
{
    struct arena arena;
    struct rpc_status status;
    size_t position = SIZE_MAX;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    rpc_status_clear(&status);
    ProtobufCMessage *message = make_message(type, &arena);
    enum rpc_code code = json_parse(codec, text, &arena, message, &status);
    bool valid = json_text_check(text, &position);
    check(code == RPC_OK || code == RPC_INVALID_ARGUMENT);
    check(valid == (position == SIZE_MAX));
    check((status.reason == LOTCAST__V1__REASON__REASON_INVALID_JSON) == !valid);
    check(valid || (status.position == (int64_t)position && position <= text.len));
    if (code == RPC_OK)
        print(codec, message, &arena);
    arena_fini(&arena);
}

/* The text up to the first line's end is a path, the rest a parameter's text. */
static void set(const struct json_codec *codec, const ProtobufCMessageDescriptor *type,
                struct span text)
{
    const uint8_t *line = text.len == 0 ? NULL : memchr(text.data, '\n', text.len);
    size_t path = line == NULL ? text.len : (size_t)(line - text.data);
    size_t skip = line == NULL ? path : path + 1;
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    enum rpc_code code =
        json_set_from_text(codec, make_message(type, &arena), span_of(text.data, path),
                           span_of(text.data + skip, text.len - skip), &arena, NULL);
    check(code == RPC_OK || code == RPC_INVALID_ARGUMENT);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (codecs[0] == NULL)
        make_codecs();
    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type =
        types[(uint8_t)(data[0] - '0') % (sizeof types / sizeof types[0])];
    struct span text = {data + 1, size - 1};
    for (size_t i = 0; i < 3; i++) {
        parse(codecs[i], type, text);
        set(codecs[i], type, text);
    }
    return 0;
}
