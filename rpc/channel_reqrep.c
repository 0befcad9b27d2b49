/*
 * The client side of req+ipc:// and req+tcp://: NNG's REQ protocol for many calls at once over one
 * connection (nng_conn.c says why not over NNG's socket). Requests are never sent twice.
 *
 * Each call in flight has an entry: WAITING with its frame for a connection, or SENT on one. Its SP
 * request id is made of the entry's index and a generation; the call id in the packet is unique, so
 * that the answer to a call that was given up is never taken for another's. Whoever takes an
 * entry's call off under the lock (an answer, the connection's end, cancel) ends it; `done` is
 * given without the lock.
 *
 * A thread connects: at once when there is no connection, then with backoff until there is one
 * whose server has greeted. Only such a one counts, so that a stopped server looks like an absent
 * one.
 */
#include <stdlib.h>

#include "rpc/nng_internal.h"

#include "rpc/base/clock.h"
#include "rpc/wire.h"

/* Backoff of connecting, in ms. */
#define BACKOFF_MS_MIN 10
#define BACKOFF_MS_MAX 250
/* How long one attempt may take, in ms. */
#define DIAL_TIMEOUT_MS 2000
/* How long opening waits for a first connection, in ms, so that a call right after it finds one. */
#define FIRST_CONNECT_WAIT_MS 100
/* How long closing waits for NNG to let go, in ms, before the memory is given up. */
#define CLOSE_WAIT_MS 2000
#define CALLS_MAX_DEFAULT 1024
/* Entries beyond the calls in flight: a call is over a moment before its entry is free. */
#define ENTRIES_SPARE 64
/* An SP request id: the highest bit, a generation, the entry's index. */
#define ID_BYTES 4
#define ID_BIT 0x80000000u
#define INDEX_BITS 20
#define INDEX_MASK ((1u << INDEX_BITS) - 1)
/* Memory for a response's header. */
#define HEADER_ARENA_BYTES ((size_t)256 * 1024)

struct entry {
    struct rpc_call *call;    /* with the transport's reference; NULL: free */
    struct rpc__conn *conn;   /* it was sent on; not a reference; NULL: it waits */
    struct rpc__frame *frame; /* while it waits */
    uint64_t call_id;
    uint32_t generation;
    uint32_t next; /* index + 1 of the next free entry, or of the next that waits; 0: none */
};

struct reqrep {
    struct rpc__nng_address address;
    struct arena arena; /* of the connection's callback */
    nng_stream_dialer *dialer;
    nng_aio *dial_aio;
    pthread_t thread;

    pthread_mutex_t lock;         /* of all below */
    pthread_cond_t changed;       /* connection or stopping */
    struct rpc__conn *conn;       /* a reference; while its server has greeted */
    struct rpc__conn *connecting; /* a reference; from its making to its end */
    bool was_ready;               /* the last connection got that far */
    bool stopping;
    struct entry *entries;
    size_t entry_count;
    uint32_t free_first;
    uint32_t waiting_first;
    uint32_t waiting_last;
    uint64_t next_call_id;
};

/* --- entries; all under the lock --- */

static uint32_t index_of(const struct reqrep *reqrep, const struct entry *entry)
{
    return (uint32_t)(entry - reqrep->entries);
}

static uint32_t sp_id(const struct reqrep *reqrep, const struct entry *entry)
{
    return ID_BIT | (entry->generation << INDEX_BITS & ~ID_BIT) | index_of(reqrep, entry);
}

static struct entry *take_entry(struct reqrep *reqrep, struct rpc_call *call)
{
    if (reqrep->free_first == 0)
        return NULL;
    struct entry *entry = &reqrep->entries[reqrep->free_first - 1];
    reqrep->free_first = entry->next;
    entry->next = 0;
    entry->call = call;
    entry->conn = NULL;
    entry->frame = NULL;
    entry->generation++;
    entry->call_id = ++reqrep->next_call_id;
    return entry;
}

/* Takes an entry out of the list of those that wait. */
static void stop_waiting(struct reqrep *reqrep, const struct entry *entry)
{
    uint32_t this = index_of(reqrep, entry) + 1;
    uint32_t before = 0;
    uint32_t at = reqrep->waiting_first;
    while (at != this) {
        before = at;
        at = reqrep->entries[at - 1].next;
    }
    if (before == 0)
        reqrep->waiting_first = entry->next;
    else
        reqrep->entries[before - 1].next = entry->next;
    if (reqrep->waiting_last == this)
        reqrep->waiting_last = before;
}

