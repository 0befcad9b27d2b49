/* Settings: what is shown, what a change may be, a site that is tested, and how a scan goes. */
#include "test/unit/services/settings_fixture.h"

#include <pthread.h>

#include "test/support/process.h"

#define OTHER_SITE "https://new.example/inventory"

/* --- what is shown --- */

static void shows_an_account_with_nothing_connected(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    put_account(logic);
    context_begin(&test);
    const Lotcast__V1__GetSettingsResponse *settings = settings_get(logic, &test);
    assert_string_equal(settings->user->name, "John");
    assert_string_equal(settings->user->email, "john@acme.com");
    assert_string_equal(settings->user->company, "Acme Auto");
    assert_string_equal(settings->user->time_zone, "UTC");
    assert_false(settings->website->connected);
    assert_null(settings->website->url);
    assert_string_equal(settings->website->last_sync, "never");
    assert_null(settings->website->last_sync_at);
    assert_int_equal(settings->website->items_detected, 0);
    assert_false(settings->meta->connected);
    assert_null(settings->meta->account_id);
    assert_null(settings->meta->business_name);
    context_end(&test);
}

static void put_named_connection(struct logic *logic, bool dead, int64_t expires_at_ms)
{
    struct test_context test;
    Lotcast__V1__MetaAccount business = LOTCAST__V1__META_ACCOUNT__INIT;
    Lotcast__V1__MetaAccount *businesses[] = {&business};
    context_begin(&test);
    put_connection(logic->store, logic->services, FAKE_TOKEN, dead, "USD");
    Lotcast__V1__MetaConnectionRecord *connection = CUSTOMER_RECORD(logic, &test, meta_connection);
    business.id = (char *)"business_1";
    business.name = (char *)"Acme Ads";
    connection->n_businesses = 1;
    connection->businesses = businesses;
    connection->token_expires_at_ms = expires_at_ms;
    (void)put_record(logic->store, connection);
    context_end(&test);
}

static void shows_connections(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    struct rpc_status status;
    put_account(logic);
    put_named_connection(logic, false, 0);
    fake->site_items = 12;
    assert_int_equal(connect_site(logic, SITE, &status), 12);
    context_begin(&test);
    const Lotcast__V1__GetSettingsResponse *settings = settings_get(logic, &test);
    assert_true(settings->website->connected);
    assert_string_equal(settings->website->url->value, SITE);
    assert_string_equal(settings->website->last_sync, "just now");
    assert_int_equal(strlen(settings->website->last_sync_at->value), 20);
    assert_int_equal(settings->website->items_detected, 12);
    assert_true(settings->meta->connected);
    assert_string_equal(settings->meta->account_id->value, "act_1");
    assert_string_equal(settings->meta->business_name->value, "Acme Ads");
    context_end(&test);
}

/* A token that Meta takes no more is no connection: the page offers to connect again. */
static void a_dead_token_is_not_connected(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    put_account(logic);
    for (int i = 0; i < 2; i++) {
        put_named_connection(logic, i == 0, i == 0 ? 0 : 1);
        context_begin(&test);
        const Lotcast__V1__GetSettingsResponse *settings = settings_get(logic, &test);
        assert_false(settings->meta->connected);
        assert_null(settings->meta->account_id);
        assert_null(settings->meta->business_name);
        context_end(&test);
    }
}

/* --- changes --- */

/* What a PATCH has; NULL: not there. */
struct patch {
    const char *name, *email, *company, *time_zone, *url;
};

static Google__Protobuf__StringValue *wrap(Google__Protobuf__StringValue *value, const char *text)
{
    google__protobuf__string_value__init(value);
    value->value = (char *)text;
    return text == NULL ? NULL : value;
}

