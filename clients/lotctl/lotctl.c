/*
 * lotctl: the internal tools' client over NNG.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "clients/lotctl/tool.h"

/* Where a command's summary begins in the help. */
#define SUMMARY_COLUMN 58

const struct tool_command tool_commands[] = {
    {"list", "", "", "services and methods, with their routes", "", tool_run_list},
    {"describe", "", "NAME", "a method's or a message's declaration", "", tool_run_describe},
    {"call", "", "SERVICE/METHOD [JSON|-] [--customer ID]", "calls a method", "--customer",
     tool_run_call},
    {"health", "", "[SERVICE]", "whether the services answer", "", tool_run_health},
    {"admin", "create", "--email E [--name N]", "makes an admin, who then can log in",
     "--email --name --json", tool_run_admin},
    {"audit", "list", "[--page N] [--limit N]", "who did what to whom when, newest first",
     "--page --limit --json", tool_run_audit},
    {"customers", "list", "[--search S] [--status S] [--page N] [--limit N]", "the customers",
     "--search --status --page --limit --json", tool_run_customers},
    {"customers", "show", "ID", "a customer with figures and spend", "--json", tool_run_customers},
    {"customers", "set-password", "ID|EMAIL", "another password; ends the user's sessions",
     "--json", tool_run_customers},
    {"key", "rotate", "", "makes another key for tokens and seals them with it", "--json",
     tool_run_key},
    {"key", "show", "", "how many tokens are sealed with which key", "--json", tool_run_key},
    {"ledger", "check", "", "adds the whole ledger up", "--json", tool_run_ledger},
    {"backup", "", "FILE [--stream]",
     "a copy of all records, while the service works on; --stream: from another machine",
     "--stream", tool_run_backup},
    {"restore", "", "FILE", "into LOTCAST_DATA_DIR, where no store is; offline", "",
     tool_run_restore},
    {"scan", "", "URL [--here]",
     "reads a website and shows what is found; --here: without the service", "--here --json",
     tool_run_scan},
    {"store", "check", "", "reads all records and indexes", "--json", tool_run_store},
    {"suggestion", "publish", "--message TEXT [--link PATH]", "shows all customers an announcement",
     "--message --link --json", tool_run_suggestion},
    {"suggestion", "list", "", "the last announcements", "--json", tool_run_suggestion},
    {"suggestion", "withdraw", "ID", "shows it no more", "--json", tool_run_suggestion},
    {"sync", "", "--customer ID [--confirm-removals]", "brings a customer's catalog in step",
     "--customer --confirm-removals --json", tool_run_sync},
    {"completion", "", "", "a script that completes these in bash", "", tool_run_completion},
};
const size_t tool_command_count = sizeof tool_commands / sizeof tool_commands[0];

/* The command's forms, or all with `name` NULL. Whether there is one. */
static bool print_usage(FILE *out, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < tool_command_count; i++) {
        const struct tool_command *command = &tool_commands[i];
        if (name != NULL && strcmp(command->name, name) != 0)
            continue;
        int len =
            fprintf(out, "lotctl %s%s%s%s%s", command->name, command->action[0] == '\0' ? "" : " ",
                    command->action, command->arguments[0] == '\0' ? "" : " ", command->arguments);
        if (len >= SUMMARY_COLUMN)
            (void)fprintf(out, "\n%*s", SUMMARY_COLUMN, "");
        else
            (void)fprintf(out, "%*s", SUMMARY_COLUMN - len, "");
        (void)fprintf(out, "%s\n", command->summary);
        found = true;
    }
    return found;
}

static int print_help(const char *name)
{
    if (name != NULL && !print_usage(stdout, name)) {
        (void)fprintf(stderr, "lotctl: there is no %s. See lotctl help\n", name);
        return TOOL_USAGE;
    }
    if (name == NULL) {
        (void)print_usage(stdout, NULL);
        (void)printf("lotctl help [COMMAND]\n");
    }
    (void)printf("\n--json prints an answer as JSON, for scripts.\n"
                 "A password is asked for, or is one line of standard input.\n"
                 "Finds the service by LOTCAST_RPC, else in LOTCAST_DATA_DIR (./data).\n"
                 "Exit codes: 0 done, 1 failed, 2 not understood.\n");
    return 0;
}

static int run(struct tool *tool, int argc, char **argv)
{
    struct rpc_status status;
    struct registry_sources sources = registry_sources_get();
    if (sodium_init() < 0 || registry_create(&sources, &tool->registry, &status) != RPC_OK ||
        json_codec_create(tool->registry, &tool_json_options, &tool->codec, &status) != RPC_OK)
        return tool_complain(&status);
    for (size_t i = 0; i < tool_command_count; i++) {
        if (strcmp(tool_commands[i].name, argv[1]) != 0)
            continue;
        int code = tool_commands[i].run(tool, argc - 2, argv + 2);
        if (code == TOOL_USAGE) {
            (void)fprintf(stderr, "lotctl: not understood. It is:\n");
            (void)print_usage(stderr, argv[1]);
        }
        return code;
    }
    (void)fprintf(stderr, "lotctl: there is no %s. See lotctl help\n", argv[1]);
    return TOOL_USAGE;
}

int main(int argc, char **argv)
{
    struct tool tool = {0};
    char error[CONFIG_ERROR_BYTES];
    if (argc < 2) {
        (void)print_usage(stderr, NULL);
        return TOOL_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
        return print_help(argc > 2 ? argv[2] : NULL);
    if (strcmp(argv[argc - 1], "--help") == 0)
        return print_help(argv[1]);
    if (!config_init(&tool.config, &argc, argv, error)) {
        (void)fprintf(stderr, "lotctl: %s\n", error);
        return TOOL_USAGE;
    }
    arena_init(&tool.arena, ARENA_CALL_BYTES_MAX);
    tool.context = (struct rpc_context){.arena = &tool.arena};
    int code = argc < 2 ? TOOL_USAGE : run(&tool, argc, argv);
    rpc_channel_close(tool.channel);
    json_codec_destroy(tool.codec);
    registry_destroy(tool.registry);
    arena_fini(&tool.arena);
    config_fini(&tool.config);
    return code;
}