/* Frees the entry and gives its call, with the reference, to the caller. */
static struct rpc_call *release_entry(struct reqrep *reqrep, struct entry *entry)
{
    struct rpc_call *call = entry->call;
    if (entry->frame != NULL) {
        stop_waiting(reqrep, entry);
        free(entry->frame);
        entry->frame = NULL;
    }
    entry->call = NULL;
    entry->conn = NULL;
    entry->next = reqrep->free_first;
    reqrep->free_first = index_of(reqrep, entry) + 1;
    return call;
}

static void wait_for_connection(struct reqrep *reqrep, struct entry *entry,
                                struct rpc__frame *frame)
{
    uint32_t this = index_of(reqrep, entry) + 1;
    entry->frame = frame;
    entry->next = 0;
    if (reqrep->waiting_last == 0)
        reqrep->waiting_first = this;
    else
        reqrep->entries[reqrep->waiting_last - 1].next = this;
    reqrep->waiting_last = this;
}

/* --- the end of calls --- */

static void end_call(struct rpc_call *call, const struct rpc_status *status,
                     struct rpc_payload *payload)
{
    rpc__call_finish(call, status, payload);
    rpc_call_unref(call);
}

static enum rpc_code unreachable(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_UNAVAILABLE, "the service cannot be reached");
}

/* Takes a call of that id off; NULL if it is over. */
static struct rpc_call *take_call(struct reqrep *reqrep, uint32_t id, uint64_t call_id)
{
    struct rpc_call *call = NULL;
    uint32_t index = id & INDEX_MASK;
    (void)pthread_mutex_lock(&reqrep->lock);
    if (index < reqrep->entry_count) {
        struct entry *entry = &reqrep->entries[index];
        if (entry->call != NULL && entry->call_id == call_id && sp_id(reqrep, entry) == id)
            call = release_entry(reqrep, entry);
    }
    (void)pthread_mutex_unlock(&reqrep->lock);
    return call;
}

/* A connection's message: an answer. */
static bool on_message(void *arg, struct rpc__conn *conn, struct rpc__frame *frame)
{
    (void)conn;
    struct reqrep *reqrep = arg;
    Lotcast__V1__PacketHeader *header;
    struct span payload;
    if (frame->len < ID_BYTES) {
        free(frame);
        return false;
    }
    const uint8_t *at = frame->message;
    uint32_t id = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    arena_reset(&reqrep->arena);
    enum rpc_code code = wire_read(span_of(at + ID_BYTES, frame->len - ID_BYTES), &reqrep->arena,
                                   &header, &payload, NULL);
    if (code != RPC_OK || header->type != LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_RESPONSE) {
        free(frame); /* not a server of ours: its calls end with the connection */
        return false;
    }
    struct rpc_call *call = take_call(reqrep, id, header->call_id);
    if (call == NULL) {
        free(frame);
        return true;
    }
    struct rpc_status status;
    rpc_status_from_message(&status, header->status);
    struct rpc_payload owned = rpc__frame_payload(frame, payload);
    end_call(call, &status, &owned);
    return true;
}

/* The next call that went with a connection, taken off; NULL: none is left. */
static struct rpc_call *take_lost_call(struct reqrep *reqrep, const struct rpc__conn *conn,
                                       size_t *index)
{
    struct rpc_call *call = NULL;
    (void)pthread_mutex_lock(&reqrep->lock);
    for (; call == NULL && *index < reqrep->entry_count; (*index)++) {
        struct entry *entry = &reqrep->entries[*index];
        if (entry->call != NULL && entry->conn == conn)
            call = release_entry(reqrep, entry);
    }
    (void)pthread_mutex_unlock(&reqrep->lock);
    return call;
}

