/*
 * Who calls, and what they may call: sections 3 and 9 of the contract, in one place. The auth
 * interceptor applies it to every call; AccessControl/CheckAccess asks it about a method that was
 * not called.
 */
#ifndef RPC_SERVICES_ACCESS_H
#define RPC_SERVICES_ACCESS_H

#include "rpc/services/internal.h"

/*
 * Decides whether the caller of `call`, by its session, its peer and its metadata, may call
 * `method`, and as whom. One read of the store at most, nothing cached: a log-out counts at once in
 * every process. AUTH_REQUIRED, FORBIDDEN, NOT_FOUND (the customer that an admin or operator
 * names), INVALID_ARGUMENT (the same named twice, an identity claimed in metadata), and the store's
 * UNAVAILABLE and DEADLINE_EXCEEDED.
 */
enum rpc_code access_check(struct services *services, struct rpc_server_call *call,
                           const struct registry_method *method,
                           struct rpc_principal *ret_principal, struct rpc_status *status)
    __attribute__((warn_unused_result));

#endif
