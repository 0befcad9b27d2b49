/*
 * What a route takes: its name and words, who may call it, parameters, headers, body.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "rest/openapi_internal.h"

/* Nesting of query parameters (filters[inStock]) at most. */
#define QUERY_DEPTH_MAX 8

/* --- headers that requests may carry --- */

struct parameter_text {
    const char *name; /* of the component */
    const char *header;
    const char *description;
    const char *pattern;
    uint32_t length_max;
};

static const struct parameter_text parameter_texts[OPENAPI__PARAMETER_COUNT] = {
    [OPENAPI__PARAMETER_REQUEST_ID] = {"RequestId", "X-Request-Id",
                                       "Of 1 to 64 of `A-Z a-z 0-9 . _ -`: the answer and every "
                                       "log line carry it. Else a new one "
                                       "is made.",
                                       "^[A-Za-z0-9._-]+$", 64},
    [OPENAPI__PARAMETER_CUSTOMER_ID] =
        {"CustomerId", "X-Customer-ID",
         "For admins alone: the customer whose data is looked at. From anyone else it is "
         "`FORBIDDEN`.",
         "^[1-9][0-9]*$", 18},
    [OPENAPI__PARAMETER_IDEMPOTENCY_KEY] =
        {"IdempotencyKey", "Idempotency-Key",
         "1 to 128 visible ASCII characters, chosen by the client. The same key with the same body "
         "gets the same answer and has no second effect; with another body it is a `CONFLICT`.",
         "^[!-~]+$", 128},
    [OPENAPI__PARAMETER_IF_NONE_MATCH] =
        {"IfNoneMatch", "If-None-Match",
         "The `ETag` of an earlier answer. If it is still the right one, the answer is 304.", NULL,
         0},
};

static void write_header_parameter(struct openapi__document *document, const char *key,
                                   const struct parameter_text *text)
{
    openapi__open(document, key);
    openapi__text(document, "name", text->header);
    openapi__text(document, "in", "header");
    openapi__text(document, "description", text->description);
    openapi__open(document, "schema");
    openapi__text(document, "type", "string");
    if (text->pattern != NULL) {
        openapi__text(document, "pattern", text->pattern);
        openapi__raw(document, "maxLength",
                     span_of_string(openapi__format(document, "%" PRIu32, text->length_max)));
    }
    openapi__close(document);
    openapi__close(document);
}

void openapi__write_parameters(struct openapi__document *document)
{
    for (size_t i = 0; i < OPENAPI__PARAMETER_COUNT; i++) {
        if (document->wanted_parameters[i])
            write_header_parameter(document, parameter_texts[i].name, &parameter_texts[i]);
    }
}

static void want_parameter(struct openapi__document *document, enum openapi__parameter parameter)
{
    document->wanted_parameters[parameter] = true;
    openapi__ref(document, NULL, "parameters", parameter_texts[parameter].name);
}

/* --- names --- */

static bool is_variable(const char *segment, size_t len)
{
    return len > 2 && segment[0] == '{';
}

/* Braces hold the variables in their order, with or without a pattern: {id}, {id=*}. */
const char *openapi__path(struct openapi__document *document, const struct route *route)
{
    const char *path = "";
    const char *at = route->template;
    size_t variable = 0, wildcard = 0;
    while (*at == '/') {
        const char *end = at + 1;
        for (size_t depth = 0; *end != '\0' && (*end != '/' || depth > 0); end++) {
            depth += *end == '{';
            depth -= *end == '}' && depth > 0;
        }
        size_t len = (size_t)(end - at) - 1;
        const char *brace = is_variable(at + 1, len) ? memchr(at + 1, '}', len) : NULL;
        if (brace != NULL && variable < route->variable_count)
            path =
                openapi__format(document, "%s/{%s}%.*s", path, route->variables[variable++].field,
                                (int)(end - brace - 1), brace + 1);
        else if (len > 0 && at[1] == '*')
            path = openapi__format(document, "%s/{wildcard%zu}", path, ++wildcard);
        else
            path = openapi__format(document, "%s%.*s", path, (int)len + 1, at);
        at = end;
    }
    return path;
}

static bool is_id_taken(const struct openapi__document *document, const struct route *route,
                        const char *name)
{
    const struct router *router = document->options->router;
    for (size_t i = 0; i < router_route_count(router); i++) {
        const struct route *other = router_route_at(router, i);
        if (other != route && strcmp(other->method->method_name, name) == 0)
            return true;
    }
    return false;
}

