/*
 * Stripe-Signature alone: each `S` that stands in the input is the right signature of its time.
 * What is believed has that signature in it, and a time that is near.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "clients/stripe/stripe.h"
#include "rpc/base/arena.h"

#define NOW_S INT64_C(1700000000)
#define NOW_TEXT "1700000000"
#define SECRET "whsec_x"
#define BODY "{\"id\":\"evt_1\"}"
#define INPUT_BYTES_MAX 8192
#define SIGNATURE_BYTES (crypto_auth_hmacsha256_BYTES * 2 + 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sign(char signature[static SIGNATURE_BYTES])
{
    static const char text[] = NOW_TEXT "." BODY;
    crypto_auth_hmacsha256_state state;
    uint8_t hash[crypto_auth_hmacsha256_BYTES];
    (void)crypto_auth_hmacsha256_init(&state, (const uint8_t *)SECRET, sizeof SECRET - 1);
    (void)crypto_auth_hmacsha256_update(&state, (const uint8_t *)text, sizeof text - 1);
    (void)crypto_auth_hmacsha256_final(&state, hash);
    (void)sodium_bin2hex(signature, SIGNATURE_BYTES, hash, sizeof hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stripe_options options = {NULL, "", "", SECRET};
    char signature[SIGNATURE_BYTES];
    struct arena arena;
    if (size > INPUT_BYTES_MAX)
        return 0;
    arena_init(&arena, ARENA_CALL_BYTES_MAX);
    sign(signature);
    char *header = arena_alloc(&arena, size * SIGNATURE_BYTES + 1);
    struct stripe_client *client = stripe_client_create(&options);
    size_t len = 0;
    if (header == NULL || client == NULL)
        abort();
    for (size_t i = 0; i < size && data[i] != '\0'; i++) {
        if (data[i] == 'S') {
            memcpy(header + len, signature, SIGNATURE_BYTES - 1);
            len += SIGNATURE_BYTES - 1;
        } else {
            header[len++] = (char)data[i];
        }
    }
    header[len] = '\0';
    const struct span body = span_of_string(BODY);
    bool valid = stripe_signature_valid(client, header, body, NOW_S * 1000);
    if (valid && (strstr(header, signature) == NULL || strstr(header, "t=" NOW_TEXT) == NULL))
        abort();
    if (stripe_signature_valid(client, header, body, (NOW_S + 301) * 1000) ||
        stripe_signature_valid(client, header, span_of_string(BODY " "), NOW_S * 1000))
        abort();
    stripe_client_destroy(client);
    arena_fini(&arena);
    return 0;
}
