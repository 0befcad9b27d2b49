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

#include "clients/site/kept.h"
#include "clients/site/scan.h"
#include "rpc/base/clock.h"

/* Everything that one page is turned into, in bytes. */
#define SCRATCH_BYTES_MAX ((size_t)192 * 1024 * 1024)
/* robots.txt's rules of all origins. */
#define ROBOTS_ARENA_BYTES_MAX ((size_t)32 * 1024 * 1024)
/* Sitemaps at once. */
#define SITEMAPS_IN_FLIGHT_MAX 2
/* What is known of one page. */
#define MEMO_BYTES_MAX ((size_t)32 * 1024 * 1024)
/* Between two calls of progress, and longest wait for an answer, in ms. */
#define PROGRESS_MS 200
#define WAIT_MS_MAX 100
/* A start page is fetched again so often: read to its end, and without a condition. */
#define START_AGAIN_MAX 2

bool scan__is_ours(const struct scan *scan, const struct url *url)
{
    return site__same_site(url, &scan->home) || site__same_site(url, &scan->start);
}

void scan__stop(struct scan *scan)
{
    scan->is_stopped = true;
    scan->is_incomplete = true;
}

void scan__report(struct scan *scan)
{
    int64_t now_ms = clock_mono_ms();
    if (rpc_context_stopped(scan->context))
        scan__stop(scan);
    if (scan->options->progress == NULL || now_ms - scan->last_progress_ms < PROGRESS_MS)
        return;
    scan->last_progress_ms = now_ms;
    if (!scan->options->progress(scan->options->progress_arg,
                                 site__collection_count(scan->collection), scan->pages_fetched))
        scan__stop(scan);
}

/* The origin of a URL, if robots.txt lets us read it. */
struct fetch_origin *scan__allowed_origin(struct scan *scan, const struct url *url)
{
    struct fetch_origin *origin = site__fetcher_origin(scan->fetcher, url);
    return origin != NULL && site__robots_allow(&origin->robots, url) ? origin : NULL;
}

