/*
 * The router: google.api.http templates of the registry in a trie. Made at start, immutable, any
 * thread.
 */
#ifndef REST_ROUTER_H
#define REST_ROUTER_H

#include "rest/route.h"

/* An Allow header's value with its NUL. */
#define ROUTER_ALLOW_BYTES 256
/* Verbs of all routes, the usual ones included. */
#define ROUTER_VERBS_MAX 14

struct router;

/*
 * Takes all routes of the registry, which must outlive the router. RPC_FAILED_PRECONDITION, with a
 * message that names the method, for a template that is malformed or has `**` before its end, two
 * routes of one verb and shape (whatever their variables are called), an unknown or unfit field, a
 * body where the verb takes none, one that a variable fills too, a binding within a binding, a
 * route of an INTERNAL method, or of a streaming one whose items are no google.api.HttpBody.
 */
enum rpc_code router_create(const struct registry *registry, struct router **ret_router,
                            struct rpc_status *status) __attribute__((warn_unused_result));
void router_destroy(struct router *router);

enum router_outcome { ROUTER_FOUND, ROUTER_NO_PATH, ROUTER_NO_VERB };

/*
 * Finds the route of a path and a verb. Literals win over `*`, that over `**`; what leads nowhere
 * is gone back on, for the sake of the verb too. HEAD finds GET's unless that method says no_head;
 * any verb but OPTIONS and TRACE finds the route that leaves it open, after its own. Where some
 * template ends in `:verb`, that is no part of the path's last segment: it is cut off there, even
 * if no route is found. Where only the verb is not known, `ret_allow` has all that the path takes,
 * "GET, HEAD, OPTIONS"; OPTIONS itself is found only where a rule names it.
 */
enum router_outcome router_match(const struct router *router, struct path *path, struct span verb,
                                 const struct route **ret_route,
                                 char ret_allow[static ROUTER_ALLOW_BYTES]);

size_t router_route_count(const struct router *router);
const struct route *router_route_at(const struct router *router, size_t index);

#endif
