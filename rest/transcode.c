/*
 * HTTP to messages, by the route's declaration: body, then query, then path variables, which win.
 */
#include "google/api/httpbody.pb-c.h"
#include "rest/internal.h"
#include "rpc/base/utf8.h"

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the request needs too much memory");
}

static ProtobufCMessage *create_message(struct arena *arena,
                                        const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = arena_alloc(arena, descriptor->sizeof_message);
    if (message != NULL)
        protobuf_c_message_init(descriptor, message);
    return message;
}

/* The body as it is. Its bytes are the request's: they are packed before it is over. */
static enum rpc_code take_raw_body(struct rest_request *request, ProtobufCMessage *message,
                                   struct rpc_status *status)
{
    Google__Api__HttpBody *body = (Google__Api__HttpBody *)(void *)message;
    const struct rest_values *types = &request->headers[REST_HEADER_CONTENT_TYPE];
    const char *type = "";
    if (types->count == 1 &&
        utf8_valid((const char *)types->items[0].data, types->items[0].len, NULL))
        type = arena_strndup(&request->arena, types->items[0].data, types->items[0].len);
    if (type == NULL)
        return out_of_memory(status);
    body->content_type = (char *)type;
    body->data.data = (uint8_t *)request->req->entity.base;
    body->data.len = body->data.data == NULL ? 0 : request->req->entity.len;
    return RPC_OK;
}

/* A missing body is {}; a raw one, of no bytes. */
static enum rpc_code parse_body(struct rest_request *request, ProtobufCMessage *message,
                                struct rpc_status *status)
{
    const struct route *route = request->route;
    struct span body = span_of(request->req->entity.base, request->req->entity.len);
    bool is_missing = body.data == NULL || body.len == 0;
    if (route->body == ROUTE_BODY_NONE || (is_missing && !route->raw_request))
        return RPC_OK;
    ProtobufCMessage *target = message;
    if (route->body == ROUTE_BODY_FIELD) {
        target = create_message(&request->arena, route->body_field->message->descriptor);
        if (target == NULL)
            return out_of_memory(status);
        uint8_t *at = (uint8_t *)message + route->body_field->descriptor->offset;
        memcpy(at, &target, sizeof target);
    }
    if (route->raw_request)
        return take_raw_body(request, target, status);
    return json_parse(request->thread->rest->codec, body, &request->arena, target, status);
}

static enum rpc_code invalid(struct rest_request *request, struct span field,
                             struct rpc_status *status)
{
    const char *text = field.len == 0 ? "" : arena_strndup(&request->arena, field.data, field.len);
    return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                           text == NULL ? "" : text);
}

static enum rpc_code set_field(struct rest_request *request, ProtobufCMessage *message,
                               struct span field, struct span text, struct rpc_status *status)
{
    enum rpc_code code = json_set_from_text(request->thread->rest->codec, message, field, text,
                                            &request->arena, status);
    if (code == RPC_OK || code == RPC_RESOURCE_EXHAUSTED)
        return code;
    return invalid(request, field, status); /* an unknown parameter is INVALID_ARGUMENT too */
}

static bool is_path_variable(const struct route *route, struct span field)
{
    for (size_t i = 0; i < route->variable_count; i++) {
        if (span_equal_string(field, route->variables[i].field))
            return true;
    }
    return false;
}

/* With the whole message in the body no parameter is known. */
static enum rpc_code apply_query(struct rest_request *request, ProtobufCMessage *message,
                                 struct rpc_status *status)
{
    const struct route *route = request->route;
    struct span field = {0};
    struct query query;
    if (request->query.len == 0)
        return RPC_OK;
    switch (query_parse(request->query, &request->arena, &query, &field)) {
    case QUERY_MALFORMED:
    case QUERY_REPEATED:
        return invalid(request, field, status);
    case QUERY_EXHAUSTED:
        return out_of_memory(status);
    case QUERY_OK:
        break;
    }
    for (size_t i = 0; i < query.count; i++) {
        const struct query_parameter *parameter = &query.parameters[i];
        if (route->body == ROUTE_BODY_ALL || is_path_variable(route, parameter->field))
            return invalid(request, parameter->field, status);
        enum rpc_code code =
            set_field(request, message, parameter->field, parameter->value, status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

static enum rpc_code apply_path(struct rest_request *request, ProtobufCMessage *message,
                                struct rpc_status *status)
{
    const struct route *route = request->route;
    for (size_t i = 0; i < route->variable_count; i++) {
        const struct route_variable *variable = &route->variables[i];
        enum rpc_code code = set_field(request, message, span_of_string(variable->field),
                                       request->path.segments[variable->first], status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

enum rpc_code rest_transcode_request(struct rest_request *request, ProtobufCMessage **ret_message,
                                     struct rpc_status *status)
{
    ProtobufCMessage *message =
        create_message(&request->arena, request->route->method->input->descriptor);
    if (message == NULL)
        return out_of_memory(status);
    enum rpc_code code = parse_body(request, message, status);
    if (code == RPC_OK)
        code = apply_query(request, message, status);
    if (code == RPC_OK)
        code = apply_path(request, message, status);
    if (code == RPC_OK)
        *ret_message = message;
    return code;
}
