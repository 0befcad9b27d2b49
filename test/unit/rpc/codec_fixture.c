#include "test/unit/rpc/codec_fixture.h"

#include <stdlib.h>

#define ANSWER_BYTES_MAX ((size_t)16 * 1024 * 1024)

int codec_fixture_setup(void **state)
{
    struct codec_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    struct registry_sources sources = codec_sources_get();
    struct json_options plain = {0}, lenient = {.ignore_unknown = true},
                        log = {.integers_as_numbers = true,
                               .strict_numbers = true,
                               .hide_redacted = true};
    rpc_status_clear(&fixture->status);
    if (registry_create(&sources, &fixture->registry, &fixture->status) != RPC_OK ||
        json_codec_create(fixture->registry, &json_options_api, &fixture->api, &fixture->status) !=
            RPC_OK ||
        json_codec_create(fixture->registry, &plain, &fixture->plain, &fixture->status) != RPC_OK ||
        json_codec_create(fixture->registry, &lenient, &fixture->lenient, &fixture->status) !=
            RPC_OK ||
        json_codec_create(fixture->registry, &log, &fixture->log, &fixture->status) != RPC_OK)
        fail_msg("%s", fixture->status.message);
    arena_init(&fixture->arena, ARENA_CALL_BYTES_MAX);
    buffer_init(&fixture->out, ANSWER_BYTES_MAX);
    *state = fixture;
    return 0;
}

int codec_fixture_teardown(void **state)
{
    struct codec_fixture *fixture = *state;
    json_codec_destroy(fixture->api);
    json_codec_destroy(fixture->plain);
    json_codec_destroy(fixture->lenient);
    json_codec_destroy(fixture->log);
    registry_destroy(fixture->registry);
    arena_fini(&fixture->arena);
    buffer_fini(&fixture->out);
    free(fixture);
    return 0;
}

void *codec_fixture_parse(struct codec_fixture *fixture, const struct json_codec *codec,
                          const ProtobufCMessageDescriptor *type, const char *text)
{
    arena_reset(&fixture->arena);
    rpc_status_clear(&fixture->status);
    ProtobufCMessage *message = arena_alloc(&fixture->arena, type->sizeof_message);
    assert_non_null(message);
    protobuf_c_message_init(type, message);
    /* Exactly as large as the text, so that a read beyond it is seen. */
    size_t len = strlen(text);
    uint8_t *exact = malloc(len == 0 ? 1 : len);
    assert_non_null(exact);
    memcpy(exact, text, len);
    enum rpc_code code =
        json_parse(codec, span_of(exact, len), &fixture->arena, message, &fixture->status);
    free(exact);
    assert_int_equal(code, fixture->status.code);
    return code == RPC_OK ? message : NULL;
}

const char *codec_fixture_print(struct codec_fixture *fixture, const struct json_codec *codec,
                                const void *message)
{
    buffer_clear(&fixture->out);
    rpc_status_clear(&fixture->status);
    if (json_print(codec, message, &fixture->out, &fixture->status) != RPC_OK)
        fail_msg("%s", fixture->status.message);
    size_t position;
    const char *text = buffer_cstring(&fixture->out);
    if (!json_text_check(buffer_span(&fixture->out), &position))
        fail_msg("not JSON at %zu: %s", position, text);
    return text;
}

void codec_fixture_round(struct codec_fixture *fixture, const struct json_codec *codec,
                         const ProtobufCMessageDescriptor *type, const char *text, const char *want)
{
    const void *message = codec_fixture_parse(fixture, codec, type, text);
    if (message == NULL)
        fail_msg("%s: %s at %s, %d", text, fixture->status.message, fixture->status.field,
                 (int)fixture->status.position);
    assert_string_equal(codec_fixture_print(fixture, codec, message), want == NULL ? text : want);
}

void codec_fixture_refuse(struct codec_fixture *fixture, const struct json_codec *codec,
                          const ProtobufCMessageDescriptor *type, const char *text,
                          Lotcast__V1__Reason reason, const char *field)
{
    if (codec_fixture_parse(fixture, codec, type, text) != NULL)
        fail_msg("%s was accepted", text);
    if (fixture->status.reason != reason || strcmp(fixture->status.field, field) != 0)
        fail_msg("%s: reason %d at \"%s\" (%s)", text, (int)fixture->status.reason,
                 fixture->status.field, fixture->status.message);
    assert_true((fixture->status.position >= 0) ==
                (reason == LOTCAST__V1__REASON__REASON_INVALID_JSON));
}
