/*
 * A channel to several addresses, or to one: round robin over those that are ready, and retries.
 *
 * A call of the channel has one attempt object: the request as bytes of its own, and at most one
 * call at a time on an address's channel. The attempt is FLYING while it has one, WAITING on the
 * balancer's list (for its time, for an address, or both), or OVER. What ends it takes it to OVER
 * under the lock, unlinks it from its call there (call->transport), and then finishes the call.
 * Cancel comes when the call is over already: it takes a waiting attempt off, or cancels the flying
 * one, whose end follows by itself.
 *
 * A call is made again only if it may be: its method is idempotent and its connection was lost, or
 * the answer says that it was not run (a plain code with retry_after_ms: a server's admission, or
 * our own transport before anything was sent); no item of its stream was given; there is time; and
 * the bucket has tokens, of which failures take one and answers give back a part (gRPC's A6).
 *
 * References of an attempt: one for its life until OVER, and one for whoever starts a call for it.
 */
#include <stdlib.h>

#include "rpc/balance_internal.h"

#include "rpc/base/clock.h"

/* See struct rpc_channel_retry. */
#define ATTEMPTS_MAX 4
#define BACKOFF_MS_MIN 20
#define BACKOFF_MS_MAX 500
#define EJECT_FAILURES 5
#define EJECT_MS_MIN 1000
#define EJECT_MS_MAX 30000
/* A token, what an answer gives back of one, and tokens for each call that may be in flight: one
 * address can go with all its calls, and they are made again. */
#define TOKEN 1000
#define TOKEN_BACK 100
#define TOKENS_A_CALL 2
#define CALLS_MAX_DEFAULT 1024
/* How long opening waits for an address to be ready, in ms, so that a call right after it finds
 * one. */
#define FIRST_READY_WAIT_MS 200
/* A server that is full and asks for a longer pause than this, in ms, is not asked again: whoever
 * called decides. */
#define PUSH_BACK_MS_MAX 500

enum attempt_state { ATTEMPT_FLYING, ATTEMPT_WAITING, ATTEMPT_OVER };

struct rpc__attempt {
    atomic_uint refs;
    struct rpc__balancer *balancer;
    struct rpc_call *call; /* with the transport's reference */
    const struct registry_method *method;
    int64_t deadline_ms;
    bool wait_for_ready;
    bool fails_fast;
    bool item_came; /* on the thread of the address's events alone */
    struct span packed;
    struct rpc_metadata metadata;
    /* Under the balancer's lock. */
    enum attempt_state state;
    unsigned number; /* of calls made */
    struct rpc__address *address;
    struct rpc_call *flying; /* a reference; NULL also while it is being started */
    uint32_t credits;        /* items that may come in all */
    bool cancelled;
    int64_t at_ms; /* while it waits: not before */
    struct rpc__attempt *next;
    struct rpc__attempt *prev;
    struct rpc_status last; /* what the last one ended with; set before it waits again */
    char bytes[];           /* of metadata and the packed message */
};

static void attempt_unref(struct rpc__attempt *attempt)
{
    if (atomic_fetch_sub(&attempt->refs, 1) == 1)
        free(attempt);
}

static void count(struct metric *metric)
{
    if (metric != NULL)
        metric_add(metric, 1);
}

static size_t text_bytes(const struct rpc_metadata *metadata)
{
    size_t bytes = 0;
    for (size_t i = 0; i < metadata->count; i++)
        bytes += strlen(metadata->entries[i].key) + strlen(metadata->entries[i].value) + 2;
    return bytes;
}

static const char *copy_text(char **at, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = *at;
    memcpy(copy, text, bytes);
    *at += bytes;
    return copy;
}

