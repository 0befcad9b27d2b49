/* Kept answers: nobody can tell them from made ones, but by their number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lotcast/v1/auth.pb-c.h"
#include "lotcast/v1/dashboard.pb-c.h"
#include "rpc/base/metrics.h"
#include "test/unit/services/fixture.h"

#define DASHBOARD "lotcast.v1.Dashboard/GetDashboard"
#define READERS 3
#define WRITES 300

static struct fixture fixture;
static const char *session;
static int64_t customer_id;
static bool is_in_sight;

/* How many calls a kept answer has answered so far. */
static long counted(const char *line_start)
{
    struct buffer out;
    buffer_init(&out, 1024 * 1024);
    metrics_print(&out);
    const char *line = strstr(buffer_cstring(&out), line_start);
    assert_non_null(line);
    long count = strtol(line + strlen(line_start), NULL, 10);
    buffer_fini(&out);
    return count;
}

static long kept(void)
{
    return counted("\nlotcast_answers_kept_total ");
}

/* And how many that were asked by a session for the first time. */
static long filled(void)
{
    return counted("\nlotcast_answers_filled_total ");
}

static enum rpc_code get(const struct rpc_metadata *metadata, struct arena *arena,
                         const Lotcast__V1__GetDashboardResponse **ret_view,
                         struct rpc_status *status)
{
    Lotcast__V1__GetDashboardRequest request = LOTCAST__V1__GET_DASHBOARD_REQUEST__INIT;
    const void *response = NULL;
    enum rpc_code code =
        fixture_call(&fixture, arena, DASHBOARD, &request, metadata, &response, status);
    *ret_view = response;
    return code;
}

static int64_t credits_of(const char *token)
{
    struct rpc_metadata metadata = fixture_browser(token, "127.0.0.1");
    const Lotcast__V1__GetDashboardResponse *view = NULL;
    assert_int_equal(get(&metadata, &fixture.arena, &view, NULL), RPC_OK);
    return view->credits->remaining;
}

static const char *log_in(void)
{
    Lotcast__V1__LogInRequest request = LOTCAST__V1__LOG_IN_REQUEST__INIT;
    request.email = (char *)"john1@acme.com";
    request.password = (char *)FIXTURE_PASSWORD;
    struct rpc_metadata metadata = fixture_browser(NULL, "127.0.0.1");
    const void *response = NULL;
    assert_int_equal(fixture_call(&fixture, &fixture.arena, "lotcast.v1.Auth/LogIn", &request,
                                  &metadata, &response, NULL),
                     RPC_OK);
    return ((const Lotcast__V1__LogInResponse *)response)->session_token;
}

static void log_out(const char *token)
{
    Lotcast__V1__LogOutRequest request = LOTCAST__V1__LOG_OUT_REQUEST__INIT;
    struct rpc_metadata metadata = fixture_browser(token, "127.0.0.1");
    const void *response = NULL;
    assert_int_equal(fixture_call(&fixture, &fixture.arena, "lotcast.v1.Auth/LogOut", &request,
                                  &metadata, &response, NULL),
                     RPC_OK);
}

static void put_balance(int64_t credits)
{
    Lotcast__V1__LedgerBalanceRecord balance = LOTCAST__V1__LEDGER_BALANCE_RECORD__INIT;
    balance.customer_id = customer_id;
    balance.balance_centi = credits * 100;
    fixture_put(&fixture, &balance);
}

static void are_given_until_something_changes(void **state)
{
    (void)state;
    long before = kept();
    assert_int_equal(credits_of(session), 500);
    assert_int_equal(kept(), before);
    assert_int_equal(credits_of(session), 500);
    assert_int_equal(credits_of(session), 500);
    assert_int_equal(kept(), before + 2);
    put_balance(501);
    assert_int_equal(credits_of(session), 501);
    assert_int_equal(kept(), before + 2);
    assert_int_equal(credits_of(session), 501);
    assert_int_equal(kept(), before + 3);

    Lotcast__V1__AnnouncementRecord announcement = LOTCAST__V1__ANNOUNCEMENT_RECORD__INIT;
    announcement.announcement_id = 1;
    fixture_put(&fixture, &announcement); /* what all are told is part of it */
    assert_int_equal(credits_of(session), 501);
    assert_int_equal(kept(), before + 3);
}

static void are_one_customers_own(void **state)
{
    (void)state;
    int64_t other_id;
    const char *other = fixture_sign_up(&fixture, 2, &other_id);
    assert_int_equal(credits_of(session), 500);
    assert_int_equal(credits_of(other), 500);
    long before = kept();
    put_balance(7);
    assert_int_equal(credits_of(other), 500);
    assert_int_equal(kept(), before + 1);
    assert_int_equal(credits_of(session), 7);
    assert_int_equal(kept(), before + 1);
}

static void end_with_the_session(void **state)
{
    (void)state;
    assert_int_equal(credits_of(session), 500);
    assert_int_equal(credits_of(session), 500);
    log_out(session);
    struct rpc_metadata metadata = fixture_browser(session, "127.0.0.1");
    long before = kept();
    struct rpc_status status;
    const Lotcast__V1__GetDashboardResponse *view = NULL;
    assert_int_equal(get(&metadata, &fixture.arena, &view, &status), RPC_UNAUTHENTICATED);
    assert_int_equal(status.reason, LOTCAST__V1__REASON__REASON_AUTH_REQUIRED);
    assert_int_equal(kept(), before);
}

