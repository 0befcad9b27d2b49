/* Stripe's events: each payment is credited once, in any order, however often they come. */
#include "test/unit/services/till.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/campaign.h"
#include "rpc/services/credits.h"
#include "rpc/services/model/purchase.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define EVENT_RECORD (&lotcast__v1__stripe_event_record__descriptor)
#define WELCOME_CENTI (TILL_SIGNUP_CREDITS * 100)
#define BOUGHT_CENTI 1000000
/* Events of one payment in a test of orders, and copies of each. */
#define EVENTS 4
#define COPIES 3

/* A purchase of 500 USD that is not paid yet: the Nth of the test. */
static void begin_purchase(struct till *till)
{
    const char *url;
    struct rpc_status status;
    assert_int_equal(till_purchase(till, &till->fixture.arena, "pkg_500", NULL, &url, &status),
                     RPC_OK);
}

static const char *paid(struct till *till, int64_t purchase_id)
{
    return till_session_event(till, "completed", purchase_id, "paid", 50000);
}

static void expect_state(struct till *till, int64_t purchase_id, const char *state,
                         int64_t balance_centi)
{
    assert_string_equal(purchase_state_name(till_record(till, purchase_id)->state), state);
    assert_int_equal(till_balance_centi(till), balance_centi);
    till_check_books(till);
}

/* --- who is believed --- */

static void believes_signed_events_alone(void **state)
{
    struct till *till = *state;
    struct rpc_status status;
    begin_purchase(till);
    const char *body = paid(till, 1);
    static const int64_t shifts[] = {-302, 302, -86400, 1000000};
    for (size_t i = 0; i < COUNT(shifts); i++) {
        assert_int_equal(till_deliver(till, body, shifts[i], &status), RPC_INVALID_ARGUMENT);
        assert_string_equal(rpc_reason_get(status.reason)->name, "INVALID_SIGNATURE");
    }
    expect_state(till, 1, "pending", WELCOME_CENTI);
    assert_int_equal(till_deliver(till, body, -298, &status), RPC_OK);
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI);
}

static void ignores_what_is_not_ours(void **state)
{
    struct till *till = *state;
    begin_purchase(till);
    const char *event = paid(till, 1);
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"\"amount_total\":50000", "\"amount_total\":49999"},
        {"\"amount_total\":50000", "\"amount_total\":500000"},
        {"\"amount_total\":50000", "\"amount_total\":null"},
        {"\"currency\":\"usd\"", "\"currency\":\"eur\""},
        {"\"mode\":\"payment\"", "\"mode\":\"subscription\""},
        {"\"livemode\":false,\"data\"", "\"livemode\":true,\"data\""},
        {"\"livemode\":false,\"metadata\"", "\"livemode\":true,\"metadata\""},
        {"cs_test_1", "cs_test_7"}, /* ours by its number, but another session */
        {"\"type\":\"checkout.session.completed\"", "\"type\":\"payment_intent.succeeded\""},
        {"\"type\":\"checkout.session.completed\"", "\"type\":\"\""},
        {"\"object\":{", "\"subject\":{"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *at = strstr(event, rows[i].from);
        assert_non_null(at);
        till_deliver_ok(till, arena_printf(&till->fixture.arena, "%.*s%s%s", (int)(at - event),
                                           event, rows[i].to, at + strlen(rows[i].from)));
    }
    till_deliver_ok(till, "{\"id\":\"evt_1\",\"object\":\"event\"}");
    till_deliver_ok(till, till_session_event(till, "completed", 99, "paid", 50000));
    expect_state(till, 1, "pending", WELCOME_CENTI);
    struct rpc_status status;
    assert_int_equal(till_deliver(till, "no JSON", 0, &status), RPC_INVALID_ARGUMENT);
    assert_string_equal(rpc_reason_get(status.reason)->name, "INVALID_JSON");
}

/* --- payments --- */

