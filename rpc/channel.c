/*
 * Channels: what all transports have in common.
 *
 * A call begins CALL_STARTING, on its caller's thread. If it is still under way when the
 * transport's start returns it becomes CALL_LISTED: it enters the channel's heap, by which the
 * timer thread ends calls at their deadline and on demand. Whoever exchanges the state for
 * CALL_OVER (transport or timer) gives `done`, so that it comes once. Nothing but the timer ever
 * ends a call early, and never under a lock: a canceller's own locks are safe from `done`.
 *
 * An item of a stream is given under the call's item_lock, which `done` waits for, so that nothing
 * comes behind it; what an item's callee may do (grant, cancel) takes no such lock.
 *
 * Memory: a call has a reference for its transport, dropped when the transport has let go, and one
 * for the caller's handle. A call holds the channel; the channel's memory goes with the last of
 * them. Lock order: channel->lock is innermost here; no transport is called under it.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "rpc/base/clock.h"
#include "rpc/internal.h"
#include "rpc/wire.h"

#define CALLS_MAX_DEFAULT 1024
/* Calls kept for reuse. */
#define FREE_CALLS_MAX 256
/* How often a blocking caller looks at its context's cancelled flag, in ms. */
#define CANCELLED_SLICE_MS 25
#define NOT_IN_HEAP SIZE_MAX

struct rpc_channel {
    atomic_uint refs; /* the owner's and one a call */
    const struct rpc__transport *transport;
    void *transport_state;
    const struct rpc_client_interceptor *interceptors;
    size_t interceptor_count;
    size_t calls_max;
    void (*_Atomic batch_end)(void); /* NULL: none */
    atomic_size_t active;            /* calls whose `done` has not returned */
    atomic_bool closing;

    pthread_mutex_t lock;
    pthread_cond_t timer_wake; /* an earlier deadline, a cancel, the end */
    pthread_cond_t idle;       /* active has become 0 */
    struct rpc_call **heap;    /* of listed calls, earliest deadline first */
    size_t heap_count;
    int64_t timer_wakes_ms; /* when the timer looks again by itself */
    bool timer_stop;
    struct rpc_call *free_calls;
    size_t free_count;
    pthread_t timer;
};

/* --- references --- */

struct rpc_call *rpc__call_ref(struct rpc_call *call)
{
    (void)atomic_fetch_add(&call->refs, 1);
    return call;
}

static void channel_unref(struct rpc_channel *channel)
{
    if (atomic_fetch_sub(&channel->refs, 1) != 1)
        return;
    while (channel->free_calls != NULL) {
        struct rpc_call *call = channel->free_calls;
        channel->free_calls = call->next_free;
        free(call);
    }
    (void)pthread_cond_destroy(&channel->timer_wake);
    (void)pthread_cond_destroy(&channel->idle);
    (void)pthread_mutex_destroy(&channel->lock);
    free(channel->heap);
    free(channel);
}

void rpc_call_unref(struct rpc_call *call)
{
    if (call == NULL || atomic_fetch_sub(&call->refs, 1) != 1)
        return;
    struct rpc_channel *channel = call->channel;
    (void)pthread_mutex_lock(&channel->lock);
    bool keep = channel->free_count < FREE_CALLS_MAX;
    if (keep) {
        call->next_free = channel->free_calls;
        channel->free_calls = call;
        channel->free_count++;
    }
    (void)pthread_mutex_unlock(&channel->lock);
    if (!keep)
        free(call);
    channel_unref(channel);
}

static struct rpc_call *call_create(struct rpc_channel *channel, const struct rpc_request *request,
                                    const struct rpc_call_events *events, void *arg)
{
    (void)pthread_mutex_lock(&channel->lock);
    struct rpc_call *call = channel->free_calls;
    if (call != NULL) {
        channel->free_calls = call->next_free;
        channel->free_count--;
    }
    (void)pthread_mutex_unlock(&channel->lock);
    if (call == NULL)
        call = malloc(sizeof *call);
    if (call == NULL)
        return NULL;
    *call = (struct rpc_call){.channel = channel,
                              .method = request->method,
                              .events = *events,
                              .arg = arg,
                              .started_us = clock_mono_us(),
                              .heap_index = NOT_IN_HEAP};
    atomic_init(&call->refs, 2); /* the caller's and the transport's */
    (void)pthread_mutex_init(&call->item_lock, NULL);
    (void)pthread_mutex_init(&call->direct_lock, NULL);
    (void)atomic_fetch_add(&channel->refs, 1);
    return call;
}

