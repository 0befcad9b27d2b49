/* Ranges, cursors, pages, counts and filters. */
#include "test/unit/store/fixture.h"

#define ITEM (&lotcast__v1__item_record__descriptor)
#define DAY (&lotcast__v1__insight_day_record__descriptor)

#define DAYS 1000
#define CUSTOMERS 3

/* DAYS days for each of CUSTOMERS customers, in one commit each. */
static void fill_days(struct fixture *fixture)
{
    for (int64_t customer = 1; customer <= CUSTOMERS; customer++) {
        struct test_context test;
        struct rpc_status status;
        struct store_commit commit;
        context_begin(&test);
        store_commit_init(&commit, fixture->client, &test.context);
        for (int32_t day = 0; day < DAYS; day++) {
            Lotcast__V1__InsightDayRecord record = LOTCAST__V1__INSIGHT_DAY_RECORD__INIT;
            record.customer_id = customer;
            record.day = day - DAYS / 2; /* some below 0 */
            record.clicks = day % 10;
            (void)store_commit_put(&commit, &record);
        }
        expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
        context_end(&test);
    }
}

static int32_t day_of(const struct store_read_op *op, size_t row)
{
    return ((const Lotcast__V1__InsightDayRecord *)op->ret_rows[row])->day;
}

static void reads_ranges_with_bounds(void **state)
{
    struct fixture *fixture = *state;
    fill_days(fixture);
    static const struct {
        const char *name;
        int64_t customer; /* 0: all */
        bool has_lower, has_upper;
        int64_t lower, upper;
        uint32_t limit;
        size_t want;
        int32_t first, last; /* in order */
        bool more;           /* at the end of the order; at its front in reverse */
    } rows[] = {
        {"one customer", 2, false, false, 0, 0, 0, 1000, -500, 499, false},
        {"a customer without days", 9, false, false, 0, 0, 0, 0, 0, 0, false},
        {"all", 0, false, false, 0, 0, 0, 3000, -500, 499, false},
        {"from", 2, true, false, 490, 0, 0, 10, 490, 499, false},
        {"until", 2, false, true, 0, -491, 0, 10, -500, -491, false},
        {"between", 2, true, true, -5, 5, 0, 11, -5, 5, false},
        {"one", 2, true, true, 7, 7, 0, 1, 7, 7, false},
        {"empty", 2, true, true, 8, 7, 0, 0, 0, 0, false},
        {"beyond", 2, true, false, 5000, 0, 0, 0, 0, 0, false},
        {"exactly the limit", 2, true, true, 1, 3, 3, 3, 1, 3, false},
        {"limit", 2, true, true, 1, 9, 3, 3, 1, 3, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int reverse = 0; reverse < 2; reverse++) {
            struct test_context test;
            struct rpc_status status;
            context_begin(&test);
            struct store_read_op op = {.record = DAY,
                                       .is_range = true,
                                       .reverse = reverse,
                                       .limit = rows[i].limit,
                                       .has_lower = rows[i].has_lower,
                                       .has_upper = rows[i].has_upper,
                                       .lower = store_number(rows[i].lower),
                                       .upper = store_number(rows[i].upper)};
            if (rows[i].customer != 0)
                op.key = store_key(store_number(rows[i].customer));
            expect_ok(store_read(fixture->client, &test.context, &op, 1, &status), &status);
            if (op.ret_row_count != rows[i].want || (op.ret_cursor.len > 0) != rows[i].more)
                fail_msg("%s: %zu rows", rows[i].name, op.ret_row_count);
            if (op.ret_row_count > 0 && !rows[i].more) {
                size_t end = op.ret_row_count - 1;
                assert_int_equal(day_of(&op, reverse ? end : 0), rows[i].first);
                assert_int_equal(day_of(&op, reverse ? 0 : end), rows[i].last);
            }
            op.count_only = true;
            expect_ok(store_read(fixture->client, &test.context, &op, 1, &status), &status);
            assert_int_equal(op.ret_row_count, 0);
            if (!rows[i].more)
                assert_int_equal(op.ret_count, rows[i].want);
            context_end(&test);
        }
    }
}