static struct rpc__attempt *attempt_create(struct rpc__balancer *balancer, struct rpc_call *call,
                                           const struct rpc__outgoing *out)
{
    size_t texts = text_bytes(out->metadata);
    struct rpc__attempt *attempt = malloc(sizeof *attempt + texts + out->payload_bytes + 1);
    if (attempt == NULL)
        return NULL;
    char *at = attempt->bytes;
    atomic_init(&attempt->refs, 2); /* its life's, and that of who starts it */
    attempt->balancer = balancer;
    attempt->call = call;
    attempt->method = out->request->method;
    attempt->deadline_ms = clock_mono_ms() + out->timeout_ms;
    attempt->wait_for_ready = out->request->wait_for_ready;
    attempt->fails_fast = out->request->fails_fast;
    attempt->item_came = false;
    attempt->metadata.count = out->metadata->count;
    for (size_t i = 0; i < out->metadata->count; i++) {
        attempt->metadata.entries[i].key = copy_text(&at, out->metadata->entries[i].key);
        attempt->metadata.entries[i].value = copy_text(&at, out->metadata->entries[i].value);
    }
    rpc__outgoing_pack(out, (uint8_t *)at);
    attempt->packed = (struct span){(uint8_t *)at, out->payload_bytes};
    attempt->state = ATTEMPT_OVER;
    attempt->number = 0;
    attempt->address = NULL;
    attempt->flying = NULL;
    attempt->credits = out->credits;
    attempt->cancelled = false;
    return attempt;
}

/* --- the list of those that wait; all under the lock --- */

void rpc__balancer_wake(struct rpc__balancer *balancer, int64_t at_ms)
{
    if (at_ms < balancer->wakes_ms) {
        balancer->wakes_ms = at_ms;
        (void)pthread_cond_broadcast(&balancer->changed);
    }
}

static void wait_until(struct rpc__attempt *attempt, int64_t at_ms)
{
    struct rpc__balancer *balancer = attempt->balancer;
    attempt->state = ATTEMPT_WAITING;
    attempt->at_ms = at_ms;
    attempt->prev = NULL;
    attempt->next = balancer->waiting;
    if (attempt->next != NULL)
        attempt->next->prev = attempt;
    balancer->waiting = attempt;
    rpc__balancer_wake(balancer, at_ms);
}

static void stop_waiting(struct rpc__attempt *attempt)
{
    if (attempt->prev != NULL)
        attempt->prev->next = attempt->next;
    else
        attempt->balancer->waiting = attempt->next;
    if (attempt->next != NULL)
        attempt->next->prev = attempt->prev;
}

static void fly(struct rpc__attempt *attempt, struct rpc__address *address)
{
    attempt->state = ATTEMPT_FLYING;
    attempt->address = address;
    attempt->number++;
}

/* It is nobody's any more but its holders'. */
static void end(struct rpc__attempt *attempt)
{
    attempt->state = ATTEMPT_OVER;
    attempt->call->transport = NULL;
}

/* --- retries --- */

static enum rpc_code unreachable(struct rpc_status *status)
{
    (void)rpc_status_set(status, RPC_UNAVAILABLE, "the service cannot be reached");
    status->retry_after_ms = RPC__UNSENT_RETRY_AFTER_MS;
    return RPC_UNAVAILABLE;
}

static bool is_plain(const struct rpc_status *status)
{
    return status->reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED;
}

/* Whether the answer says that the call was not run. */
static bool was_not_run(const struct rpc_status *status)
{
    return is_plain(status) && status->retry_after_ms > 0 &&
           (status->code == RPC_UNAVAILABLE || status->code == RPC_RESOURCE_EXHAUSTED);
}

static bool was_lost(const struct rpc_status *status)
{
    return is_plain(status) && status->code == RPC_UNAVAILABLE;
}

/* What the end of a call says of its address, and of the addresses as a whole. Under the lock. */
static void learn(struct rpc__attempt *attempt, const struct rpc_status *status)
{
    struct rpc__balancer *balancer = attempt->balancer;
    bool late = status->code == RPC_DEADLINE_EXCEEDED ||
                (attempt->cancelled && clock_mono_ms() >= attempt->deadline_ms);
    if (was_not_run(status) && status->code == RPC_UNAVAILABLE)
        rpc__address_shun(attempt->address, status->retry_after_ms);
    else if (late || was_lost(status))
        rpc__address_failed(attempt->address);
    else if (!attempt->cancelled)
        rpc__address_answered(attempt->address);
    if (was_not_run(status) || was_lost(status)) {
        balancer->tokens = balancer->tokens < TOKEN ? 0 : balancer->tokens - TOKEN;
    } else if (!attempt->cancelled && !late) {
        balancer->tokens = balancer->tokens + TOKEN_BACK > balancer->tokens_max
                               ? balancer->tokens_max
                               : balancer->tokens + TOKEN_BACK;
    }
}

