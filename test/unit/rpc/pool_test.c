/*
 * The workers' pool: its order, its bound, and for slow work the refusal of what would come late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/base/clock.h"
#include "rpc/internal.h"
#include "test/support/process.h"

#define CALLS 64
#define PATIENCE_MS 60000
/* What a call is taken to run for. Long, so that no pause of this test makes a difference. */
#define RUN_US INT64_C(100000000)
#define RUN_MS (RUN_US / 1000)

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
    unsigned running;
    size_t ran;
    struct rpc_server_call *order[CALLS];
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* A call that nobody waits for only ends. */
static void run(struct rpc_server_call *call)
{
    (void)pthread_mutex_lock(&gate.lock);
    gate.running++;
    while (!gate.open && !rpc_context_stopped(&call->context))
        (void)pthread_cond_wait(&gate.changed, &gate.lock);
    gate.running--;
    if (gate.ran < CALLS)
        gate.order[gate.ran] = call;
    gate.ran++;
    (void)pthread_mutex_unlock(&gate.lock);
}

static void gate_set(bool open)
{
    (void)pthread_mutex_lock(&gate.lock);
    gate.open = open;
    (void)pthread_cond_broadcast(&gate.changed);
    (void)pthread_mutex_unlock(&gate.lock);
}

static bool is_running(void *count)
{
    (void)pthread_mutex_lock(&gate.lock);
    bool is = gate.running == *(unsigned *)count;
    (void)pthread_mutex_unlock(&gate.lock);
    return is;
}

static bool has_run(void *count)
{
    (void)pthread_mutex_lock(&gate.lock);
    bool has = gate.ran == *(size_t *)count;
    (void)pthread_mutex_unlock(&gate.lock);
    return has;
}

static void await_running(unsigned count)
{
    assert_true(wait_until(is_running, &count, PATIENCE_MS));
}

static void await_ran(size_t count)
{
    assert_true(wait_until(has_run, &count, PATIENCE_MS));
}

/* With its gate closed. */
static struct rpc__pool *pool_begin(unsigned threads, size_t queue_max, int64_t run_us)
{
    gate_set(false);
    gate.ran = 0;
    struct rpc__pool *pool = rpc__pool_create("test", threads, queue_max, run_us, NULL, run);
    assert_non_null(pool);
    return pool;
}

static void pool_end(struct rpc__pool *pool)
{
    gate_set(true);
    (void)rpc__pool_stop(pool);
    rpc__pool_destroy(pool);
}

static void due_in(struct rpc_server_call *call, int64_t ms)
{
    call->context.deadline_ms = clock_mono_ms() + ms;
}

static void runs_in_order_up_to_its_bound(void **state)
{
    static struct rpc_server_call calls[8];
    (void)state;
    struct rpc__pool *pool = pool_begin(1, 5, 0);
    for (size_t i = 0; i < 8; i++)
        due_in(&calls[i], PATIENCE_MS); /* less than RUN_MS: it is no pool for slow work */
    assert_true(rpc__pool_submit(pool, &calls[0]));
    await_running(1);
    for (size_t i = 1; i <= 5; i++)
        assert_true(rpc__pool_submit(pool, &calls[i]));
    assert_false(rpc__pool_submit(pool, &calls[6]));
    gate_set(true);
    await_ran(6);
    for (size_t i = 0; i < 6; i++)
        assert_ptr_equal(gate.order[i], &calls[i]);
    pool_end(pool);
}

/* A full queue of calls that nobody waits for is not full. */
static void makes_room(void **state)
{
    static struct rpc_server_call calls[10];
    (void)state;
    struct rpc__pool *pool = pool_begin(1, 4, 0);
    for (size_t i = 0; i < 10; i++) {
        due_in(&calls[i], PATIENCE_MS);
        calls[i].context.cancelled = &calls[i].cancelled;
    }
    assert_true(rpc__pool_submit(pool, &calls[0]));
    await_running(1);
    for (size_t i = 1; i <= 4; i++)
        assert_true(rpc__pool_submit(pool, &calls[i]));
    atomic_store(&calls[1].cancelled, true);
    atomic_store(&calls[4].cancelled, true);
    due_in(&calls[3], -1);
    assert_true(rpc__pool_submit(pool, &calls[5]));
    assert_int_equal(gate.ran, 3); /* they have ended, in their order */
    assert_ptr_equal(gate.order[0], &calls[1]);
    assert_ptr_equal(gate.order[1], &calls[3]);
    assert_ptr_equal(gate.order[2], &calls[4]);
    assert_true(rpc__pool_submit(pool, &calls[6]));
    assert_true(rpc__pool_submit(pool, &calls[7]));
    assert_false(rpc__pool_submit(pool, &calls[8]));
    gate_set(true);
    await_ran(8);
    assert_ptr_equal(gate.order[3], &calls[0]);
    assert_ptr_equal(gate.order[4], &calls[2]);
    assert_ptr_equal(gate.order[5], &calls[5]);
    assert_ptr_equal(gate.order[7], &calls[7]);
    pool_end(pool);
}

