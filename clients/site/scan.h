/*
 * A scan's state, and what its files do for each other: scan.c runs it, visit.c takes in what was
 * fetched, lists.c feeds and shops' interfaces, known.c what an earlier scan has kept.
 */
#ifndef CLIENTS_SITE_SCAN_H
#define CLIENTS_SITE_SCAN_H

#include "clients/site/feed.h"
#include "clients/site/frontier.h"

enum scan_stage { STAGE_SITEMAPS, STAGE_DEFERRED, STAGE_LINKS };

/* What became of a list: nothing, for it is none; it was broken or cut off; all of it. */
enum scan_taken { SCAN_TAKEN_NOTHING, SCAN_TAKEN_PARTLY, SCAN_TAKEN };

struct scan {
    const struct site_scan_options *options;
    struct rpc_context *context;
    struct fetcher *fetcher;
    struct site_collection *collection;
    struct frontier frontier;
    struct arena scratch; /* of one page */
    struct arena place;   /* the URL of the task that is being handled */
    struct arena memo;    /* what an earlier scan has kept of a page, or this one is to keep */
    struct arena robots_arena;
    struct url start; /* as asked for */
    struct url home;  /* where its redirects ended */
    enum scan_stage stage;
    bool has_listed_pages; /* some sitemap lists pages of the site */
    bool follows_links;    /* all links are followed, not just a list's */
    bool is_incomplete;
    bool is_stopped;
    bool is_listed; /* a list has named all items: no page needs to be read */
    bool is_out_of_memory;
    int64_t pages_fetched;
    int64_t last_progress_ms;
    int fruitless;
    int barren;
    int failed;        /* pages in a row that could not be had */
    int64_t failures;  /* all of them */
    const char **held; /* site_scan.held, in the context's arena */
    size_t held_count, held_capacity;
    unsigned asked_shops;  /* a bit for each site_shop_kind */
    const char *bare_shop; /* one that has answered, and says no currency */
    size_t guesses;        /* those that have been made */
    int feeds;
    int sitemaps_in_flight;
};

/* ---- scan.c ---- */

bool scan__is_ours(const struct scan *scan, const struct url *url);
void scan__stop(struct scan *scan);
/* Tells the caller how far it is, now and then; sees whether the scan is to stop. */
void scan__report(struct scan *scan);
/* The origin of a URL, if robots.txt lets us read it. */
struct fetch_origin *scan__allowed_origin(struct scan *scan, const struct url *url);
/* Adds a finding to the collection. False once no more can be taken. */
bool scan__collect(struct scan *scan, const struct site_found *found);

/* ---- visit.c ---- */

/* Whether pages of its kind have brought nothing for too long. */
bool visit__is_weary(const struct scan *scan, const struct task *task);

/* Takes in a page; keeps it for the next scan. `shop` is kept with it; NULL: none. */
void visit__page(struct scan *scan, const struct url *url, const struct task *task,
                 const struct http_response *response, const char *shop);
/* The same from what is known. False: that is not enough, and the page has to be read. */
bool visit__known(struct scan *scan, const struct url *url, const struct task *task,
                  Lotcast__V1__PageRecord *known);
enum scan_taken visit__sitemap(struct scan *scan, const struct url *url, int depth,
                               const struct http_response *response);

/* ---- outage.c ---- */

/* A page, sitemap or feed could not be had; `response` may be NULL. */
void outage__miss(struct scan *scan, const struct url *url, const struct task *task,
                  const struct http_response *response);
/* Whether so much could not be had that nothing follows from what was not found; and, where nothing
 * was found at all, whether that may be why. */
bool outage__is_one(const struct scan *scan);
bool outage__hides_items(const struct scan *scan);

/* ---- lists.c ---- */

/* Whether a URL is of a file that may be long: no page. */
bool lists__is_file(const struct url *url);
/* Whether a URL looks as feeds of products do. */
bool lists__is_feed(const struct url *url);
/* Queues a feed that a page, a sitemap or robots.txt points at. */
void lists__queue(struct scan *scan, const struct url *url);
enum scan_taken lists__feed(struct scan *scan, const struct url *url, bool is_named,
                            const struct http_response *response);
/*
 * Asks the shop's interface that the start page gives away (NULL, "": none) for everything, page by
 * page; sets is_listed if it has answered with products, or if it has done so before (`was_shop`)
 * and only fails now: reading pages instead would make other items of the same things.
 */
void lists__shop(struct scan *scan, const char *shop, bool was_shop);
/*
 * Where nothing else has brought an item: asks for the interfaces that shops have, whether or not
 * anything has given one away. Returns whether there are pages to be read now.
 */
bool lists__guess(struct scan *scan);

/* ---- known.c ---- */

/* What is known of a URL, in the memo's arena, which is reset; NULL: nothing that could be used. */
Lotcast__V1__PageRecord *known__find(struct scan *scan, const char *url);
/* What is known of a page that cannot be had: nothing; the page; that it was too large to keep. */
enum known_stale { KNOWN_NOTHING, KNOWN_PAGE, KNOWN_UNKEPT };
/* The same for a page that cannot be had, whether or not it could be asked about. */
Lotcast__V1__PageRecord *known__stale(struct scan *scan, const char *url,
                                      enum known_stale *ret_stale);
/* It has not changed. */
void known__same(struct scan *scan, const char *url);
/*
 * Keeps a page. `is_list`: its links too. What the server cannot be asked about is kept only where
 * items may be known from it that do not have its URL. Of what was cut off or is too large only
 * that it is so is kept.
 */
void known__keep(struct scan *scan, const struct url *url, const struct site_page *page,
                 bool is_list, const struct http_response *response, const char *shop);
/* Keeps a start page that was not read, as its shop has listed everything. */
void known__keep_shop(struct scan *scan, const struct url *url,
                      const struct http_response *response, const char *shop);
/* The page as it was; false when memory is out. */
bool known__page(const Lotcast__V1__PageRecord *known, const struct url *url, struct arena *arena,
                 struct site_page *ret_page);
bool known__has_links(const Lotcast__V1__PageRecord *known);

#endif
