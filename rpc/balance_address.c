/*
 * The addresses of a list.
 *
 * Each has a channel of its own, which connects by itself, and over it a call that tells of its
 * health: Health/Watch over frames, Health/Check now and then over REQ/REP. It waits for the
 * connection and ends with it, or when the server drains; so an address is healthy exactly while
 * such a call has said SERVING and goes on (or was the last to be made).
 *
 * An address that is healthy and fails all the same, several calls in a row, is ejected: for a
 * while, longer each time, calls go elsewhere while there is an elsewhere.
 */
#include <sodium.h>
#include <stdlib.h>

#include "lotcast/v1/health.pb-c.h"
#include "rpc/balance_internal.h"
#include "rpc/base/clock.h"

/* Longest address, in bytes with its NUL. */
#define ADDRESS_BYTES 256
/* Pauses before health is asked for again once it is not good, in ms. */
#define ASK_PAUSE_MS_MIN 10
#define ASK_PAUSE_MS_MAX 500
/* How often it is asked for where it cannot be watched, in ms. */
#define CHECK_MS 500
/* Memory for one answer. */
#define ANSWER_ARENA_BYTES ((size_t)16 * 1024)
/* Calls of an address beyond the channel's: some are over there a moment later. */
#define CALLS_SPARE 64
#define CALLS_MAX_DEFAULT 1024

/* Health's methods, as far as a channel looks at one; their messages are packed and read here. */
static const struct registry_method watch_method = {
    .name = "lotcast.v1.Health/Watch",
    .service_name = "lotcast.v1.Health",
    .method_name = "Watch",
    .server_streaming = true,
    .read_only = true,
    .idempotent = true,
    .deadline_ms = REGISTRY_STREAM_DEADLINE_MS,
};
static const struct registry_method check_method = {
    .name = "lotcast.v1.Health/Check",
    .service_name = "lotcast.v1.Health",
    .method_name = "Check",
    .read_only = true,
    .idempotent = true,
    .deadline_ms = REGISTRY_READ_DEADLINE_MS,
};

uint32_t rpc__jittered(uint32_t pause_ms)
{
    return pause_ms - randombytes_uniform(pause_ms / 2 + 1);
}

/* --- health --- */

/* The answer is the server's word; what cannot be read is no good one. */
static bool says_serving(const struct rpc_payload *payload)
{
    struct arena arena;
    ProtobufCMessage *message = NULL;
    arena_init(&arena, ANSWER_ARENA_BYTES);
    bool serving = rpc_message_unpack(&lotcast__v1__health_check_response__descriptor,
                                      payload->bytes, &arena, &message, NULL) == RPC_OK &&
                   ((const Lotcast__V1__HealthCheckResponse *)message)->status ==
                       LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING;
    arena_fini(&arena);
    return serving;
}

/* Under the lock. */
static void set_health(struct rpc__address *address, bool healthy)
{
    struct rpc__balancer *balancer = address->balancer;
    if (healthy && !address->healthy) {
        balancer->healthy_count++;
        address->failures = 0;
        rpc__balancer_wake(balancer, INT64_MIN); /* somebody may wait for it */
    } else if (!healthy && address->healthy) {
        balancer->healthy_count--;
        if (balancer->healthy_count == 0)
            balancer->patient_until_ms = clock_mono_ms() + balancer->retry.ready_wait_ms;
    }
    address->healthy = healthy;
    if (healthy)
        address->pause_ms = 0;
}

static void health_item(void *arg, struct rpc_payload *payload)
{
    struct rpc__address *address = arg;
    bool serving = says_serving(payload);
    rpc_payload_release(payload);
    (void)pthread_mutex_lock(&address->balancer->lock);
    set_health(address, serving);
    (void)pthread_mutex_unlock(&address->balancer->lock);
}

static void health_done(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct rpc__address *address = arg;
    struct rpc__balancer *balancer = address->balancer;
    bool serving = !address->streams && status->code == RPC_OK && says_serving(payload);
    rpc_payload_release(payload);
    (void)pthread_mutex_lock(&balancer->lock);
    address->asking = false;
    set_health(address, serving);
    if (!serving) {
        address->pause_ms = address->pause_ms == 0 ? ASK_PAUSE_MS_MIN : 2 * address->pause_ms;
        if (address->pause_ms > ASK_PAUSE_MS_MAX)
            address->pause_ms = ASK_PAUSE_MS_MAX;
    }
    address->ask_at_ms = clock_mono_ms() + (serving ? CHECK_MS : rpc__jittered(address->pause_ms));
    rpc__balancer_wake(balancer, address->ask_at_ms);
    (void)pthread_mutex_unlock(&balancer->lock);
}

/* One that was good is asked at once: its connection may be gone by now. */
static void ask(struct rpc__address *address, bool waits)
{
    static const struct rpc_call_events events = {.done = health_done, .item = health_item};
    static const struct rpc_metadata no_metadata;
    const struct rpc_request request = {
        .method = address->streams ? &watch_method : &check_method,
        .metadata = &no_metadata, /* and an empty message: the whole server is asked for */
        .wait_for_ready = waits,
        .stream_items = UINT32_MAX,
    };
    rpc_call_unref(rpc_channel_start(address->channel, &request, &events, address));
}