/* The pause before the next attempt, or what a server that is full asks for (one that drains asks
 * for itself alone). Under the lock. */
static uint32_t pause_before_next(struct rpc__attempt *attempt, const struct rpc_status *status)
{
    const struct rpc_channel_retry *retry = &attempt->balancer->retry;
    uint32_t pause_ms = retry->backoff_ms;
    for (unsigned i = 1; i < attempt->number && pause_ms < retry->backoff_ms_max; i++)
        pause_ms *= 2;
    pause_ms = rpc__jittered(pause_ms < retry->backoff_ms_max ? pause_ms : retry->backoff_ms_max);
    bool obeys = status->code == RPC_RESOURCE_EXHAUSTED;
    return obeys && status->retry_after_ms > pause_ms ? status->retry_after_ms : pause_ms;
}

/* Whether a call waits for an address, where there is none. Under the lock. */
static bool is_patient(const struct rpc__attempt *attempt)
{
    return attempt->wait_for_ready ||
           (!attempt->fails_fast && clock_mono_ms() < attempt->balancer->patient_until_ms);
}

/* Whether the call is made again; then it waits for that. Under the lock. */
static bool try_again(struct rpc__attempt *attempt, const struct rpc_status *status)
{
    struct rpc__balancer *balancer = attempt->balancer;
    bool not_run = was_not_run(status);
    bool may = not_run || (was_lost(status) && attempt->method->idempotent);
    may = may && (status->code == RPC_UNAVAILABLE || status->retry_after_ms <= PUSH_BACK_MS_MAX);
    if (!may || attempt->cancelled || attempt->item_came || balancer->stopping)
        return false;
    int64_t at_ms = clock_mono_ms() + pause_before_next(attempt, status);
    bool waits = is_patient(attempt) && not_run && status->code == RPC_UNAVAILABLE;
    if (at_ms >= attempt->deadline_ms ||
        (!waits && attempt->number >= balancer->retry.attempts_max)) {
        count(balancer->given_up);
        return false;
    }
    if (!waits && balancer->tokens <= balancer->tokens_max / 2) {
        count(balancer->throttled);
        return false;
    }
    attempt->last = *status;
    wait_until(attempt, at_ms);
    count(balancer->retried);
    return true;
}

/* --- calls on an address's channel --- */

static void flying_item(void *arg, struct rpc_payload *payload)
{
    struct rpc__attempt *attempt = arg;
    attempt->item_came = true;
    (void)rpc__call_item(attempt->call, payload);
}

static void flying_done(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    struct rpc__attempt *attempt = arg;
    struct rpc__balancer *balancer = attempt->balancer;
    struct rpc_call *call = attempt->call;
    (void)pthread_mutex_lock(&balancer->lock);
    struct rpc_call *flying = attempt->flying;
    attempt->flying = NULL;
    learn(attempt, status);
    bool again = try_again(attempt, status);
    if (!again)
        end(attempt);
    (void)pthread_mutex_unlock(&balancer->lock);
    rpc_call_unref(flying);
    if (again) { /* it may be on its way by now */
        rpc_payload_release(payload);
        return;
    }
    count(balancer->answered);
    if (status->code == RPC_OK) /* the end of a batch is passed on */
        rpc__call_finish_in_batch(call, status, payload);
    else
        rpc__call_finish(call, status, payload);
    rpc_call_unref(call);
    attempt_unref(attempt);
}

/* Starts what was made to fly, with the caller's reference, which this takes. */
static void launch(struct rpc__attempt *attempt, struct rpc__address *address, unsigned number,
                   uint32_t credits)
{
    static const struct rpc_call_events events = {.done = flying_done, .item = flying_item};
    struct rpc__balancer *balancer = attempt->balancer;
    const struct rpc_context context = {.deadline_ms = attempt->deadline_ms};
    const struct rpc_request request = {
        .method = attempt->method,
        .packed = attempt->packed,
        .metadata = &attempt->metadata,
        .context = &context,
        .stream_items = credits,
    };
    struct rpc_call *flying = rpc_channel_start(address->channel, &request, &events, attempt);
    if (flying != NULL) {
        (void)pthread_mutex_lock(&balancer->lock);
        bool current = attempt->state == ATTEMPT_FLYING && attempt->number == number;
        bool cancelled = attempt->cancelled;
        uint32_t more = attempt->credits - credits;
        if (current)
            attempt->flying = rpc__call_ref(flying);
        (void)pthread_mutex_unlock(&balancer->lock);
        if (current && cancelled)
            rpc_call_cancel(flying);
        else if (current)
            rpc_call_grant(flying, more);
        rpc_call_unref(flying);
    }
    attempt_unref(attempt);
}

