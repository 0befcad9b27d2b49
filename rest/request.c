/*
 * A request's way, in the order of api-contracts section 9: head syntax, sizes, path and method,
 * origin, body size and content type; then the call (call.c), where session, access, JSON, values
 * and state are looked at. Everything here runs on the loop's thread.
 */
#include <stdlib.h>

#include "rest/chars.h"
#include "rest/internal.h"
#include "rpc/base/clock.h"
#include "rpc/base/log.h"

/* Of a logged path and verb, in bytes. */
#define LOG_PATH_BYTES_MAX 199
#define LOG_VERB_BYTES_MAX 15
/* In the log for a client that left before its answer; no answer of ours. */
#define STATUS_CLIENT_GONE 499

static const char allow_any[] = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/* Whether the request is answered, so that no further step is taken. */
typedef bool step(struct rest_request *request);

static bool answer(struct rest_request *request, Lotcast__V1__Reason reason)
{
    rest_respond_reason(request, reason, NULL);
    return true;
}

static void close_after(struct rest_request *request)
{
    request->req->http1_is_persistent = 0;
    rest_connection_linger(request->connection);
}

/* --- head --- */

#define NAME(text)                                \
    {                                             \
        (const uint8_t *)(text), sizeof(text) - 1 \
    }

static const struct span header_names[REST_HEADER_COUNT] = {
    [REST_HEADER_ACCEPT] = NAME("accept"),
    [REST_HEADER_CONTENT_TYPE] = NAME("content-type"),
    [REST_HEADER_COOKIE] = NAME("cookie"),
    [REST_HEADER_CUSTOMER_ID] = NAME("x-customer-id"),
    [REST_HEADER_FORWARDED_FOR] = NAME("x-forwarded-for"),
    [REST_HEADER_FETCH_SITE] = NAME("sec-fetch-site"),
    [REST_HEADER_IDEMPOTENCY_KEY] = NAME("idempotency-key"),
    [REST_HEADER_IF_NONE_MATCH] = NAME("if-none-match"),
    [REST_HEADER_ORIGIN] = NAME("origin"),
    [REST_HEADER_REQUEST_ID] = NAME("x-request-id"),
    [REST_HEADER_TRACEPARENT] = NAME("traceparent"),
};

static struct span span_of_iovec(h2o_iovec_t text)
{
    return span_of(text.base, text.len);
}

/* libh2o has made the names lower case. */
static void sort_headers(struct rest_request *request)
{
    const h2o_headers_t *headers = &request->req->headers;
    for (size_t i = 0; i < headers->size; i++) {
        struct span name = span_of_iovec(*headers->entries[i].name);
        for (size_t kind = 0; kind < REST_HEADER_COUNT; kind++) {
            struct rest_values *values = &request->headers[kind];
            if (!span_equal(name, header_names[kind]))
                continue;
            if (values->count < REST_VALUES_MAX)
                values->items[values->count] = span_of_iovec(headers->entries[i].value);
            values->count++;
        }
    }
}

static struct span first_value(const struct rest_request *request, enum rest_header kind)
{
    const struct rest_values *values = &request->headers[kind];
    return values->count == 0 ? (struct span){NULL, 0} : values->items[0];
}

static void random_hex(struct rest_thread *thread, char *text, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[16];
    rest_thread_random(thread, raw, bytes);
    for (size_t i = 0; i < bytes; i++) {
        text[2 * i] = digits[raw[i] >> 4];
        text[2 * i + 1] = digits[raw[i] & 15];
    }
    text[2 * bytes] = '\0';
}

