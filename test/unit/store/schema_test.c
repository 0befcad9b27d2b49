/* What a program with other tables is told, and what is built and dropped. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/schema.h"
#include "test/unit/store/fixture.h"

#define USER (&lotcast__v1__user_record__descriptor)
#define USERS 12000

/* A table user with two indexes of which `index_count` are used; all may be bent. */
struct bent {
    struct store_table table;
    struct store_index indexes[3];
    struct store_tables tables;
};

static size_t slot_for(struct bent *bent, const char *field)
{
    const ProtobufCFieldDescriptor *found =
        protobuf_c_message_descriptor_get_field_by_name(USER, field);
    assert_non_null(found);
    size_t slot = bent->table.field_count++;
    bent->table.fields[slot] = found;
    assert_true(store__wire_kind(found, &bent->table.kinds[slot]));
    return slot;
}

static void bend_init(struct bent *bent)
{
    *bent = (struct bent){.table = {.id = 1, .name = "user", .record = USER}};
    struct store_table *table = &bent->table;
    size_t id = slot_for(bent, "user_id");
    table->primary = (struct store_index){.table = table,
                                          .name = "primary",
                                          .unique = true,
                                          .field_count = 1,
                                          .column_count = 1,
                                          .columns = {{id, STORE_TEXT_UNCUT}}};
    bent->indexes[0] = (struct store_index){.table = table,
                                            .id = 1,
                                            .name = "by_email",
                                            .unique = true,
                                            .field_count = 1,
                                            .column_count = 1,
                                            .columns = {{slot_for(bent, "email_key"), 200}}};
    bent->indexes[1] = (struct store_index){
        .table = table,
        .id = 2,
        .name = "by_customer",
        .field_count = 1,
        .column_count = 2,
        .columns = {{slot_for(bent, "customer_id"), STORE_TEXT_UNCUT}, {id, STORE_TEXT_UNCUT}}};
    bent->indexes[2] = bent->indexes[1];
    bent->indexes[2].id = 9;
    bent->indexes[2].name = "one_by_customer";
    bent->indexes[2].unique = true;
    bent->indexes[2].column_count = 1;
    table->indexes = bent->indexes;
    table->index_count = 1;
    bent->tables = (struct store_tables){1, table};
}

static struct store_engine *open_engine(const char *directory)
{
    struct store_engine *engine = NULL;
    struct rpc_status status;
    /* Small, so that the building of an index has to grow it. */
    expect_ok(store__engine_lmdb_open(directory, 64 * 1024, &engine, &status), &status);
    return engine;
}

static int64_t count_entries(struct store_engine *engine, const struct bent *bent, uint32_t index)
{
    struct test_context test;
    struct rpc_status status;
    Lotcast__V1__RangeOp op = LOTCAST__V1__RANGE_OP__INIT;
    Lotcast__V1__ReadResult result = LOTCAST__V1__READ_RESULT__INIT;
    struct store_range range;
    struct store_index all = {.table = &bent->table, .id = index, .name = "", .column_count = 0};
    context_begin(&test);
    op.table = 1;
    op.count_only = true;
    expect_ok(store__range_prepare(&bent->tables, &op, &test.arena, &range, &status), &status);
    struct store_key_buffer begin;
    struct store_key_buffer end;
    store__key_begin(&begin, 1, index);
    end = begin;
    store__key_step_over(&end);
    range.index = &all;
    range.begin = store__key_span(&begin);
    range.end = store__key_span(&end);
    struct store_reader reader = {.engine = engine, .context = &test.context};
    expect_ok(engine->ops->read_begin(engine, &reader.txn, &status), &status);
    expect_ok(store__range_run(&reader, &range, &result, &status), &status);
    engine->ops->read_end(reader.txn);
    context_end(&test);
    return result.count;
}

static void fill(struct store_engine *engine, const struct bent *bent, int64_t count,
                 int64_t customers)
{
    struct rpc_status status;
    struct store_apply apply;
    store__apply_init(&apply, engine);
    expect_ok(engine->ops->write_begin(engine, &apply.txn, &status), &status);
    for (int64_t i = 1; i <= count; i++) {
        struct test_context test;
        char email[32];
        uint8_t packed[128];
        context_begin(&test);
        (void)snprintf(email, sizeof email, "%d@x", (int)i);
        Lotcast__V1__UserRecord user = make_user(i, email);
        user.customer_id = 1 + i % customers;
        Lotcast__V1__PutOp put = LOTCAST__V1__PUT_OP__INIT;
        Lotcast__V1__CommitOp op = LOTCAST__V1__COMMIT_OP__INIT;
        Lotcast__V1__CommitOp *ops[] = {&op};
        Lotcast__V1__CommitRequest request = LOTCAST__V1__COMMIT_REQUEST__INIT;
        Lotcast__V1__CommitResponse response = LOTCAST__V1__COMMIT_RESPONSE__INIT;
        struct store_commit_work work = {.context = &test.context, .response = &response};
        put.table = 1;
        put.value = (ProtobufCBinaryData){lotcast__v1__user_record__pack(&user, packed), packed};
        op.kind_case = LOTCAST__V1__COMMIT_OP__KIND_PUT;
        op.put = &put;
        request.ops = ops;
        request.n_ops = 1;
        expect_ok(store__commit_prepare(&bent->tables, &request, &work, &status), &status);
        enum rpc_code code = store__commit_apply(&apply, &work, &status);
        if (code == RPC_ABORTED) { /* the map grows; what was put so far is put again */
            engine->ops->write_abort(apply.txn);
            expect_ok(engine->ops->write_begin(engine, &apply.txn, &status), &status);
            apply.poisoned = false;
            i = 0;
        } else {
            expect_ok(code, &status);
        }
        context_end(&test);
    }
    expect_ok(engine->ops->write_commit(apply.txn, &status), &status);
    store__apply_fini(&apply);
}

