/*
 * lotctl completion: a script for bash, made from the table of commands.
 *   source <(lotctl completion)
 */
#include <stdio.h>
#include <string.h>

#include "clients/lotctl/tool.h"

/* Each command's name once. */
static void print_names(void)
{
    for (size_t i = 0; i < tool_command_count; i++)
        if (i == 0 || strcmp(tool_commands[i].name, tool_commands[i - 1].name) != 0)
            (void)printf(" %s", tool_commands[i].name);
}

static void print_actions(const char *name)
{
    for (size_t i = 0; i < tool_command_count; i++)
        if (strcmp(tool_commands[i].name, name) == 0 && tool_commands[i].action[0] != '\0')
            (void)printf(" %s", tool_commands[i].action);
}

int tool_run_completion(struct tool *tool, int argc, char **argv)
{
    (void)tool;
    (void)argv;
    if (argc != 0)
        return TOOL_USAGE;
    (void)printf("_lotctl() {\n"
                 "    local word=\"${COMP_WORDS[COMP_CWORD]}\" words=\"\"\n"
                 "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                 "        words=\"help");
    print_names();
    (void)printf("\"\n"
                 "    elif [ \"$COMP_CWORD\" -eq 2 ]; then\n"
                 "        case \"${COMP_WORDS[1]}\" in\n");
    for (size_t i = 0; i < tool_command_count; i++) {
        const struct tool_command *command = &tool_commands[i];
        if (command->action[0] == '\0' ||
            (i > 0 && strcmp(tool_commands[i - 1].name, command->name) == 0))
            continue;
        (void)printf("        %s) words=\"", command->name);
        print_actions(command->name);
        (void)printf("\" ;;\n");
    }
    (void)printf("        help) words=\"");
    print_names();
    (void)printf(
        "\" ;;\n"
        "        call|describe) words=\"$(timeout 2 lotctl list 2>/dev/null | cut -d' ' -f1)\" ;;\n"
        "        esac\n"
        "    fi\n"
        "    case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n");
    for (size_t i = 0; i < tool_command_count; i++) {
        const struct tool_command *command = &tool_commands[i];
        if (command->options[0] != '\0')
            (void)printf("    \"%s %s\"%s) [ \"$COMP_CWORD\" -gt 2 ] && words=\"$words %s\" ;;\n",
                         command->name, command->action, command->action[0] == '\0' ? "*" : "",
                         command->options);
    }
    (void)printf("    esac\n"
                 "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
                 "}\n"
                 "complete -F _lotctl lotctl\n");
    return 0;
}
