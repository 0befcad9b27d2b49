/*
 * Prints /api/openapi.json as a facade of this program answers it, without one:
 * openapi_document [PUBLIC_URL]. For the build: the frontend's types are made of it.
 */
#include <stdio.h>

#include "rest/document.h"
#include "rest/file.h"
#include "rest/header.h"
#include "rpc/registry.h"

#define PUBLIC_URL_DEFAULT "http://localhost:8080"

static enum rpc_code print(const struct rest_document *document, struct rpc_status *status)
{
    struct buffer out;
    buffer_init(&out, REST_DOCUMENT_BYTES_MAX);
    enum rpc_code code = rest_document_write(document, &out, status);
    if (code == RPC_OK && (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0))
        code = rpc_status_set(status, RPC_INTERNAL, "cannot write the document");
    buffer_fini(&out);
    return code;
}

static enum rpc_code run(const char *origin, struct rpc_status *status)
{
    const struct registry_sources sources = registry_sources_get();
    struct registry *registry = NULL;
    struct router *router = NULL;
    struct json_codec *codec = NULL;
    enum rpc_code code = registry_create(&sources, &registry, status);
    if (code == RPC_OK)
        code = router_create(registry, &router, status);
    if (code == RPC_OK)
        code = json_codec_create(registry, &json_options_api, &codec, status);
    const struct rest_document document = {.registry = registry,
                                           .router = router,
                                           .codec = codec,
                                           .origin = origin,
                                           .has_docs = rest_docs_file_count > 0};
    if (code == RPC_OK)
        code = print(&document, status);
    json_codec_destroy(codec);
    router_destroy(router);
    registry_destroy(registry);
    return code;
}

int main(int argc, char **argv)
{
    struct rpc_status status = {0};
    char origin[HEADER_ORIGIN_BYTES];
    if (argc > 2 || !header_origin_of_url(argc > 1 ? argv[1] : PUBLIC_URL_DEFAULT, origin)) {
        (void)fputs("openapi_document [PUBLIC_URL]\n", stderr);
        return 2;
    }
    if (run(origin, &status) != RPC_OK) {
        (void)fprintf(stderr, "openapi_document: %s\n", status.message);
        return 1;
    }
    return 0;
}
