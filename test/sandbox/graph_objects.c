/*
 * Objects that were made: catalogs, product sets, campaigns and what is below them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpc/base/clock.h"
#include "test/sandbox/graph.h"

/* What a GET may name beside id, name and the times, for each kind. */
static const char *const known_fields[GRAPH_KIND_COUNT] = {
    [GRAPH_CATALOG] = "vertical|product_count|business",
    [GRAPH_PRODUCT_SET] = "filter|product_count|product_catalog",
    [GRAPH_CAMPAIGN] = "status|configured_status|effective_status|objective|special_ad_categories|"
                       "promoted_object|daily_budget|buying_type|account_id|"
                       "is_adset_budget_sharing_enabled|created_time|updated_time",
    [GRAPH_AD_SET] = "status|configured_status|effective_status|campaign_id|daily_budget|targeting|"
                     "billing_event|optimization_goal|bid_strategy|promoted_object|account_id|"
                     "created_time|updated_time|start_time",
    [GRAPH_CREATIVE] = "product_set_id|object_story_spec|account_id",
    [GRAPH_AD] = "status|configured_status|effective_status|adset_id|campaign_id|creative|"
                 "account_id|created_time|updated_time",
};

static const char *const kind_names[GRAPH_KIND_COUNT] = {
    "ProductCatalog", "ProductSet", "Campaign", "AdSet", "AdCreative", "Ad",
};

struct graph_object *graph_object_find(struct graph *graph, int64_t id)
{
    for (size_t i = 0; i < graph->object_count; i++)
        if (graph->objects[i]->id == id)
            return graph->objects[i];
    return NULL;
}

struct graph_object *graph_object_find_text(struct graph *graph, const char *id)
{
    size_t len = id == NULL ? 0 : strlen(id);
    if (len == 0 || len > 18 || strspn(id, "0123456789") != len)
        return NULL;
    return graph_object_find(graph, strtoll(id, NULL, 10));
}

struct graph_object *graph_object_add(struct graph *graph, enum graph_kind kind, int64_t owner,
                                      const char *name, const char *status, char *fields)
{
    if (graph->object_count == GRAPH_OBJECTS_MAX) {
        fputs("sandbox: too many objects\n", stderr);
        abort();
    }
    struct graph_object *object = calloc(1, sizeof *object);
    object->kind = kind;
    object->id = graph->next_id++;
    object->owner = owner;
    object->name = strdup(name);
    object->status = status == NULL ? NULL : strdup(status);
    object->fields = fields;
    object->created_ms = graph_now_ms(graph);
    object->updated_ms = object->created_ms;
    graph->objects[graph->object_count++] = object;
    return object;
}

const char *graph_effective_status(struct graph *graph, const struct graph_object *object)
{
    if (object->status == NULL || strcmp(object->status, "ACTIVE") != 0 ||
        object->kind == GRAPH_CAMPAIGN)
        return object->status;
    const struct graph_object *above = graph_object_find(graph, object->above);
    if (above == NULL)
        return object->status;
    if (object->kind == GRAPH_AD) {
        if (strcmp(above->status, "ACTIVE") != 0)
            return "ADSET_PAUSED";
        above = graph_object_find(graph, above->above);
    }
    return above == NULL || strcmp(above->status, "ACTIVE") == 0 ? "ACTIVE" : "CAMPAIGN_PAUSED";
}

static int64_t campaign_of(struct graph *graph, const struct graph_object *object)
{
    if (object->kind == GRAPH_CAMPAIGN)
        return object->id;
    if (object->kind == GRAPH_AD_SET)
        return object->above;
    const struct graph_object *set =
        object->kind == GRAPH_AD ? graph_object_find(graph, object->above) : NULL;
    return set == NULL ? 0 : set->above;
}

static bool has_running_ad(struct graph *graph, int64_t campaign)
{
    for (size_t i = 0; i < graph->object_count; i++)
        if (graph->objects[i]->kind == GRAPH_AD &&
            campaign_of(graph, graph->objects[i]) == campaign &&
            strcmp(graph_effective_status(graph, graph->objects[i]), "ACTIVE") == 0)
            return true;
    return false;
}

