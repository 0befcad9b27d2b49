/*
 * lotcast.v1.Metrics, which every server serves by itself, on its transports' own threads.
 */
#include "lotcast/v1/metrics.pb-c.h"
#include "rpc/base/log.h"
#include "rpc/internal.h"

/* A process's text at most, in bytes; some hundred KB are usual. */
#define TEXT_BYTES_MAX ((size_t)4 * 1024 * 1024)

static enum rpc_code get_metrics(struct rpc_server_call *call, const void *request, void *response,
                                 struct rpc_status *status)
{
    Lotcast__V1__GetMetricsResponse *answer = response;
    struct buffer text;
    (void)request;
    buffer_init(&text, TEXT_BYTES_MAX);
    metrics_print_process(&text, log_process());
    char *copy =
        text.failed ? NULL : arena_strndup(rpc_server_call_arena(call), text.data, text.len);
    buffer_fini(&text);
    if (copy == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the metrics are too large");
    answer->text = copy;
    answer->instance = metrics_instance();
    return RPC_OK;
}

rpc_handler *const rpc__metrics_handlers[] = {get_metrics};
