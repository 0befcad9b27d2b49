/*
 * lotcast.v1.Reflection, which every server serves by itself, on its transports' own threads. It
 * answers with pieces of the packed descriptor set as protoc wrote it, so nothing of it is lost.
 */
#include <stdlib.h>
#include <string.h>

#include "lotcast/v1/reflection.pb-c.h"
#include "rpc/internal.h"

/* FileDescriptorSet.file: field 1, with a length. */
#define FILE_KEY 0x0a

/* --- services --- */

static int compare_services(const void *a, const void *b)
{
    const Lotcast__V1__ServedService *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

static Lotcast__V1__ServedService *make_service(const ProtobufCServiceDescriptor *descriptor,
                                                struct arena *arena)
{
    Lotcast__V1__ServedService *service = arena_calloc(arena, 1, sizeof *service);
    char **methods = arena_calloc(arena, descriptor->n_methods, sizeof *methods);
    if (service == NULL || methods == NULL)
        return NULL;
    lotcast__v1__served_service__init(service);
    for (unsigned i = 0; i < descriptor->n_methods; i++)
        methods[i] = (char *)(uintptr_t)descriptor->methods[i].name;
    service->name = (char *)(uintptr_t)descriptor->name;
    service->methods = methods;
    service->n_methods = descriptor->n_methods;
    return service;
}

static enum rpc_code list_services(struct rpc_server_call *call, const void *request,
                                   void *response, struct rpc_status *status)
{
    const struct rpc_server *server = rpc_server_call_self(call);
    struct arena *arena = rpc_server_call_arena(call);
    Lotcast__V1__ListServicesResponse *answer = response;
    (void)request;
    size_t count = rpc__server_service_count(server);
    answer->services = arena_calloc(arena, count, sizeof(Lotcast__V1__ServedService *));
    for (size_t i = 0; answer->services != NULL && i < count; i++) {
        answer->services[i] = make_service(rpc__server_service_at(server, i), arena);
        if (answer->services[i] == NULL)
            break;
        answer->n_services++;
    }
    if (answer->n_services != count)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    qsort(answer->services, count, sizeof(Lotcast__V1__ServedService *), compare_services);
    return RPC_OK;
}

/* --- names --- */

/* Takes a name and the separator behind it off the front of `rest`. */
static bool take_name(struct span *rest, const char *name, bool *ret_end)
{
    size_t len = name == NULL ? 0 : strlen(name);
    if (len == 0 || rest->len < len || memcmp(rest->data, name, len) != 0)
        return false;
    *ret_end = rest->len == len;
    if (!*ret_end && rest->data[len] != '.' && rest->data[len] != '/')
        return false;
    size_t taken = *ret_end ? len : len + 1;
    *rest = span_of(rest->data + taken, rest->len - taken);
    return true;
}

static bool service_has(const Google__Protobuf__ServiceDescriptorProto *service, struct span rest)
{
    bool end = false;
    if (!take_name(&rest, service->name, &end))
        return false;
    for (size_t i = 0; !end && i < service->n_method; i++)
        end = span_equal_string(rest, service->method[i]->name);
    return end;
}

/* Goes down one message a step, so that nesting costs no stack. */
static bool messages_have(size_t count, Google__Protobuf__DescriptorProto **messages,
                          struct span rest)
{
    size_t i = 0;
    while (i < count) {
        const Google__Protobuf__DescriptorProto *message = messages[i];
        bool end;
        if (!take_name(&rest, message->name, &end)) {
            i++;
            continue;
        }
        if (end)
            return true;
        for (size_t j = 0; j < message->n_enum_type; j++)
            if (span_equal_string(rest, message->enum_type[j]->name))
                return true;
        count = message->n_nested_type;
        messages = message->nested_type;
        i = 0;
    }
    return false;
}

static bool declares(const Google__Protobuf__FileDescriptorProto *file, struct span symbol)
{
    bool end = false;
    if (file->package != NULL && file->package[0] != '\0' &&
        (!take_name(&symbol, file->package, &end) || end))
        return false;
    for (size_t i = 0; i < file->n_service; i++)
        if (service_has(file->service[i], symbol))
            return true;
    for (size_t i = 0; i < file->n_enum_type; i++)
        if (span_equal_string(symbol, file->enum_type[i]->name))
            return true;
    return messages_have(file->n_message_type, file->message_type, symbol);
}

/* --- files --- */

/* Whether the set has what is asked for; marks the file. */
static bool mark_wanted(const Google__Protobuf__FileDescriptorSet *set,
                        const Lotcast__V1__GetDescriptorSetRequest *asked, bool *marks)
{
    bool everything =
        asked->wanted_case == LOTCAST__V1__GET_DESCRIPTOR_SET_REQUEST__WANTED__NOT_SET;
    bool by_file = asked->wanted_case == LOTCAST__V1__GET_DESCRIPTOR_SET_REQUEST__WANTED_FILE;
    bool found = everything;
    for (size_t i = 0; i < set->n_file; i++) {
        const Google__Protobuf__FileDescriptorProto *file = set->file[i];
        marks[i] =
            everything || (!found && (by_file ? strcmp(file->name, asked->file) == 0
                                              : declares(file, span_of_string(asked->symbol))));
        found = found || marks[i];
    }
    return found;
}

/* Marks what the marked files import: protoc puts a file behind those. */
static void mark_imports(const Google__Protobuf__FileDescriptorSet *set, bool *marks)
{
    for (size_t i = set->n_file; i-- > 0;) {
        const Google__Protobuf__FileDescriptorProto *file = set->file[i];
        for (size_t j = 0; marks[i] && j < file->n_dependency; j++)
            for (size_t k = 0; k < i; k++)
                if (strcmp(set->file[k]->name, file->dependency[j]) == 0)
                    marks[k] = true;
    }
}

/* The length of the packed file at the front, with its key and length; 0: there is none. */
static size_t file_bytes(struct span packed)
{
    uint64_t len = 0;
    if (packed.len == 0 || packed.data[0] != FILE_KEY)
        return 0;
    for (size_t i = 1; i < packed.len && i <= 5; i++) {
        len |= (uint64_t)(packed.data[i] & 0x7f) << (7 * (i - 1));
        if ((packed.data[i] & 0x80) == 0)
            return len <= packed.len - i - 1 ? i + 1 + (size_t)len : 0;
    }
    return 0;
}

/* Copies the marked files; the answer is as large as the whole at most. */
static enum rpc_code copy_files(struct span packed, size_t count, const bool *marks,
                                struct arena *arena, ProtobufCBinaryData *ret_files,
                                struct rpc_status *status)
{
    uint8_t *files = arena_alloc(arena, packed.len);
    if (files == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    size_t len = 0;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = file_bytes(packed);
        if (bytes == 0)
            return rpc_status_set(status, RPC_INTERNAL, "the descriptor set is cut off");
        if (marks[i]) {
            memcpy(files + len, packed.data, bytes);
            len += bytes;
        }
        packed = span_of(packed.data + bytes, packed.len - bytes);
    }
    *ret_files = (ProtobufCBinaryData){len, files};
    return RPC_OK;
}

static enum rpc_code get_descriptor_set(struct rpc_server_call *call, const void *request,
                                        void *response, struct rpc_status *status)
{
    const struct registry *registry = rpc__server_registry(rpc_server_call_self(call));
    const Google__Protobuf__FileDescriptorSet *set = registry_descriptor_set(registry);
    const Lotcast__V1__GetDescriptorSetRequest *asked = request;
    Lotcast__V1__GetDescriptorSetResponse *answer = response;
    struct arena *arena = rpc_server_call_arena(call);
    bool *marks = arena_calloc(arena, set->n_file, sizeof *marks);
    if (marks == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory");
    if (!mark_wanted(set, asked, marks)) {
        bool by_file = asked->wanted_case == LOTCAST__V1__GET_DESCRIPTOR_SET_REQUEST__WANTED_FILE;
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_NOT_FOUND,
                               by_file ? "file" : "symbol");
    }
    mark_imports(set, marks);
    return copy_files(registry_packed_set(registry), set->n_file, marks, arena,
                      &answer->descriptor_set, status);
}

rpc_handler *const rpc__reflection_handlers[] = {list_services, get_descriptor_set};
