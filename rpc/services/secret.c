#include "rpc/services/secret.h"

#include <sodium.h>
#include <string.h>

_Static_assert(SERVICES_SECRET_KEY_BYTES == crypto_secretbox_KEYBYTES, "the box's key");

enum rpc_code secret_seal(const struct services *services, const char *text, struct arena *arena,
                          ProtobufCBinaryData *ret_sealed)
{
    size_t len = strlen(text);
    size_t sealed_len = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + len;
    uint8_t *sealed = arena_alloc(arena, sealed_len);
    if (sealed == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    randombytes_buf(sealed, crypto_secretbox_NONCEBYTES);
    (void)crypto_secretbox_easy(sealed + crypto_secretbox_NONCEBYTES, (const uint8_t *)text, len,
                                sealed, services->options.secret_key);
    *ret_sealed = (ProtobufCBinaryData){.len = sealed_len, .data = sealed};
    return RPC_OK;
}

enum rpc_code secret_open(const struct services *services, ProtobufCBinaryData sealed,
                          struct arena *arena, const char **ret_text)
{
    size_t overhead = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;
    if (sealed.len < overhead)
        return RPC_DATA_LOSS;
    char *text = arena_alloc(arena, sealed.len - overhead + 1);
    if (text == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    if (crypto_secretbox_open_easy((uint8_t *)text, sealed.data + crypto_secretbox_NONCEBYTES,
                                   sealed.len - crypto_secretbox_NONCEBYTES, sealed.data,
                                   services->options.secret_key) != 0)
        return RPC_DATA_LOSS;
    text[sealed.len - overhead] = '\0';
    *ret_text = text;
    return RPC_OK;
}
