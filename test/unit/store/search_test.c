/* What an index keeps in its entries: folded texts, searches, orders, and that it stays in step. */
#include "store/entry.h"
#include "store/fold.h"
#include "store/schema.h"
#include "test/unit/store/fixture.h"

#define ITEM (&lotcast__v1__item_record__descriptor)
#define CUSTOMER 1

/* --- folding --- */

static void folds_case_and_accents(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"", ""},
        {"Honda Civic EX-L", "honda civic ex-l"},
        {"Škoda Citroën Mégane", "skoda citroen megane"},
        {"e\xcc\x81t\xc3\xa9", "ete"}, /* one accent apart, one with its letter */
        {"STRASSE Straße", "strasse strasse"},
        {"Ærø Łódź Đà Nẵng þ", "aero lodz da nang th"},
        {"œuvre Œuvre", "oeuvre oeuvre"},
        {"İSTANBUL ısı", "istanbul isi"},
        {"ΣΊΣΥΦΟΣ σίσυφος", "σισυφοσ σισυφοσ"},
        {"Лада Ёлка Йод", "лада елка иод"},
        {"ＨＯＮＤＡ　２０２４", "honda 2024"},
        {"ﬁt \xf0\x9d\x90\x80", "fit a"}, /* a ligature and a mathematical A */
        {"a\tb\nc\xc2\xa0"
         "d\x7f",
         "a b c d "},
        {"F\xe2\x80\x93"
         "150 O\xe2\x80\x99"
         "Neil",
         "f-150 o'neil"},
        {"soft\xc2\xad"
         "hyphen",
         "softhyphen"},
        {"シビック 本田", "シヒ\xe3\x82\x99ック 本田"}, /* voicing is no accent */
        {"\xf0\x9f\x9a\x97", "\xf0\x9f\x9a\x97"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t folded[128];
        size_t len = 0;
        assert_true(store__fold(span_of_string(rows[i].text), folded, sizeof folded, &len));
        if (len != strlen(rows[i].want) || memcmp(folded, rows[i].want, len) != 0)
            fail_msg("%s: %.*s", rows[i].text, (int)len, (const char *)folded);
        /* What is folded already stays. */
        uint8_t again[128];
        size_t again_len = 0;
        assert_true(store__fold(span_of(folded, len), again, sizeof again, &again_len));
        assert_int_equal(again_len, len);
        assert_memory_equal(again, folded, len);
    }
}

static void cuts_at_a_character(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t room, want;
    } rows[] = {{"Honda", 3, 3}, {"Honda", 0, 0}, {"δδδ", 5, 4}, {"ßx", 1, 1}, {"ßx", 2, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t folded[16];
        size_t len = 99;
        assert_true(store__fold(span_of_string(rows[i].text), folded, rows[i].room, &len));
        assert_int_equal(len, rows[i].want);
    }
}

/* --- items --- */

struct item {
    int64_t id;
    const char *title, *brand, *model, *vin, *sku;
    int64_t price;
    bool in_stock;
};

static const struct item items[] = {
    {1, "2024 Honda Civic", "Honda", "Civic", "1HGCM82633A004352", "A-1", 2800000, true},
    {2, "Škoda Octavia Combi", "Škoda", "Octavia", "TMBJJ7NE8G0123456", "B-2", 1500000, false},
    {3, "honda cr-v", "HONDA", "CR-V", "", "C-3", -1, true},
    {10, "Zweisitzer", "Citroën", "C3", "", "D-4", 900000, true},
    {11, "", "", "", "", "E-5", 2800000, true},
    {100, "Ärztewagen", "", "", "", "", 0, false},
    {101, "arztkoffer", "", "", "", "", -1, true},
};
#define ITEM_COUNT (sizeof items / sizeof items[0])

static Lotcast__V1__ItemRecord make_item(const struct item *item, char identity[static 32])
{
    Lotcast__V1__ItemRecord record = LOTCAST__V1__ITEM_RECORD__INIT;
    (void)snprintf(identity, 32, "sku:%lld", (long long)item->id);
    record.customer_id = CUSTOMER;
    record.item_id = item->id;
    record.identity = identity;
    record.title = (char *)item->title;
    record.brand = (char *)item->brand;
    record.model = (char *)item->model;
    record.vin = (char *)item->vin;
    record.sku = (char *)item->sku;
    record.price_minor = item->price;
    record.in_stock = item->in_stock;
    return record;
}

