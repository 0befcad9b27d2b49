#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lotcast/v1/auth.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/services/secret.h"
#include "test/unit/services/fixture.h"
#include "test/unit/services/graph.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
#define MINUTE_MS INT64_C(60000)
#define CUSTOMER 1
#define FAILED "/onboarding/launch?error=META_FAILED"
#define DENIED "/onboarding/launch?error=META_DENIED"

static struct fixture fixture;
static struct graph graph;
static const char *session;

static const char *say(enum rpc_code code, const struct rpc_status *status)
{
    static char text[256];
    if (code == RPC_OK)
        return "OK";
    (void)snprintf(text, sizeof text, "%s%s%s", rpc_reason_get(status->reason)->name,
                   status->field[0] == '\0' ? "" : " ", status->field);
    return text;
}

/* Starts the dialog; its URL, or what was said instead. */
static const char *connect(const char *return_to)
{
    struct rpc_status status;
    const void *response;
    Lotcast__V1__ConnectMetaRequest request = LOTCAST__V1__CONNECT_META_REQUEST__INIT;
    request.return_to = (char *)return_to;
    struct rpc_metadata metadata = fixture_browser(session, NULL);
    enum rpc_code code = fixture_call(&fixture, &fixture.arena, "lotcast.v1.MetaAuth/ConnectMeta",
                                      &request, &metadata, &response, &status);
    return code == RPC_OK ? ((const Lotcast__V1__ConnectMetaResponse *)response)->location
                          : say(code, &status);
}

/* The state in the dialog's URL. */
static const char *state_of(const char *url)
{
    const char *at = strstr(url, "state=");
    assert_non_null(at);
    return arena_strndup(&fixture.arena, at + 6, strcspn(at + 6, "&"));
}

static const char *new_state(const char *return_to)
{
    return state_of(connect(return_to));
}

/* Comes back from the dialog; the redirect, or what was said instead. */
static const char *complete_as(struct arena *arena, const char *who, const char *code,
                               const char *state, const char *error)
{
    struct rpc_status status;
    const void *response;
    Lotcast__V1__CompleteMetaRequest request = LOTCAST__V1__COMPLETE_META_REQUEST__INIT;
    request.code = (char *)code;
    request.state = (char *)state;
    request.error = (char *)error;
    struct rpc_metadata metadata = fixture_browser(who, NULL);
    enum rpc_code got = fixture_call(&fixture, arena, "lotcast.v1.MetaAuth/CompleteMeta", &request,
                                     &metadata, &response, &status);
    return got == RPC_OK ? ((const Lotcast__V1__CompleteMetaResponse *)response)->location
                         : say(got, &status);
}

static const char *complete(const char *code, const char *state, const char *error)
{
    return complete_as(&fixture.arena, session, code, state, error);
}

static Lotcast__V1__MetaConnectionRecord *connection(void)
{
    return fixture_get(&fixture, &lotcast__v1__meta_connection_record__descriptor, CUSTOMER);
}

static const char *select_accounts(const char *ad_account, const char *page, const char *business)
{
    struct rpc_status status;
    Lotcast__V1__SelectMetaAccountsRequest request =
        LOTCAST__V1__SELECT_META_ACCOUNTS_REQUEST__INIT;
    request.ad_account_id = (char *)ad_account;
    request.page_id = (char *)page;
    request.business_id = (char *)business;
    struct rpc_metadata metadata = fixture_browser(session, NULL);
    enum rpc_code code =
        fixture_call(&fixture, &fixture.arena, "lotcast.v1.MetaAuth/SelectMetaAccounts", &request,
                     &metadata, NULL, &status);
    return say(code, &status);
}

static const char *get_accounts(const Lotcast__V1__GetMetaAccountsResponse **ret_response)
{
    struct rpc_status status;
    const void *response = NULL;
    Lotcast__V1__GetMetaAccountsRequest request = LOTCAST__V1__GET_META_ACCOUNTS_REQUEST__INIT;
    struct rpc_metadata metadata = fixture_browser(session, NULL);
    enum rpc_code code =
        fixture_call(&fixture, &fixture.arena, "lotcast.v1.MetaAuth/GetMetaAccounts", &request,
                     &metadata, &response, &status);
    *ret_response = response;
    return say(code, &status);
}

