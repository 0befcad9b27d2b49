/*
 * The running ads over REST, against real processes: the ads page, syncs by hand and by the clock,
 * what a site may do to a catalog, pausing and resuming, budget and targeting.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "test/e2e/system.h"

#define ITEMS 247
/* A crashed process's work goes on within so long (api-contracts, section 9). */
#define RECOVERY_MS 30000
#define CALLERS 50

static struct system_under_test system_;

static int start(void **state)
{
    (void)state;
    system_.one_process = system_mode_one_process();
    system_start(&system_);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    system_stop(&system_);
    return 0;
}

/* The site and Meta as they were at the start. */
static int restore(void **state)
{
    (void)state;
    system_control(&system_, "/_control/clear", "{}");
    system_control(&system_, "/_control/vehicle",
                   "{\"removed\":false,\"in_stock\":true,\"price\":28000}");
    system_control(&system_, "/_control/batches", "{\"items_max\":5000,\"delay_ms\":100}");
    system_control(&system_, "/_control/refuse", "{}");
    return 0;
}

static void request(struct rest_client *browser, const char *method, const char *path,
                    const char *body, int status, struct rest_answer *ret_answer)
{
    rest_client_request(browser, method, path, body, NULL, ret_answer);
    if (ret_answer->status != status)
        fail_msg("%s %s %s: %d %s; see %s", method, path, body == NULL ? "" : body,
                 ret_answer->status, ret_answer->body, system_.log);
}

static void refused(struct rest_client *browser, const char *method, const char *path,
                    const char *body, int status, const char *code, const char *field)
{
    struct rest_answer answer;
    request(browser, method, path, body, status, &answer);
    assert_string_equal(rest_answer_text(&answer, "error.code"), code);
    if (field != NULL)
        assert_string_equal(rest_answer_text(&answer, "error.details.field"), field);
    rest_answer_free(&answer);
}

static struct rest_client launched(const char *email)
{
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    system_sign_up(&browser, email);
    system_connect_website(&system_, &browser, ITEMS);
    system_connect_meta(&browser);
    request(&browser, "POST", "/api/onboarding/launch", system_launch_body, 200, &answer);
    rest_answer_free(&answer);
    return browser;
}

/* Syncs: "processed added updated removed". */
static void sync_expect(struct rest_client *browser, const char *body, const char *want)
{
    struct rest_answer answer;
    char counts[128];
    request(browser, "POST", "/api/customer/ads/sync", body, 200, &answer);
    assert_true(rest_answer_bool(&answer, "success"));
    assert_false(rest_answer_bool(&answer, "inProgress"));
    (void)snprintf(counts, sizeof counts, "%d %d %d %d",
                   (int)rest_answer_integer(&answer, "itemsProcessed"),
                   (int)rest_answer_integer(&answer, "itemsAdded"),
                   (int)rest_answer_integer(&answer, "itemsUpdated"),
                   (int)rest_answer_integer(&answer, "itemsRemoved"));
    assert_string_equal(counts, want);
    rest_answer_free(&answer);
}

static void dashboard_expect(struct rest_client *browser, const char *status,
                             const char *suggestion)
{
    struct rest_answer answer;
    request(browser, "GET", "/api/customer/dashboard", NULL, 200, &answer);
    assert_string_equal(rest_answer_text(&answer, "status"), status);
    if (suggestion == NULL)
        assert_true(rest_answer_null(&answer, "suggestion"));
    else
        assert_string_equal(rest_answer_text(&answer, "suggestion.type"), suggestion);
    rest_answer_free(&answer);
}

static int64_t batches(void)
{
    return system_meta_requests(&system_, "POST", "/items_batch");
}

/* --- the page --- */

