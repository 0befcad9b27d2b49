/*
 * /metrics: what this process counts, and what the processes behind it do, as one text.
 *
 * The health targets are asked all at once, by one scrape at a time: requests that come while one
 * is under way wait for its end, so that a flood of them costs the roles no more than one. Whatever
 * has been answered after SCRAPE_MS is taken; a role that is down says so at once.
 *
 * A request waits like one with a call (call_link, its deadline), and holds a reference of itself
 * until rest_scrape_over. `waiting` and `running` are under the lock; the targets' payloads belong
 * to the scrape that runs, which is over when the last of its calls is. Whoever ends that hands
 * them to those who wait, and must not touch the rest_scrape after the last of them: it may be
 * freed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lotcast/v1/metrics.pb-c.h"
#include "rest/exposition.h"
#include "rest/internal.h"
#include "rpc/base/clock.h"
#include "rpc/base/log.h"

/* For all answers, in ms. */
#define SCRAPE_MS 800
#define TARGET_NAME_BYTES 24

struct target {
    struct rest_scrape *scrape;
    char name[TARGET_NAME_BYTES];
    struct rpc_channel *channel;
    atomic_bool shared;         /* it is this process: once that is known it is not asked again */
    struct rpc_payload payload; /* empty: no answer */
};

struct rest_scrape {
    const struct registry_method *method;
    pthread_mutex_t lock;
    struct rest_request *waiting;
    bool running;
    atomic_size_t pending; /* calls that are not over, and one while they are being started */
    size_t count;
    struct target targets[];
};

/* What a scrape has brought, for all who waited. */
struct rest_scraped {
    atomic_size_t refs;
    size_t count;
    struct rpc_payload payloads[];
};

enum rpc_code rest_scrape_create(const struct rest_options *options,
                                 struct rest_scrape **ret_scrape, struct rpc_status *status)
{
    const struct registry_method *method =
        registry_method_find(options->registry, span_of_string("lotcast.v1.Metrics/GetMetrics"));
    if (method == NULL)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION,
                              "lotcast.v1.Metrics is not declared");
    struct rest_scrape *scrape =
        calloc(1, sizeof *scrape + options->health_target_count * sizeof scrape->targets[0]);
    if (scrape == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    (void)pthread_mutex_init(&scrape->lock, NULL);
    scrape->method = method;
    scrape->count = options->health_target_count;
    for (size_t i = 0; i < scrape->count; i++) {
        struct target *target = &scrape->targets[i];
        target->scrape = scrape;
        target->channel = options->health_targets[i].channel;
        (void)snprintf(target->name, sizeof target->name, "%s", options->health_targets[i].name);
    }
    *ret_scrape = scrape;
    return RPC_OK;
}

void rest_scrape_destroy(struct rest_scrape *scrape)
{
    if (scrape == NULL)
        return;
    (void)pthread_mutex_destroy(&scrape->lock);
    free(scrape);
}

static void scraped_unref(struct rest_scraped *scraped)
{
    if (scraped == NULL || atomic_fetch_sub(&scraped->refs, 1) > 1)
        return;
    for (size_t i = 0; i < scraped->count; i++)
        rpc_payload_release(&scraped->payloads[i]);
    free(scraped);
}

/* --- a scrape --- */

/* Moves the answers out of the targets. NULL: out of memory, and they are dropped. */
static struct rest_scraped *take_payloads(struct rest_scrape *scrape)
{
    struct rest_scraped *scraped =
        calloc(1, sizeof *scraped + scrape->count * sizeof scraped->payloads[0]);
    if (scraped != NULL)
        scraped->count = scrape->count;
    for (size_t i = 0; i < scrape->count; i++) {
        if (scraped != NULL)
            scraped->payloads[i] = scrape->targets[i].payload;
        else
            rpc_payload_release(&scrape->targets[i].payload);
        scrape->targets[i].payload = (struct rpc_payload){0};
    }
    return scraped;
}

/* Any thread. */
static void end(struct rest_scrape *scrape)
{
    size_t count = 0;
    struct rest_scraped *scraped = take_payloads(scrape);
    (void)pthread_mutex_lock(&scrape->lock);
    struct rest_request *request = scrape->waiting;
    scrape->waiting = NULL;
    scrape->running = false;
    (void)pthread_mutex_unlock(&scrape->lock);
    for (const struct rest_request *at = request; at != NULL; at = at->scrape_next)
        count++;
    if (scraped != NULL)
        atomic_store(&scraped->refs, count);
    while (request != NULL) {
        struct rest_request *next = request->scrape_next;
        request->scraped = scraped;
        h2o_multithread_send_message(&request->thread->replies, &request->message);
        request = next;
    }
}

static void on_answer(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct target *target = arg;
    if (status->code == RPC_OK && payload != NULL) {
        target->payload = *payload;
        *payload = (struct rpc_payload){0};
    }
    if (atomic_fetch_sub(&target->scrape->pending, 1) == 1)
        end(target->scrape);
}

static void ask(struct target *target, const struct rpc_request *request)
{
    static const struct rpc_call_events events = {.done = on_answer};
    struct rpc_call *call = rpc_channel_start(target->channel, request, &events, target);
    if (call != NULL)
        rpc_call_unref(call);
}