static void waits_for_a_payment_by_bank(void **state)
{
    struct till *till = *state;
    begin_purchase(till);
    begin_purchase(till);
    till_deliver_ok(till, till_session_event(till, "completed", 1, "unpaid", 50000));
    till_deliver_ok(till, till_session_event(till, "completed", 2, "unpaid", 50000));
    expect_state(till, 1, "pending", WELCOME_CENTI);
    till_deliver_ok(till, till_session_event(till, "async_payment_succeeded", 1, "paid", 50000));
    till_deliver_ok(till, till_session_event(till, "async_payment_failed", 2, "unpaid", 50000));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI);
    expect_state(till, 2, "failed", WELCOME_CENTI + BOUGHT_CENTI);
    /* What came late changes nothing; money that came after all counts. */
    till_deliver_ok(till, till_session_event(till, "expired", 1, "unpaid", 50000));
    till_deliver_ok(till, till_session_event(till, "completed", 2, "unpaid", 50000));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI);
    expect_state(till, 2, "failed", WELCOME_CENTI + BOUGHT_CENTI);
    till_deliver_ok(till, till_session_event(till, "async_payment_succeeded", 2, "paid", 50000));
    expect_state(till, 2, "completed", WELCOME_CENTI + 2 * BOUGHT_CENTI);
}

static void finds_a_session_that_was_never_stored(void **state)
{
    struct till *till = *state;
    begin_purchase(till);
    /* As if we had died between Stripe's answer and our commit. */
    Lotcast__V1__PurchaseRecord purchase = *till_record(till, 1);
    purchase.session_id = (char *)"";
    purchase.checkout_url = (char *)"";
    fixture_put(&till->fixture, &purchase);
    till_deliver_ok(till, paid(till, 1)); /* does not know our reference */
    expect_state(till, 1, "pending", WELCOME_CENTI);
    const char *event = paid(till, 1);
    const char *at = strstr(event, "\"mode\":");
    till_deliver_ok(till,
                    arena_printf(&till->fixture.arena, "%.*s\"client_reference_id\":\"%s\",%s",
                                 (int)(at - event), event, purchase.request_key, at));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI);
    assert_string_equal(till_record(till, 1)->session_id, "cs_test_1");
}

/* --- refunds and disputes --- */

static void takes_refunds_back(void **state)
{
    struct till *till = *state;
    begin_purchase(till);
    till_deliver_ok(till, paid(till, 1));
    till_deliver_ok(till, till_refund_event(till, 1, 50000, 1));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI - 20);
    till_deliver_ok(till, till_refund_event(till, 1, 50000, 20000));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI - 400000);
    /* Cumulative: an older one is nothing new. Another amount or currency is not this payment. */
    till_deliver_ok(till, till_refund_event(till, 1, 50000, 10000));
    till_deliver_ok(till, till_refund_event(till, 1, 60000, 60000));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI - 400000);
    till_deliver_ok(till, till_refund_event(till, 1, 50000, 50000));
    expect_state(till, 1, "refunded", WELCOME_CENTI);
    till_deliver_ok(till, paid(till, 1));
    expect_state(till, 1, "refunded", WELCOME_CENTI);
}

static void goes_below_zero_if_need_be(void **state)
{
    struct till *till = *state;
    struct store_commit commit;
    struct rpc_status status;
    begin_purchase(till);
    till_deliver_ok(till, paid(till, 1));
    const struct ledger_posting burn = {LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_BURN,
                                        -(WELCOME_CENTI + BOUGHT_CENTI - 7), "payments", "burn", 1};
    store_commit_init(&commit, till->fixture.store_client, &till->fixture.context);
    assert_int_equal(ledger_append(till->fixture.services, &till->fixture.context, &commit,
                                   till->customer_id, &burn, 1, NULL, &status),
                     RPC_OK);
    assert_int_equal(store_commit_send(&commit, &till->fixture.context, NULL, &status), RPC_OK);
    till_deliver_ok(till, till_refund_event(till, 1, 50000, 50000));
    expect_state(till, 1, "refunded", 7 - BOUGHT_CENTI);
}

