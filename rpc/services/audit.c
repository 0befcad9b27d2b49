#include "rpc/services/audit.h"

#include <sodium.h>
#include <stdatomic.h>

#include "rpc/base/clock.h"

/* Records of one millisecond are told apart by a number below this. */
#define IDS_PER_MS 100000

#define ACTION_VIEW_AS "view_as"
#define ACTION_ACT_AS "act_as"
#define ACTION_READ "read"
#define OPERATOR_EMAIL "operator"

/* Admins have e-mails; an operator is known by the machine's own account. */
static enum rpc_code actor_email(struct services *services, struct rpc_context *context,
                                 const struct rpc_principal *principal, char **ret_email,
                                 struct rpc_status *status)
{
    Lotcast__V1__UserRecord *user;
    if (principal->kind == RPC_PRINCIPAL_OPERATOR) {
        *ret_email = (char *)OPERATOR_EMAIL;
        return RPC_OK;
    }
    enum rpc_code code =
        store_get(services->options.store, context, &lotcast__v1__user_record__descriptor, NULL,
                  store_key(store_number(principal->user_id)), &user, NULL, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (user == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_AUTH_REQUIRED, NULL);
    *ret_email = user->email;
    return RPC_OK;
}

/*
 * Ids are in the order of time, also within a millisecond of this process; those of another process
 * are told apart by the random part.
 */
static int64_t next_id(int64_t at_ms)
{
    static atomic_int_fast64_t last;
    int_fast64_t before = atomic_load(&last);
    int64_t id;
    do {
        id = at_ms * IDS_PER_MS + (int64_t)randombytes_uniform(IDS_PER_MS / 2);
        if (id <= before)
            id = before + 1;
    } while (!atomic_compare_exchange_weak(&last, &before, id));
    return id;
}

enum rpc_code audit_add(struct rpc_server_call *call, struct services *services,
                        struct store_commit *commit, const struct audit_entry *entry,
                        struct rpc_status *status)
{
    struct rpc_context *context = rpc_server_call_context(call);
    const struct rpc_principal *principal = rpc_server_call_principal(call);
    Lotcast__V1__AuditRecord record = LOTCAST__V1__AUDIT_RECORD__INIT;
    enum rpc_code code = actor_email(services, context, principal, &record.actor_email, status);
    if (code != RPC_OK)
        return code;
    record.at_ms = clock_now_ms();
    record.audit_id = next_id(record.at_ms);
    record.actor_id = principal->kind == RPC_PRINCIPAL_OPERATOR ? 0 : principal->user_id;
    record.action = (char *)entry->action;
    record.customer_id = entry->customer_id;
    record.reason = (char *)entry->reason;
    record.request_id = context->request_id;
    (void)store_commit_put_new(commit, &record);
    return RPC_OK;
}

enum rpc_code audit_write(struct rpc_server_call *call, struct services *services,
                          const struct audit_entry *entry, struct rpc_status *status)
{
    struct rpc_context *context = rpc_server_call_context(call);
    enum rpc_code code = RPC_ABORTED;
    for (int try = 0; code == RPC_ABORTED && try < SERVICES_COMMIT_TRIES; try++) {
        struct store_commit commit;
        store_commit_init(&commit, services->options.store, context);
        code = audit_add(call, services, &commit, entry, status);
        if (code != RPC_OK)
            return code;
        code = store_commit_send(&commit, context, NULL, status);
    }
    /* That a number was taken is nobody's conflict but ours. */
    if (code == RPC_ABORTED)
        code = RPC_UNAVAILABLE;
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

/* What was called, for people: GET /api/customer/dashboard; the method's name if it has no route.
 */
static const char *what_was_called(struct rpc_server_call *call)
{
    const struct registry_method *method = rpc_server_call_method(call);
    const char *path = NULL;
    const char *verb = method->http == NULL ? NULL : registry_rule_verb(method->http, &path);
    if (verb == NULL)
        return method->name;
    return arena_printf(rpc_server_call_arena(call), "%s %s", verb, path);
}

static enum rpc_code record_call(struct rpc_server_call *call, struct services *services,
                                 const char *action, int64_t customer_id, struct rpc_status *status)
{
    struct audit_entry entry = {action, customer_id, what_was_called(call)};
    if (entry.reason == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    return audit_write(call, services, &entry, status);
}

enum rpc_code audit_acting(struct rpc_server_call *call, struct services *services,
                           struct rpc_status *status)
{
    const struct registry_method *method = rpc_server_call_method(call);
    const struct rpc_principal *principal = rpc_server_call_principal(call);
    bool acts = principal->kind == RPC_PRINCIPAL_ADMIN || principal->kind == RPC_PRINCIPAL_OPERATOR;
    if (!acts || method->rules->access != LOTCAST__V1__ACCESS__ACCESS_CUSTOMER)
        return RPC_OK;
    return record_call(call, services, method->read_only ? ACTION_VIEW_AS : ACTION_ACT_AS,
                       principal->customer_id, status);
}

enum rpc_code audit_operator_read(struct rpc_server_call *call, int64_t customer_id,
                                  struct rpc_status *status)
{
    if (rpc_server_call_principal(call)->kind != RPC_PRINCIPAL_OPERATOR)
        return RPC_OK;
    return record_call(call, rpc_server_call_self(call), ACTION_READ, customer_id, status);
}
