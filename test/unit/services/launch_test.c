/*
 * The launch: what it asks for, what it makes, and that it makes one of each whatever fails when.
 * The program is also the logic role of another process, killed at a chosen commit.
 */
#include "test/unit/services/logic_fixture.h"

#include <signal.h>
#include <unistd.h>

#define LAUNCH_KIND LOTCAST__V1__JOB_KIND__JOB_KIND_LAUNCH

static char program[4096];

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
    if (logic->services != NULL)
        logic_close(logic);
    free(logic);
    *state = fixture;
    return tear_down(state);
}

/* One of each, all that has a status active. */
static void expect_one_of_each(void)
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

static const struct fake_object *fake_object_of(enum meta_object kind)
{
    for (int i = 0; i < fake->object_count; i++)
        if (fake->objects[i].kind == kind)
            return &fake->objects[i];
    fail_msg("nothing of kind %d", (int)kind);
    return NULL;
}

static void expect_campaign(struct logic *logic, const char *campaign_id, int64_t items)
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

static void makes_and_activates(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    char id[64];
    fake->polls_until_finished = 1;
    ready_to_launch(logic);
    expect_ok(launch_now(logic, id, &status), &status);
    expect_one_of_each();
    expect_campaign(logic, id, 12);
    assert_string_equal(fake_object_of(META_CAMPAIGN)->name, "Acme Auto (Lotcast 7)");
    assert_string_equal(fake_object_of(META_CATALOG)->name, "Acme Auto (Lotcast 7)");
    assert_int_equal(fake_object_of(META_AD_SET)->daily_budget, 8224);
    assert_int_equal(fake->item_count, 12);
    context_begin(&test);
    struct store_read_op items = records_of(logic, &test, &lotcast__v1__item_record__descriptor);
    for (size_t i = 0; i < items.ret_row_count; i++) {
        const Lotcast__V1__ItemRecord *item = (const Lotcast__V1__ItemRecord *)items.ret_rows[i];
        assert_true(span_equal(span_of(item->synced_hash.data, item->synced_hash.len),
                               span_of(item->content_hash.data, item->content_hash.len)));
    }
    context_end(&test);

    assert_int_equal(launch_now(logic, id, &status), RPC_ALREADY_EXISTS);
    expect_reason(&status, "ALREADY_LAUNCHED");
    assert_string_equal(status.campaign_id, id);
    expect_one_of_each();
}

/* --- refusals --- */

static void refuses_wrong_fields(void **state)
{
    static char *const us[] = {(char *)"US"};
    static char *const xx[] = {(char *)"US", (char *)"XX"};
    static const struct {
        int64_t budget;
        const char *currency;
        char *const *countries;
        size_t country_count;
        int32_t age_min, age_max;
        const char *reason, *field;
    } rows[] = {
        {0, "", NULL, 0, 0, 0, "INVALID_BUDGET", "monthlyBudget"},
        {2999, "USD", us, 1, 25, 65, "INVALID_BUDGET", "monthlyBudget"},
        {100000001, "USD", us, 1, 25, 65, "INVALID_BUDGET", "monthlyBudget"},
        {250000, "", us, 1, 25, 65, "INVALID_CURRENCY", "currency"},
        {250000, "usd", us, 1, 25, 65, "INVALID_CURRENCY", "currency"},
        {250000, "XYZ", us, 0, 25, 65, "INVALID_CURRENCY", "currency"},
        {250000, "EUR", us, 1, 25, 65, "INVALID_CURRENCY", "currency"}, /* the account's is USD */
        {250000, "USD", us, 0, 25, 65, "INVALID_TARGETING", "targeting.countries"},
        {250000, "USD", xx, 2, 25, 65, "INVALID_TARGETING", "targeting.countries[1]"},
        {250000, "USD", us, 1, 17, 65, "INVALID_TARGETING", "targeting.ageMin"},
        {250000, "USD", us, 1, 40, 39, "INVALID_TARGETING", "targeting.ageMax"},
    };
    struct logic *logic = *state;
    ready_to_launch(logic);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpc_status status;
        char id[64];
        Lotcast__V1__LaunchRequest request = launch_request();
        request.monthly_budget = rows[i].budget;
        request.currency = (char *)rows[i].currency;
        request.targeting->countries = (char **)rows[i].countries;
        request.targeting->n_countries = rows[i].country_count;
        request.targeting->age_min = rows[i].age_min;
        request.targeting->age_max = rows[i].age_max;
        assert_int_not_equal(launch_with(logic, &request, id, &status), RPC_OK);
        expect_reason(&status, rows[i].reason);
        assert_string_equal(status.field, rows[i].field);
    }
    struct rpc_status status;
    char id[64];
    Lotcast__V1__LaunchRequest request = launch_request();
    request.targeting = NULL;
    assert_int_not_equal(launch_with(logic, &request, id, &status), RPC_OK);
    expect_reason(&status, "INVALID_TARGETING");
    assert_string_equal(status.field, "targeting");
    assert_int_equal(fake->calls, 0);
}

