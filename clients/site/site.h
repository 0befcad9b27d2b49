/*
 * Reads a website's inventory: robots.txt, sitemaps, pages with JSON-LD, microdata and OpenGraph,
 * pagination; feeds of products (RSS, Atom, CSV, TSV as Google's specification has them); Shopify's
 * products.json and WooCommerce's Store API, where the start page gives such a shop away, or where
 * nothing else has brought an item. Blocking; runs on the caller's thread and answers with all
 * items at the end.
 *
 * A feed that the URL itself names, and a shop's interface that answers, list everything: pages are
 * not read then. A feed that the site points at is read beside its pages. A product with variants
 * is one item, with the lowest price of those that can be bought.
 *
 * Politeness: at most 4 requests at once to one host of all scans of the process, crawl-delay (at
 * most 10 s), conditional requests, a user agent that names the product. Every address is checked.
 */
#ifndef CLIENTS_SITE_SITE_H
#define CLIENTS_SITE_SITE_H

#include "clients/http/http.h"
#include "lotcast/v1/records.pb-c.h"
#include "rpc/context.h"

/* How a scan names itself, whatever its http_client is made with; in robots.txt it is the name
 * before the slash. */
#define SITE_USER_AGENT "LotcastBot/1.0"
/* Requests at once to one host. */
#define SITE_REQUESTS_PER_HOST_MAX 4
/* Pages of one scan at most. */
#define SITE_PAGES_MAX 250000
/* URLs of one call of site_memory.prepare. */
#define SITE_AHEAD_MAX 64
/* A page, decoded, in bytes; what is beyond is not read. */
#define SITE_PAGE_BYTES_MAX ((size_t)4 * 1024 * 1024)

/*
 * Why an item is not advertised (ItemRecord.excluded), the first that holds: it has no title; no
 * price, or none that could be read; a price whose currency is not known.
 */
#define SITE_EXCLUDED_TITLE "missing_title"
#define SITE_EXCLUDED_PRICE "missing_price"
#define SITE_EXCLUDED_CURRENCY "missing_currency"

/* Called on the scanning thread now and then. Returning false stops the scan: it ends with what it
 * has. */
typedef bool site_progress(void *arg, int64_t items_found, int64_t pages_fetched);

/*
 * What is known of pages from an earlier scan, kept by the caller between scans: a page that has
 * not changed since costs a conditional request, and its items and links are taken from here.
 * Sitemaps, feeds, pages of shops' interfaces and robots.txt are kept as they came, and read again
 * from there. Called on the scanning thread. Only what the server gives ETag or Last-Modified for
 * is asked about; some more is kept for when it cannot be had (outage.c). A `url` is a name only:
 * it may have a line break and a number behind it. No record packs to more than 512 KiB.
 */
struct site_memory {
    void *arg;
    /* What was kept of a URL, in `arena` or the caller's own memory; NULL: nothing. */
    Lotcast__V1__PageRecord *(*find)(void *arg, const char *url, struct arena *arena);
    /*
     * The page is there. `page` is what is to be known of it from now on, lent, without
     * customer_id and url_hash, which may be filled in; NULL: what was. A page that is in none of
     * these calls by the end of a scan that is complete can be forgotten.
     */
    void (*keep)(void *arg, const char *url, Lotcast__V1__PageRecord *page);
    /* These will be asked for soon, at most SITE_AHEAD_MAX of them: find may then be quicker. What
     * find returns is valid until the next call of either. May be NULL. */
    void (*prepare)(void *arg, const char *const *urls, size_t count);
};

struct site_scan_options {
    struct http_client *http;
    const struct http_address_policy *policy;
    const char *url; /* as url_parse takes it */
    int64_t items_max;
    site_progress *progress;
    void *progress_arg;
    const struct site_memory *memory; /* NULL: every page is read */
};

struct site_scan {
    /* Items in the order in which they were found, merged by identity; without customer_id,
       item_id, synced_hash. identity, excluded and content_hash are filled in. In the context's
       arena. */
    Lotcast__V1__ItemRecord **items;
    size_t item_count;
    int64_t pages_fetched;
    /*
     * Everything that the site lists has been read, but for what `held` says: a missing item is
     * gone. False when the scan was stopped (deadline, cancellation, progress, items_max,
     * SITE_PAGES_MAX, a full arena), when a sitemap was broken or cut at its cap, when the site was
     * out for a while (outage.c: more than a tenth of its pages), or when a sitemap, a feed or a
     * list that nothing is known of could not be had after three attempts. 404 and 410 are answers.
     * What is left out by rule does not matter here: robots.txt, other sites, refused addresses,
     * more than five redirects, lists and links that go on without bringing anything new.
     */
    bool complete;
    /*
     * Canonical URLs of pages that could not be had: an item whose URL is one of them may still be
     * there. In the context's arena.
     */
    const char **held;
    size_t held_count;
};

/*
 * Reads the site until it is done, a cap is reached or the context stops. Pages of the start page's
 * host are read, with and without "www.", and of the one that it redirects to. Items are merged by
 * identity ("vin:…", else "sku:…" from SKU or product id, else "url:…" with the canonical URL),
 * field by field: a page about the item before a list that it is in, then JSON-LD over microdata
 * over OpenGraph. A robots.txt that forbids everything makes an empty site. With nothing to show:
 *
 *   INVALID_URL (field "url")   not a URL that a scan takes, or its address or its redirect's is
 *                               refused
 *   WEBSITE_UNREACHABLE         no DNS answer, no connection, no usable answer for the start page
 *                               or (5xx, with none known from before) for robots.txt; or nothing
 *                               was found, and more than a tenth of the pages could not be had
 *   RPC_DEADLINE_EXCEEDED / RPC_CANCELLED   stopped with nothing found yet (plain codes)
 *   RPC_RESOURCE_EXHAUSTED      the arena is full
 *
 * A scan that ends with no item is RPC_OK with item_count 0.
 */
enum rpc_code site_scan_run(const struct site_scan_options *options, struct rpc_context *context,
                            struct site_scan *ret_scan, struct rpc_status *status)
    __attribute__((warn_unused_result));

/*
 * Checks and completes a URL as a customer enters it: https:// where there is no scheme, a host
 * with a dot unless it is localhost or an address (which the policy must let in). INVALID_URL with
 * field "url". The result is in `arena`. Does no DNS look-up.
 */
enum rpc_code site_url_check(const char *url, const struct http_address_policy *policy,
                             struct arena *arena, const char **ret_url, struct rpc_status *status)
    __attribute__((warn_unused_result));

#endif
