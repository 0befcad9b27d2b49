/*
 * Messages from bytes that came from outside.
 */
#ifndef RPC_UNPACK_H
#define RPC_UNPACK_H

#include "rpc/base/arena.h"
#include "rpc/base/span.h"
#include "rpc/status.h"

/*
 * Unpacks into the arena with a limit on depth and on expansion; nothing of the message points into
 * `packed`. A message that comes in pieces is merged. RPC_INVALID_ARGUMENT if the bytes are not
 * that message or hold a NUL or bad UTF-8 in a string; RPC_RESOURCE_EXHAUSTED beyond the arena.
 */
enum rpc_code rpc_message_unpack(const ProtobufCMessageDescriptor *descriptor, struct span packed,
                                 struct arena *arena, ProtobufCMessage **ret_message,
                                 struct rpc_status *status) __attribute__((warn_unused_result));

#endif
