/*
 * The dialog, the exchanges and what a token is good for.
 */
#include <inttypes.h>
#include <microhttpd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "test/sandbox/graph.h"

#define MS_PER_S INT64_C(1000)
#define SHORT_TOKEN_S (INT64_C(2) * 3600)
#define LONG_TOKEN_S (INT64_C(60) * 86400)
#define CODE_S INT64_C(600)
#define USER_ID "10158800000000042"

const char *const graph_scope_names[GRAPH_SCOPE_COUNT] = {
    "ads_management",     "ads_read",        "business_management",
    "catalog_management", "pages_show_list", "pages_read_engagement",
};

static void dialog_error(struct graph_call *call, const char *text)
{
    call->x->status = MHD_HTTP_BAD_REQUEST;
    (void)buffer_printf(&call->x->answer,
                        "<!DOCTYPE html><title>Error</title><h1>Sorry, something went wrong</h1>"
                        "<p>%s</p>",
                        text);
}

static const char *text_or_empty(struct graph_call *call, const char *name)
{
    const char *text = exchange_param_text(call->x, name);
    return text == NULL ? "" : text;
}

/* The bits of a comma or space list; false for one that is unknown. */
static bool parse_scopes(const char *text, unsigned *ret_scopes)
{
    unsigned scopes = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, ", ");
        size_t i = 0;
        while (i < GRAPH_SCOPE_COUNT && (strlen(graph_scope_names[i]) != len ||
                                         strncmp(graph_scope_names[i], text, len) != 0))
            i++;
        bool profile = len == 14 && strncmp(text, "public_profile", len) == 0;
        if (len > 0 && i == GRAPH_SCOPE_COUNT && !profile)
            return false;
        if (i < GRAPH_SCOPE_COUNT)
            scopes |= 1u << i;
        text += len + (text[len] == '\0' ? 0 : 1);
    }
    *ret_scopes = scopes;
    return true;
}

/* Checks what dialog and confirmation have in common. */
static bool dialog_params_valid(struct graph_call *call, unsigned *ret_scopes)
{
    const char *redirect = text_or_empty(call, "redirect_uri");
    const char *response_type = exchange_param_text(call->x, "response_type");
    call->x->content_type = "text/html; charset=utf-8";
    if (strcmp(text_or_empty(call, "client_id"), call->graph->app_id) != 0)
        dialog_error(call, "Invalid App ID");
    else if (strncmp(redirect, "http://", 7) != 0 && strncmp(redirect, "https://", 8) != 0)
        dialog_error(call, "Invalid redirect_uri: Given URL is not allowed by the application");
    else if (response_type != NULL && strcmp(response_type, "code") != 0)
        dialog_error(call, "Invalid response_type");
    else if (!parse_scopes(text_or_empty(call, "scope"), ret_scopes))
        dialog_error(call, "Invalid Scopes");
    else
        return true;
    return false;
}

static void append_hidden(struct graph_call *call, const char *name)
{
    struct buffer *out = &call->x->answer;
    (void)buffer_printf(out, "<input type=\"hidden\" name=\"%s\" value=\"", name);
    html_append(out, text_or_empty(call, name));
    (void)buffer_append_string(out, "\">\n");
}

static void append_plain_link(struct graph_call *call, const char *decision, const char *label)
{
    static const char *const names[] = {"client_id", "redirect_uri", "state", "scope"};
    struct buffer *out = &call->x->answer;
    (void)buffer_printf(out, "<a id=\"%s\" href=\"/%s/dialog/oauth/confirm?decision=%s", decision,
                        call->graph->version, decision);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)buffer_printf(out, "&amp;%s=", names[i]);
        query_append(out, text_or_empty(call, names[i]));
    }
    (void)buffer_printf(out, "\">%s</a> ", label);
}