static void builds_new_indexes_and_drops_old_ones(void **state)
{
    (void)state;
    char directory[64];
    struct bent bent;
    struct rpc_status status;
    temp_directory(directory);
    bend_init(&bent);
    struct store_engine *engine = open_engine(directory);
    expect_ok(store__schema_apply(engine, &bent.tables, &status), &status);
    fill(engine, &bent, USERS, 100);
    assert_int_equal(count_entries(engine, &bent, 1), USERS);
    assert_int_equal(count_entries(engine, &bent, 2), 0);

    bent.table.index_count = 2; /* by_customer is new */
    expect_ok(store__schema_apply(engine, &bent.tables, &status), &status);
    assert_int_equal(count_entries(engine, &bent, 1), USERS);
    assert_int_equal(count_entries(engine, &bent, 2), USERS);
    expect_ok(store__schema_apply(engine, &bent.tables, &status), &status); /* again: nothing */

    bent.table.index_count = 1; /* and is gone */
    expect_ok(store__schema_apply(engine, &bent.tables, &status), &status);
    assert_int_equal(count_entries(engine, &bent, 2), 0);
    assert_int_equal(count_entries(engine, &bent, 0), USERS);

    fill(engine, &bent, 1, 1);
    bent.table.index_count = 2; /* and comes back, with what was written meanwhile */
    expect_ok(store__schema_apply(engine, &bent.tables, &status), &status);
    assert_int_equal(count_entries(engine, &bent, 2), USERS);
    engine->ops->close(engine);
}

static void refuses_a_unique_index_over_equal_records(void **state)
{
    (void)state;
    char directory[64];
    struct bent bent;
    struct rpc_status status;
    temp_directory(directory);
    bend_init(&bent);
    struct store_engine *engine = open_engine(directory);
    expect_ok(store__schema_apply(engine, &bent.tables, &status), &status);
    fill(engine, &bent, 10, 9);
    bent.table.index_count = 3;
    assert_int_equal(store__schema_apply(engine, &bent.tables, &status), RPC_FAILED_PRECONDITION);
    assert_non_null(strstr(status.message, "one_by_customer"));
    engine->ops->close(engine);
}

enum change {
    NONE,
    INDEX_NAME,
    TABLE_NAME,
    KEY_FIELD,
    KEY_MORE,
    INDEX_FIELD,
    INDEX_MORE,
    INDEX_UNIQUE,
    INDEX_SPARSE,
};

static void bend(struct bent *bent, enum change change)
{
    switch (change) {
    case INDEX_NAME:
        bent->indexes[0].name = "by_address";
        break;
    case TABLE_NAME:
        bent->table.name = "person";
        break;
    case KEY_FIELD:
        bent->table.primary.columns[0].slot = 1;
        break;
    case KEY_MORE:
        bent->table.primary.columns[1].slot = 2;
        bent->table.primary.field_count = 2;
        break;
    case INDEX_FIELD:
        bent->indexes[0].columns[0].slot = 2;
        break;
    case INDEX_MORE:
        bent->indexes[0].columns[1].slot = 2;
        bent->indexes[0].field_count = 2;
        break;
    case INDEX_UNIQUE:
        bent->indexes[0].unique = false;
        break;
    case INDEX_SPARSE:
        bent->indexes[0].sparse = true;
        break;
    case NONE:
    default:
        break;
    }
}

