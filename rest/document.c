#include "rest/document.h"

#include <string.h>

/* The last is there only if the viewer is. */
static const struct openapi_page pages[] = {
    {.path = "/healthz",
     .operation_id = "getLiveness",
     .summary = "Whether the process lives",
     .description = "Answers as long as the process does; looks at nothing behind it.",
     .media_type = "application/json",
     .is_json = true},
    {.path = "/readyz",
     .operation_id = "getReadiness",
     .summary = "Whether every service behind answers",
     .description = "503 while a service behind is down, restarting or being drained.",
     .media_type = "application/json",
     .may_be_unavailable = true,
     .is_json = true},
    {.path = "/metrics",
     .operation_id = "getMetrics",
     .summary = "What all processes count",
     .description = "Prometheus' text format.",
     .media_type = "text/plain"},
    {.path = REST_DOCUMENT_PATH,
     .operation_id = "getOpenapi",
     .summary = "This document",
     .description = "Made from the declarations that the service itself runs by.",
     .media_type = "application/json",
     .cacheable = true,
     .is_json = true},
    {.path = REST_DOCS_PATH,
     .operation_id = "getDocs",
     .summary = "A page to read and try the API",
     .description = "Shows this document. All that the page loads is served from here.",
     .media_type = "text/html",
     .cacheable = true},
};

/* localhost is another machine for whoever reads the document elsewhere. */
static bool is_local(const char *origin)
{
    const char *host = strstr(origin, "://");
    return host == NULL || strncmp(host + 3, "localhost", 9) == 0;
}

enum rpc_code rest_document_write(const struct rest_document *document, struct buffer *out,
                                  struct rpc_status *status)
{
    const struct openapi_options options = {
        .registry = document->registry,
        .router = document->router,
        .codec = document->codec,
        .public_url = document->origin,
        .is_local = is_local(document->origin),
        .pages = pages,
        .page_count = sizeof pages / sizeof pages[0] - !document->has_docs,
    };
    return openapi_write(&options, out, status);
}
