/*
 * The client side of the stream transport: stream_client.c has its calls, stream_connect.c its
 * connections.
 */
#ifndef RPC_STREAM_CLIENT_H
#define RPC_STREAM_CLIENT_H

#include "rpc/stream_internal.h"

/* A call id: the slot's index in the lowest bits. */
#define RPC__INDEX_BITS 20
#define RPC__INDEX_MASK ((1u << RPC__INDEX_BITS) - 1)

struct rpc__client;

struct rpc__link {
    struct rpc__client *client;
    struct rpc__sconn *conn; /* a reference */
    struct arena arena;      /* of the connection's callbacks, as the next */
    bool has_ended;          /* a call, in the batch that is dealt with */
    struct rpc__link *next;
    size_t calls; /* under the client's lock, as the next */
    bool draining;
};

struct rpc__slot {
    struct rpc_call *call;  /* with the transport's reference; NULL: free */
    struct rpc__link *link; /* it was sent on; NULL: it waits */
    struct rpc__block *block;
    bool fails_fast;  /* waits for the attempt under way alone */
    uint32_t granted; /* while it waits */
    uint64_t call_id;
    uint32_t next; /* index + 1 of the next free slot, or of the next that waits; 0: none */
};

struct rpc__client {
    struct rpc_channel *channel;
    struct rpc__nng_address address;
    nng_stream_dialer *dialer;
    nng_aio *dial_aio;
    pthread_t thread;
    int64_t attempted_ms; /* the thread's */

    pthread_mutex_t lock;         /* of all below */
    pthread_cond_t changed;       /* links or stopping */
    struct rpc__link *links;      /* all there are */
    struct rpc__link *ready;      /* takes calls; its server has greeted */
    struct rpc__link *connecting; /* not greeted yet */
    int64_t connecting_ms;        /* since when */
    bool was_ready;               /* the last connection got that far */
    bool failed;                  /* the last attempt has failed: who does not wait is refused */
    bool stopping;
    struct rpc__slot *slots;
    size_t slot_count;
    uint32_t free_first;
    uint32_t waiting_first;
    uint32_t waiting_last;
    uint64_t last_number;
};

extern const struct rpc__sconn_events rpc__link_events; /* with the link */
/* Ends the calls of a link that is gone, or (NULL) those that wait for an attempt that failed. */
void rpc__client_end_lost_calls(struct rpc__client *client, const struct rpc__link *link);

/* The transport's, with the client as its state. */
void rpc__client_start(void *state, struct rpc_call *call, const struct rpc__outgoing *out);
void rpc__client_cancel(void *state, struct rpc_call *call);
void rpc__client_grant(void *state, struct rpc_call *call, uint32_t items);

#endif
