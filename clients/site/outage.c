/*
 * Pages that could not be had, and what follows for what is known to be there.
 *
 * 404 and 410 are answers: what was there is gone. Any other refusal, and a network's failure after
 * all attempts, say nothing of it. Then, so that one broken page neither takes items away nor keeps
 * every other item in the catalog for ever:
 *
 *   - a page or a sitemap that is known from an earlier scan is taken as it was then
 *   - of a page that is not, the URL is told to the caller (site_scan.held): what is known to be
 *     found there is not gone. Lists are always kept, so a page that never was one leads nowhere
 *   - a sitemap that is not known, a feed, and a list that could not be kept: the scan is
 *     incomplete
 *   - so it is where more than a tenth of all pages failed: that is an outage
 */
#include "clients/site/kept.h"
#include "clients/site/scan.h"

/* Pages in a row that could not be had: the site is out, or has locked us out. */
#define FAILED_IN_A_ROW_MAX 25
/* Failures that are no outage, however few pages there are; and beyond them one of so many pages.
 */
#define FAILED_FEW 3
#define FAILED_SHARE 10
/* URLs that are told of at most. */
#define HELD_MAX 20000
#define HELD_FIRST 16

static bool is_share(const struct scan *scan)
{
    return scan->failures * FAILED_SHARE > scan->pages_fetched;
}

bool outage__is_one(const struct scan *scan)
{
    return scan->failed >= FAILED_IN_A_ROW_MAX || (scan->failures > FAILED_FEW && is_share(scan));
}

bool outage__hides_items(const struct scan *scan)
{
    return scan->failed >= FAILED_IN_A_ROW_MAX || (scan->failures > 0 && is_share(scan));
}

/* Tells the caller of the page. */
static bool hold(struct scan *scan, const struct url *url)
{
    struct arena *arena = scan->context->arena;
    const char *form = url_canonical(url, &scan->scratch); /* may be the URL's own text */
    const char *canonical = form == NULL ? NULL : arena_strdup(arena, form);
    if (canonical == NULL || scan->held_count == HELD_MAX)
        return false;
    if (scan->held_count == scan->held_capacity) {
        size_t capacity = scan->held_capacity == 0 ? HELD_FIRST : scan->held_capacity * 2;
        const char **held = arena_calloc(arena, capacity, sizeof *held);
        if (held == NULL)
            return false;
        if (scan->held_count > 0)
            memcpy(held, scan->held, scan->held_count * sizeof *held);
        scan->held = held;
        scan->held_capacity = capacity;
    }
    scan->held[scan->held_count++] = canonical;
    return true;
}

/* Takes a sitemap as it was. */
static bool take_kept_sitemap(struct scan *scan, const struct url *url, const struct task *task)
{
    struct kept kept;
    const struct site_memory *memory = scan->options->memory;
    if (!kept__open(&kept, memory, task->url, &scan->memo))
        return false;
    bool ok = visit__sitemap(scan, url, task->depth, &kept.response) == SCAN_TAKEN;
    if (ok)
        kept__same(&kept, memory, task->url, &scan->memo);
    kept__close(&kept);
    return ok;
}

static void miss_page(struct scan *scan, const struct url *url, const struct task *task)
{
    enum known_stale stale = KNOWN_NOTHING;
    Lotcast__V1__PageRecord *known = known__stale(scan, task->url, &stale);
    if (stale == KNOWN_PAGE && visit__known(scan, url, task, known)) {
        known__same(scan, task->url);
        return;
    }
    bool may_be_list = task->role == TASK_LISTING || task->role == TASK_LINK;
    bool is_blind = stale == KNOWN_UNKEPT || (scan->options->memory == NULL && may_be_list);
    if (!hold(scan, url) || is_blind)
        scan->is_incomplete = true;
}

void outage__miss(struct scan *scan, const struct url *url, const struct task *task,
                  const struct http_response *response)
{
    int status = response == NULL ? 0 : response->status;
    if (status == 404 || status == 410) {
        scan->failed = 0;
        return;
    }
    bool is_refusal = status >= 400 && status < 500 && status != 429;
    if (task->role == TASK_SITEMAP) {
        if (!take_kept_sitemap(scan, url, task) && !is_refusal)
            scan->is_incomplete = true;
        return;
    }
    if (task->role == TASK_FEED) {
        scan->is_incomplete = scan->is_incomplete || !is_refusal;
        return;
    }
    scan->failures++;
    int failed = scan->failed + 1;
    miss_page(scan, url, task);
    scan->failed = failed;
    if (failed >= FAILED_IN_A_ROW_MAX)
        scan__stop(scan);
}
