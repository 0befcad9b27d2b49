/* The insights job: what it pulls and stores, what it burns, and that replays burn nothing. */
#include "test/unit/services/logic_fixture.h"

#include "rpc/services/model/period.h"

#define RATE 20

static int begin(void **state)
{
    if (set_up(state) != 0)
        return -1;
    struct fixture *fixture = *state;
    struct logic *logic = calloc(1, sizeof *logic);
    fake_begin(fixture);
    logic_open(logic, fixture);
    *state = logic;
    return 0;
}

static int end(void **state)
{
    struct logic *logic = *state;
    struct fixture *fixture = logic->store;
    logic_close(logic);
    free(logic);
    *state = fixture;
    return tear_down(state);
}

static int32_t today(void)
{
    return period_today(NULL, clock_now_ms());
}

static void set_day(int index, int32_t day, int64_t impressions, int64_t spend_minor)
{
    fake->days[index] = (struct meta_insight){.day = day,
                                              .impressions = impressions,
                                              .clicks = impressions / 50,
                                              .reach = impressions / 2,
                                              .spend_minor = spend_minor};
    if (fake->day_count <= index)
        fake->day_count = index + 1;
}

static Lotcast__V1__JobRecord *insights_job(struct logic *logic, struct test_context *test)
{
    struct rpc_status status;
    Lotcast__V1__JobRecord *job = NULL;
    expect_ok(store_get(logic->store->client, &test->context, JOB_RECORD, "by_slot",
                        store_key(store_text("insights:7")), &job, NULL, &status),
              &status);
    assert_non_null(job);
    return job;
}

/* Whether the job has come to rest until its next hour. */
static bool job_rests(void *logic)
{
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__JobRecord *job = insights_job(logic, &test);
    bool rests = job->lease_owner[0] == '\0' && job->due_key > clock_now_ms() + 5000;
    context_end(&test);
    return rests;
}

static void await_rest(struct logic *logic)
{
    assert_true(wait_until(job_rests, logic, PATIENCE_MS));
}

/* Makes it due, as an hour later it would be. */
static void pull_again(struct logic *logic)
{
    struct test_context test;
    context_begin(&test);
    Lotcast__V1__JobRecord *job = insights_job(logic, &test);
    job->due_key = clock_now_ms();
    (void)put_record(logic->store, job);
    context_end(&test);
    jobs_wake(logic->services->jobs);
    await_rest(logic);
}

static void launched(struct logic *logic)
{
    struct rpc_status status;
    char id[64];
    ready_to_launch(logic);
    put_balance(logic->store, 10000);
    expect_ok(launch_now(logic, id, &status), &status);
    await_rest(logic);
}

static int64_t balance(struct logic *logic)
{
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__LedgerBalanceRecord *record = CUSTOMER_RECORD(logic, &test, ledger_balance);
    int64_t centi = record->balance_centi;
    context_end(&test);
    return centi;
}

/* The postings in the customer's account: "-200 -400 10". */
static void expect_postings(struct logic *logic, const char *want)
{
    struct test_context test;
    struct rpc_status status;
    char text[256] = "";
    size_t len = 0;
    context_begin(&test);
    struct store_read_op op = {.record = &lotcast__v1__ledger_entry_record__descriptor,
                               .key = store_key(store_text("customer"), store_number(CUSTOMER)),
                               .is_range = true,
                               .limit = 100};
    expect_ok(store_read(logic->store->client, &test.context, &op, 1, &status), &status);
    for (size_t i = 0; i < op.ret_row_count; i++) {
        const Lotcast__V1__LedgerEntryRecord *entry =
            (const Lotcast__V1__LedgerEntryRecord *)op.ret_rows[i];
        assert_int_equal(entry->kind, LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_BURN);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld", len == 0 ? "" : " ",
                                (long long)entry->amount_centi);
    }
    assert_string_equal(text, want);
    context_end(&test);
}

/* A stored day as "impressions clicks reach spend"; "-" if it is not there. */
static void expect_day(struct logic *logic, int32_t day, const char *want)
{
    struct test_context test;
    char text[128] = "-";
    context_begin(&test);
    const Lotcast__V1__InsightDayRecord *record =
        record_get(logic, &test, &lotcast__v1__insight_day_record__descriptor,
                   store_key(store_number(CUSTOMER), store_number(day)));
    if (record != NULL)
        (void)snprintf(text, sizeof text, "%lld %lld %lld %lld", (long long)record->impressions,
                       (long long)record->clicks, (long long)record->reach,
                       (long long)record->spend_minor);
    assert_string_equal(text, want);
    context_end(&test);
}

