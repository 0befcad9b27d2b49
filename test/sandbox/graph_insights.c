/*
 * Figures of a campaign, made up so that they add up like real ones.
 *
 * A full day's figures follow from the campaign's id and the day, with a period of 30 days: any 30
 * days in a row have the same totals. A day that was not delivered to the end has its share.
 * Yesterday shows a little less than it will have, the day before as much more; the day after, both
 * have settled: restated figures whose sum stays. Reach of a period is less than the sum of its
 * days' reach, as people are met again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "test/sandbox/graph.h"

#define PERIOD_DAYS 30
#define DAY_MS INT64_C(86400000)
#define IMPRESSIONS_30 123490
#define CLICKS_30 2340
#define SPEND_MINOR_30 84732
#define REACH_SUM_30 54300
#define REACH_30 INT64_C(45600)
/* What is still missing of yesterday, in percent. */
#define RESTATED_PERCENT 3
#define MONTHS_KEPT 37
#define DAYS_MAX 1200
#define BREAKDOWN_PRODUCTS_MAX 40
#define FIELDS                                                                                   \
    "impressions|clicks|reach|frequency|ctr|cpc|cpm|spend|campaign_id|campaign_name|date_start|" \
    "date_stop|product_id"

struct figures {
    int64_t impressions;
    int64_t clicks;
    int64_t reach;
    int64_t spend_minor;
};

struct period {
    int32_t first;
    int32_t last;
};

int32_t graph_day_of(int64_t ms)
{
    time_t at = (time_t)(ms / 1000);
    struct tm parts;
    (void)localtime_r(&at, &parts);
    parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
    return (int32_t)(timegm(&parts) / 86400);
}

int64_t graph_day_start_ms(int32_t day)
{
    time_t at = (time_t)day * 86400;
    struct tm parts;
    (void)gmtime_r(&at, &parts);
    parts.tm_isdst = -1;
    return (int64_t)mktime(&parts) * 1000;
}

static void format_day(int32_t day, char text[static 16])
{
    time_t at = (time_t)day * 86400;
    struct tm parts;
    (void)strftime(text, 16, "%Y-%m-%d", gmtime_r(&at, &parts));
}

static bool parse_day(const char *text, int32_t *ret_day)
{
    struct tm parts = {0};
    const char *end = text == NULL ? NULL : strptime(text, "%Y-%m-%d", &parts);
    if (end == NULL || *end != '\0' || strlen(text) != 10)
        return false;
    *ret_day = (int32_t)(timegm(&parts) / 86400);
    char again[16];
    format_day(*ret_day, again);
    return strcmp(again, text) == 0;
}

/* A number from 80 to 120 that depends on all three. */
static int64_t weight(int64_t campaign, int index, int salt)
{
    uint64_t hash = (uint64_t)campaign * 0x9e3779b97f4a7c15u +
                    (uint64_t)index * 0xbf58476d1ce4e5b9u + (uint64_t)salt * 0x94d049bb133111ebu;
    hash ^= hash >> 29;
    hash *= 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
    return 80 + (int64_t)(hash % 41);
}

/* The share of day `index` in a total over the period, by cumulative rounding: the shares sum to
 * it. */
static int64_t share(int64_t campaign, int index, int salt, int64_t total)
{
    int64_t all = 0;
    int64_t before = 0;
    for (int i = 0; i < PERIOD_DAYS; i++) {
        if (i == index)
            before = all;
        all += weight(campaign, i, salt);
    }
    int64_t with = before + weight(campaign, index, salt);
    return total * with / all - total * before / all;
}

/* Of a full day. */
static struct figures full_day(int64_t campaign, int32_t day)
{
    int index = (int)((day % PERIOD_DAYS + PERIOD_DAYS) % PERIOD_DAYS);
    return (struct figures){
        .impressions = share(campaign, index, 1, IMPRESSIONS_30),
        .clicks = share(campaign, index, 2, CLICKS_30),
        .reach = share(campaign, index, 1, REACH_SUM_30),
        .spend_minor = share(campaign, index, 3, SPEND_MINOR_30),
    };
}

/* Of a day, in ms, how much was delivered until now. */
static int64_t delivered_ms(const struct graph_object *campaign, int32_t day, int64_t now)
{
    int64_t start = graph_day_start_ms(day);
    int64_t end = graph_day_start_ms(day + 1);
    int64_t sum = 0;
    for (size_t i = 0; i < campaign->interval_count; i++) {
        int64_t from = campaign->intervals[i].from_ms;
        int64_t to = campaign->intervals[i].to_ms;
        to = to > now ? now : to;
        from = from < start ? start : from;
        to = to > end ? end : to;
        if (to > from)
            sum += to - from;
    }
    return sum;
}

