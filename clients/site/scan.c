/*
 * A scan, from the URL to the items.
 *
 * It goes in stages, each of which ends when nothing is queued or under way:
 *
 *     start     robots.txt and the start page, one after the other: they decide whether there is a
 * site sitemaps  all that robots.txt names, or the usual two; the pages that they list, as they
 * come; the start page's own links, and the further pages of every list deferred  links of lists
 * that lie where items have been found, and a few of every other place links     if still nothing
 * has been found, or no sitemap lists a page: all links, in breadth
 *
 * What stops it before its end makes it incomplete: the context, the caller, a cap, pages that
 * should have been read and could not be. What is left out by rule (robots.txt, another site, a
 * refused address, lists that go on for ever and bring nothing new) does not.
 *
 * Memory: a page and all that is made of it are in `scratch`, reset after it; the frontier has an
 * arena of its own; items are the caller's.
 */
#include <libxml/parser.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include "clients/site/frontier.h"
#include "rpc/base/clock.h"

/* Everything that one page is turned into, in bytes. */
#define SCRATCH_BYTES_MAX ((size_t)192 * 1024 * 1024)
/* robots.txt's rules of all origins. */
#define ROBOTS_ARENA_BYTES_MAX ((size_t)32 * 1024 * 1024)
/* Sitemaps at once. */
#define SITEMAPS_IN_FLIGHT_MAX 2
/* Indexes of indexes. */
#define SITEMAP_DEPTH_MAX 3
#define LINK_DEPTH_MAX 6
/* Pages of lists and links in a row without a new item: a calendar, or a list without end. */
#define FRUITLESS_PAGES_MAX 300
/* Further pages of lists in a row without any new link or item: a list that repeats itself. */
#define BARREN_PAGES_MAX 20
/* Pages in a row that could not be had: the site is out, or has locked us out. */
#define FAILED_PAGES_MAX 25
/* Between two calls of progress, and longest wait for an answer, in ms. */
#define PROGRESS_MS 200
#define WAIT_MS_MAX 100

enum stage { STAGE_SITEMAPS, STAGE_DEFERRED, STAGE_LINKS };

struct scan {
    const struct site_scan_options *options;
    struct rpc_context *context;
    struct fetcher *fetcher;
    struct site_collection *collection;
    struct frontier frontier;
    struct arena scratch; /* of one page */
    struct arena place;   /* the URL of the task that is being handled */
    struct arena robots_arena;
    struct url start; /* as asked for */
    struct url home;  /* where its redirects ended */
    enum stage stage;
    bool has_listed_pages; /* some sitemap lists pages of the site */
    bool follows_links;    /* all links are followed, not just a list's */
    bool is_incomplete;
    bool is_stopped;
    bool is_out_of_memory;
    int64_t pages_fetched;
    int64_t last_progress_ms;
    int fruitless;
    int barren;
    int failed;
    int sitemaps_in_flight;
};

static bool is_ours(const struct scan *scan, const struct url *url)
{
    return site__same_site(url, &scan->home) || site__same_site(url, &scan->start);
}

static void stop(struct scan *scan)
{
    scan->is_stopped = true;
    scan->is_incomplete = true;
}

static void report(struct scan *scan)
{
    int64_t now_ms = clock_mono_ms();
    if (rpc_context_stopped(scan->context))
        stop(scan);
    if (scan->options->progress == NULL || now_ms - scan->last_progress_ms < PROGRESS_MS)
        return;
    scan->last_progress_ms = now_ms;
    if (!scan->options->progress(scan->options->progress_arg,
                                 site__collection_count(scan->collection), scan->pages_fetched))
        stop(scan);
}

/* The origin of a URL, if robots.txt lets us read it. */
static struct fetch_origin *allowed_origin(struct scan *scan, const struct url *url)
{
    struct fetch_origin *origin = site__fetcher_origin(scan->fetcher, url);
    return origin != NULL && site__robots_allow(&origin->robots, url) ? origin : NULL;
}

/* ---- pages ---- */

/* Takes the page's items; returns how many are new. */
static int64_t collect(struct scan *scan, const struct site_page *page)
{
    int64_t before = site__collection_count(scan->collection);
    for (const struct site_found *found = page->found_first; found != NULL && !scan->is_stopped;
         found = found->next) {
        enum site_collected result = site__collection_add(scan->collection, found);
        if (result == SITE_COLLECTED_FULL)
            stop(scan);
        if (result == SITE_COLLECTED_NO_MEMORY) {
            scan->is_out_of_memory = true;
            stop(scan);
        }
    }
    return site__collection_count(scan->collection) - before;
}

