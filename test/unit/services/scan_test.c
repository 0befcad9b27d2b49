/* Connecting a website and the scan job, over a real store. */
#include "test/unit/services/logic_fixture.h"

#define ITEM (&lotcast__v1__item_record__descriptor)

static int begin(void **state)
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

static int end(void **state)
{
    struct logic *logic = *state;
    struct fixture *fixture = logic->store;
    logic_close(logic);
    free(logic);
    *state = fixture;
    return tear_down(state);
}

static const Lotcast__V1__ItemRecord *item_at(const struct store_read_op *items, size_t index)
{
    return (const Lotcast__V1__ItemRecord *)items->ret_rows[index];
}

/* The website: "url connected pending count". */
static void expect_website(struct logic *logic, const char *want)
{
    struct test_context test;
    char text[256];
    context_begin(&test);
    const Lotcast__V1__WebsiteRecord *website = CUSTOMER_RECORD(logic, &test, website);
    assert_non_null(website);
    (void)snprintf(text, sizeof text, "%s %d %d %lld", website->url, website->last_read_at_ms > 0,
                   website->first_scan_pending, (long long)website->item_count);
    assert_string_equal(text, want);
    context_end(&test);
}

static void reads_a_site_for_the_first_time(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    fake->site_items = 1203; /* three batches */
    assert_int_equal(connect_site(logic, SITE, &status), 1203);
    expect_website(logic, SITE " 1 0 1203");
    context_begin(&test);
    struct store_read_op items = records_of(logic, &test, ITEM);
    assert_int_equal(items.ret_row_count, 1203);
    for (size_t i = 0; i < items.ret_row_count; i++) {
        char identity[32];
        (void)snprintf(identity, sizeof identity, "sku:%zu", i + 1);
        assert_int_equal(item_at(&items, i)->item_id, i + 1);
        assert_string_equal(item_at(&items, i)->identity, identity);
    }
    context_end(&test);
}

static void writes_nothing_unchanged(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    fake->site_items = 20;
    assert_int_equal(connect_site(logic, SITE, &status), 20);
    context_begin(&test);
    struct store_read_op before = records_of(logic, &test, ITEM);
    assert_int_equal(connect_site(logic, SITE, &status), 20);
    assert_int_equal(fake->site_reads, 2);
    struct store_read_op after = records_of(logic, &test, ITEM);
    assert_int_equal(after.ret_row_count, 20);
    for (size_t i = 0; i < 20; i++)
        assert_true(before.ret_versions[i] == after.ret_versions[i]);
    context_end(&test);
}

/* What Meta has taken of an item outlives a change of it, and so does its id. */
static void keeps_what_belongs_to_an_item(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    fake->site_items = 3;
    assert_int_equal(connect_site(logic, SITE, &status), 3);
    context_begin(&test);
    struct store_read_op items = records_of(logic, &test, ITEM);
    Lotcast__V1__ItemRecord synced = *item_at(&items, 1);
    synced.synced_hash = synced.content_hash;
    synced.meta_error = (char *)"too small";
    (void)put_record(logic->store, &synced);

    fake->site_price = 2000;
    assert_int_equal(connect_site(logic, SITE, &status), 3);
    items = records_of(logic, &test, ITEM);
    const Lotcast__V1__ItemRecord *item = item_at(&items, 1);
    assert_int_equal(item->item_id, 2);
    assert_int_equal(item->price_minor, 2000);
    assert_string_equal(item->meta_error, "too small");
    assert_true(span_equal(span_of(item->synced_hash.data, item->synced_hash.len),
                           span_of_string("hash-2-1000")));
    assert_true(span_equal(span_of(item->content_hash.data, item->content_hash.len),
                           span_of_string("hash-2-2000")));
    context_end(&test);
}

static void put_campaign(struct logic *logic)
{
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    campaign.customer_id = CUSTOMER;
    campaign.campaign_id = (char *)"c";
    (void)put_record(logic->store, &campaign);
}

