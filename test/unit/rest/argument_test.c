/* What a refused value is said to have to be, of what the contract says of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rest/argument.h"

static void test_fields(void **state)
{
    (void)state;
    static const struct {
        const char *method, *field, *want; /* NULL: nothing is said */
    } rows[] = {
        {"Inventory/ListItems", "page", "page must be a whole number, at least 1"},
        {"Inventory/ListItems", "limit", "limit must be a whole number from 1 to 200"},
        {"Inventory/ListItems", "sort", "sort must be one of price, -price, title or -title"},
        {"Inventory/ListItems", "search",
         "search must be a text of at most 256 bytes that can be shown"},
        {"Inventory/ListItems", "filters.inStock", "filters.inStock must be true or false"},
        {"Inventory/ListItems", "filters.minPrice",
         "filters.minPrice must be a number with at most 2 decimals, at least 0"},
        {"Admin/ListCustomers", "filters.status",
         "filters.status must be one of setup, running, paused, out_of_credits, attention or "
         "suspended"},
        {"Admin/SuspendCustomer", "reason",
         "reason must be a text of 1 to 500 bytes that can be shown"},
        {"Performance/GetPerformance", "from", "from must be a date, YYYY-MM-DD"},
        {"Onboarding/Launch", "monthlyBudget",
         "monthlyBudget must be a number with at most 2 decimals from 30 to 1000000"},
        {"Onboarding/Launch", "targeting.ageMin",
         "targeting.ageMin must be a whole number from 18 to 65"},
        {"Onboarding/Launch", "targeting.countries[3]",
         "targeting.countries[3] must be a text of 2 bytes"},
        {"Ads/SetAutoSync", "enabled", "enabled must be true or false"},
        {"Inventory/ListItems", "", NULL},
        {"Inventory/ListItems", "nothing", NULL},
        {"Inventory/ListItems", "filters", NULL},
        {"Inventory/ListItems", "filters.nothing", NULL},
        {"Inventory/ListItems", "filters.in_stock", NULL},
        {"Inventory/ListItems", "page.value", NULL},
        {"Inventory/ListItems", "X-Customer-ID", NULL},
        {"Inventory/ListItems", "]", NULL},
        {"Inventory/ListItems", "[0]", NULL},
        {"Onboarding/Launch", "targeting", NULL},
        {"Settings/UpdateSettings", "user.timeZone", NULL},
        {"Auth/LogIn", "password", NULL},
        {"Admin/ListAudit", "customerId", NULL},
    };
    const struct registry_sources sources = registry_sources_get();
    struct registry *registry = NULL;
    struct rpc_status status;
    struct arena arena;
    assert_int_equal(registry_create(&sources, &registry, &status), RPC_OK);
    arena_init(&arena, 1 << 16);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *name = arena_printf(&arena, "lotcast.v1.%s", rows[i].method);
        const struct registry_method *method = registry_method_find(registry, span_of_string(name));
        assert_non_null(method);
        const char *said = argument_describe(method->input, rows[i].field, &arena);
        if ((said == NULL) != (rows[i].want == NULL))
            fail_msg("%s %s: %s", rows[i].method, rows[i].field, said == NULL ? "nothing" : said);
        if (said != NULL)
            assert_string_equal(said, rows[i].want);
    }
    arena_fini(&arena);
    registry_destroy(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields)};
    return cmocka_run_group_tests_name("argument", tests, NULL, NULL);
}
