/*
 * One call of the Graph API: its parameters, its attempts, its answer. Runs on the caller's thread;
 * all memory is the context's arena, the encoded parameters apart.
 */
#include <ctype.h>
#include <sodium.h>
#include <time.h>

#include "clients/meta/internal.h"
#include "rpc/base/clock.h"

/* Attempts of a call that may be repeated. */
#define ATTEMPTS_MAX 4
/* Before the second attempt; doubled before each later one, of which a random half is waited. */
#define BACKOFF_MS 250
/* A read that hangs is given up in time for another attempt. */
#define READ_MS_MAX (INT64_C(20) * 1000)
#define WRITE_MS_MAX (INT64_C(60) * 1000)
/* Of the time left, the part that is waited at most where Meta's limits come near. */
#define PAUSE_SHARE 20
/* How often a wait looks whether it is still wanted. */
#define WAIT_SLICE_MS 20
/* Longest id of an object of Meta's, in bytes. */
#define ID_BYTES_MAX 64

void meta__request_init(struct meta__request *request, enum http_verb verb, enum meta_repeat repeat,
                        const char *path, const char *token)
{
    *request = (struct meta__request){.verb = verb, .repeat = repeat, .path = path, .token = token};
    buffer_init(&request->params, META_PARAMS_BYTES_MAX);
}

static void append_encoded(struct buffer *out, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if ((byte < 0x80 && isalnum(byte)) || byte == '-' || byte == '.' || byte == '_' ||
            byte == '~') {
            (void)buffer_append_byte(out, byte);
            continue;
        }
        uint8_t escape[3] = {'%', (uint8_t)hex[byte >> 4], (uint8_t)hex[byte & 15]};
        (void)buffer_append(out, escape, sizeof escape);
    }
}

void meta__param(struct meta__request *request, const char *name, const char *value)
{
    if (request->params.len > 0)
        (void)buffer_append_byte(&request->params, '&');
    (void)buffer_append_string(&request->params, name);
    (void)buffer_append_byte(&request->params, '=');
    append_encoded(&request->params, value);
}

const char *meta__path(struct arena *arena, const char *id, const char *edge)
{
    size_t len = id == NULL ? 0 : strlen(id);
    if (len == 0 || len > ID_BYTES_MAX)
        return NULL;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)id[i]) && id[i] != '_')
            return NULL;
    return edge == NULL ? arena_strdup(arena, id) : arena_printf(arena, "%s/%s", id, edge);
}

/* Proves that the caller holds the app's secret: hex HMAC-SHA256(secret, token). */
static void add_proof(struct meta_client *client, struct meta__request *request)
{
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    char hex[sizeof mac * 2 + 1];
    const char *secret = client->options.app_secret;
    crypto_auth_hmacsha256_state state;
    (void)crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret, strlen(secret));
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)request->token,
                                        strlen(request->token));
    (void)crypto_auth_hmacsha256_final(&state, mac);
    (void)sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    meta__param(request, "appsecret_proof", hex);
    sodium_memzero(&state, sizeof state);
}

/* Fills in all of the HTTP request but its deadline; false when out of memory. */
static bool make_http(struct meta_client *client, struct arena *arena,
                      struct meta__request *request, struct http_header headers[static 2],
                      struct http_request *ret_http)
{
    const char *params = request->params.len == 0 ? "" : buffer_cstring(&request->params);
    bool in_url = request->verb != HTTP_POST;
    if (params == NULL || request->params.failed)
        return false;
    const char *url =
        arena_printf(arena, "%s/%s/%s%s%s", client->options.graph_url, client->options.version,
                     request->path, in_url && params[0] != '\0' ? "?" : "", in_url ? params : "");
    struct http_request http = {
        .verb = request->verb,
        .url = url,
        .headers = headers,
        .wire_bytes_max = META_ANSWER_BYTES_MAX,
        .body_bytes_max = META_ANSWER_BYTES_MAX,
        .accept_encoded = true,
    };
    if (request->token != NULL) {
        headers[http.header_count].name = "Authorization";
        headers[http.header_count].value = arena_printf(arena, "Bearer %s", request->token);
        if (headers[http.header_count].value == NULL)
            return false;
        http.header_count++;
    }
    if (!in_url) {
        headers[http.header_count++] =
            (struct http_header){"Content-Type", "application/x-www-form-urlencoded"};
        http.body = buffer_span(&request->params);
    }
    *ret_http = http;
    return url != NULL;
}

