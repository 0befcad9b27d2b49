#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lotcast/v1/auth.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/services/throttle.h"
#include "test/unit/services/fixture.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
#define MINUTE_MS INT64_C(60000)

static struct fixture fixture;

static enum rpc_code log_in(const char *email, const char *password, const char *address,
                            struct rpc_status *status)
{
    Lotcast__V1__LogInRequest request = LOTCAST__V1__LOG_IN_REQUEST__INIT;
    request.email = (char *)email;
    request.password = (char *)password;
    struct rpc_metadata metadata = fixture_browser(NULL, address);
    return fixture_call(&fixture, &fixture.arena, "lotcast.v1.Auth/LogIn", &request, &metadata,
                        NULL, status);
}

static void expect_log_in(const char *email, const char *password, const char *address,
                          Lotcast__V1__Reason want)
{
    struct rpc_status status;
    enum rpc_code code = log_in(email, password, address, &status);
    if (want == LOTCAST__V1__REASON__REASON_UNSPECIFIED)
        assert_int_equal(code, RPC_OK);
    else
        assert_int_equal(status.reason, want);
    if (want == LOTCAST__V1__REASON__REASON_RATE_LIMITED)
        assert_in_range(status.retry_after_ms, 1, THROTTLE_WINDOW_MS);
}

#define GOOD LOTCAST__V1__REASON__REASON_UNSPECIFIED
#define WRONG LOTCAST__V1__REASON__REASON_INVALID_CREDENTIALS
#define LIMITED LOTCAST__V1__REASON__REASON_RATE_LIMITED

static void limits_an_email_to_10_failures(void **state)
{
    (void)state;
    (void)fixture_sign_up(&fixture, 1, NULL);
    /* Good ones do not count. */
    for (int i = 0; i < 12; i++)
        expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "127.0.0.1", GOOD);
    for (int i = 0; i < THROTTLE_LOGIN_EMAIL_MAX; i++)
        expect_log_in(i % 2 == 0 ? "john1@acme.com" : "JOHN1@ACME.COM", "wrong", "127.0.0.1",
                      WRONG);
    /* The right password too, from everywhere; another e-mail not. */
    expect_log_in("john1@acme.com", "wrong", "127.0.0.1", LIMITED);
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "127.0.0.1", LIMITED);
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "198.51.100.7", LIMITED);
    expect_log_in("john2@acme.com", "wrong", "127.0.0.1", WRONG);
    clock_set_offset_ms(9 * MINUTE_MS);
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, LIMITED);
    clock_set_offset_ms(11 * MINUTE_MS);
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, GOOD);
}

static void limits_an_email_that_nobody_has(void **state)
{
    (void)state;
    for (int i = 0; i < THROTTLE_LOGIN_EMAIL_MAX; i++)
        expect_log_in("nobody@acme.com", "wrong", NULL, WRONG);
    expect_log_in("nobody@acme.com", "wrong", NULL, LIMITED);
}

/* Uses up an address by wrong log-ins for as many e-mails. */
static void use_up(const char *address)
{
    for (int i = 0; i < THROTTLE_LOGIN_ADDRESS_MAX; i++) {
        char email[64];
        (void)snprintf(email, sizeof email, "nobody%d@acme.com", i);
        expect_log_in(email, "wrong", address, WRONG);
    }
}

static void limits_an_address_to_50_failures(void **state)
{
    (void)state;
    (void)fixture_sign_up(&fixture, 1, NULL);
    use_up("203.0.113.9");
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "203.0.113.9", LIMITED);
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "::ffff:203.0.113.9", LIMITED);
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "203.0.113.10", GOOD);
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, GOOD);
}

static void counts_ipv6_by_its_64(void **state)
{
    (void)state;
    (void)fixture_sign_up(&fixture, 1, NULL);
    for (int i = 0; i < THROTTLE_LOGIN_ADDRESS_MAX; i++) {
        char email[64];
        char address[64];
        (void)snprintf(email, sizeof email, "nobody%d@acme.com", i);
        (void)snprintf(address, sizeof address, "2001:db8:1:2:%x::%x", i * 7 + 1, i);
        expect_log_in(email, "wrong", address, WRONG);
    }
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "2001:db8:1:2::1", LIMITED);
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "2001:db8:1:3::1", GOOD);
}