void graph_delivery_update(struct graph *graph, struct graph_object *object)
{
    struct graph_object *campaign = graph_object_find(graph, campaign_of(graph, object));
    if (campaign == NULL)
        return;
    int64_t now = graph_now_ms(graph);
    bool running = has_running_ad(graph, campaign->id);
    struct graph_interval *last =
        campaign->interval_count == 0 ? NULL : &campaign->intervals[campaign->interval_count - 1];
    bool ran = last != NULL && last->to_ms == INT64_MAX;
    if (ran && !running)
        last->to_ms = now;
    if (ran || !running || campaign->interval_count == GRAPH_INTERVALS_MAX)
        return;
    int64_t from = now;
    if (campaign->interval_count == 0 && graph->history_days > 0)
        from = graph_day_start_ms(graph_day_of(now) - (int32_t)graph->history_days);
    campaign->intervals[campaign->interval_count++] = (struct graph_interval){from, INT64_MAX};
}

static void print_time(struct buffer *out, const char *key, int64_t ms)
{
    char text[CLOCK_RFC3339_BYTES];
    clock_format_rfc3339(ms, text);
    (void)buffer_printf(out, ",\"%s\":\"%.19s+0000\"", key, text);
}

static void print_computed(struct graph *graph, const struct graph_object *object,
                           const char *field, struct buffer *out)
{
    if (graph_value_in(field, "status|configured_status"))
        (void)buffer_printf(out, ",\"%s\":\"%s\"", field, object->status);
    else if (strcmp(field, "effective_status") == 0)
        (void)buffer_printf(out, ",\"%s\":\"%s\"", field, graph_effective_status(graph, object));
    else if (strcmp(field, "account_id") == 0)
        (void)buffer_printf(out, ",\"account_id\":\"%" PRId64 "\"", object->owner);
    else if (strcmp(field, "campaign_id") == 0)
        (void)buffer_printf(out, ",\"campaign_id\":\"%" PRId64 "\"", campaign_of(graph, object));
    else if (strcmp(field, "created_time") == 0)
        print_time(out, field, object->created_ms);
    else if (strcmp(field, "updated_time") == 0)
        print_time(out, field, object->updated_ms);
    else if (strcmp(field, "product_count") == 0)
        (void)buffer_printf(out, ",\"product_count\":%" PRId64,
                            graph_product_set_size(graph, object));
    else if (strcmp(field, "business") == 0)
        (void)buffer_printf(out, ",\"business\":{\"id\":\"%" PRId64 "\",\"name\":\"Acme Ads\"}",
                            object->owner);
    else if (strcmp(field, "product_catalog") == 0)
        (void)buffer_printf(out, ",\"product_catalog\":{\"id\":\"%" PRId64 "\"}", object->owner);
}

static bool print_field(struct graph_call *call, const struct graph_object *object,
                        const char *field)
{
    struct buffer *out = &call->x->answer;
    if (strcmp(field, "id") == 0)
        return true; /* always there */
    if (strcmp(field, "name") == 0) {
        (void)buffer_append_string(out, ",\"name\":");
        json_tree_print_string(object->name, out);
        return true;
    }
    if (!graph_value_in(field, known_fields[object->kind])) {
        graph_error(call, 100, 0,
                    "(#100) Tried accessing nonexisting field (%.64s) on node type (%s)", field,
                    kind_names[object->kind]);
        return false;
    }
    const struct json_tree *fields = NULL;
    const struct json_tree *value = NULL;
    if (json_tree_parse(span_of_string(object->fields), &call->x->arena, &fields))
        value = json_tree_get(fields, field);
    if (value == NULL || strcmp(field, "status") == 0) {
        print_computed(call->graph, object, field, out);
        return true;
    }
    (void)buffer_printf(out, ",\"%s\":", field);
    json_tree_print(value, out);
    return true;
}

