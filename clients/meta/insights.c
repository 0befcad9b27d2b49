/*
 * Figures. Meta writes every value as a string; they are read without a float in between.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clients/meta/internal.h"

#define SECONDS_PER_DAY INT64_C(86400)
#define DATE_BYTES 16
#define FIELDS "impressions,clicks,reach,spend"
/* Days of one pull at most: Meta keeps 37 months. */
#define DAYS_MAX 2000
/* Largest amount that is believed, in hundredths: far below 2^53. */
#define SPEND_MINOR_MAX INT64_C(1000000000000000)
/* Rows by item that are read: they come with the most impressions first. */
#define ITEM_ROWS_MAX 5000
/* Decimal digits of an item id at most. */
#define ITEM_ID_DIGITS_MAX 18

static void format_day(int32_t day, char text[static DATE_BYTES])
{
    time_t at = (time_t)(day * SECONDS_PER_DAY);
    struct tm parts;
    (void)gmtime_r(&at, &parts);
    (void)strftime(text, DATE_BYTES, "%Y-%m-%d", &parts);
}

/* YYYY-MM-DD. */
static bool parse_day(const char *text, int32_t *ret_day)
{
    if (text == NULL || strlen(text) != 10 || text[4] != '-' || text[7] != '-')
        return false;
    struct tm parts = {0};
    const char *end = strptime(text, "%Y-%m-%d", &parts);
    if (end == NULL || *end != '\0')
        return false;
    int64_t day = (int64_t)timegm(&parts) / SECONDS_PER_DAY;
    char again[DATE_BYTES];
    format_day((int32_t)day, again);
    *ret_day = (int32_t)day;
    return strcmp(again, text) == 0; /* not 31 February */
}

/* A count; absent is 0. */
static bool read_count(const struct json_tree *row, const char *key, int64_t *ret_count)
{
    const struct json_tree *value = json_tree_get(row, key);
    if (value == NULL) {
        *ret_count = 0;
        return true;
    }
    return json_tree_integer(value, ret_count) && *ret_count >= 0;
}

/* "847.32" in hundredths, rounded half up; absent is 0. */
static bool read_spend(const struct json_tree *row, int64_t *ret_minor)
{
    const struct json_tree *value = json_tree_get(row, "spend");
    const char *text = json_tree_text(value);
    if (value == NULL) {
        *ret_minor = 0;
        return true;
    }
    size_t whole = text == NULL ? 0 : strspn(text, "0123456789");
    if (whole == 0 || whole > 13)
        return false;
    int64_t minor = strtoll(text, NULL, 10) * 100;
    const char *at = text + whole;
    if (*at == '.') {
        size_t decimals = strspn(++at, "0123456789");
        if (decimals == 0 || at[decimals] != '\0')
            return false;
        minor += (at[0] - '0') * 10;
        minor += decimals > 1 ? at[1] - '0' : 0;
        minor += decimals > 2 && at[2] >= '5' ? 1 : 0;
    } else if (*at != '\0') {
        return false;
    }
    if (minor > SPEND_MINOR_MAX)
        return false;
    *ret_minor = minor;
    return true;
}

static bool read_row(const struct json_tree *row, struct meta_insight *insight)
{
    return read_count(row, "impressions", &insight->impressions) &&
           read_count(row, "clicks", &insight->clicks) &&
           read_count(row, "reach", &insight->reach) && read_spend(row, &insight->spend_minor);
}

struct gather {
    struct arena *arena;
    struct meta_insight *days;
    size_t count;
    size_t room;
    bool bad;    /* a row that is none */
    bool failed; /* out of memory */
};