void graph_dialog(struct graph_call *call)
{
    unsigned scopes;
    if (!dialog_params_valid(call, &scopes))
        return;
    struct buffer *out = &call->x->answer;
    (void)buffer_printf(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width, initial-scale=1\"><title>Log in with the sandbox</title>"
        "<style>body{font:16px/1.5 system-ui,sans-serif;background:#f0f2f5;color:#1c1e21;"
        "display:grid;place-items:center;min-height:100vh;margin:0}main{background:#fff;"
        "padding:2rem;border-radius:.6rem;box-shadow:0 2px 12px #0002;max-width:26rem}"
        "label{display:block;margin:.4rem 0}button{font:inherit;padding:.6rem 1.4rem;border:0;"
        "border-radius:.4rem;margin:1rem .5rem 0 0;cursor:pointer}.yes{background:#1877f2;"
        "color:#fff}.no{background:#e4e6eb}p{color:#606770}</style></head><body><main>\n"
        "<h1>Continue as Jane Doe?</h1>\n<p>The app asks for what is checked below. This is the "
        "sandbox: nothing here is real.</p>\n"
        "<form method=\"get\" action=\"/%s/dialog/oauth/confirm\">\n",
        call->graph->version);
    append_hidden(call, "client_id");
    append_hidden(call, "redirect_uri");
    append_hidden(call, "state");
    append_hidden(call, "scope");
    (void)buffer_append_string(out, "<input type=\"hidden\" name=\"choose\" value=\"1\">\n");
    for (size_t i = 0; i < GRAPH_SCOPE_COUNT; i++)
        if ((scopes & (1u << i)) != 0)
            (void)buffer_printf(out,
                                "<label><input type=\"checkbox\" name=\"grant_%s\" value=\"1\" "
                                "checked> %s</label>\n",
                                graph_scope_names[i], graph_scope_names[i]);
    (void)buffer_append_string(
        out, "<button class=\"yes\" name=\"decision\" value=\"authorize\">Authorize</button>"
             "<button class=\"no\" name=\"decision\" value=\"cancel\">Cancel</button>\n</form>\n"
             "<p>Without a form: ");
    append_plain_link(call, "authorize", "authorize all");
    append_plain_link(call, "cancel", "cancel");
    (void)buffer_append_string(out, "</p>\n</main></body></html>\n");
}

static const char *redirect_start(struct graph_call *call, struct buffer *url)
{
    const char *redirect = text_or_empty(call, "redirect_uri");
    buffer_init(url, EXCHANGE_ANSWER_BYTES_MAX);
    (void)buffer_append_string(url, redirect);
    (void)buffer_append_byte(url, strchr(redirect, '?') == NULL ? '?' : '&');
    return redirect;
}

static void redirect_end(struct graph_call *call, struct buffer *url)
{
    if (exchange_param(call->x, "state") != NULL) {
        (void)buffer_append_string(url, "&state=");
        query_append(url, text_or_empty(call, "state"));
    }
    exchange_redirect(call->x, exchange_printf(call->x, "%s", buffer_cstring(url)));
    buffer_fini(url);
}

void graph_dialog_confirm(struct graph_call *call)
{
    struct graph *graph = call->graph;
    unsigned scopes;
    if (!dialog_params_valid(call, &scopes))
        return;
    struct buffer url;
    const char *redirect = redirect_start(call, &url);
    if (strcmp(text_or_empty(call, "decision"), "authorize") != 0) {
        (void)buffer_append_string(&url, "error=access_denied&error_code=200&error_description="
                                         "Permissions+error&error_reason=user_denied");
        redirect_end(call, &url);
        return;
    }
    if (exchange_param(call->x, "choose") != NULL)
        for (size_t i = 0; i < GRAPH_SCOPE_COUNT; i++)
            if (exchange_param(call->x,
                               exchange_printf(call->x, "grant_%s", graph_scope_names[i])) == NULL)
                scopes &= ~(1u << i);
    struct graph_code *code = &graph->codes[graph->code_count++ % GRAPH_CODES_MAX];
    free(code->redirect_uri);
    *code = (struct graph_code){.redirect_uri = strdup(redirect),
                                .scopes = scopes,
                                .expires_ms = graph_now_ms(graph) + CODE_S * MS_PER_S};
    graph_random_text("AQ", code->text);
    (void)buffer_printf(&url, "code=%s", code->text);
    redirect_end(call, &url);
}

