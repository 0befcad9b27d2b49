/*
 * Random messages of any type, from a seed: the same ones in every run. Any thread.
 */
#ifndef TEST_UNIT_RPC_RANDOM_MESSAGE_H
#define TEST_UNIT_RPC_RANDOM_MESSAGE_H

#include "rpc/base/arena.h"

/* A message whose sub-messages nest a few deep. Of a type that protoc-c has made. */
ProtobufCMessage *random_message(const ProtobufCMessageDescriptor *type, uint64_t *seed,
                                 struct arena *arena);
/* A message packed. */
struct span random_message_pack(const ProtobufCMessage *message, struct arena *arena);

#endif