static void keeps_events_of_a_payment_to_come(void **state)
{
    struct till *till = *state;
    begin_purchase(till);
    for (int i = 1; i <= 20; i++) /* more than one commit takes */
        till_deliver_ok(till, till_refund_event(till, 1, 50000, 100 * i));
    till_deliver_ok(till, till_dispute_event(till, "created", 1, 50000, "needs_response"));
    till_deliver_ok(till, till_refund_event(till, 99, 50000, 50000)); /* never ours */
    assert_int_equal(fixture_count(&till->fixture, EVENT_RECORD), 22);
    expect_state(till, 1, "pending", WELCOME_CENTI);
    till_deliver_ok(till, paid(till, 1));
    assert_int_equal(fixture_count(&till->fixture, EVENT_RECORD), 1);
    expect_state(till, 1, "completed", WELCOME_CENTI);
    till_deliver_ok(till, till_dispute_event(till, "closed", 1, 50000, "won"));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI - 40000);
}

static void learns_the_payment_late(void **state)
{
    struct till *till = *state;
    begin_purchase(till);
    const char *event = paid(till, 1);
    const char *at = strstr(event, "\"pi_1\"");
    till_deliver_ok(till, till_refund_event(till, 1, 50000, 10000));
    till_deliver_ok(till, arena_printf(&till->fixture.arena, "%.*snull%s", (int)(at - event), event,
                                       at + strlen("\"pi_1\"")));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI);
    till_deliver_ok(till, event);
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI - 200000);
    till_deliver_ok(till, till_refund_event(till, 1, 50000, 50000));
    expect_state(till, 1, "refunded", WELCOME_CENTI);
}

static void forgets_what_nobody_claims(void **state)
{
    struct till *till = *state;
    Lotcast__V1__StripeEventRecord record = LOTCAST__V1__STRIPE_EVENT_RECORD__INIT;
    record.payment_intent = (char *)"pi_old";
    record.event_id = (char *)"evt_old";
    record.expires_at_ms = clock_now_ms() - 1;
    fixture_put(&till->fixture, &record);
    till_deliver_ok(till, till_refund_event(till, 99, 50000, 50000));
    assert_int_equal(fixture_count(&till->fixture, EVENT_RECORD), 1);
    /* An event that names no payment, or one that cannot be a key, is nobody's. */
    const char *event = till_refund_event(till, 98, 50000, 50000);
    const char *at = strstr(event, "pi_98");
    till_deliver_ok(till, arena_printf(&till->fixture.arena, "%.*s%s", (int)(at - event), event,
                                       at + strlen("pi_98")));
    char long_id[301];
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    till_deliver_ok(till, arena_printf(&till->fixture.arena, "%.*s%s%s", (int)(at - event), event,
                                       long_id, at + strlen("pi_98")));
    assert_int_equal(fixture_count(&till->fixture, EVENT_RECORD), 1);
}

static void a_refund_before_its_payment_nets_to_nothing(void **state)
{
    struct till *till = *state;
    begin_purchase(till);
    till_deliver_ok(till, till_refund_event(till, 1, 50000, 50000));
    till_deliver_ok(till, paid(till, 1));
    expect_state(till, 1, "refunded", WELCOME_CENTI);
    assert_int_equal(fixture_count(&till->fixture, EVENT_RECORD), 0);
}

static void settles_disputes(void **state)
{
    struct till *till = *state;
    begin_purchase(till);
    till_deliver_ok(till, paid(till, 1));
    static const char *const inquiries[] = {"warning_needs_response", "warning_under_review"};
    for (size_t i = 0; i < COUNT(inquiries); i++)
        till_deliver_ok(till, till_dispute_event(till, "created", 1, 50000, inquiries[i]));
    till_deliver_ok(till, till_dispute_event(till, "closed", 1, 50000, "warning_closed"));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI);
    till_deliver_ok(till, till_dispute_event(till, "created", 1, 25000, "needs_response"));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI / 2);
    till_deliver_ok(till, till_dispute_event(till, "created", 1, 25000, "under_review"));
    till_deliver_ok(till, till_dispute_event(till, "closed", 1, 25000, "won"));
    till_deliver_ok(till, till_dispute_event(till, "closed", 1, 25000, "won"));
    till_deliver_ok(till, till_dispute_event(till, "closed", 1, 25000, "lost"));
    till_deliver_ok(till, till_dispute_event(till, "created", 1, 25000, "needs_response"));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI);
    /* Another one is lost, and only its end is heard of. */
    begin_purchase(till);
    till_deliver_ok(till, paid(till, 2));
    till_deliver_ok(till, till_dispute_event(till, "closed", 2, 50000, "lost"));
    till_deliver_ok(till, till_dispute_event(till, "created", 2, 50000, "needs_response"));
    expect_state(till, 2, "completed", WELCOME_CENTI + BOUGHT_CENTI);
}

