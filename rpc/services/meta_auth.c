/*
 * lotcast.v1.MetaAuth: the connection to Meta.
 *
 * A state is spent before its code is looked at: whoever deletes it, at the version that was read,
 * goes on; a second callback at the same moment finds it gone. From there on every outcome is a
 * redirect, with ?error= when it went wrong. Tokens are sealed before they are stored and appear in
 * no log line.
 */
#include "lotcast/v1/auth.pb-c.h"

#include <sodium.h>
#include <string.h>

#include "rpc/base/clock.h"
#include "rpc/base/log.h"
#include "rpc/services/campaign.h"
#include "rpc/services/jobs/jobs.h"
#include "rpc/services/key_rotation.h"
#include "rpc/services/model/standing.h"
#include "rpc/services/model/text.h"
#include "rpc/services/secret.h"
#include "rpc/services/session.h"

#define DEFAULT_PATH "/onboarding/launch"
#define STATE_LIFETIME_MS (INT64_C(10) * 60 * 1000)
/* Meta's account_status of an active ad account. */
#define AD_ACCOUNT_ACTIVE 1
/* A token's life is not more than this, whatever an answer says: keeps the sums below from
 * overflow. */
#define TOKEN_LIFETIME_S_MAX (INT64_C(100) * 366 * 24 * 3600)

static const char denied[] = "META_DENIED";
static const char failed[] = "META_FAILED";

static enum rpc_code out_of_memory(struct rpc_status *status)
{
    return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "Out of memory for this call");
}

static const char *redirect_uri(const struct services *services, struct arena *arena)
{
    return arena_printf(arena, "%s/api/auth/meta/callback", services->options.public_url);
}

/* --- ConnectMeta --- */

static enum rpc_code store_state(struct services *services, struct rpc_context *context,
                                 const struct rpc_principal *principal, const char *token,
                                 const char *return_to, struct rpc_status *status)
{
    uint8_t hash[RPC_SESSION_HASH_BYTES];
    (void)session_token_hash(token, hash);
    Lotcast__V1__OauthStateRecord state = LOTCAST__V1__OAUTH_STATE_RECORD__INIT;
    state.state_hash = (ProtobufCBinaryData){.len = sizeof hash, .data = hash};
    state.session_hash = (ProtobufCBinaryData){.len = RPC_SESSION_HASH_BYTES,
                                               .data = (uint8_t *)principal->session_hash};
    state.customer_id = principal->customer_id;
    state.return_to = (char *)(text_return_to_valid(return_to) ? return_to : DEFAULT_PATH);
    state.expires_at_ms = clock_now_ms() + STATE_LIFETIME_MS;
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_put_new(&commit, &state);
    enum rpc_code code = store_commit_send(&commit, context, NULL, status);
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

static enum rpc_code connect_meta(struct rpc_server_call *call, const void *request_message,
                                  void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const struct rpc_principal *principal = rpc_server_call_principal(call);
    const Lotcast__V1__ConnectMetaRequest *request = request_message;
    Lotcast__V1__ConnectMetaResponse *response = response_message;
    if (!meta_client_configured(services->options.meta))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_UNAVAILABLE, NULL);
    /* An operator has no browser that could come back. */
    if (!principal->has_session)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_FORBIDDEN, NULL);
    char token[SESSION_TOKEN_BYTES];
    session_token_make(token);
    enum rpc_code code =
        store_state(services, context, principal, token, request->return_to, status);
    if (code != RPC_OK)
        return code;
    const char *uri = redirect_uri(services, context->arena);
    const char *location =
        uri == NULL ? NULL : meta_dialog_url(services->options.meta, uri, token, context->arena);
    if (location == NULL)
        return out_of_memory(status);
    response->location = (char *)location;
    session_sweep(services, context, clock_now_ms());
    return RPC_OK;
}

/* --- CompleteMeta --- */

/*
 * Spends the state. False if it is not one of this session's, is over, or another callback has
 * spent it. `ret_state` lives in the arena.
 */
