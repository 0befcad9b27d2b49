/*
 * Users as operators make and mend them: Admin/CreateAdmin, Admin/SetPassword. Both hash a
 * password, on the server's heavy workers.
 */
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/admin.h"
#include "rpc/services/audit.h"
#include "rpc/services/model/password.h"
#include "rpc/services/model/text.h"
#include "rpc/services/password_hash.h"
#include "rpc/services/session.h"

#define USER_COUNTER "user"

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

/* --- CreateAdmin --- */

static enum rpc_code admin_check(const Lotcast__V1__CreateAdminRequest *request,
                                 struct arena *arena, char **ret_name, struct rpc_status *status)
{
    size_t start;
    size_t len;
    if (!text_email_valid(request->email))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_EMAIL, "email");
    if (!password_acceptable(request->password, request->email))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_WEAK_PASSWORD, "password");
    if (!text_name(request->name, &start, &len))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, "name");
    *ret_name = arena_strndup(arena, request->name + start, len);
    return *ret_name == NULL ? out_of_memory(status) : RPC_OK;
}

/* The admin and the audit's record; RPC_ABORTED: its number was taken meanwhile. */
static enum rpc_code admin_put(struct rpc_server_call *call, Lotcast__V1__UserRecord *user,
                               struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    struct audit_entry entry = {"create_admin", 0, user->email};
    struct store_commit commit;
    enum rpc_code code = store_numbers_take(services->options.store, context, USER_COUNTER, 1,
                                            &user->user_id, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_put_new(&commit, user);
    code = audit_add(call, services, &commit, &entry, status);
    if (code != RPC_OK)
        return code;
    code = store_commit_send(&commit, context, NULL, status);
    if (code == RPC_ALREADY_EXISTS)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_EMAIL_TAKEN, "email");
    return code == RPC_OK || code == RPC_ABORTED ? code : services__store_failed(code, status);
}

enum rpc_code admin_create_admin(struct rpc_server_call *call, const void *request_message,
                                 void *response_message, struct rpc_status *status)
{
    struct arena *arena = rpc_server_call_arena(call);
    const Lotcast__V1__CreateAdminRequest *request = request_message;
    Lotcast__V1__CreateAdminResponse *response = response_message;
    Lotcast__V1__UserRecord user = LOTCAST__V1__USER_RECORD__INIT;
    char email_key[TEXT_EMAIL_BYTES_MAX + 1];
    char hash[SERVICES_PASSWORD_HASH_BYTES];
    enum rpc_code code = admin_check(request, arena, &user.name, status);
    if (code != RPC_OK)
        return code;
    if (password_hash_make(request->password, hash) != RPC_OK)
        return out_of_memory(status);
    text_email_key(request->email, email_key);
    user.email_key = email_key;
    user.email = request->email;
    user.role = LOTCAST__V1__ROLE__ROLE_ADMIN;
    user.password_hash = hash;
    user.created_at_ms = clock_now_ms();
    code = RPC_ABORTED;
    for (int try = 0; code == RPC_ABORTED && try < SERVICES_COMMIT_TRIES; try++)
        code = admin_put(call, &user, status);
    /* That fresh numbers were taken is nobody's conflict but ours. */
    if (code == RPC_ABORTED)
        return services__store_failed(RPC_UNAVAILABLE, status);
    if (code != RPC_OK)
        return code;
    response->id = admin_id_text(arena, user.user_id);
    return response->id == NULL ? out_of_memory(status) : RPC_OK;
}

/* --- SetPassword --- */

/* By e-mail or number. */
static enum rpc_code user_find(struct rpc_server_call *call, const char *text,
                               Lotcast__V1__UserRecord **ret_user, uint64_t *ret_version,
                               struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    char email_key[TEXT_EMAIL_BYTES_MAX + 1];
    const char *index = NULL;
    struct store_key key = store_key(store_number(services__id_parse(text)));
    if (strchr(text, '@') != NULL && strlen(text) <= TEXT_EMAIL_BYTES_MAX) {
        text_email_key(text, email_key);
        index = "by_email";
        key = store_key(store_text(email_key));
    }
    enum rpc_code code =
        store_get(services->options.store, rpc_server_call_context(call),
                  &lotcast__v1__user_record__descriptor, index, key, ret_user, ret_version, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    return *ret_user == NULL
               ? rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_FOUND, "user")
               : RPC_OK;
}

/* One try, with the password's hash where it has been made; RPC_ABORTED: the user has changed. */
static enum rpc_code password_set_once(struct rpc_server_call *call,
                                       const Lotcast__V1__SetPasswordRequest *request, char *hash,
                                       Lotcast__V1__UserRecord **ret_user,
                                       struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    Lotcast__V1__UserRecord *user = NULL;
    uint64_t version = 0;
    size_t sessions;
    struct store_commit commit;
    enum rpc_code code = user_find(call, request->user, &user, &version, status);
    if (code != RPC_OK)
        return code;
    if (!password_acceptable(request->password, user->email))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_WEAK_PASSWORD, "password");
    if (hash[0] == '\0' && password_hash_make(request->password, hash) != RPC_OK)
        return out_of_memory(status);
    struct audit_entry entry = {"set_password", user->customer_id, user->email};
    user->password_hash = hash;
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_put_version(&commit, user, version);
    code = sessions_end_add(services, context, user->user_id, NULL, &commit, &sessions, status);
    if (code == RPC_OK)
        code = audit_add(call, services, &commit, &entry, status);
    if (code != RPC_OK)
        return code;
    code = store_commit_send(&commit, context, NULL, status);
    if (code != RPC_OK)
        return code == RPC_ABORTED ? code : services__store_failed(code, status);
    *ret_user = user;
    return RPC_OK;
}

enum rpc_code admin_set_password(struct rpc_server_call *call, const void *request_message,
                                 void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const Lotcast__V1__SetPasswordRequest *request = request_message;
    Lotcast__V1__SetPasswordResponse *response = response_message;
    Lotcast__V1__UserRecord *user = NULL;
    char hash[SERVICES_PASSWORD_HASH_BYTES] = "";
    enum rpc_code code = RPC_ABORTED;
    for (int try = 0; code == RPC_ABORTED && try < SERVICES_COMMIT_TRIES; try++)
        code = password_set_once(call, request, hash, &user, status);
    if (code == RPC_ABORTED)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL);
    if (code == RPC_OK)
        code = sessions_end_late(services, context, user->user_id, NULL, status);
    if (code != RPC_OK)
        return code;
    response->id = admin_id_text(context->arena, user->user_id);
    response->email = user->email;
    return response->id == NULL ? out_of_memory(status) : RPC_OK;
}
