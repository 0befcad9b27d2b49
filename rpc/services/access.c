#include "rpc/services/access.h"

#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/services/answers.h"
#include "rpc/services/session.h"

#define CUSTOMER_ID_HEADER "X-Customer-ID"

/* What the caller says of whom a method is to act on. */
struct named_customer {
    size_t times;
    const char *text;
    int64_t id;  /* 0: it can't be one */
    bool exists; /* once the store was read */
};

/* Metadata that would claim an identity: nobody of ours sends it. */
static bool claims_identity(const struct rpc_metadata *metadata)
{
    static const char *const keys[] = {
        "principal", "principal-id", "principal-kind", "user",     "user-id",  "role",
        "admin",     "operator",     "trust",          "actor",    "actor-id", "read-only",
        "customer",  "session-hash", "authorization",  "identity",
    };
    for (size_t i = 0; i < metadata->count; i++) {
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            if (strcmp(metadata->entries[i].key, keys[k]) == 0)
                return true;
        }
    }
    return false;
}

static struct named_customer find_named_customer(const struct rpc_metadata *metadata)
{
    struct named_customer named = {0};
    for (size_t i = 0; i < metadata->count; i++) {
        if (strcmp(metadata->entries[i].key, RPC_METADATA_CUSTOMER_ID) != 0)
            continue;
        named.text = metadata->entries[i].value;
        named.times++;
        /* Several lines of a header may arrive joined by commas. */
        if (strchr(named.text, ',') != NULL)
            named.times++;
    }
    if (named.times == 1)
        named.id = services__id_parse(named.text);
    return named;
}

static void set_session_user(struct rpc_principal *principal,
                             const Lotcast__V1__SessionRecord *session, const uint8_t *hash)
{
    bool admin = session->role == LOTCAST__V1__ROLE__ROLE_ADMIN;
    principal->kind = admin ? RPC_PRINCIPAL_ADMIN : RPC_PRINCIPAL_CUSTOMER;
    principal->user_id = session->user_id;
    principal->customer_id = admin ? 0 : session->customer_id;
    principal->has_session = true;
    principal->session_until_ms = session->expires_at_ms;
    memcpy(principal->session_hash, hash, RPC_SESSION_HASH_BYTES);
}

/* Reads the session and the customer that is named, whichever there are, in one batch. */
static enum rpc_code identify(struct services *services, struct rpc_server_call *call,
                              struct named_customer *named, struct rpc_principal *principal,
                              struct rpc_status *status)
{
    uint8_t hash[RPC_SESSION_HASH_BYTES];
    bool has_session = session_of_call(call, hash);
    struct store_read_op ops[2];
    size_t count = 0;
    if (has_session)
        ops[count++] = services__get(&lotcast__v1__session_record__descriptor,
                                     store_key(store_data(hash, sizeof hash)));
    if (named->id > 0)
        ops[count++] = services__get(&lotcast__v1__customer_record__descriptor,
                                     store_key(store_number(named->id)));
    if (count == 0)
        return RPC_OK;
    const struct store_partition partition = answers_session_partition(hash);
    uint64_t stamp = STORE_STAMP_NONE;
    enum rpc_code code =
        store_read_stamped(services->options.store, rpc_server_call_context(call), ops, count,
                           &partition, has_session ? 1 : 0, &stamp, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    principal->session_stamp = stamp;
    if (named->id > 0)
        named->exists = services__row(&ops[count - 1]) != NULL;
    const Lotcast__V1__SessionRecord *session = has_session ? services__row(&ops[0]) : NULL;
    if (session != NULL && session->expires_at_ms > clock_now_ms())
        set_session_user(principal, session, hash);
    return RPC_OK;
}

static enum rpc_code refuse(Lotcast__V1__Reason reason, struct rpc_status *status)
{
    return rpc_status_fail(status, reason, NULL);
}

/* Only what changes nothing may be called while viewing as a customer. */
static bool only_reads(const struct rpc_server_call *call, const struct registry_method *method)
{
    const char *verb = rpc_server_call_metadata(call, RPC_METADATA_HTTP_METHOD);
    return method->read_only &&
           (verb == NULL || strcmp(verb, "GET") == 0 || strcmp(verb, "HEAD") == 0);
}

/* Lets an admin or an operator act on the customer that is named. */
static enum rpc_code act_on_named(const struct named_customer *named,
                                  struct rpc_principal *principal, struct rpc_status *status)
{
    if (named->times > 1)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                               CUSTOMER_ID_HEADER);
    if (!named->exists)
        return refuse(LOTCAST__V1__REASON__REASON_NOT_FOUND, status);
    principal->customer_id = named->id;
    return RPC_OK;
}

