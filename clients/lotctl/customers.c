/*
 * lotctl customers: who they are, how they do, and a new password for one who has lost theirs.
 */
#include <stdio.h>
#include <string.h>

#include "clients/lotctl/page.h"
#include "clients/lotctl/table.h"
#include "clients/lotctl/tool.h"
#include "lotcast/v1/admin.pb-c.h"

static int print_customers(struct tool *tool, const Lotcast__V1__ListCustomersResponse *response)
{
    static const struct table_column columns[] = {
        {"ID", true},      {"COMPANY", false}, {"NAME", false}, {"EMAIL", false},
        {"STATUS", false}, {"CREDITS", true},  {"SPENT", true}, {"SINCE", false}};
    struct arena *arena = &tool->arena;
    struct table table;
    table_init(&table, arena, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < response->n_customers; i++) {
        const Lotcast__V1__CustomerSummary *row = response->customers[i];
        const char *const cells[] = {row->id,
                                     row->company,
                                     row->name,
                                     row->email,
                                     row->status,
                                     table_number(arena, row->credits),
                                     table_decimal(arena, row->total_spend),
                                     row->created_at};
        table_row_add(&table, cells);
    }
    if (!table_print(&table))
        return TOOL_FAILED;
    page_print(response->pagination, response->n_customers, "customers");
    return 0;
}

static int list(struct tool *tool, int argc, char **argv, bool json)
{
    Lotcast__V1__ListCustomersRequest request = LOTCAST__V1__LIST_CUSTOMERS_REQUEST__INIT;
    Lotcast__V1__CustomerFilters filters = LOTCAST__V1__CUSTOMER_FILTERS__INIT;
    struct page page;
    const char *search = tool_take_option("--search", &argc, argv);
    const char *status = tool_take_option("--status", &argc, argv);
    if (!page_take(&page, &argc, argv) || argc != 0)
        return TOOL_USAGE;
    request.page = page_number(&page);
    request.limit = page_limit(&page);
    if (search != NULL)
        request.search = (char *)search;
    if (status != NULL) {
        filters.status = (char *)status;
        request.filters = &filters;
    }
    const Lotcast__V1__ListCustomersResponse *response =
        tool_ask(tool, "Admin/ListCustomers", &request);
    if (response == NULL)
        return TOOL_FAILED;
    return json ? tool_print_json(tool, response) : print_customers(tool, response);
}

static const char *text_or(const Google__Protobuf__StringValue *value, const char *none)
{
    return value == NULL ? none : value->value;
}

static int print_customer(struct tool *tool, const Lotcast__V1__GetCustomerResponse *response)
{
    static const struct table_column columns[] = {{"", false}, {"", false}};
    struct arena *arena = &tool->arena;
    const Lotcast__V1__CustomerInfo *customer = response->customer;
    const Lotcast__V1__WebsiteConnection *website = response->connections->website;
    const Lotcast__V1__MetaConnection *meta = response->connections->meta;
    const Lotcast__V1__CustomerPerformance *performance = response->performance;
    const Lotcast__V1__CustomerSpend *spend = response->spend;
    const Lotcast__V1__CustomerBilling *billing = response->billing;
    const char *const rows[][2] = {
        {"id", customer->id},
        {"company", customer->company},
        {"name", customer->name},
        {"email", customer->email},
        {"status", customer->status},
        {"since", customer->created_at},
        {"website", text_or(website->url, website->connected ? "" : "not connected")},
        {"  last read", website->last_sync},
        {"  items", table_number(arena, website->items_detected)},
        {"meta", meta->connected ? "connected" : "not connected"},
        {"  ad account", text_or(meta->account_id, "-")},
        {"  business", text_or(meta->business_name, "-")},
        {"impressions", table_number(arena, performance->impressions)},
        {"clicks", table_number(arena, performance->clicks)},
        {"ctr %", table_decimal(arena, performance->ctr)},
        {"reach", table_number(arena, performance->reach)},
        {"spent", table_decimal(arena, spend->total_spend)},
        {"  last 30 days", table_decimal(arena, spend->last30_days)},
        {"  a click", table_decimal(arena, spend->avg_cpc)},
        {"  1,000 views", table_decimal(arena, spend->avg_cpm)},
        {"credits", table_number(arena, billing->credits)},
        {"  bought", table_number(arena, billing->total_purchased)},
        {"  paid", table_decimal(arena, billing->lifetime_value)},
    };
    struct table table;
    table_init(&table, arena, columns, 2);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        table_row_add(&table, rows[i]);
    return table_print(&table) ? 0 : TOOL_FAILED;
}

static int show(struct tool *tool, int argc, char **argv, bool json)
{
    Lotcast__V1__GetCustomerRequest request = LOTCAST__V1__GET_CUSTOMER_REQUEST__INIT;
    if (argc != 1)
        return TOOL_USAGE;
    request.id = argv[0];
    const Lotcast__V1__GetCustomerResponse *response =
        tool_ask(tool, "Admin/GetCustomer", &request);
    if (response == NULL)
        return TOOL_FAILED;
    return json ? tool_print_json(tool, response) : print_customer(tool, response);
}

static int set_password(struct tool *tool, int argc, char **argv, bool json)
{
    Lotcast__V1__SetPasswordRequest request = LOTCAST__V1__SET_PASSWORD_REQUEST__INIT;
    if (argc != 1)
        return TOOL_USAGE;
    request.user = argv[0];
    request.password = tool_password(tool, true);
    if (request.password == NULL)
        return TOOL_FAILED;
    const Lotcast__V1__SetPasswordResponse *response =
        tool_ask(tool, "Admin/SetPassword", &request);
    if (response == NULL)
        return TOOL_FAILED;
    if (json)
        return tool_print_json(tool, response);
    (void)printf("%s (%s) has another password; all sessions have ended\n", response->email,
                 response->id);
    return 0;
}

int tool_run_customers(struct tool *tool, int argc, char **argv)
{
    bool json = tool_take_flag("--json", &argc, argv);
    if (argc < 1)
        return TOOL_USAGE;
    if (strcmp(argv[0], "list") == 0)
        return list(tool, argc - 1, argv + 1, json);
    if (strcmp(argv[0], "show") == 0)
        return show(tool, argc - 1, argv + 1, json);
    return strcmp(argv[0], "set-password") == 0 ? set_password(tool, argc - 1, argv + 1, json)
                                                : TOOL_USAGE;
}
