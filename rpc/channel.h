/*
 * A channel: where calls are made. The transport is chosen by its URL; nothing else differs.
 *
 *   direct:                       the server object in this process
 *   ipc:// tcp:// tls+tcp://      frames over NNG's byte streams
 *   req+ipc:// req+tcp://         NNG's REQ/REP protocol, unary calls
 *
 * A list of the latter with commas between them: calls go round those that are connected and serve,
 * and are made again where that is safe (rpc/PROTOCOL.md, section 3). With `retry` so is one alone.
 *
 * A call is an asynchronous handle. Its events come on a thread of the transport's, or before
 * rpc_channel_start returns on the caller's own; they must not block: they hand over.
 * rpc_channel_call is the blocking wrapper.
 */
#ifndef RPC_CHANNEL_H
#define RPC_CHANNEL_H

#include <protobuf-c/protobuf-c.h>

#include "rpc/context.h"
#include "rpc/registry.h"
#include "rpc/status.h"
#include "rpc/unpack.h"

/* A packed message at most, both ways, in bytes. Checked before sending and on receipt. */
#define RPC_MESSAGE_BYTES_MAX ((size_t)16 * 1024 * 1024)
/* Entries of one call's metadata, and bytes of all keys and values. */
#define RPC_METADATA_ENTRIES_MAX 16
#define RPC_METADATA_BYTES_MAX 4096

struct rpc_channel;
struct rpc_call;
struct rpc_server;

/* Keys of metadata that mean something (rpc/PROTOCOL.md). */
#define RPC_METADATA_REQUEST_ID "request-id"
#define RPC_METADATA_TRACEPARENT "traceparent"
#define RPC_METADATA_SESSION "session"        /* the cookie's value */
#define RPC_METADATA_ADDRESS "client-address" /* of the browser, as text */
#define RPC_METADATA_CUSTOMER_ID \
    "customer-id" /* X-Customer-ID, or the customer an operator names */
#define RPC_METADATA_HTTP_METHOD "http-method" /* GET, POST: what the browser used */
#define RPC_METADATA_IDEMPOTENCY_KEY "idempotency-key"

struct rpc_metadata_entry {
    const char *key; /* lower case */
    const char *value;
};

/* Borrowed texts. A key may come twice. */
struct rpc_metadata {
    struct rpc_metadata_entry entries[RPC_METADATA_ENTRIES_MAX];
    size_t count;
};

/* Adds an entry; false when the metadata is full. */
bool rpc_metadata_add(struct rpc_metadata *metadata, const char *key, const char *value);
/* The first value of the key, or NULL. */
const char *rpc_metadata_get(const struct rpc_metadata *metadata, const char *key);

/* Bytes that were received, owned by whoever holds it: a message is unpacked where it lies. */
struct rpc_payload {
    struct span bytes;
    void (*free)(struct rpc_payload *payload);
    void *owner;
};
/* Frees it; an empty one ({0}) and NULL are fine. */
void rpc_payload_release(struct rpc_payload *payload);

struct rpc_request {
    const struct registry_method *method;
    const ProtobufCMessage *message; /* packed before rpc_channel_start returns; or NULL and … */
    struct span packed;              /* … already packed, borrowed until then */
    const struct rpc_metadata *metadata; /* borrowed until then; NULL: none. request-id and
                                            traceparent come from the context if not here */
    const struct rpc_context *context;   /* deadline, trace and cancellation; borrowed until then */
    bool wait_for_ready;   /* wait for a connection, within the deadline, instead of UNAVAILABLE */
    bool fails_fast;       /* not even for what is restarting (ready_wait_ms) */
    uint32_t stream_items; /* items that may come before more are granted; 0: the default */
};

/* Items of a stream that may come before rpc_call_grant. */
#define RPC_STREAM_ITEMS_DEFAULT 16

struct rpc_call_events {
    /* Exactly once, last. `payload` is moved to the callee on RPC_OK, empty otherwise. */
    void (*done)(void *arg, const struct rpc_status *status, struct rpc_payload *payload);
    /* An item of a server's stream, moved to the callee; one at a time, none behind `done`. NULL
     * where the method does not stream. */
    void (*item)(void *arg, struct rpc_payload *payload);
};

/* Client-side interceptor: sees every call of a channel. Ran in order at start, in reverse at the
 * end. */
struct rpc_client_interceptor {
    /* May add metadata (texts must live until start returns); a code other than RPC_OK ends the
     * call. */
    enum rpc_code (*start)(void *self, const struct rpc_request *request,
                           struct rpc_metadata *metadata, struct rpc_status *status);
    /* `elapsed_us` since start. */
    void (*end)(void *self, const struct registry_method *method, const struct rpc_status *status,
                int64_t elapsed_us);
    void *self;
};

/* Who we are to peers beyond this machine, and whose word we take for who they are: paths of PEM
 * files. NULL or "": none. */
struct rpc_tls {
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
};

