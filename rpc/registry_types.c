/*
 * Reading the descriptor set: the index of its declarations by full name, and our options, which
 * protobuf-c's descriptor.proto knows only as unknown fields.
 */
#include <string.h>

#include "rpc/registry_internal.h"

#define FNV_OFFSET 14695981039346656037u
#define FNV_PRIME 1099511628211u

uint64_t registry__hash(struct span bytes)
{
    uint64_t hash = FNV_OFFSET;
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ bytes.data[i]) * FNV_PRIME;
    return hash;
}

bool registry__names_init(struct registry__names *names, size_t count, struct arena *arena)
{
    size_t slots = 4;
    while (slots < count * 2)
        slots *= 2;
    names->mask = slots - 1;
    names->slots = arena_calloc(arena, slots, sizeof *names->slots);
    return names->slots != NULL;
}

/* The slot that holds `name`, or the free one where it would go. */
static struct registry__slot *find_slot(const struct registry__names *names, struct span name)
{
    size_t at = (size_t)registry__hash(name) & names->mask;
    while (names->slots[at].value != NULL && !span_equal(names->slots[at].name, name))
        at = (at + 1) & names->mask;
    return &names->slots[at];
}

bool registry__names_put(struct registry__names *names, struct span name, void *value)
{
    struct registry__slot *slot = find_slot(names, name);
    if (slot->value != NULL)
        return false;
    *slot = (struct registry__slot){name, value};
    return true;
}

void *registry__names_get(const struct registry__names *names, struct span name)
{
    return find_slot(names, name)->value;
}

enum rpc_code registry__no_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "out of memory for the registry");
}

/* Appends to the list by its last link. `scope` is the package or the enclosing message; may be "".
 */
static struct registry__type *add_type(struct registry *registry, struct registry__type ***link,
                                       const char *scope, const char *name)
{
    struct registry__type *type = arena_calloc(&registry->arena, 1, sizeof *type);
    if (type == NULL)
        return NULL;
    type->name = arena_printf(&registry->arena, "%s%s%s", scope, scope[0] == '\0' ? "" : ".",
                              name == NULL ? "" : name);
    if (type->name == NULL)
        return NULL;
    registry->type_count++;
    **link = type;
    *link = &type->next;
    return type;
}

/* Says of those at the end of the list which file they come from. */
static void set_file(struct registry__type *first,
                     const Google__Protobuf__FileDescriptorProto *file)
{
    for (struct registry__type *type = first; type != NULL; type = type->next)
        type->file = file;
}

static bool add_messages(struct registry *registry, struct registry__type ***link,
                         const char *scope, size_t count, Google__Protobuf__DescriptorProto **list)
{
    for (size_t i = 0; i < count; i++) {
        struct registry__type *type = add_type(registry, link, scope, list[i]->name);
        if (type == NULL)
            return false;
        type->message = list[i];
    }
    return true;
}

static bool add_enums(struct registry *registry, struct registry__type ***link, const char *scope,
                      size_t count, Google__Protobuf__EnumDescriptorProto **list)
{
    for (size_t i = 0; i < count; i++) {
        struct registry__type *type = add_type(registry, link, scope, list[i]->name);
        if (type == NULL)
            return false;
        type->enumeration = list[i];
    }
    return true;
}

static bool add_file(struct registry *registry, struct registry__type ***link,
                     const Google__Protobuf__FileDescriptorProto *file)
{
    const char *scope = file->package == NULL ? "" : file->package;
    for (size_t i = 0; i < file->n_service; i++) {
        struct registry__type *type = add_type(registry, link, scope, file->service[i]->name);
        if (type == NULL)
            return false;
        type->service = file->service[i];
    }
    return add_messages(registry, link, scope, file->n_message_type, file->message_type) &&
           add_enums(registry, link, scope, file->n_enum_type, file->enum_type);
}

enum rpc_code registry__types_read(struct registry *registry, struct rpc_status *status)
{
    struct registry__type **link = &registry->types;
    for (size_t i = 0; i < registry->set->n_file; i++) {
        struct registry__type **first = link;
        if (!add_file(registry, &link, registry->set->file[i]))
            return registry__no_memory(status);
        set_file(*first, registry->set->file[i]);
    }
    /* The list grows while it is walked: nested declarations come behind. */
    for (const struct registry__type *type = registry->types; type != NULL; type = type->next) {
        const Google__Protobuf__DescriptorProto *message = type->message;
        struct registry__type **first = link;
        if (message != NULL &&
            (!add_messages(registry, &link, type->name, message->n_nested_type,
                           message->nested_type) ||
             !add_enums(registry, &link, type->name, message->n_enum_type, message->enum_type)))
            return registry__no_memory(status);
        set_file(*first, type->file);
    }
    if (!registry__names_init(&registry->types_by_name, registry->type_count, &registry->arena))
        return registry__no_memory(status);
    for (struct registry__type *type = registry->types; type != NULL; type = type->next) {
        if (!registry__names_put(&registry->types_by_name, span_of_string(type->name), type))
            return registry__refuse(status, "%s is declared twice", type->name);
    }
    return RPC_OK;
}

struct registry__type *registry__type_find(const struct registry *registry, const char *name)
{
    return registry__names_get(&registry->types_by_name, span_of_string(name));
}

/* What is behind a length prefix; {NULL, 0} if the prefix does not fit the data. */
static struct span skip_length(struct span data)
{
    uint64_t length = 0;
    for (size_t i = 0; i < data.len && i < 5; i++) {
        length |= (uint64_t)(data.data[i] & 0x7f) << (7 * i);
        if ((data.data[i] & 0x80) == 0) {
            size_t left = data.len - i - 1;
            return length == left ? (struct span){data.data + i + 1, left} : (struct span){NULL, 0};
        }
    }
    return (struct span){NULL, 0};
}

enum rpc_code registry__option_read(struct registry *registry, const ProtobufCMessage *options,
                                    uint32_t tag, const ProtobufCMessageDescriptor *type,
                                    ProtobufCMessage **ret_option, struct rpc_status *status)
{
    size_t pieces = 0, bytes = 0;
    for (unsigned i = 0; options != NULL && i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        if (field->tag != tag)
            continue;
        if (field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED ||
            skip_length(span_of(field->data, field->len)).data == NULL)
            return registry__refuse(status, "option %s is malformed", type->name);
        pieces++;
        bytes += field->len;
    }
    *ret_option = NULL;
    if (pieces == 0)
        return RPC_OK;
    /* Protobuf merges messages that are concatenated. */
    uint8_t *packed = arena_alloc(&registry->arena, bytes);
    if (packed == NULL)
        return registry__no_memory(status);
    size_t len = 0;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        struct span piece = skip_length(span_of(field->data, field->len));
        if (field->tag != tag || piece.len == 0)
            continue;
        memcpy(packed + len, piece.data, piece.len);
        len += piece.len;
    }
    *ret_option = protobuf_c_message_unpack(type, &registry->arena.protobuf, len, packed);
    if (*ret_option == NULL)
        return registry__refuse(status, "option %s is malformed", type->name);
    return RPC_OK;
}
