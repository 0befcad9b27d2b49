/*
 * Metadata and payloads: plain values that channels and servers share.
 */
#include "rpc/channel.h"

bool rpc_metadata_add(struct rpc_metadata *metadata, const char *key, const char *value)
{
    if (metadata->count == RPC_METADATA_ENTRIES_MAX)
        return false;
    metadata->entries[metadata->count++] = (struct rpc_metadata_entry){key, value};
    return true;
}

const char *rpc_metadata_get(const struct rpc_metadata *metadata, const char *key)
{
    for (size_t i = 0; i < metadata->count; i++)
        if (strcmp(metadata->entries[i].key, key) == 0)
            return metadata->entries[i].value;
    return NULL;
}

void rpc_payload_release(struct rpc_payload *payload)
{
    if (payload == NULL || payload->free == NULL)
        return;
    struct rpc_payload taken = *payload;
    *payload = (struct rpc_payload){0};
    taken.free(&taken);
}
