/* Stamps: what changes them, and what does not. */
#include "test/unit/store/fixture.h"

#define USER (&lotcast__v1__user_record__descriptor)
#define CUSTOMER (&lotcast__v1__customer_record__descriptor)
#define BALANCE (&lotcast__v1__ledger_balance_record__descriptor)
#define ITEM (&lotcast__v1__item_record__descriptor)

/* What is watched: of customers 1 and 2, of user 1, and of all users. */
enum { CUSTOMER_1, CUSTOMER_2, ITEMS_1, USER_1, USERS, WATCHED };

static const struct store_partition watched[WATCHED] = {
    [CUSTOMER_1] = {CUSTOMER, true, {.kind = STORE_KEY_NUMBER, .number = 1}},
    [CUSTOMER_2] = {CUSTOMER, true, {.kind = STORE_KEY_NUMBER, .number = 2}},
    [ITEMS_1] = {ITEM, true, {.kind = STORE_KEY_NUMBER, .number = 1}},
    [USER_1] = {USER, true, {.kind = STORE_KEY_NUMBER, .number = 1}},
    [USERS] = {.record = USER},
};

/* By a call, and where they lie. */
static void read_stamps(struct fixture *fixture, uint64_t stamps[static WATCHED])
{
    const struct store_near near = store_near_of(fixture->store);
    uint32_t places[WATCHED];
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    expect_ok(store_read_stamped(fixture->client, &test.context, NULL, 0, watched, WATCHED, stamps,
                                 &status),
              &status);
    store_client_set_near(fixture->client, &near);
    assert_true(store_near_find(fixture->client, &test.arena, watched, WATCHED, places));
    for (size_t i = 0; i < WATCHED; i++) {
        assert_true(stamps[i] != STORE_STAMP_NONE);
        assert_true(store_near_stamp(fixture->client, places[i]) == stamps[i]);
    }
    context_end(&test);
}

enum change { PUT_CUSTOMER, PUT_BALANCE, PUT_ITEM, PUT_USER, DELETE_USER, CHECK, ADD, REFUSED };

static void add_change(struct store_commit *commit, enum change change, int64_t id)
{
    Lotcast__V1__CustomerRecord customer = LOTCAST__V1__CUSTOMER_RECORD__INIT;
    Lotcast__V1__LedgerBalanceRecord balance = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
    Lotcast__V1__ItemRecord item = LOTCAST__V1__ITEM_RECORD__INIT;
    Lotcast__V1__UserRecord user = make_user(id, id == 1 ? "a@x" : "b@x");
    customer.customer_id = balance.customer_id = item.customer_id = id;
    item.item_id = 5;
    switch (change) {
    case PUT_CUSTOMER:
        (void)store_commit_put(commit, &customer);
        break;
    case PUT_BALANCE:
        (void)store_commit_put(commit, &balance);
        break;
    case PUT_ITEM:
        (void)store_commit_put(commit, &item);
        break;
    case PUT_USER:
        (void)store_commit_put(commit, &user);
        break;
    case DELETE_USER:
        (void)store_commit_delete(commit, USER, store_key(store_number(id)));
        break;
    case CHECK:
        (void)store_commit_check(commit, USER, store_key(store_number(id)), 0);
        break;
    case ADD:
        (void)store_commit_add(commit, "number", 1);
        break;
    case REFUSED:
        (void)store_commit_put(commit, &customer);
        (void)store_commit_put_version(commit, &user, 999999);
        break;
    }
}

