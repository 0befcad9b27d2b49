/* The performance pages: periods, figures, the best items, and the CSV. */
#include "test/unit/services/logic_fixture.h"

#include "lotcast/v1/performance.pb-c.h"
#include "rpc/services/model/period.h"

#define P7 LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_7D
#define P30 LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_30D
#define P90 LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_90D

static int begin(void **state)
{
    int64_t now_ms = 0;
    if (set_up(state) != 0)
        return -1;
    assert_true(clock_parse_rfc3339("2026-02-06T20:00:00Z", &now_ms));
    clock_set_offset_ms(0);
    clock_set_offset_ms(now_ms - clock_now_ms());
    struct fixture *fixture = *state;
    struct logic *logic = calloc(1, sizeof *logic);
    fake_begin(fixture);
    logic_open(logic, fixture);
    put_customer(fixture, false);
    *state = logic;
    return 0;
}

static int end(void **state)
{
    struct logic *logic = *state;
    struct fixture *fixture = logic->store;
    logic_close(logic);
    free(logic);
    clock_set_offset_ms(0);
    *state = fixture;
    return tear_down(state);
}

static int32_t day_of(const char *date)
{
    int32_t day = 0;
    assert_true(period_parse_day(date, &day));
    return day;
}

static void put_day(struct logic *logic, const char *date, int64_t impressions, int64_t clicks,
                    int64_t reach)
{
    Lotcast__V1__InsightDayRecord record = LOTCAST__V1__INSIGHT_DAY_RECORD__INIT;
    record.customer_id = CUSTOMER;
    record.day = day_of(date);
    record.impressions = impressions;
    record.clicks = clicks;
    record.reach = reach;
    record.spend_minor = 12345;
    (void)put_record(logic->store, &record);
}

static void put_reach(struct logic *logic, Lotcast__V1__InsightPeriod period, int64_t reach)
{
    Lotcast__V1__InsightPeriodRecord record = LOTCAST__V1__INSIGHT_PERIOD_RECORD__INIT;
    record.customer_id = CUSTOMER;
    record.period = period;
    record.reach = reach;
    record.impressions = 999999; /* the sum of the days is what is shown */
    (void)put_record(logic->store, &record);
}

static void put_best(struct logic *logic, Lotcast__V1__InsightPeriod period, int32_t rank,
                     int64_t item_id, const char *title)
{
    Lotcast__V1__InsightItemRecord record = LOTCAST__V1__INSIGHT_ITEM_RECORD__INIT;
    record.customer_id = CUSTOMER;
    record.period = period;
    record.rank = rank;
    record.item_id = item_id;
    record.title = (char *)title;
    record.impressions = 1000 - rank;
    record.clicks = 50 - rank;
    (void)put_record(logic->store, &record);
}

static void put_item(struct logic *logic, int64_t item_id, const char *title)
{
    char identity[32];
    Lotcast__V1__ItemRecord item = LOTCAST__V1__ITEM_RECORD__INIT;
    (void)snprintf(identity, sizeof identity, "sku:%lld", (long long)item_id);
    item.customer_id = CUSTOMER;
    item.item_id = item_id;
    item.identity = identity;
    item.title = (char *)title;
    (void)put_record(logic->store, &item);
}

static void put_campaign(struct logic *logic)
{
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    campaign.customer_id = CUSTOMER;
    campaign.campaign_id = (char *)"campaign_1";
    campaign.currency = (char *)"USD";
    (void)put_record(logic->store, &campaign);
}

/* A file put together from its pieces; what the first says holds for it. */
struct file {
    char name[64];
    char type[64];
    char text[64 * 1024];
    size_t len;
    size_t pieces;
};

static void add_piece(struct file *file, const Lotcast__V1__DownloadPerformanceResponse *piece)
{
    assert_non_null(piece->body);
    if (file->pieces++ == 0) {
        (void)snprintf(file->name, sizeof file->name, "%s", piece->file_name);
        (void)snprintf(file->type, sizeof file->type, "%s", piece->body->content_type);
    } else {
        assert_string_equal(piece->file_name, "");
    }
    assert_true(piece->body->data.len > 0);
    assert_true(piece->body->data.len < sizeof file->text - file->len);
    memcpy(file->text + file->len, piece->body->data.data, piece->body->data.len);
    file->len += piece->body->data.len;
    file->text[file->len] = '\0';
}

