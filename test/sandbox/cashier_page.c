/*
 * The page to pay at, and the control endpoints.
 */
#include <stdio.h>
#include <stdlib.h>

#include "test/sandbox/cashier.h"

static const char page_begin[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
    "<title>Checkout (sandbox)</title><style>"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:4rem auto;padding:0 1rem}"
    "button{font:inherit;padding:.6rem 1.2rem;margin-right:.6rem}</style></head><body>"
    "<p>Sandbox: no money moves here.</p>\n";

static void print_open(const struct cashier_session *session, struct exchange *x)
{
    (void)buffer_append_string(&x->answer, "<h1>");
    html_append(&x->answer, session->product_name);
    (void)buffer_printf(&x->answer, "</h1>\n<p><strong>%lld.%02lld ",
                        (long long)session->amount_total / 100,
                        (long long)session->amount_total % 100);
    html_append(&x->answer, session->currency);
    (void)buffer_append_string(&x->answer, "</strong></p>\n<p>");
    html_append(&x->answer, session->customer_email);
    (void)buffer_printf(&x->answer,
                        "</p>\n<form method=\"post\" action=\"/c/pay/%s/confirm\">"
                        "<button name=\"method\" value=\"card\">Pay</button>"
                        "<button name=\"method\" value=\"delayed\">Pay by bank</button>",
                        session->id);
    if (session->cancel_url[0] != '\0') {
        (void)buffer_append_string(&x->answer, "<a href=\"");
        html_append(&x->answer, session->cancel_url);
        (void)buffer_append_string(&x->answer, "\">Cancel</a>");
    }
    (void)buffer_append_string(&x->answer, "</form>\n");
}

/* Where the browser goes once it has paid: the template's session id filled in. */
static const char *success_url(const struct cashier_session *session, struct exchange *x)
{
    static const char template[] = "{CHECKOUT_SESSION_ID}";
    const char *at = strstr(session->success_url, template);
    if (at == NULL)
        return exchange_printf(x, "%s", session->success_url);
    return exchange_printf(x, "%.*s%s%s", (int)(at - session->success_url), session->success_url,
                           session->id, at + strlen(template));
}

static void confirm(struct cashier *cashier, struct cashier_session *session, struct exchange *x)
{
    const char *method = exchange_param_text(x, "method");
    if (session->status == CASHIER_EXPIRED) {
        x->status = 400;
        (void)buffer_append_string(&x->answer, "<p>This session has expired.</p>");
        return;
    }
    if (session->status == CASHIER_OPEN)
        cashier_pay(cashier, session, method != NULL && strcmp(method, "delayed") == 0);
    exchange_redirect(x, success_url(session, x));
}

/* /c/pay/ID and /c/pay/ID/confirm */
void cashier_page(struct cashier *cashier, struct exchange *x)
{
    const char *at = x->path + strlen("/c/pay/");
    size_t len = strcspn(at, "/");
    const char *id = exchange_printf(x, "%.*s", (int)len, at);
    bool confirming = strcmp(at + len, "/confirm") == 0 && strcmp(x->method, "POST") == 0;
    x->content_type = "text/html; charset=utf-8";
    (void)pthread_mutex_lock(&cashier->lock);
    struct cashier_session *session = cashier_session_find(cashier, id);
    if (session == NULL || (!confirming && at[len] != '\0')) {
        x->status = 404;
        (void)buffer_append_string(&x->answer, "<p>There is no such session.</p>");
    } else if (confirming) {
        confirm(cashier, session, x);
    } else {
        (void)buffer_append_string(&x->answer, page_begin);
        if (session->status == CASHIER_OPEN)
            print_open(session, x);
        else
            (void)buffer_append_string(&x->answer, "<p>This session is over.</p>");
        (void)buffer_append_string(&x->answer, "</body></html>\n");
    }
    (void)pthread_mutex_unlock(&cashier->lock);
}

/* --- control --- */

/* The session that a control request names, by its id or its payment_intent. */
static struct cashier_session *named_session(struct cashier *cashier, struct exchange *x)
{
    const char *id = exchange_param_text(x, "session");
    const char *payment = exchange_param_text(x, "payment_intent");
    return id != NULL ? cashier_session_find(cashier, id) : cashier_payment_find(cashier, payment);
}

