/* The set of images: which there are, and who makes one. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/image.h"

/* A range that was asked for, and what is known of it under a stamp. */
struct place {
    const struct store_index *index; /* NULL: free */
    struct store_key_buffer begin;
    uint64_t stamp;
    size_t entries;  /* that a walk came past; 0: not known */
    bool is_making;  /* a reader makes the image, and the place is its own meanwhile */
    bool has_failed; /* there can be none */
    struct store_image *image;
    uint64_t used; /* when last, in numbers of uses */
};

struct store_images {
    size_t entries_min;
    pthread_mutex_t lock;
    /* under lock */
    struct place places[STORE_IMAGES_MAX];
    size_t bytes;
    uint64_t uses;
};

struct store_images *store__images_create(size_t entries_min)
{
    struct store_images *images = calloc(1, sizeof *images);
    if (images == NULL)
        return NULL;
    images->entries_min = entries_min == 0 ? STORE_IMAGE_ENTRIES_MIN : entries_min;
    (void)pthread_mutex_init(&images->lock, NULL);
    return images;
}

void store__images_destroy(struct store_images *images)
{
    if (images == NULL)
        return;
    for (size_t i = 0; i < STORE_IMAGES_MAX; i++)
        store__image_unref(images->places[i].image);
    (void)pthread_mutex_destroy(&images->lock);
    free(images);
}

bool store__image_suits(const struct store_query *query, size_t *ret_stamp)
{
    const struct store_range *range = &query->range;
    const struct store_index *index = range->index;
    const struct store_table *table = index->table;
    size_t first = index->columns[0].slot;
    /* All of it is one partition's, and the order is not that of a text. */
    if (!range->is_whole || range->reverse || index->search_count == 0 || !query->is_covered ||
        query->order.is_text || first != table->primary.columns[0].slot ||
        table->kinds[first] != STORE_KIND_NUMBER)
        return false;
    *ret_stamp = store__stamp_of_key(table, range->begin);
    return true;
}

/* --- places --- */

static void forget_image(struct store_images *images, struct place *place)
{
    if (place->image == NULL)
        return;
    images->bytes -= store__image_bytes(place->image);
    store__image_unref(place->image);
    place->image = NULL;
}

static struct place *find_place(struct store_images *images, const struct store_range *range)
{
    for (size_t i = 0; i < STORE_IMAGES_MAX; i++) {
        struct place *place = &images->places[i];
        if (place->index == range->index &&
            store__span_compare(store__key_span(&place->begin), range->begin) == 0)
            return place;
    }
    return NULL;
}

/* The one that was not used longest, or a free one; NULL if all are being made. */
static struct place *oldest_place(struct store_images *images, bool has_image)
{
    struct place *oldest = NULL;
    for (size_t i = 0; i < STORE_IMAGES_MAX; i++) {
        struct place *place = &images->places[i];
        if (!place->is_making && (!has_image || place->image != NULL) &&
            (oldest == NULL || place->used < oldest->used))
            oldest = place;
    }
    return oldest;
}

/* What is known of the range under this stamp; begins anew where it was another. */
static struct place *place_of(struct store_images *images, const struct store_range *range,
                              uint64_t stamp)
{
    struct place *place = find_place(images, range);
    if (place == NULL)
        place = oldest_place(images, false);
    if (place == NULL || place->is_making)
        return NULL;
    if (place->index != range->index || place->stamp != stamp ||
        store__span_compare(store__key_span(&place->begin), range->begin) != 0) {
        forget_image(images, place);
        *place = (struct place){.index = range->index, .stamp = stamp};
        store__key_append_raw(&place->begin, range->begin);
    }
    place->used = ++images->uses;
    return place;
}

static void keep_image(struct store_images *images, struct place *place, struct store_image *image)
{
    place->is_making = false;
    place->image = image;
    if (image == NULL)
        return;
    store__image_ref(image);
    images->bytes += store__image_bytes(image);
    while (images->bytes > STORE_IMAGES_BYTES_MAX)
        forget_image(images, oldest_place(images, true));
}

/* --- for readers --- */

void store__images_note(struct store_images *images, const struct store_query *query,
                        uint64_t stamp, size_t entries)
{
    (void)pthread_mutex_lock(&images->lock);
    struct place *place = place_of(images, &query->range, stamp);
    if (place != NULL && place->entries < entries)
        place->entries = entries;
    (void)pthread_mutex_unlock(&images->lock);
}

struct store_image *store__images_take(struct store_images *images, struct store_reader *reader,
                                       const struct store_query *query, uint64_t stamp)
{
    struct store_image *image = NULL;
    (void)pthread_mutex_lock(&images->lock);
    struct place *place = place_of(images, &query->range, stamp);
    if (place != NULL && place->image != NULL) {
        image = place->image;
        store__image_ref(image);
    }
    bool makes = place != NULL && place->image == NULL && !place->has_failed &&
                 place->entries >= images->entries_min;
    if (makes)
        place->is_making = true;
    (void)pthread_mutex_unlock(&images->lock);
    if (!makes)
        return image;
    struct rpc_status status; /* whatever it is, a walk finds it again */
    enum rpc_code code = store__image_make(reader, &query->range, &image, &status);
    (void)pthread_mutex_lock(&images->lock);
    /* Whose caller has gone may be made for the next one. */
    place->has_failed = code != RPC_OK && code != RPC_CANCELLED;
    keep_image(images, place, image);
    (void)pthread_mutex_unlock(&images->lock);
    return image;
}