static void connects(void **state)
{
    (void)state;
    const char *url = connect("");
    assert_memory_equal(url, "https://dialog.example/v24.0/dialog/oauth?", 42);
    assert_non_null(strstr(url, "client_id=4711"));
    assert_non_null(
        strstr(url, "redirect_uri=https%3A%2F%2Flotcast.example%2Fapi%2Fauth%2Fmeta%2Fcallback"));
    const char *token = state_of(url);
    assert_int_equal(strlen(token), 43);
    assert_string_not_equal(token, new_state(""));
    assert_string_equal(complete("code", token, ""), "/onboarding/launch");

    const Lotcast__V1__MetaConnectionRecord *stored = connection();
    const char *opened;
    assert_null(memmem(stored->token_sealed.data, stored->token_sealed.len, "EAAB", 4));
    assert_int_equal(secret_open(fixture.services, stored->token_sealed, &fixture.arena, &opened),
                     RPC_OK);
    assert_string_equal(opened, "EAAB-long");
    assert_string_equal(stored->meta_user_id, "9");
    assert_true(stored->token_expires_at_ms > clock_now_ms() + 5183000 * INT64_C(1000));
    /* The first that is usable: open, and in a currency with a rate. */
    assert_string_equal(stored->ad_account_id, "act_3");
    assert_string_equal(stored->page_id, "p1");
    assert_string_equal(stored->business_id, "b1");
    assert_int_equal(stored->n_ad_accounts, 4);
}

static void comes_back_to_the_apps_paths_alone(void **state)
{
    (void)state;
    static const struct {
        const char *return_to, *good, *bad;
    } rows[] = {
        {"/app/settings", "/app/settings", "/app/settings?error=META_DENIED"},
        {"/app/settings?tab=meta", "/app/settings?tab=meta",
         "/app/settings?tab=meta&error=META_DENIED"},
        {"", "/onboarding/launch", DENIED},
        {"//evil", "/onboarding/launch", DENIED},
        {"/\\evil", "/onboarding/launch", DENIED},
        {"/%5cevil", "/onboarding/launch", DENIED},
        {"https:evil", "/onboarding/launch", DENIED},
        {"/app/..//evil", "/onboarding/launch", DENIED},
        {"/app/x\r\nSet-Cookie: a=b", "/onboarding/launch", DENIED},
        {"/admin/customers", "/onboarding/launch", DENIED},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(complete("code", new_state(rows[i].return_to), ""), rows[i].good);
        assert_string_equal(complete("", new_state(rows[i].return_to), "access_denied"),
                            rows[i].bad);
    }
}

static void never_exchanges_without_a_good_state(void **state)
{
    (void)state;
    const char *own = session;
    const char *other = fixture_sign_up(&fixture, 2, NULL);
    const char *good = new_state("/app/settings");
    static const char *const bad[] = {"", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                      "../../../../../../../../../../../../../../.."};
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_string_equal(complete("code", bad[i], ""), FAILED);
    /* Another's session, none, a dead one. */
    assert_string_equal(complete_as(&fixture.arena, other, "code", good, ""), FAILED);
    assert_string_equal(complete_as(&fixture.arena, NULL, "code", good, ""), FAILED);
    assert_string_equal(complete_as(&fixture.arena, "rubbish", "code", good, ""), FAILED);
    /* Too old. */
    clock_set_offset_ms(10 * MINUTE_MS);
    assert_string_equal(complete("code", good, ""), FAILED);
    clock_set_offset_ms(0);
    /* An error with a bad state is a bad state. */
    assert_string_equal(complete("", "x", "access_denied"), FAILED);
    assert_int_equal(graph_asked(&graph, GRAPH_EXCHANGE), 0);

    good = new_state("");
    assert_string_equal(complete("code", good, ""), "/onboarding/launch");
    assert_int_equal(graph_asked(&graph, GRAPH_EXCHANGE), 1);
    /* Used. */
    assert_string_equal(complete("code", good, ""), FAILED);
    /* Denied uses it up too. */
    good = new_state("");
    assert_string_equal(complete("", good, "access_denied"), DENIED);
    assert_string_equal(complete("code", good, ""), FAILED);
    assert_int_equal(graph_asked(&graph, GRAPH_EXCHANGE), 1);
    assert_ptr_equal(own, session);
}

struct callback {
    struct arena arena;
    const char *token;
    const char *location;
};

static void call_back(void *arg)
{
    struct callback *callback = arg;
    arena_init(&callback->arena, ARENA_CALL_BYTES_MAX);
    callback->location = complete_as(&callback->arena, session, "code", callback->token, "");
}

static void exchanges_once_of_20_at_once(void **state)
{
    (void)state;
    struct callback callbacks[20];
    const char *token = new_state("");
    for (size_t i = 0; i < COUNT(callbacks); i++)
        callbacks[i].token = token;
    fixture_parallel(call_back, callbacks, sizeof callbacks[0], COUNT(callbacks));
    size_t good = 0;
    for (size_t i = 0; i < COUNT(callbacks); i++) {
        good += strcmp(callbacks[i].location, "/onboarding/launch") == 0;
        arena_fini(&callbacks[i].arena);
    }
    assert_int_equal(good, 1);
    assert_int_equal(graph_asked(&graph, GRAPH_EXCHANGE), 1);
}