static void on_closed(void *arg, struct rpc__conn *conn)
{
    struct reqrep *reqrep = arg;
    struct rpc_status status;
    (void)unreachable(&status);
    (void)pthread_mutex_lock(&reqrep->lock);
    struct rpc__conn *ready = reqrep->conn;
    reqrep->conn = NULL; /* no call is sent on it from here on */
    (void)pthread_mutex_unlock(&reqrep->lock);
    rpc__conn_unref(ready);
    size_t index = 0;
    for (;;) {
        struct rpc_call *call = take_lost_call(reqrep, conn, &index);
        if (call == NULL)
            break;
        end_call(call, &status, NULL);
    }
    (void)pthread_mutex_lock(&reqrep->lock);
    reqrep->connecting = NULL;
    (void)pthread_cond_broadcast(
        &reqrep->changed); /* the state may be gone once this is unlocked */
    (void)pthread_mutex_unlock(&reqrep->lock);
    rpc__conn_unref(conn); /* that of `connecting` */
}

/* The server has greeted: what waited is sent. */
static void on_ready(void *arg, struct rpc__conn *conn)
{
    struct reqrep *reqrep = arg;
    (void)pthread_mutex_lock(&reqrep->lock);
    reqrep->conn = rpc__conn_ref(conn);
    reqrep->was_ready = true;
    uint32_t at = reqrep->waiting_first;
    reqrep->waiting_first = 0;
    reqrep->waiting_last = 0;
    while (at != 0) {
        struct entry *entry = &reqrep->entries[at - 1];
        struct rpc__frame *frame = entry->frame;
        at = entry->next;
        entry->next = 0;
        entry->frame = NULL;
        entry->conn = conn;
        (void)rpc__conn_send(conn, frame); /* if it fails, the connection's end ends the call */
    }
    (void)pthread_cond_broadcast(&reqrep->changed);
    (void)pthread_mutex_unlock(&reqrep->lock);
}

static const struct rpc__conn_events conn_events = {
    .ready = on_ready,
    .message = on_message,
    .closed = on_closed,
};

/* --- starting and cancelling --- */

/* The frame of a request without its ids, or NULL with the status. */
static struct rpc__frame *make_request(const struct rpc__outgoing *out, uint64_t call_id,
                                       struct rpc_status *status)
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
    header.call_id = call_id;
    header.method = (char *)out->request->method->name;
    header.timeout_ms = out->timeout_ms;
    header.metadata = pointers;
    header.n_metadata = out->metadata->count;
    uint8_t *payload;
    struct rpc__frame *frame =
        rpc__frame_packet(&header, ID_BYTES, out->payload_bytes, &payload, status);
    if (frame != NULL)
        rpc__outgoing_pack(out, payload);
    return frame;
}

/* An entry for the call, its ids given. Takes the transport's reference on RPC_OK. */
static enum rpc_code register_call(struct reqrep *reqrep, struct rpc_call *call, bool waits,
                                   uint32_t *ret_id, uint64_t *ret_call_id,
                                   struct rpc_status *status)
{
    struct entry *entry = NULL;
    (void)pthread_mutex_lock(&reqrep->lock);
    bool reachable = waits || reqrep->conn != NULL;
    if (reachable)
        entry = take_entry(reqrep, call);
    if (entry != NULL) {
        *ret_id = sp_id(reqrep, entry);
        *ret_call_id = entry->call_id;
    }
    (void)pthread_mutex_unlock(&reqrep->lock);
    if (!reachable)
        return unreachable(status);
    if (entry == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "too many calls at once");
    return RPC_OK;
}

/* Sends the frame (taken) of a registered call, or lets it wait. */
static enum rpc_code send_call(struct reqrep *reqrep, uint32_t id, bool waits,
                               struct rpc__frame *frame, struct rpc_status *status)
{
    struct entry *entry = &reqrep->entries[id & INDEX_MASK];
    enum rpc_code code = RPC_OK;
    (void)pthread_mutex_lock(&reqrep->lock);
    struct rpc__conn *conn = reqrep->conn == NULL ? NULL : rpc__conn_ref(reqrep->conn);
    if (conn != NULL)
        entry->conn = conn; /* before it is sent: the answer may come at once */
    else if (waits)
        wait_for_connection(reqrep, entry, frame);
    else
        code = unreachable(status);
    (void)pthread_mutex_unlock(&reqrep->lock);
    if (conn != NULL) {
        code = rpc__conn_send(conn, frame);
        if (code == RPC_UNAVAILABLE)
            (void)unreachable(status);
        else if (code != RPC_OK)
            (void)rpc_status_set(status, code, "the service does not take what is sent");
    } else if (code != RPC_OK) {
        free(frame);
    }
    rpc__conn_unref(conn);
    return code;
}