static bool sync_failed(struct logic *logic)
{
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__CampaignRecord *campaign = CUSTOMER_RECORD(logic, &test, campaign);
    bool failed = campaign->sync_failed;
    context_end(&test);
    return failed;
}

static void guards_against_an_outage(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    put_campaign(logic);
    fake->site_items = 10;
    assert_int_equal(connect_site(logic, SITE, &status), 10);
    assert_false(sync_failed(logic));
    fake->site_items = 4; /* fewer than half: nothing is removed */
    assert_int_equal(connect_site(logic, SITE, &status), 10);
    assert_true(sync_failed(logic));
    fake->site_items = 7;
    fake->site_incomplete = true; /* it did not get through: the others may be there */
    assert_int_equal(connect_site(logic, SITE, &status), 10);
    fake->site_incomplete = false;
    assert_int_equal(connect_site(logic, SITE, &status), 7);
    assert_false(sync_failed(logic));
    expect_website(logic, SITE " 1 0 7");

    fake->site_error = LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE;
    assert_int_equal(connect_site(logic, SITE, &status), -1);
    expect_reason(&status, "WEBSITE_UNREACHABLE");
    assert_true(sync_failed(logic));
    expect_website(logic, SITE " 1 0 7");
}

static void keeps_what_could_not_be_read(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    put_campaign(logic);
    fake->site_first = 1;
    fake->site_items = 10;
    assert_int_equal(connect_site(logic, SITE, &status), 10);
    fake->site_first = 5; /* four are not found, and the pages of two of them are out */
    fake->site_items = 6;
    fake->site_held = 2;
    assert_int_equal(connect_site(logic, SITE, &status), 8);
    assert_false(sync_failed(logic));
    assert_int_equal(connect_site(logic, SITE, &status), 8);
    fake->site_held = 0; /* and are back, with nothing on them */
    assert_int_equal(connect_site(logic, SITE, &status), 6);
    fake->site_first = 9; /* most are not found: an outage, were there pages or not */
    fake->site_items = 2;
    fake->site_held = 4;
    assert_int_equal(connect_site(logic, SITE, &status), 6);
    assert_true(sync_failed(logic));
}

static void replaces_the_site(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    fake->site_items = 10;
    assert_int_equal(connect_site(logic, SITE, &status), 10);
    fake->site_items = 3;
    fake->site_first = 9; /* 9 and 10 are known, 11 is new */
    assert_int_equal(connect_site(logic, "https://other.example/", &status), 3);
    expect_website(logic, "https://other.example/ 1 0 3");
    context_begin(&test);
    struct store_read_op items = records_of(logic, &test, ITEM);
    assert_int_equal(items.ret_row_count, 3);
    assert_int_equal(item_at(&items, 0)->item_id, 9);
    assert_int_equal(item_at(&items, 2)->item_id, 11);
    context_end(&test);
}

static void keeps_the_old_site_when_the_new_one_fails(void **state)
{
    static const struct {
        Lotcast__V1__Reason error;
        const char *reason;
    } rows[] = {{LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE, "WEBSITE_UNREACHABLE"},
                {LOTCAST__V1__REASON__REASON_INVALID_URL, "INVALID_URL"},
                {LOTCAST__V1__REASON__REASON_UNSPECIFIED, "NO_ITEMS_FOUND"}};
    struct logic *logic = *state;
    struct rpc_status status;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake->site_error = rows[i].error;
        fake->site_items = 0;
        assert_int_equal(connect_site(logic, "https://bad.example/", &status), -1);
        expect_reason(&status, rows[i].reason);
        expect_website(logic, "https://bad.example/ 0 0 0"); /* never connected */
    }
    fake->site_error = LOTCAST__V1__REASON__REASON_UNSPECIFIED;
    fake->site_items = 5;
    assert_int_equal(connect_site(logic, SITE, &status), 5);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fake->site_error = rows[i].error;
        fake->site_items = 0;
        assert_int_equal(connect_site(logic, "https://bad.example/", &status), -1);
        expect_reason(&status, rows[i].reason);
        expect_website(logic, SITE " 1 0 5");
    }
}

