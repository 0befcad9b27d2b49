/*
 * lotcast.v1.Health, which every server serves by itself, on its transports' own threads.
 */
#include "lotcast/v1/health.pb-c.h"
#include "rpc/internal.h"

static enum rpc_code check(struct rpc_server_call *call, const void *request, void *response,
                           struct rpc_status *status)
{
    const struct rpc_server *server = rpc_server_call_self(call);
    const Lotcast__V1__HealthCheckRequest *asked = request;
    Lotcast__V1__HealthCheckResponse *answer = response;
    if (*asked->service != '\0' && !rpc__server_serves(server, asked->service))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_FOUND, "service");
    answer->status = rpc__server_draining(server)
                         ? LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_NOT_SERVING
                         : LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING;
    return RPC_OK;
}

rpc_handler *const rpc__health_handlers[] = {check};