/* --- the thread --- */

/* What one whose time has come does. */
enum turn { TURN_WAIT, TURN_FLY, TURN_FAIL };

/* Under the lock. */
static enum turn take_turn(struct rpc__attempt *attempt, int64_t now_ms)
{
    struct rpc__balancer *balancer = attempt->balancer;
    if (attempt->at_ms > now_ms)
        return TURN_WAIT;
    struct rpc__address *address = rpc__address_pick(balancer, attempt->address);
    if (address == NULL && is_patient(attempt))
        return TURN_WAIT;
    stop_waiting(attempt);
    if (address != NULL) {
        (void)atomic_fetch_add(&attempt->refs, 1); /* launch's */
        fly(attempt, address);
        return TURN_FLY;
    }
    attempt->number++; /* it found none, and looks again as often as it may try */
    if (balancer->retry.ready_wait_ms == 0 && try_again(attempt, &attempt->last))
        return TURN_WAIT;
    end(attempt);
    return TURN_FAIL;
}

static void fail(struct rpc__attempt *attempt)
{
    rpc__call_finish(attempt->call, &attempt->last, NULL);
    rpc_call_unref(attempt->call);
    attempt_unref(attempt);
}

/* Gives those whose time has come their turn. */
static void serve_waiting(struct rpc__balancer *balancer)
{
    int64_t now_ms = clock_mono_ms();
    (void)pthread_mutex_lock(&balancer->lock);
    struct rpc__attempt *attempt = balancer->waiting;
    while (attempt != NULL) {
        struct rpc__attempt *next = attempt->next;
        enum turn turn = take_turn(attempt, now_ms);
        if (turn != TURN_WAIT) {
            struct rpc__address *address = attempt->address;
            unsigned number = attempt->number;
            uint32_t credits = attempt->credits;
            (void)pthread_mutex_unlock(&balancer->lock);
            if (turn == TURN_FLY)
                launch(attempt, address, number, credits);
            else
                fail(attempt);
            (void)pthread_mutex_lock(&balancer->lock);
            next = balancer->waiting; /* the list may be another by now */
        }
        attempt = next;
    }
    (void)pthread_mutex_unlock(&balancer->lock);
}

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* When one that waits for an address does so no longer. Under the lock. */
static int64_t gives_up_ms(const struct rpc__attempt *attempt)
{
    return attempt->wait_for_ready ? INT64_MAX : attempt->balancer->patient_until_ms;
}

/* When the thread has something to do by itself. Under the lock. */
static int64_t due_ms(const struct rpc__balancer *balancer, int64_t now_ms)
{
    int64_t due_ms = rpc__addresses_due_ms(balancer);
    for (const struct rpc__attempt *at = balancer->waiting; at != NULL; at = at->next)
        due_ms = earlier(due_ms, at->at_ms > now_ms ? at->at_ms : gives_up_ms(at));
    return due_ms;
}

static void *balancer_main(void *arg)
{
    struct rpc__balancer *balancer = arg;
    (void)pthread_setname_np(pthread_self(), "rpc-balance");
    (void)pthread_mutex_lock(&balancer->lock);
    while (!balancer->stopping) {
        balancer->wakes_ms = INT64_MAX; /* what is asked for meanwhile counts */
        int64_t looked_ms = clock_mono_ms();
        (void)pthread_mutex_unlock(&balancer->lock);
        rpc__addresses_ask(balancer);
        serve_waiting(balancer);
        (void)pthread_mutex_lock(&balancer->lock);
        rpc__balancer_wake(balancer, due_ms(balancer, looked_ms));
        while (!balancer->stopping && balancer->wakes_ms > clock_mono_ms()) {
            if (balancer->wakes_ms == INT64_MAX) {
                (void)pthread_cond_wait(&balancer->changed, &balancer->lock);
            } else {
                struct timespec until = rpc__timespec_of_ms(balancer->wakes_ms);
                (void)pthread_cond_timedwait(&balancer->changed, &balancer->lock, &until);
            }
        }
    }
    (void)pthread_mutex_unlock(&balancer->lock);
    return NULL;
}