static void pages_without_gaps_or_repeats(void **state)
{
    struct fixture *fixture = *state;
    fill_days(fixture);
    static const uint32_t limits[] = {1, 7, 999, 1000, 1001};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (int reverse = 0; reverse < 2; reverse++) {
            int32_t want = reverse ? DAYS / 2 - 1 : -DAYS / 2;
            size_t seen = 0;
            struct test_context test;
            context_begin(&test);
            struct store_read_op op = {.record = DAY,
                                       .is_range = true,
                                       .reverse = reverse,
                                       .limit = limits[i],
                                       .key = store_key(store_number(2))};
            do {
                struct rpc_status status;
                expect_ok(store_read(fixture->client, &test.context, &op, 1, &status), &status);
                for (size_t row = 0; row < op.ret_row_count; row++) {
                    assert_int_equal(day_of(&op, row), want);
                    want += reverse ? -1 : 1;
                }
                seen += op.ret_row_count;
                op.cursor = op.ret_cursor;
            } while (op.cursor.len > 0);
            assert_int_equal(seen, DAYS);
            context_end(&test);
        }
    }
}

static void keeps_a_cursor_inside_its_range(void **state)
{
    struct fixture *fixture = *state;
    fill_days(fixture);
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    struct store_read_op first = {
        .record = DAY, .is_range = true, .limit = 1, .key = store_key(store_number(1))};
    expect_ok(store_read(fixture->client, &test.context, &first, 1, &status), &status);
    /* Customer 1's cursor opens nothing but customer 2's own days to a range of customer 2. */
    struct store_read_op second = {.record = DAY,
                                   .is_range = true,
                                   .key = store_key(store_number(2)),
                                   .cursor = first.ret_cursor};
    expect_ok(store_read(fixture->client, &test.context, &second, 1, &status), &status);
    assert_int_equal(second.ret_row_count, DAYS);
    second.reverse = true;
    expect_ok(store_read(fixture->client, &test.context, &second, 1, &status), &status);
    assert_int_equal(second.ret_row_count, 0);
    second.record = ITEM;
    assert_int_equal(store_read(fixture->client, &test.context, &second, 1, &status),
                     RPC_INVALID_ARGUMENT);
    assert_string_equal(status.field, "cursor");
    context_end(&test);
}

static void put_item(struct fixture *fixture, int64_t id, const char *identity,
                     const char *description)
{
    Lotcast__V1__ItemRecord item = LOTCAST__V1__ITEM_RECORD__INIT;
    item.customer_id = 1;
    item.item_id = id;
    item.identity = (char *)identity;
    item.title = (char *)(id % 2 == 0 ? "even" : "odd");
    item.description = (char *)description;
    item.in_stock = id % 5 != 0;
    item.price_minor = id * 100;
    item.kind = id % 3 == 0 ? LOTCAST__V1__ITEM_KIND__ITEM_KIND_VEHICLE
                            : LOTCAST__V1__ITEM_KIND__ITEM_KIND_PRODUCT;
    (void)put_record(fixture, &item);
}