static bool spend_state(struct services *services, struct rpc_context *context,
                        const struct rpc_principal *principal, const char *token,
                        const Lotcast__V1__OauthStateRecord **ret_state)
{
    uint8_t hash[RPC_SESSION_HASH_BYTES];
    Lotcast__V1__OauthStateRecord *state;
    uint64_t version;
    if (principal->kind != RPC_PRINCIPAL_CUSTOMER || !principal->has_session ||
        !session_token_hash(token, hash))
        return false;
    struct store_key key = store_key(store_data(hash, sizeof hash));
    if (store_get(services->options.store, context, &lotcast__v1__oauth_state_record__descriptor,
                  NULL, key, &state, &version, NULL) != RPC_OK ||
        state == NULL)
        return false;
    /* Another session's stays, for its owner to use. */
    if (state->session_hash.len != RPC_SESSION_HASH_BYTES ||
        sodium_memcmp(state->session_hash.data, principal->session_hash, RPC_SESSION_HASH_BYTES) !=
            0 ||
        state->customer_id != principal->customer_id)
        return false;
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_delete_version(&commit, &lotcast__v1__oauth_state_record__descriptor, key,
                                      version);
    if (store_commit_send(&commit, context, NULL, NULL) != RPC_OK)
        return false;
    *ret_state = state;
    return state->expires_at_ms > clock_now_ms();
}

/* What was learnt of a new connection. */
struct connection {
    struct meta_token token;
    struct meta_token_info info;
    struct meta_accounts accounts;
};

static const char *fail_step(const struct rpc_context *context, const char *step,
                             enum rpc_code code)
{
    log_event(LOG_LEVEL_WARN, "meta_connect_failed", log_text("step", step),
              log_text("code", rpc_code_name(code)), log_text("request_id", context->request_id));
    return failed;
}

/* Asks Meta. NULL, or the error to redirect with. */
static const char *ask_meta(struct services *services, struct rpc_context *context,
                            const char *code_text, struct connection *connection)
{
    struct meta_client *meta = services->options.meta;
    const char *uri = redirect_uri(services, context->arena);
    struct meta_token short_lived;
    if (uri == NULL)
        return failed;
    enum rpc_code code = meta_code_exchange(meta, context, code_text, uri, &short_lived, NULL);
    if (code != RPC_OK)
        return fail_step(context, "exchange", code);
    code = meta_token_extend(meta, context, short_lived.access_token, &connection->token, NULL);
    if (code != RPC_OK)
        return fail_step(context, "extend", code);
    code = meta_token_debug(meta, context, connection->token.access_token, &connection->info, NULL);
    if (code == RPC_OK && !connection->info.valid)
        code = RPC_PERMISSION_DENIED; /* not valid, or another app's */
    if (code != RPC_OK)
        return fail_step(context, "debug", code);
    if (!connection->info.all_scopes)
        return denied;
    code = meta_accounts_get(meta, context, connection->token.access_token, &connection->accounts,
                             NULL);
    return code == RPC_OK ? NULL : fail_step(context, "accounts", code);
}

static const Lotcast__V1__MetaAccount *find_account(Lotcast__V1__MetaAccount *const *accounts,
                                                    size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(accounts[i]->id, id) == 0)
            return accounts[i];
    }
    return NULL;
}

static bool usable(const struct services *services, const Lotcast__V1__MetaAccount *account)
{
    return account->account_status == AD_ACCOUNT_ACTIVE &&
           money_rate(&services->rates, account->currency) > 0;
}

/* The one that was selected before if it is still there, else the first. */
static char *select_account(Lotcast__V1__MetaAccount *const *accounts, size_t count,
                            const char *before)
{
    if (before[0] != '\0' && find_account(accounts, count, before) != NULL)
        return (char *)before;
    return count == 0 ? (char *)"" : accounts[0]->id;
}

static char *select_ad_account(const struct services *services,
                               const struct meta_accounts *accounts, const char *before)
{
    if (before[0] != '\0' &&
        find_account(accounts->ad_accounts, accounts->ad_account_count, before) != NULL)
        return (char *)before;
    for (size_t i = 0; i < accounts->ad_account_count; i++) {
        if (usable(services, accounts->ad_accounts[i]))
            return accounts->ad_accounts[i]->id;
    }
    return (char *)"";
}

static int64_t token_end_ms(const struct connection *connection, int64_t now_ms)
{
    int64_t at_s = connection->info.expires_at_s;
    int64_t in_s = connection->token.expires_in_s;
    if (at_s > 0)
        return (at_s < now_ms / 1000 + TOKEN_LIFETIME_S_MAX
                    ? at_s
                    : now_ms / 1000 + TOKEN_LIFETIME_S_MAX) *
               1000;
    if (in_s > 0)
        return now_ms + (in_s < TOKEN_LIFETIME_S_MAX ? in_s : TOKEN_LIFETIME_S_MAX) * 1000;
    return 0;
}

