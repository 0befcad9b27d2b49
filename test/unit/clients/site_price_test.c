#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "clients/site/internal.h"

static const struct {
    const char *text, *declared;
    bool is_number;
    int64_t minor;
    const char *currency;
} price_rows[] = {
    {"28,000.00", "USD", false, 2800000, "USD"},
    {"28.000,00 \xe2\x82\xac", NULL, false, 2800000, "EUR"},
    {"28.000,00 Euro", NULL, false, 2800000, "EUR"},
    {"Preis: 28.000 EURO brutto", NULL, false, 2800000, "EUR"},
    {"28000 euros", NULL, false, 2800000, "EUR"},
    {"12.001,50 \xc2\xa4", "EUR", false, 1200150, "EUR"},
    {"USD 28000", NULL, false, 2800000, "USD"},
    {"28000 USD", NULL, false, 2800000, "USD"},
    {"$28,000", NULL, false, 2800000, "USD"},
    {"28000", "usd", true, 2800000, "USD"},
    {"28 000", "SEK", false, 2800000, "SEK"},
    {"28\xc2\xa0"
     "000,50 kr",
     "SEK", false, 2800050, "SEK"},
    {"28\xe2\x80\xaf"
     "000 \xe2\x82\xac",
     NULL, false, 2800000, "EUR"},
    {"CHF 28'000.00", NULL, false, 2800000, "CHF"},
    {"28\xe2\x80\x99"
     "000.\xe2\x80\x93 CHF",
     NULL, false, 2800000, "CHF"},
    {"1.234.567,89", "EUR", false, 123456789, "EUR"},
    {"1,234,567", "USD", false, 123456700, "USD"},
    {"\xe2\x82\xb9"
     "12,34,567.50",
     NULL, false, 123456750, "INR"},
    {"\xc2\xa5"
     "2,800,000",
     NULL, false, 280000000, "JPY"},
    {"2800000", "JPY", false, 280000000, "JPY"},
    {"19.99", "USD", false, 1999, "USD"},
    {"19,99", "EUR", false, 1999, "EUR"},
    {"19.9", "USD", false, 1990, "USD"},
    {"0.99", "USD", false, 99, "USD"},
    {"0,5", "EUR", false, 50, "EUR"},
    {"28.000", "EUR", false, 2800000, "EUR"},
    {"28.000", "EUR", true, 2800, "EUR"}, /* a JSON number's point is one */
    {"28000.0000", "USD", false, 2800000, "USD"},
    {"28000.000", "USD", false, 2800000, "USD"},
    {"1.234", "KWD", false, 123, "KWD"},
    {"19.995", "USD", true, 2000, "USD"}, /* half up */
    {"19.994", "USD", true, 1999, "USD"},
    {"2.8e4", "USD", true, 2800000, "USD"},
    {"280E-1", "USD", true, 2800, "USD"},
    {"28,000,-", "EUR", false, 2800000, "EUR"},
    {"28.000,- EUR", NULL, false, 2800000, "EUR"},
    {"28000 EUR incl. VAT", NULL, false, 2800000, "EUR"},
    {"Price: $5", NULL, false, 500, "USD"},
    {"US$ 5", NULL, false, 500, "USD"},
    {"CA$5", NULL, false, 500, "CAD"},
    {"A$5", NULL, false, 500, "AUD"},
    {"R$ 1.500,00", NULL, false, 150000, "BRL"},
    {"5 z\xc5\x82", NULL, false, 500, "PLN"},
    {"$5", "CAD", false, 500, "CAD"}, /* what is declared wins */
    {"5", "\xe2\x82\xac", false, 500, "EUR"},
    {"5", NULL, false, 500, ""},
    {"5", "XXQ", false, 500, ""},
    {"5", "dollars", false, 500, ""},
    {"$5", "nonsense", false, 500, "USD"},
    {"5 kr", NULL, false, 500, ""}, /* whose? */
    {"12.500 \xe2\x82\xac VB", NULL, false, 1250000, "EUR"},
    {"Prix : 9\xc2\xa0"
     "990 \xe2\x82\xac TTC",
     NULL, false, 999000, "EUR"},
    {"Precio 1.234,56 EUR IVA incluido", NULL, false, 123456, "EUR"},
    {"28 000 kr", "SEK", false, 2800000, "SEK"},
    {"999999999999", "USD", false, 99999999999900, "USD"},
};