static void reads_in_the_order_of_an_index(void **state)
{
    struct fixture *fixture = *state;
    static const char *const identities[] = {"delta", "alpha", "charlie", "bravo", "alph"};
    for (int64_t i = 0; i < 5; i++)
        put_item(fixture, i + 1, identities[i], "");
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    struct store_read_op op = {.record = ITEM,
                               .index = "by_identity",
                               .is_range = true,
                               .key = store_key(store_number(1))};
    expect_ok(store_read(fixture->client, &test.context, &op, 1, &status), &status);
    static const char *const sorted[] = {"alph", "alpha", "bravo", "charlie", "delta"};
    assert_int_equal(op.ret_row_count, 5);
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(((Lotcast__V1__ItemRecord *)op.ret_rows[i])->identity, sorted[i]);
    op.has_lower = op.has_upper = true;
    op.lower = store_text("alpha");
    op.upper = store_text("c");
    expect_ok(store_read(fixture->client, &test.context, &op, 1, &status), &status);
    assert_int_equal(op.ret_row_count, 2);

    Lotcast__V1__SessionRecord session = LOTCAST__V1__SESSION_RECORD__INIT;
    for (uint8_t i = 0; i < 6; i++) {
        uint8_t hash[2] = {0, (uint8_t)(5 - i)};
        session.token_hash = (ProtobufCBinaryData){sizeof hash, hash};
        session.user_id = i % 2;
        (void)put_record(fixture, &session);
    }
    /* Not unique: the primary key follows the index's own field, in the order and in bounds. */
    struct store_read_op by_user = {.record = &lotcast__v1__session_record__descriptor,
                                    .index = "by_user",
                                    .is_range = true,
                                    .key = store_key(store_number(1))};
    expect_ok(store_read(fixture->client, &test.context, &by_user, 1, &status), &status);
    assert_int_equal(by_user.ret_row_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(((Lotcast__V1__SessionRecord *)by_user.ret_rows[i])->token_hash.data[1],
                         2 * i);
    by_user.has_lower = true;
    by_user.lower = store_data("\0\1", 2);
    expect_ok(store_read(fixture->client, &test.context, &by_user, 1, &status), &status);
    assert_int_equal(by_user.ret_row_count, 2);
    context_end(&test);
}

static void cuts_large_answers_with_a_cursor(void **state)
{
    struct fixture *fixture = *state;
    enum { ITEMS = 24, DESCRIPTION_BYTES = 1000000 };
    char *text = malloc(DESCRIPTION_BYTES + 1);
    assert_non_null(text);
    memset(text, 'd', DESCRIPTION_BYTES);
    text[DESCRIPTION_BYTES] = '\0';
    for (int64_t i = 1; i <= ITEMS; i++) {
        char identity[16];
        (void)snprintf(identity, sizeof identity, "%02d", (int)i);
        put_item(fixture, i, identity, text);
    }
    free(text);
    /* Two ranges at once: the second begins where there is room left, or later. */
    size_t seen[2] = {0, 0};
    size_t rounds = 0;
    struct store_read_op next[2] = {
        {.record = ITEM, .is_range = true, .key = store_key(store_number(1))},
        {.record = ITEM, .is_range = true, .reverse = true, .key = store_key(store_number(1))}};
    uint8_t cursors[2][600];
    bool is_over[2] = {false, false};
    while (!is_over[0] || !is_over[1]) {
        struct test_context test;
        struct rpc_status status;
        struct store_read_op ops[2] = {next[0], next[1]};
        size_t from = is_over[0] ? 1 : 0;
        size_t count = is_over[0] || is_over[1] ? 1 : 2;
        context_begin(&test);
        expect_ok(store_read(fixture->client, &test.context, ops + from, count, &status), &status);
        for (size_t i = from; i < from + count; i++) {
            for (size_t row = 0; row < ops[i].ret_row_count; row++) {
                seen[i]++;
                int64_t id = ((Lotcast__V1__ItemRecord *)ops[i].ret_rows[row])->item_id;
                assert_int_equal(id, i == 0 ? seen[i] : ITEMS + 1 - seen[i]);
            }
            is_over[i] = ops[i].ret_cursor.len == 0;
            if (ops[i].ret_cursor.len > 0)
                memcpy(cursors[i], ops[i].ret_cursor.data, ops[i].ret_cursor.len);
            next[i].cursor = span_of(cursors[i], ops[i].ret_cursor.len);
        }
        context_end(&test);
        rounds++;
    }
    assert_int_equal(seen[0], ITEMS);
    assert_int_equal(seen[1], ITEMS);
    assert_true(rounds >= 6 && rounds < 20);

    /* Gets cannot be cut: too many of them are refused. */
    struct test_context test;
    struct rpc_status status;
    struct store_read_op gets[ITEMS];
    for (int64_t i = 0; i < ITEMS; i++)
        gets[i] = (struct store_read_op){.record = ITEM,
                                         .key = store_key(store_number(1), store_number(i + 1))};
    context_begin(&test);
    assert_int_equal(store_read(fixture->client, &test.context, gets, ITEMS, &status),
                     RPC_RESOURCE_EXHAUSTED);
    expect_ok(store_read(fixture->client, &test.context, gets, 10, &status), &status);
    context_end(&test);
}

/* --- Query, which has no function in the client --- */

static Lotcast__V1__KeyPart number_part(int64_t number)
{
    Lotcast__V1__KeyPart part = LOTCAST__V1__KEY_PART__INIT;
    part.kind_case = LOTCAST__V1__KEY_PART__KIND_NUMBER;
    part.number = number;
    return part;
}

static Lotcast__V1__KeyPart text_part(const char *text)
{
    Lotcast__V1__KeyPart part = LOTCAST__V1__KEY_PART__INIT;
    part.kind_case = LOTCAST__V1__KEY_PART__KIND_TEXT;
    part.text = (char *)text;
    return part;
}

static const Lotcast__V1__QueryResponse *query(struct fixture *fixture, struct test_context *test,
                                               const Lotcast__V1__QueryRequest *request)
{
    struct rpc_status status;
    const ProtobufCMessage *response = NULL;
    const struct rpc_request call = {
        .method = registry_method_find(fixture->registry, span_of_string("lotcast.v1.Store/Query")),
        .message = &request->base,
        .context = &test->context};
    expect_ok(rpc_channel_call(fixture->channel, &call, &response, &status), &status);
    return (const Lotcast__V1__QueryResponse *)response;
}

static void filters(void **state)
{
    struct fixture *fixture = *state;
    for (int64_t i = 1; i <= 60; i++) {
        char identity[16];
        (void)snprintf(identity, sizeof identity, "i%02d", (int)i);
        put_item(fixture, i, identity, "");
    }
    const struct {
        const char *name;
        const char *field;
        Lotcast__V1__Comparison comparison;
        Lotcast__V1__KeyPart value;
        int64_t want;
    } rows[] = {
        {"bool", "in_stock", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL, number_part(1), 48},
        {"bool, absent", "in_stock", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL, number_part(0), 12},
        {"enum", "kind", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL, number_part(2), 20},
        {"not", "kind", LOTCAST__V1__COMPARISON__COMPARISON_NOT_EQUAL, number_part(2), 40},
        {"less", "price_minor", LOTCAST__V1__COMPARISON__COMPARISON_LESS, number_part(1000), 9},
        {"or equal", "price_minor", LOTCAST__V1__COMPARISON__COMPARISON_LESS_OR_EQUAL,
         number_part(1000), 10},
        {"greater", "price_minor", LOTCAST__V1__COMPARISON__COMPARISON_GREATER, number_part(5900),
         1},
        {"at least", "price_minor", LOTCAST__V1__COMPARISON__COMPARISON_GREATER_OR_EQUAL,
         number_part(5900), 2},
        {"text", "title", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL, text_part("odd"), 30},
        {"text order", "identity", LOTCAST__V1__COMPARISON__COMPARISON_LESS, text_part("i1"), 9},
        {"absent text", "vin", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL, text_part(""), 60},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_context test;
        context_begin(&test);
        Lotcast__V1__QueryRequest request = LOTCAST__V1__QUERY_REQUEST__INIT;
        Lotcast__V1__RangeOp range = LOTCAST__V1__RANGE_OP__INIT;
        Lotcast__V1__FilterOp filter = LOTCAST__V1__FILTER_OP__INIT;
        Lotcast__V1__FilterOp *pointers[] = {&filter};
        Lotcast__V1__KeyPart value = rows[i].value;
        range.table = 7;
        range.limit = 5;
        filter.field = (char *)rows[i].field;
        filter.comparison = rows[i].comparison;
        filter.value = &value;
        request.range = &range;
        request.filters = pointers;
        request.n_filters = 1;
        request.want_total = true;
        const Lotcast__V1__QueryResponse *response = query(fixture, &test, &request);
        if (response->total != rows[i].want)
            fail_msg("%s: %lld", rows[i].name, (long long)response->total);
        assert_int_equal(response->n_rows, rows[i].want < 5 ? rows[i].want : 5);
        assert_int_equal(response->cursor.len > 0, rows[i].want > 5);
        context_end(&test);
    }
}

static void pages_what_passes_the_filters(void **state)
{
    struct fixture *fixture = *state;
    for (int64_t i = 1; i <= 60; i++) {
        char identity[16];
        (void)snprintf(identity, sizeof identity, "i%02d", (int)i);
        put_item(fixture, i, identity, "");
    }
    struct test_context test;
    context_begin(&test);
    Lotcast__V1__KeyPart customer = number_part(1);
    Lotcast__V1__KeyPart *prefix[] = {&customer};
    Lotcast__V1__KeyPart odd = text_part("odd");
    Lotcast__V1__KeyPart stock = number_part(1);
    Lotcast__V1__FilterOp filters_[] = {LOTCAST__V1__FILTER_OP__INIT, LOTCAST__V1__FILTER_OP__INIT};
    Lotcast__V1__FilterOp *pointers[] = {&filters_[0], &filters_[1]};
    filters_[0].field = (char *)"title";
    filters_[0].comparison = LOTCAST__V1__COMPARISON__COMPARISON_EQUAL;
    filters_[0].value = &odd;
    filters_[1].field = (char *)"in_stock";
    filters_[1].comparison = LOTCAST__V1__COMPARISON__COMPARISON_EQUAL;
    filters_[1].value = &stock;
    Lotcast__V1__RangeOp range = LOTCAST__V1__RANGE_OP__INIT;
    range.table = 7;
    range.prefix = prefix;
    range.n_prefix = 1;
    range.limit = 10;
    Lotcast__V1__QueryRequest request = LOTCAST__V1__QUERY_REQUEST__INIT;
    request.range = &range;
    request.filters = pointers;
    request.n_filters = 2;
    /* 30 odd ones of which 6 are out of stock: 24. */
    static const struct {
        uint32_t offset;
        size_t rows;
        bool more;
    } pages[] = {{0, 10, true}, {10, 10, true}, {14, 10, false}, {20, 4, false}, {24, 0, false}};
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        for (int total = 0; total < 2; total++) {
            request.offset = pages[i].offset;
            request.want_total = total;
            const Lotcast__V1__QueryResponse *response = query(fixture, &test, &request);
            assert_int_equal(response->n_rows, pages[i].rows);
            assert_int_equal(response->total, total ? 24 : 0);
            assert_int_equal(response->cursor.len > 0, pages[i].more);
        }
    }
    /* By cursor: the same 24. */
    request.offset = 0;
    request.want_total = false;
    size_t seen = 0;
    do {
        const Lotcast__V1__QueryResponse *response = query(fixture, &test, &request);
        seen += response->n_rows;
        range.cursor = response->cursor;
    } while (range.cursor.len > 0);
    assert_int_equal(seen, 24);
    range.count_only = true;
    range.cursor.len = 0;
    const Lotcast__V1__QueryResponse *counted = query(fixture, &test, &request);
    assert_int_equal(counted->total, 24);
    assert_int_equal(counted->n_rows, 0);
    context_end(&test);
}