void rpc__addresses_ask(struct rpc__balancer *balancer)
{
    for (size_t i = 0; i < balancer->address_count; i++) {
        struct rpc__address *address = &balancer->addresses[i];
        (void)pthread_mutex_lock(&balancer->lock);
        bool due = !address->asking && address->ask_at_ms <= clock_mono_ms();
        bool waits = !address->healthy;
        if (due)
            address->asking = true;
        (void)pthread_mutex_unlock(&balancer->lock);
        if (due)
            ask(address, waits);
    }
}

int64_t rpc__addresses_due_ms(const struct rpc__balancer *balancer)
{
    int64_t due_ms = INT64_MAX;
    for (size_t i = 0; i < balancer->address_count; i++)
        if (!balancer->addresses[i].asking && balancer->addresses[i].ask_at_ms < due_ms)
            due_ms = balancer->addresses[i].ask_at_ms;
    return due_ms;
}

/* --- ejection and choice; all under the lock --- */

void rpc__address_shun(struct rpc__address *address, uint32_t time_ms)
{
    int64_t until_ms = clock_mono_ms() + time_ms;
    if (until_ms > address->shunned_until_ms)
        address->shunned_until_ms = until_ms;
}

void rpc__address_answered(struct rpc__address *address)
{
    address->failures = 0;
}

void rpc__address_failed(struct rpc__address *address)
{
    const struct rpc_channel_retry *retry = &address->balancer->retry;
    int64_t now_ms = clock_mono_ms();
    if (now_ms < address->shunned_until_ms || ++address->failures < retry->eject_failures)
        return;
    /* One that was good for as long as it was out begins anew. */
    if (address->eject_ms == 0 || now_ms - address->let_in_ms >= (int64_t)address->eject_ms)
        address->eject_ms = retry->eject_ms;
    else if (address->eject_ms <= retry->eject_ms_max / 2)
        address->eject_ms *= 2;
    else
        address->eject_ms = retry->eject_ms_max;
    address->failures = 0;
    rpc__address_shun(address, rpc__jittered(address->eject_ms));
    address->let_in_ms = address->shunned_until_ms;
    if (address->balancer->ejections != NULL)
        metric_add(address->balancer->ejections, 1);
}

struct rpc__address *rpc__address_pick(struct rpc__balancer *balancer,
                                       const struct rpc__address *last)
{
    struct rpc__address *best = NULL;
    unsigned best_rank = 0;
    int64_t now_ms = clock_mono_ms();
    for (size_t i = 0; i < balancer->address_count; i++) {
        struct rpc__address *at =
            &balancer->addresses[(balancer->next + i) % balancer->address_count];
        if (!at->healthy)
            continue;
        unsigned rank = 1 + (at->shunned_until_ms <= now_ms ? 2u : 0u) + (at != last ? 1u : 0u);
        if (rank > best_rank) {
            best_rank = rank;
            best = at;
        }
    }
    if (best != NULL)
        balancer->next = (size_t)(best - balancer->addresses) + 1;
    return best;
}

/* --- opening and closing --- */

static enum rpc_code open_address(struct rpc__balancer *balancer,
                                  const struct rpc_channel_options *options, const char *url,
                                  struct rpc_status *status)
{
    size_t calls_max = options->calls_max == 0 ? CALLS_MAX_DEFAULT : options->calls_max;
    struct rpc__address *address = &balancer->addresses[balancer->address_count];
    const struct rpc_channel_options its_options = {
        .url = url,
        .tls = options->tls,
        .calls_max = calls_max + CALLS_SPARE,
    };
    if (strncmp(url, "direct:", 7) == 0)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "direct: is no address of a list");
    *address = (struct rpc__address){.balancer = balancer, .streams = strncmp(url, "req+", 4) != 0};
    enum rpc_code code = rpc_channel_open(&its_options, &address->channel, status);
    if (code == RPC_OK)
        balancer->address_count++;
    return code;
}

enum rpc_code rpc__addresses_open(struct rpc__balancer *balancer,
                                  const struct rpc_channel_options *options,
                                  struct rpc_status *status)
{
    for (const char *at = options->url; at != NULL;) {
        char url[ADDRESS_BYTES];
        size_t len = strcspn(at, ",");
        if (len == 0 || len >= sizeof url)
            return rpc_status_set(status, RPC_INVALID_ARGUMENT,
                                  "an address of a list is empty or too long");
        if (balancer->address_count == RPC__ADDRESSES_MAX)
            return rpc_status_set(status, RPC_INVALID_ARGUMENT, "more than %d addresses",
                                  RPC__ADDRESSES_MAX);
        memcpy(url, at, len);
        url[len] = '\0';
        enum rpc_code code = open_address(balancer, options, url, status);
        if (code != RPC_OK)
            return code;
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    return RPC_OK;
}

void rpc__addresses_close(struct rpc__balancer *balancer)
{
    for (size_t i = 0; i < balancer->address_count; i++)
        rpc_channel_close(balancer->addresses[i].channel);
}