static struct cashier_dispute *named_dispute(struct cashier *cashier, struct exchange *x)
{
    const char *id = exchange_param_text(x, "dispute");
    struct cashier_dispute *dispute = cashier->disputes;
    while (dispute != NULL && (id == NULL || strcmp(dispute->id, id) != 0))
        dispute = dispute->next;
    return dispute;
}

static bool control_webhook(struct cashier *cashier, struct exchange *x)
{
    const char *url = exchange_param_text(x, "url");
    const char *hold = exchange_param_text(x, "hold");
    if (url != NULL)
        cashier_set_webhook(cashier, url);
    (void)pthread_mutex_lock(&cashier->lock);
    if (hold != NULL)
        cashier->held = strcmp(hold, "true") == 0;
    (void)pthread_cond_signal(&cashier->wake);
    (void)pthread_mutex_unlock(&cashier->lock);
    return true;
}

static bool control_payment(struct cashier *cashier, struct exchange *x, const char *name)
{
    struct cashier_session *session = named_session(cashier, x);
    const char *text = exchange_param_text(x, "status");
    if (session == NULL)
        return false;
    if (strcmp(name, "stripe_pay") == 0 && session->status == CASHIER_OPEN)
        cashier_pay(cashier, session, text != NULL && strcmp(text, "delayed") == 0);
    else if (strcmp(name, "stripe_settle") == 0 && session->status == CASHIER_COMPLETE)
        cashier_settle(cashier, session, text == NULL || strcmp(text, "failed") != 0);
    else if (strcmp(name, "stripe_expire") == 0 && session->status == CASHIER_OPEN)
        cashier_expire(cashier, session);
    else if (strcmp(name, "stripe_refund") == 0)
        return cashier_refund(
            cashier, session,
            control_param_integer(x, "amount", session->amount_total - session->amount_refunded));
    else if (strcmp(name, "stripe_dispute") == 0 && session->paid) {
        const struct cashier_dispute *dispute = cashier_dispute_open(
            cashier, session, control_param_integer(x, "amount", session->amount_total),
            text == NULL ? "needs_response" : text);
        (void)buffer_printf(&x->answer, "{\"success\":true,\"dispute\":\"%s\"}", dispute->id);
    } else
        return false;
    return true;
}

static bool control_close(struct cashier *cashier, struct exchange *x)
{
    struct cashier_dispute *dispute = named_dispute(cashier, x);
    const char *status = exchange_param_text(x, "status");
    if (dispute == NULL || status == NULL)
        return false;
    cashier_dispute_close(cashier, dispute, status);
    return true;
}

static void control_events(const struct cashier *cashier, struct exchange *x)
{
    (void)buffer_append_string(&x->answer, "{\"events\":[");
    for (const struct cashier_event *event = cashier->events; event != NULL; event = event->next)
        (void)buffer_printf(&x->answer,
                            "%s{\"id\":\"%s\",\"type\":\"%s\",\"deliveries\":%lld,"
                            "\"last_status\":%lld,\"delivered\":%s}",
                            event == cashier->events ? "" : ",", event->id, event->type,
                            (long long)event->deliveries, (long long)event->last_status,
                            event->delivered ? "true" : "false");
    (void)buffer_append_string(&x->answer, "]}");
}

bool cashier_control(struct cashier *cashier, struct exchange *x)
{
    const char *name = x->path + strlen("/_control/");
    bool done = true;
    x->content_type = "application/json";
    if (strncmp(name, "stripe_", strlen("stripe_")) != 0)
        return false;
    if (strcmp(name, "stripe_webhook") == 0) {
        (void)control_webhook(cashier, x);
    } else if (strcmp(name, "stripe_deliver") == 0) {
        const char *id = exchange_param_text(x, "event");
        int64_t status =
            cashier_deliver(cashier, id == NULL ? "" : id, control_param_integer(x, "shift_s", 0));
        (void)buffer_printf(&x->answer, "{\"success\":true,\"status\":%lld}", (long long)status);
    } else {
        (void)pthread_mutex_lock(&cashier->lock);
        if (strcmp(name, "stripe_events") == 0)
            control_events(cashier, x);
        else if (strcmp(name, "stripe_dispute_close") == 0)
            done = control_close(cashier, x);
        else
            done = control_payment(cashier, x, name);
        (void)pthread_mutex_unlock(&cashier->lock);
    }
    if (!done)
        x->status = 400;
    if (x->answer.len == 0)
        (void)buffer_append_string(&x->answer, done ? "{\"success\":true}" : "{\"success\":false}");
    return true;
}
