/*
 * A server: services' handlers, worker pools, interceptors, and the transports that it listens on.
 *
 * A call's life: received (transport thread) → queued → run (worker thread, or the caller's for an
 * EXECUTION_INLINE method over direct:) → finished (any thread) → answered. Expired or cancelled
 * work is dropped before it runs. The call object lives until it is answered and the last reference
 * is gone; its arena is freed with it.
 */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include "rpc/channel.h"
#include "rpc/context.h"
#include "rpc/registry.h"
#include "rpc/status.h"

struct rpc_server_call;

/* Who calls. Set by the auth interceptor, from the session or the peer, never from metadata. */
enum rpc_principal_kind {
    RPC_PRINCIPAL_NONE,
    RPC_PRINCIPAL_CUSTOMER,
    RPC_PRINCIPAL_ADMIN,
    RPC_PRINCIPAL_OPERATOR,
};

#define RPC_SESSION_HASH_BYTES 32

struct rpc_principal {
    enum rpc_principal_kind kind;
    int64_t user_id;
    int64_t customer_id; /* whom a CUSTOMER method acts on, also for an admin who views; 0: none */
    bool read_only;      /* an admin who views as a customer */
    bool has_session;
    uint8_t session_hash[RPC_SESSION_HASH_BYTES]; /* if has_session */
    uint64_t session_stamp;   /* likewise: the store's, of the session's partition */
    int64_t session_until_ms; /* likewise: when it expires, on clock_now_ms() */
};

/* How much a listening socket's peers are trusted. */
enum rpc_trust {
    RPC_TRUST_ROLE,     /* our own facade or logic: identity comes from the session alone */
    RPC_TRUST_OPERATOR, /* the open door: a peer with our uid, or a known certificate, is the
                           operator */
};

/* What a handler returns when it will call rpc_server_call_finish later, from any thread. */
#define RPC_DEFERRED ((enum rpc_code) - 1)

/*
 * A handler: checks, reads, decides, commits, fills in the response. `request` and `response` are
 * messages of the method's types (response initialised); both live in the call's arena, as must all
 * that response points to. RPC_OK answers with the response, RPC_DEFERRED later, anything else with
 * `status`.
 */
typedef enum rpc_code rpc_handler(struct rpc_server_call *call, const void *request, void *response,
                                  struct rpc_status *status);

struct rpc_service {
    const ProtobufCServiceDescriptor *descriptor;
    rpc_handler *const *handlers; /* in the order of the service's methods; none may be NULL */
    void *self;                   /* rpc_server_call_self() */
};

struct rpc_server_interceptor {
    /* Before the handler, on its thread; in order. Not RPC_OK: the call ends with `status`. May be
     * NULL. */
    enum rpc_code (*before)(void *self, struct rpc_server_call *call, struct rpc_status *status);
    /* After the answer was decided; in reverse; may run on any thread; must not block. May be NULL.
     */
    void (*after)(void *self, struct rpc_server_call *call, const struct rpc_status *status);
    void *self;
    bool observes; /* `before` never refuses and never blocks: it runs before the early stage too */
};

/*
 * A stage before a worker is asked for, where calls can be answered without one: by what is
 * remembered, once something cheap says that it still holds. Only calls of EXECUTION_INLINE methods
 * get there. On the transport's thread, behind the interceptors that observe; must not block.
 */
struct rpc_server_early {
    /*
     * True: the stage has taken the call. Calls that came in together are taken one after another
     * with the same `gathered`, NULL at first, which the stage may use to deal with them together.
     */
    bool (*take)(void *self, struct rpc_server_call *call, void **gathered);
    /*
     * What was gathered is complete (not NULL). The stage ends each of its calls by
     * rpc_server_call_finish_packed or gives it back by rpc_server_call_resume, once, from any
     * thread, perhaps before this returns.
     */
    void (*flush)(void *self, void *gathered);
    void *self;
};

struct rpc_server_options {
    const char *name; /* of the role: store, logic; thread names and logs */
    const struct registry *registry;
    const struct rpc_service *services; /* borrowed for the server's life */
    size_t service_count;
    const struct rpc_server_interceptor *interceptors;
    size_t interceptor_count;
    const struct rpc_server_early *early; /* NULL: none; borrowed for the server's life */
    unsigned workers;                     /* 0: 16 */
    unsigned heavy_workers;               /* for EXECUTION_HEAVY; 0: one a core */
    size_t queue_max; /* calls waiting for a worker; beyond it RESOURCE_EXHAUSTED. 0: 1024 */
    const struct rpc_tls *tls; /* for tls+tcp://; borrowed for the server's life */
    /* EXECUTION_INLINE methods may run on the transports' threads. Only where their handlers never
     * wait for anybody: not where they call another server. */
    bool runs_inline;
};

