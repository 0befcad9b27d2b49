/*
 * The client side of req+ipc:// and req+tcp://: one NNG REQ socket, and a context for each call in
 * flight, kept for reuse in a slot.
 *
 * A slot goes IDLE → SENDING → RECEIVING → IDLE. The receive is posted from the send's callback
 * only (NNG 1.5.2 crashes otherwise), and resending is off, so that a pipe that closes ends its
 * calls at once. NNG loses an abort that comes between the begin of an operation and its
 * scheduling, so operations and aborts are posted under the slot's lock, which no callback can need
 * to complete them: NNG runs those on threads of its own. A call that the channel ended early
 * leaves its slot `abandoned`; the slot is free again when NNG has confirmed the abort.
 *
 * NNG queues a request while there is no pipe. A call that does not wait for one is refused before,
 * or aborted when the last pipe goes. Which pipes there are is known from NNG's notifications;
 * one's removal can be notified before its addition, hence `gone`.
 *
 * Lock order: reqrep->lock, then a slot's. No `done` is given under either.
 */
#include <stdlib.h>

#include <nng/nng.h>

#include <nng/protocol/reqrep0/req.h>

#include "rpc/nng_internal.h"

#include "rpc/base/clock.h"
#include "rpc/wire.h"

/* Backoff of reconnecting, in ms. */
#define RECONNECT_MS_MIN 10
#define RECONNECT_MS_MAX 250
/* How often the guard looks whether a lost connection comes back, in ms; longer than the backoff.
 */
#define GUARD_INTERVAL_MS 300
/* How long opening waits for a first connection, in ms, so that a call right after it finds one. */
#define FIRST_CONNECT_WAIT_MS 100
/* Slots beyond the calls in flight: those whose abort is not confirmed yet. */
#define SLOTS_SPARE 64
#define CALLS_MAX_DEFAULT 1024
/* Memory for a response's header. */
#define HEADER_ARENA_BYTES ((size_t)256 * 1024)
/* Pipes at once: one, and those that are being taken down. */
#define PIPES_MAX 16

enum slot_state { SLOT_IDLE, SLOT_SENDING, SLOT_RECEIVING };

struct slot {
    struct reqrep *owner;
    nng_ctx ctx;
    nng_aio *aio;
    struct arena arena; /* the callback's */
    struct slot *next_free;
    pthread_mutex_t lock;
    enum slot_state state; /* this and below under lock */
    bool waits;            /* for a connection */
    bool abandoned;
    struct rpc_call *call; /* with the transport's reference; NULL: idle */
};

struct reqrep {
    nng_socket socket;
    struct rpc__nng_address address;
    struct rpc__guard *guard;
    nng_dialer dialer;       /* the guard's after opening, like the next two */
    struct rpc__probe probe; /* under way */
    unsigned answers;        /* of probes, one after the other, without a connection of NNG's */
    pthread_mutex_t lock;    /* of all below */
    pthread_cond_t connected;
    struct slot **slots;
    size_t slot_count;
    size_t slots_max;
    struct slot *free_slots;
    int pipes[PIPES_MAX];
    size_t pipe_count;
    int gone[PIPES_MAX]; /* removed before they were added; a ring */
    size_t gone_next;
};

/* --- slots --- */

static void slot_callback(void *arg);

static struct slot *slot_create(struct reqrep *reqrep)
{
    struct slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return NULL;
    slot->owner = reqrep;
    if (nng_ctx_open(&slot->ctx, reqrep->socket) != 0) {
        free(slot);
        return NULL;
    }
    if (nng_aio_alloc(&slot->aio, slot_callback, slot) != 0) {
        (void)nng_ctx_close(slot->ctx);
        free(slot);
        return NULL;
    }
    arena_init(&slot->arena, HEADER_ARENA_BYTES);
    (void)pthread_mutex_init(&slot->lock, NULL);
    return slot;
}

/* A free slot, or a new one; NULL if there are too many. Under reqrep->lock. */
static struct slot *slot_take(struct reqrep *reqrep)
{
    struct slot *slot = reqrep->free_slots;
    if (slot != NULL) {
        reqrep->free_slots = slot->next_free;
        return slot;
    }
    if (reqrep->slot_count == reqrep->slots_max)
        return NULL;
    slot = slot_create(reqrep);
    if (slot != NULL)
        reqrep->slots[reqrep->slot_count++] = slot;
    return slot;
}

static void slot_give_back(struct slot *slot)
{
    struct reqrep *reqrep = slot->owner;
    (void)pthread_mutex_lock(&reqrep->lock);
    slot->next_free = reqrep->free_slots;
    reqrep->free_slots = slot;
    (void)pthread_mutex_unlock(&reqrep->lock);
}

/* --- answers --- */

