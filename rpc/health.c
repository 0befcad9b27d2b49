/*
 * lotcast.v1.Health, which every server serves by itself, on its transports' own threads.
 *
 * A Watch is deferred, so that it holds no worker: its call stands in the server's list of watchers
 * until its caller leaves or the server drains. All that is said to it is said under watch_lock;
 * who takes it off the list under that lock ends it. What there was no credit for is said when
 * there is.
 */
#include "lotcast/v1/health.pb-c.h"
#include "rpc/server_internal.h"

static Lotcast__V1__ServingStatus status_of(const struct rpc_server *server, const char *service)
{
    if (*service != '\0' && !rpc__server_serves(server, service))
        return LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVICE_UNKNOWN;
    return rpc__server_draining(server) ? LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_NOT_SERVING
                                        : LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING;
}

static enum rpc_code check(struct rpc_server_call *call, const void *request, void *response,
                           struct rpc_status *status)
{
    const struct rpc_server *server = rpc_server_call_self(call);
    const Lotcast__V1__HealthCheckRequest *asked = request;
    Lotcast__V1__HealthCheckResponse *answer = response;
    Lotcast__V1__ServingStatus serving = status_of(server, asked->service);
    if (serving == LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVICE_UNKNOWN)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_FOUND, "service");
    answer->status = serving;
    return RPC_OK;
}

/* Says what is so, unless that was the last that was said. `response` is what was said last. Under
 * watch_lock. */
static void tell(struct rpc_server_call *call)
{
    const Lotcast__V1__HealthCheckRequest *asked = call->watched;
    Lotcast__V1__HealthCheckResponse *said = (Lotcast__V1__HealthCheckResponse *)call->response;
    Lotcast__V1__HealthCheckResponse now = LOTCAST__V1__HEALTH_CHECK_RESPONSE__INIT;
    Lotcast__V1__ServingStatus before = said->status;
    now.status = status_of(call->server, asked->service);
    if (now.status == before)
        return;
    said->status =
        now.status; /* first: over direct: its callee may give credit, and come back here */
    if (rpc__server_call_try_send(call, &now.base) != RPC_OK)
        said->status = before;
}

/* Whether the call was on the list. Under watch_lock. */
static bool take_off(struct rpc_server *server, struct rpc_server_call *call)
{
    struct rpc_server_call **at = &server->watchers;
    while (*at != NULL && *at != call)
        at = &(*at)->next;
    if (*at == NULL)
        return false;
    *at = call->next;
    return true;
}

/* Credit has come, or the caller has gone. */
static void on_wake(struct rpc_server_call *call)
{
    struct rpc_server *server = call->server;
    bool gone = atomic_load(&call->cancelled);
    bool listed = true;
    (void)pthread_mutex_lock(&server->watch_lock);
    if (gone)
        listed = take_off(server, call);
    else
        for (struct rpc_server_call *at = server->watchers; at != NULL; at = at->next)
            if (at == call)
                tell(call);
    (void)pthread_mutex_unlock(&server->watch_lock);
    if (gone && listed)
        rpc_server_call_finish(call, RPC_CANCELLED, NULL);
}

static enum rpc_code watch(struct rpc_server_call *call, const void *request, void *response,
                           struct rpc_status *status)
{
    struct rpc_server *server = rpc_server_call_self(call);
    (void)response;
    (void)rpc__server_call_ref(call); /* it may be over as soon as it is on the list */
    call->watched = request;
    rpc__server_call_on_wake(call, on_wake);
    (void)pthread_mutex_lock(&server->watch_lock);
    bool drains = rpc__server_draining(server);
    if (!drains) {
        call->next = server->watchers;
        server->watchers = call;
    }
    tell(call);
    (void)pthread_mutex_unlock(&server->watch_lock);
    if (!drains && atomic_load(&call->cancelled))
        on_wake(call); /* the caller's leaving may have come before */
    rpc__server_call_unref(call);
    return drains ? rpc_status_set(status, RPC_UNAVAILABLE, "the server drains") : RPC_DEFERRED;
}

void rpc__health_drain(struct rpc_server *server)
{
    (void)pthread_mutex_lock(&server->watch_lock);
    struct rpc_server_call *call = server->watchers;
    server->watchers = NULL;
    for (struct rpc_server_call *at = call; at != NULL; at = at->next)
        tell(at);
    (void)pthread_mutex_unlock(&server->watch_lock);
    while (call != NULL) {
        struct rpc_server_call *next = call->next;
        rpc__server_call_push_back(call, RPC_UNAVAILABLE, RPC__DRAIN_RETRY_AFTER_MS);
        call = next;
    }
}

rpc_handler *const rpc__health_handlers[] = {check, watch};
