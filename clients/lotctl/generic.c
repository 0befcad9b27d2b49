/*
 * The commands that know every method from the registry alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/lotctl/tool.h"
#include "lotcast/v1/health.pb-c.h"

int tool_run_list(struct tool *tool, int argc, char **argv)
{
    (void)argv;
    if (argc != 0)
        return TOOL_USAGE;
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

int tool_run_describe(struct tool *tool, int argc, char **argv)
{
    if (argc != 1)
        return TOOL_USAGE;
    const struct registry_method *method = tool_method(tool, argv[0]);
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
        return TOOL_FAILED;
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

int tool_run_call(struct tool *tool, int argc, char **argv)
{
    struct rpc_status status;
    struct rpc_metadata metadata = {.count = 0};
    const char *customer = tool_take_option("--customer", &argc, argv);
    if (argc < 1 || argc > 2)
        return TOOL_USAGE;
    const struct registry_method *method = tool_method(tool, argv[0]);
    if (method == NULL) {
        (void)fprintf(stderr, "lotctl: there is no method %s\n", argv[0]);
        return TOOL_FAILED;
    }
    const char *text = argc < 2 ? "{}" : argv[1];
    if (strcmp(text, "-") == 0)
        text = read_input(tool);
    const ProtobufCMessageDescriptor *type = method->input->descriptor;
    ProtobufCMessage *message = arena_alloc(&tool->arena, type->sizeof_message);
    if (text == NULL || message == NULL) {
        (void)fprintf(stderr, "lotctl: the input is too large\n");
        return TOOL_FAILED;
    }
    type->message_init(message);
    if (json_parse(tool->codec, span_of_string(text), &tool->arena, message, &status) != RPC_OK)
        return tool_complain(&status);
    if (customer != NULL && !rpc_metadata_add(&metadata, RPC_METADATA_CUSTOMER_ID, customer))
        return TOOL_USAGE;
    const void *response;
    if (!tool_connect(tool))
        return TOOL_FAILED;
    if (tool_call(tool, method, message, &metadata, &response, &status) != RPC_OK)
        return tool_complain(&status);
    return tool_print_json(tool, response);
}

int tool_run_health(struct tool *tool, int argc, char **argv)
{
    struct rpc_status status;
    if (argc > 1)
        return TOOL_USAGE;
    const struct registry_method *method = tool_method(tool, "Health/Check");
    Lotcast__V1__HealthCheckRequest request = LOTCAST__V1__HEALTH_CHECK_REQUEST__INIT;
    if (argc == 1)
        request.service = argv[0];
    const void *response;
    if (!tool_connect(tool))
        return TOOL_FAILED;
    if (tool_call(tool, method, &request, NULL, &response, &status) != RPC_OK)
        return tool_complain(&status);
    const Lotcast__V1__HealthCheckResponse *health = response;
    bool serving = health->status == LOTCAST__V1__SERVING_STATUS__SERVING_STATUS_SERVING;
    (void)printf("%s\n", serving ? "SERVING" : "NOT_SERVING");
    return serving ? 0 : TOOL_FAILED;
}
