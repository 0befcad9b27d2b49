/*
 * The API: sessions and refunds, form-encoded in, JSON out, with Stripe's errors and idempotency
 * keys.
 */
#include "test/sandbox/cashier.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

/* Stripe takes no less, in minor units. */
#define AMOUNT_MIN 50
#define AMOUNT_MAX 99999999
#define KEY_BYTES_MAX 255
#define REFERENCE_BYTES_MAX 200
#define METADATA_VALUE_BYTES_MAX 500
#define ID_RANDOM_BYTES 16

void cashier_init(struct cashier *cashier, struct control *control)
{
    *cashier = (struct cashier){
        .control = control, .secret_key = "sk_test_sandbox", .webhook_secret = "whsec_sandbox"};
    cashier->events_tail = &cashier->events;
    (void)pthread_mutex_init(&cashier->lock, NULL);
}

char *cashier_dup(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        abort();
    return copy;
}

void cashier_id(const char *prefix, char id[static CASHIER_ID_BYTES])
{
    uint8_t random[ID_RANDOM_BYTES];
    char hex[ID_RANDOM_BYTES * 2 + 1];
    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(hex, sizeof hex, random, sizeof random);
    (void)snprintf(id, CASHIER_ID_BYTES, "%s_%s", prefix, hex);
}

int64_t cashier_now_s(const struct cashier *cashier)
{
    return control_now_ms(cashier->control) / 1000;
}

struct cashier_session *cashier_session_find(struct cashier *cashier, const char *id)
{
    struct cashier_session *session = cashier->sessions;
    while (session != NULL && (id == NULL || strcmp(session->id, id) != 0))
        session = session->next;
    return session;
}

struct cashier_session *cashier_payment_find(struct cashier *cashier, const char *payment_intent)
{
    struct cashier_session *session = cashier->sessions;
    while (session != NULL &&
           (payment_intent == NULL || strcmp(session->payment_intent, payment_intent) != 0))
        session = session->next;
    return session;
}

/* --- errors --- */

static bool fail(struct exchange *x, unsigned status, const char *type, const char *code,
                 const char *param, const char *message)
{
    x->status = status;
    buffer_clear(&x->answer);
    (void)buffer_append_string(&x->answer, "{\"error\":{\"type\":");
    json_tree_print_string(type, &x->answer);
    if (code != NULL) {
        (void)buffer_append_string(&x->answer, ",\"code\":");
        json_tree_print_string(code, &x->answer);
    }
    if (param != NULL) {
        (void)buffer_append_string(&x->answer, ",\"param\":");
        json_tree_print_string(param, &x->answer);
    }
    (void)buffer_append_string(&x->answer, ",\"message\":");
    json_tree_print_string(message, &x->answer);
    (void)buffer_append_string(&x->answer, "}}");
    return false;
}

static bool fail_param(struct exchange *x, const char *code, const char *param, const char *message)
{
    return fail(x, 400, "invalid_request_error", code, param,
                exchange_printf(x, "%s: %s", message, param));
}

/* --- validation --- */

static const char *text_of(struct exchange *x, const char *name)
{
    const char *text = exchange_param_text(x, name);
    return text == NULL ? "" : text;
}

