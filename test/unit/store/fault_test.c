/*
 * Failing writes and syncs: no false acknowledgement, reads go on, writes return. LMDB's calls of
 * pwrite, writev and fdatasync come to this program first.
 */
#include <errno.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/metrics.h"
#include "test/unit/store/fixture.h"

#define USER (&lotcast__v1__user_record__descriptor)
/* A meta page is written in part, everything else in whole pages. */
#define PAGE_BYTES 4096

enum target { TARGET_PAGES = 1, TARGET_SYNC = 2, TARGET_META = 4 };

/* Which calls fail, after how many that pass, how often, and with what. */
static atomic_int fault_targets;
static atomic_int fault_passes;
static atomic_int fault_count;
static atomic_int fault_errno;

static bool is_to_fail(enum target target)
{
    if ((atomic_load(&fault_targets) & (int)target) == 0)
        return false;
    if (atomic_fetch_sub(&fault_passes, 1) > 0)
        return false;
    if (atomic_fetch_sub(&fault_count, 1) <= 0)
        return false;
    errno = atomic_load(&fault_errno);
    return true;
}

static void fail_next(int targets, int passes, int count, int error)
{
    atomic_store(&fault_targets, 0);
    atomic_store(&fault_passes, passes);
    atomic_store(&fault_count, count);
    atomic_store(&fault_errno, error);
    atomic_store(&fault_targets, targets);
}

static void fail_nothing(void)
{
    atomic_store(&fault_targets, 0);
}

/* The names that LMDB links with: <unistd.h> gives pwrite another one where off_t is said to be 64
 * bits. */
ssize_t injected_pwrite(int fd, const void *data, size_t len, off_t at) __asm__("pwrite");
ssize_t injected_writev(int fd, const struct iovec *pieces, int count) __asm__("writev");
int injected_fdatasync(int fd) __asm__("fdatasync");

ssize_t injected_pwrite(int fd, const void *data, size_t len, off_t at)
{
    if (is_to_fail(len < PAGE_BYTES ? TARGET_META : TARGET_PAGES))
        return -1;
    return syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t injected_writev(int fd, const struct iovec *pieces, int count)
{
    if (is_to_fail(TARGET_PAGES))
        return -1;
    return syscall(SYS_writev, fd, pieces, count);
}

int injected_fdatasync(int fd)
{
    if (is_to_fail(TARGET_SYNC))
        return -1;
    return (int)syscall(SYS_fdatasync, fd);
}

static enum rpc_code put_user(struct fixture *fixture, int64_t id)
{
    struct test_context test;
    struct rpc_status status;
    struct store_commit commit;
    char email[32];
    context_begin(&test);
    (void)snprintf(email, sizeof email, "%d@x", (int)id);
    Lotcast__V1__UserRecord user = make_user(id, email);
    store_commit_init(&commit, fixture->client, &test.context);
    (void)store_commit_put_new(&commit, &user);
    (void)store_commit_add(&commit, "users", 1);
    enum rpc_code code = store_commit_send(&commit, &test.context, NULL, &status);
    context_end(&test);
    return code;
}

static void fails_once_and_goes_on(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *name;
        int target;
        int error;
        enum rpc_code want;
    } rows[] = {
        {"pages EIO", TARGET_PAGES, EIO, RPC_UNAVAILABLE},
        {"pages ENOSPC", TARGET_PAGES, ENOSPC, RPC_RESOURCE_EXHAUSTED},
        {"pages EDQUOT", TARGET_PAGES, EDQUOT, RPC_RESOURCE_EXHAUSTED},
        {"sync EIO", TARGET_SYNC, EIO, RPC_UNAVAILABLE},
        {"sync ENOSPC", TARGET_SYNC, ENOSPC, RPC_RESOURCE_EXHAUSTED},
        {"meta EIO", TARGET_META, EIO, RPC_UNAVAILABLE},
        {"meta ENOSPC", TARGET_META, ENOSPC, RPC_UNAVAILABLE}, /* its outcome is not known */
    };
    assert_int_equal(put_user(fixture, 1), RPC_OK);
    int64_t id = 1;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t errors = (int64_t)atomic_load(&store__metric_write_errors.value);
        fail_next(rows[i].target, 0, 1, rows[i].error);
        enum rpc_code code = put_user(fixture, ++id);
        fail_nothing();
        if (code != rows[i].want)
            fail_msg("%s: %s", rows[i].name, rpc_code_name(code));
        assert_int_equal(atomic_load(&store__metric_write_errors.value), errors + 1);
        assert_true(user_version(fixture, 1) > 0);
        assert_int_equal(user_version(fixture, id), 0);
        assert_int_equal(put_user(fixture, ++id), RPC_OK);
        assert_true(user_version(fixture, id) > 0);
    }
}

