/* Images say what a walk says, whatever is asked and whatever is written meanwhile. */
#include <pthread.h>
#include <stdatomic.h>

#include "store/image.h"
#include "test/unit/store/fixture.h"

#define ITEM (&lotcast__v1__item_record__descriptor)
#define CUSTOMER 7
#define ITEMS 700
#define ROUNDS 6
#define QUERIES 150
#define ROWS_MAX 64

static const char *const words[] = {"civic", "Civic",   "civ",  "xc90", "a",  "bb", "aab",
                                    "škoda", "octavia", "2024", "-",    "c3", "zz", "lamborghini"};
#define WORDS (sizeof words / sizeof words[0])

static void make_text(unsigned *seed, char *text, size_t size)
{
    size_t len = 0;
    int count = rand_r(seed) % 5;
    text[0] = '\0';
    for (int i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, size - len, "%s%s",
                                i == 0                  ? ""
                                : rand_r(seed) % 4 == 0 ? "  "
                                                        : " ",
                                words[(size_t)rand_r(seed) % (WORDS - 1)]);
}

static void put_item(struct fixture *fixture, int64_t customer_id, int64_t number, unsigned *seed)
{
    char identity[32], title[96], brand[96], vin[32];
    Lotcast__V1__ItemRecord item = LOTCAST__V1__ITEM_RECORD__INIT;
    (void)snprintf(identity, sizeof identity, "sku:%lld", (long long)number);
    (void)snprintf(vin, sizeof vin, "1HGCM826%09d", rand_r(seed) % 1000000);
    make_text(seed, title, sizeof title);
    make_text(seed, brand, sizeof brand);
    item.customer_id = customer_id;
    item.item_id = number;
    item.identity = identity;
    item.title = title;
    item.brand = brand;
    item.vin = vin;
    item.price_minor = rand_r(seed) % 10 == 0 ? -1 : rand_r(seed) % 50;
    item.in_stock = rand_r(seed) % 3 != 0;
    (void)put_record(fixture, &item);
}

/* --- the same of two stores, one without images --- */

struct asked {
    char search[128];
    struct store_filter_op filters[2];
    struct store_query_op query;
};

static void make_query(unsigned *seed, struct asked *asked)
{
    *asked = (struct asked){.search = ""};
    make_text(seed, asked->search, sizeof asked->search);
    if (rand_r(seed) % 4 == 0)
        (void)snprintf(asked->search, sizeof asked->search, "1hgcm826%06d", rand_r(seed) % 1000);
    asked->query =
        (struct store_query_op){.range = {.record = ITEM,
                                          .index = "listing",
                                          .key = store_key(store_number(CUSTOMER)),
                                          .is_range = true,
                                          .limit = 1 + (uint32_t)rand_r(seed) % ROWS_MAX},
                                .filters = asked->filters,
                                .search = asked->search,
                                .want_total = rand_r(seed) % 2 == 0};
    struct store_query_op *query = &asked->query;
    if (rand_r(seed) % 3 == 0)
        asked->filters[query->filter_count++] = (struct store_filter_op){
            "in_stock", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL, store_number(1)};
    if (rand_r(seed) % 3 == 0)
        asked->filters[query->filter_count++] = (struct store_filter_op){
            "price_minor", LOTCAST__V1__COMPARISON__COMPARISON_LESS, store_number(20)};
    if (rand_r(seed) % 3 == 0) {
        query->order_field = rand_r(seed) % 3 == 0 ? "title" : "price_minor";
        query->order_descending = rand_r(seed) % 2 == 0;
        query->order_has_last = query->order_field[0] == 'p';
        query->order_last = -1;
    }
    query->offset = rand_r(seed) % 2 == 0 ? 0 : (uint32_t)rand_r(seed) % 100;
    query->range.count_only = query->order_field == NULL && rand_r(seed) % 8 == 0;
}

static void expect_same(const struct store_query_op *query, const struct store_query_op *other)
{
    assert_int_equal(query->ret_total, other->ret_total);
    assert_int_equal(query->range.ret_row_count, other->range.ret_row_count);
    assert_int_equal(query->range.ret_cursor.len, other->range.ret_cursor.len);
    assert_memory_equal(query->range.ret_cursor.data, other->range.ret_cursor.data,
                        query->range.ret_cursor.len);
    for (size_t i = 0; i < query->range.ret_row_count; i++) {
        const Lotcast__V1__ItemRecord *item =
            (const Lotcast__V1__ItemRecord *)query->range.ret_rows[i];
        const Lotcast__V1__ItemRecord *wanted =
            (const Lotcast__V1__ItemRecord *)other->range.ret_rows[i];
        assert_int_equal(item->item_id, wanted->item_id);
        assert_string_equal(item->title, wanted->title);
    }
}

static void compare(struct fixture *fixture, struct fixture *walking, unsigned *seed)
{
    struct asked asked;
    make_query(seed, &asked);
    for (int i = 0; i < 2; i++) {
        struct store_query_op query = asked.query;
        struct store_query_op wanted = asked.query;
        struct test_context test;
        struct rpc_status status;
        context_begin(&test);
        expect_ok(store_query(fixture->client, &test.context, &query, &status), &status);
        expect_ok(store_query(walking->client, &test.context, &wanted, &status), &status);
        expect_same(&query, &wanted);
        context_end(&test);
    }
}

