/*
 * Every declaration of proto/, read from the embedded descriptor set at start: methods with their
 * routes and rules, messages with their JSON names and field rules, records with their tables.
 * Immutable once made; any thread reads it without a lock.
 */
#ifndef RPC_REGISTRY_H
#define RPC_REGISTRY_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "google/api/http.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "lotcast/v1/options.pb-c.h"
#include "rpc/base/span.h"
#include "rpc/status.h"

/* Deadlines where a method declares none, in ms. */
#define REGISTRY_READ_DEADLINE_MS 5000
#define REGISTRY_WRITE_DEADLINE_MS 10000
/* A stream goes on until its caller leaves: as long as can be said, 49 days. */
#define REGISTRY_STREAM_DEADLINE_MS UINT32_MAX

struct registry;

/* A field with what protobuf-c's descriptor lacks. */
struct registry_field {
    const ProtobufCFieldDescriptor *descriptor;
    const Google__Protobuf__FieldDescriptorProto *proto;
    const char *json_name;
    const struct registry_message *message; /* of a message field; else NULL */
    const Lotcast__V1__FieldRules *rules;   /* never NULL; all zero where nothing is said */
    bool is_map;                            /* a map entry's repeated field */
    int32_t oneof_index;                    /* into proto's oneof_decl; -1: none */
};

struct registry_message {
    const char *name; /* lotcast.v1.LogInRequest */
    const ProtobufCMessageDescriptor *descriptor;
    const Google__Protobuf__DescriptorProto *proto;
    size_t field_count;
    const struct registry_field *fields;    /* in the order of descriptor->fields */
    const Lotcast__V1__TableRules *table;   /* NULL: not a record */
    const Lotcast__V1__MessageRules *rules; /* never NULL */
};

struct registry_method {
    const char *name;         /* lotcast.v1.Auth/LogIn */
    const char *service_name; /* lotcast.v1.Auth */
    const char *method_name;  /* LogIn */
    size_t index;             /* 0 … registry_method_count - 1, by which callers keep tables */
    const ProtobufCServiceDescriptor *service;
    unsigned method_index; /* in service->methods */
    const struct registry_message *input;
    const struct registry_message *output;
    const Google__Api__HttpRule *http;     /* NULL: no route */
    const Lotcast__V1__MethodRules *rules; /* never NULL */
    bool server_streaming;
    bool read_only;       /* idempotency_level NO_SIDE_EFFECTS */
    bool idempotent;      /* NO_SIDE_EFFECTS or IDEMPOTENT */
    uint32_t deadline_ms; /* the declared one, else the default for reads or writes */
};

struct registry_sources {
    struct span
        descriptor_set; /* a packed google.protobuf.FileDescriptorSet; must outlive the registry */
    const ProtobufCServiceDescriptor *const *services;
    size_t service_count;
    /* Messages that no method reaches: records, rpc's own. */
    const ProtobufCMessageDescriptor *const *messages;
    size_t message_count;
};

/* All that proto/ declares (rpc/registry_sources.c). What it points to is static. */
struct registry_sources registry_sources_get(void);

/*
 * Reads the descriptor set and checks every C descriptor that the sources reach against it: names,
 * numbers, types and labels of all fields. Refuses (RPC_FAILED_PRECONDITION, with a message that
 * names the culprit) a mismatch, a method without access, a public HTTP route on an INTERNAL
 * method, a redirect, session, accepted or attachment field that does not exist or fit, a header to
 * pass on that has a meaning of ours, a table whose key fields do not exist or
 * are no scalars, a table id or an index id used twice. Duplicate and malformed routes are the
 * router's to refuse.
 */
enum rpc_code registry_create(const struct registry_sources *sources,
                              struct registry **ret_registry, struct rpc_status *status)
    __attribute__((warn_unused_result));
/*
 * A registry of a contract that this program was not compiled with: C descriptors are made of the
 * set itself, which must outlive the registry and may come from anywhere. Messages of it can be
 * unpacked, packed, and read from and written to JSON; rules are read but not judged, and there are
 * no tables. RPC_FAILED_PRECONDITION for bytes that are no set, or one that contradicts itself or
 * refers to what it lacks.
 */
enum rpc_code registry_create_dynamic(struct span descriptor_set, struct registry **ret_registry,
                                      struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Initialises a message of any registry; the descriptors of a dynamic one have no message_init. */
void registry_message_init(const ProtobufCMessageDescriptor *descriptor, void *message);
void registry_destroy(struct registry *registry);

/* A rule's verb of HTTP, GET or a custom one's kind, and its template; NULL where it has none. */
const char *registry_rule_verb(const Google__Api__HttpRule *rule, const char **ret_template);

size_t registry_method_count(const struct registry *registry);
/* By index; lives as long as the registry. */
const struct registry_method *registry_method_at(const struct registry *registry, size_t index);
/* By full name, `lotcast.v1.Auth/LogIn` (len bytes, no NUL needed); NULL if there is none. */
const struct registry_method *registry_method_find(const struct registry *registry,
                                                   struct span name);
/* Whether a method's .proto names the reason among those it may answer. */
bool registry_method_declares(const struct registry_method *method, Lotcast__V1__Reason reason);
/*
 * Whether an answer of the method may have the reason: a declared one, or one that methods of its
 * kind answer without declaring it (rpc_reason.scope): what is in the way of any call (UNAVAILABLE,
 * DEADLINE_EXCEEDED, INTERNAL, INVALID_ARGUMENT of a parameter or field), what its access rule
 * refuses, and, with a route, what the facade refuses before it calls. A reason that is said of a
 * path alone, METHOD_NOT_ALLOWED, is no method's.
 */
bool registry_method_may_answer(const struct registry_method *method, Lotcast__V1__Reason reason);
/* By full name, `lotcast.v1.ItemRecord`; NULL if there is none. */
const struct registry_message *registry_message_find(const struct registry *registry,
                                                     const char *name);
/* By C descriptor; NULL if the sources do not reach it. */
const struct registry_message *registry_message_of(const struct registry *registry,
                                                   const ProtobufCMessageDescriptor *descriptor);
/* Records, in order of their table ids. */
size_t registry_table_count(const struct registry *registry);
const struct registry_message *registry_table_at(const struct registry *registry, size_t index);
/* By table id; NULL if there is none. */
const struct registry_message *registry_table_find(const struct registry *registry, uint32_t id);
/* The parsed descriptor set, for reflection and documents. Lives as long as the registry. */
const Google__Protobuf__FileDescriptorSet *registry_descriptor_set(const struct registry *registry);
/* The bytes that it was made of; its files in the order of the parsed set's. */
struct span registry_packed_set(const struct registry *registry);
/* A 64-bit FNV-1a of the packed descriptor set: the contract's fingerprint. */
uint64_t registry_fingerprint(const struct registry *registry);

#endif
