/*
 * Campaigns, ad sets, creatives and ads.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "test/sandbox/graph.h"

/* A day's budget at least, in minor units of any currency. */
#define DAILY_BUDGET_MIN 100
#define STATUSES "ACTIVE|PAUSED|ARCHIVED|DELETED"
#define COUNT(rules) (sizeof(rules) / sizeof *(rules))

static const struct graph_rule campaign_rules[] = {
    {"name", GRAPH_STRING, true, NULL},
    {"objective", GRAPH_ENUM, true,
     "OUTCOME_SALES|OUTCOME_TRAFFIC|OUTCOME_LEADS|OUTCOME_AWARENESS|OUTCOME_ENGAGEMENT|"
     "OUTCOME_APP_PROMOTION"},
    {"status", GRAPH_ENUM, false, "ACTIVE|PAUSED"},
    {"special_ad_categories", GRAPH_ARRAY, true, NULL},
    {"promoted_object", GRAPH_OBJECT, false, NULL},
    {"is_adset_budget_sharing_enabled", GRAPH_BOOL, false, NULL},
    {"daily_budget", GRAPH_INT, false, NULL},
};
static const struct graph_rule ad_set_rules[] = {
    {"campaign_id", GRAPH_ID, true, NULL},
    {"name", GRAPH_STRING, true, NULL},
    {"daily_budget", GRAPH_INT, true, NULL},
    {"billing_event", GRAPH_ENUM, true, "IMPRESSIONS|LINK_CLICKS|THRUPLAY"},
    {"optimization_goal", GRAPH_ENUM, true,
     "LINK_CLICKS|IMPRESSIONS|REACH|OFFSITE_CONVERSIONS|LANDING_PAGE_VIEWS|VALUE"},
    {"bid_strategy", GRAPH_ENUM, false,
     "LOWEST_COST_WITHOUT_CAP|LOWEST_COST_WITH_BID_CAP|COST_CAP|LOWEST_COST_WITH_MIN_ROAS"},
    {"promoted_object", GRAPH_OBJECT, true, NULL},
    {"targeting", GRAPH_OBJECT, true, NULL},
    {"status", GRAPH_ENUM, false, "ACTIVE|PAUSED"},
};
static const struct graph_rule creative_rules[] = {
    {"name", GRAPH_STRING, true, NULL},
    {"product_set_id", GRAPH_ID, true, NULL},
    {"object_story_spec", GRAPH_OBJECT, true, NULL},
};
static const struct graph_rule ad_rules[] = {
    {"name", GRAPH_STRING, true, NULL},
    {"adset_id", GRAPH_ID, true, NULL},
    {"creative", GRAPH_OBJECT, true, NULL},
    {"status", GRAPH_ENUM, false, "ACTIVE|PAUSED"},
};
static const struct graph_rule update_rules[] = {
    {"name", GRAPH_STRING, false, NULL},
    {"status", GRAPH_ENUM, false, STATUSES},
    {"daily_budget", GRAPH_INT, false, NULL},
    {"targeting", GRAPH_OBJECT, false, NULL},
};

/* Whether the account may create; the parameters by their table. */
static bool create_allowed(struct graph_call *call, int64_t account, const struct graph_rule *rules,
                           size_t count)
{
    if (!graph_allowed(call, GRAPH_ADS_MANAGEMENT))
        return false;
    if (!graph_ad_account_active(account)) {
        graph_error(call, 2641, 1487246, "The ad account is disabled");
        return false;
    }
    return graph_check(call, rules, count);
}

static void create(struct graph_call *call, enum graph_kind kind, int64_t account,
                   const struct graph_rule *rules, size_t count, int64_t above, int64_t product_set)
{
    const char *status = exchange_param_text(call->x, "status");
    if (status == NULL)
        status = "ACTIVE"; /* Meta's default */
    struct graph_object *object =
        graph_object_add(call->graph, kind, account, exchange_param_text(call->x, "name"),
                         kind == GRAPH_CREATIVE ? NULL : status, graph_fields(call, rules, count));
    object->above = above;
    object->product_set = product_set;
    graph_delivery_update(call->graph, object);
    (void)buffer_printf(&call->x->answer, "{\"id\":\"%" PRId64 "\"}", object->id);
}

