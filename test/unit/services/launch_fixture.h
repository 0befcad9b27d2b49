/*
 * What the tests of the launch share: a logic role with a customer, and what a launch must have
 * made.
 */
#ifndef TEST_UNIT_SERVICES_LAUNCH_FIXTURE_H
#define TEST_UNIT_SERVICES_LAUNCH_FIXTURE_H

#include "test/unit/services/logic_fixture.h"

static inline int begin(void **state)
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

static inline int end(void **state)
{
    struct logic *logic = *state;
    struct fixture *fixture = logic->store;
    if (logic->services != NULL)
        logic_close(logic);
    free(logic);
    *state = fixture;
    return tear_down(state);
}

/* One of each, all that has a status active. */
static inline void expect_one_of_each(void)
{
    static const enum meta_object kinds[] = {META_CATALOG, META_PRODUCT_SET, META_CAMPAIGN,
                                             META_AD_SET,  META_CREATIVE,    META_AD};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        assert_int_equal(fake_count(kinds[i]), 1);
    for (int i = 0; i < fake->object_count; i++) {
        const struct fake_object *object = &fake->objects[i];
        bool has_status =
            object->kind == META_CAMPAIGN || object->kind == META_AD_SET || object->kind == META_AD;
        assert_int_equal(object->active, has_status);
    }
}

static inline const struct fake_object *fake_object_of(enum meta_object kind)
{
    for (int i = 0; i < fake->object_count; i++)
        if (fake->objects[i].kind == kind)
            return &fake->objects[i];
    fail_msg("nothing of kind %d", (int)kind);
    return NULL;
}

static inline void expect_campaign(struct logic *logic, const char *campaign_id, int64_t items)
{
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(logic, &test, campaign);
    assert_non_null(campaign);
    assert_string_equal(campaign->campaign_id, fake_object_of(META_CAMPAIGN)->id);
    if (campaign_id != NULL)
        assert_string_equal(campaign->campaign_id, campaign_id);
    assert_string_equal(campaign->catalog_id, fake_object_of(META_CATALOG)->id);
    assert_string_equal(campaign->ad_id, fake_object_of(META_AD)->id);
    assert_int_equal(campaign->catalog_items, items);
    assert_int_equal(campaign->state, LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE);
    assert_int_equal(campaign->monthly_budget_minor, 250000);
    assert_true(campaign->last_sync_at_ms > 0);
    const Lotcast__V1__JobRecord *insights =
        record_get(logic, &test, JOB_RECORD, store_key(store_number(0)));
    assert_null(insights);
    struct rpc_status status;
    expect_ok(store_get(logic->store->client, &test.context, JOB_RECORD, "by_slot",
                        store_key(store_text("insights:7")), &insights, NULL, &status),
              &status);
    assert_non_null(insights);
    context_end(&test);
}

#endif