/* How calls to a list of addresses, or to one, are made again; 0: the default. */
struct rpc_channel_retry {
    unsigned attempts_max;   /* of a call: 4 */
    uint32_t backoff_ms;     /* before the second, doubled for each further one, with jitter: 20 */
    uint32_t backoff_ms_max; /* 500 */
    unsigned eject_failures; /* in a row, until an address is left out for a while: 5 */
    uint32_t eject_ms;       /* that while, doubled when it fails again soon, with jitter: 1,000 */
    uint32_t eject_ms_max;   /* 30,000 */
    /* From the moment when the last address was lost, and from the opening: so long calls wait for
     * one, since what has just ended may be restarting, and behind that they are UNAVAILABLE at
     * once. 0: at once always. */
    uint32_t ready_wait_ms;
};

struct rpc_channel_options {
    const char *url; /* or several, with commas between them */
    /* NULL: calls to one address are not made again, those to several by the defaults. */
    const struct rpc_channel_retry *retry;
    const struct rpc_tls *tls;                         /* for tls+tcp://; read at opening */
    struct rpc_server *server;                         /* for direct: */
    const struct rpc_client_interceptor *interceptors; /* borrowed for the channel's life */
    size_t interceptor_count;
    size_t calls_max; /* in flight; beyond it RESOURCE_EXHAUSTED. 0: 1024 */
};

/*
 * Opens a channel. Connects in the background and reconnects by itself: an absent server is no
 * error here. RPC_INVALID_ARGUMENT for a URL that no transport takes; RPC_FAILED_PRECONDITION for a
 * path that is too long, TCP beyond loopback without TLS, or TLS whose files cannot be used.
 */
enum rpc_code rpc_channel_open(const struct rpc_channel_options *options,
                               struct rpc_channel **ret_channel, struct rpc_status *status)
    __attribute__((warn_unused_result));
/*
 * Has `batch_end` called behind one or more calls' `done` that came together, on the same thread,
 * so that an event loop is woken once for all of them. Behind a `done` that comes before
 * rpc_channel_start returns there may be none. Holds for calls that are started afterwards.
 */
void rpc_channel_on_batch_end(struct rpc_channel *channel, void (*batch_end)(void));
/*
 * Whether a call that is started now would find a server that serves, as far as is known here:
 * the end of a connection is known at once. Any thread.
 */
bool rpc_channel_is_ready(struct rpc_channel *channel);
/* Ends all calls with RPC_CANCELLED, waits until the last `done` has returned, frees. Takes NULL.
 */
void rpc_channel_close(struct rpc_channel *channel);

/*
 * Starts a call. `done` comes exactly once, also when nothing could be started, possibly before
 * this returns. Returns a handle that the caller must unref, or NULL if the call is already over
 * (its `done` may be just about to come, on another thread). The method's own deadline caps the
 * context's. Any thread.
 */
struct rpc_call *rpc_channel_start(struct rpc_channel *channel, const struct rpc_request *request,
                                   const struct rpc_call_events *events, void *arg);
/* Asks for the end of a call: `done` comes with RPC_CANCELLED unless it is over already. Any
 * thread. */
void rpc_call_cancel(struct rpc_call *call);
/* Lets the server send so many more items of its stream. Any thread. */
void rpc_call_grant(struct rpc_call *call, uint32_t items);
void rpc_call_unref(struct rpc_call *call);

/*
 * Makes a call and waits for its end: at most until the context's deadline. The response is
 * unpacked into the context's arena. Never on a thread of a transport or an H2O loop, except over
 * direct: for a method of EXECUTION_INLINE.
 */
enum rpc_code rpc_channel_call(struct rpc_channel *channel, const struct rpc_request *request,
                               const ProtobufCMessage **ret_response, struct rpc_status *status)
    __attribute__((warn_unused_result));

/*
 * A stream read item by item, by a caller that waits: for tools, jobs and handlers. One thread at a
 * time, never one of a transport's.
 */
struct rpc_stream;
/* Starts the call; what `request` points to is borrowed until this returns, its context's cancelled
 * flag until the stream is closed. */
enum rpc_code rpc_stream_open(struct rpc_channel *channel, const struct rpc_request *request,
                              struct rpc_stream **ret_stream, struct rpc_status *status)
    __attribute__((warn_unused_result));
/*
 * Waits for the next item, which is unpacked into the arena and lives until the next one is asked
 * for, too. RPC_OK with NULL at the stream's end; else what the call ended with, at once again when
 * asked again.
 */
enum rpc_code rpc_stream_next(struct rpc_stream *stream, struct arena *arena,
                              const ProtobufCMessage **ret_item, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Cancels the call if it is not over, waits for its end and frees. Takes NULL. */
void rpc_stream_close(struct rpc_stream *stream);

/*
 * Holds back what this thread's calls and answers send, until as many releases: what begins
 * together leaves together, and the other end is woken once. A call that is waited for sends all
 * first. Only around what does not block otherwise.
 */
void rpc_channel_hold(void);
void rpc_channel_release(void);

#endif