/* The method's name; with the service's before it and the route's number behind it where it is not
 * the only one. */
const char *openapi__operation_id(struct openapi__document *document, const struct route *route)
{
    const char *name = route->method->method_name;
    if (!is_id_taken(document, route, name))
        return openapi__format(document, "%c%s", tolower((unsigned char)name[0]), name + 1);
    return openapi__format(document, "%s_%s_%zu", openapi__short_name(route->method->service_name),
                           name, route->index);
}

/* GetMetaAccounts, for a method whose .proto says nothing: Get meta accounts. */
static const char *spell_out(struct openapi__document *document, const char *name)
{
    const char *text = openapi__format(document, "%c", name[0]);
    for (const char *at = name + 1; *at != '\0'; at++)
        text = isupper((unsigned char)*at)
                   ? openapi__format(document, "%s %c", text, tolower((unsigned char)*at))
                   : openapi__format(document, "%s%c", text, *at);
    return text;
}

static const Google__Protobuf__MethodDescriptorProto *
find_method_proto(const struct openapi__document *document, const struct registry_method *method)
{
    const Google__Protobuf__FileDescriptorSet *set =
        registry_descriptor_set(document->options->registry);
    for (size_t i = 0; i < set->n_file; i++) {
        for (size_t j = 0; j < set->file[i]->n_service; j++) {
            const Google__Protobuf__ServiceDescriptorProto *service = set->file[i]->service[j];
            const char *short_name = openapi__short_name(method->service_name);
            if (strcmp(service->name, short_name) == 0 &&
                method->method_index < service->n_method &&
                strcmp(service->method[method->method_index]->name, method->method_name) == 0)
                return service->method[method->method_index];
        }
    }
    return NULL;
}

static void write_words(struct openapi__document *document, const struct registry_method *method)
{
    const Google__Protobuf__MethodDescriptorProto *proto = find_method_proto(document, method);
    const char *comment = proto == NULL ? NULL : openapi__comment(document, proto);
    if (comment == NULL) {
        openapi__text(document, "summary", spell_out(document, method->method_name));
        return;
    }
    openapi__text(document, "summary", openapi__first_sentence(document, comment));
    openapi__text(document, "description", comment);
}

/* --- who may call it --- */

static void write_security(struct openapi__document *document, const struct registry_method *method)
{
    bool is_public = method->rules->access == LOTCAST__V1__ACCESS__ACCESS_PUBLIC;
    openapi__open_list(document, "security");
    if (is_public && method->rules->reads_session) {
        openapi__open(document, NULL);
        openapi__close(document);
    }
    if (!is_public || method->rules->reads_session) {
        openapi__open(document, NULL);
        openapi__open_list(document, "session");
        openapi__close_list(document);
        openapi__close(document);
    }
    openapi__close_list(document);
}

/* --- parameters --- */

static const struct registry_field *find_field(const struct registry_message *message,
                                               struct span json_name)
{
    for (size_t i = 0; i < message->field_count; i++) {
        if (span_equal_string(json_name, message->fields[i].json_name))
            return &message->fields[i];
    }
    return NULL;
}

/* The field of a JSON path with dots; NULL if there is none. */
static const struct registry_field *find_by_path(const struct registry_message *message,
                                                 const char *path)
{
    const struct registry_field *field = NULL;
    while (message != NULL) {
        size_t len = strcspn(path, ".");
        field = find_field(message, span_of(path, len));
        if (path[len] == '\0')
            return field;
        message = field == NULL ? NULL : field->message;
        path += len + 1;
    }
    return NULL;
}

static void write_parameter(struct openapi__document *document, const char *name, const char *in,
                            const struct registry_field *field)
{
    const char *comment = field == NULL ? NULL : openapi__comment(document, field->proto);
    bool in_path = strcmp(in, "path") == 0;
    openapi__open(document, NULL);
    openapi__text(document, "name", name);
    openapi__text(document, "in", in);
    if (comment != NULL)
        openapi__text(document, "description", comment);
    if (in_path || field->rules->required)
        openapi__bool(document, "required", true);
    if (field != NULL) {
        openapi__parameter_schema(document, "schema", field);
    } else {
        openapi__open(document, "schema");
        openapi__text(document, "type", "string");
        openapi__close(document);
    }
    openapi__close(document);
}