/* Fills in all but the selection. Borrows from `connection`. */
static void fill_record(const struct connection *connection, ProtobufCBinaryData sealed,
                        int64_t now_ms, Lotcast__V1__MetaConnectionRecord *record)
{
    const struct meta_accounts *accounts = &connection->accounts;
    record->token_sealed = sealed;
    record->token_expires_at_ms = token_end_ms(connection, now_ms);
    record->token_dead = false;
    record->meta_user_id = (char *)accounts->user_id;
    record->connected_at_ms = now_ms;
    record->n_ad_accounts = accounts->ad_account_count;
    record->ad_accounts = accounts->ad_accounts;
    record->n_pages = accounts->page_count;
    record->pages = accounts->pages;
    record->n_businesses = accounts->business_count;
    record->businesses = accounts->businesses;
}

static void read_connection_ops(int64_t customer_id, struct store_read_op ops[static 2])
{
    struct store_key key = store_key(store_number(customer_id));
    ops[0] = services__get(&lotcast__v1__meta_connection_record__descriptor, key);
    ops[1] = services__get(&lotcast__v1__campaign_record__descriptor, key);
}

/*
 * Adds that Meta hears of what became of the campaign while there was no token to tell it with. A
 * campaign that a disconnection has paused stays so: its owner is to resume it.
 */
static enum rpc_code campaign_catch_up(struct services *services, struct rpc_context *context,
                                       struct store_commit *commit, const struct store_read_op *op)
{
    struct campaign_change change = {.campaign = services__row(op),
                                     .version = services__version(op)};
    if (change.campaign != NULL)
        return campaign_change_add(services, context, commit, &change, NULL);
    (void)store_commit_check(commit, op->record, op->key, 0);
    return RPC_OK;
}

/* One try to store it. RPC_NOT_FOUND: the launched ad account is not among what the token sees. */
static enum rpc_code store_connection(struct services *services, struct rpc_context *context,
                                      int64_t customer_id, const struct connection *connection)
{
    struct store_read_op ops[2];
    ProtobufCBinaryData sealed;
    read_connection_ops(customer_id, ops);
    enum rpc_code code = store_read(services->options.store, context, ops, 2, NULL);
    if (code == RPC_OK)
        code = secret_seal(services, connection->token.access_token, context->arena, &sealed);
    if (code != RPC_OK)
        return code;
    const struct meta_accounts *accounts = &connection->accounts;
    const Lotcast__V1__MetaConnectionRecord *before = services__row(&ops[0]);
    const Lotcast__V1__CampaignRecord *campaign = services__row(&ops[1]);
    Lotcast__V1__MetaConnectionRecord record = LOTCAST__V1__META_CONNECTION_RECORD__INIT;
    record.customer_id = customer_id;
    fill_record(connection, sealed, clock_now_ms(), &record);
    const char *ad_account = before == NULL ? "" : before->ad_account_id;
    if (campaign != NULL) {
        ad_account = campaign->ad_account_id;
        if (find_account(accounts->ad_accounts, accounts->ad_account_count, ad_account) == NULL)
            return RPC_NOT_FOUND;
    }
    record.ad_account_id = select_ad_account(services, accounts, ad_account);
    record.page_id = select_account(accounts->pages, accounts->page_count,
                                    before == NULL ? "" : before->page_id);
    record.business_id = select_account(accounts->businesses, accounts->business_count,
                                        before == NULL ? "" : before->business_id);
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_put_version(&commit, &record, services__version(&ops[0]));
    code = key_rotation_fence(services, context, sealed, &commit);
    if (code == RPC_OK)
        code = campaign_catch_up(services, context, &commit, &ops[1]);
    if (code == RPC_OK)
        code = store_commit_send(&commit, context, NULL, NULL);
    if (code == RPC_OK)
        jobs_wake(services->jobs);
    return code == RPC_ALREADY_EXISTS ? RPC_ABORTED : code;
}

/* From a state that was spent to a connection. NULL, or the error to redirect with. */
static const char *complete(struct services *services, struct rpc_context *context,
                            const Lotcast__V1__CompleteMetaRequest *request, int64_t customer_id)
{
    struct connection connection = {0};
    if (request->error[0] != '\0')
        return strcmp(request->error, "access_denied") == 0 ? denied : failed;
    if (request->code[0] == '\0')
        return failed;
    const char *error = ask_meta(services, context, request->code, &connection);
    if (error != NULL)
        return error;
    enum rpc_code code = RPC_ABORTED;
    /* One more: the first token of all, or one at the moment of a rotation, switches the key. */
    for (int try = 0; code == RPC_ABORTED && try <= SERVICES_COMMIT_TRIES; try++)
        code = store_connection(services, context, customer_id, &connection);
    return code == RPC_OK ? NULL : fail_step(context, "store", code);
}

