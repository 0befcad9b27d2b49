/*
 * The commands that know every method from what the server says of itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients/lotctl/contract.h"
#include "lotcast/v1/health.pb-c.h"

/* Where a route, and where a type, begins on its line. */
#define ROUTE_COLUMN 44
#define TYPE_COLUMN 28

/* --- list --- */

static void print_route(const Google__Api__HttpRule *http)
{
    static const struct {
        int pattern;
        const char *verb;
    } verbs[] = {
        {GOOGLE__API__HTTP_RULE__PATTERN_GET, "GET"},
        {GOOGLE__API__HTTP_RULE__PATTERN_PUT, "PUT"},
        {GOOGLE__API__HTTP_RULE__PATTERN_POST, "POST"},
        {GOOGLE__API__HTTP_RULE__PATTERN_DELETE, "DELETE"},
        {GOOGLE__API__HTTP_RULE__PATTERN_PATCH, "PATCH"},
    };
    if (http->pattern_case == GOOGLE__API__HTTP_RULE__PATTERN_CUSTOM)
        (void)printf("%-6s %s", http->custom->kind, http->custom->path);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if ((int)http->pattern_case == verbs[i].pattern)
            (void)printf("%-6s %s", verbs[i].verb, http->get); /* the patterns share one place */
}

static void print_service(const struct contract *contract,
                          const Lotcast__V1__ServedService *service)
{
    for (size_t i = 0; i < service->n_methods; i++) {
        char name[256];
        (void)snprintf(name, sizeof name, "%s/%s", service->name, service->methods[i]);
        const struct registry_method *method =
            registry_method_find(contract->registry, span_of_string(name));
        bool routed = method != NULL && method->http != NULL;
        (void)printf("%-*s%s", routed ? ROUTE_COLUMN : 0, name, routed ? " " : "");
        if (routed)
            print_route(method->http);
        (void)printf("\n");
    }
}

int tool_run_list(struct tool *tool, int argc, char **argv)
{
    struct contract contract;
    (void)argv;
    if (argc != 0)
        return TOOL_USAGE;
    if (!contract_open(tool, NULL, &contract))
        return TOOL_FAILED;
    for (size_t i = 0; i < contract.served->n_services; i++)
        print_service(&contract, contract.served->services[i]);
    contract_close(&contract);
    return 0;
}

/* --- describe --- */

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

/* A comment's lines, which begin with a space where people write them so. */
static void print_comment(const char *indent, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        (void)printf("%s//%.*s\n", indent, (int)len, text);
        text += len + (text[len] == '\n' ? 1 : 0);
    }
}

static void describe_message(const struct contract *contract,
                             const struct registry_message *message)
{
    print_comment("", contract_message_comment(contract, message));
    (void)printf("message %s\n", message->name);
    for (size_t i = 0; i < message->field_count; i++) {
        const struct registry_field *field = &message->fields[i];
        bool repeated = field->descriptor->label == PROTOBUF_C_LABEL_REPEATED;
        print_comment("  ", contract_field_comment(contract, message, i));
        (void)printf("  %-*s %s%s", TYPE_COLUMN, field->json_name,
                     field->is_map ? "map of "
                     : repeated    ? "repeated "
                                   : "",
                     type_name(field));
        if (field->oneof_index >= 0)
            (void)printf(" (one of %s)", message->proto->oneof_decl[field->oneof_index]->name);
        (void)printf("\n");
    }
}

static void describe_method(const struct contract *contract, const struct registry_method *method)
{
    print_comment("", contract_method_comment(contract, method));
    (void)printf("%s\n  ", method->name);
    if (method->http != NULL) {
        print_route(method->http);
        (void)printf("\n  ");
    }
    (void)printf("deadline %u ms%s%s\n", method->deadline_ms,
                 method->read_only    ? ", reads only"
                 : method->idempotent ? ", may be repeated"
                                      : "",
                 method->server_streaming ? ", streams" : "");
    describe_message(contract, method->input);
    if (method->output != method->input)
        describe_message(contract, method->output);
}

