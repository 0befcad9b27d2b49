/*
 * Handlers that show what has become of a request: nested parameters, path variables, raw bodies.
 */
#include "google/api/httpbody.pb-c.h"
#include "lotcast/v1/admin.pb-c.h"
#include "lotcast/v1/inventory.pb-c.h"
#include "lotcast/v1/performance.pb-c.h"
#include "test/integration/rest_fixture.h"

#include <inttypes.h>

/* "page=1;limit=;inStock=true;minPrice=100;search=x" is the one item's title; absent ones are
 * empty. */
enum rpc_code rest_pages_list_items(struct rpc_server_call *call, const void *request_,
                                    void *response_, struct rpc_status *status)
{
    const Lotcast__V1__ListItemsRequest *request = request_;
    Lotcast__V1__ListItemsResponse *response = response_;
    struct arena *arena = rpc_server_call_arena(call);
    const Lotcast__V1__ItemFilters *filters = request->filters;
    Lotcast__V1__Item *item = arena_alloc(arena, sizeof *item);
    const char *title = "";
    (void)status;
    if (request->page != NULL)
        title = arena_printf(arena, "%spage=%" PRId32 ";", title, request->page->value);
    if (request->limit != NULL)
        title = arena_printf(arena, "%slimit=%" PRId32 ";", title, request->limit->value);
    if (filters != NULL && filters->in_stock != NULL)
        title = arena_printf(arena, "%sinStock=%d;", title, filters->in_stock->value);
    if (filters != NULL && filters->min_price != NULL)
        title = arena_printf(arena, "%sminPrice=%" PRId64 ";", title, filters->min_price->value);
    lotcast__v1__item__init(item);
    item->title = arena_printf(arena, "%ssearch=%s", title, request->search);
    response->items = arena_calloc(arena, 1, sizeof(Lotcast__V1__Item *));
    response->items[0] = item;
    response->n_items = 1;
    return RPC_OK;
}

/* The id that the path has. */
enum rpc_code rest_pages_get_customer(struct rpc_server_call *call, const void *request_,
                                      void *response_, struct rpc_status *status)
{
    const Lotcast__V1__GetCustomerRequest *request = request_;
    Lotcast__V1__GetCustomerResponse *response = response_;
    struct arena *arena = rpc_server_call_arena(call);
    (void)status;
    response->customer = arena_alloc(arena, sizeof *response->customer);
    lotcast__v1__customer_info__init(response->customer);
    response->customer->id = arena_strdup(arena, request->id);
    return RPC_OK;
}

/* The id that the path has, and the credits that the body has, as the error's field. */
enum rpc_code rest_pages_adjust_credits(struct rpc_server_call *call, const void *request_,
                                        void *response, struct rpc_status *status)
{
    const Lotcast__V1__AdjustCreditsRequest *request = request_;
    (void)response;
    return rpc_status_fail(
        status, LOTCAST__V1__REASON__REASON_CONFLICT,
        arena_printf(rpc_server_call_arena(call), "%s:%" PRId64, request->id, request->credits));
}

/* Of a request that is bent to an HttpBody and a name: answers with the body. */
enum rpc_code rest_pages_echo(struct rpc_server_call *call, const void *request_, void *response_,
                              struct rpc_status *status)
{
    const Lotcast__V1__ExportPerformanceResponse *request = request_;
    Google__Api__HttpBody *response = response_;
    struct arena *arena = rpc_server_call_arena(call);
    if (request->body == NULL)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, "body");
    response->data = request->body->data;
    response->content_type =
        arena_printf(arena, "%s; name=%s", request->body->content_type, request->file_name);
    return RPC_OK;
}
