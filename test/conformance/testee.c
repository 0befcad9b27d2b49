/*
 * The testee of protobuf's conformance suite (test/conformance/source.sh has its .proto files):
 * reads requests from standard input and answers each on standard output, both with a little-endian
 * length of 4 bytes before them. It knows protobuf_test_messages.proto3.TestAllTypesProto3 in
 * binary, by rpc_message_unpack, and in JSON, by the codec's plain proto3 mapping; it skips all
 * else.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conformance.pb-c.h"
#include "rpc/json.h"
#include "rpc/unpack.h"
#include "test_messages_proto3.pb-c.h"

/* A request or an answer at most, in bytes. */
#define MESSAGE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define LENGTH_BYTES 4

extern const unsigned char conformance_descriptor_set[];
extern const size_t conformance_descriptor_set_len;

static const ProtobufCMessageDescriptor *const messages[] = {
    &protobuf_test_messages__proto3__test_all_types_proto3__descriptor,
};

struct testee {
    struct registry *registry;
    struct json_codec *codec;   /* the proto3 mapping as it is */
    struct json_codec *lenient; /* skips what is unknown */
    struct arena arena;         /* of one request */
    struct buffer text;
    struct buffer answer;
};

/* Reads exactly so many bytes. False at the end of the input. */
static bool read_all(uint8_t *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        ssize_t got = read(STDIN_FILENO, bytes + at, len - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += (size_t)got;
    }
    return true;
}

static bool write_all(const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        ssize_t put = write(STDOUT_FILENO, bytes + at, len - at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return false;
        at += (size_t)put;
    }
    return true;
}

static void refuse(Conformance__ConformanceResponse *response,
                   Conformance__ConformanceResponse__ResultCase result, const char *message)
{
    response->result_case = result;
    /* All members that tell of a failure share one place. */
    response->runtime_error = (char *)(uintptr_t)message;
}

/* The request's message; NULL: `response` says why not. */
static ProtobufCMessage *parse(struct testee *testee,
                               const Conformance__ConformanceRequest *request,
                               Conformance__ConformanceResponse *response,
                               struct rpc_status *status)
{
    const ProtobufCMessageDescriptor *type = messages[0];
    ProtobufCMessage *message = NULL;
    enum rpc_code code;
    if (request->payload_case == CONFORMANCE__CONFORMANCE_REQUEST__PAYLOAD_PROTOBUF_PAYLOAD) {
        code = rpc_message_unpack(
            type, span_of(request->protobuf_payload.data, request->protobuf_payload.len),
            &testee->arena, &message, status);
    } else {
        bool lenient =
            request->test_category == CONFORMANCE__TEST_CATEGORY__JSON_IGNORE_UNKNOWN_PARSING_TEST;
        message = arena_alloc(&testee->arena, type->sizeof_message);
        if (message == NULL) {
            refuse(response, CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_RUNTIME_ERROR,
                   "out of memory");
            return NULL;
        }
        protobuf_c_message_init(type, message);
        code = json_parse(lenient ? testee->lenient : testee->codec,
                          span_of_string(request->json_payload), &testee->arena, message, status);
    }
    if (code == RPC_OK)
        return message;
    refuse(response, CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_PARSE_ERROR, status->message);
    return NULL;
}

static void print(struct testee *testee, const Conformance__ConformanceRequest *request,
                  const ProtobufCMessage *message, Conformance__ConformanceResponse *response,
                  struct rpc_status *status)
{
    if (request->requested_output_format == CONFORMANCE__WIRE_FORMAT__PROTOBUF) {
        size_t len = protobuf_c_message_pack_to_buffer(message, &testee->text.base);
        response->result_case = CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_PROTOBUF_PAYLOAD;
        response->protobuf_payload = (ProtobufCBinaryData){len, testee->text.data};
        return;
    }
    const char *text = NULL;
    if (json_print(testee->codec, message, &testee->text, status) == RPC_OK)
        text = buffer_cstring(&testee->text);
    if (text == NULL) {
        refuse(response, CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_SERIALIZE_ERROR,
               status->message);
        return;
    }
    response->result_case = CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_JSON_PAYLOAD;
    response->json_payload = (char *)(uintptr_t)text;
}