/* The object that a parameter names, of this kind; NULL with the error answered. */
static struct graph_object *named_object(struct graph_call *call, const char *id,
                                         enum graph_kind kind, const char *param)
{
    struct graph_object *object = graph_object_find_text(call->graph, id);
    if (object != NULL && object->kind == kind &&
        (object->status == NULL || strcmp(object->status, "DELETED") != 0))
        return object;
    graph_error(call, 100, 1487133,
                "(#100) Invalid parameter: %s must be the ID of an existing object", param);
    return NULL;
}

void graph_campaign_create(struct graph_call *call, int64_t account)
{
    if (!create_allowed(call, account, campaign_rules, COUNT(campaign_rules)))
        return;
    const struct json_tree *categories = exchange_param_json(call->x, "special_ad_categories");
    for (const struct json_tree *at = categories->first; at != NULL; at = at->next)
        if (json_tree_text(at) == NULL ||
            !graph_value_in(at->text, "NONE|EMPLOYMENT|HOUSING|CREDIT|ISSUES_ELECTIONS_POLITICS|"
                                      "FINANCIAL_PRODUCTS_SERVICES|ONLINE_GAMBLING_AND_GAMING")) {
            graph_error(call, 100, 0, "(#100) Param special_ad_categories has an unknown element");
            return;
        }
    if (exchange_param(call->x, "daily_budget") == NULL &&
        exchange_param(call->x, "is_adset_budget_sharing_enabled") == NULL) {
        graph_error(call, 100, 4834011,
                    "Must specify True or False in is_adset_budget_sharing_enabled field");
        return;
    }
    const struct json_tree *promoted = exchange_param_json(call->x, "promoted_object");
    const char *catalog_id = json_tree_get_text(promoted, "product_catalog_id");
    int64_t catalog = 0;
    if (promoted != NULL) {
        const struct graph_object *object =
            named_object(call, catalog_id, GRAPH_CATALOG, "promoted_object.product_catalog_id");
        if (object == NULL)
            return;
        catalog = object->id;
    }
    create(call, GRAPH_CAMPAIGN, account, campaign_rules, COUNT(campaign_rules), 0, catalog);
}

static bool budget_valid(struct graph_call *call)
{
    int64_t budget = control_param_integer(call->x, "daily_budget", 0);
    if (budget >= DAILY_BUDGET_MIN)
        return true;
    graph_error(call, 100, 1885272, "The ad set's daily budget is too low: the minimum is %d",
                DAILY_BUDGET_MIN);
    return false;
}

void graph_ad_set_create(struct graph_call *call, int64_t account)
{
    if (!create_allowed(call, account, ad_set_rules, COUNT(ad_set_rules)) || !budget_valid(call))
        return;
    const struct graph_object *campaign = named_object(
        call, exchange_param_text(call->x, "campaign_id"), GRAPH_CAMPAIGN, "campaign_id");
    if (campaign == NULL)
        return;
    if (campaign->owner != account) {
        graph_error(call, 100, 1487133, "(#100) campaign_id belongs to another ad account");
        return;
    }
    const struct json_tree *promoted = exchange_param_json(call->x, "promoted_object");
    const struct graph_object *set =
        named_object(call, json_tree_get_text(promoted, "product_set_id"), GRAPH_PRODUCT_SET,
                     "promoted_object.product_set_id");
    if (set == NULL)
        return;
    if (campaign->product_set != 0 && set->owner != campaign->product_set) {
        graph_error(call, 100, 1815304, "The product set is not of the campaign's catalog");
        return;
    }
    if (!graph_targeting_valid(call, exchange_param_json(call->x, "targeting")))
        return;
    create(call, GRAPH_AD_SET, account, ad_set_rules, COUNT(ad_set_rules), campaign->id, set->id);
}

