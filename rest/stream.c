/*
 * Answers of streaming methods, whose items are pieces of one google.api.HttpBody.
 *
 * Items come on threads of the channel's, at most as many as there is credit for, into a ring; the
 * first of them posts the stream's message to the loop. The loop gathers pieces in request->body:
 *
 *   gathering ──the end, before STREAM_HELD_BYTES──▶ answered at once: length, tag, or an error
 *       │ more than that
 *       ▼
 *   sending, chunked ◀──▶ h2o has taken it: the next pieces ──▶ FINAL, or cut where the call failed
 *
 * An item's credit is given back when the loop takes it, which it does not while a write is under
 * way: what waits in memory are the ring's items and one body. A client that leaves, or takes
 * nothing for as long as others may (rest_connection_writing), ends the call.
 *
 * The ring is under the lock; all else is the loop's. The stream lives as long as its request. The
 * message holds no reference: a call that ends while it is posted is over when it has come.
 */
#include <string.h>
#include <sys/socket.h>

#include "rest/internal.h"
#include "rpc/base/clock.h"

/* Items that may wait for the loop. */
#define STREAM_ITEMS_MAX 4
/* What is answered at once if it is all, in bytes; what a write has at least, but the last. */
#define STREAM_HELD_BYTES ((size_t)64 * 1024)

struct rest_stream {
    struct rest_request *request;
    h2o_multithread_message_t message;
    pthread_mutex_t lock; /* of the next */
    struct rpc_payload items[STREAM_ITEMS_MAX];
    size_t first;
    size_t count;
    bool posted;

    h2o_generator_t generator;
    struct arena arena; /* of one item */
    struct rest_piece_head head;
    bool sending; /* the head is sent */
    bool writing; /* h2o has the body */
    bool ended;   /* request->result is the call's end */
    bool ends_when_posted;
    bool over; /* nothing more is sent */
};

bool rest_stream_create(struct rest_request *request)
{
    struct rest_stream *stream = arena_calloc(&request->arena, 1, sizeof *stream);
    if (stream == NULL)
        return false;
    stream->request = request;
    (void)pthread_mutex_init(&stream->lock, NULL);
    arena_init(&stream->arena, ARENA_CALL_BYTES_MAX);
    request->stream = stream;
    return true;
}

static bool take_item(struct rest_stream *stream, struct rpc_payload *ret_payload)
{
    (void)pthread_mutex_lock(&stream->lock);
    bool there = stream->count > 0;
    if (there) {
        *ret_payload = stream->items[stream->first];
        stream->first = (stream->first + 1) % STREAM_ITEMS_MAX;
        stream->count--;
    }
    (void)pthread_mutex_unlock(&stream->lock);
    return there;
}

void rest_stream_destroy(struct rest_stream *stream)
{
    struct rpc_payload payload;
    if (stream == NULL)
        return;
    while (take_item(stream, &payload))
        rpc_payload_release(&payload);
    arena_fini(&stream->arena);
    (void)pthread_mutex_destroy(&stream->lock);
}

uint32_t rest_stream_credits(void)
{
    return STREAM_ITEMS_MAX;
}

bool rest_stream_is_sending(const struct rest_request *request)
{
    return request->stream != NULL && request->stream->sending && !request->stream->over;
}

/* Any thread, one at a time: the request's call is under way. */
void rest_stream_item(void *arg, struct rpc_payload *payload)
{
    struct rest_request *request = arg;
    struct rest_stream *stream = request->stream;
    (void)pthread_mutex_lock(&stream->lock);
    /* The channel ends a call that has more items than credit: there is room. */
    stream->items[(stream->first + stream->count) % STREAM_ITEMS_MAX] = *payload;
    stream->count++;
    *payload = (struct rpc_payload){0};
    bool posts = !stream->posted;
    stream->posted = true;
    (void)pthread_mutex_unlock(&stream->lock);
    if (posts)
        h2o_multithread_send_message(&request->thread->items, &stream->message);
}

/* --- on the loop --- */

static void proceed(h2o_generator_t *generator, h2o_req_t *req);

/* What was sent cannot be taken back: the client must not take it for the whole. */
static void cut(struct rest_stream *stream)
{
    static const struct linger none = {.l_onoff = 1, .l_linger = 0};
    struct rest_request *request = stream->request;
    stream->over = true;
    request->reason = rpc_code_name(stream->ended ? request->result.code : RPC_INTERNAL);
    rest_call_cancel(request);
    if (request->is_gated) /* a reset: without chunks an orderly end would look like the whole */
        (void)setsockopt(h2o_socket_get_fd(request->connection->socket), SOL_SOCKET, SO_LINGER,
                         &none, sizeof none);
    h2o_send(request->req, NULL, 0, H2O_SEND_STATE_ERROR);
}

