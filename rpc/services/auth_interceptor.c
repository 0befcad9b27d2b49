/*
 * Gives every call its principal, or refuses it, and records in the audit who acts as a customer.
 * Runs before the handler, on its thread; one that waits for the audit's commit is no inline call
 * (rpc/server.c).
 */
#include "rpc/base/log.h"
#include "rpc/services/access.h"
#include "rpc/services/audit.h"

enum rpc_code services__auth_before(void *self, struct rpc_server_call *call,
                                    struct rpc_status *status)
{
    const struct registry_method *method = rpc_server_call_method(call);
    struct rpc_principal *principal = rpc_server_call_principal(call);
    enum rpc_code code = access_check(self, call, method, principal, status);
    /* What an operator changes, or reads of a customer's, leaves a trace. */
    if (code == RPC_OK && principal->kind == RPC_PRINCIPAL_OPERATOR &&
        (!method->read_only || principal->customer_id != 0))
        log_event(LOG_LEVEL_INFO, "operator_call", log_text("method", method->name),
                  log_number("customer_id", principal->customer_id),
                  log_text("request_id", rpc_server_call_context(call)->request_id));
    return code == RPC_OK ? audit_acting(call, self, status) : code;
}
