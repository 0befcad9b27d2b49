/*
 * The OpenAPI 3.1 document of the routes: made once, at start, of what proto/ declares, comments
 * included. The same declarations give the same bytes.
 */
#ifndef REST_OPENAPI_H
#define REST_OPENAPI_H

#include "rest/router.h"
#include "rpc/base/buffer.h"
#include "rpc/json.h"

/* A path that is no method of the contract: GET and HEAD, for anyone. */
struct openapi_page {
    const char *path;
    const char *operation_id;
    const char *summary;
    const char *description;
    const char *media_type;
    bool may_be_unavailable; /* answers 503 too */
    bool cacheable;          /* has an ETag */
    bool is_json;            /* an object */
};

struct openapi_options {
    const struct registry *registry;
    const struct router *router;    /* of the registry's methods */
    const struct json_codec *codec; /* json_options_api: checks and prints the examples */
    const char *public_url;         /* scheme://host:port */
    /* The public URL is the reader's own machine's (localhost): the server is named as where the
     * document was read. */
    bool is_local;
    const struct openapi_page *pages;
    size_t page_count;
};

/*
 * Appends the document. RPC_FAILED_PRECONDITION, with a message that names the culprit, for an
 * example that is no JSON of its message; RPC_RESOURCE_EXHAUSTED where `out` or memory is full.
 */
enum rpc_code openapi_write(const struct openapi_options *options, struct buffer *out,
                            struct rpc_status *status) __attribute__((warn_unused_result));

#endif
