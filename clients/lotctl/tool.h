/*
 * What the commands of lotctl share. A command is a row of the table in lotctl.c, from which help
 * and completion are made too, and a function tool_run_…; each connects when it has understood its
 * arguments, so that a mistyped one needs no service.
 */
#ifndef CLIENTS_LOTCTL_TOOL_H
#define CLIENTS_LOTCTL_TOOL_H

#include <stdatomic.h>

#include "rpc/base/config.h"
#include "rpc/channel.h"
#include "rpc/json.h"

/* Exit codes, beside 0. */
enum { TOOL_FAILED = 1, TOOL_USAGE = 2 };

struct tool {
    struct config config;
    struct registry *registry;
    struct json_codec *codec;
    struct rpc_channel *channel; /* NULL until tool_connect */
    struct arena arena;          /* freed at the end of the program */
    struct rpc_context context;
};

/* Runs a command with what follows its name. Returns an exit code; TOOL_USAGE: not understood,
 * which the caller says. */
typedef int tool_run(struct tool *tool, int argc, char **argv);

/* One form of a command. Several rows of one name have the same function. */
struct tool_command {
    const char *name;
    const char *action;    /* the word behind it; "" for none */
    const char *arguments; /* for people */
    const char *summary;
    const char *options; /* for completion: "--page --limit" */
    tool_run *run;
};
extern const struct tool_command tool_commands[];
extern const size_t tool_command_count;

/* generic.c */
tool_run tool_run_list, tool_run_describe, tool_run_call, tool_run_health;
/* customers.c */
tool_run tool_run_customers;
/* admin.c */
tool_run tool_run_admin, tool_run_audit;
/* key.c */
tool_run tool_run_key;
/* ledger.c */
tool_run tool_run_ledger;
/* scan.c */
tool_run tool_run_scan;
/* sync.c */
tool_run tool_run_sync;
/* operations.c */
tool_run tool_run_backup, tool_run_restore, tool_run_store;
/* suggestion.c */
tool_run tool_run_suggestion;
/* completion.c */
tool_run tool_run_completion;

/* Says on standard error what went wrong; returns TOOL_FAILED. */
int tool_complain(const struct rpc_status *status);
/* Opens the channel to the service's door. False, having complained, if it cannot be found. */
bool tool_connect(struct tool *tool);
/* The same if there is a service that answers; false, having said nothing of one that is not. */
bool tool_find_service(struct tool *tool);
/* By full name, or without the package: Auth/LogIn. NULL if there is none. */
const struct registry_method *tool_method(struct tool *tool, const char *name);
/*
 * Makes a call and waits. `metadata` may be NULL. The response is in the tool's arena.
 */
enum rpc_code tool_call(struct tool *tool, const struct registry_method *method,
                        const void *message, const struct rpc_metadata *metadata,
                        const void **ret_response, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Calls a streaming method and prints each item as a line of JSON as it comes; an exit code. */
int tool_print_stream(struct tool *tool, const struct registry_method *method, const void *message,
                      const struct rpc_metadata *metadata, const struct json_codec *codec);
/* Opens a stream of a method by name, with so many items on their way (0: a few); the caller closes
 * it. `metadata` may be NULL. */
enum rpc_code tool_open_stream(struct tool *tool, const char *method, const void *message,
                               const struct rpc_metadata *metadata, uint32_t items,
                               struct rpc_stream **ret_stream, struct rpc_status *status)
    __attribute__((warn_unused_result));
/*
 * From here on Ctrl-C (SIGTERM, SIGHUP) does not end the program, but what it waits for in a call
 * or a stream of the tool's context: RPC_CANCELLED. A second one ends it. The command cleans up and
 * then calls tool_end_if_caught, which ends the program by the signal that came, if one did.
 */
void tool_catch_signals(struct tool *tool);
void tool_end_if_caught(void);
/* They end the program again. */
void tool_release_signals(struct tool *tool);
/* A bar with how far something is and a few words, on standard error. */
void tool_draw_bar(int percent, const char *what);
/* As tool_call for a method by name, connecting first. NULL, having complained, on any failure. */
const void *tool_ask(struct tool *tool, const char *method, const void *message);
/* Prints a message as one line of JSON; an exit code. */
int tool_print_json(struct tool *tool, const void *message);
/* The same with another contract's codec. */
int tool_print_json_by(const struct json_codec *codec, const void *message);
/* How messages are read from and shown to people. */
extern const struct json_options tool_json_options;

/*
 * Takes `--name VALUE` out of the arguments: the value, or NULL if it is not there. The last one of
 * several counts.
 */
const char *tool_take_option(const char *name, int *argc, char **argv);
/* Takes `--name` out of the arguments: whether it was there. */
bool tool_take_flag(const char *name, int *argc, char **argv);
/* A whole number from `min` to `max`; false, having complained, if the text is none. */
bool tool_number(const char *name, const char *text, int64_t min, int64_t max, int64_t *ret_number);
/*
 * A password: asked for without echo where standard input is a terminal (twice if `twice`), else
 * one line of it. In the tool's arena; NULL, having complained.
 */
char *tool_password(struct tool *tool, bool twice);

#endif
