/*
 * Templates become nodes of a trie, one a segment: literals by their text, `{field}` and `*` as one
 * wildcard node. Matching walks it depth first, literals before the wildcard, with a stack of its
 * own; a node that ends a template holds the routes of all verbs.
 */
#include "rest/router.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "google/api/httpbody.pb-c.h"
#include "rest/chars.h"
#include "rpc/base/arena.h"

/* Memory of all routes, in bytes. */
#define ROUTER_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct route_entry {
    struct route route;
    struct route_entry *next_of_node;
    struct route_entry *next_of_router;
};

struct node {
    struct span literal;
    struct node *literals; /* first child with a literal */
    struct node *wildcard;
    struct node *next; /* sibling */
    struct route_entry *entries;
};

struct router {
    struct arena arena; /* all of it */
    struct node root;
    struct route_entry *first;
    size_t count;
};

/* What is being added, for messages. */
struct declaration {
    struct router *router;
    const struct registry_method *method;
    const Google__Api__HttpRule *rule;
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

/* --- fields --- */

static const struct registry_field *find_field(const struct registry_message *message,
                                               struct span name)
{
    for (size_t i = 0; i < message->field_count; i++) {
        if (span_equal_string(name, message->fields[i].descriptor->name))
            return &message->fields[i];
    }
    return NULL;
}

static bool is_single_scalar(const struct registry_field *field)
{
    return field->message == NULL && field->descriptor->label != PROTOBUF_C_LABEL_REPEATED;
}

static bool is_http_body(const struct registry_message *message)
{
    return message != NULL && message->descriptor == &google__api__http_body__descriptor;
}

/* Adds one part of a field path to its JSON form in `json`. False: there is no such field. */
static bool step_field(const struct registry_message **message, struct span part, char *json,
                       size_t size, const struct registry_field **ret_field)
{
    size_t used = strlen(json);
    const struct registry_field *field = *message == NULL ? NULL : find_field(*message, part);
    if (field == NULL)
        return false;
    int written =
        snprintf(json + used, size - used, "%s%s", used == 0 ? "" : ".", field->json_name);
    if (written < 0 || (size_t)written >= size - used)
        return false;
    *message = field->descriptor->label == PROTOBUF_C_LABEL_REPEATED ? NULL : field->message;
    *ret_field = field;
    return true;
}

/* The JSON path of a variable's field path (proto names with dots), checked to be a scalar. */
static enum rpc_code resolve_variable(const struct declaration *declaration, struct span path,
                                      const char **ret_json)
{
    char json[RPC_STATUS_FIELD_BYTES] = "";
    const struct registry_message *message = declaration->method->input;
    const struct registry_field *field = NULL;
    size_t at = 0;
    while (at <= path.len) {
        const uint8_t *dot = at < path.len ? memchr(path.data + at, '.', path.len - at) : NULL;
        size_t end = dot == NULL ? path.len : (size_t)(dot - path.data);
        if (!step_field(&message, span_of(path.data + at, end - at), json, sizeof json, &field)) {
            const char *text = arena_strndup(&declaration->router->arena, path.data, path.len);
            return refuse(declaration, "no such field for the path", text == NULL ? "" : text);
        }
        at = end + 1;
    }
    if (!is_single_scalar(field))
        return refuse(declaration, "a path variable must be a single scalar", json);
    *ret_json = arena_strdup(&declaration->router->arena, json);
    return *ret_json == NULL ? exhausted(declaration) : RPC_OK;
}

/* --- templates --- */

static struct node *child_literal(struct router *router, struct node *parent, struct span literal)
{
    for (struct node *child = parent->literals; child != NULL; child = child->next) {
        if (span_equal(child->literal, literal))
            return child;
    }
    struct node *child = arena_calloc(&router->arena, 1, sizeof *child);
    if (child == NULL)
        return NULL;
    child->literal = literal;
    child->next = parent->literals;
    parent->literals = child;
    return child;
}

static struct node *child_wildcard(struct router *router, struct node *parent)
{
    if (parent->wildcard == NULL)
        parent->wildcard = arena_calloc(&router->arena, 1, sizeof *parent->wildcard);
    return parent->wildcard;
}

static enum rpc_code add_variable(const struct declaration *declaration, struct span segment,
                                  size_t at, struct route *route)
{
    struct span inside = span_of(segment.data + 1, segment.len - 2);
    const uint8_t *equals = inside.len == 0 ? NULL : memchr(inside.data, '=', inside.len);
    struct span name = inside;
    const char *field = NULL;
    if (equals != NULL) {
        name.len = (size_t)(equals - inside.data);
        if (!span_equal_string(span_of(equals + 1, inside.len - name.len - 1), "*"))
            return refuse(declaration, "only {field} and {field=*} are served", route->template);
    }
    if (route->variable_count == ROUTE_VARIABLES_MAX)
        return refuse(declaration, "too many variables", route->template);
    enum rpc_code code = resolve_variable(declaration, name, &field);
    if (code != RPC_OK)
        return code;
    for (size_t i = 0; i < route->variable_count; i++) {
        if (strcmp(route->variables[i].field, field) == 0)
            return refuse(declaration, "a variable comes twice", route->template);
    }
    route->variables[route->variable_count++] = (struct route_variable){field, at, 1};
    return RPC_OK;
}

static bool is_literal(struct span segment)
{
    for (size_t i = 0; i < segment.len; i++) {
        char c = (char)segment.data[i];
        if (!chars_is_id(c) && c != '~')
            return false;
    }
    return segment.len > 0 && !span_equal_string(segment, ".") && !span_equal_string(segment, "..");
}

/* Walks one segment of the template down the trie. */
static enum rpc_code add_segment(const struct declaration *declaration, struct span segment,
                                 size_t at, struct route *route, struct node **node)
{
    bool is_variable =
        segment.len > 2 && segment.data[0] == '{' && segment.data[segment.len - 1] == '}';
    if (at == PATH_SEGMENTS_MAX)
        return refuse(declaration, "too many segments", route->template);
    if (is_variable) {
        enum rpc_code code = add_variable(declaration, segment, at, route);
        if (code != RPC_OK)
            return code;
    } else if (!span_equal_string(segment, "*") && !is_literal(segment)) {
        return refuse(declaration, "malformed, or of a form that is not served", route->template);
    }
    *node = is_variable || span_equal_string(segment, "*")
                ? child_wildcard(declaration->router, *node)
                : child_literal(declaration->router, *node, segment);
    return *node == NULL ? exhausted(declaration) : RPC_OK;
}

static enum rpc_code parse_template(const struct declaration *declaration, struct route *route,
                                    struct node **ret_node)
{
    struct span text = span_of_string(route->template);
    struct node *node = &declaration->router->root;
    size_t at = 1;
    if (text.len < 2 || text.data[0] != '/')
        return refuse(declaration, "a template begins with a slash", route->template);
    for (size_t index = 0; at <= text.len; index++) {
        const uint8_t *slash = at < text.len ? memchr(text.data + at, '/', text.len - at) : NULL;
        size_t end = slash == NULL ? text.len : (size_t)(slash - text.data);
        enum rpc_code code =
            add_segment(declaration, span_of(text.data + at, end - at), index, route, &node);
        if (code != RPC_OK)
            return code;
        at = end + 1;
    }
    *ret_node = node;
    return RPC_OK;
}

/* --- rules --- */

static const char *pattern_of(const Google__Api__HttpRule *rule, const char **ret_template)
{
    switch (rule->pattern_case) {
    case GOOGLE__API__HTTP_RULE__PATTERN_GET:
        *ret_template = rule->get;
        return "GET";
    case GOOGLE__API__HTTP_RULE__PATTERN_PUT:
        *ret_template = rule->put;
        return "PUT";
    case GOOGLE__API__HTTP_RULE__PATTERN_POST:
        *ret_template = rule->post;
        return "POST";
    case GOOGLE__API__HTTP_RULE__PATTERN_DELETE:
        *ret_template = rule->delete_;
        return "DELETE";
    case GOOGLE__API__HTTP_RULE__PATTERN_PATCH:
        *ret_template = rule->patch;
        return "PATCH";
    case GOOGLE__API__HTTP_RULE__PATTERN_CUSTOM:
    case GOOGLE__API__HTTP_RULE__PATTERN__NOT_SET:
    case _GOOGLE__API__HTTP_RULE__PATTERN__CASE_IS_INT_SIZE:
        break;
    }
    return NULL;
}

static enum rpc_code resolve_body(const struct declaration *declaration, struct route *route)
{
    const char *body = declaration->rule->body;
    bool is_get = strcmp(route->verb, "GET") == 0;
    route->raw_request = is_http_body(declaration->method->input);
    if (route->raw_request && (strcmp(body, "*") != 0 || route->variable_count > 0))
        return refuse(declaration, "a google.api.HttpBody needs the body * and no variables", body);
    if (*body == '\0')
        return RPC_OK;
    if (is_get || strcmp(route->verb, "DELETE") == 0)
        return refuse(declaration, "GET and DELETE carry no body", body);
    if (strcmp(body, "*") == 0) {
        route->body = ROUTE_BODY_ALL;
        return RPC_OK;
    }
    const struct registry_field *field =
        find_field(declaration->method->input, span_of_string(body));
    if (field == NULL || field->message == NULL ||
        field->descriptor->label == PROTOBUF_C_LABEL_REPEATED)
        return refuse(declaration, "the body must be * or a message field", body);
    route->body = ROUTE_BODY_FIELD;
    route->body_field = field;
    route->raw_request = is_http_body(field->message);
    return RPC_OK;
}

/* A single field of the response that a rule names, of the type given; none for "". */
static enum rpc_code resolve_field(const struct declaration *declaration, const char *name,
                                   ProtobufCType type, const struct registry_field **ret_field)
{
    if (*name == '\0')
        return RPC_OK;
    const struct registry_field *field =
        find_field(declaration->method->output, span_of_string(name));
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
    route->answer = find_field(declaration->method->output, span_of_string(body));
    if (route->answer == NULL || route->redirect != NULL || route->answer->rules->session_token)
        return refuse(declaration,
                      "response_body must be a field that can be shown, of no redirect", body);
    route->raw_answer = is_http_body(route->answer->message) &&
                        route->answer->descriptor->label != PROTOBUF_C_LABEL_REPEATED;
    return RPC_OK;
}

static enum rpc_code add_rule(const struct declaration *declaration)
{
    struct router *router = declaration->router;
    struct node *node = NULL;
    struct route_entry *entry = arena_calloc(&router->arena, 1, sizeof *entry);
    if (entry == NULL)
        return exhausted(declaration);
    struct route *route = &entry->route;
    route->method = declaration->method;
    route->verb = pattern_of(declaration->rule, &route->template);
    if (route->verb == NULL)
        return refuse(declaration, "no verb of ours", "http");
    enum rpc_code code = parse_template(declaration, route, &node);
    if (code == RPC_OK)
        code = resolve_body(declaration, route);
    if (code == RPC_OK)
        code = resolve_response(declaration, route);
    if (code != RPC_OK)
        return code;
    for (struct route_entry *other = node->entries; other != NULL; other = other->next_of_node) {
        if (strcmp(other->route.verb, route->verb) == 0)
            return refuse(declaration, "the route is declared already, by",
                          other->route.method->name);
    }
    entry->next_of_node = node->entries;
    node->entries = entry;
    entry->next_of_router = router->first;
    router->first = entry;
    route->index = router->count++;
    return RPC_OK;
}

static enum rpc_code add_method(struct router *router, const struct registry_method *method,
                                struct rpc_status *status)
{
    struct declaration declaration = {router, method, method->http, status};
    if (method->rules->access == LOTCAST__V1__ACCESS__ACCESS_INTERNAL)
        return refuse(&declaration, "an INTERNAL method has no route", method->service_name);
    if (method->server_streaming)
        return refuse(&declaration, "a streaming method has no route", method->service_name);
    enum rpc_code code = add_rule(&declaration);
    for (size_t i = 0; code == RPC_OK && i < method->http->n_additional_bindings; i++) {
        declaration.rule = method->http->additional_bindings[i];
        code = add_rule(&declaration);
    }
    return code;
}

enum rpc_code router_create(const struct registry *registry, struct router **ret_router,
                            struct rpc_status *status)
{
    struct router *router = calloc(1, sizeof *router);
    if (router == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory for routes");
    arena_init(&router->arena, ROUTER_BYTES_MAX);
    for (size_t i = 0; i < registry_method_count(registry); i++) {
        const struct registry_method *method = registry_method_at(registry, i);
        enum rpc_code code = method->http == NULL ? RPC_OK : add_method(router, method, status);
        if (code != RPC_OK) {
            router_destroy(router);
            return code;
        }
    }
    *ret_router = router;
    return RPC_OK;
}

void router_destroy(struct router *router)
{
    if (router == NULL)
        return;
    arena_fini(&router->arena);
    free(router);
}

/* --- matching --- */

/* A node on the way down, and what of it was tried. */
struct walk {
    const struct node *node;
    enum { WALK_LITERAL, WALK_WILDCARD, WALK_DONE } next;
};

static const struct node *find_literal(const struct node *parent, struct span segment)
{
    for (const struct node *child = parent->literals; child != NULL; child = child->next) {
        if (span_equal(child->literal, segment))
            return child;
    }
    return NULL;
}

/* The child of the walk's node that is to be tried next for this segment, or NULL. */
static const struct node *next_child(struct walk *walk, struct span segment)
{
    const struct node *child = NULL;
    if (walk->next == WALK_LITERAL) {
        walk->next = WALK_WILDCARD;
        child = find_literal(walk->node, segment);
    }
    if (child == NULL && walk->next == WALK_WILDCARD) {
        walk->next = WALK_DONE;
        child = walk->node->wildcard;
    }
    return child;
}

struct verbs {
    bool get, head, post, put, patch, delete;
};

static void note_verbs(const struct node *node, struct verbs *verbs)
{
    for (const struct route_entry *entry = node->entries; entry != NULL;
         entry = entry->next_of_node) {
        const char *verb = entry->route.verb;
        verbs->get |= strcmp(verb, "GET") == 0;
        verbs->head |= strcmp(verb, "GET") == 0 && !entry->route.method->rules->no_head;
        verbs->post |= strcmp(verb, "POST") == 0;
        verbs->put |= strcmp(verb, "PUT") == 0;
        verbs->patch |= strcmp(verb, "PATCH") == 0;
        verbs->delete |= strcmp(verb, "DELETE") == 0;
    }
}

static const struct route *find_verb(const struct node *node, struct span verb)
{
    bool is_head = span_equal_string(verb, "HEAD");
    for (const struct route_entry *entry = node->entries; entry != NULL;
         entry = entry->next_of_node) {
        const struct route *route = &entry->route;
        if (is_head ? strcmp(route->verb, "GET") == 0 && !route->method->rules->no_head
                    : span_equal_string(verb, route->verb))
            return route;
    }
    return NULL;
}

static void print_allow(const struct verbs *verbs, char allow[static ROUTER_ALLOW_BYTES])
{
    (void)snprintf(allow, ROUTER_ALLOW_BYTES, "%s%s%s%s%s%sOPTIONS", verbs->get ? "GET, " : "",
                   verbs->head ? "HEAD, " : "", verbs->post ? "POST, " : "",
                   verbs->put ? "PUT, " : "", verbs->patch ? "PATCH, " : "",
                   verbs->delete ? "DELETE, " : "");
}

enum router_outcome router_match(const struct router *router, const struct path *path,
                                 struct span verb, const struct route **ret_route,
                                 char ret_allow[static ROUTER_ALLOW_BYTES])
{
    struct walk stack[PATH_SEGMENTS_MAX + 1];
    size_t depth = 0;
    struct verbs verbs = {0};
    const struct route *found = NULL;
    bool known = false;
    assert(path->count <= PATH_SEGMENTS_MAX);
    stack[0] = (struct walk){&router->root, WALK_LITERAL};
    for (;;) {
        const struct node *child = NULL;
        if (depth < path->count)
            child = next_child(&stack[depth], path->segments[depth]);
        if (child != NULL) {
            stack[++depth] = (struct walk){child, WALK_LITERAL};
            continue;
        }
        if (depth == path->count && stack[depth].node->entries != NULL) {
            known = true;
            note_verbs(stack[depth].node, &verbs);
            if (found == NULL)
                found = find_verb(stack[depth].node, verb);
        }
        if (depth == 0)
            break;
        depth--;
    }
    if (!known)
        return ROUTER_NO_PATH;
    print_allow(&verbs, ret_allow);
    if (found == NULL)
        return ROUTER_NO_VERB;
    *ret_route = found;
    return ROUTER_FOUND;
}

size_t router_route_count(const struct router *router)
{
    return router->count;
}

const struct route *router_route_at(const struct router *router, size_t index)
{
    const struct route_entry *entry = router->first;
    while (entry != NULL && entry->route.index != index)
        entry = entry->next_of_router;
    return entry == NULL ? NULL : &entry->route;
}
