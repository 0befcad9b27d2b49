/* Stamps in sight. */
#include "store/client_internal.h"

void store_client_set_near(struct store_client *client, const struct store_near *near)
{
    client->near = *near;
}

bool store_near_find(const struct store_client *client, struct arena *arena,
                     const struct store_partition *partitions, size_t count, uint32_t *ret_places)
{
    Lotcast__V1__Partition **made;
    if (client->near.read == NULL ||
        !store__partitions_make(client, arena, partitions, count, &made))
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t place;
        if (client->near.find(client->near.store, made[i], &place, NULL) != RPC_OK ||
            place > UINT32_MAX)
            return false;
        ret_places[i] = (uint32_t)place;
    }
    return true;
}

bool store_near_is_here(const struct store_client *client)
{
    return client->near.is_here;
}

uint64_t store_near_stamp(const struct store_client *client, uint32_t place)
{
    return client->near.read(client->near.store, place);
}
