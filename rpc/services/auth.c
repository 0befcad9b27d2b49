/*
 * lotcast.v1.Auth: accounts and sessions. Runs on the server's heavy workers where a password is
 * hashed.
 *
 * Races are settled by the store: an e-mail is unique by its index; a log-in's commit expects the
 * user and the customer as they were read, so that none slips past a change of password or a
 * suspension.
 */
#include "lotcast/v1/auth.pb-c.h"

#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/ledger.h"
#include "rpc/services/model/onboarding.h"
#include "rpc/services/model/password.h"
#include "rpc/services/model/standing.h"
#include "rpc/services/model/text.h"
#include "rpc/services/password_hash.h"
#include "rpc/services/session.h"
#include "rpc/services/throttle.h"

#define USER_COUNTER "user"
#define ADMIN_PATH "/admin/customers"
#define CENTI 100

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

static enum rpc_code invalid(Lotcast__V1__Reason reason, const char *field,
                             struct rpc_status *status)
{
    return rpc_status_fail(status, reason, field);
}

static const char *step_path(const Lotcast__V1__WebsiteRecord *website,
                             const Lotcast__V1__CampaignRecord *campaign)
{
    return standing_step_path(onboarding_step_next(website, campaign));
}

static enum rpc_code find_user(struct services *services, struct rpc_context *context,
                               const char *email, Lotcast__V1__UserRecord **ret_user,
                               uint64_t *ret_version, struct rpc_status *status)
{
    char key[TEXT_EMAIL_BYTES_MAX + 1];
    text_email_key(email, key);
    enum rpc_code code =
        store_get(services->options.store, context, &lotcast__v1__user_record__descriptor,
                  "by_email", store_key(store_text(key)), ret_user, ret_version, status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

/* --- SignUp --- */

struct sign_up {
    const Lotcast__V1__SignUpRequest *request;
    const char *company; /* without the white space around it */
    const char *name;
    int64_t now_ms;
    char password_hash[SERVICES_PASSWORD_HASH_BYTES];
};

static enum rpc_code take_name(const char *text, bool required, const char *field,
                               struct arena *arena, const char **ret_name,
                               struct rpc_status *status)
{
    size_t start;
    size_t len;
    if (!text_name(text, &start, &len) || (required && len == 0))
        return invalid(LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, field, status);
    *ret_name = arena_strndup(arena, text + start, len);
    return *ret_name == NULL ? out_of_memory(status) : RPC_OK;
}

static enum rpc_code check_sign_up(struct sign_up *sign_up, struct arena *arena,
                                   struct rpc_status *status)
{
    const Lotcast__V1__SignUpRequest *request = sign_up->request;
    if (!text_email_valid(request->email))
        return invalid(LOTCAST__V1__REASON__REASON_INVALID_EMAIL, "email", status);
    if (!password_acceptable(request->password, request->email))
        return invalid(LOTCAST__V1__REASON__REASON_WEAK_PASSWORD, "password", status);
    enum rpc_code code =
        take_name(request->company, true, "company", arena, &sign_up->company, status);
    if (code != RPC_OK)
        return code;
    return take_name(request->name, false, "name", arena, &sign_up->name, status);
}

static void put_account(const struct sign_up *sign_up, struct store_commit *commit,
                        Lotcast__V1__UserRecord *user, char *email_key)
{
    text_email_key(sign_up->request->email, email_key);
    user->email_key = email_key;
    user->email = sign_up->request->email;
    user->name = (char *)sign_up->name;
    user->role = LOTCAST__V1__ROLE__ROLE_CUSTOMER;
    user->customer_id = user->user_id;
    user->password_hash = (char *)sign_up->password_hash;
    user->created_at_ms = sign_up->now_ms;
    (void)store_commit_put_new(commit, user);
    Lotcast__V1__CustomerRecord customer = LOTCAST__V1__CUSTOMER_RECORD__INIT;
    customer.customer_id = user->user_id;
    customer.company = (char *)sign_up->company;
    customer.created_at_ms = sign_up->now_ms;
    (void)store_commit_put_new(commit, &customer);
}

static enum rpc_code grant_welcome(struct services *services, struct rpc_context *context,
                                   struct store_commit *commit, int64_t customer_id, int64_t now_ms,
                                   struct rpc_status *status)
{
    if (services->options.signup_credits == 0)
        return RPC_OK;
    const char *reference = arena_printf(context->arena, "signup:%lld", (long long)customer_id);
    if (reference == NULL)
        return out_of_memory(status);
    struct ledger_posting posting = {
        .kind = LOTCAST__V1__LEDGER_KIND__LEDGER_KIND_SIGNUP,
        .amount_centi = services->options.signup_credits * CENTI,
        .account = "grants",
        .reference = reference,
        .at_ms = now_ms,
    };
    return ledger_append(services, context, commit, customer_id, &posting, 1, NULL, status);
}

/* User, customer, welcome credits and session, all or nothing. */
static enum rpc_code create_account(struct rpc_server_call *call, const struct sign_up *sign_up,
                                    char **ret_token, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    Lotcast__V1__UserRecord user = LOTCAST__V1__USER_RECORD__INIT;
    char email_key[TEXT_EMAIL_BYTES_MAX + 1];
    enum rpc_code code = store_numbers_take(services->options.store, context, USER_COUNTER, 1,
                                            &user.user_id, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    put_account(sign_up, &commit, &user, email_key);
    code = grant_welcome(services, context, &commit, user.user_id, sign_up->now_ms, status);
    if (code != RPC_OK)
        return code;
    if (session_begin(call, &commit, &user, sign_up->now_ms, ret_token) != RPC_OK)
        return out_of_memory(status);
    code = store_commit_send(&commit, context, NULL, status);
    if (code == RPC_ALREADY_EXISTS)
        return invalid(LOTCAST__V1__REASON__REASON_EMAIL_TAKEN, "email", status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

static enum rpc_code sign_up(struct rpc_server_call *call, const void *request,
                             void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    Lotcast__V1__SignUpResponse *response = response_message;
    struct sign_up sign_up = {.request = request, .now_ms = clock_now_ms()};
    enum rpc_code code = check_sign_up(&sign_up, context->arena, status);
    if (code != RPC_OK)
        return code;
    struct throttle_attempt attempt;
    throttle_attempt_init(&attempt, sign_up.now_ms);
    throttle_attempt_add_address(services, call, &attempt, "signup-address",
                                 THROTTLE_SIGNUP_ADDRESS_MAX);
    code = throttle_reserve(services, context, &attempt, status);
    if (code != RPC_OK)
        return code;
    Lotcast__V1__UserRecord *taken;
    code = find_user(services, context, sign_up.request->email, &taken, NULL, status);
    if (code != RPC_OK)
        return code;
    /* The index decides; this saves the hashing. */
    if (taken != NULL)
        return invalid(LOTCAST__V1__REASON__REASON_EMAIL_TAKEN, "email", status);
    if (password_hash_make(sign_up.request->password, sign_up.password_hash) != RPC_OK)
        return out_of_memory(status);
    code = create_account(call, &sign_up, &response->session_token, status);
    if (code != RPC_OK)
        return code;
    response->success = true;
    response->redirect_to = (char *)"/onboarding/start";
    return RPC_OK;
}

/* --- LogIn --- */

/* The page for the user, from the customer's records; checks that the customer may log in at all.
 */
static enum rpc_code admit(struct services *services, struct rpc_context *context,
                           const Lotcast__V1__UserRecord *user, struct store_commit *commit,
                           const char **ret_path, struct rpc_status *status)
{
    if (user->role == LOTCAST__V1__ROLE__ROLE_ADMIN) {
        *ret_path = ADMIN_PATH;
        return RPC_OK;
    }
    struct store_key key = store_key(store_number(user->customer_id));
    struct store_read_op ops[] = {
        services__get(&lotcast__v1__customer_record__descriptor, key),
        services__get(&lotcast__v1__website_record__descriptor, key),
        services__get(&lotcast__v1__campaign_record__descriptor, key),
    };
    enum rpc_code code = store_read(services->options.store, context, ops, 3, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    const Lotcast__V1__CustomerRecord *customer = services__row(&ops[0]);
    if (customer == NULL || customer->suspended)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_ACCOUNT_SUSPENDED, NULL);
    (void)store_commit_check(commit, ops[0].record, key, services__version(&ops[0]));
    *ret_path = step_path(services__row(&ops[1]), services__row(&ops[2]));
    return RPC_OK;
}

/* One try; RPC_ABORTED: user or customer changed meanwhile. */
static enum rpc_code log_in_once(struct rpc_server_call *call,
                                 const Lotcast__V1__LogInRequest *request,
                                 Lotcast__V1__LogInResponse *response, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    Lotcast__V1__UserRecord *user;
    uint64_t version;
    const char *path = "";
    enum rpc_code code = find_user(services, context, request->email, &user, &version, status);
    if (code != RPC_OK)
        return code;
    if (!password_hash_matches(services, user == NULL ? NULL : user->password_hash,
                               request->password) ||
        user == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_CREDENTIALS, NULL);
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    code = admit(services, context, user, &commit, &path, status);
    if (code != RPC_OK)
        return code;
    (void)store_commit_check(&commit, &lotcast__v1__user_record__descriptor,
                             store_key(store_number(user->user_id)), version);
    if (session_begin(call, &commit, user, clock_now_ms(), &response->session_token) != RPC_OK)
        return out_of_memory(status);
    code = store_commit_send(&commit, context, NULL, status);
    if (code != RPC_OK)
        return code == RPC_ABORTED ? code : services__store_failed(code, status);
    response->success = true;
    response->redirect_to = (char *)path;
    return RPC_OK;
}

static enum rpc_code log_in(struct rpc_server_call *call, const void *request_message,
                            void *response, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const Lotcast__V1__LogInRequest *request = request_message;
    if (!text_email_valid(request->email))
        return invalid(LOTCAST__V1__REASON__REASON_INVALID_EMAIL, "email", status);
    if (request->password[0] == '\0')
        return invalid(LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, "password", status);
    char key[TEXT_EMAIL_BYTES_MAX + 1];
    struct throttle_attempt attempt;
    text_email_key(request->email, key);
    throttle_attempt_init(&attempt, clock_now_ms());
    throttle_attempt_add(services, &attempt, "login-email", key, THROTTLE_LOGIN_EMAIL_MAX);
    throttle_attempt_add_address(services, call, &attempt, "login-address",
                                 THROTTLE_LOGIN_ADDRESS_MAX);
    enum rpc_code code = throttle_reserve(services, context, &attempt, status);
    if (code != RPC_OK)
        return code;
    code = RPC_ABORTED;
    for (int try = 0; code == RPC_ABORTED && try < SERVICES_COMMIT_TRIES; try++)
        code = log_in_once(call, request, response, status);
    /* Only a wrong password counts; an unknown e-mail is one. */
    if (code != RPC_UNAUTHENTICATED)
        throttle_release(services, context, &attempt);
    /* After failures too, which is what leaves most to remove. */
    if (code == RPC_OK || code == RPC_UNAUTHENTICATED)
        session_sweep(services, context, clock_now_ms());
    if (code == RPC_ABORTED)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL);
    return code;
}

/* --- LogOut, GetSession --- */

static enum rpc_code log_out(struct rpc_server_call *call, const void *request,
                             void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const struct rpc_principal *principal = rpc_server_call_principal(call);
    Lotcast__V1__LogOutResponse *response = response_message;
    (void)request;
    if (principal->has_session) {
        struct store_commit commit;
        store_commit_init(&commit, services->options.store, context);
        (void)store_commit_delete(
            &commit, &lotcast__v1__session_record__descriptor,
            store_key(store_data(principal->session_hash, RPC_SESSION_HASH_BYTES)));
        enum rpc_code code = store_commit_send(&commit, context, NULL, status);
        if (code != RPC_OK)
            return services__store_failed(code, status);
    }
    response->success = true;
    response->redirect_to = (char *)"/login";
    return RPC_OK;
}

static bool fill_session(struct arena *arena, const Lotcast__V1__UserRecord *user,
                         const Lotcast__V1__CustomerRecord *customer, const char *step,
                         Lotcast__V1__GetSessionResponse *response)
{
    Lotcast__V1__SessionUser *shown = arena_alloc(arena, sizeof *shown);
    if (shown == NULL)
        return false;
    lotcast__v1__session_user__init(shown);
    shown->id = arena_printf(arena, "%lld",
                             (long long)(customer == NULL ? user->user_id : user->customer_id));
    if (shown->id == NULL)
        return false;
    shown->name = user->name;
    shown->email = user->email;
    shown->company = customer == NULL ? (char *)"" : customer->company;
    shown->role = (char *)(customer == NULL ? "admin" : "customer");
    response->user = shown;
    if (customer == NULL)
        return true;
    response->onboarding = arena_alloc(arena, sizeof *response->onboarding);
    if (response->onboarding == NULL)
        return false;
    lotcast__v1__session_onboarding__init(response->onboarding);
    response->onboarding->step = (char *)step;
    return true;
}

static enum rpc_code get_session(struct rpc_server_call *call, const void *request, void *response,
                                 struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const struct rpc_principal *principal = rpc_server_call_principal(call);
    bool is_admin = principal->kind == RPC_PRINCIPAL_ADMIN;
    struct store_key key = store_key(store_number(principal->customer_id));
    struct store_read_op ops[] = {
        services__get(&lotcast__v1__user_record__descriptor,
                      store_key(store_number(principal->user_id))),
        services__get(&lotcast__v1__customer_record__descriptor, key),
        services__get(&lotcast__v1__website_record__descriptor, key),
        services__get(&lotcast__v1__campaign_record__descriptor, key),
    };
    (void)request;
    enum rpc_code code =
        store_read(services->options.store, context, ops, is_admin ? 1 : 4, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    const Lotcast__V1__UserRecord *user = services__row(&ops[0]);
    const Lotcast__V1__CustomerRecord *customer = is_admin ? NULL : services__row(&ops[1]);
    if (user == NULL || (!is_admin && customer == NULL))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_AUTH_REQUIRED, NULL);
    const char *step = "";
    if (!is_admin)
        step = standing_step_name(
            onboarding_step_next(services__row(&ops[2]), services__row(&ops[3])));
    return fill_session(context->arena, user, customer, step, response) ? RPC_OK
                                                                        : out_of_memory(status);
}

/* --- ChangePassword --- */

/* Reads the user, checks the present password, and commits the new one. RPC_ABORTED: a lost race.
 */
static enum rpc_code change_once(struct rpc_server_call *call,
                                 const Lotcast__V1__ChangePasswordRequest *request,
                                 struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const struct rpc_principal *principal = rpc_server_call_principal(call);
    Lotcast__V1__UserRecord *user;
    uint64_t version;
    size_t count;
    char hash[SERVICES_PASSWORD_HASH_BYTES];
    enum rpc_code code =
        store_get(services->options.store, context, &lotcast__v1__user_record__descriptor, NULL,
                  store_key(store_number(principal->user_id)), &user, &version, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (user == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_AUTH_REQUIRED, NULL);
    if (!password_acceptable(request->new_password, user->email))
        return invalid(LOTCAST__V1__REASON__REASON_WEAK_PASSWORD, "newPassword", status);
    if (!password_hash_matches(services, user->password_hash, request->current_password))
        return invalid(LOTCAST__V1__REASON__REASON_INVALID_CREDENTIALS, "currentPassword", status);
    if (password_hash_make(request->new_password, hash) != RPC_OK)
        return out_of_memory(status);
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    user->password_hash = hash;
    (void)store_commit_put_version(&commit, user, version);
    code = sessions_end_add(services, context, user->user_id, principal->session_hash, &commit,
                            &count, status);
    if (code != RPC_OK)
        return code;
    code = store_commit_send(&commit, context, NULL, status);
    if (code != RPC_OK)
        return code == RPC_ABORTED ? code : services__store_failed(code, status);
    return sessions_end_late(services, context, user->user_id, principal->session_hash, status);
}

static enum rpc_code change_password(struct rpc_server_call *call, const void *request_message,
                                     void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const Lotcast__V1__ChangePasswordRequest *request = request_message;
    Lotcast__V1__ChangePasswordResponse *response = response_message;
    if (request->current_password[0] == '\0')
        return invalid(LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, "currentPassword", status);
    /* The e-mail is looked at with the user; what is weak for anyone does not count as an attempt.
     */
    if (!password_acceptable(request->new_password, ""))
        return invalid(LOTCAST__V1__REASON__REASON_WEAK_PASSWORD, "newPassword", status);
    const char *subject =
        arena_printf(context->arena, "%lld", (long long)rpc_server_call_principal(call)->user_id);
    if (subject == NULL)
        return out_of_memory(status);
    struct throttle_attempt attempt;
    throttle_attempt_init(&attempt, clock_now_ms());
    throttle_attempt_add(services, &attempt, "password-user", subject, THROTTLE_PASSWORD_USER_MAX);
    enum rpc_code code = throttle_reserve(services, context, &attempt, status);
    if (code != RPC_OK)
        return code;
    code = RPC_ABORTED;
    for (int try = 0; code == RPC_ABORTED && try < SERVICES_COMMIT_TRIES; try++)
        code = change_once(call, request, status);
    if (code != RPC_UNAUTHENTICATED)
        throttle_release(services, context, &attempt);
    if (code == RPC_ABORTED)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL);
    response->success = code == RPC_OK;
    return code;
}

rpc_handler *const auth_handlers[] = {sign_up, log_in, log_out, get_session, change_password};