static void ask_all(struct rest_scrape *scrape)
{
    Lotcast__V1__GetMetricsRequest message = LOTCAST__V1__GET_METRICS_REQUEST__INIT;
    struct arena arena;
    arena_init(&arena, 4096);
    struct rpc_context context = {.arena = &arena, .deadline_ms = clock_mono_ms() + SCRAPE_MS};
    struct rpc_request request = {.method = scrape->method,
                                  .message = &message.base,
                                  .context = &context,
                                  .fails_fast = true};
    atomic_store(&scrape->pending, 1);
    for (size_t i = 0; i < scrape->count; i++) {
        if (atomic_load(&scrape->targets[i].shared))
            continue;
        (void)atomic_fetch_add(&scrape->pending, 1);
        ask(&scrape->targets[i], &request);
    }
    arena_fini(&arena);
    if (atomic_fetch_sub(&scrape->pending, 1) == 1)
        end(scrape);
}

void rest_scrape_begin(struct rest_request *request)
{
    struct rest_scrape *scrape = request->thread->rest->scrape;
    request->phase = REST_CALL_SCRAPE;
    request->call_deadline_ms = clock_mono_ms() + SCRAPE_MS + REST_OVERRUN_MS;
    request->refs++;
    h2o_linklist_insert(&request->thread->calls, &request->call_link);
    (void)pthread_mutex_lock(&scrape->lock);
    bool first = !scrape->running;
    scrape->running = true;
    request->scrape_next = scrape->waiting;
    scrape->waiting = request;
    (void)pthread_mutex_unlock(&scrape->lock);
    if (first)
        ask_all(scrape);
}

/* --- the answer --- */

static const Lotcast__V1__GetMetricsResponse *unpack(struct rest_request *request, size_t index)
{
    ProtobufCMessage *message = NULL;
    if (request->scraped == NULL || request->scraped->payloads[index].bytes.len == 0 ||
        rpc_message_unpack(&lotcast__v1__get_metrics_response__descriptor,
                           request->scraped->payloads[index].bytes, &request->arena, &message,
                           NULL) != RPC_OK)
        return NULL;
    return (const Lotcast__V1__GetMetricsResponse *)(const void *)message;
}

/* Texts to be merged, each of a process of its own. */
struct gathering {
    struct span *texts;
    uint64_t *instances;
    size_t count;
};

static bool is_known(const struct gathering *gathering, uint64_t instance)
{
    for (size_t i = 0; i < gathering->count; i++) {
        if (gathering->instances[i] == instance)
            return true;
    }
    return false;
}

static void add(struct gathering *gathering, uint64_t instance, struct span text)
{
    gathering->instances[gathering->count] = instance;
    gathering->texts[gathering->count++] = text;
}

/* Adds a target's metrics unless they are there already; whether they are there now. */
static bool add_target(struct rest_request *request, size_t index, struct gathering *gathering)
{
    struct target *target = &request->thread->rest->scrape->targets[index];
    if (atomic_load(&target->shared))
        return true;
    const Lotcast__V1__GetMetricsResponse *response = unpack(request, index);
    if (response == NULL)
        return false;
    if (response->instance == metrics_instance())
        atomic_store(&target->shared, true);
    if (!is_known(gathering, response->instance))
        add(gathering, response->instance, span_of_string(response->text));
    return true;
}

static bool print(struct rest_request *request, struct buffer *own, struct buffer *roles)
{
    const struct rest_scrape *scrape = request->thread->rest->scrape;
    struct gathering gathering = {
        .texts = arena_calloc(&request->arena, scrape->count + 2, sizeof(struct span)),
        .instances = arena_calloc(&request->arena, scrape->count + 2, sizeof(uint64_t))};
    if (gathering.texts == NULL || gathering.instances == NULL)
        return false;
    metrics_print_process(own, log_process());
    add(&gathering, metrics_instance(), buffer_span(own));
    (void)buffer_append_string(roles,
                               "# HELP lotcast_metrics_gathered Whether a role's metrics are here."
                               "\n# TYPE lotcast_metrics_gathered gauge\n");
    for (size_t i = 0; i < scrape->count; i++)
        (void)buffer_printf(roles, "lotcast_metrics_gathered{role=\"%s\",process=\"%s\"} %d\n",
                            scrape->targets[i].name, log_process(),
                            add_target(request, i, &gathering));
    add(&gathering, 0, buffer_span(roles));
    return !own->failed && !roles->failed &&
           exposition_merge(gathering.texts, gathering.count, &request->arena, &request->body);
}

static void answer(struct rest_request *request)
{
    struct buffer own, roles;
    buffer_init(&own, REST_JSON_BYTES_MAX);
    buffer_init(&roles, REST_JSON_BYTES_MAX);
    bool printed = print(request, &own, &roles);
    buffer_fini(&own);
    buffer_fini(&roles);
    if (printed)
        rest_respond_body(request, "text/plain; version=0.0.4; charset=utf-8");
    else
        rest_respond_reason(request, LOTCAST__V1__REASON__REASON_INTERNAL, NULL);
}

void rest_scrape_over(struct rest_request *request)
{
    h2o_linklist_unlink(&request->call_link);
    request->phase = REST_CALL_NONE;
    request->leave_ms = 0;
    if (request->req != NULL && !request->answered)
        answer(request);
    scraped_unref(request->scraped);
    request->scraped = NULL;
    rest_request_unref(request);
}
