/* Spend, CPC and CPM are for admins: no message that a customer's method returns has a field for
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "rpc/registry.h"

/* Messages below one method's response at most. */
#define REACHED_MAX 256

static const char *const forbidden[] = {"spend", "spent", "cpc", "cpm", "cost"};

static bool is_forbidden(const char *name)
{
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        if (strcasestr(name, forbidden[i]) != NULL)
            return true;
    }
    return false;
}

struct reached {
    const struct registry_message *messages[REACHED_MAX];
    size_t count;
};

static void reach(struct reached *reached, const struct registry_message *message)
{
    for (size_t i = 0; i < reached->count; i++) {
        if (reached->messages[i] == message)
            return;
    }
    assert_true(reached->count < REACHED_MAX);
    reached->messages[reached->count++] = message;
}

/* All that a response leads to; returns the first field that is forbidden, or NULL. */
static const char *find_forbidden(const struct registry_message *response, size_t *ret_fields)
{
    struct reached reached = {.count = 0};
    reach(&reached, response);
    for (size_t i = 0; i < reached.count; i++) {
        for (size_t j = 0; j < reached.messages[i]->field_count; j++) {
            const struct registry_field *field = &reached.messages[i]->fields[j];
            (*ret_fields)++;
            if (is_forbidden(field->descriptor->name) || is_forbidden(field->json_name))
                return field->descriptor->name;
            if (field->message != NULL)
                reach(&reached, field->message);
        }
    }
    return NULL;
}

static void no_customer_learns_what_was_spent(void **state)
{
    (void)state;
    const struct registry_sources sources = registry_sources_get();
    struct registry *registry = NULL;
    struct rpc_status status;
    size_t methods = 0;
    size_t fields = 0;
    assert_int_equal(registry_create(&sources, &registry, &status), RPC_OK);
    for (size_t i = 0; i < registry_method_count(registry); i++) {
        const struct registry_method *method = registry_method_at(registry, i);
        if (method->rules->access == LOTCAST__V1__ACCESS__ACCESS_ADMIN ||
            method->rules->access == LOTCAST__V1__ACCESS__ACCESS_INTERNAL)
            continue;
        const char *found = find_forbidden(method->output, &fields);
        if (found != NULL)
            fail_msg("%s returns a field %s", method->name, found);
        methods++;
    }
    assert_true(methods > 10);
    assert_true(fields > 50);
    /* The walk does find one where there is one. */
    const struct registry_message *record =
        registry_message_find(registry, "lotcast.v1.InsightDayRecord");
    assert_non_null(record);
    assert_string_equal(find_forbidden(record, &fields), "spend_minor");
    registry_destroy(registry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_customer_learns_what_was_spent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