static void expect_refused(struct logic *logic, const char *reason)
{
    struct rpc_status status;
    char id[64];
    assert_int_not_equal(launch_now(logic, id, &status), RPC_OK);
    expect_reason(&status, reason);
}

/* From nothing to all that a launch needs, one after the other. */
static void refuses_what_is_not_ready(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    expect_refused(logic, "NOT_FOUND"); /* no such customer */
    put_customer(logic->store, true);
    expect_refused(logic, "ACCOUNT_SUSPENDED");
    put_customer(logic->store, false);
    expect_refused(logic, "WEBSITE_NOT_CONNECTED");
    atomic_store(&fake->site_slow, true);
    fake->site_items = 2;
    fake->site_excluded = 2;
    assert_true(connect_for(logic, SITE, 1200, &status) >= 0);
    expect_refused(logic, "SCAN_IN_PROGRESS");
    atomic_store(&fake->site_slow, false);
    assert_int_equal(connect_site(logic, SITE, &status), 2);
    expect_refused(logic, "META_NOT_CONNECTED");
    put_connection(logic->store, logic->services, NULL, false, "USD");
    expect_refused(logic, "META_NOT_CONNECTED");
    put_connection(logic->store, logic->services, FAKE_TOKEN, true, "USD");
    expect_refused(logic, "META_NOT_CONNECTED");
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "EUR");
    expect_refused(logic, "INVALID_CURRENCY");
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    expect_refused(logic, "OUT_OF_CREDITS");
    put_balance(logic->store, 0);
    expect_refused(logic, "OUT_OF_CREDITS");
    put_balance(logic->store, -1);
    expect_refused(logic, "OUT_OF_CREDITS");
    put_balance(logic->store, 1);
    expect_refused(logic, "NO_ITEMS_FOUND");
    assert_int_equal(fake->calls, 0);
    fake->site_excluded = 1;
    fake->site_price++; /* another content */
    assert_int_equal(connect_site(logic, SITE, &status), 2);
    char id[64];
    expect_ok(launch_now(logic, id, &status), &status);
    expect_campaign(logic, id, 1);
}

static void refuses_a_currency_without_a_rate(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    char id[64];
    ready_to_launch(logic);
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "EUR");
    Lotcast__V1__LaunchRequest request = launch_request();
    request.currency = (char *)"EUR";
    assert_int_not_equal(launch_with(logic, &request, id, &status), RPC_OK);
    expect_reason(&status, "INVALID_CURRENCY");
}

/* --- joining --- */

#define CALLERS 20

struct caller {
    struct logic *logic;
    pthread_t thread;
    enum rpc_code code;
    struct rpc_status status;
    char id[64];
};

static void *caller_main(void *caller_)
{
    struct caller *caller = caller_;
    caller->code = launch_now(caller->logic, caller->id, &caller->status);
    return NULL;
}

static void calls_at_once_make_one(void **state)
{
    struct logic *logic = *state;
    static struct caller callers[CALLERS];
    ready_to_launch(logic);
    fake->polls_until_finished = 2;
    int joined = 0;
    (void)launch_request(); /* its static parts are the same for all */
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i].logic = logic;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), 0);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        if (callers[i].code == RPC_OK) {
            joined++;
            assert_string_equal(callers[i].id, fake_object_of(META_CAMPAIGN)->id);
        } else {
            expect_reason(&callers[i].status, "ALREADY_LAUNCHED"); /* it came after the end */
        }
    }
    assert_true(joined >= 1);
    expect_one_of_each();
}

/* --- failures --- */

