/*
 * Billing/ReceiveStripeEvent: Stripe's webhook. A 2xx says that what the event means is durable, or
 * that it means nothing to us; anything else makes Stripe send it again.
 */
#include "google/api/httpbody.pb-c.h"
#include "lotcast/v1/billing.pb-c.h"

#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/services/billing.h"
#include "rpc/services/payment.h"

/* The header, as the facade passes it on. */
#define SIGNATURE_METADATA "stripe-signature"

static enum rpc_code apply(struct services *services, struct rpc_context *context,
                           const struct stripe_event *event, struct span body,
                           struct rpc_status *status)
{
    struct stripe_session session = event->session;
    /* Either says which mode it is of. */
    session.livemode = event->livemode || session.livemode;
    switch (event->kind) {
    case STRIPE_EVENT_SESSION_COMPLETED:
        if (strcmp(session.payment_status, "unpaid") == 0)
            return RPC_OK; /* by bank: it stays pending until another event */
        return payment_fulfil(services, context, &session, PAYMENT_PAID, status);
    case STRIPE_EVENT_SESSION_PAID:
        return payment_fulfil(services, context, &session, PAYMENT_PAID, status);
    case STRIPE_EVENT_SESSION_FAILED:
    case STRIPE_EVENT_SESSION_EXPIRED:
        return payment_fulfil(services, context, &session, PAYMENT_FAILED, status);
    case STRIPE_EVENT_REFUNDED:
    case STRIPE_EVENT_DISPUTE_CREATED:
    case STRIPE_EVENT_DISPUTE_CLOSED:
        return payment_charge_event(services, context, event, body, status);
    case STRIPE_EVENT_OTHER:
        break;
    }
    return RPC_OK;
}

enum rpc_code billing_stripe_event(struct rpc_server_call *call, const void *request_message,
                                   void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const Google__Api__HttpBody *request = request_message;
    Lotcast__V1__ReceiveStripeEventResponse *response = response_message;
    struct span body = span_of(request->data.data, request->data.len);
    struct stripe_event event;
    if (!stripe_client_has_webhook_secret(services->options.stripe))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_UNAVAILABLE, NULL);
    if (!stripe_signature_valid(services->options.stripe,
                                rpc_server_call_metadata(call, SIGNATURE_METADATA), body,
                                clock_now_ms()))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_SIGNATURE, NULL);
    if (!stripe_event_parse(body, context->arena, &event))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_JSON, NULL);
    enum rpc_code code = apply(services, context, &event, body, status);
    if (code != RPC_OK) {
        log_event(LOG_LEVEL_WARN, "stripe_event_failed", log_text("event", event.id),
                  log_text("code", rpc_code_name(code)),
                  log_text("request_id", context->request_id));
        return code;
    }
    response->received = true;
    return RPC_OK;
}
