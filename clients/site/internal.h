/*
 * What the files of clients/site share. A page goes this way:
 *
 *     fetch.c ─ bytes ─▶ page.c (HTML) ─ values ─▶ extract.c ─ found ─▶ collection.c ─▶ ItemRecord
 *                │         │  value.c (JSON-LD)          price.c, text.c
 *                │         └─ links ─▶ visit.c (what is read next) ◀─ robots.c, sitemap.c
 *                └─▶ feed.c, csv.c, feed_xml.c, shop.c ─ products ─▶ product.c ─ found ─▶
 *
 * known.c puts what a page brought into a record and back: instead of reading it again.
 *
 * Everything of one page lives in the page's arena, which is reset after it; what is kept is copied
 * into the context's arena (items) or the frontier's (URLs still to be read).
 */
#ifndef CLIENTS_SITE_INTERNAL_H
#define CLIENTS_SITE_INTERNAL_H

#include "clients/http/url.h"
#include "clients/site/site.h"
#include "rpc/base/buffer.h"

/* The product's name in robots.txt and in requests. */
#define SITE_AGENT_TOKEN "lotcastbot"
/* Texts of an item, in bytes without the NUL. */
#define SITE_TITLE_BYTES_MAX 500
#define SITE_DESCRIPTION_BYTES_MAX 5000
#define SITE_WORD_BYTES_MAX 120 /* brand, model, SKU, … */
/* robots.txt is read so far. */
#define SITE_ROBOTS_BYTES_MAX ((size_t)500 * 1024)
#define SITE_CRAWL_DELAY_MS_MAX 10000
/* One sitemap, unpacked, and what it lists. */
#define SITE_SITEMAP_BYTES_MAX ((size_t)50 * 1024 * 1024)
#define SITE_SITEMAP_URLS_MAX 50000
/* Items of one page. */
#define SITE_PAGE_ITEMS_MAX 2000

/* ---- text.c: text of any origin made presentable ---- */

/*
 * Plain text: entities decoded, tags taken out, control and direction-override characters and bad
 * UTF-8 dropped, white space collapsed and trimmed, cut at a character to `bytes_max`. In `arena`;
 * NULL when nothing is left (or the arena is full).
 */
const char *site__text_clean(struct span text, size_t bytes_max, struct arena *arena);
/* The text with its entities decoded, as an attribute's value is; in `arena`, NULL when that is
 * full. */
const char *site__text_entities(struct span text, struct arena *arena);
/*
 * A page's bytes as valid UTF-8 without NULs: by byte order mark, `content_type`'s charset (may be
 * NULL), the page's own <meta>, else UTF-8 where it is valid and windows-1252 where not. In
 * `arena`.
 */
bool site__text_decode(struct span bytes, const char *content_type, struct arena *arena,
                       struct span *ret_text);

/* ---- value.c: a bounded tree for JSON-LD and microdata alike ---- */

enum site_value_kind {
    SITE_VALUE_NULL,
    SITE_VALUE_BOOL,
    SITE_VALUE_NUMBER, /* as text */
    SITE_VALUE_STRING,
    SITE_VALUE_ARRAY,
    SITE_VALUE_OBJECT,
};

struct site_value {
    enum site_value_kind kind;
    bool truth;
    bool seen;       /* extract.c has been here */
    const char *key; /* in an object; "" else */
    struct span text;
    struct site_value *first, *last, *next; /* members or elements */
};

/* A new value, or NULL when the arena is full. */
struct site_value *site__value_create(enum site_value_kind kind, struct arena *arena);
/* Appends a member (or an element, with key ""); takes both pointers' lifetimes from the arena. */
void site__value_add(struct site_value *parent, const char *key, struct site_value *value);
/* Adds a string member; false when the arena is full. */
bool site__value_add_text(struct site_value *parent, const char *key, struct span text,
                          struct arena *arena);
