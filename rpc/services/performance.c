/*
 * How the ads perform: a period's days from the store, with the reach and the best items of the
 * whole period. Those of 7d, 30d and 90d are stored by the insights job; those of from and to are
 * asked of Meta within the call.
 *
 * Where Meta is slow such a call holds its worker: so only a few may wait at once, and the others
 * are told that Meta does not answer.
 */
#include "lotcast/v1/performance.pb-c.h"

#include <stdatomic.h>

#include "clients/meta/meta.h"
#include "rpc/base/buffer.h"
#include "rpc/base/clock.h"
#include "rpc/services/internal.h"
#include "rpc/services/model/estimate.h"
#include "rpc/services/model/period.h"
#include "rpc/services/secret.h"
#include "rpc/services/zones.h"

/* Days of from and to at most. */
#define RANGE_DAYS_MAX 366
/* Meta keeps 37 months and refuses to be asked for days before, about. */
#define META_KEPT_DAYS 1100
/* What Meta may take for both of its answers. */
#define META_MS ((int64_t)5000)
#define TOP_PERFORMERS_MAX 10
/* Asked for more, since some may have gone without a name. */
#define TOP_ASKED 20
/* A row of the CSV has less. */
#define CSV_ROW_BYTES 128
/* Rows that one piece of a file has, at most. */
#define CSV_PIECE_ROWS 64

/* What is asked for. */
struct asked {
    Lotcast__V1__InsightPeriod name; /* UNSPECIFIED: from and to */
    struct period period;
    int32_t today; /* in the customer's zone */
};

/* --- the period --- */

static enum rpc_code refuse(struct rpc_status *status, const char *field)
{
    return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_PERIOD, field);
}

static enum rpc_code take_range(const char *from, const char *to, struct asked *asked,
                                struct rpc_status *status)
{
    struct period period;
    if (!period_parse_day(from, &period.first_day))
        return refuse(status, "from");
    if (!period_parse_day(to, &period.last_day) || period.last_day < period.first_day ||
        period.last_day - period.first_day >= RANGE_DAYS_MAX)
        return refuse(status, "to");
    asked->name = LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_UNSPECIFIED;
    asked->period = period;
    return RPC_OK;
}

static enum rpc_code take_period(const char *name, const char *from, const char *to,
                                 struct asked *asked, struct rpc_status *status)
{
    static const struct {
        const char *name;
        Lotcast__V1__InsightPeriod period;
        int32_t days;
    } rows[] = {
        {"", LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_30D, PERIOD_MONTH_DAYS},
        {"7d", LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_7D, 7},
        {"30d", LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_30D, PERIOD_MONTH_DAYS},
        {"90d", LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_90D, 90},
    };
    bool has_range = from[0] != '\0' || to[0] != '\0';
    if (has_range && name[0] != '\0')
        return refuse(status, "period"); /* one or the other */
    if (has_range)
        return take_range(from, to, asked, status);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, name) != 0)
            continue;
        asked->name = rows[i].period;
        asked->period = period_full_days(asked->today, rows[i].days);
        return RPC_OK;
    }
    return refuse(status, "period");
}