bool meta__wait_ms(const struct rpc_context *context, int64_t ms)
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

/* What a call that got no answer ends with. */
static enum rpc_code fail_transport(const struct rpc_context *context, struct rpc_status *status)
{
    if (context->cancelled != NULL && atomic_load(context->cancelled))
        return rpc_status_set(status, RPC_CANCELLED, "cancelled");
    if (rpc_context_left_ms(context) == 0)
        return rpc_status_set(status, RPC_DEADLINE_EXCEEDED, "the deadline has passed");
    return meta__fail(RPC_UNAVAILABLE, status);
}

static enum rpc_code read_answer(const struct http_response *response, struct arena *arena,
                                 const struct json_tree **ret_answer, bool *ret_reduce,
                                 struct rpc_status *status)
{
    const struct json_tree *answer = NULL;
    bool parsed = json_tree_parse(response->body, arena, &answer);
    const struct json_tree *error = parsed ? json_tree_get(answer, "error") : NULL;
    if (response->status < 200 || response->status > 299 ||
        (error != NULL && error->kind == JSON_TREE_OBJECT)) {
        if (ret_reduce != NULL)
            *ret_reduce = meta__error_reduce(error);
        return meta__error(error, response->status, response, arena, status);
    }
    if (!parsed || answer->kind != JSON_TREE_OBJECT)
        return meta__fail_answer(status);
    *ret_answer = answer;
    return RPC_OK;
}

static enum rpc_code attempt(struct meta_client *client, struct rpc_context *context,
                             struct http_request *http, const struct json_tree **ret_answer,
                             bool *ret_reduce, struct rpc_status *status)
{
    int64_t longest = http->verb == HTTP_GET ? READ_MS_MAX : WRITE_MS_MAX;
    int64_t end = clock_mono_ms() + longest;
    http->deadline_ms = context->deadline_ms < end ? context->deadline_ms : end;
    struct http_response *response = NULL;
    enum http_failure failure = http_client_fetch(client->options.http, context, http, &response);
    if (failure != HTTP_FAILURE_NONE || response == NULL)
        return fail_transport(context, status);
    enum rpc_code code = read_answer(response, context->arena, ret_answer, ret_reduce, status);
    int64_t pause_ms = code == RPC_OK ? meta__usage_pause_ms(response, context->arena) : 0;
    http_response_free(response);
    /* The work itself must not come too late for it. */
    if (pause_ms > rpc_context_left_ms(context) / PAUSE_SHARE)
        pause_ms = rpc_context_left_ms(context) / PAUSE_SHARE;
    if (pause_ms > 0)
        (void)meta__wait_ms(context, pause_ms);
    return code;
}

enum rpc_code meta__call(struct meta_client *client, struct rpc_context *context,
                         struct meta__request *request, const struct json_tree **ret_answer,
                         bool *ret_reduce, struct rpc_status *status)
{
    if (request->token != NULL)
        add_proof(client, request);
    struct http_header headers[2];
    struct http_request http;
    bool reduce = false;
    enum rpc_code code = RPC_OK;
    if (request->path == NULL)
        code = meta__fail(RPC_INVALID_ARGUMENT, status); /* an id that is none */
    else if (!make_http(client, context->arena, request, headers, &http))
        code = meta__fail_memory(status);
    else if (rpc_context_stopped(context))
        code = fail_transport(context, status);
    int tries = request->repeat == META_REPEATABLE ? ATTEMPTS_MAX : 1;
    int64_t backoff_ms = BACKOFF_MS;
    for (int i = 0; code == RPC_OK && i < tries; i++) {
        code = attempt(client, context, &http, ret_answer, &reduce, status);
        if (code != RPC_UNAVAILABLE || reduce || i + 1 == tries)
            break;
        int64_t pause = backoff_ms / 2 + randombytes_uniform((uint32_t)(backoff_ms / 2 + 1));
        backoff_ms *= 2;
        if (!meta__wait_ms(context, pause))
            break;
        code = RPC_OK;
    }
    if (code != RPC_OK && ret_reduce != NULL)
        *ret_reduce = reduce;
    buffer_fini(&request->params);
    return code;
}
