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
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <nng/nng.h>

#include <nng/protocol/reqrep0/rep.h>

#include "rpc/nng_internal.h"

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
    bool ipc;
    nng_socket socket;
    atomic_bool closing;
    atomic_size_t receiving; /* slots */
    atomic_size_t pipe_count;
    pthread_mutex_t lock; /* of the two below */
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
    size_t before = atomic_fetch_add(&listener->pipe_count, 1);
    if (before >= PIPES_MAX || !rpc__nng_peer_is_ours(pipe, listener->ipc))
        (void)nng_pipe_close(pipe);
}

static void pipe_removed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    (void)pipe;
    (void)event;
    struct rpc__listener *listener = arg;
    (void)atomic_fetch_sub(&listener->pipe_count, 1);
}

/* --- opening and closing --- */

/* Whether somebody listens at the socket; a queue that is full means yes. */
static bool somebody_listens(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    int rc = connect(fd, (const struct sockaddr *)&address, sizeof address);
    bool refused = rc != 0 && errno == ECONNREFUSED;
    (void)close(fd);
    return !refused;
}

/* Removes a socket that a dead server left. */
static enum rpc_code remove_stale(const char *path, struct rpc_status *status)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return RPC_OK; /* nothing there; any other trouble is listen's to tell */
    if (!S_ISSOCK(info.st_mode))
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "%s is not a socket", path);
    if (somebody_listens(path))
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "another process listens at %s",
                              path);
    (void)unlink(path);
    return RPC_OK;
}

static int listen_at(struct rpc__listener *listener, const char *url)
{
    nng_listener nng;
    int rv = rpc__nng_socket_prepare(listener->socket);
    if (rv == 0)
        rv = nng_pipe_notify(listener->socket, NNG_PIPE_EV_ADD_PRE, pipe_checked, listener);
    if (rv == 0)
        rv = nng_pipe_notify(listener->socket, NNG_PIPE_EV_REM_POST, pipe_removed, listener);
    if (rv == 0)
        rv = nng_listener_create(&nng, listener->socket, url);
    if (rv == 0 && listener->ipc)
        rv = nng_listener_set_int(nng, NNG_OPT_IPC_PERMISSIONS, IPC_MODE);
    if (rv != 0)
        return rv;
    /* The mode above is set after bind; the mask covers the moment between. */
    mode_t mask = umask(0177);
    rv = nng_listener_start(nng, 0);
    (void)umask(mask);
    return rv;
}

static struct rpc__listener *listener_create(struct rpc_server *server, enum rpc_trust trust,
                                             bool ipc)
{
    struct rpc__listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return NULL;
    listener->server = server;
    listener->trust = trust;
    listener->ipc = ipc;
    listener->slots_max = 2 * rpc__server_queue_max(server) + SLOTS_SPARE;
    listener->slots = calloc(listener->slots_max, sizeof *listener->slots);
    if (listener->slots == NULL) {
        free(listener);
        return NULL;
    }
    (void)pthread_mutex_init(&listener->lock, NULL);
    return listener;
}

enum rpc_code rpc__listener_open(struct rpc_server *server, const char *url, enum rpc_trust trust,
                                 struct rpc__listener **ret_listener, struct rpc_status *status)
{
    struct rpc__nng_address address;
    enum rpc_code code = rpc__nng_address_parse(url, &address, status);
    if (code == RPC_OK && address.path != NULL)
        code = remove_stale(address.path, status);
    if (code != RPC_OK)
        return code;
    struct rpc__listener *listener = listener_create(server, trust, address.path != NULL);
    if (listener == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    int rv = nng_rep0_open(&listener->socket);
    if (rv != 0) {
        (void)pthread_mutex_destroy(&listener->lock);
        free(listener->slots);
        free(listener);
        return rpc__nng_status(rv, status);
    }
    rv = listen_at(listener, address.url);
    if (rv != 0) {
        (void)rpc__listener_close(listener);
        return rpc_status_set(status, RPC_FAILED_PRECONDITION, "cannot listen at %s: %s",
                              address.url, nng_strerror(rv));
    }
    for (size_t i = 0; i < SLOTS_FIRST && add_slot(listener); i++)
        continue;
    *ret_listener = listener;
    return RPC_OK;
}

bool rpc__listener_close(struct rpc__listener *listener)
{
    (void)pthread_mutex_lock(&listener->lock);
    atomic_store(&listener->closing, true); /* from here on no slot is added */
    (void)pthread_mutex_unlock(&listener->lock);
    for (size_t i = 0; i < listener->slot_count; i++) {
        nng_aio_stop(listener->slots[i]->aio);
        (void)nng_ctx_close(listener->slots[i]->ctx);
    }
    if (!rpc__nng_socket_close(listener->socket))
        return false;
    for (size_t i = 0; i < listener->slot_count; i++) {
        nng_aio_free(listener->slots[i]->aio);
        free(listener->slots[i]);
    }
    (void)pthread_mutex_destroy(&listener->lock);
    free(listener->slots);
    free(listener);
    return true;
}