static void take_trace(struct rest_request *request)
{
    struct span id = first_value(request, REST_HEADER_REQUEST_ID);
    if (request->headers[REST_HEADER_REQUEST_ID].count == 1 && header_request_id_valid(id)) {
        memcpy(request->request_id, id.data, id.len);
        request->request_id[id.len] = '\0';
    } else {
        random_hex(request->thread, request->request_id, 16);
    }
    if (request->headers[REST_HEADER_TRACEPARENT].count == 1 &&
        header_traceparent_take(first_value(request, REST_HEADER_TRACEPARENT),
                                request->traceparent))
        return;
    /* 00-<trace>-<parent>-00: not sampled. */
    char *parent = request->traceparent;
    memcpy(parent, "00-", 3);
    random_hex(request->thread, parent + 3, 16);
    parent[35] = '-';
    random_hex(request->thread, parent + 36, 8);
    memcpy(parent + 52, "-00", 4);
}

/* The socket's address, or what trusted proxies say. */
static void take_address(struct rest_request *request)
{
    const struct rest *rest = request->thread->rest;
    const struct rest_values *forwarded = &request->headers[REST_HEADER_FORWARDED_FOR];
    struct header_address address = request->connection->peer;
    bool more = forwarded->count <= REST_VALUES_MAX &&
                header_address_in(&address, rest->proxies, rest->proxy_count);
    for (size_t i = forwarded->count; more && i > 0; i--)
        more = header_forwarded_step(forwarded->items[i - 1], rest->proxies, rest->proxy_count,
                                     &address);
    header_address_format(&address, request->address);
}

static void take_target(struct rest_request *request)
{
    struct span target = request->is_gated ? buffer_span(&request->connection->gate.target)
                                           : span_of_iovec(request->req->input.path);
    const uint8_t *question = target.len == 0 ? NULL : memchr(target.data, '?', target.len);
    request->target_path = target;
    if (question != NULL) {
        request->target_path.len = (size_t)(question - target.data);
        request->query = span_of(question + 1, target.len - request->target_path.len - 1);
    }
}

static bool step_head(struct rest_request *request)
{
    if (request->is_gated && request->connection->refused) {
        random_hex(request->thread, request->request_id, 16);
        close_after(request);
        return answer(request, request->connection->gate.refusal);
    }
    /* Its body was left on the wire: whatever is answered, nothing that follows is a request. */
    if (request->is_gated && request->connection->gate.body_too_large)
        close_after(request);
    sort_headers(request);
    take_trace(request);
    take_address(request);
    take_target(request);
    return false;
}

static bool step_sizes(struct rest_request *request)
{
    size_t head_len = 0;
    for (size_t i = 0; !request->is_gated && i < request->req->headers.size; i++)
        head_len += request->req->headers.entries[i].name->len +
                    request->req->headers.entries[i].value.len + 4;
    if (head_len > GATE_HEAD_BYTES_MAX)
        return answer(request, LOTCAST__V1__REASON__REASON_HEADERS_TOO_LARGE);
    size_t question_len = request->query.data == NULL ? 0 : 1;
    if (request->target_path.len + question_len + request->query.len > REST_URL_BYTES_MAX)
        return answer(request, LOTCAST__V1__REASON__REASON_URI_TOO_LONG);
    return false;
}

/* --- path and method --- */

static bool answer_special(struct rest_request *request, const struct rest_special *special)
{
    request->label = special->path;
    if (span_equal_string(request->verb, "OPTIONS"))
        rest_respond_options(request, rest_special_allow);
    else if (request->is_head || span_equal_string(request->verb, "GET"))
        special->handle(request);
    else
        rest_respond_not_allowed(request, rest_special_allow);
    return true;
}