static void put_item(struct fixture *fixture, const struct item *item)
{
    char identity[32];
    const Lotcast__V1__ItemRecord record = make_item(item, identity);
    (void)put_record(fixture, &record);
}

static void put_items(struct fixture *fixture)
{
    for (size_t i = 0; i < ITEM_COUNT; i++)
        put_item(fixture, &items[i]);
    struct item other = items[0]; /* of another customer: never seen */
    char identity[32];
    Lotcast__V1__ItemRecord record = make_item(&other, identity);
    record.customer_id = CUSTOMER + 1;
    (void)put_record(fixture, &record);
}

static struct store_query_op listing(const char *search)
{
    return (struct store_query_op){.range = {.record = ITEM,
                                             .index = "listing",
                                             .key = store_key(store_number(CUSTOMER)),
                                             .is_range = true,
                                             .limit = 50},
                                   .search = search,
                                   .want_total = true};
}

/* The ids of the page as "1 2 3"; and that the total is theirs where there is no offset. */
static void expect_ids_once(struct fixture *fixture, const char *name, struct store_query_op query,
                            const char *want)
{
    struct test_context test;
    struct rpc_status status;
    char text[256] = "";
    size_t len = 0;
    context_begin(&test);
    expect_ok(store_query(fixture->client, &test.context, &query, &status), &status);
    for (size_t i = 0; i < query.range.ret_row_count; i++) {
        const Lotcast__V1__ItemRecord *item =
            (const Lotcast__V1__ItemRecord *)query.range.ret_rows[i];
        assert_true(query.range.ret_versions[i] > 0);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld", len == 0 ? "" : " ",
                                (long long)item->item_id);
    }
    if (strcmp(text, want) != 0)
        fail_msg("%s: %s instead of %s", name, text, want);
    if (query.offset == 0 && query.range.ret_row_count < query.range.limit)
        assert_int_equal(query.ret_total, query.range.ret_row_count);
    context_end(&test);
}

/* By a walk, by the image that is made then, and by the image that is there. */
static void expect_ids(struct fixture *fixture, const char *name, struct store_query_op query,
                       const char *want)
{
    for (int i = 0; i < 3; i++)
        expect_ids_once(fixture, name, query, want);
}

