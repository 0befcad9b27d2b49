/*
 * A request's call. The call holds a reference from rest_call_begin to rest_call_over; between
 * them `done` comes exactly once: on our own thread before rpc_channel_start returns (direct:, a
 * quick read), or on a thread of the channel's, which posts it to the loop, together with what else
 * has come at the same time.
 *
 * The client may leave, or the answer be given (504), before that: the call then is cancelled and
 * its outcome dropped.
 */
#include <string.h>

#include "lotcast/v1/auth.pb-c.h"
#include "rest/internal.h"
#include "rest/transcode.h"
#include "rpc/base/clock.h"

/* X-Customer-ID as it is passed on: bounded, and so that anything odd stays odd. */
#define CUSTOMER_ID_BYTES_MAX 64
#define CUSTOMER_ID_MALFORMED "?"
/* Entries of X-Customer-ID that are passed on: two are enough to be refused. */
#define CUSTOMER_IDS_MAX 2

/* Of a header that a method wants forwarded, in bytes. */
#define FORWARDED_BYTES_MAX 512

/* --- metadata --- */

static bool is_visible(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] >= 0x7f)
            return false;
    }
    return true;
}

/* The value of a header that came once, bounded and of visible ASCII and spaces; else NULL. */
static const char *forwarded_value(struct rest_request *request, const char *name)
{
    const h2o_headers_t *headers = &request->req->headers;
    struct span value = {0};
    size_t count = 0;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (!span_equal_string(span_of(header->name->base, header->name->len), name))
            continue;
        value = span_of(header->value.base, header->value.len);
        count++;
    }
    if (count != 1 || value.len > FORWARDED_BYTES_MAX || !is_visible(value))
        return NULL;
    return arena_strndup(&request->arena, value.data, value.len);
}

/*
 * The headers that the method has asked for, under their own names. One that came twice, is too
 * long or has other bytes is as if it had not come: the method has nothing to choose from.
 */
static void forward_headers(struct rest_request *request)
{
    const Lotcast__V1__MethodRules *rules = request->route->method->rules;
    for (size_t i = 0; i < rules->n_forward_headers; i++) {
        const char *value = forwarded_value(request, rules->forward_headers[i]);
        if (value != NULL)
            (void)rpc_metadata_add(&request->metadata, rules->forward_headers[i], value);
    }
}

static const char *customer_id(struct rest_request *request, struct span value)
{
    if (value.len == 0 || value.len > CUSTOMER_ID_BYTES_MAX)
        return CUSTOMER_ID_MALFORMED;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] >= 0x7f)
            return CUSTOMER_ID_MALFORMED;
    }
    const char *text = arena_strndup(&request->arena, value.data, value.len);
    return text == NULL ? CUSTOMER_ID_MALFORMED : text;
}

/* The first session cookie of all; a malformed one is none. */
static void add_session(struct rest_request *request)
{
    const struct rest_values *cookies = &request->headers[REST_HEADER_COOKIE];
    char session[HEADER_SESSION_BYTES];
    enum header_session found = HEADER_SESSION_NONE;
    for (size_t i = 0; i < cookies->count && i < REST_VALUES_MAX && found == HEADER_SESSION_NONE;
         i++)
        found = header_session_find(cookies->items[i], session);
    if (found != HEADER_SESSION_FOUND)
        return;
    const char *text = arena_strdup(&request->arena, session);
    if (text != NULL)
        (void)rpc_metadata_add(&request->metadata, RPC_METADATA_SESSION, text);
}

/* What the logic hears of the verb: a route's own, so that HEAD is GET there; else the one that
 * came. */
static const char *verb_of(struct rest_request *request)
{
    const char *verb = request->route->verb;
    if (strcmp(verb, ROUTE_VERB_ANY) == 0)
        verb = arena_strndup(&request->arena, request->verb.data, request->verb.len);
    return verb == NULL ? "" : verb;
}

/* Fits always: 5 fixed entries, 2 customers, a key, and what is forwarded, which the registry
 * bounds. False for a bad Idempotency-Key. */