/* Reads a file with credit for `credits` pieces at a time. */
static enum rpc_code export_with(struct logic *logic, struct test_context *test, uint32_t credits,
                                 const Lotcast__V1__DownloadPerformanceRequest *request,
                                 struct file *ret_file, struct rpc_status *status)
{
    const struct rpc_request rpc = {
        .method = registry_method_find(
            logic->store->registry, span_of_string("lotcast.v1.Performance/DownloadPerformance")),
        .message = &request->base,
        .context = &test->context,
        .stream_items = credits};
    struct rpc_stream *stream = NULL;
    const ProtobufCMessage *item = NULL;
    memset(ret_file, 0, sizeof *ret_file);
    rpc_status_clear(status);
    enum rpc_code code = rpc_stream_open(logic->channel, &rpc, &stream, status);
    while (code == RPC_OK) {
        code = rpc_stream_next(stream, test->context.arena, &item, status);
        if (code != RPC_OK || item == NULL)
            break;
        add_piece(ret_file, (const Lotcast__V1__DownloadPerformanceResponse *)item);
    }
    rpc_stream_close(stream);
    return code;
}

static enum rpc_code get(struct logic *logic, struct test_context *test, const char *period,
                         const char *from, const char *to,
                         const Lotcast__V1__GetPerformanceResponse **ret_response,
                         struct rpc_status *status)
{
    Lotcast__V1__GetPerformanceRequest request = LOTCAST__V1__GET_PERFORMANCE_REQUEST__INIT;
    request.period = (char *)period;
    request.from = (char *)from;
    request.to = (char *)to;
    return call(logic, test, "lotcast.v1.Performance/GetPerformance", &request, ret_response,
                status);
}

static void every_day_has_a_row(void **state)
{
    struct logic *logic = *state;
    static const struct {
        const char *period, *from, *to;
        size_t rows;
        const char *first, *last;
        int64_t impressions;
    } rows[] = {
        {"", "", "", 30, "2026-01-07", "2026-02-05", 300},
        {"30d", "", "", 30, "2026-01-07", "2026-02-05", 300},
        {"7d", "", "", 7, "2026-01-30", "2026-02-05", 200},
        {"90d", "", "", 90, "2025-11-08", "2026-02-05", 1300},
    };
    put_day(logic, "2026-01-06", 1000, 10, 500);
    put_day(logic, "2026-01-07", 100, 3, 50);
    put_day(logic, "2026-02-05", 200, 2, 90);
    put_day(logic, "2026-02-06", 5000, 5, 5); /* today is not over */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_context test;
        struct rpc_status status;
        const Lotcast__V1__GetPerformanceResponse *view = NULL;
        context_begin(&test);
        expect_ok(get(logic, &test, rows[i].period, rows[i].from, rows[i].to, &view, &status),
                  &status);
        assert_int_equal(view->n_daily, rows[i].rows);
        assert_string_equal(view->daily[0]->date, rows[i].first);
        assert_string_equal(view->daily[view->n_daily - 1]->date, rows[i].last);
        assert_int_equal(view->daily[view->n_daily - 1]->impressions, 200);
        assert_int_equal(view->daily[view->n_daily - 1]->clicks, 2);
        assert_int_equal(view->daily[view->n_daily - 1]->reach, 90);
        assert_int_equal(view->daily[view->n_daily - 2]->impressions, 0);
        assert_int_equal(view->summary->impressions, rows[i].impressions);
        for (size_t day = 1; day < view->n_daily; day++)
            assert_int_equal(day_of(view->daily[day]->date),
                             day_of(view->daily[day - 1]->date) + 1);
        context_end(&test);
    }
}

static void summary_is_of_the_whole_period(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__GetPerformanceResponse *view = NULL;
    put_day(logic, "2026-02-04", 100000, 2000, 30000);
    put_day(logic, "2026-02-05", 23456, 340, 20000);
    put_reach(logic, P30, 45600);
    put_reach(logic, P7, 40000);
    context_begin(&test);
    expect_ok(get(logic, &test, "", "", "", &view, &status), &status);
    assert_int_equal(view->summary->impressions, 123456);
    assert_int_equal(view->summary->clicks, 2340);
    assert_int_equal(view->summary->ctr, 190);       /* 1.895 */
    assert_int_equal(view->summary->reach, 45600);   /* not 50,000 */
    assert_int_equal(view->summary->frequency, 271); /* 2.707 */
    expect_ok(get(logic, &test, "7d", "", "", &view, &status), &status);
    assert_int_equal(view->summary->reach, 40000);
    assert_int_equal(view->summary->frequency, 309);
    expect_ok(get(logic, &test, "90d", "", "", &view, &status), &status);
    assert_int_equal(view->summary->reach, 0); /* not pulled yet */
    assert_int_equal(view->summary->frequency, 0);
    context_end(&test);
}