static bool step_route(struct rest_request *request)
{
    char allow[ROUTER_ALLOW_BYTES];
    const char *kept = NULL;
    const struct rest_special *special = rest_special_find(request->target_path);
    if (special == NULL && rest_web_find(request->thread->rest, request->target_path) != NULL)
        special = &rest_web_file;
    if (span_equal_string(request->target_path, "*")) {
        rest_respond_options(request, allow_any);
        return true;
    }
    if (special != NULL)
        return answer_special(request, special);
    if (!path_split(request->target_path, &request->arena, &request->path))
        return answer(request, LOTCAST__V1__REASON__REASON_NOT_FOUND);
    if (rest_web_take_navigation(request))
        return true;
    enum router_outcome outcome = router_match(request->thread->rest->router, &request->path,
                                               request->verb, &request->route, allow);
    switch (outcome) {
    case ROUTER_NO_PATH:
        rest_web_respond_no_route(request);
        return true;
    case ROUTER_NO_VERB:
        kept = arena_strdup(&request->arena, allow);
        if (kept == NULL)
            return answer(request, LOTCAST__V1__REASON__REASON_INTERNAL);
        if (span_equal_string(request->verb, "OPTIONS"))
            rest_respond_options(request, kept);
        else
            rest_respond_not_allowed(request, kept);
        return true;
    case ROUTER_FOUND:
        break;
    }
    request->label = request->route->template;
    return false;
}

/* --- origin, body --- */

/* The verb that came, not the route's, which may leave it open. */
static bool is_safe(const struct rest_request *request)
{
    return request->is_head || span_equal_string(request->verb, "GET") ||
           span_equal_string(request->verb, "OPTIONS");
}

static bool step_origin(struct rest_request *request)
{
    const struct rest_values *origin = &request->headers[REST_HEADER_ORIGIN];
    const struct rest_values *site = &request->headers[REST_HEADER_FETCH_SITE];
    if (is_safe(request) || request->route->method->rules->origin_exempt)
        return false;
    bool allowed = true;
    if (origin->count > 0)
        allowed = origin->count == 1 &&
                  span_equal_string(origin->items[0], request->thread->rest->origin);
    else if (site->count > 0)
        allowed = site->count == 1 && (span_equal_string(site->items[0], "same-origin") ||
                                       span_equal_string(site->items[0], "none"));
    return allowed ? false : answer(request, LOTCAST__V1__REASON__REASON_CROSS_ORIGIN);
}

static bool step_body(struct rest_request *request)
{
    const struct rest_values *type = &request->headers[REST_HEADER_CONTENT_TYPE];
    size_t len = request->req->entity.base == NULL ? 0 : request->req->entity.len;
    if (len > GATE_BODY_BYTES_MAX)
        return answer(request, LOTCAST__V1__REASON__REASON_PAYLOAD_TOO_LARGE);
    if (request->is_gated && request->connection->gate.body_too_large)
        return answer(request, LOTCAST__V1__REASON__REASON_PAYLOAD_TOO_LARGE);
    bool is_read = !is_safe(request) || request->route->body != ROUTE_BODY_NONE;
    if (!is_read || len == 0 || request->route->raw_request)
        return false;
    if (type->count != 1 || !header_is_json(type->items[0]))
        return answer(request, LOTCAST__V1__REASON__REASON_UNSUPPORTED_MEDIA_TYPE);
    return false;
}

static bool step_call(struct rest_request *request)
{
    rest_call_begin(request);
    return true;
}

static step *const steps[] = {step_head, step_sizes, step_route, step_origin, step_body, step_call};

/* --- life --- */

static size_t shorter(size_t len, size_t max)
{
    return len < max ? len : max;
}

/* One line, and the counters. */
static void note_request(const struct rest_request *request)
{
    bool gone = !request->answered || request->client_left;
    int status = gone ? STATUS_CLIENT_GONE : request->status;
    int64_t elapsed_us = clock_mono_us() - request->started_us;
    if (gone)
        metric_add(&rest_metric_gone_clients, 1);
    if (request->route != NULL)
        rest_metrics_count(request->thread->rest->route_metrics[request->route->index], status,
                           elapsed_us);
    if (!log_enabled(LOG_LEVEL_INFO))
        return;
    struct log_field fields[7] = {
        log_bytes("method", request->verb.data, shorter(request->verb.len, LOG_VERB_BYTES_MAX)),
        request->label == NULL ? log_bytes("path", request->target_path.data,
                                           shorter(request->target_path.len, LOG_PATH_BYTES_MAX))
                               : log_text("route", request->label),
        log_number("status", status),
        log_number("duration_us", elapsed_us),
        log_text("request_id", request->request_id),
    };
    size_t count = 5;
    if (request->traceparent[0] != '\0')
        fields[count++] = log_text("traceparent", request->traceparent);
    if (request->reason != NULL && !gone)
        fields[count++] = log_text("reason", request->reason);
    log_write(LOG_LEVEL_INFO, "request", fields, count);
}