/* Items' own pages: those that a list names, and those of items that the page has only in part. */
static bool queue_items(struct scan *scan, const struct site_page *page, int depth)
{
    struct url url;
    bool is_new = false;
    for (const struct site_link *link = page->item_first; link != NULL; link = link->next) {
        if (site__link_resolve(&page->base, link->href, &scan->scratch, &url) &&
            is_ours(scan, &url) && frontier__is_page(&url))
            is_new |= frontier__add(&scan->frontier, &url, TASK_ITEM, depth, &scan->scratch);
    }
    for (const struct site_found *found = page->found_first; found != NULL; found = found->next) {
        if (!found->is_detail && found->has_own_url &&
            url_parse(span_of_string(found->url), &scan->scratch, &url) && is_ours(scan, &url))
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
            !is_ours(scan, &url) || !frontier__is_page(&url) ||
            frontier__is_numbered(&page->url, &url))
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
            is_ours(scan, &url) && frontier__is_page(&url) &&
            (link->is_next || frontier__is_numbered(&page->url, &url)))
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

/* Whether the answer may be a page: images and the like are not read as one. */
static bool is_text(const struct http_response *response)
{
    const char *type = http_response_header(response, "content-type");
    return type == NULL || type[0] == '\0' || strcasestr(type, "html") != NULL ||
           strcasestr(type, "xml") != NULL || strncasecmp(type, "text/", 5) == 0;
}

static void read_page(struct scan *scan, const struct url *url, const struct task *task,
                      const struct http_response *response)
{
    struct site_page page;
    if (!is_text(response))
        return;
    if (!site__page_read(url, response->body, http_response_header(response, "content-type"),
                         http_response_header(response, "link"), task->role == TASK_LISTING,
                         &scan->scratch, &page)) {
        scan->is_incomplete = true;
        return;
    }
    if (page.is_full)
        scan->is_incomplete = true;
    int64_t added = collect(scan, &page);
    struct shape *shape = page.found_first != NULL && page.found_first->is_detail
                              ? frontier__shape(&scan->frontier, url, &scan->scratch)
                              : NULL;
    if (shape != NULL)
        shape->hits++;
    follow(scan, &page, task, added);
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
    } else if (!is_index && is_ours(scan, &url) && frontier__is_page(&url)) {
        scan->has_listed_pages = true;
        (void)frontier__add(&scan->frontier, &url, TASK_LISTED, 1, &scan->scratch);
    }
    arena_reset(&scan->scratch);
    return !rpc_context_stopped(scan->context);
}

static void read_sitemap(struct scan *scan, const struct url *url, const struct task *task,
                         const struct http_response *response)
{
    struct listing listing = {scan, url, task->depth};
    const struct site_sitemap_sink sink = {&listing, take_listed};
    enum site_sitemap_result result = site__sitemap_read(response->body, &sink);
    if (result == SITE_SITEMAP_PARTLY || response->truncated)
        scan->is_incomplete = true;
}

static void queue_sitemaps(struct scan *scan, const struct fetch_origin *origin)
{
    struct url url;
    for (size_t i = 0; i < origin->robots.sitemap_count; i++) {
        if (site__link_resolve(&scan->home, origin->robots.sitemaps[i], &scan->scratch, &url))
            (void)frontier__add(&scan->frontier, &url, TASK_SITEMAP, 0, &scan->scratch);
    }
    static const char *const usual[] = {"/sitemap.xml", "/sitemap_index.xml"};
    for (size_t i = 0; i < 2 && origin->robots.sitemap_count == 0; i++) {
        if (url_resolve(&scan->home, span_of_string(usual[i]), &scan->scratch, &url) &&
            site__robots_allow(&origin->robots, &url))
            (void)frontier__add(&scan->frontier, &url, TASK_SITEMAP, 0, &scan->scratch);
    }
    arena_reset(&scan->scratch);
}

/* ---- tasks ---- */

/* A page that should have been read and was not. */
static void count_failure(struct scan *scan, const struct task *task,
                          const struct http_response *response)
{
    int status = response == NULL ? 0 : response->status;
    if (status == 404 || status == 410) { /* gone: that is an answer */
        scan->failed = 0;
        return;
    }
    bool is_refusal = status >= 400 && status < 500 && status != 429;
    if (!is_refusal || task->role != TASK_LINK)
        scan->is_incomplete = true;
    if (++scan->failed >= FAILED_PAGES_MAX)
        stop(scan);
}