static void reqrep_start(void *state, struct rpc_call *call, const struct rpc__outgoing *out)
{
    struct reqrep *reqrep = state;
    struct rpc_status status;
    bool waits = out->request->wait_for_ready;
    uint32_t id = 0;
    uint64_t call_id = 0;
    enum rpc_code code;
    if (call->method->server_streaming)
        code = rpc_status_set(&status, RPC_UNIMPLEMENTED, "REQ/REP carries no streams");
    else
        code = register_call(reqrep, call, waits, &id, &call_id, &status);
    if (code != RPC_OK) {
        end_call(call, &status, NULL);
        return;
    }
    call->transport = &reqrep->entries[id & INDEX_MASK];
    struct rpc__frame *frame = make_request(out, call_id, &status);
    if (frame == NULL) {
        code = status.code;
    } else {
        for (size_t i = 0; i < ID_BYTES; i++)
            frame->message[i] = (uint8_t)(id >> (8 * (ID_BYTES - 1 - i)));
        code = send_call(reqrep, id, waits, frame, &status);
    }
    if (code == RPC_OK)
        return;
    struct rpc_call *taken = take_call(reqrep, id, call_id); /* unless the connection's end has */
    if (taken != NULL)
        end_call(taken, &status, NULL);
}

static void reqrep_cancel(void *state, struct rpc_call *call)
{
    struct reqrep *reqrep = state;
    struct entry *entry = call->transport;
    struct rpc_call *taken = NULL;
    if (entry == NULL)
        return;
    (void)pthread_mutex_lock(&reqrep->lock);
    if (entry->call == call)
        taken = release_entry(reqrep, entry);
    (void)pthread_mutex_unlock(&reqrep->lock);
    rpc_call_unref(taken);
}

/* --- connecting --- */

/* Waits for a change at most so long. Under the lock. */
static void wait_changed(struct reqrep *reqrep, int64_t ms)
{
    int64_t until_ms = clock_mono_ms() + ms;
    struct timespec until = {until_ms / 1000, (until_ms % 1000) * 1000000};
    (void)pthread_cond_timedwait(&reqrep->changed, &reqrep->lock, &until);
}

/* One attempt; whether a connection was made (its server has not greeted yet). */
static bool connect_once(struct reqrep *reqrep)
{
    nng_stream_dialer_dial(reqrep->dialer, reqrep->dial_aio);
    nng_aio_wait(reqrep->dial_aio);
    if (nng_aio_result(reqrep->dial_aio) != 0)
        return false;
    nng_stream *stream = nng_aio_get_output(reqrep->dial_aio, 0);
    if (!rpc__nng_peer_is_ours(stream, &reqrep->address)) {
        nng_stream_free(stream);
        return false;
    }
    struct rpc__conn *conn = rpc__conn_create(stream, reqrep->address.ipc, SP_PROTOCOL_REQ,
                                              SP_PROTOCOL_REP, &conn_events, reqrep);
    if (conn == NULL)
        return false;
    (void)pthread_mutex_lock(&reqrep->lock);
    reqrep->connecting = conn;
    reqrep->was_ready = false;
    bool stopping = reqrep->stopping;
    (void)rpc__conn_ref(conn);
    (void)pthread_mutex_unlock(&reqrep->lock);
    if (stopping)
        rpc__conn_close(conn);
    rpc__conn_start(conn);
    rpc__conn_unref(conn);
    return true;
}

static void *connector_main(void *arg)
{
    struct reqrep *reqrep = arg;
    int64_t backoff_ms = BACKOFF_MS_MIN;
    (void)pthread_setname_np(pthread_self(), "rpc-connect");
    (void)pthread_mutex_lock(&reqrep->lock);
    while (!reqrep->stopping) {
        (void)pthread_mutex_unlock(&reqrep->lock);
        bool made = connect_once(reqrep);
        (void)pthread_mutex_lock(&reqrep->lock);
        while (reqrep->connecting != NULL && !reqrep->stopping)
            (void)pthread_cond_wait(&reqrep->changed, &reqrep->lock);
        if (made && reqrep->was_ready)
            backoff_ms = BACKOFF_MS_MIN;
        if (!reqrep->stopping)
            wait_changed(reqrep, backoff_ms);
        backoff_ms = 2 * backoff_ms > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : 2 * backoff_ms;
    }
    (void)pthread_mutex_unlock(&reqrep->lock);
    return NULL;
}