static void write_path_parameters(struct openapi__document *document, const struct route *route)
{
    const char *path = openapi__path(document, route);
    for (size_t i = 0; i < route->variable_count; i++)
        write_parameter(document, route->variables[i].field, "path",
                        find_by_path(route->method->input, route->variables[i].field));
    for (unsigned i = 1;; i++) {
        const char *name = openapi__format(document, "wildcard%u", i);
        if (strstr(path, openapi__format(document, "{%s}", name)) == NULL)
            return;
        write_parameter(document, name, "path", NULL);
    }
}

static bool is_bound(const struct route *route, const struct registry_field *field,
                     const char *dotted)
{
    for (size_t i = 0; i < route->variable_count; i++) {
        if (strcmp(route->variables[i].field, dotted) == 0)
            return true;
    }
    return field == route->body_field;
}

/* A message whose fields are parameters, and how far it is written. */
struct level {
    const struct registry_message *message;
    size_t next;
    const char *dotted;   /* filters. */
    const char *brackets; /* filters */
};

/* Every scalar that neither the path nor the body fills, nested ones in brackets. */
static void write_query_parameters(struct openapi__document *document, const struct route *route)
{
    struct level levels[QUERY_DEPTH_MAX];
    size_t depth = 1;
    if (route->body == ROUTE_BODY_ALL)
        return;
    levels[0] = (struct level){.message = route->method->input, .dotted = "", .brackets = ""};
    while (depth > 0) {
        struct level *level = &levels[depth - 1];
        if (level->next == level->message->field_count) {
            depth--;
            continue;
        }
        const struct registry_field *field = &level->message->fields[level->next++];
        const char *dotted = openapi__format(document, "%s%s", level->dotted, field->json_name);
        const char *name =
            depth == 1 ? field->json_name
                       : openapi__format(document, "%s[%s]", level->brackets, field->json_name);
        if (is_bound(route, field, dotted))
            continue;
        if (openapi__is_parameter(field))
            write_parameter(document, name, "query", field);
        else if (!openapi__is_scalar(field) && depth < QUERY_DEPTH_MAX &&
                 field->descriptor->label != PROTOBUF_C_LABEL_REPEATED)
            levels[depth++] = (struct level){
                .message = field->message,
                .dotted = openapi__format(document, "%s.", dotted),
                .brackets = name,
            };
    }
}

/* stripe-signature as people write it: Stripe-Signature. */
static const char *capitalise(struct openapi__document *document, const char *name)
{
    const char *text = "";
    for (const char *at = name; *at != '\0'; at++) {
        bool first = at == name || at[-1] == '-';
        text = openapi__format(document, "%s%c", text,
                               first ? toupper((unsigned char)*at) : (unsigned char)*at);
    }
    return text;
}

/* What the facade passes on to the method alone. */
static void write_forwarded(struct openapi__document *document,
                            const struct registry_method *method)
{
    for (size_t i = 0; i < method->rules->n_forward_headers; i++) {
        openapi__open(document, NULL);
        openapi__text(document, "name", capitalise(document, method->rules->forward_headers[i]));
        openapi__text(document, "in", "header");
        openapi__text(document, "description", "Checked by the method itself.");
        openapi__bool(document, "required", true);
        openapi__open(document, "schema");
        openapi__text(document, "type", "string");
        openapi__close(document);
        openapi__close(document);
    }
}

/* An admin may view as a customer, and name the customer of a path again. */
static bool takes_customer_id(const struct route *route)
{
    const struct registry_method *method = route->method;
    if (method->rules->access == LOTCAST__V1__ACCESS__ACCESS_CUSTOMER)
        return method->read_only && strcmp(route->verb, "GET") == 0;
    return method->rules->access == LOTCAST__V1__ACCESS__ACCESS_ADMIN && route->variable_count > 0;
}

static void write_route_parameters(struct openapi__document *document, const struct route *route)
{
    const Lotcast__V1__MethodRules *rules = route->method->rules;
    openapi__open_list(document, "parameters");
    write_path_parameters(document, route);
    write_query_parameters(document, route);
    write_forwarded(document, route->method);
    if (takes_customer_id(route))
        want_parameter(document, OPENAPI__PARAMETER_CUSTOMER_ID);
    if (rules->idempotency_key)
        want_parameter(document, OPENAPI__PARAMETER_IDEMPOTENCY_KEY);
    if (rules->cacheable)
        want_parameter(document, OPENAPI__PARAMETER_IF_NONE_MATCH);
    want_parameter(document, OPENAPI__PARAMETER_REQUEST_ID);
    openapi__close_list(document);
}

/* --- body --- */

static bool has_required(const struct registry_message *message, const struct route *route)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct registry_field *field = &message->fields[i];
        if (field->rules->required && !is_bound(route, field, field->json_name))
            return true;
    }
    return false;
}

