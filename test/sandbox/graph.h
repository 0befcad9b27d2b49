/*
 * Meta as Lotcast meets it: the OAuth dialog and the Graph API, for one user, Jane Doe. One lock
 * for all of it: a call holds it while it works.
 */
#ifndef TEST_SANDBOX_GRAPH_H
#define TEST_SANDBOX_GRAPH_H

#include <pthread.h>

#include "test/sandbox/control.h"
#include "test/sandbox/http.h"

#define GRAPH_OBJECTS_MAX 16384
#define GRAPH_BATCHES_MAX 16384
#define GRAPH_TOKENS_MAX 4096
#define GRAPH_CODES_MAX 1024
/* Times that a campaign starts and stops to deliver. */
#define GRAPH_INTERVALS_MAX 64
#define GRAPH_TEXT_BYTES 64

/* People may decline them one by one. */
enum graph_scope {
    GRAPH_ADS_MANAGEMENT = 1,
    GRAPH_ADS_READ = 2,
    GRAPH_BUSINESS_MANAGEMENT = 4,
    GRAPH_CATALOG_MANAGEMENT = 8,
    GRAPH_PAGES_SHOW_LIST = 16,
    GRAPH_PAGES_READ_ENGAGEMENT = 32,
};
#define GRAPH_SCOPE_COUNT 6
extern const char *const graph_scope_names[GRAPH_SCOPE_COUNT];

struct graph_token {
    char text[GRAPH_TEXT_BYTES];
    unsigned scopes;
    int64_t issued_ms;
    int64_t expires_ms;
    bool long_lived;
    bool revoked;
};

struct graph_code {
    char text[GRAPH_TEXT_BYTES];
    char *redirect_uri;
    unsigned scopes;
    int64_t expires_ms;
    bool used;
};

enum graph_kind {
    GRAPH_CATALOG,
    GRAPH_PRODUCT_SET,
    GRAPH_CAMPAIGN,
    GRAPH_AD_SET,
    GRAPH_CREATIVE,
    GRAPH_AD,
    GRAPH_KIND_COUNT
};

struct graph_interval {
    int64_t from_ms;
    int64_t to_ms; /* INT64_MAX: still running */
};

struct graph_object {
    enum graph_kind kind;
    int64_t id;
    int64_t owner; /* business, catalog or ad account */
    int64_t above; /* of a set its catalog, an ad set its campaign, an ad its ad set; else 0 */
    int64_t product_set; /* of an ad set or a creative; of a campaign its catalog */
    char *name;
    char *status; /* ACTIVE, PAUSED, ARCHIVED, DELETED; NULL where the kind has none */
    char *fields; /* what it was made with, a JSON object */
    int64_t created_ms;
    int64_t updated_ms;
    struct graph_interval intervals[GRAPH_INTERVALS_MAX]; /* of a campaign: its delivery */
    size_t interval_count;
};

struct graph_product {
    int64_t catalog;
    char *retailer_id;
    int64_t id;
    char *data; /* as it was sent, a JSON object */
    bool vehicle;
    bool deleted;
};

struct graph_batch {
    char handle[GRAPH_TEXT_BYTES];
    int64_t catalog;
    bool vehicle;
    bool upsert;
    bool applied;
    int64_t submitted_ms; /* monotonic */
    char *requests;       /* the JSON array */
    char *invalid;        /* ["id",…] of what validation refused */
    char *errors;         /* [{"line","id","message"},…] once applied */
    int64_t error_count;
};

struct graph {
    pthread_mutex_t lock;
    struct control *control;
    const char *app_id;
    const char *app_secret;
    const char *version;   /* v24.0 */
    const char *time_zone; /* of the ad accounts */
    int64_t history_days;
    bool quiet_today;  /* figures end with yesterday's */
    int64_t page_size; /* most rows of a page */
    int64_t batch_items_max;
    int64_t batch_delay_ms;
    int64_t usage_percent;
    char *refused_id; /* batches refuse this retailer id … */
    char *refused_message;
    int64_t next_id;
    struct graph_token *tokens[GRAPH_TOKENS_MAX];
    size_t token_count;
    struct graph_code codes[GRAPH_CODES_MAX];
    size_t code_count;
    struct graph_object *objects[GRAPH_OBJECTS_MAX];
    size_t object_count;
    struct graph_batch *batches[GRAPH_BATCHES_MAX];
    size_t batch_count;
    struct graph_product **products; /* in the order in which they came */
    size_t product_count;
    size_t product_room;
    void *product_index; /* tsearch(3) by catalog and retailer id */
};

/* A call under the lock. */
struct graph_call {
    struct graph *graph;
    struct exchange *x;
    struct graph_token *token; /* of the caller; NULL for calls without one */
    bool app_token;            /* the caller is the app itself: app|secret */
};

/* graph.c */
void graph_handle(struct graph *graph, struct exchange *x);
int64_t graph_now_ms(const struct graph *graph);
/* A random token or code with a prefix. */
void graph_random_text(const char *prefix, char text[static GRAPH_TEXT_BYTES]);