/* --- the heap of deadlines; all under the channel's lock --- */

static void heap_place(struct rpc_channel *channel, struct rpc_call *call, size_t index)
{
    channel->heap[index] = call;
    call->heap_index = index;
}

static void heap_up(struct rpc_channel *channel, struct rpc_call *call, size_t index)
{
    while (index > 0) {
        struct rpc_call *parent = channel->heap[(index - 1) / 2];
        if (parent->deadline_ms <= call->deadline_ms)
            break;
        heap_place(channel, parent, index);
        index = (index - 1) / 2;
    }
    heap_place(channel, call, index);
}

static void heap_down(struct rpc_channel *channel, struct rpc_call *call, size_t index)
{
    for (;;) {
        size_t child = 2 * index + 1;
        if (child >= channel->heap_count)
            break;
        if (child + 1 < channel->heap_count &&
            channel->heap[child + 1]->deadline_ms < channel->heap[child]->deadline_ms)
            child++;
        if (call->deadline_ms <= channel->heap[child]->deadline_ms)
            break;
        heap_place(channel, channel->heap[child], index);
        index = child;
    }
    heap_place(channel, call, index);
}

static void heap_remove(struct rpc_channel *channel, struct rpc_call *call)
{
    if (call->heap_index == NOT_IN_HEAP)
        return;
    size_t index = call->heap_index;
    call->heap_index = NOT_IN_HEAP;
    struct rpc_call *last = channel->heap[--channel->heap_count];
    if (last == call)
        return;
    heap_up(channel, last, index);
    heap_down(channel, last, last->heap_index);
}

static void timer_kick(struct rpc_channel *channel, int64_t deadline_ms)
{
    if (deadline_ms < channel->timer_wakes_ms) {
        channel->timer_wakes_ms = deadline_ms;
        (void)pthread_cond_signal(&channel->timer_wake);
    }
}

/* --- the end of a call --- */

static void ask_for_end(struct rpc_channel *channel, struct rpc_call *call)
{
    if (call->heap_index == NOT_IN_HEAP || call->cancel_asked)
        return;
    call->cancel_asked = true;
    call->deadline_ms = INT64_MIN;
    heap_up(channel, call, call->heap_index);
    timer_kick(channel, INT64_MIN);
}

/* One call less under way. The caller still holds the channel. */
static void active_drop(struct rpc_channel *channel)
{
    if (atomic_fetch_sub(&channel->active, 1) != 1 || !atomic_load(&channel->closing))
        return;
    (void)pthread_mutex_lock(&channel->lock);
    (void)pthread_cond_broadcast(&channel->idle);
    (void)pthread_mutex_unlock(&channel->lock);
}

/* `alone`: what the channel's owner wants to know behind a batch, it is told at once. */
static void finish(struct rpc_call *call, const struct rpc_status *status,
                   struct rpc_payload *payload, bool alone)
{
    struct rpc_channel *channel = call->channel;
    int before = atomic_exchange(&call->state, CALL_OVER);
    if (before == CALL_OVER) {
        rpc_payload_release(payload);
        return;
    }
    if (before == CALL_LISTED) {
        (void)pthread_mutex_lock(&channel->lock);
        heap_remove(channel, call);
        (void)pthread_mutex_unlock(&channel->lock);
    }
    if (call->method->server_streaming) { /* an item under way is the last */
        (void)pthread_mutex_lock(&call->item_lock);
        (void)pthread_mutex_unlock(&call->item_lock);
    }
    struct rpc_payload given = {0};
    if (status->code != RPC_OK)
        rpc_payload_release(payload);
    else if (payload != NULL)
        given = *payload;
    int64_t elapsed_us = clock_mono_us() - call->started_us;
    for (size_t i = call->interceptors_started; i-- > 0;) {
        const struct rpc_client_interceptor *interceptor = &channel->interceptors[i];
        if (interceptor->end != NULL)
            interceptor->end(interceptor->self, call->method, status, elapsed_us);
    }
    call->events.done(call->arg, status, &given);
    if (alone)
        rpc__channel_batch_end(channel);
    active_drop(channel);
}

