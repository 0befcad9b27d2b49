/* What is known of a site's pages between scans, over a real store. */
#include "test/unit/services/logic_fixture.h"

#define PAGE (&lotcast__v1__page_record__descriptor)
/* Several commits, and several reads of those that have vanished. */
#define PAGES 450

static int begin(void **state)
{
    if (set_up(state) != 0)
        return -1;
    struct fixture *fixture = *state;
    struct logic *logic = calloc(1, sizeof *logic);
    fake_begin(fixture);
    fake->site_items = 3;
    fake->site_pages = PAGES;
    fake->site_page_first = 1;
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

/* How many pages were as they are known, in one more scan. */
static int rescan(struct logic *logic)
{
    struct rpc_status status;
    atomic_store(&fake->site_pages_same, 0);
    assert_int_equal(connect_site(logic, SITE, &status), 3);
    return atomic_load(&fake->site_pages_same);
}

static int64_t kept(struct logic *logic, int64_t customer_id)
{
    struct test_context test;
    struct rpc_status status;
    struct store_read_op op = {.record = PAGE,
                               .key = store_key(store_number(customer_id)),
                               .is_range = true,
                               .count_only = true};
    context_begin(&test);
    expect_ok(store_read(logic->store->client, &test.context, &op, 1, &status), &status);
    context_end(&test);
    return op.ret_count;
}

static void knows_what_has_not_changed(void **state)
{
    struct logic *logic = *state;
    assert_int_equal(rescan(logic), 0);
    assert_int_equal(kept(logic, CUSTOMER), PAGES);
    assert_int_equal(rescan(logic), PAGES);
    fake->site_page_version++;
    assert_int_equal(rescan(logic), 0);
    assert_int_equal(rescan(logic), PAGES);
    assert_int_equal(kept(logic, CUSTOMER), PAGES);
}

/* Pages of another customer, which nothing here may touch. */
static void keep_another(struct logic *logic)
{
    struct test_context test;
    struct rpc_status status;
    struct store_commit commit;
    Lotcast__V1__PageRecord page = LOTCAST__V1__PAGE_RECORD__INIT;
    uint8_t hash[16] = {1};
    page.customer_id = CUSTOMER + 1;
    page.url_hash = (ProtobufCBinaryData){sizeof hash, hash};
    context_begin(&test);
    store_commit_init(&commit, logic->store->client, &test.context);
    (void)store_commit_put_new(&commit, &page);
    expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
    context_end(&test);
}

static void forgets_what_has_vanished(void **state)
{
    struct logic *logic = *state;
    keep_another(logic);
    assert_int_equal(rescan(logic), 0);
    fake->site_page_first = 301; /* 300 have gone, as many are new */
    fake->site_incomplete = true;
    assert_int_equal(rescan(logic), PAGES - 300);
    assert_int_equal(kept(logic, CUSTOMER), PAGES + 300); /* it may not have got to them */
    fake->site_incomplete = false;
    assert_int_equal(rescan(logic), PAGES);
    assert_int_equal(kept(logic, CUSTOMER), PAGES);
    assert_int_equal(rescan(logic), PAGES);
    fake->site_pages = 0;
    assert_int_equal(rescan(logic), 0);
    assert_int_equal(kept(logic, CUSTOMER), 0);
    assert_int_equal(kept(logic, CUSTOMER + 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(knows_what_has_not_changed, begin, end),
        cmocka_unit_test_setup_teardown(forgets_what_has_vanished, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
