#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lotcast/v1/auth.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/services/session.h"
#include "test/unit/services/fixture.h"

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])
#define DAY_MS (INT64_C(24) * 3600 * 1000)

static struct fixture fixture;

/* What a call came to: OK, or the reason with its field. One thread. */
static char outcome_text[256];

static const char *say(enum rpc_code code, const struct rpc_status *status)
{
    if (code == RPC_OK)
        return "OK";
    (void)snprintf(outcome_text, sizeof outcome_text, "%s%s%s",
                   status->reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED
                       ? rpc_code_name(code)
                       : rpc_reason_get(status->reason)->name,
                   status->field[0] == '\0' ? "" : " ", status->field);
    return outcome_text;
}

struct answer {
    const char *said;
    uint32_t retry_after_ms;
    const char *redirect_to;
    const char *session;
};

static struct answer sign_up(const char *email, const char *password, const char *company,
                             const char *name, const char *session, const char *address)
{
    struct rpc_status status;
    const void *response = NULL;
    Lotcast__V1__SignUpRequest request = LOTCAST__V1__SIGN_UP_REQUEST__INIT;
    request.email = (char *)email;
    request.password = (char *)password;
    request.company = (char *)company;
    request.name = (char *)name;
    struct rpc_metadata metadata = fixture_browser(session, address);
    enum rpc_code code = fixture_call(&fixture, &fixture.arena, "lotcast.v1.Auth/SignUp", &request,
                                      &metadata, &response, &status);
    struct answer answer = {.said = say(code, &status), .retry_after_ms = status.retry_after_ms};
    if (response != NULL) {
        const Lotcast__V1__SignUpResponse *signed_up = response;
        assert_true(signed_up->success);
        answer.redirect_to = signed_up->redirect_to;
        answer.session = signed_up->session_token;
    }
    return answer;
}

static struct answer log_in(const char *email, const char *password, const char *session,
                            const char *address)
{
    struct rpc_status status;
    const void *response = NULL;
    Lotcast__V1__LogInRequest request = LOTCAST__V1__LOG_IN_REQUEST__INIT;
    request.email = (char *)email;
    request.password = (char *)password;
    struct rpc_metadata metadata = fixture_browser(session, address);
    enum rpc_code code = fixture_call(&fixture, &fixture.arena, "lotcast.v1.Auth/LogIn", &request,
                                      &metadata, &response, &status);
    struct answer answer = {.said = say(code, &status), .retry_after_ms = status.retry_after_ms};
    if (response != NULL) {
        const Lotcast__V1__LogInResponse *logged_in = response;
        assert_true(logged_in->success);
        answer.redirect_to = logged_in->redirect_to;
        answer.session = logged_in->session_token;
    }
    return answer;
}

static const char *log_out(const char *session)
{
    struct rpc_status status;
    const void *response = NULL;
    Lotcast__V1__LogOutRequest request = LOTCAST__V1__LOG_OUT_REQUEST__INIT;
    struct rpc_metadata metadata = fixture_browser(session, NULL);
    enum rpc_code code = fixture_call(&fixture, &fixture.arena, "lotcast.v1.Auth/LogOut", &request,
                                      &metadata, &response, &status);
    if (response != NULL)
        assert_string_equal(((const Lotcast__V1__LogOutResponse *)response)->redirect_to, "/login");
    return say(code, &status);
}

static const char *get_session(const char *session,
                               const Lotcast__V1__GetSessionResponse **ret_response)
{
    struct rpc_status status;
    const void *response = NULL;
    Lotcast__V1__GetSessionRequest request = LOTCAST__V1__GET_SESSION_REQUEST__INIT;
    struct rpc_metadata metadata = fixture_browser(session, NULL);
    enum rpc_code code = fixture_call(&fixture, &fixture.arena, "lotcast.v1.Auth/GetSession",
                                      &request, &metadata, &response, &status);
    if (ret_response != NULL)
        *ret_response = response;
    return say(code, &status);
}

static const char *change_password(const char *session, const char *current, const char *new)
{
    struct rpc_status status;
    Lotcast__V1__ChangePasswordRequest request = LOTCAST__V1__CHANGE_PASSWORD_REQUEST__INIT;
    request.current_password = (char *)current;
    request.new_password = (char *)new;
    struct rpc_metadata metadata = fixture_browser(session, NULL);
    enum rpc_code code = fixture_call(&fixture, &fixture.arena, "lotcast.v1.Auth/ChangePassword",
                                      &request, &metadata, NULL, &status);
    return say(code, &status);
}