static enum rpc_code update(struct logic *logic, struct patch patch, struct rpc_status *status)
{
    struct test_context test;
    Google__Protobuf__StringValue values[5];
    Lotcast__V1__SettingsUserChange user = LOTCAST__V1__SETTINGS_USER_CHANGE__INIT;
    Lotcast__V1__WebsiteChange website = LOTCAST__V1__WEBSITE_CHANGE__INIT;
    Lotcast__V1__UpdateSettingsRequest request = LOTCAST__V1__UPDATE_SETTINGS_REQUEST__INIT;
    const Lotcast__V1__UpdateSettingsResponse *response = NULL;
    user.name = wrap(&values[0], patch.name);
    user.email = wrap(&values[1], patch.email);
    user.company = wrap(&values[2], patch.company);
    user.time_zone = wrap(&values[3], patch.time_zone);
    website.url = wrap(&values[4], patch.url);
    if (patch.name != NULL || patch.email != NULL || patch.company != NULL ||
        patch.time_zone != NULL)
        request.user = &user;
    if (patch.url != NULL)
        request.website = &website;
    context_begin(&test);
    enum rpc_code code =
        call(logic, &test, "lotcast.v1.Settings/UpdateSettings", &request, &response, status);
    if (code == RPC_OK)
        assert_true(response->success);
    context_end(&test);
    return code;
}

static void changes_what_is_present_alone(void **state)
{
    static const struct {
        struct patch patch;
        const char *name, *email, *company, *time_zone; /* what there is afterwards */
    } rows[] = {
        {{0}, "John", "john@acme.com", "Acme Auto", "UTC"},
        {{.name = "  John Doe "}, "John Doe", "john@acme.com", "Acme Auto", "UTC"},
        {{.email = "John.Doe@Acme.com"}, "John Doe", "John.Doe@Acme.com", "Acme Auto", "UTC"},
        {{.company = "Acme Inc."}, "John Doe", "John.Doe@Acme.com", "Acme Inc.", "UTC"},
        {{.time_zone = "Europe/Berlin"},
         "John Doe",
         "John.Doe@Acme.com",
         "Acme Inc.",
         "Europe/Berlin"},
        {{.name = ""}, "", "John.Doe@Acme.com", "Acme Inc.", "Europe/Berlin"},
        {{.name = "J", .email = "j@acme.com", .company = "A", .time_zone = "UTC"},
         "J",
         "j@acme.com",
         "A",
         "UTC"},
    };
    struct logic *logic = *state;
    put_account(logic);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpc_status status;
        struct test_context test;
        expect_ok(update(logic, rows[i].patch, &status), &status);
        context_begin(&test);
        const Lotcast__V1__GetSettingsResponse *settings = settings_get(logic, &test);
        assert_string_equal(settings->user->name, rows[i].name);
        assert_string_equal(settings->user->email, rows[i].email);
        assert_string_equal(settings->user->company, rows[i].company);
        assert_string_equal(settings->user->time_zone, rows[i].time_zone);
        context_end(&test);
    }
}

