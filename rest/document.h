/*
 * /api/openapi.json: the description of all that the facade answers, methods and other paths alike.
 * Needs no facade, so that a build can have it for the clients that are made of it.
 */
#ifndef REST_DOCUMENT_H
#define REST_DOCUMENT_H

#include "rest/openapi.h"

#define REST_DOCUMENT_PATH "/api/openapi.json"
#define REST_DOCS_PATH "/api/docs"
/* The document, in bytes. */
#define REST_DOCUMENT_BYTES_MAX ((size_t)8 * 1024 * 1024)

struct rest_document {
    const struct registry *registry;
    const struct router *router;    /* of the registry's methods */
    const struct json_codec *codec; /* json_options_api */
    const char *origin;             /* the public URL's: scheme://host:port */
    bool has_docs;                  /* /api/docs is there */
};

/* Appends it. As openapi_write. */
enum rpc_code rest_document_write(const struct rest_document *document, struct buffer *out,
                                  struct rpc_status *status) __attribute__((warn_unused_result));

#endif
