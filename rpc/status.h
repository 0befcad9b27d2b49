/*
 * The outcome of a call. A function that can fail returns the code (RPC_OK is 0) and, if it is
 * given a status object (its last argument), fills in the detail. A status is a plain value.
 */
#ifndef RPC_STATUS_H
#define RPC_STATUS_H

#include <stdint.h>

#include "lotcast/v1/status.pb-c.h"
#include "rpc/base/arena.h"

/* gRPC's codes (grpc/doc/statuscodes.md). */
enum rpc_code {
    RPC_OK = 0,
    RPC_CANCELLED = 1,
    RPC_UNKNOWN = 2,
    RPC_INVALID_ARGUMENT = 3,
    RPC_DEADLINE_EXCEEDED = 4,
    RPC_NOT_FOUND = 5,
    RPC_ALREADY_EXISTS = 6,
    RPC_PERMISSION_DENIED = 7,
    RPC_RESOURCE_EXHAUSTED = 8,
    RPC_FAILED_PRECONDITION = 9,
    RPC_ABORTED = 10,
    RPC_OUT_OF_RANGE = 11,
    RPC_UNIMPLEMENTED = 12,
    RPC_INTERNAL = 13,
    RPC_UNAVAILABLE = 14,
    RPC_DATA_LOSS = 15,
    RPC_UNAUTHENTICATED = 16,
    RPC_CODE_COUNT
};

/* Sizes of a status' texts, in bytes with their NUL; longer ones are cut at a character. */
#define RPC_STATUS_MESSAGE_BYTES 256
#define RPC_STATUS_FIELD_BYTES 128
#define RPC_STATUS_UPSTREAM_BYTES 16
#define RPC_STATUS_CAMPAIGN_BYTES 64

struct rpc_status {
    enum rpc_code code;
    Lotcast__V1__Reason reason;             /* REASON_UNSPECIFIED: a plain code */
    uint32_t retry_after_ms;                /* 0: none */
    int64_t position;                       /* byte offset in a JSON text; -1: none */
    char message[RPC_STATUS_MESSAGE_BYTES]; /* safe to show to people */
    char field[RPC_STATUS_FIELD_BYTES];
    char upstream[RPC_STATUS_UPSTREAM_BYTES];
    char campaign_id[RPC_STATUS_CAMPAIGN_BYTES];
};

/* Which methods may answer a reason that they do not declare (MethodRules.reasons). */
enum rpc_reason_scope {
    RPC_REASON_DECLARED, /* none: whoever may answer it declares it */
    RPC_REASON_PATH,     /* none: it is said of a path, before there is a method */
    RPC_REASON_ANY,      /* all */
    RPC_REASON_HTTP,     /* those with a route: the request's size and head */
    RPC_REASON_ORIGIN,   /* those with a route that is no GET, unless they are exempt */
    RPC_REASON_BODY,     /* those with a route whose body is JSON */
    RPC_REASON_SESSION,  /* those for a customer, an admin or any user */
    RPC_REASON_ACCESS,   /* those that are not public */
    RPC_REASON_NAMED,    /* those for a customer, whom an admin or operator names */
};

/* What a reason means everywhere: the one table (rpc/reason.c). */
struct rpc_reason {
    Lotcast__V1__Reason reason;
    const char *name; /* INVALID_URL, as JSON has it */
    enum rpc_code code;
    int http_status;
    enum rpc_reason_scope scope; /* registry_method_may_answer() applies it */
    const char *message;         /* for people */
};

/* The row of a reason; REASON_INTERNAL's for one that is not known. Never NULL, static. */
const struct rpc_reason *rpc_reason_get(Lotcast__V1__Reason reason);
/* The reason that a plain code is shown as: UNAVAILABLE for RPC_UNAVAILABLE, … */
Lotcast__V1__Reason rpc_reason_of_code(enum rpc_code code);
/* gRPC's name of a code, RESOURCE_EXHAUSTED; "UNKNOWN" out of range. */
const char *rpc_code_name(enum rpc_code code);

/* Each of these accepts a NULL status (the detail is not wanted). They never fail. */

/* OK, with no detail. */
void rpc_status_clear(struct rpc_status *status);
/* A plain code with a formatted message; returns the code. */
enum rpc_code rpc_status_set(struct rpc_status *status, enum rpc_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A reason with its code and message from the table, and the wrong field's path (NULL: none);
 * returns the code. */
enum rpc_code rpc_status_fail(struct rpc_status *status, Lotcast__V1__Reason reason,
                              const char *field);
/* The same with a message of its own, for people. */
enum rpc_code rpc_status_fail_message(struct rpc_status *status, Lotcast__V1__Reason reason,
                                      const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* UPSTREAM_ERROR with details.upstream: meta, stripe or website. */
enum rpc_code rpc_status_fail_upstream(struct rpc_status *status, const char *upstream);

/* The wire form, for a header: allocated in `arena`, texts borrowed from `status`. NULL on
 * exhaustion. */
Lotcast__V1__Status *rpc_status_to_message(const struct rpc_status *status, struct arena *arena);
/* The reverse; NULL means OK. A code that is not known becomes RPC_UNKNOWN. */
void rpc_status_from_message(struct rpc_status *status, const Lotcast__V1__Status *message);

#endif