/* --- the transport --- */

static void refuse(struct rpc_call *call, const struct rpc_status *status)
{
    rpc__call_finish(call, status, NULL);
    rpc_call_unref(call);
}

static void balance_start(void *state, struct rpc_call *call, const struct rpc__outgoing *out)
{
    struct rpc__balancer *balancer = state;
    struct rpc__attempt *attempt = attempt_create(balancer, call, out);
    struct rpc_status status;
    if (attempt == NULL) {
        (void)rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "out of memory");
        refuse(call, &status);
        return;
    }
    (void)pthread_mutex_lock(&balancer->lock);
    struct rpc__address *address = rpc__address_pick(balancer, NULL);
    bool waits = address == NULL && is_patient(attempt);
    if (address != NULL || waits)
        call->transport = attempt;
    if (address != NULL)
        fly(attempt, address);
    else if (waits && unreachable(&attempt->last) != RPC_OK)
        wait_until(attempt, INT64_MIN);
    (void)pthread_mutex_unlock(&balancer->lock);
    if (address != NULL) {
        launch(attempt, address, 1, out->credits);
        return;
    }
    attempt_unref(attempt);
    if (!waits) {
        attempt_unref(attempt);
        (void)unreachable(&status);
        refuse(call, &status);
    }
}

static void balance_cancel(void *state, struct rpc_call *call)
{
    struct rpc__balancer *balancer = state;
    struct rpc_call *flying = NULL;
    bool waited = false;
    (void)pthread_mutex_lock(&balancer->lock);
    struct rpc__attempt *attempt = call->transport;
    if (attempt != NULL && attempt->state == ATTEMPT_WAITING) {
        waited = true;
        stop_waiting(attempt);
        end(attempt);
    } else if (attempt != NULL) {
        attempt->cancelled = true;
        if (attempt->flying != NULL)
            flying = rpc__call_ref(attempt->flying);
    }
    (void)pthread_mutex_unlock(&balancer->lock);
    rpc_call_cancel(flying);
    rpc_call_unref(flying);
    if (waited) {
        rpc_call_unref(call);
        attempt_unref(attempt);
    }
}

static void balance_grant(void *state, struct rpc_call *call, uint32_t items)
{
    struct rpc__balancer *balancer = state;
    struct rpc_call *flying = NULL;
    (void)pthread_mutex_lock(&balancer->lock);
    struct rpc__attempt *attempt = call->transport;
    if (attempt != NULL) {
        attempt->credits =
            items > UINT32_MAX - attempt->credits ? UINT32_MAX : attempt->credits + items;
        if (attempt->flying != NULL)
            flying = rpc__call_ref(attempt->flying);
    }
    (void)pthread_mutex_unlock(&balancer->lock);
    rpc_call_grant(flying, items);
    rpc_call_unref(flying);
}

static bool balance_is_ready(void *state)
{
    struct rpc__balancer *balancer = state;
    (void)pthread_mutex_lock(&balancer->lock);
    bool ready = balancer->healthy_count > 0;
    (void)pthread_mutex_unlock(&balancer->lock);
    return ready;
}

static void balance_on_batch_end(void *state, void (*batch_end)(void))
{
    struct rpc__balancer *balancer = state;
    for (size_t i = 0; i < balancer->address_count; i++)
        rpc_channel_on_batch_end(balancer->addresses[i].channel, batch_end);
}

/* --- opening and closing --- */

static uint32_t given(uint32_t value, uint32_t fallback)
{
    return value == 0 ? fallback : value;
}

static struct metric *attempts_metric(const char *labels)
{
    return rpc__metric_get(METRIC_KIND_COUNTER, "lotcast_rpc_client_attempts_total",
                           "Attempts of calls to a list of addresses, by what came of them.",
                           labels);
}

