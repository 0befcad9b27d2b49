/*
 * A store at which somebody else is always a moment ahead: it refuses, as a store refuses a commit
 * whose precondition does not hold (RPC_ABORTED, nothing is written), each commit that expects
 * something of a record of one type. All else goes to the store as it came.
 */
#ifndef TEST_SUPPORT_LOST_RACE_H
#define TEST_SUPPORT_LOST_RACE_H

#include "rpc/server.h"

#define LOST_RACE_METHODS_MAX 16

/* What a server serves in place of the store's service; lives as long as that server. */
struct lost_race {
    struct rpc_service service;
    rpc_handler *handlers[LOST_RACE_METHODS_MAX];
};

void lost_race_init(struct lost_race *race, const struct rpc_service *store);

/* From now on, in all stores of the process. One type at a time. */
void lost_race_begin(const struct registry *registry, const ProtobufCMessageDescriptor *record);
/* No more; how many commits lost since it began. */
int lost_race_end(void);

#endif
