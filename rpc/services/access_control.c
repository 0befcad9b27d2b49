/*
 * lotcast.v1.AccessControl: the access rule of a method that the facade could not call.
 */
#include "lotcast/v1/auth.pb-c.h"
#include "rpc/services/access.h"

static enum rpc_code check_access(struct rpc_server_call *call, const void *request_message,
                                  void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    const Lotcast__V1__CheckAccessRequest *request = request_message;
    (void)response_message;
    const struct registry_method *method =
        registry_method_find(services->options.registry, span_of_string(request->method));
    if (method == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_FOUND, "method");
    struct rpc_principal principal;
    return access_check(services, call, method, &principal, status);
}

rpc_handler *const access_control_handlers[] = {check_access};
