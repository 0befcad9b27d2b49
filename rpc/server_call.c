/*
 * The life of a server's call.
 *
 * A transport begins a call, fills it in and hands it over (dispatch, or a batch). From then on it
 * belongs to exactly one thread at a time: the transport's, a worker's, or, once its handler has
 * answered RPC_DEFERRED, whoever finishes it. The handler's thread must not look at it after that,
 * so everything that is needed behind a handler lies on the stack. end_call answers it and drops
 * the reference of its life; a transport that wants to cancel it holds another meanwhile.
 */
#include <assert.h>
#include <stdlib.h>

#include "rpc/base/clock.h"
#include "rpc/server_internal.h"

/* Calls kept for reuse, and the memory in use beyond which an arena is not kept with its call. */
#define FREE_CALLS_MAX 128
#define KEPT_ARENA_BYTES_MAX ((size_t)256 * 1024)

/* --- calls: memory --- */

struct rpc_server_call *rpc__server_call_begin(struct rpc_server *server)
{
    (void)atomic_fetch_add(&server->under_way, 1);
    (void)pthread_mutex_lock(&server->lock);
    struct rpc_server_call *call = server->free_calls;
    if (call != NULL) {
        server->free_calls = call->next;
        server->free_count--;
    }
    (void)pthread_mutex_unlock(&server->lock);
    if (call == NULL) {
        call = calloc(1, sizeof *call);
        if (call == NULL) {
            (void)atomic_fetch_sub(&server->under_way, 1);
            return NULL;
        }
        arena_init(&call->arena, ARENA_CALL_BYTES_MAX);
    }
    call->server = server;
    atomic_init(&call->refs, 1);
    call->received_us = clock_mono_us();
    call->context.arena = &call->arena;
    call->context.deadline_ms = INT64_MAX;
    call->context.cancelled = &call->cancelled;
    return call;
}

void rpc__server_call_free(struct rpc_server_call *call)
{
    arena_fini(&call->arena);
    free(call);
}

static void recycle(struct rpc_server_call *call)
{
    struct rpc_server *server = call->server;
    rpc__server_call_flow_fini(call);
    rpc_payload_release(&call->request_bytes);
    if (call->arena.used_bytes > KEPT_ARENA_BYTES_MAX)
        arena_fini(&call->arena);
    else
        arena_reset(&call->arena);
    struct arena arena = call->arena;
    *call = (struct rpc_server_call){.arena = arena};

    (void)pthread_mutex_lock(&server->lock);
    bool keep = server->free_count < FREE_CALLS_MAX;
    if (keep) {
        call->next = server->free_calls;
        server->free_calls = call;
        server->free_count++;
    }
    /* Under the lock, so that whoever waits for the last call cannot free the server under us. */
    if (atomic_fetch_sub(&server->under_way, 1) == 1)
        (void)pthread_cond_broadcast(&server->idle);
    (void)pthread_mutex_unlock(&server->lock);
    if (!keep)
        rpc__server_call_free(call);
}

struct rpc_server_call *rpc__server_call_ref(struct rpc_server_call *call)
{
    (void)atomic_fetch_add(&call->refs, 1);
    return call;
}

void rpc__server_call_unref(struct rpc_server_call *call)
{
    if (atomic_fetch_sub(&call->refs, 1) == 1)
        recycle(call);
}

/* --- calls: a method's max_in_flight --- */

static void count(struct metric *metric)
{
    if (metric != NULL)
        metric_add(metric, 1);
}

static void move_gauge(struct metric *gauge, int64_t by)
{
    if (gauge != NULL)
        metric_add(gauge, by);
}

static struct rpc__entry *entry_of(const struct rpc_server_call *call)
{
    return &call->server->entries[call->method->index];
}

/* Whether the method has room for the call, which then counts. */
static bool take_place(struct rpc_server_call *call)
{
    struct rpc__entry *entry = entry_of(call);
    if (call->has_place)
        return true;
    if (atomic_fetch_add(&entry->in_flight, 1) >= call->method->rules->max_in_flight) {
        (void)atomic_fetch_sub(&entry->in_flight, 1);
        count(entry->refused);
        count(call->server->refused_method_full);
        return false;
    }
    move_gauge(entry->in_flight_now, 1);
    call->has_place = true;
    return true;
}

/* Before the answer is sent: who has it finds the room. */
static void leave_place(struct rpc_server_call *call)
{
    if (!call->has_place)
        return;
    struct rpc__entry *entry = entry_of(call);
    call->has_place = false;
    move_gauge(entry->in_flight_now, -1);
    (void)atomic_fetch_sub(&entry->in_flight, 1);
}

/* --- calls: the end --- */