/* Whether the name is that of an enum at the top of a file. */
static bool describe_enum(const struct contract *contract)
{
    const Google__Protobuf__FileDescriptorSet *set = registry_descriptor_set(contract->registry);
    const Google__Protobuf__FileDescriptorProto *file = set->file[set->n_file - 1];
    const char *name = strrchr(contract->name, '.');
    for (size_t i = 0; name != NULL && i < file->n_enum_type; i++) {
        const Google__Protobuf__EnumDescriptorProto *found = file->enum_type[i];
        if (strcmp(found->name, name + 1) != 0)
            continue;
        (void)printf("enum %s\n", contract->name);
        for (size_t j = 0; j < found->n_value; j++)
            (void)printf("  %-*s %d\n", TYPE_COLUMN, found->value[j]->name,
                         found->value[j]->number);
        return true;
    }
    return false;
}

/* The methods of a service, served here or not. */
static bool describe_service(const struct contract *contract)
{
    bool found = false;
    for (size_t i = 0; i < registry_method_count(contract->registry); i++) {
        const struct registry_method *method = registry_method_at(contract->registry, i);
        if (strcmp(method->service_name, contract->name) != 0)
            continue;
        if (found)
            (void)printf("\n");
        describe_method(contract, method);
        found = true;
    }
    return found;
}

int tool_run_describe(struct tool *tool, int argc, char **argv)
{
    struct contract contract;
    if (argc != 1)
        return TOOL_USAGE;
    if (!contract_open(tool, argv[0], &contract))
        return TOOL_FAILED;
    const struct registry_method *method = contract_method(&contract);
    const struct registry_message *message =
        registry_message_find(contract.registry, contract.name);
    bool found = true;
    if (method != NULL)
        describe_method(&contract, method);
    else if (message != NULL)
        describe_message(&contract, message);
    else
        found = describe_service(&contract) || describe_enum(&contract);
    contract_close(&contract);
    if (!found)
        (void)fprintf(stderr, "lotctl: %s cannot be described\n", argv[0]);
    return found ? 0 : TOOL_FAILED;
}

/* --- call --- */

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

/* The request: the text as the method's message, in the tool's arena. NULL, having complained. */
static ProtobufCMessage *read_request(struct tool *tool, const struct contract *contract,
                                      const struct registry_method *method, const char *text)
{
    struct rpc_status status;
    if (strcmp(text, "-") == 0)
        text = read_input(tool);
    const ProtobufCMessageDescriptor *type = method->input->descriptor;
    ProtobufCMessage *message = arena_alloc(&tool->arena, type->sizeof_message);
    if (text == NULL || message == NULL) {
        (void)fprintf(stderr, "lotctl: the input is too large\n");
        return NULL;
    }
    registry_message_init(type, message);
    if (json_parse(contract->codec, span_of_string(text), &tool->arena, message, &status) !=
        RPC_OK) {
        (void)tool_complain(&status);
        return NULL;
    }
    return message;
}

static int call(struct tool *tool, const struct contract *contract, const char *text,
                const struct rpc_metadata *metadata)
{
    struct rpc_status status;
    const void *response = NULL;
    const struct registry_method *method = contract_method(contract);
    if (method == NULL) {
        (void)fprintf(stderr, "lotctl: %s is no method\n", contract->name);
        return TOOL_FAILED;
    }
    const ProtobufCMessage *message = read_request(tool, contract, method, text);
    if (message == NULL)
        return TOOL_FAILED;
    if (method->server_streaming)
        return tool_print_stream(tool, method, message, metadata, contract->codec);
    if (tool_call(tool, method, message, metadata, &response, &status) != RPC_OK)
        return tool_complain(&status);
    return tool_print_json_by(contract->codec, response);
}

int tool_run_call(struct tool *tool, int argc, char **argv)
{
    struct rpc_metadata metadata = {.count = 0};
    struct contract contract;
    const char *customer = tool_take_option("--customer", &argc, argv);
    if (argc < 1 || argc > 2)
        return TOOL_USAGE;
    if (customer != NULL && !rpc_metadata_add(&metadata, RPC_METADATA_CUSTOMER_ID, customer))
        return TOOL_USAGE;
    if (!contract_open(tool, argv[0], &contract))
        return TOOL_FAILED;
    int code = call(tool, &contract, argc < 2 ? "{}" : argv[1], &metadata);
    contract_close(&contract);
    return code;
}

/* --- health --- */

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