static void nothing_is_zeros(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__GetPerformanceResponse *view = NULL;
    context_begin(&test);
    expect_ok(get(logic, &test, "", "", "", &view, &status), &status);
    assert_int_equal(view->summary->ctr + view->summary->frequency + view->summary->reach, 0);
    assert_int_equal(view->n_top_performers, 0);
    assert_int_equal(view->n_daily, 30);
    /* From and to too: without a campaign nobody asks Meta. */
    expect_ok(get(logic, &test, "", "2024-02-29", "2024-02-29", &view, &status), &status);
    assert_int_equal(view->n_daily, 1);
    assert_string_equal(view->daily[0]->date, "2024-02-29");
    assert_int_equal(fake->total_calls, 0);
    context_end(&test);
}

static void the_best_items_have_titles_of_today(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__GetPerformanceResponse *view = NULL;
    for (int32_t rank = 1; rank <= 14; rank++) {
        char title[32];
        (void)snprintf(title, sizeof title, "Item %d, as Meta has it", (int)rank);
        put_best(logic, P30, rank, rank, rank == 3 ? "" : title);
        if (rank > 3)
            put_item(logic, rank, "Today's title");
    }
    put_item(logic, 1, "2024 Honda Civic");
    put_best(logic, P7, 1, 12, "");
    context_begin(&test);
    expect_ok(get(logic, &test, "30d", "", "", &view, &status), &status);
    assert_int_equal(view->n_top_performers, 10);
    assert_string_equal(view->top_performers[0]->item_id, "1");
    assert_string_equal(view->top_performers[0]->item_title, "2024 Honda Civic");
    assert_int_equal(view->top_performers[0]->impressions, 999);
    assert_int_equal(view->top_performers[0]->clicks, 49);
    assert_string_equal(view->top_performers[1]->item_title, "Item 2, as Meta has it"); /* gone */
    assert_string_equal(view->top_performers[2]->item_id, "4"); /* 3 has gone without a name */
    assert_string_equal(view->top_performers[2]->item_title, "Today's title");
    assert_string_equal(view->top_performers[9]->item_id, "11");
    expect_ok(get(logic, &test, "7d", "", "", &view, &status), &status);
    assert_int_equal(view->n_top_performers, 1);
    context_end(&test);
}

