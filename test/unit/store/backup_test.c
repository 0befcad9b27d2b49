/* Backups: a copy under writes is a snapshot, only a whole one is taken back; and the check finds
 * each kind of damage. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/entry.h"
#include "store/record.h"
#include "test/unit/store/fixture.h"

#define USER (&lotcast__v1__user_record__descriptor)
#define USERS_AT_FIRST 300

/* --- the check --- */

struct findings {
    int64_t records, entries, counters, unknown, problems;
    char first[512]; /* table.index: what */
};

static struct findings check_all(struct fixture *fixture)
{
    struct findings found = {0};
    struct test_context test;
    struct rpc_status status;
    struct span cursor = {0};
    context_begin(&test);
    do {
        const Lotcast__V1__CheckResponse *part = NULL;
        expect_ok(store_check_part(fixture->client, &test.context, cursor, &part, &status),
                  &status);
        found.records += part->records;
        found.entries += part->entries;
        found.counters += part->counters;
        found.unknown += part->unknown;
        if (found.problems == 0 && part->n_problems > 0)
            (void)snprintf(found.first, sizeof found.first, "%s.%s: %s", part->problems[0]->table,
                           part->problems[0]->index, part->problems[0]->what);
        found.problems += part->problem_count;
        cursor = span_of(part->cursor.data, part->cursor.len);
    } while (cursor.len > 0);
    context_end(&test);
    return found;
}

static void put_users(struct fixture *fixture, int64_t first, int64_t count)
{
    for (int64_t id = first; id < first + count; id++) {
        char email[32];
        (void)snprintf(email, sizeof email, "%lld@x", (long long)id);
        Lotcast__V1__UserRecord user = make_user(id, email);
        put_record(fixture, &user);
    }
}

/* A record whose index keeps numbers and texts. */
static void put_item(struct fixture *fixture)
{
    Lotcast__V1__ItemRecord item = LOTCAST__V1__ITEM_RECORD__INIT;
    item.customer_id = 1;
    item.item_id = 1;
    item.identity = (char *)"one";
    item.title = (char *)"Elan S\xc3\xa9rie 2";
    item.price_minor = 2450000;
    put_record(fixture, &item);
}

static void what_commits_write_is_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct test_context test;
    struct rpc_status status;
    int64_t number;
    put_users(fixture, 1, 20);
    put_item(fixture);
    Lotcast__V1__UserRecord other = make_user(3, "another@x"); /* its entries move */
    put_record(fixture, &other);
    context_begin(&test);
    expect_ok(store_numbers_take(fixture->client, &test.context, "user", 5, &number, &status),
              &status);
    context_end(&test);
    struct findings found = check_all(fixture);
    assert_string_equal(found.first, "");
    assert_int_equal(found.problems, 0);
    assert_int_equal(found.records, 21);
    assert_true(found.entries >= 20);
    assert_int_equal(found.counters, 1);
}

static void a_check_goes_on_behind_its_cursor(void **state)
{
    struct fixture *fixture = *state;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__CheckResponse *part = NULL;
    int64_t id = 1;
    context_begin(&test);
    for (int i = 0; i < 3; i++) { /* three commits of many: more than a part holds */
        struct store_commit commit;
        arena_reset(&test.arena);
        store_commit_init(&commit, fixture->client, &test.context);
        for (int j = 0; j < 5000; j++, id++) {
            char email[32];
            (void)snprintf(email, sizeof email, "%lld@x", (long long)id);
            Lotcast__V1__UserRecord user = make_user(id, email);
            (void)store_commit_put_new(&commit, &user);
        }
        expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
    }
    expect_ok(store_check_part(fixture->client, &test.context, (struct span){0}, &part, &status),
              &status);
    assert_true(part->cursor.len > 0);
    assert_true(part->records < id - 1 || part->entries < id - 1);
    struct findings found = check_all(fixture);
    assert_int_equal(found.problems, 0);
    assert_int_equal(found.records, id - 1);
    assert_true(found.entries >= id - 1);
    uint8_t too_long[600] = {1};
    assert_int_equal(store_check_part(fixture->client, &test.context,
                                      span_of(too_long, sizeof too_long), &part, &status),
                     RPC_INVALID_ARGUMENT);
    context_end(&test);
}

