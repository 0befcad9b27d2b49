#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "rpc/services/ledger.h"
#include "rpc/services/secret.h"
#include "test/unit/services/fixture.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
#define CUSTOMER 7

static struct fixture fixture;

static enum rpc_code post(struct rpc_context *context, int64_t customer_id,
                          const struct ledger_posting *postings, size_t count, int64_t *ret_balance)
{
    struct store_commit commit;
    store_commit_init(&commit, fixture.store_client, context);
    enum rpc_code code = ledger_append(fixture.services, context, &commit, customer_id, postings,
                                       count, ret_balance, NULL);
    return code == RPC_OK ? store_commit_send(&commit, context, NULL, NULL) : code;
}

static struct ledger_posting purchase(const char *reference, int64_t amount_centi)
{
    return (struct ledger_posting){.kind = LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_PURCHASE,
                                   .amount_centi = amount_centi,
                                   .account = "payments",
                                   .reference = reference,
                                   .at_ms = 1000};
}

static struct ledger_posting burn(const char *reference, int64_t amount_centi)
{
    return (struct ledger_posting){.kind = LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_BURN,
                                   .amount_centi = -amount_centi,
                                   .account = "spend",
                                   .reference = reference,
                                   .at_ms = 2000};
}

static int64_t balance_of(int64_t customer_id)
{
    const Lotcast__V1__LedgerBalanceRecord *balance =
        fixture_get(&fixture, &lotcast__v1__ledger_balance_record__descriptor, customer_id);
    return balance == NULL ? 0 : balance->balance_centi;
}

/* Reads every entry: each account's sum, the running balances, and the counters beside them. */
static void check_books(int64_t customer_id, size_t want_postings)
{
    struct store_read_op op = {.record = &lotcast__v1__ledger_entry_record__descriptor,
                               .is_range = true};
    assert_int_equal(store_read(fixture.store_client, &fixture.context, &op, 1, NULL), RPC_OK);
    assert_int_equal(op.ret_row_count, 2 * want_postings);
    int64_t total = 0;
    int64_t customer = 0;
    int64_t payments = 0;
    int64_t spend = 0;
    int64_t number = 0;
    for (size_t i = 0; i < op.ret_row_count; i++) {
        const Lotcast__V1__LedgerEntryRecord *entry = (const void *)op.ret_rows[i];
        assert_int_equal(entry->customer_id, customer_id);
        total += entry->amount_centi;
        if (strcmp(entry->account, "payments") == 0)
            payments += entry->amount_centi;
        if (strcmp(entry->account, "spend") == 0)
            spend += entry->amount_centi;
        if (strcmp(entry->account, "customer") != 0)
            continue;
        customer += entry->amount_centi;
        assert_int_equal(entry->balance_centi, customer);
        assert_int_equal(entry->entry_no, ++number);
    }
    assert_int_equal(total, 0);
    assert_int_equal(number, want_postings);
    assert_int_equal(customer, balance_of(customer_id));
    assert_int_equal(payments, fixture_counter(&fixture, "ledger:payments"));
    assert_int_equal(spend, fixture_counter(&fixture, "ledger:spend"));
}

static void keeps_double_entries(void **state)
{
    (void)state;
    int64_t balance = 0;
    struct ledger_posting first = purchase("stripe:cs_1", 1000000);
    assert_int_equal(post(&fixture.context, CUSTOMER, &first, 1, &balance), RPC_OK);
    assert_int_equal(balance, 1000000);
    /* Several in one commit, below zero at the end. */
    const struct ledger_posting more[] = {burn("burn:1", 400000), purchase("stripe:cs_2", 100),
                                          burn("burn:2", 700000)};
    assert_int_equal(post(&fixture.context, CUSTOMER, more, COUNT(more), &balance), RPC_OK);
    assert_int_equal(balance, -99900);
    assert_int_equal(balance_of(CUSTOMER), -99900);
    check_books(CUSTOMER, 4);
}