static struct rpc__balancer *balancer_create(struct rpc_channel *channel,
                                             const struct rpc_channel_options *options)
{
    static const struct rpc_channel_retry defaults;
    const struct rpc_channel_retry *retry = options->retry == NULL ? &defaults : options->retry;
    struct rpc__balancer *balancer = calloc(1, sizeof *balancer);
    if (balancer == NULL)
        return NULL;
    balancer->channel = channel;
    balancer->retry = (struct rpc_channel_retry){
        .attempts_max = given(retry->attempts_max, ATTEMPTS_MAX),
        .backoff_ms = given(retry->backoff_ms, BACKOFF_MS_MIN),
        .backoff_ms_max = given(retry->backoff_ms_max, BACKOFF_MS_MAX),
        .eject_failures = given(retry->eject_failures, EJECT_FAILURES),
        .eject_ms = given(retry->eject_ms, EJECT_MS_MIN),
        .eject_ms_max = given(retry->eject_ms_max, EJECT_MS_MAX),
        .ready_wait_ms = retry->ready_wait_ms,
    };
    size_t calls_max = options->calls_max == 0 ? CALLS_MAX_DEFAULT : options->calls_max;
    balancer->tokens_max = (int64_t)calls_max * TOKENS_A_CALL * TOKEN;
    balancer->tokens = balancer->tokens_max;
    balancer->patient_until_ms = clock_mono_ms() + retry->ready_wait_ms;
    balancer->answered = attempts_metric("outcome=\"ended\"");
    balancer->retried = attempts_metric("outcome=\"retried\"");
    balancer->throttled = attempts_metric("outcome=\"throttled\"");
    balancer->given_up = attempts_metric("outcome=\"given_up\"");
    balancer->ejections =
        rpc__metric_get(METRIC_KIND_COUNTER, "lotcast_rpc_client_ejections_total",
                        "Addresses left out for a while since calls to them failed.", "");
    (void)pthread_mutex_init(&balancer->lock, NULL);
    rpc__cond_init(&balancer->changed);
    return balancer;
}

static void balancer_free(struct rpc__balancer *balancer)
{
    rpc__addresses_close(balancer);
    (void)pthread_cond_destroy(&balancer->changed);
    (void)pthread_mutex_destroy(&balancer->lock);
    free(balancer);
}

static void wait_first_ready(struct rpc__balancer *balancer)
{
    int64_t until_ms = clock_mono_ms() + FIRST_READY_WAIT_MS;
    struct timespec until = rpc__timespec_of_ms(until_ms);
    (void)pthread_mutex_lock(&balancer->lock);
    while (rpc__address_pick(balancer, NULL) == NULL && clock_mono_ms() < until_ms)
        (void)pthread_cond_timedwait(&balancer->changed, &balancer->lock, &until);
    (void)pthread_mutex_unlock(&balancer->lock);
}

static enum rpc_code balance_open(struct rpc_channel *channel,
                                  const struct rpc_channel_options *options, void **ret_state,
                                  struct rpc_status *status)
{
    struct rpc__balancer *balancer = balancer_create(channel, options);
    if (balancer == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    enum rpc_code code = rpc__addresses_open(balancer, options, status);
    if (code == RPC_OK && pthread_create(&balancer->thread, NULL, balancer_main, balancer) != 0)
        code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "cannot start a thread");
    if (code != RPC_OK) {
        balancer_free(balancer);
        return code;
    }
    wait_first_ready(balancer);
    *ret_state = balancer;
    return RPC_OK;
}

/* The channel's calls are over; what may still fly ends with the addresses. */
static void balance_close(void *state)
{
    struct rpc__balancer *balancer = state;
    (void)pthread_mutex_lock(&balancer->lock);
    balancer->stopping = true;
    (void)pthread_cond_broadcast(&balancer->changed);
    (void)pthread_mutex_unlock(&balancer->lock);
    (void)pthread_join(balancer->thread, NULL);
    balancer_free(balancer);
}

const struct rpc__transport rpc__transport_balance = {
    .open = balance_open,
    .close = balance_close,
    .start = balance_start,
    .cancel = balance_cancel,
    .grant = balance_grant,
    .is_ready = balance_is_ready,
    .on_batch_end = balance_on_batch_end,
};
