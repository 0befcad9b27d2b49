/*
 * Stripe's events taken by a process that is killed, at each commit in turn, before it and after.
 * Stripe sends again what was not acknowledged; in the end each has had its effect once. The
 * program is both the test and that process, whose store is the test's, over a socket.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "rpc/services/campaign.h"
#include "rpc/services/model/purchase.h"
#include "rpc/services/payment.h"
#include "test/unit/services/jobs_fixture.h"

#define CUSTOMER 7
#define PURCHASE 1
#define BOUGHT_CENTI 1000000
/* Commits of one event at most: keep, sweep, settle, a job's number. */
#define COMMITS_MAX 12

static char program[4096];

static const char *const events[] = {
    /* kept, for the payment is not known yet */
    "{\"id\":\"evt_1\",\"type\":\"charge.refunded\",\"data\":{\"object\":{\"id\":\"ch_1\","
    "\"amount\":50000,\"amount_refunded\":10000,\"currency\":\"usd\",\"payment_intent\":\"pi_1\"}}"
    "}",
    "{\"id\":\"evt_2\",\"type\":\"checkout.session.completed\",\"data\":{\"object\":{"
    "\"id\":\"cs_1\",\"mode\":\"payment\",\"payment_status\":\"paid\",\"amount_total\":50000,"
    "\"currency\":\"usd\",\"payment_intent\":\"pi_1\"}}}",
    "{\"id\":\"evt_3\",\"type\":\"charge.dispute.created\",\"data\":{\"object\":{\"id\":\"dp_1\","
    "\"amount\":50000,\"currency\":\"usd\",\"status\":\"needs_response\","
    "\"payment_intent\":\"pi_1\"}}}",
    "{\"id\":\"evt_4\",\"type\":\"charge.dispute.closed\",\"data\":{\"object\":{\"id\":\"dp_1\","
    "\"amount\":50000,\"currency\":\"usd\",\"status\":\"won\",\"payment_intent\":\"pi_1\"}}}",
};
#define EVENTS (sizeof events / sizeof events[0])

/* What the webhook's handler does once it believes an event. */
static enum rpc_code take(struct services *services, const char *body)
{
    struct test_context test;
    struct stripe_event event;
    struct rpc_status status;
    context_begin(&test);
    assert_true(stripe_event_parse(span_of_string(body), &test.arena, &event));
    bool session = event.kind == STRIPE_EVENT_SESSION_COMPLETED;
    enum rpc_code code =
        session
            ? payment_fulfil(services, &test.context, &event.session, PAYMENT_PAID, &status)
            : payment_charge_event(services, &test.context, &event, span_of_string(body), &status);
    context_end(&test);
    return code;
}

/* --- the process --- */

/* Counts the commits and kills the process at one of them. */
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
    if (is_commit(request->method) && atomic_fetch_add(&killer->commits, 1) + 1 == killer->at &&
        killer->before)
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

/* child STORE_URL EVENT AT before|after */
static int child_main(char **argv)
{
    static struct killer killer;
    static struct fixture fixture;
    killer.at = (int)strtol(argv[3], NULL, 10);
    killer.before = strcmp(argv[4], "before") == 0;
    const struct rpc_client_interceptor interceptor = {killer_start, killer_end, &killer};
    const struct rpc_channel_options options = {
        .url = argv[1], .interceptors = &interceptor, .interceptor_count = 1};
    struct rpc_status status;
    fixture.registry = make_registry();
    if (rpc_channel_open(&options, &fixture.channel, &status) != RPC_OK)
        return 1;
    fixture.client = store_client_create(fixture.channel, fixture.registry);
    struct services *services = logic_create(&fixture);
    int code = take(services, events[strtol(argv[2], NULL, 10)]) == RPC_OK ? 0 : 2;
    services_destroy(services);
    store_client_destroy(fixture.client);
    rpc_channel_close(fixture.channel);
    registry_destroy(fixture.registry);
    return code;
}

/* Whether it lived: the event was over before its at-th commit. */
static bool child_lives(const char *url, size_t event, int at, bool before)
{
    struct process process;
    char index[24], number[24];
    (void)snprintf(index, sizeof index, "%zu", event);
    (void)snprintf(number, sizeof number, "%d", at);
    char *const argv[] = {program, (char *)"child", (char *)url,
                          index,   number,          (char *)(before ? "before" : "after"),
                          NULL};
    process_start(&process, argv, NULL, "/dev/null");
    int code = process_wait(&process, PATIENCE_MS);
    if (code != 0 && code != -SIGKILL)
        fail_msg("the process ended with %d", code);
    return code == 0;
}