static void add(struct figures *to, const struct figures *of, int64_t numerator,
                int64_t denominator)
{
    to->impressions += of->impressions * numerator / denominator;
    to->clicks += of->clicks * numerator / denominator;
    to->reach += of->reach * numerator / denominator;
    to->spend_minor += of->spend_minor * numerator / denominator;
}

/* Until when figures count. */
static int64_t counted_until_ms(const struct graph *graph)
{
    int64_t now = graph_now_ms(graph);
    return graph->quiet_today ? graph_day_start_ms(graph_day_of(now)) : now;
}

/* What is shown of a day today. */
static struct figures shown_day(const struct graph_object *campaign, int32_t day, int64_t now)
{
    struct figures figures = {0};
    int64_t length = graph_day_start_ms(day + 1) - graph_day_start_ms(day);
    int64_t delivered = delivered_ms(campaign, day, now);
    struct figures full = full_day(campaign->id, day);
    add(&figures, &full, delivered, length);
    int32_t today = graph_day_of(now);
    if (day != today - 1 && day != today - 2)
        return figures;
    for (int32_t near = today - 2; near < today; near++)
        if (delivered_ms(campaign, near, now) <
            graph_day_start_ms(near + 1) - graph_day_start_ms(near))
            return figures;
    struct figures yesterday = full_day(campaign->id, today - 1);
    add(&figures, &yesterday, day == today - 1 ? -RESTATED_PERCENT : RESTATED_PERCENT, 100);
    return figures;
}

static struct figures shown_period(const struct graph_object *campaign, struct period period,
                                   int64_t now)
{
    struct figures sum = {0};
    int64_t days = 0;
    int64_t best = 0;
    for (int32_t day = period.first; day <= period.last; day++) {
        struct figures figures = shown_day(campaign, day, now);
        add(&sum, &figures, 1, 1);
        days += figures.reach > 0;
        best = figures.reach > best ? figures.reach : best;
    }
    if (days > 1)
        sum.reach = sum.reach * REACH_30 * (PERIOD_DAYS - 1) /
                    (REACH_30 * (PERIOD_DAYS - 1) + (REACH_SUM_30 - REACH_30) * (days - 1));
    if (sum.reach < best)
        sum.reach = best;
    return sum;
}

static void append_ratio(struct buffer *out, const char *name, int64_t numerator,
                         int64_t denominator)
{
    if (denominator > 0)
        (void)buffer_printf(out, "\"%s\":\"%.6f\",", name, (double)numerator / (double)denominator);
}

/* One member. */
static void append_field(struct graph_call *call, const struct graph_object *campaign,
                         const struct figures *figures, const char *field)
{
    struct buffer *out = &call->x->answer;
    if (strcmp(field, "impressions") == 0)
        (void)buffer_printf(out, "\"impressions\":\"%" PRId64 "\",", figures->impressions);
    else if (strcmp(field, "clicks") == 0)
        (void)buffer_printf(out, "\"clicks\":\"%" PRId64 "\",", figures->clicks);
    else if (strcmp(field, "reach") == 0)
        (void)buffer_printf(out, "\"reach\":\"%" PRId64 "\",", figures->reach);
    else if (strcmp(field, "spend") == 0)
        (void)buffer_printf(out, "\"spend\":\"%" PRId64 ".%02d\",", figures->spend_minor / 100,
                            (int)(figures->spend_minor % 100));
    else if (strcmp(field, "frequency") == 0)
        append_ratio(out, field, figures->impressions, figures->reach);
    else if (strcmp(field, "ctr") == 0)
        append_ratio(out, field, 100 * figures->clicks, figures->impressions);
    else if (strcmp(field, "cpc") == 0)
        append_ratio(out, field, figures->spend_minor, 100 * figures->clicks);
    else if (strcmp(field, "cpm") == 0)
        append_ratio(out, field, 10 * figures->spend_minor, figures->impressions);
    else if (strcmp(field, "campaign_id") == 0)
        (void)buffer_printf(out, "\"campaign_id\":\"%" PRId64 "\",", campaign->id);
    else if (strcmp(field, "campaign_name") == 0) {
        (void)buffer_append_string(out, "\"campaign_name\":");
        json_tree_print_string(campaign->name, out);
        (void)buffer_append_byte(out, ',');
    }
}

