/*
 * From a google.api.HttpRule to a route. What the rule may say is http.proto's: variables are
 * single scalars; the body is `*` or a field of the request itself; what a variable fills is no
 * part of the body.
 */
#include "rest/route.h"

#include <string.h>

#include "google/api/httpbody.pb-c.h"
#include "rest/chars.h"

/* What is being made, for messages. */
struct declaration {
    const struct registry_method *method;
    const Google__Api__HttpRule *rule;
    struct arena *arena;
    struct rpc_status *status;
};

static enum rpc_code refuse(const struct declaration *declaration, const char *why,
                            const char *what)
{
    return rpc_status_set(declaration->status, RPC_FAILED_PRECONDITION, "%s: %s: %s",
                          declaration->method->name, why, what);
}

static enum rpc_code exhausted(const struct declaration *declaration)
{
    return rpc_status_set(declaration->status, RPC_RESOURCE_EXHAUSTED, "out of memory for routes");
}

static bool is_single_scalar(const struct registry_field *field)
{
    return field->message == NULL && !field_is_repeated(field);
}

static bool is_http_body(const struct registry_message *message)
{
    return message != NULL && message->descriptor == &google__api__http_body__descriptor;
}

/* --- the pattern --- */

/* TRACE and CONNECT reach no handler. */
static bool is_verb(const char *verb)
{
    size_t len = strlen(verb);
    for (size_t i = 0; i < len; i++) {
        if (!chars_is_token(verb[i]))
            return false;
    }
    return len > 0 && len <= ROUTE_VERB_BYTES_MAX && strcmp(verb, "TRACE") != 0 &&
           strcmp(verb, "CONNECT") != 0;
}

/* --- variables --- */

static enum rpc_code add_variable(const struct declaration *declaration,
                                  const struct template *template,
                                  const struct template_variable *from, struct route *route)
{
    struct route_variable *variable = &route->variables[route->variable_count];
    const char *name =
        arena_strndup(declaration->arena, from->field_path.data, from->field_path.len);
    if (name == NULL)
        return exhausted(declaration);
    if (!field_path_resolve(declaration->method->input, from->field_path, FIELD_NAMES_PROTO,
                            &variable->path))
        return refuse(declaration, "no such field for the path", name);
    if (!is_single_scalar(field_path_leaf(&variable->path)))
        return refuse(declaration, "a path variable must be a single scalar", name);
    variable->field = field_path_print(&variable->path, declaration->arena);
    if (variable->field == NULL)
        return exhausted(declaration);
    for (size_t i = 0; i < route->variable_count; i++) {
        if (strcmp(route->variables[i].field, variable->field) == 0)
            return refuse(declaration, "a variable comes twice", route->template);
    }
    size_t last = from->first + from->count - 1;
    variable->first = from->first;
    variable->rest = template->segments[last].kind == TEMPLATE_REST;
    variable->count = from->count - variable->rest;
    variable->plain = from->count == 1 && !variable->rest;
    route->variable_count++;
    return RPC_OK;
}

static enum rpc_code resolve_pattern(const struct declaration *declaration, struct route *route,
                                     struct template *template)
{
    route->verb = registry_rule_verb(declaration->rule, &route->template);
    if (route->verb == NULL)
        return refuse(declaration, "the rule has no pattern", "http");
    if (!is_verb(route->verb))
        return refuse(declaration, "no verb that can be served", route->verb);
    const char *wrong = template_parse(span_of_string(route->template), template);
    if (wrong != NULL)
        return refuse(declaration, wrong, route->template);
    for (size_t i = 0; i < template->variable_count; i++) {
        enum rpc_code code = add_variable(declaration, template, &template->variables[i], route);
        if (code != RPC_OK)
            return code;
    }
    return RPC_OK;
}

enum rpc_code route_variable_read(const struct route_variable *variable, const struct path *path,
                                  struct arena *arena, struct span *ret_text)
{
    if (variable->plain) {
        *ret_text = path->segments[variable->first].text;
        return RPC_OK;
    }
    size_t end = variable->rest ? path->count : variable->first + variable->count;
    return path_join(path, variable->first, end, arena, ret_text) ? RPC_OK : RPC_RESOURCE_EXHAUSTED;
}

/* --- the request's body --- */

static bool takes_no_body(const char *verb)
{
    static const char *const verbs[] = {"GET", "HEAD", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i]) == 0)
            return true;
    }
    return false;
}

static enum rpc_code resolve_body_field(const struct declaration *declaration, struct route *route)
{
    const char *body = declaration->rule->body;
    const struct registry_field *field =
        field_find(declaration->method->input, span_of_string(body), FIELD_NAMES_PROTO);
    if (field == NULL)
        return refuse(declaration, "the body must be * or a field of the request", body);
    route->body = ROUTE_BODY_FIELD;
    route->body_field = field;
    route->raw_request = is_http_body(field->message) && !field_is_repeated(field);
    for (size_t i = 0; i < route->variable_count; i++) {
        const struct field_path *path = &route->variables[i].path;
        if (path->fields[0] == field && (path->count == 1 || route->raw_request))
            return refuse(declaration, "a variable fills the body's field", route->template);
    }
    return RPC_OK;
}