/* Reads a response. Takes the message; the payload is empty unless the status is OK. */
static void read_response(struct slot *slot, nng_msg *msg, struct rpc_status *ret_status,
                          struct rpc_payload *ret_payload)
{
    Lotcast__V1__PacketHeader *header;
    struct span payload;
    arena_reset(&slot->arena);
    enum rpc_code code = wire_read(span_of(nng_msg_body(msg), nng_msg_len(msg)), &slot->arena,
                                   &header, &payload, ret_status);
    if (code != RPC_OK || header->type != LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_RESPONSE) {
        (void)rpc_status_set(ret_status, RPC_INTERNAL, "the answer could not be read");
        nng_msg_free(msg);
        return;
    }
    rpc_status_from_message(ret_status, header->status);
    if (ret_status->code == RPC_OK)
        *ret_payload = rpc__nng_payload(msg, payload);
    else
        nng_msg_free(msg);
}

/* The end of a slot's operations: with an answer in `msg`, or the error `rv`. */
static void slot_end(struct slot *slot, struct rpc_call *call, int rv, nng_msg *msg)
{
    struct rpc_status status;
    struct rpc_payload payload = {0};
    if (msg != NULL)
        read_response(slot, msg, &status, &payload);
    else
        (void)rpc__nng_status(rv == 0 ? NNG_EINTERNAL : rv, &status);
    slot_give_back(slot);
    rpc__call_finish(call, &status, &payload);
    rpc_call_unref(call);
}

/* An operation has completed, on a thread of NNG's. */
static void slot_callback(void *arg)
{
    struct slot *slot = arg;
    (void)pthread_mutex_lock(&slot->lock);
    int rv = nng_aio_result(slot->aio);
    if (slot->state == SLOT_SENDING && rv == 0) {
        slot->state = SLOT_RECEIVING;
        nng_ctx_recv(slot->ctx, slot->aio);
        if (slot->abandoned)
            nng_aio_abort(slot->aio, NNG_ECANCELED);
        (void)pthread_mutex_unlock(&slot->lock);
        return;
    }
    nng_msg *msg = nng_aio_get_msg(slot->aio);
    nng_aio_set_msg(slot->aio, NULL);
    if (rv != 0 && msg != NULL) {
        nng_msg_free(msg); /* a request that was not sent is ours again */
        msg = NULL;
    }
    struct rpc_call *call = slot->call;
    slot->call = NULL;
    slot->state = SLOT_IDLE;
    (void)pthread_mutex_unlock(&slot->lock);
    slot_end(slot, call, rv, msg);
}

/* --- starting and cancelling --- */

/* The packet of a request, or NULL with the status. */
static nng_msg *make_request(const struct rpc__outgoing *out, struct rpc_status *status)
{
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    Lotcast__V1__MetadataEntry entries[RPC_METADATA_ENTRIES_MAX];
    Lotcast__V1__MetadataEntry *pointers[RPC_METADATA_ENTRIES_MAX];
    for (size_t i = 0; i < out->metadata->count; i++) {
        lotcast__v1__metadata_entry__init(&entries[i]);
        entries[i].key = (char *)out->metadata->entries[i].key;
        entries[i].value = (char *)out->metadata->entries[i].value;
        pointers[i] = &entries[i];
    }
    header.type = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST;
    header.call_id = 1; /* REQ has its own ids, and one call a context */
    header.method = (char *)out->request->method->name;
    header.timeout_ms = out->timeout_ms;
    header.metadata = pointers;
    header.n_metadata = out->metadata->count;
    uint8_t *payload;
    nng_msg *msg = rpc__nng_packet(&header, out->payload_bytes, &payload, status);
    if (msg != NULL)
        rpc__outgoing_pack(out, payload);
    return msg;
}

/* Posts the request on a slot. Takes msg and the transport's reference on RPC_OK. */
static enum rpc_code post(struct reqrep *reqrep, struct rpc_call *call, bool waits, nng_msg *msg,
                          struct rpc_status *status)
{
    (void)pthread_mutex_lock(&reqrep->lock);
    struct slot *slot = NULL;
    enum rpc_code code = RPC_OK;
    if (!waits && reqrep->pipe_count == 0)
        code = rpc_status_set(status, RPC_UNAVAILABLE, "the service cannot be reached");
    else
        slot = slot_take(reqrep);
    if (slot != NULL)
        (void)pthread_mutex_lock(&slot->lock);
    (void)pthread_mutex_unlock(&reqrep->lock);
    if (slot == NULL)
        return code != RPC_OK
                   ? code
                   : rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "too many calls at once");
    slot->call = call;
    slot->waits = waits;
    slot->abandoned = false;
    slot->state = SLOT_SENDING;
    call->transport = slot;
    nng_aio_set_msg(slot->aio, msg);
    nng_ctx_send(slot->ctx, slot->aio);
    (void)pthread_mutex_unlock(&slot->lock);
    return RPC_OK;
}

