/*
 * Catalogs, product sets, campaigns and what is below them: found by name, made, switched on and
 * off.
 */
#include <inttypes.h>
#include <time.h>

#include "clients/meta/internal.h"
#include "rpc/base/clock.h"

/* Reads of a status until it has taken. */
#define STATUS_READS_MAX 4
#define STATUS_PAUSE_MS 150
/* JSON of one parameter at most, in bytes. */
#define PARAM_BYTES_MAX ((size_t)64 * 1024)

/* --- find --- */

static const char *const edges[] = {
    [META_CATALOG] = "owned_product_catalogs",
    [META_PRODUCT_SET] = "product_sets",
    [META_CAMPAIGN] = "campaigns",
    [META_AD_SET] = "adsets",
    [META_CREATIVE] = "adcreatives",
    [META_AD] = "ads",
};

struct search {
    const char *name;
    const char *id; /* of the object that has the name */
};

static bool match_name(void *arg, const struct json_tree *row)
{
    struct search *search = arg;
    const char *name = json_tree_get_text(row, "name");
    const char *id = json_tree_get_text(row, "id");
    if (name == NULL || id == NULL || strcmp(name, search->name) != 0)
        return true;
    search->id = id;
    return false;
}

enum rpc_code meta_object_find(struct meta_client *client, struct rpc_context *context,
                               const char *token, enum meta_object kind, const char *parent_id,
                               const char *name, const char **ret_id, struct rpc_status *status)
{
    struct search search = {.name = name};
    struct meta__pair params[] = {{"fields", "id,name"}};
    const char *path = meta__path(context->arena, parent_id, edges[kind]);
    enum rpc_code code =
        meta__list(client, context, token, path, params, 1, match_name, &search, status);
    if (code == RPC_OK)
        *ret_id = search.id;
    return code;
}

/* --- create: one function a kind adds its parameters --- */

/* {"key":"value"} */
static void add_pair(struct meta__request *request, const char *name, const char *key,
                     const char *value)
{
    struct buffer json;
    buffer_init(&json, PARAM_BYTES_MAX);
    (void)buffer_printf(&json, "{\"%s\":", key);
    json_tree_print_string(value, &json);
    (void)buffer_append_byte(&json, '}');
    const char *text = buffer_cstring(&json);
    if (text != NULL)
        meta__param(request, name, text);
    else
        request->params.failed = true;
    buffer_fini(&json);
}

static void catalog_params(struct meta__request *request, const struct meta_create *create)
{
    /* For vehicles too: see items.c on why they go as products, which a vehicles catalog does not
     * take. */
    (void)create;
    meta__param(request, "vertical", "commerce");
}

static void product_set_params(struct meta__request *request, const struct meta_create *create)
{
    (void)create;
    /* What is sold stays in the catalog and out of the ads. */
    meta__param(request, "filter", "{\"availability\":{\"eq\":\"in stock\"}}");
}

static void campaign_params(struct meta__request *request, const struct meta_create *create)
{
    meta__param(request, "objective", "OUTCOME_SALES");
    meta__param(request, "status", "PAUSED");
    meta__param(request, "special_ad_categories", "[]");
    meta__param(request, "is_adset_budget_sharing_enabled", "false");
    add_pair(request, "promoted_object", "product_catalog_id", create->catalog_id);
}

static void append_targeting(struct buffer *json, const Lotcast__V1__Targeting *targeting)
{
    (void)buffer_append_string(json, "{\"geo_locations\":{\"countries\":[");
    for (size_t i = 0; i < targeting->n_countries; i++) {
        (void)buffer_append_string(json, i == 0 ? "" : ",");
        json_tree_print_string(targeting->countries[i], json);
    }
    /* Advantage audience, which is on unless it is switched off, would make the age a mere
     * suggestion. */
    (void)buffer_printf(json,
                        "]},\"age_min\":%" PRId32 ",\"age_max\":%" PRId32
                        ",\"targeting_automation\":{\"advantage_audience\":0},"
                        "\"publisher_platforms\":[\"facebook\",\"instagram\"],"
                        "\"facebook_positions\":[\"feed\",\"facebook_reels\"],"
                        "\"instagram_positions\":[\"stream\",\"reels\"]}",
                        targeting->age_min, targeting->age_max);
}

static void add_daily_budget(struct meta__request *request, int64_t daily_budget)
{
    char budget[24];
    (void)snprintf(budget, sizeof budget, "%" PRId64, daily_budget);
    meta__param(request, "daily_budget", budget);
}

static void add_targeting(struct meta__request *request, const Lotcast__V1__Targeting *targeting)
{
    struct buffer json;
    buffer_init(&json, PARAM_BYTES_MAX);
    append_targeting(&json, targeting);
    const char *text = buffer_cstring(&json);
    if (text != NULL)
        meta__param(request, "targeting", text);
    else
        request->params.failed = true;
    buffer_fini(&json);
}

static void ad_set_params(struct meta__request *request, const struct meta_create *create)
{
    meta__param(request, "campaign_id", create->campaign_id);
    add_daily_budget(request, create->daily_budget);
    meta__param(request, "billing_event", "IMPRESSIONS");
    meta__param(request, "optimization_goal", "LINK_CLICKS");
    meta__param(request, "bid_strategy", "LOWEST_COST_WITHOUT_CAP");
    add_pair(request, "promoted_object", "product_set_id", create->product_set_id);
    add_targeting(request, create->targeting);
    meta__param(request, "status", "PAUSED");
}

