/*
 * lotctl ledger: whether the books are in order.
 */
#include <stdio.h>
#include <string.h>

#include "clients/lotctl/table.h"
#include "clients/lotctl/tool.h"
#include "lotcast/v1/admin.pb-c.h"

static int print_check(struct tool *tool, const Lotcast__V1__CheckLedgerResponse *response)
{
    static const struct table_column columns[] = {{"ACCOUNT", false}, {"CREDITS", true}};
    struct arena *arena = &tool->arena;
    struct table table;
    table_init(&table, arena, columns, 2);
    for (size_t i = 0; i < response->n_accounts; i++) {
        const char *const cells[] = {response->accounts[i]->account,
                                     table_decimal(arena, response->accounts[i]->credits)};
        table_row_add(&table, cells);
    }
    const char *const sum[] = {"all", table_decimal(arena, response->sum)};
    table_row_add(&table, sum);
    if (!table_print(&table))
        return TOOL_FAILED;
    (void)printf("%lld postings of %lld customers\n", (long long)response->postings,
                 (long long)response->customers);
    if (response->moving)
        (void)printf("postings came in meanwhile: the accounts' running sums were not compared\n");
    for (size_t i = 0; i < response->n_problems; i++) {
        const Lotcast__V1__LedgerProblem *problem = response->problems[i];
        (void)printf("WRONG: %s%s%s\n", problem->customer_id[0] == '\0' ? "" : "customer ",
                     problem->customer_id[0] == '\0'
                         ? ""
                         : arena_printf(arena, "%s: ", problem->customer_id),
                     problem->what);
    }
    if ((int64_t)response->n_problems < response->problem_count)
        (void)printf("… %lld in all\n", (long long)response->problem_count);
    (void)printf("%s\n", response->ok ? "in order" : "NOT IN ORDER");
    return response->ok ? 0 : TOOL_FAILED;
}

int tool_run_ledger(struct tool *tool, int argc, char **argv)
{
    Lotcast__V1__CheckLedgerRequest request = LOTCAST__V1__CHECK_LEDGER_REQUEST__INIT;
    bool json = tool_take_flag("--json", &argc, argv);
    if (argc != 1 || strcmp(argv[0], "check") != 0)
        return TOOL_USAGE;
    const Lotcast__V1__CheckLedgerResponse *response =
        tool_ask(tool, "Admin/CheckLedger", &request);
    if (response == NULL)
        return TOOL_FAILED;
    if (!json)
        return print_check(tool, response);
    int code = tool_print_json(tool, response);
    return code != 0 || response->ok ? code : TOOL_FAILED;
}
