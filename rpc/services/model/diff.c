#include "rpc/services/model/diff.h"

#include <stdlib.h>
#include <string.h>

/* A pointer into either list with its place there; sorted by identity, then by place. */
struct entry {
    const struct diff_item *item;
    size_t index;
};

static int entry_compare(const void *a_, const void *b_)
{
    const struct entry *a = a_;
    const struct entry *b = b_;
    int order = strcmp(a->item->identity, b->item->identity);
    if (order != 0)
        return order;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* The list's entries sorted; NULL when the arena is full. */
static struct entry *sorted(const struct diff_item *items, size_t count, struct arena *arena)
{
    struct entry *entries = arena_calloc(arena, count, sizeof *entries);
    if (entries == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct entry){&items[i], i};
    if (count > 0)
        qsort(entries, count, sizeof *entries, entry_compare);
    return entries;
}

/* Says for each found item which stored one it is, and marks the stored ones found. */
static void match(const struct entry *stored, size_t stored_count, const struct entry *found,
                  size_t found_count, size_t *stored_of, bool *found_again)
{
    size_t at = 0;
    for (size_t i = 0; i < found_count; i++) {
        const char *identity = found[i].item->identity;
        if (i > 0 && strcmp(found[i - 1].item->identity, identity) == 0) {
            stored_of[found[i].index] = DIFF_REPEATED;
            continue;
        }
        while (at < stored_count && strcmp(stored[at].item->identity, identity) < 0)
            at++;
        if (at == stored_count || strcmp(stored[at].item->identity, identity) != 0) {
            stored_of[found[i].index] = DIFF_NEW;
            continue;
        }
        stored_of[found[i].index] = stored[at].index;
        found_again[stored[at].index] = true;
    }
}

bool diff_inventory(const struct diff_item *stored, size_t stored_count,
                    const struct diff_item *found, size_t found_count, struct arena *arena,
                    struct diff *ret_diff)
{
    struct diff diff = {
        .stored_of = arena_calloc(arena, found_count, sizeof(size_t)),
        .added = arena_calloc(arena, found_count, sizeof(size_t)),
        .changed = arena_calloc(arena, found_count, sizeof(size_t)),
        .removed = arena_calloc(arena, stored_count, sizeof(size_t)),
    };
    struct entry *stored_sorted = sorted(stored, stored_count, arena);
    struct entry *found_sorted = sorted(found, found_count, arena);
    bool *found_again = arena_calloc(arena, stored_count, sizeof *found_again);
    if (diff.stored_of == NULL || diff.added == NULL || diff.changed == NULL ||
        diff.removed == NULL || stored_sorted == NULL || found_sorted == NULL ||
        found_again == NULL)
        return false;
    match(stored_sorted, stored_count, found_sorted, found_count, diff.stored_of, found_again);
    for (size_t i = 0; i < found_count; i++) {
        size_t of = diff.stored_of[i];
        if (of == DIFF_REPEATED)
            continue;
        if (of == DIFF_NEW)
            diff.added[diff.added_count++] = i;
        else if (span_equal(stored[of].content_hash, found[i].content_hash))
            diff.same_count++;
        else
            diff.changed[diff.changed_count++] = i;
    }
    for (size_t i = 0; i < stored_count; i++)
        if (!found_again[i])
            diff.removed[diff.removed_count++] = i;
    *ret_diff = diff;
    return true;
}

bool diff_removal_allowed(const struct diff *diff, size_t stored_count)
{
    return stored_count - diff->removed_count >= diff->removed_count;
}