static bool fill_metadata(struct rest_request *request)
{
    struct rpc_metadata *metadata = &request->metadata;
    const struct rest_values *customers = &request->headers[REST_HEADER_CUSTOMER_ID];
    const struct rest_values *keys = &request->headers[REST_HEADER_IDEMPOTENCY_KEY];
    (void)rpc_metadata_add(metadata, RPC_METADATA_REQUEST_ID, request->request_id);
    (void)rpc_metadata_add(metadata, RPC_METADATA_TRACEPARENT, request->traceparent);
    (void)rpc_metadata_add(metadata, RPC_METADATA_ADDRESS, request->address);
    (void)rpc_metadata_add(metadata, RPC_METADATA_HTTP_METHOD, verb_of(request));
    add_session(request);
    forward_headers(request);
    for (size_t i = 0; i < customers->count && i < CUSTOMER_IDS_MAX; i++)
        (void)rpc_metadata_add(metadata, RPC_METADATA_CUSTOMER_ID,
                               customer_id(request, customers->items[i]));
    if (keys->count == 0)
        return true;
    if (keys->count > 1 || !header_idempotency_key_valid(keys->items[0]))
        return false;
    const char *key = arena_strndup(&request->arena, keys->items[0].data, keys->items[0].len);
    return key != NULL && rpc_metadata_add(metadata, RPC_METADATA_IDEMPOTENCY_KEY, key);
}

/* --- calls --- */

/* Requests whose calls have ended on this thread, of which their loops are told at the batch's end.
 */
static _Thread_local struct rest_request *ended_first;
static _Thread_local struct rest_request *ended_last;

/* Any thread. Stores the outcome; the batch's end hands it to the loop. */
static void request_done(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct rest_request *request = arg;
    struct rest_thread *thread = request->thread;
    request->result = *status;
    if (status->code == RPC_OK && payload != NULL) {
        request->payload = *payload;
        *payload = (struct rpc_payload){0};
    }
    if (pthread_equal(pthread_self(), thread->id) && request->starting) {
        request->ended_inline = true;
        return;
    }
    request->done_next = NULL;
    if (ended_last == NULL)
        ended_first = request;
    else
        ended_last->done_next = request;
    ended_last = request;
}

/* Takes those off that belong to the first one's loop, linked to it in their order. */
static struct rest_request *take_ended(void)
{
    struct rest_request *first = ended_first;
    struct rest_request *mine = first;
    struct rest_request *others = NULL;
    struct rest_request *at = first->done_next;
    ended_first = NULL;
    for (; at != NULL; at = at->done_next) {
        if (at->thread == first->thread) {
            mine->done_next = at;
            mine = at;
        } else {
            if (others == NULL)
                ended_first = at;
            else
                others->done_next = at;
            others = at;
        }
    }
    mine->done_next = NULL;
    if (others != NULL)
        others->done_next = NULL;
    ended_last = others;
    return first;
}

void rest_call_batch_end(void)
{
    while (ended_first != NULL) {
        struct rest_request *first = take_ended();
        h2o_multithread_send_message(&first->thread->replies, &first->message);
    }
}

static void start(struct rest_request *request, enum rest_call_phase phase,
                  const struct registry_method *method, const ProtobufCMessage *message)
{
    static const struct rpc_call_events events = {.done = request_done, .item = rest_stream_item};
    struct rest_thread *thread = request->thread;
    struct rpc_context context = {.arena = &request->arena,
                                  .deadline_ms = clock_mono_ms() + method->deadline_ms};
    memcpy(context.request_id, request->request_id, sizeof context.request_id);
    memcpy(context.traceparent, request->traceparent, sizeof context.traceparent);
    struct rpc_request call = {
        .method = method, .message = message, .metadata = &request->metadata, .context = &context};
    if (method->server_streaming)
        call.stream_items = rest_stream_credits();
    request->phase = phase;
    request->call_deadline_ms = context.deadline_ms + REST_OVERRUN_MS;
    request->refs++;
    request->starting = true;
    request->ended_inline = false;
    struct rpc_call *handle = rpc_channel_start(thread->rest->channel, &call, &events, request);
    request->starting = false;
    request->call = handle;
    h2o_linklist_insert(&thread->calls, &request->call_link);
    if (request->ended_inline) {
        rest_call_over(request);
        return;
    }
    metric_add(&rest_metric_in_flight, 1);
    rest_connection_waits(request->connection);
    if (request->is_gated && request->connection->peer_left)
        rest_request_peer_left(request);
}

