/*
 * How a customer's connections are shown: in settings, and to admins.
 */
#ifndef RPC_SERVICES_CONNECTIONS_H
#define RPC_SERVICES_CONNECTIONS_H

#include "lotcast/v1/settings.pb-c.h"
#include "rpc/services/internal.h"

/* Both take NULL for no record, borrow its texts, and return NULL when the arena is full. */

/* The website that the inventory comes from; until one has been read with success there is none. */
Lotcast__V1__WebsiteConnection *
connections_website(struct arena *arena, const Lotcast__V1__WebsiteRecord *website, int64_t now_ms);
/* The selected ad account and business; connected while there is a token that Meta will take. */
Lotcast__V1__MetaConnection *connections_meta(struct arena *arena,
                                              const Lotcast__V1__MetaConnectionRecord *connection,
                                              int64_t now_ms);

#endif
