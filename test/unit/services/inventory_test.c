/* The inventory's pages. What the store finds is the store's tests'; here: what a page says. */
#include "test/unit/services/logic_fixture.h"

#include "lotcast/v1/inventory.pb-c.h"

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
    logic_close(logic);
    free(logic);
    *state = fixture;
    return tear_down(state);
}

static Lotcast__V1__ItemRecord make_item(int64_t customer_id, int64_t id, const char *title,
                                         int64_t price_minor, bool in_stock)
{
    static char identities[16][32];
    char *identity = identities[id % 16];
    Lotcast__V1__ItemRecord item = LOTCAST__V1__ITEM_RECORD__INIT;
    (void)snprintf(identity, sizeof identities[0], "sku:%lld", (long long)id);
    item.customer_id = customer_id;
    item.item_id = id;
    item.identity = identity;
    item.title = (char *)title;
    item.url = (char *)"https://shop.example/x";
    item.price_minor = price_minor;
    item.in_stock = in_stock;
    return item;
}

/* 12 items; another customer has one more. */
static void put_items(struct logic *logic)
{
    static const struct {
        const char *title;
        int64_t price;
        bool in_stock;
    } rows[] = {{"Honda Civic", 2800000, true},
                {"Škoda Octavia", 1500000, false},
                {"honda jazz", -1, true},
                {"Kia Rio", 999999, true},
                {"Kia Ceed", 1000000, true},
                {"Kia Picanto", 1000001, true},
                {"BMW X5", 0, true},
                {"VW Polo", 5, false},
                {"VW Golf", -1, false},
                {"Audi A4", 2800000, true},
                {"Fiat 500", 700000, true},
                {"Opel Corsa", 600000, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Lotcast__V1__ItemRecord item =
            make_item(CUSTOMER, (int64_t)i + 1, rows[i].title, rows[i].price, rows[i].in_stock);
        (void)put_record(logic->store, &item);
    }
    Lotcast__V1__ItemRecord other = make_item(CUSTOMER + 1, 1, "Honda of another", 1, true);
    (void)put_record(logic->store, &other);
}

/* What is asked; wrappers are made where `has_…` or the number is set. */
struct ask {
    const char *name;
    int32_t page, limit; /* 0: not said */
    const char *search, *sort;
    int in_stock; /* -1 false, 1 true */
    bool has_min, has_max;
    int64_t min, max;
};

static enum rpc_code list(struct logic *logic, struct test_context *test, const struct ask *ask,
                          const Lotcast__V1__ListItemsResponse **ret_response,
                          struct rpc_status *status)
{
    Lotcast__V1__ListItemsRequest request = LOTCAST__V1__LIST_ITEMS_REQUEST__INIT;
    Lotcast__V1__ItemFilters filters = LOTCAST__V1__ITEM_FILTERS__INIT;
    Google__Protobuf__Int32Value page = GOOGLE__PROTOBUF__INT32_VALUE__INIT;
    Google__Protobuf__Int32Value limit = GOOGLE__PROTOBUF__INT32_VALUE__INIT;
    Google__Protobuf__BoolValue in_stock = GOOGLE__PROTOBUF__BOOL_VALUE__INIT;
    Google__Protobuf__Int64Value min = GOOGLE__PROTOBUF__INT64_VALUE__INIT;
    Google__Protobuf__Int64Value max = GOOGLE__PROTOBUF__INT64_VALUE__INIT;
    page.value = ask->page;
    limit.value = ask->limit;
    in_stock.value = ask->in_stock > 0;
    min.value = ask->min;
    max.value = ask->max;
    request.page = ask->page == 0 ? NULL : &page;
    request.limit = ask->limit == 0 ? NULL : &limit;
    filters.in_stock = ask->in_stock == 0 ? NULL : &in_stock;
    filters.min_price = ask->has_min ? &min : NULL;
    filters.max_price = ask->has_max ? &max : NULL;
    request.filters = ask->in_stock != 0 || ask->has_min || ask->has_max ? &filters : NULL;
    if (ask->search != NULL)
        request.search = (char *)ask->search;
    if (ask->sort != NULL)
        request.sort = (char *)ask->sort;
    return call(logic, test, "lotcast.v1.Inventory/ListItems", &request, ret_response, status);
}

static void pages_as_they_are_asked_for(void **state)
{
    struct logic *logic = *state;
    static const struct {
        struct ask ask;
        const char *want; /* ids */
        int64_t total, pages;
    } rows[] = {
        {{.name = "all"}, "1 2 3 4 5 6 7 8 9 10 11 12", 12, 1},
        {{.name = "first", .limit = 5}, "1 2 3 4 5", 12, 3},
        {{.name = "last", .page = 3, .limit = 5}, "11 12", 12, 3},
        {{.name = "past the end", .page = 4, .limit = 5}, "", 12, 3},
        {{.name = "far past it", .page = INT32_MAX, .limit = 200}, "", 12, 1},
        {{.name = "search", .search = "HONDA"}, "1 3", 2, 1},
        {{.name = "two words", .search = "octavia skoda"}, "2", 1, 1},
        {{.name = "none", .search = "lamborghini"}, "", 0, 0},
        {{.name = "in stock", .in_stock = 1}, "1 3 4 5 6 7 10 11 12", 9, 1},
        {{.name = "out of stock", .in_stock = -1}, "2 8 9", 3, 1},
        {{.name = "from", .has_min = true, .min = 1000000}, "1 2 5 6 10", 5, 1},
        {{.name = "to", .has_max = true, .max = 5}, "7 8", 2, 1},
        {{.name = "from 0: no price is none", .has_min = true}, "1 2 4 5 6 7 8 10 11 12", 10, 1},
        {{.name = "between", .has_min = true, .min = 999999, .has_max = true, .max = 1000000},
         "4 5",
         2,
         1},
        {{.name = "nothing between", .has_min = true, .min = 2, .has_max = true, .max = 1},
         "",
         0,
         0},
        {{.name = "price", .sort = "price", .limit = 4}, "7 8 12 11", 12, 3},
        {{.name = "price, end", .sort = "price", .limit = 4, .page = 3}, "1 10 3 9", 12, 3},
        {{.name = "-price", .sort = "-price"}, "1 10 2 6 5 4 11 12 8 7 3 9", 12, 1},
        {{.name = "title", .sort = "title", .limit = 6}, "10 7 11 1 3 5", 12, 2},
        {{.name = "-title", .sort = "-title", .limit = 3}, "8 9 2", 12, 4},
        {{.name = "all of it",
          .search = "a",
          .in_stock = 1,
          .has_max = true,
          .max = 2800000,
          .sort = "-price",
          .limit = 2},
         "1 10",
         7,
         4},
    };
    put_items(logic);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_context test;
        struct rpc_status status;
        const Lotcast__V1__ListItemsResponse *response = NULL;
        char ids[128] = "";
        size_t len = 0;
        context_begin(&test);
        expect_ok(list(logic, &test, &rows[i].ask, &response, &status), &status);
        for (size_t j = 0; j < response->n_items; j++)
            len += (size_t)snprintf(ids + len, sizeof ids - len, "%s%s", j == 0 ? "" : " ",
                                    response->items[j]->id);
        if (strcmp(ids, rows[i].want) != 0 || response->pagination->total != rows[i].total)
            fail_msg("%s: %s of %lld", rows[i].ask.name, ids,
                     (long long)response->pagination->total);
        assert_int_equal(response->pagination->total_pages, rows[i].pages);
        assert_int_equal(response->pagination->page, rows[i].ask.page == 0 ? 1 : rows[i].ask.page);
        assert_int_equal(response->pagination->limit,
                         rows[i].ask.limit == 0 ? 50 : rows[i].ask.limit);
        context_end(&test);
    }
}