static void repeats_nothing(void **state)
{
    (void)state;
    struct ledger_posting posting = purchase("stripe:cs_1", 1000000);
    assert_int_equal(post(&fixture.context, CUSTOMER, &posting, 1, NULL), RPC_OK);
    assert_int_equal(post(&fixture.context, CUSTOMER, &posting, 1, NULL), RPC_ABORTED);
    /* Not with another amount, not for another customer, not beside a new one. */
    posting.amount_centi = 5;
    assert_int_equal(post(&fixture.context, CUSTOMER, &posting, 1, NULL), RPC_ABORTED);
    assert_int_equal(post(&fixture.context, CUSTOMER + 1, &posting, 1, NULL), RPC_ABORTED);
    const struct ledger_posting two[] = {purchase("stripe:cs_2", 100), posting};
    assert_int_equal(post(&fixture.context, CUSTOMER, two, 2, NULL), RPC_ABORTED);
    const struct ledger_posting twice[] = {purchase("stripe:cs_3", 100),
                                           purchase("stripe:cs_3", 100)};
    assert_int_equal(post(&fixture.context, CUSTOMER, twice, 2, NULL), RPC_ABORTED);
    check_books(CUSTOMER, 1);
    assert_int_equal(balance_of(CUSTOMER), 1000000);
    assert_int_equal(balance_of(CUSTOMER + 1), 0);
}

static void refuses_to_overflow(void **state)
{
    (void)state;
    struct ledger_posting posting = purchase("a", INT64_MAX);
    assert_int_equal(post(&fixture.context, CUSTOMER, &posting, 1, NULL), RPC_OK);
    posting = purchase("b", 1);
    assert_int_equal(post(&fixture.context, CUSTOMER, &posting, 1, NULL), RPC_OUT_OF_RANGE);
    assert_int_equal(balance_of(CUSTOMER), INT64_MAX);
}

struct poster {
    struct arena arena;
    int number;
    int posted;
};

/* Posts ten purchases of its own, and one that all others post too. */
static void post_many(void *arg)
{
    struct poster *poster = arg;
    arena_init(&poster->arena, ARENA_CALL_BYTES_MAX);
    struct rpc_context context = {.arena = &poster->arena, .deadline_ms = INT64_MAX};
    for (int i = 0; i < 10; i++) {
        char reference[32];
        (void)snprintf(reference, sizeof reference, "own:%d:%d", poster->number, i);
        struct ledger_posting posting = purchase(reference, 100);
        enum rpc_code code = RPC_ABORTED;
        while (code == RPC_ABORTED)
            code = post(&context, CUSTOMER, &posting, 1, NULL);
        poster->posted += code == RPC_OK;
    }
    /* Lost to a race or to the others: the difference is none to the books. */
    for (int i = 0; i < 20; i++) {
        struct ledger_posting shared = purchase("shared", 7);
        poster->posted += post(&context, CUSTOMER, &shared, 1, NULL) == RPC_OK;
    }
    arena_fini(&poster->arena);
}

static void adds_up_whatever_the_race(void **state)
{
    (void)state;
    struct poster posters[8] = {0};
    for (int i = 0; i < 8; i++)
        posters[i].number = i;
    fixture_parallel(post_many, posters, sizeof posters[0], COUNT(posters));
    int posted = 0;
    for (int i = 0; i < 8; i++)
        posted += posters[i].posted;
    assert_int_equal(posted, 81);
    assert_int_equal(balance_of(CUSTOMER), 80 * 100 + 7);
    check_books(CUSTOMER, 81);
}

static void seals_tokens(void **state)
{
    (void)state;
    static const char token[] = "EAAB-a-secret-token";
    ProtobufCBinaryData first;
    ProtobufCBinaryData second;
    const char *opened;
    struct arena *arena = &fixture.arena;
    assert_int_equal(secret_seal(fixture.services, token, arena, &first), RPC_OK);
    assert_int_equal(secret_seal(fixture.services, token, arena, &second), RPC_OK);
    assert_int_equal(first.len, second.len);
    assert_memory_not_equal(first.data, second.data, first.len);
    assert_null(memmem(first.data, first.len, "secret", 6));
    assert_int_equal(secret_open(fixture.services, first, arena, &opened), RPC_OK);
    assert_string_equal(opened, token);
    /* Cut or changed anywhere, it does not open. */
    for (size_t i = 0; i < first.len; i++) {
        ProtobufCBinaryData cut = {i, first.data};
        assert_int_equal(secret_open(fixture.services, cut, arena, &opened), RPC_DATA_LOSS);
        first.data[i] ^= 1;
        assert_int_equal(secret_open(fixture.services, first, arena, &opened), RPC_DATA_LOSS);
        first.data[i] ^= 1;
    }
    assert_int_equal(secret_seal(fixture.services, "", arena, &first), RPC_OK);
    assert_int_equal(secret_open(fixture.services, first, arena, &opened), RPC_OK);
    assert_string_equal(opened, "");
}

static int set_up(void **state)
{
    (void)state;
    fixture_start(&fixture, &(struct fixture_options){0});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeps_double_entries),      TEST(repeats_nothing), TEST(refuses_to_overflow),
        TEST(adds_up_whatever_the_race), TEST(seals_tokens),
    };
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
