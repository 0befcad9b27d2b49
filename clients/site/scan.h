/*
 * A scan's state, and what its files do for each other: scan.c runs it, visit.c takes in what was
 * fetched, lists.c feeds and shops' interfaces, known.c what an earlier scan has kept.
 */
#ifndef CLIENTS_SITE_SCAN_H
#define CLIENTS_SITE_SCAN_H

#include "clients/site/feed.h"
#include "clients/site/frontier.h"

enum scan_stage { STAGE_SITEMAPS, STAGE_DEFERRED, STAGE_LINKS };

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
    int failed;
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
/* A sitemap; or a feed, which some list as one. False if it is neither. */
bool visit__sitemap(struct scan *scan, const struct url *url, int depth,
                    const struct http_response *response);

/* ---- lists.c ---- */

/* Whether a URL is of a file that may be long: no page. */
bool lists__is_file(const struct url *url);
/* Whether a URL looks as feeds of products do. */
bool lists__is_feed(const struct url *url);
/* Queues a feed that a page, a sitemap or robots.txt points at. */
void lists__queue(struct scan *scan, const struct url *url);
/* Reads a feed; false if it is none. */
bool lists__feed(struct scan *scan, const struct url *url, bool is_named,
                 const struct http_response *response);
/*
 * Asks the shop's interface that the start page gives away (NULL, "": none) for everything, page by
 * page; sets is_listed if it has answered with products, or if it has done so before (`was_shop`)
 * and only fails now: reading pages instead would make other items of the same things.
 */
void lists__shop(struct scan *scan, const char *shop, bool was_shop);

/* ---- known.c ---- */

/* What is known of a URL, in the memo's arena, which is reset; NULL: nothing that could be used. */
Lotcast__V1__PageRecord *known__find(struct scan *scan, const char *url);
/* It has not changed. */
void known__same(struct scan *scan, const char *url);
/*
 * Keeps a page. `is_list`: its links too. Nothing is kept that a server could not be asked about,
 * that was cut off, or that is too large.
 */
void known__keep(struct scan *scan, const char *url, const struct site_page *page, bool is_list,
                 const struct http_response *response, const char *shop);
/* Keeps a start page that was not read, as its shop has listed everything. */
void known__keep_shop(struct scan *scan, const struct url *url,
                      const struct http_response *response, const char *shop);
/* The page as it was; false when memory is out. */
bool known__page(const Lotcast__V1__PageRecord *known, const struct url *url, struct arena *arena,
                 struct site_page *ret_page);
bool known__has_links(const Lotcast__V1__PageRecord *known);

#endif