bool graph_object_print(struct graph_call *call, const struct graph_object *object,
                        const char *fields)
{
    (void)buffer_printf(&call->x->answer, "{\"id\":\"%" PRId64 "\"", object->id);
    const char *at = fields == NULL ? "" : fields;
    while (*at != '\0') {
        size_t len = strcspn(at, ",{");
        const char *field = exchange_printf(call->x, "%.*s", (int)len, at);
        if (!print_field(call, object, field))
            return false;
        at += len;
        if (*at == '{') { /* a selection below the field: all of it is printed */
            at += strcspn(at, "}");
            at += *at == '}' ? 1 : 0;
        }
        at += *at == ',' ? 1 : 0;
    }
    (void)buffer_append_byte(&call->x->answer, '}');
    return true;
}

/* Whether the object passes the call's filtering (by name) and effective_status. */
static bool passes_filters(struct graph_call *call, const struct graph_object *object)
{
    const struct json_tree *wanted = exchange_param_json(call->x, "effective_status");
    const char *status = graph_effective_status(call->graph, object);
    bool found = wanted == NULL;
    for (const struct json_tree *at = wanted == NULL ? NULL : wanted->first; at != NULL;
         at = at->next)
        found = found || (status != NULL && strcmp(json_tree_text(at), status) == 0);
    if (wanted == NULL && status != NULL && graph_value_in(status, "DELETED|ARCHIVED"))
        return false;
    const struct json_tree *filters = exchange_param_json(call->x, "filtering");
    for (const struct json_tree *at = filters == NULL ? NULL : filters->first; at != NULL;
         at = at->next) {
        const char *field = json_tree_get_text(at, "field");
        const char *operator= json_tree_get_text(at, "operator");
        const char *value = json_tree_get_text(at, "value");
        if (field == NULL || operator== NULL || value == NULL || strstr(field, "name") == NULL)
            continue;
        bool same = strcmp(operator, "EQUAL") == 0 ? strcmp(object->name, value) == 0
                                                   : strstr(object->name, value) != NULL;
        found = found && same;
    }
    return found;
}

void graph_object_list(struct graph_call *call, enum graph_kind kind, int64_t owner)
{
    struct graph *graph = call->graph;
    struct graph_page page;
    if (!graph_page_start(call, graph->page_size, &page))
        return;
    for (size_t i = 0; i < graph->object_count; i++) {
        const struct graph_object *object = graph->objects[i];
        bool ours = object->kind == kind && (object->owner == owner || object->above == owner ||
                                             object->product_set == owner);
        if (!ours || !passes_filters(call, object) || !graph_page_row(call, &page, object->id))
            continue;
        if (!graph_object_print(call, object, exchange_param_text(call->x, "fields")))
            return;
    }
    graph_page_end(call, &page);
}

void graph_objects_dump(struct graph *graph, struct buffer *out)
{
    static const char *const names[GRAPH_KIND_COUNT] = {"catalogs", "product_sets", "campaigns",
                                                        "adsets",   "adcreatives",  "ads"};
    (void)buffer_append_byte(out, '{');
    for (int kind = 0; kind < GRAPH_KIND_COUNT; kind++) {
        size_t rows = 0;
        (void)buffer_printf(out, "\"%s\":[", names[kind]);
        for (size_t i = 0; i < graph->object_count; i++) {
            const struct graph_object *object = graph->objects[i];
            if ((int)object->kind != kind)
                continue;
            (void)buffer_printf(out,
                                "%s{\"id\":\"%" PRId64 "\",\"owner\":\"%" PRId64
                                "\",\"above\":\"%" PRId64 "\",\"name\":",
                                rows++ == 0 ? "" : ",", object->id, object->owner, object->above);
            json_tree_print_string(object->name, out);
            if (object->status != NULL)
                (void)buffer_printf(out, ",\"status\":\"%s\",\"effective_status\":\"%s\"",
                                    object->status, graph_effective_status(graph, object));
            if (object->kind == GRAPH_CATALOG || object->kind == GRAPH_PRODUCT_SET)
                (void)buffer_printf(out, ",\"product_count\":%" PRId64,
                                    graph_product_set_size(graph, object));
            (void)buffer_printf(out, ",\"fields\":%s}", object->fields);
        }
        (void)buffer_append_string(out, "],");
    }
    (void)buffer_printf(out, "\"batches\":%zu}", graph->batch_count);
}