static void bad_periods_are_refused(void **state)
{
    struct logic *logic = *state;
    static const struct {
        const char *period, *from, *to, *field;
    } rows[] = {
        {"31d", "", "", "period"},
        {"30D", "", "", "period"},
        {" 30d", "", "", "period"},
        {"lifetime", "", "", "period"},
        {"30d", "2026-01-01", "2026-01-31", "period"},
        {"", "2026-01-01", "", "to"},
        {"", "", "2026-01-01", "from"},
        {"", "2026-01-02", "2026-01-01", "to"},
        {"", "2026-02-29", "2026-03-01", "from"},
        {"", "2026-1-1", "2026-01-31", "from"},
        {"", "2026-01-01", "2026-01-32", "to"},
        {"", "2026-01-01", "2026-01-01T00:00:00Z", "to"},
        {"", "2025-01-01", "2026-01-02", "to"}, /* 367 days */
        {"", "yesterday", "today", "from"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_context test;
        struct rpc_status status;
        const Lotcast__V1__GetPerformanceResponse *view = NULL;
        struct file file;
        Lotcast__V1__DownloadPerformanceRequest request =
            LOTCAST__V1__DOWNLOAD_PERFORMANCE_REQUEST__INIT;
        context_begin(&test);
        assert_int_not_equal(
            get(logic, &test, rows[i].period, rows[i].from, rows[i].to, &view, &status), RPC_OK);
        expect_reason(&status, "INVALID_PERIOD");
        assert_string_equal(status.field, rows[i].field);
        request.period = (char *)rows[i].period;
        request.from = (char *)rows[i].from;
        request.to = (char *)rows[i].to;
        assert_int_not_equal(export_with(logic, &test, 1, &request, &file, &status), RPC_OK);
        assert_int_equal(file.pieces, 0);
        expect_reason(&status, "INVALID_PERIOD");
        const Lotcast__V1__ExportPerformanceResponse *whole = NULL;
        Lotcast__V1__ExportPerformanceRequest unary = LOTCAST__V1__EXPORT_PERFORMANCE_REQUEST__INIT;
        unary.period = request.period;
        unary.from = request.from;
        unary.to = request.to;
        assert_int_not_equal(
            call(logic, &test, "lotcast.v1.Performance/ExportPerformance", &unary, &whole, &status),
            RPC_OK);
        expect_reason(&status, "INVALID_PERIOD");
        context_end(&test);
    }
}

/* --- from and to --- */

static void a_range_is_asked_of_meta(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__GetPerformanceResponse *view = NULL;
    put_campaign(logic);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    put_day(logic, "2025-12-24", 400, 8, 300);
    put_day(logic, "2025-12-25", 100, 1, 90);
    put_reach(logic, P30, 1);
    fake->days[0] = (struct meta_insight){.day = day_of("2025-12-24"), .reach = 350};
    fake->day_count = 1;
    fake->best[0] = (struct meta_insight_item){.item_id = 4, .impressions = 200, .clicks = 7};
    fake->best_count = 1;
    context_begin(&test);
    expect_ok(get(logic, &test, "", "2025-12-24", "2025-12-26", &view, &status), &status);
    assert_int_equal(view->n_daily, 3);
    assert_int_equal(view->summary->impressions, 500);
    assert_int_equal(view->summary->reach, 350);
    assert_int_equal(view->summary->frequency, 143);
    assert_int_equal(view->n_top_performers, 1);
    assert_string_equal(view->top_performers[0]->item_title, "Best 4");
    assert_int_equal(fake->total_first_day, day_of("2025-12-24"));
    assert_int_equal(fake->total_last_day, day_of("2025-12-26"));
    /* A whole year is 366 days at most. */
    expect_ok(get(logic, &test, "", "2025-01-01", "2026-01-01", &view, &status), &status);
    assert_int_equal(view->n_daily, 366);
    /* No delivery: nothing to ask. */
    int calls = fake->calls;
    expect_ok(get(logic, &test, "", "2026-03-01", "2026-03-31", &view, &status), &status);
    assert_int_equal(view->summary->reach, 0);
    assert_int_equal(fake->calls, calls);
    /* A campaign without figures by item still has its reach. */
    fake->no_breakdown = true;
    expect_ok(get(logic, &test, "", "2025-12-24", "2025-12-24", &view, &status), &status);
    assert_int_equal(view->summary->reach, 350);
    assert_int_equal(view->n_top_performers, 0);
    context_end(&test);
}

static void a_range_further_back_than_meta_keeps_is_cut(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__GetPerformanceResponse *view = NULL;
    put_campaign(logic);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    put_day(logic, "2023-01-15", 10, 1, 5);
    put_day(logic, "2023-03-01", 10, 1, 5);
    context_begin(&test);
    expect_ok(get(logic, &test, "", "2023-01-10", "2023-06-01", &view, &status), &status);
    assert_int_equal(fake->total_first_day, day_of("2026-02-06") - 1100);
    assert_int_not_equal(get(logic, &test, "", "2023-01-10", "2023-01-20", &view, &status), RPC_OK);
    expect_reason(&status, "UPSTREAM_ERROR");
    context_end(&test);
}

static void meta_away_is_an_upstream_error(void **state)
{
    struct logic *logic = *state;
    static const enum fake_fault faults[] = {FAKE_UNAVAILABLE, FAKE_TOKEN_DEAD, FAKE_THROTTLED,
                                             FAKE_REFUSED};
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__GetPerformanceResponse *view = NULL;
    put_campaign(logic);
    put_day(logic, "2025-12-24", 400, 8, 300);
    context_begin(&test);
    /* Never connected, disconnected, dead. */
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            put_connection(logic->store, logic->services, i == 1 ? NULL : FAKE_TOKEN, i == 2,
                           "USD");
        assert_int_not_equal(get(logic, &test, "", "2025-12-24", "2025-12-24", &view, &status),
                             RPC_OK);
        expect_reason(&status, "UPSTREAM_ERROR");
        assert_string_equal(status.upstream, "meta");
    }
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        fake->fault = faults[i];
        fake->fault_at = fake->calls + 1;
        assert_int_not_equal(get(logic, &test, "", "2025-12-24", "2025-12-24", &view, &status),
                             RPC_OK);
        expect_reason(&status, "UPSTREAM_ERROR");
        assert_string_equal(status.upstream, "meta");
    }
    /* The stored periods need nobody. */
    expect_ok(get(logic, &test, "90d", "", "", &view, &status), &status);
    assert_int_equal(view->summary->impressions, 400);
    expect_ok(get(logic, &test, "", "2025-12-24", "2025-12-24", &view, &status), &status);
    context_end(&test);
}

