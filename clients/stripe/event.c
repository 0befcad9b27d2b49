/*
 * Stripe's events: whether one is Stripe's, and what it says. Nothing of a body is read before its
 * signature is known to be good.
 */
#include <sodium.h>
#include <stdlib.h>

#include "clients/stripe/internal.h"

/* Longest header that is looked at, and signatures in it at most. */
#define HEADER_BYTES_MAX 4096
#define SIGNATURES_MAX 16
#define SIGNATURE_HEX_BYTES (crypto_auth_hmacsha256_BYTES * 2)
/* Digits of a time at most: keeps it far from overflow. */
#define TIME_DIGITS_MAX 12

struct signature_header {
    int64_t time_s;
    const char *time_text;
    size_t time_len; /* 0: there is none */
    const char *signatures[SIGNATURES_MAX];
    size_t count;
};

static bool read_time(const char *text, size_t len, int64_t *ret_time_s)
{
    int64_t time_s = 0;
    if (len == 0 || len > TIME_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        time_s = time_s * 10 + (text[i] - '0');
    }
    *ret_time_s = time_s;
    return true;
}

/* One "name=value" of the header. Other schemes (v0) are passed over. */
static bool read_pair(const char *text, size_t len, struct signature_header *header)
{
    while (len > 0 && *text == ' ') {
        text++;
        len--;
    }
    if (len > 2 && memcmp(text, "t=", 2) == 0) {
        if (header->time_len != 0 || !read_time(text + 2, len - 2, &header->time_s))
            return false;
        header->time_text = text + 2;
        header->time_len = len - 2;
        return true;
    }
    if (len == 3 + SIGNATURE_HEX_BYTES && memcmp(text, "v1=", 3) == 0 &&
        header->count < SIGNATURES_MAX)
        header->signatures[header->count++] = text + 3;
    return true;
}

static bool read_header(const char *text, struct signature_header *ret_header)
{
    struct signature_header header = {0};
    if (strnlen(text, HEADER_BYTES_MAX + 1) > HEADER_BYTES_MAX)
        return false;
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        if (!read_pair(text, len, &header))
            return false;
        text += len + (text[len] == ',' ? 1 : 0);
    }
    *ret_header = header;
    return header.time_len > 0 && header.count > 0;
}

static void sign(const char *secret, const struct signature_header *header, struct span body,
                 char hex[static SIGNATURE_HEX_BYTES + 1])
{
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    (void)crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret, strlen(secret));
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)header->time_text,
                                        header->time_len);
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)".", 1);
    (void)crypto_auth_hmacsha256_update(&state, body.data, body.len);
    (void)crypto_auth_hmacsha256_final(&state, mac);
    (void)sodium_bin2hex(hex, SIGNATURE_HEX_BYTES + 1, mac, sizeof mac);
    sodium_memzero(&state, sizeof state);
}

bool stripe_signature_valid(const struct stripe_client *client, const char *header_text,
                            struct span body, int64_t now_ms)
{
    struct signature_header header;
    char wanted[SIGNATURE_HEX_BYTES + 1];
    int valid = 0;
    if (!stripe_client_has_webhook_secret(client) || header_text == NULL ||
        !read_header(header_text, &header))
        return false;
    /* Whole seconds, as the signer's clock has them. */
    int64_t off_s = now_ms / 1000 - header.time_s;
    if (off_s > STRIPE_TOLERANCE_S || off_s < -STRIPE_TOLERANCE_S)
        return false;
    sign(client->options.webhook_secret, &header, body, wanted);
    for (size_t i = 0; i < header.count; i++)
        valid |= sodium_memcmp(wanted, header.signatures[i], SIGNATURE_HEX_BYTES) == 0;
    sodium_memzero(wanted, sizeof wanted);
    return valid != 0;
}

static enum stripe_event_kind kind_of(const char *type)
{
    static const struct {
        const char *type;
        enum stripe_event_kind kind;
    } rows[] = {
        {"checkout.session.completed", STRIPE_EVENT_SESSION_COMPLETED},
        {"checkout.session.async_payment_succeeded", STRIPE_EVENT_SESSION_PAID},
        {"checkout.session.async_payment_failed", STRIPE_EVENT_SESSION_FAILED},
        {"checkout.session.expired", STRIPE_EVENT_SESSION_EXPIRED},
        {"charge.refunded", STRIPE_EVENT_REFUNDED},
        {"charge.dispute.created", STRIPE_EVENT_DISPUTE_CREATED},
        {"charge.dispute.closed", STRIPE_EVENT_DISPUTE_CLOSED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(type, rows[i].type) == 0)
            return rows[i].kind;
    return STRIPE_EVENT_OTHER;
}

static const char *text_or_empty(const struct json_tree *object, const char *name)
{
    const char *text = json_tree_get_text(object, name);
    return text == NULL ? "" : text;
}

static int64_t integer_or_none(const struct json_tree *object, const char *name)
{
    int64_t value;
    return json_tree_integer(json_tree_get(object, name), &value) && value >= 0 ? value : -1;
}

bool stripe_event_parse(struct span body, struct arena *arena, struct stripe_event *ret_event)
{
    const struct json_tree *tree = NULL;
    if (!json_tree_parse(body, arena, &tree) || tree->kind != JSON_TREE_OBJECT)
        return false;
    const struct json_tree *object = json_tree_get(json_tree_get(tree, "data"), "object");
    struct stripe_event event = {
        .kind = kind_of(text_or_empty(tree, "type")),
        .id = text_or_empty(tree, "id"),
        .livemode = json_tree_true(json_tree_get(tree, "livemode")),
        .object_id = text_or_empty(object, "id"),
        .payment_intent = text_or_empty(object, "payment_intent"),
        .currency = text_or_empty(object, "currency"),
        .amount = integer_or_none(object, "amount"),
        .amount_refunded = integer_or_none(object, "amount_refunded"),
        .status = text_or_empty(object, "status"),
    };
    (void)stripe__session_read(object, &event.session);
    *ret_event = event;
    return event.id[0] != '\0';
}