static void refuses_what_is_no_url(void **state)
{
    static const char *const urls[] = {"", "invalid", "http://"};
    struct logic *logic = *state;
    struct rpc_status status;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        assert_int_equal(connect_site(logic, urls[i], &status), -1);
        expect_reason(&status, "INVALID_URL");
        assert_string_equal(status.field, "url");
    }
    assert_int_equal(fake->site_reads, 0);
}

/* A call on a thread of its own. */
struct caller {
    struct logic *logic;
    const char *url;
    int64_t ms;
    pthread_t thread;
    int64_t found;
    struct rpc_status status;
};

static void *caller_main(void *caller_)
{
    struct caller *caller = caller_;
    caller->found = connect_for(caller->logic, caller->url, caller->ms, &caller->status);
    return NULL;
}

static void caller_start(struct caller *caller)
{
    assert_int_equal(pthread_create(&caller->thread, NULL, caller_main, caller), 0);
}

static bool site_is_read(void *reads)
{
    return fake->site_reads >= *(int *)reads;
}

static void await_reads(int reads)
{
    assert_true(wait_until(site_is_read, &reads, PATIENCE_MS));
}

static bool a_call_waits(void *logic_)
{
    struct jobs *jobs = ((struct logic *)logic_)->services->jobs;
    (void)pthread_mutex_lock(&jobs->watch_lock);
    bool waits = jobs->waiters != NULL;
    (void)pthread_mutex_unlock(&jobs->watch_lock);
    return waits;
}

/* Answers with the count so far; another call with the same URL joins; the scan goes on. */
static void answers_in_time_and_joins(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    fake->site_slow = true;
    fake->site_items = 3;
    int64_t found = connect_for(logic, SITE, 3000, &status);
    assert_true(found > 0);
    expect_website(logic, SITE " 0 1 0");
    struct caller joined = {.logic = logic, .url = SITE, .ms = PATIENCE_MS};
    caller_start(&joined);
    assert_true(wait_until(a_call_waits, logic, PATIENCE_MS));
    fake->site_slow = false;
    assert_int_equal(pthread_join(joined.thread, NULL), 0);
    assert_int_equal(joined.found, 3);
    assert_int_equal(fake->site_reads, 1);
    expect_website(logic, SITE " 1 0 3");
}

static void a_new_url_supersedes(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    fake->site_slow = true;
    fake->site_items = 3;
    struct caller first = {.logic = logic, .url = "https://first.example/", .ms = PATIENCE_MS};
    caller_start(&first);
    await_reads(1);
    struct caller second = {.logic = logic, .url = SITE, .ms = PATIENCE_MS};
    caller_start(&second);
    assert_int_equal(pthread_join(first.thread, NULL), 0);
    assert_int_equal(first.found, -1);
    expect_reason(&first.status, "CONFLICT");
    await_reads(2);
    fake->site_slow = false;
    assert_int_equal(pthread_join(second.thread, NULL), 0);
    assert_int_equal(second.found, 3);
    expect_website(logic, SITE " 1 0 3");
    assert_int_equal(connect_site(logic, SITE, &status), 3);
}

static void goes_on_after_a_restart(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    fake->site_slow = true;
    fake->site_items = 3;
    assert_true(connect_for(logic, SITE, 1500, &status) >= 0);
    logic_close(logic);
    fake->site_slow = false;
    logic_open(logic, logic->store);
    assert_int_equal(connect_site(logic, SITE, &status), 3);
    assert_int_equal(fake->site_reads, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_a_site_for_the_first_time),
        TEST(writes_nothing_unchanged),
        TEST(keeps_what_belongs_to_an_item),
        TEST(guards_against_an_outage),
        TEST(keeps_what_could_not_be_read),
        TEST(replaces_the_site),
        TEST(keeps_the_old_site_when_the_new_one_fails),
        TEST(refuses_what_is_no_url),
        TEST(answers_in_time_and_joins),
        TEST(a_new_url_supersedes),
        TEST(goes_on_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
