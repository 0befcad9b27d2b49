/*
 * The transport of a list of addresses: balance.c has its calls and their retries,
 * balance_address.c its addresses, which of them are healthy, and which one is next.
 *
 * Lock order: an item's lock of an address's channel, then the balancer's, which is innermost: no
 * channel is called under it.
 */
#ifndef RPC_BALANCE_INTERNAL_H
#define RPC_BALANCE_INTERNAL_H

#include "rpc/internal.h"

/* Addresses of one channel at most. */
#define RPC__ADDRESSES_MAX 16

struct rpc__balancer;
struct rpc__attempt;

struct rpc__address {
    struct rpc__balancer *balancer;
    struct rpc_channel *channel;
    bool streams; /* its health is watched, else asked for now and then */
    /* Under the balancer's lock. */
    bool asking; /* a call for its health is under way */
    bool healthy;
    int64_t ask_at_ms; /* when the next begins */
    uint32_t pause_ms; /* before it */
    unsigned failures; /* in a row */
    int64_t shunned_until_ms;
    int64_t let_in_ms; /* when its last ejection ended or ends */
    uint32_t eject_ms; /* how long that was; 0: there was none of late */
};

struct rpc__balancer {
    struct rpc_channel *channel; /* whose transport this is */
    struct rpc_channel_retry retry;
    size_t address_count;
    struct rpc__address addresses[RPC__ADDRESSES_MAX];
    pthread_t thread;
    struct metric *answered; /* attempts by what came of them; NULL: not counted */
    struct metric *retried;
    struct metric *throttled;
    struct metric *given_up;
    struct metric *ejections;

    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t changed; /* health, what waits, or stopping */
    int64_t wakes_ms;       /* when the thread looks again by itself */
    size_t next;            /* address of the round */
    int64_t tokens;         /* for retries, in thousandths */
    int64_t tokens_max;
    size_t healthy_count;
    int64_t patient_until_ms;     /* so long calls wait for an address */
    struct rpc__attempt *waiting; /* for their time, or an address; in no order */
    bool stopping;
};

/* The addresses of the list in options->url, with a channel each. */
enum rpc_code rpc__addresses_open(struct rpc__balancer *balancer,
                                  const struct rpc_channel_options *options,
                                  struct rpc_status *status);
/* Closes those channels: behind this no event of theirs comes. Not under the lock. */
void rpc__addresses_close(struct rpc__balancer *balancer);
/*
 * The next of those that are ready: connected, serving, and neither ejected nor pushing back, or,
 * where all are, one of them; another than `last` (NULL: any) if there is one. NULL: none is.
 * Under the lock.
 */
struct rpc__address *rpc__address_pick(struct rpc__balancer *balancer,
                                       const struct rpc__address *last);
/* What a call has shown of its address: it fails, it answers, it pushes back. Under the lock. */
void rpc__address_failed(struct rpc__address *address);
void rpc__address_answered(struct rpc__address *address);
void rpc__address_shun(struct rpc__address *address, uint32_t time_ms);
/* Asks for the health of those whose time it is. On the balancer's thread, not under the lock. */
void rpc__addresses_ask(struct rpc__balancer *balancer);
/* When the next is due. Under the lock. */
int64_t rpc__addresses_due_ms(const struct rpc__balancer *balancer);
/* Has the thread look at that time, or before. Under the lock. */
void rpc__balancer_wake(struct rpc__balancer *balancer, int64_t at_ms);
/* A pause between half of it and all of it, so that many clients do not come at once. */
uint32_t rpc__jittered(uint32_t pause_ms);

#endif
