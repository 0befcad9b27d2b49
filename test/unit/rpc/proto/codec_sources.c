#include "test/unit/rpc/proto/codec_sources.h"

extern const unsigned char codec_descriptor_set[];
extern const size_t codec_descriptor_set_len;

static const ProtobufCMessageDescriptor *const messages[] = {
    &lotcast__test__v1__scalars__descriptor,  &lotcast__test__v1__lists__descriptor,
    &lotcast__test__v1__inner__descriptor,    &lotcast__test__v1__wrappers__descriptor,
    &lotcast__test__v1__maps__descriptor,     &lotcast__test__v1__choice__descriptor,
    &lotcast__test__v1__decimals__descriptor, &lotcast__test__v1__secrets__descriptor,
    &lotcast__test__v1__deep__descriptor,     &lotcast__test__v1__names__descriptor,
    &lotcast__test__v1__known__descriptor,
};

struct registry_sources codec_sources_get(void)
{
    return (struct registry_sources){
        .descriptor_set = {codec_descriptor_set, codec_descriptor_set_len},
        .messages = messages,
        .message_count = sizeof messages / sizeof messages[0],
    };
}