/* --- opening and closing --- */

static void reqrep_free(struct reqrep *reqrep)
{
    nng_aio_free(reqrep->dial_aio);
    if (reqrep->dialer != NULL)
        nng_stream_dialer_free(reqrep->dialer);
    (void)pthread_cond_destroy(&reqrep->changed);
    (void)pthread_mutex_destroy(&reqrep->lock);
    arena_fini(&reqrep->arena);
    free(reqrep->entries);
    free(reqrep);
}

static struct reqrep *reqrep_create(const struct rpc__nng_address *address, size_t calls_max)
{
    struct reqrep *reqrep = calloc(1, sizeof *reqrep);
    if (reqrep == NULL)
        return NULL;
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&reqrep->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&reqrep->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    arena_init(&reqrep->arena, HEADER_ARENA_BYTES);
    reqrep->address = *address;
    reqrep->entry_count = calls_max + ENTRIES_SPARE;
    if (reqrep->entry_count > INDEX_MASK)
        reqrep->entry_count = INDEX_MASK;
    reqrep->entries = calloc(reqrep->entry_count, sizeof *reqrep->entries);
    if (reqrep->entries == NULL || nng_aio_alloc(&reqrep->dial_aio, NULL, NULL) != 0 ||
        nng_stream_dialer_alloc(&reqrep->dialer, address->url) != 0) {
        reqrep_free(reqrep);
        return NULL;
    }
    nng_aio_set_timeout(reqrep->dial_aio, DIAL_TIMEOUT_MS);
    for (size_t i = reqrep->entry_count; i-- > 0;) {
        reqrep->entries[i].next = reqrep->free_first;
        reqrep->free_first = (uint32_t)i + 1;
    }
    return reqrep;
}

static void wait_first_connection(struct reqrep *reqrep)
{
    int64_t until_ms = clock_mono_ms() + FIRST_CONNECT_WAIT_MS;
    (void)pthread_mutex_lock(&reqrep->lock);
    while (reqrep->conn == NULL && clock_mono_ms() < until_ms)
        wait_changed(reqrep, until_ms - clock_mono_ms());
    (void)pthread_mutex_unlock(&reqrep->lock);
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
        reqrep_create(&address, options->calls_max == 0 ? CALLS_MAX_DEFAULT : options->calls_max);
    if (reqrep == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    if (pthread_create(&reqrep->thread, NULL, connector_main, reqrep) != 0) {
        reqrep_free(reqrep);
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "cannot start a thread");
    }
    wait_first_connection(reqrep);
    *ret_state = reqrep;
    return RPC_OK;
}

/* All calls are over; what is left is the connection. */
static void reqrep_close(void *state)
{
    struct reqrep *reqrep = state;
    (void)pthread_mutex_lock(&reqrep->lock);
    reqrep->stopping = true;
    struct rpc__conn *conn = reqrep->connecting == NULL ? NULL : rpc__conn_ref(reqrep->connecting);
    (void)pthread_cond_broadcast(&reqrep->changed);
    (void)pthread_mutex_unlock(&reqrep->lock);
    if (conn != NULL)
        rpc__conn_close(conn);
    rpc__conn_unref(conn);
    nng_stream_dialer_close(reqrep->dialer);
    (void)pthread_join(reqrep->thread, NULL);

    int64_t until_ms = clock_mono_ms() + CLOSE_WAIT_MS;
    (void)pthread_mutex_lock(&reqrep->lock);
    while (reqrep->connecting != NULL && clock_mono_ms() < until_ms)
        wait_changed(reqrep, until_ms - clock_mono_ms());
    bool over = reqrep->connecting == NULL;
    (void)pthread_mutex_unlock(&reqrep->lock);
    if (over) /* else NNG still has it, and the memory stays */
        reqrep_free(reqrep);
}

static bool reqrep_is_ready(void *state)
{
    struct reqrep *reqrep = state;
    (void)pthread_mutex_lock(&reqrep->lock);
    bool ready = reqrep->conn != NULL;
    (void)pthread_mutex_unlock(&reqrep->lock);
    return ready;
}

const struct rpc__transport rpc__transport_reqrep = {
    .open = reqrep_open,
    .close = reqrep_close,
    .start = reqrep_start,
    .cancel = reqrep_cancel,
    .is_ready = reqrep_is_ready,
};
