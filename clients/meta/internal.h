/*
 * What the files of clients/meta share: one call of the Graph API and one walk over a list.
 */
#ifndef CLIENTS_META_INTERNAL_H
#define CLIENTS_META_INTERNAL_H

#include "clients/meta/json_tree.h"
#include "clients/meta/meta.h"
#include "rpc/base/buffer.h"

/* Parameters of one call at most, encoded, in bytes: a batch of items is the most. */
#define META_PARAMS_BYTES_MAX ((size_t)48 * 1024 * 1024)
/* An answer at most, on the wire and decoded, in bytes. */
#define META_ANSWER_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct meta_client {
    struct meta_options options;
};

/* Every call fits one of these. */
enum meta_repeat {
    META_ONCE,       /* a create, a code exchange: never repeated here */
    META_REPEATABLE, /* a read, or a write that sets the same again */
};

struct meta__request {
    enum http_verb verb;
    enum meta_repeat repeat;
    const char *path;     /* behind the version, in the context's arena */
    const char *token;    /* NULL: a call of the app itself */
    struct buffer params; /* form-encoded */
};

/* Begins a request; parameters follow, then meta__call. */
void meta__request_init(struct meta__request *request, enum http_verb verb, enum meta_repeat repeat,
                        const char *path, const char *token);
/* Adds a parameter. What does not fit fails the call later. */
void meta__param(struct meta__request *request, const char *name, const char *value);

/*
 * Sends the request, repeats it where that is allowed, and frees it in any case. The answer is a
 * JSON object in the context's arena. Errors as meta.h has them. `ret_reduce` (may be NULL):
 * whether Meta asked for less at once.
 */
enum rpc_code meta__call(struct meta_client *client, struct rpc_context *context,
                         struct meta__request *request, const struct json_tree **ret_answer,
                         bool *ret_reduce, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* A parameter of a list. */
struct meta__pair {
    const char *name;
    const char *value;
};

/*
 * Walks over all rows of a list, page after page, on the configured base. `row` returns false to
 * end it there (with RPC_OK). A list that does not end is cut with RPC_UNAVAILABLE. A parameter
 * "limit" is the rows of a page.
 */
enum rpc_code meta__list(struct meta_client *client, struct rpc_context *context, const char *token,
                         const char *path, const struct meta__pair *params, size_t param_count,
                         bool (*row)(void *arg, const struct json_tree *row), void *arg,
                         struct rpc_status *status) __attribute__((warn_unused_result));

/* Waits, unless the context ends before: then false. */
bool meta__wait_ms(const struct rpc_context *context, int64_t ms);

/* PARENT/EDGE in the arena (edge NULL: PARENT), or NULL when the id is none: it must not be able to
 * change the path. */
const char *meta__path(struct arena *arena, const char *id, const char *edge);

/* error.c */

/* What Meta's error object and HTTP status mean. Fills in the status and returns its code. */
enum rpc_code meta__error(const struct json_tree *error, int http_status,
                          const struct http_response *response, struct arena *arena,
                          struct rpc_status *status);
/* Whether the error is "reduce the amount of data". */
bool meta__error_reduce(const struct json_tree *error);
/* The status for a code with our upstream's name. */
enum rpc_code meta__fail(enum rpc_code code, struct rpc_status *status);
/* The answer is not what the API promises. */
enum rpc_code meta__fail_answer(struct rpc_status *status);
enum rpc_code meta__fail_memory(struct rpc_status *status);

/* usage.c */

/* How long Meta wants us to wait, from the usage headers; 0: they do not say. */
int64_t meta__usage_wait_ms(const struct http_response *response, struct arena *arena);
/* How long to hold back the next call, as we come near the limit; 0: far from it. */
int64_t meta__usage_pause_ms(const struct http_response *response, struct arena *arena);

#endif
