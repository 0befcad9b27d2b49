/*
 * A webhook's header and body: the input is the header up to the first newline, then the body. What
 * is believed has a time within the tolerance; what is read as an event has an id.
 */
#include <stdlib.h>
#include <string.h>

#include "clients/stripe/stripe.h"

#define ARENA_BYTES ((size_t)64 * 1024 * 1024)
#define NOW_MS (INT64_C(1700000000) * 1000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct stripe_options options = {NULL, "", "", "whsec_x"};
    struct stripe_event event;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct stripe_client *client = stripe_client_create(&options);
    const uint8_t *newline = size == 0 ? NULL : memchr(data, '\n', size);
    size_t header_len = newline == NULL ? size : (size_t)(newline - data);
    struct span body =
        newline == NULL ? span_of("", 0) : span_of(newline + 1, size - header_len - 1);
    const char *header = arena_strndup(&arena, data, header_len);
    if (client == NULL || header == NULL)
        abort();
    bool now = stripe_signature_valid(client, header, body, NOW_MS);
    bool later = stripe_signature_valid(client, header, body, NOW_MS + INT64_C(601) * 1000);
    if (now && later)
        abort();
    if (stripe_event_parse(body, &arena, &event) &&
        (event.id[0] == '\0' || event.payment_intent == NULL || event.session.id == NULL))
        abort();
    stripe_client_destroy(client);
    arena_fini(&arena);
    return 0;
}
