/*
 * lotctl: the internal tools' client over NNG. It knows every method from the registry alone.
 */
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lotcast/v1/health.pb-c.h"
#include "rpc/base/clock.h"
#include "rpc/base/config.h"
#include "rpc/channel.h"
#include "rpc/json.h"

/* An answer's JSON at most, in bytes. */
#define ANSWER_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Time for a call of a method with a short deadline, in ms, so that a restart is waited for. */
#define CALL_MS_MIN 5000

/* Exit codes. */
enum { EXIT_USAGE = 2, EXIT_FAILED = 1 };

struct tool {
    struct config config;
    struct registry *registry;
    struct json_codec *codec;
    struct rpc_channel *channel;
    struct arena arena;
    struct rpc_context context;
};

static void print_help(void)
{
    (void)printf(
        "lotctl list                          services and methods, with their routes\n"
        "lotctl describe NAME                 a method's or a message's declaration\n"
        "lotctl call SERVICE/METHOD [JSON]    calls a method (JSON: - reads standard input)\n"
        "    --customer ID                    … for this customer\n"
        "lotctl health [SERVICE]              whether the services answer\n"
        "lotctl help\n\n"
        "Finds the service by LOTCAST_RPC, else in LOTCAST_DATA_DIR (./data).\n"
        "Exit codes: 0 done, 1 failed, 2 not understood.\n");
}

static int complain(const struct rpc_status *status)
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
    return EXIT_FAILED;
}

/* The open door's URL: LOTCAST_RPC, else the socket in the data directory. */
static bool find_door(struct tool *tool, char url[static PATH_MAX + 32])
{
    char directory[PATH_MAX];
    const char *given = config_text(&tool->config, CONFIG_RPC);
    if (*given != '\0') {
        (void)snprintf(url, PATH_MAX + 32, "%s", given);
        return true;
    }
    if (realpath(config_text(&tool->config, CONFIG_DATA_DIR), directory) == NULL) {
        (void)fprintf(stderr, "lotctl: no data directory at %s (LOTCAST_DATA_DIR)\n",
                      config_text(&tool->config, CONFIG_DATA_DIR));
        return false;
    }
    (void)snprintf(url, PATH_MAX + 32, "req+ipc://%s/rpc.sock", directory);
    return true;
}

static bool connect_door(struct tool *tool)
{
    char url[PATH_MAX + 32];
    struct rpc_status status;
    if (!find_door(tool, url))
        return false;
    struct rpc_channel_options options = {.url = url};
    if (rpc_channel_open(&options, &tool->channel, &status) != RPC_OK) {
        (void)complain(&status);
        return false;
    }
    return true;
}

/* A full name, or one without the package: Auth/LogIn. */
static const struct registry_method *find_method(struct tool *tool, const char *name)
{
    const struct registry_method *method =
        registry_method_find(tool->registry, span_of_string(name));
    if (method != NULL)
        return method;
    const char *full = arena_printf(&tool->arena, "lotcast.v1.%s", name);
    return full == NULL ? NULL : registry_method_find(tool->registry, span_of_string(full));
}

static enum rpc_code call(struct tool *tool, const struct registry_method *method,
                          const ProtobufCMessage *message, const struct rpc_metadata *metadata,
                          const ProtobufCMessage **ret_response, struct rpc_status *status)
{
    int64_t limit_ms = method->deadline_ms < CALL_MS_MIN ? CALL_MS_MIN : method->deadline_ms;
    tool->context.deadline_ms = clock_mono_ms() + limit_ms;
    struct rpc_request request = {.method = method,
                                  .message = message,
                                  .metadata = metadata,
                                  .context = &tool->context,
                                  .wait_for_ready = true};
    return rpc_channel_call(tool->channel, &request, ret_response, status);
}