/* --- damage, put in behind the store's back --- */

struct damage {
    struct fixture *fixture;
    struct store_txn *txn;
};

static void damage_put(struct damage *damage, struct span key, struct span value)
{
    struct rpc_status status;
    struct store_engine *engine = damage->fixture->store->engine;
    expect_ok(engine->ops->put(damage->txn, key, value, (struct span){0}, &status), &status);
}

static void damage_remove(struct damage *damage, struct span key)
{
    struct rpc_status status;
    struct store_engine *engine = damage->fixture->store->engine;
    expect_ok(engine->ops->remove(damage->txn, key, &status), &status);
}

static const struct store_table *table_of(const struct damage *damage, const char *name)
{
    const struct store_tables *tables = &damage->fixture->store->tables;
    for (size_t i = 0; i < tables->count; i++)
        if (strcmp(tables->tables[i].name, name) == 0)
            return &tables->tables[i];
    fail_msg("no table %s", name);
    return NULL;
}

/* A primary key all of whose numbers are this one. */
static struct store_key_buffer number_key(const struct store_table *table, int64_t id)
{
    struct store_key_buffer key;
    const struct store_value value = {.kind = STORE_KIND_NUMBER, .number = id};
    store__key_begin(&key, table->id, 0);
    for (size_t i = 0; i < table->primary.field_count; i++)
        store__key_append(&key, &value, STORE_TEXT_UNCUT);
    return key;
}

/* A copy of what lies at a key. */
static size_t damage_get(struct damage *damage, struct span key, uint8_t bytes[static 4096])
{
    struct span value;
    struct rpc_status status;
    struct store_engine *engine = damage->fixture->store->engine;
    expect_ok(engine->ops->get(damage->txn, key, &value, &status), &status);
    assert_true(value.len <= 4096);
    memcpy(bytes, value.data, value.len);
    return value.len;
}

/* The first index of a table that is unique, or that keeps values; and a record's entry in it. */
static struct store_key_buffer entry_of(struct damage *damage, const char *table_name, int64_t id,
                                        bool unique)
{
    const struct store_table *table = table_of(damage, table_name);
    struct store_key_buffer key = number_key(table, id);
    struct store_key_buffer entry;
    uint8_t bytes[4096];
    struct span packed;
    uint64_t version;
    struct rpc_status status;
    struct store_value values[STORE_WIRE_FIELDS_MAX];
    size_t len = damage_get(damage, store__key_span(&key), bytes);
    expect_ok(
        store__record_open(store__key_span(&key), span_of(bytes, len), &packed, &version, &status),
        &status);
    assert_true(store__record_values(table, packed, values));
    for (size_t i = 0; i < table->index_count; i++) {
        const struct store_index *index = &table->indexes[i];
        if ((unique ? index->unique : store__entry_has_value(index)) &&
            store__index_key(index, values, &entry))
            return entry;
    }
    fail_msg("no such index of %s", table_name);
    return key;
}

static void flip_a_byte(struct damage *damage)
{
    uint8_t bytes[4096];
    struct store_key_buffer key = number_key(table_of(damage, "user"), 7);
    size_t len = damage_get(damage, store__key_span(&key), bytes);
    bytes[len - 1] ^= 1;
    damage_put(damage, store__key_span(&key), span_of(bytes, len));
}

static void put_rubbish(struct damage *damage)
{
    static const uint8_t rubbish[] = {0xff, 0xff, 0xff};
    uint8_t bytes[STORE_RECORD_HEAD_BYTES + sizeof rubbish];
    struct store_key_buffer key = number_key(table_of(damage, "user"), 7777);
    store__record_head(store__key_span(&key), span_of(rubbish, sizeof rubbish), 1, bytes);
    memcpy(bytes + STORE_RECORD_HEAD_BYTES, rubbish, sizeof rubbish);
    damage_put(damage, store__key_span(&key), span_of(bytes, sizeof bytes));
}