/* The first member of that name (a "schema:" prefix is overlooked), or NULL. */
struct site_value *site__value_get(const struct site_value *object, const char *key);
/*
 * Parses a JSON-LD block as it is found in the wild: comments or CDATA marks around it and raw
 * control characters in strings are overlooked; several values in a row become an array; what does
 * not parse is repaired (repair.c) once. False if it is broken or too deep or too large.
 */
bool site__value_parse(struct span text, struct arena *arena, struct site_value **ret_value);
/* The same with room for a long list. */
bool site__value_parse_large(struct span text, struct arena *arena, struct site_value **ret_value);

/* ---- repair.c ---- */

/* Makes JSON of what is nearly JSON, in `arena`; false when that is full. */
bool site__json_repair(struct span text, struct arena *arena, struct span *ret_text);

/* ---- price.c ---- */

/*
 * A price as shops write it: "28,000.00", "28.000,00 €", "USD 28000", "$28,000", "28 000". In
 * hundredths, half up. `is_number`: a JSON number, whose point is a decimal point. `currency` (may
 * be NULL) is what the page declares beside it, and wins. False if there is no one positive price
 * in it; ret_currency is "" when nothing names a currency that ISO 4217 knows.
 */
bool site__price_parse(struct span text, bool is_number, const char *currency, int64_t *ret_minor,
                       char ret_currency[static 4]);

/* ---- extract.c: what values say about items ---- */

/* Better ones have higher numbers. A feed is better than a list, and less than the item's own page.
 */
enum site_source {
    SITE_SOURCE_OPENGRAPH = 1,
    SITE_SOURCE_MICRODATA,
    SITE_SOURCE_JSONLD,
    SITE_SOURCE_FEED
};

/* One item as one source has it. NULL or -1 where it says nothing. */
struct site_found {
    enum site_source source;
    bool is_detail; /* the page is about this item */
    bool is_vehicle;
    const char *title, *description, *image, *brand, *model, *body_style;
    const char *vin, *sku;
    const char *url;    /* canonical; the page's where the item names none */
    bool has_own_url;   /* the URL is this item's alone */
    const char *link;   /* where the first link within it leads (microdata) */
    const char *suffix; /* tells items of one page apart that have nothing else; NULL: none */
    int64_t price_minor;
    const char *currency; /* with a price; "" where it is unknown */
    int in_stock;
    int year;
    int condition; /* Lotcast__V1__ItemCondition, 0 for none */
    int64_t mileage;
    const char *mileage_unit;
    struct site_found *next;
};

struct site_extraction;

/* A list of URLs of a page, as written. */
struct site_link {
    struct span href;
    bool is_next; /* rel=next */
    bool is_previous;
    bool is_follow;    /* no rel=nofollow */
    bool is_alternate; /* a feed that the page's head names, of whatever */
    struct site_link *next;
};

struct site_page {
    struct arena *arena;
    struct url url;        /* where it was found, after redirects */
    struct url base;       /* <base>, else the same */
    const char *canonical; /* identity of the page */
    bool is_nofollow;      /* <meta name=robots> */
    bool is_listing;       /* one of several pages of a list */
    bool is_full;          /* items were left out: the arena or a cap */
    bool is_any_site;      /* its items' pages may be on another site: a feed */
    struct site_extraction *extraction;
    struct site_found *found_first, *found_last;
    size_t found_count;
    struct site_link *link_first, *link_last; /* of the page's text */
    struct site_link *item_first, *item_last; /* items' own pages, as a list names them */
};

/* Adds every item that `root` describes to the page. */
void site__extract(struct site_page *page, struct site_value *root, enum site_source source);
/* After all sources: which item the page is about, and one item of what several sources say of it.
 */
void site__extract_finish(struct site_page *page);

/* ---- microdata.c and page.c ---- */

/*
 * Reads a page. `url` is lent; `content_type` and `link_header` may be NULL. `is_listing`: it was
 * reached as one of a list's pages. The result is in
 * `arena` wholly. False only when the arena could not hold the text.
 */
bool site__page_read(const struct url *url, struct span body, const char *content_type,
                     const char *link_header, bool is_listing, struct arena *arena,
                     struct site_page *ret_page);
