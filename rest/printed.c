/*
 * A table of places by hash. A place has one answer, and the hash of the last one that was noted
 * there. Where there is no more room, a hand goes round and empties places until there is.
 */
#include "rest/printed.h"

#include <stdlib.h>
#include <string.h>

#include "rpc/base/metrics.h"

/* A power of two. */
#define PLACES ((size_t)16384)
/* Odd, with about as many ones as zeros: from the golden ratio. */
#define MIX UINT64_C(0x9e3779b97f4a7c15)
#define SEED UINT64_C(0x243f6a8885a308d3)

struct place {
    struct printed_answer *answer;
    uint64_t noted;
};

struct printed {
    size_t bytes_max;
    size_t bytes;
    size_t hand;
    struct place places[PLACES];
};

static struct metric metric_bytes =
    METRIC_GAUGE("lotcast_http_printed_bytes", "Memory of printed answers that are kept.");
static struct metric metric_made =
    METRIC_COUNTER("lotcast_http_printed_total", "Cacheable answers that had to be printed.");

void printed_start(void)
{
    metrics_register(&metric_bytes);
    metrics_register(&metric_made);
}

struct printed *printed_create(size_t bytes_max)
{
    struct printed *printed = calloc(1, sizeof *printed);
    if (printed != NULL)
        printed->bytes_max = bytes_max;
    return printed;
}

void printed_release(struct printed_answer *answer)
{
    if (answer != NULL && --answer->refs == 0)
        free(answer);
}

static void empty(struct printed *printed, struct place *place)
{
    if (place->answer == NULL)
        return;
    printed->bytes -= place->answer->bytes;
    metric_add(&metric_bytes, -(int64_t)place->answer->bytes);
    printed_release(place->answer);
    place->answer = NULL;
}

void printed_destroy(struct printed *printed)
{
    if (printed == NULL)
        return;
    for (size_t i = 0; i < PLACES; i++)
        empty(printed, &printed->places[i]);
    free(printed);
}

/* --- finding --- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * MIX;
    return hash ^ hash >> 32;
}

/* Collisions cost a place, no more: all bytes are compared. */
static uint64_t hash_of(const void *route, struct span packed)
{
    uint64_t hash = mix(SEED ^ packed.len, (uintptr_t)route);
    size_t at = 0;
    uint64_t word = 0;
    for (; packed.len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, packed.data + at, sizeof word);
        hash = mix(hash, word);
    }
    word = 0;
    if (at < packed.len)
        memcpy(&word, packed.data + at, packed.len - at);
    return mix(hash, word);
}

static struct place *place_of(struct printed *printed, uint64_t hash)
{
    return &printed->places[hash % PLACES];
}

struct printed_answer *printed_take(struct printed *printed, const void *route, struct span packed)
{
    uint64_t hash = hash_of(route, packed);
    struct printed_answer *answer = place_of(printed, hash)->answer;
    if (answer != NULL && answer->hash == hash && answer->route == route &&
        span_equal(answer->packed, packed)) {
        answer->refs++;
        return answer;
    }
    metric_add(&metric_made, 1);
    return NULL;
}

/* --- keeping --- */

/* Empties places until so many bytes fit; the bound is far above one answer's. */
static void make_room(struct printed *printed, size_t bytes)
{
    while (printed->bytes > 0 && printed->bytes + bytes > printed->bytes_max) {
        empty(printed, &printed->places[printed->hand]);
        printed->hand = (printed->hand + 1) % PLACES;
    }
}

static struct printed_answer *make(uint64_t hash, const void *route, struct span packed,
                                   struct span text, const char *etag)
{
    size_t bytes = sizeof(struct printed_answer) + packed.len + text.len;
    struct printed_answer *answer = malloc(bytes);
    if (answer == NULL)
        return NULL;
    *answer = (struct printed_answer){.refs = 1, .bytes = bytes, .hash = hash, .route = route};
    answer->packed = span_of(answer->data, packed.len);
    answer->text = span_of(answer->data + packed.len, text.len);
    if (packed.len > 0)
        memcpy(answer->data, packed.data, packed.len);
    if (text.len > 0)
        memcpy(answer->data + packed.len, text.data, text.len);
    memcpy(answer->etag, etag, strlen(etag) + 1);
    return answer;
}

void printed_offer(struct printed *printed, const void *route, struct span packed, struct span text,
                   const char *etag)
{
    size_t bytes = sizeof(struct printed_answer) + packed.len + text.len;
    uint64_t hash = hash_of(route, packed);
    struct place *place = place_of(printed, hash);
    if (packed.len + text.len > PRINTED_ANSWER_BYTES_MAX || bytes > printed->bytes_max ||
        strlen(etag) >= HEADER_ETAG_BYTES)
        return;
    if (place->noted != hash) {
        place->noted = hash;
        return;
    }
    empty(printed, place);
    make_room(printed, bytes);
    place->answer = make(hash, route, packed, text, etag);
    if (place->answer == NULL)
        return;
    printed->bytes += bytes;
    metric_add(&metric_bytes, (int64_t)bytes);
}