static void refuses_the_first_wrong_field(void **state)
{
    static const char long_name[] =
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567"
        "8901234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
        "67890123456789012345678901234567890";
    static const struct {
        struct patch patch;
        const char *reason, *field;
    } rows[] = {
        {{.name = "a\nb"}, "INVALID_ARGUMENT", "user.name"},
        {{.name = long_name}, "INVALID_ARGUMENT", "user.name"},
        {{.name = "a\x7f", .email = "nope"}, "INVALID_ARGUMENT", "user.name"},
        {{.email = ""}, "INVALID_EMAIL", "user.email"},
        {{.email = "nope"}, "INVALID_EMAIL", "user.email"},
        {{.email = "john@acme"}, "INVALID_EMAIL", "user.email"},
        {{.email = "john@acme.com\r\nBcc: x@y.com"}, "INVALID_EMAIL", "user.email"},
        {{.email = "nope", .company = ""}, "INVALID_EMAIL", "user.email"},
        {{.company = ""}, "INVALID_ARGUMENT", "user.company"},
        {{.company = "   "}, "INVALID_ARGUMENT", "user.company"},
        {{.company = long_name}, "INVALID_ARGUMENT", "user.company"},
        {{.company = "", .time_zone = "Nowhere"}, "INVALID_ARGUMENT", "user.company"},
        {{.time_zone = ""}, "INVALID_ARGUMENT", "user.timeZone"},
        {{.time_zone = "Europe/Nowhere"}, "INVALID_ARGUMENT", "user.timeZone"},
        {{.time_zone = "europe/berlin"}, "INVALID_ARGUMENT", "user.timeZone"},
        {{.time_zone = "CEST"}, "INVALID_ARGUMENT", "user.timeZone"},
        {{.time_zone = "+02:00"}, "INVALID_ARGUMENT", "user.timeZone"},
        {{.time_zone = "../../etc/passwd"}, "INVALID_ARGUMENT", "user.timeZone"},
        {{.time_zone = "/etc/localtime"}, "INVALID_ARGUMENT", "user.timeZone"},
        {{.time_zone = "right/Europe/Berlin"}, "INVALID_ARGUMENT", "user.timeZone"},
        {{.time_zone = "zone.tab"}, "INVALID_ARGUMENT", "user.timeZone"},
        {{.time_zone = "Nowhere", .url = "invalid"}, "INVALID_ARGUMENT", "user.timeZone"},
        {{.url = ""}, "INVALID_URL", "website.url"},
        {{.url = "invalid"}, "INVALID_URL", "website.url"},
        {{.name = "Jane", .url = "invalid"}, "INVALID_URL", "website.url"},
        {{.name = "Jane", .email = "Taken@Other.com"}, "EMAIL_TAKEN", "user.email"},
        {{.email = "taken@other.com", .url = OTHER_SITE}, "EMAIL_TAKEN", "user.email"},
    };
    struct logic *logic = *state;
    struct test_context test;
    put_account(logic);
    put_user(logic->store, 8, "taken@other.com");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rpc_status status;
        assert_int_not_equal(update(logic, rows[i].patch, &status), RPC_OK);
        expect_reason(&status, rows[i].reason);
        assert_string_equal(status.field, rows[i].field);
    }
    /* Nothing of any of them was changed. */
    context_begin(&test);
    const Lotcast__V1__GetSettingsResponse *settings = settings_get(logic, &test);
    assert_string_equal(settings->user->name, "John");
    assert_string_equal(settings->user->email, "john@acme.com");
    assert_null(CUSTOMER_RECORD(logic, &test, website));
    context_end(&test);
}

struct racer {
    struct logic *logic;
    struct patch patch;
    enum rpc_code code;
    struct rpc_status status;
};

static void *race(void *racer_)
{
    struct racer *racer = racer_;
    racer->code = update(racer->logic, racer->patch, &racer->status);
    return NULL;
}

#define RACERS 16

