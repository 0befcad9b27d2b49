/*
 * Parameters of a create by table: what is required, of which type, from which values.
 */
#include <ctype.h>
#include <stdlib.h>

#include "test/sandbox/graph.h"

bool graph_value_in(const char *value, const char *values)
{
    size_t len = strlen(value);
    const char *at = values;
    while (len > 0 && *at != '\0') {
        size_t item = strcspn(at, "|");
        if (item == len && strncmp(at, value, len) == 0)
            return true;
        at += item + (at[item] == '|' ? 1 : 0);
    }
    return false;
}

static bool is_digits(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && strspn(text, "0123456789") == len;
}

/* Why the value does not fit, or NULL. */
static const char *misfit(struct graph_call *call, const struct graph_rule *rule)
{
    const struct param *param = exchange_param(call->x, rule->name);
    const char *text = param->text;
    const struct json_tree *json = NULL;
    int64_t number;
    switch (rule->type) {
    case GRAPH_STRING:
        if (text == NULL || (param->json != NULL && param->json->kind != JSON_TREE_STRING))
            return "must be a string.";
        return text[0] == '\0' && rule->required ? "must be non-empty." : NULL;
    case GRAPH_ID:
        return text == NULL || !is_digits(text) ? "must be a valid ID string" : NULL;
    case GRAPH_INT:
        return json_tree_integer(exchange_param_json(call->x, rule->name), &number)
                   ? NULL
                   : "must be an integer";
    case GRAPH_BOOL:
        return text == NULL || !graph_value_in(text, "true|false|0|1") ? "must be a boolean" : NULL;
    case GRAPH_ENUM:
        return text == NULL || !graph_value_in(text, rule->values) ? "must be one of its values"
                                                                   : NULL;
    case GRAPH_ARRAY:
        json = exchange_param_json(call->x, rule->name);
        return json == NULL || json->kind != JSON_TREE_ARRAY ? "must be an array." : NULL;
    case GRAPH_OBJECT:
        json = exchange_param_json(call->x, rule->name);
        return json == NULL || json->kind != JSON_TREE_OBJECT ? "must be a valid JSON object."
                                                              : NULL;
    }
    return NULL;
}

bool graph_check(struct graph_call *call, const struct graph_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct param *param = exchange_param(call->x, rules[i].name);
        if (param == NULL && !rules[i].required)
            continue;
        if (param == NULL) {
            graph_error(call, 100, 0, "(#100) The parameter %s is required", rules[i].name);
            return false;
        }
        const char *wrong = misfit(call, &rules[i]);
        if (wrong == NULL)
            continue;
        if (rules[i].type == GRAPH_ENUM)
            graph_error(call, 100, 0, "(#100) Param %s must be one of {%s}", rules[i].name,
                        rules[i].values);
        else
            graph_error(call, 100, 0, "(#100) Param %s %s", rules[i].name, wrong);
        return false;
    }
    return true;
}

char *graph_fields(struct graph_call *call, const struct graph_rule *rules, size_t count)
{
    struct buffer out;
    buffer_init(&out, EXCHANGE_ANSWER_BYTES_MAX);
    (void)buffer_append_byte(&out, '{');
    for (size_t i = 0; i < count; i++) {
        const struct param *param = exchange_param(call->x, rules[i].name);
        if (param == NULL)
            continue;
        if (out.len > 1)
            (void)buffer_append_byte(&out, ',');
        json_tree_print_string(rules[i].name, &out);
        (void)buffer_append_byte(&out, ':');
        bool text = rules[i].type == GRAPH_STRING || rules[i].type == GRAPH_ID ||
                    rules[i].type == GRAPH_ENUM || rules[i].type == GRAPH_INT;
        if (text)
            json_tree_print_string(param->text, &out);
        else
            json_tree_print(exchange_param_json(call->x, rules[i].name), &out);
    }
    (void)buffer_append_byte(&out, '}');
    char *copy = strdup(buffer_cstring(&out));
    buffer_fini(&out);
    return copy;
}