static void reqrep_start(void *state, struct rpc_call *call, const struct rpc__outgoing *out)
{
    struct rpc_status status;
    enum rpc_code code;
    nng_msg *msg = NULL;
    if (call->method->server_streaming) {
        code = rpc_status_set(&status, RPC_UNIMPLEMENTED, "REQ/REP carries no streams");
    } else {
        msg = make_request(out, &status);
        code = msg == NULL ? status.code
                           : post(state, call, out->request->wait_for_ready, msg, &status);
    }
    if (code == RPC_OK)
        return;
    if (msg != NULL)
        nng_msg_free(msg);
    rpc__call_finish(call, &status, NULL);
    rpc_call_unref(call);
}

static void reqrep_cancel(void *state, struct rpc_call *call)
{
    (void)state;
    struct slot *slot = call->transport;
    if (slot == NULL)
        return;
    (void)pthread_mutex_lock(&slot->lock);
    if (slot->call == call) {
        slot->abandoned = true;
        nng_aio_abort(slot->aio, NNG_ECANCELED);
    }
    (void)pthread_mutex_unlock(&slot->lock);
}

/* --- connections --- */

static void pipe_checked(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)event;
    const struct reqrep *reqrep = arg;
    if (!rpc__nng_peer_is_ours(pipe, reqrep->address.ipc))
        (void)nng_pipe_close(pipe);
}

static void pipe_added(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)event;
    struct reqrep *reqrep = arg;
    int id = nng_pipe_id(pipe);
    bool gone = false;
    (void)pthread_mutex_lock(&reqrep->lock);
    for (size_t i = 0; i < PIPES_MAX; i++) {
        if (reqrep->gone[i] == id) {
            reqrep->gone[i] = 0;
            gone = true;
        }
    }
    if (!gone && reqrep->pipe_count < PIPES_MAX)
        reqrep->pipes[reqrep->pipe_count++] = id;
    (void)pthread_cond_broadcast(&reqrep->connected);
    (void)pthread_mutex_unlock(&reqrep->lock);
}

/* Forgets a pipe; false if it was not known. Under reqrep->lock. */
static bool forget_pipe(struct reqrep *reqrep, int id)
{
    for (size_t i = 0; i < reqrep->pipe_count; i++) {
        if (reqrep->pipes[i] != id)
            continue;
        reqrep->pipes[i] = reqrep->pipes[--reqrep->pipe_count];
        return true;
    }
    return false;
}

static void pipe_removed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)event;
    struct reqrep *reqrep = arg;
    int id = nng_pipe_id(pipe);
    (void)pthread_mutex_lock(&reqrep->lock);
    if (!forget_pipe(reqrep, id)) {
        reqrep->gone[reqrep->gone_next] = id;
        reqrep->gone_next = (reqrep->gone_next + 1) % PIPES_MAX;
    }
    for (size_t i = 0; reqrep->pipe_count == 0 && i < reqrep->slot_count; i++) {
        struct slot *slot = reqrep->slots[i];
        (void)pthread_mutex_lock(&slot->lock);
        if (slot->state == SLOT_SENDING && !slot->waits)
            nng_aio_abort(slot->aio, NNG_ECONNREFUSED);
        (void)pthread_mutex_unlock(&slot->lock);
    }
    (void)pthread_mutex_unlock(&reqrep->lock);
}

/*
 * The guard's tick. While there is no connection: is somebody there? Twice in a row, with NNG's own
 * backoff between, means that NNG has given up. A probe that is not answered (the server is
 * stopped) is kept open: closing it would only leave the server a dead connection to stumble over.
 */
static void check_dialer(void *arg)
{
    struct reqrep *reqrep = arg;
    (void)pthread_mutex_lock(&reqrep->lock);
    bool connected = reqrep->pipe_count > 0;
    (void)pthread_mutex_unlock(&reqrep->lock);
    if (connected && reqrep->probe.fd < 0) {
        reqrep->answers = 0;
        return;
    }
    enum rpc__probe_result result = PROBE_WAITING;
    if (reqrep->probe.fd < 0)
        result = rpc__probe_begin(&reqrep->probe, &reqrep->address);
    if (result == PROBE_WAITING)
        result = rpc__probe_wait(&reqrep->probe, 0);
    if (result == PROBE_WAITING)
        return;
    rpc__probe_end(&reqrep->probe);
    reqrep->answers = connected || result == PROBE_ABSENT ? 0 : reqrep->answers + 1;
    if (reqrep->answers < 2)
        return;
    reqrep->answers = 0;
    (void)nng_dialer_close(reqrep->dialer);
    (void)nng_dial(reqrep->socket, reqrep->address.url, &reqrep->dialer, NNG_FLAG_NONBLOCK);
}

