/*
 * Routes of the Graph API: /v24.0/… ; which edge an object has, and who may call it.
 */
#include "test/sandbox/graph.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

/* Characters of a token beside its prefix. */
#define RANDOM_CHARACTERS 40

int64_t graph_now_ms(const struct graph *graph)
{
    return control_now_ms(graph->control);
}

void graph_random_text(const char *prefix, char text[static GRAPH_TEXT_BYTES])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t len = (size_t)snprintf(text, GRAPH_TEXT_BYTES - RANDOM_CHARACTERS, "%s", prefix);
    for (size_t i = 0; i < RANDOM_CHARACTERS; i++)
        text[len++] = alphabet[randombytes_uniform(sizeof alphabet - 1)];
    text[len] = '\0';
}

static bool is_get(const struct graph_call *call)
{
    return strcmp(call->x->method, "GET") == 0;
}

static bool is_post(const struct graph_call *call)
{
    return strcmp(call->x->method, "POST") == 0;
}

static void unknown_path(struct graph_call *call, const char *path)
{
    graph_error(call, 2500, 0, "Unknown path components: /%.200s", path);
}

/* An edge of the business or an ad account whose objects can be listed and made. */
struct edge {
    const char *name;
    enum graph_kind kind;
    void (*create)(struct graph_call *call, int64_t account);
};

static const struct edge account_edges[] = {
    {"campaigns", GRAPH_CAMPAIGN, graph_campaign_create},
    {"adsets", GRAPH_AD_SET, graph_ad_set_create},
    {"adcreatives", GRAPH_CREATIVE, graph_creative_create},
    {"ads", GRAPH_AD, graph_ad_create},
};

static void account_edge(struct graph_call *call, int64_t account, const char *edge)
{
    for (size_t i = 0; i < sizeof account_edges / sizeof *account_edges; i++) {
        if (strcmp(account_edges[i].name, edge) != 0)
            continue;
        if (is_post(call))
            account_edges[i].create(call, account);
        else if (graph_allowed(call, GRAPH_ADS_READ | GRAPH_ADS_MANAGEMENT))
            graph_object_list(call, account_edges[i].kind, account);
        return;
    }
    unknown_path(call, edge);
}

static void business_edge(struct graph_call *call, const char *edge)
{
    if (strcmp(edge, "owned_product_catalogs") != 0)
        unknown_path(call, edge);
    else if (is_post(call))
        graph_catalog_create(call);
    else if (graph_allowed(call, GRAPH_CATALOG_MANAGEMENT | GRAPH_BUSINESS_MANAGEMENT))
        graph_object_list(call, GRAPH_CATALOG, graph_business_id);
}

static void catalog_edge(struct graph_call *call, struct graph_object *catalog, const char *edge)
{
    if (strcmp(edge, "items_batch") == 0 && is_post(call))
        graph_items_batch(call, catalog);
    else if (strcmp(edge, "check_batch_request_status") == 0 && is_get(call))
        graph_batch_status(call, catalog);
    else if (strcmp(edge, "product_sets") == 0 && is_post(call))
        graph_product_set_create(call, catalog);
    else if (strcmp(edge, "product_sets") == 0 && is_get(call))
        graph_object_list(call, GRAPH_PRODUCT_SET, catalog->id);
    else if (strcmp(edge, "products") == 0 && is_get(call))
        graph_products_list(call, catalog);
    else
        unknown_path(call, edge);
}

static void object_edge(struct graph_call *call, struct graph_object *object, const char *edge)
{
    if (object->kind == GRAPH_CATALOG)
        catalog_edge(call, object, edge);
    else if (strcmp(edge, "insights") == 0 && is_get(call))
        graph_insights(call, object);
    else if (object->kind == GRAPH_CAMPAIGN && strcmp(edge, "adsets") == 0 && is_get(call))
        graph_object_list(call, GRAPH_AD_SET, object->id);
    else if (object->kind == GRAPH_AD_SET && strcmp(edge, "ads") == 0 && is_get(call))
        graph_object_list(call, GRAPH_AD, object->id);
    else
        unknown_path(call, edge);
}