static bool client_valid(struct graph_call *call)
{
    if (strcmp(text_or_empty(call, "client_id"), call->graph->app_id) != 0) {
        graph_error(call, 101, 0,
                    "Error validating application. Cannot get application info due "
                    "to a system error.");
        return false;
    }
    if (strcmp(text_or_empty(call, "client_secret"), call->graph->app_secret) != 0) {
        graph_error(call, 1, 0, "Error validating client secret.");
        call->x->status = MHD_HTTP_BAD_REQUEST;
        return false;
    }
    return true;
}

static void issue_token(struct graph_call *call, unsigned scopes, bool long_lived)
{
    struct graph *graph = call->graph;
    if (graph->token_count == GRAPH_TOKENS_MAX) {
        graph_error(call, 2, 0, "Service temporarily unavailable");
        return;
    }
    struct graph_token *token = calloc(1, sizeof *token);
    int64_t seconds = long_lived ? LONG_TOKEN_S : SHORT_TOKEN_S;
    token->scopes = scopes;
    token->long_lived = long_lived;
    token->issued_ms = graph_now_ms(graph);
    token->expires_ms = token->issued_ms + seconds * MS_PER_S;
    graph_random_text("EAAS", token->text);
    graph->tokens[graph->token_count++] = token;
    (void)buffer_printf(&call->x->answer,
                        "{\"access_token\":\"%s\",\"token_type\":\"bearer\",\"expires_in\":%" PRId64
                        "}",
                        token->text, seconds);
}

static void exchange_code(struct graph_call *call)
{
    struct graph *graph = call->graph;
    const char *text = text_or_empty(call, "code");
    struct graph_code *code = NULL;
    for (size_t i = 0; i < GRAPH_CODES_MAX; i++)
        if (graph->codes[i].text[0] != '\0' && strcmp(graph->codes[i].text, text) == 0)
            code = &graph->codes[i];
    if (code == NULL)
        graph_error(call, 100, 36009, "Invalid verification code format.");
    else if (code->used)
        graph_error(call, 100, 36009, "This authorization code has been used.");
    else if (graph_now_ms(graph) >= code->expires_ms)
        graph_error(call, 100, 36007, "This authorization code has expired.");
    else if (strcmp(code->redirect_uri, text_or_empty(call, "redirect_uri")) != 0)
        graph_error(call, 100, 36008,
                    "Error validating verification code. Please make sure your redirect_uri is "
                    "identical to the one you used in the OAuth dialog request");
    else {
        code->used = true;
        issue_token(call, code->scopes, false);
    }
}

/* The state of a token that is named in a parameter, or NULL. */
static struct graph_token *find_token(struct graph *graph, const char *text)
{
    for (size_t i = 0; i < graph->token_count; i++)
        if (strcmp(graph->tokens[i]->text, text) == 0)
            return graph->tokens[i];
    return NULL;
}

static bool token_alive(const struct graph *graph, const struct graph_token *token)
{
    return token != NULL && !token->revoked && graph_now_ms(graph) < token->expires_ms;
}

void graph_access_token(struct graph_call *call)
{
    if (!client_valid(call))
        return;
    const char *grant = exchange_param_text(call->x, "grant_type");
    if (grant == NULL) {
        exchange_code(call);
        return;
    }
    const struct graph_token *token =
        find_token(call->graph, text_or_empty(call, "fb_exchange_token"));
    if (strcmp(grant, "fb_exchange_token") != 0)
        graph_error(call, 100, 0, "(#100) Invalid grant_type: %.64s", grant);
    else if (!token_alive(call->graph, token))
        graph_error(call, 190, token == NULL ? 0 : 463, "Error validating access token.");
    else
        issue_token(call, token->scopes, true);
}

