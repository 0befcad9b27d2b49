/*
 * Jane Doe and what she may use.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/sandbox/graph.h"

/* Rows of a page of these short lists: two, so that there is a second page. */
#define ACCOUNT_PAGE_ROWS 2
#define USER_ID "10158800000000042"

const int64_t graph_business_id = 200000000000701;

struct account {
    int64_t id;
    const char *name;
    const char *currency;
    int status; /* 1 active, 2 disabled */
};

static const struct account accounts[] = {
    {100000000000301, "Acme Auto (closed)", "USD", 2},
    {100000000000302, "Acme Auto", "USD", 1},
    {100000000000303, "Acme Auto Europe", "EUR", 1},
};

static const struct {
    const char *id;
    const char *name;
} pages[] = {
    {"300000000000511", "Acme Auto"},
    {"300000000000512", "Acme Auto Service"},
    {"300000000000513", "Acme Truck Center"},
};

bool graph_is_page(const char *id)
{
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (strcmp(pages[i].id, id) == 0)
            return true;
    return false;
}

int64_t graph_ad_account(const char *id)
{
    if (strncmp(id, "act_", 4) != 0)
        return 0;
    int64_t number = strtoll(id + 4, NULL, 10);
    for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++)
        if (accounts[i].id == number)
            return number;
    return 0;
}

bool graph_ad_account_active(int64_t account)
{
    for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++)
        if (accounts[i].id == account)
            return accounts[i].status == 1;
    return false;
}

void graph_me(struct graph_call *call)
{
    (void)buffer_append_string(&call->x->answer, "{\"id\":\"" USER_ID "\",\"name\":\"Jane Doe\"}");
}

static void ad_accounts(struct graph_call *call)
{
    struct graph_page page;
    if (!graph_allowed(call, GRAPH_ADS_READ | GRAPH_ADS_MANAGEMENT) ||
        !graph_page_start(call, ACCOUNT_PAGE_ROWS, &page))
        return;
    for (size_t i = 0; i < sizeof accounts / sizeof *accounts; i++) {
        if (!graph_page_row(call, &page, (int64_t)i + 1))
            continue;
        (void)buffer_printf(&call->x->answer,
                            "{\"id\":\"act_%" PRId64 "\",\"account_id\":\"%" PRId64
                            "\",\"name\":\"%s\",\"currency\":\"%s\",\"timezone_name\":\"%s\","
                            "\"account_status\":%d,\"business\":{\"id\":\"%" PRId64
                            "\",\"name\":\"Acme Ads\"}}",
                            accounts[i].id, accounts[i].id, accounts[i].name, accounts[i].currency,
                            call->graph->time_zone, accounts[i].status, graph_business_id);
    }
    graph_page_end(call, &page);
}

static void businesses(struct graph_call *call)
{
    struct graph_page page;
    if (!graph_allowed(call, GRAPH_BUSINESS_MANAGEMENT) ||
        !graph_page_start(call, ACCOUNT_PAGE_ROWS, &page))
        return;
    if (graph_page_row(call, &page, 1))
        (void)buffer_printf(&call->x->answer, "{\"id\":\"%" PRId64 "\",\"name\":\"Acme Ads\"}",
                            graph_business_id);
    graph_page_end(call, &page);
}

/* The first page is empty and has a next one, as it happens at Meta after filtering. */
static void page_list(struct graph_call *call)
{
    struct graph_page page;
    if (!graph_allowed(call, GRAPH_PAGES_SHOW_LIST) ||
        !graph_page_start(call, ACCOUNT_PAGE_ROWS, &page))
        return;
    if (page.after == 0 && page.before == 0) {
        page.first_key = 1;
        page.last_key = 1;
        page.more = true;
    }
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (graph_page_row(call, &page, (int64_t)i + 2))
            (void)buffer_printf(&call->x->answer,
                                "{\"id\":\"%s\",\"name\":\"%s\",\"category\":\"Car dealership\"}",
                                pages[i].id, pages[i].name);
    graph_page_end(call, &page);
}

void graph_me_edge(struct graph_call *call, const char *edge)
{
    if (strcmp(edge, "permissions") == 0)
        graph_permissions(call);
    else if (strcmp(call->x->method, "GET") != 0)
        graph_error(call, 100, 33, "Unsupported post request.");
    else if (strcmp(edge, "adaccounts") == 0)
        ad_accounts(call);
    else if (strcmp(edge, "businesses") == 0)
        businesses(call);
    else if (strcmp(edge, "accounts") == 0)
        page_list(call);
    else
        graph_error(call, 2500, 0, "Unknown path components: /%s", edge);
}
