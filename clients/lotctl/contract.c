#include "clients/lotctl/contract.h"

#include <stdio.h>
#include <string.h>

/* Packages that a short name is tried with. */
#define PACKAGES_MAX 16

/* Field numbers of descriptor.proto, of which the paths in SourceCodeInfo consist. */
enum {
    PATH_FILE_MESSAGE = 4,
    PATH_FILE_SERVICE = 6,
    PATH_MESSAGE_FIELD = 2,
    PATH_SERVICE_METHOD = 2,
};

/* --- asking --- */

static enum rpc_code ask(struct tool *tool, const char *symbol, struct span *ret_set,
                         struct rpc_status *status)
{
    Lotcast__V1__GetDescriptorSetRequest request = LOTCAST__V1__GET_DESCRIPTOR_SET_REQUEST__INIT;
    const void *response = NULL;
    if (symbol != NULL) {
        request.wanted_case = LOTCAST__V1__GET_DESCRIPTOR_SET_REQUEST__WANTED_SYMBOL;
        request.symbol = (char *)(uintptr_t)symbol;
    }
    enum rpc_code code = tool_call(tool, tool_method(tool, "Reflection/GetDescriptorSet"), &request,
                                   NULL, &response, status);
    if (code != RPC_OK)
        return code;
    const Lotcast__V1__GetDescriptorSetResponse *answer = response;
    *ret_set = span_of(answer->descriptor_set.data, answer->descriptor_set.len);
    return RPC_OK;
}

/* The package of a service's full name; its length. */
static size_t package_len(const char *service)
{
    const char *point = strrchr(service, '.');
    return point == NULL ? 0 : (size_t)(point - service);
}

/* Tries the name with the package of each service served, once each. */
static enum rpc_code ask_in_packages(struct tool *tool, struct contract *contract, const char *name,
                                     struct span *ret_set, struct rpc_status *status)
{
    struct span tried[PACKAGES_MAX];
    size_t count = 0;
    enum rpc_code code = RPC_NOT_FOUND;
    for (size_t i = 0; i < contract->served->n_services && count < PACKAGES_MAX; i++) {
        const char *service = contract->served->services[i]->name;
        struct span package = span_of(service, package_len(service));
        bool known = false;
        for (size_t j = 0; j < count; j++)
            known = known || span_equal(tried[j], package);
        if (known)
            continue;
        tried[count++] = package;
        contract->name =
            arena_printf(&tool->arena, "%.*s.%s", (int)package.len, (const char *)service, name);
        if (contract->name == NULL)
            return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
        code = ask(tool, contract->name, ret_set, status);
        if (code != RPC_NOT_FOUND)
            return code;
    }
    return code;
}

static enum rpc_code ask_all(struct tool *tool, const char *name, struct contract *contract,
                             struct span *ret_set, struct rpc_status *status)
{
    Lotcast__V1__ListServicesRequest request = LOTCAST__V1__LIST_SERVICES_REQUEST__INIT;
    const void *response = NULL;
    enum rpc_code code = tool_call(tool, tool_method(tool, "Reflection/ListServices"), &request,
                                   NULL, &response, status);
    if (code != RPC_OK)
        return code;
    contract->served = response;
    contract->name = name;
    code = ask(tool, name, ret_set, status);
    return code == RPC_NOT_FOUND ? ask_in_packages(tool, contract, name, ret_set, status) : code;
}

bool contract_open(struct tool *tool, const char *name, struct contract *ret_contract)
{
    struct contract contract = {0};
    struct rpc_status status;
    struct span set;
    if (!tool_connect(tool))
        return false;
    enum rpc_code code = ask_all(tool, name, &contract, &set, &status);
    if (code == RPC_NOT_FOUND) {
        (void)fprintf(stderr, "lotctl: there is no %s. See lotctl list\n", name);
        return false;
    }
    if (code == RPC_OK)
        code = registry_create_dynamic(set, &contract.registry, &status);
    if (code == RPC_OK)
        code = json_codec_create(contract.registry, &tool_json_options, &contract.codec, &status);
    if (code != RPC_OK) {
        contract_close(&contract);
        (void)tool_complain(&status);
        return false;
    }
    *ret_contract = contract;
    return true;
}

void contract_close(struct contract *contract)
{
    json_codec_destroy(contract->codec);
    registry_destroy(contract->registry);
}

const struct registry_method *contract_method(const struct contract *contract)
{
    for (size_t i = 0; i < registry_method_count(contract->registry); i++) {
        const struct registry_method *method = registry_method_at(contract->registry, i);
        size_t service = strlen(method->service_name);
        if (strncmp(contract->name, method->name, service) == 0 &&
            (contract->name[service] == '/' || contract->name[service] == '.') &&
            strcmp(contract->name + service + 1, method->method_name) == 0)
            return method;
    }
    return NULL;
}

/* --- comments --- */

static const char *comment_at(const Google__Protobuf__FileDescriptorProto *file,
                              const int32_t *path, size_t len)
{
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    for (size_t i = 0; info != NULL && i < info->n_location; i++) {
        const Google__Protobuf__SourceCodeInfo__Location *location = info->location[i];
        if (location->n_path == len && location->leading_comments != NULL &&
            memcmp(location->path, path, len * sizeof *path) == 0)
            return location->leading_comments;
    }
    return "";
}

/* Whether a file's declaration of the short name is the one of the full name. */
static bool is_named(const Google__Protobuf__FileDescriptorProto *file, const char *short_name,
                     const char *full_name)
{
    size_t package = file->package == NULL ? 0 : strlen(file->package);
    if (package == 0)
        return strcmp(short_name, full_name) == 0;
    return strncmp(full_name, file->package, package) == 0 && full_name[package] == '.' &&
           strcmp(full_name + package + 1, short_name) == 0;
}

const char *contract_method_comment(const struct contract *contract,
                                    const struct registry_method *method)
{
    const Google__Protobuf__FileDescriptorSet *set = registry_descriptor_set(contract->registry);
    for (size_t i = 0; i < set->n_file; i++) {
        for (size_t j = 0; j < set->file[i]->n_service; j++) {
            const int32_t path[] = {PATH_FILE_SERVICE, (int32_t)j, PATH_SERVICE_METHOD,
                                    (int32_t)method->method_index};
            if (is_named(set->file[i], set->file[i]->service[j]->name, method->service_name))
                return comment_at(set->file[i], path, 4);
        }
    }
    return "";
}

/* `field`: its place in the declaration; -1: the message itself. Messages within others have no
 * comments here. */
static const char *message_comment(const struct contract *contract,
                                   const struct registry_message *message, int32_t field)
{
    const Google__Protobuf__FileDescriptorSet *set = registry_descriptor_set(contract->registry);
    for (size_t i = 0; i < set->n_file; i++) {
        for (size_t j = 0; j < set->file[i]->n_message_type; j++) {
            const int32_t path[] = {PATH_FILE_MESSAGE, (int32_t)j, PATH_MESSAGE_FIELD, field};
            if (set->file[i]->message_type[j] == message->proto)
                return comment_at(set->file[i], path, field < 0 ? 2 : 4);
        }
    }
    return "";
}

const char *contract_message_comment(const struct contract *contract,
                                     const struct registry_message *message)
{
    return message_comment(contract, message, -1);
}

const char *contract_field_comment(const struct contract *contract,
                                   const struct registry_message *message, size_t index)
{
    for (size_t i = 0; i < message->proto->n_field; i++)
        if (message->proto->field[i] == message->fields[index].proto)
            return message_comment(contract, message, (int32_t)i);
    return "";
}