static void fails_and_is_launched_again(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    char id[64];
    ready_to_launch(logic);
    fake->fault = FAKE_REFUSED;
    fake->fault_at = 6; /* the ad set: catalog, items, status, product set and campaign are made */
    assert_int_not_equal(launch_now(logic, id, &status), RPC_OK);
    expect_reason(&status, "UPSTREAM_ERROR");
    assert_string_equal(status.upstream, "meta");
    assert_int_equal(fake_count(META_CAMPAIGN), 1);
    context_begin(&test);
    assert_null(CUSTOMER_RECORD(logic, &test, campaign));
    context_end(&test);

    /* The company has another name by now, and another budget is wanted. */
    Lotcast__V1__CustomerRecord customer = LOTCAST__V1__CUSTOMER_RECORD__INIT;
    customer.customer_id = CUSTOMER;
    customer.company = (char *)"Acme Inc.";
    (void)put_record(logic->store, &customer);
    expect_ok(launch_now(logic, id, &status), &status);
    expect_one_of_each();
    expect_campaign(logic, id, 12);
}

static void another_budget_gets_another_ad_set(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    char id[64];
    ready_to_launch(logic);
    fake->fault = FAKE_REFUSED;
    fake->fault_at = 7; /* the creative: the ad set is made */
    assert_int_not_equal(launch_now(logic, id, &status), RPC_OK);
    Lotcast__V1__LaunchRequest request = launch_request();
    request.monthly_budget = 304000;
    expect_ok(launch_with(logic, &request, id, &status), &status);
    assert_int_equal(fake_count(META_CAMPAIGN), 1);
    assert_int_equal(fake_count(META_AD_SET), 2);
    int active = 0;
    for (int i = 0; i < fake->object_count; i++) {
        if (fake->objects[i].kind != META_AD_SET || !fake->objects[i].active)
            continue;
        active++;
        assert_int_equal(fake->objects[i].daily_budget, 10000);
    }
    assert_int_equal(active, 1);
}

/* Each n-th call fails, having had its effect or not. */
static void makes_one_of_each_over_a_bad_line(void **state)
{
    static const struct {
        enum fake_fault fault;
        int every;
    } rows[] = {{FAKE_UNKNOWN_OUTCOME, 2},
                {FAKE_UNKNOWN_OUTCOME, 3},
                {FAKE_UNAVAILABLE, 4},
                {FAKE_THROTTLED, 4}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *inner;
        struct rpc_status status;
        char id[64];
        (void)state;
        assert_int_equal(begin(&inner), 0);
        struct logic *logic = inner;
        ready_to_launch(logic);
        fake->fault = rows[i].fault;
        fake->fault_every = rows[i].every;
        expect_ok(launch_now(logic, id, &status), &status);
        fake->fault_every = 0;
        expect_one_of_each();
        expect_campaign(logic, id, 12);
        assert_int_equal(end(&inner), 0);
    }
}

static void a_dead_token_ends_it(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    char id[64];
    ready_to_launch(logic);
    fake->fault = FAKE_TOKEN_DEAD;
    fake->fault_at = 4;
    assert_int_not_equal(launch_now(logic, id, &status), RPC_OK);
    expect_reason(&status, "META_NOT_CONNECTED");
    assert_int_equal(fake->calls, 4); /* never retried */
    context_begin(&test);
    const Lotcast__V1__MetaConnectionRecord *connection =
        CUSTOMER_RECORD(logic, &test, meta_connection);
    assert_true(connection->token_dead);
    context_end(&test);
    expect_refused(logic, "META_NOT_CONNECTED");
    put_connection(logic->store, logic->services, FAKE_TOKEN, false, "USD");
    expect_ok(launch_now(logic, id, &status), &status);
    expect_one_of_each();
}

static void keeps_refused_items_apart(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    char id[64];
    ready_to_launch(logic);
    fake->refused_item_id = 5;
    expect_ok(launch_now(logic, id, &status), &status);
    expect_campaign(logic, id, 11);
    context_begin(&test);
    const Lotcast__V1__ItemRecord *item =
        record_get(logic, &test, &lotcast__v1__item_record__descriptor,
                   store_key(store_number(CUSTOMER), store_number(5)));
    assert_string_equal(item->meta_error, "The image is too small");
    assert_int_equal(item->synced_hash.len, 0);
    context_end(&test);
}

