/*
 * What was fetched is taken in: items go to the collection, and what is to be read next into the
 * frontier.
 */
#include <strings.h>

#include "clients/site/scan.h"

/* Indexes of indexes. */
#define SITEMAP_DEPTH_MAX 3
#define LINK_DEPTH_MAX 6
/* Pages of lists and links in a row without a new item: a calendar, or a list without end. */
#define FRUITLESS_PAGES_MAX 300
/* Further pages of lists in a row without any new link or item: a list that repeats itself. */
#define BARREN_PAGES_MAX 20

/* ---- pages ---- */

/* Takes the page's items; returns how many are new. */
static int64_t collect(struct scan *scan, const struct site_page *page)
{
    int64_t before = site__collection_count(scan->collection);
    const struct site_found *found = page->found_first;
    while (found != NULL && !scan->is_stopped && scan__collect(scan, found))
        found = found->next;
    return site__collection_count(scan->collection) - before;
}

/* Items' own pages: those that a list names, and those of items that the page has only in part. */
static bool queue_items(struct scan *scan, const struct site_page *page, int depth)
{
    struct url url;
    bool is_new = false;
    for (const struct site_link *link = page->item_first; link != NULL; link = link->next) {
        if (site__link_resolve(&page->base, link->href, &scan->scratch, &url) &&
            scan__is_ours(scan, &url) && frontier__is_page(&url))
            is_new |= frontier__add(&scan->frontier, &url, TASK_ITEM, depth, &scan->scratch);
    }
    for (const struct site_found *found = page->found_first; found != NULL; found = found->next) {
        if (!found->is_detail && found->has_own_url &&
            url_parse(span_of_string(found->url), &scan->scratch, &url) &&
            scan__is_ours(scan, &url))
            is_new |= frontier__add(&scan->frontier, &url, TASK_ITEM, depth, &scan->scratch);
    }
    return is_new;
}

static bool is_list(const struct site_page *page, const struct task *task)
{
    return task->role == TASK_LINK || task->role == TASK_LISTING || page->is_listing ||
           page->found_count > 1 || page->item_first != NULL;
}

/* What the page links to, by stage and depth; whether there was anything new. */
static bool queue_links(struct scan *scan, const struct site_page *page, const struct task *task)
{
    bool is_start = task->depth == 0 && task->role == TASK_LINK;
    bool follows = is_start || (scan->follows_links && task->depth < LINK_DEPTH_MAX);
    bool is_new = false;
    for (const struct site_link *link = page->link_first; link != NULL; link = link->next) {
        struct url url;
        if (page->is_nofollow || !link->is_follow || link->is_next || link->is_previous ||
            !site__link_resolve(&page->base, link->href, &scan->scratch, &url) ||
            !scan__is_ours(scan, &url))
            continue;
        if (lists__is_feed(&url))
            lists__queue(scan, &url);
        if (link->is_alternate || !frontier__is_page(&url) ||
            frontier__is_numbered(&page->url, &url, &scan->scratch))
            continue;
        int depth = task->depth + 1;
        is_new |= follows ? frontier__add(&scan->frontier, &url, TASK_LINK, depth, &scan->scratch)
                          : frontier__defer(&scan->frontier, &url, depth, &scan->scratch);
    }
    return is_new;
}

/* The further pages of the list that this is a page of. */
static void queue_further(struct scan *scan, const struct site_page *page, const struct task *task)
{
    for (const struct site_link *link = page->link_first; link != NULL; link = link->next) {
        struct url url;
        if (site__link_resolve(&page->base, link->href, &scan->scratch, &url) &&
            scan__is_ours(scan, &url) && frontier__is_page(&url) && !link->is_alternate &&
            (link->is_next || frontier__is_numbered(&page->url, &url, &scan->scratch)))
            (void)frontier__add(&scan->frontier, &url, TASK_LISTING, task->depth, &scan->scratch);
    }
}

/* What a page brought decides how far its kind is followed. */
static void follow(struct scan *scan, const struct site_page *page, const struct task *task,
                   int64_t added)
{
    bool is_new = queue_items(scan, page, task->depth) || added > 0;
    if (is_new)
        scan->fruitless = 0;
    else if (task->role == TASK_LINK || task->role == TASK_LISTING)
        scan->fruitless++;
    if (scan->fruitless > FRUITLESS_PAGES_MAX || !is_list(page, task))
        return;
    is_new |= queue_links(scan, page, task);
    scan->barren = is_new || task->role != TASK_LISTING ? 0 : scan->barren + 1;
    if (scan->barren <= BARREN_PAGES_MAX)
        queue_further(scan, page, task);
}