/* Another attempt later. The host is left alone meanwhile if it says that it is too much. */
static void retry(struct scan *scan, struct fetch_transfer *transfer, struct task *task)
{
    int64_t at_ms = clock_mono_ms() + site__fetch_backoff_ms(transfer->response, task->attempts);
    int status = transfer->response == NULL ? 0 : transfer->response->status;
    if ((status == 429 || status == 503) && transfer->host->not_before_ms < at_ms)
        transfer->host->not_before_ms = at_ms;
    task->attempts++;
    task->not_before_ms = at_ms;
    frontier__queue_push(&scan->frontier.retries, task);
}

static void redirect(struct scan *scan, const struct url *from, const char *location,
                     const struct task *task)
{
    struct url url;
    if (task->redirects >= FETCH_REDIRECTS_MAX ||
        !site__link_resolve(from, span_of_string(location), &scan->scratch, &url) ||
        (!is_ours(scan, &url) && task->role != TASK_SITEMAP) ||
        !frontier__mark(&scan->frontier, &url, &scan->scratch))
        return;
    struct task *next = arena_calloc(&scan->frontier.arena, 1, sizeof *next);
    char *text = arena_strdup(&scan->frontier.arena, url.text);
    if (next == NULL || text == NULL) {
        scan->frontier.is_full = true;
        return;
    }
    next->url = text;
    next->role = task->role;
    next->depth = task->depth;
    next->redirects = (uint8_t)(task->redirects + 1);
    enum frontier_queue queue = task->role == TASK_SITEMAP ? QUEUE_SITEMAPS : QUEUE_LIKELY;
    frontier__queue_push(&scan->frontier.queues[queue], next);
}

static void handle(struct scan *scan, struct fetch_transfer *transfer)
{
    struct task *task = transfer->task;
    struct http_response *response = transfer->response;
    bool is_sitemap = task->role == TASK_SITEMAP;
    struct url url;
    if (is_sitemap)
        scan->sitemaps_in_flight--;
    if (transfer->failure == HTTP_FAILURE_CANCELLED ||
        !url_parse(span_of_string(task->url), &scan->place, &url))
        return;
    if (transfer->failure == HTTP_FAILURE_ADDRESS)
        return; /* left out */
    const char *location = response == NULL ? NULL : http_response_header(response, "location");
    if (site__fetch_is_transient(response, transfer->failure) &&
        task->attempts + 1 < FETCH_ATTEMPTS_MAX) {
        retry(scan, transfer, task);
        return;
    }
    if (!is_sitemap && response != NULL)
        scan->pages_fetched++;
    if (response != NULL && response->status >= 200 && response->status < 300) {
        scan->failed = 0;
        if (is_sitemap)
            read_sitemap(scan, &url, task, response);
        else
            read_page(scan, &url, task, response);
    } else if (location != NULL && response->status >= 300 && response->status < 400) {
        redirect(scan, &url, location, task);
    } else {
        count_failure(scan, task, response);
    }
}

/* Starts the task if it may start. False: not now, it goes back; ret_wait_ms says for how long. */
static bool start_task(struct scan *scan, struct task *task, int64_t *ret_wait_ms)
{
    struct url url;
    bool is_sitemap = task->role == TASK_SITEMAP;
    arena_reset(&scan->place);
    bool is_weary = scan->fruitless > FRUITLESS_PAGES_MAX &&
                    (task->role == TASK_LINK || task->role == TASK_LISTING);
    if (is_weary || !url_parse(span_of_string(task->url), &scan->place, &url))
        return true; /* left out */
    /* A sitemap that robots.txt names is meant for us, wherever it is. */
    struct fetch_origin *origin =
        is_sitemap ? site__fetcher_origin(scan->fetcher, &url) : allowed_origin(scan, &url);
    if (origin == NULL)
        return true;
    if (!site__fetcher_start(scan->fetcher, origin->host, task->url,
                             is_sitemap ? FETCH_SITEMAP : FETCH_PAGE, task, ret_wait_ms))
        return false;
    scan->sitemaps_in_flight += is_sitemap;
    return true;
}