static void wait_first_connection(struct reqrep *reqrep)
{
    int64_t until_ms = clock_mono_ms() + FIRST_CONNECT_WAIT_MS;
    struct timespec until = {until_ms / 1000, (until_ms % 1000) * 1000000};
    int rc = 0;
    (void)pthread_mutex_lock(&reqrep->lock);
    while (reqrep->pipe_count == 0 && rc == 0)
        rc = pthread_cond_timedwait(&reqrep->connected, &reqrep->lock, &until);
    (void)pthread_mutex_unlock(&reqrep->lock);
}

/* --- opening and closing --- */

static struct reqrep *reqrep_create(size_t calls_max)
{
    struct reqrep *reqrep = calloc(1, sizeof *reqrep);
    if (reqrep == NULL)
        return NULL;
    reqrep->slots_max = calls_max + SLOTS_SPARE;
    reqrep->slots = calloc(reqrep->slots_max, sizeof *reqrep->slots);
    if (reqrep->slots == NULL) {
        free(reqrep);
        return NULL;
    }
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&reqrep->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&reqrep->connected, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return reqrep;
}

static void reqrep_free(struct reqrep *reqrep)
{
    (void)pthread_cond_destroy(&reqrep->connected);
    (void)pthread_mutex_destroy(&reqrep->lock);
    free(reqrep->slots);
    free(reqrep);
}

static int dial(struct reqrep *reqrep)
{
    nng_socket socket = reqrep->socket;
    int rv = rpc__nng_socket_prepare(socket);
    if (rv == 0)
        rv = nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    if (rv == 0)
        rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RECONNECT_MS_MIN);
    if (rv == 0)
        rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RECONNECT_MS_MAX);
    if (rv == 0)
        rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, pipe_checked, reqrep);
    if (rv == 0)
        rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, pipe_added, reqrep);
    if (rv == 0)
        rv = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, pipe_removed, reqrep);
    if (rv == 0)
        rv = nng_dial(socket, reqrep->address.url, &reqrep->dialer, NNG_FLAG_NONBLOCK);
    return rv;
}

static enum rpc_code reqrep_open(struct rpc_channel *channel,
                                 const struct rpc_channel_options *options, void **ret_state,
                                 struct rpc_status *status)
{
    (void)channel;
    struct rpc__nng_address address;
    enum rpc_code code = rpc__nng_address_parse(options->url, &address, status);
    if (code != RPC_OK)
        return code;
    struct reqrep *reqrep =
        reqrep_create(options->calls_max == 0 ? CALLS_MAX_DEFAULT : options->calls_max);
    if (reqrep == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    reqrep->address = address;
    reqrep->probe.fd = -1;
    int rv = nng_req0_open(&reqrep->socket);
    if (rv != 0) {
        reqrep_free(reqrep);
        return rpc__nng_status(rv, status);
    }
    rv = dial(reqrep);
    if (rv == 0) {
        reqrep->guard = rpc__guard_start(GUARD_INTERVAL_MS, check_dialer, reqrep);
        rv = reqrep->guard == NULL ? NNG_ENOMEM : 0;
    }
    if (rv != 0) {
        if (rpc__nng_socket_close(reqrep->socket))
            reqrep_free(reqrep);
        return rpc_status_set(status, RPC_INVALID_ARGUMENT, "cannot connect to %s: %s", address.url,
                              nng_strerror(rv));
    }
    wait_first_connection(reqrep);
    *ret_state = reqrep;
    return RPC_OK;
}

/* All calls are over, but slots may still wait for NNG to confirm an abort. */
static void reqrep_close(void *state)
{
    struct reqrep *reqrep = state;
    bool free_all = rpc__guard_stop(reqrep->guard);
    if (free_all)
        rpc__probe_end(&reqrep->probe);
    for (size_t i = 0; i < reqrep->slot_count; i++) {
        struct slot *slot = reqrep->slots[i];
        nng_aio_stop(slot->aio);
        (void)nng_ctx_close(slot->ctx);
        if (slot->call != NULL) /* a stopped aio begins nothing and calls nobody */
            rpc_call_unref(slot->call);
    }
    if (!rpc__nng_socket_close(reqrep->socket) || !free_all)
        return; /* NNG still uses it all */
    for (size_t i = 0; i < reqrep->slot_count; i++) {
        struct slot *slot = reqrep->slots[i];
        nng_aio_free(slot->aio);
        arena_fini(&slot->arena);
        (void)pthread_mutex_destroy(&slot->lock);
        free(slot);
    }
    reqrep_free(reqrep);
}

const struct rpc__transport rpc__transport_reqrep = {
    .open = reqrep_open,
    .close = reqrep_close,
    .start = reqrep_start,
    .cancel = reqrep_cancel,
};
