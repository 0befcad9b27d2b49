#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lotcast/v1/dashboard.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/services/model/period.h"
#include "test/unit/services/fixture.h"

#define CUSTOMER 1

static struct fixture fixture;
static const char *session;

static const Lotcast__V1__GetDashboardResponse *get(void)
{
    struct rpc_status status;
    const void *response = NULL;
    Lotcast__V1__GetDashboardRequest request = LOTCAST__V1__GET_DASHBOARD_REQUEST__INIT;
    struct rpc_metadata metadata = fixture_browser(session, NULL);
    assert_int_equal(fixture_call(&fixture, &fixture.arena, "lotcast.v1.Dashboard/GetDashboard",
                                  &request, &metadata, &response, &status),
                     RPC_OK);
    return response;
}

static int64_t at(const char *text)
{
    int64_t ms = 0;
    assert_true(clock_parse_rfc3339(text, &ms));
    return ms;
}

static int32_t day_of(const char *date)
{
    int32_t day = 0;
    assert_true(period_parse_day(date, &day));
    return day;
}

static void put_day(int32_t day, int64_t impressions, int64_t clicks, int64_t spend_minor)
{
    Lotcast__V1__InsightDayRecord record = LOTCAST__V1__INSIGHT_DAY_RECORD__INIT;
    record.customer_id = CUSTOMER;
    record.day = day;
    record.impressions = impressions;
    record.clicks = clicks;
    record.reach = 999999; /* never summed */
    record.spend_minor = spend_minor;
    fixture_put(&fixture, &record);
}

static void put_campaign(int64_t last_sync_at_ms)
{
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    campaign.customer_id = CUSTOMER;
    campaign.currency = (char *)"USD";
    campaign.state = LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE;
    campaign.last_sync_at_ms = last_sync_at_ms;
    fixture_put(&fixture, &campaign);
}

static void put_website(int64_t items)
{
    Lotcast__V1__WebsiteRecord website = LOTCAST__V1__WEBSITE_RECORD__INIT;
    website.customer_id = CUSTOMER;
    website.last_read_at_ms = clock_now_ms();
    website.item_count = items;
    fixture_put(&fixture, &website);
}

static void put_connection(void)
{
    Lotcast__V1__MetaConnectionRecord connection = LOTCAST__V1__META_CONNECTION_RECORD__INIT;
    connection.customer_id = CUSTOMER;
    connection.token_sealed = (ProtobufCBinaryData){.len = 3, .data = (uint8_t *)"abc"};
    fixture_put(&fixture, &connection);
}

static void put_balance(int64_t centi)
{
    Lotcast__V1__LedgerBalanceRecord balance = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
    balance.customer_id = CUSTOMER;
    balance.balance_centi = centi;
    fixture_put(&fixture, &balance);
}

static void put_reach(int64_t reach)
{
    Lotcast__V1__InsightPeriodRecord period = LOTCAST__V1__INSIGHT_PERIOD_RECORD__INIT;
    period.customer_id = CUSTOMER;
    period.period = LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_30D;
    period.reach = reach;
    fixture_put(&fixture, &period);
    period.period = LOTCAST__V1__INSIGHT_PERIOD__INSIGHT_PERIOD_LIFETIME;
    period.reach = 7777777;
    fixture_put(&fixture, &period);
}

static void is_empty_before_anything(void **state)
{
    (void)state;
    const Lotcast__V1__GetDashboardResponse *view = get();
    assert_string_equal(view->status, "setup");
    assert_int_equal(view->item_count, 0);
    assert_string_equal(view->last_sync, "never");
    assert_null(view->last_sync_at);
    assert_int_equal(view->performance->impressions, 0);
    assert_int_equal(view->performance->ctr, 0);
    assert_int_equal(view->performance->reach, 0);
    assert_int_equal(view->credits->remaining, 500);
    assert_null(view->credits->days_estimate);
    assert_string_equal(view->suggestion->type, "onboarding");
    assert_string_equal(view->suggestion->link, "/onboarding/connect");
    put_website(3);
    view = get();
    assert_string_equal(view->status, "setup");
    assert_int_equal(view->item_count, 3);
    assert_string_equal(view->suggestion->link, "/onboarding/launch");
}

