#include "clients/meta/meta.h"

#include <stdlib.h>

#include "clients/meta/internal.h"

/* What we ask of people. */
static const char *const scopes[] = {"ads_management",      "ads_read",
                                     "business_management", "catalog_management",
                                     "pages_show_list",     "pages_read_engagement"};
#define SCOPE_COUNT (sizeof scopes / sizeof *scopes)

struct meta_client *meta_client_create(const struct meta_options *options)
{
    struct meta_client *client = calloc(1, sizeof *client);
    if (client != NULL)
        client->options = *options;
    return client;
}

void meta_client_destroy(struct meta_client *client)
{
    free(client);
}

bool meta_client_configured(const struct meta_client *client)
{
    const struct meta_options *options = &client->options;
    return options->app_id != NULL && options->app_id[0] != '\0' && options->app_secret != NULL &&
           options->app_secret[0] != '\0';
}

int64_t meta_currency_factor(const char *currency)
{
    static const char whole[] = "CLP COP CRC HUF IDR ISK JPY KRW PYG TWD VND";
    if (currency == NULL || strlen(currency) != 3)
        return 100;
    for (size_t at = 0; at < sizeof whole; at += 4)
        if (strncmp(whole + at, currency, 3) == 0)
            return 1;
    return 100;
}

const char *meta_dialog_url(const struct meta_client *client, const char *redirect_uri,
                            const char *state, struct arena *arena)
{
    struct meta__request params; /* only its encoding is used */
    meta__request_init(&params, HTTP_GET, META_ONCE, NULL, NULL);
    meta__param(&params, "client_id", client->options.app_id);
    meta__param(&params, "redirect_uri", redirect_uri);
    meta__param(&params, "state", state);
    meta__param(&params, "response_type", "code");
    char list[256] = "";
    size_t len = 0;
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        size_t scope_len = strlen(scopes[i]);
        if (len > 0)
            list[len++] = ',';
        memcpy(list + len, scopes[i], scope_len + 1);
        len += scope_len;
    }
    meta__param(&params, "scope", list);
    const char *query = buffer_cstring(&params.params);
    const char *url = NULL;
    if (query != NULL && !params.params.failed)
        url = arena_printf(arena, "%s/%s/dialog/oauth?%s", client->options.dialog_url,
                           client->options.version, query);
    buffer_fini(&params.params);
    return url;
}

static enum rpc_code token_call(struct meta_client *client, struct rpc_context *context,
                                struct meta__request *request, struct meta_token *ret_token,
                                struct rpc_status *status)
{
    const struct json_tree *answer = NULL;
    enum rpc_code code = meta__call(client, context, request, &answer, NULL, status);
    if (code != RPC_OK)
        return code;
    const char *text = json_tree_get_text(answer, "access_token");
    if (text == NULL || text[0] == '\0')
        return meta__fail_answer(status);
    int64_t seconds = 0;
    if (!json_tree_integer(json_tree_get(answer, "expires_in"), &seconds) || seconds < 0)
        seconds = 0;
    *ret_token = (struct meta_token){.access_token = text, .expires_in_s = seconds};
    return RPC_OK;
}

enum rpc_code meta_code_exchange(struct meta_client *client, struct rpc_context *context,
                                 const char *code, const char *redirect_uri,
                                 struct meta_token *ret_token, struct rpc_status *status)
{
    struct meta__request request;
    /* A code is good for one exchange: a second attempt could only hide what the first met. */
    meta__request_init(&request, HTTP_GET, META_ONCE, "oauth/access_token", NULL);
    meta__param(&request, "client_id", client->options.app_id);
    meta__param(&request, "redirect_uri", redirect_uri);
    meta__param(&request, "client_secret", client->options.app_secret);
    meta__param(&request, "code", code);
    return token_call(client, context, &request, ret_token, status);
}

enum rpc_code meta_token_extend(struct meta_client *client, struct rpc_context *context,
                                const char *token, struct meta_token *ret_token,
                                struct rpc_status *status)
{
    struct meta__request request;
    meta__request_init(&request, HTTP_GET, META_REPEATABLE, "oauth/access_token", NULL);
    meta__param(&request, "grant_type", "fb_exchange_token");
    meta__param(&request, "client_id", client->options.app_id);
    meta__param(&request, "client_secret", client->options.app_secret);
    meta__param(&request, "fb_exchange_token", token);
    return token_call(client, context, &request, ret_token, status);
}

static bool has_all_scopes(const struct json_tree *granted)
{
    for (size_t i = 0; i < SCOPE_COUNT; i++) {
        const struct json_tree *at = granted == NULL ? NULL : granted->first;
        while (at != NULL && (json_tree_text(at) == NULL || strcmp(at->text, scopes[i]) != 0))
            at = at->next;
        if (at == NULL)
            return false;
    }
    return true;
}

enum rpc_code meta_token_debug(struct meta_client *client, struct rpc_context *context,
                               const char *token, struct meta_token_info *ret_info,
                               struct rpc_status *status)
{
    struct meta__request request;
    meta__request_init(&request, HTTP_GET, META_REPEATABLE, "debug_token", NULL);
    meta__param(&request, "input_token", token);
    const char *app_token =
        arena_printf(context->arena, "%s|%s", client->options.app_id, client->options.app_secret);
    meta__param(&request, "access_token", app_token == NULL ? "" : app_token);
    const struct json_tree *answer = NULL;
    enum rpc_code code = meta__call(client, context, &request, &answer, NULL, status);
    if (code != RPC_OK)
        return code;
    const struct json_tree *data = json_tree_get(answer, "data");
    if (data == NULL || data->kind != JSON_TREE_OBJECT)
        return meta__fail_answer(status);
    const char *app = json_tree_get_text(data, "app_id");
    struct meta_token_info info = {
        .valid = json_tree_true(json_tree_get(data, "is_valid")) && app != NULL &&
                 strcmp(app, client->options.app_id) == 0,
        .all_scopes = has_all_scopes(json_tree_get(data, "scopes")),
        .user_id = json_tree_get_text(data, "user_id"),
    };
    if (!json_tree_integer(json_tree_get(data, "expires_at"), &info.expires_at_s) ||
        info.expires_at_s < 0)
        info.expires_at_s = 0;
    if (info.user_id == NULL)
        info.user_id = "";
    *ret_info = info;
    return RPC_OK;
}

enum rpc_code meta_token_revoke(struct meta_client *client, struct rpc_context *context,
                                const char *token, struct rpc_status *status)
{
    struct meta__request request;
    meta__request_init(&request, HTTP_DELETE, META_REPEATABLE, "me/permissions", token);
    const struct json_tree *answer = NULL;
    enum rpc_code code = meta__call(client, context, &request, &answer, NULL, status);
    if (code != RPC_OK)
        return code;
    return json_tree_true(json_tree_get(answer, "success")) ? RPC_OK : meta__fail_answer(status);
}