static const char *fields_of(struct graph_call *call)
{
    const char *fields = exchange_param_text(call->x, "fields");
    return fields == NULL ? "impressions,spend" : fields;
}

/* False with the error answered for a field that there is not. */
static bool fields_valid(struct graph_call *call)
{
    const char *at = fields_of(call);
    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        const char *field = exchange_printf(call->x, "%.*s", (int)len, at);
        if (!graph_value_in(field, FIELDS)) {
            graph_error(call, 100, 0, "(#100) %.64s is not valid for fields param.", field);
            return false;
        }
        at += len + (at[len] == ',' ? 1 : 0);
    }
    return true;
}

static void append_row(struct graph_call *call, const struct graph_object *campaign,
                       const struct figures *figures, struct period period, const char *product)
{
    const char *at = fields_of(call);
    (void)buffer_append_byte(&call->x->answer, '{');
    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        append_field(call, campaign, figures, exchange_printf(call->x, "%.*s", (int)len, at));
        at += len + (at[len] == ',' ? 1 : 0);
    }
    if (product != NULL) {
        (void)buffer_append_string(&call->x->answer, "\"product_id\":");
        json_tree_print_string(product, &call->x->answer);
        (void)buffer_append_byte(&call->x->answer, ',');
    }
    char first[16];
    char last[16];
    format_day(period.first, first);
    format_day(period.last, last);
    (void)buffer_printf(&call->x->answer, "\"date_start\":\"%s\",\"date_stop\":\"%s\"}", first,
                        last);
}

static bool fail_range(struct graph_call *call, const char *what)
{
    graph_error(call, 100, 0, "(#100) %s", what);
    return false;
}

static bool preset_period(struct graph_call *call, const struct graph_object *campaign,
                          const char *preset, int32_t today, struct period *ret_period)
{
    if (graph_value_in(preset, "maximum|lifetime|data_maximum")) {
        int32_t first =
            campaign->interval_count == 0 ? today : graph_day_of(campaign->intervals[0].from_ms);
        *ret_period = (struct period){first, today};
    } else if (strcmp(preset, "today") == 0) {
        *ret_period = (struct period){today, today};
    } else if (strcmp(preset, "yesterday") == 0) {
        *ret_period = (struct period){today - 1, today - 1};
    } else if (strcmp(preset, "last_7d") == 0) {
        *ret_period = (struct period){today - 7, today - 1};
    } else if (strcmp(preset, "last_30d") == 0) {
        *ret_period = (struct period){today - 30, today - 1};
    } else if (strcmp(preset, "last_90d") == 0) {
        *ret_period = (struct period){today - 90, today - 1};
    } else {
        return fail_range(call, "Param date_preset must be one of its values");
    }
    return true;
}

static bool read_period(struct graph_call *call, const struct graph_object *campaign,
                        struct period *ret_period)
{
    int32_t today = graph_day_of(counted_until_ms(call->graph));
    const char *preset = exchange_param_text(call->x, "date_preset");
    if (exchange_param(call->x, "time_range") == NULL)
        return preset_period(call, campaign, preset == NULL ? "last_30d" : preset, today,
                             ret_period);
    const struct json_tree *range = exchange_param_json(call->x, "time_range");
    struct period period;
    if (!parse_day(json_tree_get_text(range, "since"), &period.first) ||
        !parse_day(json_tree_get_text(range, "until"), &period.last))
        return fail_range(call, "Param time_range must have since and until as YYYY-MM-DD");
    if (period.first > period.last)
        return fail_range(call, "Param time_range: since must not be after until");
    if (period.first < today - MONTHS_KEPT * 31) {
        graph_error(call, 3018, 0,
                    "The start date of the time range cannot be beyond 37 months "
                    "from the current date");
        return false;
    }
    if (period.last > today)
        period.last = today;
    *ret_period = period;
    return true;
}

static void daily(struct graph_call *call, const struct graph_object *campaign,
                  struct period period)
{
    struct graph_page page;
    if (!graph_page_start(call, call->graph->page_size, &page))
        return;
    int64_t now = counted_until_ms(call->graph);
    for (int32_t day = period.first; day <= period.last && day - period.first < DAYS_MAX; day++) {
        struct figures figures = shown_day(campaign, day, now);
        if (figures.impressions == 0 || !graph_page_row(call, &page, day))
            continue;
        append_row(call, campaign, &figures, (struct period){day, day}, NULL);
    }
    graph_page_end(call, &page);
}

