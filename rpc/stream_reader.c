/*
 * Streams read by a caller that waits: items queue up, as many as were granted at most, and more
 * are granted when half of them have been taken.
 *
 * `item` and `done` come on the transport's threads and touch the queue under the lock; the rest is
 * the reader's thread's. `done` comes before close returns, so nothing outlives it.
 */
#include <stdlib.h>

#include "rpc/base/clock.h"
#include "rpc/internal.h"

/* How often the reader looks at its context's cancelled flag, in ms. */
#define CANCELLED_SLICE_MS 25

struct node {
    struct node *next;
    struct rpc_payload payload;
};

struct rpc_stream {
    const struct registry_method *method;
    const atomic_bool *cancelled; /* the context's, or NULL */
    struct rpc_call *call;        /* NULL: it was over at once */
    struct rpc_payload current;   /* of the item that was given last */
    uint32_t window;
    uint32_t taken; /* since the last grant */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    struct node *first;
    struct node *last;
    bool failed; /* an item was lost for want of memory */
    bool done;
    struct rpc_status status;
};

static void on_item(void *arg, struct rpc_payload *payload)
{
    struct rpc_stream *stream = arg;
    struct node *node = malloc(sizeof *node);
    (void)pthread_mutex_lock(&stream->lock);
    if (node == NULL) {
        stream->failed = true;
        rpc_payload_release(payload);
    } else {
        *node = (struct node){.payload = *payload};
        if (stream->last == NULL)
            stream->first = node;
        else
            stream->last->next = node;
        stream->last = node;
    }
    (void)pthread_cond_signal(&stream->changed);
    (void)pthread_mutex_unlock(&stream->lock);
}

static void on_done(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct rpc_stream *stream = arg;
    rpc_payload_release(payload);
    (void)pthread_mutex_lock(&stream->lock);
    stream->status = *status;
    stream->done = true;
    (void)pthread_cond_signal(&stream->changed);
    (void)pthread_mutex_unlock(&stream->lock);
}

enum rpc_code rpc_stream_open(struct rpc_channel *channel, const struct rpc_request *request,
                              struct rpc_stream **ret_stream, struct rpc_status *status)
{
    static const struct rpc_call_events events = {.done = on_done, .item = on_item};
    if (!request->method->server_streaming)
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "the method answers with one message");
    struct rpc_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    (void)pthread_mutex_init(&stream->lock, NULL);
    rpc__cond_init(&stream->changed);
    stream->method = request->method;
    stream->cancelled = request->context == NULL ? NULL : request->context->cancelled;
    stream->window = request->stream_items == 0 ? RPC_STREAM_ITEMS_DEFAULT : request->stream_items;
    stream->call = rpc_channel_start(channel, request, &events, stream);
    *ret_stream = stream;
    return RPC_OK;
}

/* Waits until there is an item or the end. Under the lock. */
static void wait_for_change(struct rpc_stream *stream)
{
    while (stream->first == NULL && !stream->done && !stream->failed) {
        if (stream->cancelled == NULL) {
            (void)pthread_cond_wait(&stream->changed, &stream->lock);
            continue;
        }
        if (atomic_load(stream->cancelled)) {
            stream->cancelled = NULL;
            (void)pthread_mutex_unlock(&stream->lock);
            rpc_call_cancel(stream->call);
            (void)pthread_mutex_lock(&stream->lock);
            continue;
        }
        struct timespec until = rpc__timespec_of_ms(clock_mono_ms() + CANCELLED_SLICE_MS);
        (void)pthread_cond_timedwait(&stream->changed, &stream->lock, &until);
    }
}

/* Takes the first item off the queue to `current`. Under the lock. */
static void take_first(struct rpc_stream *stream)
{
    struct node *node = stream->first;
    stream->first = node->next;
    if (stream->first == NULL)
        stream->last = NULL;
    stream->current = node->payload;
    free(node);
}

enum rpc_code rpc_stream_next(struct rpc_stream *stream, struct arena *arena,
                              const ProtobufCMessage **ret_item, struct rpc_status *status)
{
    rpc_payload_release(&stream->current);
    stream->current = (struct rpc_payload){0};
    rpc__held_send(); /* what is waited for may be among it */
    (void)pthread_mutex_lock(&stream->lock);
    wait_for_change(stream);
    bool has_item = stream->first != NULL;
    bool failed = stream->failed;
    if (has_item)
        take_first(stream);
    (void)pthread_mutex_unlock(&stream->lock);
    if (!has_item && failed)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    if (!has_item) { /* over: nobody writes the status any more */
        if (stream->status.code == RPC_OK)
            *ret_item = NULL;
        else if (status != NULL)
            *status = stream->status;
        return stream->status.code;
    }
    if (++stream->taken >= (stream->window + 1) / 2) {
        rpc_call_grant(stream->call, stream->taken);
        stream->taken = 0;
    }
    ProtobufCMessage *item;
    enum rpc_code code = rpc_message_unpack(stream->method->output->descriptor,
                                            stream->current.bytes, arena, &item, status);
    if (code == RPC_INVALID_ARGUMENT) /* not the caller's mistake */
        code = rpc_status_set(status, RPC_INTERNAL, "the answer could not be read");
    if (code == RPC_OK)
        *ret_item = item;
    return code;
}

void rpc_stream_close(struct rpc_stream *stream)
{
    if (stream == NULL)
        return;
    rpc_call_cancel(stream->call);
    rpc__held_send();
    (void)pthread_mutex_lock(&stream->lock);
    while (!stream->done)
        (void)pthread_cond_wait(&stream->changed, &stream->lock);
    (void)pthread_mutex_unlock(&stream->lock);
    rpc_call_unref(stream->call);
    rpc_payload_release(&stream->current);
    while (stream->first != NULL) {
        take_first(stream);
        rpc_payload_release(&stream->current);
    }
    (void)pthread_cond_destroy(&stream->changed);
    (void)pthread_mutex_destroy(&stream->lock);
    free(stream);
}
