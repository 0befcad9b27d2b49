/*
 * HTTP to messages, by the route's declaration: body, then query, then path variables, which win.
 * Each fills fields of its own (http.proto): the path its variables', the body its field or all the
 * rest, the query what is left.
 */
#include "rest/transcode.h"

#include <string.h>

#include "google/api/httpbody.pb-c.h"
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
static enum rpc_code take_raw_body(const struct transcode_request *request,
                                   ProtobufCMessage *message, struct rpc_status *status)
{
    Google__Api__HttpBody *body = (Google__Api__HttpBody *)(void *)message;
    struct span sent = request->content_type;
    const char *type = "";
    if (sent.len > 0 && utf8_valid((const char *)sent.data, sent.len, NULL))
        type = arena_strndup(request->arena, sent.data, sent.len);
    if (type == NULL)
        return out_of_memory(status);
    body->content_type = (char *)type;
    body->data.data = request->body.len == 0 ? NULL : (uint8_t *)(uintptr_t)request->body.data;
    body->data.len = request->body.len;
    return RPC_OK;
}

/* A message for a field that the body is, put where it belongs. */
static ProtobufCMessage *create_field(const struct transcode_request *request,
                                      ProtobufCMessage *message, const struct registry_field *field)
{
    ProtobufCMessage *inner = create_message(request->arena, field->message->descriptor);
    if (inner == NULL)
        return NULL;
    uint8_t *base = (uint8_t *)message;
    memcpy(base + field->descriptor->offset, &inner, sizeof inner);
    if (field->oneof_index >= 0)
        memcpy(base + field->descriptor->quantifier_offset, &field->descriptor->id,
               sizeof field->descriptor->id);
    return inner;
}

/*
 * A body that is a field's value and no object of its own: `"text"`, `[1,2]`, a Timestamp. The
 * codec reads it as the one member of an object, once it is known to be one value.
 */
static enum rpc_code parse_value(const struct transcode_request *request, struct span body,
                                 ProtobufCMessage *message, struct rpc_status *status)
{
    const char *name = request->route->body_field->json_name;
    size_t position = 0;
    if (!json_text_check(body, &position)) {
        enum rpc_code code =
            rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_JSON, NULL);
        status->position = (int64_t)position;
        return code;
    }
    const char *text =
        arena_printf(request->arena, "{\"%s\":%.*s}", name, (int)body.len, (const char *)body.data);
    if (text == NULL)
        return out_of_memory(status);
    enum rpc_code code =
        json_parse(request->codec, span_of_string(text), request->arena, message, status);
    if (code != RPC_OK && status->position >= 0) /* nested too deep */
        status->position -= (int64_t)strlen(name) + 4;
    return code;
}

/* A missing body is {}, or no field; a raw one, of no bytes. */
static enum rpc_code parse_body(const struct transcode_request *request, ProtobufCMessage *message,
                                struct rpc_status *status)
{
    const struct route *route = request->route;
    struct span body = request->body;
    if (route->body == ROUTE_BODY_NONE || (body.len == 0 && !route->raw_request))
        return RPC_OK;
    if (route->body == ROUTE_BODY_FIELD && !field_is_object(route->body_field))
        return parse_value(request, body, message, status);
    if (route->body == ROUTE_BODY_FIELD)
        message = create_field(request, message, route->body_field);
    if (message == NULL)
        return out_of_memory(status);
    if (route->raw_request)
        return take_raw_body(request, message, status);
    return json_parse(request->codec, body, request->arena, message, status);
}

static enum rpc_code invalid(const struct transcode_request *request, struct span field,
                             struct rpc_status *status)
{
    const char *text = field.len == 0 ? "" : arena_strndup(request->arena, field.data, field.len);
    return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                           text == NULL ? "" : text);
}

static enum rpc_code set_field(const struct transcode_request *request, ProtobufCMessage *message,
                               struct span field, struct span text, struct rpc_status *status)
{
    enum rpc_code code =
        json_set_from_text(request->codec, message, field, text, request->arena, status);
    if (code == RPC_OK || code == RPC_RESOURCE_EXHAUSTED)
        return code;
    return invalid(request, field, status); /* an unknown parameter is INVALID_ARGUMENT too */
}

/*
 * Whether a parameter may fill a field: one that neither the path nor the body fills; only a
 * repeated one may come again.
 */
static bool may_fill(const struct route *route, const struct query *query, size_t index)
{
    struct span name = query->parameters[index].field;
    struct field_path path;
    if (route->body == ROUTE_BODY_ALL ||
        !field_path_resolve(route->method->input, name, FIELD_NAMES_JSON, &path) ||
        (route->body == ROUTE_BODY_FIELD && path.fields[0] == route->body_field))
        return false;
    for (size_t i = 0; i < route->variable_count; i++) {
        if (span_equal_string(name, route->variables[i].field))
            return false;
    }
    for (size_t i = 0; !field_is_repeated(field_path_leaf(&path)) && i < index; i++) {
        if (span_equal(name, query->parameters[i].field))
            return false;
    }
    return true;
}

