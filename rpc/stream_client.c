/*
 * The client side of ipc://, tcp:// and tls+tcp://: many calls at once over one connection, answers
 * in any order.
 *
 * Each call in flight has a slot: WAITING, with its frame, for a connection, or on a link, which
 * is a connection with a count of its calls. The call id is the slot's index with a number above
 * it that makes it unique, so that an answer to a call that was given up is never taken for
 * another's. Whoever takes an slot's call off under the lock (an answer, the link's end, cancel)
 * ends it; `done` is given without the lock.
 *
 * A server that drains says GOAWAY: its link takes no more calls, is closed when the last of them
 * is over, and the thread looks for another. A request is never sent twice; one that finds its link
 * gone before it was sent goes to the next.
 *
 * A link lives from its making to `closed`; the connector's and the slots' pointers to it are
 * cleared there. Lock order: client, then connection.
 */
#include <stdlib.h>

#include "rpc/stream_client.h"

#include "rpc/wire.h"

/* --- slots; all under the lock --- */

static uint32_t index_of(const struct rpc__client *client, const struct rpc__slot *slot)
{
    return (uint32_t)(slot - client->slots);
}

static struct rpc__slot *take_slot(struct rpc__client *client, struct rpc_call *call)
{
    if (client->free_first == 0)
        return NULL;
    struct rpc__slot *slot = &client->slots[client->free_first - 1];
    client->free_first = slot->next;
    *slot = (struct rpc__slot){.call = call};
    slot->call_id = ++client->last_number << RPC__INDEX_BITS | index_of(client, slot);
    return slot;
}

/* The slot of a call in flight, NULL if it is over. */
static struct rpc__slot *find_slot(struct rpc__client *client, uint64_t call_id)
{
    size_t index = call_id & RPC__INDEX_MASK;
    if (index >= client->slot_count)
        return NULL;
    struct rpc__slot *slot = &client->slots[index];
    return slot->call != NULL && slot->call_id == call_id ? slot : NULL;
}

/* Takes an slot out of the list of those that wait. */
static void stop_waiting(struct rpc__client *client, struct rpc__slot *slot)
{
    uint32_t this = index_of(client, slot) + 1;
    uint32_t before = 0;
    uint32_t at = client->waiting_first;
    while (at != this) {
        before = at;
        at = client->slots[at - 1].next;
    }
    if (before == 0)
        client->waiting_first = slot->next;
    else
        client->slots[before - 1].next = slot->next;
    if (client->waiting_last == this)
        client->waiting_last = before;
    rpc__block_free(slot->block);
    slot->block = NULL;
}

static void start_waiting(struct rpc__client *client, struct rpc__slot *slot,
                          struct rpc__block *block)
{
    uint32_t this = index_of(client, slot) + 1;
    slot->block = block;
    slot->next = 0;
    if (client->waiting_last == 0)
        client->waiting_first = this;
    else
        client->slots[client->waiting_last - 1].next = this;
    client->waiting_last = this;
}

/* One call less on a link; one that drains is closed behind its last. */
static void leave_link(struct rpc__slot *slot)
{
    struct rpc__link *link = slot->link;
    slot->link = NULL;
    if (link == NULL)
        return;
    link->calls--;
    if (link->draining && link->calls == 0)
        rpc__sconn_close(link->conn);
}

