/*
 * Templates become nodes of a trie, one a segment: literals by their text, `*` as one node (what a
 * variable calls it is no matter), `**` as a leaf. Matching walks it depth first with a stack of
 * its own: literals, then `*`, then `**`. A node that ends templates holds the routes of all verbs,
 * those of HTTP and those behind a colon.
 */
#include "rest/router.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/base/arena.h"

/* Memory of all routes, in bytes. */
#define ROUTER_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct route_entry {
    struct route route;
    struct span custom; /* the verb behind the colon; empty: none */
    uint32_t verb_bits; /* of the router's verbs, those that it takes */
    struct route_entry *next_of_node;
    struct route_entry *next_of_router;
};

struct node {
    struct span literal;
    struct node *literals; /* first child with a literal */
    struct node *one;
    struct node *rest;
    struct node *next; /* sibling */
    struct route_entry *entries;
};

/* A verb behind a colon that some template has. */
struct custom {
    struct span text;
    struct custom *next;
};

struct router {
    struct arena arena; /* all of it */
    struct node root;
    struct route_entry *first;
    size_t count;
    struct custom *customs;
    /* Of HTTP, in the order in which Allow has them: the usual ones, then those of rules. */
    size_t verb_count;
    const char *verbs[ROUTER_VERBS_MAX];
};

static const char *const usual_verbs[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};

#define USUAL_COUNT (sizeof usual_verbs / sizeof usual_verbs[0])
#define USUAL_BITS (((uint32_t)1 << USUAL_COUNT) - 1)
#define GET_BIT ((uint32_t)1)
#define HEAD_BIT ((uint32_t)2)

/* --- making --- */

static enum rpc_code refuse(const struct registry_method *method, const char *why, const char *what,
                            struct rpc_status *status)
{
    return rpc_status_set(status, RPC_FAILED_PRECONDITION, "%s: %s: %s", method->name, why, what);
}

static enum rpc_code exhausted(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory for routes");
}

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

static struct node *child_wildcard(struct router *router, struct node **child)
{
    if (*child == NULL)
        *child = arena_calloc(&router->arena, 1, sizeof **child);
    return *child;
}

/* The node at a template's end; NULL: out of memory. */
static struct node *place(struct router *router, const struct template *template)
{
    struct node *node = &router->root;
    for (size_t i = 0; i < template->segment_count && node != NULL; i++) {
        const struct template_segment *segment = &template->segments[i];
        switch (segment->kind) {
        case TEMPLATE_LITERAL:
            node = child_literal(router, node, segment->literal);
            break;
        case TEMPLATE_ONE:
            node = child_wildcard(router, &node->one);
            break;
        case TEMPLATE_REST:
            node = child_wildcard(router, &node->rest);
            break;
        }
    }
    return node;
}

static bool is_custom(const struct router *router, struct span verb)
{
    for (const struct custom *custom = router->customs; custom != NULL; custom = custom->next) {
        if (span_equal(custom->text, verb))
            return true;
    }
    return false;
}

static bool note_custom(struct router *router, struct span verb)
{
    if (verb.len == 0 || is_custom(router, verb))
        return true;
    struct custom *custom = arena_alloc(&router->arena, sizeof *custom);
    if (custom == NULL)
        return false;
    *custom = (struct custom){verb, router->customs};
    router->customs = custom;
    return true;
}

/* The bits of the verbs that a route takes; 0: there are too many kinds of them. */
static uint32_t bits_of(struct router *router, const struct route *route)
{
    size_t i = 0;
    if (strcmp(route->verb, ROUTE_VERB_ANY) == 0)
        return route->method->rules->no_head ? USUAL_BITS & ~HEAD_BIT : USUAL_BITS;
    while (i < router->verb_count && strcmp(router->verbs[i], route->verb) != 0)
        i++;
    if (i == ROUTER_VERBS_MAX)
        return 0;
    if (i == router->verb_count)
        router->verbs[router->verb_count++] = route->verb;
    uint32_t bits = (uint32_t)1 << i;
    return bits == GET_BIT && !route->method->rules->no_head ? bits | HEAD_BIT : bits;
}

static enum rpc_code add_rule(struct router *router, const struct registry_method *method,
                              const Google__Api__HttpRule *rule, struct rpc_status *status)
{
    struct template template;
    struct route_entry *entry = arena_calloc(&router->arena, 1, sizeof *entry);
    if (entry == NULL)
        return exhausted(status);
    enum rpc_code code = route_make(method, rule, &router->arena, &entry->route, &template, status);
    if (code != RPC_OK)
        return code;
    entry->custom = template.verb;
    entry->verb_bits = bits_of(router, &entry->route);
    if (entry->verb_bits == 0)
        return refuse(method, "too many kinds of verbs", entry->route.verb, status);
    struct node *node = place(router, &template);
    if (node == NULL || !note_custom(router, template.verb))
        return exhausted(status);
    for (struct route_entry *other = node->entries; other != NULL; other = other->next_of_node) {
        if (strcmp(other->route.verb, entry->route.verb) == 0 &&
            span_equal(other->custom, entry->custom))
            return refuse(method, "the route is declared already, by", other->route.method->name,
                          status);
    }
    entry->next_of_node = node->entries;
    node->entries = entry;
    entry->next_of_router = router->first;
    router->first = entry;
    entry->route.index = router->count++;
    return RPC_OK;
}