/* --- orders --- */

struct delivery {
    struct till *till;
    const char *body;
    enum rpc_code code;
    struct rpc_status status;
};

static void deliver(void *arg)
{
    struct delivery *delivery = arg;
    delivery->code = till_deliver(delivery->till, delivery->body, 0, &delivery->status);
}

/* The events of one payment; its end is the same in any order. */
static void make_events(struct till *till, int64_t purchase_id, const char *bodies[EVENTS])
{
    bodies[0] = paid(till, purchase_id);
    bodies[1] = till_refund_event(till, purchase_id, 50000, 10000);
    bodies[2] = till_dispute_event(till, "created", purchase_id, 20000, "needs_response");
    bodies[3] = till_dispute_event(till, "closed", purchase_id, 20000, "won");
}

#define END_CENTI (BOUGHT_CENTI - 200000)

static void every_order_ends_the_same(void **state)
{
    struct till *till = *state;
    int64_t want = WELCOME_CENTI;
    int64_t number = 0;
    for (int order = 0; order < EVENTS * EVENTS * EVENTS * EVENTS; order++) {
        const char *bodies[EVENTS];
        int at[EVENTS] = {order % 4, order / 4 % 4, order / 16 % 4, order / 64};
        if (at[0] == at[1] || at[0] == at[2] || at[0] == at[3] || at[1] == at[2] ||
            at[1] == at[3] || at[2] == at[3])
            continue;
        begin_purchase(till);
        make_events(till, ++number, bodies);
        /* Each twice in a row, and all once more in the end. */
        for (int i = 0; i < 3 * EVENTS; i++)
            till_deliver_ok(till, bodies[at[i < 2 * EVENTS ? i / 2 : i - 2 * EVENTS]]);
        want += END_CENTI;
        expect_state(till, number, "completed", want);
    }
    assert_int_equal(number, 24);
    assert_int_equal(fixture_count(&till->fixture, EVENT_RECORD), 0);
}

static void all_at_once_end_the_same(void **state)
{
    struct till *till = *state;
    for (int64_t run = 1; run <= 12; run++) {
        const char *bodies[EVENTS];
        struct delivery deliveries[EVENTS * COPIES] = {{0}};
        begin_purchase(till);
        make_events(till, run, bodies);
        for (size_t i = 0; i < COUNT(deliveries); i++)
            deliveries[i] = (struct delivery){.till = till, .body = bodies[i % EVENTS]};
        fixture_parallel(deliver, deliveries, sizeof deliveries[0], COUNT(deliveries));
        for (size_t i = 0; i < COUNT(deliveries); i++) {
            /* A race too many is sent again, as Stripe would. */
            while (deliveries[i].code == RPC_ABORTED)
                deliver(&deliveries[i]);
            if (deliveries[i].code != RPC_OK)
                fail_msg("%s: %s", deliveries[i].body, deliveries[i].status.message);
        }
        expect_state(till, run, "completed", WELCOME_CENTI + run * END_CENTI);
        assert_int_equal(fixture_count(&till->fixture, EVENT_RECORD), 0);
    }
}