/* Frees the slot and gives its call, with the reference, to the caller. */
static struct rpc_call *release_slot(struct rpc__client *client, struct rpc__slot *slot)
{
    struct rpc_call *call = slot->call;
    if (slot->block != NULL)
        stop_waiting(client, slot);
    leave_link(slot);
    slot->call = NULL;
    slot->next = client->free_first;
    client->free_first = index_of(client, slot) + 1;
    return call;
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

/* The same for a call that was not sent. */
static enum rpc_code unsent(struct rpc_status *status)
{
    (void)unreachable(status);
    status->retry_after_ms = RPC__UNSENT_RETRY_AFTER_MS;
    return RPC_UNAVAILABLE;
}

/* Takes a call of that id off; NULL if it is over. */
static struct rpc_call *take_call(struct rpc__client *client, uint64_t call_id)
{
    (void)pthread_mutex_lock(&client->lock);
    struct rpc__slot *slot = find_slot(client, call_id);
    struct rpc_call *call = slot == NULL ? NULL : release_slot(client, slot);
    (void)pthread_mutex_unlock(&client->lock);
    return call;
}

/* The next call that went with a link, or that waited and must not any longer; NULL: none is left.
 */
static struct rpc_call *take_lost_call(struct rpc__client *client, const struct rpc__link *link,
                                       size_t *index)
{
    struct rpc_call *call = NULL;
    (void)pthread_mutex_lock(&client->lock);
    for (; call == NULL && *index < client->slot_count; (*index)++) {
        struct rpc__slot *slot = &client->slots[*index];
        bool lost = link != NULL ? slot->link == link : slot->block != NULL && slot->fails_fast;
        if (slot->call != NULL && lost)
            call = release_slot(client, slot);
    }
    (void)pthread_mutex_unlock(&client->lock);
    return call;
}

void rpc__client_end_lost_calls(struct rpc__client *client, const struct rpc__link *link)
{
    struct rpc_status status;
    if (link == NULL)
        (void)unsent(&status);
    else
        (void)unreachable(&status);
    size_t index = 0;
    for (;;) {
        struct rpc_call *call = take_lost_call(client, link, &index);
        if (call == NULL)
            return;
        end_call(call, &status, NULL);
    }
}

/* --- a link's packets --- */

static void free_copy(struct rpc_payload *payload)
{
    free(payload->owner);
}

/* Makes the payload its holder's own: takes the packet's memory, or copies. */
static bool own_payload(struct span payload, struct rpc_payload *owner,
                        struct rpc_payload *ret_payload)
{
    if (owner->free != NULL) {
        *ret_payload = *owner;
        ret_payload->bytes = payload;
        *owner = (struct rpc_payload){0};
        return true;
    }
    uint8_t *copy = malloc(payload.len + 1); /* an empty message has memory too */
    if (copy == NULL)
        return false;
    if (payload.len > 0)
        memcpy(copy, payload.data, payload.len);
    *ret_payload = (struct rpc_payload){{copy, payload.len}, free_copy, copy};
    return true;
}

static void on_response(struct rpc__link *link, const Lotcast__V1__PacketHeader *header,
                        struct span payload, struct rpc_payload *owner)
{
    struct rpc_call *call = take_call(link->client, header->call_id);
    if (call == NULL)
        return; /* given up */
    link->has_ended = true;
    struct rpc_status status;
    struct rpc_payload owned = {0};
    rpc_status_from_message(&status, header->status);
    if (status.code == RPC_OK && !own_payload(payload, owner, &owned))
        (void)rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    rpc__call_finish_in_batch(call, &status, &owned);
    rpc_call_unref(call);
}

/* False: more items came than were asked for. */
static bool on_item(struct rpc__client *client, uint64_t call_id, struct span payload,
                    struct rpc_payload *owner)
{
    (void)pthread_mutex_lock(&client->lock);
    struct rpc__slot *slot = find_slot(client, call_id);
    struct rpc_call *call = slot == NULL ? NULL : rpc__call_ref(slot->call);
    (void)pthread_mutex_unlock(&client->lock);
    if (call == NULL)
        return true; /* given up */
    struct rpc_payload owned;
    bool fine = call->method->server_streaming && own_payload(payload, owner, &owned) &&
                rpc__call_item(call, &owned);
    rpc_call_unref(call);
    return fine;
}

/* The server drains: new calls go elsewhere. */
static void on_goaway(struct rpc__client *client, struct rpc__link *link)
{
    rpc__sconn_refuse_requests(link->conn);
    (void)pthread_mutex_lock(&client->lock);
    link->draining = true;
    if (client->ready == link)
        client->ready = NULL;
    if (link->calls == 0)
        rpc__sconn_close(link->conn);
    (void)pthread_cond_broadcast(&client->changed);
    (void)pthread_mutex_unlock(&client->lock);
}

static bool on_packet(void *arg, struct rpc__sconn *conn, struct span packet,
                      struct rpc_payload *owner)
{
    struct rpc__link *link = arg;
    Lotcast__V1__PacketHeader *header;
    struct span payload;
    arena_reset(&link->arena);
    if (wire_read(packet, &link->arena, &header, &payload, NULL) != RPC_OK)
        return false; /* not a server of ours: its calls end with the connection */
    switch ((int)header->type) {
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_RESPONSE:
        on_response(link, header, payload, owner);
        return true;
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_STREAM_ITEM:
        return on_item(link->client, header->call_id, payload, owner);
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_PING:
        (void)rpc__sconn_on_ping(conn, header->call_id);
        return true;
    case LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_GOAWAY:
        on_goaway(link->client, link);
        return true;
    default:
        return false;
    }
}

static void on_batch(void *arg, struct rpc__sconn *conn)
{
    (void)conn;
    struct rpc__link *link = arg;
    if (link->has_ended)
        rpc__channel_batch_end(link->client->channel);
    link->has_ended = false;
}

/* The server has greeted: what waited is sent. */
static void on_ready(void *arg, struct rpc__sconn *conn)
{
    struct rpc__link *link = arg;
    struct rpc__client *client = link->client;
    (void)pthread_mutex_lock(&client->lock);
    client->ready = link;
    client->connecting = NULL;
    client->was_ready = true;
    client->failed = false;
    uint32_t at = client->waiting_first;
    client->waiting_first = 0;
    client->waiting_last = 0;
    while (at != 0) {
        struct rpc__slot *slot = &client->slots[at - 1];
        struct rpc__block *block = slot->block;
        at = slot->next;
        slot->next = 0;
        slot->block = NULL;
        slot->link = link;
        link->calls++;
        /* If it fails, the link's end ends the call. */
        (void)rpc__sconn_send_block(conn, block, NULL);
        if (slot->granted > 0)
            rpc__sconn_signal(conn, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CREDIT, slot->call_id,
                              slot->granted);
    }
    (void)pthread_cond_broadcast(&client->changed);
    (void)pthread_mutex_unlock(&client->lock);
}

static void unlink_link(struct rpc__client *client, struct rpc__link *link)
{
    struct rpc__link **at = &client->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
}

static void on_closed(void *arg, struct rpc__sconn *conn)
{
    (void)conn;
    struct rpc__link *link = arg;
    struct rpc__client *client = link->client;
    (void)pthread_mutex_lock(&client->lock);
    if (client->ready == link) /* no call is sent on it from here on */
        client->ready = NULL;
    (void)pthread_mutex_unlock(&client->lock);
    rpc__client_end_lost_calls(client, link);
    (void)pthread_mutex_lock(&client->lock);
    if (client->connecting == link)
        client->connecting = NULL;
    unlink_link(client, link);
    (void)pthread_cond_broadcast(&client->changed);
    (void)pthread_mutex_unlock(&client->lock); /* the client may be gone now */
    rpc__sconn_unref(link->conn);
    arena_fini(&link->arena);
    free(link);
}

const struct rpc__sconn_events rpc__link_events = {
    .ready = on_ready,
    .packet = on_packet,
    .batch = on_batch,
    .closed = on_closed,
};

/* --- starting and cancelling --- */

/* A request's header with what it points to. */
struct request {
    Lotcast__V1__PacketHeader header;
    Lotcast__V1__MetadataEntry entries[RPC_METADATA_ENTRIES_MAX];
    Lotcast__V1__MetadataEntry *pointers[RPC_METADATA_ENTRIES_MAX];
    struct rpc__packet packet;
};

static void make_request(struct request *request, const struct rpc__outgoing *out)
{
    lotcast__v1__packet_header__init(&request->header);
    for (size_t i = 0; i < out->metadata->count; i++) {
        lotcast__v1__metadata_entry__init(&request->entries[i]);
        request->entries[i].key = (char *)out->metadata->entries[i].key;
        request->entries[i].value = (char *)out->metadata->entries[i].value;
        request->pointers[i] = &request->entries[i];
    }
    request->header.type = LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_REQUEST;
    request->header.method = (char *)out->request->method->name;
    request->header.timeout_ms = out->timeout_ms;
    request->header.credits = out->credits;
    request->header.metadata = request->pointers;
    request->header.n_metadata = out->metadata->count;
    request->packet = (struct rpc__packet){
        .header = &request->header,
        .message = out->request->message,
        .packed = out->request->packed,
        .payload_bytes = out->payload_bytes,
    };
}

/* Gives the call's slot a link; NULL: there is none, or the call is over (`ret_over`). The
 * connection comes with a reference. */
static struct rpc__sconn *join_link(struct rpc__client *client, uint64_t call_id, bool *ret_over)
{
    struct rpc__sconn *conn = NULL;
    (void)pthread_mutex_lock(&client->lock);
    struct rpc__slot *slot = find_slot(client, call_id);
    *ret_over = slot == NULL;
    if (slot != NULL) {
        leave_link(slot); /* of the one that did not take it */
        if (client->ready != NULL) {
            slot->link = client->ready;
            slot->link->calls++;
            conn = rpc__sconn_ref(slot->link->conn);
        }
    }
    (void)pthread_mutex_unlock(&client->lock);
    return conn;
}

/* Lets the call wait for a connection. RPC_ABORTED: there is one by now. */
static enum rpc_code wait_for_link(struct rpc__client *client, const struct rpc__outgoing *out,
                                   const struct request *request, struct rpc_status *status)
{
    bool waits = out->request->wait_for_ready;
    struct rpc__block *block = rpc__block_of(&request->packet, status);
    if (block == NULL)
        return status->code;
    enum rpc_code code = RPC_OK;
    (void)pthread_mutex_lock(&client->lock);
    struct rpc__slot *slot = find_slot(client, request->header.call_id);
    if (slot != NULL && client->ready != NULL) {
        code = RPC_ABORTED;
    } else if (slot != NULL && client->failed && !waits) {
        code = unsent(status);
    } else if (slot != NULL) {
        slot->fails_fast = !waits;
        start_waiting(client, slot, block);
        block = NULL;
    }
    (void)pthread_mutex_unlock(&client->lock);
    rpc__block_free(block);
    return code;
}

/* A connection that takes no requests: its end is about to be told. */
static void forget_conn(struct rpc__client *client, const struct rpc__sconn *conn)
{
    (void)pthread_mutex_lock(&client->lock);
    if (client->ready != NULL && client->ready->conn == conn)
        client->ready = NULL;
    (void)pthread_mutex_unlock(&client->lock);
}

/* Sends the request, on whatever link takes it, or lets it wait. */
static enum rpc_code send_request(struct rpc__client *client, const struct rpc__outgoing *out,
                                  const struct request *request, struct rpc_status *status)
{
    for (;;) {
        bool over;
        enum rpc_code code;
        struct rpc__sconn *conn = join_link(client, request->header.call_id, &over);
        if (over)
            return RPC_OK;
        if (conn != NULL) {
            code = rpc__sconn_send(conn, &request->packet, status);
            if (code == RPC_UNAVAILABLE)
                forget_conn(client, conn);
            rpc__sconn_unref(conn);
            if (code != RPC_UNAVAILABLE)
                return code;
        } else {
            code = wait_for_link(client, out, request, status);
            if (code != RPC_ABORTED)
                return code;
        }
    }
}

void rpc__client_start(void *state, struct rpc_call *call, const struct rpc__outgoing *out)
{
    struct rpc__client *client = state;
    struct rpc_status status;
    struct request request;
    make_request(&request, out);
    (void)pthread_mutex_lock(&client->lock);
    struct rpc__slot *slot = take_slot(client, call);
    if (slot != NULL)
        request.header.call_id = slot->call_id;
    (void)pthread_mutex_unlock(&client->lock);
    if (slot == NULL) {
        (void)rpc_status_set(&status, RPC_RESOURCE_EXHAUSTED, "too many calls at once");
        end_call(call, &status, NULL);
        return;
    }
    call->transport = slot;
    if (send_request(client, out, &request, &status) == RPC_OK)
        return;
    struct rpc_call *taken = take_call(client, request.header.call_id);
    if (taken != NULL) /* else a link's end has ended it */
        end_call(taken, &status, NULL);
}

void rpc__client_cancel(void *state, struct rpc_call *call)
{
    struct rpc__client *client = state;
    struct rpc__slot *slot = call->transport;
    struct rpc_call *taken = NULL;
    struct rpc__sconn *conn = NULL;
    uint64_t call_id = 0;
    if (slot == NULL)
        return;
    (void)pthread_mutex_lock(&client->lock);
    if (slot->call == call) {
        call_id = slot->call_id;
        if (slot->link != NULL)
            conn = rpc__sconn_ref(slot->link->conn);
        taken = release_slot(client, slot);
    }
    (void)pthread_mutex_unlock(&client->lock);
    if (conn != NULL)
        rpc__sconn_signal(conn, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CANCEL, call_id, 0);
    rpc__sconn_unref(conn);
    rpc_call_unref(taken);
}

void rpc__client_grant(void *state, struct rpc_call *call, uint32_t items)
{
    struct rpc__client *client = state;
    struct rpc__sconn *conn = NULL;
    uint64_t call_id = 0;
    (void)pthread_mutex_lock(&client->lock);
    struct rpc__slot *slot = call->transport;
    if (slot != NULL && slot->call == call) {
        call_id = slot->call_id;
        if (slot->link != NULL)
            conn = rpc__sconn_ref(slot->link->conn);
        else
            slot->granted += items;
    }
    (void)pthread_mutex_unlock(&client->lock);
    if (conn != NULL)
        rpc__sconn_signal(conn, LOTCAST__V1__PACKET_TYPE__PACKET_TYPE_CREDIT, call_id, items);
    rpc__sconn_unref(conn);
}
