/*
 * What searches and filters of one customer's index look at, laid out in memory for them: made of
 * the index's entries in one walk, immutable, and thrown away when the partition's stamp is
 * another.
 *
 * An image has, of each entry in the order of the range: its key, its covered numbers, and which
 * words its texts have. A searched word has no space in it, so an entry has it if and only if one
 * of the entry's own words has: the words are kept once each, with the entries that have them, and
 * a search looks through the words alone. Which of them can have a searched word, of three bytes or
 * more, is told by bits for (hashed) triples of bytes, a bit for each block of words.
 *
 * An image is used by a snapshot that was begun between two looks at the stamp it was made under
 * (store__images_take): it says then what a walk of that snapshot would.
 *
 * Images are owned by references; the set of them keeps one each, and lets go of those that were
 * not used longest when they become too large together. Any thread.
 */
#ifndef STORE_IMAGE_H
#define STORE_IMAGE_H

#include "store/query.h"
#include "store/stamp.h"

/* Ranges with fewer entries are walked; of all images together, in bytes; and how many there are.
 */
#define STORE_IMAGE_ENTRIES_MIN 1000
#define STORE_IMAGES_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define STORE_IMAGES_MAX 64

struct store_image;
struct store_images;

/* `entries_min` 0: STORE_IMAGE_ENTRIES_MIN. NULL when out of memory. */
struct store_images *store__images_create(size_t entries_min);
/* Takes NULL. */
void store__images_destroy(struct store_images *images);

/* Whether a query of this kind can be answered from an image, and by which stamp it then goes. */
bool store__image_suits(const struct store_query *query, size_t *ret_stamp);
/*
 * The image for a snapshot that was taken under this stamp, or NULL: walk then. An image is made
 * when the same is asked a second time under one stamp, by the reader's own snapshot; for others
 * there is none meanwhile. A reference of the caller's.
 */
struct store_image *store__images_take(struct store_images *images, struct store_reader *reader,
                                       const struct store_query *query, uint64_t stamp);
/* Says that a walk of the range has come past so many entries under this stamp. */
void store__images_note(struct store_images *images, const struct store_query *query,
                        uint64_t stamp, size_t entries);

/* --- one image --- */

void store__image_ref(struct store_image *image);
/* Frees it with the last. Takes NULL. */
void store__image_unref(struct store_image *image);
size_t store__image_count(const struct store_image *image);
/* The key of an entry, borrowed from the image. */
struct span store__image_key(const struct store_image *image, size_t entry);
/* The covered number of this place in index->covers. */
int64_t store__image_number(const struct store_image *image, size_t entry, size_t cover);
/*
 * Which entries have all words: a bit for each, lowest first, in 64s; NULL: none. All of them where
 * there are no words. False when the arena is full.
 */
bool store__image_match(const struct store_image *image, const struct span *words,
                        size_t word_count, struct arena *arena, const uint64_t **ret_entries)
    __attribute__((warn_unused_result));

/* --- for the set of images --- */

/* Makes an image of the query's range. Any error, RPC_RESOURCE_EXHAUSTED when it would be larger
 * than all may be together: there is none then. */
enum rpc_code store__image_make(struct store_reader *reader, const struct store_range *range,
                                struct store_image **ret_image, struct rpc_status *status)
    __attribute__((warn_unused_result));
size_t store__image_bytes(const struct store_image *image);

#endif
