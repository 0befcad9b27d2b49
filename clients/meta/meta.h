/*
 * Meta's Graph API (v24.0 by default): one function a call. Blocking; any thread. Results live in
 * the context's arena. The token goes into the Authorization header and appsecret_proof into the
 * parameters; neither is ever logged, nor is a paging URL.
 *
 * Errors, besides deadline and cancellation: a status whose `upstream` is "meta" and whose code is
 *   RPC_UNAUTHENTICATED      190: the token is dead; reason META_NOT_CONNECTED. Never retried.
 *   RPC_PERMISSION_DENIED    10, 200..299, 368
 *   RPC_INVALID_ARGUMENT     100: Meta refuses the values
 *   RPC_NOT_FOUND            100 with subcode 33
 *   RPC_RESOURCE_EXHAUSTED   throttled; retry_after_ms from the usage headers
 *   RPC_UNAVAILABLE          everything that may pass: 1, 2, is_transient, 5xx, no connection. A
 * create that ends so has an unknown outcome: look it up before repeating it. Except for
 * RPC_UNAUTHENTICATED the reason is UPSTREAM_ERROR. Meta's own text is not in the message.
 */
#ifndef CLIENTS_META_META_H
#define CLIENTS_META_META_H

#include "clients/http/http.h"
#include "lotcast/v1/records.pb-c.h"
#include "rpc/context.h"

/* Requests in one items_batch. */
#define META_BATCH_ITEMS_MAX 5000

struct meta_client;

struct meta_options {
    struct http_client *http;
    const char *graph_url; /* without a trailing slash */
    const char *dialog_url;
    const char *version; /* v24.0 */
    const char *app_id;
    const char *app_secret;
};

/* Borrows all of `options` for its life. NULL when out of memory. */
struct meta_client *meta_client_create(const struct meta_options *options);
void meta_client_destroy(struct meta_client *client);
/* Whether app id and secret are set. */
bool meta_client_configured(const struct meta_client *client);

/* The dialog's URL, in the arena; NULL on exhaustion. */
const char *meta_dialog_url(const struct meta_client *client, const char *redirect_uri,
                            const char *state, struct arena *arena);

struct meta_token {
    const char *access_token;
    int64_t expires_in_s; /* 0: not said */
};

enum rpc_code meta_code_exchange(struct meta_client *client, struct rpc_context *context,
                                 const char *code, const char *redirect_uri,
                                 struct meta_token *ret_token, struct rpc_status *status)
    __attribute__((warn_unused_result));
enum rpc_code meta_token_extend(struct meta_client *client, struct rpc_context *context,
                                const char *token, struct meta_token *ret_token,
                                struct rpc_status *status) __attribute__((warn_unused_result));

struct meta_token_info {
    bool valid;           /* is_valid, and issued for our app */
    bool all_scopes;      /* none of the scopes that we need was declined */
    int64_t expires_at_s; /* 0: never or not said */
    const char *user_id;
};
enum rpc_code meta_token_debug(struct meta_client *client, struct rpc_context *context,
                               const char *token, struct meta_token_info *ret_info,
                               struct rpc_status *status) __attribute__((warn_unused_result));

/* Takes back all that the person has granted our app: each of its tokens is dead afterwards, so a
 * repetition is RPC_UNAUTHENTICATED. Does not pause ads. */
