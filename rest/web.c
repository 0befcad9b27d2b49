/*
 * The frontend: its files below /assets/, and its one page, index.html, for every path that is a
 * page's (path.h). Where a path is an API's too, only a navigation is answered with the page: an
 * Accept that prefers text/html to JSON. Where it is a page's alone, all that would have HTML.
 */
#include "rest/internal.h"

#define API_PREFIX "/api/"
#define LABEL_FILE "file"
#define LABEL_PAGE "page"

static const char vary_page[] = "accept";

static void handle_file(struct rest_request *request)
{
    rest_respond_file(request, rest_web_find(request->thread->rest, request->target_path));
}

const struct rest_special rest_web_file = {LABEL_FILE, handle_file};

const struct rest_file *rest_web_find(const struct rest *rest, struct span raw_path)
{
    /* Nearly all requests: no need to compare them with every file. */
    if (raw_path.len >= strlen(API_PREFIX) &&
        memcmp(raw_path.data, API_PREFIX, strlen(API_PREFIX)) == 0)
        return NULL;
    for (size_t i = 1; i < rest->web_file_count; i++) {
        if (span_equal_string(raw_path, rest->web_files[i].path))
            return &rest->web_files[i];
    }
    return NULL;
}

static bool is_get(const struct rest_request *request)
{
    return request->is_head || span_equal_string(request->verb, "GET");
}

static struct header_accept read_accept(const struct rest_request *request)
{
    const struct rest_values *values = &request->headers[REST_HEADER_ACCEPT];
    struct header_accept accept = {0};
    for (size_t i = 0; i < values->count && i < REST_VALUES_MAX; i++)
        header_accept_take(&accept, values->items[i]);
    return accept;
}

static void respond_page(struct rest_request *request)
{
    const struct rest *rest = request->thread->rest;
    request->label = LABEL_PAGE;
    if (rest->web_file_count == 0)
        rest_respond_reason(request, LOTCAST__V1__REASON__REASON_NOT_FOUND, NULL);
    else
        rest_respond_file(request, &rest->web_files[0]);
}

bool rest_web_take_navigation(struct rest_request *request)
{
    if (!path_is_page(&request->path))
        return false;
    request->vary = vary_page;
    struct header_accept accept = read_accept(request);
    if (!is_get(request) || !header_accept_prefers_html(&accept))
        return false;
    respond_page(request);
    return true;
}

void rest_web_respond_no_route(struct rest_request *request)
{
    struct header_accept accept = read_accept(request);
    bool is_page = request->thread->rest->web_file_count > 0 && path_is_page(&request->path);
    if (!is_page)
        rest_respond_reason(request, LOTCAST__V1__REASON__REASON_NOT_FOUND, NULL);
    else if (span_equal_string(request->verb, "OPTIONS"))
        rest_respond_options(request, rest_special_allow);
    else if (!is_get(request))
        rest_respond_not_allowed(request, rest_special_allow);
    else if (header_accept_allows_html(&accept))
        respond_page(request);
    else
        rest_respond_reason(request, LOTCAST__V1__REASON__REASON_NOT_FOUND, NULL);
}