void rpc__call_finish(struct rpc_call *call, const struct rpc_status *status,
                      struct rpc_payload *payload)
{
    finish(call, status, payload, true);
}

void rpc__call_finish_in_batch(struct rpc_call *call, const struct rpc_status *status,
                               struct rpc_payload *payload)
{
    finish(call, status, payload, false);
}

void rpc__channel_batch_end(struct rpc_channel *channel)
{
    void (*batch_end)(void) = atomic_load(&channel->batch_end);
    if (batch_end != NULL)
        batch_end();
}

/* --- the items of a stream --- */

bool rpc__call_item(struct rpc_call *call, struct rpc_payload *payload)
{
    bool granted = true;
    (void)pthread_mutex_lock(&call->item_lock);
    if (atomic_load(&call->state) == CALL_OVER) {
        rpc_payload_release(payload);
    } else if (call->items_come == atomic_load(&call->items_granted)) {
        granted = false;
        rpc_payload_release(payload);
    } else {
        call->items_come++;
        call->events.item(call->arg, payload);
    }
    (void)pthread_mutex_unlock(&call->item_lock);
    return granted;
}

void rpc_call_grant(struct rpc_call *call, uint32_t items)
{
    if (call == NULL || items == 0 || call->channel->transport->grant == NULL)
        return;
    (void)atomic_fetch_add(&call->items_granted, items); /* before any of them can come */
    call->channel->transport->grant(call->channel->transport_state, call, items);
}

/* Ends one call that is due; the lock is held on entry and exit, not between. */
static void timer_end_call(struct rpc_channel *channel, struct rpc_call *call)
{
    bool cancelled = call->cancel_asked;
    heap_remove(channel, call);
    (void)rpc__call_ref(call);
    (void)pthread_mutex_unlock(&channel->lock);
    struct rpc_status status;
    if (cancelled)
        (void)rpc_status_set(&status, RPC_CANCELLED, "the call was cancelled");
    else
        (void)rpc_status_set(&status, RPC_DEADLINE_EXCEEDED, "the call took too long");
    rpc__call_finish(call, &status, NULL);
    channel->transport->cancel(channel->transport_state, call);
    rpc_call_unref(call);
    (void)pthread_mutex_lock(&channel->lock);
}

static void *timer_main(void *arg)
{
    struct rpc_channel *channel = arg;
    (void)pthread_setname_np(pthread_self(), "rpc-timer");
    (void)pthread_mutex_lock(&channel->lock);
    while (!channel->timer_stop) {
        struct rpc_call *first = channel->heap_count > 0 ? channel->heap[0] : NULL;
        if (first != NULL && first->deadline_ms <= clock_mono_ms()) {
            timer_end_call(channel, first);
            continue;
        }
        channel->timer_wakes_ms = first == NULL ? INT64_MAX : first->deadline_ms;
        if (first == NULL) {
            (void)pthread_cond_wait(&channel->timer_wake, &channel->lock);
        } else {
            struct timespec until = rpc__timespec_of_ms(first->deadline_ms);
            (void)pthread_cond_timedwait(&channel->timer_wake, &channel->lock, &until);
        }
    }
    (void)pthread_mutex_unlock(&channel->lock);
    return NULL;
}

void rpc_call_cancel(struct rpc_call *call)
{
    if (call == NULL)
        return;
    struct rpc_channel *channel = call->channel;
    (void)pthread_mutex_lock(&channel->lock);
    ask_for_end(channel, call);
    (void)pthread_mutex_unlock(&channel->lock);
}

/* --- the start of a call --- */

static enum rpc_code collect_metadata(const struct rpc_request *request,
                                      struct rpc_metadata *metadata, struct rpc_status *status)
{
    *metadata = (struct rpc_metadata){0};
    if (request->metadata != NULL)
        *metadata = *request->metadata;
    const struct rpc_context *context = request->context;
    bool fits = true;
    if (context != NULL && context->request_id[0] != '\0' &&
        rpc_metadata_get(metadata, RPC_METADATA_REQUEST_ID) == NULL)
        fits = rpc_metadata_add(metadata, RPC_METADATA_REQUEST_ID, context->request_id);
    if (fits && context != NULL && context->traceparent[0] != '\0' &&
        rpc_metadata_get(metadata, RPC_METADATA_TRACEPARENT) == NULL)
        fits = rpc_metadata_add(metadata, RPC_METADATA_TRACEPARENT, context->traceparent);
    return fits ? RPC_OK : rpc_status_set(status, RPC_INVALID_ARGUMENT, "too much metadata");
}