static void object_node(struct graph_call *call, struct graph_object *object)
{
    if (is_get(call)) {
        (void)graph_object_print(call, object, exchange_param_text(call->x, "fields"));
        return;
    }
    if (is_post(call)) {
        graph_object_update(call, object);
        return;
    }
    if (object->status == NULL || !graph_allowed(call, GRAPH_ADS_MANAGEMENT)) {
        if (object->status == NULL)
            graph_error(call, 100, 33, "Unsupported delete request.");
        return;
    }
    free(object->status);
    object->status = strdup("DELETED");
    graph_delivery_update(call->graph, object);
    (void)buffer_append_string(&call->x->answer, "{\"success\":true}");
}

/* `id` and `edge` (NULL: the node itself) are what the path says after the version. */
static void node_call(struct graph_call *call, const char *id, const char *edge)
{
    int64_t account = graph_ad_account(id);
    struct graph_object *object = graph_object_find_text(call->graph, id);
    if (strcmp(id, "me") == 0 && edge == NULL)
        graph_me(call);
    else if (strcmp(id, "me") == 0)
        graph_me_edge(call, edge);
    else if (account != 0 && edge != NULL)
        account_edge(call, account, edge);
    else if (edge != NULL &&
             strcmp(id, exchange_printf(call->x, "%" PRId64, graph_business_id)) == 0)
        business_edge(call, edge);
    else if (object == NULL)
        graph_not_found(call, id);
    else if (edge != NULL)
        object_edge(call, object, edge);
    else
        object_node(call, object);
}

static void route_nodes(struct graph_call *call, const char *path)
{
    if (!graph_authenticate(call))
        return;
    if (strcmp(path, "debug_token") == 0) {
        graph_debug_token(call);
        return;
    }
    if (call->token == NULL) {
        graph_error(call, 190, 0, "A user access token is required");
        return;
    }
    if (call->graph->usage_percent >= 100) {
        graph_error(call, 80004, 2446079,
                    "(#80004) There have been too many calls to this "
                    "ad-account. Wait a bit and try again.");
        return;
    }
    size_t len = strcspn(path, "/");
    const char *id = exchange_printf(call->x, "%.*s", (int)len, path);
    const char *edge = path[len] == '/' ? path + len + 1 : NULL;
    if (id[0] == '\0' || (edge != NULL && (edge[0] == '\0' || strchr(edge, '/') != NULL)))
        unknown_path(call, path);
    else
        node_call(call, id, edge);
}

static void route(struct graph_call *call)
{
    const char *path = call->x->path;
    const char *version = call->graph->version;
    size_t len = strlen(version);
    call->x->content_type = "application/json; charset=UTF-8";
    if (path[0] != '/' || strncmp(path + 1, version, len) != 0 || path[1 + len] != '/') {
        if (path[0] == '/' && path[1] == 'v' && strchr("0123456789", path[2]) != NULL)
            graph_error(call, 2635, 0,
                        "(#2635) You are calling a deprecated version of the Ads API. Please "
                        "update to the latest version: %s.",
                        version);
        else
            unknown_path(call, path + 1);
        return;
    }
    path += len + 2;
    if (call->x->body_bad)
        graph_error(call, 100, 0, "(#100) The request's body cannot be read");
    else if (strcmp(path, "dialog/oauth") == 0)
        graph_dialog(call);
    else if (strcmp(path, "dialog/oauth/confirm") == 0)
        graph_dialog_confirm(call);
    else if (strcmp(path, "oauth/access_token") == 0)
        graph_access_token(call);
    else
        route_nodes(call, path);
}

void graph_handle(struct graph *graph, struct exchange *x)
{
    struct graph_call call = {.graph = graph, .x = x};
    (void)pthread_mutex_lock(&graph->lock);
    graph_batches_settle(graph);
    route(&call);
    graph_usage_headers(&call);
    (void)pthread_mutex_unlock(&graph->lock);
}
