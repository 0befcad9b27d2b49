#include "clients/meta/internal.h"

/* Ad accounts, Pages or businesses of one user that are kept at most. */
#define ACCOUNTS_MAX 1000

/* Rows of one list, in the arena. */
struct gather {
    struct arena *arena;
    Lotcast__V1__MetaAccount **rows;
    size_t count;
    size_t room;
    bool failed; /* out of memory */
};

static char *text_of(const struct json_tree *row, const char *key)
{
    const char *text = json_tree_get_text(row, key);
    return (char *)(text == NULL ? "" : text);
}

static bool make_room(struct gather *gather)
{
    if (gather->count < gather->room)
        return true;
    size_t room = gather->room == 0 ? 16 : gather->room * 2;
    Lotcast__V1__MetaAccount **rows = arena_calloc(gather->arena, room, sizeof *rows);
    if (rows == NULL)
        return false;
    if (gather->count > 0)
        memcpy(rows, gather->rows, gather->count * sizeof *rows);
    gather->rows = rows;
    gather->room = room;
    return true;
}

static bool add_account(void *arg, const struct json_tree *row)
{
    struct gather *gather = arg;
    if (json_tree_get_text(row, "id") == NULL)
        return true;
    Lotcast__V1__MetaAccount *account = arena_alloc(gather->arena, sizeof *account);
    if (account == NULL || !make_room(gather)) {
        gather->failed = true;
        return false;
    }
    lotcast__v1__meta_account__init(account);
    account->id = text_of(row, "id");
    account->name = text_of(row, "name");
    account->currency = text_of(row, "currency");
    account->time_zone = text_of(row, "timezone_name");
    int64_t account_status = 0;
    if (json_tree_integer(json_tree_get(row, "account_status"), &account_status) &&
        account_status >= INT32_MIN && account_status <= INT32_MAX)
        account->account_status = (int32_t)account_status;
    gather->rows[gather->count++] = account;
    return gather->count < ACCOUNTS_MAX;
}

static enum rpc_code gather_list(struct meta_client *client, struct rpc_context *context,
                                 const char *token, const char *path, const char *fields,
                                 Lotcast__V1__MetaAccount ***ret_rows, size_t *ret_count,
                                 struct rpc_status *status)
{
    struct gather gather = {.arena = context->arena};
    struct meta__pair params[] = {{"fields", fields}};
    enum rpc_code code =
        meta__list(client, context, token, path, params, 1, add_account, &gather, status);
    if (code == RPC_OK && gather.failed)
        code = meta__fail_memory(status);
    if (code != RPC_OK)
        return code;
    *ret_rows = gather.rows;
    *ret_count = gather.count;
    return RPC_OK;
}

static enum rpc_code get_user(struct meta_client *client, struct rpc_context *context,
                              const char *token, struct meta_accounts *accounts,
                              struct rpc_status *status)
{
    struct meta__request request;
    meta__request_init(&request, HTTP_GET, META_REPEATABLE, "me", token);
    meta__param(&request, "fields", "id,name");
    const struct json_tree *answer = NULL;
    enum rpc_code code = meta__call(client, context, &request, &answer, NULL, status);
    if (code != RPC_OK)
        return code;
    accounts->user_id = text_of(answer, "id");
    accounts->user_name = text_of(answer, "name");
    return accounts->user_id[0] == '\0' ? meta__fail_answer(status) : RPC_OK;
}

enum rpc_code meta_accounts_get(struct meta_client *client, struct rpc_context *context,
                                const char *token, struct meta_accounts *ret_accounts,
                                struct rpc_status *status)
{
    struct meta_accounts accounts = {0};
    enum rpc_code code = get_user(client, context, token, &accounts, status);
    if (code == RPC_OK)
        code = gather_list(client, context, token, "me/adaccounts",
                           "id,account_id,name,currency,timezone_name,account_status,"
                           "business{id,name}",
                           &accounts.ad_accounts, &accounts.ad_account_count, status);
    if (code == RPC_OK)
        code = gather_list(client, context, token, "me/accounts", "id,name", &accounts.pages,
                           &accounts.page_count, status);
    if (code == RPC_OK)
        code = gather_list(client, context, token, "me/businesses", "id,name", &accounts.businesses,
                           &accounts.business_count, status);
    if (code == RPC_OK)
        *ret_accounts = accounts;
    return code;
}