/* The caller's deadline, and the method's own, so that no call is without one. */
static int64_t deadline_of(const struct rpc_request *request)
{
    int64_t limit_ms = clock_mono_ms() + request->method->deadline_ms;
    if (request->context == NULL || request->context->deadline_ms > limit_ms)
        return limit_ms;
    return request->context->deadline_ms;
}

static enum rpc_code check_start(const struct rpc_request *request, int64_t left_ms,
                                 struct rpc_status *status)
{
    const struct rpc_context *context = request->context;
    if (context != NULL && context->cancelled != NULL && atomic_load(context->cancelled))
        return rpc_status_set(status, RPC_CANCELLED, "the call was cancelled");
    if (left_ms <= 0)
        return rpc_status_set(status, RPC_DEADLINE_EXCEEDED, "the call took too long");
    return RPC_OK;
}

static enum rpc_code run_interceptors(struct rpc_channel *channel, struct rpc_call *call,
                                      const struct rpc_request *request,
                                      struct rpc_metadata *metadata, struct rpc_status *status)
{
    for (size_t i = 0; i < channel->interceptor_count; i++) {
        const struct rpc_client_interceptor *interceptor = &channel->interceptors[i];
        enum rpc_code code = interceptor->start == NULL
                                 ? RPC_OK
                                 : interceptor->start(interceptor->self, request, metadata, status);
        if (code != RPC_OK)
            return code;
        call->interceptors_started = i + 1;
    }
    return RPC_OK;
}

/* Everything up to the transport; not RPC_OK: the call is to end with `status`. */
static enum rpc_code start_on_transport(struct rpc_channel *channel, struct rpc_call *call,
                                        const struct rpc_request *request,
                                        struct rpc_status *status)
{
    struct rpc_metadata metadata;
    enum rpc_code code = collect_metadata(request, &metadata, status);
    if (code == RPC_OK)
        code = run_interceptors(channel, call, request, &metadata, status);
    if (code == RPC_OK)
        code = wire_metadata_check(&metadata, status);
    int64_t left_ms = call->deadline_ms - clock_mono_ms();
    if (code == RPC_OK)
        code = check_start(request, left_ms, status);
    if (code != RPC_OK)
        return code;
    struct rpc__outgoing out = {
        .request = request,
        .metadata = &metadata,
        .payload_bytes = request->message == NULL
                             ? request->packed.len
                             : protobuf_c_message_get_packed_size(request->message),
        .timeout_ms = left_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)left_ms,
        .credits = (uint32_t)atomic_load(&call->items_granted),
    };
    if (out.payload_bytes > RPC_MESSAGE_BYTES_MAX)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the message is too large");
    if (request->method->server_streaming && call->events.item == NULL)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "the method answers with a stream");
    channel->transport->start(channel->transport_state, call, &out);
    return RPC_OK;
}

void rpc__outgoing_pack(const struct rpc__outgoing *out, uint8_t *to)
{
    if (out->payload_bytes == 0)
        return;
    if (out->request->message == NULL)
        memcpy(to, out->request->packed.data, out->payload_bytes);
    else
        (void)protobuf_c_message_pack(out->request->message, to);
}

/* Puts a call that is still under way into the heap. False: it is over already. */
static bool list_call(struct rpc_channel *channel, struct rpc_call *call)
{
    (void)pthread_mutex_lock(&channel->lock);
    int starting = CALL_STARTING;
    bool listed = atomic_compare_exchange_strong(&call->state, &starting, CALL_LISTED);
    if (listed) {
        /* calls_max bounds it: each listed call is among the active ones. */
        assert(channel->heap_count < channel->calls_max);
        heap_up(channel, call, channel->heap_count++);
        timer_kick(channel, call->deadline_ms);
        if (atomic_load(&channel->closing)) /* begun by another call's `done` meanwhile */
            ask_for_end(channel, call);
    }
    (void)pthread_mutex_unlock(&channel->lock);
    return listed;
}

