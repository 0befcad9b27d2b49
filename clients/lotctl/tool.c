#include "clients/lotctl/tool.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lotcast/v1/health.pb-c.h"
#include "rpc/base/clock.h"

/* An answer's JSON at most, in bytes. */
#define ANSWER_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Time for a call of a method with a short deadline, in ms, so that a restart is waited for. */
#define CALL_MS_MIN 5000

/* --- signals --- */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
#define SIGNAL_COUNT (sizeof signals / sizeof signals[0])

static volatile sig_atomic_t caught;
static atomic_bool interrupted;

static void on_signal(int signal)
{
    caught = signal;
    atomic_store(&interrupted, true);
}

void tool_catch_signals(struct tool *tool)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        (void)sigaction(signals[i], &action, NULL);
    tool->context.cancelled = &interrupted;
}

void tool_release_signals(struct tool *tool)
{
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        (void)signal(signals[i], SIG_DFL);
    tool->context.cancelled = NULL;
}

void tool_end_if_caught(void)
{
    if (caught == 0)
        return;
    (void)signal((int)caught, SIG_DFL);
    (void)raise((int)caught);
}

/* --- calls --- */

int tool_complain(const struct rpc_status *status)
{
    const char *name = status->reason == LOTCAST__V1__REASON__REASON_UNSPECIFIED
                           ? rpc_code_name(status->code)
                           : rpc_reason_get(status->reason)->name;
    (void)fprintf(stderr, "lotctl: %s: %s", name, status->message);
    if (status->field[0] != '\0')
        (void)fprintf(stderr, " (%s)", status->field);
    if (status->upstream[0] != '\0')
        (void)fprintf(stderr, " (%s)", status->upstream);
    (void)fprintf(stderr, "\n");
    return TOOL_FAILED;
}

/* The open door's URL: LOTCAST_RPC, else lotctl's socket in the data directory, which carries
 * streams too, else the one of REQ/REP. False, having complained unless `quiet`. */
static bool find_door(struct tool *tool, bool quiet, char url[static PATH_MAX + 32])
{
    char directory[PATH_MAX];
    const char *given = config_text(&tool->config, CONFIG_RPC);
    if (*given != '\0') {
        (void)snprintf(url, PATH_MAX + 32, "%s", given);
        return true;
    }
    if (realpath(config_text(&tool->config, CONFIG_DATA_DIR), directory) == NULL) {
        if (!quiet)
            (void)fprintf(stderr, "lotctl: no data directory at %s (LOTCAST_DATA_DIR)\n",
                          config_text(&tool->config, CONFIG_DATA_DIR));
        return false;
    }
    (void)snprintf(url, PATH_MAX + 32, "ipc://%s/lotctl.sock", directory);
    if (access(url + strlen("ipc://"), F_OK) != 0)
        (void)snprintf(url, PATH_MAX + 32, "req+ipc://%s/rpc.sock", directory);
    return true;
}

bool tool_connect(struct tool *tool)
{
    char url[PATH_MAX + 32];
    struct rpc_status status;
    if (tool->channel != NULL)
        return true;
    if (!find_door(tool, false, url))
        return false;
    const struct rpc_tls tls = {.ca_file = getenv("LOTCAST_TLS_CA"),
                                .cert_file = getenv("LOTCAST_TLS_CERT"),
                                .key_file = getenv("LOTCAST_TLS_KEY")};
    struct rpc_channel_options options = {.url = url, .tls = &tls};
    if (rpc_channel_open(&options, &tool->channel, &status) != RPC_OK) {
        (void)tool_complain(&status);
        return false;
    }
    return true;
}

const struct registry_method *tool_method(struct tool *tool, const char *name)
{
    const struct registry_method *method =
        registry_method_find(tool->registry, span_of_string(name));
    if (method != NULL)
        return method;
    const char *full = arena_printf(&tool->arena, "lotcast.v1.%s", name);
    return full == NULL ? NULL : registry_method_find(tool->registry, span_of_string(full));
}

/* What all calls have in common; borrows what it is given, and the tool's context. */
static struct rpc_request make_request(struct tool *tool, const struct registry_method *method,
                                       const void *message, const struct rpc_metadata *metadata)
{
    int64_t limit_ms = method->deadline_ms < CALL_MS_MIN ? CALL_MS_MIN : method->deadline_ms;
    tool->context.deadline_ms = clock_mono_ms() + limit_ms;
    return (struct rpc_request){.method = method,
                                .message = message,
                                .metadata = metadata,
                                .context = &tool->context,
                                .wait_for_ready = true};
}

