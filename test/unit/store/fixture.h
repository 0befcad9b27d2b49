/*
 * A store in a private directory, served over direct: to a client, as the roles of one process do.
 */
#ifndef TEST_UNIT_STORE_FIXTURE_H
#define TEST_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "rpc/base/clock.h"
#include "store/client.h"
#include "store/internal.h"
#include "test/support/lost_race.h"
#include "test/support/process.h"
#include "test/support/reasons.h"

#define UNUSED __attribute__((unused))

struct fixture {
    char directory[64];
    size_t map_bytes;
    size_t image_entries_min;
    struct registry *registry;
    struct store *store;
    struct lost_race race;
    struct rpc_server *server;
    struct rpc_channel *channel;
    struct store_client *client;
};

static inline void expect_ok(enum rpc_code code, const struct rpc_status *status)
{
    if (code != RPC_OK)
        fail_msg("%s: %s (%s)", rpc_code_name(code), status->message, status->field);
}

static inline struct registry *make_registry(void)
{
    const struct registry_sources sources = registry_sources_get();
    struct registry *registry = NULL;
    struct rpc_status status;
    expect_ok(registry_create(&sources, &registry, &status), &status);
    return registry;
}

/* Opens the store in fixture->directory, and all above it. */
static inline void fixture_start(struct fixture *fixture)
{
    struct rpc_status status;
    const struct store_options store_options = {.directory = fixture->directory,
                                                .registry = fixture->registry,
                                                .map_bytes = fixture->map_bytes,
                                                .image_entries_min = fixture->image_entries_min,
                                                .lock_wait_ms = -1};
    expect_ok(store_open(&store_options, &fixture->store, &status), &status);
    lost_race_init(&fixture->race, store_service(fixture->store));
    const struct rpc_server_options server_options = {.name = "store",
                                                      .registry = fixture->registry,
                                                      .services = &fixture->race.service,
                                                      .service_count = 1,
                                                      .interceptors = reasons_recorder(),
                                                      .interceptor_count = 1,
                                                      .workers = 2};
    expect_ok(rpc_server_create(&server_options, &fixture->server, &status), &status);
    const struct rpc_channel_options channel_options = {.url = "direct:",
                                                        .server = fixture->server};
    expect_ok(rpc_channel_open(&channel_options, &fixture->channel, &status), &status);
    fixture->client = store_client_create(fixture->channel, fixture->registry);
    assert_non_null(fixture->client);
}

static inline void fixture_stop(struct fixture *fixture)
{
    store_client_destroy(fixture->client);
    rpc_channel_close(fixture->channel);
    rpc_server_destroy(fixture->server);
    store_close(fixture->store);
    fixture->client = NULL;
    fixture->channel = NULL;
    fixture->server = NULL;
    fixture->store = NULL;
}

/* cmocka's set-up and tear-down of one test. */
static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    fixture->image_entries_min = 1;
    temp_directory(fixture->directory);
    fixture->registry = make_registry();
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->store != NULL)
        fixture_stop(fixture);
    registry_destroy(fixture->registry);
    free(fixture);
    return 0;
}

/* A context of its own arena, without a deadline; end it with context_end. */
struct test_context {
    struct rpc_context context;
    struct arena arena;
};

static inline void context_begin(struct test_context *test)
{
    *test = (struct test_context){.context = {.deadline_ms = INT64_MAX}};
    arena_init(&test->arena, ARENA_CALL_BYTES_MAX);
    test->context.arena = &test->arena;
}

static inline void context_end(struct test_context *test)
{
    arena_fini(&test->arena);
}

static inline Lotcast__V1__UserRecord make_user(int64_t id, const char *email_key)
{
    Lotcast__V1__UserRecord user = LOTCAST__V1__USER_RECORD__INIT;
    user.user_id = id;
    user.email_key = (char *)email_key;
    user.name = (char *)"Ada";
    return user;
}

/* One put, whatever is there. Returns the new version. */
static inline uint64_t put_record(struct fixture *fixture, const void *record)
{
    struct test_context test;
    struct rpc_status status;
    const Lotcast__V1__CommitResponse *response = NULL;
    struct store_commit commit;
    context_begin(&test);
    store_commit_init(&commit, fixture->client, &test.context);
    size_t op = store_commit_put(&commit, record);
    expect_ok(store_commit_send(&commit, &test.context, &response, &status), &status);
    uint64_t version = response->results[op]->version;
    context_end(&test);
    return version;
}

/* The version of a user, 0 if there is none. */
static inline uint64_t user_version(struct fixture *fixture, int64_t id)
{
    struct test_context test;
    struct rpc_status status;
    Lotcast__V1__UserRecord *user = NULL;
    uint64_t version = 0;
    context_begin(&test);
    expect_ok(store_get(fixture->client, &test.context, &lotcast__v1__user_record__descriptor, NULL,
                        store_key(store_number(id)), &user, &version, &status),
              &status);
    if (user != NULL)
        assert_int_equal(user->user_id, id);
    context_end(&test);
    return version;
}

#endif