/* Each is let in, and put out, by itself. */
static void are_one_for_all_sessions_of_a_user(void **state)
{
    (void)state;
    assert_int_equal(credits_of(session), 500);
    long before = kept(), filled_before = filled();
    const char *second = log_in();
    assert_int_equal(credits_of(second), 500);
    assert_int_equal(kept(), before); /* nobody is let in for another's being so */
    assert_int_equal(filled(), filled_before + (is_in_sight ? 1 : 0));
    assert_int_equal(credits_of(second), 500);
    assert_int_equal(credits_of(session), 500);
    assert_int_equal(kept(), before + 2);
    put_balance(9);
    assert_int_equal(credits_of(second), 9);
    assert_int_equal(credits_of(session), 9);
    assert_int_equal(kept(), before + 3);
    log_out(session);
    struct rpc_metadata metadata = fixture_browser(session, "127.0.0.1");
    const Lotcast__V1__GetDashboardResponse *view = NULL;
    assert_int_equal(get(&metadata, &fixture.arena, &view, NULL), RPC_UNAUTHENTICATED);
    assert_int_equal(credits_of(second), 9);
    assert_int_equal(kept(), before + 4);
}

/* Calls that say more of who asks, or less, are looked at as ever. */
static void are_for_plain_calls_alone(void **state)
{
    (void)state;
    assert_int_equal(credits_of(session), 500);
    const char *admin = fixture_admin(&fixture);
    const struct {
        const char *session;
        const char *key, *value;
        enum rpc_code code;
    } rows[] = {
        {NULL, NULL, NULL, RPC_UNAUTHENTICATED},
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", NULL, NULL, RPC_UNAUTHENTICATED},
        {session, RPC_METADATA_SESSION, session, RPC_UNAUTHENTICATED},
        {session, RPC_METADATA_CUSTOMER_ID, "1", RPC_PERMISSION_DENIED},
        {session, "principal", "admin", RPC_INVALID_ARGUMENT},
        {admin, NULL, NULL, RPC_PERMISSION_DENIED},
        {admin, RPC_METADATA_CUSTOMER_ID, "1", RPC_OK},
    };
    long before = kept();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const Lotcast__V1__GetDashboardResponse *view = NULL;
        struct rpc_metadata metadata = fixture_browser(rows[i].session, "127.0.0.1");
        if (rows[i].key != NULL)
            assert_true(rpc_metadata_add(&metadata, rows[i].key, rows[i].value));
        for (int times = 0; times < 2; times++)
            if (get(&metadata, &fixture.arena, &view, NULL) != rows[i].code)
                fail_msg("row %zu", i);
    }
    assert_int_equal(kept(), before);
}

/* --- while it changes --- */

static atomic_int acknowledged; /* what is surely written */
static atomic_bool is_over;

static void read_on(void *arg)
{
    (void)arg;
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    struct rpc_metadata metadata = fixture_browser(session, "127.0.0.1");
    while (!atomic_load(&is_over)) {
        int64_t floor = atomic_load(&acknowledged);
        const Lotcast__V1__GetDashboardResponse *view = NULL;
        assert_int_equal(get(&metadata, &arena, &view, NULL), RPC_OK);
        if (view->credits->remaining < floor)
            fail_msg("%lld, with %lld acknowledged", (long long)view->credits->remaining,
                     (long long)floor);
        arena_reset(&arena);
    }
    arena_fini(&arena);
}

static void write_on(void)
{
    for (int i = 1; i <= WRITES; i++) {
        put_balance(1000 + i);
        atomic_store(&acknowledged, 1000 + i);
    }
    atomic_store(&is_over, true);
}

static void act(void *arg)
{
    if (*(int *)arg == 0)
        write_on();
    else
        read_on(arg);
}

/* What was acknowledged is seen by all that is asked afterwards. */
static void never_hide_what_was_acknowledged(void **state)
{
    (void)state;
    int numbers[READERS + 1] = {0, 1, 2, 3};
    put_balance(1000);
    atomic_store(&acknowledged, 1000);
    atomic_store(&is_over, false);
    fixture_parallel(act, numbers, sizeof numbers[0], READERS + 1);
    assert_int_equal(credits_of(session), 1000 + WRITES);
}

static int set_up_with(struct fixture_options options)
{
    options.signup_credits = 500;
    is_in_sight = options.is_near || options.in_sight;
    fixture_start(&fixture, &options);
    session = fixture_sign_up(&fixture, 1, &customer_id);
    return 0;
}

/* All in one process, where the store answers before asking returns. */
static int set_up(void **state)
{
    (void)state;
    return set_up_with((struct fixture_options){0});
}

/* The same with the stamps in sight. */
static int set_up_near(void **state)
{
    (void)state;
    return set_up_with((struct fixture_options){.is_near = true});
}

/* Over sockets, where it answers on a thread of its own, and calls come in batches. */
static int set_up_stream(void **state)
{
    (void)state;
    return set_up_with((struct fixture_options){.over_stream = true});
}

/* The same with the stamps in sight. */
static int set_up_sight(void **state)
{
    (void)state;
    return set_up_with((struct fixture_options){.over_stream = true, .in_sight = true});
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

#define ALL(test)                                                   \
    {#test " (direct)", test, set_up, tear_down, NULL},             \
        {#test " (near)", test, set_up_near, tear_down, NULL},      \
        {#test " (in sight)", test, set_up_sight, tear_down, NULL}, \
    {                                                               \
#test " (stream)", test, set_up_stream, tear_down, NULL     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALL(are_given_until_something_changes),
        ALL(are_one_customers_own),
        ALL(end_with_the_session),
        ALL(are_one_for_all_sessions_of_a_user),
        ALL(are_for_plain_calls_alone),
        ALL(never_hide_what_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