static enum rpc_code complete_meta(struct rpc_server_call *call, const void *request_message,
                                   void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    const struct rpc_principal *principal = rpc_server_call_principal(call);
    const Lotcast__V1__CompleteMetaRequest *request = request_message;
    Lotcast__V1__CompleteMetaResponse *response = response_message;
    const Lotcast__V1__OauthStateRecord *state;
    const char *path = DEFAULT_PATH;
    const char *error = failed;
    if (meta_client_configured(services->options.meta) &&
        spend_state(services, context, principal, request->state, &state)) {
        path = state->return_to;
        error = complete(services, context, request, state->customer_id);
    }
    response->location = (char *)path;
    if (error != NULL)
        response->location = arena_printf(context->arena, "%s%cerror=%s", path,
                                          strchr(path, '?') == NULL ? '?' : '&', error);
    return response->location == NULL ? out_of_memory(status) : RPC_OK;
}

/* --- GetMetaAccounts --- */

static bool fill_options(struct arena *arena, Lotcast__V1__MetaAccount *const *accounts,
                         size_t count, Lotcast__V1__MetaOption ***ret_options, size_t *ret_count)
{
    Lotcast__V1__MetaOption **options = arena_calloc(arena, count, sizeof *options);
    Lotcast__V1__MetaOption *values = arena_calloc(arena, count, sizeof *values);
    if (options == NULL || values == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        lotcast__v1__meta_option__init(&values[i]);
        values[i].id = accounts[i]->id;
        values[i].name = accounts[i]->name;
        options[i] = &values[i];
    }
    *ret_options = options;
    *ret_count = count;
    return true;
}

static bool fill_ad_accounts(const struct services *services, struct arena *arena,
                             const Lotcast__V1__MetaConnectionRecord *connection,
                             Lotcast__V1__GetMetaAccountsResponse *response)
{
    size_t count = connection->n_ad_accounts;
    Lotcast__V1__AdAccountOption **options = arena_calloc(arena, count, sizeof *options);
    Lotcast__V1__AdAccountOption *values = arena_calloc(arena, count, sizeof *values);
    if (options == NULL || values == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        lotcast__v1__ad_account_option__init(&values[i]);
        values[i].id = connection->ad_accounts[i]->id;
        values[i].name = connection->ad_accounts[i]->name;
        values[i].currency = connection->ad_accounts[i]->currency;
        values[i].usable = usable(services, connection->ad_accounts[i]);
        options[i] = &values[i];
    }
    response->ad_accounts = options;
    response->n_ad_accounts = count;
    return true;
}

static enum rpc_code get_meta_accounts(struct rpc_server_call *call, const void *request,
                                       void *response_message, struct rpc_status *status)
{
    struct services *services = rpc_server_call_self(call);
    struct rpc_context *context = rpc_server_call_context(call);
    Lotcast__V1__GetMetaAccountsResponse *response = response_message;
    Lotcast__V1__MetaConnectionRecord *connection;
    (void)request;
    enum rpc_code code = store_get(
        services->options.store, context, &lotcast__v1__meta_connection_record__descriptor, NULL,
        store_key(store_number(rpc_server_call_principal(call)->customer_id)), &connection, NULL,
        status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    if (!standing_token_alive(connection, clock_now_ms()))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED, NULL);
    Lotcast__V1__MetaSelection *selected = arena_alloc(context->arena, sizeof *selected);
    if (selected == NULL || !fill_ad_accounts(services, context->arena, connection, response) ||
        !fill_options(context->arena, connection->pages, connection->n_pages, &response->pages,
                      &response->n_pages) ||
        !fill_options(context->arena, connection->businesses, connection->n_businesses,
                      &response->businesses, &response->n_businesses))
        return out_of_memory(status);
    lotcast__v1__meta_selection__init(selected);
    selected->ad_account_id = connection->ad_account_id;
    selected->page_id = connection->page_id;
    selected->business_id = connection->business_id;
    response->selected = selected;
    return RPC_OK;
}

/* --- SelectMetaAccounts --- */

static enum rpc_code wrong_id(const char *field, struct rpc_status *status)
{
    return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_ARGUMENT, field);
}