/* Ends what has no call object. */
static void refuse(struct rpc_channel *channel, const struct rpc_call_events *events, void *arg,
                   const char *message)
{
    struct rpc_status status;
    struct rpc_payload nothing = {0};
    (void)rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "%s", message);
    events->done(arg, &status, &nothing);
    active_drop(channel);
}

struct rpc_call *rpc_channel_start(struct rpc_channel *channel, const struct rpc_request *request,
                                   const struct rpc_call_events *events, void *arg)
{
    if (atomic_fetch_add(&channel->active, 1) >= channel->calls_max) {
        refuse(channel, events, arg, "too many calls at once");
        return NULL;
    }
    struct rpc_call *call = call_create(channel, request, events, arg);
    if (call == NULL) {
        refuse(channel, events, arg, "out of memory");
        return NULL;
    }
    call->deadline_ms = deadline_of(request);
    if (request->method->server_streaming)
        atomic_init(&call->items_granted,
                    request->stream_items == 0 ? RPC_STREAM_ITEMS_DEFAULT : request->stream_items);
    struct rpc_status status;
    if (start_on_transport(channel, call, request, &status) != RPC_OK) {
        rpc__call_finish(call, &status, NULL);
        rpc_call_unref(call); /* the transport's */
    }
    if (list_call(channel, call))
        return call;
    rpc_call_unref(call);
    return NULL;
}

/* --- the blocking wrapper --- */

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool done;
    struct rpc_status status;
    struct rpc_payload payload;
};

static void waiter_done(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct waiter *waiter = arg;
    (void)pthread_mutex_lock(&waiter->lock);
    waiter->status = *status;
    waiter->payload = *payload;
    waiter->done = true;
    (void)pthread_cond_signal(&waiter->over);
    (void)pthread_mutex_unlock(&waiter->lock);
}

/* The channel's timer keeps the deadline; only the cancelled flag, which nobody signals, is polled.
 */
static void wait_for_end(struct waiter *waiter, struct rpc_call *call,
                         const struct rpc_context *context)
{
    const atomic_bool *cancelled = context == NULL ? NULL : context->cancelled;
    (void)pthread_mutex_lock(&waiter->lock);
    while (!waiter->done) {
        if (cancelled == NULL) {
            (void)pthread_cond_wait(&waiter->over, &waiter->lock);
            continue;
        }
        if (atomic_load(cancelled)) {
            (void)pthread_mutex_unlock(&waiter->lock);
            rpc_call_cancel(call);
            (void)pthread_mutex_lock(&waiter->lock);
            cancelled = NULL;
            continue;
        }
        struct timespec until = rpc__timespec_of_ms(clock_mono_ms() + CANCELLED_SLICE_MS);
        (void)pthread_cond_timedwait(&waiter->over, &waiter->lock, &until);
    }
    (void)pthread_mutex_unlock(&waiter->lock);
}

enum rpc_code rpc_channel_call(struct rpc_channel *channel, const struct rpc_request *request,
                               const ProtobufCMessage **ret_response, struct rpc_status *status)
{
    static const struct rpc_call_events events = {.done = waiter_done};
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER};
    rpc__cond_init(&waiter.over);
    struct rpc_call *call = rpc_channel_start(channel, request, &events, &waiter);
    rpc__held_send();
    wait_for_end(&waiter, call, request->context);
    rpc_call_unref(call);
    (void)pthread_cond_destroy(&waiter.over);
    (void)pthread_mutex_destroy(&waiter.lock);

    enum rpc_code code = waiter.status.code;
    ProtobufCMessage *response = NULL;
    if (code == RPC_OK)
        code = rpc_message_unpack(request->method->output->descriptor, waiter.payload.bytes,
                                  request->context->arena, &response, &waiter.status);
    if (code == RPC_INVALID_ARGUMENT && waiter.payload.free != NULL) {
        /* Not the caller's mistake: the server's answer is not what the contract says. */
        code = rpc_status_set(&waiter.status, RPC_INTERNAL, "the answer could not be read");
    }
    rpc_payload_release(&waiter.payload);
    if (code == RPC_OK)
        *ret_response = response;
    else if (status != NULL)
        *status = waiter.status;
    return code;
}

