/*
 * The inventory's pages. The store filters, searches and orders by what ItemRecord's index
 * `listing` keeps, in order of item_id where nothing else is asked for.
 */

#include "lotcast/v1/inventory.pb-c.h"
#include "rpc/services/internal.h"

#define PAGE_LIMIT_DEFAULT 50
#define PAGE_LIMIT_MAX 200
/* What a person would type. */
#define SEARCH_BYTES_MAX 256
/* inStock, minPrice, maxPrice and that there is a price. */
#define FILTERS_MAX 4
/* In price_minor. */
#define NO_PRICE (-1)

/* What a page is asked by, checked. */
struct listing {
    int32_t page, limit;
    struct store_filter_op filters[FILTERS_MAX];
    struct store_query_op query;
};

static enum rpc_code refuse(struct rpc_status *status, const char *field)
{
    return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, field);
}

static void add_filter(struct listing *listing, const char *field,
                       Lotcast__V1__Comparison comparison, int64_t value)
{
    listing->filters[listing->query.filter_count++] = (struct store_filter_op){
        .field = field, .comparison = comparison, .value = store_number(value)};
}

static enum rpc_code take_page(struct listing *listing,
                               const Lotcast__V1__ListItemsRequest *request,
                               struct rpc_status *status)
{
    listing->page = request->page == NULL ? 1 : request->page->value;
    listing->limit = request->limit == NULL ? PAGE_LIMIT_DEFAULT : request->limit->value;
    if (listing->page < 1)
        return refuse(status, "page");
    if (listing->limit < 1 || listing->limit > PAGE_LIMIT_MAX)
        return refuse(status, "limit");
    uint64_t offset = (uint64_t)(listing->page - 1) * (uint64_t)listing->limit;
    /* Nobody has so many items: behind the end either way. */
    listing->query.offset = offset > UINT32_MAX ? UINT32_MAX : (uint32_t)offset;
    listing->query.range.limit = (uint32_t)listing->limit;
    return RPC_OK;
}

static enum rpc_code take_filters(struct listing *listing, const Lotcast__V1__ItemFilters *filters,
                                  struct rpc_status *status)
{
    if (filters == NULL)
        return RPC_OK;
    if (filters->min_price != NULL && filters->min_price->value < 0)
        return refuse(status, "filters.minPrice");
    if (filters->max_price != NULL && filters->max_price->value < 0)
        return refuse(status, "filters.maxPrice");
    if (filters->in_stock != NULL)
        add_filter(listing, "in_stock", LOTCAST__V1__COMPARISON__COMPARISON_EQUAL,
                   filters->in_stock->value);
    if (filters->min_price != NULL)
        add_filter(listing, "price_minor", LOTCAST__V1__COMPARISON__COMPARISON_GREATER_OR_EQUAL,
                   filters->min_price->value);
    if (filters->max_price == NULL)
        return RPC_OK;
    add_filter(listing, "price_minor", LOTCAST__V1__COMPARISON__COMPARISON_LESS_OR_EQUAL,
               filters->max_price->value);
    add_filter(listing, "price_minor", LOTCAST__V1__COMPARISON__COMPARISON_NOT_EQUAL, NO_PRICE);
    return RPC_OK;
}

static enum rpc_code take_sort(struct listing *listing, const char *sort, struct rpc_status *status)
{
    static const struct {
        const char *name;
        const char *field;
        bool descending;
    } rows[] = {{"", NULL, false},
                {"price", "price_minor", false},
                {"-price", "price_minor", true},
                {"title", "title", false},
                {"-title", "title", true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, sort) != 0)
            continue;
        listing->query.order_field = rows[i].field;
        listing->query.order_descending = rows[i].descending;
        listing->query.order_has_last =
            rows[i].field != NULL && strcmp(rows[i].field, "price_minor") == 0;
        listing->query.order_last = NO_PRICE;
        return RPC_OK;
    }
    return refuse(status, "sort");
}

