/*
 * lotctl: the internal tools' client over NNG.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "clients/lotctl/tool.h"

static void print_help(void)
{
    (void)printf(
        "lotctl list                          services and methods, with their routes\n"
        "lotctl describe NAME                 a method's or a message's declaration\n"
        "lotctl call SERVICE/METHOD [JSON]    calls a method (JSON: - reads standard input)\n"
        "    --customer ID                    … for this customer\n"
        "lotctl health [SERVICE]              whether the services answer\n"
        "lotctl suggestion publish --message TEXT [--link PATH]\n"
        "                                     shows all customers an announcement\n"
        "lotctl suggestion list               the last ones\n"
        "lotctl suggestion withdraw ID        shows it no more\n"
        "    --json                           … as JSON\n"
        "lotctl help\n\n"
        "Finds the service by LOTCAST_RPC, else in LOTCAST_DATA_DIR (./data).\n"
        "Exit codes: 0 done, 1 failed, 2 not understood.\n");
}

struct command {
    const char *name;
    tool_run *run;
};

static const struct command commands[] = {
    {"list", tool_run_list},     {"describe", tool_run_describe},     {"call", tool_run_call},
    {"health", tool_run_health}, {"suggestion", tool_run_suggestion},
};

static int run(struct tool *tool, int argc, char **argv)
{
    struct rpc_status status;
    struct registry_sources sources = registry_sources_get();
    static const struct json_options options = {
        .integers_as_numbers = true, .print_defaults = true, .hide_redacted = true};
    if (sodium_init() < 0 || registry_create(&sources, &tool->registry, &status) != RPC_OK ||
        json_codec_create(tool->registry, &options, &tool->codec, &status) != RPC_OK)
        return tool_complain(&status);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, argv[1]) != 0)
            continue;
        int code = commands[i].run(tool, argc - 2, argv + 2);
        if (code == TOOL_USAGE)
            (void)fprintf(stderr, "lotctl: not understood. See lotctl help\n");
        return code;
    }
    (void)fprintf(stderr, "lotctl: there is no %s. See lotctl help\n", argv[1]);
    return TOOL_USAGE;
}

int main(int argc, char **argv)
{
    struct tool tool = {0};
    char error[CONFIG_ERROR_BYTES];
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
        print_help();
        return argc < 2 ? TOOL_USAGE : 0;
    }
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
