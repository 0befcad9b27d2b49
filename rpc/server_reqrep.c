/*
 * The server side of req+ipc:// and req+tcp://: one NNG REP socket a listener, with contexts in
 * slots.
 *
 * A slot goes RECEIVING → BUSY (its call belongs to the server) → SENDING → RECEIVING. One thread
 * at a time owns it: NNG's callback, then the server, then whoever answers; each hands it on
 * through a lock of NNG's or the queue's, and touches nothing of it after that. Callbacks read the
 * header and hand over; the two things answered on the spot are health and refusals.
 *
 * Slots are added while few are left to receive, up to more than the server's queues can hold, so
 * that a full queue is answered with push-back instead of stalling in the kernel.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nng/nng.h>

#include <nng/protocol/reqrep0/rep.h>

#include "rpc/nng_internal.h"

#include "rpc/base/clock.h"
#include "rpc/wire.h"

#define SLOTS_FIRST 32
/* Receiving slots below which one more is added. */
#define SLOTS_LOW 16
/* Slots beyond what both queues hold: calls that run or are deferred. */
#define SLOTS_SPARE 2048
/* Connections at once. Each may make us set aside a packet's size, once it claims to send one. */
#define PIPES_MAX 512
/* A peer that does not take its answer for so long is cut off, in ms. */
#define SEND_TIMEOUT_MS 10000
#define IPC_MODE 0600
/* How often the guard looks whether connections are still taken, and how long it waits for that, in
 * ms. It takes two failures in a row, so a listener that NNG has given up is back within 2 s. */
#define GUARD_INTERVAL_MS 400
#define GUARD_WAIT_MS 700
/* How long a listening process may take to greet before it counts as one that listens anyway, in
 * ms. */
#define LISTENING_WAIT_MS 200

enum slot_state { SLOT_RECEIVING, SLOT_BUSY, SLOT_SENDING };

struct slot {
    struct rpc__listener *listener;
    nng_ctx ctx;
    nng_aio *aio;
    enum slot_state state;
    nng_pipe pipe; /* of the request at hand */
};

struct rpc__listener {
    struct rpc_server *server;
    enum rpc_trust trust;
    struct rpc__nng_address address;
    nng_socket socket;
    nng_listener nng; /* the guard's after opening */
    struct rpc__guard *guard;
    atomic_bool closing;
    atomic_size_t receiving; /* slots */
    atomic_size_t pipe_count;
    pthread_mutex_t lock;  /* of all below */
    pthread_cond_t accept; /* accepted has changed */
    uint64_t accepted;     /* connections, ever */
    struct slot **slots;
    size_t slot_count;
    size_t slots_max;
};

/* --- slots --- */

