/*
 * What is still to be read, and what has been seen. The scanning thread's alone.
 */
#ifndef CLIENTS_SITE_FRONTIER_H
#define CLIENTS_SITE_FRONTIER_H

#include "clients/site/fetch.h"

/* Where a URL came from, the most promising first. */
enum task_role {
    TASK_SITEMAP, /* a sitemap itself */
    TASK_FEED,    /* a list of products in a form of its own */
    TASK_ITEM,    /* a list, or a neighbour, says that an item is there */
    TASK_LISTED,  /* a sitemap lists it */
    TASK_LISTING, /* the next page of a list */
    TASK_LINK,    /* a page links to it */
};

struct task {
    struct task *next;
    const char *url; /* normalised text */
    uint8_t role;
    uint8_t depth; /* links from the start page; sitemaps: indexes above it */
    uint8_t attempts;
    uint8_t redirects;
    bool is_plain;    /* is asked for whatever is known of it */
    bool is_deferred; /* waits in `deferred` until it looks worth it */
    bool is_prepared; /* the memory has been told that it comes */
    int64_t not_before_ms;
};

struct task_queue {
    struct task *first, *last;
};

/* Queues in the order in which they are served. */
enum frontier_queue {
    QUEUE_SITEMAPS,
    QUEUE_LIKELY,
    QUEUE_LISTED,
    QUEUE_LINKS,
    QUEUE_UNLIKELY,
    QUEUE_COUNT
};

struct frontier {
    struct arena arena;     /* tasks and their texts */
    struct site_set seen;   /* canonical URL → task */
    struct site_set shapes; /* directory → struct shape */
    struct task_queue queues[QUEUE_COUNT];
    struct task_queue retries; /* in the order of not_before_ms, nearly */
    struct task_queue deferred;
    int64_t sitemaps; /* ever queued */
    int64_t pages;
    bool is_full; /* something was left out for want of room */
};

/* What is known of the pages of one directory. */
struct shape {
    int tried;
    int hits; /* items found there */
};

void frontier__init(struct frontier *frontier);
void frontier__fini(struct frontier *frontier);

/* Whether a link may lead to a page worth reading at all: no file of another type, no cart, no
 * log-in. */
bool frontier__is_page(const struct url *url);
/*
 * Queues a URL that has not been seen; one that was deferred is queued now. `scratch` is for the
 * canonical form. Returns whether it is new.
 */
bool frontier__add(struct frontier *frontier, const struct url *url, enum task_role role, int depth,
                   struct arena *scratch);
/* Keeps a URL for later: frontier__wake. */
bool frontier__defer(struct frontier *frontier, const struct url *url, int depth,
                     struct arena *scratch);
/* Marks as seen without queueing: it is being read. False if it was seen before. */
bool frontier__mark(struct frontier *frontier, const struct url *url, struct arena *scratch);
/* Queues those deferred that lie where items have been found, a few of each unknown place, or
 * `all`. Returns how many. */
int64_t frontier__wake(struct frontier *frontier, bool all, struct arena *scratch);
/* The pages of a directory, by the URL of one of them; NULL when out of memory. */
struct shape *frontier__shape(struct frontier *frontier, const struct url *url,
                              struct arena *scratch);

void frontier__queue_push(struct task_queue *queue, struct task *task);
struct task *frontier__queue_pop(struct task_queue *queue);

/*
 * Whether `to` is another page of the list that `from` is one of: it differs in a page number alone
 * (?page=2, /page/2), and in parameters that tell no pages apart.
 */
bool frontier__is_numbered(const struct url *from, const struct url *to, struct arena *scratch);

#endif