static void expect_period(struct logic *logic, Lotcast__V1__InsightPeriod period, int32_t first,
                          int32_t last, int64_t impressions, int64_t reach)
{
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__InsightPeriodRecord *record =
        record_get(logic, &test, &lotcast__v1__insight_period_record__descriptor,
                   store_key(store_number(CUSTOMER), store_number(period)));
    assert_non_null(record);
    assert_int_equal(record->first_day, first);
    assert_int_equal(record->last_day, last);
    assert_int_equal(record->impressions, impressions);
    assert_int_equal(record->reach, reach);
    context_end(&test);
}

static void pulls_after_launch(void **state)
{
    struct logic *logic = *state;
    int32_t now = today();
    set_day(0, now - 300, 5000, 0);
    set_day(1, now - 60, 1000, 200);
    set_day(2, now - 1, 400, 50);
    set_day(3, now, 100, 10);
    fake->lifetime_reach = 9999;
    launched(logic);
    assert_int_equal(fake->asked_first_day, now - 366);
    assert_int_equal(fake->asked_last_day, now);
    expect_day(logic, now - 300, "5000 100 2500 0");
    expect_day(logic, now - 60, "1000 20 500 200");
    expect_day(logic, now, "100 2 50 10");
    expect_day(logic, now - 2, "-");
    expect_period(logic, LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_7D, now - 7, now - 1, 400,
                  200);
    expect_period(logic, LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_30D, now - 30, now - 1, 400,
                  200);
    expect_period(logic, LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_90D, now - 90, now - 1, 1400,
                  500);
    expect_period(logic, LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_LIFETIME, 0, 0, 6500, 9999);
    /* 2.60 USD spent, today included, at 20 credits. */
    assert_int_equal(balance(logic), 10000 - 260 * RATE);
    expect_postings(logic, "-4000 -1000 -200");

    pull_again(logic);
    assert_int_equal(fake->asked_first_day, now - 28);
    assert_int_equal(fake->asked_last_day, now);
}

static void replays_burn_nothing(void **state)
{
    struct logic *logic = *state;
    set_day(0, today() - 1, 400, 50);
    launched(logic);
    expect_postings(logic, "-1000");
    for (int i = 0; i < 3; i++) {
        int calls = fake->daily_calls;
        pull_again(logic);
        assert_true(fake->daily_calls > calls);
    }
    expect_postings(logic, "-1000");
    assert_int_equal(balance(logic), 9000);
}

static void restated_spend_corrects_itself(void **state)
{
    struct logic *logic = *state;
    int32_t now = today();
    set_day(0, now - 3, 400, 50);
    set_day(1, now, 10, 1);
    launched(logic);
    expect_postings(logic, "-1000 -20");
    set_day(0, now - 3, 380, 45); /* less */
    set_day(1, now, 200, 30);     /* the day goes on */
    pull_again(logic);
    expect_postings(logic, "-1000 -20 100 -580");
    assert_int_equal(balance(logic), 10000 - 75 * RATE);
    expect_day(logic, now - 3, "380 7 190 45");
    fake->day_count = 1; /* Meta takes a day back */
    pull_again(logic);
    expect_postings(logic, "-1000 -20 100 -580 600");
    expect_day(logic, now, "0 0 0 0");
    assert_int_equal(balance(logic), 10000 - 45 * RATE);
    set_day(0, now - 3, 381, 45); /* other figures, the same spend */
    pull_again(logic);
    expect_postings(logic, "-1000 -20 100 -580 600");
    expect_day(logic, now - 3, "381 7 190 45");
}

static void balance_may_fall_below_zero(void **state)
{
    struct logic *logic = *state;
    set_day(0, today(), 10000, 60000);
    launched(logic);
    assert_int_equal(balance(logic), 10000 - 60000 * RATE);
}

/* Fails for good at every point of the pull: what was stored before stays, and nothing burns twice.
 */
static void failures_burn_nothing_twice(void **state)
{
    struct logic *logic = *state;
    set_day(0, today() - 1, 400, 50);
    launched(logic);
    for (int at = 1; at <= 5; at++) {
        set_day(0, today() - 1, 400, 50 + at);
        fake->fault = FAKE_REFUSED;
        fake->fault_at = fake->calls + at;
        pull_again(logic); /* an error that will not pass: the next pull is in an hour */
        pull_again(logic);
    }
    assert_int_equal(balance(logic), 10000 - 55 * RATE);
    struct test_context test;
    context_begin(&test);
    assert_null(insights_job(logic, &test)->error);
    context_end(&test);
}