static void tells_what_went_wrong_by_a_redirect(void **state)
{
    (void)state;
    static const char error[] = "{\"error\":{\"message\":\"Secret text of Meta's\",\"type\":"
                                "\"OAuthException\",\"code\":100}}";
    static const char dead[] = "{\"error\":{\"message\":\"Secret\",\"type\":\"OAuthException\","
                               "\"code\":190}}";
    static const char fewer[] = "{\"data\":{\"app_id\":\"4711\",\"is_valid\":true,\"scopes\":["
                                "\"ads_read\",\"pages_show_list\"]}}";
    static const char foreign[] = "{\"data\":{\"app_id\":\"4712\",\"is_valid\":true,\"scopes\":["
                                  "\"ads_read\"]}}";
    static const char invalid[] = "{\"data\":{\"app_id\":\"4711\",\"is_valid\":false}}";
    static const struct {
        enum graph_path path;
        int status;
        const char *body, *want;
    } rows[] = {
        {GRAPH_EXCHANGE, 400, error, FAILED},    {GRAPH_EXCHANGE, 200, "not JSON", FAILED},
        {GRAPH_EXCHANGE, 200, "{}", FAILED},     {GRAPH_EXTEND, 400, error, FAILED},
        {GRAPH_DEBUG, 400, error, FAILED},       {GRAPH_DEBUG, 200, fewer, DENIED},
        {GRAPH_DEBUG, 200, foreign, FAILED},     {GRAPH_DEBUG, 200, invalid, FAILED},
        {GRAPH_AD_ACCOUNTS, 400, error, FAILED}, {GRAPH_PAGES, 401, dead, FAILED},
        {GRAPH_BUSINESSES, 403, error, FAILED},  {GRAPH_ME, 400, error, FAILED},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *body = graph_body(&graph, rows[i].path);
        graph_answer(&graph, rows[i].path, rows[i].status, rows[i].body);
        assert_string_equal(complete("code", new_state(""), ""), rows[i].want);
        graph_answer(&graph, rows[i].path, 200, body);
        assert_null(connection());
    }
    assert_string_equal(complete("", new_state(""), ""), FAILED);
    assert_string_equal(complete("", new_state(""), "server_error"), FAILED);
    assert_string_equal(complete("code", new_state(""), "access_denied"), DENIED);
    assert_null(connection());
}

