/* Records, keys, indexes and preconditions, through the client. */
#include "test/unit/store/fixture.h"

#define USER (&lotcast__v1__user_record__descriptor)
#define JOB (&lotcast__v1__job_record__descriptor)
#define ITEM (&lotcast__v1__item_record__descriptor)

static int64_t user_by_email(struct fixture *fixture, const char *email_key)
{
    struct test_context test;
    struct rpc_status status;
    Lotcast__V1__UserRecord *user = NULL;
    context_begin(&test);
    expect_ok(store_get(fixture->client, &test.context, USER, "by_email",
                        store_key(store_text(email_key)), &user, NULL, &status),
              &status);
    int64_t id = user == NULL ? 0 : user->user_id;
    context_end(&test);
    return id;
}

static void puts_gets_replaces_and_deletes(void **state)
{
    struct fixture *fixture = *state;
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);

    assert_int_equal(user_version(fixture, 7), 0);
    Lotcast__V1__UserRecord user = make_user(7, "a@x");
    user.email = (char *)"A@x";
    uint64_t first = put_record(fixture, &user);
    assert_true(first > 0);

    Lotcast__V1__UserRecord *found = NULL;
    uint64_t version = 0;
    expect_ok(store_get(fixture->client, &test.context, USER, NULL, store_key(store_number(7)),
                        &found, &version, &status),
              &status);
    assert_non_null(found);
    assert_string_equal(found->email, "A@x");
    assert_string_equal(found->name, "Ada");
    assert_true(version == first);

    user.name = (char *)"";
    uint64_t second = put_record(fixture, &user);
    assert_true(second > first);
    assert_true(user_version(fixture, 7) == second);

    struct store_commit commit;
    store_commit_init(&commit, fixture->client, &test.context);
    (void)store_commit_delete(&commit, USER, store_key(store_number(7)));
    (void)store_commit_delete(&commit, USER, store_key(store_number(8))); /* is not there */
    expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
    assert_int_equal(user_version(fixture, 7), 0);
    assert_int_equal(user_by_email(fixture, "a@x"), 0);

    /* A record that comes back never has an old version. */
    assert_true(put_record(fixture, &user) > second);
    context_end(&test);
}

static void keeps_versions_and_records_over_a_restart(void **state)
{
    struct fixture *fixture = *state;
    Lotcast__V1__UserRecord user = make_user(1, "a@x");
    uint64_t first = put_record(fixture, &user);
    fixture_stop(fixture);
    fixture_start(fixture);
    assert_true(user_version(fixture, 1) == first);
    assert_int_equal(user_by_email(fixture, "a@x"), 1);
    assert_true(put_record(fixture, &user) > first);
}

enum write { PUT, PUT_NEW, PUT_VERSION, DELETE_VERSION, CHECK };

static const char *const write_names[] = {"put", "put_new", "put_version", "delete_version",
                                          "check"};

static size_t add_write(struct store_commit *commit, enum write write, int64_t id, uint64_t version)
{
    struct store_key key = store_key(store_number(id));
    Lotcast__V1__UserRecord user = make_user(id, id == 1 ? "one@x" : "other@x");
    switch (write) {
    case PUT:
        return store_commit_put(commit, &user);
    case PUT_NEW:
        return store_commit_put_new(commit, &user);
    case PUT_VERSION:
        return store_commit_put_version(commit, &user, version);
    case DELETE_VERSION:
        return store_commit_delete_version(commit, USER, key, version);
    case CHECK:
    default:
        return store_commit_check(commit, USER, key, version);
    }
}