static bool is_url(const char *text)
{
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

/* Whether `name` is one of ours; in it `[N]` is any number. */
static bool is_known(const char *name)
{
    static const char *const whole[] = {"mode",        "client_reference_id", "customer_email",
                                        "success_url", "cancel_url",          "locale",
                                        "submit_type"};
    static const char *const begin[] = {"metadata[", "payment_intent_data[metadata][",
                                        "payment_method_types[", "expand["};
    static const char *const line[] = {"[price_data][currency]", "[price_data][unit_amount]",
                                       "[price_data][product_data][name]",
                                       "[price_data][product_data][description]", "[quantity]"};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        if (strcmp(name, whole[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof begin / sizeof begin[0]; i++)
        if (strncmp(name, begin[i], strlen(begin[i])) == 0)
            return true;
    if (strncmp(name, "line_items[", 11) != 0)
        return false;
    const char *rest = strchr(name, ']');
    for (size_t i = 0; rest != NULL && i < sizeof line / sizeof line[0]; i++)
        if (strcmp(rest + 1, line[i]) == 0)
            return true;
    return false;
}

static bool read_amount(struct exchange *x, const char *name, int64_t *ret_amount)
{
    const char *text = text_of(x, name);
    size_t len = strlen(text);
    if (len == 0)
        return fail_param(x, "parameter_missing", name, "Missing required param");
    if (len > 9 || strspn(text, "0123456789") != len)
        return fail_param(x, "parameter_invalid_integer", name, "Invalid integer");
    *ret_amount = strtoll(text, NULL, 10);
    return true;
}

static bool read_line(struct exchange *x, int line, struct cashier_session *session)
{
    int64_t unit_amount;
    int64_t quantity;
    const char *prefix = exchange_printf(x, "line_items[%d]", line);
    const char *currency_name = exchange_printf(x, "%s[price_data][currency]", prefix);
    const char *product_name = exchange_printf(x, "%s[price_data][product_data][name]", prefix);
    const char *currency = text_of(x, currency_name);
    if (strlen(currency) != 3 || strspn(currency, "abcdefghijklmnopqrstuvwxyz") != 3)
        return fail_param(x, currency[0] == '\0' ? "parameter_missing" : NULL, currency_name,
                          "Invalid currency");
    if (session->currency[0] != '\0' && strcmp(session->currency, currency) != 0)
        return fail_param(x, NULL, currency_name, "All line items must have the same currency");
    memcpy(session->currency, currency, sizeof session->currency);
    if (text_of(x, product_name)[0] == '\0')
        return fail_param(x, "parameter_missing", product_name, "Missing required param");
    if (!read_amount(x, exchange_printf(x, "%s[price_data][unit_amount]", prefix), &unit_amount) ||
        !read_amount(x, exchange_printf(x, "%s[quantity]", prefix), &quantity))
        return false;
    if (quantity == 0)
        return fail_param(x, "parameter_invalid_integer",
                          exchange_printf(x, "%s[quantity]", prefix),
                          "This value must be greater than or equal to 1");
    if (line == 0)
        session->product_name = cashier_dup(text_of(x, product_name));
    session->amount_total += unit_amount * quantity;
    return true;
}

static bool has_line(const struct exchange *x, const char *prefix)
{
    for (const struct param *param = x->params; param != NULL; param = param->next)
        if (strncmp(param->name, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

static bool read_lines(struct exchange *x, struct cashier_session *session)
{
    int line = 0;
    while (line < CASHIER_LINES_MAX && has_line(x, exchange_printf(x, "line_items[%d]", line))) {
        if (!read_line(x, line, session))
            return false;
        line++;
    }
    if (line == 0)
        return fail_param(x, "parameter_missing", "line_items", "Missing required param");
    if (session->amount_total < AMOUNT_MIN)
        return fail(x, 400, "invalid_request_error", "amount_too_small", NULL,
                    "The Checkout Session's total amount must convert to at least 50 cents.");
    if (session->amount_total > AMOUNT_MAX)
        return fail(x, 400, "invalid_request_error", "amount_too_large", NULL,
                    "The Checkout Session's total amount due is too large.");
    return true;
}

static bool read_urls(struct exchange *x, struct cashier_session *session)
{
    const char *success = text_of(x, "success_url");
    const char *cancel = text_of(x, "cancel_url");
    const char *reference = text_of(x, "client_reference_id");
    const char *email = text_of(x, "customer_email");
    if (success[0] == '\0')
        return fail_param(x, "parameter_missing", "success_url", "Missing required param");
    if (!is_url(success))
        return fail_param(x, "url_invalid", "success_url", "Not a valid URL");
    if (cancel[0] != '\0' && !is_url(cancel))
        return fail_param(x, "url_invalid", "cancel_url", "Not a valid URL");
    if (strlen(reference) > REFERENCE_BYTES_MAX)
        return fail_param(x, NULL, "client_reference_id", "Invalid string");
    if (email[0] != '\0' && strchr(email, '@') == NULL)
        return fail_param(x, "email_invalid", "customer_email", "Invalid email address");
    session->success_url = cashier_dup(success);
    session->cancel_url = cashier_dup(cancel);
    session->client_reference_id = cashier_dup(reference);
    session->customer_email = cashier_dup(email);
    return true;
}

/* The parameters PREFIX[key] as a JSON object. */
static char *read_metadata(struct exchange *x, const char *prefix)
{
    struct buffer out;
    size_t len = strlen(prefix);
    buffer_init(&out, EXCHANGE_ANSWER_BYTES_MAX);
    (void)buffer_append_byte(&out, '{');
    for (const struct param *param = x->params; param != NULL; param = param->next) {
        size_t name_len = strlen(param->name);
        if (strncmp(param->name, prefix, len) != 0 || name_len < len + 2)
            continue;
        if (out.len > 1)
            (void)buffer_append_byte(&out, ',');
        json_tree_print_string(
            exchange_printf(x, "%.*s", (int)(name_len - len - 1), param->name + len), &out);
        (void)buffer_append_byte(&out, ':');
        json_tree_print_string(param->text, &out);
    }
    (void)buffer_append_byte(&out, '}');
    char *text = cashier_dup(buffer_cstring(&out));
    buffer_fini(&out);
    return text;
}

static bool check_names(struct exchange *x)
{
    for (const struct param *param = x->params; param != NULL; param = param->next) {
        if (!is_known(param->name))
            return fail_param(x, "parameter_unknown", param->name, "Received unknown parameter");
        if (strstr(param->name, "metadata[") != NULL &&
            strlen(param->text) > METADATA_VALUE_BYTES_MAX)
            return fail_param(x, NULL, param->name,
                              "Metadata values can have up to 500 characters");
    }
    const char *mode = text_of(x, "mode");
    if (mode[0] == '\0')
        return fail_param(x, "parameter_missing", "mode", "Missing required param");
    if (strcmp(mode, "payment") != 0)
        return fail_param(x, NULL, "mode", "The sandbox takes payments only");
    return true;
}

/* --- sessions --- */

static void session_free(struct cashier_session *session)
{
    free(session->success_url);
    free(session->cancel_url);
    free(session->customer_email);
    free(session->client_reference_id);
    free(session->product_name);
    free(session->metadata);
    free(session->payment_metadata);
    free(session);
}

static void session_create(struct cashier *cashier, struct exchange *x)
{
    struct cashier_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        abort();
    if (!check_names(x) || !read_urls(x, session) || !read_lines(x, session)) {
        session_free(session);
        return;
    }
    session->metadata = read_metadata(x, "metadata[");
    session->payment_metadata = read_metadata(x, "payment_intent_data[metadata][");
    cashier_id("cs_test", session->id);
    session->created_s = cashier_now_s(cashier);
    session->next = cashier->sessions;
    cashier->sessions = session;
    cashier_session_print(cashier, session, &x->answer);
}

static void refund_create(struct cashier *cashier, struct exchange *x)
{
    char id[CASHIER_ID_BYTES];
    struct cashier_session *session =
        cashier_payment_find(cashier, exchange_param_text(x, "payment_intent"));
    if (session == NULL || session->payment_intent[0] == '\0') {
        (void)fail(x, 404, "invalid_request_error", "resource_missing", "payment_intent",
                   "No such payment_intent");
        return;
    }
    int64_t left = session->amount_total - session->amount_refunded;
    int64_t amount = control_param_integer(x, "amount", left);
    if (!cashier_refund(cashier, session, amount)) {
        (void)fail(x, 400, "invalid_request_error", "charge_already_refunded", NULL,
                   "The charge has no such amount left to refund.");
        return;
    }
    cashier_id("re", id);
    (void)buffer_printf(&x->answer,
                        "{\"id\":\"%s\",\"object\":\"refund\",\"amount\":%lld,\"charge\":\"%s\","
                        "\"currency\":\"%s\",\"payment_intent\":\"%s\",\"status\":\"succeeded\"}",
                        id, (long long)amount, session->charge, session->currency,
                        session->payment_intent);
}

/* GET ID and POST ID/expire; false for anything else. */
static bool session_call(struct cashier *cashier, struct exchange *x, const char *rest)
{
    size_t len = strcspn(rest, "/");
    bool expiring = strcmp(rest + len, "/expire") == 0 && strcmp(x->method, "POST") == 0;
    bool reading = rest[len] == '\0' && strcmp(x->method, "GET") == 0;
    if (!expiring && !reading)
        return false;
    const char *id = exchange_printf(x, "%.*s", (int)len, rest);
    struct cashier_session *session = cashier_session_find(cashier, id);
    if (session == NULL)
        return !fail(x, 404, "invalid_request_error", "resource_missing", "session",
                     exchange_printf(x, "No such checkout.session: %s", id));
    if (expiring && session->status != CASHIER_OPEN)
        return !fail(x, 400, "invalid_request_error", NULL, NULL,
                     "Only Checkout Sessions with a status in [\"open\"] can be expired.");
    if (expiring)
        cashier_expire(cashier, session);
    cashier_session_print(cashier, session, &x->answer);
    return true;
}

static bool api_work(struct cashier *cashier, struct exchange *x)
{
    static const char sessions[] = "/v1/checkout/sessions";
    bool post = strcmp(x->method, "POST") == 0;
    if (post && strcmp(x->path, sessions) == 0) {
        session_create(cashier, x);
        return true;
    }
    if (post && strcmp(x->path, "/v1/refunds") == 0) {
        refund_create(cashier, x);
        return true;
    }
    if (strncmp(x->path, sessions, strlen(sessions)) != 0 || x->path[strlen(sessions)] != '/')
        return false;
    return session_call(cashier, x, x->path + strlen(sessions) + 1);
}

/* --- idempotency keys --- */

static const struct cashier_answer *answer_find(const struct cashier *cashier, const char *key)
{
    const struct cashier_answer *answer = cashier->answers;
    while (answer != NULL && strcmp(answer->key, key) != 0)
        answer = answer->next;
    return answer;
}

static void answer_keep(struct cashier *cashier, struct exchange *x, const char *key,
                        const char *request)
{
    struct cashier_answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL)
        abort();
    answer->key = cashier_dup(key);
    answer->request = cashier_dup(request);
    answer->body = cashier_dup(buffer_cstring(&x->answer));
    answer->next = cashier->answers;
    cashier->answers = answer;
}

static void api_run(struct cashier *cashier, struct exchange *x)
{
    const char *key = exchange_header(x, "Idempotency-Key");
    bool keyed = key != NULL && strcmp(x->method, "POST") == 0;
    const char *body = x->body.len == 0 ? "" : buffer_cstring(&x->body);
    const char *request = exchange_printf(x, "%s?%s", x->path, body);
    const struct cashier_answer *before = keyed ? answer_find(cashier, key) : NULL;
    if (keyed && (key[0] == '\0' || strlen(key) > KEY_BYTES_MAX)) {
        (void)fail(x, 400, "idempotency_error", NULL, NULL, "Idempotency keys have 1 to 255 bytes");
        return;
    }
    if (before != NULL && strcmp(before->request, request) != 0) {
        (void)fail(x, 400, "idempotency_error", NULL, NULL,
                   "Keys for idempotent requests can only be used with the same parameters they "
                   "were first used with.");
        return;
    }
    if (before != NULL) {
        exchange_add_header(x, "Idempotent-Replayed", "true");
        (void)buffer_append_string(&x->answer, before->body);
        return;
    }
    if (!api_work(cashier, x))
        (void)fail(x, 404, "invalid_request_error", NULL, NULL,
                   exchange_printf(x, "Unrecognized request URL (%s: %s).", x->method, x->path));
    else if (keyed && x->status == 200)
        answer_keep(cashier, x, key, request);
}

/* What the caller has said of the call comes back beside the answer. */
static void add_echoes(struct exchange *x)
{
    static const char *const names[] = {"Idempotency-Key", "Stripe-Version"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = exchange_header(x, names[i]);
        if (value != NULL)
            exchange_add_header(x, names[i], exchange_printf(x, "%s", value));
    }
}

void cashier_handle(struct cashier *cashier, struct exchange *x)
{
    char id[CASHIER_ID_BYTES];
    if (strncmp(x->path, "/c/pay/", strlen("/c/pay/")) == 0) {
        cashier_page(cashier, x);
        return;
    }
    const char *authorization = exchange_header(x, "Authorization");
    const char *wanted = exchange_printf(x, "Bearer %s", cashier->secret_key);
    x->content_type = "application/json";
    cashier_id("req", id);
    exchange_add_header(x, "Request-Id", exchange_printf(x, "%s", id));
    add_echoes(x);
    if (authorization == NULL || strcmp(authorization, wanted) != 0) {
        (void)fail(x, 401, "invalid_request_error", NULL, NULL, "Invalid API Key provided");
        return;
    }
    if (x->body_bad) {
        (void)fail(x, 400, "invalid_request_error", NULL, NULL, "The body is not form-encoded");
        return;
    }
    (void)pthread_mutex_lock(&cashier->lock);
    api_run(cashier, x);
    (void)pthread_mutex_unlock(&cashier->lock);
}