static enum rpc_code resolve_body(const struct declaration *declaration, struct route *route)
{
    const char *body = declaration->rule->body;
    if (is_http_body(declaration->method->input)) {
        route->raw_request = true;
        if (strcmp(body, "*") != 0 || route->variable_count > 0)
            return refuse(declaration, "a google.api.HttpBody needs the body * and no variables",
                          body);
    }
    if (*body == '\0')
        return RPC_OK;
    if (takes_no_body(route->verb))
        return refuse(declaration, "GET, HEAD, DELETE and OPTIONS carry no body", body);
    if (strcmp(body, "*") != 0)
        return resolve_body_field(declaration, route);
    route->body = ROUTE_BODY_ALL;
    return RPC_OK;
}

/* --- the response --- */

/* A single field of the response that a rule names, of the type given; none for "". */
static enum rpc_code resolve_field(const struct declaration *declaration, const char *name,
                                   ProtobufCType type, const struct registry_field **ret_field)
{
    if (*name == '\0')
        return RPC_OK;
    const struct registry_field *field =
        field_find(declaration->method->output, span_of_string(name), FIELD_NAMES_PROTO);
    if (field == NULL || field->descriptor->type != type || !is_single_scalar(field))
        return refuse(declaration, "no such field of the response, or not of its type", name);
    *ret_field = field;
    return RPC_OK;
}

static enum rpc_code resolve_session(const struct declaration *declaration, struct route *route)
{
    const struct registry_method *method = declaration->method;
    for (size_t i = 0; i < method->output->field_count; i++) {
        const struct registry_field *field = &method->output->fields[i];
        if (field->rules->session_token)
            route->session = field;
    }
    bool sets = method->rules->session == LOTCAST__V1__SESSION_EFFECT__SESSION_EFFECT_SETS;
    if (sets != (route->session != NULL))
        return refuse(declaration, "SESSION_EFFECT_SETS and a session_token field go together",
                      method->output->name);
    if (route->session != NULL && (route->session->descriptor->type != PROTOBUF_C_TYPE_STRING ||
                                   !is_single_scalar(route->session)))
        return refuse(declaration, "the session token must be a string", method->output->name);
    return RPC_OK;
}

/* The fields of the response that are not JSON. */
static enum rpc_code resolve_response(const struct declaration *declaration, struct route *route)
{
    const Lotcast__V1__MethodRules *rules = declaration->method->rules;
    const char *body = declaration->rule->response_body;
    enum rpc_code code =
        resolve_field(declaration, rules->redirect_field, PROTOBUF_C_TYPE_STRING, &route->redirect);
    if (code == RPC_OK)
        code = resolve_field(declaration, rules->accepted_field, PROTOBUF_C_TYPE_BOOL,
                             &route->accepted);
    if (code == RPC_OK)
        code = resolve_field(declaration, rules->attachment_field, PROTOBUF_C_TYPE_STRING,
                             &route->attachment);
    if (code == RPC_OK)
        code = resolve_session(declaration, route);
    route->raw_answer = is_http_body(declaration->method->output);
    if (code != RPC_OK || *body == '\0')
        return code;
    route->answer =
        field_find(declaration->method->output, span_of_string(body), FIELD_NAMES_PROTO);
    if (route->answer == NULL || route->redirect != NULL || route->answer->rules->session_token)
        return refuse(declaration,
                      "response_body must be a field that can be shown, of no redirect", body);
    route->raw_answer = is_http_body(route->answer->message) && !field_is_repeated(route->answer);
    return RPC_OK;
}

/* Items are pieces of one file; what an answer says beside its body has no place there. */
static enum rpc_code check_stream(const struct declaration *declaration, const struct route *route)
{
    if (declaration->method->server_streaming &&
        (!route->raw_answer || route->redirect != NULL || route->accepted != NULL ||
         route->session != NULL))
        return refuse(declaration, "a streaming method is answered as a google.api.HttpBody alone",
                      route->template);
    return RPC_OK;
}

enum rpc_code route_make(const struct registry_method *method, const Google__Api__HttpRule *rule,
                         struct arena *arena, struct route *ret_route,
                         struct template *ret_template, struct rpc_status *status)
{
    const struct declaration declaration = {method, rule, arena, status};
    struct route route = {.method = method};
    struct template template;
    enum rpc_code code = resolve_pattern(&declaration, &route, &template);
    if (code == RPC_OK)
        code = resolve_body(&declaration, &route);
    if (code == RPC_OK)
        code = resolve_response(&declaration, &route);
    if (code == RPC_OK)
        code = check_stream(&declaration, &route);
    if (code != RPC_OK)
        return code;
    *ret_route = route;
    *ret_template = template;
    return RPC_OK;
}