/* An example that is JSON of the message. */
static void write_request_example(struct openapi__document *document,
                                  const struct registry_message *message)
{
    struct span example = span_of_string(message->rules->example);
    ProtobufCMessage *parsed = arena_alloc(&document->arena, message->descriptor->sizeof_message);
    if (example.len == 0 || parsed == NULL)
        return;
    protobuf_c_message_init(message->descriptor, parsed);
    struct rpc_status why;
    if (json_parse(document->options->codec, example, &document->arena, parsed, &why) != RPC_OK) {
        if (document->code == RPC_OK)
            document->code = rpc_status_set(document->status, RPC_FAILED_PRECONDITION,
                                            "the example of %s is none: %s %s", message->name,
                                            why.message, why.field);
        return;
    }
    openapi__raw(document, "example", example);
}

static void write_raw_body(struct openapi__document *document, const struct route *route)
{
    const char *type = route->method->rules->request_type;
    openapi__bool(document, "required", true);
    openapi__open(document, "content");
    openapi__open(document, type[0] == '\0' ? "application/octet-stream" : type);
    openapi__open(document, "schema");
    if (strcmp(type, "application/json") == 0)
        openapi__text(document, "type", "object");
    openapi__close(document);
    openapi__close(document);
    openapi__close(document);
}

/* The body is a field's value and no object of its own: a text, a list, a time. */
static void write_value_body(struct openapi__document *document, const struct registry_field *field)
{
    openapi__bool(document, "required", field->rules->required);
    openapi__open(document, "content");
    openapi__open(document, "application/json");
    openapi__field_schema(document, "schema", field, OPENAPI__REQUEST);
    openapi__close(document);
    openapi__close(document);
}

static void write_body(struct openapi__document *document, const struct route *route)
{
    if (route->body == ROUTE_BODY_NONE)
        return;
    openapi__open(document, "requestBody");
    if (route->raw_request) {
        write_raw_body(document, route);
        openapi__close(document);
        return;
    }
    if (route->body == ROUTE_BODY_FIELD && !field_is_object(route->body_field)) {
        write_value_body(document, route->body_field);
        openapi__close(document);
        return;
    }
    const struct registry_message *message =
        route->body == ROUTE_BODY_ALL ? route->method->input : route->body_field->message;
    openapi__bool(document, "required", has_required(message, route));
    openapi__open(document, "content");
    openapi__open(document, "application/json");
    openapi__schema_ref(document, "schema", message, OPENAPI__REQUEST,
                        route->body == ROUTE_BODY_ALL && route->variable_count > 0 ? route : NULL);
    write_request_example(document, message);
    openapi__close(document);
    openapi__close(document);
    openapi__close(document);
}

/* --- operations --- */

static void write_tag(struct openapi__document *document, const char *tag)
{
    openapi__open_list(document, "tags");
    openapi__text(document, NULL, tag);
    openapi__close_list(document);
}

static const char *verb_key(struct openapi__document *document, const char *verb)
{
    const char *key = "";
    for (const char *at = verb; *at != '\0'; at++)
        key = openapi__format(document, "%s%c", key, tolower((unsigned char)*at));
    return key;
}

void openapi__write_operation(struct openapi__document *document, const struct route *route)
{
    const struct registry_method *method = route->method;
    openapi__open(document, verb_key(document, route->verb));
    write_tag(document, openapi__short_name(method->service_name));
    openapi__text(document, "operationId", openapi__operation_id(document, route));
    write_words(document, method);
    write_security(document, method);
    write_route_parameters(document, route);
    write_body(document, route);
    openapi__write_answers(document, route);
    openapi__close(document);
}

void openapi__write_page(struct openapi__document *document, const struct openapi_page *page)
{
    openapi__open(document, page->path);
    openapi__open(document, "get");
    write_tag(document, OPENAPI__PAGES_TAG);
    openapi__text(document, "operationId", page->operation_id);
    openapi__text(document, "summary", page->summary);
    openapi__text(document, "description", page->description);
    openapi__open_list(document, "security");
    openapi__close_list(document);
    openapi__open_list(document, "parameters");
    if (page->cacheable)
        want_parameter(document, OPENAPI__PARAMETER_IF_NONE_MATCH);
    want_parameter(document, OPENAPI__PARAMETER_REQUEST_ID);
    openapi__close_list(document);
    openapi__write_page_answers(document, page);
    openapi__close(document);
    openapi__close(document);
}