void graph_creative_create(struct graph_call *call, int64_t account)
{
    if (!create_allowed(call, account, creative_rules, COUNT(creative_rules)))
        return;
    const struct graph_object *set = named_object(
        call, exchange_param_text(call->x, "product_set_id"), GRAPH_PRODUCT_SET, "product_set_id");
    if (set == NULL)
        return;
    const struct json_tree *story = exchange_param_json(call->x, "object_story_spec");
    const char *page = json_tree_get_text(story, "page_id");
    const struct json_tree *data = json_tree_get(story, "template_data");
    const char *link = json_tree_get_text(data, "link");
    const char *action = json_tree_get_text(json_tree_get(data, "call_to_action"), "type");
    if (page == NULL || !graph_is_page(page))
        graph_error(call, 100, 1487194, "object_story_spec.page_id is not a Page of the user's");
    else if (link == NULL ||
             (strncmp(link, "http://", 7) != 0 && strncmp(link, "https://", 8) != 0))
        graph_error(call, 100, 1487930, "template_data.link must be a URL");
    else if (json_tree_get_text(data, "message") == NULL)
        graph_error(call, 100, 0, "(#100) template_data.message is required");
    else if (action == NULL || !graph_value_in(action, "SHOP_NOW|LEARN_MORE|CONTACT_US|BUY_NOW"))
        graph_error(call, 100, 1487861, "template_data.call_to_action.type is missing or unknown");
    else
        create(call, GRAPH_CREATIVE, account, creative_rules, COUNT(creative_rules), 0, set->id);
}

void graph_ad_create(struct graph_call *call, int64_t account)
{
    if (!create_allowed(call, account, ad_rules, COUNT(ad_rules)))
        return;
    const struct graph_object *set =
        named_object(call, exchange_param_text(call->x, "adset_id"), GRAPH_AD_SET, "adset_id");
    if (set == NULL)
        return;
    const struct json_tree *creative = exchange_param_json(call->x, "creative");
    if (named_object(call, json_tree_get_text(creative, "creative_id"), GRAPH_CREATIVE,
                     "creative.creative_id") == NULL)
        return;
    create(call, GRAPH_AD, account, ad_rules, COUNT(ad_rules), set->id, 0);
}

/* Replaces members of the object's stored parameters. */
static void merge_fields(struct graph_call *call, struct graph_object *object)
{
    const struct json_tree *old = NULL;
    if (!json_tree_parse(span_of_string(object->fields), &call->x->arena, &old))
        return;
    struct buffer out;
    buffer_init(&out, EXCHANGE_ANSWER_BYTES_MAX);
    char *changed = graph_fields(call, update_rules, COUNT(update_rules));
    (void)buffer_append(&out, changed, strlen(changed) - 1);
    free(changed);
    for (const struct json_tree *at = old->first; at != NULL; at = at->next) {
        bool known = false;
        for (size_t i = 0; i < COUNT(update_rules); i++)
            known = known || strcmp(update_rules[i].name, at->key) == 0;
        if (known && exchange_param(call->x, at->key) != NULL)
            continue;
        (void)buffer_append_string(&out, out.len > 1 ? "," : "");
        json_tree_print_string(at->key, &out);
        (void)buffer_append_byte(&out, ':');
        json_tree_print(at, &out);
    }
    (void)buffer_append_byte(&out, '}');
    free(object->fields);
    object->fields = strdup(buffer_cstring(&out));
    buffer_fini(&out);
}

void graph_object_update(struct graph_call *call, struct graph_object *object)
{
    const char *status = exchange_param_text(call->x, "status");
    const char *name = exchange_param_text(call->x, "name");
    bool ours = object->kind == GRAPH_CATALOG || object->kind == GRAPH_PRODUCT_SET;
    if (!graph_allowed(call, ours ? GRAPH_CATALOG_MANAGEMENT : GRAPH_ADS_MANAGEMENT) ||
        !graph_check(call, update_rules, COUNT(update_rules)))
        return;
    if (status != NULL && object->status == NULL) {
        graph_error(call, 100, 0, "(#100) Param status is not known for this object");
        return;
    }
    if (object->status != NULL && strcmp(object->status, "DELETED") == 0) {
        graph_error(call, 100, 1487056, "The object was deleted and cannot be changed");
        return;
    }
    if (exchange_param(call->x, "daily_budget") != NULL && !budget_valid(call))
        return;
    const struct json_tree *targeting = exchange_param_json(call->x, "targeting");
    if (targeting != NULL && !graph_targeting_valid(call, targeting))
        return;
    if (status != NULL) {
        free(object->status);
        object->status = strdup(status);
    }
    if (name != NULL) {
        free(object->name);
        object->name = strdup(name);
    }
    merge_fields(call, object);
    object->updated_ms = graph_now_ms(call->graph);
    graph_delivery_update(call->graph, object);
    (void)buffer_append_string(&call->x->answer, "{\"success\":true}");
}