void graph_debug_token(struct graph_call *call)
{
    struct graph *graph = call->graph;
    const char *input = exchange_param_text(call->x, "input_token");
    if (!call->app_token && call->token == NULL) {
        graph_error(call, 190, 0, "Invalid OAuth access token");
        return;
    }
    if (input == NULL) {
        graph_error(call, 100, 0, "(#100) The parameter input_token is required");
        return;
    }
    const struct graph_token *token = find_token(graph, input);
    struct buffer *out = &call->x->answer;
    if (!token_alive(graph, token)) {
        (void)buffer_printf(out,
                            "{\"data\":{\"app_id\":\"%s\",\"is_valid\":false,\"scopes\":[],"
                            "\"error\":{\"code\":190,\"message\":\"Invalid OAuth access token\"}}}",
                            graph->app_id);
        return;
    }
    (void)buffer_printf(out,
                        "{\"data\":{\"app_id\":\"%s\",\"type\":\"USER\",\"application\":"
                        "\"Lotcast\",\"data_access_expires_at\":%" PRId64 ",\"expires_at\":%" PRId64
                        ",\"is_valid\":true,\"issued_at\":%" PRId64 ",\"scopes\":[",
                        graph->app_id, token->issued_ms / MS_PER_S + 90 * INT64_C(86400),
                        token->expires_ms / MS_PER_S, token->issued_ms / MS_PER_S);
    for (size_t i = 0; i < GRAPH_SCOPE_COUNT; i++)
        if ((token->scopes & (1u << i)) != 0)
            (void)buffer_printf(out, "\"%s\",", graph_scope_names[i]);
    (void)buffer_append_string(out, "\"public_profile\"],\"user_id\":\"" USER_ID "\"}}");
}

void graph_permissions(struct graph_call *call)
{
    if (strcmp(call->x->method, "DELETE") == 0) {
        for (size_t i = 0; i < call->graph->token_count; i++)
            call->graph->tokens[i]->revoked = true;
        (void)buffer_append_string(&call->x->answer, "{\"success\":true}");
        return;
    }
    (void)buffer_append_string(&call->x->answer, "{\"data\":[");
    for (size_t i = 0; i < GRAPH_SCOPE_COUNT; i++)
        (void)buffer_printf(&call->x->answer, "%s{\"permission\":\"%s\",\"status\":\"%s\"}",
                            i == 0 ? "" : ",", graph_scope_names[i],
                            (call->token->scopes & (1u << i)) != 0 ? "granted" : "declined");
    (void)buffer_append_string(&call->x->answer, "]}");
}

static const char *caller_token(struct graph_call *call)
{
    const char *header = exchange_header(call->x, "Authorization");
    if (header != NULL && strncasecmp(header, "Bearer ", 7) == 0)
        return header + 7;
    if (header != NULL && strncasecmp(header, "OAuth ", 6) == 0)
        return header + 6;
    return exchange_param_text(call->x, "access_token");
}

static bool proof_valid(struct graph_call *call, const char *token)
{
    const char *proof = exchange_param_text(call->x, "appsecret_proof");
    if (exchange_param(call->x, "appsecret_proof") == NULL)
        return true;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    char hex[sizeof mac * 2 + 1];
    crypto_auth_hmacsha256_state state;
    (void)crypto_auth_hmacsha256_init(&state, (const unsigned char *)call->graph->app_secret,
                                      strlen(call->graph->app_secret));
    (void)crypto_auth_hmacsha256_update(&state, (const unsigned char *)token, strlen(token));
    (void)crypto_auth_hmacsha256_final(&state, mac);
    (void)sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    return proof != NULL && strcmp(hex, proof) == 0;
}

bool graph_authenticate(struct graph_call *call)
{
    struct graph *graph = call->graph;
    const char *text = caller_token(call);
    if (text == NULL) {
        graph_error(call, 2500, 0,
                    "An active access token must be used to query information "
                    "about the current user.");
        return false;
    }
    if (!proof_valid(call, text)) {
        graph_error(call, 100, 0, "Invalid appsecret_proof provided in the API argument");
        return false;
    }
    size_t id_len = strlen(graph->app_id);
    if (strncmp(text, graph->app_id, id_len) == 0 && text[id_len] == '|') {
        call->app_token = strcmp(text + id_len + 1, graph->app_secret) == 0;
        if (!call->app_token)
            graph_error(call, 190, 0, "Invalid OAuth access token signature.");
        return call->app_token;
    }
    struct graph_token *token = find_token(graph, text);
    if (token == NULL)
        graph_error(call, 190, 0, "Invalid OAuth access token - Cannot parse access token");
    else if (token->revoked)
        graph_error(call, 190, 458,
                    "Error validating access token: The user has not authorized "
                    "application %s.",
                    graph->app_id);
    else if (graph_now_ms(graph) >= token->expires_ms)
        graph_error(call, 190, 463, "Error validating access token: Session has expired.");
    else
        call->token = token;
    return call->token != NULL;
}
