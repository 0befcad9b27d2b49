/*
 * Paths that are no methods of the contract: liveness, readiness, metrics; the API's description
 * and the page that shows it.
 */
#include <sodium.h>
#include <stdio.h>

#include "rest/internal.h"

/* The API's description, in bytes. */
#define OPENAPI_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define OPENAPI_PATH "/api/openapi.json"
#define DOCS_PATH "/api/docs"

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

static void handle_openapi(struct rest_request *request)
{
    rest_respond_file(request, &request->thread->rest->openapi);
}

static const struct rest_file *find_docs(struct span path)
{
    for (size_t i = 0; i < rest_docs_file_count; i++) {
        if (span_equal_string(path, rest_docs_files[i].path))
            return &rest_docs_files[i];
    }
    return NULL;
}

static void handle_docs(struct rest_request *request)
{
    rest_respond_file(request, find_docs(request->target_path));
}

static const struct rest_special specials[] = {
    {"/healthz", handle_healthz},
    {"/readyz", handle_readyz},
    {"/metrics", handle_metrics},
    {OPENAPI_PATH, handle_openapi},
};

static const struct rest_special docs = {DOCS_PATH, handle_docs};

const struct rest_special *rest_special_find(struct span raw_path)
{
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        if (span_equal_string(raw_path, specials[i].path))
            return &specials[i];
    }
    return find_docs(raw_path) != NULL ? &docs : NULL;
}

/* --- their description --- */

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
    {.path = OPENAPI_PATH,
     .operation_id = "getOpenapi",
     .summary = "This document",
     .description = "Made from the declarations that the service itself runs by.",
     .media_type = "application/json",
     .cacheable = true,
     .is_json = true},
    {.path = DOCS_PATH,
     .operation_id = "getDocs",
     .summary = "A page to read and try the API",
     .description = "Shows this document. All that the page loads is served from here.",
     .media_type = "text/html",
     .cacheable = true},
};

/* localhost is another machine for whoever reads the document elsewhere. */
static bool is_local(const struct rest *rest)
{
    const char *host = strstr(rest->origin, "://");
    return host == NULL || strncmp(host + 3, "localhost", 9) == 0;
}

static void hash_document(struct rest *rest, struct span document)
{
    uint8_t hash[(REST_FILE_HASH_BYTES - 1) / 2];
    uint8_t whole[crypto_generichash_BYTES];
    (void)crypto_generichash(whole, sizeof whole, document.data, document.len, NULL, 0);
    memcpy(hash, whole, sizeof hash);
    (void)sodium_bin2hex(rest->openapi_hash, sizeof rest->openapi_hash, hash, sizeof hash);
}

enum rpc_code rest_special_describe(struct rest *rest, struct rpc_status *status)
{
    size_t count = sizeof pages / sizeof pages[0] - (rest_docs_file_count == 0);
    const struct openapi_options options = {.registry = rest->registry,
                                            .router = rest->router,
                                            .codec = rest->codec,
                                            .public_url = rest->origin,
                                            .is_local = is_local(rest),
                                            .pages = pages,
                                            .page_count = count};
    struct buffer document;
    buffer_init(&document, OPENAPI_BYTES_MAX);
    buffer_init(&rest->openapi_gzip, OPENAPI_BYTES_MAX);
    enum rpc_code code = openapi_write(&options, &document, status);
    if (code == RPC_OK && !rest_file_pack(buffer_span(&document), &rest->openapi_gzip))
        code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    if (code == RPC_OK)
        hash_document(rest, buffer_span(&document));
    buffer_fini(&document);
    rest->openapi = (struct rest_file){.path = OPENAPI_PATH,
                                       .content_type = "application/json",
                                       .cache_control = "no-cache",
                                       .hash = rest->openapi_hash,
                                       .gzip = buffer_span(&rest->openapi_gzip)};
    return code;
}