static void signs_up(void **state)
{
    (void)state;
    struct answer answer =
        sign_up("John@Acme.com", FIXTURE_PASSWORD, "  Acme Auto ", "John", NULL, NULL);
    assert_string_equal(answer.said, "OK");
    assert_string_equal(answer.redirect_to, "/onboarding/start");
    assert_int_equal(strlen(answer.session), SESSION_TOKEN_BYTES - 1);

    const Lotcast__V1__GetSessionResponse *session;
    assert_string_equal(get_session(answer.session, &session), "OK");
    assert_string_equal(session->user->id, "1");
    assert_string_equal(session->user->email, "John@Acme.com");
    assert_string_equal(session->user->name, "John");
    assert_string_equal(session->user->company, "Acme Auto");
    assert_string_equal(session->user->role, "customer");
    assert_string_equal(session->onboarding->step, "connect");

    /* The welcome credits are there, and every account together is nothing. */
    const Lotcast__V1__LedgerBalanceRecord *balance =
        fixture_get(&fixture, &lotcast__v1__ledger_balance_record__descriptor, 1);
    assert_int_equal(balance->balance_centi, 50000);
    assert_int_equal(fixture_counter(&fixture, "ledger:grants"), -50000);
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__ledger_entry_record__descriptor), 2);

    /* Neither the token nor the password is anywhere in the records. */
    const Lotcast__V1__UserRecord *user =
        fixture_get(&fixture, &lotcast__v1__user_record__descriptor, 1);
    assert_string_equal(user->email_key, "john@acme.com");
    assert_memory_equal(user->password_hash, "$argon2id$", 10);
    struct store_read_op op = {.record = &lotcast__v1__session_record__descriptor,
                               .is_range = true};
    assert_int_equal(store_read(fixture.store_client, &fixture.context, &op, 1, NULL), RPC_OK);
    assert_int_equal(op.ret_row_count, 1);
    const Lotcast__V1__SessionRecord *stored = (const void *)op.ret_rows[0];
    assert_int_equal(stored->token_hash.len, 32);
    assert_null(memmem(stored->token_hash.data, 32, answer.session, 8));
}

static void refuses_bad_sign_ups(void **state)
{
    (void)state;
    static char long_name[202];
    memset(long_name, 'a', 201);
    const struct {
        const char *email, *password, *company, *name, *want;
    } rows[] = {
        {"", "", "", "", "INVALID_EMAIL email"},
        {"john", FIXTURE_PASSWORD, "Acme", "", "INVALID_EMAIL email"},
        {"john@acme.com\r\nX: y", FIXTURE_PASSWORD, "Acme", "", "INVALID_EMAIL email"},
        {"john@acme.com", "", "", "", "WEAK_PASSWORD password"},
        {"john@acme.com", "short", "Acme", "", "WEAK_PASSWORD password"},
        {"john@acme.com", "Password123", "Acme", "", "WEAK_PASSWORD password"},
        {"john@acme.com", "JOHN@acme.com", "Acme", "", "WEAK_PASSWORD password"},
        {"john@acme.com", FIXTURE_PASSWORD, "", "\n", "INVALID_ARGUMENT company"},
        {"john@acme.com", FIXTURE_PASSWORD, "   ", "", "INVALID_ARGUMENT company"},
        {"john@acme.com", FIXTURE_PASSWORD, "Ac\nme", "", "INVALID_ARGUMENT company"},
        {"john@acme.com", FIXTURE_PASSWORD, long_name, "", "INVALID_ARGUMENT company"},
        {"john@acme.com", FIXTURE_PASSWORD, "Acme", "Jo\x1bhn", "INVALID_ARGUMENT name"},
        {"john@acme.com", FIXTURE_PASSWORD, "Acme", long_name, "INVALID_ARGUMENT name"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer answer = sign_up(rows[i].email, rows[i].password, rows[i].company,
                                       rows[i].name, NULL, "203.0.113.9");
        assert_string_equal(answer.said, rows[i].want);
        assert_null(answer.session);
    }
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__user_record__descriptor), 0);
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__throttle_record__descriptor), 0);
}

static void takes_an_email_once(void **state)
{
    (void)state;
    assert_string_equal(sign_up("john@acme.com", FIXTURE_PASSWORD, "Acme", "", NULL, NULL).said,
                        "OK");
    assert_string_equal(sign_up("JOHN@ACME.COM", "another password", "Other", "", NULL, NULL).said,
                        "EMAIL_TAKEN email");
    assert_string_equal(log_in("john@acme.com", "another password", NULL, NULL).said,
                        "INVALID_CREDENTIALS");
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__customer_record__descriptor), 1);
}