void rest_request_unref(struct rest_request *request)
{
    if (--request->refs > 0)
        return;
    rpc_payload_release(&request->payload);
    rest_stream_destroy(request->stream);
    printed_release(request->printed);
    buffer_fini(&request->body);
    arena_fini(&request->arena);
    free(request);
}

/* The pool of the h2o_req_t is cleared: the answer is sent, or the client has gone. */
static void on_slot_disposed(void *data)
{
    struct rest_request *request = *(struct rest_request **)data;
    struct rest_connection *connection = request->connection;
    note_request(request);
    request->req = NULL;
    request->connection = NULL;
    rest_call_cancel(request);
    rest_connection_request_over(connection);
    rest_request_unref(request);
}

void rest_request_peer_left(struct rest_request *request)
{
    if (request->phase != REST_CALL_NONE && request->leave_ms == 0)
        request->leave_ms = clock_mono_ms() + REST_LEAVE_MS;
}

static struct rest_request *create(struct rest_connection *connection, h2o_req_t *req)
{
    struct rest_request *request = h2o_mem_alloc(sizeof *request);
    *request = (struct rest_request){.refs = 1};
    request->thread = connection->thread;
    request->connection = connection;
    request->req = req;
    request->is_gated = connection->gated;
    request->started_us = clock_mono_us();
    request->verb = span_of_iovec(req->input.method);
    request->is_head = span_equal_string(request->verb, "HEAD");
    arena_init(&request->arena, ARENA_CALL_BYTES_MAX);
    buffer_init(&request->body, REST_JSON_BYTES_MAX);
    struct rest_request **slot =
        h2o_mem_alloc_shared(&req->pool, sizeof(struct rest_request *), on_slot_disposed);
    *slot = request;
    connection->running++;
    if (connection->gated)
        connection->request = request;
    return request;
}

int rest_request_handle(h2o_handler_t *handler, h2o_req_t *req)
{
    (void)handler;
    struct rest_request *request = create(rest_connection_of(req), req);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (steps[i](request))
            break;
    }
    return 0;
}

void rest_request_on_replies(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
    (void)receiver;
    while (!h2o_linklist_is_empty(messages)) {
        struct rest_request *request =
            H2O_STRUCT_FROM_MEMBER(struct rest_request, message.link, messages->next);
        h2o_linklist_unlink(&request->message.link);
        if (request->phase == REST_CALL_SCRAPE) {
            rest_scrape_over(request);
            continue;
        }
        while (request != NULL) {
            struct rest_request *next = request->done_next;
            rest_call_over(request); /* it may be gone now */
            request = next;
        }
    }
}

void rest_requests_tick(struct rest_thread *thread, int64_t now_ms)
{
    h2o_linklist_t *node = thread->calls.next;
    while (node != &thread->calls) {
        struct rest_request *request = H2O_STRUCT_FROM_MEMBER(struct rest_request, call_link, node);
        node = node->next;
        if (request->req == NULL || (request->answered && !rest_stream_is_sending(request)))
            continue;
        if (request->call_deadline_ms <= now_ms && !request->answered) {
            rest_call_cancel(request);
            rest_respond_reason(request, LOTCAST__V1__REASON__REASON_DEADLINE_EXCEEDED, NULL);
        } else if (request->leave_ms != 0 && request->leave_ms <= now_ms && !request->client_left) {
            request->client_left = true;
            rest_call_cancel(request);
        }
    }
}
