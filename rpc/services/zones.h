/*
 * The system's time zones (tzdata), each read once and kept until the end.
 */
#ifndef RPC_SERVICES_ZONES_H
#define RPC_SERVICES_ZONES_H

#include <stdbool.h>

#include "rpc/services/model/zone.h"

struct zones;

/* NULL when out of memory. */
struct zones *zones_create(void);
/* Takes NULL. */
void zones_destroy(struct zones *zones);

/*
 * The zone of an IANA name, lent for the life of `zones`; NULL is UTC, as "" and "UTC" are. False
 * if there is no such zone. Reads a small file the first time. Any thread.
 */
bool zones_find(struct zones *zones, const char *name, const struct zone **ret_zone);

/* As clients see a customer's zone: the name, or "UTC" where none was set. Never NULL; lent as
 * `name` is. */
const char *zones_shown(const char *name);

#endif
