/*
 * The document as a whole: who it is, where it is served, paths by methods, components.
 */
#include "rest/openapi_internal.h"

#include <ctype.h>
#include <stdlib.h>

static const char description[] =
    "Sign-up, onboarding, ads, figures, inventory and billing of Lotcast's customers, and what its "
    "admins see and do.\n\n"
    "**JSON.** UTF-8, names in lowerCamelCase. Counts and money are numbers (money in major units, "
    "`2847.32`), ids are strings, times are RFC 3339 in UTC, dates `YYYY-MM-DD`. A field of an "
    "answer is always there; what does not exist yet is `null`. Clients ignore members that they "
    "do not know. A field of a request that is not described here is refused with `UNKNOWN_FIELD`; "
    "one that is `null` is as if it were absent. A missing body is `{}`.\n\n"
    "**Sessions.** Signing up and logging in set the cookie `lotcast_session`. Requests that "
    "change something are refused with `CROSS_ORIGIN` if a browser sends them from another "
    "site.\n\n"
    "**Errors** have one form, the schema `Error`; `code` is for programs. HEAD works where GET "
    "does, except where a GET has an effect; OPTIONS answers 204 with `Allow`; any other verb is "
    "405 `METHOD_NOT_ALLOWED`, an unknown path 404 `NOT_FOUND`. A browser that "
    "navigates to a path below /admin (its `Accept` prefers text/html) gets the frontend's page "
    "there; nothing under /api is "
    "ever HTML, this description's own page aside.\n\n"
    "**Requests are known** by `X-Request-Id`, which every answer carries; a W3C `traceparent` is "
    "taken over.";

/* The contract's version, as its package has it: v1 of lotcast.v1. */
static const char *find_version(const struct openapi__document *document)
{
    const struct router *router = document->options->router;
    const char *version = "v1";
    if (router_route_count(router) == 0)
        return version;
    const char *service = router_route_at(router, 0)->method->service_name;
    for (const char *at = service; *at != '\0'; at++) {
        if (at[0] == '.' && at[1] == 'v' && isdigit((unsigned char)at[2]) && at[3] == '.')
            version = at + 1;
    }
    return version;
}

static void write_info(struct openapi__document *document)
{
    openapi__text(document, "openapi", "3.1.0");
    openapi__open(document, "info");
    openapi__text(document, "title", "Lotcast API");
    openapi__text(document, "version", openapi__format(document, "%.2s", find_version(document)));
    openapi__text(document, "summary", "Ads for dealers: the API of the frontend and of admins.");
    openapi__text(document, "description", description);
    openapi__open(document, "contact");
    openapi__text(document, "name", "Lotcast");
    openapi__close(document);
    openapi__open(document, "license");
    openapi__text(document, "name", "Proprietary");
    openapi__text(document, "identifier", "LicenseRef-Proprietary");
    openapi__close(document);
    openapi__close(document);
    openapi__open_list(document, "servers");
    openapi__open(document, NULL);
    openapi__text(document, "url",
                  document->options->is_local ? "/" : document->options->public_url);
    /* For the page that shows the document: changes are let in from this origin alone. */
    openapi__text(document, "x-public-url", document->options->public_url);
    openapi__close(document);
    openapi__close_list(document);
}

/* --- tags: the services that have routes --- */

static bool has_routes(const struct openapi__document *document, const char *service)
{
    const struct router *router = document->options->router;
    for (size_t i = 0; i < router_route_count(router); i++) {
        if (strcmp(router_route_at(router, i)->method->service_name, service) == 0)
            return true;
    }
    return false;
}

static const char *service_comment(struct openapi__document *document, const char *service)
{
    const Google__Protobuf__FileDescriptorSet *set =
        registry_descriptor_set(document->options->registry);
    for (size_t i = 0; i < set->n_file; i++) {
        const Google__Protobuf__FileDescriptorProto *file = set->file[i];
        for (size_t j = 0; j < file->n_service; j++) {
            const char *name =
                openapi__format(document, "%s.%s", file->package, file->service[j]->name);
            if (strcmp(name, service) == 0)
                return openapi__comment(document, file->service[j]);
        }
    }
    return NULL;
}

static void write_tag(struct openapi__document *document, const char *name, const char *text)
{
    openapi__open(document, NULL);
    openapi__text(document, "name", name);
    openapi__text(document, "description", text);
    openapi__close(document);
}