static int run_list(struct tool *tool, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return EXIT_USAGE;
    for (size_t i = 0; i < registry_method_count(tool->registry); i++) {
        const struct registry_method *method = registry_method_at(tool->registry, i);
        const Google__Api__HttpRule *http = method->http;
        const char *verb = "";
        const char *path = "";
        if (http != NULL && http->pattern_case == GOOGLE__API__HTTP_RULE__PATTERN_GET) {
            verb = "GET";
            path = http->get;
        } else if (http != NULL && http->pattern_case == GOOGLE__API__HTTP_RULE__PATTERN_POST) {
            verb = "POST";
            path = http->post;
        } else if (http != NULL && http->pattern_case == GOOGLE__API__HTTP_RULE__PATTERN_PATCH) {
            verb = "PATCH";
            path = http->patch;
        }
        (void)printf("%-44s %-6s%s\n", method->name, verb, path);
    }
    return 0;
}

static const char *type_name(const struct registry_field *field)
{
    static const char *const names[] = {"",         "double",   "float",   "int64",  "uint64",
                                        "int32",    "fixed64",  "fixed32", "bool",   "string",
                                        "group",    "message",  "bytes",   "uint32", "enum",
                                        "sfixed32", "sfixed64", "sint32",  "sint64"};
    const char *full = field->proto->type_name;
    if (full != NULL && *full != '\0')
        return full + 1; /* without the leading dot */
    size_t type = (size_t)field->proto->type;
    return type < sizeof names / sizeof names[0] ? names[type] : "";
}

static void describe_message(const struct registry_message *message)
{
    (void)printf("message %s\n", message->name);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct registry_field *field = &message->fields[i];
        bool repeated = field->descriptor->label == PROTOBUF_C_LABEL_REPEATED;
        (void)printf("  %-28s %s%s\n", field->json_name, repeated ? "repeated " : "",
                     type_name(field));
    }
}

static int run_describe(struct tool *tool, int argc, char **argv)
{
    if (argc != 1)
        return EXIT_USAGE;
    const struct registry_method *method = find_method(tool, argv[0]);
    const struct registry_message *message = registry_message_find(tool->registry, argv[0]);
    if (method != NULL) {
        (void)printf("%s\n  deadline %u ms%s\n", method->name, method->deadline_ms,
                     method->read_only ? ", reads only" : "");
        describe_message(method->input);
        describe_message(method->output);
        return 0;
    }
    if (message == NULL) {
        (void)fprintf(stderr, "lotctl: there is no method or message %s\n", argv[0]);
        return EXIT_FAILED;
    }
    describe_message(message);
    return 0;
}

/* Standard input, for `lotctl call … -`; NULL beyond the limit. */
static const char *read_input(struct tool *tool)
{
    struct buffer text;
    buffer_init(&text, RPC_MESSAGE_BYTES_MAX);
    for (;;) {
        uint8_t *end = buffer_reserve(&text, 4096);
        ssize_t len = end == NULL ? 0 : read(STDIN_FILENO, end, 4096);
        if (len <= 0)
            break;
        text.len += (size_t)len;
    }
    const char *copy =
        text.failed ? NULL : arena_strndup(&tool->arena, (const char *)text.data, text.len);
    buffer_fini(&text);
    return copy;
}

/* Takes `--customer ID` out of the arguments. */
static const char *take_customer(int *argc, char **argv)
{
    const char *customer = NULL;
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], "--customer") == 0 && i + 1 < *argc)
            customer = argv[++i];
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    return customer;
}

static int print_message(struct tool *tool, const ProtobufCMessage *message)
{
    struct buffer out;
    struct rpc_status status;
    buffer_init(&out, ANSWER_BYTES_MAX);
    enum rpc_code code = json_print(tool->codec, message, &out, &status);
    if (code == RPC_OK)
        (void)printf("%.*s\n", (int)out.len, (const char *)out.data);
    buffer_fini(&out);
    return code == RPC_OK ? 0 : complain(&status);
}