/* With the whole message in the body no parameter is known. */
static enum rpc_code apply_query(const struct transcode_request *request, ProtobufCMessage *message,
                                 struct rpc_status *status)
{
    struct span field = {0};
    struct query query;
    if (request->query.len == 0)
        return RPC_OK;
    switch (query_parse(request->query, request->arena, &query, &field)) {
    case QUERY_MALFORMED:
        return invalid(request, field, status);
    case QUERY_EXHAUSTED:
        return out_of_memory(status);
    case QUERY_OK:
        break;
    }
    for (size_t i = 0; i < query.count; i++) {
        const struct query_parameter *parameter = &query.parameters[i];
        if (!may_fill(request->route, &query, i))
            return rpc_status_fail_message(
                status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                arena_strndup(request->arena, parameter->field.data, parameter->field.len),
                "%.*s is no parameter of this request, or comes twice", (int)parameter->field.len,
                (const char *)parameter->field.data);
        enum rpc_code code =
            set_field(request, message, parameter->field, parameter->value, status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

/* --- path --- */

/* What a scalar is, of any type; absent ones are the default. */
struct scalar {
    uint64_t bits; /* a number's own bytes */
    struct span bytes;
};

static bool is_wide(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_INT64 || type == PROTOBUF_C_TYPE_SINT64 ||
           type == PROTOBUF_C_TYPE_SFIXED64 || type == PROTOBUF_C_TYPE_UINT64 ||
           type == PROTOBUF_C_TYPE_FIXED64 || type == PROTOBUF_C_TYPE_DOUBLE;
}

static struct scalar read_scalar(const void *at, ProtobufCType type)
{
    struct scalar scalar = {0};
    if (type == PROTOBUF_C_TYPE_STRING) {
        const char *text = NULL;
        memcpy(&text, at, sizeof text);
        if (text != NULL)
            scalar.bytes = span_of_string(text);
    } else if (type == PROTOBUF_C_TYPE_BYTES) {
        ProtobufCBinaryData data;
        memcpy(&data, at, sizeof data);
        scalar.bytes = span_of(data.data, data.len);
    } else {
        memcpy(&scalar.bits, at, is_wide(type) ? 8 : 4);
    }
    return scalar;
}

/* What the message says of a single scalar so far. */
static struct scalar value_of(const ProtobufCMessage *message, const struct field_path *path)
{
    const struct scalar absent = {0};
    for (size_t i = 0;; i++) {
        const ProtobufCFieldDescriptor *field = path->fields[i]->descriptor;
        const uint8_t *base = (const uint8_t *)message;
        uint32_t which = field->id;
        if (path->fields[i]->oneof_index >= 0)
            memcpy(&which, base + field->quantifier_offset, sizeof which);
        if (which != field->id)
            return absent;
        if (i + 1 == path->count)
            return read_scalar(base + field->offset, field->type);
        memcpy(&message, base + field->offset, sizeof message);
        if (message == NULL)
            return absent;
    }
}

static bool is_default(const struct scalar *scalar)
{
    return scalar->bits == 0 && scalar->bytes.len == 0;
}

/* A body may repeat what the path says, and not contradict it. */
static enum rpc_code apply_variable(const struct transcode_request *request,
                                    const struct route_variable *variable,
                                    ProtobufCMessage *message, struct rpc_status *status)
{
    struct scalar before = value_of(message, &variable->path);
    struct span name = span_of_string(variable->field);
    struct span text;
    if (route_variable_read(variable, request->path, request->arena, &text) != RPC_OK)
        return out_of_memory(status);
    enum rpc_code code = set_field(request, message, name, text, status);
    if (code != RPC_OK || is_default(&before))
        return code;
    struct scalar after = value_of(message, &variable->path);
    return before.bits == after.bits && span_equal(before.bytes, after.bytes)
               ? RPC_OK
               : invalid(request, name, status);
}

static enum rpc_code apply_path(const struct transcode_request *request, ProtobufCMessage *message,
                                struct rpc_status *status)
{
    const struct route *route = request->route;
    for (size_t i = 0; i < route->variable_count; i++) {
        enum rpc_code code = apply_variable(request, &route->variables[i], message, status);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

enum rpc_code transcode_request(const struct transcode_request *request,
                                ProtobufCMessage **ret_message, struct rpc_status *status)
{
    ProtobufCMessage *message =
        create_message(request->arena, request->route->method->input->descriptor);
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