static int64_t catalog_of(struct graph *graph, const struct graph_object *campaign)
{
    for (size_t i = 0; i < graph->object_count; i++) {
        const struct graph_object *object = graph->objects[i];
        if (object->kind != GRAPH_AD_SET || object->above != campaign->id)
            continue;
        const struct graph_object *set = graph_object_find(graph, object->product_set);
        return set == NULL ? 0 : set->owner;
    }
    return campaign->product_set;
}

static const char *product_label(struct graph_call *call, const struct graph_product *product)
{
    const struct json_tree *data = NULL;
    const char *title = NULL;
    if (json_tree_parse(span_of_string(product->data), &call->x->arena, &data))
        title = json_tree_get_text(data, "title");
    return exchange_printf(call->x, "%s, %s", product->retailer_id, title == NULL ? "" : title);
}

/* The period's figures over the first products, more for the earlier ones. */
static void by_product(struct graph_call *call, const struct graph_object *campaign,
                       struct period period)
{
    struct graph *graph = call->graph;
    struct figures total = shown_period(campaign, period, counted_until_ms(graph));
    int64_t catalog = catalog_of(graph, campaign);
    struct graph_page page;
    if (!graph_page_start(call, graph->page_size, &page))
        return;
    int64_t rank = 0;
    for (size_t i = 0; i < graph->product_count && rank < BREAKDOWN_PRODUCTS_MAX; i++) {
        const struct graph_product *product = graph->products[i];
        if (product->catalog != catalog || product->deleted || total.impressions == 0)
            continue;
        rank++;
        struct figures figures = {0};
        add(&figures, &total, 12, (rank + 1) * (rank + 20));
        if (!graph_page_row(call, &page, rank))
            continue;
        append_row(call, campaign, &figures, period, product_label(call, product));
    }
    graph_page_end(call, &page);
}

static void whole(struct graph_call *call, const struct graph_object *campaign,
                  struct period period)
{
    struct graph_page page;
    if (!graph_page_start(call, call->graph->page_size, &page))
        return;
    struct figures figures = shown_period(campaign, period, counted_until_ms(call->graph));
    if (figures.impressions > 0 && graph_page_row(call, &page, 1))
        append_row(call, campaign, &figures, period, NULL);
    graph_page_end(call, &page);
}

/* The campaign at or above the object, or NULL. */
static struct graph_object *campaign_of(struct graph *graph, struct graph_object *object)
{
    while (object != NULL && object->kind != GRAPH_CAMPAIGN)
        object = object->above == 0 ? NULL : graph_object_find(graph, object->above);
    return object;
}

/* The one breakdown: a bare name or a list with it; NULL: none. */
static const char *breakdown_of(struct graph_call *call)
{
    const struct json_tree *list = exchange_param_json(call->x, "breakdowns");
    const char *text = exchange_param_text(call->x, "breakdowns");
    if (list == NULL || list->kind != JSON_TREE_ARRAY)
        return text;
    const char *first = list->first == NULL ? NULL : json_tree_text(list->first);
    return list->count == 1 && first != NULL ? first : "";
}

void graph_insights(struct graph_call *call, struct graph_object *object)
{
    const struct graph_object *campaign = campaign_of(call->graph, object);
    const char *increment = exchange_param_text(call->x, "time_increment");
    const char *level = exchange_param_text(call->x, "level");
    const char *breakdowns = breakdown_of(call);
    struct period period;
    if (campaign == NULL) {
        graph_error(call, 100, 33, "Unsupported get request.");
        return;
    }
    if (!graph_allowed(call, GRAPH_ADS_READ | GRAPH_ADS_MANAGEMENT) || !fields_valid(call) ||
        !read_period(call, campaign, &period))
        return;
    if (level != NULL && !graph_value_in(level, "campaign|adset|ad|account"))
        (void)fail_range(call, "Param level must be one of {ad, adset, campaign, account}");
    else if (increment != NULL && !graph_value_in(increment, "1|all_days"))
        (void)fail_range(call, "Param time_increment must be 1 or all_days");
    else if (breakdowns != NULL && strcmp(breakdowns, "product_id") == 0)
        by_product(call, campaign, period);
    else if (breakdowns != NULL)
        (void)fail_range(call, "Param breakdowns must be one of its values");
    else if (increment != NULL && strcmp(increment, "1") == 0)
        daily(call, campaign, period);
    else
        whole(call, campaign, period);
}
