/*
 * google.protobuf.Any: the message that it holds, by its type URL, packed.
 */
#include <string.h>

#include "rpc/json_internal.h"

const struct json__plan *json__any_plan(const struct json_codec *codec, struct span url)
{
    const uint8_t *slash = url.len == 0 ? NULL : memrchr(url.data, '/', url.len);
    if (slash == NULL)
        return NULL;
    struct span name = {slash + 1, url.len - (size_t)(slash + 1 - url.data)};
    for (size_t i = 0; i < codec->plan_count; i++) {
        if (span_equal_string(name, codec->plans[i].message->name))
            return &codec->plans[i];
    }
    return NULL;
}

enum rpc_code json__any_pack(const struct json__plan *plan, ProtobufCMessage *any, struct span url,
                             const ProtobufCMessage *inner, struct arena *arena)
{
    char *type_url = arena_strndup(arena, url.data, url.len);
    ProtobufCBinaryData value = {protobuf_c_message_get_packed_size(inner), NULL};
    value.data = arena_alloc(arena, value.len);
    if (type_url == NULL || value.data == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    (void)protobuf_c_message_pack(inner, value.data);
    memcpy(json__member(any, plan->fields[0].offset), &type_url, sizeof type_url);
    memcpy(json__member(any, plan->fields[1].offset), &value, sizeof value);
    return RPC_OK;
}