static void before_launch_there_is_nothing_to_act_on(void **state)
{
    (void)state;
    struct rest_client browser = system_browser(&system_);
    struct rest_answer answer;
    refused(&browser, "GET", "/api/customer/ads", NULL, 401, "AUTH_REQUIRED", NULL);
    system_sign_up(&browser, "before@acme.example");
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_false(rest_answer_bool(&answer, "isLive"));
    assert_true(rest_answer_bool(&answer, "autoSync.enabled"));
    assert_true(rest_answer_null(&answer, "autoSync.nextRun"));
    assert_true(rest_answer_null(&answer, "autoSync.nextRunAt"));
    assert_string_equal(rest_answer_text(&answer, "lastSync"), "never");
    assert_true(rest_answer_null(&answer, "lastSyncAt"));
    assert_int_equal(rest_answer_integer(&answer, "itemCount"), 0);
    assert_true(rest_answer_null(&answer, "metaCampaign"));
    rest_answer_free(&answer);
    request(&browser, "GET", "/api/customer/ads/sync/status", NULL, 200, &answer);
    assert_false(rest_answer_bool(&answer, "inProgress"));
    assert_int_equal(rest_answer_integer(&answer, "progress"), 0);
    assert_true(rest_answer_null(&answer, "startedAt"));
    assert_true(rest_answer_null(&answer, "error"));
    rest_answer_free(&answer);
    refused(&browser, "POST", "/api/customer/ads/sync", "{}", 409, "NOT_LAUNCHED", NULL);
    refused(&browser, "POST", "/api/customer/ads/pause", "{}", 409, "NOT_LAUNCHED", NULL);
    refused(&browser, "POST", "/api/customer/ads/resume", "{}", 409, "NOT_LAUNCHED", NULL);
    refused(&browser, "PATCH", "/api/customer/ads", "{\"monthlyBudget\":100}", 409, "NOT_LAUNCHED",
            NULL);
    request(&browser, "POST", "/api/customer/ads/auto-sync", "{\"enabled\":true}", 200, &answer);
    assert_true(rest_answer_null(&answer, "nextRun"));
    rest_answer_free(&answer);
}

static void the_page_shows_what_was_launched(void **state)
{
    (void)state;
    struct rest_client browser = launched("page@acme.example");
    struct rest_answer answer;
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_true(rest_answer_bool(&answer, "isLive"));
    assert_true(rest_answer_bool(&answer, "autoSync.enabled"));
    assert_int_equal(strncmp(rest_answer_text(&answer, "autoSync.nextRun"), "in ", 3), 0);
    const char *at = rest_answer_text(&answer, "autoSync.nextRunAt");
    assert_int_equal(strlen(at), 20);
    assert_true(strstr(at, "T02:00:00Z") != NULL || strstr(at, "T10:00:00Z") != NULL ||
                strstr(at, "T18:00:00Z") != NULL);
    assert_string_equal(rest_answer_text(&answer, "lastSync"), "just now");
    assert_int_equal(rest_answer_integer(&answer, "itemCount"), ITEMS);
    assert_true(rest_answer_text(&answer, "metaCampaign.catalogId")[0] != '\0');
    assert_int_equal(rest_answer_integer(&answer, "metaCampaign.catalogItems"), ITEMS);
    assert_string_equal(rest_answer_text(&answer, "metaCampaign.campaignName"), "Acme Auto");
    assert_string_equal(rest_answer_text(&answer, "metaCampaign.campaignStatus"), "active");
    assert_int_equal(rest_answer_length(&answer, "metaCampaign.adFormats"), 2);
    assert_non_null(strstr(answer.body, "\"adFormats\":[\"Feed\",\"Reels\"]"));
    assert_non_null(strstr(answer.body, "\"countries\":[\"US\"]"));
    assert_int_equal(rest_answer_integer(&answer, "metaCampaign.targeting.ageMin"), 25);
    assert_int_equal(rest_answer_integer(&answer, "metaCampaign.monthlyBudget"), 2500);
    rest_answer_free(&answer);

    refused(&browser, "POST", "/api/customer/ads/auto-sync", "{}", 400, "INVALID_ARGUMENT",
            "enabled");
    refused(&browser, "POST", "/api/customer/ads/auto-sync", "{\"enabled\":\"no\"}", 400,
            "INVALID_ARGUMENT", "enabled");
    request(&browser, "POST", "/api/customer/ads/auto-sync", "{\"enabled\":false}", 200, &answer);
    assert_true(rest_answer_bool(&answer, "success"));
    assert_true(rest_answer_null(&answer, "nextRun"));
    assert_true(rest_answer_null(&answer, "nextRunAt"));
    rest_answer_free(&answer);
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_false(rest_answer_bool(&answer, "autoSync.enabled"));
    assert_true(rest_answer_null(&answer, "autoSync.nextRun"));
    rest_answer_free(&answer);
    request(&browser, "POST", "/api/customer/ads/auto-sync", "{\"enabled\":true}", 200, &answer);
    assert_false(rest_answer_null(&answer, "nextRun"));
    rest_answer_free(&answer);
}

