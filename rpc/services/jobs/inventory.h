/*
 * An inventory brought in step with its website: what scan and sync share.
 */
#ifndef RPC_SERVICES_JOBS_INVENTORY_H
#define RPC_SERVICES_JOBS_INVENTORY_H

#include "clients/site/site.h"
#include "rpc/services/jobs/internal.h"
#include "rpc/services/model/diff.h"

struct inventory_update {
    struct job_step *step;
    /* what is asked */
    const char *url;
    bool replaces;       /* the first scan of a URL: the old inventory goes, however much of it */
    bool confirmed;      /* so does a re-scan's, having been confirmed */
    bool may_be_empty;   /* a site without items is an answer, not NO_ITEMS_FOUND */
    bool remembers_gone; /* what goes may be in a catalog, and is to be deleted there */
    /* If not 0, every commit fails unless the website's record has this version: what is written is
     * of the URL that was read. */
    uint64_t website_version;
    /* Fields of step->job that count what is written, stored with it; all NULL: nobody counts. */
    int64_t *added, *updated, *removed;
    /* what came of it */
    struct site_scan site;
    size_t found_count; /* of them, repeated ones apart */
    struct diff diff;
    size_t stored_count;
    bool found_too_few; /* fewer than half of the stored items were found again */
    bool removal_held;  /* so none is removed, though all that the site lists was read */
    /* within */
    struct diff_item *stored, *found;
    int64_t *stored_ids; /* item ids, in the same order */
    bool *stored_held;   /* what is known to be where the site could not be read */
    size_t stored_capacity;
};

/*
 * Reads the site and the inventory, and compares them. Errors of site_scan_run; NO_ITEMS_FOUND.
 * Changes nothing.
 */
enum rpc_code jobs__inventory_read(struct inventory_update *update, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Writes what differs, in fenced commits. Repeating any part changes nothing. */
enum rpc_code jobs__inventory_write(struct inventory_update *update, struct rpc_status *status)
    __attribute__((warn_unused_result));
/* Items of the inventory once it is written. */
int64_t jobs__inventory_count(const struct inventory_update *update);

#endif
