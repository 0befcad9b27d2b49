/*
 * A rotation of a process that is killed: at each of its commits in turn, before and after it. At
 * each kill every token opens with a key that is there; in the end all are sealed with the new one,
 * and the old one is gone.
 */
#include "test/unit/services/kill_fixture.h"

#include "test/unit/services/key_fixture.h"

/* Tells the process where the keys are. */
#define KEYS_ENV "LOTCAST_TEST_KEYS"
/* More than one page. */
#define TOKENS 700

/* Begins the rotation; the processes are to end its job. */
static void victim_begin(struct victim *victim, struct keys *keys, struct logic *logic)
{
    struct test_context test;
    struct rpc_status status;
    struct store_read_op op;
    context_begin(&test);
    logic->store = keys->store;
    logic->services = logic_create(keys->store);
    put_tokens(keys, logic->services, TOKENS);
    victim_listen(victim, logic);
    assert_int_equal(key_file_rotate(keys->directory), KEY_FILE_OK);
    expect_ok(key_rotation_settle(logic->services, &test.context, &status), &status);
    assert_true(services__active_job(&test.context, "reseal", 0, &op));
    expect_ok(store_read(keys->store->client, &test.context, &op, 1, &status), &status);
    const Lotcast__V1__JobRecord *job = services__row(&op);
    assert_non_null(job);
    (void)snprintf(victim->job, sizeof victim->job, "%lld", (long long)job->job_id);
    context_end(&test);
}

static void survives_a_kill_at_each_commit(void **state)
{
    static const char *const moments[] = {"before", "after"};
    for (size_t m = 0; m < 2; m++) {
        bool ended = false;
        for (int at = 1; !ended; at++) {
            struct victim victim;
            struct logic logic = {0};
            struct keys *keys = keys_begin(state);
            char fake_path[96];
            (void)snprintf(fake_path, sizeof fake_path, "%s/fake", keys->store->directory);
            fake_open(fake_path);
            assert_int_equal(setenv(KEYS_ENV, keys->directory, 1), 0);
            victim_begin(&victim, keys, &logic);
            ended = child_run(&victim, at, moments[m]);
            expect_readable(keys, TOKENS, false);
            if (!ended)
                assert_true(child_run(&victim, 0, "after"));
            assert_true(is_settled(keys));
            expect_readable(keys, TOKENS, true);
            assert_true(ended || at < 40);
            services_destroy(logic.services);
            keys_end(state, keys);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 7 + 1 && strcmp(argv[1], "child") == 0) {
        logic_keys = getenv(KEYS_ENV);
        return child_main(argv + 1);
    }
    if (!program_find())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_a_kill_at_each_commit),
    };
    return cmocka_run_group_tests_name("key_kill", tests, NULL, NULL);
}
