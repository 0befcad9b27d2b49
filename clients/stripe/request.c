/*
 * One call of Stripe's API: its parameters, its attempts, its answer. Runs on the caller's thread.
 *
 * Every call may be repeated: reads by nature, creates by their idempotency key, which makes Stripe
 * answer a repeated one as it answered the first.
 */
#include <ctype.h>
#include <sodium.h>
#include <strings.h>
#include <time.h>

#include "clients/stripe/internal.h"
#include "rpc/base/clock.h"

/* The API's version that upstream answers are read by. */
#define API_VERSION "2024-06-20"
#define ATTEMPTS_MAX 5
/* Before the second attempt; doubled before each later one, of which a random half is waited. */
#define BACKOFF_MS 300
/* An attempt that hangs is given up in time for another. */
#define ATTEMPT_MS_MAX (INT64_C(6) * 1000)
/* How often a wait looks whether it is still wanted. */
#define WAIT_SLICE_MS 20
#define HEADERS_MAX 4

void stripe__request_init(struct stripe__request *request, enum http_verb verb, const char *path)
{
    *request = (struct stripe__request){.verb = verb, .path = path};
    buffer_init(&request->params, STRIPE_PARAMS_BYTES_MAX);
}

static void append_encoded(struct buffer *out, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if ((byte < 0x80 && isalnum(byte)) || strchr("-._~", byte) != NULL) {
            (void)buffer_append_byte(out, byte);
            continue;
        }
        uint8_t escape[3] = {'%', (uint8_t)hex[byte >> 4], (uint8_t)hex[byte & 15]};
        (void)buffer_append(out, escape, sizeof escape);
    }
}

void stripe__param(struct stripe__request *request, const char *name, const char *value)
{
    if (request->params.len > 0)
        (void)buffer_append_byte(&request->params, '&');
    append_encoded(&request->params, name);
    (void)buffer_append_byte(&request->params, '=');
    append_encoded(&request->params, value);
}

enum rpc_code stripe__fail(enum rpc_code code, struct rpc_status *status)
{
    (void)rpc_status_fail_upstream(status, "stripe");
    if (status != NULL)
        status->code = code;
    return code;
}

static enum rpc_code fail_transport(const struct rpc_context *context, struct rpc_status *status)
{
    if (context->cancelled != NULL && atomic_load(context->cancelled))
        return rpc_status_set(status, RPC_CANCELLED, "cancelled");
    return stripe__fail(RPC_UNAVAILABLE, status);
}

/* Waits, unless the context ends before: then false. */
static bool wait_ms(const struct rpc_context *context, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    if (rpc_context_left_ms(context) <= ms)
        return false;
    while (clock_mono_ms() < until) {
        if (rpc_context_stopped(context))
            return false;
        struct timespec slice = {0, WAIT_SLICE_MS * 1000000L};
        (void)nanosleep(&slice, NULL);
    }
    return true;
}

/* Whether Stripe, or the answer's kind, says that another attempt may fare better. */
static bool worth_repeating(const struct http_response *response)
{
    const char *hint = http_response_header(response, "stripe-should-retry");
    if (hint != NULL && strcasecmp(hint, "true") == 0)
        return true;
    if (hint != NULL && strcasecmp(hint, "false") == 0)
        return false;
    return response->status == 409 || response->status >= 500;
}

static enum rpc_code read_answer(const struct http_response *response, struct arena *arena,
                                 const struct json_tree **ret_answer, struct rpc_status *status)
{
    const struct json_tree *answer = NULL;
    if (response->status == 404)
        return stripe__fail(RPC_NOT_FOUND, status);
    /* 429: nothing was made, but who waits may try again. A conflict's first call may yet be under
     * way. */
    if (response->status == 409 || response->status == 429 || response->status >= 500)
        return stripe__fail(RPC_UNAVAILABLE, status);
    if (response->status >= 400)
        return stripe__fail(RPC_FAILED_PRECONDITION, status);
    if (response->status < 200 || response->status > 299 ||
        !json_tree_parse(response->body, arena, &answer) || answer->kind != JSON_TREE_OBJECT)
        return stripe__fail(RPC_UNAVAILABLE, status);
    *ret_answer = answer;
    return RPC_OK;
}

/* `ret_repeat`: whether another attempt makes sense. */
static enum rpc_code attempt(struct stripe_client *client, struct rpc_context *context,
                             struct http_request *http, const struct json_tree **ret_answer,
                             bool *ret_repeat, struct rpc_status *status)
{
    int64_t end = clock_mono_ms() + ATTEMPT_MS_MAX;
    http->deadline_ms = context->deadline_ms < end ? context->deadline_ms : end;
    struct http_response *response = NULL;
    enum http_failure failure = http_client_fetch(client->options.http, context, http, &response);
    if (failure != HTTP_FAILURE_NONE || response == NULL) {
        *ret_repeat = failure != HTTP_FAILURE_CANCELLED;
        return fail_transport(context, status);
    }
    enum rpc_code code = read_answer(response, context->arena, ret_answer, status);
    *ret_repeat = code != RPC_OK && worth_repeating(response);
    http_response_free(response);
    return code;
}

/* Fills in all of the HTTP request but its deadline; false when out of memory. */
static bool make_http(struct stripe_client *client, struct arena *arena,
                      struct stripe__request *request, struct http_header headers[HEADERS_MAX],
                      struct http_request *ret_http)
{
    const char *url = arena_printf(arena, "%s/v1/%s", client->options.api_url, request->path);
    const char *bearer = arena_printf(arena, "Bearer %s", client->options.secret_key);
    if (request->params.failed || url == NULL || bearer == NULL)
        return false;
    size_t count = 0;
    headers[count++] = (struct http_header){"Authorization", bearer};
    headers[count++] = (struct http_header){"Stripe-Version", API_VERSION};
    if (request->verb == HTTP_POST)
        headers[count++] =
            (struct http_header){"Content-Type", "application/x-www-form-urlencoded"};
    if (request->idempotency_key != NULL)
        headers[count++] = (struct http_header){"Idempotency-Key", request->idempotency_key};
    *ret_http = (struct http_request){
        .verb = request->verb,
        .url = url,
        .headers = headers,
        .header_count = count,
        .body = buffer_span(&request->params),
        .wire_bytes_max = STRIPE_ANSWER_BYTES_MAX,
        .body_bytes_max = STRIPE_ANSWER_BYTES_MAX,
        .accept_encoded = true,
    };
    return true;
}

enum rpc_code stripe__call(struct stripe_client *client, struct rpc_context *context,
                           struct stripe__request *request, const struct json_tree **ret_answer,
                           struct rpc_status *status)
{
    struct http_header headers[HEADERS_MAX];
    struct http_request http;
    enum rpc_code code;
    if (!make_http(client, context->arena, request, headers, &http)) {
        code = rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
        goto out;
    }
    int64_t backoff_ms = BACKOFF_MS;
    bool repeat = true;
    code = fail_transport(context, status);
    for (int i = 0; repeat && i < ATTEMPTS_MAX; i++) {
        if (i > 0) {
            int64_t pause = backoff_ms / 2 + randombytes_uniform((uint32_t)(backoff_ms / 2 + 1));
            backoff_ms *= 2;
            if (!wait_ms(context, pause))
                break;
        }
        code = attempt(client, context, &http, ret_answer, &repeat, status);
    }
out:
    buffer_fini(&request->params);
    return code;
}