bool tool_find_service(struct tool *tool)
{
    char url[PATH_MAX + 32];
    if (!find_door(tool, true, url) || !tool_connect(tool))
        return false;
    const struct registry_method *method = tool_method(tool, "Health/Check");
    struct rpc_status status;
    const Lotcast__V1__HealthCheckRequest message = LOTCAST__V1__HEALTH_CHECK_REQUEST__INIT;
    const ProtobufCMessage *response = NULL;
    struct rpc_request request = make_request(tool, method, &message, NULL);
    request.wait_for_ready = false; /* one attempt to connect, no more */
    if (rpc_channel_call(tool->channel, &request, &response, &status) != RPC_UNAVAILABLE)
        return true;
    rpc_channel_close(tool->channel);
    tool->channel = NULL;
    return false;
}

enum rpc_code tool_call(struct tool *tool, const struct registry_method *method,
                        const void *message, const struct rpc_metadata *metadata,
                        const void **ret_response, struct rpc_status *status)
{
    struct rpc_request request = make_request(tool, method, message, metadata);
    const ProtobufCMessage *response = NULL;
    enum rpc_code code = rpc_channel_call(tool->channel, &request, &response, status);
    if (code == RPC_OK)
        *ret_response = response;
    return code;
}

int tool_print_stream(struct tool *tool, const struct registry_method *method, const void *message,
                      const struct rpc_metadata *metadata, const struct json_codec *codec)
{
    struct rpc_request request = make_request(tool, method, message, metadata);
    const ProtobufCMessage *item = NULL;
    struct rpc_stream *stream = NULL;
    struct rpc_status status;
    struct arena arena;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    int exit_code = 0;
    enum rpc_code code = rpc_stream_open(tool->channel, &request, &stream, &status);
    while (code == RPC_OK && exit_code == 0) {
        code = rpc_stream_next(stream, &arena, &item, &status);
        if (code != RPC_OK || item == NULL)
            break;
        exit_code = tool_print_json_by(codec, item);
        (void)fflush(stdout); /* who waits for the next item sees this one */
        arena_reset(&arena);
    }
    rpc_stream_close(stream);
    arena_fini(&arena);
    return code == RPC_OK ? exit_code : tool_complain(&status);
}

enum rpc_code tool_open_stream(struct tool *tool, const char *name, const void *message,
                               const struct rpc_metadata *metadata, uint32_t items,
                               struct rpc_stream **ret_stream, struct rpc_status *status)
{
    const struct registry_method *method = tool_method(tool, name);
    if (method == NULL)
        return rpc_status_set(status, RPC_UNIMPLEMENTED, "there is no method %s", name);
    struct rpc_request request = make_request(tool, method, message, metadata);
    request.stream_items = items;
    return rpc_stream_open(tool->channel, &request, ret_stream, status);
}

const void *tool_ask(struct tool *tool, const char *name, const void *message)
{
    struct rpc_status status;
    const void *response = NULL;
    const struct registry_method *method = tool_method(tool, name);
    if (method == NULL) {
        (void)fprintf(stderr, "lotctl: there is no method %s\n", name);
        return NULL;
    }
    if (!tool_connect(tool))
        return NULL;
    if (tool_call(tool, method, message, NULL, &response, &status) != RPC_OK) {
        (void)tool_complain(&status);
        return NULL;
    }
    return response;
}

const struct json_options tool_json_options = {.integers_as_numbers = true,
                                               .decimals = true,
                                               .strict_numbers = true,
                                               .print_defaults = true,
                                               .print_nulls = true,
                                               .hide_redacted = true};

int tool_print_json(struct tool *tool, const void *message)
{
    return tool_print_json_by(tool->codec, message);
}

int tool_print_json_by(const struct json_codec *codec, const void *message)
{
    struct buffer out;
    struct rpc_status status;
    buffer_init(&out, ANSWER_BYTES_MAX);
    enum rpc_code code = json_print(codec, message, &out, &status);
    if (code == RPC_OK)
        (void)printf("%.*s\n", (int)out.len, (const char *)out.data);
    buffer_fini(&out);
    return code == RPC_OK ? 0 : tool_complain(&status);
}

const char *tool_take_option(const char *name, int *argc, char **argv)
{
    const char *value = NULL;
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], name) == 0 && i + 1 < *argc)
            value = argv[++i];
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    return value;
}

bool tool_take_flag(const char *name, int *argc, char **argv)
{
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], name) != 0)
            argv[kept++] = argv[i];
    }
    bool there = kept < *argc;
    *argc = kept;
    return there;
}

bool tool_number(const char *name, const char *text, int64_t min, int64_t max, int64_t *ret_number)
{
    char *end = NULL;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < min || number > max) {
        (void)fprintf(stderr, "lotctl: %s is a whole number from %lld to %lld\n", name,
                      (long long)min, (long long)max);
        return false;
    }
    *ret_number = number;
    return true;
}

#define BAR_CELLS 40

void tool_draw_bar(int percent, const char *what)
{
    int cells = percent * BAR_CELLS / 100;
    (void)fprintf(stderr, "\r[");
    for (int i = 0; i < BAR_CELLS; i++)
        (void)fputc(i < cells ? '#' : ' ', stderr);
    (void)fprintf(stderr, "] %3d%% %-30s", percent, what);
    (void)fflush(stderr);
}