static void a_dead_token_waits_for_a_new_one(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    launched(logic);
    fake->fault = FAKE_TOKEN_DEAD;
    fake->fault_at = fake->calls + 1;
    pull_again(logic);
    context_begin(&test);
    const Lotcast__V1__MetaConnectionRecord *connection =
        CUSTOMER_RECORD(logic, &test, meta_connection);
    assert_true(connection->token_dead);
    context_end(&test);
    int calls = fake->calls;
    pull_again(logic);
    assert_int_equal(fake->calls, calls); /* no loop on a dead token */
    set_day(0, today(), 400, 50);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    pull_again(logic);
    assert_int_equal(balance(logic), 9000);
}

/* Figures are pulled at start, whenever they are due. */
static void pulls_at_start(void **state)
{
    struct logic *logic = *state;
    launched(logic);
    logic_close(logic);
    set_day(0, today(), 400, 50);
    int calls = fake->daily_calls;
    logic_open(logic, logic->store);
    while (fake->daily_calls == calls)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    await_rest(logic);
    assert_int_equal(balance(logic), 9000);
}

/* The stored items of a period as "7:100 8:90", by rank. */
static void expect_best(struct logic *logic, Lotcast__V1__InsightPeriod period, const char *want)
{
    struct test_context test;
    struct rpc_status status;
    char text[256] = "";
    size_t len = 0;
    context_begin(&test);
    struct store_read_op op = {.record = &lotcast__v1__insight_item_record__descriptor,
                               .key = store_key(store_number(CUSTOMER), store_number(period)),
                               .is_range = true};
    expect_ok(store_read(logic->store->client, &test.context, &op, 1, &status), &status);
    for (size_t i = 0; i < op.ret_row_count; i++) {
        const Lotcast__V1__InsightItemRecord *row =
            (const Lotcast__V1__InsightItemRecord *)op.ret_rows[i];
        assert_int_equal(row->rank, i + 1);
        assert_int_equal(strncmp(row->title, "Best ", 5), 0);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld:%lld", len == 0 ? "" : " ",
                                (long long)row->item_id, (long long)row->impressions);
    }
    assert_string_equal(text, want);
    context_end(&test);
}

static void set_best(int count, int64_t first_item_id)
{
    for (int i = 0; i < count; i++)
        fake->best[i] = (struct meta_insight_item){
            .item_id = first_item_id + i, .impressions = 100 - i, .clicks = 3};
    fake->best_count = count;
}

static void keeps_the_best_items(void **state)
{
    struct logic *logic = *state;
    static const Lotcast__V1__InsightPeriod periods[] = {
        LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_7D,
        LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_30D,
        LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_90D,
        LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_LIFETIME};
    set_day(0, today() - 1, 400, 50);
    set_best(3, 7);
    launched(logic);
    for (size_t i = 0; i < 4; i++)
        expect_best(logic, periods[i], "7:100 8:99 9:98");
    /* Ranks that nobody has any more go. */
    set_best(1, 9);
    pull_again(logic);
    expect_best(logic, periods[1], "9:100");
    /* Without figures by item the rest is pulled as ever. */
    fake->no_breakdown = true;
    set_day(0, today() - 1, 500, 60);
    pull_again(logic);
    expect_best(logic, periods[1], "9:100");
    expect_postings(logic, "-1000 -200");
    fake->no_breakdown = false;
    /* No delivery: none. */
    fake->day_count = 0;
    pull_again(logic);
    expect_best(logic, periods[0], "");
}

/* What was restated, or spent, while nothing was pulled is not missed. */
static void goes_back_behind_a_pause(void **state)
{
    struct logic *logic = *state;
    static const struct {
        int32_t pulled_days_ago, want_days_ago;
    } rows[] = {{0, 28}, {1, 29}, {60, 88}, {2000, 1100}, {-3, 28}};
    launched(logic);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_context test;
        context_begin(&test);
        Lotcast__V1__JobRecord *job = insights_job(logic, &test);
        assert_int_equal(job->insights->pulled_day, today());
        job->insights->pulled_day = today() - rows[i].pulled_days_ago;
        (void)put_record(logic->store, job);
        context_end(&test);
        pull_again(logic);
        assert_int_equal(fake->asked_first_day, today() - rows[i].want_days_ago);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pulls_after_launch),
        TEST(replays_burn_nothing),
        TEST(restated_spend_corrects_itself),
        TEST(balance_may_fall_below_zero),
        TEST(failures_burn_nothing_twice),
        TEST(a_dead_token_waits_for_a_new_one),
        TEST(pulls_at_start),
        TEST(keeps_the_best_items),
        TEST(goes_back_behind_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