/* Whether the page, on which nothing was found, is one of the numbered pages of a list. */
static bool has_numbers(struct scan *scan, const struct site_page *page)
{
    for (const struct site_link *link = page->link_first; link != NULL; link = link->next) {
        struct url url;
        if (site__link_resolve(&page->base, link->href, &scan->scratch, &url) &&
            frontier__is_numbered(&page->url, &url, &scan->scratch))
            return true;
    }
    return false;
}

/* Whether the answer may be a page: images and the like are not read as one. */
static bool is_text(const struct http_response *response)
{
    const char *type = http_response_header(response, "content-type");
    return type == NULL || type[0] == '\0' || strcasestr(type, "html") != NULL ||
           strcasestr(type, "xml") != NULL || strncasecmp(type, "text/", 5) == 0;
}

static void take_page(struct scan *scan, const struct site_page *page, const struct task *task)
{
    int64_t added = collect(scan, page);
    struct shape *shape = page->found_first != NULL && page->found_first->is_detail
                              ? frontier__shape(&scan->frontier, &page->url, &scan->scratch)
                              : NULL;
    if (shape != NULL)
        shape->hits++;
    follow(scan, page, task, added);
}

void visit__page(struct scan *scan, const struct url *url, const struct task *task,
                 const struct http_response *response, const char *shop)
{
    struct site_page page;
    struct span body = response->body;
    if (!is_text(response))
        return;
    if (body.len > SITE_PAGE_BYTES_MAX) /* it was fetched as a feed */
        body.len = SITE_PAGE_BYTES_MAX;
    if (!site__page_read(url, body, http_response_header(response, "content-type"),
                         http_response_header(response, "link"), task->role == TASK_LISTING,
                         &scan->scratch, &page)) {
        scan->is_incomplete = true;
        return;
    }
    if (page.is_full)
        scan->is_incomplete = true;
    page.is_listing = page.is_listing || (page.found_first == NULL && has_numbers(scan, &page));
    take_page(scan, &page, task);
    known__keep(scan, url, &page, is_list(&page, task), response, shop);
}

bool visit__known(struct scan *scan, const struct url *url, const struct task *task,
                  Lotcast__V1__PageRecord *known)
{
    struct site_page page;
    if (!known__page(known, url, &scan->scratch, &page) ||
        (is_list(&page, task) && !known__has_links(known)))
        return false;
    take_page(scan, &page, task);
    return true;
}

bool visit__is_weary(const struct scan *scan, const struct task *task)
{
    return scan->fruitless > FRUITLESS_PAGES_MAX &&
           (task->role == TASK_LINK || task->role == TASK_LISTING);
}

/* ---- sitemaps ---- */

struct listing {
    struct scan *scan;
    const struct url *url; /* the sitemap's */
    int depth;
};

static bool take_listed(void *arg, struct span text, bool is_index)
{
    struct listing *listing = arg;
    struct scan *scan = listing->scan;
    struct url url;
    if (!site__link_resolve(listing->url, text, &scan->scratch, &url)) {
        arena_reset(&scan->scratch);
        return true;
    }
    if (is_index && listing->depth < SITEMAP_DEPTH_MAX) {
        (void)frontier__add(&scan->frontier, &url, TASK_SITEMAP, listing->depth + 1,
                            &scan->scratch);
    } else if (!is_index && scan__is_ours(scan, &url) && lists__is_feed(&url)) {
        lists__queue(scan, &url);
    } else if (!is_index && scan__is_ours(scan, &url) && frontier__is_page(&url)) {
        scan->has_listed_pages = true;
        (void)frontier__add(&scan->frontier, &url, TASK_LISTED, 1, &scan->scratch);
    }
    arena_reset(&scan->scratch);
    return !rpc_context_stopped(scan->context);
}

enum scan_taken visit__sitemap(struct scan *scan, const struct url *url, int depth,
                               const struct http_response *response)
{
    struct listing listing = {scan, url, depth};
    const struct site_sitemap_sink sink = {&listing, take_listed};
    enum site_sitemap_result result = site__sitemap_read(response->body, &sink);
    if (result == SITE_SITEMAP_NONE)
        return SCAN_TAKEN_NOTHING;
    if (result == SITE_SITEMAP_OK && !response->truncated)
        return SCAN_TAKEN;
    scan->is_incomplete = true;
    return SCAN_TAKEN_PARTLY;
}