/* A customer whose figures are the contract's samples. */
static void put_sample(void)
{
    put_website(247);
    put_connection();
    put_campaign(at("2026-02-06T17:59:59Z"));
    put_balance(824099);
    put_reach(45600);
    int32_t first = day_of("2026-01-07");
    for (int32_t i = 0; i < 30; i++)
        put_day(first + i, i == 29 ? 123456 - 29 * 4115 : 4115, 78,
                i == 29 ? 84732 - 29 * 2824 : 2824);
    /* The days around the period do not count. */
    put_day(first - 1, 1000000, 1000, 1000000);
    put_day(first + 30, 1000000, 1000, 1000000);
}

static void shows_the_last_30_full_days(void **state)
{
    (void)state;
    put_sample();
    const Lotcast__V1__GetDashboardResponse *view = get();
    assert_string_equal(view->status, "running");
    assert_int_equal(view->item_count, 247);
    assert_string_equal(view->last_sync, "2 hours ago");
    assert_string_equal(view->last_sync_at->value, "2026-02-06T17:59:59Z");
    assert_int_equal(view->performance->impressions, 123456);
    assert_int_equal(view->performance->clicks, 2340);
    assert_int_equal(view->performance->ctr, 190);
    assert_int_equal(view->performance->reach, 45600);
    assert_int_equal(view->credits->remaining, 8240);
    assert_int_equal(view->credits->days_estimate->value, 14);
    assert_null(view->suggestion);
    assert_string_equal(view->time_zone, "UTC");
}

static void follows_the_customers_zone(void **state)
{
    (void)state;
    put_sample();
    Lotcast__V1__CustomerRecord *customer =
        fixture_get(&fixture, &lotcast__v1__customer_record__descriptor, CUSTOMER);
    /* There it is 7 February already. */
    customer->time_zone = (char *)"Pacific/Kiritimati";
    fixture_put(&fixture, customer);
    const Lotcast__V1__GetDashboardResponse *view = get();
    assert_int_equal(view->performance->impressions, 123456 - 4115 + 1000000);
    assert_string_equal(view->time_zone, "Pacific/Kiritimati");
    /* And there still 6 February, though not for long. */
    customer->time_zone = (char *)"Pacific/Pago_Pago";
    fixture_put(&fixture, customer);
    assert_int_equal(get()->performance->impressions, 123456);
    /* A zone that is gone is UTC. */
    customer->time_zone = (char *)"Atlantis/Capital";
    fixture_put(&fixture, customer);
    assert_int_equal(get()->performance->impressions, 123456);
}

static void tells_of_credits(void **state)
{
    (void)state;
    put_sample();
    put_balance(150000);
    const Lotcast__V1__GetDashboardResponse *view = get();
    assert_string_equal(view->status, "running");
    assert_int_equal(view->credits->days_estimate->value, 2);
    assert_string_equal(view->suggestion->type, "credits");
    put_balance(-1);
    view = get();
    assert_string_equal(view->status, "out_of_credits");
    assert_int_equal(view->credits->remaining, -1);
    assert_int_equal(view->credits->days_estimate->value, 0);
    assert_string_equal(view->suggestion->link, "/app/billing");
}

static void shows_no_other_customer(void **state)
{
    (void)state;
    put_sample();
    int64_t other;
    session = fixture_sign_up(&fixture, 2, &other);
    assert_int_equal(other, 2);
    const Lotcast__V1__GetDashboardResponse *view = get();
    assert_string_equal(view->status, "setup");
    assert_int_equal(view->item_count, 0);
    assert_int_equal(view->performance->impressions, 0);
    assert_int_equal(view->credits->remaining, 500);
}

static int set_up(void **state)
{
    (void)state;
    int64_t id;
    clock_set_offset_ms(0);
    clock_set_offset_ms(at("2026-02-06T20:00:00Z") - clock_now_ms());
    fixture_start(&fixture, &(struct fixture_options){.signup_credits = 500});
    session = fixture_sign_up(&fixture, 1, &id);
    assert_int_equal(id, CUSTOMER);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    clock_set_offset_ms(0);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(is_empty_before_anything),   TEST(shows_the_last_30_full_days),
        TEST(follows_the_customers_zone), TEST(tells_of_credits),
        TEST(shows_no_other_customer),
    };
    return cmocka_run_group_tests_name("dashboard", tests, NULL, NULL);
}
