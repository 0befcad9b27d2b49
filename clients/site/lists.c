/*
 * Lists of products: feeds that the customer or the site names, and the interfaces of shop
 * programs.
 *
 * A feed that the customer's own URL is, and a shop's interface that answers, name all items: pages
 * are not read then. A feed that the site points at is read beside its pages.
 */
#include <stdlib.h>
#include <strings.h>

#include "clients/site/scan.h"
#include "rpc/base/clock.h"

/* Feeds that a site may point at. */
#define FEEDS_MAX 16
/* Pages of a shop's interface. */
#define SHOP_PAGES_MAX 1000
/* What one product of a shop is made into. */
#define ITEM_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* ---- which URLs are feeds ---- */

static bool ends_with(const char *text, size_t len, const char *ending)
{
    size_t size = strlen(ending);
    return len > size && strncasecmp(text + len - size, ending, size) == 0;
}

enum file { FILE_NONE, FILE_XML, FILE_TEXT, FILE_TABLE };

static enum file file_of(const struct url *url)
{
    static const struct {
        const char *ending;
        enum file file;
    } endings[] = {{".xml", FILE_XML},   {".rss", FILE_XML},   {".atom", FILE_XML},
                   {".csv", FILE_TABLE}, {".tsv", FILE_TABLE}, {".txt", FILE_TEXT}};
    size_t len = strlen(url->path);
    if (ends_with(url->path, len, ".gz"))
        len -= 3;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (ends_with(url->path, len, endings[i].ending))
            return endings[i].file;
    }
    return FILE_NONE;
}

static bool has_word(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (text != NULL && strcasestr(text, words[i]) != NULL)
            return true;
    }
    return false;
}

bool lists__is_file(const struct url *url)
{
    return file_of(url) != FILE_NONE;
}

bool lists__is_feed(const struct url *url)
{
    static const char *const words[] = {"product", "google",   "merchant",  "shopping",  "catalog",
                                        "vehicle", "facebook", "inventory", "fahrzeuge", "produkt"};
    static const char *const no_feed[] = {"sitemap"};
    enum file file = file_of(url);
    const char *name = strrchr(url->path, '/');
    if (file == FILE_NONE || has_word(name, no_feed, 1))
        return false;
    return has_word(url->path, words, sizeof words / sizeof words[0]) ||
           (file == FILE_TABLE && strcasestr(name, "feed") != NULL);
}

void lists__queue(struct scan *scan, const struct url *url)
{
    if (scan->feeds < FEEDS_MAX &&
        frontier__add(&scan->frontier, url, TASK_FEED, 0, &scan->scratch))
        scan->feeds++;
}

/* ---- feeds ---- */

static bool take(void *arg, const struct site_found *found)
{
    struct scan *scan = arg;
    scan__report(scan);
    return !scan->is_stopped && scan__collect(scan, found);
}

static struct site_feed feed_of(struct scan *scan, const struct url *url, struct arena *arena)
{
    return (struct site_feed){.url = url,
                              .is_named = true,
                              .now_ms = clock_now_ms(),
                              .arena = arena,
                              .arg = scan,
                              .take = take};
}

bool lists__feed(struct scan *scan, const struct url *url, bool is_named,
                 const struct http_response *response)
{
    struct site_feed feed = feed_of(scan, url, &scan->scratch);
    feed.is_named = is_named;
    enum site_feed_result result = site__feed_read(response->body, &feed);
    if (result == SITE_FEED_NONE)
        return false;
    if (result == SITE_FEED_PARTLY || response->truncated)
        scan->is_incomplete = true;
    if (is_named)
        scan->is_listed = true;
    return true;
}

/* ---- shops ---- */

struct shop {
    struct scan *scan;
    const char *name;
    struct arena item; /* of one product */
    bool has_currency;
    bool was_shop;
};

/* Without a currency the list only says where the items' pages are. */
static bool take_place(void *arg, const struct site_found *found)
{
    struct scan *scan = arg;
    struct url url;
    if (found->has_own_url && url_parse(span_of_string(found->url), &scan->scratch, &url) &&
        scan__is_ours(scan, &url))
        (void)frontier__add(&scan->frontier, &url, TASK_ITEM, 1, &scan->scratch);
    return !scan->is_stopped;
}

/* Takes a page in. False: there are no more. */
static bool take_shop_page(struct shop *shop, int number, const struct http_response *response)
{
    struct scan *scan = shop->scan;
    struct site_feed feed = feed_of(scan, &scan->home, &shop->item);
    int64_t before = site__collection_count(scan->collection) + scan->frontier.pages;
    size_t count = 0;
    if (!shop->has_currency)
        feed.take = take_place;
    bool is_read = site__shop_read(shop->name, response->body, &feed, &scan->scratch, &count);
    arena_reset(&scan->scratch);
    if (!is_read || response->truncated || feed.is_partly)
        scan->is_incomplete = scan->is_incomplete || number > 1 || is_read;
    if (!is_read)
        return false;
    if (shop->has_currency && (count > 0 || shop->was_shop))
        scan->is_listed = true;
    const char *pages = http_response_header(response, "x-wp-totalpages");
    bool is_last = pages != NULL && strspn(pages, "0123456789") == strlen(pages) &&
                   strtol(pages, NULL, 10) <= number;
    /* A page that brings nothing new is one of before again. */
    bool is_new = site__collection_count(scan->collection) + scan->frontier.pages > before;
    return count > 0 && is_new && !is_last && !scan->is_stopped;
}

/* Fetches a page and takes it in. False: there are no more. */
static bool read_shop_page(struct shop *shop, int number)
{
    struct scan *scan = shop->scan;
    struct url url;
    struct http_response *response = NULL;
    arena_reset(&scan->place);
    if (!site__shop_url(shop->name, &scan->home, number, &scan->place, &url) ||
        !scan__is_ours(scan, &url))
        return false;
    struct fetch_origin *origin = scan__allowed_origin(scan, &url);
    if (origin == NULL)
        return false;
    const struct fetch_request request = {url.text, FETCH_FEED, NULL};
    enum http_failure failure =
        site__fetcher_fetch(scan->fetcher, origin->host, &request, &response);
    bool has_answer = failure == HTTP_FAILURE_NONE;
    bool goes_on = false;
    scan->pages_fetched += has_answer;
    if (has_answer && response->status >= 200 && response->status < 300) {
        goes_on = take_shop_page(shop, number, response);
    } else if (number > 1 || site__fetch_is_transient(response, failure)) {
        scan->is_incomplete = true;
        scan->is_listed = scan->is_listed || shop->was_shop;
    }
    http_response_free(response);
    scan__report(scan);
    return goes_on;
}

void lists__shop(struct scan *scan, const char *name, bool was_shop)
{
    if (site__shop_kind(name) == SITE_SHOP_NONE)
        return;
    struct shop shop = {.scan = scan, .name = name, .was_shop = was_shop};
    shop.has_currency =
        site__shop_kind(name) == SITE_SHOP_WOOCOMMERCE || strchr(name, ' ')[1] != '\0';
    arena_init(&shop.item, ITEM_BYTES_MAX);
    int number = 1;
    while (number <= SHOP_PAGES_MAX && read_shop_page(&shop, number))
        number++;
    if (number > SHOP_PAGES_MAX)
        scan->is_incomplete = true;
    arena_fini(&shop.item);
}
