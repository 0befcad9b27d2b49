/*
 * The stamps of a store that runs in another process of this machine, for store_client_set_near: in
 * sight, though the records are not.
 *
 * Nothing is trusted for being there: stamps begin at a number that no other store began at, so a
 * stamp that is seen here and equals one that a call has brought is that store's. While the file is
 * absent or no longer the directory's, each stamp reads as 0, which equals nothing, and callers ask
 * the store. Any thread.
 */
#ifndef STORE_SIGHT_H
#define STORE_SIGHT_H

#include "rpc/registry.h"
#include "store/client.h"

struct store_sight;

/* Of the store in that directory, whether it is there yet or not; borrows the registry. NULL when
 * out of memory, or if the registry's tables are none. */
struct store_sight *store_sight_create(const char *directory, const struct registry *registry);
/* Behind the clients that use it. Takes NULL. */
void store_sight_destroy(struct store_sight *sight);
struct store_near store_sight_near(const struct store_sight *sight);

#endif