static bool is_ours(const Conformance__ConformanceRequest *request)
{
    bool in = request->payload_case == CONFORMANCE__CONFORMANCE_REQUEST__PAYLOAD_PROTOBUF_PAYLOAD ||
              request->payload_case == CONFORMANCE__CONFORMANCE_REQUEST__PAYLOAD_JSON_PAYLOAD;
    bool out = request->requested_output_format == CONFORMANCE__WIRE_FORMAT__PROTOBUF ||
               request->requested_output_format == CONFORMANCE__WIRE_FORMAT__JSON;
    return in && out && strcmp(request->message_type, messages[0]->name) == 0;
}

/* Fills `response`, which borrows from the testee and the status. */
static void answer(struct testee *testee, const Conformance__ConformanceRequest *request,
                   Conformance__ConformanceResponse *response, struct rpc_status *status)
{
    if (strcmp(request->message_type, "conformance.FailureSet") == 0) {
        /* What is expected to fail is in failures.txt: the suite's first question gets none. */
        response->result_case = CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_PROTOBUF_PAYLOAD;
        return;
    }
    if (!is_ours(request)) {
        refuse(response, CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_SKIPPED,
               "only TestAllTypesProto3 in binary and JSON");
        return;
    }
    const ProtobufCMessage *message = parse(testee, request, response, status);
    if (message != NULL)
        print(testee, request, message, response, status);
}

/* One request and its answer. False at the end of the input. */
static bool serve(struct testee *testee)
{
    uint8_t prefix[LENGTH_BYTES];
    if (!read_all(prefix, sizeof prefix))
        return false;
    size_t len =
        prefix[0] | (size_t)prefix[1] << 8 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 24;
    arena_reset(&testee->arena);
    buffer_clear(&testee->text);
    buffer_clear(&testee->answer);
    uint8_t *packed = len > MESSAGE_BYTES_MAX ? NULL : arena_alloc(&testee->arena, len);
    if (packed == NULL || !read_all(packed, len))
        return false;
    Conformance__ConformanceResponse response = CONFORMANCE__CONFORMANCE_RESPONSE__INIT;
    struct rpc_status status;
    rpc_status_clear(&status);
    Conformance__ConformanceRequest *request =
        conformance__conformance_request__unpack(&testee->arena.protobuf, len, packed);
    if (request == NULL)
        refuse(&response, CONFORMANCE__CONFORMANCE_RESPONSE__RESULT_RUNTIME_ERROR,
               "the request cannot be read");
    else
        answer(testee, request, &response, &status);
    size_t size = protobuf_c_message_pack_to_buffer(&response.base, &testee->answer.base);
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        prefix[i] = (uint8_t)(size >> (8 * i));
    return !testee->answer.failed && write_all(prefix, sizeof prefix) &&
           write_all(testee->answer.data, size);
}

int main(void)
{
    struct testee testee = {.registry = NULL};
    struct registry_sources sources = {
        .descriptor_set = {conformance_descriptor_set, conformance_descriptor_set_len},
        .messages = messages,
        .message_count = sizeof messages / sizeof messages[0],
    };
    struct json_options plain = {0}, lenient = {.ignore_unknown = true};
    struct rpc_status status;
    rpc_status_clear(&status);
    if (registry_create(&sources, &testee.registry, &status) != RPC_OK ||
        json_codec_create(testee.registry, &plain, &testee.codec, &status) != RPC_OK ||
        json_codec_create(testee.registry, &lenient, &testee.lenient, &status) != RPC_OK) {
        (void)fprintf(stderr, "conformance_testee: %s\n", status.message);
        return EXIT_FAILURE;
    }
    arena_init(&testee.arena, MESSAGE_BYTES_MAX);
    buffer_init(&testee.text, MESSAGE_BYTES_MAX);
    buffer_init(&testee.answer, MESSAGE_BYTES_MAX);
    while (serve(&testee))
        continue;
    buffer_fini(&testee.text);
    buffer_fini(&testee.answer);
    arena_fini(&testee.arena);
    json_codec_destroy(testee.lenient);
    json_codec_destroy(testee.codec);
    registry_destroy(testee.registry);
    return EXIT_SUCCESS;
}
