/*
 * Kept answers: what a customer's page was told last, for as long as it would be told the same.
 *
 * A handler that keeps its answer says of which partitions of the store it was made, with their
 * stamps from before it read them, and until when the clock changes nothing in it. It must be the
 * same for every session of that user: it is kept once for all of them. Who a session is of is kept
 * beside it, with the session's own stamp. When a session that was let in asks the same again, the
 * store is asked for those stamps alone: if none has changed, the kept answer is the answer, and
 * neither the session nor a record is read. So a log-out, a suspension or a purchase is seen by the
 * next call, as without this.
 *
 * Bounded: an answer takes the place of one that was not asked for as long, a session that of any
 * other. Any thread.
 */
#ifndef RPC_SERVICES_ANSWERS_H
#define RPC_SERVICES_ANSWERS_H

#include "rpc/services/internal.h"

/* An answer to keep at most, packed, in bytes; and the partitions of one beside its session's. */
#define ANSWER_BYTES_MAX 4096
#define ANSWER_PARTITIONS_MAX 4

struct answers;

/* NULL when out of memory. */
struct answers *answers_create(struct store_client *store);
/* Once no call is under way. Takes NULL. */
void answers_destroy(struct answers *answers);

/* The server's early stage; `self` of the result is the answers. */
struct rpc_server_early answers_early(struct answers *answers);

/* The partition of the sessions with that hash. Borrows it. */
struct store_partition answers_session_partition(const uint8_t hash[static RPC_SESSION_HASH_BYTES]);

/*
 * For a handler, before it reads: fills the response from a kept answer that still holds, for a
 * session that was not let in before. False: there is none, or what it was made of is not in sight,
 * or no memory; the response is untouched.
 */
bool answers_fill(struct answers *answers, struct rpc_server_call *call, void *response);

/* What an answer was made of. */
struct answer_basis {
    struct store_partition partitions[ANSWER_PARTITIONS_MAX];
    uint64_t stamps[ANSWER_PARTITIONS_MAX]; /* from before they were read */
    size_t count;
    int64_t until_ms; /* the clock changes nothing in it before then */
};

/*
 * Keeps what a handler is about to answer. At its best: nothing is kept of a call that no session
 * of the customer's own made, of what was being written meanwhile, or where there is no room.
 */
void answers_keep(struct answers *answers, struct rpc_server_call *call,
                  const struct answer_basis *basis, const void *response);

#endif