struct attempt {
    struct arena arena;
    enum rpc_code code;
    struct rpc_status status;
};

static void attempt_sign_up(void *arg)
{
    struct attempt *attempt = arg;
    Lotcast__V1__SignUpRequest request = LOTCAST__V1__SIGN_UP_REQUEST__INIT;
    arena_init(&attempt->arena, ARENA_CALL_BYTES_MAX);
    request.email = (char *)"john@acme.com";
    request.password = (char *)FIXTURE_PASSWORD;
    request.company = (char *)"Acme";
    attempt->code = fixture_call(&fixture, &attempt->arena, "lotcast.v1.Auth/SignUp", &request,
                                 NULL, NULL, &attempt->status);
    arena_fini(&attempt->arena);
}

static void makes_one_account_of_50_sign_ups_at_once(void **state)
{
    (void)state;
    static struct attempt attempts[50];
    fixture_parallel(attempt_sign_up, attempts, sizeof attempts[0], COUNT(attempts));
    size_t good = 0;
    for (size_t i = 0; i < COUNT(attempts); i++) {
        good += attempts[i].code == RPC_OK;
        if (attempts[i].code != RPC_OK)
            assert_int_equal(attempts[i].status.reason, LOTCAST__V1__REASON__REASON_EMAIL_TAKEN);
    }
    assert_int_equal(good, 1);
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__user_record__descriptor), 1);
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__customer_record__descriptor), 1);
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__session_record__descriptor), 1);
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__ledger_posting_record__descriptor), 1);
    assert_int_equal(fixture_counter(&fixture, "ledger:grants"), -50000);
}

static void logs_in_to_the_next_step(void **state)
{
    (void)state;
    int64_t id;
    (void)fixture_sign_up(&fixture, 1, &id);
    struct answer answer = log_in("JOHN1@acme.com", FIXTURE_PASSWORD, NULL, NULL);
    assert_string_equal(answer.said, "OK");
    assert_string_equal(answer.redirect_to, "/onboarding/connect");
    Lotcast__V1__WebsiteRecord website = LOTCAST__V1__WEBSITE_RECORD__INIT;
    website.customer_id = id;
    website.last_read_at_ms = clock_now_ms();
    fixture_put(&fixture, &website);
    assert_string_equal(log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, NULL).redirect_to,
                        "/onboarding/launch");
    Lotcast__V1__CampaignRecord campaign = LOTCAST__V1__CAMPAIGN_RECORD__INIT;
    campaign.customer_id = id;
    fixture_put(&fixture, &campaign);
    answer = log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, NULL);
    assert_string_equal(answer.redirect_to, "/app/dashboard");
    const Lotcast__V1__GetSessionResponse *session;
    assert_string_equal(get_session(answer.session, &session), "OK");
    assert_string_equal(session->onboarding->step, "done");
}

