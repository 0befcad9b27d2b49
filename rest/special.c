/*
 * Paths that are no methods of the contract: liveness, readiness, metrics.
 */
#include "rest/internal.h"

const char rest_special_allow[] = "GET, HEAD, OPTIONS";

static void handle_healthz(struct rest_request *request)
{
    (void)buffer_append_string(&request->body, "{\"status\":\"ok\"}");
    rest_respond_body(request, "application/json");
}

static void handle_readyz(struct rest_request *request)
{
    struct rest *rest = request->thread->rest;
    if (atomic_load(&rest->draining) || !rest_ready_now(rest->ready)) {
        rest_respond_reason(request, LOTCAST__V1__REASON__REASON_UNAVAILABLE, NULL);
        return;
    }
    (void)buffer_append_string(&request->body, "{\"status\":\"ready\"}");
    rest_respond_body(request, "application/json");
}

static void handle_metrics(struct rest_request *request)
{
    rest_scrape_begin(request);
}

static const struct rest_special specials[] = {
    {"/healthz", handle_healthz},
    {"/readyz", handle_readyz},
    {"/metrics", handle_metrics},
};

const struct rest_special *rest_special_find(struct span raw_path)
{
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        if (span_equal_string(raw_path, specials[i].path))
            return &specials[i];
    }
    return NULL;
}
