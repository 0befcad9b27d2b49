/*
 * Paths that are no methods of the contract: liveness, readiness, metrics; the API's description
 * and the page that shows it.
 */
#include <sodium.h>

#include "rest/document.h"
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
    {REST_DOCUMENT_PATH, handle_openapi},
};

static const struct rest_special docs = {REST_DOCS_PATH, handle_docs};

const struct rest_special *rest_special_find(struct span raw_path)
{
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        if (span_equal_string(raw_path, specials[i].path))
            return &specials[i];
    }
    return find_docs(raw_path) != NULL ? &docs : NULL;
}

/* --- their description --- */

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
    const struct rest_document description = {.registry = rest->registry,
                                              .router = rest->router,
                                              .codec = rest->codec,
                                              .origin = rest->origin,
                                              .has_docs = rest_docs_file_count > 0};
    struct buffer document;
    buffer_init(&document, REST_DOCUMENT_BYTES_MAX);
    buffer_init(&rest->openapi_gzip, REST_DOCUMENT_BYTES_MAX);
    enum rpc_code code = rest_document_write(&description, &document, status);
    if (code == RPC_OK && !rest_file_pack(buffer_span(&document), &rest->openapi_gzip))
        code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    if (code == RPC_OK)
        hash_document(rest, buffer_span(&document));
    buffer_fini(&document);
    rest->openapi = (struct rest_file){.path = REST_DOCUMENT_PATH,
                                       .content_type = "application/json",
                                       .cache_control = "no-cache",
                                       .hash = rest->openapi_hash,
                                       .gzip = buffer_span(&rest->openapi_gzip)};
    return code;
}