/* Each succeeds or says CONFLICT; none half way. */
static void changes_at_once_are_whole(void **state)
{
    struct logic *logic = *state;
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    char names[RACERS][16];
    struct test_context test;
    put_account(logic);
    for (int i = 0; i < RACERS; i++) {
        (void)snprintf(names[i], sizeof names[i], "name%d", i);
        racers[i] =
            (struct racer){.logic = logic, .patch = {.name = names[i], .company = names[i]}};
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    int done = 0;
    for (int i = 0; i < RACERS; i++) {
        (void)pthread_join(threads[i], NULL);
        if (racers[i].code == RPC_OK)
            done++;
        else
            expect_reason(&racers[i].status, "CONFLICT");
    }
    assert_true(done >= 1);
    context_begin(&test);
    const Lotcast__V1__GetSettingsResponse *settings = settings_get(logic, &test);
    assert_string_equal(settings->user->name, settings->user->company);
    context_end(&test);
}

/* --- a new site --- */

static Lotcast__V1__GetScanStatusResponse *scan_status(struct logic *logic,
                                                       struct test_context *test)
{
    struct rpc_status status;
    Lotcast__V1__GetScanStatusResponse *response = NULL;
    Lotcast__V1__GetScanStatusRequest request = LOTCAST__V1__GET_SCAN_STATUS_REQUEST__INIT;
    expect_ok(call(logic, test, "lotcast.v1.Settings/GetScanStatus", &request, &response, &status),
              &status);
    return response;
}

struct scan_wait {
    struct logic *logic;
    bool in_progress;
    int64_t items_min;
};

static bool scan_is(void *wait_)
{
    struct scan_wait *wait = wait_;
    struct test_context test;
    context_begin(&test);
    const Lotcast__V1__GetScanStatusResponse *response = scan_status(wait->logic, &test);
    bool is =
        response->in_progress == wait->in_progress && response->items_found >= wait->items_min;
    context_end(&test);
    return is;
}

static void await_scan(struct logic *logic, bool in_progress, int64_t items_min)
{
    struct scan_wait wait = {logic, in_progress, items_min};
    assert_true(wait_until(scan_is, &wait, PATIENCE_MS));
}

static void the_old_inventory_stays_until_a_new_site_is_read(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    put_account(logic);
    context_begin(&test);
    const Lotcast__V1__GetScanStatusResponse *none = scan_status(logic, &test);
    assert_false(none->in_progress);
    assert_int_equal(none->items_found, 0);
    assert_int_equal(none->pages_fetched, 0);
    assert_null(none->error);
    fake->site_items = 12;
    assert_int_equal(connect_site(logic, SITE, &status), 12);

    fake->site_slow = true;
    fake->site_first = 100;
    fake->site_items = 5;
    expect_ok(update(logic, (struct patch){.company = "Acme Inc.", .url = OTHER_SITE}, &status),
              &status);
    await_scan(logic, true, 1);
    const Lotcast__V1__GetSettingsResponse *settings = settings_get(logic, &test);
    assert_string_equal(settings->user->company, "Acme Inc.");
    assert_string_equal(settings->website->url->value, SITE);
    assert_int_equal(settings->website->items_detected, 12);
    fake->site_slow = false;
    await_scan(logic, false, 5);
    settings = settings_get(logic, &test);
    assert_string_equal(settings->website->url->value, OTHER_SITE);
    assert_int_equal(settings->website->items_detected, 5);
    const Lotcast__V1__GetScanStatusResponse *done = scan_status(logic, &test);
    assert_int_equal(done->items_found, 5);
    assert_true(done->pages_fetched > 0);
    assert_null(done->error);
    context_end(&test);
}

static void a_site_that_fails_leaves_the_old_one(void **state)
{
    static const struct {
        Lotcast__V1__Reason error;
        const char *code;
    } rows[] = {
        {LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE, "WEBSITE_UNREACHABLE"},
        {LOTCAST__V1__REASON__REASON_INVALID_URL, "INVALID_URL"},
        {LOTCAST__V1__REASON__REASON_UNSPECIFIED, "NO_ITEMS_FOUND"},
    };
    struct logic *logic = *state;
    struct rpc_status status;
    put_account(logic);
    fake->site_items = 12;
    assert_int_equal(connect_site(logic, SITE, &status), 12);
    fake->site_items = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_context test;
        fake->site_error = rows[i].error;
        expect_ok(update(logic, (struct patch){.url = OTHER_SITE}, &status), &status);
        await_scan(logic, false, 0);
        context_begin(&test);
        const Lotcast__V1__GetScanStatusResponse *failed = scan_status(logic, &test);
        assert_non_null(failed->error);
        assert_string_equal(failed->error->code, rows[i].code);
        assert_true(failed->error->message[0] != '\0');
        const Lotcast__V1__GetSettingsResponse *settings = settings_get(logic, &test);
        assert_string_equal(settings->website->url->value, SITE);
        assert_int_equal(settings->website->items_detected, 12);
        context_end(&test);
    }
}