/* --- CSV --- */

static struct file export(struct logic *logic, struct test_context *test, const char *period,
                          const char *from, const char *to)
{
    static struct file file;
    static struct file again;
    struct rpc_status status;
    Lotcast__V1__DownloadPerformanceRequest request =
        LOTCAST__V1__DOWNLOAD_PERFORMANCE_REQUEST__INIT;
    request.period = (char *)period;
    request.from = (char *)from;
    request.to = (char *)to;
    expect_ok(export_with(logic, test, 0, &request, &file, &status), &status);
    /* Piece by piece it is the same. */
    expect_ok(export_with(logic, test, 1, &request, &again, &status), &status);
    assert_int_equal(again.pieces, file.pieces);
    assert_string_equal(again.text, file.text);
    const Lotcast__V1__ExportPerformanceResponse *whole = NULL;
    Lotcast__V1__ExportPerformanceRequest unary = LOTCAST__V1__EXPORT_PERFORMANCE_REQUEST__INIT;
    unary.period = (char *)period;
    unary.from = (char *)from;
    unary.to = (char *)to;
    expect_ok(
        call(logic, test, "lotcast.v1.Performance/ExportPerformance", &unary, &whole, &status),
        &status);
    assert_string_equal(whole->file_name, file.name);
    assert_string_equal(whole->body->content_type, file.type);
    assert_int_equal(whole->body->data.len, file.len);
    assert_memory_equal(whole->body->data.data, file.text, file.len);
    return file;
}

static void exports_the_days_as_csv(void **state)
{
    static const char want[] = "date,impressions,clicks,ctr,reach\r\n"
                               "2026-02-03,4200,87,2.07,1850\r\n"
                               "2026-02-04,0,0,0.00,0\r\n"
                               "2026-02-05,1000,1000,100.00,7\r\n";
    struct logic *logic = *state;
    struct test_context test;
    put_day(logic, "2026-02-03", 4200, 87, 1850);
    put_day(logic, "2026-02-05", 1000, 1000, 7);
    context_begin(&test);
    struct file csv = export(logic, &test, "", "2026-02-03", "2026-02-05");
    assert_string_equal(csv.name, "performance-2026-02-06.csv");
    assert_string_equal(csv.type, "text/csv; charset=utf-8");
    assert_string_equal(csv.text, want);
    assert_int_equal(csv.pieces, 1);
    csv = export(logic, &test, "90d", "", "");
    size_t lines = 0;
    for (size_t i = 0; i < csv.len; i++)
        lines += csv.text[i] == '\n';
    assert_int_equal(lines, 91);
    assert_int_equal(csv.pieces, 2);
    assert_int_equal(fake->calls, 0); /* nobody is asked */
    context_end(&test);
}

static void today_is_the_customers(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__GetPerformanceResponse *view = NULL;
    Lotcast__V1__CustomerRecord customer = LOTCAST__V1__CUSTOMER_RECORD__INIT;
    customer.customer_id = CUSTOMER;
    customer.time_zone = (char *)"Pacific/Kiritimati"; /* 7 February already */
    (void)put_record(logic->store, &customer);
    context_begin(&test);
    assert_string_equal(export(logic, &test, "", "", "").name, "performance-2026-02-07.csv");
    expect_ok(get(logic, &test, "", "", "", &view, &status), &status);
    assert_string_equal(view->daily[0]->date, "2026-01-08");
    context_end(&test);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_day_has_a_row),
        TEST(summary_is_of_the_whole_period),
        TEST(nothing_is_zeros),
        TEST(the_best_items_have_titles_of_today),
        TEST(bad_periods_are_refused),
        TEST(a_range_is_asked_of_meta),
        TEST(a_range_further_back_than_meta_keeps_is_cut),
        TEST(meta_away_is_an_upstream_error),
        TEST(exports_the_days_as_csv),
        TEST(today_is_the_customers),
    };
    return cmocka_run_group_tests_name("performance", tests, NULL, NULL);
}
