/*
 * What a scan changes in an inventory: stored and found items compared by identity. Pure.
 */
#ifndef RPC_SERVICES_MODEL_DIFF_H
#define RPC_SERVICES_MODEL_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "rpc/base/arena.h"
#include "rpc/base/span.h"

/* An item as the comparison sees it; texts and bytes are borrowed. */
struct diff_item {
    const char *identity;
    struct span content_hash;
};

/* The item found is not among the stored ones. */
#define DIFF_NEW SIZE_MAX
/* The item found repeats the identity of one found before it, and counts for nothing. */
#define DIFF_REPEATED (SIZE_MAX - 1)

/* Indices into the two lists, in the lists' own order. In the arena. */
struct diff {
    size_t
        *stored_of; /* for each item found: the stored one that it is, DIFF_NEW or DIFF_REPEATED */
    size_t *added;  /* of found: new ones */
    size_t added_count;
    size_t *changed; /* of found: stored with another content */
    size_t changed_count;
    size_t *removed; /* of stored: not found again */
    size_t removed_count;
    size_t same_count; /* found again as they were stored */
};

/* Compares the lists; stored identities are unique. False when the arena is full. */
bool diff_inventory(const struct diff_item *stored, size_t stored_count,
                    const struct diff_item *found, size_t found_count, struct arena *arena,
                    struct diff *ret_diff) __attribute__((warn_unused_result));

/*
 * Whether a re-scan may remove what it did not find: not when it found again fewer than half of the
 * stored items, for an outage of a site must not empty a catalog (api-contracts, section 5).
 */
bool diff_removal_allowed(const struct diff *diff, size_t stored_count);

#endif
