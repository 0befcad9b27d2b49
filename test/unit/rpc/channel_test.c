/*
 * Channels against a server in this process, over direct: and over REQ/REP: the same tests for
 * both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "rpc/base/clock.h"
#include "test/support/process.h"
#include "test/unit/rpc/fixture.h"

struct both {
    struct fixture fixture;
    char directory[64];
    char ipc[128];
    struct rpc_channel *channels[2]; /* direct, REQ/REP */
};

static int setup(void **state)
{
    static struct both both;
    fixture_init(&both.fixture);
    fixture_start(&both.fixture, (struct rpc_server_options){.workers = 4});
    temp_directory(both.directory);
    (void)snprintf(both.ipc, sizeof both.ipc, "req+ipc://%s/s", both.directory);
    fixture_listen(&both.fixture, both.ipc);
    both.channels[0] = fixture_channel(&both.fixture, "direct:");
    both.channels[1] = fixture_channel(&both.fixture, both.ipc);
    *state = &both;
    return 0;
}

static int teardown(void **state)
{
    struct both *both = *state;
    fixture_gate(&both->fixture, true);
    rpc_channel_close(both->channels[0]);
    rpc_channel_close(both->channels[1]);
    fixture_stop(&both->fixture);
    return 0;
}

static void test_echo(void **state)
{
    struct both *both = *state;
    for (size_t i = 0; i < 2; i++) {
        struct fixture_context context;
        fixture_context_init(&context, 5000);
        const Lotcast__V1__QueryResponse *response = NULL;
        struct rpc_status status;
        assert_int_equal(
            fixture_call(both->channels[i], &context, ACTION_ECHO, "hello", &response, &status),
            RPC_OK);
        assert_int_equal(response->n_rows, 1);
        assert_int_equal(response->rows[0]->value.len, 5);
        assert_memory_equal(response->rows[0]->value.data, "hello", 5);
        fixture_context_fini(&context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_echo, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