/* Which day is today for the customer, then which days are meant. */
static enum rpc_code take_request(struct services *services, struct rpc_context *context,
                                  int64_t customer_id, const char *name, const char *from,
                                  const char *to, struct asked *ret_asked,
                                  struct rpc_status *status)
{
    const Lotcast__V1__CustomerRecord *customer = NULL;
    const struct zone *zone = NULL;
    enum rpc_code code =
        store_get(services->options.store, context, &lotcast__v1__customer_record__descriptor, NULL,
                  store_key(store_number(customer_id)), &customer, NULL, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (customer == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_FOUND, NULL);
    (void)zones_find(services->zones, customer->time_zone, &zone); /* one that is gone: UTC */
    ret_asked->today = period_today(zone, clock_now_ms());
    return take_period(name, from, to, ret_asked, status);
}

/* --- reading --- */

enum { DAYS, REACH, ITEMS, CAMPAIGN, CONNECTION, OP_COUNT };

/* What is known of the period. */
struct view {
    const struct asked *asked;
    struct store_read_op ops[OP_COUNT];
    struct estimate_sums sums;
    int64_t reach;
    struct meta_insight_item *top; /* best first */
    size_t top_count;
};

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

static struct store_read_op days_op(int64_t customer_id, struct period period)
{
    return (struct store_read_op){.record = &lotcast__v1__insight_day_record__descriptor,
                                  .key = store_key(store_number(customer_id)),
                                  .is_range = true,
                                  .has_lower = true,
                                  .has_upper = true,
                                  .lower = store_number(period.first_day),
                                  .upper = store_number(period.last_day)};
}

static enum rpc_code view_read(struct services *services, struct rpc_context *context,
                               int64_t customer_id, struct view *view, struct rpc_status *status)
{
    struct store_key key = store_key(store_number(customer_id));
    struct store_key named = store_key(store_number(customer_id), store_number(view->asked->name));
    view->ops[DAYS] = days_op(customer_id, view->asked->period);
    view->ops[REACH] = services__get(&lotcast__v1__insight_period_record__descriptor, named);
    view->ops[ITEMS] = (struct store_read_op){
        .record = &lotcast__v1__insight_item_record__descriptor, .key = named, .is_range = true};
    view->ops[CAMPAIGN] = services__get(&lotcast__v1__campaign_record__descriptor, key);
    view->ops[CONNECTION] = services__get(&lotcast__v1__meta_connection_record__descriptor, key);
    enum rpc_code code = store_read(services->options.store, context, view->ops, OP_COUNT, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    view->sums = estimate_sum(view->ops[DAYS].ret_rows, view->ops[DAYS].ret_row_count,
                              view->asked->period.first_day, view->asked->period.last_day);
    return RPC_OK;
}

/* Reach and best items as the insights job has stored them. */
static enum rpc_code view_take_stored(struct view *view, struct arena *arena,
                                      struct rpc_status *status)
{
    const struct store_read_op *items = &view->ops[ITEMS];
    const Lotcast__V1__InsightPeriodRecord *reach = services__row(&view->ops[REACH]);
    view->reach = reach == NULL ? 0 : reach->reach;
    view->top = arena_calloc(arena, items->ret_row_count, sizeof *view->top);
    if (view->top == NULL)
        return out_of_memory(status);
    for (size_t i = 0; i < items->ret_row_count; i++) {
        const Lotcast__V1__InsightItemRecord *row =
            (const Lotcast__V1__InsightItemRecord *)items->ret_rows[i];
        view->top[view->top_count++] =
            (struct meta_insight_item){row->item_id, row->title, row->impressions, row->clicks};
    }
    return RPC_OK;
}

/* --- from and to: asked of Meta --- */

static enum rpc_code ask_both(struct services *services, struct rpc_context *context,
                              const char *token, const char *campaign_id, struct period period,
                              struct view *view, struct rpc_status *status)
{
    struct meta_client *meta = services->options.meta;
    struct meta_insight total = {0};
    enum rpc_code code = meta_insights_total(meta, context, token, campaign_id, period.first_day,
                                             period.last_day, &total, status);
    if (code != RPC_OK)
        return code;
    code = meta_insights_items(meta, context, token, campaign_id, period.first_day, period.last_day,
                               TOP_ASKED, &view->top, &view->top_count, status);
    if (code != RPC_OK && code != RPC_INVALID_ARGUMENT) /* Meta has none for this campaign */
        return code;
    view->reach = total.reach;
    return RPC_OK;
}

static enum rpc_code ask_meta(struct rpc_server_call *call, struct view *view,
                              struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const Lotcast__V1__CampaignRecord *campaign = services__row(&view->ops[CAMPAIGN]);
    const Lotcast__V1__MetaConnectionRecord *connection = services__row(&view->ops[CONNECTION]);
    struct period period = view->asked->period;
    const char *token = NULL;
    if (view->sums.impressions == 0 || campaign == NULL)
        return RPC_OK; /* nobody was reached */
    if (period.first_day < view->asked->today - META_KEPT_DAYS)
        period.first_day = view->asked->today - META_KEPT_DAYS;
    if (period.last_day < period.first_day || connection == NULL ||
        connection->token_sealed.len == 0 || connection->token_dead ||
        secret_open(services, connection->token_sealed, context->arena, &token) != RPC_OK)
        return rpc_status_fail_upstream(status, "meta");
    struct rpc_context hurried = *context;
    int64_t until_ms = clock_mono_ms() + META_MS;
    if (until_ms < hurried.deadline_ms)
        hurried.deadline_ms = until_ms;
    /* Where as many wait already as may: Meta is as good as out. */
    enum rpc_code code = rpc_server_call_take_place(call, status);
    if (code == RPC_OK)
        code = ask_both(services, &hurried, token, campaign->campaign_id, period, view, status);
    if (code == RPC_OK || code == RPC_CANCELLED)
        return code;
    return rpc_status_fail_upstream(status, "meta");
}

/* --- answering --- */

static int64_t frequency_hundredths(int64_t impressions, int64_t reach)
{
    if (reach <= 0 || impressions > INT64_MAX / 100)
        return 0;
    return money_divide_round(impressions * 100, reach);
}

static bool fill_summary(struct arena *arena, const struct view *view,
                         Lotcast__V1__GetPerformanceResponse *response)
{
    Lotcast__V1__PerformanceSummary *summary = arena_alloc(arena, sizeof *summary);
    if (summary == NULL)
        return false;
    lotcast__v1__performance_summary__init(summary);
    summary->impressions = view->sums.impressions;
    summary->clicks = view->sums.clicks;
    summary->ctr = estimate_ctr_hundredths(view->sums.clicks, view->sums.impressions);
    summary->reach = view->reach;
    summary->frequency = frequency_hundredths(view->sums.impressions, view->reach);
    response->summary = summary;
    return true;
}

/* The stored figures of a day, or zeros. Rows are in the order of their days: `at` moves on. */
static Lotcast__V1__InsightDayRecord day_figures(const struct store_read_op *days, int32_t day,
                                                 size_t *at)
{
    while (*at < days->ret_row_count) {
        const Lotcast__V1__InsightDayRecord *row =
            (const Lotcast__V1__InsightDayRecord *)days->ret_rows[*at];
        if (row->day > day)
            break;
        (*at)++;
        if (row->day == day)
            return *row;
    }
    Lotcast__V1__InsightDayRecord nothing = LOTCAST__V1__INSIGHT_DAY_RECORD__INIT;
    nothing.day = day;
    return nothing;
}

static bool fill_days(struct arena *arena, const struct view *view,
                      Lotcast__V1__GetPerformanceResponse *response)
{
    struct period period = view->asked->period;
    size_t count = (size_t)(period.last_day - period.first_day + 1);
    size_t at = 0;
    Lotcast__V1__PerformanceDay *days = arena_calloc(arena, count, sizeof *days);
    response->daily = arena_calloc(arena, count, sizeof *response->daily);
    if (days == NULL || response->daily == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const Lotcast__V1__InsightDayRecord figures =
            day_figures(&view->ops[DAYS], period.first_day + (int32_t)i, &at);
        char *date = arena_alloc(arena, PERIOD_DATE_BYTES);
        if (date == NULL)
            return false;
        period_format_day(figures.day, date);
        lotcast__v1__performance_day__init(&days[i]);
        days[i].date = date;
        days[i].impressions = figures.impressions;
        days[i].clicks = figures.clicks;
        days[i].reach = figures.reach;
        response->daily[i] = &days[i];
    }
    response->n_daily = count;
    return true;
}

/* NULL when out of memory. */
static Lotcast__V1__TopPerformer *
make_performer(struct arena *arena, const struct meta_insight_item *figures, const char *title)
{
    Lotcast__V1__TopPerformer *performer = arena_alloc(arena, sizeof *performer);
    if (performer == NULL)
        return NULL;
    lotcast__v1__top_performer__init(performer);
    performer->item_id = arena_printf(arena, "%lld", (long long)figures->item_id);
    performer->item_title = (char *)title;
    performer->impressions = figures->impressions;
    performer->clicks = figures->clicks;
    return performer->item_id == NULL ? NULL : performer;
}

/*
 * The best items with their titles of today. One that has gone from the inventory keeps its place
 * under the title that Meta knows; without any it is left out.
 */
static enum rpc_code fill_top(struct services *services, struct rpc_context *context,
                              int64_t customer_id, const struct view *view,
                              Lotcast__V1__GetPerformanceResponse *response,
                              struct rpc_status *status)
{
    struct arena *arena = context->arena;
    struct store_read_op *ops = arena_calloc(arena, view->top_count, sizeof *ops);
    response->top_performers =
        arena_calloc(arena, TOP_PERFORMERS_MAX, sizeof *response->top_performers);
    if (ops == NULL || response->top_performers == NULL)
        return out_of_memory(status);
    if (view->top_count == 0)
        return RPC_OK;
    for (size_t i = 0; i < view->top_count; i++)
        ops[i] =
            services__get(&lotcast__v1__item_record__descriptor,
                          store_key(store_number(customer_id), store_number(view->top[i].item_id)));
    enum rpc_code code = store_read(services->options.store, context, ops, view->top_count, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    for (size_t i = 0; i < view->top_count && response->n_top_performers < TOP_PERFORMERS_MAX;
         i++) {
        const Lotcast__V1__ItemRecord *item = services__row(&ops[i]);
        const char *title =
            item != NULL && item->title[0] != '\0' ? item->title : view->top[i].title;
        if (title[0] == '\0')
            continue;
        Lotcast__V1__TopPerformer *performer = make_performer(arena, &view->top[i], title);
        if (performer == NULL)
            return out_of_memory(status);
        response->top_performers[response->n_top_performers++] = performer;
    }
    return RPC_OK;
}

static enum rpc_code get_performance(struct rpc_server_call *call, const void *request_message,
                                     void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const Lotcast__V1__GetPerformanceRequest *request = request_message;
    Lotcast__V1__GetPerformanceResponse *response = response_message;
    int64_t customer_id = rpc_server_call_principal(call)->customer_id;
    struct asked asked;
    enum rpc_code code = take_request(services, context, customer_id, request->period,
                                      request->from, request->to, &asked, status);
    struct view view = {.asked = &asked};
    if (code == RPC_OK)
        code = view_read(services, context, customer_id, &view, status);
    if (code != RPC_OK)
        return code;
    code = asked.name == LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_UNSPECIFIED
               ? ask_meta(call, &view, status)
               : view_take_stored(&view, context->arena, status);
    if (code != RPC_OK)
        return code;
    if (!fill_summary(context->arena, &view, response) ||
        !fill_days(context->arena, &view, response))
        return out_of_memory(status);
    return fill_top(services, context, customer_id, &view, response, status);
}

/* --- CSV --- */

static const char csv_header[] = "date,impressions,clicks,ctr,reach\r\n";
static const char csv_type[] = "text/csv; charset=utf-8";

static void add_row(struct buffer *csv, const Lotcast__V1__InsightDayRecord *figures)
{
    int64_t ctr = estimate_ctr_hundredths(figures->clicks, figures->impressions);
    char date[PERIOD_DATE_BYTES];
    period_format_day(figures->day, date);
    (void)buffer_printf(csv, "%s,%lld,%lld,%lld.%02lld,%lld\r\n", date,
                        (long long)figures->impressions, (long long)figures->clicks,
                        (long long)(ctr / 100), (long long)(ctr % 100), (long long)figures->reach);
}

static void add_rows(struct buffer *csv, const struct store_read_op *days, int32_t first,
                     int32_t last, size_t *at)
{
    for (int32_t day = first; day <= last; day++) {
        const Lotcast__V1__InsightDayRecord figures = day_figures(days, day, at);
        add_row(csv, &figures);
    }
}

/* What both forms of the file are made from. */
struct csv_source {
    struct asked asked;
    struct store_read_op days;
    char *file_name;
};

static enum rpc_code read_csv_source(struct rpc_server_call *call, const char *period,
                                     const char *from, const char *to, struct csv_source *source,
                                     struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    int64_t customer_id = rpc_server_call_principal(call)->customer_id;
    char today[PERIOD_DATE_BYTES];
    enum rpc_code code =
        take_request(services, context, customer_id, period, from, to, &source->asked, status);
    if (code != RPC_OK)
        return code;
    source->days = days_op(customer_id, source->asked.period);
    code = store_read(services->options.store, context, &source->days, 1, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    period_format_day(source->asked.today, today);
    source->file_name = arena_printf(context->arena, "performance-%s.csv", today);
    return source->file_name == NULL ? out_of_memory(status) : RPC_OK;
}

static enum rpc_code export_performance(struct rpc_server_call *call, const void *request_message,
                                        void *response_message, struct rpc_status *status)
{
    const Lotcast__V1__ExportPerformanceRequest *request = request_message;
    Lotcast__V1__ExportPerformanceResponse *response = response_message;
    struct arena *arena = rpc_server_call_arena(call);
    struct csv_source source;
    struct buffer csv;
    size_t at = 0;
    enum rpc_code code =
        read_csv_source(call, request->period, request->from, request->to, &source, status);
    if (code != RPC_OK)
        return code;
    const struct period period = source.asked.period;
    buffer_init(&csv, ((size_t)(period.last_day - period.first_day) + 2) * CSV_ROW_BYTES);
    (void)buffer_append_string(&csv, csv_header);
    add_rows(&csv, &source.days, period.first_day, period.last_day, &at);
    Google__Api__HttpBody *body = arena_alloc(arena, sizeof *body);
    char *copy = csv.failed ? NULL : arena_strndup(arena, csv.data, csv.len);
    size_t len = csv.len;
    buffer_fini(&csv);
    if (body == NULL || copy == NULL)
        return out_of_memory(status);
    google__api__http_body__init(body);
    body->content_type = (char *)csv_type;
    body->data = (ProtobufCBinaryData){len, (uint8_t *)copy};
    response->body = body;
    response->file_name = source.file_name;
    return RPC_OK;
}

/* --- CSV, in pieces --- */

static enum rpc_code send_pieces(struct rpc_server_call *call, const struct csv_source *source,
                                 struct buffer *csv, struct rpc_status *status)
{
    const struct period period = source->asked.period;
    Lotcast__V1__DownloadPerformanceResponse piece =
        LOTCAST__V1__DOWNLOAD_PERFORMANCE_RESPONSE__INIT;
    Google__Api__HttpBody body = GOOGLE__API__HTTP_BODY__INIT;
    size_t at = 0;
    enum rpc_code code = RPC_OK;
    piece.body = &body;
    piece.file_name = source->file_name;
    body.content_type = (char *)csv_type;
    (void)buffer_append_string(csv, csv_header);
    for (int32_t day = period.first_day; day <= period.last_day && code == RPC_OK;
         day += CSV_PIECE_ROWS) {
        int32_t last = day + CSV_PIECE_ROWS - 1;
        add_rows(csv, &source->days, day, last < period.last_day ? last : period.last_day, &at);
        if (csv->failed)
            return out_of_memory(status);
        body.data = (ProtobufCBinaryData){csv->len, csv->data};
        code = rpc_server_call_send(call, &piece, status);
        buffer_clear(csv);
        piece.file_name = (char *)""; /* the first has said it */
        body.content_type = (char *)"";
    }
    return code;
}

static enum rpc_code download_performance(struct rpc_server_call *call, const void *request_message,
                                          void *response_message, struct rpc_status *status)
{
    const Lotcast__V1__DownloadPerformanceRequest *request = request_message;
    struct csv_source source;
    struct buffer csv;
    (void)response_message; /* the items have it all */
    enum rpc_code code =
        read_csv_source(call, request->period, request->from, request->to, &source, status);
    if (code != RPC_OK)
        return code;
    buffer_init(&csv, (CSV_PIECE_ROWS + 1) * CSV_ROW_BYTES);
    code = send_pieces(call, &source, &csv, status);
    buffer_fini(&csv);
    return code;
}

rpc_handler *const performance_handlers[] = {get_performance, export_performance,
                                             download_performance};