/* Gives the slot to NNG for the next request. */
static void slot_receive(struct slot *slot)
{
    if (atomic_load(&slot->listener->closing))
        return;
    slot->state = SLOT_RECEIVING;
    (void)atomic_fetch_add(&slot->listener->receiving, 1);
    nng_aio_set_timeout(slot->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(slot->ctx, slot->aio);
}

/* Gives the slot to NNG with an answer; takes msg. NULL: nothing can be answered. */
static void slot_send(struct slot *slot, nng_msg *msg)
{
    if (msg == NULL) {
        slot_receive(slot);
        return;
    }
    slot->state = SLOT_SENDING;
    nng_aio_set_timeout(slot->aio, SEND_TIMEOUT_MS);
    nng_aio_set_msg(slot->aio, msg);
    nng_ctx_send(slot->ctx, slot->aio);
}

static void slot_callback(void *arg);

static struct slot *slot_create(struct rpc__listener *listener)
{
    struct slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return NULL;
    slot->listener = listener;
    if (nng_ctx_open(&slot->ctx, listener->socket) != 0) {
        free(slot);
        return NULL;
    }
    if (nng_aio_alloc(&slot->aio, slot_callback, slot) != 0) {
        (void)nng_ctx_close(slot->ctx);
        free(slot);
        return NULL;
    }
    return slot;
}

/* One more receiving slot; false if there are enough, or no memory for it. */
static bool add_slot(struct rpc__listener *listener)
{
    struct slot *slot = NULL;
    (void)pthread_mutex_lock(&listener->lock);
    if (!atomic_load(&listener->closing) && listener->slot_count < listener->slots_max)
        slot = slot_create(listener);
    if (slot != NULL) {
        listener->slots[listener->slot_count++] = slot;
        slot_receive(slot);
    }
    (void)pthread_mutex_unlock(&listener->lock);
    return slot != NULL;
}

/* --- answering --- */

static nng_msg *make_answer(struct rpc_server_call *call, const struct rpc_status *status,
                            const ProtobufCMessage *response, size_t response_bytes)
{
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    Lotcast__V1__Status plain = LOTCAST__V1__STATUS__INIT;
    header.type = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_RESPONSE;
    header.call_id = call->call_id;
    if (status->code != RPC_OK) {
        header.status = rpc_status_to_message(status, &call->arena);
        if (header.status == NULL) { /* the arena is full, which is likely why */
            plain.code = (uint32_t)status->code;
            plain.reason = status->reason;
            header.status = &plain;
        }
    }
    uint8_t *payload;
    nng_msg *msg = rpc__nng_packet(&header, response_bytes, &payload, NULL);
    if (msg != NULL && response != NULL)
        (void)protobuf_c_message_pack(response, payload);
    return msg;
}

static void reqrep_answer(struct rpc_server_call *call, const struct rpc_status *status,
                          const ProtobufCMessage *response, size_t response_bytes)
{
    nng_msg *msg = make_answer(call, status, response, response_bytes);
    if (msg == NULL) {
        struct rpc_status memory;
        (void)rpc_status_set(&memory, RPC_RESOURCE_EXHAUSTED, "out of memory");
        msg = make_answer(call, &memory, NULL, 0);
    }
    slot_send(call->peer, msg);
}

static const struct rpc__reply reqrep_reply = {.answer = reqrep_answer};

static void answer_ping(struct rpc_server_call *call, struct slot *slot)
{
    Lotcast__V1__PacketHeader header = LOTCAST__V1__PACKET_HEADER__INIT;
    header.type = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING;
    header.call_id = call->call_id;
    uint8_t *payload;
    nng_msg *msg = rpc__nng_packet(&header, 0, &payload, NULL);
    rpc__server_call_drop(call);
    slot_send(slot, msg);
}

/* --- receiving --- */

static void refuse(struct rpc_server_call *call, enum rpc_code code, const char *message)
{
    struct rpc_status status;
    (void)rpc_status_set(&status, code, "%s", message);
    rpc__server_call_refuse(call, &status);
}

/* Hands a call over whose packet was read. */
static void receive_packet(struct rpc_server_call *call, const Lotcast__V1__PacketHeader *header)
{
    call->call_id = header->call_id;
    call->timeout_ms = header->timeout_ms;
    switch ((int)header->type) {
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST:
        break;
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING:
        answer_ping(call, call->peer);
        return;
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CANCEL:
        refuse(call, RPC_UNIMPLEMENTED, "REQ/REP carries no cancellation");
        return;
    default:
        refuse(call, RPC_INVALID_ARGUMENT, "a client sends requests");
        return;
    }
    for (size_t i = 0; i < header->n_metadata; i++)
        (void)rpc_metadata_add(&call->metadata, header->metadata[i]->key,
                               header->metadata[i]->value);
    const struct registry_method *method = rpc__server_method_named(call->server, header->method);
    if (method != NULL && method->server_streaming)
        refuse(call, RPC_UNIMPLEMENTED, "REQ/REP carries no streams");
    else
        rpc__server_call_dispatch(call, method, false);
}

static void receive(struct slot *slot, nng_msg *msg)
{
    struct rpc__listener *listener = slot->listener;
    struct rpc_server_call *call = rpc__server_call_begin(listener->server);
    if (call == NULL) { /* no memory, not even to say so */
        nng_msg_free(msg);
        slot_receive(slot);
        return;
    }
    call->request_bytes = rpc__nng_payload(msg, span_of(nng_msg_body(msg), nng_msg_len(msg)));
    call->trust = listener->trust;
    call->reply = &reqrep_reply;
    call->peer = slot;
    Lotcast__V1__PacketHeader *header;
    struct rpc_status status;
    if (wire_read(call->request_bytes.bytes, &call->arena, &header, &call->packed, &status) !=
        RPC_OK)
        rpc__server_call_refuse(call, &status);
    else
        receive_packet(call, header);
}

/* A send is over. The answer is ours again if it failed. */
static void sent(struct slot *slot, int rv)
{
    if (rv != 0) {
        nng_msg *msg = nng_aio_get_msg(slot->aio);
        nng_aio_set_msg(slot->aio, NULL);
        if (msg != NULL)
            nng_msg_free(msg);
        if (rv == NNG_ETIMEDOUT)
            (void)nng_pipe_close(slot->pipe);
    }
    slot_receive(slot);
}

static void slot_callback(void *arg)
{
    struct slot *slot = arg;
    struct rpc__listener *listener = slot->listener;
    int rv = nng_aio_result(slot->aio);
    if (slot->state == SLOT_SENDING) {
        sent(slot, rv);
        return;
    }
    size_t receiving = atomic_fetch_sub(&listener->receiving, 1) - 1;
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
        return; /* the listener closes */
    if (rv != 0) {
        slot_receive(slot);
        return;
    }
    if (receiving < SLOTS_LOW)
        (void)add_slot(listener);
    nng_msg *msg = nng_aio_get_msg(slot->aio);
    nng_aio_set_msg(slot->aio, NULL);
    slot->pipe = nng_msg_get_pipe(msg);
    slot->state = SLOT_BUSY;
    receive(slot, msg);
}

static void pipe_checked(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)event;
    struct rpc__listener *listener = arg;
    (void)pthread_mutex_lock(&listener->lock);
    listener->accepted++;
    (void)pthread_cond_broadcast(&listener->accept);
    (void)pthread_mutex_unlock(&listener->lock);
    size_t before = atomic_fetch_add(&listener->pipe_count, 1);
    if (before >= PIPES_MAX || !rpc__nng_peer_is_ours(pipe, listener->address.ipc))
        (void)nng_pipe_close(pipe);
}