static enum rpc_code take_request(struct listing *listing,
                                  const Lotcast__V1__ListItemsRequest *request, int64_t customer_id,
                                  struct rpc_status *status)
{
    *listing = (struct listing){.query = {.range = {.record = &lotcast__v1__item_record__descriptor,
                                                    .index = "listing",
                                                    .key = store_key(store_number(customer_id)),
                                                    .is_range = true},
                                          .search = request->search,
                                          .want_total = true}};
    listing->query.filters = listing->filters;
    enum rpc_code code = take_page(listing, request, status);
    if (code == RPC_OK && strlen(request->search) > SEARCH_BYTES_MAX)
        code = refuse(status, "search");
    if (code == RPC_OK)
        code = take_filters(listing, request->filters, status);
    return code == RPC_OK ? take_sort(listing, request->sort, status) : code;
}

/* A text that is null where there is none. */
static bool set_text(struct arena *arena, const char *text,
                     Google__Protobuf__StringValue **ret_value)
{
    *ret_value = NULL;
    if (text[0] == '\0')
        return true;
    Google__Protobuf__StringValue *value = arena_alloc(arena, sizeof *value);
    if (value == NULL)
        return false;
    google__protobuf__string_value__init(value);
    value->value = (char *)text;
    *ret_value = value;
    return true;
}

static bool set_price(struct arena *arena, int64_t price_minor, Lotcast__V1__Item *item)
{
    if (price_minor < 0)
        return true;
    item->price = arena_alloc(arena, sizeof *item->price);
    if (item->price == NULL)
        return false;
    google__protobuf__int64_value__init(item->price);
    item->price->value = price_minor;
    return true;
}

/* NULL when out of memory. Texts are the record's. */
static Lotcast__V1__Item *make_item(struct arena *arena, const Lotcast__V1__ItemRecord *record)
{
    Lotcast__V1__Item *item = arena_alloc(arena, sizeof *item);
    if (item == NULL)
        return NULL;
    lotcast__v1__item__init(item);
    /* Our own reason keeps it from Meta, so that there is no other. */
    const char *excluded = record->excluded[0] != '\0' ? record->excluded : record->meta_error;
    item->id = arena_printf(arena, "%lld", (long long)record->item_id);
    item->title = record->title;
    item->url = record->url;
    item->in_stock = record->in_stock;
    if (item->id == NULL || !set_price(arena, record->price_minor, item) ||
        !set_text(arena, record->currency, &item->currency) ||
        !set_text(arena, record->image_url, &item->image_url) ||
        !set_text(arena, excluded, &item->excluded))
        return NULL;
    return item;
}

static bool fill(struct arena *arena, const struct listing *listing,
                 Lotcast__V1__ListItemsResponse *response)
{
    const struct store_read_op *rows = &listing->query.range;
    int64_t total = listing->query.ret_total;
    response->items = arena_calloc(arena, rows->ret_row_count, sizeof *response->items);
    response->pagination = arena_alloc(arena, sizeof *response->pagination);
    if (response->items == NULL || response->pagination == NULL)
        return false;
    for (size_t i = 0; i < rows->ret_row_count; i++) {
        response->items[i] = make_item(arena, (const Lotcast__V1__ItemRecord *)rows->ret_rows[i]);
        if (response->items[i] == NULL)
            return false;
        response->n_items++;
    }
    lotcast__v1__pagination__init(response->pagination);
    response->pagination->page = listing->page;
    response->pagination->limit = listing->limit;
    response->pagination->total = total;
    response->pagination->total_pages = (total + listing->limit - 1) / listing->limit;
    return true;
}

static enum rpc_code list_items(struct rpc_server_call *call, const void *request, void *response,
                                struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    struct listing listing;
    enum rpc_code code =
        take_request(&listing, request, rpc_server_call_principal(call)->customer_id, status);
    if (code != RPC_OK)
        return code;
    code = store_query(services->options.store, context, &listing.query, status);
    if (code == RPC_INVALID_ARGUMENT)
        return refuse(status, "search"); /* too many words */
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (!fill(context->arena, &listing, response))
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    return RPC_OK;
}

rpc_handler *const inventory_handlers[] = {list_items};