enum rpc_code meta_token_revoke(struct meta_client *client, struct rpc_context *context,
                                const char *token, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* What the token can see; all pages of each list are read. */
struct meta_accounts {
    const char *user_id;
    const char *user_name;
    Lotcast__V1__MetaAccount **ad_accounts;
    size_t ad_account_count;
    Lotcast__V1__MetaAccount **pages;
    size_t page_count;
    Lotcast__V1__MetaAccount **businesses;
    size_t business_count;
};
enum rpc_code meta_accounts_get(struct meta_client *client, struct rpc_context *context,
                                const char *token, struct meta_accounts *ret_accounts,
                                struct rpc_status *status) __attribute__((warn_unused_result));

/* Kinds of things that are made by name, and can be found again by it. */
enum meta_object {
    META_CATALOG,     /* parent: a business */
    META_PRODUCT_SET, /* parent: a catalog */
    META_CAMPAIGN,    /* parent: act_… (as for all below) */
    META_AD_SET,
    META_CREATIVE,
    META_AD,
};

/* Looks for an object by its exact name among all of its kind under `parent_id`: its id, or NULL
 * with RPC_OK. */
enum rpc_code meta_object_find(struct meta_client *client, struct rpc_context *context,
                               const char *token, enum meta_object kind, const char *parent_id,
                               const char *name, const char **ret_id, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* Everything that the creates below need; each says what it reads. */
struct meta_create {
    const char *name;
    const char *business_id;                 /* catalog */
    bool vehicles;                           /* catalog: most items are vehicles; see items */
    const char *catalog_id;                  /* product set, campaign */
    const char *ad_account_id;               /* campaign and all below it */
    const char *campaign_id;                 /* ad set */
    const char *product_set_id;              /* ad set, creative */
    int64_t daily_budget;                    /* ad set; Meta's minor units of the currency */
    const Lotcast__V1__Targeting *targeting; /* ad set */
    const char *page_id;                     /* creative */
    const char *link;                        /* creative */
    const char *message;                     /* creative */
    const char *ad_set_id;                   /* ad */
    const char *creative_id;                 /* ad */
};
/* Creates an object, PAUSED where it has a status, and returns its id. Not retried: see
 * RPC_UNAVAILABLE above. */
enum rpc_code meta_object_create(struct meta_client *client, struct rpc_context *context,
                                 const char *token, enum meta_object kind,
                                 const struct meta_create *create, const char **ret_id,
                                 struct rpc_status *status) __attribute__((warn_unused_result));

/* Sets an ad's, an ad set's or a campaign's status and reads it back; fails unless it took. */
enum rpc_code meta_status_set(struct meta_client *client, struct rpc_context *context,
                              const char *token, const char *object_id, bool active,
                              struct rpc_status *status) __attribute__((warn_unused_result));

/* Changes an ad set's daily budget (Meta's minor units; 0: stays) and targeting (NULL: stays).
 * Setting the same again changes nothing: repeating it is safe. */
enum rpc_code meta_ad_set_update(struct meta_client *client, struct rpc_context *context,
                                 const char *token, const char *ad_set_id, int64_t daily_budget,
                                 const Lotcast__V1__Targeting *targeting, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* One refused item of a batch. */
struct meta_item_error {
    int64_t item_id; /* from the retailer id */
    const char *message;
};

/* A change of a catalog: an item as it is now, or its deletion. */
struct meta_item_change {
    int64_t item_id;
    const Lotcast__V1__ItemRecord *item; /* borrowed; NULL: it is deleted */
};
struct meta_submission {
    const char **handles; /* for meta_items_status; none if every item was refused at once */
    size_t handle_count;
    /* Refused at once, by id, one each: no status says any more of them. */
    struct meta_item_error *errors;
    size_t error_count;
};
/*
 * Sends changes, as many as there are, in batches; meta_items_status says when they are done. The
 * retailer id of an item is its decimal item_id. A vehicle without Meta's required fields goes as a
 * product; as they include an address, which no item has, all go so. Batches that Meta finds too
 * large are halved; one of which nothing was taken is sent again without what was refused.
 * RPC_INVALID_ARGUMENT: Meta took nothing of a batch, and did not say why. On failure earlier
 * batches may have been taken: repeating all of it is safe.
 */
enum rpc_code meta_items_send(struct meta_client *client, struct rpc_context *context,
                              const char *token, const char *catalog_id,
                              const struct meta_item_change *changes, size_t count,
                              struct meta_submission *ret_submission, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* The ids of all items that the catalog holds under a retailer id of ours, ascending. */
enum rpc_code meta_items_list(struct meta_client *client, struct rpc_context *context,
                              const char *token, const char *catalog_id, int64_t **ret_item_ids,
                              size_t *ret_count, struct rpc_status *status)
    __attribute__((warn_unused_result));

struct meta_batch_status {
    bool finished; /* nothing more will happen */
    bool failed;   /* error or canceled */
    size_t error_count;
    struct meta_item_error *errors;
};
enum rpc_code meta_items_status(struct meta_client *client, struct rpc_context *context,
                                const char *token, const char *catalog_id, const char *handle,
                                struct meta_batch_status *ret_batch, struct rpc_status *status)
    __attribute__((warn_unused_result));

/* Figures of a day (`day` set) or of a whole period. Money in hundredths of the currency. */
struct meta_insight {
    int32_t day; /* days since 1970-01-01, in the ad account's time zone */
    int64_t impressions, clicks, reach, spend_minor;
};
/* A row for each day with delivery from first_day to last_day, both inclusive. */
enum rpc_code meta_insights_daily(struct meta_client *client, struct rpc_context *context,
                                  const char *token, const char *campaign_id, int32_t first_day,
                                  int32_t last_day, struct meta_insight **ret_days,
                                  size_t *ret_count, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* The period as a whole, with its own reach; first_day 0: the lifetime. All zero without delivery.
 */
enum rpc_code meta_insights_total(struct meta_client *client, struct rpc_context *context,
                                  const char *token, const char *campaign_id, int32_t first_day,
                                  int32_t last_day, struct meta_insight *ret_total,
                                  struct rpc_status *status) __attribute__((warn_unused_result));

/* An item's figures in a period. */
struct meta_insight_item {
    int64_t item_id;   /* from the retailer id */
    const char *title; /* as Meta knows it; "" where it does not say */
    int64_t impressions, clicks;
};
/*
 * The items with the most impressions in the period, then the most clicks, then the lowest id; at
 * most `max`. first_day 0: the lifetime. RPC_INVALID_ARGUMENT: Meta has no figures by item for this
 * campaign.
 */
enum rpc_code meta_insights_items(struct meta_client *client, struct rpc_context *context,
                                  const char *token, const char *campaign_id, int32_t first_day,
                                  int32_t last_day, size_t max,
                                  struct meta_insight_item **ret_items, size_t *ret_count,
                                  struct rpc_status *status) __attribute__((warn_unused_result));

/* Meta's minor units of one major unit: 1 for JPY and the like, else 100. */
int64_t meta_currency_factor(const char *currency);

#endif