/* graph_error.c: each answers the call. */
void graph_error(struct graph_call *call, int code, int subcode, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void graph_not_found(struct graph_call *call, const char *id);
/* False, with the error answered, unless the token was granted one of `scopes`. */
bool graph_allowed(struct graph_call *call, unsigned scopes);
void graph_usage_headers(struct graph_call *call);

/* graph_oauth.c */
void graph_dialog(struct graph_call *call);
void graph_dialog_confirm(struct graph_call *call);
void graph_access_token(struct graph_call *call);
void graph_debug_token(struct graph_call *call);
void graph_permissions(struct graph_call *call);
/* Finds out who calls; false with the error answered. */
bool graph_authenticate(struct graph_call *call);

/* graph_accounts.c */
extern const int64_t graph_business_id;
bool graph_is_page(const char *id);
/* The number of a usable or disabled account of ours, from act_… ; 0: none. */
int64_t graph_ad_account(const char *id);
bool graph_ad_account_active(int64_t account);
void graph_me(struct graph_call *call);
void graph_me_edge(struct graph_call *call, const char *edge);

/* graph_objects.c */
struct graph_object *graph_object_find(struct graph *graph, int64_t id);
struct graph_object *graph_object_find_text(struct graph *graph, const char *id);
struct graph_object *graph_object_add(struct graph *graph, enum graph_kind kind, int64_t owner,
                                      const char *name, const char *status, char *fields);
const char *graph_effective_status(struct graph *graph, const struct graph_object *object);
/* Starts and ends the campaign's delivery after a change of status below or at it. */
void graph_delivery_update(struct graph *graph, struct graph_object *object);
/* Prints the named fields (NULL: id alone); false with the error answered for one that is unknown.
 */
bool graph_object_print(struct graph_call *call, const struct graph_object *object,
                        const char *fields);
void graph_object_list(struct graph_call *call, enum graph_kind kind, int64_t owner);
void graph_objects_dump(struct graph *graph, struct buffer *out);

/*
 * graph_page.c: paging of lists. Forward, the first `limit` rows behind `after` are printed as they
 * come. Backward (`before`), every row in front of it is printed, and in the end all but the last
 * `limit` are taken out again.
 */
struct graph_page_mark {
    int64_t key;
    size_t at; /* where the row begins in the answer */
};
struct graph_page {
    int64_t after;  /* rows up to this key are through */
    int64_t before; /* not 0: backward, from the rows in front of this key */
    int64_t limit;
    int64_t rows; /* printed */
    int64_t first_key;
    int64_t last_key;
    bool more;                     /* there are rows behind this page */
    bool less;                     /* and in front of it */
    size_t start;                  /* where the first row begins in the answer */
    struct graph_page_mark *marks; /* backward: of the last `limit` rows, in a ring */
};
/* Reads limit, after and before, at most `size` rows; false with the error answered. Begins the
 * answer. */
bool graph_page_start(struct graph_call *call, int64_t size, struct graph_page *page);
/* Whether the row of this key (rising, from 1) is to be printed; prints the comma. */
bool graph_page_row(struct graph_call *call, struct graph_page *page, int64_t key);
void graph_page_end(struct graph_call *call, struct graph_page *page);

/* graph_check.c: parameters by table. */
enum graph_type {
    GRAPH_STRING,
    GRAPH_ID,
    GRAPH_INT,
    GRAPH_BOOL,
    GRAPH_ENUM,
    GRAPH_ARRAY,
    GRAPH_OBJECT
};
struct graph_rule {
    const char *name;
    enum graph_type type;
    bool required;
    const char *values; /* of an enum: A|B|C */
};
/* False with the error answered. */
bool graph_check(struct graph_call *call, const struct graph_rule *rules, size_t count);
bool graph_value_in(const char *value, const char *values);
/* The parameters of the rules as one JSON object, malloc'ed. */
char *graph_fields(struct graph_call *call, const struct graph_rule *rules, size_t count);
bool graph_targeting_valid(struct graph_call *call, const struct json_tree *targeting);

/* graph_catalog.c */
void graph_catalog_create(struct graph_call *call);
void graph_product_set_create(struct graph_call *call, struct graph_object *catalog);
void graph_products_list(struct graph_call *call, struct graph_object *catalog);
int64_t graph_product_set_size(struct graph *graph, const struct graph_object *set);
struct graph_product *graph_product_put(struct graph *graph, int64_t catalog,
                                        const char *retailer_id);
struct graph_product *graph_product_get(struct graph *graph, int64_t catalog,
                                        const char *retailer_id);

/* graph_batch.c */
void graph_items_batch(struct graph_call *call, struct graph_object *catalog);
void graph_batch_status(struct graph_call *call, struct graph_object *catalog);
/* Does what has become due. */
void graph_batches_settle(struct graph *graph);

/* graph_ads.c */
void graph_campaign_create(struct graph_call *call, int64_t account);
void graph_ad_set_create(struct graph_call *call, int64_t account);
void graph_creative_create(struct graph_call *call, int64_t account);
void graph_ad_create(struct graph_call *call, int64_t account);
void graph_object_update(struct graph_call *call, struct graph_object *object);

/* graph_insights.c: days are counted from 1970-01-01 in the ad accounts' time zone. */
int32_t graph_day_of(int64_t ms);
int64_t graph_day_start_ms(int32_t day);
void graph_insights(struct graph_call *call, struct graph_object *object);

/* graph_control.c: /_control/ endpoints of Meta's. False: not one of these. */
void graph_init(struct graph *graph, struct control *control);
bool graph_control(struct graph *graph, struct exchange *x);

#endif