static void an_empty_catalog_is_no_success(void **state)
{
    struct logic *logic = *state;
    ready_to_launch(logic);
    fake->refused_item_id = -1;
    expect_refused(logic, "UPSTREAM_ERROR");
    fake->refused_item_id = 0;
    fake->batch_fails = true;
    expect_refused(logic, "UPSTREAM_ERROR");
    assert_int_equal(fake_count(META_CAMPAIGN), 0);
}

static void submits_in_batches(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    char id[64];
    ready_to_launch(logic);
    fake->site_items = 10500;
    assert_int_equal(connect_site(logic, SITE, &status), 10500);
    fake->takes_at_most = 3000; /* "reduce the amount of data" */
    expect_ok(launch_now(logic, id, &status), &status);
    assert_int_equal(fake->item_count, 10500);
    expect_campaign(logic, id, 10500);
}

static void the_website_stays_during_a_launch(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    ready_to_launch(logic);
    fake->polls_until_finished = 1 << 20;
    struct caller caller = {.logic = logic};
    assert_int_equal(pthread_create(&caller.thread, NULL, caller_main, &caller), 0);
    while (fake_count(META_CATALOG) == 0)
        (void)usleep(1000);
    assert_int_equal(connect_site(logic, "https://other.example/", &status), -1);
    expect_reason(&status, "CONFLICT");
    fake->polls_until_finished = 0;
    assert_int_equal(pthread_join(caller.thread, NULL), 0);
    expect_ok(caller.code, &caller.status);
}

/* --- processes that are killed --- */

/* Counts the commits of a process and kills it at one of them. */
struct killer {
    atomic_int commits;
    int at;
    bool before; /* the commit is sent; else after its answer */
};

static bool is_commit(const struct registry_method *method)
{
    return strcmp(method->name, "lotcast.v1.Store/Commit") == 0;
}

static enum rpc_code killer_start(void *killer_, const struct rpc_request *request,
                                  struct rpc_metadata *metadata, struct rpc_status *status)
{
    struct killer *killer = killer_;
    (void)metadata;
    (void)status;
    if (!is_commit(request->method))
        return RPC_OK;
    if (atomic_fetch_add(&killer->commits, 1) + 1 == killer->at && killer->before)
        (void)raise(SIGKILL);
    return RPC_OK;
}

static void killer_end(void *killer_, const struct registry_method *method,
                       const struct rpc_status *status, int64_t elapsed_us)
{
    struct killer *killer = killer_;
    (void)status;
    (void)elapsed_us;
    if (is_commit(method) && atomic_load(&killer->commits) == killer->at && !killer->before)
        (void)raise(SIGKILL);
}

/* child STORE_URL FAKE_PATH JOB_ID CLOCK_OFFSET_MS AT before|after: runs jobs until that one is
 * done. */
static int child_main(char **argv)
{
    static struct killer killer;
    static struct fixture fixture;
    killer.at = (int)strtol(argv[5], NULL, 10);
    killer.before = strcmp(argv[6], "before") == 0;
    clock_set_offset_ms(strtoll(argv[4], NULL, 10));
    fake_open(argv[2]);
    const struct rpc_client_interceptor interceptor = {killer_start, killer_end, &killer};
    const struct rpc_channel_options options = {
        .url = argv[1], .interceptors = &interceptor, .interceptor_count = 1};
    struct rpc_status status;
    fixture.registry = make_registry();
    if (rpc_channel_open(&options, &fixture.channel, &status) != RPC_OK)
        return 1;
    fixture.client = store_client_create(fixture.channel, fixture.registry);
    struct services *services = logic_create(&fixture);
    logic_start(services);
    struct job_end done = {&fixture, strtoll(argv[3], NULL, 10), JOB_DONE};
    if (!wait_until(job_is_in_state, &done, PATIENCE_MS))
        return 2;
    logic_stop(services);
    return 0;
}

struct victim {
    struct logic *logic;
    char url[128], fake_path[128], job[24];
    int64_t offset_ms;
};

