/*
 * The router: google.api.http templates of the registry in a trie. Made at start, immutable, any
 * thread.
 */
#ifndef REST_ROUTER_H
#define REST_ROUTER_H

#include "rest/path.h"
#include "rpc/registry.h"

/* Variables of one template. */
#define ROUTE_VARIABLES_MAX 8
/* An Allow header's value with its NUL. */
#define ROUTER_ALLOW_BYTES 128

struct route_variable {
    const char *field; /* JSON path of the field it fills, "customerId" */
    size_t first;      /* segments that it takes */
    size_t count;
};

enum route_body { ROUTE_BODY_NONE, ROUTE_BODY_ALL, ROUTE_BODY_FIELD };

struct route {
    const struct registry_method *method;
    size_t index;         /* 0 … router_route_count - 1, by which callers keep tables */
    const char *verb;     /* GET */
    const char *template; /* /api/customers/{id}, for logs and metrics */
    enum route_body body;
    const struct registry_field *body_field; /* of ROUTE_BODY_FIELD */
    size_t variable_count;
    struct route_variable variables[ROUTE_VARIABLES_MAX];
    bool raw_request; /* what the body fills is a google.api.HttpBody: it is taken as it is */
    bool raw_answer;  /* what is answered is a google.api.HttpBody: it is sent as it is */
    /* Fields of the response that are not its JSON; NULL where there is none. */
    const struct registry_field *redirect;   /* the Location of a 302 */
    const struct registry_field *session;    /* becomes the cookie */
    const struct registry_field *accepted;   /* true: 202 */
    const struct registry_field *answer;     /* is all that is answered */
    const struct registry_field *attachment; /* name of the file that the answer is saved as */
};

struct router;

/*
 * Takes all routes of the registry, which must outlive the router. RPC_FAILED_PRECONDITION, with a
 * message that names the method, for a template that is malformed or of a form that is not served,
 * a route declared twice, an unknown or unfit field, a route of an INTERNAL or a streaming method.
 */
enum rpc_code router_create(const struct registry *registry, struct router **ret_router,
                            struct rpc_status *status) __attribute__((warn_unused_result));
void router_destroy(struct router *router);

enum router_outcome { ROUTER_FOUND, ROUTER_NO_PATH, ROUTER_NO_VERB };

/*
 * Finds the route of a path and a verb; HEAD finds GET's unless that method says no_head. Literals
 * win over variables. Where the path is known, `ret_allow` has all verbs that it takes, "GET, HEAD,
 * OPTIONS"; OPTIONS itself is never found.
 */
enum router_outcome router_match(const struct router *router, const struct path *path,
                                 struct span verb, const struct route **ret_route,
                                 char ret_allow[static ROUTER_ALLOW_BYTES]);

size_t router_route_count(const struct router *router);
const struct route *router_route_at(const struct router *router, size_t index);

#endif