static void holds_writes_to_their_preconditions(void **state)
{
    struct fixture *fixture = *state;
    /* Record 1 is there; `version` is relative to its version; record 2 is absent. */
    static const struct {
        enum write write;
        int64_t id;
        bool is_current, is_zero;
        bool want;
    } rows[] = {
        {PUT, 1, false, false, true},
        {PUT, 2, false, false, true},
        {PUT_NEW, 1, false, false, false},
        {PUT_NEW, 2, false, false, true},
        {PUT_VERSION, 1, true, false, true},
        {PUT_VERSION, 1, false, false, false},
        {PUT_VERSION, 1, false, true, false},
        {PUT_VERSION, 2, false, true, true},
        {PUT_VERSION, 2, false, false, false},
        {DELETE_VERSION, 1, true, false, true},
        {DELETE_VERSION, 1, false, false, false},
        {DELETE_VERSION, 1, false, true, false},
        {DELETE_VERSION, 2, false, true, true},
        {DELETE_VERSION, 2, false, false, false},
        {CHECK, 1, true, false, true},
        {CHECK, 1, false, false, false},
        {CHECK, 1, false, true, false},
        {CHECK, 2, false, true, true},
        {CHECK, 2, false, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct test_context test;
        struct rpc_status status;
        struct store_commit commit;
        context_begin(&test);
        store_commit_init(&commit, fixture->client, &test.context);
        (void)store_commit_delete(&commit, USER, store_key(store_number(2)));
        (void)add_write(&commit, PUT, 1, 0);
        expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
        uint64_t current = user_version(fixture, 1);

        /* The write under test stands behind one that would show if it were not taken back. */
        store_commit_init(&commit, fixture->client, &test.context);
        (void)store_commit_add(&commit, "tries", 1);
        Lotcast__V1__UserRecord marker = make_user(100 + (int64_t)i, "marker@x");
        (void)store_commit_put(&commit, &marker);
        uint64_t version = rows[i].is_zero ? 0 : rows[i].is_current ? current : current + 1000;
        size_t op = add_write(&commit, rows[i].write, rows[i].id, version);
        enum rpc_code code = store_commit_send(&commit, &test.context, NULL, &status);
        bool is_written = user_version(fixture, 100 + (int64_t)i) != 0;
        if (code != (rows[i].want ? RPC_OK : RPC_ABORTED) || is_written != rows[i].want)
            fail_msg("row %zu, %s: %s", i, write_names[rows[i].write], rpc_code_name(code));
        char field[32];
        (void)snprintf(field, sizeof field, "ops[%zu]", op);
        if (!rows[i].want) {
            assert_string_equal(status.field, field);
            assert_true(user_version(fixture, 1) == current);
        }
        store_commit_init(&commit, fixture->client, &test.context);
        (void)store_commit_delete(&commit, USER, store_key(store_number(100 + (int64_t)i)));
        expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
        context_end(&test);
    }
}

static void sees_earlier_ops_of_the_same_commit(void **state)
{
    struct fixture *fixture = *state;
    struct test_context test;
    struct rpc_status status;
    struct store_commit commit;
    context_begin(&test);
    store_commit_init(&commit, fixture->client, &test.context);
    Lotcast__V1__UserRecord user = make_user(1, "a@x");
    Lotcast__V1__UserRecord heir = make_user(2, "a@x");
    (void)store_commit_put_new(&commit, &user);
    (void)store_commit_delete(&commit, USER, store_key(store_number(1)));
    (void)store_commit_check(&commit, USER, store_key(store_number(1)), 0);
    (void)store_commit_put_new(&commit, &heir); /* takes over the e-mail */
    expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
    assert_int_equal(user_by_email(fixture, "a@x"), 2);

    store_commit_init(&commit, fixture->client, &test.context);
    (void)store_commit_put(&commit, &user);
    assert_int_equal(store_commit_send(&commit, &test.context, NULL, &status), RPC_ALREADY_EXISTS);
    assert_string_equal(status.field, "by_email");

    store_commit_init(&commit, fixture->client, &test.context);
    Lotcast__V1__UserRecord three = make_user(3, "c@x");
    (void)store_commit_put_new(&commit, &three);
    size_t op = store_commit_put_new(&commit, &three);
    assert_int_equal(store_commit_send(&commit, &test.context, NULL, &status), RPC_ABORTED);
    assert_int_equal(op, 1);
    assert_string_equal(status.field, "ops[1]");
    assert_int_equal(user_version(fixture, 3), 0);
    context_end(&test);
}

static void keeps_unique_indexes_in_step(void **state)
{
    struct fixture *fixture = *state;
    Lotcast__V1__UserRecord one = make_user(1, "one@x");
    (void)put_record(fixture, &one);
    (void)put_record(fixture, &one); /* its own value is no clash */
    one.email_key = (char *)"uno@x";
    (void)put_record(fixture, &one);
    assert_int_equal(user_by_email(fixture, "one@x"), 0);
    assert_int_equal(user_by_email(fixture, "uno@x"), 1);
    Lotcast__V1__UserRecord two = make_user(2, "one@x");
    (void)put_record(fixture, &two);
    assert_int_equal(user_by_email(fixture, "one@x"), 2);
}

static enum rpc_code put_job(struct fixture *fixture, int64_t id, const char *slot, int64_t due)
{
    struct test_context test;
    struct rpc_status status;
    struct store_commit commit;
    context_begin(&test);
    Lotcast__V1__JobRecord job = LOTCAST__V1__JOB_RECORD__INIT;
    job.job_id = id;
    job.customer_id = 1;
    job.active_slot = (char *)slot;
    job.due_key = due;
    store_commit_init(&commit, fixture->client, &test.context);
    (void)store_commit_put(&commit, &job);
    enum rpc_code code = store_commit_send(&commit, &test.context, NULL, &status);
    context_end(&test);
    return code;
}

static int64_t count_jobs(struct fixture *fixture, const char *index)
{
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    struct store_read_op op = {.record = JOB, .index = index, .is_range = true, .count_only = true};
    expect_ok(store_read(fixture->client, &test.context, &op, 1, &status), &status);
    context_end(&test);
    return op.ret_count;
}

static void leaves_defaults_out_of_sparse_indexes(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(put_job(fixture, 1, "scan:1", 10), RPC_OK);
    assert_int_equal(put_job(fixture, 2, "", 0), RPC_OK);
    assert_int_equal(put_job(fixture, 3, "", 0), RPC_OK); /* "" is no value to clash over */
    assert_int_equal(put_job(fixture, 4, "scan:1", 20), RPC_ALREADY_EXISTS);
    assert_int_equal(count_jobs(fixture, NULL), 3);
    assert_int_equal(count_jobs(fixture, "by_due"), 1);
    assert_int_equal(count_jobs(fixture, "by_slot"), 1);
    assert_int_equal(count_jobs(fixture, "by_customer"), 3);
    assert_int_equal(put_job(fixture, 1, "", 0), RPC_OK);
    assert_int_equal(count_jobs(fixture, "by_due"), 0);
    assert_int_equal(put_job(fixture, 4, "scan:1", -20), RPC_OK);
    assert_int_equal(count_jobs(fixture, "by_slot"), 1);
    assert_int_equal(count_jobs(fixture, "by_due"), 1);
}

static void cuts_long_texts_in_index_keys_only(void **state)
{
    struct fixture *fixture = *state;
    static char identity[3][3000];
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    for (int i = 0; i < 3; i++) {
        memset(identity[i], 'u', sizeof identity[i] - 1);
        identity[i][sizeof identity[i] - 2] = (char)('0' + i); /* they differ at the end alone */
        Lotcast__V1__ItemRecord item = LOTCAST__V1__ITEM_RECORD__INIT;
        item.customer_id = 1;
        item.item_id = i + 1;
        item.identity = identity[i];
        (void)put_record(fixture, &item);
    }
    for (int i = 0; i < 3; i++) {
        Lotcast__V1__ItemRecord *found = NULL;
        expect_ok(store_get(fixture->client, &test.context, ITEM, "by_identity",
                            store_key(store_number(1), store_text(identity[i])), &found, NULL,
                            &status),
                  &status);
        assert_non_null(found);
        assert_int_equal(found->item_id, i + 1);
    }
    struct store_commit commit;
    Lotcast__V1__ItemRecord twin = LOTCAST__V1__ITEM_RECORD__INIT;
    twin.customer_id = 1;
    twin.item_id = 9;
    twin.identity = identity[1];
    store_commit_init(&commit, fixture->client, &test.context);
    (void)store_commit_put(&commit, &twin);
    assert_int_equal(store_commit_send(&commit, &test.context, NULL, &status), RPC_ALREADY_EXISTS);

    struct store_read_op bound = {.record = ITEM,
                                  .index = "by_identity",
                                  .is_range = true,
                                  .key = store_key(store_number(1)),
                                  .has_lower = true,
                                  .lower = store_text(identity[0])};
    assert_int_equal(store_read(fixture->client, &test.context, &bound, 1, &status),
                     RPC_INVALID_ARGUMENT);
    assert_string_equal(status.field, "identity");

    Lotcast__V1__LedgerPostingRecord posting = LOTCAST__V1__LEDGER_POSTING_RECORD__INIT;
    posting.reference = identity[0];
    store_commit_init(&commit, fixture->client, &test.context);
    (void)store_commit_put(&commit, &posting);
    assert_int_equal(store_commit_send(&commit, &test.context, NULL, &status),
                     RPC_INVALID_ARGUMENT);
    assert_string_equal(status.field, "reference");
    context_end(&test);
}

static void counts(void **state)
{
    struct fixture *fixture = *state;
    struct test_context test;
    struct rpc_status status;
    int64_t first = 0;
    context_begin(&test);
    expect_ok(store_numbers_take(fixture->client, &test.context, "user", 1, &first, &status),
              &status);
    assert_int_equal(first, 1);
    expect_ok(store_numbers_take(fixture->client, &test.context, "user", 10, &first, &status),
              &status);
    assert_int_equal(first, 2);
    expect_ok(store_numbers_take(fixture->client, &test.context, "other", 1, &first, &status),
              &status);
    assert_int_equal(first, 1);
    struct store_read_op ops[] = {{.counter = "user"}, {.counter = "nothing"}};
    expect_ok(store_read(fixture->client, &test.context, ops, 2, &status), &status);
    assert_int_equal(ops[0].ret_count, 11);
    assert_int_equal(ops[1].ret_count, 0);

    static const struct {
        int64_t delta;
        enum rpc_code want;
    } rows[] = {{INT64_MAX - 11, RPC_OK},
                {1, RPC_OUT_OF_RANGE},
                {-INT64_MAX, RPC_OK},
                {INT64_MIN, RPC_OK},
                {-1, RPC_OUT_OF_RANGE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_commit commit;
        store_commit_init(&commit, fixture->client, &test.context);
        (void)store_commit_add(&commit, "user", rows[i].delta);
        enum rpc_code code = store_commit_send(&commit, &test.context, NULL, &status);
        assert_int_equal(code, rows[i].want);
    }
    context_end(&test);
}

static void takes_an_empty_commit_and_an_empty_read(void **state)
{
    struct fixture *fixture = *state;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__CommitResponse *response = NULL;
    struct store_commit commit;
    context_begin(&test);
    store_commit_init(&commit, fixture->client, &test.context);
    expect_ok(store_commit_send(&commit, &test.context, &response, &status), &status);
    assert_int_equal(response->n_results, 0);
    expect_ok(store_read(fixture->client, &test.context, NULL, 0, &status), &status);
    context_end(&test);
}

/* --- requests that no client of ours makes --- */

static void never_done(struct store_commit_work *work)
{
    (void)work;
    fail_msg("a bad request was queued");
}

static enum rpc_code raw_commit(struct fixture *fixture, Lotcast__V1__CommitOp *op,
                                struct rpc_status *status)
{
    struct test_context test;
    Lotcast__V1__CommitRequest request = LOTCAST__V1__COMMIT_REQUEST__INIT;
    Lotcast__V1__CommitResponse response = LOTCAST__V1__COMMIT_RESPONSE__INIT;
    struct store_commit_work work = {
        .context = &test.context, .response = &response, .done = never_done};
    request.ops = &op;
    request.n_ops = 1;
    context_begin(&test);
    enum rpc_code code = store__commit(fixture->store, &request, &work, status);
    assert_int_not_equal(code, RPC_OK);
    context_end(&test);
    return code;
}

static void refuses_bad_puts(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *name;
        uint32_t table;
        const char *bytes;
        size_t len;
        const char *field;
    } rows[] = {
        {"no table", 0, "", 0, "table"},
        {"unknown table", 4711, "", 0, "table"},
        {"cut tag", 1, "\x88", 1, "value"},
        {"cut varint", 1, "\x08\xff", 2, "value"},
        {"varint of 11 bytes", 1, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, "value"},
        {"varint above 64 bits", 1, "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, "value"},
        {"length beyond the end", 1,
         "\x12\x05"
         "ab",
         4, "value"},
        {"huge length", 1, "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "value"},
        {"group", 1, "\x0b\x0c", 2, "value"},
        {"field number 0", 1, "\x00\x01", 2, "value"},
        {"wrong wire type", 1, "\x0a\x01x", 3, "value"},
        {"cut fixed64", 1, "\x79\x01", 2, "value"},
        {"NUL in text", 1,
         "\x12\x03"
         "a\0b",
         5, "value"},
        {"bad UTF-8", 1, "\x12\x02\xc3\x28", 4, "value"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Lotcast__V1__PutOp put = LOTCAST__V1__PUT_OP__INIT;
        Lotcast__V1__CommitOp op = LOTCAST__V1__COMMIT_OP__INIT;
        struct rpc_status status;
        put.table = rows[i].table;
        put.value = (ProtobufCBinaryData){rows[i].len, (uint8_t *)rows[i].bytes};
        op.kind_case = LOTCAST__V1__COMMIT_OP__KIND_PUT;
        op.put = &put;
        enum rpc_code code = raw_commit(fixture, &op, &status);
        if (code != RPC_INVALID_ARGUMENT || strcmp(status.field, rows[i].field) != 0)
            fail_msg("%s: %s, field %s", rows[i].name, rpc_code_name(code), status.field);
    }
}

static void refuses_bad_ops(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_status status;
    Lotcast__V1__CommitOp nothing = LOTCAST__V1__COMMIT_OP__INIT;
    assert_int_equal(raw_commit(fixture, &nothing, &status), RPC_INVALID_ARGUMENT);

    Lotcast__V1__KeyPart text = LOTCAST__V1__KEY_PART__INIT;
    text.kind_case = LOTCAST__V1__KEY_PART__KIND_TEXT;
    text.text = (char *)"x";
    Lotcast__V1__KeyPart empty = LOTCAST__V1__KEY_PART__INIT;
    Lotcast__V1__KeyPart number = LOTCAST__V1__KEY_PART__INIT;
    number.kind_case = LOTCAST__V1__KEY_PART__KIND_NUMBER;
    struct {
        const char *name;
        uint32_t table;
        Lotcast__V1__KeyPart *key[2];
        size_t count;
        Lotcast__V1__Precondition precondition;
    } rows[] = {
        {"no key", 1, {NULL}, 0, 0},
        {"too many parts", 1, {&number, &number}, 2, 0},
        {"text for a number", 1, {&text}, 1, 0},
        {"a part without a value", 1, {&empty}, 1, 0},
        {"unknown table", 99, {&number}, 1, 0},
        {"unknown precondition", 1, {&number}, 1, 77},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        Lotcast__V1__DeleteOp drop = LOTCAST__V1__DELETE_OP__INIT;
        Lotcast__V1__CommitOp op = LOTCAST__V1__COMMIT_OP__INIT;
        drop.table = rows[i].table;
        drop.key = rows[i].key;
        drop.n_key = rows[i].count;
        drop.precondition = rows[i].precondition;
        op.kind_case = LOTCAST__V1__COMMIT_OP__KIND_DELETE;
        op.delete_ = &drop;
        if (raw_commit(fixture, &op, &status) != RPC_INVALID_ARGUMENT)
            fail_msg("%s", rows[i].name);
    }
    Lotcast__V1__AddOp add = LOTCAST__V1__ADD_OP__INIT;
    Lotcast__V1__CommitOp op = LOTCAST__V1__COMMIT_OP__INIT;
    op.kind_case = LOTCAST__V1__COMMIT_OP__KIND_ADD;
    op.add = &add;
    assert_int_equal(raw_commit(fixture, &op, &status), RPC_INVALID_ARGUMENT);
    char name[300];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    add.counter = name;
    assert_int_equal(raw_commit(fixture, &op, &status), RPC_INVALID_ARGUMENT);
    assert_string_equal(status.field, "counter");
}

static void names_what_the_client_gets_wrong(void **state)
{
    struct fixture *fixture = *state;
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    const struct {
        struct store_read_op op;
        enum rpc_code want;
    } rows[] = {
        {{.record = USER, .index = "by_shoe_size", .key = store_key(store_number(1))},
         RPC_INTERNAL},
        {{.record = &lotcast__v1__read_request__descriptor}, RPC_INTERNAL},
        {{.record = USER}, RPC_INVALID_ARGUMENT},
        {{.record = USER, .key = store_key(store_text("x"))}, RPC_INVALID_ARGUMENT},
        {{.record = JOB, .index = "by_due", .key = store_key(store_number(1))},
         RPC_INVALID_ARGUMENT},
        {{.record = JOB, .is_range = true, .cursor = span_of_string("nonsense")},
         RPC_INVALID_ARGUMENT},
        {{.record = JOB,
          .is_range = true,
          .key = store_key(store_number(1)),
          .has_lower = true,
          .lower = store_number(1)},
         RPC_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct store_read_op op = rows[i].op;
        enum rpc_code code = store_read(fixture->client, &test.context, &op, 1, &status);
        if (code != rows[i].want)
            fail_msg("row %zu: %s %s", i, rpc_code_name(code), status.message);
    }
    context_end(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(puts_gets_replaces_and_deletes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_versions_and_records_over_a_restart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(holds_writes_to_their_preconditions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sees_earlier_ops_of_the_same_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_unique_indexes_in_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_defaults_out_of_sparse_indexes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cuts_long_texts_in_index_keys_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_an_empty_commit_and_an_empty_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_puts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_ops, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_what_the_client_gets_wrong, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