static enum rpc_code add_method(struct router *router, const struct registry_method *method,
                                struct rpc_status *status)
{
    const Google__Api__HttpRule *rule = method->http;
    if (method->rules->access == LOTCAST__V1__ACCESS__ACCESS_INTERNAL)
        return refuse(method, "an INTERNAL method has no route", method->service_name, status);
    enum rpc_code code = add_rule(router, method, rule, status);
    for (size_t i = 0; code == RPC_OK && i < rule->n_additional_bindings; i++) {
        if (rule->additional_bindings[i]->n_additional_bindings > 0)
            return refuse(method, "a binding has no bindings of its own", "additional_bindings",
                          status);
        code = add_rule(router, method, rule->additional_bindings[i], status);
    }
    return code;
}

enum rpc_code router_create(const struct registry *registry, struct router **ret_router,
                            struct rpc_status *status)
{
    struct router *router = calloc(1, sizeof *router);
    if (router == NULL)
        return exhausted(status);
    arena_init(&router->arena, ROUTER_BYTES_MAX);
    memcpy(router->verbs, usual_verbs, sizeof usual_verbs);
    router->verb_count = USUAL_COUNT;
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

/* --- matching --- */

/* A node on the way down, and what of it is to be tried next. */
struct walk {
    const struct node *node;
    enum { WALK_LITERAL, WALK_ONE, WALK_DONE } next;
};

/* What is looked for, and what was found so far. */
struct search {
    struct span verb;
    struct span custom;
    const struct route *found;
    uint32_t verb_bits; /* of all routes that the path has */
    bool known;
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
        walk->next = WALK_ONE;
        child = find_literal(walk->node, segment);
    }
    if (child == NULL && walk->next == WALK_ONE) {
        walk->next = WALK_DONE;
        child = walk->node->one;
    }
    return child;
}

/* How well a route takes the verb: 0 not at all, 3 by its own name. */
static int rank(const struct route *route, struct span verb)
{
    if (span_equal_string(verb, route->verb))
        return 3;
    bool is_head = span_equal_string(verb, "HEAD");
    if (is_head && route->method->rules->no_head)
        return 0;
    if (is_head && strcmp(route->verb, "GET") == 0)
        return 2;
    return strcmp(route->verb, ROUTE_VERB_ANY) == 0 && !span_equal_string(verb, "OPTIONS") &&
           !span_equal_string(verb, "TRACE");
}

/* Looks at the routes that end at a node; nothing is found yet. */
static void visit(const struct node *node, struct search *search)
{
    const struct route *best = NULL;
    int best_rank = 0;
    if (node == NULL)
        return;
    for (const struct route_entry *entry = node->entries; entry != NULL;
         entry = entry->next_of_node) {
        if (!span_equal(entry->custom, search->custom))
            continue;
        search->known = true;
        search->verb_bits |= entry->verb_bits;
        int its_rank = rank(&entry->route, search->verb);
        if (its_rank > best_rank) {
            best = &entry->route;
            best_rank = its_rank;
        }
    }
    search->found = best;
}

static void walk_down(const struct router *router, const struct path *path, struct search *search)
{
    struct walk stack[TEMPLATE_SEGMENTS_MAX + 1];
    size_t depth = 0;
    stack[0] = (struct walk){&router->root, WALK_LITERAL};
    for (;;) {
        const struct node *child = NULL;
        if (depth < path->count)
            child = next_child(&stack[depth], path->segments[depth].text);
        if (child != NULL) {
            assert(depth < TEMPLATE_SEGMENTS_MAX); /* no template is deeper, nor is a node */
            stack[++depth] = (struct walk){child, WALK_LITERAL};
            continue;
        }
        if (depth == path->count)
            visit(stack[depth].node, search);
        if (search->found == NULL)
            visit(stack[depth].node->rest, search);
        if (depth == 0 || search->found != NULL)
            return;
        depth--;
    }
}

/* Cuts a verb of ours off the path's last segment. False: what is left is none. */
static bool cut_custom(const struct router *router, struct path *path, struct span *ret_custom)
{
    struct path_segment head;
    struct span custom;
    if (router->customs == NULL || !path_find_verb(path, &head, &custom) ||
        !is_custom(router, custom))
        return true;
    *ret_custom = custom;
    if (head.text.len == 0 && path->count == 1) {
        path->count = 0; /* `/:verb` is the root's */
        return true;
    }
    path->segments[path->count - 1] = head;
    return head.text.len > 0 && !path_is_dots(head.text);
}

static void print_allow(const struct router *router, uint32_t bits,
                        char allow[static ROUTER_ALLOW_BYTES])
{
    size_t len = 0;
    for (size_t i = 0; i < router->verb_count; i++) {
        size_t verb_len = strlen(router->verbs[i]);
        if ((bits >> i & 1) == 0 || strcmp(router->verbs[i], "OPTIONS") == 0)
            continue;
        memcpy(allow + len, router->verbs[i], verb_len);
        memcpy(allow + len + verb_len, ", ", 2);
        len += verb_len + 2;
    }
    memcpy(allow + len, "OPTIONS", sizeof "OPTIONS");
}

_Static_assert(ROUTER_VERBS_MAX *(ROUTE_VERB_BYTES_MAX + 2) + sizeof "OPTIONS" <=
                   ROUTER_ALLOW_BYTES,
               "Allow has room for every verb");

enum router_outcome router_match(const struct router *router, struct path *path, struct span verb,
                                 const struct route **ret_route,
                                 char ret_allow[static ROUTER_ALLOW_BYTES])
{
    struct search search = {.verb = verb};
    if (!cut_custom(router, path, &search.custom))
        return ROUTER_NO_PATH;
    walk_down(router, path, &search);
    if (!search.known)
        return ROUTER_NO_PATH;
    if (search.found == NULL) {
        print_allow(router, search.verb_bits, ret_allow);
        return ROUTER_NO_VERB;
    }
    *ret_route = search.found;
    return ROUTER_FOUND;
}