static void refuses_bad_log_ins(void **state)
{
    (void)state;
    int64_t id;
    static char long_password[400];
    memset(long_password, 'x', sizeof long_password - 1);
    (void)fixture_sign_up(&fixture, 1, &id);
    const struct {
        const char *email, *password, *want;
    } rows[] = {
        {"", "", "INVALID_EMAIL email"},
        {"john1", FIXTURE_PASSWORD, "INVALID_EMAIL email"},
        {"john1@acme.com", "", "INVALID_ARGUMENT password"},
        {"john1@acme.com", "wrong", "INVALID_CREDENTIALS"},
        {"john1@acme.com", long_password, "INVALID_CREDENTIALS"},
        {"john2@acme.com", FIXTURE_PASSWORD, "INVALID_CREDENTIALS"},
        {"john1@acme.com", FIXTURE_PASSWORD " ", "INVALID_CREDENTIALS"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(log_in(rows[i].email, rows[i].password, NULL, NULL).said, rows[i].want);
    Lotcast__V1__CustomerRecord *customer =
        fixture_get(&fixture, &lotcast__v1__customer_record__descriptor, id);
    customer->suspended = true;
    fixture_put(&fixture, customer);
    assert_string_equal(log_in("john1@acme.com", "wrong", NULL, NULL).said, "INVALID_CREDENTIALS");
    assert_string_equal(log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, NULL).said,
                        "ACCOUNT_SUSPENDED");
}

static void gives_a_new_session_at_each_log_in(void **state)
{
    (void)state;
    const char *first = fixture_sign_up(&fixture, 1, NULL);
    /* From another browser: the first stays. */
    const char *second = log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, NULL).session;
    assert_string_not_equal(first, second);
    assert_string_equal(get_session(first, NULL), "OK");
    /* In the same browser: the one that came along ends. */
    const char *third = log_in("john1@acme.com", FIXTURE_PASSWORD, second, NULL).session;
    assert_string_not_equal(second, third);
    assert_string_equal(get_session(second, NULL), "AUTH_REQUIRED");
    assert_string_equal(get_session(third, NULL), "OK");
    /* A value that somebody else has chosen never becomes a session. */
    static const char planted[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const char *fourth = log_in("john1@acme.com", FIXTURE_PASSWORD, planted, NULL).session;
    assert_string_not_equal(fourth, planted);
    assert_string_equal(get_session(planted, NULL), "AUTH_REQUIRED");
}

static void logs_out_at_once(void **state)
{
    (void)state;
    const char *session = fixture_sign_up(&fixture, 1, NULL);
    const char *other = fixture_sign_up(&fixture, 2, NULL);
    assert_string_equal(log_out(session), "OK");
    assert_string_equal(get_session(session, NULL), "AUTH_REQUIRED");
    assert_string_equal(get_session(other, NULL), "OK");
    /* Again, without one, and with rubbish: as good. */
    assert_string_equal(log_out(session), "OK");
    assert_string_equal(log_out(NULL), "OK");
    assert_string_equal(log_out("rubbish"), "OK");
}

static void refuses_bad_sessions(void **state)
{
    (void)state;
    const char *session = fixture_sign_up(&fixture, 1, NULL);
    char changed[SESSION_TOKEN_BYTES];
    memcpy(changed, session, sizeof changed);
    changed[0] = changed[0] == 'A' ? 'B' : 'A';
    char longer[SESSION_TOKEN_BYTES + 1];
    memcpy(longer, session, SESSION_TOKEN_BYTES - 1);
    memcpy(longer + SESSION_TOKEN_BYTES - 1, "A", 2);
    const char *const rows[] = {
        NULL, "", "x", changed, longer, session + 1, "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"};
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(get_session(rows[i], NULL), "AUTH_REQUIRED");
    assert_string_equal(get_session(session, NULL), "OK");
    /* It ends by itself, and is swept away by the next log-in. */
    clock_set_offset_ms(30 * DAY_MS - 60000);
    assert_string_equal(get_session(session, NULL), "OK");
    clock_set_offset_ms(30 * DAY_MS);
    assert_string_equal(get_session(session, NULL), "AUTH_REQUIRED");
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__session_record__descriptor), 1);
    assert_string_equal(log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, NULL).said, "OK");
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__session_record__descriptor), 1);
    /* A clock that is set back revives nothing that is gone. */
    clock_set_offset_ms(0);
    assert_string_equal(get_session(session, NULL), "AUTH_REQUIRED");
}

static void changes_the_password(void **state)
{
    (void)state;
    const char *session = fixture_sign_up(&fixture, 1, NULL);
    const char *elsewhere = log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, NULL).session;
    const char *stranger = fixture_sign_up(&fixture, 2, NULL);
    static const struct {
        const char *current, *new, *want;
    } rows[] = {
        {"", "", "INVALID_ARGUMENT currentPassword"},
        {FIXTURE_PASSWORD, "", "WEAK_PASSWORD newPassword"},
        {FIXTURE_PASSWORD, "short", "WEAK_PASSWORD newPassword"},
        {FIXTURE_PASSWORD, "iloveyou", "WEAK_PASSWORD newPassword"},
        {FIXTURE_PASSWORD, "John1@ACME.com", "WEAK_PASSWORD newPassword"},
        {"wrong password", "a new good one", "INVALID_CREDENTIALS currentPassword"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(change_password(session, rows[i].current, rows[i].new), rows[i].want);
    assert_string_equal(change_password(NULL, FIXTURE_PASSWORD, "a new good one"), "AUTH_REQUIRED");
    assert_string_equal(get_session(elsewhere, NULL), "OK");

    assert_string_equal(change_password(session, FIXTURE_PASSWORD, "a new good one"), "OK");
    assert_string_equal(get_session(session, NULL), "OK");
    assert_string_equal(get_session(elsewhere, NULL), "AUTH_REQUIRED");
    assert_string_equal(get_session(stranger, NULL), "OK");
    assert_string_equal(log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, NULL).said,
                        "INVALID_CREDENTIALS");
    assert_string_equal(log_in("john1@acme.com", "a new good one", NULL, NULL).said, "OK");
}