static void refuses_changed_meanings(void **state)
{
    (void)state;
    static const struct {
        enum change change;
        bool is_fine;
        const char *message;
    } rows[] = {
        {NONE, true, NULL},
        {INDEX_NAME, true, NULL},
        {TABLE_NAME, false, "table 1 is user in the data and person in this program"},
        {KEY_FIELD, false, "1:number in the data and 2:text"},
        {KEY_MORE, false, "1:number in the data and 1:number,6:number"},
        {INDEX_FIELD, false, "\"unique 2:text\" in the data and \"unique 6:number\""},
        {INDEX_MORE, false, "\"unique 2:text\" in the data and \"unique 2:text,6:number\""},
        {INDEX_UNIQUE, false, "\"unique 2:text\" in the data and \"2:text\""},
        {INDEX_SPARSE, false, "\"unique 2:text\" in the data and \"unique sparse 2:text\""},
    };
    char directory[64];
    struct bent bent;
    struct rpc_status status;
    temp_directory(directory);
    struct store_engine *engine = open_engine(directory);
    bend_init(&bent);
    expect_ok(store__schema_apply(engine, &bent.tables, &status), &status);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bend_init(&bent);
        bend(&bent, rows[i].change);
        enum rpc_code code = store__schema_apply(engine, &bent.tables, &status);
        if (rows[i].is_fine) {
            expect_ok(code, &status);
        } else {
            assert_int_equal(code, RPC_FAILED_PRECONDITION);
            if (strstr(status.message, rows[i].message) == NULL)
                fail_msg("row %zu: %s", i, status.message);
        }
        bend_init(&bent); /* a refusal leaves all as it was */
        expect_ok(store__schema_apply(engine, &bent.tables, &status), &status);
    }
    engine->ops->close(engine);
}

static void refuses_another_format(void **state)
{
    (void)state;
    char directory[64];
    struct bent bent;
    struct rpc_status status;
    temp_directory(directory);
    bend_init(&bent);
    struct store_engine *engine = open_engine(directory);
    struct store_txn *txn;
    struct store_key_buffer key;
    uint8_t head[STORE_RECORD_HEAD_BYTES];
    store__own_key(STORE_OWN_STATE, "format", &key);
    store__record_head(store__key_span(&key), span_of_string("2"), 0, head);
    expect_ok(engine->ops->write_begin(engine, &txn, &status), &status);
    expect_ok(engine->ops->put(txn, store__key_span(&key), span_of(head, sizeof head),
                               span_of_string("2"), &status),
              &status);
    expect_ok(engine->ops->write_commit(txn, &status), &status);
    assert_int_equal(store__schema_apply(engine, &bent.tables, &status), RPC_FAILED_PRECONDITION);
    assert_non_null(strstr(status.message, "format 2"));
    engine->ops->close(engine);
}

/* --- opening --- */

static enum rpc_code try_open(const char *directory, const struct registry *registry,
                              struct rpc_status *status)
{
    struct store *store = NULL;
    const struct store_options options = {
        .directory = directory, .registry = registry, .lock_wait_ms = -1};
    enum rpc_code code = store_open(&options, &store, status);
    if (code == RPC_OK)
        store_close(store);
    return code;
}

static void is_opened_by_one_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_status status;
    assert_int_equal(try_open(fixture->directory, fixture->registry, &status),
                     RPC_FAILED_PRECONDITION);
    assert_non_null(strstr(status.message, "in use by another process"));
    fixture_stop(fixture);
    expect_ok(try_open(fixture->directory, fixture->registry, &status), &status);
}

static void keeps_its_files_to_itself(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    struct stat info;
    struct rpc_status status;
    static const char *const files[] = {"data.mdb", "lock.mdb", "store.lock"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", fixture->directory, files[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0600);
    }
    (void)snprintf(path, sizeof path, "%s/new", fixture->directory);
    expect_ok(try_open(path, fixture->registry, &status), &status);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(chmod(path, 0770), 0);
    assert_int_equal(try_open(path, fixture->registry, &status), RPC_FAILED_PRECONDITION);
    assert_non_null(strstr(status.message, "others may write"));
}

static void refuses_what_is_no_store(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    struct rpc_status status;
    assert_int_equal(try_open("/nonexistent/store", fixture->registry, &status),
                     RPC_FAILED_PRECONDITION);
    (void)snprintf(path, sizeof path, "%s/data.mdb", fixture->directory);
    assert_int_equal(try_open(path, fixture->registry, &status), RPC_FAILED_PRECONDITION);
    fixture_stop(fixture);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    char rubbish[8192];
    memset(rubbish, 'x', sizeof rubbish);
    assert_int_equal(write(fd, rubbish, sizeof rubbish), (ssize_t)sizeof rubbish);
    assert_int_equal(close(fd), 0);
    assert_int_equal(try_open(fixture->directory, fixture->registry, &status),
                     RPC_FAILED_PRECONDITION);
    assert_non_null(strstr(status.message, "not a store's file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_new_indexes_and_drops_old_ones),
        cmocka_unit_test(refuses_a_unique_index_over_equal_records),
        cmocka_unit_test(refuses_changed_meanings),
        cmocka_unit_test(refuses_another_format),
        cmocka_unit_test_setup_teardown(is_opened_by_one_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_its_files_to_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_store, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
