#include "rpc/services/secret.h"

#include <sodium.h>
#include <string.h>

_Static_assert(SERVICES_SECRET_KEY_BYTES == crypto_secretbox_KEYBYTES, "the box's key");

/* The first byte of what names its key; a nonce may begin with it too. */
#define FORM_WITH_ID 1
#define HEAD_BYTES (1 + KEYRING_ID_BYTES)
#define BOX_OVERHEAD (crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES)

enum rpc_code secret_seal_with(const struct keyring_key *key, const char *text, struct arena *arena,
                               ProtobufCBinaryData *ret_sealed)
{
    size_t len = strlen(text);
    size_t sealed_len = HEAD_BYTES + BOX_OVERHEAD + len;
    uint8_t *sealed = arena_alloc(arena, sealed_len);
    if (sealed == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    uint8_t *nonce = sealed + HEAD_BYTES;
    sealed[0] = FORM_WITH_ID;
    memcpy(sealed + 1, key->id, KEYRING_ID_BYTES);
    randombytes_buf(nonce, crypto_secretbox_NONCEBYTES);
    (void)crypto_secretbox_easy(nonce + crypto_secretbox_NONCEBYTES, (const uint8_t *)text, len,
                                nonce, key->bytes);
    *ret_sealed = (ProtobufCBinaryData){.len = sealed_len, .data = sealed};
    return RPC_OK;
}

bool secret_names(ProtobufCBinaryData sealed, const struct keyring_key *key)
{
    return sealed.len >= HEAD_BYTES + BOX_OVERHEAD && sealed.data[0] == FORM_WITH_ID &&
           memcmp(sealed.data + 1, key->id, KEYRING_ID_BYTES) == 0;
}

/* Opens a nonce and a box into `text`, which has room. */
static bool box_open(const struct keyring_key *key, const uint8_t *box, size_t len, char *text)
{
    if (len < BOX_OVERHEAD ||
        crypto_secretbox_open_easy((uint8_t *)text, box + crypto_secretbox_NONCEBYTES,
                                   len - crypto_secretbox_NONCEBYTES, box, key->bytes) != 0)
        return false;
    text[len - BOX_OVERHEAD] = '\0';
    return true;
}

enum rpc_code secret_open_with(const struct keyring_view *view, ProtobufCBinaryData sealed,
                               struct arena *arena, const char **ret_text,
                               const struct keyring_key **ret_key)
{
    char *text = arena_alloc(arena, sealed.len + 1);
    if (text == NULL)
        return RPC_RESOURCE_EXHAUSTED;
    for (size_t i = 0; i < view->count; i++) {
        const struct keyring_key *key = &view->keys[i];
        if ((secret_names(sealed, key) &&
             box_open(key, sealed.data + HEAD_BYTES, sealed.len - HEAD_BYTES, text)) ||
            box_open(key, sealed.data, sealed.len, text)) {
            *ret_text = text;
            *ret_key = key;
            return RPC_OK;
        }
    }
    return RPC_DATA_LOSS;
}

enum rpc_code secret_seal(const struct services *services, const char *text, struct arena *arena,
                          ProtobufCBinaryData *ret_sealed)
{
    struct keyring_view view;
    keyring_look(services->keyring, &view);
    enum rpc_code code = secret_seal_with(&view.keys[0], text, arena, ret_sealed);
    keyring_wipe(&view);
    return code;
}

enum rpc_code secret_open(const struct services *services, ProtobufCBinaryData sealed,
                          struct arena *arena, const char **ret_text)
{
    struct keyring_view view;
    const struct keyring_key *key = NULL;
    keyring_look(services->keyring, &view);
    enum rpc_code code = secret_open_with(&view, sealed, arena, ret_text, &key);
    keyring_wipe(&view);
    return code;
}
