#include "clients/stripe/stripe.h"

#include <stdio.h>
#include <stdlib.h>

#include "clients/stripe/internal.h"

/* Longest id of an object of Stripe's, in bytes. */
#define ID_BYTES_MAX 255
#define AMOUNT_BYTES 24

struct stripe_client *stripe_client_create(const struct stripe_options *options)
{
    struct stripe_client *client = calloc(1, sizeof *client);
    if (client != NULL)
        client->options = *options;
    return client;
}

void stripe_client_destroy(struct stripe_client *client)
{
    free(client);
}

bool stripe_client_configured(const struct stripe_client *client)
{
    return client != NULL && client->options.secret_key[0] != '\0';
}

bool stripe_client_has_webhook_secret(const struct stripe_client *client)
{
    return client != NULL && client->options.webhook_secret[0] != '\0';
}

bool stripe_client_livemode(const struct stripe_client *client)
{
    const char *key = client == NULL ? "" : client->options.secret_key;
    return strncmp(key, "sk_live_", 8) == 0 || strncmp(key, "rk_live_", 8) == 0;
}

static const char *text_or_empty(const struct json_tree *object, const char *name)
{
    const char *text = json_tree_get_text(object, name);
    return text == NULL ? "" : text;
}

bool stripe__session_read(const struct json_tree *object, struct stripe_session *ret_session)
{
    struct stripe_session session = {
        .id = text_or_empty(object, "id"),
        .url = text_or_empty(object, "url"),
        .mode = text_or_empty(object, "mode"),
        .status = text_or_empty(object, "status"),
        .payment_status = text_or_empty(object, "payment_status"),
        .amount_total = -1,
        .currency = text_or_empty(object, "currency"),
        .payment_intent = text_or_empty(object, "payment_intent"),
        .client_reference_id = text_or_empty(object, "client_reference_id"),
        .purchase_id = text_or_empty(json_tree_get(object, "metadata"), "purchaseId"),
        .livemode = json_tree_true(json_tree_get(object, "livemode")),
    };
    int64_t amount;
    if (json_tree_integer(json_tree_get(object, "amount_total"), &amount))
        session.amount_total = amount;
    *ret_session = session;
    return session.id[0] != '\0';
}

static enum rpc_code session_call(struct stripe_client *client, struct rpc_context *context,
                                  struct stripe__request *request,
                                  struct stripe_session *ret_session, struct rpc_status *status)
{
    const struct json_tree *answer = NULL;
    struct stripe_session session;
    enum rpc_code code = stripe__call(client, context, request, &answer, status);
    if (code != RPC_OK)
        return code;
    if (!stripe__session_read(answer, &session))
        return stripe__fail(RPC_UNAVAILABLE, status);
    *ret_session = session;
    return RPC_OK;
}

static void lower_case(const char *text, char lower[static 4])
{
    size_t at = 0;
    for (; at < 3 && text[at] != '\0'; at++)
        lower[at] = text[at] >= 'A' && text[at] <= 'Z' ? (char)(text[at] - 'A' + 'a') : text[at];
    lower[at] = '\0';
}

enum rpc_code stripe_session_create(struct stripe_client *client, struct rpc_context *context,
                                    const struct stripe_checkout *checkout,
                                    struct stripe_session *ret_session, struct rpc_status *status)
{
    char amount[AMOUNT_BYTES];
    char currency[4];
    struct stripe__request request;
    (void)snprintf(amount, sizeof amount, "%lld", (long long)checkout->amount);
    lower_case(checkout->currency, currency);
    stripe__request_init(&request, HTTP_POST, "checkout/sessions");
    request.idempotency_key = checkout->idempotency_key;
    stripe__param(&request, "mode", "payment");
    stripe__param(&request, "client_reference_id", checkout->client_reference_id);
    if (checkout->customer_email[0] != '\0')
        stripe__param(&request, "customer_email", checkout->customer_email);
    stripe__param(&request, "success_url", checkout->success_url);
    stripe__param(&request, "cancel_url", checkout->cancel_url);
    stripe__param(&request, "line_items[0][price_data][currency]", currency);
    stripe__param(&request, "line_items[0][price_data][unit_amount]", amount);
    stripe__param(&request, "line_items[0][price_data][product_data][name]",
                  checkout->product_name);
    stripe__param(&request, "line_items[0][quantity]", "1");
    stripe__param(&request, "metadata[purchaseId]", checkout->purchase_id);
    stripe__param(&request, "payment_intent_data[metadata][purchaseId]", checkout->purchase_id);
    return session_call(client, context, &request, ret_session, status);
}

/* Whether it can be an id: it must not be able to change the path. */
static bool is_id(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > ID_BYTES_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '_')
            return false;
    }
    return true;
}

enum rpc_code stripe_session_get(struct stripe_client *client, struct rpc_context *context,
                                 const char *id, struct stripe_session *ret_session,
                                 struct rpc_status *status)
{
    struct stripe__request request;
    if (!is_id(id))
        return stripe__fail(RPC_NOT_FOUND, status);
    const char *path = arena_printf(context->arena, "checkout/sessions/%s", id);
    if (path == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
    stripe__request_init(&request, HTTP_GET, path);
    return session_call(client, context, &request, ret_session, status);
}
