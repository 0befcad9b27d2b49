#include "clients/site/frontier.h"

#include <stdlib.h>
#include <strings.h>

/* All URLs of a scan with their tasks, in bytes. */
#define FRONTIER_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define SITEMAPS_MAX 2000
/* Pages tried in a directory of which nothing is known. */
#define SHAPE_TRIES_MAX 3
/* A page number of more digits is none. */
#define PAGE_DIGITS_MAX 6

void frontier__init(struct frontier *frontier)
{
    *frontier = (struct frontier){0};
    arena_init(&frontier->arena, FRONTIER_BYTES_MAX);
    site__set_init(&frontier->seen);
    site__set_init(&frontier->shapes);
}

void frontier__fini(struct frontier *frontier)
{
    site__set_fini(&frontier->seen);
    site__set_fini(&frontier->shapes);
    arena_fini(&frontier->arena);
}

void frontier__queue_push(struct task_queue *queue, struct task *task)
{
    task->next = NULL;
    if (queue->last == NULL)
        queue->first = task;
    else
        queue->last->next = task;
    queue->last = task;
}

struct task *frontier__queue_pop(struct task_queue *queue)
{
    struct task *task = queue->first;
    if (task == NULL)
        return NULL;
    queue->first = task->next;
    if (queue->first == NULL)
        queue->last = NULL;
    task->next = NULL;
    return task;
}

/* Whether one of the words stands in the path between two characters that are no letters. */
static bool path_has(const char *path, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(words[i]);
        for (const char *at = strcasestr(path, words[i]); at != NULL;
             at = strcasestr(at + 1, words[i])) {
            bool starts = at == path || !(((at[-1] | 32) >= 'a' && (at[-1] | 32) <= 'z'));
            bool ends = !((at[len] | 32) >= 'a' && (at[len] | 32) <= 'z');
            if (starts && ends)
                return true;
        }
    }
    return false;
}

static bool is_likely(const char *path)
{
    static const char *const words[] = {
        "product",  "products", "vehicle", "vehicles", "inventory",   "car",       "cars",
        "item",     "items",    "shop",    "store",    "catalog",     "catalogue", "listing",
        "listings", "used",     "new",     "auto",     "autos",       "fahrzeug",  "fahrzeuge",
        "produkt",  "produkte", "stock",   "p",        "collections", "vehicule",  "vehicules",
        "voiture",  "voitures", "coche",   "coches"};
    return path_has(path, words, sizeof words / sizeof words[0]);
}

static bool is_unlikely(const char *path)
{
    static const char *const words[] = {
        "blog",  "news",    "tag",     "tags",  "author", "archive", "event", "events", "calendar",
        "forum", "comment", "privacy", "terms", "about",  "contact", "press", "jobs",   "careers"};
    return path_has(path, words, sizeof words / sizeof words[0]);
}

bool frontier__is_page(const struct url *url)
{
    static const char *const endings[] = {
        ".jpg", ".jpeg", ".png",  ".gif", ".webp", ".svg",  ".ico",   ".css",
        ".js",  ".json", ".pdf",  ".zip", ".gz",   ".mp4",  ".mp3",   ".avi",
        ".mov", ".doc",  ".docx", ".xls", ".xlsx", ".woff", ".woff2", ".ttf",
        ".xml", ".txt",  ".rss",  ".ics", ".exe",  ".dmg",  ".avif"};
    static const char *const words[] = {"cart",     "checkout", "login",   "logout",   "signin",
                                        "signup",   "register", "account", "wishlist", "compare",
                                        "wp-admin", "wp-login", "cdn-cgi", "wp-json"};
    size_t len = strlen(url->path);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t ending = strlen(endings[i]);
        if (len > ending && strcasecmp(url->path + len - ending, endings[i]) == 0)
            return false;
    }
    if (url->query != NULL && (strcasestr(url->query, "add-to-cart") != NULL ||
                               strcasestr(url->query, "replytocom") != NULL))
        return false;
    return !path_has(url->path, words, sizeof words / sizeof words[0]);
}

static enum frontier_queue queue_for(const struct url *url, enum task_role role)
{
    if (role == TASK_SITEMAP || role == TASK_FEED)
        return QUEUE_SITEMAPS;
    if (role == TASK_ITEM || role == TASK_LISTING)
        return QUEUE_LIKELY;
    if (is_unlikely(url->path))
        return QUEUE_UNLIKELY;
    if (role == TASK_LISTED)
        return is_likely(url->path) ? QUEUE_LIKELY : QUEUE_LISTED;
    return is_likely(url->path) ? QUEUE_LISTED : QUEUE_LINKS;
}

