/* The dealer's inventory has the numbers that the product's documents show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "test/sandbox/vehicles.h"

static void the_inventory_is_as_documented(void **state)
{
    (void)state;
    static struct dealer dealer;
    dealer_init(&dealer);
    int in_stock = 0;
    int hondas = 0;
    for (size_t i = 0; i < VEHICLE_COUNT; i++) {
        struct vehicle vehicle = dealer_vehicle(&dealer, i);
        in_stock += vehicle.in_stock;
        hondas += strstr(vehicle.title, "Honda") != NULL;
        assert_true(vehicle_vin_valid(vehicle.vin));
        assert_true(vehicle.price_usd > 5000 && vehicle.price_usd < 90000);
        assert_true(vehicle.mileage > 0 && vehicle.year >= 2017 && vehicle.year <= 2026);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(dealer.vehicles[j].vin, vehicle.vin);
            assert_string_not_equal(dealer.vehicles[j].slug, vehicle.slug);
        }
    }
    assert_int_equal(in_stock, 198);
    assert_int_equal(hondas, 42);
    assert_string_equal(dealer.vehicles[0].title, "2024 Honda Civic");
    assert_int_equal(dealer.vehicles[0].price_usd, 28000);
}

static void it_is_the_same_each_time(void **state)
{
    (void)state;
    static struct dealer first;
    static struct dealer second;
    dealer_init(&first);
    dealer_init(&second);
    for (size_t i = 0; i < VEHICLE_COUNT; i++)
        assert_memory_equal(&first.vehicles[i], &second.vehicles[i], sizeof(struct vehicle));
}

static void vins_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *vin;
        bool valid;
    } rows[] = {
        {"1M8GDM9AXKP042788", true},  {"11111111111111111", true},   {"1M8GDM9A1KP042788", false},
        {"1M8GDM9AXKP04278", false},  {"1M8GDM9AXKP0427888", false}, {"IM8GDM9AXKP042788", false},
        {"1M8GDM9AXKO042788", false}, {"1m8gdm9axkp042788", false},  {"", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(vehicle_vin_valid(rows[i].vin), rows[i].valid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_inventory_is_as_documented),
        cmocka_unit_test(it_is_the_same_each_time),
        cmocka_unit_test(vins_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
