#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/services/model/estimate.h"
#include "rpc/services/model/money.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

static void parses_rates(void **state)
{
    (void)state;
    struct money_rates rates;
    assert_true(money_rates_parse("USD:20", &rates));
    assert_int_equal(rates.count, 1);
    assert_int_equal(money_rate(&rates, "USD"), 20);
    assert_int_equal(money_rate(&rates, "EUR"), 0);
    assert_int_equal(money_rate(&rates, "usd"), 0);
    assert_int_equal(money_rate(&rates, ""), 0);
    assert_true(money_rates_parse("USD:20,EUR:22,JPY:1000000", &rates));
    assert_int_equal(money_rate(&rates, "EUR"), 22);
    assert_int_equal(money_rate(&rates, "JPY"), 1000000);
}

static void refuses_what_is_no_list_of_rates(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "USD",
        "USD:",
        "USD:0",
        "USD:-1",
        "USD:1.5",
        "USD:20,",
        ",USD:20",
        "USD:20,,EUR:1",
        "USD:20,USD:21",
        "usd:20",
        "USD:20 ",
        " USD:20",
        "USD 20",
        "ZZZ:20",
        "USD:1000001",
        "USD:99999999999999999999",
        "USDX:20",
        "US:20",
        "USD:20;EUR:2",
        "USD:20,EU",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct money_rates rates = {.count = 7};
        assert_false(money_rates_parse(rows[i], &rates));
        assert_int_equal(rates.count, 7);
    }
}

static void knows_currencies(void **state)
{
    (void)state;
    static const char *const known[] = {"AED", "USD", "EUR", "JPY", "ZWG", "CHF"};
    static const char *const unknown[] = {"", "US", "usd", "USDX", "XXX", "DEM", "ZZZ", "U$D"};
    for (size_t i = 0; i < COUNT(known); i++)
        assert_true(money_currency_known(known[i]));
    for (size_t i = 0; i < COUNT(unknown); i++)
        assert_false(money_currency_known(unknown[i]));
}

static void rounds_half_up(void **state)
{
    (void)state;
    static const struct {
        int64_t numerator, denominator, want;
    } rows[] = {
        {0, 7, 0},
        {1, 2, 1},
        {1, 3, 0},
        {2, 3, 1},
        {5, 2, 3},
        {7, 7, 1},
        {-1, 2, -1},
        {-1, 3, 0},
        {-2, 3, -1},
        {-5, 2, -3},
        {10, 4, 3},
        {9, 4, 2},
        {INT64_MAX, 1, INT64_MAX},
        {INT64_MAX, INT64_MAX, 1},
        {INT64_MAX / 2, INT64_MAX, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(money_divide_round(rows[i].numerator, rows[i].denominator), rows[i].want);
}

static void burns_at_the_rate(void **state)
{
    (void)state;
    /* 847.32 USD are 16,946.40 credits. */
    assert_int_equal(money_burn_centi(84732, 20), 1694640);
    assert_int_equal(money_burn_centi(0, 20), 0);
    assert_int_equal(money_burn_centi(100, 0), 0);
    assert_int_equal(money_burn_centi(INT64_MAX, 20), INT64_MAX);
    assert_int_equal(money_burn_centi(INT64_MIN, 20), INT64_MIN);
}

static void estimates_days(void **state)
{
    (void)state;
    static const struct {
        int64_t balance_centi, burn_centi, days, want;
    } rows[] = {
        {824000, 1694640, 30, 14}, /* the contract's own sample */
        {1824000, 1694640, 30, 32}, {100, 100, 1, 1},      {99, 100, 1, 0}, {0, 100, 1, 0},
        {-5000, 100, 1, 0},         {1, INT64_MAX, 30, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t days = -7;
        assert_true(estimate_days(rows[i].balance_centi, rows[i].burn_centi, rows[i].days, &days));
        assert_int_equal(days, rows[i].want);
    }
    int64_t days = -7;
    /* Where the product does not fit. */
    assert_true(estimate_days(INT64_MAX, 100, 30, &days));
    assert_int_equal(days, INT64_MAX / 100 * 30);
    days = -7;
    assert_false(estimate_days(824000, 0, 0, &days));
    assert_false(estimate_days(824000, 0, 30, &days));
    assert_false(estimate_days(824000, -5, 30, &days));
    assert_false(estimate_days(0, 0, 0, &days));
    assert_int_equal(days, -7);
}

static void sums_the_days_of_the_period(void **state)
{
    (void)state;
    Lotcast__V1__InsightDayRecord days[4];
    ProtobufCMessage *rows[4];
    for (size_t i = 0; i < 4; i++) {
        lotcast__v1__insight_day_record__init(&days[i]);
        days[i].day = 100 + (int32_t)i;
        days[i].impressions = 1000;
        days[i].clicks = 10;
        days[i].spend_minor = i == 2 ? 0 : 500;
        rows[i] = &days[i].base;
    }
    struct estimate_sums sums = estimate_sum(rows, 4, 101, 102);
    assert_int_equal(sums.impressions, 2000);
    assert_int_equal(sums.clicks, 20);
    assert_int_equal(sums.spend_minor, 500);
    assert_int_equal(sums.spend_days, 1);
    sums = estimate_sum(rows, 4, 200, 300);
    assert_int_equal(sums.impressions, 0);
    sums = estimate_sum(NULL, 0, 0, 300);
    assert_int_equal(sums.spend_days, 0);
}

static void rounds_ctr_and_floors_credits(void **state)
{
    (void)state;
    assert_int_equal(estimate_ctr_hundredths(2340, 123456), 190); /* 1.8954… */
    assert_int_equal(estimate_ctr_hundredths(1, 3), 3333);
    assert_int_equal(estimate_ctr_hundredths(1, 8000), 1);  /* 0.0125 */
    assert_int_equal(estimate_ctr_hundredths(3, 20000), 2); /* 0.015: half up */
    assert_int_equal(estimate_ctr_hundredths(5, 0), 0);
    assert_int_equal(estimate_ctr_hundredths(0, 0), 0);
    assert_int_equal(estimate_ctr_hundredths(INT64_MAX, INT64_MAX), 0);
    assert_int_equal(estimate_whole_credits(824099), 8240);
    assert_int_equal(estimate_whole_credits(99), 0);
    assert_int_equal(estimate_whole_credits(0), 0);
    assert_int_equal(estimate_whole_credits(-1), -1);
    assert_int_equal(estimate_whole_credits(-100), -1);
    assert_int_equal(estimate_whole_credits(-101), -2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_rates),
        cmocka_unit_test(refuses_what_is_no_list_of_rates),
        cmocka_unit_test(knows_currencies),
        cmocka_unit_test(rounds_half_up),
        cmocka_unit_test(burns_at_the_rate),
        cmocka_unit_test(estimates_days),
        cmocka_unit_test(sums_the_days_of_the_period),
        cmocka_unit_test(rounds_ctr_and_floors_credits),
    };
    return cmocka_run_group_tests_name("money", tests, NULL, NULL);
}
