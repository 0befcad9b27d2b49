/*
 * Lists as they came, kept by the caller between scans. See kept.c. The arena that is given is
 * reset by each call but kept__close.
 */
#ifndef CLIENTS_SITE_KEPT_H
#define CLIENTS_SITE_KEPT_H

#include "clients/site/internal.h"

/* Count up when what is kept of a list is not what is wanted any more. */
#define KEPT_LAYOUT 1
/* A header's value, with its NUL. */
#define KEPT_VALUE_BYTES 120

/* A list as an answer. The caller's memory; must not be moved while it is open. */
struct kept {
    struct http_response response; /* of the kind that is never freed */
    struct buffer body;
    int32_t part_count;
    char content_type[KEPT_VALUE_BYTES];
    char pages_total[KEPT_VALUE_BYTES];
};

/* The validators that the server has given, lent; false without any. */
bool kept__validators(Lotcast__V1__PageRecord *record, const struct http_response *response);
/* Whether the server can be asked whether it has changed. */
bool kept__is_askable(const struct http_response *response);

/* Keeps what came. What is cut off or too large is not kept. `memory` may be NULL. */
void kept__write(const struct site_memory *memory, const char *url, struct arena *arena,
                 const struct http_response *response);
/* Its first record, whose validators may be empty; in `arena`. NULL: there is nothing. */
Lotcast__V1__PageRecord *kept__find(const struct site_memory *memory, const char *url,
                                    struct arena *arena);
/* What was kept. False: nothing that can be used; it is closed then. */
bool kept__open(struct kept *kept, const struct site_memory *memory, const char *url,
                struct arena *arena);
void kept__close(struct kept *kept);
/* What was opened is what there is now. */
void kept__same(const struct kept *kept, const struct site_memory *memory, const char *url,
                struct arena *arena);

#endif
