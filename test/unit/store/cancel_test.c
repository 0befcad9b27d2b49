/*
 * A caller that leaves while its query runs stops it: the query is held between two keys until the
 * store's side of the call knows, and then looks at few more of them.
 */
#include <pthread.h>

#include "test/unit/store/fixture.h"

#define USER (&lotcast__v1__user_record__descriptor)
/* Keys of the table, and the one at which the caller leaves. */
#define USERS 4000
#define LEAVES_AT 1000
/* Keys that are looked at behind that, at most: a query asks now and then (STEPS_PER_LOOK). */
#define MORE_MAX 512
#define PATIENCE_MS 20000
/* Records of one commit. */
#define PUT_AT_ONCE 500

/* --- what the store's side sees: the query runs on one worker --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct rpc_context *serving; /* under lock, of the call */
static bool is_midway, has_ended, knew;   /* likewise */
static enum rpc_code ended_with;          /* likewise */
static atomic_int steps;
static struct store_engine_ops hooked;
static const struct store_engine_ops *real;

static bool flag_is_set(void *flag)
{
    (void)pthread_mutex_lock(&lock);
    bool set = *(bool *)flag;
    (void)pthread_mutex_unlock(&lock);
    return set;
}

static bool caller_is_gone(void *context)
{
    return rpc_context_stopped(context);
}

static enum rpc_code held_next(struct store_cursor *cursor, struct store_entry *ret_entry,
                               struct rpc_status *status)
{
    if (atomic_fetch_add(&steps, 1) == LEAVES_AT) {
        (void)pthread_mutex_lock(&lock);
        const struct rpc_context *context = serving;
        is_midway = true;
        (void)pthread_mutex_unlock(&lock);
        bool gone = wait_until(caller_is_gone, (void *)(uintptr_t)context, PATIENCE_MS);
        (void)pthread_mutex_lock(&lock);
        knew = gone;
        (void)pthread_mutex_unlock(&lock);
    }
    return real->cursor_next(cursor, ret_entry, status);
}

static enum rpc_code call_begins(void *self, struct rpc_server_call *call,
                                 struct rpc_status *status)
{
    (void)self;
    (void)status;
    (void)pthread_mutex_lock(&lock);
    serving = rpc_server_call_context(call);
    (void)pthread_mutex_unlock(&lock);
    return RPC_OK;
}

static void call_ends(void *self, struct rpc_server_call *call, const struct rpc_status *status)
{
    (void)self;
    (void)call;
    (void)pthread_mutex_lock(&lock);
    ended_with = status->code;
    has_ended = true;
    (void)pthread_mutex_unlock(&lock);
}

/* --- the caller --- */

static void caller_done(void *arg, const struct rpc_status *status, struct rpc_payload *payload)
{
    (void)pthread_mutex_lock(&lock);
    *(enum rpc_code *)arg = status->code;
    (void)pthread_mutex_unlock(&lock);
    rpc_payload_release(payload);
}

static void put_users(struct fixture *fixture)
{
    for (int64_t first = 1; first <= USERS; first += PUT_AT_ONCE) {
        struct test_context test;
        struct rpc_status status;
        struct store_commit commit;
        context_begin(&test);
        store_commit_init(&commit, fixture->client, &test.context);
        for (int64_t id = first; id < first + PUT_AT_ONCE; id++) {
            Lotcast__V1__UserRecord user =
                make_user(id, arena_printf(&test.arena, "%lld@x", (long long)id));
            (void)store_commit_put_new(&commit, &user);
        }
        expect_ok(store_commit_send(&commit, &test.context, NULL, &status), &status);
        context_end(&test);
    }
}

static struct rpc_call *start_query(struct fixture *fixture, struct rpc_channel *channel,
                                    enum rpc_code *ret_code)
{
    static const struct rpc_call_events events = {.done = caller_done};
    Lotcast__V1__QueryRequest message = LOTCAST__V1__QUERY_REQUEST__INIT;
    Lotcast__V1__RangeOp range = LOTCAST__V1__RANGE_OP__INIT;
    range.table = registry_message_of(fixture->registry, USER)->table->id;
    message.range = &range;
    message.want_total = true;
    const struct rpc_request request = {
        .method = registry_method_find(fixture->registry, span_of_string("lotcast.v1.Store/Query")),
        .message = &message.base,
        .wait_for_ready = true};
    return rpc_channel_start(channel, &request, &events, ret_code);
}

static void leave_midway(struct fixture *fixture, struct rpc_server *server, const char *url,
                         bool with_connection)
{
    const struct rpc_channel_options options = {.url = url, .server = server};
    struct rpc_channel *channel = NULL;
    struct rpc_status status;
    enum rpc_code code = RPC_OK;
    is_midway = has_ended = knew = false;
    atomic_store(&steps, 0);
    expect_ok(rpc_channel_open(&options, &channel, &status), &status);
    struct rpc_call *call = start_query(fixture, channel, &code);
    assert_non_null(call);
    assert_true(wait_until(flag_is_set, &is_midway, PATIENCE_MS)); /* it runs */
    if (!with_connection)
        rpc_call_cancel(call);
    else
        rpc_channel_close(channel);
    assert_true(wait_until(flag_is_set, &has_ended, PATIENCE_MS));
    assert_true(knew);
    assert_int_equal(ended_with, RPC_CANCELLED);
    assert_in_range(atomic_load(&steps), LEAVES_AT, LEAVES_AT + MORE_MAX);
    rpc_call_unref(call);
    if (!with_connection)
        rpc_channel_close(channel);
    assert_int_equal(code, RPC_CANCELLED);
}

static void a_caller_that_leaves_stops_its_query(void **state)
{
    struct fixture *fixture = *state;
    struct rpc_server_interceptor interceptor = {.before = call_begins, .after = call_ends};
    const struct rpc_server_options options = {.name = "store",
                                               .registry = fixture->registry,
                                               .services = store_service(fixture->store),
                                               .service_count = 1,
                                               .interceptors = &interceptor,
                                               .interceptor_count = 1,
                                               .workers = 1};
    struct rpc_server *server = NULL;
    struct rpc_status status;
    char url[96];
    put_users(fixture);
    real = fixture->store->engine->ops;
    hooked = *real;
    hooked.cursor_next = held_next;
    fixture->store->engine->ops = &hooked;
    expect_ok(rpc_server_create(&options, &server, &status), &status);
    (void)snprintf(url, sizeof url, "ipc://%s/socket", fixture->directory);
    expect_ok(rpc_server_listen(server, url, RPC_TRUST_ROLE, &status), &status);
    leave_midway(fixture, server, url, false);
    leave_midway(fixture, server, url, true);
    leave_midway(fixture, server, "direct:", false);
    rpc_server_destroy(server);
    fixture->store->engine->ops = real;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_caller_that_leaves_stops_its_query, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("cancel", tests, NULL, NULL);
}
