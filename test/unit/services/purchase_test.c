/* What is known of a payment: shares, and that no order of the facts and no copy of one changes the
 * end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rpc/services/model/purchase.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define OPEN LOTCAST__V1__DISPUTE_STATE__DISPUTE_STATE_OPEN
#define WON LOTCAST__V1__DISPUTE_STATE__DISPUTE_STATE_WON
#define LOST LOTCAST__V1__DISPUTE_STATE__DISPUTE_STATE_LOST

static Lotcast__V1__PurchaseRecord purchase_of(int64_t amount_minor, int64_t credits)
{
    Lotcast__V1__PurchaseRecord purchase = LOTCAST__V1__PURCHASE_RECORD__INIT;
    purchase.amount_minor = amount_minor;
    purchase.credits = credits;
    purchase.state = LOTCAST__V1__PURCHASE_STATE__PURCHASE_STATE_PENDING;
    return purchase;
}

static void sells_three_packages(void **state)
{
    (void)state;
    static const struct {
        int64_t rate;
        const char *id;
        int64_t amount_minor, credits, bonus;
    } rows[] = {{20, "pkg_100", 10000, 2000, 0},
                {20, "pkg_500", 50000, 10000, 0},
                {20, "pkg_1000", 100000, 20000, 2000},
                {25, "pkg_1000", 100000, 25000, 2500}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct purchase_package packages[PURCHASE_PACKAGES];
        const struct purchase_package *package = &packages[i < 3 ? i : 2];
        purchase_packages(rows[i].rate, packages);
        assert_string_equal(package->id, rows[i].id);
        assert_string_equal(package->currency, "USD");
        assert_int_equal(package->amount_minor, rows[i].amount_minor);
        assert_int_equal(package->credits, rows[i].credits);
        assert_int_equal(package->bonus_credits, rows[i].bonus);
    }
}

static void takes_shares_half_up(void **state)
{
    (void)state;
    static const struct {
        int64_t amount_minor, credits, refunded_minor, grant_centi;
    } rows[] = {
        {50000, 10000, 0, 1000000},
        {50000, 10000, 50000, 0},
        {50000, 10000, 12500, 750000},
        {50000, 10000, 1, 999980},
        {100000, 22000, 1, 2199978},
        {3, 1, 1, 67},            /* 33.3 taken */
        {200, 1, 1, 99},          /* 0.5 taken: 1 */
        {50000, 10000, 60000, 0}, /* more than there was is all of it */
        {50000, 10000, -5, 1000000},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        Lotcast__V1__PurchaseRecord purchase = purchase_of(rows[i].amount_minor, rows[i].credits);
        assert_int_equal(purchase_grant_centi(&purchase), 0);
        assert_true(purchase_take_payment(&purchase, 1));
        (void)purchase_take_refund(&purchase, rows[i].refunded_minor);
        if (purchase_grant_centi(&purchase) != rows[i].grant_centi)
            fail_msg("row %zu: %lld", i, (long long)purchase_grant_centi(&purchase));
    }
}

static void facts_only_grow(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    Lotcast__V1__PurchaseRecord purchase = purchase_of(1000, 200);
    assert_true(purchase_take_payment(&purchase, 5));
    assert_false(purchase_take_payment(&purchase, 6));
    assert_int_equal(purchase.completed_at_ms, 5);
    assert_true(purchase_take_refund(&purchase, 300));
    assert_false(purchase_take_refund(&purchase, 300));
    assert_false(purchase_take_refund(&purchase, 200));
    assert_string_equal(purchase_state_name(purchase.state), "completed");
    assert_true(purchase_take_dispute(&purchase, &arena, "dp_1", 500, WON));
    assert_false(purchase_take_dispute(&purchase, &arena, "dp_1", 500, OPEN));
    assert_false(purchase_take_dispute(&purchase, &arena, "dp_1", 500, LOST));
    assert_false(purchase_is_disputed(&purchase));
    assert_true(purchase_take_dispute(&purchase, &arena, "dp_2", 500, OPEN));
    assert_true(purchase_is_disputed(&purchase));
    assert_int_equal(purchase_grant_centi(&purchase), 20000 - 6000 - 10000);
    assert_true(purchase_take_dispute(&purchase, &arena, "dp_2", 500, LOST));
    assert_true(purchase_is_disputed(&purchase));
    assert_true(purchase_take_refund(&purchase, 1000));
    assert_string_equal(purchase_state_name(purchase.state), "refunded");
    assert_int_equal(purchase_grant_centi(&purchase), 0);
    for (int i = 3; i <= PURCHASE_DISPUTES_MAX; i++)
        assert_true(
            purchase_take_dispute(&purchase, &arena, arena_printf(&arena, "dp_%d", i), 1, OPEN));
    assert_false(purchase_take_dispute(&purchase, &arena, "dp_more", 1, OPEN));
    arena_fini(&arena);
}

/* --- orders --- */

enum fact { PAYMENT, REFUND_SOME, REFUND_ALL, DISPUTE, DISPUTE_OTHER, CLOSE, FACTS };

static void take(Lotcast__V1__PurchaseRecord *purchase, struct arena *arena, enum fact fact,
                 Lotcast__V1__DisputeState closed)
{
    switch (fact) {
    case PAYMENT:
        (void)purchase_take_payment(purchase, 1);
        break;
    case REFUND_SOME:
        (void)purchase_take_refund(purchase, 12345);
        break;
    case REFUND_ALL:
        (void)purchase_take_refund(purchase, 23456);
        break;
    case DISPUTE:
        (void)purchase_take_dispute(purchase, arena, "dp_1", 10000, OPEN);
        break;
    case DISPUTE_OTHER:
        (void)purchase_take_dispute(purchase, arena, "dp_2", 333, OPEN);
        break;
    case CLOSE:
        (void)purchase_take_dispute(purchase, arena, "dp_1", 10000, closed);
        break;
    case FACTS:
        break;
    }
}

static void no_order_and_no_copy_matters(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    srandom(4711);
    for (int run = 0; run < 20000; run++) {
        Lotcast__V1__DisputeState closed = run % 2 == 0 ? WON : LOST;
        Lotcast__V1__PurchaseRecord purchase = purchase_of(50000, 10000);
        bool taken[FACTS] = {false};
        int left = FACTS;
        while (left > 0) {
            enum fact fact = (enum fact)(random() % FACTS);
            take(&purchase, &arena, fact, closed);
            left -= taken[fact] ? 0 : 1;
            taken[fact] = true;
        }
        int64_t want = 1000000 - 469120 - 6660 - (closed == WON ? 0 : 200000);
        if (purchase_grant_centi(&purchase) != want)
            fail_msg("run %d: %lld", run, (long long)purchase_grant_centi(&purchase));
        assert_string_equal(purchase_state_name(purchase.state), "completed");
        assert_int_equal(purchase.n_disputes, 2);
        assert_true(purchase_is_disputed(&purchase));
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sells_three_packages),
        cmocka_unit_test(takes_shares_half_up),
        cmocka_unit_test(facts_only_grow),
        cmocka_unit_test(no_order_and_no_copy_matters),
    };
    return cmocka_run_group_tests_name("purchase", tests, NULL, NULL);
}