/* --- syncs --- */

static void only_what_changed_is_sent(void **state)
{
    (void)state;
    struct rest_client browser = launched("sync@acme.example");
    struct rest_answer answer;
    int64_t before = batches();
    sync_expect(&browser, "{}", "247 0 0 0");
    assert_int_equal(batches(), before);

    system_control(&system_, "/_control/vehicle", "{\"number\":3,\"price\":19999}");
    system_control(&system_, "/_control/vehicle", "{\"number\":4,\"in_stock\":false}");
    system_control(&system_, "/_control/vehicle", "{\"number\":5,\"removed\":true}");
    sync_expect(&browser, "{}", "246 0 2 1");
    assert_true(batches() > before);
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_int_equal(rest_answer_integer(&answer, "itemCount"), 246);
    assert_int_equal(rest_answer_integer(&answer, "metaCampaign.catalogItems"), 246);
    rest_answer_free(&answer);

    system_control(&system_, "/_control/vehicle", "{\"number\":5,\"removed\":false}");
    sync_expect(&browser, "{}", "247 1 0 0");
    request(&browser, "GET", "/api/customer/ads/sync/status", NULL, 200, &answer);
    assert_false(rest_answer_bool(&answer, "inProgress"));
    assert_int_equal(rest_answer_integer(&answer, "progress"), 100);
    assert_int_equal(rest_answer_integer(&answer, "itemsProcessed"), 247);
    assert_int_equal(rest_answer_integer(&answer, "itemsTotal"), 247);
    assert_int_equal(rest_answer_integer(&answer, "itemsAdded"), 1);
    assert_int_equal(strlen(rest_answer_text(&answer, "startedAt")), 20);
    assert_int_equal(strlen(rest_answer_text(&answer, "finishedAt")), 20);
    assert_true(rest_answer_null(&answer, "error"));
    rest_answer_free(&answer);
    dashboard_expect(&browser, "running", NULL);
}

static void a_refused_item_is_told_and_the_others_go_on(void **state)
{
    (void)state;
    struct rest_client browser = launched("refused@acme.example");
    struct rest_answer answer;
    system_control(&system_, "/_control/refuse",
                   "{\"retailer_id\":\"2\",\"message\":\"The image is too small\"}");
    system_control(&system_, "/_control/vehicle", "{\"price\":31000}");
    sync_expect(&browser, "{}", "247 0 247 0");
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_int_equal(rest_answer_integer(&answer, "metaCampaign.catalogItems"), 246);
    rest_answer_free(&answer);
    request(&browser, "GET", "/api/customer/inventory?limit=3", NULL, 200, &answer);
    assert_non_null(strstr(answer.body, "The image is too small"));
    rest_answer_free(&answer);
    dashboard_expect(&browser, "running", NULL);
    system_control(&system_, "/_control/refuse", "{}");
    sync_expect(&browser, "{}", "247 0 0 0"); /* the site has not changed; Meta has */
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_int_equal(rest_answer_integer(&answer, "metaCampaign.catalogItems"), 247);
    rest_answer_free(&answer);
}

static void a_large_removal_is_held(void **state)
{
    (void)state;
    struct rest_client browser = launched("held@acme.example");
    struct rest_answer answer;
    for (int i = 0; i < 130; i++) {
        char body[64];
        (void)snprintf(body, sizeof body, "{\"number\":%d,\"removed\":true}", i);
        system_control(&system_, "/_control/vehicle", body);
    }
    int64_t before = batches();
    refused(&browser, "POST", "/api/customer/ads/sync", "{}", 409, "REMOVAL_HELD", NULL);
    assert_int_equal(batches(), before);
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_int_equal(rest_answer_integer(&answer, "itemCount"), ITEMS);
    rest_answer_free(&answer);
    request(&browser, "GET", "/api/customer/ads/sync/status", NULL, 200, &answer);
    assert_string_equal(rest_answer_text(&answer, "error.code"), "REMOVAL_HELD");
    rest_answer_free(&answer);
    dashboard_expect(&browser, "attention", "sync");
    sync_expect(&browser, "{\"confirmRemovals\":true}", "117 0 0 130");
    dashboard_expect(&browser, "running", NULL);
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_int_equal(rest_answer_integer(&answer, "itemCount"), 117);
    assert_int_equal(rest_answer_integer(&answer, "metaCampaign.catalogItems"), 117);
    rest_answer_free(&answer);
}