static void pipe_removed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)pipe;
    (void)event;
    struct rpc__listener *listener = arg;
    (void)atomic_fetch_sub(&listener->pipe_count, 1);
}

/* --- listening --- */

/* Removes a socket that a dead server left. */
static enum rpc_code remove_stale(const struct rpc__nng_address *address, struct rpc_status *status)
{
    const char *path = rpc__nng_address_path(address);
    struct stat info;
    if (lstat(path, &info) != 0)
        return RPC_OK; /* nothing there; any other trouble is listen's to tell */
    if (!S_ISSOCK(info.st_mode))
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "%s is not a socket", path);
    struct rpc__probe probe = {-1};
    enum rpc__probe_result result = rpc__probe_begin(&probe, address);
    if (result == PROBE_WAITING) /* only so as not to hang up on it in the middle of its greeting */
        (void)rpc__probe_wait(&probe, LISTENING_WAIT_MS);
    rpc__probe_end(&probe);
    if (result != PROBE_ABSENT)
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "another process listens at %s",
                              path);
    (void)unlink(path);
    return RPC_OK;
}

static int listen_again(struct rpc__listener *listener)
{
    int rv = nng_listener_create(&listener->nng, listener->socket, listener->address.url);
    if (rv == 0 && listener->address.ipc)
        rv = nng_listener_set_int(listener->nng, NNG_OPT_IPC_PERMISSIONS, IPC_MODE);
    if (rv != 0)
        return rv;
    /* NNG sets the mode after bind; the mask covers the moment between. */
    mode_t mask = umask(077);
    rv = nng_listener_start(listener->nng, 0);
    (void)umask(mask);
    return rv;
}

static int listen_first(struct rpc__listener *listener)
{
    int rv = rpc__nng_socket_prepare(listener->socket);
    if (rv == 0)
        rv = nng_pipe_notify(listener->socket, NNG_PIPE_EV_ADD_PRE, pipe_checked, listener);
    if (rv == 0)
        rv = nng_pipe_notify(listener->socket, NNG_PIPE_EV_REM_POST, pipe_removed, listener);
    return rv == 0 ? listen_again(listener) : rv;
}