static void reads_prices_as_shops_write_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof price_rows / sizeof price_rows[0]; i++) {
        int64_t minor = -7;
        char currency[4] = "zzz";
        if (!site__price_parse(span_of_string(price_rows[i].text), price_rows[i].is_number,
                               price_rows[i].declared, &minor, currency))
            fail_msg("%s was refused", price_rows[i].text);
        if (minor != price_rows[i].minor || strcmp(currency, price_rows[i].currency) != 0)
            fail_msg("%s was read as %" PRId64 " %s", price_rows[i].text, minor, currency);
    }
}

static void refuses_what_is_no_one_price(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_number;
    } rows[] = {
        {"", false},
        {" ", false},
        {"free", false},
        {"Call us", false},
        {"$", false},
        {"USD", false},
        {"0", false},
        {"0.00", false},
        {"0", true},
        {"-5", false},
        {"-5", true},
        {"- 5", false},
        {"100 - 200", false},
        {"100-200", false},
        {"$5/month", false},
        {"5 per day", false},
        {"5 a month", false},
        {"199 mtl.", false},
        {"from 499", false},
        {"ab 12.500", false},
        {"POA", false},
        {"$28k", false},
        {"$1.2M", false},
        {"2 for 5", false},
        {"1,00,00", false},
        {"1,2,3", false},
        {"1.2.3", false},
        {"12,34.567,8", false},
        {"1.000.00", false},
        {"28.000,00,00", false},
        {"1 23", false},
        {"1'2", false},
        {"5%", false},
        {"5<br>", false},
        {"2.8e4", false},
        {"1e400", true},
        {"1e99999999999", true},
        {"1e-400", true},
        {"NaN", true},
        {"", true},
        {"1.2.3", true},
        {"1x", true},
        {"99999999999999999999", false},
        {"99999999999999999999", true},
        {"5\x01", false},
        {"\xff"
         "5",
         false},
        {"\xd9\xa5", false},
        {"111111111111111111111111111111111111111111111111111111111111111111111", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t minor = -7;
        char currency[4] = "zzz";
        if (site__price_parse(span_of_string(rows[i].text), rows[i].is_number, "USD", &minor,
                              currency))
            fail_msg("%s was read as %" PRId64 " %s", rows[i].text, minor, currency);
        assert_int_equal(minor, -7);
        assert_string_equal(currency, "zzz");
    }
    int64_t minor;
    char currency[4];
    assert_false(site__price_parse(span_of("5\0"
                                           "6",
                                           3),
                                   false, NULL, &minor, currency));
}

/* Every amount in hundredths survives being written in every style. */
static void reads_back_what_was_written(void **state)
{
    (void)state;
    static const char *const styles[][2] = {
        {",", "."}, {".", ","}, {" ", ","}, {"'", "."}, {"", "."}};
    for (int64_t minor = 1; minor < 1000000000000; minor = minor * 7 + 13) {
        for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++) {
            char digits[32];
            char text[64];
            size_t used = 0;
            size_t len = (size_t)snprintf(digits, sizeof digits, "%" PRId64, minor / 100);
            for (size_t j = 0; j < len; j++) {
                if (j > 0 && (len - j) % 3 == 0)
                    used += (size_t)snprintf(text + used, sizeof text - used, "%s", styles[i][0]);
                text[used++] = digits[j];
            }
            (void)snprintf(text + used, sizeof text - used, "%s%02d", styles[i][1],
                           (int)(minor % 100));
            int64_t read = 0;
            char currency[4];
            if (!site__price_parse(span_of_string(text), false, "EUR", &read, currency))
                fail_msg("%s was refused", text);
            if (read != minor)
                fail_msg("%s was read as %" PRId64, text, read);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_prices_as_shops_write_them),
        cmocka_unit_test(refuses_what_is_no_one_price),
        cmocka_unit_test(reads_back_what_was_written),
    };
    return cmocka_run_group_tests_name("site_price", tests, NULL, NULL);
}