static void exempts_loopback_addresses(void **state)
{
    (void)state;
    (void)fixture_sign_up(&fixture, 1, NULL);
    use_up("127.0.0.1");
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "127.0.0.1", GOOD);
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "::1", GOOD);
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "::ffff:127.9.9.9", GOOD);
}

static void throttles_loopback_behind_a_proxy(void **state)
{
    (void)state;
    (void)fixture_sign_up(&fixture, 1, NULL);
    use_up("127.0.0.1");
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, "127.0.0.1", LIMITED);
}

static enum rpc_code sign_up(int number, const char *address, struct rpc_status *status)
{
    char email[64];
    (void)snprintf(email, sizeof email, "jane%d@acme.com", number);
    Lotcast__V1__SignUpRequest request = LOTCAST__V1__SIGN_UP_REQUEST__INIT;
    request.email = email;
    request.password = (char *)FIXTURE_PASSWORD;
    request.company = (char *)"Acme";
    struct rpc_metadata metadata = fixture_browser(NULL, address);
    return fixture_call(&fixture, &fixture.arena, "lotcast.v1.Auth/SignUp", &request, &metadata,
                        NULL, status);
}

static void limits_sign_ups_of_an_address_to_20(void **state)
{
    (void)state;
    struct rpc_status status;
    for (int i = 0; i < THROTTLE_SIGNUP_ADDRESS_MAX; i++)
        assert_int_equal(sign_up(i % 4, "203.0.113.9", &status),
                         i < 4 ? RPC_OK : RPC_ALREADY_EXISTS);
    assert_int_equal(sign_up(50, "203.0.113.9", &status), RPC_RESOURCE_EXHAUSTED);
    assert_int_equal(status.reason, LIMITED);
    assert_in_range(status.retry_after_ms, 1, THROTTLE_WINDOW_MS);
    assert_int_equal(sign_up(51, "203.0.113.10", &status), RPC_OK);
    /* Log-ins of the address are another matter. */
    expect_log_in("jane0@acme.com", FIXTURE_PASSWORD, "203.0.113.9", GOOD);
}

static void limits_guesses_of_the_current_password(void **state)
{
    (void)state;
    struct rpc_status status;
    const char *session = fixture_sign_up(&fixture, 1, NULL);
    struct rpc_metadata metadata = fixture_browser(session, NULL);
    Lotcast__V1__ChangePasswordRequest request = LOTCAST__V1__CHANGE_PASSWORD_REQUEST__INIT;
    request.new_password = (char *)"a new good one";
    for (int i = 0; i <= THROTTLE_PASSWORD_USER_MAX; i++) {
        request.current_password = (char *)"wrong";
        (void)fixture_call(&fixture, &fixture.arena, "lotcast.v1.Auth/ChangePassword", &request,
                           &metadata, NULL, &status);
        assert_int_equal(status.reason, i < THROTTLE_PASSWORD_USER_MAX ? WRONG : LIMITED);
    }
    request.current_password = (char *)FIXTURE_PASSWORD;
    (void)fixture_call(&fixture, &fixture.arena, "lotcast.v1.Auth/ChangePassword", &request,
                       &metadata, NULL, &status);
    assert_int_equal(status.reason, LIMITED);
}

static void keeps_no_email_and_no_address(void **state)
{
    (void)state;
    expect_log_in("nobody@acme.com", "wrong", "203.0.113.9", WRONG);
    struct store_read_op op = {.record = &lotcast__v1__throttle_record__descriptor,
                               .is_range = true};
    assert_int_equal(store_read(fixture.store_client, &fixture.context, &op, 1, NULL), RPC_OK);
    assert_int_equal(op.ret_row_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const Lotcast__V1__ThrottleRecord *record = (const void *)op.ret_rows[i];
        assert_int_equal(record->subject.len, THROTTLE_SUBJECT_BYTES);
        assert_int_equal(record->n_attempts_at_ms, 1);
        assert_int_equal(record->expires_at_ms, record->attempts_at_ms[0] + THROTTLE_WINDOW_MS);
    }
}

struct attempt {
    struct arena arena;
    Lotcast__V1__Reason reason;
    enum rpc_code code;
};

static void attempt_log_in(void *arg)
{
    struct attempt *attempt = arg;
    struct rpc_status status;
    Lotcast__V1__LogInRequest request = LOTCAST__V1__LOG_IN_REQUEST__INIT;
    arena_init(&attempt->arena, ARENA_CALL_BYTES_MAX);
    request.email = (char *)"john1@acme.com";
    request.password = (char *)"wrong";
    attempt->code = fixture_call(&fixture, &attempt->arena, "lotcast.v1.Auth/LogIn", &request, NULL,
                                 NULL, &status);
    attempt->reason = status.reason;
    arena_fini(&attempt->arena);
}

