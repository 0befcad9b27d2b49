/*
 * Lists of products: feeds that the customer or the site names, and the interfaces of shop
 * programs.
 *
 * A feed that the customer's own URL is, and a shop's interface that answers, name all items: pages
 * are not read then. A feed that the site points at is read beside its pages.
 */
#include <stdlib.h>
#include <strings.h>

#include "clients/site/kept.h"
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
    static const char *const words[] = {"product", "google",   "merchant",  "shopping", "catalog",
                                        "vehicle", "facebook", "inventory", "fahrzeug", "produkt",
                                        "produit", "vehicule", "voiture",   "item",     "stock",
                                        "export",  "datafeed", "criteo",    "adwords",  "offers"};
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

enum scan_taken lists__feed(struct scan *scan, const struct url *url, bool is_named,
                            const struct http_response *response)
{
    struct site_feed feed = feed_of(scan, url, &scan->scratch);
    feed.is_named = is_named;
    enum site_feed_result result = site__feed_read(response->body, &feed);
    if (result == SITE_FEED_NONE)
        return SCAN_TAKEN_NOTHING;
    if (is_named)
        scan->is_listed = true;
    if (result == SITE_FEED_OK && !response->truncated)
        return SCAN_TAKEN;
    scan->is_incomplete = true;
    return SCAN_TAKEN_PARTLY;
}

/* ---- shops ---- */