/* A good record under another's key, with a checksum that fits there. */
static void put_elsewhere(struct damage *damage)
{
    uint8_t bytes[4096];
    const struct store_table *table = table_of(damage, "user");
    struct store_key_buffer key = number_key(table, 7);
    size_t len = damage_get(damage, store__key_span(&key), bytes);
    key = number_key(table, 8888);
    store__record_head(store__key_span(&key),
                       span_of(bytes + STORE_RECORD_HEAD_BYTES, len - STORE_RECORD_HEAD_BYTES), 1,
                       bytes);
    damage_put(damage, store__key_span(&key), span_of(bytes, len));
}

/* A second record with another's unique value: its own entry is the other's. */
static void put_twice(struct damage *damage)
{
    uint8_t bytes[STORE_RECORD_HEAD_BYTES + 256];
    Lotcast__V1__UserRecord user = make_user(9999, "7@x");
    struct store_key_buffer key = number_key(table_of(damage, "user"), 9999);
    size_t len = lotcast__v1__user_record__pack(&user, bytes + STORE_RECORD_HEAD_BYTES);
    store__record_head(store__key_span(&key), span_of(bytes + STORE_RECORD_HEAD_BYTES, len), 1,
                       bytes);
    damage_put(damage, store__key_span(&key), span_of(bytes, STORE_RECORD_HEAD_BYTES + len));
}

static void remove_an_entry(struct damage *damage)
{
    struct store_key_buffer entry = entry_of(damage, "user", 7, true);
    damage_remove(damage, store__key_span(&entry));
}

static void remove_a_record(struct damage *damage)
{
    struct store_key_buffer key = number_key(table_of(damage, "user"), 7);
    damage_remove(damage, store__key_span(&key));
}

static void lead_an_entry_astray(struct damage *damage)
{
    struct store_key_buffer entry = entry_of(damage, "user", 7, true);
    struct store_key_buffer other = number_key(table_of(damage, "user"), 8);
    damage_put(damage, store__key_span(&entry),
               span_of(other.data + STORE_KEY_PREFIX_BYTES, other.len - STORE_KEY_PREFIX_BYTES));
}

static void empty_an_entry(struct damage *damage)
{
    struct store_key_buffer entry = entry_of(damage, "user", 7, true);
    damage_put(damage, store__key_span(&entry), (struct span){0});
}

static void change_what_is_kept(struct damage *damage)
{
    uint8_t bytes[4096];
    struct store_key_buffer entry = entry_of(damage, "item", 1, false);
    size_t len = damage_get(damage, store__key_span(&entry), bytes);
    bytes[1] ^= 1;
    damage_put(damage, store__key_span(&entry), span_of(bytes, len));
}

static void break_a_counter(struct damage *damage)
{
    uint8_t bytes[STORE_RECORD_HEAD_BYTES + 3] = {0};
    struct store_key_buffer key;
    store__own_key(STORE_OWN_COUNTERS, "user", &key);
    store__record_head(store__key_span(&key), span_of(bytes + STORE_RECORD_HEAD_BYTES, 3), 1,
                       bytes);
    damage_put(damage, store__key_span(&key), span_of(bytes, sizeof bytes));
}

static void break_the_sequence(struct damage *damage)
{
    struct store_key_buffer key;
    store__own_key(STORE_OWN_STATE, "sequence", &key);
    damage_put(damage, store__key_span(&key), span_of("rubbish", 7));
}

static void put_into_no_index(struct damage *damage)
{
    struct store_key_buffer key;
    store__key_begin(&key, table_of(damage, "user")->id, 999);
    store__key_append_raw(&key, span_of("x", 1));
    damage_put(damage, store__key_span(&key), span_of("", 0));
}

