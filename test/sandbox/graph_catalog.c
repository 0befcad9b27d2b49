/*
 * Catalogs, the products in them, and product sets.
 */
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>

#include "test/sandbox/graph.h"

static const struct graph_rule catalog_rules[] = {
    {"name", GRAPH_STRING, true, NULL},
    {"vertical", GRAPH_ENUM, false,
     "commerce|vehicles|hotels|flights|destinations|home_listings|offline_commerce|"
     "adoptable_pets|generic|local_service_businesses|offer_items|transactable_items"},
};
static const struct graph_rule set_rules[] = {
    {"name", GRAPH_STRING, true, NULL},
    {"filter", GRAPH_OBJECT, false, NULL},
};
#define COUNT(rules) (sizeof(rules) / sizeof *(rules))

static void answer_id(struct graph_call *call, const struct graph_object *object)
{
    (void)buffer_printf(&call->x->answer, "{\"id\":\"%" PRId64 "\"}", object->id);
}

void graph_catalog_create(struct graph_call *call)
{
    if (!graph_allowed(call, GRAPH_CATALOG_MANAGEMENT) ||
        !graph_check(call, catalog_rules, COUNT(catalog_rules)))
        return;
    answer_id(call, graph_object_add(call->graph, GRAPH_CATALOG, graph_business_id,
                                     exchange_param_text(call->x, "name"), NULL,
                                     graph_fields(call, catalog_rules, COUNT(catalog_rules))));
}

void graph_product_set_create(struct graph_call *call, struct graph_object *catalog)
{
    if (!graph_allowed(call, GRAPH_CATALOG_MANAGEMENT) ||
        !graph_check(call, set_rules, COUNT(set_rules)))
        return;
    struct graph_object *set = graph_object_add(call->graph, GRAPH_PRODUCT_SET, catalog->id,
                                                exchange_param_text(call->x, "name"), NULL,
                                                graph_fields(call, set_rules, COUNT(set_rules)));
    answer_id(call, set);
}

static int compare_products(const void *left, const void *right)
{
    const struct graph_product *a = left;
    const struct graph_product *b = right;
    if (a->catalog != b->catalog)
        return a->catalog < b->catalog ? -1 : 1;
    return strcmp(a->retailer_id, b->retailer_id);
}

struct graph_product *graph_product_get(struct graph *graph, int64_t catalog,
                                        const char *retailer_id)
{
    struct graph_product key = {.catalog = catalog, .retailer_id = (char *)retailer_id};
    struct graph_product **found = tfind(&key, &graph->product_index, compare_products);
    return found == NULL ? NULL : *found;
}

struct graph_product *graph_product_put(struct graph *graph, int64_t catalog,
                                        const char *retailer_id)
{
    struct graph_product *product = graph_product_get(graph, catalog, retailer_id);
    if (product != NULL) {
        product->deleted = false;
        return product;
    }
    if (graph->product_count == graph->product_room) {
        graph->product_room = graph->product_room == 0 ? 1024 : graph->product_room * 2;
        graph->products =
            realloc(graph->products, graph->product_room * sizeof(struct graph_product *));
    }
    product = calloc(1, sizeof *product);
    product->catalog = catalog;
    product->retailer_id = strdup(retailer_id);
    product->id = graph->next_id++;
    graph->products[graph->product_count++] = product;
    (void)tsearch(product, &graph->product_index, compare_products);
    return product;
}

/* availability eq and i_contains, retailer_id is_any and eq; other filters take everything. */
static bool filter_takes(const struct json_tree *filter, const struct graph_product *product,
                         const struct json_tree *data)
{
    const struct json_tree *availability = json_tree_get(filter, "availability");
    const char *stock = json_tree_get_text(data, "availability");
    const char *equal = json_tree_get_text(availability, "eq");
    const char *contains = json_tree_get_text(availability, "i_contains");
    if (equal != NULL && (stock == NULL || strcasecmp(stock, equal) != 0))
        return false;
    if (contains != NULL && (stock == NULL || strcasestr(stock, contains) == NULL))
        return false;
    const struct json_tree *any = json_tree_get(json_tree_get(filter, "retailer_id"), "is_any");
    if (any == NULL)
        return true;
    for (const struct json_tree *at = any->first; at != NULL; at = at->next)
        if (json_tree_text(at) != NULL && strcmp(json_tree_text(at), product->retailer_id) == 0)
            return true;
    return false;
}

int64_t graph_product_set_size(struct graph *graph, const struct graph_object *set)
{
    struct arena arena;
    arena_init(&arena, EXCHANGE_ANSWER_BYTES_MAX * 8);
    const struct json_tree *fields = NULL;
    (void)!json_tree_parse(span_of_string(set->fields), &arena, &fields);
    const struct json_tree *filter =
        set->kind == GRAPH_PRODUCT_SET ? json_tree_get(fields, "filter") : NULL;
    int64_t catalog = set->kind == GRAPH_PRODUCT_SET ? set->owner : set->id;
    int64_t count = 0;
    for (size_t i = 0; i < graph->product_count; i++) {
        const struct graph_product *product = graph->products[i];
        if (product->catalog != catalog || product->deleted)
            continue;
        const struct json_tree *data = NULL;
        if (filter != NULL && (!json_tree_parse(span_of_string(product->data), &arena, &data) ||
                               !filter_takes(filter, product, data)))
            continue;
        count++;
    }
    arena_fini(&arena);
    return count;
}

static void print_product(struct graph_call *call, const struct graph_product *product)
{
    struct buffer *out = &call->x->answer;
    const struct json_tree *data = NULL;
    if (!json_tree_parse(span_of_string(product->data), &call->x->arena, &data))
        data = NULL;
    (void)buffer_printf(out, "{\"id\":\"%" PRId64 "\",\"retailer_id\":", product->id);
    json_tree_print_string(product->retailer_id, out);
    for (size_t i = 0; i < 3; i++) {
        const char *key = (const char *const[]){"title", "availability", "price"}[i];
        const char *value = json_tree_get_text(data, key);
        if (value == NULL)
            continue;
        (void)buffer_printf(out, ",\"%s\":", i == 0 ? "name" : key);
        json_tree_print_string(value, out);
    }
    (void)buffer_append_string(out, ",\"errors\":[]}");
}

void graph_products_list(struct graph_call *call, struct graph_object *catalog)
{
    struct graph *graph = call->graph;
    struct graph_page page;
    if (!graph_allowed(call, GRAPH_CATALOG_MANAGEMENT) ||
        !graph_page_start(call, graph->page_size, &page))
        return;
    for (size_t i = 0; i < graph->product_count; i++) {
        const struct graph_product *product = graph->products[i];
        if (product->catalog == catalog->id && !product->deleted &&
            graph_page_row(call, &page, product->id))
            print_product(call, product);
    }
    graph_page_end(call, &page);
}