/* --- the test --- */

static void begin(struct fixture *fixture)
{
    Lotcast__V1__PurchaseRecord purchase = LOTCAST__V1__PURCHASE_RECORD__INIT;
    purchase.purchase_id = PURCHASE;
    purchase.customer_id = CUSTOMER;
    purchase.amount_minor = 50000;
    purchase.currency = (char *)"USD";
    purchase.credits = BOUGHT_CENTI / 100;
    purchase.state = LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_PENDING;
    purchase.session_id = (char *)"cs_1";
    (void)put_record(fixture, &purchase);
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    campaign.customer_id = CUSTOMER;
    campaign.campaign_id = (char *)"c1";
    campaign.state = LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE;
    (void)put_record(fixture, &campaign);
}

static void expect_end(struct fixture *fixture)
{
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    struct store_key key = store_key(store_number(CUSTOMER));
    struct store_read_op ops[] = {
        {.record = &lotcast__v1__ledger_balance_record__descriptor, .key = key},
        {.record = &lotcast__v1__campaign_record__descriptor, .key = key},
        {.record = &lotcast__v1__purchase_record__descriptor,
         .key = store_key(store_number(PURCHASE))},
        {.record = &lotcast__v1__stripe_event_record__descriptor,
         .is_range = true,
         .count_only = true},
        {.record = &lotcast__v1__ledger_entry_record__descriptor,
         .key = store_key(store_text("customer"), store_number(CUSTOMER)),
         .is_range = true},
        {.counter = "ledger:payments"},
    };
    expect_ok(store_read(fixture->client, &test.context, ops, 6, &status), &status);
    const Lotcast__V1__LedgerBalanceRecord *balance = services__row(&ops[0]);
    const Lotcast__V1__PurchaseRecord *purchase = services__row(&ops[2]);
    int64_t sum = 0;
    for (size_t i = 0; i < ops[4].ret_row_count; i++)
        sum += ((const Lotcast__V1__LedgerEntryRecord *)ops[4].ret_rows[i])->amount_centi;
    assert_int_equal(balance->balance_centi, BOUGHT_CENTI - 200000);
    assert_int_equal(sum, balance->balance_centi);
    assert_int_equal(ops[5].ret_count, -sum);
    assert_int_equal(ops[4].ret_row_count, 4); /* purchase, refund, dispute, won */
    assert_int_equal(purchase->granted_centi, sum);
    assert_string_equal(purchase_state_name(purchase->state), "completed");
    assert_int_equal(campaign_pauses(services__row(&ops[1])), 0);
    assert_int_equal(ops[3].ret_count, 0);
    context_end(&test);
}

/* One process is killed over one event. Whether it was. */
static bool kill_once(size_t victim, int at, bool before)
{
    void *state;
    char url[128];
    struct rpc_status status;
    assert_int_equal(set_up(&state), 0);
    struct fixture *fixture = state;
    (void)snprintf(url, sizeof url, "req+ipc://%s/s.sock", fixture->directory);
    expect_ok(rpc_server_listen(fixture->server, url, RPC_TRUST_ROLE, &status), &status);
    struct services *services = logic_create(fixture);
    begin(fixture);
    bool killed = false;
    for (size_t i = 0; i < EVENTS; i++) {
        if (i == victim)
            killed = !child_lives(url, i, at, before);
        /* Also what was acknowledged comes again. */
        assert_int_equal(take(services, events[i]), RPC_OK);
    }
    expect_end(fixture);
    services_destroy(services);
    assert_int_equal(tear_down(&state), 0);
    return killed;
}

static void each_event_survives_a_kill_at_each_commit(void **state)
{
    (void)state;
    for (size_t victim = 0; victim < EVENTS; victim++) {
        for (int moment = 0; moment < 2; moment++) {
            int at = 1;
            while (kill_once(victim, at, moment == 0))
                assert_true(++at < COMMITS_MAX);
            assert_true(at > 1); /* there was something to kill */
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "child") == 0)
        return child_main(argv + 1);
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    if (len <= 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_survives_a_kill_at_each_commit),
    };
    return cmocka_run_group_tests_name("payment_kill", tests, NULL, NULL);
}
