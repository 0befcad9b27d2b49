/*
 * Requests to messages, by the route's declaration. Pure.
 */
#ifndef REST_TRANSCODE_H
#define REST_TRANSCODE_H

#include "rest/route.h"
#include "rpc/json.h"

/* What came of a request that the route was found for. All of it outlives the message. */
struct transcode_request {
    const struct json_codec *codec; /* of json_options_api */
    const struct route *route;
    const struct path *path;  /* as router_match has left it */
    struct span query;        /* as it was sent, without its question mark */
    struct span body;         /* no bytes: there is none */
    struct span content_type; /* for raw bodies */
    struct arena *arena;
};

/*
 * Makes the method's request message of body, query and path, in the arena; a raw body's bytes are
 * borrowed. A missing body is {}. INVALID_ARGUMENT with the field: a value that does not fit, a
 * parameter that is unknown, malformed, not repeated but sent twice, or filled by the path or the
 * body; a body that contradicts the path. Of the body also what json_parse says.
 */
enum rpc_code transcode_request(const struct transcode_request *request,
                                ProtobufCMessage **ret_message, struct rpc_status *status)
    __attribute__((warn_unused_result));

#endif