/* --- TestWebsite --- */

/* The items found, or -1 with the status. */
static int64_t test_site(struct logic *logic, int64_t ms, struct rpc_status *status)
{
    struct test_context test;
    const Lotcast__V1__TestWebsiteResponse *response = NULL;
    Lotcast__V1__TestWebsiteRequest request = LOTCAST__V1__TEST_WEBSITE_REQUEST__INIT;
    int64_t found = -1;
    context_begin(&test);
    test.context.deadline_ms = clock_mono_ms() + ms;
    if (call(logic, &test, "lotcast.v1.Settings/TestWebsite", &request, &response, status) ==
        RPC_OK) {
        assert_true(response->success);
        found = response->items_found;
    }
    context_end(&test);
    return found;
}

static void testing_a_site_changes_nothing(void **state)
{
    struct logic *logic = *state;
    struct rpc_status status;
    struct test_context test;
    put_account(logic);
    assert_int_equal(test_site(logic, PATIENCE_MS, &status), -1);
    expect_reason(&status, "WEBSITE_NOT_CONNECTED");
    fake->site_items = 12;
    assert_int_equal(connect_site(logic, SITE, &status), 12);
    context_begin(&test);
    const Lotcast__V1__WebsiteRecord *before = CUSTOMER_RECORD(logic, &test, website);
    fake->site_items = 20;
    assert_int_equal(test_site(logic, PATIENCE_MS, &status), 20);
    fake->site_items = 0;
    assert_int_equal(test_site(logic, PATIENCE_MS, &status), -1);
    expect_reason(&status, "NO_ITEMS_FOUND");
    fake->site_incomplete = true; /* not even robots.txt says that there is nothing */
    assert_int_equal(test_site(logic, PATIENCE_MS, &status), 0);
    fake->site_error = LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE;
    assert_int_equal(test_site(logic, PATIENCE_MS, &status), -1);
    expect_reason(&status, "WEBSITE_UNREACHABLE");
    fake->site_error = LOTCAST__V1__REASON__REASON_INVALID_URL; /* it leads to a refused address */
    assert_int_equal(test_site(logic, PATIENCE_MS, &status), -1);
    expect_reason(&status, "INVALID_URL");
    assert_string_equal(status.field, "");
    fake->site_error = LOTCAST__V1__REASON__REASON_UNSPECIFIED;
    fake->site_slow = true;
    assert_int_equal(test_site(logic, 1500, &status), 0); /* nothing yet in all that time */
    const Lotcast__V1__WebsiteRecord *after = CUSTOMER_RECORD(logic, &test, website);
    assert_int_equal(after->last_read_at_ms, before->last_read_at_ms);
    assert_int_equal(after->item_count, 12);
    struct store_read_op items = records_of(logic, &test, &lotcast__v1__item_record__descriptor);
    assert_int_equal(items.ret_row_count, 12);
    context_end(&test);
}

struct prober {
    struct logic *logic;
    int64_t found;
    struct rpc_status status;
};

static void *probe(void *prober_)
{
    struct prober *prober = prober_;
    prober->found = test_site(prober->logic, PATIENCE_MS, &prober->status);
    return NULL;
}

static bool site_is_read(void *reads)
{
    return fake->site_reads > *(int *)reads;
}