static void begin_sending(struct rest_stream *stream)
{
    struct rest_request *request = stream->request;
    stream->sending = true;
    stream->generator = (h2o_generator_t){.proceed = proceed};
    rest_respond_pieces_begin(request, &stream->head);
    h2o_start_response(request->req, &stream->generator);
    if (!request->is_head)
        return;
    stream->over = true; /* the head is all */
    rest_call_cancel(request);
    h2o_send(request->req, NULL, 0, H2O_SEND_STATE_FINAL);
}

static void write_body(struct rest_stream *stream, bool is_last)
{
    struct rest_request *request = stream->request;
    h2o_iovec_t body = h2o_iovec_init(request->body.data, request->body.len);
    stream->writing = true;
    stream->over = is_last;
    rest_connection_writing(request->connection, body.len);
    h2o_send(request->req, &body, body.len > 0 ? 1 : 0,
             is_last ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

/* Adds waiting pieces to the body, as many as make a write. False: one of them cannot be. */
static bool gather(struct rest_stream *stream)
{
    struct rest_request *request = stream->request;
    struct rpc_payload payload;
    bool good = true;
    while (good && request->body.len <= STREAM_HELD_BYTES && take_item(stream, &payload)) {
        arena_reset(&stream->arena);
        good = rest_respond_piece_take(request, payload.bytes, &stream->arena, &stream->head);
        rpc_payload_release(&payload);
        rpc_call_grant(request->call, 1);
    }
    return good;
}

static bool is_drained(struct rest_stream *stream)
{
    (void)pthread_mutex_lock(&stream->lock);
    bool drained = stream->count == 0;
    (void)pthread_mutex_unlock(&stream->lock);
    return drained && stream->ended;
}

/* Nothing was sent yet, and there is no more. */
static void answer_whole(struct rest_stream *stream)
{
    struct rest_request *request = stream->request;
    stream->over = true;
    if (request->result.code == RPC_OK)
        rest_respond_pieces_whole(request, &stream->head);
    else
        rest_call_respond_failure(request);
}

/* Goes on with what there is. */
static void pump(struct rest_stream *stream)
{
    struct rest_request *request = stream->request;
    if (request->req == NULL || stream->over || stream->writing ||
        (request->answered && !stream->sending))
        return;
    bool good = gather(stream);
    if (!good && !stream->sending) {
        stream->over = true;
        rest_call_cancel(request);
        rest_respond_reason(request, LOTCAST__V1__REASON__REASON_INTERNAL, NULL);
        return;
    }
    bool is_end = is_drained(stream);
    if (!stream->sending && is_end) {
        answer_whole(stream);
        return;
    }
    if (!stream->sending && request->body.len > STREAM_HELD_BYTES)
        begin_sending(stream);
    if (!stream->sending || stream->over)
        return;
    if (!good || (is_end && request->result.code != RPC_OK))
        cut(stream);
    else if (is_end || request->body.len > 0)
        write_body(stream, is_end);
}

static void proceed(h2o_generator_t *generator, h2o_req_t *req)
{
    struct rest_stream *stream = H2O_STRUCT_FROM_MEMBER(struct rest_stream, generator, generator);
    struct rest_connection *connection = stream->request->connection;
    (void)req;
    stream->writing = false;
    buffer_clear(&stream->request->body);
    /* From here the call has the time, not the client. */
    if (connection->gated || connection->running == 1)
        connection->deadline_ms = INT64_MAX;
    pump(stream);
}

bool rest_stream_end(struct rest_request *request)
{
    struct rest_stream *stream = request->stream;
    (void)pthread_mutex_lock(&stream->lock);
    stream->ends_when_posted = stream->posted;
    (void)pthread_mutex_unlock(&stream->lock);
    if (stream->ends_when_posted)
        return false;
    stream->ended = true;
    pump(stream);
    return true;
}

void rest_stream_on_items(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    while (!h2o_linklist_is_empty(messages)) {
        struct rest_stream *stream =
            H2O_STRUCT_FROM_MEMBER(struct rest_stream, message.link, messages->next);
        h2o_linklist_unlink(&stream->message.link);
        (void)pthread_mutex_lock(&stream->lock);
        stream->posted = false;
        (void)pthread_mutex_unlock(&stream->lock);
        if (stream->ends_when_posted)
            rest_call_over(stream->request); /* it may be gone now */
        else
            pump(stream);
    }
}
