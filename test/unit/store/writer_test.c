/* Group commit, snapshots and the map's growth, with real threads. */
#include <pthread.h>

#include "store/metrics.h"
#include "test/unit/store/fixture.h"

#define USER (&lotcast__v1__user_record__descriptor)
#define THREADS 16
#define COMMITS_EACH 50

static int64_t value_of(struct metric *metric)
{
    return (int64_t)atomic_load(&metric->value);
}

struct committer {
    struct fixture *fixture;
    pthread_t thread;
    int64_t number;
    int64_t ok, refused, other;
};

static void start_all(struct committer *committers, struct fixture *fixture,
                      void *(*run)(void *committer))
{
    for (int64_t i = 0; i < THREADS; i++) {
        committers[i] = (struct committer){.fixture = fixture, .number = i};
        assert_int_equal(pthread_create(&committers[i].thread, NULL, run, &committers[i]), 0);
    }
}

static void join_all(struct committer *committers)
{
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(committers[i].thread, NULL), 0);
}

static void *commit_own_records(void *arg)
{
    struct committer *self = arg;
    for (int64_t i = 0; i < COMMITS_EACH; i++) {
        struct test_context test;
        struct rpc_status status;
        struct store_commit commit;
        char email[32];
        context_begin(&test);
        (void)snprintf(email, sizeof email, "%d-%d@x", (int)self->number, (int)i);
        Lotcast__V1__UserRecord user = make_user(1 + self->number * COMMITS_EACH + i, email);
        store_commit_init(&commit, self->fixture->client, &test.context);
        (void)store_commit_put_new(&commit, &user);
        (void)store_commit_add(&commit, "made", 1);
        if (store_commit_send(&commit, &test.context, NULL, &status) == RPC_OK)
            self->ok++;
        context_end(&test);
    }
    return NULL;
}

static void groups_the_commits_of_many_threads(void **state)
{
    struct fixture *fixture = *state;
    struct committer committers[THREADS];
    int64_t commits = value_of(&store__metric_commits);
    int64_t groups = value_of(&store__metric_groups);
    start_all(committers, fixture, commit_own_records);
    join_all(committers);
    commits = value_of(&store__metric_commits) - commits;
    groups = value_of(&store__metric_groups) - groups;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(committers[i].ok, COMMITS_EACH);
    assert_int_equal(commits, THREADS * COMMITS_EACH);
    print_message("%lld commits with %lld syncs\n", (long long)commits, (long long)groups);
    assert_true(groups > 0 && groups < commits);

    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    struct store_read_op ops[] = {{.record = USER, .is_range = true, .count_only = true},
                                  {.counter = "made"}};
    expect_ok(store_read(fixture->client, &test.context, ops, 2, &status), &status);
    assert_int_equal(ops[0].ret_count, THREADS * COMMITS_EACH);
    assert_int_equal(ops[1].ret_count, THREADS * COMMITS_EACH);
    context_end(&test);
}

/* All want the same: one record's next version, and one e-mail. */
static void *commit_the_same(void *arg)
{
    struct committer *self = arg;
    for (int64_t i = 0; i < COMMITS_EACH; i++) {
        struct test_context test;
        struct rpc_status status;
        struct store_commit commit;
        context_begin(&test);
        Lotcast__V1__UserRecord shared = make_user(1, "shared@x");
        shared.customer_id = i;
        store_commit_init(&commit, self->fixture->client, &test.context);
        (void)store_commit_add(&commit, "won", 1);
        (void)store_commit_put_version(&commit, &shared, user_version(self->fixture, 1));
        Lotcast__V1__UserRecord taken = make_user(1000 + self->number, "taken@x");
        if (i % 2 == 1)
            (void)store_commit_put(&commit, &taken); /* one of them may have it */
        enum rpc_code code = store_commit_send(&commit, &test.context, NULL, &status);
        self->ok += code == RPC_OK;
        self->refused += code == RPC_ABORTED || code == RPC_ALREADY_EXISTS;
        self->other += code != RPC_OK && code != RPC_ABORTED && code != RPC_ALREADY_EXISTS;
        context_end(&test);
    }
    return NULL;
}

static void lets_one_of_those_that_clash_win(void **state)
{
    struct fixture *fixture = *state;
    struct committer committers[THREADS];
    start_all(committers, fixture, commit_the_same);
    join_all(committers);
    int64_t ok = 0;
    int64_t refused = 0;
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(committers[i].other, 0);
        ok += committers[i].ok;
        refused += committers[i].refused;
    }
    assert_int_equal(ok + refused, THREADS * COMMITS_EACH);
    assert_true(ok > 0);

    /* What was refused left nothing, not even its first op. */
    struct test_context test;
    struct rpc_status status;
    context_begin(&test);
    struct store_read_op ops[] = {
        {.counter = "won"},
        {.record = USER, .is_range = true, .count_only = true},
        {.record = USER, .index = "by_email", .is_range = true, .count_only = true}};
    expect_ok(store_read(fixture->client, &test.context, ops, 3, &status), &status);
    assert_int_equal(ops[0].ret_count, ok);
    assert_true(ops[1].ret_count <= 2);
    assert_int_equal(ops[2].ret_count, ops[1].ret_count);
    context_end(&test);
}