/* The entry of the URL's canonical form, and that form in the scratch arena. */
static struct site_set_entry *entry_of(struct frontier *frontier, const struct url *url,
                                       struct arena *scratch, const char **ret_canonical)
{
    const char *canonical = url_canonical(url, scratch);
    struct site_set_entry *entry =
        canonical == NULL ? NULL : site__set_find(&frontier->seen, canonical);
    if (entry == NULL)
        frontier->is_full = true;
    *ret_canonical = canonical;
    return entry;
}

/* Makes the task and its entry; NULL when there is no room. */
static struct task *add_task(struct frontier *frontier, struct site_set_entry *entry,
                             const char *canonical, const struct url *url)
{
    struct task *task = arena_calloc(&frontier->arena, 1, sizeof *task);
    char *key = arena_strdup(&frontier->arena, canonical);
    char *text = key;
    if (key != NULL && strcmp(canonical, url->text) != 0)
        text = arena_strdup(&frontier->arena, url->text);
    if (task == NULL || text == NULL) {
        frontier->is_full = true;
        return NULL;
    }
    task->url = text;
    *entry = (struct site_set_entry){key, task};
    frontier->seen.count++;
    return task;
}

static bool has_room(struct frontier *frontier, enum task_role role)
{
    int64_t *count = role == TASK_SITEMAP ? &frontier->sitemaps : &frontier->pages;
    if (*count >= (role == TASK_SITEMAP ? SITEMAPS_MAX : SITE_PAGES_MAX)) {
        frontier->is_full = true;
        return false;
    }
    ++*count;
    return true;
}

bool frontier__add(struct frontier *frontier, const struct url *url, enum task_role role, int depth,
                   struct arena *scratch)
{
    const char *canonical;
    struct site_set_entry *entry = entry_of(frontier, url, scratch, &canonical);
    if (entry == NULL)
        return false;
    struct task *task = entry->text == NULL ? NULL : entry->value;
    bool is_new = entry->text == NULL || (task != NULL && task->is_deferred);
    if (!is_new || !has_room(frontier, role))
        return false;
    if (task == NULL)
        task = add_task(frontier, entry, canonical, url);
    if (task == NULL)
        return false;
    if (task->is_deferred) { /* its old place in `deferred` stays, so the new one needs another task
                              */
        task->is_deferred = false;
        struct task *copy = arena_calloc(&frontier->arena, 1, sizeof *copy);
        if (copy == NULL) {
            frontier->is_full = true;
            return false;
        }
        copy->url = task->url;
        task = copy;
    }
    task->role = (uint8_t)role;
    task->depth = (uint8_t)depth;
    frontier__queue_push(&frontier->queues[queue_for(url, role)], task);
    return true;
}

bool frontier__defer(struct frontier *frontier, const struct url *url, int depth,
                     struct arena *scratch)
{
    const char *canonical;
    struct site_set_entry *entry = entry_of(frontier, url, scratch, &canonical);
    if (entry == NULL || entry->text != NULL)
        return false;
    struct task *task = add_task(frontier, entry, canonical, url);
    if (task == NULL)
        return false;
    task->is_deferred = true;
    task->depth = (uint8_t)depth;
    frontier__queue_push(&frontier->deferred, task);
    return true;
}

bool frontier__mark(struct frontier *frontier, const struct url *url, struct arena *scratch)
{
    const char *canonical;
    struct site_set_entry *entry = entry_of(frontier, url, scratch, &canonical);
    if (entry == NULL)
        return false;
    if (entry->text != NULL) {
        struct task *task = entry->value;
        bool was_deferred = task != NULL && task->is_deferred;
        if (was_deferred)
            task->is_deferred = false;
        return was_deferred;
    }
    char *key = arena_strdup(&frontier->arena, canonical);
    if (key == NULL) {
        frontier->is_full = true;
        return false;
    }
    *entry = (struct site_set_entry){key, NULL};
    frontier->seen.count++;
    return true;
}

struct shape *frontier__shape(struct frontier *frontier, const struct url *url,
                              struct arena *scratch)
{
    const char *slash = strrchr(url->path, '/');
    char *directory =
        arena_printf(scratch, "%s%.*s", url->host, (int)(slash - url->path), url->path);
    struct site_set_entry *entry =
        directory == NULL ? NULL : site__set_find(&frontier->shapes, directory);
    if (entry == NULL || entry->text != NULL)
        return entry == NULL ? NULL : entry->value;
    char *key = arena_strdup(&frontier->arena, directory);
    struct shape *shape = arena_calloc(&frontier->arena, 1, sizeof *shape);
    if (key == NULL || shape == NULL)
        return NULL;
    *entry = (struct site_set_entry){key, shape};
    frontier->shapes.count++;
    return shape;
}