/* The same by the parser alone: what it says is what a glance (glance.c) must say, too. */
bool site__page_parse(const struct url *url, struct span body, const char *content_type,
                      const char *link_header, bool is_listing, struct arena *arena,
                      struct site_page *ret_page);
/* Resolves as written in a page: spaces around are trimmed, those within encoded. */
bool site__link_resolve(const struct url *base, struct span href, struct arena *arena,
                        struct url *ret_url);

/* Whether both are of one site: same host but for a leading "www.", same port but for http's and
 * https' own. */
bool site__same_site(const struct url *a, const struct url *b);

struct site_microdata;
/* Reads itemscope and itemprop as the elements come. NULL: the arena is full. */
struct site_microdata *site__microdata_create(struct arena *arena);
void site__microdata_start(struct site_microdata *data, const char *element,
                           const char *const *attributes);
void site__microdata_text(struct site_microdata *data, struct span text);
void site__microdata_end(struct site_microdata *data);
/* The top items, an array. */
struct site_value *site__microdata_finish(struct site_microdata *data);
/* The value of an attribute ("" for one without), or NULL. */
const char *site__attribute(const char *const *attributes, const char *name);

/* ---- robots.c ---- */

#define SITE_ROBOTS_SITEMAPS_MAX 100

struct site_robots_rule {
    const char *pattern;
    size_t len; /* as written, for "longest wins" */
    bool allow;
};

struct site_robots {
    struct site_robots_rule *rules;
    size_t rule_count;
    bool forbids_all;
    int64_t crawl_delay_ms;
    struct span sitemaps[SITE_ROBOTS_SITEMAPS_MAX];
    size_t sitemap_count;
};

/* Parses RFC 9309's format; everything is copied into `arena`. False when that is full. */
bool site__robots_parse(struct span text, struct arena *arena, struct site_robots *ret_robots);
bool site__robots_allow(const struct site_robots *robots, const struct url *url);

/* ---- sitemap.c ---- */

struct site_sitemap_sink {
    void *arg;
    /* Called for each URL; false ends the reading. `is_index`: it names another sitemap. */
    bool (*take)(void *arg, struct span url, bool is_index);
};

enum site_sitemap_result {
    SITE_SITEMAP_OK,
    SITE_SITEMAP_NONE,  /* no sitemap at all: HTML, a feed, … */
    SITE_SITEMAP_PARTLY /* broken or cut off at a cap; what came before has been taken */
};

/* Reads XML or plain text, gzipped or not (by content). */
enum site_sitemap_result site__sitemap_read(struct span body, const struct site_sitemap_sink *sink);

/* ---- collection.c: items merged by identity ---- */

struct site_collection;

/* Items and their texts go into `items_arena`. NULL when out of memory. */
struct site_collection *site__collection_create(struct arena *items_arena, int64_t items_max);
void site__collection_destroy(struct site_collection *collection);

enum site_collected {
    SITE_COLLECTED_NEW,
    SITE_COLLECTED_MERGED,
    SITE_COLLECTED_FULL,
    SITE_COLLECTED_NO_MEMORY
};

enum site_collected site__collection_add(struct site_collection *collection,
                                         const struct site_found *found);
int64_t site__collection_count(const struct site_collection *collection);
/* Fills in identity, excluded and content_hash. The array is in the items' arena. */
void site__collection_finish(struct site_collection *collection, struct site_scan *scan);

/* A set of texts by hash; the texts are lent. */
struct site_set {
    struct site_set_entry *entries;
    size_t capacity, count;
    uint8_t key[16];
};
struct site_set_entry {
    const char *text;
    void *value;
};
void site__set_init(struct site_set *set);
void site__set_fini(struct site_set *set);
/* The entry of the text: an existing one, or one whose text is NULL; NULL when out of memory.
 * Filling text in adds it: count it. Valid until the next call. */
struct site_set_entry *site__set_find(struct site_set *set, const char *text);

#endif