static void change_with_what_is_written(void **state)
{
    static const struct {
        const char *name;
        enum change change;
        int64_t id;
        bool changes[WATCHED];
    } rows[] = {
        {"a customer", PUT_CUSTOMER, 1, {[CUSTOMER_1] = true}},
        {"a table of the same group", PUT_BALANCE, 1, {[CUSTOMER_1] = true}},
        {"another customer", PUT_CUSTOMER, 2, {[CUSTOMER_2] = true}},
        {"a table of no group", PUT_ITEM, 1, {[ITEMS_1] = true}},
        {"a user", PUT_USER, 1, {[USER_1] = true, [USERS] = true}},
        {"another user", PUT_USER, 2, {[USERS] = true}},
        {"a user's end", DELETE_USER, 1, {[USER_1] = true, [USERS] = true}},
        {"only a check", CHECK, 1, {false}},
        {"a counter", ADD, 1, {false}},
        {"a commit that is refused", REFUSED, 1, {false}},
    };
    struct fixture *fixture = *state;
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct test_context test;
        struct store_commit commit;
        uint64_t before[WATCHED];
        uint64_t after[WATCHED];
        read_stamps(fixture, before);
        context_begin(&test);
        store_commit_init(&commit, fixture->client, &test.context);
        add_change(&commit, rows[row].change, rows[row].id);
        assert_int_equal(store_commit_send(&commit, &test.context, NULL, NULL),
                         rows[row].change == REFUSED ? RPC_ABORTED : RPC_OK);
        context_end(&test);
        read_stamps(fixture, after);
        for (size_t i = 0; i < WATCHED; i++)
            if ((before[i] != after[i]) != rows[row].changes[i])
                fail_msg("%s: stamp %zu", rows[row].name, i);
    }
}

static void begin_anew_with_the_store(void **state)
{
    struct fixture *fixture = *state;
    uint64_t before[WATCHED];
    uint64_t after[WATCHED];
    read_stamps(fixture, before);
    fixture_stop(fixture);
    fixture_start(fixture);
    read_stamps(fixture, after);
    for (size_t i = 0; i < WATCHED; i++)
        assert_true(before[i] != after[i]);
}

static void are_nothing_while_a_commit_is_under_way(void **state)
{
    (void)state;
    struct store_stamps *stamps = store__stamps_create();
    struct store_stamp_marks *marks = calloc(1, sizeof *marks);
    assert_non_null(stamps);
    assert_non_null(marks);
    uint64_t before = store__stamp_read(stamps, 70);
    uint64_t other = store__stamp_read(stamps, 71);
    store__stamp_mark(marks, 70);
    store__stamp_mark(marks, 70); /* twice in a group is once */
    store__stamps_begin(stamps, marks);
    assert_true(store__stamp_read(stamps, 70) == 0);
    assert_true(store__stamp_read(stamps, 71) == other);
    store__stamps_end(stamps, marks);
    uint64_t after = store__stamp_read(stamps, 70);
    assert_true(after != 0 && after != before);
    store__stamps_begin(stamps, marks); /* the marks are gone */
    assert_true(store__stamp_read(stamps, 70) == after);
    free(marks);
    store__stamps_destroy(stamps);
}

/* What one read of a batch finds of customer 1's balance, with its stamp if that is asked for. */
static int64_t read_in_batch(struct fixture *fixture, struct rpc_batch *batch, uint64_t *ret_stamp)
{
    struct test_context test;
    struct rpc_status status;
    Lotcast__V1__KeyPart key = LOTCAST__V1__KEY_PART__INIT;
    Lotcast__V1__KeyPart *keys[] = {&key};
    Lotcast__V1__GetOp get = LOTCAST__V1__GET_OP__INIT;
    Lotcast__V1__ReadOp op = LOTCAST__V1__READ_OP__INIT;
    Lotcast__V1__ReadOp *ops[] = {&op};
    Lotcast__V1__Partition partition = LOTCAST__V1__PARTITION__INIT;
    Lotcast__V1__Partition *partitions[] = {&partition};
    Lotcast__V1__ReadRequest request = LOTCAST__V1__READ_REQUEST__INIT;
    Lotcast__V1__ReadResponse response = LOTCAST__V1__READ_RESPONSE__INIT;
    key.kind_case = LOTCAST__V1__KEY_PART__KIND_NUMBER;
    key.number = 1;
    get.table = registry_message_of(fixture->registry, BALANCE)->table->id;
    get.n_key = 1;
    get.key = keys;
    op.kind_case = LOTCAST__V1__READ_OP__KIND_GET;
    op.get = &get;
    request.n_ops = 1;
    request.ops = ops;
    partition.table = get.table;
    partition.key = &key;
    request.n_partitions = ret_stamp == NULL ? 0 : 1;
    request.partitions = partitions;
    context_begin(&test);
    expect_ok(store__read(fixture->store, &test.context, batch, &request, &response, &status),
              &status);
    assert_int_equal(response.results[0]->n_rows, 1);
    ProtobufCBinaryData packed = response.results[0]->rows[0]->value;
    Lotcast__V1__LedgerBalanceRecord *balance =
        lotcast__v1__ledger_balance_record__unpack(NULL, packed.len, packed.data);
    assert_non_null(balance);
    int64_t found = balance->balance_centi;
    if (ret_stamp != NULL)
        *ret_stamp = response.stamps[0];
    lotcast__v1__ledger_balance_record__free_unpacked(balance, NULL);
    context_end(&test);
    return found;
}