/* Starts what can be started. Returns how long to wait for more at most. */
static int64_t start_tasks(struct scan *scan)
{
    struct frontier *frontier = &scan->frontier;
    int64_t wait_ms = WAIT_MS_MAX;
    while (frontier->retries.first != NULL &&
           frontier->retries.first->not_before_ms <= clock_mono_ms()) {
        struct task *task = frontier__queue_pop(&frontier->retries);
        frontier__queue_push(
            &frontier->queues[task->role == TASK_SITEMAP ? QUEUE_SITEMAPS : QUEUE_LIKELY], task);
    }
    for (int i = 0; i < QUEUE_COUNT; i++) {
        struct task_queue *queue = &frontier->queues[i];
        while (queue->first != NULL && !scan->is_stopped) {
            if (i == QUEUE_SITEMAPS && scan->sitemaps_in_flight >= SITEMAPS_IN_FLIGHT_MAX)
                break; /* they are large */
            int64_t blocked_ms = 0;
            struct task *next = queue->first->next;
            if (!start_task(scan, queue->first, &blocked_ms)) {
                if (blocked_ms < wait_ms)
                    wait_ms = blocked_ms;
                return wait_ms;
            }
            queue->first = next;
            if (next == NULL)
                queue->last = NULL;
            report(scan);
        }
    }
    return wait_ms;
}

static bool is_idle(const struct scan *scan)
{
    for (int i = 0; i < QUEUE_COUNT; i++) {
        if (scan->frontier.queues[i].first != NULL)
            return false;
    }
    return scan->frontier.retries.first == NULL && site__fetcher_in_flight(scan->fetcher) == 0;
}

/* Begins the next stage that has something to do; false when there is none. */
static bool next_stage(struct scan *scan)
{
    bool has_items = site__collection_count(scan->collection) > 0;
    if (scan->stage == STAGE_SITEMAPS)
        scan->stage = STAGE_DEFERRED;
    if ((!has_items || !scan->has_listed_pages) && scan->stage == STAGE_DEFERRED) {
        scan->stage = STAGE_LINKS;
        scan->follows_links = true;
    }
    return frontier__wake(&scan->frontier, scan->stage == STAGE_LINKS, &scan->scratch) > 0;
}

static void run(struct scan *scan)
{
    while (!scan->is_stopped) {
        int64_t wait_ms = start_tasks(scan);
        if (is_idle(scan)) {
            if (!next_stage(scan))
                break;
            continue;
        }
        struct fetch_transfer *transfer = site__fetcher_wait(scan->fetcher, wait_ms);
        if (transfer != NULL) {
            arena_reset(&scan->place);
            handle(scan, transfer);
            site__fetcher_release(scan->fetcher, transfer);
            arena_reset(&scan->scratch);
        }
        report(scan);
    }
}

/* ---- the start ---- */

static enum rpc_code fail_start(struct scan *scan, enum http_failure failure,
                                struct rpc_status *status)
{
    if (failure == HTTP_FAILURE_ADDRESS)
        return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_URL, "url");
    if (rpc_context_stopped(scan->context)) {
        bool is_late = rpc_context_left_ms(scan->context) == 0;
        return is_late ? rpc_status_set(status, RPC_DEADLINE_EXCEEDED, "the scan ran out of time")
                       : rpc_status_set(status, RPC_CANCELLED, "the scan was stopped");
    }
    return rpc_status_fail(status, LOTCAST__V1__REASON__REASON_WEBSITE_UNREACHABLE, NULL);
}

/* Takes the start page, which may also be a sitemap. */
static void take_start(struct scan *scan, const struct http_response *response)
{
    struct task task = {.url = scan->home.text, .role = TASK_LINK};
    struct listing listing = {scan, &scan->home, 0};
    const struct site_sitemap_sink sink = {&listing, take_listed};
    const char *type = http_response_header(response, "content-type");
    (void)frontier__mark(&scan->frontier, &scan->home, &scan->scratch);
    (void)frontier__mark(&scan->frontier, &scan->start, &scan->scratch);
    arena_reset(&scan->scratch);
    scan->pages_fetched++;
    bool may_be_sitemap = type != NULL && strstr(type, "html") == NULL;
    if (!may_be_sitemap || site__sitemap_read(response->body, &sink) == SITE_SITEMAP_NONE)
        read_page(scan, &scan->home, &task, response);
    arena_reset(&scan->scratch);
    report(scan);
}

/*
 * Fetches the start page, over its redirects. What robots.txt forbids is not fetched: then there is
 * no start page, but there may be sitemaps.
 */
