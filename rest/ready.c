/*
 * Readiness: each target's Health is asked several times a second, by the first thread; /readyz
 * looks at the answers, and at whether there is a connection still, and never waits.
 */
#include <stdlib.h>

#include "lotcast/v1/health.pb-c.h"
#include "rest/internal.h"
#include "rpc/base/clock.h"

/* Between two questions, for one answer, and how long an answer holds, in ms. */
#define ASK_MS 300
#define ANSWER_MS_MAX 700
#define HOLD_MS (ASK_MS + ANSWER_MS_MAX)

struct target {
    struct rest_ready *ready;
    struct rpc_channel *channel;
    struct rpc_call *call; /* the asking thread's */
    int64_t asked_ms;      /* likewise */
    atomic_bool asking;    /* `done` is to come */
    atomic_int_fast64_t serving_until_ms;
};

struct rest_ready {
    const struct registry_method *check;
    size_t count;
    struct target targets[];
};

enum rpc_code rest_ready_create(const struct rest_options *options, struct rest_ready **ret_ready,
                                struct rpc_status *status)
{
    const struct registry_method *check =
        registry_method_find(options->registry, span_of_string("lotcast.v1.Health/Check"));
    if (check == NULL)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "lotcast.v1.Health is not declared");
    struct rest_ready *ready =
        calloc(1, sizeof *ready + options->health_target_count * sizeof ready->targets[0]);
    if (ready == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    ready->check = check;
    ready->count = options->health_target_count;
    for (size_t i = 0; i < ready->count; i++) {
        ready->targets[i].ready = ready;
        ready->targets[i].channel = options->health_targets[i].channel;
        ready->targets[i].asked_ms = INT64_MIN / 2;
    }
    *ret_ready = ready;
    return RPC_OK;
}

/* The channel's thread, or the asking one. */
static void on_answer(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct target *target = arg;
    ProtobufCMessage *message = NULL;
    struct arena arena;
    arena_init(&arena, 4096);
    if (status->code == RPC_OK &&
        rpc_message_unpack(&lotcast__v1__health_check_response__descriptor, payload->bytes, &arena,
                           &message, NULL) == RPC_OK &&
        ((Lotcast__V1__HealthCheckResponse *)(void *)message)->status ==
            LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING)
        atomic_store(&target->serving_until_ms, clock_mono_ms() + HOLD_MS);
    else
        atomic_store(&target->serving_until_ms, 0);
    arena_fini(&arena);
    rpc_payload_release(payload);
    atomic_store(&target->asking, false);
}

static void forget_call(struct target *target)
{
    if (target->call != NULL)
        rpc_call_unref(target->call);
    target->call = NULL;
}

static void ask(struct target *target, int64_t now_ms)
{
    static const struct rpc_call_events events = {.done = on_answer};
    Lotcast__V1__HealthCheckRequest message = LOTCAST__V1__HEALTH_CHECK_REQUEST__INIT;
    struct arena arena;
    arena_init(&arena, 4096);
    struct rpc_context context = {.arena = &arena, .deadline_ms = now_ms + ANSWER_MS_MAX};
    struct rpc_request request = {
        .method = target->ready->check, .message = &message.base, .context = &context};
    forget_call(target);
    target->asked_ms = now_ms;
    atomic_store(&target->asking, true);
    target->call = rpc_channel_start(target->channel, &request, &events, target);
    arena_fini(&arena);
}

void rest_ready_tick(struct rest_ready *ready, int64_t now_ms)
{
    for (size_t i = 0; i < ready->count; i++) {
        struct target *target = &ready->targets[i];
        if (now_ms - target->asked_ms >= ASK_MS && !atomic_load(&target->asking))
            ask(target, now_ms);
    }
}

bool rest_ready_now(struct rest_ready *ready)
{
    int64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < ready->count; i++) {
        if (atomic_load(&ready->targets[i].serving_until_ms) < now_ms ||
            !rpc_channel_is_ready(ready->targets[i].channel))
            return false;
    }
    return true;
}

void rest_ready_destroy(struct rest_ready *ready)
{
    if (ready == NULL)
        return;
    for (size_t i = 0; i < ready->count; i++) {
        struct target *target = &ready->targets[i];
        const struct timespec pause = {0, 1000000};
        if (target->call != NULL)
            rpc_call_cancel(target->call);
        while (atomic_load(&target->asking)) /* cancelled: it comes at once */
            (void)nanosleep(&pause, NULL);
        forget_call(target);
    }
    free(ready);
}