/* Whether NNG has taken a connection of ours, or anybody's, meanwhile. */
static bool takes_connections(struct rpc__listener *listener)
{
    (void)pthread_mutex_lock(&listener->lock);
    uint64_t before = listener->accepted;
    (void)pthread_mutex_unlock(&listener->lock);
    struct rpc__probe probe = {-1};
    if (rpc__probe_begin(&probe, &listener->address) == PROBE_ABSENT)
        return false;
    int64_t until_ms = clock_mono_ms() + GUARD_WAIT_MS;
    struct timespec until = {until_ms / 1000, (until_ms % 1000) * 1000000};
    int rc = 0;
    (void)pthread_mutex_lock(&listener->lock);
    while (listener->accepted == before && rc == 0)
        rc = pthread_cond_timedwait(&listener->accept, &listener->lock, &until);
    bool taken = listener->accepted != before;
    (void)pthread_mutex_unlock(&listener->lock);
    rpc__probe_end(&probe);
    return taken;
}

/* The guard's tick. Listening anew ends the old listener's connections; their peers come back at
 * once. */
static void check_listener(void *arg)
{
    struct rpc__listener *listener = arg;
    if (takes_connections(listener) || takes_connections(listener))
        return;
    (void)nng_listener_close(listener->nng);
    (void)listen_again(listener); /* if that fails, the next tick tries again */
}

/* --- opening and closing --- */

static struct rpc__listener *listener_create(struct rpc_server *server,
                                             const struct rpc__nng_address *address,
                                             enum rpc_trust trust)
{
    struct rpc__listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return NULL;
    listener->server = server;
    listener->trust = trust;
    listener->address = *address;
    listener->slots_max = 2 * rpc__server_queue_max(server) + SLOTS_SPARE;
    listener->slots = calloc(listener->slots_max, sizeof *listener->slots);
    if (listener->slots == NULL) {
        free(listener);
        return NULL;
    }
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&listener->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&listener->accept, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return listener;
}

static void listener_free(struct rpc__listener *listener)
{
    (void)pthread_cond_destroy(&listener->accept);
    (void)pthread_mutex_destroy(&listener->lock);
    free(listener->slots);
    free(listener);
}

enum rpc_code rpc__listener_open(struct rpc_server *server, const char *url, enum rpc_trust trust,
                                 struct rpc__listener **ret_listener, struct rpc_status *status)
{
    struct rpc__nng_address address;
    enum rpc_code code = rpc__nng_address_parse(url, &address, status);
    if (code == RPC_OK && address.ipc)
        code = remove_stale(&address, status);
    if (code != RPC_OK)
        return code;
    struct rpc__listener *listener = listener_create(server, &address, trust);
    if (listener == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    int rv = nng_rep0_open(&listener->socket);
    if (rv != 0) {
        listener_free(listener);
        return rpc__nng_status(rv, status);
    }
    for (size_t i = 0; i < SLOTS_FIRST && add_slot(listener); i++)
        continue;
    rv = listen_first(listener);
    if (rv == 0) {
        listener->guard = rpc__guard_start(GUARD_INTERVAL_MS, check_listener, listener);
        rv = listener->guard == NULL ? NNG_ENOMEM : 0;
    }
    if (rv != 0) {
        (void)rpc__listener_close(listener);
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "cannot listen at %s: %s",
                              address.url, nng_strerror(rv));
    }
    *ret_listener = listener;
    return RPC_OK;
}

bool rpc__listener_close(struct rpc__listener *listener)
{
    bool free_all = rpc__guard_stop(listener->guard);
    (void)pthread_mutex_lock(&listener->lock);
    atomic_store(&listener->closing, true); /* from here on no slot is added */
    (void)pthread_mutex_unlock(&listener->lock);
    for (size_t i = 0; i < listener->slot_count; i++) {
        nng_aio_stop(listener->slots[i]->aio);
        (void)nng_ctx_close(listener->slots[i]->ctx);
    }
    if (!rpc__nng_socket_close(listener->socket) || !free_all)
        return false;
    for (size_t i = 0; i < listener->slot_count; i++) {
        nng_aio_free(listener->slots[i]->aio);
        free(listener->slots[i]);
    }
    listener_free(listener);
    return true;
}