static void refuses_bad_queries(void **state)
{
    struct fixture *fixture = *state;
    Lotcast__V1__KeyPart number = number_part(1);
    Lotcast__V1__KeyPart text = text_part("x");
    Lotcast__V1__KeyPart empty = LOTCAST__V1__KEY_PART__INIT;
    const Lotcast__V1__Comparison equal = LOTCAST__V1__COMPARISON__COMPARISON_EQUAL;
    const struct {
        const char *name;
        const char *field;
        Lotcast__V1__Comparison comparison;
        Lotcast__V1__KeyPart *value;
        uint32_t table, index;
    } rows[] = {
        {"unknown field", "shoe_size", equal, &number, 10, 0},
        {"a message", "scan", equal, &number, 10, 0},
        {"a repeated field", "attempts_at_ms", equal, &number, 5, 0},
        {"text for a number", "job_id", equal, &text, 10, 0},
        {"number for a text", "active_slot", equal, &number, 10, 0},
        {"text for bytes", "subject", equal, &text, 5, 0},
        {"a value of no kind", "job_id", equal, &empty, 10, 0},
        {"no value", "job_id", equal, NULL, 10, 0},
        {"no comparison", "job_id", LOTCAST__V1__COMPARISON__COMPARISON_UNSPECIFIED, &number, 10,
         0},
        {"unknown comparison", "job_id", 99, &number, 10, 0},
        {"unknown table", "job_id", equal, &number, 99, 0},
        {"unknown index", "job_id", equal, &number, 10, 9},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_context test;
        struct rpc_status status;
        Lotcast__V1__QueryRequest request = LOTCAST__V1__QUERY_REQUEST__INIT;
        Lotcast__V1__QueryResponse response = LOTCAST__V1__QUERY_RESPONSE__INIT;
        Lotcast__V1__RangeOp range = LOTCAST__V1__RANGE_OP__INIT;
        Lotcast__V1__FilterOp filter = LOTCAST__V1__FILTER_OP__INIT;
        Lotcast__V1__FilterOp *pointers[] = {&filter};
        range.table = rows[i].table;
        range.index = rows[i].index;
        filter.field = (char *)rows[i].field;
        filter.comparison = rows[i].comparison;
        filter.value = rows[i].value;
        request.range = &range;
        request.filters = pointers;
        request.n_filters = 1;
        context_begin(&test);
        enum rpc_code code =
            store__query(fixture->store, &test.context, &request, &response, &status);
        context_end(&test);
        if (code != RPC_INVALID_ARGUMENT)
            fail_msg("%s: %s", rows[i].name, rpc_code_name(code));
    }
    struct test_context test;
    struct rpc_status status;
    Lotcast__V1__QueryRequest request = LOTCAST__V1__QUERY_REQUEST__INIT;
    Lotcast__V1__QueryResponse response = LOTCAST__V1__QUERY_RESPONSE__INIT;
    context_begin(&test);
    assert_int_equal(store__query(fixture->store, &test.context, &request, &response, &status),
                     RPC_INVALID_ARGUMENT);
    context_end(&test);
}