/* Runs a process, killed at its at-th commit (0: never). Whether it came to the launch's end. */
static bool child_run(struct victim *victim, int at, const char *when)
{
    struct process process;
    char offset[24], number[24];
    victim->offset_ms += JOBS_LEASE_MS + 1000; /* the one before is dead: its lease has run out */
    (void)snprintf(offset, sizeof offset, "%lld", (long long)victim->offset_ms);
    (void)snprintf(number, sizeof number, "%d", at);
    char *const argv[] = {program,     (char *)"child", victim->url, victim->fake_path,
                          victim->job, offset,          number,      (char *)when,
                          NULL};
    process_start(&process, argv, NULL, "/dev/null");
    int code = process_wait(&process, PATIENCE_MS);
    if (code != 0 && code != -SIGKILL)
        fail_msg("the process ended with %d", code);
    return code == 0;
}

/* A launch's job as the handler makes it, for a process to run. */
static void victim_begin(struct victim *victim, struct logic *logic)
{
    struct rpc_status status;
    ready_to_launch(logic);
    fake->polls_until_finished = 1;
    victim->logic = logic;
    victim->offset_ms = 0;
    (void)snprintf(victim->url, sizeof victim->url, "req+ipc://%s/s.sock", logic->store->directory);
    (void)snprintf(victim->fake_path, sizeof victim->fake_path, "%s/fake", logic->store->directory);
    expect_ok(rpc_server_listen(logic->store->server, victim->url, RPC_TRUST_ROLE, &status),
              &status);
    services_jobs_stop(logic->services, PATIENCE_MS); /* the others run it */
    const Lotcast__V1__LaunchRequest request = launch_request();
    Lotcast__V1__LaunchJob launch = LOTCAST__V1__LAUNCH_JOB__INIT;
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    int64_t job_id = 0;
    launch.monthly_budget_minor = request.monthly_budget;
    launch.currency = request.currency;
    launch.targeting = request.targeting;
    launch.company = (char *)"Acme Auto";
    launch.link = (char *)SITE;
    launch.ad_account_id = (char *)"act_1";
    launch.page_id = (char *)"page_1";
    launch.business_id = (char *)"business_1";
    launch.object_name = (char *)"Acme Auto (Lotcast 7)";
    job.kind = LAUNCH_KIND;
    job.customer_id = CUSTOMER;
    job.launch = &launch;
    expect_ok(job_try_add(logic->services, &job, &job_id, &status), &status);
    (void)snprintf(victim->job, sizeof victim->job, "%lld", (long long)job_id);
}

static void expect_launched_once(struct victim *victim)
{
    expect_one_of_each();
    expect_campaign(victim->logic, NULL, 12);
    assert_int_equal(fake->item_count, 12);
}

/* Killed once, at each commit of the launch in turn, before and after it. */
static void survives_a_kill_at_each_commit(void **state)
{
    static const char *const moments[] = {"before", "after"};
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        bool ended = false;
        for (int at = 1; !ended; at++) {
            void *inner;
            struct victim victim;
            assert_int_equal(begin(&inner), 0);
            victim_begin(&victim, inner);
            ended = child_run(&victim, at, moments[m]);
            if (!ended)
                assert_true(child_run(&victim, 0, "after"));
            expect_launched_once(&victim);
            assert_true(ended || at < 40);
            assert_int_equal(end(&inner), 0);
        }
    }
}

/* Killed again and again, three commits later each time: a claim and a step or two. */
static void survives_being_killed_all_the_time(void **state)
{
    struct victim victim;
    victim_begin(&victim, *state);
    int kills = 0;
    while (!child_run(&victim, 3, "after"))
        assert_true(++kills < 60);
    assert_true(kills > 5);
    expect_launched_once(&victim);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
    if (argc == 7 + 1 && strcmp(argv[1], "child") == 0)
        return child_main(argv + 1);
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len <= 0)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(makes_and_activates),
        TEST(refuses_wrong_fields),
        TEST(refuses_what_is_not_ready),
        TEST(refuses_a_currency_without_a_rate),
        TEST(calls_at_once_make_one),
        TEST(fails_and_is_launched_again),
        TEST(another_budget_gets_another_ad_set),
        cmocka_unit_test(makes_one_of_each_over_a_bad_line),
        TEST(a_dead_token_ends_it),
        TEST(keeps_refused_items_apart),
        TEST(an_empty_catalog_is_no_success),
        TEST(submits_in_batches),
        TEST(the_website_stays_during_a_launch),
        cmocka_unit_test(survives_a_kill_at_each_commit),
        TEST(survives_being_killed_all_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
