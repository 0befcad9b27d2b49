/*
 * The real descriptor set, to be broken: it is unpacked, one thing in it is changed, and the
 * registry must name it.
 */
#ifndef TEST_UNIT_RPC_REGISTRY_FIXTURE_H
#define TEST_UNIT_RPC_REGISTRY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/registry.h"

/* Our options' field numbers. */
#define OPTION_HTTP 72295728u
#define OPTION_METHOD 51001u
#define OPTION_TABLE 51002u
#define OPTION_FIELD 51003u

/* A descriptor set that can be changed, and the sources that go with it. */
struct broken {
    struct arena arena;
    Google__Protobuf__FileDescriptorSet *set;
    struct registry_sources sources;
};

void broken_begin(struct broken *broken);
/* Makes a registry of what is broken, and ends. */
enum rpc_code broken_finish(struct broken *broken, struct rpc_status *status);
/* The same; the registry must be refused with a message that names the culprit. */
void broken_refuse(struct broken *broken, const char *culprit);

/* These fail the test where there is none of that name. */
Google__Protobuf__DescriptorProto *broken_message(struct broken *broken, const char *name);
Google__Protobuf__FieldDescriptorProto *broken_field(struct broken *broken, const char *message,
                                                     const char *name);
Google__Protobuf__ServiceDescriptorProto *broken_service(struct broken *broken, const char *name);
Google__Protobuf__MethodDescriptorProto *broken_method(struct broken *broken, const char *service,
                                                       const char *name);
ProtobufCMessage *broken_options(struct broken *broken, const char *service, const char *method);

void broken_drop_option(ProtobufCMessage *options, uint32_t tag);
/* Add an option, behind what is there: it is merged with that. */
void broken_add_raw_option(struct broken *broken, ProtobufCMessage *options, uint32_t tag,
                           ProtobufCWireType wire_type, const void *data, size_t len);
void broken_add_option(struct broken *broken, ProtobufCMessage *options, uint32_t tag,
                       const ProtobufCMessage *value);

#endif