static void stops_when_the_caller_has_gone(void **state)
{
    struct fixture *fixture = *state;
    fill_days(fixture);
    static const struct {
        bool is_cancelled;
        enum rpc_code want;
    } rows[] = {{true, RPC_CANCELLED}, {false, RPC_DEADLINE_EXCEEDED}};
    for (size_t i = 0; i < 2; i++) {
        struct test_context test;
        struct rpc_status status;
        Lotcast__V1__QueryRequest request = LOTCAST__V1__QUERY_REQUEST__INIT;
        Lotcast__V1__QueryResponse response = LOTCAST__V1__QUERY_RESPONSE__INIT;
        Lotcast__V1__RangeOp range = LOTCAST__V1__RANGE_OP__INIT;
        atomic_bool cancelled = rows[i].is_cancelled;
        range.table = 11;
        request.range = &range;
        request.want_total = true;
        context_begin(&test);
        test.context.cancelled = &cancelled;
        if (!rows[i].is_cancelled)
            test.context.deadline_ms = clock_mono_ms();
        assert_int_equal(store__query(fixture->store, &test.context, &request, &response, &status),
                         rows[i].want);
        context_end(&test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_ranges_with_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pages_without_gaps_or_repeats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_a_cursor_inside_its_range, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_in_the_order_of_an_index, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cuts_large_answers_with_a_cursor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(filters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pages_what_passes_the_filters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_queries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stops_when_the_caller_has_gone, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("query", tests, NULL, NULL);
}
