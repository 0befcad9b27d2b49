/* What the parts of the store's client share. */
#ifndef STORE_CLIENT_INTERNAL_H
#define STORE_CLIENT_INTERNAL_H

#include "store/client.h"

struct store_client {
    struct rpc_channel *channel;
    const struct registry *registry;
    struct store_near near; /* `read` NULL: the store is elsewhere */
    const struct registry_method *read;
    const struct registry_method *stamps;
    const struct registry_method *commit;
    const struct registry_method *query;
    const struct registry_method *backup;
    const struct registry_method *stream_backup;
    const struct registry_method *check;
};

/* The partitions as messages, in the arena. False: it is full. A table that the registry does not
 * know is 0, which the store refuses. */
bool store__partitions_make(const struct store_client *client, struct arena *arena,
                            const struct store_partition *partitions, size_t count,
                            Lotcast__V1__Partition ***ret_made);

#endif