/* Reads of a batch share a snapshot; a stamp is never younger than the one it came with. */
static void never_vouch_for_an_older_snapshot(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_batch batch = {0};
    uint64_t first;
    uint64_t second;
    Lotcast__V1__LedgerBalanceRecord balance = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
    balance.customer_id = 1;
    balance.balance_centi = 10;
    (void)put_record(fixture, &balance);
    assert_int_equal(read_in_batch(fixture, &batch, &first), 10);
    balance.balance_centi = 20;
    (void)put_record(fixture, &balance);
    assert_int_equal(read_in_batch(fixture, &batch, NULL), 10); /* shared */
    assert_int_equal(read_in_batch(fixture, &batch, &second), 20);
    assert_true(first != second);
    assert_non_null(batch.end);
    batch.end(batch.shared);
}

static void refuse_what_is_no_partition(void **state)
{
    struct fixture *fixture = *state;
    const struct store_partition text_key = {USER, true, store_text("x")};
    const struct store_partition no_record = {.record = &lotcast__v1__read_op__descriptor};
    static struct store_partition many[STORE_PARTITIONS_MAX + 1];
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
        many[i].record = USER;
    const struct {
        const struct store_partition *partitions;
        size_t count;
        const char *field;
    } rows[] = {
        {&text_key, 1, "user_id"},
        {&no_record, 1, "table"},
        {many, sizeof many / sizeof many[0], "partitions"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_context test;
        struct rpc_status status;
        uint64_t stamps[STORE_PARTITIONS_MAX + 1];
        context_begin(&test);
        assert_int_equal(store_read_stamped(fixture->client, &test.context, NULL, 0,
                                            rows[i].partitions, rows[i].count, stamps, &status),
                         RPC_INVALID_ARGUMENT);
        assert_string_equal(status.field, rows[i].field);
        context_end(&test);
    }
}

static void are_not_found_where_there_is_no_partition(void **state)
{
    struct fixture *fixture = *state;
    const struct store_near near = store_near_of(fixture->store);
    const struct store_partition rows[] = {
        {USER, true, store_text("x")},
        {CUSTOMER, true, store_data("x", 1)},
        {.record = &lotcast__v1__read_op__descriptor},
    };
    struct test_context test;
    uint32_t places[WATCHED];
    context_begin(&test);
    /* Of a store elsewhere. */
    assert_false(store_near_find(fixture->client, &test.arena, watched, WATCHED, places));
    store_client_set_near(fixture->client, &near);
    assert_true(store_near_find(fixture->client, &test.arena, watched, WATCHED, places));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_false(store_near_find(fixture->client, &test.arena, &rows[i], 1, places));
    context_end(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(change_with_what_is_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(begin_anew_with_the_store, set_up, tear_down),
        cmocka_unit_test(are_nothing_while_a_commit_is_under_way),
        cmocka_unit_test_setup_teardown(never_vouch_for_an_older_snapshot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuse_what_is_no_partition, set_up, tear_down),
        cmocka_unit_test_setup_teardown(are_not_found_where_there_is_no_partition, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