static enum rpc_code read_start(struct scan *scan, struct rpc_status *status)
{
    for (int redirects = 0; redirects <= FETCH_REDIRECTS_MAX; redirects++) {
        struct fetch_origin *origin = site__fetcher_origin(scan->fetcher, &scan->home);
        if (origin == NULL || origin->failure != HTTP_FAILURE_NONE)
            return fail_start(scan, origin == NULL ? HTTP_FAILURE_CONNECT : origin->failure,
                              status);
        if (!site__robots_allow(&origin->robots, &scan->home)) {
            queue_sitemaps(scan, origin);
            return RPC_OK;
        }
        struct http_response *response = NULL;
        enum http_failure failure = site__fetcher_fetch(scan->fetcher, origin->host,
                                                        scan->home.text, FETCH_PAGE, &response);
        if (failure != HTTP_FAILURE_NONE)
            return fail_start(scan, failure, status);
        int code = response->status;
        const char *location =
            code >= 300 && code < 400 ? http_response_header(response, "location") : NULL;
        struct url next;
        bool is_url = location != NULL && site__link_resolve(&scan->home, span_of_string(location),
                                                             &scan->robots_arena, &next);
        if (code >= 200 && code < 300) {
            queue_sitemaps(scan, origin);
            take_start(scan, response);
        }
        http_response_free(response);
        if (code >= 200 && code < 300)
            return RPC_OK;
        if (location != NULL && !is_url)
            return fail_start(scan, HTTP_FAILURE_ADDRESS, status);
        if (location == NULL)
            break;
        scan->home = next;
    }
    return fail_start(scan, HTTP_FAILURE_PROTOCOL, status);
}

static enum rpc_code finish(struct scan *scan, struct site_scan *ret_scan,
                            struct rpc_status *status)
{
    if (site__collection_count(scan->collection) == 0 && scan->is_out_of_memory)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the scan ran out of memory");
    if (site__collection_count(scan->collection) == 0 && scan->is_stopped) {
        if (rpc_context_stopped(scan->context))
            return fail_start(scan, HTTP_FAILURE_CANCELLED, status);
        if (scan->failed < FAILED_PAGES_MAX)
            return rpc_status_set(status, RPC_CANCELLED, "the scan was stopped");
    }
    struct site_scan result = {.pages_fetched = scan->pages_fetched};
    site__collection_finish(scan->collection, &result);
    result.complete = !scan->is_incomplete && !scan->frontier.is_full;
    *ret_scan = result;
    return RPC_OK;
}

static enum rpc_code run_scan(struct scan *scan, struct site_scan *ret_scan,
                              struct rpc_status *status)
{
    scan->fetcher = site__fetcher_create(scan->options, scan->context, &scan->robots_arena);
    scan->collection = site__collection_create(scan->context->arena, scan->options->items_max);
    if (scan->fetcher == NULL || scan->collection == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "no memory for a scan");
    enum rpc_code code = read_start(scan, status);
    if (code != RPC_OK)
        return code;
    scan->follows_links = scan->frontier.sitemaps == 0;
    run(scan);
    return finish(scan, ret_scan, status);
}

/* libxml2 wants to be initialised before several threads use it. */
static pthread_once_t xml_once = PTHREAD_ONCE_INIT;

enum rpc_code site_scan_run(const struct site_scan_options *options, struct rpc_context *context,
                            struct site_scan *ret_scan, struct rpc_status *status)
{
    (void)pthread_once(&xml_once, xmlInitParser);
    struct scan *scan = calloc(1, sizeof *scan);
    if (scan == NULL)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "no memory for a scan");
    scan->options = options;
    scan->context = context;
    arena_init(&scan->scratch, SCRATCH_BYTES_MAX);
    arena_init(&scan->place, SCRATCH_BYTES_MAX);
    arena_init(&scan->robots_arena, ROBOTS_ARENA_BYTES_MAX);
    frontier__init(&scan->frontier);
    enum rpc_code code;
    if (url_parse(span_of_string(options->url), &scan->robots_arena, &scan->start)) {
        scan->home = scan->start;
        code = run_scan(scan, ret_scan, status);
    } else {
        code = rpc_status_fail(status, LOTCAST__V1__REASON__REASON_INVALID_URL, "url");
    }
    site__fetcher_destroy(scan->fetcher);
    site__collection_destroy(scan->collection);
    frontier__fini(&scan->frontier);
    arena_fini(&scan->scratch);
    arena_fini(&scan->place);
    arena_fini(&scan->robots_arena);
    free(scan);
    return code;
}