static void items_say_what_is_absent(void **state)
{
    struct logic *logic = *state;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__ListItemsResponse *response = NULL;
    Lotcast__V1__ItemRecord whole = make_item(CUSTOMER, 9, "Whole", 2800050, true);
    Lotcast__V1__ItemRecord bare = make_item(CUSTOMER, 10, "", -1, false);
    Lotcast__V1__ItemRecord refused = make_item(CUSTOMER, 11, "Refused", 0, true);
    whole.currency = (char *)"USD";
    whole.image_url = (char *)"https://shop.example/x.jpg";
    bare.excluded = (char *)"It has no title";
    bare.meta_error = (char *)"of an earlier time";
    refused.meta_error = (char *)"The image is too small";
    (void)put_record(logic->store, &whole);
    (void)put_record(logic->store, &bare);
    (void)put_record(logic->store, &refused);
    context_begin(&test);
    expect_ok(list(logic, &test, &(struct ask){0}, &response, &status), &status);
    assert_int_equal(response->n_items, 3);
    const Lotcast__V1__Item *item = response->items[0];
    assert_string_equal(item->id, "9");
    assert_string_equal(item->title, "Whole");
    assert_int_equal(item->price->value, 2800050);
    assert_string_equal(item->currency->value, "USD");
    assert_string_equal(item->image_url->value, "https://shop.example/x.jpg");
    assert_string_equal(item->url, "https://shop.example/x");
    assert_true(item->in_stock);
    assert_null(item->excluded);
    item = response->items[1];
    assert_null(item->price);
    assert_null(item->currency);
    assert_null(item->image_url);
    assert_false(item->in_stock);
    assert_string_equal(item->excluded->value, "It has no title");
    item = response->items[2];
    assert_int_equal(item->price->value, 0);
    assert_string_equal(item->excluded->value, "The image is too small");
    context_end(&test);
}

static void bad_questions_are_refused(void **state)
{
    struct logic *logic = *state;
    char long_search[258];
    char many_words[2 * 70 + 1];
    memset(long_search, 'x', sizeof long_search - 1);
    long_search[sizeof long_search - 1] = '\0';
    for (size_t i = 0; i < 70; i++)
        memcpy(many_words + 2 * i, "a ", 3);
    const struct {
        struct ask ask;
        const char *field;
    } rows[] = {
        {{.page = -1}, "page"},
        {{.limit = -5}, "limit"},
        {{.limit = 201}, "limit"},
        {{.search = long_search}, "search"},
        {{.search = many_words}, "search"},
        {{.has_min = true, .min = -1}, "filters.minPrice"},
        {{.has_max = true, .max = -1}, "filters.maxPrice"},
        {{.sort = "id"}, "sort"},
        {{.sort = "Price"}, "sort"},
        {{.sort = "+price"}, "sort"},
        {{.sort = "price,title"}, "sort"},
        {{.page = -1, .sort = "id"}, "page"}, /* the first in declared order */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_context test;
        struct rpc_status status;
        const Lotcast__V1__ListItemsResponse *response = NULL;
        context_begin(&test);
        assert_int_not_equal(list(logic, &test, &rows[i].ask, &response, &status), RPC_OK);
        expect_reason(&status, "INVALID_ARGUMENT");
        assert_string_equal(status.field, rows[i].field);
        context_end(&test);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_as_they_are_asked_for),
        TEST(items_say_what_is_absent),
        TEST(bad_questions_are_refused),
    };
    return cmocka_run_group_tests_name("inventory", tests, NULL, NULL);
}
