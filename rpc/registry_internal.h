/*
 * The registry's insides, shared by registry.c (building and look-up), registry_types.c (the index
 * of the descriptor set and what its options say) and registry_check.c (what is refused).
 *
 * All that a registry points to lies in its arena or is static; registry_destroy frees it at once.
 */
#ifndef RPC_REGISTRY_INTERNAL_H
#define RPC_REGISTRY_INTERNAL_H

#include "rpc/base/arena.h"
#include "rpc/registry.h"

/* Values of an enum and fields of a message, where their descriptors are synthesised. */
#define REGISTRY__ENUM_VALUES_MAX 4096
#define REGISTRY__FIELDS_MAX 4096

/* What a registry may take, in bytes; the contract of today needs some hundred KB. */
#define REGISTRY__BYTES_MAX ((size_t)256 * 1024 * 1024)

/* Our options' field numbers (proto/lotcast/v1/options.proto, google/api/annotations.proto). */
#define REGISTRY__OPTION_HTTP 72295728u
#define REGISTRY__OPTION_METHOD 51001u
#define REGISTRY__OPTION_TABLE 51002u
#define REGISTRY__OPTION_FIELD 51003u
#define REGISTRY__OPTION_MESSAGE 51004u

/* One declaration of the descriptor set; one of message, enumeration and service is not NULL. */
struct registry__type {
    struct registry__type *next; /* in the order of the set */
    const char *name;            /* full, without a leading dot */
    const Google__Protobuf__DescriptorProto *message;
    const Google__Protobuf__EnumDescriptorProto *enumeration;
    const Google__Protobuf__ServiceDescriptorProto *service;
    const Google__Protobuf__FileDescriptorProto *file;
    void *synthesised;             /* its C descriptor, where that was made at run time */
    struct registry_message *made; /* once a C descriptor has been matched to it */
};

/* A hash table from names to things, filled once. */
struct registry__slot {
    struct span name;
    void *value; /* NULL: free */
};

struct registry__names {
    size_t mask; /* slots - 1, a power of 2 less 1; at least half of the slots stay free */
    struct registry__slot *slots;
};

struct registry {
    struct arena arena;
    const Google__Protobuf__FileDescriptorSet *set;
    struct span packed; /* what it was read from; the caller's */
    uint64_t fingerprint;
    bool foreign;                 /* another program's contract: its rules are not ours to judge */
    struct registry__type *types; /* first of the list */
    size_t type_count;
    struct registry__names types_by_name;
    size_t message_count;
    struct registry_message **messages;            /* in the order in which they were reached */
    struct registry__names messages_by_descriptor; /* a name is the pointer's own bytes */
    size_t method_count;
    struct registry_method *methods;
    struct registry__names methods_by_name;
    size_t table_count;
    const struct registry_message **tables; /* by id */
};

/* 64-bit FNV-1a. */
uint64_t registry__hash(struct span bytes);

/* An empty table for `count` names. False: out of memory. */
bool registry__names_init(struct registry__names *names, size_t count, struct arena *arena);
/* Borrows `name`. False: it is there already. */
bool registry__names_put(struct registry__names *names, struct span name, void *value);
void *registry__names_get(const struct registry__names *names, struct span name);

/* Every refusal of a registry: RPC_FAILED_PRECONDITION with a message. */
#define registry__refuse(status, ...) rpc_status_set((status), RPC_FAILED_PRECONDITION, __VA_ARGS__)
enum rpc_code registry__no_memory(struct rpc_status *status);

/* Lists every message, enum and service of registry->set and indexes them by name. */
enum rpc_code registry__types_read(struct registry *registry, struct rpc_status *status);
/* NULL: the set has none of that name. */
struct registry__type *registry__type_find(const struct registry *registry, const char *name);

/*
 * Unpacks the option `tag` out of an options message's unknown fields (NULL options: there is
 * none). An option that is written in pieces is merged. NULL in ret_option where nothing is said.
 */
enum rpc_code registry__option_read(struct registry *registry, const ProtobufCMessage *options,
                                    uint32_t tag, const ProtobufCMessageDescriptor *type,
                                    ProtobufCMessage **ret_option, struct rpc_status *status);

/* protobuf-c's type of a field; false: there is none (a group, or one that is not known). */
bool registry__c_type(const Google__Protobuf__FieldDescriptorProto *field, ProtobufCType *ret_type);

/* Makes C descriptors for everything in the set (registry_dynamic.c), and sources of them. */
enum rpc_code registry__synthesise(struct registry *registry, struct registry_sources *ret_sources,
                                   struct rpc_status *status);

/* Whether a C descriptor says the same as the set. */
enum rpc_code registry__check_message(const struct registry *registry,
                                      const ProtobufCMessageDescriptor *descriptor,
                                      const Google__Protobuf__DescriptorProto *proto,
                                      struct rpc_status *status);
enum rpc_code registry__check_service(const ProtobufCServiceDescriptor *descriptor,
                                      const Google__Protobuf__ServiceDescriptorProto *proto,
                                      struct rpc_status *status);
/* What a method's and a table's rules may say, once they and their messages are complete. */
enum rpc_code registry__check_method(const struct registry_method *method,
                                     struct rpc_status *status);
enum rpc_code registry__check_table(const struct registry_message *message,
                                    struct rpc_status *status);

#endif