/*
 * The request is wrong. Whether the caller may know comes first: on a method that is not public the
 * logic is asked, and what it says is answered.
 */
static void answer_own_error(struct rest_request *request, const struct rpc_status *status)
{
    const struct registry_method *method = request->route->method;
    if (method->rules->access == LOTCAST__V1__ACCESS__ACCESS_PUBLIC) {
        rest_respond_status(request, status);
        return;
    }
    Lotcast__V1__CheckAccessRequest check = LOTCAST__V1__CHECK_ACCESS_REQUEST__INIT;
    check.method = (char *)method->name;
    request->own_error = *status;
    start(request, REST_CALL_ACCESS, request->thread->rest->check_access, &check.base);
}

static enum rpc_code transcode(struct rest_request *request, ProtobufCMessage **ret_message,
                               struct rpc_status *status)
{
    const struct rest_values *types = &request->headers[REST_HEADER_CONTENT_TYPE];
    struct transcode_request from = {.codec = request->thread->rest->codec,
                                     .route = request->route,
                                     .path = &request->path,
                                     .query = request->query,
                                     .arena = &request->arena};
    if (request->req->entity.base != NULL)
        from.body = span_of(request->req->entity.base, request->req->entity.len);
    if (types->count == 1)
        from.content_type = types->items[0];
    return transcode_request(&from, ret_message, status);
}

void rest_call_begin(struct rest_request *request)
{
    struct rpc_status status;
    ProtobufCMessage *message = NULL;
    rpc_status_clear(&status);
    enum rpc_code code = RPC_OK;
    if (!fill_metadata(request))
        code = rpc_status_fail(&status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                               "Idempotency-Key");
    if (code == RPC_OK)
        code = transcode(request, &message, &status);
    if (code == RPC_OK && request->route->method->server_streaming && !rest_stream_create(request))
        code = rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    if (code != RPC_OK)
        answer_own_error(request, &status);
    else
        start(request, REST_CALL_METHOD, request->route->method, message);
}

void rest_call_cancel(struct rest_request *request)
{
    if (request->call != NULL)
        rpc_call_cancel(request->call);
}

void rest_call_respond_failure(struct rest_request *request)
{
    bool is_late = clock_mono_ms() >= request->call_deadline_ms - REST_OVERRUN_MS;
    if (request->result.code == RPC_CANCELLED && is_late) /* a handler that saw time run out */
        rest_respond_reason(request, LOTCAST__V1__REASON__REASON_DEADLINE_EXCEEDED, NULL);
    else
        rest_respond_status(request, &request->result);
}

static void answer(struct rest_request *request)
{
    bool is_access = request->phase == REST_CALL_ACCESS;
    request->phase = REST_CALL_NONE;
    if (request->result.code != RPC_OK)
        rest_call_respond_failure(request);
    else if (is_access)
        rest_respond_status(request, &request->own_error);
    else
        rest_respond_message(request, request->payload.bytes);
}

void rest_call_over(struct rest_request *request)
{
    struct rpc_call *call = request->call;
    bool streams = request->stream != NULL && request->phase == REST_CALL_METHOD;
    if (streams && !rest_stream_end(request))
        return;
    request->call = NULL;
    h2o_linklist_unlink(&request->call_link);
    request->leave_ms = 0;
    if (!request->ended_inline)
        metric_add(&rest_metric_in_flight, -1);
    if (call != NULL)
        rpc_call_unref(call);
    if (streams)
        request->phase = REST_CALL_NONE;
    else if (request->req != NULL && !request->answered)
        answer(request);
    rpc_payload_release(&request->payload);
    request->payload = (struct rpc_payload){0};
    rest_request_unref(request);
}