static void creative_params(struct meta__request *request, const struct meta_create *create)
{
    struct buffer json;
    buffer_init(&json, PARAM_BYTES_MAX);
    (void)buffer_append_string(&json, "{\"page_id\":");
    json_tree_print_string(create->page_id, &json);
    (void)buffer_append_string(
        &json, ",\"template_data\":{\"call_to_action\":{\"type\":\"SHOP_NOW\"},\"link\":");
    json_tree_print_string(create->link, &json);
    (void)buffer_append_string(&json, ",\"message\":");
    json_tree_print_string(create->message, &json);
    (void)buffer_append_string(&json, ",\"name\":\"{{product.name}}\"}}");
    const char *text = buffer_cstring(&json);
    meta__param(request, "product_set_id", create->product_set_id);
    if (text != NULL)
        meta__param(request, "object_story_spec", text);
    else
        request->params.failed = true;
    buffer_fini(&json);
}

static void ad_params(struct meta__request *request, const struct meta_create *create)
{
    meta__param(request, "adset_id", create->ad_set_id);
    add_pair(request, "creative", "creative_id", create->creative_id);
    meta__param(request, "status", "PAUSED");
}

static void (*const add_params[])(struct meta__request *, const struct meta_create *) = {
    [META_CATALOG] = catalog_params,   [META_PRODUCT_SET] = product_set_params,
    [META_CAMPAIGN] = campaign_params, [META_AD_SET] = ad_set_params,
    [META_CREATIVE] = creative_params, [META_AD] = ad_params,
};

static const char *parent_of(enum meta_object kind, const struct meta_create *create)
{
    if (kind == META_CATALOG)
        return create->business_id;
    return kind == META_PRODUCT_SET ? create->catalog_id : create->ad_account_id;
}

enum rpc_code meta_object_create(struct meta_client *client, struct rpc_context *context,
                                 const char *token, enum meta_object kind,
                                 const struct meta_create *create, const char **ret_id,
                                 struct rpc_status *status)
{
    struct meta__request request;
    const char *path = meta__path(context->arena, parent_of(kind, create), edges[kind]);
    meta__request_init(&request, HTTP_POST, META_ONCE, path, token);
    meta__param(&request, "name", create->name);
    add_params[kind](&request, create);
    const struct json_tree *answer = NULL;
    enum rpc_code code = meta__call(client, context, &request, &answer, NULL, status);
    if (code != RPC_OK)
        return code;
    const char *id = json_tree_get_text(answer, "id");
    if (meta__path(context->arena, id, NULL) == NULL)
        return meta__fail_answer(status); /* it may exist: the caller looks it up */
    *ret_id = id;
    return RPC_OK;
}

/* --- changing --- */

enum rpc_code meta_ad_set_update(struct meta_client *client, struct rpc_context *context,
                                 const char *token, const char *ad_set_id, int64_t daily_budget,
                                 const Lotcast__V1__Targeting *targeting, struct rpc_status *status)
{
    struct meta__request request;
    const char *path = meta__path(context->arena, ad_set_id, NULL);
    meta__request_init(&request, HTTP_POST, META_REPEATABLE, path, token);
    if (daily_budget > 0)
        add_daily_budget(&request, daily_budget);
    if (targeting != NULL)
        add_targeting(&request, targeting);
    const struct json_tree *answer = NULL;
    return meta__call(client, context, &request, &answer, NULL, status);
}

/* --- status --- */

/* Whether what was read back is what was asked for. Below a paused parent an ad is ADSET_PAUSED and
 * the like. */
static bool status_taken(const struct json_tree *answer, bool active)
{
    const char *own = json_tree_get_text(answer, "status");
    const char *effective = json_tree_get_text(answer, "effective_status");
    if (own != NULL && strcmp(own, active ? "ACTIVE" : "PAUSED") != 0)
        return false;
    if (effective == NULL)
        return own != NULL;
    if (!active)
        return strcmp(effective, "ACTIVE") != 0;
    return strcmp(effective, "PAUSED") != 0 && strcmp(effective, "DELETED") != 0 &&
           strcmp(effective, "ARCHIVED") != 0;
}

static enum rpc_code status_read(struct meta_client *client, struct rpc_context *context,
                                 const char *token, const char *path, bool active,
                                 struct rpc_status *status)
{
    for (int i = 0; i < STATUS_READS_MAX; i++) {
        struct meta__request request;
        meta__request_init(&request, HTTP_GET, META_REPEATABLE, path, token);
        meta__param(&request, "fields", "status,effective_status");
        const struct json_tree *answer = NULL;
        enum rpc_code code = meta__call(client, context, &request, &answer, NULL, status);
        if (code != RPC_OK)
            return code;
        if (status_taken(answer, active))
            return RPC_OK;
        if (!meta__wait_ms(context, STATUS_PAUSE_MS))
            break;
    }
    return meta__fail(RPC_UNAVAILABLE, status);
}

enum rpc_code meta_status_set(struct meta_client *client, struct rpc_context *context,
                              const char *token, const char *object_id, bool active,
                              struct rpc_status *status)
{
    const char *path = meta__path(context->arena, object_id, NULL);
    struct meta__request request;
    meta__request_init(&request, HTTP_POST, META_REPEATABLE, path, token);
    meta__param(&request, "status", active ? "ACTIVE" : "PAUSED");
    const struct json_tree *answer = NULL;
    enum rpc_code code = meta__call(client, context, &request, &answer, NULL, status);
    if (code != RPC_OK)
        return code;
    return status_read(client, context, token, path, active, status);
}
