/*
 * lotctl admin: who may see the admins' pages; lotctl audit: what they and operators did.
 */
#include <stdio.h>
#include <string.h>

#include "clients/lotctl/page.h"
#include "clients/lotctl/table.h"
#include "clients/lotctl/tool.h"
#include "lotcast/v1/admin.pb-c.h"

static int create(struct tool *tool, int argc, char **argv, bool json)
{
    Lotcast__V1__CreateAdminRequest request = LOTCAST__V1__CREATE_ADMIN_REQUEST__INIT;
    const char *email = tool_take_option("--email", &argc, argv);
    const char *name = tool_take_option("--name", &argc, argv);
    (void)argv;
    if (argc != 0 || email == NULL)
        return TOOL_USAGE;
    request.email = (char *)email;
    if (name != NULL)
        request.name = (char *)name;
    request.password = tool_password(tool, true);
    if (request.password == NULL)
        return TOOL_FAILED;
    const Lotcast__V1__CreateAdminResponse *response =
        tool_ask(tool, "Admin/CreateAdmin", &request);
    if (response == NULL)
        return TOOL_FAILED;
    if (json)
        return tool_print_json(tool, response);
    (void)printf("%s is an admin, with the id %s\n", email, response->id);
    return 0;
}

int tool_run_admin(struct tool *tool, int argc, char **argv)
{
    bool json = tool_take_flag("--json", &argc, argv);
    if (argc < 1 || strcmp(argv[0], "create") != 0)
        return TOOL_USAGE;
    return create(tool, argc - 1, argv + 1, json);
}

static int print_audit(struct tool *tool, const Lotcast__V1__ListAuditResponse *response)
{
    static const struct table_column columns[] = {{"AT", false},     {"WHO", false},
                                                  {"ACTION", false}, {"CUSTOMER", false},
                                                  {"REASON", false}, {"REQUEST", false}};
    struct table table;
    table_init(&table, &tool->arena, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < response->n_entries; i++) {
        const Lotcast__V1__AuditEntry *entry = response->entries[i];
        const char *const cells[] = {entry->at,          entry->actor->email, entry->action,
                                     entry->customer_id, entry->reason,       entry->request_id};
        table_row_add(&table, cells);
    }
    if (!table_print(&table))
        return TOOL_FAILED;
    page_print(response->pagination, response->n_entries, "entries");
    return 0;
}

int tool_run_audit(struct tool *tool, int argc, char **argv)
{
    Lotcast__V1__ListAuditRequest request = LOTCAST__V1__LIST_AUDIT_REQUEST__INIT;
    bool json = tool_take_flag("--json", &argc, argv);
    struct page page;
    if (argc < 1 || strcmp(argv[0], "list") != 0)
        return TOOL_USAGE;
    if (!page_take(&page, &argc, argv) || argc != 1)
        return TOOL_USAGE;
    request.page = page_number(&page);
    request.limit = page_limit(&page);
    const Lotcast__V1__ListAuditResponse *response = tool_ask(tool, "Admin/ListAudit", &request);
    if (response == NULL)
        return TOOL_FAILED;
    return json ? tool_print_json(tool, response) : print_audit(tool, response);
}
