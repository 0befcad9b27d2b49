/*
 * What holds of any message: printed and parsed back it packs to the same bytes, from any number of
 * threads at once. Random from a fixed seed: the same messages in every run.
 */
#include "test/unit/rpc/codec_fixture.h"
#include "test/unit/rpc/random_message.h"

#include <pthread.h>
#include <stdlib.h>

#define MESSAGES 3000
#define THREADS 4

static const ProtobufCMessageDescriptor *const types[] = {
    &lotcast__test__v1__scalars__descriptor,  &lotcast__test__v1__lists__descriptor,
    &lotcast__test__v1__wrappers__descriptor, &lotcast__test__v1__choice__descriptor,
    &lotcast__test__v1__decimals__descriptor, &lotcast__test__v1__deep__descriptor,
    &lotcast__test__v1__names__descriptor,
};
#define TYPE_COUNT (sizeof types / sizeof types[0])

/* Whether it came back the same; no asserts, since threads run it too. */
static bool comes_back(const struct json_codec *codec, const ProtobufCMessage *message,
                       struct arena *arena, struct buffer *out)
{
    size_t position;
    buffer_clear(out);
    if (json_print(codec, message, out, NULL) != RPC_OK ||
        !json_text_check(buffer_span(out), &position))
        return false;
    ProtobufCMessage *back = arena_alloc(arena, message->descriptor->sizeof_message);
    if (back == NULL)
        return false;
    protobuf_c_message_init(message->descriptor, back);
    return json_parse(codec, buffer_span(out), arena, back, NULL) == RPC_OK &&
           span_equal(random_message_pack(message, arena), random_message_pack(back, arena));
}

static void every_message_comes_back(void **state)
{
    struct codec_fixture *fixture = *state;
    uint64_t seed = 7;
    for (int i = 0; i < MESSAGES; i++) {
        arena_reset(&fixture->arena);
        const ProtobufCMessage *message =
            random_message(types[(size_t)i % TYPE_COUNT], &seed, &fixture->arena);
        if (!comes_back(fixture->plain, message, &fixture->arena, &fixture->out))
            fail_msg("message %d: %s", i, buffer_cstring(&fixture->out));
    }
}

struct worker {
    pthread_t thread;
    const struct codec_fixture *fixture;
    uint64_t seed;
    bool held;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct arena arena;
    struct buffer out;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    buffer_init(&out, (size_t)1024 * 1024);
    worker->held = true;
    for (int i = 0; i < MESSAGES / THREADS; i++) {
        /* More keys than are compared one by one, so that the hash's key is made here. */
        static const char keys[] =
            "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,"
            "\"i\":1,\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,"
            "\"q\":1,\"r\":1,\"s\":1,\"t\":1}";
        size_t position;
        arena_reset(&arena);
        const ProtobufCMessage *message =
            random_message(types[(size_t)i % TYPE_COUNT], &worker->seed, &arena);
        worker->held = worker->held && json_text_check(span_of_string(keys), &position) &&
                       comes_back(worker->fixture->plain, message, &arena, &out);
    }
    buffer_fini(&out);
    arena_fini(&arena);
    return NULL;
}

static void threads_share_a_codec(void **state)
{
    struct worker workers[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.fixture = *state, .seed = i + 1};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_true(workers[i].held);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_a_codec),
        cmocka_unit_test(every_message_comes_back),
    };
    return cmocka_run_group_tests_name("json_property", tests, codec_fixture_setup,
                                       codec_fixture_teardown);
}