/*
 * Makes a server and starts its workers. lotcast.v1.Health, Metrics and Reflection are served by
 * itself.
 * RPC_FAILED_PRECONDITION for a service that the registry does not know or a missing handler.
 */
enum rpc_code rpc_server_create(const struct rpc_server_options *options,
                                struct rpc_server **ret_server, struct rpc_status *status)
    __attribute__((warn_unused_result));

/*
 * Listens at an ipc://, tcp:// or tls+tcp:// URL (frames) or at a req+ipc:// or req+tcp:// URL
 * (NNG's REP protocol). A stale ipc socket is removed first; the new one is 0600; only peers of our
 * own uid are taken, over TCP too, and over TLS those with a certificate of our CA.
 * RPC_FAILED_PRECONDITION if the path is too long, the address is taken, a TCP address beyond
 * loopback is asked for without TLS, or TLS without the files that it needs. May be called more
 * than once, by the owner's thread.
 */
enum rpc_code rpc_server_listen(struct rpc_server *server, const char *url, enum rpc_trust trust,
                                struct rpc_status *status) __attribute__((warn_unused_result));

/* Marks health NOT_SERVING, stops taking calls, waits at most `timeout_ms` for those under way. */
void rpc_server_drain(struct rpc_server *server, int64_t timeout_ms);
/* Drains for no time, ends all threads and frees. No direct: channel to it may be open. Takes NULL.
 */
void rpc_server_destroy(struct rpc_server *server);

/* --- for handlers and interceptors; valid while they hold the call --- */

struct rpc_context *rpc_server_call_context(struct rpc_server_call *call);
static inline struct arena *rpc_server_call_arena(struct rpc_server_call *call)
{
    return rpc_server_call_context(call)->arena;
}
const struct registry_method *rpc_server_call_method(const struct rpc_server_call *call);
/* First value of a metadata key, or NULL. Lives as long as the call. */
const char *rpc_server_call_metadata(const struct rpc_server_call *call, const char *key);
/* All metadata, also repeated keys. */
const struct rpc_metadata *rpc_server_call_all_metadata(const struct rpc_server_call *call);
enum rpc_trust rpc_server_call_trust(const struct rpc_server_call *call);
struct rpc_principal *rpc_server_call_principal(struct rpc_server_call *call);
/* The service's `self`. */
void *rpc_server_call_self(const struct rpc_server_call *call);
/* The request as it came, packed; lives as long as the call. */
struct span rpc_server_call_packed(const struct rpc_server_call *call);
/* Since it was received, in µs. */
int64_t rpc_server_call_elapsed_us(const struct rpc_server_call *call);

/*
 * Has the call count for its method's max_in_flight, where only some calls do (some_in_flight):
 * before the part that waits for others. RPC_RESOURCE_EXHAUSTED, to be returned, when there are as
 * many; RPC_OK again for one that counts already, and where there is no limit.
 */
enum rpc_code rpc_server_call_take_place(struct rpc_server_call *call, struct rpc_status *status)
    __attribute__((warn_unused_result));

/*
 * Calls that came in together and run one after another on one thread share a batch: what one
 * handler has opened there (a snapshot), the next may go on with.
 */
struct rpc_batch {
    void *shared;              /* NULL at first */
    void (*end)(void *shared); /* called behind the last of them, if set */
};
/* The call's batch, for the handler while it runs; NULL: it runs by itself. */
struct rpc_batch *rpc_server_call_batch(struct rpc_server_call *call);

/*
 * Sends an item of a streaming method (`returns (stream X)`), a message of X; the handler's own
 * code ends the stream, RPC_OK without a further message. Blocks its worker while the caller takes
 * no more, so never inside a transaction of the store's. RPC_CANCELLED, RPC_DEADLINE_EXCEEDED or
 * RPC_UNAVAILABLE when nobody waits any more: to be returned. RPC_RESOURCE_EXHAUSTED for a message
 * too large.
 */
enum rpc_code rpc_server_call_send(struct rpc_server_call *call, const void *item,
                                   struct rpc_status *status) __attribute__((warn_unused_result));

/*
 * Ends a call whose handler has returned RPC_DEFERRED, once. With RPC_OK the response that the
 * handler was given is sent. Any thread; the call must not be touched afterwards.
 */
void rpc_server_call_finish(struct rpc_server_call *call, enum rpc_code code,
                            const struct rpc_status *status);

/* --- for the early stage --- */

/* Ends a call that was taken with an answer that is packed already; it is copied. */
void rpc_server_call_finish_packed(struct rpc_server_call *call, struct span packed);
/* Goes on with a call that was taken as if it never had been. */
void rpc_server_call_resume(struct rpc_server_call *call);

#endif