static void put_a_short_key(struct damage *damage)
{
    damage_put(damage, span_of("ab", 2), span_of("x", 1));
}

static const struct {
    const char *name;
    void (*make)(struct damage *damage);
    const char *first;
    int64_t problems;
} damages[] = {
    {"a byte", flip_a_byte, "user.: the record fails its checksum", 1},
    {"rubbish", put_rubbish, "user.: the bytes are no record of this table", 1},
    {"elsewhere", put_elsewhere, "user.: the record lies at a key that is not its own", 1},
    {"twice", put_twice, "user.by_email: the index leads to another record", 1},
    {"no entry", remove_an_entry, "user.by_email: the record is not in the index", 1},
    {"no record", remove_a_record, "user.by_email: the entry's record is not there", 1},
    {"astray", lead_an_entry_astray, "user.by_email: the index leads to another record", 2},
    {"empty", empty_an_entry, "user.by_email: the index leads to another record", 2},
    {"kept", change_what_is_kept, "item.listing: the index keeps something else", 1},
    {"counter", break_a_counter, ".: the counter is no number", 1},
    {"sequence", break_the_sequence, ".: it fails its checksum", 1},
    {"no index", put_into_no_index, "user.: the table has no such index", 1},
    {"short key", put_a_short_key, ".: the key is no key of ours", 1},
};

static void each_kind_of_damage_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        void *own;
        struct rpc_status status;
        assert_int_equal(set_up(&own), 0);
        struct damage damage = {.fixture = own};
        put_users(own, 1, 20);
        put_item(own);
        struct store_engine *engine = damage.fixture->store->engine;
        expect_ok(engine->ops->write_begin(engine, &damage.txn, &status), &status);
        damages[i].make(&damage);
        expect_ok(engine->ops->write_commit(damage.txn, &status), &status);
        struct findings found = check_all(own);
        if (found.problems != damages[i].problems ||
            strncmp(found.first, damages[i].first, strlen(damages[i].first)) != 0)
            fail_msg("%s: %lld, %s", damages[i].name, (long long)found.problems, found.first);
        assert_int_equal(tear_down(&own), 0);
    }
}

static void only_the_first_offences_are_described(void **state)
{
    struct fixture *fixture = *state;
    struct damage damage = {.fixture = fixture};
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__CheckResponse *part = NULL;
    struct store_engine *engine = fixture->store->engine;
    put_users(fixture, 1, 50);
    expect_ok(engine->ops->write_begin(engine, &damage.txn, &status), &status);
    for (int64_t id = 1; id <= 50; id++) {
        struct store_key_buffer key = number_key(table_of(&damage, "user"), id);
        damage_put(&damage, store__key_span(&key), span_of("", 0));
    }
    expect_ok(engine->ops->write_commit(damage.txn, &status), &status);
    context_begin(&test);
    expect_ok(store_check_part(fixture->client, &test.context, (struct span){0}, &part, &status),
              &status);
    assert_int_equal(part->problem_count, 50);
    assert_int_equal(part->n_problems, 20);
    context_end(&test);
}

/* --- backup and restore --- */