/* Two records and a counter that always change together. */
static void *move_money(void *arg)
{
    struct committer *self = arg;
    for (int64_t i = 0; i < COMMITS_EACH; i++) {
        struct test_context test;
        struct rpc_status status;
        struct store_commit commit;
        context_begin(&test);
        store_commit_init(&commit, self->fixture->client, &test.context);
        Lotcast__V1__LedgerBalanceRecord from = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
        Lotcast__V1__LedgerBalanceRecord to = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
        from.customer_id = 1;
        from.balance_centi = -(self->number * 1000 + i);
        to.customer_id = 2;
        to.balance_centi = self->number * 1000 + i;
        (void)store_commit_put(&commit, &from);
        (void)store_commit_put(&commit, &to);
        expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
        context_end(&test);
    }
    return NULL;
}

static void reads_all_ops_in_one_snapshot(void **state)
{
    struct fixture *fixture = *state;
    struct committer committers[THREADS];
    const ProtobufCMessageDescriptor *balance = &lotcast__v1__ledger_balance_record__descriptor;
    start_all(committers, fixture, move_money);
    int64_t latest = 0;
    for (int i = 0; i < 2000; i++) {
        struct test_context test;
        struct rpc_status status;
        context_begin(&test);
        struct store_read_op ops[] = {{.record = balance, .key = store_key(store_number(1))},
                                      {.record = balance, .is_range = true},
                                      {.record = balance, .key = store_key(store_number(2))}};
        expect_ok(store_read(fixture->client, &test.context, ops, 3, &status), &status);
        int64_t sum = 0;
        for (size_t op = 0; op < 3; op += 2) {
            assert_true(ops[op].ret_row_count == ops[1].ret_row_count / 2);
            if (ops[op].ret_row_count == 1) {
                sum += ((Lotcast__V1__LedgerBalanceRecord *)ops[op].ret_rows[0])->balance_centi;
                assert_true(ops[op].ret_versions[0] == ops[1].ret_versions[0]);
                /* Snapshots do not go back. */
                assert_true((int64_t)ops[op].ret_versions[0] >= latest);
                latest = (int64_t)ops[op].ret_versions[0];
            }
        }
        assert_int_equal(sum, 0);
        context_end(&test);
    }
    join_all(committers);
}

static int set_up_small(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    temp_directory(fixture->directory);
    fixture->map_bytes = 256 * 1024;
    fixture->registry = make_registry();
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

#define LARGE_BYTES 200000

static enum rpc_code put_large(struct fixture *fixture, int64_t id)
{
    struct test_context test;
    struct rpc_status status;
    struct store_commit commit;
    context_begin(&test);
    char *text = arena_alloc(&test.arena, LARGE_BYTES + 1);
    char email[32];
    assert_non_null(text);
    memset(text, 'n', LARGE_BYTES);
    text[LARGE_BYTES] = '\0';
    (void)snprintf(email, sizeof email, "%d@x", (int)id);
    Lotcast__V1__UserRecord user = make_user(id, email);
    user.name = text;
    store_commit_init(&commit, fixture->client, &test.context);
    (void)store_commit_put_new(&commit, &user);
    (void)store_commit_add(&commit, "large", 1);
    enum rpc_code code = store_commit_send(&commit, &test.context, NULL, &status);
    context_end(&test);
    return code;
}

static void *put_large_ones(void *arg)
{
    struct committer *self = arg;
    for (int64_t i = 0; i < 5; i++)
        self->ok += put_large(self->fixture, 1 + self->number * 5 + i) == RPC_OK;
    return NULL;
}

#define READERS 3

struct reader {
    struct fixture *fixture;
    const atomic_bool *stop;
    pthread_t thread;
    int64_t reads, wrong;
};

/* Long in each snapshot: counts them all, and copies some MB out of the map. */
static void *read_large_ones(void *arg)
{
    struct reader *self = arg;
    while (!atomic_load(self->stop)) {
        struct test_context test;
        struct rpc_status status;
        context_begin(&test);
        struct store_read_op ops[] = {
            {.counter = "large"},
            {.record = USER, .is_range = true, .limit = 30, .reverse = true},
            {.record = USER, .is_range = true, .count_only = true},
        };
        enum rpc_code code = store_read(self->fixture->client, &test.context, ops, 3, &status);
        self->wrong += code != RPC_OK || ops[0].ret_count != ops[2].ret_count;
        self->reads++;
        context_end(&test);
    }
    return NULL;
}

static void grows_the_map_under_readers_and_writers(void **state)
{
    struct fixture *fixture = *state;
    struct committer committers[THREADS];
    struct reader readers[READERS];
    atomic_bool stop = false;
    for (size_t i = 0; i < READERS; i++) {
        readers[i] = (struct reader){.fixture = fixture, .stop = &stop};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_large_ones, &readers[i]), 0);
    }
    start_all(committers, fixture, put_large_ones);
    join_all(committers);
    atomic_store(&stop, true);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_true(readers[i].reads > 0);
        assert_int_equal(readers[i].wrong, 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(committers[i].ok, 5);
    /* 16 MB from a map of 256 KiB; and all of it is still there when it is opened small again. */
    fixture_stop(fixture);
    fixture_start(fixture);
    for (int64_t id = 1; id <= THREADS * 5; id++)
        assert_true(user_version(fixture, id) > 0);
    assert_int_equal(put_large(fixture, 10000), RPC_OK);
}