/* A log-in, or (in the first row) a change of the password, at once with others. */
struct racer {
    struct arena arena;
    const char *changes_with; /* a session; NULL: logs in */
    const char *session;
    enum rpc_code code;
};

static void race(void *arg)
{
    struct racer *racer = arg;
    struct rpc_status status;
    const void *response = NULL;
    arena_init(&racer->arena, ARENA_CALL_BYTES_MAX);
    if (racer->changes_with != NULL) {
        Lotcast__V1__ChangePasswordRequest request = LOTCAST__V1__CHANGE_PASSWORD_REQUEST__INIT;
        request.current_password = (char *)FIXTURE_PASSWORD;
        request.new_password = (char *)"a new good one";
        struct rpc_metadata metadata = fixture_browser(racer->changes_with, NULL);
        racer->code = fixture_call(&fixture, &racer->arena, "lotcast.v1.Auth/ChangePassword",
                                   &request, &metadata, NULL, &status);
        return;
    }
    Lotcast__V1__LogInRequest request = LOTCAST__V1__LOG_IN_REQUEST__INIT;
    request.email = (char *)"john1@acme.com";
    request.password = (char *)FIXTURE_PASSWORD;
    racer->code = fixture_call(&fixture, &racer->arena, "lotcast.v1.Auth/LogIn", &request, NULL,
                               &response, &status);
    if (racer->code == RPC_OK)
        racer->session = ((const Lotcast__V1__LogInResponse *)response)->session_token;
}

static void leaves_no_session_of_the_old_password(void **state)
{
    (void)state;
    struct racer racers[8] = {0};
    racers[0].changes_with = fixture_sign_up(&fixture, 1, NULL);
    fixture_parallel(race, racers, sizeof racers[0], COUNT(racers));
    assert_int_equal(racers[0].code, RPC_OK);
    assert_string_equal(get_session(racers[0].changes_with, NULL), "OK");
    for (size_t i = 1; i < COUNT(racers); i++) {
        if (racers[i].code == RPC_OK)
            assert_string_equal(get_session(racers[i].session, NULL), "AUTH_REQUIRED");
        else
            assert_int_equal(racers[i].code, RPC_UNAUTHENTICATED);
    }
    for (size_t i = 0; i < COUNT(racers); i++)
        arena_fini(&racers[i].arena);
}

/* Each try finds that the user's record has changed: nobody is logged in, no password is set. */
static void says_when_others_are_always_first(void **state)
{
    (void)state;
    const char *session = fixture_sign_up(&fixture, 1, NULL);
    int64_t sessions = fixture_count(&fixture, &lotcast__v1__session_record__descriptor);
    lost_race_begin(fixture.registry, &lotcast__v1__user_record__descriptor);
    assert_string_equal(log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, NULL).said, "CONFLICT");
    assert_int_equal(lost_race_end(), SERVICES_COMMIT_TRIES);
    assert_int_equal(fixture_count(&fixture, &lotcast__v1__session_record__descriptor), sessions);
    lost_race_begin(fixture.registry, &lotcast__v1__user_record__descriptor);
    assert_string_equal(change_password(session, FIXTURE_PASSWORD, "a new good one"), "CONFLICT");
    assert_int_equal(lost_race_end(), SERVICES_COMMIT_TRIES);
    assert_string_equal(get_session(session, NULL), "OK");
    assert_string_equal(log_in("john1@acme.com", FIXTURE_PASSWORD, NULL, NULL).said, "OK");
}

static int set_up(void **state)
{
    (void)state;
    clock_set_offset_ms(0);
    fixture_start(&fixture, &(struct fixture_options){.signup_credits = 500});
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
        TEST(signs_up),
        TEST(refuses_bad_sign_ups),
        TEST(takes_an_email_once),
        TEST(makes_one_account_of_50_sign_ups_at_once),
        TEST(logs_in_to_the_next_step),
        TEST(refuses_bad_log_ins),
        TEST(gives_a_new_session_at_each_log_in),
        TEST(logs_out_at_once),
        TEST(refuses_bad_sessions),
        TEST(changes_the_password),
        TEST(leaves_no_session_of_the_old_password),
        TEST(says_when_others_are_always_first),
    };
    return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