/* --- opening and closing --- */

static const struct {
    const char *prefix;
    const struct rpc__transport *transport;
} transports[] = {
    {"direct:", &rpc__transport_direct},    {"ipc://", &rpc__transport_stream},
    {"tcp://", &rpc__transport_stream},     {"tls+tcp://", &rpc__transport_stream},
    {"req+ipc://", &rpc__transport_reqrep}, {"req+tcp://", &rpc__transport_reqrep},
};

static const struct rpc__transport *transport_of(const struct rpc_channel_options *options)
{
    const char *url = options->url;
    const struct rpc__transport *transport = NULL;
    if (url != NULL && strchr(url, ',') != NULL)
        return &rpc__transport_balance;
    for (size_t i = 0; url != NULL && i < sizeof transports / sizeof transports[0]; i++)
        if (strncmp(url, transports[i].prefix, strlen(transports[i].prefix)) == 0)
            transport = transports[i].transport;
    bool is_remote = transport != NULL && transport != &rpc__transport_direct;
    return is_remote && options->retry != NULL ? &rpc__transport_balance : transport;
}

static struct rpc_channel *channel_create(const struct rpc_channel_options *options)
{
    struct rpc_channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL)
        return NULL;
    channel->calls_max = options->calls_max == 0 ? CALLS_MAX_DEFAULT : options->calls_max;
    channel->heap = calloc(channel->calls_max, sizeof *channel->heap);
    if (channel->heap == NULL) {
        free(channel);
        return NULL;
    }
    channel->interceptors = options->interceptors;
    channel->interceptor_count = options->interceptor_count;
    channel->timer_wakes_ms = INT64_MAX;
    atomic_init(&channel->refs, 1);
    (void)pthread_mutex_init(&channel->lock, NULL);
    rpc__cond_init(&channel->timer_wake);
    rpc__cond_init(&channel->idle);
    return channel;
}

enum rpc_code rpc_channel_open(const struct rpc_channel_options *options,
                               struct rpc_channel **ret_channel, struct rpc_status *status)
{
    const struct rpc__transport *transport = transport_of(options);
    if (transport == NULL)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT,
                              "a channel's URL begins with direct:, ipc://, tcp://, tls+tcp://, "
                              "req+ipc:// or req+tcp://");
    struct rpc_channel *channel = channel_create(options);
    if (channel == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    channel->transport = transport;
    enum rpc_code code = transport->open(channel, options, &channel->transport_state, status);
    if (code != RPC_OK) {
        channel_unref(channel);
        return code;
    }
    if (pthread_create(&channel->timer, NULL, timer_main, channel) != 0) {
        transport->close(channel->transport_state);
        channel_unref(channel);
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "cannot start a thread");
    }
    *ret_channel = channel;
    return RPC_OK;
}

void rpc_channel_on_batch_end(struct rpc_channel *channel, void (*batch_end)(void))
{
    atomic_store(&channel->batch_end, batch_end);
    if (channel->transport->on_batch_end != NULL)
        channel->transport->on_batch_end(channel->transport_state, batch_end);
}

bool rpc_channel_is_ready(struct rpc_channel *channel)
{
    return channel->transport->is_ready(channel->transport_state);
}

void rpc_channel_close(struct rpc_channel *channel)
{
    if (channel == NULL)
        return;
    atomic_store(&channel->closing, true);
    (void)pthread_mutex_lock(&channel->lock);
    for (size_t i = 0; i < channel->heap_count; i++) {
        /* All become due at once, so the heap's order stays as good as any. */
        channel->heap[i]->cancel_asked = true;
        channel->heap[i]->deadline_ms = INT64_MIN;
    }
    timer_kick(channel, INT64_MIN);
    while (atomic_load(&channel->active) > 0)
        (void)pthread_cond_wait(&channel->idle, &channel->lock);
    channel->timer_stop = true;
    (void)pthread_cond_signal(&channel->timer_wake);
    (void)pthread_mutex_unlock(&channel->lock);
    (void)pthread_join(channel->timer, NULL);
    channel->transport->close(channel->transport_state);
    channel_unref(channel);
}