static void lets_10_of_100_at_once_through(void **state)
{
    (void)state;
    static struct attempt attempts[100];
    (void)fixture_sign_up(&fixture, 1, NULL);
    fixture_parallel(attempt_log_in, attempts, sizeof attempts[0], COUNT(attempts));
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT(attempts); i++) {
        wrong += attempts[i].reason == WRONG;
        if (attempts[i].reason != WRONG)
            assert_int_equal(attempts[i].reason, LIMITED);
    }
    assert_in_range(wrong, 1, THROTTLE_LOGIN_EMAIL_MAX);
    expect_log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, LIMITED);
}

static void attempt_reserve(void *arg)
{
    struct attempt *attempt = arg;
    struct throttle_attempt made;
    struct rpc_status status;
    arena_init(&attempt->arena, ARENA_CALL_BYTES_MAX);
    struct rpc_context context = {.arena = &attempt->arena, .deadline_ms = INT64_MAX};
    throttle_attempt_init(&made, clock_now_ms());
    throttle_attempt_add(fixture.services, &made, "test", "subject", 10);
    attempt->code = throttle_reserve(fixture.services, &context, &made, &status);
    attempt->reason = status.reason;
    arena_fini(&attempt->arena);
}

static void counts_exactly_whatever_the_race(void **state)
{
    (void)state;
    /* Past the small pool that hashes: as many at once as can be. */
    static struct attempt attempts[200];
    fixture_parallel(attempt_reserve, attempts, sizeof attempts[0], COUNT(attempts));
    size_t good = 0;
    for (size_t i = 0; i < COUNT(attempts); i++) {
        good += attempts[i].code == RPC_OK;
        if (attempts[i].code != RPC_OK)
            assert_int_equal(attempts[i].reason, LIMITED);
    }
    assert_in_range(good, 1, 10);
}

static void releases_what_it_reserved(void **state)
{
    (void)state;
    struct throttle_attempt attempts[3];
    for (size_t i = 0; i < 3; i++) {
        throttle_attempt_init(&attempts[i], clock_now_ms() + (int64_t)i);
        throttle_attempt_add(fixture.services, &attempts[i], "test", "subject", 2);
    }
    assert_int_equal(throttle_reserve(fixture.services, &fixture.context, &attempts[0], NULL),
                     RPC_OK);
    assert_int_equal(throttle_reserve(fixture.services, &fixture.context, &attempts[1], NULL),
                     RPC_OK);
    assert_int_equal(throttle_reserve(fixture.services, &fixture.context, &attempts[2], NULL),
                     RPC_RESOURCE_EXHAUSTED);
    throttle_release(fixture.services, &fixture.context, &attempts[0]);
    throttle_release(fixture.services, &fixture.context, &attempts[0]); /* it is not there */
    assert_int_equal(throttle_reserve(fixture.services, &fixture.context, &attempts[2], NULL),
                     RPC_OK);
    throttle_release(fixture.services, &fixture.context, &attempts[1]);
    throttle_release(fixture.services, &fixture.context, &attempts[2]);
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__throttle_record__descriptor), 0);
}

static int set_up(void **state)
{
    (void)state;
    clock_set_offset_ms(0);
    fixture_start(&fixture, &(struct fixture_options){.signup_credits = 0});
    return 0;
}

static int set_up_behind_proxy(void **state)
{
    (void)state;
    clock_set_offset_ms(0);
    fixture_start(&fixture, &(struct fixture_options){.loopback_throttled = true});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    clock_set_offset_ms(0);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(limits_an_email_to_10_failures),
        TEST(limits_an_email_that_nobody_has),
        TEST(limits_an_address_to_50_failures),
        TEST(counts_ipv6_by_its_64),
        TEST(exempts_loopback_addresses),
        cmocka_unit_test_setup_teardown(throttles_loopback_behind_a_proxy, set_up_behind_proxy,
                                        tear_down),
        TEST(limits_sign_ups_of_an_address_to_20),
        TEST(limits_guesses_of_the_current_password),
        TEST(keeps_no_email_and_no_address),
        TEST(lets_10_of_100_at_once_through),
        TEST(counts_exactly_whatever_the_race),
        TEST(releases_what_it_reserved),
    };
    return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