static enum rpc_code check_listed(const Lotcast__V1__SelectMetaAccountsRequest *request,
                                  const Lotcast__V1__MetaConnectionRecord *connection,
                                  struct rpc_status *status)
{
    if (find_account(connection->ad_accounts, connection->n_ad_accounts, request->ad_account_id) ==
        NULL)
        return wrong_id("adAccountId", status);
    if (find_account(connection->pages, connection->n_pages, request->page_id) == NULL)
        return wrong_id("pageId", status);
    if (find_account(connection->businesses, connection->n_businesses, request->business_id) ==
        NULL)
        return wrong_id("businessId", status);
    return RPC_OK;
}

/* Whether a launch is under way: it goes on with what was selected when it began. */
static bool launching(const struct store_read_op *jobs)
{
    for (size_t i = 0; i < jobs->ret_row_count; i++) {
        const Lotcast__V1__JobRecord *job = (const void *)jobs->ret_rows[i];
        if (job->state == LOTCAST__V1__JOB_STATE__JOB_STATE_ACTIVE)
            return true;
    }
    return false;
}

/* One try; `ret_lost` is set when it lost a race, and another try may go better. */
static enum rpc_code select_once(struct services *services, struct rpc_context *context,
                                 const Lotcast__V1__SelectMetaAccountsRequest *request,
                                 int64_t customer_id, bool *ret_lost, struct rpc_status *status)
{
    struct store_read_op ops[3];
    read_connection_ops(customer_id, ops);
    ops[2] = (struct store_read_op){
        .record = &lotcast__v1__job_record__descriptor,
        .index = "by_customer",
        .key = store_key(store_number(customer_id),
                         store_number(LOTCAST__V1__JOB_KIND__JOB_KIND_LAUNCH)),
        .is_range = true,
    };
    enum rpc_code code = store_read(services->options.store, context, ops, 3, status);
    if (code != RPC_OK)
        return services__store_failed(code, status);
    Lotcast__V1__MetaConnectionRecord *connection = services__row(&ops[0]);
    const Lotcast__V1__CampaignRecord *campaign = services__row(&ops[1]);
    if (campaign != NULL) {
        code = rpc_status_fail(status, LOTCAST__V1__REASON__REASON_ALREADY_LAUNCHED, NULL);
        if (status != NULL)
            memcpy(status->campaign_id, campaign->campaign_id,
                   strnlen(campaign->campaign_id, sizeof status->campaign_id - 1));
        return code;
    }
    if (!standing_token_alive(connection, clock_now_ms()))
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_META_NOT_CONNECTED, NULL);
    if (launching(&ops[2]))
        return rpc_status_fail_message(status, LOTCAST__V1__REASON__REASON_CONFLICT, NULL,
                                       "Your ads are being launched");
    code = check_listed(request, connection, status);
    if (code != RPC_OK)
        return code;
    connection->ad_account_id = request->ad_account_id;
    connection->page_id = request->page_id;
    connection->business_id = request->business_id;
    struct store_commit commit;
    store_commit_init(&commit, services->options.store, context);
    (void)store_commit_put_version(&commit, connection, services__version(&ops[0]));
    (void)store_commit_check(&commit, ops[1].record, ops[1].key, 0);
    code = store_commit_send(&commit, context, NULL, status);
    *ret_lost = code == RPC_ABORTED;
    return code == RPC_OK ? RPC_OK : services__store_failed(code, status);
}

static enum rpc_code select_meta_accounts(struct rpc_server_call *call, const void *request_message,
                                          void *response_message, struct rpc_status *status)
{
    const Lotcast__V1__SelectMetaAccountsRequest *request = request_message;
    Lotcast__V1__SelectMetaAccountsResponse *response = response_message;
    if (request->ad_account_id[0] == '\0')
        return wrong_id("adAccountId", status);
    if (request->page_id[0] == '\0')
        return wrong_id("pageId", status);
    if (request->business_id[0] == '\0')
        return wrong_id("businessId", status);
    struct services *services = rpc_server_call_self(call);
    int64_t customer_id = rpc_server_call_principal(call)->customer_id;
    enum rpc_code code = RPC_OK;
    bool lost = true;
    for (int try = 0; lost && try < SERVICES_COMMIT_TRIES; try++) {
        lost = false;
        code = select_once(services, rpc_server_call_context(call), request, customer_id, &lost,
                           status);
    }
    response->success = code == RPC_OK;
    return code;
}

rpc_handler *const meta_auth_handlers[] = {connect_meta, complete_meta, get_meta_accounts,
                                           select_meta_accounts};