/* A copy of the last backup under this name, below the fixture's directory. */
static void make_backup(struct fixture *fixture, const char *path)
{
    struct test_context test;
    struct rpc_status status;
    struct stat info;
    const Lotcast__V1__BackupResponse *response = NULL;
    context_begin(&test);
    expect_ok(store_backup(fixture->client, &test.context, &response, &status), &status);
    assert_int_equal(stat(response->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(info.st_size, response->bytes);
    assert_int_equal(rename(response->path, path), 0);
    context_end(&test);
}

struct writer {
    struct fixture *fixture;
    atomic_bool end;
    atomic_int written;
};

/* Each commit: two users and 2 more in the counter. */
static void *write_pairs(void *arg)
{
    struct writer *writer = arg;
    for (int64_t id = 100001; !atomic_load(&writer->end); id += 2) {
        struct test_context test;
        struct rpc_status status;
        struct store_commit commit;
        char emails[2][32];
        context_begin(&test);
        store_commit_init(&commit, writer->fixture->client, &test.context);
        for (int i = 0; i < 2; i++) {
            (void)snprintf(emails[i], sizeof emails[i], "%lld@x", (long long)id + i);
            Lotcast__V1__UserRecord user = make_user(id + i, emails[i]);
            (void)store_commit_put_new(&commit, &user);
        }
        (void)store_commit_add(&commit, "users", 2);
        expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
        atomic_fetch_add(&writer->written, 2);
        context_end(&test);
    }
    return NULL;
}

static bool has_written(void *arg)
{
    struct writer *writer = arg;
    return atomic_load(&writer->written) >= 40;
}

/* How many users there are, and what their counter says. */
static void count_users(struct fixture *fixture, int64_t *ret_users, int64_t *ret_counter)
{
    struct test_context test;
    struct rpc_status status;
    struct store_read_op ops[] = {{.record = USER, .is_range = true, .count_only = true},
                                  {.counter = "users"}};
    context_begin(&test);
    expect_ok(store_read(fixture->client, &test.context, ops, 2, &status), &status);
    *ret_users = ops[0].ret_count;
    *ret_counter = ops[1].ret_count;
    context_end(&test);
}

static void a_copy_under_writes_is_a_snapshot(void **state)
{
    struct fixture *fixture = *state;
    struct fixture restored = {.registry = fixture->registry};
    struct writer writer = {.fixture = fixture};
    struct rpc_status status;
    pthread_t thread;
    put_users(fixture, 1, USERS_AT_FIRST);
    assert_int_equal(pthread_create(&thread, NULL, write_pairs, &writer), 0);
    assert_true(wait_until(has_written, &writer, 30000));
    for (int round = 0; round < 4; round++) {
        char path[128];
        int64_t users = 0, counter = 0, records = 0;
        char parent[64];
        temp_directory(parent);
        int before = atomic_load(&writer.written);
        (void)snprintf(path, sizeof path, "%s/copy", parent);
        make_backup(fixture, path);
        (void)snprintf(restored.directory, sizeof restored.directory, "%.50s/store", parent);
        expect_ok(store_restore(path, restored.directory, fixture->registry, &records, &status),
                  &status);
        fixture_start(&restored);
        count_users(&restored, &users, &counter);
        assert_int_equal(users, USERS_AT_FIRST + counter);
        assert_int_equal(records, users);
        assert_true(counter >= before); /* all that was answered before is in it */
        assert_int_equal(check_all(&restored).problems, 0);
        put_users(&restored, 50001, 1); /* it is a store like any other */
        fixture_stop(&restored);
    }
    atomic_store(&writer.end, true);
    (void)pthread_join(thread, NULL);
    assert_int_equal(check_all(fixture).problems, 0);
}

static void rewrite(const char *path, off_t size, off_t flip_at)
{
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    if (flip_at >= 0) {
        assert_int_equal(pread(fd, &byte, 1, flip_at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, flip_at), 1);
    }
    assert_int_equal(ftruncate(fd, size), 0);
    (void)close(fd);
}

static void expect_refused(struct fixture *fixture, const char *path, const char *directory,
                           enum rpc_code wanted)
{
    struct rpc_status status;
    char left[160];
    int64_t records = -1;
    enum rpc_code code = store_restore(path, directory, fixture->registry, &records, &status);
    if (code != wanted)
        fail_msg("%s instead of %s: %s", rpc_code_name(code), rpc_code_name(wanted),
                 code == RPC_OK ? "" : status.message);
    assert_int_equal(records, -1);
    (void)snprintf(left, sizeof left, "%s.restoring", directory);
    assert_int_equal(access(left, F_OK), -1);
}

static void only_whole_backups_are_taken(void **state)
{
    struct fixture *fixture = *state;
    char parent[64], path[128], directory[128];
    struct stat info;
    temp_directory(parent);
    (void)snprintf(path, sizeof path, "%s/copy", parent);
    (void)snprintf(directory, sizeof directory, "%s/store", parent);
    put_users(fixture, 1, 50);
    make_backup(fixture, path);
    assert_int_equal(stat(path, &info), 0);
    const struct {
        off_t size, flip_at;
    } rows[] = {
        {0, -1},
        {10, -1},
        {4096, -1},
        {info.st_size - 1, -1},
        {info.st_size / 2, -1},
        {info.st_size + 1, -1},
        {info.st_size, 16},
        {info.st_size, info.st_size / 2},
        {info.st_size, info.st_size - 1},
        {info.st_size, info.st_size - 48},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_backup(fixture, path);
        rewrite(path, rows[i].size, rows[i].flip_at);
        expect_refused(fixture, path, directory, RPC_DATA_LOSS);
        assert_int_equal(access(directory, F_OK), -1);
    }
    expect_refused(fixture, "/nowhere/copy", directory, RPC_FAILED_PRECONDITION);
    expect_refused(fixture, parent, directory, RPC_DATA_LOSS);
    make_backup(fixture, path);
    expect_refused(fixture, path, fixture->directory, RPC_FAILED_PRECONDITION); /* not empty */
}

/* A copy of what is damaged already is whole, and yet it is not taken. */
static void a_backup_that_is_not_in_order_is_refused(void **state)
{
    struct fixture *fixture = *state;
    struct damage damage = {.fixture = fixture};
    struct rpc_status status;
    char parent[64], path[128], directory[128];
    struct store_engine *engine = fixture->store->engine;
    temp_directory(parent);
    (void)snprintf(path, sizeof path, "%s/copy", parent);
    (void)snprintf(directory, sizeof directory, "%s/store", parent);
    put_users(fixture, 1, 20);
    expect_ok(engine->ops->write_begin(engine, &damage.txn, &status), &status);
    remove_an_entry(&damage);
    expect_ok(engine->ops->write_commit(damage.txn, &status), &status);
    make_backup(fixture, path);
    expect_refused(fixture, path, directory, RPC_DATA_LOSS);
}

/* What a restore that was killed has left is no hindrance. */
static void a_restore_clears_away_an_earlier_ones_rest(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_status status;
    char parent[64], path[128], directory[128], rest[160];
    int64_t records = 0;
    temp_directory(parent);
    (void)snprintf(path, sizeof path, "%s/copy", parent);
    (void)snprintf(directory, sizeof directory, "%s/store", parent);
    (void)snprintf(rest, sizeof rest, "%s/store.restoring", parent);
    put_users(fixture, 1, 20);
    make_backup(fixture, path);
    assert_int_equal(mkdir(directory, 0700), 0); /* empty is fine */
    assert_int_equal(mkdir(rest, 0700), 0);
    (void)snprintf(rest, sizeof rest, "%s/store.restoring/data.mdb", parent);
    int fd = open(rest, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    expect_ok(store_restore(path, directory, fixture->registry, &records, &status), &status);
    assert_int_equal(records, 20);
}

static void one_backup_at_a_time(void **state)
{
    struct fixture *fixture = *state;
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__BackupResponse *response = NULL;
    context_begin(&test);
    atomic_store(&fixture->store->is_copied, true);
    assert_int_equal(store_backup(fixture->client, &test.context, &response, &status), RPC_ABORTED);
    atomic_store(&fixture->store->is_copied, false);
    expect_ok(store_backup(fixture->client, &test.context, &response, &status), &status);
    expect_ok(store_backup(fixture->client, &test.context, &response, &status), &status);
    context_end(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_commits_write_is_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_check_goes_on_behind_its_cursor, set_up, tear_down),
        cmocka_unit_test(each_kind_of_damage_is_found),
        cmocka_unit_test_setup_teardown(only_the_first_offences_are_described, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_under_writes_is_a_snapshot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_whole_backups_are_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_backup_that_is_not_in_order_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_restore_clears_away_an_earlier_ones_rest, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_backup_at_a_time, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