static bool fail_targeting(struct graph_call *call, int subcode, const char *what)
{
    graph_error(call, 100, subcode, "(#100) Invalid parameter: targeting: %s", what);
    return false;
}

/* Every element a text of `values`; an absent list is fine. */
static bool list_valid(const struct json_tree *list, const char *values)
{
    if (list == NULL)
        return true;
    if (list->kind != JSON_TREE_ARRAY || list->count == 0)
        return false;
    for (const struct json_tree *item = list->first; item != NULL; item = item->next)
        if (item->kind != JSON_TREE_STRING || !graph_value_in(item->text, values))
            return false;
    return true;
}

static bool countries_valid(const struct json_tree *countries)
{
    if (countries == NULL || countries->kind != JSON_TREE_ARRAY || countries->count == 0)
        return false;
    for (const struct json_tree *item = countries->first; item != NULL; item = item->next)
        if (item->kind != JSON_TREE_STRING || item->text_len != 2 ||
            !isupper((unsigned char)item->text[0]) || !isupper((unsigned char)item->text[1]))
            return false;
    return true;
}

static bool list_has(const struct json_tree *list, const char *value)
{
    for (const struct json_tree *item = list == NULL ? NULL : list->first; item != NULL;
         item = item->next)
        if (item->kind == JSON_TREE_STRING && strcmp(item->text, value) == 0)
            return true;
    return false;
}

static bool placements_valid(struct graph_call *call, const struct json_tree *targeting)
{
    const struct json_tree *platforms = json_tree_get(targeting, "publisher_platforms");
    const struct json_tree *facebook = json_tree_get(targeting, "facebook_positions");
    const struct json_tree *instagram = json_tree_get(targeting, "instagram_positions");
    if (!list_valid(platforms, "facebook|instagram|audience_network|messenger|threads"))
        return fail_targeting(call, 0, "publisher_platforms");
    if (!list_valid(facebook, "feed|facebook_reels|right_hand_column|marketplace|video_feeds|story|"
                              "search|instream_video|profile_feed|notification"))
        return fail_targeting(call, 0, "facebook_positions");
    if (!list_valid(instagram, "stream|reels|story|explore|explore_home|profile_feed|ig_search"))
        return fail_targeting(call, 0, "instagram_positions");
    if ((facebook != NULL && !list_has(platforms, "facebook")) ||
        (instagram != NULL && !list_has(platforms, "instagram")))
        return fail_targeting(call, 0,
                              "positions of a platform that is not in publisher_platforms");
    return true;
}

bool graph_targeting_valid(struct graph_call *call, const struct json_tree *targeting)
{
    const struct json_tree *geo = json_tree_get(targeting, "geo_locations");
    if (geo == NULL || geo->kind != JSON_TREE_OBJECT)
        return fail_targeting(call, 1885364, "geo_locations is required");
    if (!countries_valid(json_tree_get(geo, "countries")))
        return fail_targeting(call, 1487851, "countries must be ISO 3166-1 alpha-2 codes");
    int64_t age_min = 18;
    int64_t age_max = 65;
    const struct json_tree *low = json_tree_get(targeting, "age_min");
    const struct json_tree *high = json_tree_get(targeting, "age_max");
    if ((low != NULL && !json_tree_integer(low, &age_min)) ||
        (high != NULL && !json_tree_integer(high, &age_max)) || age_min < 13 || age_max > 65 ||
        age_min > age_max)
        return fail_targeting(call, 0, "age_min and age_max must be from 13 to 65");
    int64_t advantage = 1;
    const struct json_tree *automation = json_tree_get(targeting, "targeting_automation");
    const struct json_tree *flag = json_tree_get(automation, "advantage_audience");
    if (flag != NULL && (!json_tree_integer(flag, &advantage) || advantage < 0 || advantage > 1))
        return fail_targeting(call, 0, "advantage_audience must be 0 or 1");
    if (advantage == 1 && (age_max < 65 || age_min > 25))
        return fail_targeting(call, 1870189,
                              "with advantage_audience the age is only a suggestion");
    return placements_valid(call, targeting);
}
