/*
 * A route: one binding of a method, of its google.api.http rule or of that rule's
 * additional_bindings. Made at start, immutable, any thread.
 */
#ifndef REST_ROUTE_H
#define REST_ROUTE_H

#include "rest/field_path.h"
#include "rest/path.h"
#include "rest/template.h"
#include "rpc/registry.h"

#define ROUTE_VARIABLES_MAX TEMPLATE_VARIABLES_MAX
/* The verb of a rule that leaves it open. */
#define ROUTE_VERB_ANY "*"
/* A custom verb's name, in bytes. */
#define ROUTE_VERB_BYTES_MAX 15

struct route_variable {
    const char *field;      /* JSON path of the field it fills, "customerId" */
    struct field_path path; /* the same; its leaf is a single scalar */
    size_t first;           /* segments that it takes */
    size_t count;
    bool rest;  /* and all that follow */
    bool plain; /* its template is one segment: all of it is decoded, %2F too */
};

enum route_body { ROUTE_BODY_NONE, ROUTE_BODY_ALL, ROUTE_BODY_FIELD };

struct route {
    const struct registry_method *method;
    size_t index;         /* 0 … router_route_count - 1, by which callers keep tables */
    const char *verb;     /* GET; a custom one; ROUTE_VERB_ANY */
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

/*
 * Makes the route of one rule, its additional_bindings aside. What the route points to lies in the
 * arena or is the registry's. RPC_FAILED_PRECONDITION, with a message that names the method, for
 * what router_create refuses of one rule.
 */
enum rpc_code route_make(const struct registry_method *method, const Google__Api__HttpRule *rule,
                         struct arena *arena, struct route *ret_route,
                         struct template *ret_template, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* What a path of the route says of a variable. RPC_RESOURCE_EXHAUSTED (plain): the arena is full.
 */
enum rpc_code route_variable_read(const struct route_variable *variable, const struct path *path,
                                  struct arena *arena, struct span *ret_text)
    __attribute__((warn_unused_result));

#endif