static bool add_day(void *arg, const struct json_tree *row)
{
    struct gather *gather = arg;
    struct meta_insight insight = {0};
    if (gather->count == DAYS_MAX ||
        !parse_day(json_tree_get_text(row, "date_start"), &insight.day) ||
        !read_row(row, &insight)) {
        gather->bad = true;
        return false;
    }
    if (gather->count == gather->room) {
        size_t room = gather->room == 0 ? 64 : gather->room * 2;
        struct meta_insight *days = arena_calloc(gather->arena, room, sizeof *days);
        if (days == NULL) {
            gather->failed = true;
            return false;
        }
        if (gather->count > 0)
            memcpy(days, gather->days, gather->count * sizeof *days);
        gather->days = days;
        gather->room = room;
    }
    gather->days[gather->count++] = insight;
    return true;
}

/* The first row, which is the period's. */
static bool take_total(void *arg, const struct json_tree *row)
{
    struct gather *gather = arg;
    struct meta_insight *total = gather->days;
    gather->bad = !read_row(row, total);
    gather->count = 1;
    return false;
}

static enum rpc_code walk(struct meta_client *client, struct rpc_context *context,
                          const char *token, const char *campaign_id,
                          const struct meta__pair *params, size_t param_count,
                          bool (*row)(void *arg, const struct json_tree *row),
                          struct gather *gather, struct rpc_status *status)
{
    const char *path = meta__path(context->arena, campaign_id, "insights");
    enum rpc_code code =
        meta__list(client, context, token, path, params, param_count, row, gather, status);
    if (code == RPC_OK && gather->failed)
        code = meta__fail_memory(status);
    if (code == RPC_OK && gather->bad)
        code = meta__fail_answer(status);
    return code;
}

static const char *time_range(struct arena *arena, int32_t first_day, int32_t last_day)
{
    char since[DATE_BYTES];
    char until[DATE_BYTES];
    format_day(first_day, since);
    format_day(last_day, until);
    return arena_printf(arena, "{\"since\":\"%s\",\"until\":\"%s\"}", since, until);
}

enum rpc_code meta_insights_daily(struct meta_client *client, struct rpc_context *context,
                                  const char *token, const char *campaign_id, int32_t first_day,
                                  int32_t last_day, struct meta_insight **ret_days,
                                  size_t *ret_count, struct rpc_status *status)
{
    const char *range = time_range(context->arena, first_day, last_day);
    if (range == NULL)
        return meta__fail_memory(status);
    struct meta__pair params[] = {
        {"fields", FIELDS}, {"time_range", range}, {"time_increment", "1"}, {"level", "campaign"}};
    struct gather gather = {.arena = context->arena};
    enum rpc_code code = walk(client, context, token, campaign_id, params,
                              sizeof params / sizeof *params, add_day, &gather, status);
    if (code != RPC_OK)
        return code;
    *ret_days = gather.days;
    *ret_count = gather.count;
    return RPC_OK;
}

enum rpc_code meta_insights_total(struct meta_client *client, struct rpc_context *context,
                                  const char *token, const char *campaign_id, int32_t first_day,
                                  int32_t last_day, struct meta_insight *ret_total,
                                  struct rpc_status *status)
{
    const char *range = time_range(context->arena, first_day, last_day);
    if (range == NULL)
        return meta__fail_memory(status);
    bool lifetime = first_day == 0;
    struct meta__pair params[] = {
        {"fields", FIELDS},
        {"level", "campaign"},
        {lifetime ? "date_preset" : "time_range", lifetime ? "maximum" : range}};
    struct meta_insight total = {0};
    struct gather gather = {.arena = context->arena, .days = &total};
    enum rpc_code code = walk(client, context, token, campaign_id, params,
                              sizeof params / sizeof *params, take_total, &gather, status);
    if (code == RPC_OK)
        *ret_total = total;
    return code;
}

/* --- by item --- */

struct gather_items {
    struct arena *arena;
    struct meta_insight_item *items;
    size_t count;
    size_t room;
    bool bad;
    bool failed;
};

/* Meta's "7" or "7, 2024 Honda Civic". False for what is no id of ours. */
static bool parse_product(const char *text, struct arena *arena, struct meta_insight_item *item)
{
    size_t digits = text == NULL ? 0 : strspn(text, "0123456789");
    if (digits == 0 || digits > ITEM_ID_DIGITS_MAX || (text[digits] != '\0' && text[digits] != ','))
        return false;
    const char *title = text + digits;
    while (*title == ',' || *title == ' ')
        title++;
    item->item_id = strtoll(text, NULL, 10);
    item->title = arena_strdup(arena, title);
    return true;
}