static void refuses_what_would_come_late(void **state)
{
    static struct rpc_server_call calls[CALLS];
    static const struct {
        const char *name;
        unsigned threads;
        int64_t left_tenths; /* of the time for one */
        size_t taken;        /* behind those that run */
    } rows[] = {
        {"no time for any", 1, 10, 0}, {"one", 1, 30, 1},
        {"some", 1, 110, 5},           {"two workers, twice as many", 2, 115, 11},
        {"four workers", 4, 46, 9},
    };
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct rpc__pool *pool = pool_begin(rows[r].threads, 1024, RUN_US);
        size_t taken = 0;
        for (size_t i = 0; i < rows[r].threads; i++) {
            due_in(&calls[i], RUN_MS / 10 * rows[r].left_tenths);
            assert_true(rpc__pool_submit(pool, &calls[i])); /* a worker waits for it */
            await_running((unsigned)i + 1);
        }
        for (size_t i = rows[r].threads; i < CALLS; i++) {
            due_in(&calls[i], RUN_MS / 10 * rows[r].left_tenths);
            taken += rpc__pool_submit(pool, &calls[i]);
        }
        if (taken != rows[r].taken)
            fail_msg("%s: %zu", rows[r].name, taken);
        pool_end(pool);
    }
}

static void refuses_of_a_batch_just_those(void **state)
{
    static struct rpc_server_call calls[8];
    (void)state;
    struct rpc__pool *pool = pool_begin(1, 1024, RUN_US);
    struct rpc__call_list list = {0};
    due_in(&calls[0], RUN_MS);
    assert_true(rpc__pool_submit(pool, &calls[0]));
    await_running(1);
    for (size_t i = 1; i < 7; i++) {
        due_in(&calls[i], i % 2 == 0 ? RUN_MS : RUN_MS * 100);
        rpc__call_list_push(&list, &calls[i]);
    }
    rpc__pool_submit_all(pool, &list);
    assert_ptr_equal(list.first, &calls[2]);
    assert_ptr_equal(list.first->next, &calls[4]);
    assert_ptr_equal(list.first->next->next, &calls[6]);
    assert_ptr_equal(list.last, &calls[6]);
    assert_null(list.last->next);
    gate_set(true);
    await_ran(4);
    assert_ptr_equal(gate.order[1], &calls[1]);
    assert_ptr_equal(gate.order[2], &calls[3]);
    assert_ptr_equal(gate.order[3], &calls[5]);
    pool_end(pool);
}

/* Calls that prove to be quick let more in. */
static void learns_how_long_they_run(void **state)
{
    static struct rpc_server_call calls[CALLS];
    static struct rpc_server_call quick[200];
    (void)state;
    struct rpc__pool *pool = pool_begin(1, 1024, RUN_US);
    gate_set(true);
    for (size_t i = 0; i < 200; i++) {
        due_in(&quick[i], RUN_MS * 1000);
        assert_true(rpc__pool_submit(pool, &quick[i]));
    }
    await_ran(200);
    gate_set(false);
    due_in(&calls[0], PATIENCE_MS);
    assert_true(rpc__pool_submit(pool, &calls[0]));
    await_running(1);
    for (size_t i = 1; i < CALLS; i++) {
        due_in(&calls[i], PATIENCE_MS);
        assert_true(rpc__pool_submit(pool, &calls[i]));
    }
    pool_end(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_in_order_up_to_its_bound),
        cmocka_unit_test(makes_room),
        cmocka_unit_test(refuses_what_would_come_late),
        cmocka_unit_test(refuses_of_a_batch_just_those),
        cmocka_unit_test(learns_how_long_they_run),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