static void searches_all_words_anywhere(void **state)
{
    struct fixture *fixture = *state;
    put_items(fixture);
    static const struct {
        const char *search, *want;
    } rows[] = {
        {"", "1 2 3 10 11 100 101"},
        {"   ", "1 2 3 10 11 100 101"},
        {"\xcc\x81", "1 2 3 10 11 100 101"}, /* an accent without a letter */
        {"Honda", "1 3"},
        {"HÖNDA", "1 3"},
        {"civic honda", "1"},
        {"honda honda", "1 3"},
        {"ond", "1 3"},
        {"skoda", "2"},
        {"ŠKODA combi", "2"},
        {"citroen", "10"}, /* the brand alone has it */
        {"82633a", "1"},   /* in the VIN */
        {"e-5", "11"},
        {"arzt", "100 101"},
        {"honda octavia", ""}, /* each is there, in other items */
        {"hondacivic", ""},
        {"civichonda", ""}, /* not over the edge of a text */
        {"lamborghini", ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_ids(fixture, rows[i].search, listing(rows[i].search), rows[i].want);
}

static void orders_with_the_absent_last(void **state)
{
    struct fixture *fixture = *state;
    put_items(fixture);
    static const struct {
        const char *name, *field;
        bool descending, has_last;
        uint32_t offset, limit;
        const char *want;
    } rows[] = {
        {"price", "price_minor", false, true, 0, 50, "100 10 2 1 11 3 101"},
        {"-price", "price_minor", true, true, 0, 50, "1 11 2 10 100 3 101"},
        {"price as it is", "price_minor", false, false, 0, 50, "3 101 100 10 2 1 11"},
        {"title", "title", false, false, 0, 50, "11 1 100 101 3 2 10"},
        {"-title", "title", true, false, 0, 50, "10 2 3 101 100 1 11"},
        {"a number that is not kept", "year", false, false, 0, 50, "1 2 3 10 11 100 101"},
        {"a page", "price_minor", false, true, 2, 3, "2 1 11"},
        {"the last page", "price_minor", false, true, 6, 3, "101"},
        {"a page past the end", "price_minor", false, true, 7, 3, ""},
        {"far past the end", "title", false, false, UINT32_MAX, 50, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_query_op query = listing(NULL);
        query.order_field = rows[i].field;
        query.order_descending = rows[i].descending;
        query.order_has_last = rows[i].has_last;
        query.order_last = -1;
        query.offset = rows[i].offset;
        query.range.limit = rows[i].limit;
        expect_ids(fixture, rows[i].name, query, rows[i].want);
    }
    /* By the primary key too, whose entries are the records. */
    struct store_query_op primary = listing(NULL);
    primary.range.index = NULL;
    primary.order_field = "price_minor";
    primary.order_descending = true;
    expect_ids(fixture, "primary", primary, "1 11 2 10 100 3 101");
}

static void filters_what_is_kept_and_what_is_not(void **state)
{
    struct fixture *fixture = *state;
    put_items(fixture);
    const struct store_filter_op filters[] = {
        {"in_stock", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL, store_number(1)},
        {"price_minor", LOTCAST__V1__COMPARISON__COMPARISON_GREATER_OR_EQUAL, store_number(0)},
        {"brand", LOTCAST__V1__COMPARISON__COMPARISON_NOT_EQUAL, store_text("")},
    };
    static const char *const wants[] = {"1 2 3 10 11 100 101", "1 3 10 11 101", "1 10 11", "1 10"};
    for (size_t count = 0; count < 4; count++) {
        struct store_query_op query = listing(NULL);
        query.filters = filters;
        query.filter_count = count;
        expect_ids(fixture, "filters", query, wants[count]);
    }
    struct store_query_op query = listing("civic");
    query.filters = filters;
    query.filter_count = 2;
    query.order_field = "title";
    expect_ids(fixture, "all at once", query, "1");
}

/* --- in step --- */

static void follows_changes(void **state)
{
    struct fixture *fixture = *state;
    put_items(fixture);
    struct item changed = items[0];
    changed.title = "2025 Toyota Yaris";
    changed.brand = "Toyota";
    changed.model = "Yaris";
    changed.price = 1;
    put_item(fixture, &changed);
    expect_ids(fixture, "the old text", listing("honda"), "3");
    expect_ids(fixture, "the new text", listing("toyota"), "1");
    struct store_query_op query = listing(NULL);
    query.order_field = "price_minor";
    query.range.limit = 2;
    expect_ids(fixture, "the new number", query, "3 101");

    struct test_context test;
    struct rpc_status status;
    struct store_commit commit;
    context_begin(&test);
    store_commit_init(&commit, fixture->client, &test.context);
    (void)store_commit_delete(&commit, ITEM, store_key(store_number(CUSTOMER), store_number(1)));
    expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
    context_end(&test);
    expect_ids(fixture, "deleted", listing("toyota"), "");
    expect_ids(fixture, "the others", listing(NULL), "2 3 10 11 100 101");
}

/* A commit that fails half-way takes back what its entries kept. */
static void failed_commits_leave_entries_alone(void **state)
{
    struct fixture *fixture = *state;
    put_items(fixture);
    struct test_context test;
    struct rpc_status status;
    struct store_commit commit;
    char identity[32];
    char other[32];
    struct item changed = items[0];
    struct item added = items[1];
    changed.title = "Changed";
    added.id = 500;
    added.title = "Added";
    const Lotcast__V1__ItemRecord record = make_item(&changed, identity);
    const Lotcast__V1__ItemRecord new_record = make_item(&added, other);
    context_begin(&test);
    store_commit_init(&commit, fixture->client, &test.context);
    (void)store_commit_put(&commit, &record);
    (void)store_commit_put(&commit, &new_record);
    (void)store_commit_delete(&commit, ITEM, store_key(store_number(CUSTOMER), store_number(3)));
    (void)store_commit_check(&commit, ITEM, store_key(store_number(CUSTOMER), store_number(2)), 1);
    assert_int_equal(store_commit_send(&commit, &test.context, NULL, &status), RPC_ABORTED);
    context_end(&test);
    expect_ids(fixture, "all", listing(NULL), "1 2 3 10 11 100 101");
    expect_ids(fixture, "honda", listing("honda"), "1 3");
    expect_ids(fixture, "changed", listing("changed"), "");
    expect_ids(fixture, "added", listing("added"), "");
}

static void refuses_what_an_index_is_not_made_for(void **state)
{
    struct fixture *fixture = *state;
    char long_search[STORE_SEARCH_TEXT_BYTES_MAX + 2];
    char many_words[2 * (STORE_WORDS_MAX + 1) + 1] = "";
    memset(long_search, 'x', sizeof long_search - 1);
    long_search[sizeof long_search - 1] = '\0';
    for (size_t i = 0; i <= STORE_WORDS_MAX; i++)
        (void)memcpy(many_words + 2 * i, "a ", 3);
    const struct {
        const char *index, *search, *order, *field;
        uint32_t limit;
        bool count_only, has_last;
    } rows[] = {
        {NULL, "x", NULL, "search", 50, false, false},
        {"by_identity", "x", NULL, "search", 50, false, false},
        {"listing", long_search, NULL, "search", 50, false, false},
        {"listing", many_words, NULL, "search", 50, false, false},
        {"listing", NULL, "description", "description", 50, false, false},
        {"listing", NULL, "nothing", "nothing", 50, false, false},
        {NULL, NULL, "title", "title", 50, false, false},
        {"listing", NULL, "title", "title", 50, false, true},
        {"listing", NULL, "content_hash", "content_hash", 50, false, false},
        {"listing", NULL, "title", "order", 0, false, false},
        {"listing", NULL, "title", "order", 50, true, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_context test;
        struct rpc_status status;
        struct store_query_op query = listing(rows[i].search);
        query.range.index = rows[i].index;
        query.range.limit = rows[i].limit;
        query.range.count_only = rows[i].count_only;
        query.order_field = rows[i].order;
        query.order_has_last = rows[i].has_last;
        context_begin(&test);
        if (store_query(fixture->client, &test.context, &query, &status) != RPC_INVALID_ARGUMENT)
            fail_msg("row %zu is taken", i);
        assert_string_equal(status.field, rows[i].field);
        context_end(&test);
    }
}

/* --- over changes of the declarations --- */

static struct store_table *item_table(const struct store_tables *tables)
{
    for (size_t i = 0; i < tables->count; i++) {
        if (strcmp(tables->tables[i].name, "item") == 0)
            return &tables->tables[i];
    }
    fail_msg("there is no table of items");
    return NULL;
}

/* Opens the data with declarations that `bend` has changed; as it was opened before, afterwards. */
static enum rpc_code open_bent(struct fixture *fixture, void (*bend)(struct store_table *table),
                               struct rpc_status *status)
{
    struct store_tables tables;
    struct store_engine *engine = NULL;
    fixture_stop(fixture);
    expect_ok(store__tables_create(fixture->registry, &tables, status), status);
    bend(item_table(&tables));
    expect_ok(store__engine_lmdb_open(fixture->directory, 0, &engine, status), status);
    enum rpc_code code = store__schema_apply(engine, &tables, status);
    engine->ops->close(engine);
    store__tables_destroy(&tables);
    fixture_start(fixture);
    return code;
}

static void without_the_listing(struct store_table *table)
{
    assert_string_equal(table->indexes[table->index_count - 1].name, "listing");
    table->index_count--;
}

static void with_one_cover_less(struct store_table *table)
{
    table->indexes[table->index_count - 1].cover_count--;
}

static void with_one_text_less(struct store_table *table)
{
    table->indexes[table->index_count - 1].search_count--;
}

/* Data of a program that had no such index yet. */
static void builds_what_is_kept_of_old_records(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_status status;
    put_items(fixture);
    expect_ok(open_bent(fixture, without_the_listing, &status), &status);
    expect_ids(fixture, "honda", listing("honda"), "1 3");
    struct store_query_op query = listing(NULL);
    query.order_field = "price_minor";
    query.order_has_last = true;
    query.order_last = -1;
    expect_ids(fixture, "price", query, "100 10 2 1 11 3 101");
}

static void refuses_to_keep_something_else(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_status status;
    put_items(fixture);
    assert_int_equal(open_bent(fixture, with_one_cover_less, &status), RPC_FAILED_PRECONDITION);
    assert_non_null(strstr(status.message, "covers"));
    assert_int_equal(open_bent(fixture, with_one_text_less, &status), RPC_FAILED_PRECONDITION);
    assert_non_null(strstr(status.message, "search"));
    expect_ids(fixture, "honda", listing("honda"), "1 3");
}

/* --- any items, beside the plain way --- */

#define MANY 700

static int by_price_then_id(const void *a, const void *b)
{
    const struct item *x = a;
    const struct item *y = b;
    if ((x->price < 0) != (y->price < 0))
        return x->price < 0 ? 1 : -1;
    if (x->price != y->price)
        return x->price < y->price ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

static void pages_are_those_of_a_plain_sort(void **state)
{
    struct fixture *fixture = *state;
    struct item *all = calloc(MANY, sizeof *all);
    unsigned seed = 7;
    assert_non_null(all);
    for (int64_t i = 0; i < MANY; i++) {
        all[i] = (struct item){i + 1, "x", "", "", "", "", rand_r(&seed) % 40 - 1, true};
        put_item(fixture, &all[i]);
    }
    qsort(all, MANY, sizeof *all, by_price_then_id);
    for (uint32_t offset = 0; offset < MANY + 100; offset += 93) {
        struct test_context test;
        struct rpc_status status;
        struct store_query_op query = listing("X");
        query.order_field = "price_minor";
        query.order_has_last = true;
        query.order_last = -1;
        query.offset = offset;
        context_begin(&test);
        expect_ok(store_query(fixture->client, &test.context, &query, &status), &status);
        assert_int_equal(query.ret_total, MANY);
        size_t left = offset < MANY ? MANY - offset : 0;
        assert_int_equal(query.range.ret_row_count, left < 50 ? left : 50);
        for (size_t i = 0; i < query.range.ret_row_count; i++)
            assert_int_equal(((const Lotcast__V1__ItemRecord *)query.range.ret_rows[i])->item_id,
                             all[offset + i].id);
        context_end(&test);
    }
    free(all);
}

struct titled {
    int64_t id;
    char title[40];
};

static int by_title_then_id(const void *a, const void *b)
{
    const struct titled *x = a;
    const struct titled *y = b;
    int compared = strcmp(x->title, y->title);
    return compared != 0 ? compared : (x->id > y->id) - (x->id < y->id);
}

/* Titles that are alike for long, or begin each other. */
static void pages_by_title_are_those_of_a_plain_sort(void **state)
{
    struct fixture *fixture = *state;
    static struct titled all[MANY];
    unsigned seed = 11;
    for (int64_t i = 0; i < MANY; i++) {
        int len = rand_r(&seed) % 24;
        all[i].id = i + 1;
        memset(all[i].title, 'a', sizeof all[i].title);
        for (int at = len > 4 ? len - 4 : 0; at < len; at++)
            all[i].title[at] = (char)('a' + rand_r(&seed) % 2);
        all[i].title[len] = '\0';
        put_item(fixture, &(struct item){i + 1, all[i].title, "", "", "", "", 5, true});
    }
    qsort(all, MANY, sizeof all[0], by_title_then_id);
    for (uint32_t offset = 0; offset < MANY; offset += 50) {
        struct test_context test;
        struct rpc_status status;
        struct store_query_op query = listing(NULL);
        query.order_field = "title";
        query.offset = offset;
        context_begin(&test);
        expect_ok(store_query(fixture->client, &test.context, &query, &status), &status);
        assert_int_equal(query.range.ret_row_count, 50);
        for (size_t i = 0; i < query.range.ret_row_count; i++)
            assert_int_equal(((const Lotcast__V1__ItemRecord *)query.range.ret_rows[i])->item_id,
                             all[offset + i].id);
        context_end(&test);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_case_and_accents),   cmocka_unit_test(cuts_at_a_character),
        TEST(searches_all_words_anywhere),          TEST(orders_with_the_absent_last),
        TEST(filters_what_is_kept_and_what_is_not), TEST(follows_changes),
        TEST(failed_commits_leave_entries_alone),   TEST(refuses_what_an_index_is_not_made_for),
        TEST(builds_what_is_kept_of_old_records),   TEST(refuses_to_keep_something_else),
        TEST(pages_are_those_of_a_plain_sort),      TEST(pages_by_title_are_those_of_a_plain_sort),
    };
    return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