static void lists_and_selects(void **state)
{
    (void)state;
    const Lotcast__V1__GetMetaAccountsResponse *accounts;
    assert_string_equal(get_accounts(&accounts), "META_NOT_CONNECTED");
    assert_string_equal(select_accounts("act_3", "p1", "b1"), "META_NOT_CONNECTED");
    assert_string_equal(complete("code", new_state(""), ""), "/onboarding/launch");
    assert_string_equal(get_accounts(&accounts), "OK");
    assert_int_equal(accounts->n_ad_accounts, 4);
    static const bool usable[] = {false, false, true, true};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(accounts->ad_accounts[i]->usable, usable[i]);
    assert_string_equal(accounts->ad_accounts[1]->currency, "EUR");
    assert_string_equal(accounts->pages[1]->name, "Page 2");
    assert_string_equal(accounts->businesses[0]->name, "Acme Ads");
    assert_string_equal(accounts->selected->ad_account_id, "act_3");

    static const struct {
        const char *ad_account, *page, *business, *want;
    } rows[] = {
        {"", "", "", "INVALID_ARGUMENT adAccountId"},
        {"act_3", "", "b1", "INVALID_ARGUMENT pageId"},
        {"act_3", "p1", "", "INVALID_ARGUMENT businessId"},
        {"act_9", "p9", "b9", "INVALID_ARGUMENT adAccountId"},
        {"act_3", "p9", "b9", "INVALID_ARGUMENT pageId"},
        {"act_3", "p1", "b9", "INVALID_ARGUMENT businessId"},
        {"act_4", "p2", "b2", "OK"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(select_accounts(rows[i].ad_account, rows[i].page, rows[i].business),
                            rows[i].want);
    assert_string_equal(connection()->ad_account_id, "act_4");

    /* A launch that is under way keeps what it began with. */
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    job.job_id = 77;
    job.kind = LOTCAST__V1__JOB_KIND__JOB_KIND_LAUNCH;
    job.customer_id = CUSTOMER;
    job.state = LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE;
    fixture_put(&fixture, &job);
    assert_string_equal(select_accounts("act_3", "p1", "b1"), "CONFLICT");
    job.state = LOTCAST__V1__JOB_STATE__JOB_STATE_FAILED;
    fixture_put(&fixture, &job);
    assert_string_equal(select_accounts("act_3", "p1", "b1"), "OK");
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    campaign.customer_id = CUSTOMER;
    campaign.campaign_id = (char *)"c1";
    fixture_put(&fixture, &campaign);
    assert_string_equal(select_accounts("act_4", "p2", "b2"), "ALREADY_LAUNCHED");
    assert_string_equal(connection()->ad_account_id, "act_3");
}

static void keeps_the_selection_when_it_reconnects(void **state)
{
    (void)state;
    assert_string_equal(complete("code", new_state(""), ""), "/onboarding/launch");
    assert_string_equal(select_accounts("act_4", "p2", "b2"), "OK");
    assert_string_equal(complete("code", new_state(""), ""), "/onboarding/launch");
    assert_string_equal(connection()->ad_account_id, "act_4");
    assert_string_equal(connection()->page_id, "p2");
    assert_string_equal(connection()->business_id, "b2");
    /* What has gone is chosen anew, before launch. */
    graph_answer(&graph, GRAPH_PAGES, 200, "{\"data\":[]}");
    graph_answer(&graph, GRAPH_AD_ACCOUNTS, 200,
                 "{\"data\":[{\"id\":\"act_2\",\"name\":\"Euro\",\"currency\":\"EUR\","
                 "\"account_status\":1}]}");
    assert_string_equal(complete("code", new_state(""), ""), "/onboarding/launch");
    assert_string_equal(connection()->ad_account_id, "");
    assert_string_equal(connection()->page_id, "");
    assert_string_equal(connection()->business_id, "b2");
}

static void must_see_the_launched_account_to_reconnect(void **state)
{
    (void)state;
    assert_string_equal(complete("code", new_state(""), ""), "/onboarding/launch");
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    campaign.customer_id = CUSTOMER;
    campaign.ad_account_id = (char *)"act_3";
    fixture_put(&fixture, &campaign);
    Lotcast__V1__MetaConnectionRecord *before = connection();
    before->token_dead = true;
    before->ad_account_id = (char *)"act_4"; /* the campaign's counts */
    fixture_put(&fixture, before);
    graph_answer(&graph, GRAPH_AD_ACCOUNTS, 200,
                 "{\"data\":[{\"id\":\"act_4\",\"name\":\"Other\",\"currency\":\"USD\","
                 "\"account_status\":1}]}");
    assert_string_equal(complete("code", new_state("/app/settings"), ""),
                        "/app/settings?error=META_FAILED");
    assert_true(connection()->token_dead);
    assert_int_equal(connection()->n_ad_accounts, 4);
    /* Closed meanwhile, but seen. */
    graph_answer(&graph, GRAPH_AD_ACCOUNTS, 200,
                 "{\"data\":[{\"id\":\"act_3\",\"name\":\"Good\",\"currency\":\"USD\","
                 "\"account_status\":2}]}");
    assert_string_equal(complete("code", new_state("/app/settings"), ""), "/app/settings");
    assert_false(connection()->token_dead);
    assert_string_equal(connection()->ad_account_id, "act_3");
}

static void is_unavailable_without_an_app(void **state)
{
    (void)state;
    assert_string_equal(connect(""), "UNAVAILABLE");
    assert_string_equal(complete("code", "x", ""), FAILED);
}

static int set_up(void **state)
{
    (void)state;
    clock_set_offset_ms(0);
    graph_start(&graph);
    fixture_start(&fixture, &(struct fixture_options){.graph_url = graph.url});
    session = fixture_sign_up(&fixture, 1, NULL);
    return 0;
}

static int set_up_without_app(void **state)
{
    (void)state;
    graph_start(&graph);
    fixture_start(&fixture, &(struct fixture_options){0});
    session = fixture_sign_up(&fixture, 1, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    graph_stop(&graph);
    clock_set_offset_ms(0);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connects),
        TEST(comes_back_to_the_apps_paths_alone),
        TEST(never_exchanges_without_a_good_state),
        TEST(exchanges_once_of_20_at_once),
        TEST(tells_what_went_wrong_by_a_redirect),
        TEST(lists_and_selects),
        TEST(keeps_the_selection_when_it_reconnects),
        TEST(must_see_the_launched_account_to_reconnect),
        cmocka_unit_test_setup_teardown(is_unavailable_without_an_app, set_up_without_app,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("meta_auth", tests, NULL, NULL);
}
