/*
 * Stand-ins of clients/meta and clients/site for tests of the jobs: the same functions, over a
 * state in a mapped file, so that it outlives a process that is killed. Linked instead of the
 * clients.
 */
#ifndef TEST_UNIT_SERVICES_FAKE_META_H
#define TEST_UNIT_SERVICES_FAKE_META_H

#include <stdatomic.h>

#include "clients/meta/meta.h"
#include "clients/site/site.h"

#define FAKE_OBJECTS_MAX 64
#define FAKE_ITEMS_MAX 16384
#define FAKE_DAYS_MAX 512
#define FAKE_BEST_MAX 32
#define FAKE_TOKEN "token-1"

/* What a call does: counted from 1 over all calls that reach Meta. */
enum fake_fault {
    FAKE_NONE,
    FAKE_UNAVAILABLE,     /* nothing happened */
    FAKE_UNKNOWN_OUTCOME, /* it happened, and UNAVAILABLE was answered */
    FAKE_REFUSED,         /* 100 */
    FAKE_TOKEN_DEAD,      /* 190 */
    FAKE_THROTTLED,       /* with a hint */
};

struct fake_object {
    enum meta_object kind;
    char parent[64], name[256], id[64];
    bool active;
    int64_t daily_budget;
    int32_t age_min; /* as it was changed to */
    bool vehicles;
};

struct fake_meta {
    atomic_int lock;
    atomic_int calls; /* so far */
    int fault_at;     /* the number of the call that fails; 0: none */
    int fault_every;  /* or each n-th */
    enum fake_fault fault;
    atomic_int polls_until_finished; /* status calls of a batch that say it goes on */
    bool batch_fails;
    int64_t refused_item_id; /* 0: none; -1: all */
    int64_t takes_at_most;   /* items of one batch; 0: no limit */
    bool revoked;            /* all that needs the token is 190 */
    atomic_int revocations;
    int object_count;
    struct fake_object objects[FAKE_OBJECTS_MAX];
    int64_t item_count; /* distinct items in the catalog */
    bool items[FAKE_ITEMS_MAX];
    atomic_int submits;
    int updates, deletes, lists; /* of items; of the catalog */
    int64_t refused_at_once_id;
    int day_count;
    struct meta_insight days[FAKE_DAYS_MAX];
    atomic_int daily_calls;
    int32_t asked_first_day, asked_last_day;
    int64_t lifetime_reach;
    int best_count; /* items by figures, of every period; titles are "Best <id>" */
    struct meta_insight_item best[FAKE_BEST_MAX];
    bool no_breakdown; /* figures by item are refused */
    atomic_int total_calls;
    int32_t total_first_day, total_last_day; /* of the last call for a whole period */

    /* the site */
    int site_items; /* found; identities "sku:<first>" and up */
    int site_first;
    int site_price;    /* a change of it changes the content */
    int site_excluded; /* the first so many have no price */
    /* single ones, by their number: has another price, is out of stock, is not there; 0: none */
    int site_changed, site_sold, site_gap;
    bool site_incomplete;
    int site_held; /* pages of so many items before the first could not be had */
    /* Pages of the site, of which the scan's memory is asked: numbers from site_page_first on. */
    int site_pages, site_page_first, site_page_version;
    atomic_int site_pages_same;
    atomic_bool site_slow; /* goes on until it is stopped */
    Lotcast__V1__Reason site_error;
    atomic_int site_reads;
};

extern struct fake_meta *fake;
/* Called behind each call to Meta, with how many there were, on the job's thread; NULL: nothing. */
typedef void fake_hook(int calls);
extern fake_hook *_Atomic fake_on_call;

/* Maps the state file (made anew if `path` does not exist). */
void fake_open(const char *path);
/* Objects of a kind that exist. */
int fake_count(enum meta_object kind);
/* Whether the catalog holds an item; while jobs run. */
bool fake_holds(int64_t item_id);
/* Each every-th call fails so (0: none), or all that needs the token; while jobs run. */
void fake_fail(enum fake_fault fault, int every);
void fake_revoke(void);
/* Whether one of a kind is active. */
bool fake_active(enum meta_object kind);

#endif