static bool add_item(void *arg, const struct json_tree *row)
{
    struct gather_items *gather = arg;
    struct meta_insight_item item = {0};
    if (!parse_product(json_tree_get_text(row, "product_id"), gather->arena, &item))
        return true; /* not from our catalog */
    gather->bad = !read_count(row, "impressions", &item.impressions) ||
                  !read_count(row, "clicks", &item.clicks);
    gather->failed = item.title == NULL;
    if (gather->count == gather->room) {
        size_t room = gather->room == 0 ? 64 : gather->room * 2;
        struct meta_insight_item *items = arena_calloc(gather->arena, room, sizeof *items);
        gather->failed = gather->failed || items == NULL;
        if (items != NULL && gather->count > 0)
            memcpy(items, gather->items, gather->count * sizeof *items);
        gather->items = items;
        gather->room = room;
    }
    if (gather->bad || gather->failed)
        return false;
    gather->items[gather->count++] = item;
    return gather->count < ITEM_ROWS_MAX;
}

static int by_id(const void *a, const void *b)
{
    const struct meta_insight_item *x = a;
    const struct meta_insight_item *y = b;
    return (x->item_id > y->item_id) - (x->item_id < y->item_id);
}

static int by_figures(const void *a, const void *b)
{
    const struct meta_insight_item *x = a;
    const struct meta_insight_item *y = b;
    if (x->impressions != y->impressions)
        return x->impressions < y->impressions ? 1 : -1;
    if (x->clicks != y->clicks)
        return x->clicks < y->clicks ? 1 : -1;
    return by_id(a, b);
}

/* An item whose title has changed has a row for each: they become one. */
static void merge_items(struct gather_items *gather)
{
    size_t count = 0;
    if (gather->count > 0)
        qsort(gather->items, gather->count, sizeof *gather->items, by_id);
    for (size_t i = 0; i < gather->count; i++) {
        const struct meta_insight_item *row = &gather->items[i];
        if (count > 0 && gather->items[count - 1].item_id == row->item_id) {
            gather->items[count - 1].impressions += row->impressions;
            gather->items[count - 1].clicks += row->clicks;
        } else {
            gather->items[count++] = *row;
        }
    }
    gather->count = count;
}

enum rpc_code meta_insights_items(struct meta_client *client, struct rpc_context *context,
                                  const char *token, const char *campaign_id, int32_t first_day,
                                  int32_t last_day, size_t max,
                                  struct meta_insight_item **ret_items, size_t *ret_count,
                                  struct rpc_status *status)
{
    const char *range = time_range(context->arena, first_day, last_day);
    const char *path = meta__path(context->arena, campaign_id, "insights");
    if (range == NULL)
        return meta__fail_memory(status);
    bool lifetime = first_day == 0;
    struct meta__pair params[] = {
        {"fields", "impressions,clicks"},
        {"level", "campaign"},
        {"breakdowns", "[\"product_id\"]"},
        {"sort", "[\"impressions_descending\"]"},
        {"limit", "500"},
        {lifetime ? "date_preset" : "time_range", lifetime ? "maximum" : range}};
    struct gather_items gather = {.arena = context->arena};
    enum rpc_code code = meta__list(client, context, token, path, params,
                                    sizeof params / sizeof *params, add_item, &gather, status);
    if (code == RPC_OK && gather.failed)
        code = meta__fail_memory(status);
    if (code == RPC_OK && gather.bad)
        code = meta__fail_answer(status);
    if (code != RPC_OK)
        return code;
    merge_items(&gather);
    if (gather.count > 0)
        qsort(gather.items, gather.count, sizeof *gather.items, by_figures);
    *ret_items = gather.items;
    *ret_count = gather.count < max ? gather.count : max;
    return RPC_OK;
}