struct shop {
    struct scan *scan;
    const char *name;
    struct arena item; /* of one product */
    bool is_place;     /* its list only says where the items' pages are */
    bool was_shop;
    bool is_guess; /* nothing has given it away: not answering is no failure */
    bool is_there; /* it has answered with products */
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

/* What a page of the interface came to. */
struct shop_page {
    bool is_whole;
    bool goes_on; /* there may be another one */
};

static struct shop_page take_shop_page(struct shop *shop, int number,
                                       const struct http_response *response)
{
    struct scan *scan = shop->scan;
    struct site_feed feed = feed_of(scan, &scan->home, &shop->item);
    int64_t before = site__collection_count(scan->collection) + scan->frontier.pages;
    size_t count = 0;
    if (shop->is_place)
        feed.take = take_place;
    bool is_read = site__shop_read(shop->name, response->body, &feed, &scan->scratch, &count);
    bool is_whole = is_read && !response->truncated && !feed.is_partly;
    arena_reset(&scan->scratch);
    if (!is_whole && (is_read || number > 1))
        scan->is_incomplete = true;
    if (!is_read)
        return (struct shop_page){false, false};
    shop->is_there = shop->is_there || count > 0;
    if (!shop->is_place && (count > 0 || shop->was_shop))
        scan->is_listed = true;
    const char *pages = http_response_header(response, "x-wp-totalpages");
    bool is_last = pages != NULL && strspn(pages, "0123456789") == strlen(pages) &&
                   strtol(pages, NULL, 10) <= number;
    /* A page that brings nothing new is one of before again. */
    bool is_new = site__collection_count(scan->collection) + scan->frontier.pages > before;
    return (struct shop_page){is_whole, count > 0 && is_new && !is_last && !scan->is_stopped};
}

/* Takes the page as it was. False: that is lost. */
static bool take_kept_page(struct shop *shop, int number, const char *url, bool *ret_goes_on)
{
    struct scan *scan = shop->scan;
    const struct site_memory *memory = scan->options->memory;
    struct kept kept;
    if (!kept__open(&kept, memory, url, &scan->memo))
        return false;
    *ret_goes_on = take_shop_page(shop, number, &kept.response).goes_on;
    kept__same(&kept, memory, url, &scan->memo);
    kept__close(&kept);
    return true;
}

/* Takes an answer in. False: it has to be asked for without a condition. */
static bool take_shop_answer(struct shop *shop, int number, const char *url,
                             const struct http_response *response, enum http_failure failure,
                             bool *ret_goes_on)
{
    struct scan *scan = shop->scan;
    int status = failure == HTTP_FAILURE_NONE ? response->status : 0;
    if (status == 304)
        return take_kept_page(shop, number, url, ret_goes_on);
    if (status >= 200 && status < 300) {
        struct shop_page page = take_shop_page(shop, number, response);
        *ret_goes_on = page.goes_on;
        if (page.is_whole && kept__is_askable(response))
            kept__write(scan->options->memory, url, &scan->memo, response);
    } else if (number > 1 || (site__fetch_is_transient(response, failure) && !shop->is_guess)) {
        scan->is_incomplete = true;
        scan->is_listed = scan->is_listed || shop->was_shop;
    }
    return true;
}

/* Fetches a page and takes it in. False: there are no more. */
static bool read_shop_page(struct shop *shop, int number)
{
    struct scan *scan = shop->scan;
    struct url url;
    bool goes_on = false;
    arena_reset(&scan->place);
    if (!site__shop_url(shop->name, &scan->home, number, &scan->place, &url) ||
        !scan__is_ours(scan, &url))
        return false;
    struct fetch_origin *origin = scan__allowed_origin(scan, &url);
    if (origin == NULL)
        return false;
    struct fetch_request request = {.url = url.text, .kind = FETCH_FEED};
    request.known = kept__find(scan->options->memory, url.text, &scan->memo);
    bool is_taken = false;
    for (int i = 0; i < 2 && !is_taken; i++) {
        struct http_response *response = NULL;
        enum http_failure failure =
            site__fetcher_fetch(scan->fetcher, origin->host, &request, &response);
        is_taken = take_shop_answer(shop, number, url.text, response, failure, &goes_on);
        scan->pages_fetched += is_taken && failure == HTTP_FAILURE_NONE;
        request.known = NULL;
        http_response_free(response);
    }
    scan__report(scan);
    return goes_on;
}

static void read_shop(struct shop *shop)
{
    int number = 1;
    arena_init(&shop->item, ITEM_BYTES_MAX);
    while (number <= SHOP_PAGES_MAX && read_shop_page(shop, number))
        number++;
    if (number > SHOP_PAGES_MAX)
        shop->scan->is_incomplete = true;
    arena_fini(&shop->item);
}

/* The shop with its currency, which it tells in a place of its own; as it is if it does not. */
static const char *complete_shop(struct scan *scan, const char *name)
{
    struct url url;
    struct http_response *response = NULL;
    arena_reset(&scan->place);
    if (!site__shop_needs_currency(name) || !site__shop_facts_url(&scan->home, &scan->place, &url))
        return name;
    struct fetch_origin *origin = scan__allowed_origin(scan, &url);
    const struct fetch_request request = {.url = url.text, .kind = FETCH_PAGE};
    if (origin == NULL ||
        site__fetcher_fetch(scan->fetcher, origin->host, &request, &response) != HTTP_FAILURE_NONE)
        return name;
    const char *complete =
        response->status == 200
            ? site__shop_complete(response->body, &scan->scratch, &scan->robots_arena)
            : NULL;
    http_response_free(response);
    arena_reset(&scan->scratch);
    return complete == NULL ? name : complete;
}

/* Whether there is such a shop. */
static bool ask_shop(struct scan *scan, const char *name, bool was_shop, bool is_guess)
{
    struct shop shop = {.scan = scan, .was_shop = was_shop, .is_guess = is_guess};
    shop.name = complete_shop(scan, name);
    shop.is_place = site__shop_needs_currency(shop.name);
    read_shop(&shop);
    scan->asked_shops |= 1u << site__shop_kind(name);
    if (shop.is_place && shop.is_there)
        scan->bare_shop = shop.name;
    return shop.is_there;
}

void lists__shop(struct scan *scan, const char *name, bool was_shop)
{
    if (site__shop_kind(name) != SITE_SHOP_NONE)
        (void)ask_shop(scan, name, was_shop, false);
}

bool lists__guess(struct scan *scan)
{
    static const char *const guesses[] = {SITE_SHOP_GUESS_SHOPIFY, SITE_SHOP_GUESS_WOOCOMMERCE,
                                          SITE_SHOP_GUESS_WOOCOMMERCE_OLD};
    if (scan->bare_shop != NULL) { /* its items' pages have brought nothing: what it says itself */
        struct shop shop = {.scan = scan, .name = scan->bare_shop};
        scan->bare_shop = NULL;
        read_shop(&shop);
        return false;
    }
    const size_t count = sizeof guesses / sizeof *guesses;
    while (scan->guesses < count && !scan->is_stopped) {
        const char *guess = guesses[scan->guesses++];
        bool is_asked = (scan->asked_shops & 1u << site__shop_kind(guess)) != 0;
        if ((!is_asked || scan->guesses == count) && ask_shop(scan, guess, false, true))
            return !scan->is_listed;
    }
    return false;
}