static void reads_go_on_while_nothing_can_be_written(void **state)
{
    struct fixture *fixture = *state;
    static const int targets[] = {TARGET_PAGES, TARGET_SYNC, TARGET_META,
                                  TARGET_PAGES | TARGET_SYNC | TARGET_META};
    int64_t id = 1;
    assert_int_equal(put_user(fixture, 1), RPC_OK);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        fail_next(targets[i], 0, INT32_MAX, EIO);
        for (int j = 0; j < 5; j++) {
            assert_int_equal(put_user(fixture, ++id), RPC_UNAVAILABLE);
            assert_true(user_version(fixture, 1) > 0);
        }
        fail_nothing();
        assert_int_equal(put_user(fixture, ++id), RPC_OK);
    }
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void audit(struct fixture *fixture, const enum rpc_code *outcomes, int64_t count)
{
    int64_t there = 0;
    for (int64_t id = 1; id <= count; id++) {
        bool is_there = user_version(fixture, id) != 0;
        there += is_there;
        if (outcomes[id] == RPC_OK && !is_there)
            fail_msg("%lld was acknowledged and is not there", (long long)id);
        if (outcomes[id] == RPC_RESOURCE_EXHAUSTED && is_there)
            fail_msg("%lld was refused and is there", (long long)id);
    }
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    struct store_read_op ops[] = {
        {.counter = "users"},
        {.record = USER, .is_range = true, .count_only = true},
        {.record = USER, .index = "by_email", .is_range = true, .count_only = true}};
    expect_ok(store_read(fixture->client, &test.context, ops, 3, &status), &status);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(ops[i].ret_count, there);
    context_end(&test);
}

static void acknowledges_nothing_that_is_not_there(void **state)
{
    struct fixture *fixture = *state;
    enum { COMMITS = 600 };
    static enum rpc_code outcomes[COMMITS + 1];
    uint64_t seed = 20260206;
    size_t failed = 0;
    for (int64_t id = 1; id <= COMMITS; id++) {
        uint64_t dice = next_random(&seed);
        fail_next((int)(dice & 7), (int)(dice >> 8 & 3), 1 + (int)(dice >> 16 & 1),
                  dice >> 24 & 1 ? EIO : ENOSPC);
        outcomes[id] = put_user(fixture, id);
        fail_nothing();
        failed += outcomes[id] != RPC_OK;
        if (id % 200 == 0) {
            audit(fixture, outcomes, id);
            fixture_stop(fixture);
            fixture_start(fixture);
            audit(fixture, outcomes, id);
        }
    }
    print_message("%zu of %d commits failed\n", failed, COMMITS);
    assert_true(failed > COMMITS / 10 && failed < COMMITS);
}

/* A record whose page came back wrong is an error, never another record. */
static void refuses_what_fails_its_checksum(void **state)
{
    struct fixture *fixture = *state;
    struct test_context test;
    struct rpc_status status;
    struct store_key_buffer key;
    struct store_txn *txn;
    struct span stored;
    uint8_t bytes[256];
    assert_int_equal(put_user(fixture, 1), RPC_OK);
    assert_int_equal(put_user(fixture, 2), RPC_OK);

    /* Record 1's bytes, whole, in record 2's place; then one bit of them. */
    struct store_engine *engine = fixture->store->engine;
    const struct store_value ids[] = {{.number = 1}, {.number = 2}};
    store__key_begin(&key, 1, 0);
    store__key_append(&key, &ids[0], STORE_TEXT_UNCUT);
    expect_ok(engine->ops->read_begin(engine, &txn, &status), &status);
    expect_ok(engine->ops->get(txn, store__key_span(&key), &stored, &status), &status);
    size_t len = stored.len;
    assert_true(len <= sizeof bytes);
    memcpy(bytes, stored.data, len);
    engine->ops->read_end(txn);
    for (int i = 0; i < 2; i++) {
        store__key_begin(&key, 1, 0);
        store__key_append(&key, &ids[1 - i], STORE_TEXT_UNCUT);
        if (i == 1)
            bytes[len - 1] ^= 0x10;
        fixture_stop(fixture); /* so that this thread is the one that writes */
        expect_ok(store__engine_lmdb_open(fixture->directory, 0, &engine, &status), &status);
        expect_ok(engine->ops->write_begin(engine, &txn, &status), &status);
        expect_ok(engine->ops->put(txn, store__key_span(&key), (struct span){0},
                                   span_of(bytes, len), &status),
                  &status);
        expect_ok(engine->ops->write_commit(txn, &status), &status);
        engine->ops->close(engine);
        fixture_start(fixture);
        context_begin(&test);
        Lotcast__V1__UserRecord *user = NULL;
        assert_int_equal(store_get(fixture->client, &test.context, USER, NULL,
                                   store_key(store_number(2 - i)), &user, NULL, &status),
                         RPC_DATA_LOSS);
        context_end(&test);
    }
    assert_int_equal(put_user(fixture, 3), RPC_OK); /* others are not touched by it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fails_once_and_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_go_on_while_nothing_can_be_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(acknowledges_nothing_that_is_not_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_fails_its_checksum, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