/* --- the queue --- */

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t all_done;
    size_t done, ok;
};

static void note_done(struct store_commit_work *work)
{
    struct waiting *waiting = work->arg;
    (void)pthread_mutex_lock(&waiting->lock);
    waiting->done++;
    waiting->ok += work->code == RPC_OK;
    (void)pthread_cond_signal(&waiting->all_done);
    (void)pthread_mutex_unlock(&waiting->lock);
}

/* Submits adds as fast as it can. Returns how many were taken; the others were pushed back. */
static size_t flood(struct fixture *fixture, struct test_context *test, struct waiting *waiting,
                    size_t count)
{
    Lotcast__V1__AddOp add = LOTCAST__V1__ADD_OP__INIT;
    Lotcast__V1__CommitOp op = LOTCAST__V1__COMMIT_OP__INIT;
    Lotcast__V1__CommitOp *ops[] = {&op};
    Lotcast__V1__CommitRequest request = LOTCAST__V1__COMMIT_REQUEST__INIT;
    size_t taken = 0;
    add.counter = (char *)"flood";
    add.delta = 1;
    op.kind_case = LOTCAST__V1__COMMIT_OP__KIND_ADD;
    op.add = &add;
    request.ops = ops;
    request.n_ops = 1;
    for (size_t i = 0; i < count; i++) {
        struct rpc_status status;
        Lotcast__V1__CommitResponse *response = arena_alloc(&test->arena, sizeof *response);
        struct store_commit_work *work = arena_calloc(&test->arena, 1, sizeof *work);
        assert_non_null(response);
        assert_non_null(work);
        lotcast__v1__commit_response__init(response);
        work->context = &test->context;
        work->response = response;
        work->done = note_done;
        work->arg = waiting;
        enum rpc_code code = store__commit(fixture->store, &request, work, &status);
        if (code == RPC_OK) {
            taken++;
            continue;
        }
        assert_int_equal(code, RPC_RESOURCE_EXHAUSTED);
        assert_true(status.retry_after_ms > 0);
    }
    return taken;
}

static void bounds_its_queue_and_finishes_it_at_close(void **state)
{
    struct fixture *fixture = *state;
    enum { FLOOD = 20000 };
    struct waiting waiting = {.lock = PTHREAD_MUTEX_INITIALIZER,
                              .all_done = PTHREAD_COND_INITIALIZER};
    struct test_context test;
    context_begin(&test);
    size_t taken = flood(fixture, &test, &waiting, FLOOD);
    assert_true(taken > 0);
    fixture_stop(fixture); /* which finishes what waits */
    assert_int_equal(waiting.done, taken);
    assert_int_equal(waiting.ok, taken);
    context_end(&test);
    print_message("%zu of %d taken\n", taken, FLOOD);

    fixture_start(fixture);
    struct rpc_status status;
    context_begin(&test);
    struct store_read_op op = {.counter = "flood"};
    expect_ok(store_read(fixture->client, &test.context, &op, 1, &status), &status);
    assert_int_equal(op.ret_count, taken);
    context_end(&test);
}

static void does_not_begin_what_nobody_waits_for(void **state)
{
    struct fixture *fixture = *state;
    atomic_bool cancelled = true;
    struct waiting waiting = {.lock = PTHREAD_MUTEX_INITIALIZER,
                              .all_done = PTHREAD_COND_INITIALIZER};
    struct test_context test;
    context_begin(&test);
    test.context.cancelled = &cancelled;
    size_t taken = flood(fixture, &test, &waiting, 10);
    (void)pthread_mutex_lock(&waiting.lock);
    while (waiting.done < taken)
        (void)pthread_cond_wait(&waiting.all_done, &waiting.lock);
    (void)pthread_mutex_unlock(&waiting.lock);
    assert_int_equal(waiting.ok, 0);
    test.context.cancelled = NULL;
    struct rpc_status status;
    struct store_read_op op = {.counter = "flood"};
    expect_ok(store_read(fixture->client, &test.context, &op, 1, &status), &status);
    assert_int_equal(op.ret_count, 0);
    context_end(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(groups_the_commits_of_many_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lets_one_of_those_that_clash_win, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_all_ops_in_one_snapshot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(grows_the_map_under_readers_and_writers, set_up_small,
                                        tear_down),
        cmocka_unit_test_setup_teardown(bounds_its_queue_and_finishes_it_at_close, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(does_not_begin_what_nobody_waits_for, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