int64_t frontier__wake(struct frontier *frontier, bool all, struct arena *scratch)
{
    struct task_queue waiting = frontier->deferred;
    frontier->deferred = (struct task_queue){0};
    int64_t woken = 0;
    for (struct task *task = frontier__queue_pop(&waiting); task != NULL;
         task = frontier__queue_pop(&waiting)) {
        struct url url;
        if (!task->is_deferred || !url_parse(span_of_string(task->url), scratch, &url))
            continue;
        struct shape *shape = frontier__shape(frontier, &url, scratch);
        bool has_hits = shape != NULL && shape->hits > 0;
        bool may_try = shape != NULL && shape->tried < SHAPE_TRIES_MAX;
        enum task_role role = has_hits ? TASK_ITEM : TASK_LINK;
        if (!has_hits && !may_try && !all) {
            frontier__queue_push(&frontier->deferred, task);
        } else if (has_room(frontier, role)) {
            if (shape != NULL)
                shape->tried++;
            task->is_deferred = false;
            task->role = (uint8_t)role;
            frontier__queue_push(&frontier->queues[queue_for(&url, role)], task);
            woken++;
        }
        arena_reset(scratch);
    }
    return woken;
}

/* ---- numbered pages ---- */

static bool is_number(const char *text, size_t len)
{
    return len > 0 && len <= PAGE_DIGITS_MAX && strspn(text, "0123456789") >= len;
}

/* Whether a parameter's name is one that lists number their pages with. */
static bool is_page_parameter(const char *parameter, size_t len)
{
    static const char *const names[] = {"page",    "p",          "pg",      "paged",
                                        "pagenum", "pagenumber", "page_no", "pageno",
                                        "seite",   "pagina",     "pn",      "_page"};
    const char *equals = memchr(parameter, '=', len);
    if (equals == NULL)
        return false;
    size_t name_len = (size_t)(equals - parameter);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (name_len == strlen(names[i]) && strncasecmp(parameter, names[i], name_len) == 0)
            return is_number(equals + 1, len - name_len - 1);
    }
    return false;
}

/* Copies the query without its page number; returns whether it had one. */
static bool strip_query(const char *query, char out[static URL_BYTES_MAX + 1])
{
    bool found = false;
    size_t used = 0;
    for (const char *at = query == NULL ? "" : query; *at != '\0';) {
        size_t len = strcspn(at, "&");
        if (!found && is_page_parameter(at, len)) {
            found = true;
        } else if (used + len + 2 <= URL_BYTES_MAX) {
            if (used > 0)
                out[used++] = '&';
            memcpy(out + used, at, len);
            used += len;
        }
        at += len + (at[len] == '&');
    }
    out[used] = '\0';
    return found;
}

/* The bytes of the path before "/page/2", "/page-2" or "/seite/2"; all of it if there is no such
 * end. */
static size_t strip_path(const char *path, bool *ret_found)
{
    static const char *const words[] = {"/page/",  "/page-",   "/seite/",
                                        "/seite-", "/pagina/", "/p/"};
    size_t len = strlen(path);
    if (len > 1 && path[len - 1] == '/')
        len--;
    *ret_found = false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t digits = 0;
        while (digits < len && path[len - digits - 1] >= '0' && path[len - digits - 1] <= '9')
            digits++;
        size_t word = strlen(words[i]);
        if (digits > 0 && digits <= PAGE_DIGITS_MAX && len >= digits + word &&
            strncasecmp(path + len - digits - word, words[i], word) == 0) {
            *ret_found = true;
            return len - digits - word;
        }
    }
    return len;
}

/* The URL without what does not tell pages apart, its query in order. False: out of memory. */
static bool plain_url(const struct url *url, struct arena *scratch, struct url *ret_url)
{
    if (url->query == NULL) {
        *ret_url = *url;
        return true;
    }
    const char *text = url_canonical(url, scratch);
    return text != NULL && url_parse(span_of_string(text), scratch, ret_url);
}

bool frontier__is_numbered(const struct url *from, const struct url *to, struct arena *scratch)
{
    struct url plain_from, plain_to;
    const struct url *page = &plain_from;
    const struct url *url = &plain_to;
    if (!plain_url(from, scratch, &plain_from) || !plain_url(to, scratch, &plain_to))
        return false;
    char page_query[URL_BYTES_MAX + 1];
    char url_query[URL_BYTES_MAX + 1];
    bool page_has_end;
    bool url_has_end;
    if (!url_same_origin(page, url))
        return false;
    (void)strip_query(page->query, page_query);
    bool by_query = strip_query(url->query, url_query);
    size_t page_len = strip_path(page->path, &page_has_end);
    size_t url_len = strip_path(url->path, &url_has_end);
    return (by_query || url_has_end) && strcmp(page_query, url_query) == 0 && page_len == url_len &&
           strncmp(page->path, url->path, page_len) == 0;
}