static enum rpc_code check_customer_method(const struct rpc_server_call *call,
                                           const struct registry_method *method,
                                           const struct named_customer *named,
                                           struct rpc_principal *principal,
                                           struct rpc_status *status)
{
    switch (principal->kind) {
    case RPC_PRINCIPAL_NONE:
        return refuse(LOTCAST__V1__REASON__REASON_AUTH_REQUIRED, status);
    case RPC_PRINCIPAL_CUSTOMER:
        return named->times == 0 ? RPC_OK : refuse(LOTCAST__V1__REASON__REASON_FORBIDDEN, status);
    case RPC_PRINCIPAL_ADMIN:
        if (named->times == 0 || !only_reads(call, method))
            return refuse(LOTCAST__V1__REASON__REASON_FORBIDDEN, status);
        principal->read_only = true;
        return act_on_named(named, principal, status);
    case RPC_PRINCIPAL_OPERATOR:
        if (named->times == 0)
            return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                                           RPC_METADATA_CUSTOMER_ID,
                                           "Please name the customer this is for");
        return act_on_named(named, principal, status);
    }
    return refuse(LOTCAST__V1__REASON__REASON_FORBIDDEN, status);
}

/* Methods for whoever has a session: there is no customer to name. */
static enum rpc_code check_user_method(const struct named_customer *named,
                                       const struct rpc_principal *principal,
                                       struct rpc_status *status)
{
    if (!principal->has_session)
        return refuse(LOTCAST__V1__REASON__REASON_AUTH_REQUIRED, status);
    if (principal->kind == RPC_PRINCIPAL_CUSTOMER && named->times > 0)
        return refuse(LOTCAST__V1__REASON__REASON_FORBIDDEN, status);
    return RPC_OK;
}

static enum rpc_code check_admin_method(const struct named_customer *named,
                                        const struct rpc_principal *principal,
                                        struct rpc_status *status)
{
    if (principal->kind == RPC_PRINCIPAL_NONE)
        return refuse(LOTCAST__V1__REASON__REASON_AUTH_REQUIRED, status);
    if (principal->kind == RPC_PRINCIPAL_CUSTOMER)
        return refuse(LOTCAST__V1__REASON__REASON_FORBIDDEN, status);
    if (named->times > 1)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT,
                               CUSTOMER_ID_HEADER);
    return RPC_OK;
}

static bool is_operator(const struct rpc_server_call *call)
{
    return rpc_server_call_trust(call) == RPC_TRUST_OPERATOR &&
           rpc_server_call_metadata(call, RPC_METADATA_SESSION) == NULL;
}

enum rpc_code access_check(struct services *services, struct rpc_server_call *call,
                           const struct registry_method *method,
                           struct rpc_principal *ret_principal, struct rpc_status *status)
{
    const struct rpc_metadata *metadata = rpc_server_call_all_metadata(call);
    struct rpc_principal principal = {0};
    if (claims_identity(metadata))
        return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, NULL,
                                       "Who calls is known by the session alone");
    if (is_operator(call))
        principal.kind = RPC_PRINCIPAL_OPERATOR;
    Lotcast__V1__Access access = method->rules->access;
    struct named_customer named = {0};
    if (access == LOTCAST__V1__ACCESS__ACCESS_CUSTOMER ||
        access == LOTCAST__V1__ACCESS__ACCESS_USER || access == LOTCAST__V1__ACCESS__ACCESS_ADMIN)
        named = find_named_customer(metadata);
    bool identified =
        access != LOTCAST__V1__ACCESS__ACCESS_INTERNAL &&
        (access != LOTCAST__V1__ACCESS__ACCESS_PUBLIC || method->rules->reads_session);
    enum rpc_code code = RPC_OK;
    if (identified)
        code = identify(services, call, &named, &principal, status);
    if (code != RPC_OK)
        return code;
    switch ((int)access) {
    case LOTCAST__V1__ACCESS__ACCESS_PUBLIC:
        break;
    case LOTCAST__V1__ACCESS__ACCESS_CUSTOMER:
        code = check_customer_method(call, method, &named, &principal, status);
        break;
    case LOTCAST__V1__ACCESS__ACCESS_USER:
        code = check_user_method(&named, &principal, status);
        break;
    case LOTCAST__V1__ACCESS__ACCESS_ADMIN:
        code = check_admin_method(&named, &principal, status);
        break;
    default:
        /* Our own processes ask for health; the rest of INTERNAL is for operators. */
        if (principal.kind != RPC_PRINCIPAL_OPERATOR &&
            strcmp(method->service_name, "lotcast.v1.Health") != 0)
            code = refuse(LOTCAST__V1__REASON__REASON_FORBIDDEN, status);
        break;
    }
    if (code == RPC_OK)
        *ret_principal = principal;
    return code;
}
