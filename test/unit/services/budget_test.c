/* Budgets, countries, targeting, and the steps of onboarding. */
#include "rpc/services/model/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rpc/services/model/onboarding.h"

static void limits_budgets(void **state)
{
    (void)state;
    static const struct {
        int64_t minor;
        bool allowed;
    } rows[] = {
        {3000, true},       {2999, false},     {0, false},         {-3000, false},
        {250000, true},     {100000000, true}, {100000001, false}, {INT64_MAX, false},
        {INT64_MIN, false}, {3001, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(budget_monthly_allowed(rows[i].minor), rows[i].allowed);
}

static void knows_minor_units(void **state)
{
    (void)state;
    assert_true(budget_monthly_expressible(3050, 100));
    assert_true(budget_monthly_expressible(3001, 100));
    assert_true(budget_monthly_expressible(300000, 1));
    assert_false(budget_monthly_expressible(300050, 1));
    assert_false(budget_monthly_expressible(300001, 1));
}

static void divides_into_days(void **state)
{
    (void)state;
    static const struct {
        int64_t minor, factor, daily;
    } rows[] = {
        {250000, 100, 8224}, /* 2500 / 30.4 = 82.2368… */
        {3000, 100, 99},     /* 0.98684… */
        {100000000, 100, 3289474},
        {250000, 1, 82},
        {30400, 100, 1000},
        {30400, 1, 10},
        {31920, 1, 11}, /* 10.5 rounds up */
        {31900, 1, 10},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(budget_daily(rows[i].minor, rows[i].factor), rows[i].daily);
}

static void knows_countries(void **state)
{
    (void)state;
    static const char *const known[] = {"AD", "US", "DE", "GB", "ZW", "ZA", "TW"};
    static const char *const unknown[] = {"us", "XX",  "UK", "EU", "",   "U",        "USA",
                                          "D ", " AD", "AA", "ZZ", "AN", "\xc3\x84", "A\tB"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_true(country_known(known[i]));
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_false(country_known(unknown[i]));
    int count = 0;
    for (char a = 'A'; a <= 'Z'; a++)
        for (char b = 'A'; b <= 'Z'; b++)
            count += country_known((char[]){a, b, '\0'});
    assert_int_equal(count, 249);
}

#define COUNTRIES_MAX 30

static void checks_targeting(void **state)
{
    (void)state;
    static const struct {
        const char *countries[COUNTRIES_MAX];
        int32_t age_min, age_max;
        const char *wrong; /* NULL: fine */
    } rows[] = {
        {{"US"}, 25, 65, NULL},
        {{"US", "CA", "MX"}, 18, 18, NULL},
        {{"US"}, 18, 65, NULL},
        {{0}, 25, 65, "targeting.countries"},
        {{"us"}, 25, 65, "targeting.countries[0]"},
        {{"US", ""}, 25, 65, "targeting.countries[1]"},
        {{"US", "DE", "US"}, 25, 65, "targeting.countries[2]"},
        {{"US", "XX"}, 0, 0, "targeting.countries[1]"},
        {{"US"}, 17, 65, "targeting.ageMin"},
        {{"US"}, 66, 66, "targeting.ageMin"},
        {{"US"}, 0, 65, "targeting.ageMin"},
        {{"US"}, 25, 0, "targeting.ageMax"},
        {{"US"}, 25, 24, "targeting.ageMax"},
        {{"US"}, 25, 66, "targeting.ageMax"},
        {{"AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU",
          "AW", "AX", "AZ", "BA", "BB", "BD", "BE", "BF", "BG", "BH", "BI", "BJ"},
         25,
         65,
         NULL},
        {{"AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AQ", "AR", "AS", "AT", "AU",
          "AW", "AX", "AZ", "BA", "BB", "BD", "BE", "BF", "BG", "BH", "BI", "BJ", "BL"},
         25,
         65,
         "targeting.countries[25]"},
    };
    char field[TARGETING_FIELD_BYTES];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Lotcast__V1__Targeting targeting = LOTCAST__V1__TARGETING__INIT;
        char *countries[COUNTRIES_MAX];
        while (targeting.n_countries < COUNTRIES_MAX &&
               rows[i].countries[targeting.n_countries] != NULL) {
            countries[targeting.n_countries] = (char *)rows[i].countries[targeting.n_countries];
            targeting.n_countries++;
        }
        targeting.countries = countries;
        targeting.age_min = rows[i].age_min;
        targeting.age_max = rows[i].age_max;
        bool ok = targeting_check(&targeting, field);
        assert_int_equal(ok, rows[i].wrong == NULL);
        if (!ok)
            assert_string_equal(field, rows[i].wrong);
    }
    assert_false(targeting_check(NULL, field));
    assert_string_equal(field, "targeting");
}

static void orders_onboarding(void **state)
{
    (void)state;
    Lotcast__V1__WebsiteRecord website = LOTCAST__V1__WEBSITE_RECORD__INIT;
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    assert_int_equal(onboarding_step_next(NULL, NULL), ONBOARDING_CONNECT);
    assert_int_equal(onboarding_step_next(&website, NULL), ONBOARDING_CONNECT);
    website.first_scan_pending = true; /* the customer may go on while the site is read */
    assert_int_equal(onboarding_step_next(&website, NULL), ONBOARDING_LAUNCH);
    assert_true(onboarding_first_scan(&website));
    website.last_read_at_ms = 1;
    assert_int_equal(onboarding_step_next(&website, NULL), ONBOARDING_LAUNCH);
    assert_int_equal(onboarding_step_next(&website, &campaign), ONBOARDING_DONE);
    assert_int_equal(onboarding_step_next(NULL, &campaign), ONBOARDING_DONE);
    assert_false(onboarding_website_connected(NULL));
    assert_false(onboarding_first_scan(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_budgets),    cmocka_unit_test(knows_minor_units),
        cmocka_unit_test(divides_into_days), cmocka_unit_test(knows_countries),
        cmocka_unit_test(checks_targeting),  cmocka_unit_test(orders_onboarding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