bool scan__collect(struct scan *scan, const struct site_found *found)
{
    enum site_collected result = site__collection_add(scan->collection, found);
    if (result == SITE_COLLECTED_FULL)
        scan__stop(scan);
    if (result == SITE_COLLECTED_NO_MEMORY) {
        scan->is_out_of_memory = true;
        scan__stop(scan);
    }
    return !scan->is_stopped;
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

static bool is_large(const struct task *task)
{
    return task->role == TASK_SITEMAP || task->role == TASK_FEED;
}

static enum fetch_kind kind_of(const struct task *task)
{
    return task->role == TASK_SITEMAP ? FETCH_SITEMAP
           : task->role == TASK_FEED  ? FETCH_FEED
                                      : FETCH_PAGE;
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
        (!scan__is_ours(scan, &url) && task->role != TASK_SITEMAP) ||
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
    enum frontier_queue queue = is_large(task) ? QUEUE_SITEMAPS : QUEUE_LIKELY;
    frontier__queue_push(&scan->frontier.queues[queue], next);
}

/* Takes a sitemap or a feed, whichever it is. */
static enum scan_taken take_list(struct scan *scan, const struct url *url, const struct task *task,
                                 const struct http_response *response)
{
    enum scan_taken taken = SCAN_TAKEN_NOTHING;
    if (task->role != TASK_FEED)
        taken = visit__sitemap(scan, url, task->depth, response);
    return taken == SCAN_TAKEN_NOTHING ? lists__feed(scan, url, false, response) : taken;
}

/* The list is as it was. False: how it was is lost. */
static bool take_same_list(struct scan *scan, const struct url *url, const struct task *task)
{
    struct kept kept;
    const struct site_memory *memory = scan->options->memory;
    if (!kept__open(&kept, memory, task->url, &scan->memo))
        return false;
    (void)take_list(scan, url, task, &kept.response);
    kept__same(&kept, memory, task->url, &scan->memo);
    kept__close(&kept);
    return true;
}

/* The page is as it was. */
static void take_same(struct scan *scan, const struct url *url, struct task *task)
{
    Lotcast__V1__PageRecord *known = is_large(task) ? NULL : known__find(scan, task->url);
    if (is_large(task) && take_same_list(scan, url, task))
        return;
    if (known != NULL && visit__known(scan, url, task, known)) {
        scan->failed = 0;
        known__same(scan, task->url);
        return;
    }
    if (task->is_plain) { /* it says so without having been asked */
        outage__miss(scan, url, task, NULL);
        return;
    }
    task->is_plain = true;
    scan->pages_fetched -= task->role != TASK_SITEMAP;
    frontier__queue_push(&scan->frontier.queues[is_large(task) ? QUEUE_SITEMAPS : QUEUE_LIKELY],
                         task);
}

static void take_answer(struct scan *scan, const struct url *url, struct task *task,
                        const struct http_response *response)
{
    const char *location = response == NULL ? NULL : http_response_header(response, "location");
    if (response == NULL) {
        outage__miss(scan, url, task, response);
    } else if (response->status == 304) {
        take_same(scan, url, task);
    } else if (response->status >= 200 && response->status < 300) {
        scan->failed = 0;
        if (!is_large(task))
            visit__page(scan, url, task, response, NULL);
        else if (take_list(scan, url, task, response) == SCAN_TAKEN)
            kept__write(scan->options->memory, task->url, &scan->memo, response);
    } else if (location != NULL && response->status >= 300 && response->status < 400) {
        redirect(scan, url, location, task);
    } else {
        outage__miss(scan, url, task, response);
    }
}

static void handle(struct scan *scan, struct fetch_transfer *transfer)
{
    struct task *task = transfer->task;
    struct http_response *response = transfer->response;
    struct url url;
    if (is_large(task))
        scan->sitemaps_in_flight--;
    if (transfer->failure == HTTP_FAILURE_CANCELLED ||
        !url_parse(span_of_string(task->url), &scan->place, &url))
        return;
    if (transfer->failure == HTTP_FAILURE_ADDRESS)
        return; /* left out */
    if (site__fetch_is_transient(response, transfer->failure) &&
        task->attempts + 1 < FETCH_ATTEMPTS_MAX) {
        retry(scan, transfer, task);
        return;
    }
    if (task->role != TASK_SITEMAP && response != NULL)
        scan->pages_fetched++;
    take_answer(scan, &url, task, response);
}

/* Starts the task if it may start. False: not now, it goes back; ret_wait_ms says for how long. */
static bool start_task(struct scan *scan, struct task *task, int64_t *ret_wait_ms)
{
    struct url url;
    bool is_sitemap = task->role == TASK_SITEMAP;
    arena_reset(&scan->place);
    if (visit__is_weary(scan, task) || !url_parse(span_of_string(task->url), &scan->place, &url))
        return true; /* left out */
    /* A sitemap that robots.txt names is meant for us, wherever it is. */
    struct fetch_origin *origin =
        is_sitemap ? site__fetcher_origin(scan->fetcher, &url) : scan__allowed_origin(scan, &url);
    if (origin == NULL) {
        const struct fetch_origin *there = site__fetcher_origin(scan->fetcher, &url);
        if (there != NULL && there->failure != HTTP_FAILURE_NONE &&
            there->failure != HTTP_FAILURE_ADDRESS)
            outage__miss(scan, &url, task, NULL); /* forbidden because its robots.txt is out */
        return true;
    }
    if (!site__fetcher_may_start(scan->fetcher, origin->host, ret_wait_ms))
        return false;
    const Lotcast__V1__PageRecord *known = NULL;
    if (!task->is_plain)
        known = is_large(task) ? kept__find(scan->options->memory, task->url, &scan->memo)
                               : known__find(scan, task->url);
    const struct fetch_request request = {task->url, kind_of(task), known};
    site__fetcher_start(scan->fetcher, origin->host, &request, task);
    scan->sitemaps_in_flight += is_large(task);
    return true;
}

/* Tells the memory which pages come next. */
static void look_ahead(struct scan *scan, const struct task_queue *queue)
{
    const struct site_memory *memory = scan->options->memory;
    const char *urls[SITE_AHEAD_MAX];
    size_t count = 0;
    if (memory == NULL || memory->prepare == NULL || queue->first->is_prepared)
        return;
    for (struct task *task = queue->first; task != NULL && count < SITE_AHEAD_MAX;
         task = task->next) {
        if (!task->is_prepared && !task->is_plain)
            urls[count++] = task->url;
        task->is_prepared = true;
    }
    memory->prepare(memory->arg, urls, count);
}

/* Starts what can be started. Returns how long to wait for more at most. */
static int64_t start_tasks(struct scan *scan)
{
    struct frontier *frontier = &scan->frontier;
    int64_t wait_ms = WAIT_MS_MAX;
    while (frontier->retries.first != NULL &&
           frontier->retries.first->not_before_ms <= clock_mono_ms()) {
        struct task *task = frontier__queue_pop(&frontier->retries);
        frontier__queue_push(&frontier->queues[is_large(task) ? QUEUE_SITEMAPS : QUEUE_LIKELY],
                             task);
    }
    for (int i = 0; i < QUEUE_COUNT; i++) {
        struct task_queue *queue = &frontier->queues[i];
        while (queue->first != NULL && !scan->is_stopped) {
            if (i == QUEUE_SITEMAPS && scan->sitemaps_in_flight >= SITEMAPS_IN_FLIGHT_MAX)
                break; /* they are large */
            if (i != QUEUE_SITEMAPS)
                look_ahead(scan, queue);
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
            scan__report(scan);
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
        scan__report(scan);
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

static bool is_html(const struct http_response *response)
{
    const char *type = http_response_header(response, "content-type");
    return type == NULL || strstr(type, "html") != NULL;
}

static void mark_start(struct scan *scan)
{
    (void)frontier__mark(&scan->frontier, &scan->home, &scan->scratch);
    (void)frontier__mark(&scan->frontier, &scan->start, &scan->scratch);
    arena_reset(&scan->scratch);
    scan->pages_fetched++;
}

/* Takes the start page, which may also be a sitemap or a feed. */
static void take_start(struct scan *scan, const struct http_response *response, bool was_shop)
{
    const struct task task = {.url = scan->home.text, .role = TASK_LINK};
    enum scan_taken taken = SCAN_TAKEN_NOTHING;
    mark_start(scan);
    if (!is_html(response))
        taken = visit__sitemap(scan, &scan->home, 0, response);
    if (!is_html(response) && taken == SCAN_TAKEN_NOTHING)
        taken = lists__feed(scan, &scan->home, true, response);
    if (taken == SCAN_TAKEN && kept__is_askable(response))
        kept__write(scan->options->memory, scan->home.text, &scan->memo, response);
    if (taken != SCAN_TAKEN_NOTHING)
        return;
    const char *shop =
        site__shop_detect(response->body, response, &scan->home, &scan->robots_arena);
    lists__shop(scan, shop, was_shop);
    if (scan->is_listed)
        known__keep_shop(scan, &scan->home, response, shop);
    else
        visit__page(scan, &scan->home, &task, response, NULL);
}

/* The list that the start page is, is as it was. */
static bool take_start_list(struct scan *scan)
{
    struct kept kept;
    const struct site_memory *memory = scan->options->memory;
    if (!kept__open(&kept, memory, scan->home.text, &scan->memo))
        return false;
    mark_start(scan);
    if (visit__sitemap(scan, &scan->home, 0, &kept.response) == SCAN_TAKEN_NOTHING)
        (void)lists__feed(scan, &scan->home, true, &kept.response);
    kept__same(&kept, memory, scan->home.text, &scan->memo);
    kept__close(&kept);
    return true;
}

/* The start page is as it was. False: it has to be read all the same. */
static bool take_start_same(struct scan *scan)
{
    const struct task task = {.url = scan->home.text, .role = TASK_LINK};
    Lotcast__V1__PageRecord *known = known__find(scan, scan->home.text);
    if (known == NULL)
        return take_start_list(scan);
    mark_start(scan);
    const char *shop = arena_strdup(&scan->robots_arena, known->shop); /* the memo is used again */
    lists__shop(scan, shop, true);
    if (!scan->is_listed)
        known = known__find(scan, scan->home.text);
    bool is_enough =
        scan->is_listed || (known != NULL && visit__known(scan, &scan->home, &task, known));
    if (is_enough)
        known__same(scan, scan->home.text);
    else
        scan->pages_fetched--;
    return is_enough;
}

/* What the start page's answer leads to. */
enum start { START_TAKEN, START_AGAIN, START_REDIRECTED, START_REFUSED, START_FAILED };

static enum start judge_start(struct scan *scan, const struct http_response *response,
                              struct fetch_request *request)
{
    int code = response->status;
    const char *location = http_response_header(response, "location");
    struct url next;
    if (code == 304 && request->known != NULL) {
        request->known = NULL;
        return take_start_same(scan) ? START_TAKEN : START_AGAIN;
    }
    if (code >= 200 && code < 300) {
        if (response->truncated && request->kind == FETCH_PAGE && !is_html(response)) {
            request->kind = FETCH_FEED; /* it is larger than pages are */
            return START_AGAIN;
        }
        bool was_shop = request->known != NULL && request->known->shop[0] != '\0';
        take_start(scan, response, was_shop);
        return START_TAKEN;
    }
    if (code < 300 || code >= 400 || location == NULL)
        return START_FAILED;
    if (!site__link_resolve(&scan->home, span_of_string(location), &scan->robots_arena, &next))
        return START_REFUSED;
    scan->home = next;
    return START_REDIRECTED;
}

/*
 * Fetches the start page, over its redirects. What robots.txt forbids is not fetched: then there is
 * no start page, but there may be sitemaps.
 */
static enum rpc_code read_start(struct scan *scan, struct rpc_status *status)
{
    enum start start = START_REDIRECTED;
    struct fetch_request request = {.kind = FETCH_PAGE};
    for (int tries = 0; tries <= FETCH_REDIRECTS_MAX + START_AGAIN_MAX; tries++) {
        struct fetch_origin *origin = site__fetcher_origin(scan->fetcher, &scan->home);
        if (origin == NULL || origin->failure != HTTP_FAILURE_NONE)
            return fail_start(scan, origin == NULL ? HTTP_FAILURE_CONNECT : origin->failure,
                              status);
        if (!site__robots_allow(&origin->robots, &scan->home)) {
            queue_sitemaps(scan, origin);
            return RPC_OK;
        }
        struct http_response *response = NULL;
        request.url = scan->home.text;
        if (start == START_REDIRECTED) {
            request.kind = lists__is_file(&scan->home) ? FETCH_FEED : FETCH_PAGE;
            request.known = known__find(scan, scan->home.text);
            if (request.known == NULL)
                request.known = kept__find(scan->options->memory, scan->home.text, &scan->memo);
        }
        enum http_failure failure =
            site__fetcher_fetch(scan->fetcher, origin->host, &request, &response);
        if (failure != HTTP_FAILURE_NONE)
            return fail_start(scan, failure, status);
        start = judge_start(scan, response, &request);
        http_response_free(response);
        arena_reset(&scan->scratch);
        if (start == START_TAKEN) {
            if (!scan->is_listed)
                queue_sitemaps(scan, origin);
            scan__report(scan);
            return RPC_OK;
        }
        if (start == START_REFUSED)
            return fail_start(scan, HTTP_FAILURE_ADDRESS, status);
        if (start == START_FAILED)
            break;
    }
    return fail_start(scan, HTTP_FAILURE_PROTOCOL, status);
}

/* What a scan that has found nothing comes to. RPC_OK: there is nothing. */
static enum rpc_code finish_empty(struct scan *scan, struct rpc_status *status)
{
    if (scan->is_out_of_memory)
        return rpc_status_set(status, RPC_RESOURCE_EXHAUSTED, "the scan ran out of memory");
    if (scan->is_stopped && rpc_context_stopped(scan->context))
        return fail_start(scan, HTTP_FAILURE_CANCELLED, status);
    if (outage__hides_items(scan) || (scan->is_listed && scan->is_incomplete && !scan->is_stopped))
        return fail_start(scan, HTTP_FAILURE_PROTOCOL, status);
    if (scan->is_stopped)
        return rpc_status_set(status, RPC_CANCELLED, "the scan was stopped");
    return RPC_OK;
}

static enum rpc_code finish(struct scan *scan, struct site_scan *ret_scan,
                            struct rpc_status *status)
{
    enum rpc_code code = RPC_OK;
    if (site__collection_count(scan->collection) == 0)
        code = finish_empty(scan, status);
    if (code != RPC_OK)
        return code;
    struct site_scan result = {
        .pages_fetched = scan->pages_fetched, .held = scan->held, .held_count = scan->held_count};
    site__collection_finish(scan->collection, &result);
    result.complete = !scan->is_incomplete && !scan->frontier.is_full && !outage__is_one(scan);
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
    bool goes_on = !scan->is_listed;
    while (goes_on) {
        run(scan);
        goes_on = !scan->is_stopped && site__collection_count(scan->collection) == 0 &&
                  lists__guess(scan);
    }
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
    arena_init(&scan->memo, MEMO_BYTES_MAX);
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
    arena_fini(&scan->memo);
    arena_fini(&scan->robots_arena);
    free(scan);
    return code;
}
