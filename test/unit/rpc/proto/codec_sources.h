/*
 * A registry's sources for the codec's test messages.
 */
#ifndef TEST_UNIT_RPC_PROTO_CODEC_SOURCES_H
#define TEST_UNIT_RPC_PROTO_CODEC_SOURCES_H

#include "codec.pb-c.h"
#include "rpc/registry.h"

/* All messages but Wrong and TooFine, which a codec refuses. What it points to is static. */
struct registry_sources codec_sources_get(void);

#endif