static int run_call(struct tool *tool, int argc, char **argv)
{
    struct rpc_status status;
    struct rpc_metadata metadata = {.count = 0};
    const char *customer = take_customer(&argc, argv);
    if (argc < 1 || argc > 2)
        return EXIT_USAGE;
    const struct registry_method *method = find_method(tool, argv[0]);
    if (method == NULL) {
        (void)fprintf(stderr, "lotctl: there is no method %s\n", argv[0]);
        return EXIT_FAILED;
    }
    const char *text = argc < 2 ? "{}" : argv[1];
    if (strcmp(text, "-") == 0)
        text = read_input(tool);
    const ProtobufCMessageDescriptor *type = method->input->descriptor;
    ProtobufCMessage *message = arena_alloc(&tool->arena, type->sizeof_message);
    if (text == NULL || message == NULL) {
        (void)fprintf(stderr, "lotctl: the input is too large\n");
        return EXIT_FAILED;
    }
    type->message_init(message);
    if (json_parse(tool->codec, span_of_string(text), &tool->arena, message, &status) != RPC_OK)
        return complain(&status);
    if (customer != NULL && !rpc_metadata_add(&metadata, RPC_METADATA_CUSTOMER_ID, customer))
        return EXIT_USAGE;
    const ProtobufCMessage *response;
    if (!connect_door(tool))
        return EXIT_FAILED;
    if (call(tool, method, message, &metadata, &response, &status) != RPC_OK)
        return complain(&status);
    return print_message(tool, response);
}

static int run_health(struct tool *tool, int argc, char **argv)
{
    struct rpc_status status;
    if (argc > 1)
        return EXIT_USAGE;
    const struct registry_method *method = find_method(tool, "Health/Check");
    Lotcast__V1__HealthCheckRequest request = LOTCAST__V1__HEALTH_CHECK_REQUEST__INIT;
    if (argc == 1)
        request.service = argv[0];
    const ProtobufCMessage *response;
    if (!connect_door(tool))
        return EXIT_FAILED;
    if (call(tool, method, &request.base, NULL, &response, &status) != RPC_OK)
        return complain(&status);
    const Lotcast__V1__HealthCheckResponse *health =
        (const Lotcast__V1__HealthCheckResponse *)response;
    bool serving = health->status == LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING;
    (void)printf("%s\n", serving ? "SERVING" : "NOT_SERVING");
    return serving ? 0 : EXIT_FAILED;
}

struct command {
    const char *name;
    int (*run)(struct tool *tool, int argc, char **argv);
};

static const struct command commands[] = {
    {"list", run_list},
    {"describe", run_describe},
    {"call", run_call},
    {"health", run_health},
};

static int run(struct tool *tool, int argc, char **argv)
{
    struct rpc_status status;
    struct registry_sources sources = registry_sources_get();
    static const struct json_options options = {
        .integers_as_numbers = true, .print_defaults = true, .hide_redacted = true};
    if (sodium_init() < 0 || registry_create(&sources, &tool->registry, &status) != RPC_OK ||
        json_codec_create(tool->registry, &options, &tool->codec, &status) != RPC_OK)
        return complain(&status);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, argv[1]) != 0)
            continue;
        int code = commands[i].run(tool, argc - 2, argv + 2);
        if (code == EXIT_USAGE)
            (void)fprintf(stderr, "lotctl: not understood. See lotctl help\n");
        return code;
    }
    (void)fprintf(stderr, "lotctl: there is no %s. See lotctl help\n", argv[1]);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    struct tool tool = {0};
    char error[CONFIG_ERROR_BYTES];
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0) {
        print_help();
        return argc < 2 ? EXIT_USAGE : 0;
    }
    if (!config_init(&tool.config, &argc, argv, error)) {
        (void)fprintf(stderr, "lotctl: %s\n", error);
        return EXIT_USAGE;
    }
    arena_init(&tool.arena, ARENA_CALL_BYTES_MAX);
    tool.context = (struct rpc_context){.arena = &tool.arena};
    int code = argc < 2 ? EXIT_USAGE : run(&tool, argc, argv);
    rpc_channel_close(tool.channel);
    json_codec_destroy(tool.codec);
    registry_destroy(tool.registry);
    arena_fini(&tool.arena);
    config_fini(&tool.config);
    return code;
}