/* Decides what is answered. `body` is the response, and gets its size. */
static void settle(enum rpc_code code, const struct rpc_status *status, struct rpc__body *body,
                   struct rpc_status *ret_final)
{
    if (code != RPC_OK) {
        if (status != NULL && status->code == code)
            *ret_final = *status;
        else
            (void)rpc_status_set(ret_final, code, "%s",
                                 rpc_reason_get(rpc_reason_of_code(code))->message);
        return;
    }
    rpc_status_clear(ret_final);
    if (body->message != NULL)
        body->bytes = protobuf_c_message_get_packed_size(body->message);
    if (body->bytes > RPC_MESSAGE_BYTES_MAX)
        (void)rpc_status_set(ret_final, RPC_RESOURCE_EXHAUSTED, "the answer is too large");
}

/* A plain code with a push-back says that the call was not run; this one was, and says so. */
static void own_up(struct rpc_status *status)
{
    struct rpc_status plain = *status;
    if (plain.retry_after_ms == 0 || plain.reason != LOTCAST__V1__REASON__REASON_UNSPECIFIED)
        return;
    (void)rpc_status_fail(status, rpc_reason_of_code(plain.code), NULL);
    status->code = plain.code;
    status->retry_after_ms = plain.retry_after_ms;
}

static void end_with(struct rpc_server_call *call, enum rpc_code code,
                     const struct rpc_status *status, struct rpc__body *body)
{
    assert(code != RPC_DEFERRED);
    bool twice = atomic_exchange(&call->finished, true);
    assert(!twice);
    (void)twice;
    struct rpc_status final;
    settle(code, status, body, &final);
    if (!call->pushed_back)
        own_up(&final);
    const struct rpc_server *server = call->server;
    for (size_t i = call->interceptors_run; i-- > 0;) {
        const struct rpc_server_interceptor *interceptor = &server->interceptors[i];
        if (interceptor->after != NULL)
            interceptor->after(interceptor->self, call, &final);
    }
    leave_place(call);
    /* A stream's items have said it all. */
    bool answers = final.code == RPC_OK && !call->method->server_streaming;
    call->reply->answer(call, &final, answers ? body : NULL);
    rpc__server_call_unref(call);
}

static void end_call(struct rpc_server_call *call, enum rpc_code code,
                     const struct rpc_status *status)
{
    struct rpc__body body = {.message = call->response};
    end_with(call, code, status, &body);
}

void rpc_server_call_finish(struct rpc_server_call *call, enum rpc_code code,
                            const struct rpc_status *status)
{
    end_call(call, code, status);
}

void rpc__server_call_refuse(struct rpc_server_call *call, const struct rpc_status *status)
{
    end_call(call, status->code, status);
}

void rpc__server_call_drop(struct rpc_server_call *call)
{
    rpc__server_call_unref(call);
}

void rpc__server_call_push_back(struct rpc_server_call *call, enum rpc_code code,
                                uint32_t retry_after_ms)
{
    struct rpc_status status;
    (void)rpc_status_set(&status, code, "%s",
                         rpc_reason_get(LOTCAST__V1__REASON__REASON_UNAVAILABLE)->message);
    status.retry_after_ms = retry_after_ms;
    call->pushed_back = true;
    end_call(call, code, &status);
}

/* --- calls: running --- */

static enum rpc_code run_interceptors(struct rpc_server_call *call, struct rpc_status *status)
{
    const struct rpc_server *server = call->server;
    for (size_t i = call->interceptors_run; i < server->interceptor_count; i++) {
        const struct rpc_server_interceptor *interceptor = &server->interceptors[i];
        enum rpc_code code = interceptor->before == NULL
                                 ? RPC_OK
                                 : interceptor->before(interceptor->self, call, status);
        if (code != RPC_OK)
            return code;
        call->interceptors_run = i + 1;
    }
    return RPC_OK;
}

