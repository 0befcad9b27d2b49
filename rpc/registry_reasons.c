/*
 * Which error reasons a method may answer: the declared ones, and by the reasons' scopes those that
 * come with a method's kind.
 */
#include <string.h>

#include "rpc/registry.h"

/* What is sent as it is, and so is not read as JSON. */
#define RAW_BODY "google.api.HttpBody"

/* Whether a verb changes nothing, so that it may come from any site. */
static bool is_safe(const Google__Api__HttpRule *rule)
{
    static const char *const verbs[] = {"GET", "HEAD", "OPTIONS"};
    const char *template = NULL;
    const char *verb = registry_rule_verb(rule, &template);
    for (size_t i = 0; verb != NULL && i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verb, verbs[i]) == 0)
            return true;
    }
    return false;
}

static bool is_unsafe(const struct registry_method *method, const Google__Api__HttpRule *rule)
{
    (void)method;
    return !is_safe(rule);
}

static bool reads_json(const struct registry_method *method, const Google__Api__HttpRule *rule)
{
    const char *body = rule->body;
    if (is_safe(rule) || body == NULL || body[0] == '\0')
        return false;
    if (strcmp(body, "*") == 0)
        return strcmp(method->input->name, RAW_BODY) != 0;
    for (size_t i = 0; i < method->input->field_count; i++) {
        const struct registry_field *field = &method->input->fields[i];
        if (strcmp(field->descriptor->name, body) == 0 && field->message != NULL)
            return strcmp(field->message->name, RAW_BODY) != 0;
    }
    return true;
}

/* Whether any of the method's routes is of a kind. */
static bool has_route(const struct registry_method *method,
                      bool (*is_kind)(const struct registry_method *,
                                      const Google__Api__HttpRule *))
{
    const Google__Api__HttpRule *rule = method->http;
    bool has = rule != NULL && is_kind(method, rule);
    for (size_t i = 0; !has && rule != NULL && i < rule->n_additional_bindings; i++)
        has = is_kind(method, rule->additional_bindings[i]);
    return has;
}

static bool scope_covers(enum rpc_reason_scope scope, const struct registry_method *method)
{
    Lotcast__V1__Access access = method->rules->access;
    switch (scope) {
    case RPC_REASON_DECLARED:
    case RPC_REASON_PATH:
        return false;
    case RPC_REASON_ANY:
        return true;
    case RPC_REASON_HTTP:
        return method->http != NULL;
    case RPC_REASON_ORIGIN:
        return has_route(method, is_unsafe) && !method->rules->origin_exempt;
    case RPC_REASON_BODY:
        return has_route(method, reads_json);
    case RPC_REASON_SESSION:
        return access == LOTCAST__V1__ACCESS__ACCESS_CUSTOMER ||
               access == LOTCAST__V1__ACCESS__ACCESS_USER ||
               access == LOTCAST__V1__ACCESS__ACCESS_ADMIN;
    case RPC_REASON_ACCESS:
        return access != LOTCAST__V1__ACCESS__ACCESS_PUBLIC;
    case RPC_REASON_NAMED:
        return access == LOTCAST__V1__ACCESS__ACCESS_CUSTOMER;
    }
    return false;
}

bool registry_method_declares(const struct registry_method *method, Lotcast__V1__Reason reason)
{
    for (size_t i = 0; i < method->rules->n_reasons; i++) {
        if (method->rules->reasons[i] == reason)
            return true;
    }
    return false;
}

bool registry_method_may_answer(const struct registry_method *method, Lotcast__V1__Reason reason)
{
    return registry_method_declares(method, reason) ||
           scope_covers(rpc_reason_get(reason)->scope, method);
}