static void says_what_a_walk_says(void **state)
{
    struct fixture *fixture = *state;
    void *other;
    (void)set_up(&other);
    struct fixture *walking = other;
    fixture_stop(walking);
    walking->image_entries_min = SIZE_MAX;
    fixture_start(walking);
    unsigned seed = 20261124;
    for (int round = 0; round < ROUNDS; round++) {
        /* Changes some, too, and at times others' alone. */
        for (int i = 0; i < (round == 0 ? ITEMS : ITEMS / 10); i++) {
            int64_t number = round == 0 ? i + 1 : 1 + rand_r(&seed) % (ITEMS + 20);
            int64_t customer_id = round == 3 ? CUSTOMER + 1 : CUSTOMER;
            unsigned same = seed;
            put_item(fixture, customer_id, number, &seed);
            put_item(walking, customer_id, number, &same);
        }
        for (int i = 0; i < QUERIES; i++)
            compare(fixture, walking, &seed);
    }
    (void)tear_down(&other);
}

/* --- while it is written to --- */

#define PAIRS 20
#define READERS 3
#define READS 150
#define WRITES 200

/* Of each pair of items one is new and one used. */
static void put_pair(struct fixture *fixture, int64_t pair, bool is_first_new)
{
    struct test_context test;
    struct rpc_status status;
    struct store_commit commit;
    char identities[2][32];
    Lotcast__V1__ItemRecord pair_items[2];
    context_begin(&test);
    store_commit_init(&commit, fixture->client, &test.context);
    for (int i = 0; i < 2; i++) {
        lotcast__v1__item_record__init(&pair_items[i]);
        (void)snprintf(identities[i], 32, "sku:%lld", (long long)(2 * pair + i));
        pair_items[i].customer_id = CUSTOMER;
        pair_items[i].item_id = 2 * pair + i;
        pair_items[i].identity = identities[i];
        pair_items[i].title = (char *)((i == 0) == is_first_new ? "a new car" : "a used car");
        (void)store_commit_put(&commit, &pair_items[i]);
    }
    expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
    context_end(&test);
}

struct reading {
    struct fixture *fixture;
    pthread_t thread;
    atomic_int wrong;
};

static void *read_totals(void *arg)
{
    struct reading *reading = arg;
    for (int i = 0; i < READS; i++) {
        struct test_context test;
        struct rpc_status status;
        struct store_query_op query = {.range = {.record = ITEM,
                                                 .index = "listing",
                                                 .key = store_key(store_number(CUSTOMER)),
                                                 .is_range = true,
                                                 .limit = ROWS_MAX},
                                       .search = i % 2 == 0 ? "used" : "car new",
                                       .want_total = true};
        context_begin(&test);
        bool right =
            store_query(reading->fixture->client, &test.context, &query, &status) == RPC_OK &&
            query.ret_total == PAIRS && query.range.ret_row_count == PAIRS;
        for (size_t at = 0; right && at < PAIRS; at++) {
            const Lotcast__V1__ItemRecord *item =
                (const Lotcast__V1__ItemRecord *)query.range.ret_rows[at];
            right = strstr(item->title, i % 2 == 0 ? "used" : "new") != NULL;
        }
        if (!right)
            (void)atomic_fetch_add(&reading->wrong, 1);
        context_end(&test);
    }
    return NULL;
}

static void sees_one_state_while_it_is_written_to(void **state)
{
    struct fixture *fixture = *state;
    struct reading readings[READERS];
    for (int64_t pair = 0; pair < PAIRS; pair++)
        put_pair(fixture, pair, true);
    for (int i = 0; i < READERS; i++) {
        readings[i] = (struct reading){.fixture = fixture};
        assert_int_equal(pthread_create(&readings[i].thread, NULL, read_totals, &readings[i]), 0);
    }
    for (int i = 0; i < WRITES; i++)
        put_pair(fixture, i % PAIRS, i / PAIRS % 2 == 0);
    for (int i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readings[i].thread, NULL), 0);
        assert_int_equal(readings[i].wrong, 0);
    }
}

/* More ranges than there is room for: those that were used longest ago are made again. */
static void keeps_some_of_many(void **state)
{
    struct fixture *fixture = *state;
    unsigned seed = 1;
    for (int64_t customer_id = 1; customer_id <= STORE_IMAGES_MAX + 6; customer_id++) {
        for (int64_t number = 1; number <= 3; number++)
            put_item(fixture, customer_id, number, &seed);
    }
    for (int i = 0; i < 4 * (STORE_IMAGES_MAX + 6); i++) {
        struct test_context test;
        struct rpc_status status;
        int64_t customer_id = 1 + i / 2 % (STORE_IMAGES_MAX + 6);
        struct store_query_op query = {.range = {.record = ITEM,
                                                 .index = "listing",
                                                 .key = store_key(store_number(customer_id)),
                                                 .is_range = true,
                                                 .limit = ROWS_MAX},
                                       .search = "1hgcm",
                                       .want_total = true};
        context_begin(&test);
        expect_ok(store_query(fixture->client, &test.context, &query, &status), &status);
        assert_int_equal(query.ret_total, 3);
        assert_int_equal(((const Lotcast__V1__ItemRecord *)query.range.ret_rows[0])->customer_id,
                         customer_id);
        context_end(&test);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(says_what_a_walk_says),
        TEST(sees_one_state_while_it_is_written_to),
        TEST(keeps_some_of_many),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
