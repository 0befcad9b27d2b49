/*
 * Printed answers: the JSON text and the entity tag of what was answered before, so that the same
 * answer is neither unpacked, printed nor hashed again.
 *
 * Found by the answer itself: the route and all bytes of the packed response, which the logic has
 * given in this very call. So nothing can be found that it has not just answered; who asks, and
 * whether he may, is not looked at here.
 *
 * Bounded in bytes. What was answered once is only noted; what comes a second time is kept, so that
 * answers that come once cost little. One thread.
 */
#ifndef REST_PRINTED_H
#define REST_PRINTED_H

#include <stdbool.h>

#include "rest/header.h"
#include "rpc/base/span.h"

/* Of one answer: the response and its text together, in bytes. */
#define PRINTED_ANSWER_BYTES_MAX ((size_t)16 * 1024)

struct printed;

/* Immutable, and valid as long as it is held. */
struct printed_answer {
    unsigned refs;
    size_t bytes; /* of memory */
    uint64_t hash;
    const void *route;
    struct span packed;
    struct span text;
    char etag[HEADER_ETAG_BYTES];
    uint8_t data[];
};

/* NULL when out of memory. `bytes_max` bounds what is kept. */
struct printed *printed_create(size_t bytes_max);
/* Takes NULL. What is held outlives it. */
void printed_destroy(struct printed *printed);

/* The text of that response, with a reference; NULL: it is to be printed. */
struct printed_answer *printed_take(struct printed *printed, const void *route, struct span packed);
/* Drops the reference. Takes NULL. */
void printed_release(struct printed_answer *answer);
/* Offers what was printed since printed_take found nothing; copied if it is kept. */
void printed_offer(struct printed *printed, const void *route, struct span packed, struct span text,
                   const char *etag);

/* Registers the metrics. */
void printed_start(void);

#endif
