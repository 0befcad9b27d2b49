#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/json_internal.h"

static void reads_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned places;
        bool negative;
        uint64_t magnitude;
    } rows[] = {
        {"0", 0, false, 0},
        {"-0", 0, false, 0},
        {"0", 15, false, 0},
        {"0e400", 0, false, 0},
        {"0.000e-999999999999", 2, false, 0},
        {"7", 0, false, 7},
        {"-7", 0, true, 7},
        {"1.0", 0, false, 1},
        {"25e2", 0, false, 2500},
        {"25E+2", 2, false, 250000},
        {"2500", 2, false, 250000},
        {"2500.5", 2, false, 250050},
        {"2500.55", 2, false, 250055},
        {"2500.550000", 2, false, 250055},
        {"-0.05", 2, true, 5},
        {"5e-2", 2, false, 5},
        {"500e-4", 2, false, 5},
        {"0.00000005e8", 0, false, 5},
        {"18446744073709551615", 0, false, UINT64_MAX},
        {"184467440737095516.15", 2, false, UINT64_MAX},
        {"1844674407370955161500e-2", 0, false, UINT64_MAX},
        {"-9223372036854775808", 0, true, (uint64_t)INT64_MAX + 1},
        {"1e19", 0, false, 10000000000000000000u},
        {"0.1", 1, false, 1},
        {"1e15", 2, false, 100000000000000000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool negative;
        uint64_t magnitude;
        if (!json__number_read(span_of_string(rows[i].text), rows[i].places, &negative, &magnitude))
            fail_msg("%s is refused", rows[i].text);
        assert_int_equal(negative, rows[i].negative);
        assert_true(magnitude == rows[i].magnitude);
    }
}

static void refuses_what_is_not_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned places;
    } rows[] = {
        {"", 0},
        {"-", 0},
        {"+1", 0},
        {"01", 0},
        {" 1", 0},
        {"1 ", 0},
        {"1.", 0},
        {".5", 2},
        {"1e", 0},
        {"1e+", 0},
        {"1e1.0", 0},
        {"0x1", 0},
        {"1_0", 0},
        {"\xd9\xa1", 0},
        {"1.5", 0},
        {"2500.555", 2},
        {"0.001", 2},
        {"1e-3", 2},
        {"18446744073709551616", 0},
        {"18446744073709551615", 1},
        {"1e20", 0},
        {"1e400", 0},
        {"1e99999999999999999999", 0},
        {"1e-99999999999999999999", 15},
        {"2e19", 0},
        {"184467440737095516.16", 2},
        {"NaN", 0},
        {"1e5x", 0},
        {"--1", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool negative = true;
        uint64_t magnitude = 77;
        if (json__number_read(span_of_string(rows[i].text), rows[i].places, &negative, &magnitude))
            fail_msg("%s is accepted", rows[i].text);
        assert_true(negative && magnitude == 77); /* untouched */
    }
}

static void prints_the_shortest_decimal(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        unsigned places;
        const char *want;
    } rows[] = {
        {0, 0, "0"},
        {0, 2, "0"},
        {5, 0, "5"},
        {-5, 0, "-5"},
        {10, 0, "10"},
        {99, 0, "99"},
        {100, 0, "100"},
        {12345, 0, "12345"},
        {284732, 2, "2847.32"},
        {50000, 2, "500"},
        {150, 2, "1.5"},
        {-5, 2, "-0.05"},
        {-50, 2, "-0.5"},
        {-100, 2, "-1"},
        {101, 2, "1.01"},
        {1, 15, "0.000000000000001"},
        {INT64_MAX, 0, "9223372036854775807"},
        {INT64_MIN, 0, "-9223372036854775808"},
        {INT64_MIN, 2, "-92233720368547758.08"},
        {INT64_MAX, 15, "9223.372036854775807"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[JSON__NUMBER_BYTES_MAX + 1];
        bool negative = rows[i].value < 0;
        uint64_t magnitude = negative ? -(uint64_t)rows[i].value : (uint64_t)rows[i].value;
        size_t len = json__number_write_places(text, negative, magnitude, rows[i].places);
        assert_true(len <= JSON__NUMBER_BYTES_MAX - 2); /* quotes */
        text[len] = '\0';
        assert_string_equal(text, rows[i].want);
        if (rows[i].places == 0) {
            text[json__number_write(text, negative, magnitude)] = '\0';
            assert_string_equal(text, rows[i].want);
        }
    }
}

/* xorshift64*, from a fixed seed: the same numbers in every run. */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 2685821657736338717u;
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    uint64_t seed = 42;
    for (int i = 0; i < 200000; i++) {
        uint64_t magnitude = next_random(&seed) >> (next_random(&seed) % 64);
        unsigned places = (unsigned)(next_random(&seed) % (JSON__PLACES_MAX + 1));
        bool negative = magnitude != 0 && next_random(&seed) % 2 == 0, back_negative;
        uint64_t back;
        char text[JSON__NUMBER_BYTES_MAX];
        size_t len = json__number_write_places(text, negative, magnitude, places);
        assert_true(json__number_read(span_of(text, len), places, &back_negative, &back));
        assert_true(back == magnitude && back_negative == negative);
        char want[32];
        len = json__number_write(text, negative, magnitude);
        (void)snprintf(want, sizeof want, "%s%llu", negative ? "-" : "",
                       (unsigned long long)magnitude);
        assert_int_equal(len, strlen(want));
        assert_memory_equal(text, want, len);
        assert_true(json__number_plain(span_of(text, len)));
    }
}

static void plain_numbers_are_digits_alone(void **state)
{
    (void)state;
    const char *const plain[] = {"0", "-0", "7", "-12", "123456789012345678901234567890"};
    const char *const other[] = {"", "-", "1.0", "1e2", "1E2", "01", "1.", "+1", "1e", " 1"};
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        assert_true(json__number_plain(span_of_string(plain[i])));
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        assert_false(json__number_plain(span_of_string(other[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_exactly),
        cmocka_unit_test(refuses_what_is_not_exact),
        cmocka_unit_test(prints_the_shortest_decimal),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(plain_numbers_are_digits_alone),
    };
    return cmocka_run_group_tests_name("json_number", tests, NULL, NULL);
}