/* It is Stripe's to send it again. */
static void says_when_others_are_always_first(void **state)
{
    struct till *till = *state;
    struct rpc_status status;
    begin_purchase(till);
    lost_race_begin(till->fixture.registry, &lotcast__v1__purchase_record__descriptor);
    assert_int_equal(till_deliver(till, paid(till, 1), 0, &status), RPC_ABORTED);
    assert_true(lost_race_end() >= SERVICES_COMMIT_TRIES);
    assert_string_equal(rpc_reason_get(status.reason)->name, "CONFLICT");
    expect_state(till, 1, "pending", WELCOME_CENTI);
    till_deliver_ok(till, paid(till, 1));
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI);
}

/* --- the campaign --- */

static void put_campaign(struct till *till)
{
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    campaign.customer_id = till->customer_id;
    campaign.currency = (char *)"USD";
    campaign.campaign_id = (char *)"c1";
    campaign.state = LOTCAST__V1__CAMPAIGN_STATE__CAMPAIGN_STATE_ACTIVE;
    fixture_put(&till->fixture, &campaign);
}

static void expect_pauses(struct till *till, unsigned want)
{
    const Lotcast__V1__CampaignRecord *campaign =
        fixture_get(&till->fixture, &lotcast__v1__campaign_record__descriptor, till->customer_id);
    assert_int_equal(campaign_pauses(campaign), want);
}

static int64_t campaign_jobs(struct till *till)
{
    struct rpc_status status;
    struct store_read_op op = {
        .record = &lotcast__v1__job_record__descriptor,
        .index = "by_customer",
        .key = store_key(store_number(till->customer_id),
                         store_number(LOTCAST__V1__JOB_KIND__JOB_KIND_CAMPAIGN_STATE)),
        .is_range = true,
        .count_only = true};
    assert_int_equal(
        store_read(till->fixture.store_client, &till->fixture.context, &op, 1, &status), RPC_OK);
    return op.ret_count;
}

static void spend(struct till *till, const char *reference, int64_t centi)
{
    struct store_commit commit;
    struct rpc_status status;
    const struct ledger_posting posting = {LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_ADJUSTMENT, -centi,
                                           "grants", reference, 1};
    const struct credits_change change = {&posting, 1, CREDITS_DISPUTE_AS_IT_IS};
    store_commit_init(&commit, till->fixture.store_client, &till->fixture.context);
    assert_int_equal(credits_append(till->fixture.services, &till->fixture.context, &commit,
                                    till->customer_id, &change, NULL, &status),
                     RPC_OK);
    assert_int_equal(credits_send(till->fixture.services, &till->fixture.context, &commit, &status),
                     RPC_OK);
}

static void pauses_without_credits_and_resumes_with_them(void **state)
{
    struct till *till = *state;
    put_campaign(till);
    begin_purchase(till);
    spend(till, "a", WELCOME_CENTI - 1);
    expect_pauses(till, 0);
    assert_int_equal(campaign_jobs(till), 0);
    spend(till, "b", 1);
    expect_pauses(till, CAMPAIGN_PAUSE_CREDITS);
    assert_int_equal(campaign_jobs(till), 1);
    spend(till, "c", 100);
    expect_pauses(till, CAMPAIGN_PAUSE_CREDITS);
    till_deliver_ok(till, paid(till, 1));
    expect_pauses(till, 0);
    till_deliver_ok(till, till_refund_event(till, 1, 50000, 50000));
    expect_pauses(till, CAMPAIGN_PAUSE_CREDITS);
    assert_int_equal(campaign_jobs(till), 1);
}