static void an_outage_changes_nothing(void **state)
{
    (void)state;
    struct rest_client browser = launched("outage@acme.example");
    struct rest_answer answer;
    system_control(&system_, "/_control/fail",
                   "{\"path\":\"/\",\"service\":\"site\",\"times\":-1,\"status\":503}");
    refused(&browser, "POST", "/api/customer/ads/sync", "{}", 422, "WEBSITE_UNREACHABLE", NULL);
    dashboard_expect(&browser, "attention", "sync");
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_int_equal(rest_answer_integer(&answer, "itemCount"), ITEMS);
    assert_true(rest_answer_bool(&answer, "isLive"));
    rest_answer_free(&answer);
    system_control(&system_, "/_control/clear", "{}");
    sync_expect(&browser, "{}", "247 0 0 0");
    dashboard_expect(&browser, "running", NULL);
}

/* --- together --- */

struct caller {
    struct rest_client browser;
    pthread_t thread;
    struct rest_answer answer;
};

static void *caller_main(void *caller_)
{
    struct caller *caller = caller_;
    rest_client_request(&caller->browser, "POST", "/api/customer/ads/sync", "{}", NULL,
                        &caller->answer);
    return NULL;
}

static void fifty_syncs_at_once_are_one(void **state)
{
    (void)state;
    static struct caller callers[CALLERS];
    struct rest_client browser = launched("fifty@acme.example");
    system_control(&system_, "/_control/batches", "{\"delay_ms\":1500}");
    system_control(&system_, "/_control/vehicle", "{\"number\":9,\"price\":777}");
    int64_t before = batches();
    for (size_t i = 0; i < CALLERS; i++) {
        callers[i].browser = browser;
        assert_int_equal(pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]), 0);
    }
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].answer.status, 200);
        assert_int_equal(rest_answer_integer(&callers[i].answer, "itemsUpdated"), 1);
        assert_int_equal(rest_answer_integer(&callers[i].answer, "itemsProcessed"), ITEMS);
        rest_answer_free(&callers[i].answer);
    }
    assert_int_equal(batches(), before + 1);
}

struct progress {
    struct rest_client browser;
    int64_t last;
};

/* Whether the sync has ended, watching its progress on the way. */
static bool sync_ended(void *progress_)
{
    struct progress *progress = progress_;
    struct rest_answer answer;
    rest_client_request(&progress->browser, "GET", "/api/customer/ads/sync/status", NULL, NULL,
                        &answer);
    bool ended = false;
    if (answer.status == 200) {
        int64_t percent = rest_answer_integer(&answer, "progress");
        if (percent < progress->last || percent > 100)
            fail_msg("progress fell from %d to %d", (int)progress->last, (int)percent);
        progress->last = percent;
        ended = !rest_answer_bool(&answer, "inProgress");
        if (ended)
            assert_true(rest_answer_null(&answer, "error"));
    }
    rest_answer_free(&answer);
    return ended;
}

static bool sync_sent(void *before)
{
    return batches() > *(int64_t *)before;
}

static void a_killed_sync_goes_on(void **state)
{
    (void)state;
    static struct caller caller;
    struct rest_client browser = launched("killed@acme.example");
    struct rest_answer answer;
    system_control(&system_, "/_control/batches", "{\"delay_ms\":1500}");
    system_control(&system_, "/_control/vehicle", "{\"price\":12345}");
    system_control(&system_, "/_control/vehicle", "{\"number\":11,\"removed\":true}");
    int64_t before = batches();
    caller.browser = browser;
    assert_int_equal(pthread_create(&caller.thread, NULL, caller_main, &caller), 0);
    assert_true(wait_until(sync_sent, &before, RECOVERY_MS));
    system_kill_role(&system_, "logic");
    assert_int_equal(pthread_join(caller.thread, NULL), 0);
    rest_answer_free(&caller.answer);
    system_wait_ready(&system_);
    struct progress progress = {.browser = browser};
    assert_true(wait_until(sync_ended, &progress, RECOVERY_MS + 10000));
    assert_int_equal(progress.last, 100);
    request(&browser, "GET", "/api/customer/ads/sync/status", NULL, 200, &answer);
    assert_int_equal(rest_answer_integer(&answer, "itemsProcessed"), 246);
    assert_int_equal(rest_answer_integer(&answer, "itemsUpdated"), 246);
    assert_int_equal(rest_answer_integer(&answer, "itemsRemoved"), 1);
    rest_answer_free(&answer);
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_int_equal(rest_answer_integer(&answer, "metaCampaign.catalogItems"), 246);
    rest_answer_free(&answer);
}