/* Unpacks the request and makes the empty response. */
static enum rpc_code prepare(struct rpc_server_call *call, ProtobufCMessage **ret_request,
                             struct rpc_status *status)
{
    enum rpc_code code = rpc_message_unpack(call->method->input->descriptor, call->packed,
                                            &call->arena, ret_request, status);
    if (code != RPC_OK)
        return code;
    const ProtobufCMessageDescriptor *output = call->method->output->descriptor;
    call->response = arena_alloc(&call->arena, output->sizeof_message);
    if (call->response == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    protobuf_c_message_init(output, call->response);
    return RPC_OK;
}

static void run_handler(struct rpc_server_call *call, bool with_interceptors)
{
    struct rpc_status status;
    rpc_status_clear(&status);
    ProtobufCMessage *request = NULL;
    enum rpc_code code = with_interceptors ? run_interceptors(call, &status) : RPC_OK;
    if (code == RPC_OK)
        code = prepare(call, &request, &status);
    if (code == RPC_OK)
        code = call->handler(call, request, call->response, &status);
    if (code != RPC_DEFERRED) /* a deferred call may be gone by now */
        end_call(call, code, &status);
}

/* A worker's, or an inline caller's. */
void rpc__server_call_run(struct rpc_server_call *call)
{
    if (atomic_load(call->context.cancelled)) {
        count(call->server->refused_cancelled);
        end_call(call, RPC_CANCELLED, NULL);
    } else if (rpc_context_left_ms(&call->context) == 0) {
        count(call->server->refused_expired);
        end_call(call, RPC_DEADLINE_EXCEEDED, NULL);
    } else {
        run_handler(call, true);
    }
}

static void set_deadline(struct rpc_server_call *call)
{
    uint32_t limit_ms = call->method->deadline_ms;
    if (call->timeout_ms != 0 && call->timeout_ms < limit_ms)
        limit_ms = call->timeout_ms;
    call->context.deadline_ms = clock_mono_ms() + limit_ms;
}

static void refuse_full(struct rpc_server_call *call)
{
    count(call->server->refused_full);
    rpc__server_call_push_back(call, RPC_RESOURCE_EXHAUSTED, RPC__QUEUE_RETRY_AFTER_MS);
}

static bool is_heavy(const struct rpc_server_call *call)
{
    return call->method->rules->execution == LOTCAST__V1__EXECUTION__EXECUTION_HEAVY;
}

/* Only what never waits. A call for a customer whom somebody else names is audited, which writes.
 */
static bool runs_inline(const struct rpc_server_call *call)
{
    return call->method->rules->execution == LOTCAST__V1__EXECUTION__EXECUTION_INLINE &&
           !call->method->server_streaming &&
           rpc_metadata_get(&call->metadata, RPC_METADATA_CUSTOMER_ID) == NULL;
}

static void enqueue(struct rpc_server_call *call)
{
    struct rpc_server *server = call->server;
    if (!rpc__pool_submit(is_heavy(call) ? server->heavy : server->workers, call))
        refuse_full(call);
}

static void run_or_enqueue(struct rpc_server_call *call, bool may_inline)
{
    if (may_inline && runs_inline(call))
        rpc__server_call_run(call);
    else
        enqueue(call);
}

/* --- the early stage --- */

/* Runs the interceptors at the front that only observe. */
static void observe(struct rpc_server_call *call)
{
    const struct rpc_server *server = call->server;
    for (size_t i = call->interceptors_run;
         i < server->interceptor_count && server->interceptors[i].observes; i++) {
        const struct rpc_server_interceptor *interceptor = &server->interceptors[i];
        if (interceptor->before != NULL)
            (void)interceptor->before(interceptor->self, call, NULL);
        call->interceptors_run = i + 1;
    }
}

/* Whether the early stage has taken the call. */
static bool take_early(struct rpc_server_call *call, void **gathered)
{
    const struct rpc_server_early *early = call->server->early;
    if (early == NULL || !runs_inline(call))
        return false;
    observe(call);
    return early->take(early->self, call, gathered);
}

static void flush_early(const struct rpc_server *server, void *gathered)
{
    if (gathered != NULL)
        server->early->flush(server->early->self, gathered);
}

void rpc_server_call_finish_packed(struct rpc_server_call *call, struct span packed)
{
    struct rpc__body body = {.packed = packed, .bytes = packed.len};
    end_with(call, RPC_OK, NULL, &body);
}

void rpc_server_call_resume(struct rpc_server_call *call)
{
    run_or_enqueue(call, call->may_inline);
}

/* --- admission --- */

/* Whether the call's method has room for it, if it has a limit that all its calls count for. */
static bool has_room(struct rpc_server_call *call)
{
    const Lotcast__V1__MethodRules *rules = call->method->rules;
    return rules->max_in_flight == 0 || rules->some_in_flight || take_place(call);
}

/* Whether the call is to be run or queued; otherwise it is over, or taken. */
static bool admit(struct rpc_server_call *call, const struct registry_method *method)
{
    struct rpc_server *server = call->server;
    const struct rpc__entry *entry = method == NULL ? NULL : &server->entries[method->index];
    if (entry == NULL || entry->handler == NULL ||
        (method->server_streaming && call->flow == NULL)) {
        count(server->refused_unknown);
        end_call(call, RPC_UNIMPLEMENTED, NULL);
        return false;
    }
    call->method = method;
    call->handler = entry->handler;
    call->self = entry->self;
    set_deadline(call);
    if (entry->self == server) { /* never behind work, whatever the state */
        run_handler(call, false);
        return false;
    }
    if (atomic_load(&server->draining) && !call->admitted) {
        rpc__server_call_push_back(call, RPC_UNAVAILABLE, RPC__DRAIN_RETRY_AFTER_MS);
        return false;
    }
    if (!has_room(call)) {
        rpc__server_call_push_back(call, RPC_RESOURCE_EXHAUSTED, RPC__METHOD_RETRY_AFTER_MS);
        return false;
    }
    return true;
}

void rpc__server_call_dispatch(struct rpc_server_call *call, const struct registry_method *method,
                               bool may_inline)
{
    void *gathered = NULL;
    struct rpc_server *server = call->server;
    if (!admit(call, method))
        return;
    call->may_inline = may_inline;
    if (take_early(call, &gathered))
        flush_early(server, gathered);
    else
        run_or_enqueue(call, may_inline);
}

/* --- calls: batches --- */

void rpc__call_list_push(struct rpc__call_list *list, struct rpc_server_call *call)
{
    call->next = NULL;
    if (list->last == NULL)
        list->first = call;
    else
        list->last->next = call;
    list->last = call;
}

static struct rpc_server_call *list_pop(struct rpc__call_list *list)
{
    struct rpc_server_call *call = list->first;
    if (call == NULL)
        return NULL;
    list->first = call->next;
    if (list->first == NULL)
        list->last = NULL;
    call->next = NULL;
    return call;
}

void rpc__server_batch_add(struct rpc__batch *batch, struct rpc_server_call *call,
                           const struct registry_method *method)
{
    if (!admit(call, method) || take_early(call, &batch->gathered))
        return;
    if (call->server->runs_inline && runs_inline(call))
        rpc__call_list_push(&batch->here, call);
    else
        rpc__call_list_push(is_heavy(call) ? &batch->heavy : &batch->workers, call);
}

static void submit_all(struct rpc__pool *pool, struct rpc__call_list *list)
{
    if (list->first == NULL)
        return;
    rpc__pool_submit_all(pool, list);
    for (struct rpc_server_call *call = list_pop(list); call != NULL; call = list_pop(list))
        refuse_full(call);
}

void rpc__server_batch_run(struct rpc_server *server, struct rpc__batch *batch)
{
    void *gathered = batch->gathered;
    batch->gathered = NULL;
    rpc_channel_hold();
    flush_early(server, gathered);
    submit_all(server->workers, &batch->workers);
    submit_all(server->heavy, &batch->heavy);
    for (struct rpc_server_call *call = list_pop(&batch->here); call != NULL;
         call = list_pop(&batch->here)) {
        call->batch = &batch->shared;
        rpc__server_call_run(call);
    }
    if (batch->shared.end != NULL)
        batch->shared.end(batch->shared.shared);
    batch->shared = (struct rpc_batch){0};
    rpc_channel_release();
}

/* --- what handlers see --- */

enum rpc_code rpc_server_call_take_place(struct rpc_server_call *call, struct rpc_status *status)
{
    if (call->method->rules->max_in_flight == 0 || take_place(call))
        return RPC_OK;
    (void)rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "%s",
                         rpc_reason_get(LOTCAST__V1__REASON__REASON_UNAVAILABLE)->message);
    if (status != NULL)
        status->retry_after_ms = RPC__METHOD_RETRY_AFTER_MS;
    return RPC_RESOURCE_EXHAUSTED;
}

struct rpc_batch *rpc_server_call_batch(struct rpc_server_call *call)
{
    return call->batch;
}

struct rpc_context *rpc_server_call_context(struct rpc_server_call *call)
{
    return &call->context;
}

const struct registry_method *rpc_server_call_method(const struct rpc_server_call *call)
{
    return call->method;
}

const char *rpc_server_call_metadata(const struct rpc_server_call *call, const char *key)
{
    return rpc_metadata_get(&call->metadata, key);
}

const struct rpc_metadata *rpc_server_call_all_metadata(const struct rpc_server_call *call)
{
    return &call->metadata;
}

enum rpc_trust rpc_server_call_trust(const struct rpc_server_call *call)
{
    return call->trust;
}

struct rpc_principal *rpc_server_call_principal(struct rpc_server_call *call)
{
    return &call->principal;
}

void *rpc_server_call_self(const struct rpc_server_call *call)
{
    return call->self;
}

struct span rpc_server_call_packed(const struct rpc_server_call *call)
{
    return call->packed;
}

int64_t rpc_server_call_elapsed_us(const struct rpc_server_call *call)
{
    return clock_mono_us() - call->received_us;
}