static void write_tags(struct openapi__document *document)
{
    const struct registry *registry = document->options->registry;
    const char *last = "";
    openapi__open_list(document, "tags");
    /* A service's methods stand together. */
    for (size_t i = 0; i < registry_method_count(registry); i++) {
        const char *service = registry_method_at(registry, i)->service_name;
        if (strcmp(service, last) == 0 || !has_routes(document, service))
            continue;
        const char *comment = service_comment(document, service);
        const char *name = openapi__short_name(service);
        write_tag(document, name, comment == NULL ? name : comment);
        last = service;
    }
    write_tag(document, OPENAPI__PAGES_TAG, "What the service says of itself.");
    openapi__close_list(document);
}

/* --- paths --- */

static bool is_described(const char *verb)
{
    static const char *const verbs[] = {"GET", "PUT", "POST", "DELETE", "PATCH"};
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i], verb) == 0)
            return true;
    }
    return false; /* OpenAPI has no place for it */
}

/* Routes in the order of their methods, with their paths as OpenAPI has them. */
struct entry {
    const struct route *route;
    const char *path;
    bool written;
};

static int compare_entries(const void *a, const void *b)
{
    const struct route *left = ((const struct entry *)a)->route;
    const struct route *right = ((const struct entry *)b)->route;
    if (left->method->index != right->method->index)
        return left->method->index < right->method->index ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
}

/* All operations of one path; of two with one verb, which differ in patterns alone, the first. */
static void write_path(struct openapi__document *document, struct entry *entries, size_t count,
                       const char *path)
{
    openapi__open(document, path);
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &entries[i];
        if (entry->written || strcmp(entry->path, path) != 0)
            continue;
        openapi__write_operation(document, entry->route);
        for (size_t j = i; j < count; j++) {
            if (strcmp(entries[j].path, path) == 0 &&
                strcmp(entries[j].route->verb, entry->route->verb) == 0)
                entries[j].written = true;
        }
    }
    openapi__close(document);
}

static void write_paths(struct openapi__document *document)
{
    const struct openapi_options *options = document->options;
    size_t count = 0, routes = router_route_count(options->router);
    struct entry *entries = arena_calloc(&document->arena, routes + 1, sizeof *entries);
    if (entries == NULL) {
        openapi__out_of_memory(document);
        return;
    }
    for (size_t i = 0; i < routes; i++) {
        const struct route *route = router_route_at(options->router, i);
        if (is_described(route->verb))
            entries[count++] = (struct entry){route, openapi__path(document, route), false};
    }
    qsort(entries, count, sizeof *entries, compare_entries);
    openapi__open(document, "paths");
    for (size_t i = 0; i < count && document->code == RPC_OK; i++) {
        if (!entries[i].written)
            write_path(document, entries, count, entries[i].path);
    }
    for (size_t i = 0; i < options->page_count; i++)
        openapi__write_page(document, &options->pages[i]);
    openapi__close(document);
}

/* --- components --- */

static void write_components(struct openapi__document *document)
{
    openapi__open(document, "components");
    openapi__open(document, "securitySchemes");
    openapi__open(document, "session");
    openapi__text(document, "type", "apiKey");
    openapi__text(document, "in", "cookie");
    openapi__text(document, "name", HEADER_SESSION_COOKIE);
    openapi__text(document, "description",
                  "Set by signing up and logging in; HttpOnly, 30 days. A customer's session opens "
                  "what is under /api/customer, an admin's what is under /admin.");
    openapi__close(document);
    openapi__close(document);
    openapi__open(document, "parameters");
    openapi__write_parameters(document);
    openapi__close(document);
    openapi__write_answer_components(document);
    openapi__open(document, "schemas");
    openapi__write_schemas(document);
    openapi__write_error_schemas(document);
    openapi__close(document);
    openapi__close(document);
}

static void write_document(struct openapi__document *document)
{
    openapi__open(document, NULL);
    write_info(document);
    write_tags(document);
    write_paths(document);
    write_components(document);
    openapi__close(document);
}

enum rpc_code openapi_write(const struct openapi_options *options, struct buffer *out,
                            struct rpc_status *status)
{
    struct openapi__document document = {.options = options, .status = status, .out = out};
    document.schemas_end = &document.schemas;
    arena_init(&document.arena, OPENAPI__BYTES_MAX);
    if (openapi__json_begin(&document) &&
        openapi__comments_read(registry_descriptor_set(options->registry), &document.arena,
                               &document.comments)) {
        openapi__find_answered(&document);
        write_document(&document);
    } else {
        openapi__out_of_memory(&document);
    }
    openapi__json_end(&document);
    arena_fini(&document.arena);
    if (document.code == RPC_OK && out->failed)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the API's document is too large");
    return document.code;
}