/* --- pausing, budget, targeting --- */

static void state_expect(struct rest_client *browser, const char *path, const char *want)
{
    struct rest_answer answer;
    request(browser, "POST", path, "{}", 200, &answer);
    assert_true(rest_answer_bool(&answer, "success"));
    assert_string_equal(rest_answer_text(&answer, "campaignStatus"), want);
    rest_answer_free(&answer);
    request(browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_string_equal(rest_answer_text(&answer, "metaCampaign.campaignStatus"), want);
    assert_int_equal(rest_answer_bool(&answer, "isLive"), strcmp(want, "active") == 0);
    rest_answer_free(&answer);
}

static void ads_are_paused_and_resumed(void **state)
{
    (void)state;
    struct rest_client browser = launched("pause@acme.example");
    state_expect(&browser, "/api/customer/ads/pause", "paused");
    dashboard_expect(&browser, "paused", NULL);
    state_expect(&browser, "/api/customer/ads/pause", "paused");
    sync_expect(&browser, "{}", "247 0 0 0"); /* paused ads are kept in step */
    state_expect(&browser, "/api/customer/ads/resume", "active");
    state_expect(&browser, "/api/customer/ads/resume", "active");
    dashboard_expect(&browser, "running", NULL);
}

static void budget_and_targeting_are_changed(void **state)
{
    (void)state;
    static const struct {
        const char *body, *code, *field;
    } rows[] = {
        {"{\"monthlyBudget\":29.99}", "INVALID_BUDGET", "monthlyBudget"},
        {"{\"monthlyBudget\":1000000.01}", "INVALID_BUDGET", "monthlyBudget"},
        {"{\"monthlyBudget\":\"100\"}", "INVALID_ARGUMENT", "monthlyBudget"},
        {"{\"targeting\":{}}", "INVALID_TARGETING", "targeting.countries"},
        {"{\"targeting\":{\"countries\":[\"US\",\"XX\"],\"ageMin\":18,\"ageMax\":65}}",
         "INVALID_TARGETING", "targeting.countries[1]"},
        {"{\"targeting\":{\"countries\":[\"US\"],\"ageMin\":17,\"ageMax\":65}}",
         "INVALID_TARGETING", "targeting.ageMin"},
        {"{\"targeting\":{\"countries\":[\"US\"],\"ageMin\":30,\"ageMax\":29}}",
         "INVALID_TARGETING", "targeting.ageMax"},
        {"{\"monthlyBudget\":1,\"targeting\":{}}", "INVALID_BUDGET", "monthlyBudget"},
        {"{\"budget\":100}", "UNKNOWN_FIELD", "budget"},
    };
    struct rest_client browser = launched("budget@acme.example");
    struct rest_answer answer;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(&browser, "PATCH", "/api/customer/ads", rows[i].body, 400, rows[i].code,
                rows[i].field);
    request(&browser, "PATCH", "/api/customer/ads", "{\"monthlyBudget\":1234.56}", 200, &answer);
    assert_true(rest_answer_bool(&answer, "success"));
    rest_answer_free(&answer);
    request(&browser, "PATCH", "/api/customer/ads",
            "{\"monthlyBudget\":null,\"targeting\":{\"countries\":[\"CA\",\"US\"],\"ageMin\":18,"
            "\"ageMax\":40}}",
            200, &answer);
    rest_answer_free(&answer);
    request(&browser, "PATCH", "/api/customer/ads", "{}", 200, &answer);
    rest_answer_free(&answer);
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_true(rest_answer_number(&answer, "metaCampaign.monthlyBudget") == 1234.56);
    assert_int_equal(rest_answer_length(&answer, "metaCampaign.targeting.countries"), 2);
    assert_int_equal(rest_answer_integer(&answer, "metaCampaign.targeting.ageMax"), 40);
    rest_answer_free(&answer);
    /* Meta refuses: nothing is stored. */
    system_control(&system_, "/_control/fail",
                   "{\"path\":\"/\",\"method\":\"POST\",\"service\":\"meta\",\"times\":-1,"
                   "\"status\":400,\"error\":{\"code\":100}}");
    refused(&browser, "PATCH", "/api/customer/ads", "{\"monthlyBudget\":99}", 502, "UPSTREAM_ERROR",
            NULL);
    system_control(&system_, "/_control/clear", "{}");
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_true(rest_answer_number(&answer, "metaCampaign.monthlyBudget") == 1234.56);
    rest_answer_free(&answer);
}

static void a_dead_token_needs_attention(void **state)
{
    (void)state;
    struct rest_client browser = launched("dead@acme.example");
    struct rest_answer answer;
    system_control(&system_, "/_control/tokens", "{\"valid\":false}");
    system_control(&system_, "/_control/vehicle", "{\"number\":1,\"price\":55}");
    refused(&browser, "POST", "/api/customer/ads/sync", "{}", 409, "META_NOT_CONNECTED", NULL);
    dashboard_expect(&browser, "attention", "meta");
    refused(&browser, "POST", "/api/customer/ads/sync", "{}", 409, "META_NOT_CONNECTED", NULL);
    refused(&browser, "POST", "/api/customer/ads/pause", "{}", 409, "META_NOT_CONNECTED", NULL);
    refused(&browser, "PATCH", "/api/customer/ads", "{\"monthlyBudget\":99}", 409,
            "META_NOT_CONNECTED", NULL);
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_true(rest_answer_null(&answer, "autoSync.nextRun"));
    rest_answer_free(&answer);
    system_connect_meta(&browser);
    /* Whether the first one came to read the site depends on what noticed the token first. */
    request(&browser, "POST", "/api/customer/ads/sync", "{}", 200, &answer);
    assert_int_equal(rest_answer_integer(&answer, "itemsProcessed"), ITEMS);
    rest_answer_free(&answer);
    dashboard_expect(&browser, "running", NULL);
}

/* --- by the clock --- */

static bool automatic_sync_ran(void *browser)
{
    struct rest_answer answer;
    rest_client_request(browser, "GET", "/api/customer/ads/sync/status", NULL, NULL, &answer);
    bool ran = answer.status == 200 && !rest_answer_null(&answer, "finishedAt") &&
               rest_answer_integer(&answer, "itemsUpdated") == 1;
    rest_answer_free(&answer);
    return ran;
}

/* Nine hours later: one slot at least has passed, two at most. */
static void missed_slots_run_once_after_downtime(void **state)
{
    (void)state;
    static char clock[64];
    struct rest_client browser = launched("clock@acme.example");
    struct rest_client off = launched("off@acme.example");
    struct rest_answer answer;
    request(&off, "POST", "/api/customer/ads/auto-sync", "{\"enabled\":false}", 200, &answer);
    rest_answer_free(&answer);
    system_control(&system_, "/_control/vehicle", "{\"number\":30,\"price\":44}");
    process_signal(&system_.lotcast, SIGTERM);
    assert_int_equal(process_wait(&system_.lotcast, 10000), 0);
    time_t later = time(NULL) + (time_t)9 * 3600;
    struct tm parts;
    assert_non_null(gmtime_r(&later, &parts));
    assert_true(strftime(clock, sizeof clock, "LOTCAST_CLOCK=%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
    system_.extra_env[0] = clock;
    system_start_lotcast(&system_);
    assert_true(wait_until(automatic_sync_ran, &browser, 20000));
    request(&browser, "GET", "/api/customer/ads", NULL, 200, &answer);
    assert_string_equal(rest_answer_text(&answer, "lastSync"), "just now");
    rest_answer_free(&answer);
    request(&off, "GET", "/api/customer/ads/sync/status", NULL, 200, &answer);
    assert_true(rest_answer_null(&answer, "startedAt"));
    rest_answer_free(&answer);
    system_.extra_env[0] = NULL;
}

#define TEST(name) cmocka_unit_test_teardown(name, restore)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(before_launch_there_is_nothing_to_act_on),
        TEST(the_page_shows_what_was_launched),
        TEST(only_what_changed_is_sent),
        TEST(a_refused_item_is_told_and_the_others_go_on),
        TEST(a_large_removal_is_held),
        TEST(an_outage_changes_nothing),
        TEST(fifty_syncs_at_once_are_one),
        TEST(a_killed_sync_goes_on),
        TEST(ads_are_paused_and_resumed),
        TEST(budget_and_targeting_are_changed),
        TEST(a_dead_token_needs_attention),
        TEST(missed_slots_run_once_after_downtime),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