static void a_dispute_pauses_until_it_is_won(void **state)
{
    struct till *till = *state;
    put_campaign(till);
    begin_purchase(till);
    begin_purchase(till);
    begin_purchase(till);
    till_deliver_ok(till, paid(till, 1));
    till_deliver_ok(till, till_dispute_event(till, "created", 1, 50000, "warning_under_review"));
    expect_pauses(till, 0);
    till_deliver_ok(till, till_dispute_event(till, "created", 1, 50000, "needs_response"));
    expect_pauses(till, CAMPAIGN_PAUSE_DISPUTE);
    /* New credits don't help. */
    till_deliver_ok(till, paid(till, 2));
    expect_pauses(till, CAMPAIGN_PAUSE_DISPUTE);
    /* Two of them: both have to be won. */
    till_deliver_ok(till, till_dispute_event(till, "created", 2, 50000, "needs_response"));
    till_deliver_ok(till, till_dispute_event(till, "closed", 1, 50000, "won"));
    expect_pauses(till, CAMPAIGN_PAUSE_DISPUTE);
    till_deliver_ok(till, till_dispute_event(till, "closed", 2, 50000, "won"));
    expect_pauses(till, 0);
    till_deliver_ok(till, paid(till, 3));
    till_deliver_ok(till, till_dispute_event(till, "created", 3, 50000, "needs_response"));
    expect_pauses(till, CAMPAIGN_PAUSE_DISPUTE);
    /* An admin has resumed; that it is lost in the end is nothing new. */
    put_campaign(till);
    till_deliver_ok(till, till_dispute_event(till, "closed", 3, 50000, "lost"));
    expect_pauses(till, 0);
    expect_state(till, 3, "completed", WELCOME_CENTI + 2 * BOUGHT_CENTI);
}

/* What was kept of two disputes comes into one commit, in the order of the events' ids. */
static void an_open_dispute_pauses_beside_one_that_is_won(void **state)
{
    struct till *till = *state;
    put_campaign(till);
    begin_purchase(till);
    till_deliver_ok(till, till_dispute_event(till, "created", 1, 20000, "needs_response"));
    const char *won = till_dispute_event(till, "closed", 1, 10000, "won");
    const char *at = strstr(won, "dp_1");
    till_deliver_ok(till, arena_printf(&till->fixture.arena, "%.*sdp_2%s", (int)(at - won), won,
                                       at + strlen("dp_1")));
    till_deliver_ok(till, paid(till, 1));
    expect_pauses(till, CAMPAIGN_PAUSE_DISPUTE);
    expect_state(till, 1, "completed", WELCOME_CENTI + BOUGHT_CENTI - 400000);
}

/* Two disputes of two purchases, won at the same moment. */
static void disputes_that_are_won_at_once_resume(void **state)
{
    struct till *till = *state;
    put_campaign(till);
    for (int64_t run = 0; run < 10; run++) {
        struct delivery deliveries[4] = {{0}};
        for (int64_t i = 1; i <= 4; i++) {
            int64_t number = run * 4 + i;
            begin_purchase(till);
            till_deliver_ok(till, paid(till, number));
            till_deliver_ok(till,
                            till_dispute_event(till, "created", number, 50000, "needs_response"));
            deliveries[i - 1] = (struct delivery){
                .till = till, .body = till_dispute_event(till, "closed", number, 50000, "won")};
        }
        expect_pauses(till, CAMPAIGN_PAUSE_DISPUTE);
        fixture_parallel(deliver, deliveries, sizeof deliveries[0], COUNT(deliveries));
        for (size_t i = 0; i < COUNT(deliveries); i++)
            assert_int_equal(deliveries[i].code, RPC_OK);
        expect_pauses(till, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, till_setup, till_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(believes_signed_events_alone),
        TEST(ignores_what_is_not_ours),
        TEST(waits_for_a_payment_by_bank),
        TEST(finds_a_session_that_was_never_stored),
        TEST(takes_refunds_back),
        TEST(goes_below_zero_if_need_be),
        TEST(keeps_events_of_a_payment_to_come),
        TEST(learns_the_payment_late),
        TEST(forgets_what_nobody_claims),
        TEST(a_refund_before_its_payment_nets_to_nothing),
        TEST(settles_disputes),
        TEST(every_order_ends_the_same),
        TEST(all_at_once_end_the_same),
        TEST(says_when_others_are_always_first),
        TEST(pauses_without_credits_and_resumes_with_them),
        TEST(a_dispute_pauses_until_it_is_won),
        TEST(an_open_dispute_pauses_beside_one_that_is_won),
        TEST(disputes_that_are_won_at_once_resume),
    };
    return cmocka_run_group_tests_name("payment", tests, NULL, NULL);
}