/* Many at once are one reading of the site, and hold no worker. */
static void tests_of_a_site_at_once_share_one_reading(void **state)
{
    struct logic *logic = *state;
    struct prober probers[RACERS];
    pthread_t threads[RACERS];
    struct rpc_status status;
    struct test_context test;
    put_account(logic);
    fake->site_items = 12;
    assert_int_equal(connect_site(logic, SITE, &status), 12);
    int reads = fake->site_reads;
    fake->site_slow = true;
    for (int i = 0; i < RACERS; i++) {
        probers[i] = (struct prober){.logic = logic};
        assert_int_equal(pthread_create(&threads[i], NULL, probe, &probers[i]), 0);
    }
    assert_true(wait_until(site_is_read, &reads, PATIENCE_MS));
    expect_ok(update(logic, (struct patch){.name = "Jane"}, &status), &status);
    context_begin(&test);
    assert_string_equal(settings_get(logic, &test)->user->name, "Jane");
    context_end(&test);
    fake->site_slow = false;
    for (int i = 0; i < RACERS; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(probers[i].found, 12);
    }
    assert_true(fake->site_reads < reads + RACERS);
}

#define CROWD 80

/* Whoever comes when enough wait already is told to come later. */
static void too_many_tests_of_a_site_are_refused(void **state)
{
    struct logic *logic = *state;
    static struct prober probers[CROWD];
    pthread_t threads[CROWD];
    struct rpc_status status;
    put_account(logic);
    fake->site_items = 12;
    assert_int_equal(connect_site(logic, SITE, &status), 12);
    int reads = fake->site_reads;
    fake->site_slow = true;
    for (int i = 0; i < CROWD; i++) {
        probers[i] = (struct prober){.logic = logic};
        assert_int_equal(pthread_create(&threads[i], NULL, probe, &probers[i]), 0);
    }
    assert_true(wait_until(site_is_read, &reads, PATIENCE_MS));
    /* One that joins still gives up soon. */
    while (test_site(logic, 500, &status) >= 0 ||
           status.reason != LOTCAST__V1__REASON__REASON_RATE_LIMITED)
        continue;
    assert_true(status.retry_after_ms > 0);
    fake->site_slow = false;
    for (int i = 0; i < CROWD; i++) {
        (void)pthread_join(threads[i], NULL);
        if (probers[i].found != 12)
            expect_reason(&probers[i].status, "RATE_LIMITED");
    }
}

/* The role's end ends what waits. */
static void the_end_ends_tests(void **state)
{
    struct logic *logic = *state;
    struct prober prober = {.logic = logic};
    pthread_t thread;
    struct rpc_status status;
    put_account(logic);
    fake->site_items = 12;
    assert_int_equal(connect_site(logic, SITE, &status), 12);
    int reads = fake->site_reads;
    fake->site_slow = true;
    assert_int_equal(pthread_create(&thread, NULL, probe, &prober), 0);
    assert_true(wait_until(site_is_read, &reads, PATIENCE_MS));
    services_jobs_stop(logic->services, PATIENCE_MS);
    (void)pthread_join(thread, NULL);
    assert_int_equal(prober.found, -1);
    expect_reason(&prober.status, "UNAVAILABLE");
    assert_int_equal(test_site(logic, PATIENCE_MS, &status), -1);
    expect_reason(&status, "UNAVAILABLE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shows_an_account_with_nothing_connected, begin, end),
        cmocka_unit_test_setup_teardown(shows_connections, begin, end),
        cmocka_unit_test_setup_teardown(a_dead_token_is_not_connected, begin, end),
        cmocka_unit_test_setup_teardown(changes_what_is_present_alone, begin, end),
        cmocka_unit_test_setup_teardown(refuses_the_first_wrong_field, begin, end),
        cmocka_unit_test_setup_teardown(changes_at_once_are_whole, begin, end),
        cmocka_unit_test_setup_teardown(the_old_inventory_stays_until_a_new_site_is_read, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_site_that_fails_leaves_the_old_one, begin, end),
        cmocka_unit_test_setup_teardown(testing_a_site_changes_nothing, begin, end),
        cmocka_unit_test_setup_teardown(tests_of_a_site_at_once_share_one_reading, begin, end),
        cmocka_unit_test_setup_teardown(too_many_tests_of_a_site_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(the_end_ends_tests, begin, end),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
